//! A partition without a majority: who asks is told so, after a while at once, and nobody who would have been served.

use crate::cluster_world::World;
use crate::net::show;

/// Milliseconds until a request is answered, and with what.
fn timed(world: &mut World, client: usize, line: &str) -> (u64, String) {
    let begin = world.now.mono_millis();
    world.send(client, line);
    for _ in 0..10_000 {
        if let Some(answer) = world.answers(client).first() {
            return (world.now.mono_millis().since(begin), show(answer));
        }
        world.pass(1);
    }
    panic!("no answer to {line}");
}

fn world_of_three(seed: u64) -> (World, usize) {
    let mut world = World::of(3, seed);
    let client = world.connect(0);
    for key in 0..8 {
        assert_eq!(world.ask(client, &format!("SET k{key} v")), "OK");
    }
    (world, client)
}

#[test]
fn who_asks_long_after_the_majority_was_lost_does_not_wait() {
    for seed in 0..4 {
        let (mut world, client) = world_of_three(seed);
        world.kill(1);
        world.kill(2);
        world.pass(400);
        // It may be back any moment, and then this is done.
        let (waited, told) = timed(&mut world, client, "SET k1 w");
        assert!((850..=1000).contains(&waited), "{waited} ms: {told}");
        world.pass(1000);
        for (request, end) in [("SET k1 w", ", write not applied)"), ("GET k1", ")"), ("BLPOP l 1", ")")] {
            let (waited, told) = timed(&mut world, client, request);
            let is_it = told.starts_with("(CLUSTERDOWN partition ") && told.ends_with(end);
            assert!(is_it && told.contains("lost quorum (1 of 3)"), "{request}: {told}");
            if !request.starts_with("BLPOP") {
                assert!(waited <= 2, "{request} waited {waited} ms");
            }
        }
        // Stale reads are served as before.
        assert_eq!(timed(&mut world, client, "CLIENT READ stale").1, "OK");
        assert_eq!(timed(&mut world, client, "GET k1").1, "\"v\"");
    }
}

#[test]
fn nobody_is_refused_once_the_majority_is_back() {
    for seed in 0..6 {
        let (mut world, client) = world_of_three(10 + seed);
        world.kill(1);
        world.kill(2);
        world.pass(4000);
        world.restart(1);
        // Until it is heard of it is not there.
        let mut refused = 0;
        while timed(&mut world, client, "SET k1 w").1 != "OK" {
            refused += 1;
            assert!(refused < 20, "seed {seed}");
        }
        for key in 0..8 {
            let (_, told) = timed(&mut world, client, &format!("SET k{key} x"));
            assert_eq!(told, "OK", "seed {seed}");
        }
    }
}

#[test]
fn a_failover_refuses_nobody() {
    for seed in 0..6 {
        let (mut world, client) = world_of_three(20 + seed);
        world.kill(1);
        for key in 0..40 {
            let (_, told) = timed(&mut world, client, &format!("GET k{}", key % 8));
            assert_eq!(told, "\"v\"", "seed {seed}");
        }
    }
}

/// Neither has heard anybody for long, and both do not know by that that nobody is there.
#[test]
fn a_node_that_stood_still_or_was_started_just_now_refuses_nobody_at_once() {
    for seed in 0..4 {
        let (mut world, client) = world_of_three(30 + seed);
        world.pause(0, 6000);
        world.send(client, "GET k1");
        world.pass(6000);
        let (_, told) = timed(&mut world, client, "GET k2");
        assert!(told == "\"v\"", "seed {seed}: {told}");
        for node in 0..3 {
            world.kill(node);
        }
        world.pass(5000);
        for node in 0..3 {
            world.restart(node);
        }
        let client = world.connect(0);
        assert_eq!(timed(&mut world, client, "GET k1").1, "\"v\"", "seed {seed}: all were started");
    }
}
