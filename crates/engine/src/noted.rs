//! Which keys were changed, in the order of their changes, for someone who wants to know of each: caches of clients.
//!
//! Switched off it costs a test a change. Does not know: who wants to know, and of which keys.

use crate::Keyspace;

/// Changes of one keyspace since they were last taken.
#[derive(Debug, Default)]
pub(crate) struct NotedChanges {
    is_on: bool,
    /// The names, one after the other, and where each ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// All keys were deleted at once.
    is_cleared: bool,
}

/// The buffers are not kept if they grew beyond this.
const KEPT: usize = 16 << 10;

impl NotedChanges {
    #[inline]
    pub(crate) fn changed(&mut self, key: &[u8]) {
        if self.is_on {
            self.note(key);
        }
    }

    #[cold]
    fn note(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn cleared(&mut self) {
        self.is_cleared = self.is_on;
    }

    fn forget(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.is_cleared = false;
        if self.bytes.capacity() > KEPT {
            (self.bytes, self.ends) = (Vec::new(), Vec::new());
        }
    }
}

impl Keyspace {
    /// From now on changes are noted for [`Keyspace::take_noted`], or no longer: then what was noted is forgotten.
    pub fn note_changes(&mut self, on: bool) {
        self.book.noted.is_on = on;
        if !on {
            self.book.noted.forget();
        }
    }

    /// Whether changes were noted.
    #[inline]
    pub fn has_noted(&self) -> bool {
        !self.book.noted.ends.is_empty() || self.book.noted.is_cleared
    }

    /// Visits the keys changed since this was last called, with repetitions, in the order of their changes; whether all
    /// keys were deleted at once meanwhile, which names none.
    pub fn take_noted(&mut self, visit: &mut dyn FnMut(&[u8])) -> bool {
        let noted = &mut self.book.noted;
        let mut start = 0;
        for &end in &noted.ends {
            visit(&noted.bytes[start..end]);
            start = end;
        }
        let is_cleared = noted.is_cleared;
        noted.forget();
        is_cleared
    }
}

#[cfg(test)]
mod tests {
    use base::{KeyHasher, Millis};

    use super::*;
    use crate::NewValue;

    fn taken(keyspace: &mut Keyspace) -> (Vec<String>, bool) {
        let mut keys = Vec::new();
        let is_cleared = keyspace.take_noted(&mut |key| keys.push(String::from_utf8_lossy(key).into_owned()));
        (keys, is_cleared)
    }

    #[test]
    fn changes_of_every_kind_are_noted_in_their_order_while_someone_wants_to_know() {
        let mut keyspace = Keyspace::new(KeyHasher::new(1));
        keyspace.insert(b"before", NewValue::Int(1), None);
        keyspace.note_changes(true);
        assert!(!keyspace.has_noted());
        keyspace.insert(b"a", NewValue::Int(1), Some(Millis(5)));
        keyspace.insert(b"", NewValue::Int(1), None);
        keyspace.find(b"a", Millis(1));
        assert!(keyspace.expire(b"a", Millis(9)) && !keyspace.expire(b"a", Millis(9)));
        keyspace.remove(b"", Millis(1));
        keyspace.evict(b"before", Millis(1));
        assert!(keyspace.has_noted());
        let named = ["a", "", "a", "", "before"].map(str::to_owned).to_vec();
        assert_eq!(taken(&mut keyspace), (named, false));
        keyspace.clear();
        assert_eq!(taken(&mut keyspace), (Vec::new(), false), "there was nothing to delete");
        keyspace.insert(b"b", NewValue::Int(1), None);
        keyspace.clear();
        assert_eq!(taken(&mut keyspace), (vec!["b".to_owned()], true));
        keyspace.insert(b"c", NewValue::Int(1), None);
        keyspace.note_changes(false);
        keyspace.insert(b"c", NewValue::Int(2), None);
        assert!(!keyspace.has_noted());
    }
}
