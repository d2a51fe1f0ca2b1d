//! Strings as rows of bits: one, how many, the first, and several rows combined.

use std::ops::Range;

use base::{Args, I64_TEXT_MAX, parse_i64};
use resp::Reply;

use super::options::{integer, is_word};
use super::{Applied, Operation, Parsed, STRING_LEN_MAX, bits};
use crate::value::Encoding;
use crate::{Entry, Event, NewDeadline, NewValue, RequestError, Store};

/// Where a bit is: that of the longest string there may be, or before.
pub(super) fn bit_offset<'a>(argument: &[u8]) -> Result<u64, RequestError<'a>> {
    let offset = parse_i64(argument).ok_or(RequestError::BitOffset)?;
    checked_offset(offset)
}

/// Refuses a bit that no string has.
pub(super) fn checked_offset<'a>(offset: i64) -> Result<u64, RequestError<'a>> {
    let offset = u64::try_from(offset).map_err(|_| RequestError::BitOffset)?;
    match bits::byte_of(offset) {
        Some(byte) if byte < STRING_LEN_MAX => Ok(offset),
        _ => Err(RequestError::BitOffset),
    }
}

/// The bytes of a string, none of an absent key.
fn text_of<'t, 'e>(
    entry: Option<&'t Entry>,
    buffer: &'t mut [u8; I64_TEXT_MAX],
) -> Result<&'t [u8], RequestError<'e>> {
    match entry {
        Some(entry) => entry.text(buffer).ok_or(RequestError::WrongType),
        None => Ok(b""),
    }
}

/// `SETBIT`.
pub(crate) struct SetBit<'a> {
    key: &'a [u8],
    offset: u64,
    on: bool,
}

impl<'a> SetBit<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, SetBit<'a>> {
        let offset = bit_offset(args.at(2))?;
        let on = match parse_i64(args.at(3)) {
            Some(0) => false,
            Some(1) => true,
            _ => return Err(RequestError::BitValue),
        };
        Ok(SetBit { key: args.at(1), offset, on })
    }
}

impl<'a> Operation<'a> for SetBit<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let at = bits::byte_of(self.offset).ok_or(RequestError::BitOffset)?;
        let mask = bits::mask(self.offset);
        let with = |byte: u8| if self.on { byte | mask } else { byte & !mask };
        let (before, is_changed) = match store.find_mut(self.key) {
            Some(mut entry) => {
                let mut buffer = [0; I64_TEXT_MAX];
                let before = text_of(Some(&entry), &mut buffer)?.get(at).copied();
                let after = with(before.unwrap_or_default());
                // A string that was looked at as bits stays `raw`, be it that no bit changed.
                let is_changed = before != Some(after);
                if is_changed {
                    entry.set_range(at, &[after]);
                } else if entry.encoding() != Encoding::Raw {
                    entry.make_raw();
                }
                (before.unwrap_or_default(), is_changed)
            }
            None => {
                // Grown in its place: it may be long.
                if let Some(mut entry) = store.insert(self.key, NewValue::Raw(b""), None) {
                    entry.set_range(at, &[with(0)]);
                }
                (0, true)
            }
        };
        if is_changed {
            store.tell(Event::SetBit, self.key);
        }
        reply.int(i64::from(before & mask != 0));
        Ok(())
    }
}

/// `GETBIT`.
pub(crate) struct GetBit<'a> {
    key: &'a [u8],
    offset: u64,
}

impl<'a> GetBit<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, GetBit<'a>> {
        Ok(GetBit { key: args.at(1), offset: bit_offset(args.at(2))? })
    }
}

impl<'a> Operation<'a> for GetBit<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let mut buffer = [0; I64_TEXT_MAX];
        let text = text_of(store.find(self.key), &mut buffer)?;
        reply.int(i64::from(bits::bit(text, self.offset)));
        Ok(())
    }
}

/// Whether a range goes by bits; it goes by bytes unless it says so.
fn is_by_bit<'a>(word: Option<&'a [u8]>) -> Result<bool, RequestError<'a>> {
    match word {
        None => Ok(false),
        Some(word) if is_word(word, "BIT") => Ok(true),
        Some(word) if is_word(word, "BYTE") => Ok(false),
        Some(_) => Err(RequestError::Syntax),
    }
}

/// The bits from place `first` to `last` of a string of `len` bytes, both included and in bytes unless `by_bit`;
/// negative ones count from the end. Empty if the two cross, or nothing is there.
fn range_of(len: usize, first: i64, last: i64, by_bit: bool) -> Range<usize> {
    let unit = if by_bit { 1 } else { 8 };
    // At most 2^32.
    let places = (len * 8 / unit) as i64;
    let from_start = |at: i64| if at < 0 { (at + places).max(0) } else { at };
    let (first, last) = (from_start(first), from_start(last).min(places - 1));
    // Both are at least zero and below `places` then, so the casts keep their values.
    if first > last { 0..0 } else { first as usize * unit..(last as usize + 1) * unit }
}

/// `BITCOUNT`. The range stays text: Redis looks at the key first.
pub(crate) struct BitCount<'a> {
    key: &'a [u8],
    range: Args<'a>,
}

impl<'a> BitCount<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, BitCount<'a>> {
        Ok(BitCount { key: args.at(1), range: args.tail(2) })
    }

    fn read_range(&self, len: usize) -> Result<Range<usize>, RequestError<'a>> {
        if self.range.is_empty() {
            return Ok(0..len * 8);
        }
        if !matches!(self.range.len(), 2 | 3) {
            return Err(RequestError::Syntax);
        }
        let (first, last) = (integer(self.range.at(0))?, integer(self.range.at(1))?);
        // Redis looks no further then.
        if first < 0 && last < 0 && first > last {
            return Ok(0..0);
        }
        Ok(range_of(len, first, last, is_by_bit(self.range.get(2))?))
    }
}

impl<'a> Operation<'a> for BitCount<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let mut buffer = [0; I64_TEXT_MAX];
        let Some(entry) = store.find(self.key) else {
            reply.int(0);
            return Ok(());
        };
        let text = text_of(Some(entry), &mut buffer)?;
        reply.len_int(bits::count(text, self.read_range(text.len())?));
        Ok(())
    }
}

/// `BITPOS`. The range stays text: Redis looks at the key first.
pub(crate) struct BitPos<'a> {
    key: &'a [u8],
    wanted: bool,
    range: Args<'a>,
}

impl<'a> BitPos<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, BitPos<'a>> {
        let wanted = match integer(args.at(2))? {
            0 => false,
            1 => true,
            _ => return Err(RequestError::BitArgument),
        };
        Ok(BitPos { key: args.at(1), wanted, range: args.tail(3) })
    }

    fn read_range(&self, len: usize) -> Result<Range<usize>, RequestError<'a>> {
        if self.range.len() > 3 {
            return Err(RequestError::Syntax);
        }
        let Some(first) = self.range.get(0) else { return Ok(0..len * 8) };
        let first = integer(first)?;
        let by_bit = is_by_bit(self.range.get(2))?;
        let last = self.range.get(1).map_or(Ok(-1), integer)?;
        Ok(range_of(len, first, last, by_bit))
    }
}

impl<'a> Operation<'a> for BitPos<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let mut buffer = [0; I64_TEXT_MAX];
        let Some(entry) = store.find(self.key) else {
            reply.int(if self.wanted { -1 } else { 0 });
            return Ok(());
        };
        let text = text_of(Some(entry), &mut buffer)?;
        let range = self.read_range(text.len())?;
        let is_open = self.range.len() < 2;
        match bits::position(text, range.clone(), self.wanted) {
            Some(at) => reply.len_int(at),
            // A string whose end nobody gave goes on with zeros.
            None if is_open && !self.wanted && !range.is_empty() => reply.len_int(range.end),
            None => reply.int(-1),
        }
        Ok(())
    }
}

/// How rows of bits become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BitAlgebra {
    And,
    Or,
    Xor,
    Not,
}

impl BitAlgebra {
    fn parse(word: &[u8]) -> Option<BitAlgebra> {
        Some(if is_word(word, "AND") {
            BitAlgebra::And
        } else if is_word(word, "OR") {
            BitAlgebra::Or
        } else if is_word(word, "XOR") {
            BitAlgebra::Xor
        } else if is_word(word, "NOT") {
            BitAlgebra::Not
        } else {
            return None;
        })
    }

    /// Takes one more row into a result, which is as long as the longest so far.
    fn combine(self, result: &mut Vec<u8>, text: &[u8]) {
        result.resize(result.len().max(text.len()), 0);
        let (both, beyond) = result.split_at_mut(text.len());
        let pairs = both.iter_mut().zip(text);
        match self {
            BitAlgebra::And => {
                pairs.for_each(|(to, from)| *to &= from);
                beyond.fill(0);
            }
            BitAlgebra::Or => pairs.for_each(|(to, from)| *to |= from),
            BitAlgebra::Xor => pairs.for_each(|(to, from)| *to ^= from),
            BitAlgebra::Not => pairs.for_each(|(to, from)| *to = !from),
        }
    }
}

/// `BITOP`.
pub(crate) struct BitOp<'a> {
    algebra: BitAlgebra,
    destination: &'a [u8],
    sources: Args<'a>,
}

impl<'a> BitOp<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, BitOp<'a>> {
        let algebra = BitAlgebra::parse(args.at(1)).ok_or(RequestError::Syntax)?;
        let sources = args.tail(3);
        if algebra == BitAlgebra::Not && sources.len() != 1 {
            return Err(RequestError::BitOpNotOfSeveral);
        }
        Ok(BitOp { algebra, destination: args.at(2), sources })
    }
}

impl<'a> Operation<'a> for BitOp<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let db = store.db;
        store.keyspace_of(db, self.destination).ok_or(RequestError::CrossSlot)?;
        let mut result = Vec::new();
        for (at, key) in self.sources.iter().enumerate() {
            let mut buffer = [0; I64_TEXT_MAX];
            let text = text_of(store.find(key), &mut buffer)?;
            match (at, self.algebra) {
                (0, BitAlgebra::And | BitAlgebra::Or | BitAlgebra::Xor) => result.extend_from_slice(text),
                (_, algebra) => algebra.combine(&mut result, text),
            }
        }
        if result.is_empty() {
            store.remove(self.destination);
        } else {
            store.set(self.destination, NewValue::Raw(&result), NewDeadline::Clear);
            store.tell(Event::Set, self.destination);
        }
        reply.len_int(result.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_as_redis_cuts_them() {
        for (first, last, by_bit, expect) in [
            (0, -1, false, 0..24),
            (1, 1, false, 8..16),
            (-2, 100, false, 8..24),
            (3, 9, false, 0..0),
            (2, 1, false, 0..0),
            (0, -100, false, 0..8),
            (-100, -50, true, 0..1),
            (5, 7, true, 5..8),
            (-3, -1, true, 21..24),
            (i64::MIN, i64::MAX, true, 0..24),
        ] {
            assert_eq!(range_of(3, first, last, by_bit), expect, "{first} {last} {by_bit}");
        }
        assert!(range_of(0, 0, -1, false).is_empty() && range_of(0, -1, 0, true).is_empty());
    }

    #[test]
    fn a_shorter_row_goes_on_with_zeros() {
        #[track_caller]
        fn check(algebra: BitAlgebra, rows: [&[u8]; 2], expect: &[u8]) {
            let mut result = rows[0].to_vec();
            algebra.combine(&mut result, rows[1]);
            assert_eq!(result, expect);
        }
        check(BitAlgebra::And, [b"\xf0\xff\xff", b"\x3c"], b"\x30\0\0");
        check(BitAlgebra::And, [b"\x3c", b"\xf0\xff\xff"], b"\x30\0\0");
        check(BitAlgebra::Or, [b"\xf0", b"\x0c\x01"], b"\xfc\x01");
        check(BitAlgebra::Xor, [b"\xf0\x01", b"\x3c"], b"\xcc\x01");
        check(BitAlgebra::Not, [b"", b"\xf0\0"], b"\x0f\xff");
    }
}
