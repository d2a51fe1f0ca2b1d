//! The ways between nodes: each leads one way, to one run of a node.

use super::World;

impl World {
    /// Which of its runs a node is in.
    pub(crate) fn run(&self, index: usize) -> u128 {
        self.machines[index].starts.into()
    }

    /// Tells a node and all that run that they can reach each other, unless they are cut off.
    pub(super) fn link(&mut self, index: usize) {
        for other in 0..self.machines.len() {
            if other == index || self.machines[other].worker.is_none() {
                continue;
            }
            for (from, to) in [(index, other), (other, index)] {
                self.wires.remove(&(from, to));
                let (node, run) = (self.id(to), self.run(to));
                self.turn(from, |worker| worker.peer_up(node, run));
            }
        }
    }

    /// A node's way to another is lost, or found again, while the other still reaches it.
    pub(crate) fn set_way(&mut self, from: usize, to: usize, is_up: bool) {
        let (node, run) = (self.id(to), self.run(to));
        self.turn(from, |worker| match is_up {
            true => worker.peer_up(node, run),
            false => worker.peer_down(node),
        });
    }

    /// What one node has sent to another and has not arrived.
    pub(crate) fn on_the_way(&self, from: usize, to: usize) -> Vec<u8> {
        self.wires.get(&(from, to)).into_iter().flatten().flatten().copied().collect()
    }

    /// Nothing that one node has sent, or sends from now on, reaches another.
    pub(crate) fn cut_way(&mut self, from: usize, to: usize) {
        self.cut.push((from, to));
        self.wires.remove(&(from, to));
    }
}
