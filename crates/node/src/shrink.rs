//! What a node asks of those who lead what it follows, when it uses more memory than it may.
//!
//! A replica takes memory wherever it is led from. If each node evicted from what it leads only, the one that comes to its
//! limit first, by what its clients take, say, would evict all that it leads while the others never come to theirs, and
//! refuse whatever is added to that from then on. So a node has its share of what is too much evicted in proportion, by
//! itself where it leads, and by the leaders where it follows: those are told to how many keys a partition is to shrink. That
//! is a goal and no amount, so that several followers may ask for the same, and one for the same again.
//!
//! Invariants: what was asked for counts as gone for [`ASKED_MS`] only, and never more of it than a part of the limit. Does
//! not know: which keys go (`eviction`).

use base::{Millis, PartitionId};

use crate::eviction::Sites;
use crate::partition::Partition;
use crate::peer_frame::Item;
use crate::worker::Worker;

/// For so long what leaders were asked for counts as gone; then what is still too much is asked for again.
const ASKED_MS: u64 = 20;
/// At most this part of the limit does, or so many bytes.
pub(crate) const PART_ASKED: u64 = 8;
/// See above.
const ASKED_BYTES: u64 = 64 << 10;
/// Draws of partitions for what is asked for at once.
const DRAWS: u64 = 512;

/// What leaders were asked for and may not have done yet.
#[derive(Clone, Copy, Default)]
pub(crate) struct Asked {
    bytes: u64,
    /// Steady clock.
    until: Millis,
}

impl Asked {
    pub(crate) fn bytes(self, now: Millis) -> u64 {
        if now < self.until { self.bytes } else { 0 }
    }

    fn add(&mut self, bytes: u64, now: Millis) {
        let before = self.bytes(now);
        if before == 0 {
            self.until = Millis(now.0 + ASKED_MS);
        }
        self.bytes = before + bytes;
    }
}

/// A partition that another node leads.
struct Followed {
    id: PartitionId,
    leader: u64,
    /// Keys that may go.
    keys: u64,
    /// Bytes that one takes, more or less.
    key_bytes: u64,
}

impl Worker {
    fn followed(&self) -> impl Iterator<Item = Followed> {
        // On a node by itself there is nothing to look for.
        let places = if self.fabric.is_spread { self.places.as_slice() } else { &[] };
        let partitions = places.iter().filter_map(|place| place.partition.as_deref());
        partitions.filter_map(|partition| {
            let is_led_here = partition.group.is_lone() || partition.group.is_leader();
            let leader = partition.group.leader().filter(|_| !is_led_here)?;
            let keys = self.keys_that_may_go(partition);
            (keys > 0).then(|| Followed { id: partition.id(), leader, keys, key_bytes: key_bytes(partition) })
        })
    }

    /// Keys that may go of partitions that other nodes lead.
    pub(crate) fn followed_keys(&self) -> u64 {
        self.followed().map(|followed| followed.keys).sum()
    }

    fn keys_that_may_go(&self, partition: &Partition) -> u64 {
        partition.keyspaces().map(|(_, keyspace)| self.eviction.keys_that_may_go(keyspace)).sum()
    }

    /// What a node asks others to evict at once, in bytes, at most.
    fn most_asked(&self) -> u64 {
        (self.eviction.limit() / PART_ASKED).max(ASKED_BYTES)
    }

    /// Asks the leaders of what this worker follows for their part of `share` bytes, if it leads itself so many keys that
    /// may go; how many bytes that is.
    pub(crate) fn ask_leaders(&mut self, share: u64, led: u64) -> u64 {
        let followed: Vec<Followed> = self.followed().collect();
        let keys: u64 = followed.iter().map(|followed| followed.keys).sum();
        let now = self.now.mono_millis();
        let most = self.most_asked();
        let part = (u128::from(share) * u128::from(keys) / u128::from((keys + led).max(1))) as u64;
        let wanted = part.min(most.saturating_sub(self.eviction.asked.bytes(now)));
        if wanted == 0 {
            return 0;
        }
        let bytes: u64 = followed.iter().map(|followed| followed.keys * followed.key_bytes).sum();
        let step = wanted.div_ceil((bytes / keys).max(1) * DRAWS).max(1);
        let mut go = vec![0; followed.len()];
        let mut found = 0;
        for _ in 0..2 * DRAWS {
            let mut point = self.random.below(keys);
            let drawn = followed.iter().position(|followed| {
                let is_here = point < followed.keys;
                point = point.saturating_sub(followed.keys);
                is_here
            });
            let Some(drawn) = drawn.filter(|_| found < wanted) else { break };
            go[drawn] += step;
            found += step * followed[drawn].key_bytes;
        }
        for (Followed { id, leader, keys, .. }, go) in followed.into_iter().zip(go).filter(|(_, go)| *go > 0)
        {
            self.fabric.tell(leader, &Item::Shrink { partition: id, keys: keys.saturating_sub(go) });
        }
        self.eviction.asked.add(wanted, now);
        wanted
    }

    /// A follower wants a partition to shrink to so many keys that may go. While some are about to, it asks in vain, and will
    /// ask again. One that is far behind does not know how many there are: never more goes at once than it may ask for.
    pub(crate) fn shrink(&mut self, id: PartitionId, keys: u64) {
        if !self.eviction.may_evict() {
            return;
        }
        let most = self.most_asked();
        let Some(partition) = self.partition_mut(id).filter(|p| p.group.is_leader()) else { return };
        let key_bytes = key_bytes(partition);
        let sites = Sites::of(self.evictable().filter(|(site, ..)| site.partition == id));
        let too_many = sites.keys().saturating_sub(keys);
        if too_many > 0 {
            self.acting = 0;
            self.evict(&sites, (too_many * key_bytes).min(most));
        }
    }
}

fn key_bytes(partition: &Partition) -> u64 {
    let (keys, bytes) = partition
        .keyspaces()
        .fold((0, 0), |(keys, bytes), (_, keyspace)| (keys + keyspace.len(), bytes + keyspace.memory()));
    (bytes / keys.max(1)).max(1) as u64
}
