//! Which checkpoints there are, and the removal of those that are not needed.

use std::collections::BTreeMap;

use base::PartitionId;

use super::{CheckpointHeader, CheckpointReader};
use crate::LogError;
use crate::disk::Disk;

/// A checkpoint file whose header is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointInfo {
    /// The file.
    pub name: String,
    /// What it is of.
    pub header: CheckpointHeader,
}

/// What checkpoints a folder holds.
#[derive(Debug, Default)]
pub struct Checkpoints {
    /// The newest of each partition that is not damaged.
    pub newest: BTreeMap<PartitionId, CheckpointInfo>,
    /// Files that are damaged and newer than those in `newest`. Whether to go on without them is the
    /// caller's decision: what an older checkpoint lacks may have been cut from the log.
    pub damaged: Vec<(String, LogError)>,
}

/// How much of a file is read to call it undamaged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Header,
    Whole,
}

impl Checkpoints {
    /// Finds the newest checkpoints by their headers; reading them will tell about the rest.
    pub fn find(disk: &dyn Disk) -> Result<Checkpoints, LogError> {
        survey(disk, Depth::Header)
    }

    /// Finds the newest checkpoints that are whole, reading all of each.
    pub fn find_whole(disk: &dyn Disk) -> Result<Checkpoints, LogError> {
        survey(disk, Depth::Whole)
    }

    /// Removes the checkpoints of `partition` that are older than the one at `index`, which must be finished.
    /// Returns how many went.
    pub fn remove_older(disk: &dyn Disk, partition: PartitionId, index: u64) -> Result<usize, LogError> {
        let older = names(disk)?.into_iter().filter(|&(of, at, _)| of == partition && at < index);
        remove(disk, older.map(|(_, _, name)| name).collect())
    }

    /// Bytes of the newest checkpoint of `partition` that one at `index` replaces, if there is any.
    pub fn size_before(disk: &dyn Disk, partition: PartitionId, index: u64) -> Result<Option<u64>, LogError> {
        let older = names(disk)?.into_iter().filter(|&(of, at, _)| of == partition && at <= index);
        let Some((_, _, name)) = older.max_by_key(|&(_, at, _)| at) else { return Ok(None) };
        let len = disk.open(&name).and_then(|file| file.len());
        len.map(Some).map_err(LogError::io("ask the length of", name))
    }

    /// Removes all checkpoints of a partition that is not here any more. Returns how many went.
    pub fn remove_all(disk: &dyn Disk, partition: PartitionId) -> Result<usize, LogError> {
        let all = names(disk)?.into_iter().filter(|&(of, _, _)| of == partition);
        remove(disk, all.map(|(_, _, name)| name).collect())
    }

    /// Removes what writers left that did not finish. At start-up, before there is a writer. Returns how
    /// many went.
    pub fn remove_unfinished(disk: &dyn Disk) -> Result<usize, LogError> {
        let all = disk.list().map_err(LogError::io("list", "the data folder"))?;
        let unfinished = all
            .into_iter()
            .filter(|name| name.strip_suffix(".tmp").is_some_and(|name| parse_name(name).is_some()));
        remove(disk, unfinished.collect())
    }
}

fn survey(disk: &dyn Disk, depth: Depth) -> Result<Checkpoints, LogError> {
    let mut names = names(disk)?;
    // The newest first: once a partition has one, the older ones need not be read.
    names.sort_by_key(|&(partition, index, _)| (partition, std::cmp::Reverse(index)));
    let mut found = Checkpoints::default();
    for (partition, _, name) in names {
        if found.newest.contains_key(&partition) {
            continue;
        }
        match check(disk, &name, depth) {
            Ok(header) => {
                found.newest.insert(partition, CheckpointInfo { name, header });
            }
            Err(error @ LogError::Damaged { .. }) => found.damaged.push((name, error)),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn check(disk: &dyn Disk, name: &str, depth: Depth) -> Result<CheckpointHeader, LogError> {
    let mut reader = CheckpointReader::open(disk, name)?;
    if depth == Depth::Whole {
        let mut chunk = Vec::new();
        while reader.next_chunk(&mut chunk)? {}
    }
    Ok(*reader.header())
}

fn names(disk: &dyn Disk) -> Result<Vec<(PartitionId, u64, String)>, LogError> {
    let all = disk.list().map_err(LogError::io("list", "the data folder"))?;
    let parsed = all.into_iter().filter_map(|name| {
        let (partition, index) = parse_name(&name)?;
        Some((partition, index, name))
    });
    Ok(parsed.collect())
}

fn remove(disk: &dyn Disk, names: Vec<String>) -> Result<usize, LogError> {
    for name in &names {
        disk.remove(name).map_err(LogError::io("remove", name.as_str()))?;
    }
    if !names.is_empty() {
        disk.sync_dir().map_err(LogError::io("sync the folder of", "the checkpoints"))?;
    }
    Ok(names.len())
}

pub(super) fn checkpoint_name(partition: PartitionId, index: u64) -> String {
    format!("checkpoint-{:05}-{index:020}.ckp", partition.0)
}

fn parse_name(name: &str) -> Option<(PartitionId, u64)> {
    let (partition, index) = name.strip_prefix("checkpoint-")?.strip_suffix(".ckp")?.split_once('-')?;
    let (partition, index) = (PartitionId(partition.parse().ok()?), index.parse().ok()?);
    (checkpoint_name(partition, index) == name).then_some((partition, index))
}
