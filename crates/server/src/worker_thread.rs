//! One worker on its thread: an epoll loop around [`node::Worker`].
//!
//! Sockets are registered once, edge-triggered, for both directions; who has more to read than one turn takes
//! stays on a list and is read first in the next. A turn reads a bounded number of bytes, so that no client
//! and no timer waits long behind another.

mod parting;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::{ConnId, Millis, WorkerId};
use log::{LogError, Position};
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use node::{AfterSend, Control, Outbox, Peer, Worker};

use crate::gather::Gather;
use crate::lanes::Lane;
use crate::links::{FIRST_LINK, Happened, Links};
use crate::listen::{ACCEPTS, Listeners, Waiting, note_waiting};
use crate::other_cluster;
use crate::pulse::Patient;
use crate::shared::{DiskJob, Inbox, Item, Local, LocalId, Shared, SharedLog, lock};
use crate::socket::Socket;
use crate::stopping::Stage;

const WAKE: Token = Token(0);
/// Tokens of listeners come next, then those of clients.
const FIRST_LISTENER: usize = 1;
const FIRST_CLIENT: usize = 64;

/// Bytes read from one socket at once.
const READ_BYTES: usize = 64 * 1024;
/// Bytes read in one turn from all sockets.
const TURN_BYTES: usize = 1 << 20;
/// Bytes sent in one turn to one client: who takes faster than others are served waits for them.
const TURN_SEND_BYTES: usize = 1 << 20;
/// After so long a full disk is asked again.
const ROOM_PAUSE: Duration = Duration::from_millis(100);
/// What a worker may append in one turn beyond what a single large request brings.
const TURN_LOG_BYTES: u64 = 2 << 20;

/// A client's connection.
struct Connection {
    socket: Socket,
    /// On the list of those with more to read.
    listed: bool,
    /// The client has said that it sends no more: reading goes on until its last byte was seen.
    ends: bool,
    /// Its socket took less than there was; an event will say when it takes more.
    stuck: bool,
    /// It takes more than a turn sends; on the list of those that are sent to in the next.
    goes_on: bool,
    /// When it was last read from, for [`Gather`].
    last_span: u32,
    /// Steady clock: it was told all, and is closed then if it has not closed itself.
    parted_until: Option<Millis>,
}

/// A worker thread's own state.
pub(crate) struct WorkerThread {
    id: WorkerId,
    worker: Worker,
    poll: Poll,
    shared: Arc<Shared>,
    listeners: Option<Listeners>,
    /// None for a node that is on its own for good.
    links: Option<Links>,
    connections: Vec<Option<Connection>>,
    readable: VecDeque<usize>,
    /// Those that have more to read, and of whom too much waits already.
    held: Vec<usize>,
    /// Those that send no more and are still to be answered.
    ended: Vec<usize>,
    /// Listeners at which connections still wait.
    waiting: BTreeMap<usize, Waiting>,
    /// Their sockets take more, or did not get all that they take; sent to after the append, for this turn may already
    /// have answered them.
    unstuck: Vec<usize>,
    /// Clients in this process, and their tokens.
    locals: BTreeMap<LocalId, usize>,
    buffer: Box<[u8]>,
    /// Bytes of TLS before they are opened; empty until there are some.
    sealed: Vec<u8>,
    next_worker: usize,
    stopping: bool,
    /// What is done before the node stops.
    stage: Option<Stage>,
    /// Steady clock: from then on nothing more is taken from clients.
    input_until: Millis,
    /// Steady clock: when a full disk is looked at again.
    next_room_check: Millis,
    refused: bool,
    /// Steady clock, in microseconds: when the turn began whose length is still to be told.
    turn_began_us: Option<u64>,
    gather: Gather,
}

impl WorkerThread {
    pub(crate) fn new(
        id: WorkerId,
        worker: Worker,
        poll: Poll,
        shared: Arc<Shared>,
        listeners: Option<Listeners>,
    ) -> WorkerThread {
        let links = shared.fabric.is_some().then(|| Links::new(id, Arc::clone(&shared)));
        WorkerThread {
            id,
            worker,
            poll,
            shared,
            listeners,
            links,
            connections: Vec::new(),
            readable: VecDeque::new(),
            held: Vec::new(),
            ended: Vec::new(),
            waiting: BTreeMap::new(),
            unstuck: Vec::new(),
            locals: BTreeMap::new(),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            sealed: Vec::new(),
            next_worker: 0,
            stopping: false,
            stage: None,
            input_until: Millis::NEVER,
            next_room_check: Millis::default(),
            refused: false,
            turn_began_us: None,
            gather: Gather::new(),
        }
    }

    /// The token of the waker that [`Inbox`](crate::shared::Inbox) holds.
    pub(crate) const WAKE: Token = WAKE;

    /// Runs until the node stops.
    pub(crate) fn run(mut self) {
        if let Err(error) = self.try_run() {
            self.shared.fail(&format!("worker {}: {error}", self.id.0));
        }
    }

    fn try_run(&mut self) -> io::Result<()> {
        if let Some(listeners) = &mut self.listeners {
            listeners.register(self.poll.registry(), FIRST_LISTENER)?;
        }
        if let (Some(links), Some(fabric)) = (&mut self.links, &self.shared.fabric) {
            links.follow(&fabric.meta(), &mut self.worker, self.poll.registry());
        }
        let mut events = Events::with_capacity(1024);
        // Else the kernel may let 50 µs pass for 10.
        if let Err(error) = rustix::thread::set_current_timer_slack(NonZeroU64::new(1_000)) {
            tracing::debug!(%error, "the kernel rounds short waits up");
        }
        if let Some(patient) = self.patient() {
            patient.is_here();
        }
        while !self.stopping && !self.shared.has_failed() {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            let now = self.shared.now();
            // The last turn had more to do and did not sleep: this one's beginning is its end.
            self.tell_turn(now.mono_us);
            self.turn_began_us = Some(now.mono_us);
            self.look_busy(now.mono_us);
            let room = self.log_room(now.mono_millis());
            self.worker.begin_turn(now, room);
            for event in &events {
                self.handle_event(event);
            }
            // Those that are stuck are tried again here, too: housekeeping wakes the loop some times a second.
            for listener in self.waiting.keys().copied().collect::<Vec<_>>() {
                self.accept(listener);
            }
            self.read_listed();
            self.read_links(now.mono_millis());
            if self.worker.next_tick() <= now.mono_millis() {
                self.worker.tick();
            }
            self.end_turn();
        }
        Ok(())
    }

    /// How long the loop may sleep.
    fn timeout(&mut self) -> Option<Duration> {
        let more_wait = self.waiting.values().any(|waiting| *waiting == Waiting::More);
        let links_wait = self.links.as_ref().is_some_and(Links::has_more);
        if !self.readable.is_empty() || !self.unstuck.is_empty() || more_wait || links_wait {
            return Some(Duration::ZERO);
        }
        let (next, mut now_us) = (self.worker.next_tick(), self.shared.mono_us());
        self.tell_turn(now_us);
        let wait_us = self.gather.wait_us(now_us, || lock(&self.shared.settings).gather_us.into());
        if wait_us > 0 && now_us + wait_us < next.0.saturating_mul(1000) {
            std::thread::sleep(Duration::from_micros(wait_us));
            now_us = self.shared.mono_us();
        }
        if next == Millis::NEVER {
            return None;
        }
        // Rounded up, or the loop would spin through the last millisecond.
        Some(Duration::from_millis(next.0.saturating_mul(1000).saturating_sub(now_us).div_ceil(1000)))
    }

    fn patient(&self) -> Option<&Patient> {
        Some(&self.shared.inboxes().get(usize::from(self.id.0))?.patient)
    }

    /// A turn began, or ended if that is 0, for who says signs of life meanwhile.
    fn look_busy(&self, began_us: u64) {
        if self.links.is_some()
            && let Some(patient) = self.patient()
        {
            patient.turn(began_us);
        }
    }

    fn tell_turn(&mut self, now_us: u64) {
        if let Some(began_us) = self.turn_began_us.take() {
            self.look_busy(0);
            self.worker.note_turn(now_us.saturating_sub(began_us));
        }
    }

    fn handle_event(&mut self, event: &Event) {
        let (ended, writable) = (event.is_read_closed(), event.is_writable());
        let readable = event.is_readable() || ended;
        match event.token().0 {
            0 => self.take_inbox(),
            token if token < FIRST_CLIENT => self.accept(token - FIRST_LISTENER),
            token if token >= FIRST_LINK => {
                if let Some(links) = &mut self.links {
                    let happened = Happened { readable, ended, writable };
                    links.handle_event(token, happened, &mut self.worker, self.poll.registry());
                }
            }
            token => {
                let token = token - FIRST_CLIENT;
                if readable {
                    self.list(token);
                }
                if ended && let Some(Some(connection)) = self.connections.get_mut(token) {
                    connection.ends = true;
                }
                if writable
                    && self.connections.get(token).is_some_and(|c| c.as_ref().is_some_and(|c| c.stuck))
                {
                    self.unstuck.push(token);
                }
            }
        }
    }

    /// Hears what other nodes say, and tries to reach those to whom there is no way.
    fn read_links(&mut self, now: Millis) {
        if let Some(links) = &mut self.links {
            links.flush_unsent(&mut self.worker, self.poll.registry());
            links.read_listed(&mut self.worker, self.poll.registry());
            links.dial_due(now);
        }
    }

    fn list(&mut self, token: usize) {
        if let Some(Some(connection)) = self.connections.get_mut(token)
            && !connection.listed
        {
            connection.listed = true;
            self.readable.push_back(token);
        }
    }

    /// Reads from those who have something, each once, until the turn is full.
    fn read_listed(&mut self) {
        let mut left = TURN_BYTES;
        for _ in 0..self.readable.len() {
            if left == 0 {
                break;
            }
            let Some(token) = self.readable.pop_front() else { break };
            left = left.saturating_sub(self.read(token));
        }
    }

    /// Those that were held and may go on are read from in the next turn; those that have been told all they wanted go.
    fn release_held(&mut self) {
        for token in std::mem::take(&mut self.held) {
            match self.worker.wants_input(token as u32) {
                true => self.readable.push_back(token),
                false => self.held.push(token),
            }
        }
        for token in std::mem::take(&mut self.ended) {
            match self.worker.owes_answers(token as u32) {
                true => self.ended.push(token),
                false => self.close(token),
            }
        }
    }

    /// Reads once from a client and lets the worker have it; how many bytes.
    fn read(&mut self, token: usize) -> usize {
        let Some(Some(connection)) = self.connections.get_mut(token) else { return 0 };
        if !self.worker.wants_input(token as u32) {
            self.held.push(token);
            return 0;
        }
        connection.listed = false;
        if self.stage == Some(Stage::Part) && self.is_heard_no_more(token) {
            return self.discard(token);
        }
        let Some(Some(connection)) = self.connections.get_mut(token) else { return 0 };
        match connection.socket.read(&mut self.buffer, &mut self.sealed) {
            Ok((0, _)) if self.worker.owes_answers(token as u32) => {
                // It may have said all that it wants to say.
                connection.listed = true;
                self.ended.push(token);
            }
            Ok((0, _)) => self.close(token),
            Ok((count, has_more)) => {
                self.gather.note(&mut connection.last_span);
                if has_more || connection.ends {
                    connection.listed = true;
                    self.readable.push_back(token);
                }
                if self.links.is_some() {
                    self.worker.note_clock(self.shared.mono_us());
                }
                self.worker.receive(token as u32, &self.buffer[..count]);
                return count;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.list(token),
            Err(_) => self.close(token),
        }
        0
    }

    fn accept(&mut self, listener: usize) {
        let mut waiting = Waiting::More;
        for _ in 0..ACCEPTS {
            let Some(listeners) = &mut self.listeners else { return };
            match listeners.accept(listener) {
                Ok((fd, peer)) => self.take_client(Socket::new(fd, &peer), peer),
                Err(left) => {
                    waiting = left;
                    break;
                }
            }
        }
        note_waiting(&mut self.waiting, listener, waiting);
    }

    /// Gives a client to the worker whose turn it is. One too many is refused here: it must not wait for another worker,
    /// with its descriptor.
    fn take_client(&mut self, socket: Socket, peer: Peer) {
        let connected = self.shared.take_place();
        let workers = self.shared.inboxes().len().max(1);
        let to = self.next_worker % workers;
        if to == usize::from(self.id.0) || !self.worker.has_place(connected) {
            self.add(socket, peer, connected);
        } else {
            self.shared.send(WorkerId(to as u16), Item::Connection(socket, peer, connected));
        }
        self.next_worker += 1;
    }

    fn add(&mut self, socket: Socket, peer: Peer, connected: usize) {
        let conn = ConnId(self.shared.next_conn.fetch_add(1, Ordering::Relaxed));
        let is_sealed = matches!(socket, Socket::Sealed(_));
        // Requests may have come with the handshake, of which no event tells.
        if let Some(token) = self.add_socket(socket, conn, peer, connected)
            && is_sealed
        {
            self.list(token);
        }
    }

    fn add_socket(
        &mut self,
        mut socket: Socket,
        conn: ConnId,
        peer: Peer,
        connected: usize,
    ) -> Option<usize> {
        let token = match self.worker.accept(conn, peer, connected) {
            Ok(token) => token as usize,
            Err(line) => {
                // Best effort: the socket is fresh, its buffer takes one line. What the client has sent already is read,
                // or closing would take the line back.
                let _ = socket.read(&mut self.buffer, &mut self.sealed);
                let _ = socket.write(line);
                socket.finish();
                self.shared.leave_place();
                return None;
            }
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut socket, Token(token + FIRST_CLIENT), interest).is_err() {
            self.shared.leave_place();
            self.worker.closed(token as u32);
            return None;
        }
        if self.connections.len() <= token {
            self.connections.resize_with(token + 1, || None);
        }
        self.connections[token] = Some(Connection {
            socket,
            listed: false,
            ends: false,
            stuck: false,
            goes_on: false,
            last_span: 0,
            parted_until: None,
        });
        Some(token)
    }

    /// A client in this process did something.
    fn take_local(&mut self, id: LocalId, what: Local) {
        match what {
            Local::Open(sender) => {
                let (socket, connected) = (Socket::Local(sender), self.shared.take_place());
                let added = self.add_socket(socket, ConnId(id.number()), Peer::InProcess, connected);
                if let Some(token) = added {
                    self.locals.insert(id, token);
                }
            }
            Local::Bytes(bytes) => {
                if let Some(token) = self.locals.get(&id) {
                    self.worker.receive(*token as u32, &bytes);
                }
            }
            Local::Close => {
                if let Some(token) = self.locals.remove(&id) {
                    self.close(token);
                }
            }
        }
    }

    fn take_inbox(&mut self) {
        let Some(inbox) = self.shared.inboxes().get(usize::from(self.id.0)) else { return };
        let items = inbox.take();
        if self.links.is_some() {
            self.worker.note_clock(self.shared.mono_us());
        }
        for item in items {
            match item {
                Item::Message(from, message) => self.worker.deliver(from, message),
                Item::Connection(socket, peer, connected) => self.add(socket, peer, connected),
                Item::Local(id, what) => self.take_local(id, what),
                Item::Synced(position) => self.worker.synced(position.0),
                Item::CheckpointDone(done) => self.worker.checkpoint_done(done),
                Item::Passwords(solved) => self.worker.passwords_solved(solved),
                Item::RoundOver => self.worker.round_over(),
                Item::CheckpointWritten(partition, bytes) => self.worker.checkpoint_written(partition, bytes),
                Item::BeginCheckpoint => {
                    self.worker.begin_checkpoint();
                }
                Item::CheckpointRefused(partition) => self.worker.checkpoint_refused(partition),
                Item::HoldWrites(until) => self.worker.hold_writes(until),
                Item::Joined(wish, result) => {
                    self.worker.told_of_join(&wish, result.err().as_deref());
                }
                Item::Stage(stage) => self.begin_stage(stage),
                Item::Stop => self.stopping = true,
                Item::Report(number) => self.worker.ask_report(number),
                Item::AskFabric(number, command) => self.worker.ask_fabric(number, *command),
                item => self.take_link_item(item),
            }
        }
    }

    fn take_link_item(&mut self, item: Item) {
        let (worker, registry) = (&mut self.worker, self.poll.registry());
        let Some(links) = &mut self.links else { return };
        match item {
            Item::Linked(link) => links.accept(*link, registry),
            Item::Dialed(node, link) => links.dialed(node, link, worker, registry),
            Item::AnswersLost(node, run) => worker.answers_lost(node, run),
            Item::Members(meta) => links.follow(&meta, worker, registry),
            _ => {}
        }
    }

    /// What the log can take this turn, of which each worker may use its share. Refuses writes while the disk
    /// is full, and lets them go on when there is room again; what makes room goes on meanwhile.
    fn log_room(&mut self, now: Millis) -> usize {
        let shared = Arc::clone(&self.shared);
        let Some(log) = &shared.log else { return usize::MAX };
        let workers = self.shared.inboxes().len().max(1) as u64;
        let needed = (TURN_LOG_BYTES + self.worker.largest_announced() as u64) * workers;
        let is_asked = self.refused || log.headroom() < needed;
        if is_asked && now >= self.next_room_check {
            match log.reserve(needed) {
                Ok(()) => {}
                Err(error) if error.is_full() => {
                    self.next_room_check = Millis(now.0 + 100);
                    self.refuse_writes(&error.to_string());
                }
                Err(error) => self.shared.fail(&error.to_string()),
            }
        }
        if self.refused && log.headroom() >= needed {
            self.refused = false;
            tracing::info!("the disk has room again, writes go on");
            self.worker.set_write_refusal(None);
        }
        // Only what makes room is let through while writes are refused.
        let headroom = if self.refused { log.headroom_to_delete() } else { log.headroom() };
        usize::try_from(headroom / workers).unwrap_or(usize::MAX)
    }

    fn refuse_writes(&mut self, reason: &str) {
        if !self.refused {
            self.refused = true;
            tracing::warn!(reason, "the disk is full, writes are refused until there is room");
            self.worker.set_write_refusal(Some(Arc::from("disk full")));
        }
    }

    /// Does what the turn left to be done, in the order that [`Outbox`] promises.
    fn end_turn(&mut self) {
        let Outbox {
            level,
            frame,
            sync,
            messages,
            peers,
            urgent,
            send,
            close,
            checkpoints,
            passwords,
            control,
            sleep,
        } = std::mem::take(self.worker.end_turn());
        for control in &control {
            if let Control::Fail(reason) = control {
                // Before anything of this turn leaves.
                return self.shared.fail(reason);
            }
        }
        if let Some(level) = level
            && let Some(log) = &self.shared.log
            && let Err(error) = log.keep_level(level)
        {
            return self.shared.fail(&error.to_string());
        }
        let mut before = self.shared.log.as_ref().map_or(Position(0), |log| log.sync.written());
        if !frame.is_empty()
            && let Some(log) = &self.shared.log
        {
            match self.append(log, &frame) {
                Ok((start, end)) => {
                    before = start;
                    self.worker.appended(end.0);
                }
                Err(error) => return self.shared.fail(&error.to_string()),
            }
        } else {
            self.worker.appended(before.0);
        }
        if sync {
            self.shared.disk(DiskJob::Sync);
        }
        for write in checkpoints {
            self.shared.disk(DiskJob::Checkpoint { from: self.id, position: before, write });
        }
        if self.shared.has_failed() {
            return;
        }
        for job in passwords {
            self.shared.passwords.look_at(self.id, job);
        }
        // Before anybody is told that they are in force.
        control.iter().for_each(|control| self.adopt_settings(control));
        for (to, message) in messages {
            self.shared.send(to, Item::Message(self.id, message));
        }
        if let Some(links) = &mut self.links {
            for (to, frame) in urgent {
                links.send(to, frame, Lane::Urgent, &mut self.worker, self.poll.registry());
            }
            for (to, frame) in peers {
                let frame = links.send(to, frame, Lane::Plain, &mut self.worker, self.poll.registry());
                self.worker.reuse_frame(to, frame);
            }
        }
        if let Some(duration) = sleep {
            std::thread::sleep(duration);
        }
        for token in std::mem::take(&mut self.unstuck) {
            if let Some(Some(connection)) = self.connections.get_mut(token) {
                connection.goes_on = false;
            }
            self.flush(token);
        }
        for &token in &send {
            self.flush(token as usize);
        }
        for token in close {
            self.close(token as usize);
        }
        for control in control {
            self.control(control);
        }
        if let Some(fabric) = self.shared.fabric.as_ref().filter(|fabric| fabric.is_leaving()) {
            fabric.holds(self.id, self.worker.groups_that_need_us());
        }
        self.release_held();
        self.go_on_with_stage();
        self.reuse(frame, send);
    }

    /// Appends a frame, which was applied already. That there is no room for it comes only of another program that takes
    /// the disk's last byte, and of votes that have used up what was kept for them: then this worker waits.
    fn append(&self, log: &SharedLog, frame: &[u8]) -> Result<(Position, Position), LogError> {
        let mut is_told = false;
        loop {
            match log.append(frame) {
                Err(error) if error.is_full() && !self.is_told_to_end() => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::error!(%error, "the disk has not a byte left: this worker waits, and serves nobody");
                    }
                    std::thread::sleep(ROOM_PAUSE);
                }
                result => return result,
            }
        }
    }

    fn is_told_to_end(&self) -> bool {
        let inbox = self.shared.inboxes().get(usize::from(self.id.0));
        self.shared.has_failed() || inbox.is_some_and(Inbox::holds_stop)
    }

    /// Gives the turn's larger buffers back, so that the next need not allocate.
    fn reuse(&mut self, mut frame: Vec<u8>, mut send: Vec<u32>) {
        frame.clear();
        send.clear();
        let kept = frame.capacity() <= TURN_BYTES;
        self.worker.recycle(if kept { frame } else { Vec::new() }, send);
    }

    /// Sends what a client can be sent.
    fn flush(&mut self, token: usize) {
        let Some(Some(connection)) = self.connections.get_mut(token) else { return };
        let mut left = TURN_SEND_BYTES;
        loop {
            let bytes = self.worker.sendable(token as u32);
            let count = match bytes.is_empty() {
                true => 0,
                false => match connection.socket.write(bytes) {
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        connection.stuck = true;
                        return;
                    }
                    Err(_) => return self.close(token),
                },
            };
            left = left.saturating_sub(count);
            match self.worker.sent(token as u32, count) {
                AfterSend::More if left == 0 => {
                    connection.stuck = false;
                    if !std::mem::replace(&mut connection.goes_on, true) {
                        self.unstuck.push(token);
                    }
                    return;
                }
                AfterSend::More => {}
                AfterSend::Idle => {
                    connection.stuck = false;
                    return;
                }
                AfterSend::Close => return self.close(token),
            }
        }
    }

    fn close(&mut self, token: usize) {
        let Some(mut connection) = self.connections.get_mut(token).and_then(Option::take) else { return };
        if let Socket::Local(_) = connection.socket {
            self.locals.retain(|_, other| *other != token);
        }
        // Its place may be another's soon.
        self.held.retain(|other| *other != token);
        self.ended.retain(|other| *other != token);
        // Fails only for a socket that is not registered; it is dropped either way.
        let _ = self.poll.registry().deregister(&mut connection.socket);
        connection.socket.finish();
        self.shared.leave_place();
        self.worker.closed(token as u32);
    }

    fn adopt_settings(&self, control: &Control) {
        let Control::SettingsChanged(settings) = control else { return };
        if let Some(logging) = &self.shared.logging {
            logging.set_level(settings.loglevel);
        }
        if let Some(tls) = &self.shared.client_tls {
            tls.adopt(&settings.tls);
        }
        *lock(&self.shared.settings) = Arc::clone(settings);
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::Shutdown { save: _ } => self.shared.stop.stop(),
            // Seen before anything was sent, or before the append.
            Control::SettingsChanged(_) | Control::Fail(_) => {}
            Control::FabricChanged(meta) => {
                if let Some(fabric) = &self.shared.fabric {
                    fabric.set_meta(Arc::clone(&meta));
                    let me = self.shared.node_id;
                    if fabric.is_told_to_leave(me) {
                        self.shared.stop.stop();
                    }
                    if fabric.was_removed(me) {
                        self.shared.was_removed();
                    }
                    self.shared.send_all(|| Item::Members(Arc::clone(&meta)));
                }
            }
            Control::Join(wish) => other_cluster::begin(&self.shared, self.id, wish),
            Control::Certain => self.shared.disk(DiskJob::Certain),
            Control::Reported { number, report } => self.shared.reports.answer(number, report),
            Control::Agreed { number, result } => {
                if let Some(fabric) = &self.shared.fabric {
                    fabric.agreed(number, result);
                }
            }
        }
    }
}
