//! Publish and subscribe over all workers.

use crate::net::{Net, Options, on_all};

#[test]
fn whoever_has_the_confirmation_misses_nothing_published_after_it() {
    on_all(|net| {
        let subscribers: Vec<_> = (0..6).map(|n| net.connect(n)).collect();
        for (number, &subscriber) in subscribers.iter().enumerate() {
            let line = ["SUBSCRIBE ch", "PSUBSCRIBE c*", "SUBSCRIBE other ch"][number % 3];
            net.send(subscriber, &[line]);
        }
        net.settle();
        let publishers = [net.connect(0), net.connect(1), net.connect(2)];
        for (number, &publisher) in publishers.iter().enumerate() {
            for n in 0..10 {
                net.send(publisher, &[&format!("PUBLISH ch p{number}-{n}")]);
            }
        }
        net.settle();
        for publisher in publishers {
            assert_eq!(net.take(publisher), vec!["6"; 10]);
        }
        for (number, subscriber) in subscribers.into_iter().enumerate() {
            let got = net.take(subscriber);
            let confirmations = [1, 1, 2][number % 3];
            assert!(got[..confirmations].iter().all(|line| line.contains("subscribe")), "{got:?}");
            assert_eq!(got.len() - confirmations, 30);
            // Each publisher's messages are in its order.
            for publisher in 0..3 {
                let of: Vec<&String> = got.iter().filter(|m| m.contains(&format!("p{publisher}-"))).collect();
                assert!(of.is_sorted() && of.len() == 10, "{of:?}");
            }
        }
    });
}

/// A message between the request and its confirmation must not come before the confirmation.
#[test]
fn confirmations_come_before_messages_however_they_meet() {
    on_all(|net| {
        for round in 0..10 {
            let (subscriber, publisher) = (net.connect(round), net.connect(round + 1));
            net.send(subscriber, &["SUBSCRIBE a b", "PSUBSCRIBE *", "PING"]);
            for _ in 0..20 {
                net.send(publisher, &["PUBLISH a x", "PUBLISH b y"]);
            }
            net.settle();
            let got = net.take(subscriber);
            let at = |wanted: &str| got.iter().position(|line| line == wanted).unwrap();
            let first = |begins: &str| got.iter().position(|line| line.starts_with(begins)).unwrap_or(999);
            assert!(at("[\"subscribe\" \"a\" 1]") < first("[\"message\" \"a\""), "{got:?}");
            assert!(at("[\"subscribe\" \"b\" 2]") < first("[\"message\" \"b\""), "{got:?}");
            assert!(at("[\"psubscribe\" \"*\" 3]") < first("[\"pmessage\""), "{got:?}");
            assert!(at("[\"pong\" \"\"]") > at("[\"psubscribe\" \"*\" 3]"), "{got:?}");
            net.hang_up(subscriber);
            net.hang_up(publisher);
        }
    });
}

#[test]
fn a_publisher_that_listens_to_itself_gets_the_answer_first() {
    on_all(|net| {
        let client = net.connect(1);
        net.talk(client, &["HELLO 3", "SUBSCRIBE ch", "PSUBSCRIBE c*"]);
        assert_eq!(
            net.talk(client, &["PUBLISH ch one", "PING"]),
            ["2", ">[\"message\" \"ch\" \"one\"]", ">[\"pmessage\" \"c*\" \"ch\" \"one\"]", "PONG"]
        );
        assert_eq!(
            net.talk(client, &["MULTI", "PUBLISH ch two", "PUBSUB NUMPAT", "EXEC", "PING"]),
            [
                "OK",
                "QUEUED",
                "QUEUED",
                "[2 1]",
                ">[\"message\" \"ch\" \"two\"]",
                ">[\"pmessage\" \"c*\" \"ch\" \"two\"]",
                "PONG"
            ]
        );
        // Messages and confirmations are no replies: they reach clients that want none.
        assert_eq!(
            net.talk(client, &["CLIENT REPLY OFF", "PUBLISH ch three", "SUBSCRIBE x", "CLIENT REPLY ON"]),
            [
                ">[\"message\" \"ch\" \"three\"]",
                ">[\"pmessage\" \"c*\" \"ch\" \"three\"]",
                ">[\"subscribe\" \"x\" 3]",
                "OK"
            ]
        );
    });
}

#[test]
fn unsubscribing_is_confirmed_and_nothing_comes_after_it() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["UNSUBSCRIBE"], &["[\"unsubscribe\" nil 0]"]),
        (&["PUNSUBSCRIBE x y"], &["[\"punsubscribe\" \"x\" 0]", "[\"punsubscribe\" \"y\" 0]"]),
        (
            &["SUBSCRIBE a a", "UNSUBSCRIBE a a"],
            &[
                "[\"subscribe\" \"a\" 1]",
                "[\"subscribe\" \"a\" 1]",
                "[\"unsubscribe\" \"a\" 0]",
                "[\"unsubscribe\" \"a\" 0]",
            ],
        ),
        (
            &["SUBSCRIBE a", "PSUBSCRIBE p", "SSUBSCRIBE s", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"],
            &[
                "[\"subscribe\" \"a\" 1]",
                "[\"psubscribe\" \"p\" 2]",
                "[\"ssubscribe\" \"s\" 1]",
                "[\"unsubscribe\" \"a\" 1]",
                "[\"punsubscribe\" \"p\" 0]",
                "[\"sunsubscribe\" \"s\" 0]",
            ],
        ),
        (
            &["SUBSCRIBE a", "GET k"],
            &[
                "[\"subscribe\" \"a\" 1]",
                "(ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context)",
            ],
        ),
        (
            &["SUBSCRIBE a", "CLIENT LIST"],
            &[
                "[\"subscribe\" \"a\" 1]",
                "(ERR Can't execute 'client|list': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context)",
            ],
        ),
        (&["SUBSCRIBE a", "RESET", "PING"], &["[\"subscribe\" \"a\" 1]", "RESET", "PONG"]),
    ];
    on_all(|net| {
        for (requests, expect) in cases {
            let (client, publisher) = (net.connect(0), net.connect(1));
            assert_eq!(net.talk(client, requests), *expect, "{requests:?}");
            net.talk(client, &["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"]);
            assert_eq!(net.talk(publisher, &["PUBLISH a x", "PUBLISH p x", "SPUBLISH s x"]), ["0", "0", "0"]);
            assert_eq!(net.take(client), [""; 0]);
            net.hang_up(client);
            net.hang_up(publisher);
        }
    });
}

#[test]
fn pubsub_counts_every_worker_and_forgets_who_has_gone() {
    on_all(|net| {
        let clients: Vec<_> = (0..5).map(|n| net.connect(n)).collect();
        let asker = net.connect(1);
        for &client in &clients {
            net.talk(client, &["SUBSCRIBE a b", "PSUBSCRIBE p*", "SSUBSCRIBE s"]);
        }
        let questions =
            ["PUBSUB NUMSUB a b c", "PUBSUB NUMPAT", "PUBSUB SHARDNUMSUB s", "PUBSUB SHARDCHANNELS"];
        assert_eq!(net.talk(asker, &questions), ["[\"a\" 5 \"b\" 5 \"c\" 0]", "1", "[\"s\" 5]", "[\"s\"]"]);
        for &client in &clients {
            net.hang_up(client);
        }
        net.settle();
        assert_eq!(net.talk(asker, &questions), ["[\"a\" 0 \"b\" 0 \"c\" 0]", "0", "[\"s\" 0]", "[]"]);
        assert_eq!(net.talk(asker, &["PUBSUB CHANNELS", "PUBLISH a x", "SPUBLISH s x"]), ["[]", "0", "0"]);
    });
}

#[test]
fn sharded_channels_are_apart_from_plain_ones() {
    let mut net = Net::with(Options { workers: 2, seed: 1, logging: true, settings: Vec::new() });
    let (client, publisher) = (net.connect(0), net.connect(1));
    net.talk(client, &["SSUBSCRIBE ch"]);
    assert_eq!(net.talk(publisher, &["PUBLISH ch x", "SPUBLISH ch y"]), ["0", "1"]);
    assert_eq!(net.take(client), ["[\"smessage\" \"ch\" \"y\"]"]);
}
