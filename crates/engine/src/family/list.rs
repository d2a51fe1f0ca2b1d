//! List commands on one key.

use base::{Args, parse_i64};
use command::DataCommand;
use resp::Reply;

use super::options::{integer, is_word};
use super::{Applied, Operation, Parsed, check_some};
use crate::{End, Event, ListMut, ListRef, NewValue, RequestError, Store};

/// The list under `key`; refuses any other type.
#[inline]
fn find_list<'s, 'e>(store: &'s mut Store<'_>, key: &[u8]) -> Result<Option<ListRef<'s>>, RequestError<'e>> {
    match store.find(key) {
        Some(entry) => entry.value().list().map(Some).ok_or(RequestError::WrongType),
        None => Ok(None),
    }
}

/// Changes the list under `key` if there is one, and tells what `edit` says it did; the key goes with its last element.
fn edit_list<'e, T>(
    store: &mut Store<'_>,
    key: &[u8],
    edit: impl FnOnce(&mut ListMut<'_, '_>) -> Result<(T, Option<Event>), RequestError<'e>>,
) -> Result<Option<T>, RequestError<'e>> {
    let Some(mut entry) = store.find_mut(key) else { return Ok(None) };
    let mut list = entry.list().ok_or(RequestError::WrongType)?;
    let (result, event) = edit(&mut list)?;
    let is_empty = list.is_empty();
    event.into_iter().for_each(|event| store.tell(event, key));
    if is_empty {
        store.remove(key);
    }
    Ok(Some(result))
}

/// What is told when elements go at an end.
pub(super) fn popped(end: End) -> Event {
    match end {
        End::Front => Event::LPop,
        End::Back => Event::RPop,
    }
}

/// What is told when elements come to an end.
pub(super) fn pushed(end: End) -> Event {
    match end {
        End::Front => Event::LPush,
        End::Back => Event::RPush,
    }
}

/// Puts elements at an end of the list under `key`, which is made if it is not there; its new length.
pub(super) fn push<'e, 'm>(
    store: &mut Store<'_>,
    key: &[u8],
    end: End,
    elements: impl Iterator<Item = &'m [u8]>,
) -> Result<usize, RequestError<'e>> {
    let mut entry = match store.find_mut(key) {
        Some(entry) => entry,
        None => match store.insert(key, NewValue::EmptyList, None) {
            Some(entry) => entry,
            // Not borrowed; see `Store::keyspace_of`.
            None => return Err(RequestError::CrossSlot),
        },
    };
    let mut list = entry.list().ok_or(RequestError::WrongType)?;
    elements.for_each(|element| list.push(end, element));
    debug_assert!(!list.is_empty(), "an empty list would be left behind");
    let len = list.len();
    store.tell(pushed(end), key);
    Ok(len)
}

/// Writes up to `count` elements from an end of the list under `key` on, and takes them out.
pub(super) fn pop_many<'e>(
    store: &mut Store<'_>,
    key: &[u8],
    end: End,
    count: usize,
    reply: &mut Reply<'_>,
) -> Applied<'e> {
    edit_list(store, key, |list| {
        let elements = list.view().iter();
        let count = count.min(list.len());
        reply.array(count);
        match end {
            End::Front => elements.take(count).for_each(|element| reply.bulk(element)),
            End::Back => elements.rev().take(count).for_each(|element| reply.bulk(element)),
        }
        if count > 0 {
            list.drop(end, count);
        }
        Ok(((), (count > 0).then_some(popped(end))))
    })
    .map(|_| ())
}

/// Writes the element at an end of the list under `key` and takes it out; false if there is no list.
pub(super) fn pop_one<'e>(
    store: &mut Store<'_>,
    key: &[u8],
    end: End,
    reply: &mut Reply<'_>,
) -> Result<bool, RequestError<'e>> {
    let popped = edit_list(store, key, |list| {
        if let Some(element) = list.view().end(end) {
            reply.bulk(element);
        }
        list.drop(end, 1);
        Ok(((), Some(popped(end))))
    })?;
    Ok(popped.is_some())
}

/// The end that a word names.
pub(super) fn end_of<'e>(word: &[u8]) -> Result<End, RequestError<'e>> {
    match word {
        _ if is_word(word, "LEFT") => Ok(End::Front),
        _ if is_word(word, "RIGHT") => Ok(End::Back),
        _ => Err(RequestError::Syntax),
    }
}

/// The place of an index, where negative ones count from the end; it may lie beyond the end.
fn place(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 { index.checked_add_unsigned(len as u64)? } else { index };
    usize::try_from(index).ok()
}

/// The first place and the number of elements between two indexes, both included, of a list or sorted set of `len`.
pub(super) fn range(start: i64, stop: i64, len: usize) -> (usize, usize) {
    let start = place(start, len).unwrap_or(0).min(len);
    let end = place(stop, len).map_or(0, |stop| stop.saturating_add(1).min(len));
    (start, end.saturating_sub(start))
}

/// `LPUSH`, `RPUSH` and those that want the list to be there.
pub(crate) struct Push<'a> {
    key: &'a [u8],
    end: End,
    elements: Args<'a>,
    if_there: bool,
}

impl<'a> Push<'a> {
    pub(crate) fn parse(args: Args<'a>, command: DataCommand) -> Parsed<'a, Push<'a>> {
        let (end, if_there) = match command {
            DataCommand::LPush => (End::Front, false),
            DataCommand::LPushX => (End::Front, true),
            DataCommand::RPushX => (End::Back, true),
            _ => (End::Back, false),
        };
        check_some(command, args.tail(2))?;
        Ok(Push { key: args.at(1), end, elements: args.tail(2), if_there })
    }
}

impl<'a> Operation<'a> for Push<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let len = if self.if_there && !store.contains(self.key) {
            0
        } else {
            push(store, self.key, self.end, self.elements.iter())?
        };
        reply.len_int(len);
        Ok(())
    }
}

/// `LPOP` and `RPOP`: with a count several, answered as an array.
pub(crate) struct Pop<'a> {
    key: &'a [u8],
    end: End,
    count: Option<usize>,
}

impl<'a> Pop<'a> {
    pub(crate) fn parse(args: Args<'a>, command: DataCommand) -> Parsed<'a, Pop<'a>> {
        if args.len() > 3 {
            return Err(RequestError::Arity(command));
        }
        let count = match args.get(2) {
            None => None,
            Some(text) => {
                let count = parse_i64(text).and_then(|count| usize::try_from(count).ok());
                Some(count.ok_or(RequestError::NotPositive)?)
            }
        };
        let end = if command == DataCommand::LPop { End::Front } else { End::Back };
        Ok(Pop { key: args.at(1), end, count })
    }
}

impl<'a> Operation<'a> for Pop<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        match self.count {
            Some(count) => {
                if store.seek(self.key).is_none() {
                    reply.null_array();
                    return Ok(());
                }
                pop_many(store, self.key, self.end, count, reply)
            }
            None => {
                if !pop_one(store, self.key, self.end, reply)? {
                    reply.null();
                }
                Ok(())
            }
        }
    }
}

/// `LLEN`.
pub(crate) struct LLen<'a>(&'a [u8]);

impl<'a> LLen<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, LLen<'a>> {
        Ok(LLen(args.at(1)))
    }
}

impl<'a> Operation<'a> for LLen<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        reply.len_int(find_list(store, self.0)?.map_or(0, |list| list.len()));
        Ok(())
    }
}

/// `LRANGE`.
pub(crate) struct LRange<'a> {
    key: &'a [u8],
    start: i64,
    stop: i64,
}

impl<'a> LRange<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, LRange<'a>> {
        Ok(LRange { key: args.at(1), start: integer(args.at(2))?, stop: integer(args.at(3))? })
    }
}

impl<'a> Operation<'a> for LRange<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let Some(list) = find_list(store, self.key)? else {
            reply.array(0);
            return Ok(());
        };
        let (start, len) = range(self.start, self.stop, list.len());
        reply.array(len);
        list.iter_from(start).take(len).for_each(|element| reply.bulk(element));
        Ok(())
    }
}

/// `LTRIM`.
pub(crate) struct LTrim<'a> {
    key: &'a [u8],
    start: i64,
    stop: i64,
}

impl<'a> LTrim<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, LTrim<'a>> {
        Ok(LTrim { key: args.at(1), start: integer(args.at(2))?, stop: integer(args.at(3))? })
    }
}

impl<'a> Operation<'a> for LTrim<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        edit_list(store, self.key, |list| {
            let (start, len) = range(self.start, self.stop, list.len());
            list.trim(start, len);
            Ok(((), Some(Event::LTrim)))
        })?;
        reply.ok();
        Ok(())
    }
}

/// `LINDEX`. The index stays text: Redis looks at the key first.
pub(crate) struct LIndex<'a> {
    key: &'a [u8],
    index: &'a [u8],
}

impl<'a> LIndex<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, LIndex<'a>> {
        Ok(LIndex { key: args.at(1), index: args.at(2) })
    }
}

impl<'a> Operation<'a> for LIndex<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let element = match find_list(store, self.key)? {
            Some(list) => place(integer(self.index)?, list.len()).and_then(|place| list.get(place)),
            None => None,
        };
        match element {
            Some(element) => reply.bulk(element),
            None => reply.null(),
        }
        Ok(())
    }
}

/// `LSET`. The index stays text, as for `LINDEX`.
pub(crate) struct LSet<'a> {
    key: &'a [u8],
    index: &'a [u8],
    element: &'a [u8],
}

impl<'a> LSet<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, LSet<'a>> {
        Ok(LSet { key: args.at(1), index: args.at(2), element: args.at(3) })
    }
}

impl<'a> Operation<'a> for LSet<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let set = edit_list(store, self.key, |list| {
            let place = place(integer(self.index)?, list.len());
            let is_set = place.is_some_and(|place| list.set(place, self.element));
            is_set.then_some(((), Some(Event::LSet))).ok_or(RequestError::NoSuchIndex)
        })?;
        set.ok_or(RequestError::NoSuchKey)?;
        reply.ok();
        Ok(())
    }
}

/// `LINSERT`.
pub(crate) struct LInsert<'a> {
    key: &'a [u8],
    /// How far behind the pivot.
    behind: usize,
    pivot: &'a [u8],
    element: &'a [u8],
}

impl<'a> LInsert<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, LInsert<'a>> {
        let behind = match args.at(2) {
            word if is_word(word, "BEFORE") => 0,
            word if is_word(word, "AFTER") => 1,
            _ => return Err(RequestError::Syntax),
        };
        Ok(LInsert { key: args.at(1), behind, pivot: args.at(3), element: args.at(4) })
    }
}

impl<'a> Operation<'a> for LInsert<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let inserted = edit_list(store, self.key, |list| {
            let place = list.view().iter().position(|element| element == self.pivot);
            let len = place.map(|place| {
                list.insert(place + self.behind, self.element);
                list.len()
            });
            Ok((len, len.map(|_| Event::LInsert)))
        })?;
        match inserted {
            None => reply.int(0),
            Some(None) => reply.int(-1),
            Some(Some(len)) => reply.len_int(len),
        }
        Ok(())
    }
}

/// `LREM`.
pub(crate) struct LRem<'a> {
    key: &'a [u8],
    count: usize,
    from: End,
    element: &'a [u8],
}

impl<'a> LRem<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, LRem<'a>> {
        let count = integer(args.at(2))?;
        let from = if count < 0 { End::Back } else { End::Front };
        let count = match count {
            0 => usize::MAX,
            _ => usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX),
        };
        Ok(LRem { key: args.at(1), count, from, element: args.at(3) })
    }
}

impl<'a> Operation<'a> for LRem<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let removed = edit_list(store, self.key, |list| {
            let removed = list.remove_equal(self.element, self.count, self.from);
            Ok((removed, (removed > 0).then_some(Event::LRem)))
        })?;
        reply.len_int(removed.unwrap_or(0));
        Ok(())
    }
}

/// `LPOS`.
pub(crate) struct LPos<'a> {
    key: &'a [u8],
    element: &'a [u8],
    /// Which match is the first to be told.
    rank: usize,
    from: End,
    /// How many are told; without it one, not in an array.
    count: Option<usize>,
    /// How many elements are looked at.
    max_len: usize,
}

impl<'a> LPos<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, LPos<'a>> {
        let mut lpos = LPos {
            key: args.at(1),
            element: args.at(2),
            rank: 1,
            from: End::Front,
            count: None,
            max_len: usize::MAX,
        };
        let mut at = 3;
        while let Some(word) = args.get(at) {
            let value = args.get(at + 1).ok_or(RequestError::Syntax)?;
            let unlimited = |refusal| match parse_i64(value).and_then(|limit| usize::try_from(limit).ok()) {
                Some(0) => Ok(usize::MAX),
                limit => limit.ok_or(refusal),
            };
            if is_word(word, "RANK") {
                let rank = integer(value)?;
                if rank == i64::MIN {
                    return Err(RequestError::NotCount);
                }
                lpos.from = if rank < 0 { End::Back } else { End::Front };
                lpos.rank = match rank {
                    0 => return Err(RequestError::RankZero),
                    rank => usize::try_from(rank.unsigned_abs()).unwrap_or(usize::MAX),
                };
            } else if is_word(word, "COUNT") {
                lpos.count = Some(unlimited(RequestError::NegativeCount)?);
            } else if is_word(word, "MAXLEN") {
                lpos.max_len = unlimited(RequestError::NegativeMaxLen)?;
            } else {
                return Err(RequestError::Syntax);
            }
            at += 2;
        }
        Ok(lpos)
    }

    fn matches(&self, list: ListRef<'_>) -> Vec<usize> {
        let elements = list.iter();
        let found = |(at, element): (usize, &[u8])| (element == self.element).then_some(at);
        let (skipped, count) = (self.rank - 1, self.count.unwrap_or(1));
        match self.from {
            End::Front => {
                elements.enumerate().take(self.max_len).filter_map(found).skip(skipped).take(count).collect()
            }
            End::Back => {
                let places = (0..list.len()).rev().zip(elements.rev());
                places.take(self.max_len).filter_map(found).skip(skipped).take(count).collect()
            }
        }
    }
}

impl<'a> Operation<'a> for LPos<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let list = find_list(store, self.key)?;
        let matches = list.map(|list| self.matches(list)).unwrap_or_default();
        if self.count.is_some() {
            reply.array(matches.len());
            matches.into_iter().for_each(|place| reply.len_int(place));
        } else {
            match matches.first() {
                Some(&place) => reply.len_int(place),
                None => reply.null(),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_count_from_either_end_and_are_cut_to_the_list() {
        for ((start, stop), expect) in [
            ((0, -1), (0, 5)),
            ((1, 2), (1, 2)),
            ((-2, -1), (3, 2)),
            ((-100, 100), (0, 5)),
            ((3, 1), (3, 0)),
            ((5, 9), (5, 0)),
            ((0, -6), (0, 0)),
            ((i64::MIN, i64::MAX), (0, 5)),
            ((i64::MAX, i64::MIN), (5, 0)),
        ] {
            assert_eq!(range(start, stop, 5), expect, "{start} {stop}");
        }
        assert_eq!(
            [place(-1, 5), place(-5, 5), place(-6, 5), place(7, 5)],
            [Some(4), Some(0), None, Some(7)]
        );
        assert_eq!(place(i64::MIN, 0), None);
    }
}
