//! What can still follow what was typed: the grey text behind a prompt.
//!
//! Good enough for people: it follows the order of the syntax and the words it knows, and never refuses anything.

use std::fmt;

use crate::Spec;
use crate::syntax::{Arg, Kind, arguments};

/// The arguments that may follow `typed`, the words after the name. A word that fits nowhere, such as an option still
/// being typed, is passed over. Empty when nothing can follow.
pub fn hint(spec: &Spec, typed: &[impl AsRef<[u8]>]) -> String {
    left_after(spec, typed).iter().map(Left::text).collect::<Vec<_>>().join(" ")
}

/// The fixed words of which one may come right after `typed`: what a prompt can complete.
pub fn next_words(spec: &Spec, typed: &[impl AsRef<[u8]>]) -> Vec<String> {
    let mut words = Vec::new();
    for left in left_after(spec, typed) {
        first_words(&left.arg, &mut words);
        if left.is_needed() {
            break;
        }
    }
    words
}

/// The value that may come right after `typed`; none if only fixed words may, or nothing.
pub fn next_value(spec: &Spec, typed: &[impl AsRef<[u8]>]) -> Option<Arg> {
    // Right behind a word that wants a value nothing else can stand.
    let left = left_after(spec, typed).into_iter().find(|left| !has_words(&left.arg))?;
    let mut arg = left.arg;
    while arg.kind == Kind::Block {
        arg = arg.args.into_iter().next()?;
    }
    (arg.token.is_none() && arg.kind != Kind::OneOf).then_some(arg)
}

fn left_after(spec: &Spec, typed: &[impl AsRef<[u8]>]) -> Vec<Left> {
    let mut left: Vec<Left> = arguments(spec).into_iter().map(Left::once).collect();
    for word in typed {
        let word = word.as_ref();
        let Some(mut at) = takes(&left, word) else { continue };
        let taken = left.remove(at);
        // Options stand before what follows them; those that were passed over are gone.
        if taken.is_needed() {
            left.drain(..at);
            at = 0;
        }
        // A word that does not repeat leaves the repeating to its value.
        if taken.arg.multiple && (taken.arg.token.is_none() || taken.arg.multiple_token) {
            left.insert(at, Left { again: true, ..taken.clone() });
        }
        // What belongs to the word has to come before anything else.
        left.splice(..0, follows(&taken.arg, word).into_iter().map(Left::once));
    }
    left
}

#[derive(Clone)]
struct Left {
    arg: Arg,
    /// Whether it was given already and may be given again.
    again: bool,
}

impl Left {
    fn once(arg: Arg) -> Left {
        Left { arg, again: false }
    }

    fn is_needed(&self) -> bool {
        !self.again && !self.arg.optional
    }

    fn text(&self) -> String {
        match self.again {
            true => self.arg.again(),
            false => self.arg.to_string(),
        }
    }
}

/// The argument that `word` belongs to: a value that must come now, or else one that starts with this word, or else
/// the next value.
fn takes(left: &[Left], word: &[u8]) -> Option<usize> {
    let by_word = || left.iter().position(|left| chosen(&left.arg, word).is_some());
    let next_value = || left.iter().position(|left| !has_words(&left.arg));
    match left.first() {
        Some(first) if first.is_needed() && !has_words(&first.arg) => Some(0),
        _ => by_word().or_else(next_value),
    }
}

/// Whether the argument, or each of its alternatives, starts with a fixed word.
fn has_words(arg: &Arg) -> bool {
    arg.token.is_some() || (arg.kind == Kind::OneOf && arg.args.iter().all(has_words))
}

/// The alternative within `arg` that starts with `word`.
fn chosen<'a>(arg: &'a Arg, word: &[u8]) -> Option<&'a Arg> {
    match &arg.token {
        Some(token) => token.as_bytes().eq_ignore_ascii_case(word).then_some(arg),
        None if arg.kind == Kind::OneOf => arg.args.iter().find_map(|part| chosen(part, word)),
        None => None,
    }
}

/// Collects the fixed words that `arg` may start with.
fn first_words(arg: &Arg, words: &mut Vec<String>) {
    match (&arg.token, arg.kind) {
        (Some(token), _) => words.push(token.clone()),
        (None, Kind::OneOf) => arg.args.iter().for_each(|part| first_words(part, words)),
        (None, Kind::Block) => arg.args.iter().take(1).for_each(|part| first_words(part, words)),
        (None, _) => {}
    }
}

/// What has to follow `word` when it starts `arg`.
fn follows(arg: &Arg, word: &[u8]) -> Vec<Arg> {
    match chosen(arg, word) {
        Some(arg) if arg.kind == Kind::PureToken => Vec::new(),
        Some(arg) if arg.kind == Kind::Block => arg.args.clone(),
        Some(arg) => vec![Arg {
            token: None,
            optional: false,
            multiple: arg.multiple && !arg.multiple_token,
            ..arg.clone()
        }],
        // The word was its first part.
        None if arg.kind == Kind::Block => arg.args.iter().skip(1).cloned().collect(),
        None => Vec::new(),
    }
}

/// In the notation of rows: what was parsed comes out as it was written.
impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.once();
        if self.multiple {
            text = format!("{text} {}", self.again());
        }
        match self.optional {
            true => {
                // Its own brackets, not those of what it begins and ends with.
                let bare = text.strip_prefix('<').and_then(|t| t.strip_suffix('>'));
                write!(f, "[{}]", bare.filter(|_| self.kind == Kind::OneOf).unwrap_or(&text))
            }
            false => f.write_str(&text),
        }
    }
}

impl Arg {
    fn once(&self) -> String {
        match &self.token {
            None => self.without_token(),
            Some(token) if self.kind == Kind::PureToken => token.clone(),
            Some(token) => format!("{token} {}", self.without_token()),
        }
    }

    /// The sign that it may come again.
    fn again(&self) -> String {
        match self.kind {
            Kind::OneOf => "[...]".into(),
            _ if self.multiple_token => format!("[{} ...]", self.once()),
            _ => format!("[{} ...]", self.without_token()),
        }
    }

    fn without_token(&self) -> String {
        let parts = |separator| self.args.iter().map(Arg::to_string).collect::<Vec<_>>().join(separator);
        match self.kind {
            Kind::OneOf => format!("<{}>", parts(" | ")),
            Kind::Block => parts(" "),
            _ => self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{all, lookup_name};

    /// The conditions of `SET`.
    const WHEN: &str = "[NX | XX | IFEQ value | IFNE value | IFDEQ digest | IFDNE digest]";

    #[test]
    fn a_parsed_syntax_is_written_back_as_it_was() {
        for spec in all() {
            let text = arguments(spec).iter().map(Arg::to_string).collect::<Vec<_>>().join(" ");
            assert_eq!(text, spec.syntax, "{}", spec.name);
        }
    }

    #[track_caller]
    fn check(name: &str, typed: &[&str], expect: &str) {
        assert_eq!(hint(lookup_name(name).expect("a command of ours"), typed), expect);
    }

    #[test]
    fn a_hint_shrinks_with_what_is_typed() {
        check("get", &[], "key");
        check("get", &["k"], "");
        check("get", &["k", "too", "much"], "");
        check("expire", &["k"], "seconds [NX | XX | GT | LT]");
        check("expire", &["k", "1", "xx"], "");
        check("scan", &["0", "COUNT"], "count [MATCH pattern] [TYPE type]");
        check("scan", &["0", "COUNT", "10"], "[MATCH pattern] [TYPE type]");
        check("set", &["k", "v", "EX"], &format!("seconds {WHEN} [GET]"));
        check("set", &["k", "v", "EX", "1", "nx"], "[GET]");
        check("hello", &["3"], "[AUTH username password] [SETNAME clientname]");
        check("hello", &["3", "auth", "u"], "password [SETNAME clientname]");
        check("ping", &[], "[message]");
        check("client kill", &[], lookup_name("client kill").unwrap().syntax);
        check("client reply", &["on"], "");
        check("config get", &["a"], "[parameter ...]");
        check("config get", &["a", "b"], "[parameter ...]");
        check(
            "client list",
            &["id"],
            "client-id [client-id ...] [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>]",
        );
        check(
            "client tracking",
            &["on", "prefix", "a"],
            "[REDIRECT client-id] [PREFIX prefix ...] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
        );
        check("mset", &["a"], "value [key value ...]");
        check(
            "set",
            &["k", "v", "e"],
            &format!(
                "{WHEN} [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]"
            ),
        );
        check("set", &["k", "v", "ex", "5", "nx", "get"], "");
        check("set", &["k", "v", "no-option", "ex"], &format!("seconds {WHEN} [GET]"));
        check("hset", &["k", "f"], "value [field value ...]");
        check("hset", &["k", "f", "v"], "[field value ...]");
        check("hset", &["k", "f", "v", "f"], "value [field value ...]");
        check("hrandfield", &["k", "5"], "[WITHVALUES]");
        check("auth", &["u"], "password");
    }

    #[test]
    fn options_that_were_passed_over_are_gone() {
        let zadd =
            Spec { syntax: "key [NX | XX] score member [score member ...]", ..*lookup_name("hset").unwrap() };
        assert_eq!(hint(&zadd, &["k"]), "[NX | XX] score member [score member ...]");
        assert_eq!(hint(&zadd, &["k", "1"]), "member [score member ...]");
        assert_eq!(hint(&zadd, &["k", "nx", "1"]), "member [score member ...]");
        assert_eq!(hint(&zadd, &["k", "1", "m"]), "[score member ...]");
    }

    #[test]
    fn the_words_that_may_come_next_are_known() {
        let next = |name, typed: &[&str]| next_words(lookup_name(name).unwrap(), typed).join(" ");
        assert_eq!(next("set", &["k"]), "");
        assert_eq!(next("set", &["k", "v"]), "NX XX IFEQ IFNE IFDEQ IFDNE GET EX PX EXAT PXAT KEEPTTL");
        assert_eq!(next("set", &["k", "v", "EX"]), "");
        assert_eq!(next("set", &["k", "v", "EX", "1"]), "NX XX IFEQ IFNE IFDEQ IFDNE GET");
        assert_eq!(next("client reply", &[]), "ON OFF SKIP");
        assert_eq!(next("client tracking", &[]), "ON OFF");
        assert_eq!(next("hello", &["3"]), "AUTH SETNAME");
    }
}
