//! Hashes: a small compact form, and a table past the limits.
//!
//! Invariants: fields are unique; the small form keeps insertion order, the table its hash order.

use base::Random;

use crate::edit::EntryMut;

/// A hash, borrowed.
#[derive(Clone, Copy)]
pub struct HashRef<'a> {
    pub(crate) pairs: &'a [(Vec<u8>, Vec<u8>)],
}

/// The fields and values of a hash.
pub type HashIter<'a> = Box<dyn Iterator<Item = (&'a [u8], &'a [u8])> + 'a>;

impl<'a> HashRef<'a> {
    /// Number of fields.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether it has no field.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The value of `field`.
    pub fn get(&self, field: &[u8]) -> Option<&'a [u8]> {
        self.pairs.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_slice())
    }

    /// Whether there is such a field.
    pub fn contains(&self, field: &[u8]) -> bool {
        self.get(field).is_some()
    }

    /// All fields with their values: the small form in insertion order, a table in its own.
    pub fn iter(&self) -> HashIter<'a> {
        Box::new(self.pairs.iter().map(|(field, value)| (field.as_slice(), value.as_slice())))
    }

    /// Visits about `count` fields from `cursor` on and returns the next cursor; 0 starts, 0 ends. A field that is
    /// there from start to end is visited at least once. The small form is visited whole at once, as in Redis.
    pub fn scan(&self, _cursor: u64, _count: usize, visit: &mut dyn FnMut(&'a [u8], &'a [u8])) -> u64 {
        self.iter().for_each(|(field, value)| visit(field, value));
        0
    }

    /// One field at random, `None` if there is none. Which one depends on the layout: for reads only.
    pub fn random(&self, random: &mut Random) -> Option<(&'a [u8], &'a [u8])> {
        let at = random.below(self.pairs.len() as u64) as usize;
        self.pairs.get(at).map(|(field, value)| (field.as_slice(), value.as_slice()))
    }

    /// Up to `count` different fields at random, in no order that means anything. For reads only.
    pub fn sample(&self, count: usize, random: &mut Random) -> Vec<(&'a [u8], &'a [u8])> {
        let mut all: Vec<_> = self.iter().collect();
        for at in 0..count.min(all.len()) {
            let other = at + random.below((all.len() - at) as u64) as usize;
            all.swap(at, other);
        }
        all.truncate(count);
        all
    }
}

/// A hash about to be changed, out of [`EntryMut::hash`]. Every change counts as one of the key.
pub struct HashMut<'e, 'a> {
    pub(crate) entry: &'e mut EntryMut<'a>,
}

impl HashMut<'_, '_> {
    /// The hash as it is now.
    pub fn view(&self) -> HashRef<'_> {
        match self.entry.value() {
            crate::ValueRef::Hash(hash) => hash,
            _ => HashRef { pairs: &[] },
        }
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
        self.entry.hash_set(field, value)
    }

    /// Removes a field; whether there was one.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        self.entry.hash_remove(field)
    }
}
