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
