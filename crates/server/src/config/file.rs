//! The configuration file: where it is, and its TOML as pairs of setting and text.

use std::ops::Range;
use std::path::{Path, PathBuf};

use node::settings::{self, Setting};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem};
use super::raw::Environment;

/// One line of the file that sets something.
pub(super) struct Entry {
    pub(super) row: &'static Setting,
    /// The value as the table reads it.
    pub(super) text: String,
    /// Bytes of the value in the file.
    pub(super) span: Range<usize>,
}

/// A file that was read.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) source: String,
}

impl File {
    /// Where `span` is, to be shown.
    pub(super) fn place(&self, span: Range<usize>) -> Place {
        Place::in_file(&self.path, &self.source, span)
    }

    /// The line that byte `at` is on, from one.
    pub(super) fn line(&self, at: usize) -> usize {
        self.source.as_bytes()[..at.min(self.source.len())].iter().filter(|&&byte| byte == b'\n').count() + 1
    }
}

/// Reads the file that was named, or else the first that exists of the usual places.
pub(super) fn read(named: Option<&Path>, env: &Environment) -> Result<Option<File>, Problem> {
    let named = named.map(Path::to_owned).or_else(|| env.var("NARF_CONFIG").map(PathBuf::from));
    if let Some(path) = named {
        return match std::fs::read(&path) {
            Ok(bytes) => decode(path, bytes).map(Some),
            Err(error) => Err(unreadable(&path, &error)),
        };
    }
    for path in usual_places(env) {
        match std::fs::read(&path) {
            Ok(bytes) => return decode(path, bytes).map(Some),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(unreadable(&path, &error)),
        }
    }
    Ok(None)
}

fn usual_places(env: &Environment) -> Vec<PathBuf> {
    let here = env.folder.join("narf.toml");
    let home = match (env.var("XDG_CONFIG_HOME"), env.var("HOME")) {
        (Some(config), _) => Some(PathBuf::from(config)),
        (None, Some(home)) => Some(Path::new(home).join(".config")),
        (None, None) => None,
    };
    let home = home.map(|folder| folder.join("narf/config.toml"));
    [Some(here), home, Some(PathBuf::from("/etc/narf/narf.toml"))].into_iter().flatten().collect()
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

fn decode(path: PathBuf, bytes: Vec<u8>) -> Result<File, Problem> {
    match String::from_utf8(bytes) {
        Ok(source) => Ok(File { path, source }),
        Err(error) => Err(Problem::new(format!(
            "{} is not UTF-8: byte {} cannot be read",
            path.display(),
            error.utf8_error().valid_up_to()
        ))),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(format!("cannot read {}: {error}", path.display()))
        .way_out("write one with: narf config init")
}

/// Cuts the file into entries. All problems are reported, not only the first.
pub(super) fn entries(file: &File) -> (Vec<Entry>, Vec<Problem>) {
    let (table, errors) = DeTable::parse_recoverable(&file.source);
    let mut problems: Vec<Problem> = errors.iter().map(|error| syntax(file, error)).collect();
    if !problems.is_empty() {
        return (Vec::new(), problems);
    }
    let mut entries: Vec<Entry> = Vec::new();
    for (key, value) in table.get_ref() {
        if key.get_ref() == USERS {
            continue;
        }
        match entry(file, key, value) {
            Ok(entry) => match entries.iter().find(|earlier| earlier.row.name == entry.row.name) {
                Some(earlier) => problems.push(
                    Problem::new(format!("`{}` is set twice", key.get_ref()))
                        .at(file.place(key.span()))
                        .note(format!("first on line {}", file.line(earlier.span.start))),
                ),
                None => entries.push(entry),
            },
            Err(problem) => problems.push(problem),
        }
    }
    (entries, problems)
}

/// What is no setting: a list of texts, each the name of a user and its rules.
const USERS: &str = "users";

/// A user of the file.
pub(super) struct UserLine {
    /// Name and rules.
    pub(super) text: String,
    /// Bytes of it in the file.
    pub(super) span: Range<usize>,
}

/// The users of the file; none if it cannot be read, of which [`entries`] tells.
pub(super) fn users(file: &File) -> (Vec<UserLine>, Vec<Problem>) {
    let (table, _) = DeTable::parse_recoverable(&file.source);
    let Some((_, value)) = table.get_ref().iter().find(|(key, _)| key.get_ref() == USERS) else {
        return (Vec::new(), Vec::new());
    };
    let wrong = |span: Range<usize>| {
        Problem::new(format!("`{USERS}` takes a list of texts, a name and rules in each"))
            .at(file.place(span))
            .note("such as users = [\"reader on >password ~app:* +@read\"]")
    };
    let DeValue::Array(items) = value.get_ref() else { return (Vec::new(), vec![wrong(value.span())]) };
    let (mut lines, mut problems) = (Vec::new(), Vec::new());
    for item in items.iter() {
        match item.get_ref() {
            DeValue::String(text) => {
                lines.push(UserLine { text: text.as_ref().to_owned(), span: item.span() })
            }
            _ => problems.push(wrong(item.span())),
        }
    }
    (lines, problems)
}

fn syntax(file: &File, error: &toml::de::Error) -> Problem {
    let problem = Problem::new(error.message().replace('\n', ", "));
    match error.span() {
        Some(span) => problem.at(file.place(span)),
        None => problem,
    }
}

fn entry(
    file: &File,
    key: &Spanned<std::borrow::Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
) -> Result<Entry, Problem> {
    let word = key.get_ref().as_ref();
    let Some(row) = settings::find(word) else {
        let unknown = Problem::new(format!("unknown setting `{word}`")).at(file.place(key.span()));
        return Err(match (settings::nearest_key(word), value.get_ref()) {
            // A flag that sets two of them.
            _ if word == "listen" => unknown.note("write `bind` and `port`; together they are a flag only"),
            _ if word == "user" => unknown.note("write `users`, a list with a text for each"),
            (Some(key), _) => unknown.note(format!("did you mean `{key}`?")),
            (None, DeValue::Table(_)) => unknown.note("there are no sections; write each setting by itself"),
            (None, _) => unknown.note("see `narf config init` for all of them"),
        });
    };
    let wrong = |what: &str| {
        Problem::new(format!("`{word}` cannot be {what}"))
            .at(file.place(value.span()))
            .note(format!("takes {}", row.values()))
    };
    let text = scalar(value.get_ref()).map_err(wrong)?;
    Ok(Entry { row, text, span: value.span() })
}

/// The text of a value, or what it is that it cannot be.
fn scalar(value: &DeValue<'_>) -> Result<String, &'static str> {
    match value {
        DeValue::String(text) => Ok(text.as_ref().to_owned()),
        DeValue::Boolean(yes) => Ok(if *yes { "yes" } else { "no" }.to_owned()),
        // Octal is for file modes, whose kind reads the digits; anything else refuses the prefix.
        DeValue::Integer(number) => match number.radix() {
            8 => Ok(format!("0o{}", number.as_str())),
            10 => Ok(number.as_str().trim_start_matches('+').to_owned()),
            radix => i64::from_str_radix(number.as_str(), radix)
                .map(|number| number.to_string())
                .map_err(|_| "a number of more than 64 bits"),
        },
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        DeValue::Array(items) => {
            let words = items.iter().map(|item| match item.get_ref() {
                DeValue::Array(_) | DeValue::Table(_) => Err("a list of lists or tables"),
                other => scalar(other),
            });
            Ok(words.collect::<Result<Vec<_>, _>>()?.join(" "))
        }
        DeValue::Table(_) => Err("a table"),
        DeValue::Datetime(_) => Err("a date"),
    }
}
