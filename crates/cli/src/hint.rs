//! Completion and argument hints of the prompt, out of the command table.
//!
//! Pure text in, text out; the line editor is in [`crate::prompt`]. A hint shows what may still follow: parts of
//! the syntax that the typed words have used up disappear, optional ones when their word was typed.

use command::Spec;
use resp::split_line;

/// Words the prompt itself understands.
const LOCAL: [&str; 4] = ["clear", "exit", "help", "quit"];

/// What may follow the typed line, to be shown behind it; empty if nothing is known.
pub(crate) fn hint(line: &str) -> String {
    let Ok(words) = split_line(line.as_bytes()) else { return String::new() };
    let Some((spec, typed)) = spec_of(&words) else { return String::new() };
    let rest = if spec.subcommands().is_empty() {
        remaining(spec.syntax, &words[typed..])
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
        Ok(words) if words[0].eq_ignore_ascii_case(b"help") => help_names(&words[1..]),
        Ok(words) => next_words(&words),
    };
    let lower = prefix.to_lowercase();
    let in_capitals = prefix.chars().any(|c| c.is_ascii_uppercase());
    let mut fitting: Vec<String> = names
        .into_iter()
        .filter(|name| name.to_lowercase().starts_with(&lower))
        .map(|name| if in_capitals { name.to_uppercase() } else { name.to_lowercase() })
        .collect();
    fitting.sort();
    fitting.dedup();
    (start, fitting)
}

/// The row that the words name, and how many of them name it.
fn spec_of(words: &[Vec<u8>]) -> Option<(&'static Spec, usize)> {
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
    let rest = remaining(spec.syntax, &words[typed..]);
    let mut names = Vec::new();
    for part in parts_of(&rest) {
        let options = alternatives(part).into_iter().filter_map(|alternative| alternative.split(' ').next());
        names.extend(options.filter(|word| is_token(word)).map(str::to_string));
        if !part.starts_with('[') {
            break;
        }
    }
    names
}

/// The syntax without what the typed arguments have used up.
fn remaining(syntax: &str, typed: &[Vec<u8>]) -> String {
    let mut parts = parts_of(syntax);
    // Values that the option word typed last still wants.
    let mut wanted: Vec<&str> = Vec::new();
    for word in typed {
        if !wanted.is_empty() {
            wanted.remove(0);
            continue;
        }
        if let Some((at, values)) = option_named(&parts, word) {
            wanted = values;
            parts.remove(at);
        } else if let Some(at) = parts.iter().position(|part| takes_value(part)) {
            if is_repeated(parts[at]) {
                continue;
            }
            // Options stand before what follows them; those that were passed over are gone.
            if !parts[at].starts_with('[') {
                parts.drain(..at);
                parts.remove(0);
            } else {
                parts.remove(at);
            }
        }
    }
    wanted.extend(parts);
    wanted.join(" ")
}

/// The option whose word was typed, and the values after the word. Only options before the next value count.
fn option_named<'a>(parts: &[&'a str], word: &[u8]) -> Option<(usize, Vec<&'a str>)> {
    for (at, part) in parts.iter().enumerate() {
        for alternative in alternatives(part) {
            let mut words = alternative.split(' ');
            let name = words.next().unwrap_or_default();
            if is_token(name) && name.as_bytes().eq_ignore_ascii_case(word) {
                return Some((at, words.collect()));
            }
        }
        if !part.starts_with('[') {
            return None;
        }
    }
    None
}

fn takes_value(part: &str) -> bool {
    alternatives(part).iter().any(|alternative| !is_token(alternative.split(' ').next().unwrap_or_default()))
}

fn is_repeated(part: &str) -> bool {
    part.ends_with("...]")
}

fn is_token(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase()) && !word.contains(|c: char| c.is_ascii_lowercase())
}

/// What stands between blanks outside brackets.
fn parts_of(syntax: &str) -> Vec<&str> {
    split_outside(syntax, " ")
}

/// The alternatives within the brackets of a part.
fn alternatives(part: &str) -> Vec<&str> {
    let inner = part
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .or(part.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')))
        .unwrap_or(part);
    split_outside(inner, " | ")
}

fn split_outside<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut depth, mut start, mut at) = (Vec::new(), 0usize, 0, 0);
    while at < text.len() {
        match text.as_bytes()[at] {
            b'[' | b'<' => depth += 1,
            b']' | b'>' => depth = depth.saturating_sub(1),
            _ if depth == 0 && text.as_bytes()[at..].starts_with(separator.as_bytes()) => {
                parts.push(&text[start..at]);
                at += separator.len();
                start = at;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn left(syntax: &str, typed: &str, expect: &str) {
        let words: Vec<Vec<u8>> = typed.split_whitespace().map(|word| word.as_bytes().to_vec()).collect();
        assert_eq!(remaining(syntax, &words), expect, "{typed:?} of {syntax:?}");
    }

    #[test]
    fn typed_words_use_up_the_syntax() {
        const SET: &str = "key value [NX | XX] [GET] [EX seconds | PX milliseconds | KEEPTTL]";
        left(SET, "", SET);
        left(SET, "k", "value [NX | XX] [GET] [EX seconds | PX milliseconds | KEEPTTL]");
        left(SET, "k v", "[NX | XX] [GET] [EX seconds | PX milliseconds | KEEPTTL]");
        left(SET, "k v ex", "seconds [NX | XX] [GET]");
        left(SET, "k v ex 5", "[NX | XX] [GET]");
        left(SET, "k v ex 5 nx get", "");
        left("key [key ...]", "a b c", "[key ...]");
        left("key field value [field value ...]", "k f v", "[field value ...]");
        left("key [NX | XX] score member [score member ...]", "k 1", "member [score member ...]");
        left("key [NX | XX] score member [score member ...]", "k nx 1", "member [score member ...]");
        left("cursor [MATCH pattern] [COUNT count]", "0 count 10", "[MATCH pattern]");
        left("key [count [WITHVALUES]]", "k 5", "");
    }

    #[test]
    fn hints_follow_the_line() {
        assert_eq!(hint("get"), " key");
        assert_eq!(hint("get "), "key");
        assert_eq!(hint("GET k"), "");
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
        assert_eq!(complete("narf."), (0, vec![]));
    }
}
