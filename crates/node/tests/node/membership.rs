//! Nodes that leave, are let go or hear of the fabric late: what must not be lost with them, and who must still be heard.

use base::PartitionId;
use cluster::{Command, MemberState};

use crate::cluster_world::World;

#[track_caller]
fn all_can_be_written(world: &mut World, node: usize, value: &str) {
    let client = world.connect(node);
    for n in 0..40 {
        assert_eq!(world.ask(client, &format!("SET key:{n} {value}")), "OK", "key:{n} on node {node}");
    }
}

#[track_caller]
fn leaves(world: &mut World, node: usize) {
    let id = world.id(node);
    assert_eq!(world.ask_fabric(node, Command::Leave { node: id }), Ok(()));
    let left = (0..200).find(|_| {
        world.pass(50);
        world.groups_that_need(node) == 0
    });
    assert!(left.is_some(), "node {node} has not handed over what it has");
    assert_eq!(world.ask_fabric(node, Command::Remove { node: id }), Ok(()));
    // As soon as it is answered, its process ends.
    world.kill(node);
}

#[test]
fn who_leaves_goes_when_the_meta_group_can_do_without_it() {
    for seed in 0..6 {
        for leaver in [0, 1] {
            let mut world = World::of(2, seed);
            all_can_be_written(&mut world, leaver, "before");
            leaves(&mut world, leaver);
            let other = 1 - leaver;
            all_can_be_written(&mut world, other, "after");
            let node = world.id(other);
            let decided = world.ask_fabric(other, Command::SetWeight { node, weight: 50 });
            assert_eq!(decided, Ok(()), "seed {seed}: node {other} decides alone");
        }
    }
}

#[test]
fn a_leader_of_the_meta_group_that_leaves_hands_the_lead_over() {
    for seed in 0..6 {
        let mut world = World::of(3, seed);
        leaves(&mut world, 0);
        for node in [1, 2] {
            all_can_be_written(&mut world, node, "after");
            let decided = world.ask_fabric(node, Command::SetWeight { node: world.id(node), weight: 50 });
            assert_eq!(decided, Ok(()), "seed {seed}");
        }
    }
}

#[test]
fn who_was_let_in_and_never_came_holds_up_nobody() {
    let mut world = World::of(3, 5);
    let missing = world.begin_join();
    world.kill(missing);
    let newcomer = world.begin_join();
    world.pass(15_000);
    let meta = world.meta(0);
    assert_eq!(meta.member(world.id(missing)).unwrap().state, MemberState::Down);
    assert!(meta.replicas_on(world.id(newcomer)) > 0, "what is to be placed waits for nobody");
    // Late as it is, it may still come.
    world.restart(missing);
    world.pass(10_000);
    let meta = world.meta(0);
    assert_eq!(meta.member(world.id(missing)).unwrap().state, MemberState::Up);
    assert!(meta.replicas_on(world.id(missing)) > 0);
}

#[test]
fn a_newcomer_that_died_holds_up_no_other() {
    for seed in 0..3 {
        // Each leads more groups than may change at once.
        let mut world = World::of_with(3, seed, 60);
        let dead = world.begin_join();
        let id = world.id(dead);
        assert!(world.pass_until(5000, |world| world.replicas(dead) > 0), "seed {seed}: it has begun");
        world.kill(dead);
        let wanted = world.meta(0).replicas_on(id);
        assert!(wanted > 30, "seed {seed}: {wanted} groups wait for it");
        let live = world.begin_join();
        world.pass(6000);
        let meta = world.meta(0);
        assert_eq!(meta.member(id).unwrap().state, MemberState::Up, "seed {seed}: nobody knows yet");
        let wanted = meta.replicas_on(world.id(live));
        assert!(wanted > 0, "seed {seed}: it is to have something");
        assert_eq!(world.replicas(live), wanted, "seed {seed}: it has begun with all of it");
    }
}

#[test]
fn who_has_lost_the_lead_does_not_say_that_it_leads() {
    let mut world = World::of(3, 8);
    let old = (0..3).find(|node| world.leads(*node, "key")).unwrap();
    let client = world.connect(old);
    let name = format!("\"leader\" \"node-{old}\"");
    assert!(world.ask(client, "FABRIC OWNER key").contains(&name));
    world.cut = (0..3).filter(|node| *node != old).flat_map(|node| [(old, node), (node, old)]).collect();
    world.pass(5000);
    assert!(!world.leads(old, "key"));
    let told = world.ask(client, "FABRIC OWNER key");
    assert!(told.contains("\"leader\" nil"), "{told}");
}

#[test]
fn who_leads_next_decides_what_the_last_leader_was_asked() {
    // One of them leads the meta group.
    for victim in 0..3 {
        let mut world = World::of(3, 9);
        let via = (victim + 1) % 3;
        let command = Command::SetWeight { node: world.id(via), weight: 50 };
        world.begin_to_ask_fabric(via, command);
        world.kill(victim);
        world.pass(4000);
        assert_eq!(world.agreed, [Ok(())], "node {victim} dies");
    }
}

#[test]
fn groups_do_not_shrink_to_a_member_that_is_gone() {
    for seed in 0..6 {
        let mut world = World::of(3, seed);
        world.kill(1);
        assert_eq!(world.ask_fabric(0, Command::Leave { node: world.id(2) }), Ok(()));
        world.pass(5000);
        // Nobody takes it for down yet.
        assert_eq!(world.meta(0).member(world.id(1)).unwrap().state, MemberState::Up);
        all_can_be_written(&mut world, 0, "meanwhile");
        world.pass(20_000);
        all_can_be_written(&mut world, 0, "without-it");
    }
}

#[test]
fn who_is_let_go_hears_of_it_only_once_that_is_on_stable_storage() {
    for seed in 0..6 {
        let mut world = World::of(2, seed);
        all_can_be_written(&mut world, 0, "before");
        world.pass(1000);
        let leaver = world.id(1);
        assert_eq!(world.ask_fabric(0, Command::Leave { node: leaver }), Ok(()));
        world.stalled.push(0);
        world.pass(3000);
        assert_ne!(world.groups_that_need(1), 0, "seed {seed}: the disk of node 0 does not say so yet");
        world.lose_power(0);
        world.stalled.clear();
        world.restart(0);
        world.pass(10_000);
        assert_eq!(world.groups_that_need(1), 0, "seed {seed}");
        world.kill(1);
        all_can_be_written(&mut world, 0, "after");
    }
}

#[test]
fn a_replica_in_doubt_does_not_wait_for_a_leader_that_was_for_ever() {
    for seed in 0..6 {
        let mut world = World::of(2, seed);
        all_can_be_written(&mut world, 0, "before");
        world.stalled.push(1);
        all_can_be_written(&mut world, 0, "after");
        world.lose_power(1);
        world.stalled.clear();
        // It hears the leader, and cannot ask.
        world.cut.push((1, 0));
        world.restart(1);
        world.pass(300);
        world.kill(0);
        world.restart(0);
        world.cut.clear();
        world.pass(10_000);
        all_can_be_written(&mut world, 1, "again");
        assert!(!world.is_in_doubt(1), "seed {seed}");
    }
}

#[test]
fn who_hears_of_no_leader_is_told_how_the_fabric_is_by_whom_it_hears() {
    let mut world = World::new(3, true);
    let late = world.begin_join();
    world.cut.extend([(0, late), (late, 0)]);
    let other = world.begin_join();
    world.pass(5000);
    world.kill(0);
    world.pass(5000);
    let id = world.id(other);
    assert!(world.meta(late).member(id).is_some(), "node {other} has said that it is there");
}

#[test]
fn a_lone_fabric_answers_what_it_decided_once_that_is_on_stable_storage() {
    let mut world = World::new(1, true);
    world.pass(1000);
    world.stalled.push(0);
    let node = world.id(0);
    let decided = world.ask_fabric(0, Command::SetWeight { node, weight: 50 });
    assert_eq!(decided, Err("no answer".to_owned()));
    world.stalled.clear();
    world.pass(2000);
    assert_eq!(world.agreed.pop(), Some(Ok(())));
}

#[test]
fn what_a_plan_would_move_is_shown_before_it_is_moved() {
    let mut world = World::of(3, 2);
    let client = world.connect(0);
    assert_eq!(world.ask(client, "FABRIC REBALANCE DRYRUN"), "[]");
    assert_eq!(world.ask(client, "FABRIC REBALANCE"), "[]");
    assert_eq!(world.ask(client, "FABRIC REBALANCE NOW"), "(ERR syntax error)");
    assert_eq!(world.ask(client, "FABRIC REPLICAS 1"), "OK");
    let shown = world.ask(client, "FABRIC REBALANCE DRYRUN");
    assert!(shown.contains("partition") && shown.contains("node-0"), "{shown}");
    assert!(world.meta(0).targets().iter().all(|target| target.voters.len() == 3), "nothing has moved");
    assert_eq!(world.ask(client, "FABRIC REBALANCE"), shown);
    assert!(world.meta(0).targets().iter().all(|target| target.voters.len() == 1));
    all_can_be_written(&mut world, 1, "after");
}

#[test]
fn clients_of_a_replica_that_is_dropped_are_answered() {
    for seed in 0..6 {
        let mut world = World::of(3, seed);
        let key = (0..100).map(|n| format!("key:{n}")).find(|key| world.leads(2, key)).unwrap();
        let client = world.connect(2);
        for other in [0, 1] {
            world.cut.extend([(2, other), (other, 2)]);
        }
        world.send(client, &format!("SET {key} value"));
        world.pass(100);
        assert!(world.answers(client).is_empty(), "nobody confirms it");
        // The others let it go, and tell it.
        assert_eq!(world.ask_fabric(0, Command::Leave { node: world.id(2) }), Ok(()));
        world.pass(3000);
        world.cut.clear();
        world.pass(1500);
        let answers = world.answers(client);
        assert_eq!(answers.len(), 1, "seed {seed}: {answers:?}");
        assert!(crate::net::show(&answers[0]).contains("UNKNOWNOUTCOME"), "seed {seed}: {answers:?}");
        world.pass(5000);
        assert_eq!(world.groups_that_need(2), 0, "seed {seed}");
    }
}

/// A fabric whose clock is young, as of processes that were just started, and a newcomer that has begun to take over data.
fn world_with_a_state_on_its_way(seed: u64) -> (World, usize) {
    let mut world = World::new(seed, true);
    let client = world.connect(0);
    // In the partition that comes first, more than is sent before the receiver has answered.
    let tag = (0..100).find(|n| base::slot_of(format!("{n}").as_bytes()).number() < 4096).unwrap();
    for n in 0..60 {
        assert_eq!(world.ask(client, &format!("SET {{{tag}}}:{n} {}", "x".repeat(100_000))), "OK");
    }
    let newcomer = world.begin_join();
    let has_begun = world.pass_until(2000, |world| world.received_snapshots(newcomer) > 0);
    assert!(has_begun, "seed {seed}");
    (world, newcomer)
}

fn is_whole(world: &mut World, node: usize) -> bool {
    let client = world.connect(node);
    world.ask(client, "FABRIC STATUS").contains("\"ready\"")
}

fn is_whole_within(world: &mut World, node: usize, millis: u64) -> bool {
    (0..millis / 50).any(|_| {
        world.pass(50);
        is_whole(world, node)
    })
}

#[test]
fn a_state_is_sent_anew_at_once_to_who_died_on_the_way() {
    for seed in 0..4 {
        let (mut world, newcomer) = world_with_a_state_on_its_way(seed);
        world.kill(newcomer);
        world.restart(newcomer);
        assert!(is_whole_within(&mut world, newcomer, 2000), "seed {seed}");
        world.pass(500);
        assert_eq!(world.digest(0), world.digest(newcomer), "seed {seed}");
    }
}

#[test]
fn a_state_is_sent_anew_at_once_to_who_has_lost_sight_of_its_sender() {
    for seed in 0..4 {
        let (mut world, newcomer) = world_with_a_state_on_its_way(seed);
        // Its link is a new one, and the sender's was never lost.
        world.set_way(newcomer, 0, false);
        world.set_way(newcomer, 0, true);
        assert!(is_whole_within(&mut world, newcomer, 2000), "seed {seed}");
        world.pass(500);
        assert_eq!(world.digest(0), world.digest(newcomer), "seed {seed}");
    }
}

#[test]
fn what_a_leader_put_into_the_log_and_lost_with_the_lead_is_asked_again_at_once() {
    for seed in 0..4 {
        let mut world = World::of(3, seed);
        let leader = (0..3).find(|node| world.leads_meta(*node)).unwrap();
        world.cut = (0..3).flat_map(|node| [(leader, node), (node, leader)]).collect();
        for number in 0..3 {
            let command = Command::SetWeight { node: world.id(number), weight: 50 };
            world.begin_to_ask_fabric(leader, command);
        }
        // The others decide nothing but who leads, so the places of all but the first are never taken.
        let is_deposed = |world: &World| (0..3).any(|node| node != leader && world.leads_meta(node));
        assert!(world.pass_until(3000, is_deposed), "seed {seed}");
        world.pass(200);
        world.cut.clear();
        world.pass(2000);
        assert_eq!(world.agreed, [Ok(()), Ok(()), Ok(())], "seed {seed}");
    }
}

/// It has decided that with those who stay, who do not know it yet: without its vote they could not go on.
#[test]
fn who_led_when_its_own_removal_was_decided_stays_until_the_others_know() {
    for seed in 0..60 {
        let mut world = World::of(2, seed);
        all_can_be_written(&mut world, 0, "before");
        world.begin_to_ask_fabric(0, Command::Leave { node: world.id(1) });
        // It is proposed by the other, which does not hear that it was taken, and gives up.
        world.pace = 1;
        let leaver = world.id(1);
        let is_decided = (0..500).any(|_| {
            world.pass(1);
            (0..4).all(|id| !world.meta(0).voters_of(PartitionId(id)).contains(&leaver))
        });
        assert!(is_decided, "seed {seed}");
        world.stalled.push(1);
        world.pass(60);
        world.cut.push((1, 0));
        world.stalled.clear();
        world.pass(1200);
        world.cut.clear();
        // What it says when it goes is lost.
        let mut left = world.replicas(1);
        for _ in 0..3000 {
            world.pass(1);
            let here = world.replicas(1);
            if here < left {
                world.cut.push((1, 0));
                world.pass(20);
                world.cut.clear();
            }
            left = here;
        }
        world.pace = 40;
        world.pass(3000);
        all_can_be_written(&mut world, 0, "after");
        assert_eq!(world.replicas(1), 0, "seed {seed}");
    }
}

/// It may not let in the leader, which joined when it was away, and it does not vote, so it never looks for another.
#[test]
fn who_cannot_hear_the_leader_of_the_meta_group_learns_from_others() {
    for seed in 0..4 {
        let mut world = World::of(4, seed);
        world.settle();
        let leader = (0..4).find(|node| world.leads_meta(*node)).unwrap();
        for other in (0..4).filter(|node| *node != leader) {
            world.cut = vec![(leader, other), (other, leader)];
            let via = (0..4).find(|node| *node != leader && *node != other).unwrap();
            let command = Command::SetWeight { node: world.id(via), weight: 40 + other as u32 };
            assert_eq!(world.ask_fabric(via, command), Ok(()), "seed {seed}");
            world.pass(5000);
            assert_eq!(
                world.meta(other).version(),
                world.meta(leader).version(),
                "seed {seed}, node {other}"
            );
            world.cut.clear();
            world.pass(1000);
        }
    }
}

/// What `FABRIC CHECK` advises of a node that died can be done when it is said, and what cannot be is not advised.
#[test]
fn what_is_advised_of_a_dead_node_can_be_done() {
    let mut world = World::of(3, 4);
    let client = world.connect(0);
    let info = world.ask(client, "INFO cluster");
    assert!(info.contains("narf_state:ready") && info.contains("narf_nodes_that_may_be_lost:1"), "{info}");
    assert!(info.contains("narf_groups_without_leader:0"), "{info}");
    world.kill(2);
    world.pass(3000);
    let found = world.ask(client, "FABRIC CHECK");
    assert!(found.contains("node node-2 (") && found.contains("counts as down 10 s after"), "{found}");
    let refused = world.ask(client, "FABRIC REMOVE node-2");
    assert!(refused.contains("if it is dead, it can be removed once"), "{refused}");
    assert!(world.ask(client, "INFO cluster").contains("narf_nodes_that_may_be_lost:0"));
    world.pass(12_000);
    let found = world.ask(client, "FABRIC CHECK");
    assert!(
        found.contains("node-2 is down and is to hold nothing any more; start it, or strike it off"),
        "{found}"
    );
    assert!(!found.contains("node-2 is down; its data is handed over"), "{found}");
    assert_eq!(world.ask(client, "FABRIC REMOVE node-2"), "OK");
    assert!(!world.ask(client, "FABRIC CHECK").contains("node-2"));
}

#[test]
fn who_died_while_it_left_is_not_waited_for_for_ever() {
    let mut world = World::of(3, 4);
    let client = world.connect(0);
    let id = world.id(2);
    world.kill(2);
    world.pass(1000);
    assert_eq!(world.ask_fabric(0, Command::Leave { node: id }), Ok(()));
    let found = (0..400).find_map(|_| {
        world.pass(100);
        Some(world.ask(client, "FABRIC CHECK")).filter(|found| !found.contains("wait\""))
    });
    let found = found.expect("what is waited for ends");
    assert!(found.contains("node-2 is leaving and is to hold nothing any more"), "{found}");
    assert_eq!(world.ask(client, "FABRIC REMOVE node-2"), "OK");
}
