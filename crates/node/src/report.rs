//! What a node tells its shell about itself: figures for [metrics](crate::metrics), and whether it has its data.
//!
//! Taken on the workers, which only copy numbers; what is made of them is made on the thread that asked.

use base::{NodeId, Now, PartitionId};

use crate::cluster_view::{PartitionStanding, Status, without_room};
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
    /// What that word does not say.
    reason: Option<String>,
    /// None for a node that is on its own.
    pub(crate) fabric: Option<FabricFigures>,
    view: Option<FabricView>,
}

/// The cluster as one node sees it at a moment, in numbers: what its events are told from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FabricView {
    /// Members that this node does not hear, live ones all.
    pub silent: Vec<NodeId>,
    /// Who leads the meta group, and is heard; this node only while it hears a majority.
    pub leader: Option<NodeId>,
    /// Partitions in all.
    pub partitions: usize,
    /// Of those, the ones that cannot be written to.
    pub refused: usize,
    /// Partitions that are to be here and are not yet.
    pub coming: usize,
    /// Partitions that are here still and are not to be.
    pub going: usize,
    /// Partitions whose replica here may have forgotten something.
    pub in_doubt: usize,
    /// Partitions led here of which a replica held something else than this one when they were compared last.
    pub differing: Vec<PartitionId>,
}

impl FabricView {
    /// Whether all is as it is to be.
    pub fn is_calm(&self) -> bool {
        let unsettled = self.refused + self.coming + self.going + self.in_doubt;
        self.silent.is_empty() && self.leader.is_some() && unsettled == 0
    }
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
    /// How the node stands, in the words of `FABRIC STATUS`; one on its own is ready unless its disk is full.
    pub fn state(&self) -> &'static str {
        self.state
    }

    /// The same, and why, where that can be said in a line.
    pub fn state_and_reason(&self) -> String {
        match &self.reason {
            Some(reason) => format!("{}: {reason}", self.state),
            None => self.state.to_owned(),
        }
    }

    /// Keys of all databases; none while some request has partitions of several workers, whose keys are counted by nobody then.
    pub fn keys(&self) -> Option<u64> {
        (self.total.partitions == self.standings.len() as u64).then(|| self.total.keys())
    }

    /// Whether the node has all that it is to have, and all partitions can be written to.
    pub fn is_ready(&self) -> bool {
        self.state == READY
    }

    /// The cluster as this node sees it; none for one that is on its own.
    pub fn view(&self) -> Option<&FabricView> {
        self.view.as_ref()
    }

    pub(crate) fn version(&self) -> &'static str {
        NARF_VERSION
    }
}

const READY: &str = "ready";
const DEGRADED: &str = "degraded";

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
            state: match &status {
                Some(status) => status.word(),
                None if self.write_refusal.is_some() => DEGRADED,
                None => READY,
            },
            reason: without_room(&standings),
            fabric: status.map(|status| FabricFigures {
                cluster: self.fabric.meta.name().to_owned(),
                nodes: status.nodes,
                nodes_up: status.nodes_up,
                missing: status.missing,
                may_lose: status.may_lose,
                replicas: self.fabric.meta.replicas_effective(),
                replicas_wanted: usize::from(self.fabric.meta.replicas_wanted()),
            }),
            view: self.fabric.is_on.then(|| self.fabric_view(&standings)),
            standings,
        };
        self.outbox.control.push(Control::Reported { number, report: Box::new(report) });
    }

    /// On the first worker, which has the meta group.
    fn fabric_view(&self, standings: &[PartitionStanding]) -> FabricView {
        let fabric = &self.fabric;
        let is_there = |id: u64| id == fabric.me || fabric.is_heard(id);
        let leader = fabric.meta_replica.as_ref().and_then(|meta| {
            let leader = meta.group.leader().filter(|leader| is_there(*leader))?;
            let voters = &meta.members.voters;
            let heard = voters.iter().filter(|id| is_there(**id)).count();
            (leader != fabric.me || heard * 2 > voters.len()).then_some(leader)
        });
        let count = |is_so: fn(&&PartitionStanding) -> bool| standings.iter().filter(is_so).count();
        let silent = fabric.meta.live_members().filter(|member| !is_there(member.replica_id()));
        FabricView {
            silent: silent.map(|member| member.node).collect(),
            leader: leader.and_then(|id| fabric.meta.member_of_replica(id)).map(|member| member.node),
            partitions: standings.len(),
            refused: count(|standing| !standing.is_served),
            coming: count(|standing| standing.is_wanted && !standing.is_held),
            going: count(|standing| standing.is_held && !standing.is_wanted),
            in_doubt: count(|standing| standing.is_in_doubt),
            differing: standings.iter().filter(|s| !s.differing.is_empty()).map(|s| s.id).collect(),
        }
    }
}
