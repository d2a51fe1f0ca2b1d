//! A point-in-time image of a keyspace, taken in slices while commands go on (a checkpoint, without fork).
//!
//! ```text
//! begin: every entry is unseen (the meaning of its walk bit is flipped)
//!   slice   ── visits entries in order of their hashes, writes the unseen ones, marks them seen
//!   change  ── of an unseen entry: its old image is written first, then it is seen
//!   new     ── seen from the start: it was not there at `begin`
//! ```
//!
//! A big value is *opened* instead of written: it goes on a list and is written in parts. Of a big hash the fields become
//! unseen, and the same three rules hold for them. Members of a tree have no bit: those are seen that the walk has
//! passed in their order, or that are on the list of those that changed ahead of it. Of a long string the length is noted:
//! what is appended lies behind it. Of a big list the chunks are kept, which are copied when they change. If an opened value is deleted, overwritten, or the keyspace cleared, it is kept aside until it is written (an
//! orphan), then freed in slices; the chunks of a list need no entry.
//!
//! Invariant: outside a walk all walk bits mean seen. Gap: what is unwritten of an opened value is written at once if it
//! is renamed or, a string, overwritten in its middle.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use base::Millis;

use crate::grave::Grave;
use crate::record::{self, RowPart};
use crate::table::Table;
use crate::table::entry::Entry;
use crate::tree::Tree;
use crate::value::{Chunk, Hash, List, Set, ZSet, hash_field_value};

/// A hash, set or sorted set with more elements than this is written in parts, and freed in slices.
pub(crate) const BIG_HASH: usize = 256;

/// A string longer than this is written in parts.
const BIG_TEXT: usize = 256 * 1024;

/// Bytes of a part, about.
pub(crate) const PART_BYTES: usize = 16 * 1024;

/// What passing over an entry costs that was seen already, in bytes written instead.
const SEEN_COST: usize = 32;

/// How far one slice may go.
struct Budget {
    /// Length that the output may reach.
    limit: usize,
}

impl Budget {
    fn unbounded() -> Budget {
        Budget { limit: usize::MAX }
    }

    fn is_spent(&self, out: &[u8]) -> bool {
        out.len() >= self.limit
    }

    fn passed_over(&mut self, entries: usize) {
        self.limit = self.limit.saturating_sub(entries * SEEN_COST);
    }
}

/// A big value that is being written.
struct Open {
    key: Box<[u8]>,
    deadline: Option<Millis>,
    progress: Progress,
}

enum Progress {
    /// Of a hash: where the scan of its fields has come to.
    Fields { cursor: u64 },
    /// Of a string: bytes written, and its length at the time.
    Text { written: usize, len: usize },
    /// Of a tree by hash: see [`Members`].
    Members(Members),
}

/// How far a tree by hash is written.
#[derive(Default)]
struct Members {
    /// The last member that was passed, under its key.
    last: Option<(u32, Box<[u8]>)>,
    /// Members behind it that have changed: if they were there at the start, their images are written.
    changed: BTreeSet<Box<[u8]>>,
}

impl Members {
    fn has_passed(&self, key: u32, member: &[u8]) -> bool {
        self.last.as_ref().is_some_and(|(last, held)| (key, member) <= (*last, &**held))
    }
}

/// A big list as it was.
struct ListImage {
    key: Box<[u8]>,
    deadline: Option<Millis>,
    /// What is not yet written.
    chunks: VecDeque<Arc<Chunk>>,
}

impl ListImage {
    fn of(entry: &Entry) -> Option<ListImage> {
        let chunks = entry.boxed::<List>()?.chunks();
        Some(ListImage { key: entry.key().into(), deadline: entry.deadline(), chunks })
    }

    /// Writes chunks within the budget; whether all are written.
    fn write(&mut self, budget: &Budget, out: &mut Vec<u8>) -> bool {
        while !budget.is_spent(out) {
            let mut part = RowPart::of_list(&self.key, self.deadline, out);
            while part.len() < PART_BYTES
                && let Some(chunk) = self.chunks.pop_front()
            {
                chunk.iter().for_each(|element| part.push(element));
            }
            part.end();
            if self.chunks.is_empty() {
                return true;
            }
        }
        false
    }
}

/// Big values that are being written.
#[derive(Default)]
struct Opened {
    /// Those that are looked at in the keyspace.
    values: Vec<Open>,
    lists: Vec<ListImage>,
}

impl Opened {
    fn is_empty(&self) -> bool {
        self.values.is_empty() && self.lists.is_empty()
    }

    /// Opens a value if it is big.
    fn open(&mut self, entry: &mut Entry) -> bool {
        if let Some(list) = ListImage::of(entry) {
            self.lists.push(list);
        } else if let Some(open) = open_big(entry) {
            self.values.push(open);
        } else {
            return false;
        }
        true
    }
}

/// What is no longer in the keyspace but was at the start of the walk.
enum Orphan {
    /// `bytes`: what its entries took.
    Table {
        table: Table,
        cursor: u64,
        bytes: usize,
    },
    Entry {
        open: Open,
        entry: Entry,
    },
}

/// The state of a walk.
#[derive(Default)]
pub(crate) struct Walk {
    cursor: u64,
    table_done: bool,
    /// Given up: marks go on, nothing is written.
    discarding: bool,
    /// Images of entries that changed before the walk came to them.
    early: Vec<u8>,
    opened: Opened,
    orphans: Vec<Orphan>,
}

/// Opens a value if it is big; of a hash, all fields become unseen.
fn open_big(entry: &mut Entry) -> Option<Open> {
    let progress = if let Some(text) = entry.big_text() {
        (text.len() > BIG_TEXT).then_some(Progress::Text { written: 0, len: text.len() })?
    } else if let Some(members) = ByHash::of(entry) {
        (members.len() > BIG_HASH).then(|| Progress::Members(Members::default()))?
    } else {
        let hash = entry.big_hash_mut().filter(|hash| hash.table.len() > BIG_HASH)?;
        hash.seen = !hash.seen;
        Progress::Fields { cursor: 0 }
    };
    Some(Open { key: entry.key().into(), deadline: entry.deadline(), progress })
}

impl Open {
    /// Writes parts of the value within the budget; whether all is written.
    fn write(&mut self, entry: &mut Entry, budget: &mut Budget, out: &mut Vec<u8>) -> bool {
        match &mut self.progress {
            &mut Progress::Fields { cursor } => {
                let Some(hash) = entry.big_hash_mut() else { return true };
                self.write_fields(cursor, hash, budget, out)
            }
            Progress::Members(members) => {
                let (key, deadline) = (&*self.key, self.deadline);
                match ByHash::of(entry) {
                    None => true,
                    Some(ByHash::Set(set)) => write_members(members, &set.tree, budget, out, |out| {
                        (RowPart::of_set(key, deadline, out), |part, (), member| part.push(member))
                    }),
                    Some(ByHash::ZSet(zset)) => write_members(members, &zset.by_member, budget, out, |out| {
                        let push =
                            |part: &mut RowPart<'_>, score, member: &_| part.push_scored(member, score);
                        (RowPart::of_zset(key, deadline, out), push)
                    }),
                }
            }
            &mut Progress::Text { written, len } => {
                let Some(text) = entry.big_text().and_then(|text| text.get(..len)) else { return true };
                self.write_text(written, text, budget, out)
            }
        }
    }

    fn write_fields(
        &mut self,
        mut cursor: u64,
        hash: &mut Hash,
        budget: &mut Budget,
        out: &mut Vec<u8>,
    ) -> bool {
        let (seen, is_volatile) = (hash.seen, hash.lapses.is_some());
        while !budget.is_spent(out) {
            let mut part = record::Part::begin(&self.key, self.deadline, is_volatile, out);
            // One piece at least; a piece without unseen fields leaves it to the budget to go on.
            loop {
                let mut passed = 0;
                cursor = hash.table.scan_mut(cursor, 16, &mut |field| {
                    if field.walk_bit() != seen {
                        field.set_walk_bit(seen);
                        part.push(field.key(), hash_field_value(field), field.deadline());
                    } else {
                        passed += 1;
                    }
                });
                budget.passed_over(passed);
                if cursor == 0 || part.len() >= PART_BYTES || passed > 0 {
                    break;
                }
            }
            part.end();
            if cursor == 0 {
                return true;
            }
            self.progress = Progress::Fields { cursor };
        }
        false
    }

    fn write_text(&mut self, mut written: usize, text: &[u8], budget: &Budget, out: &mut Vec<u8>) -> bool {
        while !budget.is_spent(out) {
            let end = text.len().min(written + PART_BYTES);
            record::encode_text_part(&self.key, self.deadline, written, &text[written..end], out);
            written = end;
            if written == text.len() {
                return true;
            }
            self.progress = Progress::Text { written, len: text.len() };
        }
        false
    }
}

/// A value whose members lie in a tree by hash.
#[derive(Clone, Copy)]
enum ByHash<'a> {
    Set(&'a Set),
    ZSet(&'a ZSet),
}

impl<'a> ByHash<'a> {
    fn of(entry: &'a Entry) -> Option<ByHash<'a>> {
        entry.boxed().map(ByHash::Set).or_else(|| entry.boxed().map(ByHash::ZSet))
    }

    fn len(self) -> usize {
        match self {
            ByHash::Set(set) => set.tree.len(),
            ByHash::ZSet(zset) => zset.len(),
        }
    }

    /// What the tree goes by.
    fn key(self, member: &[u8]) -> u32 {
        match self {
            ByHash::Set(set) => set.key(member),
            ByHash::ZSet(zset) => zset.key(member),
        }
    }

    /// Writes a part with this member, if there is one.
    fn write_one(self, member: &[u8], key: &[u8], deadline: Option<Millis>, out: &mut Vec<u8>) {
        let part = match self {
            ByHash::Set(set) => {
                let mut part = RowPart::of_set(key, deadline, out);
                if set.contains(member) {
                    part.push(member);
                }
                part
            }
            ByHash::ZSet(zset) => {
                let mut part = RowPart::of_zset(key, deadline, out);
                if let Some(score) = zset.score(member) {
                    part.push_scored(member, score);
                }
                part
            }
        };
        part.end();
    }
}

/// Writes members of a tree by hash within the budget; whether all are written. `begin` starts a part of the value's
/// kind, and says how a member is put into it.
fn write_members<V: Copy, P: Fn(&mut RowPart<'_>, V, &[u8])>(
    members: &mut Members,
    tree: &Tree<u32, V>,
    budget: &mut Budget,
    out: &mut Vec<u8>,
    begin: impl for<'o> Fn(&'o mut Vec<u8>) -> (RowPart<'o>, P),
) -> bool {
    let mut start = match &members.last {
        Some((last, held)) => tree.count_before(|key, member| (key, member) <= (*last, &**held)),
        None => 0,
    };
    while !budget.is_spent(out) {
        let (mut part, push) = begin(out);
        let mut passed = 0;
        let mut last = None;
        for (key, value, member) in tree.range(start, tree.len()) {
            start += 1;
            last = Some((key, member));
            if members.changed.remove(member) {
                passed += 1;
            } else {
                push(&mut part, value, member);
            }
            if part.len() >= PART_BYTES || passed >= 16 {
                break;
            }
        }
        part.end();
        budget.passed_over(passed);
        members.last = last.map(|(key, member)| (key, member.into())).or(members.last.take());
        if start >= tree.len() {
            return true;
        }
    }
    false
}

impl Walk {
    /// Keeps the image of an unseen entry that is about to change, and marks it seen.
    #[cold]
    pub(crate) fn keep(&mut self, entry: &mut Entry, seen: bool) {
        entry.set_walk_bit(seen);
        if !self.opened.open(entry) && !self.discarding {
            record::encode_entry(entry, &mut self.early);
        }
    }

    /// Keeps the image of one unseen field that is about to change, and marks it seen.
    #[cold]
    pub(crate) fn keep_field(&mut self, entry: &mut Entry, field: &[u8]) {
        let at = self.opened.values.iter().position(|open| *open.key == *entry.key());
        let (Some(at), Some(hash)) = (at, entry.big_hash_mut()) else { return };
        let (seen, is_volatile) = (hash.seen, hash.lapses.is_some());
        let Some(held) = hash.field_mut(field).filter(|held| held.walk_bit() != seen) else { return };
        held.set_walk_bit(seen);
        if !self.discarding {
            let open = &self.opened.values[at];
            let mut part = record::Part::begin(&open.key, open.deadline, is_volatile, &mut self.early);
            part.push(held.key(), hash_field_value(held), held.deadline());
            part.end();
        }
    }

    /// Keeps the image of one unseen member of a tree that is about to change, and marks it seen.
    #[cold]
    pub(crate) fn keep_member(&mut self, entry: &Entry, member: &[u8]) {
        let Some(open) = self.opened.values.iter_mut().find(|open| *open.key == *entry.key()) else { return };
        let (Progress::Members(members), Some(held)) = (&mut open.progress, ByHash::of(entry)) else {
            return;
        };
        if members.has_passed(held.key(member), member) || !members.changed.insert(member.into()) {
            return;
        }
        if !self.discarding {
            held.write_one(member, &open.key, open.deadline, &mut self.early);
        }
    }

    /// Takes over an entry that leaves the keyspace; gives it back if the walk has no more use for it.
    pub(crate) fn retire(&mut self, mut entry: Entry, seen: bool) -> Option<Entry> {
        if entry.walk_bit() != seen {
            self.keep(&mut entry, seen);
        }
        let Some(at) = self.opened.values.iter().position(|open| *open.key == *entry.key()) else {
            return Some(entry);
        };
        let open = self.opened.values.swap_remove(at);
        self.orphans.push(Orphan::Entry { open, entry });
        None
    }

    /// Writes what is unseen of an entry that moves to another key or changes in its middle, at once, and marks it seen.
    pub(crate) fn finish_entry(&mut self, entry: &mut Entry, seen: bool) {
        if entry.walk_bit() != seen {
            self.keep(entry, seen);
        }
        let Some(at) = self.opened.values.iter().position(|open| *open.key == *entry.key()) else { return };
        let mut open = self.opened.values.swap_remove(at);
        let start = self.early.len();
        open.write(entry, &mut Budget::unbounded(), &mut self.early);
        if self.discarding {
            self.early.truncate(start);
        }
    }

    /// Takes over all entries of a keyspace that is cleared; gives the table back if the walk has no more use for it.
    /// Its entries take `bytes`.
    pub(crate) fn retire_table(
        &mut self,
        mut table: Table,
        bytes: usize,
        hash_of: impl Fn(&[u8]) -> u64,
    ) -> Option<Table> {
        for open in std::mem::take(&mut self.opened.values) {
            if let Some(entry) = table.remove(hash_of(&open.key), &open.key) {
                self.orphans.push(Orphan::Entry { open, entry });
            }
        }
        if self.table_done {
            return Some(table);
        }
        self.table_done = true;
        self.orphans.push(Orphan::Table { table, cursor: self.cursor, bytes });
        None
    }

    /// Gives the walk up: what is left is only marked.
    pub(crate) fn discard(&mut self) {
        self.discarding = true;
        self.early = Vec::new();
    }

    /// Heap bytes of what it keeps that is no longer in the keyspace, about.
    pub(crate) fn held_bytes(&self) -> usize {
        let orphans = self.orphans.iter().map(|orphan| match orphan {
            Orphan::Entry { entry, .. } => entry.memory(),
            Orphan::Table { table, bytes, .. } => table.memory() + bytes,
        });
        self.early.capacity() + orphans.sum::<usize>()
    }

    pub(crate) fn is_discarding(&self) -> bool {
        self.discarding
    }

    /// Writes about `budget` bytes; whether the walk is done.
    pub(crate) fn slice(
        &mut self,
        table: &mut Table,
        seen: bool,
        hash_of: impl Fn(&[u8]) -> u64,
        grave: &mut Grave,
        budget: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        let start = out.len();
        let mut budget = Budget { limit: start.saturating_add(budget.max(1)) };
        out.append(&mut self.early);
        while !budget.is_spent(out) {
            let done = self.step(table, seen, &hash_of, grave, &mut budget, out);
            if done {
                if self.discarding {
                    out.truncate(start);
                }
                return true;
            }
        }
        if self.discarding {
            out.truncate(start);
        }
        false
    }

    /// One piece of work: orphans first, since they hold memory, then opened values, then the table.
    fn step(
        &mut self,
        table: &mut Table,
        seen: bool,
        hash_of: &impl Fn(&[u8]) -> u64,
        grave: &mut Grave,
        budget: &mut Budget,
        out: &mut Vec<u8>,
    ) -> bool {
        if let Some(mut list) = self.opened.lists.pop() {
            if !self.discarding && !list.write(budget, out) {
                self.opened.lists.push(list);
            }
            return false;
        }
        if let Some(mut open) = self.opened.values.pop() {
            if let Some(entry) = table.find_mut(hash_of(&open.key), &open.key)
                && !open.write(entry, budget, out)
            {
                self.opened.values.push(open);
            }
            return false;
        }
        match self.orphans.pop() {
            Some(Orphan::Entry { mut open, mut entry }) => {
                if open.write(&mut entry, budget, out) {
                    grave.bury(entry);
                } else {
                    self.orphans.push(Orphan::Entry { open, entry });
                }
                return false;
            }
            Some(Orphan::Table { mut table, mut cursor, bytes }) => {
                let mut opened = Opened::default();
                cursor = write_entries(&mut table, cursor, seen, budget, out, &mut opened);
                self.opened.lists.append(&mut opened.lists);
                for open in opened.values {
                    if let Some(entry) = table.remove(hash_of(&open.key), &open.key) {
                        self.orphans.push(Orphan::Entry { open, entry });
                    }
                }
                if cursor == 0 {
                    grave.bury_table(table, bytes);
                } else {
                    self.orphans.push(Orphan::Table { table, cursor, bytes });
                }
                return false;
            }
            None => {}
        }
        if self.table_done {
            return true;
        }
        self.cursor = write_entries(table, self.cursor, seen, budget, out, &mut self.opened);
        self.table_done = self.cursor == 0;
        false
    }
}

/// Writes unseen entries until the budget is spent or a big value was opened; the next cursor.
fn write_entries(
    table: &mut Table,
    mut cursor: u64,
    seen: bool,
    budget: &mut Budget,
    out: &mut Vec<u8>,
    opened: &mut Opened,
) -> u64 {
    loop {
        let mut passed = 0;
        cursor = table.scan_mut(cursor, 8, &mut |entry| {
            if entry.walk_bit() == seen {
                passed += 1;
                return;
            }
            entry.set_walk_bit(seen);
            if !opened.open(entry) {
                record::encode_entry(entry, out);
            }
        });
        budget.passed_over(passed);
        if cursor == 0 || budget.is_spent(out) || !opened.is_empty() {
            return cursor;
        }
    }
}
