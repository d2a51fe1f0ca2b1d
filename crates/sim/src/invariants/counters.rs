//! Every increment counts once.
//!
//! Source: at most once without a retry, exactly once when answered. Clients share these keys: they add one with
//! `INCR`, or read, add and write under `WATCH`. No two answered increments give the same number, none gives one
//! that was reached before it was asked for, and no counter is ever above the increments that were asked for.

use std::collections::BTreeSet;

/// A shared counter.
#[derive(Default)]
pub(crate) struct Counter {
    /// Increments that were asked for and not refused.
    asked: i64,
    /// Numbers that were answered, with the event of the answer; they grow with it.
    answered: Vec<(u64, i64)>,
    seen: BTreeSet<i64>,
}

impl Counter {
    /// An increment is asked for.
    pub(crate) fn ask(&mut self) {
        self.asked += 1;
    }

    /// An increment was refused, or given up by `WATCH`: it did not take place.
    pub(crate) fn refused(&mut self) {
        self.asked -= 1;
    }

    /// The highest number that was answered up to an event.
    fn floor(&self, event: u64) -> i64 {
        self.answered.iter().filter(|(at, _)| *at <= event).map(|(_, number)| *number).max().unwrap_or(0)
    }

    /// An increment that was asked for at `asked_at` was answered with `number`.
    pub(crate) fn counted(
        &mut self,
        name: &str,
        asked_at: u64,
        event: u64,
        number: i64,
    ) -> Result<(), String> {
        let floor = self.floor(asked_at);
        if number <= floor {
            return Err(format!("counters: {name} was counted to {number} after it had been at {floor}"));
        }
        if number > self.asked {
            return Err(format!("counters: {name} is at {number} after {} increments", self.asked));
        }
        if !self.seen.insert(number) {
            return Err(format!("counters: {name} was counted to {number} twice"));
        }
        self.answered.push((event, number));
        if self.answered.len() > 512 {
            // Answers are nearly in order; the floor of old events is never asked for again.
            let floor = self.answered[..256].iter().map(|(_, number)| *number).max().unwrap_or(0);
            let event = self.answered[255].0;
            self.answered.splice(..256, [(event, floor)]);
        }
        Ok(())
    }

    /// A reader that asked at `asked_at` found the counter at `number`.
    pub(crate) fn read(&self, name: &str, asked_at: u64, number: i64) -> Result<(), String> {
        let floor = self.floor(asked_at);
        if number < floor || number > self.asked {
            return Err(format!(
                "counters: {name} is at {number}, it must be from {floor} to {}",
                self.asked
            ));
        }
        Ok(())
    }

    /// The machine lost power: what was not on stable storage may not have been counted.
    pub(crate) fn lose_power(&mut self, durable: u64) {
        self.answered.retain(|(at, _)| *at <= durable);
        let floor = self.floor(durable);
        self.seen.retain(|number| *number <= floor);
    }
}
