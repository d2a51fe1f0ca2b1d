//! Values and commands that keep a worker busy for longer than an election takes: nobody else is to lead for that.

use std::time::{Duration, Instant};

use narf_tests::{Client, skip_unless_narf};

use crate::nodes::Cluster;

const MEGABYTE: usize = 1 << 20;

/// The terms of all partitions; each grows when another node is to lead it.
fn terms(client: &mut Client) -> Vec<i64> {
    let map = client.run("FABRIC MAP").items();
    map.iter().map(|partition| partition.field("term").unwrap().int()).collect()
}

#[test]
fn large_values_by_way_of_any_node_move_no_lead() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    let mut clients: Vec<Client> = cluster.nodes.iter().map(|node| node.client3()).collect();
    let before = terms(&mut clients[0]);
    for (megabytes, key) in [(8, "eight"), (40, "forty")] {
        for writer in 0..3 {
            let value = vec![b'a' + writer as u8; megabytes * MEGABYTE];
            let answer = clients[writer].run_args(&[&b"SET"[..], key.as_bytes(), &value]);
            assert_eq!(answer.text(), "OK", "{megabytes} MB through node {writer}: {answer:?}");
            for (reader, client) in clients.iter_mut().enumerate() {
                assert_eq!(
                    client.run(&format!("STRLEN {key}")).int(),
                    value.len() as i64,
                    "by node {reader}"
                );
                let last = client.run(&format!("GETRANGE {key} -1 -1"));
                assert_eq!(last.text().as_bytes(), &value[..1], "by node {reader}");
            }
        }
    }
    assert_eq!(terms(&mut clients[0]), before, "somebody was elected");
    cluster.compare_replicas().unwrap();
}

/// A leader computes for some seconds, and its followers wait for it as its clients do.
#[test]
fn a_slow_command_moves_no_lead() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    let mut clients: Vec<Client> = cluster.nodes.iter().map(|node| node.client3()).collect();
    let before = terms(&mut clients[0]);
    let members: Vec<String> = (0..50_000).map(|number| format!("member:{number}")).collect();
    for some in members.chunks(5000) {
        clients[0].check(&format!("SADD set {}", some.join(" ")), ":5000");
    }
    // As often as it must be on this machine to take longer than any election.
    let mut count = 50;
    for _ in 0..8 {
        let begin = Instant::now();
        clients[2].check(&format!("SINTERCARD {count}{}", " set".repeat(count)), ":50000");
        if begin.elapsed() > Duration::from_millis(1500) {
            assert_eq!(terms(&mut clients[0]), before, "somebody was elected");
            // One long turn right behind the other; both together are shorter than clients wait for an answer.
            let again = format!("SINTERCARD {}{}", count / 2, " set".repeat(count / 2));
            clients[..2].iter_mut().for_each(|client| client.send(&again));
            clients[..2].iter_mut().for_each(|client| assert_eq!(client.reply().int(), 50_000));
            assert_eq!(terms(&mut clients[0]), before, "somebody was elected");
            return;
        }
        count *= 2;
    }
    panic!("a set that is looked at {count} times takes no time here");
}
