//! Reads fixed-width little-endian numbers and length-prefixed blocks, and refuses instead of panicking.
//!
//! Every format of bytes from a peer or a disk is read with this; what is a rule of one format only is added to it
//! where that format lives. Nothing is allocated here, so a length is believed only as far as there are bytes.

/// The bytes end before the value does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// Where the value began.
    pub at: usize,
}

/// A place in bytes that are being read.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// How many are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Short> {
        let end = self.at.checked_add(len).ok_or(Short { at: self.at })?;
        let taken = self.bytes.get(self.at..end).ok_or(Short { at: self.at })?;
        self.at = end;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (taken, _) = rest.split_first_chunk::<N>().ok_or(Short { at: self.at })?;
        self.at += N;
        Ok(*taken)
    }

    /// A byte.
    pub fn u8(&mut self) -> Result<u8, Short> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    /// A number of two bytes.
    pub fn u16(&mut self) -> Result<u16, Short> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// A number of four bytes.
    pub fn u32(&mut self) -> Result<u32, Short> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A number of eight bytes.
    pub fn u64(&mut self) -> Result<u64, Short> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A number of sixteen bytes.
    pub fn u128(&mut self) -> Result<u128, Short> {
        Ok(u128::from_le_bytes(self.array()?))
    }

    /// Bytes behind their length, which has four.
    pub fn block(&mut self) -> Result<&'a [u8], Short> {
        let len = self.u32()? as usize;
        self.take(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_in_order_and_the_end_is_noticed() {
        let mut cursor = Cursor::new(&[1, 2, 0, 3, 0, 0, 0, b'a', b'b', b'c', 9]);
        assert_eq!((cursor.u8(), cursor.u16(), cursor.block()), (Ok(1), Ok(2), Ok(&b"abc"[..])));
        assert_eq!((cursor.at(), cursor.remaining()), (10, 1));
        assert_eq!(cursor.u32(), Err(Short { at: 10 }));
        assert_eq!(cursor.u8(), Ok(9));
        assert_eq!(cursor.take(0), Ok(&[][..]));
        assert_eq!(cursor.take(usize::MAX), Err(Short { at: 11 }));
    }

    #[test]
    fn a_length_beyond_the_bytes_is_short() {
        assert_eq!(Cursor::new(&[255, 255, 255, 255, 1]).block(), Err(Short { at: 4 }));
    }
}
