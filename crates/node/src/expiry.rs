//! Active expiry: keys past their deadline are deleted through the log, a bounded number a turn.
//!
//! Commands hide lapsed keys by themselves; this gives their memory back. The expiry index of each keyspace
//! says when there is work, so an idle node wakes up for nothing. A deadline is met to within [`REST_MS`], the tick of
//! that index (4 ms) and what a turn takes; with other replicas the entry takes a round more.
//!
//! Only a leader deletes. A follower looks some time behind it, which keeps its index small without disturbing what it
//! would need if it had to lead.

use base::{DbIndex, Millis, PartitionId};

use crate::partition::{Partition, Turn};
use crate::worker::Worker;

/// Most keys, and fields of hashes, deleted of one keyspace in one go; of one hash it may be some more.
const KEYS_AT_ONCE: usize = 200;

/// Most keys and fields deleted in one turn, of all partitions: about a millisecond.
const KEYS_A_TURN: usize = 2000;

/// How long to wait before looking again after there was nothing due. A look at 64 partitions takes some microseconds.
const REST_MS: u64 = 2;

/// How far a follower looks behind: what lapsed so long ago its leader has deleted.
const LAG_MS: u64 = 1000;

/// Active expiry of one worker.
#[derive(Debug)]
pub(crate) struct Expiry {
    /// Steady clock.
    next_run: Millis,
    /// `DEBUG SET-ACTIVE-EXPIRE`.
    on: bool,
    /// The partition to begin with.
    from: usize,
}

impl Default for Expiry {
    fn default() -> Expiry {
        Expiry { next_run: Millis::default(), on: true, from: 0 }
    }
}

impl Expiry {
    pub(crate) fn next_run(&self) -> Millis {
        if self.on { self.next_run } else { Millis::NEVER }
    }

    pub(crate) fn set(&mut self, on: bool) {
        self.on = on;
        self.next_run = Millis::default();
    }

    /// A deadline was set: it may be nearer than what the next run waits for.
    #[inline]
    pub(crate) fn wake(&mut self, now: Millis) {
        let soon = Millis(now.0 + REST_MS);
        if self.next_run > soon {
            self.next_run = soon;
        }
    }
}

impl Worker {
    /// Deletes some of the keys that are due, and decides when to look again.
    pub(crate) fn run_expiry(&mut self) {
        let (now, wall) = (self.now.mono_millis(), self.now.millis());
        if !self.expiry.on || now < self.expiry.next_run {
            return;
        }
        let mut next_due: Option<Millis> = None;
        let (mut expired, mut work, mut is_lent) = (0, 0, false);
        let count = self.places.len();
        for step in 0..count {
            // Each turn begins where the last one ran out, so that no partition waits for ever.
            let place = (self.expiry.from + step) % count;
            if work >= KEYS_A_TURN {
                self.stats.expiry_cut_short += 1;
                self.expiry.from = place;
                next_due = Some(Millis::default());
                break;
            }
            let (mut turn, places) = self.turn_and_places();
            let Some(partition) = places[place].partition.as_deref_mut() else {
                // Lent, perhaps: what it holds is looked at when this has rested.
                is_lent |= self.router.owner(PartitionId(place as u16)) == self.id;
                continue;
            };
            // A deletion is on its way: when it has come, this is woken.
            let Some(lag) = partition.expiry_lag() else { continue };
            let (was_open, before) = (partition.has_open_entry(), partition.open_bytes());
            let (gone, done) = expire_partition(partition, &mut turn, lag);
            (expired, work) = (expired + gone, work + done);
            let logged = partition.open_bytes() - before;
            let due = partition.keyspaces().filter_map(|(_, keyspace)| keyspace.next_due()).min();
            let due = due.map(|due| Millis(due.0.saturating_add(lag)));
            next_due = [next_due, due].into_iter().flatten().min();
            let (id, is_followed) = (partition.id(), partition.trackers.is_on());
            if !was_open && partition.has_open_entry() {
                self.dirty.push(id);
            }
            self.turn_bytes += logged;
            if is_followed {
                self.settle_trackers(id);
            }
            if self.places[place].partition.as_deref().is_some_and(|p| p.replica.wants_to_propose()) {
                self.fabric.stir(PartitionId(place as u16));
            }
        }
        self.stats.expired_keys += expired as u64;
        let wait = next_due.map_or(u64::MAX, |due| due.since(wall).max(if work > 0 { 0 } else { REST_MS }));
        let wait = if is_lent { wait.min(REST_MS) } else { wait };
        // A minute at most, in case the wall clock is set forward.
        self.expiry.next_run = Millis(now.0 + wait.min(60_000));
    }
}

impl Partition {
    /// How far behind the clock what lapses is looked for; `None` while a deletion is on its way, for what is found now
    /// would be put off.
    fn expiry_lag(&self) -> Option<u64> {
        match (self.group.is_lone(), self.group.is_leader()) {
            (true, _) => Some(0),
            (false, true) => (!self.replica.is_expiring).then_some(0),
            (false, false) => Some(LAG_MS),
        }
    }
}

/// How many keys went, and how much work that was: see [`engine::Keyspace::due`].
fn expire_partition(partition: &mut Partition, turn: &mut Turn<'_>, lag: u64) -> (usize, usize) {
    let now = Millis(partition.time(turn.now).0.saturating_sub(lag));
    let due: Vec<DbIndex> = partition
        .keyspaces()
        .filter(|(_, keyspace)| keyspace.next_due().is_some_and(|due| due <= now))
        .map(|(db, _)| db)
        .collect();
    let (mut expired, mut work) = (0, 0);
    for db in due {
        let mut keys = Vec::new();
        work += partition.keyspace(db).due(now, KEYS_AT_ONCE, &mut keys);
        expired += partition.expire(turn, db, &keys);
        if partition.expiry_lag().is_none() {
            break;
        }
    }
    (expired, work)
}
