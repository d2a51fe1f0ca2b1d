//! Requests for keys: to the partition that holds them, wherever it is.

use base::{AckLevel, Args, DbIndex, I64_TEXT_MAX, Millis, PartitionId, WorkerId, parse_i64};
use command::{DataCommand, Flags, Lookup, Run, Spec};
use engine::{Access, Keyspace, KeyspaceSet, Store};
use resp::{Reply, Version};

use crate::borrow::AtHand;
use crate::dispatch::Taken;
use crate::errand::{Dest, ErrandHead};
use crate::message::CallHead;
use crate::output::Ticket;
use crate::partition::{Operation, Partition, Turn};
use crate::read_level::ReadLevel;
use crate::session::{Session, Stall, gate};
use crate::trackers::Reader;
use crate::wire::WireRequest;
use crate::worker::Worker;

/// Where the keys of a request are.
pub(crate) enum Place {
    One(PartitionId),
    /// Ascending, without repetition.
    Several(Vec<PartitionId>),
}

impl Worker {
    /// Runs a request for keys, or sends it to where they are.
    // Inlined for the same reason as `Partition::run`.
    #[inline(always)]
    pub(crate) fn run_data(
        &mut self,
        session: &mut Session,
        command: DataCommand,
        spec: &'static Spec,
        args: Args<'_>,
        raw: &[u8],
    ) -> Taken {
        if !spec.is_plain() || self.fabric.is_spread {
            return self.run_any(session, command, spec, args, raw);
        }
        // What nearly all are.
        match self.write_refused(spec, raw.len()) {
            None => {
                let id = self.partition_of(session.db, args.at(1));
                self.run_at(session, id, command, spec, args, raw);
            }
            Some(refusal) => self.answer_refusal(session, refusal),
        }
        Taken::Done
    }

    /// The same for requests of any kind.
    fn run_any(
        &mut self,
        session: &mut Session,
        command: DataCommand,
        spec: &'static Spec,
        args: Args<'_>,
        raw: &[u8],
    ) -> Taken {
        if spec.flags.contains(Flags::BLOCKING)
            && let Some(taken) = self.block(session, command, spec, args, raw)
        {
            return taken;
        }
        if self.fabric.is_spread {
            return self.run_spread(session, command, spec, args, raw);
        }
        if let Some(refusal) = self.write_refused(spec, raw.len()) {
            self.answer_refusal(session, refusal);
            return Taken::Done;
        }
        self.look_ahead(session.db, spec, args);
        let taken = self.run_in_place(session, command, spec, args, raw);
        self.keys_ahead.forget();
        taken
    }

    #[cold]
    fn answer_refusal(&mut self, session: &mut Session, refusal: String) {
        self.stats.note_refused(&refusal);
        Reply::new(session.output.end(), session.version).error(refusal);
    }

    /// Runs a request of which it is not known where all of its keys are.
    fn run_in_place(
        &mut self,
        session: &mut Session,
        command: DataCommand,
        spec: &'static Spec,
        args: Args<'_>,
        raw: &[u8],
    ) -> Taken {
        match self.place(session.db, command, spec, args) {
            Place::One(id) => self.run_at(session, id, command, spec, args, raw),
            Place::Several(_) if session.output.is_waiting() => {
                session.stall = Some(Stall::Drain);
                return Taken::Later;
            }
            Place::Several(ids) => {
                if let Some(refusal) = self.refused_over(session.db, spec, args, raw, ids.len()) {
                    self.answer_refusal(session, refusal);
                } else if self.all_here(&ids) && !session.has_gate(gate::DURABLE) {
                    let (db, version, access) = (session.db, session.version, session.access());
                    let operation = Operation { spec, command, db, args, raw, version, access };
                    self.run_over(&ids, operation, session.output.end());
                    self.note_reads(self.local_reader_of(session), db, spec, args);
                } else {
                    self.start(session, ids, WireRequest::copy_of(args, raw));
                }
            }
        }
        Taken::Done
    }

    // Inlined for the same reason as `Partition::run`.
    #[inline(always)]
    pub(crate) fn run_at(
        &mut self,
        session: &mut Session,
        id: PartitionId,
        command: DataCommand,
        spec: &'static Spec,
        args: Args<'_>,
        raw: &[u8],
    ) {
        let (db, version, access) = (session.db, session.version, session.access());
        let operation = Operation { spec, command, db, args, raw, version, access };
        if self.places[usize::from(id.0)].partition.is_none() {
            self.send_call(session, id, operation);
        } else if session.gate & (gate::DURABLE | gate::TRACKS) != 0 {
            self.run_gated(session, id, operation);
        } else {
            self.run_here(id, operation, session.output.end());
        }
    }

    /// Runs an operation for a client that waits for stable storage, or keeps what it reads.
    #[cold]
    fn run_gated(&mut self, session: &mut Session, id: PartitionId, operation: Operation<'_>) {
        let mut out = Vec::new();
        let changed = self.run_here(id, operation, &mut out);
        self.answer_late(session, changed, &out);
        self.note_reads(self.local_reader_of(session), operation.db, operation.spec, operation.args);
    }

    /// Notes what a client has read of partitions that are at hand.
    #[inline]
    pub(crate) fn note_reads(&mut self, reader: Option<Reader>, db: DbIndex, spec: &Spec, args: Args<'_>) {
        if let Some(reader) = reader.filter(|_| spec.is_read_only()) {
            for at in spec.keys_of(args) {
                let id = self.router.partition(db, args.at(at));
                if let Some(partition) = self.partition_mut(id) {
                    partition.track(reader, db, args.at(at));
                    self.settle_trackers(id);
                }
            }
        }
    }

    /// Runs an operation on a partition that is at hand; whether it changed something.
    #[inline]
    pub(crate) fn run_here(&mut self, id: PartitionId, operation: Operation<'_>, out: &mut Vec<u8>) -> bool {
        self.change_here(id, |partition, turn| partition.run(turn, operation, out))
    }

    /// Does something to a partition that is at hand, and notes what follows from it; whether it changed something.
    #[inline(always)]
    fn change_here(
        &mut self,
        id: PartitionId,
        change: impl FnOnce(&mut Partition, &mut Turn<'_>) -> bool,
    ) -> bool {
        let (mut turn, places) = self.turn_and_places();
        let Some(partition) = places[usize::from(id.0)].partition.as_deref_mut() else { return false };
        let (was_open, before) = (partition.has_open_entry(), partition.open_bytes());
        let changed = change(partition, &mut turn);
        let (is_open, logged) = (partition.has_open_entry(), partition.open_bytes() - before);
        let (has_stirred, is_followed) = (partition.has_stirred_waiters(), partition.trackers.is_on());
        if has_stirred {
            self.stirred_waiters.push(id);
        }
        if is_open && !was_open {
            self.dirty.push(id);
        }
        self.turn_bytes += logged;
        self.stats.changes += u64::from(changed);
        if is_followed {
            self.settle_trackers(id);
        }
        changed
    }

    /// Sends a request to the partition's owner, or lets it wait here for the partition to come home.
    fn send_call(&mut self, session: &mut Session, id: PartitionId, operation: Operation<'_>) {
        let Operation { spec, db, args, raw, version, access, .. } = operation;
        let ticket = session.output.open();
        let head = CallHead {
            session: session.at,
            ticket,
            partition: id,
            db,
            version,
            access,
            ack: session.ack,
            tracks: self.local_reader_of(session).is_some(),
            spec,
        };
        let owner = self.router.owner(id);
        if owner == self.id {
            self.wait_for_partition(self.id, head, WireRequest::copy_of(args, raw));
        } else {
            self.stats.calls_sent += 1;
            self.calls[usize::from(owner.0)].push(head, args, raw);
        }
    }

    /// Runs a request of a client of worker `from`, whose partition is at hand.
    pub(crate) fn run_call(&mut self, from: WorkerId, head: &CallHead, args: Args<'_>, raw: &[u8]) {
        let Run::Data(command) = head.spec.run else { return };
        let CallHead { spec, db, version, access, .. } = *head;
        if self.partition_mut(head.partition).is_some_and(|partition| !partition.group.is_lone()) {
            return self.send_on(from, head, args, raw);
        }
        self.acting = head.session.conn.0;
        let refusal = self.write_refused(spec, raw.len());
        let mut replies = std::mem::take(&mut self.replies[usize::from(from.0)]);
        let start = replies.buffer().len();
        let changed = match refusal {
            Some(refusal) => {
                self.stats.note_refused(&refusal);
                Reply::new(replies.buffer(), version).error(refusal);
                false
            }
            None => {
                let operation = Operation { spec, command, db, args, raw, version, access };
                self.run_here(head.partition, operation, replies.buffer())
            }
        };
        if changed && head.ack == AckLevel::Durable {
            let reply = replies.buffer().split_off(start);
            self.durable[usize::from(from.0)].push(head.session, head.ticket, &reply);
        } else {
            replies.seal(head.session, head.ticket);
        }
        self.replies[usize::from(from.0)] = replies;
        if head.tracks {
            self.note_reads(Some(Reader::new(0, from, head.session)), db, spec, args);
        }
        self.serve_waiters();
    }

    /// Serves a request of a worker that does not know yet that other nodes have a part in the partition.
    #[cold]
    fn send_on(&mut self, from: WorkerId, head: &CallHead, args: Args<'_>, raw: &[u8]) {
        let CallHead { session: at, ticket, partition, db, version, access, ack, tracks, spec } = *head;
        let (patience, deadline) = self.errand_times(raw.len());
        let dest = Dest::Session { worker: from, at, ticket };
        let who = at.conn.0;
        let head = ErrandHead {
            dest,
            who,
            partition,
            db,
            version,
            access,
            ack,
            reads: ReadLevel::Lease,
            redirect: None,
            reader: tracks.then(|| Reader::new(0, from, at)),
            spec,
            patience,
            deadline,
        };
        self.errand(head, args, raw);
    }

    /// The partitions a request needs.
    #[inline]
    pub(crate) fn place(&self, db: DbIndex, command: DataCommand, spec: &Spec, args: Args<'_>) -> Place {
        let mut keys = spec.keys_of(args);
        let Some(first) = keys.next() else { return Place::One(PartitionId(0)) };
        let one = self.partition_of(db, args.at(first));
        if keys.len() == 0 && !command.reaches_further() {
            return Place::One(one);
        }
        let ids = self.partitions_for(db, command, spec, args);
        if ids.len() == 1 && !crosses_databases(command) { Place::One(one) } else { Place::Several(ids) }
    }

    /// All partitions a data request touches, ascending.
    pub(crate) fn partitions_for(
        &self,
        db: DbIndex,
        command: DataCommand,
        spec: &Spec,
        args: Args<'_>,
    ) -> Vec<PartitionId> {
        let partition_of = |index| {
            let key = args.at(index);
            self.keys_ahead.partition(db, key).unwrap_or_else(|| self.router.partition(db, key))
        };
        let mut ids: Vec<PartitionId> = spec.keys_of(args).map(partition_of).collect();
        if let Some((other, key)) = other_database(command, args) {
            ids.push(self.router.partition(other, key));
        }
        if matches!(command, DataCommand::Sort | DataCommand::SortRo) && db == DbIndex::ZERO {
            for pattern in engine::sort_patterns(args) {
                match pattern.slot() {
                    Some(slot) => ids.push(self.router.partition_of_slot(slot)),
                    // Which keys it names is known only when the elements are.
                    None => ids.extend(self.router.partitions_of(db)),
                }
            }
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Runs one operation over several partitions, all at hand; whether it changed something. Its effects are
    /// logged as what each touched key became, so that each partition's log stands alone.
    pub(crate) fn run_over(
        &mut self,
        ids: &[PartitionId],
        operation: Operation<'_>,
        out: &mut Vec<u8>,
    ) -> bool {
        let Operation { spec, command, db, args, version, access, .. } = operation;
        let now = ids.iter().filter_map(|id| Some(self.place_of(*id)?.time(self.now.millis()))).max();
        let now = now.unwrap_or(self.now.millis());
        self.reach_time(ids, now);
        let seed = self.random.next_u64();
        if spec.is_write() {
            self.collect_touched(ids, true);
        }
        let mut set = AtHand { places: &mut self.places, router: self.router, keys_ahead: &self.keys_ahead };
        let set: &mut dyn KeyspaceSet = &mut set;
        let mut store = Store::over(set, db, now, seed);
        store.access = access;
        store.events = self.events.if_wanted();
        if engine::execute(command, args, &mut store, &mut Reply::new(out, version)) {
            self.stats.note_failed(spec, out);
        }
        let mut changed = false;
        for id in ids {
            // Of a read nothing is left but keys that it found lapsed.
            if spec.is_write() || self.place_of(*id).is_some_and(Partition::has_lapsed) {
                changed |= self.log_effects(*id, spec.is_write());
            }
        }
        if spec.is_write() {
            self.collect_touched(ids, false);
        }
        changed
    }

    /// Bytes of the value that a request carries from one key to another: its words do not tell, the log holds
    /// it all. Zero while the value is away; it is asked again once it is at hand.
    pub(crate) fn carried_bytes(&self, db: DbIndex, spec: &Spec, args: Args<'_>) -> usize {
        if spec.run == Run::Data(DataCommand::Sort) {
            let mut places = LookedAt(self);
            return engine::sorted_bytes(args, &Store::over(&mut places, db, self.now.millis(), 0));
        }
        if stores_result(spec) {
            let of = |at| {
                let entry =
                    self.place_of(self.router.partition(db, args.at(at)))?.existing(db)?.peek(args.at(at))?;
                // A record is never twice as long as what it is of takes, but for numbers of a set: in a row they take
                // less than as text, and each may get a score.
                let numbers = entry.value().set().map_or(0, |set| set.len());
                Some(entry.memory() * 2 + numbers * (I64_TEXT_MAX + size_of::<f64>()))
            };
            return spec.keys_of(args).filter_map(of).fold(0, usize::saturating_add);
        }
        if !carries(spec) {
            return 0;
        }
        let place = self.place_of(self.router.partition(db, args.at(1)));
        let entry = place.and_then(|partition| partition.existing(db)?.peek(args.at(1)));
        let mut record = Vec::new();
        entry.inspect(|entry| engine::encode_entry(entry, &mut record));
        record.len()
    }

    /// Brings partitions to one time, so that a key which one request found expired stays so for the next.
    fn reach_time(&mut self, ids: &[PartitionId], now: Millis) {
        for id in ids {
            if let Some(partition) = self.places[usize::from(id.0)].partition.as_deref_mut() {
                partition.reach_time(now, &mut self.outbox.frame, self.logging);
            }
        }
    }

    pub(crate) fn place_of(&self, id: PartitionId) -> Option<&Partition> {
        self.places.get(usize::from(id.0))?.partition.as_deref()
    }

    fn collect_touched(&mut self, ids: &[PartitionId], on: bool) {
        let logging = self.logging;
        for id in ids {
            if let Some(partition) = self.partition_mut(*id) {
                partition.collect_touched(on, logging);
            }
        }
    }

    fn log_effects(&mut self, id: PartitionId, is_write: bool) -> bool {
        self.change_here(id, |partition, turn| {
            let before = partition.open_bytes();
            let changed = is_write && partition.log_touched(turn);
            turn.room = turn.room.saturating_sub(partition.open_bytes() - before);
            partition.sweep_all(turn);
            changed
        })
    }

    /// Answers a request now, or, if the session wants its changes on stable storage first, then.
    pub(crate) fn answer_late(&mut self, session: &mut Session, changed: bool, reply: &[u8]) {
        if changed && session.has_gate(gate::DURABLE) && self.logging {
            let ticket = session.output.open();
            self.durable[usize::from(self.id.0)].push(session.at, ticket, reply);
        } else {
            session.output.end().extend_from_slice(reply);
        }
    }

    /// The same for a request whose place in the output was kept.
    pub(crate) fn fill_late(&mut self, session: &mut Session, ticket: Ticket, changed: bool, reply: &[u8]) {
        if changed && session.has_gate(gate::DURABLE) && self.logging {
            self.durable[usize::from(self.id.0)].push(session.at, ticket, reply);
        } else {
            session.output.fill(ticket, reply);
            self.settle(session);
        }
    }

    /// Ends a stall that waited for replies, if all are there.
    pub(crate) fn settle(&mut self, session: &mut Session) {
        if session.stall == Some(Stall::Drain) && !session.output.is_waiting() {
            (session.stall, session.is_blocked) = (None, false);
            self.resumable.push(session.at);
        }
    }

    /// Why a request must not be run now, wherever its keys are.
    pub(crate) fn request_refused(
        &self,
        db: DbIndex,
        spec: &Spec,
        args: Args<'_>,
        raw: &[u8],
    ) -> Option<String> {
        let Run::Data(command) = spec.run else { return None };
        match self.place(db, command, spec, args) {
            Place::One(_) => self.write_refused(spec, raw.len()),
            Place::Several(ids) => self.refused_over(db, spec, args, raw, ids.len()),
        }
    }

    /// Runs a request that waited for its partitions, unless it must be refused by now.
    pub(crate) fn run_borrowed(
        &mut self,
        session: &mut Session,
        request: &WireRequest,
        out: &mut Vec<u8>,
    ) -> bool {
        let (args, raw) = (request.args(), request.raw());
        let Lookup::Found(spec) = command::lookup(args) else { return false };
        if let Some(refusal) = self.request_refused(session.db, spec, args, raw) {
            self.stats.note_refused(&refusal);
            Reply::new(out, session.version).error(refusal);
            return false;
        }
        self.run_request(session, args, raw, out)
    }

    /// Runs a request whose partitions are all at hand: inside `EXEC`, or as a task.
    pub(crate) fn run_request(
        &mut self,
        session: &mut Session,
        args: Args<'_>,
        raw: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        let Lookup::Found(spec) = command::lookup(args) else { return false };
        match spec.run {
            Run::Data(command) => {
                let (db, version, access) = (session.db, session.version, session.access());
                let operation = Operation { spec, command, db, args, raw, version, access };
                let changed = match self.place(db, command, spec, args) {
                    // Nothing was borrowed for a request without keys: it is refused, or needs none.
                    Place::One(_) if spec.keys_of(args).next().is_none() => {
                        self.run_over(&[], operation, out)
                    }
                    Place::One(id) => self.run_here(id, operation, out),
                    Place::Several(ids) => self.run_over(&ids, operation, out),
                };
                self.note_reads(self.local_reader_of(session), db, spec, args);
                changed
            }
            Run::Node(command) => self.run_keyspace_command(session, command, args, out),
            Run::Container => false,
        }
    }

    /// Runs an operation the node itself thought of on a partition at hand.
    pub(crate) fn run_own(
        &mut self,
        id: PartitionId,
        db: DbIndex,
        command: DataCommand,
        parts: &[&[u8]],
    ) -> bool {
        let request = WireRequest::encode(parts);
        let (spec, args, raw) = (command.spec(), request.args(), request.raw());
        let version = Version::Resp2;
        self.run_here(
            id,
            Operation { spec, command, db, args, raw, version, access: Access::Untouched },
            &mut Vec::new(),
        )
    }
}

/// Whether a command carries a value from one key to another.
pub(crate) fn carries(spec: &Spec) -> bool {
    use DataCommand as D;
    matches!(spec.run, Run::Data(D::Copy | D::Move | D::Rename | D::RenameNx))
}

/// Whether a command stores what it makes of other keys, so that its words do not tell how much that is.
fn stores_result(spec: &Spec) -> bool {
    use DataCommand as D;
    matches!(
        spec.run,
        Run::Data(
            D::SInterStore
                | D::SUnionStore
                | D::SDiffStore
                | D::SMove
                | D::LMove
                | D::LMoveM
                | D::RPopLPush
                | D::BLMove
                | D::BLMoveM
                | D::BRPopLPush
                | D::ZInterStore
                | D::ZUnionStore
                | D::ZDiffStore
                | D::ZRangeStore
                | D::GeoRadius
                | D::GeoRadiusByMember
                | D::GeoSearchStore
                | D::PfMerge
                | D::NarfPfMerge
                | D::BitOp
        )
    )
}

/// The partitions at hand, to be looked at only.
struct LookedAt<'a>(&'a Worker);

impl KeyspaceSet for LookedAt<'_> {
    fn keyspace_of(&mut self, _: DbIndex, _: &[u8]) -> Option<&mut Keyspace> {
        None
    }

    fn existing(&self, db: DbIndex, key: &[u8]) -> Option<&Keyspace> {
        self.0.place_of(self.0.router.partition(db, key))?.existing(db)
    }
}

/// Whether a command may reach into another database than the selected one, so that it must see both.
fn crosses_databases(command: DataCommand) -> bool {
    matches!(command, DataCommand::Move | DataCommand::Copy)
}

/// The key that `MOVE` or `COPY … DB` writes in another database.
fn other_database(command: DataCommand, args: Args<'_>) -> Option<(DbIndex, &[u8])> {
    let index = |text: &[u8]| DbIndex::new(u8::try_from(parse_i64(text)?).ok()?);
    match command {
        DataCommand::Move => Some((index(args.at(2))?, args.at(1))),
        DataCommand::Copy => {
            let option = (3..args.len()).find(|&at| args.at(at).eq_ignore_ascii_case(b"db"))?;
            Some((index(args.get(option + 1)?)?, args.at(2)))
        }
        _ => None,
    }
}
