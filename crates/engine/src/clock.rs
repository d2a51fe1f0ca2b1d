//! Access clocks: 24 bits an entry, which note when it was last used or count how often.
//!
//! Not part of the content: replicas may differ here, digests and records leave it out.

use base::{Millis, Random};

use crate::table::Entry;

/// How using a key moves its access clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It notes the time in seconds, for `OBJECT IDLETIME` and LRU eviction.
    Recent,
    /// It counts uses, for `OBJECT FREQ` and LFU eviction: 16 bits of minutes and a logarithmic counter that loses
    /// one a minute, as in Redis.
    Frequent,
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

/// Counter of a key that was just made: not the first to be evicted.
const COUNTER_START: u8 = 5;
/// How much rarer each further step of the counter is: `lfu-log-factor`.
const LOG_FACTOR: u64 = 10;

fn seconds(now: Millis) -> u32 {
    (now.0 / 1000) as u32 & 0xFF_FFFF
}

fn minutes(now: Millis) -> u16 {
    (now.0 / 60_000) as u16
}

/// The clock of a new key.
#[inline]
pub(crate) fn fresh(access: Access, now: Millis) -> u32 {
    match access {
        Access::Recent | Access::Untouched => seconds(now),
        Access::Frequent => u32::from(minutes(now)) << 8 | u32::from(COUNTER_START),
    }
}

/// The clock of a key that came with what was told of its use. What the clocks do not keep is ignored, as in Redis.
pub(crate) fn restored(access: Access, now: Millis, used: Used) -> u32 {
    match (access, used) {
        (Access::Recent | Access::Untouched, Used::Before { seconds: idle }) => {
            // A clock of zero says that nothing is known.
            seconds(Millis(now.0.saturating_sub(idle.saturating_mul(1000)))).max(1)
        }
        (Access::Frequent, Used::Often(counter)) => u32::from(minutes(now)) << 8 | u32::from(counter),
        (_, Used::Now) | (Access::Frequent, Used::Before { .. }) | (_, Used::Often(_)) => fresh(access, now),
    }
}

/// The counter of a clock, less one for each minute that passed.
pub(crate) fn frequency(clock: u32, now: Millis) -> u8 {
    let passed = minutes(now).wrapping_sub((clock >> 8) as u16);
    (clock as u8).saturating_sub(u8::try_from(passed).unwrap_or(u8::MAX))
}

/// Notes a use.
#[inline]
pub(crate) fn touch(entry: &mut Entry, access: Access, now: Millis, draws: &mut Random) {
    let clock = match access {
        Access::Recent => seconds(now),
        Access::Frequent => counted(entry.clock(), now, draws),
        Access::Untouched => return,
    };
    // A write would dirty the line of a key that is only read.
    if entry.clock() != clock {
        entry.set_clock(clock);
    }
}

#[cold]
fn counted(clock: u32, now: Millis, draws: &mut Random) -> u32 {
    let counter = frequency(clock, now);
    let above = u64::from(counter.saturating_sub(COUNTER_START));
    let steps = counter < u8::MAX && draws.chance(1, above * LOG_FACTOR + 1);
    u32::from(minutes(now)) << 8 | u32::from(counter + u8::from(steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_rises_with_use_and_falls_with_time() {
        let mut draws = Random::new(1);
        let mut clock = fresh(Access::Frequent, Millis(0));
        (0..1000).for_each(|_| clock = counted(clock, Millis(0), &mut draws));
        let risen = frequency(clock, Millis(0));
        assert!(risen > 10, "{risen}");
        assert_eq!(frequency(clock, Millis(3 * 60_000)), risen - 3);
        assert_eq!(frequency(clock, Millis(300 * 60_000)), 0);
    }
}
