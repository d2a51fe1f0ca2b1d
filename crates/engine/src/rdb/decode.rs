//! Values out of bytes.

use base::{I64_TEXT_MAX, Millis, format_i64};

use super::compact::{Element, each_of_intset, each_of_listpack, each_of_ziplist};
use super::{BadValue, DEADLINE_MAX, Row, UNPACKED_MAX, Value, lzf, tag};
use crate::double;

/// Reads a value that takes all of `bytes`.
pub fn decode_value(bytes: &[u8]) -> Result<Value, BadValue> {
    let mut reader = Reader { rest: bytes, unpacked_left: UNPACKED_MAX };
    let [kind] = reader.array()?;
    let value = match kind {
        tag::STRING => Value::String(reader.string()?.into_bytes()),
        tag::LIST => Value::List(reader.row(1)?),
        tag::SET => Value::Set(reader.row(1)?),
        tag::HASH => Value::Hash(reader.row(2)?),
        tag::ZSET => Value::ZSet(reader.scored(Reader::text_score)?),
        tag::ZSET_2 => Value::ZSet(reader.scored(Reader::binary_score)?),
        tag::LIST_ZIPLIST => Value::List(reader.blob(Blob::Ziplist)?),
        tag::SET_INTSET => Value::Set(reader.blob(Blob::Intset)?),
        tag::ZSET_ZIPLIST => Value::ZSet(scored(&reader.blob(Blob::Ziplist)?)?),
        tag::HASH_ZIPLIST => Value::Hash(in_pairs(reader.blob(Blob::Ziplist)?)?),
        tag::LIST_QUICKLIST => Value::List(reader.quicklist(|_| Ok(Node::Packed(Blob::Ziplist)))?),
        tag::HASH_LISTPACK => Value::Hash(in_pairs(reader.blob(Blob::Listpack)?)?),
        tag::ZSET_LISTPACK => Value::ZSet(scored(&reader.blob(Blob::Listpack)?)?),
        tag::LIST_QUICKLIST_2 => Value::List(reader.quicklist(Reader::node)?),
        tag::SET_LISTPACK => Value::Set(reader.blob(Blob::Listpack)?),
        tag::HASH_METADATA => Value::VolatileHash(reader.volatile_row()?),
        tag::HASH_LISTPACK_EX => {
            // The earliest deadline, which the fields tell as well.
            reader.take(8)?;
            Value::VolatileHash(volatile(&reader.blob(Blob::Listpack)?)?)
        }
        _ => return Err(BadValue),
    };
    let is_empty = match &value {
        Value::String(_) => false,
        Value::List(row) | Value::Set(row) | Value::ZSet(row) => row.is_empty(),
        Value::Hash(row) | Value::VolatileHash(row) => row.is_empty(),
    };
    if reader.rest.is_empty() && !is_empty { Ok(value) } else { Err(BadValue) }
}

/// What a blob of elements is.
#[derive(Clone, Copy)]
enum Blob {
    Listpack,
    Ziplist,
    Intset,
}

/// What a node of a list holds.
enum Node {
    /// One element.
    Plain,
    Packed(Blob),
}

/// A string where it was found, or what it was packed as.
enum Text<'a> {
    Plain(&'a [u8]),
    Number(i64),
    Unpacked(Vec<u8>),
}

impl<'a> Text<'a> {
    fn bytes<'t>(&'t self, buffer: &'t mut [u8; I64_TEXT_MAX]) -> &'t [u8] {
        match self {
            Text::Plain(bytes) => bytes,
            Text::Number(number) => format_i64(*number, buffer),
            Text::Unpacked(bytes) => bytes,
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        match self {
            Text::Unpacked(bytes) => bytes,
            text => text.bytes(&mut [0; I64_TEXT_MAX]).to_vec(),
        }
    }
}

/// A number in the place of a length.
enum Length {
    Of(u64),
    /// A string that is packed in this way follows.
    Packed(u8),
}

struct Reader<'a> {
    rest: &'a [u8],
    /// How many bytes packed strings may still unpack to.
    unpacked_left: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: u64) -> Result<&'a [u8], BadValue> {
        let len = usize::try_from(len).map_err(|_| BadValue)?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(BadValue)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadValue> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(BadValue)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn length(&mut self) -> Result<Length, BadValue> {
        let [first] = self.array()?;
        Ok(match first {
            0x00..=0x3F => Length::Of(first.into()),
            0x40..=0x7F => {
                let [second] = self.array()?;
                Length::Of(u64::from(first & 0x3F) << 8 | u64::from(second))
            }
            0x80 => Length::Of(u32::from_be_bytes(self.array()?).into()),
            0x81 => Length::Of(u64::from_be_bytes(self.array()?)),
            0xC0..=0xFF => Length::Packed(first & 0x3F),
            _ => return Err(BadValue),
        })
    }

    /// A number of elements. It is only a claim: each element takes a byte at least, and is looked for.
    fn count(&mut self) -> Result<u64, BadValue> {
        match self.length()? {
            Length::Of(count) => Ok(count),
            Length::Packed(_) => Err(BadValue),
        }
    }

    fn string(&mut self) -> Result<Text<'a>, BadValue> {
        Ok(match self.length()? {
            Length::Of(len) => Text::Plain(self.take(len)?),
            Length::Packed(0) => Text::Number(i8::from_le_bytes(self.array()?).into()),
            Length::Packed(1) => Text::Number(i16::from_le_bytes(self.array()?).into()),
            Length::Packed(2) => Text::Number(i32::from_le_bytes(self.array()?).into()),
            Length::Packed(3) => {
                let (packed, len) = (self.count()?, self.count()?);
                let len = usize::try_from(len).map_err(|_| BadValue)?;
                self.unpacked_left = self.unpacked_left.checked_sub(len).ok_or(BadValue)?;
                Text::Unpacked(lzf::unpack(self.take(packed)?, len)?)
            }
            Length::Packed(_) => return Err(BadValue),
        })
    }

    /// Elements of `strings` strings each.
    fn row(&mut self, strings: u64) -> Result<Row, BadValue> {
        let count = self.count()?.checked_mul(strings).ok_or(BadValue)?;
        let mut row = Row::default();
        for _ in 0..count {
            row.push(self.string()?.bytes(&mut [0; I64_TEXT_MAX]));
        }
        Ok(row)
    }

    /// Members with their scores.
    fn scored(&mut self, score: impl Fn(&mut Self) -> Result<f64, BadValue>) -> Result<Row, BadValue> {
        let count = self.count()?;
        let mut row = Row::default();
        for _ in 0..count {
            row.push(self.string()?.bytes(&mut [0; I64_TEXT_MAX]));
            push_score(&mut row, score(self)?)?;
        }
        Ok(row)
    }

    /// Fields with their deadlines, which are told from the earliest of all on, and one more; 0 is none.
    fn volatile_row(&mut self) -> Result<Row, BadValue> {
        let first = u64::from_le_bytes(self.array()?);
        let count = self.count()?;
        let mut row = Row::default();
        for _ in 0..count {
            let deadline = match self.count()? {
                0 => 0,
                after => first.checked_add(after - 1).filter(|at| *at > 0).ok_or(BadValue)?,
            };
            for _ in 0..2 {
                row.push(self.string()?.bytes(&mut [0; I64_TEXT_MAX]));
            }
            push_deadline(&mut row, deadline)?;
        }
        Ok(row)
    }

    fn binary_score(&mut self) -> Result<f64, BadValue> {
        self.array().map(f64::from_le_bytes)
    }

    fn text_score(&mut self) -> Result<f64, BadValue> {
        match self.array()? {
            [253] => Err(BadValue),
            [254] => Ok(f64::INFINITY),
            [255] => Ok(f64::NEG_INFINITY),
            [len] => double::parse(self.take(len.into())?).ok_or(BadValue),
        }
    }

    /// The elements of one blob.
    fn blob(&mut self, blob: Blob) -> Result<Row, BadValue> {
        let mut row = Row::default();
        self.add_blob(blob, &mut row)?;
        Ok(row)
    }

    fn add_blob(&mut self, blob: Blob, row: &mut Row) -> Result<(), BadValue> {
        let text = self.string()?;
        let mut buffer = [0; I64_TEXT_MAX];
        let bytes = text.bytes(&mut buffer);
        let push = &mut |element: Element<'_>| {
            match element {
                Element::Bytes(bytes) => row.push(bytes),
                Element::Number(number) => row.push(format_i64(number, &mut [0; I64_TEXT_MAX])),
            }
            Ok(())
        };
        match blob {
            Blob::Listpack => each_of_listpack(bytes, push),
            Blob::Ziplist => each_of_ziplist(bytes, push),
            Blob::Intset => each_of_intset(bytes, push),
        }
    }

    fn quicklist(&mut self, node: impl Fn(&mut Self) -> Result<Node, BadValue>) -> Result<Row, BadValue> {
        let mut row = Row::default();
        for _ in 0..self.count()? {
            match node(self)? {
                Node::Plain => row.push(self.string()?.bytes(&mut [0; I64_TEXT_MAX])),
                Node::Packed(blob) => self.add_blob(blob, &mut row)?,
            }
        }
        Ok(row)
    }

    fn node(&mut self) -> Result<Node, BadValue> {
        match self.count()? {
            tag::PLAIN => Ok(Node::Plain),
            tag::PACKED => Ok(Node::Packed(Blob::Listpack)),
            _ => Err(BadValue),
        }
    }
}

fn push_score(row: &mut Row, score: f64) -> Result<(), BadValue> {
    if score.is_nan() {
        return Err(BadValue);
    }
    row.push(&score.to_le_bytes());
    Ok(())
}

/// Puts the deadline of a field into a row; 0 is none.
fn push_deadline(row: &mut Row, deadline: u64) -> Result<(), BadValue> {
    let deadline = match deadline {
        0 => Millis::NEVER,
        1..=DEADLINE_MAX => Millis(deadline),
        _ => return Err(BadValue),
    };
    row.push(&deadline.0.to_le_bytes());
    Ok(())
}

/// Fields with deadlines whose text was in one row with them.
fn volatile(texts: &Row) -> Result<Row, BadValue> {
    let mut row = Row::default();
    let mut pieces = texts.iter();
    while let Some(field) = pieces.next() {
        let (value, deadline) = pieces.next().zip(pieces.next()).ok_or(BadValue)?;
        let deadline = base::parse_i64(deadline).and_then(|at| u64::try_from(at).ok()).ok_or(BadValue)?;
        row.push(field);
        row.push(value);
        push_deadline(&mut row, deadline)?;
    }
    Ok(row)
}

/// Members with scores whose text was in one row with them.
fn scored(texts: &Row) -> Result<Row, BadValue> {
    if !texts.len().is_multiple_of(2) {
        return Err(BadValue);
    }
    let mut row = Row::default();
    for (member, score) in texts.pairs() {
        row.push(member);
        push_score(&mut row, double::parse(score).ok_or(BadValue)?)?;
    }
    Ok(row)
}

fn in_pairs(row: Row) -> Result<Row, BadValue> {
    if row.len().is_multiple_of(2) { Ok(row) } else { Err(BadValue) }
}
