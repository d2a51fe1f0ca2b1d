//! Hashes: fields and their values under one key. A hash without fields does not exist.

use base::{Args, Random};
use command::DataCommand;
use resp::Reply;

use super::draw::{Draw, start_pair, start_pairs, write_repeated};
use super::options::integer;
use super::scan::{ScanOptions, ScanOver, answer_scan, parse_cursor};
use super::{Applied, Operation, Parsed, check_pairs};
use crate::extended::Extended;
use crate::{Event, HashMut, HashRef, NewDeadline, NewValue, RequestError, Store};

/// The hash under `key`; refuses any other type.
#[inline]
pub(super) fn find_hash<'s, 'e>(
    store: &'s mut Store<'_>,
    key: &[u8],
) -> Result<Option<HashRef<'s>>, RequestError<'e>> {
    store.tell_miss(key);
    seek_hash(store, key)
}

/// The same for a command that changes hashes.
#[inline]
pub(super) fn seek_hash<'s, 'e>(
    store: &'s mut Store<'_>,
    key: &[u8],
) -> Result<Option<HashRef<'s>>, RequestError<'e>> {
    let now = store.now;
    match store.seek(key) {
        Some(entry) => entry.value().hash().map(|hash| Some(hash.at(now))).ok_or(RequestError::WrongType),
        None => Ok(None),
    }
}

/// Changes the hash under `key`, which is made if it is not there. `edit` must leave a field in a new one.
#[inline]
pub(super) fn edit_hash<'e, T>(
    store: &mut Store<'_>,
    key: &[u8],
    edit: impl FnOnce(&mut HashMut<'_, '_>) -> Result<T, RequestError<'e>>,
) -> Result<T, RequestError<'e>> {
    let now = store.now;
    let mut entry = match store.find_mut(key) {
        Some(entry) => entry,
        None => match store.insert(key, NewValue::EmptyHash, None) {
            Some(entry) => entry,
            // Not borrowed; see `Store::keyspace_of`.
            None => return Err(RequestError::CrossSlot),
        },
    };
    let mut hash = entry.hash_at(now).ok_or(RequestError::WrongType)?;
    let result = edit(&mut hash);
    debug_assert!(!hash.is_empty(), "an empty hash would be left behind");
    result
}

/// `HGET`.
pub(crate) struct HGet<'a> {
    key: &'a [u8],
    field: &'a [u8],
}

impl<'a> HGet<'a> {
    #[inline]
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, HGet<'a>> {
        Ok(HGet { key: args.at(1), field: args.at(2) })
    }
}

impl<'a> Operation<'a> for HGet<'a> {
    #[inline]
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        match find_hash(store, self.key)?.and_then(|hash| hash.get(self.field)) {
            Some(value) => reply.bulk(value),
            None => reply.null(),
        }
        Ok(())
    }
}

/// `HMGET`.
pub(crate) struct HMGet<'a> {
    key: &'a [u8],
    fields: Args<'a>,
}

impl<'a> HMGet<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, HMGet<'a>> {
        Ok(HMGet { key: args.at(1), fields: args.tail(2) })
    }
}

impl<'a> Operation<'a> for HMGet<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let hash = find_hash(store, self.key)?;
        reply.array(self.fields.len());
        for field in self.fields.iter() {
            match hash.and_then(|hash| hash.get(field)) {
                Some(value) => reply.bulk(value),
                None => reply.null(),
            }
        }
        Ok(())
    }
}

/// What is told of one hash: `HLEN`, `HSTRLEN`, `HEXISTS`.
pub(crate) enum HCount<'a> {
    Fields { key: &'a [u8] },
    ValueLen { key: &'a [u8], field: &'a [u8] },
    Exists { key: &'a [u8], field: &'a [u8] },
}

impl<'a> HCount<'a> {
    /// `HLEN`.
    pub(crate) fn fields(args: Args<'a>) -> Parsed<'a, HCount<'a>> {
        Ok(HCount::Fields { key: args.at(1) })
    }

    /// `HSTRLEN`.
    pub(crate) fn value_len(args: Args<'a>) -> Parsed<'a, HCount<'a>> {
        Ok(HCount::ValueLen { key: args.at(1), field: args.at(2) })
    }

    /// `HEXISTS`.
    pub(crate) fn exists(args: Args<'a>) -> Parsed<'a, HCount<'a>> {
        Ok(HCount::Exists { key: args.at(1), field: args.at(2) })
    }
}

impl<'a> Operation<'a> for HCount<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let count = match self {
            HCount::Fields { key } => find_hash(store, key)?.map_or(0, |hash| hash.len()),
            HCount::ValueLen { key, field } => {
                find_hash(store, key)?.and_then(|hash| hash.get(field)).map_or(0, <[u8]>::len)
            }
            HCount::Exists { key, field } => {
                usize::from(find_hash(store, key)?.is_some_and(|hash| hash.contains(field)))
            }
        };
        reply.len_int(count);
        Ok(())
    }
}

/// Which half of the pairs is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    Fields,
    Values,
    Both,
}

/// `HGETALL`, `HKEYS`, `HVALS`.
pub(crate) struct HList<'a> {
    key: &'a [u8],
    half: Half,
}

impl<'a> HList<'a> {
    pub(crate) fn parse(args: Args<'a>, half: Half) -> Parsed<'a, HList<'a>> {
        Ok(HList { key: args.at(1), half })
    }
}

impl<'a> Operation<'a> for HList<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let hash = find_hash(store, self.key)?;
        let len = hash.map_or(0, |hash| hash.len());
        match self.half {
            Half::Both => reply.map(len),
            Half::Fields | Half::Values => reply.array(len),
        }
        for (field, value) in hash.iter().flat_map(|hash| hash.iter()) {
            if self.half != Half::Values {
                reply.bulk(field);
            }
            if self.half != Half::Fields {
                reply.bulk(value);
            }
        }
        Ok(())
    }
}

/// `HSET`, `HMSET`: they differ in what they answer.
pub(crate) struct HSet<'a> {
    key: &'a [u8],
    pairs: Args<'a>,
    answers_count: bool,
}

impl<'a> HSet<'a> {
    #[inline]
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, HSet<'a>> {
        check_pairs(DataCommand::HSet, args.len().saturating_sub(2))?;
        Ok(HSet { key: args.at(1), pairs: args.tail(2), answers_count: true })
    }

    /// `HMSET`.
    pub(crate) fn and_ok(args: Args<'a>) -> Parsed<'a, HSet<'a>> {
        check_pairs(DataCommand::HMSet, args.len().saturating_sub(2))?;
        Ok(HSet { key: args.at(1), pairs: args.tail(2), answers_count: false })
    }
}

impl<'a> Operation<'a> for HSet<'a> {
    #[inline]
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let pairs = self.pairs;
        let created = edit_hash(store, self.key, |hash| {
            let at = (0..pairs.len()).step_by(2);
            Ok(at.filter(|&at| hash.set(pairs.at(at), pairs.at(at + 1))).count())
        })?;
        store.tell(Event::HSet, self.key);
        if self.answers_count {
            reply.len_int(created)
        } else {
            reply.ok()
        }
        Ok(())
    }
}

/// `HSETNX`.
pub(crate) struct HSetNx<'a> {
    key: &'a [u8],
    field: &'a [u8],
    value: &'a [u8],
}

impl<'a> HSetNx<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, HSetNx<'a>> {
        Ok(HSetNx { key: args.at(1), field: args.at(2), value: args.at(3) })
    }
}

impl<'a> Operation<'a> for HSetNx<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let set = edit_hash(store, self.key, |hash| {
            Ok(hash.get(self.field).is_none() && hash.set(self.field, self.value))
        })?;
        if set {
            store.tell(Event::HSet, self.key);
        }
        reply.int(i64::from(set));
        Ok(())
    }
}

/// `HDEL`.
pub(crate) struct HDel<'a> {
    key: &'a [u8],
    fields: Args<'a>,
}

impl<'a> HDel<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, HDel<'a>> {
        Ok(HDel { key: args.at(1), fields: args.tail(2) })
    }
}

impl<'a> Operation<'a> for HDel<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let now = store.now;
        let Some(mut entry) = store.find_mut(self.key) else {
            reply.int(0);
            return Ok(());
        };
        let mut hash = entry.hash_at(now).ok_or(RequestError::WrongType)?;
        let removed = self.fields.iter().filter(|field| hash.remove(field)).count();
        let is_empty = hash.is_empty();
        if removed > 0 {
            store.tell(Event::HDel, self.key);
        }
        if is_empty {
            store.remove(self.key);
        }
        reply.len_int(removed);
        Ok(())
    }
}

/// `HINCRBY`.
pub(crate) struct HIncrBy<'a> {
    key: &'a [u8],
    field: &'a [u8],
    amount: i64,
}

impl<'a> HIncrBy<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, HIncrBy<'a>> {
        Ok(HIncrBy { key: args.at(1), field: args.at(2), amount: integer(args.at(3))? })
    }
}

impl<'a> Operation<'a> for HIncrBy<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let sum = edit_hash(store, self.key, |hash| {
            let before = match hash.get(self.field) {
                Some(value) => base::parse_i64(value).ok_or(RequestError::HashNotInteger)?,
                None => 0,
            };
            let sum = before.checked_add(self.amount).ok_or(RequestError::Overflow)?;
            hash.set_with(self.field, base::format_i64(sum, &mut [0; base::I64_TEXT_MAX]), NewDeadline::Keep);
            Ok(sum)
        })?;
        store.tell(Event::HIncrBy, self.key);
        reply.int(sum);
        Ok(())
    }
}

/// `HINCRBYFLOAT`. Invariant: the amount is finite.
pub(crate) struct HIncrByFloat<'a> {
    key: &'a [u8],
    field: &'a [u8],
    amount: Extended,
}

impl<'a> HIncrByFloat<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, HIncrByFloat<'a>> {
        let amount = Extended::parse(args.at(3)).ok_or(RequestError::NotFloat)?;
        if !amount.is_finite() {
            return Err(RequestError::InfiniteIncrement);
        }
        Ok(HIncrByFloat { key: args.at(1), field: args.at(2), amount })
    }
}

impl<'a> Operation<'a> for HIncrByFloat<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let text = edit_hash(store, self.key, |hash| {
            let before = hash.get(self.field).unwrap_or(b"0");
            let before = Extended::parse(before).ok_or(RequestError::HashNotFloat)?;
            let sum = before.plus(self.amount).filter(|sum| sum.is_finite());
            let text = sum.ok_or(RequestError::InfiniteSum)?.text();
            hash.set_with(self.field, &text, NewDeadline::Keep);
            Ok(text)
        })?;
        store.tell(Event::HIncrByFloat, self.key);
        reply.bulk(&text);
        Ok(())
    }
}

/// `HRANDFIELD`.
pub(crate) struct HRandField<'a> {
    key: &'a [u8],
    draw: Draw,
    with_values: bool,
}

impl<'a> HRandField<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, HRandField<'a>> {
        let (draw, with_values) = Draw::parse(args.tail(2), "WITHVALUES")?;
        Ok(HRandField { key: args.at(1), draw, with_values })
    }
}

impl<'a> Operation<'a> for HRandField<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let mut random = Random::new(store.seed);
        let Some(hash) = find_hash(store, self.key)? else {
            self.draw.write_none(reply);
            return Ok(());
        };
        match self.draw {
            Draw::One => match hash.draws().draw(&mut random) {
                Some((field, _)) => reply.bulk(field),
                None => reply.null(),
            },
            Draw::Distinct(count) if count >= hash.len() => {
                start_pairs(hash.len(), self.with_values, reply);
                hash.iter().for_each(|pair| write_pair(pair, self.with_values, reply));
            }
            Draw::Distinct(count) => {
                let drawn = hash.sample(count, &mut random);
                start_pairs(drawn.len(), self.with_values, reply);
                drawn.into_iter().for_each(|pair| write_pair(pair, self.with_values, reply));
            }
            Draw::Repeated(count) => {
                let mut draws = hash.draws();
                return write_repeated(count, self.with_values, reply, |reply| {
                    draws.draw(&mut random).map(|pair| write_pair(pair, self.with_values, reply)).is_some()
                });
            }
        }
        Ok(())
    }
}

fn write_pair((field, value): (&[u8], &[u8]), with_values: bool, reply: &mut Reply<'_>) {
    start_pair(with_values, reply);
    reply.bulk(field);
    if with_values {
        reply.bulk(value);
    }
}

/// `HSCAN`. The options stay text: Redis looks at the key first.
pub(crate) struct HScan<'a> {
    key: &'a [u8],
    cursor: u64,
    options: Args<'a>,
}

impl<'a> HScan<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, HScan<'a>> {
        Ok(HScan { key: args.at(1), cursor: parse_cursor(args.at(2))?, options: args.tail(3) })
    }
}

impl<'a> Operation<'a> for HScan<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        answer_scan(reply, |found| {
            let Some(hash) = find_hash(store, self.key)? else { return Ok(0) };
            let options = ScanOptions::parse(self.options, ScanOver::Fields)?;
            Ok(hash.scan(self.cursor, options.count, &mut |field, value| {
                if options.takes(field) {
                    found.push(field);
                    if !options.names_only {
                        found.push(value);
                    }
                }
            }))
        })
    }
}
