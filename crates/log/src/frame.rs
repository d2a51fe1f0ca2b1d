//! A frame: the header before each payload, and how a header is told from anything else.
//!
//! Invariants: a header's checksum is salted with the log's own secret, so bytes that a client had us store
//! never read as a header, and a block of another node's log never reads as ours; a header carries its own
//! position, so a stale or misplaced block is known for what it is.
//! Does not know: segments, files.

use crate::Position;

/// Bytes of a header.
pub(crate) const HEADER_LEN: usize = 32;
/// Frames begin at multiples of this, so that a search for the next one need not try every byte.
pub(crate) const ALIGN: u64 = 8;
/// The most bytes a payload may have.
pub(crate) const PAYLOAD_MAX: u64 = u32::MAX as u64 - 64;

const MAGIC: [u8; 4] = *b"NFR1";

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// Where this frame begins.
    pub(crate) position: Position,
    /// Up to where the log was synced when this was written: the proof that what stands before it there
    /// should still be whole.
    pub(crate) synced: Position,
    /// Bytes of the payload.
    pub(crate) len: u32,
    /// Checksum of the payload.
    pub(crate) payload_crc: u32,
}

impl FrameHeader {
    pub(crate) fn encode(&self, salt: Salt) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..4].copy_from_slice(&MAGIC);
        out[8..16].copy_from_slice(&self.position.0.to_le_bytes());
        out[16..24].copy_from_slice(&self.synced.0.to_le_bytes());
        out[24..28].copy_from_slice(&self.len.to_le_bytes());
        out[28..32].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = salt.checksum(&out[8..]);
        out[4..8].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The header in these bytes, if they are one.
    pub(crate) fn decode(bytes: &[u8], salt: Salt) -> Option<FrameHeader> {
        let bytes = bytes.first_chunk::<HEADER_LEN>()?;
        if bytes[..4] != MAGIC || read_u32(bytes, 4) != salt.checksum(&bytes[8..]) {
            return None;
        }
        Some(FrameHeader {
            position: Position(read_u64(bytes, 8)),
            synced: Position(read_u64(bytes, 16)),
            len: read_u32(bytes, 24),
            payload_crc: read_u32(bytes, 28),
        })
    }

    /// Bytes of the whole frame with its padding.
    pub(crate) fn frame_len(&self) -> u64 {
        frame_len(u64::from(self.len))
    }
}

/// Bytes that a payload of `len` bytes takes in the log.
pub(crate) fn frame_len(len: u64) -> u64 {
    (HEADER_LEN as u64 + len).next_multiple_of(ALIGN)
}

/// The secret of one log, as the start value of its header checksums.
#[derive(Clone, Copy)]
pub(crate) struct Salt(u32);

impl Salt {
    pub(crate) fn new(secret: u64) -> Salt {
        Salt(base::checksum(&secret.to_le_bytes()))
    }

    pub(crate) fn checksum(self, bytes: &[u8]) -> u32 {
        checksum_from(self.0, bytes)
    }
}

/// A checksum that continues from `start`.
pub(crate) fn checksum_from(start: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(start);
    hasher.update(bytes);
    hasher.finalize()
}

/// The little-endian number at `at`; the caller has checked that it is there.
pub(crate) fn read_u16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("the range is two bytes long"))
}

/// The little-endian number at `at`; the caller has checked that it is there.
pub(crate) fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("the range is four bytes long"))
}

/// The little-endian number at `at`; the caller has checked that it is there.
pub(crate) fn read_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("the range is eight bytes long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: FrameHeader =
        FrameHeader { position: Position(4096), synced: Position(64), len: 7, payload_crc: 0xDEAD_BEEF };

    #[test]
    fn a_header_reads_back_as_written() {
        let salt = Salt::new(9);
        assert_eq!(FrameHeader::decode(&HEADER.encode(salt), salt), Some(HEADER));
        assert_eq!(HEADER.frame_len(), 40);
    }

    #[test]
    fn any_flipped_bit_and_any_other_salt_makes_it_no_header() {
        let salt = Salt::new(9);
        let bytes = HEADER.encode(salt);
        assert_eq!(FrameHeader::decode(&bytes, Salt::new(10)), None);
        for bit in 0..HEADER_LEN * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHeader::decode(&damaged, salt), None, "bit {bit}");
        }
    }

    #[test]
    fn zeros_and_short_bytes_are_no_header() {
        let salt = Salt::new(9);
        assert_eq!(FrameHeader::decode(&[0; 64], salt), None);
        assert_eq!(FrameHeader::decode(&HEADER.encode(salt)[..31], salt), None);
    }
}
