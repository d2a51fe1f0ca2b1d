//! What is counted of each command.

/// Calls of one command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    /// How often it ran.
    pub calls: u64,
    /// How many of those calls were timed, and nanoseconds that these took.
    pub timed: u64,
    /// See above.
    pub nanos: u64,
    /// How many calls those stand for that were timed, and nanoseconds that all of these took, about.
    pub covered: u64,
    /// See above.
    pub nanos_about: u64,
    /// How many were inside transactions: no other call stands for them.
    pub inside: u64,
    /// How often it was refused before it ran.
    pub rejected: u64,
    /// How often it ran and was answered with an error.
    pub failed: u64,
}

impl Calls {
    /// One took so long, and stands for so many.
    pub(super) fn time(&mut self, nanos: u64, weight: u64) {
        self.timed += 1;
        self.nanos += nanos;
        self.covered += weight;
        self.nanos_about = self.nanos_about.saturating_add(nanos.saturating_mul(weight));
    }

    /// Microseconds that they took in all, about; never less than before, and short of the last few that no other stands
    /// for yet.
    pub(crate) fn micros(&self) -> u64 {
        self.nanos_about / 1000
    }

    /// Microseconds that one takes, about.
    pub(crate) fn micros_each(&self) -> f64 {
        self.nanos_about as f64 / 1000.0 / self.covered.max(1) as f64
    }

    /// Adds those of another worker.
    pub(super) fn add(&mut self, other: &Calls) {
        self.calls += other.calls;
        self.timed += other.timed;
        self.nanos += other.nanos;
        self.covered += other.covered;
        self.nanos_about += other.nanos_about;
        self.inside += other.inside;
        self.rejected += other.rejected;
        self.failed += other.failed;
    }
}
