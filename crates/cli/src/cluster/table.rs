//! Replies that are maps, and lists of maps, as aligned text.
//!
//! Invariant: no cell holds a character that could drive a terminal, or a line end.

use client::Value;
use unicode_width::UnicodeWidthStr;

use crate::render;

/// Names and values of a map, which in RESP2 is a flat array.
pub(crate) fn fields(value: &Value) -> Vec<(String, &Value)> {
    match value {
        Value::Map(pairs) => pairs.iter().map(|(name, value)| (bare(name), value)).collect(),
        Value::Array(items) => {
            items.as_chunks::<2>().0.iter().map(|[name, value]| (bare(name), value)).collect()
        }
        _ => Vec::new(),
    }
}

/// Names and values as they are shown.
pub(super) fn cells(value: &Value) -> Vec<(String, String)> {
    cells_or(value, "-")
}

/// The same with a word of its own for what is not there.
pub(super) fn cells_or(value: &Value, absent: &str) -> Vec<(String, String)> {
    let shown = |value: &Value| match value {
        Value::Null => absent.to_owned(),
        value => bare(value),
    };
    fields(value).into_iter().map(|(name, value)| (name, shown(value))).collect()
}

/// A value without quotes; items of a list with blanks between.
pub(super) fn bare(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            items.iter().map(bare).collect::<Vec<_>>().join(" ")
        }
        value => {
            let text = String::from_utf8_lossy(value.as_bytes().unwrap_or_default());
            render::harmless(&text).replace(['\n', '\t'], " ")
        }
    }
}

/// A line a pair, the values below each other.
pub(super) fn pairs(cells: &[(String, String)]) -> String {
    let width = cells.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    cells.iter().map(|(name, text)| format!("{name:width$}  {text}\n")).collect()
}

/// A line a row under a line of headings; numbers to the right, ids, which are long, last.
pub(super) fn rows(rows: &[Vec<(String, String)>]) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let mut names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_by_key(|name| match *name {
        "address" | "peer-address" => 1,
        "id" => 2,
        _ => 0,
    });
    let text = |row: &[(String, String)], name: &str| {
        row.iter().find(|(other, _)| other == name).map_or_else(|| "-".to_owned(), |(_, text)| text.clone())
    };
    let mut lines = vec![String::new(); rows.len() + 1];
    for name in names {
        let column: Vec<String> = rows.iter().map(|row| text(row, name)).collect();
        let is_number = column.iter().all(|cell| cell.bytes().all(|byte| byte.is_ascii_digit()));
        let cells: Vec<String> = std::iter::once(name.to_uppercase()).chain(column).collect();
        let width = cells.iter().map(|cell| cell.width()).max().unwrap_or(0);
        for (line, cell) in lines.iter_mut().zip(&cells) {
            let room = " ".repeat(width - cell.width());
            let gap = if line.is_empty() { "" } else { "  " };
            let (before, after) = if is_number { (room.as_str(), "") } else { ("", room.as_str()) };
            line.push_str(&format!("{gap}{before}{cell}{after}"));
        }
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}
