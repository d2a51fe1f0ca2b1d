//! Start-up: checkpoints and log frames in, partitions out.
//!
//! The shell reads files and hands over their bytes; what they say is decided here, once for all shells.

use base::{DbIndex, KeyHasher, Millis, PartitionId};
use raft::RecoverError;

use crate::checkpoint::{LEDGER_CHUNK, MEMBERS_CHUNK};
use crate::entry::{EntryError, META_GROUP, Record, records};
use crate::partition::{Partition, ReplayError};
use crate::recovering::RecoveringPartition;
use crate::recovering_meta::{RecoveredMeta, RecoveringMeta};
use crate::router::Router;
use crate::witness::{KEPT_CHUNK, read_kept};

/// Why what is on disk cannot be this node's state.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// An entry cannot be applied.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A record of a checkpoint is not one.
    #[error(
        "checkpoint of partition {partition}: {source}; remove the file to start from the log and the older checkpoint"
    )]
    Record {
        /// The partition.
        partition: u16,
        /// What is wrong.
        source: engine::RecordError,
    },
    /// A checkpoint's chunk names a database that does not exist.
    #[error("checkpoint of partition {partition} names database {db}; it was not written by this version")]
    Database {
        /// The partition.
        partition: u16,
        /// The number found.
        db: u8,
    },
    /// The log or a checkpoint names a partition that does not exist.
    #[error(
        "partition {found} is on disk but this node has {count}; start it with the number of partitions it was made with"
    )]
    Partition {
        /// The number found.
        found: u16,
        /// How many there are.
        count: u16,
    },
    /// What says who is in a group cannot be read.
    #[error("a record of a group's members is damaged; was it written by a newer version?")]
    Members,
    /// A checkpoint has entries instead of data.
    #[error(
        "checkpoint of partition {partition} has the entries of a witness and no data, or they are damaged; this folder \
         can be used by the witness only that made it"
    )]
    Kept {
        /// The partition.
        partition: u16,
    },
    /// The state of the fabric cannot be read.
    #[error("the fabric's state cannot be read: {0}")]
    Meta(#[from] cluster::DecodeError),
    /// A group cannot start from what was found.
    #[error(transparent)]
    Group(#[from] RecoverError),
}

impl From<EntryError> for RecoveryError {
    fn from(error: EntryError) -> RecoveryError {
        RecoveryError::Replay(ReplayError::Entry(error))
    }
}

/// The partitions of a node at start-up, and its replica of the meta group.
pub struct Recovery {
    partitions: Vec<RecoveringPartition>,
    meta: RecoveringMeta,
    users: cluster::Users,
}

impl Recovery {
    /// Nothing is known yet.
    pub fn new(router: Router, hasher: KeyHasher) -> Recovery {
        let partitions = router.all().map(|id| RecoveringPartition::new(id, hasher)).collect();
        Recovery { partitions, meta: RecoveringMeta::default(), users: cluster::Users::default() }
    }

    /// The same for a witness, which has entries and no data.
    pub fn of_witness(router: Router, hasher: KeyHasher) -> Recovery {
        let partitions = router.all().map(|id| RecoveringPartition::of_witness(id, hasher)).collect();
        Recovery { partitions, ..Recovery::new(router, hasher) }
    }

    /// Whether what was read is of a node that was part of a fabric.
    pub fn knows_fabric(&self) -> bool {
        self.meta.is_known()
    }

    /// The fabric's state as far as it was read.
    pub fn fabric_state(&self) -> &cluster::Meta {
        self.meta.current()
    }

    /// The users of a node that is on its own for good, as far as they were read.
    pub fn own_users(&self) -> &cluster::Users {
        &self.users
    }

    /// What was read, to be looked at by itself.
    pub(crate) fn into_parts(self) -> (Vec<RecoveringPartition>, RecoveringMeta) {
        (self.partitions, self.meta)
    }

    fn partition(&mut self, id: PartitionId) -> Result<&mut RecoveringPartition, RecoveryError> {
        let count = self.partitions.len() as u16;
        self.partitions.get_mut(usize::from(id.0)).ok_or(RecoveryError::Partition { found: id.0, count })
    }

    /// A partition starts from the checkpoint whose last entry is this one, and whose time was this.
    pub fn restore(
        &mut self,
        id: PartitionId,
        term: u64,
        index: u64,
        time: Millis,
    ) -> Result<(), RecoveryError> {
        self.partition(id)?.restore(term, index, time);
        Ok(())
    }

    /// Loads a chunk of a checkpoint: a database number, then records.
    pub fn load(&mut self, id: PartitionId, chunk: &[u8]) -> Result<(), RecoveryError> {
        let Some((&db, records)) = chunk.split_first() else { return Ok(()) };
        if db == MEMBERS_CHUNK {
            let (is_received, members) = records.split_first().ok_or(RecoveryError::Members)?;
            let members = raft::Members::decode(members).map_err(|_| RecoveryError::Members)?;
            self.partition(id)?.load_members(members, *is_received != 0);
            return Ok(());
        }
        if db == KEPT_CHUNK {
            let (base, entries) = read_kept(records).ok_or(RecoveryError::Kept { partition: id.0 })?;
            let fits = self.partition(id)?.load_kept(base, entries);
            return fits.then_some(()).ok_or(RecoveryError::Kept { partition: id.0 });
        }
        let loaded = match db {
            LEDGER_CHUNK => self.partition(id)?.load_ledger(records),
            _ => {
                let db = DbIndex::new(db).ok_or(RecoveryError::Database { partition: id.0, db })?;
                self.partition(id)?.load(db, records)
            }
        };
        loaded.map_err(|source| RecoveryError::Record { partition: id.0, source })
    }

    /// Applies a frame of the log.
    pub fn replay(&mut self, frame: &[u8]) -> Result<(), RecoveryError> {
        for record in records(frame) {
            self.replay_record(record?)?;
        }
        Ok(())
    }

    fn replay_record(&mut self, record: Record<'_>) -> Result<(), RecoveryError> {
        match record {
            Record::Entry(header, body) if header.partition == META_GROUP => {
                self.meta.entry(&header, body)?
            }
            Record::Change(META_GROUP, entry) => self.meta.change(change_of(entry)?)?,
            Record::State { partition: META_GROUP, term, vote, commit } => {
                self.meta.state(raft::HardState { term, vote, commit })?;
            }
            Record::Members { partition: META_GROUP, index, members } => {
                self.meta.members(index, members_of(members)?)?;
            }
            Record::Meta { term, index, members, state } => {
                let id = raft::EntryId { term, index };
                self.meta.restore(id, members_of(members)?, cluster::Meta::decode(state)?);
            }
            Record::Users(users) => self.users = cluster::Users::decode(users)?,
            Record::Entry(header, body) => self.partition(header.partition)?.replay(&header, body)?,
            Record::Term { partition, term } => self.partition(partition)?.replay_term(term)?,
            Record::State { partition, term, vote, commit } => {
                self.partition(partition)?.replay_state(raft::HardState { term, vote, commit })?;
            }
            Record::Change(partition, entry) => {
                self.partition(partition)?.replay_change(change_of(entry)?)?
            }
            Record::Members { partition, index, members } => {
                self.partition(partition)?.replay_members(index, members_of(members)?)?;
            }
            Record::Restored { partition, term, index } => {
                self.partition(partition)?.replay_restored(raft::EntryId { term, index })?;
            }
            Record::Gone { partition, index } => self.partition(partition)?.replay_gone(index),
        }
        Ok(())
    }

    /// The partitions and the replica of the meta group, ready to take part. What leads alone does so in a new term.
    /// Records that must be on stable storage before anything else happens go to `frame`.
    pub fn start(
        self,
        node: u64,
        seed: u64,
        holds_all: bool,
        frame: &mut Vec<u8>,
    ) -> Result<(Vec<Box<Partition>>, Option<RecoveredMeta>), RecoveryError> {
        let mut partitions = Vec::new();
        for partition in self.partitions {
            partition.check()?;
            if holds_all || partition.is_known() {
                partitions.push(Box::new(partition.start(node, seed, frame)?));
            }
        }
        let mut known = self.meta;
        known.check()?;
        known.commit_alone(node)?;
        let meta = known.is_known().then(|| known.start(node, seed)).transpose()?;
        Ok((partitions, meta))
    }

    /// The partitions of a node that is on its own, each led by it in a new term. The terms' records go to `frame`,
    /// which must be on stable storage before anything else happens.
    pub fn lead_alone(self, seed: u64, frame: &mut Vec<u8>) -> Result<Vec<Box<Partition>>, RecoveryError> {
        let start = |partition: RecoveringPartition| {
            partition.check()?;
            Ok(Box::new(partition.start(LONE_VOTER, seed, frame)?))
        };
        self.partitions.into_iter().map(start).collect()
    }
}

fn change_of(bytes: &[u8]) -> Result<raft::Entry, RecoveryError> {
    raft::Entry::decode(bytes).map_err(|_| RecoveryError::Members)
}

fn members_of(bytes: &[u8]) -> Result<raft::Members, RecoveryError> {
    raft::Members::decode(bytes).map_err(|_| RecoveryError::Members)
}

/// A lone node's number within its groups.
const LONE_VOTER: u64 = 1;
