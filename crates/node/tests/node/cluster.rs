//! A fabric of several nodes: any client on any node, through joins, deaths and cuts.

use crate::cluster_world::{PARTITIONS, World};

/// A key of each partition would do; these are spread well enough.
fn keys() -> impl Iterator<Item = String> {
    (0..40).map(|n| format!("key:{n}"))
}

fn write_all(world: &mut World, node: usize, value: &str) {
    let client = world.connect(node);
    for key in keys() {
        assert_eq!(world.ask(client, &format!("SET {key} {value}")), "OK");
    }
}

#[track_caller]
fn check_all(world: &mut World, node: usize, value: &str) {
    let client = world.connect(node);
    for key in keys() {
        assert_eq!(world.ask(client, &format!("GET {key}")), format!("{value:?}"), "{key} on node {node}");
    }
}

#[test]
fn one_node_founds_a_fabric_and_serves_as_before() {
    let mut world = World::new(1, true);
    write_all(&mut world, 0, "a");
    check_all(&mut world, 0, "a");
    let meta = world.meta(0);
    assert_eq!(meta.partitions(), PARTITIONS);
    assert_eq!(meta.data_nodes().count(), 1);
}

#[test]
fn three_nodes_hold_the_same_and_any_of_them_serves_any_key() {
    let mut world = World::new(2, true);
    write_all(&mut world, 0, "before");
    world.join();
    world.join();
    world.settle();
    for node in 0..3 {
        check_all(&mut world, node, "before");
    }
    for node in 0..3 {
        write_all(&mut world, node, &format!("from-{node}"));
        for other in 0..3 {
            check_all(&mut world, other, &format!("from-{node}"));
        }
    }
    world.settle();
    let digests: Vec<String> = (0..3).map(|node| world.digest(node)).collect();
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0], digests[2]);
}

#[test]
fn a_death_is_waited_out_and_nothing_answered_is_lost() {
    let mut world = World::of(3, 3);
    write_all(&mut world, 1, "kept");
    for node in 0..3 {
        world.kill(node);
        assert!(!world.is_running(node));
        let other = (node + 1) % world.count();
        check_all(&mut world, other, "kept");
        write_all(&mut world, other, "kept");
        world.restart(node);
        world.settle();
        check_all(&mut world, node, "kept");
    }
    let digests: Vec<String> = (0..3).map(|node| world.digest(node)).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[test]
fn a_node_that_is_cut_off_refuses_and_comes_back() {
    let mut world = World::of(3, 4);
    write_all(&mut world, 0, "before");
    for other in [1, 2] {
        world.cut.extend([(0, other), (other, 0)]);
    }
    world.pass(2000);
    let client = world.connect(0);
    assert!(world.ask(client, "SET key:1 x").contains("CLUSTERDOWN"), "a minority takes no write");
    assert!(world.is_open(client));
    write_all(&mut world, 1, "after");
    world.cut.clear();
    world.settle();
    check_all(&mut world, 0, "after");
}

#[test]
fn a_leader_that_stood_still_answers_nothing_stale() {
    let mut world = World::of(3, 5);
    write_all(&mut world, 0, "old");
    world.pause(0, 3000);
    world.pass(1500);
    write_all(&mut world, 1, "new");
    world.pass(2000);
    check_all(&mut world, 0, "new");
}

#[test]
fn checkpoints_carry_a_node_over_a_restart() {
    let mut world = World::of(3, 6);
    write_all(&mut world, 0, "one");
    world.begin_checkpoint(2);
    write_all(&mut world, 0, "two");
    world.kill(2);
    world.restart(2);
    world.settle();
    check_all(&mut world, 2, "two");
    assert_eq!(world.digest(2), world.digest(1));
}

#[test]
fn transactions_and_requests_over_partitions_work_anywhere() {
    let mut world = World::of(3, 7);
    let client = world.connect(2);
    assert_eq!(world.ask(client, "MSET a 1 b 2 c 3 d 4 e 5"), "OK");
    assert_eq!(world.ask(client, "MGET e a x c"), r#"["5" "1" nil "3"]"#);
    assert_eq!(world.ask(client, "DBSIZE"), "5");
    assert_eq!(world.ask(client, "DEL a b nobody"), "2");
    assert_eq!(world.ask(client, "EXISTS a b c d"), "2");
    assert!(world.ask(client, "RENAME c d").starts_with("CROSSSLOT") || world.ask(client, "EXISTS d") == "1");
    assert_eq!(world.ask(client, "MULTI"), "OK");
    assert_eq!(world.ask(client, "INCR {t}n"), "QUEUED");
    assert_eq!(world.ask(client, "GET {t}n"), "QUEUED");
    assert_eq!(world.ask(client, "PING"), "QUEUED");
    assert_eq!(world.ask(client, "EXEC"), r#"[1 "1" PONG]"#);
    let other = world.connect(1);
    assert_eq!(world.ask(client, "WATCH {t}n"), "OK");
    assert_eq!(world.ask(other, "INCR {t}n"), "2");
    assert_eq!(world.ask(client, "MULTI"), "OK");
    assert_eq!(world.ask(client, "SET {t}n lost"), "QUEUED");
    assert_eq!(world.ask(client, "EXEC"), "nil");
    assert_eq!(world.ask(other, "GET {t}n"), r#""2""#);
    assert_eq!(world.ask(client, "FLUSHALL"), "OK");
    assert_eq!(world.ask(other, "DBSIZE"), "0");
}
