//! The big form of a list: chunks of packed elements in a row.
//!
//! A chunk is shared with a walk that wants the list as it was, and copied when it changes meanwhile.
//!
//! Invariants: no chunk is empty; `len` and `memory` are sums over the chunks.

use std::collections::VecDeque;
use std::collections::vec_deque;
use std::iter::FlatMap;
use std::sync::Arc;

use super::chunk::{Chunk, End};
use crate::value::packed::Elements;
use base::allocated;

/// Elements of chunks in a row.
pub(super) type Flat<'a> =
    FlatMap<vec_deque::Iter<'a, Arc<Chunk>>, Elements<'a>, fn(&'a Arc<Chunk>) -> Elements<'a>>;

fn elements_of(chunk: &Arc<Chunk>) -> Elements<'_> {
    chunk.iter()
}

/// Elements in chunks.
#[derive(Clone, Default)]
pub(crate) struct List {
    chunks: VecDeque<Arc<Chunk>>,
    len: usize,
    /// Heap bytes of the chunks.
    memory: usize,
    /// Bytes of the packed elements.
    bytes: usize,
}

/// How many chunks a list has room for, and the heap bytes of those that it has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    chunks: usize,
    in_chunks: usize,
}

impl List {
    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Heap bytes of chunks and list.
    pub(crate) fn memory(&self) -> usize {
        List::memory_of(self.room())
    }

    /// What its memory goes by: so that who changes a list need not work out what has stayed.
    #[inline]
    pub(super) fn room(&self) -> Room {
        Room { chunks: self.chunks.capacity(), in_chunks: self.memory }
    }

    /// Heap bytes of a list with such room.
    pub(super) fn memory_of(room: Room) -> usize {
        allocated(size_of::<List>()) + allocated(room.chunks * size_of::<Arc<Chunk>>()) + room.in_chunks
    }

    /// Bytes of the elements, packed.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The chunks, to be written while the list goes on.
    pub(crate) fn chunks(&self) -> VecDeque<Arc<Chunk>> {
        self.chunks.clone()
    }

    /// The chunks, to be freed bit by bit.
    pub(crate) fn into_chunks(self) -> VecDeque<Arc<Chunk>> {
        self.chunks
    }

    /// Takes a chunk's share out of the sums before it changes …
    fn leave(&mut self, at: usize) {
        if let Some(chunk) = self.chunks.get(at) {
            self.memory -= chunk.memory();
            self.bytes -= chunk.run().len();
            self.len -= chunk.len();
        }
    }

    /// … and puts it back afterwards.
    fn enter(&mut self, at: usize) {
        if let Some(chunk) = self.chunks.get(at) {
            self.memory += chunk.memory();
            self.bytes += chunk.run().len();
            self.len += chunk.len();
        }
    }

    /// Changes the chunk at `at`, in which something is left.
    #[inline]
    fn change(&mut self, at: usize, change: impl FnOnce(&mut Chunk)) {
        let Some(chunk) = self.chunks.get_mut(at) else { return };
        let (room, bytes, len) = (chunk.capacity(), chunk.run().len(), chunk.len());
        let chunk = Arc::make_mut(chunk);
        change(chunk);
        self.bytes = self.bytes - bytes + chunk.run().len();
        self.len = self.len - len + chunk.len();
        // Seldom: chunks get room for many elements at once.
        if chunk.capacity() != room {
            self.memory = self.memory - Chunk::memory_of(room) + chunk.memory();
        }
    }

    fn put(&mut self, at: usize, chunk: Chunk) {
        self.chunks.insert(at, Arc::new(chunk));
        self.enter(at);
    }

    /// The chunk at an end.
    fn end(&self, end: End) -> Option<usize> {
        match end {
            End::Front => (!self.chunks.is_empty()).then_some(0),
            End::Back => self.chunks.len().checked_sub(1),
        }
    }

    pub(super) fn push(&mut self, end: End, element: &[u8]) {
        match self.end(end) {
            Some(at) if self.chunks[at].has_room(element) => {
                self.change(at, |chunk| chunk.push(end, element));
            }
            _ => {
                let at = if end == End::Front { 0 } else { self.chunks.len() };
                self.put(at, Chunk::of(element, end));
            }
        }
    }

    /// The chunk that holds a place, and the place in it; from the nearer end.
    fn find(&self, place: usize) -> Option<(usize, usize)> {
        if place >= self.len {
            return None;
        }
        if place < self.len / 2 {
            let mut before = 0;
            for (at, chunk) in self.chunks.iter().enumerate() {
                if place < before + chunk.len() {
                    return Some((at, place - before));
                }
                before += chunk.len();
            }
        } else {
            let mut start = self.len;
            for (at, chunk) in self.chunks.iter().enumerate().rev() {
                start -= chunk.len();
                if place >= start {
                    return Some((at, place - start));
                }
            }
        }
        None
    }

    /// The element at an end.
    #[inline]
    pub(super) fn at_end(&self, end: End) -> Option<&[u8]> {
        match end {
            End::Front => self.chunks.front()?.iter().next(),
            End::Back => self.chunks.back()?.iter().next_back(),
        }
    }

    pub(super) fn get(&self, place: usize) -> Option<&[u8]> {
        let (at, within) = self.find(place)?;
        self.chunks[at].get(within)
    }

    /// Elements from `start` on.
    pub(super) fn iter_from(&self, start: usize) -> Flat<'_> {
        let (at, within) = self.find(start).unwrap_or((self.chunks.len(), 0));
        let of: fn(&Arc<Chunk>) -> Elements<'_> = elements_of;
        let mut elements = self.chunks.range(at..).flat_map(of);
        elements.by_ref().take(within).for_each(drop);
        elements
    }

    /// Replaces the element at a place that is there.
    pub(super) fn set(&mut self, place: usize, element: &[u8]) {
        if let Some((at, within)) = self.find(place) {
            self.change(at, |chunk| chunk.splice(within, 1, Some(element)));
            self.split(at);
        }
    }

    /// Puts an element before the one at `place`, or behind all.
    pub(super) fn insert(&mut self, place: usize, element: &[u8]) {
        let Some((at, within)) = self.find(place) else { return self.push(End::Back, element) };
        self.change(at, |chunk| chunk.splice(within, 0, Some(element)));
        self.split(at);
    }

    /// Splits a chunk that has grown too long until its parts are not.
    fn split(&mut self, at: usize) {
        let mut parts: Vec<usize> = vec![at];
        while let Some(at) = parts.pop() {
            if !self.chunks.get(at).is_some_and(|chunk| chunk.is_overfull()) {
                continue;
            }
            let mut tail = Chunk::default();
            self.change(at, |chunk| tail = chunk.split_off(chunk.len() / 2));
            self.put(at + 1, tail);
            parts.extend([at, at + 1]);
        }
    }

    /// Removes up to `count` elements that equal `element`, from an end on; how many.
    pub(super) fn remove_equal(&mut self, element: &[u8], count: usize, from: End) -> usize {
        let mut left = count;
        let order: Box<dyn Iterator<Item = usize>> = match from {
            End::Front => Box::new(0..self.chunks.len()),
            End::Back => Box::new((0..self.chunks.len()).rev()),
        };
        let mut is_thinned = false;
        for at in order {
            if left == 0 {
                break;
            }
            let equal = self.chunks[at].iter().filter(|held| *held == element).count();
            if equal == 0 {
                continue;
            }
            is_thinned = true;
            let removed = equal.min(left);
            // From the back the first ones of a chunk stay.
            let mut spared = if from == End::Back { equal - removed } else { 0 };
            let mut removing = removed;
            left -= removed;
            // An empty chunk stays until all are through, so that the numbers of chunks hold.
            self.leave(at);
            Arc::make_mut(&mut self.chunks[at]).retain(|held| {
                if held != element || removing == 0 {
                    return true;
                }
                if spared > 0 {
                    spared -= 1;
                    return true;
                }
                removing -= 1;
                false
            });
            self.enter(at);
        }
        if is_thinned {
            self.tidy();
        }
        count - left
    }

    /// Drops empty chunks and joins small neighbours.
    fn tidy(&mut self) {
        let old = std::mem::take(self);
        for chunk in old.chunks.into_iter().filter(|chunk| chunk.len() > 0) {
            let last = self.chunks.len().wrapping_sub(1);
            let mut joined = false;
            if let Some(before) = self.chunks.back()
                && before.run().len() + chunk.run().len() <= super::chunk::CHUNK_BYTES / 2
            {
                self.change(last, |before| joined = before.join(&chunk));
            }
            if !joined {
                self.chunks.push_back(chunk);
                self.enter(self.chunks.len() - 1);
            }
        }
    }

    /// Keeps `len` elements from `start` on.
    pub(super) fn trim(&mut self, start: usize, len: usize) {
        let behind = self.len.saturating_sub(start.saturating_add(len));
        self.drop_run(End::Front, start.min(self.len));
        self.drop_run(End::Back, behind);
    }

    /// Drops this many elements from an end on, whole chunks at once.
    pub(super) fn drop_run(&mut self, end: End, mut count: usize) {
        while count > 0
            && let Some(at) = self.end(end)
        {
            let len = self.chunks[at].len();
            if len <= count {
                self.leave(at);
                self.chunks.remove(at);
                count -= len;
                continue;
            }
            self.change(at, |chunk| chunk.drop_run(end, count));
            return;
        }
    }

    /// Whether the sums are right: for tests.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        assert!(self.chunks.iter().all(|chunk| chunk.len() > 0 && !chunk.is_overfull()));
        assert_eq!(self.len, self.chunks.iter().map(|chunk| chunk.iter().count()).sum::<usize>());
        assert_eq!(self.memory, self.chunks.iter().map(|chunk| chunk.memory()).sum::<usize>());
        assert_eq!(self.bytes, self.chunks.iter().map(|chunk| chunk.run().len()).sum::<usize>());
    }
}
