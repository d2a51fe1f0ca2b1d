//! What a partition's group with peers needs beside the engine: requests that wait for their entry, and the
//! lease that lets a leader read alone.
//!
//! A write is put into the open batch; the batch becomes one entry; when the entry is committed its operations
//! are applied, here as on every replica, and the leader that made it answers. A read runs at once if the lease
//! holds and its client has no write under way here; else it waits for that write, or for the group to confirm
//! the lead (`reads`).
//!
//! ```text
//!  errand ─▶ batch ─▶ propose ─▶ pending ─▶ committed ─▶ apply ─▶ answers
//!                        │ not leader            │ another entry took its place
//!                        ▼                       ▼
//!                    sent elsewhere       "not applied"
//! ```
//! Invariants: steps of a batch are in the order in which they came; a step is answered once; what is pending is
//! in the log's order. Does not know: sessions, peers' addresses, files.

mod ahead;
mod late;
mod reads;

use std::collections::VecDeque;

use base::{Args, DbIndex, HashMap, Millis, PartitionId};
use command::{DataCommand, Flags, NodeCommand, Run, Spec};
use engine::{Access, Store};
use raft::{Entry, EntryId, Members, Message, MessageKind, Payload, ReadToken, Role};
use resp::{Reply, Version};

use self::ahead::KeysAhead;
use crate::acks::{Acks, Reach};
use crate::errand::{Answers, Dest, Errand, ErrandHead, no_quorum};
use crate::fabric::ELECTION_US;
use crate::fabric_txn::{ExecPlan, count_watches};
use crate::lease::{LEASE_US, Lease};
use crate::operations::{Stamp, each_operation};
use crate::partition::{Partition, Turn};
use crate::scrub::Scrub;
use crate::wire::WireRequest;
use crate::witness::Witnessed;

/// Entries of one leader under way at once; what comes meanwhile is collected for the next, for a round costs the
/// same whatever it carries. A read that is put off goes to the front of the open batch (`reads`), where nothing that its
/// client sent later may be in between: that holds for one only.
const PENDING_MAX: usize = 1;
/// The buffer of a batch that grew beyond twice this is not kept.
const BATCH_BYTES: usize = 1 << 20;
/// Bytes of an entry beside its operations, at most.
const ENTRY_BYTES: usize = 128;

/// One request of a batch.
pub(crate) struct Step {
    head: ErrandHead,
    what: What,
    /// Its answer is a part of the next step's.
    goes_on: bool,
}

enum What {
    /// The next operation of the entry; its bytes in the batch's body.
    Write { start: u32, len: u32 },
    /// Runs when the operations before it have, if the lease holds then: it may have come after the proposal.
    Read(WireRequest),
    /// The same of one that came before: that the entry was decided says that nobody else led until it was proposed.
    EarlyRead(WireRequest),
    /// The same as part of a transaction: its place is that of the entry, whatever has happened since.
    Inside(WireRequest),
    /// What a transaction's answer begins with: it has so many parts.
    Array(usize),
}

/// What is being collected for the next entry.
#[derive(Default)]
struct Batch {
    body: Vec<u8>,
    operations: u32,
    steps: Vec<Step>,
    /// What its clients want beside a majority's word.
    wants: [bool; 2],
    /// Followers are to apply it at once: whether they evict decides what else must go.
    is_urgent: bool,
}

/// An entry that was proposed here and is not applied yet.
struct Pending {
    id: EntryId,
    steps: Vec<Step>,
    /// All replicas are to apply it at once.
    is_urgent: bool,
}

/// Reads that wait for the group to confirm the lead.
struct Confirming {
    token: ReadToken,
    /// Known once it is confirmed: to be applied first.
    index: Option<u64>,
    reads: Vec<Errand>,
}

/// See the module.
pub(crate) struct Replica {
    batch: Batch,
    pending: VecDeque<Pending>,
    /// Writes that wait for a transaction with watches, which waits for all before it.
    line: VecDeque<Errand>,
    /// Who has writes under way, and in which batch the last of them is.
    writers: HashMap<u64, u64>,
    /// Batches closed, and of these resolved.
    closed: u64,
    resolved: u64,
    /// The last entry that is applied.
    pub(crate) applied: EntryId,
    pub(crate) members: Members,
    pub(crate) lease: Lease,
    pub(crate) acks: Acks,
    /// Reads of this turn that the lease does not cover.
    unconfirmed: Vec<Errand>,
    confirming: Vec<Confirming>,
    /// Steady clock, microseconds: when a leader was last heard of.
    pub(crate) heard_leader_us: u64,
    /// The leader's clock when it sent what was last heard of it, to be sent back to it.
    echo: (u64, u64),
    /// Role, term and leader when the node last looked.
    pub(crate) seen: (Option<Role>, u64, Option<u64>),
    /// Steady clock, microseconds: since when it is so.
    pub(crate) seen_since_us: u64,
    /// How many replicas it may lose, as all nodes were told.
    pub(crate) told_may_lose: u8,
    /// Of a leader: up to where followers were told that all is committed.
    pub(crate) told_commit: u64,
    /// Of a leader: what the group's witness was told, if it has one.
    pub(crate) witnessed: Witnessed,
    /// A deletion of lapsed keys is on its way.
    pub(crate) is_expiring: bool,
    /// Bytes of keys whose eviction is on its way; zero if none is.
    pub(crate) evicting: usize,
    /// Keys that were evicted here as the leader had proposed, since they were last counted.
    pub(crate) evicted: u64,
    /// The engine takes no entry at the moment, as while the lead is handed over: asked again with the next step of time.
    is_refused: bool,
    /// Steady clock: until when the leader proposes only what makes room.
    pub(crate) makes_room_until: Millis,
    /// Steady clock: since when nothing new is proposed here, for the lead is about to be handed over.
    pub(crate) parts_since: Option<Millis>,
    /// Steady clock, microseconds: since when this replica leads. Who was just elected has a majority behind it.
    leads_since_us: u64,
    /// The same: when a majority was last known to follow it, while it led, or when it began to.
    led_until_us: u64,
    /// Somebody compares replicas of the partition.
    pub(crate) scrub: Option<Box<Scrub>>,
}

impl Replica {
    pub(crate) fn new(applied: EntryId, members: Members) -> Replica {
        Replica {
            batch: Batch::default(),
            pending: VecDeque::new(),
            line: VecDeque::new(),
            writers: HashMap::default(),
            closed: 0,
            resolved: 0,
            applied,
            members,
            lease: Lease::default(),
            acks: Acks::default(),
            unconfirmed: Vec::new(),
            confirming: Vec::new(),
            heard_leader_us: 0,
            echo: (0, 0),
            seen: (None, 0, None),
            seen_since_us: 0,
            told_may_lose: 0,
            told_commit: 0,
            witnessed: Witnessed::default(),
            is_expiring: false,
            evicting: 0,
            evicted: 0,
            is_refused: false,
            makes_room_until: Millis::default(),
            parts_since: None,
            leads_since_us: 0,
            led_until_us: 0,
            scrub: None,
        }
    }

    /// Bytes of what is collected.
    pub(crate) fn batch_bytes(&self) -> usize {
        self.batch.body.capacity()
    }

    /// Whether something is collected that may be proposed now.
    pub(crate) fn wants_to_propose(&self) -> bool {
        let takes = !self.is_refused && self.parts_since.is_none();
        !self.batch.steps.is_empty() && self.pending.len() < PENDING_MAX && takes
    }

    /// Whether an entry of this leader is not decided yet.
    pub(crate) fn has_entry_under_way(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether requests wait that may have their turn once the group has worked.
    pub(crate) fn has_put_off(&self) -> bool {
        !self.unconfirmed.is_empty() || !self.line.is_empty()
    }

    /// Whether followers may hear of what is committed later than the leader does: with the next entry, or after a step of
    /// time. A message to each for that alone, and its answer, would double what a lone write costs.
    fn may_tell_later(&self) -> bool {
        let has_next = !self.batch.steps.is_empty() && !self.is_refused;
        has_next || !self.pending.iter().any(|pending| pending.is_urgent)
    }

    /// Bytes of the entry that is to be proposed now, if one is.
    pub(crate) fn proposal_bytes(&self) -> Option<usize> {
        self.wants_to_propose().then(|| self.batch.body.len() + ENTRY_BYTES)
    }

    /// Steady clock, microseconds: what is here was not behind then, for a leader was heard of, or this replica led.
    pub(crate) fn fresh_us(&self) -> u64 {
        self.heard_leader_us.max(self.led_until_us)
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        let no_reads = self.unconfirmed.is_empty() && self.confirming.is_empty();
        self.is_caught_up() && self.line.is_empty() && no_reads && !self.acks.is_waiting()
    }

    /// Whether all that was collected is applied.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.batch.steps.is_empty() && self.pending.is_empty()
    }

    /// Whether a client's writes are not all applied.
    fn is_writing(&self, who: u64) -> bool {
        self.writers.get(&who).is_some_and(|&batch| batch > self.resolved)
    }

    fn resolve(&mut self) {
        self.resolved += 1;
        if self.resolved == self.closed && self.batch.steps.is_empty() {
            self.writers.clear();
        }
    }
}

impl Partition {
    /// Takes a write up: into the open batch, or behind a transaction that waits.
    pub(crate) fn take_write(
        &mut self,
        head: ErrandHead,
        args: Args<'_>,
        raw: &[u8],
        now: Millis,
        answers: &mut Answers,
    ) {
        let is_exec = head.spec.run == Run::Node(NodeCommand::NarfExec);
        let must_wait = is_exec && count_watches(args) > 0 && !self.knows_what_is_before();
        if must_wait || !self.replica.line.is_empty() {
            self.replica.writers.insert(head.who, self.replica.closed + 1);
            let request = WireRequest::copy_of(args, raw);
            return self.replica.line.push_back(Errand { head, request });
        }
        match is_exec {
            true => self.batch_exec(head, args, now, answers),
            false => self.batch_write(head, raw),
        }
    }

    /// Whether all is applied here that comes before what is proposed next: what this leader collected, and what those
    /// before it left in the log, which ends with the first entry of its own term.
    fn knows_what_is_before(&self) -> bool {
        self.replica.is_caught_up() && self.replica.applied.term == self.term()
    }

    /// Takes up what waited for a transaction, or for its turn.
    pub(crate) fn serve_line(&mut self, now: Millis, answers: &mut Answers) {
        while let Some(Errand { head, request }) = self.replica.line.front() {
            let is_exec = head.spec.run == Run::Node(NodeCommand::NarfExec);
            if is_exec && count_watches(request.args()) > 0 && !self.knows_what_is_before() {
                break;
            }
            let Some(Errand { head, request }) = self.replica.line.pop_front() else { break };
            if is_exec {
                self.batch_exec(head, request.args(), now, answers);
            } else if head.spec.is_write() {
                self.batch_write(head, request.raw());
            } else {
                self.read_next(head, request);
            }
        }
    }

    /// Puts a transaction into the open batch, whole, unless a watched key has changed.
    fn batch_exec(&mut self, head: ErrandHead, args: Args<'_>, now: Millis, answers: &mut Answers) {
        let Some(plan) = ExecPlan::parse(args) else {
            return answers.error(&head, "ERR malformed transaction");
        };
        if plan.watches.iter().any(|(db, key, value)| self.value_digest(*db, key, now) != *value) {
            Reply::new(answers.buffer(), head.version).null_array();
            return answers.seal(head.dest);
        }
        self.replica.batch_reads_of(head.who);
        let requests = plan.requests;
        let inner = |db, spec| ErrandHead { dest: Dest::Nobody, db, spec, ..head };
        let steps = &mut self.replica.batch.steps;
        let goes_on = !requests.is_empty();
        steps.push(Step {
            head: if goes_on { inner(head.db, head.spec) } else { head },
            what: What::Array(requests.len()),
            goes_on,
        });
        let last = requests.len().saturating_sub(1);
        for (number, (db, spec, request)) in requests.into_iter().enumerate() {
            if spec.is_write() {
                self.batch_write(inner(db, spec), request.raw());
            } else {
                let (head, what) = (inner(db, spec), What::Inside(request));
                self.replica.batch.steps.push(Step { head, what, goes_on: true });
            }
            if let Some(step) = self.replica.batch.steps.last_mut() {
                step.goes_on = number != last;
                if number == last {
                    step.head.dest = head.dest;
                    step.head.deadline = head.deadline;
                }
            }
        }
        self.replica.writers.insert(head.who, self.replica.closed + 1);
    }

    /// What tells a key's value from others: empty if there is none.
    pub(crate) fn value_digest(&self, db: DbIndex, key: &[u8], now: Millis) -> Vec<u8> {
        let now = now.max(self.last_time);
        let digest = self.existing(db).and_then(|keyspace| keyspace.digest_value(key, now));
        digest.map_or_else(Vec::new, |digest| digest.to_le_bytes().to_vec())
    }

    /// Puts a write into the open batch.
    pub(crate) fn batch_write(&mut self, head: ErrandHead, raw: &[u8]) {
        debug_assert!(head.spec.is_write() && matches!(head.spec.run, Run::Data(_)), "{}", head.spec.name);
        let replica = &mut self.replica;
        replica.batch_reads_of(head.who);
        let (db, who) = (head.db, head.who);
        replica.batch.body.push(db.number());
        let start = replica.batch.body.len() as u32;
        replica.batch.body.extend_from_slice(raw);
        if let Some(reach) = Reach::of(head.ack) {
            replica.batch.wants[reach as usize] = true;
            replica.batch.is_urgent |= reach == Reach::Applied;
        }
        replica.batch.is_urgent |= head.spec.run == Run::Data(DataCommand::NarfEvict);
        replica.batch.operations += 1;
        replica.batch.steps.push(Step {
            head,
            what: What::Write { start, len: raw.len() as u32 },
            goes_on: false,
        });
        replica.writers.insert(who, replica.closed + 1);
    }

    /// Puts an operation that the node itself thought of into the open batch.
    pub(crate) fn batch_own(&mut self, db: DbIndex, spec: &'static Spec, parts: &[&[u8]]) {
        let request = WireRequest::encode(parts);
        self.batch_write(ErrandHead::own(self.id, db, spec), request.raw());
    }

    /// Whether this replica leads and may read without asking: nobody else can have been elected.
    pub(crate) fn may_read(&self, now_us: u64) -> bool {
        let term = self.group.hard_state().term;
        let lease = &self.replica.lease;
        #[cfg(narf_plant)]
        if base::plant::is(base::plant::Plant::StaleLease) {
            return self.replica.applied.term == term;
        }
        self.replica.applied.term == term
            && lease.off_in_term != term
            && lease.since(self.group.node(), &self.replica.members, now_us) + LEASE_US > now_us
    }

    /// Whether a majority was heard of lately, so that what is proposed has a chance.
    pub(crate) fn has_quorum(&self, now_us: u64) -> bool {
        let since = self.replica.lease.since(self.group.node(), &self.replica.members, now_us);
        since.max(self.replica.leads_since_us) + 2 * ELECTION_US > now_us
    }

    /// Closes the open batch: it becomes an entry. Gives back what could not be proposed.
    pub(crate) fn propose_batch(&mut self, turn: &mut Turn<'_>) -> Vec<Errand> {
        let time = self.time(turn.now);
        let replica = &mut self.replica;
        let stamp = Stamp { time, seed: turn.random.next_u64(), operations: replica.batch.operations };
        let data = stamp.encode(&replica.batch.body);
        let told_commit = self.group.hard_state().commit;
        let result = self.group.propose(data);
        if result.is_err() && self.group.is_leader() {
            replica.is_refused = true;
            return Vec::new();
        }
        let steps = std::mem::take(&mut replica.batch.steps);
        replica.batch.operations = 0;
        let wants = std::mem::take(&mut replica.batch.wants);
        let is_urgent = std::mem::take(&mut replica.batch.is_urgent);
        replica.closed += 1;
        match result {
            Ok(id) => {
                Reach::ALL
                    .into_iter()
                    .filter(|reach| wants[*reach as usize])
                    .for_each(|r| replica.acks.want(r, id));
                replica.pending.push_back(Pending { id, steps, is_urgent });
                replica.told_commit = told_commit;
                replica.batch.body.clear();
                if replica.batch.body.capacity() > BATCH_BYTES * 2 {
                    replica.batch.body = Vec::new();
                }
                Vec::new()
            }
            Err(_) => {
                let body = std::mem::take(&mut replica.batch.body);
                replica.resolve();
                errands_of(steps, &body)
            }
        }
    }

    /// A step of time, for its group as well unless that is quiet: what the engine refused, or forgot, is tried again.
    pub(crate) fn tick(&mut self, group_too: bool, now_us: u64) {
        if group_too {
            self.group.tick();
        }
        self.tell_commit(now_us);
        self.replica.is_refused = false;
        let last = self.group.last();
        self.replica.acks.want_again(last);
        self.confirm_again();
    }

    /// The same for a replica that must not stand for election.
    pub(crate) fn stand_still(&mut self, now_us: u64) {
        self.group.stand_still(self.replica.heard_leader_us + ELECTION_US < now_us);
    }

    /// Applies a committed entry and answers those who wait for it here. False if it holds something that this
    /// version does not know; nothing more must be applied then.
    pub(crate) fn apply(&mut self, entry: &Entry, turn: &mut Turn<'_>, answers: &mut Answers) -> bool {
        #[cfg(narf_plant)]
        if entry.id.index <= self.replica.applied.index {
            return true;
        }
        if self.replica.scrub.is_some() {
            self.begin_scrub();
        }
        let steps = self.resolve_up_to(entry.id, answers);
        self.replica.applied = entry.id;
        if self.group.is_witness() {
            return true;
        }
        // Who proposed it tells what it did; who leads after that does not say it again.
        let tells = self.group.is_leader() && entry.id.term == self.term();
        #[cfg(narf_plant)]
        let tells = crate::planted::tells(tells);
        // An answer of the group may be old by now: what is read must be covered by the lease all the same.
        let may_read = self.group.is_leader() && self.may_read(turn.mono_us);
        let Payload::Data(data) = &entry.payload else { return true };
        let Some((stamp, body)) = Stamp::decode(data) else { return false };
        #[cfg(narf_plant)]
        let stamp = crate::planted::restamp(stamp, turn.now);
        let mut steps = steps.into_iter();
        let mut keys = KeysAhead::new();
        let known = each_operation(&body, stamp.operations, &mut |operation| {
            let step = self.run_reads_until_write(&mut steps, may_read, stamp.time, turn, answers);
            let head = step.as_ref().map(|step| step.head);
            // A follower notes what was written: it may have to choose one day.
            let (version, access) = head.map_or((Version::Resp2, Access::Noted), |h| (h.version, h.access));
            let hashed = keys.of(self, operation.number, operation.rest, stamp.operations);
            let (keyspace, ledger) = self.keyspace_and_ledger(operation.db);
            let before = keyspace.len();
            let mut store = Store::new(keyspace, operation.db, stamp.time, stamp.seed_of(operation.number));
            store.hashed = hashed;
            (store.access, store.notes_counts, store.ledger) = (access, true, Some(ledger));
            store.events = turn.events.if_wanted().filter(|_| tells);
            let out = answers.buffer();
            let start = out.len();
            let has_failed =
                engine::execute(operation.command, operation.args, &mut store, &mut Reply::new(out, version));
            if let Some(head) = head.filter(|_| has_failed) {
                turn.stats.note_failed(head.spec, answers.buffer());
            }
            if let Some(head) = head.filter(|head| head.spec.flags.contains(Flags::BLOCKING)) {
                self.note_outcome(&head, &answers.buffer()[start..]);
            }
            if operation.command == DataCommand::NarfExpire {
                self.replica.is_expiring = false;
            }
            if operation.command == DataCommand::NarfEvict && head.is_some() {
                let after = self.keyspace(operation.db).len();
                self.replica.evicting = 0;
                self.replica.evicted += before.saturating_sub(after) as u64;
            }
            self.settle_changes(head.map_or(0, |head| head.who));
            if !step.is_some_and(|step| step.goes_on) {
                self.replica.acks.seal(head.as_ref(), entry.id.index, answers);
            }
        });
        self.run_reads_until_write(&mut steps, may_read, stamp.time, turn, answers);
        self.last_time = self.last_time.max(stamp.time);
        known
    }

    /// Runs the reads at the front of `steps`; the head of the write behind them.
    fn run_reads_until_write(
        &mut self,
        steps: &mut std::vec::IntoIter<Step>,
        may_read: bool,
        time: Millis,
        turn: &mut Turn<'_>,
        answers: &mut Answers,
    ) -> Option<Step> {
        for step in steps.by_ref() {
            let Step { head, what, goes_on } = step;
            let is_inside = matches!(what, What::Inside(_));
            match what {
                What::Write { .. } => return Some(Step { head, what, goes_on }),
                What::Read(request) if !may_read => {
                    self.replica.put_off(head, request);
                    continue;
                }
                What::Read(request) | What::EarlyRead(request) | What::Inside(request) => {
                    self.read(&head, request.args(), time, turn, answers.buffer());
                }
                What::Array(len) => Reply::new(answers.buffer(), head.version).array(len),
            }
            match goes_on {
                true => {}
                // It ends a transaction, which may have written.
                false if is_inside => {
                    self.replica.acks.seal(Some(&head), self.replica.applied.index, answers)
                }
                false => answers.seal(head.dest),
            }
        }
        None
    }

    /// A leader's snapshot took the place of the entries up to `index`: nobody here knows what became of ours.
    pub(crate) fn passed_over(&mut self, index: u64, answers: &mut Answers) {
        while let Some(pending) = self.replica.pending.pop_front_if(|p| p.id.index <= index) {
            self.replica.resolve();
            for step in pending.steps.iter().filter(|step| !step.goes_on) {
                answers.error(&step.head, &step.lost(self.id));
            }
        }
    }

    /// The steps of the entry being applied. Those whose place it has taken are told that they were not applied; so are
    /// those that had a place behind it and are of an earlier term: a leader that lost the end of its log and leads again
    /// would wait for ever for what is no longer in it.
    fn resolve_up_to(&mut self, id: EntryId, answers: &mut Answers) -> Vec<Step> {
        while let Some(pending) = self.replica.pending.pop_front_if(|p| p.id.is_decided_by(id)) {
            self.replica.resolve();
            if pending.id == id {
                return pending.steps;
            }
            for step in pending.steps.into_iter().filter(|step| !step.goes_on) {
                let text =
                    format!("CLUSTERDOWN partition {} changed its leader, write not applied", self.id.0);
                answers.error(&step.head, &text);
            }
        }
        Vec::new()
    }

    /// Runs a read on what is applied here.
    pub(crate) fn read(
        &mut self,
        head: &ErrandHead,
        args: Args<'_>,
        now: Millis,
        turn: &mut Turn<'_>,
        out: &mut Vec<u8>,
    ) {
        let mut reply = Reply::new(out, head.version);
        match head.spec.run {
            Run::Data(command) => {
                let keyspace = self.keyspace(head.db);
                let mut store = Store::new(keyspace, head.db, now, turn.random.next_u64());
                store.access = head.access;
                store.events = turn.events.if_wanted();
                if engine::execute(command, args, &mut store, &mut reply) {
                    turn.stats.note_failed(head.spec, out);
                }
                self.note_read(head, args);
            }
            Run::Node(command) => self.read_whole(command, head.db, args, now, turn.random, &mut reply),
            Run::Container => reply.error("ERR not a request for one partition"),
        }
    }

    /// Deletes, through the group, keys that were found lapsed; on a follower that is its leader's business.
    pub(crate) fn sweep_replica(&mut self) {
        let dbs: Vec<DbIndex> =
            self.keyspaces().filter(|(_, keyspace)| keyspace.has_lapsed()).map(|(db, _)| db).collect();
        for db in dbs {
            let keys = self.keyspace(db).take_lapsed();
            self.batch_expire(db, &keys);
        }
    }

    /// Proposes the deletion of `keys`, if none is on its way already; how many.
    pub(crate) fn batch_expire(&mut self, db: DbIndex, keys: &[Box<[u8]>]) -> usize {
        if !self.group.is_leader() || self.replica.is_expiring || keys.is_empty() {
            return 0;
        }
        self.replica.is_expiring = true;
        let mut parts: Vec<&[u8]> = vec![b"narf.expire"];
        parts.extend(keys.iter().map(|key| &**key));
        self.batch_own(db, DataCommand::NarfExpire.spec(), &parts);
        keys.len()
    }

    // ---- peers --------------------------------------------------------------------------------------------

    /// A message of a peer. `stamp_us` is the sender's clock, or, if it answers us, ours when we asked.
    pub(crate) fn step(
        &mut self,
        stamp_us: u64,
        message: Message,
        now_us: u64,
    ) -> Result<(), raft::StepError> {
        let (kind, from, term) = (message.kind(), message.from(), message.term());
        self.group.say_commits_later(self.replica.may_tell_later());
        self.group.step(message)?;
        let is_current = term == self.group.hard_state().term;
        match kind {
            MessageKind::Append | MessageKind::Heartbeat | MessageKind::Snapshot if is_current => {
                self.replica.echo = (from, stamp_us);
                self.replica.heard_leader_us = now_us;
            }
            MessageKind::AppendResponse | MessageKind::HeartbeatResponse
                // A stamp of the future is of an earlier life, whose clock began elsewhere.
                if is_current && self.group.is_leader() && stamp_us <= now_us =>
            {
                self.replica.lease.hear(from, stamp_us);
            }
            _ => {}
        }
        Ok(())
    }

    /// The stamp that goes with a message to a peer.
    pub(crate) fn stamp_for(&self, message: &Message, now_us: u64) -> u64 {
        match message.kind() {
            MessageKind::AppendResponse | MessageKind::HeartbeatResponse => match self.replica.echo {
                (leader, stamp) if leader == message.to() => stamp,
                _ => 0,
            },
            _ => now_us,
        }
    }

    /// The way to a peer is gone: what it said last is of a life that may be over.
    pub(crate) fn forget_echo(&mut self, peer: u64) {
        if self.replica.echo.0 == peer {
            self.replica.echo = (0, 0);
        }
    }

    /// The role changed: a new leader knows nothing of its followers yet, an old one sends on what it collected.
    pub(crate) fn role_changed(&mut self, has_led: bool, now_us: u64, answers: &mut Answers) -> Vec<Errand> {
        if has_led {
            let followed = self.replica.lease.since(self.group.node(), &self.replica.members, now_us);
            self.replica.led_until_us = self.replica.led_until_us.max(followed);
        }
        self.replica.lease.reset();
        self.replica.acks.reset(self.id, answers);
        self.send_away(answers);
        (self.replica.is_expiring, self.replica.is_refused, self.replica.evicting) = (false, false, 0);
        if self.group.is_leader() {
            self.replica.told_commit = 0;
            (self.replica.leads_since_us, self.replica.led_until_us) = (now_us, now_us);
            self.replica.witnessed = Witnessed::of_new_leader(self.group.last());
            return self.waiters.held.take_all().collect();
        }
        self.shorten_pending(now_us / 1000);
        self.give_up_collected()
    }

    /// This replica goes. Whoever waits for an entry cannot know what becomes of it; the rest is served elsewhere.
    pub(crate) fn let_go(&mut self, answers: &mut Answers) -> Vec<Errand> {
        self.replica.acks.reset(self.id, answers);
        self.send_away(answers);
        self.passed_over(u64::MAX, answers);
        self.give_up_collected()
    }

    /// What is not proposed yet, and reads, for others to serve.
    fn give_up_collected(&mut self) -> Vec<Errand> {
        let batch = self.give_up_batch();
        let held = self.waiters.held.take_all();
        let replica = &mut self.replica;
        // A client's reads came before what it has in the batch, and that before what is in the line.
        let confirming = std::mem::take(&mut replica.confirming).into_iter().flat_map(|c| c.reads);
        confirming
            .chain(replica.unconfirmed.drain(..))
            .chain(batch)
            .chain(replica.line.drain(..))
            .chain(held)
            .collect()
    }

    /// Empties the open batch; what was in it.
    pub(crate) fn give_up_batch(&mut self) -> Vec<Errand> {
        let replica = &mut self.replica;
        let Batch { body, steps, .. } = std::mem::take(&mut replica.batch);
        (replica.is_expiring, replica.evicting) = (false, 0);
        if !steps.is_empty() {
            replica.closed += 1;
            replica.resolve();
        }
        errands_of(steps, &body)
    }
}

impl Step {
    /// What is said of it when its entry did not come back.
    fn lost(&self, id: PartitionId) -> String {
        #[cfg(narf_plant)]
        if base::plant::is(base::plant::Plant::DeniedOutcome) {
            return no_quorum(id);
        }
        match self.what {
            What::Write { .. } | What::Inside(_) | What::Array(_) => format!(
                "UNKNOWNOUTCOME partition {} did not confirm it, the write may or may not be applied",
                id.0
            ),
            What::Read(_) | What::EarlyRead(_) => no_quorum(id),
        }
    }
}

/// The requests of a batch that was not proposed, to be sent on. `body` is that of the batch.
fn errands_of(steps: Vec<Step>, body: &[u8]) -> Vec<Errand> {
    let mut errands = Vec::new();
    // Of a transaction, its parts so far: database and request.
    let mut parts: Vec<Vec<u8>> = Vec::new();
    let mut is_exec = false;
    for Step { head, what, goes_on } in steps {
        let request = match what {
            What::Read(request) | What::EarlyRead(request) | What::Inside(request) => request,
            What::Write { start, len } => {
                WireRequest::parse(&body[start as usize..][..len as usize]).unwrap_or_default()
            }
            What::Array(_) => {
                (is_exec, parts) = (true, vec![b"narf.exec".to_vec(), b"0".to_vec()]);
                if goes_on {
                    continue;
                }
                WireRequest::default()
            }
        };
        if !is_exec {
            // What a node thought of by itself is for itself: who leads next has a limit of its own.
            errands.extend((head.dest != Dest::Nobody).then_some(Errand { head, request }));
            continue;
        }
        if request != WireRequest::default() {
            parts.push(head.db.number().to_string().into_bytes());
            parts.push(request.raw().to_vec());
        }
        if !goes_on {
            let words: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            let head = ErrandHead { spec: NodeCommand::NarfExec.spec(), ..head };
            errands.push(Errand { head, request: WireRequest::encode(&words) });
            is_exec = false;
        }
    }
    errands
}
