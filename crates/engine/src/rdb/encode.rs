//! Values into bytes, in the forms that Redis 7.0 reads. Strings are not packed: a receiver takes either.

use base::{I64_TEXT_MAX, Millis, format_i64};

use super::compact::{Listpack, intset};
use super::tag;
use crate::double;
use crate::value::Field;

/// Bytes of a listpack in a list, about.
const NODE_BYTES: usize = 8 << 10;

/// Longest text that is tried as a number.
const NUMBER_TEXT_MAX: usize = 11;

/// Writes one value.
#[derive(Default)]
pub(crate) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// The bytes of the value that was written.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    pub(crate) fn string(&mut self, text: &[u8]) {
        self.out.push(tag::STRING);
        self.put_string(text);
    }

    pub(crate) fn list<'a>(&mut self, elements: impl Iterator<Item = &'a [u8]>) {
        let mut nodes: Vec<Vec<u8>> = Vec::new();
        let mut pack = Listpack::new();
        for element in elements {
            if !pack.is_empty() && pack.size() + element.len() > NODE_BYTES {
                nodes.push(std::mem::replace(&mut pack, Listpack::new()).end());
            }
            pack.push(element);
        }
        if !pack.is_empty() {
            nodes.push(pack.end());
        }
        self.out.push(tag::LIST_QUICKLIST_2);
        self.put_length(nodes.len());
        for node in nodes {
            self.put_length(tag::PACKED as usize);
            self.put_raw(&node);
        }
    }

    /// A set of numbers, ascending.
    pub(crate) fn int_set(&mut self, numbers: impl Iterator<Item = i64> + Clone) {
        self.out.push(tag::SET_INTSET);
        self.put_raw(&intset(numbers));
    }

    /// The head of a set of `len` members, which are given to [`Writer::member`].
    pub(crate) fn begin_set(&mut self, len: usize) {
        self.out.push(tag::SET);
        self.put_length(len);
    }

    pub(crate) fn member(&mut self, member: &[u8]) {
        self.put_string(member);
    }

    pub(crate) fn small_hash<'a>(&mut self, pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
        let mut pack = Listpack::new();
        for (field, value) in pairs {
            pack.push(field);
            pack.push(value);
        }
        self.out.push(tag::HASH_LISTPACK);
        self.put_raw(&pack.end());
    }

    pub(crate) fn hash<'a>(&mut self, len: usize, pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
        self.out.push(tag::HASH);
        self.put_length(len);
        for (field, value) in pairs {
            self.put_string(field);
            self.put_string(value);
        }
    }

    /// A hash some of whose fields have deadlines, the earliest of which is `first`.
    pub(crate) fn volatile_hash<'a>(
        &mut self,
        len: usize,
        first: Millis,
        fields: impl Iterator<Item = Field<'a>>,
    ) {
        self.out.push(tag::HASH_METADATA);
        self.out.extend_from_slice(&first.0.to_le_bytes());
        self.put_length(len);
        for (field, value, deadline) in fields {
            let after = deadline.map_or(0, |deadline| deadline.since(first) + 1);
            self.put_length(usize::try_from(after).unwrap_or(usize::MAX));
            self.put_string(field);
            self.put_string(value);
        }
    }

    /// A small sorted set, in its order.
    pub(crate) fn small_zset<'a>(&mut self, scored: impl Iterator<Item = (&'a [u8], f64)>) {
        let mut pack = Listpack::new();
        for (member, score) in scored {
            pack.push(member);
            pack.push(&double::shortest(score));
        }
        self.out.push(tag::ZSET_LISTPACK);
        self.put_raw(&pack.end());
    }

    pub(crate) fn zset<'a>(&mut self, len: usize, scored: impl Iterator<Item = (&'a [u8], f64)>) {
        self.out.push(tag::ZSET_2);
        self.put_length(len);
        for (member, score) in scored {
            self.put_string(member);
            self.out.extend_from_slice(&score.to_le_bytes());
        }
    }

    /// A string, as a number if that is shorter.
    fn put_string(&mut self, text: &[u8]) {
        let number = if text.len() <= NUMBER_TEXT_MAX { base::parse_i64(text) } else { None };
        if let Some(number) = number {
            if let Ok(number) = i8::try_from(number) {
                return self.out.extend_from_slice(&[0xC0, number as u8]);
            }
            if let Ok(number) = i16::try_from(number) {
                self.out.push(0xC1);
                return self.out.extend_from_slice(&number.to_le_bytes());
            }
            if let Ok(number) = i32::try_from(number) {
                self.out.push(0xC2);
                return self.out.extend_from_slice(&number.to_le_bytes());
            }
        }
        self.put_raw(text);
    }

    /// The text of a number, as [`Writer::string`] takes it.
    pub(crate) fn number(&mut self, number: i64) {
        self.string(format_i64(number, &mut [0; I64_TEXT_MAX]));
    }

    fn put_raw(&mut self, bytes: &[u8]) {
        self.put_length(bytes.len());
        self.out.extend_from_slice(bytes);
    }

    fn put_length(&mut self, length: usize) {
        match length {
            0..=0x3F => self.out.push(length as u8),
            0x40..=0x3FFF => self.out.extend_from_slice(&[0x40 | (length >> 8) as u8, length as u8]),
            _ => match u32::try_from(length) {
                Ok(length) => {
                    self.out.push(0x80);
                    self.out.extend_from_slice(&length.to_be_bytes());
                }
                Err(_) => {
                    self.out.push(0x81);
                    self.out.extend_from_slice(&(length as u64).to_be_bytes());
                }
            },
        }
    }
}
