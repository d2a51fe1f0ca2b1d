//! Who may take how much of the room that is left on the disk.
//!
//! ```text
//!   free     reserve              a quarter            a sixteenth        0
//!   ─────────┬────────────────────┬────────────────────┬──────────────────┤
//!   writes ──┘ checkpoints ───────┘ deletes ───────────┘ what must be ────┘
//! ```
//!
//! A full disk has to empty itself, so whoever makes room may go further than who takes it. Writes leave the reserve. A
//! checkpoint may use it, for it lets the log go, but leaves enough for deletes to go on meanwhile. Deletes leave enough
//! for a checkpoint of the little that they leave. What a group cannot do without, such as a vote, has no other limit than
//! the disk's, and beside it a ballast: room in the log that is allocated and that nobody else is told of.
//! Does not know: files, what is written.

use crate::{LogOptions, Space};

/// What room is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Anything that can be refused.
    Writes,
    /// What makes room: deletes, and what goes with a checkpoint.
    Deletes,
    /// What was applied already.
    Must,
}

/// The reserve: bytes that writes leave free.
pub(crate) fn reserve(options: &LogOptions, space: Space) -> u64 {
    // A small disk would never pass a reserve made for large ones.
    options.free_bytes_min.min(space.total / 8)
}

/// Bytes that are left free by what serves this purpose.
pub(crate) fn kept(options: &LogOptions, space: Space, purpose: Purpose) -> u64 {
    let reserve = reserve(options, space);
    match purpose {
        Purpose::Writes => reserve,
        Purpose::Deletes => reserve / 16,
        Purpose::Must => 0,
    }
}

/// Bytes that a round of checkpoints leaves free which begins with this space: a quarter of the reserve, and where
/// deletes have used that up, half of what they left.
pub(crate) fn kept_by_checkpoints(options: &LogOptions, space: Space) -> u64 {
    (reserve(options, space) / 4).min(space.free / 2)
}

/// Bytes of the log that are allocated and kept for what must be written.
pub(crate) fn ballast(options: &LogOptions) -> u64 {
    (options.segment_bytes / 16).min(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept_of(free: u64, total: u64) -> [u64; 4] {
        let (options, space) = (LogOptions::new(1), Space { free, total });
        let of = |purpose| kept(&options, space, purpose);
        [of(Purpose::Writes), kept_by_checkpoints(&options, space), of(Purpose::Deletes), of(Purpose::Must)]
    }

    #[test]
    fn who_makes_room_may_go_further_than_who_takes_it() {
        assert_eq!(kept_of(1 << 30, 1 << 40), [256 << 20, 64 << 20, 16 << 20, 0]);
        assert_eq!(kept_of(1 << 30, 64 << 20), [8 << 20, 2 << 20, 512 << 10, 0], "a small disk");
        assert_eq!(kept_of(1 << 20, 64 << 20), [8 << 20, 512 << 10, 512 << 10, 0], "deletes have used it");
    }
}
