//! Machines that lose their power, and with it what their disks had not synced.

use crate::cluster_world::World;

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
