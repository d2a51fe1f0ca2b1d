//! The cache of a simulated client: it keeps what it reads and forgets what it is told has changed.
//!
//! Invariant, judged once all is well again: what it keeps is what the fabric has. Does not know: who else reads or
//! writes.

use std::collections::BTreeMap;

use resp::Value;

use crate::cluster::judge::Op;

/// How a client asks to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Of what it has read.
    Read,
    /// The same, but not of its own changes: it forgets by itself then.
    NoLoop,
    /// Of all changes of some keys.
    Prefixes,
}

/// See the module.
pub(crate) struct Cache {
    mode: Mode,
    values: BTreeMap<String, Value>,
}

impl Cache {
    /// That of client number `id`.
    pub(crate) fn of(id: usize) -> Cache {
        let mode = [Mode::Read, Mode::Prefixes, Mode::NoLoop][id % 3];
        Cache { mode, values: BTreeMap::new() }
    }

    /// The words that begin it.
    pub(crate) fn request(&self) -> &'static [&'static str] {
        match self.mode {
            Mode::Read => &["CLIENT", "TRACKING", "ON"],
            Mode::NoLoop => &["CLIENT", "TRACKING", "ON", "NOLOOP"],
            Mode::Prefixes => {
                &["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "r", "PREFIX", "j", "PREFIX", "q"]
            }
        }
    }

    /// Its connection is new: whatever the last one would have been told is lost.
    pub(crate) fn clear(&mut self) {
        self.values.clear();
    }

    /// An act of its client was answered.
    pub(crate) fn note(&mut self, op: Op, answer: &Value) {
        if let Some(key) = op.key_read() {
            let is_told = self.mode != Mode::Prefixes || ["r", "j", "q"].iter().any(|p| key.starts_with(p));
            if is_told && !answer.is_error() {
                self.values.insert(key, answer.clone());
            }
        } else if self.mode == Mode::NoLoop {
            self.values.clear();
        }
    }

    /// A push; whether it is one that a cache understands.
    pub(crate) fn obey(&mut self, parts: &[Value]) -> bool {
        match parts {
            [Value::Bulk(word), Value::Null] if word == b"invalidate" => self.values.clear(),
            [Value::Bulk(word), Value::Array(keys)] if word == b"invalidate" => {
                for key in keys {
                    let Value::Bulk(key) = key else { return false };
                    self.values.remove(&*String::from_utf8_lossy(key));
                }
            }
            _ => return false,
        }
        true
    }

    /// A key of which it keeps something else than there is, if it keeps it at all.
    pub(crate) fn stale<'a>(&'a self, truth: &'a BTreeMap<String, Value>) -> Option<(&'a str, &'a Value)> {
        let differs = |(key, value): &(&String, &Value)| truth.get(*key).is_some_and(|there| there != *value);
        self.values.iter().find(differs).map(|(key, value)| (key.as_str(), value))
    }
}
