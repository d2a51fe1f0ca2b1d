//! Unpacks what Redis packed with LZF. Packing is left out: a receiver takes either.
//!
//! ```text
//! 000nnnnn bytes                     n + 1 bytes as they are
//! nnnooooo oooooooo                  n + 2 bytes from o + 1 back, n from 1 to 6
//! 111ooooo nnnnnnnn oooooooo         n + 9 bytes from o + 1 back
//! ```

use super::BadValue;

/// Unpacks `packed` into exactly `len` bytes. What is reserved grows with what was unpacked, never with `len`.
pub(super) fn unpack(packed: &[u8], len: usize) -> Result<Vec<u8>, BadValue> {
    let mut out = Vec::new();
    let mut rest = packed;
    while let Some((&control, after)) = rest.split_first() {
        rest = after;
        if control < 0x20 {
            let (plain, after) = rest.split_at_checked(usize::from(control) + 1).ok_or(BadValue)?;
            out.extend_from_slice(plain);
            rest = after;
        } else {
            let mut run = usize::from(control >> 5);
            if run == 7 {
                let (&more, after) = rest.split_first().ok_or(BadValue)?;
                run += usize::from(more);
                rest = after;
            }
            let (&low, after) = rest.split_first().ok_or(BadValue)?;
            rest = after;
            let back = (usize::from(control & 0x1F) << 8 | usize::from(low)) + 1;
            copy_back(&mut out, back, run + 2)?;
        }
        if out.len() > len {
            return Err(BadValue);
        }
    }
    if out.len() == len { Ok(out) } else { Err(BadValue) }
}

/// Appends `run` bytes that begin `back` bytes before the end, and may go on into what is being appended.
fn copy_back(out: &mut Vec<u8>, back: usize, run: usize) -> Result<(), BadValue> {
    let start = out.len().checked_sub(back).ok_or(BadValue)?;
    if back >= run {
        out.extend_from_within(start..start + run);
    } else {
        (start..start + run).for_each(|at| out.push(out[at]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_may_reach_into_themselves() {
        // Two bytes as they are, then nine from one back and three from eleven back.
        let packed = b"\x01ab\xE0\x00\x00\x20\x0A";
        assert_eq!(unpack(packed, 14).unwrap(), b"abbbbbbbbbbabb");
        assert_eq!(unpack(packed, 13), Err(BadValue));
        assert_eq!(unpack(packed, 15), Err(BadValue));
        for len in 0..packed.len() {
            assert_eq!(unpack(&packed[..len], 14), Err(BadValue));
        }
        assert_eq!(unpack(b"\x00a\x20\x01", 4), Err(BadValue), "before the beginning");
        assert_eq!(unpack(b"", 0).unwrap(), b"");
    }
}
