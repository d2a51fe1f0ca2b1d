//! Commands over whole databases: `DBSIZE`, `KEYS`, `SCAN`, `RANDOMKEY`, `FLUSHDB`, `FLUSHALL`, `SWAPDB`, and the
//! `DEBUG` commands that look at everything.
//!
//! They run with all the partitions they need at hand, borrowed if need be, so each sees one moment.

use std::collections::BTreeMap;

use base::{Args, DbIndex, PartitionId, parse_i64};
use command::{DataCommand, NodeCommand, Spec};
use engine::{Digest, Entry, ScanOptions, ScanOver, key_digest, parse_cursor};
use resp::Reply;

use crate::entry::HEADER_LEN;
use crate::gather::{Answer, Question};
use crate::partition::ROOM_PER_REQUEST;
use crate::session::Session;
use crate::slot_keys::SlotQuestion;
use crate::txn::db_of;
use crate::whole::matching;
use crate::wire::WireRequest;
use crate::worker::Worker;

/// A cursor of `SCAN` names a partition and a place in its keyspace, which stays below this.
pub(crate) const PLACE_BITS: u32 = 48;

impl Worker {
    /// Runs a command of this file for a session, once its partitions are at hand.
    pub(crate) fn start_keyspace_command(
        &mut self,
        session: &mut Session,
        command: NodeCommand,
        spec: &'static Spec,
        args: Args<'_>,
        raw: &[u8],
    ) {
        if matches!(command, NodeCommand::ClusterCountKeysInSlot | NodeCommand::ClusterGetKeysInSlot) {
            let refusal = match self.fabric.is_on {
                true => SlotQuestion::parse(command, args).err(),
                false => Some("ERR This instance has cluster support disabled"),
            };
            if let Some(refusal) = refusal {
                return Reply::new(session.output.end(), session.version).error(refusal);
            }
        }
        if self.fabric.is_spread {
            return self.start_over_fabric(session, command, spec, args, raw);
        }
        let wanted = self.partitions_of_keyspace_command(session.db, command, args);
        self.start(session, wanted, WireRequest::copy_of(args, raw));
    }

    /// The same where partitions may be led elsewhere: each answers for itself.
    fn start_over_fabric(
        &mut self,
        session: &mut Session,
        command: NodeCommand,
        spec: &'static Spec,
        args: Args<'_>,
        raw: &[u8],
    ) {
        match command {
            // Of what this node holds, on whichever of its workers.
            NodeCommand::DebugDigest => {
                let finish = |_: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| {
                    let digests = answers.into_iter().flat_map(|answer| match answer {
                        Answer::Digests(digests) => digests,
                        _ => Vec::new(),
                    });
                    reply.simple(&digest_of(digests).to_string());
                };
                self.ask(session, Question::Digests, Box::new(finish));
            }
            // As far as it is at hand here.
            NodeCommand::DebugReload => {
                let here = |id: &PartitionId| self.places[usize::from(id.0)].partition.is_some();
                let wanted = self.router.all().filter(here).collect();
                self.start(session, wanted, WireRequest::copy_of(args, raw));
            }
            _ if self.scatter_database(session, command, spec, args) => {}
            _ => {
                let name = spec.name.to_ascii_uppercase();
                let text = format!("ERR {name} is not possible while the data is spread over several nodes");
                Reply::new(session.output.end(), session.version).error(text);
            }
        }
    }

    /// The partitions such a command needs, ascending; none for any other command.
    pub(crate) fn partitions_of_keyspace_command(
        &self,
        db: DbIndex,
        command: NodeCommand,
        args: Args<'_>,
    ) -> Vec<PartitionId> {
        use NodeCommand as N;
        match command {
            N::DbSize | N::FlushDb | N::Keys | N::RandomKey => self.router.partitions_of(db).collect(),
            N::Scan => {
                // Those of one worker: the next call goes on with the next one's.
                let from = parse_cursor(args.at(1)).map_or(0, |cursor| cursor >> PLACE_BITS);
                let mut ids = self.router.partitions_of(db).filter(|id| u64::from(id.0) >= from).peekable();
                let owner = ids.peek().map(|id| self.router.owner(*id));
                ids.take_while(|id| Some(self.router.owner(*id)) == owner).collect()
            }
            N::ClusterCountKeysInSlot | N::ClusterGetKeysInSlot => SlotQuestion::parse(command, args)
                .map(|asked| asked.partition(self.router))
                .into_iter()
                .collect(),
            N::FlushAll | N::DebugDigest | N::DebugReload | N::SwapDb => self.router.all().collect(),
            _ => Vec::new(),
        }
    }

    /// Runs such a command; whether it changed something.
    pub(crate) fn run_keyspace_command(
        &mut self,
        session: &mut Session,
        command: NodeCommand,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> bool {
        use NodeCommand as N;
        let (db, version) = (session.db, session.version);
        let mut reply = Reply::new(out, version);
        match command {
            N::Watch => self.begin_watches(session, args, out),
            N::DbSize => {
                let len: usize = self.router.partitions_of(db).map(|id| self.count(id, db)).sum();
                reply.len_int(len);
            }
            N::Keys => self.keys(db, args.at(1), &mut reply),
            N::RandomKey => self.random_key(db, &mut reply),
            N::Scan => self.scan(db, args, &mut reply),
            N::FlushDb | N::FlushAll => return self.flush(db, command, args, &mut reply),
            N::ClusterCountKeysInSlot | N::ClusterGetKeysInSlot => match SlotQuestion::parse(command, args) {
                Ok(asked) => {
                    let now = self.now.millis();
                    if let Some(partition) = self.partition_mut(asked.partition(self.router)) {
                        asked.answer(partition, partition.time(now), &mut reply);
                    }
                }
                Err(refusal) => reply.error(refusal),
            },
            N::SwapDb => return self.swap_dbs(args, &mut reply),
            N::DebugDigest => reply.simple(&self.digest().to_string()),
            N::DebugReload => self.reload(&mut reply),
            _ => {}
        }
        false
    }

    fn count(&mut self, id: PartitionId, db: DbIndex) -> usize {
        self.partition_mut(id).and_then(|partition| Some(partition.existing(db)?.len())).unwrap_or(0)
    }

    /// Visits every live entry of a database.
    fn each_entry(&mut self, db: DbIndex, visit: &mut dyn FnMut(&Entry)) {
        let now = self.now.millis();
        for id in self.router.partitions_of(db) {
            let Some(partition) = self.partition_mut(id) else { continue };
            partition.each_entry(db, partition.time(now), visit);
        }
    }

    fn keys(&mut self, db: DbIndex, pattern: &[u8], reply: &mut Reply<'_>) {
        let mut found = Vec::new();
        self.each_entry(db, &mut |entry| found.extend(matching(pattern, entry)));
        reply.array(found.len());
        found.iter().for_each(|key| reply.bulk(key));
    }

    /// A partition is chosen by how many keys it has, a key within it by a random point.
    fn random_key(&mut self, db: DbIndex, reply: &mut Reply<'_>) {
        let ids: Vec<PartitionId> = self.router.partitions_of(db).collect();
        let counts: Vec<usize> = ids.iter().map(|id| self.count(*id, db)).collect();
        let total: usize = counts.iter().sum();
        // Lapsed keys are drawn again, so often that giving up means there is hardly anything else.
        for _ in 0..100 {
            let mut pick = self.random.below(total as u64) as usize;
            let Some(at) = counts.iter().position(|&count| {
                let here = pick < count;
                pick = pick.saturating_sub(count);
                here
            }) else {
                break;
            };
            let (now, point) = (self.now.millis(), self.random.next_u64());
            let Some(partition) = self.partition_mut(ids[at]) else { break };
            let now = partition.time(now);
            if let Some(entry) = partition.keyspace(db).random(point).filter(|entry| !entry.is_lapsed(now)) {
                return reply.bulk(entry.key());
            }
        }
        reply.null();
    }

    fn scan(&mut self, db: DbIndex, args: Args<'_>, reply: &mut Reply<'_>) {
        let asked = parse_cursor(args.at(1))
            .and_then(|cursor| Ok((cursor, ScanOptions::parse(args.tail(2), ScanOver::Keys)?)));
        let (cursor, filter) = match asked {
            Ok(asked) => asked,
            Err(error) => return error.write(reply),
        };
        let (mut found, mut visited) = (Vec::new(), 0);
        let next = self.scan_from(db, cursor, &filter, &mut found, &mut visited);
        reply.array(2);
        reply.bulk(next.to_string().as_bytes());
        reply.array(found.len());
        found.iter().for_each(|key| reply.bulk(key));
    }

    /// Scans partition after partition until enough was visited; the cursor to go on from, 0 at the end.
    fn scan_from(
        &mut self,
        db: DbIndex,
        cursor: u64,
        filter: &ScanOptions<'_>,
        found: &mut Vec<Box<[u8]>>,
        visited: &mut usize,
    ) -> u64 {
        let now = self.now.millis();
        let mut place = cursor & ((1 << PLACE_BITS) - 1);
        let ids: Vec<PartitionId> = self.router.partitions_of(db).collect();
        // A fresh scan starts at the database's first partition, whichever that is.
        let first = if cursor == 0 { ids[0].0 } else { (cursor >> PLACE_BITS) as u16 };
        for id in ids.into_iter().filter(|id| id.0 >= first) {
            let Some(partition) = self.partition_mut(id) else { return cursor_of(id, place) };
            if *visited >= filter.count {
                return cursor_of(id, place);
            }
            place = partition.scan_from(db, place, filter, partition.time(now), (found, visited));
            if place != 0 {
                return cursor_of(id, place);
            }
        }
        0
    }

    fn flush(&mut self, db: DbIndex, command: NodeCommand, args: Args<'_>, reply: &mut Reply<'_>) -> bool {
        let known = |word: &[u8]| word.eq_ignore_ascii_case(b"async") || word.eq_ignore_ascii_case(b"sync");
        if args.len() > 2 || args.get(1).is_some_and(|word| !known(word)) {
            reply.error("ERR syntax error");
            return false;
        }
        let wanted = |other: DbIndex| command == NodeCommand::FlushAll || other == db;
        let mut todo: Vec<(PartitionId, DbIndex)> = Vec::new();
        for id in self.router.all() {
            let Some(partition) = self.partition_mut(id) else { continue };
            let used =
                partition.keyspaces().filter(|(other, keyspace)| wanted(*other) && !keyspace.is_empty());
            todo.extend(used.map(|(other, _)| (id, other)));
        }
        // A full disk is no reason to refuse: deleting is how room is made. But it is said in the log first.
        if self.logging && !self.has_room_for(todo.len() * (HEADER_LEN + ROOM_PER_REQUEST), true) {
            reply.error(self.refusal_text());
            return false;
        }
        let mut changed = false;
        for (id, db) in todo {
            changed |= self.run_own(id, db, DataCommand::NarfFlush, &[b"narf.flush"]);
        }
        self.note_flushed();
        reply.ok();
        changed
    }

    /// Exchanges the content of two databases. Databases are placed by different rules, so keys move to other
    /// partitions: each goes through the log. Takes time in proportion to the keys of both.
    fn swap_dbs(&mut self, args: Args<'_>, reply: &mut Reply<'_>) -> bool {
        let (first, second) = match swapped_dbs(args) {
            Ok((first, second)) if first != second => (first, second),
            Ok(_) => {
                reply.ok();
                return false;
            }
            Err(text) => {
                reply.error(text);
                return false;
            }
        };
        let mut moves = Vec::new();
        for (from, to) in [(first, second), (second, first)] {
            self.each_entry(from, &mut |entry| {
                let deadline = entry.deadline().map_or(0, |deadline| deadline.0).to_string();
                let mut record = Vec::new();
                engine::encode_entry(entry, &mut record);
                moves.push((to, Box::<[u8]>::from(entry.key()), deadline, record));
            });
        }
        let len: usize = moves.iter().map(|(_, key, _, record)| key.len() + record.len() + 128).sum();
        if self.logging && (self.write_refusal.is_some() || !self.has_room(len + 64 * 1024)) {
            reply.error(self.refusal_text());
            return false;
        }
        for id in self.router.all() {
            for db in [first, second] {
                self.run_own(id, db, DataCommand::NarfFlush, &[b"narf.flush"]);
            }
        }
        let changed = !moves.is_empty();
        for (db, key, deadline, record) in moves {
            let id = self.router.partition(db, &key);
            self.run_own(id, db, DataCommand::NarfPut, &[b"narf.put", &key, deadline.as_bytes(), &record]);
        }
        reply.ok();
        changed
    }

    /// The digest of all databases as Redis computes it, the same for the same content on any number of partitions.
    fn digest(&mut self) -> Digest {
        digest_of(self.db_digests())
    }

    /// What the keys of each database that are at hand here come to; databases without any are left out.
    pub(crate) fn db_digests(&mut self) -> Vec<(DbIndex, Digest)> {
        let now = self.now.millis();
        let mut digests = Vec::new();
        for db in (0..DbIndex::COUNT).filter_map(DbIndex::new) {
            let mut keys: Option<Digest> = None;
            self.each_entry(db, &mut |entry| {
                keys.get_or_insert(Digest::ZERO).join(key_digest(entry, now));
            });
            digests.extend(keys.map(|keys| (db, keys)));
        }
        digests
    }

    /// `DEBUG RELOAD`: everything to records and back, as a checkpoint and a restart would.
    fn reload(&mut self, reply: &mut Reply<'_>) {
        for id in self.router.all() {
            let Some(partition) = self.partition_mut(id) else { continue };
            if let Err(error) = partition.reload() {
                return reply.error(format!("ERR partition {}: {error}", id.0));
            }
        }
        reply.ok();
    }
}

/// The digest of all databases, of what one or several workers have of each.
fn digest_of(parts: impl IntoIterator<Item = (DbIndex, Digest)>) -> Digest {
    let mut databases: BTreeMap<DbIndex, Digest> = BTreeMap::new();
    for (db, keys) in parts {
        databases.entry(db).or_insert(Digest::ZERO).join(keys);
    }
    let mut digest = Digest::ZERO;
    for (db, keys) in databases {
        digest.begin_db(db);
        digest.join(keys);
    }
    digest
}

/// The two databases that `SWAPDB` names.
fn swapped_dbs(args: Args<'_>) -> Result<(DbIndex, DbIndex), &'static str> {
    parse_i64(args.at(1)).ok_or("ERR invalid first DB index")?;
    parse_i64(args.at(2)).ok_or("ERR invalid second DB index")?;
    let (first, second) = (db_of(args.at(1)), db_of(args.at(2)));
    first.zip(second).ok_or("ERR DB index is out of range")
}

/// Never 0, which would read as the end: a scan stops in a partition only after it has visited something there,
/// or before the second partition at the earliest, as those of the first's owner are at hand.
pub(crate) fn cursor_of(id: PartitionId, place: u64) -> u64 {
    debug_assert!(place < 1 << PLACE_BITS, "the place leaves room for the partition");
    (u64::from(id.0) << PLACE_BITS) | place
}

pub(crate) fn wants(options: &ScanOptions<'_>, entry: &Entry) -> bool {
    let kind = |kind: &[u8]| kind.eq_ignore_ascii_case(entry.kind().name().as_bytes());
    options.takes(entry.key()) && options.kind.is_none_or(kind)
}
