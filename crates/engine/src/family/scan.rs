//! Cursors, options and answers of `SCAN` and its kin.

use base::Args;
use resp::{Reply, Version};

use super::Applied;
use super::options::{integer, is_word};
use crate::{RequestError, glob};

/// The cursor of a scan, as C's `strtoul` reads it: a sign is allowed, a negative number wraps around, no digit at
/// all in an empty argument is zero.
pub fn parse_cursor<'a>(argument: &[u8]) -> Result<u64, RequestError<'a>> {
    // A C string: it ends where a zero byte stands.
    let argument = argument.split(|&byte| byte == 0).next().unwrap_or_default();
    let (negative, digits) = match argument {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        _ => (false, argument),
    };
    if digits.is_empty() && !argument.is_empty() {
        return Err(RequestError::InvalidCursor);
    }
    let value = digits.iter().try_fold(0u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value.checked_mul(10)?.checked_add(u64::from(digit))
    });
    match value {
        Some(value) if negative => Ok(value.wrapping_neg()),
        Some(value) => Ok(value),
        None => Err(RequestError::InvalidCursor),
    }
}

/// What may stand behind the cursor.
#[derive(Clone, Copy, Debug)]
pub struct ScanOptions<'a> {
    /// About how many elements to visit; at least one.
    pub count: usize,
    /// Only what fits this; `None` for everything.
    pub pattern: Option<&'a [u8]>,
    /// Only keys of the type with this name. Always `None` where `TYPE` is no option.
    pub kind: Option<&'a [u8]>,
    /// Without the values of fields. Never so where `NOVALUES` is no option.
    pub names_only: bool,
}

/// Which options there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanOver {
    /// `SCAN`: keys have types.
    Keys,
    /// `HSCAN`: fields have values.
    Fields,
    /// `SSCAN` and `ZSCAN`: nothing but what all have.
    Elements,
}

impl<'a> ScanOptions<'a> {
    /// Reads the arguments behind the cursor.
    pub fn parse(args: Args<'a>, over: ScanOver) -> Result<ScanOptions<'a>, RequestError<'a>> {
        let mut options = ScanOptions { count: 10, pattern: None, kind: None, names_only: false };
        let mut at = 0;
        while let Some(word) = args.get(at) {
            if is_word(word, "NOVALUES") && over == ScanOver::Fields {
                options.names_only = true;
                at += 1;
                continue;
            }
            let value = args.get(at + 1).ok_or(RequestError::Syntax)?;
            if is_word(word, "COUNT") {
                let count = integer(value)?;
                if count < 1 {
                    return Err(RequestError::Syntax);
                }
                options.count = usize::try_from(count).unwrap_or(usize::MAX);
            } else if is_word(word, "MATCH") {
                options.pattern = (value != b"*").then_some(value);
            } else if is_word(word, "TYPE") && over == ScanOver::Keys {
                options.kind = Some(value);
            } else {
                return Err(RequestError::Syntax);
            }
            at += 2;
        }
        Ok(options)
    }

    /// Whether a name fits the pattern.
    pub fn takes(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, name))
    }
}

/// What one call of a scan has found.
pub(crate) struct Found {
    /// The elements, as they are answered.
    elements: Vec<u8>,
    count: usize,
}

/// Answers a scan of a value's elements: where it goes on, and what it has found. `scan` says where, and collects.
pub(crate) fn answer_scan<'a>(
    reply: &mut Reply<'_>,
    scan: impl FnOnce(&mut Found) -> Result<u64, RequestError<'a>>,
) -> Applied<'a> {
    // How many there are must be written before they are.
    let mut found = Found { elements: Vec::new(), count: 0 };
    let next = scan(&mut found)?;
    reply.array(2);
    reply.bulk(next.to_string().as_bytes());
    reply.array(found.count);
    reply.raw(&found.elements);
    Ok(())
}

impl Found {
    /// Adds one; all are bulk strings, which are the same in both versions of the protocol.
    pub(crate) fn push(&mut self, element: &[u8]) {
        Reply::new(&mut self.elements, Version::Resp2).bulk(element);
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_strtoul_reads_them() {
        for (text, expect) in
            [("0", 0), ("", 0), ("+5", 5), ("007", 7), ("-1", u64::MAX), ("18446744073709551615", u64::MAX)]
        {
            assert_eq!(parse_cursor(text.as_bytes()), Ok(expect), "{text:?}");
        }
        for text in [" 1", "1 ", "a", "-", "+", "18446744073709551616", "1.0", "--1"] {
            assert_eq!(parse_cursor(text.as_bytes()), Err(RequestError::InvalidCursor), "{text:?}");
        }
    }
}
