//! The state of a partition on its way to a replica that is too far behind for entries.
//!
//! The leader walks its keyspaces in slices, as for a checkpoint, and sends them beside the group's messages, a
//! bounded number of bytes ahead of the receiver. The receiver loads them and writes them to a checkpoint file.
//! When that is on stable storage it says so; then the leader offers the snapshot to its group, whose message
//! names this transfer, and the receiver takes it over in one step.
//!
//! A witness is sent none: a beginning and an end, once the log is on stable storage here.
//!
//! Invariants: a replica takes over only a state that is whole and on its disk; a worker sends one at a time.
//! Does not know: how fast the network is; the receiver's answers pace it.

use std::collections::{BTreeMap, BTreeSet};

use base::{DbIndex, Millis, PartitionId};
use raft::{EntryId, Members, Message, Snapshot};

use crate::checkpoint::{LEDGER_CHUNK, StateWalk, members_chunk};
use crate::fabric::split;
use crate::outbox::CheckpointWrite;
use crate::partition::{Content, Partition};
use crate::peer_frame::{Item, TransferState};
use crate::recovering::RecoveringPartition;
use crate::worker::Worker;

/// Bytes serialised at once.
const SLICE_BYTES: usize = 64 * 1024;
/// Chunks sent and not yet taken in by the receiver.
const WINDOW: u32 = 64;
/// Chunks sent in one turn.
const CHUNKS_A_TURN: u32 = 4;
/// A transfer that does not move for so long is given up.
const STALLED_MS: u64 = 10_000;

/// A state being sent.
struct Sending {
    partition: PartitionId,
    to: u64,
    transfer: u64,
    id: EntryId,
    members: Members,
    walk: StateWalk,
    sent: u32,
    taken: u32,
    is_walked: bool,
    /// The receiver has it, the group knows.
    is_offered: bool,
    /// Steady clock.
    moved: Millis,
    /// The way to the receiver was lost meanwhile: it has given up what it had of it.
    is_cut: bool,
}

/// A state being received.
struct Receiving {
    from: u64,
    transfer: u64,
    id: EntryId,
    recovering: RecoveringPartition,
    chunks: u32,
    is_whole: bool,
    is_ready: bool,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Transfers {
    wishes: BTreeSet<(PartitionId, u64)>,
    sending: Option<Sending>,
    receiving: BTreeMap<PartitionId, Receiving>,
    next: u64,
}

impl Transfers {
    /// A group's engine wants a snapshot for this peer.
    pub(crate) fn wish(&mut self, partition: PartitionId, to: u64) {
        let is_under_way = self.sending.as_ref().is_some_and(|s| s.partition == partition && s.to == to);
        if !is_under_way {
            self.wishes.insert((partition, to));
        }
    }

    pub(crate) fn peer_down(&mut self, node: u64) {
        self.wishes.retain(|(_, to)| *to != node);
        // The rest of it will not come, and a later one is a transfer of its own.
        self.receiving.retain(|_, receiving| receiving.from != node);
        if let Some(sending) = self.sending.as_mut().filter(|sending| sending.to == node) {
            // Ended at the next look.
            sending.is_cut = true;
        }
    }

    /// Whether the state that a snapshot message names is here and safe.
    pub(crate) fn is_ready(&self, partition: PartitionId, message: &Message) -> bool {
        message.snapshot().is_some_and(|snapshot| self.matches(partition, &snapshot))
    }

    fn matches(&self, partition: PartitionId, snapshot: &Snapshot) -> bool {
        self.receiving.get(&partition).is_some_and(|receiving| {
            receiving.is_ready
                && receiving.id == snapshot.id
                && receiving.transfer.to_le_bytes() == snapshot.data[..]
        })
    }

    /// Gives what the group takes over: content and time.
    pub(crate) fn install(
        &mut self,
        partition: PartitionId,
        snapshot: &Snapshot,
    ) -> Option<(Content, Millis)> {
        debug_assert!(
            self.matches(partition, snapshot),
            "only a state that is here is announced to the group"
        );
        let (content, _, time) = self.receiving.remove(&partition)?.recovering.into_parts();
        Some((content, time))
    }

    /// The replica has committed so much by itself, or is gone: a state on its way to it that ends there is of no use any
    /// more. A file that was made of it stands for the same as the log, until the next checkpoint.
    pub(crate) fn drop_overtaken(&mut self, partition: PartitionId, committed: u64) {
        if self.receiving.get(&partition).is_some_and(|receiving| receiving.id.index <= committed) {
            self.receiving.remove(&partition);
        }
    }

    /// Whether one waits for its turn and it is.
    pub(crate) fn may_begin(&self) -> bool {
        self.sending.is_none() && !self.wishes.is_empty()
    }

    /// Whether a state on its way to this peer may have been taken over, now that the group has heard of it.
    pub(crate) fn awaits(&self, partition: PartitionId, peer: u64) -> bool {
        let sending = self.sending.as_ref();
        sending.is_some_and(|s| s.is_offered && s.partition == partition && s.to == peer)
    }

    /// Whether a checkpoint of this partition would get in the way.
    pub(crate) fn is_busy_with(&self, partition: PartitionId) -> bool {
        self.receiving.contains_key(&partition)
            || self.sending.as_ref().is_some_and(|s| s.partition == partition && !s.is_walked)
    }

    /// When the next slice is due.
    pub(crate) fn next_run(&self) -> Millis {
        match &self.sending {
            Some(sending) if !sending.is_walked && sending.sent < sending.taken + WINDOW => Millis::default(),
            _ => Millis::NEVER,
        }
    }
}

impl Worker {
    /// How many states of partitions this worker has begun to receive.
    pub fn snapshots_received(&self) -> u64 {
        self.stats.snapshots_received
    }

    /// Sends the next slices; begins the next transfer if there is none.
    pub(crate) fn run_transfers(&mut self) {
        self.end_finished_transfer();
        while self.fabric.transfers.sending.is_none() {
            // One that cannot be begun is wished for again if it is still needed.
            let Some((id, to)) = self.fabric.transfers.wishes.pop_first() else { return };
            self.begin_transfer(id, to);
        }
        for _ in 0..CHUNKS_A_TURN {
            if !self.send_slice() {
                return;
            }
        }
    }

    fn begin_transfer(&mut self, id: PartitionId, to: u64) {
        let now = self.now.mono_millis();
        let has_frame = !self.outbox.frame.is_empty();
        let (turn, places, fabric) = split(self);
        let Some(partition) = places[usize::from(id.0)].partition.as_deref_mut() else { return };
        let to_witness = fabric.is_witness(to);
        partition.end_scrub();
        let is_walking = partition.keyspaces().any(|(_, keyspace)| keyspace.is_walking());
        // A witness that leads has nothing to send.
        if partition.group.is_leader() && partition.group.is_witness() {
            partition.replica.witnessed.cannot_bring_up(to);
        }
        if !partition.leads() || is_walking && !to_witness || !fabric.is_heard(to) {
            return;
        }
        let walk = match to_witness {
            true => Some(StateWalk::nothing()),
            // One that was aborted may still be on its way out: nothing was under way, so all may be given up again.
            false => StateWalk::begin(partition),
        };
        let Some(walk) = walk else { return };
        partition.group.pin_tail(true);
        fabric.transfers.next += 1;
        // Never the number of a transfer of an earlier life, whose rest may still be on its way.
        let transfer = turn.random.next_u64() ^ fabric.transfers.next;
        let (entry, members) = (partition.replica.applied, partition.replica.members.clone());
        let mut bytes = Vec::new();
        members.encode_into(&mut bytes);
        let time = partition.time(turn.now);
        let (term, index) = (entry.term, entry.index);
        let begin = Item::SnapshotBegin { partition: id, transfer, term, index, time, members: &bytes };
        if to_witness {
            // What it does not have from here on must be on a disk elsewhere.
            let end = Item::SnapshotEnd { partition: id, transfer, chunks: 0 };
            match turn.logging && (has_frame || !fabric.is_all_synced()) {
                true => fabric.tell_once_stored(to, &[begin, end]),
                false => [begin, end].iter().for_each(|item| fabric.tell(to, item)),
            }
            partition.replica.witnessed.may_drop_to(index);
        } else {
            fabric.tell(to, &begin);
        }
        fabric.transfers.sending = Some(Sending {
            partition: id,
            to,
            transfer,
            id: entry,
            members,
            walk,
            sent: 0,
            taken: 0,
            is_walked: to_witness,
            is_offered: false,
            moved: now,
            is_cut: false,
        });
        self.outbox.sync |= to_witness && self.logging;
        self.stats.snapshots_sent += 1;
    }

    /// Sends one slice; false if there is nothing to send at the moment.
    fn send_slice(&mut self) -> bool {
        let (_, places, fabric) = split(self);
        let Some(sending) = fabric.transfers.sending.as_mut() else { return false };
        if sending.is_walked || sending.sent >= sending.taken + WINDOW {
            return false;
        }
        let (id, to, transfer) = (sending.partition, sending.to, sending.transfer);
        let Some(partition) = places[usize::from(id.0)].partition.as_deref_mut() else { return false };
        let Some(bytes) = sending.walk.next(partition, SLICE_BYTES) else {
            sending.is_walked = true;
            let chunks = sending.sent;
            fabric.tell(to, &Item::SnapshotEnd { partition: id, transfer, chunks });
            return false;
        };
        #[cfg(narf_plant)]
        let bytes = crate::planted::spoil_chunk(bytes);
        if bytes.len() > 1 {
            let number = sending.sent;
            sending.sent += 1;
            fabric.tell(to, &Item::SnapshotChunk { partition: id, transfer, number, bytes: &bytes });
        }
        true
    }

    /// Ends a transfer that its peer has taken over, or that does not move.
    fn end_finished_transfer(&mut self) {
        let now = self.now.mono_millis();
        let (_, places, fabric) = split(self);
        let Some(sending) = &fabric.transfers.sending else { return };
        let (id, to) = (sending.partition, sending.to);
        let Some(partition) = places[usize::from(id.0)].partition.as_deref_mut() else {
            fabric.transfers.sending = None;
            return;
        };
        let progress = partition.group.progress_of(to);
        let has_taken_over = progress.is_some_and(|progress| progress.matched >= sending.id.index);
        let is_lost = sending.is_cut || now.since(sending.moved) > STALLED_MS;
        if has_taken_over || is_lost || !partition.group.is_leader() {
            if sending.is_offered {
                // Taken over or not, it is offered no more.
                partition.group.report_snapshot(to, has_taken_over);
            }
            stop_walk(partition, sending.is_walked);
            fabric.transfers.sending = None;
        }
    }

    /// The receiver of a state says how far it is.
    pub(crate) fn snapshot_state(
        &mut self,
        from: u64,
        id: PartitionId,
        transfer: u64,
        chunks: u32,
        state: TransferState,
    ) {
        let now = self.now.mono_millis();
        let (_, places, fabric) = split(self);
        let Some(partition) = places.get_mut(usize::from(id.0)).and_then(|p| p.partition.as_deref_mut())
        else {
            return;
        };
        let sending = fabric.transfers.sending.as_mut();
        let sending = sending.filter(|sending| {
            sending.partition == id && sending.to == from && (sending.transfer == transfer || transfer == 0)
        });
        let Some(sending) = sending else {
            if state == TransferState::Failed && partition.group.is_leader() {
                // Of a transfer that is over: the engine must not wait for it.
                partition.group.report_snapshot(from, false);
                fabric.stir(id);
            }
            return;
        };
        sending.moved = now;
        sending.taken = sending.taken.max(chunks);
        match state {
            TransferState::Receiving => {}
            TransferState::Ready if sending.is_offered => {}
            TransferState::Ready => {
                let data = sending.transfer.to_le_bytes().to_vec().into();
                let snapshot = Snapshot { id: sending.id, members: sending.members.clone(), data };
                sending.is_offered = partition.group.offer_snapshot(from, &snapshot);
                if !sending.is_offered {
                    // The log has run away from it: a newer one is needed.
                    stop_walk(partition, sending.is_walked);
                    fabric.transfers.sending = None;
                }
                fabric.stir(id);
            }
            TransferState::Failed => {
                partition.group.report_snapshot(from, false);
                stop_walk(partition, sending.is_walked);
                fabric.transfers.sending = None;
                fabric.stir(id);
            }
        }
        self.run_transfers();
    }

    // ---- the receiver -------------------------------------------------------------------------------------

    /// A leader begins to send us a state.
    pub(crate) fn snapshot_begins(
        &mut self,
        from: u64,
        id: PartitionId,
        transfer: u64,
        (entry, time): (EntryId, Millis),
        members: &[u8],
    ) {
        let (Ok(members), Some(hasher)) = (Members::decode(members), self.fabric.hasher) else { return };
        if self.fabric.is_witness(from) {
            return;
        }
        let mut recovering = RecoveringPartition::new(id, hasher);
        recovering.restore(entry.term, entry.index, time);
        self.abandon_checkpoint(id);
        if self.logging {
            let (index, term) = (entry.index, entry.term);
            self.outbox.checkpoints.push(CheckpointWrite::Begin {
                partition: id,
                index,
                term,
                time,
                is_received: true,
            });
            let bytes = members_chunk(&members, true);
            self.outbox.checkpoints.push(CheckpointWrite::Chunk { partition: id, bytes });
        }
        let receiving =
            Receiving { from, transfer, id: entry, recovering, chunks: 0, is_whole: false, is_ready: false };
        self.fabric.transfers.receiving.insert(id, receiving);
        self.stats.snapshots_received += 1;
    }

    fn receiving(&mut self, from: u64, id: PartitionId, transfer: u64) -> Option<&mut Receiving> {
        let receiving = self.fabric.transfers.receiving.get_mut(&id);
        receiving.filter(|receiving| receiving.from == from && receiving.transfer == transfer)
    }

    pub(crate) fn snapshot_chunk(
        &mut self,
        from: u64,
        id: PartitionId,
        transfer: u64,
        number: u32,
        bytes: &[u8],
    ) {
        let keeps_data = !self.fabric.is_witness(self.fabric.me);
        // One that was given up here, as when a link was lost of which the sender knows nothing: it begins anew.
        let Some(receiving) = self.receiving(from, id, transfer) else {
            return self.refuse_transfer(from, id, transfer);
        };
        let loaded = bytes.split_first().filter(|_| number == receiving.chunks && keeps_data);
        let loaded = loaded.is_some_and(|(&first, rest)| match first {
            LEDGER_CHUNK => receiving.recovering.load_ledger(rest).is_ok(),
            _ => DbIndex::new(first).is_some_and(|db| receiving.recovering.load(db, rest).is_ok()),
        });
        if !loaded {
            return self.refuse_transfer(from, id, transfer);
        }
        receiving.chunks += 1;
        let chunks = receiving.chunks;
        if self.logging {
            self.outbox.checkpoints.push(CheckpointWrite::Chunk { partition: id, bytes: bytes.to_vec() });
        }
        let state = TransferState::Receiving;
        self.fabric.tell(from, &Item::SnapshotState { partition: id, transfer, chunks, state });
    }

    fn refuse_transfer(&mut self, from: u64, id: PartitionId, transfer: u64) {
        let receiving = &mut self.fabric.transfers.receiving;
        // Not another that came in its place.
        if receiving
            .get(&id)
            .is_some_and(|receiving| (receiving.from, receiving.transfer) == (from, transfer))
        {
            receiving.remove(&id);
        }
        let state = TransferState::Failed;
        self.fabric.tell(from, &Item::SnapshotState { partition: id, transfer, chunks: 0, state });
    }

    pub(crate) fn snapshot_ends(&mut self, from: u64, id: PartitionId, transfer: u64, chunks: u32) {
        let logging = self.logging;
        let Some(receiving) = self.receiving(from, id, transfer) else {
            return self.refuse_transfer(from, id, transfer);
        };
        if receiving.chunks != chunks {
            return self.refuse_transfer(from, id, transfer);
        }
        receiving.is_whole = true;
        if logging {
            self.outbox.checkpoints.push(CheckpointWrite::End { partition: id });
        } else {
            self.transfer_is_done(id, true);
        }
    }

    /// The checkpoint file of a received state is on stable storage, or there was no room for it.
    pub(crate) fn transfer_is_done(&mut self, id: PartitionId, is_written: bool) {
        let Some(receiving) = self.fabric.transfers.receiving.get_mut(&id).filter(|r| r.is_whole) else {
            return;
        };
        let (from, transfer, chunks) = (receiving.from, receiving.transfer, receiving.chunks);
        if !is_written {
            return self.refuse_transfer(from, id, transfer);
        }
        receiving.is_ready = true;
        let state = TransferState::Ready;
        self.fabric.tell(from, &Item::SnapshotState { partition: id, transfer, chunks, state });
    }
}

/// Ends the walk of a transfer. If that is done already, the one under way is a checkpoint's, and goes on.
fn stop_walk(partition: &mut Partition, is_walked: bool) {
    partition.group.pin_tail(false);
    if !is_walked {
        partition.keyspaces_mut().for_each(|(_, keyspace)| keyspace.abort_walk());
    }
}
