//! Reading segment files front to back with bounded memory, and putting their tails in order.

use std::io::{self, IoSlice};

use crate::Position;
use crate::disk::{self, DiskFile};
use crate::frame::{ALIGN, FrameHeader, Salt};
use crate::segment::SEGMENT_HEADER;

/// Bytes read at a time.
pub(super) const WINDOW: u64 = 1 << 20;

/// A window that moves over a file.
pub(super) struct Reader<'a> {
    file: &'a dyn DiskFile,
    len: u64,
    start: u64,
    window: Vec<u8>,
}

/// What a search over the rest of a segment found.
pub(super) struct Rest {
    /// The first frame header of ours.
    pub(super) first: Option<u64>,
    /// The greatest sync position in any of them.
    pub(super) synced: Position,
    /// The offset after the last byte that is not zero; zero if there is none.
    pub(super) end: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a dyn DiskFile, len: u64) -> Reader<'a> {
        Reader { file, len, start: 0, window: Vec::new() }
    }

    /// The `count` bytes at `offset`, fewer only where the file ends. Memory: `count` or one window.
    pub(super) fn at(&mut self, offset: u64, count: u64) -> io::Result<&[u8]> {
        let count = count.min(self.len.saturating_sub(offset));
        let end = self.start + self.window.len() as u64;
        if offset < self.start || offset + count > end {
            let want = count.max(WINDOW).min(self.len.saturating_sub(offset)) as usize;
            self.window.resize(want, 0);
            if want as u64 <= WINDOW {
                // A large frame must not keep its room for the rest of the segment.
                self.window.shrink_to(WINDOW as usize);
            }
            let read = disk::read_up_to(self.file, offset, &mut self.window)?;
            self.window.truncate(read);
            self.start = offset;
        }
        let from = ((offset - self.start) as usize).min(self.window.len());
        let until = (from + count as usize).min(self.window.len());
        Ok(&self.window[from..until])
    }

    /// Looks for frame headers behind `from`, of a segment that begins at `base` if that is known. What
    /// stands at `from` itself is the broken frame, whose own header proves nothing.
    pub(super) fn search(mut self, from: u64, base: Option<Position>, salt: Salt) -> io::Result<Rest> {
        let mut rest = Rest { first: None, synced: Position(0), end: 0 };
        let mut at = from;
        while at < self.len {
            // Windows overlap by a header, so that one across their border is seen.
            let bytes = self.at(at, WINDOW)?;
            let fresh = (bytes.len()).min((WINDOW - 64) as usize);
            if fresh == 0 {
                break;
            }
            if !is_zero(&bytes[..fresh]) {
                let last = bytes[..fresh].iter().rposition(|&byte| byte != 0).unwrap_or(0);
                rest.end = at + last as u64 + 1;
                for offset in (0..fresh).step_by(ALIGN as usize) {
                    let Some(header) = FrameHeader::decode(&bytes[offset..], salt) else { continue };
                    let place = at + offset as u64;
                    let expected =
                        base.and_then(|base| Some(base.0 + place.checked_sub(SEGMENT_HEADER as u64)?));
                    let in_place = base.is_none() || expected == Some(header.position.0);
                    if place == from || !in_place {
                        continue;
                    }
                    rest.first = rest.first.or(Some(place));
                    rest.synced = rest.synced.max(header.synced);
                }
            }
            at += fresh as u64;
        }
        Ok(rest)
    }
}

/// Whether all of `bytes` are zero; by blocks, for this reads whole segments at start-up.
fn is_zero(bytes: &[u8]) -> bool {
    const BLOCK: [u8; 4096] = [0; 4096];
    bytes.chunks(BLOCK.len()).all(|chunk| *chunk == BLOCK[..chunk.len()])
}

/// Makes the bytes from `from` to `len` zeros, writing only where they are not.
pub(super) fn clear(file: &dyn DiskFile, from: u64, len: u64) -> io::Result<()> {
    let zeros = vec![0; WINDOW as usize];
    each_window(file, from, len, |at, bytes| {
        if is_zero(bytes) {
            return Ok(());
        }
        file.write_at(at, &[IoSlice::new(&zeros[..bytes.len()])])
    })
}

/// Writes the bytes from `from` to `until` over themselves.
pub(super) fn rewrite(file: &dyn DiskFile, from: u64, until: u64) -> io::Result<()> {
    each_window(file, from, until, |at, bytes| file.write_at(at, &[IoSlice::new(bytes)]))
}

/// Copies the first `len` bytes, leaving out what is zero anyway.
pub(super) fn copy(file: &dyn DiskFile, to: &dyn DiskFile, len: u64) -> io::Result<()> {
    each_window(file, 0, len, |at, bytes| {
        if is_zero(bytes) {
            return Ok(());
        }
        to.write_at(at, &[IoSlice::new(bytes)])
    })?;
    to.truncate(len)
}

fn each_window(
    file: &dyn DiskFile,
    from: u64,
    until: u64,
    mut visit: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut window = vec![0; WINDOW as usize];
    let mut at = from;
    while at < until {
        let want = (until - at).min(WINDOW) as usize;
        let read = disk::read_up_to(file, at, &mut window[..want])?;
        if read == 0 {
            break;
        }
        visit(at, &window[..read])?;
        at += read as u64;
    }
    Ok(())
}
