//! Bytes to requests: incremental, resumable, bounded.
//!
//! The decoder looks at a buffer that starts with a request and either finds the whole request or remembers
//! how far it got, so that bytes seen once are not looked at again: a 100 MB value that arrives in small pieces
//! costs one comparison a piece, a million arguments one visit each.
//!
//! Invariants: what it finds does not depend on how the bytes were cut; memory grows only with bytes that
//! arrived, never with a length that was announced; every span lies within the request.
//! Does not know commands. Inline commands, which people type, are read in [`crate::inline`].

use base::{Args, Span, parse_i64};

use crate::inline::{self, Foreign};

/// How much a client may send at once; tighter before it has authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest argument in bytes.
    pub bulk_max: usize,
    /// Most arguments of one request.
    pub args_max: usize,
    /// Longest inline command, or line that announces a length, in bytes.
    pub inline_max: usize,
    /// Longest request in bytes, framing included. Spans have 32 bits; a larger value means 4 GiB.
    pub request_max: usize,
    /// Whether these are the limits before authentication, which a refusal then says.
    pub before_auth: bool,
}

impl Limits {
    /// What an authenticated client may send unless settings say otherwise; Redis' own limits.
    pub const CLIENT: Limits = Limits {
        bulk_max: 512 << 20,
        args_max: 1 << 20,
        inline_max: 64 << 10,
        request_max: 1 << 30,
        before_auth: false,
    };

    /// What a stranger may send: enough to authenticate.
    pub const BEFORE_AUTH: Limits = Limits {
        bulk_max: 16 << 10,
        args_max: 10,
        inline_max: 4 << 10,
        request_max: 32 << 10,
        before_auth: true,
    };
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

/// The bytes cannot be a request; the connection is answered with `ERR` and the text, then closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// `*` is not followed by a number of arguments, or by one beyond the limit.
    #[error("Protocol error: invalid multibulk length")]
    InvalidMultibulkLength,
    /// More arguments than a stranger may send.
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    /// `$` is not followed by a length, by one beyond the limit, or by one that its bytes do not have.
    #[error("Protocol error: invalid bulk length")]
    InvalidBulkLength,
    /// A longer argument than a stranger may send.
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulkLength,
    /// This byte stands where an argument should begin.
    #[error("Protocol error: expected '$', got '{}'", char::from(*.0))]
    ExpectedBulk(u8),
    /// The line after `*` does not end.
    #[error("Protocol error: too big mbulk count string")]
    TooBigMultibulkCount,
    /// The line after `$` does not end.
    #[error("Protocol error: too big bulk count string")]
    TooBigBulkCount,
    /// An inline command does not end.
    #[error("Protocol error: too big inline request")]
    TooBigInline,
    /// All arguments together exceed the limit. Redis has no text for it: it just closes.
    #[error("Protocol error: too big request")]
    TooBigRequest,
    /// A quote is not closed, or the closing one is followed by more than a blank.
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// Another protocol's client, perhaps a browser on an attacker's behalf: close without executing anything.
    #[error("Protocol error: {0} spoken to a port of the Redis protocol")]
    CrossProtocol(Foreign),
}

/// Decoder of one connection.
pub struct Decoder {
    limits: Limits,
    /// The limits take whatever is decoded the short way, in [`Decoder::decode_onto`].
    takes_short: bool,
    /// Arguments found so far of the request under way, or of the last one found.
    spans: Vec<Span>,
    /// The arguments of an inline command with quotes, unquoted; spans then lie in here.
    scratch: Vec<u8>,
    in_scratch: bool,
    /// Bytes of the request that are done with; zero between requests.
    pos: usize,
    /// Bytes known to hold no line end, for a line that is not whole yet. A stale value is harmless as long as
    /// the request goes on, since its lines only come later; it must not reach the next request.
    scanned: usize,
    /// Arguments still to come.
    missing: usize,
    /// Length of the argument that starts at `pos`, or [`NO_BULK`] if its header stands there.
    bulk: usize,
}

const NO_BULK: usize = usize::MAX;

/// Spans and unquoted bytes kept from request to request; what a rare large request took is given back.
const WARM_MAX: usize = 256;

impl Decoder {
    /// A decoder at the start of a request.
    pub fn new(limits: Limits) -> Decoder {
        Decoder {
            limits: bounded(limits),
            takes_short: takes_short(limits),
            spans: Vec::new(),
            scratch: Vec::new(),
            in_scratch: false,
            pos: 0,
            scanned: 0,
            missing: 0,
            bulk: NO_BULK,
        }
    }

    /// New limits, for everything that is decoded from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = bounded(limits);
        self.takes_short = takes_short(limits);
    }

    /// Looks for the request that starts at `bytes[0]`. After an error only closing makes sense: the same bytes
    /// give the same error.
    #[inline]
    pub fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, ProtocolError> {
        if self.pos > 0 {
            return self.decode_bulks(bytes);
        }
        match bytes.first() {
            Some(b'*') => {
                self.forget_last();
                if self.takes_short
                    && let Some(len) = short_request(bytes, &mut self.spans)
                {
                    self.scanned = 0;
                    return Ok(Decoded::Request { len });
                }
                self.decode_multibulk(bytes)
            }
            Some(_) => self.decode_inline(bytes),
            None => Ok(Decoded::Incomplete),
        }
    }

    /// The same for a request that starts with `*`, whose arguments are put behind `spans` instead: for who looks at
    /// several requests together.
    #[inline]
    pub fn decode_onto(&mut self, bytes: &[u8], spans: &mut Vec<Span>) -> Result<Decoded, ProtocolError> {
        if self.pos == 0
            && self.takes_short
            && let Some(len) = short_request(bytes, spans)
        {
            self.scanned = 0;
            if self.spans.capacity() > WARM_MAX {
                self.forget_last();
            }
            return Ok(Decoded::Request { len });
        }
        self.decode_long_onto(bytes, spans)
    }

    fn decode_long_onto(&mut self, bytes: &[u8], spans: &mut Vec<Span>) -> Result<Decoded, ProtocolError> {
        let decoded = if self.pos == 0 { self.decode_multibulk(bytes) } else { self.decode_bulks(bytes) }?;
        if let Decoded::Request { .. } = decoded {
            spans.extend_from_slice(&self.spans);
        }
        Ok(decoded)
    }

    /// Forgets a request that is under way; the next call starts at the start of one.
    pub fn restart(&mut self) {
        self.pos = 0;
        self.scanned = 0;
        self.missing = 0;
        self.bulk = NO_BULK;
        self.spans.clear();
    }

    /// The arguments of the request that [`Decoder::decode`] found in these `bytes`.
    #[inline]
    pub fn args<'a>(&'a self, bytes: &'a [u8]) -> Args<'a> {
        Args::new(if self.in_scratch { &self.scratch } else { bytes }, &self.spans)
    }

    /// Bytes the request under way is known to need in all, framing included; zero if unknown.
    pub fn announced(&self) -> usize {
        if self.bulk == NO_BULK { 0 } else { self.pos + self.bulk + 2 }
    }

    /// Heap bytes held.
    pub fn memory(&self) -> usize {
        self.spans.capacity() * size_of::<Span>() + self.scratch.capacity()
    }

    fn decode_multibulk(&mut self, bytes: &[u8]) -> Result<Decoded, ProtocolError> {
        let (count, next) = match short_length(bytes, 1) {
            Some((count, next)) => (count as i64, next),
            None => match self.length_line(bytes, 0, Announced::Count)? {
                Some(line) => line,
                None => return Ok(Decoded::Incomplete),
            },
        };
        self.forget_last();
        // Redis takes a negative count for an empty request, too.
        let count = usize::try_from(count).unwrap_or(0);
        if count > self.limits.args_max {
            return Err(if self.limits.before_auth && count <= Limits::CLIENT.args_max {
                ProtocolError::UnauthenticatedMultibulkLength
            } else {
                ProtocolError::InvalidMultibulkLength
            });
        }
        self.scanned = 0;
        if count == 0 {
            return Ok(Decoded::Request { len: next });
        }
        self.pos = next;
        self.missing = count;
        self.decode_bulks(bytes)
    }

    fn decode_bulks(&mut self, bytes: &[u8]) -> Result<Decoded, ProtocolError> {
        let mut pos = self.pos;
        let mut bulk = self.bulk;
        loop {
            if bulk == NO_BULK {
                let Some((len, next)) = self.bulk_header(bytes, pos)? else {
                    self.pos = pos;
                    self.bulk = NO_BULK;
                    return Ok(Decoded::Incomplete);
                };
                (bulk, pos) = (len, next);
            }
            // No overflow: `bulk_header` bounded the sum by `request_max`.
            let end = pos + bulk;
            match bytes.get(end..end + 2) {
                Some(b"\r\n") => {}
                // Redis skips any two bytes. A client that counts characters instead of bytes would then have
                // the rest of its value executed as commands.
                Some(_) => return Err(ProtocolError::InvalidBulkLength),
                None => {
                    self.pos = pos;
                    self.bulk = bulk;
                    return Ok(Decoded::Incomplete);
                }
            }
            self.spans.push(Span { start: pos as u32, len: bulk as u32 });
            pos = end + 2;
            bulk = NO_BULK;
            self.missing -= 1;
            if self.missing == 0 {
                self.pos = 0;
                self.scanned = 0;
                self.bulk = NO_BULK;
                return Ok(Decoded::Request { len: pos });
            }
        }
    }

    /// Length and start of the argument whose header stands at `pos`, `None` if the header is not whole.
    #[inline]
    fn bulk_header(&mut self, bytes: &[u8], pos: usize) -> Result<Option<(usize, usize)>, ProtocolError> {
        if let Some((len, next)) = tiny_header(bytes, pos, b'$')
            && len <= self.limits.bulk_max
            && next + len + 2 <= self.limits.request_max
        {
            return Ok(Some((len, next)));
        }
        self.any_bulk_header(bytes, pos)
    }

    #[inline(never)]
    fn any_bulk_header(&mut self, bytes: &[u8], pos: usize) -> Result<Option<(usize, usize)>, ProtocolError> {
        match bytes.get(pos) {
            Some(b'$') => {}
            Some(&other) => return Err(ProtocolError::ExpectedBulk(other)),
            None => return Ok(None),
        }
        let (len, next) = match short_length(bytes, pos + 1) {
            Some((len, next)) if len <= self.limits.bulk_max => (len, next),
            _ => match self.long_bulk_header(bytes, pos)? {
                Some(header) => header,
                None => return Ok(None),
            },
        };
        if next + len + 2 > self.limits.request_max {
            return Err(ProtocolError::TooBigRequest);
        }
        Ok(Some((len, next)))
    }

    #[cold]
    fn long_bulk_header(
        &mut self,
        bytes: &[u8],
        pos: usize,
    ) -> Result<Option<(usize, usize)>, ProtocolError> {
        let Some((len, next)) = self.length_line(bytes, pos, Announced::Bytes)? else { return Ok(None) };
        let len = usize::try_from(len).map_err(|_| ProtocolError::InvalidBulkLength)?;
        if len <= self.limits.bulk_max {
            Ok(Some((len, next)))
        } else if self.limits.before_auth && len <= Limits::CLIENT.bulk_max {
            Err(ProtocolError::UnauthenticatedBulkLength)
        } else {
            Err(ProtocolError::InvalidBulkLength)
        }
    }

    /// The number on the line at `pos`, behind its first byte, and where the next line starts; `None` if the
    /// line is not whole yet.
    #[cold]
    fn length_line(
        &mut self,
        bytes: &[u8],
        pos: usize,
        what: Announced,
    ) -> Result<Option<(i64, usize)>, ProtocolError> {
        let from = self.scanned.max(pos + 1);
        let found = bytes.get(from..).and_then(|rest| rest.iter().position(|&byte| byte == b'\r'));
        let end = found.map_or(bytes.len(), |at| from + at);
        if end - pos > self.limits.inline_max {
            return Err(what.endless());
        }
        self.scanned = end;
        match bytes.get(end + 1) {
            None => Ok(None),
            Some(b'\n') => {
                self.scanned = 0;
                let number = parse_i64(&bytes[pos + 1..end]).ok_or(what.invalid())?;
                Ok(Some((number, end + 2)))
            }
            Some(_) => Err(what.invalid()),
        }
    }

    #[cold]
    fn decode_inline(&mut self, bytes: &[u8]) -> Result<Decoded, ProtocolError> {
        if let Some(foreign) = inline::foreign_greeting(bytes) {
            return Err(ProtocolError::CrossProtocol(foreign));
        }
        let rest = bytes.get(self.scanned..).unwrap_or_default();
        let found = rest.iter().position(|&byte| byte == b'\n');
        let end = found.map_or(bytes.len(), |at| self.scanned + at);
        if end > self.limits.inline_max {
            return Err(ProtocolError::TooBigInline);
        }
        self.scanned = end;
        if found.is_none() {
            return Ok(Decoded::Incomplete);
        }
        self.scanned = 0;
        self.forget_last();
        let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
        self.in_scratch = line.iter().any(|byte| matches!(byte, b'"' | b'\''));
        if self.in_scratch {
            inline::unquote_words(line, &mut self.scratch, &mut self.spans)
                .map_err(|_| ProtocolError::UnbalancedQuotes)?;
        } else {
            inline::split_words(line, &mut self.spans);
        }
        match inline::foreign_command(self.args(bytes)) {
            Some(foreign) => Err(ProtocolError::CrossProtocol(foreign)),
            None => Ok(Decoded::Request { len: end + 1 }),
        }
    }

    #[inline]
    fn forget_last(&mut self) {
        // A client that sends large requests one after the other keeps its memory.
        if self.spans.capacity() > WARM_MAX && self.spans.len() <= WARM_MAX {
            self.spans.shrink_to(WARM_MAX);
        }
        self.spans.clear();
        if self.in_scratch {
            self.in_scratch = false;
            self.scratch.clear();
            self.scratch.shrink_to(WARM_MAX);
        }
    }
}

/// What a line announces, for the text of its refusal.
#[derive(Clone, Copy)]
enum Announced {
    Count,
    Bytes,
}

impl Announced {
    fn invalid(self) -> ProtocolError {
        match self {
            Announced::Count => ProtocolError::InvalidMultibulkLength,
            Announced::Bytes => ProtocolError::InvalidBulkLength,
        }
    }

    fn endless(self) -> ProtocolError {
        match self {
            Announced::Count => ProtocolError::TooBigMultibulkCount,
            Announced::Bytes => ProtocolError::TooBigBulkCount,
        }
    }
}

/// Most arguments of a short request, and most bytes of each: two digits.
const SHORT_MAX: usize = 99;

fn takes_short(limits: Limits) -> bool {
    let request_max = 5 + SHORT_MAX * (5 + SHORT_MAX + 2);
    limits.args_max >= SHORT_MAX && limits.bulk_max >= SHORT_MAX && limits.request_max >= request_max
}

fn bounded(limits: Limits) -> Limits {
    Limits { request_max: limits.request_max.min(u32::MAX as usize), ..limits }
}

/// A whole request of few and short arguments, as most are: one pass that keeps nothing but where they lie, behind `spans`.
/// None if it is any other, whole or not, right or wrong; then nothing is known of it yet.
#[inline]
fn short_request(bytes: &[u8], spans: &mut Vec<Span>) -> Option<usize> {
    let before = spans.len();
    let len = short_arguments(bytes, spans);
    if len.is_none() {
        spans.truncate(before);
    }
    len
}

#[inline(always)]
fn short_arguments(bytes: &[u8], spans: &mut Vec<Span>) -> Option<usize> {
    let (count, mut pos) = tiny_header(bytes, 0, b'*')?;
    if count == 0 {
        return None;
    }
    for _ in 0..count {
        let (len, start) = tiny_header(bytes, pos, b'$')?;
        let end = start + len;
        if bytes.get(end..)?.first_chunk() != Some(b"\r\n") {
            return None;
        }
        spans.push(Span { start: start as u32, len: len as u32 });
        pos = end + 2;
    }
    Some(pos)
}

/// The number of one digit or two, as most are, that stands behind a byte of this `kind`, and where the next line starts:
/// compared four bytes at once. Anything else is left to the next best way.
#[inline(always)]
fn tiny_header(bytes: &[u8], pos: usize, kind: u8) -> Option<(usize, usize)> {
    /// The bytes of a header but for its digits: those of `*1\r\n`, and the first four of `*12\r\n`.
    const ONE: u32 = u32::from_le_bytes([0xff, 0, 0xff, 0xff]);
    const TWO: u32 = u32::from_le_bytes([0xff, 0, 0, 0xff]);
    let &[a, first, second, d, last] = bytes.get(pos..)?.first_chunk::<5>()?;
    let word = u32::from_le_bytes([a, first, second, d]);
    let first = digit(first)?;
    if word & ONE == u32::from_le_bytes([kind, 0, b'\r', b'\n']) {
        return Some((first, pos + 4));
    }
    // A leading zero is not Redis' text of a number.
    if first == 0 || word & TWO != u32::from_le_bytes([kind, 0, 0, b'\r']) || last != b'\n' {
        return None;
    }
    Some((first * 10 + digit(second)?, pos + 5))
}

/// A whole line of one to six digits at `at`, as nearly all are, and where the next one starts. Anything else,
/// wrong or unfinished or longer, is left to the slow way.
#[inline(always)]
fn short_length(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let line = bytes.get(at..)?;
    let first = digit(*line.first()?)?;
    let mut value = first;
    for next in 1..=6 {
        match *line.get(next)? {
            b'\r' => return (*line.get(next + 1)? == b'\n').then_some((value, at + next + 2)),
            // A leading zero is not Redis' text of a number.
            _ if first == 0 => return None,
            byte => value = value * 10 + digit(byte)?,
        }
    }
    None
}

#[inline(always)]
fn digit(byte: u8) -> Option<usize> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(usize::from(digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Limits = Limits { request_max: 2000, ..Limits::BEFORE_AUTH };

    /// Every request of `input` up to the first error, rendered: `a|b;`.
    fn decode_all(limits: Limits, input: &[u8]) -> (String, Option<ProtocolError>) {
        let mut decoder = Decoder::new(limits);
        let mut onto = Decoder::new(limits);
        let mut spans = Vec::new();
        let (mut rest, mut seen) = (input, String::new());
        loop {
            let decoded = decoder.decode(rest);
            // Who has the arguments put elsewhere finds the same.
            if rest.first() == Some(&b'*') {
                let before = spans.len();
                assert_eq!(onto.decode_onto(rest, &mut spans), decoded);
                if let Ok(Decoded::Request { .. }) = decoded {
                    assert_eq!(&spans[before..], decoder.args(rest).spans());
                } else {
                    assert_eq!(spans.len(), before);
                }
            }
            match decoded {
                Ok(Decoded::Incomplete) => return (seen, None),
                Err(error) => return (seen, Some(error)),
                Ok(Decoded::Request { len }) => {
                    let words: Vec<_> =
                        decoder.args(rest).iter().map(|a| a.escape_ascii().to_string()).collect();
                    seen.push_str(&words.join("|"));
                    seen.push(';');
                    rest = &rest[len..];
                }
            }
        }
    }

    #[track_caller]
    fn check(input: impl AsRef<[u8]>, expect: &str) {
        assert_eq!(decode_all(Limits::CLIENT, input.as_ref()), (expect.to_string(), None));
    }

    #[track_caller]
    fn refuse(limits: Limits, input: impl AsRef<[u8]>, expect: &str) {
        let (_, error) = decode_all(limits, input.as_ref());
        assert_eq!(error.map(|e| e.to_string()).as_deref(), Some(expect));
    }

    #[test]
    fn requests_are_found_one_after_the_other() {
        check("*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "PING;GET|k;");
        check("*2\r\n$3\r\nGET\r\n$0\r\n\r\n", "GET|;");
        check("*1\r\n$12\r\nabcdefghijkl\r\nPING\r\n", "abcdefghijkl;PING;");
        check("*2\r\n$4\r\n\r\n\r\n\r\n$1\r\n\0\r\n", "\\r\\n\\r\\n|\\x00;");
    }

    #[test]
    fn requests_of_any_number_of_arguments_are_found() {
        for count in [9, 10, 11, 99, 100, 101, 1000] {
            let request = format!("*{count}\r\n{}", "$1\r\nx\r\n".repeat(count));
            check(request, &(["x"].repeat(count).join("|") + ";"));
        }
        refuse(Limits::CLIENT, "*05\r\n$1\r\nx\r\n", "Protocol error: invalid multibulk length");
    }

    #[test]
    fn an_empty_request_has_no_arguments() {
        check("*0\r\n*-1\r\n*-10\r\n\r\n\n   \r\nPING\n", ";;;;;;PING;");
    }

    #[test]
    fn inline_commands_follow_the_quoting_rules() {
        check("SET k v\r\nGET  k \t\r\n", "SET|k|v;GET|k;");
        check("set \"a b\" 'c d' \"\"\r\n", "set|a b|c d|;");
        check(
            r#"echo "\x41\n\r\t\a\b\\\"\q\xZZ" 'a\'b\n'"#.to_string() + "\n",
            r#"echo|A\n\r\t\x07\x08\\\"qxZZ|a\'b\\n;"#,
        );
        check("foo\"bar\"\r\nPING\r\n", "foobar;PING;");
    }

    #[test]
    fn wrong_quotes_are_refused() {
        for line in [
            "set \"k v\r\n",
            "set 'k v\r\n",
            "set \"k\"v\r\n",
            "set 'k'v\r\n",
            "set \"\"\"k\"\"\" v\r\n",
            "a \"\\\n",
        ] {
            refuse(Limits::CLIENT, line, "Protocol error: unbalanced quotes in request");
        }
    }

    #[test]
    fn refusals_have_the_texts_of_redis() {
        let c = Limits::CLIENT;
        for count in ["*3000000000\r\n", "*x\r\n", "*\r\n", "*+1\r\n", "*01\r\n", "*1\rx", "*1048577\r\n"] {
            refuse(c, count, "Protocol error: invalid multibulk length");
        }
        for bulk in
            ["$-1\r\n", "$x\r\n", "$\r\n", "$00\r\n", "$536870913\r\n", "$3\r\nGETxx", "$2000000000\r\n"]
        {
            refuse(c, format!("*1\r\n{bulk}"), "Protocol error: invalid bulk length");
        }
        refuse(c, "*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "Protocol error: expected '$', got 'f'");
        refuse(c, [b"*".as_slice(), &[b'1'; 70_000]].concat(), "Protocol error: too big mbulk count string");
        refuse(
            c,
            [b"*1\r\n$".as_slice(), &[b'1'; 70_000]].concat(),
            "Protocol error: too big bulk count string",
        );
        refuse(c, [b'A'; 70_000], "Protocol error: too big inline request");
        refuse(c, [[b'A'; 70_000].as_slice(), b"\r\n"].concat(), "Protocol error: too big inline request");
        refuse(
            Limits { request_max: 30, ..c },
            "*2\r\n$9\r\n123456789\r\n$9\r\n",
            "Protocol error: too big request",
        );
    }

    #[test]
    fn strangers_have_tighter_limits() {
        refuse(SMALL, "*11\r\n", "Protocol error: unauthenticated multibulk length");
        refuse(SMALL, "*3000000000\r\n", "Protocol error: invalid multibulk length");
        refuse(SMALL, "*1\r\n$16385\r\n", "Protocol error: unauthenticated bulk length");
        refuse(SMALL, "*1\r\n$536870913\r\n", "Protocol error: invalid bulk length");
        refuse(SMALL, "*1\r\n$2000\r\n", "Protocol error: too big request");
        refuse(SMALL, [b'A'; 5000], "Protocol error: too big inline request");
    }

    #[test]
    fn other_protocols_are_recognized() {
        for input in [
            "GET / HTTP/1.1\r\n",
            "get /x http/1.0\r\n",
            "POST / HTTP/1.1\r\n",
            "post\r\n",
            "Host: a\r\n",
            "PRI * HTTP/2.0\r\n",
        ] {
            assert_eq!(
                decode_all(Limits::CLIENT, input.as_bytes()).1,
                Some(ProtocolError::CrossProtocol(Foreign::Http))
            );
        }
        assert_eq!(decode_all(SMALL, b"\x16\x03").1, Some(ProtocolError::CrossProtocol(Foreign::Tls)));
        assert_eq!(decode_all(SMALL, b"SSH-2.0-x").1, Some(ProtocolError::CrossProtocol(Foreign::Ssh)));
        check("SET / HTTP/1.1\r\nGET /\r\nSSH\r\n\x16\r\n", "SET|/|HTTP/1.1;GET|/;SSH;\\x16;");
    }

    #[test]
    fn what_is_announced_is_known_but_not_reserved() {
        let mut decoder = Decoder::new(Limits::CLIENT);
        let head = b"*1000000\r\n$500000000\r\nabc";
        assert_eq!(decoder.decode(head), Ok(Decoded::Incomplete));
        assert_eq!(decoder.announced(), 500_000_000 + head.len() - 3 + 2);
        assert!(decoder.memory() < 1000);
    }

    #[test]
    fn memory_of_a_large_request_is_given_back() {
        let mut decoder = Decoder::new(Limits::CLIENT);
        let mut large = b"*10000\r\n".to_vec();
        large.extend(b"$1\r\nx\r\n".repeat(10_000));
        assert_eq!(decoder.decode(&large), Ok(Decoded::Request { len: large.len() }));
        for _ in 0..2 {
            assert_eq!(decoder.decode(b"PING\r\n"), Ok(Decoded::Request { len: 6 }));
        }
        assert!(decoder.memory() <= WARM_MAX * size_of::<Span>());
        assert_eq!(decoder.decode_onto(&large, &mut Vec::new()), Ok(Decoded::Request { len: large.len() }));
        for _ in 0..2 {
            let short = decoder.decode_onto(b"*1\r\n$4\r\nPING\r\n", &mut Vec::new());
            assert_eq!(short, Ok(Decoded::Request { len: 14 }));
        }
        assert!(decoder.memory() <= WARM_MAX * size_of::<Span>());
    }
}
