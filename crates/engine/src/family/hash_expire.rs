//! Deadlines of fields: the hash commands of Redis 7.4 that set and tell them, and those of 8.0 that read or write
//! fields in the same go.
//!
//! A field past its deadline is absent here as it is for every command (`HashRef::at`); entries of the log delete it. A
//! field whose new deadline has come already is deleted at once. The key goes with its last field.

use base::{Args, Millis};
use command::DataCommand;
use resp::Reply;

use super::expire::{ExpireWhen, Told};
use super::hash::{edit_hash, find_hash, seek_hash};
use super::options::{Since, Unit, integer, is_word, lifetime_option};
use super::{Applied, Operation, Parsed};
use crate::{Event, HashMut, NewDeadline, RequestError, Store};

/// The latest deadline of a field, in milliseconds: Redis keeps them in 46 bits.
const DEADLINE_MAX: i64 = (1 << 46) - 1;

/// What is told of a field that is not there, of one without deadline, and of one whose deadline stays.
const NO_FIELD: i64 = -2;
const NO_DEADLINE: i64 = -1;
const NOT_MET: i64 = 0;
/// What became of a field.
const DONE: i64 = 1;
const DELETED: i64 = 2;

/// A time as it was given.
#[derive(Clone, Copy)]
struct FieldTime<'a> {
    text: &'a [u8],
    unit: Unit,
    since: Since,
    command: DataCommand,
}

impl<'a> FieldTime<'a> {
    fn deadline(self, now: Millis) -> Result<Millis, RequestError<'a>> {
        let amount = integer(self.text)?;
        if amount < 0 {
            return Err(RequestError::NegativeFieldTime);
        }
        let millis = match self.unit {
            Unit::Seconds => amount.checked_mul(1000),
            Unit::Millis => Some(amount),
        };
        let base = match self.since {
            Since::Now => i64::try_from(now.0).ok(),
            Since::Epoch => Some(0),
        };
        let at = millis.zip(base).and_then(|(millis, base)| millis.checked_add(base));
        match at.filter(|at| *at <= DEADLINE_MAX).map(u64::try_from) {
            Some(Ok(at)) => Ok(Millis(at)),
            Some(Err(_)) | None => Err(RequestError::InvalidExpire(self.command)),
        }
    }
}

/// The fields behind `FIELDS count`, where `FIELDS` is the argument `at`; `not_positive` says what a count is not.
fn named_fields<'a>(
    args: Args<'a>,
    at: usize,
    not_positive: RequestError<'a>,
) -> Result<Args<'a>, RequestError<'a>> {
    if !is_word(args.at(at), "FIELDS") {
        return Err(RequestError::FieldsMissing);
    }
    let count = base::parse_i64(args.at(at + 1)).filter(|count| *count > 0).ok_or(not_positive)?;
    let fields = args.tail(at + 2);
    if usize::try_from(count) != Ok(fields.len()) {
        return Err(RequestError::FieldCountMismatch);
    }
    Ok(fields)
}

/// Changes the fields of a hash one by one and answers with an array of what `change` answers for each; what it says it
/// did is told. For an absent key each is answered by `absent`. The request is refused, if it is wrong, only once the type is known to be right.
fn each_field<'e>(
    store: &mut Store<'_>,
    key: &[u8],
    fields: Result<Args<'_>, RequestError<'e>>,
    reply: &mut Reply<'_>,
    absent: impl Fn(&mut Reply<'_>),
    mut change: impl FnMut(&mut HashMut<'_, '_>, &[u8], &mut Reply<'_>) -> Option<Event>,
) -> Applied<'e> {
    let now = store.now;
    let Some(mut entry) = store.find_mut(key) else {
        let fields = fields?;
        reply.array(fields.len());
        fields.iter().for_each(|_| absent(reply));
        return Ok(());
    };
    let mut hash = entry.hash_at(now).ok_or(RequestError::WrongType)?;
    let fields = fields?;
    reply.array(fields.len());
    // One request does the same to all fields.
    let event = fields.iter().fold(None, |event, field| change(&mut hash, field, reply).or(event));
    let is_empty = hash.is_empty();
    event.into_iter().for_each(|event| store.tell(event, key));
    if is_empty {
        store.remove(key);
    }
    Ok(())
}

/// `HEXPIRE`, `HPEXPIRE`, `HEXPIREAT`, `HPEXPIREAT`. All but the key stays text: Redis looks at the key first.
pub(crate) struct HExpire<'a> {
    args: Args<'a>,
    time: FieldTime<'a>,
}

impl<'a> HExpire<'a> {
    pub(crate) fn parse(
        args: Args<'a>,
        unit: Unit,
        since: Since,
        command: DataCommand,
    ) -> Parsed<'a, HExpire<'a>> {
        Ok(HExpire { args, time: FieldTime { text: args.at(2), unit, since, command } })
    }

    /// The condition, if there is one, and where `FIELDS` stands.
    fn when(&self) -> (ExpireWhen, usize) {
        let word = self.args.at(3);
        let conditions = [
            ("NX", ExpireWhen::IfNone),
            ("XX", ExpireWhen::IfSome),
            ("GT", ExpireWhen::IfLater),
            ("LT", ExpireWhen::IfEarlier),
        ];
        let found = conditions.into_iter().find(|(name, _)| is_word(word, name));
        found.map_or((ExpireWhen::Always, 3), |(_, when)| (when, 4))
    }
}

impl<'a> Operation<'a> for HExpire<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let now = store.now;
        let (when, fields_at) = self.when();
        let deadline = self.time.deadline(now);
        let fields = match deadline {
            Ok(_) => named_fields(self.args, fields_at, RequestError::FieldCountNotPositive),
            Err(error) => Err(error),
        };
        let deadline = deadline.unwrap_or_default();
        let absent = |reply: &mut Reply<'_>| reply.int(NO_FIELD);
        each_field(store, self.args.at(1), fields, reply, absent, |hash, field, reply| {
            let (answer, event) = match hash.deadline(field) {
                None => (NO_FIELD, None),
                Some(old) if !when.holds(old, deadline.0 as i64) => (NOT_MET, None),
                Some(_) if deadline <= now => {
                    hash.remove(field);
                    (DELETED, Some(Event::HDel))
                }
                Some(_) => {
                    hash.set_deadline(field, Some(deadline));
                    (DONE, Some(Event::HExpire))
                }
            };
            reply.int(answer);
            event
        })
    }
}

/// `HTTL`, `HPTTL`, `HEXPIRETIME`, `HPEXPIRETIME`. `FIELDS` and what follows stay text: Redis looks at the key first.
pub(crate) struct HTtl<'a> {
    args: Args<'a>,
    unit: Unit,
    told: Told,
}

impl<'a> HTtl<'a> {
    pub(crate) fn parse(args: Args<'a>, unit: Unit, told: Told) -> Parsed<'a, HTtl<'a>> {
        Ok(HTtl { args, unit, told })
    }
}

impl<'a> Operation<'a> for HTtl<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let now = store.now;
        let hash = find_hash(store, self.args.at(1))?;
        let fields = named_fields(self.args, 2, RequestError::FieldNumberNotPositive)?;
        reply.array(fields.len());
        for field in fields.iter() {
            reply.int(match hash.and_then(|hash| hash.deadline(field)) {
                None => NO_FIELD,
                Some(None) => NO_DEADLINE,
                Some(Some(deadline)) => {
                    let millis = match self.told {
                        Told::Remaining => deadline.since(now),
                        Told::Moment => deadline.0,
                    };
                    let amount = match self.unit {
                        Unit::Millis => millis,
                        Unit::Seconds => millis.div_ceil(1000),
                    };
                    i64::try_from(amount).unwrap_or(i64::MAX)
                }
            });
        }
        Ok(())
    }
}

/// `HPERSIST`.
pub(crate) struct HPersist<'a>(Args<'a>);

impl<'a> HPersist<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, HPersist<'a>> {
        Ok(HPersist(args))
    }
}

impl<'a> Operation<'a> for HPersist<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let fields = named_fields(self.0, 2, RequestError::FieldNumberNotPositive);
        let absent = |reply: &mut Reply<'_>| reply.int(NO_FIELD);
        each_field(store, self.0.at(1), fields, reply, absent, |hash, field, reply| {
            let (answer, event) = match hash.deadline(field) {
                None => (NO_FIELD, None),
                Some(None) => (NO_DEADLINE, None),
                Some(Some(_)) => {
                    hash.set_deadline(field, None);
                    (DONE, Some(Event::HPersist))
                }
            };
            reply.int(answer);
            event
        })
    }
}

/// `HGETDEL`.
pub(crate) struct HGetDel<'a>(Args<'a>);

impl<'a> HGetDel<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, HGetDel<'a>> {
        Ok(HGetDel(args))
    }
}

impl<'a> Operation<'a> for HGetDel<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let fields = named_fields(self.0, 2, RequestError::FieldNumberNotPositive);
        let absent = |reply: &mut Reply<'_>| reply.null();
        each_field(store, self.0.at(1), fields, reply, absent, |hash, field, reply| {
            (write_value(hash, field, reply) && hash.remove(field)).then_some(Event::HDel)
        })
    }
}

/// Writes the value of a field, or that there is none; whether there is.
fn write_value(hash: &HashMut<'_, '_>, field: &[u8], reply: &mut Reply<'_>) -> bool {
    match hash.get(field) {
        Some(value) => reply.bulk(value),
        None => reply.null(),
    }
    hash.get(field).is_some()
}

/// What becomes of a field's deadline when it is read or written.
#[derive(Clone, Copy)]
enum FieldExpiry<'a> {
    /// As the command does by itself.
    Usual,
    /// `PERSIST` of a read, `KEEPTTL` of a write.
    Opposite,
    After(FieldTime<'a>),
}

/// `HGETEX`. All but the key stays text: Redis looks at the key first.
pub(crate) struct HGetEx<'a>(Args<'a>);

impl<'a> HGetEx<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, HGetEx<'a>> {
        Ok(HGetEx(args))
    }

    /// What becomes of deadlines, and where `FIELDS` stands.
    fn expiry(&self) -> (FieldExpiry<'a>, usize) {
        let word = self.0.at(2);
        if is_word(word, "PERSIST") {
            return (FieldExpiry::Opposite, 3);
        }
        match lifetime_option(word) {
            Some((unit, since)) => {
                let time = FieldTime { text: self.0.at(3), unit, since, command: DataCommand::HGetEx };
                (FieldExpiry::After(time), 4)
            }
            None => (FieldExpiry::Usual, 2),
        }
    }
}

impl<'a> Operation<'a> for HGetEx<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let now = store.now;
        let (expiry, fields_at) = self.expiry();
        let deadline = match expiry {
            FieldExpiry::Usual => Ok(NewDeadline::Keep),
            FieldExpiry::Opposite => Ok(NewDeadline::Clear),
            FieldExpiry::After(time) => time.deadline(now).map(NewDeadline::At),
        };
        let fields = match deadline {
            Ok(_) => named_fields(self.0, fields_at, RequestError::FieldNumberNotPositive),
            Err(error) => Err(error),
        };
        let deadline = deadline.unwrap_or(NewDeadline::Keep);
        let absent = |reply: &mut Reply<'_>| reply.null();
        each_field(store, self.0.at(1), fields, reply, absent, |hash, field, reply| {
            if !write_value(hash, field, reply) {
                return None;
            }
            match deadline {
                NewDeadline::Keep => None,
                NewDeadline::Clear => {
                    let had_one = hash.deadline(field).flatten().is_some();
                    hash.set_deadline(field, None);
                    had_one.then_some(Event::HPersist)
                }
                NewDeadline::At(at) if at <= now => hash.remove(field).then_some(Event::HDel),
                NewDeadline::At(at) => {
                    hash.set_deadline(field, Some(at));
                    Some(Event::HExpire)
                }
            }
        })
    }
}

/// Under which condition `HSETEX` sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SetFieldsWhen {
    Always,
    /// `FNX`.
    NoneExists,
    /// `FXX`.
    AllExist,
}

/// `HSETEX`.
pub(crate) struct HSetEx<'a> {
    key: &'a [u8],
    when: SetFieldsWhen,
    expiry: FieldExpiry<'a>,
    /// Fields and values in turn.
    pairs: Args<'a>,
}

impl<'a> HSetEx<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, HSetEx<'a>> {
        let (mut when, mut expiry) = (SetFieldsWhen::Always, FieldExpiry::Usual);
        let mut at = 2;
        while let Some(word) = args.get(at) {
            let lifetime = lifetime_option(word);
            if is_word(word, "FIELDS") {
                let pairs = HSetEx::pairs(args, at)?;
                return Ok(HSetEx { key: args.at(1), when, expiry, pairs });
            } else if lifetime.is_some() || is_word(word, "KEEPTTL") {
                if !matches!(expiry, FieldExpiry::Usual) {
                    return Err(RequestError::FieldTimesTwice);
                }
                expiry = FieldExpiry::Opposite;
                if let Some((unit, since)) = lifetime {
                    at += 1;
                    let text = args.get(at).ok_or(RequestError::NoFieldTime)?;
                    let time = FieldTime { text, unit, since, command: DataCommand::HSetEx };
                    // What is wrong at any time is told before what follows.
                    time.deadline(Millis(0))?;
                    expiry = FieldExpiry::After(time);
                }
            } else if is_word(word, "FXX") || is_word(word, "FNX") {
                if when != SetFieldsWhen::Always {
                    return Err(RequestError::FieldConditionsTwice);
                }
                let all = is_word(word, "FXX");
                when = if all { SetFieldsWhen::AllExist } else { SetFieldsWhen::NoneExists };
            } else {
                return Err(RequestError::UnknownFieldOption(word));
            }
            at += 1;
        }
        Err(RequestError::FieldsMissing)
    }

    /// The fields and values behind `FIELDS`, which is the argument `at`.
    fn pairs(args: Args<'a>, at: usize) -> Result<Args<'a>, RequestError<'a>> {
        let pairs = args.tail(at + 2);
        if pairs.len() < 2 {
            return Err(RequestError::Arity(DataCommand::HSetEx));
        }
        let count = base::parse_i64(args.at(at + 1)).and_then(|count| i32::try_from(count).ok());
        let count = count.filter(|count| *count > 0).ok_or(RequestError::BadFieldCount)?;
        if usize::try_from(count).map(|count| count * 2) != Ok(pairs.len()) {
            return Err(RequestError::Arity(DataCommand::HSetEx));
        }
        Ok(pairs)
    }

    fn fields(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let pairs = self.pairs;
        (0..pairs.len()).step_by(2).map(move |at| pairs.at(at))
    }
}

impl<'a> Operation<'a> for HSetEx<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let now = store.now;
        let deadline = match self.expiry {
            FieldExpiry::Usual => NewDeadline::Clear,
            FieldExpiry::Opposite => NewDeadline::Keep,
            FieldExpiry::After(time) => NewDeadline::At(time.deadline(now)?),
        };
        let hash = seek_hash(store, self.key)?;
        let exists = |field| hash.is_some_and(|hash| hash.contains(field));
        let holds = match self.when {
            SetFieldsWhen::Always => true,
            SetFieldsWhen::NoneExists => !self.fields().any(exists),
            SetFieldsWhen::AllExist => self.fields().all(exists),
        };
        match deadline {
            _ if !holds => {}
            // Over before they were there.
            NewDeadline::At(at) if at <= now => {
                let is_emptied = store.find_mut(self.key).map(|mut entry| {
                    entry.hash_at(now).is_some_and(|mut hash| remove_all(&mut hash, self.fields()))
                });
                // As if all had been set before they went.
                if is_emptied.is_none() {
                    store.tell(Event::New, self.key);
                }
                store.tell(Event::HSet, self.key);
                store.tell(Event::HDel, self.key);
                match is_emptied {
                    Some(true) => {
                        store.remove(self.key);
                    }
                    Some(false) => {}
                    None => store.tell(Event::Del, self.key),
                }
            }
            deadline => {
                edit_hash(store, self.key, |hash| {
                    let pairs = self.pairs;
                    for at in (0..pairs.len()).step_by(2) {
                        hash.set_with(pairs.at(at), pairs.at(at + 1), deadline);
                    }
                    Ok(())
                })?;
                store.tell(Event::HSet, self.key);
                if let NewDeadline::At(_) = deadline {
                    store.tell(Event::HExpire, self.key);
                }
            }
        }
        reply.int(i64::from(holds));
        Ok(())
    }
}

/// Removes fields; whether none is left.
fn remove_all<'f>(hash: &mut HashMut<'_, '_>, fields: impl Iterator<Item = &'f [u8]>) -> bool {
    fields.for_each(|field| {
        hash.remove(field);
    });
    hash.is_empty()
}
