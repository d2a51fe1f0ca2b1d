//! `DUMP` and `RESTORE`: a value in Redis's own form, out of a key and into one.

use base::{Args, I64_TEXT_MAX, Millis};
use resp::Reply;

use super::options::{Since, deadline, integer, is_word};
use super::{Applied, Operation, Parsed, STRING_LEN_MAX};
use crate::clock::Used;
use crate::rdb::{self, Value, Writer};
use crate::value::Member;
use crate::{Encoding, Entry, Event, RequestError, Store, ValueRef};

/// `DUMP`.
pub(crate) struct Dump<'a>(&'a [u8]);

impl<'a> Dump<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, Dump<'a>> {
        Ok(Dump(args.at(1)))
    }
}

impl<'a> Operation<'a> for Dump<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let now = store.now;
        match store.find(self.0) {
            Some(entry) => reply.bulk(&payload_of(entry, now)),
            None => reply.null(),
        }
        Ok(())
    }
}

/// The value of an entry in its envelope.
fn payload_of(entry: &Entry, now: Millis) -> Vec<u8> {
    let mut writer = Writer::default();
    let is_small = entry.encoding() == Encoding::Listpack;
    match entry.value() {
        ValueRef::Text(text) => writer.string(text),
        ValueRef::Int(number) => writer.number(number),
        ValueRef::List(list) => writer.list(list.iter()),
        ValueRef::Hash(hash) if hash.has_deadlines() => {
            let hash = hash.at(now);
            match hash.fields().filter_map(|(_, _, deadline)| deadline).min() {
                Some(first) => writer.volatile_hash(hash.len(), first, hash.fields()),
                None => writer.hash(hash.len(), hash.iter()),
            }
        }
        ValueRef::Hash(hash) if is_small => writer.small_hash(hash.iter()),
        ValueRef::Hash(hash) => writer.hash(hash.len(), hash.iter()),
        ValueRef::ZSet(zset) if is_small => writer.small_zset(zset.iter()),
        ValueRef::ZSet(zset) => writer.zset(zset.len(), zset.iter()),
        ValueRef::Set(set) if entry.encoding() == Encoding::IntSet => {
            writer.int_set(set.iter().filter_map(|member| match member {
                Member::Int(number) => Some(number),
                Member::Text(_) => None,
            }));
        }
        ValueRef::Set(set) => {
            writer.begin_set(set.len());
            set.iter().for_each(|member| writer.member(member.text(&mut [0; I64_TEXT_MAX])));
        }
    }
    let mut payload = writer.into_bytes();
    rdb::seal(&mut payload);
    payload
}

/// `RESTORE`. The time stays text: Redis looks at the key first.
pub(crate) struct Restore<'a> {
    key: &'a [u8],
    ttl: &'a [u8],
    payload: &'a [u8],
    replace: bool,
    since: Since,
    used: Used,
}

impl<'a> Restore<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, Restore<'a>> {
        let mut restore = Restore {
            key: args.at(1),
            ttl: args.at(2),
            payload: args.at(3),
            replace: false,
            since: Since::Now,
            used: Used::Now,
        };
        let mut at = 4;
        while let Some(word) = args.get(at) {
            match args.get(at + 1) {
                _ if is_word(word, "REPLACE") => restore.replace = true,
                _ if is_word(word, "ABSTTL") => restore.since = Since::Epoch,
                Some(idle) if is_word(word, "IDLETIME") && !matches!(restore.used, Used::Often(_)) => {
                    let seconds = u64::try_from(integer(idle)?).map_err(|_| RequestError::InvalidIdleTime)?;
                    restore.used = Used::Before { seconds };
                    at += 1;
                }
                Some(count) if is_word(word, "FREQ") && !matches!(restore.used, Used::Before { .. }) => {
                    let count = u8::try_from(integer(count)?).map_err(|_| RequestError::InvalidFrequency)?;
                    restore.used = Used::Often(count);
                    at += 1;
                }
                _ => return Err(RequestError::Syntax),
            }
            at += 1;
        }
        Ok(restore)
    }

    fn deadline(&self, now: Millis) -> Result<Option<Millis>, RequestError<'a>> {
        match integer(self.ttl)? {
            0 => Ok(None),
            millis if millis < 0 => Err(RequestError::InvalidTtl),
            millis => match deadline(millis, self.since, now).map(u64::try_from) {
                Some(Ok(at)) => Ok(Some(Millis(at))),
                // Beyond the end of time Redis begins from the other end, where all is long over.
                Some(Err(_)) | None => Ok(Some(Millis(0))),
            },
        }
    }
}

impl<'a> Operation<'a> for Restore<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let now = store.now;
        if !self.replace && store.seek(self.key).is_some() {
            return Err(RequestError::BusyKey);
        }
        let deadline = self.deadline(now)?;
        let value = rdb::open(self.payload).map_err(|_| RequestError::PayloadEnvelope)?;
        let value = rdb::decode_value(value).map_err(|_| RequestError::PayloadValue)?;
        if matches!(&value, Value::String(text) if text.len() > STRING_LEN_MAX) {
            return Err(RequestError::PayloadValue);
        }
        let entry = store.entry_of(self.key, deadline, &value)?.ok_or(RequestError::PayloadValue)?;
        if entry.is_lapsed(now) {
            // Was never there; what it replaces goes all the same.
            store.remove(self.key);
        } else {
            store.put_used(self.key, entry, self.used);
            store.tell(Event::Restore, self.key);
        }
        reply.ok();
        Ok(())
    }
}
