//! Commands over a whole database, as one partition of a fabric answers them: its part of the keys.

use base::{Args, DbIndex, Millis, Random};
use command::NodeCommand;
use engine::{Entry, Keyspace, ScanOptions, ScanOver, glob, parse_cursor};
use resp::Reply;

use crate::keyspace::{PLACE_BITS, cursor_of, wants};
use crate::partition::Partition;
use crate::slot_keys::SlotQuestion;

impl Partition {
    /// Answers such a command for this partition alone.
    pub(crate) fn read_whole(
        &mut self,
        command: NodeCommand,
        db: DbIndex,
        args: Args<'_>,
        now: Millis,
        random: &mut Random,
        reply: &mut Reply<'_>,
    ) {
        use NodeCommand as N;
        match command {
            N::DbSize => reply.len_int(self.existing(db).map_or(0, Keyspace::len)),
            N::Keys => {
                let found = self.keys_like(db, args.at(1), now);
                reply.array(found.len());
                found.iter().for_each(|key| reply.bulk(key));
            }
            N::ClusterCountKeysInSlot | N::ClusterGetKeysInSlot => match SlotQuestion::parse(command, args) {
                Ok(asked) => asked.answer(self, now, reply),
                Err(refusal) => reply.error(refusal),
            },
            N::RandomKey => self.offer_key(db, now, random, reply),
            N::Scan => self.scan_alone(db, args, now, reply),
            N::NarfDigests => {
                reply.array(args.len() - 1);
                args.iter().skip(1).for_each(|key| reply.bulk(&self.value_digest(db, key, now)));
            }
            _ => reply.error("ERR not a command for one partition"),
        }
    }

    fn keys_like(&self, db: DbIndex, pattern: &[u8], now: Millis) -> Vec<Box<[u8]>> {
        let mut found = Vec::new();
        self.each_entry(db, now, &mut |entry| found.extend(matching(pattern, entry)));
        found
    }

    /// Visits every live entry of a database.
    pub(crate) fn each_entry(&self, db: DbIndex, now: Millis, visit: &mut dyn FnMut(&Entry)) {
        let Some(keyspace) = self.existing(db) else { return };
        let mut cursor = 0;
        loop {
            cursor = keyspace.scan(cursor, 1024, &mut |entry| {
                if !entry.is_lapsed(now) {
                    visit(entry);
                }
            });
            if cursor == 0 {
                return;
            }
        }
    }

    /// Visits entries from `place` on, until as many were visited as the filter wants in all; where to go on, 0 at the
    /// end.
    pub(crate) fn scan_from(
        &self,
        db: DbIndex,
        mut place: u64,
        filter: &ScanOptions<'_>,
        now: Millis,
        (found, visited): (&mut Vec<Box<[u8]>>, &mut usize),
    ) -> u64 {
        let Some(keyspace) = self.existing(db) else { return 0 };
        while *visited < filter.count {
            place = keyspace.scan(place, filter.count - *visited, &mut |entry| {
                *visited += 1;
                if !entry.is_lapsed(now) && wants(filter, entry) {
                    found.push(entry.key().into());
                }
            });
            if place == 0 {
                return 0;
            }
        }
        place
    }

    /// How many keys there are, and one of them.
    fn offer_key(&mut self, db: DbIndex, now: Millis, random: &mut Random, reply: &mut Reply<'_>) {
        reply.array(2);
        let Some(keyspace) = self.existing(db) else {
            reply.int(0);
            return reply.null();
        };
        reply.len_int(keyspace.len());
        for _ in 0..100 {
            match keyspace.random(random.next_u64()) {
                Some(entry) if !entry.is_lapsed(now) => return reply.bulk(entry.key()),
                Some(_) => {}
                None => break,
            }
        }
        reply.null();
    }

    fn scan_alone(&mut self, db: DbIndex, args: Args<'_>, now: Millis, reply: &mut Reply<'_>) {
        let asked = parse_cursor(args.at(1))
            .and_then(|cursor| Ok((cursor, ScanOptions::parse(args.tail(2), ScanOver::Keys)?)));
        let (cursor, filter) = match asked {
            Ok(asked) => asked,
            Err(error) => return error.write(reply),
        };
        let place = match (cursor >> PLACE_BITS) as u16 == self.id().0 {
            true => cursor & ((1 << PLACE_BITS) - 1),
            false => 0,
        };
        let (mut found, mut visited) = (Vec::new(), 0);
        let place = self.scan_from(db, place, &filter, now, (&mut found, &mut visited));
        // At its end the asking worker goes on with the next partition.
        let next = if place == 0 { 0 } else { cursor_of(self.id(), place) };
        reply.array(2);
        reply.bulk(next.to_string().as_bytes());
        reply.array(found.len());
        found.iter().for_each(|key| reply.bulk(key));
    }
}

/// The key of an entry, if a pattern matches it.
pub(crate) fn matching(pattern: &[u8], entry: &Entry) -> Option<Box<[u8]>> {
    (pattern == b"*" || glob::matches(pattern, entry.key())).then(|| entry.key().into())
}
