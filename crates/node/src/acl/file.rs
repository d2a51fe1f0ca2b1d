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
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let Some(first) = words.next() else { continue };
        // Redis knows no comments here; people write them all the same.
        if first.starts_with(b"#") {
            continue;
        }
        let mut problem = |text: &str| errors.push_str(&format!("{path}:{number}: {text}. "));
        let Some(name) = words.next().filter(|_| first == b"user") else {
            problem("should start with user keyword followed by the username");
            continue;
        };
        if has_spaces(name) {
            problem(&format!("username '{}' contains invalid characters", String::from_utf8_lossy(name)));
        } else if lines.iter().any(|line| line.name == name) {
            problem(&format!("Duplicate user '{}' found", String::from_utf8_lossy(name)));
        } else {
            match merge_selectors(words) {
                Ok(rules) => lines.push(Line { number, name: name.to_vec(), rules }),
                Err(_) => problem("Unmatched parenthesis in selector definition"),
            }
        }
    }
    if errors.is_empty() { Ok(lines) } else { Err(errors) }
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
