//! What of Redis 7.2 is here: the page for whoever comes from there.
//!
//! `compatibility/redis-7.2.txt` lists every command of Redis with its options; the table says which of them are here. What
//! neither can say, how a command that is here differs and what to use instead of one that is not, is in `notes`.
//! Invariant: whatever is not here has something to use instead, or a reason. The black-box suite asks both servers
//! whether all of this is so (`tests/suite/compatibility.rs`).

mod notes;
mod page;

pub(crate) use page::beside_redis;
pub use page::compatibility_markdown;

use crate::syntax::{Arg, arguments};
use crate::{Spec, lookup_name};

const REDIS: &str = include_str!("compatibility/redis-7.2.txt");

/// A word that a command of Redis takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedisOption {
    /// Upper case.
    pub word: &'static str,
    /// It came with 7.2.
    pub is_new: bool,
}

/// A command of Redis 7.2, as it is listed.
#[derive(Clone, Debug)]
pub struct RedisCommand {
    /// Lower case; `parent|sub` for a subcommand.
    pub name: &'static str,
    /// The family it is documented with.
    pub group: &'static str,
    /// First version that has it.
    pub since: &'static str,
    /// Its options.
    pub options: Vec<RedisOption>,
}

/// Whether a command of Redis is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is, and does the same.
    Same,
    /// It is, and differs in this.
    Differs(&'static str),
    /// It is not; what to use instead, or why.
    Missing(&'static str),
}

/// Every command of Redis 7.2 but those that only stand before a subcommand.
pub fn redis_commands() -> impl Iterator<Item = RedisCommand> {
    REDIS.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split(' ');
        let (name, group, since) = (words.next()?, words.next()?, words.next()?);
        let option = |word: &'static str| match word.strip_suffix("@7.2.0") {
            Some(word) => RedisOption { word, is_new: true },
            None => RedisOption { word, is_new: false },
        };
        Some(RedisCommand { name, group, since, options: words.map(option).collect() })
    })
}

/// What to use instead of a command of Redis that is not here, or why; for the first two words of a request.
#[cold]
pub fn instead_of(name: &[u8], sub: Option<&[u8]>) -> Option<&'static str> {
    let is = |word: &str, other: &[u8]| word.as_bytes().eq_ignore_ascii_case(other);
    let has_no_subcommands = lookup_name(name).is_none();
    let is_meant = |command: &RedisCommand| match command.name.split_once('|') {
        None => is(command.name, name),
        Some((parent, of)) => is(parent, name) && (has_no_subcommands || sub.is_some_and(|sub| is(of, sub))),
    };
    match redis_commands().find(is_meant)?.standing() {
        Standing::Missing(note) => Some(note),
        Standing::Same | Standing::Differs(_) => None,
    }
}

impl RedisCommand {
    /// Its row here. Some are there to be refused with a reason: see [`RedisCommand::standing`].
    pub fn spec(&self) -> Option<&'static Spec> {
        lookup_name(self.name)
    }

    /// Whether it is here.
    pub fn standing(&self) -> Standing {
        match self.spec().filter(|_| !notes::REFUSED.contains(&self.name)) {
            None => Standing::Missing(notes::instead(self)),
            Some(_) => notes::difference(self.name).map_or(Standing::Same, Standing::Differs),
        }
    }

    /// Options of Redis that its row here does not know.
    pub fn missing_options(&self) -> Vec<&'static str> {
        let Some(spec) = self.spec() else { return Vec::new() };
        let words = words_of(spec);
        let is_missing = |option: &&RedisOption| !words.iter().any(|word| word == option.word);
        self.options.iter().filter(is_missing).map(|option| option.word).collect()
    }

    /// Options of its row here that Redis 7.2 does not know.
    pub fn more_options(&self) -> Vec<String> {
        let mut words = self.spec().map(words_of).unwrap_or_default();
        words.retain(|word| !self.options.iter().any(|option| option.word == word));
        words
    }
}

/// The fixed words of a row's syntax, each once, in their order.
fn words_of(spec: &Spec) -> Vec<String> {
    fn collect(args: &[Arg], words: &mut Vec<String>) {
        for arg in args {
            words
                .extend(arg.token.iter().filter(|token| !words.contains(token)).cloned().collect::<Vec<_>>());
            collect(&arg.args, words);
        }
    }
    let mut words = Vec::new();
    collect(&arguments(spec), &mut words);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_here_has_something_to_use_instead() {
        for command in redis_commands() {
            if let Standing::Missing(instead) = command.standing() {
                assert!(!instead.is_empty(), "{}", command.name);
            }
        }
    }

    #[test]
    fn what_to_use_instead_is_found_by_the_words_of_a_request() {
        #[track_caller]
        fn check(words: &str, begins: Option<&str>) {
            let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
            let found = instead_of(words[0], words.get(1).copied());
            assert!(
                match (found, begins) {
                    (Some(found), Some(begins)) => found.starts_with(begins),
                    (found, begins) => found == begins,
                },
                "{found:?}"
            );
        }
        check("eval x", Some("MULTI with WATCH"));
        check("SCRIPT EXISTS", Some("MULTI with WATCH"));
        check("script", Some("MULTI with WATCH"));
        check("Function NoSuch", Some("MULTI with WATCH"));
        check("XADD k *", Some("Lists with BLMOVE"));
        check("REPLICAOF NO ONE", Some("Every partition"));
        check("psync ? -1", Some("Nodes speak"));
        check("CLUSTER FAILOVER", Some("A leader"));
        check("CLUSTER nonsense", None);
        check("CLUSTER", None);
        check("GET k", None);
        check("BANANA split", None);
    }

    #[test]
    fn every_note_is_about_a_command_of_redis() {
        let is_known = |name: &str| redis_commands().any(|command| command.name == name);
        assert!(notes::REFUSED.iter().all(|name| is_known(name)));
        for (names, note) in notes::DIFFERENCES.iter().chain(notes::INSTEAD) {
            assert!(note.ends_with('.') && !note.contains('|'), "{note}");
            for name in names.split(' ') {
                assert!(is_known(name), "{name}");
            }
        }
    }

    #[test]
    fn the_list_is_sorted_and_has_every_command_once() {
        let names: Vec<&str> = redis_commands().map(|command| command.name).collect();
        assert!(names.len() > 350 && names.is_sorted_by(|a, b| a < b));
    }
}
