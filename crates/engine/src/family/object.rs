//! `OBJECT` and `MEMORY USAGE`: how a value is kept. None of them is a use of the key.

use base::Args;
use resp::Reply;

use super::options::{integer, is_word};
use super::{Applied, Operation, Parsed};
use crate::{Clocks, Entry, RequestError, Store, ValueRef};

/// What `OBJECT` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    Encoding,
    Frequency,
    IdleTime,
    RefCount,
}

/// `OBJECT ENCODING`, `OBJECT FREQ`, `OBJECT IDLETIME`, `OBJECT REFCOUNT`.
pub(crate) struct Object<'a> {
    key: &'a [u8],
    fact: Fact,
}

impl<'a> Object<'a> {
    pub(crate) fn parse(args: Args<'a>, fact: Fact) -> Parsed<'a, Object<'a>> {
        Ok(Object { key: args.at(2), fact })
    }
}

impl<'a> Operation<'a> for Object<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let (now, clocks) = (store.now, store.clocks(self.key));
        let Some(entry) = store.peek(self.key) else {
            reply.null();
            return Ok(());
        };
        match (self.fact, clocks) {
            (Fact::Encoding, _) => reply.bulk(entry.encoding().name().as_bytes()),
            (Fact::RefCount, _) => reply.int(reference_count(entry)),
            (Fact::Frequency, Clocks::Uses(counting)) => {
                reply.int(i64::from(entry.frequency(counting, now)));
            }
            (Fact::Frequency, Clocks::Time) => return Err(RequestError::FrequencyNotTracked),
            (Fact::IdleTime, Clocks::Uses(_)) => return Err(RequestError::IdleTimeNotTracked),
            (Fact::IdleTime, Clocks::Time) => {
                reply.int(i64::try_from(entry.idle_seconds(now)).unwrap_or(i64::MAX));
            }
        }
        Ok(())
    }
}

/// Redis shares one object for each of the first ten thousand numbers and says so with the largest count; every
/// other value has one owner here as there.
fn reference_count(entry: &Entry) -> i64 {
    match entry.value() {
        ValueRef::Int(0..10_000) => i64::from(i32::MAX),
        _ => 1,
    }
}

/// `MEMORY USAGE`. The number of samples is checked and not needed: sizes are kept, not sampled.
pub(crate) struct MemoryUsage<'a>(&'a [u8]);

impl<'a> MemoryUsage<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, MemoryUsage<'a>> {
        let mut at = 3;
        while let Some(word) = args.get(at) {
            let samples =
                args.get(at + 1).filter(|_| is_word(word, "SAMPLES")).ok_or(RequestError::Syntax)?;
            if integer(samples)? < 0 {
                return Err(RequestError::Syntax);
            }
            at += 2;
        }
        Ok(MemoryUsage(args.at(2)))
    }
}

/// A key's share of the table: its slot, and the room a table keeps free.
const SLOT_BYTES: usize = 10;

impl<'a> Operation<'a> for MemoryUsage<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        match store.peek(self.0) {
            Some(entry) => reply.len_int(entry.memory() + SLOT_BYTES),
            None => reply.null(),
        }
        Ok(())
    }
}
