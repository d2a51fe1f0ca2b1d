//! A client's request where partitions may be led by other nodes: read here if that is safe, else sent on its way.

use base::{AckLevel, Args, DbIndex, PartitionId};
use command::{DataCommand, Flags, NodeCommand, Spec};
use resp::Reply;

use crate::data::Place;
use crate::dispatch::Taken;
use crate::errand::ErrandHead;
use crate::fabric::split;
use crate::fabric_txn::ExecPlan;
use crate::numbered::asked_spec;
use crate::partition::Operation;
use crate::read_level::ReadLevel;
use crate::scatter::CROSS_SLOT;
use crate::session::{Session, Stall};
use crate::worker::Worker;

/// Why a `SORT` must not be run where keys of database 0 may be on other nodes: patterns must name keys of the slot of
/// the sorted key.
fn sort_refused(db: DbIndex, command: DataCommand, args: Args<'_>) -> Option<String> {
    if !matches!(command, DataCommand::Sort | DataCommand::SortRo) || db != DbIndex::ZERO {
        return None;
    }
    let slot = base::slot_of(args.at(1));
    let elsewhere = engine::sort_patterns(args).find(|pattern| pattern.slot() != Some(slot))?;
    let option = elsewhere.option;
    Some(format!(
        "ERR {option} option of SORT denied in cluster mode when keys formed by the pattern may be in different slots."
    ))
}

/// Requests of one client under way; it is read no further until some are answered.
pub(crate) const UNDER_WAY_MAX: usize = 8192;

impl Worker {
    /// Runs a request for keys, wherever they are.
    pub(crate) fn run_spread(
        &mut self,
        session: &mut Session,
        command: DataCommand,
        spec: &'static Spec,
        args: Args<'_>,
        raw: &[u8],
    ) -> Taken {
        if session.output.waiting() >= UNDER_WAY_MAX {
            session.stall = Some(Stall::Drain);
            return Taken::Later;
        }
        if let Some(refusal) = sort_refused(session.db, command, args) {
            self.stats.note_refused(&refusal);
            Reply::new(session.output.end(), session.version).error(refusal);
            return Taken::Done;
        }
        match self.place(session.db, command, spec, args) {
            Place::One(id) if spec.is_write() || !self.read_here(session, id, spec, args) => {
                self.send_for(session, id, spec, args, raw);
            }
            Place::One(_) => {}
            Place::Several(ids) => match spec.split {
                _ if ids.len() == 1 => self.send_for(session, ids[0], spec, args, raw),
                Some(split) if split.fits(spec, args.len()) => {
                    self.scatter_keys(session, spec, split, args, None);
                }
                // One partition tells what is wrong with it.
                Some(_) => self.send_for(session, ids[0], spec, args, raw),
                None => {
                    self.stats.note_refused(CROSS_SLOT);
                    Reply::new(session.output.end(), session.version).error(CROSS_SLOT);
                }
            },
        }
        Taken::Done
    }

    /// Answers a read at once if this worker's replica leads beyond doubt and nothing of this client is under way
    /// there; whether it did.
    fn read_here(
        &mut self,
        session: &mut Session,
        id: PartitionId,
        spec: &'static Spec,
        args: Args<'_>,
    ) -> bool {
        if session.output.is_waiting() || session.reads == ReadLevel::Linear {
            return false;
        }
        let reader = self.local_reader_of(session);
        let (mut turn, places, fabric) = split(self);
        let Some(partition) = places[usize::from(id.0)].partition.as_deref_mut() else { return false };
        if partition.group.is_lone() {
            let command::Run::Data(command) = spec.run else { return false };
            let (db, version, access) = (session.db, session.version, session.access());
            // A read is not logged, so its wire form is of no use.
            let operation = Operation { spec, command, db, args, raw: b"", version, access };
            self.run_here(id, operation, session.output.end());
            self.note_reads(reader, db, spec, args);
            return true;
        }
        if !partition.leads() || !partition.may_read(turn.mono_us) {
            return false;
        }
        let mut head = ErrandHead::own(id, session.db, spec);
        head.version = session.version;
        head.access = session.access();
        head.reader = reader;
        let time = partition.time(turn.now);
        partition.read(&head, args, time, &mut turn, session.output.end());
        if partition.has_lapsed() {
            partition.sweep_replica();
            fabric.stir(id);
        }
        if reader.is_some() {
            self.settle_trackers(id);
        }
        true
    }

    /// Answers a read with what a replica here has applied, however long ago its leader was heard; whether there is one.
    /// A leader answers as ever.
    pub(crate) fn read_stale(&mut self, head: &ErrandHead, args: Args<'_>) -> bool {
        let id = head.partition;
        if self.fabric.transfers.is_busy_with(id) {
            return false;
        }
        let (mut turn, places, fabric) = split(self);
        let Some(partition) = places[usize::from(id.0)].partition.as_deref_mut() else { return false };
        let has_data = !partition.group.is_witness() && partition.applied() != raft::EntryId::default();
        if partition.group.is_lone() || partition.group.is_leader() || !has_data {
            return false;
        }
        let time = partition.time(turn.now);
        partition.read(head, args, time, &mut turn, fabric.answers.buffer());
        fabric.answers.seal(head.dest);
        self.stats.stale_reads += 1;
        if head.reader.is_some() {
            self.settle_trackers(id);
        }
        true
    }

    /// How long ago a replica here heard of its leader, of the one that has waited longest.
    pub(crate) fn replica_age_ms(&self) -> u64 {
        let replicas = self.places.iter().filter_map(|place| place.partition.as_deref());
        let follows = |p: &&crate::partition::Partition| {
            !p.group.is_lone() && !p.group.is_leader() && !p.group.is_witness()
        };
        let followers = replicas.filter(follows);
        let ages = followers.map(|p| self.now.mono_us.saturating_sub(p.replica.fresh_us()) / 1000);
        ages.max().unwrap_or(0)
    }

    /// A partition that has no other replicas: as on a lone node.
    pub(crate) fn serve_alone(&mut self, head: &ErrandHead, args: Args<'_>, raw: &[u8]) {
        let mut out = std::mem::take(&mut self.scratch);
        let changed = match self.finds_nothing(head, args) {
            true => {
                Reply::new(&mut out, head.version).null_array();
                false
            }
            false => self.run_alone(head, args, raw, &mut out),
        };
        self.answer_alone(head, changed, &out);
        if let Some(partition) = self.partition_mut(head.partition) {
            if head.spec.flags.contains(Flags::BLOCKING) {
                partition.note_outcome(head, &out);
            }
            if partition.has_stirred_waiters() {
                self.stirred_waiters.push(head.partition);
            }
        }
        out.clear();
        self.scratch = out;
    }

    /// Answers what ran on a partition without other replicas, once it is as safe as its client wants it.
    pub(crate) fn answer_alone(&mut self, head: &ErrandHead, changed: bool, answer: &[u8]) {
        if changed && head.ack == AckLevel::Durable && self.logging {
            self.fabric.own_answers.push((u64::MAX, head.dest, answer.into()));
            self.outbox.sync = true;
        } else {
            self.fabric.answers.push(head.dest, answer);
        }
    }

    /// Runs an errand on a partition that this node has alone; whether it changed something.
    pub(crate) fn run_alone(
        &mut self,
        head: &ErrandHead,
        args: Args<'_>,
        raw: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        let &ErrandHead { spec, db, version, access, partition: id, reader, .. } = head;
        self.acting = head.who;
        if let Some(refusal) = self.refused_by_memory(spec, args) {
            Reply::new(out, version).error(refusal);
            return false;
        }
        if let Some(refusal) = self.write_refused(asked_spec(spec, args), raw.len()) {
            Reply::new(out, version).error(refusal);
            return false;
        }
        match spec.run {
            command::Run::Data(command) => {
                let operation = Operation { spec, command, db, args, raw, version, access };
                let changed = self.run_here(id, operation, out);
                self.note_reads(reader, db, spec, args);
                changed
            }
            command::Run::Node(NodeCommand::NarfExec) => self.exec_alone(head, args, out),
            command::Run::Node(_) | command::Run::Container => {
                let (mut turn, places) = self.turn_and_places();
                if let Some(partition) = places[usize::from(id.0)].partition.as_deref_mut() {
                    let time = partition.time(turn.now);
                    partition.read(head, args, time, &mut turn, out);
                }
                false
            }
        }
    }

    /// Runs a transaction on a partition that this node has alone; whether it changed something.
    fn exec_alone(&mut self, head: &ErrandHead, args: Args<'_>, out: &mut Vec<u8>) -> bool {
        let (id, version, access, now) = (head.partition, head.version, head.access, self.now.millis());
        let Some(partition) = self.partition_mut(id) else { return false };
        let now = partition.time(now);
        let plan = match ExecPlan::parse(args) {
            Some(plan)
                if plan
                    .watches
                    .iter()
                    .all(|(db, key, value)| partition.value_digest(*db, key, now) == *value) =>
            {
                plan
            }
            Some(_) => {
                Reply::new(out, version).null_array();
                return false;
            }
            None => {
                Reply::new(out, version).error("ERR malformed transaction");
                return false;
            }
        };
        Reply::new(out, version).array(plan.requests.len());
        let mut changed = false;
        for (db, spec, request) in plan.requests {
            let command::Run::Data(command) = spec.run else { continue };
            let (args, raw) = (request.args(), request.raw());
            changed |= self.run_here(id, Operation { spec, command, db, args, raw, version, access }, out);
            self.note_reads(head.reader, db, spec, args);
        }
        changed
    }

    /// Puts an answer that came late where its client waits for it.
    pub(crate) fn fill_one(
        &mut self,
        at: crate::session::SessionRef,
        ticket: crate::output::Ticket,
        answer: &[u8],
    ) {
        let Some(mut session) = self.sessions.take(at.token) else { return };
        if session.at.conn == at.conn {
            self.fill_ticket(&mut session, ticket, answer);
            self.queue_send(&mut session);
        }
        self.sessions.put_back(session);
    }

    /// The same for a session that is at hand.
    pub(crate) fn fill_ticket(
        &mut self,
        session: &mut Session,
        ticket: crate::output::Ticket,
        answer: &[u8],
    ) {
        // While a transaction is pending, all that is still to come is a part of its reply.
        match &mut session.exec {
            Some(pending) => pending.output.fill(ticket, answer),
            None => session.output.fill(ticket, answer),
        }
        self.settle_exec(session);
        self.settle(session);
    }
}
