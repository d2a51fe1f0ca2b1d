//! What becomes of requests that one node has another serve when the way back is lost, or is not there yet.

use cluster::Command;

use crate::cluster_world::World;
use crate::net::show;

/// Clients of a node that write and read a key which another leads, with nothing answered yet.
fn with_requests_under_way(world: &mut World, hinder: impl Fn(&mut World)) -> (usize, usize) {
    let key = (0..).map(|n| format!("key:{n}")).find(|key| world.leads(1, key)).unwrap();
    let (writer, reader) = (world.connect(0), world.connect(0));
    assert_eq!(world.ask(writer, &format!("SET {key} before")), "OK");
    hinder(world);
    world.send(writer, &format!("SET {key} after"));
    world.send(reader, &format!("GET {key}"));
    world.pass(100);
    assert!(world.answers(writer).is_empty() && world.answers(reader).is_empty());
    (writer, reader)
}

fn shown(world: &mut World, client: usize) -> Vec<String> {
    world.answers(client).iter().map(show).collect()
}

#[test]
fn what_is_answered_while_there_is_no_way_back_comes_once_there_is_one() {
    let mut world = World::of(3, 4);
    let (writer, reader) = with_requests_under_way(&mut world, |world| world.set_way(1, 0, false));
    world.set_way(1, 0, true);
    world.pass(100);
    assert_eq!(shown(&mut world, writer), ["OK"]);
    assert_eq!(shown(&mut world, reader), ["\"after\""]);
}

#[test]
fn what_was_on_the_way_when_it_broke_is_not_waited_for() {
    let mut world = World::of(3, 4);
    let (writer, reader) = with_requests_under_way(&mut world, |world| world.cut_way(1, 0));
    world.cut.clear();
    world.set_way(1, 0, false);
    world.set_way(1, 0, true);
    world.pass(100);
    let answers = shown(&mut world, writer);
    assert!(answers.len() == 1 && answers[0].contains("UNKNOWNOUTCOME"), "{answers:?}");
    assert_eq!(shown(&mut world, reader), ["\"after\""], "what only reads is asked again");
}

#[test]
fn the_end_of_a_link_to_an_earlier_run_of_a_node_says_nothing_of_what_the_next_was_asked() {
    let mut world = World::of(3, 4);
    let earlier = world.run(1);
    world.kill(1);
    world.pass(3000);
    world.restart(1);
    world.settle();
    world.pass(10_000);
    let (writer, _) = with_requests_under_way(&mut world, |world| world.set_way(1, 0, false));
    let (node, run) = (world.id(1), world.run(1));
    world.turn(0, |worker| worker.answers_lost(node, earlier));
    world.pass(50);
    assert!(world.answers(writer).is_empty());
    world.turn(0, |worker| worker.answers_lost(node, run));
    world.pass(50);
    let answers = shown(&mut world, writer);
    assert!(answers.len() == 1 && answers[0].contains("UNKNOWNOUTCOME"), "{answers:?}");
}

#[test]
fn what_is_owed_to_a_node_that_is_removed_is_not_kept() {
    let mut world = World::of(3, 4);
    with_requests_under_way(&mut world, |world| world.set_way(1, 0, false));
    let id = world.id(0);
    world.kill(0);
    assert!(world.worker(1).owed_bytes() > 0);
    world.pass(15_000);
    assert!(world.worker(1).owed_bytes() > 0, "it may still come back");
    assert_eq!(world.ask_fabric(1, Command::Remove { node: id }), Ok(()));
    world.pass(100);
    assert_eq!(world.worker(1).owed_bytes(), 0);
}

fn malformed(world: &mut World, node: usize) -> u64 {
    let client = world.connect(node);
    let info = world.ask(client, "INFO");
    let (_, rest) = info.split_once("narf_peer_frames_malformed:").unwrap();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Docs/formats/peer-frame.md: a kind, and what is in an item of it.
fn item(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    [&[kind], parts.concat().as_slice()].concat()
}

#[test]
fn what_a_peer_says_to_a_worker_that_there_is_not_is_malformed() {
    let mut world = World::of(2, 4);
    let call = (7_u64 << 48).to_le_bytes();
    let (block, worker, session) = ([0; 4], 1_u16.to_le_bytes(), [0; 12]);
    let items = [
        item(3, &[&call, &block]),
        item(4, &[&call, &[0; 8]]),
        item(12, &[&call, &block]),
        item(20, &[&call]),
        item(27, &[&worker, &session, &[0], &[0]]),
    ];
    for (so_far, item) in items.iter().enumerate() {
        world.answer_of_peer(1, 0, item);
        assert_eq!(malformed(&mut world, 0), so_far as u64 + 1, "{item:?}");
    }
}
