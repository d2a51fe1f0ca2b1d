//! The wall clock of this node, the same for all its threads: a [`SteadyWall`] in front of the system's.
//!
//! Whoever wants the time and finds that the last look at the system's clock is some time ago looks again; nobody wakes up
//! for that. Between looks the time costs two loads from a line that is seldom written, and no system's clock is read.
//! Invariant: what one thread is shown never goes back. Two threads may differ by what passes while one of them looks;
//! the time of a log goes forward whoever writes it, as `node::Partition` sees to.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base::{ClockState, Hands, Now, SteadyWall};
use node::Clock;

use crate::events::Event;
use crate::shared::lock;

/// Between two looks at the system's clock, while there are turns.
const LOOK_US: u64 = 100_000;
/// A look that took longer compares two times that are not of one moment.
const LOOK_TAKES_US: u64 = 1_000;

/// See the module.
pub(crate) struct Wall {
    ahead_us: AtomicI64,
    floor_us: AtomicU64,
    next_look_us: AtomicU64,
    clock: Mutex<SteadyWall>,
}

impl Wall {
    /// A clock that begins now, not before the newest time in this node's log.
    pub(crate) fn new(mono_us: impl Fn() -> u64, newest_us: u64) -> Wall {
        let system = system(&mono_us).unwrap_or_else(|| Now { wall_us: system_us(), mono_us: mono_us() });
        let clock = SteadyWall::new(system, newest_us);
        let wall = Wall {
            ahead_us: AtomicI64::new(0),
            floor_us: AtomicU64::new(0),
            next_look_us: AtomicU64::new(0),
            clock: Mutex::new(clock),
        };
        wall.publish(&clock, system.mono_us);
        tell(ClockState::Follows, &clock);
        wall
    }

    /// The time, for one turn.
    #[inline]
    pub(crate) fn now(&self, mono_us: impl Fn() -> u64) -> Now {
        let now_us = mono_us();
        if now_us >= self.next_look_us.load(Ordering::Relaxed) {
            self.look_if_nobody_does(&mono_us);
        }
        // In this order: who sees that less is added sees what was shown before.
        let ahead_us = self.ahead_us.load(Ordering::Acquire);
        let hands = Hands { ahead_us, floor_us: self.floor_us.load(Ordering::Acquire) };
        Now { wall_us: hands.wall_us(now_us), mono_us: now_us }
    }

    /// How this clock stands to the system's, as of now.
    pub(crate) fn stand(&self, mono_us: impl Fn() -> u64) -> Clock {
        let mut clock = lock(&self.clock);
        self.look(&mut clock, &mono_us);
        Clock { off_us: clock.off_us(), state: clock.state() }
    }

    /// An operator says that the system's clock is right.
    pub(crate) fn accept(&self, mono_us: impl Fn() -> u64) {
        let mut clock = lock(&self.clock);
        self.look(&mut clock, &mono_us);
        let (before, off_us) = (clock.state(), clock.off_us());
        clock.accept();
        self.publish(&clock, mono_us());
        if before == ClockState::Alarm {
            Event::ClockAccepted { off_ms: off_us / 1000 }.log();
        }
    }

    #[cold]
    fn look_if_nobody_does(&self, mono_us: &impl Fn() -> u64) {
        if let Ok(mut clock) = self.clock.try_lock() {
            self.look(&mut clock, mono_us);
        }
    }

    fn look(&self, clock: &mut SteadyWall, mono_us: &impl Fn() -> u64) {
        // Who was held up meanwhile looks again at the next turn.
        let Some(system) = system(mono_us) else { return };
        let before = clock.state();
        clock.look(system);
        self.publish(clock, system.mono_us);
        tell(before, clock);
    }

    fn publish(&self, clock: &SteadyWall, looked_us: u64) {
        let Hands { ahead_us, floor_us } = clock.hands();
        self.floor_us.store(floor_us, Ordering::Release);
        self.ahead_us.store(ahead_us, Ordering::Release);
        self.next_look_us.store(looked_us + LOOK_US, Ordering::Relaxed);
    }
}

/// Both clocks at one moment; none if that took too long to be one.
fn system(mono_us: &impl Fn() -> u64) -> Option<Now> {
    let before_us = mono_us();
    let wall_us = system_us();
    let now_us = mono_us();
    (now_us.saturating_sub(before_us) <= LOOK_TAKES_US).then_some(Now { wall_us, mono_us: now_us })
}

fn system_us() -> u64 {
    // One that was set to before 1970 is as wrong as one in 1970.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}

/// An alarm is told when it begins and when it ends. It cannot come and go of itself: the system's clock would have to be
/// set each time.
fn tell(before: ClockState, clock: &SteadyWall) {
    match (before, clock.state()) {
        (ClockState::Follows | ClockState::Accepted, ClockState::Alarm) => {
            Event::ClockAlarm { off_ms: clock.off_us() / 1000 }.log();
        }
        (ClockState::Alarm | ClockState::Accepted, ClockState::Follows) => Event::ClockFollowed.log(),
        (ClockState::Follows, ClockState::Follows)
        | (ClockState::Alarm, ClockState::Alarm)
        | (_, ClockState::Accepted) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn time_goes_with_the_steady_clock_from_the_newest_time_on() {
        let mono = Cell::new(50);
        let mono_us = || mono.get();
        let newest_us = system_us() + 3_600_000_000;
        let wall = Wall::new(mono_us, newest_us);
        assert_eq!(wall.now(mono_us), Now { wall_us: newest_us, mono_us: 50 });
        mono.set(50 + 30 * LOOK_US);
        assert_eq!(wall.now(mono_us).wall_us, newest_us + 30 * LOOK_US);
        let stand = wall.stand(mono_us);
        assert_eq!(stand.state, ClockState::Alarm);
        assert!(stand.off_us < -3_590_000_000, "{stand:?}");
        wall.accept(mono_us);
        assert_eq!(wall.stand(mono_us).state, ClockState::Accepted);
        mono.set(50 + 40 * LOOK_US);
        let shown = wall.now(mono_us).wall_us;
        mono.set(50 + 41 * LOOK_US);
        assert!(wall.now(mono_us).wall_us >= shown);
    }

    #[test]
    fn a_look_in_which_time_passed_is_none() {
        let mono = Cell::new(0);
        let mono_us = || mono.replace(mono.get() + LOOK_TAKES_US + 1);
        assert_eq!(system(&mono_us), None);
    }
}
