//! Access clocks: 24 bits an entry, which note when it was last used or count how often.
//!
//! Not part of the content: replicas may differ here, digests and records leave it out. A clock of zero says that the key
//! came from a record and was not used since.

use base::{Millis, Random};

use crate::table::Entry;

/// Whether using a key moves its access clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It does.
    Noted,
    /// It leaves the clock alone: `CLIENT NO-TOUCH`.
    Untouched,
}

/// How a key was used before it came here, as `RESTORE` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Used {
    /// As any new key.
    Now,
    /// Last so long ago: `IDLETIME`.
    Before {
        /// Seconds.
        seconds: u64,
    },
    /// So often, on the logarithmic scale: `FREQ`.
    Often(u8),
}

/// What access clocks note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clocks {
    /// The time in seconds, for `OBJECT IDLETIME` and LRU eviction.
    Time,
    /// Uses, for `OBJECT FREQ` and LFU eviction: 16 bits of minutes and 8 of a logarithmic counter that time wears off, as
    /// in Redis.
    Uses(UseCounting),
}

/// How uses are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UseCounting {
    /// How much rarer each further step of the counter is: `lfu-log-factor`.
    pub log_factor: u32,
    /// Minutes in which it loses one; zero is never: `lfu-decay-time`.
    pub decay_minutes: u32,
}

/// Counter of a key that was just made: not the first to be evicted.
const COUNTER_START: u8 = 5;

/// Seconds fill a clock.
const SECONDS_MASK: u32 = 0xFF_FFFF;

fn seconds(now: Millis) -> u32 {
    (now.0 / 1000) as u32 & SECONDS_MASK
}

fn minutes(now: Millis) -> u16 {
    (now.0 / 60_000) as u16
}

impl Clocks {
    /// The clock of a new key.
    #[inline]
    pub(crate) fn fresh(self, now: Millis) -> u32 {
        match self {
            Clocks::Time => seconds(now),
            Clocks::Uses(_) => u32::from(minutes(now)) << 8 | u32::from(COUNTER_START),
        }
    }

    /// The clock of a key that came with what was told of its use. What the clocks do not keep is ignored, as in Redis.
    pub(crate) fn restored(self, now: Millis, used: Used) -> u32 {
        match (self, used) {
            (Clocks::Time, Used::Before { seconds: idle }) => {
                // A clock of zero says that nothing is known.
                seconds(Millis(now.0.saturating_sub(idle.saturating_mul(1000)))).max(1)
            }
            (Clocks::Uses(_), Used::Often(counter)) => u32::from(minutes(now)) << 8 | u32::from(counter),
            (_, Used::Now) | (Clocks::Uses(_), Used::Before { .. }) | (Clocks::Time, Used::Often(_)) => {
                self.fresh(now)
            }
        }
    }

    /// Notes a use.
    #[inline]
    pub(crate) fn touch(self, entry: &mut Entry, access: Access, now: Millis, draws: &mut Random) {
        if access == Access::Untouched {
            return;
        }
        let clock = match self {
            Clocks::Time => seconds(now),
            Clocks::Uses(counting) => counting.counted(entry.clock(), now, draws),
        };
        // A write would dirty the line of a key that is only read.
        if entry.clock() != clock {
            entry.set_clock(clock);
        }
    }
}

/// Seconds since the use that a clock of [`Clocks::Time`] notes.
pub(crate) fn idle_seconds(clock: u32, now: Millis) -> u32 {
    seconds(now).wrapping_sub(clock) & SECONDS_MASK
}

impl UseCounting {
    /// The counter of a clock, less what time has worn off.
    pub(crate) fn frequency(self, clock: u32, now: Millis) -> u8 {
        if clock == 0 {
            return COUNTER_START;
        }
        let passed = u32::from(minutes(now).wrapping_sub((clock >> 8) as u16));
        let lost = passed.checked_div(self.decay_minutes).unwrap_or(0);
        (clock as u8).saturating_sub(u8::try_from(lost).unwrap_or(u8::MAX))
    }

    #[cold]
    fn counted(self, clock: u32, now: Millis, draws: &mut Random) -> u32 {
        let counter = self.frequency(clock, now);
        let above = u64::from(counter.saturating_sub(COUNTER_START));
        let steps = counter < u8::MAX && draws.chance(1, above * u64::from(self.log_factor) + 1);
        u32::from(minutes(now)) << 8 | u32::from(counter + u8::from(steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(log_factor: u32, decay_minutes: u32) -> UseCounting {
        UseCounting { log_factor, decay_minutes }
    }

    /// The counter after so many uses at one moment.
    fn after(uses: u64, log_factor: u32, seed: u64) -> u8 {
        let mut draws = Random::new(seed);
        let counting = counting(log_factor, 1);
        let fresh = Clocks::Uses(counting).fresh(Millis(60_000));
        let clock = (0..uses).fold(fresh, |clock, _| counting.counted(clock, Millis(60_000), &mut draws));
        counting.frequency(clock, Millis(60_000))
    }

    #[test]
    fn a_counter_rises_with_uses_as_the_table_of_redis_says() {
        // redis.conf: hits against factors; its figures come from one run each.
        for (factor, hits, expected) in [
            (0, 100, 104),
            (0, 1000, 255),
            (1, 100, 18),
            (1, 1000, 49),
            (10, 100, 10),
            (10, 1000, 18),
            (10, 100_000, 142),
            (100, 100, 8),
            (100, 1000, 11),
            (100, 100_000, 49),
        ] {
            let mean = (0..20).map(|seed| u64::from(after(hits, factor, seed))).sum::<u64>() as f64 / 20.0;
            let allowed = 1.5 + f64::from(expected) * 0.08;
            assert!((mean - f64::from(expected)).abs() < allowed, "{factor} {hits}: {mean} for {expected}");
        }
    }

    #[test]
    fn a_counter_never_falls_by_a_use_and_stops_at_its_largest() {
        let mut draws = Random::new(3);
        for factor in [0, 1, 10, u32::MAX] {
            let counting = counting(factor, 1);
            let mut clock = Clocks::Uses(counting).fresh(Millis(120_000));
            for _ in 0..5000 {
                let before = counting.frequency(clock, Millis(120_000));
                clock = counting.counted(clock, Millis(120_000), &mut draws);
                let now = counting.frequency(clock, Millis(120_000));
                assert!(now == before || now == before + 1, "{before} became {now}");
            }
        }
        assert_eq!(after(10_000, 0, 1), 255);
    }

    #[test]
    fn time_wears_a_counter_off_a_step_each_period() {
        let clock = 7 << 8 | 100;
        let at = |minutes: u64, decay| counting(10, decay).frequency(clock, Millis(minutes * 60_000));
        assert_eq!([at(7, 1), at(8, 1), at(50, 1), at(107, 1), at(300, 1)], [100, 99, 57, 0, 0]);
        assert_eq!([at(16, 10), at(17, 10), at(27, 10)], [100, 99, 98]);
        assert_eq!(at(60_000, 0), 100, "without decay it stays");
        // The minutes wrap after 45 days.
        assert_eq!(counting(10, 1).frequency(0xFFFE << 8 | 9, Millis(60_000)), 6);
    }

    #[test]
    fn what_was_loaded_counts_as_just_made() {
        assert_eq!(counting(10, 1).frequency(0, Millis(90 * 60_000)), COUNTER_START);
    }
}
