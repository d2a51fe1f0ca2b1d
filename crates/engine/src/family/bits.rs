//! Bits of bytes: counted, searched, and read and written as numbers. Bit 0 is the highest of the first byte.
//!
//! Bytes that are not there read as zero. Knows no key and no reply.

use std::ops::Range;

/// The longest number, in bits.
pub(crate) const FIELD_BITS_MAX: u32 = 64;

/// Most bytes that a number of [`FIELD_BITS_MAX`] bits touches.
const FIELD_BYTES_MAX: usize = 9;

/// Whether a bit is set.
pub(crate) fn bit(text: &[u8], at: u64) -> bool {
    byte_of(at).and_then(|byte| text.get(byte)).is_some_and(|byte| byte & mask(at) != 0)
}

/// The byte that holds a bit.
pub(crate) fn byte_of(at: u64) -> Option<usize> {
    usize::try_from(at / 8).ok()
}

/// A bit within its byte.
pub(crate) fn mask(at: u64) -> u8 {
    0x80 >> (at % 8)
}

/// How many bits of a range are set. The range lies within `text`.
pub(crate) fn count(text: &[u8], range: Range<usize>) -> usize {
    if range.is_empty() {
        return 0;
    }
    let (first, last) = (range.start / 8, (range.end - 1) / 8);
    let before = text[first] & !(0xFF >> (range.start % 8));
    let behind = text[last] & (0x7F >> ((range.end - 1) % 8));
    count_all(&text[first..=last]) - (before.count_ones() + behind.count_ones()) as usize
}

fn count_all(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks();
    let in_words: usize = words.iter().map(|word| u64::from_ne_bytes(*word).count_ones() as usize).sum();
    in_words + rest.iter().map(|byte| byte.count_ones() as usize).sum::<usize>()
}

/// The first bit of a range that is `wanted`. The range lies within `text`.
pub(crate) fn position(text: &[u8], range: Range<usize>, wanted: bool) -> Option<usize> {
    if range.is_empty() {
        return None;
    }
    // What is searched for is then always a one.
    let flip = if wanted { 0 } else { 0xFF };
    let (first, end) = (range.start / 8, range.end.div_ceil(8));
    let head = (text[first] ^ flip) & (0xFF >> (range.start % 8));
    let (at, byte) = if head != 0 {
        (first, head)
    } else {
        let at = first + 1 + run_of(&text[first + 1..end], flip);
        (at, text[..end].get(at)? ^ flip)
    };
    let found = at * 8 + byte.leading_zeros() as usize;
    (found < range.end).then_some(found)
}

/// How many bytes in front are all `same`.
fn run_of(text: &[u8], same: u8) -> usize {
    let (words, _) = text.as_chunks::<8>();
    let skipped = words.iter().take_while(|word| **word == [same; 8]).count() * 8;
    skipped + text[skipped..].iter().take_while(|byte| **byte == same).count()
}

/// A number within bytes: where it starts and how many bits it has. Invariant: 1 to [`FIELD_BITS_MAX`] bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) start: u64,
    pub(crate) bits: u32,
}

impl Field {
    /// The bytes it touches; `None` if a machine cannot have that many.
    pub(crate) fn bytes(self) -> Option<Range<usize>> {
        let last = self.start.checked_add(u64::from(self.bits) - 1)?;
        Some(byte_of(self.start)?..byte_of(last)? + 1)
    }

    /// How far its last bit is from the end of the last of [`FIELD_BYTES_MAX`] bytes from its first one on.
    fn shift(self) -> u32 {
        FIELD_BYTES_MAX as u32 * 8 - (self.start % 8) as u32 - self.bits
    }

    fn mask(self) -> u128 {
        u128::from(u64::MAX >> (FIELD_BITS_MAX - self.bits))
    }

    /// The number there.
    pub(crate) fn read(self, text: &[u8]) -> u64 {
        let number = self.window(text) >> self.shift() & self.mask();
        u64::try_from(number).unwrap_or_default()
    }

    /// The bytes that it touches, with its low bits being those of `number`. As many of them count as
    /// [`Field::bytes`] says.
    pub(crate) fn written(self, text: &[u8], number: u64) -> [u8; FIELD_BYTES_MAX] {
        let kept = self.window(text) & !(self.mask() << self.shift());
        let window = kept | (u128::from(number) & self.mask()) << self.shift();
        let mut bytes = [0; FIELD_BYTES_MAX];
        bytes.copy_from_slice(&window.to_be_bytes()[size_of::<u128>() - FIELD_BYTES_MAX..]);
        bytes
    }

    fn window(self, text: &[u8]) -> u128 {
        let there = byte_of(self.start).and_then(|first| text.get(first..)).unwrap_or_default();
        let len = there.len().min(FIELD_BYTES_MAX);
        let mut bytes = [0; size_of::<u128>()];
        let at = size_of::<u128>() - FIELD_BYTES_MAX;
        bytes[at..at + len].copy_from_slice(&there[..len]);
        u128::from_be_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> [Vec<u8>; 5] {
        let mixed = (0..40u8).map(|at| at.wrapping_mul(37)).collect();
        [
            vec![0; 27],
            vec![0xFF; 27],
            [vec![0; 20], vec![1]].concat(),
            [vec![0xFF; 20], vec![0xFE]].concat(),
            mixed,
        ]
    }

    #[test]
    fn ranges_are_counted_and_searched_as_bit_after_bit_would() {
        for text in texts() {
            let bits: Vec<bool> = (0..text.len() as u64 * 8).map(|at| bit(&text, at)).collect();
            for start in 0..bits.len() {
                for end in start..=bits.len() {
                    let ones = bits[start..end].iter().filter(|bit| **bit).count();
                    assert_eq!(count(&text, start..end), ones, "{start}..{end}");
                    for wanted in [false, true] {
                        let found = (start..end).find(|&at| bits[at] == wanted);
                        assert_eq!(position(&text, start..end, wanted), found, "{start}..{end} {wanted}");
                    }
                }
            }
        }
    }

    #[test]
    fn bits_behind_the_end_are_zero() {
        assert!(bit(b"\x01", 7) && !bit(b"\x01", 8) && !bit(b"", 0) && !bit(b"\xff", u64::MAX));
    }

    #[test]
    fn a_number_is_read_as_it_was_written_and_touches_nothing_else() {
        for text in texts() {
            for start in 0..text.len() as u64 * 8 {
                for bits in [1, 2, 7, 8, 9, 31, 32, 33, 63, 64] {
                    let field = Field { start, bits };
                    let bytes = field.bytes().unwrap();
                    let number = 0xA5C3_96F0_1234_5678_u64 >> (64 - bits);
                    let mut after = text.clone();
                    after.resize(text.len().max(bytes.end), 0);
                    let len = bytes.len();
                    let patch = field.written(&after, number);
                    after[bytes].copy_from_slice(&patch[..len]);
                    assert_eq!(field.read(&after), number, "{field:?}");
                    let put_back = field.written(&after, field.read(&text));
                    after[field.bytes().unwrap()].copy_from_slice(&put_back[..len]);
                    assert_eq!(after[..text.len()], text, "{field:?}");
                    assert!(after[text.len()..].iter().all(|byte| *byte == 0), "{field:?}");
                }
            }
        }
        assert_eq!(Field { start: 4, bits: 8 }.read(b"\x12\x34"), 0x23);
        assert_eq!(Field { start: 1 << 40, bits: 64 }.read(b"\xff"), 0);
    }
}
