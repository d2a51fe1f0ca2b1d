//! What comes out of a group: work, positions and wishes.

use bytes::Bytes;

use crate::{Entry, EntryId, HardState, Members, Message};

/// Work to be done, in this order; then comes [`Group::advance`](crate::Group::advance).
///
/// ```text
///  messages ──▶ peers                        (a leader's appends: safe before its own disk has them)
///  snapshot ──▶ replaces state and log       (if any)
///  entries + hard_state ──▶ log              (synced if `must_sync`)
///  messages_after ──▶ peers                  (votes and acknowledgements: promises about the log)
///  committed ──▶ state machine               (any time after the snapshot, in order)
/// ```
#[derive(Debug)]
#[must_use = "work of a group is to be done and then advanced"]
pub struct Ready {
    /// To be sent at once; waiting until the append is allowed too.
    pub messages: Vec<Message>,
    /// To be installed in place of all data and log; what is before it in the log is void.
    pub snapshot: Option<Snapshot>,
    /// To be appended. The first may lie before the end of the log: it and all after it are replaced.
    pub entries: Vec<Entry>,
    /// To be logged with them. A commit alone is not.
    pub hard_state: Option<HardState>,
    /// Sync before messages, whatever level clients asked for: a term, vote or membership changed, or the only voter has
    /// learners.
    pub must_sync: bool,
    /// To be sent when all of the above is appended, never before: they promise that it is.
    pub messages_after: Vec<Message>,
    /// To be applied. Changes of members are applied to the group already.
    pub committed: Vec<Entry>,
    /// The members after `committed` (or `snapshot`), if it changed them: keep them with the applied index.
    pub members: Option<Members>,
    /// Reads that may be served once this index is applied.
    pub reads: Vec<(ReadToken, u64)>,
    pub(crate) raw: tikv_raft::Ready,
}

/// What became possible because the append is done.
#[derive(Debug, Default, PartialEq)]
#[must_use = "committed entries are to be applied"]
pub struct Advanced {
    /// The commit index, if it moved. May be logged with the next append.
    pub commit: Option<u64>,
    /// To be sent.
    pub messages: Vec<Message>,
    /// To be applied. Changes of members are applied to the group already.
    pub committed: Vec<Entry>,
    /// The members after `committed`, if it changed them.
    pub members: Option<Members>,
}

/// The state after one entry, as opaque bytes: the data itself or directions where to fetch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The last entry it holds.
    pub id: EntryId,
    /// The members at that entry.
    pub members: Members,
    /// Whatever the caller put in.
    pub data: Bytes,
}

/// A peer is too far behind for the log in memory: make a snapshot and
/// [offer](crate::Group::offer_snapshot) it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotWish {
    /// The peer.
    pub to: u64,
    /// It must hold at least this index.
    pub at_least: u64,
}

/// A question for the read index; its answer carries the same token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadToken(pub u64);

/// A replica's part at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Follows a leader or waits for one.
    Follower,
    /// Asks whether it could win an election.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Leads.
    Leader,
}

/// How far a peer has come, as its leader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The last index that it is known to have on its log.
    pub matched: u64,
    /// Whether it was heard from in the last election timeout.
    pub is_active: bool,
    /// Whether it is waiting for a snapshot.
    pub needs_snapshot: bool,
}
