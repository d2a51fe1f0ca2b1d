//! The history of a queue: a list to which clients push numbers of their own, and from which clients that wait take.
//!
//! What was taken was pushed, and by one client only; what was pushed is taken, or there at the end, unless someone took
//! it and was never told. Who came first is not judged: a client has its place once it is registered where the key is led,
//! which no client sees, and loses its turn while its node stands still.

use std::collections::{BTreeMap, BTreeSet};

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Push {
    /// Asked for, or nobody knows.
    Open,
    Kept,
    Refused,
}

/// Elements that one push may bring, so that several clients are told at once.
const ELEMENTS_MAX: u64 = 3;

/// What a push brings, by its number.
pub(crate) fn elements(push: u64) -> impl Iterator<Item = u64> {
    (0..=push % ELEMENTS_MAX).map(move |place| push * ELEMENTS_MAX + place)
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
    pub(crate) fn asked(&mut self, push: u64) {
        self.pushes.extend(elements(push).map(|value| (value, Push::Open)));
    }

    pub(crate) fn kept(&mut self, push: u64) {
        self.pushes.extend(elements(push).map(|value| (value, Push::Kept)));
    }

    pub(crate) fn refused(&mut self, push: u64) {
        self.pushes.extend(elements(push).map(|value| (value, Push::Refused)));
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
        // Each brings one element.
        let [one, two, three, four] = [3, 6, 9, 12].map(|push| push * ELEMENTS_MAX);
        for push in [3, 6, 9, 12] {
            queue.asked(push);
        }
        queue.kept(3);
        queue.kept(6);
        queue.refused(9);
        assert!(queue.took(1).is_err(), "from nowhere");
        assert!(queue.took(three).is_err(), "refused");
        assert!(queue.holds(&[one, two, four]).is_ok(), "of the fourth nobody knows");
        assert!(queue.holds(&[two]).is_err(), "the first is gone");
        assert!(queue.took(one).is_ok() && queue.took(one).is_err(), "twice");
        assert!(queue.holds(&[one, two]).is_err(), "taken and there");
        assert!(queue.holds(&[two]).is_ok());
        queue.lost_take();
        assert!(queue.holds(&[]).is_ok());
        queue.kept(12);
        assert!(queue.holds(&[]).is_err(), "one of two is gone");
        queue.may_vanish = true;
        assert!(queue.holds(&[]).is_ok() && queue.holds(&[one]).is_err(), "taken and there");
        queue.lose();
        assert!(queue.took(one).is_ok() && queue.took(three).is_err());
    }

    #[test]
    fn a_push_brings_one_to_three_elements_of_its_own() {
        let brought = [6, 7, 8].map(|push| elements(push).collect::<Vec<_>>());
        assert_eq!(brought, [vec![18], vec![21, 22], vec![24, 25, 26]]);
    }
}
