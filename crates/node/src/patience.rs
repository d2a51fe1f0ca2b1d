//! Requests that wait: for a leader, for an answer of another node. And how long they may.

use base::{Millis, PartitionId};

use crate::errand::{Errand, lost_quorum};
use crate::fabric::Forward;
use crate::worker::Worker;

/// How long a request may wait for a leader or a quorum before its client is told that there is none: within a second, and the
/// word has a way to go.
const PATIENCE_MS: u64 = 900;
/// How much longer while a majority is there, which is about to elect one: most clients give what they are told of a
/// cluster to their users, and try nothing again.
const ELECTION_MS: u64 = 1000;
/// A majority that was not heard of for so long is not about to be back, or to elect: who asks then is told at once. Longer
/// than a failover takes, and than what waited when the majority was lost.
const GONE_MS: u64 = 1500;
/// Who did not look for so long has heard nobody meanwhile, whoever spoke.
const LOOKED_AWAY_MS: u64 = 400;
/// How long a request that was sent to another node, or into the log, may be without an answer.
const OUTCOME_MS: u64 = 5000;
/// What a large one may take besides: so many bytes for each millisecond, some 8 MB a second, which any network of today has.
const OUTCOME_BYTES: u64 = 8192;
/// Requests parked for one partition; more are refused.
const PARKED_MAX: usize = 10_000;

/// Since when this node looks who speaks, without a break. One that was started just now, or stood still, does not know yet
/// who is gone.
#[derive(Default)]
pub(crate) struct Lookout {
    since: Millis,
    last: Millis,
}

impl Lookout {
    /// A step of time.
    pub(crate) fn look(&mut self, now: Millis) {
        if self.has_looked_away(now) {
            self.since = now;
        }
        self.last = now;
    }

    fn has_looked_away(&self, now: Millis) -> bool {
        now.since(self.last) > LOOKED_AWAY_MS
    }

    /// Whether who was not heard of for `millis` would have been, had it spoken.
    fn has_looked_for(&self, millis: u64, now: Millis) -> bool {
        !self.has_looked_away(now) && now.since(self.since) >= millis
    }
}

impl Worker {
    /// Lets an errand wait until the partition has a leader; unless it has had no majority for long, which is told at once.
    pub(crate) fn park(&mut self, errand: Errand) {
        let now = self.now.mono_millis();
        if errand.head.patience.0 <= now.0 + PATIENCE_MS && self.has_lost_quorum(errand.head.partition) {
            return self.tell_nobody_leads(&errand);
        }
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

    /// How long a new errand of so many bytes may wait: for a leader, and for its outcome.
    pub(crate) fn errand_times(&self, bytes: usize) -> (Millis, Millis) {
        let now = self.now.mono_millis().0;
        (Millis(now + PATIENCE_MS), Millis(now + OUTCOME_MS + bytes as u64 / OUTCOME_BYTES))
    }

    /// How long the registration of a client that waits anyway may wait for a leader.
    pub(crate) fn waiting_patience(&self) -> Millis {
        Millis(self.now.mono_millis().0 + OUTCOME_MS)
    }

    /// Whether too few of a partition's voters were heard of in the last while.
    fn has_lost_quorum(&self, id: PartitionId) -> bool {
        let fabric = &self.fabric;
        let is_there = |voter: &&u64| **voter == fabric.me || fabric.is_heard_within(**voter, GONE_MS);
        let is_lost =
            |voters: &[u64]| !voters.is_empty() && voters.iter().filter(is_there).count() * 2 <= voters.len();
        // Those that the group has, and those that it is to have.
        fabric.lookout.has_looked_for(GONE_MS, fabric.now)
            && is_lost(&self.voters_here(id))
            && is_lost(&fabric.voters_wanted(id))
    }

    /// The voters of a partition as this node's replica knows them, or else as they are to be.
    fn voters_here(&self, id: PartitionId) -> Vec<u64> {
        let held = self.places.get(usize::from(id.0)).and_then(|place| place.partition.as_deref());
        held.map_or_else(
            || self.fabric.voters_wanted(id),
            |partition| partition.replica.members.voters.clone(),
        )
    }

    /// Tells a client that nobody serves what it asks for.
    fn tell_nobody_leads(&mut self, errand: &Errand) {
        let applied = if errand.head.spec.is_write() { ", write not applied" } else { "" };
        let text = format!("{}{applied}", self.nobody_leads(errand.head.partition));
        self.fabric.answers.error(&errand.head, &text);
    }

    /// Why nobody serves a partition: too few of its voters are heard of, or they have not elected yet.
    fn nobody_leads(&self, id: PartitionId) -> String {
        let voters = self.voters_here(id);
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
                self.tell_nobody_leads(&errand);
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
