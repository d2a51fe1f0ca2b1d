//! Log entries to bytes and back: what a turn hands to the log, and what recovery reads from it.
//!
//! A frame of the log is a run of records. An entry's body is a run of operations, each a database number and
//! a request exactly as a client would send it, so that replaying the log is a client talking to itself.
//! Format: docs/formats/entry.md. Decoding is total: any bytes give records or an error, never a panic.

use base::{Millis, PartitionId};

/// First byte of a record.
const ENTRY: u8 = 1;
const TERM: u8 = 2;

/// Bytes of an entry record before its body.
pub(crate) const HEADER_LEN: usize = 1 + 2 + 8 + 8 + 8 + 8 + 4 + 4;

/// What stands before the operations of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHeader {
    /// Whose log this is an entry of.
    pub partition: PartitionId,
    /// Leader's term.
    pub term: u64,
    /// Place in the group's log, from 1, without gaps.
    pub index: u64,
    /// The leader's clock: what every operation of the entry takes for now.
    pub time: Millis,
    /// Where the operations draw randomness from.
    pub seed: u64,
    /// How many operations follow.
    pub operations: u32,
}

/// One record of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// An entry and its operations.
    Entry(EntryHeader, &'a [u8]),
    /// The term that a group's leader opened.
    Term {
        /// The group.
        partition: PartitionId,
        /// The new term.
        term: u64,
    },
}

/// The bytes are not records; a frame with a good checksum never holds such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Ends in the middle of a record or of an operation.
    #[error("a record ends early, at byte {0} of its frame")]
    Truncated(usize),
    /// Written by a newer version, or not a record at all.
    #[error("unknown record kind {kind} at byte {at} of its frame; was the log written by a newer version?")]
    Kind {
        /// The byte found.
        kind: u8,
        /// Where.
        at: usize,
    },
}

/// Appends an entry record.
pub fn write_entry(out: &mut Vec<u8>, header: &EntryHeader, body: &[u8]) {
    out.reserve(HEADER_LEN + body.len());
    out.push(ENTRY);
    out.extend_from_slice(&header.partition.0.to_le_bytes());
    out.extend_from_slice(&header.term.to_le_bytes());
    out.extend_from_slice(&header.index.to_le_bytes());
    out.extend_from_slice(&header.time.0.to_le_bytes());
    out.extend_from_slice(&header.seed.to_le_bytes());
    out.extend_from_slice(&header.operations.to_le_bytes());
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(body);
}

/// Appends a term record.
pub fn write_term(out: &mut Vec<u8>, partition: PartitionId, term: u64) {
    out.push(TERM);
    out.extend_from_slice(&partition.0.to_le_bytes());
    out.extend_from_slice(&term.to_le_bytes());
}

/// The records of a frame, in order. Stops after the first error.
pub fn records(frame: &[u8]) -> impl Iterator<Item = Result<Record<'_>, EntryError>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= frame.len() {
            return None;
        }
        let result = read_record(frame, at);
        at = result.as_ref().map_or(frame.len(), |&(_, next)| next);
        Some(result.map(|(record, _)| record))
    })
}

fn read_record(frame: &[u8], at: usize) -> Result<(Record<'_>, usize), EntryError> {
    let mut cursor = Cursor { bytes: frame, at: at + 1 };
    match frame[at] {
        ENTRY => {
            let header = EntryHeader {
                partition: PartitionId(u16::from_le_bytes(cursor.take()?)),
                term: u64::from_le_bytes(cursor.take()?),
                index: u64::from_le_bytes(cursor.take()?),
                time: Millis(u64::from_le_bytes(cursor.take()?)),
                seed: u64::from_le_bytes(cursor.take()?),
                operations: u32::from_le_bytes(cursor.take()?),
            };
            let len = u32::from_le_bytes(cursor.take()?) as usize;
            let body = cursor.slice(len)?;
            Ok((Record::Entry(header, body), cursor.at))
        }
        TERM => {
            let partition = PartitionId(u16::from_le_bytes(cursor.take()?));
            let term = u64::from_le_bytes(cursor.take()?);
            Ok((Record::Term { partition, term }, cursor.at))
        }
        kind => Err(EntryError::Kind { kind, at }),
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn slice(&mut self, len: usize) -> Result<&'a [u8], EntryError> {
        let end = self.at.checked_add(len).ok_or(EntryError::Truncated(self.at))?;
        let slice = self.bytes.get(self.at..end).ok_or(EntryError::Truncated(self.at))?;
        self.at = end;
        Ok(slice)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], EntryError> {
        let at = self.at;
        self.slice(N)?.try_into().map_err(|_| EntryError::Truncated(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Random;

    fn header() -> EntryHeader {
        let partition = PartitionId(3);
        EntryHeader { partition, term: 4, index: 5, time: Millis(6), seed: 7, operations: 1 }
    }

    #[test]
    fn records_read_back_in_order() {
        let mut frame = Vec::new();
        write_term(&mut frame, PartitionId(9), 2);
        write_entry(&mut frame, &header(), b"body");
        let read: Result<Vec<_>, _> = records(&frame).collect();
        let expect = [Record::Term { partition: PartitionId(9), term: 2 }, Record::Entry(header(), b"body")];
        assert_eq!(read, Ok(expect.to_vec()));
    }

    #[test]
    fn any_damage_gives_an_error_or_other_records_but_no_panic() {
        let mut frame = Vec::new();
        write_entry(&mut frame, &header(), b"some body of an entry");
        for cut in 1..frame.len() {
            assert!(records(&frame[..cut]).any(|record| record.is_err()), "cut at {cut}");
        }
        let mut random = Random::new(1);
        for _ in 0..10_000 {
            let mut damaged = frame.clone();
            let at = random.below(damaged.len() as u64) as usize;
            damaged[at] = random.next_u64() as u8;
            assert!(records(&damaged).count() <= damaged.len());
        }
    }
}
