//! The wall clock of this node, the same for all its threads: a [`CommonWall`] in front of the system's.
//!
//! Whoever wants the time and finds that the last look at the system's clock is some time ago looks again; nobody wakes up
//! for that. Between looks the time costs two loads from a line that is seldom written, and no system's clock is read.
//! Invariant: what one thread is shown never goes back. Two threads may differ by what passes while one of them looks;
//! the time of a log goes forward whoever writes it, as `node::Partition` sees to.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base::{ClockState, CommonWall, Company, Hands, Now, TimeWord};
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
    /// It is known what time it is.
    is_settled: AtomicBool,
    clock: Mutex<CommonWall>,
}

impl Wall {
    /// A clock that begins now, not before the newest time in this node's log.
    pub(crate) fn new(mono_us: impl Fn() -> u64, newest_us: u64, company: Company) -> Wall {
        let system = system_anyhow(&mono_us);
        let clock = CommonWall::new(system, newest_us, company);
        let wall = Wall {
            ahead_us: AtomicI64::new(0),
            floor_us: AtomicU64::new(0),
            next_look_us: AtomicU64::new(0),
            is_settled: AtomicBool::new(false),
            clock: Mutex::new(clock.clone()),
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

    /// The time, once it is known.
    pub(crate) fn settled(&self, mono_us: impl Fn() -> u64) -> Option<Now> {
        self.is_settled.load(Ordering::Acquire).then(|| self.now(mono_us))
    }

    /// What this node says of its time to others.
    pub(crate) fn word(&self, mono_us: impl Fn() -> u64) -> TimeWord {
        let mut clock = lock(&self.clock);
        let system = self.look_anyhow(&mut clock, &mono_us);
        clock.word(system)
    }

    /// Another node said this when the steady clock was there; there are so many members. How far it is ahead, if that is
    /// far and was not told yet.
    pub(crate) fn hear(
        &self,
        from: u64,
        word: TimeWord,
        (at_us, members): (u64, usize),
        mono_us: impl Fn() -> u64,
    ) -> Option<i64> {
        let mut clock = lock(&self.clock);
        let system = system_anyhow(&mono_us);
        let before = clock.state();
        let apart_us = clock.hear(from, word, at_us, members, system);
        self.publish(&clock, system.mono_us);
        tell(before, &clock);
        apart_us
    }

    /// Other nodes whose time is far from this one's, and those that do not follow their system's clocks.
    pub(crate) fn others(&self) -> (Vec<(u64, i64)>, Vec<u64>) {
        let clock = lock(&self.clock);
        (clock.apart().collect(), clock.alarmed().collect())
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

    fn look(&self, clock: &mut CommonWall, mono_us: &impl Fn() -> u64) {
        // Who was held up meanwhile looks again at the next turn.
        if let Some(system) = system(mono_us) {
            self.look_at(clock, system);
        }
    }

    /// The same for who needs to know.
    fn look_anyhow(&self, clock: &mut CommonWall, mono_us: &impl Fn() -> u64) -> Now {
        let system = system_anyhow(mono_us);
        self.look_at(clock, system);
        system
    }

    fn look_at(&self, clock: &mut CommonWall, system: Now) {
        let before = clock.state();
        clock.look(system);
        self.publish(clock, system.mono_us);
        tell(before, clock);
    }

    fn publish(&self, clock: &CommonWall, looked_us: u64) {
        let Hands { ahead_us, floor_us } = clock.hands();
        self.floor_us.store(floor_us, Ordering::Release);
        self.ahead_us.store(ahead_us, Ordering::Release);
        self.is_settled.store(clock.settled().is_some(), Ordering::Release);
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

/// The same, as near to one moment as it comes.
fn system_anyhow(mono_us: &impl Fn() -> u64) -> Now {
    system(mono_us).unwrap_or_else(|| Now { wall_us: system_us(), mono_us: mono_us() })
}

fn system_us() -> u64 {
    // One that was set to before 1970 is as wrong as one in 1970.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}

/// An alarm is told when it begins and when it ends. It cannot come and go of itself: the system's clock would have to be
/// set each time.
fn tell(before: ClockState, clock: &CommonWall) {
    match (before, clock.state()) {
        (ClockState::Waits | ClockState::Follows | ClockState::Accepted, ClockState::Alarm) => {
            Event::ClockAlarm { off_ms: clock.off_us() / 1000 }.log();
        }
        (ClockState::Alarm | ClockState::Accepted, ClockState::Follows) => Event::ClockFollowed.log(),
        (ClockState::Waits | ClockState::Follows, ClockState::Follows)
        | (ClockState::Alarm, ClockState::Alarm)
        | (_, ClockState::Accepted | ClockState::Waits) => {}
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
        let wall = Wall::new(mono_us, newest_us, Company::Alone);
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
    fn one_with_others_knows_the_time_when_it_is_told() {
        let mono_us = || 50;
        let newest_us = system_us() - 3_600_000_000;
        let wall = Wall::new(mono_us, newest_us, Company::Others { decides_alone: false });
        assert_eq!((wall.settled(mono_us), wall.now(mono_us).wall_us), (None, newest_us));
        assert!(!wall.word(mono_us).is_settled);
        let word = TimeWord { wall_us: newest_us + 9, least_us: 0, is_settled: true, is_alarmed: false };
        assert_eq!(wall.hear(1, word, (50, 3), mono_us), None);
        assert_eq!(wall.settled(mono_us), Some(Now { wall_us: newest_us + 9, mono_us: 50 }));
        assert_eq!(wall.stand(mono_us).state, ClockState::Alarm);
        let apart = TimeWord { wall_us: newest_us + 60_000_009, ..word };
        assert_eq!(wall.hear(2, apart, (50, 3), mono_us), Some(60_000_000));
        assert_eq!(wall.others(), (vec![(2, 60_000_000)], vec![]));
    }

    #[test]
    fn a_look_in_which_time_passed_is_none() {
        let mono = Cell::new(0);
        let mono_us = || mono.replace(mono.get() + LOOK_TAKES_US + 1);
        assert_eq!(system(&mono_us), None);
    }
}
