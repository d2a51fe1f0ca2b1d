//! Records into a keyspace: what checkpoints and `narf.put` carry.

use base::Millis;

use super::Keyspace;
use crate::clock::Access;
use crate::edit::EntryMut;
use crate::rdb::{Value, score_of};
use crate::record::{self, Record, RecordError, RecordValue};
use crate::table::entry::Entry;
use crate::value::{
    End, Kind, Member, NewDeadline, NewValue, ValueRef, hash_from_fields, hash_from_pairs,
    list_from_elements, set_from_members, zset_from_scored,
};

impl Keyspace {
    /// Turns every key into its record and back: `DEBUG RELOAD`. Watched keys count as changed; a walk under way goes on
    /// with what it began with. Takes its time and twice the memory.
    pub fn reload(&mut self) -> Result<(), RecordError> {
        let mut bytes = Vec::new();
        self.table.iter().for_each(|entry| record::encode_entry(entry, &mut bytes));
        self.clear();
        let mut at = 0;
        while at < bytes.len() {
            at += self.load(&bytes[at..])?;
        }
        Ok(())
    }

    /// Loads one record from the front of `bytes` and returns its length. The key is replaced, except that a part of
    /// a hash or of a long string joins what is there. Nothing changes on an error. Counts as a change.
    pub fn load(&mut self, bytes: &[u8]) -> Result<usize, RecordError> {
        let record = record::decode(bytes)?;
        let len = record.len;
        self.load_record(record);
        Ok(len)
    }

    fn load_record(&mut self, record: Record<'_>) {
        let Record { key, deadline, value, .. } = record;
        match value {
            RecordValue::String(value) => {
                let deadline = deadline.map_or(NewDeadline::Clear, NewDeadline::At);
                self.set_as(self.sought(key), key, value, deadline, Millis(0), Access::Untouched);
            }
            RecordValue::More(text) => {
                let hash = self.book.hasher.hash(key);
                match self.table.find_mut(hash, key) {
                    Some(entry) if entry.kind() == Kind::String => {
                        EntryMut::new(entry, &mut self.book, hash).append(text);
                    }
                    Some(_) | None => {
                        self.insert(key, NewValue::Plain(text), deadline);
                    }
                }
            }
            RecordValue::Hash { pairs, part: true } if self.peek(key).is_some_and(is_hash) => {
                let hash = self.book.hasher.hash(key);
                let Some(entry) = self.table.find_mut(hash, key) else { return };
                let mut entry = EntryMut::new(entry, &mut self.book, hash);
                if let Some(mut hash) = entry.hash() {
                    pairs.for_each(|(field, value)| {
                        hash.set(field, value);
                    });
                }
            }
            RecordValue::VolatileHash { fields, part: true } if self.peek(key).is_some_and(is_hash) => {
                let hash = self.book.hasher.hash(key);
                let Some(entry) = self.table.find_mut(hash, key) else { return };
                let mut entry = EntryMut::new(entry, &mut self.book, hash);
                if let Some(mut hash) = entry.hash() {
                    for (field, value, deadline) in fields {
                        hash.set_with(field, value, deadline.map_or(NewDeadline::Clear, NewDeadline::At));
                    }
                }
            }
            RecordValue::VolatileHash { fields, .. } => {
                let hash = hash_from_fields(key, deadline, fields, self.book.hasher);
                self.put(key, hash);
            }
            RecordValue::Set { members, part: true } if self.peek(key).is_some_and(is_set) => {
                let hash = self.book.hasher.hash(key);
                let Some(entry) = self.table.find_mut(hash, key) else { return };
                let mut entry = EntryMut::new(entry, &mut self.book, hash);
                if let Some(mut set) = entry.set_value() {
                    members.for_each(|member| {
                        set.add(member);
                    });
                }
            }
            RecordValue::Set { members, .. } => {
                self.put_set(key, deadline, members.map(Member::Text));
            }
            RecordValue::List { elements, part: true } if self.peek(key).is_some_and(is_list) => {
                let hash = self.book.hasher.hash(key);
                let Some(entry) = self.table.find_mut(hash, key) else { return };
                let mut entry = EntryMut::new(entry, &mut self.book, hash);
                if let Some(mut list) = entry.list() {
                    elements.for_each(|element| list.push(End::Back, element));
                }
            }
            RecordValue::List { elements, .. } => {
                let list = list_from_elements(key, deadline, elements, self.book.limits);
                self.put(key, list);
            }
            RecordValue::ZSet { scored, part: true } if self.peek(key).is_some_and(is_zset) => {
                let hash = self.book.hasher.hash(key);
                let Some(entry) = self.table.find_mut(hash, key) else { return };
                let mut entry = EntryMut::new(entry, &mut self.book, hash);
                if let Some(mut zset) = entry.zset() {
                    scored.for_each(|(member, score)| zset.set(member, score));
                }
            }
            RecordValue::ZSet { scored, .. } => self.put_zset(key, deadline, scored),
            RecordValue::Hash { pairs, .. } => {
                let hash = hash_from_pairs(key, deadline, pairs, self.book.limits, self.book.hasher);
                self.put(key, hash);
            }
        }
    }

    /// An entry of a value in Redis's form; `None` if it names an element twice.
    pub(crate) fn entry_of(&self, key: &[u8], deadline: Option<Millis>, value: &Value) -> Option<Entry> {
        let (limits, hasher) = (self.book.limits, self.book.hasher);
        let (entry, len) = match value {
            Value::String(text) => return Some(Entry::new(key, deadline, NewValue::Text(text))),
            Value::List(row) => return Some(list_from_elements(key, deadline, row.iter(), limits)),
            Value::Set(row) => {
                let set = set_from_members(key, deadline, row.iter().map(Member::Text), limits, hasher);
                (set, row.len())
            }
            Value::Hash(row) => (hash_from_pairs(key, deadline, row.pairs(), limits, hasher), row.len() / 2),
            Value::VolatileHash(row) => {
                (hash_from_fields(key, deadline, row.fields(), hasher), row.len() / 3)
            }
            Value::ZSet(row) => {
                let scored = row.pairs().map(|(member, score)| (member, score_of(score)));
                (zset_from_scored(key, deadline, scored, limits, hasher), row.len() / 2)
            }
        };
        let found = match entry.value() {
            ValueRef::Set(set) => set.len(),
            ValueRef::Hash(hash) => hash.len(),
            ValueRef::ZSet(zset) => zset.len(),
            ValueRef::Text(_) | ValueRef::Int(_) | ValueRef::List(_) => len,
        };
        (found == len).then_some(entry)
    }

    /// Puts a record under `key` with `deadline`, replacing; whether it is a whole record and nothing more.
    pub(crate) fn put_record(&mut self, key: &[u8], deadline: Option<Millis>, bytes: &[u8]) -> bool {
        let Ok(record) = record::decode(bytes) else { return false };
        if record.len != bytes.len() {
            return false;
        }
        let value = match record.value {
            RecordValue::Hash { pairs, .. } => RecordValue::Hash { pairs, part: false },
            RecordValue::VolatileHash { fields, .. } => RecordValue::VolatileHash { fields, part: false },
            RecordValue::Set { members, .. } => RecordValue::Set { members, part: false },
            RecordValue::List { elements, .. } => RecordValue::List { elements, part: false },
            RecordValue::ZSet { scored, .. } => RecordValue::ZSet { scored, part: false },
            RecordValue::More(text) => RecordValue::String(NewValue::Plain(text)),
            value @ RecordValue::String(_) => value,
        };
        self.load_record(Record { key, deadline, value, len: record.len });
        true
    }
}

fn is_hash(entry: &Entry) -> bool {
    entry.kind() == Kind::Hash
}

fn is_list(entry: &Entry) -> bool {
    entry.kind() == Kind::List
}

fn is_set(entry: &Entry) -> bool {
    entry.kind() == Kind::Set
}

fn is_zset(entry: &Entry) -> bool {
    entry.kind() == Kind::ZSet
}
