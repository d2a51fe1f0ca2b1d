//! A segment: one file of the log, its name and its header.
//!
//! A segment is made ahead of need, all zeros (a *spare*), and begins to count when its header is written.
//! Invariants: numbers grow by one; a segment begins where the one before ended, except after a cut that
//! lost synced bytes, when it begins past them so that no position means two things.

use crate::frame::{Salt, read_u32, read_u64};
use crate::{LogError, Position};

/// Bytes before the first frame.
pub(crate) const SEGMENT_HEADER: usize = 64;
/// The newest format that this code reads, and the one it writes.
pub(crate) const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"NARFLOG\0";

/// What stands at the front of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Its number.
    pub(crate) seq: u64,
    /// The position of its first frame.
    pub(crate) base: Position,
    /// Where the segment before ends.
    pub(crate) previous_end: Position,
    /// Up to where the log was synced when this was written.
    pub(crate) synced: Position,
}

/// What the front of a segment file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    Valid(SegmentHeader),
    /// All zeros: a spare, or a header that was never written.
    Blank,
    Bad,
}

impl SegmentHeader {
    pub(crate) fn encode(&self, salt: Salt) -> [u8; SEGMENT_HEADER] {
        let mut out = [0; SEGMENT_HEADER];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        // Bytes 12..16 are feature bits; none are defined yet.
        out[16..20].copy_from_slice(&salt.checksum(&MAGIC).to_le_bytes());
        out[20..28].copy_from_slice(&self.seq.to_le_bytes());
        out[28..36].copy_from_slice(&self.base.0.to_le_bytes());
        out[36..44].copy_from_slice(&self.previous_end.0.to_le_bytes());
        out[44..52].copy_from_slice(&self.synced.0.to_le_bytes());
        let crc = base::checksum(&out[..60]);
        out[60..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads the front of the file `name`. A header that is whole but not for us is an error.
    pub(crate) fn decode(bytes: &[u8], name: &str, seq: u64, salt: Salt) -> Result<Head, LogError> {
        let Some(bytes) = bytes.first_chunk::<SEGMENT_HEADER>() else { return Ok(Head::Bad) };
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(Head::Blank);
        }
        if bytes[..8] != MAGIC || read_u32(bytes, 60) != base::checksum(&bytes[..60]) {
            return Ok(Head::Bad);
        }
        let (version, features) = (read_u32(bytes, 8), read_u32(bytes, 12));
        if version > VERSION || features != 0 {
            return Err(LogError::Newer {
                file: name.to_owned(),
                found: version.max(features),
                known: VERSION,
            });
        }
        if read_u32(bytes, 16) != salt.checksum(&MAGIC) {
            return Err(LogError::Foreign { file: name.to_owned() });
        }
        let header = SegmentHeader {
            seq: read_u64(bytes, 20),
            base: Position(read_u64(bytes, 28)),
            previous_end: Position(read_u64(bytes, 36)),
            synced: Position(read_u64(bytes, 44)),
        };
        // Under another's name it is as good as damaged: its frames would be read in the wrong order.
        let in_place = header.seq == seq && header.previous_end <= header.base;
        Ok(if in_place { Head::Valid(header) } else { Head::Bad })
    }
}

/// The file of the segment with this number.
pub(crate) fn segment_name(seq: u64) -> String {
    format!("log-{seq:012}.seg")
}

/// The number in a segment's name.
pub(crate) fn segment_seq(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("log-")?.strip_suffix(".seg")?;
    let seq = digits.parse().ok()?;
    (segment_name(seq) == name).then_some(seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SegmentHeader =
        SegmentHeader { seq: 3, base: Position(80), previous_end: Position(72), synced: Position(8) };

    fn decode(bytes: &[u8], seq: u64, salt: u64) -> Result<Head, LogError> {
        SegmentHeader::decode(bytes, "log-000000000003.seg", seq, Salt::new(salt))
    }

    #[test]
    fn a_header_reads_back_as_written() {
        let bytes = HEADER.encode(Salt::new(1));
        assert_eq!(decode(&bytes, 3, 1).unwrap(), Head::Valid(HEADER));
        assert_eq!(decode(&bytes, 4, 1).unwrap(), Head::Bad);
        assert!(matches!(decode(&bytes, 3, 2), Err(LogError::Foreign { .. })));
        assert_eq!(decode(&[0; 64], 3, 1).unwrap(), Head::Blank);
        assert_eq!(decode(&bytes[..63], 3, 1).unwrap(), Head::Bad);
    }

    #[test]
    fn a_newer_format_is_refused_and_a_flipped_bit_is_seen() {
        let mut bytes = HEADER.encode(Salt::new(1));
        for bit in 0..SEGMENT_HEADER * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&bytes, 3, 1).unwrap(), Head::Bad, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        bytes[8] = 2;
        let crc = base::checksum(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        assert!(matches!(decode(&bytes, 3, 1), Err(LogError::Newer { found: 2, .. })));
    }

    #[test]
    fn names_and_numbers_belong_together() {
        assert_eq!(segment_seq(&segment_name(7)), Some(7));
        for name in ["log-7.seg", "log-000000000007.seg.damaged", "log-watermark", "log-+00000000007.seg"] {
            assert_eq!(segment_seq(name), None, "{name}");
        }
    }
}
