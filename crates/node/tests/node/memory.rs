//! The limit of memory: what goes, what is refused, and that logs and replicas agree.
//!
//! Nobody counts what is allocated here, so the limit is about what keys take.

use crate::cluster_world::World;
use crate::net::{ClientId, Net, Options, PARTITIONS, key_in};

const LIMIT: u64 = 400_000;

const POLICIES: [&str; 7] = [
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
];

fn limited(workers: u16, policy: &'static str) -> (Net, ClientId) {
    let settings = vec![("maxmemory", "400000"), ("maxmemory-policy", policy), ("maxmemory-samples", "10")];
    let mut net = Net::with(Options { workers, seed: u64::from(workers), logging: true, settings });
    let client = net.connect(0);
    (net, client)
}

/// A field of `INFO`.
fn info(net: &mut Net, client: ClientId, name: &str) -> u64 {
    let text = net.ask(client, "INFO everything");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{name} in {text}")).trim().parse().unwrap()
}

/// Runs all of these and panics at the first error.
#[track_caller]
fn run_all(net: &mut Net, client: ClientId, lines: &[String]) {
    for part in lines.chunks(50) {
        let part: Vec<&str> = part.iter().map(String::as_str).collect();
        for reply in net.talk(client, &part) {
            assert!(!reply.starts_with('('), "{reply}");
        }
    }
}

fn count(net: &mut Net, client: ClientId, keys: impl Iterator<Item = String>) -> usize {
    let keys: Vec<String> = keys.collect();
    let lines: Vec<String> = keys.iter().map(|key| format!("OBJECT ENCODING {key}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    net.talk(client, &lines).iter().filter(|reply| *reply != "nil").count()
}

#[test]
fn whatever_the_policy_the_limit_is_kept_and_a_restart_gives_the_same() {
    for policy in POLICIES {
        for workers in [1, 3] {
            let (mut net, client) = limited(workers, policy);
            let value = "x".repeat(200);
            let kept: Vec<String> = (0..200).map(|n| format!("SET kept:{n} {value}")).collect();
            run_all(&mut net, client, &kept);
            for round in 0..30 {
                let lines: Vec<String> =
                    (0..200).map(|n| format!("SET {round}:{n} {value} EX {}", 1000 + n)).collect();
                run_all(&mut net, client, &lines);
                let used = info(&mut net, client, "used_memory_dataset");
                assert!(used <= LIMIT + 10_000, "{policy}, {workers} workers: {used} bytes");
                net.pass(200);
                let used = info(&mut net, client, "used_memory_dataset");
                assert!(used <= LIMIT, "{policy}, {workers} workers: {used} bytes at rest");
            }
            assert!(info(&mut net, client, "used_memory_dataset") > LIMIT / 2, "no more goes than must");
            assert!(info(&mut net, client, "evicted_keys") > 3000);
            let all_kept = count(&mut net, client, (0..200).map(|n| format!("kept:{n}"))) == 200;
            assert_eq!(all_kept, policy.starts_with("volatile"), "{policy}");
            let is_eviction = |frame: &&Vec<u8>| frame.windows(10).any(|at| at == b"narf.evict");
            assert!(net.frames.iter().filter(is_eviction).count() > 0, "through the log");
            let digest = net.digest();
            assert_eq!(net.restarted(false).digest(), digest, "{policy}");
        }
    }
}

#[test]
fn keys_in_use_stay_and_the_others_go() {
    for policy in ["allkeys-lru", "volatile-lru", "allkeys-lfu", "volatile-lfu"] {
        for workers in [1, 2] {
            let (mut net, client) = limited(workers, policy);
            let set = |name: &str, n: usize| format!("SET {name}:{n} {} EX 100000", "x".repeat(400));
            let lines: Vec<String> = (0..300).flat_map(|n| [set("hot", n), set("cold", n)]).collect();
            run_all(&mut net, client, &lines);
            for round in 0..40 {
                net.pass(2000);
                let reads: Vec<String> = (0..300).map(|n| format!("GET hot:{n}")).collect();
                run_all(&mut net, client, &reads);
                let lines: Vec<String> = (0..20).map(|n| set(&format!("new{round}"), n)).collect();
                run_all(&mut net, client, &lines);
            }
            let hot = count(&mut net, client, (0..300).map(|n| format!("hot:{n}")));
            let cold = count(&mut net, client, (0..300).map(|n| format!("cold:{n}")));
            assert!(hot >= 270, "{policy}, {workers} workers: {hot} of 300 in use stayed");
            assert!(cold <= 60, "{policy}, {workers} workers: {cold} of 300 not in use stayed");
        }
    }
}

#[test]
fn a_client_that_touches_nothing_keeps_nothing_in_use() {
    let (mut net, client) = limited(1, "allkeys-lru");
    let quiet = net.connect(0);
    assert_eq!(net.talk(client, &["SET k v", "SET t v", "CONFIG SET lfu-log-factor 0"]), ["OK", "OK", "OK"]);
    assert_eq!(net.ask(quiet, "CLIENT NO-TOUCH on"), "OK");
    net.pass(30_000);
    assert_eq!(net.talk(quiet, &["GET k", "GET t", "TOUCH t"]), ["\"v\"", "\"v\"", "1"]);
    assert_eq!(net.talk(client, &["OBJECT IDLETIME k", "OBJECT IDLETIME t"]), ["30", "0"], "TOUCH touches");
    assert_eq!(net.ask(client, "CONFIG SET maxmemory-policy allkeys-lfu"), "OK");
    assert_eq!(net.ask(client, "SET f v"), "OK");
    assert_eq!(net.talk(quiet, &["GET f", "GET f"]), ["\"v\"", "\"v\""]);
    assert_eq!(net.ask(client, "OBJECT FREQ f"), "5");
    assert_eq!(net.talk(client, &["GET f", "GET f", "OBJECT FREQ f"])[2], "7");
    assert!(net.ask(client, "OBJECT IDLETIME f").contains("An LFU maxmemory policy is selected"));
    net.pass(180_000);
    assert_eq!(net.ask(client, "OBJECT FREQ f"), "4");
    assert_eq!(net.ask(client, "CONFIG SET lfu-decay-time 0"), "OK");
    assert_eq!(net.ask(client, "OBJECT FREQ f"), "7");
    assert_eq!(net.ask(client, "CONFIG SET maxmemory-policy volatile-ttl"), "OK");
    assert!(net.ask(client, "OBJECT FREQ f").contains("An LFU maxmemory policy is not selected"));
}

#[test]
fn what_lapses_soonest_goes_first() {
    let (mut net, client) = limited(2, "volatile-ttl");
    let value = "x".repeat(200);
    let lines: Vec<String> =
        (0..4000).map(|n| format!("SET k:{n} {value} EX {}", 1000 + (n * 7919) % 4000)).collect();
    run_all(&mut net, client, &lines);
    let left: Vec<usize> =
        (0..4000).filter(|n| (n * 7919) % 4000 < 1000 || (n * 7919) % 4000 >= 3000).collect();
    let of = |range: std::ops::Range<usize>| {
        left.iter()
            .filter(|n| range.contains(&((**n * 7919) % 4000)))
            .map(|n| format!("k:{n}"))
            .collect::<Vec<_>>()
    };
    let soon = count(&mut net, client, of(0..1000).into_iter());
    let late = count(&mut net, client, of(3000..4000).into_iter());
    assert!(soon < 50 && late > 500, "{soon} of those that lapse soon stayed, {late} of the others");
}

const OOM: &str = "(OOM command not allowed when used memory > 'maxmemory'.)";
const OOM_ABORT: &str = "(EXECABORT Transaction discarded because of: OOM command not allowed when used memory > \
                         'maxmemory'.)";
const ABORT: &str = "(EXECABORT Transaction discarded because of previous errors.)";

/// Everything that is refused is refused with the words of Redis, and nothing else is.
#[test]
fn where_nothing_may_go_what_adds_is_refused() {
    for workers in [1, 3] {
        // Without deadlines, none may go under a volatile policy either.
        for policy in ["noeviction", "volatile-lru", "volatile-random"] {
            let (mut net, client) = limited(workers, policy);
            let other = net.connect(1);
            let queueing = net.connect(2);
            assert_eq!(net.talk(queueing, &["MULTI", "SET q 1", "GET q"]), ["OK", "QUEUED", "QUEUED"]);
            let keys: Vec<String> = (0..PARTITIONS).map(|p| key_in(p, "k")).collect();
            for key in &keys[1..6] {
                assert_eq!(net.ask(client, &format!("SETRANGE {key} 60000 x")), "60001");
            }
            assert_eq!(net.ask(client, &format!("SETRANGE {} 200000 x", keys[0])), "200001");
            for client in [client, other] {
                for key in &keys[1..6] {
                    assert_eq!(net.ask(client, &format!("SET {key} 1")), OOM, "{policy}");
                    assert_eq!(net.ask(client, &format!("STRLEN {key}")), "60001");
                    assert_eq!(net.ask(client, &format!("EXPIRE {key} 0 GT")), "0");
                }
                let two = format!("MSET {} 1 {} 2", keys[0], keys[1]);
                assert_eq!(
                    net.talk(client, &[&two, "LPUSH l 1", "HDEL h f", "PUBLISH c x"]),
                    [OOM, OOM, "0", "0"]
                );
                let refused = net.talk(client, &["MULTI", "GET a", "PING", "EXEC"]);
                assert_eq!(refused, ["OK", OOM, OOM, ABORT]);
                assert_eq!(net.talk(client, &["MULTI", "DISCARD"]), ["OK", "OK"]);
                assert_eq!(net.talk(client, &["MULTI", "EXEC"]), ["OK", "[]"]);
            }
            assert_eq!(net.talk(queueing, &["EXEC", "EXEC"]), [OOM_ABORT, "(ERR EXEC without MULTI)"]);
            assert!(info(&mut net, client, "current_eviction_exceeded_time") < 60_000);
            assert_eq!(net.ask(client, &format!("DEL {}", keys.join(" "))), "6");
            assert_eq!(net.talk(client, &["SET a 1", "MULTI", "SET a 2", "EXEC"])[3], "[OK]");
            let digest = net.digest();
            assert_eq!(net.restarted(false).digest(), digest);
        }
    }
}

#[test]
fn a_transaction_that_only_reads_runs_with_memory_full() {
    let (mut net, client) = limited(1, "noeviction");
    let other = net.connect(0);
    assert_eq!(net.talk(client, &["MULTI", "GET big", "DEL none"])[0], "OK");
    assert_eq!(net.ask(other, "SETRANGE big 500000 x"), "500001");
    assert_eq!(net.ask(other, "SET a 1"), OOM);
    let reply = net.ask(client, "EXEC");
    assert!(reply.starts_with("[\"") && reply.ends_with(" 0]"), "{}", &reply[reply.len() - 20..]);
}

/// The memory of one worker's keys is taken by another's, which has nothing that could go.
#[test]
fn who_has_nothing_left_has_the_others_evict() {
    for seed in 0..8 {
        let settings = vec![("maxmemory", "400000"), ("maxmemory-policy", "volatile-lru")];
        let mut net = Net::with(Options { workers: 4, seed, logging: true, settings });
        let client = net.connect(seed as usize);
        let value = "x".repeat(1000);
        let mut lines = vec!["SELECT 1".to_owned()];
        lines.extend((0..370).map(|n| format!("SET {n} {value} EX 1000")));
        lines.push("SELECT 2".to_owned());
        lines.extend((0..370).map(|n| format!("SET {n} {value}")));
        run_all(&mut net, client, &lines);
        let used = info(&mut net, client, "used_memory_dataset");
        assert!(used <= LIMIT + 20_000, "{used}");
        assert_eq!(net.ask(client, "DBSIZE"), "370");
        // Until there is nothing with a deadline anywhere.
        let more: Vec<String> = (0..60).map(|n| format!("SET more{n} {value}")).collect();
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let replies = net.talk(client, &more);
        assert_eq!(replies.last().unwrap(), OOM);
        assert_eq!(net.talk(client, &["SELECT 1", "DBSIZE"]), ["OK", "0"]);
    }
}

/// Keys that a frame, which is one turn of a worker, evicts.
fn evictions_in(frame: &[u8]) -> usize {
    let mark = b"\r\n$10\r\nnarf.evict";
    let words_of = |at: usize| {
        let start = frame[..at].iter().rposition(|&byte| byte == b'*').unwrap();
        let words: usize = std::str::from_utf8(&frame[start + 1..at]).unwrap().parse().unwrap();
        words - 1
    };
    (0..frame.len()).filter(|&at| frame[at..].starts_with(mark)).map(words_of).sum()
}

/// One turn evicts no more than its share; whoever adds waits for the next, and is answered in order.
#[test]
fn a_lower_limit_is_reached_in_slices() {
    for workers in [1, 2] {
        let settings = vec![("maxmemory-policy", "allkeys-lru"), ("maxmemory-eviction-tenacity", "0")];
        let mut net = Net::with(Options { workers, seed: 7, logging: true, settings });
        let (client, reader) = (net.connect(0), net.connect(1));
        let lines: Vec<String> = (0..3000).map(|n| format!("SET {n} {}", "x".repeat(100))).collect();
        run_all(&mut net, client, &lines);
        let before = net.frames.len();
        net.send(client, &["CONFIG SET maxmemory 100000", "SET a 1", "GET a", "SET b 2", "GET b"]);
        net.settle();
        assert_eq!(net.take(client), ["OK", "OK", "\"1\"", "OK", "\"2\""]);
        let evictions: Vec<usize> = net.frames[before..].iter().map(|frame| evictions_in(frame)).collect();
        assert!(evictions.iter().all(|keys| *keys <= 50), "{evictions:?}");
        assert!(evictions.iter().sum::<usize>() > 2000, "{evictions:?}");
        assert_eq!(info(&mut net, client, "evicted_keys") as usize, evictions.iter().sum::<usize>());
        assert!(info(&mut net, client, "used_memory_dataset") <= 100_000);
        assert_eq!(net.ask(reader, "PING"), "PONG");
    }
}

// ---- several nodes ------------------------------------------------------------------------------------------------------

fn limit_nodes(world: &mut World, bytes: u64, policy: &str, nodes: &[usize]) {
    for &node in nodes {
        let client = world.connect(node);
        let set = format!("CONFIG SET maxmemory {bytes} maxmemory-policy {policy} maxmemory-samples 10");
        assert_eq!(world.ask(client, &set), "OK");
    }
}

#[track_caller]
fn check_equal(world: &mut World) {
    world.settle();
    let digests: Vec<String> = (0..world.count()).map(|node| world.digest(node)).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

fn evicted(world: &mut World, node: usize) -> u64 {
    let client = world.connect(node);
    let text = world.ask(client, "INFO stats");
    let line = text.lines().find_map(|line| line.strip_prefix("evicted_keys:"));
    line.unwrap_or_else(|| panic!("{text}")).trim().parse().unwrap()
}

#[test]
fn replicas_delete_what_their_leader_chose_and_a_restart_gives_the_same() {
    for (seed, policy) in POLICIES.iter().enumerate() {
        let mut world = World::of(3, 40 + seed as u64);
        limit_nodes(&mut world, 60_000, policy, &[0, 1, 2]);
        let value = "x".repeat(100);
        let clients = [0, 1, 2].map(|node| world.connect(node));
        for n in 0..900 {
            let reply = world.ask(clients[n % 3], &format!("SET key:{n} {value} EX 100000"));
            assert_eq!(reply, "OK", "{policy}");
        }
        check_equal(&mut world);
        let all: u64 = (0..3).map(|node| evicted(&mut world, node)).sum();
        let client = world.connect(0);
        let left: u64 = world.ask(client, "DBSIZE").parse().unwrap();
        assert_eq!(all + left, 900, "{policy}: counted where it was led, once");
        assert!((100..420).contains(&left), "{policy}: {left}");
        world.kill(1);
        world.restart(1);
        check_equal(&mut world);
    }
}

#[test]
fn a_follower_evicts_nothing_whatever_its_limit() {
    let mut world = World::of(3, 60);
    let client = world.connect(0);
    for n in 0..300 {
        assert_eq!(world.ask(client, &format!("SET key:{n} {}", "x".repeat(100))), "OK");
    }
    world.settle();
    let leads =
        |world: &mut World, node: usize| (0..300).filter(|n| world.leads(node, &format!("key:{n}"))).count();
    let limited = (0..3).find(|&node| leads(&mut world, node) < 300).unwrap();
    let led = leads(&mut world, limited);
    limit_nodes(&mut world, 10_000, "allkeys-random", &[limited]);
    world.pass(3000);
    check_equal(&mut world);
    let left: usize = world.ask(client, "DBSIZE").parse().unwrap();
    assert!(left >= 300 - led, "{left} left, {led} were led by the node with the limit");
    assert_eq!(evicted(&mut world, limited), (300 - left) as u64);
    // It refuses what it leads once none of that is left, and nothing else.
    let mut refused = 0;
    for n in 0..300 {
        let is_led = world.leads(limited, &format!("key:{n}"));
        let reply = world.ask(client, &format!("SET key:{n} y"));
        assert!(reply == "OK" || (is_led && reply == OOM), "{reply}");
        refused += usize::from(reply == OOM);
    }
    assert_eq!(refused > 0, led > 0, "{refused} of {led}");
    check_equal(&mut world);
}

#[test]
fn a_node_that_comes_to_its_limit_first_has_others_evict_their_share() {
    for (seed, policy) in [(70, "allkeys-random"), (71, "allkeys-lru")] {
        let mut world = World::of(3, seed);
        limit_nodes(&mut world, 240_000, policy, &[0, 1, 2]);
        // As if its clients took the rest.
        limit_nodes(&mut world, 200_000, policy, &[1]);
        let clients = [0, 1, 2].map(|node| world.connect(node));
        let keys: Vec<String> = (0..6000).map(|n| format!("key:{n}")).collect();
        for (n, key) in keys.iter().enumerate() {
            let line = format!("SET {key} {} EX 100000", "x".repeat(100));
            assert_eq!(world.ask(clients[n % 3], &line), "OK", "{policy}: {key}");
        }
        world.pass(1000);
        check_equal(&mut world);
        let mut of_nodes = [(0_u64, 0_u64); 3];
        for key in &keys {
            let leader = (0..3).find(|&node| world.leads(node, key)).unwrap();
            of_nodes[leader].0 += 1;
            of_nodes[leader].1 += u64::from(world.ask(clients[0], &format!("EXISTS {key}")) == "1");
        }
        let shares = of_nodes.iter().filter(|(led, _)| *led > 0).map(|(led, left)| left * 1000 / led);
        let shares: Vec<u64> = shares.collect();
        let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
        assert!(least * 2 > *most && *least > 50, "{policy}: of 1000 keys each leader has left {shares:?}");
    }
}

#[test]
fn a_leader_refuses_transactions_that_add() {
    let mut world = World::of(3, 61);
    let client = world.connect(0);
    for n in 0..8 {
        assert_eq!(world.ask(client, &format!("SETRANGE {{t{n}}} 20000 x")), "20001");
    }
    limit_nodes(&mut world, 60_000, "noeviction", &[0, 1, 2]);
    assert_eq!(world.ask(client, "SET {t1} 1"), OOM);
    assert_eq!(world.ask(client, "MULTI"), "OK");
    assert_eq!(world.ask(client, "GET x"), OOM, "what is queued takes memory as well");
    assert_eq!(world.ask(client, "EXEC"), ABORT);
    // Queued while there was room here.
    let other = world.connect(1);
    assert_eq!(world.ask(other, "CONFIG SET maxmemory 0"), "OK");
    let key = (0..100).map(|n| format!("{{u{n}}}")).find(|key| !world.leads(1, key)).unwrap();
    for line in ["MULTI".to_owned(), format!("SET {key} 1"), format!("GET {key}")] {
        world.ask(other, &line);
    }
    assert_eq!(world.ask(other, "EXEC"), OOM_ABORT);
    for line in ["MULTI".to_owned(), format!("GET {key}"), format!("DEL {key}")] {
        world.ask(other, &line);
    }
    assert_eq!(world.ask(other, "EXEC"), "[nil 0]");
}
