//! What can go wrong, by what the caller would do about it. Each variant says whether anything changed.

use std::io;

use crate::Position;

/// An error of the log, of a checkpoint file or of the node's identity file.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// No room. Nothing was written and the log is well: refuse the writes and try again later.
    #[error(
        "{needed} bytes are wanted but the disk has {free} free, of which {kept} are kept for what makes room; free some \
         space"
    )]
    Full {
        /// Bytes that were to be allocated.
        needed: u64,
        /// Bytes that are free.
        free: u64,
        /// Bytes that are left free on purpose, so that deletes go on, a checkpoint can be written and the log be cut.
        kept: u64,
    },
    /// Nothing was written.
    #[error("a frame of {len} bytes exceeds the limit of {limit}; write less in one turn")]
    TooLarge {
        /// Bytes of the frame.
        len: u64,
        /// The most that a frame may have.
        limit: u64,
    },
    /// The file's tail is unknown. Everything after this fails until the log is opened again.
    #[error(
        "write to {file} at offset {offset} failed: {source}; the process must stop, a restart recovers what \
         was written before"
    )]
    WriteFailed {
        /// The file.
        file: String,
        /// Where the write was to go.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// What was written since the last sync may be lost. Everything after this fails until the log is opened
    /// again.
    #[error(
        "sync of {file} failed: {source}; the process must stop, a restart reads back what reached the disk"
    )]
    SyncFailed {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// An earlier write or sync failed. Nothing was written.
    #[error("the log takes nothing more since a write or sync failed; restart the process to recover")]
    Poisoned,
    /// Another operation on a file failed; what it was to change may or may not have changed.
    #[error("cannot {action} {file}: {source}; {}", way_out_of(source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file's bytes are not those that were written, or a file is gone. Nothing was changed.
    #[error("{file} is damaged at offset {offset}: {what}; {way_out}")]
    Damaged {
        /// The file.
        file: String,
        /// The first byte that cannot be trusted.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
        /// What a person can do.
        way_out: &'static str,
    },
    /// The log ends before what had been synced: the disk forgot bytes that it had promised to keep.
    /// Nothing was changed.
    #[error(
        "{file} ends at offset {offset}, log position {end}, but everything up to {durable} had been synced: \
         {lost} bytes are missing; restore the data folder from a copy or another node, or start once with \
         `--on-damage cut` to go on without them",
        lost = durable.0.saturating_sub(end.0)
    )]
    LostPromised {
        /// The segment in which the log ends.
        file: String,
        /// Where in it.
        offset: u64,
        /// Where the log ends.
        end: Position,
        /// Up to where it had been synced.
        durable: Position,
    },
    /// Written by a newer version. Nothing was changed.
    #[error("{file} has format {found}, this version reads up to {known}; start the version that wrote it")]
    Newer {
        /// The file.
        file: String,
        /// Its format, or the feature bits that are not known.
        found: u32,
        /// The newest format that is known here.
        known: u32,
    },
    /// The file belongs to another node or another log. Nothing was changed.
    #[error("{file} belongs to another node's log; put it back where it came from")]
    Foreign {
        /// The file.
        file: String,
    },
    /// The reader of recovered frames refused one. Nothing was changed.
    #[error("the frame in {file} at offset {offset} cannot be applied: {source}; {WAY_OUT_LOG}")]
    Refused {
        /// The segment.
        file: String,
        /// Where the frame begins.
        offset: u64,
        /// What the reader said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What to do about a damaged log.
pub(crate) const WAY_OUT_LOG: &str = "restore the data folder from a copy or another node, or start once with \
     `--on-damage cut` to keep what stands before it and set the rest aside";

/// What to do about a damaged checkpoint.
pub(crate) const WAY_OUT_CHECKPOINT: &str =
    "restore this file from a copy, or the whole data folder from a copy or another node";

/// What to do about a damaged identity.
pub(crate) const WAY_OUT_META: &str = "restore this file from a copy; it is small and never changes";

/// What to do about a file that cannot be worked with: too many open files say nothing of the disk.
fn way_out_of(error: &io::Error) -> &'static str {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    match error.raw_os_error() {
        Some(EMFILE) => {
            "this process has as many open files as it may: raise that limit (ulimit -n) and start it again"
        }
        Some(ENFILE) => "all processes together have as many open files as the system may have (fs.file-max)",
        _ => "check the disk and the rights on the data folder",
    }
}

impl LogError {
    pub(crate) fn io(action: &'static str, file: impl Into<String>) -> impl FnOnce(io::Error) -> LogError {
        let file = file.into();
        move |source| LogError::Io { action, file, source }
    }

    /// Whether this is want of room, which passes, rather than a fault.
    pub fn is_full(&self) -> bool {
        matches!(self, LogError::Full { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_open_files_are_not_blamed_on_the_disk() {
        let text =
            |number| LogError::io("create", "log-1.seg")(io::Error::from_raw_os_error(number)).to_string();
        assert!(text(24).contains("Too many open files") && text(24).contains("ulimit -n"), "{}", text(24));
        assert!(text(23).contains("fs.file-max"), "{}", text(23));
        assert!(text(13).ends_with("check the disk and the rights on the data folder"), "{}", text(13));
    }
}
