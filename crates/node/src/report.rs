//! What a node tells its shell about itself: figures for [metrics](crate::metrics), and whether it has its data.
//!
//! Taken on the workers, which only copy numbers; what is made of them is made on the thread that asked.

use base::Now;

use crate::cluster_view::{PartitionStanding, Status};
use crate::connection::NARF_VERSION;
use crate::gather::Answer;
use crate::outbox::Control;
use crate::stats::Snapshot;
use crate::worker::Worker;

/// What [`Worker::ask_report`] brings.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// All workers' counters in one.
    pub(crate) total: Snapshot,
    pub(crate) standings: Vec<PartitionStanding>,
    /// The number of this node in the groups.
    pub(crate) me: u64,
    pub(crate) now: Now,
    pub(crate) name: String,
    pub(crate) maxclients: u32,
    pub(crate) maxmemory: u64,
    /// Bytes allocated.
    pub(crate) memory_used: u64,
    pub(crate) workers: u16,
    /// Channels, sharded channels, and patterns that someone listens to.
    pub(crate) channels: (usize, usize, usize),
    pub(crate) last_save: Option<u64>,
    pub(crate) logging: bool,
    pub(crate) writes_refused: bool,
    state: &'static str,
    /// None for a node that is on its own.
    pub(crate) fabric: Option<FabricFigures>,
}

/// What a node knows of its cluster.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FabricFigures {
    pub(crate) cluster: String,
    pub(crate) nodes: usize,
    pub(crate) nodes_up: usize,
    pub(crate) missing: usize,
    pub(crate) may_lose: usize,
    pub(crate) replicas: usize,
    pub(crate) replicas_wanted: usize,
}

impl Report {
    /// How the node stands, in the words of `FABRIC STATUS`; one on its own is always ready.
    pub fn state(&self) -> &'static str {
        self.state
    }

    /// Whether the node has all that it is to have, and all partitions can be written to.
    pub fn is_ready(&self) -> bool {
        self.state == READY
    }

    pub(crate) fn version(&self) -> &'static str {
        NARF_VERSION
    }
}

const READY: &str = "ready";

impl Worker {
    /// All have answered.
    pub(crate) fn report(&mut self, number: u64, answers: Vec<Answer>) {
        let (mut total, mut standings) = (Snapshot::default(), Vec::new());
        for answer in answers {
            if let Answer::Report(snapshot, some) = answer {
                total.add(&snapshot);
                standings.extend(some);
            }
        }
        standings.sort_by_key(|standing| standing.id);
        let status = self.fabric.is_on.then(|| Status::of(self, &self.fabric.meta, &standings));
        let ((channels, sharded), patterns) = (self.pubsub.channels(), self.pubsub.patterns());
        let memory_used = self.memory.used_or(total.data_bytes + total.client_bytes);
        let report = Report {
            total,
            me: self.fabric.me,
            now: self.now,
            name: self.settings.name.clone(),
            maxclients: self.settings.maxclients,
            maxmemory: self.settings.maxmemory,
            memory_used,
            workers: self.router.workers(),
            channels: (channels, sharded, patterns),
            last_save: self.host.last_save(),
            logging: self.logging,
            writes_refused: self.write_refusal.is_some(),
            state: status.as_ref().map_or(READY, Status::word),
            fabric: status.map(|status| FabricFigures {
                cluster: self.fabric.meta.name().to_owned(),
                nodes: status.nodes,
                nodes_up: status.nodes_up,
                missing: status.missing,
                may_lose: status.may_lose,
                replicas: self.fabric.meta.replicas_effective(),
                replicas_wanted: usize::from(self.fabric.meta.replicas_wanted()),
            }),
            standings,
        };
        self.outbox.control.push(Control::Reported { number, report: Box::new(report) });
    }
}
