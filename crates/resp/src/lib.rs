//! The Redis protocol: bytes to requests ([`Decoder`]), replies to bytes ([`Reply`]), and back ([`Value`]).
//!
//! ```
//! use resp::{Decoded, Decoder, Limits, Reply, Version};
//!
//! let bytes = b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n";
//! let mut decoder = Decoder::new(Limits::CLIENT);
//! assert_eq!(decoder.decode(bytes), Ok(Decoded::Request { len: bytes.len() }));
//! let mut out = Vec::new();
//! Reply::new(&mut out, Version::Resp3).bulk(decoder.args(bytes).at(1));
//! assert_eq!(out, b"$2\r\nhi\r\n");
//! ```
//!
//! RESP2 and RESP3 and inline commands. Knows no command and no limit but those of [`Limits`]; never recurses
//! on what it reads and never reserves memory for a length that was only announced.

mod decode;
mod encode;
mod inline;
mod value;

pub use decode::{Decoded, Decoder, Limits, ProtocolError};
pub use encode::{Reply, Version, write_request};
pub use inline::{Foreign, UnbalancedQuotes, split_line};
pub use value::{Value, ValueDecoder, ValueError};
