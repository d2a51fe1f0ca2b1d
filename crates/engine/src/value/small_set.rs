//! The compact form of a set: one run of bytes inside its entry, members in order of insertion.
//!
//! ```text
//! count u16 | (length | member)*      lengths as in `small_hash`
//! ```

use super::small_hash::{Length, count_bytes, piece};

/// The form of a set without members.
pub(crate) const EMPTY: [u8; 2] = [0, 0];

/// The members from a place on.
#[derive(Clone)]
pub(crate) struct Members<'a> {
    blob: &'a [u8],
    at: usize,
}

impl<'a> Members<'a> {
    pub(crate) fn new(blob: &'a [u8]) -> Members<'a> {
        Members { blob, at: EMPTY.len() }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (member, end) = piece(self.blob, self.at)?;
        self.at = end;
        Some(member)
    }
}

/// Where a member lies: its first byte and the one after it, its length included.
pub(crate) fn find(blob: &[u8], member: &[u8]) -> Option<(usize, usize)> {
    let mut start = EMPTY.len();
    loop {
        let (held, end) = piece(blob, start)?;
        if held == member {
            return Some((start, end));
        }
        start = end;
    }
}

/// Appends a member that is not there.
pub(crate) fn push(blob: &mut Vec<u8>, member: &[u8]) {
    let count = count_bytes(super::small_hash::len(blob) + 1);
    blob.extend_from_slice(Length::of(member).bytes());
    blob.extend_from_slice(member);
    blob[..2].copy_from_slice(&count);
}
