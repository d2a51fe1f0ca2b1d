//! Settings of the whole fabric: set at one node, they hold on all, through restarts and for who comes later.

use crate::cluster_world::World;
use crate::net::show;

const NAMES: &str = "notify-keyspace-events hash-max-listpack-entries maxmemory-policy";

/// What a node shows of the shared settings that are looked at here.
fn shown(world: &mut World, node: usize) -> String {
    let client = world.connect(node);
    world.ask(client, &format!("CONFIG GET {NAMES}"))
}

/// The answer to a request that may take as long as a fabric without a majority takes to say so.
fn answer(world: &mut World, client: usize) -> String {
    for _ in 0..100 {
        world.pass(100);
        if let [answer] = &world.answers(client)[..] {
            return show(answer);
        }
    }
    panic!("no answer");
}

#[test]
fn what_is_set_at_one_node_holds_on_all_after_restarts_and_for_who_joins() {
    let mut world = World::of(3, 1);
    let client = world.connect(1);
    let set = "CONFIG SET notify-keyspace-events KEA hash-max-ziplist-entries 3 maxmemory-policy allkeys-lru \
               slowlog-max-len 7";
    assert_eq!(world.ask(client, set), "OK");
    let expect = "[\"maxmemory-policy\" \"allkeys-lru\" \"hash-max-listpack-entries\" \"3\" \
                  \"notify-keyspace-events\" \"AKE\"]";
    assert_eq!(shown(&mut world, 1), expect, "whoever set it sees it at once");
    world.pass(100);
    for node in [0, 2] {
        assert_eq!(shown(&mut world, node), expect, "node {node}");
        let client = world.connect(node);
        let own = world.ask(client, "CONFIG GET slowlog-max-len");
        assert_eq!(
            own, "[\"slowlog-max-len\" \"128\"]",
            "a node's own setting, though it was set with others"
        );
    }
    // By way of any node, whoever leads the keys.
    let other = world.connect(2);
    for key in 0..8 {
        assert_eq!(world.ask(other, &format!("HSET h{key} a 1 b 2 c 3 d 4")), "4");
        assert_eq!(world.ask(other, &format!("OBJECT ENCODING h{key}")), "\"hashtable\"");
    }
    for node in 0..3 {
        world.kill(node);
        world.restart(node);
        world.pass(3000);
        assert_eq!(shown(&mut world, node), expect, "node {node} after a restart");
    }
    let newcomer = world.join();
    world.pass(1000);
    assert_eq!(shown(&mut world, newcomer), expect, "a newcomer");
}

#[test]
fn a_lone_member_keeps_what_is_set_for_those_who_come() {
    let mut world = World::of(1, 2);
    let client = world.connect(0);
    assert_eq!(world.ask(client, "CONFIG SET notify-keyspace-events Kg"), "OK");
    assert_eq!(world.ask(client, "MULTI"), "OK");
    world.ask(client, "CONFIG SET hash-max-listpack-entries 9");
    world.ask(client, "PING");
    assert_eq!(world.ask(client, "EXEC"), "[OK PONG]");
    let newcomer = world.join();
    world.pass(1000);
    let expect = "[\"maxmemory-policy\" \"noeviction\" \"hash-max-listpack-entries\" \"9\" \
                  \"notify-keyspace-events\" \"gK\"]";
    assert_eq!([shown(&mut world, 0), shown(&mut world, newcomer)], [expect, expect]);
}

#[test]
fn changes_at_once_leave_all_nodes_with_the_same() {
    for seed in 0..4 {
        let mut world = World::of(3, seed);
        let clients: Vec<usize> = (0..3).map(|node| world.connect(node)).collect();
        for round in 0..4 {
            for (node, client) in clients.iter().enumerate() {
                let entries = 10 * round + node;
                world.send(*client, &format!("CONFIG SET hash-max-listpack-entries {entries}"));
            }
            world.pass(2000);
            for client in &clients {
                let answers = world.answers(*client);
                assert!(answers.iter().map(show).eq(["OK"]), "{answers:?}");
            }
            let of_first = shown(&mut world, 0);
            assert_eq!([shown(&mut world, 1), shown(&mut world, 2)], [of_first.clone(), of_first]);
        }
    }
}

#[test]
fn what_cannot_be_agreed_on_changes_nothing() {
    let mut world = World::of(3, 3);
    let client = world.connect(0);
    let before = shown(&mut world, 0);
    world.kill(1);
    world.kill(2);
    world.send(client, "CONFIG SET notify-keyspace-events KEA slowlog-max-len 7");
    let refused = answer(&mut world, client);
    assert!(refused.starts_with("(ERR the fabric "), "{refused}");
    assert_eq!(shown(&mut world, 0), before);
    assert_eq!(world.ask(client, "CONFIG GET slowlog-max-len"), "[\"slowlog-max-len\" \"128\"]");
    // What only this node does is set without the others.
    assert_eq!(world.ask(client, "CONFIG SET slowlog-max-len 5"), "OK");
}

#[test]
fn a_password_is_set_by_itself() {
    let mut world = World::of(3, 4);
    let client = world.connect(0);
    let refused = world.ask(client, "CONFIG SET requirepass \"\" maxmemory-policy allkeys-lru");
    assert_eq!(refused, "(ERR requirepass is agreed on as a change of users; set it by itself)");
    assert!(shown(&mut world, 0).contains("noeviction"));
}
