//! The history of a queue: a list to which clients push numbers of their own, and from which clients that wait take.
//!
//! What was taken was pushed, and by one client only; what was pushed is taken, or there at the end, unless someone took
//! it and was never told.

use std::collections::{BTreeMap, BTreeSet};

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Push {
    /// Asked for, or nobody knows.
    Open,
    Kept,
    Refused,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Queue {
    pushes: BTreeMap<u64, Push>,
    taken: BTreeSet<u64>,
    /// Takes of which nobody knows what they took.
    lost_takes: usize,
    /// A majority has lost its power, and with it what was done last, whichever that was.
    has_lost: bool,
    /// It may be taken away at any time, with all that is in it.
    pub(crate) may_vanish: bool,
}

impl Queue {
    pub(crate) fn asked(&mut self, value: u64) {
        self.pushes.insert(value, Push::Open);
    }

    pub(crate) fn kept(&mut self, value: u64) {
        self.pushes.insert(value, Push::Kept);
    }

    pub(crate) fn refused(&mut self, value: u64) {
        self.pushes.insert(value, Push::Refused);
    }

    pub(crate) fn lost_take(&mut self) {
        self.lost_takes += 1;
    }

    pub(crate) fn lose(&mut self) {
        self.has_lost = true;
    }

    fn check_pushed(&self, value: u64) -> Result<(), String> {
        match self.pushes.get(&value) {
            None => Err(format!("{value} was never pushed")),
            Some(Push::Refused) => Err(format!("{value} is there, and its push was said not to be applied")),
            Some(Push::Open | Push::Kept) => Ok(()),
        }
    }

    pub(crate) fn took(&mut self, value: u64) -> Result<(), String> {
        self.check_pushed(value)?;
        if !self.taken.insert(value) && !self.has_lost {
            return Err(format!("{value} was taken twice"));
        }
        Ok(())
    }

    /// What is there at the end.
    pub(crate) fn holds(&self, values: &[u64]) -> Result<(), String> {
        values.iter().try_for_each(|value| self.check_pushed(*value))?;
        if self.has_lost {
            return Ok(());
        }
        if let Some(value) = values.iter().find(|value| self.taken.contains(value)) {
            return Err(format!("{value} was taken and is still there"));
        }
        let is_missing = |(value, push): &(&u64, &Push)| {
            **push == Push::Kept && !self.taken.contains(value) && !values.contains(value)
        };
        let missing: Vec<u64> = self.pushes.iter().filter(is_missing).map(|(value, _)| *value).collect();
        if missing.len() > self.lost_takes && !self.may_vanish {
            return Err(format!(
                "{missing:?} were pushed and are gone, but only {} takes have no answer",
                self.lost_takes
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_loses_nothing_and_gives_nothing_twice() {
        let mut queue = Queue::default();
        for value in 1..=4 {
            queue.asked(value);
        }
        queue.kept(1);
        queue.kept(2);
        queue.refused(3);
        assert!(queue.took(9).is_err(), "from nowhere");
        assert!(queue.took(3).is_err(), "refused");
        assert!(queue.holds(&[1, 2, 4]).is_ok(), "of 4 nobody knows");
        assert!(queue.holds(&[2]).is_err(), "1 is gone");
        assert!(queue.took(1).is_ok() && queue.took(1).is_err(), "twice");
        assert!(queue.holds(&[1, 2]).is_err(), "taken and there");
        assert!(queue.holds(&[2]).is_ok());
        queue.lost_take();
        assert!(queue.holds(&[]).is_ok());
        queue.kept(4);
        assert!(queue.holds(&[]).is_err(), "one of two is gone");
        queue.may_vanish = true;
        assert!(queue.holds(&[]).is_ok() && queue.holds(&[1]).is_err(), "taken and there");
        queue.lose();
        assert!(queue.took(1).is_ok() && queue.took(3).is_err());
    }
}
