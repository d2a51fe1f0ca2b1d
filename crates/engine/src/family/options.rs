//! Reading arguments: numbers, words, life times.

use base::{DbIndex, Millis, parse_i64};
use command::DataCommand;

use crate::RequestError;

/// Whether an argument is this word, in any case. `word` is upper case.
#[inline]
pub(crate) fn is_word(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}

/// A 64-bit integer.
#[inline]
pub(crate) fn integer<'a>(argument: &[u8]) -> Result<i64, RequestError<'a>> {
    parse_i64(argument).ok_or(RequestError::NotInteger)
}

/// The number of a database.
pub(crate) fn db_index<'a>(argument: &[u8]) -> Result<DbIndex, RequestError<'a>> {
    let number = i32::try_from(integer(argument)?).map_err(|_| RequestError::NotInt)?;
    u8::try_from(number).ok().and_then(DbIndex::new).ok_or(RequestError::NoSuchDb)
}

/// What a time on the wire is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
}

/// What a time on the wire is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// The moment of the request.
    Now,
    /// The Unix epoch.
    Epoch,
}

/// How long a key is to live, or until when: `EX`, `PX`, `EXAT`, `PXAT`. Invariant: positive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    millis: i64,
    since: Since,
    /// Whose error it is if the end lies beyond the end of time.
    command: DataCommand,
}

impl Lifetime {
    pub(crate) fn parse<'a>(
        argument: &[u8],
        unit: Unit,
        since: Since,
        command: DataCommand,
    ) -> Result<Lifetime, RequestError<'a>> {
        let amount = integer(argument)?;
        let millis = match unit {
            Unit::Seconds => amount.checked_mul(1000),
            Unit::Millis => Some(amount),
        };
        match millis {
            Some(millis) if millis > 0 => Ok(Lifetime { millis, since, command }),
            _ => Err(RequestError::InvalidExpire(command)),
        }
    }

    /// The moment it ends; may have passed if it was given as a moment.
    pub(crate) fn deadline<'a>(self, now: Millis) -> Result<Millis, RequestError<'a>> {
        deadline(self.millis, self.since, now)
            .and_then(|at| u64::try_from(at).ok())
            .map(Millis)
            .ok_or(RequestError::InvalidExpire(self.command))
    }
}

/// The moment `millis` after `since`, which fits Redis's signed 64 bits or is `None`.
pub(crate) fn deadline(millis: i64, since: Since, now: Millis) -> Option<i64> {
    match since {
        Since::Epoch => Some(millis),
        Since::Now => millis.checked_add(i64::try_from(now.0).ok()?),
    }
}

/// One of the four options that give a life time, if `argument` is one.
pub(crate) fn lifetime_option(argument: &[u8]) -> Option<(Unit, Since)> {
    if is_word(argument, "EX") {
        Some((Unit::Seconds, Since::Now))
    } else if is_word(argument, "PX") {
        Some((Unit::Millis, Since::Now))
    } else if is_word(argument, "EXAT") {
        Some((Unit::Seconds, Since::Epoch))
    } else if is_word(argument, "PXAT") {
        Some((Unit::Millis, Since::Epoch))
    } else {
        None
    }
}

/// A life time whose amount is still text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LifetimeText<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) unit: Unit,
    pub(crate) since: Since,
}

impl LifetimeText<'_> {
    pub(crate) fn parse<'e>(self, command: DataCommand) -> Result<Lifetime, RequestError<'e>> {
        Lifetime::parse(self.text, self.unit, self.since, command)
    }
}
