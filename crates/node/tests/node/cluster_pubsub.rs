//! Messages between clients of several nodes: who gets them, who is not bothered, and what is never missed.

use crate::cluster_world::World;
use crate::net::show;

/// A counter of `INFO stats`.
fn counter(world: &mut World, node: usize, name: &str) -> u64 {
    let client = world.connect(node);
    let text = world.ask(client, "INFO stats");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("no {name} in {text}")).trim().parse().unwrap()
}

/// Lets time pass until a client was answered; what with.
fn answer(world: &mut World, client: usize) -> String {
    for _ in 0..3000 {
        if let Some(value) = world.answers(client).first() {
            return show(value);
        }
        world.pass(1);
    }
    panic!("no answer");
}

#[test]
fn a_message_goes_to_nodes_that_have_subscribers_and_to_no_other() {
    let mut world = World::of(3, 1);
    let (plain, pattern, publisher) = (world.connect(1), world.connect(1), world.connect(0));
    world.send(plain, "SUBSCRIBE news");
    answer(&mut world, plain);
    world.send(pattern, "PSUBSCRIBE n*");
    answer(&mut world, pattern);
    let before: Vec<u64> = (0..3).map(|node| counter(&mut world, node, "pubsub_messages_of_nodes")).collect();
    for _ in 0..10 {
        assert_eq!(world.ask(publisher, "PUBLISH news hello"), "2", "both at the other node");
        world.ask(publisher, "PUBLISH other hello");
    }
    world.pass(100);
    assert_eq!(world.answers(plain).len(), 10);
    assert_eq!(world.answers(pattern).len(), 10);
    assert_eq!(counter(&mut world, 1, "pubsub_messages_of_nodes"), before[1] + 10);
    assert_eq!(counter(&mut world, 2, "pubsub_messages_of_nodes"), before[2]);
    world.send(plain, "UNSUBSCRIBE");
    answer(&mut world, plain);
    world.send(pattern, "PUNSUBSCRIBE n*");
    answer(&mut world, pattern);
    world.pass(100);
    world.ask(publisher, "PUBLISH news hello");
    world.pass(100);
    assert_eq!(counter(&mut world, 1, "pubsub_messages_of_nodes"), before[1] + 10);
}

/// What each node answers.
#[track_caller]
fn all_say(world: &mut World, request: &str, expect: &str) {
    for node in 0..3 {
        let client = world.connect(node);
        assert_eq!(world.ask(client, request), expect, "{request} at node {node}");
    }
}

#[test]
fn any_node_counts_the_subscribers_of_all() {
    let mut world = World::of(3, 4);
    // Two of one channel at one node, and some with other channels at others.
    let clients = [0, 0, 1, 2].map(|node| world.connect(node));
    let requests = ["SUBSCRIBE a b", "SUBSCRIBE a", "SUBSCRIBE a", "SUBSCRIBE c"];
    for (client, request) in clients.into_iter().zip(requests) {
        world.send(client, request);
        answer(&mut world, client);
    }
    let patterns = [(0, "PSUBSCRIBE a*"), (1, "PSUBSCRIBE a*"), (2, "PSUBSCRIBE b* a*")];
    let patterns = patterns.map(|(node, request)| {
        let client = world.connect(node);
        world.send(client, request);
        answer(&mut world, client);
        client
    });
    let shard = world.connect(1);
    world.send(shard, "SSUBSCRIBE a s");
    answer(&mut world, shard);
    all_say(&mut world, "PUBSUB NUMSUB a b c none a", r#"["a" 3 "b" 1 "c" 1 "none" 0 "a" 3]"#);
    all_say(&mut world, "PUBSUB SHARDNUMSUB a b s", r#"["a" 1 "b" 0 "s" 1]"#);
    all_say(&mut world, "PUBSUB NUMPAT", "2");
    all_say(&mut world, "PUBSUB CHANNELS [bc]x", "[]");
    all_say(&mut world, "PUBSUB CHANNELS c", r#"["c"]"#);
    all_say(&mut world, "PUBSUB SHARDCHANNELS s*", r#"["s"]"#);
    for node in 0..3 {
        let client = world.connect(node);
        assert_eq!(world.ask(client, "PUBSUB CHANNELS").matches('"').count(), 6, "a, b and c, each once");
    }
    all_say(&mut world, "PUBLISH a x", "6");
    all_say(&mut world, "PUBLISH b x", "2");
    all_say(&mut world, "SPUBLISH a x", "1");
    // One of two of a channel goes: nobody is the last, and it is counted all the same.
    world.send(clients[0], "UNSUBSCRIBE a");
    world.send(patterns[2], "RESET");
    world.pass(100);
    all_say(&mut world, "PUBSUB NUMSUB a b", r#"["a" 2 "b" 1]"#);
    all_say(&mut world, "PUBSUB NUMPAT", "1");
    all_say(&mut world, "PUBLISH a x", "4");
}

#[test]
fn subscribers_of_a_node_that_is_gone_are_not_counted_and_those_of_one_that_comes_back_are() {
    let mut world = World::of(3, 5);
    for node in [0, 1] {
        let client = world.connect(node);
        world.send(client, "SUBSCRIBE news");
        answer(&mut world, client);
    }
    let publisher = world.connect(2);
    assert_eq!(world.ask(publisher, "PUBSUB NUMSUB news"), r#"["news" 2]"#);
    world.kill(1);
    world.pass(1000);
    assert_eq!(world.ask(publisher, "PUBSUB NUMSUB news"), r#"["news" 1]"#);
    assert_eq!(world.ask(publisher, "PUBLISH news x"), "1");
    world.restart(1);
    world.pass(1000);
    // It has been told by the others what it had forgotten.
    let client = world.connect(1);
    assert_eq!(world.ask(client, "PUBSUB NUMSUB news"), r#"["news" 1]"#);
    world.send(client, "SUBSCRIBE news");
    answer(&mut world, client);
    all_count(&mut world, 2);
}

#[track_caller]
fn all_count(world: &mut World, subscribers: usize) {
    all_say(world, "PUBSUB NUMSUB news", &format!(r#"["news" {subscribers}]"#));
}

#[test]
fn what_is_published_anywhere_after_a_subscription_is_confirmed_is_not_missed() {
    for seed in 0..8 {
        let mut world = World::of(3, seed);
        let publishers: Vec<usize> = (0..3).map(|node| world.connect(node)).collect();
        for round in 0..30 {
            let listener = world.connect(round % 3);
            let command = ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"][round % 3];
            world.send(listener, &format!("{command} channel:{round}"));
            while world.answers(listener).is_empty() {
                world.pass(1);
            }
            let publish = if command == "SSUBSCRIBE" { "SPUBLISH" } else { "PUBLISH" };
            for publisher in &publishers {
                world.send(*publisher, &format!("{publish} channel:{round} {round}"));
            }
            world.pass(50);
            assert_eq!(world.answers(listener).len(), 3, "seed {seed}, {command} in round {round}");
        }
    }
}

#[test]
fn a_node_that_comes_back_publishes_to_all_who_listen_and_hears_what_its_clients_listen_to() {
    let mut world = World::of(3, 2);
    let listener = world.connect(1);
    world.send(listener, "SUBSCRIBE news");
    answer(&mut world, listener);
    for round in 0..10 {
        world.kill(0);
        world.pass(200);
        world.restart(0);
        let publisher = world.connect(0);
        let late = world.connect(0);
        // At once: it does not know yet who listens.
        world.send(publisher, "PUBLISH news hello");
        world.send(late, "SUBSCRIBE late");
        world.pass(round * 7);
        world.send(publisher, "PUBLISH news again");
        world.pass(1200);
        assert_eq!(world.answers(listener).len(), 2, "round {round}");
        assert_eq!(world.answers(late).len(), 1, "it is confirmed");
        let other = world.connect(2);
        world.ask(other, "PUBLISH late hello");
        world.pass(50);
        assert_eq!(world.answers(late).len(), 1, "round {round}");
    }
}

#[test]
fn a_node_that_says_nothing_does_not_hold_up_a_subscription() {
    let mut world = World::of(3, 3);
    world.pause(2, 5000);
    let listener = world.connect(0);
    world.send(listener, "SUBSCRIBE news");
    world.pass(1200);
    assert_eq!(world.answers(listener).len(), 1);
    let publisher = world.connect(1);
    world.ask(publisher, "PUBLISH news hello");
    world.pass(50);
    assert_eq!(world.answers(listener).len(), 1);
    // It was told while it stood still.
    world.pass(5000);
    let publisher = world.connect(2);
    world.ask(publisher, "PUBLISH news hello");
    world.pass(50);
    assert_eq!(world.answers(listener).len(), 1);
}
