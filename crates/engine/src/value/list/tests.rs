//! Tests of lists in their two forms against a plain vector, and of the changes from one form to the other.

use base::{KeyHasher, Random};

use super::*;
use crate::keyspace::Keyspace;
use crate::value::{Encoding, NewValue};

const NOW: Millis = Millis(1);

fn new() -> Keyspace {
    let mut keyspace = Keyspace::new(KeyHasher::new(5));
    keyspace.insert(b"l", NewValue::EmptyList, None);
    keyspace
}

fn edit<T>(keyspace: &mut Keyspace, edit: impl FnOnce(&mut ListMut<'_, '_>) -> T) -> T {
    let mut entry = keyspace.find_mut(b"l", NOW).unwrap();
    edit(&mut entry.list().unwrap())
}

fn view(keyspace: &Keyspace) -> ListRef<'_> {
    keyspace.peek(b"l").and_then(ListRef::of).unwrap()
}

fn encoding(keyspace: &Keyspace) -> Encoding {
    keyspace.peek(b"l").unwrap().encoding()
}

#[track_caller]
fn holds(keyspace: &Keyspace, expected: &[Vec<u8>]) {
    keyspace.check_invariants();
    let list = view(keyspace);
    assert_eq!(list.len(), expected.len());
    assert!(list.iter().eq(expected.iter()), "from the front");
    assert!(list.iter().rev().eq(expected.iter().rev()), "from the back");
    assert_eq!(list.end(End::Front), expected.first().map(Vec::as_slice));
    assert_eq!(list.end(End::Back), expected.last().map(Vec::as_slice));
    if let Some(big) = keyspace.peek(b"l").unwrap().boxed::<List>() {
        big.check_invariants();
    }
}

#[test]
fn a_list_outgrows_the_small_form_at_8_kib_and_takes_it_again_at_half_of_that() {
    let mut keyspace = new();
    let element = [b'x'; 62];
    let whole = 8192 / packed::size(element.len());
    (0..whole).for_each(|_| edit(&mut keyspace, |list| list.push(End::Front, &element)));
    assert_eq!(encoding(&keyspace), Encoding::Listpack);
    edit(&mut keyspace, |list| list.push(End::Back, &element));
    assert_eq!(encoding(&keyspace), Encoding::QuickList);
    edit(&mut keyspace, |list| list.drop(End::Front, whole / 2));
    assert_eq!(encoding(&keyspace), Encoding::QuickList);
    edit(&mut keyspace, |list| list.drop(End::Back, 1));
    assert_eq!(encoding(&keyspace), Encoding::Listpack);
    holds(&keyspace, &vec![element.to_vec(); whole / 2]);
}

#[test]
fn the_limit_may_be_a_number_of_elements() {
    let mut keyspace = new();
    keyspace.set_limits(Limits::REDIS.with_list_size(4));
    (0..4u8).for_each(|n| edit(&mut keyspace, |list| list.push(End::Back, &[n])));
    assert_eq!(encoding(&keyspace), Encoding::Listpack);
    edit(&mut keyspace, |list| list.push(End::Back, &[4]));
    assert_eq!(encoding(&keyspace), Encoding::QuickList);
    edit(&mut keyspace, |list| list.drop(End::Front, 2));
    assert_eq!(encoding(&keyspace), Encoding::QuickList);
    edit(&mut keyspace, |list| list.drop(End::Front, 1));
    assert_eq!(encoding(&keyspace), Encoding::Listpack);
    holds(&keyspace, &[vec![3], vec![4]]);
}

#[test]
fn limits_are_said_as_in_redis() {
    let said = |size| {
        let limits = Limits::REDIS.with_list_size(size);
        (limits.list_entries, limits.list_bytes >> 10)
    };
    let any = usize::MAX;
    assert_eq!([-1, -2, -3, -4, -5, -6].map(said), [4, 8, 16, 32, 64, 64].map(|kib| (any, kib)));
    assert_eq!([0, 1, 512].map(said), [(1, 8), (1, 8), (512, 8)]);
}

/// One random change to the list and to a vector.
fn step(keyspace: &mut Keyspace, model: &mut Vec<Vec<u8>>, random: &mut Random) {
    let len = match random.below(30) {
        0 => random.below(6000),
        1..5 => random.below(200),
        _ => random.below(4),
    };
    let element = vec![random.below(3) as u8; len as usize];
    let place = random.below(model.len() as u64 + 1) as usize;
    let count = random.below(4) as usize;
    let end = if random.below(2) == 0 { End::Front } else { End::Back };
    match random.below(20) {
        0..9 => {
            model.insert(if end == End::Front { 0 } else { model.len() }, element.clone());
            edit(keyspace, |list| list.push(end, &element));
        }
        9..12 => {
            model.insert(place, element.clone());
            edit(keyspace, |list| list.insert(place, &element));
        }
        12..14 => {
            let is_there = place < model.len();
            if is_there {
                model[place] = element.clone();
            }
            assert_eq!(edit(keyspace, |list| list.set(place, &element)), is_there);
        }
        14..17 => {
            let count = count.min(model.len());
            match end {
                End::Front => drop(model.drain(..count)),
                End::Back => model.truncate(model.len() - count),
            }
            edit(keyspace, |list| list.drop(end, count));
        }
        17..19 => {
            let mut left = count;
            let mut keep = |held: &Vec<u8>| {
                let goes = *held == element && left > 0;
                left -= usize::from(goes);
                !goes
            };
            if end == End::Front {
                model.retain(&mut keep);
            } else {
                model.reverse();
                model.retain(&mut keep);
                model.reverse();
            }
            let removed = edit(keyspace, |list| list.remove_equal(&element, count, end));
            assert_eq!(removed, count - left);
        }
        _ if random.below(8) == 0 => {
            let kept = random.below(200) as usize;
            let end = place.saturating_add(kept).min(model.len());
            *model = model[place..end].to_vec();
            edit(keyspace, |list| list.trim(place, kept));
        }
        _ => assert_eq!(view(keyspace).get(place), model.get(place).map(Vec::as_slice)),
    }
}

#[test]
fn any_changes_do_to_a_list_what_they_do_to_a_vector() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let mut keyspace = new();
        keyspace.set_limits(Limits::REDIS.with_list_size([-2, 8, -1][seed as usize % 3]));
        let mut model = Vec::new();
        for turn in 0..600 {
            step(&mut keyspace, &mut model, &mut random);
            let place = random.below(model.len() as u64 + 1) as usize;
            assert!(view(&keyspace).iter_from(place).eq(model[place..].iter()), "seed {seed} turn {turn}");
            holds(&keyspace, &model);
        }
        let forms = [Encoding::Listpack, Encoding::QuickList];
        assert!(forms.contains(&encoding(&keyspace)));
    }
}

#[test]
fn a_walk_writes_a_big_list_as_it_was_whatever_happens_to_it() {
    let mut random = Random::new(9);
    for fate in 0..4 {
        let mut keyspace = new();
        let mut model = Vec::new();
        for n in 0..4000u32 {
            model.push(n.to_string().into_bytes());
            edit(&mut keyspace, |list| list.push(End::Back, n.to_string().as_bytes()));
        }
        let before = model.clone();
        assert!(keyspace.begin_walk());
        let mut image = Vec::new();
        assert!(!keyspace.walk_slice(1, &mut image));
        match fate {
            0 => (0..500).for_each(|_| step(&mut keyspace, &mut model, &mut random)),
            1 => assert!(keyspace.remove(b"l", NOW)),
            2 => keyspace.clear(),
            _ => {
                let entry = keyspace.take(b"l", NOW).unwrap();
                keyspace.put(b"other", entry);
            }
        }
        while !keyspace.walk_slice(1000, &mut image) {}
        while !keyspace.reclaim(100) {}
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
