//! Replies as JSON, without loss: bytes that are not UTF-8 become `{"base64": ".."}`, errors `{"error": ".."}`,
//! a map whose keys are not distinct strings an array of pairs, numbers that JSON lacks their text.

use super::text::is_harmless;
use client::Value;
use serde_json::{Map, Value as Json, json};

/// One value and a line end.
pub(super) fn write(out: &mut Vec<u8>, value: &Value, pretty: bool) {
    let json = of(value);
    // Writing to a vector does not fail, nor has this tree a key that is no string.
    let _ = if pretty {
        serde_json::to_writer_pretty(&mut *out, &json)
    } else {
        serde_json::to_writer(&mut *out, &json)
    };
    out.push(b'\n');
}

/// A line for each element, or one for a value that has none.
pub(super) fn write_lines(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Array(items) | Value::Set(items) => items.iter().for_each(|item| write(out, item, false)),
        Value::Map(pairs) => {
            for (key, value) in pairs {
                let _ = serde_json::to_writer(&mut *out, &json!({ "key": of(key), "value": of(value) }));
                out.push(b'\n');
            }
        }
        other => write(out, other, false),
    }
}

/// The same JSON without characters that could drive a terminal. Such stand only in strings, where they can be escaped.
pub(super) fn harmless(json: &[u8]) -> String {
    let mut text = String::with_capacity(json.len());
    for c in String::from_utf8_lossy(json).chars() {
        if c == '\n' || is_harmless(c) {
            text.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        }
    }
    text
}

fn of(value: &Value) -> Json {
    match value {
        Value::Simple(text) | Value::BigNumber(text) => json!(text),
        Value::Error(text) => json!({ "error": text }),
        Value::Int(number) => json!(number),
        Value::Bulk(bytes) | Value::Verbatim { text: bytes, .. } => of_bytes(bytes),
        Value::Null => Json::Null,
        Value::Boolean(truth) => json!(truth),
        Value::Double(number) if number.is_finite() => json!(number),
        Value::Double(number) => json!(number.to_string()),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => items.iter().map(of).collect(),
        Value::Map(pairs) => of_map(pairs),
    }
}

fn of_bytes(bytes: &[u8]) -> Json {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({ "base64": base64(bytes) }),
    }
}

fn of_map(pairs: &[(Value, Value)]) -> Json {
    let mut map = Map::new();
    for (key, value) in pairs {
        match key.as_text() {
            Some(name) if !map.contains_key(name) => drop(map.insert(name.to_string(), of(value))),
            _ => return pairs.iter().map(|(key, value)| json!([of(key), of(value)])).collect(),
        }
    }
    Json::Object(map)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        let texts: Vec<_> = ["", "f", "fo", "foo", "foob"].iter().map(|t| base64(t.as_bytes())).collect();
        assert_eq!(texts, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }

    #[test]
    fn what_could_drive_a_terminal_is_escaped() {
        let mut json = Vec::new();
        write(&mut json, &Value::Bulk("\x1b[2J\u{9b}1m\u{202e}x\u{7f}ü".into()), true);
        let text = harmless(&json);
        assert_eq!(text, "\"\\u001b[2J\\u009b1m\\u202ex\\u007fü\"\n");
        let parsed: Json = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed, json!("\x1b[2J\u{9b}1m\u{202e}x\u{7f}ü"));
    }

    #[test]
    fn a_map_with_keys_that_json_lacks_becomes_pairs() {
        let twice = vec![(Value::Int(1), Value::Int(2))];
        assert_eq!(of(&Value::Map(twice)).to_string(), "[[1,2]]");
    }
}
