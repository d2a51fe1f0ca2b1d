//! Replies for people, in the manner of redis-cli, and bare for pipes.
//!
//! What goes to a terminal holds no control character, so that a stored value cannot drive it.

use std::io::Write;

use client::Value;

use super::{Style, msgpack};

/// Typed, quoted, numbered and indented.
pub(super) fn write_formatted(out: &mut Vec<u8>, value: &Value, style: Style) {
    formatted(out, value, 0, style);
}

// Which kind of thing has which colour.
const GOOD: &str = "32";
const BAD: &str = "31";
const NUMBER: &str = "36";
const FAINT: &str = "2";
const NAME: &str = "34";

fn formatted(out: &mut Vec<u8>, value: &Value, indent: usize, style: Style) {
    let paint = |colour: &str, text: String| painted(style, colour, text);
    match value {
        Value::Simple(text) => line(out, &paint(GOOD, visible(text.as_bytes()))),
        Value::Error(text) => line(out, &paint(BAD, format!("(error) {}", visible(text.as_bytes())))),
        Value::Int(number) => line(out, &paint(NUMBER, format!("(integer) {number}"))),
        Value::Bulk(bytes) => match style.is_expanded.then(|| expanded(bytes, indent)).flatten() {
            Some(text) => line(out, &text),
            None => line(out, &quoted(bytes)),
        },
        Value::Null => line(out, &paint(FAINT, "(nil)".into())),
        Value::Boolean(truth) => line(out, &paint(NUMBER, format!("({truth})"))),
        Value::Double(number) => line(out, &paint(NUMBER, format!("(double) {number}"))),
        Value::BigNumber(digits) => line(out, &paint(NUMBER, visible(digits.as_bytes()))),
        Value::Verbatim { text, .. } => line(out, visible(text).trim_end_matches('\n')),
        Value::Array(items) => elements(out, items, (')', "(empty array)"), indent, style),
        Value::Set(items) => elements(out, items, ('~', "(empty set)"), indent, style),
        Value::Push(items) => elements(out, items, ('>', "(empty push)"), indent, style),
        Value::Map(pairs) => map(out, pairs, indent, style),
    }
}

fn map(out: &mut Vec<u8>, pairs: &[(Value, Value)], indent: usize, style: Style) {
    if pairs.is_empty() {
        line(out, &painted(style, FAINT, "(empty hash)".into()));
    }
    let width = digits(pairs.len());
    for (index, (key, value)) in pairs.iter().enumerate() {
        lead(out, index, (width, '#'), indent, style);
        let mut name = Vec::new();
        formatted(&mut name, key, indent + width + 2, Style::default());
        // The value continues the key's line.
        let name = String::from_utf8_lossy(name.trim_ascii_end()).into_owned();
        let name_width = name.chars().count();
        out.extend_from_slice(painted(style, NAME, name).as_bytes());
        out.extend_from_slice(b" => ");
        formatted(out, value, indent + width + 2 + name_width + 4, style);
    }
}

fn elements(out: &mut Vec<u8>, items: &[Value], (mark, empty): (char, &str), indent: usize, style: Style) {
    if items.is_empty() {
        line(out, &painted(style, FAINT, empty.into()));
    }
    let width = digits(items.len());
    for (index, item) in items.iter().enumerate() {
        lead(out, index, (width, mark), indent, style);
        formatted(out, item, indent + width + 2, style);
    }
}

/// `12) `, indented unless it continues a line.
fn lead(out: &mut Vec<u8>, index: usize, (width, mark): (usize, char), indent: usize, style: Style) {
    let indent = if index == 0 { 0 } else { indent };
    let number = painted(style, FAINT, format!("{:>width$}{mark}", index + 1));
    let _ = write!(out, "{:indent$}{number} ", "");
}

fn painted(style: Style, colour: &str, text: String) -> String {
    if style.in_colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text }
}

/// JSON, MessagePack and text of several lines, laid out; nothing for other values. It starts where a line is and goes
/// on below.
fn expanded(bytes: &[u8], indent: usize) -> Option<String> {
    let (kind, text) = match std::str::from_utf8(bytes) {
        Ok(text) => expanded_text(text)?,
        Err(_) => ("(msgpack)", msgpack::laid_out(bytes)?),
    };
    let mut shown = String::from(kind);
    for line in visible(text.as_bytes()).lines() {
        shown.push_str(&format!("\n{:indent$}{line}", ""));
    }
    Some(shown)
}

/// What kind of text it is, and how it is laid out.
fn expanded_text(text: &str) -> Option<(&'static str, String)> {
    match text.trim_start().starts_with(['{', '[']).then(|| serde_json::from_str(text)) {
        Some(Ok::<serde_json::Value, _>(json)) => Some(("(json)", serde_json::to_string_pretty(&json).ok()?)),
        _ if text.trim_end_matches('\n').contains('\n') => {
            Some(("(text)", text.trim_end_matches('\n').to_owned()))
        }
        _ => None,
    }
}

fn line(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

fn digits(count: usize) -> usize {
    count.max(1).ilog10() as usize + 1
}

/// A string as one would type it: `"a\n"`.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                '\x07' => text.push_str("\\a"),
                '\x08' => text.push_str("\\b"),
                c if is_harmless(c) => text.push(c),
                c => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| push_hex(&mut text, byte)),
            }
        }
        chunk.invalid().iter().for_each(|&byte| push_hex(&mut text, byte));
    }
    text.push('"');
    text
}

/// Text of several lines, without what could drive a terminal.
pub(super) fn visible(bytes: &[u8]) -> String {
    let keep = |c: char| c == '\n' || c == '\t' || is_harmless(c);
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|&c| c != '\r')
        .map(|c| if keep(c) { c } else { '\u{fffd}' })
        .collect()
}

fn push_hex(text: &mut String, byte: u8) {
    text.push_str(&format!("\\x{byte:02x}"));
}

/// Neither a control character nor one that is invisible or turns the direction of the text around.
pub(super) fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The bytes alone, one value a line.
pub(super) fn write_raw(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Simple(text) | Value::Error(text) | Value::BigNumber(text) => line(out, text),
        Value::Int(number) => line(out, &number.to_string()),
        Value::Bulk(bytes) | Value::Verbatim { text: bytes, .. } => {
            out.extend_from_slice(bytes);
            if !bytes.ends_with(b"\n") {
                out.push(b'\n');
            }
        }
        Value::Null => out.push(b'\n'),
        Value::Boolean(truth) => line(out, if *truth { "true" } else { "false" }),
        Value::Double(number) => line(out, &number.to_string()),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            items.iter().for_each(|item| write_raw(out, item));
        }
        Value::Map(pairs) => {
            for (key, value) in pairs {
                write_raw(out, key);
                write_raw(out, value);
            }
        }
    }
}
