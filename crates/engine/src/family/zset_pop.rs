//! Sorted set commands that take members out at an end.

use base::{Args, parse_i64};
use command::DataCommand;
use resp::Reply;

use super::draw::start_pairs;
use super::list_move::pop_arguments;
use super::options::is_word;
use super::zset::{write_score, write_scored};
use super::{Applied, Operation, Parsed};
use crate::{Event, RequestError, Store, ZSetMut};

/// `ZPOPMIN` and `ZPOPMAX`.
pub(crate) struct ZPop<'a> {
    key: &'a [u8],
    from_highest: bool,
    count: Option<usize>,
}

impl<'a> ZPop<'a> {
    pub(crate) fn parse(args: Args<'a>, command: DataCommand) -> Parsed<'a, ZPop<'a>> {
        if args.len() > 3 {
            return Err(RequestError::Syntax);
        }
        let count = match args.get(2) {
            None => None,
            Some(text) => {
                let count = parse_i64(text).and_then(|count| usize::try_from(count).ok());
                Some(count.ok_or(RequestError::NotPositive)?)
            }
        };
        Ok(ZPop { key: args.at(1), from_highest: command == DataCommand::ZPopMax, count })
    }
}

impl<'a> Operation<'a> for ZPop<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let Some(mut entry) = store.find_mut(self.key) else {
            reply.array(0);
            return Ok(());
        };
        let mut zset = entry.zset().ok_or(RequestError::WrongType)?;
        let count = self.count.unwrap_or(1).min(zset.len());
        // Without a count the one pair is not within an array of its own, even in RESP3.
        let in_arrays = self.count.is_some();
        if in_arrays {
            start_pairs(count, true, reply);
        } else {
            reply.array(2);
        }
        let is_emptied = pop(&mut zset, self.from_highest, count, |(member, score)| {
            if in_arrays {
                write_scored((member, score), true, reply);
            } else {
                reply.bulk(member);
                write_score(score, reply);
            }
        });
        if count > 0 {
            store.tell(popped(self.from_highest), self.key);
        }
        if is_emptied {
            store.remove(self.key);
        }
        Ok(())
    }
}

/// Shows `count` members from an end of a sorted set, which has so many, and takes them out; if these are all, the
/// caller removes the key instead.
pub(super) fn pop(
    zset: &mut ZSetMut<'_, '_>,
    from_highest: bool,
    count: usize,
    show: impl FnMut((&[u8], f64)),
) -> bool {
    let len = zset.len();
    let (start, end) = if from_highest { (len - count, len) } else { (0, count) };
    let members = zset.view().range(start, end);
    if from_highest {
        members.rev().for_each(show)
    } else {
        members.for_each(show)
    }
    if count < len {
        zset.remove_range(start, end);
    }
    count == len
}

/// What is told when members go at an end.
pub(super) fn popped(from_highest: bool) -> Event {
    if from_highest { Event::ZPopMax } else { Event::ZPopMin }
}

/// `ZMPOP`.
pub(crate) struct ZMPop<'a> {
    keys: Args<'a>,
    from_highest: bool,
    count: usize,
}

impl<'a> ZMPop<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, ZMPop<'a>> {
        let (keys, from_highest, count) = pop_arguments(args, |word| match word {
            _ if is_word(word, "MIN") => Ok(false),
            _ if is_word(word, "MAX") => Ok(true),
            _ => Err(RequestError::Syntax),
        })?;
        Ok(ZMPop { keys, from_highest, count })
    }
}

impl<'a> Operation<'a> for ZMPop<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        for key in self.keys.iter() {
            let Some(mut entry) = store.find_mut(key) else { continue };
            let mut zset = entry.zset().ok_or(RequestError::WrongType)?;
            let count = self.count.min(zset.len());
            reply.array(2);
            reply.bulk(key);
            reply.array(count);
            let is_emptied = pop(&mut zset, self.from_highest, count, |(member, score)| {
                reply.array(2);
                reply.bulk(member);
                write_score(score, reply);
            });
            store.tell(popped(self.from_highest), key);
            if is_emptied {
                store.remove(key);
            }
            return Ok(());
        }
        reply.null_array();
        Ok(())
    }
}
