//! Nodes that are told to stop: others lead what they led before they are gone, and no client is told of an error.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use narf_tests::{Client, DEADLINE, Server, Signal, eventually, signal, skip_unless_narf};

use crate::nodes::Cluster;

/// What a node says that cannot leave.
const NOBODY: &str = "no other node is there to take the data over: this node stays a member";

/// Clients of one node that write without pause and take no error.
struct Writers {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Writers {
    /// Of each address one client that is content with a majority's word, one that wants its writes on stable storage, one
    /// that wants them everywhere, and one that runs transactions.
    fn start(places: &[SocketAddr]) -> Writers {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let kinds = ["quorum", "durable", "all", "exec"];
        let each = places.iter().flat_map(|place| kinds.map(|kind| (*place, kind)));
        let clients = each.map(|(place, kind)| {
            let (stop, written) = (stop.clone(), written.clone());
            std::thread::spawn(move || write(place, kind, &stop, &written))
        });
        Writers { clients: clients.collect(), stop, written }
    }

    /// Waits until so many more writes were answered.
    fn wait_for(&self, more: u64) {
        let until = self.written.load(Ordering::Relaxed) + more;
        eventually("answered writes", || (self.written.load(Ordering::Relaxed) >= until).then_some(()));
    }

    /// What they were told that was no success, and how many writes were answered.
    fn end(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let told = self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        (self.written.load(Ordering::Relaxed), told)
    }
}

fn write(place: SocketAddr, kind: &str, stop: &AtomicBool, written: &AtomicU64) -> Vec<String> {
    let mut client = Client::tcp(place).unwrap();
    if kind != "exec" {
        client.check(&format!("CLIENT ACK {kind}"), "+OK");
    }
    let mut told = Vec::new();
    for number in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("{kind}:{number}");
        let lines = match kind {
            "exec" => vec!["MULTI".to_owned(), format!("SET {key} {number}"), "EXEC".to_owned()],
            _ => vec![format!("SET {key} {number}")],
        };
        let begin = Instant::now();
        for answer in client.pipeline(lines) {
            if answer.is_error() {
                told.push(format!("{key}: {answer} after {:.2?}", begin.elapsed()));
            }
        }
        written.fetch_add(1, Ordering::Relaxed);
    }
    told
}

/// How many sockets a node has open.
fn sockets(node: &Server) -> usize {
    let open = std::fs::read_dir(format!("/proc/{}/fd", node.pid())).unwrap();
    let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

/// How a node is told.
type Told = fn(&mut Server);

fn by_signal(node: &mut Server) {
    node.stop();
}

fn by_command(node: &mut Server) {
    node.client().send("SHUTDOWN");
    node.wait();
}

#[test]
fn a_rolling_restart_costs_clients_of_other_nodes_nothing() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let before = cluster.nodes.iter().map(sockets).max().unwrap();
    let told: [(usize, Told); 4] = [(2, by_signal), (0, by_command), (1, by_signal), (2, by_command)];
    for (number, tell) in told {
        let id = cluster.nodes[number].client().run("CLUSTER MYID").text();
        let others: Vec<_> = (0..3).filter(|n| *n != number).map(|n| cluster.nodes[n].address()).collect();
        let writers = Writers::start(&others);
        writers.wait_for(300);
        let begin = Instant::now();
        tell(&mut cluster.nodes[number]);
        let took = begin.elapsed();
        writers.wait_for(300);
        cluster.nodes[number].begin_again();
        cluster.nodes[number].wait_until_up();
        cluster.wait_until_ready(3);
        writers.wait_for(300);
        let (written, told) = writers.end();
        assert!(told.is_empty(), "of {written} writes while node {number} was replaced: {told:#?}");
        assert!(took < Duration::from_secs(8), "it took {took:?} to stop");
        assert_eq!(cluster.nodes[number].client().run("CLUSTER MYID").text(), id, "it is the same node");
        println!("planned-stops: node {number} stopped within {took:.2?}, {written} writes, no error");
    }
    // Nobody keeps a link to a process that is gone.
    eventually("no socket more than before", || {
        cluster.nodes.iter().all(|node| sockets(node) <= before).then_some(())
    });
}

#[test]
fn what_a_client_sent_before_its_node_was_told_to_stop_is_answered() {
    if skip_unless_narf() {
        return;
    }
    const COUNT: usize = 2000;
    let mut cluster = Cluster::of(3);
    let mut client = cluster.nodes[2].client();
    // It waits for what may come, and holds nothing up.
    let mut blocked = cluster.nodes[2].client();
    blocked.send("BLPOP list 0");
    let lines: String = (0..COUNT).map(|number| format!("SET key:{number} {number}\r\n")).collect();
    client.send_raw(lines);
    signal(cluster.nodes[2].pid(), Signal::Terminate);
    for number in 0..COUNT {
        let answer = client.try_reply(DEADLINE);
        assert_eq!(answer.as_ref().map(|a| a.text()).ok(), Some("OK".to_owned()), "{number}: {answer:?}");
    }
    client.check_closed_after("");
    assert!(cluster.nodes[2].wait().success());
    let mut other = cluster.nodes[0].client();
    other.check(&format!("GET key:{}", COUNT - 1), &format!("\"{}\"", COUNT - 1));
    other.check("RPUSH list kept", ":1");
}

#[test]
fn who_sends_without_pause_is_answered_what_it_sent_before_and_does_not_hold_the_node_up() {
    if skip_unless_narf() {
        return;
    }
    const BEFORE: usize = 20_000;
    const ANSWER: usize = "+OK\r\n".len();
    let mut cluster = Cluster::of(3);
    let mut reads = TcpStream::connect(cluster.nodes[2].address()).unwrap();
    reads.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut writes = reads.try_clone().unwrap();
    writes.set_write_timeout(Some(DEADLINE)).unwrap();
    let sender = std::thread::spawn(move || {
        let lines = "SET key value\r\n".repeat(500);
        let until = Instant::now() + DEADLINE;
        while Instant::now() < until && writes.write_all(lines.as_bytes()).is_ok() {}
    });
    let mut buffer = vec![0; 1 << 16];
    let (mut told, mut begin) = (0, None);
    loop {
        match reads.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => told += count,
            // What was said before would be taken back.
            Err(error) => panic!("after {} answers: {error}", told / ANSWER),
        }
        if told >= BEFORE * ANSWER && begin.is_none() {
            begin = Some(Instant::now());
            signal(cluster.nodes[2].pid(), Signal::Terminate);
        }
    }
    assert!(told.is_multiple_of(ANSWER));
    assert!(cluster.nodes[2].wait().success());
    let took = begin.unwrap().elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    sender.join().unwrap();
}

#[test]
fn who_waits_for_replicas_is_told_how_many_there_are() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let mut client = cluster.nodes[2].client();
    client.send_raw("SET key value\r\nWAIT 7 0\r\n");
    assert_eq!(client.try_reply(DEADLINE).unwrap().text(), "OK");
    let begin = Instant::now();
    signal(cluster.nodes[2].pid(), Signal::Terminate);
    assert!((1..=2).contains(&client.try_reply(DEADLINE).unwrap().int()));
    client.check_closed_after("");
    assert!(cluster.nodes[2].wait().success());
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn a_node_without_others_that_could_lead_stops_at_once() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    cluster.nodes[0].kill9();
    cluster.nodes[1].kill9();
    // Until it has noticed.
    let mut client = cluster.nodes[2].client();
    eventually("a minority that knows it", || client.run("SET key value").is_error().then_some(()));
    let begin = Instant::now();
    assert!(cluster.nodes[2].stop().unwrap().success());
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn one_of_two_does_not_wait_for_the_other_to_take_its_data_over_when_that_is_gone() {
    if skip_unless_narf() {
        return;
    }
    for ctrl_c in [false, true] {
        let mut cluster = Cluster::of(2);
        cluster.nodes[1].expect_log(NOBODY);
        cluster.nodes[0].client().check("SET key value", "+OK");
        cluster.nodes[0].kill9();
        let mut client = cluster.nodes[1].client();
        eventually("a node that has noticed", || client.run("SET key other").is_error().then_some(()));
        let begin = Instant::now();
        signal(cluster.nodes[1].pid(), if ctrl_c { Signal::Interrupt } else { Signal::Terminate });
        assert!(cluster.nodes[1].wait().success());
        // A leave may take 30 s, the others are missed for three.
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
        let log = cluster.nodes[1].log();
        assert!(
            log.contains("no other node is there to take the data over: this node stays a member"),
            "{log}"
        );
        for node in &mut cluster.nodes {
            node.begin_again();
        }
        for node in &mut cluster.nodes {
            node.wait_until_up();
        }
        cluster.wait_until_ready(2);
        cluster.nodes[1].client().check("GET key", "\"value\"");
    }
}
