//! Clients that want to be sent to the node that leads a key.

use base::slot_of;

use crate::cluster_world::World;

fn key_led_by(world: &World, node: usize) -> String {
    (0..).map(|number| format!("key:{number}")).find(|key| world.leads(node, key)).unwrap()
}

/// What a client is told of a key that a node leads.
fn moved(node: usize, key: &str) -> String {
    format!("(MOVED {} 10.0.0.{node}:6379)", slot_of(key.as_bytes()).number())
}

const CROSS_SLOT: &str = "(CROSSSLOT Keys in request don't hash to the same slot)";

#[test]
fn who_asks_for_it_is_sent_to_the_node_that_leads_the_key() {
    let mut world = World::of(3, 1);
    let (here, there) = (key_led_by(&world, 0), key_led_by(&world, 1));
    let client = world.connect(0);
    assert_eq!(world.ask(client, &format!("SET {there} v")), "OK");
    assert!(world.ask(client, "CLIENT INFO").contains(" redirect=off "));
    assert_eq!(world.ask(client, "CLIENT REDIRECT ON"), "OK");
    assert!(world.ask(client, "CLIENT INFO").contains(" redirect=on "));
    assert_eq!(world.ask(client, "CLIENT REDIRECT perhaps"), "(ERR syntax error)");
    assert_eq!(world.ask(client, &format!("SET {here} v")), "OK");
    let expect = moved(1, &there);
    for line in [
        format!("GET {there}"),
        format!("SET {there} w"),
        format!("BLPOP {there} 0"),
        format!("WATCH {there}"),
        format!("MGET {there} {{{there}}}:2"),
    ] {
        assert_eq!(world.ask(client, &line), expect, "{line}");
    }
    assert_eq!(world.ask(client, "MULTI"), "OK");
    assert_eq!(world.ask(client, &format!("SET {there} w")), "QUEUED");
    assert_eq!(world.ask(client, "EXEC"), expect);
    // Whoever did not ask is served as before, and nothing of all that was done.
    let other = world.connect(0);
    assert_eq!(world.ask(other, &format!("GET {there}")), "\"v\"");
    assert_eq!(world.ask(other, &format!("EXISTS {there}")), "1");
    // The other databases have no slots.
    assert_eq!(world.ask(client, "SELECT 1"), "OK");
    assert_eq!(world.ask(client, "MSET a 1 b 2 c 3"), "OK");
    assert_eq!(world.ask(client, "RESET"), "RESET");
    assert_eq!(world.ask(client, &format!("SET {there} x")), "OK");
}

#[test]
fn a_replica_serves_reads_of_who_takes_them_from_it() {
    let mut world = World::of(3, 2);
    let there = key_led_by(&world, 2);
    let client = world.connect(0);
    assert_eq!(world.ask(client, &format!("SET {there} v")), "OK");
    world.pass(200);
    assert_eq!(world.ask(client, "CLIENT REDIRECT on"), "OK");
    assert_eq!(world.ask(client, "READONLY"), "OK");
    assert_eq!(world.ask(client, &format!("GET {there}")), "\"v\"");
    assert_eq!(world.ask(client, &format!("SET {there} w")), moved(2, &there));
    assert_eq!(world.ask(client, "READWRITE"), "OK");
    assert_eq!(world.ask(client, &format!("GET {there}")), moved(2, &there));
}

#[test]
fn keys_of_several_slots_are_refused_though_they_are_in_one_partition() {
    let mut world = World::of(3, 3);
    let here = key_led_by(&world, 0);
    let beside = (0..).map(|n| format!("beside:{n}")).find(|key| world.leads(0, key)).unwrap();
    let client = world.connect(0);
    let request = format!("MSET {here} 1 {beside} 2");
    assert_eq!(world.ask(client, &request), "OK");
    assert_eq!(world.ask(client, "CLIENT REDIRECT on"), "OK");
    assert_eq!(world.ask(client, &request), CROSS_SLOT);
    assert_eq!(world.ask(client, &format!("MSET {{{here}}}:1 1 {{{here}}}:2 2")), "OK");
    for key in [&here, &beside] {
        world.ask(client, "MULTI");
        assert_eq!(world.ask(client, &format!("INCR {key}")), "QUEUED");
        assert_eq!(world.ask(client, "EXEC").as_str(), if key == &here { "[2]" } else { "[3]" });
    }
    world.ask(client, "MULTI");
    world.ask(client, &format!("INCR {here}"));
    world.ask(client, &format!("INCR {beside}"));
    assert_eq!(world.ask(client, "EXEC"), CROSS_SLOT);
    assert_eq!(world.ask(client, "EXEC"), "(ERR EXEC without MULTI)");
    assert_eq!(world.ask(client, &format!("GET {here}")), "\"2\"");
}

#[test]
fn who_is_redirected_waits_for_an_election_and_is_sent_to_whom_it_elects() {
    let mut world = World::of(3, 4);
    let key = key_led_by(&world, 2);
    let client = world.connect(0);
    assert_eq!(world.ask(client, "CLIENT REDIRECT on"), "OK");
    world.kill(2);
    let told = world.ask(client, &format!("SET {key} v"));
    let leads = (0..2).find(|node| world.leads(*node, &key)).unwrap();
    assert_eq!(told, if leads == 0 { "OK".to_owned() } else { moved(leads, &key) });
}
