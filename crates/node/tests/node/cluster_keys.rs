//! Commands whose keys may lie in several partitions of a fabric: done where they lie in one, refused elsewhere, and
//! every replica makes the same of them.

use crate::cluster_world::World;

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
