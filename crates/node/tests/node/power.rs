//! Machines that lose their power, and with it what their disks had not synced.

use base::PartitionId;

use crate::cluster_world::{PARTITIONS, World};

/// A key that node 0 leads, in a world of three in which node 2 hears of no write to it and the disk of node 1 syncs
/// nothing more.
fn with_a_write_on_two(seed: u64) -> (World, String) {
    let mut world = World::of(3, seed);
    let key = (0..100).map(|n| format!("key:{n}")).find(|key| world.leads(0, key)).unwrap();
    let client = world.connect(0);
    assert_eq!(world.ask(client, &format!("SET {key} before")), "OK");
    world.settle();
    for other in [0, 1] {
        world.cut.extend([(2, other), (other, 2)]);
    }
    world.stalled.push(1);
    assert_eq!(world.ask(client, &format!("SET {key} after")), "OK", "nodes 0 and 1 have it");
    (world, key)
}

#[test]
fn who_may_have_forgotten_a_write_elects_nobody_without_it() {
    for seed in 0..8 {
        let (mut world, key) = with_a_write_on_two(seed);
        world.lose_power(1);
        world.kill(0);
        world.cut.clear();
        world.stalled.clear();
        world.restart(1);
        world.pass(6000);
        let client = world.connect(2);
        let answer = world.ask(client, &format!("GET {key}"));
        assert!(answer.contains("CLUSTERDOWN"), "seed {seed}: node 0 alone has it for sure, {answer}");
        assert!(world.is_in_doubt(1));
        world.restart(0);
        world.settle();
        for node in 0..3 {
            let client = world.connect(node);
            assert_eq!(world.ask(client, &format!("GET {key}")), "\"after\"", "seed {seed} node {node}");
        }
        assert!(!world.is_in_doubt(1));
    }
}

#[test]
fn a_leader_sends_again_what_was_acknowledged_and_forgotten() {
    for seed in 0..8 {
        let (mut world, key) = with_a_write_on_two(seed);
        world.lose_power(1);
        world.stalled.clear();
        world.restart(1);
        // Node 2 is away still, so without node 1 there is no majority.
        world.pass(2000);
        let client = world.connect(1);
        assert_eq!(world.ask(client, &format!("GET {key}")), "\"after\"");
        assert_eq!(world.ask(client, &format!("SET {key} again")), "OK");
        world.cut.clear();
        world.settle();
        assert!(!world.is_in_doubt(1), "seed {seed}");
        let digests: Vec<String> = (0..3).map(|node| world.digest(node)).collect();
        assert!(digests.iter().all(|digest| *digest == digests[0]), "seed {seed}: {digests:?}");
    }
}

#[test]
fn one_that_dies_while_it_is_in_doubt_is_still_so_afterwards() {
    let (mut world, key) = with_a_write_on_two(3);
    world.lose_power(1);
    world.kill(0);
    world.cut.clear();
    world.stalled.clear();
    world.restart(1);
    world.pass(1000);
    world.kill(1);
    world.restart(1);
    world.pass(6000);
    let client = world.connect(2);
    assert!(world.ask(client, &format!("GET {key}")).contains("CLUSTERDOWN"));
    world.restart(0);
    world.settle();
    assert_eq!(world.ask(client, &format!("GET {key}")), "\"after\"");
}

#[test]
fn when_all_lose_their_power_the_longest_log_goes_on() {
    for seed in 0..8 {
        let (mut world, key) = with_a_write_on_two(seed);
        (0..3).for_each(|node| world.lose_power(node));
        world.cut.clear();
        world.stalled.clear();
        world.restart(1);
        world.restart(2);
        world.pass(6000);
        let client = world.connect(1);
        let answer = world.ask(client, &format!("GET {key}"));
        assert!(answer.contains("CLUSTERDOWN"), "seed {seed}: node 0 may have more, {answer}");
        world.restart(0);
        world.settle();
        let answer = world.ask(client, &format!("GET {key}"));
        assert!(["\"after\"", "\"before\""].contains(&answer.as_str()), "seed {seed}: {answer}");
        assert_eq!(world.ask(client, &format!("SET {key} new")), "OK");
        assert!((0..3).all(|node| !world.is_in_doubt(node)), "seed {seed}");
        // Followers hear with the next step of time that it is decided.
        world.pass(50);
        let digests: Vec<String> = (0..3).map(|node| world.digest(node)).collect();
        assert!(digests.iter().all(|digest| *digest == digests[0]), "seed {seed}: {digests:?}");
    }
}

#[test]
fn what_was_answered_at_durable_survives_the_loss_of_all_power() {
    for seed in 0..8 {
        let mut world = World::of(3, seed);
        let client = world.connect(0);
        assert_eq!(world.ask(client, "CLIENT ACK durable"), "OK");
        for n in 0..30 {
            assert_eq!(world.ask(client, &format!("SET key:{n} {n}")), "OK");
        }
        (0..3).for_each(|node| world.lose_power(node));
        (0..3).for_each(|node| world.restart(node));
        world.settle();
        for node in 0..3 {
            let client = world.connect(node);
            for n in 0..30 {
                assert_eq!(world.ask(client, &format!("GET key:{n}")), format!("\"{n}\""), "seed {seed}");
            }
        }
    }
}

#[test]
fn who_is_told_that_the_others_are_gone_for_good_goes_on_with_what_it_has() {
    let (mut world, key) = with_a_write_on_two(5);
    (1..3).for_each(|node| world.lose_power(node));
    world.kill(0);
    world.cut.clear();
    world.stalled.clear();
    (1..3).for_each(|node| world.restart(node));
    world.pass(3000);
    let client = world.connect(2);
    assert!(world.ask(client, &format!("GET {key}")).contains("CLUSTERDOWN"));
    assert!(world.ask(client, "FABRIC CHECK").contains("narf cluster trust"));
    for node in [1, 2] {
        let client = world.connect(node);
        assert_ne!(world.ask(client, "FABRIC TRUST"), "0");
    }
    world.pass(3000);
    assert_eq!(world.ask(client, &format!("SET {key} new")), "OK");
    assert!(!world.is_in_doubt(1) && !world.is_in_doubt(2));
    assert_eq!(world.ask(client, "FABRIC TRUST"), "0");
}

fn keys() -> impl Iterator<Item = String> {
    (0..40).map(|n| format!("key:{n}"))
}

#[track_caller]
fn write_all(world: &mut World, node: usize, value: &str) {
    let client = world.connect(node);
    for key in keys() {
        assert_eq!(world.ask(client, &format!("SET {key} {value}")), "OK");
    }
}

#[track_caller]
fn all_hold_the_same(world: &mut World, nodes: usize) {
    let digests: Vec<String> = (0..nodes).map(|node| world.digest(node)).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[test]
fn the_fabric_can_be_changed_while_one_is_gone_and_another_is_in_doubt() {
    let mut world = World::of(3, 5);
    write_all(&mut world, 0, "x");
    world.kill(2);
    world.pass(30_000);
    write_all(&mut world, 0, "y");
    world.pass(3000);
    world.lose_power(1);
    world.pass(20_000);
    world.restart(1);
    world.pass(20_000);
    write_all(&mut world, 0, "z");
    let meta = world.meta(0);
    let gone = meta.members().find(|member| member.state == cluster::MemberState::Down).unwrap().node;
    assert_eq!(world.ask_fabric(0, cluster::Command::Remove { node: gone }), Ok(()));
    all_hold_the_same(&mut world, 2);
}

#[test]
fn a_newcomer_that_loses_its_power_whenever_it_does_gets_its_data() {
    for seed in 0..4 {
        for wait in (2..420).step_by(26) {
            let mut world = World::new(seed, true);
            write_all(&mut world, 0, "before");
            world.pass(200);
            world.begin_join();
            world.pass(wait);
            world.lose_power(1);
            world.pass(300);
            world.restart(1);
            world.pass(20_000);
            write_all(&mut world, 0, "after");
            world.settle();
            all_hold_the_same(&mut world, 2);
            assert!(!world.is_in_doubt(1), "seed {seed}, after {wait} ms");
        }
    }
}

/// Or those who have lost their power with it would wait for it for ever: it may have been let go, and be wanted again.
#[test]
fn who_holds_nothing_of_a_group_tells_it_be_it_wanted_or_not() {
    let mut world = World::of(3, 1);
    world.forget_partitions(2);
    let (node, meta) = (world.id(2), world.meta(2));
    assert!((0..PARTITIONS).all(|id| meta.voters_of(PartitionId(id)).contains(&node)), "it is to have them");
    for id in 0..PARTITIONS {
        // The question and the answer of docs/formats/peer-frame.md.
        let partition_and_life = [&id.to_le_bytes()[..], &77u64.to_le_bytes()].concat();
        let question = [&[22][..], &partition_and_life, &[9; 16]].concat();
        let nothing = [&[23][..], &partition_and_life, &[0; 17]].concat();
        let said = world.answer_of_peer(0, 2, &question);
        assert!(said.windows(nothing.len()).any(|part| part == nothing), "partition {id}: {said:?}");
    }
}

#[test]
fn one_that_forgot_its_partitions_is_given_them_again() {
    for seed in 0..6 {
        let mut world = World::of(3, seed);
        write_all(&mut world, 0, "before");
        // Nothing is written meanwhile that would show what it lacks.
        world.forget_partitions(2);
        world.pass(3000);
        all_hold_the_same(&mut world, 3);
    }
}

#[test]
fn what_a_sole_voter_has_taught_it_has_on_its_disk() {
    for seed in 0..4 {
        for wait in [20, 100, 180, 300, 501] {
            let mut world = World::new(seed, true);
            write_all(&mut world, 0, "before");
            world.pass(200);
            world.begin_join();
            world.begin_join();
            world.pass(wait);
            // One of them does not hear, so that the other stays in training.
            world.cut.extend([(2, 0), (0, 2)]);
            world.pass(300);
            world.stalled.push(0);
            let client = world.connect(0);
            for round in 0..4 {
                keys().for_each(|key| world.send(client, &format!("SET {key} meanwhile-{round}")));
                world.pass(100);
            }
            world.lose_power(0);
            world.stalled.clear();
            world.cut.clear();
            world.restart(0);
            world.pass(20_000);
            write_all(&mut world, 0, "after");
            world.settle();
            all_hold_the_same(&mut world, 3);
        }
    }
}
