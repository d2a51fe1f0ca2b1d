//! What peers say and what becomes of it: ways that open and close, frames, and the messages of groups in them.
//!
//! An item goes to the worker that owns what it is about. Peers are authenticated before they are heard here; what
//! cannot be read, or what a group refuses, is counted and dropped.

use std::collections::BTreeMap;

use base::{AckLevel, Args, Millis, NodeId, PartitionId, WorkerId};
use command::{DataCommand, Lookup, NodeCommand, Run, Spec};
use engine::numbered_commands;
use raft::{Group, GroupConfig, HardState, Message, MessageKind, Recovered};
use resp::{Decoded, Decoder};

use crate::errand::{Dest, Errand, ErrandHead};
use crate::fabric::{Forward, group_config};
use crate::hints::Standing;
use crate::message::Message as Note;
use crate::operations::ACCEPTED;
use crate::partition::Partition;
use crate::peer_frame::{Item, TransferState, items, open};
use crate::read_level::ReadLevel;
use crate::room::WITHOUT_ENTRIES;
use crate::trackers::{Reader, who_of};
use crate::worker::Worker;

impl Worker {
    /// There is a way to a peer now, in this run of it: no two starts of a node have the same number.
    pub fn peer_up(&mut self, node: NodeId, run: u128) {
        let Some(node) = cluster::replica_id(node).filter(|_| self.fabric.is_on) else { return };
        let peer = self.fabric.way_opens(node, run);
        peer.up_since = self.now.millis();
        // It may have stopped and come back. Whose disk is full says so again.
        (peer.full_until, peer.no_room_until) = (Millis::default(), Millis::default());
        self.fabric.hear(node);
        self.fabric.tell(node, &Item::AskTime { stamp_us: self.now.mono_us });
        if self.is_not_to_lead() {
            self.fabric.tell(node, &Item::Full);
        }
        if self.write_refusal.is_some() {
            self.fabric.tell(node, &Item::NoRoom);
        }
        // What it missed: who leads what.
        for place in &self.places {
            if let Some(partition) = place.partition.as_deref().filter(|p| p.leads()) {
                let item = self.fabric.leads_item(partition);
                self.fabric.tell(node, &item);
            }
        }
        self.greet(node);
    }

    /// There is no way to a peer any more: what it was asked and did not answer is asked again if that is safe.
    pub fn peer_down(&mut self, node: NodeId) {
        let Some(node) = cluster::replica_id(node) else { return };
        let Some(peer) = self.fabric.peers.get_mut(&node) else { return };
        peer.is_up = false;
        peer.frame.clear();
        peer.urgent.clear();
        self.fabric.held.retain(|held| held.to != node);
        self.fabric.transfers.peer_down(node);
        let partitions = self.places.iter_mut().filter_map(|place| place.partition.as_deref_mut());
        partitions.for_each(|partition| partition.forget_echo(node));
        self.caches.gap_of_node();
        self.forget_interests(node);
        self.end_tries_of(node);
        self.forget_waiters_of(node);
        self.scrubs.node_lost(node);
        self.recall_from(node);
    }

    /// What a run of a peer said may be lost, though we may reach it: as if the way to it were a new one too, but what it is
    /// to be sent in this turn is sent. Nothing that was asked of its next run is.
    pub fn answers_lost(&mut self, node: NodeId, run: u128) {
        let Some(id) = cluster::replica_id(node) else { return };
        let Some(peer) = self.fabric.peers.get_mut(&id).filter(|peer| peer.run == run) else { return };
        let (was_up, mut unsent) = (peer.is_up, std::mem::take(&mut peer.frame));
        let mut urgent = std::mem::take(&mut peer.urgent);
        self.peer_down(node);
        if was_up {
            self.peer_up(node, run);
            if let Some(peer) = self.fabric.peers.get_mut(&id) {
                unsent.append(&mut peer.frame);
                urgent.append(&mut peer.urgent);
                (peer.frame, peer.urgent) = (unsent, urgent);
            }
        }
    }

    /// A node has a new link to us: what it said by the last one may be lost.
    pub(crate) fn answers_were_lost(&mut self, node: u64) {
        self.caches.gap_of_node();
        self.forget_asked(node);
        self.end_tries_of(node);
        self.scrubs.node_lost(node);
        self.recall_from(node);
    }

    /// The same for peers that say nothing, though their links are up.
    pub(crate) fn recall_from_silent(&mut self) {
        let now = self.fabric.now;
        let mut silent = Vec::new();
        for (node, peer) in self.fabric.peers.iter_mut().filter(|(_, peer)| !peer.is_heard(now)) {
            self.fabric.has_lost_touch |= !std::mem::replace(&mut peer.is_silent, true);
            silent.push(*node);
        }
        if !silent.is_empty() {
            self.recall(|to| silent.contains(&to));
        }
    }

    /// What a peer was asked and did not answer is asked again if that is safe.
    pub(crate) fn recall_from(&mut self, node: u64) {
        self.recall(|to| to == node);
    }

    fn recall(&mut self, is_lost: impl Fn(u64) -> bool) {
        let mut calls: Vec<u64> =
            self.fabric.forwards.iter().filter(|(_, f)| is_lost(f.to)).map(|(&call, _)| call).collect();
        // In the order in which they were asked.
        calls.sort_unstable();
        for call in calls {
            let Some(Forward { errand, .. }) = self.fabric.forwards.remove(&call) else { continue };
            #[cfg(narf_plant)]
            if base::plant::is(base::plant::Plant::RetriedWrite) {
                self.errand(errand.head, errand.request.args(), errand.request.raw());
                continue;
            }
            if errand.head.spec.is_write() {
                let text = "UNKNOWNOUTCOME the node that serves the key was lost, the write may or may not be applied";
                self.fabric.answers.error(&errand.head, text);
            } else {
                let is_waiting = errand.head.spec.run == Run::Node(NodeCommand::NarfAwait);
                let patience = if is_waiting { self.waiting_patience() } else { errand.head.patience };
                let head = ErrandHead { patience, ..errand.head };
                self.errand(head, errand.request.args(), errand.request.raw());
            }
        }
    }

    /// A frame of a peer. What is for other workers is passed on to them. Nothing of a frame is read that may be of a higher
    /// level than this program knows: it could mean something else.
    pub fn peer_frame(&mut self, from: NodeId, frame: &[u8]) {
        let Some(replica) = cluster::replica_id(from).filter(|_| self.fabric.is_on) else { return };
        match open(frame) {
            Ok((_, level)) if level > self.fabric.levels.newest() => self.outlive_level(from, level),
            Ok((items, _)) => self.peer_items(replica, items),
            Err(_) => self.stats.malformed_peer_frames += 1,
        }
    }

    /// The same for items that another worker was sent for us.
    pub(crate) fn peer_items(&mut self, from: u64, frame: &[u8]) {
        self.fabric.hear(from);
        let mut others: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
        for item in items(frame) {
            let Ok(item) = item else {
                self.stats.malformed_peer_frames += 1;
                break;
            };
            match self.owner_of(&item) {
                Some(owner) if owner >= self.router.workers() => self.stats.malformed_peer_frames += 1,
                Some(owner) if owner != self.id.0 => item.encode(others.entry(owner).or_default()),
                _ => self.take_item(from, item),
            }
        }
        for (owner, bytes) in others {
            self.outbox.messages.push((base::WorkerId(owner), Note::Peer(from, bytes)));
        }
    }

    /// A peer is not to lead. Told to the other workers as a note of its own, which they do not pass on.
    fn take_full(&mut self, from: u64) {
        self.fabric.hear_full(from);
        self.tell_other_workers(|| Note::Full(from));
    }

    /// A peer's word comes to one worker: the others hear of it from that.
    fn tell_workers_alive(&mut self, from: u64) {
        self.tell_other_workers(|| Note::Peer(from, Vec::new()));
    }

    pub(crate) fn tell_other_workers(&mut self, note: impl Fn() -> Note) {
        for worker in (0..self.router.workers()).map(base::WorkerId).filter(|worker| *worker != self.id) {
            self.outbox.messages.push((worker, note()));
        }
    }

    /// The worker an item is for. A number that a peer has said may be that of none.
    fn owner_of(&self, item: &Item<'_>) -> Option<u16> {
        let owner = |id: PartitionId| match id.0 < self.router.partitions() {
            true => self.router.owner(id).0,
            false => 0,
        };
        Some(match item {
            Item::Raft { group, .. } => owner(*group),
            Item::Call { partition, .. }
            | Item::SnapshotBegin { partition, .. }
            | Item::SnapshotChunk { partition, .. }
            | Item::SnapshotEnd { partition, .. }
            | Item::SnapshotState { partition, .. }
            | Item::Leads { partition, .. }
            | Item::Ask { partition, .. }
            | Item::Reached { partition, .. }
            | Item::Doubt { partition, .. }
            | Item::Told { partition, .. }
            | Item::Ahead { partition, .. }
            | Item::Stored { partition, .. }
            | Item::Shrink { partition, .. }
            | Item::Compare { partition, .. }
            | Item::Compared { partition, .. }
            | Item::Lacking { partition }
            | Item::Gone { partition, .. } => owner(*partition),
            Item::Reply { call, .. } | Item::Elsewhere { call, .. } | Item::MetaReply { call, .. } => {
                (call >> 48) as u16
            }
            Item::Meta { .. } | Item::AskFabric { .. } | Item::FabricState { .. } => 0,
            Item::Noted { call } => (call >> 48) as u16,
            Item::Invalid { worker, .. } => *worker,
            Item::Publish { .. }
            | Item::Changed { .. }
            | Item::Alive
            | Item::Full
            | Item::NoRoom
            | Item::Anew
            | Item::Word(_)
            | Item::Beat { .. }
            | Item::Beaten { .. }
            | Item::AskTime { .. }
            | Item::Time { .. } => return None,
        })
    }

    fn take_item(&mut self, from: u64, item: Item<'_>) {
        match item {
            Item::Raft { group, stamp_us, message } => self.take_message(from, group, stamp_us, message),
            Item::Call { call, partition, who, db, version, access, ack, confirms, reader, request } => {
                let dest = Dest::Node { node: from, call };
                self.fabric.note_asked();
                let mut decoder = self.fabric.decoder.take().unwrap_or_else(|| Decoder::new(ACCEPTED));
                let Some((spec, args)) = servable(&mut decoder, request) else {
                    let reply = b"-ERR a node asked for something unknown; are all nodes of one version?\r\n";
                    return self.fabric.tell(from, &Item::Reply { call, reply });
                };
                let ack = [AckLevel::Local, AckLevel::Quorum, AckLevel::Durable, AckLevel::All]
                    .get(usize::from(ack))
                    .copied()
                    .unwrap_or(AckLevel::Quorum);
                let (patience, deadline) = self.errand_times(request.len());
                let who = who_of(from, who);
                let reader = reader.map(|(worker, at)| Reader::new(from, WorkerId(worker), at));
                let head = ErrandHead {
                    dest,
                    who,
                    partition,
                    db,
                    version,
                    access,
                    ack,
                    reads: if confirms { ReadLevel::Linear } else { ReadLevel::Lease },
                    redirect: None,
                    reader,
                    spec,
                    patience,
                    deadline,
                };
                self.errand(head, args, request);
                self.fabric.decoder = Some(decoder);
            }
            Item::Reply { call, reply } => {
                if let Some(errand) = self.take_forward(call, from) {
                    self.fabric.answers.push(errand.head.dest, reply);
                }
            }
            Item::Elsewhere { call, leader } => self.sent_elsewhere(call, from, leader),
            Item::Leads { partition, term, may_lose } => {
                self.fabric.hint_of_leader(partition, from, term, may_lose);
                self.unpark(partition);
            }
            Item::SnapshotBegin { partition, transfer, term, index, time, members } => {
                let id = raft::EntryId { term, index };
                self.snapshot_begins(from, partition, transfer, (id, time), members);
            }
            Item::SnapshotChunk { partition, transfer, number, bytes } => {
                self.snapshot_chunk(from, partition, transfer, number, bytes);
            }
            Item::SnapshotEnd { partition, transfer, chunks } => {
                self.snapshot_ends(from, partition, transfer, chunks);
            }
            Item::SnapshotState { partition, transfer, chunks, state } => {
                self.snapshot_state(from, partition, transfer, chunks, state);
            }
            Item::Publish { kind, channel, payload } => self.published_by_peer(kind, channel, payload),
            Item::Meta { call, command } => self.meta_asked(from, call, command),
            Item::MetaReply { call, refusal } => self.meta_answered(from, call, refusal),
            Item::AskFabric { version } => self.asked_how_it_is(from, version),
            Item::FabricState { state } => self.told_how_it_is(state),
            Item::Gone { partition, term } => self.gone(from, partition, term),
            Item::Ahead { partition, term } => self.ahead(from, partition, term),
            Item::Ask { partition, term, index, reach } => {
                if let Some(asked) = self.partition_mut(partition) {
                    asked.replica.acks.ask(from, reach, raft::EntryId { term, index });
                    self.fabric.stir(partition);
                }
            }
            Item::Reached { partition, term, index, reach } => {
                let led = self.partition_mut(partition).filter(|p| p.group.is_leader() && p.term() == term);
                if let Some(led) = led {
                    led.replica.acks.note(from, reach, index);
                    self.fabric.stir(partition);
                }
            }
            Item::Doubt { partition, life, term, index } => {
                self.take_doubt(from, partition, life, raft::EntryId { term, index });
            }
            Item::Told { partition, life, term, index, is_leader } => {
                self.take_told(from, partition, life, raft::EntryId { term, index }, is_leader);
            }
            Item::Stored { partition, term, by_all, by_present } => {
                self.take_stored(from, partition, term, raft::Stored { by_all, by_present });
            }
            Item::Shrink { partition, keys } => self.shrink(partition, keys),
            Item::Compare { partition, number, index } => {
                self.asked_to_compare(from, partition, number, index);
            }
            Item::Compared { partition, number, digest } => self.compared(from, partition, number, digest),
            Item::Word(word) => self.take_word(from, word, self.router.workers() - 1),
            Item::Noted { call } => self.noted_by_node(from, call),
            Item::Invalid { at, is_own, key, .. } => self.told_by_node(at, is_own, key),
            Item::Changed { by, key } => self.changed_by_node(by, key),
            Item::Beat { stamp_us, groups } => self.take_beat(from, stamp_us, groups),
            Item::Beaten { stamp_us, groups } => self.take_beaten(from, stamp_us, groups),
            Item::AskTime { stamp_us } => self.tell_time(from, stamp_us),
            Item::Time { stamp_us, word } => self.hear_time(from, stamp_us, word),
            Item::Alive => self.tell_workers_alive(from),
            Item::Full => self.take_full(from),
            Item::NoRoom => self.take_no_room(from),
            Item::Lacking { partition } => self.take_lacking(from, partition),
            Item::Anew => {
                self.tell_other_workers(|| Note::Recall(from));
                self.answers_were_lost(from);
            }
        }
    }

    /// What a node was asked that answers; nothing if it is another that was asked, or nobody waits for it any more.
    fn take_forward(&mut self, call: u64, from: u64) -> Option<Errand> {
        let to = self.fabric.forwards.get(&call)?.to;
        if to != from {
            self.stats.malformed_peer_frames += 1;
            return None;
        }
        self.fabric.forwards.remove(&call).map(|forward| forward.errand)
    }

    /// A node that was asked does not lead; nothing was done there.
    fn sent_elsewhere(&mut self, call: u64, from: u64, leader: u64) {
        let Some(errand) = self.take_forward(call, from) else { return };
        let id = errand.head.partition;
        // What sent us there was wrong: forget it, unless something newer is known by now.
        self.fabric.correct_hint(id, from, leader);
        let is_news =
            leader != 0 && leader != from && leader != self.fabric.me && self.fabric.is_heard(leader);
        match self.standing(id) {
            Standing::Elsewhere(node) if node == from && !is_news => self.park(errand),
            Standing::Elsewhere(node) => self.forward(if is_news { leader } else { node }, errand),
            Standing::Lone | Standing::Leads => {
                self.errand(errand.head, errand.request.args(), errand.request.raw());
            }
            Standing::Nobody => self.park(errand),
        }
    }

    fn take_message(&mut self, from: u64, group: PartitionId, stamp_us: u64, bytes: &[u8]) {
        let Ok(message) = Message::decode(bytes) else {
            self.stats.malformed_peer_frames += 1;
            return;
        };
        if message.from() != from {
            return;
        }
        if message.kind() == MessageKind::Append && !self.has_room_of_peer(from, group, bytes.len()) {
            // The leader sends it again, and is told nothing: it must not be answered as if it was taken.
            self.stats.entries_without_room += 1;
            return;
        }
        let is_lead = message.kind() == MessageKind::TimeoutNow && group != crate::entry::META_GROUP;
        if !self.is_beyond_doubt(group, &message) || is_lead && !self.fabric.knows_time {
            return;
        }
        if group == crate::entry::META_GROUP {
            return self.take_meta_message(message);
        }
        if group.0 >= self.router.partitions() {
            return;
        }
        let now_us = self.now.mono_us;
        let is_election = matches!(message.kind(), MessageKind::Vote | MessageKind::PreVote);
        if is_election && self.fabric.is_fresh(self.now.mono_millis()) {
            return;
        }
        let is_snapshot = message.kind() == MessageKind::Snapshot;
        let is_answer = message.kind() == MessageKind::AppendResponse;
        let has_entries = message.kind() == MessageKind::Append && bytes.len() > WITHOUT_ENTRIES;
        if is_snapshot
            && !self.has_come_past(group, &message)
            && !self.fabric.transfers.is_ready(group, &message)
        {
            let item = Item::SnapshotState {
                partition: group,
                transfer: 0,
                chunks: 0,
                state: TransferState::Failed,
            };
            return self.fabric.tell(from, &item);
        }
        if self.places[usize::from(group.0)].partition.is_none() && !self.make_replica(group, &message) {
            return;
        }
        let is_held = self.fabric.is_held(group);
        let Some(partition) = self.partition_mut(group) else { return };
        if has_entries && partition.group.is_full() {
            // As without room: the leader sends it again, and does not count on this witness meanwhile.
            self.stats.entries_without_room += 1;
            return;
        }
        match partition.step(stamp_us, message, now_us) {
            // Taken over at once: the next item may begin another transfer in its place.
            Ok(()) if is_snapshot => {
                self.drive(group);
                self.fabric.stir(group);
            }
            Ok(()) => {
                // A newcomer is at hand, so the change that it waits for may be.
                if is_answer && partition.replica.members.learners.contains(&from) {
                    self.fabric.advance(group);
                }
                if is_answer && self.fabric.transfers.awaits(group, from) {
                    self.run_transfers();
                }
                self.fabric.stir(group);
            }
            Err(raft::StepError::UnknownPeer { from }) if partition.group.is_leader() && !is_held => {
                let term = partition.term();
                self.fabric.tell(from, &Item::Gone { partition: group, term });
            }
            Err(raft::StepError::LostLog { .. }) => self.begin_doubt(group),
            Err(raft::StepError::Ahead { from, .. })
                if partition.replica.members.learners.contains(&from) =>
            {
                let term = partition.term();
                self.fabric.tell(from, &Item::Ahead { partition: group, term });
            }
            Err(_) => self.stats.refused_peer_messages += 1,
        }
    }

    /// The leader of a term says that a replica here has more than all who decide: what it has they have lost. Nobody
    /// counts on one that does not vote, so it begins anew.
    fn ahead(&mut self, from: u64, id: PartitionId, term: u64) {
        let me = self.fabric.me;
        let Some(partition) = self.partition_mut(id) else { return };
        let members = &partition.replica.members;
        let votes = members.voters.contains(&me) || members.voters_outgoing.contains(&me);
        if !votes && partition.term() == term && partition.group.leader() == Some(from) {
            self.let_go(id);
        }
    }

    /// Whether what a snapshot brings is here already: it was taken over, and the leader does not know. The group tells it.
    fn has_come_past(&self, group: PartitionId, message: &Message) -> bool {
        let partition = self.places[usize::from(group.0)].partition.as_deref();
        let committed = partition.map_or(0, |partition| partition.group.hard_state().commit);
        message.snapshot().is_some_and(|snapshot| snapshot.id.index <= committed)
    }

    /// Entries of leaders that were not taken, for the log has no room for them.
    pub fn entries_without_room(&self) -> u64 {
        self.stats.entries_without_room
    }

    /// Whether this worker's replica leads a partition and serves it, as far as it knows.
    pub fn leads(&self, id: PartitionId) -> bool {
        self.places[usize::from(id.0)].partition.as_deref().is_some_and(Partition::leads)
    }

    /// A leader speaks to us of a partition that we do not have: we are to be its replica.
    fn make_replica(&mut self, id: PartitionId, message: &Message) -> bool {
        let wanted = matches!(message.kind(), MessageKind::Append | MessageKind::Heartbeat);
        if !wanted || self.router.owner(id) != self.id || !self.is_target(id) {
            return false;
        }
        let replica = self.new_replica(id, HardState::default());
        self.places[usize::from(id.0)].partition = replica;
        self.places[usize::from(id.0)].partition.is_some()
    }

    /// A replica that was sent nothing yet; of its group it remembers only how it voted.
    pub(crate) fn new_replica(&mut self, id: PartitionId, hard: HardState) -> Option<Box<Partition>> {
        let is_witness = self.fabric.is_witness(self.fabric.me);
        let seed = self.random.next_u64();
        let config = GroupConfig { is_witness, ..group_config(self.fabric.me, id, seed) };
        let group = Group::recover(config, Recovered { hard, ..Recovered::joiner() }).ok()?;
        let mut partition = Partition::joining(id, group, self.fabric.hasher?);
        partition.tune(&self.settings);
        partition.set_broadcast(self.caches.is_broadcast);
        Some(Box::new(partition))
    }

    /// Whether the fabric wants a replica of this partition here.
    pub(crate) fn is_target(&self, id: PartitionId) -> bool {
        let voters = self.fabric.meta.voters_of(id);
        voters.iter().any(|node| cluster::replica_id(*node) == Some(self.fabric.me))
    }
}

/// A request that a peer may ask a partition for: of one partition's data, well formed, and known here. What gets into
/// an entry is applied by every replica, so nothing else must.
fn servable<'a>(decoder: &'a mut Decoder, raw: &'a [u8]) -> Option<(&'static Spec, Args<'a>)> {
    use NodeCommand as N;
    match decoder.decode(raw) {
        Ok(Decoded::Request { len }) if len == raw.len() => {}
        Ok(_) | Err(_) => return None,
    }
    let args = decoder.args(raw);
    let Lookup::Found(spec) = command::lookup(args) else { return None };
    let is_for_a_partition = match spec.run {
        Run::Data(DataCommand::NarfOnce) => numbered_commands(args).is_some(),
        Run::Data(_) => true,
        Run::Node(
            N::ClusterCountKeysInSlot
            | N::ClusterGetKeysInSlot
            | N::DbSize
            | N::Keys
            | N::RandomKey
            | N::Scan
            | N::NarfAwait
            | N::NarfDigests
            | N::NarfExec
            | N::NarfReached
            | N::NarfRelease,
        ) => true,
        Run::Node(_) | Run::Container => false,
    };
    (is_for_a_partition && spec.arity_ok(args.len())).then_some((spec, args))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::WireRequest;

    #[track_caller]
    fn check(words: &[&[u8]], expect: bool) {
        let request = WireRequest::encode(words);
        assert_eq!(servable(&mut Decoder::new(ACCEPTED), request.raw()).is_some(), expect, "{words:?}");
    }

    #[test]
    fn a_peer_cannot_put_into_an_entry_what_no_replica_can_apply() {
        check(&[b"set", b"k", b"v"], true);
        check(&[b"narf.flush"], true);
        check(&[b"scan", b"0"], true);
        check(&[b"set", b"k"], false);
        check(&[b"flushall"], false);
        check(&[b"client", b"list"], false);
        check(&[b"nonsense"], false);
        assert!(servable(&mut Decoder::new(ACCEPTED), b"*1\r\n$4\r\nPI").is_none());
    }
}
