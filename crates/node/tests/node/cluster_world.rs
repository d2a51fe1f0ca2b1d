//! Several nodes in a box: each with one worker and a log in memory, and links between them that can be cut, slowed
//! and lost. What happens is drawn from a seed; time moves only when the world says so.

mod clients;
mod rescue;

mod facts;

mod host;

mod ways;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base::{KeyHasher, Millis, NodeId, Now, Random, WorkerId};
use cluster::{Admission, Command, Founding, HashSeed, Levels, MemberKind, Meta, Newcomer};
use log::{Position, Rounds};
use node::settings::Settings;
use node::{
    CheckpointDone, CheckpointWrite, Control, FabricSetup, Outbox, RecoveredMeta, Recovery, Router, Worker,
    WorkerSetup,
};

use host::WorldHost;

pub(crate) const PARTITIONS: u16 = 4;

pub(crate) use rescue::Rescued;

/// Term, index, time, chunks, how many frames were written when it began, and whether it came from another node.
type Checkpoint = (u64, u64, Millis, Vec<Vec<u8>>, usize, bool);

/// What is left of a node when its process dies.
#[derive(Clone, Default)]
struct Disk {
    frames: Vec<Vec<u8>>,
    /// So many of them were cut off the front.
    cut: usize,
    /// How many of them are on stable storage.
    synced: usize,
    /// When the sync under way ends, of how many, and whether another is wanted after it.
    syncing: Option<(Millis, usize, bool)>,
    checkpoints: BTreeMap<u16, Checkpoint>,
}

struct Machine {
    id: NodeId,
    name: String,
    kind: MemberKind,
    disk: Disk,
    worker: Option<Worker>,
    rounds: Rounds,
    /// Bytes that its log can take in one turn.
    pub(crate) log_room: usize,
    /// What it takes beyond that of what makes room.
    reserve: Arc<AtomicUsize>,
    under_way: BTreeMap<u16, Checkpoint>,
    /// Its thread gets no processor until then.
    paused_until: Millis,
    starts: u64,
    /// Whether its clock was told what time it is.
    clock: Arc<AtomicBool>,
    /// What the fabric told it when it let it in: a file of its own, synced.
    admission: Option<Meta>,
    /// It lost its power and may not have again all that it had promised.
    lost_power: bool,
    /// Steps of time that its groups have made in this life, and when the last was.
    steps: (u64, Millis),
    /// Those that the program on it knows.
    levels: Levels,
}

struct Client {
    node: usize,
    token: u32,
    received: Vec<u8>,
    open: bool,
}

/// From one node to another.
type Way = (usize, usize);

pub(crate) struct World {
    machines: Vec<Machine>,
    wires: BTreeMap<(usize, usize), VecDeque<Vec<u8>>>,
    /// Something large is on its way between all nodes: what need not wait for it arrives, and the rest is here.
    crowded: Option<Vec<(Way, Vec<u8>)>>,
    /// Directed links that lose everything.
    pub(crate) cut: Vec<(usize, usize)>,
    /// What comes to a node with the first of these bytes has the others instead, which are as many.
    pub(crate) spoil: Option<(usize, &'static [u8], &'static [u8])>,
    /// Nodes whose disks sync nothing at the moment.
    pub(crate) stalled: Vec<usize>,
    /// Milliseconds that a sync takes, of what was written when it began; none is done at once.
    pub(crate) sync_ms: u64,
    clients: Vec<Client>,
    pub(crate) random: Random,
    pub(crate) now: Now,
    conns: u64,
    pub(crate) agreed: Vec<Result<(), String>>,
    /// Frames that arrive in a millisecond, at most.
    pub(crate) pace: usize,
    /// Items that nodes have said to each other, and bytes.
    pub(crate) items: usize,
    pub(crate) bytes: usize,
    logging: bool,
    partitions: u16,
    /// `requirepass` in the configurations of nodes, from their next start on.
    pub(crate) passwords: BTreeMap<usize, String>,
}

impl World {
    /// One node that founds a fabric.
    pub(crate) fn new(seed: u64, logging: bool) -> World {
        World::with_partitions(seed, logging, PARTITIONS)
    }

    pub(crate) fn with_partitions(seed: u64, logging: bool, partitions: u16) -> World {
        let mut world = World::empty(seed, logging, partitions);
        world.add_machine();
        world.start_founder();
        world.pass(100);
        world
    }

    /// No node yet.
    fn empty(seed: u64, logging: bool, partitions: u16) -> World {
        World {
            machines: Vec::new(),
            wires: BTreeMap::new(),
            crowded: None,
            cut: Vec::new(),
            spoil: None,
            stalled: Vec::new(),
            sync_ms: 0,
            clients: Vec::new(),
            random: Random::new(seed),
            now: Now { wall_us: 1_700_000_000_000_000, mono_us: 1_000_000 },
            conns: 0,
            agreed: Vec::new(),
            pace: 40,
            items: 0,
            bytes: 0,
            logging,
            partitions,
            passwords: BTreeMap::new(),
        }
    }

    /// A fabric of `count` nodes, all of them with their data.
    pub(crate) fn of(count: usize, seed: u64) -> World {
        World::of_with(count, seed, PARTITIONS)
    }

    pub(crate) fn of_with(count: usize, seed: u64, partitions: u16) -> World {
        let mut world = World::with_partitions(seed, true, partitions);
        while world.machines.len() < count {
            world.join();
        }
        world.settle();
        world
    }

    /// Two nodes with data, 0 and 1, and a witness, 2.
    pub(crate) fn witnessed(seed: u64) -> World {
        let mut world = World::of(2, seed);
        world.begin_join_as(MemberKind::Witness);
        world.settle();
        world
    }

    fn add_machine(&mut self) -> usize {
        let index = self.machines.len();
        let id = NodeId((u128::from(self.random.next_u64()) << 64) | (0x1000 + index as u128));
        let name = format!("node-{index}");
        let (disk, under_way) = (Disk::default(), BTreeMap::new());
        let paused_until = Millis::default();
        let rounds = Rounds::new(1, BTreeMap::new(), Position(0));
        let log_room = usize::MAX;
        let machine = Machine {
            id,
            name,
            kind: MemberKind::Data,
            disk,
            worker: None,
            rounds,
            log_room,
            reserve: Arc::default(),
            under_way,
            paused_until,
            starts: 0,
            clock: Arc::new(AtomicBool::new(true)),
            admission: None,
            lost_power: false,
            steps: (0, Millis::default()),
            levels: cluster::LEVELS,
        };
        self.machines.push(machine);
        index
    }

    fn newcomer(&self, index: usize) -> Newcomer {
        let machine = &self.machines[index];
        Newcomer {
            node: machine.id,
            name: machine.name.clone(),
            peer_address: format!("10.0.0.{index}:16379"),
            client_address: format!("10.0.0.{index}:6379"),
            tls_port: 0,
            kind: machine.kind,
            weight: 100,
            incarnation: 1,
            version: "test".to_owned(),
            levels: machine.levels,
        }
    }

    fn replica(&self, index: usize) -> u64 {
        cluster::replica_id(self.machines[index].id).unwrap()
    }

    fn start_founder(&mut self) {
        let founding = Founding {
            cluster: 7,
            name: "test".to_owned(),
            partitions: self.partitions,
            key_hash_seed: HashSeed(5),
            replicas_wanted: 3,
            member: self.newcomer(0),
        };
        let (me, seed) = (self.replica(0), self.random.next_u64());
        let meta = RecoveredMeta::found(me, seed, founding).unwrap();
        self.start_with(0, true, Some((Meta::new(), meta)));
    }

    /// Starts the process of a machine from what is on its disk.
    pub(crate) fn restart(&mut self, index: usize) {
        self.start_with(index, false, None);
        let now = self.now.mono_us / 1000;
        self.machines[index].paused_until = Millis(now);
    }

    /// The same with a program that knows these levels, which the fabric is told as the server tells it.
    pub(crate) fn restart_knowing(&mut self, index: usize, levels: Levels) {
        self.kill(index);
        self.machines[index].levels = levels;
        self.restart(index);
        let Newcomer { node, peer_address, client_address, tls_port, version, .. } = self.newcomer(index);
        let incarnation = self.machines[index].starts + 1;
        let returns = Command::SetAddresses {
            node,
            peer_address,
            client_address,
            tls_port,
            incarnation,
            version,
            levels,
        };
        self.ask_fabric(index, returns).unwrap();
    }

    fn start_with(&mut self, index: usize, holds_all: bool, fresh: Option<(Meta, RecoveredMeta)>) {
        let (router, hasher) = (Router::new(self.partitions, 1), KeyHasher::new(5));
        let (recovery, needed_from) = self.read_disk(index);
        let mut first = Vec::new();
        let (me, seed) = (self.replica(index), self.random.next_u64());
        let (partitions, recovered) = recovery.start(me, seed, holds_all, &mut first).unwrap();
        let (meta, replica) = match (fresh, recovered) {
            (Some((meta, replica)), _) => (meta, replica),
            (None, Some(replica)) => (replica.state().clone(), replica),
            (None, None) => {
                let told = self.machines[index].admission.clone().expect("it was let in");
                // As if it was never started: it is told again.
                (told, RecoveredMeta::join(me, seed).unwrap())
            }
        };
        if self.logging && !first.is_empty() {
            self.machines[index].disk.frames.push(first);
        }
        let is_whole = node::is_whole(&partitions, self.partitions);
        let mut settings = Settings::default();
        let row = node::settings::find("enable-debug-command").unwrap();
        settings.set_at_start(row, "yes").unwrap();
        if let Some(password) = self.passwords.get(&index) {
            settings.requirepass = node::settings::Secret::new(password);
        }
        let worker = Worker::new(WorkerSetup {
            id: WorkerId(0),
            router,
            settings: Arc::new(settings),
            partitions,
            logging: self.logging,
            seed: self.random.next_u64(),
            host: Box::new(WorldHost(
                Arc::clone(&self.machines[index].clock),
                Arc::clone(&self.machines[index].reserve),
            )),
            users: node::StartUsers::default(),
            memory: Arc::new(node::MemoryUse::new(None, 1)),
            fabric: Some(FabricSetup {
                hasher,
                node: self.machines[index].id,
                meta: Arc::new(meta),
                meta_replica: Some(replica),
                is_whole,
                is_in_doubt: self.machines[index].lost_power,
                levels: self.machines[index].levels,
            }),
        });
        let machine = &mut self.machines[index];
        machine.rounds = Rounds::new(1, needed_from, Position(machine.disk.cut as u64));
        machine.worker = Some(worker);
        machine.starts += 1;
        machine.disk.synced = machine.disk.frames.len();
        self.turn(index, |_| {});
        self.link(index);
    }

    /// Reads checkpoints and log of a node, and from where the checkpoints need the log.
    fn read_disk(&self, index: usize) -> (Recovery, BTreeMap<base::PartitionId, Position>) {
        let (router, hasher) = (Router::new(self.partitions, 1), KeyHasher::new(5));
        let mut recovery = match self.machines[index].kind {
            MemberKind::Data => Recovery::new(router, hasher),
            MemberKind::Witness => Recovery::of_witness(router, hasher),
        };
        let disk = &self.machines[index].disk;
        let mut needed_from = BTreeMap::new();
        for (&partition, (term, entry, time, chunks, frames, _)) in &disk.checkpoints {
            let id = base::PartitionId(partition);
            recovery.restore(id, *term, *entry, *time).unwrap();
            chunks.iter().for_each(|chunk| recovery.load(id, chunk).unwrap());
            needed_from.insert(id, Position(*frames as u64));
        }
        disk.frames.iter().skip(disk.cut).for_each(|frame| recovery.replay(frame).unwrap());
        (recovery, needed_from)
    }

    /// A new node asks the first that runs to be let in; its index, once it has all of its data.
    pub(crate) fn join(&mut self) -> usize {
        let index = self.begin_join();
        self.settle();
        index
    }

    /// The same, without waiting for its data.
    pub(crate) fn begin_join(&mut self) -> usize {
        self.begin_join_as(MemberKind::Data)
    }

    pub(crate) fn begin_join_as(&mut self, kind: MemberKind) -> usize {
        let index = self.add_machine();
        self.machines[index].kind = kind;
        let via = (0..index).find(|&node| self.machines[node].worker.is_some()).unwrap();
        let member = self.newcomer(index);
        let command = Command::Join { member, admission: Admission::Local };
        self.ask_fabric(via, command).unwrap();
        let meta = self.meta(via);
        self.machines[index].admission = Some(meta.clone());
        let (me, seed) = (self.replica(index), self.random.next_u64());
        let replica = RecoveredMeta::join(me, seed).unwrap();
        self.start_with(index, false, Some((meta, replica)));
        index
    }

    /// Asks the fabric for something, through a node; the answer comes to `agreed`.
    pub(crate) fn begin_to_ask_fabric(&mut self, via: usize, command: Command) {
        self.agreed.clear();
        self.turn(via, |worker| worker.ask_fabric(1, command));
    }

    /// Has the fabric decide on something, through a node.
    pub(crate) fn ask_fabric(&mut self, via: usize, command: Command) -> Result<(), String> {
        self.begin_to_ask_fabric(via, command);
        for _ in 0..200 {
            if let Some(result) = self.agreed.pop() {
                return result;
            }
            self.pass(50);
        }
        Err("no answer".to_owned())
    }

    pub(crate) fn meta(&mut self, index: usize) -> Meta {
        Meta::clone(self.machines[index].worker.as_ref().unwrap().fabric_state())
    }

    /// What a node says to another that asks it these items, at once.
    pub(crate) fn answer_of_peer(&mut self, from: usize, to: usize, items: &[u8]) -> Vec<u8> {
        let id = self.id(from);
        let frame = [items, &[self.meta(from).level().0]].concat();
        self.wires.remove(&(to, from));
        self.turn(to, |worker| worker.peer_frame(id, &frame));
        self.wires.remove(&(to, from)).into_iter().flatten().flatten().collect()
    }

    /// A node starts again and knows who it is and who the others are, but has nothing of any partition.
    pub(crate) fn forget_partitions(&mut self, index: usize) {
        let meta = self.meta(index);
        self.kill(index);
        let (me, seed) = (self.replica(index), self.random.next_u64());
        let disk = &mut self.machines[index].disk;
        disk.frames.clear();
        disk.checkpoints.clear();
        (disk.cut, disk.synced) = (0, 0);
        self.start_with(index, false, Some((meta, RecoveredMeta::join(me, seed).unwrap())));
    }

    /// The machine loses its power: of what was not synced nothing is left.
    pub(crate) fn lose_power(&mut self, index: usize) {
        self.kill(index);
        let machine = &mut self.machines[index];
        machine.disk.frames.truncate(machine.disk.synced);
        machine.lost_power = true;
    }

    pub(crate) fn id(&self, index: usize) -> NodeId {
        self.machines[index].id
    }

    /// How many groups need a node that runs.
    pub(crate) fn groups_that_need(&self, index: usize) -> usize {
        self.machines[index].worker.as_ref().unwrap().groups_that_need_us()
    }

    /// Whether a node may lack something that it had promised.
    pub(crate) fn is_in_doubt(&self, index: usize) -> bool {
        self.machines[index].lost_power
    }

    /// The disk of a node is full from now on, or has room again.
    pub(crate) fn set_full(&mut self, index: usize, is_full: bool) {
        self.turn(index, |worker| worker.set_write_refusal(is_full.then(|| Arc::from("disk full"))));
    }

    /// A node is told to stop, and hands over what it leads.
    pub(crate) fn begin_to_stop(&mut self, index: usize) {
        self.turn(index, Worker::hand_over);
    }

    /// Of a node that is about to stop: how much of what it leads others could lead, and how much is under way there.
    pub(crate) fn left_to_do(&self, index: usize) -> (usize, usize) {
        let worker = self.machines[index].worker.as_ref().unwrap();
        (worker.leads_to_hand_over(), worker.work_under_way())
    }

    /// The process dies; what it had written is there, what it had not synced too, as only the process died.
    pub(crate) fn kill(&mut self, index: usize) {
        self.machines[index].worker = None;
        self.machines[index].under_way.clear();
        self.clients.iter_mut().filter(|client| client.node == index).for_each(|client| client.open = false);
        self.wires.retain(|&(from, to), _| from != index && to != index);
        let node = self.machines[index].id;
        for other in 0..self.machines.len() {
            if other != index && self.machines[other].worker.is_some() {
                self.turn(other, |worker| worker.peer_down(node));
            }
        }
    }

    /// Whether a node has something to do at once, whatever comes.
    pub(crate) fn is_due(&self, index: usize) -> bool {
        self.machines[index].worker.as_ref().unwrap().next_tick() <= self.now.mono_millis()
    }

    /// From now on frames wait for something large that is before them, or no longer.
    pub(crate) fn crowd(&mut self, is_so: bool) {
        let waiting = if is_so { self.crowded.replace(Vec::new()) } else { self.crowded.take() };
        for (way, frame) in waiting.into_iter().flatten() {
            self.wires.entry(way).or_default().push_back(frame);
        }
    }

    /// The process stands still for so long; its links stay up.
    pub(crate) fn pause(&mut self, index: usize, millis: u64) {
        self.machines[index].paused_until = Millis(self.now.mono_us / 1000 + millis);
    }

    fn is_paused(&self, index: usize) -> bool {
        self.machines[index].paused_until > self.now.mono_millis()
    }

    pub(crate) fn turn<T>(&mut self, index: usize, event: impl FnOnce(&mut Worker) -> T) -> Option<T> {
        let now = self.now;
        let log_room = self.machines[index].log_room;
        let worker = self.machines[index].worker.as_mut()?;
        worker.begin_turn(now, log_room);
        let result = event(worker);
        let outbox = std::mem::take(worker.end_turn());
        let (steps, now) = (worker.steps_of_time(), now.mono_millis());
        let before = &mut self.machines[index].steps;
        if steps != before.0 {
            // Leases trust in it.
            let is_new_life = steps < before.0 || before.0 == 0;
            let is_in_time = steps == before.0 + 1 && now.since(before.1) >= 40;
            assert!(is_new_life || is_in_time, "a step of time came early");
            *before = (steps, now);
        }
        self.finish_turn(index, outbox);
        Some(result)
    }

    fn finish_turn(&mut self, index: usize, outbox: Outbox) {
        let Outbox {
            frame, sync, peers, urgent, send, close, checkpoints, control, passwords, messages, ..
        } = outbox;
        assert!(messages.is_empty(), "a node has one worker");
        let before = self.machines[index].disk.frames.len();
        if !frame.is_empty() && self.logging {
            let Machine { log_room, reserve, .. } = &self.machines[index];
            let room = (*log_room).max(reserve.load(Ordering::Relaxed));
            assert!(frame.len() <= room, "the log takes what it was said to take");
            self.machines[index].disk.frames.push(frame);
        }
        let machine = &mut self.machines[index];
        let position = machine.disk.frames.len();
        let worker = machine.worker.as_mut().unwrap();
        worker.appended(position as u64);
        for write in checkpoints {
            self.take_checkpoint(index, write, before);
        }
        let urgent = urgent.into_iter().map(|(to, frame)| (to, frame, true));
        for (to, frame, is_urgent) in urgent.chain(peers.into_iter().map(|(to, frame)| (to, frame, false))) {
            self.bytes += frame.len();
            self.items += node::check_peer_frame(&frame).expect("nodes say what can be read");
            let to = self.machines.iter().position(|m| cluster::replica_id(m.id) == Some(to)).unwrap();
            if self.machines[to].worker.is_some() && !self.cut.contains(&(index, to)) {
                match &mut self.crowded {
                    Some(waiting) if !is_urgent => waiting.push(((index, to), frame)),
                    _ => self.wires.entry((index, to)).or_default().push_back(frame),
                }
            }
        }
        for token in send {
            self.flush(index, token);
        }
        for token in close {
            if let Some(client) =
                self.clients.iter_mut().find(|c| c.open && c.node == index && c.token == token)
            {
                client.open = false;
            }
        }
        for control in control {
            match control {
                Control::Agreed { result, .. } => self.agreed.push(result),
                Control::Certain => self.machines[index].lost_power = false,
                Control::Fail(text) => panic!("node {index} stops: {text}"),
                _ => {}
            }
        }
        for job in passwords {
            let solved: Box<dyn FnOnce(&mut Worker)> =
                Box::new(|worker| worker.passwords_solved(job.solve()));
            self.turn(index, solved);
        }
        let wants_sync = (sync || self.random.chance(1, 4)) && !self.stalled.contains(&index);
        match (wants_sync, self.sync_ms) {
            (false, _) => {}
            (true, 0) => self.sync(index, position),
            (true, millis) => {
                let end = Millis(self.now.mono_us / 1000 + millis);
                let disk = &mut self.machines[index].disk;
                disk.syncing.get_or_insert((end, position, false)).2 |= disk.synced < position;
            }
        }
    }

    /// What a node had written up to `position` is on stable storage, and it is told.
    fn sync(&mut self, index: usize, position: usize) {
        self.machines[index].disk.synced = position;
        let machine_room = self.machines[index].log_room;
        let worker = self.machines[index].worker.as_mut().unwrap();
        worker.begin_turn(self.now, machine_room);
        worker.synced(position as u64);
        let outbox = std::mem::take(worker.end_turn());
        if !is_empty(&outbox) {
            self.finish_turn(index, outbox);
        }
    }

    /// Ends the sync that is due; what was written meanwhile takes another.
    fn end_sync(&mut self, index: usize) {
        let now = self.now.mono_millis();
        let disk = &mut self.machines[index].disk;
        let Some((_, position, is_wanted)) = disk.syncing.take_if(|(end, ..)| *end <= now) else { return };
        let written = disk.frames.len();
        if is_wanted && written > position {
            disk.syncing = Some((Millis(now.0 + self.sync_ms), written, false));
        }
        if self.machines[index].worker.is_some() {
            self.sync(index, position);
        }
    }

    fn take_checkpoint(&mut self, index: usize, write: CheckpointWrite, frames: usize) {
        let machine = &mut self.machines[index];
        match write {
            CheckpointWrite::RoundBegins => machine.rounds.begin(WorkerId(0), Position(frames as u64)),
            CheckpointWrite::RoundEnds { held, gone } => {
                machine
                    .disk
                    .checkpoints
                    .retain(|partition, _| !gone.contains(&base::PartitionId(*partition)));
                if let Some(cut) = machine.rounds.end(WorkerId(0), held, &gone) {
                    machine.disk.cut = cut.0 as usize;
                }
            }
            CheckpointWrite::Begin { partition, index, term, time, is_received } => {
                let position = machine.rounds.position_for(partition, Position(frames as u64), is_received);
                let frames = position.0 as usize;
                machine.under_way.insert(partition.0, (term, index, time, Vec::new(), frames, is_received));
            }
            CheckpointWrite::Chunk { partition, bytes } => {
                let len = bytes.len();
                if let Some(under_way) = machine.under_way.get_mut(&partition.0) {
                    under_way.3.push(bytes);
                }
                self.turn(index, |worker| worker.checkpoint_written(partition, len));
            }
            CheckpointWrite::End { partition } => {
                let Some(done) = machine.under_way.remove(&partition.0) else { return };
                let (position, is_received) = (Position(done.4 as u64), done.5);
                machine.rounds.written(partition, position, is_received);
                machine.disk.checkpoints.insert(partition.0, done);
                let done = CheckpointDone { partition, is_received, is_written: true };
                self.turn(index, |worker| worker.checkpoint_done(done));
            }
        }
    }

    /// One random step: a frame arrives. False if there is none to deliver.
    fn deliver(&mut self) -> bool {
        let ready: Vec<(usize, usize)> = self
            .wires
            .iter()
            .filter(|((_, to), queue)| !queue.is_empty() && !self.is_paused(*to))
            .map(|(&pair, _)| pair)
            .collect();
        if ready.is_empty() {
            return false;
        }
        let (from, to) = ready[self.random.below(ready.len() as u64) as usize];
        let mut frame = self.wires.get_mut(&(from, to)).and_then(VecDeque::pop_front).unwrap();
        if self.cut.contains(&(from, to)) {
            return true;
        }
        if let Some((_, what, with)) = self.spoil.filter(|(node, ..)| *node == to) {
            while let Some(at) = frame.windows(what.len()).position(|bytes| bytes == what) {
                frame[at..at + what.len()].copy_from_slice(with);
            }
        }
        let sender = self.machines[from].id;
        self.turn(to, |worker| worker.peer_frame(sender, &frame));
        true
    }

    /// So many frames arrive, and no time passes: between any two of them something may happen.
    pub(crate) fn deliver_some(&mut self, frames: usize) {
        (0..frames).all(|_| self.deliver());
    }

    /// Lets so much time pass, with all that happens in it.
    pub(crate) fn pass(&mut self, millis: u64) {
        self.pass_until(millis, |_| false);
    }

    /// The same, but ends at once after the event that brings something about; whether it came about.
    pub(crate) fn pass_until(&mut self, millis: u64, is_so: impl Fn(&World) -> bool) -> bool {
        let end = self.now.mono_us + millis * 1000;
        while self.now.mono_us < end {
            self.now.mono_us += 1000;
            self.now.wall_us += 1000;
            for index in 0..self.machines.len() {
                self.end_sync(index);
                if self.is_paused(index) {
                    continue;
                }
                for _ in 0..20 {
                    let due = |worker: &Worker| worker.next_tick() <= self.now.mono_millis();
                    if !self.machines[index].worker.as_ref().is_some_and(due) {
                        break;
                    }
                    self.turn(index, Worker::tick);
                    if is_so(self) {
                        return true;
                    }
                }
            }
            for _ in 0..self.pace {
                if !self.deliver() {
                    break;
                }
                if is_so(self) {
                    return true;
                }
            }
        }
        false
    }

    /// Lets time pass until placement has come to rest.
    pub(crate) fn settle(&mut self) {
        self.pass(3000);
    }

    /// The digest of what a node holds, asked of itself.
    pub(crate) fn digest(&mut self, node: usize) -> String {
        let client = self.connect(node);
        self.ask(client, "DEBUG DIGEST")
    }

    pub(crate) fn begin_checkpoint(&mut self, node: usize) {
        self.turn(node, |worker| assert!(worker.begin_checkpoint()));
        for _ in 0..100 {
            self.pass(100);
            if !self.machines[node].worker.as_ref().is_some_and(Worker::is_checkpointing) {
                return;
            }
        }
        panic!("a checkpoint of node {node} does not end");
    }
}

fn is_empty(outbox: &Outbox) -> bool {
    outbox.frame.is_empty()
        && outbox.peers.is_empty()
        && outbox.urgent.is_empty()
        && outbox.send.is_empty()
        && outbox.checkpoints.is_empty()
        && outbox.control.is_empty()
        && outbox.close.is_empty()
}
