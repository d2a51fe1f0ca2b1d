//! What clients were told, and whether it can be true.
//!
//! The oracle sees requests when they are asked, replies when they arrive, and that connections and machines fail.
//! It orders what it sees by a count of events. Invariant: an event is durable if a write asked for after it was
//! answered to a durable client, or if it is older than the interval in which the log is synced.
//! Does not know: the node.

pub mod model;

use std::collections::{BTreeMap, VecDeque};

use resp::Value;

use crate::clock::{Clock, Window};
use crate::invariants::channels::Channels;
use crate::invariants::counters::Counter;
use crate::invariants::keys::{Keys, Name};
use crate::invariants::twins::Twins;
use crate::trace::tell;
use model::Act;

/// When something was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    event: u64,
    mono_us: u64,
}

/// What a request asks, and so what its reply means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// `+OK`.
    Ok,
    /// `+QUEUED`.
    Queued,
    /// These bytes: `ECHO`.
    Echo(Vec<u8>),
    /// Anything but an error.
    Fine,
    /// No reply at all: the client asked for silence.
    Silence,
    /// An act on a key with one writer.
    Own(Name, Act),
    /// `MSET` of such keys.
    MSet(Vec<(Name, Vec<u8>)>),
    /// `MGET` of such keys.
    MGet(Vec<Name>),
    /// `COPY … REPLACE` or `RENAME` between two such keys.
    Carry { from: Name, to: Name, keeps: bool },
    /// `INCR` of a shared counter.
    Count(usize),
    /// `GET` of a shared counter.
    ReadCount(usize),
    /// `SET` of a watched counter to this, in a transaction.
    CountTo(usize, i64),
    /// Both twins get this value.
    WriteTwins(usize, u64),
    /// Both twins.
    ReadTwins(usize),
    /// `EXEC` of these.
    Exec(Vec<Want>),
    /// `PUBLISH`: channel, publisher, number.
    Publish(usize, u64, u64),
    /// `SUBSCRIBE`.
    Subscribe(usize),
}

impl Want {
    /// How many elements it takes of the reply to `EXEC`.
    fn width(&self) -> usize {
        match self {
            Want::WriteTwins(..) | Want::ReadTwins(_) => 2,
            _ => 1,
        }
    }

    fn is_write(&self) -> bool {
        match self {
            Want::Own(_, act) => act.is_write(),
            Want::MSet(_) | Want::Carry { .. } | Want::Count(_) => true,
            Want::CountTo(..) | Want::WriteTwins(..) => true,
            Want::Exec(parts) => parts.iter().any(Want::is_write),
            Want::Ok | Want::Queued | Want::Echo(_) | Want::Fine | Want::Silence => false,
            Want::MGet(_) | Want::ReadCount(_) => false,
            Want::ReadTwins(_) | Want::Publish(..) | Want::Subscribe(_) => false,
        }
    }

    /// Whether an answer says that something changed, so that a durable client's answer had to wait.
    fn surely_changes(&self) -> bool {
        match self {
            Want::Own(_, Act::Set(..) | Act::IncrBy(_)) => true,
            Want::MSet(_) | Want::Count(_) | Want::CountTo(..) | Want::WriteTwins(..) => true,
            // An increment in a transaction may be of a key that is no number, and is answered all the same.
            Want::Exec(parts) => parts
                .iter()
                .any(|part| part.surely_changes() && !matches!(part, Want::Own(_, Act::IncrBy(_)))),
            _ => false,
        }
    }
}

/// Who was answered, and when it had asked.
#[derive(Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) asked: Stamp,
    pub(crate) link: u64,
    pub(crate) is_durable: bool,
}

/// What clients were told.
pub struct Oracle {
    events: u64,
    /// Events up to here are on stable storage.
    durable: u64,
    /// When recent events took place.
    times: VecDeque<(u64, u64)>,
    pub(crate) keys: Keys,
    counters: BTreeMap<usize, Counter>,
    twins: BTreeMap<usize, Twins>,
    pub(crate) channels: Channels,
    /// Whether the disk was ever short of room, so that writes may be refused.
    pub(crate) may_refuse: bool,
    pub(crate) answers: u64,
    pub(crate) refusals: u64,
}

impl Default for Oracle {
    fn default() -> Oracle {
        Oracle {
            events: 1,
            durable: 0,
            times: VecDeque::new(),
            keys: Keys::default(),
            counters: BTreeMap::new(),
            twins: BTreeMap::new(),
            channels: Channels::default(),
            may_refuse: false,
            answers: 0,
            refusals: 0,
        }
    }
}

impl Oracle {
    fn next_event(&mut self, mono_us: u64) -> u64 {
        self.events += 1;
        self.times.push_back((mono_us, self.events));
        self.events
    }

    /// Something is asked.
    pub(crate) fn ask(&mut self, want: &Want, clock: &Clock) -> Stamp {
        let mono_us = clock.now().mono_us;
        let event = self.next_event(mono_us);
        self.note_asked(want, event);
        Stamp { event, mono_us }
    }

    fn note_asked(&mut self, want: &Want, event: u64) {
        match want {
            Want::Count(counter) | Want::CountTo(counter, _) => {
                self.counters.entry(*counter).or_default().ask()
            }
            Want::WriteTwins(pair, token) => self.twins.entry(*pair).or_default().ask(*token, event),
            Want::Exec(parts) => parts.iter().for_each(|part| self.note_asked(part, event)),
            Want::Publish(channel, publisher, number) => {
                self.channels.ask(*channel, *publisher, *number, event)
            }
            _ => {}
        }
    }

    /// A reply came.
    pub(crate) fn answer(
        &mut self,
        want: &Want,
        asker: Asker,
        clock: &Clock,
        value: &Value,
    ) -> Result<(), String> {
        let event = self.next_event(clock.now().mono_us);
        self.answers += 1;
        if let Value::Error(text) = value
            && text.starts_with("MISCONF")
            && want.is_write()
        {
            self.refusals += 1;
            self.refuse(want);
            return match self.may_refuse {
                true => Ok(()),
                false => Err(format!("refusals: {want:?} was refused with {text:?}, though there is room")),
            };
        }
        let window = clock.window_since(asker.asked.mono_us);
        self.judge(want, asker, event, window, std::slice::from_ref(value))?;
        let took_place = !matches!(value, Value::Error(_) | Value::Null);
        if asker.is_durable && want.surely_changes() && took_place {
            self.durable = self.durable.max(asker.asked.event);
        }
        Ok(())
    }

    fn refuse(&mut self, want: &Want) {
        match want {
            Want::Count(counter) | Want::CountTo(counter, _) => {
                self.counters.entry(*counter).or_default().refused()
            }
            Want::WriteTwins(pair, token) => self.twins.entry(*pair).or_default().refused(*token),
            Want::Exec(parts) => parts.iter().for_each(|part| self.refuse(part)),
            _ => {}
        }
    }

    fn judge(
        &mut self,
        want: &Want,
        asker: Asker,
        event: u64,
        window: Window,
        values: &[Value],
    ) -> Result<(), String> {
        let value = &values[0];
        let asked_at = asker.asked.event;
        let unfit = || Err(format!("replies: {want:?} on link {} was answered {}", asker.link, tell(value)));
        let at = (event, self.durable);
        match (want, value) {
            (Want::Ok, Value::Simple(text)) if text == "OK" => Ok(()),
            (Want::Queued, Value::Simple(text)) if text == "QUEUED" => Ok(()),
            // A write refused while it is queued makes the whole transaction refused.
            (Want::Queued, Value::Error(text)) if text.starts_with("MISCONF") && self.may_refuse => Ok(()),
            (Want::Echo(expect), Value::Bulk(found)) if expect == found => Ok(()),
            (Want::Fine, value) if !value.is_error() => Ok(()),
            (Want::Own(name, act), value) => self.keys.answered(at, name, act, window, value),
            (Want::MSet(pairs), value) => {
                for (name, text) in pairs {
                    let act = Act::Set(text.clone(), model::Life::Forever);
                    self.keys.answered(at, name, &act, window, value)?;
                }
                Ok(())
            }
            (Want::MGet(names), Value::Array(found)) if names.len() == found.len() => {
                for (name, value) in names.iter().zip(found) {
                    self.keys.answered(at, name, &Act::Peek, window, value)?;
                }
                Ok(())
            }
            (Want::Carry { from, to, keeps }, value) => {
                self.keys.carried(at, (from, to), *keeps, window, value)
            }
            (Want::Count(counter), Value::Int(number)) => {
                self.counter(*counter).counted(&format!("n{counter}"), asked_at, event, *number)
            }
            (Want::CountTo(counter, number), Value::Simple(_)) => {
                self.counter(*counter).counted(&format!("n{counter}"), asked_at, event, *number)
            }
            (Want::ReadCount(counter), value @ (Value::Bulk(_) | Value::Null)) => {
                let number = value.as_int().unwrap_or(0);
                self.counter(*counter).read(&format!("n{counter}"), asked_at, number)
            }
            (Want::WriteTwins(pair, token), Value::Simple(_)) => {
                self.twins.entry(*pair).or_default().written(*token, event);
                Ok(())
            }
            (Want::ReadTwins(pair), Value::Array(both)) if both.len() == 2 => {
                self.read_twins(*pair, asked_at, both)
            }
            (Want::ReadTwins(pair), _) if values.len() == 2 => self.read_twins(*pair, asked_at, values),
            (Want::Exec(parts), value) => self.judge_exec(parts, asker, event, window, value),
            (Want::Publish(channel, publisher, number), Value::Int(_)) => {
                self.channels.answered(*channel, *publisher, *number);
                Ok(())
            }
            (Want::Subscribe(channel), Value::Push(_) | Value::Array(_)) => {
                self.channels.subscribed(asker.link, *channel, event);
                Ok(())
            }
            _ => unfit(),
        }
    }

    fn counter(&mut self, counter: usize) -> &mut Counter {
        self.counters.entry(counter).or_default()
    }

    fn read_twins(&mut self, pair: usize, asked_at: u64, both: &[Value]) -> Result<(), String> {
        let token = |value: &Value| value.as_int().map(|token| token as u64);
        self.twins.entry(pair).or_default().read(
            &format!("twins {pair}"),
            asked_at,
            token(&both[0]),
            token(&both[1]),
        )
    }

    fn judge_exec(
        &mut self,
        parts: &[Want],
        asker: Asker,
        event: u64,
        window: Window,
        value: &Value,
    ) -> Result<(), String> {
        match value {
            // Its queueing was refused, or what it watched had changed.
            Value::Error(text) if text.starts_with("EXECABORT") && self.may_refuse => {
                parts.iter().for_each(|part| self.refuse(part));
                Ok(())
            }
            Value::Null if parts.iter().any(|part| matches!(part, Want::CountTo(..))) => {
                parts.iter().for_each(|part| self.refuse(part));
                Ok(())
            }
            Value::Array(found) if found.len() == parts.iter().map(Want::width).sum::<usize>() => {
                let mut at = 0;
                for part in parts {
                    let values = &found[at..at + part.width()];
                    at += part.width();
                    self.judge(part, asker, event, window, values)?;
                }
                Ok(())
            }
            _ => Err(format!("transactions: EXEC of {parts:?} was answered {}", tell(value))),
        }
    }

    /// The reply to a request will never come: it took place, or not, between when it was asked and now.
    pub(crate) fn lost(&mut self, want: &Want, asked: Stamp, clock: &Clock) {
        let event = self.next_event(clock.now().mono_us);
        self.lose(want, event, clock.window_since(asked.mono_us));
    }

    fn lose(&mut self, want: &Want, event: u64, window: Window) {
        let at = (event, self.durable);
        match want {
            Want::Own(name, act) => self.keys.unknown(at, name, act, window),
            Want::MSet(pairs) => {
                for (name, text) in pairs {
                    self.keys.unknown(at, name, &Act::Set(text.clone(), model::Life::Forever), window);
                }
            }
            Want::Carry { from, to, keeps } => self.keys.perhaps_carried(at, (from, to), *keeps),
            Want::Exec(parts) => parts.iter().for_each(|part| self.lose(part, event, window)),
            _ => {}
        }
    }

    /// A push came to a subscriber.
    pub(crate) fn heard(&mut self, link: u64, parts: &[Value]) -> Result<(), String> {
        let unfit = || format!("channels: link {link} was pushed {parts:?}");
        let channel = parts.get(1).and_then(Value::as_text).and_then(|name| name.strip_prefix("ch"));
        let channel: usize = channel.and_then(|number| number.parse().ok()).ok_or_else(unfit)?;
        let text = parts.get(2).and_then(Value::as_text).ok_or_else(unfit)?;
        let (publisher, number) = text.split_once(':').ok_or_else(unfit)?;
        let publisher = publisher.parse().map_err(|_| unfit())?;
        self.channels.heard(link, channel, publisher, number.parse().map_err(|_| unfit())?)
    }

    /// Everything older than this is on stable storage, for the log was synced since.
    pub(crate) fn synced_before(&mut self, mono_us: u64) {
        while self.times.front().is_some_and(|(at, _)| *at < mono_us) {
            let (_, event) = self.times.pop_front().expect("there is a front");
            self.durable = self.durable.max(event);
        }
    }

    /// The machine lost power. What was in flight is lost afterwards, each by itself.
    pub(crate) fn lose_power(&mut self, clock: &Clock) {
        let event = self.next_event(clock.now().mono_us);
        self.keys.lose_power(event, self.durable);
        self.counters.values_mut().for_each(|counter| counter.lose_power(self.durable));
        self.twins.values_mut().for_each(|twins| twins.lose_power(self.durable));
    }
}
