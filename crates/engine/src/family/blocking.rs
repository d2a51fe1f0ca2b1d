//! Commands that wait for something in a list or a sorted set, as far as the data goes: each is one try, which finds
//! something or says that there is nothing. Who waits, and for how long, is not known here; see [`Patience`].

use std::borrow::Cow;
use std::ops::Range;

use base::{Args, Millis, parse_i64};
use command::DataCommand;
use resp::Reply;

use super::list::pop_one;
use super::list_move::{LMPop, LMove, LMoveM};
use super::zset::write_score;
use super::zset_pop::{ZMPop, pop, popped};
use super::{Applied, Operation, Parsed};
use crate::extended::Extended;
use crate::{End, Kind, RequestError, Store};

/// `BLPOP` and `BRPOP`.
pub(crate) struct BPop<'a> {
    keys: Args<'a>,
    end: End,
}

impl<'a> BPop<'a> {
    pub(crate) fn parse(args: Args<'a>, command: DataCommand) -> Parsed<'a, BPop<'a>> {
        let keys = keys_before_timeout(args)?;
        let end = if command == DataCommand::BLPop { End::Front } else { End::Back };
        Ok(BPop { keys, end })
    }
}

impl<'a> Operation<'a> for BPop<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        for key in self.keys.iter() {
            let Some(entry) = store.seek(key) else { continue };
            if entry.kind() != Kind::List {
                return Err(RequestError::WrongType);
            }
            reply.array(2);
            reply.bulk(key);
            return pop_one(store, key, self.end, reply).map(|_| ());
        }
        reply.null_array();
        Ok(())
    }
}

/// `BZPOPMIN` and `BZPOPMAX`.
pub(crate) struct BZPop<'a> {
    keys: Args<'a>,
    from_highest: bool,
}

impl<'a> BZPop<'a> {
    pub(crate) fn parse(args: Args<'a>, command: DataCommand) -> Parsed<'a, BZPop<'a>> {
        Ok(BZPop { keys: keys_before_timeout(args)?, from_highest: command == DataCommand::BZPopMax })
    }
}

impl<'a> Operation<'a> for BZPop<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        for key in self.keys.iter() {
            let Some(mut entry) = store.find_mut(key) else { continue };
            let mut zset = entry.zset().ok_or(RequestError::WrongType)?;
            reply.array(3);
            reply.bulk(key);
            let is_emptied = pop(&mut zset, self.from_highest, 1, |(member, score)| {
                reply.bulk(member);
                write_score(score, reply);
            });
            store.tell(popped(self.from_highest), key);
            if is_emptied {
                store.remove(key);
            }
            return Ok(());
        }
        reply.null_array();
        Ok(())
    }
}

/// `BLMOVE`.
pub(crate) fn parse_move(args: Args<'_>) -> Parsed<'_, LMove<'_>> {
    let moved = LMove::parse(args)?;
    timeout(args.at(5))?;
    Ok(moved)
}

/// `BLMOVEM`.
pub(crate) fn parse_move_many(args: Args<'_>) -> Parsed<'_, LMoveM<'_>> {
    let moved = LMoveM::of(args, args.tail(6))?;
    timeout(args.at(5))?;
    Ok(moved)
}

/// `BRPOPLPUSH`.
pub(crate) fn parse_right_to_left(args: Args<'_>) -> Parsed<'_, LMove<'_>> {
    timeout(args.at(3))?;
    LMove::right_to_left(args)
}

/// `BLMPOP`.
pub(crate) fn parse_list_pop(args: Args<'_>) -> Parsed<'_, LMPop<'_>> {
    let operation = LMPop::parse(args.tail(1))?;
    timeout(args.at(1))?;
    Ok(operation)
}

/// `BZMPOP`.
pub(crate) fn parse_zset_pop(args: Args<'_>) -> Parsed<'_, ZMPop<'_>> {
    let operation = ZMPop::parse(args.tail(1))?;
    timeout(args.at(1))?;
    Ok(operation)
}

fn keys_before_timeout(args: Args<'_>) -> Parsed<'_, Args<'_>> {
    let last = args.len().saturating_sub(1);
    timeout(args.at(last))?;
    Ok(args.head(last).tail(1))
}

/// A timeout in seconds, as milliseconds rounded up; zero is for ever.
fn timeout(text: &[u8]) -> Parsed<'_, u64> {
    let seconds = Extended::parse(text).ok_or(RequestError::TimeoutNotFloat)?;
    let millis = (seconds.to_f64() * 1000.0).ceil();
    if millis < 0.0 {
        return Err(RequestError::NegativeTimeout);
    }
    // 2^62 milliseconds from now is a time that can be said; anything near the end of time is refused as Redis does.
    if millis >= (1u64 << 62) as f64 {
        return Err(RequestError::TimeoutOutOfRange);
    }
    Ok(millis as u64)
}

/// What a request of a client waits for if it finds nothing.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    args: Args<'a>,
    /// Where its keys begin, and how many they are.
    first: usize,
    len: usize,
    /// Whether the word before the keys is their number.
    is_counted: bool,
    /// What one of the keys must hold.
    pub kind: Kind,
    /// How much of that it takes at least: with less it finds nothing.
    pub least: usize,
    /// How long it waits; `None` is for ever.
    pub timeout: Option<Millis>,
}

impl<'a> Patience<'a> {
    /// Of a request; `None` if it never waits, or is wrong.
    pub fn of(command: DataCommand, args: Args<'a>) -> Option<Patience<'a>> {
        use DataCommand as D;
        let last = args.len().checked_sub(1)?;
        let (kind, first, len, timeout_at) = match command {
            D::BLPop | D::BRPop => (Kind::List, 1, last - 1, last),
            D::BZPopMin | D::BZPopMax => (Kind::ZSet, 1, last - 1, last),
            D::BLMove | D::BRPopLPush => (Kind::List, 1, 1, last),
            D::BLMoveM => (Kind::List, 1, 1, 5),
            D::BLMPop | D::BZMPop => {
                let kind = if command == D::BLMPop { Kind::List } else { Kind::ZSet };
                (kind, 3, usize::try_from(parse_i64(args.get(2)?)?).ok()?, 1)
            }
            _ => return None,
        };
        crate::check(command, args).ok()?;
        let millis = timeout(args.at(timeout_at)).ok()?;
        let timeout = (millis > 0).then_some(Millis(millis));
        let least = match command {
            D::BLMoveM => parse_move_many(args).ok()?.least(),
            _ => 1,
        };
        Some(Patience { args, first, len, is_counted: first == 3, kind, least, timeout })
    }

    /// The keys, in the order in which they are tried.
    pub fn keys(&self) -> Args<'a> {
        self.args.head(self.first + self.len).tail(self.first)
    }

    /// The words of the same request for some of its keys: those with these numbers.
    pub fn words_for(&self, keys: &[Range<usize>]) -> Vec<Cow<'a, [u8]>> {
        let mut words: Vec<&[u8]> = self.args.head(self.first).to_vec();
        keys.iter().for_each(|run| words.extend(self.keys().head(run.end).tail(run.start).iter()));
        words.extend(self.args.tail(self.first + self.len).iter());
        let mut words: Vec<Cow<'_, [u8]>> = words.into_iter().map(Cow::Borrowed).collect();
        if self.is_counted {
            let count: usize = keys.iter().map(Range::len).sum();
            words[self.first - 1] = count.to_string().into_bytes().into();
        }
        words
    }
}
