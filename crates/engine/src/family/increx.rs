//! `INCREX`: adds to a number within bounds, sets its deadline, and answers what came of it and what was added.
//!
//! What would leave the bounds changes nothing and is answered as an increment of zero, or stops at the bound if the
//! request says so (`SATURATE`). Whole numbers have the limits of 64 bits, others those of [`Extended`].

use std::cmp::Ordering;

use base::{Args, I64_TEXT_MAX, Millis, parse_i64};
use command::DataCommand;
use resp::Reply;

use super::options::{Lifetime, LifetimeText, is_word, lifetime_option};
use super::{Applied, Operation, Parsed};
use crate::extended::Extended;
use crate::{Entry, Event, NewDeadline, NewValue, RequestError, Store};

/// A number of the kind that the request counts in, and what can be done with it.
trait Number: Copy {
    const EVENT: Event;
    /// What is read of a key that is not there.
    const ZERO: Self;

    fn read<'e>(entry: &Entry) -> Result<Self, RequestError<'e>>;
    /// `None` beyond the limits of the kind.
    fn plus(self, other: Self) -> Option<Self>;
    fn minus(self, other: Self) -> Option<Self>;
    fn order(self, other: Self) -> Ordering;
    fn is_negative(self) -> bool;
    fn write(self, reply: &mut Reply<'_>);
    fn put(self, store: &mut Store<'_>, key: &[u8]);
    /// The end of the kind, low or high.
    fn limit(is_low: bool) -> Self;
    /// What is said when the difference to the bound is beyond the limits of the kind.
    fn refusal<'e>() -> RequestError<'e>;
}

impl Number for i64 {
    const EVENT: Event = Event::IncrBy;
    const ZERO: i64 = 0;

    fn read<'e>(entry: &Entry) -> Result<i64, RequestError<'e>> {
        let mut buffer = [0; I64_TEXT_MAX];
        let text = entry.text(&mut buffer).ok_or(RequestError::WrongType)?;
        parse_i64(text).ok_or(RequestError::NotInteger)
    }

    fn plus(self, other: i64) -> Option<i64> {
        self.checked_add(other)
    }

    fn minus(self, other: i64) -> Option<i64> {
        self.checked_sub(other)
    }

    fn order(self, other: i64) -> Ordering {
        self.cmp(&other)
    }

    fn is_negative(self) -> bool {
        self < 0
    }

    fn write(self, reply: &mut Reply<'_>) {
        reply.int(self);
    }

    fn put(self, store: &mut Store<'_>, key: &[u8]) {
        match store.find_mut(key) {
            Some(mut entry) => entry.set_int(self),
            None => {
                store.insert(key, NewValue::Int(self), None);
            }
        }
    }

    fn limit(is_low: bool) -> i64 {
        if is_low { i64::MIN } else { i64::MAX }
    }

    fn refusal<'e>() -> RequestError<'e> {
        RequestError::AppliedOverflow
    }
}

impl Number for Extended {
    const EVENT: Event = Event::IncrByFloat;
    const ZERO: Extended = Extended::ZERO;

    fn read<'e>(entry: &Entry) -> Result<Extended, RequestError<'e>> {
        let mut buffer = [0; I64_TEXT_MAX];
        let text = entry.text(&mut buffer).ok_or(RequestError::WrongType)?;
        let number = Extended::parse(text).ok_or(RequestError::NotFloat)?;
        if number.is_finite() { Ok(number) } else { Err(RequestError::InfiniteValue) }
    }

    fn plus(self, other: Extended) -> Option<Extended> {
        Extended::plus(self, other).filter(|sum| sum.is_finite())
    }

    fn minus(self, other: Extended) -> Option<Extended> {
        Number::plus(self, other.negated())
    }

    fn order(self, other: Extended) -> Ordering {
        Extended::order(self, other)
    }

    fn is_negative(self) -> bool {
        Extended::order(self, Extended::ZERO) == Ordering::Less
    }

    fn write(self, reply: &mut Reply<'_>) {
        reply.double_text(&self.text());
    }

    fn put(self, store: &mut Store<'_>, key: &[u8]) {
        let text = self.text();
        match store.find_mut(key) {
            Some(mut entry) => entry.set(NewValue::Plain(&text), NewDeadline::Keep),
            None => {
                store.insert(key, NewValue::Plain(&text), None);
            }
        }
    }

    fn limit(is_low: bool) -> Extended {
        if is_low { Extended::MAX.negated() } else { Extended::MAX }
    }

    fn refusal<'e>() -> RequestError<'e> {
        RequestError::AppliedInfinity
    }
}

/// How much is added, and between which bounds the sum must lie; a bound that is not given is the limit of the kind.
#[derive(Clone, Copy)]
struct Step<N> {
    amount: N,
    least: Option<N>,
    most: Option<N>,
}

impl<N: Number> Step<N> {
    fn checked<'e>(self) -> Result<Step<N>, RequestError<'e>> {
        match (self.least, self.most) {
            (Some(least), Some(most)) if least.order(most) == Ordering::Greater => {
                Err(RequestError::BoundsCross)
            }
            _ => Ok(self),
        }
    }
}

/// What a request counts in.
#[derive(Clone, Copy)]
enum Counting {
    Whole(Step<i64>),
    Fractions(Step<Extended>),
}

/// What becomes of the deadline.
#[derive(Clone, Copy)]
enum Expiry {
    Keep,
    Persist,
    At(Lifetime),
    /// Only if there is none yet.
    AtIfNone(Lifetime),
}

/// `INCREX`.
pub(crate) struct IncrEx<'a> {
    key: &'a [u8],
    counting: Counting,
    saturates: bool,
    expiry: Expiry,
}

/// The options as they stand in the request, none twice.
#[derive(Default)]
struct Words<'a> {
    whole: Option<&'a [u8]>,
    fraction: Option<&'a [u8]>,
    least: Option<&'a [u8]>,
    most: Option<&'a [u8]>,
    lifetime: Option<LifetimeText<'a>>,
    saturate: bool,
    persist: bool,
    only_if_none: bool,
}

impl<'a> Words<'a> {
    fn read(options: Args<'a>) -> Parsed<'a, Words<'a>> {
        let mut words = Words::default();
        let mut at = 0;
        while let Some(word) = options.get(at) {
            let flag = [
                ("SATURATE", &mut words.saturate),
                ("PERSIST", &mut words.persist),
                ("ENX", &mut words.only_if_none),
            ]
            .into_iter()
            .find_map(|(name, flag)| is_word(word, name).then_some(flag));
            if let Some(flag) = flag {
                if std::mem::replace(flag, true) {
                    return Err(RequestError::Syntax);
                }
                at += 1;
                continue;
            }
            let text = options.get(at + 1).ok_or(RequestError::Syntax)?;
            let place = match word {
                _ if is_word(word, "BYINT") => &mut words.whole,
                _ if is_word(word, "BYFLOAT") => &mut words.fraction,
                _ if is_word(word, "LBOUND") => &mut words.least,
                _ if is_word(word, "UBOUND") => &mut words.most,
                _ => {
                    let (unit, since) = lifetime_option(word).ok_or(RequestError::Syntax)?;
                    if words.lifetime.replace(LifetimeText { text, unit, since }).is_some() {
                        return Err(RequestError::Syntax);
                    }
                    at += 2;
                    continue;
                }
            };
            if place.replace(text).is_some() {
                return Err(RequestError::Syntax);
            }
            at += 2;
        }
        let clash = words.whole.is_some() && words.fraction.is_some()
            || words.persist && (words.only_if_none || words.lifetime.is_some());
        if clash { Err(RequestError::Syntax) } else { Ok(words) }
    }

    fn counting(&self) -> Parsed<'a, Counting> {
        if let Some(text) = self.fraction {
            let number = |text, (what, which)| {
                let number = Extended::parse(text).ok_or(RequestError::NotFloatOf(what))?;
                if number.is_finite() { Ok(number) } else { Err(RequestError::InfinityOf(which)) }
            };
            let amount = number(text, ("Increment", "BYFLOAT increment"))?;
            let least = self.least.map(|text| number(text, ("LBOUND", "LBOUND"))).transpose()?;
            let most = self.most.map(|text| number(text, ("UBOUND", "UBOUND"))).transpose()?;
            return Ok(Counting::Fractions(Step { amount, least, most }.checked()?));
        }
        let number = |text, what| parse_i64(text).ok_or(RequestError::NotIntegerOf(what));
        let amount = self.whole.map_or(Ok(1), |text| number(text, "Increment"))?;
        let least = self.least.map(|text| number(text, "LBOUND")).transpose()?;
        let most = self.most.map(|text| number(text, "UBOUND")).transpose()?;
        Ok(Counting::Whole(Step { amount, least, most }.checked()?))
    }

    fn expiry(&self) -> Parsed<'a, Expiry> {
        let lifetime = self.lifetime.map(|text| text.parse(DataCommand::IncrEx)).transpose()?;
        match (lifetime, self.only_if_none) {
            (Some(lifetime), true) => Ok(Expiry::AtIfNone(lifetime)),
            (Some(lifetime), false) => Ok(Expiry::At(lifetime)),
            (None, true) => Err(RequestError::EnxWithoutTime),
            (None, false) => Ok(if self.persist { Expiry::Persist } else { Expiry::Keep }),
        }
    }
}

impl<'a> IncrEx<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, IncrEx<'a>> {
        let words = Words::read(args.tail(2))?;
        let (expiry, counting) = (words.expiry()?, words.counting()?);
        Ok(IncrEx { key: args.at(1), counting, saturates: words.saturate, expiry })
    }

    fn run<N: Number>(&self, step: Step<N>, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let new_deadline = match self.expiry {
            Expiry::At(lifetime) | Expiry::AtIfNone(lifetime) => Some(lifetime.deadline(store.now)?),
            Expiry::Keep | Expiry::Persist => None,
        };
        let (before, had_deadline) = match store.seek(self.key) {
            Some(entry) => (N::read(entry)?, entry.deadline().is_some()),
            None => (N::ZERO, false),
        };
        let sum = before.plus(step.amount);
        let is_below = |sum: N| step.least.is_some_and(|least| sum.order(least) == Ordering::Less);
        let is_above = |sum: N| step.most.is_some_and(|most| sum.order(most) == Ordering::Greater);
        let (after, added) = match sum.filter(|sum| !is_below(*sum) && !is_above(*sum)) {
            Some(sum) => (sum, step.amount),
            None if !self.saturates => {
                reply.array(2);
                before.write(reply);
                N::ZERO.write(reply);
                return Ok(());
            }
            None => {
                let is_low = sum.map_or(step.amount.is_negative(), is_below);
                let bound = if is_low { step.least } else { step.most };
                let after = bound.unwrap_or(N::limit(is_low));
                (after, after.minus(before).ok_or(N::refusal())?)
            }
        };
        let deadline = match self.expiry {
            Expiry::AtIfNone(_) if had_deadline => None,
            _ => new_deadline,
        };
        self.store_sum(after, deadline, had_deadline, store);
        reply.array(2);
        after.write(reply);
        added.write(reply);
        Ok(())
    }

    fn store_sum<N: Number>(
        &self,
        sum: N,
        deadline: Option<Millis>,
        had_deadline: bool,
        store: &mut Store<'_>,
    ) {
        // Over before it began: nothing lapsed is ever stored.
        if deadline.is_some_and(|at| at <= store.now) {
            store.remove(self.key);
            return;
        }
        sum.put(store, self.key);
        store.tell(N::EVENT, self.key);
        let is_persisted = matches!(self.expiry, Expiry::Persist) && had_deadline;
        if (deadline.is_some() || is_persisted)
            && let Some(mut entry) = store.find_mut(self.key)
        {
            entry.set_deadline(deadline);
            store.tell(deadline.map_or(Event::Persist, |_| Event::Expire), self.key);
        }
    }
}

impl<'a> Operation<'a> for IncrEx<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        match self.counting {
            Counting::Whole(step) => self.run(step, store, reply),
            Counting::Fractions(step) => self.run(step, store, reply),
        }
    }
}
