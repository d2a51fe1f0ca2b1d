//! Elements drawn at random for an answer: how many, and how they are written. `HRANDFIELD` and its kin.

use base::Args;
use resp::{Reply, Version};

use super::options::{integer, is_word};
use super::{Applied, Parsed};
use crate::RequestError;

/// Most bytes of an answer that repeats elements: a stranger's count times a stranger's value.
const REPEATED_BYTES_MAX: usize = 64 << 20;

/// How many elements are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Draw {
    /// One, answered by itself.
    One,
    /// Different ones, at most this many.
    Distinct(usize),
    /// Exactly this many, each from all of them.
    Repeated(usize),
}

impl Draw {
    /// Reads what follows the key: a count, and `word` if elements are to come with what belongs to them.
    pub(crate) fn parse<'a>(args: Args<'a>, word: &str) -> Parsed<'a, (Draw, bool)> {
        let Some(count) = args.get(0) else { return Ok((Draw::One, false)) };
        let count = integer(count)?;
        if count == i64::MIN {
            return Err(RequestError::NotCount);
        }
        let in_pairs = match (args.len(), args.get(1)) {
            (_, None) => false,
            (2, Some(option)) if is_word(option, word) => true,
            _ => return Err(RequestError::Syntax),
        };
        if in_pairs && count.unsigned_abs() > i64::MAX as u64 / 2 {
            return Err(RequestError::OutOfRange);
        }
        let len = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        Ok((if count < 0 { Draw::Repeated(len) } else { Draw::Distinct(len) }, in_pairs))
    }

    /// Answers that there is nothing to draw from.
    pub(crate) fn write_none(self, reply: &mut Reply<'_>) {
        match self {
            Draw::One => reply.null(),
            Draw::Distinct(_) | Draw::Repeated(_) => reply.array(0),
        }
    }
}

/// Starts an array of `len` elements or pairs. In RESP3 each pair is an array of its own; see [`start_pair`].
pub(crate) fn start_pairs(len: usize, in_pairs: bool, reply: &mut Reply<'_>) {
    match (in_pairs, reply.version()) {
        (true, Version::Resp2) => reply.array(len.saturating_mul(2)),
        (true, Version::Resp3) | (false, _) => reply.array(len),
    }
}

/// Starts one element or pair of such an array.
pub(crate) fn start_pair(in_pairs: bool, reply: &mut Reply<'_>) {
    if in_pairs && reply.version() == Version::Resp3 {
        reply.array(2);
    }
}

/// Answers with `count` elements of which `write_one` writes each, and says no if there is none.
pub(crate) fn write_repeated<'e>(
    count: usize,
    in_pairs: bool,
    reply: &mut Reply<'_>,
    mut write_one: impl FnMut(&mut Reply<'_>) -> bool,
) -> Applied<'e> {
    // An element has at least six bytes: `$0`, its line ends, and those of its header.
    if count > REPEATED_BYTES_MAX / 6 {
        return Err(RequestError::OutOfRange);
    }
    let start = reply.mark();
    start_pairs(count, in_pairs, reply);
    for _ in 0..count {
        // Redis fills the output buffer until its limit ends the connection; this refuses instead.
        if reply.mark() - start > REPEATED_BYTES_MAX || !write_one(reply) {
            reply.rewind(start);
            return Err(RequestError::OutOfRange);
        }
    }
    Ok(())
}
