//! A machine of the cluster: its disk, its clock, and the process on it, if one runs.

use base::{NodeId, Now, Random, SettledBy};
use cluster::{Levels, MemberKind, Meta};
use log::NodeMeta;
use node::Router;
use node::settings::Settings;

use crate::clock::Clock;
use crate::cluster::memory::Seen;
use crate::cluster::plan::Plan;
use crate::disk::SimDisk;
use crate::life::{Around, Life};
use crate::start::{Begins, Place, StartError, start};

/// Whether it is part of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// It is to be, and was not let in yet.
    Outside,
    In,
    /// It is to be no more: nobody reaches it, though its process may run.
    Struck,
    /// It is off for good.
    Gone,
}

pub(crate) struct Machine {
    pub(crate) node: NodeId,
    /// Whether it holds data, or votes only.
    pub(crate) kind: MemberKind,
    pub(crate) stand: Stand,
    /// Where it is; one that replaces another may be in its place.
    pub(crate) place: usize,
    pub(crate) disk: SimDisk,
    pub(crate) clock: Clock,
    /// How its process came to know what time it is, as was noted last.
    pub(crate) settled: Option<SettledBy>,
    pub(crate) life: Option<Life>,
    /// Who it is, if its disk does not say so yet.
    identity: NodeMeta,
    /// What the fabric told it when it was let in; none for the founder.
    pub(crate) admission: Option<Meta>,
    pub(crate) start_at_us: u64,
    /// The process stands still until then.
    pub(crate) paused_until_us: u64,
    /// Its disk has trouble of its own, so that it may rightly stop, or not start.
    pub(crate) disk_has_trouble: bool,
    pub(crate) full_until_us: Option<u64>,
    pub(crate) starts: u64,
    /// It has lost its power and has not started since.
    pub(crate) lost_power: bool,
    /// Steady clock: all that its earlier processes wrote before is on its disk.
    pub(crate) synced_us: u64,
    /// Its process was told to stop, and goes when it has handed over what it leads, or then.
    pub(crate) stops_until_us: Option<u64>,
    /// A node that was struck off is turned off then.
    pub(crate) retire_at_us: Option<u64>,
    /// Those that the program on it knows.
    pub(crate) levels: Levels,
    /// How its workers have stood to their limit of memory, while somebody wants to know.
    pub(super) pressures: Option<Seen>,
}

impl Machine {
    pub(crate) fn new(number: usize, plan: &Plan, key_hash_seed: u64, random: &mut Random) -> Machine {
        // Numbers in the groups must differ and fit.
        let node = NodeId((u128::from(random.next_u64()) << 64) | (0x1000 + number as u128));
        let log_salt = random.next_u64();
        let partitions = plan.partitions;
        Machine {
            node,
            kind: MemberKind::Data,
            stand: Stand::Outside,
            place: number,
            disk: SimDisk::new(random.next_u64()),
            clock: Clock::default(),
            settled: None,
            life: None,
            identity: NodeMeta { node_id: node, key_hash_seed, log_salt, partitions, created_us: 0 },
            admission: None,
            start_at_us: 0,
            paused_until_us: 0,
            disk_has_trouble: false,
            full_until_us: None,
            starts: 0,
            lost_power: false,
            synced_us: 0,
            stops_until_us: None,
            retire_at_us: None,
            levels: cluster::LEVELS,
            pressures: None,
        }
    }

    /// Who it is.
    pub(crate) fn identity(&self) -> NodeMeta {
        self.identity
    }

    /// How it calls itself when it asks to be let in.
    pub(crate) fn newcomer(&self) -> cluster::Newcomer {
        let place = self.place;
        cluster::Newcomer {
            node: self.node,
            name: format!("node-{place}"),
            peer_address: format!("10.0.0.{place}:16379"),
            client_address: format!("10.0.0.{place}:6379"),
            tls_port: 0,
            kind: self.kind,
            weight: 100,
            incarnation: 1,
            version: "simulated".to_owned(),
            levels: self.levels,
        }
    }

    /// Starts the process, as the server would.
    pub(crate) fn start(
        &mut self,
        plan: &Plan,
        settings: &Settings,
        random: &mut Random,
    ) -> Result<(), StartError> {
        let begins = match &self.admission {
            Some(told) => Begins::Joins(told.clone()),
            None => Begins::Founds(cluster::Founding {
                cluster: 7,
                name: "simulated".to_owned(),
                partitions: plan.partitions,
                key_hash_seed: cluster::HashSeed(self.identity.key_hash_seed),
                replicas_wanted: 3,
                member: self.newcomer(),
            }),
        };
        let place = Place {
            disk: self.disk.disk(),
            boot_id: self.disk.boot_id(),
            workers: plan.workers,
            segment_bytes: plan.segment_bytes,
            levels: self.levels,
        };
        let started = start(place, self.identity, begins, random)?;
        self.starts += 1;
        // The first clock of a cluster is right: sessions of clients have begun by then.
        match plan.clocks && !(self.starts == 1 && self.admission.is_none()) && random.chance(1, 3) {
            true => drop(self.clock.set_wrong(random.next_u64())),
            false => self.clock.set_right(),
        }
        self.clock.begin(started.newest(), started.company());
        self.settled = None;
        self.synced_us = self.now().mono_us;
        self.lost_power = false;
        let pace = (plan.sync_interval_us, plan.checkpoint_log_bytes);
        let router = Router::new(plan.partitions, plan.workers);
        self.life = Some(Life::new(settings, router, started, pace, &self.clock, random));
        Ok(())
    }

    /// Whether another node is a member, as far as it knows.
    pub(crate) fn knows(&self, node: NodeId) -> bool {
        let state = self.life.as_ref().map(|life| life.worker(0).fabric_state());
        state.and_then(|state| state.member(node)).is_some_and(|member| member.state.is_live())
    }

    /// Whether it may lack what it had promised before it lost its power.
    pub(crate) fn is_recovering(&self) -> bool {
        self.lost_power || self.life.as_ref().is_some_and(Life::is_in_doubt)
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.now().mono_us < self.paused_until_us
    }

    /// Lets some of its threads move, in an order that the seed decides.
    pub(crate) fn step(&mut self, around: &mut Around<'_>) {
        let Some(life) = self.life.as_mut() else { return };
        let workers = life.workers() as u64;
        for _ in 0..=around.random.below(8 * workers + 2) {
            let who = around.random.below(workers * 4 + 1) as usize;
            match who / 4 < life.workers() {
                true => life.step(who / 4, around),
                false => life.step_disk(around),
            }
            self.pressures.iter_mut().for_each(|seen| seen.note(life));
            if life.failed.is_some() {
                return;
            }
        }
    }
}
