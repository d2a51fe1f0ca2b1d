//! Sorted set commands on ranges of members: what lies within, how many, and what removes or stores it.

use base::Args;
use command::DataCommand;
use resp::Reply;

use super::draw::start_pairs;
use super::options::{integer, is_word};
use super::zset::{find_zset, write_scored};
use super::zset_bounds::{By, Range};
use super::{Applied, Operation, Parsed};
use crate::{Event, RequestError, Store, ZSetIter, ZSetRef};

/// What a command's name says of its range; the rest is said by options.
#[derive(Clone, Copy)]
struct Dialect {
    by: Option<By>,
    from_highest: Option<bool>,
}

impl Dialect {
    fn of(command: DataCommand) -> Dialect {
        let (by, from_highest) = match command {
            DataCommand::ZRevRange => (By::Rank, true),
            DataCommand::ZRangeByScore => (By::Score, false),
            DataCommand::ZRevRangeByScore => (By::Score, true),
            DataCommand::ZRangeByLex => (By::Lex, false),
            DataCommand::ZRevRangeByLex => (By::Lex, true),
            _ => return Dialect { by: None, from_highest: None },
        };
        Dialect { by: Some(by), from_highest: Some(from_highest) }
    }
}

/// `LIMIT`.
#[derive(Clone, Copy)]
struct Limit {
    offset: i64,
    /// Negative: all that are left.
    count: i64,
}

impl Limit {
    /// Of so many members, how many are passed over and how many are taken.
    fn cut(self, len: usize) -> (usize, usize) {
        let Ok(offset) = usize::try_from(self.offset) else { return (len, 0) };
        let left = len.saturating_sub(offset);
        (len - left, usize::try_from(self.count).map_or(left, |count| count.min(left)))
    }
}

/// `ZRANGE` and its kin, `ZRANGESTORE`.
pub(crate) struct ZRange<'a> {
    key: &'a [u8],
    range: Range<'a>,
    from_highest: bool,
    limit: Option<Limit>,
    with_scores: bool,
    store_at: Option<&'a [u8]>,
}

impl<'a> ZRange<'a> {
    pub(crate) fn parse(args: Args<'a>, command: DataCommand) -> Parsed<'a, ZRange<'a>> {
        ZRange::parse_from(args.tail(1), Dialect::of(command), None)
    }

    /// `ZRANGESTORE`.
    pub(crate) fn and_store(args: Args<'a>) -> Parsed<'a, ZRange<'a>> {
        ZRange::parse_from(args.tail(2), Dialect { by: None, from_highest: None }, Some(args.at(1)))
    }

    /// Reads the arguments from the key on.
    fn parse_from(args: Args<'a>, said: Dialect, store_at: Option<&'a [u8]>) -> Parsed<'a, ZRange<'a>> {
        let Dialect { mut by, mut from_highest } = said;
        let (mut limit, mut with_scores) = (Limit { offset: 0, count: -1 }, false);
        let mut at = 3;
        while let Some(word) = args.get(at) {
            if store_at.is_none() && is_word(word, "WITHSCORES") {
                with_scores = true;
            } else if let (true, Some(count)) = (is_word(word, "LIMIT"), args.get(at + 2)) {
                limit = Limit { offset: integer(args.at(at + 1))?, count: integer(count)? };
                at += 2;
            } else if said.from_highest.is_none() && from_highest.is_none() && is_word(word, "REV") {
                from_highest = Some(true);
            } else if by.is_none() && is_word(word, "BYLEX") {
                by = Some(By::Lex);
            } else if by.is_none() && is_word(word, "BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(RequestError::Syntax);
            }
            at += 1;
        }
        let (by, from_highest) = (by.unwrap_or(By::Rank), from_highest.unwrap_or(false));
        if by == By::Rank && limit.count != -1 {
            return Err(RequestError::LimitOfRanks);
        }
        if by == By::Lex && with_scores {
            return Err(RequestError::ScoresOfLex);
        }
        let (min, max) = match (by, from_highest) {
            (By::Score | By::Lex, true) => (args.at(2), args.at(1)),
            _ => (args.at(1), args.at(2)),
        };
        Ok(ZRange {
            key: args.at(0),
            range: Range::parse(by, min, max)?,
            from_highest,
            limit: (by != By::Rank).then_some(limit),
            with_scores,
            store_at,
        })
    }

    /// The first of the members that are meant and the one behind the last, counted from the lowest score.
    fn places(&self, zset: ZSetRef<'_>) -> (usize, usize) {
        let (start, end) = self.range.places(zset, self.from_highest);
        let Some(limit) = self.limit else { return (start, end) };
        let (passed, taken) = limit.cut(end - start);
        if self.from_highest {
            (end - passed - taken, end - passed)
        } else {
            (start + passed, start + passed + taken)
        }
    }
}

impl<'a> Operation<'a> for ZRange<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        if let Some(destination) = self.store_at {
            let db = store.db;
            store.keyspace_of(db, destination).ok_or(RequestError::CrossSlot)?;
        }
        let found = find_zset(store, self.key)?.map(|zset| {
            let (start, end) = self.places(zset);
            (end - start, zset.range(start, end))
        });
        if let Some(destination) = self.store_at {
            // What is read may be what is stored over.
            let scored: Vec<(Vec<u8>, f64)> = found
                .into_iter()
                .flat_map(|(_, members)| members)
                .map(|(member, score)| (member.to_vec(), score))
                .collect();
            store_scored(store, destination, &scored, Event::ZRangeStore, reply);
            return Ok(());
        }
        let Some((len, members)) = found else {
            reply.array(0);
            return Ok(());
        };
        start_pairs(len, self.with_scores, reply);
        self.write(members, reply);
        Ok(())
    }
}

impl ZRange<'_> {
    fn write(&self, members: ZSetIter<'_>, reply: &mut Reply<'_>) {
        // Asked once and not for each of them.
        match (self.with_scores, self.from_highest) {
            (false, false) => members.for_each(|(member, _)| reply.bulk(member)),
            (false, true) => members.rev().for_each(|(member, _)| reply.bulk(member)),
            (true, false) => members.for_each(|scored| write_scored(scored, true, reply)),
            (true, true) => members.rev().for_each(|scored| write_scored(scored, true, reply)),
        }
    }
}

/// Stores members under a key in place of what is there, or nothing if there are none, tells so, and answers with how
/// many.
pub(super) fn store_scored<M: AsRef<[u8]>>(
    store: &mut Store<'_>,
    key: &[u8],
    scored: &[(M, f64)],
    event: Event,
    reply: &mut Reply<'_>,
) {
    if scored.is_empty() {
        store.remove(key);
    } else {
        store.put_zset(key, scored.iter().map(|(member, score)| (member.as_ref(), *score)));
        store.tell(event, key);
    }
    reply.len_int(scored.len());
}

/// `ZCOUNT` and `ZLEXCOUNT`.
pub(crate) struct ZCount<'a> {
    key: &'a [u8],
    range: Range<'a>,
}

impl<'a> ZCount<'a> {
    pub(crate) fn parse(args: Args<'a>, by: By) -> Parsed<'a, ZCount<'a>> {
        Ok(ZCount { key: args.at(1), range: Range::of(args, by)? })
    }
}

impl<'a> Operation<'a> for ZCount<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let zset = find_zset(store, self.key)?;
        let (start, end) = zset.map_or((0, 0), |zset| self.range.places(zset, false));
        reply.len_int(end - start);
        Ok(())
    }
}

/// `ZREMRANGEBYRANK`, `ZREMRANGEBYSCORE`, `ZREMRANGEBYLEX`.
pub(crate) struct ZRemRange<'a> {
    key: &'a [u8],
    range: Range<'a>,
    event: Event,
}

impl<'a> ZRemRange<'a> {
    pub(crate) fn parse(args: Args<'a>, by: By) -> Parsed<'a, ZRemRange<'a>> {
        let event = match by {
            By::Rank => Event::ZRemRangeByRank,
            By::Score => Event::ZRemRangeByScore,
            By::Lex => Event::ZRemRangeByLex,
        };
        Ok(ZRemRange { key: args.at(1), range: Range::of(args, by)?, event })
    }
}

impl<'a> Operation<'a> for ZRemRange<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let Some(mut entry) = store.find_mut(self.key) else {
            reply.int(0);
            return Ok(());
        };
        let mut zset = entry.zset().ok_or(RequestError::WrongType)?;
        let len = zset.len();
        let (start, end) = self.range.places(zset.view(), false);
        if end - start < len {
            zset.remove_range(start, end);
        }
        if end > start {
            store.tell(self.event, self.key);
        }
        if end - start == len {
            // At once: memory goes back in slices.
            store.remove(self.key);
        }
        reply.len_int(end - start);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_passes_some_over_and_takes_some() {
        for ((offset, count), expect) in [
            ((0, -1), (0, 5)),
            ((0, 2), (0, 2)),
            ((3, 9), (3, 2)),
            ((5, 1), (5, 0)),
            ((9, -1), (5, 0)),
            ((1, 0), (1, 0)),
            ((-1, 3), (5, 0)),
            ((i64::MAX, i64::MIN), (5, 0)),
        ] {
            assert_eq!(Limit { offset, count }.cut(5), expect, "{offset} {count}");
        }
    }
}
