//! One database's part in one partition: the keys, and all that is kept about them.
//!
//! Invariants: `memory` is the sum over entries; every entry with a deadline is known to the expiry index; a lapsed
//! entry stays until [`Keyspace::expire`] deletes it, which only a logged entry asks for.
//! Does not know: the clock, replication, commands, replies.

use std::collections::BTreeMap;

use base::{KeyHasher, Millis};

use crate::edit::EntryMut;
use crate::record::RecordError;
use crate::table::Entry;
use crate::value::{Limits, NewValue, ValueRef};
use crate::watch::{WatchStamp, Watches};

/// One database's part in one partition.
pub struct Keyspace {
    table: BTreeMap<Vec<u8>, Entry>,
    hasher: KeyHasher,
    pub(crate) book: Book,
    walk: Option<Vec<Entry>>,
}

/// What is kept about the keys beside them.
#[derive(Default)]
pub(crate) struct Book {
    changes: u64,
    watches: Watches,
    touched: Option<Vec<Box<[u8]>>>,
    lapsed: Vec<Box<[u8]>>,
}

/// Most keys that wait in the list of keys seen lapsed; the expiry index finds the others by itself.
const LAPSED_MAX: usize = 1024;

impl Book {
    #[inline]
    pub(crate) fn changed(&mut self, key: &[u8]) {
        self.changes += 1;
        self.watches.changed(key);
        if let Some(touched) = &mut self.touched {
            touched.push(key.into());
        }
    }

    #[cold]
    fn seen_lapsed(&mut self, key: &[u8]) {
        if self.lapsed.len() < LAPSED_MAX && self.lapsed.last().is_none_or(|last| **last != *key) {
            self.lapsed.push(key.into());
        }
    }
}

impl Keyspace {
    /// An empty keyspace. The hasher is the partition's, equal on all its replicas.
    pub fn new(hasher: KeyHasher) -> Keyspace {
        Keyspace { table: BTreeMap::new(), hasher, book: Book::default(), walk: None }
    }

    // -- size ---------------------------------------------------------------------------------------------------

    /// Number of keys, lapsed ones that are not deleted yet included.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap bytes of entries and table, estimated from the sizes asked of the allocator.
    pub fn memory(&self) -> usize {
        self.table.values().map(Entry::memory).sum()
    }

    /// Number of keys with a deadline.
    pub fn deadlines(&self) -> usize {
        self.table.values().filter(|entry| entry.deadline().is_some()).count()
    }

    /// Counts every change ever; the node logs a write only if this grew.
    pub fn changes(&self) -> u64 {
        self.book.changes
    }

    // -- keys, as commands see them through `Store` ---------------------------------------------------------------

    /// The entry of a key whose deadline has not come. A lapsed one is noted for deletion.
    pub fn find(&mut self, key: &[u8], now: Millis) -> Option<&Entry> {
        let entry = self.table.get(key)?;
        if entry.is_lapsed(now) {
            self.book.seen_lapsed(key);
            return None;
        }
        Some(entry)
    }

    /// The same, opened for change.
    pub fn find_mut(&mut self, key: &[u8], now: Millis) -> Option<EntryMut<'_>> {
        let entry = self.table.get_mut(key)?;
        if entry.is_lapsed(now) {
            self.book.seen_lapsed(key);
            return None;
        }
        Some(EntryMut { entry, book: &mut self.book })
    }

    /// The entry of a key, lapsed or not; notes nothing.
    pub fn peek(&self, key: &[u8]) -> Option<&Entry> {
        self.table.get(key)
    }

    /// Stores a value under a key, replacing what was there. Counts as a change.
    pub fn insert(&mut self, key: &[u8], value: NewValue<'_>, deadline: Option<Millis>) -> EntryMut<'_> {
        self.put(key, Entry::new(key, deadline, value))
    }

    /// Stores an entry under a key (its own key is not looked at), replacing what was there. Counts as a change.
    pub fn put(&mut self, key: &[u8], entry: Entry) -> EntryMut<'_> {
        self.book.changed(key);
        let place = self.table.entry(key.to_vec());
        let entry = place.insert_entry(entry.with_key(key)).into_mut();
        EntryMut { entry, book: &mut self.book }
    }

    /// Takes an entry out, if its deadline has not come. Counts as a change.
    pub fn take(&mut self, key: &[u8], now: Millis) -> Option<Entry> {
        self.find(key, now)?;
        self.book.changed(key);
        self.table.remove(key)
    }

    /// Deletes a key whose deadline has not come; whether there was one. Counts as a change.
    pub fn remove(&mut self, key: &[u8], now: Millis) -> bool {
        self.take(key, now).is_some()
    }

    /// Deletes a key whose deadline has come; whether there was one. Counts as a change. For `narf.expire`.
    pub fn expire(&mut self, key: &[u8], now: Millis) -> bool {
        if !self.table.get(key).is_some_and(|entry| entry.is_lapsed(now)) {
            return false;
        }
        self.table.remove(key);
        self.book.changes += 1;
        self.book.watches.expired(key);
        true
    }

    /// Deletes every key. Memory goes back in slices, by [`Keyspace::reclaim`]. Counts as one change if there were
    /// keys, and as a change of each watched one.
    pub fn clear(&mut self) {
        if self.table.is_empty() {
            return;
        }
        let table = std::mem::take(&mut self.table);
        self.book.changes += 1;
        let gone: Vec<Box<[u8]>> =
            self.book.watches.keys().filter(|key| table.contains_key(*key)).map(Box::from).collect();
        gone.iter().for_each(|key| self.book.watches.expired(key));
    }

    /// Frees memory of cleared tables and removed big values, about `budget` entries of it; whether all is freed.
    /// Call once a turn while it says no.
    pub fn reclaim(&mut self, _budget: usize) -> bool {
        true
    }

    // -- walking over keys ----------------------------------------------------------------------------------------

    /// Visits about `count` entries from `cursor` on, lapsed ones included, and returns the next cursor; 0 starts
    /// and 0 ends. A key that is there from start to end is visited at least once, whatever else comes and goes.
    /// Cursors stay below 2^48.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(&Entry)) -> u64 {
        let from = cursor as usize;
        self.table.values().skip(from).take(count.max(1)).for_each(visit);
        let next = from + count.max(1);
        if next >= self.table.len() { 0 } else { next as u64 }
    }

    /// Some entry, chosen by `point`; lapsed ones included. `None` only if there is no key. For reads: which one
    /// depends on the layout.
    pub fn random(&self, point: u64) -> Option<&Entry> {
        let at = (u128::from(point) * self.table.len() as u128) >> 64;
        self.table.values().nth(at as usize)
    }

    /// Asks the processor to fetch what a lookup of `key` will need; call some requests ahead.
    pub fn prefetch(&self, key: &[u8]) {
        let _ = self.hasher.hash(key);
    }

    // -- expiry ---------------------------------------------------------------------------------------------------

    /// When [`Keyspace::due`] may next have work: no key lapses before.
    pub fn next_due(&self) -> Option<Millis> {
        self.table.values().filter_map(Entry::deadline).min()
    }

    /// Appends up to about `budget` keys whose deadline has come to `keys`, and does about that much work.
    /// The keys stay until [`Keyspace::expire`]; a key named here is not named again for some seconds.
    pub fn due(&mut self, now: Millis, budget: usize, keys: &mut Vec<Box<[u8]>>) {
        keys.extend(self.table.values().filter(|e| e.is_lapsed(now)).take(budget).map(|e| e.key().into()));
    }

    /// Takes the keys that commands found lapsed since the last call; they may be gone or have come back.
    pub fn take_lapsed(&mut self) -> Vec<Box<[u8]>> {
        std::mem::take(&mut self.book.lapsed)
    }

    /// Whether [`Keyspace::take_lapsed`] has something to give.
    pub fn has_lapsed(&self) -> bool {
        !self.book.lapsed.is_empty()
    }

    // -- WATCH, and which keys were touched -------------------------------------------------------------------------

    /// Registers interest in a key; pair with [`Keyspace::unwatch`].
    pub fn watch(&mut self, key: &[u8], now: Millis) -> WatchStamp {
        let lapsed = self.table.get(key).is_some_and(|entry| entry.is_lapsed(now));
        self.book.watches.watch(key, lapsed)
    }

    /// Ends one interest in a key.
    pub fn unwatch(&mut self, key: &[u8]) {
        self.book.watches.unwatch(key);
    }

    /// Whether a watched key was changed, deleted or has lapsed since `stamp` was handed out.
    pub fn changed_since(&self, key: &[u8], stamp: WatchStamp, now: Millis) -> bool {
        let lapsed = self.table.get(key).is_some_and(|entry| entry.is_lapsed(now));
        self.book.watches.changed_since(key, stamp, lapsed)
    }

    /// Switches the collecting of touched keys on or off; off forgets what was collected.
    pub fn collect_touched(&mut self, on: bool) {
        match (on, &self.book.touched) {
            (true, None) => self.book.touched = Some(Vec::new()),
            (true, Some(_)) => {}
            (false, _) => self.book.touched = None,
        }
    }

    /// Takes the keys changed since the last call, with repetitions; empty unless switched on.
    pub fn take_touched(&mut self) -> Vec<Box<[u8]>> {
        self.book.touched.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// When small forms give way to tables.
    pub fn set_limits(&mut self, _limits: Limits) {}

    // -- checkpoint -------------------------------------------------------------------------------------------------

    /// Begins a point-in-time walk: what [`Keyspace::walk_slice`] gives from now on is the content of this moment,
    /// whatever changes meanwhile. A walk that is under way is given up first.
    pub fn begin_walk(&mut self) {
        self.walk = Some(self.table.values().cloned().collect());
    }

    /// Appends records to `out`, about `budget` bytes of them; whether the walk is done. Done at once if none was begun.
    pub fn walk_slice(&mut self, budget: usize, out: &mut Vec<u8>) -> bool {
        let Some(rest) = &mut self.walk else { return true };
        let start = out.len();
        while out.len() - start < budget {
            let Some(entry) = rest.pop() else {
                self.walk = None;
                return true;
            };
            crate::record::encode_entry(&entry, out);
        }
        false
    }

    /// Gives a walk up; what it held goes back by [`Keyspace::reclaim`].
    pub fn abort_walk(&mut self) {
        self.walk = None;
    }

    /// Whether a walk is under way.
    pub fn is_walking(&self) -> bool {
        self.walk.is_some()
    }

    /// Loads one record from the front of `bytes` and returns its length. The key is replaced, except that a part of a hash
    /// joins the parts that came before. Nothing changes on an error. Counts as a change.
    pub fn load(&mut self, bytes: &[u8]) -> Result<usize, RecordError> {
        let (len, entry) = crate::record::decode_entry(bytes)?;
        let key = entry.key().to_vec();
        self.put(&key, entry);
        Ok(len)
    }

    /// A digest of the live content at `now`: keys, types, values, deadlines. Independent of layout, order and history.
    pub fn digest(&self, now: Millis) -> u128 {
        self.table
            .values()
            .filter(|entry| !entry.is_lapsed(now))
            .fold(0u128, |sum, entry| sum.wrapping_add(crate::digest::digest_entry(entry)))
    }

    /// The hash digest of one live key's value, for `DEBUG DIGEST-VALUE`.
    pub fn digest_value(&self, key: &[u8], now: Millis) -> Option<u128> {
        let entry = self.table.get(key).filter(|entry| !entry.is_lapsed(now))?;
        Some(match entry.value() {
            ValueRef::Text(_) | ValueRef::Int(_) | ValueRef::Hash(_) => crate::digest::digest_entry(entry),
        })
    }
}
