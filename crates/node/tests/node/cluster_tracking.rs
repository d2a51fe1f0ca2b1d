//! Caches in clients of several nodes: told of every change, whoever makes it where, and told to forget what nobody can
//! vouch for any more.

use cluster::Command;

use crate::cache::Cache;
use crate::cluster_world::World;
use crate::net::show;

fn resp3(world: &mut World, node: usize, tracking: &str) -> usize {
    let client = world.connect(node);
    world.ask(client, "HELLO 3");
    world.send(client, &format!("CLIENT TRACKING {tracking}"));
    for _ in 0..2000 {
        // It may be told to forget all at once.
        if told(world, client).contains(&"OK".to_owned()) {
            return client;
        }
        world.pass(1);
    }
    panic!("it is not confirmed that client {client} tracks")
}

fn told(world: &mut World, client: usize) -> Vec<String> {
    world.answers(client).iter().map(show).collect()
}

const FORGET: &str = ">[\"invalidate\" nil]";

fn invalid(key: &str) -> String {
    format!(">[\"invalidate\" [\"{key}\"]]")
}

fn leader_of(world: &World, key: &str) -> usize {
    (0..world.count()).find(|&node| world.leads(node, key)).unwrap()
}

#[test]
fn a_change_made_anywhere_is_told_to_who_has_read_anywhere() {
    let mut world = World::of(3, 1);
    let readers: Vec<usize> = (0..3).map(|node| resp3(&mut world, node, "ON")).collect();
    let listeners: Vec<usize> = (0..3).map(|node| resp3(&mut world, node, "ON BCAST PREFIX k")).collect();
    let writers: Vec<usize> = (0..3).map(|node| world.connect(node)).collect();
    for round in 0..9 {
        let key = format!("k{round}");
        readers.iter().for_each(|reader| assert_eq!(world.ask(*reader, &format!("GET {key}")), "nil"));
        world.ask(writers[round % 3], &format!("SET {key} 1"));
        world.pass(50);
        for client in readers.iter().chain(&listeners) {
            assert_eq!(told(&mut world, *client), [invalid(&key)], "round {round}");
        }
    }
    // Once told, no more, until it is read again.
    world.ask(writers[0], "SET k1 2");
    world.pass(50);
    readers.iter().for_each(|reader| assert!(told(&mut world, *reader).is_empty()));
    assert_eq!(world.ask(writers[0], "FLUSHALL"), "OK");
    world.pass(50);
    listeners.iter().for_each(|listener| assert!(told(&mut world, *listener).contains(&FORGET.to_owned())));
}

#[test]
fn reads_of_several_partitions_and_of_transactions_count() {
    let mut world = World::of(3, 2);
    let (reader, writer) = (resp3(&mut world, 0, "ON"), world.connect(1));
    world.ask(reader, "MGET a b c d e f");
    for key in ["a", "b", "c", "d", "e", "f"] {
        world.ask(writer, &format!("INCR {key}"));
        world.pass(50);
        assert_eq!(told(&mut world, reader), [invalid(key)]);
    }
    for line in ["MULTI", "GET {t}a", "SET {t}b 1", "GET {t}b"] {
        world.ask(reader, line);
    }
    world.send(reader, "EXEC");
    world.pass(100);
    assert_eq!(told(&mut world, reader), ["[nil OK \"1\"]"]);
    for line in ["MULTI", "SET {t}a 1", "DEL {t}b", "EXEC"] {
        world.ask(writer, line);
    }
    world.pass(50);
    let mut both = told(&mut world, reader);
    both.sort();
    assert_eq!(both, [invalid("{t}a"), invalid("{t}b")]);
}

#[test]
fn many_keys_read_at_once_are_no_way_around_the_limit_of_those_remembered() {
    let mut world = World::of(3, 2);
    let (reader, leader) = (resp3(&mut world, 0, "ON"), leader_of(&world, "{t}0"));
    let other = world.connect(leader);
    assert_eq!(world.ask(other, "CONFIG SET tracking-table-max-keys 10"), "OK");
    for from in (0..20_000).step_by(1000) {
        let keys: Vec<String> = (from..from + 1000).map(|key| format!("{{t}}{key}")).collect();
        world.send(reader, &format!("MGET {}", keys.join(" ")));
    }
    let info = world.ask(other, "INFO stats");
    let keys = info.lines().find_map(|line| line.strip_prefix("tracking_total_keys:")).unwrap();
    assert!(keys.trim().parse::<usize>().unwrap() <= 10, "{keys}");
}

#[test]
fn who_wants_no_loop_is_known_on_every_node() {
    let mut world = World::of(3, 3);
    for node in 0..3 {
        let (reader, other) = (resp3(&mut world, node, "ON NOLOOP"), world.connect(node));
        let listener = resp3(&mut world, node, "ON BCAST NOLOOP");
        for n in 0..6 {
            let key = format!("key:{node}:{n}");
            for client in [reader, listener] {
                world.ask(client, &format!("GET {key}"));
                world.send(client, &format!("SET {key} 1"));
                world.pass(100);
                let expected = [vec!["OK".to_owned()], vec!["OK".to_owned(), invalid(&key)]];
                // The listener's change is one that the other is told of, if it has read since.
                let got = told(&mut world, client);
                assert!(got == expected[0], "node {node}: {got:?}");
                world.ask(other, &format!("SET {key} 2"));
                world.pass(100);
                told(&mut world, reader);
                told(&mut world, listener);
            }
            world.ask(reader, &format!("GET {key}"));
            world.ask(other, &format!("SET {key} 3"));
            world.pass(100);
            assert_eq!(told(&mut world, reader), [invalid(&key)]);
            assert_eq!(told(&mut world, listener), [invalid(&key)]);
        }
    }
}

#[test]
fn a_fallen_leader_leaves_nobody_with_what_it_knew() {
    for seed in 0..4 {
        let mut world = World::of(3, 10 + seed);
        let key = format!("key:{seed}");
        let leader = leader_of(&world, &key);
        let (near, far) = ((leader + 1) % 3, (leader + 2) % 3);
        let writer = world.connect(far);
        world.ask(writer, &format!("SET {key} 1"));
        let reader = resp3(&mut world, near, "ON");
        let listener = resp3(&mut world, near, "ON BCAST");
        assert_eq!(world.ask(reader, &format!("GET {key}")), "\"1\"");
        world.kill(leader);
        world.pass(3000);
        for client in [reader, listener] {
            assert!(told(&mut world, client).contains(&FORGET.to_owned()), "seed {seed}");
        }
        assert_eq!(world.ask(writer, &format!("SET {key} 2")), "OK");
        assert_eq!(world.ask(reader, &format!("GET {key}")), "\"2\"");
        world.ask(writer, &format!("SET {key} 3"));
        world.pass(100);
        assert!(told(&mut world, reader).contains(&invalid(&key)));
    }
}

/// It is silent first, and then each of its partitions gets another leader, one after the other.
#[test]
fn a_node_that_is_lost_is_one_event_for_who_reads_nothing_meanwhile() {
    for seed in 0..4 {
        let mut world = World::of(3, 40 + seed);
        let keys: Vec<String> = (0..40).map(|key| format!("key:{key}")).collect();
        let readers = [0, 1].map(|node| resp3(&mut world, node, "ON"));
        for reader in readers {
            for key in &keys {
                assert_eq!(world.ask(reader, &format!("GET {key}")), "nil");
            }
        }
        world.kill(2);
        world.pass(3000);
        for reader in readers {
            assert_eq!(told(&mut world, reader), [FORGET], "seed {seed}");
        }
        // Nothing is left to forget when it is back; but what is read from then on counts again.
        world.restart(2);
        world.pass(3000);
        for reader in readers {
            assert_eq!(told(&mut world, reader), [""; 0], "seed {seed}");
            assert_eq!(world.ask(reader, &format!("GET {}", keys[0])), "nil");
        }
        let leader = leader_of(&world, &keys[0]);
        world.pause(leader, 4000);
        world.pass(3000);
        let others = (0..2).filter(|node| *node != leader);
        for node in others {
            assert!(told(&mut world, readers[node]).contains(&FORGET.to_owned()), "seed {seed}");
        }
    }
}

#[test]
fn a_leader_that_stands_still_and_a_way_that_is_lost_are_no_reason_to_believe() {
    for seed in 0..4 {
        let mut world = World::of(3, 20 + seed);
        let key = format!("key:{seed}");
        let leader = leader_of(&world, &key);
        let (near, far) = ((leader + 1) % 3, (leader + 2) % 3);
        let (reader, writer) = (resp3(&mut world, near, "ON"), world.connect(far));
        world.ask(reader, &format!("GET {key}"));
        world.pause(leader, 4000);
        world.pass(3000);
        assert_eq!(world.ask(writer, &format!("SET {key} 2")), "OK");
        world.pass(3000);
        assert!(told(&mut world, reader).contains(&FORGET.to_owned()), "seed {seed}: it stood still");
        world.ask(reader, &format!("GET {key}"));
        world.pass(100);
        told(&mut world, reader);
        let leader = leader_of(&world, &key);
        if leader != near {
            // What it would have been told is lost with the way.
            world.set_way(leader, near, false);
            world.pass(20);
            world.set_way(leader, near, true);
            world.pass(100);
            assert!(told(&mut world, reader).contains(&FORGET.to_owned()), "seed {seed}: the way was lost");
        }
    }
}

/// A node hands over what it leads, and none is lost: who has read from the old leaders is told all the same.
#[test]
fn a_lead_that_moves_in_peace_is_no_reason_to_believe() {
    let mut moved = 0;
    for seed in 0..3 {
        let mut world = World::of(4, 40 + seed);
        let keys: Vec<String> = (0..12).map(|n| format!("k{n}")).collect();
        let mut clients: Vec<(usize, usize, Cache)> = Vec::new();
        for node in 0..3 {
            let client = resp3(&mut world, node, "ON");
            clients.push((node, client, Cache::new()));
        }
        for key in &keys {
            for (_, client, cache) in &mut clients {
                cache.reads(std::slice::from_ref(key));
                world.send(*client, &format!("MGET {key}"));
            }
        }
        world.pass(200);
        hear(&mut world, &mut clients);
        let before: Vec<usize> = keys.iter().map(|key| leader_of(&world, key)).collect();
        let node = world.id(before[0]);
        world.ask_fabric(0, Command::Leave { node }).unwrap();
        world.pass(5000);
        moved += keys.iter().zip(&before).filter(|(key, before)| leader_of(&world, key) != **before).count();
        let writer = world.connect(3 - before[0]);
        keys.iter().for_each(|key| assert_eq!(world.ask(writer, &format!("SET {key} 1")), "OK"));
        world.pass(200);
        compare(&mut world, &mut clients, &format!("seed {seed}"));
    }
    assert!(moved > 0, "no lead has moved");
}

#[test]
fn what_is_read_from_a_replica_is_told_by_the_replica() {
    let mut world = World::of(3, 30);
    let key = "key";
    let leader = leader_of(&world, key);
    let (near, far) = ((leader + 1) % 3, (leader + 2) % 3);
    let (reader, writer) = (resp3(&mut world, near, "ON"), world.connect(far));
    world.ask(reader, "READONLY");
    for round in 0..5 {
        world.ask(reader, "GET key");
        world.ask(writer, &format!("SET key {round}"));
        world.pass(200);
        assert_eq!(told(&mut world, reader), [invalid(key)], "round {round}");
        assert_eq!(world.ask(reader, "GET key"), format!("\"{round}\""));
        world.ask(writer, "DEL key");
        world.pass(200);
        told(&mut world, reader);
    }
}

/// Nodes are killed, stand still and lose their ways to each other while clients read, write and obey: once all is
/// well again, no cache has a value that is not the fabric's.
#[test]
fn no_cache_on_any_node_holds_what_is_no_more() {
    let mut kept = 0;
    for seed in 0..10 {
        let mut world = World::of(3, 100 + seed);
        let modes = ["ON", "ON BCAST", "ON NOLOOP", "ON BCAST PREFIX k"];
        let mut clients: Vec<(usize, usize, Cache)> = Vec::new();
        for number in 0..9 {
            let client = resp3(&mut world, number % 3, modes[number % 4]);
            clients.push((number, client, Cache::new()));
        }
        for round in 0..12 {
            disturb(&mut world, round);
            for (number, client, cache) in &mut clients {
                if !world.is_open(*client) && world.is_running(*number % 3) {
                    *client = resp3(&mut world, *number % 3, modes[*number % 4]);
                    cache.starts_anew();
                }
            }
            work(&mut world, &mut clients, 2);
            heal(&mut world);
            let context = format!("seed {seed}, round {round}");
            kept += compare(&mut world, &mut clients, &context);
            // Nothing is wrong now: caches fill, and are still told.
            work(&mut world, &mut clients, 6);
            world.pass(500);
            kept += compare(&mut world, &mut clients, &context);
        }
    }
    assert!(kept > 1000, "caches keep something: {kept}");
}

/// Clients read and write, one of so many requests.
fn work(world: &mut World, clients: &mut [(usize, usize, Cache)], writes_one_in: u64) {
    for _ in 0..60 {
        let at = world.random.below(clients.len() as u64) as usize;
        let (client, key) = (clients[at].1, format!("k{}", world.random.below(12)));
        if world.is_open(client) {
            let is_write = world.random.chance(1, writes_one_in);
            match is_write {
                true => clients[at].2.changes(&key),
                false => clients[at].2.reads(std::slice::from_ref(&key)),
            }
            let n = world.random.below(1000);
            world.send(client, &if is_write { format!("SET {key} {n}") } else { format!("MGET {key}") });
        }
        let time = world.random.below(20);
        world.pass(time);
        hear(world, clients);
    }
}

/// Every value in a cache is what there is; how many there are.
fn compare(world: &mut World, clients: &mut [(usize, usize, Cache)], context: &str) -> usize {
    hear(world, clients);
    let mut kept = 0;
    let asker = world.connect(0);
    for key in 0..12 {
        let key = format!("k{key}");
        let truth = world.ask(asker, &format!("GET {key}"));
        for (number, client, cache) in clients.iter() {
            let value = cache.get(&key).filter(|_| world.is_open(*client));
            assert!(
                value.is_none_or(|value| value == truth),
                "{context}: {key} in cache {number} is {value:?}, not {truth}"
            );
            kept += usize::from(value.is_some());
        }
    }
    kept
}

fn hear(world: &mut World, clients: &mut [(usize, usize, Cache)]) {
    for (_, client, cache) in clients {
        let values = world.answers(*client);
        cache.hears(&values);
    }
}

/// Something goes wrong, or nothing does.
fn disturb(world: &mut World, round: u64) {
    let (node, other) = (world.random.below(3) as usize, world.random.below(2) as usize);
    let other = (node + 1 + other) % 3;
    match round % 4 {
        0 => {}
        1 => world.kill(node),
        2 => world.pause(node, 1500),
        _ => {
            world.set_way(node, other, false);
            world.pass(300);
            world.set_way(node, other, true);
        }
    }
}

fn heal(world: &mut World) {
    for node in 0..3 {
        if !world.is_running(node) {
            world.restart(node);
        }
    }
    world.pass(4000);
}
