//! Nodes lose their folders. One of three starts again as a new node, and the old one is struck off. If two lose theirs at
//! once, the one that is left cannot let them in: then they wait or end, and make no cluster of their own.

use std::time::{Duration, Instant};

use narf_tests::{Client, Server, skip_unless_narf};

use super::load::Load;
use super::{is_long, percentiles, rounds, settle, strike_off};
use crate::nodes::Cluster;

/// An answer that has not come by then does not count.
const PATIENCE: Duration = Duration::from_millis(1500);

fn id_of(node: &Server) -> String {
    node.client3().run("FABRIC STATUS").field("cluster-id").unwrap().text()
}

#[test]
fn wiped_rejoin() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let load = Load::start(&cluster.nodes, 6);
    let fabric = id_of(&cluster.nodes[0]);
    let mut times = Vec::new();
    for round in 0..rounds(1) {
        load.wait_for(300);
        let (victim, other) = ((round % 3) as usize, ((round + 1) % 3) as usize);
        let name = cluster.nodes[victim].client3().run("FABRIC STATUS").field("node").unwrap().text();
        load.set_place(victim, None);
        cluster.nodes[victim].kill9();
        std::fs::remove_dir_all(cluster.nodes[victim].data_path()).unwrap();
        load.wait_for(300);
        let mut client = cluster.nodes[other].client();
        strike_off(&mut client, &name);
        let begin = Instant::now();
        cluster.nodes[victim].restart();
        load.set_place(victim, Some(cluster.nodes[victim].address()));
        cluster.wait_until_ready(3);
        times.push(begin.elapsed());
        let again = cluster.nodes[victim].client3().run("FABRIC STATUS").field("node").unwrap().text();
        assert_ne!(again, name, "it came back as who it was, and has not what that one had");
        assert_eq!(id_of(&cluster.nodes[victim]), fabric);
        let members = client.run("FABRIC MEMBERS").to_string();
        assert!(members.contains(&again), "{members}");
    }
    let (acknowledged, failures) = settle(&cluster, load);
    println!("wiped-rejoin, whole again: {}", percentiles(times));
    println!("wiped-rejoin: {acknowledged} writes acknowledged, none lost; {} were not", failures.len());
}

/// What a node that lost its folder does to be taken for one with a cluster of its own, if anything.
fn pretends(node: &mut Server, fabric: &str) -> Option<String> {
    if node.has_ended() {
        return None;
    }
    // While it is not let in, it may not listen, or listen and say nothing.
    let mut client = Client::tcp(node.address()).ok()?;
    let mut ask = |line: &str| {
        client.try_send_raw(format!("{line}\r\n").as_bytes()).ok()?;
        client.next_reply(PATIENCE).ok()?
    };
    if ask("SET own 1")?.text() == "OK" {
        return Some("it takes a write".to_owned());
    }
    ask("HELLO 3")?;
    let other = ask("FABRIC STATUS")?.field("cluster-id")?.text();
    (other != fabric).then(|| format!("it is of cluster {other}"))
}

#[test]
fn wiped_rejoin_of_two_at_once() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let fabric = id_of(&cluster.nodes[0]);
    cluster.nodes[0].client().check("SET kept 1", "+OK");
    for node in &mut cluster.nodes[1..] {
        node.kill9();
        std::fs::remove_dir_all(node.data_path()).unwrap();
        node.expect_log("");
        node.begin_again();
    }
    let (begun, length) = (Instant::now(), Duration::from_secs(if is_long() { 30 } else { 3 }));
    let mut survivor = cluster.nodes[0].client();
    while begun.elapsed() < length {
        for node in &mut cluster.nodes[1..] {
            let pretence = pretends(node, &fabric);
            assert_eq!(pretence, None, "{}", node.log());
        }
        let told = survivor.run("SET own 2");
        assert!(told.is_error(), "one of three took a write: {told}");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(id_of(&cluster.nodes[0]), fabric);
    println!("wiped-rejoin: two of three that lose their folders at once make no cluster of their own");
}
