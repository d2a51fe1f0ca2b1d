//! What one command sees: the time, a seed, and the keys of its database.
//!
//! A key whose deadline is at or before `now` is absent here. Looking at one never deletes it: deletion goes through
//! the log. Every changing method counts as a change of its key by itself.

use base::{DbIndex, Millis};

use crate::clock::{self, Access};
use crate::edit::EntryMut;
use crate::keyspace::Keyspace;
use crate::table::Entry;
use crate::value::{NewDeadline, NewValue};

/// Keyspaces of several partitions or databases, for requests that borrow them.
pub trait KeyspaceSet {
    /// The keyspace of `db` that holds `key`, `None` if it is not among the borrowed ones.
    fn keyspace_of(&mut self, db: DbIndex, key: &[u8]) -> Option<&mut Keyspace>;
}

/// Where a [`Store`] finds its keys.
pub enum Keyspaces<'a> {
    /// All keys are in this one, which is of the store's database.
    One(&'a mut Keyspace),
    /// Each key is where the set says.
    Many(&'a mut dyn KeyspaceSet),
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
    keyspaces: Keyspaces<'a>,
}

impl<'a> Store<'a> {
    /// A store over one keyspace of `db`: the common case.
    #[inline]
    pub fn new(keyspace: &'a mut Keyspace, db: DbIndex, now: Millis, seed: u64) -> Store<'a> {
        Store { now, seed, db, access: Access::Recent, keyspaces: Keyspaces::One(keyspace) }
    }

    /// A store over borrowed keyspaces.
    pub fn over(set: &'a mut dyn KeyspaceSet, db: DbIndex, now: Millis, seed: u64) -> Store<'a> {
        Store { now, seed, db, access: Access::Recent, keyspaces: Keyspaces::Many(set) }
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

    /// The live entry of a key; notes the use.
    #[inline]
    pub fn find(&mut self, key: &[u8]) -> Option<&Entry> {
        let (now, access) = (self.now, self.access);
        self.keyspace(key)?.find_as(key, now, access)
    }

    /// The live entry of a key without noting the use: `OBJECT`, `TYPE`, `TTL`, `DEBUG`.
    #[inline]
    pub fn peek(&mut self, key: &[u8]) -> Option<&Entry> {
        let now = self.now;
        self.keyspace(key)?.find(key, now)
    }

    /// Whether the key is there and live.
    pub fn contains(&mut self, key: &[u8]) -> bool {
        self.find(key).is_some()
    }

    /// The live entry of a key, opened for change; notes the use.
    #[inline]
    pub fn find_mut(&mut self, key: &[u8]) -> Option<EntryMut<'_>> {
        let (now, access) = (self.now, self.access);
        self.keyspace(key)?.find_mut_as(key, now, access)
    }

    /// Sets a key to a value, whatever it was: the one-probe path of `SET`.
    #[inline]
    pub fn set(&mut self, key: &[u8], value: NewValue<'_>, deadline: NewDeadline) {
        let (now, access) = (self.now, self.access);
        if let Some(keyspace) = self.keyspace(key) {
            keyspace.set_as(key, value, deadline, now, access);
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
        let clock = clock::fresh(self.access, self.now);
        let entry = self.keyspace(key)?.insert(key, value, deadline);
        entry.entry.set_clock(clock);
        Some(entry)
    }

    /// Deletes a live key; whether there was one.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let now = self.now;
        self.keyspace(key).is_some_and(|keyspace| keyspace.remove(key, now))
    }

    /// Deletes a key whose deadline has come; whether there was one. For `narf.expire`.
    pub fn expire(&mut self, key: &[u8]) -> bool {
        let now = self.now;
        self.keyspace(key).is_some_and(|keyspace| keyspace.expire(key, now))
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
    /// `entry.with_key(key)`. Whether the keyspace was at hand; if not, the entry is lost.
    pub fn put(&mut self, db: DbIndex, key: &[u8], entry: Entry) -> bool {
        self.keyspace_of(db, key).map(|keyspace| keyspace.put(key, entry)).is_some()
    }

    /// Counts a change of a key that no method here made. Rarely needed: every changing method counts by itself.
    pub fn changed(&mut self, key: &[u8]) {
        if let Some(keyspace) = self.keyspace(key) {
            keyspace.book.changed(key);
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
        self.keyspace(key).is_some_and(|keyspace| keyspace.put_record(key, deadline, record))
    }
}
