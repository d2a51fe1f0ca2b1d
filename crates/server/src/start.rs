//! From settings to a running node: identity, recovery, listeners, threads; and back down.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context, bail};
use base::{KeyHasher, Millis, NodeId, WorkerId};
use log::{
    CheckpointReader, Checkpoints, Disk, Log, LogOptions, NodeMeta, OnDamage, Position, Recovered, Rounds,
};
use mio::Poll;
use node::settings::{DamagePolicy, Settings};
use node::{Partition, Recovery, Router, Worker, WorkerSetup};

use crate::disk::FolderDisk;
use crate::disk_thread::{DiskThread, Identity};
use crate::host::ThisHost;
use crate::listen::{Listeners, bind_unix};
use crate::logging::Logging;
use crate::names;
use crate::ports::{self, Chosen};
use crate::progress::Progress;
use crate::shared::{DiskJob, Inbox, Item, Shared, SharedLog};
use crate::signals::StopHandle;
use crate::worker_thread::WorkerThread;

/// What the threads of a node are made from.
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) port_is_explicit: bool,
    pub(crate) wants_tcp: bool,
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) logging: Option<Logging>,
    pub(crate) stop: StopHandle,
    pub(crate) progress: bool,
}

/// A node that runs.
pub(crate) struct Running {
    pub(crate) shared: Arc<Shared>,
    pub(crate) chosen: Chosen,
    /// Given, or minted from the node's id.
    pub(crate) name: String,
    pub(crate) keys: u64,
    workers: Vec<JoinHandle<()>>,
    disk: Option<JoinHandle<()>>,
}

/// What start-up found in, or decided for, the data folder.
struct Opened {
    meta: NodeMeta,
    partitions: Vec<Box<Partition>>,
    storage: Option<Storage>,
}

struct Storage {
    disk: Arc<dyn Disk>,
    log: Log,
    rounds: Rounds,
}

impl Running {
    /// Starts a node; it accepts clients when this returns.
    pub(crate) fn start(plan: Plan) -> anyhow::Result<Running> {
        let started = Instant::now();
        let mut settings = plan.settings;
        // The port first: a node that cannot be reached should not touch the data folder.
        let chosen = match plan.wants_tcp {
            true => {
                ports::choose(&settings.bind, settings.port, plan.port_is_explicit, settings.tcp_backlog)?
            }
            false => Chosen { listeners: Vec::new(), port: 0, note: None },
        };
        let unix = settings
            .unixsocket
            .as_deref()
            .map(|path| Ok::<_, anyhow::Error>((bind_unix(path, settings.unixsocketperm)?, path.to_owned())));
        let unix = unix.transpose()?;
        let opened = open(&settings, plan.progress)?;
        // From here on the settings say what is, not what was asked for.
        settings.port = chosen.port;
        if settings.name.is_empty() {
            settings.name = names::mint(opened.meta.node_id.0 as u64);
        }
        let router = Router::new(opened.meta.partitions, settings.workers);
        let keys = opened.partitions.iter().map(|partition| partition.keys()).sum();

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
        let run_id = random::<16>()?;
        let shared = Arc::new(Shared::new(
            (opened.meta.node_id, u128::from_le_bytes(run_id)),
            settings.clone(),
            plan.config_file,
            chosen.port,
            log,
            jobs,
            plan.stop,
            plan.logging,
            started,
        ));
        let listeners =
            chosen.listeners.iter().map(|listener| listener.try_clone()).collect::<Result<_, _>>()?;
        let listeners = Listeners::new(listeners, unix, settings.tcp_keepalive)?;
        let disk = spawn_disk(&shared, disk, job_queue, &opened.meta)?;
        let workers = spawn_workers(&shared, router, &settings, opened.partitions, listeners)?;
        Ok(Running { shared, chosen, name: settings.name, keys, workers, disk })
    }

    /// Stops the threads and waits for them. What was answered is on stable storage then.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.stop_threads();
        match self.shared.failure() {
            Some(reason) => bail!("{reason}"),
            None => Ok(()),
        }
    }

    fn stop_threads(&mut self) {
        self.shared.send_all(|| Item::Stop);
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                self.shared.fail("a worker panicked; please report it with the log");
            }
        }
        self.shared.disk(DiskJob::Stop);
        if let Some(disk) = self.disk.take()
            && disk.join().is_err()
        {
            self.shared.fail("the disk thread panicked; please report it with the log");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop_threads();
    }
}

/// Opens the data folder, or decides everything anew for a node that keeps nothing.
fn open(settings: &Settings, progress: bool) -> anyhow::Result<Opened> {
    if settings.no_data {
        let meta = mint(settings)?;
        let (partitions, _) = lead(Recovery::new(router_of(&meta), KeyHasher::new(meta.key_hash_seed)))?;
        return Ok(Opened { meta, partitions, storage: None });
    }
    let folder = FolderDisk::open(&settings.dir)?;
    let disk: Arc<dyn Disk> = Arc::new(folder);
    let meta = match NodeMeta::load(&*disk)? {
        Some(meta) => meta,
        None => {
            let meta = mint(settings)?;
            meta.create(&*disk)?;
            meta
        }
    };
    let (partitions, storage) = recover(&disk, &meta, settings, progress)?;
    Ok(Opened { meta, partitions, storage: Some(storage) })
}

fn router_of(meta: &NodeMeta) -> Router {
    Router::new(meta.partitions, 1)
}

/// A new identity.
fn mint(settings: &Settings) -> anyhow::Result<NodeMeta> {
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(NodeMeta {
        node_id: NodeId(u128::from_le_bytes(random()?)),
        key_hash_seed: u64::from_le_bytes(random()?),
        log_salt: u64::from_le_bytes(random()?),
        partitions: settings.partitions,
        created_us: wall.as_micros() as u64,
    })
}

/// Bytes nobody can guess.
fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    use std::io::Read;
    let mut bytes = [0; N];
    let mut source = std::fs::File::open("/dev/urandom").context("open /dev/urandom")?;
    source.read_exact(&mut bytes).context("read /dev/urandom")?;
    Ok(bytes)
}

/// Reads checkpoints, then the log behind them.
fn recover(
    disk: &Arc<dyn Disk>,
    meta: &NodeMeta,
    settings: &Settings,
    progress: bool,
) -> anyhow::Result<(Vec<Box<Partition>>, Storage)> {
    Checkpoints::remove_unfinished(&**disk)?;
    let found = Checkpoints::find(&**disk)?;
    if let Some((file, error)) = found.damaged.into_iter().next() {
        return Err(anyhow::Error::new(error).context(format!("read checkpoint {file}")));
    }
    let mut recovery = Recovery::new(router_of(meta), KeyHasher::new(meta.key_hash_seed));
    let mut bar = Progress::new(progress);
    let mut needed_from = BTreeMap::new();
    for (number, (id, info)) in found.newest.iter().enumerate() {
        let mut reader = CheckpointReader::open(&**disk, &info.name)?;
        let header = *reader.header();
        recovery.restore(*id, header.term, header.index, Millis(header.wall_us / 1000))?;
        let mut chunk = Vec::new();
        while reader.next_chunk(&mut chunk)? {
            recovery.load(*id, &chunk).with_context(|| format!("load {}", info.name))?;
            bar.show("checkpoints", number as u64, found.newest.len() as u64);
        }
        needed_from.insert(*id, header.position);
    }
    let complete = needed_from.len() == usize::from(meta.partitions);
    let mut options = LogOptions::new(meta.log_salt);
    options.segment_bytes = settings.log_segment_size;
    options.boot_id = boot_id();
    options.on_damage = match settings.on_damage {
        DamagePolicy::Refuse => OnDamage::Refuse,
        DamagePolicy::Cut => OnDamage::Cut,
    };
    options.needed_from = match complete {
        true => needed_from.values().copied().min().unwrap_or(Position(0)),
        false => Position(0),
    };
    let cut = options.needed_from;
    options.durable = needed_from.values().copied().max().unwrap_or(Position(0));
    let mut visit = |_: Position, frame: &[u8]| recovery.replay(frame).map_err(Into::into);
    let (mut log, recovered) =
        Log::open(Arc::clone(disk), options, &mut visit, &mut |done, total| bar.show("log", done, total))?;
    bar.finish();
    report(&recovered);
    let (partitions, frame) = lead(recovery)?;
    log.append(&frame)?;
    log.sync_handle().sync()?;
    let rounds = Rounds::new(settings.workers, needed_from, cut);
    Ok((partitions, Storage { disk: Arc::clone(disk), log, rounds }))
}

/// Says what was cut, lost or set aside.
fn report(recovered: &Recovered) {
    if let Some(cut) = &recovered.cut {
        tracing::info!(
            file = cut.file,
            offset = cut.offset,
            bytes = cut.bytes,
            "cut an unfinished end off the log"
        );
    }
    if let Some((from, to)) = recovered.lost {
        tracing::error!(from = from.0, to = to.0, "synced bytes of the log are lost, and what they held");
    }
    for file in &recovered.set_aside {
        tracing::warn!(file, "a damaged part of the log was set aside");
    }
    if recovered.watermark.is_none() && recovered.frames > 0 {
        tracing::warn!(
            "the file that says how far the log was synced is missing or damaged; it is made anew"
        );
    }
}

fn lead(recovery: Recovery) -> anyhow::Result<(Vec<Box<Partition>>, Vec<u8>)> {
    let mut frame = Vec::new();
    let partitions = recovery.lead_alone(u64::from_le_bytes(random()?), &mut frame)?;
    Ok((partitions, frame))
}

/// The kernel's id of this boot: as long as it stays, the page cache has kept every written byte.
fn boot_id() -> [u8; 16] {
    let text = std::fs::read_to_string(Path::new("/proc/sys/kernel/random/boot_id")).unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).unwrap_or(0).to_be_bytes()
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
    let mut listeners = Some(listeners);
    let mut threads = Vec::new();
    for ((number, poll), partitions) in polls.into_iter().enumerate().zip(owned) {
        let id = WorkerId(number as u16);
        let worker = Worker::new(WorkerSetup {
            id,
            router,
            settings: Arc::clone(&settings),
            partitions,
            logging: shared.log.is_some(),
            seed: u64::from_le_bytes(random()?),
            host: Box::new(ThisHost(Arc::clone(shared))),
            fabric: None,
        });
        let thread = WorkerThread::new(id, worker, poll, Arc::clone(shared), listeners.take());
        let spawned =
            std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || thread.run());
        threads.push(spawned.context("start a worker thread")?);
    }
    Ok(threads)
}
