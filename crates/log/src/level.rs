//! At which level the folder is: what a program has to know to read it, and a version that does.
//!
//! Read before anything else is, so that an older program says what it lacks instead of calling damage what it does not
//! know. Written before anything that needs the level is. Two slots in a file of fixed size, as in the watermark: a raise
//! needs no room on the disk, and a torn write leaves the slot of before.
//!
//! Does not know: what a level is.

use std::io::{self, IoSlice};
use std::sync::Arc;

use crate::LogError;
use crate::disk::{self, Disk, DiskFile};
use crate::frame::read_u32;

const NAME: &str = "level";
const MAGIC: [u8; 8] = *b"NARFLVL\0";
const VERSION: u32 = 1;
const SLOT_BYTES: usize = 128;
/// Slots stand in different blocks, so that a torn write of one cannot touch the other.
const SLOT_STRIDE: u64 = 4096;
const PROGRAM_AT: usize = 16;
/// Most bytes of a version that are kept.
const PROGRAM_BYTES_MAX: usize = 64;

/// The level of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderLevel {
    /// The level.
    pub level: u8,
    /// The version of the program that wrote this. Kept up to 64 bytes.
    pub program: String,
}

impl FolderLevel {
    /// Reads it; `None` if the folder does not say, or was being told for the first time when the power went.
    pub fn load(disk: &dyn Disk) -> Result<Option<FolderLevel>, LogError> {
        match open(disk)? {
            Some(file) => Ok(newest(&*file)?.map(|(_, found)| found)),
            None => Ok(None),
        }
    }

    /// Puts it on stable storage, unless the folder is at that level already.
    pub(crate) fn save(&self, disk: &dyn Disk) -> Result<(), LogError> {
        let (file, found) = match open(disk)? {
            Some(file) => {
                let found = newest(&*file)?;
                (file, found)
            }
            None => (disk.create(NAME).map_err(LogError::io("create", NAME))?, None),
        };
        if found.as_ref().is_some_and(|(_, found)| found.level == self.level) {
            return Ok(());
        }
        let slot = found.map_or(0, |(slot, _)| 1 - slot);
        file.allocate(2 * SLOT_STRIDE).map_err(LogError::io("allocate", NAME))?;
        let bytes = self.encode();
        file.write_at(slot * SLOT_STRIDE, &[IoSlice::new(&bytes)]).map_err(LogError::io("write", NAME))?;
        file.sync_data().map_err(LogError::io("sync", NAME))?;
        disk.sync_dir().map_err(LogError::io("sync the folder of", NAME))
    }

    fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut out = [0; SLOT_BYTES];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12] = self.level;
        let kept = self.program.floor_char_boundary(PROGRAM_BYTES_MAX);
        out[13] = kept as u8;
        out[PROGRAM_AT..PROGRAM_AT + kept].copy_from_slice(&self.program.as_bytes()[..kept]);
        let crc = base::checksum(&out[..SLOT_BYTES - 4]);
        out[SLOT_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
        out
    }
}

fn open(disk: &dyn Disk) -> Result<Option<Arc<dyn DiskFile>>, LogError> {
    match disk.open(NAME) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LogError::io("open", NAME)(error)),
    }
}

/// The whole slot of the highest level, for a level is never lowered, and which of them it is.
fn newest(file: &dyn DiskFile) -> Result<Option<(u64, FolderLevel)>, LogError> {
    let mut newest: Option<(u64, FolderLevel)> = None;
    for slot in 0..2 {
        let mut bytes = [0; SLOT_BYTES];
        let read = disk::read_exact_at(file, slot * SLOT_STRIDE, &mut bytes);
        if !read.map_err(LogError::io("read", NAME))? {
            continue;
        }
        let Some(found) = decode(&bytes)? else { continue };
        if newest.as_ref().is_none_or(|(_, other)| found.level > other.level) {
            newest = Some((slot, found));
        }
    }
    Ok(newest)
}

fn decode(bytes: &[u8; SLOT_BYTES]) -> Result<Option<FolderLevel>, LogError> {
    if bytes[..8] != MAGIC || read_u32(bytes, SLOT_BYTES - 4) != base::checksum(&bytes[..SLOT_BYTES - 4]) {
        return Ok(None);
    }
    let version = read_u32(bytes, 8);
    if version != VERSION {
        return Err(LogError::Newer { file: NAME.to_owned(), found: version, known: VERSION });
    }
    let program = bytes.get(PROGRAM_AT..PROGRAM_AT + usize::from(bytes[13])).unwrap_or_default();
    Ok(Some(FolderLevel { level: bytes[12], program: String::from_utf8_lossy(program).into_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Crash, Fault, MemoryDisk};

    fn at(level: u8) -> FolderLevel {
        FolderLevel { level, program: format!("0.{level}.0") }
    }

    #[test]
    fn a_level_reads_back_and_the_highest_counts() {
        let disk = MemoryDisk::new();
        assert_eq!(FolderLevel::load(&disk).unwrap(), None);
        for level in [1, 2, 4, 5] {
            at(level).save(&disk).unwrap();
            assert_eq!(FolderLevel::load(&disk).unwrap(), Some(at(level)));
        }
        let calls = disk.calls();
        FolderLevel { program: "another".to_owned(), ..at(5) }.save(&disk).unwrap();
        assert_eq!(disk.calls(), calls, "it says so already");
    }

    #[test]
    fn a_long_version_is_cut_between_two_letters() {
        let disk = MemoryDisk::new();
        FolderLevel { level: 1, program: "ä".repeat(40) + "x" }.save(&disk).unwrap();
        assert_eq!(FolderLevel::load(&disk).unwrap().unwrap().program, "ä".repeat(32));
    }

    #[test]
    fn a_power_loss_while_it_is_raised_leaves_one_level_or_the_other() {
        for first in [None, Some(1), Some(3)] {
            for call in 0..8 {
                for seed in 0..30 {
                    let disk = MemoryDisk::new();
                    first.iter().for_each(|level| at(*level).save(&disk).unwrap());
                    disk.fail_after(call, None, Fault::Dead);
                    let saved = at(5).save(&disk).is_ok();
                    disk.crash(Crash::Power { seed });
                    let found = FolderLevel::load(&disk).unwrap().map(|found| found.level);
                    assert!(found == Some(5) || !saved && found == first, "{found:?} after {first:?}");
                    at(5).save(&disk).unwrap();
                    assert_eq!(FolderLevel::load(&disk).unwrap(), Some(at(5)));
                }
            }
        }
    }

    #[test]
    fn another_form_is_told_from_a_torn_one() {
        let disk = MemoryDisk::new();
        at(1).save(&disk).unwrap();
        let mut bytes = disk.content(NAME).unwrap();
        bytes[8] = 2;
        let crc = base::checksum(&bytes[..SLOT_BYTES - 4]);
        bytes[SLOT_BYTES - 4..SLOT_BYTES].copy_from_slice(&crc.to_le_bytes());
        disk.put(NAME, bytes.clone());
        assert!(matches!(FolderLevel::load(&disk), Err(LogError::Newer { found: 2, .. })));
        bytes[9] ^= 1;
        disk.put(NAME, bytes);
        assert_eq!(FolderLevel::load(&disk).unwrap(), None);
    }
}
