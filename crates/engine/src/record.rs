//! One key as bytes: what checkpoints and `narf.put` carry. To the byte in docs/formats/record.md.
//!
//! Invariants: what [`encode_entry`] writes, `decode` reads; `decode` is total: any bytes give a record or an error, and
//! it allocates nothing. Does not know where the bytes are kept; checksums are the carrier's.

use base::{I64_TEXT_MAX, Millis};

use crate::table::Entry;
use crate::value::{Field, NewValue, ValueRef};

/// The version in the high half of the first byte: that of a kind that fits beside it, and that of a kind with a byte
/// of its own.
const SHORT: u8 = 1;
const LONG: u8 = 2;
const DEADLINE: u8 = 0x08;
const KIND: u8 = 0x07;

const TEXT: u8 = 0;
const RAW: u8 = 1;
const INT: u8 = 2;
const HASH: u8 = 3;
const HASH_PART: u8 = 4;
const TEXT_MORE: u8 = 5;
const LIST: u8 = 8;
const LIST_PART: u8 = 9;
const SET: u8 = 10;
const SET_PART: u8 = 11;
const ZSET: u8 = 12;
const ZSET_PART: u8 = 13;
const VOLATILE_HASH: u8 = 14;
const VOLATILE_HASH_PART: u8 = 15;

/// Why bytes are not a record. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end before the record does.
    #[error("record is cut short: it has {have} bytes and goes on; restore the file from a copy")]
    Short {
        /// Bytes that were there.
        have: usize,
    },
    /// A byte says something that no version writes.
    #[error("record has a wrong {what} at byte {at}; restore the file from a copy")]
    Wrong {
        /// What was being read.
        what: &'static str,
        /// Where.
        at: usize,
    },
    /// Written by a newer version.
    #[error("record has version {version}, this program reads version {newest}; use a newer program")]
    Newer {
        /// The record's version.
        version: u8,
        /// The newest that is read.
        newest: u8,
    },
}

/// Appends the record of an entry.
pub fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    let kind = match entry.value() {
        ValueRef::Text(text) if text.len() <= crate::value::EMBSTR_MAX && entry.is_raw() => RAW,
        ValueRef::Text(_) => TEXT,
        ValueRef::Int(_) => INT,
        ValueRef::Hash(hash) if hash.has_deadlines() => VOLATILE_HASH,
        ValueRef::Hash(_) => HASH,
        ValueRef::Set(_) => SET,
        ValueRef::List(_) => LIST,
        ValueRef::ZSet(_) => ZSET,
    };
    put_head(kind, entry.key(), entry.deadline(), out);
    match entry.value() {
        ValueRef::Text(text) => put_piece(text, out),
        ValueRef::Int(number) => out.extend_from_slice(&number.to_le_bytes()),
        ValueRef::Hash(hash) if hash.has_deadlines() => {
            put_length(hash.len(), out);
            for (field, value, deadline) in hash.fields() {
                put_piece(field, out);
                put_piece(value, out);
                put_deadline(deadline, out);
            }
        }
        ValueRef::Hash(hash) => {
            put_length(hash.len(), out);
            for (field, value) in hash.iter() {
                put_piece(field, out);
                put_piece(value, out);
            }
        }
        ValueRef::Set(set) => {
            let mut buffer = [0; I64_TEXT_MAX];
            put_length(set.len(), out);
            set.iter().for_each(|member| put_piece(member.text(&mut buffer), out));
        }
        ValueRef::List(list) => {
            put_length(list.len(), out);
            list.iter().for_each(|element| put_piece(element, out));
        }
        ValueRef::ZSet(zset) => {
            put_length(zset.len(), out);
            zset.iter().for_each(|(member, score)| put_scored(member, score, out));
        }
    }
}

/// Appends the record of a run of a long string that starts `at`: the first one is a string by itself, the others are
/// appended to it when they are loaded, in this order.
pub(crate) fn encode_text_part(
    key: &[u8],
    deadline: Option<Millis>,
    at: usize,
    run: &[u8],
    out: &mut Vec<u8>,
) {
    put_head(if at == 0 { TEXT } else { TEXT_MORE }, key, deadline, out);
    put_piece(run, out);
}

/// Writes some members of a set or sorted set, or elements of a list: a record of its own, which joins the others of the same key when
/// it is loaded.
pub(crate) struct RowPart<'a>(Part<'a>);

impl<'a> RowPart<'a> {
    pub(crate) fn of_set(key: &[u8], deadline: Option<Millis>, out: &'a mut Vec<u8>) -> RowPart<'a> {
        RowPart(Part::begin_as(SET_PART, key, deadline, out))
    }

    /// Parts of a list are loaded in the order in which they were written.
    pub(crate) fn of_list(key: &[u8], deadline: Option<Millis>, out: &'a mut Vec<u8>) -> RowPart<'a> {
        RowPart(Part::begin_as(LIST_PART, key, deadline, out))
    }

    pub(crate) fn of_zset(key: &[u8], deadline: Option<Millis>, out: &'a mut Vec<u8>) -> RowPart<'a> {
        RowPart(Part::begin_as(ZSET_PART, key, deadline, out))
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        put_piece(piece, self.0.out);
        self.0.count += 1;
    }

    pub(crate) fn push_scored(&mut self, member: &[u8], score: f64) {
        put_scored(member, score, self.0.out);
        self.0.count += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn end(self) {
        self.0.end();
    }
}

/// Writes some fields of a hash: a record of its own, which joins the others of the same key when it is loaded.
pub(crate) struct Part<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    count_at: usize,
    count: u32,
    /// Each field comes with its deadline.
    is_volatile: bool,
}

impl<'a> Part<'a> {
    /// Of a hash whose fields have deadlines or not.
    pub(crate) fn begin(
        key: &[u8],
        deadline: Option<Millis>,
        is_volatile: bool,
        out: &'a mut Vec<u8>,
    ) -> Part<'a> {
        let kind = if is_volatile { VOLATILE_HASH_PART } else { HASH_PART };
        Part { is_volatile, ..Part::begin_as(kind, key, deadline, out) }
    }

    fn begin_as(kind: u8, key: &[u8], deadline: Option<Millis>, out: &'a mut Vec<u8>) -> Part<'a> {
        let start = out.len();
        put_head(kind, key, deadline, out);
        let count_at = out.len();
        out.extend_from_slice(&0u32.to_le_bytes());
        Part { out, start, count_at, count: 0, is_volatile: false }
    }

    /// A field; its deadline is left out where none has one.
    pub(crate) fn push(&mut self, field: &[u8], value: &[u8], deadline: Option<Millis>) {
        put_piece(field, self.out);
        put_piece(value, self.out);
        if self.is_volatile {
            put_deadline(deadline, self.out);
        }
        self.count += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.out.len() - self.start
    }

    /// Completes the record; a part without fields is taken back.
    pub(crate) fn end(self) {
        if self.count == 0 {
            self.out.truncate(self.start);
        } else {
            self.out[self.count_at..self.count_at + 4].copy_from_slice(&self.count.to_le_bytes());
        }
    }
}

fn put_head(kind: u8, key: &[u8], deadline: Option<Millis>, out: &mut Vec<u8>) {
    let flag = if deadline.is_some() { DEADLINE } else { 0 };
    match kind {
        0..=KIND => out.push(SHORT << 4 | flag | kind),
        _ => out.extend_from_slice(&[LONG << 4 | flag, kind]),
    }
    if let Some(deadline) = deadline {
        out.extend_from_slice(&deadline.0.to_le_bytes());
    }
    put_piece(key, out);
}

fn put_piece(piece: &[u8], out: &mut Vec<u8>) {
    put_length(piece.len(), out);
    out.extend_from_slice(piece);
}

fn put_scored(member: &[u8], score: f64, out: &mut Vec<u8>) {
    put_piece(member, out);
    out.extend_from_slice(&score.to_le_bytes());
}

/// The deadline of a field: the last moment of all is none.
fn put_deadline(deadline: Option<Millis>, out: &mut Vec<u8>) {
    out.extend_from_slice(&deadline.unwrap_or(Millis::NEVER).0.to_le_bytes());
}

/// Seven bits a byte, low first, the top bit set on all but the last.
fn put_length(mut length: usize, out: &mut Vec<u8>) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// A record, borrowed from its bytes.
pub(crate) struct Record<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) deadline: Option<Millis>,
    pub(crate) value: RecordValue<'a>,
    /// Bytes of the whole record.
    pub(crate) len: usize,
}

pub(crate) enum RecordValue<'a> {
    String(NewValue<'a>),
    /// What follows in a long string.
    More(&'a [u8]),
    /// Pairs that were checked to be whole; a field may come twice, then the later one holds.
    Hash {
        pairs: Pairs<'a>,
        part: bool,
    },
    /// The same with deadlines.
    VolatileHash {
        fields: Fields<'a>,
        part: bool,
    },
    /// Members that were checked to be whole; one may come twice.
    Set {
        members: Members<'a>,
        part: bool,
    },
    /// Elements that were checked to be whole.
    List {
        elements: Members<'a>,
        part: bool,
    },
    /// Members that were checked to be whole, their scores to be numbers; one may come twice, then the later score holds.
    ZSet {
        scored: Scored<'a>,
        part: bool,
    },
}

/// The members of a sorted set in a record, with their scores.
#[derive(Clone)]
pub(crate) struct Scored<'a> {
    reader: Reader<'a>,
    left: usize,
}

impl<'a> Iterator for Scored<'a> {
    type Item = (&'a [u8], f64);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some((self.reader.piece().ok()?, self.reader.score().ok()?))
    }
}

/// The members of a set or elements of a list in a record.
#[derive(Clone)]
pub(crate) struct Members<'a> {
    reader: Reader<'a>,
    left: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        self.reader.piece().ok()
    }
}

/// The fields of a hash in a record, with their deadlines.
#[derive(Clone)]
pub(crate) struct Fields<'a> {
    reader: Reader<'a>,
    left: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (field, value) = (self.reader.piece().ok()?, self.reader.piece().ok()?);
        Some((field, value, self.reader.field_deadline().ok()?))
    }
}

/// The pairs of a hash in a record.
#[derive(Clone)]
pub(crate) struct Pairs<'a> {
    reader: Reader<'a>,
    left: usize,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some((self.reader.piece().ok()?, self.reader.piece().ok()?))
    }
}

/// Reads the record at the front of `bytes`.
pub(crate) fn decode(bytes: &[u8]) -> Result<Record<'_>, RecordError> {
    let mut reader = Reader { bytes, at: 0 };
    let [head] = reader.array()?;
    let kind = match head >> 4 {
        SHORT => head & KIND,
        LONG if head & KIND == 0 => {
            let [kind] = reader.array()?;
            if kind <= KIND {
                return Err(RecordError::Wrong { what: "kind", at: 1 });
            }
            kind
        }
        version if version > LONG => return Err(RecordError::Newer { version, newest: LONG }),
        _ => return Err(RecordError::Wrong { what: "version", at: 0 }),
    };
    let deadline = match head & DEADLINE {
        0 => None,
        _ => Some(reader.deadline()?),
    };
    let key = reader.piece()?;
    let value = match kind {
        TEXT => RecordValue::String(NewValue::Plain(reader.piece()?)),
        RAW => RecordValue::String(NewValue::Raw(reader.piece()?)),
        TEXT_MORE => RecordValue::More(reader.piece()?),
        INT => RecordValue::String(NewValue::Int(i64::from_le_bytes(reader.array()?))),
        kind @ (HASH | HASH_PART) => {
            let part = kind == HASH_PART;
            RecordValue::Hash { pairs: reader.pairs(part)?, part }
        }
        kind @ (VOLATILE_HASH | VOLATILE_HASH_PART) => {
            let part = kind == VOLATILE_HASH_PART;
            RecordValue::VolatileHash { fields: reader.fields(part)?, part }
        }
        kind @ (SET | SET_PART) => {
            let part = kind == SET_PART;
            RecordValue::Set { members: reader.members(part)?, part }
        }
        kind @ (LIST | LIST_PART) => {
            let part = kind == LIST_PART;
            RecordValue::List { elements: reader.members(part)?, part }
        }
        kind @ (ZSET | ZSET_PART) => {
            let part = kind == ZSET_PART;
            RecordValue::ZSet { scored: reader.scored(part)?, part }
        }
        _ => return Err(RecordError::Wrong { what: "kind", at: 0 }),
    };
    Ok(Record { key, deadline, value, len: reader.at })
}

#[derive(Clone)]
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn short(&self) -> RecordError {
        RecordError::Short { have: self.bytes.len() }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let array = self.bytes[self.at..].first_chunk().ok_or_else(|| self.short())?;
        self.at += N;
        Ok(*array)
    }

    fn deadline(&mut self) -> Result<Millis, RecordError> {
        let at = self.at;
        let deadline = Millis(u64::from_le_bytes(self.array()?));
        if deadline == Millis::NEVER {
            Err(RecordError::Wrong { what: "deadline", at })
        } else {
            Ok(deadline)
        }
    }

    /// A length below 2^35; one has only one form.
    fn length(&mut self) -> Result<usize, RecordError> {
        let start = self.at;
        let mut length = 0usize;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            length |= usize::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                if byte == 0 && shift > 0 {
                    break;
                }
                return Ok(length);
            }
        }
        Err(RecordError::Wrong { what: "length", at: start })
    }

    fn piece(&mut self) -> Result<&'a [u8], RecordError> {
        let length = self.length()?;
        let piece = self.bytes[self.at..].get(..length).ok_or_else(|| self.short())?;
        self.at += length;
        Ok(piece)
    }

    /// How many elements a collection or a part of one has.
    fn count(&mut self, part: bool) -> Result<usize, RecordError> {
        let at = self.at;
        let count = if part { u32::from_le_bytes(self.array()?) as usize } else { self.length()? };
        if count == 0 {
            return Err(RecordError::Wrong { what: "count of elements", at });
        }
        Ok(count)
    }

    fn members(&mut self, part: bool) -> Result<Members<'a>, RecordError> {
        let left = self.count(part)?;
        let members = Members { reader: self.clone(), left };
        for _ in 0..left {
            self.piece()?;
        }
        Ok(members)
    }

    fn score(&mut self) -> Result<f64, RecordError> {
        let at = self.at;
        let score = f64::from_le_bytes(self.array()?);
        if score.is_nan() { Err(RecordError::Wrong { what: "score", at }) } else { Ok(score) }
    }

    fn scored(&mut self, part: bool) -> Result<Scored<'a>, RecordError> {
        let left = self.count(part)?;
        let scored = Scored { reader: self.clone(), left };
        for _ in 0..left {
            self.piece()?;
            self.score()?;
        }
        Ok(scored)
    }

    fn field_deadline(&mut self) -> Result<Option<Millis>, RecordError> {
        let deadline = Millis(u64::from_le_bytes(self.array()?));
        Ok((deadline != Millis::NEVER).then_some(deadline))
    }

    fn fields(&mut self, part: bool) -> Result<Fields<'a>, RecordError> {
        let left = self.count(part)?;
        let fields = Fields { reader: self.clone(), left };
        for _ in 0..left {
            self.piece()?;
            self.piece()?;
            self.field_deadline()?;
        }
        Ok(fields)
    }

    fn pairs(&mut self, part: bool) -> Result<Pairs<'a>, RecordError> {
        let left = self.count(part)?;
        let pairs = Pairs { reader: self.clone(), left };
        for _ in 0..left {
            self.piece()?;
            self.piece()?;
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use base::Random;

    use super::*;

    #[test]
    fn a_record_is_to_the_byte_what_the_format_says() {
        let mut out = Vec::new();
        encode_entry(&Entry::new(b"key", None, NewValue::Text(b"text")), &mut out);
        assert_eq!(out, b"\x10\x03key\x04text");
        out.clear();
        encode_entry(&Entry::new(b"k", Some(Millis(0x0102)), NewValue::Text(b"-2")), &mut out);
        assert_eq!(out, b"\x1A\x02\x01\0\0\0\0\0\0\x01k\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF");
        out.clear();
        encode_entry(&Entry::new(b"k", None, NewValue::Raw(b"12")), &mut out);
        assert_eq!(out, b"\x11\x01k\x0212");
        out.clear();
        let mut part = Part::begin(b"h", None, false, &mut out);
        part.push(b"f", &[7; 130], None);
        part.end();
        assert_eq!(out[..12], *b"\x14\x01h\x01\0\0\0\x01f\x82\x01\x07");
    }

    #[test]
    fn a_part_of_a_sorted_set_has_members_and_scores_that_are_numbers() {
        let mut out = Vec::new();
        let mut part = RowPart::of_zset(b"z", None, &mut out);
        part.push_scored(b"a", 1.5);
        part.push_scored(b"", f64::NEG_INFINITY);
        part.end();
        assert_eq!(out[..12], *b"\x20\x0D\x01z\x02\0\0\0\x01a\0\0");
        let scored = |bytes| match decode(bytes).map(|record| record.value) {
            Ok(RecordValue::ZSet { scored, part: true }) => Ok(scored.collect::<Vec<_>>()),
            Ok(_) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        assert_eq!(scored(&out), Ok(vec![(b"a".as_slice(), 1.5), (b"", f64::NEG_INFINITY)]));
        let end = out.len();
        let damaged = [&out[..end - 8], &f64::NAN.to_le_bytes()].concat();
        assert_eq!(scored(&damaged), Err(RecordError::Wrong { what: "score", at: end - 8 }));
        assert_eq!(scored(&out[..end - 1]), Err(RecordError::Short { have: end - 1 }));
    }

    #[test]
    fn fields_with_deadlines_have_eight_bytes_more() {
        let mut out = Vec::new();
        let mut part = Part::begin(b"h", None, true, &mut out);
        part.push(b"f", b"v", Some(Millis(0x0102)));
        part.push(b"g", b"", None);
        part.end();
        let expect =
            b"\x20\x0F\x01h\x02\0\0\0\x01f\x01v\x02\x01\0\0\0\0\0\0\x01g\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF";
        assert_eq!(out, expect);
        let Ok(Record { value: RecordValue::VolatileHash { fields, part: true }, .. }) = decode(&out) else {
            unreachable!("a part of a hash")
        };
        let none: &[u8] = b"";
        assert_eq!(
            fields.collect::<Vec<_>>(),
            [(&b"f"[..], &b"v"[..], Some(Millis(0x0102))), (b"g", none, None)]
        );
        (0..out.len())
            .for_each(|len| assert_eq!(decode(&out[..len]).err(), Some(RecordError::Short { have: len })));
    }

    #[test]
    fn a_kind_has_one_version() {
        let mut out = Vec::new();
        put_head(8, b"k", Some(Millis(1)), &mut out);
        assert_eq!(out, b"\x28\x08\x01\0\0\0\0\0\0\0\x01k");
        let refused = |bytes: &[u8]| decode(bytes).err();
        assert_eq!(refused(b"\x20\x00\x01k\x01v"), Some(RecordError::Wrong { what: "kind", at: 1 }));
        assert_eq!(refused(b"\x21\x08\x01k\x01v"), Some(RecordError::Wrong { what: "version", at: 0 }));
        assert_eq!(refused(b"\x30\x08\x01k\x01v"), Some(RecordError::Newer { version: 3, newest: LONG }));
    }

    #[test]
    fn any_bytes_give_a_record_or_an_error() {
        let mut random = Random::new(1);
        let mut whole = Vec::new();
        let mut part = Part::begin(b"some key", Some(Millis(99)), random.chance(1, 2), &mut whole);
        part.push(b"field", b"value", Some(Millis(7)));
        part.push(b"other", &[1; 300], None);
        part.end();
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] = random.next_u64() as u8;
            }
            bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
            if let Ok(record) = decode(&bytes) {
                assert!(record.len <= bytes.len());
            }
        }
        for len in 0..whole.len() {
            assert_eq!(decode(&whole[..len]).err(), Some(RecordError::Short { have: len }));
        }
    }
}
