//! Requests that nodes write into the log. To a client they are unknown commands.

use base::{Args, Millis};
use resp::Reply;

use super::options::integer;
use super::{Applied, Operation, Parsed};
use crate::{RequestError, Store};

/// `narf.expire key [key ...]`: deletes those keys whose deadline has come at the entry's time, and of others fields
/// whose deadline has, a bounded number each.
pub(crate) struct NarfExpire<'a>(Args<'a>);

impl<'a> NarfExpire<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, NarfExpire<'a>> {
        Ok(NarfExpire(args.tail(1)))
    }
}

impl<'a> Operation<'a> for NarfExpire<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        reply.len_int(self.0.iter().filter(|key| store.expire(key)).count());
        Ok(())
    }
}

/// `narf.evict key [key ...]`: deletes those keys, for their memory is wanted.
pub(crate) struct NarfEvict<'a>(Args<'a>);

impl<'a> NarfEvict<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, NarfEvict<'a>> {
        Ok(NarfEvict(args.tail(1)))
    }
}

impl<'a> Operation<'a> for NarfEvict<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        reply.len_int(self.0.iter().filter(|key| store.evict(key)).count());
        Ok(())
    }
}

/// `narf.put key deadline-ms|0 record`: puts a serialized value under a key, replacing what was there.
pub(crate) struct NarfPut<'a> {
    key: &'a [u8],
    deadline: Option<Millis>,
    record: &'a [u8],
}

impl<'a> NarfPut<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, NarfPut<'a>> {
        let millis = u64::try_from(integer(args.at(2))?).map_err(|_| RequestError::OutOfRange)?;
        let deadline = (millis != 0).then_some(Millis(millis));
        Ok(NarfPut { key: args.at(1), deadline, record: args.at(3) })
    }
}

impl<'a> Operation<'a> for NarfPut<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        if !store.put_record(self.key, self.deadline, self.record) {
            return Err(RequestError::BadRecord);
        }
        reply.ok();
        Ok(())
    }
}

/// `narf.flush`: deletes every key of this database in this partition.
pub(crate) struct NarfFlush;

impl NarfFlush {
    pub(crate) fn parse(_args: Args<'_>) -> Parsed<'_, NarfFlush> {
        Ok(NarfFlush)
    }
}

impl<'a> Operation<'a> for NarfFlush {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        store.clear();
        reply.ok();
        Ok(())
    }
}
