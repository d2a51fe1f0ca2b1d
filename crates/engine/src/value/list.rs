//! Lists: a small compact form inside the entry, or chunks in a row. The rules are those of Redis 7.2.
//!
//! ```text
//! small form   count u16 | elements as in `packed`
//! ```
//!
//! Invariant: a list that outgrows the limits takes the big form, and takes the small one again once it is within half
//! of them, as in Redis.

use base::Millis;

use crate::edit::EntryMut;
use crate::table::entry::{Body, Entry, Form, INLINE_LIMIT};
use crate::value::packed::{self, Elements, Framed};
use crate::value::{Kind, Limits, small_hash};

mod chunk;
mod deque;

pub(crate) use chunk::Chunk;
pub use chunk::End;
use deque::Flat;
pub(crate) use deque::List;

/// The small form of a list without elements.
pub(crate) const EMPTY: [u8; 2] = [0, 0];

/// A list, borrowed.
#[derive(Clone, Copy)]
pub struct ListRef<'a>(Inner<'a>);

#[derive(Clone, Copy)]
enum Inner<'a> {
    Small(&'a [u8]),
    Big(&'a List),
}

/// The elements of a list, from either end.
#[derive(Clone)]
pub struct ListIter<'a>(Run<'a>);

#[derive(Clone)]
enum Run<'a> {
    Small(Elements<'a>),
    Big(Flat<'a>),
}

impl<'a> Iterator for ListIter<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        match &mut self.0 {
            Run::Small(elements) => elements.next(),
            Run::Big(elements) => elements.next(),
        }
    }
}

impl DoubleEndedIterator for ListIter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Run::Small(elements) => elements.next_back(),
            Run::Big(elements) => elements.next_back(),
        }
    }
}

/// The packed elements of a small form.
#[inline]
fn run(blob: &[u8]) -> &[u8] {
    blob.get(EMPTY.len()..).unwrap_or_default()
}

impl<'a> ListRef<'a> {
    /// The list of an entry, if its value is one.
    #[inline]
    pub(crate) fn of(entry: &'a Entry) -> Option<ListRef<'a>> {
        Some(ListRef(match entry.form() {
            Form::SmallList => Inner::Small(entry.inline()),
            Form::List => Inner::Big(entry.boxed()?),
            _ => return None,
        }))
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        match self.0 {
            Inner::Small(blob) => small_hash::len(blob),
            Inner::Big(list) => list.len(),
        }
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at a place.
    pub fn get(&self, place: usize) -> Option<&'a [u8]> {
        match self.0 {
            Inner::Small(_) => self.iter_from(place).next(),
            Inner::Big(list) => list.get(place),
        }
    }

    /// The element at an end.
    #[inline]
    pub fn end(&self, end: End) -> Option<&'a [u8]> {
        match (self.0, end) {
            (Inner::Small(blob), End::Front) => Elements::new(run(blob)).next(),
            (Inner::Small(blob), End::Back) => Elements::new(run(blob)).next_back(),
            (Inner::Big(list), end) => list.at_end(end),
        }
    }

    /// All elements.
    #[inline]
    pub fn iter(&self) -> ListIter<'a> {
        self.iter_from(0)
    }

    /// Elements from a place on.
    pub fn iter_from(&self, start: usize) -> ListIter<'a> {
        ListIter(match self.0 {
            Inner::Small(blob) => {
                let run = run(blob);
                let len = small_hash::len(blob);
                let at = packed::offset(run, start.min(len), len);
                Run::Small(Elements::new(&run[at..]))
            }
            Inner::Big(list) => Run::Big(list.iter_from(start)),
        })
    }
}

/// A list about to be changed, out of [`EntryMut::list`]. Every change counts as one of the key.
pub struct ListMut<'e, 'a> {
    pub(crate) entry: &'e mut EntryMut<'a>,
}

impl ListMut<'_, '_> {
    /// The list as it is now.
    #[inline]
    pub fn view(&self) -> ListRef<'_> {
        ListRef::of(self.entry.entry).expect("made only of an entry that holds a list")
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether no element is left; the caller then removes the key.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts an element at an end.
    pub fn push(&mut self, end: End, element: &[u8]) {
        self.change(Some(element), |list| match list {
            Held::Small(entry) => {
                let place = if end == End::Front { 0 } else { small_hash::len(entry.inline()) };
                splice_small(entry, place, 0, Some(element));
            }
            Held::Big(list) => list.push(end, element),
        });
    }

    /// Drops `count` elements from an end on.
    pub fn drop(&mut self, end: End, count: usize) {
        self.change(None, |list| match list {
            Held::Small(entry) => {
                let len = small_hash::len(entry.inline());
                let count = count.min(len);
                let start = if end == End::Front { 0 } else { len - count };
                splice_small(entry, start, count, None);
            }
            Held::Big(list) => list.drop_run(end, count),
        });
    }

    /// Replaces the element at a place; whether there is one.
    pub fn set(&mut self, place: usize, element: &[u8]) -> bool {
        if place >= self.len() {
            return false;
        }
        self.change(Some(element), |list| match list {
            Held::Small(entry) => splice_small(entry, place, 1, Some(element)),
            Held::Big(list) => list.set(place, element),
        });
        true
    }

    /// Puts an element before the one at `place`; at the end if there is none.
    pub fn insert(&mut self, place: usize, element: &[u8]) {
        self.change(Some(element), |list| match list {
            Held::Small(entry) => {
                let len = small_hash::len(entry.inline());
                splice_small(entry, place.min(len), 0, Some(element));
            }
            Held::Big(list) => list.insert(place, element),
        });
    }

    /// Removes up to `count` elements that equal `element`, from an end on; how many.
    pub fn remove_equal(&mut self, element: &[u8], count: usize, from: End) -> usize {
        if !self.view().iter().any(|held| held == element) {
            return 0;
        }
        let mut removed = 0;
        self.change(None, |list| match list {
            Held::Small(entry) => removed = remove_equal_small(entry, element, count, from),
            Held::Big(list) => removed = list.remove_equal(element, count, from),
        });
        removed
    }

    /// Keeps `len` elements from `start` on.
    pub fn trim(&mut self, start: usize, len: usize) {
        self.change(None, |list| match list {
            Held::Small(entry) => {
                let held = small_hash::len(entry.inline());
                let start = start.min(held);
                let end = start.saturating_add(len).min(held);
                splice_small(entry, end, held - end, None);
                splice_small(entry, 0, start, None);
            }
            Held::Big(list) => list.trim(start, len),
        });
    }

    /// Changes the list in the form that it has, or takes on if an element comes, and looks after its form afterwards.
    #[inline]
    fn change(&mut self, comes: Option<&[u8]>, change: impl FnOnce(Held<'_>)) {
        self.entry.begin();
        let limits = self.entry.book.limits;
        if self.entry.form() == Form::SmallList
            && comes.is_some_and(|element| !small_may_hold(self.entry.inline(), element, limits))
        {
            self.reform(to_big);
        }
        let EntryMut { entry, book, .. } = &mut *self.entry;
        let Some(list) = entry.boxed_mut::<List>() else {
            return self.reform(|entry| change(Held::Small(entry)));
        };
        // The entry itself stays as it is, so that only the list need be measured.
        let before = list.room();
        change(Held::Big(list));
        if list.room() != before {
            book.resized(Kind::List, List::memory_of(before), list.memory());
        }
        if comes.is_none() && fits(list.len(), list.bytes(), limits, 2) {
            self.reform(to_small);
        }
    }

    /// Changes the entry as a whole.
    fn reform(&mut self, change: impl FnOnce(&mut Entry)) {
        let before = self.entry.entry.memory();
        change(self.entry.entry);
        self.entry.finish(before);
    }
}

/// A list in one of its forms, to be changed.
enum Held<'a> {
    Small(&'a mut Entry),
    Big(&'a mut List),
}

/// Whether a list of so many elements and packed bytes may have the small form, at a part of the limits.
fn fits(len: usize, bytes: usize, limits: Limits, part: usize) -> bool {
    len <= limits.list_entries.min(usize::from(u16::MAX)) / part
        && bytes <= limits.list_bytes.min(INLINE_LIMIT - EMPTY.len()) / part
}

/// Whether the small form may hold these elements and one more.
fn small_may_hold(blob: &[u8], element: &[u8], limits: Limits) -> bool {
    fits(small_hash::len(blob) + 1, run(blob).len() + packed::size(element.len()), limits, 1)
}

/// Replaces `removed` elements of the small form from `place` on.
fn splice_small(entry: &mut Entry, place: usize, removed: usize, inserted: Option<&[u8]>) {
    if removed == 0 && inserted.is_none() {
        return;
    }
    let blob = entry.inline();
    let len = small_hash::len(blob);
    let start = EMPTY.len() + packed::offset(run(blob), place, len);
    let end =
        if removed == 0 { start } else { EMPTY.len() + packed::offset(run(blob), place + removed, len) };
    match inserted.map(Framed::new) {
        Some(framed) => entry.splice(start, end - start, &framed.runs()),
        None => entry.splice(start, end - start, &[]),
    }
    let len = len - removed + usize::from(inserted.is_some());
    entry.inline_mut()[..EMPTY.len()].copy_from_slice(&small_hash::count_bytes(len));
}

fn remove_equal_small(entry: &mut Entry, element: &[u8], count: usize, from: End) -> usize {
    let elements: Vec<&[u8]> = Elements::new(run(entry.inline())).collect();
    let equal = elements.iter().filter(|held| **held == element).count();
    let removed = equal.min(count);
    let spared = if from == End::Back { equal - removed } else { 0 };
    let mut seen = 0;
    let kept = elements.into_iter().filter(|held| {
        if *held != element {
            return true;
        }
        seen += 1;
        seen <= spared || seen > spared + removed
    });
    let blob = small_blob(kept);
    entry.set_body(Body::SmallList(&blob));
    removed
}

/// The small form of these elements, which may hold them.
fn small_blob<'a>(elements: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut blob = EMPTY.to_vec();
    let mut len = 0;
    for element in elements {
        Framed::new(element).runs().into_iter().for_each(|run| blob.extend_from_slice(run));
        len += 1;
    }
    blob[..EMPTY.len()].copy_from_slice(&small_hash::count_bytes(len));
    blob
}

/// Gives the small form up.
fn to_big(entry: &mut Entry) {
    let mut list = List::default();
    Elements::new(run(entry.inline())).for_each(|element| list.push(End::Back, element));
    entry.set_body(Body::List(Box::new(list)));
}

/// Gives the big form up, as half of the limits would do.
fn to_small(entry: &mut Entry) {
    let Some(list) = entry.boxed::<List>() else { return };
    let blob = small_blob(list.iter_from(0));
    entry.set_body(Body::SmallList(&blob));
}

/// An entry of these elements, in the least form that may hold them.
pub(crate) fn from_elements<'a>(
    key: &[u8],
    deadline: Option<Millis>,
    elements: impl Iterator<Item = &'a [u8]>,
    limits: Limits,
) -> Entry {
    let mut list = List::default();
    elements.for_each(|element| list.push(End::Back, element));
    if fits(list.len(), list.bytes(), limits, 1) {
        let blob = small_blob(list.iter_from(0));
        return Entry::build(key, deadline, Body::SmallList(&blob));
    }
    Entry::build(key, deadline, Body::List(Box::new(list)))
}

#[cfg(test)]
mod tests;
