//! Deadlines of keys.

use base::{Args, Millis};
use command::DataCommand;
use resp::Reply;

use super::options::{Since, Unit, deadline, integer, is_word};
use super::{Applied, Operation, Parsed};
use crate::{Event, RequestError, Store};

/// On which keys `EXPIRE` acts, by the deadline they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExpireWhen {
    Always,
    /// `NX`: it has none.
    IfNone,
    /// `XX`: it has one.
    IfSome,
    /// `GT`, with or without `XX`: it has an earlier one. None is later than any.
    IfLater,
    /// `LT`: it has a later one, or none.
    IfEarlier,
    /// `XX LT`: it has a later one.
    IfSomeAndEarlier,
}

impl ExpireWhen {
    fn parse<'a>(words: Args<'a>) -> Result<ExpireWhen, RequestError<'a>> {
        let (mut nx, mut xx, mut gt, mut lt) = (false, false, false, false);
        for word in words.iter() {
            if is_word(word, "NX") {
                nx = true;
            } else if is_word(word, "XX") {
                xx = true;
            } else if is_word(word, "GT") {
                gt = true;
            } else if is_word(word, "LT") {
                lt = true;
            } else {
                return Err(RequestError::UnsupportedOption(word));
            }
        }
        match (nx, xx, gt, lt) {
            (true, false, false, false) => Ok(ExpireWhen::IfNone),
            (true, _, _, _) => Err(RequestError::NxWithOther),
            (false, _, true, true) => Err(RequestError::GtWithLt),
            (false, _, true, false) => Ok(ExpireWhen::IfLater),
            (false, true, false, true) => Ok(ExpireWhen::IfSomeAndEarlier),
            (false, false, false, true) => Ok(ExpireWhen::IfEarlier),
            (false, true, false, false) => Ok(ExpireWhen::IfSome),
            (false, false, false, false) => Ok(ExpireWhen::Always),
        }
    }

    pub(super) fn holds(self, current: Option<Millis>, new: i64) -> bool {
        let new = i128::from(new);
        let current = current.map(|at| i128::from(at.0));
        match (self, current) {
            (ExpireWhen::Always, _) => true,
            (ExpireWhen::IfNone, current) => current.is_none(),
            (ExpireWhen::IfSome, current) => current.is_some(),
            (ExpireWhen::IfLater, Some(current)) => new > current,
            (ExpireWhen::IfEarlier | ExpireWhen::IfSomeAndEarlier, Some(current)) => new < current,
            (ExpireWhen::IfEarlier, None) => true,
            (ExpireWhen::IfLater | ExpireWhen::IfSomeAndEarlier, None) => false,
        }
    }
}

/// `EXPIRE`, `PEXPIRE`, `EXPIREAT`, `PEXPIREAT`.
pub(crate) struct Expire<'a> {
    key: &'a [u8],
    /// May be negative: then the key is deleted.
    millis: i64,
    since: Since,
    when: ExpireWhen,
    command: DataCommand,
}

impl<'a> Expire<'a> {
    pub(crate) fn parse(
        args: Args<'a>,
        unit: Unit,
        since: Since,
        command: DataCommand,
    ) -> Parsed<'a, Expire<'a>> {
        let when = ExpireWhen::parse(args.tail(3))?;
        let amount = integer(args.at(2))?;
        let millis = match unit {
            Unit::Seconds => amount.checked_mul(1000).ok_or(RequestError::InvalidExpire(command))?,
            Unit::Millis => amount,
        };
        Ok(Expire { key: args.at(1), millis, since, when, command })
    }
}

impl<'a> Operation<'a> for Expire<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let now = store.now;
        let new = deadline(self.millis, self.since, now).ok_or(RequestError::InvalidExpire(self.command))?;
        let entry = store.find_mut(self.key).filter(|entry| self.when.holds(entry.deadline(), new));
        let Some(mut entry) = entry else {
            reply.int(0);
            return Ok(());
        };
        match u64::try_from(new) {
            Ok(new) if new > now.0 => {
                entry.set_deadline(Some(Millis(new)));
                store.tell(Event::Expire, self.key);
            }
            // Over already: deleted here and now.
            _ => {
                store.remove(self.key);
            }
        }
        reply.int(1);
        Ok(())
    }
}

/// What is told of a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// How long it is until then.
    Remaining,
    /// When it is.
    Moment,
}

/// `TTL`, `PTTL`, `EXPIRETIME`, `PEXPIRETIME`.
pub(crate) struct Ttl<'a> {
    key: &'a [u8],
    unit: Unit,
    told: Told,
}

impl<'a> Ttl<'a> {
    pub(crate) fn parse(args: Args<'a>, unit: Unit, told: Told) -> Parsed<'a, Ttl<'a>> {
        Ok(Ttl { key: args.at(1), unit, told })
    }
}

impl<'a> Operation<'a> for Ttl<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let now = store.now;
        store.tell_miss(self.key);
        let Some(entry) = store.peek(self.key) else {
            reply.int(-2);
            return Ok(());
        };
        let Some(deadline) = entry.deadline() else {
            reply.int(-1);
            return Ok(());
        };
        let millis = match self.told {
            Told::Remaining => deadline.since(now),
            Told::Moment => deadline.0,
        };
        let amount = match self.unit {
            Unit::Millis => millis,
            Unit::Seconds => millis.saturating_add(500) / 1000,
        };
        reply.int(i64::try_from(amount).unwrap_or(i64::MAX));
        Ok(())
    }
}

/// `PERSIST`.
pub(crate) struct Persist<'a>(&'a [u8]);

impl<'a> Persist<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, Persist<'a>> {
        Ok(Persist(args.at(1)))
    }
}

impl<'a> Operation<'a> for Persist<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let entry = store.find_mut(self.0).filter(|entry| entry.deadline().is_some());
        let removed = entry.map(|mut entry| entry.set_deadline(None)).is_some();
        if removed {
            store.tell(Event::Persist, self.0);
        }
        reply.int(i64::from(removed));
        Ok(())
    }
}
