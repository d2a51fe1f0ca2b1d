//! When followers hear what is committed: with the next entry, which costs nothing, where one follows at once.
//!
//! Where none does, the leader tells them as soon as nothing else of its worker is under way, so that who reads from replicas of
//! a fabric with little to do is behind by a way there and no more. A busy one always has something under way, and is spared
//! the messages; what is left is told with the next step of time.
//!
//! Invariant: after telling a worker rests for [`REST_MS`], so that this costs the same however many groups commit. Does not
//! know: what is committed, who has it.

use base::{Millis, PartitionId};
use raft::Members;

use crate::fabric::{ELECTION_US, split};
use crate::partition::Partition;
use crate::worker::Worker;

/// How long a worker rests after it has told what is committed.
const REST_MS: u64 = 5;

/// See the module.
#[derive(Default)]
pub(crate) struct Commits {
    /// Groups led here that have committed something.
    untold: Vec<PartitionId>,
    rests_until: Millis,
}

impl Commits {
    /// A group has committed something that its followers do not know of.
    pub(crate) fn note(&mut self, id: PartitionId) {
        if !self.untold.contains(&id) {
            self.untold.push(id);
        }
    }

    /// When those are to be told that wait. As long as something is under way that is the end of it, at which there is a turn
    /// anyway.
    pub(crate) fn next_run(&self, is_idle: bool) -> Millis {
        if self.untold.is_empty() || !is_idle { Millis::NEVER } else { self.rests_until }
    }
}

impl Worker {
    /// Tells followers what is committed, if there is nothing better to do.
    pub(crate) fn tell_commits(&mut self) {
        let (now, mono_us) = (self.now.mono_millis(), self.now.mono_us);
        let commits = &mut self.fabric.commits;
        if commits.untold.is_empty() || now < commits.rests_until || !self.fabric.pace.is_idle() {
            return;
        }
        commits.rests_until = Millis(now.0 + REST_MS);
        for id in std::mem::take(&mut commits.untold) {
            let (_, places, fabric) = split(self);
            let Some(partition) = places[usize::from(id.0)].partition.as_deref_mut() else { continue };
            match partition.has_untold_commit() {
                false => {}
                // It is told only of what it has: once it has answered.
                true if !partition.is_commit_everywhere(mono_us) => fabric.commits.note(id),
                true => {
                    partition.tell_commit(mono_us);
                    self.drive(id);
                }
            }
        }
    }
}

impl Partition {
    /// Tells the followers what was committed since they last heard of it; again as long as one that is there did not have it
    /// yet, for it is told only of what it has.
    pub(crate) fn tell_commit(&mut self, now_us: u64) {
        if !self.has_untold_commit() {
            return;
        }
        if self.is_commit_everywhere(now_us) {
            self.replica.told_commit = self.group.hard_state().commit;
        }
        self.group.tell_commit();
    }

    /// Whether this replica leads and has committed what its followers were not told of.
    pub(crate) fn has_untold_commit(&self) -> bool {
        self.group.is_leader() && self.replica.told_commit < self.group.hard_state().commit
    }

    /// Whether all followers that are there have what is committed.
    pub(crate) fn is_commit_everywhere(&self, now_us: u64) -> bool {
        let commit = self.group.hard_state().commit;
        let Members { voters, voters_outgoing, learners, .. } = &self.replica.members;
        let mut all =
            voters.iter().chain(voters_outgoing).chain(learners).filter(|id| **id != self.group.node());
        let has_it = |id: &u64| self.group.progress_of(*id).is_none_or(|peer| peer.matched >= commit);
        // Who has not answered for so long is told by the engine when it comes back.
        let is_gone = |id: &u64| self.replica.lease.stamp_of(*id) + ELECTION_US < now_us;
        all.all(|id| has_it(id) || is_gone(id))
    }
}
