//! How often which kind of error was answered, by the first word of its text.

use std::collections::BTreeMap;

/// Most kinds that are told apart. Ours are a few dozen; no word of a client is ever one.
const KINDS_MAX: usize = 128;

/// Error replies that were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ErrorCounts {
    total: u64,
    kinds: BTreeMap<Box<str>, u64>,
}

impl ErrorCounts {
    /// An error of this text was answered, or of this reply.
    #[cold]
    pub(crate) fn note(&mut self, text: &[u8]) {
        self.total += 1;
        let text = text.strip_prefix(b"-").unwrap_or(text);
        let word = text.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
        let kind = String::from_utf8_lossy(word);
        self.count(&kind, 1);
    }

    fn count(&mut self, kind: &str, count: u64) {
        if let Some(held) = self.kinds.get_mut(kind) {
            *held += count;
        } else if self.kinds.len() < KINDS_MAX {
            self.kinds.insert(kind.into(), count);
        }
    }

    /// All of them, also of kinds that are not told apart.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Each kind and how often it was answered, by name.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (&str, u64)> {
        self.kinds.iter().map(|(kind, count)| (&**kind, *count))
    }

    /// Adds those of another.
    pub(crate) fn add(&mut self, other: &ErrorCounts) {
        self.total += other.total;
        other.kinds.iter().for_each(|(kind, count)| self.count(kind, *count));
    }
}

/// The error at the end of a buffer of replies, if that is what was written last. Its text has no line break.
pub(crate) fn last_error(replies: &[u8]) -> Option<&[u8]> {
    let line = replies.strip_suffix(b"\r\n")?;
    let start = line.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    line.get(start..)?.strip_prefix(b"-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart_by_their_first_word() {
        let mut counts = ErrorCounts::default();
        for text in ["ERR syntax error", "-WRONGTYPE Operation against", "ERR", "NOAUTH x"] {
            counts.note(text.as_bytes());
        }
        let mut twice = counts.clone();
        twice.add(&counts);
        assert_eq!(twice.kinds().collect::<Vec<_>>(), [("ERR", 4), ("NOAUTH", 2), ("WRONGTYPE", 2)]);
        assert_eq!(twice.total(), 8);
    }

    #[test]
    fn the_kinds_are_bounded_and_the_total_is_not() {
        let (mut counts, mut other) = (ErrorCounts::default(), ErrorCounts::default());
        for number in 0..1000 {
            counts.note(format!("K{number} x").as_bytes());
            other.note(format!("L{number} x").as_bytes());
        }
        counts.add(&other);
        assert_eq!((counts.kinds().count(), counts.total()), (KINDS_MAX, 2000));
    }

    #[test]
    fn an_error_is_found_behind_other_replies() {
        assert_eq!(last_error(b"+OK\r\n$1\r\n-\r\n-ERR no\r\n"), Some(&b"ERR no"[..]));
        assert_eq!(last_error(b"-ERR no\r\n"), Some(&b"ERR no"[..]));
        for reply in [&b"+OK\r\n"[..], b":-1\r\n", b"", b"\r\n", b"-ERR"] {
            assert_eq!(last_error(reply), None);
        }
    }
}
