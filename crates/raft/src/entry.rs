//! One record of a group's log, and its bytes on disk and wire.
//!
//! ```text
//! kind: u8 (0 data, 1 change) · term: u64 · index: u64 · len: u32 · payload: len bytes      little endian
//! ```
//! The lone voter and the engine write the same form, so a log never tells which of them wrote it.

use bytes::Bytes;
use tikv_raft::eraftpb;

use crate::Change;
use crate::error::DecodeError;
use crate::members::{decode_changes, encode_changes};
use crate::wire::{Read, Reader, put_block, put_u64};

/// The name of an entry, given to one entry only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// The term of the leader that made it.
    pub term: u64,
    /// Its place in the log; the first is 1.
    pub index: u64,
}

impl EntryId {
    /// The place of a new group's founding, before its first entry. Membership at the founding is in no entry,
    /// so a joiner must get it by snapshot; an index of 1 leaves no way to replay from nothing around that.
    pub const FOUNDED: EntryId = EntryId { term: 1, index: 1 };

    /// Whether it is decided what became of this entry once `committed` is: it is that one, or before it, or it will never
    /// be committed. For what comes behind an entry in a log has no earlier term, so one of an earlier term cannot, though
    /// its place may stay empty for long.
    pub fn is_decided_by(self, committed: EntryId) -> bool {
        self.index <= committed.index || self.term < committed.term
    }
}

/// One record of a group's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub id: EntryId,
    /// What it says.
    pub payload: Payload,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Bytes for the state machine. Empty in the first entry of a leader's term: nothing to apply.
    Data(Bytes),
    /// New members; the group applies it itself. Empty: leave the joint membership.
    Change(Vec<Change>),
}

const KIND_DATA: u8 = 0;
const KIND_CHANGE: u8 = 1;
/// Bytes of an entry beside its payload.
const HEADER_BYTES: usize = 1 + 8 + 8 + 4;

impl Entry {
    /// Appends the entry's bytes.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        match &self.payload {
            Payload::Data(data) => Entry::encode_data_into(self.id, data, out),
            Payload::Change(changes) => {
                put_header(KIND_CHANGE, self.id, out);
                put_block(&encode_changes(changes), out);
            }
        }
    }

    /// Appends the bytes of a data entry without making one: the lone voter's way.
    pub fn encode_data_into(id: EntryId, data: &[u8], out: &mut Vec<u8>) {
        out.reserve(HEADER_BYTES + data.len());
        put_header(KIND_DATA, id, out);
        put_block(data, out);
    }

    /// Appends the bytes of an entry of the engine.
    pub(crate) fn encode_engine_into(entry: &eraftpb::Entry, out: &mut Vec<u8>) {
        match entry.entry_type {
            eraftpb::EntryType::EntryNormal => {
                let id = EntryId { term: entry.term, index: entry.index };
                Entry::encode_data_into(id, &entry.data, out);
            }
            eraftpb::EntryType::EntryConfChange | eraftpb::EntryType::EntryConfChangeV2 => {
                Entry::from_engine(entry).encode_into(out);
            }
        }
    }

    /// Reads one entry that fills all of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Entry, DecodeError> {
        let mut reader = Reader::new(bytes);
        let entry = Entry::read(&mut reader)?;
        reader.finish()?;
        Ok(entry)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Entry, DecodeError> {
        let kind = reader.u8()?;
        let id = EntryId { term: reader.number()?, index: reader.number()? };
        let block = reader.block()?;
        let payload = match kind {
            KIND_DATA => Payload::Data(Bytes::copy_from_slice(block)),
            KIND_CHANGE => Payload::Change(decode_changes(block)?),
            other => return Err(DecodeError::UnknownKind { what: "entry", kind: other }),
        };
        Ok(Entry { id, payload })
    }

    /// A change travels in the engine's `context`: its `data` is protobuf where this replica proposed the
    /// change and nobody reads it afterwards, so it is left empty everywhere else.
    pub(crate) fn to_engine(&self) -> eraftpb::Entry {
        let mut entry =
            eraftpb::Entry { term: self.id.term, index: self.id.index, ..eraftpb::Entry::default() };
        match &self.payload {
            Payload::Data(data) => entry.data = data.clone(),
            Payload::Change(changes) => {
                entry.entry_type = eraftpb::EntryType::EntryConfChangeV2;
                entry.context = encode_changes(changes).into();
            }
        }
        entry
    }

    pub(crate) fn from_engine(entry: &eraftpb::Entry) -> Entry {
        let payload = match entry.entry_type {
            eraftpb::EntryType::EntryNormal => Payload::Data(entry.data.clone()),
            // The first form is never proposed, but if it were, it would carry its change the same way.
            eraftpb::EntryType::EntryConfChange | eraftpb::EntryType::EntryConfChangeV2 => Payload::Change(
                decode_changes(&entry.context).expect("a change enters the engine only through our encoder"),
            ),
        };
        Entry { id: EntryId { term: entry.term, index: entry.index }, payload }
    }
}

fn put_header(kind: u8, id: EntryId, out: &mut Vec<u8>) {
    out.push(kind);
    put_u64(id.term, out);
    put_u64(id.index, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_decided_by_its_place_and_by_a_later_term_before_it() {
        let id = |term, index| EntryId { term, index };
        assert!(id(3, 7).is_decided_by(id(3, 7)), "it is that one");
        assert!(id(3, 7).is_decided_by(id(4, 7)), "its place is taken");
        assert!(id(3, 7).is_decided_by(id(3, 9)));
        assert!(!id(3, 7).is_decided_by(id(3, 6)), "it may follow");
        assert!(id(3, 7).is_decided_by(id(4, 5)), "none of term 3 follows one of term 4");
        assert!(!id(3, 7).is_decided_by(id(2, 6)), "a leader may bring it yet");
    }
}
