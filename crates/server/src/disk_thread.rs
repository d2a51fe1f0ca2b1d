//! The thread that waits for the disk: syncs of the log, checkpoint files, upkeep.
//!
//! Syncs that are asked for while one is under way are answered by one more. Once in each interval the log is
//! synced without being asked. A checkpoint for which there is no room is given up, and tried again when there may be
//! some ([`Schedule`]); a disk that is full is a reason to begin one, for it lets the log go. Any other failure ends the
//! node, for after a failed sync nobody knows what is on the disk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use base::{Millis, NodeId, PartitionId, WorkerId};
use log::{
    CheckpointHeader, CheckpointWriter, Checkpoints, Disk, LogError, Look, Position, RoundRoom, Rounds,
    Schedule, SyncHandle,
};
use node::{CheckpointDone, CheckpointWrite};

use crate::shared::{DiskJob, Item, Shared, lock};

/// A checkpoint file is synced every so many bytes, so that the log's syncs never queue behind much.
const SYNC_BYTES: u64 = 4 << 20;

/// What the disk thread needs to know of the node.
pub(crate) struct Identity {
    pub(crate) node: NodeId,
    pub(crate) key_hash_seed: u64,
}

/// The disk thread's own state.
pub(crate) struct DiskThread {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    sync: SyncHandle,
    identity: Identity,
    writers: BTreeMap<PartitionId, Writing>,
    rounds: Rounds,
    room: RoundRoom,
    schedule: Schedule,
    /// It was logged that there is no room.
    was_full: bool,
    /// Up to where workers were told that the log is on stable storage.
    told: Position,
    /// Workers that may lack something since the machine lost its power, if it did.
    in_doubt: usize,
}

struct Writing {
    /// Gone if the disk was full: the rest of the checkpoint is dropped.
    writer: Option<CheckpointWriter>,
    index: u64,
    position: Position,
    is_received: bool,
    synced: u64,
}

impl DiskThread {
    pub(crate) fn new(
        shared: Arc<Shared>,
        disk: Arc<dyn Disk>,
        sync: SyncHandle,
        identity: Identity,
        rounds: Rounds,
    ) -> DiskThread {
        let schedule = Schedule::new(rounds.latest());
        let in_doubt = usize::from(shared.settings_at_start.workers);
        DiskThread {
            shared,
            disk,
            sync,
            identity,
            writers: BTreeMap::new(),
            rounds,
            room: RoundRoom::default(),
            schedule,
            was_full: false,
            told: Position(0),
            in_doubt,
        }
    }

    /// Runs until told to stop; the last thing it does is to sync.
    pub(crate) fn run(mut self, jobs: &Receiver<DiskJob>) {
        let mut next_sync = Instant::now() + self.interval();
        loop {
            let wait = next_sync.saturating_duration_since(Instant::now());
            let first = match jobs.recv_timeout(wait) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(DiskJob::Stop),
            };
            let mut wants_sync = first.is_none();
            let mut stop = false;
            // All that came meanwhile, so that one sync serves everybody who waits.
            for job in first.into_iter().chain(jobs.try_iter().take(1024)) {
                match job {
                    DiskJob::Sync => wants_sync = true,
                    DiskJob::Checkpoint { from, position, write } => {
                        if let Err(error) = self.write(from, position, write) {
                            return self.shared.fail(&error.to_string());
                        }
                    }
                    DiskJob::Certain => {
                        if let Err(error) = self.note_certain() {
                            return self.shared.fail(&error.to_string());
                        }
                    }
                    DiskJob::Stop => stop = true,
                }
            }
            let due = Instant::now() >= next_sync;
            if (wants_sync || stop || due)
                && let Err(error) = self.sync_log(due || stop)
            {
                return self.shared.fail(&error.to_string());
            }
            if due {
                next_sync = Instant::now() + self.interval();
                if let Err(error) = self.begin_round_if_due() {
                    return self.shared.fail(&error.to_string());
                }
            }
            if stop {
                return self.close();
            }
        }
    }

    /// All workers have ended and all is synced.
    fn close(&self) {
        if !self.shared.has_failed()
            && let Err(error) = self.sync.mark_closed()
        {
            self.shared.fail(&error.to_string());
        }
    }

    /// A worker has again all that a power loss may have taken.
    fn note_certain(&mut self) -> Result<(), LogError> {
        self.in_doubt = self.in_doubt.saturating_sub(1);
        if self.in_doubt > 0 {
            return Ok(());
        }
        self.sync.sync()?;
        self.sync.mark_certain()?;
        tracing::info!("all that the loss of power may have taken is here again");
        Ok(())
    }

    fn interval(&self) -> Duration {
        lock(&self.shared.settings).fsync_interval.max(Duration::from_millis(10))
    }

    fn sync_log(&mut self, with_upkeep: bool) -> Result<(), LogError> {
        let began_us = self.shared.mono_us();
        let synced = self.sync.sync()?;
        let ended_us = self.shared.mono_us();
        self.shared.synced_us.store(ended_us, Ordering::Relaxed);
        self.count_sync(ended_us.saturating_sub(began_us));
        // Not compared with what this sync found: a checkpoint's sync may have covered what somebody waits for.
        if synced > self.told {
            self.told = synced;
            self.shared.send_all(|| Item::Synced(synced));
        }
        if with_upkeep {
            self.sync.mark_durable()?;
        }
        // After every sync: a worker that fills a segment must find the next one made.
        self.keep_up()
    }

    fn count_sync(&self, micros: u64) {
        let [count, total, longest] = &self.shared.syncs;
        count.fetch_add(1, Ordering::Relaxed);
        total.fetch_add(micros, Ordering::Relaxed);
        longest.fetch_max(micros, Ordering::Relaxed);
    }

    fn keep_up(&mut self) -> Result<(), LogError> {
        match self.sync.maintain() {
            Ok(_) => Ok(()),
            // Workers notice by themselves and refuse writes; it is tried again with the next sync.
            Err(error) if error.is_full() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Asks for new checkpoints when it is time for them.
    fn begin_round_if_due(&mut self) -> Result<(), LogError> {
        if self.rounds.is_open() {
            // They may have had no room for what goes with it.
            self.rounds.absent().for_each(|worker| self.shared.send(worker, Item::BeginCheckpoint));
            return Ok(());
        }
        let log_size = lock(&self.shared.settings).checkpoint_log_size;
        if self.schedule.is_due(self.look()?, self.sync.take_refused(), log_size) {
            self.shared.send_all(|| Item::BeginCheckpoint);
        }
        Ok(())
    }

    fn look(&self) -> Result<Look, LogError> {
        let (now, free) = (Millis(self.shared.mono_us() / 1000), self.sync.space()?.free);
        Ok(Look { now, written: self.sync.written(), free })
    }

    fn write(&mut self, from: WorkerId, position: Position, write: CheckpointWrite) -> Result<(), LogError> {
        let (partition, is_received, result) = match write {
            CheckpointWrite::RoundBegins => {
                if !self.rounds.is_open() {
                    tracing::info!(position = position.0, "checkpoint begins");
                    self.room.begin(&self.sync)?;
                    self.schedule.begun(position);
                }
                self.rounds.begin(from, position);
                return Ok(());
            }
            CheckpointWrite::RoundEnds { held, gone } => return self.end_round(from, held, &gone),
            CheckpointWrite::Begin { partition, index, term, time, is_received } => {
                let position = self.rounds.position_for(partition, position, is_received);
                let result = self.begin(partition, (index, term), time, (position, is_received));
                (partition, is_received, result)
            }
            CheckpointWrite::Chunk { partition, bytes } => {
                let is_received = self.is_received(partition);
                let result = self.chunk(partition, &bytes);
                self.shared.send(from, Item::CheckpointWritten(partition, bytes.len()));
                (partition, is_received, result)
            }
            CheckpointWrite::End { partition } => {
                let is_received = self.is_received(partition);
                let result = self.end(partition);
                let is_written = matches!(result, Ok(true));
                let done = CheckpointDone { partition, is_received, is_written };
                self.shared.send(from, Item::CheckpointDone(done));
                (partition, is_received, result.map(drop))
            }
        };
        match result {
            Err(error) if error.is_full() => {
                self.give_up(partition);
                if !is_received {
                    self.room.failed();
                    self.shared.send(from, Item::CheckpointRefused(partition));
                }
                if !self.was_full {
                    self.was_full = true;
                    tracing::warn!(
                        %error,
                        "no room for a checkpoint; the log is kept, and it is tried again when something is deleted or freed"
                    );
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
        time: Millis,
        (position, is_received): (Position, bool),
    ) -> Result<(), LogError> {
        let header = CheckpointHeader {
            node: self.identity.node,
            partition,
            index,
            term,
            position,
            key_hash_seed: self.identity.key_hash_seed,
            wall_us: time.0 * 1000,
        };
        self.give_up(partition);
        self.writers.insert(partition, Writing { writer: None, index, position, is_received, synced: 0 });
        let writer = CheckpointWriter::create(Arc::clone(&self.disk), &header)?;
        let writer = self.room.limit(writer, &header, (&*self.disk, &self.sync), is_received)?;
        self.writers.entry(partition).and_modify(|writing| writing.writer = Some(writer));
        Ok(())
    }

    fn chunk(&mut self, partition: PartitionId, bytes: &[u8]) -> Result<(), LogError> {
        let Some(Writing { writer: Some(writer), synced, .. }) = self.writers.get_mut(&partition) else {
            return Ok(());
        };
        writer.chunk(bytes)?;
        if writer.written() - *synced >= SYNC_BYTES {
            writer.sync()?;
            *synced = writer.written();
        }
        Ok(())
    }

    /// Whether the checkpoint is there now.
    fn end(&mut self, partition: PartitionId) -> Result<bool, LogError> {
        let Some(Writing { writer: Some(writer), index, position, is_received, .. }) =
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
        Ok(true)
    }

    /// A worker's part of the round is over; that of the last ends it.
    fn end_round(
        &mut self,
        from: WorkerId,
        held: Vec<PartitionId>,
        gone: &[PartitionId],
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
        // Of one that failed, those who wait for it know; what was before it is kept.
        let Some(needed) = needed else {
            self.room.take_back(&*self.disk, &mut self.rounds)?;
            self.schedule.ended(self.look()?, false);
            self.shared.send_all(|| Item::RoundOver);
            return Ok(());
        };
        let segments = self.sync.cut_before(needed)?;
        let is_complete = !self.room.has_failed();
        self.schedule.ended(self.look()?, is_complete);
        if is_complete {
            self.shared.last_save.store(self.shared.now().wall_us / 1_000_000, Ordering::Relaxed);
            self.was_full = false;
            tracing::info!(segments_removed = segments, needed_from = needed.0, "checkpoint complete");
        }
        self.shared.send_all(|| Item::RoundOver);
        Ok(())
    }

    /// Drops what is written of a partition's checkpoint, if any is.
    fn give_up(&mut self, partition: PartitionId) {
        let writer = self.writers.get_mut(&partition).and_then(|writing| writing.writer.take());
        // What is left of it is removed at the next start at the latest.
        writer.into_iter().for_each(|writer| drop(writer.abort()));
    }
}
