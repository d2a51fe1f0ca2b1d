//! Elements one after the other, readable from both ends.
//!
//! ```text
//! (length | element | length, backwards)*      length: seven bits a byte, low first, the top bit set on all but the last
//! ```
//!
//! Invariant: bytes here were written here; anything else reads as an early end, never as a panic.

/// Most bytes of a length.
const LENGTH_MAX: usize = 5;

/// A length as it is written.
#[derive(Clone, Copy)]
struct Length {
    bytes: [u8; LENGTH_MAX],
    len: usize,
}

impl Length {
    fn of(mut length: usize) -> Length {
        let mut written = Length { bytes: [0; LENGTH_MAX], len: 0 };
        loop {
            written.bytes[written.len] = (length & 0x7F) as u8;
            written.len += 1;
            length >>= 7;
            if length == 0 {
                return written;
            }
            written.bytes[written.len - 1] |= 0x80;
        }
    }

    /// Reads one from bytes in the order in which it was written.
    #[inline]
    fn read(bytes: impl Iterator<Item = u8>) -> Option<(usize, usize)> {
        let mut length = 0;
        for (place, byte) in bytes.take(LENGTH_MAX).enumerate() {
            length |= usize::from(byte & 0x7F) << (7 * place);
            if byte < 0x80 {
                return Some((length, place + 1));
            }
        }
        None
    }
}

/// Bytes that an element of `len` bytes takes here.
#[inline]
pub(crate) fn size(len: usize) -> usize {
    len + 2 * if len < 0x80 { 1 } else { Length::of(len).len }
}

/// An element with its lengths: what stands before it, itself in two parts, what stands behind it.
pub(crate) struct Framed<'a> {
    head: Length,
    tail: [u8; LENGTH_MAX],
    element: [&'a [u8]; 2],
}

impl<'a> Framed<'a> {
    pub(crate) fn new(element: &'a [u8]) -> Framed<'a> {
        Framed::of_two(&[], element)
    }

    /// Of one element whose bytes come in two parts.
    pub(crate) fn of_two(front: &'a [u8], back: &'a [u8]) -> Framed<'a> {
        let head = Length::of(front.len() + back.len());
        let mut tail = head.bytes;
        tail[..head.len].reverse();
        Framed { head, tail, element: [front, back] }
    }

    /// Its bytes, in four runs.
    #[inline]
    pub(crate) fn runs(&self) -> [&[u8]; 4] {
        let [front, back] = self.element;
        [&self.head.bytes[..self.head.len], front, back, &self.tail[..self.head.len]]
    }

    /// Writes it over the front of `place`, which has room for it.
    pub(crate) fn write(&self, place: &mut [u8]) {
        let mut at = 0;
        for run in self.runs() {
            place[at..at + run.len()].copy_from_slice(run);
            at += run.len();
        }
    }
}

/// Elements of a run of them, from either end.
#[derive(Clone, Copy)]
pub(crate) struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    pub(crate) fn new(run: &'a [u8]) -> Elements<'a> {
        Elements(run)
    }

    /// Bytes of the elements that are left.
    pub(crate) fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, head) = Length::read(self.0.iter().copied())?;
        let element = self.0.get(head..head + len)?;
        self.0 = self.0.get(head + len + head..)?;
        Some(element)
    }
}

impl<'a> DoubleEndedIterator for Elements<'a> {
    #[inline]
    fn next_back(&mut self) -> Option<&'a [u8]> {
        let (len, tail) = Length::read(self.0.iter().rev().copied())?;
        let end = self.0.len().checked_sub(tail)?;
        let start = end.checked_sub(len)?;
        let element = &self.0[start..end];
        self.0 = &self.0[..start.checked_sub(tail)?];
        Some(element)
    }
}

/// Where the element at `place` of `len` starts; the end of the run for `len` itself.
pub(crate) fn offset(run: &[u8], place: usize, len: usize) -> usize {
    let mut elements = Elements::new(run);
    if place <= len / 2 {
        elements.by_ref().take(place).for_each(drop);
        run.len() - elements.bytes()
    } else {
        elements.by_ref().rev().take(len - place).for_each(drop);
        elements.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(elements: &[Vec<u8>]) -> Vec<u8> {
        elements.iter().flat_map(|element| Framed::new(element).runs().concat()).collect()
    }

    #[test]
    fn elements_are_read_from_both_ends() {
        let lengths = [0, 1, 127, 128, 129, 16_383, 16_384, 70_000, 3];
        let elements: Vec<Vec<u8>> =
            lengths.iter().enumerate().map(|(at, &len)| vec![at as u8; len]).collect();
        let run = packed(&elements);
        assert_eq!(run.len(), lengths.iter().map(|&len| size(len)).sum::<usize>());
        assert!(Elements::new(&run).eq(elements.iter()));
        assert!(Elements::new(&run).rev().eq(elements.iter().rev()));
        let mut both = Elements::new(&run);
        assert_eq!(both.next(), Some(&elements[0][..]));
        assert_eq!(both.next_back(), Some(&elements[8][..]));
        assert_eq!(both.count(), 7);
        for place in 0..=elements.len() {
            let before: usize = lengths[..place].iter().map(|&len| size(len)).sum();
            assert_eq!(offset(&run, place, elements.len()), before, "{place}");
        }
    }

    #[test]
    fn bytes_that_were_not_written_here_end_early() {
        let run = packed(&[vec![7; 300], vec![8; 5]]);
        for cut in 0..run.len() {
            assert!(Elements::new(&run[..cut]).count() < 2);
            assert!(Elements::new(&run[cut..]).rev().count() <= 2);
        }
        assert_eq!(Elements::new(&[0xFF; 40]).next(), None);
        assert_eq!(Elements::new(&[0xFF; 40]).next_back(), None);
    }
}
