//! A key holds what its writer was told it holds.
//!
//! Source: the promises of the ack levels. A write that was answered is there after the process was killed; after
//! a power loss it is there if it was durable, or older than the interval of syncs; one that was refused is not
//! there; one whose reply was lost is there wholly and once, or not at all; a key past its deadline is not served.

use std::collections::BTreeMap;

use resp::Value;

use crate::clock::Window;
use crate::oracle::model::{Act, State, answered, tidy, unknown};
use crate::trace::{show, tell};

/// The name of a key: its database and its bytes.
pub(crate) type Name = (u8, Vec<u8>);

/// All keys with one writer each.
#[derive(Default)]
pub(crate) struct Keys {
    map: BTreeMap<Name, Key>,
}

struct Key {
    states: Vec<State>,
    /// What the states were after each event, back to the last that is known to be on stable storage.
    past: Vec<(u64, Vec<State>)>,
    /// The last few things that were learned, for whoever reads a failure.
    story: Vec<String>,
}

impl Default for Key {
    fn default() -> Key {
        Key { states: vec![State::ABSENT], past: vec![(0, vec![State::ABSENT])], story: Vec::new() }
    }
}

impl Key {
    fn now(&mut self, event: u64, durable: u64, states: Vec<State>, why: String) {
        if self.story.len() == 12 {
            self.story.remove(0);
        }
        self.story.push(format!("event {event}: {why}"));
        if states == self.states {
            return;
        }
        self.states.clone_from(&states);
        self.past.push((event, states));
        let kept = self.past.iter().rposition(|(at, _)| *at <= durable).unwrap_or(0);
        self.past.drain(..kept);
    }
}

impl Keys {
    /// The names of all keys that were ever asked for.
    pub(crate) fn names(&self) -> Vec<Name> {
        self.map.keys().cloned().collect()
    }

    /// An act was answered.
    pub(crate) fn answered(
        &mut self,
        (event, durable): (u64, u64),
        name: &Name,
        act: &Act,
        window: Window,
        value: &Value,
    ) -> Result<(), String> {
        let key = self.map.entry(name.clone()).or_default();
        let states = answered(&key.states, act, window, value);
        if states.is_empty() {
            let story = key.story.join("\n    ");
            return Err(format!(
                "keys: {act:?} of {} in database {} was answered {} between {window:?}, but it can only be one of {:?}\n    {story}",
                show(&name.1),
                name.0,
                tell(value),
                key.states
            ));
        }
        key.now(event, durable, states, format!("{act:?} answered {}, {window:?}", tell(value)));
        Ok(())
    }

    /// Nobody knows whether an act took place.
    pub(crate) fn unknown(&mut self, (event, durable): (u64, u64), name: &Name, act: &Act, window: Window) {
        let key = self.map.entry(name.clone()).or_default();
        let states = unknown(&key.states, act, window);
        key.now(event, durable, states, format!("{act:?} unknown, {window:?}"));
    }

    /// What one key held was carried over to another, or there was nothing to carry.
    pub(crate) fn carried(
        &mut self,
        (event, durable): (u64, u64),
        (from, to): (&Name, &Name),
        keeps: bool,
        window: Window,
        value: &Value,
    ) -> Result<(), String> {
        let states = self.map.entry(from.clone()).or_default().states.clone();
        let states: Vec<State> = states.iter().flat_map(|state| state.in_time(window)).collect();
        let (absent, there): (Vec<State>, Vec<State>) =
            states.into_iter().partition(|state| *state == State::ABSENT);
        let took_place = match value {
            Value::Int(1) => keeps,
            Value::Simple(text) => !keeps && text == "OK",
            _ => false,
        };
        let did_not = match value {
            Value::Int(0) => keeps,
            Value::Error(text) => !keeps && text.starts_with("ERR no such key"),
            _ => false,
        };
        let why = format!("carried from {} to {}: {}", show(&from.1), show(&to.1), tell(value));
        if took_place && !there.is_empty() {
            let left = if keeps { there.clone() } else { vec![State::ABSENT] };
            self.map.entry(from.clone()).or_default().now(event, durable, tidy(left), why.clone());
            self.map.entry(to.clone()).or_default().now(event, durable, tidy(there), why);
            return Ok(());
        }
        if did_not && !absent.is_empty() {
            self.map.entry(from.clone()).or_default().now(event, durable, tidy(absent), why);
            return Ok(());
        }
        Err(format!("keys: {why}, but the first can only be one of {absent:?} {there:?}"))
    }

    /// Nobody knows whether what one key held was carried over to another.
    pub(crate) fn perhaps_carried(
        &mut self,
        (event, durable): (u64, u64),
        (from, to): (&Name, &Name),
        keeps: bool,
    ) {
        let states = self.map.entry(from.clone()).or_default().states.clone();
        let why = format!("perhaps carried from {} to {}", show(&from.1), show(&to.1));
        let target = self.map.entry(to.clone()).or_default();
        let mut after = target.states.clone();
        after.extend(states.iter().filter(|state| **state != State::ABSENT).cloned());
        target.now(event, durable, tidy(after), why.clone());
        if !keeps {
            let mut left = states;
            left.push(State::ABSENT);
            self.map.entry(from.clone()).or_default().now(event, durable, tidy(left), why);
        }
    }

    /// The machine lost power: any state since the last that was surely on stable storage may be back.
    pub(crate) fn lose_power(&mut self, event: u64, durable: u64) {
        for key in self.map.values_mut() {
            let from = key.past.iter().rposition(|(at, _)| *at <= durable).unwrap_or(0);
            let states = key.past[from..].iter().flat_map(|(_, states)| states.iter().cloned()).collect();
            key.states = tidy(states);
            key.past = vec![(event, key.states.clone())];
            key.story.push(format!("event {event}: power loss, durable up to event {durable}"));
        }
    }
}
