//! Tests of sorted sets in their two forms against an ordered vector, and of the change from one form to the other.

use std::collections::BTreeMap;

use super::*;
use crate::keyspace::Keyspace;
use crate::value::{Encoding, NewValue};

const NOW: Millis = Millis(1);

type Model = BTreeMap<Vec<u8>, f64>;

fn new() -> Keyspace {
    let mut keyspace = Keyspace::new(KeyHasher::new(5));
    keyspace.insert(b"z", NewValue::EmptyZSet, None);
    keyspace
}

fn edit<T>(keyspace: &mut Keyspace, edit: impl FnOnce(&mut ZSetMut<'_, '_>) -> T) -> T {
    let mut entry = keyspace.find_mut(b"z", NOW).unwrap();
    edit(&mut entry.zset().unwrap())
}

fn view(keyspace: &Keyspace) -> ZSetRef<'_> {
    keyspace.peek(b"z").and_then(ZSetRef::of).unwrap()
}

fn encoding(keyspace: &Keyspace) -> Encoding {
    keyspace.peek(b"z").unwrap().encoding()
}

fn sorted(model: &Model) -> Vec<(&[u8], f64)> {
    let mut all: Vec<_> = model.iter().map(|(member, score)| (member.as_slice(), *score)).collect();
    all.sort_by(|one, other| order(*one, *other));
    all
}

#[track_caller]
fn holds(keyspace: &Keyspace, model: &Model) {
    keyspace.check_invariants();
    let zset = view(keyspace);
    let expect = sorted(model);
    assert_eq!(zset.len(), expect.len());
    assert!(zset.iter().eq(expect.iter().copied()), "forwards");
    assert!(zset.iter().rev().eq(expect.iter().rev().copied()), "backwards");
    if let Some(big) = keyspace.peek(b"z").unwrap().boxed::<ZSet>() {
        big.check_invariants();
    }
}

#[test]
fn a_sorted_set_outgrows_the_small_form_as_in_redis() {
    let mut keyspace = new();
    (0..128u32).for_each(|n| edit(&mut keyspace, |zset| zset.set(&n.to_be_bytes(), f64::from(n))));
    assert_eq!(encoding(&keyspace), Encoding::Listpack);
    edit(&mut keyspace, |zset| zset.set(&5u32.to_be_bytes(), -1.0));
    assert_eq!(encoding(&keyspace), Encoding::Listpack);
    edit(&mut keyspace, |zset| zset.set(b"more", 0.0));
    assert_eq!(encoding(&keyspace), Encoding::SkipList);
    edit(&mut keyspace, |zset| zset.remove_range(0, 120));
    assert_eq!((encoding(&keyspace), view(&keyspace).len()), (Encoding::SkipList, 9));
    let mut keyspace = new();
    edit(&mut keyspace, |zset| zset.set(&[b'x'; 64], 1.0));
    assert_eq!(encoding(&keyspace), Encoding::Listpack);
    edit(&mut keyspace, |zset| zset.set(&[b'x'; 65], 1.0));
    assert_eq!(encoding(&keyspace), Encoding::SkipList);
    let mut keyspace = new();
    edit(&mut keyspace, |zset| zset.expect(128));
    assert_eq!(encoding(&keyspace), Encoding::Listpack);
    edit(&mut keyspace, |zset| zset.expect(129));
    assert_eq!(encoding(&keyspace), Encoding::SkipList);
}

#[test]
fn a_zero_has_no_sign_in_either_form() {
    for many in [1, 200u32] {
        let mut keyspace = new();
        (0..many).for_each(|n| edit(&mut keyspace, |zset| zset.set(&n.to_be_bytes(), -0.0)));
        assert!(view(&keyspace).iter().all(|(_, score)| score.is_sign_positive()));
    }
}

#[test]
fn limits_far_above_those_of_redis_hold_too() {
    let mut keyspace = new();
    keyspace.set_limits(Limits { zset_entries: 1 << 40, zset_value: 1 << 40, ..Limits::REDIS });
    let mut model = Model::new();
    for n in 0..4000u32 {
        let member = [n.to_string().into_bytes(), vec![b'v'; (n % 700) as usize]].concat();
        edit(&mut keyspace, |zset| zset.set(&member, f64::from(n % 10)));
        model.insert(member, f64::from(n % 10));
    }
    edit(&mut keyspace, |zset| zset.set(&vec![b'x'; 100_000], 3.0));
    model.insert(vec![b'x'; 100_000], 3.0);
    holds(&keyspace, &model);
}

fn score(random: &mut Random) -> f64 {
    match random.below(12) {
        0 => f64::INFINITY,
        1 => f64::NEG_INFINITY,
        2 => random.next_u64() as i64 as f64,
        3 => random.below(1000) as f64 / 7.0,
        _ => random.below(8) as f64 - 3.0,
    }
}

/// One random change to the sorted set and to a map.
fn step(keyspace: &mut Keyspace, model: &mut Model, random: &mut Random, members: u64) {
    let member = match random.below(40) {
        0 => vec![b'm'; random.below(300) as usize],
        _ => random.below(members).to_string().into_bytes(),
    };
    match random.below(12) {
        0..8 => {
            let score = score(random);
            edit(keyspace, |zset| zset.set(&member, score));
            model.insert(member, score);
        }
        8..10 => {
            assert_eq!(edit(keyspace, |zset| zset.remove(&member)), model.remove(&member).is_some());
        }
        10 if random.below(6) == 0 => {
            let start = random.below(model.len() as u64 + 1) as usize;
            let end = start + random.below(30) as usize;
            let goes: Vec<Vec<u8>> =
                sorted(model).iter().take(end).skip(start).map(|(member, _)| member.to_vec()).collect();
            edit(keyspace, |zset| zset.remove_range(start, end));
            model.retain(|member, _| !goes.contains(member));
        }
        _ => {
            let zset = view(keyspace);
            assert_eq!(zset.score(&member), model.get(&member).copied());
            let sorted = sorted(model);
            let place = sorted.iter().position(|(held, _)| *held == member);
            assert_eq!(zset.rank(&member), place.map(|place| (place, sorted[place].1)));
            let bound = score(random);
            let below = sorted.iter().filter(|(_, score)| *score < bound).count();
            assert_eq!(zset.count_before(|score, _| score < bound), below);
            let start = random.below(model.len() as u64 + 2) as usize;
            let end = start + random.below(9) as usize;
            let expect: Vec<_> = sorted.iter().copied().take(end).skip(start).collect();
            assert_eq!(zset.range(start, end).collect::<Vec<_>>(), expect);
            assert_eq!(zset.at(start), sorted.get(start).copied());
        }
    }
}

#[test]
fn any_changes_do_to_a_sorted_set_what_they_do_to_a_map() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let mut keyspace = new();
        let limits = Limits { zset_entries: [128, 8, 128][seed as usize % 3], ..Limits::REDIS };
        keyspace.set_limits(limits);
        let mut model = Model::new();
        for turn in 0..800 {
            step(&mut keyspace, &mut model, &mut random, [60, 400][seed as usize % 2]);
            if turn % 20 == 0 {
                holds(&keyspace, &model);
            }
        }
    }
}

#[test]
fn both_forms_have_the_same_content() {
    let mut small = new();
    let mut big = new();
    edit(&mut big, |zset| zset.expect(1000));
    for n in 0..100u32 {
        for keyspace in [&mut small, &mut big] {
            edit(keyspace, |zset| zset.set(n.to_string().as_bytes(), f64::from(n % 9) - 4.0));
        }
    }
    assert_eq!((encoding(&small), encoding(&big)), (Encoding::Listpack, Encoding::SkipList));
    assert_eq!(small.digest(NOW), big.digest(NOW));
    assert!(view(&small).iter().eq(view(&big).iter()));
    let before = big.digest(NOW);
    big.reload().unwrap();
    assert_eq!((encoding(&big), big.digest(NOW)), (Encoding::Listpack, before));
    edit(&mut big, |zset| zset.set(b"5", 0.5));
    assert_ne!(big.digest(NOW), before);
}

#[test]
fn a_scan_meets_what_stays() {
    let mut keyspace = new();
    (0..2000).for_each(|n: u32| edit(&mut keyspace, |zset| zset.set(n.to_string().as_bytes(), f64::from(n))));
    let (mut seen, mut cursor, mut turn) = (Model::new(), 0, 0u32);
    loop {
        cursor = view(&keyspace).scan(cursor, 10, &mut |member, score| {
            seen.insert(member.to_vec(), score);
        });
        if cursor == 0 {
            break;
        }
        edit(&mut keyspace, |zset| {
            zset.remove((turn * 2 + 1).to_string().as_bytes());
            zset.set(format!("new{turn}").as_bytes(), 0.0);
        });
        turn += 1;
    }
    assert!(turn > 100);
    assert!((0..2000u32).step_by(2).all(|n| seen.get(n.to_string().as_bytes()) == Some(&f64::from(n))));
}

#[test]
fn a_walk_writes_a_big_sorted_set_as_it_was_whatever_happens_to_it() {
    for fate in 0..5u64 {
        let mut random = Random::new(fate);
        let mut keyspace = new();
        let mut model = Model::new();
        (0..6000).for_each(|_| step(&mut keyspace, &mut model, &mut random, 4000));
        let before = model.clone();
        assert!(keyspace.begin_walk());
        let mut image = Vec::new();
        assert!(!keyspace.walk_slice(1, &mut image));
        match fate {
            0 => {}
            1 => assert!(keyspace.remove(b"z", NOW)),
            2 => keyspace.clear(),
            3 => {
                let entry = keyspace.take(b"z", NOW).unwrap();
                keyspace.put(b"other", entry);
            }
            _ => keyspace.find_mut(b"z", NOW).unwrap().set(NewValue::Int(1), crate::NewDeadline::Clear),
        }
        while !keyspace.walk_slice(1000, &mut image) {
            if fate == 0 {
                (0..20).for_each(|_| step(&mut keyspace, &mut model, &mut random, 4000));
            }
        }
        let mut slices = 0;
        while !keyspace.reclaim(100) {
            slices += 1;
        }
        assert!(slices > 10 || [0, 3].contains(&fate), "freed in {slices} slices");
        keyspace.check_invariants();
        let mut copy = Keyspace::new(KeyHasher::new(6));
        let mut at = 0;
        while at < image.len() {
            at += copy.load(&image[at..]).unwrap();
        }
        assert_eq!(copy.len(), 1);
        holds(&copy, &before);
    }
}

#[test]
fn a_change_is_counted_only_if_it_is_one() {
    let mut keyspace = new();
    edit(&mut keyspace, |zset| zset.set(b"a", 1.0));
    let before = keyspace.changes();
    edit(&mut keyspace, |zset| {
        zset.set(b"a", 1.0);
        assert!(!zset.remove(b"none"));
        zset.remove_range(5, 9);
        assert_eq!(zset.update(b"b", Err), Err(None));
        assert_eq!(zset.update(b"a", |_| Ok::<_, ()>(None)), Ok(()));
    });
    assert_eq!(keyspace.changes(), before);
    edit(&mut keyspace, |zset| zset.set(b"a", 2.0));
    assert!(keyspace.changes() > before);
}

#[test]
fn samples_are_different_members_in_order() {
    let mut keyspace = new();
    (0..50).for_each(|n: u32| edit(&mut keyspace, |zset| zset.set(n.to_string().as_bytes(), f64::from(n))));
    let drawn = view(&keyspace).sample(10, &mut Random::new(1));
    assert_eq!(drawn.len(), 10);
    assert!(drawn.windows(2).all(|pair| order(pair[0], pair[1]) == Ordering::Less));
    assert_eq!(view(&keyspace).sample(100, &mut Random::new(1)).len(), 50);
}
