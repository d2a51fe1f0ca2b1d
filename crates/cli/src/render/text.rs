//! Replies for people, in the manner of redis-cli, and bare for pipes.
//!
//! What goes to a terminal holds no control character, so that a stored value cannot drive it.

use std::io::Write;

use client::Value;

/// Typed, quoted, numbered and indented.
pub(super) fn write_formatted(out: &mut Vec<u8>, value: &Value) {
    formatted(out, value, 0);
}

fn formatted(out: &mut Vec<u8>, value: &Value, indent: usize) {
    match value {
        Value::Simple(text) => line(out, &visible(text.as_bytes())),
        Value::Error(text) => line(out, &format!("(error) {}", visible(text.as_bytes()))),
        Value::Int(number) => line(out, &format!("(integer) {number}")),
        Value::Bulk(bytes) => line(out, &quoted(bytes)),
        Value::Null => line(out, "(nil)"),
        Value::Boolean(truth) => line(out, if *truth { "(true)" } else { "(false)" }),
        Value::Double(number) => line(out, &format!("(double) {number}")),
        Value::BigNumber(digits) => line(out, digits),
        Value::Verbatim { text, .. } => line(out, visible(text).trim_end_matches('\n')),
        Value::Array(items) => elements(out, items, ')', "(empty array)", indent),
        Value::Set(items) => elements(out, items, '~', "(empty set)", indent),
        Value::Push(items) => elements(out, items, '>', "(empty push)", indent),
        Value::Map(pairs) => {
            if pairs.is_empty() {
                line(out, "(empty hash)");
            }
            let width = digits(pairs.len());
            for (index, (key, value)) in pairs.iter().enumerate() {
                lead(out, index, width, '#', indent);
                let before = out.len();
                formatted(out, key, indent + width + 2);
                // The value continues the key's line.
                if out.ends_with(b"\n") {
                    out.pop();
                }
                let key_width = String::from_utf8_lossy(&out[before..]).chars().count();
                out.extend_from_slice(b" => ");
                formatted(out, value, indent + width + 2 + key_width + 4);
            }
        }
    }
}

fn elements(out: &mut Vec<u8>, items: &[Value], mark: char, empty: &str, indent: usize) {
    if items.is_empty() {
        line(out, empty);
    }
    let width = digits(items.len());
    for (index, item) in items.iter().enumerate() {
        lead(out, index, width, mark, indent);
        formatted(out, item, indent + width + 2);
    }
}

/// `12) `, indented unless it continues a line.
fn lead(out: &mut Vec<u8>, index: usize, width: usize, mark: char, indent: usize) {
    let indent = if index == 0 { 0 } else { indent };
    let _ = write!(out, "{:indent$}{:>width$}{mark} ", "", index + 1);
}

fn line(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

fn digits(count: usize) -> usize {
    count.max(1).ilog10() as usize + 1
}

/// A string as one would type it: `"a\n"`.
fn quoted(bytes: &[u8]) -> String {
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
fn visible(bytes: &[u8]) -> String {
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
fn is_harmless(c: char) -> bool {
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
