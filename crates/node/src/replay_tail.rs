//! Entries of a group that were read from the log and are not known to be committed.
//!
//! Invariant: they follow the last applied entry, and each other, without a gap. Does not know: what they say.

use std::collections::VecDeque;

use base::PartitionId;
use bytes::Bytes;
use raft::{Entry, EntryId, Payload};

use crate::partition::ReplayError;

#[derive(Default)]
pub(crate) struct ReplayTail(VecDeque<Entry>);

impl ReplayTail {
    /// The last entry there is, if `applied` is the last that was applied.
    pub(crate) fn end(&self, applied: EntryId) -> EntryId {
        self.0.back().map_or(applied, |entry| entry.id)
    }

    /// Puts an entry at its place; what was there and after it is void. One that is applied is passed over.
    pub(crate) fn keep(
        &mut self,
        group: PartitionId,
        applied: EntryId,
        entry: Entry,
    ) -> Result<(), ReplayError> {
        if entry.id.index <= applied.index {
            return Ok(());
        }
        while self.0.back().is_some_and(|last| last.id.index >= entry.id.index) {
            self.0.pop_back();
        }
        check_next(group, self.end(applied).index, entry.id.index)?;
        self.0.push_back(entry);
        Ok(())
    }

    /// Takes the first entry, if it is one of data up to `index`. A change of members is not taken: only its record
    /// tells what it made of them.
    pub(crate) fn take_data(&mut self, index: u64) -> Option<(EntryId, Bytes)> {
        let entry = self
            .0
            .pop_front_if(|entry| entry.id.index <= index && matches!(entry.payload, Payload::Data(_)))?;
        match entry.payload {
            Payload::Data(data) => Some((entry.id, data)),
            Payload::Change(_) => None,
        }
    }

    /// Takes the first entry, if it is a change of members up to `index`: the record of the members after that was read.
    pub(crate) fn take_change(&mut self, index: u64) -> Option<Entry> {
        let is_it =
            |entry: &mut Entry| entry.id.index <= index && matches!(entry.payload, Payload::Change(_));
        self.0.pop_front_if(is_it)
    }

    /// What is left of it after the state of `id` took the place of all before.
    pub(crate) fn cut_before(&mut self, id: EntryId) {
        self.0.retain(|entry| entry.id.index > id.index && entry.id.term >= id.term);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_entries(self) -> Vec<Entry> {
        self.0.into()
    }
}

/// Whether an entry follows the last there was.
pub(crate) fn check_next(group: PartitionId, last: u64, found: u64) -> Result<(), ReplayError> {
    match found == last + 1 {
        true => Ok(()),
        false => Err(ReplayError::Gap { partition: group.0, last, found }),
    }
}
