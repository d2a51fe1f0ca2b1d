//! Replicas that are compared in the background: that they are the same is found while much is written, and that one is not.

use crate::cluster_world::{PARTITIONS, World};
use crate::net::show;

/// What a node counts, by its name in `INFO`.
fn counted(world: &mut World, node: usize, name: &str) -> u64 {
    let client = world.connect(node);
    let info = world.ask(client, "INFO cluster");
    let line = info
        .split("\\r\\n")
        .flat_map(|part| part.split("\r\n"))
        .find(|line| line.starts_with(name))
        .unwrap_or_default();
    line.rsplit(':')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("{name} in {info}"))
}

fn sum(world: &mut World, name: &str) -> u64 {
    (0..3).map(|node| counted(world, node, name)).sum()
}

fn scrub(world: &mut World) -> u64 {
    let clients: Vec<usize> = (0..3).map(|node| world.connect(node)).collect();
    clients.iter().map(|client| world.ask(*client, "FABRIC SCRUB").parse::<u64>().unwrap()).sum()
}

/// Values of all kinds, some of them in many parts.
fn fill(world: &mut World, round: usize) {
    let client = world.connect(round % 3);
    for number in 0..40 {
        world.send(client, &format!("SET key:{number} {round}"));
        world.send(client, &format!("RPUSH list:{} {number}", number % 3));
        world.send(client, &format!("HSET hash:{} f{number} {round}", number % 3));
        world.send(client, &format!("SADD set {round}:{number}"));
        world.send(client, &format!("ZADD zset {number} {round}:{number}"));
        world.send(client, &format!("PEXPIRE key:{number} {}", 50 + 7 * number));
    }
    let text = "long".repeat(80_000);
    world.send(client, &format!("SET text {text}{round}"));
}

#[test]
fn replicas_are_compared_while_much_is_written() {
    let mut world = World::of(3, 41);
    (0..8).for_each(|round| fill(&mut world, round));
    world.settle();
    assert_eq!(scrub(&mut world), u64::from(PARTITIONS), "each partition is led by one node");
    for round in 8..60 {
        fill(&mut world, round);
        world.pass(50);
    }
    world.settle();
    assert_eq!(sum(&mut world, "narf_scrubs"), u64::from(PARTITIONS));
    assert_eq!(sum(&mut world, "narf_scrub_differences"), 0);
    // Again, and by itself.
    let client = world.connect(0);
    assert_eq!(world.ask(client, "CONFIG SET scrub-interval 1"), "OK");
    world.pass(5000);
    assert!(counted(&mut world, 0, "narf_scrubs") > u64::from(PARTITIONS) / 2);
    assert_eq!(sum(&mut world, "narf_scrub_differences"), 0);
}

#[test]
fn a_replica_that_holds_something_else_is_found_and_named() {
    let mut world = World::of(3, 42);
    fill(&mut world, 1);
    world.settle();
    world.spoil = Some((2, b"as-it-was-written", b"as-it-was-spoiled"));
    let client = world.connect(0);
    // Led by others as well as by the node that hears something else.
    for number in 0..40 {
        assert_eq!(world.ask(client, &format!("SET other:{number} as-it-was-written")), "OK");
    }
    world.spoil = None;
    world.settle();
    scrub(&mut world);
    world.settle();
    assert_eq!(sum(&mut world, "narf_scrubs"), u64::from(PARTITIONS));
    assert!(sum(&mut world, "narf_scrub_differences") > 0);
    let check = world.ask(client, "FABRIC CHECK");
    assert!(check.contains("is not the same here and on"), "{check}");
}

/// What a node says of a partition, at an entry or where it is.
fn digest_at(
    world: &mut World,
    client: usize,
    partition: u16,
    index: Option<u64>,
) -> Result<(u64, String), String> {
    let index = index.map(|index| format!(" {index}")).unwrap_or_default();
    let answer = world.ask(client, &format!("DEBUG DIGEST-AT {partition}{index}"));
    let Some((index, digest)) = answer.strip_prefix('[').and_then(|rest| rest.split_once(' ')) else {
        return Err(answer);
    };
    Ok((index.parse().unwrap(), digest.to_owned()))
}

#[test]
fn every_replica_tells_what_it_holds_at_an_entry() {
    let mut world = World::of(3, 44);
    let clients = [world.connect(0), world.connect(1), world.connect(2)];
    (0..6).for_each(|round| fill(&mut world, round));
    world.settle();
    let mut told = 0;
    for partition in 0..PARTITIONS {
        let here = clients.map(|client| digest_at(&mut world, client, partition, None));
        let held: Vec<_> = here.iter().flatten().collect();
        assert!(held.len() >= 2 && held.iter().all(|found| *found == held[0]), "{here:?}");
        told += held.len();
        // What is to come is waited for, while it is written.
        let at = held[0].0 + 1;
        for client in clients {
            world.send(client, &format!("DEBUG DIGEST-AT {partition} {at}"));
        }
        world.pass(20);
        for key in 0..40 {
            let writer = world.connect(0);
            assert_eq!(world.ask(writer, &format!("SET {partition}:{key} {key}")), "OK");
        }
        world.pass(1000);
        let answers: Vec<String> =
            clients.iter().flat_map(|client| world.answers(*client)).map(|value| show(&value)).collect();
        let now: Vec<&String> = answers.iter().filter(|answer| answer.starts_with('[')).collect();
        assert!(now.len() == held.len() && now.iter().all(|answer| *answer == now[0]), "{answers:?}");
        assert!(now[0].starts_with(&format!("[{at} ")) && !now[0].contains(&held[0].1), "{answers:?}");
        // What is past is gone.
        let refused = digest_at(&mut world, clients[0], partition, Some(at - 1)).unwrap_err();
        assert!(
            refused.contains("is gone; ask for a later entry") || refused.contains("not at hand"),
            "{refused}"
        );
    }
    assert_eq!(told, usize::from(PARTITIONS) * 3);
    for wrong in ["x", "9999", "0 x", "0 -1", "0 1 2"] {
        let refused = world.ask(clients[0], &format!("DEBUG DIGEST-AT {wrong}"));
        assert!(refused.contains("takes the number of a partition"), "{wrong}: {refused}");
    }
}

#[test]
fn who_was_asked_and_cannot_answer_any_more_holds_up_nobody() {
    let mut world = World::of(3, 43);
    (0..8).for_each(|round| fill(&mut world, round));
    world.settle();
    scrub(&mut world);
    // Asked, and before it has answered, it begins anew.
    world.pause(2, 300);
    world.pass(100);
    world.kill(2);
    world.restart(2);
    world.pass(3000);
    let before: u64 = (0..2).map(|node| counted(&mut world, node, "narf_scrubs:")).sum();
    let clients = [world.connect(0), world.connect(1)];
    let asked: u64 =
        clients.iter().map(|client| world.ask(*client, "FABRIC SCRUB").parse::<u64>().unwrap()).sum();
    assert!(asked > 0);
    world.pass(5000);
    let after: u64 = (0..2).map(|node| counted(&mut world, node, "narf_scrubs:")).sum();
    assert_eq!(after - before, asked, "those that were under way have ended, and the others came after them");
    let differing: u64 = (0..2).map(|node| counted(&mut world, node, "narf_scrub_differences:")).sum();
    assert_eq!(differing, 0);
}
