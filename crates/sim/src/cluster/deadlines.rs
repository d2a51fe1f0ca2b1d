//! Keys that lapse: none is gone before its time, and none is read long after it.
//!
//! Judged by the steady clock, which is the same everywhere here, while the wall clocks of the nodes are anything. A run that
//! judges has nodes start with wrong clocks. Where nobody can know what time it is, as when all start at once, time may begin
//! anew: then what was written before is not judged any more.
//! Does not know: who served a request, what nodes take for the time.

use std::collections::BTreeMap;

/// By how much a key may be gone early: what nodes know of each other's time is not exact.
const EARLY_US: u64 = 1_500_000;
/// By how much one may be read late, beside a ninth of its life: time goes at nine tenths at least.
const LATE_US: u64 = 2_500_000;

/// See the module.
#[derive(Default)]
pub(crate) struct Deadlines {
    is_on: bool,
    /// What was asked before is not judged.
    since_us: u64,
    /// Those that were written for certain.
    keys: BTreeMap<u64, Key>,
}

struct Key {
    asked_us: u64,
    told_us: u64,
    life_us: u64,
}

impl Deadlines {
    /// From now on it is judged.
    pub(crate) fn begin(&mut self) {
        self.is_on = true;
    }

    /// Nothing is, any more.
    pub(crate) fn end(&mut self) {
        self.is_on = false;
    }

    /// What was written before may be gone, or stay, without anybody's fault.
    pub(crate) fn forget(&mut self, now_us: u64) {
        self.since_us = now_us;
        self.keys.clear();
    }

    /// A key was written that lives for so many milliseconds.
    pub(crate) fn wrote(&mut self, token: u64, millis: u64, (asked_us, told_us): (u64, u64)) {
        if self.is_on && asked_us > self.since_us {
            self.keys.insert(token, Key { asked_us, told_us, life_us: millis * 1000 });
        }
    }

    /// It was read, and was there or not.
    pub(crate) fn read(
        &self,
        token: u64,
        is_there: bool,
        (asked_us, told_us): (u64, u64),
    ) -> Result<(), String> {
        let Some(key) = self.keys.get(&token).filter(|_| self.is_on && asked_us > self.since_us) else {
            return Ok(());
        };
        let (most_us, least_us) =
            (told_us.saturating_sub(key.asked_us), asked_us.saturating_sub(key.told_us));
        let tell =
            |what, us| Err(format!("d{token} is to live for {} µs and {what} after {us} µs", key.life_us));
        match is_there {
            // Time goes a tenth faster at most.
            false if most_us + most_us / 10 + EARLY_US < key.life_us => tell("is gone", most_us),
            true if least_us > key.life_us + key.life_us / 9 + LATE_US => tell("is there", least_us),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_key_may_be_gone_a_little_early_and_stay_a_little_late() {
        let mut deadlines = Deadlines::default();
        let read = |deadlines: &Deadlines, is_there, at: u64| {
            deadlines.read(7, is_there, (at * SECOND, at * SECOND + 1)).is_ok()
        };
        deadlines.begin();
        deadlines.wrote(7, 10_000, (SECOND, 2 * SECOND));
        assert_eq!((read(&deadlines, false, 3), read(&deadlines, false, 9)), (false, true));
        assert_eq!((read(&deadlines, true, 15), read(&deadlines, true, 16)), (true, false));
        deadlines.forget(3 * SECOND);
        assert!(read(&deadlines, false, 4));
        deadlines.wrote(7, 10_000, (SECOND, 4 * SECOND));
        assert!(read(&deadlines, false, 5), "it was asked for before");
        deadlines.wrote(7, 10_000, (4 * SECOND, 5 * SECOND));
        assert!(!read(&deadlines, false, 6));
        deadlines.end();
        assert!(read(&deadlines, false, 6));
    }
}
