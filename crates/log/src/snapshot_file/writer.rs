//! Writing a checkpoint, chunk by chunk, under a temporary name until it is whole.

use std::io::IoSlice;
use std::sync::Arc;

use super::list::checkpoint_name;
use super::{
    CHUNK_HEADER_LEN, CHUNK_MAGIC, CHUNK_MAX, CheckpointHeader, FOOTER_LEN, FOOTER_MAGIC, HEADER_LEN, crc_of,
};
use crate::LogError;
use crate::disk::{self, Disk, DiskFile};
use crate::frame::checksum_from;

/// A checkpoint that is being written. Dropped unfinished, it leaves a temporary file behind, which
/// [`super::Checkpoints::remove_unfinished`] removes.
pub struct CheckpointWriter {
    disk: Arc<dyn Disk>,
    file: Arc<dyn DiskFile>,
    name: String,
    temporary: String,
    offset: u64,
    chunks: u64,
    bytes: u64,
    salt: u32,
    whole: crc32fast::Hasher,
    /// Bytes that it leaves free on the disk.
    kept: u64,
    /// Bytes that it may come to.
    limit: u64,
}

impl CheckpointWriter {
    /// Begins a checkpoint.
    pub fn create(disk: Arc<dyn Disk>, header: &CheckpointHeader) -> Result<CheckpointWriter, LogError> {
        let name = checkpoint_name(header.partition, header.index);
        let temporary = format!("{name}.tmp");
        let file = disk::create_or_open(&*disk, &temporary)
            .map_err(failed(&*disk, "create", &temporary, HEADER_LEN))?;
        let bytes = header.encode();
        if let Err(error) = file.write_at(0, &[IoSlice::new(&bytes)]) {
            return Err(give_up(&*disk, &temporary, failed(&*disk, "write", &temporary, HEADER_LEN)(error)));
        }
        Ok(CheckpointWriter {
            kept: 0,
            limit: u64::MAX,
            offset: HEADER_LEN as u64,
            chunks: 0,
            bytes: 0,
            salt: crc_of(&bytes),
            whole: crc32fast::Hasher::new(),
            disk,
            file,
            name,
            temporary,
        })
    }

    /// Has it leave so many bytes of the disk free, and come to no more than `limit` of its own.
    pub fn within(self, kept: u64, limit: u64) -> CheckpointWriter {
        CheckpointWriter { kept, limit, ..self }
    }

    /// Writes one chunk with one write. [`LogError::Full`] is the word for what [`CheckpointWriter::within`] said, too.
    pub fn chunk(&mut self, payload: &[u8]) -> Result<(), LogError> {
        if payload.len() > CHUNK_MAX {
            return Err(LogError::TooLarge { len: payload.len() as u64, limit: CHUNK_MAX as u64 });
        }
        self.check_room(payload.len() as u64)?;
        let header = chunk_header(self.salt, self.chunks, payload);
        self.file.write_at(self.offset, &[IoSlice::new(&header), IoSlice::new(payload)]).map_err(failed(
            &*self.disk,
            "write",
            &self.temporary,
            payload.len(),
        ))?;
        self.whole.update(payload);
        self.offset += (CHUNK_HEADER_LEN + payload.len()) as u64;
        self.chunks += 1;
        self.bytes += payload.len() as u64;
        Ok(())
    }

    fn check_room(&self, len: u64) -> Result<(), LogError> {
        if self.kept == 0 && self.limit == u64::MAX {
            return Ok(());
        }
        let space = self.disk.space().map_err(LogError::io("ask the free space for", &*self.temporary))?;
        let is_too_long = self.offset.saturating_add(len) > self.limit;
        if is_too_long || space.free < self.kept.saturating_add(len) {
            return Err(LogError::Full { needed: len, free: space.free, kept: self.kept });
        }
        Ok(())
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.offset
    }

    /// Puts the chunks so far on stable storage. Every few megabytes, so that the last sync is a short one
    /// and the log's syncs do not queue behind it.
    pub fn sync(&self) -> Result<(), LogError> {
        self.file.sync_data().map_err(failed(&*self.disk, "sync", &self.temporary, 1))
    }

    /// Completes the file, puts it on stable storage and gives it its name, which is returned. The log must
    /// have been synced up to the header's position before.
    pub fn finish(self) -> Result<String, LogError> {
        match self.complete() {
            Err(error) if error.is_full() => Err(give_up(&*self.disk, &self.temporary, error)),
            Ok(()) => Ok(self.name),
            Err(error) => Err(error),
        }
    }

    fn complete(&self) -> Result<(), LogError> {
        let footer = footer(self.salt, self.chunks, self.bytes, self.whole.clone().finalize());
        self.file.write_at(self.offset, &[IoSlice::new(&footer)]).map_err(failed(
            &*self.disk,
            "write",
            &self.temporary,
            FOOTER_LEN,
        ))?;
        self.sync()?;
        self.disk.rename(&self.temporary, &self.name).map_err(failed(
            &*self.disk,
            "rename",
            &self.temporary,
            1,
        ))?;
        self.disk.sync_dir().map_err(failed(&*self.disk, "sync the folder of", &self.name, 1))
    }

    /// Gives up and removes the temporary file, for instance when the disk is full.
    pub fn abort(self) -> Result<(), LogError> {
        self.disk.remove(&self.temporary).map_err(failed(&*self.disk, "remove", &self.temporary, 1))
    }
}

/// What is written of a file for which there is no room goes again.
fn give_up(disk: &dyn Disk, temporary: &str, error: LogError) -> LogError {
    // What cannot be removed is at the next start.
    let _ = disk.remove(temporary);
    error
}

/// The error of a failed step: want of room is told apart, for it passes.
fn failed<'a>(
    disk: &'a dyn Disk,
    action: &'static str,
    name: &'a str,
    needed: usize,
) -> impl FnOnce(std::io::Error) -> LogError + 'a {
    move |error| {
        if disk::is_full(&error) {
            let free = disk.space().map_or(0, |space| space.free);
            return LogError::Full { needed: needed as u64, free, kept: 0 };
        }
        LogError::io(action, name)(error)
    }
}

pub(super) fn chunk_header(salt: u32, number: u64, payload: &[u8]) -> [u8; CHUNK_HEADER_LEN] {
    let mut out = [0; CHUNK_HEADER_LEN];
    out[..4].copy_from_slice(&CHUNK_MAGIC);
    // The number wraps after 2^32 chunks; the footer has it in full.
    out[4..8].copy_from_slice(&(number as u32).to_le_bytes());
    out[8..12].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    let crc = checksum_from(checksum_from(salt, &out[..12]), payload);
    out[12..].copy_from_slice(&crc.to_le_bytes());
    out
}

pub(super) fn footer(salt: u32, chunks: u64, bytes: u64, whole: u32) -> [u8; FOOTER_LEN] {
    let mut out = [0; FOOTER_LEN];
    out[..4].copy_from_slice(&FOOTER_MAGIC);
    out[8..16].copy_from_slice(&chunks.to_le_bytes());
    out[16..24].copy_from_slice(&bytes.to_le_bytes());
    out[24..28].copy_from_slice(&whole.to_le_bytes());
    let crc = checksum_from(salt, &out[..28]);
    out[28..].copy_from_slice(&crc.to_le_bytes());
    out
}
