//! `narf rescue`: the data of a cluster whose majority is gone for good, out of the folders of its nodes, into the folder of
//! the only node of a new cluster.
//!
//! ```text
//!  folders, locked and read only ──▶ the best replica of each partition ──▶ NEW.unfinished ──▶ NEW
//! ```
//! The new cluster has an id, a key and nodes of its own, so no node of the old one can ever be part of it.
//! Invariants: nothing in a folder that is read is changed; the new folder gets its name when all of it is on stable storage,
//! and its identity last. At most the data of one folder is in memory.
//! Does not know: which replica is the best (`node::rescue`), how the report is shown.

mod report;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, bail, ensure};
use base::{KeyHasher, Millis, NodeId};
use cluster::{MemberKind, Meta, Newcomer};
use log::{CheckpointHeader, CheckpointWriter, Disk, Log, LogOptions, NodeMeta, Position, ReadLog};
use node::{Recovery, Rescue, RescuedState, Router, Standing};

use crate::disk::FolderDisk;
use crate::progress::Progress;
use crate::random::random;
use crate::trust::Trust;
use crate::{enter, names, open};

pub use report::{FolderReport, Report};

/// Where a node is that was never started: its first start says where.
const NOWHERE: &str = "rescued.invalid:1";

/// What is to be done.
pub struct Order {
    /// The data folders of nodes of one cluster.
    pub folders: Vec<PathBuf>,
    /// The new data folder.
    pub into: PathBuf,
    /// Go on without what is not there.
    pub accept_loss: bool,
    /// Show a bar on standard error.
    pub progress: bool,
}

/// A folder that is to be read, and stays locked until all is done.
struct Source {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    meta: NodeMeta,
    /// What the cluster told the node when it let it in; none for its founder.
    told: Option<Meta>,
    is_in_fabric: bool,
}

/// Does it.
pub fn rescue(order: &Order) -> anyhow::Result<Report> {
    let sources = order.folders.iter().map(|path| Source::open(path)).collect::<anyhow::Result<Vec<_>>>()?;
    check_sources(&sources)?;
    let unfinished = check_target(&order.into, &sources)?;
    let node = NodeId(u128::from_le_bytes(random()?));
    let me = cluster::replica_id(node).context("the new node's id cannot be used; try again")?;
    let first = sources.first().context("name the data folder of at least one node")?.meta;
    let (router, hasher) = (Router::new(first.partitions, 1), KeyHasher::new(first.key_hash_seed));
    let target = Target {
        disk: Arc::new(FolderDisk::open(&unfinished)?),
        meta: open::mint(node, first.key_hash_seed, first.partitions)?,
    };
    let done = Attempt { order, rescue: Rescue::new(router, hasher, me), folders: Vec::new() }
        .run(&sources, &target, &unfinished)
        .and_then(|report| {
            fs::rename(&unfinished, &order.into).with_context(|| {
                format!(
                    "give {} its name; if {} is a mount point, name a folder in it",
                    unfinished.display(),
                    order.into.display()
                )
            })?;
            sync_parent(&order.into)?;
            Ok(report)
        });
    if done.is_err() {
        // It is ours: it was not there before. What is left of it, if that fails, starts nothing.
        let _ = fs::remove_dir_all(&unfinished);
    }
    done
}

/// They are of different nodes, and could be of one cluster.
fn check_sources(sources: &[Source]) -> anyhow::Result<()> {
    let mut nodes: BTreeMap<NodeId, &Source> = BTreeMap::new();
    for source in sources {
        let path = source.path.display();
        if let Some(other) = nodes.insert(source.meta.node_id, source) {
            bail!(
                "{} and {path} are of the same node; give the one that was written last",
                other.path.display()
            );
        }
        let facts = |source: &Source| (source.meta.partitions, source.meta.key_hash_seed);
        let first = &sources[0];
        ensure!(
            facts(source) == facts(first),
            "{path} is of another cluster than {}; rescue each cluster by itself",
            first.path.display()
        );
    }
    Ok(())
}

/// Where the new folder is written until it is whole. Both must not be there.
fn check_target(into: &Path, sources: &[Source]) -> anyhow::Result<PathBuf> {
    let is_free = match fs::read_dir(into) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(error).with_context(|| format!("look at {}", into.display())),
    };
    ensure!(is_free, "{} is not empty; name a folder that is not there yet", into.display());
    let mut name = into.file_name().context("--data names no folder")?.to_owned();
    name.push(".unfinished");
    let unfinished = into.with_file_name(name);
    ensure!(
        !unfinished.exists(),
        "{} is there: another rescue writes it, or was killed while it did; if none runs, delete it and try again",
        unfinished.display()
    );
    // Folders on the way to it are made if they are not there.
    let above = std::path::absolute(into).with_context(|| format!("look at {}", into.display()))?;
    let above = above.ancestors().skip(1).find_map(|folder| folder.canonicalize().ok()).unwrap_or_default();
    for source in sources {
        let inside = source.path.canonicalize().is_ok_and(|source| above.starts_with(source));
        ensure!(!inside, "{} is in {}, which must stay as it is", into.display(), source.path.display());
    }
    Ok(unfinished)
}

fn sync_parent(path: &Path) -> anyhow::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = fs::File::open(parent).and_then(|folder| folder.sync_all());
    synced.with_context(|| format!("sync {}", parent.display()))
}

impl Source {
    fn open(path: &Path) -> anyhow::Result<Source> {
        let disk: Arc<dyn Disk> = Arc::new(FolderDisk::open_to_read(path)?);
        open::check_level(&*disk, cluster::LEVELS).with_context(|| format!("read {}", path.display()))?;
        let meta = NodeMeta::load(&*disk).with_context(|| format!("read {}", path.display()))?;
        let meta = meta.with_context(|| format!("{} is not the data folder of a node", path.display()))?;
        let told = enter::load_admission(path)?;
        let is_in_fabric = told.is_some() || Trust::is_in(path);
        Ok(Source { path: path.to_owned(), disk, meta, told, is_in_fabric })
    }

    fn is_of_witness(&self) -> bool {
        let member = self.told.as_ref().and_then(|told| told.member(self.meta.node_id));
        member.is_some_and(|member| member.kind == MemberKind::Witness)
    }

    /// Reads all that it has, as the start of the node would, and changes nothing.
    fn read(&self, progress: bool) -> anyhow::Result<(Recovery, ReadLog)> {
        let (router, hasher) =
            (Router::new(self.meta.partitions, 1), KeyHasher::new(self.meta.key_hash_seed));
        let mut recovery = Recovery::new(router, hasher);
        let mut bar = Progress::new(progress);
        let needed_from = open::load_checkpoints(&*self.disk, &mut recovery, &mut bar)?;
        let options = open::log_options(&*self.disk, &self.meta, &needed_from, true)?;
        let mut visit = |_: Position, frame: &[u8]| recovery.replay(frame).map_err(Into::into);
        let read = Log::read(Arc::clone(&self.disk), options, &mut visit, &mut |done, total| {
            bar.show("log", done, total)
        })?;
        bar.finish();
        if !self.is_in_fabric && !recovery.knows_fabric() {
            bail!(
                "it is of a node on its own, which needs no others: start it with `narf serve --data {}`",
                self.path.display()
            );
        }
        Ok((recovery, read))
    }
}

/// The new folder while it is written.
struct Target {
    disk: Arc<dyn Disk>,
    meta: NodeMeta,
}

impl Target {
    /// Writes the checkpoint of a partition, in the place of one that was written before.
    fn write(&self, mut state: RescuedState) -> anyhow::Result<()> {
        let (term, index) = RescuedState::TERM_AND_INDEX;
        let header = CheckpointHeader {
            node: self.meta.node_id,
            partition: state.id(),
            index,
            term,
            position: Position(0),
            key_hash_seed: self.meta.key_hash_seed,
            wall_us: state.time().0.saturating_mul(1000),
        };
        let mut writer = CheckpointWriter::create(Arc::clone(&self.disk), &header)?;
        while let Some(chunk) = state.next_chunk() {
            writer.chunk(&chunk)?;
        }
        writer.finish()?;
        Ok(())
    }

    /// Writes the log's first frame, what makes the node trust others of its cluster, and last who it is.
    fn finish(&self, frame: &[u8], trust: &Trust, folder: &Path) -> anyhow::Result<()> {
        let options = LogOptions::new(self.meta.log_salt);
        let (mut log, _) = Log::open(Arc::clone(&self.disk), options, &mut |_, _| Ok(()), &mut |_, _| {})?;
        log.append(frame)?;
        let sync = log.sync_handle();
        sync.sync()?;
        sync.mark_certain()?;
        sync.mark_closed()?;
        trust.save(folder)?;
        self.meta.create(&*self.disk)?;
        Ok(())
    }
}

/// A rescue under way.
struct Attempt<'a> {
    order: &'a Order,
    rescue: Rescue,
    folders: Vec<FolderReport>,
}

impl Attempt<'_> {
    fn run(mut self, sources: &[Source], target: &Target, unfinished: &Path) -> anyhow::Result<Report> {
        for source in sources {
            self.read(source, target).with_context(|| {
                format!(
                    "{} cannot be used; give the folders of other nodes without it",
                    source.path.display()
                )
            })?;
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = Millis(now.as_millis() as u64);
        let Some(old) = self.rescue.fabric() else {
            match self.folders.iter().all(|folder| folder.is_witness) {
                true => bail!("a witness holds no data; give the folder of a node that does"),
                false => bail!("nothing of a cluster is in these folders"),
            }
        };
        let (old, old_name) = (old.cluster(), old.name().to_owned());
        let standings: BTreeMap<_, _> = self.rescue.standings().collect();
        let lacks = report::lacks(&self.rescue, &standings);
        let losses: Vec<&str> =
            lacks.iter().filter(|lack| lack.is_loss).map(|lack| lack.text.as_str()).collect();
        if !losses.is_empty() && !self.order.accept_loss {
            bail!(
                "more is missing, or may be, than what only the lost nodes knew:\n  {}\n\
                 give the folders of more nodes, or --accept-loss to go on without; nothing was written",
                losses.join("\n  ")
            );
        }
        for (id, _) in standings.iter().filter(|(_, standing)| **standing == Standing::Missing) {
            target.write(self.rescue.nothing_of(*id)?)?;
        }
        let node = target.meta.node_id;
        let trust = Trust::found(u128::from_le_bytes(random()?), node)?;
        let name = names::mint(node.0 as u64);
        let member = Newcomer {
            node,
            name: name.clone(),
            peer_address: NOWHERE.to_owned(),
            client_address: String::new(),
            tls_port: 0,
            kind: MemberKind::Data,
            weight: cluster::WEIGHT_DEFAULT,
            incarnation: 1,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            levels: cluster::LEVELS,
        };
        let read = self.folders.iter().filter(|folder| !folder.is_witness).count();
        let note = format!(
            "from cluster {old:032x} ({old_name}) at {}, out of {read} {}{}",
            report::utc(now),
            if read == 1 { "folder" } else { "folders" },
            if losses.is_empty() { "" } else { ", with loss accepted" }
        );
        let (state, frame) = self.rescue.found(trust.cluster(), member, now, &note)?;
        target.finish(&frame, &trust, unfinished)?;
        for folder in &mut self.folders {
            folder.chosen = self.rescue.chosen_of(folder.node);
        }
        Ok(Report {
            old_cluster: old,
            cluster_name: old_name,
            cluster: trust.cluster(),
            node: name,
            into: self.order.into.clone(),
            folders: self.folders,
            partitions: usize::from(target.meta.partitions),
            missing: standings.values().filter(|standing| **standing == Standing::Missing).count(),
            keys: self.rescue.keys(),
            users: state.users().iter().count(),
            lacks: lacks.into_iter().map(|lack| lack.text).collect(),
            now,
        })
    }

    /// Reads a folder, and writes what is better in it than in those before.
    fn read(&mut self, source: &Source, target: &Target) -> anyhow::Result<()> {
        let node = source.meta.node_id;
        let mut report = FolderReport::new(source.path.clone(), node);
        if source.is_of_witness() {
            report.is_witness = true;
            self.folders.push(report);
            return Ok(());
        }
        let (recovery, read) = source.read(self.order.progress)?;
        let remainder = self.rescue.take(node, recovery, source.told.clone(), read.is_in_doubt)?;
        (report.replicas, report.last) = (remainder.replicas, remainder.last);
        (report.is_in_doubt, report.is_closed) = (read.is_in_doubt, read.is_closed);
        let count = remainder.better.len() as u64;
        let mut bar = Progress::new(self.order.progress);
        for (number, state) in remainder.better.into_iter().enumerate() {
            bar.show("and writing partitions", number as u64, count);
            target.write(state)?;
        }
        bar.finish();
        self.folders.push(report);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use base::PartitionId;
    use log::{Checkpoints, Crash, Fault, MemoryDisk};

    use super::*;

    const PARTITIONS: u16 = 3;

    /// Writes a new folder as a rescue does.
    fn write(disk: &MemoryDisk, trust: &Trust, folder: &Path) -> anyhow::Result<NodeMeta> {
        let meta = open::mint(NodeId(7), 5, PARTITIONS)?;
        let target = Target { disk: Arc::new(disk.clone()), meta };
        let rescue = Rescue::new(Router::new(PARTITIONS, 1), KeyHasher::new(5), 7);
        for id in (0..PARTITIONS).map(PartitionId) {
            target.write(rescue.nothing_of(id)?)?;
        }
        target.finish(b"a frame", trust, folder)?;
        Ok(meta)
    }

    #[test]
    fn a_new_folder_has_an_identity_only_if_all_else_is_on_stable_storage() {
        let folder = tempfile::tempdir().unwrap();
        let trust = Trust::found(9, NodeId(7)).unwrap();
        let (mut cut_off, mut whole) = (0, 0);
        for call in 0..100 {
            let disk = MemoryDisk::new();
            disk.fail_after(call, None, Fault::Dead);
            let written = write(&disk, &trust, folder.path());
            disk.crash(Crash::Power { seed: call });
            let found = match NodeMeta::load(&disk) {
                Ok(found) => found,
                Err(error) => {
                    assert!(error.to_string().contains("node.meta"), "{error}");
                    cut_off += 1;
                    None
                }
            };
            if let Ok(meta) = &written {
                assert_eq!(found, Some(*meta));
            }
            let Some(meta) = found else { continue };
            whole += 1;
            assert_eq!(Checkpoints::find_whole(&disk).unwrap().newest.len(), usize::from(PARTITIONS));
            let mut frames = Vec::new();
            let mut visit = |_: Position, frame: &[u8]| {
                frames.push(frame.to_vec());
                Ok(())
            };
            let options = LogOptions::new(meta.log_salt);
            let read = Log::read(Arc::new(disk), options, &mut visit, &mut |_, _| {}).unwrap();
            assert_eq!((frames, read.is_in_doubt), (vec![b"a frame".to_vec()], false));
        }
        assert!(cut_off > 10 && whole > 10, "{cut_off} {whole}");
    }
}
