//! Tests of trees: against an ordered map, with few and many equal keys, short and long members.

use std::collections::BTreeMap;

use base::Random;

use super::*;

type Model = BTreeMap<(u32, Vec<u8>), u64>;

#[track_caller]
fn same(tree: &Tree<u32, u64>, model: &Model) {
    tree.check_invariants();
    let forwards: Vec<_> = tree.iter().map(|(key, value, member)| (key, value, member.to_vec())).collect();
    let expect: Vec<_> = model.iter().map(|((key, member), value)| (*key, *value, member.clone())).collect();
    assert_eq!(forwards, expect);
    let mut backwards: Vec<_> =
        tree.iter().rev().map(|(key, value, member)| (key, value, member.to_vec())).collect();
    backwards.reverse();
    assert_eq!(backwards, expect);
}

fn member(random: &mut Random, longest: u64) -> Vec<u8> {
    let len = match random.below(20) {
        0 => random.below(longest + 1),
        _ => random.below(longest.min(6) + 1),
    };
    (0..len).map(|_| b'a' + random.below(3) as u8).collect()
}

fn play(seed: u64, keys: u64, longest: u64, steps: usize) {
    let mut random = Random::new(seed);
    let (mut tree, mut model) = (Tree::<u32, u64>::default(), Model::new());
    for step in 0..steps {
        let grows = (step / 500) % 3 < 2;
        let (key, member) = (random.below(keys) as u32, member(&mut random, longest));
        if random.chance(if grows { 8 } else { 2 }, 10) {
            let value = random.next_u64();
            let is_new = !model.contains_key(&(key, member.clone()));
            assert_eq!(tree.insert(key, value, &member), is_new);
            model.entry((key, member)).or_insert(value);
        } else {
            let place = random.below(tree.len().max(1) as u64) as usize;
            let found = tree.at(place).map(|(key, _, member)| (key, member.to_vec()));
            let (key, member) = found.unwrap_or((key, member));
            assert_eq!(tree.remove(key, &member), model.remove(&(key, member)));
        }
        if step % 250 == 0 {
            same(&tree, &model);
        }
    }
    for (rank, ((key, member), value)) in model.iter().enumerate() {
        assert_eq!(tree.get(*key, member), Some(*value));
        assert_eq!(tree.rank(*key, member), Some(rank));
        assert_eq!(tree.at(rank), Some((*key, *value, member.as_slice())));
    }
    for _ in 0..100 {
        let (key, member) = (random.below(keys) as u32, self::member(&mut random, longest));
        let before = model.range(..(key, member.clone())).count();
        let is_before = |other: u32, held: &[u8]| (other, held) < (key, member.as_slice());
        assert_eq!(tree.count_before(is_before), before);
        assert_eq!(tree.count_before_key(|other| other < key), model.range(..(key, Vec::new())).count());
    }
    while let Some((key, _, member)) = tree.at(tree.len() / 2).map(|(k, v, m)| (k, v, m.to_vec())) {
        assert!(tree.remove(key, &member).is_some());
    }
    same(&tree, &Model::new());
}

#[test]
fn random_histories_agree_with_an_ordered_map() {
    (0..4).for_each(|seed| play(seed, 1 << 31, 12, 6_000));
}

#[test]
fn equal_keys_are_ordered_by_their_members() {
    (0..4).for_each(|seed| play(seed, 1, 20, 6_000));
    (0..4).for_each(|seed| play(seed, 7, 12, 6_000));
}

#[test]
fn long_members_stay_alone() {
    (0..4).for_each(|seed| play(seed, 1 << 20, 9_000, 1_500));
    (0..4).for_each(|seed| play(seed, 3, 70_000, 1_000));
}

#[test]
fn a_tree_filled_in_order_is_full() {
    let mut tree = Tree::<u32, ()>::default();
    (0..100_000u32).for_each(|number| assert!(tree.insert(number, (), &number.to_be_bytes())));
    tree.check_invariants();
    assert!(tree.memory() < 100_000 * (4 + 4 + 2) * 14 / 10, "{}", tree.memory());
    let mut rubble = tree.into_rubble();
    let mut slices = 0;
    while !rubble.is_empty() {
        assert!(rubble.free(1_000) < 1_200);
        slices += 1;
    }
    assert!(slices > 50);
}

#[test]
fn a_set_value_is_the_one_that_is_got() {
    let mut tree = Tree::<u32, u64>::default();
    (0..1000u32).for_each(|number| assert!(tree.insert(number % 10, 0, &number.to_be_bytes())));
    *tree.get_mut(3, &3u32.to_be_bytes()).unwrap() = 7;
    assert_eq!(tree.get_mut(3, b"absent"), None);
    assert_eq!(tree.get(3, &3u32.to_be_bytes()), Some(7));
    assert_eq!(tree.iter().map(|(_, value, _)| value).sum::<u64>(), 7);
}

#[test]
fn a_copy_counts_what_it_takes_itself() {
    let mut random = Random::new(5);
    let mut tree = Tree::<u32, u64>::default();
    for _ in 0..3000 {
        tree.insert(random.next_u64() as u32, 1, &member(&mut random, 30));
    }
    let mut copy = tree.clone();
    copy.check_invariants();
    assert!(copy.memory() < tree.memory(), "a copy has no room to spare");
    copy.insert(7, 1, b"another");
    copy.check_invariants();
    tree.check_invariants();
}
