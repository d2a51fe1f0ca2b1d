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

/// The number of a call that one node has just sent to another, of which so many bytes stand before the block that is `body`.
fn call_of(world: &World, from: usize, to: usize, before: usize, body: &[u8]) -> [u8; 8] {
    let bytes = world.on_the_way(from, to);
    let at = bytes.windows(body.len()).position(|part| part == body).expect("it was sent");
    bytes[at - 4 - before..][..8].try_into().unwrap()
}

#[test]
fn who_was_not_asked_answers_nothing() {
    let mut world = World::of(3, 4);
    let key = (0..).map(|n| format!("key:{n}")).find(|key| world.leads(1, key)).unwrap();
    let client = world.connect(0);
    world.set_way(1, 0, false);
    world.send(client, &format!("SET {key} value"));
    // The call, partition, whose, database, flags, level.
    let call = call_of(&world, 0, 1, 8 + 2 + 8 + 3, b"*3\r\n$3\r\nSET\r\n");
    world.pass(100);
    let block = [&5_u32.to_le_bytes()[..], b"+NO\r\n"].concat();
    world.answer_of_peer(2, 0, &item(3, &[&call, &block]));
    world.answer_of_peer(2, 0, &item(4, &[&call, &[0; 8]]));
    assert_eq!(malformed(&mut world, 0), 2);
    assert!(world.answers(client).is_empty());
    world.set_way(1, 0, true);
    world.pass(100);
    assert_eq!(shown(&mut world, client), ["OK"]);
}

#[test]
fn only_the_leader_that_was_asked_says_what_became_of_a_command_for_the_fabric() {
    let mut world = World::of(3, 4);
    let leader = (0..3).find(|node| world.leads_meta(*node)).unwrap();
    let (asker, other) = ((leader + 1) % 3, (leader + 2) % 3);
    world.set_way(leader, asker, false);
    let command = Command::SetWeight { node: world.id(asker), weight: 50 };
    world.begin_to_ask_fabric(asker, command.clone());
    let call = call_of(&world, asker, leader, 8, &command.encode());
    world.pass(100);
    let block = [&2_u32.to_le_bytes()[..], b"no"].concat();
    world.answer_of_peer(other, asker, &item(12, &[&call, &block]));
    assert_eq!(world.agreed, []);
    world.set_way(leader, asker, true);
    world.pass(100);
    assert_eq!(world.agreed, [Ok(())]);
}
