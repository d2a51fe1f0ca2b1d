//! A digest of content that does not depend on how it is laid out, in what order, or how it came about.
//!
//! A digest is the sum of its parts' 128-bit hashes, so order does not matter; a part is hashed with its lengths,
//! so borders do. Access clocks and encodings are no content. Not for secrets: it guards against drift, not malice.

use base::{I64_TEXT_MAX, KeyHasher, Millis};

use crate::table::Entry;
use crate::value::ValueRef;

/// Hashes bytes to 128 bits under fixed seeds, equal on all machines.
pub(crate) struct Digester {
    low: KeyHasher,
    high: KeyHasher,
    buffer: Vec<u8>,
}

impl Digester {
    pub(crate) fn new() -> Digester {
        Digester { low: KeyHasher::new(0x6E61_7266), high: KeyHasher::new(0x6469_6765), buffer: Vec::new() }
    }

    /// Kinds below 32 are those of values and keys here; an image has others.
    pub(crate) fn hash(&mut self, kind: u8, pieces: &[&[u8]]) -> u128 {
        self.buffer.clear();
        self.buffer.push(kind);
        for piece in pieces {
            self.buffer.extend_from_slice(&(piece.len() as u64).to_le_bytes());
            self.buffer.extend_from_slice(piece);
        }
        u128::from(self.high.hash(&self.buffer)) << 64 | u128::from(self.low.hash(&self.buffer))
    }

    /// The digest of a value alone, as it is seen at `now`.
    pub(crate) fn value(&mut self, entry: &Entry, now: Millis) -> u128 {
        match entry.value() {
            value @ (ValueRef::Text(_) | ValueRef::Int(_)) => {
                let mut buffer = [0; I64_TEXT_MAX];
                self.hash(0, &[value.text(&mut buffer).unwrap_or_default()])
            }
            ValueRef::Hash(hash) if hash.has_deadlines() => {
                let fields = hash.at(now).fields().map(|(field, value, deadline)| match deadline {
                    Some(deadline) => self.hash(10, &[field, value, &deadline.0.to_le_bytes()]),
                    None => self.hash(1, &[field, value]),
                });
                let sum = fields.fold(0u128, u128::wrapping_add);
                self.hash(2, &[&sum.to_le_bytes()])
            }
            ValueRef::Hash(hash) => {
                let fields = hash.iter().map(|(field, value)| self.hash(1, &[field, value]));
                let sum = fields.fold(0u128, u128::wrapping_add);
                self.hash(2, &[&sum.to_le_bytes()])
            }
            ValueRef::Set(set) => {
                let mut buffer = [0; I64_TEXT_MAX];
                let members = set.iter().map(|member| self.hash(4, &[member.text(&mut buffer)]));
                let sum = members.fold(0u128, u128::wrapping_add);
                self.hash(5, &[&sum.to_le_bytes()])
            }
            ValueRef::List(list) => {
                let elements = list.iter().enumerate();
                let places = elements.map(|(place, element)| self.hash(6, &[&place.to_le_bytes(), element]));
                let sum = places.fold(0u128, u128::wrapping_add);
                self.hash(7, &[&sum.to_le_bytes()])
            }
            ValueRef::ZSet(zset) => {
                let members =
                    zset.iter().map(|(member, score)| self.hash(8, &[member, &score.to_le_bytes()]));
                let sum = members.fold(0u128, u128::wrapping_add);
                self.hash(9, &[&sum.to_le_bytes()])
            }
        }
    }

    /// The digest of a key with its value and deadline.
    pub(crate) fn entry(&mut self, entry: &Entry, now: Millis) -> u128 {
        let value = self.value(entry, now).to_le_bytes();
        let deadline = entry.deadline().map_or(u64::MAX, |deadline| deadline.0).to_le_bytes();
        self.hash(3, &[entry.key(), &deadline, &value])
    }
}
