//! Bytes to requests: incremental, resumable, bounded.

use base::{Args, Span};

/// How much a client may send at once; tighter before it has authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest argument in bytes.
    pub bulk_max: usize,
    /// Most arguments of one request.
    pub args_max: usize,
    /// Longest inline command in bytes.
    pub inline_max: usize,
    /// Longest request in bytes, framing included.
    pub request_max: usize,
}

/// What came of looking at the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A whole request stands in the first `len` bytes; its arguments are in [`Decoder::args`]. May be empty
    /// (an empty line, `*0`), which is to be skipped without a reply.
    Request {
        /// Bytes of the buffer it took.
        len: usize,
    },
    /// More bytes are needed; call again with the same bytes and more after them.
    Incomplete,
}

/// The bytes cannot be a request; the connection is answered with the text and closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// Placeholder until the decoder lands.
    #[error("Protocol error")]
    Placeholder,
}

/// Decoder of one connection.
pub struct Decoder {
    limits: Limits,
    spans: Vec<Span>,
}

impl Decoder {
    /// A decoder at the start of a request.
    pub fn new(limits: Limits) -> Decoder {
        Decoder { limits, spans: Vec::new() }
    }

    /// New limits, from the next request on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Looks for the request that starts at `bytes[0]`.
    pub fn decode(&mut self, _bytes: &[u8]) -> Result<Decoded, ProtocolError> {
        Err(ProtocolError::Placeholder)
    }

    /// The arguments of the request that [`Decoder::decode`] found in these `bytes`.
    pub fn args<'a>(&'a self, bytes: &'a [u8]) -> Args<'a> {
        Args::new(bytes, &self.spans)
    }

    /// Bytes the request under way is known to need in all, framing included; zero if unknown.
    pub fn announced(&self) -> usize {
        0
    }
}
