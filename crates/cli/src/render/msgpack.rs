//! Values that are MessagePack, laid out for reading as JSON is; what JSON has no word for is said in brackets.
//!
//! Invariants: only a map or an array that takes up all of the bytes is taken for MessagePack, and never a value that is
//! text; a value is read in bounded depth. What is written may hold any characters: the caller makes it harmless.
//! Does not know application types: an extension is shown by its number and bytes.

use std::fmt::Write;

use rmpv::ValueRef;
use rmpv::decode::read_value_ref_with_max_depth;

use super::text::quoted;

/// Deeper nesting is nothing that a person reads.
const DEPTH_MAX: usize = 64;
/// Longer values are for programs; in memory they grow by a factor of forty while they are read.
const BYTES_MAX: usize = 1 << 20;

/// The value laid out, if it is one.
pub(super) fn laid_out(bytes: &[u8]) -> Option<String> {
    // A single byte is an empty map or array less often than it is the start of a bitmap.
    if bytes.len() < 2 || bytes.len() > BYTES_MAX || std::str::from_utf8(bytes).is_ok() {
        return None;
    }
    let mut rest = bytes;
    let value = read_value_ref_with_max_depth(&mut rest, DEPTH_MAX).ok()?;
    let is_container = matches!(value, ValueRef::Map(_) | ValueRef::Array(_));
    (is_container && rest.is_empty()).then(|| {
        let mut out = String::new();
        write(&mut out, &value, 0);
        out
    })
}

fn write(out: &mut String, value: &ValueRef<'_>, depth: usize) {
    match value {
        ValueRef::Nil => out.push_str("null"),
        ValueRef::Boolean(truth) => push(out, truth),
        ValueRef::Integer(number) => push(out, number),
        ValueRef::F32(number) => out.push_str(&format!("{number:?}")),
        ValueRef::F64(number) => out.push_str(&format!("{number:?}")),
        ValueRef::String(text) => match text.as_str() {
            Some(text) => out.push_str(&serde_json::Value::from(text).to_string()),
            None => push(out, format_args!("(text that is not UTF-8) {}", quoted(text.as_bytes()))),
        },
        ValueRef::Binary(bytes) => push(out, format_args!("(binary) {}", quoted(bytes))),
        ValueRef::Ext(kind, bytes) => push(out, format_args!("(extension {kind}) {}", quoted(bytes))),
        ValueRef::Array(items) => write_container(out, ('[', ']'), depth, items, |out, item| {
            write(out, item, depth + 1);
        }),
        ValueRef::Map(pairs) => write_container(out, ('{', '}'), depth, pairs, |out, (key, value)| {
            write(out, key, depth + 1);
            out.push_str(": ");
            write(out, value, depth + 1);
        }),
    }
}

fn write_container<T>(
    out: &mut String,
    (open, close): (char, char),
    depth: usize,
    items: &[T],
    write_item: impl Fn(&mut String, &T),
) {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        push(out, format_args!("{}\n{:2$}", if index > 0 { "," } else { "" }, "", 2 * (depth + 1)));
        write_item(out, item);
    }
    if !items.is_empty() {
        push(out, format_args!("\n{:1$}", "", 2 * depth));
    }
    out.push(close);
}

fn push(out: &mut String, what: impl std::fmt::Display) {
    // Writing to a String does not fail.
    let _ = write!(out, "{what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expect: &str) {
        assert_eq!(laid_out(bytes).as_deref(), Some(expect), "{bytes:x?}");
    }

    #[test]
    fn maps_and_arrays_are_laid_out_as_json_is() {
        check(b"\x82\xa4name\xa3ada\xa6visits\x2a", "{\n  \"name\": \"ada\",\n  \"visits\": 42\n}");
        check(b"\x93\xc0\xc3\x91\xff", "[\n  null,\n  true,\n  [\n    -1\n  ]\n]");
        check(b"\x92\x90\x80", "[\n  [],\n  {}\n]");
        check(b"\x91\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", "[\n  1.0\n]");
        check(b"\x91\xa2\"\n", "[\n  \"\\\"\\n\"\n]");
    }

    #[test]
    fn what_json_has_no_word_for_is_said() {
        check(b"\x91\xc4\x02\x00\xff", "[\n  (binary) \"\\x00\\xff\"\n]");
        check(b"\x91\xd4\x05\x01", "[\n  (extension 5) \"\\x01\"\n]");
        check(b"\x91\xa1\xff", "[\n  (text that is not UTF-8) \"\\xff\"\n]");
        check(b"\x81\x01\xa1x", "{\n  1: \"x\"\n}");
    }

    #[test]
    fn other_bytes_are_not_taken_for_it() {
        let deep = [vec![0x91; 100], vec![0xc0]].concat();
        for bytes in [
            &b""[..],
            b"plain",
            b"\x80",
            // A number, and text, by themselves; something behind the end; the end missing; a length that is not there.
            b"\xcd\x12\x34",
            b"\xa3ada\xff",
            b"\x91\x01\x02",
            b"\x92\x01",
            b"\xdf\xff\xff\xff\xff",
            // Text in a script whose first byte could be an array's.
            "\u{710}\u{711}".as_bytes(),
            &deep,
            &[vec![0xdd, 0, 0x20, 0, 0], vec![0; 0x20_0000]].concat(),
        ] {
            assert_eq!(laid_out(bytes), None, "{:x?}", &bytes[..bytes.len().min(20)]);
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic() {
        let mut random = base::Random::new(7);
        for _ in 0..50_000 {
            let len = random.below(24);
            let bytes: Vec<u8> = (0..len).map(|_| random.below(256) as u8).collect();
            laid_out(&bytes);
        }
    }
}
