//! Tests of hash values in both forms, and of the change from one to the other.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::keyspace::Keyspace;
use crate::value::{Encoding, NewValue};

const NOW: Millis = Millis(1);

fn filled(fields: u32) -> Keyspace {
    let mut keyspace = Keyspace::new(KeyHasher::new(5));
    keyspace.insert(b"h", NewValue::EmptyHash, None);
    (0..fields).for_each(|n| assert!(set(&mut keyspace, &n.to_string(), "v")));
    keyspace
}

fn set(keyspace: &mut Keyspace, field: &str, value: &str) -> bool {
    let mut entry = keyspace.find_mut(b"h", NOW).unwrap();
    entry.hash().unwrap().set(field.as_bytes(), value.as_bytes())
}

fn view(keyspace: &Keyspace) -> HashRef<'_> {
    keyspace.peek(b"h").and_then(HashRef::of).unwrap()
}

fn encoding(keyspace: &Keyspace) -> Encoding {
    keyspace.peek(b"h").unwrap().encoding()
}

#[test]
fn a_hash_is_small_up_to_512_fields_of_64_bytes() {
    let mut keyspace = filled(512);
    assert_eq!(encoding(&keyspace), Encoding::Listpack);
    assert!(!set(&mut keyspace, "5", &"x".repeat(64)), "a field that is there may change at the limit");
    assert_eq!(encoding(&keyspace), Encoding::Listpack);
    assert!(set(&mut keyspace, "512", "v"));
    assert_eq!(encoding(&keyspace), Encoding::HashTable);
    assert_eq!(view(&keyspace).get(b"5"), Some("x".repeat(64).as_bytes()));
    assert_eq!(view(&keyspace).len(), 513);
    keyspace.check_invariants();
}

#[test]
fn a_long_field_or_value_makes_a_table_for_good() {
    for (field, value) in [("f".repeat(65), "v".to_string()), ("1".to_string(), "v".repeat(65))] {
        let mut keyspace = filled(3);
        set(&mut keyspace, &field, &value);
        assert_eq!(encoding(&keyspace), Encoding::HashTable);
        assert!(keyspace.find_mut(b"h", NOW).unwrap().hash().unwrap().remove(field.as_bytes()));
        assert_eq!(encoding(&keyspace), Encoding::HashTable);
        keyspace.check_invariants();
    }
}

#[test]
fn limits_far_above_those_of_redis_hold_too() {
    let mut keyspace = Keyspace::new(KeyHasher::new(5));
    keyspace.set_limits(Limits { hash_entries: 1_000_000, hash_value: 1_000_000, ..Limits::REDIS });
    keyspace.insert(b"h", NewValue::EmptyHash, None);
    let mut model = BTreeMap::new();
    for n in 0..3000u32 {
        let (field, value) = (n.to_string(), "v".repeat((n % 300) as usize));
        assert!(set(&mut keyspace, &field, &value));
        model.insert(field, value);
    }
    assert!(set(&mut keyspace, "long", &"x".repeat(40_000)));
    assert_eq!(view(&keyspace).len(), 3001);
    for (field, value) in &model {
        assert_eq!(view(&keyspace).get(field.as_bytes()), Some(value.as_bytes()));
    }
    keyspace.check_invariants();
}

#[test]
fn small_hashes_keep_the_order_of_insertion() {
    let mut keyspace = filled(5);
    set(&mut keyspace, "1", "changed");
    keyspace.find_mut(b"h", NOW).unwrap().hash().unwrap().remove(b"3");
    set(&mut keyspace, "9", "");
    let fields: Vec<_> = view(&keyspace).iter().map(|(field, _)| field.to_vec()).collect();
    assert_eq!(fields, [b"0", b"1", b"2", b"4", b"9"]);
}

#[test]
fn scans_and_samples_find_every_field() {
    for fields in [0, 1, 10, 128, 129, 3000] {
        let keyspace = filled(fields);
        let hash = view(&keyspace);
        let (mut seen, mut cursor) = (BTreeSet::new(), 0);
        loop {
            cursor = hash.scan(cursor, 10, &mut |field, value| {
                assert_eq!(value, b"v");
                seen.insert(field.to_vec());
            });
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(seen.len(), fields as usize);
        let mut random = Random::new(fields.into());
        assert_eq!(hash.draws().draw(&mut random).is_some(), fields > 0);
        for count in [0, 1, 50, 5000] {
            let sample: BTreeSet<_> = hash.sample(count, &mut random).into_iter().collect();
            assert_eq!(sample.len(), count.min(fields as usize), "all different");
        }
    }
}

#[test]
fn whoever_draws_often_looks_once_for_the_few_fields_that_have_not_lapsed() {
    let mut keyspace = filled(1);
    let mut entry = keyspace.find_mut(b"h", NOW).unwrap();
    let mut hash = entry.hash().unwrap();
    for n in 1..100_000 {
        hash.set_with(n.to_string().as_bytes(), b"v", NewDeadline::At(Millis(5)));
    }
    let hash = view(&keyspace).at(Millis(5));
    assert_eq!((hash.len(), hash.is_empty()), (1, false));
    let (mut draws, mut random) = (hash.draws(), Random::new(1));
    // Looking for it each time would take minutes.
    for _ in 0..100_000 {
        assert_eq!(draws.draw(&mut random), Some((b"0".as_slice(), b"v".as_slice())));
    }
    assert_eq!(draws.live.len(), 1);
    assert!(keyspace.find_mut(b"h", NOW).unwrap().hash().unwrap().remove(b"0"));
    assert!(view(&keyspace).at(Millis(5)).is_empty() && !view(&keyspace).at(Millis(4)).is_empty());
}

#[test]
fn an_entry_of_pairs_is_small_if_it_may_be() {
    let hasher = KeyHasher::new(5);
    let check = |pairs: &[(&[u8], &[u8])], encoding, len| {
        let entry = from_pairs(b"h", None, pairs.iter().copied(), Limits::REDIS, hasher);
        assert_eq!((entry.encoding(), HashRef::of(&entry).unwrap().len()), (encoding, len));
    };
    check(&[(b"a", b"1"), (b"b", b"2")], Encoding::Listpack, 2);
    check(&[(b"a", b"1"), (b"a", b"2")], Encoding::HashTable, 1);
    check(&[(b"a", &[0; 65])], Encoding::HashTable, 1);
    let names: Vec<[u8; 4]> = (0..513u32).map(u32::to_le_bytes).collect();
    let pairs: Vec<(&[u8], &[u8])> = names.iter().map(|name| (name.as_slice(), b"".as_slice())).collect();
    check(&pairs[..512], Encoding::Listpack, 512);
    check(&pairs, Encoding::HashTable, 513);
}
