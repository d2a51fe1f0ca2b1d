//! What workers of one node say to each other. One message carries all that a turn has for one worker.
//!
//! Messages between two workers arrive in the order they were sent; nothing else is assumed.

use std::sync::Arc;

use base::{AckLevel, Args, DbIndex, PartitionId, Span, WorkerId};
use cluster::Meta;
use command::Spec;
use resp::Version;

use crate::acl::password::Password;
use crate::acl_log::DeniedEntry;
use crate::caches::Invalid;
use crate::errand::{Answers, Dest, ErrandHead};
use crate::gather::{Answer, Question};
use crate::interest::Word;
use crate::output::Ticket;
use crate::partition::Partition;
use crate::pubsub::{Channel, Delivery};
use crate::session::SessionRef;
use crate::shared_settings::SharedWish;
use crate::users;

/// A message from one worker of a node to another.
pub enum Message {
    /// Requests for partitions of the receiver.
    Calls(Calls),
    /// Answers to requests of the receiver's clients.
    Replies(Replies),
    /// Asks for the loan of partitions, ascending.
    Borrow(Borrow),
    /// Partitions lent to a task of the receiver.
    Lend(TaskId, Vec<Box<Partition>>),
    /// A task of the receiver cannot have all that it wants; what there was of it is given back.
    NotLent(TaskId, Vec<Box<Partition>>),
    /// Partitions the receiver had lent, given back.
    Return(Vec<Box<Partition>>),
    /// Messages of channels that the receiver's clients listen to.
    Publish(Delivery),
    /// The sender's clients began (`+1`) or ceased (`-1`) to listen.
    Interest {
        /// To what.
        channel: Channel,
        /// By how many.
        change: i32,
        /// What the receiver says once it has noted it; nothing if zero.
        call: u64,
    },
    /// It is noted.
    Noted(u64),
    /// Keys changed that clients of the receiver may have in a cache.
    Invalid(Box<Invalid>),
    /// What a node answered may be lost.
    Recall(u64),
    /// A node is not to lead.
    Full(u64),
    /// The disk of a node takes no more writes.
    NoRoom(u64),
    /// What another node's clients listen to, for so many workers more.
    Word {
        /// Which node.
        from: u64,
        /// What it said.
        word: Word,
        /// How many.
        hops: u16,
    },
    /// A question to every worker.
    Ask {
        /// Who asks, and which gathering the answer belongs to.
        from: WorkerId,
        /// The gathering.
        gather: u64,
        /// The question.
        question: Arc<Question>,
    },
    /// The answer.
    Answer {
        /// The gathering.
        gather: u64,
        /// One worker's part.
        answer: Answer,
    },
    /// A line for the receiver's `MONITOR` clients.
    MonitorLine(Arc<[u8]>),
    /// Requests for partitions of the receiver, on a fabric.
    Errands(Calls<ErrandHead>),
    /// Answers to errands of the receiver.
    Answers(Answers),
    /// What a peer sent that is for the receiver.
    Peer(u64, Vec<u8>),
    /// The process uses more memory than it may: the receiver is to evict so many bytes.
    MemoryIsShort(u64),
    /// The fabric's state changed.
    Meta(Arc<Meta>),
    /// A client of the sender wants users changed; to the first worker.
    ChangeUsers(users::Wish),
    /// A client of the sender wants settings of the fabric changed; to the first worker.
    ShareSettings(SharedWish),
    /// What became of either.
    UsersChanged(users::Changed),
    /// The users of a node that is on its own for good.
    Users(cluster::Users),
    /// A password was found to be that of a hash: its digest with the key of the process.
    PasswordVerified(Password, [u8; 32]),
    /// Something was refused to a client; to the first worker.
    Denied(Box<DeniedEntry>),
    /// A client of the sender wants the fabric changed; with the reply it gets if that is agreed on.
    AskMeta(Wish),
}

/// A change of the fabric that a client asks for.
pub struct Wish {
    pub(crate) dest: Dest,
    pub(crate) command: cluster::Command,
    pub(crate) reply: Vec<u8>,
}

/// A task of one worker that needs partitions of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskId {
    /// Whose task.
    pub worker: WorkerId,
    /// Which one.
    pub number: u64,
}

/// A request for partitions of the receiver, in the order in which they must be taken.
pub struct Borrow {
    /// For which task.
    pub task: TaskId,
    /// Which, ascending, all owned by the receiver.
    pub wanted: Vec<PartitionId>,
    /// Those it has got so far; filled by the receiver while it waits for others.
    pub got: Vec<Box<Partition>>,
}

/// What a request needs to run away from its session.
#[derive(Clone, Copy)]
pub struct CallHead {
    pub(crate) session: SessionRef,
    pub(crate) ticket: Ticket,
    pub(crate) partition: PartitionId,
    pub(crate) db: DbIndex,
    pub(crate) version: Version,
    pub(crate) access: engine::Access,
    pub(crate) ack: AckLevel,
    /// What it reads is noted.
    pub(crate) tracks: bool,
    pub(crate) spec: &'static Spec,
}

/// Requests of one turn for one worker: their bytes as one block.
pub struct Calls<Head = CallHead> {
    pub(crate) from: WorkerId,
    bytes: Vec<u8>,
    spans: Vec<Span>,
    heads: Vec<(Head, Block)>,
}

/// Where one request lies in its batch.
#[derive(Clone, Copy)]
struct Block {
    bytes_start: u32,
    bytes_len: u32,
    spans_start: u32,
    spans_len: u32,
}

impl<Head> Calls<Head> {
    pub(crate) fn new(from: WorkerId) -> Calls<Head> {
        Calls { from, bytes: Vec::new(), spans: Vec::new(), heads: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Heap bytes, about.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity()
            + self.spans.capacity() * size_of::<Span>()
            + self.heads.capacity() * size_of::<(Head, Block)>()
    }

    /// Adds a request: `raw` is its wire form, and what `args` views.
    pub(crate) fn push(&mut self, head: Head, args: Args<'_>, raw: &[u8]) {
        let block = Block {
            bytes_start: self.bytes.len() as u32,
            bytes_len: raw.len() as u32,
            spans_start: self.spans.len() as u32,
            spans_len: args.len() as u32,
        };
        self.bytes.extend_from_slice(raw);
        self.spans.extend_from_slice(args.spans());
        self.heads.push((head, block));
    }

    /// The requests in order: head, arguments, wire form.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Head, Args<'_>, &[u8])> {
        self.iter_from(0)
    }

    /// The requests from number `from` on.
    pub(crate) fn iter_from(&self, from: usize) -> impl Iterator<Item = (&Head, Args<'_>, &[u8])> {
        self.heads[from.min(self.heads.len())..].iter().map(|(head, block)| {
            let bytes = &self.bytes[block.bytes_start as usize..][..block.bytes_len as usize];
            let spans = &self.spans[block.spans_start as usize..][..block.spans_len as usize];
            (head, Args::new(bytes, spans), bytes)
        })
    }
}

/// Answers of one turn to one worker's clients.
#[derive(Default)]
pub struct Replies {
    bytes: Vec<u8>,
    heads: Vec<(SessionRef, Ticket, u32)>,
}

impl Replies {
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Heap bytes, about.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity() + self.heads.capacity() * size_of::<(SessionRef, Ticket, u32)>()
    }

    /// The buffer to write the next reply to; [`Replies::seal`] ends it.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Says whose the bytes since the last seal are.
    pub(crate) fn seal(&mut self, session: SessionRef, ticket: Ticket) {
        self.heads.push((session, ticket, self.bytes.len() as u32));
    }

    pub(crate) fn push(&mut self, session: SessionRef, ticket: Ticket, reply: &[u8]) {
        self.bytes.extend_from_slice(reply);
        self.seal(session, ticket);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionRef, Ticket, &[u8])> {
        let mut start = 0;
        self.heads.iter().map(move |&(session, ticket, end)| {
            let reply = &self.bytes[start..end as usize];
            start = end as usize;
            (session, ticket, reply)
        })
    }
}
