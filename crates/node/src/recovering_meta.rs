//! The replica of the meta group at start-up: what the log says of the fabric's state.
//!
//! Invariants: only committed commands are applied; the tail follows the last applied entry without a gap.

use cluster::{Command, Meta};
use raft::{Entry, EntryId, Group, HardState, Members, Payload, RecoverError, Recovered};

use crate::entry::{EntryHeader, META_GROUP};
use crate::fabric::group_config;
use crate::meta::MetaReplica;
use crate::operations::Stamp;
use crate::partition::ReplayError;
use crate::replay_tail::{ReplayTail, check_next};

/// The meta group of which the log is being read.
#[derive(Default)]
pub(crate) struct RecoveringMeta {
    is_known: bool,
    state: Meta,
    applied: EntryId,
    members: Members,
    hard: HardState,
    tail: ReplayTail,
    /// The log is known from the middle on only: a record of the whole state follows.
    gap: Option<ReplayError>,
}

/// A replica of the meta group that can take part again.
pub struct RecoveredMeta(pub(crate) MetaReplica);

impl RecoveredMeta {
    /// The fabric's state as far as it is known to be committed.
    pub fn state(&self) -> &Meta {
        &self.0.state
    }

    /// The replica of a node that founds a fabric: the first entry makes it.
    pub fn found(node: u64, seed: u64, founding: cluster::Founding) -> Result<RecoveredMeta, RecoverError> {
        let mut group = Group::recover(group_config(node, META_GROUP, seed), Recovered::founder(node))?;
        group.open_alone();
        group.wake();
        let mut replica = MetaReplica::new(group, Meta::new(), EntryId::FOUNDED, Members::lone(node));
        replica.found_with(Command::Found(founding));
        Ok(RecoveredMeta(replica))
    }

    /// The replica of a node that was just let in; what it was given is good for finding the others.
    pub fn join(node: u64, seed: u64) -> Result<RecoveredMeta, RecoverError> {
        let group = Group::recover(group_config(node, META_GROUP, seed), Recovered::joiner())?;
        Ok(RecoveredMeta(MetaReplica::new(group, Meta::new(), EntryId::default(), Members::default())))
    }
}

impl RecoveringMeta {
    pub(crate) fn is_known(&self) -> bool {
        self.is_known
    }

    pub(crate) fn current(&self) -> &Meta {
        &self.state
    }

    /// The whole state after an entry.
    pub(crate) fn restore(&mut self, id: EntryId, members: Members, state: Meta) {
        self.is_known = true;
        if id.index >= self.applied.index {
            self.tail.cut_before(id);
            self.gap = None;
            (self.applied, self.members, self.state) = (id, members, state);
        }
    }

    pub(crate) fn entry(&mut self, header: &EntryHeader, body: &[u8]) -> Result<(), ReplayError> {
        let id = EntryId { term: header.term, index: header.index };
        let stamp = Stamp { time: header.time, seed: header.seed, operations: header.operations };
        self.keep(Entry { id, payload: Payload::Data(stamp.encode(body).into()) })
    }

    pub(crate) fn change(&mut self, entry: Entry) -> Result<(), ReplayError> {
        self.keep(entry)
    }

    fn keep(&mut self, entry: Entry) -> Result<(), ReplayError> {
        self.is_known = true;
        // A founder's first entry follows a place that is in no record.
        let applied = self.applied.max(EntryId::FOUNDED);
        if applied == EntryId::FOUNDED && self.tail.is_empty() && self.gap.is_none() {
            self.gap = check_next(META_GROUP, applied.index, entry.id.index).err();
        }
        if self.gap.is_some() && entry.id.index > applied.index {
            return Ok(());
        }
        self.tail.keep(META_GROUP, applied, entry)
    }

    /// Whether all there is of it is whole, once the log was read.
    pub(crate) fn check(&self) -> Result<(), ReplayError> {
        self.gap.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn state(&mut self, hard: HardState) -> Result<(), ReplayError> {
        self.is_known = true;
        self.hard = HardState { commit: hard.commit.max(self.hard.commit), ..hard };
        self.commit(hard.commit)
    }

    pub(crate) fn members(&mut self, index: u64, members: Members) -> Result<(), ReplayError> {
        if index >= self.applied.index && self.gap.is_none() {
            self.commit(index)?;
            // As of a partition: one record tells of all changes that were committed at once.
            while let Some(entry) = self.tail.take_change(index) {
                self.applied = entry.id;
                self.commit(index)?;
            }
            self.members = members;
        }
        Ok(())
    }

    fn commit(&mut self, index: u64) -> Result<(), ReplayError> {
        while let Some((id, data)) = self.tail.take_data(index) {
            let unknown = ReplayError::Operation { partition: META_GROUP.0, index: id.index };
            let (stamp, body) = Stamp::decode(&data).ok_or_else(|| unknown.clone())?;
            if stamp.operations > 0 {
                let command = Command::decode(&body).map_err(|_| unknown)?;
                // Refused then as now: the state decides, and it is the same.
                let _ = self.state.apply(&command, stamp.time);
            }
            self.applied = id;
        }
        Ok(())
    }

    /// Where this node alone decides, all that is in its log was decided, also what no later record says so of. It must
    /// not begin with an older state: there may be users in it who are gone.
    pub(crate) fn commit_alone(&mut self, node: u64) -> Result<(), ReplayError> {
        let is_founder =
            self.members == Members::default() && self.tail.end(EntryId::default()) != EntryId::default();
        if self.members == Members::lone(node) || is_founder {
            let end = self.tail.end(self.applied).index;
            self.commit(end)?;
        }
        Ok(())
    }

    /// The state after all that was logged, and the last entry: what is left of it if nobody else is. None if it was never
    /// here.
    pub(crate) fn into_remains(mut self) -> Result<Option<(EntryId, Meta)>, ReplayError> {
        self.check()?;
        loop {
            self.commit(u64::MAX)?;
            let Some(change) = self.tail.take_change(u64::MAX) else { break };
            self.applied = change.id;
        }
        Ok(self.state.is_founded().then_some((self.applied, self.state)))
    }

    pub(crate) fn start(self, node: u64, seed: u64) -> Result<RecoveredMeta, RecoverError> {
        let recovered = if self.members == Members::default()
            && self.applied == EntryId::default()
            && self.tail.is_empty()
        {
            Recovered { hard: self.hard, ..Recovered::joiner() }
        } else {
            let applied = self.applied.max(EntryId::FOUNDED);
            let members =
                if self.members == Members::default() { Members::lone(node) } else { self.members.clone() };
            Recovered {
                hard: HardState { commit: self.hard.commit.max(applied.index), ..self.hard },
                members,
                snapshot: applied,
                last: self.tail.end(applied),
                applied: applied.index,
                tail: self.tail.into_entries(),
            }
        };
        let (applied, members) = (recovered.snapshot, recovered.members.clone());
        let mut group = Group::recover(group_config(node, META_GROUP, seed), recovered)?;
        if group.is_lone() {
            group.open_alone();
            group.wake();
        }
        Ok(RecoveredMeta(MetaReplica::new(group, self.state, applied, members)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Millis;

    fn entry(meta: &mut RecoveringMeta, index: u64) {
        let header = EntryHeader {
            partition: META_GROUP,
            term: 2,
            index,
            time: Millis(index),
            seed: 0,
            operations: 0,
        };
        meta.entry(&header, &[]).unwrap();
    }

    #[test]
    fn entries_before_the_record_of_the_whole_state_need_nothing_before_them() {
        let mut meta = RecoveringMeta::default();
        entry(&mut meta, 50);
        meta.state(HardState { term: 2, vote: 1, commit: 50 }).unwrap();
        entry(&mut meta, 51);
        assert!(meta.check().is_err(), "as long as the state is not there, something is missing");
        let members = Members { voters: vec![1, 2, 3], ..Members::default() };
        meta.restore(EntryId { term: 2, index: 51 }, members, Meta::new());
        entry(&mut meta, 52);
        assert_eq!(meta.check(), Ok(()));
        assert_eq!(meta.tail.end(meta.applied), EntryId { term: 2, index: 52 });
    }
}
