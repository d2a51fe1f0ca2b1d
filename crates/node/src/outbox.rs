//! What a turn wants done: the only way anything leaves a worker.
//!
//! The order is a promise. A shell first says in the folder at which `level` it is, if
//! that has changed; then it appends `frame` to the log and tells the worker where it ended
//! ([`Worker::appended`](crate::Worker::appended)); then it passes on `messages`; then it sends. So nobody
//! hears of a write that a kill of the process could take back.

use std::sync::Arc;
use std::time::Duration;

use base::{Millis, PartitionId, WorkerId};

use crate::acl::password::Job;
use crate::message::Message;
use crate::other_cluster::JoinWish;
use crate::report::Report;
use crate::settings::Settings;

/// What one turn left to be done.
#[derive(Default)]
pub struct Outbox {
    /// The folder is at this level from now on: to be on stable storage before anything else of this turn is.
    pub level: Option<cluster::Level>,
    /// Records for the log; one frame, all or nothing. Empty: nothing to append. The shell takes or clears it.
    pub frame: Vec<u8>,
    /// Some answer waits until the frame, and all before it, is on stable storage.
    pub sync: bool,
    /// For other workers of this node.
    pub messages: Vec<(WorkerId, Message)>,
    /// Frames for other nodes, by their number in the groups; after the append, like messages.
    pub peers: Vec<(u64, Vec<u8>)>,
    /// The same with signs of life and votes: they may overtake what was sent before, and must not wait for it.
    pub urgent: Vec<(u64, Vec<u8>)>,
    /// Sessions, by token, that have something to send.
    pub send: Vec<u32>,
    /// Sessions, by token, to be closed without sending more. Their sockets are gone after this turn.
    pub close: Vec<u32>,
    /// Writes to checkpoint files, in order.
    pub checkpoints: Vec<CheckpointWrite>,
    /// Passwords to be looked at, on another thread; the answers come by
    /// [`Worker::passwords_solved`](crate::Worker::passwords_solved).
    pub passwords: Vec<Job>,
    /// What concerns the whole node.
    pub control: Vec<Control>,
    /// Keep this worker busy for so long (`DEBUG SLEEP`).
    pub sleep: Option<Duration>,
}

/// One step of writing a partition's checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointWrite {
    /// A round begins on this worker: this turn's frame has again what no checkpoint holds.
    RoundBegins,
    /// A new file; the state is that after entry `index`, and the log before this turn's frame is covered. One of the
    /// partition that is still open is given up.
    Begin {
        /// Of which partition.
        partition: PartitionId,
        /// Last entry it includes.
        index: u64,
        /// The term of the group then.
        term: u64,
        /// The partition's time then, before which none may be after a restart.
        time: Millis,
        /// It comes from another node, and stands for itself: no round of checkpoints.
        is_received: bool,
    },
    /// Records of keys.
    Chunk {
        /// Of which partition.
        partition: PartitionId,
        /// The bytes: a database number, then records; see docs/formats/checkpoint.md.
        bytes: Vec<u8>,
    },
    /// The file is whole. The shell syncs it, names it, and answers with
    /// [`Worker::checkpoint_done`](crate::Worker::checkpoint_done), also if it came to nothing.
    End {
        /// Of which partition.
        partition: PartitionId,
    },
    /// The round is over on this worker.
    RoundEnds {
        /// Its partitions whose state is here: each needs its newest checkpoint, and the log behind it.
        held: Vec<PartitionId>,
        /// Its partitions that have no state here; checkpoints of them are of an earlier time, and go.
        gone: Vec<PartitionId>,
    },
}

/// What became of a partition's checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointDone {
    /// Of which partition.
    pub partition: PartitionId,
    /// As it was said when it began.
    pub is_received: bool,
    /// It is on stable storage; if not, there was no room for it.
    pub is_written: bool,
}

/// Something the shell must do for the whole node.
#[derive(Clone, Debug, PartialEq)]
pub enum Control {
    /// Stop, as by SIGTERM.
    Shutdown {
        /// Write a checkpoint first.
        save: bool,
    },
    /// Settings changed at run time; the shell applies those that are its own.
    SettingsChanged(Arc<Settings>),
    /// The fabric's state changed: whom to be connected with, and where.
    FabricChanged(Arc<cluster::Meta>),
    /// What became of something that the shell asked of the fabric.
    Agreed {
        /// The shell's number for it.
        number: u64,
        /// Why it was refused.
        result: Result<(), String>,
    },
    /// What the shell asked for with [`Worker::ask_report`](crate::Worker::ask_report).
    Reported {
        /// The shell's number for it.
        number: u64,
        /// The figures.
        report: Box<Report>,
    },
    /// Give up the own cluster for another; what becomes of it is told by
    /// [`Worker::told_of_join`](crate::Worker::told_of_join).
    Join(JoinWish),
    /// No replica of this worker may have forgotten anything any more; said once, after a start in doubt.
    Certain,
    /// The node cannot go on, and says why; nothing of this turn may leave.
    Fail(String),
}
