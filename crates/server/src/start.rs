//! From settings to a running node: identity, recovery, listeners, threads; and back down.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context, bail};
use base::{KeyHasher, WorkerId};
use cluster::Levels;
use log::{Disk, NodeMeta, Rounds};
use mio::Poll;
use node::settings::Settings;
use node::{FabricSetup, MemoryUse, Partition, Router, StartUsers, Worker, WorkerSetup};

use crate::client_tls::ClientTls;
use crate::config::LOG_FILE;
use crate::descriptors::Descriptors;
use crate::disk_thread::{DiskThread, Identity};
use crate::enter::Join;
use crate::fabric::Fabric;
use crate::give_back;
use crate::handshakes::Handshakes;
use crate::host::ThisHost;
use crate::http::Http;
use crate::listen::{Listeners, bind_unix};
use crate::logging::Logging;
use crate::membership::{Membership, PeerPort};
use crate::open::{self, Folder, Storage};
use crate::other_cluster::NextLife;
use crate::passwords::{self, Passwords, hashed, start_users};
use crate::ports::{self, Chosen};
use crate::random::random;
use crate::runtime_folder::RuntimeFolder;
use crate::shared::{DiskJob, Inbox, Item, Shared, SharedLog, lock};
use crate::side_thread::SideThread;
use crate::signals::StopHandle;
use crate::stopping::Stage;
use crate::worker_thread::WorkerThread;

/// What the threads of a node are made from.
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) port_is_explicit: bool,
    pub(crate) folder_is_explicit: bool,
    pub(crate) wants_tcp: bool,
    pub(crate) config_file: Option<PathBuf>,
    /// Users of the configuration, name and rules.
    pub(crate) users: Vec<String>,
    pub(crate) logging: Option<Logging>,
    /// Nobody has said where the log goes, so it goes where the data does.
    pub(crate) logfile_is_derived: bool,
    pub(crate) stop: StopHandle,
    pub(crate) progress: bool,
    pub(crate) allocator: Option<crate::Allocator>,
    /// Those that the node is to know.
    pub(crate) levels: Levels,
    /// Whether the process is the node's alone, so that its limits may be raised.
    pub(crate) may_raise_limits: bool,
    /// Whether the node can be ended and begun anew in this process.
    pub(crate) begins_anew: bool,
    /// What it has of the node that it was.
    pub(crate) kept: Option<Kept>,
}

/// What a node that ends to begin anew takes along: nobody else gets its ports and its folder in between.
pub(crate) struct Kept {
    next: NextLife,
    chosen: Chosen,
    peer_port: u16,
    disk: Option<Arc<dyn Disk>>,
    settings_at_start: Settings,
}

impl Kept {
    /// The folder, whatever is in it.
    fn folder(&self) -> Option<Folder> {
        self.disk.clone().map(|disk| Folder { disk, meta: None })
    }
}

/// A node that runs.
pub(crate) struct Running {
    pub(crate) shared: Arc<Shared>,
    pub(crate) chosen: Chosen,
    /// Given, or minted from the node's id.
    pub(crate) name: String,
    pub(crate) keys: u64,
    /// Where it answers over HTTP, if it does.
    pub(crate) http: Option<Http>,
    /// Where it takes clients over TLS.
    pub(crate) tls_addresses: Vec<SocketAddr>,
    handshakes: Option<Handshakes>,
    workers: Vec<JoinHandle<()>>,
    disk: Option<JoinHandle<()>>,
    /// The thread that looks at passwords.
    give_back: Option<SideThread>,
    looking: Option<JoinHandle<()>>,
    /// None for a node that is on its own for good.
    pub(crate) membership: Option<Membership>,
    peer_port: u16,
    /// Locked for as long as somebody has it.
    folder: Option<Arc<dyn Disk>>,
}

impl Running {
    /// Starts a node; it accepts clients when this returns.
    pub(crate) fn start(plan: Plan) -> anyhow::Result<Running> {
        let mut settings = plan.settings;
        let kept = plan.kept;
        let descriptors = Descriptors::share_out(&mut settings, plan.may_raise_limits)?;
        // The port first: a node that cannot be reached should not touch the data folder.
        let chosen = match &kept {
            Some(kept) => kept.chosen.again()?,
            None if plan.wants_tcp => {
                ports::choose(&settings.bind, settings.port, plan.port_is_explicit, settings.tcp_backlog)?
            }
            None => Chosen { listeners: Vec::new(), port: 0, note: None },
        };
        let client_tls = ClientTls::begin(&settings.tls)?;
        let for_tls = match settings.tls.port {
            0 => Vec::new(),
            port => ports::choose_for_tls(&settings.bind, port, settings.tcp_backlog)?,
        };
        let unix = settings
            .unixsocket
            .as_deref()
            .map(|path| Ok::<_, anyhow::Error>((bind_unix(path, settings.unixsocketperm)?, path.to_owned())));
        let unix = unix.transpose()?;
        // It says that the node is loading while it is.
        let http = Http::start(&settings)?;
        // From here on the settings say what is, not what was asked for.
        settings.port = chosen.port;
        settings.requirepass = hashed(&settings.requirepass)?;
        let folder = match &kept {
            Some(kept) => kept.folder(),
            None => Folder::take(&mut settings, plan.folder_is_explicit)?,
        };
        if plan.logfile_is_derived && !settings.no_data {
            settings.logfile = Some(settings.dir.join(LOG_FILE));
        }
        if let (Some(logging), Some(path)) = (&plan.logging, &settings.logfile) {
            logging.put(path)?;
        }
        let peers = PeerPort::choose(&settings, plan.levels, kept.as_ref().map(|kept| kept.peer_port))?;
        let peer_port = peers.port;
        let (next, at_start) = kept.map(|kept| (kept.next, kept.settings_at_start)).unzip();
        let opened = open::open(&mut settings, folder, &peers.reach, next, plan.progress)?;
        settings.partitions = opened.meta.partitions;
        // What was set since the first start is told from that, wherever the node is now.
        let at_start =
            Settings { partitions: settings.partitions, ..at_start.unwrap_or_else(|| settings.clone()) };
        let router = Router::new(opened.meta.partitions, settings.workers);
        let keys = opened.partitions.iter().map(|partition| partition.keys()).sum();
        let newest = opened.partitions.iter().map(|partition| partition.newest()).max().unwrap_or_default();
        let told = opened.fabric.as_ref().map(|entered| &entered.meta);
        let company = node::company(told, opened.meta.node_id, &opened.partitions);

        let (jobs, job_queue) = match &opened.storage {
            Some(_) => {
                let (jobs, queue) = channel();
                (Some(jobs), Some(queue))
            }
            None => (None, None),
        };
        let (log, disk) = match opened.storage {
            Some(Storage { disk, log, rounds }) => (Some(SharedLog::new(log)), Some((disk, rounds))),
            None => (None, None),
        };
        let folder = disk.as_ref().map(|(disk, _)| Arc::clone(disk));
        let users = start_users(&settings, &plan.users, &opened.own_users, opened.fabric.is_some())?;
        let run_id = random::<16>()?;
        let (fabric, fabric_setup, turnstile) = match opened.fabric {
            Some(entered) => {
                let meta = Arc::new(entered.meta);
                // Without the folder all works but what needs it, which says so itself.
                let here = RuntimeFolder::open(&settings.cluster_name).ok();
                let places = Join::places(&settings)?;
                let fabric = Fabric::new(entered.trust, peers.reach.clone(), Arc::clone(&meta), here, places);
                let setup = FabricSetup {
                    node: opened.meta.node_id,
                    hasher: KeyHasher::new(opened.meta.key_hash_seed),
                    meta,
                    meta_replica: Some(entered.replica),
                    is_whole: node::is_whole(&opened.partitions, opened.meta.partitions),
                    is_in_doubt: opened.is_in_doubt,
                    levels: plan.levels,
                };
                (Some(fabric), Some(setup), Some((entered.turnstile, entered.returns)))
            }
            None => (None, None, None),
        };
        let shared = Arc::new(Shared::new(
            (opened.meta.node_id, u128::from_le_bytes(run_id)),
            (settings.clone(), at_start),
            plan.config_file,
            chosen.port,
            client_tls,
            descriptors,
            log,
            jobs,
            plan.stop,
            plan.logging,
            plan.allocator,
            fabric,
            Passwords::new()?,
            (newest, company),
            plan.begins_anew,
        ));
        let listeners = Listeners::new(chosen.again()?.listeners, unix, settings.tcp_keepalive)?;
        let give_back = shared.allocator.map(give_back::begin).transpose();
        let give_back = give_back.context("start the thread that gives memory back")?;
        let disk = spawn_disk(&shared, disk, job_queue, &opened.meta)?;
        let looking = passwords::spawn(&shared)?;
        let workers =
            spawn_workers(&shared, router, &settings, opened.partitions, listeners, fabric_setup, users)?;
        let tls_addresses = for_tls.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let handshakes = take_handshakes(for_tls, &settings, &shared)?;
        if let Some(http) = &http {
            http.serve(Arc::clone(&shared));
        }
        let (name, looking) = (settings.name.clone(), Some(looking));
        let mut running = Running {
            shared,
            chosen,
            name,
            keys,
            http,
            tls_addresses,
            handshakes,
            workers,
            disk,
            give_back,
            looking,
            membership: None,
            peer_port,
            folder,
        };
        if let Some((turnstile, returns)) = turnstile {
            let membership = Membership::begin(&running.shared, &settings, peers, returns)?;
            running.membership = Some(membership);
            // From here on a newcomer finds this node.
            drop(turnstile);
        }
        Ok(running)
    }

    /// Hands over what the node leads, if it is one of several, and parts from its clients, as long as that takes no longer
    /// than it may. The node goes on until it is stopped.
    pub(crate) fn hand_over(&mut self) {
        let (patience, shared) = (lock(&self.shared.settings).shutdown_timeout, Arc::clone(&self.shared));
        let others = |fabric: &Fabric| fabric.meta().live_members().any(|m| m.node != shared.node_id);
        let Some(fabric) = shared.fabric.as_ref().filter(|fabric| others(fabric)) else { return };
        if patience.is_zero() || shared.has_failed() {
            return;
        }
        tracing::info!(seconds = patience.as_secs(), "handing over what this node leads");
        let (begin, workers, mut is_whole) = (Instant::now(), shared.inboxes().len(), true);
        for (stage, deadline) in
            [(Stage::HandOver, begin + patience / 4 * 3), (Stage::Part, begin + patience)]
        {
            if stage == Stage::Part {
                // No new client: the first worker has the same sockets.
                self.handshakes = None;
                self.chosen.listeners.clear();
            }
            shared.send_all(|| Item::Stage(stage));
            if let Err(left) = fabric.stopping.wait_for(stage, workers, deadline) {
                // Clients are answered in any case.
                is_whole = false;
                tracing::info!(?stage, left, "not all came to its end in time");
            }
        }
        if is_whole {
            tracing::info!(
                millis = begin.elapsed().as_millis() as u64,
                "what others can lead is theirs, and clients were answered"
            );
        }
    }

    /// Stops the threads and waits for them. What was answered is on stable storage then.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.stop_threads();
        match self.shared.failure() {
            Some(reason) => bail!("{reason}"),
            None => Ok(()),
        }
    }

    /// Stops as [`Running::stop`] does, to begin anew: with which settings, and what is kept.
    pub(crate) fn give_up(mut self, next: NextLife) -> anyhow::Result<(Settings, Kept)> {
        self.stop_threads();
        if let Some(reason) = self.shared.failure() {
            bail!("{reason}");
        }
        let settings = Settings::clone(&lock(&self.shared.settings));
        let kept = Kept {
            next,
            chosen: self.chosen.again()?,
            peer_port: self.peer_port,
            disk: self.folder.take(),
            settings_at_start: self.shared.settings_at_start.clone(),
        };
        Ok((settings, kept))
    }

    fn stop_threads(&mut self) {
        self.http = None;
        self.handshakes = None;
        // No newcomer and no link any more.
        self.membership = None;
        self.shared.send_all(|| Item::Stop);
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                self.shared.fail("a worker panicked; please report it with the log");
            }
        }
        self.shared.disk(DiskJob::Stop);
        self.shared.passwords.stop();
        if let Some(looking) = self.looking.take()
            && looking.join().is_err()
        {
            self.shared.fail("the thread for passwords panicked; please report it with the log");
        }
        if let Some(disk) = self.disk.take()
            && disk.join().is_err()
        {
            self.shared.fail("the disk thread panicked; please report it with the log");
        }
        self.give_back = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop_threads();
    }
}

fn take_handshakes(
    listeners: Vec<TcpListener>,
    settings: &Settings,
    shared: &Arc<Shared>,
) -> anyhow::Result<Option<Handshakes>> {
    if listeners.is_empty() {
        return Ok(None);
    }
    let listeners = Listeners::new(listeners, None, settings.tcp_keepalive)?;
    Handshakes::begin(listeners, shared.descriptors.handshakes_max(), shared)
        .context("start the thread for handshakes")
        .map(Some)
}

fn spawn_disk(
    shared: &Arc<Shared>,
    disk: Option<(Arc<dyn Disk>, Rounds)>,
    jobs: Option<Receiver<DiskJob>>,
    meta: &NodeMeta,
) -> anyhow::Result<Option<JoinHandle<()>>> {
    let (Some((disk, rounds)), Some(jobs), Some(log)) = (disk, jobs, &shared.log) else {
        return Ok(None);
    };
    let identity = Identity { node: meta.node_id, key_hash_seed: meta.key_hash_seed };
    let thread = DiskThread::new(Arc::clone(shared), disk, log.sync.clone(), identity, rounds);
    let thread = std::thread::Builder::new().name("disk".to_owned()).spawn(move || thread.run(&jobs));
    Ok(Some(thread.context("start the disk thread")?))
}

fn spawn_workers(
    shared: &Arc<Shared>,
    router: Router,
    settings: &Settings,
    partitions: Vec<Box<Partition>>,
    listeners: Listeners,
    mut fabric: Option<FabricSetup>,
    users: StartUsers,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let polls = (0..router.workers()).map(|_| Poll::new()).collect::<Result<Vec<_>, _>>()?;
    let wakers = polls.iter().map(|poll| mio::Waker::new(poll.registry(), WorkerThread::WAKE));
    let inboxes = wakers.map(|waker| Ok(Inbox::new(waker?))).collect::<std::io::Result<Vec<_>>>()?;
    if shared.inboxes.set(inboxes).is_err() {
        bail!("the node is started once");
    }
    let mut owned: Vec<Vec<Box<Partition>>> = (0..router.workers()).map(|_| Vec::new()).collect();
    for partition in partitions {
        owned[usize::from(router.owner(partition.id()).0)].push(partition);
    }
    let settings = Arc::new(settings.clone());
    let counts = shared.allocator.map(|crate::Allocator { allocated, allocated_here, .. }| node::Allocator {
        allocated,
        allocated_here,
    });
    let memory = Arc::new(MemoryUse::new(counts, router.workers()));
    let mut listeners = Some(listeners);
    let mut threads = Vec::new();
    for ((number, poll), partitions) in polls.into_iter().enumerate().zip(owned) {
        let id = WorkerId(number as u16);
        // The first worker has the meta group.
        let setup = fabric.as_mut().map(|fabric| FabricSetup {
            node: fabric.node,
            hasher: fabric.hasher,
            meta: Arc::clone(&fabric.meta),
            meta_replica: fabric.meta_replica.take(),
            is_whole: fabric.is_whole,
            is_in_doubt: fabric.is_in_doubt,
            levels: fabric.levels,
        });
        let worker = Worker::new(WorkerSetup {
            id,
            router,
            settings: Arc::clone(&settings),
            partitions,
            logging: shared.log.is_some(),
            seed: u64::from_le_bytes(random()?),
            host: Box::new(ThisHost(Arc::clone(shared))),
            users: users.clone(),
            memory: Arc::clone(&memory),
            fabric: setup,
        });
        let thread = WorkerThread::new(id, worker, poll, Arc::clone(shared), listeners.take());
        let spawned =
            std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || thread.run());
        threads.push(spawned.context("start a worker thread")?);
    }
    Ok(threads)
}
