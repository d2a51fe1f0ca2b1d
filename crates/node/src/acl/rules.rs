//! From the words of `ACL SETUSER` to rules: selectors in brackets put together again, and why a rule is refused.
//!
//! Errors have the words of Redis, for people and tests match on them.

use std::fmt;

/// Why a rule is refused. The user is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// No command, subcommand or category of this name.
    Unknown,
    /// Not a rule.
    Syntax,
    /// A key pattern beside `~*`.
    KeysAreAll,
    /// A channel pattern beside `&*`.
    ChannelsAreAll,
    /// The password to be removed is none of the user's.
    NoSuchPassword,
    /// A hash that is none.
    BadHash,
    /// `+config|get|x`.
    FirstArgOfSubcommand,
    /// More than is kept of one user.
    TooMany,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RuleError::Unknown => "Unknown command or category name in ACL",
            RuleError::Syntax => "Syntax error",
            RuleError::KeysAreAll => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
                 effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            RuleError::ChannelsAreAll => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any \
                 effect. Try 'resetchannels' to start with an empty list of channels"
            }
            RuleError::NoSuchPassword => {
                "The password you are trying to remove from the user does not exist"
            }
            RuleError::BadHash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            RuleError::FirstArgOfSubcommand => "Allowing first-arg of a subcommand is not supported",
            RuleError::TooMany => "Too many passwords; a user has at most 16, remove some with '<' or 'resetpass'",
        })
    }
}

/// How to take names that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// They are errors: someone writes the rule now.
    Written,
    /// They are kept, and allow nothing: a node of a newer version agreed to the rule.
    Stored,
}

/// Puts selectors whose words came apart together again: `(+get ~x)` are two words of a request. `Err` has the number
/// of the word whose bracket is never closed.
pub fn merge_selectors<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, usize> {
    let mut merged = Vec::new();
    let mut open: Option<(usize, Vec<u8>)> = None;
    for (number, word) in words.into_iter().enumerate() {
        match &mut open {
            None if word.first() == Some(&b'(') && word.last() != Some(&b')') => {
                open = Some((number, word.to_vec()));
            }
            None => merged.push(word.to_vec()),
            Some((_, selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(word);
                if word.last() == Some(&b')') {
                    merged.extend(open.take().map(|(_, selector)| selector));
                }
            }
        }
    }
    match open {
        None => Ok(merged),
        Some((number, _)) => Err(number),
    }
}

/// The words inside a selector's brackets. A quote has no meaning of its own, as no rule can hold a space.
pub(crate) fn words_of(selector: &[u8]) -> impl Iterator<Item = &[u8]> {
    selector.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}
