//! Reading a checkpoint, chunk by chunk.

use std::io;
use std::sync::Arc;

use super::writer::{chunk_header, footer};
use super::{
    CHUNK_HEADER_LEN, CHUNK_MAGIC, CHUNK_MAX, CheckpointHeader, FOOTER_LEN, FOOTER_MAGIC, HEADER_LEN, crc_of,
    damaged,
};
use crate::LogError;
use crate::disk::{self, Disk, DiskFile};
use crate::frame::read_u32;

/// A checkpoint that is being read.
pub struct CheckpointReader {
    file: Arc<dyn DiskFile>,
    name: String,
    header: CheckpointHeader,
    len: u64,
    offset: u64,
    chunks: u64,
    bytes: u64,
    salt: u32,
    whole: crc32fast::Hasher,
    done: bool,
}

impl CheckpointReader {
    /// Opens the file `name` and reads its header.
    pub fn open(disk: &dyn Disk, name: &str) -> Result<CheckpointReader, LogError> {
        let file = match disk.open(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damaged(name, 0, "it is gone"));
            }
            Err(error) => return Err(LogError::io("open", name)(error)),
        };
        let len = file.len().map_err(LogError::io("measure", name))?;
        let mut bytes = [0; HEADER_LEN];
        if !disk::read_exact_at(&*file, 0, &mut bytes).map_err(LogError::io("read", name))? {
            return Err(damaged(name, 0, "it is shorter than a header"));
        }
        let header = CheckpointHeader::decode(&bytes, name)?;
        if super::list::checkpoint_name(header.partition, header.index) != name {
            return Err(damaged(name, 0, "its name does not agree with its header"));
        }
        Ok(CheckpointReader {
            file,
            name: name.to_owned(),
            header,
            len,
            offset: HEADER_LEN as u64,
            chunks: 0,
            bytes: 0,
            salt: crc_of(&bytes),
            whole: crc32fast::Hasher::new(),
            done: false,
        })
    }

    /// What it is a checkpoint of.
    pub fn header(&self) -> &CheckpointHeader {
        &self.header
    }

    /// Bytes read so far, and of how many: for a progress bar.
    pub fn progress(&self) -> (u64, u64) {
        (self.offset, self.len)
    }

    /// Reads the next chunk into `into`, replacing what is there. False when all chunks were read and the
    /// footer agrees with them: only then is the checkpoint known to be whole.
    pub fn next_chunk(&mut self, into: &mut Vec<u8>) -> Result<bool, LogError> {
        into.clear();
        if self.done {
            return Ok(false);
        }
        let mut head = [0; CHUNK_HEADER_LEN];
        if !self.read(self.offset, &mut head)? {
            return Err(self.damaged("it ends without a footer"));
        }
        if head[..4] == FOOTER_MAGIC {
            self.read_footer()?;
            self.done = true;
            return Ok(false);
        }
        let len = read_u32(&head, 8) as usize;
        let start = self.offset + CHUNK_HEADER_LEN as u64;
        if head[..4] != CHUNK_MAGIC || len > CHUNK_MAX || len as u64 > self.len.saturating_sub(start) {
            return Err(self.damaged("no chunk begins here"));
        }
        into.resize(len, 0);
        if !self.read(start, into)? {
            return Err(self.damaged("it ends inside a chunk"));
        }
        if head != chunk_header(self.salt, self.chunks, into) {
            into.clear();
            return Err(self.damaged("the checksum of this chunk is wrong"));
        }
        self.whole.update(into);
        self.offset = start + len as u64;
        self.chunks += 1;
        self.bytes += len as u64;
        Ok(true)
    }

    fn read_footer(&mut self) -> Result<(), LogError> {
        let mut bytes = [0; FOOTER_LEN];
        let whole = self.read(self.offset, &mut bytes)?;
        if !whole || bytes != footer(self.salt, self.chunks, self.bytes, self.whole.clone().finalize()) {
            return Err(self.damaged("the footer does not agree with the chunks"));
        }
        self.offset += FOOTER_LEN as u64;
        if self.offset != self.len {
            return Err(self.damaged("something stands behind the footer"));
        }
        Ok(())
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<bool, LogError> {
        disk::read_exact_at(&*self.file, offset, into).map_err(LogError::io("read", self.name.as_str()))
    }

    fn damaged(&self, what: &'static str) -> LogError {
        damaged(&self.name, self.offset, what)
    }
}
