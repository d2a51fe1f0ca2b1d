//! Tests of sets in their three forms, and of the changes from one to another.

use std::collections::BTreeSet;

use super::*;
use crate::keyspace::Keyspace;
use crate::value::{Encoding, NewValue};

const NOW: Millis = Millis(1);

fn of(members: impl IntoIterator<Item = String>) -> Keyspace {
    let mut keyspace = Keyspace::new(KeyHasher::new(5));
    keyspace.insert(b"s", NewValue::EmptySet, None);
    members.into_iter().for_each(|member| assert!(add(&mut keyspace, &member)));
    keyspace
}

fn add(keyspace: &mut Keyspace, member: &str) -> bool {
    keyspace.find_mut(b"s", NOW).unwrap().set_value().unwrap().add(member.as_bytes())
}

fn remove(keyspace: &mut Keyspace, member: &str) -> bool {
    keyspace.find_mut(b"s", NOW).unwrap().set_value().unwrap().remove(member.as_bytes())
}

fn view(keyspace: &Keyspace) -> SetRef<'_> {
    keyspace.peek(b"s").and_then(SetRef::of).unwrap()
}

fn content(keyspace: &Keyspace) -> BTreeSet<Vec<u8>> {
    view(keyspace).iter().map(Member::to_vec).collect()
}

#[track_caller]
fn has(keyspace: &Keyspace, encoding: Encoding, len: usize) {
    keyspace.check_invariants();
    assert_eq!(keyspace.peek(b"s").unwrap().encoding(), encoding);
    assert_eq!(view(keyspace).len(), len);
    assert_eq!(content(keyspace).len(), len);
}

#[test]
fn integers_are_a_row_of_numbers_up_to_512_of_them() {
    let mut keyspace = of((0..512).map(|n| (n * 7 - 300).to_string()));
    has(&keyspace, Encoding::IntSet, 512);
    assert!(!add(&mut keyspace, "-300"));
    assert!(view(&keyspace).contains(b"400") && !view(&keyspace).contains(b"401"));
    assert!(!view(&keyspace).contains(b"007") && !view(&keyspace).contains(b"x"));
    assert!(add(&mut keyspace, "9999"));
    has(&keyspace, Encoding::HashTable, 513);
    assert!(view(&keyspace).contains(b"400"));
}

#[test]
fn a_wider_number_widens_the_row() {
    let numbers = [5, -1, i64::from(i16::MAX), i64::from(i16::MIN), 40_000, -70_000, i64::MAX, i64::MIN, 0];
    let mut keyspace = of(numbers.map(|number| number.to_string()));
    has(&keyspace, Encoding::IntSet, 9);
    let mut ascending = numbers.map(Member::Int).to_vec();
    ascending.sort_by_key(|member| match member {
        Member::Int(number) => *number,
        Member::Text(_) => 0,
    });
    assert_eq!(view(&keyspace).iter().collect::<Vec<_>>(), ascending);
    assert!(remove(&mut keyspace, "40000") && !remove(&mut keyspace, "40000"));
    has(&keyspace, Encoding::IntSet, 8);
}

#[test]
fn other_members_make_a_small_set_up_to_128_of_them() {
    let mut keyspace = of((0..127).map(|n| n.to_string()));
    assert!(add(&mut keyspace, "a"));
    has(&keyspace, Encoding::Listpack, 128);
    assert!(view(&keyspace).contains(b"126") && view(&keyspace).contains(b"a"));
    assert!(remove(&mut keyspace, "5") && remove(&mut keyspace, "a"));
    assert!(add(&mut keyspace, &"x".repeat(64)) && add(&mut keyspace, ""));
    has(&keyspace, Encoding::Listpack, 128);
    assert!(add(&mut keyspace, "one more"));
    has(&keyspace, Encoding::HashTable, 129);
    assert!(remove(&mut keyspace, "one more"));
    has(&keyspace, Encoding::HashTable, 128);
}

#[test]
fn a_long_member_makes_a_tree() {
    let mut keyspace = of(["1".into(), "x".repeat(65)]);
    has(&keyspace, Encoding::HashTable, 2);
    assert!(remove(&mut keyspace, &"x".repeat(65)) && view(&keyspace).contains(b"1"));
}

#[test]
fn what_is_expected_chooses_the_form_as_in_redis() {
    let expect = |count: usize, first: &str| {
        let mut keyspace = of([]);
        keyspace.find_mut(b"s", NOW).unwrap().set_value().unwrap().expect(count, first.as_bytes());
        keyspace.check_invariants();
        keyspace.peek(b"s").unwrap().encoding()
    };
    assert_eq!(expect(512, "1"), Encoding::IntSet);
    assert_eq!(expect(513, "1"), Encoding::HashTable);
    assert_eq!(expect(128, "x"), Encoding::Listpack);
    assert_eq!(expect(129, "x"), Encoding::HashTable);
}

#[test]
fn limits_far_above_those_of_redis_hold_too() {
    let mut keyspace = of([]);
    let limits = Limits { set_ints: 1 << 40, set_entries: 1 << 40, set_value: 1 << 40, ..Limits::REDIS };
    keyspace.set_limits(limits);
    let mut model = BTreeSet::new();
    for n in 0..9000u32 {
        let member = if n < 6000 { n.to_string() } else { "v".repeat((n % 5000) as usize) + &n.to_string() };
        assert!(add(&mut keyspace, &member));
        model.insert(member.into_bytes());
    }
    keyspace.check_invariants();
    assert_eq!(content(&keyspace), model);
}

#[test]
fn the_same_members_are_picked_whatever_the_form() {
    let members = |n: usize| (0..n).map(|n| format!("{}", n * 3));
    let mut row = of(members(100));
    let mut small = of(["x".to_string()].into_iter().chain(members(100)));
    assert!(remove(&mut small, "x"));
    let mut tree = of(members(600));
    (100..600).for_each(|n| assert!(remove(&mut tree, &format!("{}", n * 3))));
    has(&row, Encoding::IntSet, 100);
    has(&small, Encoding::Listpack, 100);
    has(&tree, Encoding::HashTable, 100);
    let pop = |keyspace: &mut Keyspace| {
        keyspace.find_mut(b"s", NOW).unwrap().set_value().unwrap().pop(30, &mut Random::new(9))
    };
    let popped = pop(&mut row);
    assert_eq!(popped.iter().collect::<BTreeSet<_>>().len(), 30);
    assert_eq!(pop(&mut small), popped);
    assert_eq!(pop(&mut tree), popped);
    assert_eq!(content(&row), content(&tree));
    assert_eq!(row.digest(NOW), tree.digest(NOW));
}

#[test]
fn a_scan_meets_what_stays() {
    let mut keyspace = of((0..2000).map(|n| n.to_string()));
    let (mut seen, mut cursor, mut step) = (BTreeSet::new(), 0, 0);
    loop {
        cursor = view(&keyspace).scan(cursor, 10, &mut |member| {
            seen.insert(member.to_vec());
        });
        if cursor == 0 {
            break;
        }
        let (gone, new) = ((step * 2 + 1).to_string(), format!("new{step}"));
        remove(&mut keyspace, &gone);
        add(&mut keyspace, &new);
        step += 1;
    }
    assert!(step > 100);
    assert!((0..2000).step_by(2).all(|n| seen.contains(n.to_string().as_bytes())));
}

#[test]
fn samples_are_different_places_and_all_are_likely() {
    let mut random = Random::new(4);
    let mut counts = [0; 10];
    for _ in 0..3000 {
        let places = sample_places(10, 3, &mut random);
        assert_eq!(places.len(), 3);
        places.into_iter().for_each(|place| counts[place] += 1);
    }
    assert!(counts.iter().all(|count| (700..1100).contains(count)), "{counts:?}");
    assert_eq!(sample_places(3, 9, &mut random).len(), 3);
    assert!(sample_places(0, 9, &mut random).is_empty());
}
