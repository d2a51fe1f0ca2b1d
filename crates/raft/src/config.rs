//! What a group is told at its start: its limits, and what its disk remembers.

use crate::{Entry, EntryId, Members};

/// The fixed choices of one replica of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// This replica's id among the voters. Not zero.
    pub node: u64,
    /// The group's number, the same on all replicas; only mixed into the seed here.
    pub group: u16,
    /// Source of election timeouts and read tokens. Must differ from one start to the next, or an answer to a
    /// read of the last life could be taken for one of this life.
    pub seed: u64,
    /// Ticks between two heartbeats of a leader.
    pub heartbeat_ticks: u16,
    /// Ticks without a leader before an election: a draw between this and twice this.
    pub election_ticks: u16,
    /// Applied entries kept in memory to send to peers that lag a little; those further back get a snapshot.
    pub tail_bytes_max: usize,
    /// Entries proposed and not yet committed; more are refused, so that a cut-off leader cannot fill memory.
    pub uncommitted_bytes_max: usize,
    /// Entries in one message.
    pub message_bytes_max: usize,
    /// Messages on their way to one peer.
    pub inflight_messages_max: usize,
    /// It votes and keeps the log, and no state: it keeps entries until it is told that others have them
    /// ([`Group::others_stored`](crate::Group::others_stored)), never makes a snapshot, and stands for election last.
    pub is_witness: bool,
}

/// Up to where those members that have a state have the log on stable storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// All of them.
    pub by_all: u64,
    /// Those that are there at the moment, one at least.
    pub by_present: u64,
}

impl GroupConfig {
    /// The usual limits.
    pub fn new(node: u64, group: u16, seed: u64) -> GroupConfig {
        GroupConfig {
            node,
            group,
            seed,
            heartbeat_ticks: 2,
            election_ticks: 10,
            tail_bytes_max: 1 << 20,
            uncommitted_bytes_max: 64 << 20,
            message_bytes_max: 256 << 10,
            inflight_messages_max: 64,
            is_witness: false,
        }
    }
}

/// What must be on disk before its consequences leave: forgetting it could elect two leaders in one term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// The latest term seen.
    pub term: u64,
    /// Who got this replica's vote in that term, zero for nobody.
    pub vote: u64,
    /// Highest index known to be committed. May lag on disk without harm.
    pub commit: u64,
}

/// What the disk remembers of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The last hard state that was logged.
    pub hard: HardState,
    /// The members as of `applied`.
    pub members: Members,
    /// The last entry that a snapshot or checkpoint holds.
    pub snapshot: EntryId,
    /// The last entry in the log; equal to `snapshot` if the log is empty.
    pub last: EntryId,
    /// The last index whose entry the caller has applied. Those after it up to the commit come again from
    /// [`Group::ready`](crate::Group::ready). A lone voter whose log has data entries only has applied all of
    /// it; if it has a change of members after `applied`, the engine decides what became of that.
    pub applied: u64,
    /// Entries to keep in memory: all after `applied`, and any run before it.
    pub tail: Vec<Entry>,
}

impl Recovered {
    /// A new group whose only voter is `node`. Its log begins after index 1, see [`EntryId::FOUNDED`].
    pub fn founder(node: u64) -> Recovered {
        Recovered::lone(node, HardState::default(), EntryId::FOUNDED)
    }

    /// A group whose only voter is `node` and whose log ends at `last`.
    pub fn lone(node: u64, hard: HardState, last: EntryId) -> Recovered {
        Recovered {
            hard,
            members: Members::lone(node),
            snapshot: last,
            last,
            applied: last.index,
            tail: Vec::new(),
        }
    }

    /// A replica that knows nothing: it never votes or leads before a leader has sent it a snapshot.
    pub fn joiner() -> Recovered {
        Recovered {
            hard: HardState::default(),
            members: Members::default(),
            snapshot: EntryId::default(),
            last: EntryId::default(),
            applied: 0,
            tail: Vec::new(),
        }
    }
}
