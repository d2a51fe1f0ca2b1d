//! A message between two replicas of one group, and its bytes: a codec of our own.
//!
//! The engine's message is protobuf's; no protobuf parser ever reads a peer's bytes. The form, little endian:
//!
//! ```text
//! kind: u8 · reject: u8 · fields: u16 · to: u64 · from: u64 · term: u64 ·
//!   then one u64 for each bit of `fields`, lowest first (log term, index, commit, commit term, reject hint)
//!   and, for the highest two, a block (context) and a list (entries);
//!   then, in a snapshot message, term: u64 · index: u64 · members · data block
//! ```
//! Canonical: a field that is present is neither zero nor empty, so a message has one form and a decoded one
//! encodes to the bytes it came from.
//!
//! Does not know: which group it is of, nor how many share a frame; both are in the frame of `node::peer`.

use bytes::Bytes;
use tikv_raft::eraftpb::{self, MessageType};

use crate::Members;
use crate::entry::{Entry, EntryId};
use crate::error::DecodeError;
use crate::ready::Snapshot;
use crate::wire::{Read, Reader, put_block, put_u64};

/// A message between two replicas of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Message(pub(crate) eraftpb::Message);

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $number:literal, $engine:ident;)*) => {
        /// What a message is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum MessageKind {
            $($(#[$doc])* $kind = $number,)*
        }

        impl MessageKind {
            /// Every kind.
            pub const ALL: &[MessageKind] = &[$(MessageKind::$kind,)*];

            fn from_number(number: u8) -> Option<MessageKind> {
                match number {
                    $($number => Some(MessageKind::$kind),)*
                    _ => None,
                }
            }

            fn to_engine(self) -> MessageType {
                match self {
                    $(MessageKind::$kind => MessageType::$engine,)*
                }
            }

            fn from_engine(kind: MessageType) -> Option<MessageKind> {
                match kind {
                    $(MessageType::$engine => Some(MessageKind::$kind),)*
                    // Proposals and transfers are not forwarded (the node forwards requests), the rest stays inside.
                    MessageType::MsgHup
                    | MessageType::MsgBeat
                    | MessageType::MsgPropose
                    | MessageType::MsgUnreachable
                    | MessageType::MsgSnapStatus
                    | MessageType::MsgCheckQuorum
                    | MessageType::MsgTransferLeader => None,
                }
            }
        }
    };
}

kinds! {
    /// Entries of the leader.
    Append = 0, MsgAppend;
    /// Whether they fit.
    AppendResponse = 1, MsgAppendResponse;
    /// A candidate asks for a vote.
    Vote = 2, MsgRequestVote;
    /// Whether it gets it.
    VoteResponse = 3, MsgRequestVoteResponse;
    /// Somebody asks whether it would get a vote.
    PreVote = 4, MsgRequestPreVote;
    /// Whether it would.
    PreVoteResponse = 5, MsgRequestPreVoteResponse;
    /// The state after an entry.
    Snapshot = 6, MsgSnapshot;
    /// The leader is there.
    Heartbeat = 7, MsgHeartbeat;
    /// So is the follower.
    HeartbeatResponse = 8, MsgHeartbeatResponse;
    /// The leader hands over the lead.
    TimeoutNow = 9, MsgTimeoutNow;
    /// A follower asks from which index on a read is linear.
    ReadIndex = 10, MsgReadIndex;
    /// From that on.
    ReadIndexResponse = 11, MsgReadIndexResp;
}

const LOG_TERM: u16 = 1 << 0;
const INDEX: u16 = 1 << 1;
const COMMIT: u16 = 1 << 2;
const COMMIT_TERM: u16 = 1 << 3;
const REJECT_HINT: u16 = 1 << 4;
const CONTEXT: u16 = 1 << 5;
const ENTRIES: u16 = 1 << 6;
const KNOWN_FIELDS: u16 = (1 << 7) - 1;
/// Room behind what may be large, for what its receiver adds: a byte that finds none has all of it copied to where there is.
const SLACK: usize = 4096;
/// The most that kind, fields and numbers take.
const HEAD_BYTES_MAX: usize = 4 + 8 * 8;
/// The least that an entry takes: kind, term, index, length.
const ENTRY_BYTES_MIN: usize = 21;

impl Message {
    /// What it is about.
    pub fn kind(&self) -> MessageKind {
        MessageKind::from_engine(self.0.msg_type).expect("no message of another kind is made")
    }

    /// The replica it is for.
    pub fn to(&self) -> u64 {
        self.0.to
    }

    /// The replica it is of.
    pub fn from(&self) -> u64 {
        self.0.from
    }

    /// The sender's term.
    pub fn term(&self) -> u64 {
        self.0.term
    }

    /// The last entry of a replica that asks to be elected.
    pub fn last_of_candidate(&self) -> EntryId {
        EntryId { term: self.0.log_term, index: self.0.index }
    }

    /// The snapshot it carries, if that is what it is about.
    pub fn snapshot(&self) -> Option<Snapshot> {
        (self.kind() == MessageKind::Snapshot).then(|| Snapshot::from_engine(self.0.get_snapshot()))
    }

    /// The engine's message, unless it is one that is for its own ears.
    pub(crate) fn from_engine(message: eraftpb::Message) -> Option<Message> {
        MessageKind::from_engine(message.msg_type).map(|_| Message(message))
    }

    /// Appends the message's bytes.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let m = &self.0;
        let numbers = [
            (LOG_TERM, m.log_term),
            (INDEX, m.index),
            (COMMIT, m.commit),
            (COMMIT_TERM, m.commit_term),
            (REJECT_HINT, m.reject_hint),
        ];
        let mut fields = 0;
        for (bit, number) in numbers {
            fields |= if number == 0 { 0 } else { bit };
        }
        fields |= if m.context.is_empty() { 0 } else { CONTEXT };
        fields |= if m.entries.is_empty() { 0 } else { ENTRIES };

        // Together, for each write into `out` looks for room.
        let mut head = [0; HEAD_BYTES_MAX];
        (head[0], head[1]) = (self.kind() as u8, u8::from(m.reject));
        head[2..4].copy_from_slice(&fields.to_le_bytes());
        let present = numbers.into_iter().map(|(_, number)| number).filter(|&number| number != 0);
        let mut len = 4;
        for number in [m.to, m.from, m.term].into_iter().chain(present) {
            head[len..len + 8].copy_from_slice(&number.to_le_bytes());
            len += 8;
        }
        out.extend_from_slice(&head[..len]);
        if !m.context.is_empty() {
            put_block(&m.context, out);
        }
        if !m.entries.is_empty() {
            let count = u32::try_from(m.entries.len()).expect("a message is bounded in bytes");
            let large = m.entries.iter().map(|entry| entry.data.len()).sum::<usize>();
            out.reserve(large + SLACK);
            out.extend_from_slice(&count.to_le_bytes());
            for entry in &m.entries {
                Entry::encode_engine_into(entry, out);
            }
        }
        if self.kind() == MessageKind::Snapshot {
            let snapshot = Snapshot::from_engine(m.get_snapshot());
            put_u64(snapshot.id.term, out);
            put_u64(snapshot.id.index, out);
            snapshot.members.encode_into(out);
            put_block(&snapshot.data, out);
        }
    }

    /// Reads a message that fills all of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Message, DecodeError> {
        let mut reader = Reader::new(bytes);
        let number = reader.u8()?;
        let kind = MessageKind::from_number(number)
            .ok_or(DecodeError::UnknownKind { what: "message", kind: number })?;
        let mut m = eraftpb::Message { msg_type: kind.to_engine(), ..eraftpb::Message::default() };
        m.reject = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Err(DecodeError::NotCanonical("a truth value is 0 or 1")),
        };
        let fields = reader.u16()?;
        if fields & !KNOWN_FIELDS != 0 {
            return Err(DecodeError::NotCanonical("unknown field"));
        }
        (m.to, m.from, m.term) = (reader.number()?, reader.number()?, reader.number()?);
        m.log_term = field(&mut reader, fields & LOG_TERM)?;
        m.index = field(&mut reader, fields & INDEX)?;
        m.commit = field(&mut reader, fields & COMMIT)?;
        m.commit_term = field(&mut reader, fields & COMMIT_TERM)?;
        m.reject_hint = field(&mut reader, fields & REJECT_HINT)?;
        if fields & CONTEXT != 0 {
            m.context = Bytes::copy_from_slice(reader.block()?);
            if m.context.is_empty() {
                return Err(DecodeError::NotCanonical("an empty field is left out"));
            }
        }
        if fields & ENTRIES != 0 {
            let count = reader.count(ENTRY_BYTES_MIN)?;
            if count == 0 {
                return Err(DecodeError::NotCanonical("an empty field is left out"));
            }
            let mut entries = Vec::with_capacity(count);
            for _ in 0..count {
                entries.push(Entry::read(&mut reader)?.to_engine());
            }
            m.entries = entries.into();
        }
        if kind == MessageKind::Snapshot {
            let snapshot = Snapshot {
                id: EntryId { term: reader.number()?, index: reader.number()? },
                members: Members::read(&mut reader)?,
                data: Bytes::copy_from_slice(reader.block()?),
            };
            m.set_snapshot(snapshot.to_engine());
        }
        reader.finish()?;
        Ok(Message(m))
    }
}

fn field(reader: &mut Reader<'_>, present: u16) -> Result<u64, DecodeError> {
    if present == 0 {
        return Ok(0);
    }
    match reader.number()? {
        0 => Err(DecodeError::NotCanonical("an empty field is left out")),
        number => Ok(number),
    }
}

impl Snapshot {
    pub(crate) fn to_engine(&self) -> eraftpb::Snapshot {
        let mut snapshot = eraftpb::Snapshot { data: self.data.clone(), ..eraftpb::Snapshot::default() };
        let metadata = snapshot.mut_metadata();
        metadata.index = self.id.index;
        metadata.term = self.id.term;
        metadata.set_conf_state(self.members.to_engine());
        snapshot
    }

    pub(crate) fn from_engine(snapshot: &eraftpb::Snapshot) -> Snapshot {
        let metadata = snapshot.get_metadata();
        Snapshot {
            id: EntryId { term: metadata.term, index: metadata.index },
            members: Members::from_engine(metadata.get_conf_state()),
            data: snapshot.data.clone(),
        }
    }
}
