//! A request that owns its bytes, in wire form: what is queued by `MULTI`, waits for a partition, or is made by
//! the node itself. In wire form because that is what the log holds.

use base::{Args, Span};
use resp::{Decoded, Decoder, write_request};

use crate::operations::ACCEPTED;

/// An owned request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WireRequest {
    raw: Vec<u8>,
    spans: Vec<Span>,
}

impl WireRequest {
    /// A copy of a request whose arguments view `raw`, its wire form.
    pub(crate) fn copy_of(args: Args<'_>, raw: &[u8]) -> WireRequest {
        WireRequest { raw: raw.to_vec(), spans: args.spans().to_vec() }
    }

    /// Encodes a request from its parts.
    pub(crate) fn encode(parts: &[&[u8]]) -> WireRequest {
        let mut raw = Vec::with_capacity(parts.iter().map(|part| part.len() + 16).sum::<usize>() + 8);
        write_request(&mut raw, parts.iter());
        // From the end back: each part stands before its own line end.
        let mut spans = vec![Span::default(); parts.len()];
        let mut end = raw.len();
        for (span, part) in spans.iter_mut().zip(parts).rev() {
            let start = end - 2 - part.len();
            *span = Span { start: start as u32, len: part.len() as u32 };
            end = start - header_len(part.len());
        }
        WireRequest { raw, spans }
    }

    /// A request in wire form, checked; `None` if it is not one whole request.
    pub(crate) fn parse(raw: &[u8]) -> Option<WireRequest> {
        let mut decoder = Decoder::new(ACCEPTED);
        match decoder.decode(raw) {
            Ok(Decoded::Request { len }) if len == raw.len() => {
                let spans = decoder.args(raw).spans().to_vec();
                Some(WireRequest { raw: raw.to_vec(), spans })
            }
            Ok(_) | Err(_) => None,
        }
    }

    pub(crate) fn args(&self) -> Args<'_> {
        Args::new(&self.raw, &self.spans)
    }

    pub(crate) fn raw(&self) -> &[u8] {
        &self.raw
    }
}

/// Bytes of `$len\r\n`.
fn header_len(len: usize) -> usize {
    3 + len.checked_ilog10().unwrap_or(0) as usize + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_request_reads_back_its_parts() {
        let long = vec![b'x'; 1000];
        let parts: [&[u8]; 5] = [b"SET", b"", b"0123456789", &long, b"\r\n"];
        let request = WireRequest::encode(&parts);
        assert_eq!(request.args().iter().collect::<Vec<_>>(), parts);
        assert!(request.raw().starts_with(b"*5\r\n$3\r\nSET\r\n$0\r\n\r\n"));
    }
}
