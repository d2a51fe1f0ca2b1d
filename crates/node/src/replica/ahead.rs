//! The keys of an entry's operations, looked up before they run: what `window` does for requests, where an entry is applied.
//!
//! Entries of many groups are applied in turn, so a group's keyspace is in no cache by then; the look-ups of an entry wait
//! for memory side by side. The first argument is taken for a key: where it is none, nothing is lost but some nanoseconds.

use engine::Hashed;

use crate::operations::first_keys;
use crate::partition::Partition;

/// So many are looked up at once: about as many as a processor can have memory accesses under way.
const KEYS: usize = 32;

/// What is known of the keys of the operations at hand.
pub(super) struct KeysAhead {
    keys: [Hashed; KEYS],
    /// The number of the first operation that is not looked up yet.
    next: u32,
}

impl KeysAhead {
    pub(super) fn new() -> KeysAhead {
        KeysAhead { keys: [Hashed::NONE; KEYS], next: 0 }
    }

    /// What is known of operation `number`. `rest` is the body from there on, with so many operations in all.
    #[inline]
    pub(super) fn of(&mut self, partition: &Partition, number: u32, rest: &[u8], operations: u32) -> Hashed {
        if number == self.next {
            let left = operations - number;
            let count = left.min(KEYS as u32);
            self.next = number + count;
            match left {
                // Nothing to be fetched side by side.
                1 => self.keys[0] = Hashed::NONE,
                _ => self.look_up(partition, rest, count),
            }
        }
        self.keys[number as usize % KEYS]
    }

    fn look_up(&mut self, partition: &Partition, rest: &[u8], count: u32) {
        let mut dbs = [None; KEYS];
        self.keys = [Hashed::NONE; KEYS];
        let mut at = 0;
        first_keys(rest, count, &mut |db, key| {
            if let Some(keyspace) = partition.existing(db) {
                (self.keys[at], dbs[at]) = (keyspace.prefetch(key), Some(db));
            }
            at += 1;
        });
        for (key, db) in self.keys.iter_mut().zip(dbs) {
            if let Some(keyspace) = db.and_then(|db| partition.existing(db)) {
                keyspace.prefetch_entry(key);
            }
        }
    }
}
