//! Checkpoint files: the state of one partition at one index, written in chunks and read back in chunks.
//!
//! Invariants: a file under its final name was whole and on stable storage when it got that name; a reader
//! hands out only chunks whose checksum is right and whose turn it is, and says that all is read only after
//! the footer agrees. The checksums of a file start from its header's, so blocks of another checkpoint do
//! not fit in.
//! Does not know: what is in a chunk.

mod list;
mod reader;
mod writer;

use base::{NodeId, PartitionId};

use crate::error::WAY_OUT_CHECKPOINT;
use crate::frame::{read_u16, read_u32, read_u64};
use crate::{LogError, Position};

pub use list::{CheckpointInfo, Checkpoints};
pub use reader::CheckpointReader;
pub use writer::CheckpointWriter;

const MAGIC: [u8; 8] = *b"NARFCKP\0";
const VERSION: u32 = 1;
const HEADER_LEN: usize = 128;
const CHUNK_HEADER_LEN: usize = 16;
const FOOTER_LEN: usize = 32;
const CHUNK_MAGIC: [u8; 4] = *b"CHNK";
const FOOTER_MAGIC: [u8; 4] = *b"DONE";
/// The most that a chunk may hold; a reader reserves no more than this for one.
const CHUNK_MAX: usize = 1 << 30;

/// What a checkpoint is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointHeader {
    /// The node that wrote it.
    pub node: NodeId,
    /// The partition.
    pub partition: PartitionId,
    /// The index of the last entry that is in it.
    pub index: u64,
    /// The term of that entry.
    pub term: u64,
    /// The log holds everything after the checkpoint from this position on.
    pub position: Position,
    /// The seed that the keys were hashed with.
    pub key_hash_seed: u64,
    /// The time of the partition when it was begun, in microseconds since the Unix epoch.
    pub wall_us: u64,
}

impl CheckpointHeader {
    fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        // Bytes 12..16 are feature bits; none are defined yet.
        out[16..32].copy_from_slice(&self.node.0.to_le_bytes());
        out[32..34].copy_from_slice(&self.partition.0.to_le_bytes());
        out[40..48].copy_from_slice(&self.index.to_le_bytes());
        out[48..56].copy_from_slice(&self.term.to_le_bytes());
        out[56..64].copy_from_slice(&self.position.0.to_le_bytes());
        out[64..72].copy_from_slice(&self.key_hash_seed.to_le_bytes());
        out[72..80].copy_from_slice(&self.wall_us.to_le_bytes());
        let crc = base::checksum(&out[..HEADER_LEN - 4]);
        out[HEADER_LEN - 4..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8; HEADER_LEN], name: &str) -> Result<CheckpointHeader, LogError> {
        if bytes[..8] != MAGIC {
            return Err(damaged(name, 0, "it does not begin as a checkpoint does"));
        }
        if crc_of(bytes) != base::checksum(&bytes[..HEADER_LEN - 4]) {
            return Err(damaged(name, 0, "the checksum of its header is wrong"));
        }
        let (version, features) = (read_u32(bytes, 8), read_u32(bytes, 12));
        if version > VERSION || features != 0 {
            let found = version.max(features);
            return Err(LogError::Newer { file: name.to_owned(), found, known: VERSION });
        }
        Ok(CheckpointHeader {
            node: NodeId(u128::from(read_u64(bytes, 24)) << 64 | u128::from(read_u64(bytes, 16))),
            partition: PartitionId(read_u16(bytes, 32)),
            index: read_u64(bytes, 40),
            term: read_u64(bytes, 48),
            position: Position(read_u64(bytes, 56)),
            key_hash_seed: read_u64(bytes, 64),
            wall_us: read_u64(bytes, 72),
        })
    }
}

/// The header's checksum, from which those of the chunks and the footer start.
fn crc_of(header: &[u8; HEADER_LEN]) -> u32 {
    read_u32(header, HEADER_LEN - 4)
}

fn damaged(name: &str, offset: u64, what: &'static str) -> LogError {
    LogError::Damaged { file: name.to_owned(), offset, what, way_out: WAY_OUT_CHECKPOINT }
}
