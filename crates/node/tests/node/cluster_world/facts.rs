//! What can be seen of the nodes of a world.

use node::{Router, Worker};

use super::World;

impl World {
    /// How many partitions' states a node has begun to receive.
    pub(crate) fn received_snapshots(&self, index: usize) -> u64 {
        self.machines[index].worker.as_ref().map_or(0, Worker::snapshots_received)
    }

    /// Milliseconds until a node wants to be woken; 0 if it does at once.
    pub(crate) fn rest_of(&self, index: usize) -> u64 {
        let worker = self.machines[index].worker.as_ref().expect("it runs");
        worker.next_tick().since(self.now.mono_millis())
    }

    /// How many partitions a node has a checkpoint of.
    pub(crate) fn checkpoints(&self, index: usize) -> usize {
        self.machines[index].disk.checkpoints.len()
    }

    /// How many bytes the log of a node can take in one turn from now on.
    pub(crate) fn set_log_room(&mut self, index: usize, bytes: usize) {
        self.machines[index].log_room = bytes;
    }

    /// How often a node could not take what its leader sent.
    pub(crate) fn entries_without_room(&self, index: usize) -> u64 {
        self.machines[index].worker.as_ref().map_or(0, Worker::entries_without_room)
    }

    /// How many replicas a node has.
    pub(crate) fn replicas(&self, index: usize) -> usize {
        self.machines[index].worker.as_ref().map_or(0, Worker::replicas)
    }

    /// Bytes of entries that a node keeps in memory.
    pub(crate) fn kept_bytes(&self, index: usize) -> usize {
        self.machines[index].worker.as_ref().map_or(0, Worker::tail_bytes)
    }

    /// How much of the log of a node was cut off.
    pub(crate) fn cut_frames(&self, index: usize) -> usize {
        self.machines[index].disk.cut
    }

    /// Whether a node leads the partition of a key.
    pub(crate) fn leads(&self, index: usize, key: &str) -> bool {
        let partition = Router::new(self.partitions, 1).partition_of_slot(base::slot_of(key.as_bytes()));
        self.machines[index].worker.as_ref().is_some_and(|worker| worker.leads(partition))
    }

    /// The worker of a node that runs.
    pub(crate) fn worker(&self, index: usize) -> &Worker {
        self.machines[index].worker.as_ref().unwrap()
    }

    /// Whether a node leads the group that decides on members.
    pub(crate) fn leads_meta(&self, index: usize) -> bool {
        self.machines[index].worker.as_ref().is_some_and(Worker::leads_meta)
    }

    pub(crate) fn is_running(&self, index: usize) -> bool {
        self.machines[index].worker.is_some()
    }

    pub(crate) fn count(&self) -> usize {
        self.machines.len()
    }
}
