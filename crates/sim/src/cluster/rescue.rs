//! All machines of a cluster are lost but for their disks, and what is on those becomes another cluster, as `narf rescue`
//! makes it.
//!
//! Clients go on with it: what they were told must hold there, too, numbered requests included.

use std::sync::Arc;

use base::{KeyHasher, Millis};
use cluster::MemberKind;
use log::{CheckpointHeader, CheckpointWriter, Disk, LogError, Position};
use node::{Rescue, RescueError, RescuedState, Router, Standing};

use crate::cluster::ClusterWorld;
use crate::cluster::crew::{Aim, Crew};
use crate::cluster::machine::{Machine, Stand};
use crate::disk::SimDisk;
use crate::start::{self, StartError};

/// How many nodes join the new cluster.
const JOINERS: usize = 2;

#[derive(Debug, thiserror::Error)]
enum RescueFailed {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Rescue(#[from] RescueError),
    #[error(transparent)]
    Recovery(#[from] node::RecoveryError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Refused(#[from] cluster::Refused),
    #[error("reading a disk has changed it")]
    Changed,
    #[error("of partition {0} nothing was found")]
    Missing(u16),
}

impl ClusterWorld {
    /// The cluster is lost, rescued, and grows again.
    pub(super) fn lose_all_and_rescue(&mut self) -> Result<(), String> {
        self.note(format_args!("all machines are lost, and their disks are read"));
        self.plan.troubles.clear();
        self.judge.deadlines.end();
        let without = self.one_too_many();
        let lost: Vec<usize> =
            (0..self.machines.len()).filter(|number| self.machines[*number].stand != Stand::Gone).collect();
        let mut disks = Vec::new();
        for &number in &lost {
            self.crash(number);
            let machine = &mut self.machines[number];
            machine.disk.heal();
            let holds_data = machine.kind == MemberKind::Data;
            let is_read = machine.stand == Stand::In && holds_data && Some(number) != without;
            let disk = std::mem::replace(&mut machine.disk, SimDisk::new(0));
            if is_read {
                disks.push((number, disk));
            }
        }
        self.crew = Crew::default();
        self.outages.clear();
        (self.loss_wanted, self.is_short) = (None, false);
        let place = self.machines.len();
        let number = self.add_machine(place, MemberKind::Data);
        self.rescue_onto(number, &disks).map_err(|error| format!("rescue: {error}"))?;
        lost.into_iter().for_each(|number| self.retire(number));
        let now_us = self.now_us();
        let machine = &mut self.machines[number];
        (machine.stand, machine.start_at_us) = (Stand::In, now_us);
        self.heal()?;
        for _ in 0..JOINERS {
            let number = self.add_machine(self.machines.len(), MemberKind::Data);
            self.aim(number, Aim::Join);
            self.settle()?;
        }
        Ok(())
    }

    /// A machine whose disk is lost too, if the others have all that it has.
    fn one_too_many(&mut self) -> Option<usize> {
        let present = self.present();
        let is_sound = !present.iter().any(|number| self.machines[*number].is_recovering());
        let hold_data = present.iter().all(|number| self.machines[*number].kind == MemberKind::Data);
        let may_be = present.len() >= 3 && hold_data && is_sound && !self.is_short && self.crew.is_idle();
        if !may_be || !self.is_placed(present.len()) {
            return None;
        }
        let number = present[self.random.below(present.len() as u64) as usize];
        self.note(format_args!("node {number} is lost with its disk"));
        Some(number)
    }

    fn rescue_onto(&mut self, number: usize, disks: &[(usize, SimDisk)]) -> Result<(), RescueFailed> {
        let (router, hasher) = (Router::new(self.plan.partitions, 1), KeyHasher::new(self.key_hash_seed));
        let identity = self.machines[number].identity();
        let me = cluster::replica_id(identity.node_id).unwrap_or_default();
        let new = self.machines[number].disk.disk();
        let mut rescue = Rescue::new(router, hasher, me);
        for (from, disk) in disks {
            let calls = disk.memory().calls();
            let Some((recovery, is_in_doubt)) = start::read(&disk.disk(), disk.boot_id())? else { continue };
            if disk.memory().calls() != calls {
                return Err(RescueFailed::Changed);
            }
            let Machine { node, admission, .. } = &self.machines[*from];
            let remainder = rescue.take(*node, recovery, admission.clone(), is_in_doubt)?;
            let (replicas, better) = (remainder.replicas, remainder.better.len());
            remainder.better.into_iter().try_for_each(|state| write(&new, identity, state))?;
            self.note(format_args!("node {from} had {replicas} replicas, {better} of them better"));
        }
        let standings: Vec<_> = rescue.standings().collect();
        self.note(format_args!("{standings:?}"));
        if let Some((id, _)) = standings.iter().find(|(_, standing)| *standing == Standing::Missing) {
            return Err(RescueFailed::Missing(id.0));
        }
        let now = Millis(self.machines[number].now().wall_us / 1000);
        let member = self.machines[number].newcomer();
        let (_, frame) = rescue.found(8, member, now, "simulated")?;
        Ok(start::prepare(&new, self.machines[number].disk.boot_id(), identity, &frame)?)
    }
}

/// Writes the checkpoint of a state.
fn write(disk: &Arc<dyn Disk>, identity: log::NodeMeta, mut state: RescuedState) -> Result<(), LogError> {
    let (term, index) = RescuedState::TERM_AND_INDEX;
    let header = CheckpointHeader {
        node: identity.node_id,
        partition: state.id(),
        index,
        term,
        position: Position(0),
        key_hash_seed: identity.key_hash_seed,
        wall_us: state.time().0 * 1000,
    };
    let mut writer = CheckpointWriter::create(Arc::clone(disk), &header)?;
    while let Some(chunk) = state.next_chunk() {
        writer.chunk(&chunk)?;
    }
    writer.finish().map(drop)
}
