//! What a round of checkpoints may take of a disk that has little room, and what it gives back if that was not enough.
//!
//! The round needs room before it makes any: the log goes when all partitions are written. Until then the files that it
//! has finished are there beside the log. So it leaves some of the reserve to deletes; it takes none for good unless
//! enough is left for the next round; and of a round that could not let the log go, what replaced nothing goes again.
//! Once it has found no room, only what takes no more than it replaces is written.
//!
//! Does not know: what is in the files, the log.

use base::PartitionId;

use crate::disk::Disk;
use crate::{CheckpointHeader, CheckpointWriter, Checkpoints, LogError, Rounds, SyncHandle};

/// See the module.
#[derive(Debug, Default)]
pub struct RoundRoom {
    /// Bytes that the round leaves free.
    kept: u64,
    /// A partition was not written for want of room.
    has_failed: bool,
    /// Written in this round, where there was no checkpoint before.
    fresh: Vec<PartitionId>,
}

impl RoundRoom {
    /// A round begins.
    pub fn begin(&mut self, sync: &SyncHandle) -> Result<(), LogError> {
        *self = RoundRoom { kept: sync.kept_by_checkpoints()?, ..RoundRoom::default() };
        Ok(())
    }

    /// Whether a partition found no room in this round.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// A partition found no room.
    pub fn failed(&mut self) {
        self.has_failed = true;
    }

    /// A partition has a checkpoint that came from another node, and is what its state here begins with.
    fn received(&mut self, partition: PartitionId) {
        self.fresh.retain(|fresh| *fresh != partition);
    }

    /// What the checkpoint that is begun with `header` may take. One that came from another node makes no room.
    pub fn limit(
        &self,
        writer: CheckpointWriter,
        header: &CheckpointHeader,
        (disk, sync): (&dyn Disk, &SyncHandle),
        is_received: bool,
    ) -> Result<CheckpointWriter, LogError> {
        if is_received {
            return Ok(writer.within(sync.reserved()?, u64::MAX));
        }
        let limit = match self.has_failed {
            false => u64::MAX,
            true => Checkpoints::size_before(disk, header.partition, header.index)?.unwrap_or(0),
        };
        Ok(writer.within(self.kept, limit))
    }

    /// Asked before a checkpoint is finished, which comes back if it may be. [`LogError::Full`] if it would leave too little to
    /// the next round: it is given up then.
    pub fn end(
        &mut self,
        writer: CheckpointWriter,
        (partition, index): (PartitionId, u64),
        (disk, sync): (&dyn Disk, &SyncHandle),
        is_received: bool,
    ) -> Result<CheckpointWriter, LogError> {
        if is_received {
            self.received(partition);
        } else if let Err(error) = self.check_end(writer.written(), (partition, index), (disk, sync)) {
            // What is left of it is removed at the next start at the latest.
            let _ = writer.abort();
            return Err(error);
        }
        Ok(writer)
    }

    fn check_end(
        &mut self,
        written: u64,
        (partition, index): (PartitionId, u64),
        (disk, sync): (&dyn Disk, &SyncHandle),
    ) -> Result<(), LogError> {
        let Some(before) = Checkpoints::size_before(disk, partition, index)? else {
            self.fresh.push(partition);
            return Ok(());
        };
        let (free, kept) = (sync.space()?.free, sync.reserved()? / 2);
        if written > before && free.saturating_add(before) < kept {
            return Err(LogError::Full { needed: written - before, free, kept });
        }
        Ok(())
    }

    /// The round is over and could not let the log go.
    pub fn take_back(&mut self, disk: &dyn Disk, rounds: &mut Rounds) -> Result<(), LogError> {
        for partition in std::mem::take(&mut self.fresh) {
            rounds.taken_back(partition);
            Checkpoints::remove_all(disk, partition)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use base::{Millis, NodeId, WorkerId};

    use super::*;
    use crate::{Log, LogOptions, MemoryDisk, Position};

    /// The reserve is 8 KiB, the file of a checkpoint that holds nothing 200 bytes or so.
    const CAPACITY: u64 = 64 << 10;

    struct World {
        disk: MemoryDisk,
        sync: SyncHandle,
        rounds: Rounds,
        room: RoundRoom,
        index: u64,
        filler: u64,
    }

    impl World {
        fn new() -> World {
            let disk = MemoryDisk::new();
            let options = LogOptions { segment_bytes: 4096, ..LogOptions::new(1) };
            let (log, _) =
                Log::open(Arc::new(disk.clone()), options, &mut |_, _| Ok(()), &mut |_, _| {}).unwrap();
            disk.set_capacity(CAPACITY);
            let sync = log.sync_handle();
            let (rounds, room) = (Rounds::new(1, BTreeMap::new(), Position(0)), RoundRoom::default());
            World { disk, sync, rounds, room, index: 0, filler: 0 }
        }

        /// So much is free from now on.
        fn leave(&mut self, free: u64) {
            self.disk.put("filler", Vec::new());
            self.filler = CAPACITY - self.disk.used() - free;
            self.disk.put("filler", vec![0; self.filler as usize]);
        }

        fn free(&self) -> u64 {
            self.disk.space().unwrap().free
        }

        fn write(&mut self, partition: u16, len: usize) -> Result<(), LogError> {
            let partition = PartitionId(partition);
            let (disk, index) = (Arc::new(self.disk.clone()), self.index);
            let header = CheckpointHeader {
                node: NodeId(1),
                partition,
                index,
                term: 1,
                position: Position(index),
                key_hash_seed: 1,
                wall_us: Millis(1).0,
            };
            let writer = CheckpointWriter::create(disk, &header)?;
            let with = (&self.disk as &dyn Disk, &self.sync);
            let mut writer = self.room.limit(writer, &header, with, false)?;
            let written = writer.chunk(&vec![1; len]);
            let written =
                written.and_then(|()| self.room.check_end(writer.written(), (partition, index), with));
            if let Err(error) = written {
                writer.abort()?;
                return Err(error);
            }
            writer.finish()?;
            self.rounds.written(partition, Position(index), false);
            Checkpoints::remove_older(&self.disk, partition, index)?;
            Ok(())
        }

        /// A round over partitions of these sizes; which were written, and whether the log may go.
        fn round(&mut self, sizes: &[usize]) -> (Vec<usize>, bool) {
            self.index += 10;
            self.room.begin(&self.sync).unwrap();
            self.rounds.begin(WorkerId(0), Position(self.index));
            let mut done = Vec::new();
            for (partition, len) in sizes.iter().enumerate() {
                match self.write(partition as u16, *len) {
                    Ok(()) => done.push(partition),
                    Err(error) => {
                        assert!(error.is_full(), "{error}");
                        self.room.failed();
                    }
                }
            }
            let held = (0..sizes.len()).map(|partition| PartitionId(partition as u16)).collect();
            let cut = self.rounds.end(WorkerId(0), held, &[]);
            if cut.is_none() {
                self.room.take_back(&self.disk, &mut self.rounds).unwrap();
            }
            (done, cut.is_some())
        }
    }

    #[test]
    fn a_round_that_finds_no_room_leaves_the_reserve_as_it_was() {
        let mut world = World::new();
        world.leave(8 << 10);
        for _ in 0..3 {
            assert_eq!(
                world.round(&[2000, 2000, 2000, 100]),
                (vec![0, 1], false),
                "none is tried after that"
            );
            assert_eq!(world.free(), 8 << 10);
        }
        assert_eq!(world.round(&[2000, 2000, 100, 100]), (vec![0, 1, 2, 3], true), "something was deleted");
    }

    #[test]
    fn what_shrinks_is_written_though_what_grows_is_not() {
        let mut world = World::new();
        world.leave(16 << 10);
        assert_eq!(world.round(&[3000, 3000]), (vec![0, 1], true));
        world.leave(8 << 10);
        assert_eq!(world.round(&[6500, 1000]), (vec![1], true), "from where the other is needed");
        assert!(world.free() > 8 << 10);
        assert_eq!(world.round(&[5000, 1000]), (vec![0, 1], true));
    }

    #[test]
    fn nothing_grows_into_the_room_that_the_next_round_needs() {
        let mut world = World::new();
        world.leave(16 << 10);
        assert_eq!(world.round(&[1000, 1000, 1000]), (vec![0, 1, 2], true));
        world.leave(8 << 10);
        for _ in 0..4 {
            world.round(&[3000, 3000, 3000]);
            assert!(world.free() >= 4 << 10, "{} bytes are left", world.free());
        }
        assert_eq!(world.round(&[500, 500, 500]), (vec![0, 1, 2], true), "so it comes out again");
    }

    #[test]
    fn deletes_may_use_up_most_of_the_reserve_and_leave_enough_for_what_they_leave() {
        let mut world = World::new();
        world.leave(512);
        assert_eq!(world.round(&[20]), (vec![0], true));
    }
}
