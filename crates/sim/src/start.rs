//! Start-up as the server does it: identity, checkpoints, log, leadership.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{KeyHasher, Millis, NodeId, Random};
use log::{CheckpointReader, Checkpoints, Disk, Log, LogError, LogOptions, NodeMeta, Position, Rounds};
use node::{Partition, Recovery, RecoveryError, Router};

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("log: {0}")]
    Log(#[from] LogError),
    #[error("recovery: {0}")]
    Recovery(#[from] RecoveryError),
    #[error("checkpoint {0} is damaged: {1}")]
    Checkpoint(String, LogError),
}

/// What start-up found.
pub(crate) struct Started {
    pub(crate) meta: NodeMeta,
    pub(crate) partitions: Vec<Box<Partition>>,
    pub(crate) log: Log,
    pub(crate) rounds: Rounds,
    /// How much of an unfinished end was cut off the log.
    pub(crate) cut_bytes: u64,
    pub(crate) frames: u64,
}

/// Reads checkpoints, then the log behind them, and leads every partition.
pub(crate) fn start(
    disk: Arc<dyn Disk>,
    (partitions, workers): (u16, u16),
    boot_id: [u8; 16],
    segment_bytes: u64,
    random: &mut Random,
) -> Result<Started, StartError> {
    let meta = match NodeMeta::load(&*disk)? {
        Some(meta) => meta,
        None => {
            let meta = mint(partitions, random);
            meta.create(&*disk)?;
            meta
        }
    };
    Checkpoints::remove_unfinished(&*disk)?;
    let found = Checkpoints::find(&*disk)?;
    if let Some((file, error)) = found.damaged.into_iter().next() {
        return Err(StartError::Checkpoint(file, error));
    }
    let mut recovery = Recovery::new(Router::new(meta.partitions, 1), KeyHasher::new(meta.key_hash_seed));
    let mut needed_from = BTreeMap::new();
    for (id, info) in &found.newest {
        let mut reader = CheckpointReader::open(&*disk, &info.name)?;
        let header = *reader.header();
        recovery.restore(*id, header.term, header.index, Millis(header.wall_us / 1000))?;
        let mut chunk = Vec::new();
        while reader.next_chunk(&mut chunk)? {
            recovery.load(*id, &chunk)?;
        }
        needed_from.insert(*id, header.position);
    }
    let complete = needed_from.len() == usize::from(meta.partitions);
    let mut options = LogOptions::new(meta.log_salt);
    options.segment_bytes = segment_bytes;
    options.free_bytes_min = 16 * 1024;
    options.boot_id = boot_id;
    options.needed_from = match complete {
        true => needed_from.values().copied().min().unwrap_or(Position(0)),
        false => Position(0),
    };
    let cut = options.needed_from;
    options.durable = needed_from.values().copied().max().unwrap_or(Position(0));
    let mut visit = |_: Position, frame: &[u8]| recovery.replay(frame).map_err(Into::into);
    let (mut log, recovered) = Log::open(disk, options, &mut visit, &mut |_, _| {})?;
    let mut frame = Vec::new();
    let partitions = recovery.lead_alone(random.next_u64(), &mut frame)?;
    log.append(&frame)?;
    log.sync_handle().sync()?;
    let cut_bytes = recovered.cut.map_or(0, |cut| cut.bytes);
    let rounds = Rounds::new(workers, needed_from, cut);
    Ok(Started { meta, partitions, log, rounds, cut_bytes, frames: recovered.frames })
}

/// A new identity.
fn mint(partitions: u16, random: &mut Random) -> NodeMeta {
    NodeMeta {
        node_id: NodeId(u128::from(random.next_u64())),
        key_hash_seed: random.next_u64(),
        log_salt: random.next_u64(),
        partitions,
        created_us: 0,
    }
}
