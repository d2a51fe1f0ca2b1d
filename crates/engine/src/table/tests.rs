//! Tests of the table: against a plain map, and of the guarantee of scans.

use std::collections::{BTreeMap, BTreeSet};

use base::{KeyHasher, Millis, Random};

use super::entry::{Body, Form};
use super::*;

const HASHER: fn() -> KeyHasher = || KeyHasher::new(7);

fn text(key: &[u8], value: &[u8]) -> Entry {
    Entry::build(key, None, Body::Text(value))
}

fn key(number: u64) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

fn keys_of(table: &Table) -> BTreeSet<Vec<u8>> {
    table.iter().map(|entry| entry.key().to_vec()).collect()
}

#[test]
fn an_entry_of_16_and_64_bytes_with_a_deadline_takes_96() {
    let entry = Entry::build(&[1; 16], Some(Millis(5)), Body::Text(&[2; 64]));
    assert_eq!(entry.block_size(), 96);
    assert_eq!(size_of::<Option<Entry>>(), 8);
}

#[test]
fn parts_of_an_entry_survive_every_change_of_shape() {
    let long_key = vec![b'k'; 70_000];
    for name in [b"".as_slice(), b"k", b"a key of some length", &long_key] {
        let mut entry = text(name, b"value");
        entry.set_fingerprint(0xBEEF);
        entry.set_clock(0x12_3456);
        entry.set_walk_bit(true);
        entry.set_deadline(None);
        assert_eq!(entry.deadline(), None);
        entry.set_deadline(Some(Millis(77)));
        assert_eq!((entry.key(), entry.inline()), (name, b"value".as_slice()));
        entry.splice(5, 0, &[b", longer", b" by two parts"]);
        assert_eq!(entry.inline(), b"value, longer by two parts");
        entry.splice(0, 7, &[]);
        assert_eq!(entry.inline(), b"longer by two parts");
        entry.splice(7, 2, &[b"than"]);
        assert_eq!(entry.inline(), b"longer than two parts");
        entry.set_body(Body::Int(-9));
        assert_eq!(entry.int(), Some(-9));
        assert!(entry.set_int(10));
        assert_eq!((entry.int(), entry.big_text()), (Some(10), None));
        entry.set_body(Body::BigText(vec![5; 10_000]));
        entry.big_text_mut().unwrap().push(6);
        assert_eq!(entry.big_text().unwrap().len(), 10_001);
        entry.set_deadline(None);
        assert_eq!(entry.deadline(), None);
        entry.set_deadline(Some(Millis(78)));
        let copy = entry.with_key(b"copy");
        let mut moved = entry.into_key(b"moved");
        assert_eq!((copy.key(), moved.key()), (b"copy".as_slice(), b"moved".as_slice()));
        assert_eq!(copy.big_text(), moved.big_text());
        assert_eq!((moved.deadline(), moved.clock(), moved.walk_bit()), (Some(Millis(78)), 0x12_3456, true));
        moved.set_body(Body::Hash(Box::new(crate::value::Hash::new(HASHER()))));
        moved.big_hash_mut().unwrap().set(b"f", b"v");
        let copy = moved.with_key(b"copy");
        assert_eq!(copy.value().hash().unwrap().get(b"f"), Some(b"v".as_slice()));
        let moved = moved.into_key(name);
        assert_eq!((moved.key(), moved.form()), (name, Form::Hash));
        assert!(moved.into_boxed::<crate::value::Hash>().is_some());
    }
}

#[test]
fn a_deadline_word_fits_between_header_and_an_empty_rest() {
    let mut entry = text(b"", b"");
    entry.set_deadline(Some(Millis(3)));
    assert_eq!(
        (entry.deadline(), entry.key(), entry.inline()),
        (Some(Millis(3)), [].as_slice(), [].as_slice())
    );
}

#[test]
fn random_inserts_and_removes_agree_with_a_plain_map() {
    let hasher = HASHER();
    for seed in 0..6 {
        let mut random = Random::new(seed);
        let (mut table, mut model) = (Table::default(), BTreeMap::new());
        let span = [8, 60, 900, 3000, 20_000, 20_000][seed as usize];
        for step in 0..30_000u64 {
            let name = key(random.below(span));
            let hash = hasher.hash(&name);
            // Waves of growth and of emptying.
            let growing = step / 5000 % 2 == 0;
            if random.chance(if growing { 8 } else { 1 }, 10) {
                let value = step.to_le_bytes();
                match table.find_mut(hash, &name) {
                    Some(entry) => entry.set_body(Body::Text(&value)),
                    None => {
                        table.insert(hash, text(&name, &value), &hasher);
                    }
                }
                model.insert(name, value);
            } else {
                let removed = table.remove(hash, &name).map(|entry| entry.inline().to_vec());
                assert_eq!(removed, model.remove(&name).map(|value| value.to_vec()));
            }
            if step % 997 == 0 {
                table.check_invariants(&hasher);
            }
        }
        table.check_invariants(&hasher);
        assert_eq!(table.len(), model.len());
        for (name, value) in &model {
            assert_eq!(table.find(hasher.hash(name), name).unwrap().inline(), value);
        }
        assert_eq!(keys_of(&table), model.keys().cloned().collect());
        for name in model.keys() {
            assert!(table.remove(hasher.hash(name), name).is_some());
        }
        assert_eq!((table.len(), table.memory()), (0, 0));
    }
}

#[test]
fn a_scan_visits_what_stays_while_the_table_grows_and_shrinks() {
    let hasher = HASHER();
    for seed in 0..12 {
        let mut random = Random::new(seed);
        let mut table = Table::default();
        let stay: BTreeSet<_> = (0..random.below(4000)).map(key).collect();
        for name in &stay {
            table.insert(hasher.hash(name), text(name, b""), &hasher);
        }
        let (mut extra, mut next) = (Vec::new(), 1_000_000);
        let (mut visited, mut cursor, mut calls) = (BTreeSet::new(), 0, 0);
        loop {
            cursor = table.scan(cursor, 10, &mut |entry| {
                visited.insert(entry.key().to_vec());
            });
            assert!(cursor < 1 << 48);
            calls += 1;
            assert!(calls < 20_000, "a scan ends");
            if cursor == 0 {
                break;
            }
            // Bursts in both directions, so that segments split and merge under the cursor.
            let burst = random.below(400);
            if calls / 40 % 2 == seed % 2 {
                for _ in 0..burst {
                    let name = key(next);
                    next += 1;
                    table.insert(hasher.hash(&name), text(&name, b""), &hasher);
                    extra.push(name);
                }
            } else {
                for _ in 0..burst.min(extra.len() as u64) {
                    let name = extra.swap_remove(random.below(extra.len() as u64) as usize);
                    table.remove(hasher.hash(&name), &name);
                }
            }
        }
        assert!(stay.is_subset(&visited), "seed {seed}");
    }
}

#[test]
fn a_scan_of_a_quiet_table_visits_everything_once() {
    let hasher = HASHER();
    for len in [0, 1, 7, 8, 100, 470, 471, 5000] {
        let mut table = Table::default();
        for name in (0..len).map(key) {
            table.insert(hasher.hash(&name), text(&name, b""), &hasher);
        }
        for count in [1, 10, 1000] {
            let (mut seen, mut cursor) = (Vec::new(), 0);
            loop {
                let before = seen.len();
                cursor = table.scan(cursor, count, &mut |entry| seen.push(entry.key().to_vec()));
                assert!(seen.len() - before < count + 60, "a call visits about as many as asked");
                if cursor == 0 {
                    break;
                }
            }
            assert_eq!(seen.len() as u64, len);
            assert_eq!(seen.into_iter().collect::<BTreeSet<_>>().len() as u64, len);
        }
    }
}

#[test]
fn random_entries_are_about_equally_likely() {
    let hasher = HASHER();
    let mut table = Table::default();
    for name in (0..2000).map(key) {
        table.insert(hasher.hash(&name), text(&name, b""), &hasher);
    }
    let mut random = Random::new(3);
    let mut counts: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    for _ in 0..200_000 {
        *counts.entry(table.random(random.next_u64()).unwrap().key().to_vec()).or_default() += 1;
    }
    assert_eq!(counts.len(), 2000);
    assert!(counts.values().all(|&count| (30..300).contains(&count)));
}

#[test]
fn slots_take_9_to_14_bytes_a_key_at_any_size() {
    let hasher = HASHER();
    let mut table = Table::default();
    for number in 0..60_000 {
        let name = key(number);
        table.insert(hasher.hash(&name), text(&name, b""), &hasher);
        if number > 2000 && number % 100 == 0 {
            let each = table.memory() as f64 / table.len() as f64;
            assert!((8.5..15.5).contains(&each), "{each} at {number}");
        }
    }
}

#[test]
fn dropping_a_table_in_pieces_drops_each_entry() {
    let hasher = HASHER();
    let mut table = Table::default();
    for name in (0..5000).map(key) {
        table.insert(hasher.hash(&name), text(&name, b""), &hasher);
    }
    let entries: usize =
        table.into_segments().into_iter().map(|segment| segment.into_entries().count()).sum();
    assert_eq!(entries, 5000);
}
