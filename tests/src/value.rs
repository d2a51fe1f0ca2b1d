//! Replies as they stood on the wire, and a short text for each, in which tests state what they expect.
//!
//! Unlike a client's value type this one keeps apart what only the bytes tell apart (`$-1`, `*-1` and `_`), as clients
//! in the field do. Does not know: partial input limits; the suite trusts the length of what it asked for.

use std::fmt::{self, Display, Formatter, Write as _};

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `+`; text `+OK`.
    Simple(Vec<u8>),
    /// `-`; text `-ERR ...`.
    Error(Vec<u8>),
    /// `:`; text `:5`.
    Int(i64),
    /// `$`; text `"bytes"`.
    Bulk(Vec<u8>),
    /// `$-1`; text `nil`.
    NullBulk,
    /// `*-1`; text `nil*`.
    NullArray,
    /// `_`; text `null`.
    Null,
    /// `*`; text `[a, b]`.
    Array(Vec<Value>),
    /// `%`; text `{k: v, k: v}`.
    Map(Vec<(Value, Value)>),
    /// `~`; text `~[a, b]`.
    Set(Vec<Value>),
    /// `>`; text `>[a, b]`.
    Push(Vec<Value>),
    /// `#`; text `#t`.
    Boolean(bool),
    /// `,` as its digits; text `,1.5`.
    Double(Vec<u8>),
    /// `(` as its digits; text `(123`.
    BigNumber(Vec<u8>),
    /// `=` with its three letters and colon; text `="txt:..."`.
    Verbatim(Vec<u8>),
}

impl Value {
    /// The first reply in `bytes` and its length; `None` if it is not whole.
    pub fn decode(bytes: &[u8]) -> Option<(Value, usize)> {
        let end = line_end(bytes)?;
        let line = &bytes[1..end];
        let after = end + 2;
        let done = |value| Some((value, after));
        match bytes[0] {
            b'+' => done(Value::Simple(line.to_vec())),
            b'-' => done(Value::Error(line.to_vec())),
            b':' => done(Value::Int(number(line))),
            b',' => done(Value::Double(line.to_vec())),
            b'(' => done(Value::BigNumber(line.to_vec())),
            b'_' => done(Value::Null),
            b'#' => done(Value::Boolean(line == b"t")),
            b'$' if line == b"-1" => done(Value::NullBulk),
            b'*' if line == b"-1" => done(Value::NullArray),
            kind @ (b'$' | b'=') => {
                let stop = after + usize::try_from(number(line)).expect("a length is not negative");
                let text = bytes.get(after..stop)?.to_vec();
                let tail = bytes.get(stop..stop + 2)?;
                assert_eq!(tail, b"\r\n", "a string ends with a line break");
                Some((if kind == b'$' { Value::Bulk(text) } else { Value::Verbatim(text) }, stop + 2))
            }
            kind @ (b'*' | b'~' | b'>' | b'%') => {
                let announced = usize::try_from(number(line)).expect("a count is not negative");
                let count = if kind == b'%' { announced * 2 } else { announced };
                let mut at = after;
                let mut items = Vec::new();
                for _ in 0..count {
                    let (item, len) = Value::decode(bytes.get(at..)?)?;
                    items.push(item);
                    at += len;
                }
                let value = match kind {
                    b'*' => Value::Array(items),
                    b'~' => Value::Set(items),
                    b'>' => Value::Push(items),
                    _ => Value::Map(pairs(items)),
                };
                Some((value, at))
            }
            other => {
                panic!("a reply cannot start with {:?}: {:?}", other as char, String::from_utf8_lossy(bytes))
            }
        }
    }

    /// Shorthand for a bulk string.
    pub fn bulk(text: impl AsRef<[u8]>) -> Value {
        Value::Bulk(text.as_ref().to_vec())
    }

    /// The bytes of a string-like reply; fails the test for any other.
    #[track_caller]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Value::Simple(text) | Value::Bulk(text) | Value::Double(text) | Value::Error(text) => text,
            // Three letters and a colon come first.
            Value::Verbatim(text) => &text[4..],
            other => panic!("not a string: {other}"),
        }
    }

    /// The text of a string-like reply.
    #[track_caller]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// The text of a string-like reply, or `absent` for any kind of nothing.
    #[track_caller]
    pub fn text_or(&self, absent: &str) -> String {
        match self {
            Value::NullBulk | Value::Null => absent.to_owned(),
            other => other.text(),
        }
    }

    /// The integer; fails the test for any other reply.
    #[track_caller]
    pub fn int(&self) -> i64 {
        match self {
            Value::Int(value) => *value,
            other => panic!("not an integer: {other}"),
        }
    }

    /// The elements of an array, set or push, or a map's keys and values in turn.
    #[track_caller]
    pub fn items(&self) -> Vec<Value> {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) => items.clone(),
            Value::Map(pairs) => pairs.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).collect(),
            other => panic!("not an aggregate: {other}"),
        }
    }

    /// The value beside `key` in a map, or in an array of alternating keys and values.
    #[track_caller]
    pub fn field(&self, key: &str) -> Option<Value> {
        let items = self.items();
        items.chunks_exact(2).find(|pair| pair[0].bytes() == key.as_bytes()).map(|pair| pair[1].clone())
    }

    /// Whether this is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_))
    }

    /// The same with the elements of unordered aggregates, and of the outermost array, in byte order.
    pub fn sorted(mut self) -> Value {
        match &mut self {
            Value::Array(items) | Value::Set(items) => items.sort(),
            Value::Map(pairs) => pairs.sort(),
            _ => {}
        }
        self
    }
}

fn pairs(items: Vec<Value>) -> Vec<(Value, Value)> {
    let mut items = items.into_iter();
    let mut pairs = Vec::new();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        pairs.push((key, value));
    }
    pairs
}

fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair == b"\r\n")
}

fn number(line: &[u8]) -> i64 {
    let text = std::str::from_utf8(line).expect("a number is ASCII");
    text.parse().unwrap_or_else(|_| panic!("not a number in a reply: {text:?}"))
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Value::Simple(text) => write!(f, "+{}", text.escape_ascii()),
            Value::Error(text) => write!(f, "-{}", String::from_utf8_lossy(text)),
            Value::Int(value) => write!(f, ":{value}"),
            Value::Bulk(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Value::NullBulk => f.write_str("nil"),
            Value::NullArray => f.write_str("nil*"),
            Value::Null => f.write_str("null"),
            Value::Array(items) => list(f, "[", items),
            Value::Set(items) => list(f, "~[", items),
            Value::Push(items) => list(f, ">[", items),
            Value::Map(pairs) => {
                f.write_char('{')?;
                for (at, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{}{key}: {value}", if at == 0 { "" } else { ", " })?;
                }
                f.write_char('}')
            }
            Value::Boolean(value) => f.write_str(if *value { "#t" } else { "#f" }),
            Value::Double(text) => write!(f, ",{}", text.escape_ascii()),
            Value::BigNumber(text) => write!(f, "({}", text.escape_ascii()),
            Value::Verbatim(text) => write!(f, "=\"{}\"", text.escape_ascii()),
        }
    }
}

fn list(f: &mut Formatter<'_>, open: &str, items: &[Value]) -> fmt::Result {
    f.write_str(open)?;
    for (at, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if at == 0 { "" } else { ", " })?;
    }
    f.write_char(']')
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[track_caller]
    fn check(wire: &str, expect: &str) {
        let (value, len) = Value::decode(wire.as_bytes()).expect("whole");
        assert_eq!((value.to_string().as_str(), len), (expect, wire.len()));
        for cut in 0..wire.len() {
            assert_eq!(Value::decode(&wire.as_bytes()[..cut]), None, "{cut} bytes of {wire:?}");
        }
    }

    #[test]
    fn each_kind_of_reply_has_its_text() {
        check("+OK\r\n", "+OK");
        check("-ERR no\r\n", "-ERR no");
        check(":-12\r\n", ":-12");
        check("$4\r\na\r\nb\r\n", "\"a\\r\\nb\"");
        check("$-1\r\n", "nil");
        check("*-1\r\n", "nil*");
        check("_\r\n", "null");
        check("*2\r\n:1\r\n*1\r\n$0\r\n\r\n", "[:1, [\"\"]]");
        check("%1\r\n+a\r\n#t\r\n", "{+a: #t}");
        check("~1\r\n,1.5\r\n", "~[,1.5]");
        check(">1\r\n=6\r\ntxt:hi\r\n", ">[=\"txt:hi\"]");
    }
}
