//! What can go wrong, by what the caller does about it.

use crate::{EntryId, Message};

/// The disk's memory of a group contradicts itself. No group was made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecoverError {
    /// The configuration cannot work.
    #[error("group cannot start: {0}")]
    Config(String),
    /// Two facts of [`Recovered`](crate::Recovered) exclude each other.
    #[error("recovered state contradicts itself: {0}; the log or checkpoint is damaged, run `narf check`")]
    Contradiction(String),
}

/// A proposal that did not enter the log; nothing changed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProposeError {
    /// Somebody else leads, or nobody.
    #[error("not the leader of this group; ask {leader:?}")]
    NotLeader {
        /// The leader, if it is known.
        leader: Option<u64>,
    },
    /// Too much is on its way, or the lead is being handed over; retry after some commits.
    #[error("too many uncommitted bytes or a leader transfer under way; retry after the next commit")]
    Busy,
    /// One change of members at a time: an earlier one is not applied yet.
    #[error("a change of members is still under way; retry when it is applied")]
    ChangePending,
    /// The change cannot be made from the present members.
    #[error("change of members refused: {0}")]
    BadChange(&'static str),
}

/// A message that was not taken; nothing changed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StepError {
    /// The group is a lone voter's and has no engine; it has no peers.
    #[error("message for a group that has no peers")]
    Alone,
    /// Sent to or from the wrong replica.
    #[error("message from {from} to {to} reached {node}")]
    Misaddressed {
        /// The sender.
        from: u64,
        /// The replica it was meant for.
        to: u64,
        /// The replica it reached.
        node: u64,
    },
    /// The sender is no member here.
    #[error("message of {from}, who is no member")]
    UnknownPeer {
        /// The sender.
        from: u64,
    },
    /// The sender acknowledges an entry behind the last of this leader: it has what all who decide have lost.
    #[error("message of {from}, who has entry {index}, behind the last here, {last:?}")]
    Ahead {
        /// The sender.
        from: u64,
        /// What it has.
        index: u64,
        /// The last entry here.
        last: EntryId,
    },
    /// The message's parts do not fit each other.
    #[error("malformed message of {from}: {reason}")]
    Malformed {
        /// The sender.
        from: u64,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// The leader believes that this replica has entries which it has not: its disk lost acknowledged data.
    #[error("leader {from} counts on entry {commit}, but the log ends at {last:?}; replace this replica")]
    LostLog {
        /// The leader.
        from: u64,
        /// The commit index it announced.
        commit: u64,
        /// The last entry here.
        last: EntryId,
    },
}

impl StepError {
    pub(crate) fn malformed(message: &Message, reason: &'static str) -> StepError {
        StepError::Malformed { from: message.from(), reason }
    }
}

/// Bytes that are no entry or message.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// They end too early.
    #[error("bytes end before the value does")]
    Short,
    /// They go on after the value.
    #[error("{bytes} bytes after the value")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A kind of a newer version, or damage.
    #[error("unknown kind {kind} of {what}")]
    UnknownKind {
        /// Kind of what.
        what: &'static str,
        /// The byte found.
        kind: u8,
    },
    /// A term, index or id beyond what any log reaches.
    #[error("number {number} is beyond any term, index or id")]
    TooLarge {
        /// The number.
        number: u64,
    },
    /// Not the one form that this value has.
    #[error("not in canonical form: {0}")]
    NotCanonical(&'static str),
}
