//! One key with its value, deadline and access clock.

use base::{I64_TEXT_MAX, Millis, parse_i64};

use crate::value::{Encoding, HashRef, Kind, NewValue, ValueRef};

/// One key with its value, deadline and access clock.
#[derive(Clone)]
pub struct Entry {
    pub(crate) key: Vec<u8>,
    pub(crate) deadline: Option<Millis>,
    pub(crate) clock: u32,
    pub(crate) value: Held,
}

#[derive(Clone)]
pub(crate) enum Held {
    Text { bytes: Vec<u8>, raw: bool },
    Int(i64),
    Hash(Vec<(Vec<u8>, Vec<u8>)>),
}

impl Held {
    pub(crate) fn new(value: NewValue<'_>) -> Held {
        match value {
            NewValue::Text(text) => match parse_i64(text) {
                Some(number) => Held::Int(number),
                None => Held::new(NewValue::Plain(text)),
            },
            NewValue::Plain(text) => Held::Text { bytes: text.to_vec(), raw: text.len() > 44 },
            NewValue::Raw(text) => Held::Text { bytes: text.to_vec(), raw: true },
            NewValue::Int(number) => Held::Int(number),
            NewValue::EmptyHash => Held::Hash(Vec::new()),
        }
    }
}

impl Entry {
    /// A new entry.
    pub fn new(key: &[u8], deadline: Option<Millis>, value: NewValue<'_>) -> Entry {
        Entry { key: key.to_vec(), deadline, clock: 0, value: Held::new(value) }
    }

    /// A copy of everything but the key: what `COPY` and `RENAME` put elsewhere.
    pub fn with_key(&self, key: &[u8]) -> Entry {
        Entry { key: key.to_vec(), ..self.clone() }
    }

    /// Its key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// When it lapses, if ever.
    pub fn deadline(&self) -> Option<Millis> {
        self.deadline
    }

    /// Whether its deadline has come: it is then absent for every command.
    pub fn is_lapsed(&self, now: Millis) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// The type of its value.
    pub fn kind(&self) -> Kind {
        self.value().kind()
    }

    /// Its value.
    pub fn value(&self) -> ValueRef<'_> {
        match &self.value {
            Held::Text { bytes, .. } => ValueRef::Text(bytes),
            Held::Int(number) => ValueRef::Int(*number),
            Held::Hash(pairs) => ValueRef::Hash(HashRef { pairs }),
        }
    }

    /// The text of a string, with `buffer` for the text of a number; `None` for any other type.
    pub fn text<'b>(&'b self, buffer: &'b mut [u8; I64_TEXT_MAX]) -> Option<&'b [u8]> {
        self.value().text(buffer)
    }

    /// What `OBJECT ENCODING` answers.
    pub fn encoding(&self) -> Encoding {
        match &self.value {
            Held::Text { raw: false, .. } => Encoding::Embstr,
            Held::Text { raw: true, .. } => Encoding::Raw,
            Held::Int(_) => Encoding::Int,
            Held::Hash(pairs) => {
                let small = pairs.len() <= 128 && pairs.iter().all(|(f, v)| f.len() <= 64 && v.len() <= 64);
                if small { Encoding::Listpack } else { Encoding::HashTable }
            }
        }
    }

    /// Heap bytes of this entry, its share of the table excluded.
    pub fn memory(&self) -> usize {
        64 + self.key.len()
            + match &self.value {
                Held::Text { bytes, .. } => bytes.capacity(),
                Held::Int(_) => 8,
                Held::Hash(pairs) => pairs.iter().map(|(f, v)| 64 + f.len() + v.len()).sum(),
            }
    }

    /// Seconds since a command last looked at it, for `OBJECT IDLETIME`.
    pub fn idle_seconds(&self, now: Millis) -> u64 {
        (now.0 / 1000).wrapping_sub(u64::from(self.clock)) & 0xFF_FFFF
    }

    /// The logarithmic access counter, for `OBJECT FREQ`; means something while the access clock counts uses.
    pub fn frequency(&self) -> u8 {
        self.clock as u8
    }
}
