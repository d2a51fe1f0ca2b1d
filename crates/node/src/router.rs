//! Which partition holds a key, and which worker owns a partition.
//!
//! Database 0 is cut into runs of slots, one a partition. Databases 1 to 15 each live whole in one partition,
//! so that whatever needs several keys at once works in them on any number of nodes.

use base::{DbIndex, PartitionId, Slot, WorkerId, slot_of};

/// The map of one node. Plain arithmetic, so that looking is free; a cluster puts its table here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Router {
    partitions: u16,
    workers: u16,
}

impl Router {
    /// A map of `partitions` over `workers`; both at least 1, and no more partitions than slots.
    pub fn new(partitions: u16, workers: u16) -> Router {
        Router { partitions: partitions.clamp(1, Slot::COUNT), workers: workers.max(1) }
    }

    /// How many partitions there are.
    pub fn partitions(&self) -> u16 {
        self.partitions
    }

    /// How many workers there are.
    pub fn workers(&self) -> u16 {
        self.workers
    }

    /// Every partition, ascending.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = PartitionId> + use<> {
        (0..self.partitions).map(PartitionId)
    }

    /// The partition of a key.
    #[inline]
    pub fn partition(&self, db: DbIndex, key: &[u8]) -> PartitionId {
        match db.number() {
            0 => self.partition_of_slot(slot_of(key)),
            _ => self.partition_of_db(db),
        }
    }

    /// The partition of a slot of database 0. Runs are as equal as they can be.
    #[inline]
    pub fn partition_of_slot(&self, slot: Slot) -> PartitionId {
        let scaled = u32::from(slot.number()) * u32::from(self.partitions) / u32::from(Slot::COUNT);
        PartitionId(scaled as u16)
    }

    /// The first and the last slot of a partition.
    pub fn slots_of(&self, id: PartitionId) -> (u16, u16) {
        let (count, partitions) = (u32::from(Slot::COUNT), u32::from(self.partitions));
        let first = |number: u32| (number * count).div_ceil(partitions);
        (first(u32::from(id.0)) as u16, (first(u32::from(id.0) + 1) - 1) as u16)
    }

    /// The one partition of a database other than 0, spread so that they do not pile up.
    pub fn partition_of_db(&self, db: DbIndex) -> PartitionId {
        let scaled = u32::from(db.number()) * u32::from(self.partitions) / u32::from(DbIndex::COUNT);
        PartitionId(scaled as u16)
    }

    /// The partitions that hold keys of a database, ascending.
    pub fn partitions_of(&self, db: DbIndex) -> impl DoubleEndedIterator<Item = PartitionId> + use<> {
        let (first, last) = match db.number() {
            0 => (0, self.partitions - 1),
            _ => (self.partition_of_db(db).0, self.partition_of_db(db).0),
        };
        (first..=last).map(PartitionId)
    }

    /// The worker that owns a partition. Runs of partitions, so that ascending partitions are ascending workers:
    /// borrowing in that order cannot deadlock.
    #[inline]
    pub fn owner(&self, partition: PartitionId) -> WorkerId {
        let scaled = u32::from(partition.0) * u32::from(self.workers) / u32::from(self.partitions);
        WorkerId(scaled as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_spread_evenly_and_in_runs() {
        for partitions in [1, 2, 3, 64, 100, 16384] {
            let router = Router::new(partitions, 4);
            let mut counts = vec![0u32; usize::from(partitions)];
            let mut last = 0;
            for slot in 0..Slot::COUNT {
                let partition = router.partition_of_slot(Slot::wrapping(slot)).0;
                assert!(partition >= last, "partitions are runs of slots");
                last = partition;
                counts[usize::from(partition)] += 1;
            }
            let (min, max) = (counts.iter().min(), counts.iter().max());
            assert!(max.zip(min).is_some_and(|(max, min)| max - min <= 1), "{partitions}: {min:?} {max:?}");
        }
    }

    #[test]
    fn owners_ascend_with_partitions_and_each_worker_has_some() {
        let router = Router::new(64, 3);
        let owners: Vec<_> = router.all().map(|p| router.owner(p)).collect();
        assert!(owners.is_sorted());
        assert!((0..3).all(|w| owners.contains(&WorkerId(w))));
    }

    #[test]
    fn a_numbered_database_has_one_partition() {
        let router = Router::new(64, 2);
        let db = DbIndex::new(3).unwrap();
        assert_eq!(router.partitions_of(db).count(), 1);
        assert_eq!(router.partition(db, b"a"), router.partition(db, b"b"));
        assert_eq!(router.partitions_of(DbIndex::ZERO).count(), 64);
    }
}
