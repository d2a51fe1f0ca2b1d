//! Who votes in the meta group.
//!
//! A few members, the same ones for as long as possible: every change is a change of membership of the group that
//! all others depend on. An odd number, because an even one costs a vote more for the same tolerance; two are the
//! exception, since one voter of two nodes would lose the cluster with it. A voter that is down keeps its seat while
//! nobody can take it.

use base::{Millis, NodeId};

use super::Meta;
use crate::member::MemberState;

/// Most voters of the meta group.
pub const META_VOTERS_MAX: usize = 5;

impl Meta {
    /// Chooses the voters anew after a change of members.
    pub(super) fn settle_voters(&mut self) {
        let by_age = |meta: &Meta, state: MemberState, is_voter: bool| -> Vec<NodeId> {
            let members = meta.members().filter(|member| member.state == state);
            let mut found: Vec<(Millis, NodeId)> = members
                .filter(|member| meta.voters.contains(&member.node) == is_voter)
                .map(|member| (member.joined, member.node))
                .collect();
            found.sort_unstable();
            found.into_iter().map(|(_, node)| node).collect()
        };
        let mut pool = by_age(self, MemberState::Up, true);
        pool.extend(by_age(self, MemberState::Up, false));
        let up = pool.len();
        let someone_leaves = self.members().any(|member| member.state == MemberState::Leaving);
        let down = by_age(self, MemberState::Down, true);
        pool.extend(down.iter().take(seats_for_absent(up, down.len(), someone_leaves)));
        pool.truncate(match pool.len() {
            few @ 1..=3 => few,
            4 => 3,
            _ => META_VOTERS_MAX,
        });
        // With nobody up there is nobody who could commit a change either: all stays as it is.
        if up > 0 {
            pool.sort_unstable();
            self.voters = pool;
        }
        self.voters.retain(|node| self.members.get(node).is_some_and(|member| member.state.is_live()));
        if self.voters.is_empty() {
            // The last voter was struck off while nobody was up: somebody must be able to take up the group.
            let rest = [MemberState::Leaving, MemberState::Down, MemberState::Joining];
            self.voters = rest.into_iter().flat_map(|state| by_age(self, state, false)).take(1).collect();
        }
    }
}

/// How many that are down may keep a seat beside those that are up. All of them, normally: a seat lost would have to
/// be caught up with again. While somebody hands over to go, fewer than those that are up: else the new group
/// had no majority without the one that goes, and it could never go.
pub(crate) fn seats_for_absent(up: usize, absent: usize, someone_leaves: bool) -> usize {
    if someone_leaves { absent.min(up.saturating_sub(1)) } else { absent }
}
