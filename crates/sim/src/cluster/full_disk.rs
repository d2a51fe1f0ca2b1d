//! Disks that fill up in the end, and must empty themselves.
//!
//! All that the cluster had was looked at by now, and is deleted. Some disks get little room, and clients write until a node
//! refuses: to the same few keys, so that nothing but the log is in the way, or to ever more, which are deleted then. Either
//! way the node must find room by itself, within [`EMPTIED_WITHIN_US`], and take writes again. Excused is who has not got the
//! deletes, as it had no room for the writes before them while others had, and who has too much beside its keys for another
//! checkpoint: that takes somebody who makes room there.
//!
//! Does not know: how room is made.

use std::collections::BTreeMap;

use base::PartitionId;
use log::Checkpoints;

use crate::cluster::ClusterWorld;
use crate::cluster::judge::Op;
use crate::cluster::machine::Machine;

/// Bytes that are left on such a disk: writes leave a reserve of 16 KiB and want some more for a turn of each worker.
const LEFT: std::ops::Range<u64> = 80_000..250_000;
/// Of which at least one fits into that.
const SEGMENT_MAX: u64 = 16 << 10;
/// Writes of two kilobytes each; with more the log is cut before the disk is full.
const WRITES: u64 = 200;
/// So many keys are written again and again: their values take less than a checkpoint may.
const SAME: u64 = 2;
/// Where all checkpoints take less, there is room for each once more.
const CHECKPOINTS_MAX: u64 = 10 << 10;
/// A round of checkpoints follows one that failed within eight seconds, and nodes believe for five that another is full.
const EMPTIED_WITHIN_US: u64 = 20_000_000;
/// What was refused is asked for again after so long.
const AGAIN_US: u64 = 100_000;

impl ClusterWorld {
    /// Fills disks, and waits until they are not full any more.
    pub(super) fn fill_disks(&mut self) -> Result<(), String> {
        // Where memory is short, that comes first; and large segments do not fit into the reserve, as they do into a real one.
        if self.plan.memory.is_some() || self.plan.segment_bytes > SEGMENT_MAX {
            return Ok(());
        }
        self.judge.may_be_full = true;
        let present = self.present();
        let writer = present[self.random.below(present.len() as u64) as usize];
        self.insist(writer, Op::Flush)?;
        for number in present.iter().copied() {
            let left = LEFT.start + self.random.below(LEFT.end - LEFT.start);
            if self.random.chance(3, 4) {
                self.machines[number].disk.leave(left);
                self.note(format_args!("the disk of node {number} has room for {left} bytes"));
            }
        }
        let is_log_only = self.random.chance(1, 2);
        let keys = if is_log_only { SAME } else { WRITES };
        for write in 0..WRITES {
            self.ask_through(writer, Op::Bulk(write % keys))?;
            if self.refusing().next().is_some() {
                self.note(format_args!("a disk is full after {write} writes"));
                break;
            }
        }
        if !is_log_only {
            self.insist(writer, Op::Flush)?;
        }
        self.wait("a full disk does not empty itself", |world| {
            world.refusing().all(|number| match is_log_only {
                true => world.has_large_checkpoints(number),
                false => world.is_behind(number),
            })
        })?;
        for number in present {
            self.insist(number, Op::Bulk(0))?;
        }
        self.machines.iter_mut().for_each(|machine| machine.disk.free());
        self.settle()?;
        self.until("replicas of a partition are not the same", |world| world.differing().is_none())
            .map_err(|error| format!("{error}\n    {}", self.differing().unwrap_or_default()))
    }

    /// Nodes that take no writes for want of room.
    fn refusing(&self) -> impl Iterator<Item = usize> {
        let refuses = |machine: &Machine| machine.life.as_ref().is_some_and(|life| life.refusing);
        (0..self.machines.len()).filter(move |number| refuses(&self.machines[*number]))
    }

    /// Whether a partition has so much beside its keys, as what numbered requests were answered, that there may be no room for
    /// it where there is none for writes.
    fn has_large_checkpoints(&self, number: usize) -> bool {
        let disk = self.machines[number].disk.disk();
        let sizes = (0..self.plan.partitions)
            .map(|id| Checkpoints::size_before(&*disk, PartitionId(id), u64::MAX).ok().flatten());
        sizes.flatten().sum::<u64>() > CHECKPOINTS_MAX
    }

    /// Whether a replica of this node lacks what another has.
    fn is_behind(&self, number: usize) -> bool {
        let life = |number: usize| self.machines[number].life.as_ref();
        let applied = |number: usize| {
            let seats =
                life(number).into_iter().flat_map(|life| (0..life.workers()).map(|seat| life.worker(seat)));
            seats
                .flat_map(node::Worker::contents)
                .map(|(id, index, _)| (id, index))
                .collect::<BTreeMap<_, _>>()
        };
        let own = applied(number);
        let others: Vec<_> = self.present().into_iter().map(applied).collect();
        own.iter().any(|(id, index)| others.iter().any(|other| other.get(id) > Some(index)))
    }

    /// Asks until it is done.
    fn insist(&mut self, node: usize, op: Op) -> Result<(), String> {
        let until_us = self.now_us() + EMPTIED_WITHIN_US;
        loop {
            match self.ask_through(node, op)? {
                resp::Value::Error(text) if self.now_us() > until_us => {
                    return Err(format!("full disks: {op:?} by way of node {node} is still refused: {text}"));
                }
                resp::Value::Error(_) => {}
                _ => return Ok(()),
            }
            let again_us = self.now_us() + AGAIN_US;
            while self.now_us() < again_us {
                self.step(false)?;
            }
        }
    }

    fn wait(&mut self, what: &str, holds: impl Fn(&ClusterWorld) -> bool) -> Result<(), String> {
        let until_us = self.now_us() + EMPTIED_WITHIN_US;
        while !holds(self) {
            if self.now_us() > until_us {
                return Err(format!("full disks: {what}\n    {}", self.tell_places()));
            }
            self.step(false)?;
        }
        Ok(())
    }
}
