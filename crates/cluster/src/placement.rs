//! Where partitions should be, if not where they are to be now.
//!
//! Who has a replica keeps it unless it must go or balance asks for it, so what moves is about what a newcomer's share
//! is. A node's load is its number of replicas by its weight; one replica after the other goes from the most to the
//! least loaded, as long as that makes the most loaded less so. Preferred leaders are spread the same way among those
//! that have the partition, which moves no data.
//!
//! A partition on exactly two nodes gets a witness as its third voter, if one is up: two that agree survive the loss of
//! either only if a third can tell which of them is gone. While a single node with data is up, which only a witness makes
//! possible, the others of its groups are waited for: a group never becomes a lone voter's because time has passed.
//!
//! Deterministic; knows only the state.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use base::{NodeId, PartitionId};

use crate::{Command, MemberKind, MemberState, Meta, Move};

/// The command that brings targets to where they should be; none if they are, or while a node is still joining.
pub fn plan(meta: &Meta) -> Option<Command> {
    if meta.data_nodes().next().is_none() || meta.live_members().any(|m| m.state == MemberState::Joining) {
        return None;
    }
    let mut plan = Plan::new(meta);
    if meta.data_nodes().count() > 1 {
        plan.fill(meta.replicas_effective());
        plan.balance_replicas();
        plan.balance_leaders();
    } else {
        plan.wait_for_absent(meta);
    }
    let changed = |(number, voters): (usize, Vec<NodeId>)| {
        let partition = PartitionId(u16::try_from(number).ok()?);
        (meta.voters_of(partition) != voters).then_some(Move { partition, voters })
    };
    let moves: Vec<Move> = with_witnesses(meta, plan.voters).enumerate().filter_map(changed).collect();
    (!moves.is_empty()).then(|| Command::Place { moves, based_on: meta.version() })
}

/// Gives each partition on two nodes a witness that is up: the one that it has, else the one with the fewest.
fn with_witnesses(meta: &Meta, voters: Vec<Vec<NodeId>>) -> impl Iterator<Item = Vec<NodeId>> {
    let up = meta.witnesses().filter(|member| member.state == MemberState::Up);
    let mut held: BTreeMap<NodeId, usize> =
        up.map(|member| (member.node, meta.replicas_on(member.node))).collect();
    let mut before: Vec<Option<NodeId>> = Vec::with_capacity(voters.len());
    for target in meta.targets() {
        before.push(target.voters.iter().copied().find(|node| held.contains_key(node)));
    }
    voters.into_iter().zip(before).map(move |(mut voters, before)| {
        let least = || held.iter().min_by_key(|(node, held)| (**held, **node)).map(|(node, _)| *node);
        if voters.len() == WITNESSED
            && let Some(witness) = before.or_else(least)
        {
            if before.is_none() {
                *held.entry(witness).or_default() += 1;
            }
            voters.push(witness);
        }
        voters
    })
}

/// Groups of so many replicas with data get a witness.
const WITNESSED: usize = 2;

struct Plan {
    /// By partition; the first is to lead.
    voters: Vec<Vec<NodeId>>,
    /// The same as it was.
    before: Vec<Vec<NodeId>>,
    weights: BTreeMap<NodeId, u64>,
    held: BTreeMap<NodeId, u64>,
    led: BTreeMap<NodeId, u64>,
}

impl Plan {
    /// What stays where it is: the replicas of nodes that are up.
    fn new(meta: &Meta) -> Plan {
        let weights: BTreeMap<NodeId, u64> =
            meta.data_nodes().map(|member| (member.node, u64::from(member.weight))).collect();
        let stays =
            |voters: &Vec<NodeId>| voters.iter().copied().filter(|n| weights.contains_key(n)).collect();
        let voters: Vec<Vec<NodeId>> = meta.targets().iter().map(|target| stays(&target.voters)).collect();
        let mut held: BTreeMap<NodeId, u64> = weights.keys().map(|node| (*node, 0)).collect();
        voters.iter().flatten().for_each(|node| *held.entry(*node).or_default() += 1);
        Plan { led: BTreeMap::new(), before: voters.clone(), voters, weights, held }
    }

    /// What only one node that is up can have: what it must have, and what others had that are down and may come back.
    fn wait_for_absent(&mut self, meta: &Meta) {
        let is_absent = |node: &NodeId| {
            let member = meta.member(*node);
            member.is_some_and(|m| m.kind == MemberKind::Data && m.state == MemberState::Down)
        };
        for (voters, target) in self.voters.iter_mut().zip(meta.targets()) {
            if voters.is_empty() {
                voters.extend(self.weights.keys());
            }
            let absent: Vec<NodeId> = target.voters.iter().copied().filter(is_absent).collect();
            voters.extend(absent);
            voters.truncate(usize::from(meta.replicas_wanted()));
            // Who was to lead still is.
            voters.sort_by_key(|node| target.voters.iter().position(|other| other == node));
        }
    }

    /// Nodes from the least to the most loaded.
    fn by_load(&self, loads: &BTreeMap<NodeId, u64>) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> = self.weights.keys().copied().collect();
        // Compared crosswise, for a quotient would lose its rest.
        nodes.sort_by_key(|node| (loads[node] * u64::from(crate::WEIGHT_MAX) / self.weights[node], *node));
        nodes
    }

    /// Whether giving one from a node to another makes the worse loaded of the two less so.
    fn helps(&self, loads: &BTreeMap<NodeId, u64>, from: NodeId, to: NodeId) -> bool {
        (loads[&to] + 1) * self.weights[&from] < loads[&from] * self.weights[&to]
    }

    /// Each partition on exactly `wanted` nodes.
    fn fill(&mut self, wanted: usize) {
        for number in 0..self.voters.len() {
            while self.voters[number].len() > wanted {
                let order = self.by_load(&self.held);
                let Some(node) = order.into_iter().rev().find(|n| self.voters[number].contains(n)) else {
                    break;
                };
                self.voters[number].retain(|other| *other != node);
                *self.held.entry(node).or_default() -= 1;
            }
            while self.voters[number].len() < wanted {
                let order = self.by_load(&self.held);
                let Some(node) = order.into_iter().find(|n| !self.voters[number].contains(n)) else { break };
                self.voters[number].push(node);
                *self.held.entry(node).or_default() += 1;
            }
        }
    }

    fn balance_replicas(&mut self) {
        while let Some(path) = self.next_replicas() {
            for (number, from, to) in path {
                self.voters[number].iter_mut().filter(|node| **node == from).for_each(|node| *node = to);
                *self.held.entry(from).or_default() -= 1;
                *self.held.entry(to).or_default() += 1;
            }
        }
    }

    /// The next replicas to move. Those that are not where they go yet cost nothing, even by way of several nodes;
    /// only then one that is there.
    fn next_replicas(&self) -> Option<Path> {
        let is_new = |number: usize, node| !self.before[number].contains(&node);
        let new = self.way(&self.held, &|from| self.replica_steps(from, &|number| is_new(number, from)));
        // One that does not lead there, if there is one: the lead stays.
        let follows = |number: usize, node| self.voters[number].first() != Some(&node);
        new.or_else(|| {
            self.way(&self.held, &|from| self.replica_steps(from, &|number| follows(number, from)))
        })
        .or_else(|| self.way(&self.held, &|from| self.replica_steps(from, &|_| true)))
    }

    /// Where one replica of a node could go, of the partitions that `may` move.
    fn replica_steps(&self, from: NodeId, may: &dyn Fn(usize) -> bool) -> Vec<(usize, NodeId)> {
        let movable = |number: &usize| self.voters[*number].contains(&from) && may(*number);
        let others = |number: usize| {
            let free = self.weights.keys().filter(move |node| !self.voters[number].contains(node));
            free.map(move |node| (number, *node))
        };
        (0..self.voters.len()).filter(movable).flat_map(others).collect()
    }

    fn balance_leaders(&mut self) {
        self.led = self.weights.keys().map(|node| (*node, 0)).collect();
        for first in self.voters.iter().filter_map(|voters| voters.first()) {
            *self.led.entry(*first).or_default() += 1;
        }
        while let Some(path) = self.way(&self.led, &|from| self.lead_steps(from)) {
            for (number, from, to) in path {
                *self.led.entry(from).or_default() -= 1;
                *self.led.entry(to).or_default() += 1;
                let voters = &mut self.voters[number];
                let at = voters.iter().position(|node| *node == to).unwrap_or(0);
                voters.swap(0, at);
            }
        }
    }

    /// To whom a node could hand the lead of its partitions.
    fn lead_steps(&self, from: NodeId) -> Vec<(usize, NodeId)> {
        let led = self.voters.iter().enumerate().filter(|(_, voters)| voters.first() == Some(&from));
        led.flat_map(|(number, voters)| voters[1..].iter().map(move |node| (number, *node))).collect()
    }

    /// The shortest way by which one thing can go from a node that has too many to one that has too few, perhaps by way
    /// of others, whose number stays.
    fn way(
        &self,
        loads: &BTreeMap<NodeId, u64>,
        steps: &dyn Fn(NodeId) -> Vec<(usize, NodeId)>,
    ) -> Option<Path> {
        let order = self.by_load(loads);
        order.iter().rev().find_map(|&from| {
            let few: Vec<NodeId> = order.iter().copied().filter(|to| self.helps(loads, from, *to)).collect();
            if few.is_empty() { None } else { find_way(from, &few, steps) }
        })
    }
}

/// Things to be moved, in order: of which partition, from where, and to where.
type Path = Vec<(usize, NodeId, NodeId)>;

fn find_way(from: NodeId, few: &[NodeId], steps: &dyn Fn(NodeId) -> Vec<(usize, NodeId)>) -> Option<Path> {
    let mut came: BTreeMap<NodeId, (usize, NodeId)> = BTreeMap::new();
    let mut next = VecDeque::from([from]);
    while let Some(node) = next.pop_front() {
        if few.contains(&node) {
            let (mut path, mut at) = (Vec::new(), node);
            while at != from {
                let (number, before) = came[&at];
                path.push((number, before, at));
                at = before;
            }
            path.reverse();
            return Some(path);
        }
        for (number, other) in steps(node).into_iter().filter(|(_, other)| *other != from) {
            if let Entry::Vacant(place) = came.entry(other) {
                place.insert((number, node));
                next.push_back(other);
            }
        }
    }
    None
}
