//! Decoded replies, for clients and tests.
//!
//! [`ValueDecoder`] keeps the values it has built so far of a nested reply, so that a large reply in small pieces
//! is read once. Invariants: nesting is bounded and nothing recurses while reading; memory grows with bytes
//! that arrived. Attributes (`|`) are skipped; streamed aggregates (`*?`), which no server sends, are refused.

use base::parse_i64;

use crate::encode::{Reply, Version};

/// A reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `+`.
    Simple(String),
    /// `-` or `!`, the code first.
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

impl Value {
    /// Whether the server refused.
    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_))
    }

    /// The bytes of a string of any kind.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(text) | Value::BigNumber(text) => Some(text.as_bytes()),
            Value::Bulk(bytes) | Value::Verbatim { text: bytes, .. } => Some(bytes),
            Value::Error(_)
            | Value::Int(_)
            | Value::Null
            | Value::Array(_)
            | Value::Map(_)
            | Value::Set(_)
            | Value::Push(_)
            | Value::Boolean(_)
            | Value::Double(_) => None,
        }
    }

    /// A string of any kind as text, if it is UTF-8.
    pub fn as_text(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// An integer, also one that came as a string.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(value) => Some(*value),
            other => parse_i64(other.as_bytes()?),
        }
    }

    /// The elements of an array, a set or a push message.
    pub fn as_slice(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) => Some(items),
            _ => None,
        }
    }

    /// The value of a field, in a map or in the flat array that RESP2 has for it.
    pub fn field(&self, name: &str) -> Option<&Value> {
        let is_named = |value: &Value| value.as_bytes() == Some(name.as_bytes());
        match self {
            Value::Map(pairs) => pairs.iter().find(|(key, _)| is_named(key)).map(|(_, value)| value),
            Value::Array(items) => {
                items.as_chunks::<2>().0.iter().find(|[key, _]| is_named(key)).map(|[_, value]| value)
            }
            _ => None,
        }
    }

    /// Writes the reply, in the form its version has.
    pub fn write(&self, reply: &mut Reply<'_>) {
        match self {
            Value::Simple(text) => reply.simple(text),
            Value::Error(text) if text.contains(['\r', '\n']) && reply.version() == Version::Resp3 => {
                reply.raw(format!("!{}\r\n{text}\r\n", text.len()).as_bytes());
            }
            Value::Error(text) => reply.error(text),
            Value::Int(value) => reply.int(*value),
            Value::Bulk(bytes) => reply.bulk(bytes),
            Value::Null => reply.null(),
            Value::Array(items) => {
                reply.array(items.len());
                items.iter().for_each(|item| item.write(reply));
            }
            Value::Map(pairs) => {
                reply.map(pairs.len());
                for (key, value) in pairs {
                    key.write(reply);
                    value.write(reply);
                }
            }
            Value::Set(items) => {
                reply.set(items.len());
                items.iter().for_each(|item| item.write(reply));
            }
            Value::Push(items) => {
                reply.push(items.len());
                items.iter().for_each(|item| item.write(reply));
            }
            Value::Boolean(value) => reply.boolean(*value),
            Value::Double(value) => reply.double_text(value.to_string().as_bytes()),
            Value::BigNumber(digits) => reply.raw(format!("({digits}\r\n").as_bytes()),
            Value::Verbatim { format, text } => {
                reply.raw(format!("={}\r\n{format}:", text.len() + 4).as_bytes());
                reply.raw(text);
                reply.raw(b"\r\n");
            }
        }
    }
}

/// The bytes are not a reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed reply: {0}")]
pub struct ValueError(pub String);

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 32;

/// Longest line: a status, an error, a number.
const LINE_MAX: usize = 1 << 20;

/// Incremental decoder of replies.
#[derive(Default)]
pub struct ValueDecoder {
    /// Aggregates that are under way, outermost first.
    open: Vec<Aggregate>,
    /// Bytes of the reply that are done with.
    pos: usize,
    /// Bytes known to hold no line end.
    scanned: usize,
}

struct Aggregate {
    kind: Kind,
    /// Elements still to come; a pair counts twice.
    missing: usize,
    items: Vec<Value>,
}

#[derive(Clone, Copy)]
enum Kind {
    Array,
    Map,
    Set,
    Push,
    /// Facts about the value that follows, not counted by the aggregate around it.
    Attribute,
}

enum Step {
    Value(Value),
    Open(Kind, usize),
}

impl ValueDecoder {
    /// A decoder at the start of a reply.
    pub fn new() -> ValueDecoder {
        ValueDecoder::default()
    }

    /// The first reply in `bytes` and how many bytes it took; `None` if it is not whole yet: call again with the
    /// same bytes and more after them.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<Option<(Value, usize)>, ValueError> {
        while let Some((step, next)) = self.step(bytes)? {
            self.pos = next;
            self.scanned = 0;
            let finished = match step {
                Step::Value(value) => self.close(value),
                Step::Open(kind, missing) => self.open(kind, missing)?,
            };
            if let Some(value) = finished {
                return Ok(Some((value, std::mem::take(&mut self.pos))));
            }
        }
        Ok(None)
    }

    /// Reads one value that is not nested, or the header of one that is.
    fn step(&mut self, bytes: &[u8]) -> Result<Option<(Step, usize)>, ValueError> {
        let Some(&marker) = bytes.get(self.pos) else { return Ok(None) };
        let Some((line, next)) = self.line(bytes)? else { return Ok(None) };
        let value = match marker {
            b'$' | b'=' | b'!' => return bulk(marker, line, bytes, next),
            b'*' | b'%' | b'~' | b'>' | b'|' => match header(marker, line)? {
                Some((kind, missing)) => return Ok(Some((Step::Open(kind, missing), next))),
                None => Value::Null,
            },
            b'+' | b'-' if line.contains(&b'\n') => return Err(malformed("line end", line)),
            b'+' => Value::Simple(text(line)),
            b'-' => Value::Error(text(line)),
            b':' => Value::Int(parse_i64(line).ok_or_else(|| malformed("integer", line))?),
            b'_' if line.is_empty() => Value::Null,
            b'#' if line == b"t" => Value::Boolean(true),
            b'#' if line == b"f" => Value::Boolean(false),
            b',' => Value::Double(text(line).parse().map_err(|_| malformed("double", line))?),
            b'(' if is_big_number(line) => Value::BigNumber(text(line)),
            _ => return Err(malformed("type", &bytes[self.pos..next - 2])),
        };
        Ok(Some((Step::Value(value), next)))
    }

    /// The line at the current position without its first byte and its end, and where the next one starts.
    fn line<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<(&'a [u8], usize)>, ValueError> {
        let from = self.scanned.max(self.pos + 1);
        let found = bytes.get(from..).and_then(|rest| rest.iter().position(|&byte| byte == b'\r'));
        let end = found.map_or(bytes.len(), |at| from + at);
        if end - self.pos > LINE_MAX {
            return Err(ValueError(format!("a line is longer than {LINE_MAX} bytes")));
        }
        self.scanned = end;
        match bytes.get(end + 1) {
            None => Ok(None),
            Some(b'\n') => Ok(Some((&bytes[self.pos + 1..end], end + 2))),
            Some(_) => Err(malformed("line end", &bytes[self.pos..end + 2])),
        }
    }

    fn open(&mut self, kind: Kind, missing: usize) -> Result<Option<Value>, ValueError> {
        if self.open.len() == DEPTH_MAX {
            return Err(ValueError(format!("nested deeper than {DEPTH_MAX}")));
        }
        self.open.push(Aggregate { kind, missing, items: Vec::new() });
        Ok(if missing == 0 { self.close_full() } else { None })
    }

    /// Puts a finished value where it belongs; returns it if it is the whole reply.
    fn close(&mut self, value: Value) -> Option<Value> {
        let Some(top) = self.open.last_mut() else { return Some(value) };
        top.items.push(value);
        top.missing -= 1;
        if top.missing == 0 { self.close_full() } else { None }
    }

    /// Finishes the innermost aggregate and those that it fills.
    fn close_full(&mut self) -> Option<Value> {
        while let Some(full) = self.open.pop_if(|top| top.missing == 0) {
            let value = match full.kind {
                Kind::Array => Value::Array(full.items),
                Kind::Set => Value::Set(full.items),
                Kind::Push => Value::Push(full.items),
                Kind::Map => Value::Map(pairs(full.items)),
                Kind::Attribute => return None,
            };
            let Some(outer) = self.open.last_mut() else { return Some(value) };
            outer.items.push(value);
            outer.missing -= 1;
        }
        None
    }
}

fn bulk(marker: u8, line: &[u8], bytes: &[u8], start: usize) -> Result<Option<(Step, usize)>, ValueError> {
    let len = match parse_i64(line) {
        Some(-1) if marker == b'$' => return Ok(Some((Step::Value(Value::Null), start))),
        len => len.and_then(|len| u32::try_from(len).ok()).ok_or_else(|| malformed("length", line))?,
    };
    let end = start + len as usize;
    let content = match bytes.get(end..end + 2) {
        None => return Ok(None),
        Some(b"\r\n") => &bytes[start..end],
        Some(other) => return Err(malformed("end of a string", other)),
    };
    let value = match (marker, content) {
        (b'$', _) => Value::Bulk(content.to_vec()),
        (b'!', _) => Value::Error(text(content)),
        (_, [a, b, c, b':', rest @ ..]) if [a, b, c].iter().all(|byte| byte.is_ascii_alphanumeric()) => {
            Value::Verbatim { format: text(&[*a, *b, *c]), text: rest.to_vec() }
        }
        _ => return Err(malformed("verbatim string", content)),
    };
    Ok(Some((Step::Value(value), end + 2)))
}

/// Kind and number of elements, `None` for RESP2's null array.
fn header(marker: u8, line: &[u8]) -> Result<Option<(Kind, usize)>, ValueError> {
    let count = match parse_i64(line) {
        Some(-1) if marker == b'*' => return Ok(None),
        Some(count) => u32::try_from(count).map_err(|_| malformed("count", line))? as usize,
        None => return Err(malformed("count", line)),
    };
    Ok(Some(match marker {
        b'%' => (Kind::Map, count * 2),
        b'|' => (Kind::Attribute, count * 2),
        b'~' => (Kind::Set, count),
        b'>' => (Kind::Push, count),
        _ => (Kind::Array, count),
    }))
}

fn pairs(items: Vec<Value>) -> Vec<(Value, Value)> {
    let mut items = items.into_iter();
    std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect()
}

fn is_big_number(line: &[u8]) -> bool {
    let digits = line.strip_prefix(b"-").or(line.strip_prefix(b"+")).unwrap_or(line);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn malformed(what: &str, bytes: &[u8]) -> ValueError {
    let shown = &bytes[..bytes.len().min(40)];
    ValueError(format!("unexpected {what}: {}", shown.escape_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.into())
    }

    #[track_caller]
    fn check(input: &str, expect: Value) {
        let mut decoder = ValueDecoder::new();
        for cut in 0..input.len() {
            assert_eq!(decoder.decode(&input.as_bytes()[..cut]), Ok(None), "cut at {cut}");
        }
        assert_eq!(decoder.decode(input.as_bytes()), Ok(Some((expect, input.len()))));
    }

    #[track_caller]
    fn refuse(input: &str, expect: &str) {
        let error = ValueDecoder::new().decode(input.as_bytes()).unwrap_err();
        assert_eq!(error.0, expect);
    }

    #[test]
    fn each_type_is_read() {
        check("+OK\r\n", Value::Simple("OK".into()));
        check("-ERR no\r\n", Value::Error("ERR no".into()));
        check("!6\r\nERR no\r\n", Value::Error("ERR no".into()));
        check(":-5\r\n", Value::Int(-5));
        check("$3\r\na\r\n\r\n", bulk("a\r\n"));
        check("$-1\r\n", Value::Null);
        check("*-1\r\n", Value::Null);
        check("_\r\n", Value::Null);
        check("#t\r\n", Value::Boolean(true));
        check(",1.5\r\n", Value::Double(1.5));
        check(",-inf\r\n", Value::Double(f64::NEG_INFINITY));
        check(
            "(-123456789012345678901234567890\r\n",
            Value::BigNumber("-123456789012345678901234567890".into()),
        );
        check("=6\r\ntxt:hi\r\n", Value::Verbatim { format: "txt".into(), text: b"hi".to_vec() });
        check("*0\r\n", Value::Array(vec![]));
        check(
            "%1\r\n+a\r\n*2\r\n:1\r\n~0\r\n",
            Value::Map(vec![(
                Value::Simple("a".into()),
                Value::Array(vec![Value::Int(1), Value::Set(vec![])]),
            )]),
        );
        check(">2\r\n+message\r\n$1\r\nx\r\n", Value::Push(vec![Value::Simple("message".into()), bulk("x")]));
    }

    #[test]
    fn attributes_are_skipped_wherever_they_stand() {
        check("|1\r\n+ttl\r\n:5\r\n$1\r\nx\r\n", bulk("x"));
        check(
            "*2\r\n|0\r\n:1\r\n|1\r\n+a\r\n*1\r\n:9\r\n:2\r\n",
            Value::Array(vec![Value::Int(1), Value::Int(2)]),
        );
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        refuse("?x\r\n", "unexpected type: ?x");
        refuse(":1x\r\n", "unexpected integer: 1x");
        refuse("$-2\r\n", "unexpected length: -2");
        refuse("$9223372036854775807\r\n", "unexpected length: 9223372036854775807");
        refuse("$1\r\nabc", "unexpected end of a string: bc");
        refuse("*?\r\n", "unexpected count: ?");
        refuse("*99999999999\r\n", "unexpected count: 99999999999");
        refuse("+a\rb", "unexpected line end: +a\\rb");
        refuse("=2\r\nhi\r\n", "unexpected verbatim string: hi");
        refuse(&"*1\r\n".repeat(33), "nested deeper than 32");
    }

    #[test]
    fn a_field_is_found_in_both_versions() {
        let pairs = vec![(bulk("a"), Value::Int(1)), (bulk("b"), Value::Int(2))];
        let flat = Value::Array(vec![bulk("a"), Value::Int(1), bulk("b"), Value::Int(2)]);
        assert_eq!(Value::Map(pairs).field("b"), Some(&Value::Int(2)));
        assert_eq!(flat.field("b"), Some(&Value::Int(2)));
        assert_eq!(flat.field("c"), None);
    }
}
