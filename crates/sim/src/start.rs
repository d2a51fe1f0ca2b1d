//! Start-up as the server does it: identity, checkpoints, log, and the node's part in its fabric.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Company, KeyHasher, Millis, NodeId, PartitionId, Random};
use cluster::{Founding, Level, Levels, MemberKind, Meta, UnknownLevel};
use log::{
    CheckpointReader, Checkpoints, Disk, FolderLevel, Log, LogError, LogOptions, NodeMeta, Position, Rounds,
};
use node::{Partition, RecoveredMeta, Recovery, RecoveryError, Router};

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("log: {0}")]
    Log(#[from] LogError),
    #[error("recovery: {0}")]
    Recovery(#[from] RecoveryError),
    #[error("group: {0}")]
    Group(#[from] raft::RecoverError),
    #[error(transparent)]
    Level(#[from] UnknownLevel),
    #[error("checkpoint {0} is damaged: {1}")]
    Checkpoint(String, LogError),
}

/// The machine a node starts on.
pub(crate) struct Place {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) boot_id: [u8; 16],
    pub(crate) workers: u16,
    pub(crate) segment_bytes: u64,
    /// Those that the program knows.
    pub(crate) levels: Levels,
}

/// What a node is that finds nothing on its disk.
pub(crate) enum Begins {
    /// On its own for good.
    Alone,
    /// The first of a fabric.
    Founds(Founding),
    /// Let in by a fabric that told it this.
    Joins(Meta),
}

impl Begins {
    /// Whether its fabric let it in as one that votes and holds no data.
    fn is_of_witness(&self, node: NodeId) -> bool {
        match self {
            Begins::Joins(told) => told.member(node).is_some_and(|member| member.kind == MemberKind::Witness),
            Begins::Alone | Begins::Founds(_) => false,
        }
    }
}

/// What start-up found.
pub(crate) struct Started {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) meta: NodeMeta,
    pub(crate) partitions: Vec<Box<Partition>>,
    /// Those of a node that is on its own.
    pub(crate) users: cluster::Users,
    pub(crate) log: Log,
    pub(crate) rounds: Rounds,
    /// The machine lost its power since the node ran last.
    pub(crate) is_in_doubt: bool,
    /// The fabric as the node knows it, and its replica of the meta group.
    pub(crate) member: Option<(Meta, RecoveredMeta)>,
    pub(crate) levels: Levels,
    /// How much of an unfinished end was cut off the log.
    pub(crate) cut_bytes: u64,
    pub(crate) frames: u64,
}

impl Started {
    /// The newest time of an entry.
    pub(crate) fn newest(&self) -> Millis {
        self.partitions.iter().map(|partition| partition.newest()).max().unwrap_or_default()
    }
}

impl Started {
    /// Who is there beside it.
    pub(crate) fn company(&self) -> Company {
        let state = self.member.as_ref().map(|(state, _)| state);
        node::company(state, self.meta.node_id, &self.partitions)
    }
}

/// Reads checkpoints, then the log behind them, and takes the node's part. A folder without an identity gets `fresh`.
pub(crate) fn start(
    place: Place,
    fresh: NodeMeta,
    begins: Begins,
    random: &mut Random,
) -> Result<Started, StartError> {
    let disk = Arc::clone(&place.disk);
    if let Some(FolderLevel { level, program }) = FolderLevel::load(&*disk)? {
        place.levels.check(Level(level), || program)?;
    }
    let meta = match NodeMeta::load(&*disk)? {
        Some(meta) => meta,
        None => {
            fresh.create(&*disk)?;
            fresh
        }
    };
    let (recovery, mut log, rounds, (frames, cut_bytes, is_in_doubt)) = recover(&place, &meta, &begins)?;
    let mut frame = Vec::new();
    let seed = random.next_u64();
    let users = recovery.own_users().clone();
    let (partitions, member) = match begins {
        Begins::Alone => (recovery.lead_alone(seed, &mut frame)?, None),
        begins => {
            let (partitions, member) = take_part(recovery, meta.node_id, begins, seed, &mut frame)?;
            place.levels.check(member.0.level(), || member.0.versions_of_level())?;
            (partitions, Some(member))
        }
    };
    if !frame.is_empty() {
        log.append(&frame)?;
    }
    log.sync_handle().sync()?;
    if member.is_none() {
        log.sync_handle().mark_certain()?;
    }
    let levels = place.levels;
    Ok(Started { disk, meta, partitions, users, log, rounds, is_in_doubt, member, levels, cut_bytes, frames })
}

type Recovered = (Recovery, Log, Rounds, (u64, u64, bool));

fn recover(place: &Place, meta: &NodeMeta, begins: &Begins) -> Result<Recovered, StartError> {
    let disk = &place.disk;
    Checkpoints::remove_unfinished(&**disk)?;
    let (router, hasher) = (Router::new(meta.partitions, 1), KeyHasher::new(meta.key_hash_seed));
    let mut recovery = match begins.is_of_witness(meta.node_id) {
        true => Recovery::of_witness(router, hasher),
        false => Recovery::new(router, hasher),
    };
    let needed_from = load_checkpoints(&**disk, &mut recovery)?;
    let complete = needed_from.len() == usize::from(meta.partitions);
    let mut options = LogOptions::new(meta.log_salt);
    options.segment_bytes = place.segment_bytes;
    options.free_bytes_min = 16 * 1024;
    options.boot_id = place.boot_id;
    options.needed_from = match (complete, begins) {
        (true, _) => needed_from.values().copied().min().unwrap_or(Position(0)),
        (false, Begins::Alone) => Position(0),
        (false, _) => log::retained_from(&**disk)?,
    };
    let cut = options.needed_from;
    options.durable = needed_from.values().copied().max().unwrap_or(Position(0));
    let mut visit = |_: Position, frame: &[u8]| recovery.replay(frame).map_err(Into::into);
    let (log, recovered) = Log::open(Arc::clone(disk), options, &mut visit, &mut |_, _| {})?;
    let rounds = Rounds::new(place.workers, needed_from, cut);
    let cut_bytes = recovered.cut.map_or(0, |cut| cut.bytes);
    Ok((recovery, log, rounds, (recovered.frames, cut_bytes, recovered.is_in_doubt)))
}

/// Reads the newest checkpoints; from which positions on each needs the log.
fn load_checkpoints(
    disk: &dyn Disk,
    recovery: &mut Recovery,
) -> Result<BTreeMap<PartitionId, Position>, StartError> {
    let found = Checkpoints::find(disk)?;
    if let Some((file, error)) = found.damaged.into_iter().next() {
        return Err(StartError::Checkpoint(file, error));
    }
    let mut needed_from = BTreeMap::new();
    for (id, info) in &found.newest {
        let mut reader = CheckpointReader::open(disk, &info.name)?;
        let header = *reader.header();
        recovery.restore(*id, header.term, header.index, Millis(header.wall_us / 1000))?;
        let mut chunk = Vec::new();
        while reader.next_chunk(&mut chunk)? {
            recovery.load(*id, &chunk)?;
        }
        needed_from.insert(*id, header.position);
    }
    Ok(needed_from)
}

/// Reads what a node of a fabric has on its disk and changes nothing; with it whether something may be missing. None if it
/// was never started.
pub(crate) fn read(disk: &Arc<dyn Disk>, boot_id: [u8; 16]) -> Result<Option<(Recovery, bool)>, StartError> {
    let Some(meta) = NodeMeta::load(&**disk)? else { return Ok(None) };
    let mut recovery = Recovery::new(Router::new(meta.partitions, 1), KeyHasher::new(meta.key_hash_seed));
    let needed_from = load_checkpoints(&**disk, &mut recovery)?;
    let mut options = LogOptions { boot_id, ..LogOptions::new(meta.log_salt) };
    options.needed_from = match needed_from.len() == usize::from(meta.partitions) {
        true => needed_from.values().copied().min().unwrap_or(Position(0)),
        false => log::retained_from(&**disk)?,
    };
    options.durable = needed_from.values().copied().max().unwrap_or(Position(0));
    let mut visit = |_: Position, frame: &[u8]| recovery.replay(frame).map_err(Into::into);
    let read = Log::read(Arc::clone(disk), options, &mut visit, &mut |_, _| {})?;
    Ok(Some((recovery, read.is_in_doubt)))
}

/// Makes the folder of a node that begins with this, as a rescue does; the checkpoints are there.
pub(crate) fn prepare(
    disk: &Arc<dyn Disk>,
    boot_id: [u8; 16],
    meta: NodeMeta,
    frame: &[u8],
) -> Result<(), LogError> {
    let options = LogOptions { boot_id, free_bytes_min: 0, ..LogOptions::new(meta.log_salt) };
    let (mut log, _) = Log::open(Arc::clone(disk), options, &mut |_, _| Ok(()), &mut |_, _| {})?;
    log.append(frame)?;
    log.sync_handle().sync()?;
    log.sync_handle().mark_closed()?;
    meta.create(&**disk)
}

type Part = (Vec<Box<Partition>>, (Meta, RecoveredMeta));

/// The node's part in a fabric: as it was, or as it begins.
fn take_part(
    recovery: Recovery,
    node: NodeId,
    begins: Begins,
    seed: u64,
    frame: &mut Vec<u8>,
) -> Result<Part, StartError> {
    let me = cluster::replica_id(node).expect("a node's id is drawn so that it can be used");
    let holds_all = !recovery.knows_fabric() && matches!(begins, Begins::Founds(_));
    let (partitions, found) = recovery.start(me, seed, holds_all, frame)?;
    let member = match (found, begins) {
        (Some(replica), begins) => {
            let known = replica.state().clone();
            let state = match begins {
                Begins::Joins(told) if !known.is_founded() => told,
                _ => known,
            };
            (state, replica)
        }
        (None, Begins::Founds(founding)) => (Meta::new(), RecoveredMeta::found(me, seed, founding)?),
        (None, Begins::Joins(told)) => (told, RecoveredMeta::join(me, seed)?),
        (None, Begins::Alone) => unreachable!("a node that is alone takes no part"),
    };
    Ok((partitions, member))
}

/// A new identity.
pub(crate) fn mint(partitions: u16, random: &mut Random) -> NodeMeta {
    NodeMeta {
        node_id: NodeId(u128::from(random.next_u64())),
        key_hash_seed: random.next_u64(),
        log_salt: random.next_u64(),
        partitions,
        created_us: 0,
    }
}
