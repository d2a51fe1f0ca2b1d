//! A fabric of several nodes: any client on any node, through joins, deaths and cuts.

use cluster::{MemberKind, MemberState};
use resp::Value;

use crate::cluster_world::{PARTITIONS, World};
use crate::net::show;

/// A key of each partition would do; these are spread well enough.
fn keys() -> impl Iterator<Item = String> {
    (0..40).map(|n| format!("key:{n}"))
}

fn write_all(world: &mut World, node: usize, value: &str) {
    let client = world.connect(node);
    for key in keys() {
        assert_eq!(world.ask(client, &format!("SET {key} {value}")), "OK");
    }
}

#[track_caller]
fn check_all(world: &mut World, node: usize, value: &str) {
    let client = world.connect(node);
    for key in keys() {
        assert_eq!(world.ask(client, &format!("GET {key}")), format!("{value:?}"), "{key} on node {node}");
    }
}

#[test]
fn one_node_founds_a_fabric_and_serves_as_before() {
    let mut world = World::new(1, true);
    write_all(&mut world, 0, "a");
    check_all(&mut world, 0, "a");
    let meta = world.meta(0);
    assert_eq!(meta.partitions(), PARTITIONS);
    assert_eq!(meta.data_nodes().count(), 1);
}

#[test]
fn three_nodes_hold_the_same_and_any_of_them_serves_any_key() {
    let mut world = World::new(2, true);
    write_all(&mut world, 0, "before");
    world.join();
    world.join();
    world.settle();
    for node in 0..3 {
        check_all(&mut world, node, "before");
    }
    for node in 0..3 {
        write_all(&mut world, node, &format!("from-{node}"));
        for other in 0..3 {
            check_all(&mut world, other, &format!("from-{node}"));
        }
    }
    world.settle();
    let digests: Vec<String> = (0..3).map(|node| world.digest(node)).collect();
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0], digests[2]);
}

#[test]
fn a_death_is_waited_out_and_nothing_answered_is_lost() {
    let mut world = World::of(3, 3);
    write_all(&mut world, 1, "kept");
    for node in 0..3 {
        world.kill(node);
        assert!(!world.is_running(node));
        let other = (node + 1) % world.count();
        check_all(&mut world, other, "kept");
        write_all(&mut world, other, "kept");
        world.restart(node);
        world.settle();
        check_all(&mut world, node, "kept");
    }
    let digests: Vec<String> = (0..3).map(|node| world.digest(node)).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[test]
fn a_node_that_is_cut_off_refuses_and_comes_back() {
    let mut world = World::of(3, 4);
    write_all(&mut world, 0, "before");
    for other in [1, 2] {
        world.cut.extend([(0, other), (other, 0)]);
    }
    world.pass(2000);
    let client = world.connect(0);
    assert!(world.ask(client, "SET key:1 x").contains("CLUSTERDOWN"), "a minority takes no write");
    assert!(world.is_open(client));
    write_all(&mut world, 1, "after");
    world.cut.clear();
    world.settle();
    check_all(&mut world, 0, "after");
}

#[test]
fn who_takes_what_may_be_old_is_answered_by_a_replica_that_hears_nobody() {
    let mut world = World::of(3, 4);
    write_all(&mut world, 0, "before");
    world.settle();
    for other in [1, 2] {
        world.cut.extend([(0, other), (other, 0)]);
    }
    world.pass(2000);
    write_all(&mut world, 1, "after");
    let client = world.connect(0);
    assert!(world.ask(client, "GET key:1").contains("CLUSTERDOWN"));
    assert_eq!(world.ask(client, "READONLY"), "OK");
    assert_eq!(world.ask(client, "GET key:1"), "\"before\"");
    assert_eq!(world.ask(client, "MGET key:1 key:2 key:3"), "[\"before\" \"before\" \"before\"]");
    assert_eq!(world.ask(client, "DBSIZE"), keys().count().to_string());
    let refused = world.ask(client, "SET key:1 x");
    assert!(refused.contains("CLUSTERDOWN partition "), "it writes nothing: {refused}");
    assert!(refused.contains(" lost quorum (1 of 3), write not applied"), "{refused}");
    let info = world.ask(client, "INFO cluster");
    let age = info.split("narf_replica_age_ms:").nth(1).unwrap().split('\r').next().unwrap();
    assert!(age.parse::<u64>().unwrap() >= 2000, "it tells how old it is: {age}");
    assert_eq!(world.ask(client, "READWRITE"), "OK");
    assert!(world.ask(client, "GET key:1").contains("CLUSTERDOWN"));
    world.cut.clear();
    world.settle();
    assert_eq!(world.ask(client, "READONLY"), "OK");
    assert_eq!(world.ask(client, "GET key:1"), "\"after\"");
}

#[test]
fn a_leader_that_stood_still_answers_nothing_stale() {
    let mut world = World::of(3, 5);
    write_all(&mut world, 0, "old");
    world.pause(0, 3000);
    world.pass(1500);
    write_all(&mut world, 1, "new");
    world.pass(2000);
    check_all(&mut world, 0, "new");
}

#[test]
fn a_leader_that_stood_still_in_the_middle_of_a_turn_answers_nothing_stale() {
    let mut world = World::of(3, 17);
    let old = (0..3).find(|&node| world.leads(node, "key:1")).unwrap();
    let other = (old + 1) % 3;
    let (client, writer) = (world.connect(old), world.connect(other));
    assert_eq!(world.ask(writer, "SET key:1 old"), "OK");
    world.settle();
    let began = world.now;
    world.send_in_a_turn_begun_at(began, client, "GET key:1");
    assert_eq!(show(&world.answers(client)[0]), "\"old\"", "its lease holds when the turn begins");
    world.pause(old, 5000);
    world.pass(1500);
    assert_eq!(world.ask(writer, "SET key:1 new"), "OK");
    world.send_in_a_turn_begun_at(began, client, "GET key:1");
    world.pass(6000);
    let answers: Vec<String> = world.answers(client).iter().map(show).collect();
    assert_eq!(answers, ["\"new\""]);
}

#[test]
fn checkpoints_carry_a_node_over_a_restart() {
    let mut world = World::of(3, 6);
    write_all(&mut world, 0, "one");
    world.begin_checkpoint(2);
    write_all(&mut world, 0, "two");
    world.kill(2);
    world.restart(2);
    world.settle();
    check_all(&mut world, 2, "two");
    assert_eq!(world.digest(2), world.digest(1));
}

/// The fabric's state was logged with the first partition that a round wrote; who had none to write lost it.
#[test]
fn a_node_without_data_knows_the_fabric_after_its_log_was_cut() {
    let mut world = World::of(3, 14);
    let witness = world.begin_join_as(MemberKind::Witness);
    world.settle();
    world.begin_checkpoint(witness);
    assert!(world.cut_frames(witness) > 0, "nothing holds its log back");
    world.kill(witness);
    world.restart(witness);
    assert_eq!(world.meta(witness).members().count(), 4);
}

#[test]
fn a_log_is_cut_though_some_partitions_are_elsewhere() {
    let mut world = World::of(5, 15);
    write_all(&mut world, 0, "a");
    for node in 0..5 {
        world.begin_checkpoint(node);
        assert!(world.cut_frames(node) > 0, "node {node}");
        world.kill(node);
        world.restart(node);
        world.settle();
    }
    check_all(&mut world, 0, "a");
}

#[test]
fn a_follower_without_room_takes_no_entries_until_it_has_room_again() {
    let mut world = World::of(3, 16);
    let leader = (0..3).find(|&node| world.leads(node, "key:1")).unwrap();
    let short = (leader + 1) % 3;
    world.set_log_room(short, 6000);
    let client = world.connect(leader);
    for n in 0..50 {
        assert_eq!(world.ask(client, &format!("SET key:1 {}", "x".repeat(8000 + n))), "OK");
    }
    assert!(world.entries_without_room(short) > 0);
    world.set_log_room(short, usize::MAX);
    world.settle();
    assert_eq!(world.digest(short), world.digest(leader));
}

#[test]
fn transactions_and_requests_over_partitions_work_anywhere() {
    let mut world = World::of(3, 7);
    let client = world.connect(2);
    assert_eq!(world.ask(client, "MSET a 1 b 2 c 3 d 4 e 5"), "OK");
    assert_eq!(world.ask(client, "MGET e a x c"), r#"["5" "1" nil "3"]"#);
    assert_eq!(world.ask(client, "DBSIZE"), "5");
    assert_eq!(world.ask(client, "DEL a b nobody"), "2");
    assert_eq!(world.ask(client, "EXISTS a b c d"), "2");
    assert!(world.ask(client, "RENAME c d").starts_with("CROSSSLOT") || world.ask(client, "EXISTS d") == "1");
    assert_eq!(world.ask(client, "MULTI"), "OK");
    assert_eq!(world.ask(client, "INCR {t}n"), "QUEUED");
    assert_eq!(world.ask(client, "GET {t}n"), "QUEUED");
    assert_eq!(world.ask(client, "PING"), "QUEUED");
    assert_eq!(world.ask(client, "EXEC"), r#"[1 "1" PONG]"#);
    let other = world.connect(1);
    assert_eq!(world.ask(client, "WATCH {t}n"), "OK");
    assert_eq!(world.ask(other, "INCR {t}n"), "2");
    assert_eq!(world.ask(client, "MULTI"), "OK");
    assert_eq!(world.ask(client, "SET {t}n lost"), "QUEUED");
    assert_eq!(world.ask(client, "EXEC"), "nil");
    assert_eq!(world.ask(other, "GET {t}n"), r#""2""#);
    assert_eq!(world.ask(client, "FLUSHALL"), "OK");
    assert_eq!(world.ask(other, "DBSIZE"), "0");
}

/// A read that waited behind a transaction with watches once went into the log as if it were a write.
#[test]
fn a_read_behind_a_watching_transaction_is_not_logged() {
    let mut world = World::of(3, 8);
    let node = (0..3).find(|&node| world.leads(node, "{t}")).unwrap();
    let (watching, writing) = (world.connect(node), world.connect(node));
    assert_eq!(world.ask(watching, "WATCH {t}a"), "OK");
    assert_eq!(world.ask(watching, "MULTI"), "OK");
    assert_eq!(world.ask(watching, "SET {t}a 2"), "QUEUED");
    world.send(writing, "SET {t}b 1");
    world.send(watching, "EXEC");
    world.send(writing, "GET {t}b");
    world.send(writing, "SET {t}b 2");
    world.send(writing, "GET {t}b");
    world.pass(2000);
    let shown = |world: &mut World, client| {
        world.answers(client).iter().map(crate::net::show).collect::<Vec<String>>()
    };
    assert_eq!(shown(&mut world, watching), ["[OK]"]);
    assert_eq!(shown(&mut world, writing), ["OK", "\"1\"", "OK", "\"2\""]);
}

#[test]
fn a_transaction_of_reads_does_not_see_a_lapsed_key() {
    let mut world = World::of(3, 9);
    let client = world.connect(0);
    assert_eq!(world.ask(client, "DEBUG SET-ACTIVE-EXPIRE 0"), "OK");
    assert_eq!(world.ask(client, "SET {t}k v PX 20"), "OK");
    assert_eq!(world.ask(client, "WATCH {t}k"), "OK");
    world.pass(100);
    assert_eq!(world.ask(client, "MULTI"), "OK");
    assert_eq!(world.ask(client, "SET {t}k again"), "QUEUED");
    assert_eq!(world.ask(client, "EXEC"), "nil", "a watched key that lapsed has changed");
    assert_eq!(world.ask(client, "SET {t}k v PX 20"), "OK");
    world.pass(100);
    assert_eq!(world.ask(client, "MULTI"), "OK");
    assert_eq!(world.ask(client, "GET {t}k"), "QUEUED");
    assert_eq!(world.ask(client, "EXEC"), "[nil]");
}

#[test]
fn a_new_leader_judges_a_watch_by_what_the_last_one_left() {
    for seed in 0..8 {
        let mut world = World::of(3, seed);
        let leader = (0..3).find(|node| world.leads(*node, "k")).unwrap();
        let writer = world.connect(leader);
        assert_eq!(world.ask(writer, "SET k before"), "OK");
        let watching: Vec<usize> =
            (0..3).filter(|node| *node != leader).map(|node| world.connect(node)).collect();
        for &client in &watching {
            assert_eq!(world.ask(client, "WATCH k"), "OK");
            assert_eq!(world.ask(client, "MULTI"), "OK");
            assert_eq!(world.ask(client, "SET k lost"), "QUEUED");
        }
        // It is answered when most have it, before they know that most have it.
        world.send(writer, "SET k kept");
        while world.answers(writer).is_empty() {
            world.deliver_some(1);
        }
        world.kill(leader);
        watching.iter().for_each(|client| world.send(*client, "EXEC"));
        world.pass(5000);
        for &client in &watching {
            assert_eq!(world.answers(client), [Value::Null], "seed {seed}");
            assert_eq!(world.ask(client, "GET k"), "\"kept\"");
        }
    }
}

#[test]
fn lapsed_keys_and_fields_are_deleted_without_being_looked_at() {
    let mut world = World::of(3, 9);
    let client = world.connect(0);
    // Whoever looks for them has nothing to do for long.
    world.pass(5000);
    assert_eq!(world.ask(client, "SET {t}k v PX 300"), "OK");
    assert_eq!(world.ask(client, "HSET {t}h f v"), "1");
    assert_eq!(world.ask(client, "HPEXPIRE {t}h 300 FIELDS 1 f"), "[1]");
    assert_eq!(world.ask(client, "DBSIZE"), "2");
    world.pass(3000);
    assert_eq!(world.ask(client, "DBSIZE"), "0");
}

#[test]
fn what_cannot_be_atomic_inside_a_transaction_is_refused() {
    let mut world = World::of(3, 10);
    let client = world.connect(0);
    assert_eq!(world.ask(client, "SELECT 3"), "OK");
    assert_eq!(world.ask(client, "SET k v"), "OK");
    assert_eq!(world.ask(client, "MULTI"), "OK");
    assert_eq!(world.ask(client, "SET k w"), "QUEUED");
    assert_eq!(world.ask(client, "FLUSHDB"), "QUEUED");
    assert!(world.ask(client, "EXEC").contains("EXECABORT"));
    assert_eq!(world.ask(client, "GET k"), r#""v""#);
}

/// A leader that lost the lead with a write under way, and comes back by a snapshot, cannot know what became of it.
#[test]
fn a_write_that_a_snapshot_passes_over_is_of_unknown_outcome() {
    let mut world = World::of(3, 11);
    let old = (0..3).find(|&node| world.leads(node, "key:1")).unwrap();
    let others: Vec<usize> = (0..3).filter(|&node| node != old).collect();
    for &other in &others {
        world.cut.extend([(old, other), (other, old)]);
    }
    let client = world.connect(old);
    world.send(client, "SET key:1 lost");
    world.pass(1500);
    let writer = world.connect(others[0]);
    // More than the leader keeps in memory for those that lag.
    for _ in 0..40 {
        let line = format!("SET key:1 {}", "x".repeat(60_000));
        assert_eq!(world.ask(writer, &line), "OK");
    }
    world.cut.clear();
    world.pass(6000);
    let answers = world.answers(client);
    assert_eq!(answers.len(), 1);
    assert!(crate::net::show(&answers[0]).contains("UNKNOWNOUTCOME"), "{answers:?}");
    assert_eq!(world.digest(old), world.digest(others[0]));
}

/// A voter that was just started does not remember which leader it follows; if it voted at once, another could lead
/// while the old one still reads by its lease.
#[test]
fn a_voter_that_was_just_started_elects_nobody_within_a_lease() {
    for seed in 0..30 {
        let mut world = World::of(3, 100 + seed);
        let old = (0..3).find(|&node| world.leads(node, "key:1")).unwrap();
        let others: Vec<usize> = (0..3).filter(|&node| node != old).collect();
        let (voter, rival) = (others[0], others[1]);
        let reader = world.connect(old);
        assert_eq!(world.ask(reader, "SET key:1 old"), "OK");
        // The rival hears nobody, and wants to be elected; the voter goes on following.
        for node in [old, voter] {
            world.cut.extend([(rival, node), (node, rival)]);
        }
        world.pass(1200);
        world.kill(voter);
        world.restart(voter);
        world.cut.retain(|&(from, to)| from == old || to == old);
        world.cut.extend([(old, voter), (voter, old)]);
        let writer = world.connect(rival);
        for _ in 0..400 {
            world.pass(1);
            if world.leads(rival, "key:1") {
                world.send(writer, "SET key:1 new");
            }
            if world.answers(writer).iter().any(|answer| crate::net::show(answer) == "OK") {
                world.send(reader, "GET key:1");
                let answers = world.answers(reader);
                let is_stale = answers.iter().any(|answer| crate::net::show(answer) == r#""old""#);
                assert!(!is_stale, "seed {seed}: a read by lease after another leader's write was answered");
                break;
            }
        }
    }
}

/// A new leader once sent writes away until its followers had answered, and nobody took them up again.
#[test]
fn writes_during_a_change_of_leader_are_not_refused() {
    for seed in 0..10 {
        let mut world = World::of(3, 200 + seed);
        let old = (0..3).find(|&node| world.leads(node, "key:1")).unwrap();
        let other = (old + 1) % 3;
        world.kill(old);
        let clients: Vec<usize> = (0..8).map(|_| world.connect(other)).collect();
        for round in 0..30 {
            for &client in &clients {
                world.send(client, &format!("SET key:1 {round}"));
            }
            world.pass(30);
        }
        world.pass(3000);
        for client in clients {
            let answers: Vec<String> = world.answers(client).iter().map(crate::net::show).collect();
            assert_eq!(answers.len(), 30, "seed {seed}");
            assert!(answers.iter().all(|answer| answer == "OK"), "seed {seed}: {answers:?}");
        }
    }
}

/// A transfer whose sender died once kept the partition from being checkpointed for ever.
#[test]
fn a_transfer_whose_sender_died_stands_in_nobodys_way() {
    let mut world = World::new(12, true);
    let client = world.connect(0);
    for n in 0..200 {
        let line = format!("SET key:{n} {}", "x".repeat(20_000));
        assert_eq!(world.ask(client, &line), "OK");
    }
    let joined = world.begin_join();
    let is_receiving = |world: &World| world.received_snapshots(joined) > 0;
    for _ in 0..3000 {
        if is_receiving(&world) {
            break;
        }
        world.pass(1);
    }
    assert!(is_receiving(&world), "a state is on its way");
    world.kill(0);
    world.pass(500);
    world.restart(0);
    world.pass(8000);
    assert_eq!(world.digest(joined), world.digest(0));
    world.begin_checkpoint(joined);
    assert_eq!(world.checkpoints(joined), usize::from(PARTITIONS));
}

#[test]
fn clients_see_no_error_while_nodes_join_and_the_lead_moves() {
    let mut world = World::new(13, true);
    let clients: Vec<usize> = (0..6).map(|_| world.connect(0)).collect();
    let (mut sent, mut answered) = (0, 0);
    let mut write = |world: &mut World, rounds: usize| {
        for _ in 0..rounds {
            for (number, &client) in clients.iter().enumerate() {
                world.send(client, &format!("SET key:{number} {sent}"));
                sent += 1;
            }
            world.pass(5);
            for &client in &clients {
                let answers: Vec<String> = world.answers(client).iter().map(crate::net::show).collect();
                assert!(answers.iter().all(|answer| answer == "OK"), "{answers:?}");
                answered += answers.len();
            }
        }
        (sent, answered)
    };
    write(&mut world, 20);
    world.begin_join();
    write(&mut world, 600);
    world.begin_join();
    write(&mut world, 600);
    world.settle();
    let (sent, answered) = write(&mut world, 1);
    world.pass(1000);
    let rest: usize = clients.iter().map(|&client| world.answers(client).len()).sum();
    assert_eq!(answered + rest, sent);
    assert!((0..3).all(|node| (0..40).any(|n| world.leads(node, &format!("key:{n}")))), "the lead is spread");
}

/// A client of a node that leads `key`, and the other two nodes.
pub(crate) fn client_of_leader(world: &mut World, key: &str) -> (usize, Vec<usize>) {
    let leader = (0..3).find(|node| world.leads(*node, key)).unwrap();
    (world.connect(leader), (0..3).filter(|node| *node != leader).collect())
}

#[test]
fn a_durable_answer_waits_for_the_disks_of_a_majority() {
    for seed in 0..5 {
        let mut world = World::of(3, seed);
        let (client, followers) = client_of_leader(&mut world, "k");
        assert_eq!(world.ask(client, "CLIENT ACK durable"), "OK");
        assert_eq!(world.ask(client, "SET k 1"), "OK");
        world.stalled.clone_from(&followers);
        let other = world.connect(followers[0]);
        assert_eq!(world.ask(other, "SET k 2"), "OK", "a majority's word is enough for others");
        world.send(client, "SET k 3");
        world.pass(1000);
        assert!(world.answers(client).is_empty(), "one disk of three is no majority");
        assert_eq!(world.ask(other, "GET k"), "\"3\"");
        world.stalled.pop();
        world.pass(200);
        assert_eq!(world.answers(client).len(), 1);
        // And when it does not come to be, nobody waits for ever.
        world.stalled.clone_from(&followers);
        world.send(client, "MULTI");
        world.send(client, "SET k 4");
        world.send(client, "GET k");
        world.send(client, "EXEC");
        world.pass(8000);
        let answers = world.answers(client);
        let text = show(answers.last().unwrap());
        assert!(answers.len() == 4 && text.contains("UNKNOWNOUTCOME"), "{text}");
    }
}

#[test]
fn an_answer_for_all_waits_for_every_replica_that_lives() {
    for seed in 0..5 {
        let mut world = World::of(3, seed);
        let (client, followers) = client_of_leader(&mut world, "k");
        assert_eq!(world.ask(client, "CLIENT ACK all"), "OK");
        for number in 0..20 {
            assert_eq!(world.ask(client, &format!("SET k {number}")), "OK");
            let digests: Vec<String> = (0..3).map(|node| world.digest(node)).collect();
            assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
        }
        world.kill(followers[1]);
        assert_eq!(world.ask(client, "SET k after"), "OK", "who is dead is not waited for");
    }
}

#[test]
fn a_write_behind_others_that_do_not_get_through_is_refused_and_not_done() {
    let mut world = World::of(3, 4);
    let (client, followers) = client_of_leader(&mut world, "k");
    assert_eq!(world.ask(client, "SET k 0"), "OK");
    for &follower in &followers {
        world.set_log_room(follower, 0);
    }
    // The first ones are proposed, one entry each; those behind them wait for their turn.
    let leader = (0..3).find(|node| !followers.contains(node)).unwrap();
    let clients: Vec<usize> = (0..5).map(|_| world.connect(leader)).collect();
    for &client in &clients {
        world.send(client, "INCR k");
        world.pass(20);
    }
    world.pass(8000);
    let answers: Vec<String> =
        clients.iter().map(|&client| world.answers(client).first().map_or(String::new(), show)).collect();
    let count = |word: &str| answers.iter().filter(|answer| answer.starts_with(&format!("({word}"))).count();
    let (unknown, refused) = (count("UNKNOWNOUTCOME"), count("CLUSTERDOWN"));
    assert!(unknown > 0 && refused > 0 && unknown + refused == 5, "{answers:?}");
    for &follower in &followers {
        world.set_log_room(follower, usize::MAX);
    }
    world.pass(2000);
    assert_eq!(world.ask(client, "GET k"), format!("\"{unknown}\""), "{answers:?}");
}

#[test]
fn a_replica_killed_while_it_catches_up_is_caught_up_in_the_end() {
    for seed in 0..6 {
        let mut world = World::of(3, seed);
        let (client, followers) = client_of_leader(&mut world, "k");
        let behind = followers[0];
        world.kill(behind);
        for number in 0..60 {
            let line = format!("SET key:{number} {}", "x".repeat(100_000));
            assert_eq!(world.ask(client, &line), "OK");
        }
        // Each time it dies at another point of a transfer of its partitions.
        let mut begun = 0;
        for round in 0..12 {
            world.restart(behind);
            let received = world.received_snapshots(behind);
            for _ in 0..600 {
                world.pass(1);
                if world.received_snapshots(behind) > received {
                    break;
                }
            }
            world.pass((seed + round) % 4);
            world.deliver_some(round as usize);
            begun += world.received_snapshots(behind);
            world.kill(behind);
            world.pass(20);
        }
        world.restart(behind);
        world.pass(15_000);
        // Now it counts.
        world.kill(followers[1]);
        world.pass(1500);
        for number in 0..60 {
            assert_eq!(
                world.ask(client, &format!("SET key:{number} after")),
                "OK",
                "seed {seed}, key {number}"
            );
        }
        assert!(begun > 1, "seed {seed}: {begun} transfers");
    }
}

#[test]
fn a_durable_answer_of_a_single_replica_waits_for_its_disk() {
    let mut world = World::of(2, 3);
    world.ask_fabric(0, cluster::Command::SetReplicas { replicas: 1 }).unwrap();
    world.pass(5000);
    for owner in 0..2 {
        let key = keys().find(|key| world.leads(owner, key)).unwrap();
        // Asked for at the node that has it, and at the other.
        for client in [world.connect(owner), world.connect(1 - owner)] {
            assert_eq!(world.ask(client, "CLIENT ACK durable"), "OK");
            for request in [format!("SET {key} 1"), format!("APPEND {key} 1")] {
                world.stalled.push(owner);
                world.send(client, &request);
                world.pass(300);
                assert!(world.answers(client).is_empty(), "{request} is not on the disk yet");
                world.stalled.clear();
                world.pass(300);
                assert_eq!(world.answers(client).len(), 1, "{request}");
            }
        }
    }
}

/// What a node says of the fabric.
fn status(world: &mut World, node: usize, name: &str) -> String {
    let client = world.connect(node);
    let text = world.ask(client, "FABRIC STATUS");
    let mut words = text.split([' ', '"', '[', ']', ',']).filter(|word| !word.is_empty());
    words.find(|word| *word == name).unwrap_or_else(|| panic!("no {name} in {text}"));
    words.next().unwrap().to_owned()
}

#[test]
fn what_may_be_lost_is_said_only_when_it_is_so() {
    let mut was_said = [0; 2];
    for round in 0..24 {
        let mut world = World::with_partitions(round, true, 16);
        write_all(&mut world, 0, "kept");
        world.join();
        world.begin_join();
        // From before anything has moved until after all has.
        world.pass(round * 40);
        let may_lose = status(&mut world, 1, "may-lose");
        was_said[usize::from(may_lose == "1")] += 1;
        world.kill(0);
        if may_lose == "1" {
            world.pass(2000);
            for node in 1..3 {
                check_all(&mut world, node, "kept");
                write_all(&mut world, node, "kept");
            }
        }
    }
    assert!(was_said[0] > 2 && was_said[1] > 2, "both were seen: {was_said:?}");
}

#[test]
fn a_newcomer_has_its_partitions_soon_and_says_ready_not_before() {
    let mut world = World::with_partitions(5, true, 64);
    write_all(&mut world, 0, "kept");
    world.join();
    let third = world.begin_join();
    let mut waited = 0;
    while status(&mut world, third, "state") != "ready" {
        waited += 20;
        assert!(waited < 3000, "it is not ready in time");
        world.pass(20);
    }
    assert_eq!(status(&mut world, third, "partitions-wanted-here"), "64");
    assert_eq!(status(&mut world, third, "partitions-missing-here"), "0");
    world.pass(200);
    assert_eq!(status(&mut world, 0, "may-lose"), "1");
    // No step waits for a clock where an answer can be waited for: 64 partitions take not 64 times as long as one.
    assert!(waited < 1500, "{waited} ms");
}

#[test]
fn a_lost_node_is_missed_in_what_may_be_lost() {
    let mut world = World::of(3, 6);
    for node in 0..3 {
        assert_eq!(status(&mut world, node, "may-lose"), "1", "node {node}");
    }
    world.kill(2);
    world.pass(2000);
    assert_eq!(status(&mut world, 0, "may-lose"), "0");
    assert_eq!(status(&mut world, 1, "may-lose"), "0");
    world.restart(2);
    world.settle();
    assert_eq!(status(&mut world, 0, "may-lose"), "1");
}

#[test]
fn what_a_cluster_can_bear_is_known_again_whatever_was_said_meanwhile() {
    for seed in 0..6 {
        let mut world = World::of(3, seed);
        let clients: Vec<usize> = (0..3).map(|_| world.connect(0)).collect();
        for round in 0..3 {
            (1..3).for_each(|node| world.pause(node, 6000 + 700 * node as u64));
            for n in 0..400 {
                for client in &clients {
                    world.send(*client, &format!("SET key:{n} {round}"));
                }
                world.pass(20);
            }
            world.pass(3000);
            clients.iter().for_each(|client| drop(world.answers(*client)));
            for node in 0..3 {
                assert_eq!(status(&mut world, node, "may-lose"), "1", "seed {seed}, node {node}");
            }
        }
    }
}

#[test]
fn what_a_leader_proposed_before_it_lost_its_majority_is_not_waited_for_long() {
    for seed in 0..6 {
        let mut world = World::of(3, seed);
        let key = (0..100).map(|n| format!("key:{n}")).find(|key| world.leads(0, key)).unwrap();
        let client = world.connect(0);
        world.send(client, &format!("SET {key} x"));
        (1..3).for_each(|node| world.pause(node, 60_000));
        let mut waited = 0;
        let answer = loop {
            if let Some(answer) = world.answers(client).first() {
                break show(answer);
            }
            world.pass(20);
            waited += 20;
            assert!(waited < 2000, "seed {seed}: no answer");
        };
        assert!(answer.contains("UNKNOWNOUTCOME"), "seed {seed}, after {waited} ms: {answer}");
    }
}

#[test]
fn signs_of_life_are_no_reason_to_look_for_lapsed_keys() {
    let mut world = World::of(3, 83);
    let client = world.connect(0);
    assert_eq!(world.ask(client, "SET key value PX 3600000"), "OK");
    world.pass(1000);
    // A step of time each 40 ms and the housekeeping each 100: else nodes that nobody asks rest.
    let mut short = 0;
    for _ in 0..200 {
        world.pass(1);
        short += (0..3).filter(|node| world.rest_of(*node) <= 2).count();
    }
    assert!(short <= 3 * 200 / 5, "{short} of 600 times a node wanted to be woken at once");
}

#[test]
fn a_lost_node_is_down_after_ten_seconds_whoever_leads_meanwhile() {
    let mut world = World::of(4, 84);
    world.kill(3);
    let lost = world.id(3);
    // One after the other stands still for so long that another leads; each comes round within nine seconds.
    for round in 0..6 {
        world.pass(1500);
        world.pause(round % 3, 1500);
        world.pass(1500);
    }
    let state = |world: &mut World| world.meta(0).member(lost).map(|member| member.state);
    let is_down = (0..40).any(|_| {
        world.pass(50);
        state(&mut world) == Some(MemberState::Down)
    });
    assert!(is_down, "{:?}", state(&mut world));
}
