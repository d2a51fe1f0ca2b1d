//! When to look which key up because its deadline may have come: a hierarchical timing wheel of key hashes.
//!
//! An item is the 8-byte hash of a key, no more: when its time comes the keyspace looks the key up and learns whether
//! it is gone, has lapsed, or has got a later deadline and must be scheduled again. So deleting a key or moving its
//! deadline later costs nothing here.
//!
//! ```text
//! level 0   256 slots of    4 ms        an item lies at the highest level where its tick and the wheel's differ;
//! level 1   256 slots of    1 s         when the wheel comes to a slot of level n > 0, its items are looked up and
//! ...                                   fall to lower levels
//! level 4   256 slots of 8.5 months
//! ```
//!
//! Invariant: an item lies ahead of the wheel, or in the slot where the wheel stands. Does not know: keys, the clock.

use base::Millis;

/// Milliseconds a tick: no key lapses more than this before it is found.
const GRANULE: u64 = 4;
const LEVELS: usize = 5;
const SLOTS: usize = 256;
const TICKS: u64 = 1 << (8 * LEVELS);

/// Fourteen hashes, a length and a link: two cache lines.
struct Chunk {
    items: [u64; 14],
    len: usize,
    next: Option<Box<Chunk>>,
}

struct Level {
    occupied: [u64; SLOTS / 64],
    slots: [Option<Box<Chunk>>; SLOTS],
}

/// The wheel.
#[derive(Default)]
pub(crate) struct Wheel {
    levels: [Option<Box<Level>>; LEVELS],
    /// The tick where the wheel stands: everything before is done.
    at: u64,
    items: usize,
}

impl Wheel {
    /// Number of items, stale ones included.
    pub(crate) fn len(&self) -> usize {
        self.items
    }

    /// Heap bytes, about.
    pub(crate) fn memory(&self) -> usize {
        let levels = self.levels.iter().flatten().count();
        levels * size_of::<Level>() + self.items * size_of::<Chunk>() / 14
    }

    /// Has the key of this hash looked up at `deadline`, or right away if that is past.
    pub(crate) fn insert(&mut self, hash: u64, deadline: Millis) {
        let tick = deadline.0.div_ceil(GRANULE);
        let tick = tick.clamp(self.at, self.at | (TICKS - 1));
        let level = (63 - ((tick ^ self.at) | 1).leading_zeros() as usize) / 8;
        self.levels[level].get_or_insert_with(Level::new).push(slot_of(tick, level), hash);
        self.items += 1;
    }

    /// The next hash to look up at or before `now`, and out of the wheel with it.
    pub(crate) fn pop(&mut self, now: Millis) -> Option<u64> {
        let target = now.0 / GRANULE;
        let (tick, level) = match self.next_slot() {
            Some((tick, level)) if tick <= target => (tick, level),
            _ => {
                self.at = self.at.max(target);
                return None;
            }
        };
        self.at = tick;
        let hash = self.levels[level].as_mut()?.pop(slot_of(tick, level))?;
        self.items -= 1;
        Some(hash)
    }

    /// When [`Wheel::pop`] may next have something. Never later than the first deadline, perhaps earlier.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        self.next_slot().map(|(tick, _)| Millis(tick.saturating_mul(GRANULE)))
    }

    /// Where the wheel stops next: higher levels first where it stands, so that their items can fall.
    fn next_slot(&self) -> Option<(u64, usize)> {
        if self.items == 0 {
            return None;
        }
        for level in (1..LEVELS).rev() {
            let here = slot_of(self.at, level);
            if self.levels[level].as_ref().is_some_and(|level| level.slots[here].is_some()) {
                return Some((self.at, level));
            }
        }
        (0..LEVELS).find_map(|level| {
            let slot = self.levels[level].as_ref()?.first_from(slot_of(self.at, level))?;
            let above = self.at >> (8 * (level + 1)) << (8 * (level + 1));
            Some(((above | (slot as u64) << (8 * level)).max(self.at), level))
        })
    }

    /// Frees up to `chunks` chunks; whether all are freed. For wheels put aside.
    pub(crate) fn drain(&mut self, chunks: usize) -> bool {
        let mut left = chunks;
        for level in &mut self.levels {
            let Some(slots) = level else { continue };
            for slot in &mut slots.slots {
                while let Some(chunk) = slot.take() {
                    *slot = chunk.next;
                    left = left.saturating_sub(1);
                    if left == 0 {
                        return false;
                    }
                }
            }
            *level = None;
        }
        self.items = 0;
        true
    }

    /// A wheel that stands where this one stands, empty.
    pub(crate) fn successor(&self) -> Wheel {
        Wheel { at: self.at, ..Wheel::default() }
    }
}

fn slot_of(tick: u64, level: usize) -> usize {
    (tick >> (8 * level)) as usize % SLOTS
}

impl Level {
    fn new() -> Box<Level> {
        Box::new(Level { occupied: [0; SLOTS / 64], slots: [const { None }; SLOTS] })
    }

    fn push(&mut self, slot: usize, hash: u64) {
        self.occupied[slot / 64] |= 1 << (slot % 64);
        let head = &mut self.slots[slot];
        match head {
            Some(chunk) if chunk.len < chunk.items.len() => {
                chunk.items[chunk.len] = hash;
                chunk.len += 1;
            }
            _ => {
                let mut chunk = Box::new(Chunk { items: [0; 14], len: 1, next: head.take() });
                chunk.items[0] = hash;
                *head = Some(chunk);
            }
        }
    }

    fn pop(&mut self, slot: usize) -> Option<u64> {
        let head = &mut self.slots[slot];
        let chunk = head.as_mut()?;
        chunk.len -= 1;
        let hash = chunk.items[chunk.len];
        if chunk.len == 0 {
            *head = chunk.next.take();
            if head.is_none() {
                self.occupied[slot / 64] &= !(1 << (slot % 64));
            }
        }
        Some(hash)
    }

    fn first_from(&self, slot: usize) -> Option<usize> {
        let mut word = slot / 64;
        let mut bits = self.occupied[word] & (u64::MAX << (slot % 64));
        loop {
            if bits != 0 {
                return Some(word * 64 + bits.trailing_zeros() as usize);
            }
            word += 1;
            bits = *self.occupied.get(word)?;
        }
    }
}

/// Long chains are freed in a loop: the compiler's way would descend once a chunk.
impl Drop for Level {
    fn drop(&mut self) {
        for slot in &mut self.slots {
            while let Some(mut chunk) = slot.take() {
                *slot = chunk.next.take();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use base::Random;

    use super::*;

    /// As the keyspace does it: a popped item that is early goes back in.
    #[test]
    fn every_item_comes_in_time_and_none_early() {
        for seed in 0..20 {
            let mut random = Random::new(seed);
            let mut wheel = Wheel::default();
            let mut deadlines: BTreeMap<u64, u64> = BTreeMap::new();
            let mut now = if seed % 2 == 0 { 1_700_000_000_000 } else { 0 };
            for step in 0..3000u64 {
                let span = [10, 1000, 100_000, 10_000_000, 1 << 42][random.below(5) as usize];
                let deadline = now + random.below(span);
                wheel.insert(step, Millis(deadline));
                deadlines.insert(step, deadline);
                if random.chance(1, 10) {
                    let leap = [5, 500, 300_000, 1 << 30][random.below(4) as usize];
                    now += random.below(leap);
                    let expected = wheel.next_due();
                    assert!(
                        expected.is_some_and(|due| due.0 <= *deadlines.values().min().unwrap() + GRANULE)
                    );
                    while let Some(hash) = wheel.pop(Millis(now)) {
                        if deadlines[&hash] <= now {
                            deadlines.remove(&hash);
                        } else {
                            wheel.insert(hash, Millis(deadlines[&hash]));
                        }
                    }
                    assert_eq!(wheel.len(), deadlines.len());
                    assert!(deadlines.values().all(|&deadline| deadline + GRANULE > now));
                }
            }
        }
    }

    #[test]
    fn a_wheel_put_aside_is_freed_in_slices() {
        let mut wheel = Wheel::default();
        (0..1000).for_each(|n| wheel.insert(n, Millis(5000 + n * 100)));
        let mut slices = 1;
        while !wheel.drain(10) {
            slices += 1;
        }
        assert!(slices > 5, "{slices}");
        assert_eq!(wheel.next_due(), None);
    }
}
