//! A run of elements of a big list, with room at either end.

use crate::value::packed::{self, Elements, Framed};
use base::allocated;

/// Most bytes of the elements of a chunk, unless it has only one.
pub(super) const CHUNK_BYTES: usize = 4096;

/// Least room that a chunk is given.
const ROOM_MIN: usize = 128;

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The first element's: the left one.
    Front,
    /// The last element's: the right one.
    Back,
}

/// A run of elements, at least one unless it is about to be filled or dropped.
#[derive(Default)]
pub(crate) struct Chunk {
    /// Elements, packed, behind unused bytes.
    bytes: Vec<u8>,
    /// How many bytes in front are unused.
    front: usize,
    len: usize,
}

/// A copy has the bytes that count and nothing else: what is shared with a walk under way is copied before it changes.
impl Clone for Chunk {
    fn clone(&self) -> Chunk {
        Chunk { bytes: self.run().to_vec(), front: 0, len: self.len }
    }
}

impl Chunk {
    /// A chunk of one element, with room for more of its kind.
    pub(super) fn of(element: &[u8], end: End) -> Chunk {
        let mut chunk = Chunk::default();
        chunk.push(end, element);
        chunk
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Heap bytes: its own, behind two counters, and its elements'.
    pub(super) fn memory(&self) -> usize {
        Chunk::memory_of(self.bytes.capacity())
    }

    /// The same of a chunk that has room for so many bytes.
    #[inline]
    pub(super) fn memory_of(capacity: usize) -> usize {
        allocated(size_of::<Chunk>() + 2 * size_of::<usize>()) + allocated(capacity)
    }

    /// Bytes that there is room for.
    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The packed elements.
    #[inline]
    pub(super) fn run(&self) -> &[u8] {
        &self.bytes[self.front..]
    }

    /// The elements.
    #[inline]
    pub(crate) fn iter(&self) -> Elements<'_> {
        Elements::new(self.run())
    }

    /// Whether another element may join.
    pub(super) fn has_room(&self, element: &[u8]) -> bool {
        self.len == 0 || self.run().len() + packed::size(element.len()) <= CHUNK_BYTES
    }

    /// Puts an element at an end. The caller has asked [`Chunk::has_room`].
    pub(super) fn push(&mut self, end: End, element: &[u8]) {
        let size = packed::size(element.len());
        let framed = Framed::new(element);
        match end {
            End::Front => {
                if self.front < size {
                    self.make_room_in_front(size);
                }
                self.front -= size;
                framed.write(&mut self.bytes[self.front..]);
            }
            End::Back => {
                if self.bytes.capacity() - self.bytes.len() < size {
                    self.make_room_behind(size);
                }
                framed.runs().into_iter().for_each(|run| self.bytes.extend_from_slice(run));
            }
        }
        self.len += 1;
    }

    /// How much room a chunk gets that needs `needed` bytes: twice as much, as long as it is not full.
    fn room(needed: usize) -> usize {
        if needed > CHUNK_BYTES / 2 { needed.max(CHUNK_BYTES) } else { (2 * needed).max(ROOM_MIN) }
    }

    fn make_room_in_front(&mut self, size: usize) {
        let run = self.bytes.len() - self.front;
        let room = Chunk::room(run + size);
        let mut bytes = Vec::with_capacity(room);
        bytes.resize(room - run, 0);
        bytes.extend_from_slice(self.run());
        self.front = room - run;
        self.bytes = bytes;
    }

    fn make_room_behind(&mut self, size: usize) {
        self.bytes.drain(..self.front);
        self.front = 0;
        let room = Chunk::room(self.bytes.len() + size);
        if room > self.bytes.capacity() {
            self.bytes.reserve_exact(room - self.bytes.len());
        }
    }

    /// Drops this many elements from an end on; there are more than that.
    pub(super) fn drop_run(&mut self, end: End, count: usize) {
        match end {
            End::Front => self.front += packed::offset(self.run(), count, self.len),
            End::Back => {
                let kept = packed::offset(self.run(), self.len - count, self.len);
                self.bytes.truncate(self.front + kept);
            }
        }
        self.len -= count;
    }

    /// The element at a place.
    pub(super) fn get(&self, place: usize) -> Option<&[u8]> {
        let mut elements = self.iter();
        if place < self.len / 2 {
            elements.nth(place)
        } else {
            elements.nth_back((self.len - 1).checked_sub(place)?)
        }
    }

    /// Replaces `removed` elements from `place` on by `inserted`; it may be fuller than it should be afterwards.
    pub(super) fn splice(&mut self, place: usize, removed: usize, inserted: Option<&[u8]>) {
        let start = self.front + packed::offset(self.run(), place, self.len);
        let end = self.front + packed::offset(self.run(), place + removed, self.len);
        let framed = inserted.map(Framed::new);
        let new = framed.iter().flat_map(Framed::runs).flatten().copied();
        self.bytes.splice(start..end, new);
        self.len = self.len - removed + usize::from(inserted.is_some());
    }

    /// Whether it has more bytes than a chunk of several elements may have.
    pub(super) fn is_overfull(&self) -> bool {
        self.len > 1 && self.run().len() > CHUNK_BYTES
    }

    /// Splits the elements from `place` on off.
    pub(super) fn split_off(&mut self, place: usize) -> Chunk {
        let at = self.front + packed::offset(self.run(), place, self.len);
        let tail = self.bytes.split_off(at);
        let split = Chunk { bytes: tail, front: 0, len: self.len - place };
        self.len = place;
        split
    }

    /// Takes over all elements of the chunk behind it, if both are small.
    pub(super) fn join(&mut self, next: &Chunk) -> bool {
        let joins = self.run().len() + next.run().len() <= CHUNK_BYTES / 2;
        if joins {
            self.bytes.extend_from_slice(next.run());
            self.len += next.len;
        }
        joins
    }

    /// Keeps the elements that `keep` says yes to, each asked once, from front to back.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&[u8]) -> bool) {
        let mut kept = Chunk { bytes: Vec::with_capacity(self.run().len()), front: 0, len: 0 };
        for element in self.iter().filter(|element| keep(element)) {
            Framed::new(element).runs().into_iter().for_each(|run| kept.bytes.extend_from_slice(run));
            kept.len += 1;
        }
        *self = kept;
    }
}
