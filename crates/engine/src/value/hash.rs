//! Hashes: a small compact form inside the entry, and a table past the limits or once a field has a deadline.
//!
//! Invariants: fields are unique; the small form keeps insertion order, the table the order of its hashes; a table
//! never turns small again, as in Redis. A field past its deadline stays until a logged entry deletes it, and is hidden
//! from whoever looks with the time ([`HashRef::at`]). The entry of a hash with deadlines says so by a bit of its own,
//! so that others need not be asked.

use base::{KeyHasher, Millis, Random, allocated};

use crate::edit::EntryMut;
use crate::keyspace::Book;
use crate::table::Table;
use crate::table::entry::{Body, Entry, Form, INLINE_LIMIT};
use crate::value::{Kind, Limits, NewDeadline, small_hash, text_body};

mod lapses;

pub(crate) use lapses::Lapses;

/// How often a random field is drawn among those of which some have lapsed, before the others are looked for.
const DRAWS: usize = 64;

/// The table form of a hash: fields are entries, with their deadlines.
pub(crate) struct Hash {
    pub(crate) table: Table,
    hasher: KeyHasher,
    /// Heap bytes of the fields' entries.
    field_bytes: usize,
    /// Deadlines of fields, if any has one. Never empty.
    pub(crate) lapses: Option<Box<Lapses>>,
    /// What the walk bit of a field is that the walk has seen, or that came after it began.
    pub(crate) seen: bool,
}

impl Hash {
    pub(crate) fn new(hasher: KeyHasher) -> Hash {
        Hash { table: Table::default(), hasher, field_bytes: 0, lapses: None, seen: false }
    }

    /// A copy of all fields.
    pub(crate) fn duplicate(&self) -> Hash {
        let mut copy = Hash::new(self.hasher);
        for entry in self.table.iter() {
            copy.set(entry.key(), field_value(entry));
            if let Some(deadline) = entry.deadline() {
                copy.set_deadline(entry.key(), Some(deadline));
            }
        }
        copy
    }

    /// What the table finds a field by.
    #[inline]
    pub(crate) fn hash_of(&self, field: &[u8]) -> u64 {
        self.hasher.hash(field)
    }

    /// Heap bytes of fields and table.
    pub(crate) fn memory(&self) -> usize {
        let lapses = self.lapses.as_ref().map_or(0, |lapses| lapses.memory());
        allocated(size_of::<Hash>()) + self.table.memory() + self.field_bytes + lapses
    }

    /// Heap bytes of fields alone.
    pub(crate) fn field_bytes(&self) -> usize {
        self.field_bytes
    }

    fn field(&self, field: &[u8]) -> Option<&Entry> {
        self.table.find(self.hasher.hash(field), field)
    }

    /// The entry of a field, for the walk.
    pub(crate) fn field_mut(&mut self, field: &[u8]) -> Option<&mut Entry> {
        self.table.find_mut(self.hasher.hash(field), field)
    }

    /// Sets a field, whose deadline stays; whether it is new.
    pub(crate) fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        let hash = self.hasher.hash(field);
        if let Some(entry) = self.table.find_mut(hash, field) {
            self.field_bytes -= entry.memory();
            entry.set_body(text_body(value));
            self.field_bytes += entry.memory();
            return false;
        }
        let mut entry = Entry::build(field, None, text_body(value));
        entry.set_walk_bit(self.seen);
        self.field_bytes += entry.memory();
        self.table.insert(hash, entry, &self.hasher);
        true
    }

    /// Removes a field; whether there was one.
    pub(crate) fn remove(&mut self, field: &[u8]) -> bool {
        let hash = self.hasher.hash(field);
        let Some(entry) = self.table.remove(hash, field) else { return false };
        self.field_bytes -= entry.memory();
        if self.lapses.is_some() {
            self.deadline_moved(hash, entry.deadline(), None);
        }
        true
    }

    /// Sets or removes the deadline of a field, if it is there.
    fn set_deadline(&mut self, field: &[u8], deadline: Option<Millis>) {
        let hash = self.hasher.hash(field);
        let Some(entry) = self.table.find_mut(hash, field) else { return };
        let old = entry.deadline();
        self.field_bytes -= entry.memory();
        entry.set_deadline(deadline);
        self.field_bytes += entry.memory();
        // What the entry says of it: the last moment of all reads as none.
        let new = entry.deadline();
        self.deadline_moved(hash, old, new);
    }

    fn deadline_moved(&mut self, hash: u64, old: Option<Millis>, new: Option<Millis>) {
        if let (Some(old), Some(lapses)) = (old, &mut self.lapses) {
            lapses.remove(old, hash);
        }
        if let Some(new) = new {
            self.lapses.get_or_insert_default().add(new, hash);
        }
        if self.lapses.as_ref().is_some_and(|lapses| lapses.is_empty()) {
            self.lapses = None;
        }
    }

    /// Number of fields whose deadline has not come.
    #[inline]
    fn len_at(&self, now: Millis) -> usize {
        self.table.len() - self.lapses.as_ref().map_or(0, |lapses| lapses.count_lapsed(now))
    }

    /// The earliest deadline of a field.
    pub(crate) fn first_lapse(&self) -> Option<Millis> {
        self.lapses.as_ref()?.first().map(|(deadline, _)| deadline)
    }

    fn has_lapsed(&self, now: Millis) -> bool {
        self.first_lapse().is_some_and(|first| first <= now)
    }

    /// Whether the deadlines of all fields have come.
    pub(crate) fn is_all_lapsed(&self, now: Millis) -> bool {
        let all = |lapses: &Lapses| lapses.len() == self.table.len() && lapses.last() <= Some(now);
        self.lapses.as_ref().is_some_and(|lapses| all(lapses))
    }

    /// The name of some field whose deadline has come.
    fn some_lapsed(&mut self, now: Millis) -> Option<Box<[u8]>> {
        let (deadline, hash) = self.lapses.as_ref()?.first().filter(|(deadline, _)| *deadline <= now)?;
        let found = self.table.find_hash(hash, &self.hasher, |field| field.deadline() == Some(deadline));
        found.map(|field| field.key().into())
    }

    /// Panics if the deadlines are not those of the fields. For tests and debug builds.
    pub(crate) fn check_invariants(&self) {
        let deadlines = || self.table.iter().filter_map(Entry::deadline);
        let (len, first) = self.lapses.as_ref().map_or((0, None), |l| (l.len(), l.first().map(|(at, _)| at)));
        assert_eq!((deadlines().count(), deadlines().min()), (len, first), "deadlines of fields are indexed");
    }
}

/// The value of a field's entry.
pub(crate) fn field_value(entry: &Entry) -> &[u8] {
    match entry.big_text() {
        Some(text) => text,
        None => entry.inline(),
    }
}

/// Deadlines of fields must not make other hashes larger.
const _: () = assert!(size_of::<Hash>() <= 160, "a table takes no more than its size class");

/// A hash, borrowed: as it is, or without the fields whose deadline has come.
#[derive(Clone, Copy)]
pub struct HashRef<'a> {
    inner: Inner<'a>,
    /// The time that it is looked at; from the beginning of time on all fields are seen.
    now: Millis,
}

#[derive(Clone, Copy)]
enum Inner<'a> {
    Small(&'a [u8]),
    Table(&'a Hash),
}

/// A field with its value and deadline.
pub type Field<'a> = (&'a [u8], &'a [u8], Option<Millis>);

/// The fields and values of a hash.
pub struct HashIter<'a>(Fields<'a>);

enum Fields<'a> {
    Small(small_hash::Pairs<'a>),
    Table(Box<dyn Iterator<Item = &'a Entry> + 'a>),
}

impl<'a> Iterator for HashIter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Fields::Small(pairs) => pairs.next(),
            Fields::Table(entries) => entries.next().map(|entry| (entry.key(), field_value(entry))),
        }
    }
}

impl<'a> HashRef<'a> {
    /// The hash of an entry, if its value is one.
    #[inline]
    pub(crate) fn of(entry: &'a Entry) -> Option<HashRef<'a>> {
        match entry.form() {
            Form::SmallHash => Some(HashRef { inner: Inner::Small(entry.inline()), now: Millis(0) }),
            Form::Hash => entry.big_hash().map(|hash| HashRef { inner: Inner::Table(hash), now: Millis(0) }),
            _ => None,
        }
    }

    /// The same, without the fields whose deadline has come: what commands look at.
    #[inline]
    pub fn at(self, now: Millis) -> HashRef<'a> {
        HashRef { now, ..self }
    }

    /// Whether fields have deadlines.
    pub fn has_deadlines(&self) -> bool {
        matches!(self.inner, Inner::Table(hash) if hash.lapses.is_some())
    }

    /// The deadline of `field`, if it is there; `Some(None)` if it has none.
    pub fn deadline(&self, field: &[u8]) -> Option<Option<Millis>> {
        match self.inner {
            Inner::Small(blob) => small_hash::get(blob, field).map(|_| None),
            Inner::Table(hash) => self.live(hash, field).map(Entry::deadline),
        }
    }

    #[inline]
    fn live(&self, hash: &'a Hash, field: &[u8]) -> Option<&'a Entry> {
        hash.field(field).filter(|entry| !entry.is_lapsed(self.now))
    }

    /// All fields with their values and deadlines, in the order of [`HashRef::iter`].
    pub fn fields(&self) -> Box<dyn Iterator<Item = Field<'a>> + 'a> {
        let now = self.now;
        match self.inner {
            Inner::Small(blob) => {
                Box::new(small_hash::Pairs::new(blob).map(|(field, value)| (field, value, None)))
            }
            Inner::Table(hash) => Box::new(
                hash.table
                    .iter()
                    .filter(move |entry| !entry.is_lapsed(now))
                    .map(|entry| (entry.key(), field_value(entry), entry.deadline())),
            ),
        }
    }

    /// Number of fields.
    #[inline]
    pub fn len(&self) -> usize {
        match self.inner {
            Inner::Small(blob) => small_hash::len(blob),
            Inner::Table(hash) => hash.len_at(self.now),
        }
    }

    /// Whether it has no field. Unlike [`HashRef::len`] it never counts those that have lapsed.
    pub fn is_empty(&self) -> bool {
        match self.inner {
            Inner::Small(blob) => small_hash::len(blob) == 0,
            Inner::Table(hash) => hash.table.is_empty() || hash.is_all_lapsed(self.now),
        }
    }

    /// The value of `field`.
    #[inline]
    pub fn get(&self, field: &[u8]) -> Option<&'a [u8]> {
        match self.inner {
            Inner::Small(blob) => small_hash::get(blob, field),
            Inner::Table(hash) => self.live(hash, field).map(field_value),
        }
    }

    /// Whether there is such a field.
    pub fn contains(&self, field: &[u8]) -> bool {
        self.get(field).is_some()
    }

    /// All fields with their values: the small form in insertion order, a table in its own.
    pub fn iter(&self) -> HashIter<'a> {
        let now = self.now;
        HashIter(match self.inner {
            Inner::Small(blob) => Fields::Small(small_hash::Pairs::new(blob)),
            Inner::Table(hash) if hash.has_lapsed(now) => {
                Fields::Table(Box::new(hash.table.iter().filter(move |entry| !entry.is_lapsed(now))))
            }
            Inner::Table(hash) => Fields::Table(Box::new(hash.table.iter())),
        })
    }

    /// Visits about `count` fields from `cursor` on and returns the next cursor; 0 starts, 0 ends. A field that is
    /// there from start to end is visited at least once. The small form is visited whole at once, as in Redis.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(&[u8], &[u8])) -> u64 {
        match self.inner {
            Inner::Small(blob) => {
                small_hash::Pairs::new(blob).for_each(|(field, value)| visit(field, value));
                0
            }
            Inner::Table(hash) => hash.table.scan(cursor, count, &mut |entry| {
                if !entry.is_lapsed(self.now) {
                    visit(entry.key(), field_value(entry));
                }
            }),
        }
    }

    /// Fields drawn at random, each from all of them, as often as is asked. Which ones depends on the layout: for reads
    /// only.
    pub fn draws(&self) -> Draws<'a> {
        Draws { hash: *self, live: Vec::new() }
    }

    /// Up to `count` different fields at random, in no order that means anything. For reads only.
    pub fn sample(&self, count: usize, random: &mut Random) -> Vec<(&'a [u8], &'a [u8])> {
        let len = self.len();
        let count = count.min(len);
        let mut sample: Vec<(&[u8], &[u8])> = Vec::with_capacity(count);
        // Each field in turn is taken with the chance that makes all choices equally likely.
        for (seen, pair) in self.iter().enumerate() {
            let wanted = count - sample.len();
            if wanted == 0 {
                break;
            }
            if random.below((len - seen) as u64) < wanted as u64 {
                sample.push(pair);
            }
        }
        sample
    }
}

/// See [`HashRef::draws`].
pub struct Draws<'a> {
    hash: HashRef<'a>,
    /// All fields, once it is known that most have lapsed: whoever draws often must not look for the others each time.
    live: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Draws<'a> {
    /// One field, `None` if there is none.
    pub fn draw(&mut self, random: &mut Random) -> Option<(&'a [u8], &'a [u8])> {
        let now = self.hash.now;
        match self.hash.inner {
            Inner::Small(blob) => {
                let at = random.below(small_hash::len(blob) as u64) as usize;
                small_hash::Pairs::new(blob).nth(at)
            }
            // Those that have lapsed are deleted soon. Until then a draw that meets one is repeated.
            Inner::Table(hash) if hash.has_lapsed(now) => {
                if self.live.is_empty() {
                    let mut draw = || hash.table.random(random.next_u64());
                    let live = (0..DRAWS).filter_map(|_| draw()).find(|entry| !entry.is_lapsed(now));
                    if let Some(entry) = live {
                        return Some((entry.key(), field_value(entry)));
                    }
                    self.live = self.hash.iter().collect();
                }
                self.live.get(random.below(self.live.len() as u64) as usize).copied()
            }
            Inner::Table(hash) => {
                hash.table.random(random.next_u64()).map(|entry| (entry.key(), field_value(entry)))
            }
        }
    }
}

/// A hash about to be changed, out of [`EntryMut::hash`]. Every change counts as one of the key.
pub struct HashMut<'e, 'a> {
    pub(crate) entry: &'e mut EntryMut<'a>,
    /// As in [`HashRef`]: fields whose deadline has come are not there.
    pub(crate) now: Millis,
}

impl HashMut<'_, '_> {
    /// The hash as it is now.
    #[inline]
    pub fn view(&self) -> HashRef<'_> {
        HashRef::of(self.entry.entry).expect("made only of an entry that holds a hash").at(self.now)
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether no field is left; the caller then removes the key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of `field`.
    pub fn get(&self, field: &[u8]) -> Option<&[u8]> {
        self.view().get(field)
    }

    /// Sets a field, which has no deadline then; whether it is new.
    #[inline]
    pub fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        self.set_with(field, value, NewDeadline::Clear)
    }

    /// Sets a field, and what becomes of its deadline; whether it is new.
    #[inline]
    pub fn set_with(&mut self, field: &[u8], value: &[u8], deadline: NewDeadline) -> bool {
        if self.entry.entry.is_volatile() || matches!(deadline, NewDeadline::At(_)) {
            return self.set_volatile(field, value, deadline);
        }
        self.entry.begin();
        self.set_in(field, value)
    }

    /// The same where deadlines are at stake.
    #[cold]
    fn set_volatile(&mut self, field: &[u8], value: &[u8], deadline: NewDeadline) -> bool {
        let old = self.view().deadline(field);
        let new = match deadline {
            NewDeadline::Clear => None,
            NewDeadline::Keep => old.flatten(),
            NewDeadline::At(at) => Some(at),
        };
        self.change_volatile(|edit, hash| {
            edit.before_field(hash, field);
            if let Some(hash) = hash.big_hash_mut() {
                hash.set(field, value);
                hash.set_deadline(field, new);
            }
        });
        old.is_none()
    }

    /// The deadline of `field`, if it is there; `Some(None)` if it has none.
    pub fn deadline(&self, field: &[u8]) -> Option<Option<Millis>> {
        self.view().deadline(field)
    }

    /// Sets or removes the deadline of a field, if it is there.
    pub fn set_deadline(&mut self, field: &[u8], deadline: Option<Millis>) {
        if self.view().deadline(field).is_none_or(|old| old == deadline) {
            return;
        }
        self.change_volatile(|edit, hash| {
            edit.before_field(hash, field);
            if let Some(hash) = hash.big_hash_mut() {
                hash.set_deadline(field, deadline);
            }
        });
    }

    /// Deletes up to `max` fields whose deadline has come.
    pub(crate) fn remove_lapsed(&mut self, max: usize) {
        let now = self.now;
        let mut removed = 0;
        self.change_volatile(|edit, hash| {
            while removed < max
                && let Some(field) = hash.big_hash_mut().and_then(|hash| hash.some_lapsed(now))
            {
                edit.before_field(hash, &field);
                hash.big_hash_mut().map(|hash| hash.remove(&field));
                removed += 1;
            }
        });
    }

    /// Changes fields of a table that may have deadlines, before or after; a small hash becomes one.
    fn change_volatile(&mut self, change: impl FnOnce(&mut Book, &mut Entry)) {
        self.entry.begin();
        let (before, lapse) = (self.entry.entry.memory(), self.entry.entry.first_lapse());
        let EntryMut { entry, book, .. } = &mut *self.entry;
        if entry.form() == Form::SmallHash {
            to_table(entry, book.hasher);
        }
        change(book, entry);
        entry.mark_volatile();
        self.entry.finish(before);
        self.entry.lapse_moved(lapse);
    }

    fn set_in(&mut self, field: &[u8], value: &[u8]) -> bool {
        let EntryMut { entry, book, .. } = &mut *self.entry;
        let fits =
            entry.form() == Form::SmallHash && small_may_hold(entry.inline(), field, value, book.limits);
        let found = if fits { small_hash::find(entry.inline(), field) } else { None };
        if let Some(place) = found.as_ref().and_then(|found| found.place_of(value)) {
            // Nothing moves, and nothing need be measured.
            entry.inline_mut()[place].copy_from_slice(value);
            return false;
        }
        let before = entry.memory();
        let len = if fits { small_hash::len(entry.inline()) } else { usize::MAX };
        let created = match found {
            Some(found) => {
                let length = small_hash::Length::of(value);
                entry.splice(found.value_start, found.end - found.value_start, &[length.bytes(), value]);
                false
            }
            None if len < book.limits.hash_entries.min(usize::from(u16::MAX)) => {
                let (end, lens) = (entry.inline().len(), [field, value].map(small_hash::Length::of));
                entry.splice(end, 0, &[lens[0].bytes(), field, lens[1].bytes(), value]);
                entry.inline_mut()[..2].copy_from_slice(&small_hash::count_bytes(len + 1));
                true
            }
            None => {
                if entry.form() == Form::SmallHash {
                    to_table(entry, book.hasher);
                }
                book.before_field(entry, field);
                entry.big_hash_mut().is_some_and(|hash| hash.set(field, value))
            }
        };
        book.resized(Kind::Hash, before, entry.memory());
        created
    }

    /// Removes a field; whether there was one.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        if !self.view().contains(field) {
            return false;
        }
        if self.entry.entry.is_volatile() {
            self.change_volatile(|edit, hash| {
                edit.before_field(hash, field);
                hash.big_hash_mut().map(|hash| hash.remove(field));
            });
            return true;
        }
        self.entry.begin();
        let before = self.entry.entry.memory();
        let EntryMut { entry, book, .. } = &mut *self.entry;
        if let Some(found) = small_found(entry, field) {
            let len = small_hash::len(entry.inline());
            entry.splice(found.start, found.end - found.start, &[]);
            entry.inline_mut()[..2].copy_from_slice(&small_hash::count_bytes(len - 1));
        } else {
            book.before_field(entry, field);
            if let Some(hash) = entry.big_hash_mut() {
                hash.remove(field);
            }
        }
        self.entry.finish(before);
        true
    }
}

fn small_found(entry: &Entry, field: &[u8]) -> Option<small_hash::Found> {
    if entry.form() != Form::SmallHash {
        return None;
    }
    small_hash::find(entry.inline(), field)
}

/// Whether the small form may hold this pair beside what it holds, as far as lengths tell.
#[inline]
fn small_may_hold(blob: &[u8], field: &[u8], value: &[u8], limits: Limits) -> bool {
    let piece_max = limits.hash_value.min(small_hash::PIECE_MAX);
    field.len() <= piece_max
        && value.len() <= piece_max
        && blob.len() + field.len() + value.len() + 4 <= INLINE_LIMIT
}

/// Turns the small form into a table.
fn to_table(entry: &mut Entry, hasher: KeyHasher) {
    let mut hash = Hash::new(hasher);
    for (field, value) in small_hash::Pairs::new(entry.inline()) {
        hash.set(field, value);
    }
    entry.set_body(Body::Hash(Box::new(hash)));
}

/// An entry of these fields, small if the limits let it be. Of a field that comes twice the later value holds.
pub(crate) fn from_pairs<'a>(
    key: &[u8],
    deadline: Option<Millis>,
    pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    limits: Limits,
    hasher: KeyHasher,
) -> Entry {
    let mut blob = small_hash::EMPTY.to_vec();
    let mut small = true;
    for (field, value) in pairs.clone() {
        let count = small_hash::len(&blob) + 1;
        small = small_may_hold(&blob, field, value, limits)
            && count <= limits.hash_entries.min(usize::from(u16::MAX))
            && small_hash::find(&blob, field).is_none();
        if !small {
            break;
        }
        small_hash::push(&mut blob, field, value);
    }
    if small {
        return Entry::build(key, deadline, Body::SmallHash(&blob));
    }
    let mut hash = Hash::new(hasher);
    for (field, value) in pairs {
        hash.set(field, value);
    }
    Entry::build(key, deadline, Body::Hash(Box::new(hash)))
}

/// An entry of these fields with their deadlines. Of a field that comes twice the later holds.
pub(crate) fn from_fields<'a>(
    key: &[u8],
    deadline: Option<Millis>,
    fields: impl Iterator<Item = Field<'a>>,
    hasher: KeyHasher,
) -> Entry {
    let mut hash = Hash::new(hasher);
    for (field, value, deadline) in fields {
        hash.set(field, value);
        hash.set_deadline(field, deadline);
    }
    let mut entry = Entry::build(key, deadline, Body::Hash(Box::new(hash)));
    entry.mark_volatile();
    entry
}

#[cfg(test)]
mod tests;
