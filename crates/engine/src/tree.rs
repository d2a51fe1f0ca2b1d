//! Members in order of a sort key, then of their bytes: a B+tree with compact leaves that counts what is below.
//!
//! ```text
//! inner   first key | number of members | node      for each child
//! leaf    keys | values | where members start | bytes of the members, one after the other
//! ```
//!
//! A big set is a tree by hash, a big sorted set a tree by score and one by hash. Since each child's members are counted,
//! the place of a member and the member at a place cost one descent. What order members have does not depend on how
//! they came in, so a choice by place is the same on every replica. Leaves are filled to the byte: a member costs its
//! bytes, its key, two bytes and a share of its leaf.
//!
//! Invariants: members are unique under their key; no node but the root is empty; `first` of a child is its first key;
//! a leaf has at most [`LEAF_BYTES`] bytes of members or only one member; `memory` is the sum over all nodes.
//! Does not know: what keys and values mean, entries.

use std::cmp::Ordering;

use base::allocated;

use crate::table::entry::prefetch;

mod iter;
mod leaf;

pub(crate) use iter::{Iter, Rubble};
pub(crate) use leaf::Leaf;

/// Most members of a leaf.
const LEAF_MAX: usize = 128;

/// Most bytes of the members of a leaf, unless it has only one.
const LEAF_BYTES: usize = 4096;

/// Most children of an inner node.
const CHILDREN_MAX: usize = 64;

/// What members are ordered by before their own bytes.
pub(crate) trait SortKey: Copy {
    /// A total order.
    fn order(self, other: Self) -> Ordering;
}

impl SortKey for u32 {
    #[inline]
    fn order(self, other: u32) -> Ordering {
        self.cmp(&other)
    }
}

/// Members in order of key and bytes, each with a value.
pub(crate) struct Tree<K, V> {
    root: Node<K, V>,
    len: usize,
    memory: usize,
}

/// A copy has no room to spare, and so takes less.
impl<K: SortKey, V: Copy> Clone for Tree<K, V> {
    fn clone(&self) -> Tree<K, V> {
        let root = self.root.clone();
        Tree { memory: root.memory_below(), root, len: self.len }
    }
}

#[derive(Clone)]
enum Node<K, V> {
    Leaf(Box<Leaf<K, V>>),
    Inner(Box<Inner<K, V>>),
}

#[derive(Clone)]
struct Inner<K, V> {
    children: Vec<Child<K, V>>,
}

#[derive(Clone)]
struct Child<K, V> {
    first: K,
    count: usize,
    node: Node<K, V>,
}

impl<K: SortKey, V: Copy> Default for Tree<K, V> {
    fn default() -> Tree<K, V> {
        let leaf = Leaf::default();
        let memory = leaf.memory();
        Tree { root: Node::Leaf(Box::new(leaf)), len: 0, memory }
    }
}

impl<K: SortKey, V: Copy> Tree<K, V> {
    /// Number of members.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Heap bytes of all nodes.
    #[inline]
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// The leaf that has a member or would get it, if there are several, on its way to the caches: for [`Leaf::prefetch`].
    pub(crate) fn prefetch_leaf(&self, key: K) -> Option<&Leaf<K, V>> {
        let mut node = &self.root;
        if let Node::Leaf(_) = node {
            return None;
        }
        loop {
            match node {
                Node::Leaf(leaf) => {
                    prefetch_all(std::slice::from_ref(&**leaf));
                    return Some(leaf);
                }
                Node::Inner(inner) => {
                    let at = inner.children.partition_point(|child| child.first.order(key).is_le());
                    node = &inner.children.get(at.saturating_sub(1))?.node;
                }
            }
        }
    }

    /// The value of a member.
    pub(crate) fn get(&self, key: K, member: &[u8]) -> Option<V> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return leaf.find(key, member).ok().map(|at| leaf.value(at)),
                Node::Inner(inner) => node = &inner.children[inner.child_of(key, member)].node,
            }
        }
    }

    /// Puts a member in; whether it is new. One that is there keeps its value.
    pub(crate) fn insert(&mut self, key: K, value: V, member: &[u8]) -> bool {
        let mut change = Change { memory: self.memory, appends: true };
        let Some(split) = self.root.insert(key, value, member, &mut change) else { return false };
        self.memory = change.memory;
        self.len += 1;
        if !split.is_empty() {
            self.grow(split);
        }
        true
    }

    /// Puts a root over the old one and what was split off it.
    fn grow(&mut self, split: Vec<Child<K, V>>) {
        let stand_in = Node::Inner(Box::new(Inner { children: Vec::new() }));
        let first = Child::of(std::mem::replace(&mut self.root, stand_in));
        let mut children = Vec::with_capacity(4);
        children.push(first);
        children.extend(split);
        let inner = Inner { children };
        self.memory += inner.memory();
        self.root = Node::Inner(Box::new(inner));
    }

    /// Takes a member out.
    pub(crate) fn remove(&mut self, key: K, member: &[u8]) -> Option<V> {
        let mut change = Change { memory: self.memory, appends: false };
        let value = self.root.remove(key, member, &mut change)?;
        self.len -= 1;
        // A root with one child is none.
        while let Node::Inner(inner) = &mut self.root {
            if inner.children.len() > 1 {
                break;
            }
            change.memory -= inner.memory();
            let Some(only) = inner.children.pop() else { break };
            self.root = only.node;
        }
        self.memory = change.memory;
        Some(value)
    }

    /// The value of a member, to be changed.
    pub(crate) fn get_mut(&mut self, key: K, member: &[u8]) -> Option<&mut V> {
        let mut node = &mut self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return leaf.find(key, member).ok().map(|at| leaf.value_mut(at)),
                Node::Inner(inner) => {
                    let at = inner.child_of(key, member);
                    node = &mut inner.children[at].node;
                }
            }
        }
    }

    /// How many members come before this one, if it is there.
    pub(crate) fn rank(&self, key: K, member: &[u8]) -> Option<usize> {
        let mut rank = 0;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return leaf.find(key, member).ok().map(|at| rank + at),
                Node::Inner(inner) => {
                    let at = inner.child_of(key, member);
                    rank += inner.children[..at].iter().map(|child| child.count).sum::<usize>();
                    node = &inner.children[at].node;
                }
            }
        }
    }

    /// How many members come first of which `before` is true; it is true of those and of none after them.
    pub(crate) fn count_before(&self, before: impl Fn(K, &[u8]) -> bool) -> usize {
        let mut rank = 0;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return rank + leaf.partition(&before),
                Node::Inner(inner) => {
                    let is_before = |child: &Child<K, V>| before(child.first, child.node.first_member());
                    let at = inner.children.partition_point(is_before).saturating_sub(1);
                    rank += inner.children[..at].iter().map(|child| child.count).sum::<usize>();
                    node = &inner.children[at].node;
                }
            }
        }
    }

    /// [`Tree::count_before`] where the key alone tells.
    pub(crate) fn count_before_key(&self, before: impl Fn(K) -> bool) -> usize {
        let mut rank = 0;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return rank + leaf.keys().partition_point(|&key| before(key)),
                Node::Inner(inner) => {
                    let at = inner.children.partition_point(|child| before(child.first)).saturating_sub(1);
                    rank += inner.children[..at].iter().map(|child| child.count).sum::<usize>();
                    node = &inner.children[at].node;
                }
            }
        }
    }

    /// The leaf with the member at a place, and where in it that is.
    fn leaf_at(&self, mut rank: usize) -> Option<(&Leaf<K, V>, usize)> {
        if rank >= self.len {
            return None;
        }
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return Some((leaf, rank)),
                Node::Inner(inner) => {
                    node = inner.children.iter().find_map(|child| {
                        if rank < child.count {
                            return Some(&child.node);
                        }
                        rank -= child.count;
                        None
                    })?;
                }
            }
        }
    }

    /// The member at a place.
    pub(crate) fn at(&self, rank: usize) -> Option<(K, V, &[u8])> {
        self.leaf_at(rank).map(|(leaf, at)| leaf.entry(at))
    }

    /// Panics if an invariant is broken. Slow: for tests.
    #[cfg(test)]
    pub(crate) fn check_invariants(&self) {
        let (count, memory) = self.root.check(true);
        assert_eq!((count, memory), (self.len, self.memory), "count and memory");
        let all: Vec<_> = self.iter().collect();
        assert_eq!(all.len(), self.len);
        assert!(all.windows(2).all(|pair| {
            pair[0].0.order(pair[1].0).then_with(|| pair[0].2.cmp(pair[1].2)) == Ordering::Less
        }));
    }
}

/// Asks the processor to fetch all that some items take.
#[inline]
fn prefetch_all<T>(items: &[T]) {
    let (start, len) = (items.as_ptr(), size_of_val(items));
    let mut at = 0;
    while at < len {
        prefetch(start.wrapping_byte_add(at));
        at += 64;
    }
}

/// What an operation keeps on its way down.
struct Change {
    memory: usize,
    /// Whether the way down is along the end of the tree: there, full leaves are left full.
    appends: bool,
}

impl<K: SortKey, V: Copy> Node<K, V> {
    fn first_leaf(&self) -> &Leaf<K, V> {
        let mut node = self;
        loop {
            match node {
                Node::Leaf(leaf) => return leaf,
                Node::Inner(inner) => node = &inner.children[0].node,
            }
        }
    }

    fn first_key(&self) -> K {
        self.first_leaf().keys()[0]
    }

    fn first_member(&self) -> &[u8] {
        self.first_leaf().member(0)
    }

    fn count(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.len(),
            Node::Inner(inner) => inner.children.iter().map(|child| child.count).sum(),
        }
    }

    /// Puts a member in, and gives what had to be split off behind this node; `None` if the member is there.
    fn insert(&mut self, key: K, value: V, member: &[u8], change: &mut Change) -> Option<Vec<Child<K, V>>> {
        match self {
            Node::Leaf(leaf) => {
                let at = leaf.find(key, member).err()?;
                change.memory -= leaf.memory();
                let mut split = Vec::new();
                leaf.insert(at, (key, value, member), change.appends, &mut split);
                change.memory += leaf.memory() + split.iter().map(Leaf::memory).sum::<usize>();
                Some(split.into_iter().map(|leaf| Child::of(Node::Leaf(Box::new(leaf)))).collect())
            }
            Node::Inner(inner) => {
                let at = inner.child_of(key, member);
                change.appends &= at + 1 == inner.children.len();
                let child = &mut inner.children[at];
                let split = child.node.insert(key, value, member, change)?;
                child.count += 1;
                if key.order(child.first).is_lt() {
                    child.first = key;
                }
                if split.is_empty() {
                    return Some(split);
                }
                child.count -= split.iter().map(|child| child.count).sum::<usize>();
                change.memory -= inner.memory();
                inner.children.splice(at + 1..at + 1, split);
                let rest = (inner.children.len() > CHILDREN_MAX).then(|| {
                    let keep = if change.appends { CHILDREN_MAX } else { inner.children.len() / 2 };
                    Inner { children: inner.children.split_off(keep) }
                });
                change.memory += inner.memory() + rest.as_ref().map_or(0, Inner::memory);
                Some(rest.into_iter().map(|inner| Child::of(Node::Inner(Box::new(inner)))).collect())
            }
        }
    }

    fn remove(&mut self, key: K, member: &[u8], change: &mut Change) -> Option<V> {
        match self {
            Node::Leaf(leaf) => {
                let at = leaf.find(key, member).ok()?;
                change.memory -= leaf.memory();
                let value = leaf.remove(at);
                change.memory += leaf.memory();
                Some(value)
            }
            Node::Inner(inner) => {
                let at = inner.child_of(key, member);
                let child = &mut inner.children[at];
                let value = child.node.remove(key, member, change)?;
                child.count -= 1;
                if child.count == 0 {
                    change.memory -= inner.memory();
                    let gone = inner.children.remove(at);
                    change.memory -= gone.node.own_memory();
                    change.memory += inner.memory();
                } else {
                    if child.first.order(key).is_eq() {
                        child.first = child.node.first_key();
                    }
                    inner.join_around(at, change);
                }
                Some(value)
            }
        }
    }

    /// Heap bytes of this node and of all below it.
    fn memory_below(&self) -> usize {
        let below = match self {
            Node::Leaf(_) => 0,
            Node::Inner(inner) => inner.children.iter().map(|child| child.node.memory_below()).sum(),
        };
        self.own_memory() + below
    }

    /// Heap bytes of this node without those below it.
    fn own_memory(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.memory(),
            Node::Inner(inner) => inner.memory(),
        }
    }

    #[cfg(test)]
    fn check(&self, is_root: bool) -> (usize, usize) {
        match self {
            Node::Leaf(leaf) => {
                leaf.check(is_root);
                (leaf.len(), leaf.memory())
            }
            Node::Inner(inner) => {
                assert!(!inner.children.is_empty() && inner.children.len() <= CHILDREN_MAX);
                let (mut count, mut memory) = (0, inner.memory());
                for child in &inner.children {
                    assert!(child.first.order(child.node.first_key()).is_eq());
                    let below = child.node.check(false);
                    assert_eq!(child.count, below.0);
                    count += below.0;
                    memory += below.1;
                }
                (count, memory)
            }
        }
    }
}

impl<K: SortKey, V: Copy> Child<K, V> {
    fn of(node: Node<K, V>) -> Child<K, V> {
        Child { first: node.first_key(), count: node.count(), node }
    }
}

impl<K: SortKey, V: Copy> Inner<K, V> {
    fn memory(&self) -> usize {
        allocated(size_of::<Inner<K, V>>()) + allocated(self.children.capacity() * size_of::<Child<K, V>>())
    }

    /// The child that has the member or would get it: the last that starts at or before it, else the first.
    fn child_of(&self, key: K, member: &[u8]) -> usize {
        let before = self.children.partition_point(|child| child.first.order(key).is_lt());
        // Keys are hashes, which hardly ever are equal, or scores, which may all be.
        let equal = match self.children.get(before) {
            Some(child) if child.first.order(key).is_eq() => {
                self.children[before..].partition_point(|child| {
                    child.first.order(key).is_eq() && child.node.first_member() <= member
                })
            }
            _ => 0,
        };
        (before + equal).saturating_sub(1)
    }

    /// Joins a child that has become small with a neighbour, if both fit one node.
    fn join_around(&mut self, at: usize, change: &mut Change) {
        if !self.children[at].node.is_small() {
            return;
        }
        for left in [Some(at), at.checked_sub(1)].into_iter().flatten() {
            if left + 1 < self.children.len() && self.join(left, change) {
                return;
            }
        }
    }

    /// Joins a child with the next one, if both fit one node.
    fn join(&mut self, left: usize, change: &mut Change) -> bool {
        let (front, back) = self.children.split_at_mut(left + 1);
        let (one, other) = (&mut front[left], &mut back[0]);
        // The capacity of the children's list stays.
        let before = one.node.own_memory() + other.node.own_memory();
        match (&mut one.node, &mut other.node) {
            (Node::Leaf(leaf), Node::Leaf(next)) if leaf.has_room_for(next) => leaf.append(next),
            (Node::Inner(inner), Node::Inner(next))
                if inner.children.len() + next.children.len() <= CHILDREN_MAX / 2 =>
            {
                inner.children.append(&mut next.children);
            }
            _ => return false,
        }
        one.count += other.count;
        change.memory = change.memory - before + one.node.own_memory();
        self.children.remove(left + 1);
        true
    }
}

impl<K: SortKey, V: Copy> Node<K, V> {
    fn is_small(&self) -> bool {
        match self {
            Node::Leaf(leaf) => leaf.is_small(),
            Node::Inner(inner) => inner.children.len() < CHILDREN_MAX / 4,
        }
    }
}

#[cfg(test)]
mod tests;
