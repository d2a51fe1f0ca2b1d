//! Replies as text for people, as raw bytes for pipes, as JSON, as CSV.
//!
//! One reply in, its bytes out, with a line end where the format has one. Does not know where they go.

mod csv;
mod json;
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

/// Renders replies in one form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Renderer {
    format: Format,
    /// For eyes, not for programs.
    terminal: bool,
}

impl Renderer {
    pub(crate) fn new(format: Format, terminal: bool) -> Renderer {
        Renderer { format, terminal }
    }

    /// For standard output as it is.
    pub(crate) fn for_stdout(format: Format) -> Renderer {
        Renderer::new(format, std::io::stdout().is_terminal())
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
            Format::Text if self.terminal => text::write_formatted(&mut out, value),
            Format::Text => text::write_raw(&mut out, value),
            Format::Json => json::write(&mut out, value, self.terminal),
            Format::Jsonl => json::write_lines(&mut out, value),
            Format::Csv => csv::write(&mut out, value),
        }
        out
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
            Value::Verbatim { format: "txt".into(), text: b"two\nlines\x1b[2J".to_vec() },
        ])
    }

    #[track_caller]
    fn check(format: Format, terminal: bool, golden: &str) {
        let rendered = Renderer::new(format, terminal).render(&all());
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
        check(Format::Text, false, "raw.txt");
        check(Format::Json, true, "pretty.json");
        check(Format::Json, false, "compact.json");
        check(Format::Jsonl, false, "lines.jsonl");
        check(Format::Csv, false, "rows.csv");
    }
}
