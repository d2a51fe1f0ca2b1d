//! The big form of a sorted set: its members in a tree by score, and in one by hash that knows their scores.
//!
//! Invariant: both trees have the same members, and the scores of one are the keys of the other.

use std::cmp::Ordering;
use std::convert::Infallible;

use base::KeyHasher;

use crate::tree::{SortKey, Tree};
use crate::value::set::order_key;
use base::allocated;

/// A score as what a tree goes by. Never NaN, and never -0: so any two have an order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Score(pub(crate) f64);

impl SortKey for Score {
    #[inline]
    fn order(self, other: Score) -> Ordering {
        self.0.partial_cmp(&other.0).unwrap_or(Ordering::Equal)
    }
}

/// A score whose zero has no sign.
pub(super) fn without_sign(score: f64) -> f64 {
    debug_assert!(!score.is_nan(), "commands refuse what is no number");
    score + 0.0
}

/// Members in both orders.
#[derive(Clone)]
pub(crate) struct ZSet {
    pub(crate) by_score: Tree<Score, ()>,
    pub(crate) by_member: Tree<u32, f64>,
    hasher: KeyHasher,
}

impl ZSet {
    pub(super) fn new(hasher: KeyHasher) -> ZSet {
        ZSet { by_score: Tree::default(), by_member: Tree::default(), hasher }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_member.len()
    }

    /// Heap bytes of members and trees.
    pub(crate) fn memory(&self) -> usize {
        allocated(size_of::<ZSet>()) + self.by_score.memory() + self.by_member.memory()
    }

    /// What the tree by hash goes by.
    pub(crate) fn key(&self, member: &[u8]) -> u32 {
        order_key(&self.hasher, member)
    }

    pub(crate) fn score(&self, member: &[u8]) -> Option<f64> {
        self.by_member.get(self.key(member), member)
    }

    pub(super) fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let score = self.score(member)?;
        Some((self.by_score.rank(Score(score), member)?, score))
    }

    /// Gives a member a score instead of the one it has, if it has one.
    pub(super) fn set(&mut self, member: &[u8], score: f64) {
        let Ok(_) = self.update(member, |_| Ok::<_, Infallible>(Some(score)));
    }

    /// Gives a member the score that `next` makes of the one it has, if it makes one; whether that is another.
    pub(super) fn update<E>(
        &mut self,
        member: &[u8],
        next: impl FnOnce(Option<f64>) -> Result<Option<f64>, E>,
    ) -> Result<bool, E> {
        let key = self.key(member);
        let mut held = self.by_member.get_mut(key, member);
        let old = held.as_deref().copied();
        let Some(score) = next(old)?.map(without_sign).filter(|score| old != Some(*score)) else {
            return Ok(false);
        };
        if let (Some(held), Some(old)) = (&mut held, old) {
            **held = score;
            self.by_score.remove(Score(old), member);
        } else {
            self.by_member.insert(key, score, member);
        }
        self.by_score.insert(Score(score), (), member);
        Ok(true)
    }

    pub(super) fn remove(&mut self, member: &[u8]) {
        if let Some(score) = self.by_member.remove(self.key(member), member) {
            self.by_score.remove(Score(score), member);
        }
    }

    /// Panics if the trees disagree. Slow: for tests.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        self.by_score.check_invariants();
        self.by_member.check_invariants();
        assert_eq!(self.by_score.len(), self.by_member.len());
        assert!(self.by_score.iter().all(|(score, (), member)| self.score(member) == Some(score.0)));
    }
}
