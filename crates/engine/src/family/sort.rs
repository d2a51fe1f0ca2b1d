//! `SORT` and `SORT_RO`: the elements of a list, a set or a sorted set, in order of their own or of other keys.
//!
//! A pattern names a key for each element: the element stands for its `*`, and behind `->` a field of a hash may be named.
//! Which keys these are is known only when the elements are, so nodes ask [`sort_patterns`] how far a request reaches.
//!
//! The order is total wherever the result may be stored: what weighs the same goes by the bytes of the elements, or, in a
//! list, stays as it was. What Redis leaves to its hash tables is decided here, so that replicas agree.

use std::borrow::Cow;
use std::cmp::Ordering;

use base::{Args, I64_TEXT_MAX, Slot, slot_of};
use resp::Reply;

use super::options::{integer, is_word};
use super::{Applied, Operation, Parsed};
use crate::{End, Event, NewValue, RequestError, Store, ValueRef, double};

/// How a key is made of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern<'a> {
    /// `#`: the element itself.
    Element,
    /// Without a place for the element: of no element there is a key.
    Nothing,
    Key {
        before: &'a [u8],
        behind: &'a [u8],
        /// Of the hash that the key holds.
        field: Option<&'a [u8]>,
    },
}

impl<'a> Pattern<'a> {
    fn parse(text: &'a [u8]) -> Pattern<'a> {
        // Signs are looked for as in a C string.
        let shown = c_string(text);
        if shown == b"#" {
            return Pattern::Element;
        }
        let Some(star) = shown.iter().position(|&byte| byte == b'*') else { return Pattern::Nothing };
        let arrow = shown[star + 1..].windows(2).position(|pair| pair == b"->").map(|at| star + 1 + at);
        let (end, field) = match arrow {
            Some(at) if at + 2 < shown.len() => (at, Some(&text[at + 2..])),
            _ => (text.len(), None),
        };
        Pattern::Key { before: &text[..star], behind: &text[star + 1..end], field }
    }

    /// What is there for an element, if anything is.
    fn find<'s>(
        self,
        element: &Cow<'s, [u8]>,
        store: &'s Store<'_>,
        key: &mut Vec<u8>,
    ) -> Option<Cow<'s, [u8]>> {
        let (before, behind, field) = match self {
            Pattern::Element => return Some(element.clone()),
            Pattern::Nothing => return None,
            Pattern::Key { before, behind, field } => (before, behind, field),
        };
        key.clear();
        [before, element, behind].iter().for_each(|part| key.extend_from_slice(part));
        match (store.view(key)?.value(), field) {
            (ValueRef::Text(text), None) => Some(Cow::Borrowed(text)),
            (ValueRef::Int(number), None) => Some(Cow::Owned(number.to_string().into_bytes())),
            (ValueRef::Hash(hash), Some(field)) => hash.at(store.now).get(field).map(Cow::Borrowed),
            _ => None,
        }
    }
}

/// Up to the first zero byte.
fn c_string(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// A pattern of a request that names other keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortPattern<'a> {
    /// `BY` or `GET`.
    pub option: &'static str,
    /// What all of its keys begin with.
    before: &'a [u8],
}

impl SortPattern<'_> {
    /// The slot of its keys, if they are all of one: where a hash tag stands before the place of the element.
    pub fn slot(&self) -> Option<Slot> {
        let open = self.before.iter().position(|&byte| byte == b'{')?;
        let len = self.before[open + 1..].iter().position(|&byte| byte == b'}')?;
        // Of an empty tag the whole key counts.
        (len > 0).then(|| slot_of(&self.before[..open + len + 2]))
    }
}

/// The patterns of a `SORT` or `SORT_RO` that name other keys than those in the request. None of one that is wrong.
pub fn sort_patterns<'a>(args: Args<'a>) -> impl Iterator<Item = SortPattern<'a>> {
    let (by, gets) = Sort::parse_from(args, true).map(|sort| (sort.by, sort.gets)).unwrap_or_default();
    let by = match by {
        By::Pattern(pattern) => Some(("BY", pattern)),
        By::Element | By::Nothing => None,
    };
    let patterns = by.into_iter().chain(gets.into_iter().map(|pattern| ("GET", pattern)));
    patterns.filter_map(|(option, pattern)| match pattern {
        Pattern::Key { before, .. } => Some(SortPattern { option, before }),
        Pattern::Element | Pattern::Nothing => None,
    })
}

/// How many bytes the elements have that a `SORT .. STORE` would store: its words do not tell.
pub fn sorted_bytes(args: Args<'_>, store: &Store<'_>) -> usize {
    let Ok(sort) = Sort::parse_from(args, true) else { return 0 };
    if sort.store_at.is_none() {
        return 0;
    }
    let Ok(elements) = sort.run(store) else { return 0 };
    let overhead = size_of::<u64>();
    elements.iter().map(|element| element.as_ref().map_or(0, |element| element.len()) + overhead).sum()
}

/// What elements are in order of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum By<'a> {
    #[default]
    Element,
    Pattern(Pattern<'a>),
    /// Of nothing: they stay as they are.
    Nothing,
}

/// `SORT` and `SORT_RO`.
pub(crate) struct Sort<'a> {
    key: &'a [u8],
    by: By<'a>,
    gets: Vec<Pattern<'a>>,
    descending: bool,
    alphabetic: bool,
    first: i64,
    /// Negative: all.
    count: i64,
    store_at: Option<&'a [u8]>,
}

impl<'a> Sort<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, Sort<'a>> {
        Sort::parse_from(args, true)
    }

    /// `SORT_RO`.
    pub(crate) fn read_only(args: Args<'a>) -> Parsed<'a, Sort<'a>> {
        Sort::parse_from(args, false)
    }

    fn parse_from(args: Args<'a>, stores: bool) -> Parsed<'a, Sort<'a>> {
        let mut sort = Sort {
            key: args.at(1),
            by: By::Element,
            gets: Vec::new(),
            descending: false,
            alphabetic: false,
            first: 0,
            count: -1,
            store_at: None,
        };
        let mut at = 2;
        while let Some(word) = args.get(at) {
            let values = args.tail(at + 1);
            at += 1 + match word {
                _ if is_word(word, "ASC") => {
                    sort.descending = false;
                    0
                }
                _ if is_word(word, "DESC") => {
                    sort.descending = true;
                    0
                }
                _ if is_word(word, "ALPHA") => {
                    sort.alphabetic = true;
                    0
                }
                _ if is_word(word, "LIMIT") && values.len() >= 2 => {
                    (sort.first, sort.count) = (integer(values.at(0))?, integer(values.at(1))?);
                    2
                }
                _ if stores && is_word(word, "STORE") && !values.is_empty() => {
                    sort.store_at = Some(values.at(0));
                    1
                }
                _ if is_word(word, "BY") && !values.is_empty() => {
                    sort.by = sort.by.and(Pattern::parse(values.at(0)));
                    1
                }
                _ if is_word(word, "GET") && !values.is_empty() => {
                    sort.gets.push(Pattern::parse(values.at(0)));
                    1
                }
                _ => return Err(RequestError::Syntax),
            };
        }
        Ok(sort)
    }

    /// Of so many elements, how many are passed over and how many are taken.
    fn cut(&self, len: usize) -> (usize, usize) {
        let first = usize::try_from(self.first.max(0)).unwrap_or(usize::MAX).min(len);
        let left = len - first;
        (first, usize::try_from(self.count).map_or(left, |count| count.min(left)))
    }

    /// What is answered or stored, in order; `None` is what is not there.
    fn run<'s>(&self, store: &'s Store<'_>) -> Parsed<'a, Vec<Option<Cow<'s, [u8]>>>> {
        let Some(entry) = store.view(self.key) else { return Ok(Vec::new()) };
        let value = entry.value();
        let is_unsorted = self.by == By::Nothing;
        let elements = match value {
            ValueRef::List(list) if is_unsorted => {
                let (first, count) = self.cut(list.len());
                match self.descending {
                    false => list.iter_from(first).take(count).map(Cow::Borrowed).collect(),
                    true => list.iter().rev().skip(first).take(count).map(Cow::Borrowed).collect(),
                }
            }
            ValueRef::ZSet(zset) if is_unsorted => {
                let (first, count) = self.cut(zset.len());
                let element = |(member, _)| Cow::Borrowed(member);
                match self.descending {
                    false => zset.range(first, first + count).map(element).collect(),
                    true => {
                        let end = zset.len() - first;
                        zset.range(end - count, end).rev().map(element).collect()
                    }
                }
            }
            ValueRef::List(list) => {
                self.sorted(list.iter().map(Cow::Borrowed).collect(), Ties::Stay, store)?
            }
            ValueRef::ZSet(zset) => {
                let members = zset.iter().map(|(member, _)| Cow::Borrowed(member)).collect();
                self.sorted(members, Ties::GoByElement, store)?
            }
            ValueRef::Set(set) => {
                let text = |member: crate::Member<'s>| match member {
                    crate::Member::Text(text) => Cow::Borrowed(text),
                    crate::Member::Int(_) => Cow::Owned(member.text(&mut [0; I64_TEXT_MAX]).to_vec()),
                };
                self.sorted(set.iter().map(text).collect(), Ties::GoByElement, store)?
            }
            ValueRef::Text(_) | ValueRef::Int(_) | ValueRef::Hash(_) => return Err(RequestError::WrongType),
        };
        if self.gets.is_empty() {
            return Ok(elements.into_iter().map(Some).collect());
        }
        let mut key = Vec::new();
        let mut found = Vec::with_capacity(elements.len());
        for element in &elements {
            found.extend(self.gets.iter().map(|pattern| pattern.find(element, store, &mut key)));
        }
        Ok(found)
    }

    /// Sorts elements and takes those that are asked for.
    fn sorted<'s>(
        &self,
        mut elements: Vec<Cow<'s, [u8]>>,
        ties: Ties,
        store: &'s Store<'_>,
    ) -> Parsed<'a, Vec<Cow<'s, [u8]>>> {
        let (first, count) = self.cut(elements.len());
        let elements = match (self.by, self.alphabetic) {
            // The members of a set are in no order that may be stored.
            (By::Nothing, _) if self.store_at.is_none() => elements,
            (By::Nothing, _) | (By::Element, true) => {
                self.sort(&mut elements, |one, other| {
                    self.collate(one, other).then_with(|| ties.order(one, other))
                });
                elements
            }
            (By::Pattern(pattern), true) => self.sorted_as_texts(elements, pattern, ties, store),
            (By::Element, false) => self.sorted_as_numbers(elements, Pattern::Element, store)?,
            (By::Pattern(pattern), false) => self.sorted_as_numbers(elements, pattern, store)?,
        };
        Ok(elements.into_iter().skip(first).take(count).collect())
    }

    /// Sorts by the texts of other keys; what is not there comes first.
    fn sorted_as_texts<'s>(
        &self,
        elements: Vec<Cow<'s, [u8]>>,
        pattern: Pattern<'a>,
        ties: Ties,
        store: &'s Store<'_>,
    ) -> Vec<Cow<'s, [u8]>> {
        let mut key = Vec::new();
        let weigh = |element| (pattern.find(&element, store, &mut key), element);
        let mut weighed: Vec<_> = elements.into_iter().map(weigh).collect();
        self.sort(&mut weighed, |(one, element), (other, another)| {
            let order = match (one, other) {
                (Some(one), Some(other)) => self.collate(one, other),
                (one, other) => one.is_some().cmp(&other.is_some()),
            };
            order.then_with(|| ties.order(element, another))
        });
        weighed.into_iter().map(|(_, element)| element).collect()
    }

    /// Sorts by numbers, then by the elements; what is not there is zero.
    fn sorted_as_numbers<'s>(
        &self,
        elements: Vec<Cow<'s, [u8]>>,
        pattern: Pattern<'a>,
        store: &'s Store<'_>,
    ) -> Parsed<'a, Vec<Cow<'s, [u8]>>> {
        let mut key = Vec::new();
        let mut weighed = Vec::with_capacity(elements.len());
        for element in elements {
            let text = pattern.find(&element, store, &mut key);
            let weight = text.map_or(Some(0.0), |text| double::parse_weight(&text));
            weighed.push((weight.ok_or(RequestError::NotWeights)?, element));
        }
        self.sort(&mut weighed, |(one, element), (other, another)| {
            let order = one.partial_cmp(other).unwrap_or(Ordering::Equal);
            order.then_with(|| element.cmp(another))
        });
        Ok(weighed.into_iter().map(|(_, element)| element).collect())
    }

    /// What is answered is compared as C strings, what is stored as bytes.
    fn collate(&self, one: &[u8], other: &[u8]) -> Ordering {
        if self.store_at.is_some() { one.cmp(other) } else { c_string(one).cmp(c_string(other)) }
    }

    /// Sorts in the direction that is asked for; what is equal stays in its order.
    fn sort<T>(&self, items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
        if self.descending {
            items.sort_by(|one, other| compare(other, one));
        } else {
            items.sort_by(compare);
        }
    }
}

impl<'a> By<'a> {
    /// With one more pattern: one without a place for the element ends all sorting.
    fn and(self, pattern: Pattern<'a>) -> By<'a> {
        match (self, pattern) {
            (By::Nothing, _) | (_, Pattern::Element | Pattern::Nothing) => By::Nothing,
            (_, pattern) => By::Pattern(pattern),
        }
    }
}

/// What becomes of elements that weigh the same.
#[derive(Clone, Copy)]
enum Ties {
    Stay,
    GoByElement,
}

impl Ties {
    fn order(self, one: &[u8], other: &[u8]) -> Ordering {
        match self {
            Ties::Stay => Ordering::Equal,
            Ties::GoByElement => one.cmp(other),
        }
    }
}

impl<'a> Operation<'a> for Sort<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        // Notes the use.
        store.find(self.key);
        let Some(destination) = self.store_at else {
            let elements = self.run(store)?;
            reply.array(elements.len());
            elements.iter().for_each(|element| match element {
                Some(element) => reply.bulk(element),
                None => reply.null(),
            });
            return Ok(());
        };
        // What is sorted may be what is stored over.
        let elements: Vec<Vec<u8>> =
            self.run(store)?.into_iter().map(|element| element.unwrap_or_default().into_owned()).collect();
        let db = store.db;
        store.keyspace_of(db, destination).ok_or(RequestError::CrossSlot)?;
        if elements.is_empty() {
            store.remove(destination);
        } else if let Some(mut entry) = store.insert(destination, NewValue::EmptyList, None)
            && let Some(mut list) = entry.list()
        {
            elements.iter().for_each(|element| list.push(End::Back, element));
            store.tell(Event::SortStore, destination);
        }
        reply.len_int(elements.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use base::{DbIndex, KeyHasher, Millis, Request};
    use command::{Lookup, Run};
    use resp::Version;

    use super::*;
    use crate::Keyspace;

    #[test]
    fn patterns_are_taken_apart_as_c_strings() {
        let key = |before, behind, field| Pattern::Key { before, behind, field };
        for (text, expect) in [
            (b"#".as_slice(), Pattern::Element),
            (b"#\0x", Pattern::Element),
            (b"##", Pattern::Nothing),
            (b"", Pattern::Nothing),
            (b"nosort", Pattern::Nothing),
            (b"x\0*", Pattern::Nothing),
            (b"*", key(b"", b"", None)),
            (b"w_*", key(b"w_", b"", None)),
            (b"w_*_x*", key(b"w_", b"_x*", None)),
            (b"h_*->f", key(b"h_", b"", Some(b"f"))),
            (b"h_*_x->f->g", key(b"h_", b"_x", Some(b"f->g"))),
            (b"h_*->", key(b"h_", b"->", None)),
            (b"h_*->\0f", key(b"h_", b"->\0f", None)),
            (b"h_*->f\0g", key(b"h_", b"", Some(b"f\0g"))),
            (b"h->f*", key(b"h->f", b"", None)),
            (b"w\xff*\0->f", key(b"w\xff", b"\0->f", None)),
        ] {
            assert_eq!(Pattern::parse(text), expect, "{}", text.escape_ascii());
        }
    }

    #[track_caller]
    fn check_patterns(line: &str, expect: &[(&str, Option<&str>)]) {
        let request = Request::from_parts(line.split(' '));
        let found: Vec<_> =
            sort_patterns(request.args()).map(|pattern| (pattern.option, pattern.slot())).collect();
        let expect: Vec<_> =
            expect.iter().map(|(option, tag)| (*option, tag.map(|tag| slot_of(tag.as_bytes())))).collect();
        assert_eq!(found, expect, "{line}");
    }

    #[test]
    fn patterns_tell_how_far_a_request_reaches() {
        check_patterns("SORT k", &[]);
        check_patterns("SORT k BY nosort GET # GET x", &[]);
        check_patterns("SORT k BY w_* GET #", &[("BY", None)]);
        check_patterns("SORT k BY w_* BY nosort GET {t}*->f", &[("GET", Some("t"))]);
        check_patterns(
            "SORT k GET {t*} GET x{t}*{u} GET {}{t}* GET *{t}",
            &[("GET", None), ("GET", Some("t")), ("GET", None), ("GET", None)],
        );
        check_patterns("SORT k BY w_* BANANA", &[]);
    }

    #[test]
    fn a_limit_is_cut_to_what_there_is() {
        let request = Request::from_parts(["SORT", "k"]);
        for ((first, count), expect) in [
            ((0, -1), (0, 5)),
            ((0, 2), (0, 2)),
            ((3, 9), (3, 2)),
            ((5, 1), (5, 0)),
            ((-3, 2), (0, 2)),
            ((1, 0), (1, 0)),
            ((i64::MAX, i64::MIN), (5, 0)),
            ((1, i64::MAX), (1, 4)),
        ] {
            let sort = Sort { first, count, ..Sort::parse(request.args()).unwrap() };
            assert_eq!(sort.cut(5), expect, "{first} {count}");
        }
    }

    #[track_caller]
    fn check(keyspace: &mut Keyspace, now: u64, line: &str, expect: &str) {
        let request = Request::from_parts(line.split(' '));
        let Lookup::Found(spec) = command::lookup(request.args()) else { panic!("{line}") };
        let Run::Data(command) = spec.run else { panic!("{line}") };
        let mut out = Vec::new();
        let mut store = Store::new(keyspace, DbIndex::ZERO, Millis(now), 0);
        crate::execute(command, request.args(), &mut store, &mut Reply::new(&mut out, Version::Resp2));
        assert_eq!(String::from_utf8_lossy(&out).trim_end().replace("\r\n", " "), expect, "{line}");
    }

    #[test]
    fn keys_and_fields_that_have_lapsed_are_not_there() {
        let mut keyspace = Keyspace::new(KeyHasher::new(1));
        check(&mut keyspace, 1, "RPUSH l a b", ":2");
        check(&mut keyspace, 1, "HSET h_a w 2 other x", ":2");
        check(&mut keyspace, 1, "SET w_b 1 PXAT 50", "+OK");
        check(&mut keyspace, 1, "HPEXPIREAT h_a 50 FIELDS 1 w", "*1 :1");
        check(
            &mut keyspace,
            49,
            "SORT l BY h_*->w DESC GET # GET h_*->w GET w_*",
            "*6 $1 a $1 2 $-1 $1 b $-1 $1 1",
        );
        check(
            &mut keyspace,
            50,
            "SORT l BY h_*->w DESC GET # GET h_*->w GET w_*",
            "*6 $1 b $-1 $-1 $1 a $-1 $-1",
        );
    }
}
