//! The file that the log goes to, which others may rename, remove or name late.
//!
//! Before each line it is looked whether the path still leads to the file: after a rename (`logrotate`) the line goes to a new one,
//! and nobody has to be sent a signal. That is a system call a line, of which there are few. Where the file will be may not be
//! known yet, as for a daemon before its data folder is chosen: lines are kept until it is.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use tracing_subscriber::fmt::MakeWriter;

use crate::shared::lock;

/// Bytes of lines that are kept for a file that is not named yet. A start that says more goes wrong, and why is at its beginning.
const WAITING_MAX: usize = 1 << 20;
/// What stands for the lines that had no room.
const CUT: &[u8] = b"(lines are missing here: more was logged before the log file was named than is kept)\n";

/// A log file, shared by all who write to it.
#[derive(Clone, Debug)]
pub(crate) struct LogFile(Arc<Mutex<State>>);

#[derive(Debug)]
enum State {
    /// Lines for a file that is not named yet.
    Waiting(Waiting),
    Open {
        path: PathBuf,
        file: File,
    },
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// A line had no room, and none is kept behind it.
    is_cut: bool,
}

impl Waiting {
    fn keep(&mut self, line: &[u8]) {
        if !self.is_cut {
            self.is_cut = self.lines.len() + line.len() > WAITING_MAX;
            self.lines.extend_from_slice(if self.is_cut { CUT } else { line });
        }
    }
}

impl LogFile {
    /// One whose place will be said by [`LogFile::put`].
    pub(crate) fn waiting() -> LogFile {
        LogFile(Arc::new(Mutex::new(State::Waiting(Waiting::default()))))
    }

    /// Opens the file at `path` for this and all further lines, unless it is open already.
    pub(crate) fn put(&self, path: &Path) -> anyhow::Result<()> {
        let mut state = lock(&self.0);
        if let State::Waiting(Waiting { lines, .. }) = &*state {
            make_folder_of(path)?;
            let mut file = open(path)?;
            file.write_all(lines).with_context(|| format!("write the log file {}", path.display()))?;
            *state = State::Open { path: path.to_owned(), file };
        }
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = &'a LogFile;

    fn make_writer(&'a self) -> &'a LogFile {
        self
    }
}

/// Each call brings a whole line.
impl Write for &LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &mut *lock(&self.0) {
            State::Waiting(waiting) => {
                waiting.keep(line);
                Ok(line.len())
            }
            State::Open { path, file } => {
                // One that cannot be opened anew, for its folder is gone, is still better than none.
                if !is_at(file, path)
                    && let Ok(fresh) = open(path)
                {
                    *file = fresh;
                }
                file.write(line)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether `path` still names this very file.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Makes the folder of the file if need be. Only at first: one that is gone later may be a disk that was taken out.
fn make_folder_of(path: &Path) -> anyhow::Result<()> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    // It may be the data folder, which is nobody else's business.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("make the log folder {}", folder.display()))
}

/// Appends to the file, making it if need be. Logs may name keys; others need not read them.
fn open(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o640);
    options.open(path).with_context(|| format!("open the log file {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_a_file_that_is_never_named_are_not_kept_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("narf.log");
        let (log, line) = (LogFile::waiting(), [b'x'; 999]);
        for _ in 0..2 * WAITING_MAX / line.len() {
            (&log).write_all(&line).unwrap();
        }
        log.put(&path).unwrap();
        let kept = fs::read(&path).unwrap();
        assert!(kept.len() <= WAITING_MAX + CUT.len() && kept.len() > WAITING_MAX / 2, "{}", kept.len());
        assert!(kept.starts_with(&line) && kept.ends_with(CUT));
    }

    #[test]
    fn a_line_after_a_rename_or_a_removal_goes_to_a_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("logs/narf.log"), folder.path().join("old"));
        let log = LogFile::waiting();
        (&log).write_all(b"kept\n").unwrap();
        log.put(&path).unwrap();
        fs::rename(&path, &old).unwrap();
        (&log).write_all(b"new\n").unwrap();
        assert_eq!(fs::read_to_string(&old).unwrap(), "kept\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        fs::remove_file(&path).unwrap();
        (&log).write_all(b"newer\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "newer\n");
        fs::remove_dir_all(folder.path().join("logs")).unwrap();
        (&log).write_all(b"lost\n").unwrap();
        assert!(!folder.path().join("logs").exists(), "the folder is not made anew");
    }
}
