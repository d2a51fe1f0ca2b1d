//! The node's log on disk, and its checkpoint files. Knows bytes only: no consensus, no commands, no clock.
//!
//! One log serves all groups of a node. Each turn of a worker appends one *frame*; a disk thread syncs on the
//! side. Checkpoints are files of their own, and the log is cut behind them.
//!
//! ```
//! # use std::sync::Arc;
//! use log::{Log, LogOptions, MemoryDisk};
//!
//! let disk = Arc::new(MemoryDisk::new());
//! let (mut log, _) = Log::open(disk.clone(), LogOptions::new(7), &mut |_, _| Ok(()), &mut |_, _| {})?;
//! log.reserve(4096)?; // Refuse writes here if there is no room.
//! let end = log.append(b"a turn's entries")?;
//! assert!(log.sync_handle().sync()? >= end);
//!
//! let mut frames = 0;
//! let mut count = |_, _: &[u8]| { frames += 1; Ok(()) };
//! Log::open(disk, LogOptions::new(7), &mut count, &mut |_, _| {})?;
//! assert_eq!(frames, 1);
//! # Ok::<(), log::LogError>(())
//! ```
//!
//! Main types: [`Log`] and [`SyncHandle`] (writing), [`Recovered`] (what opening found), [`ReadLog`] (the same, where
//! nothing may be changed), [`CheckpointWriter`] and [`CheckpointReader`], [`NodeMeta`] (who this node is), [`Disk`] (what
//! all of it stands on), [`MemoryDisk`] (a disk that crashes on demand).
//!
//! Invariants: what a sync covered is there after a power loss, and what an append returned is there after
//! the process dies, or opening says which file lost it. Positions only grow and never mean two things.
//! Bytes from the disk never panic us. Nothing is removed because something else looks missing.
//!
//! The formats are in `docs/formats/log.md` and `docs/formats/checkpoint.md`.

mod disk;
mod error;
mod frame;
mod level;
mod memory;
mod meta;
mod recovery;
mod room;
mod round_room;
mod rounds;
mod schedule;
mod segment;
mod snapshot_file;
mod watermark;
mod writer;

pub use disk::{Disk, DiskFile, Space};
pub use error::LogError;
pub use level::FolderLevel;
pub use memory::{Crash, Fault, MemoryDisk, Operation};
pub use meta::NodeMeta;
pub use recovery::{Cut, ReadLog, Recovered};
pub use round_room::RoundRoom;
pub use rounds::Rounds;
pub use schedule::{Look, Schedule};
pub use snapshot_file::{CheckpointHeader, CheckpointInfo, CheckpointReader, CheckpointWriter, Checkpoints};
pub use watermark::retained_from;
pub use writer::{Log, SyncHandle};

/// A place in the log: bytes since its beginning, over all segments there ever were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What to do when the log is damaged or ends before what had been synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDamage {
    /// Change nothing and say so.
    Refuse,
    /// Keep what stands before the damage; what stands behind is set aside under `.damaged` names.
    Cut,
}

/// How a log is opened.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The log's secret, drawn once and kept in [`NodeMeta`]: no client can store bytes that read as ours.
    pub salt: u64,
    /// The kernel's boot id, zeros if unknown. If it is that of the last run, the page cache has lived on
    /// and every byte that was written must be there.
    pub boot_id: [u8; 16],
    /// Bytes of a segment, 64 MiB. Smaller when little room is left, larger for a frame that needs it.
    pub segment_bytes: u64,
    /// Bytes that the log leaves free, so that a checkpoint can be written: 256 MiB, at most an eighth of
    /// the disk.
    pub free_bytes_min: u64,
    /// The oldest position that must be there: the least log position of the newest checkpoints.
    pub needed_from: Position,
    /// A position known from elsewhere to have been synced: the greatest log position of the checkpoints.
    pub durable: Position,
    /// What to do about damage.
    pub on_damage: OnDamage,
}

impl LogOptions {
    /// The usual sizes, a log that is needed from its beginning, and no tolerance of damage.
    pub fn new(salt: u64) -> LogOptions {
        LogOptions {
            salt,
            boot_id: [0; 16],
            segment_bytes: 64 << 20,
            free_bytes_min: 256 << 20,
            needed_from: Position(0),
            durable: Position(0),
            on_damage: OnDamage::Refuse,
        }
    }
}
