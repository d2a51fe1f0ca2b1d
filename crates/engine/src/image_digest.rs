//! A digest of what a walk writes of a keyspace: the same for the same content, however a replica has it laid out, in what
//! order it is written, and whether big values come whole or in parts.
//!
//! It is the sum of the hashes of all elements, each with its key, so that parts need not be brought together. What hangs on
//! the order within a value, a place in a list or in a long text, is counted from part to part of it.
//! Does not know: what has lapsed. That is deleted by entries, on all replicas at the same place, and is content until then.

use std::collections::BTreeMap;

use base::{DbIndex, I64_TEXT_MAX, Millis};

use crate::digest::Digester;
use crate::record::{self, RecordError, RecordValue};
use crate::value::NewValue;

/// See the module.
pub struct ImageDigest {
    digester: Digester,
    sum: u128,
    /// How far a list or text has come of which the rest may follow, by the digest of its key.
    places: BTreeMap<u128, u64>,
}

impl Default for ImageDigest {
    fn default() -> ImageDigest {
        ImageDigest { digester: Digester::new(), sum: 0, places: BTreeMap::new() }
    }
}

impl std::fmt::Debug for ImageDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ImageDigest({:032x})", self.sum)
    }
}

/// What an element is of, so that no two kinds have the same digest.
#[derive(Clone, Copy)]
enum Kind {
    Key = 32,
    Text = 33,
    Field = 34,
    Member = 35,
    Element = 36,
    Scored = 37,
    Other = 38,
}

impl ImageDigest {
    /// Takes in what [`Keyspace::walk_slice`](crate::Keyspace::walk_slice) has written of a database.
    pub fn add_records(&mut self, db: DbIndex, mut records: &[u8]) -> Result<(), RecordError> {
        while !records.is_empty() {
            let record = record::decode(records)?;
            self.add(db, record.key, record.deadline, record.value);
            records = &records[record.len..];
        }
        Ok(())
    }

    /// Takes in bytes of something else, of which each replica has the same in the same order.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        let before = self.sum.to_le_bytes();
        self.sum = self.digester.hash(Kind::Other as u8, &[&before, bytes]);
    }

    /// The digest of all that was taken in.
    pub fn sum(&self) -> u128 {
        self.sum
    }

    fn add(&mut self, db: DbIndex, key: &[u8], deadline: Option<Millis>, value: RecordValue<'_>) {
        let lasts = deadline.unwrap_or(Millis::NEVER).0.to_le_bytes();
        let of = self.digester.hash(Kind::Key as u8, &[&[db.number()], key, &lasts]);
        match value {
            RecordValue::String(NewValue::Int(number)) => {
                let mut buffer = [0; I64_TEXT_MAX];
                self.add_text(of, base::format_i64(number, &mut buffer), false);
            }
            RecordValue::String(NewValue::Plain(text) | NewValue::Raw(text) | NewValue::Text(text)) => {
                self.add_text(of, text, false);
            }
            // No record has one.
            RecordValue::String(
                NewValue::EmptyHash | NewValue::EmptySet | NewValue::EmptyList | NewValue::EmptyZSet,
            ) => {}
            RecordValue::More(text) => self.add_text(of, text, true),
            RecordValue::Hash { pairs, .. } => {
                let never = Millis::NEVER.0.to_le_bytes();
                pairs.for_each(|(field, value)| self.add_element(Kind::Field, of, &[field, value, &never]));
            }
            RecordValue::VolatileHash { fields, .. } => fields.for_each(|(field, value, deadline)| {
                let lasts = deadline.unwrap_or(Millis::NEVER).0.to_le_bytes();
                self.add_element(Kind::Field, of, &[field, value, &lasts]);
            }),
            RecordValue::Set { members, .. } => {
                members.for_each(|member| self.add_element(Kind::Member, of, &[member]));
            }
            RecordValue::List { elements, part } => {
                let mut place = if part { self.places.get(&of).copied().unwrap_or_default() } else { 0 };
                for element in elements {
                    self.add_element(Kind::Element, of, &[&place.to_le_bytes(), element]);
                    place += 1;
                }
                if part {
                    self.places.insert(of, place);
                }
            }
            RecordValue::ZSet { scored, .. } => scored.for_each(|(member, score)| {
                self.add_element(Kind::Scored, of, &[member, &score.to_le_bytes()]);
            }),
        }
    }

    /// Long texts are cut at the same places by every walk.
    fn add_text(&mut self, of: u128, text: &[u8], is_more: bool) {
        let place = if is_more { self.places.get(&of).copied().unwrap_or_default() } else { 0 };
        self.add_element(Kind::Text, of, &[&place.to_le_bytes(), text]);
        // Only what is cut goes on; a shorter one needs no note.
        if is_more || text.len() >= crate::walk::PART_BYTES {
            self.places.insert(of, place + text.len() as u64);
        }
    }

    fn add_element(&mut self, kind: Kind, of: u128, pieces: &[&[u8]]) {
        let of = of.to_le_bytes();
        let hash = match pieces {
            [one] => self.digester.hash(kind as u8, &[&of, one]),
            [one, two] => self.digester.hash(kind as u8, &[&of, one, two]),
            [one, two, three, ..] => self.digester.hash(kind as u8, &[&of, one, two, three]),
            [] => self.digester.hash(kind as u8, &[&of]),
        };
        self.sum = self.sum.wrapping_add(hash);
    }
}
