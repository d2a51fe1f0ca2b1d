//! One live entry opened for change.
//!
//! Every changing method counts as a change of the key (log, WATCH, touched keys) by itself; a caller that finds
//! nothing to do must simply not call one. Keeps the keyspace's bookkeeping true: memory, deadlines, and the image
//! that a walk under way needs of the entry as it was.

use std::ops::Deref;

use base::{I64_TEXT_MAX, Millis};

use crate::keyspace::Book;
use crate::table::body_of;
use crate::table::entry::{Body, Entry, Form, INLINE_MAX};
use crate::value::{HashMut, Kind, ListMut, NewDeadline, NewValue, SetMut, ZSetMut};

/// A live entry opened for change; reads as the [`Entry`].
pub struct EntryMut<'a> {
    pub(crate) entry: &'a mut Entry,
    pub(crate) book: &'a mut Book,
    hash: u64,
    /// A change was counted and the walk has its image.
    begun: bool,
    /// The walk has its image; what was changed so far is only the form.
    is_formed: bool,
}

impl Deref for EntryMut<'_> {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        self.entry
    }
}

impl<'a> EntryMut<'a> {
    #[inline]
    pub(crate) fn new(entry: &'a mut Entry, book: &'a mut Book, hash: u64) -> EntryMut<'a> {
        EntryMut { entry, book, hash, begun: false, is_formed: false }
    }

    /// For an entry that was just put in: that was the change.
    pub(crate) fn of_new(entry: &'a mut Entry, book: &'a mut Book, hash: u64) -> EntryMut<'a> {
        EntryMut { entry, book, hash, begun: true, is_formed: false }
    }

    /// Ends the change and leaves the entry to be read.
    pub fn into_entry(self) -> &'a Entry {
        self.entry
    }

    /// Overwrites the value, of whatever type it was.
    #[inline]
    pub fn set(&mut self, value: NewValue<'_>, deadline: NewDeadline) {
        self.begin();
        let body = body_of(value);
        let raw = matches!(value, NewValue::Raw(_));
        let deadline = match deadline {
            NewDeadline::Clear => None,
            NewDeadline::Keep => self.entry.deadline(),
            NewDeadline::At(at) => Some(at),
        };
        if let Body::Text(text) = body
            && !raw
            && deadline == self.entry.deadline()
            && self.entry.overwrite_text(text)
        {
            return;
        }
        self.set_body(body, raw, deadline);
    }

    fn set_body(&mut self, body: Body<'_>, raw: bool, deadline: Option<Millis>) {
        if matches!(self.entry.form(), Form::Hash | Form::BigText | Form::Set | Form::List | Form::ZSet) {
            self.retire_value();
        }
        let (kind, before) = (self.entry.kind(), self.entry.memory());
        self.entry.set_body(body);
        self.book.sums.retype(kind, self.entry.kind(), before);
        if raw {
            self.entry.set_raw(true);
        }
        self.move_deadline(deadline);
        self.finish(before);
    }

    /// Overwrites the value with a number and keeps the deadline: `INCR` and its kin.
    #[inline]
    pub fn set_int(&mut self, number: i64) {
        self.begin();
        if !self.entry.set_int(number) {
            self.set_body(Body::Int(number), false, self.entry.deadline());
        }
    }

    /// Sets or removes the deadline.
    pub fn set_deadline(&mut self, deadline: Option<Millis>) {
        self.begin();
        let before = self.entry.memory();
        self.move_deadline(deadline);
        self.finish(before);
    }

    /// Appends to a string; the new length. Does nothing to another type. The caller has checked the length limit.
    pub fn append(&mut self, tail: &[u8]) -> usize {
        let len = self.entry.value().text_len().unwrap_or_default();
        self.edit_text(len, tail, len + tail.len())
    }

    /// Writes `patch` over a string from `offset` on, filling a gap with zero bytes; the new length. Does nothing
    /// to another type. The caller has checked the length limit.
    pub fn set_range(&mut self, offset: usize, patch: &[u8]) -> usize {
        let len = self.entry.value().text_len().unwrap_or_default();
        self.edit_text(offset, patch, len.max(offset + patch.len()))
    }

    /// Keeps a string as bytes from now on, as one that was looked at as bits. The value stays, so whoever watches or keeps
    /// it is told nothing; it is a change of the data all the same, as the form is answered.
    pub fn make_raw(&mut self) {
        let Some(len) = self.entry.value().text_len() else { return };
        if !self.begun && !std::mem::replace(&mut self.is_formed, true) {
            self.book.before_change(self.entry);
            self.book.changed_in_form(self.entry.key());
        }
        self.write_text(len, b"", len);
    }

    /// The hash, if it is one, opened for change with all that is in it.
    #[inline]
    pub fn hash(&mut self) -> Option<HashMut<'_, 'a>> {
        self.hash_at(Millis(0))
    }

    /// The same as a command sees it: without the fields whose deadline has come.
    #[inline]
    pub fn hash_at(&mut self, now: Millis) -> Option<HashMut<'_, 'a>> {
        match self.entry.form() {
            Form::SmallHash | Form::Hash => Some(HashMut { entry: self, now }),
            _ => None,
        }
    }

    /// The set, if it is one, opened for change.
    #[inline]
    pub fn set_value(&mut self) -> Option<SetMut<'_, 'a>> {
        match self.entry.form() {
            Form::IntSet | Form::SmallSet | Form::Set => Some(SetMut { entry: self }),
            _ => None,
        }
    }

    /// The list, if it is one, opened for change.
    #[inline]
    pub fn list(&mut self) -> Option<ListMut<'_, 'a>> {
        match self.entry.form() {
            Form::SmallList | Form::List => Some(ListMut { entry: self }),
            _ => None,
        }
    }

    /// The sorted set, if it is one, opened for change.
    #[inline]
    pub fn zset(&mut self) -> Option<ZSetMut<'_, 'a>> {
        match self.entry.form() {
            Form::SmallZSet | Form::ZSet => Some(ZSetMut { entry: self }),
            _ => None,
        }
    }

    /// Writes `patch` at `offset` of a string that has `len` bytes afterwards.
    fn edit_text(&mut self, offset: usize, patch: &[u8], len: usize) -> usize {
        if self.entry.kind() != Kind::String {
            return 0;
        }
        self.begin();
        self.write_text(offset, patch, len)
    }

    fn write_text(&mut self, offset: usize, patch: &[u8], len: usize) -> usize {
        let before = self.entry.memory();
        if let Some(number) = self.entry.int() {
            let text = base::format_i64(number, &mut [0; I64_TEXT_MAX]).to_vec();
            self.entry.set_body(Body::Text(&text));
        }
        if self.entry.form() == Form::Text && len > INLINE_MAX {
            // Twice the room, so that many appends copy little.
            let mut text = Vec::with_capacity(len.max(2 * INLINE_MAX));
            text.extend_from_slice(self.entry.inline());
            self.entry.set_body(Body::BigText(text));
        }
        if self.entry.big_text().is_some_and(|text| offset < text.len()) {
            self.book.before_overwrite(self.entry);
        }
        if let Some(text) = self.entry.big_text_mut() {
            text.resize(text.len().max(len), 0);
            text[offset..offset + patch.len()].copy_from_slice(patch);
        } else {
            self.edit_inline(offset, patch, len);
            self.entry.set_raw(true);
        }
        self.finish(before);
        len
    }

    fn edit_inline(&mut self, offset: usize, patch: &[u8], len: usize) {
        let old = self.entry.inline().len();
        if offset == old {
            self.entry.splice(old, 0, &[patch]);
            return;
        }
        if len > old {
            self.entry.splice(old, 0, &[&[0; INLINE_MAX][..len - old]]);
        }
        self.entry.inline_mut()[offset..offset + patch.len()].copy_from_slice(patch);
    }

    /// Must come before the first change.
    #[inline]
    pub(crate) fn begin(&mut self) {
        if !self.begun {
            self.prepare();
            self.begun = true;
            self.book.changed(self.entry.key());
        }
    }

    /// Must come before what may turn out to change nothing; if it changes something, [`EntryMut::begin`] follows.
    #[inline]
    pub(crate) fn prepare(&mut self) {
        if !self.begun && !self.is_formed {
            self.book.before_change(self.entry);
        }
    }

    /// Must come after each change, with the memory before it.
    #[inline]
    pub(crate) fn finish(&mut self, before: usize) {
        self.book.resized(self.entry.kind(), before, self.entry.memory());
    }

    #[inline]
    fn move_deadline(&mut self, deadline: Option<Millis>) {
        let old = self.entry.deadline();
        if old != deadline {
            self.entry.set_deadline(deadline);
            // What the entry says of it: the last moment of all reads as none.
            self.book.deadline_moved(self.hash, old, self.entry.deadline());
        }
    }

    /// Must come after deadlines of fields changed, with the earliest before.
    pub(crate) fn lapse_moved(&mut self, before: Option<Millis>) {
        self.book.lapse_moved(self.hash, before, self.entry.first_lapse());
    }

    /// Puts a big value aside, to be walked to its end if need be and freed in slices; a number stands in its place.
    #[cold]
    fn retire_value(&mut self) {
        let mut stand_in = Entry::build(self.entry.key(), self.entry.deadline(), Body::Int(0));
        stand_in.set_clock(self.entry.clock());
        stand_in.set_walk_bit(self.entry.walk_bit());
        stand_in.set_fingerprint(self.entry.fingerprint());
        self.book.sums.remove(self.entry);
        self.book.sums.add(&stand_in);
        self.book.lapse_moved(self.hash, self.entry.first_lapse(), None);
        let old = std::mem::replace(self.entry, stand_in);
        self.book.retire(old);
    }
}
