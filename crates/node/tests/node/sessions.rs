//! `CLIENT SESSION`: writes that are sent again are answered again, and applied once.

use base::Random;

use crate::cluster_world::World;
use crate::net::{ClientId, Net, PARTITIONS, key_in, on_all, on_all_with, show};

/// Ids that nodes could have given, of the time that tests begin at.
fn session(number: u64) -> String {
    format!("018bcfe5-67ff-7000-8000-{number:012x}")
}

/// Sends a numbered request, and gives what it was answered.
#[track_caller]
fn once(net: &mut Net, client: ClientId, session: &str, number: u64, line: &str) -> String {
    let replies = net.talk(client, &[&format!("CLIENT SESSION SEQ {session} {number}"), line]);
    assert_eq!(replies.len(), 2, "{replies:?}");
    assert_eq!(replies[0], "OK");
    replies[1].clone()
}

#[test]
fn a_write_that_is_sent_again_is_applied_once() {
    on_all(|net| {
        let (one, other) = (net.connect(0), net.connect(1));
        let opened = net.ask(one, "CLIENT SESSION OPEN");
        let id = opened.trim_matches('"').to_owned();
        for partition in 0..4 {
            let key = key_in(partition, "k");
            let number = u64::from(partition) + 1;
            assert_eq!(once(net, one, &id, number, &format!("INCR {key}")), "1");
            assert_eq!(once(net, one, &id, number, &format!("INCR {key}")), "1");
            assert_eq!(once(net, other, &id, number, &format!("incr {key}")), "1", "on another connection");
            let another = once(net, other, &id, number, &format!("INCRBY {key} 5"));
            assert!(another.contains("was another request"), "{another}");
            assert_eq!(net.ask(one, &format!("GET {key}")), "\"1\"");
            // Without a number, and behind one that has it.
            assert_eq!(net.ask(one, &format!("INCR {key}")), "2");
        }
        assert!(net.ask(one, "INFO clients").contains("client_sessions:4\r\n"));
    });
}

#[test]
fn numbered_and_other_requests_of_one_client_keep_their_order() {
    on_all(|net| {
        let client = net.connect(0);
        let (mut lines, mut expect) = (Vec::new(), Vec::new());
        for number in 1..=20u16 {
            let key = key_in(number % 4, "o");
            let (id, count) = (session(1), number.div_ceil(4));
            lines.push(format!("SET {key} {}", (count - 1) * 10));
            lines.push(format!("CLIENT SESSION SEQ {id} {number}"));
            lines.push(format!("INCR {key}"));
            lines.push(format!("GET {key}"));
            let value = (count - 1) * 10 + 1;
            expect.extend(["OK".to_owned(), "OK".to_owned(), value.to_string(), format!("\"{value}\"")]);
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(net.talk(client, &lines), expect);
    });
}

#[test]
fn a_transaction_has_one_number() {
    on_all(|net| {
        let client = net.connect(0);
        let id = session(2);
        let number = format!("CLIENT SESSION SEQ {id} 1");
        let inside = ["MULTI", &number, "INCR {t}a", "LPUSH {t}b x", "GET {t}a", "EXEC"];
        for _ in 0..3 {
            let replies = net.talk(client, &inside);
            assert_eq!(replies[5], "[OK 1 1 \"1\"]");
        }
        let before = [number.as_str(), "MULTI", "INCR {t}a", "EXEC"];
        assert!(net.talk(client, &before)[3].contains("was another request"));
        let number = format!("CLIENT SESSION SEQ {id} 2");
        let before = [number.as_str(), "MULTI", "INCR {t}a", "EXEC"];
        for _ in 0..2 {
            assert_eq!(net.talk(client, &before)[3], "[2]");
        }
        assert_eq!(net.ask(client, "INCR {t}a"), "3", "the number is gone");
        // What cannot be one request of one partition is refused as a whole.
        let number = format!("CLIENT SESSION SEQ {id} 3");
        let (a, b) = (format!("SET {} x", key_in(0, "m")), format!("SET {} x", key_in(1, "m")));
        for (lines, why) in [
            (vec![number.as_str(), "MULTI", &a, &b, "EXEC"], "CROSSSLOT"),
            (vec![&number, "MULTI", "PUBLISH a b", &a, "EXEC"], "PUBLISH is not possible"),
            (vec![&number, "WATCH k", "MULTI", &a, "EXEC"], ""),
            (vec!["WATCH k", &number, "MULTI", &a, "EXEC"], "cannot have watches"),
            (vec!["MULTI", &number, &number, &a, "EXEC"], "EXECABORT"),
            (vec!["MULTI", "CLIENT SESSION SEQ x 3", &a, "EXEC"], "EXECABORT"),
            (vec!["CLIENT SESSION SEQ x 3", "MULTI", &a, "EXEC"], "EXECABORT"),
        ] {
            let replies = net.talk(client, &lines);
            let last = replies.last().unwrap();
            // A watch between takes the number, and the transaction goes without.
            assert_eq!(
                last.contains("EXECABORT") && last.contains(why),
                !why.is_empty(),
                "{lines:?}: {replies:?}"
            );
            assert_eq!(
                net.ask(client, &format!("DEL {}", key_in(0, "m"))),
                if why.is_empty() { "1" } else { "0" }
            );
        }
    });
}

#[test]
fn a_request_over_several_partitions_is_once_in_each() {
    on_all(|net| {
        let client = net.connect(0);
        let keys: Vec<String> = (0..4).map(|partition| key_in(partition, "s")).collect();
        let (all, id) = (keys.join(" "), session(3));
        assert_eq!(once(net, client, &id, 1, &format!("MSET {} 1", keys.join(" 1 "))), "OK");
        assert_eq!(once(net, client, &id, 2, &format!("DEL {all}")), "4");
        assert_eq!(once(net, client, &id, 2, &format!("DEL {all}")), "4");
        assert_eq!(once(net, client, &id, 1, &format!("MSET {} 1", keys.join(" 1 "))), "OK");
        assert_eq!(net.ask(client, &format!("EXISTS {all}")), "0", "set once, and before they were deleted");
        let rename = once(net, client, &id, 3, &format!("RENAME {} {}", keys[0], keys[1]));
        assert!(rename.contains("CROSSSLOT"), "{rename}");
    });
}

#[test]
fn no_write_runs_behind_a_number_that_was_refused() {
    on_all(|net| {
        let client = net.connect(0);
        for wrong in [
            "CLIENT SESSION SEQ x 1",
            "CLIENT SESSION SEQ",
            "CLIENT SESSION",
            "CLIENT SESSION NEXT",
            "CLIENT SESSION SEQ 018bcfe5-67ff-7000-8000-000000000001 0",
        ] {
            let replies = net.talk(client, &[wrong, "INCR k", "INCR free"]);
            assert!(replies[0].starts_with("(ERR"), "{wrong}: {replies:?}");
            assert!(replies[1].contains("not applied"), "{wrong}: {replies:?}");
            assert!(!replies[2].contains("ERR"), "{wrong}: {replies:?}");
        }
        assert_eq!(net.ask(client, "EXISTS k"), "0");
        let id = session(4);
        for refused in ["BLPOP k 1", "PUBLISH a b", "FLUSHALL", "SWAPDB 0 1"] {
            let reply = once(net, client, &id, 1, refused);
            assert!(reply.contains("cannot have a number"), "{refused}: {reply}");
        }
        // Reads and words about the connection need none, and it is gone with them.
        assert_eq!(once(net, client, &id, 1, "GET k"), "nil");
        assert_eq!(once(net, client, &id, 1, "PING"), "PONG");
        assert_eq!(net.talk(client, &["INCR k", "INCR k"]), ["1", "2"]);
        assert!(once(net, client, &id, 1, "NONSENSE").contains("unknown command"));
        assert_eq!(net.ask(client, "INCR k"), "3");
        let old = session(5).replace("018bcfe5", "f18bcfe5");
        assert!(once(net, client, &old, 1, "INCR k").contains("in the future"));
    });
}

#[test]
fn who_may_not_number_writes_writes_nothing_instead() {
    let mut net = Net::new(1, 1);
    let client = net.connect(0);
    assert_eq!(net.ask(client, "ACL SETUSER u on nopass +@all -client|session ~*"), "OK");
    assert_eq!(net.ask(client, "ACL SETUSER v on nopass +@all ~*"), "OK");
    let other = net.connect(0);
    assert_eq!(net.ask(other, "AUTH u x"), "OK");
    let number = format!("CLIENT SESSION SEQ {} 1", session(1));
    let replies = net.talk(other, &[&number, "INCR k"]);
    assert!(replies[0].contains("NOPERM") && replies[1].contains("not applied"), "{replies:?}");
    // What another user's request was answered is nobody else's business.
    assert_eq!(once(&mut net, client, &session(1), 1, "INCR k"), "1");
    assert_eq!(net.ask(other, "AUTH v x"), "OK");
    assert!(once(&mut net, other, &session(1), 1, "INCR k").contains("another user's"));
}

#[test]
fn what_was_answered_is_known_after_a_restart() {
    on_all(|net| {
        let client = net.connect(0);
        let keys: Vec<String> = (0..4).map(|partition| key_in(partition, "r")).collect();
        let id = session(6);
        for (number, key) in (1..).zip(&keys) {
            assert_eq!(once(net, client, &id, number, &format!("SETNX {key} 1")), "1");
            assert_eq!(once(net, client, &id, number + 10, &format!("SETNX {key} 1")), "0");
        }
        assert!(net.ask(client, "HELLO 3").starts_with('{'));
        assert_eq!(once(net, client, &id, 50, "ZADD z INCR 1 m"), ",1");
        let number = format!("CLIENT SESSION SEQ {id} 51");
        let lines = ["MULTI", &number, "PFADD {h}a x y", "PFCOUNT {h}a", "SPOP {h}none", "EXEC"];
        assert!(net.talk(client, &lines)[5].starts_with("[OK 1 2"));
        let digest = net.digest();
        assert_eq!(net.restarted(false).digest(), digest, "a count is kept by the log as it was");
        let check = |net: &mut Net| {
            let client = net.connect(0);
            for (number, key) in (1..).zip(&keys) {
                net.ask(client, &format!("DEL {key}"));
                assert_eq!(once(net, client, &id, number, &format!("SETNX {key} 1")), "1");
                assert_eq!(once(net, client, &id, number + 10, &format!("SETNX {key} 1")), "0");
                assert_eq!(net.ask(client, &format!("EXISTS {key}")), "0", "it did not run again");
            }
            assert!(once(net, client, &id, 50, "ZADD z INCR 1 m").contains("HELLO 3"));
            net.ask(client, "HELLO 3");
            assert_eq!(once(net, client, &id, 50, "ZADD z INCR 1 m"), ",1");
        };
        check(&mut net.restarted(false));
        net.begin_checkpoints();
        while net.checkpoints.len() < usize::from(PARTITIONS) {
            net.tick();
        }
        // Behind the checkpoint; it is in the log alone.
        assert_eq!(once(net, client, &id, 60, "INCR late"), "1");
        let mut again = net.restarted(true);
        check(&mut again);
        let late = again.connect(0);
        again.ask(late, "HELLO 3");
        assert_eq!(once(&mut again, late, &id, 60, "INCR late"), "1");
        assert_eq!(net.ask(client, "DEBUG RELOAD"), "OK");
        assert_eq!(once(net, client, &id, 60, "INCR late"), "1");
    });
}

#[test]
fn a_repetition_waits_for_stable_storage_like_the_first() {
    let mut net = Net::new(1, 1);
    let client = net.connect(0);
    net.hold_sync = true;
    assert_eq!(once(&mut net, client, &session(7), 1, "INCR k"), "1");
    assert_eq!(net.ask(client, "CLIENT ACK durable"), "OK");
    let number = format!("CLIENT SESSION SEQ {} 1", session(7));
    assert_eq!(net.talk(client, &[&number, "INCR k"]), ["OK"]);
    net.sync();
    net.settle();
    assert_eq!(net.take(client), ["1"]);
}

#[test]
fn a_number_stands_between_caching_and_what_it_is_about() {
    on_all(|net| {
        let (reader, writer) = (net.connect(0), net.connect(1));
        net.talk(reader, &["HELLO 3", "CLIENT TRACKING ON OPTIN"]);
        let number = format!("CLIENT SESSION SEQ {} 1", session(1));
        assert_eq!(net.talk(reader, &["CLIENT CACHING YES", &number, "GET k"]), ["OK", "OK", "nil"]);
        net.ask(reader, "GET other");
        net.talk(writer, &["SET k 1", "SET other 1"]);
        assert_eq!(net.take(reader), [">[\"invalidate\" [\"k\"]]"]);
    });
}

#[test]
fn a_numbered_write_is_an_event_when_it_runs_and_not_when_it_is_answered_again() {
    on_all_with(&[("notify-keyspace-events", "AE")], |net| {
        let (listener, client) = (net.connect(0), net.connect(1));
        net.ask(listener, "PSUBSCRIBE *");
        for number in [1, 2] {
            for _ in 0..2 {
                once(net, client, &session(1), number, "INCR k");
            }
        }
        net.talk(client, &["MULTI", &format!("CLIENT SESSION SEQ {} 3", session(1)), "DEL k", "EXEC"]);
        let of = |event| format!("[\"pmessage\" \"*\" \"__keyevent@0__:{event}\" \"k\"]");
        assert_eq!(net.take(listener), [of("incrby"), of("incrby"), of("del")]);
    });
}

#[test]
fn a_session_ends_with_the_time_of_the_log() {
    let mut net = Net::new(1, 1);
    let client = net.connect(0);
    assert_eq!(once(&mut net, client, &session(8), 1, "INCR k"), "1");
    net.now.wall_us += 25 * 3600 * 1_000_000;
    let told = once(&mut net, client, &session(8), 1, "INCR k");
    assert!(told.contains("SESSIONEXPIRED"), "{told}");
    let opened = net.ask(client, "CLIENT SESSION OPEN");
    assert_eq!(once(&mut net, client, opened.trim_matches('"'), 1, "INCR k"), "2");
    assert!(
        once(&mut net, client, &session(9), 1, "INCR k").contains("SESSIONEXPIRED"),
        "of its time as well"
    );
    let mut again = net.restarted(false);
    let client = again.connect(0);
    assert!(once(&mut again, client, &session(8), 2, "INCR k").contains("SESSIONEXPIRED"));
    assert_eq!(again.ask(client, "GET k"), "\"2\"");
}

// ---- several nodes --------------------------------------------------------------------------------------

/// Asks until there is an answer that says what became of it; how many tries that took.
fn until_known(world: &mut World, client: usize, session: &str, number: u64, line: &str) -> (String, u32) {
    for tries in 1..50 {
        assert_eq!(world.ask(client, &format!("CLIENT SESSION SEQ {session} {number}")), "OK");
        let answer = world.ask(client, line);
        if !answer.contains("UNKNOWNOUTCOME") && !answer.contains("CLUSTERDOWN") {
            return (answer, tries);
        }
        world.pass(200);
    }
    panic!("{line} has no answer");
}

#[test]
fn a_write_whose_leader_died_is_sent_again_through_another_node() {
    for seed in 0..10 {
        let mut world = World::of(3, 40 + seed);
        let leader = (0..3).find(|&node| world.leads(node, "key:1")).unwrap();
        let (via, other) = ((leader + 1) % 3, (leader + 2) % 3);
        let client = world.connect(via);
        assert_eq!(until_known(&mut world, client, &session(1), 1, "INCR key:1").0, "1");
        world.send(client, &format!("CLIENT SESSION SEQ {} 2", session(1)));
        world.send(client, "INCR key:1");
        // Sometimes it has arrived, been logged here and there, committed, and sometimes not.
        world.deliver_some(seed as usize);
        world.kill(leader);
        world.pass(100);
        let again = world.connect(other);
        assert_eq!(until_known(&mut world, again, &session(1), 2, "INCR key:1").0, "2", "seed {seed}");
        assert_eq!(until_known(&mut world, again, &session(1), 1, "INCR key:1").0, "1", "seed {seed}");
        assert_eq!(world.ask(again, "GET key:1"), "\"2\"");
        world.restart(leader);
        world.settle();
        let back = world.connect(leader);
        assert_eq!(until_known(&mut world, back, &session(1), 2, "INCR key:1").0, "2");
        assert_eq!(world.ask(back, "GET key:1"), "\"2\"");
    }
}

#[test]
fn a_replica_that_got_its_state_from_another_knows_what_was_answered() {
    let mut world = World::new(5, true);
    let client = world.connect(0);
    let id = session(2);
    for number in 1..=20 {
        assert_eq!(until_known(&mut world, client, &id, number, &format!("INCR key:{number}")).0, "1");
    }
    let transaction = ["MULTI", &format!("CLIENT SESSION SEQ {id} 30"), "INCR {t}", "INCR {t}", "EXEC"];
    let exec = |world: &mut World, client: usize| {
        transaction.iter().map(|line| world.ask(client, line)).last().unwrap()
    };
    assert_eq!(exec(&mut world, client), "[OK 1 2]");
    // They have nothing but what is transferred; then the first goes.
    world.join();
    world.join();
    world.settle();
    world.kill(0);
    world.pass(3000);
    for node in [1, 2] {
        let client = world.connect(node);
        for number in 1..=20 {
            assert_eq!(until_known(&mut world, client, &id, number, &format!("INCR key:{number}")).0, "1");
            assert_eq!(world.ask(client, &format!("GET key:{number}")), "\"1\"");
        }
        assert_eq!(exec(&mut world, client), "[OK 1 2]");
        let all: Vec<String> = (1..=20).map(|number| format!("key:{number}")).collect();
        assert_eq!(until_known(&mut world, client, &id, 40, &format!("UNLINK {}", all.join(" "))).0, "20");
        assert_eq!(until_known(&mut world, client, &id, 40, &format!("UNLINK {}", all.join(" "))).0, "20");
        for number in 1..=20 {
            assert_eq!(world.ask(client, &format!("SET key:{number} 1")), "OK");
        }
    }
    // And from their own disks.
    world.begin_checkpoint(1);
    world.begin_checkpoint(2);
    for node in [1, 2] {
        world.kill(node);
        world.restart(node);
    }
    world.settle();
    let client = world.connect(1);
    assert_eq!(exec(&mut world, client), "[OK 1 2]");
    assert_eq!(until_known(&mut world, client, &id, 3, "INCR key:3").0, "1");
}

#[test]
fn a_numbered_write_is_told_to_listeners_of_all_nodes_once() {
    let mut world = World::of(3, 3);
    let clients: Vec<usize> = (0..3).map(|node| world.connect(node)).collect();
    let listeners: Vec<usize> = (0..3).map(|node| world.connect(node)).collect();
    for (client, listener) in clients.iter().zip(&listeners) {
        assert_eq!(world.ask(*client, "CONFIG SET notify-keyspace-events AE"), "OK");
        world.ask(*listener, "PSUBSCRIBE *");
    }
    for client in &clients {
        assert_eq!(until_known(&mut world, *client, &session(1), 1, "INCR k").0, "1");
    }
    world.pass(100);
    for listener in listeners {
        let told: Vec<String> = world.answers(listener).iter().map(show).collect();
        assert_eq!(told, ["[\"pmessage\" \"*\" \"__keyevent@0__:incrby\" \"k\"]"]);
    }
}

/// A cluster that has always something that is dead, cut off or standing still, and clients that ask until they know.
#[test]
fn sums_are_exact_whatever_happens_to_nodes() {
    for seed in 0..8 {
        let mut world = World::of(3, 900 + seed);
        let mut random = Random::new(seed);
        let mut counted = [0u64; 4];
        let (mut dead, mut repeated) = (None, 0);
        for number in 1..=60 {
            match random.below(10) {
                0 | 1 if dead.is_none() => {
                    let node = random.below(3) as usize;
                    world.kill(node);
                    dead = Some(node);
                }
                2 => world.pause(random.below(3) as usize, random.below(1500)),
                3 => {
                    let (from, to) = (random.below(3) as usize, random.below(3) as usize);
                    world.cut.push((from, to));
                }
                4 => world.cut.clear(),
                5 => {
                    if let Some(node) = dead.take() {
                        world.restart(node);
                    }
                }
                _ => {}
            }
            let via = (0..3)
                .find(|node| Some(*node) != dead && random.chance(1, 2))
                .unwrap_or_else(|| (0..3).find(|node| Some(*node) != dead).unwrap_or(0));
            let key = random.below(4);
            let client = world.connect(via);
            world.send(client, &format!("CLIENT SESSION SEQ {} {number}", session(seed)));
            world.send(client, &format!("INCR key:{key}"));
            world.pass(random.below(40));
            let answers: Vec<String> = world.answers(client).iter().map(show).collect();
            counted[key as usize] += 1;
            if answers.len() == 2 && answers[1] == counted[key as usize].to_string() {
                continue;
            }
            // Nobody listens to what it is answered; it is sent again when all is well.
            repeated += 1;
            world.cut.clear();
            if let Some(node) = dead.take() {
                world.restart(node);
            }
            world.pass(2500);
            let client = world.connect(random.below(3) as usize);
            let line = format!("INCR key:{key}");
            let (answer, _) = until_known(&mut world, client, &session(seed), number, &line);
            assert_eq!(answer, counted[key as usize].to_string(), "seed {seed}, number {number}");
        }
        assert!(repeated > 5, "seed {seed}: {repeated} were repeated");
        world.cut.clear();
        if let Some(node) = dead {
            world.restart(node);
        }
        world.settle();
        let client = world.connect(0);
        for (key, counted) in counted.iter().enumerate() {
            assert_eq!(world.ask(client, &format!("GET key:{key}")), format!("\"{counted}\""), "seed {seed}");
        }
        let digests: Vec<String> = (0..3).map(|node| world.digest(node)).collect();
        assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    }
}
