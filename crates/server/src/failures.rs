//! Who has failed to prove himself, and how often: some tries a minute are free, each after that waits twice as long.
//!
//! Bounded: at most so many sources are remembered; the one that failed longest ago is forgotten for a new one.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::shared::lock;

const FREE: u32 = 5;
const MINUTE: Duration = Duration::from_secs(60);
const WAIT_MAX: Duration = Duration::from_secs(3600);
const SOURCES_MAX: usize = 10_000;

#[derive(Default)]
pub(crate) struct Failures(Mutex<BTreeMap<IpAddr, Tally>>);

#[derive(Clone, Copy)]
struct Tally {
    count: u32,
    last: Instant,
}

impl Tally {
    fn wait(self) -> Duration {
        match self.count.checked_sub(FREE) {
            None => Duration::ZERO,
            Some(beyond) => MINUTE.saturating_mul(1 << beyond.min(10)).min(WAIT_MAX),
        }
    }
}

impl Failures {
    pub(crate) fn may_try(&self, source: IpAddr) -> bool {
        self.may_try_at(source, Instant::now())
    }

    pub(crate) fn note(&self, source: IpAddr) {
        self.note_at(source, Instant::now());
    }

    fn may_try_at(&self, source: IpAddr, now: Instant) -> bool {
        let tallies = lock(&self.0);
        tallies.get(&source).is_none_or(|tally| now.duration_since(tally.last) >= tally.wait())
    }

    fn note_at(&self, source: IpAddr, now: Instant) {
        let mut tallies = lock(&self.0);
        if tallies.len() >= SOURCES_MAX && !tallies.contains_key(&source) {
            let oldest = tallies.iter().min_by_key(|(_, tally)| tally.last).map(|(source, _)| *source);
            oldest.and_then(|source| tallies.remove(&source));
        }
        let tally = tallies.entry(source).or_insert(Tally { count: 0, last: now });
        // A quiet time, longer than the wait that it had earned, is forgiven.
        if now.duration_since(tally.last) >= (tally.wait() * 2).max(MINUTE) {
            tally.count = 0;
        }
        (tally.count, tally.last) = (tally.count.saturating_add(1), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_often_waits_longer_each_time_and_others_do_not() {
        let (failures, start) = (Failures::default(), Instant::now());
        let (guesser, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        for _ in 0..FREE {
            assert!(failures.may_try_at(guesser, start));
            failures.note_at(guesser, start);
        }
        assert!(!failures.may_try_at(guesser, start));
        assert!(failures.may_try_at(other, start));
        let later = start + MINUTE;
        assert!(failures.may_try_at(guesser, later));
        failures.note_at(guesser, later);
        assert!(!failures.may_try_at(guesser, later + MINUTE));
        assert!(failures.may_try_at(guesser, later + 2 * MINUTE));
    }

    #[test]
    fn the_number_of_sources_is_bounded() {
        let (failures, start) = (Failures::default(), Instant::now());
        for number in 0..SOURCES_MAX as u32 + 5 {
            failures.note_at(IpAddr::from(number.to_be_bytes()), start);
        }
        assert_eq!(lock(&failures.0).len(), SOURCES_MAX);
    }
}
