//! Entries by the hash of their key: extendible hashing over small segments.
//!
//! ```text
//! hash    [ top bits: directory ........................ | 16 low bits: fingerprint ]
//! table   directory of 2^depth segment numbers -> segments of 8..632 slots, in buckets of 8 (one cache line)
//! slot    a tagged pointer: fingerprint | address of the entry
//! ```
//!
//! A fingerprint says both where in its segment an entry starts to look for room (its home bucket, in order of
//! fingerprints) and, almost surely, whether it is the one looked for. So resizing a segment, deleting and scanning
//! touch no entry; only a split does. No step costs more than one segment, and tables of any size hold 9 to 14 bytes
//! a key. An empty table holds nothing.
//!
//! Invariants: keys are unique; an entry lies in its home bucket or after it with every bucket between full (wrapping
//! round), so a search ends at the first bucket with room; a segment of depth d is named by 2^(depth - d)
//! neighbouring places of the directory.
//! Does not know: deadlines, what values mean.

use base::KeyHasher;

mod access;
pub(crate) mod entry;
mod segment;

pub(crate) use access::body_of;
pub use entry::Entry;
pub(crate) use segment::Segment;

use segment::{BUCKETS_MAX, MERGE_MAX, Slot};

/// Directories stay below 2^26 places: some 30 thousand million keys.
const DEPTH_MAX: u8 = 26;

/// Where an entry was seen, or is to be looked for. What is there now may be another, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    segment: u32,
    slot: Slot,
}

impl Spot {
    /// Nowhere.
    pub(crate) const NONE: Spot = Spot { segment: u32::MAX, slot: Slot::NONE };
}

/// Entries by the hash of their key.
#[derive(Default)]
pub(crate) struct Table {
    directory: Vec<u32>,
    segments: Vec<Segment>,
    depth: u8,
    /// Segments whose depth is the table's; at none the directory halves.
    deepest: u32,
    len: usize,
    slot_bytes: usize,
}

impl Table {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Heap bytes of slots and directory; entries are counted by whoever puts them in.
    pub(crate) fn memory(&self) -> usize {
        self.slot_bytes + self.directory.capacity() * 4 + self.segments.capacity() * size_of::<Segment>()
    }

    /// Place of a hash in the directory. The shift is split so that depth 0 is defined.
    #[inline]
    fn place(&self, hash: u64) -> usize {
        ((hash >> 1) >> (63 - self.depth)) as usize
    }

    #[inline]
    fn segment(&self, hash: u64) -> Option<&Segment> {
        let number = *self.directory.get(self.place(hash))?;
        self.segments.get(number as usize)
    }

    #[inline]
    fn segment_mut(&mut self, hash: u64) -> Option<&mut Segment> {
        let number = *self.directory.get(self.place(hash))?;
        self.segments.get_mut(number as usize)
    }

    /// The entry of a key.
    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &[u8]) -> Option<&Entry> {
        self.segment(hash)?.find(hash as u16, |entry| entry.key() == key)
    }

    pub(crate) fn find_mut(&mut self, hash: u64, key: &[u8]) -> Option<&mut Entry> {
        self.segment_mut(hash)?.find_mut(hash as u16, |entry| entry.key() == key)
    }

    /// Some entry whose key has this very hash, of which `accept` approves. In practice there is at most one.
    pub(crate) fn find_hash(
        &mut self,
        hash: u64,
        hasher: &KeyHasher,
        accept: impl Fn(&Entry) -> bool,
    ) -> Option<&mut Entry> {
        self.segment_mut(hash)?
            .find_mut(hash as u16, |entry| hasher.hash(entry.key()) == hash && accept(entry))
    }

    /// Asks the processor to fetch the line of slots that a lookup will read first; where that is.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) -> Spot {
        let number = self.directory.get(self.place(hash)).copied().unwrap_or(Spot::NONE.segment);
        match self.segments.get(number as usize) {
            Some(segment) => Spot { segment: number, slot: segment.prefetch(hash as u16) },
            None => Spot::NONE,
        }
    }

    /// Asks the processor to fetch the entries that a lookup will compare; reads the line of slots, which
    /// [`Table::prefetch`] has asked for. Where one of them is.
    #[inline]
    pub(crate) fn prefetch_entry(&self, line: Spot, hash: u64) -> Spot {
        let segment = self.segments.get(line.segment as usize);
        match segment.and_then(|segment| segment.prefetch_entry(line.slot, hash as u16)) {
            Some(slot) => Spot { slot, ..line },
            None => Spot::NONE,
        }
    }

    /// What is now where an entry was seen.
    #[inline]
    pub(crate) fn seen(&self, spot: Spot) -> Option<&Entry> {
        self.segments.get(spot.segment as usize)?.in_slot(spot.slot)
    }

    /// The entry of a key, which is looked for first where one was seen that may be it. If it has the key it is the one,
    /// whatever has become of the table meanwhile.
    #[inline]
    pub(crate) fn find_mut_near(&mut self, spot: Spot, hash: u64, key: &[u8]) -> Option<&mut Entry> {
        if self.seen(spot).is_some_and(|entry| entry.key() == key) {
            return self.segments.get_mut(spot.segment as usize)?.in_slot_mut(spot.slot);
        }
        self.find_mut(hash, key)
    }

    /// Puts in an entry whose key is not there.
    pub(crate) fn insert(&mut self, hash: u64, mut entry: Entry, hasher: &KeyHasher) -> &mut Entry {
        debug_assert!(self.find(hash, entry.key()).is_none(), "keys are unique");
        if self.directory.is_empty() {
            self.add_first_segment();
        }
        while self.segment(hash).is_some_and(Segment::is_full) {
            self.grow(hash, hasher);
        }
        self.len += 1;
        entry.set_fingerprint(hash as u16);
        self.segment_mut(hash).expect("the directory was filled above").insert(entry)
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        let place = self.place(hash);
        let number = *self.directory.get(place)?;
        let segment = &mut self.segments[number as usize];
        let entry = segment.remove(hash as u16, |entry| entry.key() == key)?;
        self.len -= 1;
        if self.len == 0 {
            *self = Table::default();
        } else if segment.is_sparse() {
            self.shrink(number);
        }
        Some(entry)
    }

    // -- order of hashes ------------------------------------------------------------------------------------------

    /// Visits the entries of whole home buckets from `cursor` on until `count` were visited; the next cursor, 0 at
    /// the end. See [`Position`] for why an entry that stays is not missed.
    pub(crate) fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(&Entry)) -> u64 {
        let mut position = Position::of_cursor(cursor);
        let mut visited = 0;
        while let Some((number, from)) = self.locate(position) {
            let segment = &self.segments[number];
            for bucket in from..segment.buckets() {
                segment.prefetch_bucket(bucket + 2);
                visited += segment.visit_home(bucket, visit);
                if visited >= count && bucket + 1 < segment.buckets() {
                    return Position::within(segment, bucket + 1).cursor();
                }
            }
            let Some(next) = Position::after(segment) else { return 0 };
            position = next;
            if visited >= count {
                return position.cursor();
            }
        }
        0
    }

    /// A cursor somewhere; any point is one.
    pub(crate) fn cursor_at(point: u64) -> u64 {
        let prefix = (point >> 32) as u32 & ((1 << DEPTH_MAX) - 1);
        Position { prefix, depth: 0, fingerprint: point as u16 }.cursor()
    }

    /// As [`Table::scan`], but lets the visitor change entries in place (not their keys).
    pub(crate) fn scan_mut(&mut self, cursor: u64, count: usize, visit: &mut dyn FnMut(&mut Entry)) -> u64 {
        let mut position = Position::of_cursor(cursor);
        let mut visited = 0;
        while let Some((number, from)) = self.locate(position) {
            let segment = &mut self.segments[number];
            for bucket in from..segment.buckets() {
                segment.prefetch_bucket(bucket + 2);
                visited += segment.visit_home_mut(bucket, visit);
                if visited >= count && bucket + 1 < segment.buckets() {
                    return Position::within(segment, bucket + 1).cursor();
                }
            }
            let Some(next) = Position::after(segment) else { return 0 };
            position = next;
            if visited >= count {
                return position.cursor();
            }
        }
        0
    }

    /// The segment that covers a position, and the bucket to go on from.
    fn locate(&self, position: Position) -> Option<(usize, usize)> {
        let place = (position.prefix >> (DEPTH_MAX - self.depth)) as usize;
        let number = *self.directory.get(place)? as usize;
        let segment = &self.segments[number];
        // Merged since: what stood before the cursor in its half says nothing about the other half.
        let from = if segment.depth < position.depth { 0 } else { segment.home(position.fingerprint) };
        Some((number, from))
    }

    /// All entries, in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.segments.iter().flat_map(Segment::iter)
    }

    /// Some entry, chosen by `point`; each about equally likely for points that are.
    pub(crate) fn random(&self, point: u64) -> Option<&Entry> {
        if self.len == 0 {
            return None;
        }
        let mut draws = base::Random::new(point);
        for _ in 0..64 {
            let segment = self.segment(draws.next_u64())?;
            if let Some(entry) = segment.slot(draws.next_u64()) {
                return Some(entry);
            }
        }
        // A nearly empty table whose segments are large: take the first in some order.
        let start = draws.below(self.segments.len() as u64) as usize;
        let (before, after) = self.segments.split_at(start);
        after.iter().chain(before).find_map(|segment| segment.iter().next())
    }

    /// The segments, for freeing them one by one.
    pub(crate) fn into_segments(self) -> Vec<Segment> {
        self.segments
    }

    // -- growing and shrinking ----------------------------------------------------------------------------------------

    fn add_first_segment(&mut self) {
        let segment = Segment::new(0, 0, 1);
        self.slot_bytes = segment.slot_bytes();
        self.directory = vec![0];
        self.segments.push(segment);
        self.deepest = 1;
    }

    /// Makes room in the segment of `hash`: more slots, or two segments in place of one.
    fn grow(&mut self, hash: u64, hasher: &KeyHasher) {
        let number = self.directory[self.place(hash)];
        let segment = &mut self.segments[number as usize];
        if segment.buckets() < BUCKETS_MAX || segment.depth == DEPTH_MAX {
            self.slot_bytes -= segment.slot_bytes();
            segment.enlarge();
            self.slot_bytes += segment.slot_bytes();
            return;
        }
        self.split(number, hasher);
    }

    fn split(&mut self, number: u32, hasher: &KeyHasher) {
        if self.segments[number as usize].depth == self.depth {
            self.directory = self.directory.iter().flat_map(|&number| [number, number]).collect();
            self.depth += 1;
            self.deepest = 0;
        }
        let new = u32::try_from(self.segments.len()).expect("a directory has at most 2^26 places");
        let old = std::mem::replace(&mut self.segments[number as usize], Segment::new(0, 0, 1));
        self.slot_bytes -= old.slot_bytes();
        let (low, high) = old.split(hasher);
        self.slot_bytes += low.slot_bytes() + high.slot_bytes();
        if low.depth == self.depth {
            self.deepest += 2;
        }
        let places = self.places(&high);
        self.segments[number as usize] = low;
        self.segments.push(high);
        self.directory[places].fill(new);
    }

    /// The places of the directory that name a segment.
    fn places(&self, segment: &Segment) -> std::ops::Range<usize> {
        let shift = self.depth - segment.depth;
        let start = (segment.prefix as usize) << shift;
        start..start + (1 << shift)
    }

    /// Gives slots back: joins the segment with its neighbour half if both are nearly empty, else makes it smaller.
    #[cold]
    fn shrink(&mut self, number: u32) {
        let segment = &self.segments[number as usize];
        if segment.depth > 0 {
            let buddy_place = self.places(segment).start ^ (1 << (self.depth - segment.depth));
            let buddy_number = self.directory[buddy_place];
            let buddy = &self.segments[buddy_number as usize];
            if buddy.depth == segment.depth && buddy.len() + segment.len() <= MERGE_MAX {
                self.merge(number, buddy_number);
                return;
            }
        }
        let segment = &mut self.segments[number as usize];
        self.slot_bytes -= segment.slot_bytes();
        segment.reduce();
        self.slot_bytes += segment.slot_bytes();
    }

    fn merge(&mut self, one: u32, other: u32) {
        let (keep, gone) = (one.min(other), one.max(other));
        let last = self.segments.len() - 1;
        let taken = self.segments.swap_remove(gone as usize);
        if (gone as usize) < last {
            let places = self.places(&self.segments[gone as usize]);
            self.directory[places].fill(gone);
        }
        let kept = std::mem::replace(&mut self.segments[keep as usize], Segment::new(0, 0, 1));
        self.slot_bytes -= kept.slot_bytes() + taken.slot_bytes();
        if kept.depth == self.depth {
            self.deepest -= 2;
        }
        let merged = kept.merge(taken);
        self.slot_bytes += merged.slot_bytes();
        let places = self.places(&merged);
        self.segments[keep as usize] = merged;
        self.directory[places].fill(keep);
        while self.deepest == 0 && self.depth > 0 {
            self.directory = self.directory.iter().step_by(2).copied().collect();
            self.depth -= 1;
            let depth = self.depth;
            self.deepest = self.segments.iter().filter(|segment| segment.depth == depth).count() as u32;
        }
    }

    /// Panics if an invariant is broken. Slow: for tests.
    #[cfg(test)]
    pub(crate) fn check_invariants(&self, hasher: &KeyHasher) {
        assert_eq!(self.len, self.segments.iter().map(Segment::len).sum::<usize>());
        assert_eq!(self.slot_bytes, self.segments.iter().map(Segment::slot_bytes).sum::<usize>());
        let deepest = self.segments.iter().filter(|segment| segment.depth == self.depth).count();
        assert_eq!(self.deepest as usize, deepest);
        assert!(self.directory.is_empty() || self.directory.len() == 1 << self.depth);
        let mut named = 0;
        for (number, segment) in self.segments.iter().enumerate() {
            let places = self.places(segment);
            named += places.len();
            assert!(self.directory[places].iter().all(|&place| place as usize == number));
            segment.check_invariants(hasher);
        }
        assert_eq!(named, self.directory.len());
    }
}

/// How far a scan has come, in the order of hashes: all segments before `prefix` are done, and of the segment at
/// `prefix`, which had `depth` at the time, all homes before `fingerprint`.
///
/// An entry that stays is not missed: within a segment homes follow fingerprints however many buckets there are; a
/// split sends every entry to a half that is yet to come or, in the first half, keeps its fingerprint's place; after
/// a merge the segment is visited again from its start.
#[derive(Clone, Copy)]
struct Position {
    /// The top `DEPTH_MAX` bits of the hashes of the segment.
    prefix: u32,
    depth: u8,
    fingerprint: u16,
}

impl Position {
    fn of_cursor(cursor: u64) -> Position {
        let prefix = (cursor >> 21) & ((1 << DEPTH_MAX) - 1);
        let depth = ((cursor >> 16) & 31) as u8;
        Position { prefix: prefix as u32, depth, fingerprint: cursor as u16 }
    }

    /// Never 0 but for the very start: some bit of prefix or fingerprint is set after that.
    fn cursor(self) -> u64 {
        u64::from(self.prefix) << 21 | u64::from(self.depth) << 16 | u64::from(self.fingerprint)
    }

    fn within(segment: &Segment, bucket: usize) -> Position {
        let prefix = segment.prefix << (DEPTH_MAX - segment.depth);
        Position { prefix, depth: segment.depth, fingerprint: segment.first_fingerprint(bucket) }
    }

    fn after(segment: &Segment) -> Option<Position> {
        let prefix = (segment.prefix + 1) << (DEPTH_MAX - segment.depth);
        (prefix < 1 << DEPTH_MAX).then_some(Position { prefix, depth: 0, fingerprint: 0 })
    }
}

#[cfg(test)]
mod tests;
