//! Clients that wait for something in a list or a sorted set (`BLPOP` and its like): the side of the client's worker.
//!
//! A request is tried like any other. If it finds nothing, its client is registered where its keys are led
//! (`waiters`), and tries again when it is told that it is its turn. Keys in several partitions of a fabric are tried
//! one run of neighbours after the other, in the order of the request; on a lone node all are borrowed at once.
//!
//! ```text
//!   try ──▶ found ─────────────────────────────────▶ answer
//!    ▲  └─▶ nothing ─▶ registered ─▶ +READY ─┐   ▲
//!    └─────────────────────│─────────────────┘   │
//!                          └─ time is up, CLIENT UNBLOCK, or served where it waits
//! ```
//! Invariants: a client waits for one request; what was taken out for it is answered to it: an end that comes while a
//! try is under way, or while it may be served elsewhere, waits for the outcome, and so does whoever asked for it. Whoever
//! may no longer make its request is told so when it is its turn, and takes nothing out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use base::{AckLevel, Args, ConnId, DbIndex, HashMap, Millis, PartitionId, WorkerId};
use command::{DataCommand, NodeCommand, Scope, Spec};
use engine::{Access, Patience};
use resp::{Reply, Version};

use crate::acl_log::Context;
use crate::borrow::Work;
use crate::data::Place;
use crate::dispatch::Taken;
use crate::errand::{Dest, ErrandHead};
use crate::gather::Answer;
use crate::output::Ticket;
use crate::read_level::ReadLevel;
use crate::redirect::Redirect;
use crate::scatter::CROSS_SLOT;
use crate::session::{Session, SessionRef, Stall, gate};
use crate::waiters::{AGAIN, GONE, NOTHING, READY, is_nothing};
use crate::wire::WireRequest;
use crate::worker::Worker;

/// The part of a block whose answer is that of a try, not of a registration.
const TRY: u32 = u32::MAX;

/// How a wait ends that finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its time is up, or `CLIENT UNBLOCK` says so.
    Nothing,
    /// `CLIENT UNBLOCK … ERROR`.
    Unblocked,
}

/// Neighbours among the keys that are in one partition.
struct Run {
    partition: PartitionId,
    keys: Range<usize>,
}

/// A partition where the client is to be registered.
struct Part {
    partition: PartitionId,
    /// The keys that it has.
    keys: Vec<Range<usize>>,
    /// It is, and was not answered.
    is_registered: bool,
    /// It was told to try, and keeps others from it.
    has_turn: bool,
}

enum State {
    /// So many runs were tried before; and whether it was told to try while a try was under way.
    Trying {
        run: usize,
        again: bool,
    },
    Waiting,
}

/// What is said to a client that is about to try again.
enum Asked {
    Allowed,
    /// It may no more; with the reply.
    Denied(Vec<u8>),
    /// It is being closed.
    Gone,
}

/// A client's request that waits.
struct Block {
    /// Which wait this is: what was asked for an earlier one of the same client is answered to nobody.
    number: u64,
    client: (SessionRef, Ticket, Version),
    db: DbIndex,
    access: Access,
    ack: AckLevel,
    redirect: Option<Redirect>,
    spec: &'static Spec,
    command: DataCommand,
    request: WireRequest,
    runs: Vec<Run>,
    parts: Vec<Part>,
    /// Wall clock.
    since: Millis,
    /// Steady clock.
    deadline: Millis,
    /// It may be served where it waits: this node has the one partition of its keys alone.
    may_be_served: bool,
    /// Its user, who is asked about there; none may do everything.
    user: Option<Box<[u8]>>,
    state: State,
    /// How it ends if what is under way finds nothing, and who is told whether it did: whose `CLIENT UNBLOCK` it was.
    ending: Option<Ending>,
    unblocker: Option<(WorkerId, u64)>,
}

impl Block {
    /// The same request for some of its keys.
    fn request_for(&self, keys: &[Range<usize>]) -> Option<WireRequest> {
        let words = Patience::of(self.command, self.request.args())?.words_for(keys);
        Some(WireRequest::encode(&words.iter().map(|word| &**word).collect::<Vec<_>>()))
    }

    /// What puts the client into the lines of one partition: its request, with the keys that are there and no others, for
    /// there may be many.
    fn registration(&self, part: usize) -> Option<WireRequest> {
        let of_part = match self.parts.as_slice() {
            [_] => None,
            parts => Some(self.request_for(&parts.get(part)?.keys)?),
        };
        let request = of_part.as_ref().unwrap_or(&self.request);
        let since = self.since.0.to_string();
        let serve: &[u8] = if self.may_be_served { b"1" } else { b"0" };
        let mut words = vec![b"narf.await", since.as_bytes(), serve, request.raw()];
        words.extend(self.user.as_deref().filter(|_| self.may_be_served));
        Some(WireRequest::encode(&words))
    }
}

/// Clients that were killed at once, of which partitions of other workers have not said yet that they serve them no more.
struct Killed {
    asker: WorkerId,
    gather: u64,
    clients: u64,
    missing: usize,
}

/// The blocked clients of a worker.
#[derive(Default)]
pub(crate) struct Blocks {
    open: HashMap<ConnId, Block>,
    /// The number that was given out last.
    next: u64,
    deadlines: BTreeSet<(Millis, ConnId)>,
    killed: HashMap<u64, Killed>,
}

impl Blocks {
    pub(crate) fn has(&self, conn: ConnId) -> bool {
        self.open.contains_key(&conn)
    }

    /// Whether a client's request is tried at the moment.
    pub(crate) fn is_trying(&self, conn: ConnId) -> bool {
        self.open.get(&conn).is_some_and(|block| matches!(block.state, State::Trying { .. }))
    }

    /// A number for a wait, or for clients that are killed at once.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// How many clients wait until a time at most.
    pub(crate) fn timed(&self) -> u64 {
        self.deadlines.len() as u64
    }

    /// When the first of them has waited long enough.
    pub(crate) fn next_run(&self) -> Millis {
        self.deadlines.first().map_or(Millis::NEVER, |(deadline, _)| *deadline)
    }
}

impl Worker {
    /// Takes up a request that may have to wait; `None` if it never does, as it is wrong.
    #[cold]
    pub(crate) fn block(
        &mut self,
        session: &mut Session,
        command: DataCommand,
        spec: &'static Spec,
        args: Args<'_>,
        raw: &[u8],
    ) -> Option<Taken> {
        Patience::of(command, args)?;
        // A try over several partitions must not overtake what the client asked for before.
        if session.output.is_waiting() {
            session.stall = Some(Stall::Drain);
            return Some(Taken::Later);
        }
        let ids = match self.place(session.db, command, spec, args) {
            Place::One(id) => vec![id],
            Place::Several(ids) => ids,
        };
        let needs_all = spec.scope() == Scope::Partition;
        if self.fabric.is_spread && needs_all && ids.len() > 1 {
            self.stats.note_refused(CROSS_SLOT);
            Reply::new(session.output.end(), session.version).error(CROSS_SLOT);
            return Some(Taken::Done);
        }
        let is_at_hand = !self.fabric.is_spread && self.all_here(&ids);
        let is_kept = is_at_hand && ids.len() == 1 && {
            let own = ErrandHead::own(ids[0], session.db, spec);
            self.finds_nothing(&ErrandHead { who: session.at.conn.0, ..own }, args)
        };
        if is_at_hand && !is_kept {
            let mut out = Vec::new();
            let request = WireRequest::copy_of(args, raw);
            let changed = self.run_borrowed(session, &request, &mut out);
            if !is_nothing(&out) {
                self.answer_late(session, changed, &out);
                return Some(Taken::Done);
            }
        }
        self.open_block(session, (command, spec), WireRequest::copy_of(args, raw), ids.len() == 1);
        match is_at_hand {
            true => self.block_tried(session.at.conn, NOTHING, false),
            false => self.try_block(session.at.conn, 0),
        }
        Some(Taken::Done)
    }

    fn open_block(
        &mut self,
        session: &mut Session,
        (command, spec): (DataCommand, &'static Spec),
        request: WireRequest,
        is_one: bool,
    ) {
        let Some(patience) = Patience::of(command, request.args()) else { return };
        let mut runs: Vec<Run> = Vec::new();
        for (at, key) in patience.keys().iter().enumerate() {
            let partition = self.router.partition(session.db, key);
            match runs.last_mut().filter(|run| run.partition == partition) {
                Some(run) => run.keys.end = at + 1,
                None => runs.push(Run { partition, keys: at..at + 1 }),
            }
        }
        let mut parts: BTreeMap<PartitionId, Part> = BTreeMap::new();
        for Run { partition, keys } in &runs {
            let (partition, is_registered, has_turn) = (*partition, false, false);
            let part = Part { partition, keys: Vec::new(), is_registered, has_turn };
            parts.entry(partition).or_insert(part).keys.push(keys.clone());
        }
        let (now, conn) = (self.now.mono_millis(), session.at.conn);
        // Not before all of it has passed, for the clock's milliseconds are rounded down.
        let deadline = patience.timeout.map_or(Millis::NEVER, |t| Millis(now.0.saturating_add(t.0 + 1)));
        let number = self.blocks.next_number();
        let block = Block {
            number,
            client: (session.at, session.output.open(), session.version),
            db: session.db,
            access: session.access(),
            ack: session.ack,
            redirect: session.redirect_for(spec, request.args()),
            spec,
            command,
            request: request.clone(),
            runs,
            parts: parts.into_values().collect(),
            since: self.now.millis(),
            deadline,
            may_be_served: is_one && !self.fabric.is_spread,
            user: session.user.as_deref().map(|user| user.name().into()),
            state: State::Trying { run: 0, again: false },
            ending: None,
            unblocker: None,
        };
        for part in &block.parts {
            session.written.note(part.partition);
        }
        (session.stall, session.is_blocked) = (Some(Stall::Drain), true);
        if deadline < Millis::NEVER {
            self.blocks.deadlines.insert((deadline, conn));
        }
        self.blocks.open.insert(conn, block);
    }

    fn head_for(&self, block: &Block, conn: ConnId, partition: PartitionId, part: u32) -> ErrandHead {
        let (patience, deadline) = self.errand_times(0);
        ErrandHead {
            dest: Dest::Block { worker: self.id, conn, number: block.number, part },
            who: conn.0,
            partition,
            db: block.db,
            version: block.client.2,
            access: block.access,
            ack: block.ack,
            reads: ReadLevel::Lease,
            redirect: block.redirect,
            reader: None,
            spec: block.spec,
            patience,
            deadline,
        }
    }

    /// Tries the keys from run number `run` on, if that is still allowed.
    pub(crate) fn try_block(&mut self, conn: ConnId, run: usize) {
        match self.asked_again(conn) {
            Asked::Allowed => {}
            Asked::Denied(answer) => return self.finish_block(conn, &answer, false),
            Asked::Gone => return self.drop_block(conn),
        }
        let Some(block) = self.blocks.open.get_mut(&conn) else { return };
        block.state = State::Trying { run, again: false };
        let Some(block) = self.blocks.open.get(&conn) else { return };
        if self.fabric.is_spread && block.runs.len() > 1 {
            // There may be as many runs as keys: none of them looks at all keys again.
            let Some(Run { partition, keys }) = block.runs.get(run) else { return };
            let Some(request) = block.request_for(std::slice::from_ref(keys)) else { return };
            let head = self.head_for(block, conn, *partition, TRY);
            return self.send_errand(head, request.args(), request.raw());
        }
        let (args, raw) = (block.request.args(), block.request.raw());
        match self.place(block.db, block.command, block.spec, args) {
            Place::Several(ids) if !self.fabric.is_spread => {
                self.enqueue(ids, None, Work::Block(conn));
            }
            // A move that began to wait when this node was alone.
            Place::Several(_) => {
                let mut out = Vec::new();
                Reply::new(&mut out, block.client.2).error(CROSS_SLOT);
                self.finish_block(conn, &out, false);
            }
            Place::One(_) => {
                let head = self.head_for(block, conn, block.runs[0].partition, TRY);
                let request = WireRequest::copy_of(args, raw);
                self.send_errand(head, request.args(), request.raw());
            }
        }
    }

    /// What the client may do now: it may have waited long. Nothing is taken out for one that is being closed.
    fn asked_again(&mut self, conn: ConnId) -> Asked {
        let Some(block) = self.blocks.open.get(&conn) else { return Asked::Allowed };
        let ((at, _, version), spec) = (block.client, block.spec);
        // One that is taken out has just been asked.
        let Some(session) = self.sessions.take(at.token) else { return Asked::Allowed };
        let is_restricted = session.at.conn == at.conn && session.has_gate(gate::RESTRICTED);
        let request = is_restricted.then(|| block.request.clone());
        let asked = match (session.closing, request) {
            (true, _) => Asked::Gone,
            (false, None) => Asked::Allowed,
            (false, Some(request)) => match self.denied(&session, spec, request.args(), Context::TopLevel) {
                None => Asked::Allowed,
                Some(text) => {
                    self.stats.note_refused(&text);
                    let mut answer = Vec::new();
                    Reply::new(&mut answer, version).error(text);
                    Asked::Denied(answer)
                }
            },
        };
        self.sessions.put_back(session);
        asked
    }

    /// Runs a try over several partitions, which are at hand.
    pub(crate) fn try_borrowed(&mut self, conn: ConnId) {
        let Some(block) = self.blocks.open.get(&conn) else { return };
        let (at, request) = (block.client.0, block.request.clone());
        let Some(mut session) = self.sessions.take(at.token) else { return };
        let mut out = Vec::new();
        let is_its = session.at.conn == at.conn;
        self.acting = at.conn.0;
        let changed = is_its && self.run_borrowed(&mut session, &request, &mut out);
        self.sessions.put_back(session);
        if is_its {
            self.block_tried(conn, &out, changed);
        }
    }

    /// What a try came to.
    fn block_tried(&mut self, conn: ConnId, answer: &[u8], changed: bool) {
        if !is_nothing(answer) {
            return self.finish_block(conn, answer, changed);
        }
        let Some(block) = self.blocks.open.get_mut(&conn) else { return };
        let State::Trying { run, again } = block.state else { return };
        if let Some(ending) = block.ending {
            return self.end_with(conn, ending);
        }
        if self.fabric.is_spread && run + 1 < block.runs.len() {
            self.try_block(conn, run + 1);
            // What it was told while this run was tried may concern an earlier one.
            if let Some(Block { state: State::Trying { again: later, .. }, .. }) =
                self.blocks.open.get_mut(&conn)
            {
                *later |= again;
            }
        } else if again {
            self.try_block(conn, 0);
        } else {
            block.state = State::Waiting;
            self.register_block(conn);
        }
    }

    /// Registers a client wherever it is not.
    fn register_block(&mut self, conn: ConnId) {
        let Some(block) = self.blocks.open.get_mut(&conn) else { return };
        let mut missing = Vec::new();
        for (at, part) in block.parts.iter_mut().enumerate().filter(|(_, part)| !part.is_registered) {
            (part.is_registered, part.has_turn) = (true, false);
            missing.push(at);
        }
        for at in missing {
            let Some(block) = self.blocks.open.get(&conn) else { return };
            let (Some(part), Some(request)) = (block.parts.get(at), block.registration(at)) else { return };
            let head = ErrandHead {
                spec: NodeCommand::NarfAwait.spec(),
                patience: self.waiting_patience(),
                // It waits as long as the client does; where it waits, its node is known to be there.
                deadline: Millis::NEVER,
                // Before it waits, it has tried, and would have been sent away then.
                redirect: None,
                ..self.head_for(block, conn, part.partition, u32::from(part.partition.0))
            };
            self.send_errand(head, request.args(), request.raw());
        }
    }

    /// What a registration, or a try, of the wait `number` was answered.
    pub(crate) fn block_answered(&mut self, conn: ConnId, number: u64, part: u32, answer: &[u8]) {
        // That one has ended and taken itself out of every line, so this one's place in the line of a partition is not
        // meant: it would be left behind there, and be served what nobody asks for any more.
        if self.blocks.open.get(&conn).is_some_and(|block| block.number != number) {
            return;
        }
        if part == TRY {
            // The try was an errand, which has waited for stable storage where that is wanted.
            return self.block_tried(conn, answer, false);
        }
        let partition = PartitionId(part as u16);
        let Some(block) = self.blocks.open.get_mut(&conn) else {
            // Its client has what it wanted, or has gone: the next in the line may try.
            if answer == READY {
                self.release(conn, partition, Dest::Nobody);
            }
            return;
        };
        let Some(part) = block.parts.iter_mut().find(|part| part.partition == partition) else { return };
        part.is_registered = false;
        match (answer, block.ending) {
            (READY, None) => {
                part.has_turn = true;
                match &mut block.state {
                    State::Trying { again, .. } => *again = true,
                    State::Waiting => self.try_block(conn, 0),
                }
            }
            (AGAIN, None) => {
                block.may_be_served = false;
                if matches!(block.state, State::Waiting) {
                    self.register_block(conn);
                }
            }
            // A release for an earlier wait has come after this one's registration, as behind a change of leaders.
            (GONE, None) => {
                if matches!(block.state, State::Waiting) {
                    self.register_block(conn);
                }
            }
            (READY | AGAIN | GONE, Some(ending)) => {
                part.has_turn = answer == READY;
                if matches!(block.state, State::Waiting) {
                    self.end_with(conn, ending);
                }
            }
            // It is refused a place in the line, which ends the wait; but what is being tried may find something, and if
            // not, it asks for the place again.
            _ if matches!(block.state, State::Trying { .. }) => {}
            _ => self.finish_block(conn, answer, false),
        }
    }

    /// Ends the waits whose time is up.
    pub(crate) fn run_blocks(&mut self) {
        let now = self.now.mono_millis();
        while let Some((_, conn)) = self.blocks.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.blocks.deadlines.pop_first();
            self.end_block(conn, Ending::Nothing, None);
        }
    }

    /// Ends a wait unless it finds something. Whether it was this that ended it, and not something before; none while what
    /// is under way may yet find something: `unblocker` is told then.
    pub(crate) fn end_block(
        &mut self,
        conn: ConnId,
        ending: Ending,
        unblocker: Option<(WorkerId, u64)>,
    ) -> Option<bool> {
        let Some(block) = self.blocks.open.get_mut(&conn).filter(|block| block.ending.is_none()) else {
            return Some(false);
        };
        let is_trying = matches!(block.state, State::Trying { .. });
        let served_at = block.parts.first().filter(|part| block.may_be_served && part.is_registered);
        let served_at = served_at.map(|part| part.partition).filter(|_| !is_trying);
        if !is_trying && served_at.is_none() {
            self.end_with(conn, ending);
            return Some(true);
        }
        (block.ending, block.unblocker) = (Some(ending), unblocker);
        match served_at {
            Some(partition) => self.release(conn, partition, Dest::Nobody),
            None => self.call_try_back(conn),
        }
        None
    }

    /// A try that is held for others who come first on a fabric takes nothing out; one that was let in does what it does.
    fn call_try_back(&mut self, conn: ConnId) {
        let Some(block) = self.blocks.open.get(&conn).filter(|_| self.fabric.is_spread) else { return };
        let State::Trying { run, .. } = block.state else { return };
        if let Some(partition) = block.runs.get(run).map(|run| run.partition) {
            self.release(conn, partition, Dest::Nobody);
        }
    }

    fn end_with(&mut self, conn: ConnId, ending: Ending) {
        let Some(block) = self.blocks.open.get_mut(&conn) else { return };
        let unblocker = block.unblocker.take();
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, block.client.2);
        match ending {
            Ending::Nothing => reply.null_array(),
            Ending::Unblocked => reply.error("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
        }
        self.finish_block(conn, &out, false);
        self.tell_unblocker(unblocker, true);
    }

    /// Answers a `CLIENT UNBLOCK` that had to wait for what a client found. The client has let go by then.
    fn tell_unblocker(&mut self, unblocker: Option<(WorkerId, u64)>, is_unblocked: bool) {
        if let Some((asker, gather)) = unblocker {
            self.ship_errands();
            self.answer_late_to(asker, gather, Answer::Count(u64::from(is_unblocked)));
        }
    }

    fn finish_block(&mut self, conn: ConnId, answer: &[u8], changed: bool) {
        let Some(block) = self.forget_block(conn) else { return };
        let (at, ticket, _) = block.client;
        let Some(mut session) = self.sessions.take(at.token) else { return };
        if session.at.conn == at.conn {
            self.fill_late(&mut session, ticket, changed, answer);
            self.queue_send(&mut session);
        }
        self.sessions.put_back(session);
    }

    /// A client that goes waits for nothing.
    pub(crate) fn drop_block(&mut self, conn: ConnId) {
        self.call_try_back(conn);
        self.forget_block(conn);
    }

    /// The same for one that is killed, be its turn told this moment. Whether a partition of another worker may serve it
    /// until it hears of this; what it answers is for `kill`.
    pub(crate) fn kill_block(&mut self, conn: ConnId, kill: u64) -> bool {
        let is_lone = !self.fabric.is_spread;
        let Some(block) = self.blocks.open.get_mut(&conn) else { return false };
        let elsewhere = match block.parts.as_mut_slice() {
            [part] if is_lone && self.router.owner(part.partition) != self.id => {
                (part.is_registered, part.has_turn) = (false, false);
                Some(part.partition)
            }
            // Those of several partitions, and of a fabric, are told that it is their turn, and take nothing out.
            _ => None,
        };
        self.drop_block(conn);
        if let Some(partition) = elsewhere {
            self.release(conn, partition, Dest::Kill { worker: self.id, number: kill });
        }
        elsewhere.is_some()
    }

    /// Clients were killed; the asker's answer waits for `missing` partitions.
    pub(crate) fn await_releases(
        &mut self,
        kill: u64,
        (asker, gather): (WorkerId, u64),
        (clients, missing): (u64, usize),
    ) {
        self.blocks.killed.insert(kill, Killed { asker, gather, clients, missing });
    }

    /// A partition serves a client no more that was killed.
    pub(crate) fn killed_released(&mut self, kill: u64) {
        let Some(killed) = self.blocks.killed.get_mut(&kill) else { return };
        killed.missing -= 1;
        if killed.missing > 0 {
            return;
        }
        let Some(Killed { asker, gather, clients, .. }) = self.blocks.killed.remove(&kill) else { return };
        self.answer_late_to(asker, gather, Answer::Count(clients));
    }

    fn forget_block(&mut self, conn: ConnId) -> Option<Block> {
        let block = self.blocks.open.remove(&conn)?;
        self.blocks.deadlines.remove(&(block.deadline, conn));
        for part in block.parts.iter().filter(|part| part.is_registered || part.has_turn) {
            self.release(conn, part.partition, Dest::Nobody);
        }
        self.tell_unblocker(block.unblocker, false);
        Some(block)
    }

    /// Tells a partition that a client does not wait there any more; it answers to `dest`.
    fn release(&mut self, conn: ConnId, partition: PartitionId, dest: Dest) {
        let own = ErrandHead::own(partition, DbIndex::ZERO, NodeCommand::NarfRelease.spec());
        let (patience, deadline) = self.errand_times(0);
        let request = WireRequest::encode(&[b"narf.release"]);
        let head = ErrandHead { dest, who: conn.0, patience, deadline, ..own };
        self.send_errand(head, request.args(), request.raw());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_keep_the_order_of_keys() {
        let request =
            WireRequest::encode(&[b"blmpop", b"0", b"3", b"a", b"b", b"c", b"LEFT", b"COUNT", b"2"]);
        let patience = Patience::of(DataCommand::BLMPop, request.args()).expect("it waits");
        let words = |runs: &[Range<usize>]| patience.words_for(runs);
        assert_eq!(
            words(std::slice::from_ref(&(1..3))),
            [b"blmpop".as_slice(), b"0", b"2", b"b", b"c", b"LEFT", b"COUNT", b"2"]
        );
        assert_eq!(words(&[0..1, 2..3])[2..5], [b"2".as_slice(), b"a", b"c"]);
    }
}
