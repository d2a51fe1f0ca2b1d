//! Keys that some client waits for (`BLPOP` and its like), and which of them were changed.
//!
//! Invariant: a key is in `keys` while its count of waiters is above zero; `changed` is without repetition. What a key
//! holds is not known here: whoever takes the changed ones looks.

use base::{HashMap, Millis};

use crate::{Keyspace, Kind};

/// A key that is waited for.
#[derive(Debug, Default)]
struct Awaited {
    waiters: u32,
    is_changed: bool,
}

/// The awaited keys of one keyspace.
#[derive(Debug, Default)]
pub(crate) struct AwaitedKeys {
    keys: HashMap<Box<[u8]>, Awaited>,
    changed: Vec<Box<[u8]>>,
}

impl AwaitedKeys {
    pub(crate) fn add(&mut self, key: &[u8]) {
        match self.keys.get_mut(key) {
            Some(awaited) => awaited.waiters += 1,
            None => {
                self.keys.insert(key.into(), Awaited { waiters: 1, is_changed: false });
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        let Some(awaited) = self.keys.get_mut(key) else { return };
        awaited.waiters -= 1;
        if awaited.waiters == 0 {
            self.keys.remove(key);
        }
    }

    #[inline]
    pub(crate) fn changed(&mut self, key: &[u8]) {
        if !self.keys.is_empty() {
            self.note(key);
        }
    }

    #[cold]
    fn note(&mut self, key: &[u8]) {
        if let Some(awaited) = self.keys.get_mut(key)
            && !std::mem::replace(&mut awaited.is_changed, true)
        {
            self.changed.push(key.into());
        }
    }

    #[inline]
    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Those changed since they were last asked for, in the order of their first change.
    pub(crate) fn take_changed(&mut self) -> Vec<Box<[u8]>> {
        let changed = std::mem::take(&mut self.changed);
        for key in &changed {
            if let Some(awaited) = self.keys.get_mut(key) {
                awaited.is_changed = false;
            }
        }
        changed
    }
}

impl Keyspace {
    /// From now on changes of a key are noted for [`Keyspace::take_changed_awaited`]; pair with [`Keyspace::unawait_key`].
    pub fn await_key(&mut self, key: &[u8]) {
        self.book.awaited.add(key);
    }

    /// One who waited for a key does so no longer.
    pub fn unawait_key(&mut self, key: &[u8]) {
        self.book.awaited.remove(key);
    }

    /// Notes an awaited key as if it had changed: someone is to look at it.
    pub fn look_at_awaited(&mut self, key: &[u8]) {
        self.book.awaited.changed(key);
    }

    /// Whether awaited keys were changed.
    #[inline]
    pub fn has_changed_awaited(&self) -> bool {
        self.book.awaited.has_changed()
    }

    /// The awaited keys that were changed since this was last asked, in the order of their changes.
    pub fn take_changed_awaited(&mut self) -> Vec<Box<[u8]>> {
        self.book.awaited.take_changed()
    }

    /// What a key holds that is not past its deadline, and how much of it, if it is a list or a sorted set.
    pub fn stock(&self, key: &[u8], now: Millis) -> Option<(Kind, usize)> {
        let value = self.view(key, now)?.value();
        let len = value.list().map(|list| list.len()).or_else(|| value.zset().map(|zset| zset.len()));
        Some((value.kind(), len.unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_key_is_told_once_and_only_while_someone_waits() {
        let mut keys = AwaitedKeys::default();
        keys.changed(b"k");
        assert!(!keys.has_changed());
        keys.add(b"k");
        keys.add(b"k");
        keys.changed(b"other");
        keys.changed(b"k");
        keys.changed(b"k");
        assert_eq!(keys.take_changed(), [b"k".as_slice().into()]);
        keys.remove(b"k");
        keys.changed(b"k");
        assert!(keys.has_changed());
        keys.remove(b"k");
        assert_eq!(keys.take_changed().len(), 1);
        keys.changed(b"k");
        assert!(!keys.has_changed());
    }
}
