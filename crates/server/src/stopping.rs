//! The end of a node that others can do without: its workers hand over what they lead, then part from their clients, and
//! say how much of that is left.
//!
//! Invariant: what a worker said of one stage is not taken for its word on the next. Does not know: what is handed over,
//! and how (`node::handover`).

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex};
use std::time::Instant;

use base::WorkerId;

use crate::shared::lock;

/// What the workers of a node that stops do, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Give the leads away; clients are served as ever.
    HandOver,
    /// Take no new client, and close each that was answered all it sent.
    Part,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Stopping {
    /// What each worker said last: in which stage it is, and how much is left of that.
    said: Mutex<BTreeMap<WorkerId, (Stage, usize)>>,
    changed: Condvar,
}

impl Stopping {
    /// A worker has so much left to do in this stage.
    pub(crate) fn say(&self, worker: WorkerId, stage: Stage, left: usize) {
        let before = lock(&self.said).insert(worker, (stage, left));
        if before != Some((stage, left)) {
            self.changed.notify_all();
        }
    }

    /// Waits until so many workers have nothing left to do in a stage; how much is left when the time is over.
    pub(crate) fn wait_for(&self, stage: Stage, workers: usize, deadline: Instant) -> Result<(), usize> {
        let mut said = lock(&self.said);
        loop {
            let of_stage = said.values().filter(|(of, _)| *of == stage);
            let (heard, left) = of_stage.fold((0, 0), |(heard, sum), (_, left)| (heard + 1, sum + left));
            if heard == workers && left == 0 {
                return Ok(());
            }
            let time = deadline.checked_duration_since(Instant::now()).ok_or(left)?;
            let waited = self.changed.wait_timeout(said, time);
            said = waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_said_of_one_stage_is_not_taken_for_the_next() {
        let (stopping, now) = (Stopping::default(), Instant::now());
        stopping.say(WorkerId(0), Stage::HandOver, 0);
        assert_eq!(stopping.wait_for(Stage::HandOver, 2, now), Err(0), "one has said nothing");
        stopping.say(WorkerId(1), Stage::HandOver, 3);
        assert_eq!(stopping.wait_for(Stage::HandOver, 2, now), Err(3));
        stopping.say(WorkerId(1), Stage::HandOver, 0);
        let later = now + Duration::from_secs(60);
        assert_eq!(stopping.wait_for(Stage::HandOver, 2, later), Ok(()));
        assert_eq!(stopping.wait_for(Stage::Part, 2, now), Err(0));
    }
}
