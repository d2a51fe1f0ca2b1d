//! What one command sees: the time, a seed, and the keys of its database.
//!
//! A key whose deadline is at or before `now` is absent here. Looking at one never deletes it: deletion goes through
//! the log. Every changing method counts as a change of its key by itself. It also tells by itself what is an event
//! whatever the command; the command tells its own ([`Store::tell`]), before it removes a key and after all else.

use base::{DbIndex, Millis};

use crate::clock::{Access, Clocks, Used};
use crate::edit::EntryMut;
use crate::error::RequestError;
use crate::event::{Class, Event, Events};
use crate::keyspace::Keyspace;
use crate::ledger::Ledger;
use crate::rdb::Value;
use crate::table::{Entry, Spot};
use crate::value::{Member, NewDeadline, NewValue};

/// Keyspaces of several partitions or databases, for requests that borrow them.
pub trait KeyspaceSet {
    /// The keyspace of `db` that holds `key`, `None` if it is not among the borrowed ones.
    fn keyspace_of(&mut self, db: DbIndex, key: &[u8]) -> Option<&mut Keyspace>;

    /// The same, to be looked at beside others; `None` also if it was never used.
    fn existing(&self, db: DbIndex, key: &[u8]) -> Option<&Keyspace>;
}

/// Where a [`Store`] finds its keys.
pub enum Keyspaces<'a> {
    /// All keys are in this one, which is of the store's database.
    One(&'a mut Keyspace),
    /// Each key is where the set says.
    Many(&'a mut dyn KeyspaceSet),
}

/// The hash of a key, made before the command ran, and where its entry was seen then. The key is known again by where its
/// bytes lie, so this is to be kept no longer than they are borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Hashed {
    start: usize,
    len: usize,
    sought: Sought,
}

/// What a look-up in a table goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sought {
    pub(crate) hash: u64,
    /// Where an entry was seen that may be it.
    pub(crate) spot: Spot,
}

impl Hashed {
    /// Of no key.
    pub const NONE: Hashed = Hashed { start: 0, len: 0, sought: Sought { hash: 0, spot: Spot::NONE } };

    /// Of a key: see [`Keyspace::prefetch`].
    #[inline]
    pub(crate) fn new(key: &[u8], sought: Sought) -> Hashed {
        Hashed { start: key.as_ptr().addr(), len: key.len(), sought }
    }

    /// Whether it is of a key at all.
    #[inline]
    pub fn is_known(self) -> bool {
        self.start != 0
    }

    /// Whether it is of these very bytes.
    #[inline]
    pub fn is_of(self, key: &[u8]) -> bool {
        // No slice starts at zero, not even an empty one.
        self.start == key.as_ptr().addr() && self.len == key.len()
    }

    #[inline]
    pub(crate) fn sought(self) -> Sought {
        self.sought
    }

    /// Notes where the entry was seen.
    #[inline]
    pub(crate) fn note_spot(&mut self, spot: Spot) {
        self.sought.spot = spot;
    }

    #[inline]
    fn of(self, key: &[u8], keyspace: &Keyspace) -> Sought {
        if self.is_of(key) {
            debug_assert_eq!(
                self.sought.hash,
                keyspace.hash(key),
                "a key does not change while it is borrowed"
            );
            return self.sought;
        }
        keyspace.sought(key)
    }
}

impl Keyspace {
    /// Asks the processor to fetch the slots that a lookup of a key will read; call some requests ahead.
    #[inline]
    pub fn prefetch(&self, key: &[u8]) -> Hashed {
        let hash = self.hash(key);
        Hashed::new(key, Sought { hash, spot: self.table.prefetch(hash) })
    }

    /// The entry that may be that of a key, if one was seen.
    #[inline]
    pub(crate) fn seen(&self, key: Hashed) -> Option<&Entry> {
        self.table.seen(key.sought().spot)
    }

    /// The second step: asks for the entry itself; call once the first step has had some hundred cycles.
    #[inline]
    pub fn prefetch_entry(&self, hashed: &mut Hashed) {
        let Sought { hash, spot } = hashed.sought();
        hashed.note_spot(self.table.prefetch_entry(spot, hash));
    }
}

/// What one command sees.
pub struct Store<'a> {
    /// The time of the entry, or of the turn for a read.
    pub now: Millis,
    /// The seed of the entry: all randomness of the command comes from it.
    pub seed: u64,
    /// The selected database.
    pub db: DbIndex,
    /// How keys note that they were used.
    pub access: Access,
    /// Whether a count that is made anew is kept in its HyperLogLog. Only where a change that a read makes is logged, or
    /// comes from the log.
    pub notes_counts: bool,
    /// A key of the command whose hash is known.
    pub hashed: Hashed,
    /// Where it is told what happens to keys, if someone wants to know.
    pub events: Option<&'a mut Events>,
    /// What is kept of numbered requests, where one may come: [`Keyspaces::One`].
    pub ledger: Option<&'a mut Ledger>,
    keyspaces: Keyspaces<'a>,
}

impl<'a> Store<'a> {
    /// A store over one keyspace of `db`: the common case.
    #[inline]
    pub fn new(keyspace: &'a mut Keyspace, db: DbIndex, now: Millis, seed: u64) -> Store<'a> {
        Store {
            now,
            seed,
            db,
            access: Access::Noted,
            notes_counts: false,
            hashed: Hashed::NONE,
            events: None,
            ledger: None,
            keyspaces: Keyspaces::One(keyspace),
        }
    }

    /// A store over borrowed keyspaces.
    pub fn over(set: &'a mut dyn KeyspaceSet, db: DbIndex, now: Millis, seed: u64) -> Store<'a> {
        Store {
            now,
            seed,
            db,
            access: Access::Noted,
            notes_counts: false,
            hashed: Hashed::NONE,
            events: None,
            ledger: None,
            keyspaces: Keyspaces::Many(set),
        }
    }

    /// The keyspace that holds `key` in `db`. `None` means that the node did not borrow it; its router sees to it
    /// that this does not happen, and commands treat such a key as absent.
    #[inline]
    pub fn keyspace_of(&mut self, db: DbIndex, key: &[u8]) -> Option<&mut Keyspace> {
        match &mut self.keyspaces {
            Keyspaces::One(keyspace) => (db == self.db).then_some(&mut **keyspace),
            Keyspaces::Many(set) => set.keyspace_of(db, key),
        }
    }

    #[inline]
    fn keyspace(&mut self, key: &[u8]) -> Option<&mut Keyspace> {
        self.keyspace_of(self.db, key)
    }

    /// Tells that something happened to a key, if someone wants to know.
    #[inline]
    pub(crate) fn tell(&mut self, event: Event, key: &[u8]) {
        self.tell_in(self.db, event, key);
    }

    /// The same in another database.
    #[inline]
    pub(crate) fn tell_in(&mut self, db: DbIndex, event: Event, key: &[u8]) {
        if let Some(events) = &mut self.events {
            events.tell(event, db, key);
        }
    }

    /// Tells that a key is read and not there, if it is not.
    #[inline]
    pub(crate) fn tell_miss(&mut self, key: &[u8]) {
        if self.events.as_ref().is_some_and(|events| events.wants(Class::Miss)) && self.view(key).is_none() {
            self.tell(Event::KeyMiss, key);
        }
    }

    /// Must come before a value is put under a key, in place of what is there: a key that is not there is new, and one
    /// that has lapsed goes with that.
    #[inline]
    fn tell_arrival(&mut self, key: &[u8]) {
        if self.events.is_some() {
            self.tell_new(key);
        }
    }

    #[cold]
    fn tell_new(&mut self, key: &[u8]) {
        let now = self.now;
        let there = self.keyspace(key).and_then(|keyspace| keyspace.peek(key));
        if there.is_some_and(|entry| !entry.is_lapsed(now)) {
            return;
        }
        self.tell_lapse(key);
        self.tell(Event::New, key);
    }

    /// Tells what goes with a key, or of it, because its time has come.
    #[cold]
    fn tell_lapse(&mut self, key: &[u8]) {
        let now = self.now;
        let Some(entry) = self.keyspace(key).and_then(|keyspace| keyspace.peek(key)) else { return };
        let events: &[Event] = match entry.deadline() {
            Some(deadline) if deadline <= now => &[Event::Expired],
            // The key goes with its last field.
            _ if entry.is_lapsed(now) => &[Event::HExpired, Event::Del],
            _ if entry.has_lapsed_fields(now) => &[Event::HExpired],
            _ => &[],
        };
        events.iter().for_each(|event| self.tell(*event, key));
    }

    /// The live entry of a key that is read; notes the use.
    #[inline]
    pub fn find(&mut self, key: &[u8]) -> Option<&Entry> {
        self.tell_miss(key);
        self.seek(key)
    }

    /// The same for a command that changes keys: it may find nothing, and misses nothing.
    #[inline]
    pub(crate) fn seek(&mut self, key: &[u8]) -> Option<&Entry> {
        let (now, access, hashed) = (self.now, self.access, self.hashed);
        let keyspace = self.keyspace(key)?;
        keyspace.find_as(hashed.of(key, keyspace), key, now, access)
    }

    /// The same, noting the use whatever the client asked for: `TOUCH`.
    pub fn touch(&mut self, key: &[u8]) -> bool {
        self.tell_miss(key);
        let now = self.now;
        let hashed = self.hashed;
        self.keyspace(key).is_some_and(|keyspace| {
            keyspace.find_as(hashed.of(key, keyspace), key, now, Access::Noted).is_some()
        })
    }

    /// The live entry of a key without noting the use: `OBJECT`, `TYPE`, `TTL`, `DEBUG`.
    #[inline]
    pub fn peek(&mut self, key: &[u8]) -> Option<&Entry> {
        let now = self.now;
        self.keyspace(key)?.find(key, now)
    }

    /// The live entry of a key, without noting anything, so that several can be looked at together.
    pub fn view(&self, key: &[u8]) -> Option<&Entry> {
        match &self.keyspaces {
            Keyspaces::One(keyspace) => keyspace.view(key, self.now),
            Keyspaces::Many(set) => set.existing(self.db, key)?.view(key, self.now),
        }
    }

    /// Whether the key is there and live.
    pub fn contains(&mut self, key: &[u8]) -> bool {
        self.seek(key).is_some()
    }

    /// The live entry of a key, opened for change; notes the use.
    #[inline]
    pub fn find_mut(&mut self, key: &[u8]) -> Option<EntryMut<'_>> {
        let (now, access, hashed) = (self.now, self.access, self.hashed);
        let keyspace = self.keyspace(key)?;
        keyspace.find_mut_as(hashed.of(key, keyspace), key, now, access)
    }

    /// Sets a key to a value, whatever it was: the one-probe path of `SET`.
    #[inline]
    pub fn set(&mut self, key: &[u8], value: NewValue<'_>, deadline: NewDeadline) {
        self.tell_arrival(key);
        let (now, access, hashed) = (self.now, self.access, self.hashed);
        if let Some(keyspace) = self.keyspace(key) {
            keyspace.set_as(hashed.of(key, keyspace), key, value, deadline, now, access);
        }
    }

    /// Stores a new value under a key, replacing what was there, and opens it for change. `None` only where
    /// [`Store::keyspace_of`] is.
    pub fn insert(
        &mut self,
        key: &[u8],
        value: NewValue<'_>,
        deadline: Option<Millis>,
    ) -> Option<EntryMut<'_>> {
        self.tell_arrival(key);
        let now = self.now;
        let keyspace = self.keyspace(key)?;
        let clock = keyspace.clocks().fresh(now);
        let entry = keyspace.insert(key, value, deadline);
        entry.entry.set_clock(clock);
        Some(entry)
    }

    /// Stores a set of these members under a key, replacing what was there.
    pub(crate) fn put_set<'m>(&mut self, key: &[u8], members: impl Iterator<Item = Member<'m>>) {
        self.tell_arrival(key);
        if let Some(keyspace) = self.keyspace(key) {
            keyspace.put_set(key, None, members);
        }
        // Notes the use.
        self.find(key);
    }

    /// Stores a sorted set of these members under a key, replacing what was there.
    pub(crate) fn put_zset<'m>(&mut self, key: &[u8], scored: impl Iterator<Item = (&'m [u8], f64)>) {
        self.tell_arrival(key);
        if let Some(keyspace) = self.keyspace(key) {
            keyspace.put_zset(key, None, scored);
        }
        // Notes the use.
        self.find(key);
    }

    /// Deletes a live key; whether there was one.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        self.remove_as(Event::Del, key)
    }

    /// The same, telling in the words of `event` that it is gone.
    pub(crate) fn remove_as(&mut self, event: Event, key: &[u8]) -> bool {
        let now = self.now;
        let removed = self.keyspace(key).is_some_and(|keyspace| keyspace.remove(key, now));
        if removed {
            self.tell(event, key);
        }
        removed
    }

    /// Deletes a key whose deadline has come; whether there was one. For `narf.expire`.
    pub fn expire(&mut self, key: &[u8]) -> bool {
        if self.events.is_some() {
            self.tell_lapse(key);
        }
        let now = self.now;
        self.keyspace(key).is_some_and(|keyspace| keyspace.expire(key, now))
    }

    /// Deletes a key, whether its deadline has come or not; whether there was one. For `narf.evict`.
    pub fn evict(&mut self, key: &[u8]) -> bool {
        let now = self.now;
        if self.view(key).is_some() {
            self.tell(Event::Evicted, key);
        } else if self.events.is_some() {
            self.tell_lapse(key);
        }
        self.keyspace(key).is_some_and(|keyspace| keyspace.evict(key, now))
    }

    /// What the access clocks of a key's keyspace note.
    pub fn clocks(&mut self, key: &[u8]) -> Clocks {
        self.keyspace(key).map_or(Clocks::Time, |keyspace| keyspace.clocks())
    }

    /// Sets or removes the deadline of a live key; whether there is one.
    pub fn set_deadline(&mut self, key: &[u8], deadline: Option<Millis>) -> bool {
        self.find_mut(key).map(|mut entry| entry.set_deadline(deadline)).is_some()
    }

    /// Takes a live entry out, for `RENAME` and `MOVE`.
    pub fn take(&mut self, key: &[u8]) -> Option<Entry> {
        let now = self.now;
        self.keyspace(key)?.take(key, now)
    }

    /// Puts an entry under `key` of `db`, replacing what was there; its deadline comes with it. For a copy, give
    /// `entry.with_key(key)`. Whether the keyspace was at hand; if not, the entry is lost. As in Redis, such a key is new
    /// whatever was there.
    pub fn put(&mut self, db: DbIndex, key: &[u8], entry: Entry) -> bool {
        self.tell_in(db, Event::New, key);
        self.keyspace_of(db, key).map(|keyspace| keyspace.put(key, entry)).is_some()
    }

    /// An entry of a value that came from elsewhere, to be put under `key`; nothing if the value names an element
    /// twice.
    pub(crate) fn entry_of<'e>(
        &mut self,
        key: &[u8],
        deadline: Option<Millis>,
        value: &Value,
    ) -> Result<Option<Entry>, RequestError<'e>> {
        let keyspace = self.keyspace(key).ok_or(RequestError::CrossSlot)?;
        Ok(keyspace.entry_of(key, deadline, value))
    }

    /// Puts an entry under `key`, replacing what was there, and notes what is known of its use before.
    pub(crate) fn put_used(&mut self, key: &[u8], mut entry: Entry, used: Used) {
        entry.set_clock(self.clocks(key).restored(self.now, used));
        self.put(self.db, key, entry);
    }

    /// Counts a change of a key that no method here made. Rarely needed: every changing method counts by itself.
    pub fn changed(&mut self, key: &[u8]) {
        if let Some(keyspace) = self.keyspace(key) {
            keyspace.book.changed(key);
        }
    }

    /// Counts a change of what is kept of numbered requests, which is no key's.
    pub(crate) fn changed_ledger(&mut self) {
        match &mut self.keyspaces {
            Keyspaces::One(keyspace) => keyspace.book.changed_beside(),
            Keyspaces::Many(_) => {}
        }
    }

    /// Deletes every key of the one keyspace of this store: `narf.flush`. Nothing over borrowed ones.
    pub fn clear(&mut self) {
        match &mut self.keyspaces {
            Keyspaces::One(keyspace) => keyspace.clear(),
            Keyspaces::Many(_) => {}
        }
    }

    /// Puts the record of one key ([`crate::encode_entry`]) under `key` with `deadline`, replacing: `narf.put`.
    /// Returns false, and changes nothing, if the record is not one.
    pub fn put_record(&mut self, key: &[u8], deadline: Option<Millis>, record: &[u8]) -> bool {
        let put = self.keyspace(key).is_some_and(|keyspace| keyspace.put_record(key, deadline, record));
        // Notes the use; a deadline that has come already is no matter here.
        self.find(key);
        put
    }
}

#[cfg(test)]
mod tests {
    use base::KeyHasher;

    use super::*;
    use crate::value::{Kind, ValueRef};

    /// Keys that start with `b` are in the second keyspace, database 1 in the third; others were not borrowed.
    struct Borrowed([Keyspace; 3]);

    impl KeyspaceSet for Borrowed {
        fn keyspace_of(&mut self, db: DbIndex, key: &[u8]) -> Option<&mut Keyspace> {
            match (db.number(), key.first()) {
                (0, Some(b'a')) => self.0.first_mut(),
                (0, Some(b'b')) => self.0.get_mut(1),
                (1, _) => self.0.get_mut(2),
                _ => None,
            }
        }

        fn existing(&self, db: DbIndex, key: &[u8]) -> Option<&Keyspace> {
            match (db.number(), key.first()) {
                (0, Some(b'a')) => self.0.first(),
                (0, Some(b'b')) => self.0.get(1),
                (1, _) => self.0.get(2),
                _ => None,
            }
        }
    }

    fn keyspace() -> Keyspace {
        Keyspace::new(KeyHasher::new(3))
    }

    #[test]
    fn a_store_over_borrowed_keyspaces_finds_each_key_in_its_own() {
        let mut set = Borrowed([keyspace(), keyspace(), keyspace()]);
        let one = DbIndex::new(1).unwrap();
        let mut store = Store::over(&mut set, DbIndex::ZERO, Millis(5), 0);
        store.set(b"a", NewValue::Text(b"7"), NewDeadline::At(Millis(9)));
        store.set(b"c", NewValue::Text(b"lost"), NewDeadline::Clear);
        assert!(!store.contains(b"c"), "what was not borrowed is absent");
        let entry = store.take(b"a").unwrap();
        assert!(store.put(DbIndex::ZERO, b"b", entry));
        let copy = store.peek(b"b").unwrap().with_key(b"x");
        assert!(store.put(one, b"x", copy));
        assert!(store.find(b"a").is_none());
        assert_eq!(store.find(b"b").unwrap().deadline(), Some(Millis(9)));
        assert_eq!([0, 1, 2].map(|index: usize| set.0[index].len()), [0, 1, 1]);
        set.0.iter().for_each(Keyspace::check_invariants);
    }

    #[test]
    fn a_key_is_idle_since_a_command_used_it() {
        let mut keyspace = keyspace();
        let mut at = |seconds: u64, access, act: &dyn Fn(&mut Store<'_>)| {
            let mut store = Store::new(&mut keyspace, DbIndex::ZERO, Millis(seconds * 1000), 0);
            store.access = access;
            act(&mut store);
            let now = store.now;
            store.peek(b"k").unwrap().idle_seconds(now)
        };
        let set: &dyn Fn(&mut Store<'_>) = &|s| s.set(b"k", NewValue::Text(b"v"), NewDeadline::Clear);
        let insert: &dyn Fn(&mut Store<'_>) = &|s| assert!(s.insert(b"k", NewValue::Int(1), None).is_some());
        let find: &dyn Fn(&mut Store<'_>) = &|s| assert!(s.contains(b"k"));
        let nothing: &dyn Fn(&mut Store<'_>) = &|_| {};
        assert_eq!(at(100, Access::Noted, set), 0);
        assert_eq!(at(130, Access::Noted, nothing), 30);
        assert_eq!(at(140, Access::Untouched, find), 40);
        assert_eq!(at(150, Access::Noted, find), 0);
        assert_eq!(at(170, Access::Noted, insert), 0);
        assert_eq!(at(171, Access::Noted, nothing), 1);
    }

    #[test]
    fn a_deadline_at_the_last_moment_of_all_is_none() {
        let mut keyspace = keyspace();
        let mut store = Store::new(&mut keyspace, DbIndex::ZERO, Millis(1), 0);
        store.set(b"k", NewValue::Text(b"v"), NewDeadline::At(Millis::NEVER));
        assert!(store.set_deadline(b"k", Some(Millis::NEVER)));
        assert_eq!(store.peek(b"k").unwrap().deadline(), None);
        keyspace.check_invariants();
    }

    #[test]
    fn a_record_comes_back_as_it_was_and_garbage_changes_nothing() {
        let mut keyspace = keyspace();
        let mut store = Store::new(&mut keyspace, DbIndex::ZERO, Millis(1), 0);
        let mut entry = store.insert(b"h", NewValue::EmptyHash, Some(Millis(50))).unwrap();
        assert!(entry.hash().unwrap().set(b"f", b"v"));
        let mut record = Vec::new();
        crate::encode_entry(&entry, &mut record);
        assert!(store.put_record(b"copy", None, &record));
        let copy = store.find(b"copy").unwrap();
        assert_eq!((copy.kind(), copy.deadline(), copy.key()), (Kind::Hash, None, b"copy".as_slice()));
        let ValueRef::Hash(hash) = copy.value() else { panic!("a hash") };
        assert_eq!(hash.get(b"f"), Some(b"v".as_slice()));
        record.push(0);
        assert!(!store.put_record(b"other", None, &record), "nothing may follow the record");
        assert!(!store.put_record(b"other", None, b""));
        assert!(!store.contains(b"other"));
    }
}
