//! A table of words and numbers, as lines of text for eyes and as JSON for programs.
//!
//! Invariant: a row has a cell for each column; no cell has a control character in its text.

use std::cmp::Ordering;

use serde_json::{Map, Value as Json, json};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::render;

/// One place.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Text(String),
    /// Its value, and as it is shown.
    Number(f64, String),
    /// Nothing is known.
    Unknown,
}

impl Cell {
    /// A text that may have come from anywhere.
    pub(super) fn text(text: &str) -> Cell {
        Cell::Text(render::harmless(text).replace(['\n', '\t'], " "))
    }

    /// `1234567` as `1.23M`.
    pub(super) fn count(value: f64) -> Cell {
        Cell::Number(value, scaled(value, &["", "k", "M", "G", "T"], 1000.0))
    }

    pub(super) fn bytes(value: f64) -> Cell {
        Cell::Number(value, scaled(value, &["B", "kB", "MB", "GB", "TB"], 1024.0))
    }

    /// A time in seconds, as people say it.
    pub(super) fn seconds(value: f64) -> Cell {
        let shown = match value {
            0.0 => "0s".to_owned(),
            value if value < 1e-3 => format!("{:.0}us", value * 1e6),
            value if value < 1.0 => format!("{:.1}ms", value * 1e3),
            value if value < 120.0 => format!("{value:.0}s"),
            value if value < 7200.0 => format!("{:.0}m", value / 60.0),
            value if value < 172_800.0 => format!("{:.0}h", value / 3600.0),
            value => format!("{:.0}d", value / 86_400.0),
        };
        Cell::Number(value, shown)
    }

    pub(super) fn shown(&self) -> &str {
        match self {
            Cell::Text(text) | Cell::Number(_, text) => text,
            Cell::Unknown => "-",
        }
    }

    /// Larger numbers first, then words by alphabet, then what is not known.
    fn order(&self, other: &Cell) -> Ordering {
        match (self, other) {
            (Cell::Number(a, _), Cell::Number(b, _)) => b.total_cmp(a),
            (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
            (Cell::Unknown, Cell::Unknown) => Ordering::Equal,
            (Cell::Number(..), Cell::Text(_) | Cell::Unknown) | (Cell::Text(_), Cell::Unknown) => {
                Ordering::Less
            }
            (Cell::Text(_) | Cell::Unknown, Cell::Number(..)) | (Cell::Unknown, Cell::Text(_)) => {
                Ordering::Greater
            }
        }
    }
}

fn scaled(value: f64, units: &[&str], step: f64) -> String {
    let (mut value, mut unit) = (value, 0);
    while value >= step && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    match unit {
        _ if value == 0.0 => format!("0{}", units[0]),
        0 if value.fract() == 0.0 || value >= 100.0 => format!("{value:.0}{}", units[0]),
        _ if value >= 100.0 => format!("{value:.0}{}", units[unit]),
        _ if value >= 10.0 => format!("{value:.1}{}", units[unit]),
        _ => format!("{value:.2}{}", units[unit]),
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) columns: &'static [&'static str],
    pub(super) rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn new(columns: &'static [&'static str], rows: Vec<Vec<Cell>>) -> Table {
        debug_assert!(rows.iter().all(|row| row.len() == columns.len()));
        Table { columns, rows }
    }

    /// Brings rows into the order of a column. Equal ones stay as they are.
    pub(super) fn sort(&mut self, column: usize, is_reversed: bool) {
        self.rows.sort_by(|a, b| {
            let order = match (a.get(column), b.get(column)) {
                (Some(a), Some(b)) => a.order(b),
                _ => Ordering::Equal,
            };
            if is_reversed { order.reverse() } else { order }
        });
    }

    /// Keeps rows that have the word in some cell, in any case.
    pub(super) fn keep(&mut self, word: &str) {
        let word = word.to_lowercase();
        self.rows.retain(|row| row.iter().any(|cell| cell.shown().to_lowercase().contains(&word)));
    }

    /// The heading and a line for each row, cut at a width.
    pub(super) fn lines(&self, width: usize) -> Vec<String> {
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| row[column].shown().width());
                cells.chain([self.columns[column].width()]).max().unwrap_or(0)
            })
            .collect();
        let is_number = |column: usize| self.rows.iter().any(|row| matches!(row[column], Cell::Number(..)));
        let line = |cell: &dyn Fn(usize) -> String| {
            let mut line = String::new();
            for (column, width) in widths.iter().enumerate() {
                let text = cell(column);
                let gap = " ".repeat(width.saturating_sub(text.width()));
                let between = if column > 0 { "  " } else { "" };
                match is_number(column) {
                    true => line.extend([between, &gap, &text]),
                    false => line.extend([between, &text, &gap]),
                }
            }
            cut(&line, width).trim_end().to_owned()
        };
        let heading = line(&|column| self.columns[column].to_owned());
        let rows = self.rows.iter().map(|row| line(&|column| row[column].shown().to_owned()));
        [heading].into_iter().chain(rows).collect()
    }

    /// An object for each row.
    pub(super) fn json(&self) -> Json {
        let cell = |cell: &Cell| match cell {
            Cell::Text(text) => json!(text),
            Cell::Number(value, _) if value.fract() == 0.0 && value.abs() < 1e15 => json!(*value as i64),
            Cell::Number(value, _) => json!(value),
            Cell::Unknown => Json::Null,
        };
        let object = |row: &Vec<Cell>| {
            let fields = self.columns.iter().zip(row);
            fields.map(|(name, value)| ((*name).to_owned(), cell(value))).collect::<Map<_, _>>()
        };
        self.rows.iter().map(object).collect()
    }
}

/// As much of a text as fits into so many columns of a terminal.
pub(super) fn cut(text: &str, width: usize) -> String {
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= width
    };
    text.chars().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let row = |name: &str, count: f64| vec![Cell::text(name), Cell::count(count)];
        Table::new(&["name", "calls/s"], vec![row("get", 12.0), row("set", 1_234_567.0), row("größe", 0.5)])
    }

    #[test]
    fn columns_stand_under_their_headings() {
        let lines = table().lines(80);
        assert_eq!(lines, ["name   calls/s", "get         12", "set      1.23M", "größe     0.50"]);
        assert_eq!(table().lines(5), ["name", "get", "set", "größe"].map(|text| text.to_owned()));
    }

    #[test]
    fn what_is_not_known_is_a_dash_for_eyes_and_null_for_programs() {
        let mut table = Table::new(&["hits%"], vec![vec![Cell::Unknown], vec![Cell::count(1.0)]]);
        table.sort(0, false);
        assert_eq!(table.json(), json!([{"hits%": 1}, {"hits%": null}]));
        assert_eq!(table.rows[1][0].shown(), "-");
    }

    #[test]
    fn rows_are_sorted_and_looked_through() {
        let mut sorted = table();
        sorted.sort(1, false);
        assert_eq!(sorted.rows[0][0], Cell::text("set"));
        sorted.sort(1, true);
        assert_eq!(sorted.rows[0][0], Cell::text("größe"));
        sorted.sort(0, false);
        assert_eq!(sorted.rows[0][0], Cell::text("get"));
        sorted.keep("ET");
        assert_eq!(sorted.rows.len(), 2);
    }

    #[test]
    fn numbers_are_short_for_eyes_and_whole_for_programs() {
        for (value, shown) in
            [(0.0, "0"), (7.0, "7"), (0.25, "0.25"), (999.4, "999"), (1000.0, "1.00k"), (12_345.0, "12.3k")]
        {
            assert_eq!(Cell::count(value).shown(), shown);
        }
        for (value, shown) in [(0.0, "0B"), (1023.0, "1023B"), (1024.0, "1.00kB"), (1.5e9, "1.40GB")] {
            assert_eq!(Cell::bytes(value).shown(), shown);
        }
        for (value, shown) in
            [(0.000_002, "2us"), (0.015, "15.0ms"), (7.0, "7s"), (600.0, "10m"), (200_000.0, "2d")]
        {
            assert_eq!(Cell::seconds(value).shown(), shown);
        }
        assert_eq!(table().json()[1], json!({ "name": "set", "calls/s": 1_234_567 }));
    }

    #[test]
    fn no_cell_drives_a_terminal() {
        assert_eq!(Cell::text("a\x1b[2J\nb"), Cell::Text("a\u{fffd}[2J b".to_owned()));
    }
}
