//! Replies as text for people, as raw bytes for pipes, as JSON, as CSV.
//!
//! One reply in, its bytes out, with a line end where the format has one. Does not know where they go.

mod csv;
mod json;
mod msgpack;
mod text;

use std::io::IsTerminal;

use client::Value;

/// The forms of output.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people on a terminal, bare values in a pipe
    #[default]
    Text,
    /// One JSON value
    Json,
    /// One JSON value a line: an element of an array, a pair of a map
    Jsonl,
    /// Comma-separated values, one row for a flat array
    Csv,
}

/// A text without characters that could drive a terminal.
pub(crate) fn harmless(text: &str) -> String {
    text::visible(text.as_bytes())
}

/// A word as one would type it: in quotes if it has anything but plain characters.
pub(crate) fn quoted_if_needed(bytes: &[u8]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && text.bytes().all(|byte| is_plain(&byte)) => text.to_owned(),
        _ => text::quoted(bytes),
    }
}

/// Renders replies in one form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Renderer {
    format: Format,
    /// For eyes, not for programs.
    terminal: bool,
    style: Style,
}

/// How text for people looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) in_colour: bool,
    /// What is JSON, MessagePack, or text of several lines, is laid out as such.
    pub(crate) is_expanded: bool,
}

/// When there are colours.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// On a terminal that knows them, unless NO_COLOR is set
    #[default]
    Auto,
    /// Also in a pipe, where text is then as on a terminal
    Always,
    /// Not at all
    Never,
}

impl Colour {
    /// Whether there are colours on an output that is a terminal or not.
    pub(crate) fn is_on(self, is_terminal: bool) -> bool {
        match self {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => {
                let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
                let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
                is_terminal && !is_set("NO_COLOR") && !is_dumb
            }
        }
    }
}

impl Renderer {
    pub(crate) fn new(format: Format, terminal: bool) -> Renderer {
        Renderer { format, terminal, style: Style::default() }
    }

    /// For standard output as it is.
    pub(crate) fn for_stdout(format: Format, colour: Colour) -> Renderer {
        let is_terminal = std::io::stdout().is_terminal();
        let style = Style { in_colour: colour.is_on(is_terminal), is_expanded: false };
        Renderer { format, terminal: is_terminal || colour == Colour::Always, style }
    }

    /// For other programs.
    pub(crate) fn bare(self) -> Renderer {
        Renderer::new(self.format, false)
    }

    /// Lays out what can be, or no more; whether it does so now.
    pub(crate) fn toggle_expanded(&mut self) -> bool {
        self.style.is_expanded = !self.style.is_expanded;
        self.style.is_expanded
    }

    pub(crate) fn is_in_colour(self) -> bool {
        self.style.in_colour
    }

    /// Whether it is read by people, not by programs.
    pub(crate) fn is_for_eyes(self) -> bool {
        self.terminal
    }

    /// Rows of words as CSV.
    pub(crate) fn csv(self, rows: &[Vec<String>]) -> String {
        let row = |row: &Vec<String>| {
            Value::Array(row.iter().map(|cell| Value::Bulk(cell.clone().into())).collect())
        };
        let rows: Vec<u8> = rows.iter().flat_map(|cells| self.render(&row(cells))).collect();
        String::from_utf8_lossy(&rows).into_owned()
    }

    /// Whether an error reply is data of this form. In text it goes to standard error.
    pub(crate) fn shows_errors(self) -> bool {
        self.format != Format::Text || self.terminal
    }

    /// One value a line even in JSON, for streams of replies.
    pub(crate) fn lines(self) -> Renderer {
        Renderer { terminal: self.terminal && self.format != Format::Json, ..self }
    }

    pub(crate) fn render(self, value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        match self.format {
            Format::Text if self.terminal => text::write_formatted(&mut out, value, self.style),
            Format::Text => text::write_raw(&mut out, value),
            Format::Json => json::write(&mut out, value, self.terminal),
            Format::Jsonl => json::write_lines(&mut out, value),
            Format::Csv => csv::write(&mut out, value),
        }
        match self.format {
            // Is harmless already, or goes to a program.
            Format::Text => out,
            _ if !self.terminal => out,
            Format::Json | Format::Jsonl => json::harmless(&out).into_bytes(),
            Format::Csv => text::visible(&out).into_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.into())
    }

    /// A reply of every kind.
    fn all() -> Value {
        Value::Array(vec![
            Value::Simple("OK".into()),
            Value::Error("ERR no".into()),
            Value::Int(-3),
            bulk("a \"b\"\n"),
            Value::Bulk(b"\xff\x00".to_vec()),
            bulk("grün 🌱"),
            Value::Null,
            Value::Array(vec![
                Value::Int(1),
                Value::Array(vec![]),
                Value::Array(vec![Value::Int(2), Value::Int(3)]),
            ]),
            Value::Map(vec![(bulk("k"), bulk("v")), (bulk("list"), Value::Array(vec![Value::Int(1)]))]),
            Value::Set(vec![Value::Boolean(true), Value::Boolean(false)]),
            Value::Double(1.5),
            Value::BigNumber("123456789012345678901234567890".into()),
            bulk("{\"name\":\"ada\",\"tags\":[1,\"\u{202e}\"]}"),
            Value::Map(vec![(bulk("json"), bulk("[1, 2]"))]),
            bulk("[no json"),
            Value::Bulk(b"\x82\xa4name\xa3ada\xa4tags\x92\x01\xc4\x01\xff".to_vec()),
            Value::Verbatim { format: "txt".into(), text: b"two\nlines\x1b[2J".to_vec() },
        ])
    }

    #[track_caller]
    fn check(format: Format, terminal: bool, golden: &str) {
        check_style(format, terminal, Style::default(), golden);
    }

    #[track_caller]
    fn check_style(format: Format, terminal: bool, style: Style, golden: &str) {
        let rendered = Renderer { style, ..Renderer::new(format, terminal) }.render(&all());
        let path = format!("{}/tests/golden/{golden}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("NARF_GOLDEN").is_some() {
            std::fs::write(&path, &rendered).unwrap();
        }
        let expect = std::fs::read(&path).unwrap_or_default();
        assert_eq!(
            String::from_utf8_lossy(&rendered),
            String::from_utf8_lossy(&expect),
            "differs from {path}; NARF_GOLDEN=1 rewrites it"
        );
    }

    #[test]
    fn every_kind_of_reply_is_rendered_as_in_the_golden_files() {
        check(Format::Text, true, "terminal.txt");
        let expanded = Style { in_colour: false, is_expanded: true };
        check_style(Format::Text, true, expanded, "expanded.txt");
        let coloured = Style { in_colour: true, is_expanded: false };
        check_style(Format::Text, true, coloured, "coloured.txt");
        check(Format::Text, false, "raw.txt");
        check(Format::Json, true, "pretty.json");
        check(Format::Json, false, "compact.json");
        check(Format::Jsonl, false, "lines.jsonl");
        check(Format::Csv, false, "rows.csv");
        check(Format::Csv, true, "rows_on_a_terminal.csv");
    }
}
