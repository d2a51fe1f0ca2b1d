//! What was deleted and is big: freed in slices, so that no turn pays for all of it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::table::entry::{Entry, Form};
use crate::table::{Segment, Table};
use crate::tree::Rubble;
use crate::value::{Chunk, Hash, Lapses, List, Score, Set, ZSet};
use crate::walk::BIG_HASH;

/// What is left to free.
#[derive(Default)]
pub(crate) struct Grave {
    segments: Vec<Segment>,
    remains: Vec<Buried>,
    /// Heap bytes of all of it, about.
    bytes: usize,
    /// How many big values, keys and fields have been freed so far.
    freed: u64,
}

/// What a big value leaves, and how much of it.
struct Buried {
    remains: Remains,
    elements: usize,
    bytes: usize,
}

/// What a big value leaves.
enum Remains {
    Set(Rubble<u32, ()>),
    Scores(Rubble<Score, ()>),
    Members(Rubble<u32, f64>),
    List(VecDeque<Arc<Chunk>>),
    Lapses(Box<Lapses>),
}

impl Remains {
    /// Frees about `budget` elements, one at least if there is any; how many it were.
    fn free(&mut self, budget: usize) -> usize {
        match self {
            Remains::Set(rubble) => rubble.free(budget),
            Remains::Scores(rubble) => rubble.free(budget),
            Remains::Members(rubble) => rubble.free(budget),
            Remains::Lapses(lapses) => lapses.free(budget),
            Remains::List(chunks) => chunks.pop_front().map_or(0, |chunk| chunk.len()),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Remains::Set(rubble) => rubble.is_empty(),
            Remains::Scores(rubble) => rubble.is_empty(),
            Remains::Members(rubble) => rubble.is_empty(),
            Remains::Lapses(lapses) => lapses.is_empty(),
            Remains::List(chunks) => chunks.is_empty(),
        }
    }
}

impl Buried {
    /// So many elements were freed; their share of the bytes.
    fn note_freed(&mut self, elements: usize) -> usize {
        let share = match self.remains.is_empty() {
            true => self.bytes,
            false => self.bytes / self.elements.max(1) * elements.min(self.elements),
        };
        self.elements = self.elements.saturating_sub(elements);
        self.bytes = self.bytes.saturating_sub(share);
        share
    }
}

impl Grave {
    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.remains.is_empty()
    }

    /// Heap bytes of what is not freed yet, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many big values, keys of cleared tables and fields of big hashes are not freed yet, and how many were.
    pub(crate) fn objects(&self) -> (usize, u64) {
        (self.remains.len() + self.segments.iter().map(Segment::len).sum::<usize>(), self.freed)
    }

    /// Counts anew what is freed.
    pub(crate) fn reset_freed(&mut self) {
        self.freed = 0;
    }

    /// Frees a table later, in slices; its entries take `entry_bytes`.
    pub(crate) fn bury_table(&mut self, table: Table, entry_bytes: usize) {
        let segments = table.into_segments();
        self.bytes += entry_bytes + segments.iter().map(Segment::slot_bytes).sum::<usize>();
        self.segments.extend(segments);
    }

    /// Frees an entry: a big collection later, in slices; anything else now.
    pub(crate) fn bury(&mut self, entry: Entry) {
        let bytes = entry.memory();
        if entry.boxed::<Set>().is_some_and(|set| set.tree.len() > BIG_HASH) {
            if let Some(set) = entry.into_boxed::<Set>() {
                let elements = set.tree.len();
                self.bury_remains(Remains::Set(set.tree.into_rubble()), elements, bytes);
            }
        } else if entry.boxed::<ZSet>().is_some_and(|zset| zset.len() > BIG_HASH) {
            if let Some(zset) = entry.into_boxed::<ZSet>() {
                let elements = zset.len();
                self.bury_remains(Remains::Scores(zset.by_score.into_rubble()), elements, bytes / 2);
                self.bury_remains(Remains::Members(zset.by_member.into_rubble()), elements, bytes / 2);
            }
        } else if entry.form() == Form::List {
            if let Some(list) = entry.into_boxed::<List>() {
                let elements = list.len();
                self.bury_remains(Remains::List(list.into_chunks()), elements, bytes);
            }
        } else if entry.big_hash().is_some_and(|hash| hash.table.len() > BIG_HASH)
            && let Some(hash) = entry.into_boxed::<Hash>()
        {
            let bytes = hash.field_bytes();
            let Hash { table, lapses, .. } = *hash;
            if let Some(lapses) = lapses {
                let (elements, bytes) = (lapses.len(), lapses.memory());
                self.bury_remains(Remains::Lapses(lapses), elements, bytes);
            }
            self.bury_table(table, bytes);
        }
    }

    fn bury_remains(&mut self, remains: Remains, elements: usize, bytes: usize) {
        self.bytes += bytes;
        self.remains.push(Buried { remains, elements, bytes });
    }

    /// Frees about `budget` entries; whether all are freed.
    pub(crate) fn reclaim(&mut self, budget: usize) -> bool {
        let mut freed = 0;
        while freed < budget {
            if let Some(buried) = self.remains.last_mut() {
                let elements = buried.remains.free(budget - freed);
                freed += elements;
                let bytes = buried.note_freed(elements);
                self.bytes = self.bytes.saturating_sub(bytes);
                if buried.remains.is_empty() {
                    self.remains.pop();
                    self.freed += 1;
                }
                continue;
            }
            let Some(segment) = self.segments.pop() else { break };
            freed += segment.len() + 1;
            // What is big of it is counted when it is freed.
            self.freed += segment.len() as u64;
            let remains = self.remains.len();
            self.bytes = self.bytes.saturating_sub(segment.slot_bytes());
            segment.prefetch_all();
            for entry in segment.into_entries() {
                self.bytes = self.bytes.saturating_sub(entry.memory());
                self.bury(entry);
            }
            self.freed = self.freed.saturating_sub((self.remains.len() - remains) as u64);
        }
        if self.is_empty() {
            // Sizes may have been estimates.
            self.bytes = 0;
        }
        self.is_empty()
    }
}
