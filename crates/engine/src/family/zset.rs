//! Sorted set commands on members of one key. Ranges of members are in `zset_range`.

use std::cmp::Ordering;

use base::{Args, Random};
use command::DataCommand;
use resp::Reply;

use super::draw::{Draw, start_pair, start_pairs, write_repeated};
use super::options::is_word;
use super::scan::{ScanOptions, ScanOver, answer_scan, parse_cursor};
use super::{Applied, Operation, Parsed};
use crate::{Event, NewValue, RequestError, Store, ZSetMut, ZSetRef, double};

/// The sorted set under `key`; refuses any other type.
#[inline]
pub(super) fn find_zset<'s, 'e>(
    store: &'s mut Store<'_>,
    key: &[u8],
) -> Result<Option<ZSetRef<'s>>, RequestError<'e>> {
    match store.find(key) {
        Some(entry) => entry.value().zset().map(Some).ok_or(RequestError::WrongType),
        None => Ok(None),
    }
}

/// Writes a score.
#[inline]
pub(super) fn write_score(score: f64, reply: &mut Reply<'_>) {
    reply.double_text(&double::text(score));
}

/// Writes a member of an array begun with [`start_pairs`], with its score if these are asked for.
pub(super) fn write_scored((member, score): (&[u8], f64), with_scores: bool, reply: &mut Reply<'_>) {
    start_pair(with_scores, reply);
    reply.bulk(member);
    if with_scores {
        write_score(score, reply);
    }
}

/// Of which members `ZADD` sets the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    IfAbsent,
    IfPresent,
}

/// `ZADD` and `ZINCRBY`. Invariant: scores are no NaN, and as many as members.
pub(crate) struct ZAdd<'a> {
    key: &'a [u8],
    /// Scores, or what they are made of, and members in turn.
    pairs: Args<'a>,
    /// Arguments of one member, itself the last of them.
    stride: usize,
    first: f64,
    /// The scores behind the first: usually there are none, and nothing is allocated.
    rest: Vec<f64>,
    when: When,
    /// How a new score must compare with the one that is there.
    only_if: Option<Ordering>,
    counts_changes: bool,
    increments: bool,
}

impl<'a> ZAdd<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, ZAdd<'a>> {
        let mut seen = [false; 6];
        let mut at = 2;
        // What begins like a number is none of the words.
        while let Some(word) = args.get(at).filter(|word| word.first().is_some_and(u8::is_ascii_alphabetic)) {
            let words = ["NX", "XX", "GT", "LT", "CH", "INCR"];
            let Some(option) = words.into_iter().position(|option| is_word(word, option)) else { break };
            seen[option] = true;
            at += 1;
        }
        let [nx, xx, gt, lt, counts_changes, increments] = seen;
        let pairs = args.tail(at);
        if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
            return Err(RequestError::Syntax);
        }
        if nx && xx {
            return Err(RequestError::NxWithXx);
        }
        if gt && lt || nx && (gt || lt) {
            return Err(RequestError::GtLtNx);
        }
        if increments && pairs.len() > 2 {
            return Err(RequestError::IncrOfSeveral);
        }
        let when = match (nx, xx) {
            (true, _) => When::IfAbsent,
            (_, true) => When::IfPresent,
            _ => When::Always,
        };
        let only_if = match (gt, lt) {
            (true, _) => Some(Ordering::Greater),
            (_, true) => Some(Ordering::Less),
            _ => None,
        };
        Ok(ZAdd { counts_changes, increments, ..ZAdd::of_pairs(args.at(1), pairs, when, only_if)? })
    }

    /// `ZINCRBY`: an option in place of the increment leaves no pair.
    pub(crate) fn increment(args: Args<'a>) -> Parsed<'a, ZAdd<'a>> {
        Ok(ZAdd { increments: true, ..ZAdd::parse(args)? })
    }

    fn of_pairs(
        key: &'a [u8],
        pairs: Args<'a>,
        when: When,
        only_if: Option<Ordering>,
    ) -> Parsed<'a, ZAdd<'a>> {
        let score = |at: usize| double::parse(pairs.at(at)).ok_or(RequestError::NotFloat);
        let first = score(0)?;
        let rest = (2..pairs.len()).step_by(2).map(score).collect::<Result<Vec<f64>, _>>()?;
        Ok(ZAdd {
            key,
            pairs,
            stride: 2,
            first,
            rest,
            when,
            only_if,
            counts_changes: false,
            increments: false,
        })
    }

    /// `GEOADD`: a score is made of the two arguments before its member.
    pub(super) fn of_positions(
        args: Args<'a>,
        score: impl Fn(&'a [u8], &'a [u8]) -> Parsed<'a, f64>,
    ) -> Parsed<'a, ZAdd<'a>> {
        let (mut nx, mut xx, mut counts_changes, mut at) = (false, false, false, 2);
        while let Some(word) = args.get(at) {
            match word {
                _ if is_word(word, "NX") => nx = true,
                _ if is_word(word, "XX") => xx = true,
                _ if is_word(word, "CH") => counts_changes = true,
                _ => break,
            }
            at += 1;
        }
        let pairs = args.tail(at);
        if pairs.is_empty() || !pairs.len().is_multiple_of(3) || nx && xx {
            return Err(RequestError::Syntax);
        }
        let score = |at: usize| score(pairs.at(at), pairs.at(at + 1));
        let first = score(0)?;
        let rest = (3..pairs.len()).step_by(3).map(score).collect::<Result<Vec<f64>, _>>()?;
        let when = match (nx, xx) {
            (true, _) => When::IfAbsent,
            (_, true) => When::IfPresent,
            _ => When::Always,
        };
        let (key, stride) = (args.at(1), 3);
        Ok(ZAdd { key, pairs, stride, first, rest, when, only_if: None, counts_changes, increments: false })
    }

    fn scored(&self) -> impl Iterator<Item = (&'a [u8], f64)> {
        let scores = std::iter::once(&self.first).chain(&self.rest);
        scores.enumerate().map(|(at, score)| (self.pairs.at(self.stride * (at + 1) - 1), *score))
    }

    /// What becomes of a member's score; `None` if it stays as it is.
    fn next<'e>(&self, old: Option<f64>, score: f64) -> Result<Option<f64>, RequestError<'e>> {
        let Some(old) = old else { return Ok((self.when != When::IfPresent).then_some(score)) };
        if self.when == When::IfAbsent {
            return Ok(None);
        }
        let new = if self.increments { old + score } else { score };
        if new.is_nan() {
            return Err(RequestError::ScoreNotNumber);
        }
        Ok(self.only_if.is_none_or(|wanted| new.partial_cmp(&old) == Some(wanted)).then_some(new))
    }

    fn write_nothing(&self, reply: &mut Reply<'_>) {
        if self.increments { reply.null() } else { reply.int(0) }
    }

    /// Does it; whether that changed anything.
    fn edit(&self, zset: &mut ZSetMut<'_, '_>, reply: &mut Reply<'_>) -> Parsed<'a, bool> {
        if !self.rest.is_empty() && self.when != When::IfPresent {
            let is_new = |(member, _): (&[u8], f64)| zset.view().score(member).is_none();
            // One that gets no new member keeps its form too.
            if self.scored().any(is_new) {
                zset.expect(1 + self.rest.len());
            }
        }
        let (mut added, mut changed, mut last) = (0, 0, None);
        for (member, score) in self.scored() {
            zset.update(member, |old| {
                last = self.next(old, score)?;
                added += usize::from(old.is_none() && last.is_some());
                changed += usize::from(old.is_some() && last.is_some() && last != old);
                Ok(last)
            })?;
        }
        match (self.increments, last) {
            (true, Some(score)) => write_score(score, reply),
            (true, None) => reply.null(),
            (false, _) => reply.len_int(if self.counts_changes { added + changed } else { added }),
        }
        Ok(added + changed > 0)
    }
}

impl<'a> Operation<'a> for ZAdd<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let mut entry = match store.find_mut(self.key) {
            Some(entry) => entry,
            None if self.when == When::IfPresent => {
                self.write_nothing(reply);
                return Ok(());
            }
            None => match store.insert(self.key, NewValue::EmptyZSet, None) {
                Some(entry) => entry,
                // Not borrowed; see `Store::keyspace_of`.
                None => return Err(RequestError::CrossSlot),
            },
        };
        let mut zset = entry.zset().ok_or(RequestError::WrongType)?;
        let edited = self.edit(&mut zset, reply);
        debug_assert!(!zset.is_empty(), "an empty sorted set would be left behind");
        if edited? {
            store.tell(if self.increments { Event::ZIncr } else { Event::ZAdd }, self.key);
        }
        Ok(())
    }
}

/// `ZREM`.
pub(crate) struct ZRem<'a> {
    key: &'a [u8],
    members: Args<'a>,
}

impl<'a> ZRem<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, ZRem<'a>> {
        Ok(ZRem { key: args.at(1), members: args.tail(2) })
    }
}

impl<'a> Operation<'a> for ZRem<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let Some(mut entry) = store.find_mut(self.key) else {
            reply.int(0);
            return Ok(());
        };
        let mut zset = entry.zset().ok_or(RequestError::WrongType)?;
        let removed = self.members.iter().filter(|member| zset.remove(member)).count();
        let is_empty = zset.is_empty();
        if removed > 0 {
            store.tell(Event::ZRem, self.key);
        }
        if is_empty {
            store.remove(self.key);
        }
        reply.len_int(removed);
        Ok(())
    }
}

/// `ZCARD`.
pub(crate) struct ZCard<'a>(&'a [u8]);

impl<'a> ZCard<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, ZCard<'a>> {
        Ok(ZCard(args.at(1)))
    }
}

impl<'a> Operation<'a> for ZCard<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        reply.len_int(find_zset(store, self.0)?.map_or(0, |zset| zset.len()));
        Ok(())
    }
}

/// `ZSCORE`, and `ZMSCORE` for several members.
pub(crate) struct ZScore<'a> {
    key: &'a [u8],
    members: Args<'a>,
    in_array: bool,
}

impl<'a> ZScore<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, ZScore<'a>> {
        Ok(ZScore { key: args.at(1), members: args.tail(2).head(1), in_array: false })
    }

    /// `ZMSCORE`.
    pub(crate) fn of_several(args: Args<'a>) -> Parsed<'a, ZScore<'a>> {
        Ok(ZScore { key: args.at(1), members: args.tail(2), in_array: true })
    }
}

impl<'a> Operation<'a> for ZScore<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let zset = find_zset(store, self.key)?;
        let write = |member: &[u8], reply: &mut Reply<'_>| match zset.and_then(|zset| zset.score(member)) {
            Some(score) => write_score(score, reply),
            None => reply.null(),
        };
        if self.in_array {
            reply.array(self.members.len());
            self.members.iter().for_each(|member| write(member, reply));
        } else {
            write(self.members.at(0), reply);
        }
        Ok(())
    }
}

/// `ZRANK` and `ZREVRANK`.
pub(crate) struct ZRank<'a> {
    key: &'a [u8],
    member: &'a [u8],
    from_highest: bool,
    with_score: bool,
}

impl<'a> ZRank<'a> {
    pub(crate) fn parse(args: Args<'a>, command: DataCommand) -> Parsed<'a, ZRank<'a>> {
        let with_score = match args.get(3) {
            _ if args.len() > 4 => return Err(RequestError::Arity(command)),
            None => false,
            Some(word) if is_word(word, "WITHSCORE") => true,
            Some(_) => return Err(RequestError::Syntax),
        };
        let from_highest = command == DataCommand::ZRevRank;
        Ok(ZRank { key: args.at(1), member: args.at(2), from_highest, with_score })
    }
}

impl<'a> Operation<'a> for ZRank<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let zset = find_zset(store, self.key)?;
        let found = zset.and_then(|zset| Some((zset.len(), zset.rank(self.member)?)));
        let Some((len, (rank, score))) = found else {
            if self.with_score {
                reply.null_array();
            } else {
                reply.null();
            }
            return Ok(());
        };
        if self.with_score {
            reply.array(2);
        }
        reply.len_int(if self.from_highest { len - 1 - rank } else { rank });
        if self.with_score {
            write_score(score, reply);
        }
        Ok(())
    }
}

/// `ZRANDMEMBER`.
pub(crate) struct ZRandMember<'a> {
    key: &'a [u8],
    draw: Draw,
    with_scores: bool,
}

impl<'a> ZRandMember<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, ZRandMember<'a>> {
        let (draw, with_scores) = Draw::parse(args.tail(2), "WITHSCORES")?;
        Ok(ZRandMember { key: args.at(1), draw, with_scores })
    }
}

impl<'a> Operation<'a> for ZRandMember<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let mut random = Random::new(store.seed);
        let Some(zset) = find_zset(store, self.key)? else {
            self.draw.write_none(reply);
            return Ok(());
        };
        match self.draw {
            Draw::One => match zset.random(&mut random) {
                Some((member, _)) => reply.bulk(member),
                None => reply.null(),
            },
            Draw::Distinct(count) if count >= zset.len() => {
                start_pairs(zset.len(), self.with_scores, reply);
                zset.iter().for_each(|scored| write_scored(scored, self.with_scores, reply));
            }
            Draw::Distinct(count) => {
                let drawn = zset.sample(count, &mut random);
                start_pairs(drawn.len(), self.with_scores, reply);
                drawn.into_iter().for_each(|scored| write_scored(scored, self.with_scores, reply));
            }
            Draw::Repeated(count) => {
                return write_repeated(count, self.with_scores, reply, |reply| {
                    let drawn = zset.random(&mut random);
                    drawn.map(|scored| write_scored(scored, self.with_scores, reply)).is_some()
                });
            }
        }
        Ok(())
    }
}

/// `ZSCAN`. The options stay text: Redis looks at the key first.
pub(crate) struct ZScan<'a> {
    key: &'a [u8],
    cursor: u64,
    options: Args<'a>,
}

impl<'a> ZScan<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, ZScan<'a>> {
        Ok(ZScan { key: args.at(1), cursor: parse_cursor(args.at(2))?, options: args.tail(3) })
    }
}

impl<'a> Operation<'a> for ZScan<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        answer_scan(reply, |found| {
            let Some(zset) = find_zset(store, self.key)? else { return Ok(0) };
            let options = ScanOptions::parse(self.options, ScanOver::Elements)?;
            Ok(zset.scan(self.cursor, options.count, &mut |member, score| {
                if options.takes(member) {
                    found.push(member);
                    found.push(&double::text(score));
                }
            }))
        })
    }
}
