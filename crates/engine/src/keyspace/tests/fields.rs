//! Fields of hashes with deadlines, as a keyspace keeps them.

use super::*;

fn fields_of(keyspace: &Keyspace) -> Vec<(Vec<u8>, Vec<u8>, Option<Millis>)> {
    let hash = keyspace.peek(b"h").and_then(|entry| entry.value().hash());
    let owned = hash.into_iter().flat_map(|hash| hash.fields());
    let mut all: Vec<_> = owned.map(|(field, value, at)| (field.to_vec(), value.to_vec(), at)).collect();
    all.sort();
    all
}

#[test]
fn a_big_hash_whose_fields_lapse_is_walked_in_slices_while_it_changes() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let mut keyspace = keyspace();
        let now = Millis(1000);
        let mut entry = keyspace.insert(b"h", NewValue::EmptyHash, None);
        let mut hash = entry.hash().unwrap();
        for n in 0..1000u32 {
            let deadline = match random.below(3) {
                0 => NewDeadline::At(Millis(500 + random.below(1000))),
                _ => NewDeadline::Clear,
            };
            hash.set_with(format!("f{n}").as_bytes(), &[b'o'; 200], deadline);
        }
        let image = fields_of(&keyspace);
        assert!(keyspace.begin_walk());
        let mut bytes = Vec::new();
        let mut slices = 0;
        while !keyspace.walk_slice(600, &mut bytes) {
            slices += 1;
            for _ in 0..random.below(12) {
                let field = format!("f{}", random.below(1100)).into_bytes();
                let deadline = Millis(500 + random.below(1000));
                let mut entry = keyspace.find_mut(b"h", now).unwrap();
                let mut hash = entry.hash_at(now).unwrap();
                match random.below(5) {
                    0 => drop(hash.set(&field, b"new")),
                    1 => drop(hash.remove(&field)),
                    2 => hash.set_deadline(&field, None),
                    3 => hash.set_deadline(&field, Some(deadline)),
                    _ => drop(hash.set_with(&field, b"newer", NewDeadline::At(deadline))),
                }
            }
            if random.chance(1, 5) {
                assert!(!keyspace.expire(b"h", now), "only fields go");
            }
        }
        assert!(slices > 10, "{slices}");
        keyspace.check_invariants();
        assert_eq!(fields_of(&loaded(&bytes)), image, "seed {seed}");
    }
}

#[test]
fn fields_that_lapse_are_named_deleted_and_take_the_key_with_them() {
    let mut keyspace = keyspace();
    let mut entry = keyspace.insert(b"h", NewValue::EmptyHash, None);
    let mut hash = entry.hash().unwrap();
    for n in 0..10_000u64 {
        hash.set_with(&n.to_le_bytes(), b"v", NewDeadline::At(Millis(1000)));
    }
    hash.set_with(b"longer", b"v", NewDeadline::At(Millis(9000)));
    assert_eq!((keyspace.deadlines(), keyspace.next_due()), (0, Some(Millis(1000))));
    let mut due = Vec::new();
    keyspace.due(Millis(999), 100, &mut due);
    assert!(due.is_empty());
    // As many requests as it takes, none of them long.
    let mut requests = 0;
    let mut now = Millis(1000);
    while keyspace.peek(b"h").unwrap().value().hash().unwrap().len() > 1 {
        requests += 1;
        keyspace.due(now, 100, &mut due);
        let named = !std::mem::take(&mut due).is_empty();
        assert!(!named || !keyspace.expire(b"h", now));
        keyspace.check_invariants();
        now = Millis(now.0 + 104);
        assert!(requests < 5, "{requests}");
    }
    assert!(requests > 2, "each deletes so many at most");
    assert!(keyspace.find(b"h", now).is_some());
    // The last field: the key is gone for whoever looks, and then for good.
    now = Millis(9000);
    assert!(keyspace.find(b"h", now).is_none());
    assert!(keyspace.find_mut(b"h", now).is_none());
    assert_eq!(keyspace.take_lapsed(), [Box::from(&b"h"[..])]);
    keyspace.due(now, 100, &mut due);
    assert_eq!(due, [Box::from(&b"h"[..])]);
    assert!(keyspace.expire(b"h", now));
    assert!(keyspace.is_empty());
    keyspace.check_invariants();
}

#[test]
fn fields_that_are_due_count_as_work() {
    let mut keyspace = keyspace();
    for key in 0..50u64 {
        let mut entry = keyspace.insert(&key.to_le_bytes(), NewValue::EmptyHash, None);
        let mut hash = entry.hash().unwrap();
        hash.set(b"stays", b"v");
        for n in 0..1000u64 {
            hash.set_with(&n.to_le_bytes(), b"v", NewDeadline::At(Millis(1000)));
        }
    }
    let mut named = 0;
    while keyspace.next_due().is_some_and(|due| due <= Millis(1000)) {
        let mut due = Vec::new();
        let work = keyspace.due(Millis(1000), 200, &mut due);
        assert!(due.len() <= 1 && work <= 200 + FIELDS_AT_ONCE, "{} of {work}", due.len());
        due.iter().for_each(|key| assert!(!keyspace.expire(key, Millis(1000))));
        named += due.len();
    }
    assert_eq!(named, 50);
    keyspace.check_invariants();
    assert!(keyspace.table.iter().all(|entry| entry.value().hash().unwrap().len() == 1));
}

#[test]
fn a_watched_key_changes_when_a_field_of_it_lapses() {
    let mut keyspace = keyspace();
    let mut entry = keyspace.insert(b"h", NewValue::EmptyHash, None);
    let mut hash = entry.hash().unwrap();
    hash.set(b"stays", b"v");
    hash.set_with(b"goes", b"v", NewDeadline::At(Millis(100)));
    let stamp = keyspace.watch(b"h", Millis(50));
    assert!(!keyspace.changed_since(b"h", stamp, Millis(99)));
    assert!(keyspace.changed_since(b"h", stamp, Millis(100)));
}

#[test]
fn a_copy_and_a_renamed_hash_keep_the_deadlines_of_fields() {
    let mut keyspace = keyspace();
    let now = Millis(10);
    let mut entry = keyspace.insert(b"h", NewValue::EmptyHash, None);
    entry.hash().unwrap().set_with(b"f", b"v", NewDeadline::At(Millis(100)));
    let image = fields_of(&keyspace);
    let copy = keyspace.peek(b"h").unwrap().with_key(b"copy");
    keyspace.put(b"copy", copy);
    let taken = keyspace.take(b"h", now).unwrap();
    keyspace.put(b"renamed", taken);
    keyspace.check_invariants();
    for key in [b"copy".as_slice(), b"renamed"] {
        let entry = keyspace.take(key, now).unwrap();
        keyspace.put(b"h", entry);
        assert_eq!(fields_of(&keyspace), image);
        keyspace.check_invariants();
        assert!(keyspace.remove(b"h", now));
    }
    // A value of another type in its place leaves nothing behind.
    let mut entry = keyspace.insert(b"h", NewValue::EmptyHash, None);
    entry.hash().unwrap().set_with(b"f", b"v", NewDeadline::At(Millis(100)));
    keyspace.set_as(
        keyspace.sought(b"h"),
        b"h",
        NewValue::Text(b"v"),
        NewDeadline::Clear,
        now,
        Access::Noted,
    );
    keyspace.check_invariants();
    assert!(keyspace.find(b"h", Millis(1000)).is_some());
}
