//! Memory of what is gone: freed in slices, so that no turn pays for all of it.

use super::sums::Sums;
use super::{Book, Keyspace};
use crate::expire::Wheel;

impl Keyspace {
    /// Deletes every key. Memory goes back in slices, by [`Keyspace::reclaim`]. Counts as one change if there were
    /// keys, and as a change of each watched one.
    pub fn clear(&mut self) {
        if self.table.is_empty() {
            return;
        }
        let Book { hasher, watches, .. } = &self.book;
        let there = |key: &&[u8]| self.table.find(hasher.hash(key), key).is_some();
        let gone: Vec<Box<[u8]>> = watches.keys().filter(there).map(Box::from).collect();
        gone.iter().for_each(|key| self.book.watches.expired(key));
        let hasher = self.book.hasher;
        let full = std::mem::take(&mut self.table);
        let table = match &mut self.book.walk {
            Some(walk) => walk.retire_table(full, self.book.sums.bytes(), |key| hasher.hash(key)),
            None => Some(full),
        };
        if let Some(table) = table {
            self.book.grave.bury_table(table, self.book.sums.bytes());
        }
        self.book.noted.cleared();
        self.book.changes += 1;
        self.book.sums = Sums::default();
        self.book.deadlines = 0;
        self.book.deadline_sum = 0;
        self.book.volatile = 0;
        self.book.rebuild = None;
        self.put_wheel_aside(Wheel::default());
    }

    /// Puts a new wheel in place of the old one, which is freed in slices.
    pub(super) fn put_wheel_aside(&mut self, new: Wheel) {
        let old = std::mem::replace(&mut self.book.wheel, new);
        if old.len() > 0 {
            // If one is being freed already it goes at once: rare, and its rest is small by now.
            self.book.old_wheel = Some(old);
        }
    }

    /// Heap bytes of what is no longer here and not freed yet: big values and cleared tables that are freed in slices, and
    /// what a walk keeps of the keyspace as it was. About.
    pub fn condemned(&self) -> usize {
        self.book.grave.bytes() + self.book.walk.as_ref().map_or(0, |walk| walk.held_bytes())
    }

    /// How many big values, keys of a cleared keyspace and fields of big hashes are no longer here and not freed yet, and
    /// how many were freed since they were last counted anew.
    pub fn lazily_freed(&self) -> (usize, u64) {
        self.book.grave.objects()
    }

    /// Frees memory of cleared tables and removed big values, about `budget` entries of it, and goes on giving up
    /// an aborted walk; whether nothing is left to do. Call once a turn while it says no.
    pub fn reclaim(&mut self, budget: usize) -> bool {
        let mut done = self.book.grave.reclaim(budget);
        if let Some(wheel) = &mut self.book.old_wheel {
            if wheel.drain(budget / 8 + 1) {
                self.book.old_wheel = None;
            } else {
                done = false;
            }
        }
        if self.book.walk.as_ref().is_some_and(|walk| walk.is_discarding()) {
            done &= self.slice(budget.saturating_mul(64), &mut Vec::new());
        }
        done && self.book.grave.is_empty()
    }
}
