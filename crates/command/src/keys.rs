//! Which arguments of a request are keys.
//!
//! Invariant: whatever the request, an index that comes out is below its number of arguments. Does not know slots.

use base::{Args, parse_i64};

/// Arguments `first`, `first + step`, … up to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// Index of the first key, 0 if there is none: that is the command's name.
    pub first: u8,
    /// Index of the last key; negative counts from the end, -1 is the last argument.
    pub last: i8,
    /// Distance from one key to the next, at least 1.
    pub step: u8,
}

impl KeyRange {
    /// No keys.
    pub const NONE: KeyRange = KeyRange { first: 0, last: 0, step: 1 };
    /// The first argument alone.
    pub const FIRST: KeyRange = KeyRange { first: 1, last: 1, step: 1 };

    /// The last index as Redis writes it in key specs: counted from the first key, or negative from the end.
    pub fn last_from_first(self) -> i64 {
        if self.last < 0 { i64::from(self.last) } else { i64::from(self.last) - i64::from(self.first) }
    }

    /// The keys of a request with `len` arguments.
    #[inline]
    pub fn of(self, len: usize) -> KeysOf {
        let first = usize::from(self.first);
        if first == 0 {
            return KeysOf { lone: 0, next: 0, end: 0, step: 1 };
        }
        let end = if self.last < 0 {
            (len + 1).saturating_sub(usize::from(self.last.unsigned_abs()))
        } else {
            len.min(usize::from(self.last.unsigned_abs()) + 1)
        };
        KeysOf { lone: 0, next: first, end, step: usize::from(self.step) }
    }
}

/// Iterates over the indexes of a request's keys.
#[derive(Clone, Copy, Debug)]
pub struct KeysOf {
    /// Comes before all others; 0 if there is none.
    lone: usize,
    next: usize,
    end: usize,
    step: usize,
}

impl KeysOf {
    /// The one key at `index`, 0 if there is none, and then the one at `next`, 0 if there is none.
    fn one_and(index: usize, next: usize) -> KeysOf {
        KeysOf { lone: index, next, end: if next == 0 { 0 } else { next + 1 }, step: 1 }
    }
}

impl KeysOf {
    /// Whether `index` is still to come.
    pub(crate) fn contains(&self, index: usize) -> bool {
        let is_in_row =
            (self.next..self.end).contains(&index) && (index - self.next).is_multiple_of(self.step);
        is_in_row || self.lone != 0 && self.lone == index
    }
}

impl Iterator for KeysOf {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.lone != 0 {
            return Some(std::mem::take(&mut self.lone));
        }
        if self.next >= self.end {
            return None;
        }
        let index = self.next;
        self.next += self.step;
        Some(index)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end.saturating_sub(self.next).div_ceil(self.step) + usize::from(self.lone != 0);
        (left, Some(left))
    }
}

impl ExactSizeIterator for KeysOf {}

/// Keys that stand behind their number: `numkeys key [key ...]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedKeys {
    /// Index of the number; the keys follow it.
    pub count_at: u8,
    /// Index of one more key, which stands alone before them; 0 if there is none.
    pub lone: u8,
    /// Distance from one of them to the next, at least 1: 2 if each stands before its value.
    pub step: u8,
}

impl CountedKeys {
    /// The keys of a request. Of a number that is none, or that is greater than what follows, only the lone key comes.
    pub fn of(self, args: Args<'_>) -> KeysOf {
        let (count_at, lone) = (usize::from(self.count_at), usize::from(self.lone));
        let first = count_at + 1;
        let count = args.get(count_at).and_then(parse_i64).and_then(|count| usize::try_from(count).ok());
        let step = usize::from(self.step);
        let len = count.and_then(|count| count.checked_mul(step));
        let end = len.and_then(|len| first.checked_add(len)).filter(|end| *end <= args.len());
        let keys = KeysOf { lone: 0, next: first, end: end.unwrap_or(0), step };
        KeysOf { lone: if lone < args.len() { lone } else { 0 }, ..keys }
    }
}

/// A key at 1, and one behind the option `STORE` or `STOREDIST`, of which the last holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreOption {
    /// Index of the first argument that may be an option.
    pub from: u8,
}

impl StoreOption {
    /// The keys of a request.
    pub fn of(self, args: Args<'_>) -> KeysOf {
        KeysOf::one_and(if args.len() > 1 { 1 } else { 0 }, self.stored(args))
    }

    /// Index of the key to store at, 0 if there is none. Options are passed over with what belongs to them, so that a
    /// key or a pattern that reads like an option is none.
    fn stored(self, args: Args<'_>) -> usize {
        const VALUES: [(&str, usize); 6] =
            [("STORE", 1), ("STOREDIST", 1), ("COUNT", 1), ("BY", 1), ("GET", 1), ("LIMIT", 2)];
        let (mut at, mut stored) = (usize::from(self.from), 0);
        while let Some(word) = args.get(at) {
            let option = VALUES.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
            let (name, values) = option.unwrap_or_default();
            if name.starts_with("STORE") && at + 1 < args.len() {
                stored = at + 1;
            }
            at += 1 + values;
        }
        stored
    }
}

/// Keys that do not stand at places known before the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Movable {
    /// Behind their number.
    Counted(CountedKeys),
    /// The first argument and what an option names.
    Stored(StoreOption),
}

impl Movable {
    /// The keys of a request.
    pub fn of(self, args: Args<'_>) -> KeysOf {
        match self {
            Movable::Counted(counted) => counted.of(args),
            Movable::Stored(option) => option.of(args),
        }
    }
}

/// How the keys that a command treats alike are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindKeys {
    /// At these places.
    Range(KeyRange),
    /// Behind their number.
    Counted(CountedKeys),
    /// One, behind the first such word at or behind an index.
    Behind {
        /// Upper case.
        word: &'static str,
        /// Index of the first argument that may be the word.
        from: u8,
    },
    /// One, behind the option that says where to store. Redis tells clients that it is not known.
    Stored(StoreOption),
    /// Their names are made of what the first key holds: the request does not tell them.
    Content,
}

/// Keys that a command treats alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// Where they are.
    pub find: FindKeys,
    /// What happens to them.
    pub access: KeyAccess,
}

impl KeySpec {
    /// Which arguments, as far as places alone say.
    pub fn range(&self) -> Option<KeyRange> {
        match self.find {
            FindKeys::Range(range) => Some(range),
            FindKeys::Counted(_) | FindKeys::Behind { .. } | FindKeys::Stored(_) | FindKeys::Content => None,
        }
    }

    /// Indexes of these keys in a request.
    pub fn of(&self, args: Args<'_>) -> KeysOf {
        match self.find {
            FindKeys::Range(range) => range.of(args.len()),
            FindKeys::Counted(counted) => CountedKeys { lone: 0, ..counted }.of(args),
            FindKeys::Behind { word, from } => {
                let is_it = |at: &usize| args.at(*at).eq_ignore_ascii_case(word.as_bytes());
                let key = (usize::from(from)..args.len().saturating_sub(1)).find(is_it);
                KeysOf::one_and(key.map_or(0, |at| at + 1), 0)
            }
            FindKeys::Stored(option) => KeysOf::one_and(option.stored(args), 0),
            FindKeys::Content => KeysOf::one_and(0, 0),
        }
    }
}

/// What a command does to a key, in the words of `COMMAND INFO`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyAccess(u16);

impl KeyAccess {
    /// Reads the value or facts about it.
    pub const RO: KeyAccess = KeyAccess(1);
    /// Reads and changes the value.
    pub const RW: KeyAccess = KeyAccess(1 << 1);
    /// Overwrites the value without reading it.
    pub const OW: KeyAccess = KeyAccess(1 << 2);
    /// Removes the key.
    pub const RM: KeyAccess = KeyAccess(1 << 3);
    /// Returns, copies or uses the content.
    pub const ACCESS: KeyAccess = KeyAccess(1 << 4);
    /// Changes content that may be there.
    pub const UPDATE: KeyAccess = KeyAccess(1 << 5);
    /// Adds content and changes none.
    pub const INSERT: KeyAccess = KeyAccess(1 << 6);
    /// Removes content.
    pub const DELETE: KeyAccess = KeyAccess(1 << 7);
    /// A channel, placed like a key.
    pub const NOT_KEY: KeyAccess = KeyAccess(1 << 8);
    /// Depends on the arguments.
    pub const VARIABLE: KeyAccess = KeyAccess(1 << 9);

    const TEXTS: [(KeyAccess, &'static str); 10] = [
        (KeyAccess::RO, "RO"),
        (KeyAccess::RW, "RW"),
        (KeyAccess::OW, "OW"),
        (KeyAccess::RM, "RM"),
        (KeyAccess::ACCESS, "access"),
        (KeyAccess::UPDATE, "update"),
        (KeyAccess::INSERT, "insert"),
        (KeyAccess::DELETE, "delete"),
        (KeyAccess::NOT_KEY, "not_key"),
        (KeyAccess::VARIABLE, "variable_flags"),
    ];

    pub(crate) const fn bits(self) -> u16 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u16) -> KeyAccess {
        KeyAccess(bits)
    }

    /// Both.
    pub const fn and(self, other: KeyAccess) -> KeyAccess {
        KeyAccess(self.0 | other.0)
    }

    /// Whether all of `other` is here.
    pub const fn contains(self, other: KeyAccess) -> bool {
        self.0 & other.0 == other.0
    }

    /// The words of `COMMAND INFO`.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        KeyAccess::TEXTS.iter().filter(move |(flag, _)| self.contains(*flag)).map(|&(_, text)| text)
    }
}
