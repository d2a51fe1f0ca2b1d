//! What each data command does, one family a file: a request is parsed into a typed operation, which is then applied.
//!
//! Parsing refuses exactly what Redis refuses before it looks at a key; what Redis looks at later is kept as
//! text in the operation and read by `apply`, so that the same one of two possible errors is answered.
//! An operation writes its reply only when it succeeds, and changes nothing when it fails.
//! Families know `Store` and `Reply`; they know no memory layout, no protocol version, no session.

pub(crate) mod bitfield;
pub(crate) mod bitmap;
pub(crate) mod bits;
pub(crate) mod blocking;
pub(crate) mod compare;
pub(crate) mod debug;
pub(crate) mod draw;
pub(crate) mod dump;
pub(crate) mod expire;
pub(crate) mod generic;
pub(crate) mod geo;
pub(crate) mod geo_search;
pub(crate) mod hash;
pub(crate) mod hash_expire;
pub(crate) mod hyperloglog;
pub(crate) mod increx;
pub(crate) mod internal;
pub(crate) mod lcs;
pub(crate) mod list;
pub(crate) mod list_move;
pub(crate) mod object;
pub(crate) mod once;
pub(crate) mod options;
pub(crate) mod scan;
pub(crate) mod set;
pub(crate) mod set_algebra;
pub(crate) mod sort;
pub(crate) mod string;
pub(crate) mod zset;
pub(crate) mod zset_algebra;
pub(crate) mod zset_bounds;
pub(crate) mod zset_pop;
pub(crate) mod zset_range;

use base::Args;
use command::DataCommand;
use resp::Reply;

use crate::{RequestError, Store};

/// A request that was understood and waits to be carried out.
pub(crate) trait Operation<'a>: Sized {
    /// Carries it out. On an error nothing was changed and nothing written.
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Result<(), RequestError<'a>>;
}

/// What parsing gives.
pub(crate) type Parsed<'a, T> = Result<T, RequestError<'a>>;

/// What applying gives.
pub(crate) type Applied<'a> = Result<(), RequestError<'a>>;

/// The longest string there may be: Redis's `proto-max-bulk-len`.
pub(crate) const STRING_LEN_MAX: usize = 512 << 20;

/// Refuses a string of `len` and `more` bytes if that is too long.
pub(crate) fn check_string_len<'a>(len: usize, more: usize) -> Result<(), RequestError<'a>> {
    match len.checked_add(more) {
        Some(total) if total <= STRING_LEN_MAX => Ok(()),
        _ => Err(RequestError::StringTooLong),
    }
}

/// Refuses to make a collection of nothing: the arity was checked, but not here.
pub(crate) fn check_some<'a>(command: DataCommand, elements: Args<'_>) -> Result<(), RequestError<'a>> {
    if elements.is_empty() { Err(RequestError::Arity(command)) } else { Ok(()) }
}

/// Refuses what arity alone cannot: keys and values that do not pair up.
pub(crate) fn check_pairs<'a>(command: DataCommand, fields: usize) -> Result<(), RequestError<'a>> {
    if fields == 0 || !fields.is_multiple_of(2) { Err(RequestError::Arity(command)) } else { Ok(()) }
}
