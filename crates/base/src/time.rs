//! Time as an argument. Nothing in the core reads a clock; a shell makes a [`Now`] once a turn.

use std::time::Duration;

/// Milliseconds since the Unix epoch, or a deadline in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// The latest moment that can be said; never reached.
    pub const NEVER: Millis = Millis(u64::MAX);

    /// This moment and `duration` more.
    pub fn plus(self, duration: Duration) -> Millis {
        Millis(self.0.saturating_add(duration.as_millis() as u64))
    }

    /// Milliseconds from `earlier` to here, zero if it is later.
    pub fn since(self, earlier: Millis) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The time of one turn: every decision of the turn sees the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Wall clock in microseconds since the Unix epoch: what clients see and what entries are stamped with.
    pub wall_us: u64,
    /// Microseconds since an arbitrary start, never going back: intervals, timeouts, latency.
    pub mono_us: u64,
}

impl Now {
    /// The wall clock in milliseconds.
    #[inline]
    pub fn millis(self) -> Millis {
        Millis(self.wall_us / 1000)
    }

    /// The steady clock in milliseconds.
    #[inline]
    pub fn mono_millis(self) -> Millis {
        Millis(self.mono_us / 1000)
    }
}
