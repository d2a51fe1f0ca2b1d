//! The simulated clocks of a machine: a steady one, a wall clock that an operator or a time server sets, and between them
//! and the node the clock that takes no jumps, as in the server's shell.
//!
//! Invariants: the steady clock only grows; what a node was ever shown can be asked for afterwards, for that is what the
//! oracle judges deadlines by; within one life of the process it goes at the pace of the steady clock, a tenth more or less,
//! whatever becomes of the system's, unless an operator accepts that, and from where the process knew what time it is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::{ClockState, CommonWall, Company, Millis, Now, SettledBy};

/// Where the wall clock begins: far enough from zero to be set back.
pub(crate) const WALL_START_US: u64 = 1_700_000_000_000_000;

const SECOND_US: i64 = 1_000_000;
const HOUR_US: i64 = 3600 * SECOND_US;
const YEAR_US: i64 = 365 * 24 * HOUR_US;

/// What the clock is set by, but for a few milliseconds: by little, by what is just followed and what is not, and far off.
const STEPS_US: [i64; 14] = [
    -50_000,
    -5_000,
    5_000,
    50_000,
    -SECOND_US,
    SECOND_US,
    4 * SECOND_US,
    -6 * SECOND_US,
    6 * SECOND_US,
    -HOUR_US,
    HOUR_US,
    -YEAR_US,
    YEAR_US,
    // 1970.
    i64::MIN,
];

/// What a system's clock is when a process starts, beside right: a second start after such a one is no further off.
const WRONG_US: [i64; 7] =
    [-6 * SECOND_US, 6 * SECOND_US, -HOUR_US, HOUR_US, 20 * HOUR_US, -YEAR_US, i64::MIN];

/// The system's clocks and the node's, which its workers ask.
pub(crate) struct Wall {
    pub(crate) system: Now,
    pub(crate) common: CommonWall,
}

/// The same, for the clock and the hosts of the workers.
#[derive(Clone)]
pub(crate) struct SharedWall(Arc<Mutex<Wall>>);

impl SharedWall {
    /// There is one thread, so nothing ever waits.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Wall> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The clocks.
pub struct Clock {
    wall: SharedWall,
    /// What was shown: steady time and wall time, whenever time passed.
    shown: Vec<(u64, u64)>,
    /// The same when a process began.
    begun: Vec<(u64, u64)>,
    latest_wall_us: u64,
}

impl Default for Clock {
    fn default() -> Clock {
        let system = Now { wall_us: WALL_START_US + 1_000_000, mono_us: 1_000_000 };
        let common = CommonWall::new(system, 0, Company::Alone);
        let first = (system.mono_us, system.wall_us);
        let wall = SharedWall(Arc::new(Mutex::new(Wall { system, common })));
        Clock { wall, shown: vec![first], begun: vec![first], latest_wall_us: system.wall_us }
    }
}

impl Clock {
    /// The time now, as the node has it.
    pub fn now(&self) -> Now {
        #[cfg(narf_plant)]
        if base::plant::is(base::plant::Plant::TakesJumps) {
            return self.wall.lock().system;
        }
        self.rightly()
    }

    /// The time that the node should have.
    fn rightly(&self) -> Now {
        let wall = self.wall.lock();
        let mono_us = wall.system.mono_us;
        Now { wall_us: wall.common.hands().wall_us(mono_us), mono_us }
    }

    /// What the workers of the node ask.
    pub(crate) fn shared(&self) -> SharedWall {
        self.wall.clone()
    }

    /// How it came to be known what time it is; none while it is not.
    pub fn settled(&self) -> Option<SettledBy> {
        self.wall.lock().common.settled()
    }

    /// Time passes.
    pub fn advance(&mut self, by_us: u64) {
        let before = self.rightly().wall_us;
        let waited = {
            let Wall { system, common } = &mut *self.wall.lock();
            let waited = common.state() == ClockState::Waits;
            system.mono_us += by_us;
            system.wall_us += by_us;
            common.look(*system);
            waited
        };
        if waited {
            return self.note();
        }
        let passed = self.rightly().wall_us - before;
        let is_steady = passed <= by_us + by_us / 10 && passed + by_us.min(1_000_000) / 10 >= by_us;
        // Time that is stood still for at one look is caught up with at later ones.
        assert!(is_steady || passed >= by_us.saturating_sub(100_000), "clock: {passed} µs in {by_us}");
        self.note();
    }

    fn note(&mut self) {
        let Now { wall_us, mono_us } = self.rightly();
        self.shown.push((mono_us, wall_us));
        self.latest_wall_us = self.latest_wall_us.max(wall_us);
    }

    /// The system's clock is set, to something that a number chooses; by how much.
    pub fn step(&mut self, draw: u64) -> i64 {
        let by_us = STEPS_US[(draw % STEPS_US.len() as u64) as usize].saturating_add((draw % 20_000) as i64);
        self.set_by(by_us)
    }

    /// The system's clock is set wrong, to something that a number chooses; by how much it is.
    pub fn set_wrong(&mut self, draw: u64) -> i64 {
        self.set_right();
        self.set_by(WRONG_US[(draw % WRONG_US.len() as u64) as usize].saturating_add((draw % 20_000) as i64))
    }

    fn set_by(&mut self, by_us: i64) -> i64 {
        let system = &mut self.wall.lock().system;
        let before = system.wall_us;
        system.wall_us = before.saturating_add_signed(by_us);
        by_us.max(-before.cast_signed())
    }

    /// An operator says that the system's clock is right, unless that is more than so far ahead.
    pub fn accept(&mut self, most_us: u64) {
        let right = self.rightly().wall_us;
        {
            let Wall { system, common } = &mut *self.wall.lock();
            common.look(*system);
            if system.wall_us <= right + most_us {
                common.accept();
            }
        }
        self.note();
    }

    /// The system's clock is set so far ahead, and accepted.
    pub fn leap(&mut self, by_us: u64) {
        let right = self.rightly().wall_us;
        self.wall.lock().system.wall_us = right + by_us;
        self.accept(by_us);
    }

    /// The system's clock is right again.
    pub fn set_right(&mut self) {
        let system = &mut self.wall.lock().system;
        system.wall_us = WALL_START_US + system.mono_us;
    }

    /// A process begins whose log goes up to that time.
    pub fn begin(&mut self, newest: Millis, company: Company) {
        {
            let Wall { system, common } = &mut *self.wall.lock();
            *common = CommonWall::new(*system, newest.0 * 1000, company);
        }
        let Now { wall_us, mono_us } = self.rightly();
        self.begun.push((mono_us, wall_us));
        self.note();
    }

    /// The earliest wall time shown since a steady time, and the latest ever, in milliseconds. The time of an
    /// entry made meanwhile lies between: it is the wall clock, or that of an earlier entry.
    pub fn window_since(&self, mono_us: u64) -> Window {
        // Within a life it only grows.
        let first = self.shown.partition_point(|(mono, _)| *mono < mono_us);
        let shown = self.shown.get(first).or(self.shown.last()).map(|(_, wall)| *wall);
        let begun = self.begun.iter().rev().take_while(|(mono, _)| *mono >= mono_us).map(|(_, wall)| *wall);
        let earliest = begun.chain(shown).min().unwrap_or(0);
        Window { from: earliest / 1000, until: self.latest_wall_us / 1000 }
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
    fn a_window_holds_every_wall_time_that_was_shown_and_no_jump() {
        let mut clock = Clock::default();
        let start = clock.now();
        clock.advance(5_000);
        for draw in 0..50 {
            clock.step(draw);
            clock.set_right();
            clock.step(draw + 7);
            clock.advance(1_000);
        }
        let window = clock.window_since(start.mono_us);
        assert_eq!(window.from, start.wall_us / 1000);
        assert!((50..=61).contains(&(window.until - window.from)), "{window:?}");
        clock.leap(300_000_000);
        let ahead = clock.now();
        assert!(ahead.wall_us >= start.wall_us + 300_000_000);
        // The next process begins with the system's clock, which was set back.
        clock.set_right();
        clock.begin(Millis(0), Company::Alone);
        clock.advance(1_000);
        let window = clock.window_since(start.mono_us);
        assert_eq!(window.until, ahead.wall_us / 1000);
        assert_eq!(window.from, start.wall_us / 1000);
        assert_eq!(clock.window_since(clock.now().mono_us).from, clock.now().wall_us / 1000);
    }
}
