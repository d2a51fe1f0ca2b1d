//! The simulated disk: the log's disk in memory, with a seed that decides what goes wrong and when.
//!
//! Invariants: the same seed and the same calls give the same faults and the same bytes after a crash; the
//! boot id changes with each loss of power and only then, as on a real machine.
//! Does not know: what a node promised (that is the oracle's part).

use std::sync::Arc;

use base::Random;
use log::{Crash, Disk, Fault, MemoryDisk, Operation};

/// How big a disk is that is not full.
const CAPACITY: u64 = 1 << 40;

/// A node's disk and its luck.
pub struct SimDisk {
    disk: MemoryDisk,
    random: Random,
    boots: u64,
}

/// What was decided to go wrong, for the trace of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The operation after `after` more of its kind fails once, in the way of `fault`.
    Fails {
        /// Which kind, or any that changes the disk.
        operation: Option<Operation>,
        /// Operations of it that still pass.
        after: u64,
        /// How.
        fault: Fault,
    },
    /// So many more bytes fit, then the disk is full until [`SimDisk::free`].
    FillsUp {
        /// Bytes that still fit.
        left: u64,
    },
}

impl SimDisk {
    /// An empty disk whose luck is decided by `seed`.
    pub fn new(seed: u64) -> SimDisk {
        SimDisk { disk: MemoryDisk::new(), random: Random::new(seed), boots: 1 }
    }

    /// The disk as the log takes it.
    pub fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.disk.clone())
    }

    /// The disk behind it, to plan a chosen fault or to damage a file.
    pub fn memory(&self) -> &MemoryDisk {
        &self.disk
    }

    /// The id of the machine's current boot.
    pub fn boot_id(&self) -> [u8; 16] {
        u128::from(self.boots).to_le_bytes()
    }

    /// The process dies now: what was written stays, open files are gone.
    pub fn kill(&mut self) {
        self.disk.crash(Crash::Process);
    }

    /// The machine loses power now: of what was not synced the seed keeps nothing, all, or some sectors.
    pub fn lose_power(&mut self) {
        self.disk.crash(Crash::Power { seed: self.random.next_u64() });
        self.boots += 1;
    }

    /// The process dies inside one of the next `within` operations that change the disk, which may then be
    /// half done. To be followed by [`SimDisk::kill`] or [`SimDisk::lose_power`] once the node has noticed.
    pub fn kill_within(&mut self, within: u64) -> Trouble {
        let after = self.random.below(within.max(1));
        self.plan(None, after, Fault::Dead)
    }

    /// One of the next `within` operations of a kind that the seed picks fails once.
    pub fn fail_within(&mut self, within: u64) -> Trouble {
        const KINDS: [Operation; 8] = [
            Operation::Write,
            Operation::SyncData,
            Operation::Allocate,
            Operation::Create,
            Operation::SyncDir,
            Operation::Rename,
            Operation::Remove,
            Operation::Truncate,
        ];
        // Writes and syncs are most of what a node does; the first half of the draws is theirs.
        let kind = match self.random.below(4) {
            0 => Operation::Write,
            1 => Operation::SyncData,
            _ => KINDS[self.random.below(KINDS.len() as u64) as usize],
        };
        let after = self.random.below(within.max(1));
        let fault = if self.random.chance(3, 4) { Fault::Io } else { Fault::Full };
        self.plan(Some(kind), after, fault)
    }

    /// The disk fills up after at most `most` more bytes.
    pub fn fill_up(&mut self, most: u64) -> Trouble {
        let left = self.random.below(most.saturating_add(1));
        self.leave(left);
        Trouble::FillsUp { left }
    }

    /// So many more bytes fit from now on.
    pub fn leave(&mut self, left: u64) {
        self.disk.set_capacity(self.disk.used().saturating_add(left));
    }

    /// There is space again.
    pub fn free(&mut self) {
        self.disk.set_capacity(CAPACITY);
    }

    /// Nothing planned goes wrong any more.
    pub fn heal(&mut self) {
        self.disk.heal();
        self.free();
    }

    fn plan(&mut self, operation: Option<Operation>, after: u64, fault: Fault) -> Trouble {
        self.disk.fail_after(after, operation, fault);
        Trouble::Fails { operation, after, fault }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::{Log, LogOptions};

    /// A life of appends under faults; what the next life reads, and the faults.
    fn run(seed: u64) -> (Vec<Vec<u8>>, Vec<Trouble>) {
        let mut sim = SimDisk::new(seed);
        let options = |sim: &SimDisk| LogOptions {
            boot_id: sim.boot_id(),
            segment_bytes: 8192,
            free_bytes_min: 0,
            ..LogOptions::new(1)
        };
        let mut troubles = Vec::new();
        let mut frames = Vec::new();
        for life in 0..6u8 {
            frames.clear();
            let mut visit = |_, payload: &[u8]| {
                frames.push(payload.to_vec());
                Ok(())
            };
            let opened = Log::open(sim.disk(), options(&sim), &mut visit, &mut |_, _| {});
            let (mut log, _) = opened.expect("nothing is planned while it opens");
            let trouble = match life % 3 {
                0 => sim.kill_within(200),
                1 => sim.fail_within(50),
                _ => sim.fill_up(20_000),
            };
            troubles.push(trouble);
            for n in 0..100 {
                if log.append(&[life; 150]).is_err() || n % 8 == 0 && log.sync_handle().sync().is_err() {
                    break;
                }
            }
            if life % 2 == 0 {
                sim.lose_power()
            } else {
                sim.kill()
            }
            sim.heal();
        }
        (frames, troubles)
    }

    #[test]
    fn a_seed_replays_byte_for_byte_and_seeds_differ() {
        assert_eq!(run(1), run(1));
        assert_ne!(run(1).1, run(2).1);
    }

    #[test]
    fn the_boot_id_changes_with_the_power_and_not_with_the_process() {
        let mut sim = SimDisk::new(1);
        let first = sim.boot_id();
        sim.kill();
        assert_eq!(sim.boot_id(), first);
        sim.lose_power();
        assert_ne!(sim.boot_id(), first);
    }
}
