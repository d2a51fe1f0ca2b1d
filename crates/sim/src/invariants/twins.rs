//! What is written together is seen together, and nobody sees an older value than one already acknowledged.
//!
//! Source: `MSET` and `MULTI` are all or nothing, also over partitions; reads are linear. Two keys in different
//! partitions always get the same value, by one request or one transaction, from several clients. Each value is
//! written once, so a value that is read tells which write is the last.

use std::collections::BTreeMap;

/// What is known of a write.
struct Write {
    asked_at: u64,
    answered_at: Option<u64>,
    refused: bool,
}

/// A pair of keys that are only ever written together.
#[derive(Default)]
pub(crate) struct Twins {
    writes: BTreeMap<u64, Write>,
}

impl Twins {
    /// A write of `token` to both is asked for.
    pub(crate) fn ask(&mut self, token: u64, event: u64) {
        self.writes.insert(token, Write { asked_at: event, answered_at: None, refused: false });
    }

    /// It was answered.
    pub(crate) fn written(&mut self, token: u64, event: u64) {
        if let Some(write) = self.writes.get_mut(&token) {
            write.answered_at = Some(event);
        }
    }

    /// It was refused: it must never be seen.
    pub(crate) fn refused(&mut self, token: u64) {
        if let Some(write) = self.writes.get_mut(&token) {
            write.refused = true;
        }
    }

    /// A reader that asked at `asked_at` found these.
    pub(crate) fn read(
        &mut self,
        name: &str,
        asked_at: u64,
        one: Option<u64>,
        other: Option<u64>,
    ) -> Result<(), String> {
        if one != other {
            return Err(format!("twins: {name} are {one:?} and {other:?}, but were only written together"));
        }
        let found_asked_end = match one {
            None => Some(0),
            Some(token) => {
                let write = self.writes.get(&token);
                let write = write.ok_or_else(|| format!("twins: {name} are {token}, which nobody wrote"))?;
                if write.refused {
                    return Err(format!("twins: {name} are {token}, a write that was refused"));
                }
                write.answered_at
            }
        };
        // A write without an answer may take place at any time up to now.
        let Some(end) = found_asked_end else { return Ok(()) };
        let newer = self.writes.iter().find(|(_, write)| {
            write.asked_at > end && write.answered_at.is_some_and(|at| at < asked_at) && !write.refused
        });
        match newer {
            Some((token, _)) => {
                Err(format!("twins: {name} are {one:?}, though {token} was written after it"))
            }
            None => Ok(()),
        }
    }

    /// The machine lost power: later answers are as good as none.
    pub(crate) fn lose_power(&mut self, durable: u64) {
        for write in self.writes.values_mut() {
            if write.answered_at.is_some_and(|at| at > durable) {
                write.answered_at = None;
            }
        }
    }
}
