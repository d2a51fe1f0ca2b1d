//! What a shell may offer for the next word of a command: names from the table of commands, and names that the server
//! tells at once.
//!
//! Invariants: nothing is asked of a person, and a server that is slow or away costs a fraction of a second; only names
//! are offered that need no quotes in any shell. Does not know what a shell wants to hear, or how the word is shown.

use crate::names::{Names, Wanted};
use crate::{CliArgs, hint};

/// A word that may stand there, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The word.
    pub text: String,
    /// One line about it, if there is something to say.
    pub help: Option<&'static str>,
}

impl CliArgs {
    /// What the word after `words`, of which `current` is typed, may become.
    pub fn candidates(&self, words: &[Vec<u8>], current: &str) -> Vec<Candidate> {
        let help_of = |name: &str| {
            let named = [words, &[name.as_bytes().to_vec()]].concat();
            hint::spec_of(&named).filter(|(_, count)| *count == named.len()).map(|(spec, _)| spec.summary)
        };
        let mut candidates: Vec<Candidate> = hint::complete_word(words, current)
            .into_iter()
            .map(|text| Candidate { help: help_of(&text), text })
            .collect();
        let names = self.names(words, current).into_iter().filter_map(|name| String::from_utf8(name).ok());
        candidates.extend(names.map(|text| Candidate { text, help: None }));
        candidates.retain(|candidate| is_plain(&candidate.text));
        candidates
    }

    /// Keys, fields and such that the server has.
    fn names(&self, words: &[Vec<u8>], current: &str) -> Vec<Vec<u8>> {
        let Some((spec, named)) = hint::spec_of(words) else { return Vec::new() };
        let Some(wanted) = Wanted::next(spec, &words[named..], words) else { return Vec::new() };
        // A password that would have to be typed is not worth a name.
        let target = if self.connect.askpass { None } else { self.connect.target().ok() };
        let Some(mut target) = target else { return Vec::new() };
        target.db = self.db.unwrap_or(target.db);
        let mut names = Names::default();
        names.follow(&target, true);
        names.find(&wanted, current.as_bytes())
    }
}

/// Whether every shell takes it for one word that means itself.
fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:/@%+,=-".contains(&byte);
    !text.is_empty() && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without a server.
    #[track_caller]
    fn check(line: &str, current: &str, expect: &[&str]) {
        let words = resp::split_line(line.as_bytes()).unwrap();
        let mut args = CliArgs::default();
        args.connect.askpass = true;
        let found = args.candidates(&words, current);
        assert_eq!(found.iter().map(|found| found.text.as_str()).collect::<Vec<_>>(), expect, "{line}");
    }

    #[test]
    fn commands_and_their_options_are_offered() {
        check("", "hgeta", &["hgetall"]);
        check("", "HGETA", &["HGETALL"]);
        // Only the prompt understands it.
        check("", "clea", &[]);
        check("config", "res", &["resetstat"]);
        check("set k v", "keep", &["keepttl"]);
        check("set k v ex", "", &[]);
        check("help", "hgeta", &["hgetall"]);
        check("get", "", &[]);
        check("nonsense", "", &[]);
    }

    #[test]
    fn a_command_says_what_it_does() {
        let args = CliArgs::default();
        let found = args.candidates(&[], "hgetall");
        assert!(found[0].help.is_some_and(|help| help.contains("field")), "{found:?}");
        let found = args.candidates(&[b"config".to_vec()], "rewrite");
        assert!(found[0].help.is_some(), "{found:?}");
    }

    #[test]
    fn what_a_shell_would_take_apart_is_not_offered() {
        assert!(is_plain("user:1"));
        for text in ["", "two words", "a*b", "user:{1}", "$x", "a;b", "grün", "\u{1b}[2J", "it's"] {
            assert!(!is_plain(text), "{text:?}");
        }
    }
}
