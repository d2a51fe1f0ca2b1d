//! A replica that votes and keeps the log, and has no data: what it does, and what a leader does for it.
//!
//! Two replicas with data and a witness survive the loss of any one. If a leader dies, what it had committed is at the
//! other replica or in the log of the witness; only who has the longer log can be elected. So a witness may win, and then
//! it serves nobody: it sends the other what that lacks, and hands the lead over as soon as that has all.
//!
//! ```text
//!  leader ──Append──▶ witness            leader dies ─▶ the other replica is refused, for the witness has more
//!     └────Stored───▶ drops entries                   └▶ the witness is elected ─▶ sends its end ─▶ hands over
//! ```
//! It has no state to send, so it keeps each entry until the leader says that others have it on stable storage: all of
//! them, or, if it keeps too much, those that are there. If it can drop nothing, it takes nothing, and does not count.
//!
//! If then the only one that has all is lost, the group waits for it: *stranded*, it has a majority and nobody that may lead.
//! An operator who knows that it is gone for good has the witness forget what it keeps, so that the other may.
//!
//! Invariant: of what a witness does not have any more, some replica with data has all on stable storage.
//! Does not know: what is in entries; who is to be a witness, which the fabric decides.

use base::PartitionId;
use raft::{Entry, EntryId, HardState, Payload, Stored};

use crate::acks::Reach;
use crate::entry::{EntryError, META_GROUP, Record, records, write_entries, write_state};
use crate::fabric::{Fabric, split};
use crate::operations::Stamp;
use crate::partition::Partition;
use crate::peer_frame::Item;
use crate::worker::Worker;

/// First byte of a chunk of a checkpoint that has entries which a witness keeps, where others have a database number.
pub(crate) const KEPT_CHUNK: u8 = 253;
/// Who has not come further for so many seconds is not waited for.
const STILL_MAX: u8 = 5;
/// A witness that has led for so long, and has not handed over, cannot. Handing over takes a round or two.
const HANDED_OVER_US: u64 = 1_000_000;
/// The version of what is in it.
const KEPT_FORMAT: u8 = 1;

impl Fabric {
    /// Whether a member votes and holds no data.
    #[inline]
    pub(crate) fn is_witness(&self, node: u64) -> bool {
        self.witnesses.contains(&node)
    }
}

/// Who a group waits for, though a majority of it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stranded {
    /// The witness that leads it, and cannot bring up who is there.
    pub witness: u64,
    /// A replica with data that is not heard of, a member of the fabric if there is one; zero if all are there.
    pub awaited: u64,
}

/// What the leader of a group with a witness remembers of it.
#[derive(Default)]
pub(crate) struct Witnessed {
    /// What it was told last.
    told: Stored,
    /// What is before this entry it may not have any more.
    pub(crate) base: u64,
    /// Up to where those that are there had stored the log when it was looked at last, and how often it was the same.
    seen: u64,
    still: u8,
    /// Of a witness that leads: who needs a state to begin with.
    lacking: Vec<u64>,
}

impl Witnessed {
    /// Who begins to lead does not know what the witness was told before; no more than there was.
    pub(crate) fn of_new_leader(last: EntryId) -> Witnessed {
        Witnessed { base: last.index, ..Witnessed::default() }
    }

    pub(crate) fn may_drop_to(&mut self, index: u64) {
        self.base = self.base.max(index);
    }

    /// This witness leads, and has no state for who needs one.
    pub(crate) fn cannot_bring_up(&mut self, node: u64) {
        if !self.lacking.contains(&node) {
            self.lacking.push(node);
        }
    }

    /// What it is to be told, if that is new. `own` is how far the leader's own disk is.
    fn next(&mut self, stored: Stored, own: u64) -> Option<Stored> {
        let is_still = stored.by_present == self.seen && stored.by_present < own;
        self.still = if is_still { self.still.saturating_add(1) } else { 0 };
        self.seen = stored.by_present;
        // Who answers and does not come further, as one whose disk is full, must not stop the others.
        let by_present = if self.still >= STILL_MAX { own } else { stored.by_present };
        let stored = Stored { by_present, ..stored };
        self.may_drop_to(by_present);
        (std::mem::replace(&mut self.told, stored) != stored).then_some(stored)
    }
}

impl Partition {
    /// Whether this replica leads its group and serves it. A witness that leads is only about to hand over.
    #[inline]
    pub(crate) fn leads(&self) -> bool {
        #[cfg(narf_plant)]
        if base::plant::is(base::plant::Plant::WitnessServes) {
            return self.group.is_leader();
        }
        self.group.is_leader() && !self.group.is_witness()
    }

    /// Up to where the replicas with data have the log on stable storage, as this leader knows, and whether it is worth
    /// asking them; and how far it has come itself.
    fn stored(&self, fabric: &Fabric, logging: bool) -> (Stored, bool, u64) {
        let (me, last, members) = (self.group.node(), self.group.last().index, &self.replica.members);
        let own = match logging {
            true => self.replica.acks.reached(me, Reach::Stored),
            // Nobody has a disk: what is in memory is all there is.
            false => self.replica.applied.index,
        };
        let voters = || members.voters.iter().chain(&members.voters_outgoing);
        let (mut stored, mut has_more) = (Stored { by_all: own, by_present: own }, own < last);
        let has_data = |id: &&u64| **id != me && !fabric.is_witness(**id);
        for &id in voters().chain(&members.learners).filter(has_data) {
            let progress = self.group.progress_of(id);
            let is_near = |p: raft::Progress| p.is_active && !p.needs_snapshot && fabric.is_heard(id);
            let is_present = voters().any(|voter| *voter == id) && progress.is_some_and(is_near);
            let index = match logging {
                true => self.replica.acks.reached(id, Reach::Stored),
                false => progress.map_or(0, |progress| progress.matched),
            };
            stored.by_all = stored.by_all.min(index);
            if is_present {
                stored.by_present = stored.by_present.min(index);
                has_more |= index < last;
            }
        }
        (stored, has_more, own)
    }
}

impl Worker {
    /// Tells the witness of each group that is led here what it need not keep, and asks the others for what is new.
    pub(crate) fn tell_what_is_stored(&mut self) {
        if self.fabric.witnesses.is_empty() {
            return;
        }
        let logging = self.logging;
        let (_, places, fabric) = split(self);
        for partition in places.iter_mut().filter_map(|place| place.partition.as_deref_mut()) {
            if !partition.leads() || partition.group.is_lone() {
                continue;
            }
            let members = &partition.replica.members;
            let all = members.voters.iter().chain(&members.voters_outgoing).chain(&members.learners);
            let Some(witness) = all.copied().find(|id| fabric.is_witness(*id)) else { continue };
            let (stored, has_more, own) = partition.stored(fabric, logging);
            if has_more && logging {
                let last = partition.group.last();
                partition.replica.acks.want(Reach::Stored, last);
                fabric.stir(partition.id);
            }
            if let Some(Stored { by_all, by_present }) = partition.replica.witnessed.next(stored, own) {
                let (partition, term) = (partition.id, partition.term());
                fabric.tell(witness, &Item::Stored { partition, term, by_all, by_present });
            }
        }
    }

    /// A leader tells a witness here what it need not keep.
    pub(crate) fn take_stored(&mut self, from: u64, id: PartitionId, term: u64, stored: Stored) {
        let is_short_of_room = self.logging && self.write_refusal.is_some();
        let Some(partition) = self.partition_mut(id) else { return };
        if partition.term() != term || partition.group.leader() != Some(from) {
            return;
        }
        let kept = partition.group.tail_bytes();
        partition.group.others_stored(stored);
        let has_let_go = partition.group.tail_bytes() < kept;
        // A checkpoint that found no room would find some now. It is tried again once the log has grown, which nothing else
        // makes it do while the disk takes no entries.
        if has_let_go && is_short_of_room {
            let (hard, applied) = (partition.group.hard_state(), partition.replica.applied.index);
            write_state(&mut self.outbox.frame, id, hard.term, hard.vote, applied);
        }
    }

    /// To whom a witness that leads a group hands it over: of the replicas with data that can be reached, the one that has
    /// most; of those that have as much, the first that is to have it.
    pub(crate) fn heir_of_witness(&self, partition: &Partition, target: &[u64]) -> Option<u64> {
        let voters = partition.replica.members.voters.iter().copied();
        let is_fit = |id: &u64| {
            !self.fabric.is_witness(*id) && self.fabric.is_heard(*id) && !self.is_doubted(partition.id, *id)
        };
        let matched = |id: u64| partition.group.progress_of(id).map_or(0, |progress| progress.matched);
        let rank = |id: u64| target.iter().position(|other| *other == id).unwrap_or(target.len());
        voters.filter(is_fit).min_by_key(|id| (std::cmp::Reverse(matched(*id)), rank(*id)))
    }

    /// Whether a group waits for a replica that is away, though a majority of it is there; as far as this node can tell,
    /// which has a part in it.
    pub(crate) fn stranded(&self, id: PartitionId) -> Option<Stranded> {
        let Worker { fabric, places, .. } = self;
        let partition = places.get(usize::from(id.0))?.partition.as_deref()?;
        let members = &partition.replica.members;
        let witness = partition.group.leader().filter(|leader| fabric.is_witness(*leader))?;
        let voters = members.voters.iter().chain(&members.voters_outgoing).copied();
        let with_data: Vec<u64> = voters.filter(|voter| !fabric.is_witness(*voter)).collect();
        let is_here = |node: &u64| *node == fabric.me || fabric.is_heard(*node);
        let (here, mut away): (Vec<u64>, Vec<u64>) = with_data.into_iter().partition(is_here);
        // A newcomer may have what was to become of it; come back after that was given up, it would contradict the others.
        let learners = members.learners.iter().copied();
        away.extend(learners.filter(|node| !is_here(node) && !fabric.is_witness(*node)));
        // Who has taken something from it can be brought up.
        let lacks = |voter: &u64| {
            let matched = partition.group.progress_of(*voter).map_or(0, |progress| progress.matched);
            matched == 0 && partition.replica.witnessed.lacking.contains(voter)
        };
        let is_stranded = match witness == fabric.me {
            true => !here.is_empty() && here.iter().all(lacks),
            false => {
                let led_us = self.now.mono_us.saturating_sub(partition.replica.seen_since_us);
                here.contains(&fabric.me) && led_us >= HANDED_OVER_US
            }
        };
        let is_member = |voter: &&u64| fabric.meta.member_of_replica(**voter).is_some();
        let awaited = away.iter().find(is_member).or(away.first()).copied().unwrap_or(0);
        is_stranded.then_some(Stranded { witness, awaited })
    }

    /// Has this witness forget, at an operator's word, what it keeps of stranded groups whose other replicas are here or
    /// struck off for good: of how many, and what other groups wait for.
    pub(crate) fn give_up_lost(&mut self, accepts_loss: bool) -> (usize, Vec<Stranded>) {
        let (mut given_up, mut left) = (0, Vec::new());
        let ids: Vec<PartitionId> = self.router.all().collect();
        for id in ids {
            let Some(stranded) = self.stranded(id) else { continue };
            let is_lost = self.fabric.meta.member_of_replica(stranded.awaited).is_none();
            match accepts_loss && is_lost && stranded.witness == self.fabric.me && self.forget_log(id) {
                true => given_up += 1,
                false => left.push(stranded),
            }
        }
        (given_up, left)
    }

    /// Begins anew as a witness that was sent nothing yet, but remembers how it voted: the next leader is elected in a later
    /// term, and sends it where to begin. On stable storage before anything follows from it.
    fn forget_log(&mut self, id: PartitionId) -> bool {
        let place = &self.places[usize::from(id.0)];
        let Some(partition) = place.partition.as_deref() else { return false };
        let (hard, applied) = (partition.group.hard_state(), partition.replica.applied.index);
        let Some(fresh) = self.new_replica(id, HardState { commit: 0, ..hard }) else { return false };
        if self.logging {
            // By its term a later start knows which life its checkpoint is of.
            write_state(&mut self.outbox.frame, id, hard.term, hard.vote, applied);
        }
        self.let_go(id);
        self.places[usize::from(id.0)].partition = Some(fresh);
        if self.logging {
            write_state(&mut self.outbox.frame, id, hard.term, hard.vote, 0);
            self.outbox.sync = true;
            self.fabric.hold(id);
        }
        self.fabric.stir(id);
        true
    }
}

/// The entries that a witness keeps, on their way into its checkpoint.
#[derive(Debug)]
pub(crate) struct KeptWalk {
    partition: PartitionId,
    /// The one before the next.
    last: EntryId,
    entries: std::vec::IntoIter<Entry>,
    has_begun: bool,
}

impl KeptWalk {
    pub(crate) fn of(partition: &Partition) -> KeptWalk {
        let (last, entries) = partition.group.kept();
        KeptWalk { partition: partition.id, last, entries: entries.into_iter(), has_begun: false }
    }

    /// The next chunk, about so long; there is at least one.
    pub(crate) fn next(&mut self, bytes: usize) -> Option<Vec<u8>> {
        if std::mem::replace(&mut self.has_begun, true) && self.entries.as_slice().is_empty() {
            return None;
        }
        let mut chunk = vec![KEPT_CHUNK, KEPT_FORMAT];
        chunk.extend_from_slice(&self.last.term.to_le_bytes());
        chunk.extend_from_slice(&self.last.index.to_le_bytes());
        for entry in self.entries.by_ref() {
            write_entries(&mut chunk, self.partition, std::slice::from_ref(&entry));
            self.last = entry.id;
            if chunk.len() >= bytes {
                break;
            }
        }
        Some(chunk)
    }
}

/// What [`KeptWalk::next`] wrote, without its first byte: the entry before the first, and entries that follow each other.
/// `None` if that is not what it is.
pub(crate) fn read_kept(chunk: &[u8]) -> Option<(EntryId, Vec<Entry>)> {
    let (&[KEPT_FORMAT], rest) = chunk.split_first_chunk::<1>()? else { return None };
    let (term, rest) = rest.split_first_chunk::<8>()?;
    let (index, rest) = rest.split_first_chunk::<8>()?;
    let base = EntryId { term: u64::from_le_bytes(*term), index: u64::from_le_bytes(*index) };
    let entries = records(rest).map(entry_of).collect::<Option<Vec<_>>>()?;
    let mut last = base;
    for entry in &entries {
        if Some(entry.id.index) != last.index.checked_add(1) || entry.id.term < last.term {
            return None;
        }
        last = entry.id;
    }
    Some((base, entries))
}

/// Reads bytes as `read_kept` does, for the fuzzer, and writes what they say again: how many entries that are.
pub fn check_kept(chunk: &[u8]) -> Option<usize> {
    let (last, entries) = read_kept(chunk)?;
    let count = entries.len();
    let walk = entries.clone().into_iter();
    let mut walk = KeptWalk { partition: PartitionId(0), last, entries: walk, has_begun: false };
    let again = walk.next(usize::MAX).and_then(|again| read_kept(&again[1..]));
    assert_eq!(again, Some((last, entries)), "what was read is written alike");
    Some(count)
}

fn entry_of(record: Result<Record<'_>, EntryError>) -> Option<Entry> {
    match record.ok()? {
        Record::Entry(header, body) if header.partition != META_GROUP => {
            let stamp = Stamp { time: header.time, seed: header.seed, operations: header.operations };
            let id = EntryId { term: header.term, index: header.index };
            Some(Entry { id, payload: Payload::Data(stamp.encode(body).into()) })
        }
        Record::Change(partition, bytes) if partition != META_GROUP => {
            Entry::decode(bytes).ok().filter(|entry| matches!(entry.payload, Payload::Change(_)))
        }
        Record::Entry(..)
        | Record::Change(..)
        | Record::Term { .. }
        | Record::State { .. }
        | Record::Members { .. }
        | Record::Restored { .. }
        | Record::Gone { .. }
        | Record::Meta { .. }
        | Record::Users(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        let id = |term, index| EntryId { term, index };
        let stamp = Stamp { time: base::Millis(7), seed: 8, operations: 1 };
        vec![
            Entry { id: id(3, 8), payload: Payload::Data(stamp.encode(b"one").into()) },
            Entry { id: id(4, 9), payload: Payload::Change(vec![raft::Change::AddLearner(5)]) },
            Entry { id: id(4, 10), payload: Payload::Data(stamp.encode(&[7; 500]).into()) },
        ]
    }

    fn walk(entries: Vec<Entry>) -> KeptWalk {
        let last = EntryId { term: 3, index: 7 };
        KeptWalk { partition: PartitionId(3), last, entries: entries.into_iter(), has_begun: false }
    }

    #[test]
    fn what_is_kept_reads_back_in_pieces_that_follow_each_other() {
        for bytes in [1, 100, 10_000] {
            let (mut all, mut walk) = (Vec::new(), walk(entries()));
            let mut last = walk.last;
            while let Some(chunk) = walk.next(bytes) {
                assert_eq!(chunk[0], KEPT_CHUNK);
                let (base, piece) = read_kept(&chunk[1..]).unwrap();
                assert_eq!(base, last);
                all.extend(piece);
                last = all.last().map_or(base, |entry: &Entry| entry.id);
                assert!(all.len() < 100, "it ends");
            }
            assert_eq!(all, entries(), "pieces of {bytes} bytes");
        }
        let (base, none) = read_kept(&walk(Vec::new()).next(100).unwrap()[1..]).unwrap();
        assert_eq!((base.index, none.len()), (7, 0), "where it would go on is told without entries too");
    }

    #[test]
    fn who_does_not_come_further_is_not_waited_for() {
        let mut witnessed = Witnessed::of_new_leader(EntryId { term: 1, index: 3 });
        let stored = |by_all, by_present| Stored { by_all, by_present };
        assert_eq!(witnessed.next(stored(5, 5), 9), Some(stored(5, 5)));
        for own in 10..10 + u64::from(STILL_MAX) - 1 {
            assert_eq!(witnessed.next(stored(5, 5), own), None, "it may only be slow");
        }
        assert_eq!(witnessed.base, 5);
        assert_eq!(witnessed.next(stored(5, 5), 20), Some(stored(5, 20)));
        assert_eq!(witnessed.base, 20, "and without the leader it is of no use");
        assert_eq!(witnessed.next(stored(6, 6), 20), Some(stored(6, 6)), "it moves again");
        assert_eq!(witnessed.base, 20);
        for _ in 0..9 {
            assert_eq!(
                witnessed.next(stored(20, 20), 20).map_or(20, |stored| stored.by_present),
                20,
                "all have all"
            );
        }
    }

    #[test]
    fn any_damage_of_what_is_kept_is_refused_or_reads_as_something_else() {
        let chunk = walk(entries()).next(10_000).unwrap();
        assert_eq!(check_kept(&chunk[1..]), Some(3));
        let mut random = base::Random::new(1);
        for _ in 0..20_000 {
            let mut damaged = chunk[1..].to_vec();
            let at = random.below(damaged.len() as u64) as usize;
            damaged[at] = random.next_u64() as u8;
            damaged.truncate(damaged.len() - random.below(40) as usize / 20 * 7);
            check_kept(&damaged);
        }
    }
}
