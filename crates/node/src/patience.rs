//! Requests that wait: for a leader, for an answer of another node. And how long they may.

use base::{Millis, PartitionId};

use crate::errand::{Errand, lost_quorum};
use crate::fabric::Forward;
use crate::worker::Worker;

/// How long a request may wait for a leader or a quorum before its client is told that there is none.
const PATIENCE_MS: u64 = 1000;
/// How much longer while a majority is there, which is about to elect one: most clients give what they are told of a
/// cluster to their users, and try nothing again.
const ELECTION_MS: u64 = 1000;
/// How long a request that was sent to another node, or into the log, may be without an answer.
const OUTCOME_MS: u64 = 5000;
/// Requests parked for one partition; more are refused.
const PARKED_MAX: usize = 10_000;

impl Worker {
    /// Lets an errand wait until the partition has a leader.
    pub(crate) fn park(&mut self, errand: Errand) {
        let line = self.fabric.parked.entry(errand.head.partition).or_default();
        if line.len() >= PARKED_MAX {
            let text = "OVERLOAD too many requests wait for a leader, not applied; try again later";
            return self.fabric.answers.error(&errand.head, text);
        }
        line.push(errand);
    }

    /// Takes up what waited for a leader of this partition.
    pub(crate) fn unpark(&mut self, id: PartitionId) {
        for Errand { head, request } in self.fabric.parked.remove(&id).into_iter().flatten() {
            self.errand(head, request.args(), request.raw());
        }
    }

    /// How long a new errand may wait: for a leader, and for its outcome.
    pub(crate) fn errand_times(&self) -> (Millis, Millis) {
        let now = self.now.mono_millis().0;
        (Millis(now + PATIENCE_MS), Millis(now + OUTCOME_MS))
    }

    /// How long the registration of a client that waits anyway may wait for a leader.
    pub(crate) fn waiting_patience(&self) -> Millis {
        Millis(self.now.mono_millis().0 + OUTCOME_MS)
    }

    /// Why nobody serves a partition: too few of its voters are heard of, or they have not elected yet.
    fn nobody_leads(&self, id: PartitionId) -> String {
        let held = self.places.get(usize::from(id.0)).and_then(|place| place.partition.as_deref());
        let voters: Vec<u64> = match held {
            Some(partition) => partition.replica.members.voters.clone(),
            None => self.fabric.meta.voters_of(id).iter().copied().filter_map(cluster::replica_id).collect(),
        };
        let is_there = |voter: &&u64| **voter == self.fabric.me || self.fabric.is_heard(**voter);
        let there = voters.iter().filter(is_there).count();
        match voters.is_empty() || there * 2 > voters.len() {
            true => format!("CLUSTERDOWN partition {} has no leader", id.0),
            false => lost_quorum(id, there, voters.len()),
        }
    }

    /// Those who have waited long enough are told so.
    pub(crate) fn give_up_waiting(&mut self, now: Millis) {
        let mut parked = std::mem::take(&mut self.fabric.parked);
        for (id, line) in &mut parked {
            let grace = if self.fabric.can_elect(*id) { ELECTION_MS } else { 0 };
            for errand in line.extract_if(.., |errand| errand.head.patience.0.saturating_add(grace) <= now.0)
            {
                let applied = if errand.head.spec.is_write() { ", write not applied" } else { "" };
                let text = format!("{}{applied}", self.nobody_leads(*id));
                self.fabric.answers.error(&errand.head, &text);
            }
        }
        parked.retain(|_, line| !line.is_empty());
        let fabric = &mut *self.fabric;
        fabric.parked = parked;
        let is_late = |_: &u64, forward: &mut Forward| forward.errand.head.deadline <= now;
        let mut late: Vec<(u64, Forward)> = fabric.forwards.extract_if(is_late).collect();
        // In the order in which they were asked.
        late.sort_unstable_by_key(|(call, _)| *call);
        for (_, forward) in late {
            let head = &forward.errand.head;
            let text = match head.spec.is_write() {
                true => "UNKNOWNOUTCOME no answer in time, the write may or may not be applied",
                false => "CLUSTERDOWN no answer of the node that serves the key",
            };
            fabric.answers.error(head, text);
        }
    }
}
