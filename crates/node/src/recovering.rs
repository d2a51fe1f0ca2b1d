//! One partition at start-up: what its checkpoint and the log say of it, until it can take part again.
//!
//! Entries of a lone voter are committed as they are written and applied as they are read. Entries of a group
//! with peers wait for a record that says they are committed; what is left of them at the end of the log is the
//! tail that the group starts with, for its leader to confirm or replace.
//!
//! Invariants: nothing is applied that was not committed; the tail follows the last applied entry without a gap.

use std::collections::VecDeque;

use base::{DbIndex, KeyHasher, Millis, PartitionId};
use engine::{Keyspace, Store};
use raft::{Entry, EntryId, Group, HardState, Members, Payload, RecoverError, Recovered};
use resp::{Reply, Version};

use crate::entry::{EntryHeader, write_members, write_state, write_term};
use crate::fabric::group_config;
use crate::operations::{Stamp, each_operation};
use crate::partition::{Partition, ReplayError};

/// A partition of which checkpoint and log are being read.
pub struct RecoveringPartition {
    partition_id: PartitionId,
    hasher: KeyHasher,
    keyspaces: Vec<(DbIndex, Keyspace)>,
    /// The last entry that is applied.
    last: EntryId,
    last_time: Millis,
    hard: HardState,
    /// Whether the log's last word on it is that of a lone voter.
    is_alone: bool,
    /// Whether there was any word of it at all.
    is_known: bool,
    members: Members,
    /// Read, and not known to be committed.
    tail: VecDeque<Entry>,
    /// Its checkpoint came from a leader, and the log has not said so yet: what the log has is older.
    is_received: bool,
}

impl RecoveringPartition {
    /// A partition of which nothing is known yet.
    pub fn new(id: PartitionId, hasher: KeyHasher) -> RecoveringPartition {
        RecoveringPartition {
            partition_id: id,
            hasher,
            keyspaces: vec![(DbIndex::ZERO, Keyspace::new(hasher))],
            last: EntryId::FOUNDED,
            last_time: Millis::default(),
            hard: HardState::default(),
            is_alone: true,
            is_known: false,
            members: Members::default(),
            tail: VecDeque::new(),
            is_received: false,
        }
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
        let place = self.keyspaces.iter().position(|(other, _)| *other == db).unwrap_or_else(|| {
            self.keyspaces.push((db, Keyspace::new(self.hasher)));
            self.keyspaces.len() - 1
        });
        &mut self.keyspaces[place].1
    }

    /// Starts from a checkpoint: the state after entry `index`, at `time`.
    pub fn restore(&mut self, term: u64, index: u64, time: Millis) {
        self.last = EntryId { term, index };
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

    /// The members as its checkpoint has them, and whether it came from a leader.
    pub(crate) fn load_members(&mut self, members: Members, is_received: bool) {
        self.members = members;
        self.is_alone = false;
        self.is_received = is_received;
    }

    /// An entry of the log. Entries that the checkpoint covers are passed over.
    pub fn replay(&mut self, header: &EntryHeader, body: &[u8]) -> Result<(), ReplayError> {
        if header.index <= self.last.index {
            return Ok(());
        }
        self.is_known = true;
        if self.is_alone {
            self.check_next(header.index)?;
            return self.apply(header, body);
        }
        let id = EntryId { term: header.term, index: header.index };
        let stamp = Stamp { time: header.time, seed: header.seed, operations: header.operations };
        self.keep(Entry { id, payload: Payload::Data(stamp.encode(body).into()) })
    }

    /// An entry of the log that changes the members.
    pub(crate) fn replay_change(&mut self, entry: Entry) -> Result<(), ReplayError> {
        if entry.id.index <= self.last.index { Ok(()) } else { self.keep(entry) }
    }

    /// The last entry there is, applied or not.
    fn end(&self) -> EntryId {
        self.tail.back().map_or(self.last, |entry| entry.id)
    }

    fn check_next(&self, index: u64) -> Result<(), ReplayError> {
        let last = self.end().index;
        if index == last + 1 {
            return Ok(());
        }
        Err(ReplayError::Gap { partition: self.partition_id.0, last, found: index })
    }

    /// Puts an entry at its place; what was there and after it is void.
    fn keep(&mut self, entry: Entry) -> Result<(), ReplayError> {
        while self.tail.back().is_some_and(|last| last.id.index >= entry.id.index) {
            self.tail.pop_back();
        }
        self.check_next(entry.id.index)?;
        self.tail.push_back(entry);
        Ok(())
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
        self.is_known = true;
        self.is_alone = false;
        self.hard = HardState { commit: hard.commit.max(self.hard.commit), ..hard };
        self.commit(hard.commit)
    }

    /// The members after an entry that is, or is about to be, applied.
    pub(crate) fn replay_members(&mut self, index: u64, members: Members) -> Result<(), ReplayError> {
        if index >= self.last.index {
            self.commit(index)?;
            // A change whose members are known needs no engine to be applied.
            if self.tail.front().is_some_and(|entry| entry.id.index == index) {
                self.last = self.tail.pop_front().map_or(self.last, |entry| entry.id);
            }
            self.members = members;
        }
        Ok(())
    }

    /// A snapshot took the place of all that was read so far; the checkpoint holds it.
    pub(crate) fn replay_restored(&mut self, id: EntryId) -> Result<(), ReplayError> {
        self.is_known = true;
        self.is_alone = false;
        if id.index > self.last.index {
            return Err(ReplayError::Gap {
                partition: self.partition_id.0,
                last: self.last.index,
                found: id.index,
            });
        }
        // Void even if the checkpoint is a later one of our own.
        self.tail.clear();
        self.is_received &= id != self.last;
        Ok(())
    }

    /// The node stopped being a member when `index` was the last entry it had applied.
    pub(crate) fn replay_gone(&mut self, index: u64) {
        if index >= self.last.index {
            *self = RecoveringPartition::new(self.partition_id, self.hasher);
        } else {
            // It became one again, and the checkpoint is of that time.
            self.tail.clear();
        }
    }

    /// Applies what is committed up to `index`, but no change of members: only its record tells what it made.
    fn commit(&mut self, index: u64) -> Result<(), ReplayError> {
        while let Some(entry) = self.tail.front().filter(|entry| entry.id.index <= index) {
            let Payload::Data(data) = &entry.payload else { break };
            let unknown = ReplayError::Operation { partition: self.partition_id.0, index: entry.id.index };
            let (stamp, body) = Stamp::decode(data).ok_or(unknown)?;
            let header = EntryHeader {
                partition: self.partition_id,
                term: entry.id.term,
                index: entry.id.index,
                time: stamp.time,
                seed: stamp.seed,
                operations: stamp.operations,
            };
            self.tail.pop_front();
            self.apply(&header, &body)?;
        }
        Ok(())
    }

    fn apply(&mut self, header: &EntryHeader, body: &[u8]) -> Result<(), ReplayError> {
        let stamp = Stamp { time: header.time, seed: header.seed, operations: header.operations };
        let mut out = Vec::new();
        let known = each_operation(body, header.operations, &mut |operation| {
            let seed = stamp.seed_of(operation.number);
            let keyspace = self.keyspace(operation.db);
            let mut store = Store::new(keyspace, operation.db, header.time, seed);
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
        let id = self.partition_id;
        let config = group_config(node, id, seed);
        if self.is_received {
            self.tail.clear();
        }
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
                    snapshot: self.last,
                    last: self.end(),
                    applied: self.last.index,
                    tail: self.tail.into(),
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
        Ok(Partition::recovered(id, group, self.hasher, self.keyspaces, (last, self.last_time), self.members))
    }

    /// A snapshot that was received whole: its keyspaces, last entry and time.
    pub(crate) fn into_parts(self) -> (Vec<(DbIndex, Keyspace)>, EntryId, Millis) {
        (self.keyspaces, self.last, self.last_time)
    }
}
