//! Strings that are compared before they are written or deleted, and several set at once with a deadline: what Redis
//! 8.4 and Valkey 9 added so that locks and caches need no script.
//!
//! A digest is XXH3 with 64 bits and seed 0, as sixteen hexadecimal digits: the same on every server and every release
//! of Redis from 8.4 on.

use base::{Args, I64_TEXT_MAX};
use command::DataCommand;
use resp::Reply;
use xxhash_rust::xxh3::xxh3_64;

use super::options::is_word;
use super::string::{SetExpiry, SetWhen, lapse, read_options, set};
use super::{Applied, Operation, Parsed};
use crate::{Entry, Kind, NewDeadline, NewValue, RequestError, Store};

/// Digits of a digest.
const DIGEST_LEN: usize = 16;

fn digest_text(text: &[u8]) -> [u8; DIGEST_LEN] {
    let digest = xxh3_64(text);
    std::array::from_fn(|place| b"0123456789abcdef"[(digest >> (60 - 4 * place)) as usize & 15])
}

/// What a string is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare<'a> {
    /// `IFEQ`.
    Equal(&'a [u8]),
    /// `IFNE`.
    Different(&'a [u8]),
    /// `IFDEQ`.
    DigestEqual(&'a [u8]),
    /// `IFDNE`.
    DigestDifferent(&'a [u8]),
}

impl<'a> Compare<'a> {
    /// What one of the four words asks for.
    pub(super) fn of(word: &[u8], operand: &'a [u8]) -> Option<Compare<'a>> {
        if is_word(word, "IFEQ") {
            Some(Compare::Equal(operand))
        } else if is_word(word, "IFNE") {
            Some(Compare::Different(operand))
        } else if is_word(word, "IFDEQ") {
            Some(Compare::DigestEqual(operand))
        } else if is_word(word, "IFDNE") {
            Some(Compare::DigestDifferent(operand))
        } else {
            None
        }
    }

    /// Whether it is so. An absent key differs from everything.
    pub(super) fn holds<'e>(self, entry: Option<&Entry>) -> Result<bool, RequestError<'e>> {
        let Some(entry) = entry else {
            return Ok(matches!(self, Compare::Different(_) | Compare::DigestDifferent(_)));
        };
        let mut buffer = [0; I64_TEXT_MAX];
        let text = entry.text(&mut buffer).ok_or(RequestError::WrongType)?;
        let is_digest = |digest: &[u8]| match digest.len() {
            // Other characters than digits are equal to no digest.
            DIGEST_LEN => Ok(digest_text(text).eq_ignore_ascii_case(digest)),
            _ => Err(RequestError::NotDigest),
        };
        match self {
            Compare::Equal(other) => Ok(text == other),
            Compare::Different(other) => Ok(text != other),
            Compare::DigestEqual(digest) => is_digest(digest),
            Compare::DigestDifferent(digest) => is_digest(digest).map(|is| !is),
        }
    }
}

/// `DIGEST`.
pub(crate) struct Digest<'a>(&'a [u8]);

impl<'a> Digest<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, Digest<'a>> {
        Ok(Digest(args.at(1)))
    }
}

impl<'a> Operation<'a> for Digest<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let Some(entry) = store.find(self.0) else {
            reply.null();
            return Ok(());
        };
        let mut buffer = [0; I64_TEXT_MAX];
        let text = entry.text(&mut buffer).ok_or(RequestError::WrongType)?;
        reply.bulk(&digest_text(text));
        Ok(())
    }
}

/// `DELEX`, `DELIFEQ`.
pub(crate) struct DelEx<'a> {
    key: &'a [u8],
    when: DelWhen<'a>,
}

enum DelWhen<'a> {
    Always,
    /// The words of `DELEX`, which are read once there is a string to compare.
    Words(&'a [u8], &'a [u8]),
    /// `DELIFEQ`.
    Equal(&'a [u8]),
}

impl<'a> DelEx<'a> {
    /// `DELEX`.
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, DelEx<'a>> {
        let when = match args.len() {
            2 => DelWhen::Always,
            4 => DelWhen::Words(args.at(2), args.at(3)),
            _ => return Err(RequestError::Arity(DataCommand::DelEx)),
        };
        Ok(DelEx { key: args.at(1), when })
    }

    /// `DELIFEQ`.
    pub(crate) fn if_equal(args: Args<'a>) -> Parsed<'a, DelEx<'a>> {
        Ok(DelEx { key: args.at(1), when: DelWhen::Equal(args.at(2)) })
    }
}

impl<'a> Operation<'a> for DelEx<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let holds = match (store.seek(self.key), self.when) {
            (None, _) => false,
            (Some(_), DelWhen::Always) => true,
            (Some(entry), DelWhen::Equal(text)) => Compare::Equal(text).holds(Some(entry))?,
            (Some(entry), DelWhen::Words(word, operand)) => {
                if entry.kind() != Kind::String {
                    return Err(RequestError::ConditionOfString);
                }
                Compare::of(word, operand).ok_or(RequestError::UnknownCondition)?.holds(Some(entry))?
            }
        };
        reply.int(i64::from(holds && store.remove(self.key)));
        Ok(())
    }
}

/// `MSETEX`.
pub(crate) struct MSetEx<'a> {
    /// Keys and values in turn.
    pairs: Args<'a>,
    when: SetWhen<'a>,
    expiry: SetExpiry,
}

impl<'a> MSetEx<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, MSetEx<'a>> {
        let count = base::parse_i64(args.at(1)).and_then(|count| i32::try_from(count).ok());
        let count = count.filter(|count| *count > 0).and_then(|count| usize::try_from(count).ok());
        let count = count.ok_or(RequestError::InvalidNumKeys)?;
        // At most twice what 32 bits can say: no overflow.
        let rest = args.tail(2);
        if rest.len() < 2 * count {
            return Err(RequestError::WrongPairCount);
        }
        let options = read_options(rest.tail(2 * count), DataCommand::MSetEx)?;
        let (when, expiry) = (options.when, options.expiry);
        if options.get || matches!(when, SetWhen::If(_)) {
            return Err(RequestError::Syntax);
        }
        Ok(MSetEx { pairs: rest.head(2 * count), when, expiry })
    }

    fn keys(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let pairs = self.pairs;
        (0..pairs.len()).step_by(2).map(move |at| pairs.at(at))
    }
}

impl<'a> Operation<'a> for MSetEx<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let now = store.now;
        let deadline = self.expiry.deadline(now)?;
        for key in self.keys() {
            if !self.when.holds(store.seek(key))? {
                reply.int(0);
                return Ok(());
            }
        }
        for at in (0..self.pairs.len()).step_by(2) {
            let (key, value) = (self.pairs.at(at), self.pairs.at(at + 1));
            match deadline {
                // Over already: as if it had been set and had lapsed.
                NewDeadline::At(at) if at <= now => {
                    set(store, key, NewValue::Text(value), NewDeadline::Clear);
                    lapse(store, key);
                }
                deadline => set(store, key, NewValue::Text(value), deadline),
            }
        }
        reply.int(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_the_reference() {
        // Of the XXH3 specification's own test vectors, and of "hello" as Redis 8.4 answers it.
        assert_eq!(&digest_text(b""), b"2d06800538d394c2");
        assert_eq!(&digest_text(b"hello"), b"9555e8555c62dcfd");
    }
}
