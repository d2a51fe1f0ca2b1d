//! What is left of a cluster that lost its majority: which replicas count, and that a new cluster has all of it.

use base::KeyHasher;
use cluster::{Command, HashSeed};
use node::{Doubt, Rescue, RescueError, Router, Standing};

use crate::cluster_world::{Rescued, World};

const SESSION: &str = "018bcfe5-6800-7000-8000-000000000001";

/// Writes something of every kind through a node.
fn fill(world: &mut World, node: usize) {
    let client = world.connect(node);
    for number in 0..40 {
        assert_eq!(world.ask(client, &format!("SET key:{number} {number}")), "OK");
    }
    for (line, answer) in [
        ("SET short 1 PX 600000", "OK"),
        ("HSET hash a 1 b 2", "2"),
        ("HPEXPIRE hash 500000 FIELDS 1 a", "[1]"),
        ("RPUSH list a b c", "3"),
        ("ZADD scores 1 a 2 b", "2"),
        ("SELECT 3", "OK"),
        ("SET other 3", "OK"),
        ("SELECT 0", "OK"),
        ("ACL SETUSER ada on >secret ~* +@all", "OK"),
    ] {
        assert_eq!(world.ask(client, line), answer, "{line}");
    }
    let numbered = world.connect(node);
    assert_eq!(world.ask(numbered, &format!("CLIENT SESSION SEQ {SESSION} 1")), "OK");
    assert_eq!(world.ask(numbered, "INCR counter"), "1");
}

/// Whether all that [`fill`] wrote is there.
fn check_filled(world: &mut World) {
    let client = world.connect(0);
    for number in 0..40 {
        assert_eq!(world.ask(client, &format!("GET key:{number}")), format!("\"{number}\""));
    }
    let number = |text: String| text.trim_matches(['[', ']']).parse::<u64>().unwrap();
    assert!((500_000..600_000).contains(&number(world.ask(client, "PTTL short"))));
    assert!((400_000..500_000).contains(&number(world.ask(client, "HPTTL hash FIELDS 1 a"))));
    assert_eq!(world.ask(client, "HPTTL hash FIELDS 1 b"), "[-1]");
    assert_eq!(world.ask(client, "LRANGE list 0 -1"), "[\"a\" \"b\" \"c\"]");
    assert_eq!(world.ask(client, "ZSCORE scores b"), "\"2\"");
    assert_eq!(world.ask(client, "AUTH ada secret"), "OK");
    assert_eq!(world.ask(client, "SELECT 3"), "OK");
    assert_eq!(world.ask(client, "GET other"), "\"3\"");
    // Asked again, it is answered as it was and not done again.
    let numbered = world.connect(0);
    assert_eq!(world.ask(numbered, &format!("CLIENT SESSION SEQ {SESSION} 1")), "OK");
    assert_eq!(world.ask(numbered, "INCR counter"), "1");
    assert_eq!(world.ask(numbered, "GET counter"), "\"1\"");
}

fn kill_all(world: &mut World) {
    (0..world.count())
        .filter(|node| world.is_running(*node))
        .collect::<Vec<_>>()
        .into_iter()
        .for_each(|node| world.kill(node));
}

/// A client of the new cluster, and what it answers.
fn ask(rescued: &mut Rescued, line: &str) -> String {
    let client = rescued.world.connect(0);
    rescued.world.ask(client, line)
}

#[test]
fn one_node_that_had_all_gives_all_to_a_new_cluster_that_others_can_join() {
    for with_checkpoints in [false, true] {
        let mut world = World::of(3, 1);
        fill(&mut world, 0);
        world.settle();
        let digest = world.digest(1);
        if with_checkpoints {
            world.begin_checkpoint(1);
        }
        kill_all(&mut world);
        let mut rescued = world.rescue(&[1]);
        assert_eq!(rescued.standings, [Standing::Partial; 4], "what only others knew is not here");
        assert_eq!(rescued.world.digest(0), digest);
        check_filled(&mut rescued.world);
        let state = rescued.world.meta(0);
        assert_eq!((state.cluster(), state.live_members().count()), (8, 1));
        assert_eq!((state.replicas_wanted(), state.key_hash_seed()), (3, HashSeed(5)));
        assert_eq!(state.setting(node::RESCUED), Some("a test"));
        for _ in 0..2 {
            rescued.world.kill(0);
            rescued.world.restart(0);
            rescued.world.pass(1000);
            check_filled(&mut rescued.world);
        }
        rescued.world.join();
        rescued.world.join();
        let digest = rescued.world.digest(0);
        assert_eq!((rescued.world.replicas(2), rescued.world.digest(2)), (4, digest));
        rescued.world.kill(0);
        rescued.world.settle();
        let client = rescued.world.connect(1);
        assert_eq!(rescued.world.ask(client, "GET key:7"), "\"7\"");
    }
}

#[test]
fn the_replica_that_got_furthest_counts_whatever_the_order() {
    let mut world = World::of(3, 2);
    fill(&mut world, 0);
    world.settle();
    world.kill(2);
    let client = world.connect(0);
    for number in 0..40 {
        assert_eq!(world.ask(client, &format!("SET key:{number} {number} KEEPTTL")), "OK");
        assert_eq!(world.ask(client, &format!("SET late:{number} {number}")), "OK");
    }
    kill_all(&mut world);
    for nodes in [[0, 2], [2, 0], [1, 2], [2, 1]] {
        let mut rescued = world.rescue(&nodes);
        assert_eq!(rescued.standings, [Standing::Whole; 4]);
        let late = nodes.iter().position(|node| *node == 2).unwrap();
        assert_eq!((rescued.chosen[late], rescued.chosen[1 - late]), (0, 4));
        check_filled(&mut rescued.world);
        for number in 0..40 {
            assert_eq!(ask(&mut rescued, &format!("GET late:{number}")), format!("\"{number}\""));
        }
    }
    let mut rescued = world.rescue(&[2]);
    assert_eq!(rescued.standings, [Standing::Partial; 4]);
    check_filled(&mut rescued.world);
    assert_eq!(ask(&mut rescued, "GET late:1"), "nil");
}

#[test]
fn what_was_logged_and_not_known_to_be_decided_is_kept_unless_others_decided_otherwise() {
    let mut world = World::of(3, 3);
    let leader = (0..3).find(|node| world.leads(*node, "k")).unwrap();
    let others: Vec<usize> = (0..3).filter(|node| *node != leader).collect();
    for &other in &others {
        world.cut_way(leader, other);
        world.cut_way(other, leader);
    }
    let client = world.connect(leader);
    world.send(client, "SET k alone");
    world.pass(5);
    assert!(world.answers(client).is_empty(), "nobody else has it");
    let mut early = {
        // As if all died now.
        let mut nodes = vec![];
        std::mem::swap(&mut nodes, &mut world.cut);
        world.kill(leader);
        let rescued = world.rescue(&[leader]);
        world.cut = nodes;
        rescued
    };
    assert_eq!(ask(&mut early, "GET k"), "\"alone\"");
    world.pass(5000);
    let client = world.connect(others[0]);
    assert_eq!(world.ask(client, "SET k together"), "OK");
    kill_all(&mut world);
    for nodes in [[leader, others[0]], [others[1], leader]] {
        let mut rescued = world.rescue(&nodes);
        assert_eq!(ask(&mut rescued, "GET k"), "\"together\"");
    }
}

#[test]
fn of_partitions_that_no_folder_has_it_is_known_and_the_rest_is_there() {
    let mut world = World::of_with(5, 4, 16);
    let client = world.connect(0);
    for number in 0..200 {
        assert_eq!(world.ask(client, &format!("SET key:{number} {number}")), "OK");
    }
    world.settle();
    kill_all(&mut world);
    let router = Router::new(16, 1);
    let mut kinds = [0; 3];
    for nodes in [[0, 1], [1, 2], [3, 4], [0, 4]] {
        let mut rescued = world.rescue(&nodes);
        let standings = rescued.standings.clone();
        for standing in &standings {
            let kind = match standing {
                Standing::Whole => 0,
                Standing::Partial => 1,
                Standing::Missing => 2,
                other => panic!("{other:?}"),
            };
            kinds[kind] += 1;
        }
        for number in 0..200 {
            let key = format!("key:{number}");
            let id = router.partition_of_slot(base::slot_of(key.as_bytes()));
            let expect = match standings[usize::from(id.0)] {
                Standing::Missing => "nil".to_owned(),
                _ => format!("\"{number}\""),
            };
            assert_eq!(ask(&mut rescued, &format!("GET {key}")), expect);
            assert_eq!(ask(&mut rescued, &format!("SET {key} new")), "OK");
        }
    }
    assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
    let mut rescued = world.rescue(&[0, 1, 2]);
    assert!(!rescued.standings.contains(&Standing::Missing), "each has three replicas on five nodes");
    assert_eq!(ask(&mut rescued, "DBSIZE"), "200");
}

#[test]
fn a_machine_that_lost_its_power_counts_less_than_one_that_did_not() {
    let mut world = World::of(3, 5);
    fill(&mut world, 0);
    world.settle();
    world.lose_power(0);
    kill_all(&mut world);
    for nodes in [[0, 1], [1, 0]] {
        let rescued = world.rescue(&nodes);
        let certain = nodes.iter().position(|node| *node == 1).unwrap();
        assert_eq!(rescued.chosen[certain], 4, "{nodes:?}: both got as far");
        assert_eq!(rescued.standings, [Standing::Partial; 4]);
    }
    let rescued = world.rescue(&[0]);
    assert_eq!(rescued.standings, [Standing::Doubtful(Doubt::LostPower); 4]);
    let mut rescued = world.rescue(&[0, 1, 2]);
    assert_eq!(rescued.standings, [Standing::Whole; 4], "two of three remember all");
    check_filled(&mut rescued.world);
    world.lose_power(1);
    world.lose_power(2);
    assert_eq!(world.rescue(&[0, 1, 2]).standings, [Standing::Longest; 4]);
    assert_eq!(world.rescue(&[0, 1]).standings, [Standing::Doubtful(Doubt::LostPower); 4]);
}

#[test]
fn a_replica_that_was_being_brought_up_is_not_taken_for_one_that_voted() {
    let mut seen = 0;
    for millis in 0..30 {
        let mut world = World::of(2, 6);
        fill(&mut world, 0);
        let newcomer = world.begin_join();
        assert!(world.pass_until(5000, |world| world.received_snapshots(newcomer) > 0));
        world.pass(millis);
        kill_all(&mut world);
        let standings = world.rescue(&[newcomer]).standings;
        seen += standings.iter().filter(|standing| **standing == Standing::Doubtful(Doubt::NoVoter)).count();
        assert!(!standings.contains(&Standing::Whole));
        let mut both = world.rescue(&[newcomer, 0]);
        assert!(
            !both
                .standings
                .iter()
                .any(|standing| matches!(standing, Standing::Doubtful(_) | Standing::Missing))
        );
        check_filled(&mut both.world);
    }
    assert!(seen > 0, "it was never between the two");
}

#[test]
fn a_replica_of_a_node_that_was_replaced_may_be_old() {
    let mut world = World::of_with(5, 7, 16);
    let client = world.connect(0);
    for number in 0..40 {
        assert_eq!(world.ask(client, &format!("SET key:{number} {number}")), "OK");
    }
    world.settle();
    let held = world.replicas(3);
    assert!(held > 0);
    world.kill(3);
    // The others make up for it.
    world.pass(30_000);
    kill_all(&mut world);
    let count = |standings: &[Standing], standing| standings.iter().filter(|s| **s == standing).count();
    let alone = world.rescue(&[3]).standings;
    assert_eq!(count(&alone, Standing::Partial), held, "it does not know that it was replaced");
    let mut replaced = 0;
    for other in [0, 1, 2, 4] {
        let rescued = world.rescue(&[3, other]);
        replaced += count(&rescued.standings, Standing::Doubtful(Doubt::Replaced));
        // What it had, the other may have newer; nothing of it is taken for sure.
        assert_eq!(count(&rescued.standings, Standing::Doubtful(Doubt::Replaced)), rescued.chosen[0]);
    }
    assert!(replaced > 0);
    let all = world.rescue(&[0, 1, 2, 3, 4]);
    assert_eq!((all.chosen[3], count(&all.standings, Standing::Whole)), (0, 16), "the others went on");
}

#[test]
fn folders_of_two_clusters_are_not_mixed() {
    let mut world = World::of(2, 8);
    fill(&mut world, 0);
    kill_all(&mut world);
    let mut other = world.rescue(&[0]).world;
    other.kill(0);
    let mut rescue = Rescue::new(Router::new(4, 1), KeyHasher::new(5), 9);
    world.look_at(0, &mut rescue).unwrap();
    world.look_at(1, &mut rescue).unwrap();
    let refused = other.look_at(0, &mut rescue).map(drop).unwrap_err();
    assert!(matches!(refused, RescueError::OtherCluster { found: 8, known: 7 }), "{refused}");
}

#[test]
fn a_rescued_cluster_can_be_rescued_and_tells_of_both() {
    let mut world = World::of(2, 9);
    fill(&mut world, 0);
    kill_all(&mut world);
    let mut once = world.rescue(&[0]).world;
    let replicas = Command::SetReplicas { replicas: 2 };
    once.ask_fabric(0, replicas).unwrap();
    once.kill(0);
    let mut twice = once.rescue(&[0]);
    assert_eq!(twice.standings, [Standing::Whole; 4], "it was alone");
    check_filled(&mut twice.world);
    let state = twice.world.meta(0);
    assert_eq!(state.setting(node::RESCUED), Some("a test; before that a test"));
    assert_eq!(state.replicas_wanted(), 2);
}
