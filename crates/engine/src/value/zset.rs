//! Sorted sets: a small compact form inside the entry, or two trees. The rules are those of Redis 7.2.
//!
//! Invariants: members are unique, in order of score, then of their bytes, whatever the form is; no score is NaN; a zero
//! has no sign, so that content does not depend on the form (Redis forgets the sign in its small form only); a big form
//! stays one, as in Redis.

use std::cmp::Ordering;
use std::convert::Infallible;

use base::{KeyHasher, Millis, Random};

use crate::edit::EntryMut;
use crate::table::entry::{Body, Entry, Form};
use crate::tree;
use crate::value::set::{sample_places, scan_tree};
use crate::value::{Kind, Limits, small_hash};

mod big;
mod small;

use big::without_sign;
pub(crate) use big::{Score, ZSet};
pub(crate) use small::EMPTY;

/// A sorted set, borrowed.
#[derive(Clone, Copy)]
pub struct ZSetRef<'a>(Inner<'a>);

#[derive(Clone, Copy)]
enum Inner<'a> {
    Small(&'a [u8]),
    Big(&'a ZSet),
}

/// Members of a sorted set with their scores, from either end.
#[derive(Clone)]
pub struct ZSetIter<'a>(Run<'a>);

#[derive(Clone)]
enum Run<'a> {
    Small(small::Scored<'a>),
    Big(tree::Iter<'a, Score, ()>),
}

impl<'a> Iterator for ZSetIter<'a> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Run::Small(scored) => scored.next(),
            Run::Big(scored) => scored.next().map(|(score, (), member)| (member, score.0)),
        }
    }
}

impl DoubleEndedIterator for ZSetIter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Run::Small(scored) => scored.next_back(),
            Run::Big(scored) => scored.next_back().map(|(score, (), member)| (member, score.0)),
        }
    }
}

/// The order of members with their scores.
pub(crate) fn order(one: (&[u8], f64), other: (&[u8], f64)) -> Ordering {
    one.1.partial_cmp(&other.1).unwrap_or(Ordering::Equal).then_with(|| one.0.cmp(other.0))
}

impl<'a> ZSetRef<'a> {
    /// The sorted set of an entry, if its value is one.
    #[inline]
    pub(crate) fn of(entry: &'a Entry) -> Option<ZSetRef<'a>> {
        Some(ZSetRef(match entry.form() {
            Form::SmallZSet => Inner::Small(entry.inline()),
            Form::ZSet => Inner::Big(entry.boxed()?),
            _ => return None,
        }))
    }

    /// Number of members.
    #[inline]
    pub fn len(&self) -> usize {
        match self.0 {
            Inner::Small(blob) => small_hash::len(blob),
            Inner::Big(zset) => zset.len(),
        }
    }

    /// Whether it has no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self.0 {
            Inner::Small(blob) => small::find(blob, member).map(|(_, score)| score),
            Inner::Big(zset) => zset.score(member),
        }
    }

    /// How many members come before this one, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match self.0 {
            Inner::Small(blob) => small::find(blob, member),
            Inner::Big(zset) => zset.rank(member),
        }
    }

    /// How many members come first of which `before` is true; it is true of those and of none after them.
    pub fn count_before(&self, before: impl Fn(f64, &[u8]) -> bool) -> usize {
        match self.0 {
            Inner::Small(blob) => {
                small::Scored::all(blob).take_while(|(member, score)| before(*score, member)).count()
            }
            Inner::Big(zset) => zset.by_score.count_before(|score, member| before(score.0, member)),
        }
    }

    /// All members.
    pub fn iter(&self) -> ZSetIter<'a> {
        self.range(0, self.len())
    }

    /// The members at the places from `start` up to but not including `end`.
    pub fn range(&self, start: usize, end: usize) -> ZSetIter<'a> {
        let end = end.min(self.len());
        let start = start.min(end);
        ZSetIter(match self.0 {
            Inner::Small(blob) => Run::Small(small::Scored::new(blob, start, end)),
            Inner::Big(zset) => Run::Big(zset.by_score.range(start, end)),
        })
    }

    /// The member at a place.
    pub fn at(&self, place: usize) -> Option<(&'a [u8], f64)> {
        self.range(place, place.saturating_add(1)).next()
    }

    /// Visits about `count` members from `cursor` on and returns the next cursor; 0 starts, 0 ends. A member that is
    /// there from start to end is visited at least once. The small form is visited whole, as in Redis.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(&[u8], f64)) -> u64 {
        match self.0 {
            Inner::Small(_) => {
                self.iter().for_each(|(member, score)| visit(member, score));
                0
            }
            Inner::Big(zset) => {
                scan_tree(&zset.by_member, cursor, count, &mut |score, member| visit(member, score))
            }
        }
    }

    /// One member at random, `None` if there is none.
    pub fn random(&self, random: &mut Random) -> Option<(&'a [u8], f64)> {
        self.at(random.below(self.len() as u64) as usize)
    }

    /// Up to `count` different members at random, in their order.
    pub fn sample(&self, count: usize, random: &mut Random) -> Vec<(&'a [u8], f64)> {
        sample_places(self.len(), count, random).into_iter().filter_map(|place| self.at(place)).collect()
    }
}

/// A sorted set about to be changed, out of [`EntryMut::zset`]. Every change counts as one of the key.
pub struct ZSetMut<'e, 'a> {
    pub(crate) entry: &'e mut EntryMut<'a>,
}

impl ZSetMut<'_, '_> {
    /// The sorted set as it is now.
    #[inline]
    pub fn view(&self) -> ZSetRef<'_> {
        ZSetRef::of(self.entry.entry).expect("made only of an entry that holds a sorted set")
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether no member is left; the caller then removes the key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Chooses the form for `count` members to come, as Redis does: the big one if they are too many.
    pub fn expect(&mut self, count: usize) {
        if self.entry.form() == Form::SmallZSet && count > self.entry.book.limits.zset_entries {
            self.change(to_big);
        }
    }

    /// Gives a member the score that `next` makes of the one it has; if it makes none, nothing changes.
    pub fn update<E>(
        &mut self,
        member: &[u8],
        next: impl FnOnce(Option<f64>) -> Result<Option<f64>, E>,
    ) -> Result<(), E> {
        if self.entry.form() == Form::ZSet {
            return self.update_big(member, next);
        }
        let old = self.view().score(member);
        let Some(score) = next(old)? else { return Ok(()) };
        if old == Some(score) {
            return Ok(());
        }
        self.entry.begin();
        let before = self.entry.entry.memory();
        let EntryMut { entry, book, .. } = &mut *self.entry;
        let (limits, hasher) = (book.limits, book.hasher);
        if make_room(entry, member, old, limits, hasher) {
            book.before_member(entry, member);
        }
        put(entry, member, old, score);
        self.entry.finish(before);
        Ok(())
    }

    /// The same in the big form, where the member is looked for once and only the trees are measured.
    fn update_big<E>(
        &mut self,
        member: &[u8],
        next: impl FnOnce(Option<f64>) -> Result<Option<f64>, E>,
    ) -> Result<(), E> {
        self.entry.prepare();
        let EntryMut { entry, book, .. } = &mut *self.entry;
        book.before_member(entry, member);
        let Some(zset) = entry.boxed_mut::<ZSet>() else { return Ok(()) };
        let before = zset.memory();
        if zset.update(member, next)? {
            book.resized(Kind::ZSet, before, zset.memory());
            self.entry.begin();
        }
        Ok(())
    }

    /// Gives a member a score.
    pub fn set(&mut self, member: &[u8], score: f64) {
        let Ok(()) = self.update(member, |_| Ok::<_, Infallible>(Some(score)));
    }

    /// Removes a member; whether there was one.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let view = self.view();
        match view.0 {
            Inner::Small(blob) => match small::find(blob, member) {
                Some((place, _)) => self.remove_range(place, place + 1),
                None => return false,
            },
            Inner::Big(zset) => {
                if zset.score(member).is_none() {
                    return false;
                }
                self.entry.begin();
                let before = self.entry.entry.memory();
                self.remove_big(member);
                self.entry.finish(before);
            }
        }
        true
    }

    /// Removes the members at the places from `start` up to but not including `end`.
    pub fn remove_range(&mut self, start: usize, end: usize) {
        let end = end.min(self.len());
        if start >= end {
            return;
        }
        self.entry.begin();
        let before = self.entry.entry.memory();
        if self.entry.form() == Form::SmallZSet {
            small::remove(self.entry.entry, start, end);
        } else {
            let mut member = Vec::new();
            for _ in start..end {
                member.clear();
                member.extend_from_slice(self.view().at(start).map(|(member, _)| member).unwrap_or_default());
                self.remove_big(&member);
            }
        }
        self.entry.finish(before);
    }

    fn remove_big(&mut self, member: &[u8]) {
        let EntryMut { entry, book, .. } = &mut *self.entry;
        book.before_member(entry, member);
        if let Some(zset) = entry.boxed_mut::<ZSet>() {
            zset.remove(member);
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Entry, KeyHasher)) {
        self.entry.begin();
        let before = self.entry.entry.memory();
        change(self.entry.entry, self.entry.book.hasher);
        self.entry.finish(before);
    }
}

/// Gives the small form up if it may not hold a member that comes; whether the form is big.
fn make_room(entry: &mut Entry, member: &[u8], old: Option<f64>, limits: Limits, hasher: KeyHasher) -> bool {
    if entry.form() == Form::SmallZSet {
        if old.is_some() || small::may_hold(entry.inline(), member, limits) {
            return false;
        }
        to_big(entry, hasher);
    }
    true
}

/// Gives a member a score instead of the one it has, in a form that may hold it.
fn put(entry: &mut Entry, member: &[u8], old: Option<f64>, score: f64) {
    let score = without_sign(score);
    if let Some(zset) = entry.boxed_mut::<ZSet>() {
        return zset.set(member, score);
    }
    if let Some((place, _)) = old.and_then(|_| small::find(entry.inline(), member)) {
        small::remove(entry, place, place + 1);
    }
    small::insert(entry, member, score);
}

/// Gives the small form up.
fn to_big(entry: &mut Entry, hasher: KeyHasher) {
    let mut zset = ZSet::new(hasher);
    small::Scored::all(entry.inline()).for_each(|(member, score)| zset.set(member, score));
    entry.set_body(Body::ZSet(Box::new(zset)));
}

/// An entry of these members, in the least form that may hold them. Of one that comes twice the later score holds.
pub(crate) fn from_scored<'a>(
    key: &[u8],
    deadline: Option<Millis>,
    scored: impl Iterator<Item = (&'a [u8], f64)>,
    limits: Limits,
    hasher: KeyHasher,
) -> Entry {
    let mut entry = Entry::build(key, deadline, Body::SmallZSet(&EMPTY));
    for (member, score) in scored {
        let old = ZSetRef::of(&entry).and_then(|zset| zset.score(member));
        make_room(&mut entry, member, old, limits, hasher);
        put(&mut entry, member, old, score);
    }
    entry
}

#[cfg(test)]
mod tests;
