//! Levels: what nodes say to each other and write to disk, as one number.
//!
//! A program knows a range of levels; a cluster has one in force, which every live member knows and which is never
//! lowered. Whatever is written or sent in a new way is so only from the level on that brought it, so a program may be
//! changed for an older one as long as the level in force is one that it knows. How a level is added is in
//! `docs/upgrading.md`.

use std::fmt;

/// A level. 0 stands for none: there is no cluster yet, or nobody has said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(pub u8);

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The levels that a program knows. Invariant: `1 <= oldest <= newest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    oldest: u8,
    newest: u8,
}

/// Those of this program.
pub const LEVELS: Levels = Levels { oldest: 1, newest: 1 };

const _: () = assert!(1 <= LEVELS.oldest && LEVELS.oldest <= LEVELS.newest);

impl Default for Levels {
    fn default() -> Levels {
        LEVELS
    }
}

impl Levels {
    /// From one level to another, if there are any.
    pub fn new(oldest: u8, newest: u8) -> Option<Levels> {
        (1 <= oldest && oldest <= newest).then_some(Levels { oldest, newest })
    }

    /// The lowest of them.
    pub fn oldest(self) -> Level {
        Level(self.oldest)
    }

    /// The highest of them.
    pub fn newest(self) -> Level {
        Level(self.newest)
    }

    /// Whether a level is one of them.
    pub fn include(self, level: Level) -> bool {
        (self.oldest..=self.newest).contains(&level.0)
    }

    /// Whether a program that knows them may take part in what is at this level, or keep what was kept at it. Level 0 is
    /// none, which anybody may begin with. `known_by`: versions of programs that know it, as text.
    pub fn check(self, level: Level, known_by: impl FnOnce() -> String) -> Result<(), UnknownLevel> {
        match level == Level::default() || self.include(level) {
            true => Ok(()),
            false => Err(UnknownLevel { level, levels: self, known_by: known_by() }),
        }
    }

    /// Whether such a program reads what a member says that has this level in force. One from before its oldest it reads as
    /// well: that member has not heard yet of the level that is in force by now, and has to be told.
    pub fn check_newest(self, level: Level, known_by: impl FnOnce() -> String) -> Result<(), UnknownLevel> {
        if level > self.newest() { self.check(level, known_by) } else { Ok(()) }
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.oldest == self.newest {
            true => write!(f, "level {}", self.oldest),
            false => write!(f, "levels {} to {}", self.oldest, self.newest),
        }
    }
}

/// A program does not know the level that is in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "level {level} is in force, and this program knows {levels}; use a version that knows it, as {known_by} does"
)]
pub struct UnknownLevel {
    /// The level in force.
    pub level: Level,
    /// What the program knows.
    pub levels: Levels,
    /// Versions that know it.
    pub known_by: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_a_level_and_begins_at_1() {
        assert_eq!(Levels::new(1, 1), Some(Levels { oldest: 1, newest: 1 }));
        assert!(
            [(0, 0), (0, 1), (2, 1)].iter().all(|(oldest, newest)| Levels::new(*oldest, *newest).is_none())
        );
    }

    #[test]
    fn who_does_not_know_a_level_is_told_who_does() {
        let levels = Levels::new(2, 3).unwrap();
        let check = |level| levels.check(Level(level), || "0.4.0".to_owned());
        assert_eq!((check(0), check(2), check(3)), (Ok(()), Ok(()), Ok(())));
        assert_eq!(
            check(4).unwrap_err().to_string(),
            "level 4 is in force, and this program knows levels 2 to 3; use a version that knows it, as 0.4.0 does"
        );
        assert!(check(1).is_err(), "a level that is no longer known");
        let links = |level| levels.check_newest(Level(level), String::new).is_ok();
        assert!(links(1), "a member that has not heard of the raise is told of it");
        assert_eq!((links(3), links(4)), (true, false));
    }
}
