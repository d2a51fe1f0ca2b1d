//! Leads that are lost and won again, and what is under way meanwhile.

use cluster::Command;
use resp::Value;

use crate::cluster_world::World;

const KEY: &str = "key";

fn leader(world: &World) -> Option<usize> {
    (0..world.count()).find(|node| world.leads(*node, KEY))
}

/// Lets a node be elected, and nobody hear of it: what it has put into the log since is there and nowhere else.
fn elect_unheard(world: &mut World, node: usize, voter: usize) {
    // Who stands still cannot be elected itself; it gives its vote when it wakes and finds that it was asked.
    world.pause(voter, 5000);
    assert!(world.pass_until(3000, |world| !world.leads(node, KEY)));
    world.cut.clear();
    world.pause(voter, 1500);
    let is_elected = world.pass_until(4000, |world| world.leads(node, KEY));
    assert!(is_elected, "node {node} is not elected");
    world.cut_way(node, voter);
}

/// A leader may end with more in its log than the others ever had, its last write beyond that. When it leads again with
/// what they decided meanwhile, that write is not in its log, and nothing may wait for it.
#[test]
fn a_leader_that_has_lost_the_end_of_its_log_goes_on_when_it_leads_again() {
    for seed in 0..4 {
        let mut world = World::of(3, seed);
        let client = world.connect(0);
        assert_eq!(world.ask(client, &format!("SET {KEY} before")), "OK");
        let third = leader(&world).unwrap();
        world.pass(1000);
        world.kill(third);
        assert!(world.pass_until(3000, |world| leader(world).is_some()));
        let old = leader(&world).unwrap();
        let voter = 3 - third - old;
        world.cut_way(old, voter);
        for _ in 0..6 {
            elect_unheard(&mut world, old, voter);
        }
        let client = world.connect(old);
        world.send(client, &format!("SET {KEY} lost"));
        world.cut_way(voter, old);
        world.cut.extend([(old, third), (third, old)]);
        world.restart(third);
        world.pass(3000);
        let told = world.answers(client);
        assert_eq!(told.len(), 1, "seed {seed}: {told:?}");
        assert!(leader(&world).is_some_and(|leader| leader != old), "seed {seed}");
        // It hears what they have decided, and can be elected next.
        world.cut.clear();
        world.pass(1000);
        let leads = leader(&world).unwrap();
        let other = 3 - old - leads;
        world.kill(leads);
        // Until nobody remembers who led. The other may stand first when it wakes, for it has as much: then once more.
        let is_elected = (0..10).any(|_| {
            world.cut_way(old, other);
            world.cut_way(other, old);
            world.pass(1000);
            world.cut.clear();
            world.pause(other, 1500);
            world.pass_until(4000, |world| world.leads(old, KEY))
        });
        assert!(is_elected, "seed {seed}");
        let client = world.connect(old);
        assert_eq!(world.ask(client, &format!("GET {KEY}")), "\"before\"", "seed {seed}");
        assert_eq!(world.ask(client, &format!("SET {KEY} after")), "OK", "seed {seed}");
        assert_eq!(world.ask(client, &format!("GET {KEY}")), "\"after\"", "seed {seed}");
    }
}

/// The leader of the meta group, if there is one.
fn meta_leader(world: &World) -> Option<usize> {
    (0..world.count()).find(|node| world.leads_meta(*node))
}

#[test]
fn a_disk_that_is_slower_than_an_election_takes_the_lead_from_nobody() {
    for seed in 0..4 {
        let mut world = World::of(3, seed);
        let leader = meta_leader(&world).unwrap();
        world.sync_ms = 1500;
        for weight in [50, 60, 70] {
            let command = Command::SetWeight { node: world.id(0), weight };
            assert_eq!(world.ask_fabric((leader + 1) % 3, command), Ok(()), "seed {seed}");
            assert_eq!(meta_leader(&world), Some(leader), "seed {seed}");
        }
    }
}

/// A vote takes two syncs, one of who wants to be elected and one of who helps, and each may have to wait for another.
#[test]
fn somebody_is_elected_though_a_sync_takes_most_of_an_election() {
    for seed in 0..8 {
        let mut world = World::of(3, seed);
        world.sync_ms = 300;
        world.kill(meta_leader(&world).unwrap());
        let is_led = |world: &World| meta_leader(world).is_some() && leader(world).is_some();
        assert!(world.pass_until(5000, is_led), "seed {seed}");
    }
}

/// It cannot decide anything, and nobody else would if it went on saying that it is there.
#[test]
fn a_disk_that_stores_nothing_any_more_loses_the_lead() {
    for seed in 0..4 {
        let mut world = World::of(3, seed);
        let leader = meta_leader(&world).unwrap();
        world.stalled.push(leader);
        let via = (leader + 1) % 3;
        let command = Command::SetWeight { node: world.id(0), weight: 50 };
        world.begin_to_ask_fabric(via, command);
        let is_another = |world: &World| meta_leader(world).is_some_and(|other| other != leader);
        assert!(world.pass_until(9000, is_another), "seed {seed}");
        let command = Command::SetWeight { node: world.id(0), weight: 60 };
        assert_eq!(world.ask_fabric(via, command), Ok(()), "seed {seed}");
        world.stalled.clear();
        world.pass(3000);
        assert_eq!(world.meta(leader).version(), world.meta(via).version(), "seed {seed}");
    }
}

/// What it leads could not be written to as long as its disk is full, though the others have room.
#[test]
fn a_node_whose_disk_is_full_hands_the_lead_over_and_gets_it_back() {
    for seed in 0..4 {
        let mut world = World::of(3, seed);
        let full = leader(&world).unwrap();
        let via = world.connect((full + 1) % 3);
        assert_eq!(world.ask(via, "SET key before"), "OK");
        world.set_full(full, true);
        let is_another = |world: &World| leader(world).is_some_and(|other| other != full);
        assert!(world.pass_until(3000, is_another), "seed {seed}");
        assert_eq!(world.ask(via, "SET key meanwhile"), "OK", "seed {seed}");
        assert!(!world.pass_until(3000, |world| leader(world) == Some(full)), "seed {seed}");
        world.set_full(full, false);
        assert_eq!(world.ask(via, "GET key"), "\"meanwhile\"", "seed {seed}");
        assert!(world.pass_until(8000, |world| leader(world) == Some(full)), "seed {seed}");
    }
}

/// Nobody else can lead what it leads: that it is there does not make it ready.
#[test]
fn what_is_led_by_a_node_with_a_full_disk_is_not_called_writable() {
    let mut world = World::of(1, 3);
    let client = world.connect(0);
    let status = world.ask(client, "FABRIC STATUS");
    assert!(status.contains("\"ready\"") && !status.contains("reason"), "{status}");
    world.set_full(0, true);
    let status = world.ask(client, "FABRIC STATUS");
    assert!(status.contains("\"degraded\"") && status.contains("\"reason\" \"disk full: "), "{status}");
    assert_eq!(field(&status, "partitions-served"), 0);
    world.set_full(0, false);
    assert!(world.ask(client, "FABRIC STATUS").contains("\"ready\""));
}

/// It is there, and takes no entries: with another one lost, the rest could write nothing.
#[test]
fn a_node_whose_disk_is_full_is_named_and_not_counted_on() {
    let mut world = World::of(3, 5);
    let clients = [world.connect(0), world.connect(1), world.connect(2)];
    let tell = |world: &mut World, line: &str| clients.map(|client| world.ask(client, line));
    let lost = |world: &mut World| tell(world, "FABRIC STATUS").map(|status| field(&status, "may-lose"));
    assert_eq!(
        (lost(&mut world), tell(&mut world, "FABRIC CHECK")),
        ([1; 3], [(); 3].map(|()| "[]".to_owned()))
    );
    world.set_full(2, true);
    world.pass(4000);
    assert_eq!(lost(&mut world), [0; 3]);
    for check in tell(&mut world, "FABRIC CHECK") {
        assert!(check.contains("node-2 takes no more writes"), "{check}");
    }
    world.set_full(2, false);
    world.pass(8000);
    assert_eq!(
        (lost(&mut world), tell(&mut world, "FABRIC CHECK")),
        ([1; 3], [(); 3].map(|()| "[]".to_owned()))
    );
}

/// Others can lead what it led: nobody need be started for that.
#[test]
fn what_waits_for_an_election_is_told_from_what_lacks_nodes() {
    let mut world = World::of(3, 6);
    let lost = leader(&world).unwrap();
    let client = world.connect((lost + 1) % 3);
    world.kill(lost);
    world.pass(20);
    let check = world.ask(client, "FABRIC CHECK");
    assert!(check.contains("a leader is being elected, wait") && !check.contains("without more"), "{check}");
    world.kill((lost + 2) % 3);
    world.pass(3000);
    let check = world.ask(client, "FABRIC CHECK");
    assert!(check.contains("cannot be written to without more of the nodes"), "{check}");
}

fn field(status: &str, name: &str) -> i64 {
    let rest = status.split(&format!("\"{name}\" ")).nth(1).unwrap_or_else(|| panic!("{name} in {status}"));
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap_or_else(|_| panic!("{status}"))
}

/// Clients of the others write without pause, at each level; it leads nothing any more soon, and nobody is told of it.
#[test]
fn a_node_that_is_told_to_stop_hands_over_all_it_leads_and_nobody_is_told_of_an_error() {
    for seed in 0..8 {
        let mut world = World::of(3, seed);
        let stops = if seed % 2 == 0 { meta_leader(&world) } else { leader(&world) }.unwrap();
        let clients: Vec<usize> = (0..6).map(|n| world.connect((stops + 1 + n % 2) % 3)).collect();
        for (client, level) in clients.iter().zip(["quorum", "durable", "all"].iter().cycle()) {
            assert_eq!(world.ask(*client, &format!("CLIENT ACK {level}")), "OK", "seed {seed}");
        }
        let mut sent = 0;
        let mut write = |world: &mut World| {
            sent += 1;
            clients.iter().for_each(|client| world.send(*client, &format!("INCR {KEY}:{}", sent % 40)));
            world.pass(7);
        };
        (0..20).for_each(|_| write(&mut world));
        world.begin_to_stop(stops);
        let mut rounds = 0;
        while world.left_to_do(stops) != (0, 0) {
            write(&mut world);
            rounds += 1;
            assert!(rounds < 200, "seed {seed}: {:?} is left", world.left_to_do(stops));
        }
        assert!(leader(&world).is_some_and(|other| other != stops), "seed {seed}");
        assert!(meta_leader(&world).is_some_and(|other| other != stops), "seed {seed}");
        world.kill(stops);
        (0..20).for_each(|_| write(&mut world));
        world.pass(3000);
        for client in clients {
            let told = world.answers(client);
            let errors: Vec<_> = told.iter().filter(|value| matches!(value, Value::Error(_))).collect();
            assert!(
                errors.is_empty() && told.len() == sent,
                "seed {seed}: {} of {sent}: {errors:?}",
                told.len()
            );
        }
        world.restart(stops);
        assert!(world.pass_until(8000, |world| (0..40).any(|n| world.leads(stops, &format!("{KEY}:{n}")))));
    }
}

/// It takes part in decisions to its end, and leads on if no other can.
#[test]
fn a_node_that_is_told_to_stop_leads_to_its_end_if_nobody_else_can() {
    let mut world = World::of(3, 3);
    let stops = leader(&world).unwrap();
    let via = world.connect(stops);
    assert_eq!(world.ask(via, &format!("SET {KEY} value")), "OK");
    (0..3).filter(|node| *node != stops).for_each(|node| world.set_full(node, true));
    world.pass(1000);
    world.begin_to_stop(stops);
    world.pass(3000);
    assert_eq!(world.left_to_do(stops).0, 0);
    assert_eq!(leader(&world), Some(stops));
    assert_eq!(world.ask(via, &format!("DEL {KEY}")), "1");
}

/// What could not be committed is refused before it is proposed; deletes go through, behind what was proposed before.
#[test]
fn a_leader_whose_followers_have_no_room_takes_no_writes_and_deletes_go_through() {
    let mut world = World::of(3, 3);
    let leads = leader(&world).unwrap();
    let followers = [(leads + 1) % 3, (leads + 2) % 3];
    let via = world.connect(leads);
    assert_eq!(world.ask(via, &format!("SET {KEY} value")), "OK");
    world.fill_disk(followers[0], 1 << 20);
    world.pass(500);
    assert_eq!(world.ask(via, &format!("SET {KEY} more")), "OK", "a majority has room");
    world.fill_disk(followers[1], 1 << 20);
    // On its way before the leader has heard.
    let early = world.connect(leads);
    world.send(early, &format!("INCR {KEY}:early"));
    world.pass(500);
    let answer = world.ask(via, &format!("SET {KEY} even more"));
    assert!(answer.contains("MISCONF disk full: too few of the nodes that hold partition"), "{answer}");
    assert_eq!(world.ask(via, &format!("GET {KEY}")), "\"more\"");
    assert_eq!(world.ask(via, &format!("DEL {KEY}")), "1");
    assert!(world.ask(via, "FABRIC STATUS").contains("disk full: "));
    for follower in followers {
        world.set_log_room(follower, usize::MAX);
        world.set_full(follower, false);
    }
    world.pass(1500);
    assert_eq!(world.ask(via, &format!("SET {KEY} again")), "OK");
    world.settle();
    assert_eq!(world.digest(followers[0]), world.digest(leads));
}

/// One that lacks much, such as all of its data, is waited for only so long.
#[test]
fn a_node_that_is_told_to_stop_does_not_wait_for_long_for_one_that_is_behind() {
    let mut world = World::of(3, 3);
    let stops = leader(&world).unwrap();
    let [behind, other] = [(stops + 1) % 3, (stops + 2) % 3];
    world.set_full(other, true);
    world.cut_way(stops, behind);
    world.pass(1000);
    let via = world.connect(stops);
    assert_eq!(world.ask(via, &format!("SET {KEY} value")), "OK");
    world.begin_to_stop(stops);
    world.pass(500);
    assert_ne!(world.left_to_do(stops).0, 0, "it may catch up");
    world.pass(2000);
    assert_eq!(world.left_to_do(stops).0, 0);
    assert_eq!(leader(&world), Some(stops));
}

/// If none has room, somebody leads all the same, for reads go on.
#[test]
fn the_lead_stays_where_it_is_if_all_disks_are_full() {
    let mut world = World::of(3, 1);
    (0..3).for_each(|node| world.set_full(node, true));
    // Until all have heard of all, one may take it for free and find that it is not.
    world.pass(2000);
    let last = leader(&world);
    assert!(last.is_some() && !world.pass_until(3000, |world| leader(world) != last));
}

/// A witness has room, and nothing to lead with.
#[test]
fn a_witness_is_not_given_the_lead_for_the_room_it_has() {
    let mut world = World::witnessed(1);
    (0..2).for_each(|node| world.set_full(node, true));
    world.pass(2000);
    let last = leader(&world);
    assert!(last.is_some_and(|node| node < 2));
    assert!(!world.pass_until(3000, |world| leader(world) != last));
}

#[test]
fn what_a_leader_holds_that_lost_its_followers_is_as_old_as_their_last_answer() {
    let mut world = World::of(3, 16);
    let client = world.connect(0);
    let age = |world: &mut World| {
        let info = world.ask(client, "INFO cluster");
        let age = info.split("narf_replica_age_ms:").nth(1).unwrap().split('\r').next().unwrap();
        age.split('\\').next().unwrap().parse::<u64>().unwrap()
    };
    // Long after it was elected.
    world.pass(60_000);
    assert!(age(&mut world) < 2000);
    for other in [1, 2] {
        world.cut.extend([(0, other), (other, 0)]);
    }
    world.pass(5000);
    let age = age(&mut world);
    assert!((3000..8000).contains(&age), "{age}");
}
