//! The loop body of one worker: events in, an outbox out.
//!
//! A turn is: [`Worker::begin_turn`], any number of events, [`Worker::end_turn`], and then what [`Outbox`]
//! promises about its order. All decisions of a turn see the same time. Nothing here blocks.

use std::cell::Cell;
use std::sync::Arc;

use base::{AckLevel, ConnId, KeyHasher, Millis, NodeId, Now, PartitionId, Random, WorkerId};
use cluster::{Levels, Meta};
use engine::Events;

use crate::blocks::Blocks;
use crate::borrow::{Place, Tasks};
use crate::caches::Caches;
use crate::checkpoint::Checkpoints;
use crate::eviction::Eviction;
use crate::expiry::Expiry;
use crate::fabric::Fabric;
use crate::gather::Gathers;
use crate::host::Host;
use crate::hot_keys::HotKeys;
use crate::interest::Interests;
use crate::latency::LatencyMonitor;
use crate::memory::MemoryUse;
use crate::message::{Calls, Message, Replies};
use crate::meta::Asker;
use crate::monitor::Monitors;
use crate::outbox::Outbox;
use crate::partition::Partition;
use crate::pause::Pause;
use crate::pubsub::PubSub;
use crate::recovering_meta::RecoveredMeta;
use crate::router::Router;
use crate::scrub::Scrubs;
use crate::session::{Peer, Session, SessionRef, Sessions, Stall, gate};
use crate::settings::Settings;
use crate::shared_password::SharedPassword;
use crate::shared_settings::SharedSettings;
use crate::slowlog::SlowLog;
use crate::stats::Stats;
use crate::timeouts::{MEMORY_BEFORE_AUTH, OUTPUT_BEFORE_AUTH};
use crate::users::{StartUsers, Users, set_user};
use crate::waits::Waits;
use crate::window::{Ahead, KeysAhead, Window};

/// Entries of a cleared keyspace that one tick frees: some 0.2 ms if none of them is in a cache.
const RECLAIM_ENTRIES: usize = 500;
/// Calls of a worker begin with a random number of so many bits, which leaves room for as many; the highest 16 bits say
/// which worker it is.
const CALL_BITS: u32 = 47;

/// What a worker is made of.
pub struct WorkerSetup {
    /// Which worker of the node.
    pub id: WorkerId,
    /// The map of partitions and workers; the same on all workers of the node.
    pub router: Router,
    /// Settings at start.
    pub settings: Arc<Settings>,
    /// The partitions this worker owns, as recovery left them.
    pub partitions: Vec<Box<Partition>>,
    /// Whether there is a log to write to.
    pub logging: bool,
    /// Seed of all randomness of this worker.
    pub seed: u64,
    /// What the node may ask of its surroundings.
    pub host: Box<dyn Host>,
    /// What is known of users.
    pub users: StartUsers,
    /// How much memory the process uses; the same on all workers of the node.
    pub memory: Arc<MemoryUse>,
    /// The node's part in a fabric of several, if it is to have one.
    pub fabric: Option<FabricSetup>,
}

/// What makes a worker part of a fabric.
pub struct FabricSetup {
    /// This node.
    pub node: NodeId,
    /// The key hash of all partitions, for those that come from other nodes.
    pub hasher: KeyHasher,
    /// The fabric's state as it is known at start, to find the others by.
    pub meta: Arc<Meta>,
    /// The replica of the meta group; for the first worker.
    pub meta_replica: Option<RecoveredMeta>,
    /// Whether no other node has a part in any partition of this one; see [`is_whole`].
    pub is_whole: bool,
    /// The machine lost its power since the node ran last, or nobody knows that it did not; see `doubt`.
    pub is_in_doubt: bool,
    /// The levels that this program knows.
    pub levels: Levels,
}

/// Whether a node that has these partitions, of so many, has all of them and each by itself. If not, no worker of it may
/// take any of them for its own: a group goes on with its engine until it has come to rest, be its last member alone.
pub fn is_whole(partitions: &[Box<Partition>], count: u16) -> bool {
    partitions.len() == usize::from(count) && partitions.iter().all(|partition| partition.group.is_lone())
}

/// One worker of a node, as a value.
pub struct Worker {
    pub(crate) id: WorkerId,
    pub(crate) router: Router,
    pub(crate) now: Now,
    pub(crate) settings: Arc<Settings>,
    pub(crate) places: Vec<Place>,
    pub(crate) sessions: Sessions,
    pub(crate) outbox: Outbox,
    /// Partitions with an open entry.
    pub(crate) dirty: Vec<PartitionId>,
    pub(crate) logging: bool,
    pub(crate) random: Random,
    pub(crate) host: Box<dyn Host>,
    pub(crate) stats: Stats,
    /// What happened to keys and is not published yet.
    pub(crate) events: Events,
    pub(crate) pubsub: PubSub,
    pub(crate) interests: Interests,
    pub(crate) waits: Waits,
    pub(crate) blocks: Blocks,
    /// Partitions with keys that were changed and that someone waits for.
    pub(crate) stirred_waiters: Vec<PartitionId>,
    /// Steady clock: when the first turn of a client that waits is over.
    pub(crate) turns_end: Millis,
    pub(crate) caches: Caches,
    /// Whose request runs, as partitions know clients; zero if nobody's.
    pub(crate) acting: u64,
    pub(crate) gathers: Gathers,
    pub(crate) tasks: Tasks,
    pub(crate) users: Users,
    pub(crate) shared_settings: SharedSettings,
    pub(crate) shared_password: SharedPassword,
    pub(crate) slowlog: SlowLog,
    pub(crate) latency: LatencyMonitor,
    pub(crate) monitors: Monitors,
    pub(crate) pause: Pause,
    pub(crate) hot_keys: HotKeys,
    pub(crate) expiry: Expiry,
    pub(crate) memory: Arc<MemoryUse>,
    pub(crate) eviction: Eviction,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) scrubs: Scrubs,
    /// Requests of this turn, by the worker they go to.
    pub(crate) calls: Vec<Calls>,
    /// Answers of this turn, by the worker they go to.
    pub(crate) replies: Vec<Replies>,
    /// Answers of this turn that wait for stable storage, by the worker they go to; our own among them.
    pub(crate) durable: Vec<Replies>,
    /// Answers of earlier turns that wait until the log is stable up to a position.
    held: Vec<(u64, WorkerId, Replies)>,
    /// Why writes are refused at the moment, in the words clients are told.
    pub(crate) write_refusal: Option<Arc<str>>,
    /// Bytes the log can surely take this turn.
    pub(crate) log_room: usize,
    /// Bytes this turn has put into its frame so far, about.
    pub(crate) turn_bytes: usize,
    /// Sessions whose stall ended this turn, to be taken up again.
    pub(crate) resumable: Vec<SessionRef>,
    /// Sessions that have had their share of this turn and go on in the next.
    pub(crate) later: Vec<SessionRef>,
    /// Reused for replies that are made before their place is known.
    pub(crate) scratch: Vec<u8>,
    pub(crate) fabric: Box<Fabric>,
    pub(crate) window: Window,
    /// Windows to be taken without looking for members; see `window`.
    pub(crate) member_rest: Cell<u8>,
    /// What is known of the key of the request that runs, while its bytes are borrowed.
    pub(crate) ahead: Ahead,
    /// The same of the keys of a request that has several.
    pub(crate) keys_ahead: KeysAhead,
    next_housekeeping: Millis,
    /// Soon while there is memory to give back in slices, else never: housekeeping looks again.
    next_reclaim: Millis,
}

/// What is to become of a connection after bytes were sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterSend {
    /// All was sent; nothing more is due.
    Idle,
    /// More is to be sent when the socket takes it.
    More,
    /// All was sent and the connection is to be closed.
    Close,
}

impl Worker {
    /// A worker at the start of its life. Partitions must be those that `router` gives it.
    pub fn new(setup: WorkerSetup) -> Worker {
        let workers = usize::from(setup.router.workers());
        let mut places: Vec<Place> = setup.router.all().map(|_| Place::default()).collect();
        for mut partition in setup.partitions {
            partition.tune(&setup.settings);
            let place = usize::from(partition.id().0);
            places[place] = Place::holding(partition);
        }
        let mut worker = Worker {
            id: setup.id,
            router: setup.router,
            now: Now::default(),
            users: Users::new(setup.users),
            shared_settings: SharedSettings::default(),
            shared_password: SharedPassword::default(),
            slowlog: SlowLog::new(&setup.settings),
            latency: LatencyMonitor::new(&setup.settings),
            settings: setup.settings,
            places,
            sessions: Sessions::default(),
            outbox: Outbox::default(),
            dirty: Vec::new(),
            logging: setup.logging,
            random: Random::new(setup.seed),
            host: setup.host,
            stats: Stats::default(),
            events: Events::default(),
            pubsub: PubSub::new(setup.id, setup.router.workers()),
            interests: Interests::default(),
            waits: Waits::default(),
            blocks: Blocks::default(),
            stirred_waiters: Vec::new(),
            turns_end: Millis::NEVER,
            caches: Caches::default(),
            acting: 0,
            gathers: Gathers::default(),
            tasks: Tasks::default(),
            monitors: Monitors::default(),
            pause: Pause::default(),
            hot_keys: HotKeys::default(),
            expiry: Expiry::default(),
            memory: setup.memory,
            eviction: Eviction::default(),
            checkpoints: Checkpoints::default(),
            scrubs: Scrubs::default(),
            calls: (0..workers).map(|_| Calls::new(setup.id)).collect(),
            replies: (0..workers).map(|_| Replies::default()).collect(),
            durable: (0..workers).map(|_| Replies::default()).collect(),
            held: Vec::new(),
            write_refusal: None,
            log_room: usize::MAX,
            turn_bytes: 0,
            resumable: Vec::new(),
            later: Vec::new(),
            scratch: Vec::new(),
            fabric: Box::new(Fabric::new(setup.id, setup.router.workers(), setup.router.partitions())),
            window: Window::default(),
            member_rest: Cell::new(0),
            ahead: Ahead::NONE,
            keys_ahead: KeysAhead::default(),
            next_housekeeping: Millis::default(),
            next_reclaim: Millis::NEVER,
        };
        worker.use_settings(Arc::clone(&worker.settings));
        if let Some(fabric) = setup.fabric {
            worker.join_fabric(fabric);
        }
        worker.use_users();
        worker
    }

    fn join_fabric(&mut self, setup: FabricSetup) {
        let Some(me) = cluster::replica_id(setup.node) else { return };
        (self.fabric.is_on, self.fabric.me, self.fabric.next_tick) = (true, me, Millis::default());
        (self.fabric.hasher, self.fabric.levels) = (Some(setup.hasher), setup.levels);
        self.fabric.meta_replica = setup.meta_replica.map(|replica| Box::new(replica.0));
        // What an earlier life of this node asked may be answered to this one, and must not be taken for its own.
        let mut random_number = || self.random.next_u64() >> (64 - CALL_BITS);
        self.fabric.number_calls_from(random_number());
        self.interests.number_calls_from(random_number());
        if let Some(replica) = &mut self.fabric.meta_replica {
            replica.number_calls_from(random_number());
        }
        // A node that does not have all partitions has peers, whatever it knows of them.
        self.fabric.is_spread = !setup.is_whole;
        self.fabric.knows_time = false;
        if setup.meta.is_founded() {
            self.use_meta(setup.meta);
        }
        if setup.is_in_doubt {
            self.begin_in_doubt();
        }
    }

    /// Starts a turn. `log_room` is how many bytes the log can take without fail.
    pub fn begin_turn(&mut self, now: Now, log_room: usize) {
        self.now = now;
        self.log_room = log_room;
        self.turn_bytes = 0;
        self.fabric.now = now.mono_millis();
        self.acting = 0;
        if !self.fabric.knows_time {
            self.learn_time();
        }
        self.resumable.append(&mut self.later);
        if self.eviction.is_on() {
            self.begin_memory_turn();
        }
    }

    /// The steady clock, read after what came from outside was taken and before it is looked at. A lease must hold
    /// when a request has come: the turn may have begun long before, if the process was held up.
    pub fn note_clock(&mut self, mono_us: u64) {
        self.now.mono_us = self.now.mono_us.max(mono_us);
    }

    /// How long a turn took, its sending included; for `INFO`.
    pub fn note_turn(&mut self, micros: u64) {
        self.stats.note_turn(micros);
        self.latency.note("turn", micros, self.now.wall_us / 1_000_000);
    }

    /// Says why writes must be refused from now on, or that they may go on.
    pub fn set_write_refusal(&mut self, reason: Option<Arc<str>>) {
        let is_full = reason.is_some();
        if std::mem::replace(&mut self.write_refusal, reason).is_none() && is_full {
            // Before a lead is handed over for it, or it would be handed back.
            self.fabric.tell_all(&crate::peer_frame::Item::Full);
            self.tell_no_room();
        }
    }

    /// Whether a client is let in when so many are connected with it.
    pub fn has_place(&self, connected: usize) -> bool {
        connected <= self.settings.maxclients as usize
    }

    /// A client connected. Gives its token, or the line to answer it with before closing.
    pub fn accept(&mut self, conn: ConnId, peer: Peer, connected: usize) -> Result<u32, &'static [u8]> {
        if !self.has_place(connected) {
            self.stats.rejected_connections += 1;
            return Err(b"-ERR max number of clients reached\r\n");
        }
        self.stats.connections += 1;
        let open = !self.wants_password(&peer);
        let (in_process, default) = (peer == Peer::InProcess, Arc::clone(&self.users.default));
        let limits = self.limits(open);
        let (ack, redirects, now) = (self.default_ack(), self.redirects(), self.now.mono_millis());
        let token = self.sessions.insert(|token| {
            let mut session = Session::new(SessionRef { token, conn }, peer, ack, limits, now);
            if !in_process {
                set_user(&mut session, default);
            }
            session.set_gate(gate::UNAUTHENTICATED, !open);
            session.set_gate(gate::REDIRECTS, redirects);
            session.set_ack(ack);
            session
        });
        Ok(token)
    }

    /// The ack level of new sessions. Without a log nothing can be durable, and no write waits for it.
    pub(crate) fn default_ack(&self) -> AckLevel {
        match self.settings.ack {
            AckLevel::Durable if !self.logging => AckLevel::Quorum,
            ack => ack,
        }
    }

    /// After requests of a session ran: limits, sending, and its place on the worker.
    pub(crate) fn after_requests(&mut self, mut session: Box<Session>) {
        if session.unread() as u64 > self.settings.client_query_buffer_limit.max(session.announced() as u64) {
            self.stats.query_buffer_disconnections += 1;
            session.closing = true;
            self.outbox.close.push(session.at.token);
        }
        if session.has_gate(gate::UNAUTHENTICATED)
            && session.unread() + session.output.backlog() > MEMORY_BEFORE_AUTH
        {
            self.stats.query_buffer_disconnections += 1;
            self.close_now(&mut session);
        }
        self.queue_send(&mut session);
        self.sessions.put_back(session);
    }

    /// Puts a session with output on the list of those to be sent to; closes one that lets too much pile up.
    #[inline]
    pub(crate) fn queue_send(&mut self, session: &mut Session) {
        if !session.queued_to_send && (!session.output.sendable().is_empty() || session.closing) {
            session.queued_to_send = true;
            self.outbox.send.push(session.at.token);
        }
        if session.output.backlog() > OUTPUT_BEFORE_AUTH {
            self.check_output_limit(session);
        }
    }

    /// The socket of a session is gone.
    pub fn closed(&mut self, token: u32) {
        let Some(mut session) = self.sessions.take(token) else { return };
        self.forget_session(&mut session);
        // Its place may be another's before the turn ends.
        self.outbox.close.retain(|other| *other != token);
        self.sessions.remove(session);
    }

    /// Bytes that may be sent to a client now.
    #[inline]
    pub fn sendable(&self, token: u32) -> &[u8] {
        self.sessions.get(token).map_or(&[], |session| session.output.sendable())
    }

    /// Notes how many of the sendable bytes were sent.
    #[inline]
    pub fn sent(&mut self, token: u32, count: usize) -> AfterSend {
        let Some(session) = self.sessions.get_mut(token) else { return AfterSend::Close };
        self.stats.writes += 1;
        self.stats.net_output_bytes += count as u64;
        session.bytes_out += count as u64;
        session.output.mark_sent(count);
        session.queued_to_send = false;
        if !session.output.sendable().is_empty() {
            session.queued_to_send = true;
            AfterSend::More
        } else if session.closing && !session.output.is_waiting() {
            AfterSend::Close
        } else {
            AfterSend::Idle
        }
    }

    /// How many bytes of a request under way a session still waits for; the shell may read that much at once.
    pub fn announced(&self, token: u32) -> usize {
        self.sessions.get(token).map_or(0, |session| session.announced().saturating_sub(session.unread()))
    }

    /// Largest request under way: the log must have room for it before it is taken up.
    pub fn largest_announced(&self) -> usize {
        self.sessions.iter().map(Session::announced).max().unwrap_or(0)
    }

    /// A message from another worker of the node.
    pub fn deliver(&mut self, from: WorkerId, message: Message) {
        match message {
            Message::Calls(calls) => self.run_calls(&calls),
            Message::Replies(replies) => self.fill(&replies),
            Message::Borrow(borrow) => self.lend(borrow),
            Message::Lend(task, partitions) => self.borrowed(task, partitions),
            Message::NotLent(task, partitions) => self.not_lent(task, partitions),
            Message::Return(partitions) => self.take_back(partitions),
            Message::Publish(delivery) => self.deliver_published(&delivery, None),
            Message::Interest { channel, change, call } => {
                self.pubsub.note_interest(from, channel, change);
                self.use_prefixes();
                if call != 0 {
                    self.outbox.messages.push((from, Message::Noted(call)));
                }
            }
            Message::Noted(call) => self.noted_by_worker(call),
            Message::Invalid(invalid) => self.take_invalid(from, *invalid),
            Message::Recall(node) => self.answers_were_lost(node),
            Message::Word { from, word, hops } => self.take_word(from, word, hops),
            Message::Ask { from, gather, question } => {
                if let Some(answer) = self.answer(&question, None, from, gather) {
                    // A client lets go of what it waits for before anyone hears that it was unblocked.
                    self.ship_errands();
                    self.outbox.messages.push((from, Message::Answer { gather, answer }));
                }
            }
            Message::Answer { gather, answer } => self.answered(gather, answer),
            Message::MonitorLine(line) => self.show_to_monitors(&line),
            Message::Errands(errands) => self.run_errands(&errands),
            Message::Answers(answers) => self.take_answers(&answers),
            Message::Peer(from, items) => self.peer_items(from, &items),
            Message::Full(node) => self.fabric.hear_full(node),
            Message::NoRoom(node) => self.fabric.hear_no_room(node),
            Message::MemoryIsShort(share) => self.evict_for_others(share),
            Message::Meta(meta) => self.use_meta(meta),
            Message::ChangeUsers(wish) => self.take_wish(wish),
            Message::ShareSettings(wish) => self.take_shared_wish(wish),
            Message::UsersChanged(changed) => self.users_changed(&changed),
            Message::Users(users) => self.take_own_users(users),
            Message::PasswordVerified(hash, digest) => self.users.verified.insert(hash, digest),
            Message::Denied(entry) => self.take_denied(*entry),
            Message::AskMeta(wish) => self.ask_meta(wish.command, Asker::Client(wish.dest, wish.reply)),
        }
        self.serve_waiters();
        self.tell_caches(None);
        self.resume_sessions();
    }

    /// Puts answers into the output of the sessions they are for.
    pub(crate) fn fill(&mut self, replies: &Replies) {
        let mut large = Vec::new();
        for (at, ticket, reply) in replies.iter() {
            let Some(session) = self.sessions.find_mut(at) else { continue };
            session.output.fill(ticket, reply);
            if session.stall == Some(Stall::Drain) && !session.output.is_waiting() {
                (session.stall, session.is_blocked) = (None, false);
                self.resumable.push(at);
            }
            if !session.queued_to_send && (session.closing || !session.output.sendable().is_empty()) {
                session.queued_to_send = true;
                self.outbox.send.push(at.token);
            }
            if session.output.backlog() > OUTPUT_BEFORE_AUTH {
                large.push(at.token);
            }
        }
        for token in large {
            let Some(mut session) = self.sessions.take(token) else { continue };
            self.check_output_limit(&mut session);
            self.sessions.put_back(session);
        }
    }

    /// Takes up the requests of sessions whose stall is over.
    pub(crate) fn resume_sessions(&mut self) {
        while let Some(at) = self.resumable.pop() {
            let Some(mut session) = self.sessions.take(at.token) else { continue };
            if session.at.conn == at.conn {
                self.take_input(&mut session);
            }
            self.after_requests(session);
        }
    }

    /// Ends the turn: closes the open entries, batches what goes to other workers, and gives the outbox.
    pub fn end_turn(&mut self) -> &mut Outbox {
        self.resume_sessions();
        self.acting = 0;
        self.settle_users();
        if self.eviction.is_on() {
            self.end_memory_turn();
        }
        self.settle_fabric();
        self.resume_sessions();
        if !self.caches.is_empty() {
            self.ship();
        }
        self.close_entries();
        for worker in 0..self.calls.len() {
            let to = WorkerId(worker as u16);
            if !self.calls[worker].is_empty() {
                let calls = std::mem::replace(&mut self.calls[worker], Calls::new(self.id));
                self.outbox.messages.push((to, Message::Calls(calls)));
            }
            if !self.replies[worker].is_empty() {
                let replies = std::mem::take(&mut self.replies[worker]);
                self.outbox.messages.push((to, Message::Replies(replies)));
            }
            if !self.durable[worker].is_empty() {
                // The position is not known before the frame is appended.
                self.held.push((u64::MAX, to, std::mem::take(&mut self.durable[worker])));
                self.outbox.sync = true;
            }
        }
        &mut self.outbox
    }

    /// The turn's frame was appended, or there was none; the log ends at `position`.
    pub fn appended(&mut self, position: u64) {
        for (at, _, _) in self.held.iter_mut().rev().take_while(|(at, _, _)| *at == u64::MAX) {
            *at = position;
        }
        self.fabric.appended(position);
        self.waits.appended(position);
    }

    /// The log is on stable storage up to `position`.
    pub fn synced(&mut self, position: u64) {
        let ripe = self.fabric.synced(position);
        self.own_stored(ripe);
        self.tell_decided(position);
        self.settle_waits();
        let ripe = self.held.iter().take_while(|(at, _, _)| *at <= position).count();
        for (_, to, replies) in self.held.drain(..ripe).collect::<Vec<_>>() {
            if to == self.id {
                self.fill(&replies);
            } else {
                self.outbox.messages.push((to, Message::Replies(replies)));
            }
        }
        self.resume_sessions();
    }

    /// When [`Worker::tick`] wants to be called, on the steady clock; at once if in the past.
    pub fn next_tick(&self) -> Millis {
        if self.has_more() {
            return Millis::default();
        }
        let work = self.expiry.next_run().min(self.checkpoints.next_run()).min(self.pause.ends());
        let fabric =
            self.fabric.next_tick.min(self.fabric.transfers.next_run()).min(self.fabric.pace.next_run());
        let fabric = fabric.min(self.fabric.commits.next_run(self.fabric.pace.is_idle()));
        let work = work.min(self.scrubs.next_run());
        let work = work.min(self.waits.next_run()).min(self.blocks.next_run()).min(self.turns_end);
        work.min(self.next_housekeeping).min(self.next_reclaim).min(fabric)
    }

    /// Whether a turn was not enough, so that the next should follow at once.
    pub fn has_more(&self) -> bool {
        !self.later.is_empty() || self.eviction.wants_turn() || self.fabric.goes_on
    }

    /// Steps of time that its groups have made, for checks.
    pub fn steps_of_time(&self) -> u64 {
        self.fabric.ticks
    }

    /// Time has passed: expiry, checkpoints, timeouts. Bounded work; may want to be called again at once.
    pub fn tick(&mut self) {
        let now = self.now.mono_millis();
        self.acting = 0;
        self.run_expiry();
        self.run_checkpoint();
        self.end_pause_if_due();
        self.tick_fabric();
        self.run_transfers();
        self.run_scrub();
        self.run_waits();
        self.run_blocks();
        self.end_turns();
        if now >= self.next_housekeeping.min(self.next_reclaim) {
            self.next_reclaim = if self.reclaim() { Millis::NEVER } else { now };
        }
        if now >= self.next_housekeeping {
            self.next_housekeeping = Millis(now.0 + 100);
            self.check_timeouts();
            self.agree_on_configured_users();
            self.agree_on_password();
            self.stats.sample(self.now);
            if self.id == WorkerId(0) && self.memory.is_counted() {
                // For the peak.
                self.memory.used_or(0);
            }
        }
        self.resume_sessions();
    }

    /// Gives back memory of cleared keyspaces and deleted big values, a slice of one keyspace at a time; whether all
    /// is given back.
    fn reclaim(&mut self) -> bool {
        let partitions = self.places.iter_mut().filter_map(|place| place.partition.as_deref_mut());
        partitions.flat_map(Partition::keyspaces_mut).all(|(_, keyspace)| keyspace.reclaim(RECLAIM_ENTRIES))
    }

    /// Closes the open entries of the turn: each gets its index and goes into the frame.
    fn close_entries(&mut self) {
        if self.dirty.is_empty() {
            return;
        }
        self.expiry.wake(self.now.mono_millis());
        for id in std::mem::take(&mut self.dirty) {
            // A partition that left meanwhile took its entry's closing with it.
            if let Some(partition) = self.places[usize::from(id.0)].partition.as_deref_mut() {
                partition.close_entry(&mut self.outbox.frame, self.logging);
            }
        }
    }

    /// Takes back buffers of an outbox, empty, so that the next turn need not allocate them.
    pub fn recycle(&mut self, frame: Vec<u8>, send: Vec<u32>) {
        if self.outbox.frame.is_empty() {
            self.outbox.frame = frame;
        }
        if self.outbox.send.is_empty() {
            self.outbox.send = send;
        }
    }

    /// How many clients are connected here.
    pub fn clients(&self) -> usize {
        self.sessions.len()
    }
}
