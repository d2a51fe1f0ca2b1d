//! Going over a tree in order, and taking one apart bit by bit.

use super::{Leaf, Node, SortKey, Tree};

/// Members from one place to another, forwards or backwards. Each leaf is found by its place, which costs little for
/// the hundred members it has.
#[derive(Clone)]
pub(crate) struct Iter<'a, K, V> {
    tree: &'a Tree<K, V>,
    /// Places that are left.
    next: usize,
    end: usize,
    front: Option<(&'a Leaf<K, V>, usize)>,
    back: Option<(&'a Leaf<K, V>, usize)>,
}

impl<K: SortKey, V: Copy> Tree<K, V> {
    /// All members.
    pub(crate) fn iter(&self) -> Iter<'_, K, V> {
        self.range(0, self.len())
    }

    /// The members at the places from `start` up to but not including `end`.
    pub(crate) fn range(&self, start: usize, end: usize) -> Iter<'_, K, V> {
        let end = end.min(self.len());
        Iter { tree: self, next: start.min(end), end, front: None, back: None }
    }

    /// All nodes, for freeing them bit by bit.
    pub(crate) fn into_rubble(self) -> Rubble<K, V> {
        Rubble(vec![self.root])
    }
}

impl<'a, K: SortKey, V: Copy> Iterator for Iter<'a, K, V> {
    type Item = (K, V, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let (leaf, at) = match self.front {
            Some((leaf, at)) if at < leaf.len() => (leaf, at),
            _ => self.tree.leaf_at(self.next)?,
        };
        self.front = Some((leaf, at + 1));
        self.next += 1;
        Some(leaf.entry(at))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end - self.next;
        (left, Some(left))
    }
}

impl<K: SortKey, V: Copy> ExactSizeIterator for Iter<'_, K, V> {}

impl<K: SortKey, V: Copy> DoubleEndedIterator for Iter<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let (leaf, at) = match self.back {
            Some((leaf, at)) if at > 0 => (leaf, at - 1),
            _ => self.tree.leaf_at(self.end - 1)?,
        };
        self.back = Some((leaf, at));
        self.end -= 1;
        Some(leaf.entry(at))
    }
}

/// Nodes that are no longer a tree.
pub(crate) struct Rubble<K, V>(Vec<Node<K, V>>);

impl<K: SortKey, V: Copy> Rubble<K, V> {
    /// Frees the members of some leaves, about `budget` of them; how many it were.
    pub(crate) fn free(&mut self, budget: usize) -> usize {
        let mut freed = 0;
        while freed < budget {
            match self.0.pop() {
                Some(Node::Leaf(leaf)) => freed += leaf.len() + 1,
                Some(Node::Inner(inner)) => {
                    self.0.extend(inner.children.into_iter().map(|child| child.node));
                }
                None => break,
            }
        }
        freed
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
