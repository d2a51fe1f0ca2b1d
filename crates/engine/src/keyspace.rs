//! One database's part in one partition: the keys, and all that is kept about them.
//!
//! Invariants: `sums` are the sums over entries; every entry with a deadline has an item in the wheel that
//! comes no later; a lapsed entry stays until [`Keyspace::expire`] deletes it, which only a logged entry asks for.
//! Does not know: the clock, replication, commands, replies.

use base::{KeyHasher, Millis, Random};

use crate::awaited::AwaitedKeys;
use crate::clock::{Access, Clocks};
use crate::digest::Digester;
use crate::edit::EntryMut;
use crate::expire::Wheel;
use crate::grave::Grave;
use crate::noted::NotedChanges;
use crate::store::Sought;
use crate::table::entry::{Entry, Form};
use crate::table::{Spot, Table, body_of};
use crate::value::{Hash, Kind, Limits, Member, NewDeadline, NewValue, set_from_members, zset_from_scored};
use crate::walk::Walk;
use crate::watch::{WatchStamp, Watches};

mod changes;
mod freeing;
mod load;
mod sums;

pub use sums::KindSum;
use sums::Sums;

/// Most keys that wait in the list of keys seen lapsed; the wheel finds the others by itself.
const LAPSED_MAX: usize = 1024;

/// After how long, at most, [`Keyspace::due`] names a key again that it named. At least half of it passes: the item
/// lies in a slot of level 1, and comes when the slot begins.
const RETRY_MS: u64 = 2000;

/// The same for a key that only loses fields: it may have more of them than one request deletes, and its next field may
/// be due soon.
const FIELDS_RETRY_MS: u64 = 100;

/// Most fields of one hash that one request deletes because their deadline has come. Part of what a log means: with
/// another number the same entries would leave other fields.
const FIELDS_AT_ONCE: usize = 4096;

/// Stale items that the wheel may hold, beside as many as there are keys with a deadline.
const STALE_MAX: usize = 1024;

/// One database's part in one partition.
pub struct Keyspace {
    pub(crate) table: Table,
    pub(crate) book: Book,
}

/// What is kept about the keys beside them.
pub(crate) struct Book {
    pub(crate) hasher: KeyHasher,
    pub(crate) limits: Limits,
    /// What access clocks note.
    pub(crate) clocks: Clocks,
    /// Where the sampling for eviction has come to, as a cursor of a scan.
    pub(crate) hand: u64,
    /// Keys and heap bytes of the entries, by type.
    pub(crate) sums: Sums,
    /// Keys with a deadline, and the sum of their deadlines.
    deadlines: usize,
    deadline_sum: u128,
    /// Hashes whose fields have deadlines.
    volatile: usize,
    wheel: Wheel,
    /// A new wheel in the making, and how far the scan that fills it has come.
    rebuild: Option<(Wheel, u64)>,
    /// A wheel put aside, to be freed in slices.
    old_wheel: Option<Wheel>,
    changes: u64,
    watches: Watches,
    pub(crate) awaited: AwaitedKeys,
    pub(crate) noted: NotedChanges,
    touched: Option<Vec<Box<[u8]>>>,
    lapsed: Vec<Box<[u8]>>,
    walk: Option<Box<Walk>>,
    /// What the walk bit of an entry is that the walk has seen, or that came after it began.
    seen: bool,
    grave: Grave,
    draws: Random,
    lookups: Lookups,
}

/// How reads have fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lookups {
    /// The key was there.
    pub hits: u64,
    /// It was not, or had lapsed.
    pub misses: u64,
}

impl Book {
    #[cold]
    fn seen_lapsed(&mut self, key: &[u8]) {
        if self.lapsed.len() < LAPSED_MAX && self.lapsed.last().is_none_or(|last| **last != *key) {
            self.lapsed.push(key.into());
        }
    }

    /// An entry is about to change: a walk under way wants it as it is.
    #[inline]
    pub(crate) fn before_change(&mut self, entry: &mut Entry) {
        if let Some(walk) = &mut self.walk
            && entry.walk_bit() != self.seen
        {
            walk.keep(entry, self.seen);
        }
    }

    /// A string that went through `before_change` is about to change within: a walk that has opened it must be done.
    #[cold]
    pub(crate) fn before_overwrite(&mut self, entry: &mut Entry) {
        if let Some(walk) = &mut self.walk {
            walk.finish_entry(entry, self.seen);
        }
    }

    /// The same for one field of a big hash whose entry went through `before_change`.
    #[inline]
    pub(crate) fn before_field(&mut self, entry: &mut Entry, field: &[u8]) {
        if let Some(walk) = &mut self.walk {
            walk.keep_field(entry, field);
        }
    }

    /// The same for one member of a big set or sorted set.
    #[inline]
    pub(crate) fn before_member(&mut self, entry: &Entry, member: &[u8]) {
        if let Some(walk) = &mut self.walk {
            walk.keep_member(entry, member);
        }
    }

    /// An entry of this type, or what one holds, takes so many bytes instead of so many.
    #[inline]
    pub(crate) fn resized(&mut self, kind: Kind, before: usize, after: usize) {
        let sum = self.sums.of(kind);
        sum.bytes = (sum.bytes + after).saturating_sub(before);
    }

    /// An entry left the table for good.
    #[inline]
    pub(crate) fn retire(&mut self, entry: Entry) {
        let entry = match &mut self.walk {
            Some(walk) => walk.retire(entry, self.seen),
            None => Some(entry),
        };
        if let Some(entry) = entry
            && matches!(entry.form(), Form::Hash | Form::Set | Form::List | Form::ZSet)
        {
            self.grave.bury(entry);
        }
    }

    #[inline]
    pub(crate) fn deadline_moved(&mut self, hash: u64, old: Option<Millis>, new: Option<Millis>) {
        if let Some(Millis(old)) = old {
            self.deadlines -= 1;
            self.deadline_sum -= u128::from(old);
        }
        if let Some(Millis(new)) = new {
            self.deadlines += 1;
            self.deadline_sum += u128::from(new);
        }
        self.schedule_earlier(hash, old, new);
    }

    /// The same for the earliest deadline of a hash's fields.
    pub(crate) fn lapse_moved(&mut self, hash: u64, old: Option<Millis>, new: Option<Millis>) {
        match (old, new) {
            (None, Some(_)) => self.volatile += 1,
            (Some(_), None) => self.volatile -= 1,
            (None, None) | (Some(_), Some(_)) => {}
        }
        self.schedule_earlier(hash, old, new);
    }

    #[inline]
    fn schedule_earlier(&mut self, hash: u64, old: Option<Millis>, new: Option<Millis>) {
        // An item that comes no later is there already if the old deadline was no later.
        if let Some(new) = new
            && old.is_none_or(|old| new < old)
        {
            self.schedule(hash, new);
        }
    }

    /// Whether so many items are of keys that were deleted or lost their deadline that a new wheel is due.
    fn has_stale_items(&self) -> bool {
        self.wheel.len() > 2 * (self.deadlines + self.volatile) + STALE_MAX
    }

    fn schedule(&mut self, hash: u64, at: Millis) {
        self.wheel.insert(hash, at);
        if let Some((wheel, _)) = &mut self.rebuild {
            wheel.insert(hash, at);
        }
    }
}

impl Keyspace {
    /// An empty keyspace. The hasher is the partition's, equal on all its replicas.
    pub fn new(hasher: KeyHasher) -> Keyspace {
        let book = Book {
            hasher,
            limits: Limits::REDIS,
            clocks: Clocks::Time,
            hand: 0,
            sums: Sums::default(),
            deadlines: 0,
            deadline_sum: 0,
            volatile: 0,
            wheel: Wheel::default(),
            rebuild: None,
            old_wheel: None,
            changes: 0,
            watches: Watches::default(),
            awaited: AwaitedKeys::default(),
            noted: NotedChanges::default(),
            touched: None,
            lapsed: Vec::new(),
            walk: None,
            seen: false,
            grave: Grave::default(),
            draws: Random::new(0),
            lookups: Lookups::default(),
        };
        Keyspace { table: Table::default(), book }
    }

    // -- size ---------------------------------------------------------------------------------------------------

    /// Number of keys, lapsed ones that are not deleted yet included.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Heap bytes of entries, table and expiry index, estimated from the sizes asked of the allocator.
    pub fn memory(&self) -> usize {
        self.book.sums.bytes() + self.table.memory() + self.book.wheel.memory()
    }

    /// Number of keys with a deadline.
    pub fn deadlines(&self) -> usize {
        self.book.deadlines
    }

    /// Counts every change ever; the node logs a write only if this grew.
    #[inline]
    pub fn changes(&self) -> u64 {
        self.book.changes
    }

    /// Says what access clocks note from now on. What they have noted is not converted: it takes some time to adjust.
    pub fn set_clocks(&mut self, clocks: Clocks) {
        self.book.clocks = clocks;
    }

    /// What access clocks note.
    pub fn clocks(&self) -> Clocks {
        self.book.clocks
    }

    /// Sets when small forms give way to tables; what is there stays as it is until it changes.
    pub fn set_limits(&mut self, limits: Limits) {
        self.book.limits = limits;
    }

    // -- keys, as commands see them through `Store` ---------------------------------------------------------------

    /// The entry of a key whose deadline has not come. A lapsed one is noted for deletion. The access clock stays.
    #[inline]
    pub fn find(&mut self, key: &[u8], now: Millis) -> Option<&Entry> {
        self.find_as(self.sought(key), key, now, Access::Untouched)
    }

    /// What is known of a key of which nothing was found out before.
    #[inline]
    pub(crate) fn sought(&self, key: &[u8]) -> Sought {
        Sought { hash: self.hash(key), spot: Spot::NONE }
    }

    /// The hash of a key, which a caller may make ahead.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.book.hasher.hash(key)
    }

    #[inline]
    pub(crate) fn find_as(
        &mut self,
        sought: Sought,
        key: &[u8],
        now: Millis,
        access: Access,
    ) -> Option<&Entry> {
        let Some(entry) = self.table.find_mut_near(sought.spot, sought.hash, key) else {
            self.book.lookups.misses += 1;
            return None;
        };
        if entry.is_lapsed(now) {
            self.book.lookups.misses += 1;
            self.book.seen_lapsed(key);
            return None;
        }
        self.book.lookups.hits += 1;
        self.book.clocks.touch(entry, access, now, &mut self.book.draws);
        Some(entry)
    }

    /// How reads have fared since the keyspace was made, or since they were last counted anew.
    pub fn lookups(&self) -> Lookups {
        self.book.lookups
    }

    /// Counts reads, and what is freed in slices, anew from now on.
    pub fn reset_counts(&mut self) {
        self.book.lookups = Lookups::default();
        self.book.grave.reset_freed();
    }

    /// The same, opened for change.
    #[inline]
    pub fn find_mut(&mut self, key: &[u8], now: Millis) -> Option<EntryMut<'_>> {
        self.find_mut_as(self.sought(key), key, now, Access::Untouched)
    }

    #[inline]
    pub(crate) fn find_mut_as(
        &mut self,
        Sought { hash, spot }: Sought,
        key: &[u8],
        now: Millis,
        access: Access,
    ) -> Option<EntryMut<'_>> {
        let entry = self.table.find_mut_near(spot, hash, key)?;
        if entry.is_lapsed(now) {
            self.book.seen_lapsed(key);
            return None;
        }
        self.book.clocks.touch(entry, access, now, &mut self.book.draws);
        Some(EntryMut::new(entry, &mut self.book, hash))
    }

    /// The entry of a key, lapsed or not; notes nothing.
    pub fn peek(&self, key: &[u8]) -> Option<&Entry> {
        self.table.find(self.book.hasher.hash(key), key)
    }

    /// Sets a key whatever it was: the hot path of `SET`, one search for a key that is there.
    #[inline]
    pub(crate) fn set_as(
        &mut self,
        Sought { hash, spot }: Sought,
        key: &[u8],
        value: NewValue<'_>,
        deadline: NewDeadline,
        now: Millis,
        access: Access,
    ) {
        if let Some(entry) = self.table.find_mut_near(spot, hash, key) {
            let deadline = match deadline {
                NewDeadline::Keep if entry.is_lapsed(now) => NewDeadline::Clear,
                other => other,
            };
            self.book.clocks.touch(entry, access, now, &mut self.book.draws);
            EntryMut::new(entry, &mut self.book, hash).set(value, deadline);
            return;
        }
        let deadline = match deadline {
            NewDeadline::Clear | NewDeadline::Keep => None,
            NewDeadline::At(at) => Some(at),
        };
        let mut entry = Entry::build(key, deadline, body_of(value));
        entry.set_raw(matches!(value, NewValue::Raw(_)));
        entry.set_clock(self.book.clocks.fresh(now));
        self.add(hash, entry);
        self.book.changed(key);
    }

    /// Stores a value under a key, replacing what was there. Counts as a change.
    pub fn insert(&mut self, key: &[u8], value: NewValue<'_>, deadline: Option<Millis>) -> EntryMut<'_> {
        self.put(key, Entry::new(key, deadline, value))
    }

    /// Stores an entry under a key, replacing what was there. Counts as a change.
    pub fn put(&mut self, key: &[u8], entry: Entry) -> EntryMut<'_> {
        let hash = self.book.hasher.hash(key);
        let entry = if entry.key() == key { entry } else { entry.into_key(key) };
        if let Some(old) = self.pull(hash, key) {
            self.book.retire(old);
        }
        self.book.changed(key);
        let Keyspace { table, book } = self;
        let entry = Keyspace::add_to(table, book, hash, entry);
        EntryMut::of_new(entry, book, hash)
    }

    /// Stores a set of these members under a key, replacing what was there. Counts as a change.
    pub(crate) fn put_set<'a>(
        &mut self,
        key: &[u8],
        deadline: Option<Millis>,
        members: impl Iterator<Item = Member<'a>>,
    ) {
        let set = set_from_members(key, deadline, members, self.book.limits, self.book.hasher);
        self.put(key, set);
    }

    /// Stores a sorted set of these members under a key, replacing what was there. Counts as a change.
    pub(crate) fn put_zset<'a>(
        &mut self,
        key: &[u8],
        deadline: Option<Millis>,
        scored: impl Iterator<Item = (&'a [u8], f64)>,
    ) {
        let zset = zset_from_scored(key, deadline, scored, self.book.limits, self.book.hasher);
        self.put(key, zset);
    }

    /// The live entry of a key; notes nothing.
    pub(crate) fn view(&self, key: &[u8], now: Millis) -> Option<&Entry> {
        self.peek(key).filter(|entry| !entry.is_lapsed(now))
    }

    /// Takes an entry out, if its deadline has not come. Counts as a change.
    pub fn take(&mut self, key: &[u8], now: Millis) -> Option<Entry> {
        self.find(key, now)?;
        self.book.changed(key);
        let mut entry = self.pull(self.book.hasher.hash(key), key)?;
        if let Some(walk) = &mut self.book.walk {
            walk.finish_entry(&mut entry, self.book.seen);
        }
        Some(entry)
    }

    /// Deletes a key whose deadline has not come; whether there was one. Counts as a change.
    pub fn remove(&mut self, key: &[u8], now: Millis) -> bool {
        if self.find(key, now).is_none() {
            return false;
        }
        self.book.changed(key);
        self.delete(key)
    }

    /// Deletes a key whose deadline has come, or some fields whose deadline has; whether there was such a key. Counts
    /// as a change. For `narf.expire`.
    pub fn expire(&mut self, key: &[u8], now: Millis) -> bool {
        match self.peek(key) {
            Some(entry) if entry.is_lapsed(now) => {}
            Some(entry) => {
                if entry.has_lapsed_fields(now) {
                    self.expire_fields(key, now);
                }
                return false;
            }
            None => return false,
        }
        self.book.changes += 1;
        self.book.watches.expired(key);
        self.book.noted.changed(key);
        if let Some(touched) = &mut self.book.touched {
            touched.push(key.into());
        }
        self.delete(key)
    }

    /// Deletes fields whose deadline has come, a bounded number, of a key that has others.
    fn expire_fields(&mut self, key: &[u8], now: Millis) {
        let hash = self.book.hasher.hash(key);
        let Some(entry) = self.table.find_mut(hash, key) else { return };
        let mut entry = EntryMut::new(entry, &mut self.book, hash);
        if let Some(mut fields) = entry.hash_at(now) {
            fields.remove_lapsed(FIELDS_AT_ONCE);
        }
    }

    pub(crate) fn delete(&mut self, key: &[u8]) -> bool {
        let Some(entry) = self.pull(self.book.hasher.hash(key), key) else { return false };
        self.book.retire(entry);
        true
    }

    /// Takes an entry out of the table and the sums.
    fn pull(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        let entry = self.table.remove(hash, key)?;
        self.book.sums.remove(&entry);
        self.book.deadline_moved(hash, entry.deadline(), None);
        if entry.is_volatile() {
            self.book.lapse_moved(hash, entry.first_lapse(), None);
        }
        Some(entry)
    }

    fn add(&mut self, hash: u64, entry: Entry) {
        Keyspace::add_to(&mut self.table, &mut self.book, hash, entry);
    }

    /// Puts an entry that is not there into the table and the sums.
    fn add_to<'a>(table: &'a mut Table, book: &mut Book, hash: u64, mut entry: Entry) -> &'a mut Entry {
        entry.set_walk_bit(book.seen);
        book.sums.add(&entry);
        book.deadline_moved(hash, None, entry.deadline());
        if entry.is_volatile() {
            book.lapse_moved(hash, None, entry.first_lapse());
        }
        table.insert(hash, entry, &book.hasher)
    }

    // -- walking over keys ----------------------------------------------------------------------------------------

    /// Visits about `count` entries from `cursor` on, lapsed ones included, and returns the next cursor; 0 starts
    /// and 0 ends. A key that is there from start to end is visited at least once, whatever else comes and goes.
    /// Cursors stay below 2^48.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(&Entry)) -> u64 {
        self.table.scan(cursor, count, visit)
    }

    /// Some entry, chosen by `point`; lapsed ones included. `None` only if there is no key. For reads: which one
    /// depends on the layout.
    pub fn random(&self, point: u64) -> Option<&Entry> {
        self.table.random(point)
    }

    // -- expiry ---------------------------------------------------------------------------------------------------

    /// When [`Keyspace::due`] may next have work: no key lapses more than 4 ms before. The beginning of time if it has
    /// housekeeping to do at once.
    pub fn next_due(&self) -> Option<Millis> {
        if self.book.rebuild.is_some() || self.book.has_stale_items() {
            return Some(Millis(0));
        }
        self.book.wheel.next_due()
    }

    /// Appends keys whose deadline has come, or that of a field, to `keys`, and does about `budget` keys' worth of work in
    /// all, that of deleting them included: call again if [`Keyspace::next_due`] is still past. Returns how much it was;
    /// a field that is to be deleted counts as a key does. The keys stay until [`Keyspace::expire`]; a key named here is
    /// not named again for two seconds, for its fields for a tenth of one.
    pub fn due(&mut self, now: Millis, budget: usize, keys: &mut Vec<Box<[u8]>>) -> usize {
        let mut work = 0;
        while work < budget {
            let Some(hash) = self.book.wheel.pop(now) else { break };
            work += 1;
            let found = self.table.find_hash(hash, &self.book.hasher, |entry| entry.next_lapse().is_some());
            let Some(deadline) = found.as_deref().and_then(Entry::next_lapse) else { continue };
            let again = match found {
                Some(entry) if deadline <= now => {
                    keys.push(entry.key().into());
                    // What is lapsed as a whole is put aside as a whole.
                    let retry = if entry.is_lapsed(now) {
                        RETRY_MS
                    } else {
                        work += entry.lapsed_fields(now, FIELDS_AT_ONCE);
                        FIELDS_RETRY_MS
                    };
                    Millis(now.0 + retry)
                }
                Some(_) | None => deadline,
            };
            self.book.schedule(hash, again);
        }
        self.rebuild_wheel(budget);
        work
    }

    /// Items of keys that were deleted or lost their deadline stay until their time comes. When they are too many, a
    /// new wheel is filled from the table, a slice a call.
    fn rebuild_wheel(&mut self, budget: usize) {
        let Keyspace { table, book } = self;
        if book.rebuild.is_none() && book.has_stale_items() {
            book.rebuild = Some((book.wheel.successor(), 0));
        }
        let Some((wheel, cursor)) = &mut book.rebuild else { return };
        *cursor = table.scan(*cursor, budget, &mut |entry| {
            if let Some(deadline) = entry.next_lapse() {
                wheel.insert(book.hasher.hash(entry.key()), deadline);
            }
        });
        if *cursor == 0
            && let Some((wheel, _)) = book.rebuild.take()
        {
            self.put_wheel_aside(wheel);
        }
    }

    /// Takes the keys that commands found lapsed since the last call; they may be gone or have come back.
    pub fn take_lapsed(&mut self) -> Vec<Box<[u8]>> {
        std::mem::take(&mut self.book.lapsed)
    }

    /// Whether [`Keyspace::take_lapsed`] has something to give.
    #[inline]
    pub fn has_lapsed(&self) -> bool {
        !self.book.lapsed.is_empty()
    }

    // -- WATCH, and which keys were touched -------------------------------------------------------------------------

    /// Registers interest in a key; pair with [`Keyspace::unwatch`].
    pub fn watch(&mut self, key: &[u8], now: Millis) -> WatchStamp {
        let lapsed = self.has_lapsed_in(key, now);
        self.book.watches.watch(key, lapsed)
    }

    /// Ends one interest in a key.
    pub fn unwatch(&mut self, key: &[u8]) {
        self.book.watches.unwatch(key);
    }

    /// Whether a watched key was changed, deleted or has lapsed since `stamp` was handed out.
    pub fn changed_since(&self, key: &[u8], stamp: WatchStamp, now: Millis) -> bool {
        let lapsed = self.has_lapsed_in(key, now);
        self.book.watches.changed_since(key, stamp, lapsed)
    }

    /// Whether a key has lapsed, or a field of it.
    fn has_lapsed_in(&self, key: &[u8], now: Millis) -> bool {
        self.peek(key).is_some_and(|entry| entry.is_lapsed(now) || entry.has_lapsed_fields(now))
    }

    /// Switches the collecting of touched keys on or off; off forgets what was collected.
    pub fn collect_touched(&mut self, on: bool) {
        match (on, &self.book.touched) {
            (true, None) => self.book.touched = Some(Vec::new()),
            (true, Some(_)) => {}
            (false, _) => self.book.touched = None,
        }
    }

    /// Takes the keys changed since the last call, with repetitions; empty unless switched on. [`Keyspace::clear`]
    /// names none.
    pub fn take_touched(&mut self) -> Vec<Box<[u8]>> {
        self.book.touched.as_mut().map(std::mem::take).unwrap_or_default()
    }

    // -- checkpoint -------------------------------------------------------------------------------------------------

    /// Begins a point-in-time walk: what [`Keyspace::walk_slice`] gives from now on is the content of this moment,
    /// whatever changes meanwhile. Says no, and does nothing, while one is under way or an aborted one is not yet
    /// given up ([`Keyspace::reclaim`]).
    pub fn begin_walk(&mut self) -> bool {
        if self.book.walk.is_some() {
            return false;
        }
        self.book.seen = !self.book.seen;
        self.book.walk = Some(Box::default());
        true
    }

    /// Appends records to `out`, about `budget` bytes of them; whether the walk is done. Done at once if none is
    /// under way.
    pub fn walk_slice(&mut self, budget: usize, out: &mut Vec<u8>) -> bool {
        if !self.is_walking() {
            return true;
        }
        self.slice(budget, out)
    }

    fn slice(&mut self, budget: usize, out: &mut Vec<u8>) -> bool {
        let Book { hasher, walk, seen, grave, .. } = &mut self.book;
        let Some(under_way) = walk else { return true };
        let done = under_way.slice(&mut self.table, *seen, |key| hasher.hash(key), grave, budget, out);
        if done {
            *walk = None;
        }
        done
    }

    /// Gives a walk up; [`Keyspace::reclaim`] does the rest of it.
    pub fn abort_walk(&mut self) {
        if let Some(walk) = &mut self.book.walk {
            walk.discard();
        }
    }

    /// Whether a walk is under way that was not aborted.
    pub fn is_walking(&self) -> bool {
        self.book.walk.as_ref().is_some_and(|walk| !walk.is_discarding())
    }

    /// A digest of the live content at `now`: keys, types, values, deadlines. Independent of layout, order and
    /// history; digests of several keyspaces may be added, wrapping. Looks at every entry at once.
    pub fn digest(&self, now: Millis) -> u128 {
        let mut digester = Digester::new();
        let live = self.table.iter().filter(|entry| !entry.is_lapsed(now));
        live.fold(0, |sum, entry| sum.wrapping_add(digester.entry(entry, now)))
    }

    /// The digest of one live key's value alone, for `DEBUG DIGEST-VALUE`.
    pub fn digest_value(&self, key: &[u8], now: Millis) -> Option<u128> {
        let entry = self.peek(key).filter(|entry| !entry.is_lapsed(now))?;
        Some(Digester::new().value(entry, now))
    }

    /// Panics if the books do not match the entries. Looks at every entry: for tests and debug builds.
    pub fn check_invariants(&self) {
        self.check_sums();
        let deadlines = self.table.iter().filter(|entry| entry.deadline().is_some()).count();
        assert_eq!(self.book.deadlines, deadlines, "keys with a deadline are counted");
        let volatile = self.table.iter().filter(|entry| entry.first_lapse().is_some()).count();
        assert_eq!(self.book.volatile, volatile, "hashes whose fields have deadlines are counted");
        assert!(self.book.wheel.len() >= deadlines.max(volatile), "each has an item");
        for entry in self.table.iter() {
            let lapses = entry.big_hash().is_some_and(|hash| hash.lapses.is_some());
            assert_eq!(entry.is_volatile(), lapses, "the entry says whether fields have deadlines");
            entry.big_hash().into_iter().for_each(Hash::check_invariants);
        }
        if self.book.walk.is_none() {
            assert!(self.table.iter().all(|entry| entry.walk_bit() == self.book.seen), "all are seen");
        }
        #[cfg(test)]
        self.table.check_invariants(&self.book.hasher);
    }
}

/// Partitions, and with them their keyspaces, are handed from worker to worker.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Keyspace>();
};

#[cfg(test)]
mod tests;
