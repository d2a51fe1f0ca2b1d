//! What one worker tells of itself, for `INFO` and for metrics, and what all of them come to.

use base::{HashMap, Millis};
use engine::{Keyspace, Kind, KindSum};

use super::Stats;
use crate::checkpoint::CheckpointFigures;
use crate::eviction::Uncounted;

/// Keys of one database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DbCount {
    /// How many keys.
    pub keys: u64,
    /// How many of them have a deadline.
    pub deadlines: u64,
    /// The sum of their deadlines, in milliseconds since the Unix epoch.
    pub deadline_sum: u128,
    /// Keys and their bytes by type, in the order of [`Kind::ALL`].
    pub kinds: [KindSum; Kind::ALL.len()],
}

impl DbCount {
    /// Milliseconds that keys with a deadline have left on average; zero if there are none.
    pub(crate) fn mean_ttl(&self, now: Millis) -> u64 {
        let mean = self.deadline_sum.checked_div(u128::from(self.deadlines)).unwrap_or(0);
        u64::try_from(mean).unwrap_or(u64::MAX).saturating_sub(now.0)
    }

    /// Those of another part of the database.
    fn add(&mut self, other: &DbCount) {
        self.keys += other.keys;
        self.deadlines += other.deadlines;
        self.deadline_sum += other.deadline_sum;
        for (mine, theirs) in self.kinds.iter_mut().zip(other.kinds) {
            mine.keys += theirs.keys;
            mine.bytes += theirs.bytes;
        }
    }

    /// What a keyspace holds.
    pub(crate) fn add_keyspace(&mut self, keyspace: &Keyspace) {
        self.add(&DbCount {
            keys: keyspace.len() as u64,
            deadlines: keyspace.deadlines() as u64,
            deadline_sum: keyspace.deadline_sum(),
            kinds: keyspace.kinds(),
        });
    }
}

/// What one worker contributes to `INFO`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Its counters.
    pub stats: Stats,
    /// Its clients.
    pub clients: u64,
    /// Of those, subscribed ones.
    pub pubsub_clients: u64,
    /// Of those, waiting for a key or for replicas.
    pub blocked_clients: u64,
    /// Of those, told of changes of keys.
    pub tracking_clients: u64,
    /// Of those, in a transaction that watches.
    pub watching_clients: u64,
    /// Largest input and output buffers.
    pub largest_buffers: (u64, u64),
    /// Bytes of all client buffers.
    pub client_bytes: u64,
    /// Bytes of keys and values.
    pub data_bytes: u64,
    /// Sessions of clients that partitions know, one that several know counted in each, and what they keep of them.
    pub client_sessions: u64,
    /// Bytes of what they keep of them.
    pub client_session_bytes: u64,
    /// Bytes that the limit of memory is not about.
    pub uncounted: Uncounted,
    /// How long, in milliseconds, more memory has been used than may be, and how long in all; of the worker to which it
    /// happened longest.
    pub exceeded_ms: (u64, u64),
    /// Reads that found their key, and that did not.
    pub lookups: (u64, u64),
    /// Keys by database.
    pub dbs: HashMap<u8, DbCount>,
    /// Entries in the slow log.
    pub slow: u64,
    /// Partitions of its own.
    pub partitions: u64,
    /// How it fares with checkpoints.
    pub checkpoint: CheckpointFigures,
    /// Values, keys and fields that wait to be freed in slices, and that were.
    pub lazy: (u64, u64),
    /// Ways to workers of other nodes that are up, and bytes that wait to be sent there.
    pub peer_links: (u64, u64),
    /// Of the clients, those that wait until a time at most.
    pub timed_clients: u64,
    /// Sum of the indexes of all its groups.
    pub entries: u64,
}

impl Snapshot {
    /// Keys of all databases.
    pub(crate) fn keys(&self) -> u64 {
        self.dbs.values().map(|count| count.keys).sum()
    }

    /// Adds another worker's counters.
    pub(crate) fn add(&mut self, other: &Snapshot) {
        self.stats.add(&other.stats);
        self.clients += other.clients;
        self.pubsub_clients += other.pubsub_clients;
        self.blocked_clients += other.blocked_clients;
        self.tracking_clients += other.tracking_clients;
        self.watching_clients += other.watching_clients;
        self.largest_buffers.0 = self.largest_buffers.0.max(other.largest_buffers.0);
        self.largest_buffers.1 = self.largest_buffers.1.max(other.largest_buffers.1);
        self.client_bytes += other.client_bytes;
        self.data_bytes += other.data_bytes;
        self.client_sessions += other.client_sessions;
        self.client_session_bytes += other.client_session_bytes;
        self.uncounted.add(other.uncounted);
        self.exceeded_ms.0 = self.exceeded_ms.0.max(other.exceeded_ms.0);
        self.exceeded_ms.1 = self.exceeded_ms.1.max(other.exceeded_ms.1);
        self.lookups.0 += other.lookups.0;
        self.lookups.1 += other.lookups.1;
        self.slow += other.slow;
        self.partitions += other.partitions;
        self.checkpoint.add(&other.checkpoint);
        self.lazy.0 += other.lazy.0;
        self.lazy.1 += other.lazy.1;
        self.timed_clients += other.timed_clients;
        self.peer_links.0 += other.peer_links.0;
        self.peer_links.1 += other.peer_links.1;
        self.entries += other.entries;
        for (db, count) in &other.dbs {
            self.dbs.entry(*db).or_default().add(count);
        }
    }
}
