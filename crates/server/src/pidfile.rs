//! The file that says which process the node is, and `narf stop`, which reads it.
//!
//! The node holds a lock on the file as long as it lives, and the system lets go of it however the process ends. So
//! a file without a lock is stale, whatever number stands in it and whoever has that number now; nobody is ever
//! signalled because of an old number. A file that holds anything else than a number is somebody's, and is left alone.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::system;

/// The pid file of a daemon that has no data folder: where it was started.
pub const WITHOUT_DATA: &str = "narf.pid";

/// How often `stop` looks whether the node is gone.
const POLL: Duration = Duration::from_millis(20);
/// Daemons without data that are started in one place.
const BESIDE_MAX: u32 = 100;
/// A number of a process and the space around it take no more.
const TEXT_BYTES_MAX: u64 = 32;

/// Why there is no pid file, or nothing was stopped.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    /// The file belongs to a node that runs. Nothing was changed.
    #[error("{} belongs to a node that is running{}; stop it with: narf stop --pidfile {}", .path.display(), pid_text(*.pid), .path.display())]
    Running {
        /// The file.
        path: PathBuf,
        /// Its process, if the file says so.
        pid: Option<u32>,
    },
    /// The file could not be opened, read or written.
    #[error("cannot use the pid file {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is there is no pid file. Nothing was changed.
    #[error("{} is there and is no pid file: something else than a process id stands in it; give another path, or remove it", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A node holds the file, and no number stands in it.
    #[error("{} is held by a node but holds no process id", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
    },
    /// The system would not let us signal the node.
    #[error("cannot stop process {pid}: {source}")]
    Signal {
        /// The node.
        pid: u32,
        /// What the system said.
        source: io::Error,
    },
}

fn pid_text(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

/// A pid file of this process, removed when dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    /// Holds the lock.
    _file: File,
}

impl PidFile {
    /// Writes the id of this process. A file that a dead node left behind is taken over.
    pub fn create(path: &Path) -> Result<PidFile, PidFileError> {
        let io = |source| PidFileError::Io { path: path.to_owned(), source };
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o644);
            let mut file = options.open(path).map_err(io)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(PidFileError::Running { path: path.to_owned(), pid: read_pid(&mut file) });
                }
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
            // Between open and lock its last owner may have removed it, and the lock would guard nothing.
            if !is_at(&file, path) {
                continue;
            }
            if !may_be_stale(&mut file).map_err(io)? {
                return Err(PidFileError::Foreign { path: path.to_owned() });
            }
            file.set_len(0).map_err(io)?;
            file.rewind().map_err(io)?;
            writeln!(file, "{}", std::process::id()).map_err(io)?;
            return Ok(PidFile { path: path.to_owned(), _file: file });
        }
    }
}

impl PidFile {
    /// [`PidFile::create`], at the first of `narf.pid`, `narf-2.pid` … that no other node has; where it is.
    pub(crate) fn create_beside_others(path: &Path) -> Result<(PathBuf, PidFile), PidFileError> {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut number = 1;
        loop {
            let path = match number {
                1 => path.to_owned(),
                _ => path.with_file_name(format!("{stem}-{number}.pid")),
            };
            match PidFile::create(&path) {
                Err(PidFileError::Running { .. }) if number < BESIDE_MAX => number += 1,
                created => return created.map(|file| (path, file)),
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // While the lock is still held, so that nobody else's file can be hit. Failing leaves a stale file, which is
        // harmless.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What became of a request to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// No node ran; a stale file, if there was one, is gone.
    NotRunning,
    /// The node ended.
    Gone {
        /// Its process.
        pid: u32,
    },
    /// It was told to, and has not ended in time. It may still.
    StillRunning {
        /// Its process.
        pid: u32,
    },
}

/// Tells the node of this pid file to end, and waits until it has. `waiting` is called now and then with the process
/// id and the time that has passed.
pub fn stop(
    path: &Path,
    timeout: Duration,
    mut waiting: impl FnMut(u32, Duration),
) -> Result<Stopped, PidFileError> {
    let io = |source| PidFileError::Io { path: path.to_owned(), source };
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Stopped::NotRunning),
        Err(source) => return Err(io(source)),
    };
    if is_free(&file).map_err(io)? {
        if !may_be_stale(&mut file).map_err(io)? {
            return Err(PidFileError::Foreign { path: path.to_owned() });
        }
        if is_at(&file, path) {
            std::fs::remove_file(path).map_err(io)?;
        }
        return Ok(Stopped::NotRunning);
    }
    let pid = read_pid(&mut file).ok_or_else(|| PidFileError::Unreadable { path: path.to_owned() })?;
    system::terminate(pid).map_err(|source| PidFileError::Signal { pid, source })?;
    let started = Instant::now();
    while !is_free(&file).map_err(io)? {
        let passed = started.elapsed();
        if passed >= timeout {
            return Ok(Stopped::StillRunning { pid });
        }
        waiting(pid, passed);
        std::thread::sleep(POLL);
    }
    Ok(Stopped::Gone { pid })
}

/// Whether no process holds the lock. If so, we hold it until `file` is closed.
fn is_free(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether `path` still names this very file.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Whether a file that nobody holds may have been a node's: a number stands in it, or nothing, as between its making and that.
fn may_be_stale(file: &mut File) -> io::Result<bool> {
    Ok(file.metadata()?.len() == 0 || read_pid(file).is_some())
}

/// The number that is all that stands in the file.
fn read_pid(file: &mut File) -> Option<u32> {
    if file.metadata().ok()?.len() > TEXT_BYTES_MAX {
        return None;
    }
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(TEXT_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("narf.pid");
        (folder, path)
    }

    #[test]
    fn the_file_holds_our_id_and_goes_with_us() {
        let (_folder, path) = folder();
        let pid_file = PidFile::create(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        drop(pid_file);
        assert!(!path.exists());
    }

    #[test]
    fn a_second_node_is_refused_while_the_first_lives() {
        let (_folder, path) = folder();
        let first = PidFile::create(&path).unwrap();
        let error = PidFile::create(&path).unwrap_err();
        assert!(matches!(error, PidFileError::Running { pid: Some(pid), .. } if pid == std::process::id()));
        assert!(error.to_string().contains("narf stop --pidfile"), "{error}");
        drop(first);
        PidFile::create(&path).unwrap();
    }

    #[test]
    fn a_stale_file_is_taken_over_even_if_its_number_lives_again() {
        let (_folder, path) = folder();
        // Process 1 always lives.
        std::fs::write(&path, "1\n").unwrap();
        let _pid_file = PidFile::create(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), std::process::id().to_string());
    }

    #[test]
    fn stopping_a_stale_file_signals_nobody_and_removes_it() {
        let (_folder, path) = folder();
        let stop_now = || stop(&path, Duration::ZERO, |_, _| {}).unwrap();
        assert_eq!(stop_now(), Stopped::NotRunning);
        // This very process: a signal would end the test.
        std::fs::write(&path, std::process::id().to_string()).unwrap();
        assert_eq!(stop_now(), Stopped::NotRunning);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_pid_file_is_neither_removed_nor_taken_over() {
        let (_folder, path) = folder();
        let long = format!("1{}2", " ".repeat(40));
        for text in ["precious\n", "12 34\n", "-7\n", "{}", &long] {
            std::fs::write(&path, text).unwrap();
            let error = stop(&path, Duration::ZERO, |_, _| {}).unwrap_err();
            assert!(matches!(error, PidFileError::Foreign { .. }), "{text}: {error}");
            let error = PidFile::create(&path).unwrap_err();
            assert!(matches!(error, PidFileError::Foreign { .. }), "{text}: {error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        // A node died before it had written its number.
        std::fs::write(&path, "").unwrap();
        PidFile::create(&path).unwrap();
    }

    #[test]
    fn a_held_file_without_a_number_is_an_error() {
        let (_folder, path) = folder();
        let file = File::create(&path).unwrap();
        file.try_lock().unwrap();
        let error = stop(&path, Duration::ZERO, |_, _| {}).unwrap_err();
        assert!(matches!(error, PidFileError::Unreadable { .. }), "{error}");
    }
}
