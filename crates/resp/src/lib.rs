//! The Redis protocol: bytes to requests ([`Decoder`]), replies to bytes ([`Reply`]), and back ([`Value`]).
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
