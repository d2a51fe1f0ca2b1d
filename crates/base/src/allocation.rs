//! How many bytes an allocation really takes: the size classes of mimalloc, which the binary uses.
//!
//! For `MEMORY USAGE` and for counting what is allocated: deterministic and the same when memory is taken and when it is
//! given back, which asking the allocator would not be.

const WORD: usize = 8;
/// Above this an allocation has pages of its own.
const CLASSES_END: usize = 512 << 10;
const PAGE: usize = 4096;

/// The next multiple of a power of two, without the division that it would be of any other number. Sizes are far from
/// where that wraps round.
#[inline]
pub fn round_up(size: usize, power: usize) -> usize {
    debug_assert!(power.is_power_of_two(), "{power}");
    size.wrapping_add(power - 1) & !(power - 1)
}

/// Bytes taken by an allocation of `size`.
#[inline]
pub fn allocated(size: usize) -> usize {
    if size <= 8 * WORD {
        return round_up(size, 2 * WORD);
    }
    if size > CLASSES_END {
        return size.checked_next_multiple_of(PAGE).unwrap_or(size);
    }
    // Four classes between two powers of two: 10 12 14 16 20 24 28 32 … words.
    let last = (size - 1) / WORD;
    let step = WORD << (last.ilog2() - 2);
    round_up(size, step)
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
        assert_eq!(allocated(CLASSES_END), CLASSES_END);
        assert_eq!(allocated(9_000_001), 9_003_008);
        assert_eq!(allocated(usize::MAX), usize::MAX);
    }
}
