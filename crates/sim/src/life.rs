//! One life of the node's process: its workers, its log, and what the server's threads would do around them.
//!
//! A worker's turn is cut where another thread could come between: its events, then the append of its frame, then
//! its messages, then what it sends. The seed decides who moves next, and the process may die between any two.
//! Invariant: the order is the one that [`node::Outbox`] promises. Does not know: clients, and what was promised
//! to them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use base::{ConnId, Millis, NodeId, Now, PartitionId, Random, WorkerId};
use log::{FolderLevel, LogError, Position, SyncHandle};
use node::settings::Settings;
use node::{AfterSend, CheckpointDone, Control, FabricSetup, Outbox, Peer, Router, Worker, WorkerSetup};

use crate::clock::Clock;
use crate::desk::{Desk, DiskJob};
use crate::host::{Failure, SharedLog, SimHost, lock};
use crate::net::{End, LinkId, Network};
use crate::start::Started;
use crate::trace::Trace;

/// Bytes read from one connection at once, and in one turn; what a turn may append beyond one large request. The
/// server's figures, scaled down so that short runs reach the limits.
const READ_BYTES: u64 = 2048;
const TURN_BYTES: usize = 8192;
const TURN_LOG_BYTES: u64 = 16 * 1024;

/// Something for a worker.
#[expect(clippy::large_enum_variant, reason = "nearly all of them are messages")]
pub(crate) enum Item {
    Message(WorkerId, node::Message),
    Connection(LinkId, ConnId),
    Synced(Position),
    CheckpointDone(CheckpointDone),
    CheckpointWritten(PartitionId, usize),
    RoundOver,
    Passwords(node::acl::password::Solved),
    BeginCheckpoint,
    /// There is no room for the checkpoint of a partition.
    CheckpointRefused(PartitionId),
    AskFabric(u64, Box<cluster::Command>),
    /// A frame of another node.
    Frame(NodeId, Vec<u8>),
    PeerUp(NodeId, u128),
    PeerDown(NodeId),
    /// What the node said may be lost.
    AnswersLost(NodeId, u128),
    /// The node is told to stop.
    HandOver,
}

/// Where a worker is in its turn.
enum Phase {
    Idle,
    Append(Box<Outbox>),
    Tell(Box<Outbox>),
    Send(Box<Outbox>),
}

/// A client's connection as its worker's shell sees it.
struct Connection {
    link: LinkId,
    /// The link took less than there was.
    stuck: bool,
}

/// A worker and its surroundings.
struct Seat {
    worker: Worker,
    phase: Phase,
    inbox: VecDeque<Item>,
    connections: BTreeMap<u32, Connection>,
    refused: bool,
    next_room_check: Millis,
    /// Steady clock: its thread gets no processor before.
    frozen_until_us: u64,
    /// How often its thread has looked for something to do.
    turns: u64,
}

/// The process.
pub(crate) struct Life {
    seats: Vec<Seat>,
    log: SharedLog,
    failure: Failure,
    sync: SyncHandle,
    pub(crate) desk: Desk,
    /// Why the process stops; nothing is answered from then on.
    pub(crate) failed: Option<String>,
    next_seat: usize,
    connected: usize,
    /// Requests for a write that were refused may only follow a disk that was full.
    pub(crate) refusing: bool,
    /// Frames for other nodes that were sent and not taken yet: by which worker, and to whom.
    pub(crate) peers: Vec<(usize, u64, Vec<u8>)>,
    /// The same that may overtake them.
    pub(crate) urgent: Vec<(usize, u64, Vec<u8>)>,
    /// What workers said about the node as a whole, not taken yet.
    pub(crate) control: Vec<Control>,
    /// Workers whose replicas may have forgotten what they had promised, as the machine lost its power.
    in_doubt: usize,
}

/// What a life needs of the world for a moment.
pub(crate) struct Around<'a> {
    pub(crate) now: Now,
    pub(crate) random: &'a mut Random,
    pub(crate) network: &'a mut Network,
    pub(crate) trace: &'a mut Trace,
    /// Which of several nodes it is.
    pub(crate) node: Option<usize>,
}

impl<'a> Around<'a> {
    /// What is not of one node.
    pub(crate) fn all(
        now: Now,
        random: &'a mut Random,
        network: &'a mut Network,
        trace: &'a mut Trace,
    ) -> Around<'a> {
        Around { now, random, network, trace, node: None }
    }

    pub(crate) fn note(&mut self, what: std::fmt::Arguments<'_>) {
        match self.node {
            Some(node) => self.trace.note(self.now.mono_us, format_args!("node {node}: {what}")),
            None => self.trace.note(self.now.mono_us, what),
        }
    }
}

impl Life {
    /// A process that has recovered and opens its doors.
    pub(crate) fn new(
        settings: &Settings,
        router: Router,
        started: Started,
        (sync_interval_us, checkpoint_log_bytes): (u64, u64),
        clock: &Clock,
        random: &mut Random,
    ) -> Life {
        let Started { disk, meta, partitions, log, rounds, is_in_doubt, member, levels, users, .. } = started;
        let sync = log.sync_handle();
        let desk = Desk::new(disk, sync.clone(), meta, rounds, sync_interval_us, checkpoint_log_bytes);
        let shared = Arc::new(Mutex::new(log));
        let failure = Failure::default();
        let settings = Arc::new(settings.clone());
        let is_whole = node::is_whole(&partitions, router.partitions());
        let mut owned: Vec<Vec<_>> = (0..router.workers()).map(|_| Vec::new()).collect();
        for partition in partitions {
            owned[usize::from(router.owner(partition.id()).0)].push(partition);
        }
        let (state, mut replica) = member.map(|(state, replica)| (Arc::new(state), Some(replica))).unzip();
        let fabric = |number: usize| {
            Some(FabricSetup {
                node: meta.node_id,
                hasher: base::KeyHasher::new(meta.key_hash_seed),
                meta: Arc::clone(state.as_ref()?),
                meta_replica: replica.as_mut().filter(|_| number == 0).and_then(Option::take),
                is_whole,
                is_in_doubt,
                levels,
            })
        };
        let fabrics: Vec<Option<FabricSetup>> = (0..owned.len()).map(fabric).collect();
        let memory = Arc::new(node::MemoryUse::new(None, router.workers()));
        let seat = |(number, (partitions, fabric))| Seat {
            worker: Worker::new(WorkerSetup {
                id: WorkerId(number as u16),
                router,
                settings: Arc::clone(&settings),
                partitions,
                logging: true,
                seed: random.next_u64(),
                memory: Arc::clone(&memory),
                host: Box::new(SimHost {
                    log: Arc::clone(&shared),
                    workers: u64::from(router.workers()),
                    failure: Arc::clone(&failure),
                    wall: clock.shared(),
                }),
                users: node::StartUsers { own: users.clone(), ..Default::default() },
                fabric,
            }),
            phase: Phase::Idle,
            inbox: VecDeque::new(),
            connections: BTreeMap::new(),
            refused: false,
            next_room_check: Millis::default(),
            frozen_until_us: 0,
            turns: 0,
        };
        Life {
            seats: owned.into_iter().zip(fabrics).enumerate().map(seat).collect(),
            log: shared,
            failure,
            sync,
            desk,
            failed: None,
            next_seat: 0,
            connected: 0,
            refusing: false,
            peers: Vec::new(),
            urgent: Vec::new(),
            control: Vec::new(),
            in_doubt: if is_in_doubt { usize::from(router.workers()) } else { 0 },
        }
    }

    /// Whether a replica may have forgotten what it had promised.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.in_doubt > 0
    }

    /// Whether a partition has no other voter than its replica here.
    pub(crate) fn decides_alone(&self) -> bool {
        self.seats.iter().any(|seat| seat.worker.decides_alone())
    }

    /// A worker has again all that a power loss may have taken.
    fn note_certain(&mut self) {
        self.in_doubt = self.in_doubt.saturating_sub(1);
        if self.in_doubt == 0
            && let Err(error) = self.sync.sync().and_then(|_| self.sync.mark_certain())
        {
            self.failed = Some(error.to_string());
        }
    }

    /// How many workers there are.
    pub(crate) fn workers(&self) -> usize {
        self.seats.len()
    }

    /// Takes a connection in and gives it to a worker.
    pub(crate) fn accept(&mut self, link: LinkId) {
        let to = self.next_seat % self.seats.len();
        self.next_seat += 1;
        self.seats[to].inbox.push_back(Item::Connection(link, ConnId(link.0)));
    }

    /// Gives something to a worker.
    pub(crate) fn post(&mut self, seat: usize, item: Item) {
        self.seats[seat].inbox.push_back(item);
    }

    /// The worker in a seat, to be asked.
    pub(crate) fn worker(&self, seat: usize) -> &Worker {
        &self.seats[seat].worker
    }

    /// Moves a worker on by one step.
    pub(crate) fn step(&mut self, seat: usize, around: &mut Around<'_>) {
        if around.now.mono_us < self.seats[seat].frozen_until_us {
            return;
        }
        match std::mem::replace(&mut self.seats[seat].phase, Phase::Idle) {
            Phase::Idle => {
                self.seats[seat].turns += 1;
                if self.has_work(seat, around) {
                    self.run_events(seat, around);
                }
            }
            Phase::Append(outbox) => self.append(seat, outbox, around),
            Phase::Tell(outbox) => self.tell(seat, outbox),
            Phase::Send(outbox) => self.send(seat, *outbox, around),
        }
    }

    /// Takes the processor away from a thread until then: a worker's, or the disk's.
    pub(crate) fn freeze(&mut self, thread: usize, until_us: u64) {
        match self.seats.get_mut(thread) {
            Some(seat) => seat.frozen_until_us = until_us,
            None => self.desk.frozen_until_us = until_us,
        }
    }

    /// How many turns even the slowest worker has had.
    pub(crate) fn turns(&self) -> u64 {
        self.seats.iter().map(|seat| seat.turns).min().unwrap_or(0)
    }

    /// Whether no worker has anything under way.
    pub(crate) fn is_quiet(&self) -> bool {
        let all_sent =
            |seat: &Seat| seat.connections.keys().all(|token| seat.worker.sendable(*token).is_empty());
        let quiet =
            |seat: &Seat| matches!(seat.phase, Phase::Idle) && seat.inbox.is_empty() && all_sent(seat);
        self.seats.iter().all(quiet) && self.desk.is_quiet()
    }

    /// Whether anything would wake this worker's thread.
    fn has_work(&self, number: usize, around: &Around<'_>) -> bool {
        let seat = &self.seats[number];
        let calls = |connection: &Connection| {
            around.network.is_readable(connection.link, End::Node)
                || connection.stuck && around.network.is_writable(connection.link, End::Node)
        };
        !seat.inbox.is_empty()
            || seat.worker.next_tick() <= around.now.mono_millis()
            || seat.connections.values().any(calls)
    }

    fn run_events(&mut self, seat: usize, around: &mut Around<'_>) {
        let room = self.log_room(seat, around);
        if self.failed.is_some() {
            return;
        }
        around.note(format_args!("worker {seat}: a turn with room for {room}"));
        self.seats[seat].worker.begin_turn(around.now, room);
        for item in std::mem::take(&mut self.seats[seat].inbox) {
            self.take_item(seat, item);
        }
        self.read(seat, around);
        let seat_of = &mut self.seats[seat];
        if seat_of.worker.next_tick() <= around.now.mono_millis() {
            seat_of.worker.tick();
        }
        let mut outbox = std::mem::take(seat_of.worker.end_turn());
        #[cfg(narf_plant)]
        if base::plant::is(base::plant::Plant::AckBeforeWrite) {
            for token in std::mem::take(&mut outbox.send) {
                self.flush(seat, token, around);
            }
        }
        if let Some(reason) = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            around.note(format_args!("the node stops: {reason}"));
            self.failed = Some(reason);
            return;
        }
        let solved =
            std::mem::take(&mut outbox.passwords).into_iter().map(|job| Item::Passwords(job.solve()));
        self.seats[seat].inbox.extend(solved);
        for control in std::mem::take(&mut outbox.control) {
            match control {
                // Before anything of this turn leaves.
                Control::Fail(reason) => {
                    around.note(format_args!("the node stops: {reason}"));
                    self.failed = Some(reason);
                    return;
                }
                Control::Certain => self.note_certain(),
                control => self.control.push(control),
            }
        }
        self.seats[seat].phase = Phase::Append(Box::new(outbox));
    }

    fn take_item(&mut self, number: usize, item: Item) {
        let seat = &mut self.seats[number];
        match item {
            Item::Message(from, message) => seat.worker.deliver(from, message),
            Item::Synced(position) => seat.worker.synced(position.0),
            Item::CheckpointDone(done) => seat.worker.checkpoint_done(done),
            Item::CheckpointWritten(partition, bytes) => seat.worker.checkpoint_written(partition, bytes),
            Item::AskFabric(number, command) => seat.worker.ask_fabric(number, *command),
            Item::Frame(from, frame) => seat.worker.peer_frame(from, &frame),
            Item::PeerUp(node, run) => seat.worker.peer_up(node, run),
            Item::PeerDown(node) => seat.worker.peer_down(node),
            Item::AnswersLost(node, run) => seat.worker.answers_lost(node, run),
            Item::HandOver => seat.worker.hand_over(),
            Item::RoundOver => seat.worker.round_over(),
            Item::Passwords(solved) => seat.worker.passwords_solved(solved),
            Item::BeginCheckpoint => {
                seat.worker.begin_checkpoint();
            }
            Item::CheckpointRefused(partition) => seat.worker.checkpoint_refused(partition),
            Item::Connection(link, conn) => {
                self.connected += 1;
                let connected = self.connected;
                if let Ok(token) = seat.worker.accept(conn, Peer::InProcess, connected) {
                    seat.connections.insert(token, Connection { link, stuck: false });
                }
            }
        }
    }

    /// Reads from connections in some order, each once, and lets those go whose client has gone.
    fn read(&mut self, number: usize, around: &mut Around<'_>) {
        let seat = &mut self.seats[number];
        let mut tokens: Vec<u32> = seat.connections.keys().copied().collect();
        let mut left = TURN_BYTES;
        while !tokens.is_empty() && left > 0 {
            let token = tokens.swap_remove(around.random.below(tokens.len() as u64) as usize);
            let link = seat.connections[&token].link;
            if around.network.is_over(link, End::Node) {
                seat.connections.remove(&token);
                self.connected -= 1;
                around.network.leave(link, End::Node, false);
                seat.worker.closed(token);
                around.note(format_args!("worker {number}: {link:?} has gone"));
                continue;
            }
            let most = 1 + around.random.below(READ_BYTES) as usize;
            let bytes = around.network.receive(link, End::Node, most.min(left));
            if !bytes.is_empty() {
                left -= bytes.len();
                seat.worker.receive(token, &bytes);
            }
        }
    }

    /// What the log can take this turn, of which each worker may use its share.
    fn log_room(&mut self, number: usize, around: &mut Around<'_>) -> usize {
        let workers = self.seats.len() as u64;
        let seat = &mut self.seats[number];
        let needed = (TURN_LOG_BYTES + seat.worker.largest_announced() as u64) * workers;
        let now = around.now.mono_millis();
        let is_asked = seat.refused || lock(&self.log).headroom() < needed;
        if is_asked && now >= seat.next_room_check {
            let reserved = lock(&self.log).reserve(needed);
            match reserved {
                Ok(()) => {}
                Err(error) if error.is_full() => {
                    seat.next_room_check = Millis(now.0 + 100);
                    if !seat.refused {
                        seat.refused = true;
                        seat.worker.set_write_refusal(Some(Arc::from("disk full")));
                        around.note(format_args!("worker {number}: refuses writes, {error}"));
                    }
                }
                Err(error) => self.fail(error, around),
            }
        }
        let seat = &mut self.seats[number];
        if seat.refused && lock(&self.log).headroom() >= needed {
            seat.refused = false;
            seat.worker.set_write_refusal(None);
            around.note(format_args!("worker {number}: takes writes again"));
        }
        let headroom = match seat.refused {
            true => lock(&self.log).headroom_to_delete(),
            false => lock(&self.log).headroom(),
        };
        self.refusing = self.seats.iter().any(|seat| seat.refused);
        usize::try_from(headroom / workers).unwrap_or(usize::MAX)
    }

    fn append(&mut self, number: usize, mut outbox: Box<Outbox>, around: &mut Around<'_>) {
        if let Some(level) = outbox.level.take() {
            around.note(format_args!("worker {number}: the folder is at level {level}"));
            let level = FolderLevel { level: level.0, program: "simulated".to_owned() };
            let kept = lock(&self.log).keep_level(&level);
            if let Err(error) = kept {
                return self.fail(error, around);
            }
        }
        let mut before = self.sync.written();
        if outbox.frame.is_empty() {
            self.seats[number].worker.appended(before.0);
        } else {
            before = lock(&self.log).position();
            let appended = lock(&self.log).append(&outbox.frame);
            match appended {
                Ok(end) => {
                    around.note(format_args!(
                        "worker {number}: appends {} bytes up to {end}",
                        outbox.frame.len()
                    ));
                    self.seats[number].worker.appended(end.0);
                }
                Err(error) if error.is_full() => {
                    // Not a byte is left even for what must be written: it waits.
                    around.note(format_args!("worker {number}: waits with {} bytes", outbox.frame.len()));
                    self.seats[number].phase = Phase::Append(outbox);
                    return;
                }
                Err(error) => {
                    let (len, room) = (outbox.frame.len(), lock(&self.log).headroom());
                    around.note(format_args!("worker {number}: cannot append {len} bytes, room for {room}"));
                    return self.fail(error, around);
                }
            }
        }
        outbox.frame.clear();
        if outbox.sync {
            self.desk.jobs.push_back(DiskJob::Sync);
        }
        let from = WorkerId(number as u16);
        for write in outbox.checkpoints.drain(..) {
            self.desk.jobs.push_back(DiskJob::Checkpoint { from, position: before, write });
        }
        self.seats[number].phase = Phase::Tell(outbox);
    }

    fn tell(&mut self, number: usize, mut outbox: Box<Outbox>) {
        for (to, message) in outbox.messages.drain(..) {
            self.seats[usize::from(to.0)].inbox.push_back(Item::Message(WorkerId(number as u16), message));
        }
        self.urgent.extend(outbox.urgent.drain(..).map(|(to, frame)| (number, to, frame)));
        self.peers.extend(outbox.peers.drain(..).map(|(to, frame)| (number, to, frame)));
        self.seats[number].phase = Phase::Send(outbox);
    }

    fn send(&mut self, number: usize, mut outbox: Outbox, around: &mut Around<'_>) {
        let stuck = self.seats[number].connections.iter().filter(|(_, connection)| connection.stuck);
        let stuck: Vec<u32> = stuck.map(|(token, _)| *token).collect();
        for token in stuck.iter().chain(&outbox.send) {
            self.flush(number, *token, around);
        }
        for token in &outbox.close {
            self.close(number, *token, around);
        }
        outbox.send.clear();
        self.seats[number].worker.recycle(outbox.frame, outbox.send);
    }

    /// Sends what a client can be sent.
    fn flush(&mut self, number: usize, token: u32, around: &mut Around<'_>) {
        let seat = &mut self.seats[number];
        let Some(connection) = seat.connections.get_mut(&token) else { return };
        loop {
            let bytes = seat.worker.sendable(token);
            let most = match around.random.below(8) {
                0 => around.random.below(bytes.len() as u64 + 1) as usize,
                _ => bytes.len(),
            };
            let count = around.network.send(connection.link, End::Node, &bytes[..most]);
            if count < bytes.len() && count == 0 {
                connection.stuck = true;
                return;
            }
            match seat.worker.sent(token, count) {
                AfterSend::More => {}
                AfterSend::Idle => {
                    connection.stuck = false;
                    return;
                }
                AfterSend::Close => return self.close(number, token, around),
            }
        }
    }

    fn close(&mut self, number: usize, token: u32, around: &mut Around<'_>) {
        let seat = &mut self.seats[number];
        let Some(connection) = seat.connections.remove(&token) else { return };
        self.connected -= 1;
        around.network.leave(connection.link, End::Node, false);
        seat.worker.closed(token);
        around.note(format_args!("worker {number}: closes {:?}", connection.link));
    }

    /// Lets the disk's side work off what it was asked for.
    pub(crate) fn step_disk(&mut self, around: &mut Around<'_>) {
        if around.now.mono_us < self.desk.frozen_until_us {
            return;
        }
        match self.desk.run(around) {
            Ok(items) => {
                for (to, item) in items {
                    match to {
                        Some(WorkerId(to)) => self.seats[usize::from(to)].inbox.push_back(item()),
                        None => self.seats.iter_mut().for_each(|seat| seat.inbox.push_back(item())),
                    }
                }
            }
            Err(error) => self.fail(error, around),
        }
    }

    fn fail(&mut self, error: LogError, around: &mut Around<'_>) {
        around.note(format_args!("the node stops: {error}"));
        self.failed = Some(error.to_string());
    }

    /// The process is gone: every connection with it.
    pub(crate) fn end(self, network: &mut Network, cut: bool) {
        for seat in self.seats {
            for connection in seat.connections.values() {
                network.leave(connection.link, End::Node, cut);
            }
            for item in seat.inbox {
                if let Item::Connection(link, _) = item {
                    network.leave(link, End::Node, cut);
                }
            }
        }
    }
}
