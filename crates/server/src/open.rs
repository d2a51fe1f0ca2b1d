//! The data folder at start-up: whose it is, what it holds, and how the node enters its cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use base::{KeyHasher, Millis, NodeId, PartitionId};
use cluster::{Level, Levels, Meta};
use log::{
    CheckpointReader, Checkpoints, Disk, FolderLevel, Log, LogOptions, NodeMeta, OnDamage, Position,
    Recovered, Rounds,
};
use node::settings::{DamagePolicy, Settings};
use node::{Partition, RecoveredMeta, Recovery, Router};

use crate::disk::{FolderDisk, FolderError};
use crate::enter::{self, Entered, Entrance, How, Join, Reach, Turnstile};
use crate::names;
use crate::other_cluster::NextLife;
use crate::progress::Progress;
use crate::random::random;
use crate::trust::Trust;

/// Data folders that are tried when none was asked for.
const FOLDERS_MAX: u32 = 100;

/// What start-up found in, or decided for, the data folder.
pub(crate) struct Opened {
    pub(crate) meta: NodeMeta,
    pub(crate) partitions: Vec<Box<Partition>>,
    pub(crate) storage: Option<Storage>,
    /// The machine lost its power since the node ran last, or nobody knows that it did not.
    pub(crate) is_in_doubt: bool,
    pub(crate) fabric: Option<EnteredFabric>,
    /// The users that the log of a node on its own has.
    pub(crate) own_users: cluster::Users,
}

/// The log and what it follows.
pub(crate) struct Storage {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) log: Log,
    pub(crate) rounds: Rounds,
}

/// The fabric as this node begins to be part of it.
pub(crate) struct EnteredFabric {
    pub(crate) trust: Trust,
    pub(crate) meta: Meta,
    pub(crate) replica: RecoveredMeta,
    /// It was a member before, and has to say where it is now.
    pub(crate) returns: bool,
    pub(crate) turnstile: Option<Turnstile>,
}

/// A data folder that is this process's.
pub(crate) struct Folder {
    pub(crate) disk: Arc<dyn Disk>,
    /// Of the node whose it is; none in a new one.
    pub(crate) meta: Option<NodeMeta>,
}

impl Folder {
    /// Takes the folder of the settings. If it was not asked for, another beside it may be meant: one with a node in it before
    /// one that is empty, for who stopped his nodes and starts one again wants his data back, unless what is asked for can only
    /// be a new node; and if it is another process's, the next one, for a second node in the same place is a second node.
    pub(crate) fn take(settings: &mut Settings, is_explicit: bool) -> anyhow::Result<Option<Folder>> {
        if settings.no_data {
            return Ok(None);
        }
        let asked = settings.dir.clone();
        let paths = || (1..=FOLDERS_MAX).map(|number| numbered(&asked, number));
        let is_new = settings.witness || matches!(Join::of(settings)?, Join::Token(_));
        if !is_explicit && !is_new {
            for path in paths().filter(|path| path.is_dir()) {
                match Folder::open(&path) {
                    Ok(folder) if folder.meta.is_some() => {
                        settings.dir = path;
                        return Ok(Some(folder));
                    }
                    Ok(_) => {}
                    // What is wrong with one that nobody named is not ours to say.
                    Err(error) if is_in_use(&error) || path != asked => {}
                    Err(error) => return Err(error),
                }
            }
        }
        for path in paths() {
            match Folder::open(&path) {
                Err(error) if !is_explicit && is_in_use(&error) => {}
                taken => {
                    settings.dir = path;
                    return taken.map(Some);
                }
            }
        }
        bail!("{} data folders beside {} are in use; say which with --data", FOLDERS_MAX, asked.display())
    }

    fn open(path: &Path) -> anyhow::Result<Folder> {
        let disk: Arc<dyn Disk> = Arc::new(FolderDisk::open(path)?);
        let meta = NodeMeta::load(&*disk)?;
        Ok(Folder { disk, meta })
    }
}

/// The folder of the first, second … node in a place.
fn numbered(asked: &Path, number: u32) -> PathBuf {
    match number {
        1 => asked.to_owned(),
        number => PathBuf::from(format!("{}-{number}", asked.display())),
    }
}

fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(FolderError::InUse { .. }))
}

/// Reads the data folder, or decides everything anew for a node that has none or keeps nothing. `next`: as whom, and where,
/// a node begins anew that has given up what it was; so is what is in its folder.
pub(crate) fn open(
    settings: &mut Settings,
    folder: Option<Folder>,
    reach: &Reach,
    next: Option<NextLife>,
    progress: bool,
) -> anyhow::Result<Opened> {
    let join = Join::of(settings)?;
    if let Some(NextLife { node, admitted }) = next {
        if let Some(Folder { disk, .. }) = &folder {
            clear_disk(&**disk).with_context(|| format!("empty {}", settings.dir.display()))?;
        }
        let entered = enter::let_in(admitted);
        return begin(settings, folder, node, Some(entered), None, reach, progress);
    }
    if let Some(Folder { disk, meta: Some(meta) }) = folder {
        name_node(settings, meta.node_id);
        return reopen(settings, &disk, meta, &join, reach, progress);
    }
    let node = NodeId(u128::from_le_bytes(random()?));
    name_node(settings, node);
    let (entered, turnstile) = match join {
        Join::Never if settings.witness => {
            bail!("a witness votes in the groups of a cluster, and `join none` stays alone; use --join TOKEN")
        }
        Join::Never => (None, None),
        join => {
            let (entered, turnstile) = enter::enter(settings, &join, node, reach)?;
            (Some(entered), Some(turnstile))
        }
    };
    begin(settings, folder, node, entered, turnstile, reach, progress)
}

/// A new node, with a folder that has nothing yet.
fn begin(
    settings: &Settings,
    folder: Option<Folder>,
    node: NodeId,
    entered: Option<Entered>,
    turnstile: Option<Turnstile>,
    reach: &Reach,
    progress: bool,
) -> anyhow::Result<Opened> {
    let (entrance, key_hash_seed, partitions) = match entered {
        Some(Entered { entrance, key_hash_seed, partitions }) => (Some(entrance), key_hash_seed, partitions),
        None => (None, u64::from_le_bytes(random()?), settings.partitions),
    };
    let meta = mint(node, key_hash_seed, partitions)?;
    if let Some(Folder { disk, .. }) = &folder {
        if let Some(Entrance { trust, meta, .. }) = &entrance {
            trust.save(&settings.dir)?;
            if meta.is_founded() {
                enter::save_admission(&settings.dir, meta)?;
            }
        }
        meta.create(&**disk)?;
    }
    let disk = folder.map(|folder| folder.disk);
    start(settings, disk, meta, entrance, turnstile, reach, progress)
}

/// A node that was started before.
fn reopen(
    settings: &Settings,
    disk: &Arc<dyn Disk>,
    meta: NodeMeta,
    join: &Join,
    reach: &Reach,
    progress: bool,
) -> anyhow::Result<Opened> {
    check_level(&**disk, reach.levels).with_context(|| format!("start from {}", settings.dir.display()))?;
    let entrance = match Trust::load(&settings.dir, meta.node_id)? {
        Some(_) if matches!(join, Join::Never) => bail!(
            "{} is of a node of a cluster, and `join none` stays alone; start it without that, or alone with another data \
             folder; if the others are gone for good, `narf rescue` makes a new cluster out of what is here",
            settings.dir.display()
        ),
        Some(trust) => {
            if let Join::Token(token) = join
                && token.fingerprint() != trust.fingerprint()
            {
                bail!(
                    "{} is of a node of another cluster than the token; start it without the token, or join the token's \
                     cluster with another data folder",
                    settings.dir.display()
                );
            }
            let (meta, how) = match enter::load_admission(&settings.dir)? {
                Some(meta) => (meta, How::Joins),
                None => (Meta::new(), How::Founds),
            };
            Some(Entrance { trust, meta, how })
        }
        None => match join {
            Join::Never => None,
            Join::Token(_) | Join::Places(_) => bail!(
                "{} has the data of a node that is on its own; to join another cluster start with another data \
                 folder, as what is here would be lost",
                settings.dir.display()
            ),
            Join::Auto | Join::Found => {
                let trust = Trust::found(u128::from_le_bytes(random()?), meta.node_id)?;
                trust.save(&settings.dir)?;
                Some(Entrance { trust, meta: Meta::new(), how: How::Founds })
            }
        },
    };
    start(settings, Some(Arc::clone(disk)), meta, entrance, None, reach, progress)
}

/// Whether a program that knows these levels can read the folder: asked before anything of it is read.
pub(crate) fn check_level(disk: &dyn Disk, levels: Levels) -> anyhow::Result<()> {
    let Some(FolderLevel { level, program }) = FolderLevel::load(disk)? else { return Ok(()) };
    Ok(levels.check(Level(level), || program)?)
}

/// The node's name, minted from its id if it has none.
fn name_node(settings: &mut Settings, node: NodeId) {
    if settings.name.is_empty() {
        settings.name = names::mint(node.0 as u64);
    }
}

/// Recovers what the folder holds and readies the node's part in its fabric.
fn start(
    settings: &Settings,
    disk: Option<Arc<dyn Disk>>,
    meta: NodeMeta,
    entrance: Option<Entrance>,
    turnstile: Option<Turnstile>,
    reach: &Reach,
    progress: bool,
) -> anyhow::Result<Opened> {
    let is_witness = entrance.as_ref().is_some_and(|entrance| entrance.is_of_witness(meta.node_id));
    if settings.witness && !is_witness {
        bail!(
            "{} is of a node that holds data, and a node is a witness from its first start or never; start the witness with \
             another data folder",
            settings.dir.display()
        );
    }
    let mut recovered = match &disk {
        Some(disk) => recover(disk, &meta, settings, (entrance.is_some(), is_witness), progress)?,
        None => Recovering { recovery: empty(&meta, is_witness), log: None },
    };
    let knows_fabric = recovered.recovery.knows_fabric();
    let own_users = recovered.recovery.own_users().clone();
    let Some(Entrance { trust, meta: told, how }) = entrance else {
        if knows_fabric {
            bail!(
                "{} is of a node of a cluster, and what made it trust the others is gone; put the file `trust` back",
                settings.dir.display()
            );
        }
        let mut frame = Vec::new();
        let partitions = recovered.recovery.lead_alone(u64::from_le_bytes(random()?), &mut frame)?;
        let storage = keep(disk, recovered.log, &frame)?;
        if let Some(storage) = &storage {
            storage.log.sync_handle().mark_certain()?;
        }
        return Ok(Opened { meta, partitions, storage, is_in_doubt: false, fabric: None, own_users });
    };
    let me = cluster::replica_id(meta.node_id)
        .context("the node's id cannot be used; start with a new data folder")?;
    let seed = || random().map(u64::from_le_bytes);
    let member = enter::newcomer(settings, meta.node_id, reach, 1);
    let holds_all = !knows_fabric && matches!(how, How::Founds);
    let mut frame = Vec::new();
    let (partitions, found) = recovered.recovery.start(me, seed()?, holds_all, &mut frame)?;
    let (state, replica, returns) = match (found, how) {
        (Some(replica), _) => {
            // What it was told when it was let in is newer than nothing, and older than what it has followed.
            let state = if replica.state().is_founded() { replica.state().clone() } else { told };
            (state, replica, true)
        }
        (None, How::Joins) => (told, RecoveredMeta::join(me, seed()?)?, false),
        (None, How::Founds) => {
            let founding = enter::founding(settings, &trust, meta.partitions, meta.key_hash_seed, member);
            (Meta::new(), RecoveredMeta::found(me, seed()?, founding)?, false)
        }
    };
    reach.levels.check(state.level(), || state.versions_of_level())?;
    let is_in_doubt = recovered.log.as_ref().is_some_and(|open| open.is_in_doubt);
    let storage = keep(disk, recovered.log.take(), &frame)?;
    let fabric = EnteredFabric { trust, meta: state, replica, returns, turnstile };
    Ok(Opened { meta, partitions, storage, is_in_doubt, fabric: Some(fabric), own_users })
}

/// Puts what start-up decided on stable storage.
fn keep(disk: Option<Arc<dyn Disk>>, log: Option<OpenLog>, frame: &[u8]) -> anyhow::Result<Option<Storage>> {
    let (Some(disk), Some(OpenLog { mut log, rounds, .. })) = (disk, log) else { return Ok(None) };
    if !frame.is_empty() {
        log.append(frame)?;
    }
    log.sync_handle().sync()?;
    Ok(Some(Storage { disk, log, rounds }))
}

/// What was read of a data folder.
struct Recovering {
    recovery: Recovery,
    log: Option<OpenLog>,
}

struct OpenLog {
    log: Log,
    rounds: Rounds,
    is_in_doubt: bool,
}

fn empty(meta: &NodeMeta, is_witness: bool) -> Recovery {
    let (router, hasher) = (router_of(meta), KeyHasher::new(meta.key_hash_seed));
    if is_witness { Recovery::of_witness(router, hasher) } else { Recovery::new(router, hasher) }
}

fn router_of(meta: &NodeMeta) -> Router {
    Router::new(meta.partitions, 1)
}

/// A new identity.
pub(crate) fn mint(node_id: NodeId, key_hash_seed: u64, partitions: u16) -> anyhow::Result<NodeMeta> {
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(NodeMeta {
        node_id,
        key_hash_seed,
        log_salt: u64::from_le_bytes(random()?),
        partitions,
        created_us: wall.as_micros() as u64,
    })
}

/// Reads checkpoints, then the log behind them. A node of a fabric need not hold every partition.
fn recover(
    disk: &Arc<dyn Disk>,
    meta: &NodeMeta,
    settings: &Settings,
    (is_in_fabric, is_witness): (bool, bool),
    progress: bool,
) -> anyhow::Result<Recovering> {
    Checkpoints::remove_unfinished(&**disk)?;
    let mut recovery = empty(meta, is_witness);
    let mut bar = Progress::new(progress);
    let needed_from = load_checkpoints(&**disk, &mut recovery, &mut bar)?;
    let mut options = log_options(&**disk, meta, &needed_from, is_in_fabric)?;
    options.segment_bytes = settings.log_segment_size;
    options.on_damage = match settings.on_damage {
        DamagePolicy::Refuse => OnDamage::Refuse,
        DamagePolicy::Cut => OnDamage::Cut,
    };
    let cut = options.needed_from;
    let mut visit = |_: Position, frame: &[u8]| recovery.replay(frame).map_err(Into::into);
    let (log, recovered) =
        Log::open(Arc::clone(disk), options, &mut visit, &mut |done, total| bar.show("log", done, total))?;
    bar.finish();
    report(&recovered);
    let rounds = Rounds::new(settings.workers, needed_from, cut);
    let is_in_doubt = recovered.is_in_doubt;
    Ok(Recovering { recovery, log: Some(OpenLog { log, rounds, is_in_doubt }) })
}

/// Reads the newest checkpoints; from which positions on each needs the log.
pub(crate) fn load_checkpoints(
    disk: &dyn Disk,
    recovery: &mut Recovery,
    bar: &mut Progress,
) -> anyhow::Result<BTreeMap<PartitionId, Position>> {
    let found = Checkpoints::find(disk)?;
    if let Some((file, error)) = found.damaged.into_iter().next() {
        return Err(anyhow::Error::new(error).context(format!("read checkpoint {file}")));
    }
    let mut needed_from = BTreeMap::new();
    for (number, (id, info)) in found.newest.iter().enumerate() {
        let mut reader = CheckpointReader::open(disk, &info.name)?;
        let header = *reader.header();
        recovery.restore(*id, header.term, header.index, Millis(header.wall_us / 1000))?;
        let mut chunk = Vec::new();
        while reader.next_chunk(&mut chunk)? {
            recovery.load(*id, &chunk).with_context(|| format!("load {}", info.name))?;
            bar.show("checkpoints", number as u64, found.newest.len() as u64);
        }
        needed_from.insert(*id, header.position);
    }
    Ok(needed_from)
}

/// How the log behind these checkpoints is read.
pub(crate) fn log_options(
    disk: &dyn Disk,
    meta: &NodeMeta,
    needed_from: &BTreeMap<PartitionId, Position>,
    is_in_fabric: bool,
) -> Result<LogOptions, log::LogError> {
    let complete = needed_from.len() == usize::from(meta.partitions);
    let mut options = LogOptions::new(meta.log_salt);
    options.boot_id = boot_id();
    options.needed_from = match complete {
        true => needed_from.values().copied().min().unwrap_or(Position(0)),
        false if is_in_fabric => log::retained_from(disk)?,
        false => Position(0),
    };
    options.durable = needed_from.values().copied().max().unwrap_or(Position(0));
    Ok(options)
}

/// Says what was cut, lost or set aside.
fn report(recovered: &Recovered) {
    if recovered.is_in_doubt {
        tracing::info!(
            "the machine lost its power or was restarted since this node ran: what was not synced may be missing"
        );
    }
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

/// The kernel's id of this boot: as long as it stays, the page cache has kept every written byte.
pub(crate) fn boot_id() -> [u8; 16] {
    let text = std::fs::read_to_string(Path::new("/proc/sys/kernel/random/boot_id")).unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).unwrap_or(0).to_be_bytes()
}

/// Removes what a node leaves behind that has left its cluster: others have it, and its id is never used again.
pub(crate) fn clear(folder: &Path) -> anyhow::Result<()> {
    clear_disk(&FolderDisk::open(folder)?).with_context(|| format!("empty {}", folder.display()))
}

/// What else people keep in the folder stays, and what belongs to the process.
fn clear_disk(disk: &dyn Disk) -> anyhow::Result<()> {
    // First what makes the rest a node's.
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for name in disk.list()? {
        match part_of(&name) {
            Some(Part::Identity) => first.push(name),
            Some(Part::Data) => rest.push(name),
            None => {}
        }
    }
    for name in first.into_iter().chain(rest) {
        disk.remove(&name).with_context(|| format!("remove {name}"))?;
    }
    disk.sync_dir().context("sync it")
}

/// What a file in a data folder is to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Identity,
    Data,
}

fn part_of(name: &str) -> Option<Part> {
    // What a crash left unfinished beside them is as much a node's.
    let whole = [".tmp", ".new"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let is_numbered = |prefix: &str, end: &str| name.starts_with(prefix) && name.contains(end);
    match whole {
        NodeMeta::FILE | "trust" | "admission" => Some(Part::Identity),
        "level" | "log-watermark" => Some(Part::Data),
        _ if is_numbered("log-", ".seg") || is_numbered("checkpoint-", ".ckp") => Some(Part::Data),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(asked: &Path, is_explicit: bool) -> (Folder, String) {
        let mut settings = Settings { dir: asked.to_owned(), ..Settings::new() };
        let folder = Folder::take(&mut settings, is_explicit).unwrap().unwrap();
        let name = settings.dir.file_name().unwrap().to_string_lossy().into_owned();
        (folder, name)
    }

    /// As a node leaves it that was started in it and killed.
    fn with_a_node(folder: &Path) {
        let folder = Folder::open(folder).unwrap();
        mint(NodeId(7), 1, 16).unwrap().create(&*folder.disk).unwrap();
    }

    #[test]
    fn a_folder_with_a_node_comes_before_an_empty_one_unless_one_was_asked_for() {
        let place = tempfile::tempdir().unwrap();
        let asked = place.path().join("data");
        // The first nodes left and took everything with them; the third stayed.
        Folder::open(&asked).unwrap();
        Folder::open(&numbered(&asked, 2)).unwrap();
        with_a_node(&numbered(&asked, 3));
        assert_eq!(take(&asked, true).1, "data");
        let (third, name) = take(&asked, false);
        assert_eq!((name.as_str(), third.meta.is_some()), ("data-3", true));
        let (first, name) = take(&asked, false);
        assert_eq!((name.as_str(), first.meta.is_none()), ("data", true));
        assert_eq!(take(&asked, false).1, "data-2");
        drop((first, third));
        with_a_node(&asked);
        assert_eq!(take(&asked, false).1, "data");
    }

    #[test]
    fn what_a_node_leaves_is_removed_and_what_is_not_its_own_stays() {
        for mine in ["node.meta", "node.meta.tmp", "trust", "trust.new", "admission"] {
            assert_eq!(part_of(mine), Some(Part::Identity), "{mine}");
        }
        for mine in [
            "level",
            "log-watermark",
            "log-000000000001.seg",
            "log-000000000002.seg.damaged",
            "checkpoint-00001-00000000000000000003.ckp",
            "checkpoint-00001-00000000000000000003.ckp.tmp",
        ] {
            assert_eq!(part_of(mine), Some(Part::Data), "{mine}");
        }
        for other in
            ["lock", "narf.pid", "narf.log", "narf.toml", "users.acl", "sock", "log-of-mine", "trusted"]
        {
            assert_eq!(part_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_second_node_in_a_place_gets_a_folder_of_its_own_and_one_that_is_asked_for_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let asked = place.path().join("data");
        let first = take(&asked, false);
        assert_eq!((first.1.as_str(), take(&asked, false).1.as_str()), ("data", "data-2"));
        let mut settings = Settings { dir: asked, ..Settings::new() };
        let refused = Folder::take(&mut settings, true).err().unwrap().to_string();
        assert!(refused.contains("in use"), "{refused}");
    }
}
