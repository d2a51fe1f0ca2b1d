//! What the bytes of groups are made of: numbers below a limit, and blocks.

use crate::error::DecodeError;

/// Terms, indexes and voter ids stay below this: no log lives that long, and sums of two of them cannot wrap.
pub(crate) const NUMBER_LIMIT: u64 = 1 << 62;

pub(crate) fn put_u64(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// A block of at most 4 GiB: requests end at 512 MiB, and a turn's entry far below that.
pub(crate) fn put_block(bytes: &[u8], out: &mut Vec<u8>) {
    let len = u32::try_from(bytes.len()).expect("an entry is bounded far below 4 GiB by the node");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes);
}

pub(crate) use base::Cursor as Reader;

/// What the codec of groups reads beside plain numbers and blocks.
pub(crate) trait Read {
    /// A term, index or id.
    fn number(&mut self) -> Result<u64, DecodeError>;
    /// A count of things that take at least `bytes_each`, so that no count allocates more than its frame holds.
    fn count(&mut self, bytes_each: usize) -> Result<usize, DecodeError>;
    /// That nothing follows.
    fn finish(&self) -> Result<(), DecodeError>;
}

impl Read for Reader<'_> {
    fn number(&mut self) -> Result<u64, DecodeError> {
        match self.u64()? {
            number if number >= NUMBER_LIMIT => Err(DecodeError::TooLarge { number }),
            number => Ok(number),
        }
    }

    fn count(&mut self, bytes_each: usize) -> Result<usize, DecodeError> {
        let count = self.u32()? as usize;
        match count.checked_mul(bytes_each) {
            Some(bytes) if bytes <= self.remaining() => Ok(count),
            _ => Err(DecodeError::Short),
        }
    }

    fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            bytes => Err(DecodeError::Trailing { bytes }),
        }
    }
}

impl From<base::Short> for DecodeError {
    fn from(_: base::Short) -> DecodeError {
        DecodeError::Short
    }
}
