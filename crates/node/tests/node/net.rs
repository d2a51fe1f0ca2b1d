//! A node in a box: workers, clients and a log in memory, driven in an order that a seed chooses.
//!
//! Messages between two workers arrive in the order they were sent; everything else (whose turn it is, how many
//! events a turn has, where a client's bytes are cut, when the log is synced) is drawn at random. Time stands
//! still unless a test moves it.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use base::{ConnId, KeyHasher, Millis, Now, PartitionId, Random, WorkerId, slot_of};
use node::settings::Settings;
use node::{
    AfterSend, CheckpointDone, CheckpointWrite, Control, Facts, Host, Message, Outbox, Partition, Peer,
    Recovery, Router, Worker, WorkerSetup,
};
use resp::{Value, ValueDecoder};

/// Partitions of every node here: enough that keys spread, few enough that whole-node commands are quick.
pub(crate) const PARTITIONS: u16 = 8;

pub(crate) struct TestHost;

impl Host for TestHost {
    fn facts(&self) -> Facts {
        Facts { process_id: 7, node_id: "n".repeat(40), run_id: "r".repeat(40), ..Facts::default() }
    }

    fn last_save(&self) -> Option<u64> {
        None
    }

    fn rewrite_config(&self, _: &Settings) -> Result<(), String> {
        Ok(())
    }

    fn purge_memory(&self) {}

    fn stopwatch_ns(&self) -> u64 {
        0
    }
}

/// Names a client of a [`Net`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientId(usize);

struct Client {
    worker: usize,
    token: u32,
    /// Bytes the client has written and the worker has not read.
    unread: VecDeque<u8>,
    /// Bytes it received and did not look at yet.
    received: Vec<u8>,
    /// The connection is there.
    open: bool,
    /// It does not read what it is sent.
    deaf: bool,
}

/// How a [`Net`] is made.
pub(crate) struct Options {
    pub(crate) workers: u16,
    pub(crate) seed: u64,
    pub(crate) logging: bool,
    pub(crate) settings: Vec<(&'static str, &'static str)>,
}

/// A checkpoint of one partition: term, index, chunks, whether it is whole.
#[derive(Clone, Default)]
pub(crate) struct Checkpoint {
    term: u64,
    index: u64,
    time: Millis,
    chunks: Vec<Vec<u8>>,
    whole: bool,
    /// Frames before this one are covered.
    from_frame: usize,
}

/// A node and its surroundings.
pub(crate) struct Net {
    workers: Vec<Worker>,
    router: Router,
    wires: BTreeMap<(usize, usize), VecDeque<Message>>,
    /// Between these nothing is delivered.
    pub(crate) held: Vec<(usize, usize)>,
    clients: Vec<Client>,
    random: Random,
    pub(crate) now: Now,
    /// Every frame that was appended.
    pub(crate) frames: Vec<Vec<u8>>,
    synced: usize,
    /// The log is synced only when a test says so.
    pub(crate) hold_sync: bool,
    pub(crate) log_room: usize,
    pub(crate) checkpoints: BTreeMap<u16, Checkpoint>,
    under_way: BTreeMap<u16, Checkpoint>,
    /// A worker's round of checkpoints is over, and the workers were not told yet.
    is_round_over: bool,
    /// Frame in which the round of checkpoints under way began.
    round_from: usize,
    pub(crate) controls: Vec<Control>,
    logging: bool,
    settings: Arc<Settings>,
    /// Turns so far; a test that never ends is stopped.
    turns: u64,
}

impl Net {
    pub(crate) fn new(workers: u16, seed: u64) -> Net {
        Net::with(Options { workers, seed, logging: true, settings: Vec::new() })
    }

    pub(crate) fn with(options: Options) -> Net {
        let mut settings = Settings::default();
        let debug = settings_row("enable-debug-command");
        settings.set_at_start(debug, "yes").unwrap();
        for (name, value) in &options.settings {
            settings.set_at_start(settings_row(name), value).unwrap();
        }
        let router = Router::new(PARTITIONS, options.workers);
        let (recovery, settings) = (fresh(router), Arc::new(settings));
        Net::start(router, recovery, settings, options.seed, options.logging)
    }

    fn start(router: Router, recovery: Recovery, settings: Arc<Settings>, seed: u64, logging: bool) -> Net {
        let mut random = Random::new(seed);
        let mut first = Vec::new();
        let users = recovery.own_users().clone();
        let partitions = recovery.lead_alone(random.next_u64(), &mut first).unwrap();
        let mut owned: Vec<Vec<Box<Partition>>> = (0..router.workers()).map(|_| Vec::new()).collect();
        for partition in partitions {
            owned[usize::from(router.owner(partition.id()).0)].push(partition);
        }
        let memory = Arc::new(node::MemoryUse::new(None, router.workers()));
        let workers = owned.into_iter().enumerate().map(|(index, partitions)| {
            Worker::new(WorkerSetup {
                id: WorkerId(index as u16),
                router,
                settings: Arc::clone(&settings),
                partitions,
                logging,
                seed: random.next_u64(),
                host: Box::new(TestHost),
                users: node::StartUsers { own: users.clone(), ..Default::default() },
                memory: Arc::clone(&memory),
                fabric: None,
            })
        });
        let workers = workers.collect();
        Net {
            workers,
            router,
            wires: BTreeMap::new(),
            held: Vec::new(),
            clients: Vec::new(),
            random,
            now: Now { wall_us: 1_700_000_000_000_000, mono_us: 1_000_000 },
            frames: vec![first],
            synced: 0,
            hold_sync: false,
            log_room: usize::MAX,
            checkpoints: BTreeMap::new(),
            under_way: BTreeMap::new(),
            is_round_over: false,
            round_from: usize::MAX,
            controls: Vec::new(),
            logging,
            settings,
            turns: 0,
        }
    }

    /// The node that another process would be after this one was killed: log and checkpoints, nothing else.
    pub(crate) fn restarted(&self, with_checkpoints: bool) -> Net {
        let mut recovery = fresh(self.router);
        let mut from = 0;
        if with_checkpoints {
            for (&id, checkpoint) in &self.checkpoints {
                assert!(checkpoint.whole);
                let Checkpoint { term, index, time, .. } = *checkpoint;
                recovery.restore(PartitionId(id), term, index, time).unwrap();
                for chunk in &checkpoint.chunks {
                    recovery.load(PartitionId(id), chunk).unwrap();
                }
            }
            if self.checkpoints.len() == usize::from(PARTITIONS) {
                from = self.checkpoints.values().map(|checkpoint| checkpoint.from_frame).min().unwrap_or(0);
            }
        }
        for frame in &self.frames[from..] {
            recovery.replay(frame).unwrap();
        }
        let settings = Arc::clone(&self.settings);
        let mut net = Net::start(self.router, recovery, settings, 1, self.logging);
        net.now = self.now;
        net
    }

    /// A node on checkpoints and frames that are given as lines of text.
    pub(crate) fn on_text(text: &str, workers: u16) -> Net {
        let bytes = |hex: &str| -> Vec<u8> {
            let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            (0..hex.len()).step_by(2).map(digit).collect()
        };
        let router = Router::new(PARTITIONS, workers);
        let (mut recovery, mut partition) = (fresh(router), PartitionId(0));
        for line in text.lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["checkpoint", id, term, index, time] => {
                    partition = PartitionId(id.parse().unwrap());
                    let (term, index) = (term.parse().unwrap(), index.parse().unwrap());
                    recovery.restore(partition, term, index, Millis(time.parse().unwrap())).unwrap();
                }
                ["chunk", hex] => recovery.load(partition, &bytes(hex)).unwrap(),
                ["frame", hex] => recovery.replay(&bytes(hex)).unwrap(),
                _ => {}
            }
        }
        let mut settings = Settings::default();
        settings.set_at_start(settings_row("enable-debug-command"), "yes").unwrap();
        Net::start(router, recovery, Arc::new(settings), 1, true)
    }

    /// A client of worker `worker`, counted around.
    pub(crate) fn connect(&mut self, worker: usize) -> ClientId {
        let port = 1000 + self.clients.len() as u16;
        let remote = SocketAddr::from(([127, 0, 0, 1], port));
        let local = SocketAddr::from(([127, 0, 0, 1], 6379));
        self.connect_as(worker, Peer::Tcp { remote, local, tls: None })
    }

    pub(crate) fn connect_as(&mut self, worker: usize, peer: Peer) -> ClientId {
        self.try_connect_as(worker, peer).unwrap()
    }

    /// As [`Net::connect`]; none if the node takes no more clients.
    pub(crate) fn try_connect(&mut self, worker: usize) -> Option<ClientId> {
        self.try_connect_as(worker, Peer::InProcess)
    }

    fn try_connect_as(&mut self, worker: usize, peer: Peer) -> Option<ClientId> {
        let worker = worker % self.workers.len();
        let conn = ConnId(self.clients.len() as u64 + 1);
        let connected = self.clients.iter().filter(|client| client.open).count() + 1;
        let token = self.turn(worker, |worker| worker.accept(conn, peer, connected)).ok()?;
        let (unread, received) = (VecDeque::new(), Vec::new());
        self.clients.push(Client { worker, token, unread, received, open: true, deaf: false });
        Some(ClientId(self.clients.len() - 1))
    }

    /// Its number, as `CLIENT ID` tells it.
    pub(crate) fn id_of(&self, client: ClientId) -> u64 {
        client.0 as u64 + 1
    }

    /// The client writes these bytes.
    pub(crate) fn write(&mut self, client: ClientId, bytes: &[u8]) {
        self.clients[client.0].unread.extend(bytes);
    }

    /// The client sends a request for each line, in one go.
    pub(crate) fn send(&mut self, client: ClientId, lines: &[&str]) {
        for line in lines {
            let mut bytes = Vec::new();
            resp::write_request(&mut bytes, words(line).iter());
            self.write(client, &bytes);
        }
    }

    /// Sends, lets everything come to rest, and gives what came back.
    pub(crate) fn talk(&mut self, client: ClientId, lines: &[&str]) -> Vec<String> {
        self.send(client, lines);
        self.settle();
        self.take(client)
    }

    /// Sends one request and gives its one reply.
    #[track_caller]
    pub(crate) fn ask(&mut self, client: ClientId, line: &str) -> String {
        let replies = self.talk(client, &[line]);
        assert_eq!(replies.len(), 1, "{line}: {replies:?}");
        replies.into_iter().next().unwrap()
    }

    /// Replies received so far, each as one line.
    #[track_caller]
    pub(crate) fn take(&mut self, client: ClientId) -> Vec<String> {
        self.take_values(client).iter().map(show).collect()
    }

    #[track_caller]
    pub(crate) fn take_values(&mut self, client: ClientId) -> Vec<Value> {
        let bytes = std::mem::take(&mut self.clients[client.0].received);
        let (mut decoder, mut at, mut values) = (ValueDecoder::new(), 0, Vec::new());
        while let Some((value, len)) = decoder.decode(&bytes[at..]).unwrap() {
            values.push(value);
            at += len;
        }
        assert_eq!(at, bytes.len(), "half a reply: {:?}", String::from_utf8_lossy(&bytes[at..]));
        values
    }

    pub(crate) fn is_open(&self, client: ClientId) -> bool {
        self.clients[client.0].open
    }

    /// The client stops or begins to read what it is sent.
    pub(crate) fn set_deaf(&mut self, client: ClientId, deaf: bool) {
        self.clients[client.0].deaf = deaf;
        if !deaf {
            self.flush(client.0);
        }
    }

    /// The client closes its connection, between two turns.
    pub(crate) fn hang_up(&mut self, client: ClientId) {
        let (worker, token) = (self.clients[client.0].worker, self.clients[client.0].token);
        if std::mem::take(&mut self.clients[client.0].open) {
            self.turn(worker, |worker| worker.closed(token));
        }
    }

    /// How many loans worker `from` has sent that are still on their way.
    pub(crate) fn borrowed_by_other(&self, from: usize) -> usize {
        let lent = |message: &&Message| matches!(message, Message::Lend(..));
        self.wires.iter().filter(|(pair, _)| pair.0 == from).flat_map(|(_, queue)| queue).filter(lent).count()
    }

    /// Goes on until a loan is on its way between two workers.
    pub(crate) fn step_until_lent(&mut self, from: usize, to: usize) {
        let is_lent = |net: &Net| {
            let queue = net.wires.get(&(from, to));
            queue.is_some_and(|queue| queue.iter().any(|message| matches!(message, Message::Lend(..))))
        };
        while !is_lent(self) {
            assert!(self.step(), "nothing is lent");
        }
    }

    /// Whoever asked for a loan and was not heard yet is refused it.
    pub(crate) fn refuse_loans(&mut self) -> usize {
        let mut refused = Vec::new();
        for (&(from, to), queue) in &mut self.wires {
            for message in std::mem::take(queue) {
                match message {
                    Message::Borrow(borrow) => refused.push(((to, from), borrow)),
                    other => queue.push_back(other),
                }
            }
        }
        let count = refused.len();
        for (pair, borrow) in refused {
            self.wires.entry(pair).or_default().push_back(Message::NotLent(borrow.task, borrow.got));
        }
        count
    }

    /// The client sends a request and the worker takes it up before anything else happens.
    pub(crate) fn send_now(&mut self, client: ClientId, line: &str) {
        let Client { worker, token, .. } = self.clients[client.0];
        let mut bytes = Vec::new();
        resp::write_request(&mut bytes, words(line).iter());
        self.turn(worker, |worker| worker.receive(token, &bytes));
    }

    /// Clients of one worker send a request each, which it takes up in one turn.
    pub(crate) fn send_in_one_turn(&mut self, requests: &[(ClientId, &str)]) {
        let worker = self.clients[requests[0].0.0].worker;
        let of = |(client, line): &(ClientId, &str)| {
            let Client { worker: other, token, .. } = self.clients[client.0];
            assert_eq!(other, worker);
            let mut bytes = Vec::new();
            resp::write_request(&mut bytes, words(line).iter());
            (token, bytes)
        };
        let requests: Vec<(u32, Vec<u8>)> = requests.iter().map(of).collect();
        self.turn(worker, |worker| {
            requests.iter().for_each(|(token, bytes)| worker.receive(*token, bytes));
        });
    }

    /// In one turn of one worker: `killer` kills `victim`, which hangs up, and someone else connects.
    pub(crate) fn kill_hang_up_and_accept_in_one_turn(
        &mut self,
        killer: ClientId,
        victim: ClientId,
    ) -> ClientId {
        let (worker, token) = (self.clients[victim.0].worker, self.clients[victim.0].token);
        let killer = self.clients[killer.0].token;
        let mut kill = Vec::new();
        resp::write_request(&mut kill, words(&format!("CLIENT KILL ID {}", victim.0 + 1)).iter());
        self.clients[victim.0].open = false;
        let conn = ConnId(self.clients.len() as u64 + 1);
        // The newcomer must be known before the turn ends.
        let client =
            Client { worker, token, unread: VecDeque::new(), received: Vec::new(), open: true, deaf: false };
        self.clients.push(client);
        let given = self.turn(worker, |worker| {
            worker.receive(killer, &kill);
            worker.closed(token);
            worker.accept(conn, Peer::InProcess, 2)
        });
        assert_eq!(given, Ok(token));
        ClientId(self.clients.len() - 1)
    }

    /// Time passes on both clocks; what is due happens.
    pub(crate) fn pass(&mut self, millis: u64) {
        let end = self.now.mono_us + millis * 1000;
        while self.now.mono_us < end {
            let step = (end - self.now.mono_us).min(50_000);
            self.now.mono_us += step;
            self.now.wall_us += step;
            for worker in 0..self.workers.len() {
                for _ in 0..10_000 {
                    if self.workers[worker].next_tick() > self.now.mono_millis() {
                        break;
                    }
                    self.turn(worker, Worker::tick);
                }
            }
            self.settle();
        }
    }

    pub(crate) fn worker(&mut self, worker: usize) -> &mut Worker {
        let count = self.workers.len();
        &mut self.workers[worker % count]
    }

    pub(crate) fn workers(&self) -> usize {
        self.workers.len()
    }

    pub(crate) fn each_worker(&mut self, change: impl Fn(&mut Worker)) {
        self.workers.iter_mut().for_each(change);
    }

    /// Syncs the log as far as it was written.
    pub(crate) fn sync(&mut self) {
        self.synced = self.frames.len();
        let position = self.synced as u64;
        for worker in 0..self.workers.len() {
            self.turn(worker, |worker| worker.synced(position));
        }
    }

    /// Takes random steps until nothing is left to do.
    pub(crate) fn settle(&mut self) {
        while self.step() {}
    }

    /// One random step. False if there is nothing to do.
    pub(crate) fn step(&mut self) -> bool {
        let wires: Vec<(usize, usize)> = self
            .wires
            .iter()
            .filter(|(pair, queue)| !queue.is_empty() && !self.held.contains(pair))
            .map(|(&pair, _)| pair)
            .collect();
        let writers: Vec<usize> = (0..self.clients.len())
            .filter(|&client| self.clients[client].open && !self.clients[client].unread.is_empty())
            .collect();
        let to_sync = !self.hold_sync && self.synced < self.frames.len();
        let choices = wires.len() + writers.len() + usize::from(to_sync);
        if let Some(worker) = (0..self.workers.len()).find(|&worker| self.workers[worker].has_more())
            && (choices == 0 || self.random.chance(1, 3))
        {
            self.turn(worker, |_| {});
            return true;
        }
        if choices == 0 {
            return self.end_round();
        }
        let choice = self.random.below(choices as u64) as usize;
        if choice < wires.len() {
            let (from, to) = wires[choice];
            let batch = 1 + self.random.below(3) as usize;
            let queue = self.wires.get_mut(&(from, to)).unwrap();
            let messages: Vec<Message> = queue.drain(..batch.min(queue.len())).collect();
            self.turn(to, |worker| {
                messages.into_iter().for_each(|message| worker.deliver(WorkerId(from as u16), message));
            });
        } else if choice < wires.len() + writers.len() {
            let client = writers[choice - wires.len()];
            let most = if self.random.chance(1, 2) { 8 } else { 4096 };
            let count = 1 + self.random.below(most) as usize;
            let Client { worker, token, unread, .. } = &mut self.clients[client];
            let bytes: Vec<u8> = unread.drain(..count.min(unread.len())).collect();
            let (worker, token) = (*worker, *token);
            self.turn(worker, |worker| worker.receive(token, &bytes));
        } else {
            self.sync();
        }
        true
    }

    /// Tells the workers that no checkpoint is under way any more, if that is so and new.
    fn end_round(&mut self) -> bool {
        let is_over = self.is_round_over && !self.workers.iter().any(Worker::is_checkpointing);
        if is_over {
            self.is_round_over = false;
            for worker in 0..self.workers.len() {
                self.turn(worker, Worker::round_over);
            }
        }
        is_over
    }

    /// One turn of a worker, as a shell does it.
    fn turn<T>(&mut self, index: usize, event: impl FnOnce(&mut Worker) -> T) -> T {
        self.turns += 1;
        assert!(self.turns < 5_000_000, "a test never came to rest");
        self.workers[index].begin_turn(self.now, self.log_room);
        let result = event(&mut self.workers[index]);
        let outbox = std::mem::take(self.workers[index].end_turn());
        let Outbox { frame, messages, send, close, checkpoints, control, passwords, .. } = outbox;
        let before = self.frames.len();
        if !frame.is_empty() {
            assert!(self.logging, "a node without a log writes none");
            assert!(
                frame.len() <= self.log_room,
                "the log has room for {}, not {}",
                self.log_room,
                frame.len()
            );
            self.frames.push(frame);
        }
        self.workers[index].appended(self.frames.len() as u64);
        self.take_checkpoints(checkpoints, before);
        for (to, message) in messages {
            self.wires.entry((index, usize::from(to.0))).or_default().push_back(message);
        }
        for token in send {
            if let Some(client) = self.client_at(index, token) {
                self.flush(client);
            }
        }
        for token in close {
            if let Some(client) = self.client_at(index, token) {
                self.clients[client].open = false;
                self.workers[index].closed(token);
            }
        }
        self.controls.extend(control);
        for job in passwords {
            let solved: Box<dyn FnOnce(&mut Worker)> =
                Box::new(|worker| worker.passwords_solved(job.solve()));
            self.turn(index, solved);
        }
        result
    }

    fn take_checkpoints(&mut self, writes: Vec<CheckpointWrite>, frame: usize) {
        for write in writes {
            match write {
                // What is logged again in the first turn of a round is needed as long as its files are.
                CheckpointWrite::RoundBegins => self.round_from = self.round_from.min(frame),
                CheckpointWrite::RoundEnds { .. } => {
                    (self.is_round_over, self.round_from) = (true, usize::MAX)
                }
                CheckpointWrite::Begin { partition, index, term, time, .. } => {
                    let begun = Checkpoint {
                        term,
                        index,
                        time,
                        from_frame: frame.min(self.round_from),
                        ..Checkpoint::default()
                    };
                    self.under_way.insert(partition.0, begun);
                }
                CheckpointWrite::Chunk { partition, bytes } => {
                    self.under_way.get_mut(&partition.0).unwrap().chunks.push(bytes);
                }
                CheckpointWrite::End { partition } => {
                    let done = self.under_way.remove(&partition.0).unwrap();
                    self.checkpoints.insert(partition.0, Checkpoint { whole: true, ..done });
                    let owner = usize::from(self.router.owner(partition).0);
                    let done = CheckpointDone { partition, is_received: false, is_written: true };
                    self.workers[owner].checkpoint_done(done);
                }
            }
        }
    }

    fn client_at(&self, worker: usize, token: u32) -> Option<usize> {
        self.clients.iter().position(|client| client.open && client.worker == worker && client.token == token)
    }

    fn flush(&mut self, client: usize) {
        let Client { worker, token, deaf, open, .. } = self.clients[client];
        if !open || deaf {
            return;
        }
        loop {
            let bytes = self.workers[worker].sendable(token);
            let count = bytes.len().min(1 + self.random.below(200) as usize);
            self.clients[client].received.extend_from_slice(&bytes[..count]);
            match self.workers[worker].sent(token, count) {
                AfterSend::More => {}
                AfterSend::Idle => return,
                AfterSend::Close => {
                    self.clients[client].open = false;
                    return self.workers[worker].closed(token);
                }
            }
        }
    }

    /// The digest of everything, asked by a new client of worker 0.
    pub(crate) fn digest(&mut self) -> String {
        let client = self.connect(0);
        let digest = self.ask(client, "DEBUG DIGEST");
        self.hang_up(client);
        digest
    }

    /// Starts a checkpoint on every worker.
    pub(crate) fn begin_checkpoints(&mut self) {
        for worker in 0..self.workers.len() {
            self.turn(worker, Worker::begin_checkpoint);
        }
    }

    /// One call of every worker's timer, if it is due.
    pub(crate) fn tick(&mut self) {
        for worker in 0..self.workers.len() {
            if self.workers[worker].next_tick() <= self.now.mono_millis() {
                self.turn(worker, Worker::tick);
            }
        }
    }

    /// The terms of the last entries in the checkpoints.
    pub(crate) fn checkpoint_terms(&self) -> Vec<u64> {
        self.checkpoints.values().map(|checkpoint| checkpoint.term).collect()
    }

    pub(crate) fn random(&mut self) -> &mut Random {
        &mut self.random
    }
}

fn fresh(router: Router) -> Recovery {
    Recovery::new(router, KeyHasher::new(5))
}

fn settings_row(name: &str) -> &'static node::settings::Setting {
    node::settings::find(name).unwrap_or_else(|| panic!("no setting {name}"))
}

/// A key of database 0 in partition `partition`; `salt` makes different ones.
pub(crate) fn key_in(partition: u16, salt: &str) -> String {
    let router = Router::new(PARTITIONS, 1);
    (0..)
        .map(|n| format!("{salt}{n}"))
        .find(|key| router.partition_of_slot(slot_of(key.as_bytes())).0 == partition)
        .unwrap()
}

/// Words split at blanks; a word may be in double quotes.
fn words(line: &str) -> Vec<Vec<u8>> {
    resp::split_line(line.as_bytes()).unwrap()
}

/// A reply as one line: `OK`, `(ERR no)`, `7`, `"text"`, `nil`, `[a b]`, `{k:v}`, `>[push]`.
pub(crate) fn show(value: &Value) -> String {
    let all = |items: &[Value]| items.iter().map(show).collect::<Vec<_>>().join(" ");
    match value {
        Value::Simple(text) => text.clone(),
        Value::Error(text) => format!("({text})"),
        Value::Int(number) => number.to_string(),
        Value::Bulk(bytes) => format!("\"{}\"", String::from_utf8_lossy(bytes)),
        Value::Verbatim { text, .. } => format!("\"{}\"", String::from_utf8_lossy(text)),
        Value::Null => "nil".to_owned(),
        Value::Array(items) => format!("[{}]", all(items)),
        Value::Set(items) => format!("~[{}]", all(items)),
        Value::Push(items) => format!(">[{}]", all(items)),
        Value::Map(pairs) => {
            let pairs: Vec<String> = pairs.iter().map(|(k, v)| format!("{}:{}", show(k), show(v))).collect();
            format!("{{{}}}", pairs.join(" "))
        }
        Value::Boolean(flag) => format!("#{flag}"),
        Value::Double(number) => format!(",{number}"),
        Value::BigNumber(text) => text.clone(),
    }
}

/// Runs a test on nodes of one, two and three workers, with several seeds each.
pub(crate) fn on_all(test: impl Fn(&mut Net)) {
    on_all_with(&[], test);
}

/// The same with settings.
pub(crate) fn on_all_with(settings: &[(&'static str, &'static str)], test: impl Fn(&mut Net)) {
    for workers in 1..=3 {
        for seed in 0..6 {
            eprintln!("{workers} workers, seed {seed}");
            let options = Options { workers, seed, logging: true, settings: settings.to_vec() };
            test(&mut Net::with(options));
        }
    }
}
