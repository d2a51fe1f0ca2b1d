//! Decoded replies, for clients and tests.

/// A reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `+`.
    Simple(String),
    /// `-`, the code first.
    Error(String),
    /// `:`.
    Int(i64),
    /// `$`.
    Bulk(Vec<u8>),
    /// `$-1`, `*-1`, `_`.
    Null,
    /// `*`.
    Array(Vec<Value>),
    /// `%`.
    Map(Vec<(Value, Value)>),
    /// `~`.
    Set(Vec<Value>),
    /// `>`.
    Push(Vec<Value>),
    /// `#`.
    Boolean(bool),
    /// `,`.
    Double(f64),
    /// `(`, as its digits.
    BigNumber(String),
    /// `=`.
    Verbatim {
        /// Three letters, `txt` or `mkd`.
        format: String,
        /// The text.
        text: Vec<u8>,
    },
}

/// The bytes are not a reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed reply: {0}")]
pub struct ValueError(pub String);

/// Incremental decoder of replies.
#[derive(Default)]
pub struct ValueDecoder {}

impl ValueDecoder {
    /// The first reply in `bytes` and how many bytes it took; `None` if it is not whole yet.
    pub fn decode(&mut self, _bytes: &[u8]) -> Result<Option<(Value, usize)>, ValueError> {
        Ok(None)
    }
}
