//! Reads of clients that say how fresh they must be: `CLIENT READ`.

use crate::cluster_world::World;
use crate::net::show;

fn keys() -> impl Iterator<Item = String> {
    (0..40).map(|n| format!("key:{n}"))
}

/// A clock that lies: the turn says that it is as early as when the lease was good.
#[test]
fn a_read_that_is_to_be_confirmed_believes_no_clock() {
    let mut world = World::of(3, 18);
    let old = (0..3).find(|&node| world.leads(node, "key:1")).unwrap();
    let other = (old + 1) % 3;
    let (client, writer) = (world.connect(old), world.connect(other));
    assert_eq!(world.ask(client, "CLIENT READ"), "\"lease\"");
    assert_eq!(world.ask(writer, "SET key:1 old"), "OK");
    world.settle();
    let began = world.now;
    world.pause(old, 5000);
    world.pass(1500);
    assert_eq!(world.ask(writer, "SET key:1 new"), "OK");
    let now = std::mem::replace(&mut world.now, began);
    world.send(client, "GET key:1");
    assert_eq!(show(&world.answers(client)[0]), "\"old\"", "the lease believes it");
    world.send(client, "CLIENT READ linear");
    assert_eq!(show(&world.answers(client)[0]), "OK");
    for line in ["GET key:1", "MGET key:1 {key:1}:2", "GET key:1"] {
        world.send(client, line);
    }
    world.now = now;
    assert!(world.answers(client).is_empty(), "nobody has confirmed that it leads");
    world.pass(6000);
    let answers: Vec<String> = world.answers(client).iter().map(show).collect();
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(|answer| !answer.contains("old")), "{answers:?}");
    assert_eq!(world.ask(client, "GET key:1"), "\"new\"");
}

#[test]
fn reads_that_are_confirmed_see_what_was_answered_before_on_whichever_node() {
    let mut world = World::of(3, 19);
    let clients: Vec<usize> = (0..3).map(|node| world.connect(node)).collect();
    for client in &clients {
        assert_eq!(world.ask(*client, "CLIENT READ LINEAR"), "OK");
        assert!(world.ask(*client, "CLIENT INFO").contains(" read=linear "));
    }
    for round in 0..4 {
        for (number, key) in keys().enumerate() {
            let (writer, reader) = (clients[number % 3], clients[(number + round) % 3]);
            assert_eq!(world.ask(writer, &format!("SET {key} {round}")), "OK");
            assert_eq!(world.ask(reader, &format!("GET {key}")), format!("\"{round}\""));
        }
    }
    let client = clients[0];
    assert_eq!(world.ask(client, "CLIENT READ sometimes"), "(ERR read level must be lease, linear or stale)");
    // READONLY is the same as `stale`, and READWRITE takes it back.
    for (line, level) in [("READONLY", "stale"), ("READWRITE", "lease"), ("CLIENT READ stale", "stale")] {
        assert_eq!(world.ask(client, line), "OK");
        assert_eq!(world.ask(client, "CLIENT READ"), format!("\"{level}\""));
    }
    assert_eq!(world.ask(client, "RESET"), "RESET");
    assert_eq!(world.ask(client, "CLIENT READ"), "\"lease\"");
}
