//! Deadlines of a hash's fields, in order, so that those that have come are found without looking at all.
//!
//! Invariant: for each field with a deadline one item, its deadline and the hash of its name, counted if several fields
//! share both. Does not know: names, values, the clock.

use std::collections::BTreeMap;

use base::Millis;

/// Bytes of an item, with its share of what the nodes keep free.
const ITEM_BYTES: usize = 32;

/// Deadlines in order.
#[derive(Default)]
pub(crate) struct Lapses {
    items: BTreeMap<(Millis, u64), u32>,
    len: usize,
}

impl Lapses {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Heap bytes, about.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Lapses>() + self.len * ITEM_BYTES
    }

    pub(crate) fn add(&mut self, deadline: Millis, hash: u64) {
        *self.items.entry((deadline, hash)).or_default() += 1;
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, deadline: Millis, hash: u64) {
        let Some(count) = self.items.get_mut(&(deadline, hash)) else { return };
        *count -= 1;
        self.len -= 1;
        if *count == 0 {
            self.items.remove(&(deadline, hash));
        }
    }

    /// The earliest deadline, and the hash of the name of a field that has it.
    pub(crate) fn first(&self) -> Option<(Millis, u64)> {
        self.items.first_key_value().map(|(item, _)| *item)
    }

    /// The latest deadline.
    pub(crate) fn last(&self) -> Option<Millis> {
        self.items.last_key_value().map(|((deadline, _), _)| *deadline)
    }

    /// How many have come.
    pub(crate) fn count_lapsed(&self, now: Millis) -> usize {
        self.count_lapsed_to(now, usize::MAX)
    }

    /// The same without counting much further than `max`.
    pub(crate) fn count_lapsed_to(&self, now: Millis, max: usize) -> usize {
        self.items.range(..=(now, u64::MAX)).take(max).map(|(_, count)| *count as usize).sum()
    }

    /// Frees up to `items` items, for a hash that is gone; how many it were.
    pub(crate) fn free(&mut self, items: usize) -> usize {
        let freed = (0..items).take_while(|_| self.items.pop_first().is_some()).count();
        if self.items.is_empty() {
            self.len = 0;
        }
        freed
    }
}
