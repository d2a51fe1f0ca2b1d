//! Problems of a configuration, shown where they were written: the line, a caret, and what to do.

use std::fmt;
use std::ops::Range;
use std::path::Path;

/// Every problem found. `Display` is what goes to standard error; the process exits with 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> ConfigError {
        ConfigError { problems: vec![problem] }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    fact: String,
    /// Boxed, as a problem is mostly an absent error.
    place: Option<Box<Place>>,
    note: Option<String>,
    ways_out: Vec<String>,
}

impl Problem {
    /// A problem that is nowhere in particular.
    pub fn new(fact: impl Into<String>) -> Problem {
        Problem { fact: fact.into(), place: None, note: None, ways_out: Vec::new() }
    }

    /// Says where.
    #[must_use]
    pub fn at(self, place: Place) -> Problem {
        Problem { place: Some(Box::new(place)), ..self }
    }

    /// A few words behind the caret.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Problem {
        Problem { note: Some(note.into()), ..self }
    }

    /// A line on what to do about it.
    #[must_use]
    pub fn way_out(mut self, line: impl Into<String>) -> Problem {
        self.ways_out.push(line.into());
        self
    }
}

/// A piece of what the operator wrote. Holds the whole line, so that it can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `narf.toml:3:8`, `command line`, `environment`.
    name: String,
    /// Counted from one; files only.
    line: Option<usize>,
    /// The line without its end.
    text: String,
    /// Letters before the piece, and letters of it.
    before: usize,
    width: usize,
}

impl Place {
    /// The bytes `span` of the file `path`, whose text is `source`.
    pub(super) fn in_file(path: &Path, source: &str, span: Range<usize>) -> Place {
        let start = floor(source, span.start);
        let line_start = source[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = source[start..].find('\n').map_or(source.len(), |newline| start + newline);
        let end = floor(source, span.end).clamp(start, line_end);
        let text = source[line_start..line_end].trim_end_matches('\r');
        let before = source[line_start..start].chars().count();
        let line = source[..line_start].matches('\n').count() + 1;
        Place {
            name: format!("{}:{line}:{}", path.display(), before + 1),
            line: Some(line),
            text: hide_secret(text),
            before,
            width: source[start..end].chars().count(),
        }
    }

    /// The value of a flag, or the flag itself if it has none.
    pub(super) fn in_flag(flag: &str, value: &str) -> Place {
        Place::in_words("command line", &format!("{flag} "), value)
    }

    /// The value of an environment variable.
    pub(super) fn in_env(name: &str, value: &str) -> Place {
        Place::in_words("environment", &format!("{name}="), value)
    }

    fn in_words(name: &str, before: &str, value: &str) -> Place {
        let (from, width) = match value.chars().count() {
            0 => (0, before.trim_end().chars().count()),
            width => (before.chars().count(), width),
        };
        Place { name: name.to_owned(), line: None, text: format!("{before}{value}"), before: from, width }
    }
}

/// The line a syntax error stands on may be one with a password.
fn hide_secret(line: &str) -> String {
    let line = &hide_passwords_of_users(line);
    let secret = line.split_once('=').is_some_and(|(key, _)| {
        node::settings::find(key.trim().trim_matches('"')).is_some_and(node::settings::Setting::is_secret)
    });
    match line.split_once('=') {
        Some((key, value)) if secret => format!("{key}={}", "*".repeat(value.chars().count())),
        _ => line.to_owned(),
    }
}

/// In rules of users a password is what stands behind `>` or `<` up to the next space, and a hash of one something long behind
/// `#` or `!`. Quotes may be part of it.
fn hide_passwords_of_users(line: &str) -> String {
    let hide = |word: &str| {
        let (word, end) = word.split_at(word.trim_end().len());
        let hash = || word.find(['#', '!']).filter(|at| word.len() - at > 40);
        let shown = word.find(['>', '<']).or_else(hash).map_or(word.len(), |at| at + 1);
        let stars = "*".repeat(word[shown..].chars().count());
        [&word[..shown], &stars, end].concat()
    };
    line.split_inclusive(char::is_whitespace).map(hide).collect()
}

/// The nearest border of a letter at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.fact)?;
        let number = self.place.as_ref().and_then(|place| place.line).map(|line| line.to_string());
        let margin = number.as_deref().map_or(1, str::len);
        if let Some(place) = &self.place {
            // What was written may hold anything, and goes to a terminal.
            let text: String = place.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            writeln!(f, "{:margin$}--> {}", "", place.name)?;
            writeln!(f, "{:margin$} |", "")?;
            writeln!(f, "{:>margin$} | {text}", number.as_deref().unwrap_or_default())?;
            write!(
                f,
                "{:margin$} | {:before$}{}",
                "",
                "",
                "^".repeat(place.width.max(1)),
                before = place.before
            )?;
            match &self.note {
                Some(note) => writeln!(f, " {note}")?,
                None => writeln!(f)?,
            }
        }
        for line in &self.ways_out {
            writeln!(f, "{:margin$} = {line}", "")?;
        }
        Ok(())
    }
}
