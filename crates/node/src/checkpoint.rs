//! Checkpoints: the content of each partition as a file, in slices between requests, so that the log behind it
//! can go.
//!
//! One partition at a time. Its walk starts at an entry's end and gives the content of that moment, whatever is
//! written meanwhile; each turn serialises a bounded number of bytes. No fork, no pause.

use std::collections::BTreeMap;

use base::{DbIndex, Millis, PartitionId, WorkerId};
use engine::LedgerWalk;

use crate::gather::Answer;
use crate::outbox::{CheckpointDone, CheckpointWrite};
use crate::partition::{LEDGER_PIECE, Partition};
use crate::witness::KeptWalk;
use crate::worker::Worker;

/// Bytes serialised in one turn: some tens of microseconds.
const SLICE_BYTES: usize = 64 * 1024;

/// Bytes handed to the shell and not yet written, at most: a checkpoint never grows the node by more.
const IN_FLIGHT_BYTES: usize = 4 << 20;

/// Turns between slices rest this long, so that requests have the larger part of the processor.
const REST_MS: u64 = 0;

/// First byte of the chunk that holds the members of the group, where other chunks have a database number.
pub(crate) const MEMBERS_CHUNK: u8 = 255;

/// That of a chunk which holds what is kept of numbered requests.
pub(crate) const LEDGER_CHUNK: u8 = 254;

/// What is left to be written of a partition's state, as of one moment.
#[derive(Debug)]
pub(crate) struct StateWalk {
    /// What is kept of numbered requests.
    ledger: Option<LedgerWalk>,
    /// Databases still to be walked, last first.
    dbs: Vec<DbIndex>,
    /// What a witness has instead of all that.
    kept: Option<KeptWalk>,
}

impl StateWalk {
    /// Begins with the state of this moment; nothing if another walk is still on its way out.
    pub(crate) fn begin(partition: &mut Partition) -> Option<StateWalk> {
        if partition.group.is_witness() {
            return Some(StateWalk { kept: Some(KeptWalk::of(partition)), ..StateWalk::nothing() });
        }
        if !partition.keyspaces_mut().all(|(_, keyspace)| keyspace.begin_walk()) {
            partition.keyspaces_mut().for_each(|(_, keyspace)| keyspace.abort_walk());
            return None;
        }
        let dbs = partition.keyspaces().map(|(db, _)| db).collect();
        Some(StateWalk { ledger: partition.ledger().walk(), dbs, kept: None })
    }

    /// What a witness is sent.
    pub(crate) fn nothing() -> StateWalk {
        StateWalk { ledger: None, dbs: Vec::new(), kept: None }
    }

    /// Whether nobody has ended it: what is next would not be what it began with.
    pub(crate) fn goes_on(&self, partition: &Partition) -> bool {
        let is_next = |db: &DbIndex| partition.existing(*db).is_some_and(|keyspace| keyspace.is_walking());
        self.ledger.is_some() || self.dbs.last().is_none_or(is_next)
    }

    /// The next chunk, about so long, without its first byte if there is nothing in it; none if that was all.
    pub(crate) fn next(&mut self, partition: &mut Partition, bytes: usize) -> Option<Vec<u8>> {
        if let Some(walk) = &mut self.ledger {
            let mut chunk = vec![LEDGER_CHUNK];
            if walk.next_piece(LEDGER_PIECE, &mut chunk) {
                self.ledger = None;
            }
            return Some(chunk);
        }
        if let Some(kept) = &mut self.kept {
            return kept.next(bytes);
        }
        let db = *self.dbs.last()?;
        let mut chunk = vec![db.number()];
        if partition.keyspace(db).walk_slice(bytes, &mut chunk) {
            self.dbs.pop();
        }
        Some(chunk)
    }
}

/// The chunk that says who was in the group, and whether the state came from its leader.
pub(crate) fn members_chunk(members: &raft::Members, is_received: bool) -> Vec<u8> {
    let mut bytes = vec![MEMBERS_CHUNK, u8::from(is_received)];
    members.encode_into(&mut bytes);
    bytes
}

/// What is told of a worker's checkpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckpointFigures {
    /// One is being written.
    pub is_running: bool,
    /// For how long, until the whole node's are on stable storage.
    pub current_ms: Option<u64>,
    /// How long the last took, if there was one.
    pub last_ms: Option<u64>,
    /// That one could not be written.
    pub has_failed: bool,
    /// Operations that changed something since the last that was written began.
    pub changes_since: u64,
}

impl CheckpointFigures {
    /// Puts those of another worker beside.
    pub(crate) fn add(&mut self, other: &CheckpointFigures) {
        self.is_running |= other.is_running;
        self.current_ms = self.current_ms.max(other.current_ms);
        self.last_ms = self.last_ms.max(other.last_ms);
        self.has_failed |= other.has_failed;
        self.changes_since += other.changes_since;
    }
}

/// The checkpoint under way on one worker.
#[derive(Debug, Default)]
pub(crate) struct Checkpoints {
    /// Partitions still to be written, last first.
    todo: Vec<PartitionId>,
    /// Being written, and what is left of it.
    current: Option<(PartitionId, StateWalk)>,
    /// Written, and not yet confirmed by the shell.
    unconfirmed: usize,
    /// Bytes that the shell has not written yet, by partition.
    in_flight: BTreeMap<PartitionId, usize>,
    next_run: Option<Millis>,
    /// A round has begun, and the shell was not told yet that it is over.
    is_round_open: bool,
    /// A partition's checkpoint could not be written in this round.
    has_failed: bool,
    /// When the round began, and how many changes there were then; until it is over on all workers.
    began: Option<(Millis, u64)>,
    /// How long the last round took, in milliseconds, and whether it failed.
    last: Option<(u64, bool)>,
    /// Changes that there were when the last round that was written began.
    changes_saved: u64,
    /// Those who wait for the round of the whole node to be over: a worker, and its gathering.
    waiting: Vec<(WorkerId, u64)>,
}

impl Checkpoints {
    pub(crate) fn next_run(&self) -> Millis {
        self.next_run.unwrap_or(Millis::NEVER)
    }

    fn is_walking(&self) -> bool {
        self.current.is_some() || !self.todo.is_empty()
    }

    /// Whether the shell has enough to write for now.
    fn is_ahead(&self) -> bool {
        self.in_flight.values().sum::<usize>() >= IN_FLIGHT_BYTES
    }

    /// The shell has caught up with something: slices may follow.
    fn go_on(&mut self) {
        if self.is_walking() && !self.is_ahead() {
            self.next_run.get_or_insert(Millis::default());
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.is_round_open || self.unconfirmed > 0
    }
}

impl Worker {
    /// Starts writing checkpoints of all partitions of this worker. False if that is under way already, or if the log
    /// has no room for what goes with it.
    pub fn begin_checkpoint(&mut self) -> bool {
        if self.checkpoints.is_running() || !self.logging || !self.log_again() {
            return false;
        }
        self.outbox.checkpoints.push(CheckpointWrite::RoundBegins);
        self.checkpoints.is_round_open = true;
        self.checkpoints.has_failed = false;
        self.checkpoints.began = Some((self.now.mono_millis(), self.stats.changes));
        self.checkpoints.todo =
            self.router.all().filter(|id| self.router.owner(*id) == self.id).rev().collect();
        self.checkpoints.next_run = Some(Millis::default());
        true
    }

    /// Logs again what no checkpoint holds, for what is before may be cut after the round: the meta group, and groups
    /// that have voted and hold nothing yet. False if there is no room for it.
    fn log_again(&mut self) -> bool {
        let mut frame = Vec::new();
        if let Some(meta) = &self.fabric.meta_replica {
            meta.log_again(&mut frame);
        }
        if self.id == WorkerId(0) {
            self.users.log_again(&mut frame);
        }
        for partition in self.places.iter().filter_map(|place| place.partition.as_deref()) {
            if !partition.group.is_lone() && partition.applied() == raft::EntryId::default() {
                partition.log_again(&mut frame);
            }
        }
        if !self.has_room(frame.len()) {
            return false;
        }
        self.turn_bytes += frame.len();
        self.outbox.frame.extend_from_slice(&frame);
        true
    }

    /// Tells the shell that the round is over, and which partitions' checkpoints are needed now.
    fn end_round(&mut self) {
        self.checkpoints.next_run = None;
        if !std::mem::take(&mut self.checkpoints.is_round_open) {
            return;
        }
        let own = self.router.all().filter(|id| self.router.owner(*id) == self.id);
        let (held, gone) = own.partition(|id| self.has_state(*id));
        self.outbox.checkpoints.push(CheckpointWrite::RoundEnds { held, gone });
    }

    /// Whether a checkpoint is being written here.
    pub fn is_checkpointing(&self) -> bool {
        self.checkpoints.is_running()
    }

    /// The shell has named and synced the file of a partition, or there was no room for it.
    pub fn checkpoint_done(&mut self, done: CheckpointDone) {
        if done.is_received {
            return self.transfer_is_done(done.partition, done.is_written);
        }
        self.checkpoints.unconfirmed = self.checkpoints.unconfirmed.saturating_sub(1);
        self.checkpoints.has_failed |= !done.is_written;
        self.checkpoints.in_flight.remove(&done.partition);
        self.checkpoints.go_on();
    }

    /// Begins a round, of which `asker` wants to know when it is over; false if it cannot be begun.
    pub(crate) fn begin_awaited_checkpoint(&mut self, asker: WorkerId, gather: u64) -> bool {
        let has_begun = self.begin_checkpoint();
        if has_begun {
            self.checkpoints.waiting.push((asker, gather));
        }
        has_begun
    }

    /// The round is over on all workers, and its files are on stable storage.
    pub fn round_over(&mut self) {
        self.note_round();
        let answer = Answer::Saved(!self.checkpoints.has_failed);
        for (asker, gather) in std::mem::take(&mut self.checkpoints.waiting) {
            self.answer_late_to(asker, gather, answer.clone());
        }
        self.resume_sessions();
    }

    fn note_round(&mut self) {
        let Some((began, changes)) = self.checkpoints.began.take() else { return };
        let has_failed = self.checkpoints.has_failed;
        self.checkpoints.last = Some((self.now.mono_millis().since(began), has_failed));
        if !has_failed {
            self.checkpoints.changes_saved = changes;
            self.stats.checkpoints += 1;
        }
    }

    /// How this worker fares with its checkpoints.
    pub(crate) fn checkpoint_figures(&self) -> CheckpointFigures {
        let Checkpoints { began, last, changes_saved, .. } = &self.checkpoints;
        CheckpointFigures {
            is_running: self.is_checkpointing(),
            current_ms: began.map(|(began, _)| self.now.mono_millis().since(began)),
            last_ms: last.map(|(took, _)| took),
            has_failed: last.is_some_and(|(_, has_failed)| has_failed),
            changes_since: self.stats.changes.saturating_sub(*changes_saved),
        }
    }

    /// Gives up the checkpoint of a partition whose state is about to go: what is left to be walked is not what it
    /// began with.
    pub(crate) fn abandon_checkpoint(&mut self, id: PartitionId) {
        if self.checkpoints.current.take_if(|(current, _)| *current == id).is_none() {
            return;
        }
        self.checkpoints.in_flight.remove(&id);
        if let Some(partition) = self.places[usize::from(id.0)].partition.as_deref_mut() {
            partition.keyspaces_mut().for_each(|(_, keyspace)| keyspace.abort_walk());
        }
        self.checkpoints.next_run = Some(Millis::default());
    }

    /// The shell has no room for what is being written of a partition: the rest of it is not wanted.
    pub fn checkpoint_refused(&mut self, id: PartitionId) {
        let is_current = matches!(&self.checkpoints.current, Some((current, _)) if *current == id);
        // What was lent has its walk with it, which goes on when it is back.
        if is_current && self.places[usize::from(id.0)].partition.is_some() {
            self.checkpoints.has_failed = true;
            self.abandon_checkpoint(id);
        }
    }

    /// The shell has written so many bytes of a partition's chunks.
    pub fn checkpoint_written(&mut self, partition: PartitionId, bytes: usize) {
        if let Some(in_flight) = self.checkpoints.in_flight.get_mut(&partition) {
            *in_flight = in_flight.saturating_sub(bytes);
        }
        self.checkpoints.go_on();
    }

    /// Writes the next slice.
    pub(crate) fn run_checkpoint(&mut self) {
        let now = self.now.mono_millis();
        if self.checkpoints.next_run.is_none_or(|at| at > now) {
            return;
        }
        if self.checkpoints.is_ahead() {
            // The disk is slower than we are; the shell says when it has caught up.
            self.checkpoints.next_run = None;
            return;
        }
        self.checkpoints.next_run = Some(Millis(now.0 + REST_MS));
        if self.checkpoints.current.is_none() && !self.begin_next() {
            return;
        }
        let Some((id, mut walk)) = self.checkpoints.current.take() else { return };
        let Some(partition) = self.partition_mut(id) else {
            // Lent for a moment: look again when it may be back, and do not spin until then.
            self.checkpoints.current = Some((id, walk));
            self.checkpoints.next_run = Some(Millis(now.0 + 1));
            return;
        };
        let Some(bytes) = walk.next(partition, SLICE_BYTES) else {
            self.outbox.checkpoints.push(CheckpointWrite::End { partition: id });
            self.checkpoints.unconfirmed += 1;
            return;
        };
        if bytes.len() > 1 {
            *self.checkpoints.in_flight.entry(id).or_default() += bytes.len();
            self.outbox.checkpoints.push(CheckpointWrite::Chunk { partition: id, bytes });
        }
        self.checkpoints.current = Some((id, walk));
    }

    /// Whether no checkpoint of a partition is to be written: it has none to write, or its state is on its way from
    /// or to another node, which comes to the same or must end first.
    fn must_pass_over(&self, id: PartitionId) -> bool {
        !self.has_data(id) || self.fabric.transfers.is_busy_with(id)
    }

    /// Whether a partition's data is here, be it that it is lent for a moment.
    fn has_data(&self, id: PartitionId) -> bool {
        match self.places[usize::from(id.0)].partition.as_deref() {
            Some(partition) => partition.applied() != raft::EntryId::default(),
            None => !self.fabric.is_spread,
        }
    }

    /// The same, or whether it is on its way here.
    fn has_state(&self, id: PartitionId) -> bool {
        self.has_data(id) || self.fabric.transfers.is_busy_with(id)
    }

    /// Begins the next partition's walk; false if there is none or it is away.
    fn begin_next(&mut self) -> bool {
        while self.checkpoints.todo.last().is_some_and(|id| self.must_pass_over(*id)) {
            self.checkpoints.todo.pop();
        }
        let Some(&id) = self.checkpoints.todo.last() else {
            self.end_round();
            return false;
        };
        let (logging, now) = (self.logging, self.now.millis());
        let place = usize::from(id.0);
        let Some(partition) = self.places[place].partition.as_deref_mut() else { return false };
        partition.end_scrub();
        let Some(walk) = StateWalk::begin(partition) else {
            self.checkpoints.next_run = Some(Millis(self.now.mono_millis().0 + 1));
            return false;
        };
        // The walk's moment must be an entry's end, and that entry must be in the log before the file counts.
        partition.close_entry(&mut self.outbox.frame, logging);
        let is_grouped = !partition.group.is_lone();
        if is_grouped {
            partition.log_again(&mut self.outbox.frame);
        }
        let (last, time) = (partition.applied(), partition.time(now));
        self.checkpoints.todo.pop();
        self.outbox.checkpoints.push(CheckpointWrite::Begin {
            partition: id,
            index: last.index,
            term: last.term,
            time,
            is_received: false,
        });
        if let Some(partition) = self.places[place].partition.as_deref().filter(|_| is_grouped) {
            let bytes = members_chunk(&partition.replica.members, false);
            *self.checkpoints.in_flight.entry(id).or_default() += bytes.len();
            self.outbox.checkpoints.push(CheckpointWrite::Chunk { partition: id, bytes });
        }
        self.checkpoints.current = Some((id, walk));
        true
    }
}
