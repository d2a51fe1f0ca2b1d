//! From where the log is needed, and when a round of checkpoints is over.
//!
//! In a round every worker of the node has its partitions written, and logs again what no checkpoint holds. A round
//! is over when each worker has said so; only then may the log be cut: before the first word of the round, and before
//! the newest checkpoint of each partition that is held.
//!
//! Invariants: a partition that is held and has no checkpoint keeps the log whole; a checkpoint that came from another
//! node is no part of a round, and moves nothing: the log has to say first that its state was taken over.
//! Does not know: files, threads, what a round writes.

use std::collections::BTreeMap;

use base::{PartitionId, WorkerId};

use crate::Position;

/// See the module.
#[derive(Debug)]
pub struct Rounds {
    /// The positions of the newest checkpoints.
    needed_from: BTreeMap<PartitionId, Position>,
    /// What is before this is gone, or not needed.
    cut: Position,
    /// Workers that have begun this round.
    begun: BTreeMap<WorkerId, Share>,
    workers: usize,
}

/// A worker's part in a round.
#[derive(Debug)]
struct Share {
    /// Where the log stood before it logged again what checkpoints do not hold.
    position: Position,
    is_done: bool,
    held: Vec<PartitionId>,
}

impl Rounds {
    /// What start-up found: the positions of the newest checkpoints, and from where it needed the log.
    pub fn new(workers: u16, needed_from: BTreeMap<PartitionId, Position>, cut: Position) -> Rounds {
        Rounds { needed_from, cut, begun: BTreeMap::new(), workers: usize::from(workers.max(1)) }
    }

    /// Whether a round is under way.
    pub fn is_open(&self) -> bool {
        !self.begun.is_empty()
    }

    /// Workers that have not begun their part of the round that is under way.
    pub fn absent(&self) -> impl Iterator<Item = WorkerId> {
        let all = (0..self.workers).map(|worker| WorkerId(worker as u16));
        all.filter(|worker| self.is_open() && !self.begun.contains_key(worker))
    }

    /// Where the newest checkpoint stands: the log has grown by what is behind it.
    pub fn latest(&self) -> Position {
        self.needed_from.values().copied().max().unwrap_or(self.cut)
    }

    /// A worker begins its part; the log stood at `position` before the frame of that turn.
    pub fn begin(&mut self, worker: WorkerId, position: Position) {
        self.begun.insert(worker, Share { position, is_done: false, held: Vec::new() });
    }

    /// The position for the header of a checkpoint that is written while the log stands at `position`, and whose state
    /// is this node's own, or was received.
    pub fn position_for(&self, partition: PartitionId, position: Position, is_received: bool) -> Position {
        match is_received {
            true => self.needed_from.get(&partition).copied().unwrap_or(self.cut),
            false => position,
        }
    }

    /// A checkpoint with this position in its header is on stable storage.
    pub fn written(&mut self, partition: PartitionId, position: Position, is_received: bool) {
        if !is_received {
            self.needed_from.insert(partition, position);
        }
    }

    /// The checkpoint of a partition, its first, is taken back: the log is needed whole again.
    pub fn taken_back(&mut self, partition: PartitionId) {
        self.needed_from.remove(&partition);
    }

    /// A worker's part is over: these partitions of it have state here, those have none. Before what position the log
    /// may be cut, if that ends the round; it must be synced first, for it holds what was logged again.
    pub fn end(
        &mut self,
        worker: WorkerId,
        held: Vec<PartitionId>,
        gone: &[PartitionId],
    ) -> Option<Position> {
        self.needed_from.retain(|partition, _| !gone.contains(partition));
        let share = self.begun.get_mut(&worker)?;
        (share.is_done, share.held) = (true, held);
        if self.begun.len() < self.workers || self.begun.values().any(|share| !share.is_done) {
            return None;
        }
        let round = std::mem::take(&mut self.begun);
        let mut cut = round.values().map(|share| share.position).min()?;
        for partition in round.values().flat_map(|share| &share.held) {
            cut = cut.min(*self.needed_from.get(partition)?);
        }
        self.cut = self.cut.max(cut);
        Some(cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: PartitionId = PartitionId(1);
    const TWO: PartitionId = PartitionId(2);
    const FIRST: WorkerId = WorkerId(0);
    const SECOND: WorkerId = WorkerId(1);

    fn fresh() -> Rounds {
        Rounds::new(2, BTreeMap::new(), Position(0))
    }

    #[test]
    fn a_round_is_over_when_every_worker_says_so_whatever_it_had_to_write() {
        let mut rounds = fresh();
        rounds.begin(FIRST, Position(100));
        rounds.begin(SECOND, Position(120));
        rounds.written(ONE, Position(130), false);
        assert_eq!(rounds.end(FIRST, vec![ONE], &[]), None);
        assert!(rounds.is_open());
        assert_eq!(rounds.end(SECOND, Vec::new(), &[TWO]), Some(Position(100)));
        assert!(!rounds.is_open());
    }

    #[test]
    fn a_partition_without_a_checkpoint_keeps_the_log_and_an_old_one_what_is_behind_it() {
        let mut rounds = fresh();
        let round = |rounds: &mut Rounds, at: u64, held: &[PartitionId]| {
            rounds.begin(FIRST, Position(at));
            rounds.begin(SECOND, Position(at));
            rounds.end(FIRST, held.to_vec(), &[]);
            rounds.end(SECOND, Vec::new(), &[])
        };
        assert_eq!(round(&mut rounds, 100, &[ONE]), None, "there was no room for its checkpoint");
        rounds.written(ONE, Position(50), false);
        assert_eq!(round(&mut rounds, 200, &[ONE]), Some(Position(50)));
        rounds.written(ONE, Position(350), false);
        assert_eq!(round(&mut rounds, 300, &[ONE]), Some(Position(300)));
    }

    #[test]
    fn a_checkpoint_of_another_node_moves_nothing() {
        let mut rounds = fresh();
        rounds.written(ONE, Position(40), false);
        assert_eq!(rounds.position_for(ONE, Position(90), true), Position(40));
        assert_eq!(rounds.position_for(TWO, Position(90), true), Position(0));
        rounds.written(TWO, Position(0), true);
        rounds.begin(FIRST, Position(100));
        rounds.begin(SECOND, Position(100));
        rounds.end(FIRST, vec![ONE, TWO], &[]);
        assert_eq!(rounds.end(SECOND, Vec::new(), &[]), None, "the log still holds what TWO voted for");
    }

    #[test]
    fn what_is_gone_holds_nothing_back() {
        let mut rounds = fresh();
        rounds.written(ONE, Position(10), false);
        rounds.written(TWO, Position(150), false);
        rounds.begin(FIRST, Position(100));
        rounds.begin(SECOND, Position(110));
        rounds.end(SECOND, vec![TWO], &[]);
        assert_eq!(rounds.end(FIRST, Vec::new(), &[ONE]), Some(Position(100)));
    }
}
