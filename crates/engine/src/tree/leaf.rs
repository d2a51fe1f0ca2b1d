//! A run of members with their keys and values, each part in an array of its own.

use std::cmp::Ordering;

use super::{LEAF_BYTES, LEAF_MAX, SortKey, prefetch_all};
use base::allocated;

/// Some neighbouring members. Invariants: as many keys as values and starts; starts ascend from 0 and lie within the
/// bytes; the last member ends where the bytes do, so that only a lone one may be longer than two bytes can say.
pub(crate) struct Leaf<K, V> {
    keys: Vec<K>,
    values: Vec<V>,
    starts: Vec<u16>,
    bytes: Vec<u8>,
    /// Heap bytes, the leaf itself included. Every change asks, and few change it.
    memory: usize,
}

impl<K, V> Default for Leaf<K, V> {
    fn default() -> Leaf<K, V> {
        Leaf::of(Vec::new(), Vec::new(), Vec::new(), Vec::new())
    }
}

impl<K: Clone, V: Clone> Clone for Leaf<K, V> {
    fn clone(&self) -> Leaf<K, V> {
        Leaf::of(self.keys.clone(), self.values.clone(), self.starts.clone(), self.bytes.clone())
    }
}

/// Makes room for `more` items without doubling: leaves are many, and what they do not use is lost. Whether there was
/// none.
#[inline]
fn make_room<T>(items: &mut Vec<T>, more: usize) -> bool {
    let is_full = items.capacity() - items.len() < more;
    if is_full {
        items.reserve_exact(more.max(items.len() / 8).max(4));
    }
    is_full
}

/// Gives room back that is not needed; whether there was such.
#[inline]
fn give_back<T>(items: &mut Vec<T>) -> bool {
    let is_wide = items.capacity() > items.len() + items.len() / 4 + 16;
    if is_wide {
        items.shrink_to(items.len() + items.len() / 8);
    }
    is_wide
}

impl<K, V> Leaf<K, V> {
    fn of(keys: Vec<K>, values: Vec<V>, starts: Vec<u16>, bytes: Vec<u8>) -> Leaf<K, V> {
        let mut leaf = Leaf { keys, values, starts, bytes, memory: 0 };
        leaf.measure();
        leaf
    }

    /// Must come after the room of an array has changed.
    fn measure(&mut self) {
        self.memory = self.measured();
    }

    fn measured(&self) -> usize {
        // An array of empty values has no memory and an endless capacity.
        let values = if size_of::<V>() == 0 { 0 } else { self.values.capacity() * size_of::<V>() };
        allocated(size_of::<Leaf<K, V>>())
            + allocated(self.keys.capacity() * size_of::<K>())
            + allocated(values)
            + allocated(self.starts.capacity() * 2)
            + allocated(self.bytes.capacity())
    }
}

impl<K: SortKey, V: Copy> Leaf<K, V> {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn keys(&self) -> &[K] {
        &self.keys
    }

    #[inline]
    pub(super) fn member(&self, at: usize) -> &[u8] {
        let end = self.starts.get(at + 1).map_or(self.bytes.len(), |&start| usize::from(start));
        &self.bytes[usize::from(self.starts[at])..end]
    }

    pub(super) fn value(&self, at: usize) -> V {
        self.values[at]
    }

    pub(super) fn value_mut(&mut self, at: usize) -> &mut V {
        &mut self.values[at]
    }

    #[inline]
    pub(super) fn entry(&self, at: usize) -> (K, V, &[u8]) {
        (self.keys[at], self.values[at], self.member(at))
    }

    /// Asks for the keys; the leaf itself has been asked for.
    #[inline]
    pub(crate) fn prefetch_keys(&self) {
        prefetch_all(&self.keys);
    }

    /// Asks for what is compared with a member and what is found with it; the keys have been asked for. Where its bytes
    /// start is guessed: it stands with what is asked for here.
    #[inline]
    pub(crate) fn prefetch_member(&self, key: K) {
        let at = self.keys.partition_point(|held| held.order(key).is_lt());
        prefetch_all(self.starts.get(at..at + 1).unwrap_or_default());
        prefetch_all(self.values.get(at..at + 1).unwrap_or_default());
        let start = (self.bytes.len() * at / self.len().max(1)).saturating_sub(64);
        prefetch_all(&self.bytes[start..(start + 128).min(self.bytes.len())]);
    }

    /// Heap bytes, the leaf itself included.
    #[inline]
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    /// Where a member is, or where it would be.
    pub(crate) fn find(&self, key: K, member: &[u8]) -> Result<usize, usize> {
        let mut low = self.keys.partition_point(|held| held.order(key).is_lt());
        if !self.keys.get(low).is_some_and(|held| held.order(key).is_eq()) {
            return Err(low);
        }
        // Keys are hashes, which hardly ever are equal, or scores, which may all be: so two steps.
        let mut high = low + 1;
        if self.keys.get(high).is_some_and(|held| held.order(key).is_eq()) {
            high += self.keys[high..].partition_point(|held| held.order(key).is_eq());
        }
        while low < high {
            let middle = low.midpoint(high);
            match self.member(middle).cmp(member) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// How many members come first of which `before` is true.
    pub(super) fn partition(&self, before: &impl Fn(K, &[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if before(self.keys[middle], self.member(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Puts a member in at its place; if the leaf has no room, more leaves come behind it.
    pub(super) fn insert(
        &mut self,
        at: usize,
        entry: (K, V, &[u8]),
        appends: bool,
        split: &mut Vec<Leaf<K, V>>,
    ) {
        let len = self.len();
        let bytes = self.bytes.len() + entry.2.len();
        if len == 0 || len < LEAF_MAX && bytes <= LEAF_BYTES {
            return self.put(at, entry);
        }
        // Long members stay alone, and whoever fills a tree in order leaves full leaves behind.
        let stays = len == 1 || bytes > LEAF_BYTES && entry.2.len() > LEAF_BYTES / 4;
        if at == len && (appends || stays) {
            let mut behind = Leaf::default();
            behind.put(0, entry);
            split.push(behind);
        } else if at == 0 && stays {
            let mut front = Leaf::default();
            front.put(0, entry);
            split.push(std::mem::replace(self, front));
        } else {
            let middle = self.middle();
            let mut behind = self.split_off(middle);
            if at <= middle {
                self.insert(at, entry, false, split);
                split.push(behind);
            } else {
                let mut more = Vec::new();
                behind.insert(at - middle, entry, false, &mut more);
                split.push(behind);
                split.append(&mut more);
            }
        }
    }

    /// Where to cut: in the middle of the bytes if they are too many, else of the members. Never at an end.
    fn middle(&self) -> usize {
        let len = self.len();
        if len >= LEAF_MAX {
            return len / 2;
        }
        let half = self.bytes.len() / 2;
        self.starts.partition_point(|&start| usize::from(start) < half).clamp(1, len - 1)
    }

    fn put(&mut self, at: usize, (key, value, member): (K, V, &[u8])) {
        let grown = make_room(&mut self.keys, 1)
            | make_room(&mut self.values, 1)
            | make_room(&mut self.starts, 1)
            | make_room(&mut self.bytes, member.len());
        if grown {
            self.measure();
        }
        let start = self.starts.get(at).map_or(self.bytes.len(), |&start| usize::from(start));
        self.keys.insert(at, key);
        self.values.insert(at, value);
        self.starts.insert(at, start as u16);
        // Members behind exist only where all are short, see the invariant of trees, so that no start wraps round. To look
        // whether one does would cost more than to move them all.
        let len = member.len() as u16;
        self.starts[at + 1..].iter_mut().for_each(|start| *start = start.wrapping_add(len));
        let end = self.bytes.len();
        self.bytes.extend_from_slice(member);
        if start < end {
            self.bytes.copy_within(start..end, start + member.len());
            self.bytes[start..start + member.len()].copy_from_slice(member);
        }
    }

    pub(super) fn remove(&mut self, at: usize) -> V {
        let start = usize::from(self.starts[at]);
        let len = self.member(at).len();
        self.bytes.drain(start..start + len);
        self.starts.remove(at);
        // As in `put`; and a long last member has none behind it.
        self.starts[at..].iter_mut().for_each(|start| *start = start.wrapping_sub(len as u16));
        self.keys.remove(at);
        let value = self.values.remove(at);
        self.give_back();
        value
    }

    fn give_back(&mut self) {
        let shrunk = give_back(&mut self.keys)
            | (size_of::<V>() > 0 && give_back(&mut self.values))
            | give_back(&mut self.starts)
            | give_back(&mut self.bytes);
        if shrunk {
            self.measure();
        }
    }

    /// Cuts off the members from a place on.
    fn split_off(&mut self, at: usize) -> Leaf<K, V> {
        let cut = usize::from(self.starts[at]);
        let mut behind = Leaf::of(
            self.keys.split_off(at),
            self.values.split_off(at),
            self.starts.split_off(at),
            self.bytes.split_off(cut),
        );
        behind.starts.iter_mut().for_each(|start| *start -= cut as u16);
        self.give_back();
        behind.give_back();
        behind
    }

    /// Whether so little is left that a neighbour could take it.
    pub(super) fn is_small(&self) -> bool {
        self.len() < LEAF_MAX / 4 && self.bytes.len() < LEAF_BYTES / 4
    }

    /// Whether the members of the next leaf fit in, with room for more.
    pub(super) fn has_room_for(&self, next: &Leaf<K, V>) -> bool {
        self.len() + next.len() <= LEAF_MAX * 3 / 4
            && self.bytes.len() + next.bytes.len() <= LEAF_BYTES * 3 / 4
    }

    /// Takes over the members of the next leaf.
    pub(super) fn append(&mut self, next: &mut Leaf<K, V>) {
        let shift = self.bytes.len() as u16;
        self.keys.append(&mut next.keys);
        self.values.append(&mut next.values);
        self.starts.extend(next.starts.drain(..).map(|start| start + shift));
        self.bytes.append(&mut next.bytes);
        self.give_back();
        self.measure();
    }

    #[cfg(test)]
    pub(super) fn check(&self, is_root: bool) {
        assert!(self.len() <= LEAF_MAX && (is_root || self.len() > 0));
        assert!(self.bytes.len() <= LEAF_BYTES || self.len() == 1);
        assert_eq!((self.values.len(), self.starts.len()), (self.len(), self.len()));
        assert!(self.starts.is_sorted() && self.starts.first().is_none_or(|&start| start == 0));
        assert_eq!(self.memory, self.measured());
    }
}
