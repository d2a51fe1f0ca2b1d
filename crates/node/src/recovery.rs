//! Start-up: checkpoints and log frames in, partitions out.
//!
//! The shell reads files and hands over their bytes; what they say is decided here, once for all shells.

use base::{DbIndex, KeyHasher, Millis, PartitionId};
use raft::RecoverError;

use crate::entry::{EntryError, Record, records};
use crate::partition::{Partition, RecoveringPartition, ReplayError};
use crate::router::Router;

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
    /// A group cannot start from what was found.
    #[error(transparent)]
    Group(#[from] RecoverError),
}

impl From<EntryError> for RecoveryError {
    fn from(error: EntryError) -> RecoveryError {
        RecoveryError::Replay(ReplayError::Entry(error))
    }
}

/// The partitions of a node at start-up.
pub struct Recovery {
    partitions: Vec<RecoveringPartition>,
}

impl Recovery {
    /// Nothing is known yet.
    pub fn new(router: Router, hasher: KeyHasher) -> Recovery {
        Recovery { partitions: router.all().map(|id| RecoveringPartition::new(id, hasher)).collect() }
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
        let db = DbIndex::new(db).ok_or(RecoveryError::Database { partition: id.0, db })?;
        let loaded = self.partition(id)?.load(db, records);
        loaded.map_err(|source| RecoveryError::Record { partition: id.0, source })
    }

    /// Applies a frame of the log.
    pub fn replay(&mut self, frame: &[u8]) -> Result<(), RecoveryError> {
        for record in records(frame) {
            match record? {
                Record::Entry(header, body) => self.partition(header.partition)?.replay(&header, body)?,
                Record::Term { partition, term } => self.partition(partition)?.replay_term(term),
            }
        }
        Ok(())
    }

    /// The partitions, each led by this node alone in a new term. The terms' records go to `frame`, which must
    /// be on stable storage before anything else happens.
    pub fn lead_alone(self, seed: u64, frame: &mut Vec<u8>) -> Result<Vec<Box<Partition>>, RecoveryError> {
        let lead =
            |partition: RecoveringPartition| Ok(Box::new(partition.lead_alone(LONE_VOTER, seed, frame)?));
        self.partitions.into_iter().map(lead).collect()
    }
}

/// A lone node's number within its groups.
const LONE_VOTER: u64 = 1;
