//! Redis's own form of a value as bytes: what `DUMP` gives and `RESTORE` takes, and what its RDB files hold.
//!
//! Read are all forms in which Redis from 2.6 to 8 writes strings, lists, sets, sorted sets and hashes; written are those
//! that Redis 7.0 reads. The page is docs/formats/payload.md.
//!
//! Invariants: reading is total, any bytes give a value or a refusal; nothing is reserved for a number that the bytes
//! only claim; what is packed unpacks to at most [`UNPACKED_MAX`]. Does not know: keys, deadlines, how values are kept.

use base::Millis;

use crate::value::Field;

mod compact;
mod decode;
mod encode;
mod lzf;
mod payload;

pub use decode::decode_value;
pub(crate) use encode::Writer;
pub use payload::{PayloadError, open, seal};

/// Most bytes that the packed pieces of one value may have in all once they are unpacked.
pub const UNPACKED_MAX: usize = 1 << 30;

/// The newest version of the format that is read: that of Redis 7.4 to 8.
pub const VERSION_READ: u16 = 12;

/// The version of what is written: that of Redis 7.0, and for a hash whose fields have deadlines that of 7.4.
pub const VERSION_WRITTEN: u16 = 10;
/// See [`VERSION_WRITTEN`].
pub const VERSION_OF_DEADLINES: u16 = 12;

/// The latest deadline of a field that Redis writes.
const DEADLINE_MAX: u64 = (1 << 48) - 2;

/// The bytes are not a value that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadValue;

/// A value as it was read. A collection has at least one element.
#[derive(Debug, PartialEq)]
pub enum Value {
    /// A string.
    String(Vec<u8>),
    /// Elements in order.
    List(Row),
    /// Members; that they differ was not checked.
    Set(Row),
    /// Members, each before its score, a number of eight bytes, low first; that members differ was not checked.
    ZSet(Row),
    /// Fields, each before its value; that fields differ was not checked.
    Hash(Row),
    /// Fields, each before its value and its deadline, milliseconds in eight bytes, low first, all ones if there is
    /// none; that fields differ was not checked.
    VolatileHash(Row),
}

/// Pieces of bytes one after the other, each behind its length: seven bits a byte, low first, the top bit set on all
/// but the last.
#[derive(Debug, Default, PartialEq)]
pub struct Row {
    bytes: Vec<u8>,
    len: usize,
}

impl Row {
    /// Number of pieces.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces in order.
    pub fn iter(&self) -> Pieces<'_> {
        Pieces(&self.bytes)
    }

    /// The pieces two by two; a last one alone is left out.
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs(self.iter())
    }

    /// The pieces in threes, as in a [`Value::VolatileHash`].
    pub(crate) fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        let mut pieces = self.iter();
        std::iter::from_fn(move || Some((pieces.next()?, pieces.next()?, deadline_of(pieces.next()?))))
    }

    fn push(&mut self, piece: &[u8]) {
        let mut length = piece.len();
        while length >= 0x80 {
            self.bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        self.bytes.push(length as u8);
        self.bytes.extend_from_slice(piece);
        self.len += 1;
    }
}

/// The pieces of a [`Row`].
#[derive(Clone)]
pub struct Pieces<'a>(&'a [u8]);

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (mut length, mut shift) = (0usize, 0);
        loop {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            length |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        let (piece, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(piece)
    }
}

/// The pieces of a [`Row`] two by two.
#[derive(Clone)]
pub struct Pairs<'a>(Pieces<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, self.0.next()?))
    }
}

/// The score that follows a member in a row.
pub(crate) fn score_of(piece: &[u8]) -> f64 {
    piece.try_into().map_or(0.0, f64::from_le_bytes)
}

fn deadline_of(piece: &[u8]) -> Option<Millis> {
    piece.try_into().map(|bytes| Millis(u64::from_le_bytes(bytes))).ok().filter(|at| *at != Millis::NEVER)
}

/// Numbers in front of values, and how whole numbers in the place of a length are marked.
mod tag {
    pub(super) const STRING: u8 = 0;
    pub(super) const LIST: u8 = 1;
    pub(super) const SET: u8 = 2;
    pub(super) const ZSET: u8 = 3;
    pub(super) const HASH: u8 = 4;
    pub(super) const ZSET_2: u8 = 5;
    pub(super) const LIST_ZIPLIST: u8 = 10;
    pub(super) const SET_INTSET: u8 = 11;
    pub(super) const ZSET_ZIPLIST: u8 = 12;
    pub(super) const HASH_ZIPLIST: u8 = 13;
    pub(super) const LIST_QUICKLIST: u8 = 14;
    pub(super) const HASH_LISTPACK: u8 = 16;
    pub(super) const ZSET_LISTPACK: u8 = 17;
    pub(super) const LIST_QUICKLIST_2: u8 = 18;
    pub(super) const SET_LISTPACK: u8 = 20;
    pub(super) const HASH_METADATA: u8 = 24;
    pub(super) const HASH_LISTPACK_EX: u8 = 25;

    /// Nodes of a quicklist: one element as it is, or a listpack of some.
    pub(super) const PLAIN: u64 = 1;
    pub(super) const PACKED: u64 = 2;
}

#[cfg(test)]
mod tests;
