//! The watermark: up to where the log is known to be on stable storage, and in which boot of the machine.
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

/// What a slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) position: Position,
    /// The kernel's boot id while this was written; zeros if unknown.
    pub(crate) boot_id: [u8; 16],
}

/// The open file.
pub(crate) struct WatermarkFile {
    file: Arc<dyn DiskFile>,
    generation: u64,
    last: Option<Mark>,
    allocated: bool,
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
            if newest.is_none_or(|(other, _)| generation > other) {
                newest = Some((generation, mark));
            }
        }
        let generation = newest.map_or(0, |(generation, _)| generation);
        let last = newest.map(|(_, mark)| mark);
        Ok(Some(WatermarkFile { file, generation, last, allocated: false }))
    }

    /// Makes the file, saying that nothing is synced yet.
    pub(crate) fn create(disk: &dyn Disk, boot_id: [u8; 16]) -> Result<WatermarkFile, LogError> {
        let file = disk::create_or_open(disk, NAME).map_err(LogError::io("create", NAME))?;
        let mut created = WatermarkFile { file, generation: 0, last: None, allocated: false };
        created.save(Mark { position: Position(0), boot_id })?;
        disk.sync_dir().map_err(LogError::io("sync the folder of", NAME))?;
        Ok(created)
    }

    /// What the file said last; `None` if both slots are damaged.
    pub(crate) fn last(&self) -> Option<Mark> {
        self.last
    }

    /// Writes and syncs `mark` over the older slot, unless it says nothing new.
    pub(crate) fn save(&mut self, mark: Mark) -> Result<(), LogError> {
        if self.last == Some(mark) {
            return Ok(());
        }
        if !self.allocated {
            // Or the first mark on a full disk would find no room for the slot that was never written.
            self.file.allocate(FILE_BYTES).map_err(LogError::io("allocate", NAME))?;
            self.allocated = true;
        }
        let generation = self.generation + 1;
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
    Ok(Some((read_u64(bytes, 16), Mark { position: Position(read_u64(bytes, 24)), boot_id })))
}
