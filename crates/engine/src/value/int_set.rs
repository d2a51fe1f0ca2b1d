//! The form of a small set of integers: one run of bytes inside its entry, ascending, all of one width.
//!
//! ```text
//! width u8: 2, 4 or 8 | integer, little-endian, of that width *
//! ```
//!
//! Invariant: bytes here were written here; anything else reads as fewer numbers, never as a panic.

/// The form of a set without members.
pub(crate) const EMPTY: [u8; 1] = [2];

#[inline]
fn width(blob: &[u8]) -> usize {
    match blob.first() {
        Some(&width @ (2 | 4)) => usize::from(width),
        _ => 8,
    }
}

fn width_of(value: i64) -> usize {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

fn decode(bytes: &[u8]) -> i64 {
    match *bytes {
        [a, b] => i16::from_le_bytes([a, b]).into(),
        [a, b, c, d] => i32::from_le_bytes([a, b, c, d]).into(),
        _ => bytes.first_chunk().map_or(0, |chunk| i64::from_le_bytes(*chunk)),
    }
}

/// Number of members.
#[inline]
pub(crate) fn len(blob: &[u8]) -> usize {
    blob.len().saturating_sub(1) / width(blob)
}

/// The members, ascending.
#[derive(Clone)]
pub(crate) struct Ints<'a> {
    values: &'a [u8],
    width: usize,
}

impl<'a> Ints<'a> {
    pub(crate) fn new(blob: &'a [u8]) -> Ints<'a> {
        Ints { values: blob.get(1..).unwrap_or_default(), width: width(blob) }
    }

    /// The member at a place.
    pub(crate) fn at(&self, at: usize) -> Option<i64> {
        self.values.get(at * self.width..(at + 1) * self.width).map(decode)
    }
}

impl Iterator for Ints<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        let (value, rest) = self.values.split_at_checked(self.width)?;
        self.values = rest;
        Some(decode(value))
    }
}

/// Where a number is, or where it would be.
pub(crate) fn find(blob: &[u8], value: i64) -> Result<usize, usize> {
    let ints = Ints::new(blob);
    let (mut low, mut high) = (0, len(blob));
    while low < high {
        let middle = low.midpoint(high);
        match ints.at(middle).map(|held| held.cmp(&value)) {
            Some(std::cmp::Ordering::Less) => low = middle + 1,
            Some(std::cmp::Ordering::Equal) => return Ok(middle),
            Some(std::cmp::Ordering::Greater) | None => high = middle,
        }
    }
    Err(low)
}

/// How to put a number in.
pub(crate) enum Insertion {
    /// These bytes, as many as the second says, go in at this byte.
    Splice(usize, [u8; 8], usize),
    /// The number is wider than all others: this is the set afterwards.
    Rewrite(Vec<u8>),
}

/// How to put in a number that is not there; `at` is where it would be.
pub(crate) fn insertion(blob: &[u8], at: usize, value: i64) -> Insertion {
    let width = width(blob);
    if width_of(value) <= width {
        return Insertion::Splice(1 + at * width, value.to_le_bytes(), width);
    }
    let values = Ints::new(blob);
    let all = values.clone().take(at).chain([value]).chain(values.skip(at));
    Insertion::Rewrite(build(all, width_of(value)))
}

/// Where the bytes of the member at a place lie.
pub(crate) fn bytes_at(blob: &[u8], at: usize) -> (usize, usize) {
    let width = width(blob);
    (1 + at * width, width)
}

/// A set of ascending numbers, none wider than `width`.
fn build(values: impl Iterator<Item = i64>, width: usize) -> Vec<u8> {
    let mut blob = vec![width as u8];
    // The low bytes of a number that fits are the number.
    values.for_each(|value| blob.extend_from_slice(&value.to_le_bytes()[..width]));
    blob
}
