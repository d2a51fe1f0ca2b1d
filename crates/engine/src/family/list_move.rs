//! List commands on several keys: from one list to another, and from the first that has something.

use base::{Args, parse_i64};
use resp::Reply;

use super::list::{end_of, pop_many, popped, push, pushed};
use super::options::is_word;
use super::{Applied, Operation, Parsed};
use crate::{End, Kind, RequestError, Store};

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
