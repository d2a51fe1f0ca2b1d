//! A request on its way to the partition that can serve it, and its answer on the way back.
//!
//! On a fabric of several nodes a client's request is an *errand*: it goes to the worker that owns the partition
//! here, and from there to the node that leads its group. The answer finds back by its [`Dest`].

use base::{AckLevel, ConnId, DbIndex, Millis, PartitionId, WorkerId};
use command::Spec;
use engine::Access;
use resp::{Reply, Version};

use crate::message::{Calls, Message};
use crate::output::Ticket;
use crate::read_level::ReadLevel;
use crate::redirect::Redirect;
use crate::session::SessionRef;
use crate::trackers::Reader;
use crate::wire::WireRequest;
use crate::worker::Worker;

/// Where an answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dest {
    /// To a place in a client's output.
    Session { worker: WorkerId, at: SessionRef, ticket: Ticket },
    /// To a request that was split over partitions: it is part `part` of it.
    Part { worker: WorkerId, scatter: u64, part: u32 },
    /// To the node that sent it on, under the number it gave.
    Node { node: u64, call: u64 },
    /// To a transaction whose data requests were sent as one.
    Exec { worker: WorkerId, number: u64 },
    /// To a client that waits for replicas: how far those of one partition are.
    Wait { worker: WorkerId, number: u64, part: u32 },
    /// To a client that waits for a key to have something: what a try came to, or its registration in a partition.
    /// `number` tells one wait of the client from those before.
    Block { worker: WorkerId, conn: ConnId, number: u64, part: u32 },
    /// To a question that has killed clients that waited for keys.
    Kill { worker: WorkerId, number: u64 },
    /// To nobody: the node thought of it, or whoever asked was answered already.
    Nobody,
}

/// What an errand is, apart from its words.
#[derive(Clone, Copy)]
pub struct ErrandHead {
    pub(crate) dest: Dest,
    /// Whose it is: requests of one client on one partition keep their order.
    pub(crate) who: u64,
    pub(crate) partition: PartitionId,
    pub(crate) db: DbIndex,
    pub(crate) version: Version,
    pub(crate) access: Access,
    pub(crate) ack: AckLevel,
    /// Who may answer a read, and what must be confirmed before.
    pub(crate) reads: ReadLevel,
    /// How its client is told of another node that leads its key, if it is not to be sent on.
    pub(crate) redirect: Option<Redirect>,
    /// Who is to be told when what it reads changes, if anybody.
    pub(crate) reader: Option<Reader>,
    pub(crate) spec: &'static Spec,
    /// Steady clock: until then it may wait for a leader.
    pub(crate) patience: Millis,
    /// Steady clock: when whoever waits is told that nobody knows what became of it.
    pub(crate) deadline: Millis,
}

impl ErrandHead {
    /// That of an operation that the node itself thought of.
    pub(crate) fn own(partition: PartitionId, db: DbIndex, spec: &'static Spec) -> ErrandHead {
        ErrandHead {
            dest: Dest::Nobody,
            who: 0,
            partition,
            db,
            version: Version::Resp2,
            access: Access::Untouched,
            ack: AckLevel::Quorum,
            reads: ReadLevel::Lease,
            redirect: None,
            reader: None,
            spec,
            patience: Millis::NEVER,
            deadline: Millis::NEVER,
        }
    }
}

/// An errand that owns its words.
pub(crate) struct Errand {
    pub(crate) head: ErrandHead,
    pub(crate) request: WireRequest,
}

/// What is said where nobody can decide.
pub(crate) fn no_quorum(id: PartitionId) -> String {
    format!("CLUSTERDOWN partition {} has no quorum", id.0)
}

/// The same, if it is known how many of how many voters are there: a majority may be, and take its time.
pub(crate) fn lost_quorum(id: PartitionId, there: usize, voters: usize) -> String {
    match there * 2 > voters {
        true => no_quorum(id),
        false => format!("CLUSTERDOWN partition {} lost quorum ({there} of {voters})", id.0),
    }
}

/// Answers of one turn: their bytes as one block.
#[derive(Default)]
pub struct Answers {
    bytes: Vec<u8>,
    heads: Vec<(Dest, u32)>,
    /// Requests that were answered with an error and not run here, and the errors.
    failed: Vec<(&'static Spec, Box<[u8]>)>,
}

impl Answers {
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The buffer to write the next answer to; [`Answers::seal`] ends it.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Says whose the bytes since the last seal are. Those of nobody are dropped.
    pub(crate) fn seal(&mut self, dest: Dest) {
        if dest == Dest::Nobody {
            let start = self.heads.last().map_or(0, |&(_, end)| end as usize);
            self.bytes.truncate(start);
            return;
        }
        self.heads.push((dest, self.bytes.len() as u32));
    }

    /// Takes back the bytes since the last seal: their answer is not to go yet.
    pub(crate) fn take_open(&mut self) -> Box<[u8]> {
        let start = self.heads.last().map_or(0, |&(_, end)| end as usize);
        self.bytes.split_off(start).into()
    }

    pub(crate) fn push(&mut self, dest: Dest, answer: &[u8]) {
        self.bytes.extend_from_slice(answer);
        self.seal(dest);
    }

    /// Answers with an error.
    pub(crate) fn error(&mut self, head: &ErrandHead, text: &str) {
        Reply::new(&mut self.bytes, head.version).error(text);
        if head.dest != Dest::Nobody {
            self.failed.push((head.spec, text.as_bytes().into()));
        }
        self.seal(head.dest);
    }

    /// Takes what failed since the last time.
    pub(crate) fn take_failed(&mut self) -> Vec<(&'static Spec, Box<[u8]>)> {
        std::mem::take(&mut self.failed)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Dest, &[u8])> {
        let mut start = 0;
        self.heads.iter().map(move |&(dest, end)| {
            let answer = &self.bytes[start..end as usize];
            start = end as usize;
            (dest, answer)
        })
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.heads.clear();
        if self.bytes.capacity() > 1 << 20 {
            self.bytes = Vec::new();
        }
    }
}

impl Worker {
    /// Hands over what other workers are asked for.
    pub(crate) fn ship_errands(&mut self) {
        for worker in 0..self.fabric.errands_out.len() {
            if !self.fabric.errands_out[worker].is_empty() {
                let errands = std::mem::replace(&mut self.fabric.errands_out[worker], Calls::new(self.id));
                self.outbox.messages.push((WorkerId(worker as u16), Message::Errands(errands)));
            }
        }
    }
}
