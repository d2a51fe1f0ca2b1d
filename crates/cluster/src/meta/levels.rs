//! The level in force: who may be a member under it, and when it may be raised. It is never lowered: what was said and
//! written under it could not be read any more.

use super::{Applied, Meta};
use crate::error::Refused;
use crate::level::{Level, Levels};
use crate::member::Member;

impl Meta {
    /// The level in force; 0 before there is a cluster.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The highest level that could be in force: all live members know it.
    pub fn level_possible(&self) -> Level {
        self.live_members().map(|member| member.levels.newest()).min().unwrap_or(self.level).max(self.level)
    }

    /// Live members that do not know a level.
    pub fn who_lacks(&self, level: Level) -> impl Iterator<Item = &Member> {
        self.live_members().filter(move |member| !member.levels.include(level))
    }

    /// The versions that members run which know the level in force, as text.
    pub fn versions_of_level(&self) -> String {
        let mut versions: Vec<&str> = self.live_members().map(|member| &*member.version).collect();
        versions.sort_unstable();
        versions.dedup();
        versions.join(" or ")
    }

    /// Who does not know the level in force can be no member.
    pub(super) fn check_levels(&self, levels: Levels) -> Result<(), Refused> {
        Ok(levels.check(self.level, || self.versions_of_level())?)
    }

    pub(super) fn raise(&mut self, level: Level) -> Result<Applied, Refused> {
        if level <= self.level {
            return match level == self.level {
                true => Ok(Applied::Unchanged),
                false => Err(Refused::LowerLevel { level: self.level }),
            };
        }
        if let Some(member) = self.who_lacks(level).next() {
            let (node, levels, version) = (member.node, member.levels, member.version.clone());
            return Err(Refused::LevelNotKnown { level, node, levels, version });
        }
        self.level = level;
        Ok(Applied::Changed)
    }
}
