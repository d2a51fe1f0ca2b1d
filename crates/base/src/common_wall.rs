//! The wall clock of a node that has others beside it: one that takes no jumps ([`SteadyWall`]), and that begins with the
//! time of those who run already, not with what its own system says.
//!
//! ```text
//!   alone ─────────────────────────────────────┐
//!                                              ▼
//!   ┌───────┐  a settled one says its time  ┌─────────┐
//!   │ waits │ ────────────────────────────▶ │ settled │
//!   └───────┘  most have said, or it is late└─────────┘
//! ```
//!
//! Who waits says what it would take for the time by itself. If nobody is settled, as when all start at once, the median of
//! that is taken: of an even number the lower of the two in the middle, for what lives too long can be mended, and what
//! died cannot. But it is no earlier than what any of them has in its log, or that would not lapse before time is there.
//!
//! Who waits shows the newest time that was made use of here, and begins before that if it is told so: that one partition was
//! led by a node with a wrong clock is no reason to lead others by it.
//!
//! Invariant: nobody who is settled is moved by others. Does not know: links (how late a word is, its caller takes off), what is
//! not done while it waits.

use std::collections::BTreeMap;

use crate::steady_wall::{ClockState, Hands, SteadyWall, difference, is_in_reach};
use crate::time::Now;

/// What a node says of its time to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWord {
    /// The time, or what it would take for it.
    pub wall_us: u64,
    /// It is no earlier than this, by the log of the sender.
    pub least_us: u64,
    /// Whether it knows.
    pub is_settled: bool,
    /// Whether it does not follow its system's clock.
    pub is_alarmed: bool,
}

/// Who is there beside a node when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// Nobody.
    Alone,
    /// Other members. Of what the node decides by itself there may be something all the same: it cannot wait for ever.
    Others {
        /// See above.
        decides_alone: bool,
    },
}

/// How it came to be known what time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettledBy {
    /// By the system's clock: there was nobody to ask.
    Itself,
    /// By what those said who did not know either.
    Median,
    /// By somebody who knew.
    Peer,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct CommonWall {
    steady: SteadyWall,
    /// Steady clock.
    began_us: u64,
    decides_alone: bool,
    settled: Option<SettledBy>,
    /// How many members there are, this one included.
    members: usize,
    heard: BTreeMap<u64, Heard>,
}

/// What another node said.
#[derive(Clone, Copy, Debug)]
struct Heard {
    /// Its time is our steady clock and this.
    ahead_us: i64,
    /// The same of what it is not before.
    least_ahead_us: i64,
    is_settled: bool,
    is_alarmed: bool,
    /// It was told that its time is another.
    is_told: bool,
}

impl Heard {
    fn wall_us(self, mono_us: u64) -> u64 {
        mono_us.saturating_add_signed(self.ahead_us)
    }
}

impl CommonWall {
    /// For how long a node that starts waits for most of the others to say something.
    pub const PATIENCE_US: u64 = 1_000_000;
    /// A difference that is not worth a correction: what others say is not more exact by much.
    const ALIKE_US: u64 = 1_000_000;

    /// A clock that begins, not before the newest time that was ever made use of here.
    pub fn new(system: Now, newest_us: u64, company: Company) -> CommonWall {
        let (steady, settled, decides_alone) = match company {
            Company::Alone => (SteadyWall::new(system, newest_us), Some(SettledBy::Itself), true),
            Company::Others { decides_alone } => {
                (SteadyWall::waiting(system, newest_us), None, decides_alone)
            }
        };
        let heard = BTreeMap::new();
        CommonWall { steady, began_us: system.mono_us, decides_alone, settled, members: 1, heard }
    }

    /// What is shown until the next look.
    pub fn hands(&self) -> Hands {
        self.steady.hands()
    }

    /// How this clock stands to the system's.
    pub fn state(&self) -> ClockState {
        self.steady.state()
    }

    /// How far the system's clock is ahead of this one, in microseconds; negative if it is behind.
    pub fn off_us(&self) -> i64 {
        self.steady.off_us()
    }

    /// How it came to be known what time it is; none while it is not.
    pub fn settled(&self) -> Option<SettledBy> {
        self.settled
    }

    /// Looks at both clocks.
    pub fn look(&mut self, system: Now) {
        self.steady.look(system);
        self.settle_if_due(system);
    }

    /// The system's clock is right, says an operator; see [`SteadyWall::accept`].
    pub fn accept(&mut self) {
        self.steady.accept();
        self.settled.get_or_insert(SettledBy::Itself);
    }

    /// What this node says of its time, right after a look.
    pub fn word(&self, system: Now) -> TimeWord {
        let is_settled = self.settled.is_some();
        let least_us = self.shown_us(system);
        let wall_us = if is_settled { least_us } else { self.own_us(system) };
        TimeWord { wall_us, least_us, is_settled, is_alarmed: self.state() == ClockState::Alarm }
    }

    /// Another node said this when the steady clock was there; there are so many members. How far it is ahead, if that is
    /// far and was not told yet.
    pub fn hear(
        &mut self,
        from: u64,
        word: TimeWord,
        at_us: u64,
        members: usize,
        system: Now,
    ) -> Option<i64> {
        self.steady.look(system);
        self.members = members;
        let ahead_us = difference(word.wall_us, at_us);
        let least_ahead_us = difference(word.least_us, at_us);
        let TimeWord { is_settled, is_alarmed, .. } = word;
        let was_told = self.heard.get(&from).is_some_and(|heard| heard.is_told);
        let heard = Heard { ahead_us, least_ahead_us, is_settled, is_alarmed, is_told: false };
        self.heard.insert(from, heard);
        self.settle_if_due(system);
        let apart_us = self.apart_us(heard);
        if let Some(heard) = self.heard.get_mut(&from) {
            heard.is_told = apart_us.is_some();
        }
        apart_us.filter(|_| !was_told)
    }

    /// Nodes whose time is far from this one's, and how far it is ahead.
    pub fn apart(&self) -> impl Iterator<Item = (u64, i64)> {
        self.heard.iter().filter_map(|(node, heard)| Some((*node, self.apart_us(*heard)?)))
    }

    /// Nodes that do not follow their system's clocks.
    pub fn alarmed(&self) -> impl Iterator<Item = u64> {
        self.heard.iter().filter(|(_, heard)| heard.is_alarmed).map(|(node, _)| *node)
    }

    fn apart_us(&self, heard: Heard) -> Option<i64> {
        let ahead_us = heard.ahead_us.saturating_sub(self.hands().ahead_us);
        (self.settled.is_some() && heard.is_settled && !is_in_reach(ahead_us)).then_some(ahead_us)
    }

    fn shown_us(&self, system: Now) -> u64 {
        self.hands().wall_us(system.mono_us)
    }

    /// What this node would take for the time by itself.
    fn own_us(&self, system: Now) -> u64 {
        system.wall_us.max(self.shown_us(system))
    }

    fn settle_if_due(&mut self, system: Now) {
        if self.settled.is_some() {
            return;
        }
        let Some((wall_us, by)) = self.peers_us(system).or_else(|| self.median_us(system)) else { return };
        let own_us = self.own_us(system);
        let is_alike = own_us.abs_diff(wall_us) <= CommonWall::ALIKE_US;
        #[cfg(narf_plant)]
        let is_alike = is_alike || crate::plant::is(crate::plant::Plant::OwnClock);
        self.steady.settle(if is_alike { own_us } else { wall_us });
        self.settled = Some(by);
    }

    /// The time of one who knows.
    fn peers_us(&self, system: Now) -> Option<(u64, SettledBy)> {
        let one = self.heard.values().find(|heard| heard.is_settled)?;
        Some((one.wall_us(system.mono_us), SettledBy::Peer))
    }

    /// The median of what those would take for it who do not know, once most have said it, or it is late.
    fn median_us(&self, system: Now) -> Option<(u64, SettledBy)> {
        let (others, is_heard) = (self.heard.values(), !self.heard.is_empty());
        let have_most_said = is_heard && (self.heard.len() + 1) * 2 > self.members;
        let is_late = system.mono_us.saturating_sub(self.began_us) >= CommonWall::PATIENCE_US;
        if !have_most_said && !(is_late && (is_heard || self.decides_alone)) {
            return None;
        }
        let least =
            others.clone().map(|heard| system.mono_us.saturating_add_signed(heard.least_ahead_us)).max();
        let mut all: Vec<u64> = others.map(|heard| heard.wall_us(system.mono_us)).collect();
        all.push(self.own_us(system));
        all.sort_unstable();
        let median_us = *all.get((all.len() - 1) / 2)?;
        let by = if is_heard { SettledBy::Median } else { SettledBy::Itself };
        Some((median_us.max(self.shown_us(system)).max(least.unwrap_or(0)), by))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000;
    const HOUR: u64 = 3600 * SECOND;
    const START: u64 = 1_700_000_000 * SECOND;
    const OTHERS: Company = Company::Others { decides_alone: false };

    fn at(wall_us: u64, mono_us: u64) -> Now {
        Now { wall_us, mono_us }
    }

    fn says(wall_us: u64, is_settled: bool) -> TimeWord {
        TimeWord { wall_us, least_us: 0, is_settled, is_alarmed: false }
    }

    /// A node of three that starts an hour after the newest entry of its log, and what it shows after it has heard this.
    #[track_caller]
    fn check(system_us: u64, words: &[TimeWord], shown_us: u64, by: Option<SettledBy>, state: ClockState) {
        let mut wall = CommonWall::new(at(system_us, 9), START - HOUR, OTHERS);
        for (from, word) in (1..).zip(words) {
            wall.hear(from, *word, 9, 3, at(system_us, 9));
        }
        assert_eq!((wall.hands().wall_us(9), wall.settled(), wall.state()), (shown_us, by, state));
    }

    #[test]
    fn who_starts_takes_the_time_of_who_runs() {
        let (peer, waits) = (Some(SettledBy::Peer), ClockState::Waits);
        check(START, &[], START - HOUR, None, waits);
        check(START + HOUR, &[says(START, true)], START, peer, ClockState::Alarm);
        check(0, &[says(START, true)], START, peer, ClockState::Alarm);
        check(START + 400_000, &[says(START, true)], START + 400_000, peer, ClockState::Follows);
        check(START + 4 * SECOND, &[says(START, true)], START, peer, ClockState::Follows);
        check(START, &[says(START - 2 * HOUR, true)], START - 2 * HOUR, peer, ClockState::Alarm);
    }

    #[test]
    fn if_nobody_knows_it_is_the_median_of_most() {
        let median = Some(SettledBy::Median);
        let (late, early) = (says(START + HOUR, false), says(START - HOUR, false));
        check(START + HOUR, &[says(START, false)], START, median, ClockState::Alarm);
        check(START, &[late], START, median, ClockState::Follows);
        let mut wall = CommonWall::new(at(START, 9), 0, OTHERS);
        wall.hear(1, late, 9, 5, at(START, 9));
        assert_eq!(wall.settled(), None, "two of five");
        wall.hear(2, early, 9, 5, at(START, 9));
        assert_eq!((wall.settled(), wall.hands().wall_us(9)), (median, START));
        // Those who are away are not waited for.
        let mut wall = CommonWall::new(at(START, 9), 0, OTHERS);
        wall.hear(1, late, 9, 5, at(START, 9));
        wall.look(at(START + SECOND, 9 + SECOND));
        assert_eq!((wall.settled(), wall.hands().wall_us(9 + SECOND)), (median, START + SECOND));
    }

    #[test]
    fn time_does_not_begin_before_what_is_in_a_log() {
        // All are in 1970, and one has no log.
        let mut wall = CommonWall::new(at(0, 9), START - HOUR, OTHERS);
        wall.hear(1, says(0, false), 9, 2, at(0, 9));
        assert_eq!(wall.hands().wall_us(9), START - HOUR);
        let mut wall = CommonWall::new(at(0, 9), 0, OTHERS);
        wall.hear(1, TimeWord { least_us: START - HOUR, ..says(START, false) }, 9, 2, at(0, 9));
        assert_eq!((wall.hands().wall_us(9), wall.state()), (START - HOUR, ClockState::Alarm));
    }

    #[test]
    fn who_hears_nobody_waits_unless_it_decides_something_alone() {
        for (decides_alone, by) in [(false, None), (true, Some(SettledBy::Itself))] {
            let mut wall = CommonWall::new(at(START, 9), 0, Company::Others { decides_alone });
            wall.look(at(START + SECOND - 1, 8 + SECOND));
            assert_eq!(wall.settled(), None);
            wall.look(at(START + SECOND, 9 + SECOND));
            assert_eq!(wall.settled(), by);
        }
        let mut wall = CommonWall::new(at(START, 9), 0, OTHERS);
        wall.accept();
        assert_eq!((wall.settled(), wall.hands().wall_us(9)), (Some(SettledBy::Itself), START));
        let wall = CommonWall::new(at(START, 9), 0, Company::Alone);
        assert_eq!((wall.settled(), wall.hands().wall_us(9)), (Some(SettledBy::Itself), START));
    }

    #[test]
    fn who_runs_is_not_moved_and_tells_once_that_times_differ() {
        let system = at(START, 9);
        let mut wall = CommonWall::new(system, 0, Company::Alone);
        let far = says(START + HOUR, true);
        assert_eq!(wall.hear(1, far, 9, 2, system), Some(HOUR.cast_signed()));
        assert_eq!(wall.hear(1, far, 9, 2, system), None);
        assert_eq!(wall.hear(2, says(START - HOUR, false), 9, 2, system), None, "it does not know");
        assert_eq!(wall.hear(3, says(START + SECOND, true), 9, 2, system), None);
        assert_eq!((wall.hands().wall_us(9), wall.state()), (START, ClockState::Follows));
        assert_eq!(wall.apart().collect::<Vec<_>>(), [(1, HOUR.cast_signed())]);
        assert_eq!(wall.hear(1, says(START, true), 9, 2, system), None);
        assert_eq!(wall.apart().count(), 0);
        assert_eq!(wall.hear(1, far, 9, 2, system), Some(HOUR.cast_signed()), "again");
    }

    #[test]
    fn a_word_says_what_is_shown_or_what_would_be_and_who_is_alarmed_is_known() {
        let mut wall = CommonWall::new(at(START, 9), START - HOUR, OTHERS);
        assert_eq!(wall.word(at(START, 9)), TimeWord { least_us: START - HOUR, ..says(START, false) });
        let shown_us = START - 60 * SECOND;
        let word = TimeWord { is_alarmed: true, least_us: shown_us, ..says(shown_us, true) };
        wall.hear(4, word, 9, 3, at(START, 9));
        assert_eq!(wall.word(at(START, 9)), word);
        assert_eq!(wall.alarmed().collect::<Vec<_>>(), [4]);
    }

    proptest! {
        /// Whoever is heard in whatever order: time is moved once at most, and then no more.
        #[test]
        fn it_is_settled_once(
            system_us in 0..2 * START, newest_us in 0..2 * START,
            words in prop::collection::vec((1..6_u64, 0..2 * START, any::<bool>(), 0..SECOND), 0..30),
        ) {
            let mut now = at(system_us, 0);
            let mut wall = CommonWall::new(now, newest_us, OTHERS);
            for (from, wall_us, is_settled, passed_us) in words {
                now = at(now.wall_us + passed_us, now.mono_us + passed_us);
                let (before_us, was) = (wall.shown_us(now), wall.settled());
                wall.hear(from, says(wall_us, is_settled), now.mono_us, 5, now);
                let moved_us = wall.shown_us(now).abs_diff(before_us);
                let went_on = wall.shown_us(now) >= before_us && moved_us <= SECOND / 10;
                prop_assert!(was.is_none() || went_on && wall.settled() == was);
                prop_assert!(wall.settled().is_some() || moved_us == 0 && !is_settled);
            }
        }
    }
}
