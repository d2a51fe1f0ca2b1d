//! docs/moving.md: its words copy what a Redis holds to three nodes.

use std::process::Command;

use narf_tests::{Client, Kind, Options, Server, eventually, skip_unless_narf};

use crate::nodes::Cluster;

/// The blocks of shell of the page, each in one piece.
fn blocks(page: &str) -> Vec<String> {
    let mut parts = page.split("```sh\n");
    parts.next();
    parts.map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

/// What is under each key of the open database, deadlines but for their last seconds.
fn content(client: &mut Client, keys: &[&str]) -> Vec<String> {
    let read = |key: &&str| {
        let kind = client.run(&format!("TYPE {key}")).text();
        let value = match kind.as_str() {
            "string" => client.run(&format!("GET {key}")),
            "list" => client.run(&format!("LRANGE {key} 0 -1")),
            "set" => client.run(&format!("SORT {key} ALPHA")),
            "zset" => client.run(&format!("ZRANGE {key} 0 -1 WITHSCORES")),
            "hash" => client.run(&format!("HMGET {key} a b")),
            _ => panic!("{key} is a {kind}"),
        };
        let deadline = client.run(&format!("TTL {key}")).int();
        format!("{key} {kind} {value} {}", deadline / 100)
    };
    keys.iter().map(read).collect()
}

#[test]
fn the_words_of_the_page_copy_a_redis_to_three_nodes() {
    if skip_unless_narf() {
        return;
    }
    let (redis, cluster) = (Server::start(Options::new().kind(Kind::Redis)), Cluster::of(3));
    let mut source = redis.client();
    for line in [
        "SET text value EX 100050",
        "SET number 17",
        "RPUSH list a b c",
        "SADD set x y 3",
        "ZADD zset 1 one 2.5 two",
        "HSET hash a 1 b 2",
        "SELECT 2",
        "SET elsewhere two",
        "RPUSH queue job",
    ] {
        assert!(!source.run(line).is_error(), "{line}");
    }
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/moving.md")).unwrap();
    let (from, to) = (redis.port().to_string(), cluster.nodes[0].port().to_string());
    // A moment after they have come together leads still move, and redis-cli wants the nodes to say the same of them.
    eventually("nodes that agree", || {
        let check =
            Command::new("redis-cli").args(["--cluster", "check", &format!("127.0.0.1:{to}")]).output();
        check.unwrap().status.success().then_some(())
    });
    for block in blocks(&page) {
        let script = block.replace("7000", &from).replace("6379", &to);
        let ran = Command::new("sh").args(["-e", "-c", &script]).output().unwrap();
        assert!(ran.status.success(), "{script}{}", String::from_utf8_lossy(&ran.stdout));
    }
    let keys = ["text", "number", "list", "set", "zset", "hash"];
    for (database, keys) in [(0, &keys[..]), (2, &["elsewhere", "queue"])] {
        source.check(&format!("SELECT {database}"), "+OK");
        let there = content(&mut source, keys);
        for node in &cluster.nodes {
            let mut here = node.client();
            here.check(&format!("SELECT {database}"), "+OK");
            assert_eq!(content(&mut here, keys), there);
            here.check("DBSIZE", &format!(":{}", keys.len()));
        }
        source.check("DBSIZE", &format!(":{}", keys.len()));
    }
}
