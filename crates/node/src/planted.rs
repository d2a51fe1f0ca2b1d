//! Bugs that are planted in what a group wants done, and in what it is sent; only in a build for them.

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

/// With which stamp a replica applies an entry at this moment.
pub(crate) fn restamp(stamp: crate::operations::Stamp, now: base::Millis) -> crate::operations::Stamp {
    let time = if is(Plant::OwnTime) { now } else { stamp.time };
    crate::operations::Stamp { time, ..stamp }
}

/// Whether a replica tells what an entry does to keys.
pub(crate) fn tells(should: bool) -> bool {
    (should || is(Plant::ToldTwice)) && !is(Plant::ToldEarly)
}

/// A leader has taken a write.
pub(crate) fn taken(events: &mut engine::Events, head: &crate::errand::ErrandHead, args: base::Args<'_>) {
    if is(Plant::ToldEarly)
        && head.spec.name == "set"
        && let Some(key) = args.get(1)
    {
        events.tell_planted(engine::Event::Set, head.db, key);
    }
}

/// What a leader sends of a chunk of a partition's state: its first byte says of what.
pub(crate) fn spoil_chunk(mut chunk: Vec<u8>) -> Vec<u8> {
    let is_ledger = chunk.first() == Some(&crate::checkpoint::LEDGER_CHUNK);
    if is(Plant::EmptySnapshot) && !is_ledger || is(Plant::ForgottenLedger) && is_ledger {
        chunk.truncate(1);
    }
    chunk
}
