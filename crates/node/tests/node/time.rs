//! Nodes that do not know yet what time it is: what they would write could have another time than what is in the log.

use crate::cluster_world::World;

const KEY: &str = "key";

fn leader(world: &World) -> Option<usize> {
    (0..world.count()).find(|node| world.leads(*node, KEY))
}

#[test]
fn who_does_not_know_what_time_it_is_is_not_elected_and_helps_to_elect_others() {
    for seed in 0..4 {
        let mut world = World::of(3, seed);
        let client = world.connect(0);
        assert_eq!(world.ask(client, &format!("SET {KEY} v")), "OK");
        let old = leader(&world).unwrap();
        let [first, second] = [1, 2].map(|more| (old + more) % 3);
        world.set_knows_time(first, false);
        world.kill(first);
        world.restart(first);
        world.pass(2000);
        world.kill(old);
        assert!(world.pass_until(4000, |world| world.leads(second, KEY)), "seed {seed}");
        // With one that knows gone as well and back, nobody is left who may lead.
        world.set_knows_time(second, false);
        world.kill(second);
        world.restart(second);
        world.pass(8000);
        assert_eq!(leader(&world), None, "seed {seed}");
        world.set_knows_time(second, true);
        assert!(world.pass_until(4000, |world| world.leads(second, KEY)), "seed {seed}");
        let client = world.connect(first);
        assert_eq!(world.ask(client, &format!("GET {KEY}")), "\"v\"", "seed {seed}");
    }
}

#[test]
fn what_a_node_has_alone_is_served_once_it_knows_what_time_it_is() {
    let mut world = World::new(3, true);
    let witness = world.begin_join_as(cluster::MemberKind::Witness);
    world.pass(3000);
    world.set_knows_time(0, false);
    world.kill(0);
    world.restart(0);
    world.pass(1000);
    let (own, others) = (world.connect(0), world.connect(witness));
    world.send(own, &format!("SET {KEY} v EX 10"));
    world.send(others, "GET other");
    world.pass(1000);
    assert!(world.answers(own).is_empty() && world.answers(others).is_empty());
    world.set_knows_time(0, true);
    world.pass(1000);
    assert_eq!((world.answers(own).len(), world.answers(others).len()), (1, 1));
    assert_eq!(world.ask(own, &format!("GET {KEY}")), "\"v\"");
}
