//! Keys that some client waits for (`BLPOP` and its like), and which of them were changed.
//!
//! Invariant: a key is in `keys` while its count of waiters is above zero; `changed` is without repetition. What a key
//! holds is not known here: whoever takes the changed ones looks.

use base::HashMap;

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
