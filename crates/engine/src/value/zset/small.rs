//! The compact form of a sorted set: one run of bytes inside its entry, members in order of score, then of their bytes.
//!
//! ```text
//! count u16 | elements as in `packed`, each: score, an f64 in 8 bytes, low first | member
//! ```

use std::cmp::Ordering;

use super::order;
use crate::table::entry::{Entry, INLINE_LIMIT};
use crate::value::packed::{self, Elements, Framed};
use crate::value::{Limits, small_hash};

/// The form of a sorted set without members.
pub(crate) const EMPTY: [u8; 2] = [0, 0];

const SCORE_BYTES: usize = 8;

/// Members with their scores, from either end.
#[derive(Clone)]
pub(super) struct Scored<'a>(Elements<'a>);

impl<'a> Scored<'a> {
    /// Those at the places from `start` up to but not including `end`, which are within the form.
    pub(super) fn new(blob: &'a [u8], start: usize, end: usize) -> Scored<'a> {
        let run = run(blob);
        let len = small_hash::len(blob);
        Scored(Elements::new(&run[packed::offset(run, start, len)..packed::offset(run, end, len)]))
    }

    pub(super) fn all(blob: &'a [u8]) -> Scored<'a> {
        Scored(Elements::new(run(blob)))
    }
}

impl<'a> Iterator for Scored<'a> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().and_then(parts)
    }
}

impl DoubleEndedIterator for Scored<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().and_then(parts)
    }
}

#[inline]
fn parts(element: &[u8]) -> Option<(&[u8], f64)> {
    let (score, member) = element.split_first_chunk::<SCORE_BYTES>()?;
    Some((member, f64::from_le_bytes(*score)))
}

#[inline]
fn run(blob: &[u8]) -> &[u8] {
    blob.get(EMPTY.len()..).unwrap_or_default()
}

/// The place of a member, and its score.
#[inline]
pub(super) fn find(blob: &[u8], member: &[u8]) -> Option<(usize, f64)> {
    Scored::all(blob).enumerate().find(|(_, (held, _))| *held == member).map(|(at, (_, score))| (at, score))
}

/// Whether the form may hold one more member, this one.
pub(super) fn may_hold(blob: &[u8], member: &[u8], limits: Limits) -> bool {
    small_hash::len(blob) < limits.zset_entries.min(usize::from(u16::MAX))
        && member.len() <= limits.zset_value
        && member.len() <= INLINE_LIMIT
        && blob.len() + packed::size(SCORE_BYTES + member.len()) <= INLINE_LIMIT
}

/// Puts a member that is not there in its place.
pub(super) fn insert(entry: &mut Entry, member: &[u8], score: f64) {
    let blob = entry.inline();
    let is_before = |held: &(&[u8], f64)| order(*held, (member, score)) == Ordering::Less;
    let place = Scored::all(blob).take_while(is_before).count();
    let len = small_hash::len(blob);
    let start = EMPTY.len() + packed::offset(run(blob), place, len);
    entry.splice(start, 0, &Framed::of_two(&score.to_le_bytes(), member).runs());
    set_len(entry, len + 1);
}

/// Takes out the members at the places from `start` up to but not including `end`, which are within the form.
pub(super) fn remove(entry: &mut Entry, start: usize, end: usize) {
    let run = run(entry.inline());
    let len = small_hash::len(entry.inline());
    let (from, to) = (packed::offset(run, start, len), packed::offset(run, end, len));
    entry.splice(EMPTY.len() + from, to - from, &[]);
    set_len(entry, len - (end - start));
}

fn set_len(entry: &mut Entry, len: usize) {
    entry.inline_mut()[..EMPTY.len()].copy_from_slice(&small_hash::count_bytes(len));
}
