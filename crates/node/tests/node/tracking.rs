//! Caches in clients: who is told of which change, when, and over which connection, on any number of workers.

use crate::net::{ClientId, Net, Options, key_in};

/// Workers, each with a seed of its own.
fn nets() -> impl Iterator<Item = Net> {
    [(1, 1), (2, 7), (3, 11), (3, 12)].into_iter().map(|(workers, seed)| Net::new(workers, seed))
}

fn resp3(net: &mut Net, worker: usize) -> ClientId {
    let client = net.connect(worker);
    net.ask(client, "HELLO 3");
    client
}

const INVALID_K: &str = ">[\"invalidate\" [\"k\"]]";
const FORGET: &str = ">[\"invalidate\" nil]";

#[test]
fn a_change_is_told_once_to_each_who_has_read_the_key() {
    for mut net in nets() {
        let (a, b, c) = (resp3(&mut net, 0), resp3(&mut net, 1), net.connect(2));
        for client in [a, b] {
            assert_eq!(net.ask(client, "CLIENT TRACKING ON"), "OK");
            net.ask(client, "GET k");
        }
        assert_eq!(net.ask(c, "SET other 1"), "OK");
        assert!(net.take(a).is_empty());
        for _ in 0..2 {
            net.ask(c, "SET k 1");
        }
        for client in [a, b] {
            assert_eq!(net.take(client), [INVALID_K]);
        }
        // Its own change it is told of behind the reply.
        assert_eq!(net.talk(a, &["GET k", "SET k 2"]), ["\"1\"", "OK", INVALID_K]);
        assert!(net.take(b).is_empty());
        assert_eq!(net.talk(b, &["CLIENT TRACKING OFF", "GET k"]).len(), 2);
        net.ask(c, "SET k 3");
        assert!(net.take(b).is_empty());
    }
}

#[test]
fn whatever_changes_a_key_is_told() {
    let changes = [
        "SET k 2",
        "DEL k",
        "UNLINK k",
        "RENAME k other",
        "RENAME from k",
        "COPY from k REPLACE",
        "MOVE k 1",
        "EXPIRE k 100",
        "INCR k",
        "APPEND k 1",
        "MSET x 1 k 2 y 3",
        "GETDEL k",
        "GETEX k EX 5",
        "SDIFFSTORE k from2 none",
        "RESTORE k 0 nonsense REPLACE",
    ];
    for mut net in nets() {
        let (reader, writer) = (resp3(&mut net, 0), net.connect(1));
        net.ask(reader, "CLIENT TRACKING ON");
        for change in changes {
            net.talk(writer, &["FLUSHALL", "SET k 1", "SET from 1", "SADD from2 1"]);
            net.take(reader);
            net.ask(reader, "GET k");
            let replies = net.talk(writer, &[change]);
            let expected: &[&str] = if replies[0].starts_with('(') { &[] } else { &[INVALID_K] };
            assert_eq!(net.take(reader), expected, "{change}: {replies:?}");
        }
    }
}

#[test]
fn a_lapsed_key_is_told_when_it_is_deleted() {
    for mut net in nets() {
        let (reader, writer) = (resp3(&mut net, 0), net.connect(1));
        net.ask(reader, "CLIENT TRACKING ON");
        net.ask(writer, "SET k 1 PX 50");
        net.ask(reader, "GET k");
        net.pass(200);
        net.settle();
        assert_eq!(net.take(reader), [INVALID_K]);
    }
}

#[test]
fn a_transaction_is_told_of_behind_its_reply_and_its_reads_count() {
    for mut net in nets() {
        let (reader, writer) = (resp3(&mut net, 0), net.connect(1));
        net.ask(reader, "CLIENT TRACKING ON");
        let replies = net.talk(reader, &["MULTI", "GET k", "SET k 3", "GET k", "GET l", "EXEC"]);
        assert_eq!(replies[5..], ["[nil OK \"3\" nil]", INVALID_K], "{replies:?}");
        net.talk(writer, &["MULTI", "SET k 1", "SET l 2", "EXEC"]);
        let mut told = net.take(reader);
        told.sort();
        assert_eq!(told, [INVALID_K, ">[\"invalidate\" [\"l\"]]"]);
    }
}

#[test]
fn whoever_is_served_at_last_changes_a_key_too() {
    for mut net in nets() {
        let (reader, waiter, writer) = (resp3(&mut net, 0), net.connect(1), net.connect(2));
        net.ask(reader, "CLIENT TRACKING ON");
        net.send(waiter, &["BLMOVE list k LEFT LEFT 0"]);
        net.settle();
        net.ask(reader, "LRANGE k 0 -1");
        net.ask(writer, "RPUSH list a");
        assert_eq!(net.take(reader), [INVALID_K]);
        assert_eq!(net.take(waiter), ["\"a\""]);
    }
}

/// `NOLOOP` is about the client's own changes, not about whatever is changed in the same turn of its worker.
#[test]
fn what_goes_for_want_of_memory_is_told_to_who_did_not_ask_for_it() {
    let settings = vec![("maxmemory", "100000"), ("maxmemory-policy", "allkeys-random")];
    let mut net = Net::with(Options { workers: 1, seed: 3, logging: true, settings });
    let (reader, writer) = (resp3(&mut net, 0), net.connect(0));
    net.ask(reader, "CLIENT TRACKING ON NOLOOP");
    let value = "v".repeat(1000);
    for key in 0..60 {
        net.ask(writer, &format!("SET {key} {value}"));
        net.ask(reader, &format!("GET {key}"));
    }
    let mut told = 0;
    for key in 60..200 {
        let set = format!("SET {key} {value}");
        net.send_in_one_turn(&[(reader, "PING"), (writer, &set)]);
        net.settle();
        assert_eq!(net.take(writer), ["OK"]);
        told += net.take(reader).len() - 1;
    }
    let left = (0..60).filter(|key| net.ask(writer, &format!("EXISTS {key}")) == "1").count();
    assert_eq!(told, 60 - left);
    assert!(left < 60, "some went");
}

#[test]
fn what_was_taken_out_for_another_is_told_to_whoever_did_not_ask_for_it() {
    for seed in 0..300 {
        let mut net = Net::new(3, seed);
        let (list, other, here) = (key_in(3, "l"), key_in(7, "l"), key_in(0, "h"));
        let (waiting, pusher, reader) = (net.connect(0), net.connect(1), resp3(&mut net, 2));
        net.ask(reader, "CLIENT TRACKING ON NOLOOP");
        net.send(waiting, &[&format!("BLPOP {list} {other} 0")]);
        net.settle();
        net.send(pusher, &[&format!("RPUSH {list} v")]);
        let (look, at_home) = (format!("LRANGE {list} 0 -1"), format!("GET {here}"));
        net.send(reader, &[&look, &at_home, &look, &at_home, &look, &at_home, &look, &at_home]);
        net.settle();
        let mut cached = None;
        for reply in net.take(reader) {
            match reply.as_str() {
                _ if reply.starts_with('>') => cached = None,
                "nil" => {}
                _ => cached = Some(reply),
            }
        }
        assert!(cached.is_none_or(|cached| cached == "[]"), "seed {seed}");
        assert_eq!(net.take(waiting).len(), 1);
    }
}

#[test]
fn a_flush_is_told_once_to_all_who_track() {
    for mut net in nets() {
        let (a, b, none) = (resp3(&mut net, 0), resp3(&mut net, 1), resp3(&mut net, 2));
        net.ask(a, "CLIENT TRACKING ON");
        net.ask(b, "CLIENT TRACKING ON BCAST PREFIX x NOLOOP");
        net.talk(a, &["MSET k 1 l 2 m 3", "MGET k l m"]);
        assert_eq!(net.ask(none, "FLUSHALL"), "OK");
        for client in [a, b] {
            assert_eq!(net.take(client), [FORGET]);
        }
        assert_eq!(net.talk(a, &["FLUSHDB"]), ["OK", FORGET]);
        assert_eq!(net.take(b), [FORGET]);
        assert!(net.take(none).is_empty());
        net.talk(a, &["SET k 1", "GET k"]);
        net.ask(none, "SWAPDB 0 1");
        assert_eq!(net.take(a), [FORGET], "who has read of either is not left with what was");
    }
}

#[test]
fn who_listens_to_prefixes_is_told_of_all_that_begin_so() {
    for mut net in nets() {
        let (a, b, writer) = (resp3(&mut net, 0), resp3(&mut net, 1), net.connect(2));
        assert_eq!(net.ask(a, "CLIENT TRACKING ON BCAST PREFIX k: PREFIX l:"), "OK");
        assert_eq!(net.ask(b, "CLIENT TRACKING ON BCAST NOLOOP"), "OK");
        net.ask(writer, "MSET k:2 1 k:1 1 l:1 1 m:1 1");
        let k = ">[\"invalidate\" [\"k:1\" \"k:2\"]]";
        assert_eq!(net.take(a), [k, ">[\"invalidate\" [\"l:1\"]]"]);
        assert_eq!(net.take(b), [">[\"invalidate\" [\"k:1\" \"k:2\" \"l:1\" \"m:1\"]]"]);
        assert_eq!(net.talk(b, &["SET k:1 2"]), ["OK"], "its own change it is not told of");
        assert_eq!(net.take(a), [">[\"invalidate\" [\"k:1\"]]"]);
        assert_eq!(net.talk(a, &["SET k:1 3"]), ["OK", ">[\"invalidate\" [\"k:1\"]]"]);
        net.take(b);
        net.hang_up(b);
        net.ask(a, "CLIENT TRACKING OFF");
        net.ask(writer, "SET k:1 4");
        assert!(net.take(a).is_empty());
        let info = net.ask(writer, "INFO");
        assert!(info.contains("tracking_total_prefixes:0") && info.contains("tracking_clients:0"), "{info}");
    }
}

#[test]
fn opting_in_and_out_is_for_one_request_or_transaction() {
    for mut net in nets() {
        let (reader, writer) = (resp3(&mut net, 0), net.connect(1));
        net.ask(reader, "CLIENT TRACKING ON OPTIN");
        net.talk(reader, &["GET k", "CLIENT CACHING YES", "CLIENT ID", "MGET k l", "GET m"]);
        net.ask(writer, "MSET k 1 l 1 m 1");
        assert_eq!(net.take(reader).len(), 2);
        net.talk(reader, &["CLIENT CACHING YES", "MULTI", "GET k", "GET l", "EXEC", "GET m"]);
        net.ask(writer, "MSET k 1 l 1 m 1");
        assert_eq!(net.take(reader).len(), 2);
        net.talk(reader, &["CLIENT TRACKING OFF", "CLIENT TRACKING ON OPTOUT"]);
        net.talk(reader, &["CLIENT CACHING NO", "GET k", "GET l"]);
        net.ask(writer, "MSET k 1 l 1");
        assert_eq!(net.take(reader), [">[\"invalidate\" [\"l\"]]"]);
        // A request that is refused is one, too.
        net.talk(reader, &["CLIENT TRACKING OFF", "CLIENT TRACKING ON OPTIN"]);
        for refused in ["GET", "NOSUCH k"] {
            net.talk(reader, &["CLIENT CACHING YES", refused, "GET k"]);
        }
        net.ask(writer, "MSET k 1 l 1");
        assert!(net.take(reader).is_empty());
    }
}

#[test]
fn another_connection_may_be_told_instead() {
    for mut net in nets() {
        let (reader, writer, third) = (resp3(&mut net, 0), net.connect(1), net.connect(2));
        let id = net.id_of(third);
        assert_eq!(
            net.ask(reader, "CLIENT TRACKING ON REDIRECT 999"),
            "(ERR The client ID you want redirect to does not exist)"
        );
        assert_eq!(net.ask(reader, &format!("CLIENT TRACKING ON REDIRECT {id}")), "OK");
        net.ask(third, "SUBSCRIBE __redis__:invalidate");
        assert_eq!(net.ask(reader, "CLIENT GETREDIR"), id.to_string());
        net.ask(reader, "GET k");
        net.ask(writer, "SET k 1");
        assert_eq!(net.take(third), ["[\"message\" \"__redis__:invalidate\" [\"k\"]]"]);
        net.ask(writer, "FLUSHALL");
        assert_eq!(net.take(third).len(), 1);
        assert!(net.take(reader).is_empty());
        net.hang_up(third);
        net.ask(reader, "GET k");
        net.ask(writer, "SET k 2");
        assert_eq!(net.take(reader), [format!(">[\"tracking-redir-broken\" {id}]")]);
        assert!(net.ask(reader, "CLIENT TRACKINGINFO").contains("broken_redirect"));
        assert!(net.ask(writer, "CLIENT LIST").contains("flags=tR"));
    }
}

#[test]
fn the_table_has_a_limit_beyond_which_keys_are_told_to_have_changed() {
    for workers in [1, 3] {
        let settings = vec![("tracking-table-max-keys", "10")];
        let mut net = Net::with(Options { workers, seed: 3, logging: true, settings });
        let reader = resp3(&mut net, 0);
        net.ask(reader, "CLIENT TRACKING ON");
        let mut told = 0;
        for key in 0..200 {
            let replies = net.talk(reader, &[&format!("GET key:{key}")]);
            told += replies.len() - 1;
        }
        let info = net.ask(reader, "INFO stats");
        let count = |name: &str| -> usize {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
            line.trim().parse().unwrap()
        };
        assert_eq!((count("tracking_total_keys"), count("tracking_total_items")), (200 - told, 200 - told));
        assert!(200 - told <= 10, "{told} told");
        assert_eq!(net.ask(reader, "CONFIG SET tracking-table-max-keys 0"), "OK");
        for key in 0..200 {
            net.ask(reader, &format!("GET key:{key}"));
        }
        assert!(net.ask(reader, "INFO stats").contains("tracking_total_keys:200"));
        assert_eq!(net.talk(reader, &["FLUSHALL"]), ["OK", FORGET]);
        assert!(net.ask(reader, "INFO stats").contains("tracking_total_keys:0"));
    }
}

/// Clients with caches that read, write and obey: once all is quiet none has a value that is not the node's.
#[test]
fn no_cache_holds_what_is_no_more() {
    for seed in 0..12 {
        let mut net = Net::new((seed % 3 + 1) as u16, seed);
        let modes = ["ON", "ON BCAST", "ON BCAST PREFIX k", "ON"];
        let mut caches: Vec<crate::cache::Cache> = Vec::new();
        for (number, mode) in modes.iter().enumerate() {
            let client = resp3(&mut net, number);
            net.ask(client, &format!("CLIENT TRACKING {mode}"));
            caches.push(crate::cache::Cache::new());
            caches[number].id = Some(client);
        }
        let writer = net.connect(1);
        for _ in 0..60 {
            for _ in 0..net.random().below(6) + 1 {
                let at = net.random().below(caches.len() as u64) as usize;
                let keys = net.random().below(3) + 1;
                let names: Vec<String> = (0..keys).map(|_| format!("k{}", net.random().below(8))).collect();
                let value = net.random().below(1000);
                match net.random().below(8) {
                    0 => net.send(
                        writer,
                        &[&format!("MSET {} {value} {} {value}", names[0], names[names.len() - 1])],
                    ),
                    1 => net.send(writer, &["MULTI", &format!("SET {} {value}", names[0]), "DBSIZE", "EXEC"]),
                    2 => net.send(writer, &[&format!("DEL {}", names.join(" "))]),
                    3 if net.random().below(10) == 0 => net.send(writer, &["FLUSHALL"]),
                    4 => {
                        let client = caches[at].id.unwrap();
                        caches[at].changes(&names[0]);
                        net.send(client, &[&format!("SET {} {value}", names[0])]);
                    }
                    _ => {
                        let client = caches[at].id.unwrap();
                        caches[at].reads(&names);
                        net.send(client, &[&format!("MGET {}", names.join(" "))]);
                    }
                }
            }
            net.settle();
            for cache in &mut caches {
                let values = net.take_values(cache.id.unwrap());
                cache.hears(&values);
            }
            for key in 0..8 {
                let name = format!("k{key}");
                net.take(writer);
                let truth = net.ask(writer, &format!("GET {name}"));
                for (number, cache) in caches.iter().enumerate() {
                    if let Some(value) = cache.get(&name) {
                        assert_eq!(value, truth, "seed {seed}: {name} in cache {number}");
                    }
                }
            }
        }
    }
}
