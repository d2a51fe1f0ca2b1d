//! A wall clock that takes no jumps: it follows the system's, and goes on by itself where that was set.
//!
//! Its hands move with the steady clock. What the system's clock says moves them a little more, or a little less: each
//! look at it makes up for a tenth at most of the time since the last. A system's clock that is further off than
//! [`SteadyWall::REACH_US`] is not followed at all until it is back, or somebody [accepts](SteadyWall::accept) it.
//!
//! ```text
//!                  off by more than can be followed
//!      ┌─────────┐ ──────────────────────────────▶ ┌───────┐
//!      │ Follows │                                 │ Alarm │
//!      └─────────┘ ◀────────────────────────────── └───────┘
//!         ▲    ▲     back, or accepted if ahead      │   ▲
//!         │    └──────── caught up ─────┐            │   │ set again
//!         │                        ┌──────────┐      │   │
//!         └─ what is shown goes    │ Accepted │ ◀────┘   │
//!            slower meanwhile      └──────────┘ ─────────┘
//!                                    accepted, and behind
//! ```
//!
//! Before that it may wait until it is told what time others have ([`SteadyWall::waiting`]): it goes on from the newest time
//! that was ever made use of here, and follows nobody.
//!
//! Invariants: what is shown never goes back, but once if it waited; between two looks it moves by no more than the steady clock and a tenth,
//! unless a clock that is ahead is accepted, or it waited. Does not know: clocks (both are arguments), who looks, or how often.

use crate::time::Now;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SteadyWall {
    hands: Hands,
    /// Steady clock of the last look.
    looked_us: u64,
    state: ClockState,
    /// How far the system's clock was ahead at the last look, after what that made up for.
    off_us: i64,
}

/// What is shown between two looks: all that others need to read the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hands {
    /// What is shown is the steady clock and this,
    pub ahead_us: i64,
    /// but no less than this: that much was shown already.
    pub floor_us: u64,
}

impl Hands {
    /// The wall clock at a time of the steady one.
    #[inline]
    pub fn wall_us(self, mono_us: u64) -> u64 {
        mono_us.saturating_add_signed(self.ahead_us).max(self.floor_us)
    }
}

/// How this clock stands to the system's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockState {
    /// It is not known yet what time it is.
    Waits,
    /// It follows.
    Follows,
    /// The system's clock was set, and is not followed.
    Alarm,
    /// The system's clock is far behind, which is accepted: this one goes slower until it is caught up with.
    Accepted,
}

impl SteadyWall {
    /// A system's clock that is further off than this was set, or went wrong: no discipline of clocks lets one come to
    /// this by itself.
    pub const REACH_US: u64 = 5_000_000;
    /// Of the time that passes, one in so many parts may be made up for.
    const SLEW_PARTS: u64 = 10;
    /// For how much time at most a look makes up by standing still: a tenth of this.
    const SLOW_MOST_US: u64 = 1_000_000;

    /// A clock that begins with what the system's says, but not before the newest time that was ever made use of here.
    pub fn new(system: Now, newest_us: u64) -> SteadyWall {
        let shown_us = system.wall_us.max(newest_us);
        let off_us = difference(system.wall_us, shown_us);
        SteadyWall {
            hands: Hands { ahead_us: difference(shown_us, system.mono_us), floor_us: shown_us },
            looked_us: system.mono_us,
            state: if is_in_reach(off_us) { ClockState::Follows } else { ClockState::Alarm },
            off_us,
        }
    }

    /// A clock that waits to be [settled](SteadyWall::settle), and until then goes on from the newest time that was ever made
    /// use of here.
    pub fn waiting(system: Now, newest_us: u64) -> SteadyWall {
        SteadyWall {
            hands: Hands { ahead_us: difference(newest_us, system.mono_us), floor_us: newest_us },
            looked_us: system.mono_us,
            state: ClockState::Waits,
            off_us: difference(system.wall_us, newest_us),
        }
    }

    /// It was this late at the last look, as is known now.
    pub fn settle(&mut self, wall_us: u64) {
        self.hands.floor_us = wall_us;
        self.turn(difference(wall_us, self.looked_us.saturating_add_signed(self.hands.ahead_us)));
        self.state = if is_in_reach(self.off_us) { ClockState::Follows } else { ClockState::Alarm };
    }

    /// What is shown until the next look.
    pub fn hands(&self) -> Hands {
        self.hands
    }

    /// How this clock stands to the system's.
    pub fn state(&self) -> ClockState {
        self.state
    }

    /// How far the system's clock is ahead of this one, in microseconds; negative if it is behind.
    pub fn off_us(&self) -> i64 {
        self.off_us
    }

    /// Looks at both clocks.
    pub fn look(&mut self, system: Now) {
        let elapsed_us = system.mono_us.saturating_sub(self.looked_us);
        let shown_us = self.hands.wall_us(system.mono_us);
        let expected_us = self.off_us;
        self.looked_us = self.looked_us.max(system.mono_us);
        self.hands.floor_us = shown_us;
        self.off_us = difference(system.wall_us, system.mono_us.saturating_add_signed(self.hands.ahead_us));
        self.state = match self.state {
            ClockState::Waits => ClockState::Waits,
            _ if is_in_reach(self.off_us) => ClockState::Follows,
            // It was set once more: that is not what was accepted.
            ClockState::Accepted if is_in_reach(self.off_us.saturating_sub(expected_us)) => {
                ClockState::Accepted
            }
            ClockState::Follows | ClockState::Alarm | ClockState::Accepted => ClockState::Alarm,
        };
        if matches!(self.state, ClockState::Follows | ClockState::Accepted) {
            let faster = (elapsed_us / Self::SLEW_PARTS).cast_signed();
            let slower = (elapsed_us.min(Self::SLOW_MOST_US) / Self::SLEW_PARTS).cast_signed();
            self.turn(self.off_us.clamp(-slower, faster));
        }
    }

    /// The system's clock, as it was at the last look, is right: one that is ahead is shown at once, one that is behind is
    /// waited for by going slower.
    pub fn accept(&mut self) {
        self.state = match self.off_us {
            off_us if is_in_reach(off_us) => ClockState::Follows,
            ..0 => ClockState::Accepted,
            off_us => {
                self.turn(off_us);
                ClockState::Follows
            }
        };
    }

    fn turn(&mut self, by_us: i64) {
        self.hands.ahead_us = self.hands.ahead_us.saturating_add(by_us);
        self.off_us = self.off_us.saturating_sub(by_us);
    }
}

pub(crate) fn is_in_reach(off_us: i64) -> bool {
    off_us.unsigned_abs() <= SteadyWall::REACH_US
}

/// How much more the first is.
pub(crate) fn difference(a: u64, b: u64) -> i64 {
    i64::try_from(i128::from(a) - i128::from(b)).unwrap_or(if a > b { i64::MAX } else { i64::MIN })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000;
    const HOUR: u64 = 3600 * SECOND;
    const YEAR: u64 = 365 * 24 * HOUR;
    const START: u64 = 1_700_000_000 * SECOND;

    /// A machine whose clock can be set, and a clock that looks at it.
    struct Machine {
        system: Now,
        clock: SteadyWall,
    }

    impl Machine {
        fn new() -> Machine {
            let system = Now { wall_us: START, mono_us: 7 };
            Machine { system, clock: SteadyWall::new(system, 0) }
        }

        fn shown(&self) -> u64 {
            self.clock.hands().wall_us(self.system.mono_us)
        }

        fn pass(&mut self, us: u64) {
            self.system.mono_us += us;
            self.system.wall_us += us;
            self.clock.look(self.system);
        }

        fn pass_in_looks(&mut self, us: u64) {
            (0..us / 100_000).for_each(|_| self.pass(100_000));
        }

        fn set(&mut self, by_us: i64) {
            self.system.wall_us = self.system.wall_us.saturating_add_signed(by_us);
            self.clock.look(self.system);
        }
    }

    fn signed(us: u64) -> i64 {
        us.cast_signed()
    }

    #[test]
    fn it_begins_with_the_system_and_not_before_what_was_made_use_of() {
        let system = Now { wall_us: START, mono_us: 7 };
        let clock = SteadyWall::new(system, START - 1);
        assert_eq!((clock.hands().wall_us(7), clock.state()), (START, ClockState::Follows));
        let clock = SteadyWall::new(system, START + HOUR);
        assert_eq!((clock.hands().wall_us(7), clock.state()), (START + HOUR, ClockState::Alarm));
        assert_eq!(clock.off_us(), -signed(HOUR));
        assert_eq!(clock.hands().wall_us(8), START + HOUR + 1, "time goes on from there");
    }

    #[test]
    fn one_that_waits_goes_on_from_the_newest_time_and_then_from_what_it_is_told() {
        let mut system = Now { wall_us: START, mono_us: 7 };
        let mut clock = SteadyWall::waiting(system, START - HOUR);
        (system.wall_us, system.mono_us) = (START + SECOND, 7 + SECOND);
        clock.look(system);
        assert_eq!(
            (clock.hands().wall_us(7 + SECOND), clock.state()),
            (START - HOUR + SECOND, ClockState::Waits)
        );
        let mut told = clock;
        told.settle(START - 60 * SECOND);
        assert_eq!(told.hands().wall_us(7 + SECOND), START - 60 * SECOND);
        assert_eq!((told.state(), told.off_us()), (ClockState::Alarm, signed(61 * SECOND)));
        told = clock;
        told.settle(START);
        assert_eq!((told.state(), told.off_us()), (ClockState::Follows, signed(SECOND)));
        told = clock;
        told.settle(START - 2 * HOUR);
        assert_eq!(told.hands().wall_us(7 + SECOND), START - 2 * HOUR, "the newest time was a wrong one");
        clock.accept();
        assert_eq!((clock.hands().wall_us(7 + SECOND), clock.state()), (START + SECOND, ClockState::Follows));
    }

    #[test]
    fn a_jump_is_not_followed_and_ends_when_the_system_is_back() {
        for by_us in [signed(YEAR), -signed(YEAR), -signed(START), signed(HOUR), -signed(6 * SECOND)] {
            let mut machine = Machine::new();
            machine.set(by_us);
            assert_eq!(machine.clock.state(), ClockState::Alarm, "{by_us}");
            machine.pass_in_looks(20 * SECOND);
            assert_eq!(machine.shown(), START + 20 * SECOND, "{by_us}");
            assert_eq!(machine.clock.off_us(), by_us);
            machine.set(-by_us);
            assert_eq!((machine.clock.state(), machine.clock.off_us()), (ClockState::Follows, 0));
            assert_eq!(machine.shown(), START + 20 * SECOND, "{by_us}");
        }
    }

    #[test]
    fn a_small_step_is_made_up_for_at_a_tenth_of_the_time() {
        let mut machine = Machine::new();
        machine.set(signed(SECOND));
        assert_eq!(machine.shown(), START);
        machine.pass_in_looks(5 * SECOND);
        assert_eq!(machine.shown(), START + 5 * SECOND + SECOND / 2);
        machine.pass_in_looks(5 * SECOND);
        assert_eq!((machine.shown(), machine.clock.off_us()), (machine.system.wall_us, 0));
        machine.set(-signed(SECOND));
        let before = machine.shown();
        machine.pass_in_looks(5 * SECOND);
        machine.system.mono_us += 50_000;
        assert_eq!(machine.shown(), before + 5 * SECOND - SECOND / 2 + 50_000);
        machine.system.mono_us -= 50_000;
        machine.pass_in_looks(5 * SECOND);
        assert_eq!((machine.clock.off_us(), machine.clock.state()), (0, ClockState::Follows));
        assert!(machine.shown() - machine.system.wall_us <= 10_000);
    }

    #[test]
    fn a_machine_that_slept_loses_no_time() {
        let mut machine = Machine::new();
        // The steady clock goes on while it sleeps.
        machine.pass(9 * HOUR);
        assert_eq!((machine.shown(), machine.clock.state()), (START + 9 * HOUR, ClockState::Follows));
    }

    #[test]
    fn who_accepts_a_clock_that_is_ahead_has_it_at_once() {
        let mut machine = Machine::new();
        machine.set(signed(YEAR));
        machine.clock.accept();
        assert_eq!((machine.shown(), machine.clock.state()), (START + YEAR, ClockState::Follows));
    }

    #[test]
    fn who_accepts_a_clock_that_is_behind_goes_slower_until_it_has_caught_up() {
        let mut machine = Machine::new();
        machine.set(-signed(60 * SECOND));
        machine.clock.accept();
        assert_eq!(machine.clock.state(), ClockState::Accepted);
        machine.pass_in_looks(100 * SECOND);
        assert_eq!((machine.shown() - START) / SECOND, 90);
        assert_eq!(machine.clock.state(), ClockState::Accepted);
        // Another step is not what was accepted.
        machine.set(-signed(HOUR));
        assert_eq!(machine.clock.state(), ClockState::Alarm);
        machine.set(signed(HOUR));
        machine.clock.accept();
        machine.pass_in_looks(600 * SECOND);
        assert_eq!((machine.clock.state(), machine.clock.off_us()), (ClockState::Follows, 0));
        assert!(machine.shown() - machine.system.wall_us <= 10_000);
    }

    #[derive(Clone, Copy, Debug)]
    enum Event {
        Pass(u64),
        Set(u64),
        Step(i64),
        Accept,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            8 => (0..SECOND).prop_map(Event::Pass),
            1 => (0..HOUR).prop_map(Event::Pass),
            1 => prop_oneof![Just(0), Just(u64::MAX), Just(START), any::<u64>()].prop_map(Event::Set),
            2 => (-8 * signed(SECOND)..8 * signed(SECOND)).prop_map(Event::Step),
            1 => Just(Event::Accept),
        ]
    }

    proptest! {
        /// Whatever becomes of the system's clock: what is shown never goes back, never goes faster than it may unless
        /// somebody accepts, and never much slower than nine tenths.
        #[test]
        fn it_never_goes_back_and_never_leaps(events in proptest::collection::vec(event(), 1..200)) {
            let mut machine = Machine::new();
            for event in events {
                let before = machine.shown();
                match event {
                    Event::Pass(us) => {
                        machine.system.mono_us += us;
                        machine.system.wall_us = machine.system.wall_us.saturating_add(us);
                        let unseen = machine.shown();
                        prop_assert!(unseen >= before && unseen <= before + us);
                        let off_us = machine.clock.off_us();
                        machine.clock.look(machine.system);
                        let shown = machine.shown();
                        prop_assert!(shown >= unseen && shown <= before + us + us / 10);
                        // What was stood still at the last look may still be to come.
                        prop_assert!(shown + SECOND / 10 >= before + us, "{shown} {before} {us} {off_us}");
                    }
                    Event::Set(wall_us) => machine.system.wall_us = wall_us,
                    Event::Step(by_us) => {
                        machine.system.wall_us = machine.system.wall_us.saturating_add_signed(by_us);
                    }
                    Event::Accept => {
                        let off_us = machine.clock.off_us();
                        machine.clock.accept();
                        let leap = machine.shown().saturating_sub(before);
                        prop_assert!(leap <= u64::try_from(off_us).unwrap_or(0));
                    }
                }
                prop_assert!(machine.shown() >= before);
            }
        }

        /// Left alone, it comes to what the system says, unless that is out of reach: then it says so.
        #[test]
        fn left_alone_it_comes_to_rest(by_us in -20 * signed(SECOND)..20 * signed(SECOND), is_accepted: bool) {
            let mut machine = Machine::new();
            machine.set(by_us);
            if is_accepted {
                machine.clock.accept();
            }
            machine.pass_in_looks(300 * SECOND);
            if is_accepted || is_in_reach(by_us) {
                prop_assert_eq!((machine.clock.state(), machine.clock.off_us()), (ClockState::Follows, 0));
            } else {
                prop_assert_eq!((machine.clock.state(), machine.clock.off_us()), (ClockState::Alarm, by_us));
            }
        }
    }
}
