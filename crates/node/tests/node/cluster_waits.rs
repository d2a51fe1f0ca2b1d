//! `WAIT` and `WAITAOF` on several nodes: true counts, of replicas and of disks.

use crate::cluster_world::World;
use crate::net::show;

/// Lets so much time pass, at most, until a client is answered; what with, and after how long.
fn answer_within(world: &mut World, client: usize, millis: u64) -> Option<(String, u64)> {
    (0..=millis).find_map(|passed| {
        let answer = world.answers(client).first().map(show);
        if answer.is_none() {
            world.pass(1);
        }
        answer.map(|answer| (answer, passed))
    })
}

fn write_everywhere(world: &mut World, client: usize, value: &str) {
    for number in 0..20 {
        assert_eq!(world.ask(client, &format!("SET key:{number} {value}")), "OK");
    }
}

#[test]
fn wait_counts_the_replicas_that_have_all_that_the_client_wrote() {
    for seed in 0..4 {
        let mut world = World::of(3, seed);
        for node in 0..3 {
            let client = world.connect(node);
            assert_eq!(world.ask(client, "WAIT 2 0"), "2", "it wrote nothing, and two others are there");
            write_everywhere(&mut world, client, "a");
            world.send(client, "WAIT 2 0");
            let (answer, after) = answer_within(&mut world, client, 1000).unwrap();
            assert_eq!(answer, "2");
            assert!(after < 100, "seed {seed}, node {node}: {after} ms");
        }
    }
}

#[test]
fn wait_gives_up_in_time_and_tells_how_many_there_are() {
    let mut world = World::of(3, 1);
    let client = world.connect(0);
    world.kill(2);
    world.pass(2000);
    write_everywhere(&mut world, client, "a");
    assert_eq!(world.ask(client, "WAIT 1 0"), "1");
    world.send(client, "WAIT 2 500");
    let (answer, after) = answer_within(&mut world, client, 1000).unwrap();
    assert_eq!(answer, "1");
    assert!((500..600).contains(&after), "{after} ms");
    // Without an end it waits for the other, and a change of the leader on the way is no answer.
    world.send(client, "WAIT 2 0");
    assert_eq!(answer_within(&mut world, client, 3000), None);
    world.restart(2);
    assert_eq!(answer_within(&mut world, client, 3000).unwrap().0, "2");
}

#[test]
fn wait_outlives_the_leader() {
    for seed in 0..4 {
        let mut world = World::of(3, seed);
        let client = world.connect(0);
        write_everywhere(&mut world, client, "a");
        world.send(client, "WAIT 3 0");
        world.pass(50);
        world.kill(1);
        assert_eq!(answer_within(&mut world, client, 3000), None, "there are only two others");
        world.send(client, "PING");
        world.pass(50);
        assert!(world.answers(client).is_empty(), "answers keep their order");
    }
}

#[test]
fn waitaof_counts_disks() {
    let mut world = World::of(3, 2);
    for node in 0..3 {
        let client = world.connect(node);
        write_everywhere(&mut world, client, "a");
        assert_eq!(world.ask(client, "WAITAOF 1 2 2000"), "[1 2]");
        world.stalled = vec![2];
        write_everywhere(&mut world, client, "b");
        // Node 2 leads some of the partitions, and follows in the others: one of the three disks is always missing.
        let counted = world.ask(client, "WAITAOF 1 2 300");
        assert_eq!(counted, "[0 1]", "node {node}");
        assert_eq!(world.ask(client, "WAITAOF 0 1 2000"), "[0 1]");
        world.stalled.clear();
        assert_eq!(world.ask(client, "WAITAOF 1 2 2000"), "[1 2]");
    }
}

#[test]
fn nothing_blocks_inside_a_transaction() {
    let mut world = World::of(3, 3);
    let client = world.connect(0);
    for line in ["MULTI", "SET key:1 a", "WAIT 3 0"] {
        world.ask(client, line);
    }
    world.send(client, "EXEC");
    let (answer, after) = answer_within(&mut world, client, 2000).unwrap();
    assert!(answer.starts_with("[OK "), "{answer}");
    assert!(after < 600, "{after} ms");
}
