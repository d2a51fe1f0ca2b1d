//! Keyspace notifications: who is told what, in which order, and once.

use std::collections::BTreeMap;

use crate::cluster_world::World;
use crate::net::{ClientId, Net, Options, PARTITIONS, key_in, on_all, on_all_with, show};

const ALL: &[(&str, &str)] = &[("notify-keyspace-events", "AKEnm")];
/// Of each event its one message on the channel of its key.
const BY_KEY: &[(&str, &str)] = &[("notify-keyspace-events", "AKn")];

fn listener(net: &mut Net, worker: usize) -> ClientId {
    let listener = net.connect(worker);
    assert_eq!(net.ask(listener, "PSUBSCRIBE __key*__:*"), "[\"psubscribe\" \"__key*__:*\" 1]");
    listener
}

/// What a message says: `key event` or, of the other channels, `@event key`; with the database if it is not 0.
fn said(message: &str) -> String {
    let quoted: Vec<&str> = message.split('"').skip(1).step_by(2).collect();
    let [_, _, channel, payload] = quoted[..] else { panic!("{message}") };
    let (kind, name) = channel.split_once("__:").unwrap();
    let (of, db) = kind.split_once('@').unwrap();
    let db = if db == "0" { String::new() } else { format!("/{db}") };
    match of {
        "__keyspace" => format!("{name}{db} {payload}"),
        "__keyevent" => format!("@{name} {payload}{db}"),
        other => panic!("{other}"),
    }
}

fn heard(net: &mut Net, listener: ClientId) -> Vec<String> {
    net.take(listener).iter().map(|message| said(message)).collect()
}

#[test]
fn an_event_is_told_on_both_channels_wherever_the_listener_is() {
    on_all_with(ALL, |net| {
        for worker in 0..3 {
            let (listener, client) = (listener(net, worker), net.connect(0));
            for partition in 0..PARTITIONS {
                let key = key_in(partition, "k");
                net.talk(
                    client,
                    &[&format!("SET {key} v EX 100"), &format!("GETDEL {key}"), &format!("GET {key}")],
                );
                let expect = ["new", "set", "expire", "del", "keymiss"].into_iter();
                let expect = expect.flat_map(|event| [format!("{key} {event}"), format!("@{event} {key}")]);
                assert_eq!(heard(net, listener), expect.collect::<Vec<_>>());
            }
            net.talk(client, &["SELECT 5", "LPUSH l a", "MOVE l 6"]);
            assert_eq!(
                heard(net, listener),
                [
                    "l/5 new",
                    "@new l/5",
                    "l/5 lpush",
                    "@lpush l/5",
                    "l/6 new",
                    "@new l/6",
                    "l/5 move_from",
                    "@move_from l/5",
                    "l/6 move_to",
                    "@move_to l/6"
                ]
            );
            net.talk(client, &["FLUSHALL"]);
            assert!(heard(net, listener).is_empty());
            net.hang_up(listener);
        }
    });
}

#[test]
fn nothing_is_told_unless_it_is_asked_for_and_then_by_all_workers() {
    on_all(|net| {
        let (listener, client) = (listener(net, 0), net.connect(1));
        let keys: Vec<String> = (0..PARTITIONS).map(|partition| key_in(partition, "k")).collect();
        let set_all = |net: &mut Net| {
            for key in &keys {
                assert_eq!(net.ask(client, &format!("SET {key} v")), "OK");
            }
        };
        set_all(net);
        assert!(heard(net, listener).is_empty());
        for (letters, each) in [("K$", 1), ("E$", 1), ("KE$", 2), ("A", 0), ("KEl", 0), ("KEA", 2), ("", 0)] {
            assert_eq!(net.ask(client, &format!("CONFIG SET notify-keyspace-events \"{letters}\"")), "OK");
            set_all(net);
            assert_eq!(heard(net, listener).len(), keys.len() * each, "{letters}");
        }
        let refused = net.ask(client, "CONFIG SET notify-keyspace-events KEy");
        assert!(refused.ends_with("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.)"), "{refused}");
        net.ask(client, "CONFIG SET notify-keyspace-events KEnA");
        assert_eq!(
            net.ask(client, "CONFIG GET notify-keyspace-events"),
            "[\"notify-keyspace-events\" \"AKE\"]"
        );
    });
}

#[test]
fn who_listens_to_itself_is_answered_first() {
    on_all_with(BY_KEY, |net| {
        for partition in 0..PARTITIONS {
            let (client, key) = (net.connect(0), key_in(partition, "self"));
            net.talk(client, &["HELLO 3", "PSUBSCRIBE __key*"]);
            let message =
                |event: &str| format!(">[\"pmessage\" \"__key*\" \"__keyspace@0__:{key}\" \"{event}\"]");
            assert_eq!(
                net.talk(client, &[&format!("INCR {key}")]),
                ["1".to_owned(), message("new"), message("incrby")]
            );
            assert_eq!(
                net.talk(client, &["MULTI", &format!("INCR {key}"), &format!("DEL {key}"), "EXEC", "PING"]),
                ["OK", "QUEUED", "QUEUED", "[2 1]", &message("incrby"), &message("del"), "PONG"]
            );
            net.hang_up(client);
        }
    });
}

#[test]
fn requests_over_several_partitions_tell_in_the_order_of_redis() {
    on_all_with(BY_KEY, |net| {
        let (listener, client) = (listener(net, 2), net.connect(1));
        let (a, b) = (key_in(0, "a"), key_in(PARTITIONS - 1, "b"));
        for (line, expect) in [
            (
                format!("MSET {b} 1 {a} 2"),
                vec![format!("{b} new"), format!("{b} set"), format!("{a} new"), format!("{a} set")],
            ),
            (
                format!("RENAME {b} {a}"),
                vec![format!("{a} new"), format!("{b} rename_from"), format!("{a} rename_to")],
            ),
            (format!("COPY {a} {b}"), vec![format!("{b} new"), format!("{b} copy_to")]),
            (format!("DEL {a} {b} {a}"), vec![format!("{a} del"), format!("{b} del")]),
            (format!("RPUSH {a} x"), vec![format!("{a} new"), format!("{a} rpush")]),
            (
                format!("LMOVE {a} {b} LEFT RIGHT"),
                vec![format!("{b} new"), format!("{b} rpush"), format!("{a} lpop"), format!("{a} del")],
            ),
        ] {
            net.talk(client, &[&line]);
            assert_eq!(heard(net, listener), expect, "{line}");
        }
        net.talk(
            client,
            &["MULTI", &format!("SET {a} 1"), &format!("LPOP {b}"), &format!("DEL {a}"), "EXEC"],
        );
        let expect = [
            format!("{a} new"),
            format!("{a} set"),
            format!("{b} lpop"),
            format!("{b} del"),
            format!("{a} del"),
        ];
        assert_eq!(heard(net, listener), expect);
    });
}

#[test]
fn a_client_that_waited_takes_and_that_is_told() {
    on_all_with(BY_KEY, |net| {
        let listener = listener(net, 0);
        for partition in 0..PARTITIONS {
            let (waiter, client) = (net.connect(1), net.connect(2));
            let list = key_in(partition, "l");
            net.send(waiter, &[&format!("BLPOP {list} 0")]);
            net.settle();
            assert_eq!(net.talk(client, &[&format!("RPUSH {list} x")]), ["1"]);
            assert_eq!(net.take(waiter), [format!("[\"{list}\" \"x\"]")]);
            let expect = ["new", "rpush", "lpop", "del"].map(|event| format!("{list} {event}"));
            assert_eq!(heard(net, listener), expect);
        }
    });
}

#[test]
fn what_lapses_and_what_is_evicted_is_told() {
    let settings = [("maxmemory", "300000"), ("maxmemory-policy", "allkeys-lru"), BY_KEY[0]];
    for workers in 1..=3 {
        let mut net = Net::with(Options { workers, seed: 3, logging: true, settings: settings.to_vec() });
        let (listener, client) = (listener(&mut net, 0), net.connect(1));
        let keys: Vec<String> = (0..PARTITIONS).map(|partition| key_in(partition, "k")).collect();
        for key in &keys {
            net.talk(client, &[&format!("SET {key} v PX 100"), &format!("HSET h{key} f 1 g 2")]);
            net.talk(client, &[&format!("HPEXPIRE h{key} 100 FIELDS 1 f")]);
        }
        heard(&mut net, listener);
        net.pass(200);
        let mut expect: Vec<String> =
            keys.iter().flat_map(|key| [format!("{key} expired"), format!("h{key} hexpired")]).collect();
        expect.sort_unstable();
        let mut told = heard(&mut net, listener);
        told.sort_unstable();
        assert_eq!(told, expect);
        let value = "x".repeat(2000);
        for n in 0..300 {
            net.talk(client, &[&format!("SET big:{n} {value}")]);
        }
        let told = heard(&mut net, listener);
        let evicted = told.iter().filter(|message| message.ends_with(" evicted")).count();
        let info = net.ask(client, "INFO stats");
        let counted = info.lines().find_map(|line| line.strip_prefix("evicted_keys:")).unwrap();
        assert!(evicted > 100 && counted == evicted.to_string(), "{evicted} {counted}");
    }
}

/// Each message once, of each key in order.
fn by_key(world: &mut World, listener: usize) -> BTreeMap<String, Vec<String>> {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for message in world.answers(listener) {
        let message = said(&show(&message));
        let (key, event) = message.split_once(' ').unwrap();
        told.entry(key.to_owned()).or_default().push(event.to_owned());
    }
    told
}

fn world_that_tells(seed: u64) -> World {
    let mut world = World::of(3, seed);
    // Set at any node, it is that of all.
    let client = world.connect(seed as usize % 3);
    assert_eq!(world.ask(client, "CONFIG SET notify-keyspace-events AKn"), "OK");
    world
}

fn subscribe(world: &mut World, node: usize) -> usize {
    let listener = world.connect(node);
    assert!(world.ask(listener, "PSUBSCRIBE __keyspace*").contains("psubscribe"));
    listener
}

#[test]
fn on_a_cluster_each_event_is_told_once_to_listeners_on_all_nodes() {
    for seed in 0..4 {
        let mut world = world_that_tells(seed);
        let listeners: Vec<usize> = (0..3).map(|node| subscribe(&mut world, node)).collect();
        let client = world.connect(0);
        for n in 0..20 {
            world.ask(client, &format!("SET k{n} v PX 300"));
            world.ask(client, &format!("APPEND k{n} w"));
        }
        world.ask(client, "MULTI");
        world.ask(client, "SADD s a");
        world.ask(client, "SREM s a");
        assert_eq!(world.ask(client, "EXEC"), "[1 1]");
        world.pass(2000);
        for listener in listeners {
            let told = by_key(&mut world, listener);
            assert_eq!(told.len(), 21, "{told:?}");
            assert_eq!(told["s"], ["new", "sadd", "srem", "del"]);
            for n in 0..20 {
                let events = &told[&format!("k{n}")];
                assert_eq!(*events, ["new", "set", "expire", "append", "expired"], "k{n} of seed {seed}");
            }
        }
    }
}

#[test]
fn a_new_leader_does_not_tell_again_what_the_old_one_told() {
    for seed in 0..6 {
        let mut world = world_that_tells(seed);
        let listener = subscribe(&mut world, 0);
        let client = world.connect(0);
        let mut sent: BTreeMap<String, usize> = BTreeMap::new();
        for round in 0..6 {
            for n in 0..8 {
                // Not waited for: some are under way when a node dies.
                world.send(client, &format!("INCR k{n}"));
                *sent.entry(format!("k{n}")).or_default() += 1;
            }
            world.pass(if round % 2 == 0 { 2 } else { 400 });
            if round % 2 == 0 {
                let victim = 1 + round / 2 % 2;
                world.kill(victim);
                world.pass(2500);
                world.restart(victim);
                world.pass(2500);
            }
        }
        world.pass(3000);
        let told = by_key(&mut world, listener);
        for (key, sent) in sent {
            let count = told.get(&key).map_or(0, |events| events.iter().filter(|e| *e == "incrby").count());
            assert!(count <= sent, "{key} of seed {seed} was told of {count} times for {sent} requests");
            // Only what was under way when its leader died may be missing.
            assert!(count + 3 >= sent, "{key} of seed {seed}: {count} of {sent}");
        }
    }
}

/// Keys whose deadlines lie within two seconds, by their moments.
fn sets_of(now: u64, keys: u64, salt: &str) -> Vec<String> {
    let deadline = |n: u64| now + 50 + n * 7919 % 2000;
    (0..keys).map(|n| format!("SET at:{}:{salt}:{n} v PXAT {}", deadline(n), deadline(n))).collect()
}

/// How late a key was told of that has its deadline in its name.
fn lateness(message: &str, now: u64) -> u64 {
    let key = message.split(' ').next().unwrap();
    let deadline: u64 = key.split(':').nth(1).unwrap().parse().unwrap();
    assert!(deadline <= now, "{key} at {now}");
    now - deadline
}

#[test]
fn a_key_is_gone_some_milliseconds_after_its_deadline() {
    for workers in 1..=3 {
        let settings = vec![("notify-keyspace-events", "Kx")];
        let mut net = Net::with(Options { workers, seed: 1, logging: true, settings });
        let (listener, client) = (listener(&mut net, 0), net.connect(1));
        let sets = sets_of(net.now.millis().0, 1000, "lone");
        net.talk(client, &sets.iter().map(String::as_str).collect::<Vec<_>>());
        let (mut told, mut latest) = (0, 0);
        for n in 0..2200 {
            net.pass(1);
            // Others write meanwhile, some with deadlines far away, and others nothing.
            match n % 3 {
                0 => drop(net.talk(client, &[&format!("SET other:{n} v")])),
                1 => drop(net.talk(client, &[&format!("SET other:{n} v PX 1000000")])),
                _ => {}
            }
            for message in heard(&mut net, listener) {
                told += 1;
                latest = latest.max(lateness(&message, net.now.millis().0));
            }
        }
        assert_eq!(told, 1000);
        assert!(latest <= 7, "{latest} ms with {workers} workers");
    }
}

#[test]
fn on_a_cluster_a_key_is_gone_a_round_after_that() {
    let mut world = world_that_tells(5);
    let (listener, client) = (subscribe(&mut world, 1), world.connect(0));
    for set in sets_of(world.now.millis().0, 200, "each") {
        world.send(client, &set);
    }
    // Many of one partition at once: more than one deletion takes.
    let together = world.now.millis().0 + 1000;
    for n in 0..1000 {
        world.send(client, &format!("SET at:{together}:{{one}}:{n} v PXAT {together}"));
    }
    let (mut told, mut latest, mut last_of_many) = (0, 0, 0);
    for _ in 0..4000 {
        world.pass(1);
        let now = world.now.millis().0;
        for message in world.answers(listener) {
            let message = said(&show(&message));
            if message.ends_with(" expired") {
                told += 1;
                match message.contains("{one}") {
                    true => last_of_many = last_of_many.max(lateness(&message, now)),
                    false => latest = latest.max(lateness(&message, now)),
                }
            }
        }
    }
    assert_eq!(told, 1200);
    assert!(latest <= 10, "{latest} ms");
    assert!(last_of_many <= 30, "{last_of_many} ms for a thousand of one partition");
}
