//! Sets: integers in a row, a small compact form, or a tree by hash. The rules are those of Redis 7.2.
//!
//! Invariants: members are unique; a form only ever gives way to a later one of these three, as in Redis; the tree is
//! in order of the 32 low bits of its members' hashes, then of their bytes. That order is the set's own whatever its
//! form is: what a write picks at random is picked by its place in it, so all replicas pick the same.

use std::collections::BTreeSet;

use base::{I64_TEXT_MAX, KeyHasher, Millis, Random, format_i64, parse_i64};

use crate::edit::EntryMut;
use crate::table::entry::{Body, Entry, Form, INLINE_LIMIT};
use crate::tree::{self, Tree};
use crate::value::{Kind, Limits, int_set, small_hash, small_set};
use base::allocated;

/// The tree form of a set.
#[derive(Clone)]
pub(crate) struct Set {
    pub(crate) tree: Tree<u32, ()>,
    hasher: KeyHasher,
}

impl Set {
    pub(crate) fn new(hasher: KeyHasher) -> Set {
        Set { tree: Tree::default(), hasher }
    }

    /// Heap bytes of members and tree.
    pub(crate) fn memory(&self) -> usize {
        allocated(size_of::<Set>()) + self.tree.memory()
    }

    /// What the set's order goes by.
    pub(crate) fn key(&self, member: &[u8]) -> u32 {
        order_key(&self.hasher, member)
    }

    pub(crate) fn contains(&self, member: &[u8]) -> bool {
        self.tree.get(self.key(member), member).is_some()
    }

    pub(crate) fn insert(&mut self, member: &[u8]) -> bool {
        self.tree.insert(self.key(member), (), member)
    }

    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        self.tree.remove(self.key(member), member).is_some()
    }
}

/// The number by which members are put in order.
pub(crate) fn order_key(hasher: &KeyHasher, member: &[u8]) -> u32 {
    hasher.hash(member) as u32
}

/// A member of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member<'a> {
    /// Held as bytes.
    Text(&'a [u8]),
    /// Held as a number; its text is the number's only one.
    Int(i64),
}

impl Member<'_> {
    /// Its bytes, with `buffer` for the text of a number.
    #[inline]
    pub fn text<'b>(&'b self, buffer: &'b mut [u8; I64_TEXT_MAX]) -> &'b [u8] {
        match *self {
            Member::Text(text) => text,
            Member::Int(number) => format_i64(number, buffer),
        }
    }

    /// Its bytes, copied.
    pub fn to_vec(self) -> Vec<u8> {
        self.text(&mut [0; I64_TEXT_MAX]).to_vec()
    }
}

/// A set, borrowed.
#[derive(Clone, Copy)]
pub struct SetRef<'a>(Inner<'a>);

#[derive(Clone, Copy)]
enum Inner<'a> {
    Ints(&'a [u8]),
    Small(&'a [u8]),
    Tree(&'a Set),
}

/// The members of a set.
#[derive(Clone)]
pub struct SetIter<'a>(Members<'a>);

#[derive(Clone)]
enum Members<'a> {
    Ints(int_set::Ints<'a>),
    Small(small_set::Members<'a>),
    Tree(tree::Iter<'a, u32, ()>),
}

impl<'a> Iterator for SetIter<'a> {
    type Item = Member<'a>;

    #[inline]
    fn next(&mut self) -> Option<Member<'a>> {
        match &mut self.0 {
            Members::Ints(ints) => ints.next().map(Member::Int),
            Members::Small(members) => members.next().map(Member::Text),
            Members::Tree(members) => members.next().map(|(_, (), member)| Member::Text(member)),
        }
    }
}

impl<'a> From<&'a Set> for SetRef<'a> {
    fn from(set: &'a Set) -> SetRef<'a> {
        SetRef(Inner::Tree(set))
    }
}

impl<'a> SetRef<'a> {
    /// The set of an entry, if its value is one.
    #[inline]
    pub(crate) fn of(entry: &'a Entry) -> Option<SetRef<'a>> {
        Some(SetRef(match entry.form() {
            Form::IntSet => Inner::Ints(entry.inline()),
            Form::SmallSet => Inner::Small(entry.inline()),
            Form::Set => Inner::Tree(entry.boxed()?),
            _ => return None,
        }))
    }

    /// Number of members.
    #[inline]
    pub fn len(&self) -> usize {
        match self.0 {
            Inner::Ints(blob) => int_set::len(blob),
            Inner::Small(blob) => small_hash::len(blob),
            Inner::Tree(set) => set.tree.len(),
        }
    }

    /// Whether it has no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is such a member.
    pub fn contains(&self, member: &[u8]) -> bool {
        match self.0 {
            Inner::Ints(blob) => parse_i64(member).is_some_and(|number| int_set::find(blob, number).is_ok()),
            Inner::Small(blob) => small_set::find(blob, member).is_some(),
            Inner::Tree(set) => set.contains(member),
        }
    }

    /// All members: numbers ascending, the small form in insertion order, a tree in its own.
    pub fn iter(&self) -> SetIter<'a> {
        SetIter(match self.0 {
            Inner::Ints(blob) => Members::Ints(int_set::Ints::new(blob)),
            Inner::Small(blob) => Members::Small(small_set::Members::new(blob)),
            Inner::Tree(set) => Members::Tree(set.tree.iter()),
        })
    }

    /// The member at a place of [`SetRef::iter`].
    pub fn at(&self, place: usize) -> Option<Member<'a>> {
        match self.0 {
            Inner::Ints(blob) => int_set::Ints::new(blob).at(place).map(Member::Int),
            Inner::Small(blob) => small_set::Members::new(blob).nth(place).map(Member::Text),
            Inner::Tree(set) => set.tree.at(place).map(|(_, (), member)| Member::Text(member)),
        }
    }

    /// Visits about `count` members from `cursor` on and returns the next cursor; 0 starts, 0 ends. A member that is
    /// there from start to end is visited at least once. Forms other than the tree are visited whole, as in Redis.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(&[u8])) -> u64 {
        let Inner::Tree(set) = self.0 else {
            self.iter().for_each(|member| visit(member.text(&mut [0; I64_TEXT_MAX])));
            return 0;
        };
        scan_tree(&set.tree, cursor, count, &mut |(), member| visit(member))
    }

    /// One member at random, `None` if there is none. Which one depends on the layout: for reads only.
    pub fn random(&self, random: &mut Random) -> Option<Member<'a>> {
        self.at(random.below(self.len() as u64) as usize)
    }

    /// Up to `count` different members at random, in no order that means anything. For reads only.
    pub fn sample(&self, count: usize, random: &mut Random) -> Vec<Member<'a>> {
        sample_places(self.len(), count, random).into_iter().filter_map(|place| self.at(place)).collect()
    }
}

/// Up to `count` different numbers below `len`, each choice equally likely: Floyd's way, which draws as many as it gives.
pub(crate) fn sample_places(len: usize, count: usize, random: &mut Random) -> BTreeSet<usize> {
    let mut places = BTreeSet::new();
    for last in len.saturating_sub(count)..len {
        let place = random.below(last as u64 + 1) as usize;
        if !places.insert(place) {
            places.insert(last);
        }
    }
    places
}

/// Visits members of a tree by hash from `cursor` on, all of one hash at once; the next cursor. A cursor is the hash
/// that comes next, and one, so that it is never 0.
pub(crate) fn scan_tree<V: Copy>(
    tree: &Tree<u32, V>,
    cursor: u64,
    count: usize,
    visit: &mut dyn FnMut(V, &[u8]),
) -> u64 {
    let Ok(from) = u32::try_from(cursor.saturating_sub(1)) else { return 0 };
    let start = tree.count_before_key(|key| key < from);
    let mut last = from;
    for (visited, (key, value, member)) in tree.range(start, tree.len()).enumerate() {
        if visited >= count && key != last {
            return u64::from(key) + 1;
        }
        last = key;
        visit(value, member);
    }
    0
}

/// A set about to be changed, out of [`EntryMut::set_value`]. Every change counts as one of the key.
pub struct SetMut<'e, 'a> {
    pub(crate) entry: &'e mut EntryMut<'a>,
}

impl SetMut<'_, '_> {
    /// The set as it is now.
    #[inline]
    pub fn view(&self) -> SetRef<'_> {
        SetRef::of(self.entry.entry).expect("made only of an entry that holds a set")
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether no member is left; the caller then removes the key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Chooses the form for about `count` members to come, of which `first` is one, as Redis does: a set that is new
    /// and empty takes the least form that may hold them, another a tree if they are too many.
    pub fn expect(&mut self, count: usize, first: &[u8]) {
        let limits = self.entry.book.limits;
        let is_new = self.is_empty();
        let entry = &mut *self.entry.entry;
        let fits = match entry.form() {
            Form::IntSet if is_new && parse_i64(first).is_none() => count <= limits.set_entries,
            Form::IntSet if count <= limits.set_ints => return,
            Form::IntSet if is_new => count <= limits.set_entries,
            Form::SmallSet => count <= limits.set_entries,
            _ => return,
        };
        match (fits, is_new) {
            (true, true) => self.change(|entry, _| entry.set_body(Body::SmallSet(&small_set::EMPTY))),
            (true, false) => {}
            (false, _) => self.change(to_tree),
        }
    }

    /// Whether the set is in its last form, which [`SetMut::expect`] leaves as it is.
    pub fn is_big(&self) -> bool {
        self.entry.entry.form() == Form::Set
    }

    fn change(&mut self, change: impl FnOnce(&mut Entry, KeyHasher)) {
        self.entry.begin();
        let before = self.entry.entry.memory();
        change(self.entry.entry, self.entry.book.hasher);
        self.entry.finish(before);
    }

    /// Adds a member; whether it is new.
    pub fn add(&mut self, member: &[u8]) -> bool {
        if self.is_big() {
            return self.add_to_tree(member);
        }
        if self.view().contains(member) {
            return false;
        }
        self.entry.begin();
        let before = self.entry.entry.memory();
        let is_in = self.add_to_small(member);
        self.entry.finish(before);
        is_in || self.add_to_tree(member)
    }

    /// Adds a member to a tree, which is searched once for it.
    fn add_to_tree(&mut self, member: &[u8]) -> bool {
        self.entry.prepare();
        let EntryMut { entry, book, .. } = &mut *self.entry;
        book.before_member(entry, member);
        let Some(set) = entry.boxed_mut::<Set>() else { return false };
        let before = set.memory();
        let is_new = set.insert(member);
        if is_new {
            book.resized(Kind::Set, before, set.memory());
            self.entry.begin();
        }
        is_new
    }

    /// Adds a member that is not there to a form other than the tree; false if that is a tree now, and the member is not
    /// in it.
    fn add_to_small(&mut self, member: &[u8]) -> bool {
        let EntryMut { entry, book, .. } = &mut *self.entry;
        let limits = book.limits;
        match (entry.form(), parse_i64(member)) {
            (Form::IntSet, Some(number)) if add_int(entry, number, limits) => return true,
            (Form::IntSet, None) if small_may_hold(entry, member, limits) => to_small(entry),
            (Form::SmallSet, _) if small_may_hold(entry, member, limits) => {}
            _ => {
                to_tree(entry, book.hasher);
                return false;
            }
        }
        push_small(entry, member);
        true
    }

    /// Removes a member; whether there was one.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        if !self.view().contains(member) {
            return false;
        }
        self.entry.begin();
        let before = self.entry.entry.memory();
        let EntryMut { entry, book, .. } = &mut *self.entry;
        match entry.form() {
            Form::IntSet => {
                if let Some(Ok(at)) = parse_i64(member).map(|number| int_set::find(entry.inline(), number)) {
                    let (start, len) = int_set::bytes_at(entry.inline(), at);
                    entry.splice(start, len, &[]);
                }
            }
            Form::SmallSet => {
                if let Some((start, end)) = small_set::find(entry.inline(), member) {
                    let len = small_hash::len(entry.inline());
                    entry.splice(start, end - start, &[]);
                    entry.inline_mut()[..2].copy_from_slice(&small_hash::count_bytes(len - 1));
                }
            }
            _ => {
                book.before_member(entry, member);
                if let Some(set) = entry.boxed_mut::<Set>() {
                    set.remove(member);
                }
            }
        }
        self.entry.finish(before);
        true
    }

    /// Takes out up to `count` members at random: by their places in the set's own order, whatever its form.
    pub fn pop(&mut self, count: usize, random: &mut Random) -> Vec<Vec<u8>> {
        let hasher = self.entry.book.hasher;
        // Of forms that are not in that order, the order is made once.
        let mut order: Option<Vec<(u32, Vec<u8>)>> = match self.view().0 {
            Inner::Tree(_) => None,
            Inner::Ints(_) | Inner::Small(_) => {
                let keyed = |member: Member<'_>| {
                    let text = member.to_vec();
                    (order_key(&hasher, &text), text)
                };
                let mut order: Vec<_> = self.view().iter().map(keyed).collect();
                order.sort_unstable();
                Some(order)
            }
        };
        let count = count.min(self.len());
        let mut popped = Vec::with_capacity(count);
        for _ in 0..count {
            let place = random.below(self.len() as u64) as usize;
            let member = match &mut order {
                Some(order) => order.remove(place).1,
                None => self.view().at(place).map(Member::to_vec).unwrap_or_default(),
            };
            self.remove(&member);
            popped.push(member);
        }
        popped
    }
}

/// Adds a number to a row of them; whether the row may hold it.
fn add_int(entry: &mut Entry, number: i64, limits: Limits) -> bool {
    let blob = entry.inline();
    if int_set::len(blob) >= limits.set_ints || (int_set::len(blob) + 1) * 8 + 1 > INLINE_LIMIT {
        return false;
    }
    let Err(at) = int_set::find(blob, number) else { return true };
    match int_set::insertion(blob, at, number) {
        int_set::Insertion::Splice(at, bytes, len) => entry.splice(at, 0, &[&bytes[..len]]),
        int_set::Insertion::Rewrite(blob) => entry.set_body(Body::IntSet(&blob)),
    }
    true
}

/// Whether the small form may hold these members and one more.
fn small_may_hold(entry: &Entry, member: &[u8], limits: Limits) -> bool {
    let Some(set) = SetRef::of(entry) else { return false };
    let piece_max = limits.set_value.min(small_hash::PIECE_MAX);
    // A number takes up to twenty bytes and one for its length.
    let (longest, bytes) = match set.0 {
        Inner::Ints(blob) => (int_text_max(blob), int_set::len(blob) * (I64_TEXT_MAX + 1)),
        Inner::Small(blob) => (0, blob.len()),
        Inner::Tree(_) => return false,
    };
    set.len() < limits.set_entries.min(usize::from(u16::MAX))
        && member.len() <= piece_max
        && longest <= piece_max
        && bytes + member.len() + 4 <= INLINE_LIMIT
}

/// Length of the longest text of a row of numbers: one of its ends has it.
fn int_text_max(blob: &[u8]) -> usize {
    let ints = int_set::Ints::new(blob);
    let ends = [ints.at(0), ints.at(int_set::len(blob).saturating_sub(1))];
    ends.into_iter().flatten().map(|end| format_i64(end, &mut [0; I64_TEXT_MAX]).len()).max().unwrap_or(0)
}

fn push_small(entry: &mut Entry, member: &[u8]) {
    let (end, len) = (entry.inline().len(), small_hash::len(entry.inline()));
    entry.splice(end, 0, &[small_hash::Length::of(member).bytes(), member]);
    entry.inline_mut()[..2].copy_from_slice(&small_hash::count_bytes(len + 1));
}

/// Turns a row of numbers into the small form, which may hold them.
fn to_small(entry: &mut Entry) {
    let mut blob = small_set::EMPTY.to_vec();
    for number in int_set::Ints::new(entry.inline()) {
        small_set::push(&mut blob, format_i64(number, &mut [0; I64_TEXT_MAX]));
    }
    entry.set_body(Body::SmallSet(&blob));
}

/// Turns any other form into a tree.
fn to_tree(entry: &mut Entry, hasher: KeyHasher) {
    let mut set = Set::new(hasher);
    for member in SetRef::of(entry).iter().flat_map(SetRef::iter) {
        set.insert(member.text(&mut [0; I64_TEXT_MAX]));
    }
    entry.set_body(Body::Set(Box::new(set)));
}

/// An entry of these members, in the least form that may hold them.
pub(crate) fn from_members<'a>(
    key: &[u8],
    deadline: Option<Millis>,
    mut members: impl Iterator<Item = Member<'a>>,
    limits: Limits,
    hasher: KeyHasher,
) -> Entry {
    let mut entry = Entry::build(key, deadline, Body::IntSet(&int_set::EMPTY));
    let mut buffer = [0; I64_TEXT_MAX];
    for member in members.by_ref() {
        let text = member.text(&mut buffer);
        if SetRef::of(&entry).is_some_and(|set| set.contains(text)) {
            continue;
        }
        match (entry.form(), parse_i64(text)) {
            (Form::IntSet, Some(number)) if add_int(&mut entry, number, limits) => continue,
            (Form::IntSet, None) if small_may_hold(&entry, text, limits) => to_small(&mut entry),
            (Form::SmallSet, _) if small_may_hold(&entry, text, limits) => {}
            _ => {
                to_tree(&mut entry, hasher);
                if let Some(set) = entry.boxed_mut::<Set>() {
                    set.insert(text);
                    members.for_each(|member| {
                        set.insert(member.text(&mut buffer));
                    });
                }
                return entry;
            }
        }
        push_small(&mut entry, text);
    }
    entry
}

#[cfg(test)]
mod tests;
