//! Which keys go first when memory runs short: entries are sampled, the best of them are remembered, and the best of all
//! goes.
//!
//! A keyspace is sampled in the order of its hashes, which says nothing about the keys, from where the last sample
//! stopped: so each key comes up once a round, neighbours share their cache lines, and those that are rare (keys with a
//! deadline among many without) are found within a round. A [`Pool`] remembers the best candidates of all samples, as
//! Redis's does.
//!
//! Does not know: how much memory there may be, who decides (a leader), how a deletion is logged. What access clocks
//! noted decides here and nowhere else; replicas may differ in it, so this must never be asked while an entry is applied.

use base::Millis;

use crate::clock::{Clocks, UseCounting, idle_seconds};
use crate::keyspace::Keyspace;
use crate::table::{Entry, Table};

/// By what candidates are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranking {
    /// The one that was not used for longest goes first.
    Idle,
    /// The one that is used least.
    Use(UseCounting),
    /// The one that lapses soonest.
    Deadline,
}

impl Ranking {
    /// How soon an entry should go: more is sooner. One that has lapsed goes before all.
    pub fn of(self, entry: &Entry, now: Millis) -> u64 {
        if entry.is_lapsed(now) {
            return u64::MAX;
        }
        match self {
            // Nobody used it since it was loaded.
            Ranking::Idle if entry.clock() == 0 => u64::from(u32::MAX),
            Ranking::Idle => u64::from(idle_seconds(entry.clock(), now)),
            Ranking::Use(counting) => u64::from(u8::MAX - entry.frequency(counting, now)),
            Ranking::Deadline => entry.deadline().map_or(0, |deadline| u64::MAX - 1 - deadline.0),
        }
    }

    /// What access clocks must note for it.
    pub fn clocks(self) -> Clocks {
        match self {
            Ranking::Use(counting) => Clocks::Uses(counting),
            Ranking::Idle | Ranking::Deadline => Clocks::Time,
        }
    }
}

/// Most candidates that are remembered.
const POOL_MAX: usize = 16;

/// A key that may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate<P> {
    /// Where it is.
    pub place: P,
    /// Its name.
    pub key: Box<[u8]>,
    /// Its rank when it was sampled.
    pub rank: u64,
}

/// The best candidates so far.
#[derive(Debug)]
pub struct Pool<P> {
    /// Ascending by rank; at most [`POOL_MAX`], no key of a place twice.
    candidates: Vec<Candidate<P>>,
}

impl<P> Default for Pool<P> {
    fn default() -> Pool<P> {
        Pool { candidates: Vec::new() }
    }
}

impl<P: Copy + PartialEq> Pool<P> {
    /// Remembers a candidate if it is among the best.
    pub fn offer(&mut self, place: P, key: &[u8], rank: u64) {
        if self.candidates.len() == POOL_MAX
            && self.candidates.first().is_some_and(|least| rank <= least.rank)
        {
            return;
        }
        if self.candidates.iter().any(|known| known.place == place && *known.key == *key) {
            return;
        }
        if self.candidates.len() == POOL_MAX {
            self.candidates.remove(0);
        }
        let at = self.candidates.partition_point(|known| known.rank <= rank);
        self.candidates.insert(at, Candidate { place, key: key.into(), rank });
    }

    /// The best candidate, which is forgotten with that. It may be gone or have been used since.
    pub fn pop(&mut self) -> Option<Candidate<P>> {
        self.candidates.pop()
    }

    /// Forgets all: they were ranked by something else.
    pub fn clear(&mut self) {
        self.candidates.clear();
    }
}

impl Keyspace {
    /// Shows `visit` about `count` entries, from where the last call stopped on; with `lapsing` only such with a deadline.
    /// Looks at no more than about `looks`, and at each once at most; at how many is returned.
    pub fn sample(
        &mut self,
        lapsing: bool,
        count: usize,
        looks: usize,
        visit: &mut dyn FnMut(&Entry),
    ) -> usize {
        let (mut looked, mut found) = (0, 0);
        while looked < looks.min(self.len()) && found < count {
            self.book.hand = self.table.scan(self.book.hand, count - found, &mut |entry| {
                looked += 1;
                if !lapsing || entry.deadline().is_some() {
                    found += 1;
                    visit(entry);
                }
            });
        }
        looked
    }

    /// Lets the next sample begin anywhere.
    pub fn move_hand(&mut self, point: u64) {
        self.book.hand = Table::cursor_at(point);
    }

    /// Deletes a key, whether its deadline has come or not; whether there was one. Counts as a change. For `narf.evict`.
    pub fn evict(&mut self, key: &[u8], now: Millis) -> bool {
        match self.peek(key).map(|entry| entry.is_lapsed(now)) {
            None => false,
            Some(true) => self.expire(key, now),
            Some(false) => {
                self.book.changed(key);
                self.delete(key)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use base::{KeyHasher, Random};

    use super::*;
    use crate::clock::Access;
    use crate::value::{NewDeadline, NewValue};

    fn keyspace(keys: u64, with_deadline: impl Fn(u64) -> Option<u64>) -> Keyspace {
        let mut keyspace = Keyspace::new(KeyHasher::new(5));
        for n in 0..keys {
            let deadline = with_deadline(n).map_or(NewDeadline::Clear, |at| NewDeadline::At(Millis(at)));
            let key = n.to_string();
            keyspace.set_as(
                keyspace.sought(key.as_bytes()),
                key.as_bytes(),
                NewValue::Int(1),
                deadline,
                Millis(1000),
                Access::Noted,
            );
        }
        keyspace
    }

    /// Keys that samples show, and how often.
    fn shown(keyspace: &mut Keyspace, lapsing: bool, count: usize, looks: usize) -> BTreeMap<Vec<u8>, u32> {
        let (mut shown, mut looked) = (BTreeMap::new(), 0);
        while looked < keyspace.len() {
            looked += keyspace.sample(lapsing, count, looks, &mut |entry| {
                *shown.entry(entry.key().to_vec()).or_default() += 1;
            });
        }
        shown
    }

    #[test]
    fn each_key_comes_up_once_a_round() {
        let mut random = Random::new(9);
        for keys in [1, 7, 100, 20_000] {
            let mut keyspace = keyspace(keys, |_| None);
            keyspace.move_hand(random.next_u64());
            let shown = shown(&mut keyspace, false, 5, 1000);
            assert_eq!(shown.len() as u64, keys);
            // What lies around the beginning of the round may come up at its end again.
            let again = shown.values().filter(|&&times| times > 1).count();
            assert!(again <= 64 && shown.values().all(|&times| times <= 2), "{again} of {keys} came twice");
        }
    }

    #[test]
    fn rare_keys_with_a_deadline_are_found_with_bounded_work() {
        let mut keyspace = keyspace(50_000, |n| n.is_multiple_of(5000).then_some(9000));
        assert_eq!(shown(&mut keyspace, true, 5, 1000).len(), 10);
        for _ in 0..100 {
            let looked = keyspace.sample(true, 5, 1000, &mut |entry| assert!(entry.deadline().is_some()));
            assert!((1..1100).contains(&looked), "{looked}");
        }
    }

    #[test]
    fn a_sample_of_nothing_ends() {
        let mut keyspace = keyspace(300, |_| None);
        assert_eq!(keyspace.sample(true, 5, usize::MAX, &mut |_| panic!("none has a deadline")), 300);
        assert_eq!(Keyspace::new(KeyHasher::new(1)).sample(false, 5, 100, &mut |_| {}), 0);
    }

    #[test]
    fn a_pool_gives_the_best_of_all_it_was_offered() {
        let mut random = Random::new(4);
        for _ in 0..200 {
            let ranks: Vec<u64> = (0..40).map(|_| random.below(30)).collect();
            let mut pool = Pool::default();
            let mut offered = BTreeMap::new();
            for _ in 0..random.below(90) {
                // Some are offered again.
                let key = random.below(ranks.len() as u64) as usize;
                let (place, rank) = (key % 3, ranks[key]);
                pool.offer(place, &key.to_le_bytes(), rank);
                offered.insert(key, rank);
            }
            let mut expected: Vec<u64> = offered.into_values().collect();
            expected.sort_unstable_by(|a, b| b.cmp(a));
            expected.truncate(POOL_MAX);
            let popped: Vec<u64> = std::iter::from_fn(|| pool.pop()).map(|best| best.rank).collect();
            assert_eq!(popped, expected);
        }
    }

    #[test]
    fn ranks_follow_idleness_uses_and_deadlines() {
        let mut keyspace = keyspace(3, |n| Some(5000 + n * 1000));
        keyspace.find_as(keyspace.sought(b"1"), b"1", Millis(3000), Access::Noted);
        let rank = |ranking: Ranking, now| {
            ["0", "1", "2"].map(|key| ranking.of(keyspace.peek(key.as_bytes()).unwrap(), Millis(now)))
        };
        let [old, used, also_old] = rank(Ranking::Idle, 4000);
        assert!(old > used && old == also_old);
        let [soon, later, last] = rank(Ranking::Deadline, 4000);
        assert!(soon > later && later > last);
        let [lapsed, ..] = rank(Ranking::Idle, 5000);
        assert_eq!(lapsed, u64::MAX);
        let counting = UseCounting { log_factor: 0, decay_minutes: 1 };
        let mut keyspace = Keyspace::new(KeyHasher::new(5));
        keyspace.set_clocks(Ranking::Use(counting).clocks());
        for key in [b"a", b"b"] {
            keyspace.set_as(
                keyspace.sought(key),
                key,
                NewValue::Int(1),
                NewDeadline::Clear,
                Millis(1000),
                Access::Noted,
            );
        }
        keyspace.find_as(keyspace.sought(b"b"), b"b", Millis(1000), Access::Noted);
        let rank = |key| Ranking::Use(counting).of(keyspace.peek(key).unwrap(), Millis(1000));
        assert!(rank(b"a") > rank(b"b"));
    }

    #[test]
    fn what_is_evicted_is_gone_from_the_books_and_counts_as_a_change() {
        let mut keyspace = keyspace(100, |n| n.is_multiple_of(2).then_some(2000));
        let stamp = keyspace.watch(b"7", Millis(1000));
        let before = (keyspace.changes(), keyspace.memory());
        assert!(keyspace.evict(b"7", Millis(1000)) && !keyspace.evict(b"7", Millis(1000)));
        assert!(keyspace.evict(b"8", Millis(5000)), "a lapsed one takes memory as well");
        assert!(keyspace.changed_since(b"7", stamp, Millis(1000)));
        assert_eq!((keyspace.len(), keyspace.deadlines()), (98, 49));
        assert!(keyspace.changes() == before.0 + 2 && keyspace.memory() < before.1);
        keyspace.check_invariants();
    }

    #[test]
    fn a_big_value_is_condemned_until_it_is_freed() {
        let mut keyspace = keyspace(0, |_| None);
        let elements: Vec<String> = (0..20_000).map(|n| format!("element {n}")).collect();
        keyspace.put_set(b"s", None, elements.iter().map(|text| crate::value::Member::Text(text.as_bytes())));
        let takes = keyspace.peek(b"s").map_or(0, Entry::memory);
        assert!(keyspace.evict(b"s", Millis(1)) && takes > 400_000);
        assert!(keyspace.condemned() > takes * 9 / 10 && keyspace.condemned() <= takes);
        let mut last = keyspace.condemned();
        while !keyspace.reclaim(1000) {
            assert!(keyspace.condemned() < last);
            last = keyspace.condemned();
        }
        assert_eq!(keyspace.condemned(), 0);
        // The same for a cleared table with a big value in it.
        let mut keyspace = self::keyspace(5000, |_| None);
        keyspace.put_set(b"s", None, elements.iter().map(|text| crate::value::Member::Text(text.as_bytes())));
        keyspace.clear();
        assert!(keyspace.condemned() > takes);
        while !keyspace.reclaim(1000) {}
        assert_eq!(keyspace.condemned(), 0);
    }
}
