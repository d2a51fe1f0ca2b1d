//! What a key can hold, as commands see it: borrowed views, and the values they hand in.
//!
//! Knows the shapes of values and the words of `TYPE` and `OBJECT ENCODING`; knows no reply and no memory layout.

use base::{I64_TEXT_MAX, format_i64};

mod hash;
pub(crate) mod int_set;
pub(crate) mod list;
pub(crate) mod packed;
mod set;
pub(crate) mod small_hash;
pub(crate) mod small_set;
pub(crate) mod zset;

pub use hash::{Draws, Field, HashIter, HashMut, HashRef};
pub(crate) use hash::{
    Hash, Lapses, field_value as hash_field_value, from_fields as hash_from_fields,
    from_pairs as hash_from_pairs,
};
pub(crate) use list::{Chunk, List, from_elements as list_from_elements};
pub use list::{End, ListIter, ListMut, ListRef};
pub use set::{Member, SetIter, SetMut, SetRef};
pub(crate) use set::{Set, from_members as set_from_members};
pub(crate) use zset::{Score, ZSet, from_scored as zset_from_scored, order as zset_order};
pub use zset::{ZSetIter, ZSetMut, ZSetRef};

use crate::table::entry::{Body, INLINE_MAX};

/// Longest string whose encoding is `embstr`.
pub(crate) const EMBSTR_MAX: usize = 44;

/// The type of a value, as `TYPE` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes or an integer.
    String,
    /// Fields and their values.
    Hash,
    /// Members.
    Set,
    /// Elements in a row.
    List,
    /// Members with scores, in order of these.
    ZSet,
}

impl Kind {
    /// Each of them, in the order of their numbers.
    pub const ALL: [Kind; 5] = [Kind::String, Kind::Hash, Kind::Set, Kind::List, Kind::ZSet];

    /// The word that `TYPE` answers and `SCAN ... TYPE` takes.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Hash => "hash",
            Kind::Set => "set",
            Kind::List => "list",
            Kind::ZSet => "zset",
        }
    }
}

/// The form of a value, as `OBJECT ENCODING` names it. Follows the rules of Redis 7.2 whatever the real layout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A string that is a 64-bit integer.
    Int,
    /// A string of at most 44 bytes that was set whole.
    Embstr,
    /// A longer string, or one that `APPEND` or `SETRANGE` made.
    Raw,
    /// A small hash, set, list or sorted set.
    Listpack,
    /// A hash or set past the limits of the small form.
    HashTable,
    /// A small set of integers.
    IntSet,
    /// A list past the limits of the small form.
    QuickList,
    /// A sorted set past the limits of the small form.
    SkipList,
}

impl Encoding {
    /// The word that `OBJECT ENCODING` answers.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Int => "int",
            Encoding::Embstr => "embstr",
            Encoding::Raw => "raw",
            Encoding::Listpack => "listpack",
            Encoding::HashTable => "hashtable",
            Encoding::IntSet => "intset",
            Encoding::QuickList => "quicklist",
            Encoding::SkipList => "skiplist",
        }
    }
}

/// A value, borrowed from its entry.
#[derive(Clone, Copy)]
pub enum ValueRef<'a> {
    /// A string held as bytes.
    Text(&'a [u8]),
    /// A string held as a number; its text is the number's only one.
    Int(i64),
    /// A hash.
    Hash(HashRef<'a>),
    /// A set.
    Set(SetRef<'a>),
    /// A list.
    List(ListRef<'a>),
    /// A sorted set.
    ZSet(ZSetRef<'a>),
}

impl<'a> ValueRef<'a> {
    /// Its type.
    pub fn kind(self) -> Kind {
        match self {
            ValueRef::Text(_) | ValueRef::Int(_) => Kind::String,
            ValueRef::Hash(_) => Kind::Hash,
            ValueRef::Set(_) => Kind::Set,
            ValueRef::List(_) => Kind::List,
            ValueRef::ZSet(_) => Kind::ZSet,
        }
    }

    /// The bytes of a string, with `buffer` for the text of a number; `None` for any other type.
    #[inline]
    pub fn text(self, buffer: &'a mut [u8; I64_TEXT_MAX]) -> Option<&'a [u8]> {
        match self {
            ValueRef::Text(bytes) => Some(bytes),
            ValueRef::Int(number) => Some(format_i64(number, buffer)),
            ValueRef::Hash(_) | ValueRef::Set(_) | ValueRef::List(_) | ValueRef::ZSet(_) => None,
        }
    }

    /// The length of a string's text; `None` for any other type.
    pub fn text_len(self) -> Option<usize> {
        self.text(&mut [0; I64_TEXT_MAX]).map(<[u8]>::len)
    }

    /// The hash, if it is one.
    pub fn hash(self) -> Option<HashRef<'a>> {
        match self {
            ValueRef::Hash(hash) => Some(hash),
            _ => None,
        }
    }

    /// The set, if it is one.
    pub fn set(self) -> Option<SetRef<'a>> {
        match self {
            ValueRef::Set(set) => Some(set),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn list(self) -> Option<ListRef<'a>> {
        match self {
            ValueRef::List(list) => Some(list),
            _ => None,
        }
    }

    /// The sorted set, if it is one.
    pub fn zset(self) -> Option<ZSetRef<'a>> {
        match self {
            ValueRef::ZSet(zset) => Some(zset),
            _ => None,
        }
    }
}

/// A value to be stored.
#[derive(Clone, Copy, Debug)]
pub enum NewValue<'a> {
    /// A string as `SET` stores it: a number if its text is one, else bytes.
    Text(&'a [u8]),
    /// A string of bytes even if it reads as a number: what `INCRBYFLOAT` stores. Its encoding goes by its length.
    Plain(&'a [u8]),
    /// A string of bytes whose encoding is `raw` at any length: what `SETRANGE` makes.
    Raw(&'a [u8]),
    /// A string held as a number.
    Int(i64),
    /// A hash without fields. Give it some in the same command: an empty hash must not outlive one.
    EmptyHash,
    /// A set without members; as above.
    EmptySet,
    /// A list without elements; as above.
    EmptyList,
    /// A sorted set without members; as above.
    EmptyZSet,
}

/// What becomes of a key's deadline when its value is overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewDeadline {
    /// None afterwards, as plain `SET` does.
    Clear,
    /// As before, as `SET ... KEEPTTL` does.
    Keep,
    /// This one.
    At(base::Millis),
}

/// When a small form gives way to a table: Redis's settings of the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `hash-max-listpack-entries`: most fields of a small hash.
    pub hash_entries: usize,
    /// `hash-max-listpack-value`: longest field or value of a small hash.
    pub hash_value: usize,
    /// `set-max-intset-entries`: most members of a set held as numbers.
    pub set_ints: usize,
    /// `set-max-listpack-entries`: most members of a small set.
    pub set_entries: usize,
    /// `set-max-listpack-value`: longest member of a small set.
    pub set_value: usize,
    /// Most elements of a small list; see [`Limits::with_list_size`].
    pub list_entries: usize,
    /// Most bytes of a small list.
    pub list_bytes: usize,
    /// `zset-max-listpack-entries`: most members of a small sorted set.
    pub zset_entries: usize,
    /// `zset-max-listpack-value`: longest member of a small sorted set.
    pub zset_value: usize,
}

impl Limits {
    /// Redis 7.2's.
    pub const REDIS: Limits = Limits {
        hash_entries: 512,
        hash_value: 64,
        set_ints: 512,
        set_entries: 128,
        set_value: 64,
        list_entries: usize::MAX,
        list_bytes: 8 << 10,
        zset_entries: 128,
        zset_value: 64,
    };

    /// With the limits of a list that `list-max-listpack-size` says: a number of elements, which may then take 8 KiB
    /// together, or from -1 on 4, 8, 16, 32, 64 KiB of them.
    pub fn with_list_size(self, size: i64) -> Limits {
        let (list_entries, list_bytes) = match size {
            0.. => (usize::try_from(size).unwrap_or(usize::MAX).max(1), 8 << 10),
            -5..0 => (usize::MAX, (4 << 10) << (-1 - size)),
            _ => (usize::MAX, 64 << 10),
        };
        Limits { list_entries, list_bytes, ..self }
    }
}

/// The body of a string of bytes.
#[inline]
pub(crate) fn text_body(text: &[u8]) -> Body<'_> {
    if text.len() <= INLINE_MAX { Body::Text(text) } else { Body::BigText(text.to_vec()) }
}
