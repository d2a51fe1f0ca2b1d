//! The compact form of a hash: one run of bytes inside its entry, fields in order of insertion.
//!
//! ```text
//! count u16 | (field length | field | value length | value)*      length: one byte below 128, else two, high first
//! ```
//!
//! Invariant: bytes here were written here; anything else reads as an early end, never as a panic.

use std::ops::Range;

/// The form of a hash without fields.
pub(crate) const EMPTY: [u8; 2] = [0, 0];

/// Longest field or value that can be said.
pub(crate) const PIECE_MAX: usize = 0x7FFF;

/// Where one pair lies.
pub(crate) struct Found {
    /// First byte of the pair.
    pub(crate) start: usize,
    /// First byte of its value's length.
    pub(crate) value_start: usize,
    /// First byte after it.
    pub(crate) end: usize,
}

impl Found {
    /// Where its value lies, if that has as many bytes as this one.
    #[inline]
    pub(crate) fn place_of(&self, value: &[u8]) -> Option<Range<usize>> {
        let length = if value.len() < 0x80 { 1 } else { 2 };
        let start = self.value_start + length;
        (self.end.checked_sub(start) == Some(value.len())).then_some(start..self.end)
    }
}

/// Number of fields.
#[inline]
pub(crate) fn len(blob: &[u8]) -> usize {
    blob.first_chunk().map_or(0, |&count| usize::from(u16::from_le_bytes(count)))
}

/// The bytes of a new count.
pub(crate) fn count_bytes(count: usize) -> [u8; 2] {
    (count as u16).to_le_bytes()
}

/// Appends a pair whose field is not there.
pub(crate) fn push(blob: &mut Vec<u8>, field: &[u8], value: &[u8]) {
    let count = count_bytes(len(blob) + 1);
    for piece in [field, value] {
        blob.extend_from_slice(Length::of(piece).bytes());
        blob.extend_from_slice(piece);
    }
    blob[..2].copy_from_slice(&count);
}

/// A length in front of a piece, and how many bytes of it count.
#[derive(Clone, Copy)]
pub(crate) struct Length([u8; 2], usize);

impl Length {
    pub(crate) fn of(piece: &[u8]) -> Length {
        let len = piece.len();
        debug_assert!(len <= PIECE_MAX, "longer pieces go to a table");
        if len < 0x80 { Length([len as u8, 0], 1) } else { Length([0x80 | (len >> 8) as u8, len as u8], 2) }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

#[inline]
pub(crate) fn piece(blob: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let first = *blob.get(at)?;
    let (start, len) = if first < 0x80 {
        (at + 1, usize::from(first))
    } else {
        (at + 2, usize::from(first & 0x7F) << 8 | usize::from(*blob.get(at + 1)?))
    };
    Some((blob.get(start..start + len)?, start + len))
}

/// The pairs from a place on.
#[derive(Clone)]
pub(crate) struct Pairs<'a> {
    blob: &'a [u8],
    at: usize,
}

impl<'a> Pairs<'a> {
    pub(crate) fn new(blob: &'a [u8]) -> Pairs<'a> {
        Pairs { blob, at: EMPTY.len() }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (field, value_at) = piece(self.blob, self.at)?;
        let (value, end) = piece(self.blob, value_at)?;
        self.at = end;
        Some((field, value))
    }
}

/// The value of a field.
#[inline]
pub(crate) fn get<'a>(blob: &'a [u8], field: &[u8]) -> Option<&'a [u8]> {
    Pairs::new(blob).find(|(name, _)| *name == field).map(|(_, value)| value)
}

/// Where a field's pair lies.
pub(crate) fn find(blob: &[u8], field: &[u8]) -> Option<Found> {
    let mut start = EMPTY.len();
    loop {
        let (name, value_start) = piece(blob, start)?;
        let (_, end) = piece(blob, value_start)?;
        if name == field {
            return Some(Found { start, value_start, end });
        }
        start = end;
    }
}
