//! Admission: from the words of a request to the code that runs it, or to the error it deserves.
//!
//! The common request passes one look-up, one arity check and one test of two bytes. Everything that is not
//! common has set a gate, and only then is the long list of questions asked. The order of the questions is that
//! of Redis, so that a request with two faults gets the same error.

use base::{Args, DbIndex};
use command::{DataCommand, Flags, Lookup, NodeCommand, Run, Scope, Spec, Split};
use resp::Reply;

use crate::acl_log::Context;
use crate::entry::HEADER_LEN;
use crate::eviction::OUT_OF_MEMORY;
use crate::numbered::parse_number;
use crate::partition::{ROOM_PER_REQUEST, ROOM_PER_WORD};
use crate::pause::changes_or_publishes;
use crate::scatter::CROSS_SLOT;
use crate::session::{NO_COMMAND, ReplyMode, Session, Stall, gate};
use crate::txn::Transaction;
use crate::wire::WireRequest;
use crate::worker::Worker;

/// Whether a request was dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Answered, or on its way to be.
    Done,
    /// Not yet: take it up again from the same bytes once the session's stall is over.
    Later,
}

/// What admission decided.
pub(crate) enum Admitted {
    Run,
    Answered,
    Later,
}

impl Worker {
    /// Takes up one request, for which `lookup` was found. `args` views `raw`, which is its wire form.
    #[inline]
    pub(crate) fn dispatch(
        &mut self,
        session: &mut Session,
        lookup: Lookup<'static>,
        args: Args<'_>,
        raw: &[u8],
    ) -> Taken {
        if session.has_gate(gate::MUTED) {
            return self.dispatch_muted(session, lookup, args, raw);
        }
        self.dispatch_heard(session, lookup, args, raw)
    }

    /// Takes up one request of a client that asked for silence, for ever or for one request.
    #[cold]
    fn dispatch_muted(
        &mut self,
        session: &mut Session,
        lookup: Lookup<'static>,
        args: Args<'_>,
        raw: &[u8],
    ) -> Taken {
        if session.reply_mode == ReplyMode::SkipNext {
            session.reply_mode = ReplyMode::Skip;
            session.output.set_muted(true);
        }
        let taken = self.dispatch_heard(session, lookup, args, raw);
        if taken == Taken::Done && session.reply_mode == ReplyMode::Skip {
            self.end_skip(session);
        }
        taken
    }

    #[inline]
    fn dispatch_heard(
        &mut self,
        session: &mut Session,
        lookup: Lookup<'static>,
        args: Args<'_>,
        raw: &[u8],
    ) -> Taken {
        let spec = match lookup {
            Lookup::Found(spec) if spec.arity_ok(args.len()) && !spec.is_internal() => spec,
            other => {
                self.refuse_words(session, other, args);
                return Taken::Done;
            }
        };
        self.acting = session.at.conn.0;
        if (session.gate & !gate::DURABLE) != 0 || self.is_gated() {
            match self.admit(session, spec, args, raw) {
                Admitted::Run => {}
                Admitted::Answered => {
                    session.last_command = spec.name;
                    session.end_number(spec);
                    return Taken::Done;
                }
                Admitted::Later => return Taken::Later,
            }
        }
        session.last_command = spec.name;
        let taken = if self.stats.times(spec, raw.len()) {
            self.run_timed(session, spec, args, raw)
        } else {
            self.run(session, spec, args, raw)
        };
        self.serve_waiters();
        self.tell_events(Some(session));
        self.tell_caches(Some(session));
        if taken == Taken::Done {
            session.shown = false;
            session.commands += 1;
            self.stats.count(spec);
        }
        taken
    }

    // As with `Partition::run`: a call of its own costs more than it does.
    #[inline(always)]
    pub(crate) fn run(
        &mut self,
        session: &mut Session,
        spec: &'static Spec,
        args: Args<'_>,
        raw: &[u8],
    ) -> Taken {
        if session.has_gate(gate::NUMBERED) {
            return self.run_numbered(session, spec, args, raw);
        }
        match spec.run {
            Run::Data(command @ (DataCommand::PfAdd | DataCommand::PfMerge)) => {
                self.run_sparse(session, command, spec, args, raw)
            }
            Run::Data(command) => self.run_data(session, command, spec, args, raw),
            Run::Node(command) => self.run_node(session, command, spec, args, raw),
            // A container without its subcommand: arity has refused it.
            Run::Container => Taken::Done,
        }
    }

    /// Runs a request that is logged with the setting that it goes by.
    fn run_sparse(
        &mut self,
        session: &mut Session,
        command: DataCommand,
        spec: &'static Spec,
        args: Args<'_>,
        raw: &[u8],
    ) -> Taken {
        match self.with_sparse_max(command, args) {
            None => self.run_data(session, command, spec, args, raw),
            Some((command, request)) => {
                self.run_data(session, command, command.spec(), request.args(), request.raw())
            }
        }
    }

    /// Runs a request with a stopwatch, for `SLOWLOG` and statistics; or for these alone, as one of many of its kind.
    #[cold]
    fn run_timed(&mut self, session: &mut Session, spec: &'static Spec, args: Args<'_>, raw: &[u8]) -> Taken {
        let start = self.host.stopwatch_ns();
        let taken = self.run(session, spec, args, raw);
        if taken == Taken::Done {
            let nanos = self.host.stopwatch_ns().saturating_sub(start);
            match self.stats.times_each(spec, raw.len()) {
                true => self.note_time(session, spec, args, nanos),
                false => self.stats.sample_call(spec, nanos),
            }
        }
        taken
    }

    /// Whether this worker looks at every request more closely.
    #[inline]
    fn is_gated(&self) -> bool {
        self.monitors.any() || self.pause.is_on() || self.eviction.is_on() || self.hot_keys.is_on()
    }

    #[cold]
    fn refuse_words(&mut self, session: &mut Session, lookup: Lookup<'static>, args: Args<'_>) {
        self.forget_caching(session);
        // As Redis has it: what is refused is a request too, and the last one.
        session.last_command = match lookup {
            Lookup::Found(spec) if !spec.is_internal() => spec.name,
            Lookup::Found(_) | Lookup::UnknownSubcommand(_) | Lookup::Unknown => NO_COMMAND,
        };
        let text = match lookup {
            Lookup::Found(spec) if !spec.is_internal() => {
                self.stats.count_rejected(spec);
                format!("ERR wrong number of arguments for '{}' command", spec.name).into_bytes()
            }
            Lookup::UnknownSubcommand(parent) => unknown_subcommand(parent, args),
            Lookup::Found(_) | Lookup::Unknown => unknown_command(args),
        };
        let is_exec = matches!(lookup, Lookup::Found(spec) if spec.run == Run::Node(NodeCommand::Exec));
        let text = if is_exec { self.abort_transaction(session, &text) } else { text };
        self.break_transaction(session);
        if let Lookup::Found(spec) = lookup {
            session.end_number(spec);
        } else {
            session.set_number(None);
        }
        self.stats.note_refused(&text);
        Reply::new(session.output.end(), session.version).error(text);
    }

    /// A refused `EXEC` ends the transaction; the error says so.
    fn abort_transaction(&mut self, session: &mut Session, text: &[u8]) -> Vec<u8> {
        self.leave_transaction(session);
        let reason = text.strip_prefix(b"ERR ").unwrap_or(text);
        [b"EXECABORT Transaction discarded because of: ", reason].concat()
    }

    fn break_transaction(&mut self, session: &mut Session) {
        if let Some(transaction) = &mut session.transaction {
            transaction.broken = true;
        }
    }

    #[cold]
    fn admit(&mut self, session: &mut Session, spec: &'static Spec, args: Args<'_>, raw: &[u8]) -> Admitted {
        if session.has_gate(gate::UNAUTHENTICATED) && !spec.flags.contains(Flags::NO_AUTH) {
            return self.refuse(session, "NOAUTH Authentication required.");
        }
        if session.has_gate(gate::TRACKS) {
            self.forget_caching(session);
        }
        // What is refused inside a transaction anyway is told so.
        let is_barred = session.transaction.is_some() && spec.flags.contains(Flags::NO_MULTI);
        if session.has_gate(gate::RESTRICTED) && !is_barred {
            let context = if session.transaction.is_some() { Context::Queued } else { Context::TopLevel };
            if let Some(text) = self.denied(session, spec, args, context) {
                if spec.run == Run::Node(NodeCommand::Exec) {
                    let text = self.abort_transaction(session, text.as_bytes());
                    return self.refuse(session, &String::from_utf8_lossy(&text));
                }
                return self.refuse(session, &text);
            }
        }
        if session.has_gate(gate::REDIRECTS) && !is_barred && self.crosses_slots(session, spec, args) {
            if spec.run == Run::Node(NodeCommand::Exec) {
                self.leave_transaction(session);
            }
            return self.refuse(session, CROSS_SLOT);
        }
        if self.eviction.is_on()
            && let Some(decision) = self.admit_by_memory(session, spec)
        {
            return decision;
        }
        if session.has_gate(gate::SUBSCRIBED) && !allowed_while_subscribed(spec) {
            let name = spec.name;
            let text = format!(
                "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
            );
            if spec.run == Run::Node(NodeCommand::Exec) {
                let text = self.abort_transaction(session, text.as_bytes());
                return self.refuse(session, &String::from_utf8_lossy(&text));
            }
            return self.refuse(session, &text);
        }
        if session.has_gate(gate::MONITOR) && !allowed_while_monitoring(spec) {
            return self.refuse(session, "ERR Replica can't interact with the keyspace");
        }
        if self.pause.holds(session, spec, self.now.mono_millis()) {
            session.stall = Some(Stall::Paused);
            self.pause.park(session.at);
            return Admitted::Later;
        }
        if self.hot_keys.is_on() {
            self.note_hot_keys(session, spec, args);
        }
        if session.transaction.is_some() && !runs_inside_multi(spec) {
            self.queue(session, spec, args, raw);
            return Admitted::Answered;
        }
        self.show_if_monitored(session, spec, args);
        Admitted::Run
    }

    fn refuse(&mut self, session: &mut Session, text: &str) -> Admitted {
        self.break_transaction(session);
        self.stats.note_refused(text);
        Reply::new(session.output.end(), session.version).error(text);
        Admitted::Answered
    }

    /// Refuses a request for want of memory; `EXEC` ends its transaction with that.
    pub(crate) fn refuse_for_memory(&mut self, session: &mut Session, is_exec: bool) -> Admitted {
        if !is_exec {
            return self.refuse(session, OUT_OF_MEMORY);
        }
        let text = self.abort_transaction(session, OUT_OF_MEMORY.as_bytes());
        self.refuse(session, &String::from_utf8_lossy(&text))
    }

    /// Shows a request to those who watch, but not the one that ends the watching.
    fn show_if_monitored(&mut self, session: &mut Session, spec: &Spec, args: Args<'_>) {
        let hidden = spec.flags.contains(Flags::SKIP_MONITOR)
            || spec.flags.contains(Flags::ADMIN)
            || (spec.run == Run::Node(NodeCommand::Reset) && session.has_gate(gate::MONITOR));
        // A request that had to wait comes here again.
        if self.monitors.any() && !hidden && !std::mem::replace(&mut session.shown, true) {
            self.show_request(session, args, spec);
        }
    }

    /// Adds a request to the transaction of a session.
    fn queue(&mut self, session: &mut Session, spec: &'static Spec, args: Args<'_>, raw: &[u8]) {
        if spec.flags.contains(Flags::NO_MULTI) {
            self.refuse(session, "ERR Command not allowed inside a transaction");
            return;
        }
        self.show_if_monitored(session, spec, args);
        session.shown = false;
        let is_number = spec.run == Run::Node(NodeCommand::ClientSession)
            && args.get(2).is_some_and(|word| word.eq_ignore_ascii_case(b"seq"));
        if is_number {
            return self.number_transaction(session, args);
        }
        if let Some(refusal) = self.write_refused(spec, raw.len()) {
            self.refuse(session, &refusal);
            return;
        }
        let limit = self.settings.client_query_buffer_limit as usize;
        let request = match spec.run {
            Run::Data(command) => self.with_sparse_max(command, args).map(|(_, request)| request),
            Run::Node(_) | Run::Container => None,
        };
        let request = request.unwrap_or_else(|| WireRequest::copy_of(args, raw));
        let writes = spec.is_write() || changes_or_publishes(session, spec);
        let transaction: &mut Transaction = session.transaction.get_or_insert_default();
        if transaction.bytes + raw.len() > limit {
            transaction.broken = true;
            let text = "ERR transaction exceeds client-query-buffer-limit; send it in parts";
            self.stats.note_refused(text);
            Reply::new(session.output.end(), session.version).error(text);
            return;
        }
        transaction.bytes += raw.len();
        transaction.writes |= writes;
        // As in Redis, what comes after a refused one is not looked at.
        transaction.adds |= !transaction.broken && spec.flags.contains(Flags::DENYOOM);
        transaction.requests.push(request);
        Reply::new(session.output.end(), session.version).simple("QUEUED");
    }

    /// `CLIENT SESSION SEQ` inside a transaction gives a number to all of it. It is answered `OK` in its place.
    fn number_transaction(&mut self, session: &mut Session, args: Args<'_>) {
        let number = match parse_number(args) {
            Ok(_) if session.transaction.as_ref().is_some_and(|queued| queued.number.is_some()) => {
                Err("ERR the transaction has a number already")
            }
            other => other,
        };
        match (number, &mut session.transaction) {
            (Ok(number), Some(transaction)) => {
                transaction.number = Some(number);
                transaction.requests.push(WireRequest::default());
                Reply::new(session.output.end(), session.version).simple("QUEUED");
            }
            (Err(text), _) => {
                self.refuse(session, text);
            }
            (Ok(_), None) => {}
        }
    }

    /// Why a write must not be run now, in the client's words.
    #[inline]
    pub(crate) fn write_refused(&self, spec: &Spec, len: usize) -> Option<String> {
        if !spec.is_write() || !self.logging {
            return None;
        }
        let takes_memory = spec.flags.contains(Flags::DENYOOM);
        let refused = self.write_refusal.is_some() && takes_memory;
        (refused || !self.has_room_for(len, !takes_memory)).then(|| self.refusal_text())
    }

    /// The same for a request over several partitions, whose effects are logged key by key. While there is no
    /// room it may only delete: what else it would log may be far longer than its own words.
    pub(crate) fn refused_over(
        &self,
        db: DbIndex,
        spec: &Spec,
        args: Args<'_>,
        raw: &[u8],
        ids: usize,
    ) -> Option<String> {
        if !spec.is_write() || !self.logging {
            return None;
        }
        let deletes = spec.split == Some(Split::Sum);
        let refused = self.write_refusal.is_some() && !deletes;
        let len = self.carried_bytes(db, spec, args)
            + raw.len()
            + args.len() * (ROOM_PER_WORD + ROOM_PER_REQUEST)
            + ids * HEADER_LEN;
        (refused || !self.has_room_for(len, deletes)).then(|| self.refusal_text())
    }

    /// Whether the log can surely take so many bytes more in this turn. While writes are refused only what makes room, or
    /// what the node cannot do without, should ask.
    #[inline]
    pub(crate) fn has_room(&self, len: usize) -> bool {
        self.has_room_for(len, self.write_refusal.is_some())
    }

    /// The same, out of the reserve for who makes room.
    #[inline]
    pub(crate) fn has_room_for(&self, len: usize, to_delete: bool) -> bool {
        let needed = self.turn_bytes.saturating_add(len).saturating_add(ENTRY_ROOM);
        needed <= self.log_room || self.makes_room(needed, to_delete)
    }

    /// A share that is used up is no full disk: there may be room for more.
    #[cold]
    fn makes_room(&self, needed: usize, to_delete: bool) -> bool {
        (to_delete || self.write_refusal.is_none()) && self.host.make_log_room(needed, to_delete)
    }

    #[cold]
    pub(crate) fn refusal_text(&self) -> String {
        let reason = self.write_refusal.as_deref().unwrap_or("the log has no room for this request");
        format!("MISCONF {reason}; write not applied")
    }
}

/// Bytes an entry may take beside its requests.
pub(crate) const ENTRY_ROOM: usize = 256;

/// These act on the transaction itself, or on the connection's life.
fn runs_inside_multi(spec: &Spec) -> bool {
    use NodeCommand as N;
    matches!(spec.run, Run::Node(N::Exec | N::Discard | N::Multi | N::Watch | N::Quit | N::Reset))
}

fn allowed_while_subscribed(spec: &Spec) -> bool {
    use NodeCommand as N;
    let Run::Node(command) = spec.run else { return false };
    matches!(
        command,
        N::Subscribe
            | N::PSubscribe
            | N::SSubscribe
            | N::Unsubscribe
            | N::PUnsubscribe
            | N::SUnsubscribe
            | N::Ping
            | N::Quit
            | N::Reset
    )
}

fn allowed_while_monitoring(spec: &Spec) -> bool {
    !matches!(spec.run, Run::Data(_)) && spec.scope() != Scope::Database
}

fn unknown_command(args: Args<'_>) -> Vec<u8> {
    let mut text = b"ERR unknown command '".to_vec();
    text.extend_from_slice(shown(args.at(0), 128));
    text.extend_from_slice(b"', with args beginning with: ");
    let start = text.len();
    for arg in args.iter().skip(1) {
        let room = 128usize.saturating_sub(text.len() - start);
        if room == 0 {
            break;
        }
        text.push(b'\'');
        text.extend_from_slice(shown(arg, room));
        text.extend_from_slice(b"' ");
    }
    add_way_out(&mut text, args);
    text
}

/// Says behind what clients look at what to use instead, if it is a command of Redis.
fn add_way_out(text: &mut Vec<u8>, args: Args<'_>) {
    if let Some(instead) = command::compatibility::instead_of(args.at(0), args.get(1)) {
        text.extend_from_slice(format!("(not in Narf: {instead})").as_bytes());
    }
}

fn unknown_subcommand(parent: &Spec, args: Args<'_>) -> Vec<u8> {
    let mut text = b"ERR unknown subcommand '".to_vec();
    text.extend_from_slice(shown(args.at(1), 128));
    text.extend_from_slice(b"'. Try ");
    text.extend_from_slice(parent.name.to_ascii_uppercase().as_bytes());
    text.extend_from_slice(b" HELP. ");
    let len = text.len();
    add_way_out(&mut text, args);
    text.truncate(if text.len() == len { len - 1 } else { text.len() });
    text
}

/// A word as Redis shows it in an error: cut, and as a C string.
fn shown(word: &[u8], len_max: usize) -> &[u8] {
    let len = word.iter().position(|&byte| byte == 0).unwrap_or(word.len());
    &word[..len.min(len_max)]
}
