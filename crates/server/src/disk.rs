//! The real disk: a data folder that belongs to this process alone.
//!
//! Invariants: while a [`FolderDisk`] or a file of it is in use, the lock file of the folder is held, so no
//! other process writes there; the kernel drops the lock with the process, however it ends. One that was opened to be read
//! changes nothing in it, not even its lock file. Names are plain file names, never paths.
//! Does not know: what the files are.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::{Disk, DiskFile, Space};
use rustix::fs::{FallocateFlags, FlockOperation, SeekFrom};
use rustix::io::Errno;

/// Held while the folder is in use; says whose it is.
const LOCK: &str = "lock";

/// A file of more pieces than this is read whole rather than asked where it has data.
const EXTENTS_MAX: usize = 1000;

/// A data folder, locked.
#[derive(Clone)]
pub struct FolderDisk(Arc<Folder>);

struct Folder {
    path: PathBuf,
    /// The folder itself, to sync names and ask for space.
    handle: File,
    /// Kept open: closing it gives the folder away. A copy of a folder may have come without.
    _lock: Option<File>,
    may_write: bool,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process has it.
    #[error("data folder {path} is in use by process {owner}; stop that process or choose another folder")]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The process, as its lock file says.
        owner: String,
    },
    /// The system refused.
    #[error("cannot {action} data folder {path}: {source}; check its path and rights")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

struct FolderFile(File);

impl FolderDisk {
    /// Takes the folder at `path` for this process, making it, for its owner only, if it is not there.
    pub fn open(path: &Path) -> Result<FolderDisk, FolderError> {
        let failed = |action| move |source| FolderError::Io { action, path: path.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("create"))?;
        let handle = File::open(path).map_err(failed("open"))?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK))
            .map_err(failed("lock"))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(in_use(path, lock)),
            Err(errno) => return Err(failed("lock")(errno.into())),
        }
        lock.set_len(0).map_err(failed("lock"))?;
        writeln!(lock, "{}", std::process::id()).map_err(failed("lock"))?;
        let path = path.to_owned();
        Ok(FolderDisk(Arc::new(Folder { path, handle, _lock: Some(lock), may_write: true })))
    }

    /// Opens the folder of a node that does not run, to be read and nothing else. Others may do the same at once.
    pub fn open_to_read(path: &Path) -> Result<FolderDisk, FolderError> {
        let failed = |action| move |source| FolderError::Io { action, path: path.to_owned(), source };
        let handle = File::open(path).map_err(failed("open"))?;
        let lock = match File::open(path.join(LOCK)) {
            Ok(lock) => Some(lock),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("lock")(error)),
        };
        if let Some(lock) = &lock {
            match rustix::fs::flock(lock, FlockOperation::NonBlockingLockShared) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => {
                    let lock = lock.try_clone().map_err(failed("lock"))?;
                    return Err(in_use(path, lock));
                }
                Err(errno) => return Err(failed("lock")(errno.into())),
            }
        }
        let path = path.to_owned();
        Ok(FolderDisk(Arc::new(Folder { path, handle, _lock: lock, may_write: false })))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    fn file_to_change(&self, name: &str) -> io::Result<PathBuf> {
        match self.0.may_write {
            true => self.file(name),
            false => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
        }
    }

    fn file(&self, name: &str) -> io::Result<PathBuf> {
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` is no file name")));
        }
        Ok(self.0.path.join(name))
    }
}

/// Whose lock file this is, which somebody holds.
fn in_use(path: &Path, mut lock: File) -> FolderError {
    let mut owner = String::new();
    // What the file says is for people only; an unreadable one still means that it is held.
    let _ = lock.read_to_string(&mut owner);
    let owner = owner.trim().to_owned();
    let owner = if owner.is_empty() { "unknown".to_owned() } else { owner };
    FolderError::InUse { path: path.to_owned(), owner }
}

impl Disk for FolderDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0.path)? {
            // Files under names that are not text are not ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(self.0.may_write).open(self.file(name)?)?;
        Ok(Arc::new(FolderFile(file)))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        Ok(Arc::new(FolderFile(options.open(self.file_to_change(name)?)?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.file_to_change(from)?, self.file_to_change(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.file_to_change(name)?)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.0.handle.sync_all()
    }

    fn space(&self) -> io::Result<Space> {
        let stat = rustix::fs::fstatvfs(&self.0.handle)?;
        Ok(Space {
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }
}

impl DiskFile for FolderFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match FileExt::read_at(&self.0, into, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn data_end(&self) -> io::Result<u64> {
        // Moves the file's own position, which nothing else uses.
        let mut end = 0;
        for _ in 0..EXTENTS_MAX {
            match rustix::fs::seek(&self.0, SeekFrom::Data(end)) {
                Ok(data) => end = rustix::fs::seek(&self.0, SeekFrom::Hole(data))?,
                Err(Errno::NXIO) => return Ok(end),
                // A file system that does not know holes: all is data.
                Err(_) => break,
            }
        }
        self.len()
    }

    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let mut done = loop {
            match rustix::io::pwritev(&self.0, parts, offset) {
                Err(Errno::INTR) => {}
                other => break other?,
            }
        };
        if done == total {
            return Ok(());
        }
        // A short write: the rest goes part by part, until it is done or the system says why not.
        let mut at = offset + done as u64;
        for part in parts {
            let skip = done.min(part.len());
            done -= skip;
            self.0.write_all_at(&part[skip..], at)?;
            at += (part.len() - skip) as u64;
        }
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        loop {
            match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), 0, len) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => return fill(&self.0, len),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

/// Lengthens a file by written zeros, for file systems that cannot allocate.
fn fill(file: &File, len: u64) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    let mut at = file.metadata()?.len();
    while at < len {
        let count = (len - at).min(zeros.len() as u64);
        file.write_all_at(&zeros[..count as usize], at)?;
        at += count;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::{Log, LogOptions};

    #[test]
    fn a_folder_belongs_to_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let disk = FolderDisk::open(&path).unwrap();
        let refused = FolderDisk::open(&path).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains(&format!("in use by process {}", std::process::id())), "{refused}");
        drop(disk);
        FolderDisk::open(&path).unwrap();
    }

    #[test]
    fn a_folder_that_is_read_stays_as_it_is_and_is_nobody_elses_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        assert!(FolderDisk::open_to_read(&path).is_err());
        assert!(!path.exists());
        let owner = FolderDisk::open(&path).unwrap();
        owner.create("a").unwrap().write_at(0, &[IoSlice::new(b"abc")]).unwrap();
        let refused = FolderDisk::open_to_read(&path).map(drop).unwrap_err().to_string();
        assert!(refused.contains(&format!("in use by process {}", std::process::id())), "{refused}");
        drop(owner);
        let lock = fs::read(path.join(LOCK)).unwrap();
        let (disk, other) =
            (FolderDisk::open_to_read(&path).unwrap(), FolderDisk::open_to_read(&path).unwrap());
        assert!(FolderDisk::open(&path).is_err(), "no node starts on what is being read");
        drop(other);
        let file = disk.open("a").unwrap();
        assert_eq!(file.read_at(0, &mut [0; 8]).unwrap(), 3);
        assert!(file.write_at(0, &[IoSlice::new(b"x")]).is_err());
        assert!(file.truncate(0).is_err() && file.allocate(10).is_err());
        assert!(disk.create("b").is_err() && disk.rename("a", "b").is_err() && disk.remove("a").is_err());
        assert_eq!(fs::read(path.join("a")).unwrap(), b"abc");
        assert_eq!(fs::read(path.join(LOCK)).unwrap(), lock);
        drop((file, disk));
        fs::remove_file(path.join(LOCK)).unwrap();
        drop(FolderDisk::open_to_read(&path).unwrap());
        assert!(!path.join(LOCK).exists());
        FolderDisk::open(&path).unwrap();
    }

    #[test]
    fn files_do_what_the_log_expects_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let disk = FolderDisk::open(folder.path()).unwrap();
        let file = disk.create("a").unwrap();
        assert_eq!(disk.create("a").map(|_| ()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(disk.open("b").map(|_| ()).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(disk.open("../a").map(|_| ()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        file.allocate(10_000).unwrap();
        file.allocate(5_000).unwrap();
        assert_eq!(file.len().unwrap(), 10_000);
        file.write_at(9_998, &[IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cd")]).unwrap();
        let mut bytes = [9; 8];
        assert_eq!(file.read_at(9_996, &mut bytes).unwrap(), 6);
        assert_eq!(&bytes[..6], b"\0\0abcd");
        file.sync_data().unwrap();
        assert_eq!(file.data_end().unwrap(), 10_002);
        let empty = disk.create("empty").unwrap();
        empty.allocate(1 << 20).unwrap();
        empty.write_at(9_000, &[IoSlice::new(b"x")]).unwrap();
        assert!((9_001..=1 << 20).contains(&empty.data_end().unwrap()));
        disk.remove("empty").unwrap();
        fill(&File::options().write(true).open(folder.path().join("a")).unwrap(), 20_000).unwrap();
        assert_eq!(file.len().unwrap(), 20_000);
        disk.rename("a", "b").unwrap();
        disk.sync_dir().unwrap();
        let mut names = disk.list().unwrap();
        names.sort();
        assert_eq!(names, ["b", "lock"]);
        disk.remove("b").unwrap();
        let space = disk.space().unwrap();
        assert!(space.free > 0 && space.free <= space.total);
    }

    #[test]
    fn a_log_on_it_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let options = LogOptions { segment_bytes: 1 << 16, free_bytes_min: 0, ..LogOptions::new(1) };
        for life in 0..3u64 {
            let disk = Arc::new(FolderDisk::open(folder.path()).unwrap());
            let mut frames = 0u64;
            let mut count = |_, _: &[u8]| {
                frames += 1;
                Ok(())
            };
            let (mut log, _) = Log::open(disk, options.clone(), &mut count, &mut |_, _| {}).unwrap();
            assert_eq!(frames, life * 500);
            for n in 0..500 {
                log.append(&vec![life as u8; n]).unwrap();
            }
            log.sync_handle().sync().unwrap();
        }
    }
}
