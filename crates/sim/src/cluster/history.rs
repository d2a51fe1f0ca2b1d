//! What clients of a cluster asked and were told, and whether one order of it all can explain it.
//!
//! Registers are checked by search (Wing and Gong's, with Lowe's memory of what was tried); journals, counters and twins
//! by what each of their answers says by itself. A request that was refused did not take place; one whose fate is unknown
//! took place once or never, at any time after it was asked. Does not know: nodes.

use std::collections::{BTreeMap, BTreeSet};

use base::HashSet;

/// An act on a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Its value was read.
    Read(Option<u64>),
    /// It was written.
    Write(u64),
    /// It was written, and what it was before was told.
    Swap(Option<u64>, u64),
}

/// When something was asked, and when it was answered: never, if its fate is unknown.
#[derive(Clone, Copy, Debug)]
struct Span {
    asked: u64,
    told: Option<u64>,
}

/// All acts on one register.
#[derive(Default)]
pub(crate) struct Register(Vec<(Span, Act)>);

impl Register {
    pub(crate) fn done(&mut self, asked: u64, told: u64, act: Act) {
        self.0.push((Span { asked, told: Some(told) }, act));
    }

    /// A write that may take place at any time, or never.
    pub(crate) fn unknown(&mut self, asked: u64, value: u64) {
        self.0.push((Span { asked, told: None }, Act::Write(value)));
    }

    /// Whether there is an order that explains what was told.
    pub(crate) fn check(&self) -> Result<(), String> {
        let seen: BTreeSet<u64> = self
            .0
            .iter()
            .filter_map(|(_, act)| match act {
                Act::Read(value) | Act::Swap(value, _) => *value,
                Act::Write(_) => None,
            })
            .collect();
        // A write that nobody saw and nobody was told of explains nothing.
        let counts = |(span, act): &&(Span, Act)| {
            span.told.is_some() || matches!(act, Act::Write(value) if seen.contains(value))
        };
        let mut acts: Vec<(Span, Act)> = self.0.iter().filter(counts).copied().collect();
        acts.sort_by_key(|(span, _)| span.asked);
        match has_order(&acts) {
            Some(true) => Ok(()),
            Some(false) => Err(format!("no order explains {}", tell(&acts))),
            None => Err("the search for an order takes too long".to_owned()),
        }
    }
}

/// So many states are looked at before a search is given up; that never happened with as few clients.
const SEARCH_STEPS: u64 = 4_000_000;

/// Whether the acts, sorted by when they were asked, can be put in an order; none if the search takes too long.
fn has_order(acts: &[(Span, Act)]) -> Option<bool> {
    let mut tried: HashSet<(Vec<u64>, Option<u64>)> = HashSet::default();
    let mut budget = SEARCH_STEPS;
    let mut done = vec![0u64; acts.len().div_ceil(64)];
    let is_done = |done: &[u64], act: usize| done[act / 64] >> (act % 64) & 1 == 1;
    // How deep it goes is how long the history is, so what is under way is on a list and not on the stack: the first act
    // that may be missing, the value, the next act to try; and which act led there.
    let mut steps = vec![(0, None, 0)];
    let mut path: Vec<usize> = Vec::new();
    'deeper: while let Some((first, value, next)) = steps.last_mut() {
        while *first < acts.len() && is_done(&done, *first) {
            *first += 1;
        }
        let (first, value) = (*first, *value);
        // Nothing that was asked after one was told can come before it.
        let open = (first..acts.len()).filter(|act| !is_done(&done, *act));
        let Some(earliest_end) = open.filter_map(|act| acts[act].0.told).min() else { return Some(true) };
        for act in (*next).max(first)..acts.len() {
            if acts[act].0.asked > earliest_end {
                break;
            }
            budget = budget.checked_sub(1)?;
            let after = match (is_done(&done, act), acts[act].1) {
                (true, _) => None,
                (false, Act::Read(seen)) => (seen == value).then_some(value),
                (false, Act::Write(written)) => Some(Some(written)),
                (false, Act::Swap(seen, written)) => (seen == value).then_some(Some(written)),
            };
            let Some(after) = after else { continue };
            done[act / 64] |= 1 << (act % 64);
            if tried.insert((done.clone(), after)) {
                *next = act + 1;
                path.push(act);
                steps.push((first, after, first));
                continue 'deeper;
            }
            done[act / 64] &= !(1 << (act % 64));
        }
        steps.pop();
        if let Some(act) = path.pop() {
            done[act / 64] &= !(1 << (act % 64));
        }
    }
    Some(false)
}

fn tell(acts: &[(Span, Act)]) -> String {
    let line = |(span, act): &(Span, Act)| match span.told {
        Some(told) => format!("[{}..{told}] {act:?}", span.asked),
        None => format!("[{}..] {act:?}", span.asked),
    };
    acts.iter().map(line).collect::<Vec<_>>().join("; ")
}

/// A key that everybody appends words of a fixed length to.
#[derive(Default)]
pub(crate) struct Journal {
    /// Words whose fate is not known, or not yet.
    open: BTreeSet<u64>,
    /// Words that were appended, and when they were asked for and told of.
    kept: BTreeMap<u64, (u64, u64)>,
    refused: BTreeSet<u64>,
    /// The longest content ever read.
    longest: Vec<u64>,
}

impl Journal {
    pub(crate) fn asked(&mut self, word: u64) {
        self.open.insert(word);
    }

    pub(crate) fn kept(&mut self, word: u64, asked: u64, told: u64) {
        self.open.remove(&word);
        self.kept.insert(word, (asked, told));
    }

    pub(crate) fn refused(&mut self, word: u64) {
        self.open.remove(&word);
        self.refused.insert(word);
    }

    /// The content as somebody who asked then was told it.
    pub(crate) fn read(&mut self, asked: u64, words: &[u64]) -> Result<(), String> {
        let mut places = BTreeMap::new();
        for (place, word) in words.iter().enumerate() {
            if self.refused.contains(word) {
                return Err(format!("word {word} is there, and was said not to have been applied"));
            }
            if !self.open.contains(word) && !self.kept.contains_key(word) {
                return Err(format!("word {word} is there, and nobody appended it"));
            }
            if places.insert(*word, place).is_some() {
                return Err(format!("word {word} is there twice"));
            }
        }
        let lost = self.kept.iter().find(|(word, (_, told))| *told < asked && !places.contains_key(word));
        if let Some((word, _)) = lost {
            return Err(format!("word {word} was acknowledged, and is not there"));
        }
        self.check_order(words)?;
        let common = words.len().min(self.longest.len());
        if words[..common] != self.longest[..common] {
            return Err(format!("{words:?} was read where {:?} had been", self.longest));
        }
        if words.len() > self.longest.len() {
            self.longest = words.to_vec();
        }
        Ok(())
    }

    /// A word that was told of before another was asked for stands before it.
    fn check_order(&self, words: &[u64]) -> Result<(), String> {
        let mut latest_asked = 0;
        for word in words {
            let Some((asked, told)) = self.kept.get(word) else { continue };
            if *told < latest_asked {
                return Err(format!("word {word} stands behind one that was asked for after it was there"));
            }
            latest_asked = latest_asked.max(*asked);
        }
        Ok(())
    }
}

/// A key that everybody counts up by one.
#[derive(Default)]
pub(crate) struct Counter {
    /// Increments that were answered: what they gave, and when they were told of.
    told: BTreeMap<u64, u64>,
    unknown: u64,
    open: u64,
}

impl Counter {
    pub(crate) fn asked(&mut self) {
        self.open += 1;
    }

    pub(crate) fn counted(&mut self, asked: u64, now: u64, number: u64) -> Result<(), String> {
        self.open -= 1;
        self.saw(asked, number)?;
        match self.told.insert(number, now) {
            Some(_) => Err(format!("{number} was given twice")),
            None => Ok(()),
        }
    }

    pub(crate) fn refused(&mut self) {
        self.open -= 1;
    }

    pub(crate) fn lost(&mut self) {
        self.open -= 1;
        self.unknown += 1;
    }

    /// Whether who asked then may be told this number.
    pub(crate) fn saw(&self, asked: u64, number: u64) -> Result<(), String> {
        let before = self.told.iter().filter(|(_, told)| **told < asked).map(|(number, _)| *number).max();
        if before.is_some_and(|before| number < before) {
            return Err(format!("it is {number}, and was {before:?} before that was asked"));
        }
        let most = self.told.len() as u64 + self.unknown + self.open + 1;
        match number > most {
            true => Err(format!("it is {number}, of {most} increments at most")),
            false => Ok(()),
        }
    }

    /// What it may be once nothing is under way any more.
    pub(crate) fn check_last(&self, number: u64) -> Result<(), String> {
        let (least, most) = (self.told.len() as u64, self.told.len() as u64 + self.unknown);
        match (least..=most).contains(&number) {
            true => Ok(()),
            false => Err(format!("it is {number}, of {least} increments acknowledged and {most} asked for")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_of_what_was_overwritten_before_it_was_asked_has_no_order() {
        let mut register = Register::default();
        register.done(1, 2, Act::Write(1));
        register.done(3, 4, Act::Write(2));
        register.done(5, 6, Act::Read(Some(2)));
        assert_eq!(register.check(), Ok(()));
        register.done(7, 8, Act::Read(Some(1)));
        assert!(register.check().is_err());
    }

    #[test]
    fn a_write_of_unknown_fate_may_take_place_late_but_not_twice() {
        let mut register = Register::default();
        register.done(1, 2, Act::Write(1));
        register.unknown(3, 2);
        register.done(5, 6, Act::Read(Some(1)));
        register.done(7, 8, Act::Read(Some(2)));
        assert_eq!(register.check(), Ok(()));
        register.done(9, 10, Act::Swap(Some(2), 3));
        register.done(11, 12, Act::Read(Some(2)));
        assert!(register.check().is_err());
    }

    #[test]
    fn what_overlaps_may_come_in_any_order() {
        let mut register = Register::default();
        register.done(1, 10, Act::Write(1));
        register.done(2, 11, Act::Write(2));
        register.done(3, 12, Act::Swap(Some(2), 3));
        register.done(13, 14, Act::Read(Some(1)));
        assert_eq!(register.check(), Ok(()));
        register.done(15, 16, Act::Read(Some(3)));
        assert!(register.check().is_err());
    }

    #[test]
    fn a_journal_holds_each_word_once_in_order_and_none_that_was_refused() {
        let mut journal = Journal::default();
        (1..=4).for_each(|word| journal.asked(word));
        journal.kept(1, 1, 2);
        journal.kept(2, 3, 4);
        journal.refused(3);
        assert_eq!(journal.read(5, &[1, 2]), Ok(()));
        assert!(journal.read(5, &[2, 1]).is_err());
        assert!(journal.read(5, &[1]).is_err());
        assert!(journal.read(5, &[1, 2, 3]).is_err());
        assert!(journal.read(5, &[1, 2, 2]).is_err());
        assert_eq!(journal.read(6, &[1, 2, 4]), Ok(()));
        assert!(journal.read(3, &[1, 4]).is_err(), "another content was read before");
    }

    #[test]
    fn a_counter_gives_no_number_twice_and_does_not_go_back() {
        let mut counter = Counter::default();
        (0..4).for_each(|_| counter.asked());
        assert_eq!(counter.counted(1, 2, 1), Ok(()));
        assert!(counter.counted(1, 3, 1).is_err());
        assert_eq!(counter.counted(4, 5, 2), Ok(()));
        assert!(counter.saw(6, 1).is_err());
        counter.lost();
        assert_eq!(counter.check_last(3), Ok(()));
        assert!(counter.check_last(4).is_err());
        assert!(counter.check_last(1).is_err());
    }
}
