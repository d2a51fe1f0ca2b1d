//! What clients that know Redis Cluster are told of nodes that are gone, and who serves them meanwhile.

use crate::cluster_world::World;

/// A key that a node leads.
fn key_led_by(world: &World, node: usize) -> String {
    (0..).map(|number| format!("key:{number}")).find(|key| world.leads(node, key)).unwrap()
}

fn address(node: usize) -> String {
    format!("10.0.0.{node}")
}

/// Asserts that one node's maps name a dead node nowhere as one that takes requests, and cover all slots.
#[track_caller]
fn check_without(world: &mut World, client: usize, dead: usize) {
    let slots = world.ask(client, "CLUSTER SLOTS");
    assert!(!slots.contains(&address(dead)), "{slots}");
    assert!(slots.starts_with("[[0 ") && slots.contains(" 16383 ["), "{slots}");
    let nodes = world.ask(client, "CLUSTER NODES");
    let line =
        |node: usize| nodes.lines().find(|line| line.contains(&format!("{}:", address(node)))).unwrap();
    assert!(line(dead).contains(" master,fail") && line(dead).ends_with(" disconnected"), "{nodes}");
    let ranges = (0..3).flat_map(|node| line(node).split(' ').skip(8)).map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        last.parse::<u32>().unwrap() + 1 - first.parse::<u32>().unwrap()
    });
    assert_eq!(ranges.sum::<u32>(), 16384, "{nodes}");
    let shards = world.ask(client, "CLUSTER SHARDS");
    for node in shards.split("\"id\"").skip(1) {
        let health = if node.contains(&address(dead)) { "\"fail\"" } else { "\"online\"" };
        assert!(node.contains(health), "{shards}");
        assert!(!node.contains(&address(dead)) || node.contains("\"replica\""), "{shards}");
    }
}

#[test]
fn who_lost_a_node_is_sent_to_one_that_lives_and_is_served_there() {
    for seed in 0..4 {
        let mut world = World::of(3, seed);
        let key = key_led_by(&world, 2);
        let client = world.connect(0);
        assert_eq!(world.ask(client, &format!("SET {key} before")), "OK");
        assert!(world.ask(client, "CLUSTER SLOTS").contains(&address(2)));
        world.kill(2);
        check_without(&mut world, client, 2);
        let info = world.ask(client, "CLUSTER INFO");
        assert!(info.contains("cluster_state:ok") && !info.contains("pfail:0"), "seed {seed}: {info}");
        let began = world.now.mono_us;
        assert_eq!(world.ask(client, &format!("GET {key}")), "\"before\"", "seed {seed}");
        assert_eq!(world.ask(client, &format!("SET {key} after")), "OK", "seed {seed}");
        assert!(world.now.mono_us - began < 2_000_000, "seed {seed}");
        check_without(&mut world, client, 2);
        assert!(world.ask(client, "CLUSTER INFO").contains("pfail:0"), "seed {seed}");
    }
}

#[test]
fn who_is_silent_is_not_named_though_its_links_are_up() {
    let mut world = World::of(3, 5);
    let key = key_led_by(&world, 2);
    let client = world.connect(0);
    world.pause(2, 10_000);
    world.pass(450);
    check_without(&mut world, client, 2);
    assert_eq!(world.ask(client, &format!("SET {key} v")), "OK");
}

/// Nobody can be elected for as long as the paused one stands still; those who wait are answered once it is back.
#[test]
fn an_election_that_takes_longer_is_waited_for_and_a_lost_majority_is_not() {
    let mut world = World::of(3, 6);
    let key = key_led_by(&world, 2);
    let client = world.connect(0);
    world.kill(2);
    // Each hears that the other is there, and gets no vote.
    world.stalled = vec![0, 1];
    world.send(client, &format!("SET {key} v"));
    world.pass(1500);
    assert!(world.answers(client).is_empty());
    world.stalled.clear();
    world.pass(1000);
    let answers = world.answers(client);
    assert_eq!(answers.iter().map(crate::net::show).collect::<Vec<_>>(), ["OK"]);
    world.kill(1);
    world.pass(1000);
    let began = world.now.mono_us;
    assert!(world.ask(client, &format!("SET {key} w")).contains("CLUSTERDOWN"));
    assert!(world.now.mono_us - began < 1_100_000);
    let info = world.ask(client, "CLUSTER INFO");
    assert!(info.contains("cluster_state:fail"), "{info}");
}

#[test]
fn slots_beside_each_other_are_one_range() {
    let mut world = World::of_with(3, 7, 16);
    let client = world.connect(0);
    for dead in [2, 1] {
        world.kill(dead);
        world.pass(500);
    }
    // What is left names itself for all.
    let nodes = world.ask(client, "CLUSTER NODES");
    let mine = nodes.lines().find(|line| line.contains("myself")).unwrap();
    assert!(mine.ends_with(" connected 0-16383"), "{nodes}");
    let slots = world.ask(client, "CLUSTER SLOTS");
    assert!(slots.starts_with("[[0 16383 ["), "{slots}");
}
