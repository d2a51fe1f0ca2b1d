//! One live entry opened for change.
//!
//! Every changing method counts as a change of the key (log, WATCH, touched keys) by itself; a caller that finds
//! nothing to do must simply not call one. Keeps the keyspace's bookkeeping (memory, deadlines) true.

use std::ops::Deref;

use base::{Millis, parse_i64};

use crate::keyspace::Book;
use crate::table::{Entry, entry::Held};
use crate::value::{HashMut, NewDeadline, NewValue, ValueRef};

/// A live entry opened for change; reads as the [`Entry`].
pub struct EntryMut<'a> {
    pub(crate) entry: &'a mut Entry,
    pub(crate) book: &'a mut Book,
}

impl Deref for EntryMut<'_> {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        self.entry
    }
}

impl<'a> EntryMut<'a> {
    /// Ends the change and leaves the entry to be read.
    pub fn into_entry(self) -> &'a Entry {
        self.entry
    }

    /// Overwrites the value, of whatever type it was.
    pub fn set(&mut self, value: NewValue<'_>, deadline: NewDeadline) {
        self.entry.value = Held::new(value);
        match deadline {
            NewDeadline::Clear => self.entry.deadline = None,
            NewDeadline::Keep => {}
            NewDeadline::At(at) => self.entry.deadline = Some(at),
        }
        self.changed();
    }

    /// Overwrites the value with a number and keeps the deadline: `INCR` and its kin.
    pub fn set_int(&mut self, number: i64) {
        self.set(NewValue::Int(number), NewDeadline::Keep);
    }

    /// Sets or removes the deadline.
    pub fn set_deadline(&mut self, deadline: Option<Millis>) {
        self.entry.deadline = deadline;
        self.changed();
    }

    /// Appends to a string; the new length. Does nothing to another type. The caller has checked the length limit.
    pub fn append(&mut self, tail: &[u8]) -> usize {
        self.edit_text(|text| text.extend_from_slice(tail))
    }

    /// Writes `patch` over a string from `offset` on, filling a gap with zero bytes; the new length. Does nothing
    /// to another type. The caller has checked the length limit.
    pub fn set_range(&mut self, offset: usize, patch: &[u8]) -> usize {
        self.edit_text(|text| {
            text.resize(text.len().max(offset + patch.len()), 0);
            text[offset..offset + patch.len()].copy_from_slice(patch);
        })
    }

    /// The hash, if it is one, opened for change.
    pub fn hash(&mut self) -> Option<HashMut<'_, 'a>> {
        match self.entry.value() {
            ValueRef::Hash(_) => Some(HashMut { entry: self }),
            ValueRef::Text(_) | ValueRef::Int(_) => None,
        }
    }

    fn edit_text(&mut self, edit: impl FnOnce(&mut Vec<u8>)) -> usize {
        let mut buffer = [0; base::I64_TEXT_MAX];
        let Some(text) = self.entry.text(&mut buffer) else { return 0 };
        let mut bytes = text.to_vec();
        edit(&mut bytes);
        let len = bytes.len();
        self.entry.value = Held::Text { bytes, raw: true };
        self.changed();
        len
    }

    pub(crate) fn hash_set(&mut self, field: &[u8], value: &[u8]) -> bool {
        let Held::Hash(pairs) = &mut self.entry.value else { return false };
        let created = match pairs.iter_mut().find(|(name, _)| name == field) {
            Some(pair) => {
                pair.1 = value.to_vec();
                false
            }
            None => {
                pairs.push((field.to_vec(), value.to_vec()));
                true
            }
        };
        self.changed();
        created
    }

    pub(crate) fn hash_remove(&mut self, field: &[u8]) -> bool {
        let Held::Hash(pairs) = &mut self.entry.value else { return false };
        let Some(at) = pairs.iter().position(|(name, _)| name == field) else { return false };
        pairs.remove(at);
        self.changed();
        true
    }

    fn changed(&mut self) {
        let _ = parse_i64;
        self.book.changed(&self.entry.key);
    }
}
