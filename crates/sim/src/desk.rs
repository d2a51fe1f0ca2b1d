//! What the server's disk thread does: syncs, checkpoint files, upkeep, and the log's retention.
//!
//! Its jobs wait for as long as the seed says. Invariants: a checkpoint counts only after the log before it is on
//! stable storage; a disk that is full delays checkpoints, any other failure ends the life.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use base::{PartitionId, WorkerId};
use log::{CheckpointHeader, CheckpointWriter, Checkpoints, Disk, LogError, NodeMeta, Position, SyncHandle};
use node::CheckpointWrite;

use crate::life::{Around, Item};

/// Something for the disk's side.
pub(crate) enum DiskJob {
    /// Sync now: someone waits.
    Sync,
    /// Part of a checkpoint. `position`: where the log stood before the turn that wrote this.
    Checkpoint { from: WorkerId, position: Position, write: CheckpointWrite },
}

/// Something for one worker, or for all; made as often as it is needed.
pub(crate) type Post = (Option<WorkerId>, Box<dyn Fn() -> Item>);

/// The disk thread's state.
pub(crate) struct Desk {
    pub(crate) jobs: VecDeque<DiskJob>,
    disk: Arc<dyn Disk>,
    sync: SyncHandle,
    meta: NodeMeta,
    writers: BTreeMap<PartitionId, Writing>,
    needed_from: BTreeMap<PartitionId, Position>,
    last_round: Position,
    round_open: u16,
    /// Up to where workers were told that the log is on stable storage.
    told: Position,
    next_sync_us: u64,
    /// Steady clock: its thread gets no processor before.
    pub(crate) frozen_until_us: u64,
    interval_us: u64,
    checkpoint_log_size: u64,
}

struct Writing {
    writer: CheckpointWriter,
    index: u64,
    position: Position,
}

impl Desk {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        sync: SyncHandle,
        meta: NodeMeta,
        needed_from: BTreeMap<PartitionId, Position>,
        interval_us: u64,
        checkpoint_log_size: u64,
    ) -> Desk {
        Desk {
            jobs: VecDeque::new(),
            last_round: needed_from.values().copied().max().unwrap_or(Position(0)),
            told: sync.synced(),
            disk,
            sync,
            meta,
            writers: BTreeMap::new(),
            needed_from,
            round_open: 0,
            next_sync_us: 0,
            frozen_until_us: 0,
            interval_us,
            checkpoint_log_size,
        }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Works off what is there; what workers are to be told.
    pub(crate) fn run(&mut self, around: &mut Around<'_>) -> Result<Vec<Post>, LogError> {
        let mut posts: Vec<Post> = Vec::new();
        let mut wants_sync = false;
        for job in std::mem::take(&mut self.jobs) {
            match job {
                DiskJob::Sync => wants_sync = true,
                DiskJob::Checkpoint { from, position, write } => {
                    self.write(from, position, write, &mut posts, around)?;
                }
            }
        }
        let due = around.now.mono_us >= self.next_sync_us;
        if wants_sync || due {
            self.sync_log(due, &mut posts)?;
        }
        if due {
            self.next_sync_us = around.now.mono_us + self.interval_us;
            self.begin_round_if_due(&mut posts);
        }
        Ok(posts)
    }

    fn sync_log(&mut self, with_upkeep: bool, posts: &mut Vec<Post>) -> Result<(), LogError> {
        let synced = self.sync.sync()?;
        if synced > self.told {
            self.told = synced;
            posts.push((None, Box::new(move || Item::Synced(synced))));
        }
        if with_upkeep {
            self.sync.mark_durable()?;
            match self.sync.maintain() {
                Ok(_) => {}
                Err(error) if error.is_full() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn begin_round_if_due(&mut self, posts: &mut Vec<Post>) {
        let grown = self.sync.written().0.saturating_sub(self.last_round.0);
        if self.round_open == 0 && grown > self.checkpoint_log_size {
            posts.push((None, Box::new(|| Item::BeginCheckpoint)));
            self.last_round = self.sync.written();
        }
    }

    fn write(
        &mut self,
        from: WorkerId,
        position: Position,
        write: CheckpointWrite,
        posts: &mut Vec<Post>,
        around: &mut Around<'_>,
    ) -> Result<(), LogError> {
        let (partition, result) = match write {
            CheckpointWrite::Begin { partition, index, term, time, .. } => {
                (partition, self.begin(partition, (index, term), position, time.0 * 1000))
            }
            CheckpointWrite::Chunk { partition, bytes } => (partition, self.chunk(partition, &bytes)),
            CheckpointWrite::End { partition } => {
                let result = self.end(partition, around);
                posts.push((Some(from), Box::new(move || Item::CheckpointDone(partition))));
                (partition, result)
            }
        };
        match result {
            Err(error) if error.is_full() => {
                around
                    .trace
                    .note(around.now.mono_us, format_args!("no room for the checkpoint of {partition:?}"));
                if let Some(writing) = self.writers.remove(&partition) {
                    // What is left of it is removed at the next start at the latest.
                    let _ = writing.writer.abort();
                }
                Ok(())
            }
            result => result,
        }
    }

    fn begin(
        &mut self,
        partition: PartitionId,
        (index, term): (u64, u64),
        position: Position,
        wall_us: u64,
    ) -> Result<(), LogError> {
        if self.round_open == 0 {
            self.round_open = self.meta.partitions;
            self.last_round = self.sync.written();
        }
        let header = CheckpointHeader {
            node: self.meta.node_id,
            partition,
            index,
            term,
            position,
            key_hash_seed: self.meta.key_hash_seed,
            wall_us,
        };
        let writer = CheckpointWriter::create(Arc::clone(&self.disk), &header)?;
        self.writers.insert(partition, Writing { writer, index, position });
        Ok(())
    }

    fn chunk(&mut self, partition: PartitionId, bytes: &[u8]) -> Result<(), LogError> {
        match self.writers.get_mut(&partition) {
            Some(writing) => writing.writer.chunk(bytes),
            // The disk was full: the rest of that checkpoint is dropped.
            None => Ok(()),
        }
    }

    fn end(&mut self, partition: PartitionId, around: &mut Around<'_>) -> Result<(), LogError> {
        self.round_open = self.round_open.saturating_sub(1);
        if let Some(Writing { writer, index, position }) = self.writers.remove(&partition) {
            // The file must not be ahead of what a power loss leaves of the log.
            self.sync.sync()?;
            writer.finish()?;
            self.needed_from.insert(partition, position);
            Checkpoints::remove_older(&*self.disk, partition, index)?;
            around
                .trace
                .note(around.now.mono_us, format_args!("checkpoint of {partition:?} at entry {index}"));
        }
        if self.round_open == 0 && self.needed_from.len() == usize::from(self.meta.partitions) {
            let needed = self.needed_from.values().copied().min().unwrap_or(Position(0));
            let segments = self.sync.cut_before(needed)?;
            around
                .trace
                .note(around.now.mono_us, format_args!("{segments} segments before {needed} removed"));
        }
        Ok(())
    }
}
