//! `MULTI`, `EXEC`, `DISCARD`, `WATCH`, `UNWATCH`, over one partition and over many.

use crate::net::{Net, Options, PARTITIONS, key_in, on_all};

const ABORTED: &str = "(EXECABORT Transaction discarded because of previous errors.)";

/// Requests of one client and what comes back.
type Case = (&'static [&'static str], &'static [&'static str]);

#[test]
fn transactions_answer_as_redis_does() {
    let cases: &[Case] = &[
        (&["EXEC"], &["(ERR EXEC without MULTI)"]),
        (&["DISCARD"], &["(ERR DISCARD without MULTI)"]),
        (&["MULTI", "EXEC"], &["OK", "[]"]),
        (&["MULTI", "SET a 1", "GET a", "EXEC"], &["OK", "QUEUED", "QUEUED", "[OK \"1\"]"]),
        (
            &["MULTI", "MULTI", "PING", "EXEC"],
            &["OK", "(ERR MULTI calls can not be nested)", "QUEUED", "[PONG]"],
        ),
        (
            &["MULTI", "WATCH a", "PING", "EXEC"],
            &["OK", "(ERR WATCH inside MULTI is not allowed)", "QUEUED", "[PONG]"],
        ),
        (&["MULTI", "SET a", "EXEC"], &["OK", "(ERR wrong number of arguments for 'set' command)", ABORTED]),
        (
            &["MULTI", "SET a 2", "NOSUCH x", "EXEC", "GET a"],
            &[
                "OK",
                "QUEUED",
                "(ERR unknown command 'NOSUCH', with args beginning with: 'x' )",
                ABORTED,
                "\"1\"",
            ],
        ),
        (
            &["MULTI", "SET a 2", "DISCARD", "GET a", "EXEC"],
            &["OK", "QUEUED", "OK", "\"1\"", "(ERR EXEC without MULTI)"],
        ),
        (
            &["MULTI", "INCR a", "HGET a f", "INCR a", "EXEC"],
            &[
                "OK",
                "QUEUED",
                "QUEUED",
                "QUEUED",
                "[2 (WRONGTYPE Operation against a key holding the wrong kind of value) 3]",
            ],
        ),
        (
            &["MULTI", "SELECT 3", "SET x 1", "DBSIZE", "EXEC", "DBSIZE", "SELECT 0", "EXISTS x"],
            &["OK", "QUEUED", "QUEUED", "QUEUED", "[OK OK 1]", "1", "OK", "0"],
        ),
        (
            &["MULTI", "UNWATCH", "ECHO x", "TIME", "EXEC"],
            &["OK", "QUEUED", "QUEUED", "QUEUED", "[OK \"x\" [\"1700000000\" \"0\"]]"],
        ),
        (&["MULTI", "SHUTDOWN", "EXEC"], &["OK", "(ERR Command not allowed inside a transaction)", ABORTED]),
    ];
    on_all(|net| {
        let client = net.connect(0);
        for (requests, expect) in cases {
            assert_eq!(net.talk(client, requests), *expect, "{requests:?}");
        }
    });
}

/// They belong to no partition, so none may be at hand but that of the other requests.
#[test]
fn requests_whose_keys_cannot_be_told_are_answered_in_their_place() {
    on_all(|net| {
        let refused = "(ERR numkeys should be greater than 0)";
        for (partition, worker) in [(0, 1), (7, 0), (7, 1), (3, 2)] {
            let (client, key) = (net.connect(worker), key_in(partition, "n"));
            let (set, get) = (format!("SET {key} 1"), format!("GET {key}"));
            let requests = ["MULTI", &set, "SINTERCARD 0 k", "LMPOP x k LEFT", &get, "EXEC", "PING"];
            let expect = format!("[OK {refused} {refused} \"1\"]");
            assert_eq!(net.talk(client, &requests)[5..], [expect, "PONG".to_owned()]);
            let alone = ["MULTI", "SINTERCARD 0 k", "EXEC", "PING"];
            assert_eq!(net.talk(client, &alone)[2..], [format!("[{refused}]"), "PONG".to_owned()]);
        }
    });
}

#[test]
fn a_transaction_over_all_partitions_is_done_as_one() {
    on_all(|net| {
        let keys: Vec<String> = (0..PARTITIONS).map(|p| key_in(p, "t")).collect();
        let writers = [net.connect(0), net.connect(1), net.connect(2)];
        for &writer in &writers {
            for _ in 0..5 {
                net.send(writer, &["MULTI"]);
                for key in &keys {
                    net.send(writer, &[&format!("INCR {key}")]);
                }
                net.send(writer, &["EXEC"]);
            }
        }
        net.settle();
        let mut counts: Vec<String> = Vec::new();
        for writer in writers {
            let replies = net.take(writer);
            assert_eq!(replies.len(), 50);
            counts.extend(replies.chunks(10).map(|chunk| chunk[9].clone()));
        }
        counts.sort_by_key(String::len);
        counts.sort_by_key(|reply| reply[1..].split(' ').next().unwrap().parse::<u32>().unwrap());
        let expect: Vec<String> =
            (1..=15).map(|n| format!("[{}]", vec![n.to_string(); 8].join(" "))).collect();
        assert_eq!(counts, expect, "each transaction saw all counters at the same value");
    });
}

/// Inside `EXEC` every command that `MULTI` queues is answered in its place, also those that ask all workers.
#[test]
fn commands_of_the_whole_node_are_answered_inside_exec() {
    let asking: &[(&str, &str)] = &[
        ("INFO server", "\"# Server"),
        ("CLIENT LIST", "\"id="),
        ("CLIENT KILL ID 999", "0"),
        ("CLIENT UNPAUSE", "OK"),
        ("CONFIG SET slowlog-max-len 77", "OK"),
        ("CONFIG GET slowlog-max-len", "[\"slowlog-max-len\" \"77\"]"),
        ("CONFIG RESETSTAT", "OK"),
        ("SLOWLOG GET", "["),
        ("SLOWLOG LEN", "0"),
        ("SLOWLOG RESET", "OK"),
        ("MEMORY STATS", "["),
        ("MEMORY DOCTOR", "\""),
        ("DEBUG SET-ACTIVE-EXPIRE 1", "OK"),
        ("DEBUG DIGEST", ""),
        ("DEBUG RELOAD", "OK"),
        ("PUBLISH ch hello", "0"),
        ("PUBSUB CHANNELS", "["),
        ("DBSIZE", "2"),
        ("KEYS *", "["),
        ("SCAN 0 COUNT 1000", "["),
        ("RANDOMKEY", "\""),
        ("SUBSCRIBE ch", "[\"subscribe\" \"ch\" 1]"),
        ("PSUBSCRIBE p*", "[\"psubscribe\" \"p*\" 2]"),
        ("UNSUBSCRIBE ch", "[\"unsubscribe\" \"ch\" 1]"),
        ("PUNSUBSCRIBE", "[\"punsubscribe\" \"p*\" 0]"),
        ("WAIT 0 0", "0"),
        ("FLUSHALL", "OK"),
        ("DBSIZE", "0"),
    ];
    on_all(|net| {
        let (client, other) = (net.connect(0), net.connect(2));
        let (first, last) = (key_in(0, "i"), key_in(7, "i"));
        net.talk(other, &[&format!("MSET {first} 1 {last} 2")]);
        // Alone, each between two data commands.
        for (command, begins) in &asking[..asking.len() - 2] {
            if command.contains("SUBSCRIBE") {
                continue;
            }
            let requests =
                ["MULTI", &format!("GET {first}"), command, &format!("GET {last}"), "EXEC", "PING"];
            let values = {
                net.send(client, &requests);
                net.settle();
                net.take_values(client)
            };
            assert_eq!(values.len(), 6, "{command}: {values:?}");
            let items = values[4].as_slice().unwrap_or_else(|| panic!("{command}: {values:?}"));
            assert_eq!(items.len(), 3, "{command}: {items:?}");
            assert_eq!((items[0].as_text(), items[2].as_text()), (Some("1"), Some("2")), "{command}");
            let shown = crate::net::show(&items[1]);
            assert!(shown.starts_with(begins), "{command}: {shown}");
        }
        // All at once, and pipelined with what follows.
        net.send(client, &["MULTI"]);
        net.send(client, &asking.iter().map(|(command, _)| *command).collect::<Vec<_>>());
        net.send(client, &["EXEC", "DBSIZE", "PING"]);
        net.settle();
        let values = net.take_values(client);
        assert_eq!(values.len(), asking.len() + 4);
        let items = values[asking.len() + 1].as_slice().unwrap();
        assert_eq!(items.len(), asking.len());
        for ((command, begins), item) in asking.iter().zip(items) {
            assert!(crate::net::show(item).starts_with(begins), "{command}: {item:?}");
        }
        assert_eq!(crate::net::show(&values[asking.len() + 2]), "0");
    });
}

#[test]
fn a_client_that_kills_itself_in_a_transaction_gets_its_answer() {
    on_all(|net| {
        let client = net.connect(1);
        let replies =
            net.talk(client, &["MULTI", "SET k 1", "CLIENT KILL ID 1 SKIPME no", "EXEC", "SET k 2"]);
        assert_eq!(replies, ["OK", "QUEUED", "QUEUED", "[OK 1]"]);
        assert!(!net.is_open(client));
        let other = net.connect(0);
        assert_eq!(net.ask(other, "GET k"), "\"1\"");
    });
}

#[test]
fn a_client_that_goes_while_its_transaction_waits_leaves_nothing_behind() {
    for seed in 0..40 {
        let mut net = Net::with(Options { workers: 3, seed, logging: true, settings: Vec::new() });
        let (client, other) = (net.connect(0), net.connect(1));
        let keys: Vec<String> = (0..PARTITIONS).map(|p| key_in(p, "g")).collect();
        net.send(client, &[&format!("WATCH {}", keys.join(" ")), "MULTI", "INFO", "CLIENT LIST"]);
        for key in &keys {
            net.send(client, &[&format!("INCR {key}")]);
        }
        net.send(client, &["EXEC"]);
        for _ in 0..seed {
            net.step();
        }
        net.hang_up(client);
        net.settle();
        // All partitions are at home and answer; the transaction happened wholly or not at all.
        let replies = net.talk(other, &[&format!("MGET {}", keys.join(" "))]);
        let (none, all) = (["nil"; 8].join(" "), ["\"1\""; 8].join(" "));
        assert!(replies == [format!("[{none}]")] || replies == [format!("[{all}]")], "{replies:?}");
        let info = net.ask(other, "INFO clients");
        assert!(
            info.contains("connected_clients:1\r\n") && info.contains("watching_clients:0\r\n"),
            "{info}"
        );
    }
}

/// What another client does between `WATCH` and `EXEC`, and whether `EXEC` may still run.
#[test]
fn exec_runs_exactly_if_no_watched_key_changed() {
    let cases: &[(&str, bool)] = &[
        ("GET {k}", true),
        ("SET {k} new", false),
        ("SET {k} old", false),
        ("DEL {k}", false),
        ("DEL {absent}", true),
        ("SET {absent} 1", false),
        ("EXPIRE {k} 100", false),
        ("PERSIST {k}", true),
        ("APPEND {k} x", false),
        ("SET {other} 1", true),
        ("FLUSHALL", false),
        ("FLUSHDB", false),
        ("MSET {k} 1 {other} 2", false),
        ("RENAME {other} {k}", false),
        ("RENAME {k} {other}", false),
        ("COPY {k} {other} REPLACE", true),
        ("MOVE {k} 3", false),
        ("DEBUG RELOAD", false),
        ("TOUCH {k} {absent}", true),
    ];
    on_all(|net| {
        for partition in [0, 3, 7] {
            let k = key_in(partition, "w");
            let (other, absent) = (key_in((partition + 4) % PARTITIONS, "wo"), key_in(partition, "wa"));
            for (command, runs) in cases {
                let (client, meddler) = (net.connect(0), net.connect(1));
                net.talk(meddler, &["FLUSHALL", &format!("SET {k} old"), &format!("SET {other} x")]);
                assert_eq!(net.talk(client, &[&format!("WATCH {k} {absent} {k}")]), ["OK"]);
                let command =
                    command.replace("{k}", &k).replace("{other}", &other).replace("{absent}", &absent);
                let answer = net.ask(meddler, &command);
                assert!(!answer.starts_with('('), "{command}: {answer}");
                let replies = net.talk(client, &["MULTI", "PING", "EXEC", "MULTI", "PING", "EXEC"]);
                let first = if *runs { "[PONG]" } else { "nil" };
                assert_eq!(replies, ["OK", "QUEUED", first, "OK", "QUEUED", "[PONG]"], "{command}");
                net.hang_up(client);
                net.hang_up(meddler);
            }
        }
    });
}

#[test]
fn watches_end_with_unwatch_discard_exec_reset_and_the_connection() {
    for end in ["UNWATCH", "MULTI|DISCARD", "MULTI|EXEC", "MULTI|NOSUCH|EXEC", "RESET"] {
        on_all(|net| {
            let (client, meddler) = (net.connect(0), net.connect(1));
            let keys: Vec<String> = (0..PARTITIONS).map(|p| key_in(p, "e")).collect();
            net.talk(client, &[&format!("WATCH {}", keys.join(" "))]);
            assert!(net.ask(meddler, "INFO clients").contains("watching_clients:1"));
            net.talk(client, &end.split('|').collect::<Vec<_>>());
            assert!(net.ask(meddler, "INFO clients").contains("watching_clients:0"), "{end}");
            for key in &keys {
                net.talk(meddler, &[&format!("SET {key} 1")]);
            }
            assert_eq!(net.talk(client, &["MULTI", "PING", "EXEC"]), ["OK", "QUEUED", "[PONG]"], "{end}");
        });
    }
}

#[test]
fn a_watched_key_that_lapses_breaks_the_transaction() {
    on_all(|net| {
        for partition in [0, 7] {
            let client = net.connect(0);
            let key = key_in(partition, "x");
            net.talk(client, &[&format!("SET {key} 1 PX 100"), &format!("WATCH {key}")]);
            net.pass(200);
            assert_eq!(net.talk(client, &["MULTI", "PING", "EXEC"]), ["OK", "QUEUED", "nil"]);
            // One that had lapsed before it was watched does not.
            net.talk(client, &["DEBUG SET-ACTIVE-EXPIRE 0", &format!("SET {key} 1 PX 100")]);
            net.pass(200);
            net.talk(client, &[&format!("WATCH {key}"), "DEBUG SET-ACTIVE-EXPIRE 1"]);
            net.pass(200);
            assert_eq!(net.talk(client, &["MULTI", "PING", "EXEC"]), ["OK", "QUEUED", "[PONG]"]);
        }
    });
}

#[test]
fn a_queue_that_grows_without_end_is_refused() {
    crate::net::on_all_with(&[("client-query-buffer-limit", "1mb")], |net| {
        let client = net.connect(0);
        let value = "v".repeat(300_000);
        let set = format!("SET k {value}");
        let replies = net.talk(client, &["MULTI", &set, &set, &set, &set, "EXEC", "EXISTS k"]);
        assert_eq!(replies[1..4], ["QUEUED"; 3]);
        assert!(replies[4].starts_with("(ERR"), "{}", replies[4]);
        assert_eq!(replies[5..], [ABORTED, "0"]);
    });
}

#[test]
fn a_watch_of_very_many_keys_does_not_compare_each_with_each() {
    let mut net = Net::with(Options { workers: 2, seed: 1, logging: true, settings: Vec::new() });
    let (client, meddler) = (net.connect(0), net.connect(1));
    let keys: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
    assert_eq!(net.talk(client, &[&format!("WATCH {}", keys.join(" ")), "WATCH 7 7 7"]), ["OK", "OK"]);
    assert!(net.ask(client, "CLIENT INFO").contains(" watch=100000 "));
    net.talk(meddler, &["SET 99999 1"]);
    assert_eq!(net.talk(client, &["MULTI", "PING", "EXEC"]), ["OK", "QUEUED", "nil"]);
    assert!(net.ask(client, "CLIENT INFO").contains(" watch=0 "));
}
