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
    remains: Vec<Remains>,
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

impl Grave {
    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.remains.is_empty()
    }

    pub(crate) fn bury_table(&mut self, table: Table) {
        self.segments.extend(table.into_segments());
    }

    /// Frees an entry: a big collection later, in slices; anything else now.
    pub(crate) fn bury(&mut self, entry: Entry) {
        if entry.boxed::<Set>().is_some_and(|set| set.tree.len() > BIG_HASH) {
            let set = entry.into_boxed::<Set>();
            self.remains.extend(set.map(|set| Remains::Set(set.tree.into_rubble())));
        } else if entry.boxed::<ZSet>().is_some_and(|zset| zset.len() > BIG_HASH) {
            if let Some(zset) = entry.into_boxed::<ZSet>() {
                self.remains.push(Remains::Scores(zset.by_score.into_rubble()));
                self.remains.push(Remains::Members(zset.by_member.into_rubble()));
            }
        } else if entry.form() == Form::List {
            let list = entry.into_boxed::<List>();
            self.remains.extend(list.map(|list| Remains::List(list.into_chunks())));
        } else if entry.big_hash().is_some_and(|hash| hash.table.len() > BIG_HASH)
            && let Some(hash) = entry.into_boxed::<Hash>()
        {
            let Hash { table, lapses, .. } = *hash;
            self.remains.extend(lapses.map(Remains::Lapses));
            self.bury_table(table);
        }
    }

    /// Frees about `budget` entries; whether all are freed.
    pub(crate) fn reclaim(&mut self, budget: usize) -> bool {
        let mut freed = 0;
        while freed < budget {
            if let Some(remains) = self.remains.last_mut() {
                freed += remains.free(budget - freed);
                if remains.is_empty() {
                    self.remains.pop();
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
