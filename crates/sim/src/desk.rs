//! What the server's disk thread does: syncs, checkpoint files, upkeep, and the log's retention.
//!
//! Its jobs wait for as long as the seed says. Invariants: a checkpoint counts only after the log before it is on
//! stable storage; a checkpoint for which there is no room is given up and tried again, any other failure ends the life.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use base::{PartitionId, WorkerId};
use log::{
    CheckpointHeader, CheckpointWriter, Checkpoints, Disk, LogError, Look, NodeMeta, Position, RoundRoom,
    Rounds, Schedule, SyncHandle,
};
use node::{CheckpointDone, CheckpointWrite};

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
    rounds: Rounds,
    room: RoundRoom,
    schedule: Schedule,
    /// Up to where workers were told that the log is on stable storage.
    told: Position,
    next_sync_us: u64,
    /// Steady clock: all that was appended before is on stable storage.
    pub(crate) synced_us: u64,
    /// Steady clock: its thread gets no processor before.
    pub(crate) frozen_until_us: u64,
    interval_us: u64,
    checkpoint_log_size: u64,
}

struct Writing {
    /// Gone if the disk was full: the rest of the checkpoint is dropped.
    writer: Option<CheckpointWriter>,
    index: u64,
    position: Position,
    is_received: bool,
}

impl Desk {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        sync: SyncHandle,
        meta: NodeMeta,
        rounds: Rounds,
        interval_us: u64,
        checkpoint_log_size: u64,
    ) -> Desk {
        Desk {
            jobs: VecDeque::new(),
            room: RoundRoom::default(),
            schedule: Schedule::new(rounds.latest()),
            told: sync.synced(),
            disk,
            sync,
            meta,
            writers: BTreeMap::new(),
            rounds,
            next_sync_us: 0,
            synced_us: 0,
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
            self.synced_us = around.now.mono_us;
        }
        if due {
            self.next_sync_us = around.now.mono_us + self.interval_us;
            self.begin_round_if_due(&mut posts, around)?;
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

    fn begin_round_if_due(&mut self, posts: &mut Vec<Post>, around: &mut Around<'_>) -> Result<(), LogError> {
        if self.rounds.is_open() {
            let absent = self.rounds.absent();
            posts.extend(absent.map(|worker| (Some(worker), Box::new(|| Item::BeginCheckpoint) as Box<_>)));
            return Ok(());
        }
        let (look, was_refused) = (self.look(around)?, self.sync.take_refused());
        if self.schedule.is_due(look, was_refused, self.checkpoint_log_size) {
            posts.push((None, Box::new(|| Item::BeginCheckpoint)));
        }
        Ok(())
    }

    fn look(&self, around: &Around<'_>) -> Result<Look, LogError> {
        let (now, free) = (around.now.mono_millis(), self.sync.space()?.free);
        Ok(Look { now, written: self.sync.written(), free })
    }

    fn write(
        &mut self,
        from: WorkerId,
        position: Position,
        write: CheckpointWrite,
        posts: &mut Vec<Post>,
        around: &mut Around<'_>,
    ) -> Result<(), LogError> {
        let (partition, is_received, result) = match write {
            CheckpointWrite::RoundBegins => {
                if !self.rounds.is_open() {
                    self.room.begin(&self.sync)?;
                    self.schedule.begun(position);
                }
                self.rounds.begin(from, position);
                return Ok(());
            }
            CheckpointWrite::RoundEnds { held, gone } => {
                return self.end_round(from, held, &gone, posts, around);
            }
            CheckpointWrite::Begin { partition, index, term, time, is_received } => {
                let position = self.rounds.position_for(partition, position, is_received);
                let result = self.begin(partition, (index, term), (position, is_received), time.0 * 1000);
                (partition, is_received, result)
            }
            CheckpointWrite::Chunk { partition, bytes } => {
                let is_received = self.is_received(partition);
                let (result, len) = (self.chunk(partition, &bytes), bytes.len());
                posts.push((Some(from), Box::new(move || Item::CheckpointWritten(partition, len))));
                (partition, is_received, result)
            }
            CheckpointWrite::End { partition } => {
                let is_received = self.is_received(partition);
                let result = self.end(partition, around);
                let is_written = matches!(result, Ok(true));
                let done = CheckpointDone { partition, is_received, is_written };
                posts.push((Some(from), Box::new(move || Item::CheckpointDone(done))));
                (partition, is_received, result.map(drop))
            }
        };
        match result {
            Err(error) if error.is_full() => {
                around.note(format_args!("no room for the checkpoint of {partition:?}"));
                self.give_up(partition);
                if !is_received {
                    self.room.failed();
                    posts.push((Some(from), Box::new(move || Item::CheckpointRefused(partition))));
                }
                Ok(())
            }
            result => result,
        }
    }

    fn is_received(&self, partition: PartitionId) -> bool {
        self.writers.get(&partition).is_some_and(|writing| writing.is_received)
    }

    fn begin(
        &mut self,
        partition: PartitionId,
        (index, term): (u64, u64),
        (position, is_received): (Position, bool),
        wall_us: u64,
    ) -> Result<(), LogError> {
        let header = CheckpointHeader {
            node: self.meta.node_id,
            partition,
            index,
            term,
            position,
            key_hash_seed: self.meta.key_hash_seed,
            wall_us,
        };
        self.give_up(partition);
        self.writers.insert(partition, Writing { writer: None, index, position, is_received });
        let writer = CheckpointWriter::create(Arc::clone(&self.disk), &header)?;
        let writer = self.room.limit(writer, &header, (&*self.disk, &self.sync), is_received)?;
        self.writers.entry(partition).and_modify(|writing| writing.writer = Some(writer));
        Ok(())
    }

    fn give_up(&mut self, partition: PartitionId) {
        let writer = self.writers.get_mut(&partition).and_then(|writing| writing.writer.take());
        // What is left of it is removed at the next start at the latest.
        writer.into_iter().for_each(|writer| drop(writer.abort()));
    }

    fn chunk(&mut self, partition: PartitionId, bytes: &[u8]) -> Result<(), LogError> {
        let writer = self.writers.get_mut(&partition).and_then(|writing| writing.writer.as_mut());
        writer.map_or(Ok(()), |writer| writer.chunk(bytes))
    }

    /// Whether the checkpoint is there now.
    fn end(&mut self, partition: PartitionId, around: &mut Around<'_>) -> Result<bool, LogError> {
        let Some(Writing { writer: Some(writer), index, position, is_received }) =
            self.writers.remove(&partition)
        else {
            return Ok(false);
        };
        let writer = self.room.end(writer, (partition, index), (&*self.disk, &self.sync), is_received)?;
        // The file must not be ahead of what a power loss leaves of the log.
        self.sync.sync()?;
        writer.finish()?;
        self.rounds.written(partition, position, is_received);
        Checkpoints::remove_older(&*self.disk, partition, index)?;
        around.note(format_args!("checkpoint of {partition:?} at entry {index}"));
        Ok(true)
    }

    /// A worker's part of the round is over; that of the last ends it.
    fn end_round(
        &mut self,
        from: WorkerId,
        held: Vec<PartitionId>,
        gone: &[PartitionId],
        posts: &mut Vec<Post>,
        around: &mut Around<'_>,
    ) -> Result<(), LogError> {
        // What says that they are gone, and what was logged again, must stay when what was before it goes.
        self.sync.sync()?;
        for partition in gone {
            self.give_up(*partition);
            Checkpoints::remove_all(&*self.disk, *partition)?;
        }
        let needed = self.rounds.end(from, held, gone);
        if self.rounds.is_open() {
            return Ok(());
        }
        if let Some(needed) = needed {
            let segments = self.sync.cut_before(needed)?;
            around.note(format_args!("{segments} segments before {needed} removed"));
        } else {
            self.room.take_back(&*self.disk, &mut self.rounds)?;
        }
        self.schedule.ended(self.look(around)?, needed.is_some() && !self.room.has_failed());
        posts.push((None, Box::new(|| Item::RoundOver)));
        Ok(())
    }
}
