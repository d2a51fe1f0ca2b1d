//! A run of slots in buckets of eight: open addressing within one piece of the table.
//!
//! Invariants: as in `table`; at least one slot stays free, so that searches end. Only `split` and the callers'
//! `accept` look at entries: everything else goes by fingerprints, which lie in the slots.

use base::KeyHasher;

use super::entry::{Entry, Line, matches, prefetch, slot_of_bit};

const BUCKET: usize = 8;

/// Sizes of a segment, in buckets. A block aligned to 64 bytes costs mimalloc 63 bytes more unless its size is a power
/// of two; each size here fits a size class with that, so nothing is lost to rounding.
///
/// Segments fill evenly, so all step up at about the same number of keys, and the blocks they leave are idle for a
/// while; the last two steps are placed so that this is far from where a segment stands at a round million keys in 2^n
/// partitions.
const LADDER: [usize; 12] = [1, 2, 4, 5, 8, 11, 16, 19, 27, 39, SPLIT_MIN, BUCKETS_MAX];

/// Buckets of a half after a split, unless the entries divide very unevenly.
const SPLIT_MIN: usize = 55;

/// Most buckets of a segment: past this it splits.
pub(super) const BUCKETS_MAX: usize = 79;

/// Two halves with at most this many entries together become one.
pub(super) const MERGE_MAX: usize = 208;

/// One cache line of slots.
#[derive(Default)]
#[repr(align(64))]
struct Bucket(Line);

impl Bucket {
    /// The last slot is filled last, so it mostly tells by itself.
    #[inline]
    fn has_room(&self) -> bool {
        self.0[BUCKET - 1].is_none() || self.0.iter().any(Option::is_none)
    }
}

/// A place for an entry in a segment, or, with an index past the last, a bucket and none of its places yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    bucket: u16,
    index: u8,
}

impl Slot {
    pub(super) const NONE: Slot = Slot::within(0);

    const fn within(bucket: usize) -> Slot {
        Slot { bucket: bucket as u16, index: BUCKET as u8 }
    }
}

/// One piece of the table: the entries whose hashes start with the `depth` bits of `prefix`.
pub(crate) struct Segment {
    buckets: Box<[Bucket]>,
    len: u32,
    pub(super) prefix: u32,
    pub(super) depth: u8,
}

impl Segment {
    pub(super) fn new(prefix: u32, depth: u8, buckets: usize) -> Segment {
        let buckets = std::iter::repeat_with(Bucket::default).take(buckets).collect();
        Segment { buckets, len: 0, prefix, depth }
    }

    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    pub(super) fn buckets(&self) -> usize {
        self.buckets.len()
    }

    pub(crate) fn slot_bytes(&self) -> usize {
        self.buckets.len() * size_of::<Bucket>()
    }

    /// Filled to eleven twelfths: searches stay short, and a bucket's worth of slots stays free.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.len() >= limit(self.buckets.len())
    }

    /// So empty that half the slots would do with room to spare.
    pub(super) fn is_sparse(&self) -> bool {
        self.buckets.len() > 1 && self.len() <= self.buckets.len() * BUCKET / 4
    }

    /// The bucket where entries of this fingerprint start to look for room.
    #[inline]
    pub(super) fn home(&self, fingerprint: u16) -> usize {
        home(fingerprint, self.buckets.len())
    }

    /// The least fingerprint whose home is `bucket`.
    pub(super) fn first_fingerprint(&self, bucket: usize) -> u16 {
        (bucket << 16).div_ceil(self.buckets.len()) as u16
    }

    #[inline]
    fn next(&self, bucket: usize) -> usize {
        if bucket + 1 == self.buckets.len() { 0 } else { bucket + 1 }
    }

    #[inline]
    fn search(&self, fingerprint: u16, accept: impl Fn(&Entry) -> bool) -> Option<(usize, usize)> {
        let mut bucket = self.home(fingerprint);
        loop {
            let line = &self.buckets[bucket];
            let mut bits = matches(&line.0, fingerprint);
            while bits != 0 {
                let index = slot_of_bit(bits.trailing_zeros() as usize);
                if line.0[index].as_ref().is_some_and(&accept) {
                    return Some((bucket, index));
                }
                bits &= bits - 1;
            }
            if line.has_room() {
                return None;
            }
            bucket = self.next(bucket);
        }
    }

    #[inline]
    pub(super) fn find(&self, fingerprint: u16, accept: impl Fn(&Entry) -> bool) -> Option<&Entry> {
        let (bucket, index) = self.search(fingerprint, accept)?;
        self.buckets[bucket].0[index].as_ref()
    }

    #[inline]
    pub(super) fn find_mut(
        &mut self,
        fingerprint: u16,
        accept: impl Fn(&Entry) -> bool,
    ) -> Option<&mut Entry> {
        let (bucket, index) = self.search(fingerprint, accept)?;
        self.buckets[bucket].0[index].as_mut()
    }

    /// Asks for the line of slots that a lookup will read first; where that is.
    #[inline]
    pub(super) fn prefetch(&self, fingerprint: u16) -> Slot {
        let bucket = self.home(fingerprint);
        prefetch(&raw const self.buckets[bucket]);
        Slot::within(bucket)
    }

    /// The same for the entries that it will compare in this line; the slot of one of them, if there is any.
    #[inline]
    pub(super) fn prefetch_entry(&self, line: Slot, fingerprint: u16) -> Option<Slot> {
        let bucket = line.bucket;
        let line = self.buckets.get(usize::from(bucket))?;
        let mut bits = matches(&line.0, fingerprint);
        let mut last = None;
        while bits != 0 {
            let index = slot_of_bit(bits.trailing_zeros() as usize);
            if let Some(entry) = &line.0[index] {
                entry.prefetch();
                last = Some(Slot { bucket, index: index as u8 });
            }
            bits &= bits - 1;
        }
        last
    }

    /// What is in a slot now.
    #[inline]
    pub(super) fn in_slot(&self, slot: Slot) -> Option<&Entry> {
        self.buckets.get(usize::from(slot.bucket))?.0.get(usize::from(slot.index))?.as_ref()
    }

    #[inline]
    pub(super) fn in_slot_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.buckets.get_mut(usize::from(slot.bucket))?.0.get_mut(usize::from(slot.index))?.as_mut()
    }

    /// Puts in an entry that carries its fingerprint. There must be room.
    #[inline]
    pub(super) fn insert(&mut self, entry: Entry) -> &mut Entry {
        let mut bucket = self.home(entry.fingerprint());
        loop {
            if let Some(index) = self.buckets[bucket].0.iter().position(Option::is_none) {
                self.len += 1;
                return self.buckets[bucket].0[index].insert(entry);
            }
            bucket = self.next(bucket);
        }
    }

    pub(super) fn remove(&mut self, fingerprint: u16, accept: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let (bucket, index) = self.search(fingerprint, accept)?;
        let was_full = !self.buckets[bucket].has_room();
        let entry = self.buckets[bucket].0[index].take();
        self.len -= 1;
        if was_full {
            self.close_hole(bucket, index);
        }
        entry
    }

    /// A bucket that was full has room now; entries that were displaced past it must be able to be found again.
    /// Brings the nearest such entry back, which leaves a hole further on, and so forth.
    fn close_hole(&mut self, mut hole: usize, mut index: usize) {
        let count = self.buckets.len();
        let mut bucket = self.next(hole);
        while bucket != hole {
            let gap = (bucket + count - hole) % count;
            let displaced = |slot: &Option<Entry>| {
                slot.as_ref().is_some_and(|entry| {
                    let home = home(entry.fingerprint(), count);
                    (bucket + count - home) % count >= gap
                })
            };
            let had_room = self.buckets[bucket].has_room();
            if let Some(found) = self.buckets[bucket].0.iter().position(displaced) {
                self.buckets[hole].0[index] = self.buckets[bucket].0[found].take();
                (hole, index) = (bucket, found);
            }
            if had_room {
                return;
            }
            bucket = self.next(bucket);
        }
    }

    /// Asks for the entries of a bucket that will be visited soon, if there is such a bucket.
    pub(super) fn prefetch_bucket(&self, bucket: usize) {
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.0.iter().flatten().for_each(Entry::prefetch);
        }
    }

    /// Visits the entries whose home is `bucket`; how many.
    pub(super) fn visit_home(&self, bucket: usize, visit: &mut dyn FnMut(&Entry)) -> usize {
        let count = self.buckets.len();
        let mut visited = 0;
        let mut at = bucket;
        loop {
            for entry in self.buckets[at].0.iter().flatten() {
                if home(entry.fingerprint(), count) == bucket {
                    visited += 1;
                    visit(entry);
                }
            }
            if self.buckets[at].has_room() {
                return visited;
            }
            at = self.next(at);
        }
    }

    pub(super) fn visit_home_mut(&mut self, bucket: usize, visit: &mut dyn FnMut(&mut Entry)) -> usize {
        let count = self.buckets.len();
        let mut visited = 0;
        let mut at = bucket;
        loop {
            for entry in self.buckets[at].0.iter_mut().flatten() {
                if home(entry.fingerprint(), count) == bucket {
                    visited += 1;
                    visit(entry);
                }
            }
            if self.buckets[at].has_room() {
                return visited;
            }
            at = self.next(at);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.buckets.iter().flat_map(|bucket| bucket.0.iter().flatten())
    }

    /// The entry of a slot chosen by `point`, if the slot holds one.
    pub(super) fn slot(&self, point: u64) -> Option<&Entry> {
        let slots = (self.buckets.len() * BUCKET) as u128;
        let slot = ((u128::from(point) * slots) >> 64) as usize;
        self.buckets[slot / BUCKET].0[slot % BUCKET].as_ref()
    }

    /// Asks for all entries: together they come in a fraction of the time that it takes to wait for each.
    pub(crate) fn prefetch_all(&self) {
        (0..self.buckets.len()).for_each(|bucket| self.prefetch_bucket(bucket));
    }

    /// Takes all entries out, in no order that means anything.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = Entry> {
        self.buckets.into_vec().into_iter().flat_map(|bucket| bucket.0.into_iter().flatten())
    }

    // -- size -----------------------------------------------------------------------------------------------------

    /// The next larger size.
    pub(super) fn enlarge(&mut self) {
        self.resize(larger(self.buckets.len()));
    }

    /// A size that suits the number of entries.
    pub(super) fn reduce(&mut self) {
        self.resize(buckets_for(self.len() + self.len() / 4));
    }

    fn resize(&mut self, buckets: usize) {
        let old = std::mem::replace(self, Segment::new(self.prefix, self.depth, buckets));
        old.into_entries().for_each(|entry| {
            self.insert(entry);
        });
    }

    /// Two segments in place of this one, by the next bit of the hash.
    pub(super) fn split(mut self, hasher: &KeyHasher) -> (Segment, Segment) {
        let depth = self.depth + 1;
        let mut low = Segment::new(self.prefix << 1, depth, SPLIT_MIN);
        let mut high = Segment::new(self.prefix << 1 | 1, depth, SPLIT_MIN);
        // Which half an entry goes to is in its key alone: fetch blocks well ahead, they are cold.
        self.prefetch_bucket(0);
        self.prefetch_bucket(1);
        for bucket in 0..self.buckets.len() {
            self.prefetch_bucket(bucket + 2);
            for entry in self.buckets[bucket].0.iter_mut().filter_map(Option::take) {
                let is_high = hasher.hash(entry.key()) >> (64 - depth) & 1 != 0;
                let half = if is_high { &mut high } else { &mut low };
                if half.is_full() {
                    half.enlarge();
                }
                half.insert(entry);
            }
        }
        (low, high)
    }

    /// One segment in place of two neighbour halves.
    pub(super) fn merge(self, other: Segment) -> Segment {
        let len = self.len() + other.len();
        let mut merged = Segment::new(self.prefix >> 1, self.depth - 1, buckets_for(len + len / 4));
        self.into_entries().chain(other.into_entries()).for_each(|entry| {
            merged.insert(entry);
        });
        merged
    }

    #[cfg(test)]
    pub(super) fn check_invariants(&self, hasher: &KeyHasher) {
        assert_eq!(self.len(), self.iter().count());
        assert!(self.len() < self.buckets.len() * BUCKET);
        for (bucket, line) in self.buckets.iter().enumerate() {
            for entry in line.0.iter().flatten() {
                let hash = hasher.hash(entry.key());
                assert_eq!(hash as u16, entry.fingerprint());
                assert_eq!(((hash >> 1) >> (63 - self.depth)) as u32, self.prefix);
                let mut at = self.home(entry.fingerprint());
                while at != bucket {
                    assert!(!self.buckets[at].has_room(), "a bucket between home and entry has room");
                    at = self.next(at);
                }
            }
        }
    }
}

#[inline]
fn home(fingerprint: u16, buckets: usize) -> usize {
    (usize::from(fingerprint) * buckets) >> 16
}

/// Most entries of so many buckets.
#[inline]
fn limit(buckets: usize) -> usize {
    let slots = buckets * BUCKET;
    slots - slots.div_ceil(12)
}

/// The next size of the ladder.
fn larger(buckets: usize) -> usize {
    LADDER.into_iter().find(|&size| size > buckets).unwrap_or(buckets + buckets / 2)
}

/// The least size of the ladder that holds `len` entries.
fn buckets_for(len: usize) -> usize {
    let mut buckets = LADDER[0];
    while limit(buckets) <= len {
        buckets = larger(buckets);
    }
    buckets
}
