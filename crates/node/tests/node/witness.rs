//! Two nodes with data, and one that votes and keeps the log: what the loss of any one of them must not take.

use base::{NodeId, PartitionId};
use cluster::{Command, MemberKind};

use crate::cluster_world::{PARTITIONS, World};

/// The witness of [`World::witnessed`].
const WITNESS: usize = 2;

fn voters(world: &mut World) -> Vec<Vec<NodeId>> {
    let meta = world.meta(0);
    (0..PARTITIONS).map(|number| meta.voters_of(PartitionId(number)).to_vec()).collect()
}

/// A key that a node leads.
fn key_led_by(world: &World, node: usize) -> String {
    (0..100).map(|n| format!("key:{n}")).find(|key| world.leads(node, key)).unwrap()
}

fn cut_between(world: &mut World, one: usize, other: usize) {
    world.cut.extend([(one, other), (other, one)]);
}

/// A write of `value` that node 0 and the witness have, and node 1 does not.
fn write_without_one(world: &mut World, value: &str) -> String {
    let key = key_led_by(world, 0);
    let client = world.connect(0);
    cut_between(world, 0, 1);
    cut_between(world, 1, WITNESS);
    assert_eq!(world.ask(client, &format!("SET {key} {value}")), "OK");
    key
}

#[test]
fn a_witness_votes_in_each_group_of_two_and_holds_nothing() {
    let mut world = World::witnessed(1);
    let all = [world.id(0), world.id(1), world.id(WITNESS)];
    for voters in voters(&mut world) {
        assert!(voters.len() == 3 && all.iter().all(|node| voters.contains(node)));
        assert_eq!(voters[2], all[WITNESS], "it is to lead nothing");
    }
    let client = world.connect(WITNESS);
    for n in 0..50 {
        assert_eq!(world.ask(client, &format!("SET key:{n} {n}")), "OK");
        assert_eq!(world.ask(client, &format!("GET key:{n}")), format!("\"{n}\""));
        assert!(!world.leads(WITNESS, &format!("key:{n}")));
    }
    assert_eq!(world.ask(client, "DBSIZE"), "50");
    assert_eq!(world.ask(client, "READONLY"), "OK");
    assert_eq!(world.ask(client, "GET key:7"), "\"7\"", "it reads from those that have it");
    world.settle();
    assert_eq!(world.digest(0), world.digest(1));
    let info = world.ask(client, "INFO");
    assert!(!info.contains("db0:"), "it has no keys: {info}");
    let status = world.ask(client, "FABRIC STATUS");
    assert!(status.contains("\"may-lose\" 1") && status.contains("\"ready\""), "{status}");
}

#[test]
fn the_loss_of_any_one_stops_nothing_and_takes_nothing() {
    for seed in 0..4 {
        for lost in 0..3 {
            let mut world = World::witnessed(seed);
            let client = world.connect(0);
            for n in 0..30 {
                assert_eq!(world.ask(client, &format!("SET key:{n} {n}")), "OK");
            }
            world.kill(lost);
            // Longer than it takes to be taken for down: its place is kept, nothing is left to one alone.
            world.pass(12_000);
            let client = world.connect((lost + 1) % 2);
            for n in 0..30 {
                let value = format!("\"{n}\"");
                assert_eq!(world.ask(client, &format!("GET key:{n}")), value, "seed {seed} without {lost}");
                assert_eq!(
                    world.ask(client, &format!("SET key:{n} new")),
                    "OK",
                    "seed {seed} without {lost}"
                );
            }
            world.restart(lost);
            world.settle();
            let other = (lost + 1) % 2;
            assert!(voters(&mut world).iter().all(|voters| voters.len() == 3));
            assert_eq!(world.digest(0), world.digest(1), "seed {seed} after {lost}");
            world.kill(other);
            world.pass(2000);
            let client = world.connect(if other == 0 { 1 } else { 0 });
            assert_eq!(world.ask(client, "GET key:1"), "\"new\"");
        }
    }
}

#[test]
fn what_only_the_witness_has_reaches_the_other_node() {
    for seed in 0..8 {
        let mut world = World::witnessed(seed);
        let key = write_without_one(&mut world, "acknowledged");
        world.kill(0);
        world.cut.clear();
        world.pass(2000);
        assert!(world.leads(1, &key), "seed {seed}");
        let client = world.connect(WITNESS);
        assert_eq!(world.ask(client, &format!("GET {key}")), "\"acknowledged\"", "seed {seed}");
        assert_eq!(world.ask(client, &format!("SET {key} next")), "OK", "seed {seed}");
        world.restart(0);
        world.settle();
        assert_eq!(world.digest(0), world.digest(1), "seed {seed}");
    }
}

#[test]
fn a_witness_that_was_restarted_still_has_what_others_lack() {
    for seed in 0..4 {
        let mut world = World::witnessed(seed);
        let key = write_without_one(&mut world, "acknowledged");
        world.begin_checkpoint(WITNESS);
        assert!(world.cut_frames(WITNESS) > 0, "its log is cut");
        let client = world.connect(0);
        assert_eq!(world.ask(client, &format!("APPEND {key} !")), "13");
        world.kill(WITNESS);
        world.restart(WITNESS);
        world.settle();
        world.kill(0);
        world.cut.clear();
        world.pass(2500);
        let client = world.connect(1);
        assert_eq!(world.ask(client, &format!("GET {key}")), "\"acknowledged!\"", "seed {seed}");
    }
}

#[test]
fn a_witness_lets_go_of_what_all_have_on_disk_and_only_of_that() {
    let mut world = World::witnessed(3);
    let key = key_led_by(&world, 0);
    let client = world.connect(0);
    for n in 0..40 {
        assert_eq!(world.ask(client, &format!("SET {key} {}{n}", "x".repeat(1000))), "OK");
    }
    world.settle();
    assert!(world.kept_bytes(WITNESS) < 4000, "{}", world.kept_bytes(WITNESS));
    world.kill(1);
    for n in 0..40 {
        assert_eq!(world.ask(client, &format!("SET {key} {}{n}", "y".repeat(1000))), "OK");
    }
    world.settle();
    assert!(world.kept_bytes(WITNESS) > 40_000, "{}", world.kept_bytes(WITNESS));
    world.restart(1);
    world.settle();
    assert!(world.kept_bytes(WITNESS) < 4000, "{}", world.kept_bytes(WITNESS));
}

/// More is lost than may be: who has what is gone must come back, and nobody takes its place with less.
#[test]
fn without_a_state_to_begin_with_nothing_is_served() {
    let mut world = World::witnessed(4);
    let client = world.connect(0);
    let key = key_led_by(&world, 0);
    for n in 0..20 {
        assert_eq!(world.ask(client, &format!("SET {key} {n}")), "OK");
    }
    world.settle();
    // All have it, so the witness does not; then one node has nothing any more, and the other is gone.
    world.kill(0);
    world.forget_partitions(1);
    world.pass(6000);
    for node in [1, WITNESS] {
        let client = world.connect(node);
        let answer = world.ask(client, &format!("GET {key}"));
        assert!(answer.contains("CLUSTERDOWN"), "node {node}: {answer}");
        assert!(!world.leads(node, &key));
    }
    world.restart(0);
    world.settle();
    let client = world.connect(1);
    assert_eq!(world.ask(client, &format!("GET {key}")), "\"19\"");
    assert_eq!(world.digest(0), world.digest(1));
}

#[test]
fn all_that_lose_their_power_come_back_though_the_witness_kept_more() {
    for seed in 0..8 {
        let mut world = World::witnessed(seed);
        let client = world.connect(0);
        for n in 0..20 {
            assert_eq!(world.ask(client, &format!("SET key:{n} before")), "OK");
        }
        world.settle();
        world.stalled.extend([0, 1]);
        for n in 0..20 {
            assert_eq!(world.ask(client, &format!("SET key:{n} after")), "OK");
        }
        world.pass(3000);
        (0..3).for_each(|node| world.lose_power(node));
        world.stalled.clear();
        (0..3).for_each(|node| world.restart(node));
        world.settle();
        let client = world.connect(0);
        for n in 0..20 {
            let answer = world.ask(client, &format!("GET key:{n}"));
            assert_eq!(answer, "\"after\"", "seed {seed}: the witness has it on its disk");
        }
        assert_eq!(world.digest(0), world.digest(1), "seed {seed}");
    }
}

#[test]
fn a_third_node_with_data_takes_the_place_of_the_witness() {
    let mut world = World::witnessed(5);
    let client = world.connect(WITNESS);
    for n in 0..30 {
        assert_eq!(world.ask(client, &format!("SET key:{n} {n}")), "OK");
    }
    let third = world.join();
    let (witness, id) = (world.id(WITNESS), world.id(third));
    assert!(voters(&mut world).iter().all(|voters| voters.contains(&id) && !voters.contains(&witness)));
    assert_eq!(world.replicas(WITNESS), 0);
    assert_eq!(world.digest(third), world.digest(0));
    // It is there for whoever goes next.
    world.kill(1);
    world.pass(15_000);
    assert!(voters(&mut world).iter().all(|voters| voters.len() == 3 && voters.contains(&witness)));
    assert_eq!(world.ask(client, "GET key:3"), "\"3\"");
    assert_eq!(world.replicas(WITNESS), usize::from(PARTITIONS));
}

#[test]
fn a_lone_node_is_not_helped_by_a_witness_and_is_told_so() {
    let mut world = World::new(6, true);
    let witness = world.begin_join_as(MemberKind::Witness);
    world.settle();
    let alone = [world.id(0)];
    assert!(voters(&mut world).iter().all(|voters| voters == &alone));
    let client = world.connect(witness);
    assert_eq!(world.ask(client, "SET k v"), "OK");
    let status = world.ask(client, "FABRIC STATUS");
    assert!(status.contains("\"may-lose\" 0") && status.contains("\"ready\""), "{status}");
    let found = world.ask(client, "FABRIC CHECK");
    assert!(found.contains("witness"), "{found}");
    let second = world.join();
    assert!(voters(&mut world).iter().all(|voters| voters.len() == 3));
    assert_eq!(world.digest(second), world.digest(0));
}

#[test]
fn waiting_for_replicas_counts_those_that_have_data() {
    let mut world = World::witnessed(7);
    let key = key_led_by(&world, 0);
    let client = world.connect(0);
    assert_eq!(world.ask(client, &format!("SET {key} v")), "OK");
    assert_eq!(world.ask(client, "WAIT 1 1000"), "1");
    assert_eq!(world.ask(client, "WAIT 2 300"), "1", "a witness is no replica");
    world.kill(1);
    world.pass(1000);
    assert_eq!(world.ask(client, "CLIENT ACK all"), "OK");
    assert_eq!(world.ask(client, &format!("SET {key} w")), "OK", "all that is there has applied it");
    assert_eq!(world.ask(client, "CLIENT ACK durable"), "OK");
    assert_eq!(world.ask(client, &format!("SET {key} x")), "OK", "two of three have it on disk");
    assert_eq!(world.ask(client, "WAIT 1 300"), "0");
}

#[test]
fn cluster_clients_are_not_sent_to_a_witness_for_data() {
    let mut world = World::witnessed(8);
    let client = world.connect(0);
    for command in ["CLUSTER SLOTS", "CLUSTER SHARDS"] {
        let text = world.ask(client, command);
        assert!(text.contains("10.0.0.1") && !text.contains("10.0.0.2"), "{command}: {text}");
    }
    let nodes = world.ask(client, "CLUSTER NODES");
    let line = nodes.lines().find(|line| line.contains("10.0.0.2:")).unwrap();
    assert!(line.ends_with("connected"), "it has no slots: {line}");
}

/// What a witness keeps of one group at most, and one message's share beyond it.
const KEPT_MAX: usize = (8 << 20) + (1 << 20);

/// Writes of 100 kB until node 0 has written so much to a key's partition; how many were answered otherwise than with OK.
fn write_much(world: &mut World, key: &str, bytes: usize) -> usize {
    let client = world.connect(0);
    let value = "x".repeat(100_000);
    let write =
        |world: &mut World, n: usize| world.ask(client, &format!("SET {{{key}}}:{n} {value}")) != "OK";
    (0..bytes / 100_000).filter(|n| write(world, *n)).count()
}

#[test]
fn a_witness_keeps_no_more_than_its_bound_while_a_node_is_down_for_long() {
    let mut world = World::witnessed(11);
    let key = key_led_by(&world, 0);
    world.kill(1);
    world.pass(1000);
    let mut most = 0;
    for _ in 0..12 {
        assert_eq!(write_much(&mut world, &key, 2 << 20), 0, "the one that is there has all of it on disk");
        most = most.max(world.kept_bytes(WITNESS));
        // Once a second it is told what it need not keep.
        world.pass(2000);
        assert!(world.kept_bytes(WITNESS) <= KEPT_MAX, "{}", world.kept_bytes(WITNESS));
    }
    assert!(most > (8 << 20) - 200_000, "the bound was met: {most}");
    world.restart(1);
    world.pass(6000);
    assert_eq!(world.digest(0), world.digest(1));
    assert!(world.kept_bytes(WITNESS) < 4000, "{}", world.kept_bytes(WITNESS));
    world.kill(0);
    world.pass(2000);
    let client = world.connect(1);
    assert_eq!(world.ask(client, &format!("STRLEN {{{key}}}:0")), "100000");
}

#[test]
fn a_witness_that_may_drop_nothing_takes_nothing_more_and_writes_are_refused() {
    let mut world = World::witnessed(12);
    let key = key_led_by(&world, 0);
    world.kill(1);
    world.pass(1000);
    // What the node that is left writes gets to no disk.
    world.stalled.push(0);
    assert_ne!(write_much(&mut world, &key, 12 << 20), 0, "a witness that is full does not count");
    assert!(world.entries_without_room(WITNESS) > 0);
    let kept = world.kept_bytes(WITNESS);
    assert!((8 << 20..KEPT_MAX).contains(&kept), "{kept}");
    let client = world.connect(0);
    for _ in 0..5 {
        let answer = world.ask(client, &format!("SET {key} more"));
        assert!(answer.contains("CLUSTERDOWN") || answer.contains("UNKNOWNOUTCOME"), "{answer}");
    }
    assert_eq!(world.kept_bytes(WITNESS), kept);
    world.stalled.clear();
    world.pass(5000);
    assert_eq!(world.ask(client, &format!("SET {key} after")), "OK");
    world.restart(1);
    world.pass(6000);
    assert_eq!(world.digest(0), world.digest(1));
}

/// Node 1 is away while node 0 writes so much to a key's partition that the witness lets go of what that lacks.
fn leave_one_behind(world: &mut World, key: &str) {
    let client = world.connect(0);
    assert_eq!(world.ask(client, &format!("SET {key} old")), "OK");
    world.settle();
    world.kill(1);
    world.pass(1000);
    for _ in 0..6 {
        write_much(world, key, 2 << 20);
        world.pass(2000);
    }
    assert_eq!(world.ask(client, &format!("SET {key} new")), "OK");
    world.pass(2000);
}

/// A group whose only whole replica is on node 0, which is gone: node 1 was away too long, and the witness has let go of
/// what it lacks. The key, and one of a group that has lost nothing.
fn stranded(seed: u64) -> (World, String, String) {
    let mut world = World::witnessed(seed);
    let key = key_led_by(&world, 0);
    leave_one_behind(&mut world, &key);
    let client = world.connect(0);
    let slot = |key: &str| base::slot_of(key.as_bytes()).number() / (16384 / PARTITIONS);
    let other = (0..100).map(|n| format!("key:{n}")).find(|other| slot(other) != slot(&key)).unwrap();
    assert_eq!(world.ask(client, &format!("SET {other} kept")), "OK");
    world.kill(0);
    world.restart(1);
    world.pass(4000);
    (world, key, other)
}

#[test]
fn what_only_a_lost_node_had_is_given_up_at_a_word_and_not_before() {
    for seed in 0..3 {
        let (mut world, key, other) = stranded(seed);
        let client = world.connect(1);
        assert_eq!(
            world.ask(client, &format!("GET {other}")),
            "\"kept\"",
            "the witness has what this one lacked"
        );
        assert!(world.ask(client, &format!("GET {key}")).contains("CLUSTERDOWN"), "seed {seed}");
        let lost = world.id(0);
        let witness = world.connect(WITNESS);
        let found = world.ask(witness, "FABRIC CHECK");
        assert!(found.contains("node node-0 alone has all"), "seed {seed}: {found}");
        assert!(found.contains("narf cluster remove node-0"), "{found}");
        assert!(found.contains("narf cluster trust --accept-loss` at the witness node-2 (10.0.0.2:6379)"));
        // The late one cannot tell whether it is about to be brought up, and what is struck off stays so.
        let found = world.ask(client, "FABRIC CHECK");
        assert!(found.contains("waits for node node-0"), "seed {seed}: {found}");
        assert!(found.contains("narf cluster check` at the witness node-2 (10.0.0.2:6379)"), "{found}");
        assert!(!found.contains("alone has all") && !found.contains("--accept-loss"), "{found}");
        let refused = world.ask(witness, "FABRIC TRUST LOSS");
        assert!(refused.contains("start it, or"), "it is a member still: {refused}");
        world.pass(10_000);
        assert_eq!(world.ask_fabric(1, Command::Remove { node: lost }), Ok(()));
        world.pass(3000);
        assert!(world.ask(client, "FABRIC CHECK").contains("node-0, which was struck off"));
        let refused = world.ask(witness, "FABRIC TRUST");
        assert!(refused.contains("what it had last is lost"), "{refused}");
        let refused = world.ask(client, "FABRIC TRUST LOSS");
        assert!(refused.contains("at the witness node-2"), "{refused}");
        assert!(world.ask(client, &format!("GET {key}")).contains("CLUSTERDOWN"), "seed {seed}");
        assert_eq!(world.ask(witness, "FABRIC TRUST LOSS"), "1");
        if seed == 1 {
            // What it has forgotten stays forgotten.
            world.kill(WITNESS);
            world.restart(WITNESS);
        }
        world.pass(4000);
        assert_eq!(world.ask(client, &format!("GET {key}")), "\"old\"", "seed {seed}");
        assert_eq!(world.ask(client, &format!("GET {other}")), "\"kept\"");
        assert_eq!(world.ask(client, &format!("SET {key} again")), "OK");
        assert_eq!(world.ask(client, "FABRIC TRUST LOSS"), "0");
        if seed == 2 {
            world.begin_checkpoint(WITNESS);
        }
        let third = world.join();
        world.settle();
        assert_eq!(world.digest(third), world.digest(1), "seed {seed}");
        // It begins at a lower place than it was at.
        world.kill(WITNESS);
        world.restart(WITNESS);
        world.pass(2000);
        world.kill(1);
        world.pass(2000);
        let client = world.connect(third);
        assert_eq!(
            world.ask(client, &format!("GET {key}")),
            "\"again\"",
            "seed {seed}: one may be lost again"
        );
    }
}

#[test]
fn nothing_is_given_up_while_who_has_all_may_come_back() {
    let (mut world, key, _) = stranded(5);
    let witness = world.connect(WITNESS);
    assert!(world.ask(witness, "FABRIC TRUST LOSS").contains("start it, or"));
    world.restart(0);
    world.pass(6000);
    assert_eq!(world.ask(witness, "FABRIC TRUST LOSS"), "0");
    let client = world.connect(1);
    assert_eq!(world.ask(client, &format!("GET {key}")), "\"new\"");
    assert_eq!(world.digest(0), world.digest(1));
}

#[test]
fn nothing_is_given_up_while_a_newcomer_that_is_away_may_have_it() {
    let mut world = World::witnessed(6);
    // Another witness, for the fabric is to go on deciding without two of its members.
    world.begin_join_as(MemberKind::Witness);
    world.settle();
    let meta = world.meta(0);
    let router = node::Router::new(PARTITIONS, 1);
    let partition_of = |key: &str| router.partition_of_slot(base::slot_of(key.as_bytes()));
    let is_witnessed = |key: &String| meta.voters_of(partition_of(key)).contains(&world.id(WITNESS));
    let key =
        (0..200).map(|n| format!("key:{n}")).find(|key| world.leads(0, key) && is_witnessed(key)).unwrap();
    leave_one_behind(&mut world, &key);
    // A third node with data follows the group, and votes in it when it has all: it dies before that, and who has all too.
    let newcomer = world.begin_join();
    let id = world.id(newcomer);
    let follows = |world: &World| !world.worker(WITNESS).learners_of(partition_of(&key)).is_empty();
    assert!(world.pass_until(5000, follows), "the witness knows of it");
    world.kill(newcomer);
    world.kill(0);
    world.restart(1);
    world.pass(14_000);
    let (client, witness) = (world.connect(1), world.connect(WITNESS));
    let lost = world.id(0);
    assert_eq!(world.ask_fabric(1, Command::Remove { node: lost }), Ok(()));
    world.pass(3000);
    let refused = world.ask(witness, "FABRIC TRUST LOSS");
    assert!(refused.contains(&format!("node-{newcomer}")) && refused.contains("start it, or"), "{refused}");
    assert!(world.ask(client, &format!("GET {key}")).contains("CLUSTERDOWN"));
    assert_eq!(world.ask_fabric(1, Command::Remove { node: id }), Ok(()));
    world.pass(3000);
    assert_eq!(world.ask(witness, "FABRIC TRUST LOSS"), "1");
    world.pass(4000);
    assert_eq!(world.ask(client, &format!("GET {key}")), "\"old\"");
}
