//! Hashes: a small compact form inside the entry, and a table past the limits.
//!
//! Invariants: fields are unique; the small form keeps insertion order, the table the order of its hashes; a table
//! never turns small again, as in Redis.

use base::{KeyHasher, Millis, Random};

use crate::edit::EntryMut;
use crate::memory::allocated;
use crate::table::Table;
use crate::table::entry::{Body, Entry, Form, INLINE_LIMIT};
use crate::value::{Limits, small_hash, text_body};

/// The table form of a hash: fields are entries.
pub(crate) struct Hash {
    pub(crate) table: Table,
    hasher: KeyHasher,
    /// Heap bytes of the fields' entries.
    field_bytes: usize,
    /// What the walk bit of a field is that the walk has seen, or that came after it began.
    pub(crate) seen: bool,
}

impl Hash {
    pub(crate) fn new(hasher: KeyHasher) -> Hash {
        Hash { table: Table::default(), hasher, field_bytes: 0, seen: false }
    }

    /// A copy of all fields.
    pub(crate) fn duplicate(&self) -> Hash {
        let mut copy = Hash::new(self.hasher);
        for entry in self.table.iter() {
            copy.set(entry.key(), field_value(entry));
        }
        copy
    }

    /// Heap bytes of fields and table.
    pub(crate) fn memory(&self) -> usize {
        allocated(size_of::<Hash>()) + self.table.memory() + self.field_bytes
    }

    pub(crate) fn get(&self, field: &[u8]) -> Option<&[u8]> {
        self.table.find(self.hasher.hash(field), field).map(field_value)
    }

    /// The entry of a field, for the walk.
    pub(crate) fn field_mut(&mut self, field: &[u8]) -> Option<&mut Entry> {
        self.table.find_mut(self.hasher.hash(field), field)
    }

    /// Sets a field; whether it is new.
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
        let Some(entry) = self.table.remove(self.hasher.hash(field), field) else { return false };
        self.field_bytes -= entry.memory();
        true
    }
}

/// The value of a field's entry.
pub(crate) fn field_value(entry: &Entry) -> &[u8] {
    match entry.big_text() {
        Some(text) => text,
        None => entry.inline(),
    }
}

/// A hash, borrowed.
#[derive(Clone, Copy)]
pub struct HashRef<'a>(Inner<'a>);

#[derive(Clone, Copy)]
enum Inner<'a> {
    Small(&'a [u8]),
    Table(&'a Hash),
}

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
            Form::SmallHash => Some(HashRef(Inner::Small(entry.inline()))),
            Form::Hash => entry.big_hash().map(|hash| HashRef(Inner::Table(hash))),
            _ => None,
        }
    }

    /// Number of fields.
    #[inline]
    pub fn len(&self) -> usize {
        match self.0 {
            Inner::Small(blob) => small_hash::len(blob),
            Inner::Table(hash) => hash.table.len(),
        }
    }

    /// Whether it has no field.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of `field`.
    #[inline]
    pub fn get(&self, field: &[u8]) -> Option<&'a [u8]> {
        match self.0 {
            Inner::Small(blob) => small_hash::get(blob, field),
            Inner::Table(hash) => hash.get(field),
        }
    }

    /// Whether there is such a field.
    pub fn contains(&self, field: &[u8]) -> bool {
        self.get(field).is_some()
    }

    /// All fields with their values: the small form in insertion order, a table in its own.
    pub fn iter(&self) -> HashIter<'a> {
        HashIter(match self.0 {
            Inner::Small(blob) => Fields::Small(small_hash::Pairs::new(blob)),
            Inner::Table(hash) => Fields::Table(Box::new(hash.table.iter())),
        })
    }

    /// Visits about `count` fields from `cursor` on and returns the next cursor; 0 starts, 0 ends. A field that is
    /// there from start to end is visited at least once. The small form is visited whole at once, as in Redis.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(&[u8], &[u8])) -> u64 {
        match self.0 {
            Inner::Small(blob) => {
                small_hash::Pairs::new(blob).for_each(|(field, value)| visit(field, value));
                0
            }
            Inner::Table(hash) => {
                hash.table.scan(cursor, count, &mut |entry| visit(entry.key(), field_value(entry)))
            }
        }
    }

    /// One field at random, `None` if there is none. Which one depends on the layout: for reads only.
    pub fn random(&self, random: &mut Random) -> Option<(&'a [u8], &'a [u8])> {
        match self.0 {
            Inner::Small(blob) => {
                let at = random.below(small_hash::len(blob) as u64) as usize;
                small_hash::Pairs::new(blob).nth(at)
            }
            Inner::Table(hash) => {
                hash.table.random(random.next_u64()).map(|entry| (entry.key(), field_value(entry)))
            }
        }
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

/// A hash about to be changed, out of [`EntryMut::hash`]. Every change counts as one of the key.
pub struct HashMut<'e, 'a> {
    pub(crate) entry: &'e mut EntryMut<'a>,
}

impl HashMut<'_, '_> {
    /// The hash as it is now.
    #[inline]
    pub fn view(&self) -> HashRef<'_> {
        HashRef::of(self.entry.entry).expect("made only of an entry that holds a hash")
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

    /// Sets a field; whether it is new.
    pub fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        self.entry.begin();
        let before = self.entry.entry.memory();
        let created = self.set_in(field, value);
        self.entry.finish(before);
        created
    }

    fn set_in(&mut self, field: &[u8], value: &[u8]) -> bool {
        let EntryMut { entry, book, .. } = &mut *self.entry;
        if entry.form() == Form::SmallHash {
            let limits = book.limits;
            let piece_max = limits.hash_value.min(small_hash::PIECE_MAX);
            let blob = entry.inline();
            let room = blob.len() + field.len() + value.len() + 4 <= INLINE_LIMIT;
            if field.len() <= piece_max && value.len() <= piece_max && room {
                let lens = (small_hash::Length::of(field), small_hash::Length::of(value));
                let len = small_hash::len(blob);
                if let Some(found) = small_hash::find(blob, field) {
                    let removed = found.end - found.value_start;
                    entry.splice(found.value_start, removed, &[lens.1.bytes(), value]);
                    return false;
                }
                if len < limits.hash_entries.min(usize::from(u16::MAX)) {
                    let end = blob.len();
                    entry.splice(end, 0, &[lens.0.bytes(), field, lens.1.bytes(), value]);
                    entry.inline_mut()[..2].copy_from_slice(&small_hash::count_bytes(len + 1));
                    return true;
                }
            }
            to_table(entry, book.hasher);
        }
        book.before_field(entry, field);
        entry.big_hash_mut().is_some_and(|hash| hash.set(field, value))
    }

    /// Removes a field; whether there was one.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        if !self.view().contains(field) {
            return false;
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
    let piece_max = limits.hash_value.min(small_hash::PIECE_MAX);
    let mut blob = small_hash::EMPTY.to_vec();
    let mut small = true;
    for (field, value) in pairs.clone() {
        let count = small_hash::len(&blob) + 1;
        small = field.len() <= piece_max
            && value.len() <= piece_max
            && count <= limits.hash_entries.min(usize::from(u16::MAX))
            && blob.len() + field.len() + value.len() + 4 <= INLINE_LIMIT
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

#[cfg(test)]
mod tests;
