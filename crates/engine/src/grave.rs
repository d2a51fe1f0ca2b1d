//! What was deleted and is big: freed in slices, so that no turn pays for all of it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::table::entry::{Entry, Form};
use crate::table::{Segment, Table};
use crate::tree::Rubble;
use crate::value::{Chunk, Hash, List, Set};
use crate::walk::BIG_HASH;

/// What is left to free.
#[derive(Default)]
pub(crate) struct Grave {
    segments: Vec<Segment>,
    sets: Vec<Rubble<u32, ()>>,
    lists: Vec<VecDeque<Arc<Chunk>>>,
}

impl Grave {
    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.sets.is_empty() && self.lists.is_empty()
    }

    pub(crate) fn bury_table(&mut self, table: Table) {
        self.segments.extend(table.into_segments());
    }

    /// Frees an entry: a big hash, set or list later, in slices; anything else now.
    pub(crate) fn bury(&mut self, entry: Entry) {
        if entry.boxed::<Set>().is_some_and(|set| set.tree.len() > BIG_HASH) {
            self.sets.extend(entry.into_boxed::<Set>().map(|set| set.tree.into_rubble()));
        } else if entry.form() == Form::List {
            self.lists.extend(entry.into_boxed::<List>().map(|list| list.into_chunks()));
        } else if entry.big_hash().is_some_and(|hash| hash.table.len() > BIG_HASH)
            && let Some(hash) = entry.into_boxed::<Hash>()
        {
            self.bury_table(hash.table);
        }
    }

    /// Frees about `budget` entries; whether all are freed.
    pub(crate) fn reclaim(&mut self, budget: usize) -> bool {
        let mut freed = 0;
        while freed < budget {
            if let Some(set) = self.sets.last_mut() {
                freed += set.free(budget - freed);
                if set.is_empty() {
                    self.sets.pop();
                }
                continue;
            }
            if let Some(chunks) = self.lists.last_mut() {
                match chunks.pop_front() {
                    Some(chunk) => freed += chunk.len(),
                    None => drop(self.lists.pop()),
                }
                continue;
            }
            let Some(segment) = self.segments.pop() else { return true };
            freed += segment.len() + 1;
            segment.into_entries().for_each(|entry| self.bury(entry));
        }
        self.is_empty()
    }
}
