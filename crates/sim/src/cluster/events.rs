//! What happens to keys, as those hear it who subscribe to events.
//!
//! Each act may tell certain events of certain keys, once each ([`Changes`] counts them); an event that was heard must be one
//! of those, and one that was refused tells nothing. Marks are keys that are written once in a run, so that for them this is
//! exact. Events may be lost when nodes die, leads change or links break; once all is well none may be.
//! Invariant, for each connection of a listener: no event is heard more often than acts may have told it. Does not know: who
//! leads, which node tells.

use std::collections::{BTreeMap, BTreeSet};

use resp::Value;

use crate::cluster::judge::Op;

/// The words that subscribe.
pub(crate) const REQUEST: &[&str] = &["PSUBSCRIBE", "__keyevent@0__:*"];

/// An event of a key: its name, and the key.
type Event = (&'static str, String);

/// The events that are counted: that a key is gone is one event, whyever.
const NAMES: [(&str, &str); 9] = [
    ("set", "set"),
    ("expire", "expire"),
    ("append", "append"),
    ("incrby", "incrby"),
    ("rpush", "rpush"),
    ("lpop", "lpop"),
    ("del", "del"),
    ("expired", "gone"),
    ("evicted", "gone"),
];

/// How often each event may have been told.
#[derive(Default)]
pub(crate) struct Changes {
    may_be: BTreeMap<Event, u64>,
    /// What was done since the audit began, as clients were told.
    done: BTreeSet<Event>,
    /// Any key may be taken away.
    may_vanish: bool,
    /// How often power was lost so that what was told may be forgotten: a key that was gone may be there again, and go again.
    losses: u64,
}

impl Changes {
    pub(crate) fn new(may_vanish: bool) -> Changes {
        Changes { may_vanish, ..Changes::default() }
    }

    /// Power was lost.
    pub(crate) fn lose_power(&mut self) {
        self.losses += 1;
    }

    /// An act is asked for.
    pub(crate) fn asked(&mut self, op: Op) {
        for event in self.events_of(op) {
            *self.may_be.entry(event).or_default() += 1;
        }
    }

    /// It was not applied.
    pub(crate) fn refused(&mut self, op: Op) {
        for event in self.events_of(op) {
            let count = self.may_be.get_mut(&event).expect("it was asked for");
            *count -= 1;
        }
    }

    /// An act was applied. That a mark was set is told for certain.
    pub(crate) fn done(&mut self, op: Op) {
        if let Op::Mark(token, ..) = op {
            self.done.insert(("set", format!("n{token}")));
        }
    }

    /// From now on what is done is counted that must be heard.
    pub(crate) fn begin_audit(&mut self) {
        self.done.clear();
    }

    /// What an act may tell.
    fn events_of(&self, op: Op) -> Vec<Event> {
        let one = |name: &'static str, key: String| vec![(name, key)];
        let mut events = match op {
            Op::Write(key, _) | Op::Swap(key, _) => one("set", format!("r{key}")),
            Op::Append(key, _) => one("append", format!("j{key}")),
            Op::Count(key) => one("incrby", format!("c{key}")),
            Op::CountOnce(key, _) => one("incrby", format!("o{key}")),
            Op::Fill(key, _) => one("set", format!("f{key}")),
            Op::Push(key, _) => one("rpush", format!("q{key}")),
            Op::WriteTwins(key, _) => vec![("set", format!("{{t{key}}}a")), ("set", format!("{{t{key}}}b"))],
            Op::Take(key, _) => {
                let keys = key.map_or(vec![2, 0, 1], |key| vec![key]);
                let of = |key| [("lpop", format!("q{key}")), ("del", format!("q{key}"))];
                keys.into_iter().flat_map(of).collect()
            }
            Op::Mark(token, ..) => {
                let names = ["set", "expire", "gone"];
                return names.map(|name| (name, format!("n{token}"))).to_vec();
            }
            Op::Read(_) | Op::ReadJournal(_) | Op::ReadCount(_) | Op::ReadExactCount(_) => Vec::new(),
            Op::Lapse(..) | Op::ReadLapsing(_) => Vec::new(),
            Op::ReadTwins(_) | Op::ReadQueue(_) | Op::Mix(_) | Op::Bulk(_) | Op::Flush => Vec::new(),
        };
        if self.may_vanish {
            // What was made may be taken away once.
            let made = events.iter().map(|(_, key)| ("gone", key.clone())).collect::<Vec<_>>();
            events.extend(made);
        }
        events
    }
}

/// One who subscribes to events.
#[derive(Default)]
pub(crate) struct Listener {
    is_subscribed: bool,
    /// What this connection has heard.
    heard: BTreeMap<Event, u64>,
    /// What the connections before have.
    before: Vec<BTreeMap<Event, u64>>,
}

impl Listener {
    pub(crate) fn is_subscribed(&self) -> bool {
        self.is_subscribed
    }

    /// Its connection is new.
    pub(crate) fn clear(&mut self) {
        self.is_subscribed = false;
        self.before.push(std::mem::take(&mut self.heard));
    }

    /// A push.
    pub(crate) fn hear(&mut self, parts: &[Value], changes: &Changes) -> Result<(), String> {
        let text = |at: usize| parts.get(at).and_then(Value::as_text).unwrap_or_default();
        match text(0) {
            "psubscribe" => self.is_subscribed = true,
            "pmessage" => {
                let name = text(2).strip_prefix("__keyevent@0__:").ok_or("it comes from nowhere")?;
                let key = text(3);
                if !is_judged(key) {
                    return Ok(());
                }
                let known = NAMES.iter().find(|(known, _)| *known == name);
                let (_, name) = known.ok_or_else(|| format!("nothing does {name} to {key}"))?;
                let event = (*name, key.to_owned());
                let count = self.heard.entry(event.clone()).or_default();
                *count += 1;
                check(&event, *count, changes)?;
            }
            other => return Err(format!("a push of {other}")),
        }
        Ok(())
    }

    /// Whether all that it ever heard has been, now that all is known.
    pub(crate) fn check(&self, changes: &Changes) -> Result<(), String> {
        let all = self.before.iter().chain([&self.heard]).flatten();
        all.into_iter().try_for_each(|(event, count)| check(event, *count, changes))
    }

    /// An event of the audit that it has not heard.
    pub(crate) fn missed(&self, changes: &Changes) -> Option<String> {
        let missed = changes.done.iter().find(|event| !self.heard.contains_key(event))?;
        Some(format!("it has not heard {missed:?}"))
    }
}

/// Whether all that changes a key is known here: those of the mix have a tag or stand for fields that lapse.
fn is_judged(key: &str) -> bool {
    key.starts_with(['r', 'j', 'c', 'o', 'f', 'q', 'n']) || key.starts_with("{t")
}

fn check(event: &Event, count: u64, changes: &Changes) -> Result<(), String> {
    let may_be = changes.may_be.get(event).copied().unwrap_or(0);
    let may_be = if event.0 == "gone" && may_be > 0 { may_be + changes.losses } else { may_be };
    match count > may_be {
        true => Err(format!("{event:?} is heard {count} times, and can have been {may_be} times")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(listener: &mut Listener, name: &str, key: &str, changes: &Changes) -> Result<(), String> {
        let bulk = |text: &str| Value::Bulk(text.as_bytes().to_vec());
        let channel = bulk(&format!("__keyevent@0__:{name}"));
        listener.hear(&[bulk("pmessage"), bulk("*"), channel, bulk(key)], changes)
    }

    #[test]
    fn an_event_is_heard_as_often_as_it_can_have_been() {
        let (mut changes, mut listener) = (Changes::default(), Listener::default());
        changes.asked(Op::Write(1, 10));
        changes.asked(Op::Mark(77, 5, None));
        assert_eq!(heard(&mut listener, "set", "r1", &changes), Ok(()));
        assert_eq!(heard(&mut listener, "set", "{s}1", &changes), Ok(()), "not judged");
        assert_eq!(heard(&mut listener, "expired", "n77", &changes), Ok(()));
        assert!(heard(&mut listener, "evicted", "n77", &changes).is_err(), "it was gone");
        assert!(heard(&mut listener, "set", "r1", &changes).is_err(), "twice");
        assert!(heard(&mut listener, "set", "r2", &changes).is_err(), "never asked for");
        assert!(heard(&mut listener, "lset", "r1", &changes).is_err(), "nobody does that");
        assert!(heard(&mut listener, "evicted", "r1", &changes).is_err(), "it must stay");
    }

    #[test]
    fn a_key_that_came_back_after_a_loss_of_power_may_go_again() {
        let (mut changes, mut listener) = (Changes::default(), Listener::default());
        changes.asked(Op::Mark(77, 5, None));
        assert_eq!(heard(&mut listener, "expired", "n77", &changes), Ok(()));
        changes.lose_power();
        assert_eq!(heard(&mut listener, "expired", "n77", &changes), Ok(()));
        assert!(heard(&mut listener, "expired", "n77", &changes).is_err());
        assert!(heard(&mut listener, "expired", "r1", &changes).is_err(), "it was never there");
    }

    #[test]
    fn what_was_refused_was_not_heard_and_what_was_done_was() {
        let (mut changes, mut listener) = (Changes::new(true), Listener::default());
        changes.asked(Op::Mark(8, 1, None));
        changes.done(Op::Mark(8, 1, None));
        assert!(listener.missed(&changes).is_some());
        assert_eq!(heard(&mut listener, "set", "n8", &changes), Ok(()));
        assert_eq!(listener.missed(&changes), None);
        changes.asked(Op::Fill(3, 1));
        assert_eq!(heard(&mut listener, "set", "f3", &changes), Ok(()));
        assert_eq!(heard(&mut listener, "evicted", "f3", &changes), Ok(()));
        changes.asked(Op::Fill(3, 1));
        listener.clear();
        assert_eq!(heard(&mut listener, "set", "f3", &changes), Ok(()));
        listener.clear();
        assert_eq!(listener.check(&changes), Ok(()));
        changes.refused(Op::Fill(3, 1));
        changes.refused(Op::Fill(3, 1));
        assert!(listener.check(&changes).is_err());
    }
}
