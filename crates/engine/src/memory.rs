//! How many bytes an allocation really takes: the size classes of the allocator, in steps of an eighth or so.
//!
//! An estimate for `MEMORY USAGE` and limits; deterministic, which asking the allocator would not be.

const WORD: usize = 8;

/// Bytes taken by an allocation of `size`.
pub(crate) fn allocated(size: usize) -> usize {
    let words = size.div_ceil(WORD);
    if words <= 8 {
        return words.next_multiple_of(2) * WORD;
    }
    // Four classes between two powers of two: 10 12 14 16 20 24 28 32 … words.
    let last = words - 1;
    let step = 1 << (last.ilog2() - 2);
    words.next_multiple_of(step) * WORD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_to_classes_of_the_allocator() {
        for (size, taken) in [(0, 0), (1, 16), (16, 16), (40, 48), (64, 64), (88, 96), (96, 96), (97, 112)] {
            assert_eq!(allocated(size), taken, "{size}");
        }
        assert_eq!(allocated(4096), 4096);
        assert_eq!(allocated(6144), 6144);
        assert_eq!(allocated(6145), 7168);
    }
}
