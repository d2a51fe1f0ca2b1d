//! The disk as the log sees it: one flat folder of files. The real one is in `server`, a simulated one is
//! [`crate::MemoryDisk`].
//!
//! What an implementation must keep: `write_at` and `allocate` leave a file in the page cache only; what
//! [`DiskFile::sync_data`] covered survives a power loss; a created, renamed or removed name survives one
//! only after [`Disk::sync_dir`]. A rename replaces its target at once or not at all. Every method may be
//! called from several threads.

use std::io::{self, IoSlice};
use std::sync::Arc;

/// How much room a file system has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that this process could still allocate.
    pub free: u64,
    /// Bytes of the whole file system.
    pub total: u64,
}

/// A folder that belongs to one node alone.
pub trait Disk: Send + Sync {
    /// The names in the folder, in no particular order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file that exists, for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes an empty file; [`io::ErrorKind::AlreadyExists`] if there is one of this name.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, replacing the file which has it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes every change of names so far survive a power loss.
    fn sync_dir(&self) -> io::Result<()>;

    /// The room that is left.
    fn space(&self) -> io::Result<Space>;
}

/// An open file. Several handles may be open on one file.
pub trait DiskFile: Send + Sync {
    /// Reads up to `into.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `parts`, one after the other, as one system call where the disk takes them whole.
    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()>;

    /// Makes the file at least `len` bytes long, with room for each of them, so that a later write below
    /// `len` does not find the disk full. New bytes read as zero. After an error the length is unknown.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Cuts or lengthens the file to `len` bytes.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Returns when everything written before the call survives a power loss.
    fn sync_data(&self) -> io::Result<()>;

    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// An offset from which on there are only zeros; the length is always a right answer, a smaller one saves
    /// reading what was allocated and never written.
    fn data_end(&self) -> io::Result<u64> {
        self.len()
    }

    /// Whether it holds nothing.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// Whether this error means that there is no room, rather than that the disk is broken.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// Creates a file, or opens an unfinished one which an earlier attempt left behind.
pub(crate) fn create_or_open(disk: &dyn Disk, name: &str) -> io::Result<Arc<dyn DiskFile>> {
    match disk.create(name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let file = disk.open(name)?;
            file.truncate(0)?;
            Ok(file)
        }
        other => other,
    }
}

/// Reads exactly `into.len()` bytes, or says that the file ends before.
pub(crate) fn read_exact_at(file: &dyn DiskFile, offset: u64, into: &mut [u8]) -> io::Result<bool> {
    Ok(read_up_to(file, offset, into)? == into.len())
}

/// Fills `into` as far as the file goes.
pub(crate) fn read_up_to(file: &dyn DiskFile, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < into.len() {
        match file.read_at(offset + done as u64, &mut into[done..])? {
            0 => break,
            n => done += n,
        }
    }
    Ok(done)
}
