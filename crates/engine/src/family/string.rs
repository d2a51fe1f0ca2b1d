//! Strings: bytes, or a number where the text is one.

use std::mem::{Discriminant, discriminant};

use base::{Args, I64_TEXT_MAX, Millis};
use command::DataCommand;
use resp::Reply;

use super::compare::Compare;
use super::options::{Lifetime, Since, Unit};
use super::options::{LifetimeText, integer, is_word, lifetime_option};
use super::{Applied, Operation, Parsed, check_pairs, check_string_len};
use crate::extended::Extended;
use crate::{Entry, Event, NewDeadline, NewValue, RequestError, Store, ValueRef};

/// Writes a string; refuses any other type.
#[inline]
fn write_text<'e>(entry: &Entry, reply: &mut Reply<'_>) -> Applied<'e> {
    // What nearly all are, before the general question.
    if let Some(text) = entry.inline_text() {
        reply.bulk(text);
        return Ok(());
    }
    match entry.value() {
        ValueRef::Text(text) => reply.bulk(text),
        ValueRef::Int(number) => reply.bulk_int(number),
        ValueRef::Hash(_) | ValueRef::Set(_) | ValueRef::List(_) | ValueRef::ZSet(_) => {
            return Err(RequestError::WrongType);
        }
    }
    Ok(())
}

/// Refuses anything but a string.
#[inline]
fn check_string<'e>(entry: &Entry) -> Applied<'e> {
    match entry.value() {
        ValueRef::Text(_) | ValueRef::Int(_) => Ok(()),
        ValueRef::Hash(_) | ValueRef::Set(_) | ValueRef::List(_) | ValueRef::ZSet(_) => {
            Err(RequestError::WrongType)
        }
    }
}

/// Sets a key and tells so.
#[inline]
pub(super) fn set(store: &mut Store<'_>, key: &[u8], value: NewValue<'_>, deadline: NewDeadline) {
    store.set(key, value, deadline);
    tell_set(store, key, deadline);
}

/// Tells that a string was set, with a deadline or without.
#[inline]
fn tell_set(store: &mut Store<'_>, key: &[u8], deadline: NewDeadline) {
    store.tell(Event::Set, key);
    if let NewDeadline::At(_) = deadline {
        store.tell(Event::Expire, key);
    }
}

/// Takes back what was just set with a deadline that has come already.
pub(super) fn lapse(store: &mut Store<'_>, key: &[u8]) {
    store.tell(Event::Expire, key);
    store.remove_as(Event::Expired, key);
}

/// `GET`.
pub(crate) struct Get<'a>(&'a [u8]);

impl<'a> Get<'a> {
    #[inline]
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, Get<'a>> {
        Ok(Get(args.at(1)))
    }
}

impl<'a> Operation<'a> for Get<'a> {
    #[inline]
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        match store.find(self.0) {
            Some(entry) => write_text(entry, reply),
            None => {
                reply.null();
                Ok(())
            }
        }
    }
}

/// On which keys `SET` acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetWhen<'a> {
    Always,
    IfAbsent,
    IfPresent,
    If(Compare<'a>),
}

impl<'a> SetWhen<'a> {
    pub(super) fn holds<'e>(self, entry: Option<&Entry>) -> Result<bool, RequestError<'e>> {
        match self {
            SetWhen::Always => Ok(true),
            SetWhen::IfAbsent => Ok(entry.is_none()),
            SetWhen::IfPresent => Ok(entry.is_some()),
            SetWhen::If(compare) => compare.holds(entry),
        }
    }

    /// Puts another condition in the place of this one, which must be none or of the same kind.
    fn become_one(&mut self, other: SetWhen<'a>) -> Result<(), RequestError<'a>> {
        fn kind<'w>(when: &SetWhen<'w>) -> (Discriminant<SetWhen<'w>>, Option<Discriminant<Compare<'w>>>) {
            match when {
                SetWhen::If(compare) => (discriminant(when), Some(discriminant(compare))),
                when => (discriminant(when), None),
            }
        }
        if *self != SetWhen::Always && kind(self) != kind(&other) {
            return Err(RequestError::Syntax);
        }
        *self = other;
        Ok(())
    }
}

/// What `SET` makes of the deadline.
#[derive(Clone, Copy, Debug)]
pub(super) enum SetExpiry {
    Never,
    Keep,
    After(Lifetime),
}

impl SetExpiry {
    pub(super) fn deadline<'e>(self, now: Millis) -> Result<NewDeadline, RequestError<'e>> {
        Ok(match self {
            SetExpiry::Never => NewDeadline::Clear,
            SetExpiry::Keep => NewDeadline::Keep,
            SetExpiry::After(lifetime) => NewDeadline::At(lifetime.deadline(now)?),
        })
    }
}

/// What the options of `SET` say together.
pub(super) struct SetOptions<'a> {
    pub(super) when: SetWhen<'a>,
    pub(super) expiry: SetExpiry,
    /// `GET`.
    pub(super) get: bool,
}

/// Reads options. One may be repeated, the last of its kind counts; different ones of a kind exclude each other.
pub(super) fn read_options<'a>(
    options: Args<'a>,
    command: DataCommand,
) -> Result<SetOptions<'a>, RequestError<'a>> {
    let mut when = SetWhen::Always;
    let mut lifetime: Option<LifetimeText<'a>> = None;
    let (mut keep, mut get) = (false, false);
    let mut at = 0;
    while let Some(word) = options.get(at) {
        at += 1;
        let compare = options.get(at).and_then(|operand| Compare::of(word, operand));
        if is_word(word, "NX") {
            when.become_one(SetWhen::IfAbsent)?;
        } else if is_word(word, "XX") {
            when.become_one(SetWhen::IfPresent)?;
        } else if let Some(compare) = compare {
            when.become_one(SetWhen::If(compare))?;
            at += 1;
        } else if is_word(word, "GET") {
            get = true;
        } else if is_word(word, "KEEPTTL") && lifetime.is_none() {
            keep = true;
        } else {
            lifetime = Some(read_lifetime(word, options.get(at), lifetime, keep)?);
            at += 1;
        }
    }
    let expiry = match lifetime {
        Some(text) => SetExpiry::After(text.parse(command)?),
        None if keep => SetExpiry::Keep,
        None => SetExpiry::Never,
    };
    Ok(SetOptions { when, expiry, get })
}

/// What `SET` and its kin answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SetAnswer {
    /// `OK`, or nothing if the condition failed.
    Status,
    /// The value before, whatever was done.
    Old,
    /// One or zero.
    Number,
}

/// `SET` without options.
pub(crate) struct SetPlainly<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

impl<'a> SetPlainly<'a> {
    #[inline]
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, SetPlainly<'a>> {
        Ok(SetPlainly { key: args.at(1), value: args.at(2) })
    }
}

impl<'a> Operation<'a> for SetPlainly<'a> {
    #[inline]
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        set(store, self.key, NewValue::Text(self.value), NewDeadline::Clear);
        reply.ok();
        Ok(())
    }
}

/// `SET`, `SETNX`, `SETEX`, `PSETEX`, `GETSET`.
pub(crate) struct Set<'a> {
    key: &'a [u8],
    value: &'a [u8],
    when: SetWhen<'a>,
    expiry: SetExpiry,
    answer: SetAnswer,
}

impl<'a> Set<'a> {
    /// `SET`.
    #[inline]
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, Set<'a>> {
        let mut set = Set::plain(args.at(1), args.at(2));
        if args.len() > 3 {
            let SetOptions { when, expiry, get } = read_options(args.tail(3), DataCommand::Set)?;
            set = Set { when, expiry, ..set };
            if get {
                set.answer = SetAnswer::Old;
            }
        }
        Ok(set)
    }

    #[inline]
    fn plain(key: &'a [u8], value: &'a [u8]) -> Set<'a> {
        Set { key, value, when: SetWhen::Always, expiry: SetExpiry::Never, answer: SetAnswer::Status }
    }

    /// `SETNX`.
    pub(crate) fn if_absent(args: Args<'a>) -> Parsed<'a, Set<'a>> {
        let plain = Set::plain(args.at(1), args.at(2));
        Ok(Set { when: SetWhen::IfAbsent, answer: SetAnswer::Number, ..plain })
    }

    /// `SETEX`, `PSETEX`.
    pub(crate) fn with_lifetime(args: Args<'a>, unit: Unit, command: DataCommand) -> Parsed<'a, Set<'a>> {
        let lifetime = Lifetime::parse(args.at(2), unit, Since::Now, command)?;
        let plain = Set::plain(args.at(1), args.at(3));
        Ok(Set { expiry: SetExpiry::After(lifetime), ..plain })
    }

    /// `GETSET`.
    pub(crate) fn and_get(args: Args<'a>) -> Parsed<'a, Set<'a>> {
        let plain = Set::plain(args.at(1), args.at(2));
        Ok(Set { answer: SetAnswer::Old, ..plain })
    }

    /// Looks before it sets.
    fn apply_conditional(
        self,
        store: &mut Store<'_>,
        reply: &mut Reply<'_>,
        deadline: NewDeadline,
    ) -> Applied<'a> {
        if self.answer == SetAnswer::Old {
            store.tell_miss(self.key);
        }
        let found = store.find_mut(self.key);
        let holds = self.when.holds(found.as_deref())?;
        if self.answer == SetAnswer::Old {
            match &found {
                Some(entry) => write_text(entry, reply)?,
                None => reply.null(),
            }
        }
        if holds {
            match found {
                Some(mut entry) => entry.set(NewValue::Text(self.value), deadline),
                None => store.set(self.key, NewValue::Text(self.value), deadline),
            }
            tell_set(store, self.key, deadline);
        }
        match (self.answer, holds) {
            (SetAnswer::Old, _) => {}
            (SetAnswer::Number, holds) => reply.int(i64::from(holds)),
            (SetAnswer::Status, true) => reply.ok(),
            (SetAnswer::Status, false) => reply.null(),
        }
        Ok(())
    }
}

/// One of `EX PX EXAT PXAT` with its amount, given what came before.
fn read_lifetime<'a>(
    word: &'a [u8],
    text: Option<&'a [u8]>,
    before: Option<LifetimeText<'a>>,
    excluded: bool,
) -> Result<LifetimeText<'a>, RequestError<'a>> {
    let (Some((unit, since)), Some(text), false) = (lifetime_option(word), text, excluded) else {
        return Err(RequestError::Syntax);
    };
    match before {
        Some(before) if (before.unit, before.since) != (unit, since) => Err(RequestError::Syntax),
        _ => Ok(LifetimeText { text, unit, since }),
    }
}

impl<'a> Operation<'a> for Set<'a> {
    #[inline]
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let deadline = self.expiry.deadline(store.now)?;
        match (self.when, self.answer, deadline) {
            // Already over: the key is as if it had been set and had lapsed. Nothing lapsed is ever stored.
            (_, _, NewDeadline::At(at)) if at <= store.now => {
                let key = self.key;
                let holds = self.when.holds(store.seek(key))?;
                self.apply_conditional(store, reply, NewDeadline::Clear)?;
                if holds {
                    lapse(store, key);
                }
                Ok(())
            }
            (SetWhen::Always, SetAnswer::Status, deadline) => {
                set(store, self.key, NewValue::Text(self.value), deadline);
                reply.ok();
                Ok(())
            }
            (_, _, deadline) => self.apply_conditional(store, reply, deadline),
        }
    }
}

/// What `GETEX` makes of the deadline.
#[derive(Clone, Copy, Debug)]
enum GetExpiry<'a> {
    Leave,
    Persist,
    /// Read only if the key is there, as Redis does.
    After(LifetimeText<'a>),
}

/// `GETEX`.
pub(crate) struct GetEx<'a> {
    key: &'a [u8],
    expiry: GetExpiry<'a>,
}

impl<'a> GetEx<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, GetEx<'a>> {
        let mut lifetime = None;
        let mut persist = false;
        let mut at = 2;
        while let Some(word) = args.get(at) {
            at += 1;
            if is_word(word, "PERSIST") && lifetime.is_none() {
                persist = true;
            } else {
                lifetime = Some(read_lifetime(word, args.get(at), lifetime, persist)?);
                at += 1;
            }
        }
        let expiry = match lifetime {
            Some(text) => GetExpiry::After(text),
            None if persist => GetExpiry::Persist,
            None => GetExpiry::Leave,
        };
        Ok(GetEx { key: args.at(1), expiry })
    }
}

impl<'a> Operation<'a> for GetEx<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let now = store.now;
        store.tell_miss(self.key);
        let Some(mut entry) = store.find_mut(self.key) else {
            reply.null();
            return Ok(());
        };
        check_string(&entry)?;
        let deadline = match self.expiry {
            GetExpiry::Leave => entry.deadline(),
            GetExpiry::Persist => None,
            GetExpiry::After(text) => Some(text.parse(DataCommand::GetEx)?.deadline(now)?),
        };
        write_text(&entry, reply)?;
        match (self.expiry, deadline) {
            (GetExpiry::Leave, _) => {}
            (GetExpiry::Persist, _) if entry.deadline().is_none() => {}
            (_, Some(at)) if at <= now => {
                store.remove(self.key);
            }
            (_, deadline) => {
                entry.set_deadline(deadline);
                store.tell(deadline.map_or(Event::Persist, |_| Event::Expire), self.key);
            }
        }
        Ok(())
    }
}

/// `GETDEL`.
pub(crate) struct GetDel<'a>(&'a [u8]);

impl<'a> GetDel<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, GetDel<'a>> {
        Ok(GetDel(args.at(1)))
    }
}

impl<'a> Operation<'a> for GetDel<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        match store.find(self.0) {
            Some(entry) => write_text(entry, reply)?,
            None => {
                reply.null();
                return Ok(());
            }
        }
        store.remove(self.0);
        Ok(())
    }
}

/// `MGET`.
pub(crate) struct MGet<'a>(Args<'a>);

impl<'a> MGet<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, MGet<'a>> {
        Ok(MGet(args.tail(1)))
    }
}

impl<'a> Operation<'a> for MGet<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        reply.array(self.0.len());
        for key in self.0.iter() {
            // Any other type counts as absent.
            if store.find(key).is_none_or(|entry| write_text(entry, reply).is_err()) {
                reply.null();
            }
        }
        Ok(())
    }
}

/// `MSET`, `MSETNX`.
pub(crate) struct MSet<'a> {
    pairs: Args<'a>,
    only_if_none_exists: bool,
}

impl<'a> MSet<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, MSet<'a>> {
        check_pairs(DataCommand::MSet, args.len().saturating_sub(1))?;
        Ok(MSet { pairs: args.tail(1), only_if_none_exists: false })
    }

    /// `MSETNX`.
    pub(crate) fn if_absent(args: Args<'a>) -> Parsed<'a, MSet<'a>> {
        check_pairs(DataCommand::MSetNx, args.len().saturating_sub(1))?;
        Ok(MSet { pairs: args.tail(1), only_if_none_exists: true })
    }
}

impl<'a> Operation<'a> for MSet<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let keys = (0..self.pairs.len()).step_by(2);
        if self.only_if_none_exists && keys.clone().any(|at| store.contains(self.pairs.at(at))) {
            reply.int(0);
            return Ok(());
        }
        for at in keys {
            set(store, self.pairs.at(at), NewValue::Text(self.pairs.at(at + 1)), NewDeadline::Clear);
        }
        if self.only_if_none_exists {
            reply.int(1)
        } else {
            reply.ok()
        }
        Ok(())
    }
}

/// `STRLEN`.
pub(crate) struct StrLen<'a>(&'a [u8]);

impl<'a> StrLen<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, StrLen<'a>> {
        Ok(StrLen(args.at(1)))
    }
}

impl<'a> Operation<'a> for StrLen<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let len = match store.find(self.0) {
            Some(entry) => entry.value().text_len().ok_or(RequestError::WrongType)?,
            None => 0,
        };
        reply.len_int(len);
        Ok(())
    }
}

/// `APPEND`.
pub(crate) struct Append<'a> {
    key: &'a [u8],
    tail: &'a [u8],
}

impl<'a> Append<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, Append<'a>> {
        Ok(Append { key: args.at(1), tail: args.at(2) })
    }
}

impl<'a> Operation<'a> for Append<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let len = match store.find_mut(self.key) {
            Some(mut entry) => {
                let len = entry.value().text_len().ok_or(RequestError::WrongType)?;
                check_string_len(len, self.tail.len())?;
                entry.append(self.tail)
            }
            None => {
                store.insert(self.key, NewValue::Text(self.tail), None);
                self.tail.len()
            }
        };
        store.tell(Event::Append, self.key);
        reply.len_int(len);
        Ok(())
    }
}

/// `SETRANGE`.
pub(crate) struct SetRange<'a> {
    key: &'a [u8],
    offset: usize,
    patch: &'a [u8],
}

impl<'a> SetRange<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, SetRange<'a>> {
        let offset = usize::try_from(integer(args.at(2))?).map_err(|_| RequestError::NegativeOffset)?;
        Ok(SetRange { key: args.at(1), offset, patch: args.at(3) })
    }
}

impl<'a> Operation<'a> for SetRange<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let found = store.find_mut(self.key);
        let len = match &found {
            Some(entry) => entry.value().text_len().ok_or(RequestError::WrongType)?,
            None => 0,
        };
        // Nothing to write: not even the length is looked at.
        if self.patch.is_empty() {
            reply.len_int(len);
            return Ok(());
        }
        check_string_len(self.offset, self.patch.len())?;
        let len = match found {
            Some(mut entry) => entry.set_range(self.offset, self.patch),
            None => {
                let mut text = vec![0; self.offset + self.patch.len()];
                text[self.offset..].copy_from_slice(self.patch);
                store.insert(self.key, NewValue::Raw(&text), None);
                text.len()
            }
        };
        store.tell(Event::SetRange, self.key);
        reply.len_int(len);
        Ok(())
    }
}

/// `GETRANGE`, `SUBSTR`.
pub(crate) struct GetRange<'a> {
    key: &'a [u8],
    first: i64,
    last: i64,
}

impl<'a> GetRange<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, GetRange<'a>> {
        Ok(GetRange { key: args.at(1), first: integer(args.at(2))?, last: integer(args.at(3))? })
    }
}

impl<'a> Operation<'a> for GetRange<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let mut buffer = [0; I64_TEXT_MAX];
        let text = match store.find(self.key) {
            Some(entry) => entry.text(&mut buffer).ok_or(RequestError::WrongType)?,
            None => b"",
        };
        reply.bulk(slice(text, self.first, self.last));
        Ok(())
    }
}

/// The bytes from `first` to `last`, both included; negative ones count from the end. Before the start is the
/// start, so that `0 -100` gives the first byte, except that a range wholly written backwards is empty.
fn slice(text: &[u8], first: i64, last: i64) -> &[u8] {
    if text.is_empty() || (first < 0 && last < 0 && first > last) {
        return b"";
    }
    let len = text.len() as i64;
    let from_start = |at: i64| if at < 0 { at.saturating_add(len).max(0) } else { at };
    let (first, last) = (from_start(first), from_start(last).min(len - 1));
    // Both are at least zero and `last` is below the length, so the casts keep their values.
    if first > last { b"" } else { &text[first as usize..=last as usize] }
}

/// `INCR`, `DECR`, `INCRBY`, `DECRBY`.
pub(crate) struct IncrBy<'a> {
    key: &'a [u8],
    amount: i64,
}

impl<'a> IncrBy<'a> {
    /// `INCR`, `DECR`.
    #[inline]
    pub(crate) fn fixed(args: Args<'a>, amount: i64) -> Parsed<'a, IncrBy<'a>> {
        Ok(IncrBy { key: args.at(1), amount })
    }

    /// `INCRBY`.
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, IncrBy<'a>> {
        Ok(IncrBy { key: args.at(1), amount: integer(args.at(2))? })
    }

    /// `DECRBY`.
    pub(crate) fn negated(args: Args<'a>) -> Parsed<'a, IncrBy<'a>> {
        let amount = integer(args.at(2))?.checked_neg().ok_or(RequestError::DecrementOverflow)?;
        Ok(IncrBy { key: args.at(1), amount })
    }
}

impl<'a> Operation<'a> for IncrBy<'a> {
    #[inline]
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let sum = match store.find_mut(self.key) {
            Some(mut entry) => {
                let before = match entry.value() {
                    ValueRef::Int(number) => number,
                    ValueRef::Text(text) => integer(text)?,
                    ValueRef::Hash(_) | ValueRef::Set(_) | ValueRef::List(_) | ValueRef::ZSet(_) => {
                        return Err(RequestError::WrongType);
                    }
                };
                let sum = before.checked_add(self.amount).ok_or(RequestError::Overflow)?;
                entry.set_int(sum);
                sum
            }
            None => {
                store.insert(self.key, NewValue::Int(self.amount), None);
                self.amount
            }
        };
        store.tell(Event::IncrBy, self.key);
        reply.int(sum);
        Ok(())
    }
}

/// `INCRBYFLOAT`. The increment stays text: Redis looks at the key first.
pub(crate) struct IncrByFloat<'a> {
    key: &'a [u8],
    amount: &'a [u8],
}

impl<'a> IncrByFloat<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, IncrByFloat<'a>> {
        Ok(IncrByFloat { key: args.at(1), amount: args.at(2) })
    }
}

impl<'a> Operation<'a> for IncrByFloat<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let found = store.find_mut(self.key);
        let mut buffer = [0; I64_TEXT_MAX];
        let before = match &found {
            Some(entry) => entry.text(&mut buffer).ok_or(RequestError::WrongType)?,
            None => b"0",
        };
        let before = Extended::parse(before).ok_or(RequestError::NotFloat)?;
        let amount = Extended::parse(self.amount).ok_or(RequestError::NotFloat)?;
        let sum = before.plus(amount).filter(|sum| sum.is_finite()).ok_or(RequestError::InfiniteSum)?.text();
        match found {
            Some(mut entry) => entry.set(NewValue::Plain(&sum), NewDeadline::Keep),
            None => {
                store.insert(self.key, NewValue::Plain(&sum), None);
            }
        }
        store.tell(Event::IncrByFloat, self.key);
        reply.bulk(&sum);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::slice;

    #[test]
    fn ranges_are_cut_as_redis_cuts_them() {
        for (first, last, expect) in [
            (0, 2, "abc"),
            (0, -1, "abcd"),
            (-2, -1, "cd"),
            (1, 100, "bcd"),
            (5, 10, ""),
            (2, 1, ""),
            (0, -100, "a"),
            (-1, -100, ""),
            (-100, -100, "a"),
            (-100, 1, "ab"),
            (i64::MIN, i64::MAX, "abcd"),
        ] {
            assert_eq!(String::from_utf8_lossy(slice(b"abcd", first, last)), expect, "{first} {last}");
        }
        assert_eq!(slice(b"", 0, -1), b"");
    }
}
