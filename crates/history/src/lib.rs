//! What clients of a cluster asked and were told, and whether one order of it all can explain it.
//!
//! Registers are checked by search (Wing and Gong's, with Lowe's memory of what was tried); journals, counters and twins
//! by what each of their answers says by itself. A request that was refused did not take place; one whose fate is unknown
//! took place once or never, at any time after it was asked. When several machines lose their power at once, the end of
//! what was answered may be gone, back to what all their disks had; what was answered at `durable` never is, nor is
//! anything that came before it. Where any key may be taken away to have room, a register may become empty at any time and
//! stays so until it is written; of the other kinds that leaves who may be there, and in which order. Does not know: nodes.

use std::collections::{BTreeMap, BTreeSet};

use base::HashSet;

/// An act on a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Its value was read.
    Read(Option<u64>),
    /// It was written.
    Write(u64),
    /// It was written, and what it was before was told.
    Swap(Option<u64>, u64),
    /// There was nothing, in a cluster that may take any key away to have room: that was so, or came to be so then.
    Gone,
    /// Several machines lost their power: it is what it was, or what it was at some time before.
    Loss(Loss),
}

/// Several machines lose their power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The event.
    pub at: u64,
    /// Steady clock: all that was written before is on the disks of all of them.
    pub since_us: u64,
}

/// When something was asked, and when it was answered, by the number of the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The event of asking.
    pub asked: u64,
    /// The event of the answer.
    pub told: u64,
    /// Steady clock: when it was answered.
    pub told_us: u64,
    /// It was a write, and on stable storage when it was answered.
    pub is_durable: bool,
}

impl Told {
    /// Whether what it tells of survives a loss, with all before it.
    fn is_firm(&self, loss: &Loss) -> bool {
        self.is_durable || self.told_us < loss.since_us
    }

    /// Whether the answer was on its way when power was lost, so that what it tells of may be gone already.
    fn is_overtaken(&self, loss: Option<u64>) -> bool {
        !self.is_durable && loss.is_some_and(|loss| self.asked < loss)
    }
}

/// When something was asked, and how it was answered: not at all, if its fate is unknown.
#[derive(Clone, Copy, Debug)]
struct Span {
    asked: u64,
    told: Option<Told>,
}

/// All acts on one register.
#[derive(Default)]
pub struct Register(Vec<(Span, Act)>);

impl Register {
    /// An act that was answered.
    pub fn done(&mut self, told: Told, act: Act) {
        self.0.push((Span { asked: told.asked, told: Some(told) }, act));
    }

    /// A write that may take place at any time, or never.
    pub fn unknown(&mut self, asked: u64, value: u64) {
        self.0.push((Span { asked, told: None }, Act::Write(value)));
    }

    /// Several machines lose their power.
    pub fn lose(&mut self, loss: Loss) {
        let told = Told { asked: loss.at, told: loss.at, told_us: 0, is_durable: false };
        self.done(told, Act::Loss(loss));
    }

    /// Whether there is an order that explains what was told.
    pub fn check(&self) -> Result<(), String> {
        let seen: BTreeSet<u64> = self
            .0
            .iter()
            .filter_map(|(_, act)| match act {
                Act::Read(value) | Act::Swap(value, _) => *value,
                Act::Write(_) | Act::Gone | Act::Loss(_) => None,
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

/// What a register is after some acts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    value: Option<u64>,
    /// Losses so far.
    losses: usize,
    /// What one of those to come may take, in order.
    loose: Vec<Loose>,
}

/// A change that a loss may take.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Loose {
    /// What the register was before.
    before: Option<u64>,
    /// Steady clock: when it, or what shows that it was there, was told first; for ever, if never.
    told_us: u64,
}

impl State {
    /// What it is after one more act; none if the act cannot come next. A loss has as many outcomes as there are values
    /// that it may bring back, by `outcome`; anything else has one.
    fn after(&self, (span, act): &(Span, Act), outcome: usize, losses: &[Loss]) -> Option<State> {
        if let Act::Loss(loss) = act {
            let kept = self.loose.len().checked_sub(outcome)?;
            if self.loose[kept..].iter().any(|change| change.told_us < loss.since_us) {
                return None;
            }
            let value = self.loose.get(kept).map_or(self.value, |change| change.before);
            let mut next = State { value, losses: self.losses + 1, loose: self.loose[..kept].to_vec() };
            next.settle(losses);
            return Some(next);
        }
        let value = match *act {
            Act::Read(seen) => (seen == self.value).then_some(seen),
            Act::Write(written) => Some(Some(written)),
            Act::Swap(seen, written) => (seen == self.value).then_some(Some(written)),
            Act::Gone => Some(None),
            Act::Loss(_) => None,
        };
        let value = value.filter(|_| outcome == 0)?;
        let mut next = State { value, losses: self.losses, loose: self.loose.clone() };
        let told_us = span.told.map_or(u64::MAX, |told| told.told_us);
        match next.loose.last_mut() {
            _ if span.told.is_some_and(|told| told.is_durable) => next.loose.clear(),
            Some(last) if value == self.value => last.told_us = last.told_us.min(told_us),
            None if value == self.value => {}
            Some(_) | None => next.loose.push(Loose { before: self.value, told_us }),
        }
        next.settle(losses);
        Some(next)
    }

    /// Forgets what no loss to come can take.
    fn settle(&mut self, losses: &[Loss]) {
        let since_us = losses[self.losses..].iter().map(|loss| loss.since_us).min().unwrap_or(u64::MAX);
        let firm = self.loose.iter().rposition(|change| change.told_us < since_us);
        let is_last = self.losses == losses.len();
        self.loose.drain(..if is_last { self.loose.len() } else { firm.map_or(0, |firm| firm + 1) });
    }
}

/// A point of the search: what is known there, and what is to be tried next from there.
struct Point {
    /// The first act that may be missing.
    first: usize,
    state: State,
    act: usize,
    outcome: usize,
}

/// Whether the acts, sorted by when they were asked, can be put in an order; none if the search takes too long.
fn has_order(acts: &[(Span, Act)]) -> Option<bool> {
    let losses: Vec<Loss> = acts
        .iter()
        .filter_map(|(_, act)| match act {
            Act::Loss(loss) => Some(*loss),
            Act::Read(_) | Act::Write(_) | Act::Swap(..) | Act::Gone => None,
        })
        .collect();
    let mut tried: HashSet<(Vec<u64>, State)> = HashSet::default();
    let mut budget = SEARCH_STEPS;
    let mut done = vec![0u64; acts.len().div_ceil(64)];
    let is_done = |done: &[u64], act: usize| done[act / 64] >> (act % 64) & 1 == 1;
    // How deep it goes is how long the history is, so what is under way is on a list and not on the stack; and which act
    // led to each point.
    let mut points = vec![Point { first: 0, state: State::default(), act: 0, outcome: 0 }];
    let mut path: Vec<usize> = Vec::new();
    'deeper: while let Some(point) = points.last_mut() {
        while point.first < acts.len() && is_done(&done, point.first) {
            point.first += 1;
        }
        point.act = point.act.max(point.first);
        // Nothing that was asked after one was told can come before it.
        let open = (point.first..acts.len()).filter(|act| !is_done(&done, *act));
        let ends = open.filter_map(|act| Some(acts[act].0.told?.told));
        let Some(earliest_end) = ends.min() else { return Some(true) };
        while point.act < acts.len() && acts[point.act].0.asked <= earliest_end {
            budget = budget.checked_sub(1)?;
            let act = point.act;
            let after = match is_done(&done, act) {
                true => None,
                false => point.state.after(&acts[act], point.outcome, &losses),
            };
            let Some(after) = after else {
                (point.act, point.outcome) = (act + 1, 0);
                continue;
            };
            point.outcome += 1;
            done[act / 64] |= 1 << (act % 64);
            if tried.insert((done.clone(), after.clone())) {
                let first = point.first;
                path.push(act);
                points.push(Point { first, state: after, act: first, outcome: 0 });
                continue 'deeper;
            }
            done[act / 64] &= !(1 << (act % 64));
        }
        points.pop();
        if let Some(act) = path.pop() {
            done[act / 64] &= !(1 << (act % 64));
        }
    }
    Some(false)
}

fn tell(acts: &[(Span, Act)]) -> String {
    let line = |(span, act): &(Span, Act)| match span.told {
        Some(told) => format!("[{}..{}] {act:?}", span.asked, told.told),
        None => format!("[{}..] {act:?}", span.asked),
    };
    acts.iter().map(line).collect::<Vec<_>>().join("; ")
}

/// A key that everybody appends words of a fixed length to.
#[derive(Default)]
pub struct Journal {
    /// Words whose fate is not known, or not yet.
    open: BTreeSet<u64>,
    /// Words that were appended.
    kept: BTreeMap<u64, Told>,
    refused: BTreeSet<u64>,
    /// The longest content ever read.
    longest: Vec<u64>,
    /// When several machines lost their power last.
    lost: Option<u64>,
    /// It may be taken away at any time, and begins anew then.
    may_vanish: bool,
}

impl Journal {
    /// From now on it may be taken away at any time.
    pub fn may_vanish(&mut self) {
        self.may_vanish = true;
    }

    /// Somebody asks to append a word.
    pub fn asked(&mut self, word: u64) {
        self.open.insert(word);
    }

    /// It was appended, as they were told.
    pub fn kept(&mut self, word: u64, told: Told) {
        if told.is_overtaken(self.lost) {
            return;
        }
        self.open.remove(&word);
        self.kept.insert(word, told);
    }

    /// It was not, as they were told.
    pub fn refused(&mut self, word: u64) {
        self.open.remove(&word);
        self.refused.insert(word);
    }

    /// Several machines lose their power: what was answered since may be there or not, but for what came before a word
    /// that must be.
    pub fn lose(&mut self, loss: Loss) {
        self.lost = Some(loss.at);
        let gone = self.kept.extract_if(.., |_, told| !told.is_firm(&loss));
        self.open.extend(gone.map(|(word, _)| word));
        let firm = self.longest.iter().rposition(|word| self.kept.contains_key(word));
        self.longest.truncate(firm.map_or(0, |last| last + 1));
    }

    /// The content as somebody who asked then was told it.
    pub fn read(&mut self, asked: u64, words: &[u64]) -> Result<(), String> {
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
        self.check_order(words)?;
        if self.may_vanish {
            return Ok(());
        }
        let lost = self.kept.iter().find(|(word, told)| told.told < asked && !places.contains_key(word));
        if let Some((word, _)) = lost {
            return Err(format!("word {word} was acknowledged, and is not there"));
        }
        // An answer that was on its way when power was lost tells of what may be gone.
        if self.lost.is_some_and(|lost| asked < lost) {
            return Ok(());
        }
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
            let Some(told) = self.kept.get(word) else { continue };
            if told.told < latest_asked {
                return Err(format!("word {word} stands behind one that was asked for after it was there"));
            }
            latest_asked = latest_asked.max(told.asked);
        }
        Ok(())
    }
}

/// A key that everybody counts up by one.
#[derive(Default)]
pub struct Counter {
    /// Increments that were answered, by what they gave.
    told: BTreeMap<u64, Told>,
    unknown: u64,
    open: u64,
    /// When several machines lost their power last.
    lost: Option<u64>,
    /// It may be taken away at any time, and begins anew then.
    may_vanish: bool,
}

impl Counter {
    /// From now on it may be taken away at any time.
    pub fn may_vanish(&mut self) {
        self.may_vanish = true;
    }

    /// Somebody asks to count up.
    pub fn asked(&mut self) {
        self.open += 1;
    }

    /// It was counted up to this number, as they were told.
    pub fn counted(&mut self, told: Told, number: u64) -> Result<(), String> {
        self.open -= 1;
        if told.is_overtaken(self.lost) || self.may_vanish {
            self.unknown += 1;
            return self.check_most(number);
        }
        self.saw(told.asked, number)?;
        match self.told.insert(number, told) {
            Some(_) => Err(format!("{number} was given twice")),
            None => Ok(()),
        }
    }

    /// It was not, as they were told.
    pub fn refused(&mut self) {
        self.open -= 1;
    }

    /// Nobody said what became of it.
    pub fn unknown(&mut self) {
        self.open -= 1;
        self.unknown += 1;
    }

    /// Several machines lose their power: what was answered since may count or not, and its numbers may be given again.
    pub fn lose(&mut self, loss: Loss) {
        self.lost = Some(loss.at);
        let firm =
            self.told.iter().rev().find(|(_, told)| told.is_firm(&loss)).map_or(0, |(number, _)| *number);
        self.unknown += self.told.split_off(&(firm + 1)).len() as u64;
    }

    /// Whether who asked then may be told this number.
    pub fn saw(&self, asked: u64, number: u64) -> Result<(), String> {
        let before = self.told.iter().rev().find(|(_, told)| told.told < asked).map(|(number, _)| *number);
        if before.is_some_and(|before| number < before) {
            return Err(format!("it is {number}, and was {before:?} before that was asked"));
        }
        self.check_most(number)
    }

    /// No more than was asked for.
    fn check_most(&self, number: u64) -> Result<(), String> {
        let most = self.told.len() as u64 + self.unknown + self.open + 1;
        match number > most {
            true => Err(format!("it is {number}, of {most} increments at most")),
            false => Ok(()),
        }
    }

    /// What it may be once nothing is under way any more.
    pub fn check_last(&self, number: u64) -> Result<(), String> {
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

    fn told(asked: u64, told: u64) -> Told {
        Told { asked, told, told_us: told, is_durable: false }
    }

    fn durable(asked: u64, told: u64) -> Told {
        Told { is_durable: true, ..self::told(asked, told) }
    }

    #[test]
    fn a_read_of_what_was_overwritten_before_it_was_asked_has_no_order() {
        let mut register = Register::default();
        register.done(told(1, 2), Act::Write(1));
        register.done(told(3, 4), Act::Write(2));
        register.done(told(5, 6), Act::Read(Some(2)));
        assert_eq!(register.check(), Ok(()));
        register.done(told(7, 8), Act::Read(Some(1)));
        assert!(register.check().is_err());
    }

    #[test]
    fn a_write_of_unknown_fate_may_take_place_late_but_not_twice() {
        let mut register = Register::default();
        register.done(told(1, 2), Act::Write(1));
        register.unknown(3, 2);
        register.done(told(5, 6), Act::Read(Some(1)));
        register.done(told(7, 8), Act::Read(Some(2)));
        assert_eq!(register.check(), Ok(()));
        register.done(told(9, 10), Act::Swap(Some(2), 3));
        register.done(told(11, 12), Act::Read(Some(2)));
        assert!(register.check().is_err());
    }

    #[test]
    fn what_overlaps_may_come_in_any_order() {
        let mut register = Register::default();
        register.done(told(1, 10), Act::Write(1));
        register.done(told(2, 11), Act::Write(2));
        register.done(told(3, 12), Act::Swap(Some(2), 3));
        register.done(told(13, 14), Act::Read(Some(1)));
        assert_eq!(register.check(), Ok(()));
        register.done(told(15, 16), Act::Read(Some(3)));
        assert!(register.check().is_err());
    }

    #[test]
    fn a_register_that_was_taken_away_stays_empty_until_it_is_written() {
        let mut register = Register::default();
        register.done(told(1, 2), Act::Write(1));
        register.done(told(3, 4), Act::Gone);
        register.done(told(5, 6), Act::Write(2));
        register.done(told(7, 8), Act::Read(Some(2)));
        register.done(told(9, 10), Act::Gone);
        assert_eq!(register.check(), Ok(()));
        register.done(told(11, 12), Act::Read(Some(2)));
        assert!(register.check().is_err());
    }

    #[test]
    fn a_journal_and_a_counter_that_may_be_taken_away_hold_only_what_may_be_there() {
        let mut journal = Journal::default();
        journal.may_vanish();
        (1..=4).for_each(|word| journal.asked(word));
        journal.kept(1, told(1, 2));
        journal.kept(2, told(3, 4));
        journal.refused(3);
        for (words, may_be) in [(&[1, 2][..], true), (&[], true), (&[2, 4], true), (&[2, 1], false)] {
            assert_eq!(journal.read(5, words).is_ok(), may_be, "{words:?}");
        }
        assert!(journal.read(5, &[3]).is_err(), "refused");
        assert!(journal.read(5, &[2, 2]).is_err(), "twice");

        let mut counter = Counter::default();
        counter.may_vanish();
        (0..3).for_each(|_| counter.asked());
        assert_eq!(counter.counted(told(1, 2), 1), Ok(()));
        assert_eq!(counter.counted(told(3, 4), 1), Ok(()), "it was taken away in between");
        assert_eq!(counter.saw(5, 0), Ok(()));
        assert!(counter.counted(told(5, 6), 5).is_err(), "more than was asked for");
    }

    #[test]
    fn a_journal_holds_each_word_once_in_order_and_none_that_was_refused() {
        let mut journal = Journal::default();
        (1..=4).for_each(|word| journal.asked(word));
        journal.kept(1, told(1, 2));
        journal.kept(2, told(3, 4));
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
        assert_eq!(counter.counted(told(1, 2), 1), Ok(()));
        assert!(counter.counted(told(1, 3), 1).is_err());
        assert_eq!(counter.counted(told(4, 5), 2), Ok(()));
        assert!(counter.saw(6, 1).is_err());
        counter.unknown();
        assert_eq!(counter.check_last(3), Ok(()));
        assert!(counter.check_last(4).is_err());
        assert!(counter.check_last(1).is_err());
    }

    #[test]
    fn a_loss_of_power_may_take_the_end_of_a_register_but_no_durable_write_nor_what_was_long_there() {
        let history = |second: Told, since_us: u64, reads: &[Option<u64>]| {
            let mut register = Register::default();
            register.done(told(1, 2), Act::Write(1));
            register.done(second, Act::Write(2));
            register.done(told(5, 6), Act::Write(3));
            register.lose(Loss { at: 10, since_us });
            for (number, value) in reads.iter().enumerate() {
                let at = 20 + 2 * number as u64;
                register.done(told(at, at + 1), Act::Read(*value));
            }
            register.check().is_ok()
        };
        let quorum = told(3, 4);
        for (second, since_us, reads, may_be) in [
            (quorum, 0, [Some(3), Some(3)], true),
            (quorum, 0, [Some(2), Some(2)], true),
            (quorum, 0, [None, None], true),
            (quorum, 0, [Some(2), Some(3)], false),
            (quorum, 0, [Some(7), Some(7)], false),
            (quorum, 3, [Some(1), Some(1)], true),
            (quorum, 3, [None, None], false),
            (quorum, 7, [Some(2), Some(2)], false),
            (durable(3, 4), 0, [Some(2), Some(2)], true),
            (durable(3, 4), 0, [Some(1), Some(1)], false),
        ] {
            assert_eq!(history(second, since_us, &reads), may_be, "{second:?} {since_us} {reads:?}");
        }
    }

    #[test]
    fn what_one_loss_of_power_left_another_may_take() {
        let mut register = Register::default();
        register.done(told(1, 2), Act::Write(1));
        register.done(told(3, 4), Act::Write(2));
        register.lose(Loss { at: 10, since_us: 0 });
        register.done(told(11, 12), Act::Read(Some(2)));
        register.lose(Loss { at: 20, since_us: 3 });
        register.done(told(21, 22), Act::Read(Some(1)));
        assert_eq!(register.check(), Ok(()));
        register.lose(Loss { at: 30, since_us: 25 });
        register.done(told(31, 32), Act::Read(None));
        assert!(register.check().is_err());
    }

    #[test]
    fn what_one_loss_could_not_take_a_later_one_of_other_machines_may() {
        let history = |second_since_us: u64| {
            let mut register = Register::default();
            register.done(told(1, 4), Act::Write(1));
            register.lose(Loss { at: 10, since_us: 5 });
            register.lose(Loss { at: 20, since_us: second_since_us });
            register.done(told(21, 22), Act::Read(None));
            register.check().is_ok()
        };
        assert!(history(3));
        assert!(!history(6));
    }

    #[test]
    fn a_journal_and_a_counter_may_be_shorter_after_a_loss_of_power() {
        let mut journal = Journal::default();
        (1..=4).for_each(|word| journal.asked(word));
        journal.kept(1, told(1, 2));
        journal.kept(2, durable(3, 4));
        journal.kept(3, told(5, 6));
        assert_eq!(journal.read(7, &[1, 2, 3]), Ok(()));
        journal.lose(Loss { at: 8, since_us: 0 });
        assert_eq!(journal.read(7, &[1, 2, 3]), Ok(()), "the answer was on its way");
        assert!(journal.read(9, &[2]).is_err(), "what came before a word that must be there is there");
        assert_eq!(journal.read(9, &[1, 2]), Ok(()));
        assert_eq!(journal.read(10, &[1, 2, 4]), Ok(()));
        assert!(journal.read(11, &[1, 2, 3]).is_err());

        let mut counter = Counter::default();
        (0..5).for_each(|_| counter.asked());
        assert_eq!(counter.counted(told(1, 2), 1), Ok(()));
        assert_eq!(counter.counted(durable(3, 4), 2), Ok(()));
        assert_eq!(counter.counted(told(5, 6), 3), Ok(()));
        counter.lose(Loss { at: 8, since_us: 0 });
        assert!(counter.saw(9, 1).is_err());
        assert_eq!(counter.counted(told(7, 9), 4), Ok(()), "it was on its way");
        assert_eq!(counter.counted(told(10, 11), 3), Ok(()), "given again");
        assert_eq!(counter.check_last(3), Ok(()));
        assert_eq!(counter.check_last(5), Ok(()));
        assert!(counter.check_last(2).is_err());
    }
}
