//! Log entries to bytes and back: what a turn hands to the log, and what recovery reads from it.
//!
//! A frame of the log is a run of records. An entry's body is a run of operations, each a database number and
//! a request exactly as a client would send it, so that replaying the log is a client talking to itself.
//! Format: docs/formats/entry.md. Decoding is total: any bytes give records or an error, never a panic.

use base::{Cursor, Millis, PartitionId, Short};

use crate::operations::Stamp;

/// First byte of a record.
const ENTRY: u8 = 1;
const TERM: u8 = 2;
const STATE: u8 = 3;
const CHANGE: u8 = 4;
const MEMBERS: u8 = 5;
const RESTORED: u8 = 6;
const GONE: u8 = 7;
const META: u8 = 8;
const USERS: u8 = 9;

/// The group of the fabric's own state, which is no partition.
pub const META_GROUP: PartitionId = PartitionId(u16::MAX);

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
    /// The term that a lone voter opened: all before it is committed, and so is each entry of it at once.
    Term {
        /// The group.
        partition: PartitionId,
        /// The new term.
        term: u64,
    },
    /// Term, vote and commit of a group with peers: entries wait for a commit that covers them.
    State {
        /// The group.
        partition: PartitionId,
        /// Latest term seen.
        term: u64,
        /// Who got the vote in it; zero: nobody.
        vote: u64,
        /// Highest index known to be committed.
        commit: u64,
    },
    /// An entry that changes the members: the bytes of a [`raft::Entry`].
    Change(PartitionId, &'a [u8]),
    /// The members after the entry `index`: the bytes of [`raft::Members`].
    Members {
        /// The group.
        partition: PartitionId,
        /// Which entry made them.
        index: u64,
        /// Who they are.
        members: &'a [u8],
    },
    /// A leader's snapshot took the place of all before: the checkpoint of this index holds it.
    Restored {
        /// The group.
        partition: PartitionId,
        /// The last entry of the snapshot.
        term: u64,
        /// Its index.
        index: u64,
    },
    /// This node is no longer a member: what it held of the partition, up to `index`, is void.
    Gone {
        /// The group.
        partition: PartitionId,
        /// The last entry that was applied here.
        index: u64,
    },
    /// The whole state of the meta group after an entry.
    Meta {
        /// The entry's term.
        term: u64,
        /// The entry's index.
        index: u64,
        /// The members then: the bytes of [`raft::Members`].
        members: &'a [u8],
        /// The state's bytes.
        state: &'a [u8],
    },
    /// The users of a node that is on its own for good: the bytes of [`cluster::Users`].
    Users(&'a [u8]),
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

/// Room behind what may be large, for what comes after it: a byte that finds none has all of it copied to where there is.
pub(crate) const SLACK: usize = 4096;

/// Appends an entry record.
pub fn write_entry(out: &mut Vec<u8>, header: &EntryHeader, body: &[u8]) {
    out.reserve(HEADER_LEN + body.len() + SLACK);
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

/// Appends a state record.
pub fn write_state(out: &mut Vec<u8>, partition: PartitionId, term: u64, vote: u64, commit: u64) {
    head(out, STATE, partition);
    for number in [term, vote, commit] {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

/// Writes entries of a group for the log.
pub(crate) fn write_entries(frame: &mut Vec<u8>, id: PartitionId, entries: &[raft::Entry]) {
    for entry in entries {
        match &entry.payload {
            raft::Payload::Change(_) => write_change(frame, id, entry),
            raft::Payload::Data(data) => {
                // A peer's bytes that are no stamp are kept as they are refused: by those who apply them.
                let (stamp, body) = Stamp::decode(data).unwrap_or_default();
                let header = EntryHeader {
                    partition: id,
                    term: entry.id.term,
                    index: entry.id.index,
                    time: stamp.time,
                    seed: stamp.seed,
                    operations: stamp.operations,
                };
                write_entry(frame, &header, &body);
            }
        }
    }
}

/// Appends an entry that changes the members.
pub fn write_change(out: &mut Vec<u8>, partition: PartitionId, entry: &raft::Entry) {
    head(out, CHANGE, partition);
    block(out, |out| entry.encode_into(out));
}

/// Appends the members after an entry.
pub fn write_members(out: &mut Vec<u8>, partition: PartitionId, index: u64, members: &raft::Members) {
    head(out, MEMBERS, partition);
    out.extend_from_slice(&index.to_le_bytes());
    block(out, |out| members.encode_into(out));
}

/// Appends the record of a snapshot that took the place of everything.
pub fn write_restored(out: &mut Vec<u8>, partition: PartitionId, id: raft::EntryId) {
    head(out, RESTORED, partition);
    out.extend_from_slice(&id.term.to_le_bytes());
    out.extend_from_slice(&id.index.to_le_bytes());
}

/// Appends the record of a membership that ended.
pub fn write_gone(out: &mut Vec<u8>, partition: PartitionId, index: u64) {
    head(out, GONE, partition);
    out.extend_from_slice(&index.to_le_bytes());
}

/// Appends the state of the meta group.
pub fn write_meta(out: &mut Vec<u8>, id: raft::EntryId, members: &raft::Members, state: &[u8]) {
    out.push(META);
    out.extend_from_slice(&id.term.to_le_bytes());
    out.extend_from_slice(&id.index.to_le_bytes());
    block(out, |out| members.encode_into(out));
    block(out, |out| out.extend_from_slice(state));
}

/// Appends the users of a node that is on its own.
pub fn write_users(out: &mut Vec<u8>, users: &[u8]) {
    out.push(USERS);
    block(out, |out| out.extend_from_slice(users));
}

fn head(out: &mut Vec<u8>, kind: u8, partition: PartitionId) {
    out.push(kind);
    out.extend_from_slice(&partition.0.to_le_bytes());
}

/// Bytes behind their length.
fn block(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let len = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&len.to_le_bytes());
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
    let mut cursor = Cursor::new(frame);
    cursor.take(at)?;
    match cursor.u8()? {
        ENTRY => {
            let header = EntryHeader {
                partition: partition(&mut cursor)?,
                term: cursor.u64()?,
                index: cursor.u64()?,
                time: Millis(cursor.u64()?),
                seed: cursor.u64()?,
                operations: cursor.u32()?,
            };
            let body = cursor.block()?;
            Ok((Record::Entry(header, body), cursor.at()))
        }
        TERM => {
            let partition = partition(&mut cursor)?;
            let term = cursor.u64()?;
            Ok((Record::Term { partition, term }, cursor.at()))
        }
        STATE => {
            let partition = partition(&mut cursor)?;
            let (term, vote, commit) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
            Ok((Record::State { partition, term, vote, commit }, cursor.at()))
        }
        CHANGE => {
            let partition = partition(&mut cursor)?;
            let entry = cursor.block()?;
            Ok((Record::Change(partition, entry), cursor.at()))
        }
        MEMBERS => {
            let (partition, index) = (partition(&mut cursor)?, cursor.u64()?);
            let members = cursor.block()?;
            Ok((Record::Members { partition, index, members }, cursor.at()))
        }
        RESTORED => {
            let (partition, term, index) = (partition(&mut cursor)?, cursor.u64()?, cursor.u64()?);
            Ok((Record::Restored { partition, term, index }, cursor.at()))
        }
        GONE => {
            let (partition, index) = (partition(&mut cursor)?, cursor.u64()?);
            Ok((Record::Gone { partition, index }, cursor.at()))
        }
        META => {
            let (term, index) = (cursor.u64()?, cursor.u64()?);
            let (members, state) = (cursor.block()?, cursor.block()?);
            Ok((Record::Meta { term, index, members, state }, cursor.at()))
        }
        USERS => {
            let users = cursor.block()?;
            Ok((Record::Users(users), cursor.at()))
        }
        kind => Err(EntryError::Kind { kind, at }),
    }
}

fn partition(cursor: &mut Cursor<'_>) -> Result<PartitionId, Short> {
    Ok(PartitionId(cursor.u16()?))
}

impl From<Short> for EntryError {
    fn from(short: Short) -> EntryError {
        EntryError::Truncated(short.at)
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
    fn records_of_groups_with_peers_read_back() {
        let (partition, members) = (PartitionId(9), raft::Members::lone(7));
        let id = raft::EntryId { term: 2, index: 8 };
        let change = raft::Entry { id, payload: raft::Payload::Change(vec![raft::Change::AddLearner(5)]) };
        let (mut frame, mut change_bytes, mut member_bytes) = (Vec::new(), Vec::new(), Vec::new());
        change.encode_into(&mut change_bytes);
        members.encode_into(&mut member_bytes);
        write_state(&mut frame, partition, 2, 7, 6);
        write_change(&mut frame, partition, &change);
        write_members(&mut frame, partition, 8, &members);
        write_restored(&mut frame, partition, id);
        write_gone(&mut frame, partition, 8);
        write_meta(&mut frame, id, &members, b"state");
        write_users(&mut frame, b"users");
        let read: Result<Vec<_>, _> = records(&frame).collect();
        let expect = vec![
            Record::State { partition, term: 2, vote: 7, commit: 6 },
            Record::Change(partition, &change_bytes),
            Record::Members { partition, index: 8, members: &member_bytes },
            Record::Restored { partition, term: 2, index: 8 },
            Record::Gone { partition, index: 8 },
            Record::Meta { term: 2, index: 8, members: &member_bytes, state: b"state" },
            Record::Users(b"users"),
        ];
        assert_eq!(read, Ok(expect));
        for cut in 1..frame.len() {
            let whole = records(&frame[..cut]).take_while(Result::is_ok).count();
            assert!(whole < 7, "cut at {cut}");
        }
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
