//! One key as its only writer sees it: the values it may have, given what was asked and what was answered.
//!
//! A request that was answered narrows the possible values; one whose reply was lost widens them by the value it
//! would have made. Invariant: the true value is always among the possible ones, so a reply that fits none of
//! them is the node's fault. Does not know: connections, crashes, other keys.

use std::collections::BTreeMap;

use resp::Value;

use crate::clock::Window;
use crate::trace::show;

/// What is asked of one key.
#[derive(Clone, PartialEq, Eq)]
pub enum Act {
    /// `SET`, with what is to become of its deadline.
    Set(Vec<u8>, Life),
    /// `GET`.
    Get,
    /// One key of `MGET`.
    Peek,
    /// `GETDEL`.
    GetDel,
    /// `INCRBY`.
    IncrBy(i64),
    /// `APPEND`.
    Append(Vec<u8>),
    /// `DEL` of this key alone.
    Del,
    /// `HSET` of one field.
    HSet(Vec<u8>, Vec<u8>),
    /// `HGET`.
    HGet(Vec<u8>),
    /// `HLEN`.
    HLen,
    /// `PEXPIRE`.
    PExpire(u64),
    /// `PEXPIREAT`.
    PExpireAt(u64),
    /// `PERSIST`.
    Persist,
    /// `PTTL`.
    PTtl,
}

/// What `SET` does about the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// None.
    Forever,
    /// `PX`.
    Px(u64),
    /// `PXAT`.
    PxAt(u64),
    /// `KEEPTTL`.
    Keep,
}

impl Act {
    /// Whether the act may change the key.
    pub fn is_write(&self) -> bool {
        !matches!(self, Act::Get | Act::Peek | Act::HGet(_) | Act::HLen | Act::PTtl)
    }

    /// The request.
    pub fn words(&self, key: &[u8]) -> Vec<Vec<u8>> {
        let key = key.to_vec();
        let number = |number: &u64| number.to_string().into_bytes();
        let of =
            |name: &str, rest: Vec<Vec<u8>>| [vec![name.as_bytes().to_vec(), key.clone()], rest].concat();
        match self {
            Act::Set(value, Life::Forever) => of("SET", vec![value.clone()]),
            Act::Set(value, Life::Px(ms)) => of("SET", vec![value.clone(), b"PX".to_vec(), number(ms)]),
            Act::Set(value, Life::PxAt(ms)) => of("SET", vec![value.clone(), b"PXAT".to_vec(), number(ms)]),
            Act::Set(value, Life::Keep) => of("SET", vec![value.clone(), b"KEEPTTL".to_vec()]),
            Act::Get => of("GET", vec![]),
            Act::Peek => of("MGET", vec![]),
            Act::GetDel => of("GETDEL", vec![]),
            Act::IncrBy(by) => of("INCRBY", vec![by.to_string().into_bytes()]),
            Act::Append(more) => of("APPEND", vec![more.clone()]),
            Act::Del => of("DEL", vec![]),
            Act::HSet(field, value) => of("HSET", vec![field.clone(), value.clone()]),
            Act::HGet(field) => of("HGET", vec![field.clone()]),
            Act::HLen => of("HLEN", vec![]),
            Act::PExpire(ms) => of("PEXPIRE", vec![number(ms)]),
            Act::PExpireAt(ms) => of("PEXPIREAT", vec![number(ms)]),
            Act::Persist => of("PERSIST", vec![]),
            Act::PTtl => of("PTTL", vec![]),
        }
    }
}

impl std::fmt::Debug for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<String> = self.words(b"_").iter().map(|word| show(word)).collect();
        f.write_str(&words.join(" "))
    }
}

/// A value, or that there is none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Data {
    Absent,
    Text(Vec<u8>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
}

impl std::fmt::Debug for Data {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Data::Absent => f.write_str("nothing"),
            Data::Text(text) => write!(f, "\"{}\"", show(text)),
            Data::Hash(hash) => {
                f.debug_map().entries(hash.iter().map(|(field, value)| (show(field), show(value)))).finish()
            }
        }
    }
}

/// One possible state of a key. The deadline lies between two times, for the time of the entry that set it is
/// only known to lie within a window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct State {
    pub(crate) data: Data,
    pub(crate) until: Option<(u64, u64)>,
}

impl State {
    pub(crate) const ABSENT: State = State { data: Data::Absent, until: None };

    /// What this state may be at a time within `window`: expired, not expired, or either.
    pub(crate) fn in_time(&self, window: Window) -> Vec<State> {
        let Some((from, until)) = self.until else { return vec![self.clone()] };
        let mut states = Vec::new();
        if window.from < until {
            states.push(self.clone());
        }
        if window.until >= from {
            states.push(State::ABSENT);
        }
        states
    }
}

/// What an answer must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Ok,
    Null,
    Int(i64),
    IntWithin(i64, i64),
    Bytes(Vec<u8>),
    Error(&'static str),
}

impl Expect {
    pub(crate) fn fits(&self, value: &Value) -> bool {
        match (self, value) {
            (Expect::Ok, Value::Simple(text)) => text == "OK",
            (Expect::Null, Value::Null) => true,
            (Expect::Int(expect), Value::Int(found)) => expect == found,
            (Expect::IntWithin(from, until), Value::Int(found)) => (from..=until).contains(&found),
            (Expect::Bytes(expect), Value::Bulk(found)) => expect == found,
            (Expect::Error(start), Value::Error(text)) => text.starts_with(start),
            _ => false,
        }
    }
}

const WRONG_TYPE: Expect = Expect::Error("WRONGTYPE");

/// What an act makes of a state that is as it should be in time, and answers.
fn apply(act: &Act, state: &State, window: Window) -> (State, Expect) {
    let same = |expect| (state.clone(), expect);
    let with = |data| State { data, until: state.until };
    match (act, &state.data) {
        (Act::Set(value, life), _) => {
            let until = match life {
                Life::Forever => None,
                Life::Px(ms) => Some((window.from + ms, window.until + ms)),
                Life::PxAt(at) => Some((*at, *at)),
                Life::Keep => state.until,
            };
            (State { data: Data::Text(value.clone()), until }, Expect::Ok)
        }
        (Act::Get | Act::Peek | Act::GetDel | Act::HGet(_), Data::Absent) => same(Expect::Null),
        (Act::Peek, Data::Hash(_)) => same(Expect::Null),
        (Act::Get | Act::Peek, Data::Text(text)) => same(Expect::Bytes(text.clone())),
        (Act::GetDel, Data::Text(text)) => (State::ABSENT, Expect::Bytes(text.clone())),
        (Act::IncrBy(by), Data::Absent) => (with(number(*by)), Expect::Int(*by)),
        (Act::IncrBy(by), Data::Text(text)) => {
            let sum = base::parse_i64(text).and_then(|value| value.checked_add(*by));
            sum.map_or(same(Expect::Error("ERR value is not an integer")), |sum| {
                (with(number(sum)), Expect::Int(sum))
            })
        }
        (Act::Append(more), Data::Absent) => (with(Data::Text(more.clone())), Expect::Int(more.len() as i64)),
        (Act::Append(more), Data::Text(text)) => {
            let text = [&**text, more].concat();
            let len = text.len() as i64;
            (with(Data::Text(text)), Expect::Int(len))
        }
        (Act::Del | Act::PExpire(_) | Act::PExpireAt(_) | Act::Persist | Act::HLen, Data::Absent) => {
            same(Expect::Int(0))
        }
        (Act::Del, _) => (State::ABSENT, Expect::Int(1)),
        (Act::HSet(field, value), Data::Absent) => {
            (with(Data::Hash([(field.clone(), value.clone())].into())), Expect::Int(1))
        }
        (Act::HSet(field, value), Data::Hash(hash)) => {
            let mut hash = hash.clone();
            let new = hash.insert(field.clone(), value.clone()).is_none();
            (with(Data::Hash(hash)), Expect::Int(i64::from(new)))
        }
        (Act::HGet(field), Data::Hash(hash)) => {
            same(hash.get(field).map_or(Expect::Null, |value| Expect::Bytes(value.clone())))
        }
        (Act::HLen, Data::Hash(hash)) => same(Expect::Int(hash.len() as i64)),
        (Act::PExpire(ms), _) => {
            let until = Some((window.from + ms, window.until + ms));
            (State { data: state.data.clone(), until }, Expect::Int(1))
        }
        (Act::PExpireAt(at), _) => {
            (State { data: state.data.clone(), until: Some((*at, *at)) }, Expect::Int(1))
        }
        (Act::Persist, _) => {
            (State { data: state.data.clone(), until: None }, Expect::Int(i64::from(state.until.is_some())))
        }
        (Act::PTtl, Data::Absent) => same(Expect::Int(-2)),
        (Act::PTtl, _) => same(state.until.map_or(Expect::Int(-1), |(from, until)| {
            Expect::IntWithin((from as i64 - window.until as i64).max(0), until as i64 - window.from as i64)
        })),
        (Act::Get | Act::GetDel | Act::IncrBy(_) | Act::Append(_), Data::Hash(_)) => same(WRONG_TYPE),
        (Act::HSet(..) | Act::HGet(_) | Act::HLen, Data::Text(_)) => same(WRONG_TYPE),
    }
}

fn number(value: i64) -> Data {
    Data::Text(value.to_string().into_bytes())
}

/// The states after an act that was answered with `value`; none if no possible state gives that answer.
pub(crate) fn answered(states: &[State], act: &Act, window: Window, value: &Value) -> Vec<State> {
    let after = states.iter().flat_map(|state| state.in_time(window));
    let after = after.map(|state| apply(act, &state, window)).filter(|(_, expect)| expect.fits(value));
    tidy(after.map(|(state, _)| state).collect())
}

/// The states after an act of which nobody knows whether it took place.
pub(crate) fn unknown(states: &[State], act: &Act, window: Window) -> Vec<State> {
    if !act.is_write() {
        return states.to_vec();
    }
    let after = states.iter().flat_map(|state| state.in_time(window));
    let after = after.map(|state| apply(act, &state, window).0);
    tidy(states.iter().cloned().chain(after).collect())
}

/// Sorted, each once.
pub(crate) fn tidy(mut states: Vec<State>) -> Vec<State> {
    states.sort();
    states.dedup();
    states
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Window = Window { from: 1000, until: 1000 };

    #[test]
    fn an_answer_narrows_and_a_lost_reply_widens() {
        let states = vec![State::ABSENT];
        let states = unknown(&states, &Act::IncrBy(5), NOW);
        let states = unknown(&states, &Act::IncrBy(5), NOW);
        assert_eq!(states.len(), 3);
        assert!(answered(&states, &Act::Get, NOW, &Value::Bulk(b"15".to_vec())).is_empty());
        let states = answered(&states, &Act::Get, NOW, &Value::Bulk(b"10".to_vec()));
        assert_eq!(states, [State { data: number(10), until: None }]);
    }

    #[test]
    fn an_expired_value_fits_no_answer() {
        let set = Act::Set(b"v".to_vec(), Life::PxAt(900));
        let states =
            answered(&[State::ABSENT], &set, Window { from: 800, until: 850 }, &Value::Simple("OK".into()));
        let value = Value::Bulk(b"v".to_vec());
        assert!(!answered(&states, &Act::Get, Window { from: 850, until: 899 }, &value).is_empty());
        assert!(answered(&states, &Act::Get, Window { from: 850, until: 899 }, &Value::Null).is_empty());
        assert!(!answered(&states, &Act::Get, Window { from: 850, until: 950 }, &Value::Null).is_empty());
        assert!(answered(&states, &Act::Get, Window { from: 900, until: 950 }, &value).is_empty());
    }
}
