//! When a round of checkpoints is due.
//!
//! Once the log has grown by what the settings say. Or, sooner, once writes were refused for want of room, or a round
//! could not be written: then a round makes room if something was deleted since the last, or if the disk has more room
//! than it had then; and nobody knows all reasons, so once a minute in any case.
//!
//! Invariants: a round that is begun for want of room follows the one before after a while that doubles, up to
//! [`WAIT_MAX`], so that a disk which stays full is not written to all the time.
//! Does not know: files, whether a round is under way.

use base::Millis;

use crate::Position;

const WAIT_FIRST: u64 = 1_000;
const WAIT_MAX: u64 = 8_000;
/// After so long without a reason it is tried all the same, or taken for over.
const WAIT_IDLE: u64 = 60_000;

/// See the module.
#[derive(Debug)]
pub struct Schedule {
    /// Where the log stood when the last round was asked for or began.
    last: Position,
    /// By how much the log grew in that round, of those of late, in which it grew least: of rounds that failed, and of those
    /// that were completed, which log more themselves.
    least_growth: [Option<u64>; 2],
    /// How the last round ended, if there was one.
    ended: Option<Ended>,
    /// Steady clock: no round for want of room before.
    not_before: Millis,
    wait: u64,
}

#[derive(Debug)]
struct Ended {
    look: Look,
    is_complete: bool,
    /// The log grew by more than what rounds log themselves, or nobody knows yet what that is: something was changed that the
    /// round may not have seen.
    has_changed: bool,
}

/// How things stand.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Steady clock.
    pub now: Millis,
    /// The end of the log.
    pub written: Position,
    /// Bytes that are free on the disk.
    pub free: u64,
}

impl Schedule {
    /// No round was begun yet; the newest checkpoints are as of `latest`.
    pub fn new(latest: Position) -> Schedule {
        Schedule {
            last: latest,
            least_growth: [None; 2],
            ended: None,
            not_before: Millis::default(),
            wait: WAIT_FIRST,
        }
    }

    /// Whether a round is to begin, which is then taken for asked for; `was_refused`: writes were, since this was asked
    /// last.
    pub fn is_due(&mut self, look: Look, was_refused: bool, checkpoint_log_size: u64) -> bool {
        let has_grown = look.written.0.saturating_sub(self.last.0) > checkpoint_log_size;
        let is_wanted = was_refused || self.ended.as_ref().is_some_and(|ended| !ended.is_complete);
        if !is_wanted && look.now.since(self.not_before) > WAIT_IDLE {
            (self.wait, self.least_growth) = (WAIT_FIRST, [None; 2]);
        }
        #[cfg(narf_plant)]
        let is_wanted = is_wanted && !base::plant::is(base::plant::Plant::StaysFull);
        let makes_room = is_wanted && look.now >= self.not_before && self.may_differ(look);
        if makes_room {
            self.not_before = Millis(look.now.0 + self.wait);
            self.wait = (self.wait * 2).min(WAIT_MAX);
        }
        if has_grown || makes_room {
            self.last = look.written;
        }
        has_grown || makes_room
    }

    /// Whether a round may end in another way than the last.
    fn may_differ(&self, look: Look) -> bool {
        self.ended.as_ref().is_none_or(|ended| {
            ended.has_changed
                || look.written > ended.look.written
                || look.free > ended.look.free
                || look.now.since(ended.look.now) >= WAIT_IDLE
        })
    }

    /// A round has begun; the log stood at `position` before the first word of it.
    pub fn begun(&mut self, position: Position) {
        self.last = position;
    }

    /// A round is over.
    pub fn ended(&mut self, look: Look, is_complete: bool) {
        let growth = look.written.0.saturating_sub(self.last.0);
        let [failed, complete] = &mut self.least_growth;
        let least_growth = if is_complete { complete } else { failed };
        // If it grew by less than in any round before, something was changed in all of those, and perhaps in this one.
        let has_changed = *least_growth != Some(growth);
        *least_growth = Some(least_growth.map_or(growth, |least| least.min(growth)));
        self.ended = Some(Ended { look, is_complete, has_changed });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG_SIZE: u64 = 1000;

    fn look(now: u64, written: u64, free: u64) -> Look {
        Look { now: Millis(now), written: Position(written), free }
    }

    #[test]
    fn a_round_is_due_once_the_log_has_grown() {
        let mut schedule = Schedule::new(Position(500));
        assert!(!schedule.is_due(look(0, 1500, 100), false, LOG_SIZE));
        assert!(schedule.is_due(look(0, 1501, 100), false, LOG_SIZE));
        assert!(!schedule.is_due(look(0, 1600, 100), false, LOG_SIZE), "asked for already");
        schedule.begun(Position(1700));
        assert!(!schedule.is_due(look(0, 2600, 100), false, LOG_SIZE));
    }

    /// A round from its beginning to its end, which logs 5 bytes itself.
    fn round(schedule: &mut Schedule, now: u64, written: u64, free: u64, is_complete: bool) {
        schedule.begun(Position(written - 5));
        schedule.ended(look(now, written, free), is_complete);
    }

    #[test]
    fn a_round_that_found_no_room_is_tried_again_once_something_has_changed() {
        let mut schedule = Schedule::new(Position(0));
        assert!(schedule.is_due(look(0, 10, 100), true, LOG_SIZE), "writes were refused");
        round(&mut schedule, 10, 20, 100, false);
        assert!(schedule.is_due(look(5_000, 20, 100), true, LOG_SIZE), "nobody knows what a round logs");
        round(&mut schedule, 5_010, 25, 100, false);
        assert!(!schedule.is_due(look(9_000, 25, 100), true, LOG_SIZE), "it would end as the last did");
        assert!(schedule.is_due(look(9_000, 26, 100), false, LOG_SIZE), "something was deleted");
        round(&mut schedule, 9_010, 31, 100, false);
        assert!(!schedule.is_due(look(12_000, 40, 100), true, LOG_SIZE), "not all the time");
        assert!(schedule.is_due(look(13_000, 31, 101), true, LOG_SIZE), "somebody made room");
        round(&mut schedule, 13_010, 36, 101, false);
        assert!(!schedule.is_due(look(73_000, 36, 101), true, LOG_SIZE));
        assert!(schedule.is_due(look(73_010, 36, 101), true, LOG_SIZE), "nobody knows");
        schedule.begun(Position(36));
        schedule.ended(look(73_020, 50, 101), false);
        assert!(schedule.is_due(look(82_000, 50, 101), true, LOG_SIZE), "something was deleted meanwhile");
    }

    #[test]
    fn what_rounds_log_that_were_completed_says_nothing_of_one_that_failed() {
        let mut schedule = Schedule::new(Position(0));
        assert!(schedule.is_due(look(0, 10, 100), true, LOG_SIZE));
        schedule.begun(Position(10));
        schedule.ended(look(10, 60, 100), true);
        assert!(schedule.is_due(look(5_000, 70, 100), true, LOG_SIZE));
        schedule.begun(Position(70));
        // All was deleted in the middle of it, which takes fewer bytes than the end of a round does.
        schedule.ended(look(5_010, 110, 100), false);
        assert!(schedule.is_due(look(15_000, 110, 100), true, LOG_SIZE));
    }

    #[test]
    fn rounds_while_much_was_written_say_nothing_of_one_while_little_was_deleted() {
        let mut schedule = Schedule::new(Position(0));
        let mut now = 0;
        let mut failed = |begun: u64, written: u64| {
            schedule.begun(Position(begun));
            schedule.ended(look(now, written, 100), false);
            now += 9_000;
            schedule.is_due(look(now, written, 100), true, LOG_SIZE)
        };
        assert!(failed(0, 2_000) && failed(2_000, 4_010), "nobody knows what a round logs");
        assert!(failed(4_010, 4_100), "a little was deleted in the midst of it");
        assert!(failed(4_100, 4_150), "and now nothing, but who knows");
        assert!(!failed(4_150, 4_200), "it would end as the last did");
    }

    #[test]
    fn a_disk_that_stays_full_is_not_written_to_all_the_time() {
        let mut schedule = Schedule::new(Position(0));
        let mut begun = Vec::new();
        for second in 0..60 {
            let now = look(second * 1000, 100 + second, 100);
            if schedule.is_due(now, true, LOG_SIZE) {
                begun.push(second);
                round(&mut schedule, second * 1000, 100 + second, 100, true);
            }
        }
        assert_eq!(begun, [0, 1, 3, 7, 15, 23, 31, 39, 47, 55]);
        assert!(!schedule.is_due(look(200_000, 200, 100), false, LOG_SIZE), "there is room");
        assert!(schedule.is_due(look(200_000, 201, 100), true, LOG_SIZE));
        round(&mut schedule, 200_001, 201, 100, true);
        assert!(schedule.is_due(look(201_000, 202, 100), true, LOG_SIZE), "at first soon again");
    }
}
