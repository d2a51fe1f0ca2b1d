//! `MULTI`, `EXEC`, `DISCARD`, `WATCH`, `UNWATCH`.
//!
//! A transaction is queued whole and run in one go over all the partitions its keys are in, borrowed if they
//! live on other workers. Watches are registered in the partitions that hold the keys.
//!
//! The reply is put together in an output of its own: a command that asks all workers keeps its place in there
//! as it would in the client's output, and the whole is sent when it is complete. What is published to the
//! client itself meanwhile comes after it.

use base::{Args, DbIndex, HashSet, PartitionId};
use command::{Lookup, NodeCommand, Run};
use resp::Reply;

use crate::borrow::Work;
use crate::data::carries;
use crate::dispatch::ENTRY_ROOM;
use crate::numbered::Numbering;
use crate::output::{Output, Ticket};
use crate::partition::{ROOM_PER_REQUEST, ROOM_PER_WORD};
use crate::session::{Session, Stall, Watched, WatchedSince, gate};
use crate::wire::WireRequest;
use crate::worker::Worker;

/// A transaction being put together.
#[derive(Default)]
pub(crate) struct Transaction {
    pub(crate) requests: Vec<WireRequest>,
    /// A request was refused while queueing; `EXEC` will refuse all.
    pub(crate) broken: bool,
    pub(crate) bytes: usize,
    /// One of them may change data, or publish.
    pub(crate) writes: bool,
    /// By request: why it may not be run any more. Filled when the transaction is sent to a leader.
    pub(crate) denied: Vec<Option<String>>,
    /// One of them is refused while memory is full.
    pub(crate) adds: bool,
    /// It is a numbered request of a client's session, as a whole.
    pub(crate) number: Option<Numbering>,
}

/// The reply of a transaction that ran, as far as it is known.
pub(crate) struct PendingExec {
    pub(crate) output: Output,
    /// Its place in the client's output.
    ticket: Ticket,
    changed: bool,
}

impl Worker {
    pub(crate) fn multi(&mut self, session: &mut Session) {
        let mut reply = Reply::new(session.output.end(), session.version);
        if session.transaction.is_some() {
            reply.error("ERR MULTI calls can not be nested");
            return;
        }
        reply.ok();
        session.transaction = Some(Box::default());
        session.set_gate(gate::IN_MULTI, true);
    }

    pub(crate) fn discard(&mut self, session: &mut Session) {
        if session.transaction.is_none() {
            Reply::new(session.output.end(), session.version).error("ERR DISCARD without MULTI");
            return;
        }
        self.leave_transaction(session);
        Reply::new(session.output.end(), session.version).ok();
    }

    /// Forgets transaction and watches.
    pub(crate) fn leave_transaction(&mut self, session: &mut Session) {
        session.transaction = None;
        session.set_gate(gate::IN_MULTI, false);
        self.unwatch_all(session);
    }

    pub(crate) fn exec(&mut self, session: &mut Session) {
        let Some(transaction) = session.transaction.take() else {
            Reply::new(session.output.end(), session.version).error("ERR EXEC without MULTI");
            return;
        };
        session.set_gate(gate::IN_MULTI, false);
        if transaction.broken {
            self.unwatch_all(session);
            Reply::new(session.output.end(), session.version)
                .error("EXECABORT Transaction discarded because of previous errors.");
            return;
        }
        let wanted = self.partitions_of_transaction(session, &transaction);
        if let Some(number) = transaction.number {
            return self.exec_once(session, number, &wanted, &transaction);
        }
        if self.fabric.is_spread && !wanted.is_empty() {
            return self.exec_over_fabric(session, &wanted, *transaction);
        }
        let ticket = session.output.open();
        if self.all_here(&wanted) {
            self.run_exec(session, ticket, *transaction);
        } else {
            session.stall = Some(Stall::Drain);
            self.enqueue(wanted, Some((session.at, ticket)), Work::Exec(transaction));
        }
    }

    /// Runs a transaction whose partitions are at hand.
    pub(crate) fn run_exec(&mut self, session: &mut Session, ticket: Ticket, transaction: Transaction) {
        self.run_in_reply(session, ticket, |worker, session| worker.run_transaction(session, transaction));
    }

    /// Runs something whose replies are one reply of the client, in an output of its own. `run` says whether it changed
    /// something.
    pub(crate) fn run_in_reply(
        &mut self,
        session: &mut Session,
        ticket: Ticket,
        run: impl FnOnce(&mut Worker, &mut Session) -> bool,
    ) {
        session.outer = Some(Box::new(std::mem::take(&mut session.output)));
        let changed = run(self, session);
        let outer = session.outer.take().map_or_else(Output::default, |outer| *outer);
        let output = std::mem::replace(&mut session.output, outer);
        session.exec = Some(Box::new(PendingExec { output, ticket, changed }));
        self.settle_exec(session);
    }

    /// Sends the reply of a transaction that ran, once it is complete.
    pub(crate) fn settle_exec(&mut self, session: &mut Session) {
        if let Some(pending) = session.exec.take_if(|pending| !pending.output.is_waiting()) {
            self.fill_late(session, pending.ticket, pending.changed, pending.output.sendable());
        }
    }

    /// Everything the queued requests and the watches touch, ascending.
    fn partitions_of_transaction(&self, session: &Session, transaction: &Transaction) -> Vec<PartitionId> {
        let mut db = session.db;
        let mut ids: Vec<PartitionId> = session.watched.iter().map(|watched| watched.partition).collect();
        for request in &transaction.requests {
            let args = request.args();
            let Lookup::Found(spec) = command::lookup(args) else { continue };
            match spec.run {
                Run::Data(command) => ids.extend(self.partitions_for(db, command, spec, args)),
                Run::Node(NodeCommand::Select) => db = db_of(args.at(1)).unwrap_or(db),
                Run::Node(command) => ids.extend(self.partitions_of_keyspace_command(db, command, args)),
                Run::Container => {}
            }
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Runs the requests of a transaction; whether they changed something.
    fn run_transaction(&mut self, session: &mut Session, transaction: Transaction) -> bool {
        let dirty = self.watches_are_broken(session);
        let watched = std::mem::take(&mut session.watched);
        self.end_watches(&watched);
        if dirty {
            Reply::new(session.output.end(), session.version).null_array();
            return false;
        }
        if let Some(refusal) = self.transaction_refused(session, &transaction) {
            let text = format!("EXECABORT Transaction discarded because of: {refusal}");
            Reply::new(session.output.end(), session.version).error(text);
            return false;
        }
        Reply::new(session.output.end(), session.version).array(transaction.requests.len());
        let mut changed = false;
        for request in &transaction.requests {
            changed |= self.run_queued(session, request);
        }
        changed
    }

    /// Why a transaction cannot be logged, as it must be wholly or not at all.
    fn transaction_refused(&self, session: &Session, transaction: &Transaction) -> Option<String> {
        if !transaction.writes || !self.logging {
            return None;
        }
        let partitions = usize::from(self.router.partitions());
        let (mut db, mut len) = (session.db, 0);
        let (mut carried, mut carriers) = (0, 0);
        for request in &transaction.requests {
            let (args, raw) = (request.args(), request.raw());
            let Lookup::Found(spec) = command::lookup(args) else { continue };
            carried += self.carried_bytes(db, spec, args);
            carriers += usize::from(carries(spec));
            let refusal = self.request_refused(db, spec, args, raw);
            if refusal.is_some() {
                return refusal;
            }
            match spec.run {
                Run::Node(NodeCommand::Select) => db = db_of(args.at(1)).unwrap_or(db),
                Run::Node(NodeCommand::FlushAll | NodeCommand::FlushDb) => len += ENTRY_ROOM * partitions,
                Run::Data(_) | Run::Node(_) | Run::Container => {}
            }
            len += raw.len() + args.len() * (ROOM_PER_WORD + ROOM_PER_REQUEST) + ENTRY_ROOM;
        }
        // What one request makes, a later one may carry on: none carries more than all there is.
        len = len.saturating_add((carried + len).saturating_mul(carriers));
        (!self.has_room(len)).then(|| self.refusal_text())
    }

    /// Runs one queued request; whether it changed something.
    fn run_queued(&mut self, session: &mut Session, request: &WireRequest) -> bool {
        let (args, raw) = (request.args(), request.raw());
        let Lookup::Found(spec) = command::lookup(args) else { return false };
        self.stats.count_inside(spec);
        if let Some(text) = self.denied_in_exec(session, spec, args) {
            self.stats.note_refused(&text);
            Reply::new(session.output.end(), session.version).error(text);
            return false;
        }
        match spec.run {
            Run::Node(command) if !is_keyspace_command(command) => {
                self.run_node(session, command, spec, args, raw);
                false
            }
            Run::Data(_) | Run::Node(_) => {
                let mut out = std::mem::take(&mut self.scratch);
                let changed = self.run_request(session, args, raw, &mut out);
                session.output.end().extend_from_slice(&out);
                out.clear();
                self.scratch = out;
                changed
            }
            Run::Container => false,
        }
    }

    pub(crate) fn watch(&mut self, session: &mut Session, args: Args<'_>, raw: &[u8]) {
        if session.transaction.is_some() {
            let text = "ERR WATCH inside MULTI is not allowed";
            Reply::new(session.output.end(), session.version).error(text);
            return;
        }
        if self.fabric.is_spread {
            return self.watch_over_fabric(session, args);
        }
        let mut wanted: Vec<PartitionId> =
            args.iter().skip(1).map(|key| self.router.partition(session.db, key)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        self.start(session, wanted, WireRequest::copy_of(args, raw));
    }

    /// Registers watches; the keys' partitions are at hand.
    pub(crate) fn begin_watches(&mut self, session: &mut Session, args: Args<'_>, out: &mut Vec<u8>) {
        let (db, now) = (session.db, self.now.millis());
        // A set, for a request may name a million keys.
        let mut known: HashSet<Box<[u8]>> = session
            .watched
            .iter()
            .filter(|watched| watched.db == db)
            .map(|watched| watched.key.clone())
            .collect();
        for key in args.iter().skip(1) {
            if !known.insert(key.into()) {
                continue;
            }
            let id = self.router.partition(db, key);
            let Some(partition) = self.partition_mut(id) else { continue };
            let now = partition.time(now);
            let stamp = partition.keyspace(db).watch(key, now);
            let since = WatchedSince::Stamp(stamp);
            session.watched.push(Watched { partition: id, db, key: key.into(), since });
        }
        Reply::new(out, session.version).ok();
    }

    fn watches_are_broken(&mut self, session: &Session) -> bool {
        let now = self.now.millis();
        session.watched.iter().any(|watched| {
            self.partition_mut(watched.partition).is_none_or(|partition| {
                let now = partition.time(now);
                match &watched.since {
                    WatchedSince::Stamp(stamp) => {
                        partition.keyspace(watched.db).changed_since(&watched.key, *stamp, now)
                    }
                    WatchedSince::Value(value) => {
                        partition.value_digest(watched.db, &watched.key, now) != *value
                    }
                }
            })
        })
    }

    pub(crate) fn unwatch(&mut self, session: &mut Session) {
        self.unwatch_all(session);
        Reply::new(session.output.end(), session.version).ok();
    }

    /// Ends all watches of a session, wherever their partitions are.
    pub(crate) fn unwatch_all(&mut self, session: &mut Session) {
        let watched = std::mem::take(&mut session.watched);
        // Over a fabric a watch is only remembered here.
        let is_here = |watched: &Watched| matches!(watched.since, WatchedSince::Stamp(_));
        if !watched.iter().any(is_here) {
            return;
        }
        let mut wanted: Vec<PartitionId> = watched.iter().map(|watched| watched.partition).collect();
        wanted.sort_unstable();
        wanted.dedup();
        self.start_unwatch(wanted, watched);
    }

    /// Ends watches whose partitions are at hand.
    pub(crate) fn end_watches(&mut self, watched: &[Watched]) {
        for Watched { partition, db, key, .. } in watched {
            if let Some(partition) = self.partition_mut(*partition) {
                partition.keyspace(*db).unwatch(key);
            }
        }
    }
}

/// Commands over whole databases, which need partitions at hand.
pub(crate) fn is_keyspace_command(command: NodeCommand) -> bool {
    use NodeCommand as N;
    matches!(
        command,
        N::ClusterCountKeysInSlot
            | N::ClusterGetKeysInSlot
            | N::DbSize
            | N::FlushAll
            | N::FlushDb
            | N::Keys
            | N::RandomKey
            | N::Scan
            | N::SwapDb
            | N::Watch
            | N::DebugDigest
            | N::DebugReload
    )
}

/// The database of a `SELECT`-like argument.
pub(crate) fn db_of(text: &[u8]) -> Option<DbIndex> {
    DbIndex::new(u8::try_from(base::parse_i64(text)?).ok()?)
}
