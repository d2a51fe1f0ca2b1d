//! What the bytes of the cluster's state are made of: numbers, ids, and text of bounded length.
//!
//! Does not know: what is read. Every count is held against the bytes that are left before anything is allocated.

use base::{Millis, NodeId};

use crate::error::DecodeError;

pub(crate) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub(crate) fn new() -> Writer {
        Writer { out: Vec::with_capacity(128) }
    }

    pub(crate) fn u8(&mut self, number: u8) {
        self.out.push(number);
    }

    pub(crate) fn u16(&mut self, number: u16) {
        self.out.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, number: u32) {
        self.out.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, number: u64) {
        self.out.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn u128(&mut self, number: u128) {
        self.out.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn node(&mut self, node: NodeId) {
        self.u128(node.0);
    }

    pub(crate) fn millis(&mut self, time: Millis) {
        self.u64(time.0);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.count(text.len());
        self.bytes(text.as_bytes());
    }

    /// A number of things, or of bytes. Cut at what 32 bits hold: such a value is beyond every limit and is refused
    /// by whoever reads it.
    pub(crate) fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }
}

pub(crate) use base::Cursor as Reader;

/// What the codec of the cluster's state reads beside plain numbers.
pub(crate) trait Read {
    /// A node's id.
    fn node(&mut self) -> Result<NodeId, DecodeError>;
    /// A moment.
    fn millis(&mut self) -> Result<Millis, DecodeError>;
    /// Whether something follows that may be absent.
    fn flag(&mut self) -> Result<bool, DecodeError>;
    /// UTF-8 of at most so many bytes.
    fn text(&mut self, what: &'static str, bytes_max: usize) -> Result<String, DecodeError>;
    /// A number of things that take at least `bytes_each`, so that no count allocates more than its bytes can fill.
    fn count(
        &mut self,
        what: &'static str,
        count_max: usize,
        bytes_each: usize,
    ) -> Result<usize, DecodeError>;
    /// That nothing follows.
    fn finish(&self) -> Result<(), DecodeError>;
}

impl Read for Reader<'_> {
    fn node(&mut self) -> Result<NodeId, DecodeError> {
        Ok(NodeId(self.u128()?))
    }

    fn millis(&mut self) -> Result<Millis, DecodeError> {
        Ok(Millis(self.u64()?))
    }

    fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::NotCanonical("a truth value is 0 or 1")),
        }
    }

    fn text(&mut self, what: &'static str, bytes_max: usize) -> Result<String, DecodeError> {
        let len = self.u32()? as usize;
        if len > bytes_max {
            return Err(DecodeError::TooLarge { what, found: len, limit: bytes_max });
        }
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| DecodeError::NotText { what })?;
        Ok(text.to_owned())
    }

    fn count(
        &mut self,
        what: &'static str,
        count_max: usize,
        bytes_each: usize,
    ) -> Result<usize, DecodeError> {
        let count = self.u32()? as usize;
        if count > count_max {
            return Err(DecodeError::TooLarge { what, found: count, limit: count_max });
        }
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
