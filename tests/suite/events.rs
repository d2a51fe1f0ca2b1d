//! What the nodes of a cluster log: what happens, once each, and what becomes of a node that is told to stop.

use narf_tests::{Data, Kind, Options, Server, Signal, eventually, signal, skip_unless_narf};

use crate::nodes::Cluster;

/// How many lines of a node's log have both of these in them.
fn lines(node: &Server, one: &str, other: &str) -> usize {
    node.log().lines().filter(|line| line.contains(one) && line.contains(other)).count()
}

#[track_caller]
fn expect(what: &str, node: &Server, one: &str, other: &str) {
    eventually(what, || (lines(node, one, other) > 0).then_some(()));
}

fn name_of(node: &Server) -> String {
    node.client3().run("FABRIC STATUS").field("node").unwrap().text()
}

#[test]
fn a_kill_a_return_and_a_farewell_are_logged_once_each_by_those_who_stay() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let third = name_of(&cluster.nodes[2]);
    expect("who joined", &cluster.nodes[0], "a member joined", &third);
    expect("a node that is ready", &cluster.nodes[2], "this node has its data, and writes work", "INFO");
    cluster.nodes[2].kill9();
    for node in &cluster.nodes[..2] {
        expect("a node that is down", node, "a member is down", &third);
    }
    cluster.nodes[2].restart();
    for node in &cluster.nodes[..2] {
        expect("a node that is back", node, "a member is back", &third);
    }
    cluster.wait_until_ready(3);
    signal(cluster.nodes[2].pid(), Signal::Interrupt);
    assert!(cluster.nodes[2].wait().success(), "{}", cluster.nodes[2].log());
    let gone = &cluster.nodes[2];
    assert_eq!(lines(gone, "handing the data over", "Ctrl-C again stops at once"), 1, "{}", gone.log());
    for node in &cluster.nodes[..2] {
        expect("a node that has left", node, "a member has left", &third);
        for (what, at_most) in
            [("joined", 1), ("is down", 1), ("is back", 1), ("is leaving", 1), ("has left", 1)]
        {
            let found = lines(node, &format!("a member {what}"), &third);
            assert!(found <= at_most, "{what}: {found} times\n{}", node.log());
        }
    }
}

#[test]
fn one_left_of_three_says_what_it_cannot_do_and_when_it_can_again() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    cluster.nodes[1].kill9();
    cluster.nodes[2].kill9();
    let partitions = "partitions cannot be written to";
    expect("partitions without a quorum", &cluster.nodes[0], partitions, "WARN");
    expect("nobody who leads", &cluster.nodes[0], "nobody leads the meta group", "WARN");
    // It cannot leave either, and does not say so ten times a second.
    assert!(lines(&cluster.nodes[0], partitions, "WARN") <= 3, "{}", cluster.nodes[0].log());
    cluster.nodes[1].restart();
    cluster.nodes[2].restart();
    cluster.wait_until_ready(3);
    expect("partitions with one", &cluster.nodes[0], "all partitions can be written to again", "INFO");
}

#[test]
fn all_told_to_leave_at_once_say_little() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::with(3, |_, options| options.set("leave-timeout", "4s"));
    for node in &mut cluster.nodes {
        node.expect_log("did not take everything over");
        node.expect_log("no other node is there to take the data over");
        signal(node.pid(), Signal::Interrupt);
    }
    for node in &mut cluster.nodes {
        node.wait();
        let found = lines(node, "cannot leave yet", "");
        assert!(found <= 6, "{found} lines\n{}", node.log());
    }
}

#[test]
fn a_port_for_other_nodes_that_is_taken_is_told_with_the_flag_that_asks_for_another() {
    if skip_unless_narf() {
        return;
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = Options::new().kind(Kind::Narf).data(Data::None).set("peer-port", port).set("join", "auto");
    let (status, log) = Server::start_in_vain(options);
    assert!(!status.success());
    assert!(log.contains("ask for another with --peer-port"), "{log}");
    assert!(!log.contains("with --port"), "{log}");
}
