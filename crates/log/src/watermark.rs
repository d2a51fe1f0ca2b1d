//! The watermark: up to where the log is known to be on stable storage, in which boot of the machine, and before
//! which position retention may have removed it.
//!
//! Two slots, written in turn and synced, each with a checksum: a torn write leaves the other one. The mark
//! may lag behind what is synced (it is written about once a second), never run ahead of it.

use std::io::{self, IoSlice};
use std::sync::Arc;

use crate::disk::{self, Disk, DiskFile};
use crate::frame::{read_u32, read_u64};
use crate::{LogError, Position};

/// The file's name.
pub(crate) const NAME: &str = "log-watermark";

const MAGIC: [u8; 8] = *b"NARFWMK\0";
const VERSION: u32 = 1;
const SLOT_BYTES: usize = 64;
/// Slots stand in different blocks, so that a torn write of one cannot touch the other.
const SLOT_STRIDE: u64 = 4096;
const FILE_BYTES: u64 = 2 * SLOT_STRIDE;

/// Stands for the boot id where the log was closed in order: all of it is on stable storage, in whatever boot it is read.
pub(crate) const CLOSED: [u8; 16] = [0xFF; 16];

/// What a slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) position: Position,
    /// Nothing before it is needed any more.
    pub(crate) start: Position,
    /// The kernel's boot id while this was written; zeros if unknown.
    pub(crate) boot_id: [u8; 16],
}

/// Before which position retention may have removed the log: what a node needs that cannot tell it from its
/// checkpoints, because it does not hold every partition.
pub fn retained_from(disk: &dyn Disk) -> Result<Position, LogError> {
    let mark = WatermarkFile::open(disk)?.and_then(|file| file.last());
    Ok(mark.map_or(Position(0), |mark| mark.start))
}

/// The open file.
pub(crate) struct WatermarkFile {
    file: Arc<dyn DiskFile>,
    generation: u64,
    last: Option<Mark>,
    allocated: bool,
    /// Whether `last` is on stable storage, not only in a page cache that outlived a process.
    stable: bool,
}

impl WatermarkFile {
    /// Opens the file and reads the newer of its whole slots. `None` if there is no such file.
    pub(crate) fn open(disk: &dyn Disk) -> Result<Option<WatermarkFile>, LogError> {
        let file = match disk.open(NAME) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LogError::io("open", NAME)(error)),
        };
        let mut newest: Option<(u64, Mark)> = None;
        for slot in 0..2 {
            let mut bytes = [0; SLOT_BYTES];
            let whole = disk::read_exact_at(&*file, slot * SLOT_STRIDE, &mut bytes)
                .map_err(LogError::io("read", NAME))?;
            let Some((generation, mark)) = whole.then(|| decode(&bytes)).transpose()?.flatten() else {
                continue;
            };
            // Where the disk misplaced it, the next mark would be written over it.
            if generation % 2 != slot {
                continue;
            }
            if newest.is_none_or(|(other, _)| generation > other) {
                newest = Some((generation, mark));
            }
        }
        let generation = newest.map_or(0, |(generation, _)| generation);
        let last = newest.map(|(_, mark)| mark);
        Ok(Some(WatermarkFile { file, generation, last, allocated: false, stable: false }))
    }

    /// Makes the file, saying that nothing is synced yet.
    pub(crate) fn create(disk: &dyn Disk, boot_id: [u8; 16]) -> Result<WatermarkFile, LogError> {
        let file = disk::create_or_open(disk, NAME).map_err(LogError::io("create", NAME))?;
        let mut created = WatermarkFile { file, generation: 0, last: None, allocated: false, stable: true };
        created.save(Mark { position: Position(0), start: Position(0), boot_id })?;
        disk.sync_dir().map_err(LogError::io("sync the folder of", NAME))?;
        Ok(created)
    }

    /// What the file said last; `None` if both slots are damaged.
    pub(crate) fn last(&self) -> Option<Mark> {
        self.last
    }

    /// Writes and syncs `mark` over the older slot, unless it says nothing new.
    pub(crate) fn save(&mut self, mark: Mark) -> Result<(), LogError> {
        if !self.allocated {
            // Or the first mark on a full disk would find no room for the slot that was never written.
            self.file.allocate(FILE_BYTES).map_err(LogError::io("allocate", NAME))?;
            self.allocated = true;
        }
        // The last run may have died before its sync: then the older slot is the only one on the disk, and
        // must not be written to before the newer one is there.
        if let Some(last) = self.last.filter(|_| !self.stable) {
            self.write(self.generation, last)?;
        }
        self.stable = true;
        if self.last != Some(mark) {
            self.write(self.generation + 1, mark)?;
        }
        Ok(())
    }

    fn write(&mut self, generation: u64, mark: Mark) -> Result<(), LogError> {
        let offset = (generation % 2) * SLOT_STRIDE;
        let bytes = encode(generation, mark);
        self.file.write_at(offset, &[IoSlice::new(&bytes)]).map_err(|source| LogError::WriteFailed {
            file: NAME.to_owned(),
            offset,
            source,
        })?;
        self.file.sync_data().map_err(|source| LogError::SyncFailed { file: NAME.to_owned(), source })?;
        self.generation = generation;
        self.last = Some(mark);
        Ok(())
    }
}

fn encode(generation: u64, mark: Mark) -> [u8; SLOT_BYTES] {
    let mut out = [0; SLOT_BYTES];
    out[..8].copy_from_slice(&MAGIC);
    out[8..12].copy_from_slice(&VERSION.to_le_bytes());
    out[16..24].copy_from_slice(&generation.to_le_bytes());
    out[24..32].copy_from_slice(&mark.position.0.to_le_bytes());
    out[32..48].copy_from_slice(&mark.boot_id);
    out[48..56].copy_from_slice(&mark.start.0.to_le_bytes());
    let crc = base::checksum(&out[..60]);
    out[60..].copy_from_slice(&crc.to_le_bytes());
    out
}

fn decode(bytes: &[u8; SLOT_BYTES]) -> Result<Option<(u64, Mark)>, LogError> {
    if bytes[..8] != MAGIC || read_u32(bytes, 60) != base::checksum(&bytes[..60]) {
        return Ok(None);
    }
    let (version, features) = (read_u32(bytes, 8), read_u32(bytes, 12));
    if version > VERSION || features != 0 {
        return Err(LogError::Newer { file: NAME.to_owned(), found: version.max(features), known: VERSION });
    }
    let boot_id = *bytes[32..].first_chunk().expect("sixteen bytes follow offset 32 of 64");
    let (position, start) = (Position(read_u64(bytes, 24)), Position(read_u64(bytes, 48)));
    Ok(Some((read_u64(bytes, 16), Mark { position, start, boot_id })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Crash, Fault, MemoryDisk, Operation};

    fn mark(position: u64) -> Mark {
        Mark { position: Position(position), start: Position(0), boot_id: [1; 16] }
    }

    fn open(disk: &MemoryDisk) -> WatermarkFile {
        WatermarkFile::open(disk).unwrap().unwrap()
    }

    /// A watermark at 0 on the disk and at 8 in the page cache, for its process died before the sync.
    fn unsynced() -> MemoryDisk {
        let disk = MemoryDisk::new();
        let mut file = WatermarkFile::create(&disk, [1; 16]).unwrap();
        disk.fail_after(0, Some(Operation::SyncData), Fault::Dead);
        assert!(file.save(mark(8)).is_err());
        disk.crash(Crash::Process);
        assert_eq!(open(&disk).last(), Some(mark(8)));
        disk
    }

    #[test]
    fn a_mark_found_in_the_page_cache_is_synced_even_if_nothing_is_new() {
        for seed in 0..20 {
            let disk = unsynced();
            open(&disk).save(mark(8)).unwrap();
            disk.crash(Crash::Power { seed });
            assert_eq!(open(&disk).last(), Some(mark(8)));
        }
    }

    #[test]
    fn the_machine_dying_after_the_process_never_takes_both_slots() {
        for seed in 0..400 {
            let disk = unsynced();
            let synced = seed % 2;
            disk.fail_after(synced, Some(Operation::SyncData), Fault::Dead);
            assert!(open(&disk).save(mark(16)).is_err());
            disk.crash(Crash::Power { seed });
            let last = open(&disk).last();
            assert!(last.is_some_and(|last| last.position.0 >= 8 * synced), "seed {seed}: {last:?}");
        }
    }

    #[test]
    fn a_slot_in_the_place_of_the_other_does_not_count() {
        let disk = MemoryDisk::new();
        let mut file = WatermarkFile::create(&disk, [1; 16]).unwrap();
        file.save(mark(8)).unwrap();
        let mut bytes = disk.content(NAME).unwrap();
        bytes.copy_within(SLOT_STRIDE as usize..SLOT_STRIDE as usize + SLOT_BYTES, 0);
        disk.put(NAME, bytes);
        assert_eq!(open(&disk).last(), Some(mark(0)));
        let mut bytes = disk.content(NAME).unwrap();
        bytes[SLOT_STRIDE as usize..].fill(0);
        disk.put(NAME, bytes);
        assert_eq!(open(&disk).last(), None);
    }
}
