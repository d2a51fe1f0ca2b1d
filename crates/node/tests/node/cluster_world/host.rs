//! The surroundings of a worker: constants, and a clock that may not know yet what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base::Now;
use node::settings::Settings;
use node::{Facts, Host};

use crate::cluster_world::World;
use crate::net::TestHost;

/// Whether the clock knows, and what the log takes of that which makes room, where it takes no more of anything else.
pub(super) struct WorldHost(pub(super) Arc<AtomicBool>, pub(super) Arc<AtomicUsize>);

impl Host for WorldHost {
    fn settled_time(&self, now: Now) -> Option<u64> {
        self.0.load(Ordering::Relaxed).then_some(now.wall_us)
    }

    fn make_log_room(&self, bytes: usize, to_delete: bool) -> bool {
        to_delete && bytes <= self.1.load(Ordering::Relaxed)
    }

    fn facts(&self) -> Facts {
        TestHost.facts()
    }

    fn last_save(&self) -> Option<u64> {
        TestHost.last_save()
    }

    fn rewrite_config(&self, settings: &Settings) -> Result<(), String> {
        TestHost.rewrite_config(settings)
    }

    fn purge_memory(&self) {}

    fn stopwatch_ns(&self) -> u64 {
        0
    }
}

impl World {
    /// From now on, or its next start on, a node knows what time it is, or not.
    pub(crate) fn set_knows_time(&mut self, index: usize, knows_time: bool) {
        self.machines[index].clock.store(knows_time, Ordering::Relaxed);
    }

    /// The disk of a node is full to the last byte but for what is kept for deletes, and what is asked of it is said.
    pub(crate) fn fill_disk(&mut self, index: usize, kept: usize) {
        self.machines[index].reserve.store(kept, Ordering::Relaxed);
        self.set_log_room(index, 0);
        self.set_full(index, true);
    }
}
