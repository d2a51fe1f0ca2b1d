//! `WAIT` and `WAITAOF`: how many replicas have what a client wrote, by the word of the leaders that took its writes.
//!
//! The client's worker asks the leader of each partition that the client wrote to, and asks again until enough
//! replicas have come so far or time runs out. A leader keeps nothing of it, so its death costs only another
//! question. What is waited for is fixed by the first answer: where the partition's log was then.
//!
//! On a node that is alone there is no replica, and what is waited for is its own disk.

use std::collections::BTreeMap;

use base::{Args, ConnId, Millis, PartitionId, WorkerId, parse_i64};
use command::NodeCommand;
use resp::{Reply, Version};

use crate::acks::Reach;
use crate::blocks::Ending;
use crate::errand::{Dest, ErrandHead};
use crate::fabric::split;
use crate::output::Ticket;
use crate::partition::Partition;
use crate::session::{Session, SessionRef, Stall};
use crate::wire::WireRequest;
use crate::worker::Worker;

/// Between two questions to a leader, at most; the first ones follow each other faster.
const ASK_AGAIN_MS: u64 = 32;
/// How long a client that does not want to wait waits for the first answers.
const ONCE_MS: u64 = 500;
/// Marks an index that is a position in a node's log: that of a partition which the node has alone.
const IS_POSITION: u64 = 1 << 62;

/// How far the log of a partition has come, by the word of its leader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reached {
    /// What was asked for; zero if it could not be answered.
    index: u64,
    /// Whether the leader itself has it on its disk.
    local: i64,
    /// How many other replicas have it: its entry, or the entry on their disks.
    replicas: i64,
}

/// Partitions that a client wrote to.
#[derive(Default)]
pub(crate) struct Written(Vec<u64>);

impl Written {
    #[inline]
    pub(crate) fn note(&mut self, id: PartitionId) {
        let (word, bit) = (usize::from(id.0 / 64), id.0 % 64);
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << bit;
    }

    fn iter(&self) -> impl Iterator<Item = PartitionId> {
        let bits = |word: u64| (0..64u16).filter(move |bit| word & (1 << bit) != 0);
        self.0
            .iter()
            .zip(0u16..)
            .flat_map(move |(word, at)| bits(*word).map(move |bit| PartitionId(at * 64 + bit)))
    }
}

/// A partition that the client wrote to.
struct Part {
    partition: PartitionId,
    reached: Reached,
    is_asked: bool,
}

enum Over {
    /// This node's log, up to where it ended after the turn of the request: other workers may have appended meanwhile.
    Here(Option<u64>),
    /// Partitions, wherever they are led.
    Spread(Vec<Part>),
}

struct Wait {
    client: (SessionRef, Ticket, Version),
    command: NodeCommand,
    /// What is enough: copies on the leaders' disks, and replicas.
    enough: (i64, i64),
    over: Over,
    /// Steady clock.
    deadline: Millis,
    next: Millis,
    tries: u32,
}

/// The clients of a worker that wait for replicas.
#[derive(Default)]
pub(crate) struct Waits {
    open: BTreeMap<u64, Wait>,
    next: u64,
    /// Steady clock: longest that any may take, once the node is about to stop.
    latest: Option<Millis>,
}

impl Waits {
    /// Whether a client waits.
    pub(crate) fn has(&self, conn: ConnId) -> bool {
        self.open.values().any(|wait| wait.client.0.conn == conn)
    }

    /// Whoever waits is told by then how far it has come.
    pub(crate) fn end_by(&mut self, latest: Millis) {
        self.latest = Some(latest);
        self.open.values_mut().for_each(|wait| wait.deadline = wait.deadline.min(latest));
    }

    /// How many clients wait until a time at most.
    pub(crate) fn timed(&self) -> u64 {
        self.open.values().filter(|wait| wait.deadline < Millis::NEVER).count() as u64
    }

    /// The turn is over, and the log ends here.
    pub(crate) fn appended(&mut self, end: u64) {
        for wait in self.open.values_mut() {
            if let Over::Here(position) = &mut wait.over {
                position.get_or_insert(end);
            }
        }
    }

    /// When some of them want to be looked at.
    pub(crate) fn next_run(&self) -> Millis {
        let due = |wait: &Wait| wait.next.min(wait.deadline);
        self.open.values().map(due).min().unwrap_or(Millis::NEVER)
    }
}

/// What `WAIT numreplicas timeout` or `WAITAOF numlocal numreplicas timeout` ask for: copies on the leaders' disks,
/// replicas, and how long it may take; without an end if that is zero.
fn parse(command: NodeCommand, args: Args<'_>) -> Result<(i64, i64, u64), &'static str> {
    let not_an_integer = "ERR value is not an integer or out of range";
    let first = parse_i64(args.at(1)).ok_or(not_an_integer)?;
    let (local, replicas, last) = match command {
        NodeCommand::Wait => (0, first, 2),
        _ if !(0..=1).contains(&first) => {
            return Err("ERR value is out of range, value must between 0 and 1");
        }
        _ => {
            let replicas = parse_i64(args.at(2)).filter(|replicas| *replicas >= 0);
            (first, replicas.ok_or("ERR value is out of range, must be positive")?, 3)
        }
    };
    let timeout = parse_i64(args.at(last)).ok_or("ERR timeout is not an integer or out of range")?;
    u64::try_from(timeout).map(|timeout| (local, replicas, timeout)).map_err(|_| "ERR timeout is negative")
}

impl Worker {
    pub(crate) fn wait(&mut self, session: &mut Session, command: NodeCommand, args: Args<'_>) {
        let refuse = |session: &mut Session, text: &str| {
            Reply::new(session.output.end(), session.version).error(text);
        };
        let (local, replicas, timeout) = match parse(command, args) {
            Ok(wanted) => wanted,
            Err(text) => return refuse(session, text),
        };
        if local > 0 && !self.logging {
            return refuse(
                session,
                "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
            );
        }
        let now = self.now.mono_millis();
        let over = match self.fabric.is_spread {
            true => Over::Spread(session.written.iter().map(Part::new).collect::<Vec<_>>()),
            false => {
                self.outbox.sync |= local > 0;
                Over::Here(None)
            }
        };
        let deadline = match timeout {
            _ if session.runs_exec() => now,
            0 => Millis::NEVER,
            // Not before all of it has passed, for the clock's milliseconds are rounded down.
            timeout => Millis(now.0.saturating_add(timeout).saturating_add(1)),
        };
        let deadline = self.waits.latest.map_or(deadline, |latest| deadline.min(latest));
        let enough = (local, replicas);
        let (counts, is_over) = self.judge_wait(&over, enough, deadline, now);
        if is_over {
            return tell(counts, command, &mut Reply::new(session.output.end(), session.version));
        }
        let client = (session.at, session.output.open(), session.version);
        (session.stall, session.is_blocked) = (Some(Stall::Drain), true);
        let number = self.waits.next;
        self.waits.next += 1;
        let wait = Wait { client, command, enough, over, deadline, next: now, tries: 0 };
        self.waits.open.insert(number, wait);
    }

    /// Asks leaders again, and answers those whose wait is over.
    pub(crate) fn run_waits(&mut self) {
        if self.waits.open.is_empty() {
            return;
        }
        let now = self.now.mono_millis();
        let due = |(number, wait): (&u64, &Wait)| (wait.next.min(wait.deadline) <= now).then_some(*number);
        for number in self.waits.open.iter().filter_map(due).collect::<Vec<_>>() {
            self.end_wait(number, now);
            self.ask_for_wait(number, now);
        }
    }

    fn ask_for_wait(&mut self, number: u64, now: Millis) {
        let worker = self.id;
        let Some(wait) = self.waits.open.get_mut(&number).filter(|wait| wait.next <= now) else { return };
        wait.next = Millis(now.0 + (1 << wait.tries.min(5)).min(ASK_AGAIN_MS));
        wait.tries += 1;
        let reach: &[u8] = if wait.command == NodeCommand::Wait { b"1" } else { b"0" };
        let enough = wait.enough;
        let Over::Spread(parts) = &mut wait.over else { return };
        let mut questions = Vec::new();
        for (part, asked) in parts.iter_mut().enumerate() {
            if asked.is_asked || asked.has(enough) {
                continue;
            }
            asked.is_asked = true;
            let index = asked.reached.index.to_string();
            let request = WireRequest::encode(&[b"narf.reached", reach, index.as_bytes()]);
            questions.push((part as u32, asked.partition, request));
        }
        let (patience, deadline) = self.errand_times(0);
        for (part, partition, request) in questions {
            let own = ErrandHead::own(partition, base::DbIndex::ZERO, NodeCommand::NarfReached.spec());
            let head = ErrandHead { dest: Dest::Wait { worker, number, part }, patience, deadline, ..own };
            self.send_errand(head, request.args(), request.raw());
        }
    }

    /// A leader's answer; an error is none.
    pub(crate) fn take_reached(&mut self, number: u64, part: u32, answer: &[u8]) {
        let now = self.now.mono_millis();
        let Some(Wait { over: Over::Spread(parts), .. }) = self.waits.open.get_mut(&number) else { return };
        let Some(part) = parts.get_mut(part as usize) else { return };
        part.is_asked = false;
        if let Some(reached) = Reached::decode(answer).filter(|reached| reached.index > 0) {
            part.reached = reached;
        }
        self.end_wait(number, now);
    }

    /// Answers a client if it has waited enough.
    fn end_wait(&mut self, number: u64, now: Millis) {
        let Some(wait) = self.waits.open.get(&number) else { return };
        let (counts, is_over) = self.judge_wait(&wait.over, wait.enough, wait.deadline, now);
        if is_over
            && let Some(Wait { client: (at, ticket, version), command, .. }) = self.waits.open.remove(&number)
        {
            let mut out = Vec::new();
            tell(counts, command, &mut Reply::new(&mut out, version));
            self.fill_one(at, ticket, &out);
        }
    }

    /// How many copies there are, on leaders' disks and on replicas, and whether there is nothing more to wait for.
    fn judge_wait(
        &self,
        over: &Over,
        enough: (i64, i64),
        deadline: Millis,
        now: Millis,
    ) -> ((i64, i64), bool) {
        let (local, replicas) = match over {
            Over::Here(position) => {
                let is_stored = position.is_some_and(|position| self.fabric.log_synced >= position);
                (i64::from(self.logging && is_stored), 0)
            }
            Over::Spread(parts) => (
                parts.iter().map(|part| part.reached.local).min().unwrap_or(i64::from(self.logging)),
                parts.iter().map(|part| part.reached.replicas).min().unwrap_or_else(|| self.replicas_up()),
            ),
        };
        let is_enough = local >= enough.0 && replicas >= enough.1;
        let grace = if over.is_answered_once() { 0 } else { ONCE_MS };
        ((local, replicas), is_enough || now.0 >= deadline.0.saturating_add(grace))
    }

    /// How many replicas a write has besides its leader, if all goes well.
    fn replicas_up(&self) -> i64 {
        let is_up = |member: &&cluster::Member| self.fabric.is_heard(member.replica_id());
        let others = self.fabric.meta.data_nodes().filter(is_up).count();
        others.min(self.fabric.meta.replicas_effective().saturating_sub(1)) as i64
    }

    /// More of this node's log is on stable storage.
    pub(crate) fn settle_waits(&mut self) {
        let now = self.now.mono_millis();
        for number in self.waits.open.keys().copied().collect::<Vec<_>>() {
            self.end_wait(number, now);
        }
    }

    /// Lets go a client that waits, as if its time were over or with an error; whether that ended its wait. None if that is
    /// to be said later, to `asker`.
    pub(crate) fn unblock(&mut self, conn: ConnId, with_error: bool, asker: (WorkerId, u64)) -> Option<bool> {
        if self.blocks.has(conn) {
            let ending = if with_error { Ending::Unblocked } else { Ending::Nothing };
            return self.end_block(conn, ending, Some(asker));
        }
        let waits = |wait: &Wait| wait.client.0.conn == conn;
        let Some(number) = self.waits.open.iter().find_map(|(number, wait)| waits(wait).then_some(*number))
        else {
            return Some(false);
        };
        let now = self.now.mono_millis();
        let Some(wait) = self.waits.open.remove(&number) else { return Some(false) };
        let (counts, _) = self.judge_wait(&wait.over, wait.enough, wait.deadline, now);
        let (at, ticket, version) = wait.client;
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, version);
        match with_error {
            true => reply.error("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
            false => tell(counts, wait.command, &mut reply),
        }
        self.fill_one(at, ticket, &out);
        Some(true)
    }

    /// A client that goes waits for nothing.
    pub(crate) fn drop_waits(&mut self, at: SessionRef) {
        self.waits.open.retain(|_, wait| wait.client.0 != at);
    }

    /// The leader's side: how far the replicas of a partition are. `args` are what is asked for, and the index if it
    /// is known. What cannot be said for sure at the moment is answered by zeros.
    pub(crate) fn tell_reached(&mut self, head: &ErrandHead, args: Args<'_>) {
        let (mono_us, logging) = (self.now.mono_us, self.logging);
        let number = |at: usize| args.get(at).and_then(parse_i64).unwrap_or(0).max(0) as u64;
        let (reach, known) = (if number(1) == 0 { Reach::Stored } else { Reach::Applied }, number(2));
        let (_, places, fabric) = split(self);
        let id = head.partition;
        let Some(partition) = places[usize::from(id.0)].partition.as_deref_mut() else { return };
        let mut wants_sync = false;
        let reached = if partition.group.is_lone() {
            // What was written is in this node's log up to here.
            let position = if known & IS_POSITION == 0 { fabric.log_end } else { known & !IS_POSITION };
            let is_stored = logging && fabric.log_synced >= position;
            wants_sync = reach == Reach::Stored && logging && !is_stored;
            Reached { index: position | IS_POSITION, local: i64::from(is_stored), replicas: 0 }
        } else if partition.may_read(mono_us) {
            let is_known = known != 0 && known & IS_POSITION == 0;
            let index = if is_known { known } else { partition.replica.applied.index };
            let reached = partition.reached(reach, index, &|id| fabric.is_witness(id));
            if reach == Reach::Stored && !partition.is_stored_by_all(index) {
                let last = partition.group.last();
                partition.replica.acks.want(reach, last);
                fabric.stir(id);
            }
            reached
        } else {
            Reached::default()
        };
        self.outbox.sync |= wants_sync;
        reached.encode(self.fabric.answers.buffer());
        self.fabric.answers.seal(head.dest);
    }
}

impl Part {
    fn new(partition: PartitionId) -> Part {
        Part { partition, reached: Reached::default(), is_asked: false }
    }

    fn has(&self, (local, replicas): (i64, i64)) -> bool {
        self.reached.index > 0 && self.reached.local >= local && self.reached.replicas >= replicas
    }
}

fn tell((local, replicas): (i64, i64), command: NodeCommand, reply: &mut Reply<'_>) {
    if command == NodeCommand::WaitAof {
        reply.array(2);
        reply.int(local);
    }
    reply.int(replicas);
}

impl Over {
    /// Whether each leader has said something; then a wait is over when its time is.
    fn is_answered_once(&self) -> bool {
        match self {
            Over::Here(_) => true,
            Over::Spread(parts) => parts.iter().all(|part| part.reached.index > 0),
        }
    }
}

impl Reached {
    fn encode(self, out: &mut Vec<u8>) {
        let mut reply = Reply::new(out, Version::Resp2);
        reply.array(3);
        reply.int(self.index as i64);
        reply.int(self.local);
        reply.int(self.replicas);
    }

    fn decode(answer: &[u8]) -> Option<Reached> {
        let text = std::str::from_utf8(answer).ok()?.strip_prefix("*3\r\n")?;
        let mut numbers = text.split("\r\n").filter_map(|line| line.strip_prefix(':')?.parse().ok());
        let index = u64::try_from(numbers.next()?).ok()?;
        Some(Reached { index, local: numbers.next()?, replicas: numbers.next()? })
    }
}

impl Partition {
    /// How far the replicas are, seen from the leader: in its log, or on their disks. A witness is none.
    fn reached(&self, reach: Reach, index: u64, is_witness: &dyn Fn(u64) -> bool) -> Reached {
        let (me, members, acks) = (self.group.node(), &self.replica.members, &self.replica.acks);
        let has = |id: u64| match reach {
            Reach::Stored => acks.reached(id, Reach::Stored) >= index,
            Reach::Applied => self.group.progress_of(id).is_some_and(|progress| progress.matched >= index),
        };
        let others = members.voters.iter().filter(|id| **id != me);
        let replicas = others.filter(|id| !is_witness(**id) && has(**id)).count() as i64;
        let local = i64::from(acks.reached(me, Reach::Stored) >= index);
        Reached { index, local, replicas }
    }

    fn is_stored_by_all(&self, index: u64) -> bool {
        let stored = |id: &u64| self.replica.acks.reached(*id, Reach::Stored) >= index;
        self.replica.members.voters.iter().all(stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_leader_says_reads_back_and_an_error_says_nothing() {
        let reached = Reached { index: 7, local: 1, replicas: 2 };
        let mut bytes = Vec::new();
        reached.encode(&mut bytes);
        assert_eq!(Reached::decode(&bytes), Some(reached));
        assert_eq!(Reached::decode(b"-CLUSTERDOWN partition 1 has no leader\r\n"), None);
        assert_eq!(Reached::decode(b"*3\r\n:1\r\n"), None);
        assert_eq!(Reached::decode(b"*3\r\n:-1\r\n:0\r\n:0\r\n"), None);
    }
}
