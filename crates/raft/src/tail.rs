//! The end of a group's log in memory: what the engine reads when it sends entries to a peer.
//!
//! Invariants: `entries` follow `base` without a gap; an entry that was not handed out for applying is never
//! dropped; the bytes beyond that stay within the bound, or four times it while a snapshot is offered, and 64 times
//! while one is being sent, whose receiver needs what comes after it. Older entries are not read back from disk: a
//! peer that far behind gets a snapshot, which the engine asks for through [`Tail::wish`].
//!
//! A witness has no snapshot to give, so its tail has a rule of its own: an entry is dropped once all members that have
//! a state have stored it, or, beyond eight times the bound, once those have that are there; never before that.
//!
//! Does not know: the disk. What is here was appended there by the caller before [`Tail::append`].

use std::cell::Cell;
use std::collections::VecDeque;

use tikv_raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use tikv_raft::{Error, GetEntriesContext, RaftState, Storage, StorageError};

use crate::{EntryId, SnapshotWish, Stored};

pub(crate) struct Tail {
    start: RaftState,
    base: EntryId,
    entries: VecDeque<Entry>,
    bytes: usize,
    bytes_max: usize,
    /// For which peer: another may not be a member in it, or has not been sent what it stands for.
    offer: Option<(u64, Snapshot)>,
    /// A snapshot is on its way to a peer, which will need what comes after it.
    is_pinned: bool,
    /// The engine asks through `&self`.
    wish: Cell<Option<SnapshotWish>>,
    /// Of a witness: what others are known to have.
    stored: Option<Stored>,
}

/// How much longer the tail may grow while a snapshot of the group is on its way: what is written meanwhile must not
/// make it useless.
const PINNED_FACTOR: usize = 64;

/// How much longer that of a witness may grow while a member is away that may need it.
const WITNESS_FACTOR: usize = 8;

/// What an entry costs beside its bytes, roughly.
const ENTRY_OVERHEAD_BYTES: usize = size_of::<Entry>();

fn cost(entry: &Entry) -> usize {
    ENTRY_OVERHEAD_BYTES + entry.data.len() + entry.context.len()
}

impl Tail {
    pub(crate) fn new(hard_state: HardState, members: ConfState, base: EntryId, bytes_max: usize) -> Tail {
        Tail {
            start: RaftState::new(hard_state, members),
            base,
            entries: VecDeque::new(),
            bytes: 0,
            bytes_max,
            offer: None,
            is_pinned: false,
            wish: Cell::new(None),
            stored: None,
        }
    }

    /// It is a witness's, and others are known to have so much.
    pub(crate) fn set_stored(&mut self, stored: Stored) {
        self.stored = Some(stored);
    }

    /// Whether a witness has more than it should and may drop none of it.
    pub(crate) fn is_full(&self) -> bool {
        self.stored.is_some() && self.bytes > self.bytes_max.saturating_mul(WITNESS_FACTOR)
    }

    /// The entry before the first, and all up to `index`.
    pub(crate) fn kept(&self, index: u64) -> (EntryId, impl Iterator<Item = &Entry>) {
        (self.base, self.entries.iter().take_while(move |entry| entry.index <= index))
    }

    /// The entries after `index`.
    pub(crate) fn after(&self, index: u64) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.index > index)
    }

    pub(crate) fn pin(&mut self, pinned: bool) {
        self.is_pinned = pinned;
    }

    pub(crate) fn last(&self) -> EntryId {
        self.entries.back().map_or(self.base, |entry| EntryId { term: entry.term, index: entry.index })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts `entries` at their place; what was there and after it is void.
    pub(crate) fn append(&mut self, entries: Vec<Entry>) {
        let Some(first) = entries.first() else { return };
        assert!(
            first.index > self.base.index && first.index <= self.last().index + 1,
            "entry {} leaves a gap after {:?} or lies before {:?}",
            first.index,
            self.last(),
            self.base
        );
        while self.last().index >= first.index {
            let dropped = self.entries.pop_back().expect("the last entry lies after the base");
            self.bytes -= cost(&dropped);
        }
        for entry in entries {
            debug_assert_eq!(entry.index, self.last().index + 1, "entries follow each other");
            self.bytes += cost(&entry);
            self.entries.push_back(entry);
        }
    }

    /// Starts over after a snapshot of a leader.
    pub(crate) fn restore(&mut self, id: EntryId) {
        self.base = id;
        self.entries.clear();
        self.bytes = 0;
        self.offer = None;
        self.wish.set(None);
    }

    /// Drops what is beyond the bound and at or before `applied`.
    pub(crate) fn trim(&mut self, applied: u64) {
        while let Some(first) = self.entries.front().filter(|first| first.index <= applied) {
            let offered = self.offer.as_ref().map(|(_, offer)| offer.get_metadata().index);
            if !self.may_drop(first.index, offered.is_some()) {
                return;
            }
            self.base = EntryId { term: first.term, index: first.index };
            self.bytes -= cost(first);
            self.entries.pop_front();
            // A snapshot from which the log does not go on is of no use.
            if offered.is_some_and(|index| index < self.base.index) {
                self.offer = None;
            }
        }
    }

    /// Whether the first entry, which has this place, need not be kept.
    fn may_drop(&self, index: u64, is_offering: bool) -> bool {
        #[cfg(narf_plant)]
        if base::plant::is(base::plant::Plant::WitnessCuts) && self.stored.is_some() {
            return true;
        }
        if let Some(Stored { by_all, by_present }) = self.stored {
            return index <= by_all || index <= by_present && self.is_full();
        }
        let bound = match (self.is_pinned, is_offering) {
            (true, _) => self.bytes_max.saturating_mul(PINNED_FACTOR),
            (false, true) => self.bytes_max.saturating_mul(4),
            (false, false) => self.bytes_max,
        };
        self.bytes > bound
    }

    /// Whether the log goes on from this snapshot; it is kept for the engine if so, for one peer.
    pub(crate) fn offer(&mut self, to: u64, snapshot: Snapshot) -> bool {
        let index = snapshot.get_metadata().index;
        let fits = index >= self.base.index && index <= self.last().index;
        if fits {
            self.offer = Some((to, snapshot));
        }
        fits
    }

    /// What was offered to this peer is not offered any more.
    pub(crate) fn withdraw_offer(&mut self, to: u64) {
        self.offer.take_if(|(peer, _)| *peer == to);
    }

    pub(crate) fn take_wish(&mut self) -> Option<SnapshotWish> {
        self.wish.take()
    }

    fn position(&self, index: u64) -> Option<usize> {
        usize::try_from(index.checked_sub(self.base.index + 1)?).ok()
    }
}

impl Storage for Tail {
    fn initial_state(&self) -> tikv_raft::Result<RaftState> {
        Ok(self.start.clone())
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> tikv_raft::Result<Vec<Entry>> {
        let compacted = Error::Store(StorageError::Compacted);
        let (Some(from), Some(to)) = (self.position(low), self.position(high)) else { return Err(compacted) };
        let max_size = max_size.into().unwrap_or(u64::MAX);
        let mut bytes = 0u64;
        let mut taken = Vec::new();
        for entry in self.entries.range(from..to) {
            bytes = bytes.saturating_add(cost(entry) as u64);
            if bytes > max_size && !taken.is_empty() {
                break;
            }
            taken.push(entry.clone());
        }
        Ok(taken)
    }

    fn term(&self, index: u64) -> tikv_raft::Result<u64> {
        if index == self.base.index {
            return Ok(self.base.term);
        }
        let position = self.position(index).ok_or(Error::Store(StorageError::Compacted))?;
        let entry = self.entries.get(position).ok_or(Error::Store(StorageError::Unavailable))?;
        Ok(entry.term)
    }

    fn first_index(&self) -> tikv_raft::Result<u64> {
        Ok(self.base.index + 1)
    }

    fn last_index(&self) -> tikv_raft::Result<u64> {
        Ok(self.last().index)
    }

    fn snapshot(&self, request_index: u64, to: u64) -> tikv_raft::Result<Snapshot> {
        // The state at the base is the least that a peer needs to go on with the log.
        let at_least = request_index.max(self.base.index);
        match &self.offer {
            Some((peer, offer)) if *peer == to && offer.get_metadata().index >= at_least => Ok(offer.clone()),
            _ => {
                self.wish.set(Some(SnapshotWish { to, at_least }));
                Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(range: std::ops::RangeInclusive<u64>, term: u64) -> Vec<Entry> {
        range.map(|index| Entry { term, index, data: vec![7; 100].into(), ..Entry::default() }).collect()
    }

    fn tail(bytes_max: usize) -> Tail {
        Tail::new(HardState::default(), ConfState::default(), EntryId { term: 1, index: 10 }, bytes_max)
    }

    #[test]
    fn entries_at_a_place_replace_it_and_all_after() {
        let mut tail = tail(1 << 20);
        tail.append(entries(11..=20, 1));
        tail.append(entries(15..=16, 2));
        assert_eq!(tail.last(), EntryId { term: 2, index: 16 });
        assert_eq!(tail.term(14).unwrap(), 1);
        assert_eq!(tail.bytes(), 6 * (ENTRY_OVERHEAD_BYTES + 100));
    }

    #[test]
    fn the_bound_drops_only_what_was_applied() {
        let mut tail = tail(3 * (ENTRY_OVERHEAD_BYTES + 100));
        tail.append(entries(11..=20, 1));
        tail.trim(12);
        assert_eq!(tail.first_index().unwrap(), 13);
        tail.trim(20);
        assert_eq!(tail.first_index().unwrap(), 18);
        assert!(matches!(
            tail.entries(17, 18, None, GetEntriesContext::empty(false)),
            Err(Error::Store(StorageError::Compacted))
        ));
        assert_eq!(tail.entries(18, 21, None, GetEntriesContext::empty(false)).unwrap().len(), 3);
        assert_eq!(tail.entries(18, 21, 1, GetEntriesContext::empty(false)).unwrap().len(), 1);
    }

    #[test]
    fn a_witness_drops_what_others_have_stored_and_nothing_else() {
        let mut tail = tail(ENTRY_OVERHEAD_BYTES + 100);
        tail.append(entries(11..=30, 1));
        tail.set_stored(Stored::default());
        tail.trim(30);
        assert_eq!(tail.first_index().unwrap(), 11, "nobody is known to have any of it");
        assert!(tail.is_full());
        tail.set_stored(Stored { by_all: 14, by_present: 17 });
        tail.trim(30);
        assert_eq!(
            tail.first_index().unwrap(),
            18,
            "beyond its bound it keeps what no one has that is there"
        );
        tail.set_stored(Stored { by_all: 14, by_present: 40 });
        tail.trim(30);
        assert_eq!(tail.entries.len(), 8, "within its bound it keeps what one of them lacks");
        assert!(!tail.is_full());
        tail.set_stored(Stored { by_all: 29, by_present: 40 });
        tail.trim(28);
        assert_eq!((tail.base, tail.first_index().unwrap()), (EntryId { term: 1, index: 28 }, 29));
        let (base, kept) = tail.kept(29);
        assert_eq!((base.index, kept.map(|entry| entry.index).collect::<Vec<_>>()), (28, vec![29]));
    }

    #[test]
    fn a_snapshot_that_the_log_left_behind_is_no_longer_offered() {
        let mut tail = tail(0);
        tail.append(entries(11..=20, 1));
        let mut snapshot = Snapshot::default();
        snapshot.mut_metadata().index = 12;
        assert!(tail.offer(2, snapshot));
        assert!(tail.snapshot(0, 2).is_ok());
        assert!(tail.snapshot(0, 3).is_err(), "it is for one peer");
        tail.withdraw_offer(3);
        assert!(tail.snapshot(0, 2).is_ok());
        tail.trim(20);
        assert!(tail.snapshot(0, 2).is_err());
        assert_eq!(tail.take_wish(), Some(SnapshotWish { to: 2, at_least: 20 }));
        assert_eq!(tail.take_wish(), None);
    }
}
