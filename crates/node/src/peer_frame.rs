//! What nodes say to each other: the items of a frame, to bytes and back. Format: docs/formats/peer-frame.md.
//!
//! A frame carries all that one turn of one worker has for one peer. Peers are authenticated before their bytes
//! come here; decoding is total all the same: any bytes give items or an error, never a panic, and nothing is
//! allocated for a length that is not there.

use base::{ConnId, Cursor, DbIndex, Millis, PartitionId, Short, TimeWord};
use cluster::Level;
use engine::Access;
use raft::{Message, MessageKind};
use resp::Version;

use crate::acks::Reach;
use crate::entry::{META_GROUP, SLACK};
use crate::interest::Word;
use crate::pubsub::{Channel, ChannelKind};
use crate::session::SessionRef;

const RAFT: u8 = 1;
const CALL: u8 = 2;
const REPLY: u8 = 3;
const ELSEWHERE: u8 = 4;
const SNAPSHOT_BEGIN: u8 = 5;
const SNAPSHOT_CHUNK: u8 = 6;
const SNAPSHOT_END: u8 = 7;
const SNAPSHOT_STATE: u8 = 8;
const LEADS: u8 = 9;
const PUBLISH: u8 = 10;
const META: u8 = 11;
const META_REPLY: u8 = 12;
const GONE: u8 = 13;
const ALIVE: u8 = 14;
const ASK: u8 = 15;
const REACHED: u8 = 16;
const INTEREST: u8 = 17;
const ASK_INTERESTS: u8 = 18;
const END_OF_INTERESTS: u8 = 19;
const NOTED: u8 = 20;
const ANEW: u8 = 21;
const DOUBT: u8 = 22;
const TOLD: u8 = 23;
const ASK_FABRIC: u8 = 24;
const FABRIC_STATE: u8 = 25;
const AHEAD: u8 = 26;
const INVALID: u8 = 27;
const CHANGED: u8 = 28;
const STORED: u8 = 29;
const BEAT: u8 = 30;
const BEATEN: u8 = 31;
const SHRINK: u8 = 32;
const FULL: u8 = 33;
const COMPARE: u8 = 34;
const COMPARED: u8 = 35;
const ASK_TIME: u8 = 36;
const TIME: u8 = 37;
const NO_ROOM: u8 = 38;
const LACKING: u8 = 39;

/// One thing a peer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    /// A message of a group. The stamp is the sender's clock, or ours in an answer.
    Raft { group: PartitionId, stamp_us: u64, message: &'a [u8] },
    /// A request for a partition that the receiver is thought to lead.
    Call {
        call: u64,
        partition: PartitionId,
        who: u64,
        db: DbIndex,
        version: Version,
        access: Access,
        ack: u8,
        /// A read that the lead is to be confirmed for, whatever the receiver's clock says.
        confirms: bool,
        /// The worker and session that are to be told when what it reads changes.
        reader: Option<(u16, SessionRef)>,
        request: &'a [u8],
    },
    /// The answer to a call.
    Reply { call: u64, reply: &'a [u8] },
    /// The receiver of a call does not lead that partition and has done nothing; it thinks that `leader` does,
    /// zero if it does not know.
    Elsewhere { call: u64, leader: u64 },
    /// A partition's state, for a replica that is too far behind for entries.
    SnapshotBegin {
        partition: PartitionId,
        transfer: u64,
        term: u64,
        index: u64,
        time: Millis,
        members: &'a [u8],
    },
    /// A part of it, numbered from 0.
    SnapshotChunk { partition: PartitionId, transfer: u64, number: u32, bytes: &'a [u8] },
    /// It is whole, after so many chunks.
    SnapshotEnd { partition: PartitionId, transfer: u64, chunks: u32 },
    /// How far a transfer has come at its receiver.
    SnapshotState { partition: PartitionId, transfer: u64, chunks: u32, state: TransferState },
    /// The sender leads this partition in this term; so many replicas may be lost before it refuses writes.
    Leads { partition: PartitionId, term: u64, may_lose: u8 },
    /// A message for the receiver's subscribers.
    Publish { kind: u8, channel: &'a [u8], payload: &'a [u8] },
    /// A command for the meta group's leader.
    Meta { call: u64, command: &'a [u8] },
    /// What became of it: empty if it was applied, else why not.
    MetaReply { call: u64, refusal: &'a [u8] },
    /// The sender hears of no leader of the meta group, and knows the fabric as of this version.
    AskFabric { version: u64 },
    /// The fabric as the sender knows it.
    FabricState { state: &'a [u8] },
    /// What the sender's clients listen to.
    Word(Word),
    /// A word with this call is known to all workers of the sender.
    Noted { call: u64 },
    /// The receiver is no member of this group any more: its leader of this term says so. Who is not sure asks with it.
    Gone { partition: PartitionId, term: u64 },
    /// The receiver, which does not vote, has more than the sender, who leads in this term.
    Ahead { partition: PartitionId, term: u64 },
    /// The sender is there; said now and then, whatever else it has to say.
    Alive,
    /// The sender is not to lead: its disk takes no more writes, or it is about to stop. Said again and again as long as that
    /// is so.
    Full,
    /// The sender's disk takes no more writes; said again and again as long as that is so.
    NoRoom,
    /// The sender leads the partition, and proposes only what makes room, as most of its voters lack some; the same.
    Lacking { partition: PartitionId },
    /// The sender's link is a new one; what it answered before may be lost.
    Anew,
    /// The leader of this term wants to know when the receiver has done this with the entry.
    Ask { partition: PartitionId, term: u64, index: u64, reach: Reach },
    /// The sender has, with all entries up to it.
    Reached { partition: PartitionId, term: u64, index: u64, reach: Reach },
    /// The sender's replica may have forgotten entries that it had acknowledged; the last that it has.
    Doubt { partition: PartitionId, life: u64, term: u64, index: u64 },
    /// A client of a worker of the receiver has read a key that changed, perhaps by itself; all keys, if none is named.
    Invalid { worker: u16, at: SessionRef, is_own: bool, key: Option<&'a [u8]> },
    /// A key changed that begins as clients of the receiver want to know of, by whom, as the sender knows clients; all
    /// keys, if none is named.
    Changed { by: u64, key: Option<&'a [u8]> },
    /// The sender has entries up to this one; if it leads, it has committed so much in this term.
    Told { partition: PartitionId, life: u64, term: u64, index: u64, is_leader: bool },
    /// The leader of this term tells a witness up to where all replicas with data, and those that are there at the moment,
    /// have the log on stable storage.
    Stored { partition: PartitionId, term: u64, by_all: u64, by_present: u64 },
    /// The sender leads these groups (`beats`), and nothing has happened in them. The stamp is its clock.
    Beat { stamp_us: u64, groups: &'a [u8] },
    /// The sender follows the receiver in these groups and heard its `Beat` with that stamp.
    Beaten { stamp_us: u64, groups: &'a [u8] },
    /// The sender uses more memory than it may: of a partition that the receiver leads, so many keys may stay of those that
    /// may go.
    Shrink { partition: PartitionId, keys: u64 },
    /// The sender, who leads, wants a digest of what the receiver holds right behind this entry.
    Compare { partition: PartitionId, number: u64, index: u64 },
    /// What time is it? The stamp is the sender's steady clock.
    AskTime { stamp_us: u64 },
    /// What the sender says of its time, and the stamp of the question.
    Time { stamp_us: u64, word: TimeWord },
    /// What was asked by this number; none if the receiver was past that, or could not look.
    Compared { partition: PartitionId, number: u64, digest: Option<u128> },
}

/// See [`Item::SnapshotState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransferState {
    /// So many chunks are here.
    Receiving = 0,
    /// It is here and on stable storage: the group may switch to it.
    Ready = 1,
    /// It is not wanted, or failed: begin anew.
    Failed = 2,
}

/// The bytes are not items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a peer's frame is malformed at byte {at}: {what}")]
pub struct FrameError {
    at: usize,
    what: &'static str,
}

impl Item<'_> {
    /// Whether a peer that has reached this node waits for it, or has been promised it: it has to come, or the peer has to be
    /// told that something was lost. All else is said again.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(
            self,
            Item::Reply { .. }
                | Item::Elsewhere { .. }
                | Item::MetaReply { .. }
                | Item::FabricState { .. }
                | Item::Word(_)
                | Item::Noted { .. }
                | Item::Invalid { .. }
                | Item::Changed { .. }
        )
    }

    /// Whether it may come before what was said before it, and must not wait for that: who leads would be taken for dead, or
    /// its followers would, while something large is on its way. It relies on nothing of the order: it names term and clock.
    pub(crate) fn overtakes(&self) -> bool {
        matches!(self, Item::Alive | Item::Full | Item::Beat { .. } | Item::Beaten { .. })
    }

    /// Appends the item's bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Item::Raft { group, stamp_us, message } => {
                head(out, RAFT, group, stamp_us);
                block(out, message);
            }
            Item::Call { call, partition, who, db, version, access, ack, confirms, reader, request } => {
                out.push(CALL);
                put(out, &call.to_le_bytes());
                put(out, &partition.0.to_le_bytes());
                put(out, &who.to_le_bytes());
                let flags = u8::from(version == Version::Resp3)
                    | (u8::from(access == Access::Untouched) << 1)
                    | (u8::from(reader.is_some()) << 2)
                    | (u8::from(confirms) << 3);
                put(out, &[db.number(), flags, ack]);
                if let Some((worker, at)) = reader {
                    put(out, &worker.to_le_bytes());
                    session(out, at);
                }
                block(out, request);
            }
            Item::Reply { call, reply } => {
                out.push(REPLY);
                put(out, &call.to_le_bytes());
                block(out, reply);
            }
            Item::Elsewhere { call, leader } => numbers(out, ELSEWHERE, &[call, leader]),
            Item::SnapshotBegin { partition, transfer, term, index, time, members } => {
                head(out, SNAPSHOT_BEGIN, partition, transfer);
                for number in [term, index, time.0] {
                    put(out, &number.to_le_bytes());
                }
                block(out, members);
            }
            Item::SnapshotChunk { partition, transfer, number, bytes } => {
                head(out, SNAPSHOT_CHUNK, partition, transfer);
                put(out, &number.to_le_bytes());
                block(out, bytes);
            }
            Item::SnapshotEnd { partition, transfer, chunks } => {
                head(out, SNAPSHOT_END, partition, transfer);
                put(out, &chunks.to_le_bytes());
            }
            Item::SnapshotState { partition, transfer, chunks, state } => {
                head(out, SNAPSHOT_STATE, partition, transfer);
                put(out, &chunks.to_le_bytes());
                out.push(state as u8);
            }
            Item::Leads { partition, term, may_lose } => {
                head(out, LEADS, partition, term);
                out.push(may_lose);
            }
            Item::Publish { kind, channel, payload } => {
                put(out, &[PUBLISH, kind]);
                block(out, channel);
                block(out, payload);
            }
            Item::Meta { call, command } => {
                numbers(out, META, &[call]);
                block(out, command);
            }
            Item::MetaReply { call, refusal } => {
                numbers(out, META_REPLY, &[call]);
                block(out, refusal);
            }
            Item::AskFabric { version } => numbers(out, ASK_FABRIC, &[version]),
            Item::FabricState { state } => {
                out.push(FABRIC_STATE);
                block(out, state);
            }
            Item::Gone { partition, term } => head(out, GONE, partition, term),
            Item::Ahead { partition, term } => head(out, AHEAD, partition, term),
            Item::Word(Word::Interest { worker, ref channel, clients, call }) => {
                out.push(INTEREST);
                put(out, &worker.to_le_bytes());
                out.push(channel.kind.number());
                put(out, &clients.to_le_bytes());
                put(out, &call.to_le_bytes());
                block(out, &channel.name);
            }
            Item::Word(Word::Ask { asker, token }) => {
                out.push(ASK_INTERESTS);
                put(out, &asker.to_le_bytes());
                put(out, &token.to_le_bytes());
            }
            Item::Word(Word::End { worker, workers, asker, token }) => {
                out.push(END_OF_INTERESTS);
                for number in [worker, workers, asker] {
                    put(out, &number.to_le_bytes());
                }
                put(out, &token.to_le_bytes());
            }
            Item::Noted { call } => numbers(out, NOTED, &[call]),
            Item::Alive => out.push(ALIVE),
            Item::Full => out.push(FULL),
            Item::NoRoom => out.push(NO_ROOM),
            Item::Lacking { partition } => {
                out.push(LACKING);
                put(out, &partition.0.to_le_bytes());
            }
            Item::Anew => out.push(ANEW),
            Item::Ask { partition, term, index, reach } => {
                head(out, ASK, partition, term);
                put(out, &index.to_le_bytes());
                out.push(reach as u8);
            }
            Item::Reached { partition, term, index, reach } => {
                head(out, REACHED, partition, term);
                put(out, &index.to_le_bytes());
                out.push(reach as u8);
            }
            Item::Doubt { partition, life, term, index } => {
                head(out, DOUBT, partition, life);
                put(out, &term.to_le_bytes());
                put(out, &index.to_le_bytes());
            }
            Item::Invalid { worker, at, is_own, key } => {
                out.push(INVALID);
                put(out, &worker.to_le_bytes());
                session(out, at);
                out.push(u8::from(is_own));
                name(out, key);
            }
            Item::Changed { by, key } => {
                numbers(out, CHANGED, &[by]);
                name(out, key);
            }
            Item::Told { partition, life, term, index, is_leader } => {
                head(out, TOLD, partition, life);
                put(out, &term.to_le_bytes());
                put(out, &index.to_le_bytes());
                out.push(u8::from(is_leader));
            }
            Item::Stored { partition, term, by_all, by_present } => {
                head(out, STORED, partition, term);
                put(out, &by_all.to_le_bytes());
                put(out, &by_present.to_le_bytes());
            }
            Item::Beat { stamp_us, groups } => {
                numbers(out, BEAT, &[stamp_us]);
                block(out, groups);
            }
            Item::Beaten { stamp_us, groups } => {
                numbers(out, BEATEN, &[stamp_us]);
                block(out, groups);
            }
            Item::Shrink { partition, keys } => head(out, SHRINK, partition, keys),
            Item::AskTime { stamp_us } => numbers(out, ASK_TIME, &[stamp_us]),
            Item::Time { stamp_us, word } => {
                numbers(out, TIME, &[stamp_us, word.wall_us, word.least_us]);
                put(out, &[u8::from(word.is_settled), u8::from(word.is_alarmed)]);
            }
            Item::Compare { partition, number, index } => {
                head(out, COMPARE, partition, number);
                put(out, &index.to_le_bytes());
            }
            Item::Compared { partition, number, digest } => {
                head(out, COMPARED, partition, number);
                out.push(u8::from(digest.is_some()));
                put(out, &digest.unwrap_or_default().to_le_bytes());
            }
        }
    }
}

/// The same of a message. A group may hear its messages in any order, but entries and what counts on them stay in theirs: an
/// append that comes before the one that it follows is refused, and all is sent anew. So is a large entry with each answer to a
/// heartbeat while the leader probes where a log ends; of partitions, which have such entries, signs of life are beats.
pub(crate) fn message_overtakes(group: PartitionId, kind: MessageKind) -> bool {
    match kind {
        MessageKind::Vote
        | MessageKind::VoteResponse
        | MessageKind::PreVote
        | MessageKind::PreVoteResponse => true,
        MessageKind::Heartbeat | MessageKind::HeartbeatResponse => group == META_GROUP,
        MessageKind::Append
        | MessageKind::AppendResponse
        | MessageKind::Snapshot
        | MessageKind::TimeoutNow
        | MessageKind::ReadIndex
        | MessageKind::ReadIndexResponse => false,
    }
}

/// Appends an [`Item::Raft`] of a message that was not encoded before.
pub(crate) fn put_message(group: PartitionId, stamp_us: u64, message: &Message, out: &mut Vec<u8>) {
    head(out, RAFT, group, stamp_us);
    let len_at = out.len();
    put(out, &[0; 4]);
    message.encode_into(out);
    let len = (out.len() - len_at - 4) as u32;
    out[len_at..len_at + 4].copy_from_slice(&len.to_le_bytes());
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
}

fn block(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(4 + bytes.len() + SLACK);
    put(out, &(bytes.len() as u32).to_le_bytes());
    put(out, bytes);
}

fn session(out: &mut Vec<u8>, at: SessionRef) {
    put(out, &at.token.to_le_bytes());
    put(out, &at.conn.0.to_le_bytes());
}

/// A key, or none.
fn name(out: &mut Vec<u8>, key: Option<&[u8]>) {
    out.push(u8::from(key.is_some()));
    if let Some(key) = key {
        block(out, key);
    }
}

fn numbers(out: &mut Vec<u8>, kind: u8, numbers: &[u64]) {
    out.push(kind);
    numbers.iter().for_each(|number| put(out, &number.to_le_bytes()));
}

fn head(out: &mut Vec<u8>, kind: u8, partition: PartitionId, number: u64) {
    out.push(kind);
    put(out, &partition.0.to_le_bytes());
    put(out, &number.to_le_bytes());
}

/// The items of a frame, in order. Stops after the first error.
pub(crate) fn items(frame: &[u8]) -> impl Iterator<Item = Result<Item<'_>, FrameError>> {
    let mut reader = Some(Reader(Cursor::new(frame)));
    std::iter::from_fn(move || {
        let item = reader.as_mut().filter(|reader| reader.0.remaining() > 0)?.item();
        if item.is_err() {
            reader = None;
        }
        Some(item)
    })
}

struct Reader<'a>(Cursor<'a>);

impl<'a> Reader<'a> {
    fn item(&mut self) -> Result<Item<'a>, FrameError> {
        Ok(match self.0.u8()? {
            RAFT => {
                Item::Raft { group: self.partition()?, stamp_us: self.0.u64()?, message: self.0.block()? }
            }
            CALL => self.call()?,
            REPLY => Item::Reply { call: self.0.u64()?, reply: self.0.block()? },
            ELSEWHERE => Item::Elsewhere { call: self.0.u64()?, leader: self.0.u64()? },
            SNAPSHOT_BEGIN => Item::SnapshotBegin {
                partition: self.partition()?,
                transfer: self.0.u64()?,
                term: self.0.u64()?,
                index: self.0.u64()?,
                time: Millis(self.0.u64()?),
                members: self.0.block()?,
            },
            SNAPSHOT_CHUNK => Item::SnapshotChunk {
                partition: self.partition()?,
                transfer: self.0.u64()?,
                number: self.0.u32()?,
                bytes: self.0.block()?,
            },
            SNAPSHOT_END => Item::SnapshotEnd {
                partition: self.partition()?,
                transfer: self.0.u64()?,
                chunks: self.0.u32()?,
            },
            SNAPSHOT_STATE => Item::SnapshotState {
                partition: self.partition()?,
                transfer: self.0.u64()?,
                chunks: self.0.u32()?,
                state: match self.0.u8()? {
                    0 => TransferState::Receiving,
                    1 => TransferState::Ready,
                    2 => TransferState::Failed,
                    _ => return Err(self.error("unknown state of a transfer")),
                },
            },
            LEADS => {
                Item::Leads { partition: self.partition()?, term: self.0.u64()?, may_lose: self.0.u8()? }
            }
            PUBLISH => {
                Item::Publish { kind: self.0.u8()?, channel: self.0.block()?, payload: self.0.block()? }
            }
            META => Item::Meta { call: self.0.u64()?, command: self.0.block()? },
            ASK_FABRIC => Item::AskFabric { version: self.0.u64()? },
            FABRIC_STATE => Item::FabricState { state: self.0.block()? },
            META_REPLY => Item::MetaReply { call: self.0.u64()?, refusal: self.0.block()? },
            AHEAD => Item::Ahead { partition: self.partition()?, term: self.0.u64()? },
            GONE => Item::Gone { partition: self.partition()?, term: self.0.u64()? },
            ALIVE => Item::Alive,
            ANEW => Item::Anew,
            INTEREST => self.interest()?,
            ASK_INTERESTS => Item::Word(Word::Ask { asker: self.0.u16()?, token: self.0.u64()? }),
            END_OF_INTERESTS => Item::Word(Word::End {
                worker: self.0.u16()?,
                workers: self.0.u16()?,
                asker: self.0.u16()?,
                token: self.0.u64()?,
            }),
            NOTED => Item::Noted { call: self.0.u64()? },
            ASK => Item::Ask {
                partition: self.partition()?,
                term: self.0.u64()?,
                index: self.0.u64()?,
                reach: self.reach()?,
            },
            REACHED => Item::Reached {
                partition: self.partition()?,
                term: self.0.u64()?,
                index: self.0.u64()?,
                reach: self.reach()?,
            },
            DOUBT => Item::Doubt {
                partition: self.partition()?,
                life: self.0.u64()?,
                term: self.0.u64()?,
                index: self.0.u64()?,
            },
            TOLD => Item::Told {
                partition: self.partition()?,
                life: self.0.u64()?,
                term: self.0.u64()?,
                index: self.0.u64()?,
                is_leader: self.truth()?,
            },
            INVALID => Item::Invalid {
                worker: self.0.u16()?,
                at: self.session()?,
                is_own: self.truth()?,
                key: self.name()?,
            },
            CHANGED => Item::Changed { by: self.0.u64()?, key: self.name()? },
            STORED => Item::Stored {
                partition: self.partition()?,
                term: self.0.u64()?,
                by_all: self.0.u64()?,
                by_present: self.0.u64()?,
            },
            BEAT => Item::Beat { stamp_us: self.0.u64()?, groups: self.0.block()? },
            BEATEN => Item::Beaten { stamp_us: self.0.u64()?, groups: self.0.block()? },
            SHRINK => Item::Shrink { partition: self.partition()?, keys: self.0.u64()? },
            FULL => Item::Full,
            NO_ROOM => Item::NoRoom,
            LACKING => Item::Lacking { partition: self.partition()? },
            COMPARE => {
                Item::Compare { partition: self.partition()?, number: self.0.u64()?, index: self.0.u64()? }
            }
            COMPARED => self.compared()?,
            ASK_TIME => Item::AskTime { stamp_us: self.0.u64()? },
            TIME => {
                let (stamp_us, wall_us, least_us) = (self.0.u64()?, self.0.u64()?, self.0.u64()?);
                let (is_settled, is_alarmed) = (self.truth()?, self.truth()?);
                Item::Time { stamp_us, word: TimeWord { wall_us, least_us, is_settled, is_alarmed } }
            }
            _ => return Err(self.error("unknown kind of item")),
        })
    }

    fn compared(&mut self) -> Result<Item<'a>, FrameError> {
        let (partition, number) = (self.partition()?, self.0.u64()?);
        let (is_known, digest) = (self.truth()?, u128::from_le_bytes(self.0.array()?));
        if !is_known && digest != 0 {
            return Err(self.error("a digest that is not known is zero"));
        }
        Ok(Item::Compared { partition, number, digest: is_known.then_some(digest) })
    }

    fn interest(&mut self) -> Result<Item<'a>, FrameError> {
        let worker = self.0.u16()?;
        let kind =
            ChannelKind::to_listen_to(self.0.u8()?).ok_or_else(|| self.error("no such kind of channel"))?;
        let (clients, call) = (self.0.u32()?, self.0.u64()?);
        let channel = Channel { kind, name: self.0.block()?.into() };
        Ok(Item::Word(Word::Interest { worker, channel, clients, call }))
    }

    fn call(&mut self) -> Result<Item<'a>, FrameError> {
        let (call, partition, who) = (self.0.u64()?, self.partition()?, self.0.u64()?);
        let db = DbIndex::new(self.0.u8()?).ok_or_else(|| self.error("no such database"))?;
        let flags = self.0.u8()?;
        if flags > 15 {
            return Err(self.error("unknown flags"));
        }
        let version = if flags & 1 == 0 { Version::Resp2 } else { Version::Resp3 };
        let access = if flags & 2 == 0 { Access::Noted } else { Access::Untouched };
        let (ack, confirms) = (self.0.u8()?, flags & 8 != 0);
        let reader = match flags & 4 {
            0 => None,
            _ => Some((self.0.u16()?, self.session()?)),
        };
        let request = self.0.block()?;
        Ok(Item::Call { call, partition, who, db, version, access, ack, confirms, reader, request })
    }

    fn session(&mut self) -> Result<SessionRef, FrameError> {
        Ok(SessionRef { token: self.0.u32()?, conn: ConnId(self.0.u64()?) })
    }

    fn name(&mut self) -> Result<Option<&'a [u8]>, FrameError> {
        Ok(match self.truth()? {
            true => Some(self.0.block()?),
            false => None,
        })
    }

    fn error(&self, what: &'static str) -> FrameError {
        FrameError { at: self.0.at(), what }
    }

    fn truth(&mut self) -> Result<bool, FrameError> {
        match self.0.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.error("a truth value is 0 or 1")),
        }
    }

    fn reach(&mut self) -> Result<Reach, FrameError> {
        let number = self.0.u8()?;
        Reach::ALL.get(usize::from(number)).copied().ok_or_else(|| self.error("unknown thing to be done"))
    }

    fn partition(&mut self) -> Result<PartitionId, FrameError> {
        Ok(PartitionId(self.0.u16()?))
    }
}

impl From<Short> for FrameError {
    fn from(short: Short) -> FrameError {
        FrameError { at: short.at, what: "it ends early" }
    }
}

/// What a frame holds, and its last byte: the level in force as its sender knew it.
pub(crate) fn open(frame: &[u8]) -> Result<(&[u8], Level), FrameError> {
    let (level, items) = frame.split_last().ok_or(FrameError { at: 0, what: "it does not say its level" })?;
    Ok((items, Level(*level)))
}

/// Looks through a frame as a receiver does, for the fuzzer: how many items it holds.
pub fn check_peer_frame(frame: &[u8]) -> Result<usize, FrameError> {
    items(open(frame)?.0).try_fold(0, |count, item| item.map(|_| count + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Random;

    fn all() -> Vec<Item<'static>> {
        let partition = PartitionId(3);
        let transfer = 9;
        let at = SessionRef { token: 3, conn: ConnId(8) };
        vec![
            Item::Raft { group: partition, stamp_us: 7, message: b"message" },
            Item::Call {
                call: 1,
                partition,
                who: 5,
                db: DbIndex::ZERO,
                version: Version::Resp3,
                access: Access::Untouched,
                ack: 1,
                confirms: false,
                reader: None,
                request: b"*1\r\n$4\r\nPING\r\n",
            },
            Item::Call {
                call: 1,
                partition,
                who: 5,
                db: DbIndex::ZERO,
                version: Version::Resp2,
                access: Access::Noted,
                ack: 1,
                confirms: true,
                reader: Some((2, at)),
                request: b"*1\r\n$4\r\nPING\r\n",
            },
            Item::Invalid { worker: 1, at, is_own: true, key: Some(b"key") },
            Item::Invalid { worker: 0, at, is_own: false, key: None },
            Item::Changed { by: 9, key: Some(b"") },
            Item::Changed { by: 0, key: None },
            Item::Reply { call: 1, reply: b"+OK\r\n" },
            Item::Elsewhere { call: 1, leader: 2 },
            Item::SnapshotBegin { partition, transfer, term: 1, index: 2, time: Millis(3), members: b"m" },
            Item::SnapshotChunk { partition, transfer, number: 0, bytes: b"chunk" },
            Item::SnapshotEnd { partition, transfer, chunks: 1 },
            Item::SnapshotState { partition, transfer, chunks: 1, state: TransferState::Ready },
            Item::Leads { partition, term: 4, may_lose: 1 },
            Item::Publish { kind: 0, channel: b"news", payload: b"hello" },
            Item::Meta { call: 3, command: b"command" },
            Item::MetaReply { call: 3, refusal: b"" },
            Item::AskFabric { version: 9 },
            Item::FabricState { state: b"state" },
            Item::Gone { partition, term: 4 },
            Item::Ahead { partition, term: 4 },
            Item::Anew,
            Item::Alive,
            Item::Full,
            Item::NoRoom,
            Item::Lacking { partition },
            Item::Word(Word::Interest {
                worker: 1,
                channel: Channel { kind: ChannelKind::Pattern, name: b"news.*".as_slice().into() },
                clients: 3,
                call: 9,
            }),
            Item::Word(Word::Ask { asker: 1, token: 7 }),
            Item::Word(Word::End { worker: 1, workers: 2, asker: 3, token: 7 }),
            Item::Noted { call: 9 },
            Item::Ask { partition, term: 4, index: 5, reach: Reach::Stored },
            Item::Reached { partition, term: 4, index: 5, reach: Reach::Applied },
            Item::Doubt { partition, life: 8, term: 4, index: 5 },
            Item::Told { partition, life: 8, term: 4, index: 5, is_leader: true },
            Item::Stored { partition, term: 4, by_all: 5, by_present: 6 },
            Item::Beat { stamp_us: 7, groups: b"groups" },
            Item::Beaten { stamp_us: 7, groups: b"" },
            Item::Shrink { partition, keys: 9 },
            Item::Compare { partition, number: 8, index: 5 },
            Item::Compared { partition, number: 8, digest: Some(1 << 90) },
            Item::Compared { partition, number: 8, digest: None },
            Item::AskTime { stamp_us: 7 },
            Item::Time {
                stamp_us: 7,
                word: TimeWord { wall_us: 8, least_us: 6, is_settled: true, is_alarmed: false },
            },
        ]
    }

    #[test]
    fn items_read_back_in_order() {
        let mut frame = Vec::new();
        all().iter().for_each(|item| item.encode(&mut frame));
        assert_eq!(items(&frame).collect::<Result<Vec<_>, _>>(), Ok(all()));
        for cut in 1..frame.len() {
            assert!(items(&frame[..cut]).filter(|item| item.is_ok()).count() < all().len(), "cut at {cut}");
        }
    }

    #[test]
    fn any_damage_gives_other_items_or_an_error_but_no_panic() {
        let mut frame = Vec::new();
        all().iter().for_each(|item| item.encode(&mut frame));
        let mut random = Random::new(1);
        for _ in 0..20_000 {
            let mut damaged = frame.clone();
            let at = random.below(damaged.len() as u64) as usize;
            damaged[at] = random.next_u64() as u8;
            assert!(items(&damaged).count() <= damaged.len());
        }
    }
}
