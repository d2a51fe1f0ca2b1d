//! The limit of memory: what goes under each policy, and what is refused where nothing may.
//!
//! Limits are some megabytes above what the server takes when it is empty. Margins are wide: what goes is chosen from
//! samples.

use std::time::Duration;

use narf_tests::{
    Client, Data, Options, Server, Value, eventually, on_one_and_two_workers, skip_unless_narf, within,
};

use crate::nodes::Cluster;

on_one_and_two_workers!(
    every_policy_keeps_the_limit,
    keys_that_are_used_stay,
    keys_that_are_used_often_stay,
    keys_that_lapse_soonest_go_first,
    without_a_key_that_may_go_what_adds_is_refused,
    a_transaction_that_adds_is_refused_as_a_whole,
    clocks_tell_what_the_policy_keeps,
    what_is_used_is_told,
);

const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.";
const MB: u64 = 1 << 20;

fn number(c: &mut Client, field: &str) -> u64 {
    let text = c.run("INFO everything").text();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {field} in {text}")).trim().parse().unwrap()
}

/// Allows `bytes` more than the server takes when it is empty.
fn limit(c: &mut Client, policy: &str, bytes: u64) -> u64 {
    c.check("CONFIG SET maxmemory 0", "+OK");
    c.check("FLUSHALL", "+OK");
    // What was flushed may be freed in slices.
    let startup = number(c, "used_memory_startup");
    let is_empty = |used: &u64| *used < startup + 1_500_000;
    let empty = eventually("memory is given back", || Some(number(c, "used_memory")).filter(is_empty));
    let limit = empty + bytes;
    c.check(&format!("CONFIG SET maxmemory {limit} maxmemory-policy {policy} maxmemory-samples 10"), "+OK");
    c.check("CONFIG RESETSTAT", "+OK");
    limit
}

/// Sets keys, some hundred at a time; none may be refused.
#[track_caller]
fn set_all(c: &mut Client, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    for part in lines.chunks(200) {
        for reply in c.pipeline(part) {
            assert_eq!(reply.to_string(), "+OK");
        }
    }
}

/// How many of these keys are there, without using them.
fn count(c: &mut Client, keys: impl Iterator<Item = String>) -> usize {
    let lines: Vec<String> = keys.map(|key| format!("TTL {key}")).collect();
    let mut there = 0;
    for part in lines.chunks(200) {
        there += c.pipeline(part).iter().filter(|ttl| ttl.to_string() != ":-2").count();
    }
    there
}

fn every_policy_keeps_the_limit(node: &Server) {
    let mut c = node.client();
    let value = "x".repeat(150);
    for policy in [
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
    ] {
        let limit = limit(&mut c, policy, 3 * MB);
        set_all(&mut c, (0..2000).map(|n| format!("SET kept:{n} {value}")));
        set_all(&mut c, (0..30_000).map(|n| format!("SET {n} {value} EX {}", 1000 + n)));
        let counted = number(&mut c, "used_memory") - number(&mut c, "mem_not_counted_for_evict");
        assert!(counted <= limit + 200_000, "{policy}: {counted} of {limit}");
        assert!(number(&mut c, "evicted_keys") > 10_000, "{policy}");
        let left = usize::try_from(c.run("DBSIZE").int()).unwrap();
        assert!(left > 5_000, "{policy}: only {left} keys are left");
        let kept = count(&mut c, (0..2000).map(|n| format!("kept:{n}")));
        assert_eq!(kept == 2000, policy.starts_with("volatile"), "{policy}: {kept} without deadline stayed");
    }
}

fn keys_that_are_used_stay(node: &Server) {
    let mut c = node.client();
    for policy in ["allkeys-lru", "volatile-lru"] {
        limit(&mut c, policy, 2 * MB);
        let value = "x".repeat(400);
        let set = |name: &str, n: u64| format!("SET {name}:{n} {value} EX 100000");
        set_all(&mut c, (0..1500).flat_map(|n| [set("hot", n), set("cold", n)]));
        eventually("a second has passed", || (c.run("OBJECT IDLETIME cold:1").int() >= 2).then_some(()));
        for round in 0.. {
            c.pipeline((0..1500).map(|n| format!("TOUCH hot:{n}")));
            set_all(&mut c, (0..60).map(|n| set(&format!("new{round}"), n)));
            if number(&mut c, "evicted_keys") >= 1000 {
                break;
            }
        }
        let hot = count(&mut c, (0..1500).map(|n| format!("hot:{n}")));
        let cold = count(&mut c, (0..1500).map(|n| format!("cold:{n}")));
        assert!(hot > 1350 && cold < 700, "{policy}: {hot} in use stayed, and {cold} others, of 1500 each");
    }
}

fn keys_that_are_used_often_stay(node: &Server) {
    let mut c = node.client();
    for policy in ["allkeys-lfu", "volatile-lfu"] {
        c.check("CONFIG SET lfu-log-factor 1 lfu-decay-time 1000", "+OK");
        limit(&mut c, policy, 3 * MB);
        let value = "x".repeat(400);
        let set = |name: &str, n: u64| format!("SET {name}:{n} {value} EX 100000");
        set_all(&mut c, (0..1500).flat_map(|n| [set("hot", n), set("cold", n)]));
        for _ in 0..20 {
            c.pipeline((0..1500).map(|n| format!("GET hot:{n}")));
        }
        for round in 0.. {
            set_all(&mut c, (0..100).map(|n| set(&format!("new{round}"), n)));
            if number(&mut c, "evicted_keys") >= 3000 {
                break;
            }
        }
        let hot = count(&mut c, (0..1500).map(|n| format!("hot:{n}")));
        let cold = count(&mut c, (0..1500).map(|n| format!("cold:{n}")));
        assert!(hot > 1350 && cold < 1100, "{policy}: {hot} in use stayed, and {cold} others, of 1500 each");
    }
}

fn keys_that_lapse_soonest_go_first(node: &Server) {
    let mut c = node.client();
    limit(&mut c, "volatile-ttl", 2 * MB);
    let value = "x".repeat(400);
    // Deadlines in no order.
    let lapses = |n: u64| 10_000 + n * 7919 % 10_000;
    set_all(&mut c, (0..10_000).map(|n| format!("SET {n} {value} EX {}", lapses(n))));
    let mut left = |from: u64, to: u64| {
        count(&mut c, (0..10_000).filter(|&n| (from..to).contains(&lapses(n))).map(|n| n.to_string()))
    };
    let (soon, late) = (left(10_000, 13_000), left(18_000, 20_000));
    assert!(
        soon < 300 && late > 1_000,
        "{soon} of 3000 that lapse soon stayed, {late} of 2000 that lapse late"
    );
}

/// Fills the memory up with one value.
fn fill(c: &mut Client, policy: &str) {
    limit(c, policy, MB);
    c.check("SET a 1", "+OK");
    c.check("SETRANGE big 2000000 x", ":2000001");
}

fn without_a_key_that_may_go_what_adds_is_refused(node: &Server) {
    let mut c = node.client();
    for policy in ["noeviction", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
        fill(&mut c, policy);
        for line in [
            "SET a 2",
            "APPEND a 2",
            "INCR a",
            "SETRANGE a 0 x",
            "MSET a 1 b 2",
            "GETSET a 2",
            "SETBIT a 1 1",
            "HSET h f v",
            "SADD s m",
            "LPUSH l e",
            "ZADD z 1 m",
            "COPY a b",
            "LMOVE l l LEFT RIGHT",
            "SUNIONSTORE d s t",
        ] {
            c.check(line, OOM);
        }
        c.check("GET a", r#""1""#);
        c.check("PING", "+PONG");
        c.check("EXPIRE none 1000", ":0");
        c.check("RENAME a b", "+OK");
        c.check("GETEX b", r#""1""#);
        c.check("LPOP l", "nil");
        c.check("HDEL h f", ":0");
        c.check("PUBLISH c m", ":0");
        c.check("SET a", "-ERR wrong number of arguments for 'set' command");
        assert!(number(&mut c, "used_memory") > number(&mut c, "maxmemory"));
        c.check("DEL big", ":1");
        eventually("there is room again", || (c.run("SET a 2").to_string() == "+OK").then_some(()));
    }
    c.check("CONFIG SET maxmemory 0", "+OK");
    c.check("SETRANGE big 2000000 x", ":2000001");
    c.check("SET a 3", "+OK");
}

fn a_transaction_that_adds_is_refused_as_a_whole(node: &Server) {
    let mut c = node.client();
    let (mut adds, mut reads) = (node.client(), node.client());
    for queueing in [&mut adds, &mut reads] {
        queueing.check("MULTI", "+OK");
    }
    adds.check("SET x 1", "+QUEUED");
    reads.check("GET x", "+QUEUED");
    reads.check("DEL x", "+QUEUED");
    fill(&mut c, "noeviction");
    let refused = "-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.";
    adds.check("EXEC", refused);
    adds.check("EXEC", "-ERR EXEC without MULTI");
    reads.check("EXEC", "[nil, :0]");
    // While it is queued it takes memory as well, whatever it is.
    c.check("MULTI", "+OK");
    c.check("GET a", OOM);
    c.check("PING", OOM);
    c.check("EXEC", "-EXECABORT Transaction discarded because of previous errors.");
    c.check("MULTI", "+OK");
    c.check("DISCARD", "+OK");
    c.check("MULTI", "+OK");
    c.check("EXEC", "[]");
    c.check("GET x", "nil");
}

fn clocks_tell_what_the_policy_keeps(node: &Server) {
    let mut c = node.client();
    // No counter loses one because a minute ends meanwhile.
    c.check("CONFIG SET maxmemory-policy allkeys-lfu lfu-log-factor 0 lfu-decay-time 1000", "+OK");
    c.check("SET k v", "+OK");
    c.check("OBJECT FREQ k", ":5");
    c.pipeline(["GET k", "GET k", "GET k"]);
    c.check("OBJECT FREQ k", ":8");
    c.check("SET k w", "+OK");
    c.check("OBJECT FREQ k", ":9");
    c.pipeline((0..300).map(|_| "GET k"));
    c.check("OBJECT FREQ k", ":255");
    c.check("OBJECT FREQ none", "nil");
    let not_tracked = "-ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.";
    c.check("OBJECT IDLETIME k", not_tracked);
    c.check("CONFIG SET maxmemory-policy volatile-random", "+OK");
    // In one write, so that no second ends meanwhile.
    let replies = c.pipeline(["SET k v", "OBJECT IDLETIME k"]);
    assert_eq!(Value::Array(replies).to_string(), "[+OK, :0]");
    assert!(c.run("OBJECT FREQ k").is_error());
    c.check("CONFIG SET maxmemory-policy lru", "-ERR CONFIG SET failed (possibly related to argument 'maxmemory-policy') - argument(s) must be one of the following: volatile-lru, volatile-lfu, volatile-random, volatile-ttl, allkeys-lru, allkeys-lfu, allkeys-random, noeviction");
    c.check("CONFIG SET maxmemory 100mb", "+OK");
    c.check("CONFIG GET maxmemory", r#"["maxmemory", "104857600"]"#);
    assert_eq!(node.info("maxmemory_human").unwrap(), "100.00M");
    assert_eq!(node.info("maxmemory_policy").unwrap(), "volatile-random");
    for line in [
        "maxmemory -1",
        "maxmemory x",
        "maxmemory-samples 0",
        "maxmemory-eviction-tenacity 101",
        "lfu-decay-time -1",
    ] {
        assert!(c.run(&format!("CONFIG SET {line}")).is_error(), "{line}");
    }
}

fn what_is_used_is_told(node: &Server) {
    let mut c = node.client();
    let before = number(&mut c, "used_memory");
    c.check("SETRANGE big 9999999 x", ":10000000");
    let used = number(&mut c, "used_memory");
    assert!((before + 9_900_000..before + 11_500_000).contains(&used), "{used} after {before}");
    let peak = number(&mut c, "used_memory_peak");
    assert!(peak >= used);
    c.check("DEL big", ":1");
    assert!(number(&mut c, "used_memory") < before + 1_000_000);
    assert!(number(&mut c, "used_memory_peak") >= peak);
    let stats = c.run("MEMORY STATS");
    assert!(stats.field("peak.allocated").unwrap().int() >= 10_000_000, "{stats}");
    for name in ["total.allocated", "startup.allocated", "keys.count", "dataset.bytes", "overhead.total"] {
        assert!(stats.field(name).is_some_and(|value| value.int() >= 0), "{name} in {stats}");
    }
    c.check("MEMORY PURGE", "+OK");
    assert!(!c.run("MEMORY DOCTOR").text().is_empty() && !c.run("MEMORY MALLOC-STATS").text().is_empty());
}

#[test]
fn a_limit_that_the_data_exceeds_is_reached_soon_after_the_start() {
    if skip_unless_narf() {
        return;
    }
    let mut node = Server::start(Options::new().data(Data::Temporary));
    let mut c = node.client();
    set_all(&mut c, (0..30_000).map(|n| format!("SET {n} {}", "x".repeat(150))));
    node.restart_with(|options| {
        options.variable("NARF_MAXMEMORY", "4mb").set("maxmemory-policy", "allkeys-lru")
    });
    let mut c = node.client();
    eventually("the limit is kept", || {
        let counted = number(&mut c, "used_memory") - number(&mut c, "mem_not_counted_for_evict");
        (counted <= 4 * MB + 100_000).then_some(())
    });
    // Each worker takes its share when it hears of it: what is compared is what is left when nothing more goes.
    let (left, digest) = eventually("nothing more goes", || {
        let before = number(&mut c, "evicted_keys");
        let seen = (c.run("DBSIZE").int(), c.run("DEBUG DIGEST").to_string());
        // Longer than a worker goes without a look at its memory.
        let goes = || (number(&mut c, "evicted_keys") > before).then_some(());
        within(Duration::from_millis(300), goes).is_none().then_some(seen)
    });
    assert!((5_000..25_000).contains(&left), "{left} keys are left");
    node.kill9();
    node.restart_with(|options| options.set("maxmemory", "1gb"));
    let mut c = node.client();
    assert_eq!(c.run("DBSIZE").int(), left, "what went is gone for good");
    assert_eq!(c.run("DEBUG DIGEST").to_string(), digest);
}

/// What is kept for replicas does not count, whichever worker keeps it: a cluster without keys has room.
#[test]
fn a_cluster_that_was_emptied_has_room_whatever_its_workers_keep_for_replicas() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::with(3, |_, options| options.workers(4));
    let mut client = cluster.nodes[0].client();
    let value = "x".repeat(16 << 10);
    for part in 0..15 {
        let lines = (0..200).map(|number| format!("SET key:{} {value}", part * 200 + number));
        assert!(client.pipeline(lines).iter().all(|answer| answer.to_string() == "+OK"));
    }
    client.check("FLUSHALL", "+OK");
    for node in &cluster.nodes {
        node.client().check("CONFIG SET maxmemory 40mb maxmemory-policy noeviction", "+OK");
    }
    // What was deleted is freed piece by piece.
    for number in 0..200 {
        eventually("room for a key", || {
            (client.run(&format!("SET new:{number} x")).to_string() == "+OK").then_some(())
        });
    }
}
