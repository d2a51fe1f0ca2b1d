//! How many keys of each type there are, what they take, and when those with a deadline lapse on average.
//!
//! Kept at each change: a key that comes or goes adds two numbers, one whose size changes adds one, a string that is
//! overwritten in its place none.

use base::Millis;

use super::Keyspace;
use crate::table::entry::Entry;
use crate::value::Kind;

/// The keys of one type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindSum {
    /// How many.
    pub keys: usize,
    /// Heap bytes of their entries, values included.
    pub bytes: usize,
}

/// Those of all types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    kinds: [KindSum; Kind::ALL.len()],
}

impl Sums {
    #[inline]
    pub(crate) fn of(&mut self, kind: Kind) -> &mut KindSum {
        &mut self.kinds[kind as usize]
    }

    /// Heap bytes of all entries.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.kinds.iter().map(|sum| sum.bytes).sum()
    }

    #[inline]
    pub(crate) fn add(&mut self, entry: &Entry) {
        let sum = self.of(entry.kind());
        sum.keys += 1;
        sum.bytes += entry.memory();
    }

    #[inline]
    pub(crate) fn remove(&mut self, entry: &Entry) {
        let sum = self.of(entry.kind());
        sum.keys -= 1;
        sum.bytes -= entry.memory();
    }

    /// A key that takes so many bytes is of another type from now on.
    #[inline]
    pub(crate) fn retype(&mut self, old: Kind, new: Kind, bytes: usize) {
        if old != new {
            let from = self.of(old);
            from.keys -= 1;
            from.bytes -= bytes;
            let to = self.of(new);
            to.keys += 1;
            to.bytes += bytes;
        }
    }
}

impl Keyspace {
    /// The keys of each type, lapsed ones that are not deleted yet included, in the order of [`Kind::ALL`].
    pub fn kinds(&self) -> [KindSum; Kind::ALL.len()] {
        self.book.sums.kinds
    }

    /// The sum of all deadlines, in milliseconds since the Unix epoch: with [`Keyspace::deadlines`] it tells how long keys
    /// have on average.
    pub fn deadline_sum(&self) -> u128 {
        self.book.deadline_sum
    }

    /// Panics if the sums are not those of the entries.
    pub(super) fn check_sums(&self) {
        let mut sums = Sums::default();
        self.table.iter().for_each(|entry| sums.add(entry));
        assert_eq!(self.book.sums, sums, "keys and their bytes are counted by type");
        let deadlines = self.table.iter().filter_map(Entry::deadline).map(|Millis(at)| u128::from(at));
        assert_eq!(self.book.deadline_sum, deadlines.sum(), "deadlines are summed");
    }
}
