//! The simulated clocks of a machine: a steady one, and a wall clock that an operator or a time server sets.
//!
//! Invariants: the steady clock only grows; every wall time ever shown can be asked for afterwards, for that is
//! what the oracle judges deadlines by.

use base::Now;

/// Where the wall clock begins: far enough from zero to be set back.
const WALL_START_US: u64 = 1_700_000_000_000_000;

/// Both clocks.
pub struct Clock {
    mono_us: u64,
    /// From which steady time on the wall clock is how far ahead of the steady one.
    steps: Vec<(u64, u64)>,
    latest_wall_us: u64,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock { mono_us: 1_000_000, steps: vec![(0, WALL_START_US)], latest_wall_us: 0 }
    }
}

impl Clock {
    /// The time now.
    pub fn now(&self) -> Now {
        Now { wall_us: self.mono_us + self.ahead(), mono_us: self.mono_us }
    }

    fn ahead(&self) -> u64 {
        self.steps.last().map_or(WALL_START_US, |&(_, ahead)| ahead)
    }

    /// Time passes.
    pub fn advance(&mut self, by_us: u64) {
        self.mono_us += by_us;
        self.latest_wall_us = self.latest_wall_us.max(self.now().wall_us);
    }

    /// The wall clock is set.
    pub fn step(&mut self, by_us: i64) {
        self.steps.push((self.mono_us, self.ahead().saturating_add_signed(by_us)));
        self.latest_wall_us = self.latest_wall_us.max(self.now().wall_us);
    }

    /// The earliest wall time shown since a steady time, and the latest ever, in milliseconds. The time of an
    /// entry made meanwhile lies between: it is the wall clock, or that of an earlier entry.
    pub fn window_since(&self, mono_us: u64) -> Window {
        let mut earliest = u64::MAX;
        for (number, &(from, ahead)) in self.steps.iter().enumerate() {
            let until = self.steps.get(number + 1).map_or(self.mono_us, |next| next.0);
            if until >= mono_us {
                earliest = earliest.min(from.max(mono_us) + ahead);
            }
        }
        Window { from: earliest / 1000, until: self.latest_wall_us.max(self.now().wall_us) / 1000 }
    }
}

/// Between which times, in milliseconds of the wall clock, something must have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Not before.
    pub from: u64,
    /// Not after.
    pub until: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_holds_every_wall_time_that_was_shown() {
        let mut clock = Clock::default();
        let start = clock.now();
        clock.advance(5_000);
        clock.step(60_000_000);
        clock.advance(1_000);
        let ahead = clock.now();
        clock.step(-90_000_000);
        clock.advance(1_000);
        let window = clock.window_since(start.mono_us);
        assert_eq!(window.until, ahead.wall_us / 1000);
        assert_eq!(window.from, (clock.now().wall_us - 1_000) / 1000);
        assert_eq!(clock.window_since(clock.now().mono_us).from, clock.now().wall_us / 1000);
    }
}
