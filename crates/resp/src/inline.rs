//! Requests as people type them: words on a line, with the quoting rules of Redis; and the greetings of other
//! protocols that arrive in their place.
//!
//! `"..."` knows `\n \r \t \a \b \xHH`, any other `\c` is `c`. `'...'` knows `\'` only. A closing quote ends the
//! word. Does not know what a line is: the caller cuts it.

use base::{Args, Span};

/// A protocol that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A browser or a web server's proxy.
    Http,
    /// A TLS handshake.
    Tls,
    /// An SSH banner.
    Ssh,
}

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Foreign::Http => "HTTP",
            Foreign::Tls => "TLS",
            Foreign::Ssh => "SSH",
        })
    }
}

/// A quote was left open, or its closing one is followed by more than a blank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnbalancedQuotes;

/// Recognizes protocols by their first bytes, before any line has ended.
pub(crate) fn foreign_greeting(bytes: &[u8]) -> Option<Foreign> {
    match bytes {
        [0x16, 0x03, ..] => Some(Foreign::Tls),
        [b'S', b'S', b'H', b'-', ..] => Some(Foreign::Ssh),
        _ => None,
    }
}

/// Recognizes HTTP by its request line, or a line that only its headers have. A page in a browser can make it
/// send these to a local port, with commands for us in the body.
pub(crate) fn foreign_command(args: Args<'_>) -> Option<Foreign> {
    const METHODS: [&[u8]; 9] =
        [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT", b"PRI"];
    let first = args.get(0)?;
    if first.eq_ignore_ascii_case(b"POST") || first.eq_ignore_ascii_case(b"Host:") {
        return Some(Foreign::Http);
    }
    let version = args.get(2)?.get(..5)?;
    let is_http = version.eq_ignore_ascii_case(b"HTTP/")
        && METHODS.iter().any(|method| first.eq_ignore_ascii_case(method));
    is_http.then_some(Foreign::Http)
}

/// The words of a line without quotes, as spans over it.
pub(crate) fn split_words(line: &[u8], spans: &mut Vec<Span>) {
    let mut at = 0;
    while let Some(skipped) = line[at..].iter().position(|&byte| !is_blank(byte)) {
        at += skipped;
        let len = line[at..].iter().position(|&byte| ends_word(byte)).unwrap_or(line.len() - at);
        spans.push(Span { start: at as u32, len: len as u32 });
        at += len;
    }
}

/// The words of a line with quotes, unquoted into `scratch`, as spans over that.
pub(crate) fn unquote_words(
    line: &[u8],
    scratch: &mut Vec<u8>,
    spans: &mut Vec<Span>,
) -> Result<(), UnbalancedQuotes> {
    let mut rest = line;
    loop {
        while let [blank, after @ ..] = rest
            && is_blank(*blank)
        {
            rest = after;
        }
        if rest.is_empty() {
            return Ok(());
        }
        let start = scratch.len();
        rest = unquote_word(rest, scratch)?;
        spans.push(Span { start: start as u32, len: (scratch.len() - start) as u32 });
    }
}

/// Splits a line into words that own their bytes, by the same rules; for prompts and files of commands.
pub fn split_line(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    let (mut scratch, mut spans) = (Vec::new(), Vec::new());
    unquote_words(line, &mut scratch, &mut spans)?;
    Ok(Args::new(&scratch, &spans).iter().map(<[u8]>::to_vec).collect())
}

/// Unquotes the word at the start of `rest`; returns what follows it.
fn unquote_word<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        match rest {
            [] => return Ok(rest),
            [b'"', inside @ ..] => return unquote_double(inside, out),
            [b'\'', inside @ ..] => return unquote_single(inside, out),
            [byte, ..] if ends_word(*byte) => return Ok(rest),
            [byte, after @ ..] => {
                out.push(*byte);
                rest = after;
            }
        }
    }
}

fn unquote_double<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        let (byte, after) = match rest {
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex(*high) << 4 | hex(*low), after)
            }
            [b'\\', escaped, after @ ..] => (escape(*escaped), after),
            [b'"', after @ ..] => return after_quote(after),
            [byte, after @ ..] => (*byte, after),
            [] => return Err(UnbalancedQuotes),
        };
        out.push(byte);
        rest = after;
    }
}

fn unquote_single<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        let (byte, after) = match rest {
            [b'\\', b'\'', after @ ..] => (b'\'', after),
            [b'\'', after @ ..] => return after_quote(after),
            [byte, after @ ..] => (*byte, after),
            [] => return Err(UnbalancedQuotes),
        };
        out.push(byte);
        rest = after;
    }
}

fn after_quote(rest: &[u8]) -> Result<&[u8], UnbalancedQuotes> {
    match rest.first() {
        Some(&byte) if !is_blank(byte) => Err(UnbalancedQuotes),
        _ => Ok(rest),
    }
}

fn escape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

/// What may stand between words.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// What ends a word outside quotes; two of the blanks do not.
fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
