//! One partition as a node holds it: its group's place in the log, its keyspaces, and the entry being filled.
//!
//! All writes go one way: the operation is applied and put into the open entry, the turn's end closes the entry,
//! and the shell appends it before anyone hears of it. A lone voter may do it in that order because nothing
//! leaves the node between the two; a group of several proposes first and applies what was committed
//! (`replica`).
//!
//! Invariants: an operation is in the log exactly if it changed something; the time of entries never goes back;
//! replaying the log over the state it began with gives this state. Does not know: sessions, workers, files.

use base::{Args, DbIndex, KeyHasher, Millis, PartitionId, Random};
use command::{DataCommand, Spec};
use engine::{Access, Clocks, Events, Hashed, Keyspace, Ledger, Store};
use raft::{EntryId, Group, Members};
use resp::{Reply, Version, write_request};

use crate::entry::{EntryError, EntryHeader, HEADER_LEN, write_entries, write_entry, write_state};
use crate::operations::seed_of;
use crate::replica::Replica;
use crate::settings::Settings;
use crate::stats::Stats;
use crate::trackers::Trackers;
use crate::waiters::Waiters;
use crate::wire::WireRequest;

/// The buffer of an entry that grew beyond this is not kept: there is one for each partition.
const BODY_KEPT: usize = 64 << 10;
/// The most that the wire form of a word takes beside its bytes, and that of a request beside its words.
pub(crate) const ROOM_PER_WORD: usize = 16;
/// See [`ROOM_PER_WORD`]; the database's number and the words that the node adds included.
pub(crate) const ROOM_PER_REQUEST: usize = 80;

/// What is kept of numbered requests is written in pieces of about so many bytes.
pub(crate) const LEDGER_PIECE: usize = 64 << 10;

/// What a partition holds: all that entries change.
pub(crate) struct Content {
    /// By database; that of the first is database 0.
    pub(crate) keyspaces: Vec<(DbIndex, Keyspace)>,
    pub(crate) ledger: Ledger,
}

impl Content {
    pub(crate) fn empty(hasher: KeyHasher) -> Content {
        Content { keyspaces: vec![(DbIndex::ZERO, Keyspace::new(hasher))], ledger: Ledger::default() }
    }
}

/// What every operation of a turn shares.
pub(crate) struct Turn<'a> {
    pub(crate) now: Millis,
    pub(crate) random: &'a mut Random,
    /// Where it is noted which requests failed.
    pub(crate) stats: &'a mut Stats,
    /// Where it is noted what happens to keys.
    pub(crate) events: &'a mut Events,
    pub(crate) logging: bool,
    /// Bytes the log can still take in this turn: what can wait is left for later when they run short.
    pub(crate) room: usize,
    /// Steady clock, microseconds.
    pub(crate) mono_us: u64,
    /// A key whose hash is known.
    pub(crate) hashed: Hashed,
}

/// A request about to run.
#[derive(Clone, Copy)]
pub(crate) struct Operation<'a> {
    pub(crate) spec: &'static Spec,
    pub(crate) command: DataCommand,
    pub(crate) db: DbIndex,
    pub(crate) args: Args<'a>,
    /// Wire form, for the log.
    pub(crate) raw: &'a [u8],
    pub(crate) version: Version,
    /// Whether keys note that they were used: not for `CLIENT NO-TOUCH`.
    pub(crate) access: Access,
}

/// The entry of this turn.
#[derive(Default)]
struct OpenEntry {
    body: Vec<u8>,
    operations: u32,
    seed: u64,
    time: Millis,
    open: bool,
}

/// What recovery could not do with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The bytes are not what was written.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// An entry is missing.
    #[error(
        "partition {partition}: entry {found} follows {last} in the log; entries between them are missing"
    )]
    Gap {
        /// The partition's number.
        partition: u16,
        /// Last entry there was.
        last: u64,
        /// The one that came.
        found: u64,
    },
    /// An operation is not a request this version knows.
    #[error(
        "partition {partition}: entry {index} holds an operation this version does not know; use the version that wrote it"
    )]
    Operation {
        /// The partition's number.
        partition: u16,
        /// The entry.
        index: u64,
    },
}

/// One partition.
pub struct Partition {
    pub(crate) id: PartitionId,
    pub(crate) group: Group,
    /// What a group with peers needs beside the engine; unused while this is a lone voter.
    pub(crate) replica: Replica,
    hasher: KeyHasher,
    main: Keyspace,
    /// Databases 1 to 15 that live here and were ever used.
    others: Vec<(DbIndex, Keyspace)>,
    /// What is kept of numbered requests.
    ledger: Ledger,
    limits: engine::Limits,
    clocks: Clocks,
    /// Keyspaces note the keys they touch, also those made meanwhile.
    collecting: bool,
    /// What [`Partition::changes`] was when an operation over several partitions began.
    changes_before: u64,
    entry: OpenEntry,
    /// Clients that wait for keys, while it is served here.
    pub(crate) waiters: Waiters,
    /// Clients that keep in a cache what they read here.
    pub(crate) trackers: Trackers,
    pub(crate) last_time: Millis,
}

impl Partition {
    /// A partition as start-up, or a leader's snapshot, made it.
    pub(crate) fn recovered(
        id: PartitionId,
        group: Group,
        hasher: KeyHasher,
        content: Content,
        (last, last_time): (EntryId, Millis),
        members: Members,
    ) -> Partition {
        let mut keyspaces = content.keyspaces.into_iter();
        let main = keyspaces.next().map_or_else(|| Keyspace::new(hasher), |(_, keyspace)| keyspace);
        Partition {
            id,
            group,
            replica: Replica::new(last, members),
            hasher,
            main,
            others: keyspaces.collect(),
            ledger: content.ledger,
            limits: engine::Limits::REDIS,
            clocks: Clocks::Time,
            collecting: false,
            changes_before: 0,
            entry: OpenEntry::default(),
            waiters: Waiters::default(),
            trackers: Trackers::default(),
            last_time,
        }
    }

    /// A replica that knows nothing yet: its leader sends it what there is.
    pub(crate) fn joining(id: PartitionId, group: Group, hasher: KeyHasher) -> Partition {
        let nothing = (EntryId::default(), Millis::default());
        Partition::recovered(id, group, hasher, Content::empty(hasher), nothing, Members::default())
    }

    /// Makes the engine of a lone group: others are to join. All that was logged alone is committed and applied.
    pub(crate) fn wake(&mut self) {
        self.replica.applied = self.group.last();
        self.replica.members = Members::lone(self.group.node());
        self.group.wake();
    }

    /// The last entry whose effect is here.
    pub(crate) fn applied(&self) -> EntryId {
        if self.group.is_lone() { self.group.last() } else { self.replica.applied }
    }

    /// Writes into the log again what a checkpoint of this moment does not hold, so that what is before it may go.
    pub(crate) fn log_again(&self, frame: &mut Vec<u8>) {
        let hard = self.group.hard_state();
        write_entries(frame, self.id, &self.group.unapplied());
        write_state(frame, self.id, hard.term, hard.vote, hard.commit);
    }

    /// Whether keys were found past their deadline.
    pub(crate) fn has_lapsed(&self) -> bool {
        self.keyspaces().any(|(_, keyspace)| keyspace.has_lapsed())
    }

    /// Takes over what a leader's snapshot holds, in place of everything.
    pub(crate) fn replace(&mut self, content: Content, last_time: Millis) {
        let mut keyspaces = content.keyspaces.into_iter();
        self.ledger = content.ledger;
        self.main = keyspaces.next().map_or_else(|| Keyspace::new(self.hasher), |(_, keyspace)| keyspace);
        self.others = keyspaces.collect();
        self.last_time = self.last_time.max(last_time);
        self.tune_all();
        // What changed meanwhile, nobody can tell.
        self.send_trackers_away();
        self.note_changes();
    }

    /// Which one.
    pub fn id(&self) -> PartitionId {
        self.id
    }

    /// The newest time of an entry.
    pub fn newest(&self) -> Millis {
        self.last_time
    }

    /// Whether its group has no other voter than this replica.
    pub(crate) fn decides_alone(&self) -> bool {
        let members = self.group.members();
        members.voters == [self.group.node()] && !members.is_joint()
    }

    /// Keys of all databases, lapsed ones included.
    pub fn keys(&self) -> u64 {
        self.keyspaces().map(|(_, keyspace)| keyspace.len() as u64).sum()
    }

    /// The last entry of its log.
    pub fn last(&self) -> EntryId {
        self.group.last()
    }

    /// The term it is led in.
    pub fn term(&self) -> u64 {
        self.group.hard_state().term
    }

    /// The keyspace of a database; made when first asked for.
    #[inline]
    pub(crate) fn keyspace(&mut self, db: DbIndex) -> &mut Keyspace {
        if db == DbIndex::ZERO { &mut self.main } else { self.other(db) }
    }

    fn other(&mut self, db: DbIndex) -> &mut Keyspace {
        let place = self.place_of_other(db);
        &mut self.others[place].1
    }

    /// The same beside what is kept of numbered requests: what an operation sees.
    #[inline]
    pub(crate) fn keyspace_and_ledger(&mut self, db: DbIndex) -> (&mut Keyspace, &mut Ledger) {
        if db == DbIndex::ZERO {
            return (&mut self.main, &mut self.ledger);
        }
        let place = self.place_of_other(db);
        (&mut self.others[place].1, &mut self.ledger)
    }

    /// What is kept of numbered requests.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn place_of_other(&mut self, db: DbIndex) -> usize {
        self.others.iter().position(|(other, _)| *other == db).unwrap_or_else(|| {
            let mut keyspace = Keyspace::new(self.hasher);
            keyspace.set_limits(self.limits);
            keyspace.set_clocks(self.clocks);
            keyspace.collect_touched(self.collecting);
            keyspace.note_changes(self.trackers.is_on());
            self.others.push((db, keyspace));
            self.others.len() - 1
        })
    }

    /// The keyspace of a database, if it was ever used.
    pub(crate) fn existing(&self, db: DbIndex) -> Option<&Keyspace> {
        match db {
            DbIndex::ZERO => Some(&self.main),
            _ => self.others.iter().find(|(other, _)| *other == db).map(|(_, keyspace)| keyspace),
        }
    }

    /// All keyspaces in use.
    pub(crate) fn keyspaces(&self) -> impl Iterator<Item = (DbIndex, &Keyspace)> {
        std::iter::once((DbIndex::ZERO, &self.main)).chain(self.others.iter().map(|(db, k)| (*db, k)))
    }

    /// All keyspaces in use, to be changed.
    pub(crate) fn keyspaces_mut(&mut self) -> impl Iterator<Item = (DbIndex, &mut Keyspace)> {
        std::iter::once((DbIndex::ZERO, &mut self.main)).chain(self.others.iter_mut().map(|(db, k)| (*db, k)))
    }

    /// Notes which keys are touched, for [`Partition::log_touched`], or no longer. Where there is no log it is enough to
    /// know whether any is.
    pub(crate) fn collect_touched(&mut self, on: bool, logging: bool) {
        if on {
            self.changes_before = self.changes();
        }
        if logging {
            self.collecting = on;
            self.keyspaces_mut().for_each(|(_, keyspace)| keyspace.collect_touched(on));
        }
    }

    /// All changes ever.
    fn changes(&self) -> u64 {
        self.keyspaces().map(|(_, keyspace)| keyspace.changes()).sum()
    }

    /// Thresholds of small forms, and what access clocks note, from the settings.
    pub(crate) fn tune(&mut self, settings: &Settings) {
        (self.limits, self.clocks) = (settings.engine_limits(), settings.clocks());
        self.tune_all();
    }

    fn tune_all(&mut self) {
        let (limits, clocks) = (self.limits, self.clocks);
        for (_, keyspace) in self.keyspaces_mut() {
            keyspace.set_limits(limits);
            keyspace.set_clocks(clocks);
        }
    }

    /// Bytes of what waits for the log.
    pub(crate) fn log_bytes(&self) -> usize {
        self.entry.body.capacity() + self.replica.batch_bytes()
    }

    /// Bytes of keys that are deleted and not freed yet.
    pub(crate) fn condemned(&self) -> usize {
        self.keyspaces().map(|(_, keyspace)| keyspace.condemned()).sum()
    }

    /// The time of operations: the clock, but never before an entry that is in the log.
    #[inline]
    pub(crate) fn time(&self, now: Millis) -> Millis {
        #[cfg(narf_plant)]
        if base::plant::is(base::plant::Plant::ExpiredServed) && self.last_time > Millis::default() {
            return self.last_time;
        }
        now.max(self.last_time)
    }

    /// Lets no later operation take an earlier time than this: one over several partitions runs at the latest
    /// of their times, and what it found expired must not come back.
    pub(crate) fn reach_time(&mut self, time: Millis, frame: &mut Vec<u8>, logging: bool) {
        if self.entry.open && self.entry.time < time {
            self.close_entry(frame, logging);
        }
        self.last_time = self.last_time.max(time);
    }

    /// Runs an operation on one keyspace and logs it if it changed something; whether it did. Keys it found
    /// lapsed are deleted through the log in the same go.
    // Left to itself the compiler makes calls of the steps of a request, which pass the operation through memory.
    #[inline(always)]
    pub(crate) fn run(&mut self, turn: &mut Turn<'_>, operation: Operation<'_>, out: &mut Vec<u8>) -> bool {
        let now = self.time(turn.now);
        let is_write = operation.spec.is_write();
        let seed = if is_write { self.operation_seed(turn) } else { turn.random.next_u64() };
        // A read that keeps its count is logged, if there is room, which nobody has asked for, and a wire form.
        // What runs within a numbered transaction is logged anyhow, and does here what it does when the log is read.
        let notes_counts = operation.command == DataCommand::NarfOnce
            || operation.command == DataCommand::PfCount
                && !operation.raw.is_empty()
                && (!turn.logging || turn.room > operation.raw.len() + HEADER_LEN + ROOM_PER_REQUEST);
        let (keyspace, ledger) = self.keyspace_and_ledger(operation.db);
        let before = keyspace.changes();
        let mut store = Store::new(keyspace, operation.db, now, seed);
        store.ledger = Some(ledger);
        store.access = operation.access;
        store.hashed = turn.hashed;
        store.events = turn.events.if_wanted();
        store.notes_counts = notes_counts;
        let mut reply = Reply::new(out, operation.version);
        let has_failed = engine::execute(operation.command, operation.args, &mut store, &mut reply);
        if has_failed {
            turn.stats.note_failed(operation.spec, out);
        }
        let changed = keyspace.changes() != before;
        let lapsed = keyspace.has_lapsed();
        if changed {
            debug_assert!(
                is_write || notes_counts,
                "{} changes data but is not a write",
                operation.spec.name
            );
            self.log(turn, operation.db, operation.raw);
        }
        if lapsed {
            turn.room = turn.room.saturating_sub(operation.raw.len() + HEADER_LEN + 1);
            self.sweep(turn, operation.db);
        }
        changed
    }

    /// The seed of the next operation of the open entry, which is opened if need be.
    #[inline]
    fn operation_seed(&mut self, turn: &mut Turn<'_>) -> u64 {
        if !self.entry.open {
            self.entry.open = true;
            self.entry.time = self.time(turn.now);
            self.entry.seed = turn.random.next_u64();
        }
        seed_of(self.entry.seed, self.entry.operations)
    }

    /// Whether there is something to close at the turn's end.
    #[inline]
    pub(crate) fn has_open_entry(&self) -> bool {
        self.entry.open
    }

    /// Puts an operation that was applied into the open entry.
    #[inline]
    pub(crate) fn log(&mut self, turn: &mut Turn<'_>, db: DbIndex, raw: &[u8]) {
        self.count_operation(turn);
        if turn.logging {
            self.entry.body.reserve(raw.len() + 1);
            self.entry.body.push(db.number());
            self.entry.body.extend_from_slice(raw);
        }
    }

    /// Counts an operation of the open entry, which is opened if need be.
    #[inline]
    fn count_operation(&mut self, turn: &mut Turn<'_>) {
        if !self.entry.open {
            self.operation_seed(turn);
        }
        self.entry.operations += 1;
    }

    /// Bytes the open entry will take in the log.
    #[inline]
    pub(crate) fn open_bytes(&self) -> usize {
        if self.entry.operations == 0 { 0 } else { HEADER_LEN + self.entry.body.len() }
    }

    /// Deletes, through the log, the keys that were found past their deadline.
    #[cold]
    pub(crate) fn sweep(&mut self, turn: &mut Turn<'_>, db: DbIndex) -> usize {
        let keys = self.keyspace(db).take_lapsed();
        self.expire(turn, db, &keys)
    }

    /// Deletes those of `keys` whose deadline has come, through the log, as many as it has room for; how many
    /// there were. The others stay hidden, and due.
    pub(crate) fn expire(&mut self, turn: &mut Turn<'_>, db: DbIndex, keys: &[Box<[u8]>]) -> usize {
        if !self.group.is_lone() {
            return self.batch_expire(db, keys);
        }
        let mut parts: Vec<&[u8]> = vec![b"narf.expire"];
        let mut bytes = HEADER_LEN + ROOM_PER_REQUEST;
        for key in keys {
            bytes += key.len() + ROOM_PER_WORD;
            if bytes > turn.room {
                break;
            }
            parts.push(key);
        }
        if parts.len() == 1 {
            return 0;
        }
        let (before, mut out) = (self.keyspace(db).len(), Vec::new());
        self.run_internal(turn, db, DataCommand::NarfExpire, &parts, &mut out);
        before - self.keyspace(db).len()
    }

    /// Logs what each touched key became; whether there were any. For operations over several partitions.
    pub(crate) fn log_touched(&mut self, turn: &mut Turn<'_>) -> bool {
        if self.changes() == self.changes_before {
            return false;
        }
        if !turn.logging {
            self.count_operation(turn);
            return true;
        }
        let dbs: Vec<DbIndex> = self.keyspaces().map(|(db, _)| db).collect();
        let (mut record, mut any) = (Vec::new(), false);
        for db in dbs {
            let mut keys = self.keyspace(db).take_touched();
            keys.sort_unstable();
            keys.dedup();
            any |= !keys.is_empty();
            for key in keys {
                self.count_operation(turn);
                self.log_effect(db, &key, &mut record);
            }
        }
        any
    }

    /// Puts the request that makes a key what it is now into the open entry. `record` is a buffer.
    fn log_effect(&mut self, db: DbIndex, key: &[u8], record: &mut Vec<u8>) {
        let mut body = std::mem::take(&mut self.entry.body);
        body.push(db.number());
        match self.keyspace(db).peek(key) {
            None => write_request(&mut body, [b"del", key]),
            Some(entry) => {
                record.clear();
                engine::encode_entry(entry, record);
                let deadline = entry.deadline().map_or(0, |deadline| deadline.0).to_string();
                write_request(&mut body, [b"narf.put", key, deadline.as_bytes(), record]);
            }
        }
        self.entry.body = body;
    }

    /// Deletes, through the log, what was found lapsed in any database.
    pub(crate) fn sweep_all(&mut self, turn: &mut Turn<'_>) {
        let dbs: Vec<DbIndex> =
            self.keyspaces().filter(|(_, keyspace)| keyspace.has_lapsed()).map(|(db, _)| db).collect();
        for db in dbs {
            self.sweep(turn, db);
        }
    }

    /// Runs an operation the node itself thought of.
    pub(crate) fn run_internal(
        &mut self,
        turn: &mut Turn<'_>,
        db: DbIndex,
        command: DataCommand,
        parts: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> bool {
        let request = WireRequest::encode(parts);
        let (spec, args, raw) = (command.spec(), request.args(), request.raw());
        self.run(
            turn,
            Operation { spec, command, db, args, raw, version: Version::Resp2, access: Access::Untouched },
            out,
        )
    }

    /// Closes the open entry: gives it its index and appends its record to `frame`.
    #[inline]
    pub(crate) fn close_entry(&mut self, frame: &mut Vec<u8>, logging: bool) {
        if !std::mem::take(&mut self.entry.open) || self.entry.operations == 0 {
            return;
        }
        let id = self.group.commit_alone();
        self.last_time = self.entry.time;
        if logging {
            let header = EntryHeader {
                partition: self.id,
                term: id.term,
                index: id.index,
                time: self.entry.time,
                seed: self.entry.seed,
                operations: self.entry.operations,
            };
            write_entry(frame, &header, &self.entry.body);
            self.entry.body.clear();
            // What one huge value needed is not kept for ever.
            if self.entry.body.capacity() > BODY_KEPT {
                self.entry.body = Vec::new();
            }
        }
        self.entry.operations = 0;
    }

    /// Everything to records and back, as through a checkpoint: `DEBUG RELOAD`.
    pub(crate) fn reload(&mut self) -> Result<(), engine::RecordError> {
        let dbs: Vec<DbIndex> = self.keyspaces().map(|(db, _)| db).collect();
        for db in dbs {
            // In place: a checkpoint's walk under way goes on, and watched keys count as changed.
            self.keyspace(db).reload()?;
        }
        let mut ledger = Ledger::default();
        self.ledger.encode(LEDGER_PIECE).iter().try_for_each(|piece| ledger.load(piece))?;
        self.ledger = ledger;
        Ok(())
    }
}
