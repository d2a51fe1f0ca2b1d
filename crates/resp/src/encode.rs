//! Replies to bytes. One writer over one buffer that knows the connection's protocol version.
//!
//! A family calls `map`, `set`, `double`, … and never asks for the version: RESP2 gets the form that Redis
//! gives there. An aggregate's header is written first, its elements follow; the writer does not count them.

use base::{I64_TEXT_MAX, format_i64};

/// Protocol version of a connection, chosen by `HELLO`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// RESP2, what a connection starts with.
    #[default]
    Resp2,
    /// RESP3.
    Resp3,
}

/// Writes replies to the end of a buffer.
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    version: Version,
}

impl<'a> Reply<'a> {
    /// Writes to the end of `out`.
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, version: Version) -> Reply<'a> {
        Reply { out, version }
    }

    /// The version replies are written in.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Bytes written to the buffer so far, those before this writer included: a mark for [`Reply::rewind`].
    pub fn mark(&self) -> usize {
        self.out.len()
    }

    /// Takes back everything after `mark`.
    pub fn rewind(&mut self, mark: usize) {
        self.out.truncate(mark);
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A status line. The text must hold no line break.
    pub fn simple(&mut self, text: &str) {
        debug_assert!(!text.contains(['\r', '\n']), "a status is one line");
        self.out.push(b'+');
        self.out.extend_from_slice(text.as_bytes());
        self.crlf();
    }

    /// An error, its code first: `ERR syntax error`. Line breaks, which may come from a client's own bytes,
    /// become spaces, so that no text can start a second reply.
    #[cold]
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        self.out.push(b'-');
        let safe = text.as_ref().iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte });
        self.out.extend(safe);
        self.crlf();
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, value: i64) {
        self.header(b':', value);
    }

    /// A count.
    #[inline]
    pub fn len_int(&mut self, value: usize) {
        self.int(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// A string of bytes.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        // One reservation for header, bytes and both line ends.
        self.out.reserve(bytes.len() + 16);
        self.header(b'$', bytes.len() as i64);
        self.out.extend_from_slice(bytes);
        self.crlf();
    }

    /// An integer as a string.
    #[inline]
    pub fn bulk_int(&mut self, value: i64) {
        let mut buffer = [0; I64_TEXT_MAX];
        self.bulk(format_i64(value, &mut buffer));
    }

    /// Nothing, where a string could stand.
    #[inline]
    pub fn null(&mut self) {
        self.out.extend_from_slice(match self.version {
            Version::Resp2 => b"$-1\r\n",
            Version::Resp3 => b"_\r\n",
        });
    }

    /// Nothing, where an array could stand.
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(match self.version {
            Version::Resp2 => b"*-1\r\n",
            Version::Resp3 => b"_\r\n",
        });
    }

    /// Header of an array of `len` elements.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len as i64);
    }

    /// Header of a map of `pairs`; in RESP2 an array of twice as many.
    pub fn map(&mut self, pairs: usize) {
        match self.version {
            Version::Resp2 => self.header(b'*', pairs as i64 * 2),
            Version::Resp3 => self.header(b'%', pairs as i64),
        }
    }

    /// Header of a set; in RESP2 an array.
    pub fn set(&mut self, len: usize) {
        match self.version {
            Version::Resp2 => self.header(b'*', len as i64),
            Version::Resp3 => self.header(b'~', len as i64),
        }
    }

    /// Header of a push message; in RESP2 an array.
    pub fn push(&mut self, len: usize) {
        match self.version {
            Version::Resp2 => self.header(b'*', len as i64),
            Version::Resp3 => self.header(b'>', len as i64),
        }
    }

    /// A truth value; in RESP2 the integer 1 or 0.
    pub fn boolean(&mut self, value: bool) {
        self.out.extend_from_slice(match (self.version, value) {
            (Version::Resp2, true) => b":1\r\n",
            (Version::Resp2, false) => b":0\r\n",
            (Version::Resp3, true) => b"#t\r\n",
            (Version::Resp3, false) => b"#f\r\n",
        });
    }

    /// A floating-point number whose text the caller made; in RESP2 a string.
    pub fn double_text(&mut self, text: &[u8]) {
        match self.version {
            Version::Resp2 => self.bulk(text),
            Version::Resp3 => {
                self.out.push(b',');
                self.out.extend_from_slice(text);
                self.crlf();
            }
        }
    }

    /// Text for people, such as `INFO`; in RESP2 a string.
    pub fn verbatim(&mut self, text: &[u8]) {
        match self.version {
            Version::Resp2 => self.bulk(text),
            Version::Resp3 => {
                self.header(b'=', text.len() as i64 + 4);
                self.out.extend_from_slice(b"txt:");
                self.out.extend_from_slice(text);
                self.crlf();
            }
        }
    }

    /// A reply that was encoded before, in this version.
    pub fn raw(&mut self, encoded: &[u8]) {
        self.out.extend_from_slice(encoded);
    }

    #[inline]
    fn header(&mut self, kind: u8, value: i64) {
        // Most lengths and many integers have one digit or two; the general way costs five times as much.
        match value {
            0..=9 => self.out.extend_from_slice(&[kind, b'0' + value as u8, b'\r', b'\n']),
            10..=99 => {
                let (tens, ones) = (value as u8 / 10, value as u8 % 10);
                self.out.extend_from_slice(&[kind, b'0' + tens, b'0' + ones, b'\r', b'\n']);
            }
            _ => self.long_header(kind, value),
        }
    }

    #[inline(never)]
    fn long_header(&mut self, kind: u8, value: i64) {
        // The line is made as a whole: each append asks for room.
        let mut line = [0; I64_TEXT_MAX + 3];
        let mut digits = [0; I64_TEXT_MAX];
        let text = format_i64(value, &mut digits);
        let end = 1 + text.len();
        line[0] = kind;
        line[1..end].copy_from_slice(text);
        line[end..end + 2].copy_from_slice(b"\r\n");
        self.out.extend_from_slice(&line[..end + 2]);
    }

    #[inline]
    fn crlf(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Writes a request in the form clients send: an array of bulk strings.
pub fn write_request<I, T>(out: &mut Vec<u8>, parts: I)
where
    I: IntoIterator<Item = T>,
    I::IntoIter: ExactSizeIterator,
    T: AsRef<[u8]>,
{
    let parts = parts.into_iter();
    let mut reply = Reply::new(out, Version::Resp2);
    reply.array(parts.len());
    parts.for_each(|part| reply.bulk(part.as_ref()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(write: impl Fn(&mut Reply<'_>), resp2: &str, resp3: &str) {
        for (version, expect) in [(Version::Resp2, resp2), (Version::Resp3, resp3)] {
            let mut out = Vec::new();
            write(&mut Reply::new(&mut out, version));
            assert_eq!(String::from_utf8_lossy(&out), expect, "{version:?}");
        }
    }

    #[test]
    fn each_type_has_its_form_in_both_versions() {
        check(|r| r.ok(), "+OK\r\n", "+OK\r\n");
        check(|r| r.error("ERR a\r\n+b"), "-ERR a  +b\r\n", "-ERR a  +b\r\n");
        check(|r| r.int(-12), ":-12\r\n", ":-12\r\n");
        for value in [-1, 0, 9, 10, 99, 100, 101, 1000] {
            let text = format!(":{value}\r\n");
            check(|r| r.int(value), &text, &text);
        }
        check(|r| r.int(i64::MIN), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n");
        check(|r| r.bulk(b"0123456789"), "$10\r\n0123456789\r\n", "$10\r\n0123456789\r\n");
        check(|r| r.null(), "$-1\r\n", "_\r\n");
        check(|r| r.null_array(), "*-1\r\n", "_\r\n");
        check(|r| r.map(2), "*4\r\n", "%2\r\n");
        check(|r| r.set(11), "*11\r\n", "~11\r\n");
        check(|r| r.push(3), "*3\r\n", ">3\r\n");
        check(|r| r.boolean(true), ":1\r\n", "#t\r\n");
        check(|r| r.double_text(b"1.5"), "$3\r\n1.5\r\n", ",1.5\r\n");
        check(|r| r.verbatim(b"hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n");
    }
}
