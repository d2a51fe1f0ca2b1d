//! When a worker's groups propose: together, once there are many that do.
//!
//! A frame to a peer costs the same whatever is in it, and so does a turn that takes one. With many groups that each propose
//! as soon as their last entry is decided, every answer of a peer sets off a frame of its own. So while some entries are
//! under way, what other groups have collected waits until most of those are decided, and then goes in one frame to each
//! peer. With few under way nobody waits: there is nothing to be gathered.
//!
//! Invariant: nobody waits for longer than [`WAIT_US`], and until the loop wakes, for the entries of others, which may never be decided. Does not know:
//! what is proposed.

use base::{Millis, PartitionId};

/// So many entries of a worker's groups are under way without keeping others from it.
const FEW: usize = 4;
/// So long, in microseconds, they do: some round trips of a local network. Who waits is woken by a clock of milliseconds.
const WAIT_US: u64 = 1000;

/// See the module.
#[derive(Default)]
pub(crate) struct Pace {
    /// Groups that have proposed and may not have had it decided.
    under_way: Vec<PartitionId>,
    /// Groups that have collected something and wait.
    waiting: Vec<PartitionId>,
    is_closed: bool,
    /// Steady clock, microseconds: when who waits has waited for long enough.
    ends_us: u64,
}

impl Pace {
    /// Whether a group may propose now; if not it is [told](Pace::look) when it may.
    pub(crate) fn admits(&mut self, id: PartitionId) -> bool {
        let (list, is_admitted) = match self.is_closed {
            true => (&mut self.waiting, false),
            false => (&mut self.under_way, true),
        };
        if !list.contains(&id) {
            list.push(id);
        }
        is_admitted
    }

    /// Looks at what is under way: those that may go on now, if they had to wait.
    pub(crate) fn look(
        &mut self,
        now_us: u64,
        is_under_way: impl Fn(PartitionId) -> bool,
    ) -> Vec<PartitionId> {
        self.under_way.retain(|id| is_under_way(*id));
        if self.is_closed && now_us >= self.ends_us {
            self.under_way.clear();
        }
        let was_closed = std::mem::replace(&mut self.is_closed, self.under_way.len() >= FEW);
        match self.is_closed {
            true if was_closed => Vec::new(),
            true => {
                self.ends_us = now_us + WAIT_US;
                Vec::new()
            }
            false => std::mem::take(&mut self.waiting),
        }
    }

    /// Whether nothing is under way, so that nobody would wait for whatever is done now.
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// When those that wait are to go on at the latest, on the steady clock.
    pub(crate) fn next_run(&self) -> Millis {
        match self.waiting.is_empty() {
            true => Millis::NEVER,
            false => Millis(self.ends_us.div_ceil(1000)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(numbers: std::ops::Range<u16>) -> Vec<PartitionId> {
        numbers.map(PartitionId).collect()
    }

    #[test]
    fn few_keep_nobody_and_many_keep_others_until_they_are_decided() {
        let mut pace = Pace::default();
        assert!(ids(0..3).into_iter().all(|id| pace.admits(id)));
        assert_eq!(pace.look(0, |_| true), []);
        assert!(ids(3..9).into_iter().all(|id| pace.admits(id)), "whoever comes in one turn goes together");
        assert_eq!(pace.look(10, |_| true), []);
        assert!(ids(20..23).into_iter().all(|id| !pace.admits(id)));
        assert!(!pace.admits(PartitionId(20)), "asking again changes nothing");
        assert_eq!(pace.look(20, |id| id.0 < 4), [], "four are under way");
        assert_eq!(pace.look(30, |id| id.0 < 3), ids(20..23));
        assert!(ids(20..23).into_iter().all(|id| pace.admits(id)));
    }

    #[test]
    fn nobody_waits_for_ever_for_what_is_not_decided() {
        let mut pace = Pace::default();
        assert!(ids(0..4).into_iter().all(|id| pace.admits(id)));
        assert_eq!((pace.look(500, |_| true), pace.next_run()), (vec![], Millis::NEVER));
        assert!(!pace.admits(PartitionId(9)));
        assert_eq!((pace.look(1499, |_| true), pace.next_run()), (vec![], Millis(2)));
        assert_eq!(pace.look(1500, |_| true), ids(9..10));
        assert!(pace.admits(PartitionId(9)), "and what is stuck counts no more");
        assert_eq!(pace.look(1600, |_| true), []);
        assert!(pace.admits(PartitionId(10)));
    }
}
