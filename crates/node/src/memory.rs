//! How much memory the process uses, as its workers know it, and which of them have keys that could go.
//!
//! Where the program's allocator counts (the binary's does), its count is the truth: it holds for all threads and all
//! that they allocate. Where it does not (a node inside another program, simulations), workers add up what their keys
//! take. Everything here is a number in an atomic: a worker writes its own row and reads the others'.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use base::WorkerId;

/// An allocator that counts.
#[derive(Clone, Copy, Debug)]
pub struct Allocator {
    /// Bytes that the process has allocated and not freed.
    pub allocated: fn() -> u64,
    /// Of those, what the calling thread has allocated, less what it has freed, which others may have allocated.
    pub allocated_here: fn() -> i64,
}

/// See the module.
#[derive(Debug)]
pub struct MemoryUse {
    allocator: Option<Allocator>,
    rows: Box<[Row]>,
    /// Bytes allocated before there was a worker.
    at_start: u64,
    peak: AtomicU64,
    /// Keys that clients keep in caches, and how many clients do, key by key.
    tracked: [AtomicU64; 2],
    /// Clients of the node that track.
    trackers: AtomicU64,
}

/// One worker's; on a line of its own, for it is written each turn.
#[derive(Debug)]
#[repr(align(64))]
struct Row {
    /// Bytes of its keys; kept only without an allocator that counts.
    bytes: AtomicU64,
    /// Bytes in use by it that a limit is not about, and those of keys that were told to go and have not gone.
    uncounted: AtomicU64,
    leaving: AtomicU64,
    /// What keys it may have that could go; the best until it was looked at.
    evictable: AtomicU8,
}

/// Keys of a worker that could go if memory is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Evictable {
    /// It has none.
    None = 0,
    /// Where other nodes lead, who have to be asked.
    Followed = 1,
    /// Where it decides itself.
    Led = 2,
}

impl MemoryUse {
    /// For so many workers. Without an allocator that counts, what keys take is added up.
    pub fn new(allocator: Option<Allocator>, workers: u16) -> MemoryUse {
        let row = || Row {
            bytes: AtomicU64::new(0),
            uncounted: AtomicU64::new(0),
            leaving: AtomicU64::new(0),
            evictable: AtomicU8::new(Evictable::Led as u8),
        };
        MemoryUse {
            allocator,
            rows: (0..workers).map(|_| row()).collect(),
            at_start: allocator.map_or(0, |allocator| (allocator.allocated)()),
            peak: AtomicU64::new(0),
            tracked: Default::default(),
            trackers: AtomicU64::new(0),
        }
    }

    /// A partition's counts of keys in clients' caches, and of those clients, have changed from what they were.
    pub(crate) fn count_tracked(&self, changes: [(usize, usize); 2]) {
        for (sum, (before, now)) in
            self.tracked.iter().zip(changes).filter(|(_, (before, now))| before != now)
        {
            // The sum of what partitions have said is never below zero, whatever order it is made in.
            sum.fetch_add((now as u64).wrapping_sub(before as u64), Ordering::Relaxed);
        }
    }

    /// A client of the node begins to track, or ceases to.
    pub(crate) fn count_tracker(&self, on: bool) {
        match on {
            true => self.trackers.fetch_add(1, Ordering::Relaxed),
            false => self.trackers.fetch_sub(1, Ordering::Relaxed),
        };
    }

    /// Whether any client of the node tracks.
    pub(crate) fn has_trackers(&self) -> bool {
        self.trackers.load(Ordering::Relaxed) > 0
    }

    /// The counts of all partitions of the node.
    pub(crate) fn tracked(&self) -> (u64, u64) {
        let [keys, items] = [&self.tracked[0], &self.tracked[1]].map(|count| count.load(Ordering::Relaxed));
        (keys, items)
    }

    /// Whether an allocator counts: all memory, that of keys which were deleted and are not freed yet included.
    pub(crate) fn is_counted(&self) -> bool {
        self.allocator.is_some()
    }

    /// Bytes used beyond what [`MemoryUse::here`] tells this worker, or beyond those of its keys.
    pub(crate) fn elsewhere(&self, me: WorkerId) -> i64 {
        match self.allocator {
            Some(Allocator { allocated, allocated_here }) => allocated().cast_signed() - allocated_here(),
            None => {
                let others = self.rows.iter().enumerate().filter(|(number, _)| *number != usize::from(me.0));
                others.map(|(_, row)| row.bytes.load(Ordering::Relaxed)).sum::<u64>().cast_signed()
            }
        }
    }

    /// This thread's share of what is allocated; none if nobody counts.
    #[inline]
    pub(crate) fn here(&self) -> Option<i64> {
        self.allocator.map(|allocator| (allocator.allocated_here)())
    }

    /// Bytes used; `estimate` where nobody counts.
    pub(crate) fn used_or(&self, estimate: u64) -> u64 {
        let used = self.allocator.map_or(estimate, |allocator| (allocator.allocated)());
        self.peak.fetch_max(used, Ordering::Relaxed);
        used
    }

    /// The most bytes that were seen in use.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Bytes in use when the node started.
    pub(crate) fn at_start(&self) -> u64 {
        self.at_start
    }

    /// A worker says what its keys take.
    pub(crate) fn note_bytes(&self, me: WorkerId, bytes: u64) {
        if let Some(row) = self.rows.get(usize::from(me.0)) {
            row.bytes.store(bytes, Ordering::Relaxed);
        }
    }

    /// A worker says what it uses that a limit is not about, and what of it is leaving.
    pub(crate) fn note_uncounted(&self, me: WorkerId, bytes: u64, leaving: u64) {
        if let Some(row) = self.rows.get(usize::from(me.0)) {
            row.uncounted.store(bytes, Ordering::Relaxed);
            row.leaving.store(leaving, Ordering::Relaxed);
        }
    }

    /// What the other workers use that a limit is not about, and what of it is leaving, as of their last turns.
    pub(crate) fn uncounted_elsewhere(&self, me: WorkerId) -> (u64, u64) {
        let others = self.rows.iter().enumerate().filter(|(number, _)| *number != usize::from(me.0));
        let both =
            others.map(|(_, row)| [&row.uncounted, &row.leaving].map(|sum| sum.load(Ordering::Relaxed)));
        both.fold((0, 0), |sums, [uncounted, leaving]| (sums.0 + uncounted, sums.1 + leaving))
    }

    /// A worker says whether it has keys that could go.
    pub(crate) fn note_evictable(&self, me: WorkerId, what: Evictable) {
        if let Some(row) = self.rows.get(usize::from(me.0)) {
            row.evictable.store(what as u8, Ordering::Relaxed);
        }
    }

    /// Whether another worker may have keys that could go, of this kind or a better one.
    pub(crate) fn others_have_evictable(&self, me: WorkerId, what: Evictable) -> bool {
        let others = self.rows.iter().enumerate().filter(|(number, _)| *number != usize::from(me.0));
        others.into_iter().any(|(_, row)| row.evictable.load(Ordering::Relaxed) >= what as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_count_is_that_of_all_other_workers() {
        let (memory, ids) = (MemoryUse::new(None, 3), [0, 1, 2].map(WorkerId));
        assert_eq!(memory.uncounted_elsewhere(ids[0]), (0, 0));
        ids.iter().zip([1, 20, 300]).for_each(|(id, bytes)| memory.note_uncounted(*id, bytes, bytes / 10));
        assert_eq!(ids.map(|id| memory.uncounted_elsewhere(id)), [(320, 32), (301, 30), (21, 2)]);
        memory.note_uncounted(ids[1], 0, 0);
        assert_eq!(memory.uncounted_elsewhere(ids[0]), (300, 30));
    }
}
