//! Who this node is: minted once with the data folder, never changed, never guessed.
//!
//! Does not know: what a node is. Where the folder holds data but no identity, it refuses rather than mint
//! another: an empty node under a new name would wipe what the folder holds.

use std::io::{self, IoSlice};

use base::NodeId;

use crate::LogError;
use crate::disk::{self, Disk};
use crate::error::WAY_OUT_META;
use crate::frame::{read_u16, read_u32, read_u64};

/// The file's name.
pub(crate) const NAME: &str = "node.meta";
const NAME_TEMPORARY: &str = "node.meta.tmp";
const MAGIC: [u8; 8] = *b"NARFNOD\0";
const VERSION: u32 = 1;
const LEN: usize = 128;

/// The identity of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeMeta {
    /// The node's id, random.
    pub node_id: NodeId,
    /// The secret that keys are hashed with, random, equal on all replicas.
    pub key_hash_seed: u64,
    /// The log's secret, random; see [`crate::LogOptions::salt`].
    pub log_salt: u64,
    /// How many partitions the slots are cut into.
    pub partitions: u16,
    /// When this was made, in microseconds since the Unix epoch.
    pub created_us: u64,
}

impl NodeMeta {
    /// The name of the file that makes a folder a node's.
    pub const FILE: &str = NAME;

    /// Reads the identity; `None` if the folder is new.
    pub fn load(disk: &dyn Disk) -> Result<Option<NodeMeta>, LogError> {
        let file = match disk.open(NAME) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return not_there(disk),
            Err(error) => return Err(LogError::io("open", NAME)(error)),
        };
        let mut bytes = [0; LEN];
        let whole = disk::read_exact_at(&*file, 0, &mut bytes).map_err(LogError::io("read", NAME))?;
        if !whole || bytes[..8] != MAGIC || read_u32(&bytes, LEN - 4) != base::checksum(&bytes[..LEN - 4]) {
            return Err(damaged("it is not an identity or its checksum is wrong"));
        }
        let (version, features) = (read_u32(&bytes, 8), read_u32(&bytes, 12));
        if version > VERSION || features != 0 {
            let found = version.max(features);
            return Err(LogError::Newer { file: NAME.to_owned(), found, known: VERSION });
        }
        Ok(Some(NodeMeta {
            node_id: NodeId(u128::from(read_u64(&bytes, 24)) << 64 | u128::from(read_u64(&bytes, 16))),
            key_hash_seed: read_u64(&bytes, 32),
            log_salt: read_u64(&bytes, 40),
            partitions: read_u16(&bytes, 48),
            created_us: read_u64(&bytes, 56),
        }))
    }

    /// Writes the identity of a new folder: whole or not at all.
    pub fn create(&self, disk: &dyn Disk) -> Result<(), LogError> {
        let file = disk::create_or_open(disk, NAME_TEMPORARY).map_err(LogError::io("create", NAME))?;
        file.write_at(0, &[IoSlice::new(&self.encode())]).map_err(LogError::io("write", NAME))?;
        file.sync_data().map_err(LogError::io("sync", NAME))?;
        disk.rename(NAME_TEMPORARY, NAME).map_err(LogError::io("rename", NAME))?;
        disk.sync_dir().map_err(LogError::io("sync the folder of", NAME))
    }

    fn encode(&self) -> [u8; LEN] {
        let mut out = [0; LEN];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[16..32].copy_from_slice(&self.node_id.0.to_le_bytes());
        out[32..40].copy_from_slice(&self.key_hash_seed.to_le_bytes());
        out[40..48].copy_from_slice(&self.log_salt.to_le_bytes());
        out[48..50].copy_from_slice(&self.partitions.to_le_bytes());
        out[56..64].copy_from_slice(&self.created_us.to_le_bytes());
        let crc = base::checksum(&out[..LEN - 4]);
        out[LEN - 4..].copy_from_slice(&crc.to_le_bytes());
        out
    }
}

fn not_there(disk: &dyn Disk) -> Result<Option<NodeMeta>, LogError> {
    let names = disk.list().map_err(LogError::io("list", "the data folder"))?;
    let has_data = names.iter().any(|name| name.starts_with("log-") || name.starts_with("checkpoint-"));
    if has_data { Err(damaged("it is gone, though the folder holds a log or checkpoints")) } else { Ok(None) }
}

fn damaged(what: &'static str) -> LogError {
    LogError::Damaged { file: NAME.to_owned(), offset: 0, what, way_out: WAY_OUT_META }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Crash, Fault, MemoryDisk};

    const META: NodeMeta = NodeMeta {
        node_id: NodeId(0x0123_4567_89AB_CDEF_0011_2233_4455_6677),
        key_hash_seed: 5,
        log_salt: 6,
        partitions: 16,
        created_us: 7,
    };

    #[test]
    fn an_identity_reads_back_and_any_flipped_bit_is_seen() {
        let disk = MemoryDisk::new();
        assert_eq!(NodeMeta::load(&disk).unwrap(), None);
        META.create(&disk).unwrap();
        assert_eq!(NodeMeta::load(&disk).unwrap(), Some(META));
        let bytes = disk.content(NAME).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            disk.put(NAME, damaged);
            assert!(matches!(NodeMeta::load(&disk), Err(LogError::Damaged { .. })), "bit {bit}");
        }
    }

    #[test]
    fn a_crash_while_it_is_made_leaves_all_of_it_or_nothing() {
        for call in 0..8 {
            for seed in 0..50 {
                let disk = MemoryDisk::new();
                disk.fail_after(call, None, Fault::Dead);
                let made = META.create(&disk).is_ok();
                disk.crash(Crash::Power { seed });
                let found = NodeMeta::load(&disk).unwrap();
                assert!(found == Some(META) || !made && found.is_none());
                if found.is_none() {
                    META.create(&disk).unwrap();
                }
            }
        }
    }

    #[test]
    fn a_folder_with_data_and_no_identity_is_refused() {
        let disk = MemoryDisk::new();
        disk.put("log-000000000001.seg", Vec::new());
        assert!(matches!(NodeMeta::load(&disk), Err(LogError::Damaged { .. })));
    }
}
