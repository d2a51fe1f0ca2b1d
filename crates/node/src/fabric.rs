//! A worker's part in a fabric of several nodes: which node serves a partition, what is on its way to peers, and
//! the groups that have work.
//!
//! Everything a turn stirs is settled at its end: batches become entries, groups are asked for their work, entries
//! go into the frame, messages to peers into one frame a peer, answers to those who wait. Nothing of it leaves
//! before the frame is appended; a vote, and whatever follows from it, not before it is on stable storage.
//!
//! Does not know: sockets, files, how a peer is reached.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Args, HashMap, KeyHasher, Millis, PartitionId};
use cluster::{Level, Levels, Meta};
use command::{Flags, NodeCommand, Run};
use raft::{Message, Role};
use resp::Decoder;

use crate::borrow::Place;
use crate::commits::Commits;
use crate::doubt::Doubts;
use crate::errand::{Answers, Dest, Errand, ErrandHead};
use crate::fabric_txn::Execs;
use crate::handover::Ending;
use crate::hints::{Hint, Standing};
use crate::holds::Holds;
use crate::message::{Calls, Message as Note};
use crate::meta::{Asker, MetaReplica};
use crate::owed::Owed;
use crate::pace::Pace;
use crate::partition::Turn;
use crate::patience::Lookout;
use crate::peer_frame::{Item, message_overtakes, put_message};
use crate::read_level::ReadLevel;
use crate::scatter::Scatters;
use crate::transfer::Transfers;
use crate::wire::WireRequest;
use crate::worker::Worker;

/// A step of time of a group.
pub(crate) const TICK_MS: u64 = 40;
/// Steps between two signs of life of a leader.
pub(crate) const HEARTBEAT_TICKS: u16 = 2;
/// Steps without one after which another is elected, at the earliest; at the latest after twice as many.
pub(crate) const ELECTION_TICKS: u16 = 10;
/// The least time between a leader's sign of life and an election: the first step may follow it at once.
pub(crate) const ELECTION_US: u64 = (ELECTION_TICKS as u64 - 1) * TICK_MS * 1000;
/// A peer that says nothing for so long is not asked for anything.
const SILENCE_MS: u64 = 400;
/// For how long a peer that says that its disk is full is not to lead: the lead does not go to and fro while room comes and
/// goes, nor if some of its workers find room and others do not.
const FULL_MS: u64 = 5000;
/// The buffer of a frame to a peer that grew beyond this is not kept.
const FRAME_KEPT: usize = 1 << 18;
/// Rounds of work in one turn; what is left goes on in the next.
pub(crate) const ROUNDS_MAX: usize = 16;

/// What one peer is to be sent, and whether there is a way to it.
#[derive(Default)]
pub(crate) struct PeerState {
    pub(crate) is_up: bool,
    /// Which of its runs the last way led to.
    pub(crate) run: u128,
    pub(crate) frame: Vec<u8>,
    /// The same of what goes on the other lane: see [`overtakes`].
    pub(crate) urgent: Vec<u8>,
    /// Wall clock: since when there is a way to it.
    pub(crate) up_since: Millis,
    /// Steady clock: when it was last heard of.
    pub(crate) heard: Millis,
    /// It has said nothing for so long that what it may have changed is not relied on.
    pub(crate) is_silent: bool,
    /// Steady clock: until when it is not to lead, for its disk takes no more writes, or it is about to stop.
    pub(crate) full_until: Millis,
    /// The same: until when its disk is taken for full.
    pub(crate) no_room_until: Millis,
}

impl PeerState {
    /// Where an item goes that was encoded, or is encoded next: its bytes begin so.
    fn lane(&mut self, is_urgent: bool) -> &mut Vec<u8> {
        if is_urgent { &mut self.urgent } else { &mut self.frame }
    }

    /// Whether there is a way to it and it answers: a link may be up for long after the other end is gone.
    pub(crate) fn is_heard(&self, now: Millis) -> bool {
        self.is_up && now.since(self.heard) <= SILENCE_MS
    }
}

/// An item that waits until what it says is on stable storage.
pub(crate) struct Held {
    /// Up to here; `u64::MAX` until the turn's frame is appended.
    position: u64,
    pub(crate) to: u64,
    is_urgent: bool,
    bytes: Vec<u8>,
}

/// A request that another node was asked to serve.
pub(crate) struct Forward {
    pub(crate) to: u64,
    pub(crate) errand: Errand,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Fabric {
    /// Whether this node is part of a fabric at all.
    pub(crate) is_on: bool,
    /// Whether it is known what time it is (`clock`). Until then this node leads no partition, and serves none that it has
    /// alone.
    pub(crate) knows_time: bool,
    /// Whether any partition may have its leader elsewhere.
    pub(crate) is_spread: bool,
    /// This node among the replicas of its groups.
    pub(crate) me: u64,
    /// The key hash of all partitions of the fabric.
    pub(crate) hasher: Option<KeyHasher>,
    /// The levels that this program knows.
    pub(crate) levels: Levels,
    /// The fabric's own state, as far as it is known here.
    pub(crate) meta: Arc<Meta>,
    /// This node's replica of the meta group; on the first worker.
    pub(crate) meta_replica: Option<Box<MetaReplica>>,
    pub(crate) peers: BTreeMap<u64, PeerState>,
    /// Steady clock: until when the disks of some are taken for full.
    pub(crate) no_room_until: Millis,
    /// What those are to be sent to which there is no way.
    pub(crate) owed: BTreeMap<u64, Owed>,
    /// Members that vote and hold no data.
    pub(crate) witnesses: Vec<u64>,
    /// Who leads a partition, as far as others said so.
    pub(crate) hints: Vec<Hint>,
    /// Groups with something to do.
    stirred: Vec<PartitionId>,
    /// By partition: whether it is among them.
    is_stirred: Vec<bool>,
    /// Groups whose members change and that have come a step further in this turn.
    pub(crate) due: Vec<PartitionId>,
    /// A node has begun to say nothing, or to speak again.
    pub(crate) has_lost_touch: bool,
    /// Partitions that have got another leader, or their first.
    pub(crate) new_leads: Vec<PartitionId>,
    pub(crate) parked: BTreeMap<PartitionId, Vec<Errand>>,
    pub(crate) forwards: HashMap<u64, Forward>,
    next_call: u64,
    /// For requests of peers.
    pub(crate) decoder: Option<Decoder>,
    pub(crate) scatters: Scatters,
    pub(crate) execs: Execs,
    pub(crate) answers: Answers,
    /// For other workers of this node.
    answers_out: Vec<Answers>,
    pub(crate) errands_out: Vec<Calls<ErrandHead>>,
    holds: Holds,
    pub(crate) pace: Pace,
    pub(crate) commits: Commits,
    pub(crate) held: Vec<Held>,
    /// Entries of groups that we lead, to be known as stored once the log is on stable storage up to here.
    pub(crate) own_syncs: Vec<(u64, PartitionId, u64)>,
    /// Answers of partitions that this node has alone, for clients that want them on stable storage: up to here.
    pub(crate) own_answers: Vec<(u64, Dest, Box<[u8]>)>,
    /// What the meta group decided with this node as its only voter, and who asked: up to here.
    pub(crate) late_decisions: Vec<(u64, Asker, Result<(), String>)>,
    /// Where the log ends, and up to where it is on stable storage.
    pub(crate) log_end: u64,
    pub(crate) log_synced: u64,
    pub(crate) transfers: Transfers,
    /// Some once this node is about to stop.
    pub(crate) ending: Option<Ending>,
    pub(crate) doubts: Doubts,
    pub(crate) next_tick: Millis,
    /// When signs of life are due.
    pub(crate) next_beat: Millis,
    /// The turn left something to do: the next follows at once. No step of time comes earlier for it, or followers would
    /// elect another leader while this one reads by its lease.
    pub(crate) goes_on: bool,
    /// Steps of time so far.
    pub(crate) ticks: u64,
    /// Steady clock: this turn.
    pub(crate) now: Millis,
    /// Steady clock: the first step of time. A replica that was just started does not remember whom it follows, so it
    /// elects nobody before the one it may have followed cannot read by a lease any more.
    pub(crate) started: Option<Millis>,
    pub(crate) lookout: Lookout,
}

impl Fabric {
    /// The part of a worker among `workers` of a node with `partitions`.
    pub(crate) fn new(worker: base::WorkerId, workers: u16, partitions: u16) -> Fabric {
        Fabric {
            hints: vec![Hint::default(); usize::from(partitions)],
            is_stirred: vec![false; usize::from(partitions)],
            answers_out: (0..workers).map(|_| Answers::default()).collect(),
            errands_out: (0..workers).map(|_| Calls::new(worker)).collect(),
            // The number of a call says which worker waits for its answer.
            next_call: u64::from(worker.0) << 48,
            next_tick: Millis::NEVER,
            next_beat: Millis::default(),
            knows_time: true,
            ..Fabric::default()
        }
    }

    /// The level in force, as far as it is known here: whatever is written or sent in a new way asks for it.
    pub(crate) fn level(&self) -> Level {
        #[cfg(narf_plant)]
        if base::plant::is(base::plant::Plant::SpeaksNewest) {
            return self.levels.newest();
        }
        self.meta.level()
    }

    /// Where numbers of calls begin.
    pub(crate) fn number_calls_from(&mut self, number: u64) {
        self.next_call += number;
    }

    /// Adds an item to what a peer is sent.
    pub(crate) fn tell(&mut self, node: u64, item: &Item<'_>) {
        match self.peers.get_mut(&node).filter(|peer| peer.is_up) {
            Some(peer) => item.encode(peer.lane(item.overtakes())),
            None => self.owe(node, item),
        }
    }

    /// Sends items once all that is in the log by the end of this turn is on stable storage.
    pub(crate) fn tell_once_stored(&mut self, node: u64, items: &[Item<'_>]) {
        for item in items {
            let mut held = Vec::new();
            item.encode(&mut held);
            let is_urgent = item.overtakes();
            self.held.push(Held { position: u64::MAX, to: node, is_urgent, bytes: held });
        }
    }

    /// Whether all that was appended in earlier turns is on stable storage, so that no sync will tell of anything.
    pub(crate) fn is_all_synced(&self) -> bool {
        self.log_end <= self.log_synced
    }

    /// Adds an item to what every peer is sent.
    pub(crate) fn tell_all(&mut self, item: &Item<'_>) {
        for peer in self.peers.values_mut().filter(|peer| peer.is_up) {
            item.encode(peer.lane(item.overtakes()));
        }
    }

    /// Sends a group's message, or keeps it until its promise is on stable storage.
    pub(crate) fn post(&mut self, group: PartitionId, stamp_us: u64, message: &Message) {
        match self.holds.position_for(group, message.kind(), self.now) {
            None => {
                if let Some(peer) = self.peers.get_mut(&message.to()).filter(|peer| peer.is_up) {
                    put_message(
                        group,
                        stamp_us,
                        message,
                        peer.lane(message_overtakes(group, message.kind())),
                    );
                }
            }
            Some(position) => {
                let mut held = Vec::new();
                put_message(group, stamp_us, message, &mut held);
                let lane = message_overtakes(group, message.kind());
                self.held.push(Held { position, to: message.to(), is_urgent: lane, bytes: held });
            }
        }
    }

    /// Nothing of this group leaves before what it says now is on stable storage.
    pub(crate) fn hold(&mut self, group: PartitionId) {
        self.holds.hold(group, false, self.now);
    }

    /// The same but for signs of life: it waits for entries alone.
    pub(crate) fn hold_entries(&mut self, group: PartitionId) {
        self.holds.hold(group, true, self.now);
    }

    /// Whether something that this group has come to is not on stable storage yet.
    pub(crate) fn is_held(&self, group: PartitionId) -> bool {
        self.holds.is_held(group)
    }

    /// The turn's frame was appended and ends at `position`.
    pub(crate) fn appended(&mut self, position: u64) {
        let unknown = |at: &&mut u64| **at == u64::MAX;
        self.holds.appended(position);
        self.held.iter_mut().map(|held| &mut held.position).filter(unknown).for_each(|at| *at = position);
        self.own_syncs.iter_mut().map(|(at, _, _)| at).filter(unknown).for_each(|at| *at = position);
        self.own_answers.iter_mut().map(|(at, _, _)| at).filter(unknown).for_each(|at| *at = position);
        self.late_decisions.iter_mut().map(|(at, ..)| at).filter(unknown).for_each(|at| *at = position);
        self.log_end = position;
    }

    /// The log is on stable storage up to `position`; which entries of ours are with that.
    pub(crate) fn synced(&mut self, position: u64) -> Vec<(PartitionId, u64)> {
        self.log_synced = self.log_synced.max(position);
        self.holds.synced(position, self.now);
        for held in self.held.extract_if(.., |held| held.position <= position) {
            if let Some(peer) = self.peers.get_mut(&held.to).filter(|peer| peer.is_up) {
                peer.lane(held.is_urgent).extend_from_slice(&held.bytes);
            }
        }
        for (_, dest, answer) in self.own_answers.extract_if(.., |(at, _, _)| *at <= position) {
            self.answers.push(dest, &answer);
        }
        let ripe = self.own_syncs.extract_if(.., |(at, _, _)| *at <= position);
        ripe.map(|(_, id, index)| (id, index)).collect()
    }

    /// A group has something to do.
    #[inline]
    pub(crate) fn stir(&mut self, id: PartitionId) {
        if !std::mem::replace(&mut self.is_stirred[usize::from(id.0)], true) {
            self.stirred.push(id);
        }
    }

    /// Those that have, in the order in which they came; to be given back for the next when they are settled.
    fn take_stirred(&mut self) -> Vec<PartitionId> {
        self.stirred.iter().for_each(|id| self.is_stirred[usize::from(id.0)] = false);
        std::mem::take(&mut self.stirred)
    }

    /// A group whose members change has come a step further.
    pub(crate) fn advance(&mut self, id: PartitionId) {
        if !self.due.contains(&id) {
            self.due.push(id);
        }
    }

    /// Whether leases of before this start may still hold.
    pub(crate) fn is_fresh(&self, now: Millis) -> bool {
        self.started.is_none_or(|started| now.since(started) * 1000 <= ELECTION_US)
    }

    /// Whether a peer can be asked for something.
    pub(crate) fn is_heard(&self, node: u64) -> bool {
        self.peers.get(&node).is_some_and(|peer| peer.is_heard(self.now))
    }

    /// Whether a peer was heard of in the last so many milliseconds.
    pub(crate) fn is_heard_within(&self, node: u64, millis: u64) -> bool {
        self.peers.get(&node).is_some_and(|peer| self.now.since(peer.heard) < millis)
    }

    /// Those that are to vote in a partition's group.
    pub(crate) fn voters_wanted(&self, id: PartitionId) -> Vec<u64> {
        self.meta.voters_of(id).iter().copied().filter_map(cluster::replica_id).collect()
    }

    /// A peer's disk takes no more writes, or it is about to stop.
    pub(crate) fn hear_full(&mut self, node: u64) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.full_until = Millis(self.now.0 + FULL_MS);
        }
    }

    /// Whether a peer could not write if it led, or not for long.
    pub(crate) fn is_full(&self, node: u64) -> bool {
        self.peers.get(&node).is_some_and(|peer| peer.full_until > self.now)
    }

    /// A peer said something.
    pub(crate) fn hear(&mut self, node: u64) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.heard = self.now;
            self.has_lost_touch |= std::mem::take(&mut peer.is_silent);
        }
    }
}

impl Worker {
    // ---- errands ------------------------------------------------------------------------------------------

    /// Serves an errand for a partition that this worker owns, or sends it to where it can be served.
    pub(crate) fn errand(&mut self, head: ErrandHead, args: Args<'_>, raw: &[u8]) {
        if head.reads == ReadLevel::Stale && !head.spec.is_write() && self.read_stale(&head, args) {
            return;
        }
        // Alone, a node has every partition; one that is not here is lent, and comes back.
        if !self.fabric.is_spread && self.partition_mut(head.partition).is_none() {
            let request = WireRequest::copy_of(args, raw);
            return self.errand_waits_for_partition(Errand { head, request });
        }
        match (self.standing(head.partition), head.spec.run) {
            (Standing::Lone | Standing::Leads, Run::Node(NodeCommand::NarfReached)) => {
                self.tell_reached(&head, args);
            }
            (Standing::Lone | Standing::Leads, Run::Node(NodeCommand::NarfAwait)) => {
                self.take_waiter(head, args);
            }
            (Standing::Lone | Standing::Leads, Run::Node(NodeCommand::NarfRelease)) => {
                self.release_waiter(&head);
            }
            (Standing::Lone, _) if self.fabric.is_spread && head.spec.flags.contains(Flags::BLOCKING) => {
                self.take_try(head, args, raw);
            }
            (Standing::Lone, _) => self.serve_alone(&head, args, raw),
            (Standing::Leads, _) => self.serve_leading(head, args, raw),
            (Standing::Elsewhere(node), _) => match head.dest {
                // Whoever sent it here is told, and asks there; nothing travels in circles.
                Dest::Node { node: asker, call } => {
                    self.fabric.tell(asker, &Item::Elsewhere { call, leader: node });
                }
                _ if self.redirect(&head, node) => {}
                _ => self.forward(node, Errand { head, request: WireRequest::copy_of(args, raw) }),
            },
            (Standing::Nobody, _) => match head.dest {
                Dest::Node { node, call } => self.fabric.tell(node, &Item::Elsewhere { call, leader: 0 }),
                _ => self.park(Errand { head, request: WireRequest::copy_of(args, raw) }),
            },
        }
    }

    /// The leader's way: a write goes into the batch, a read runs if nobody else can lead.
    fn serve_leading(&mut self, head: ErrandHead, args: Args<'_>, raw: &[u8]) {
        if let Some(refusal) = self.refused_by_memory(head.spec, args) {
            return self.fabric.answers.error(&head, &refusal);
        }
        if head.spec.is_write() {
            let asked = crate::numbered::asked_spec(head.spec, args);
            let refusal = self.write_refused(asked, raw.len());
            if let Some(refusal) = refusal.or_else(|| self.refused_for_voters(asked, head.partition)) {
                return self.fabric.answers.error(&head, &refusal);
            }
        }
        let (mono_us, id) = (self.now.mono_us, head.partition);
        let (mut turn, places, fabric) = split(self);
        let Some(partition) = places[usize::from(id.0)].partition.as_deref_mut() else { return };
        if head.spec.is_write() {
            if !partition.has_quorum(mono_us) {
                return match head.dest {
                    Dest::Node { node, call } => fabric.tell(node, &Item::Elsewhere { call, leader: 0 }),
                    _ => self.park(Errand { head, request: WireRequest::copy_of(args, raw) }),
                };
            }
            if head.spec.flags.contains(Flags::BLOCKING) {
                return self.take_try(head, args, raw);
            }
            self.take_up(head, args, raw);
        } else if partition.read_behind_writes(&head, args, raw) {
        } else if head.reads != ReadLevel::Linear && partition.may_read(mono_us) {
            let time = partition.time(turn.now);
            partition.read(&head, args, time, &mut turn, fabric.answers.buffer());
            fabric.answers.seal(head.dest);
            if partition.has_lapsed() {
                partition.sweep_replica();
                fabric.stir(id);
            }
            if head.reader.is_some() {
                self.settle_trackers(id);
            }
        } else {
            partition.read_confirmed(head, args, raw);
            fabric.stir(id);
        }
    }

    /// Takes up a write that its leader may propose.
    #[inline]
    pub(crate) fn take_up(&mut self, head: ErrandHead, args: Args<'_>, raw: &[u8]) {
        let (turn, places, fabric) = split(self);
        let Some(partition) = places[usize::from(head.partition.0)].partition.as_deref_mut() else { return };
        let time = partition.time(turn.now);
        #[cfg(narf_plant)]
        crate::planted::taken(turn.events, &head, args);
        partition.take_write(head, args, raw, time, &mut fabric.answers);
        fabric.stir(head.partition);
        self.turn_bytes += raw.len() + 64;
    }

    pub(crate) fn forward(&mut self, node: u64, errand: Errand) {
        let call = self.fabric.next_call;
        self.fabric.next_call += 1;
        self.stats.calls_sent += 1;
        let head = &errand.head;
        let item = Item::Call {
            call,
            partition: head.partition,
            who: head.who,
            db: head.db,
            version: head.version,
            access: head.access,
            ack: head.ack as u8,
            confirms: head.reads == ReadLevel::Linear,
            reader: head.reader.map(|reader| (reader.worker, reader.at())),
            request: errand.request.raw(),
        };
        self.fabric.tell(node, &item);
        self.fabric.forwards.insert(call, Forward { to: node, errand });
    }

    /// Sends a client's request on its way; the answer comes by `head.dest`.
    pub(crate) fn send_errand(&mut self, head: ErrandHead, args: Args<'_>, raw: &[u8]) {
        let owner = self.router.owner(head.partition);
        if owner == self.id {
            self.errand(head, args, raw);
        } else {
            self.fabric.errands_out[usize::from(owner.0)].push(head, args, raw);
        }
    }

    /// Errands of another worker's clients.
    pub(crate) fn run_errands(&mut self, errands: &Calls<ErrandHead>) {
        for (head, args, raw) in errands.iter() {
            self.errand(*head, args, raw);
        }
    }

    /// Answers of another worker to errands of ours.
    pub(crate) fn take_answers(&mut self, answers: &Answers) {
        for (dest, answer) in answers.iter() {
            self.take_answer(dest, answer);
        }
    }

    // ---- the end of a turn --------------------------------------------------------------------------------

    /// Does all that the turn stirred, and batches what goes out.
    pub(crate) fn settle_fabric(&mut self) {
        self.serve_waiters();
        if !self.fabric.is_on {
            return self.settle_alone();
        }
        self.look_at_pace();
        for _ in 0..ROUNDS_MAX {
            if self.fabric.is_ending() {
                self.hand_leads_over(false);
            }
            let mut stirred = self.fabric.take_stirred();
            if stirred.is_empty() && self.fabric.answers.is_empty() && self.fabric.due.is_empty() {
                self.fabric.stirred = stirred;
                break;
            }
            for id in stirred.drain(..) {
                self.settle_group(id);
            }
            if self.fabric.stirred.capacity() == 0 {
                self.fabric.stirred = stirred;
            }
            self.look_at_pace();
            self.reconcile_due();
            if self.fabric.transfers.may_begin() {
                self.run_transfers();
            }
            self.distribute_answers();
            self.resume_sessions();
            self.serve_waiters();
        }
        self.tell_commits();
        self.settle_meta();
        let Fabric { stirred, due, answers, .. } = &*self.fabric;
        let has_more = !stirred.is_empty() || !due.is_empty() || !answers.is_empty();
        self.fabric.goes_on = has_more || !self.resumable.is_empty();
        self.ship();
    }

    /// Lets groups go on that waited for the entries of others.
    fn look_at_pace(&mut self) {
        let Worker { places, fabric, now, .. } = self;
        let is_under_way = |id: PartitionId| {
            let partition = places[usize::from(id.0)].partition.as_deref();
            partition.is_some_and(|partition| partition.replica.has_entry_under_way())
        };
        for id in fabric.pace.look(now.mono_us, is_under_way) {
            fabric.stir(id);
        }
    }

    /// The same on a node that is part of no fabric: its errands are those of clients that wait.
    fn settle_alone(&mut self) {
        for _ in 0..ROUNDS_MAX {
            if self.fabric.answers.is_empty() {
                break;
            }
            self.distribute_answers();
            self.resume_sessions();
            self.serve_waiters();
        }
        self.fabric.goes_on = !self.fabric.answers.is_empty();
        self.ship();
    }

    /// Notes who leads a group now, and does what follows from a change.
    pub(crate) fn note_role(&mut self, id: PartitionId) {
        let now_us = self.now.mono_us;
        let Worker { places, fabric, .. } = self;
        let Some(partition) = places[usize::from(id.0)].partition.as_deref_mut() else { return };
        let now = (Some(partition.group.role()), partition.term(), partition.group.leader());
        if partition.replica.seen == now {
            return;
        }
        let before = std::mem::replace(&mut partition.replica.seen, now);
        partition.replica.seen_since_us = now_us;
        let mut lost = Vec::new();
        if before.0 != now.0 || before.1 != now.1 {
            lost = partition.role_changed(before.0 == Some(Role::Leader), now_us, &mut fabric.answers);
        }
        // A witness that leads serves nobody, and hands over.
        let leader = now.2.filter(|leader| !fabric.is_witness(*leader));
        if let Some(leader) = leader {
            fabric.hint(id, leader, now.1);
        }
        if partition.leads() {
            partition.replica.told_may_lose = fabric.may_lose_of(partition);
            fabric.tell_all(&fabric.leads_item(partition));
        } else if now.0 == Some(Role::Leader) {
            fabric.advance(id);
        }
        if leader.is_some() {
            self.unpark(id);
        }
        for Errand { head, request } in lost {
            self.errand(head, request.args(), request.raw());
        }
    }

    /// Gives answers to those who wait for them, here or elsewhere.
    fn distribute_answers(&mut self) {
        let mut answers = std::mem::take(&mut self.fabric.answers);
        for (dest, answer) in answers.iter() {
            self.take_answer(dest, answer);
        }
        for (spec, text) in answers.take_failed() {
            self.stats.note_failure(spec, &text);
        }
        answers.clear();
        if self.fabric.answers.is_empty() {
            self.fabric.answers = answers;
        }
    }

    fn take_answer(&mut self, dest: Dest, answer: &[u8]) {
        match dest {
            Dest::Session { worker, .. }
            | Dest::Part { worker, .. }
            | Dest::Exec { worker, .. }
            | Dest::Wait { worker, .. }
            | Dest::Block { worker, .. }
            | Dest::Kill { worker, .. }
                if worker != self.id =>
            {
                self.fabric.answers_out[usize::from(worker.0)].push(dest, answer);
            }
            Dest::Session { at, ticket, .. } => self.fill_one(at, ticket, answer),
            Dest::Part { scatter, part, .. } => self.gather_part(scatter, part, answer),
            Dest::Exec { number, .. } => self.finish_exec(number, answer),
            Dest::Wait { number, part, .. } => self.take_reached(number, part, answer),
            Dest::Block { conn, number, part, .. } => self.block_answered(conn, number, part, answer),
            Dest::Kill { number, .. } => self.killed_released(number),
            Dest::Node { node, call } => self.fabric.tell(node, &Item::Reply { call, reply: answer }),
            Dest::Nobody => {}
        }
    }

    /// Hands over what goes to other workers and other nodes.
    pub(crate) fn ship(&mut self) {
        self.tell_events(None);
        self.settle_caches();
        self.ship_errands();
        for worker in 0..self.fabric.answers_out.len() {
            let to = base::WorkerId(worker as u16);
            if !self.fabric.answers_out[worker].is_empty() {
                let answers = std::mem::take(&mut self.fabric.answers_out[worker]);
                self.outbox.messages.push((to, Note::Answers(answers)));
            }
        }
        let level = self.fabric.level();
        for (&node, peer) in &mut self.fabric.peers {
            if !peer.urgent.is_empty() {
                peer.urgent.push(level.0);
                self.outbox.urgent.push((node, std::mem::take(&mut peer.urgent)));
            }
            if !peer.frame.is_empty() {
                peer.frame.push(level.0);
                self.outbox.peers.push((node, std::mem::take(&mut peer.frame)));
            }
        }
    }

    /// A frame to a peer was sent: what it takes need not be found again for the next.
    pub fn reuse_frame(&mut self, to: u64, mut frame: Vec<u8>) {
        if let Some(peer) = self.fabric.peers.get_mut(&to)
            && peer.frame.capacity() == 0
            && frame.capacity() <= FRAME_KEPT
        {
            frame.clear();
            peer.frame = frame;
        }
    }
}

/// The fixed choices of a group of ours.
pub(crate) fn group_config(me: u64, id: PartitionId, seed: u64) -> raft::GroupConfig {
    raft::GroupConfig {
        heartbeat_ticks: HEARTBEAT_TICKS,
        election_ticks: ELECTION_TICKS,
        ..raft::GroupConfig::new(me, id.0, seed)
    }
}

/// A worker's turn, places and fabric, borrowed apart from each other.
#[inline]
pub(crate) fn split(worker: &mut Worker) -> (Turn<'_>, &mut [Place], &mut Fabric) {
    let room = worker.log_room.saturating_sub(worker.turn_bytes);
    let turn = Turn {
        now: worker.now.millis(),
        random: &mut worker.random,
        stats: &mut worker.stats,
        events: &mut worker.events,
        logging: worker.logging,
        room,
        mono_us: worker.now.mono_us,
        hashed: worker.ahead.hashed,
    };
    (turn, &mut worker.places, &mut worker.fabric)
}
