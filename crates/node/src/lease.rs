//! How long a leader may read alone: as long as nobody else can have been elected.
//!
//! Whoever was heard of elects nobody for an election timeout after it. So a leader reads by itself within a share of
//! that time, counted from when it sent what a majority has answered. All times are of its own steady clock. Does not
//! know: messages, partitions.

use raft::Members;

use crate::acks::majority_of;
use crate::fabric::ELECTION_US;

/// Half of the shortest time to an election: clocks may run at different speeds.
pub(crate) const LEASE_US: u64 = ELECTION_US / 2;

/// How long a leader knows that nobody else leads.
#[derive(Default)]
pub(crate) struct Lease {
    /// By peer: the time, on this node's steady clock, when something was sent that the peer has answered since.
    heard: Vec<(u64, u64)>,
    /// In this term the lead was offered to another, who may take it at any time.
    pub(crate) off_in_term: u64,
}

impl Lease {
    /// A peer answered what was sent to it at `stamp_us`.
    pub(crate) fn hear(&mut self, peer: u64, stamp_us: u64) {
        match self.heard.iter_mut().find(|(other, _)| *other == peer) {
            Some((_, stamp)) => *stamp = (*stamp).max(stamp_us),
            None => self.heard.push((peer, stamp_us)),
        }
    }

    /// When something was sent that the peer has answered.
    pub(crate) fn stamp_of(&self, peer: u64) -> u64 {
        self.heard.iter().find(|(other, _)| *other == peer).map_or(0, |(_, stamp)| *stamp)
    }

    /// When a majority of `voters` was last known to follow; `now_us` if `me` is majority enough.
    fn majority(&self, me: u64, voters: &[u64], now_us: u64) -> u64 {
        majority_of(voters, |voter| if voter == me { now_us } else { self.stamp_of(voter) }).min(now_us)
    }

    /// When all majorities that decide were last known to follow.
    pub(crate) fn since(&self, me: u64, members: &Members, now_us: u64) -> u64 {
        let outgoing = self.majority(me, &members.voters_outgoing, now_us);
        self.majority(me, &members.voters, now_us).min(outgoing)
    }

    /// Nothing is known of this term's followers yet.
    pub(crate) fn reset(&mut self) {
        self.heard.clear();
    }
}
