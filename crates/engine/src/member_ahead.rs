//! A member of a large collection on its way to the caches before its request runs.
//!
//! A member costs several reads, each of which tells where the next one goes. Whoever has some requests at hand takes
//! the first step for each of them, then the second for each, then the third: so the reads of one step are under way
//! side by side. Nothing is decided here: a wrong guess costs some nanoseconds.

use crate::Keyspace;
use crate::store::{Hashed, Sought};
use crate::table::Table;
use crate::table::entry::Form;
use crate::tree::Leaf;
use crate::value::{Hash, Set, ZSet};

/// Where a member, or a field, will be looked for.
pub struct MemberAhead<'a>(Place<'a>);

enum Place<'a> {
    Field(&'a Table, Sought),
    Member(&'a Leaf<u32, ()>, u32),
    Scored(&'a Leaf<u32, f64>, u32),
}

impl Keyspace {
    /// The first step, for a member of the collection under this key; `None` if it is none, or a small one. The key's entry
    /// has been asked for: [`Keyspace::prefetch_entry`].
    #[inline]
    pub fn member_ahead(&self, key: Hashed, member: &[u8]) -> Option<MemberAhead<'_>> {
        let entry = self.seen(key)?;
        Some(MemberAhead(match entry.form() {
            Form::Hash => {
                let hash: &Hash = entry.boxed()?;
                let field = hash.hash_of(member);
                let spot = hash.table.prefetch(field);
                Place::Field(&hash.table, Sought { hash: field, spot })
            }
            Form::Set => {
                let set: &Set = entry.boxed()?;
                let key = set.key(member);
                Place::Member(set.tree.prefetch_leaf(key)?, key)
            }
            Form::ZSet => {
                let zset: &ZSet = entry.boxed()?;
                let key = zset.key(member);
                Place::Scored(zset.by_member.prefetch_leaf(key)?, key)
            }
            _ => return None,
        }))
    }
}

impl MemberAhead<'_> {
    /// The second step.
    #[inline]
    pub fn second(&self) {
        match self.0 {
            Place::Field(table, Sought { hash, spot }) => drop(table.prefetch_entry(spot, hash)),
            Place::Member(leaf, _) => leaf.prefetch_keys(),
            Place::Scored(leaf, _) => leaf.prefetch_keys(),
        }
    }

    /// The third step.
    #[inline]
    pub fn third(&self) {
        match self.0 {
            Place::Field(..) => {}
            Place::Member(leaf, key) => leaf.prefetch_member(key),
            Place::Scored(leaf, key) => leaf.prefetch_member(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use base::{KeyHasher, Millis};

    use super::*;
    use crate::{NewDeadline, NewValue};

    /// A hash, a set and a sorted set of so many members.
    fn filled(members: u64) -> Keyspace {
        let now = Millis(1);
        let mut keyspace = Keyspace::new(KeyHasher::new(3));
        for (key, value) in
            [("hash", NewValue::EmptyHash), ("set", NewValue::EmptySet), ("zset", NewValue::EmptyZSet)]
        {
            let mut entry = keyspace.insert(key.as_bytes(), value, None);
            for n in 0..members {
                let member = format!("member:{n}");
                match key {
                    "hash" => {
                        entry.hash().unwrap().set_with(member.as_bytes(), b"v", NewDeadline::Clear);
                    }
                    "set" => assert!(entry.set_value().unwrap().add(member.as_bytes())),
                    _ => entry.zset().unwrap().set(member.as_bytes(), n as f64),
                }
            }
        }
        keyspace.insert(b"string", NewValue::Text(b"v"), None);
        assert!(keyspace.find(b"set", now).is_some());
        keyspace
    }

    /// What is known of a key whose entry has been asked for.
    fn seen(keyspace: &Keyspace, key: &[u8]) -> Hashed {
        let mut hashed = keyspace.prefetch(key);
        keyspace.prefetch_entry(&mut hashed);
        hashed
    }

    #[test]
    fn members_of_large_collections_are_looked_for_where_they_are() {
        let keyspace = filled(3000);
        let ahead = |key: &[u8], member: &[u8]| keyspace.member_ahead(seen(&keyspace, key), member);
        for n in 0..3000 {
            let member = format!("member:{n}");
            for key in [b"hash".as_slice(), b"set", b"zset"] {
                let ahead = ahead(key, member.as_bytes()).unwrap();
                ahead.second();
                ahead.third();
                let is_there = match ahead.0 {
                    Place::Field(table, field) => table.find(field.hash, member.as_bytes()).is_some(),
                    Place::Member(leaf, key) => leaf.find(key, member.as_bytes()).is_ok(),
                    Place::Scored(leaf, key) => leaf.find(key, member.as_bytes()).is_ok(),
                };
                assert!(is_there, "{member}");
            }
        }
        // What is not there is looked for as well.
        ahead(b"set", b"another").unwrap().third();
        assert!(ahead(b"string", b"v").is_none() && ahead(b"none", b"v").is_none());
    }

    #[test]
    fn small_collections_are_left_alone() {
        let keyspace = filled(3);
        for key in [b"hash".as_slice(), b"set", b"zset"] {
            assert!(keyspace.member_ahead(seen(&keyspace, key), b"member:1").is_none());
        }
    }
}
