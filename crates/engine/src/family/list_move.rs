//! List commands on several keys: from one list to another, and from the first that has something.

use base::{Args, parse_i64};
use resp::Reply;

use super::list::{end_of, pop_many, popped, push, pushed};
use super::options::is_word;
use super::{Applied, Operation, Parsed};
use crate::{End, Kind, ListRef, RequestError, Store};

/// `LMOVE` and `RPOPLPUSH`.
pub(crate) struct LMove<'a> {
    source: &'a [u8],
    destination: &'a [u8],
    from: End,
    to: End,
}

impl<'a> LMove<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, LMove<'a>> {
        let (from, to) = (end_of(args.at(3))?, end_of(args.at(4))?);
        Ok(LMove { source: args.at(1), destination: args.at(2), from, to })
    }

    /// `RPOPLPUSH`.
    pub(crate) fn right_to_left(args: Args<'a>) -> Parsed<'a, LMove<'a>> {
        Ok(LMove { source: args.at(1), destination: args.at(2), from: End::Back, to: End::Front })
    }
}

impl<'a> Operation<'a> for LMove<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let db = store.db;
        let element = match store.seek(self.source) {
            None => {
                reply.null();
                return Ok(());
            }
            Some(entry) => {
                let list = entry.value().list().ok_or(RequestError::WrongType)?;
                list.end(self.from).map(<[u8]>::to_vec).unwrap_or_default()
            }
        };
        store.keyspace_of(db, self.destination).ok_or(RequestError::CrossSlot)?;
        if store.seek(self.destination).is_some_and(|entry| entry.kind() != Kind::List) {
            return Err(RequestError::WrongType);
        }
        let mut is_empty = false;
        if let Some(mut entry) = store.find_mut(self.source)
            && let Some(mut list) = entry.list()
        {
            list.drop(self.from, 1);
            // One list turned round keeps its deadline, even with one element.
            if self.source == self.destination {
                list.push(self.to, &element);
            }
            is_empty = list.is_empty();
        }
        if self.source == self.destination {
            store.tell(pushed(self.to), self.destination);
        } else {
            push(store, self.destination, self.to, std::iter::once(&*element))?;
        }
        store.tell(popped(self.from), self.source);
        if is_empty {
            store.remove(self.source);
        }
        reply.bulk(&element);
        Ok(())
    }
}

/// How many elements `LMOVEM` moves.
#[derive(Clone, Copy, Debug)]
enum HowMany {
    UpTo(usize),
    /// So many, or none.
    Exactly(usize),
}

/// `LMOVEM`.
pub(crate) struct LMoveM<'a> {
    source: &'a [u8],
    destination: &'a [u8],
    from: End,
    to: End,
    how_many: HowMany,
    /// They go one by one, so that between two like ends the last to go is the first at the end.
    one_by_one: bool,
}

impl<'a> LMoveM<'a> {
    /// Of the words up to the ends, and those that say how many.
    pub(super) fn of(args: Args<'a>, options: Args<'a>) -> Parsed<'a, LMoveM<'a>> {
        let (from, to) = (end_of(args.at(3))?, end_of(args.at(4))?);
        let (how_many, one_by_one) = match options.len() {
            0 => (HowMany::UpTo(1), false),
            3 => {
                let count = parse_i64(options.at(1)).and_then(|count| usize::try_from(count).ok());
                let count = || count.filter(|count| *count > 0).ok_or(RequestError::CountNotPositive);
                let how_many = match options.at(0) {
                    word if is_word(word, "COUNT") => HowMany::UpTo(count()?),
                    word if is_word(word, "EXACTLY") => HowMany::Exactly(count()?),
                    _ => return Err(RequestError::Syntax),
                };
                match options.at(2) {
                    word if is_word(word, "OBO") => (how_many, true),
                    word if is_word(word, "BULK") => (how_many, false),
                    _ => return Err(RequestError::Syntax),
                }
            }
            _ => return Err(RequestError::Syntax),
        };
        Ok(LMoveM { source: args.at(1), destination: args.at(2), from, to, how_many, one_by_one })
    }

    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, LMoveM<'a>> {
        LMoveM::of(args, args.tail(5))
    }

    /// The fewest elements that it moves, if it moves any.
    pub(super) fn least(&self) -> usize {
        match self.how_many {
            HowMany::UpTo(_) => 1,
            HowMany::Exactly(count) => count,
        }
    }

    /// The elements that go, in the order in which they will stand.
    fn block(&self, list: ListRef<'_>) -> Option<Vec<Vec<u8>>> {
        let count = match self.how_many {
            HowMany::UpTo(count) => count.min(list.len()),
            HowMany::Exactly(count) if count <= list.len() => count,
            HowMany::Exactly(_) => return None,
        };
        let start = if self.from == End::Front { 0 } else { list.len() - count };
        let mut block: Vec<Vec<u8>> = list.iter_from(start).take(count).map(<[u8]>::to_vec).collect();
        if self.one_by_one && self.from == self.to {
            block.reverse();
        }
        Some(block)
    }
}

impl<'a> Operation<'a> for LMoveM<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let db = store.db;
        let block = match store.seek(self.source) {
            None => None,
            Some(entry) => self.block(entry.value().list().ok_or(RequestError::WrongType)?),
        };
        let Some(block) = block else {
            reply.null();
            return Ok(());
        };
        store.keyspace_of(db, self.destination).ok_or(RequestError::CrossSlot)?;
        if store.seek(self.destination).is_some_and(|entry| entry.kind() != Kind::List) {
            return Err(RequestError::WrongType);
        }
        let mut in_turn: Vec<&[u8]> = block.iter().map(Vec::as_slice).collect();
        if self.to == End::Front {
            in_turn.reverse();
        }
        let is_one_list = self.source == self.destination;
        let mut is_empty = false;
        if let Some(mut entry) = store.find_mut(self.source)
            && let Some(mut list) = entry.list()
        {
            list.drop(self.from, in_turn.len());
            // One list keeps its deadline, even if all of it goes round.
            if is_one_list {
                in_turn.iter().for_each(|element| list.push(self.to, element));
            }
            is_empty = list.is_empty();
        }
        if is_one_list {
            store.tell(pushed(self.to), self.destination);
        } else {
            push(store, self.destination, self.to, in_turn.into_iter())?;
        }
        store.tell(popped(self.from), self.source);
        if is_empty {
            store.remove(self.source);
        }
        reply.array(block.len());
        block.iter().for_each(|element| reply.bulk(element));
        Ok(())
    }
}

/// `LMPOP`.
pub(crate) struct LMPop<'a> {
    keys: Args<'a>,
    end: End,
    count: usize,
}

impl<'a> LMPop<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, LMPop<'a>> {
        let (keys, end, count) = pop_arguments(args, end_of)?;
        Ok(LMPop { keys, end, count })
    }
}

/// What `LMPOP` and `ZMPOP` take: keys behind their number, an end that `end_of` reads, and how many.
pub(super) fn pop_arguments<'a, T>(
    args: Args<'a>,
    end_of: impl Fn(&[u8]) -> Parsed<'a, T>,
) -> Parsed<'a, (Args<'a>, T, usize)> {
    let numkeys = parse_i64(args.at(1)).and_then(|count| usize::try_from(count).ok());
    let numkeys = numkeys.filter(|count| *count > 0).ok_or(RequestError::NumKeysNotPositive)?;
    let rest = args.tail(2);
    let end = end_of(rest.get(numkeys).ok_or(RequestError::Syntax)?)?;
    let count = match (rest.get(numkeys + 1), rest.get(numkeys + 2)) {
        (None, _) => 1,
        (Some(word), Some(count)) if is_word(word, "COUNT") => {
            let count = parse_i64(count).and_then(|count| usize::try_from(count).ok());
            count.filter(|count| *count > 0).ok_or(RequestError::CountNotPositive)?
        }
        _ => return Err(RequestError::Syntax),
    };
    if rest.len() > numkeys + 3 {
        return Err(RequestError::Syntax);
    }
    Ok((rest.head(numkeys), end, count))
}

impl<'a> Operation<'a> for LMPop<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        for key in self.keys.iter() {
            let Some(entry) = store.seek(key) else { continue };
            if entry.kind() != Kind::List {
                return Err(RequestError::WrongType);
            }
            reply.array(2);
            reply.bulk(key);
            return pop_many(store, key, self.end, self.count, reply);
        }
        reply.null_array();
        Ok(())
    }
}
