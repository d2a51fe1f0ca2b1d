//! What can still follow what was typed: the grey text behind a prompt.
//!
//! Good enough for people: it follows the order of the syntax and the words it knows, and never refuses anything.

use std::fmt;

use crate::Spec;
use crate::syntax::{Arg, Kind, arguments};

/// The arguments that may follow `typed`, which holds the arguments after the name and excludes one that is still
/// being typed. Empty when nothing can follow.
pub fn hint(spec: &Spec, typed: &[&str]) -> String {
    let mut left: Vec<Left> = arguments(spec).into_iter().map(Left::once).collect();
    for word in typed {
        let Some(at) = takes(&left, word) else { break };
        let taken = left.remove(at);
        // A word that does not repeat leaves the repeating to its value.
        if taken.arg.multiple && (taken.arg.token.is_none() || taken.arg.multiple_token) {
            left.insert(at, Left { again: true, ..taken.clone() });
        }
        // What belongs to the word has to come before anything else.
        left.splice(..0, follows(&taken.arg, word).into_iter().map(Left::once));
    }
    left.iter().map(Left::text).collect::<Vec<_>>().join(" ")
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
fn takes(left: &[Left], word: &str) -> Option<usize> {
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
fn chosen<'a>(arg: &'a Arg, word: &str) -> Option<&'a Arg> {
    match &arg.token {
        Some(token) => token.eq_ignore_ascii_case(word).then_some(arg),
        None if arg.kind == Kind::OneOf => arg.args.iter().find_map(|part| chosen(part, word)),
        None => None,
    }
}

/// What has to follow `word` when it starts `arg`.
fn follows(arg: &Arg, word: &str) -> Vec<Arg> {
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
                write!(f, "[{}]", text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(&text))
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
        check("set", &["k", "v", "EX"], "seconds [NX | XX] [GET]");
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
    }
}
