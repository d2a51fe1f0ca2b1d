//! Keys that some session watches (WATCH), and whether they changed since.
//!
//! Invariant: a key is here while its count of watchers is above zero. Follows Redis 7.2: a key that was live at
//! WATCH and has lapsed since counts as changed; one that had already lapsed and is then deleted does not.

use base::HashMap;

/// What `watch` hands out and `changed_since` takes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchStamp {
    changes: u64,
    expiries: u64,
    /// The key was there, past its deadline.
    lapsed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Watched {
    watchers: u32,
    changes: u64,
    expiries: u64,
}

/// The watched keys of one keyspace.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    keys: HashMap<Box<[u8]>, Watched>,
    /// Never goes back, so that a stamp of an earlier watch of the same key cannot match by chance.
    sequence: u64,
}

impl Watches {
    pub(crate) fn watch(&mut self, key: &[u8], lapsed: bool) -> WatchStamp {
        self.sequence += 1;
        let fresh = Watched { watchers: 0, changes: self.sequence, expiries: self.sequence };
        let watched = match self.keys.get_mut(key) {
            Some(watched) => watched,
            None => self.keys.entry(key.into()).or_insert(fresh),
        };
        watched.watchers += 1;
        WatchStamp { changes: watched.changes, expiries: watched.expiries, lapsed }
    }

    pub(crate) fn unwatch(&mut self, key: &[u8]) {
        let Some(watched) = self.keys.get_mut(key) else { return };
        watched.watchers -= 1;
        if watched.watchers == 0 {
            self.keys.remove(key);
        }
    }

    #[inline]
    pub(crate) fn changed(&mut self, key: &[u8]) {
        if !self.keys.is_empty() {
            self.bump(key, |watched, sequence| watched.changes = sequence);
        }
    }

    /// The key was deleted because its deadline had passed, or with the whole keyspace.
    #[inline]
    pub(crate) fn expired(&mut self, key: &[u8]) {
        if !self.keys.is_empty() {
            self.bump(key, |watched, sequence| watched.expiries = sequence);
        }
    }

    /// The keys watched now, for a caller that must look at each.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.keys().map(|key| &**key)
    }

    #[cold]
    fn bump(&mut self, key: &[u8], set: impl FnOnce(&mut Watched, u64)) {
        if let Some(watched) = self.keys.get_mut(key) {
            self.sequence += 1;
            set(watched, self.sequence);
        }
    }

    /// `lapsed_now`: the key is there, past its deadline.
    pub(crate) fn changed_since(&self, key: &[u8], stamp: WatchStamp, lapsed_now: bool) -> bool {
        let Some(watched) = self.keys.get(key) else { return true };
        watched.changes != stamp.changes
            || (!stamp.lapsed && (lapsed_now || watched.expiries != stamp.expiries))
    }
}
