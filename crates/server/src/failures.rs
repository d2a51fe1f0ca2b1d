//! Who has failed to prove himself, and how often: some tries a minute are free, each after that waits twice as long.
//!
//! A guess that was wrong before counts once: it tells nobody anything new, and a program with an old password that
//! connects again and again must not lock out its neighbours behind the same address.
//! Bounded: at most so many sources are remembered; the one that failed longest ago is forgotten for a new one. Who
//! has an IPv6 network has as many addresses as he likes, so a network of 64 bits is one source.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::shared::lock;

/// Tries that are free.
pub(crate) const FREE: u32 = 5;
const MINUTE: Duration = Duration::from_secs(60);
const WAIT_MAX: Duration = Duration::from_secs(3600);
const SOURCES_MAX: usize = 10_000;
/// Wrong guesses that are remembered of a source.
const GUESSES: usize = 4;

#[derive(Default)]
pub(crate) struct Failures {
    tallies: Mutex<BTreeMap<IpAddr, Tally>>,
    /// With keys of this process: what it makes of a guess is of no use to anyone else.
    hasher: RandomState,
}

#[derive(Clone, Copy)]
struct Tally {
    count: u32,
    last: Instant,
    guesses: [Option<u64>; GUESSES],
}

impl Tally {
    /// From the last failure on.
    fn wait(self, free: u32) -> Duration {
        match self.count.checked_sub(free) {
            None => Duration::ZERO,
            Some(beyond) => MINUTE.saturating_mul(1 << beyond.min(10)).min(WAIT_MAX),
        }
    }
}

impl Failures {
    /// How long a source must wait until it may try again; zero if it may now.
    pub(crate) fn wait(&self, source: IpAddr, free: u32) -> Duration {
        self.wait_at(source, free, Instant::now())
    }

    /// It failed, with a guess if it was one. Says how long it must wait, if this is the failure that made it wait.
    pub(crate) fn note(&self, source: IpAddr, free: u32, guess: Option<&[u8]>) -> Option<Duration> {
        self.note_at(source, free, guess, Instant::now())
    }

    fn wait_at(&self, source: IpAddr, free: u32, now: Instant) -> Duration {
        let tallies = lock(&self.tallies);
        let tally = tallies.get(&network(source));
        tally.map_or(Duration::ZERO, |tally| {
            tally.wait(free).saturating_sub(now.saturating_duration_since(tally.last))
        })
    }

    fn note_at(&self, source: IpAddr, free: u32, guess: Option<&[u8]>, now: Instant) -> Option<Duration> {
        let source = network(source);
        let guess = guess.map(|guess| self.hasher.hash_one(guess));
        let mut tallies = lock(&self.tallies);
        if tallies.len() >= SOURCES_MAX && !tallies.contains_key(&source) {
            let oldest = tallies.iter().min_by_key(|(_, tally)| tally.last).map(|(source, _)| *source);
            oldest.and_then(|source| tallies.remove(&source));
        }
        let tally = tallies.entry(source).or_insert(Tally { count: 0, last: now, guesses: [None; GUESSES] });
        if guess.is_some() && tally.guesses.contains(&guess) {
            return None;
        }
        // A quiet time, longer than the wait that it had earned, is forgiven.
        if now.saturating_duration_since(tally.last) >= (tally.wait(free) * 2).max(MINUTE) {
            tally.count = 0;
        }
        if guess.is_some() {
            tally.guesses.rotate_right(1);
            tally.guesses[0] = guess;
        }
        (tally.count, tally.last) = (tally.count.saturating_add(1), now);
        (tally.count == free).then(|| tally.wait(free))
    }
}

/// Sources of which something was said already.
#[derive(Default)]
pub(crate) struct Known(Mutex<BTreeMap<IpAddr, Instant>>);

impl Known {
    /// Whether this is the first time that it is asked about a source, or the first since it was forgotten.
    pub(crate) fn is_new(&self, source: IpAddr) -> bool {
        let mut known = lock(&self.0);
        let source = network(source);
        if known.len() >= SOURCES_MAX && !known.contains_key(&source) {
            let oldest = known.iter().min_by_key(|(_, seen)| **seen).map(|(source, _)| *source);
            oldest.and_then(|source| known.remove(&source));
        }
        known.insert(source, Instant::now()).is_none()
    }
}

/// What counts as one source.
pub(crate) fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_often_waits_longer_each_time_and_others_do_not() {
        let (failures, start) = (Failures::default(), Instant::now());
        let (guesser, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        for number in 1..=FREE {
            assert_eq!(failures.wait_at(guesser, FREE, start), Duration::ZERO);
            let barred = failures.note_at(guesser, FREE, None, start);
            assert_eq!(barred, (number == FREE).then_some(MINUTE));
        }
        assert_eq!(failures.wait_at(guesser, FREE, start), MINUTE);
        assert_eq!(failures.wait_at(other, FREE, start), Duration::ZERO);
        let later = start + MINUTE;
        assert_eq!(failures.wait_at(guesser, FREE, later), Duration::ZERO);
        assert_eq!(failures.note_at(guesser, FREE, None, later), None, "it was said once");
        assert_eq!(failures.wait_at(guesser, FREE, later), 2 * MINUTE);
        assert_eq!(failures.wait_at(guesser, FREE, later + 2 * MINUTE), Duration::ZERO);
        for _ in 0..50 {
            failures.note_at(guesser, FREE, None, later);
        }
        assert_eq!(failures.wait_at(guesser, FREE, later), WAIT_MAX, "and never longer than that");
        let much_later = later + 2 * WAIT_MAX;
        failures.note_at(guesser, FREE, None, much_later);
        assert_eq!(failures.wait_at(guesser, FREE, much_later), Duration::ZERO, "a quiet time is forgiven");
    }

    #[test]
    fn the_same_wrong_guess_again_counts_once() {
        let (failures, start) = (Failures::default(), Instant::now());
        let source = IpAddr::from([10, 0, 0, 1]);
        for _ in 0..100 {
            failures.note_at(source, FREE, Some(b"of last year"), start);
        }
        assert_eq!(failures.wait_at(source, FREE, start), Duration::ZERO);
        for number in 0..FREE {
            failures.note_at(source, FREE, Some(&number.to_le_bytes()), start);
        }
        assert_eq!(failures.wait_at(source, FREE, start), 2 * MINUTE);
    }

    #[test]
    fn a_network_of_addresses_is_one_source() {
        let (failures, start) = (Failures::default(), Instant::now());
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for number in 0..FREE {
            failures.note_at(address(&format!("2001:db8::{number:x}")), FREE, None, start);
        }
        assert_eq!(failures.wait_at(address("2001:db8::beef"), FREE, start), MINUTE);
        assert_eq!(failures.wait_at(address("2001:db8:0:1::1"), FREE, start), Duration::ZERO);
        for _ in 0..FREE {
            failures.note_at(address("::ffff:10.0.0.1"), FREE, None, start);
        }
        assert_eq!(failures.wait_at(address("10.0.0.1"), FREE, start), MINUTE);
        assert_eq!(failures.wait_at(address("::ffff:10.0.0.2"), FREE, start), Duration::ZERO);
    }

    #[test]
    fn the_number_of_sources_is_bounded() {
        let (failures, known, start) = (Failures::default(), Known::default(), Instant::now());
        for number in 0..SOURCES_MAX as u32 + 5 {
            let source = IpAddr::from(number.to_be_bytes());
            failures.note_at(source, FREE, None, start);
            assert!(known.is_new(source));
        }
        assert_eq!(lock(&failures.tallies).len(), SOURCES_MAX);
        assert_eq!(lock(&known.0).len(), SOURCES_MAX);
        assert!(!known.is_new(IpAddr::from((SOURCES_MAX as u32).to_be_bytes())));
        assert!(known.is_new(IpAddr::from(0u32.to_be_bytes())), "the oldest was forgotten");
    }
}
