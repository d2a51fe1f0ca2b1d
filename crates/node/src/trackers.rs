//! Who has read which keys of a partition and is to be told when they change: the side of the partition.
//!
//! A read of a client that tracks is noted where it ran: at the partition's leader, or, for a client that takes what may
//! be old, at the replica that it was read from. Whatever changes the key there, a request or an applied entry, makes a
//! notice for each who has read it, and forgets them: who reads the key again is noted again. Who cannot be told of
//! single keys any more, for nobody serves the partition here from now on, is told to forget all.
//!
//! Invariants: keyspaces note changes exactly while someone wants to know of them; `order` names each key of its table
//! once. Does not know: sessions, how a notice travels.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::{Args, ConnId, DbIndex, HashMap, WorkerId};

use crate::errand::{Answers, ErrandHead};
use crate::partition::Partition;
use crate::session::SessionRef;

/// A client that reads: a session of a worker of a node, which is zero for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reader {
    pub(crate) node: u64,
    pub(crate) worker: u16,
    conn: u64,
    token: u32,
}

impl Reader {
    pub(crate) fn new(node: u64, worker: WorkerId, at: SessionRef) -> Reader {
        Reader { node, worker: worker.0, conn: at.conn.0, token: at.token }
    }

    /// Its session, on its worker.
    pub(crate) fn at(&self) -> SessionRef {
        SessionRef { token: self.token, conn: ConnId(self.conn) }
    }

    /// Whether a request of client `who` is its own.
    fn is(&self, who: u64) -> bool {
        who == who_of(self.node, self.conn)
    }
}

/// How a client of a node is known to other nodes.
pub(crate) fn who_of(node: u64, conn: u64) -> u64 {
    conn ^ node.rotate_left(17)
}

/// What one reader is to be told.
pub(crate) struct Notice {
    pub(crate) reader: Reader,
    /// All keys, if none is named.
    pub(crate) key: Option<Arc<[u8]>>,
    /// The reader changed it.
    pub(crate) is_own: bool,
}

/// What has happened, to be taken by the worker.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) notices: Vec<Notice>,
    /// For those who listen to all changes: the key, and who changed it; no key if all were deleted.
    pub(crate) broadcast: Vec<(Option<Box<[u8]>>, u64)>,
}

impl Told {
    pub(crate) fn is_empty(&self) -> bool {
        self.notices.is_empty() && self.broadcast.is_empty()
    }
}

/// Who has read a key.
enum Readers {
    One(Reader),
    Many(BTreeSet<Reader>),
}

struct Tracked {
    /// Where the key is in `order`.
    place: usize,
    readers: Readers,
}

/// The keys of one database that were read.
#[derive(Default)]
struct Table {
    keys: HashMap<Arc<[u8]>, Tracked>,
    /// The same keys, to draw from.
    order: Vec<Arc<[u8]>>,
}

impl Table {
    /// Whether it is a new item.
    fn add(&mut self, key: &[u8], reader: Reader) -> bool {
        let Some(tracked) = self.keys.get_mut(key) else {
            let key: Arc<[u8]> = key.into();
            let tracked = Tracked { place: self.order.len(), readers: Readers::One(reader) };
            self.order.push(Arc::clone(&key));
            self.keys.insert(key, tracked);
            return true;
        };
        match &mut tracked.readers {
            Readers::One(only) if *only == reader => false,
            Readers::One(only) => {
                tracked.readers = Readers::Many(BTreeSet::from([*only, reader]));
                true
            }
            Readers::Many(readers) => readers.insert(reader),
        }
    }

    fn remove(&mut self, key: &[u8]) -> Option<(Arc<[u8]>, Readers)> {
        let (key, Tracked { place, readers }) = self.keys.remove_entry(key)?;
        self.order.swap_remove(place);
        if let Some(moved) = self.order.get(place)
            && let Some(tracked) = self.keys.get_mut(moved)
        {
            tracked.place = place;
        }
        Some((key, readers))
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Trackers {
    tables: Vec<(DbIndex, Table)>,
    keys: usize,
    items: usize,
    /// What of that the worker has counted.
    counted: (usize, usize),
    /// Someone listens to all changes.
    is_broadcast: bool,
    told: Told,
}

impl Trackers {
    /// Whether someone wants to know of changes.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.keys > 0 || self.is_broadcast
    }

    /// Whether its worker is to look at it.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        self.is_on() || !self.told.is_empty()
    }

    /// How many keys there were when this was last asked, and are now; the same of their readers in all.
    pub(crate) fn count(&mut self) -> [(usize, usize); 2] {
        let now = (self.keys, self.items);
        let before = std::mem::replace(&mut self.counted, now);
        [(before.0, now.0), (before.1, now.1)]
    }

    fn add(&mut self, db: DbIndex, key: &[u8], reader: Reader) {
        let at = self.tables.iter().position(|(other, _)| *other == db).unwrap_or_else(|| {
            self.tables.push((db, Table::default()));
            self.tables.len() - 1
        });
        let table = &mut self.tables[at].1;
        let before = table.order.len();
        self.items += usize::from(table.add(key, reader));
        self.keys += table.order.len() - before;
    }

    /// A key has changed: whoever has read it is told.
    fn changed(&mut self, db: DbIndex, key: &[u8], by: u64) {
        let table = self.tables.iter_mut().find(|(other, _)| *other == db);
        let Some((key, readers)) = table.and_then(|(_, table)| table.remove(key)) else { return };
        self.keys -= 1;
        let mut tell = |reader: Reader| {
            self.items -= 1;
            let is_own = by != 0 && reader.is(by);
            self.told.notices.push(Notice { reader, key: Some(Arc::clone(&key)), is_own });
        };
        match readers {
            Readers::One(reader) => tell(reader),
            Readers::Many(readers) => readers.into_iter().for_each(tell),
        }
    }

    /// All keys of a database, or of all, are to be forgotten by those who have read any.
    fn forget(&mut self, db: Option<DbIndex>) {
        let mut all = BTreeSet::new();
        for (_, table) in self.tables.extract_if(.., |(other, _)| db.is_none_or(|db| db == *other)) {
            self.keys -= table.order.len();
            for Tracked { readers, .. } in table.keys.into_values() {
                match readers {
                    Readers::One(reader) => {
                        self.items -= 1;
                        all.insert(reader);
                    }
                    Readers::Many(mut readers) => {
                        self.items -= readers.len();
                        all.append(&mut readers);
                    }
                }
            }
        }
        let notice = |reader| Notice { reader, key: None, is_own: false };
        self.told.notices.extend(all.into_iter().map(notice));
    }

    /// What has happened since this was last asked.
    pub(crate) fn take_told(&mut self) -> Told {
        std::mem::take(&mut self.told)
    }
}

impl Partition {
    /// Notes what a client has read, if it was a read and the client keeps it.
    #[inline]
    pub(crate) fn note_read(&mut self, head: &ErrandHead, args: Args<'_>) {
        if let Some(reader) = head.reader.filter(|_| head.spec.is_read_only()) {
            head.spec.keys_of(args).for_each(|at| self.track(reader, head.db, args.at(at)));
        }
    }

    /// Notes that a client has read a key.
    pub(crate) fn track(&mut self, reader: Reader, db: DbIndex, key: &[u8]) {
        let was_on = self.trackers.is_on();
        self.trackers.add(db, key, reader);
        if !was_on {
            self.note_changes();
        }
    }

    /// Someone listens to all changes, or no longer.
    pub(crate) fn set_broadcast(&mut self, on: bool) {
        if self.trackers.is_broadcast != on {
            self.trackers.is_broadcast = on;
            self.note_changes();
        }
    }

    /// Has keyspaces note changes, if someone wants to know.
    pub(crate) fn note_changes(&mut self) {
        let on = self.trackers.is_on();
        self.keyspaces_mut().for_each(|(_, keyspace)| keyspace.note_changes(on));
    }

    /// Makes notices of what a request of client `by` has changed; zero if it was nobody's.
    #[inline]
    pub(crate) fn settle_changes(&mut self, by: u64) {
        if self.trackers.is_on() {
            self.make_notices(by);
        }
    }

    #[cold]
    fn make_notices(&mut self, by: u64) {
        let mut trackers = std::mem::take(&mut self.trackers);
        let was_on = trackers.is_on();
        // Those who listen to all changes are told by whoever serves the partition.
        let tells_all = trackers.is_broadcast && (self.group.is_lone() || self.group.is_leader());
        for (db, keyspace) in self.keyspaces_mut().filter(|(_, keyspace)| keyspace.has_noted()) {
            let is_cleared = keyspace.take_noted(&mut |key| {
                trackers.changed(db, key, by);
                if tells_all {
                    trackers.told.broadcast.push((Some(key.into()), by));
                }
            });
            if is_cleared {
                trackers.forget(Some(db));
                if tells_all {
                    trackers.told.broadcast.push((None, 0));
                }
            }
        }
        self.trackers = trackers;
        if was_on != self.trackers.is_on() {
            self.note_changes();
        }
    }

    /// Forgets a key that was read, chosen by `point`, as if it had changed; false if there is none.
    pub(crate) fn drop_tracked(&mut self, point: u64) -> bool {
        let point = point % (self.trackers.keys.max(1) as u64);
        let mut left = point as usize;
        let chosen = self.trackers.tables.iter().find_map(|(db, table)| match table.order.get(left) {
            Some(key) => Some((*db, Arc::clone(key))),
            None => {
                left -= table.order.len();
                None
            }
        });
        let Some((db, key)) = chosen else { return false };
        self.trackers.changed(db, &key, 0);
        if !self.trackers.is_on() {
            self.note_changes();
        }
        true
    }

    /// Nobody is served here from now on: who waits registers elsewhere, who has read anything forgets all.
    pub(crate) fn send_away(&mut self, answers: &mut Answers) {
        self.send_waiters_away(answers);
        self.send_trackers_away();
    }

    /// Nobody is told of changes here from now on: who has read anything forgets all.
    pub(crate) fn send_trackers_away(&mut self) {
        let was_on = self.trackers.is_on();
        self.trackers.forget(None);
        if was_on && !self.trackers.is_on() {
            self.note_changes();
        }
    }
}

#[cfg(test)]
mod tests {
    use base::Random;

    use super::*;

    fn reader(node: u64, conn: u64) -> Reader {
        Reader::new(node, WorkerId(1), SessionRef { token: 3, conn: ConnId(conn) })
    }

    fn told(trackers: &mut Trackers) -> Vec<(u64, Option<String>, bool)> {
        let show = |notice: Notice| {
            let key = notice.key.map(|key| String::from_utf8_lossy(&key).into_owned());
            (notice.reader.at().conn.0, key, notice.is_own)
        };
        trackers.take_told().notices.into_iter().map(show).collect()
    }

    #[test]
    fn who_has_read_a_key_is_told_of_its_next_change_and_of_no_other() {
        let mut trackers = Trackers::default();
        let k = || Some("k".to_owned());
        for conn in [2, 1, 2] {
            trackers.add(DbIndex::ZERO, b"k", reader(0, conn));
        }
        assert_eq!((trackers.keys, trackers.items), (1, 2));
        trackers.changed(DbIndex::new(1).unwrap(), b"k", 0);
        trackers.changed(DbIndex::ZERO, b"other", 0);
        assert!(told(&mut trackers).is_empty());
        trackers.changed(DbIndex::ZERO, b"k", 2);
        trackers.changed(DbIndex::ZERO, b"k", 2);
        assert_eq!(told(&mut trackers), [(1, k(), false), (2, k(), true)]);
        assert!(!trackers.is_on());
        trackers.add(DbIndex::ZERO, b"k", reader(77, 2));
        trackers.changed(DbIndex::ZERO, b"k", who_of(77, 2));
        assert_eq!(told(&mut trackers), [(2, k(), true)], "known by its node");
    }

    #[test]
    fn a_deleted_database_is_forgotten_once_by_each_who_read_of_it() {
        let mut trackers = Trackers::default();
        for (db, key, conn) in [(0, "a", 1), (0, "b", 1), (0, "b", 2), (1, "a", 3)] {
            trackers.add(DbIndex::new(db).unwrap(), key.as_bytes(), reader(0, conn));
        }
        trackers.forget(Some(DbIndex::ZERO));
        assert_eq!(told(&mut trackers), [(1, None, false), (2, None, false)]);
        assert_eq!((trackers.keys, trackers.items), (1, 1));
        trackers.forget(None);
        assert_eq!(told(&mut trackers), [(3, None, false)]);
        assert_eq!((trackers.keys, trackers.items), (0, 0));
    }

    /// The counts and the order stay those of a plain model.
    #[test]
    fn the_table_is_what_a_list_of_pairs_would_be() {
        let (mut random, mut trackers) = (Random::new(5), Trackers::default());
        let mut model: BTreeSet<(u64, u64)> = BTreeSet::new();
        for _ in 0..20_000 {
            let (key, conn) = (random.below(30), random.below(6) + 1);
            let name = key.to_string();
            if random.chance(2, 3) {
                trackers.add(DbIndex::ZERO, name.as_bytes(), reader(0, conn));
                model.insert((key, conn));
            } else {
                trackers.changed(DbIndex::ZERO, name.as_bytes(), 0);
                let expected: Vec<u64> = model.iter().filter(|(k, _)| *k == key).map(|(_, c)| *c).collect();
                let told: Vec<u64> = told(&mut trackers).into_iter().map(|(conn, ..)| conn).collect();
                assert_eq!(told, expected);
                model.retain(|(other, _)| *other != key);
            }
            let keys: BTreeSet<u64> = model.iter().map(|(key, _)| *key).collect();
            assert_eq!((trackers.keys, trackers.items), (keys.len(), model.len()));
            for (_, table) in &trackers.tables {
                for (place, key) in table.order.iter().enumerate() {
                    assert_eq!(table.keys[key].place, place);
                }
            }
        }
    }
}
