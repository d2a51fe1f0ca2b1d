//! Whether the replicas of a partition hold the same, looked at in the background.
//!
//! The leader of a group names the last entry that it has applied. No follower has applied more by then, for the word goes
//! ahead of what is committed next; so each replica can begin a walk right behind that entry, as for a checkpoint, whatever
//! is written meanwhile. What the walk gives is digested in slices ([`engine::ImageDigest`]), and the leader compares.
//!
//! Invariants: a comparison is of one entry; who was not there, or could not begin in time, is not compared. A worker leads
//! one comparison at a time. Checkpoints and transfers go first: what they need of a walk ends this one.
//! Does not know: what to do about a difference. That is counted, logged, and told by `FABRIC CHECK`.

use std::collections::{BTreeMap, BTreeSet};

use base::{DbIndex, Millis, PartitionId, WorkerId};
use engine::ImageDigest;

use crate::checkpoint::{LEDGER_CHUNK, StateWalk};
use crate::fabric::{Fabric, split};
use crate::gather::Answer;
use crate::partition::Partition;
use crate::peer_frame::Item;
use crate::worker::Worker;

/// Bytes digested at once, some tenths of a millisecond, and the rest after them: others have the larger part of the
/// processor.
const SLICE_BYTES: usize = 64 * 1024;
const REST_MS: u64 = 2;
/// How long it is waited for what is lent, for a walk of somebody else, or for other replicas.
const LOOK_MS: u64 = 100;
/// How long a replica may take to come to the entry, and all of them to be compared.
const BEHIND_MS: u64 = 10_000;
const PATIENCE_MS: u64 = 15 * 60_000;
/// Replicas of a worker that are digested at a time at most: each walk keeps what is overwritten before it comes there, which
/// no limit of memory counts.
const ASKED_MAX: usize = 4;

/// What a replica was asked: to digest what it holds right behind this entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    by: Asker,
    number: u64,
    index: u64,
}

/// Who wants to know, and to whom the number says which of its questions it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asker {
    /// The leader, this node or another.
    Node(u64),
    /// `DEBUG DIGEST-AT`, of a client of this worker.
    Client(WorkerId),
}

/// How far a replica is with that.
#[derive(Debug)]
enum Stage {
    /// It has not applied the entry yet.
    Waits,
    Walks(StateWalk, Box<ImageDigest>),
    /// It could not begin, or its walk was ended.
    Failed,
}

/// A replica's part in a comparison.
#[derive(Debug)]
pub(crate) struct Scrub {
    asked: Asked,
    stage: Stage,
    /// Since when; a leader asks its own replica when it has come to the entry.
    since: Millis,
}

/// A comparison that this worker leads.
#[derive(Debug)]
struct Comparison {
    partition: PartitionId,
    number: u64,
    /// Who has not answered.
    missing: BTreeSet<u64>,
    mine: Option<u128>,
    theirs: BTreeMap<u64, u128>,
    until: Millis,
}

impl Comparison {
    /// Brings up to date who holds something else than the leader, and how many of those that were compared now do; none
    /// if nobody was. Of who was not compared nothing new is known.
    fn outcome(&self, differing: &mut BTreeSet<u64>) -> Option<usize> {
        let mine = self.mine.filter(|_| !self.theirs.is_empty())?;
        differing.retain(|node| !self.theirs.contains_key(node));
        let known = differing.len();
        differing.extend(self.theirs.iter().filter(|(_, theirs)| **theirs != mine).map(|(node, _)| node));
        Some(differing.len() - known)
    }
}

/// The comparisons of a worker, and what came of them.
#[derive(Debug, Default)]
pub(crate) struct Scrubs {
    /// When the next round is due; none if that is to be thought out.
    next_round: Option<Millis>,
    /// Partitions still to be compared in this round, last first.
    todo: Vec<PartitionId>,
    current: Option<Comparison>,
    /// Partitions whose replica here is asked.
    busy: BTreeSet<PartitionId>,
    next_look: Millis,
    /// Who held something else than the leader, which is here, when it was compared last.
    differing: BTreeMap<PartitionId, BTreeSet<u64>>,
}

impl Scrubs {
    pub(crate) fn next_run(&self) -> Millis {
        let is_idle = self.busy.is_empty() && self.current.is_none() && self.todo.is_empty();
        let round = self.next_round.unwrap_or_default();
        if is_idle { round } else { round.min(self.next_look) }
    }

    /// The interval may be another.
    pub(crate) fn interval_changed(&mut self) {
        self.next_round = None;
    }

    /// There is no way to a node any more: what it was asked, or answered, may be lost.
    pub(crate) fn node_lost(&mut self, node: u64) {
        if let Some(current) = &mut self.current {
            current.missing.remove(&node);
        }
    }

    /// Who of those that have a replica of a partition holds something else than the leader, which is here.
    pub(crate) fn differing(&self, partition: &Partition) -> Vec<u64> {
        let members = &partition.replica.members;
        let is_member = |node: &u64| members.voters.contains(node) || members.learners.contains(node);
        self.differing.get(&partition.id()).into_iter().flatten().copied().filter(is_member).collect()
    }
}

impl Scrub {
    /// Whether it stands in the way of another walk.
    fn is_walking(&self) -> bool {
        matches!(self.stage, Stage::Walks(..))
    }
}

impl Partition {
    /// The last entry was applied; the next comes: if what is held right behind it was asked for, that is now.
    #[cold]
    pub(crate) fn begin_scrub(&mut self) {
        let applied = self.applied().index;
        let Some(mut scrub) = self.replica.scrub.take() else { return };
        if matches!(scrub.stage, Stage::Waits) && applied >= scrub.asked.index {
            let may_walk = applied == scrub.asked.index
                && !self.group.is_witness()
                && !self.keyspaces().any(|(_, keyspace)| keyspace.is_walking());
            let walk = if may_walk { StateWalk::begin(self) } else { None };
            scrub.stage = walk.map_or(Stage::Failed, |walk| Stage::Walks(walk, Box::default()));
        }
        self.replica.scrub = Some(scrub);
    }

    /// Somebody else needs to walk here.
    pub(crate) fn end_scrub(&mut self) {
        if let Some(scrub) = self.replica.scrub.as_mut().filter(|scrub| scrub.is_walking()) {
            scrub.stage = Stage::Failed;
            self.keyspaces_mut().for_each(|(_, keyspace)| keyspace.abort_walk());
        }
    }

    /// Goes on with what was asked; what is to be answered, once it is known.
    fn scrub_slice(&mut self, now: Millis) -> Option<(Asked, Option<u128>)> {
        self.begin_scrub();
        let mut scrub = self.replica.scrub.take()?;
        match &mut scrub.stage {
            Stage::Failed => return Some((scrub.asked, None)),
            Stage::Waits if now.since(scrub.since) >= BEHIND_MS => return Some((scrub.asked, None)),
            // The leader does not wait for it any more.
            Stage::Walks(..) if now.since(scrub.since) >= PATIENCE_MS => {
                self.keyspaces_mut().for_each(|(_, keyspace)| keyspace.abort_walk());
                return Some((scrub.asked, None));
            }
            Stage::Waits => {}
            Stage::Walks(walk, digest) => {
                if !walk.goes_on(self) {
                    // Another state took the place of this one: whatever still walks over it is of no use.
                    self.keyspaces_mut().for_each(|(_, keyspace)| keyspace.abort_walk());
                    return Some((scrub.asked, None));
                }
                let Some(chunk) = walk.next(self, SLICE_BYTES) else {
                    return Some((scrub.asked, Some(digest.sum())));
                };
                let is_taken = match chunk.split_first() {
                    None => true,
                    Some((&LEDGER_CHUNK, _)) => {
                        digest.add_bytes(&chunk);
                        true
                    }
                    Some((&db, records)) => {
                        DbIndex::new(db).is_some_and(|db| digest.add_records(db, records).is_ok())
                    }
                };
                debug_assert!(is_taken, "a walk writes records");
            }
        }
        self.replica.scrub = Some(scrub);
        None
    }
}

impl Fabric {
    /// Whether a node holds data and runs the same program: one of before may not know what it is asked.
    fn can_be_compared(&self, node: u64) -> bool {
        let version_of = |id| self.meta.member_of_replica(id).map(|member| &*member.version);
        node != self.me && !self.is_witness(node) && version_of(node) == version_of(self.me)
    }
}

impl Worker {
    /// Compares what this worker leads, now; how many partitions that is.
    pub(crate) fn begin_round(&mut self) -> Answer {
        let leads = |partition: &&Partition| !partition.group.is_lone() && partition.leads();
        let led = self.places.iter().filter_map(|place| place.partition.as_deref()).filter(leads);
        self.scrubs.todo = led.map(Partition::id).rev().collect();
        self.scrubs.next_look = Millis::default();
        Answer::Count(self.scrubs.todo.len() as u64)
    }

    /// Comparisons of a partition's replicas that came to an end, and replicas that were not the same.
    pub fn scrubbed(&self) -> (u64, u64) {
        (self.stats.scrubs, self.stats.scrub_differences)
    }

    /// Goes on with what is under way.
    pub(crate) fn run_scrub(&mut self) {
        let now = self.now.mono_millis();
        if now < self.scrubs.next_run() {
            return;
        }
        let interval = self.settings.scrub_interval.as_millis() as u64;
        if self.scrubs.next_round.is_some_and(|round| round <= now) {
            self.begin_round();
        }
        if self.scrubs.next_round.is_none_or(|round| round <= now) {
            let is_wanted = self.fabric.is_on && interval > 0;
            self.scrubs.next_round = Some(if is_wanted { Millis(now.0 + interval) } else { Millis::NEVER });
        }
        self.scrubs.next_look = Millis(now.0 + LOOK_MS);
        self.end_comparison(now);
        if self.scrubs.current.is_none() {
            self.begin_comparison(now);
        }
        self.digest_slice(now);
    }

    /// Begins the next comparison that can be begun.
    fn begin_comparison(&mut self, now: Millis) {
        let Some(&id) = self.scrubs.todo.last() else { return };
        let number = self.random.next_u64();
        let (_, places, fabric) = split(self);
        // It may be lent for a moment.
        let Some(partition) = places[usize::from(id.0)].partition.as_deref_mut() else { return };
        let members = &partition.replica.members;
        let others = members.voters.iter().chain(&members.learners).copied();
        let others: BTreeSet<u64> =
            others.filter(|&node| fabric.is_heard(node) && fabric.can_be_compared(node)).collect();
        let is_led = !partition.group.is_lone() && partition.leads();
        if !is_led || others.is_empty() {
            self.scrubs.todo.pop();
            return;
        }
        let is_walking = partition.keyspaces().any(|(_, keyspace)| keyspace.is_walking());
        if is_walking || fabric.transfers.is_busy_with(id) || partition.replica.scrub.is_some() {
            return;
        }
        let asked = Asked { by: Asker::Node(fabric.me), number, index: partition.applied().index };
        partition.replica.scrub = Some(Box::new(Scrub { asked, stage: Stage::Waits, since: now }));
        for &node in &others {
            fabric.tell(node, &Item::Compare { partition: id, number, index: asked.index });
        }
        self.scrubs.todo.pop();
        self.scrubs.busy.insert(id);
        self.scrubs.current = Some(Comparison {
            partition: id,
            number,
            missing: others,
            mine: None,
            theirs: BTreeMap::new(),
            until: Millis(now.0 + PATIENCE_MS),
        });
    }

    /// A leader wants to know what is held here right behind an entry.
    pub(crate) fn asked_to_compare(&mut self, from: u64, id: PartitionId, number: u64, index: u64) {
        self.ask_replica(id, Asked { by: Asker::Node(from), number, index });
    }

    /// The answer to `DEBUG DIGEST-AT`; none if this worker has the replica and answers later. Without an entry it is the one
    /// that was applied last.
    pub(crate) fn digest_at(
        &mut self,
        id: PartitionId,
        index: Option<u64>,
        (worker, number): (WorkerId, u64),
    ) -> Option<Answer> {
        let Some(partition) = self.partition_mut(id) else { return Some(Answer::Done) };
        let index = index.unwrap_or(partition.applied().index);
        self.ask_replica(id, Asked { by: Asker::Client(worker), number, index });
        None
    }

    fn ask_replica(&mut self, id: PartitionId, asked: Asked) {
        let since = self.now.mono_millis();
        let is_busy = self.scrubs.busy.len() >= ASKED_MAX && !self.scrubs.busy.contains(&id);
        let Some(partition) = self.partition_mut(id).filter(|_| !is_busy) else {
            return self.answer_asked(asked, id, None);
        };
        // Who asked before is somebody else, or has given that up.
        partition.end_scrub();
        let before = partition.replica.scrub.replace(Box::new(Scrub { asked, stage: Stage::Waits, since }));
        if let Some(before) = before.map(|before| before.asked).filter(|before| before.by != asked.by) {
            self.answer_asked(before, id, None);
        }
        self.scrubs.busy.insert(id);
        self.scrubs.next_look = Millis::default();
    }

    /// Digests some of the first replica that is asked and has come to the entry.
    fn digest_slice(&mut self, now: Millis) {
        for id in self.scrubs.busy.clone() {
            let Some(partition) = self.partition_mut(id) else { continue };
            let answer = partition.scrub_slice(now);
            let is_walking = partition.replica.scrub.as_ref().is_some_and(|scrub| scrub.is_walking());
            if partition.replica.scrub.is_none() {
                self.scrubs.busy.remove(&id);
            }
            if let Some((asked, digest)) = answer {
                self.answer_asked(asked, id, digest);
            }
            if is_walking {
                self.scrubs.next_look = Millis(now.0 + REST_MS);
                return;
            }
        }
    }

    /// The replica of a partition goes, and what it was asked with it.
    pub(crate) fn forget_scrub(&mut self, id: PartitionId, asked: Option<Box<Scrub>>) {
        self.scrubs.busy.remove(&id);
        self.scrubs.differing.remove(&id);
        if let Some(asked) = asked.map(|scrub| scrub.asked) {
            self.answer_asked(asked, id, None);
        }
    }

    /// Tells who asked what is held here.
    fn answer_asked(&mut self, asked: Asked, id: PartitionId, digest: Option<u128>) {
        let Asked { by, number, index } = asked;
        match by {
            Asker::Node(node) if node == self.fabric.me => self.compared(node, id, number, digest),
            Asker::Node(node) => self.fabric.tell(node, &Item::Compared { partition: id, number, digest }),
            Asker::Client(worker) => {
                let applied = self.partition_mut(id).map_or(0, |partition| partition.applied().index);
                let digest = digest.ok_or(applied);
                self.answer_late_to(worker, number, Answer::DigestAt { index, digest });
            }
        }
    }

    /// What a replica held; none if it could not tell.
    pub(crate) fn compared(&mut self, from: u64, id: PartitionId, number: u64, digest: Option<u128>) {
        let me = self.fabric.me;
        let current = self.scrubs.current.as_mut();
        let Some(current) = current.filter(|c| c.partition == id && c.number == number) else { return };
        match (from == me, digest) {
            (true, Some(digest)) => current.mine = Some(digest),
            // There is nothing to compare with.
            (true, None) => self.scrubs.current = None,
            (false, digest) => {
                if current.missing.remove(&from)
                    && let Some(digest) = digest
                {
                    current.theirs.insert(from, digest);
                }
            }
        }
        self.scrubs.next_look = Millis::default();
    }

    /// Ends the comparison if all have answered, or are gone.
    fn end_comparison(&mut self, now: Millis) {
        let (scrubs, fabric) = (&mut self.scrubs, &self.fabric);
        let Some(current) = &mut scrubs.current else { return };
        current.missing.retain(|node| fabric.is_heard(*node));
        let is_over = current.mine.is_some() && current.missing.is_empty() || current.until <= now;
        let Some(current) = scrubs.current.take_if(|_| is_over) else { return };
        let differing = scrubs.differing.entry(current.partition).or_default();
        if let Some(found) = current.outcome(differing) {
            self.stats.scrubs += 1;
            self.stats.scrub_differences += found as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_differs_from_the_leader_is_named_and_who_was_not_compared_is_not() {
        let compared = |mine, theirs: &[(u64, u128)]| Comparison {
            partition: PartitionId(1),
            number: 7,
            missing: BTreeSet::from([4]),
            mine,
            theirs: theirs.iter().copied().collect(),
            until: Millis(1),
        };
        let mut differing = BTreeSet::new();
        assert_eq!(compared(Some(5), &[(2, 5), (3, 6)]).outcome(&mut differing), Some(1));
        assert_eq!(differing, BTreeSet::from([3]));
        // Who is not there keeps its name.
        assert_eq!(compared(Some(5), &[(2, 5)]).outcome(&mut differing), Some(0));
        assert_eq!(compared(Some(5), &[]).outcome(&mut differing), None);
        assert_eq!(compared(None, &[(3, 5)]).outcome(&mut differing), None);
        assert_eq!(compared(Some(5), &[(2, 6)]).outcome(&mut differing), Some(1));
        assert_eq!(differing, BTreeSet::from([2, 3]));
        assert_eq!(compared(Some(5), &[(2, 5), (3, 5)]).outcome(&mut differing), Some(0));
        assert_eq!(differing, BTreeSet::new());
    }
}
