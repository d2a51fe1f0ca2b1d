//! Completion and argument hints for a line of the prompt.
//!
//! Pure text in, text out; the line editor is in [`crate::prompt`]. What may follow which arguments [`command::hint`]
//! knows; here a line becomes words, and words name a command.

use command::Spec;
use resp::split_line;

/// Words the prompt itself understands.
const LOCAL: [&str; 4] = ["clear", "exit", "help", "quit"];

/// Whether the prompt itself does what this word says.
pub(crate) fn is_local(word: &str) -> bool {
    LOCAL.contains(&word.to_ascii_lowercase().as_str())
}

/// What may follow the typed line, to be shown behind it; empty if nothing is known.
pub(crate) fn hint(line: &str) -> String {
    let Ok(words) = split_line(line.as_bytes()) else { return String::new() };
    let Some((spec, typed)) = spec_of(&words) else { return String::new() };
    let rest = if spec.subcommands().is_empty() {
        command::hint(spec, &words[typed..])
    } else if typed == words.len() {
        let names: Vec<_> = spec.subcommands().iter().map(|sub| sub.own_name().to_uppercase()).collect();
        names.join(" | ")
    } else {
        String::new()
    };
    let gap = if rest.is_empty() || line.ends_with(|c: char| c.is_ascii_whitespace()) { "" } else { " " };
    format!("{gap}{rest}")
}

/// Where the word under completion starts, and what it may become.
pub(crate) fn complete(line: &str) -> (usize, Vec<String>) {
    let start = line.rfind(|c: char| c.is_ascii_whitespace()).map_or(0, |at| at + 1);
    let (before, prefix) = line.split_at(start);
    let names: Vec<String> = match split_line(before.as_bytes()) {
        Err(_) => Vec::new(),
        Ok(words) if words.is_empty() => {
            top_level_names().chain(LOCAL.iter().map(|word| word.to_string())).collect()
        }
        Ok(words) => names_behind(&words),
    };
    (start, fitting(names, prefix))
}

/// What a word with this beginning may become behind these words, apart from what only the prompt understands.
pub(crate) fn complete_word(words: &[Vec<u8>], prefix: &str) -> Vec<String> {
    let names = if words.is_empty() { top_level_names().collect() } else { names_behind(words) };
    fitting(names, prefix)
}

fn names_behind(words: &[Vec<u8>]) -> Vec<String> {
    match words {
        [word, topic @ ..] if word.eq_ignore_ascii_case(b"help") => help_names(topic),
        words => next_words(words),
    }
}

fn fitting(names: Vec<String>, prefix: &str) -> Vec<String> {
    let lower = prefix.to_lowercase();
    let in_capitals = prefix.chars().any(|c| c.is_ascii_uppercase());
    let mut fitting: Vec<String> = names
        .into_iter()
        .filter(|name| name.to_lowercase().starts_with(&lower))
        .map(|name| if in_capitals { name.to_uppercase() } else { name.to_lowercase() })
        .collect();
    fitting.sort();
    fitting.dedup();
    fitting
}

/// The row that the words name, and how many of them name it.
pub(crate) fn spec_of(words: &[Vec<u8>]) -> Option<(&'static Spec, usize)> {
    let spec = command::lookup_name(words.first()?).filter(|spec| !spec.is_internal())?;
    match words.get(1).and_then(|word| spec.subcommand(word)) {
        Some(sub) => Some((sub, 2)),
        None => Some((spec, 1)),
    }
}

fn top_level_names() -> impl Iterator<Item = String> {
    command::top_levels().filter(|spec| !spec.is_internal()).map(|spec| spec.name.to_string())
}

fn help_names(words: &[Vec<u8>]) -> Vec<String> {
    if words.is_empty() {
        let groups = command::Group::ALL.iter().map(|group| format!("@{}", group.name()));
        return top_level_names().chain(groups).collect();
    }
    spec_of(words).map_or(Vec::new(), |(spec, _)| own_names(spec))
}

fn own_names(spec: &Spec) -> Vec<String> {
    spec.subcommands().iter().map(|sub| sub.own_name().to_string()).collect()
}

/// Subcommands, or the option words that may come next.
fn next_words(words: &[Vec<u8>]) -> Vec<String> {
    let Some((spec, typed)) = spec_of(words) else { return Vec::new() };
    if !spec.subcommands().is_empty() {
        return if typed == words.len() { own_names(spec) } else { Vec::new() };
    }
    command::next_words(spec, &words[typed..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_follow_the_line() {
        assert_eq!(hint("get"), " key");
        assert_eq!(hint("get "), "key");
        assert_eq!(hint("GET k"), "");
        assert_eq!(
            hint("set k v ex "),
            "seconds [NX | XX | IFEQ value | IFNE value | IFDEQ digest | IFDNE digest] [GET]"
        );
        assert_eq!(hint("SET k v EX 5 nx"), " [GET]");
        assert_eq!(hint("hset \"a key\" f"), " value [field value ...]");
        assert_eq!(hint("client reply "), "<ON | OFF | SKIP>");
        assert_eq!(hint("nonsense "), "");
        assert_eq!(hint("get \"k"), "");
        assert!(hint("config ").contains("GET | "));
        assert!(hint("config get").starts_with(" parameter"));
    }

    #[test]
    fn any_line_has_a_hint_and_completions_without_panic() {
        let mut lines: Vec<String> =
            vec!["\u{3000}".into(), "é \u{3000}x".into(), "set \"".into(), "[ ] < > |".into()];
        for spec in command::all() {
            let words: Vec<_> = spec
                .usage()
                .replace(['[', ']', '<', '>', '|'], " ")
                .split_whitespace()
                .map(str::to_string)
                .collect();
            lines.extend((0..words.len()).map(|count| words[..count].join(" ")));
        }
        for line in lines {
            hint(&line);
            let (start, names) = complete(&line);
            assert!(line.is_char_boundary(start), "{line}");
            assert!(names.iter().all(|name| !name.starts_with("narf.")), "{line}");
        }
    }

    #[test]
    fn names_are_completed_in_the_case_that_was_typed() {
        assert_eq!(complete("hgeta"), (0, vec!["hgetall".to_string()]));
        assert_eq!(complete("HGETA"), (0, vec!["HGETALL".to_string()]));
        assert_eq!(complete("config res"), (7, vec!["resetstat".to_string()]));
        assert_eq!(complete("help @str"), (5, vec!["@string".to_string()]));
        assert_eq!(complete("qu"), (0, vec!["quit".to_string()]));
        assert_eq!(complete("set k v KEEP"), (8, vec!["KEEPTTL".to_string()]));
        let conditions = ["get", "ifdeq", "ifdne", "ifeq", "ifne", "nx", "xx"];
        assert_eq!(complete("set k v ex 5 "), (13, conditions.map(str::to_string).to_vec()));
        assert_eq!(complete("client reply s"), (13, vec!["skip".to_string()]));
        assert_eq!(complete("narf."), (0, vec![]));
    }
}
