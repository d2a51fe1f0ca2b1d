//! The file of users: a line for each, `user NAME RULES`, as Redis has it.
//!
//! Reading is all or nothing: every wrong line is told of, and then none is taken.

use super::name::has_spaces;
use super::password::{Job, SALT_LEN};
use super::rules::{Strictness, merge_selectors};
use super::user::{RuleContext, User};

/// One user of the file: its name and rules, as they are written.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// From one.
    pub number: usize,
    /// The name.
    pub name: Vec<u8>,
    /// The rules, each whole.
    pub rules: Vec<Vec<u8>>,
}

/// A user as it is kept: its name, and its rules in one line.
pub type Definition = (Vec<u8>, Vec<u8>);

/// Cuts the text of a file into users, or says all that is wrong with it, each with `path` and line.
pub fn parse(path: &str, text: &[u8]) -> Result<Vec<Line>, String> {
    let (mut lines, mut errors) = (Vec::<Line>::new(), String::new());
    for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        let mut words = words_of(line);
        let Some(first) = words.next() else { continue };
        // Redis knows no comments here; people write them all the same.
        if first.starts_with(b"#") {
            continue;
        }
        let read = match first {
            b"user" => read_user(words, number),
            _ => Err(NO_USER.to_owned()),
        };
        let read = read.and_then(|new| match lines.iter().any(|line| line.name == new.name) {
            true => Err(format!("Duplicate user '{}' found", String::from_utf8_lossy(&new.name))),
            false => Ok(new),
        });
        match read {
            Ok(line) => lines.push(line),
            Err(text) => errors.push_str(&format!("{path}:{number}: {text}. ")),
        }
    }
    if errors.is_empty() { Ok(lines) } else { Err(errors) }
}

const NO_USER: &str = "should start with user keyword followed by the username";

fn words_of(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// A user out of its name and rules.
fn read_user<'a>(mut words: impl Iterator<Item = &'a [u8]>, number: usize) -> Result<Line, String> {
    let name = words.next().ok_or(NO_USER)?;
    if has_spaces(name) {
        return Err(format!("username '{}' contains invalid characters", String::from_utf8_lossy(name)));
    }
    let rules = merge_selectors(words).map_err(|_| "Unmatched parenthesis in selector definition")?;
    Ok(Line { number, name: name.to_vec(), rules })
}

/// What can be told of a user of the configuration without hashing a password.
#[derive(Debug, PartialEq, Eq)]
pub struct Glance {
    /// The name.
    pub name: Vec<u8>,
    /// Whether anybody can come in as this user.
    pub is_open: bool,
    /// Whether a password stands there as it is.
    pub has_plain_password: bool,
}

/// Looks at `NAME RULES`, a line of the configuration.
pub fn glance(line: &str, all_channels: bool) -> Result<Glance, String> {
    if line.contains(['\n', '\r', '\0']) {
        return Err("it has more than one line; each user is a text of its own".to_owned());
    }
    let Line { name, rules, .. } = read_user(words_of(line.as_bytes()), 1).map_err(|text| {
        if text == NO_USER { "it is empty; write a name and rules".to_owned() } else { text }
    })?;
    let mut user = User::new(&name, all_channels);
    let mut has_plain_password = false;
    let context = RuleContext { all_channels, strictness: Strictness::Written, known: &[] };
    for rule in &rules {
        let said = match rule.first() {
            // Who has a password does not take any.
            Some(b'>') => {
                has_plain_password = true;
                user.set(b"resetpass", context)
            }
            Some(b'<') => Ok(()),
            _ => user.set(rule, context),
        };
        said.map_err(|error| format!("{error} in '{}'", shown(rule)))?;
    }
    Ok(Glance { name, is_open: user.is_open(), has_plain_password })
}

/// The users of a file, name and definition. Passwords in plain text are hashed, each for tens of milliseconds: not for
/// a worker's turn.
pub fn load(
    path: &str,
    text: &[u8],
    all_channels: bool,
    salt: impl Fn() -> [u8; SALT_LEN],
) -> Result<Vec<Definition>, String> {
    let mut users = Vec::new();
    for Line { number, name, rules } in parse(path, text)? {
        let words: Vec<Vec<u8>> = rules
            .iter()
            .filter_map(|rule| match rule.as_slice() {
                [b'>' | b'<', word @ ..] => Some(word.to_vec()),
                _ => None,
            })
            .collect();
        let salts = words.iter().map(|_| salt()).collect();
        let job = Job { number: 0, words, against: Vec::new(), salts, stops_at_first: false };
        let known = job.solve().known;
        let context = RuleContext { all_channels, strictness: Strictness::Written, known: &known };
        let mut user = User::new(&name, all_channels);
        for rule in &rules {
            user.set(rule, context)
                .map_err(|error| format!("{path}:{number}: {} in '{}'. ", error, shown(rule)))?;
        }
        users.push((name, user.describe()));
    }
    Ok(users)
}

/// A rule as it may be shown: not a password.
fn shown(rule: &[u8]) -> String {
    match rule {
        [sign @ (b'>' | b'<' | b'#' | b'!'), ..] => format!("{}(redacted)", char::from(*sign)),
        _ => String::from_utf8_lossy(rule).into_owned(),
    }
}

/// The text of a file with these users, names and definitions.
pub fn write<'a>(users: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, definition) in users {
        out.extend_from_slice(b"user ");
        out.extend_from_slice(name);
        out.push(b' ');
        out.extend_from_slice(definition);
        out.push(b'\n');
    }
    out
}
