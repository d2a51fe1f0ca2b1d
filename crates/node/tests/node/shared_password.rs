//! The password of a cluster's founder holds for nodes that have none.

use crate::cluster_world::World;

const HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c3Nzc3Nzc3Nzc3Nzc3Nzcw$aGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGg";
const OTHER: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c3Nzc3Nzc3Nzc3Nzc3Nzdw$aGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGg";
const NOAUTH: &str = "(NOAUTH Authentication required.)";

/// A founder with this password.
fn closed_by(hash: &str, seed: u64) -> World {
    let mut world = World::of(1, seed);
    start_with(&mut world, 0, hash);
    world
}

/// Starts a node again with this in its configuration.
fn start_with(world: &mut World, node: usize, password: &str) {
    world.kill(node);
    world.passwords.insert(node, password.to_owned());
    world.restart(node);
    world.pass(3000);
}

fn pings(world: &mut World, nodes: &[usize]) -> Vec<String> {
    let ping = |node: &usize| {
        let client = world.connect_from_outside(*node);
        world.ask(client, "PING")
    };
    nodes.iter().map(ping).collect()
}

#[test]
fn a_node_that_joins_without_a_password_is_closed_by_the_founders() {
    let mut world = closed_by(HASH, 1);
    let newcomer = world.begin_join();
    assert_eq!(pings(&mut world, &[0, newcomer]), [NOAUTH, NOAUTH], "from the first");
    world.settle();
    for node in [0, newcomer] {
        world.kill(node);
        world.restart(node);
        assert_eq!(pings(&mut world, &[node]), [NOAUTH], "after a restart as well");
        world.pass(3000);
    }
    // A password that is changed where it is configured is changed for who has none.
    start_with(&mut world, 0, OTHER);
    assert_eq!(world.meta(newcomer).setting("requirepass"), Some(OTHER));
    // Nobody has it in a configuration any more, and the cluster does not forget it for that.
    start_with(&mut world, 0, "");
    assert_eq!(pings(&mut world, &[0, newcomer]), [NOAUTH, NOAUTH]);
}

#[test]
fn who_starts_with_another_password_does_not_take_the_others_theirs() {
    let mut world = closed_by(HASH, 4);
    let (one, other) = (world.join(), world.join());
    start_with(&mut world, other, OTHER);
    for node in [0, one, other] {
        assert_eq!(world.meta(node).setting("requirepass"), Some(HASH));
    }
}

#[test]
fn the_only_member_is_opened_by_its_configuration_and_who_joins_it_is_open() {
    let mut world = closed_by(HASH, 2);
    start_with(&mut world, 0, "");
    assert_eq!(pings(&mut world, &[0]), ["PONG"]);
    let newcomer = world.join();
    assert_eq!(pings(&mut world, &[0, newcomer]), ["PONG", "PONG"]);
}

#[test]
fn a_node_that_brings_a_password_to_an_open_cluster_is_named_by_all() {
    let mut world = World::of(2, 3);
    let client = world.connect(0);
    assert_eq!(world.ask(client, "FABRIC CHECK").matches("password").count(), 0);
    start_with(&mut world, 1, HASH);
    assert_eq!(pings(&mut world, &[0, 1]), ["PONG", NOAUTH]);
    let name = world.meta(0).member(world.id(1)).unwrap().name.clone();
    for request in ["FABRIC CHECK", "FABRIC STATUS"] {
        let told = world.ask(client, request);
        let finding = format!("this node lets everybody in, and node {name} has a password");
        assert!(told.contains(&finding), "{request}: {told}");
    }
    // It says so itself once it may be asked.
    start_with(&mut world, 0, OTHER);
    let guard = node::Guard::of(&world.meta(1), world.id(1), true);
    assert_eq!(guard, Some(node::Guard::Apart));
    // One for all ends it.
    start_with(&mut world, 0, "");
    let client = world.connect(0);
    assert_eq!(world.ask(client, &format!("CONFIG SET requirepass {HASH}")), "OK");
    world.pass(100);
    assert_eq!(pings(&mut world, &[0, 1]), [NOAUTH, NOAUTH]);
    assert_eq!(node::Guard::of(&world.meta(1), world.id(1), true), None);
}
