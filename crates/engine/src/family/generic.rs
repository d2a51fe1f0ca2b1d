//! Commands that take a key whatever it holds.

use base::{Args, DbIndex};
use resp::Reply;

use super::options::{db_index, is_word};
use super::{Applied, Operation, Parsed};
use crate::{Event, RequestError, Store};

/// What is done with each key, and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Each {
    /// `DEL`, `UNLINK`.
    Delete,
    /// `EXISTS`: a key named twice counts twice. Is no use of the key.
    Exists,
    /// `TOUCH`: a use of the key.
    Touch,
}

/// `DEL`, `UNLINK`, `EXISTS`, `TOUCH`.
pub(crate) struct Count<'a> {
    keys: Args<'a>,
    each: Each,
}

impl<'a> Count<'a> {
    pub(crate) fn parse(args: Args<'a>, each: Each) -> Parsed<'a, Count<'a>> {
        Ok(Count { keys: args.tail(1), each })
    }
}

impl<'a> Operation<'a> for Count<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let count = self.keys.iter().filter(|key| match self.each {
            Each::Delete => store.remove(key),
            Each::Exists => {
                store.tell_miss(key);
                store.peek(key).is_some()
            }
            Each::Touch => store.touch(key),
        });
        reply.len_int(count.count());
        Ok(())
    }
}

/// `TYPE`.
pub(crate) struct TypeOf<'a>(&'a [u8]);

impl<'a> TypeOf<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, TypeOf<'a>> {
        Ok(TypeOf(args.at(1)))
    }
}

impl<'a> Operation<'a> for TypeOf<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        store.tell_miss(self.0);
        reply.simple(store.peek(self.0).map_or("none", |entry| entry.kind().name()));
        Ok(())
    }
}

/// `RENAME`, `RENAMENX`.
pub(crate) struct Rename<'a> {
    from: &'a [u8],
    to: &'a [u8],
    only_if_absent: bool,
}

impl<'a> Rename<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, Rename<'a>> {
        Ok(Rename { from: args.at(1), to: args.at(2), only_if_absent: false })
    }

    /// `RENAMENX`.
    pub(crate) fn if_absent(args: Args<'a>) -> Parsed<'a, Rename<'a>> {
        Ok(Rename { from: args.at(1), to: args.at(2), only_if_absent: true })
    }
}

impl<'a> Operation<'a> for Rename<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        if store.seek(self.from).is_none() {
            return Err(RequestError::NoSuchKey);
        }
        if self.only_if_absent && store.seek(self.to).is_some() {
            reply.int(0);
            return Ok(());
        }
        // A key renamed to itself stays as it is, and counts as no change.
        if self.from != self.to {
            let to_db = store.db;
            check_reachable(store, to_db, self.to)?;
            if let Some(entry) = store.take(self.from) {
                store.put(to_db, self.to, entry);
                store.tell(Event::RenameFrom, self.from);
                store.tell(Event::RenameTo, self.to);
            }
        }
        if self.only_if_absent {
            reply.int(1)
        } else {
            reply.ok()
        }
        Ok(())
    }
}

/// `COPY`.
pub(crate) struct CopyKey<'a> {
    from: &'a [u8],
    to: &'a [u8],
    to_db: Option<DbIndex>,
    replace: bool,
}

impl<'a> CopyKey<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, CopyKey<'a>> {
        let mut copy = CopyKey { from: args.at(1), to: args.at(2), to_db: None, replace: false };
        let mut at = 3;
        while let Some(word) = args.get(at) {
            at += 1;
            match args.get(at) {
                _ if is_word(word, "REPLACE") => copy.replace = true,
                Some(number) if is_word(word, "DB") => {
                    copy.to_db = Some(db_index(number)?);
                    at += 1;
                }
                _ => return Err(RequestError::Syntax),
            }
        }
        Ok(copy)
    }
}

impl<'a> Operation<'a> for CopyKey<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let to_db = self.to_db.unwrap_or(store.db);
        if to_db == store.db && self.from == self.to {
            return Err(RequestError::SameObject);
        }
        let Some(entry) = store.find(self.from).map(|entry| entry.with_key(self.to)) else {
            reply.int(0);
            return Ok(());
        };
        check_reachable(store, to_db, self.to)?;
        if !self.replace && is_present(store, to_db, self.to) {
            reply.int(0);
            return Ok(());
        }
        store.put(to_db, self.to, entry);
        store.tell_in(to_db, Event::CopyTo, self.to);
        reply.int(1);
        Ok(())
    }
}

/// `MOVE`.
pub(crate) struct MoveKey<'a> {
    key: &'a [u8],
    to_db: DbIndex,
}

impl<'a> MoveKey<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, MoveKey<'a>> {
        Ok(MoveKey { key: args.at(1), to_db: db_index(args.at(2))? })
    }
}

impl<'a> Operation<'a> for MoveKey<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        if self.to_db == store.db {
            return Err(RequestError::SameObject);
        }
        if store.seek(self.key).is_none() {
            reply.int(0);
            return Ok(());
        }
        check_reachable(store, self.to_db, self.key)?;
        if is_present(store, self.to_db, self.key) {
            reply.int(0);
            return Ok(());
        }
        if let Some(entry) = store.take(self.key) {
            store.put(self.to_db, self.key, entry);
            store.tell(Event::MoveFrom, self.key);
            store.tell_in(self.to_db, Event::MoveTo, self.key);
        }
        reply.int(1);
        Ok(())
    }
}

/// Refuses to move an entry where this store cannot put it, before it is taken out and would be lost.
fn check_reachable<'e>(store: &mut Store<'_>, db: DbIndex, key: &[u8]) -> Applied<'e> {
    store.keyspace_of(db, key).map(|_| ()).ok_or(RequestError::CrossSlot)
}

fn is_present(store: &mut Store<'_>, db: DbIndex, key: &[u8]) -> bool {
    let now = store.now;
    store.keyspace_of(db, key).is_some_and(|keyspace| keyspace.find(key, now).is_some())
}
