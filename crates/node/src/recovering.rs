//! One partition at start-up: what its checkpoint and the log say of it, until it can take part again.
//!
//! Entries of a lone voter are committed as they are written and applied as they are read. Entries of a group
//! with peers wait for a record that says they are committed; what is left of them at the end of the log is the
//! tail that the group starts with, for its leader to confirm or replace.
//!
//! Invariants: nothing is applied that was not committed; the tail follows the last applied entry without a gap.

mod remains;

use std::collections::VecDeque;

use base::{DbIndex, KeyHasher, Millis, PartitionId};
use engine::{Keyspace, Ledger, Store};
use raft::{Entry, EntryId, Group, GroupConfig, HardState, Members, Payload, RecoverError, Recovered};
use resp::{Reply, Version};

use crate::entry::{EntryHeader, write_members, write_state, write_term};
use crate::fabric::group_config;
use crate::operations::{Stamp, each_operation};
use crate::partition::{Content, Partition, ReplayError};
use crate::replay_tail::{ReplayTail, check_next};

pub(crate) use remains::Remains;

/// A partition of which checkpoint and log are being read.
pub struct RecoveringPartition {
    partition_id: PartitionId,
    hasher: KeyHasher,
    content: Content,
    /// The last entry that is applied.
    last: EntryId,
    last_time: Millis,
    hard: HardState,
    /// Whether the log's last word on it is that of a lone voter.
    is_alone: bool,
    /// Whether it was alone before, and no record says who is in its group since: nobody else yet.
    was_alone: bool,
    /// Whether there was any word of it at all.
    is_known: bool,
    members: Members,
    /// Read, and not known to be committed.
    tail: ReplayTail,
    /// Its checkpoint came from a leader, and nothing in the log says that it was taken over, or that the log came to
    /// the same by itself: what the log has is older.
    is_received: bool,
    /// Its checkpoint came from a leader, and the log has no record of its having been taken over.
    was_received: bool,
    /// The log knows it from the middle on only: it was here once, and its record of having gone follows.
    gap: Option<ReplayError>,
    /// The last entry that its checkpoint includes, and the members as it has them.
    restored: EntryId,
    restored_members: Members,
    /// The log knows it from some entries behind its checkpoint on only: those before were logged again when the
    /// checkpoint was made, and follow.
    hole: Option<ReplayError>,
    /// If this node is a witness: what it keeps instead of a state.
    kept: Option<Kept>,
}

/// Entries that a witness keeps for others, though they are applied: see `witness`.
///
/// Invariant: they follow `base`, and each other, without a gap.
#[derive(Default)]
struct Kept {
    base: EntryId,
    entries: VecDeque<Entry>,
}

impl Kept {
    fn end(&self) -> EntryId {
        self.entries.back().map_or(self.base, |entry| entry.id)
    }

    /// Begins anew after this entry.
    fn begin_after(&mut self, base: EntryId) {
        (self.base, self.entries) = (base, VecDeque::new());
    }
}

impl RecoveringPartition {
    /// A partition of which nothing is known yet.
    pub fn new(id: PartitionId, hasher: KeyHasher) -> RecoveringPartition {
        RecoveringPartition {
            kept: None,
            partition_id: id,
            hasher,
            content: Content::empty(hasher),
            last: EntryId::FOUNDED,
            last_time: Millis::default(),
            hard: HardState::default(),
            is_alone: true,
            was_alone: false,
            is_known: false,
            members: Members::default(),
            tail: ReplayTail::default(),
            is_received: false,
            was_received: false,
            gap: None,
            restored: EntryId::default(),
            restored_members: Members::default(),
            hole: None,
        }
    }

    /// The same on a witness: nothing is applied, and what would have been is kept.
    pub(crate) fn of_witness(id: PartitionId, hasher: KeyHasher) -> RecoveringPartition {
        let kept = Some(Kept { base: EntryId::FOUNDED, ..Kept::default() });
        // Never the only voter.
        RecoveringPartition { kept, is_alone: false, ..RecoveringPartition::new(id, hasher) }
    }

    /// Loads a piece of what its checkpoint has of a witness; whether that fits to what there is.
    pub(crate) fn load_kept(&mut self, base: EntryId, entries: Vec<Entry>) -> bool {
        let Some(kept) = &mut self.kept else { return false };
        if base != kept.end() {
            kept.begin_after(base);
        }
        kept.entries.extend(entries);
        kept.end().index <= self.last.index
    }

    /// Index of the last entry whose effect is here.
    pub fn last_index(&self) -> u64 {
        self.last.index
    }

    /// Whether checkpoint or log say anything of it.
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// Which one.
    pub fn id(&self) -> PartitionId {
        self.partition_id
    }

    fn keyspace(&mut self, db: DbIndex) -> &mut Keyspace {
        self.keyspace_and_ledger(db).0
    }

    fn keyspace_and_ledger(&mut self, db: DbIndex) -> (&mut Keyspace, &mut Ledger) {
        let Content { keyspaces, ledger } = &mut self.content;
        let place = keyspaces.iter().position(|(other, _)| *other == db).unwrap_or_else(|| {
            keyspaces.push((db, Keyspace::new(self.hasher)));
            keyspaces.len() - 1
        });
        (&mut keyspaces[place].1, ledger)
    }

    /// Starts from a checkpoint: the state after entry `index`, at `time`.
    pub fn restore(&mut self, term: u64, index: u64, time: Millis) {
        #[cfg(narf_plant)]
        let index = if base::plant::is(base::plant::Plant::AppliedTwice) { index - 1 } else { index };
        self.last = EntryId { term, index };
        self.restored = self.last;
        if let Some(kept) = &mut self.kept {
            kept.begin_after(self.last);
        }
        self.last_time = time;
        self.is_known = true;
    }

    /// Loads records of a checkpoint into a database.
    pub fn load(&mut self, db: DbIndex, records: &[u8]) -> Result<(), engine::RecordError> {
        let keyspace = self.keyspace(db);
        let mut at = 0;
        while at < records.len() {
            at += keyspace.load(&records[at..])?;
        }
        Ok(())
    }

    /// Loads a piece of what its checkpoint keeps of numbered requests.
    pub(crate) fn load_ledger(&mut self, piece: &[u8]) -> Result<(), engine::RecordError> {
        self.content.ledger.load(piece)
    }

    /// The members as its checkpoint has them, and whether it came from a leader.
    pub(crate) fn load_members(&mut self, members: Members, is_received: bool) {
        self.members = members.clone();
        self.restored_members = members;
        self.is_alone = false;
        (self.is_received, self.was_received) = (is_received, is_received);
    }

    /// Whether an entry is of a membership of which checkpoint and first entries are gone, as they may be after its end.
    fn is_orphaned(&mut self, index: u64) -> bool {
        let is_blank = self.last == EntryId::FOUNDED && self.tail.is_empty();
        if is_blank && self.gap.is_none() {
            self.gap = check_next(self.partition_id, self.last.index, index).err();
        }
        self.gap.is_some()
    }

    /// Whether all there is of it is whole, once the log was read.
    pub(crate) fn check(&self) -> Result<(), ReplayError> {
        self.gap.clone().or_else(|| self.hole.clone()).map_or(Ok(()), Err)
    }

    /// An entry of the log. Entries that the checkpoint covers are passed over.
    pub fn replay(&mut self, header: &EntryHeader, body: &[u8]) -> Result<(), ReplayError> {
        self.compare(EntryId { term: header.term, index: header.index });
        if header.index <= self.last.index || self.is_orphaned(header.index) {
            return Ok(());
        }
        self.is_known = true;
        if self.is_alone {
            check_next(self.partition_id, self.last.index, header.index)?;
            return self.apply(header, body);
        }
        let id = EntryId { term: header.term, index: header.index };
        let stamp = Stamp { time: header.time, seed: header.seed, operations: header.operations };
        self.keep(Entry { id, payload: Payload::Data(stamp.encode(body).into()) })
    }

    /// A log that has the entry which a received state ends with has all that is in that state, and what follows in it was
    /// acknowledged: the replica was brought up by entries before the state was taken over. An entry of another term
    /// there, or an earlier one that is read later, says that the log took another way.
    fn compare(&mut self, id: EntryId) {
        if self.was_received && id.index <= self.restored.index {
            self.is_received = id != self.restored;
        }
    }

    /// Puts an entry that is not known to be committed at its place.
    fn keep(&mut self, entry: Entry) -> Result<(), ReplayError> {
        let is_first = self.tail.is_empty() && self.last == self.restored;
        match self.tail.keep(self.partition_id, self.last, entry) {
            Err(hole) if is_first => {
                self.hole.get_or_insert(hole);
                Ok(())
            }
            kept => {
                // What was passed over, as it is applied, closes nothing.
                if !self.tail.is_empty() {
                    self.hole = None;
                }
                kept
            }
        }
    }

    /// An entry of the log that changes the members.
    pub(crate) fn replay_change(&mut self, entry: Entry) -> Result<(), ReplayError> {
        self.compare(entry.id);
        if entry.id.index > self.last.index {
            if self.is_orphaned(entry.id.index) {
                return Ok(());
            }
            // Its group may have woken in the turn that wrote this, and says so only behind its entries.
            self.has_a_group();
        }
        self.keep(entry)
    }

    /// It is in a group with an engine from here on.
    fn has_a_group(&mut self) {
        self.was_alone |= self.is_alone && self.is_known;
        (self.is_alone, self.is_known) = (false, true);
    }

    /// A lone voter opened a term: all that it had is committed.
    pub fn replay_term(&mut self, term: u64) -> Result<(), ReplayError> {
        self.is_known = true;
        self.hard.term = self.hard.term.max(term);
        self.commit(u64::MAX)?;
        self.is_alone = true;
        Ok(())
    }

    /// Term, vote and commit of a group with peers.
    pub(crate) fn replay_state(&mut self, hard: HardState) -> Result<(), ReplayError> {
        self.has_a_group();
        self.hard = HardState { commit: hard.commit.max(self.hard.commit), ..hard };
        self.commit(hard.commit)
    }

    /// The members after an entry that is, or is about to be, applied.
    pub(crate) fn replay_members(&mut self, index: u64, members: Members) -> Result<(), ReplayError> {
        if index >= self.last.index && self.gap.is_none() {
            self.commit(index)?;
            // A change whose members are known needs no engine to be applied; nor do those before it, of which no record
            // tells if they were committed at once.
            while let Some(entry) = self.tail.take_change(index) {
                self.last = entry.id;
                if let Some(kept) = &mut self.kept {
                    kept.entries.push_back(entry);
                }
                self.commit(index)?;
            }
            self.members = members;
        }
        Ok(())
    }

    /// A snapshot took the place of all that was read so far; the checkpoint holds it.
    pub(crate) fn replay_restored(&mut self, id: EntryId) -> Result<(), ReplayError> {
        self.is_known = true;
        self.is_alone = false;
        // Void even if the checkpoint is a later one of our own.
        self.tail.clear();
        self.hole = None;
        // Without the checkpoint, what follows must end with a record that it has gone, after which it was removed.
        self.gap = match id.index > self.last.index {
            true => {
                let (partition, last) = (self.partition_id.0, self.last.index);
                Some(ReplayError::Gap { partition, last, found: id.index })
            }
            false => None,
        };
        if id == self.last {
            (self.is_received, self.was_received) = (false, false);
        }
        Ok(())
    }

    /// The node stopped being a member when `index` was the last entry it had applied.
    pub(crate) fn replay_gone(&mut self, index: u64) {
        // Of a later term than all that was read: a witness that has forgotten its log may begin again at a lower place.
        let begins_lower = self.hard.term > 0 && self.restored.term > self.hard.term;
        if begins_lower && let Some(kept) = &mut self.kept {
            kept.entries.retain(|entry| entry.id.index <= self.restored.index);
            (self.last, self.members) = (self.restored, self.restored_members.clone());
            self.hard.commit = 0;
            self.tail.clear();
            (self.gap, self.hole) = (None, None);
        } else if index >= self.last.index {
            *self = match self.kept {
                None => RecoveringPartition::new(self.partition_id, self.hasher),
                Some(_) => RecoveringPartition::of_witness(self.partition_id, self.hasher),
            };
        } else {
            // It became one again, and the checkpoint is of that time.
            self.tail.clear();
            (self.gap, self.hole) = (None, None);
        }
    }

    /// Applies what is committed up to `index`, but no change of members: only its record tells what it made.
    fn commit(&mut self, index: u64) -> Result<(), ReplayError> {
        while let Some((id, data)) = self.tail.take_data(index) {
            if let Some(kept) = &mut self.kept {
                kept.entries.push_back(Entry { id, payload: Payload::Data(data) });
                self.last = id;
                continue;
            }
            let unknown = ReplayError::Operation { partition: self.partition_id.0, index: id.index };
            let (stamp, body) = Stamp::decode(&data).ok_or(unknown)?;
            let header = EntryHeader {
                partition: self.partition_id,
                term: id.term,
                index: id.index,
                time: stamp.time,
                seed: stamp.seed,
                operations: stamp.operations,
            };
            self.apply(&header, &body)?;
        }
        Ok(())
    }

    fn apply(&mut self, header: &EntryHeader, body: &[u8]) -> Result<(), ReplayError> {
        let stamp = Stamp { time: header.time, seed: header.seed, operations: header.operations };
        let mut out = Vec::new();
        let known = each_operation(body, header.operations, &mut |operation| {
            let seed = stamp.seed_of(operation.number);
            let (keyspace, ledger) = self.keyspace_and_ledger(operation.db);
            let mut store = Store::new(keyspace, operation.db, header.time, seed);
            store.ledger = Some(ledger);
            store.notes_counts = true;
            let mut reply = Reply::new(&mut out, Version::Resp2);
            engine::execute(operation.command, operation.args, &mut store, &mut reply);
            // What lapsed is deleted by operations of the log, which follow.
            drop(keyspace.take_lapsed());
            out.clear();
        });
        if !known {
            return Err(ReplayError::Operation { partition: self.partition_id.0, index: header.index });
        }
        self.last = EntryId { term: header.term, index: header.index };
        self.last_time = self.last_time.max(header.time);
        Ok(())
    }

    /// The partition, ready to take part: led by this node alone in a new term if it is the only member, else a
    /// follower for now. What must be in the log before anything else happens goes to `frame`.
    pub fn start(mut self, node: u64, seed: u64, frame: &mut Vec<u8>) -> Result<Partition, RecoverError> {
        if !self.is_alone && self.was_alone && self.members == Members::default() {
            self.members = Members::lone(node);
        }
        let id = self.partition_id;
        let config = GroupConfig { is_witness: self.kept.is_some(), ..group_config(node, id, seed) };
        if self.is_received {
            self.tail.clear();
        }
        let kept = self.kept.unwrap_or(Kept { base: self.last, entries: VecDeque::new() });
        let recovered = match self.is_alone {
            true => Recovered::lone(node, self.hard, self.last),
            // It was told of its group and was sent nothing yet.
            false if self.members == Members::default() => {
                Recovered { hard: self.hard, ..Recovered::joiner() }
            }
            false => {
                let commit = self.hard.commit.max(self.last.index);
                Recovered {
                    hard: HardState { commit, ..self.hard },
                    members: self.members.clone(),
                    snapshot: kept.base,
                    last: self.tail.end(self.last),
                    applied: self.last.index,
                    tail: kept.entries.into_iter().chain(self.tail.into_entries()).collect(),
                }
            }
        };
        let mut group = Group::recover(config, recovered)?;
        if group.is_lone() {
            write_term(frame, id, group.open_alone().term);
        } else if self.is_received {
            // What the log had before the snapshot is void, and so it must be after the next start too.
            crate::entry::write_restored(frame, id, self.last);
            let hard = group.hard_state();
            write_state(frame, id, hard.term, hard.vote, hard.commit);
            write_members(frame, id, self.last.index, &self.members);
        }
        let last =
            if self.members == Members::default() && !self.is_alone { EntryId::default() } else { self.last };
        Ok(Partition::recovered(id, group, self.hasher, self.content, (last, self.last_time), self.members))
    }

    /// A snapshot that was received whole: its content, last entry and time.
    pub(crate) fn into_parts(self) -> (Content, EntryId, Millis) {
        (self.content, self.last, self.last_time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::WireRequest;

    const ID: PartitionId = PartitionId(3);

    fn fresh() -> RecoveringPartition {
        RecoveringPartition::new(ID, KeyHasher::new(1))
    }

    /// Reads an entry that sets the key `k` to its index.
    fn replay(partition: &mut RecoveringPartition, term: u64, index: u64) -> Result<(), ReplayError> {
        let mut body = vec![0];
        body.extend_from_slice(WireRequest::encode(&[b"set", b"k", index.to_string().as_bytes()]).raw());
        let header = EntryHeader { partition: ID, term, index, time: Millis(index), seed: 1, operations: 1 };
        partition.replay(&header, &body)
    }

    fn state(partition: &mut RecoveringPartition, term: u64, commit: u64) {
        partition.replay_state(HardState { term, vote: 0, commit }).unwrap();
    }

    /// The last applied entry, and the last there is.
    fn reach(partition: &RecoveringPartition) -> (u64, u64) {
        (partition.last.index, partition.tail.end(partition.last).index)
    }

    #[test]
    fn of_a_node_that_is_gone_all_that_was_logged_counts() {
        let members = |voters: &[u64]| Members { voters: voters.to_vec(), ..Members::default() };
        let change = Payload::Change(vec![raft::Change::Remove(3)]);
        let mut partition = fresh();
        partition.restore(2, 4, Millis(4));
        partition.load_members(members(&[1, 2, 3]), false);
        state(&mut partition, 2, 4);
        replay(&mut partition, 2, 5).unwrap();
        let remains = partition.into_remains(1).unwrap().unwrap();
        assert_eq!((remains.last, remains.is_changing), (EntryId { term: 2, index: 5 }, false));
        assert_eq!(remains.content.keyspaces[0].1.len(), 1);
        let mut partition = fresh();
        partition.restore(2, 4, Millis(4));
        partition.load_members(members(&[1, 2, 3]), false);
        replay(&mut partition, 2, 5).unwrap();
        partition.replay_change(Entry { id: EntryId { term: 2, index: 6 }, payload: change }).unwrap();
        replay(&mut partition, 3, 7).unwrap();
        let remains = partition.into_remains(1).unwrap().unwrap();
        assert_eq!((remains.last, remains.is_changing), (EntryId { term: 3, index: 7 }, true));
        assert_eq!((remains.members, remains.time), (members(&[1, 2, 3]), Millis(7)));
    }

    #[test]
    fn who_was_told_of_a_group_and_sent_nothing_has_nothing_of_it() {
        let mut partition = fresh();
        partition.replay_state(HardState { term: 5, vote: 2, commit: 0 }).unwrap();
        assert!(partition.is_known());
        assert!(partition.into_remains(1).unwrap().is_none());
        assert!(fresh().into_remains(1).unwrap().is_none());
        let mut alone = fresh();
        alone.replay_term(2).unwrap();
        assert_eq!(alone.into_remains(1).unwrap().unwrap().members, Members::lone(1));
    }

    #[test]
    fn what_a_log_has_before_a_received_state_is_no_part_of_what_is_left() {
        let mut partition = fresh();
        partition.restore(5, 10, Millis(10));
        partition.load_members(Members { voters: vec![1, 2], ..Members::default() }, true);
        state(&mut partition, 6, 4);
        replay(&mut partition, 4, 11).unwrap();
        assert_eq!(partition.into_remains(1).unwrap().unwrap().last, EntryId { term: 5, index: 10 });
    }

    #[test]
    fn entries_of_a_group_with_peers_wait_for_their_commit() {
        let mut partition = fresh();
        state(&mut partition, 2, 1);
        for index in 2..=5 {
            replay(&mut partition, 2, index).unwrap();
        }
        assert_eq!(reach(&partition), (1, 5));
        state(&mut partition, 2, 3);
        assert_eq!(reach(&partition), (3, 5));
        // A new leader replaces what was not committed.
        replay(&mut partition, 3, 4).unwrap();
        assert_eq!(reach(&partition), (3, 4));
        assert!(replay(&mut partition, 3, 6).is_err(), "an entry is missing");
    }

    #[test]
    fn a_log_that_came_to_a_received_state_by_itself_keeps_what_follows_it() {
        let received = || {
            let mut partition = fresh();
            partition.restore(2, 4, Millis(9));
            partition.load_members(Members { voters: vec![1, 2], ..Members::default() }, true);
            for index in 2..=6 {
                replay(&mut partition, 2, index).unwrap();
            }
            partition
        };
        let mut same = received();
        state(&mut same, 2, 4);
        assert!(!same.is_received, "entry 4 of term 2 is what the state ends with");
        assert_eq!(reach(&same), (4, 6));
        let mut other = received();
        replay(&mut other, 3, 3).unwrap();
        assert!(other.is_received, "the log went back before it, to another leader's entries");
        replay(&mut other, 3, 4).unwrap();
        assert!(other.is_received);
    }

    /// A segment of the log may begin between two entries that were not applied when the checkpoint was made.
    #[test]
    fn entries_behind_a_checkpoint_may_come_before_those_that_they_follow() {
        let mut partition = fresh();
        partition.restore(2, 16, Millis(9));
        partition.load_members(Members { voters: vec![1, 2], ..Members::default() }, false);
        replay(&mut partition, 2, 18).unwrap();
        state(&mut partition, 2, 16);
        assert!(partition.check().is_err(), "entry 17 must follow");
        replay(&mut partition, 2, 17).unwrap();
        replay(&mut partition, 2, 18).unwrap();
        state(&mut partition, 2, 18);
        assert_eq!(reach(&partition), (18, 18));
        assert!(partition.check().is_ok());
        assert!(replay(&mut partition, 2, 20).is_err(), "an entry is missing");
    }

    #[test]
    fn what_a_lone_voter_wrote_is_committed_and_so_is_all_before_its_term() {
        let mut partition = fresh();
        state(&mut partition, 2, 1);
        replay(&mut partition, 2, 2).unwrap();
        partition.replay_term(3).unwrap();
        assert_eq!(reach(&partition), (2, 2));
        replay(&mut partition, 3, 3).unwrap();
        assert_eq!(reach(&partition), (3, 3));
    }

    #[test]
    fn a_lone_voter_that_wakes_says_so_behind_the_entries_of_that_turn() {
        let change = |index| Entry {
            id: EntryId { term: 3, index },
            payload: Payload::Change(vec![raft::Change::AddLearner(2)]),
        };
        let mut partition = fresh();
        partition.replay_term(2).unwrap();
        replay(&mut partition, 2, 2).unwrap();
        replay(&mut partition, 3, 3).unwrap();
        partition.replay_change(change(4)).unwrap();
        replay(&mut partition, 3, 5).unwrap();
        state(&mut partition, 3, 3);
        assert_eq!(reach(&partition), (3, 5));
        // No record says who is in the group: this node alone, which has what it had.
        let partition = partition.start(1, 1, &mut Vec::new()).unwrap();
        assert_eq!(partition.group.last(), EntryId { term: 3, index: 5 });
        assert_eq!(partition.group.members(), Members::lone(1));
        assert_eq!(partition.replica.applied, EntryId { term: 3, index: 3 });
    }

    #[test]
    fn changes_that_were_committed_at_once_have_one_record_of_the_members() {
        let change =
            |index, change| Entry { id: EntryId { term: 2, index }, payload: Payload::Change(vec![change]) };
        let members = |voters: &[u64]| Members { voters: voters.to_vec(), ..Members::default() };
        let mut partition = fresh();
        partition.restore(2, 5, Millis(5));
        partition.load_members(members(&[1, 2, 3]), false);
        replay(&mut partition, 2, 6).unwrap();
        partition.replay_change(change(7, raft::Change::Remove(3))).unwrap();
        replay(&mut partition, 2, 8).unwrap();
        partition.replay_change(change(9, raft::Change::AddVoter(3))).unwrap();
        replay(&mut partition, 2, 10).unwrap();
        state(&mut partition, 2, 9);
        assert_eq!(reach(&partition), (6, 10), "who is in the group after a change only its record tells");
        partition.replay_members(9, members(&[1, 2, 3])).unwrap();
        assert_eq!(reach(&partition), (9, 10));
        state(&mut partition, 2, 10);
        assert_eq!(reach(&partition), (10, 10));
    }

    #[test]
    fn what_the_log_has_before_a_snapshot_is_void_even_if_a_later_checkpoint_is_there() {
        let mut partition = fresh();
        partition.restore(5, 45, Millis(45));
        partition.load_members(Members { voters: vec![1, 2, 3], ..Members::default() }, false);
        state(&mut partition, 2, 40);
        for index in 41..=60 {
            replay(&mut partition, 2, index).unwrap();
        }
        assert_eq!(reach(&partition), (45, 60));
        partition.replay_restored(EntryId { term: 5, index: 40 }).unwrap();
        assert_eq!(reach(&partition), (45, 45));
        replay(&mut partition, 5, 46).unwrap();
        assert_eq!(reach(&partition), (45, 46));
    }

    #[test]
    fn a_membership_that_ended_leaves_nothing_behind() {
        let mut partition = fresh();
        state(&mut partition, 2, 1);
        replay(&mut partition, 2, 2).unwrap();
        state(&mut partition, 2, 2);
        replay(&mut partition, 2, 3).unwrap();
        partition.replay_gone(2);
        assert!(!partition.is_known());
        // It became one again since: the checkpoint is of that time, the entries before are not.
        let mut partition = fresh();
        partition.restore(7, 10, Millis(10));
        partition.load_members(Members { voters: vec![1, 2], ..Members::default() }, false);
        for index in 11..=12 {
            replay(&mut partition, 2, index).unwrap();
        }
        partition.replay_gone(9);
        assert_eq!(reach(&partition), (10, 10));
    }

    #[test]
    fn a_witness_that_has_forgotten_its_log_begins_again_at_a_lower_place() {
        let members = |voters: &[u64]| Members { voters: voters.to_vec(), ..Members::default() };
        let forgets = |partition: &mut RecoveringPartition| {
            for index in 40..=60 {
                replay(partition, 3, index).unwrap();
            }
            partition.replay_members(50, members(&[1, 2, 3])).unwrap();
            state(partition, 4, 60);
            partition.replay_gone(60);
            partition.replay_state(HardState { term: 4, vote: 3, commit: 0 }).unwrap();
        };
        // It was sent nothing since, and its checkpoint is of before.
        let mut partition = RecoveringPartition::of_witness(ID, KeyHasher::new(1));
        partition.restore(3, 39, Millis(9));
        partition.load_members(members(&[1, 2, 3]), false);
        forgets(&mut partition);
        let partition = partition.start(3, 1, &mut Vec::new()).unwrap();
        assert_eq!(partition.group.last(), EntryId::default());
        assert_eq!(partition.group.hard_state(), HardState { term: 4, vote: 3, commit: 0 });
        // It was sent where to begin; some of what its log had before is not known to the checkpoint.
        for first in [5, 45] {
            let mut partition = RecoveringPartition::of_witness(ID, KeyHasher::new(1));
            partition.restore(5, first, Millis(9));
            partition.load_members(members(&[2, 3]), true);
            forgets(&mut partition);
            partition.replay_restored(EntryId { term: 5, index: first }).unwrap();
            state(&mut partition, 5, first);
            replay(&mut partition, 5, first + 1).unwrap();
            assert_eq!(partition.check(), Ok(()));
            let partition = partition.start(3, 1, &mut Vec::new()).unwrap();
            assert_eq!(partition.group.last(), EntryId { term: 5, index: first + 1 });
            assert_eq!(partition.group.members(), members(&[2, 3]));
            assert_eq!(partition.group.hard_state().commit, first);
        }
    }

    #[test]
    fn entries_of_a_membership_that_ended_need_no_checkpoint() {
        let mut partition = fresh();
        for index in 50..=52 {
            replay(&mut partition, 2, index).unwrap();
            state(&mut partition, 2, index);
        }
        assert!(partition.check().is_err(), "as long as it has not ended, something is missing");
        partition.replay_gone(52);
        assert_eq!(partition.check(), Ok(()));
        assert!(!partition.is_known());
    }

    #[test]
    fn a_state_that_was_taken_over_and_has_gone_since_needs_no_checkpoint() {
        let mut partition = fresh();
        state(&mut partition, 2, 1);
        partition.replay_restored(EntryId { term: 2, index: 3 }).unwrap();
        state(&mut partition, 2, 3);
        replay(&mut partition, 2, 4).unwrap();
        assert!(partition.check().is_err(), "as long as it has not gone, something is missing");
        partition.replay_gone(4);
        assert_eq!(partition.check(), Ok(()));
        assert!(!partition.is_known());
    }

    #[test]
    fn a_state_that_came_from_a_leader_voids_the_log_if_it_was_not_taken_over_yet() {
        let mut partition = fresh();
        partition.restore(5, 10, Millis(10));
        partition.load_members(Members { voters: vec![1, 2], ..Members::default() }, true);
        state(&mut partition, 6, 4);
        replay(&mut partition, 6, 11).unwrap();
        let mut frame = Vec::new();
        let partition = partition.start(1, 1, &mut frame).unwrap();
        assert_eq!(partition.group.last(), EntryId { term: 5, index: 10 });
        assert!(!frame.is_empty(), "the log says so from now on");
    }
}
