//! What an entry means: its value, its encoding, its size. The safe half of [`Entry`].

use base::{I64_TEXT_MAX, Millis, parse_i64};

use super::entry::{Body, Entry, Form, INLINE_MAX};
use crate::clock::{UseCounting, idle_seconds};
use crate::value::{
    EMBSTR_MAX, Encoding, HashRef, Kind, List, ListRef, NewValue, Set, SetRef, ValueRef, ZSet, ZSetRef,
    int_set, list, small_hash, text_body, zset,
};
use base::allocated;

impl Entry {
    /// A new entry, to be put under its key.
    pub fn new(key: &[u8], deadline: Option<Millis>, value: NewValue<'_>) -> Entry {
        let mut entry = Entry::build(key, deadline, body_of(value));
        if matches!(value, NewValue::Raw(_)) {
            entry.set_raw(true);
        }
        entry
    }

    /// A copy of everything under another key: what `COPY` puts elsewhere.
    pub fn with_key(&self, key: &[u8]) -> Entry {
        let body = match self.form() {
            Form::Text => Body::Text(self.inline()),
            Form::SmallHash => Body::SmallHash(self.inline()),
            Form::IntSet => Body::IntSet(self.inline()),
            Form::SmallSet => Body::SmallSet(self.inline()),
            Form::SmallList => Body::SmallList(self.inline()),
            Form::SmallZSet => Body::SmallZSet(self.inline()),
            Form::Int => Body::Int(self.int().unwrap_or_default()),
            Form::BigText => Body::BigText(self.big_text().cloned().unwrap_or_default()),
            Form::Hash => Body::Hash(Box::new(
                self.big_hash().expect("the form says that the payload is a hash").duplicate(),
            )),
            Form::Set => Body::Set(Box::new(
                self.boxed::<Set>().expect("the form says that the payload is a set").clone(),
            )),
            Form::List => Body::List(Box::new(
                self.boxed::<List>().expect("the form says that the payload is a list").clone(),
            )),
            Form::ZSet => Body::ZSet(Box::new(
                self.boxed::<ZSet>().expect("the form says that the payload is a sorted set").clone(),
            )),
        };
        self.sibling(key, body)
    }

    /// The same under another key, without copying what is boxed: what `RENAME` puts elsewhere.
    pub(crate) fn into_key(mut self, key: &[u8]) -> Entry {
        match self.form() {
            Form::Text
            | Form::SmallHash
            | Form::Int
            | Form::IntSet
            | Form::SmallSet
            | Form::SmallList
            | Form::SmallZSet => self.with_key(key),
            Form::BigText => {
                let text = self.big_text_mut().map(std::mem::take).unwrap_or_default();
                self.sibling(key, Body::BigText(text))
            }
            Form::Hash => {
                let mut new = self.sibling(key, Body::Int(0));
                let hash = self.into_boxed().expect("the form says that the payload is a hash");
                new.set_body(Body::Hash(hash));
                new.mark_volatile();
                new
            }
            Form::Set => {
                let mut new = self.sibling(key, Body::Int(0));
                let set = self.into_boxed().expect("the form says that the payload is a set");
                new.set_body(Body::Set(set));
                new
            }
            Form::List => {
                let mut new = self.sibling(key, Body::Int(0));
                let list = self.into_boxed().expect("the form says that the payload is a list");
                new.set_body(Body::List(list));
                new
            }
            Form::ZSet => {
                let mut new = self.sibling(key, Body::Int(0));
                let zset = self.into_boxed().expect("the form says that the payload is a sorted set");
                new.set_body(Body::ZSet(zset));
                new
            }
        }
    }

    /// An entry like this one but for key and value.
    fn sibling(&self, key: &[u8], body: Body<'_>) -> Entry {
        let mut entry = Entry::build(key, self.deadline(), body);
        entry.set_clock(self.clock());
        entry.set_raw(self.is_raw());
        entry.set_walk_bit(self.walk_bit());
        entry
    }

    /// Overwrites the value; key, deadline, clock and walk bit stay. In place where the block's size allows.
    #[inline]
    pub(crate) fn set_body(&mut self, body: Body<'_>) {
        match (self.form(), body) {
            (Form::Text, Body::Text(bytes))
            | (Form::SmallHash, Body::SmallHash(bytes))
            | (Form::IntSet, Body::IntSet(bytes))
            | (Form::SmallSet, Body::SmallSet(bytes))
            | (Form::SmallList, Body::SmallList(bytes))
            | (Form::SmallZSet, Body::SmallZSet(bytes)) => {
                let len = self.inline().len();
                self.splice(0, len, &[bytes]);
            }
            (Form::Int, Body::Int(number)) => {
                self.set_int(number);
            }
            (_, body) => {
                let mut new = Entry::build(self.key(), self.deadline(), body);
                new.set_clock(self.clock());
                new.set_walk_bit(self.walk_bit());
                self.replace(new);
            }
        }
        if self.is_raw() {
            self.set_raw(false);
        }
    }

    /// Whether its deadline has come, or that of all fields of a hash: it is then absent for every command.
    #[inline]
    pub fn is_lapsed(&self, now: Millis) -> bool {
        self.may_lapse() && self.is_lapsed_by(now)
    }

    fn is_lapsed_by(&self, now: Millis) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
            || self.is_volatile() && self.big_hash().is_some_and(|hash| hash.is_all_lapsed(now))
    }

    /// Whether fields of a hash have deadlines.
    #[inline]
    pub(crate) fn is_volatile(&self) -> bool {
        self.is_raw() && self.form() == Form::Hash
    }

    /// Notes whether fields of a hash have deadlines, after they changed.
    pub(crate) fn mark_volatile(&mut self) {
        let volatile = self.big_hash().is_some_and(|hash| hash.lapses.is_some());
        self.set_raw(volatile);
    }

    /// The earliest deadline of a hash's fields.
    pub(crate) fn first_lapse(&self) -> Option<Millis> {
        if self.is_volatile() { self.big_hash()?.first_lapse() } else { None }
    }

    /// Whether a field of a hash is past its deadline.
    pub(crate) fn has_lapsed_fields(&self, now: Millis) -> bool {
        self.first_lapse().is_some_and(|first| first <= now)
    }

    /// How many fields of a hash are past their deadline; far more than `max` are not counted.
    pub(crate) fn lapsed_fields(&self, now: Millis, max: usize) -> usize {
        let lapses =
            if self.is_volatile() { self.big_hash().and_then(|hash| hash.lapses.as_ref()) } else { None };
        lapses.map_or(0, |lapses| lapses.count_lapsed_to(now, max))
    }

    /// When something of it lapses next, it or a field.
    pub(crate) fn next_lapse(&self) -> Option<Millis> {
        self.deadline().into_iter().chain(self.first_lapse()).min()
    }

    /// The type of its value.
    pub fn kind(&self) -> Kind {
        match self.form() {
            Form::Text | Form::Int | Form::BigText => Kind::String,
            Form::SmallHash | Form::Hash => Kind::Hash,
            Form::IntSet | Form::SmallSet | Form::Set => Kind::Set,
            Form::SmallList | Form::List => Kind::List,
            Form::SmallZSet | Form::ZSet => Kind::ZSet,
        }
    }

    /// Its value.
    #[inline]
    pub fn value(&self) -> ValueRef<'_> {
        match self.form() {
            Form::Text => ValueRef::Text(self.inline()),
            Form::Int => ValueRef::Int(self.int().unwrap_or_default()),
            Form::BigText => ValueRef::Text(self.big_text().map(Vec::as_slice).unwrap_or_default()),
            Form::SmallHash | Form::Hash => {
                ValueRef::Hash(HashRef::of(self).expect("the form says that it is a hash"))
            }
            Form::IntSet | Form::SmallSet | Form::Set => {
                ValueRef::Set(SetRef::of(self).expect("the form says that it is a set"))
            }
            Form::SmallList | Form::List => {
                ValueRef::List(ListRef::of(self).expect("the form says that it is a list"))
            }
            Form::SmallZSet | Form::ZSet => {
                ValueRef::ZSet(ZSetRef::of(self).expect("the form says that it is a sorted set"))
            }
        }
    }

    /// The text of a string, with `buffer` for the text of a number; `None` for any other type.
    pub fn text<'b>(&'b self, buffer: &'b mut [u8; I64_TEXT_MAX]) -> Option<&'b [u8]> {
        self.value().text(buffer)
    }

    /// What `OBJECT ENCODING` answers.
    pub fn encoding(&self) -> Encoding {
        match self.form() {
            Form::Text if self.is_raw() || self.inline().len() > EMBSTR_MAX => Encoding::Raw,
            Form::Text => Encoding::Embstr,
            Form::BigText => Encoding::Raw,
            Form::Int => Encoding::Int,
            Form::SmallHash | Form::SmallSet | Form::SmallList | Form::SmallZSet => Encoding::Listpack,
            Form::Hash | Form::Set => Encoding::HashTable,
            Form::IntSet => Encoding::IntSet,
            Form::List => Encoding::QuickList,
            Form::ZSet => Encoding::SkipList,
        }
    }

    /// A string of bytes that is no longer than most are.
    #[inline]
    pub(crate) fn inline_text(&self) -> Option<&[u8]> {
        (self.form() == Form::Text).then(|| self.inline())
    }

    /// Heap bytes of this entry, its share of the table excluded.
    #[inline]
    pub fn memory(&self) -> usize {
        allocated(self.block_size())
            + match self.form() {
                Form::Text
                | Form::Int
                | Form::SmallHash
                | Form::IntSet
                | Form::SmallSet
                | Form::SmallList
                | Form::SmallZSet => 0,
                Form::BigText => self
                    .big_text()
                    .map_or(0, |text| allocated(size_of::<Vec<u8>>()) + allocated(text.capacity())),
                Form::Hash => self.big_hash().map_or(0, |hash| hash.memory()),
                Form::Set => self.boxed::<Set>().map_or(0, Set::memory),
                Form::List => self.boxed::<List>().map_or(0, List::memory),
                Form::ZSet => self.boxed::<ZSet>().map_or(0, ZSet::memory),
            }
    }

    /// Seconds since a command last looked at it, for `OBJECT IDLETIME`; means something while clocks note the time.
    /// A key that was loaded and not used since counts as used now: records do not say when it was.
    pub fn idle_seconds(&self, now: Millis) -> u64 {
        match self.clock() {
            0 => 0,
            clock => u64::from(idle_seconds(clock, now)),
        }
    }

    /// The logarithmic access counter, for `OBJECT FREQ`; means something while clocks count uses.
    pub fn frequency(&self, counting: UseCounting, now: Millis) -> u8 {
        counting.frequency(self.clock(), now)
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("key", &String::from_utf8_lossy(self.key()))
            .field("deadline", &self.deadline())
            .field("encoding", &self.encoding())
            .finish_non_exhaustive()
    }
}

/// The body that a new value takes.
#[inline]
pub(crate) fn body_of(value: NewValue<'_>) -> Body<'_> {
    match value {
        NewValue::Text(text) => match parse_i64(text) {
            Some(number) => Body::Int(number),
            None => text_body(text),
        },
        NewValue::Plain(text) | NewValue::Raw(text) => text_body(text),
        NewValue::Int(number) => Body::Int(number),
        NewValue::EmptyHash => Body::SmallHash(&small_hash::EMPTY),
        NewValue::EmptySet => Body::IntSet(&int_set::EMPTY),
        NewValue::EmptyList => Body::SmallList(&list::EMPTY),
        NewValue::EmptyZSet => Body::SmallZSet(&zset::EMPTY),
    }
}

const _: () = assert!(INLINE_MAX > EMBSTR_MAX, "an embstr lies inline");
