//! Commands whose keys may lie in several partitions of a fabric: done where they lie in one, refused elsewhere, and
//! every replica makes the same of them.

use crate::cluster_world::World;
use crate::net::show;

const CROSS_SLOT: &str = "(CROSSSLOT Keys in request don't hash to the same slot)";

/// Runs a request with `to0`, `to1`, … for `@`: of so many some lie elsewhere.
#[track_caller]
fn refused_for_some(world: &mut World, client: usize, request: &str) {
    let answers: Vec<String> =
        (0..20).map(|n| world.ask(client, &request.replace("@", &format!("to{n}")))).collect();
    let refused = answers.iter().filter(|answer| *answer == CROSS_SLOT).count();
    assert!(refused > 0 && refused < 20, "{request}: {answers:?}");
}

#[track_caller]
fn all_hold_the_same(world: &mut World) {
    world.settle();
    let digest = world.digest(0);
    assert_eq!([world.digest(1), world.digest(2)], [digest.clone(), digest]);
}

#[test]
fn hyperloglogs_are_the_same_on_all_replicas_whatever_their_settings_are() {
    let mut world = World::of(3, 32);
    let clients = [0, 1, 2].map(|node| world.connect(node));
    assert_eq!(world.ask(clients[1], "CONFIG SET hll-sparse-max-bytes 40"), "OK");
    for n in 0..60 {
        let client = clients[n % 3];
        world.ask(client, &format!("PFADD {{h}}{} a{n} b{n} c{n}", n % 4));
        world.ask(client, &format!("PFCOUNT {{h}}{}", n % 4));
        assert_eq!(world.ask(client, &format!("PFMERGE {{h}}to{} {{h}}{}", n % 5, n % 4)), "OK");
    }
    assert_eq!(world.ask(clients[0], "PFCOUNT {h}0"), "45");
    assert_eq!(world.ask(clients[2], "PFCOUNT {h}0 {h}1 {h}2 {h}3"), "181");
    all_hold_the_same(&mut world);
    refused_for_some(&mut world, clients[0], "PFMERGE @ {h}0");
    refused_for_some(&mut world, clients[0], "PFCOUNT {h}0 @");
    all_hold_the_same(&mut world);
}

#[test]
fn searches_are_stored_within_a_partition_and_replicas_agree() {
    let mut world = World::of(3, 31);
    let client = world.connect(1);
    for n in 0..30 {
        let place = format!("{} {}", 10.0 + f64::from(n) / 7.0, 40.0 + f64::from(n * n) / 99.0);
        assert_eq!(world.ask(client, &format!("GEOADD {{g}}from {place} m{n}")), "1");
    }
    let by = "FROMMEMBER m7 BYRADIUS 500 km";
    assert_eq!(world.ask(client, &format!("GEOSEARCHSTORE {{g}}to {{g}}from {by} STOREDIST")), "22");
    assert_eq!(world.ask(client, "GEORADIUS {g}from 11 41 300 mi STOREDIST {g}too"), "23");
    all_hold_the_same(&mut world);
    refused_for_some(&mut world, client, &format!("GEOSEARCHSTORE @ {{g}}from {by}"));
    refused_for_some(&mut world, client, "GEORADIUS {g}from 11 41 300 mi ASC STORE @");
    refused_for_some(&mut world, client, "GEORADIUSBYMEMBER {g}from m7 300 mi STOREDIST @");
    all_hold_the_same(&mut world);
}

const SORT_DENIED: &str =
    "option of SORT denied in cluster mode when keys formed by the pattern may be in different slots.)";

#[test]
fn sort_reaches_no_further_than_its_slot_and_replicas_agree() {
    let mut world = World::of(3, 33);
    let client = world.connect(2);
    for n in 0..9 {
        assert_eq!(world.ask(client, &format!("SADD {{s}}set {n}")), "1");
        assert_eq!(world.ask(client, &format!("SET {{s}}w_{n} {}", n * 5 % 9)), "OK");
    }
    let sorted = r#"["0" "2" "4" "6" "8" "1" "3" "5" "7"]"#;
    assert_eq!(world.ask(client, "SORT {s}set BY {s}w_*"), sorted);
    assert_eq!(world.ask(client, "SORT_RO {s}set BY {s}w_* GET #"), sorted);
    assert_eq!(world.ask(client, "SORT {s}set BY {s}w_* STORE {s}to"), "9");
    assert_eq!(world.ask(client, "LRANGE {s}to 0 -1"), sorted);
    assert_eq!(world.ask(client, "SORT {s}set BY nosort STORE {s}too"), "9");
    assert_eq!(world.ask(client, "SORT {s}set BY w_*"), format!("(ERR BY {SORT_DENIED}"));
    assert_eq!(world.ask(client, "SORT {s}set BY {s}w_* GET {t}w_*"), format!("(ERR GET {SORT_DENIED}"));
    assert_eq!(world.ask(client, "SORT_RO {s}set BY w_{s*}"), format!("(ERR BY {SORT_DENIED}"));
    refused_for_some(&mut world, client, "SORT {s}set STORE @");
    // The other databases are whole in one partition.
    assert_eq!(world.ask(client, "SELECT 4"), "OK");
    assert_eq!(world.ask(client, "MSET w_1 2 w_2 1"), "OK");
    assert_eq!(world.ask(client, "RPUSH list 1 2"), "2");
    assert_eq!(world.ask(client, "SORT list BY w_* GET w_* STORE to"), "2");
    assert_eq!(world.ask(client, "LRANGE to 0 -1"), r#"["1" "2"]"#);
    all_hold_the_same(&mut world);
}

#[test]
fn an_iteration_that_begins_behind_the_last_key_is_at_its_end() {
    let mut world = World::of(3, 7);
    let client = world.connect(1);
    assert_eq!(world.ask(client, "SET key value"), "OK");
    for select in ["SELECT 0", "SELECT 1"] {
        world.ask(client, select);
        assert_eq!(world.ask(client, "SCAN 9223372036854775807 MATCH k*"), r#"["0" []]"#);
        assert_eq!(world.ask(client, "SCAN 9223372036854775807 COUNT 0"), "(ERR syntax error)");
    }
}

#[test]
fn a_read_sees_nothing_of_what_its_client_sent_after_it() {
    let mut waited = 0;
    for seed in 0..60 {
        let mut world = World::of(3, seed);
        let leader = (0..3).find(|node| world.leads(*node, "key")).unwrap();
        let client = world.connect((leader + 1) % 3);
        assert_eq!(world.ask(client, "SET key 0"), "OK");
        world.kill(leader);
        // By the time that another leads, which has no lease yet, all of this has come.
        world.pass(100 + seed * 15);
        for number in 0..6 {
            world.send(client, "GET key");
            world.send(client, &format!("SET key {}", number + 1));
        }
        let mut answers = Vec::new();
        for _ in 0..600 {
            world.pass(5);
            answers.extend(world.answers(client).iter().map(show));
            if answers.len() == 12 {
                break;
            }
        }
        assert_eq!(answers.len(), 12, "seed {seed}: {answers:?}");
        if answers.iter().any(|answer| answer.starts_with('(')) {
            continue;
        }
        waited += 1;
        for (number, pair) in answers.chunks(2).enumerate() {
            assert_eq!(pair, [format!("\"{number}\""), "OK".to_owned()], "seed {seed}: {answers:?}");
        }
    }
    assert!(waited > 20, "{waited}");
}
