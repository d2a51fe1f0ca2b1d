//! Answers that wait for stable storage, and writes that are refused.

use std::sync::Arc;

use crate::net::{Net, Options, PARTITIONS, key_in, on_all};

#[test]
fn a_durable_write_is_answered_after_the_sync_and_all_that_follows_waits_in_order() {
    on_all(|net| {
        let client = net.connect(0);
        assert_eq!(net.talk(client, &["CLIENT ACK durable", "CLIENT ACK"]), ["OK", "\"durable\""]);
        net.hold_sync = true;
        for partition in 0..PARTITIONS {
            let key = key_in(partition, "d");
            assert_eq!(
                net.talk(client, &[&format!("GET {key}"), "PING", &format!("DEL {key}")]),
                ["nil", "PONG", "0"],
                "what changes nothing waits for nothing"
            );
            let requests = [&*format!("SET {key} 1"), &format!("GET {key}"), "PING", &format!("INCR {key}")];
            assert_eq!(net.talk(client, &requests), [""; 0]);
            net.sync();
            net.settle();
            assert_eq!(net.take(client), ["OK", "\"1\"", "PONG", "2"]);
        }
    });
}

#[test]
fn durable_holds_for_requests_and_transactions_over_many_partitions() {
    on_all(|net| {
        let client = net.connect(0);
        net.ask(client, "CLIENT ACK durable");
        let pairs: Vec<String> = (0..PARTITIONS).map(|p| format!("{} 1", key_in(p, "m"))).collect();
        let mset = format!("MSET {}", pairs.join(" "));
        let key = key_in(7, "m");
        let cases: &[(&[&str], &[&str])] = &[
            (&[&mset], &["OK"]),
            (
                &["MULTI", &mset, "DBSIZE", "INFO nosuch", "EXEC"],
                &["OK", "QUEUED", "QUEUED", "QUEUED", "[OK 8 \"\"]"],
            ),
            (&[&format!("RENAME {key} other")], &["OK"]),
            (&["FLUSHALL", "DBSIZE"], &["OK", "0"]),
        ];
        for (requests, expect) in cases {
            net.hold_sync = true;
            net.send(client, requests);
            net.settle();
            let before = net.take(client);
            let waits = expect.len()
                - expect
                    .iter()
                    .position(|reply| *reply != "QUEUED" && !(reply == &"OK" && requests[0] == "MULTI"))
                    .unwrap();
            assert_eq!(before.len(), expect.len() - waits, "{requests:?}: {before:?}");
            net.hold_sync = false;
            net.settle();
            assert_eq!([before, net.take(client)].concat(), *expect);
        }
        // A transaction that only reads waits for nothing.
        net.hold_sync = true;
        assert_eq!(net.talk(client, &["MULTI", "DBSIZE", "EXEC"]), ["OK", "QUEUED", "[0]"]);
    });
}

#[test]
fn waitaof_waits_for_the_disk_or_for_so_long() {
    on_all(|net| {
        let client = net.connect(0);
        for partition in 0..PARTITIONS {
            net.hold_sync = true;
            let set = format!("SET {} 1", key_in(partition, "w"));
            assert_eq!(net.talk(client, &[&set, "WAITAOF 1 0 0", "PING"]), ["OK"]);
            net.sync();
            net.settle();
            assert_eq!(net.take(client), ["[1 0]", "PONG"]);
            assert_eq!(net.talk(client, &[&set, "WAITAOF 1 0 50"]), ["OK"]);
            net.pass(60);
            assert_eq!(net.take(client), ["[0 0]"]);
            net.hold_sync = false;
            net.settle();
        }
    });
}

#[test]
fn one_clients_patience_is_not_anothers() {
    on_all(|net| {
        let (patient, quick) = (net.connect(0), net.connect(1));
        net.ask(patient, "CLIENT ACK durable");
        net.hold_sync = true;
        assert_eq!(net.talk(patient, &["SET k 1"]), [""; 0]);
        assert_eq!(net.talk(quick, &["GET k", "SET k 2", "GET k"]), ["\"1\"", "OK", "\"2\""]);
        net.sync();
        assert_eq!(net.talk(patient, &["CLIENT ACK quorum", "SET k 3"]), ["OK", "OK", "OK"]);
    });
}

#[test]
fn nothing_is_durable_without_a_log() {
    for workers in 1..=3 {
        let settings = vec![("ack", "durable")];
        let mut net = Net::with(Options { workers, seed: 1, logging: false, settings });
        let client = net.connect(0);
        for partition in 0..PARTITIONS {
            assert_eq!(net.ask(client, &format!("SET {} 1", key_in(partition, "n"))), "OK");
        }
        assert!(
            net.ask(client, "CLIENT ACK durable").starts_with("(ERR ack level durable needs a data folder")
        );
        assert!(net.ask(client, "BGSAVE").starts_with("(ERR"));
    }
}

/// In the words of redis-server 7.0.15.
#[test]
fn who_asks_for_a_checkpoint_while_one_is_written_is_told_so() {
    on_all(|net| {
        let (first, second) = (net.connect(0), net.connect(1));
        net.talk(first, &["MSET a 1 b 2 c 3", "BGSAVE"]);
        let saving = "(ERR Background save already in progress)";
        let rewriting = "(ERR Background append only file rewriting already in progress)";
        let asked = ["SAVE", "BGSAVE", "BGSAVE SCHEDULE", "BGREWRITEAOF"];
        assert_eq!(net.talk(second, &asked), [saving, saving, saving, rewriting]);
    });
}

const FULL: &str = "(MISCONF disk full; write not applied)";

#[test]
fn a_full_disk_refuses_what_needs_room_and_lets_the_rest_go_on() {
    on_all(|net| {
        let client = net.connect(0);
        let (a, b) = (key_in(1, "f"), key_in(6, "f"));
        net.talk(client, &[&format!("MSET {a} 1 {b} 2"), "MULTI", "SET x 1"]);
        net.each_worker(|worker| worker.set_write_refusal(Some(Arc::from("disk full"))));
        let aborted = "(EXECABORT Transaction discarded because of: MISCONF disk full; write not applied)";
        assert_eq!(net.talk(client, &["EXEC"]), [aborted], "what was queued before is refused too");
        let cases: &[(&str, &str)] = &[
            (&format!("SET {a} 9"), FULL),
            (&format!("MSET {a} 9 {b} 9"), FULL),
            (&format!("RENAME {a} {b}"), FULL),
            (&format!("COPY {a} {b}x"), FULL),
            (&format!("MGET {a} {b}"), "[\"1\" \"2\"]"),
            (&format!("DEL {a}"), "1"),
            ("DBSIZE", "1"),
            (&format!("PERSIST {b}"), "0"),
            ("PING", "PONG"),
        ];
        for (request, reply) in cases {
            assert_eq!(net.ask(client, request), *reply, "{request}");
        }
        assert_eq!(net.talk(client, &["MULTI", "PING", "EXEC"]), ["OK", "QUEUED", "[PONG]"]);
        let refused = "(MISCONF disk full; write not applied)";
        assert_eq!(net.talk(client, &["MULTI", "SET k 1"]), ["OK", refused]);
        assert_eq!(net.talk(client, &["DISCARD", "FLUSHALL", "DBSIZE"]), ["OK", "OK", "0"], "frees the room");
        net.each_worker(|worker| worker.set_write_refusal(None));
        assert_eq!(net.ask(client, &format!("SET {a} 9")), "OK");
    });
}

/// Whatever clients do, a turn never writes more than the log has room for: an append would fail, and with it
/// the process.
#[test]
fn a_turn_never_writes_more_than_the_log_has_room_for() {
    for workers in 1..=3 {
        for seed in 0..30 {
            let mut net = Net::with(Options { workers, seed, logging: true, settings: Vec::new() });
            let clients: Vec<_> = (0..4).map(|n| net.connect(n)).collect();
            let keys: Vec<String> = (0..PARTITIONS).map(|p| key_in(p, "r")).collect();
            let big = "v".repeat(3000);
            for key in &keys {
                net.send(clients[0], &[&format!("SET {key} {big}"), &format!("SET {key}x {big} PX 500")]);
            }
            net.settle();
            net.take(clients[0]);
            net.each_worker(|worker| worker.set_write_refusal(Some(Arc::from("disk full"))));
            for _ in 0..40 {
                net.log_room = net.random().below(2000) as usize;
                let pick = |net: &mut Net, n: usize| net.random().below(n as u64) as usize;
                let (client, a, b, what) =
                    (clients[pick(&mut net, 4)], pick(&mut net, 8), pick(&mut net, 8), pick(&mut net, 10));
                let (a, b) = (&keys[a], &keys[b]);
                let line = match what {
                    0 => format!("DEL {}", keys.join(" ")),
                    1 => format!("RENAME {a} {b}"),
                    2 => format!("MSET {a} {big} {b} {big}"),
                    3 => "FLUSHALL".to_owned(),
                    4 => format!("MOVE {a} 3"),
                    5 => format!("EXPIRE {a} 1"),
                    6 => format!("GET {a}x"),
                    7 => format!(
                        "MGET {}",
                        keys.iter().map(|key| format!("{key}x")).collect::<Vec<_>>().join(" ")
                    ),
                    8 => format!("COPY {a} {b} REPLACE"),
                    _ => format!("APPEND {a} {big}"),
                };
                if net.random().chance(1, 3) {
                    net.send(client, &["MULTI", &line, &format!("DEL {a} {b}"), "EXEC"]);
                } else {
                    net.send(client, &[&line]);
                }
                if net.random().chance(1, 4) {
                    net.pass(100);
                }
            }
            net.settle();
            for client in clients {
                net.take(client);
            }
        }
    }
}
