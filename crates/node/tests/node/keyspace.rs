//! Commands over whole databases, and expiry.

use std::collections::BTreeSet;

use crate::net::{Net, Options, PARTITIONS, key_in, on_all};
use resp::Value;

fn scan(net: &mut Net, client: crate::net::ClientId, options: &str) -> (Vec<String>, usize) {
    let (mut cursor, mut keys, mut calls) = ("0".to_owned(), Vec::new(), 0);
    loop {
        net.send(client, &[&format!("SCAN {cursor} {options}")]);
        net.settle();
        calls += 1;
        let Some(Value::Array(reply)) = net.take_values(client).pop() else {
            unreachable!("SCAN answers a pair")
        };
        keys.extend(reply[1].as_slice().unwrap().iter().map(|key| key.as_text().unwrap().to_owned()));
        cursor = reply[0].as_text().unwrap().to_owned();
        if cursor == "0" {
            return (keys, calls);
        }
    }
}

#[test]
fn a_scan_gives_every_key_that_stays_whatever_is_written_meanwhile() {
    on_all(|net| {
        let (scanner, writer) = (net.connect(0), net.connect(1));
        for n in 0..200 {
            net.send(writer, &[&format!("SET stay{n} 1")]);
        }
        net.settle();
        for count in [1, 7, 100, 5000] {
            for n in 0..100 {
                net.send(writer, &[&format!("SET go{n} 1"), &format!("DEL go{n}")]);
            }
            let (keys, _) = scan(net, scanner, &format!("COUNT {count}"));
            let found: BTreeSet<String> = keys.into_iter().filter(|key| key.starts_with("stay")).collect();
            assert_eq!(found.len(), 200, "COUNT {count}");
        }
        net.settle();
        net.take(writer);
        let (keys, _) = scan(net, scanner, "MATCH stay1? COUNT 50");
        assert_eq!(keys.into_iter().collect::<BTreeSet<_>>().len(), 10);
        let (_, calls) = scan(net, scanner, "COUNT 100000");
        assert!(
            calls <= net.workers(),
            "{calls} calls: a scan goes through the partitions of a worker at once"
        );
    });
}

#[test]
fn databases_are_apart_and_each_is_scanned_whole() {
    on_all(|net| {
        let client = net.connect(0);
        for db in 0..16 {
            net.talk(client, &[&format!("SELECT {db}"), &format!("MSET a{db} 1 b{db} 2")]);
        }
        for db in 0..16 {
            assert_eq!(net.talk(client, &[&format!("SELECT {db}"), "DBSIZE"]), ["OK", "2"]);
            let (mut keys, _) = scan(net, client, "COUNT 1");
            keys.sort();
            assert_eq!(keys, [format!("a{db}"), format!("b{db}")]);
            let random = net.ask(client, "RANDOMKEY");
            assert!([format!("\"a{db}\""), format!("\"b{db}\"")].contains(&random), "{random}");
            let mut keys = net.ask(client, "KEYS [ab]*").len();
            assert_eq!(std::mem::take(&mut keys), if db < 10 { 11 } else { 13 });
        }
        assert_eq!(
            net.talk(client, &["SELECT 3", "FLUSHDB", "DBSIZE", "RANDOMKEY", "SELECT 4"]),
            ["OK", "OK", "0", "nil", "OK"]
        );
        assert_eq!(net.talk(client, &["DBSIZE", "FLUSHALL", "DBSIZE"]), ["2", "OK", "0"]);
        let info = net.ask(client, "INFO keyspace");
        assert_eq!(info, "\"# Keyspace\r\n\"");
    });
}

#[test]
fn keys_move_between_databases_wherever_those_live() {
    on_all(|net| {
        let client = net.connect(2);
        for db in 1..16 {
            let key = key_in(db % PARTITIONS, "mv");
            let replies = net.talk(
                client,
                &[
                    "SELECT 0",
                    &format!("SET {key} v EX 100"),
                    &format!("MOVE {key} {db}"),
                    &format!("EXISTS {key}"),
                    &format!("SELECT {db}"),
                    &format!("TTL {key}"),
                    &format!("COPY {key} back DB 0"),
                    "SELECT 0",
                    "GET back",
                    "TTL back",
                    "DEL back",
                ],
            );
            assert_eq!(
                replies,
                ["OK", "OK", "1", "0", "OK", "100", "1", "OK", "\"v\"", "100", "1"],
                "db {db}"
            );
        }
    });
}

#[test]
fn keys_that_lapse_are_hidden_at_once_and_deleted_soon() {
    on_all(|net| {
        let client = net.connect(0);
        let keys: Vec<String> = (0..PARTITIONS).map(|p| key_in(p, "e")).collect();
        for key in &keys {
            net.talk(client, &[&format!("SET {key} 1 PX 300"), &format!("SET {key}stays 1")]);
        }
        net.talk(client, &["SELECT 2", "SET x 1 PX 300", "SELECT 0"]);
        assert_eq!(net.ask(client, "DBSIZE"), "16");
        net.pass(1000);
        assert_eq!(net.ask(client, "DBSIZE"), "8", "deleted without being looked at");
        assert!(net.ask(client, "INFO stats").contains("\r\nexpired_keys:9\r\n"));
        // And without active expiry, hidden.
        net.talk(client, &["DEBUG SET-ACTIVE-EXPIRE 0"]);
        for key in &keys {
            net.talk(client, &[&format!("SET {key} 1 PX 300")]);
        }
        net.pass(1000);
        assert_eq!(net.ask(client, "DBSIZE"), "16");
        assert_eq!(
            net.ask(client, &format!("MGET {}", keys.join(" "))),
            format!("[{}]", ["nil"; 8].join(" "))
        );
        assert_eq!(net.ask(client, "DBSIZE"), "8", "a look has them deleted");
        let expires =
            net.frames.iter().filter(|frame| frame.windows(11).any(|at| at == b"narf.expire")).count();
        assert!(expires > 0, "through the log");
    });
}

/// A request of expiry names few keys and may mean a lot of work all the same.
#[test]
fn fields_that_lapse_at_once_are_deleted_over_some_turns() {
    let mut net = Net::with(Options { workers: 1, seed: 5, logging: true, settings: Vec::new() });
    let client = net.connect(0);
    let fields: Vec<String> = (0..1000).map(|n| format!("f{n}")).collect();
    let keys: Vec<String> = (0..40).map(|n| key_in(n % PARTITIONS, &format!("h{n}:"))).collect();
    for key in &keys {
        let pairs = fields.join(" v ");
        net.ask(client, &format!("HSET {key} stays v {pairs} v"));
        net.ask(client, &format!("HPEXPIRE {key} 5000 FIELDS 1000 {}", fields.join(" ")));
    }
    net.pass(10_000);
    let requests = |frame: &Vec<u8>| frame.windows(11).filter(|at| at == b"narf.expire").count();
    assert_eq!(net.frames.iter().map(requests).sum::<usize>(), keys.len(), "each hash has one");
    assert_eq!(net.frames.iter().map(requests).max(), Some(2), "and no turn has more");
    let digest = net.digest();
    assert_eq!(net.restarted(false).digest(), digest);
}

/// A deadline that is set while the partition is on loan is met as quickly as any other.
#[test]
fn deadlines_set_by_a_borrower_wake_the_owner() {
    on_all(|net| {
        let client = net.connect(0);
        let keys: Vec<String> = (0..PARTITIONS).map(|p| key_in(p, "b")).collect();
        net.pass(1000);
        net.send(client, &["MULTI"]);
        for key in &keys {
            net.send(client, &[&format!("SET {key} 1 PX 200")]);
        }
        net.talk(client, &["EXEC"]);
        net.pass(600);
        assert_eq!(net.ask(client, "DBSIZE"), "0");
    });
}

/// A request over several partitions runs at the latest of their times. What it found expired must not be back
/// for the next request, whose partition may be behind after the clock was set back.
#[test]
fn a_key_found_expired_stays_so_when_the_clock_was_set_back() {
    on_all(|net| {
        let client = net.connect(0);
        let (one, other) = (key_in(0, "o"), key_in(PARTITIONS - 1, "o"));
        net.ask(client, "DEBUG SET-ACTIVE-EXPIRE 0");
        net.ask(client, &format!("SET {one} v PX 60000"));
        net.now.wall_us += 120_000_000;
        net.ask(client, &format!("SET {other} v"));
        net.now.wall_us -= 120_000_000;
        assert_eq!(net.ask(client, &format!("MGET {one} {other}")), "[nil \"v\"]");
        assert_eq!(net.ask(client, &format!("GET {one}")), "nil");
        let mut next = net.restarted(false);
        let client = next.connect(0);
        assert_eq!(next.ask(client, &format!("GET {one}")), "nil");
    });
}

#[test]
fn flushing_is_seen_by_all_and_leaves_nothing() {
    for workers in 1..=3 {
        let mut net = Net::with(Options { workers, seed: 3, logging: true, settings: Vec::new() });
        let (a, b) = (net.connect(0), net.connect(1));
        for n in 0..50 {
            net.send(a, &[&format!("SET {n} 1")]);
            net.send(b, &[&format!("HSET h{n} f v")]);
        }
        net.settle();
        net.take(a);
        net.take(b);
        assert_eq!(net.ask(a, "FLUSHALL ASYNC"), "OK");
        assert_eq!(net.talk(b, &["DBSIZE", "KEYS *", "SCAN 0 COUNT 10000", "EXISTS 1 h1"])[..2], ["0", "[]"]);
        assert_eq!(net.restarted(false).digest(), net.digest());
    }
}
