//! One connection's replies are in the order of its requests, and say what that order makes true.

use crate::net::{PARTITIONS, key_in, on_all};

#[test]
fn replies_over_all_partitions_come_in_the_order_of_requests() {
    on_all(|net| {
        let clients = [net.connect(0), net.connect(1), net.connect(2)];
        for (number, &client) in clients.iter().enumerate() {
            for partition in 0..PARTITIONS {
                let key = key_in(partition, &format!("c{number}-"));
                net.send(client, &[&format!("SET {key} {partition}"), &format!("GET {key}"), "PING"]);
                net.send(client, &[&format!("ECHO e{partition}"), &format!("INCR {key}")]);
            }
        }
        net.settle();
        for client in clients {
            let expect: Vec<String> = (0..PARTITIONS)
                .flat_map(|p| {
                    [
                        "OK".to_owned(),
                        format!("\"{p}\""),
                        "PONG".to_owned(),
                        format!("\"e{p}\""),
                        (p + 1).to_string(),
                    ]
                })
                .collect();
            assert_eq!(net.take(client), expect);
        }
    });
}

#[test]
fn a_request_over_several_partitions_sees_what_the_client_wrote_before_it() {
    on_all(|net| {
        let client = net.connect(0);
        let keys: Vec<String> = (0..PARTITIONS).map(|p| key_in(p, "k")).collect();
        let all = keys.join(" ");
        for round in 0..3 {
            let sets: Vec<String> = keys.iter().map(|key| format!("SET {key} {round}")).collect();
            net.send(client, &sets.iter().map(String::as_str).collect::<Vec<_>>());
            let pairs: Vec<String> = keys.iter().map(|key| format!("{key} m{round}")).collect();
            net.send(client, &[&format!("MGET {all}"), "DBSIZE", &format!("MSET {}", pairs.join(" "))]);
            net.send(client, &[&format!("GET {}", keys[7]), &format!("DEL {all}")]);
        }
        net.settle();
        let mut replies = net.take(client).into_iter();
        for round in 0..3 {
            assert!(replies.by_ref().take(8).all(|reply| reply == "OK"));
            let each = format!("\"{round}\"");
            assert_eq!(replies.next().unwrap(), format!("[{}]", [each.as_str(); 8].join(" ")));
            assert_eq!(replies.next().unwrap(), "8");
            assert_eq!(replies.next().unwrap(), "OK");
            assert_eq!(replies.next().unwrap(), format!("\"m{round}\""));
            assert_eq!(replies.next().unwrap(), "8");
        }
        assert_eq!(replies.next(), None);
    });
}

#[test]
fn a_silent_client_has_its_requests_done_in_order_too() {
    on_all(|net| {
        let client = net.connect(0);
        for partition in 0..PARTITIONS {
            let (key, other) = (key_in(partition, "s"), key_in((partition + 3) % PARTITIONS, "o"));
            let replies = net.talk(
                client,
                &[
                    "CLIENT REPLY OFF",
                    &format!("SET {key} 1"),
                    &format!("MSET {key} 2 {other} 2"),
                    &format!("SET {key} 3"),
                    "DBSIZE",
                    "MULTI",
                    &format!("APPEND {key} x"),
                    "EXEC",
                    "CLIENT REPLY ON",
                    &format!("GET {key}"),
                    &format!("GET {other}"),
                ],
            );
            assert_eq!(replies, ["OK", "\"3x\"", "\"2\""], "partition {partition}");
        }
    });
}

#[test]
fn skip_leaves_out_exactly_one_reply() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["CLIENT REPLY SKIP", "PING", "ECHO a"], &["\"a\""]),
        (&["CLIENT REPLY SKIP", "SET k 1", "GET k"], &["\"1\""]),
        (&["CLIENT REPLY SKIP", "NOSUCH", "ECHO a"], &["\"a\""]),
        (&["CLIENT REPLY SKIP", "GET", "ECHO a"], &["\"a\""]),
        (&["CLIENT REPLY SKIP", "DBSIZE", "ECHO a"], &["\"a\""]),
        (&["CLIENT REPLY SKIP", "INFO", "ECHO a"], &["\"a\""]),
        (&["CLIENT REPLY SKIP", "MSET a 1 b 2 c 3 d 4", "MGET a d"], &["[\"1\" \"4\"]"]),
        (&["CLIENT REPLY SKIP", "CLIENT REPLY SKIP", "PING", "ECHO a"], &["\"a\""]),
        (&["CLIENT REPLY SKIP", "CLIENT REPLY OFF", "PING", "CLIENT REPLY ON", "ECHO a"], &["OK", "\"a\""]),
        (&["CLIENT REPLY SKIP", "MULTI", "PING", "EXEC"], &["QUEUED", "[PONG]"]),
        (&["MULTI", "CLIENT REPLY SKIP", "PING", "DISCARD"], &["OK", "QUEUED", "QUEUED", "OK"]),
        (&["CLIENT REPLY OFF", "CLIENT REPLY SKIP", "PING", "CLIENT REPLY ON"], &["OK"]),
    ];
    on_all(|net| {
        for (requests, expect) in cases {
            let client = net.connect(1);
            assert_eq!(net.talk(client, requests), *expect, "{requests:?}");
        }
    });
}

#[test]
fn quit_is_answered_after_everything_before_it_and_nothing_after_it_is_done() {
    on_all(|net| {
        let client = net.connect(0);
        let (near, far) = (key_in(0, "q"), key_in(7, "q"));
        let requests = [&*format!("SET {near} 1"), &format!("SET {far} 2"), "DBSIZE", "QUIT", "FLUSHALL"];
        assert_eq!(net.talk(client, &requests), ["OK", "OK", "2", "OK"]);
        assert!(!net.is_open(client));
        let other = net.connect(0);
        assert_eq!(net.ask(other, "DBSIZE"), "2");
    });
}

#[test]
fn bytes_that_are_no_request_are_answered_in_order_and_end_the_connection() {
    on_all(|net| {
        let client = net.connect(0);
        net.send(client, &[&format!("SET {} 1", key_in(7, "p"))]);
        net.write(client, b"*1\r\nPING\r\n");
        net.settle();
        assert_eq!(net.take(client), ["OK", "(ERR Protocol error: expected '$', got 'P')"]);
        assert!(!net.is_open(client));
        let client = net.connect(1);
        net.write(client, b"POST / HTTP/1.1\r\nHost: x\r\n\r\n");
        net.settle();
        assert_eq!(net.take(client), [""; 0]);
        assert!(!net.is_open(client));
    });
}

#[test]
fn inline_commands_and_empty_requests_mix_with_the_others() {
    on_all(|net| {
        let client = net.connect(0);
        net.write(client, b"\r\nSET a \"1 2\"\r\n*0\r\n*-1\r\nget a\r\n");
        net.send(client, &["PING"]);
        net.settle();
        assert_eq!(net.take(client), ["OK", "\"1 2\"", "PONG"]);
    });
}

/// Each of these waits for another worker; the rest of the pipeline is not moved about for each.
#[test]
fn a_long_pipeline_of_requests_that_wait_is_done_in_order() {
    let mut net = crate::net::Net::new(2, 4);
    let client = net.connect(0);
    let (near, far) = (key_in(0, "w"), key_in(7, "w"));
    let mut bytes = Vec::new();
    for n in 0..5_000 {
        let line = format!("MSET {near} {n} {far} {n}\r\nGET {far}\r\n");
        bytes.extend_from_slice(line.as_bytes());
    }
    net.write(client, &bytes);
    net.settle();
    let replies = net.take(client);
    assert_eq!(replies.len(), 10_000);
    for (n, pair) in replies.chunks(2).enumerate() {
        assert_eq!(pair, ["OK".to_owned(), format!("\"{n}\"")]);
    }
}
