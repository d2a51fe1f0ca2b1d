//! What the threads of a node share: the log, the inboxes, and whether the node still runs.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Instant;

use base::{Company, Millis, NodeId, Now, PartitionId, TimeWord, WorkerId};
use cluster::Level;
use log::{FolderLevel, Log, LogError, Position, SyncHandle};
use node::acl::password::Solved;
use node::settings::Settings;
use node::{CheckpointDone, CheckpointWrite, Clock, JoinWish, Message, Peer};

use crate::client_tls::ClientTls;
use crate::descriptors::Descriptors;
use crate::door::{DialError, Link};
use crate::events::Event;
use crate::fabric::Fabric;
use crate::failures::{Failures, Known};
use crate::http::Reports;
use crate::logging::Logging;
use crate::other_cluster::NextLife;
use crate::passwords::Passwords;
use crate::pulse::Patient;
use crate::signals::StopHandle;
use crate::socket::Socket;
use crate::stopping::Stage;
use crate::wall::Wall;

/// Something for a worker thread.
pub(crate) enum Item {
    Message(WorkerId, Message),
    /// A client, and how many there are with it.
    Connection(Socket, Peer, usize),
    /// From a client in this process.
    Local(LocalId, Local),
    Synced(Position),
    CheckpointDone(CheckpointDone),
    /// Passwords were looked at.
    Passwords(Solved),
    /// The round of checkpoints is over on all workers.
    RoundOver,
    /// So many bytes of a checkpoint were written.
    CheckpointWritten(PartitionId, usize),
    BeginCheckpoint,
    /// There is no room for the checkpoint of a partition.
    CheckpointRefused(PartitionId),
    /// A node made a link to us.
    Linked(Box<Link>),
    /// What became of a try to reach a node.
    Dialed(NodeId, Result<Box<Link>, DialError>),
    /// What a node answered may not have come through.
    AnswersLost(NodeId, u128),
    /// Who is in the fabric, and where.
    Members(Arc<cluster::Meta>),
    /// Have the fabric decide on something; for the first worker.
    AskFabric(u64, Box<cluster::Command>),
    /// Hold requests that may change data until a moment of the steady clock, or let them go.
    HoldWrites(Option<Millis>),
    /// What became of a client's wish to join another cluster.
    Joined(Box<JoinWish>, Result<(), String>),
    /// Ask all workers for a report, by the number of who wants it; for the first worker.
    Report(u64),
    /// The node is about to stop: this is to be done before.
    Stage(Stage),
    /// Stop after this turn: answer what was asked, take nothing more.
    Stop,
}

/// Names a client in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LocalId(u64);

impl LocalId {
    pub(crate) fn next(shared: &Shared) -> LocalId {
        LocalId(shared.next_conn.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

/// What a client in this process does.
pub(crate) enum Local {
    /// It connects; replies go here.
    Open(Sender<Vec<u8>>),
    /// It sends requests.
    Bytes(Vec<u8>),
    /// It goes.
    Close,
}

/// The way into a worker thread.
pub(crate) struct Inbox {
    items: Mutex<VecDeque<Item>>,
    /// The thread has been woken and has not looked yet.
    woken: AtomicBool,
    waker: mio::Waker,
    pub(crate) patient: Patient,
}

impl Inbox {
    pub(crate) fn new(waker: mio::Waker) -> Inbox {
        Inbox { items: Mutex::default(), woken: AtomicBool::new(false), waker, patient: Patient::default() }
    }

    pub(crate) fn push(&self, item: Item) {
        lock(&self.items).push_back(item);
        if !self.woken.swap(true, Ordering::AcqRel) {
            // Fails only when the kernel is out of memory; the next push tries again.
            if self.waker.wake().is_err() {
                self.woken.store(false, Ordering::Release);
            }
        }
    }

    /// Whether it is to stop, for who cannot come to that by itself.
    pub(crate) fn holds_stop(&self) -> bool {
        lock(&self.items).iter().any(|item| matches!(item, Item::Stop))
    }

    pub(crate) fn take(&self) -> VecDeque<Item> {
        // First the mark, then the items: what comes in between wakes the thread once too often, never too
        // seldom.
        self.woken.store(false, Ordering::Release);
        std::mem::take(&mut *lock(&self.items))
    }
}

/// Something for the disk thread.
pub(crate) enum DiskJob {
    /// Sync now: someone waits.
    Sync,
    /// Part of a checkpoint. `position`: where the log stood before the turn that wrote this.
    Checkpoint {
        from: WorkerId,
        position: Position,
        write: CheckpointWrite,
    },
    /// No replica of a worker may have forgotten anything any more.
    Certain,
    Stop,
}

/// The log as worker threads use it.
pub(crate) struct SharedLog {
    pub(crate) log: Mutex<Log>,
    pub(crate) sync: SyncHandle,
    /// What the log can take without fail, as of the last append.
    headroom: AtomicU64,
    /// The same for who makes room.
    headroom_to_delete: AtomicU64,
}

impl SharedLog {
    pub(crate) fn new(log: Log) -> SharedLog {
        let (headroom, to_delete) =
            (AtomicU64::new(log.headroom()), AtomicU64::new(log.headroom_to_delete()));
        SharedLog { sync: log.sync_handle(), log: Mutex::new(log), headroom, headroom_to_delete: to_delete }
    }

    /// Appends a frame; the position before and after it.
    pub(crate) fn append(&self, frame: &[u8]) -> Result<(Position, Position), LogError> {
        let mut log = lock(&self.log);
        let before = log.position();
        let after = log.append(frame)?;
        self.note(&log);
        Ok((before, after))
    }

    /// Says in the folder at which level it is.
    pub(crate) fn keep_level(&self, level: Level) -> Result<(), LogError> {
        let program = env!("CARGO_PKG_VERSION").to_owned();
        lock(&self.log).keep_level(&FolderLevel { level: level.0, program })
    }

    pub(crate) fn headroom(&self) -> u64 {
        self.headroom.load(Ordering::Acquire)
    }

    pub(crate) fn headroom_to_delete(&self) -> u64 {
        self.headroom_to_delete.load(Ordering::Acquire)
    }

    pub(crate) fn reserve(&self, bytes: u64) -> Result<(), LogError> {
        let mut log = lock(&self.log);
        let result = log.reserve(bytes);
        self.note(&log);
        result
    }

    pub(crate) fn reserve_to_delete(&self, bytes: u64) -> Result<(), LogError> {
        let mut log = lock(&self.log);
        let result = log.reserve_to_delete(bytes);
        self.note(&log);
        result
    }

    fn note(&self, log: &Log) {
        self.headroom.store(log.headroom(), Ordering::Release);
        self.headroom_to_delete.store(log.headroom_to_delete(), Ordering::Release);
    }
}

/// What the threads of a node share.
pub(crate) struct Shared {
    started_us: u64,
    wall: Wall,
    pub(crate) node_id: NodeId,
    pub(crate) run_id: u128,
    pub(crate) settings: Mutex<Arc<Settings>>,
    pub(crate) settings_at_start: Settings,
    pub(crate) config_file: Option<std::path::PathBuf>,
    pub(crate) tcp_port: u16,
    /// None unless there is a port for clients over TLS.
    pub(crate) client_tls: Option<ClientTls>,
    pub(crate) log: Option<SharedLog>,
    pub(crate) disk_jobs: Option<Sender<DiskJob>>,
    pub(crate) inboxes: OnceLock<Vec<Inbox>>,
    /// Clients that were accepted and are not gone, those on their way to a worker among them.
    connected: AtomicUsize,
    pub(crate) descriptors: Descriptors,
    pub(crate) next_conn: AtomicU64,
    pub(crate) last_save: AtomicU64,
    /// Microseconds of the steady clock when the log was last synced.
    pub(crate) synced_us: AtomicU64,
    /// How often the log was synced, microseconds that took, and the longest of them; written by the disk thread alone.
    pub(crate) syncs: [AtomicU64; 3],
    /// Who waits for a report.
    pub(crate) reports: Reports,
    pub(crate) stop: StopHandle,
    pub(crate) logging: Option<Logging>,
    pub(crate) allocator: Option<crate::Allocator>,
    /// None for a node that is on its own for good.
    pub(crate) fabric: Option<Fabric>,
    /// Who gave wrong passwords.
    pub(crate) wrong_passwords: Failures,
    /// Where passwords are looked at.
    pub(crate) passwords: Passwords,
    /// Who spoke other protocols.
    pub(crate) foreigners: Known,
    /// Whether this process can have the node begin anew in another cluster.
    pub(crate) begins_anew: bool,
    /// How it is to begin anew.
    next_life: Mutex<Option<NextLife>>,
    failure: Mutex<Option<String>>,
    failed: AtomicBool,
}

impl Shared {
    #[expect(clippy::too_many_arguments, reason = "made in one place, from what start-up found")]
    pub(crate) fn new(
        identity: (NodeId, u128),
        (settings, settings_at_start): (Settings, Settings),
        config_file: Option<std::path::PathBuf>,
        tcp_port: u16,
        client_tls: Option<ClientTls>,
        descriptors: Descriptors,
        log: Option<SharedLog>,
        disk_jobs: Option<Sender<DiskJob>>,
        stop: StopHandle,
        logging: Option<Logging>,
        allocator: Option<crate::Allocator>,
        fabric: Option<Fabric>,
        passwords: Passwords,
        (newest, company): (Millis, Company),
        begins_anew: bool,
    ) -> Shared {
        let started_us = boot_us();
        Shared {
            started_us,
            wall: Wall::new(|| boot_us().saturating_sub(started_us), newest.0.saturating_mul(1000), company),
            node_id: identity.0,
            run_id: identity.1,
            settings: Mutex::new(Arc::new(settings)),
            settings_at_start,
            config_file,
            tcp_port,
            client_tls,
            log,
            disk_jobs,
            inboxes: OnceLock::new(),
            connected: AtomicUsize::new(0),
            descriptors,
            next_conn: AtomicU64::new(1),
            last_save: AtomicU64::new(0),
            synced_us: AtomicU64::new(0),
            syncs: Default::default(),
            reports: Reports::default(),
            stop,
            logging,
            allocator,
            fabric,
            wrong_passwords: Failures::default(),
            passwords,
            foreigners: Known::default(),
            begins_anew,
            next_life: Mutex::default(),
            failure: Mutex::new(None),
            failed: AtomicBool::new(false),
        }
    }

    /// The time, for one turn.
    pub(crate) fn now(&self) -> Now {
        self.wall.now(|| self.mono_us())
    }

    /// How the node's wall clock stands to the system's.
    pub(crate) fn clock(&self) -> Clock {
        self.wall.stand(|| self.mono_us())
    }

    /// The time, once it is known.
    pub(crate) fn settled_time(&self) -> Option<Now> {
        self.wall.settled(|| self.mono_us())
    }

    /// What this node says of its time to others.
    pub(crate) fn time_word(&self) -> TimeWord {
        self.wall.word(|| self.mono_us())
    }

    /// One of so many members, by its number in the groups, said this of its time when the steady clock was there.
    pub(crate) fn hear_time(&self, from: u64, word: TimeWord, at_us: u64, members: usize) {
        if let Some(ahead_us) = self.wall.hear(from, word, (at_us, members), || self.mono_us()) {
            let meta = self.fabric.as_ref().map(Fabric::meta);
            let member = meta.as_ref().and_then(|meta| meta.member_of_replica(from));
            let name = member.map_or_else(String::new, |member| member.name.clone());
            Event::ClocksApart { name, ahead_ms: ahead_us / 1000 }.log();
        }
    }

    /// Other nodes whose time is far from this one's, and those that do not follow their system's clocks.
    pub(crate) fn clocks_of_others(&self) -> (Vec<(u64, i64)>, Vec<u64>) {
        self.wall.others()
    }

    /// An operator says that the system's clock is right.
    pub(crate) fn accept_clock(&self) {
        self.wall.accept(|| self.mono_us());
    }

    /// Microseconds of a clock that no one sets and that does not stop while the machine sleeps: a lease must not
    /// outlive a night with the lid closed.
    pub(crate) fn mono_us(&self) -> u64 {
        boot_us().saturating_sub(self.started_us)
    }

    pub(crate) fn inboxes(&self) -> &[Inbox] {
        self.inboxes.get().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn send(&self, to: WorkerId, item: Item) {
        if let Some(inbox) = self.inboxes().get(usize::from(to.0)) {
            inbox.push(item);
        }
    }

    pub(crate) fn send_all(&self, make: impl Fn() -> Item) {
        self.inboxes().iter().for_each(|inbox| inbox.push(make()));
    }

    pub(crate) fn disk(&self, job: DiskJob) {
        if let Some(jobs) = &self.disk_jobs {
            // The disk thread ends only after all workers have.
            let _ = jobs.send(job);
        }
    }

    /// A client was accepted; how many there are now. Counted before a worker sees it, so that none is on its way uncounted.
    pub(crate) fn take_place(&self) -> usize {
        self.connected.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A client that was accepted is gone, or was refused.
    pub(crate) fn leave_place(&self) {
        self.connected.fetch_sub(1, Ordering::Relaxed);
    }

    /// The node cannot go on: nothing is answered from now on, and it stops.
    pub(crate) fn fail(&self, why: &str) {
        self.failed.store(true, Ordering::SeqCst);
        let mut failure = lock(&self.failure);
        if failure.is_none() {
            tracing::error!(reason = why, "the node stops");
            *failure = Some(why.to_owned());
        }
        self.stop.stop();
    }

    /// Another node hears another run of this one. The end of the run before this one may not have been noticed there yet.
    pub(crate) fn was_doubled(&self) {
        if self.fabric.as_ref().is_some_and(|fabric| fabric.is_doubled(Instant::now())) {
            self.fail(
                "another process runs as this node: if its data folder was copied, start one of the two with a folder of its \
                 own, as a node of its own",
            );
        }
    }

    /// The cluster has struck this node off: unless it wanted to go, that is its end.
    pub(crate) fn was_removed(&self) {
        if self.fabric.as_ref().is_some_and(|fabric| !fabric.is_leaving()) {
            self.fail("this node was removed from its cluster; to join again start with a new data folder");
        }
    }

    /// Another cluster has let this node in: the node ends, and begins anew there.
    pub(crate) fn begin_anew(&self, next: NextLife) {
        *lock(&self.next_life) = Some(next);
        self.stop.begin_anew();
    }

    pub(crate) fn take_next_life(&self) -> Option<NextLife> {
        lock(&self.next_life).take()
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    pub(crate) fn failure(&self) -> Option<String> {
        lock(&self.failure).clone()
    }
}

fn boot_us() -> u64 {
    boot_ns() / 1000
}

/// Nanoseconds since the machine was started.
pub(crate) fn boot_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Locks, and goes on where another thread panicked: what it held is put in place by single assignments.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
