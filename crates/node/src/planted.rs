//! Bugs that are planted in what a group wants done; only in a build for them.

use base::plant::{Plant, is};
use raft::Ready;

/// Leaves out, or adds, what the bug that is planted does wrong.
pub(crate) fn spoil(ready: &mut Ready, is_leader: bool) {
    if is(Plant::FollowerForgets) && !is_leader {
        ready.entries.clear();
    }
    if is(Plant::VoteNotSaved) {
        ready.hard_state = None;
    }
    if is(Plant::MinorityCommit) && is_leader {
        ready.committed.extend_from_slice(&ready.entries);
    }
}
