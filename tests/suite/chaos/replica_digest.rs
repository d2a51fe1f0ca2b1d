//! After each fault the replicas of every partition are the same at the same entry: keys of all types, deadlines of keys and
//! of fields, what numbered requests were answered, and what was chosen at random.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use base::Random;
use narf_tests::{Client, DEADLINE, Signal, env_number, eventually, pause, signal, skip_unless_narf, within};

use super::load::Places;
use super::probes::connect;
use super::rounds;
use crate::nodes::Cluster;

const NODES: usize = 3;
const WRITERS: u64 = 4;
/// Keys of each type.
const KEYS: u64 = 12;
/// Requests that are answered between two faults, at least.
const BETWEEN: u64 = 1500;

/// Clients that write everything there is.
struct Writers {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

impl Writers {
    fn start(places: &Places, seed: u64) -> Writers {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let writer = |number: u64| {
            let (stop, done, places) = (Arc::clone(&stop), Arc::clone(&done), Arc::clone(places));
            let random = Random::new(seed * WRITERS + number);
            std::thread::spawn(move || write(random, &places, &stop, &done))
        };
        let threads = (0..WRITERS).map(writer).collect();
        Writers { stop, done, threads }
    }

    fn wait_for(&self, more: u64) {
        let until = self.done.load(Ordering::Relaxed) + more;
        eventually("answers", || (self.done.load(Ordering::Relaxed) >= until).then_some(()));
    }

    /// How many requests were done, and what was answered that must not be.
    fn end(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let wrong = self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        (self.done.load(Ordering::Relaxed), wrong)
    }
}

fn write(mut random: Random, places: &Places, stop: &AtomicBool, done: &AtomicU64) -> Vec<String> {
    let mut wrong = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let Some(mut client) = connect(random.below(NODES as u64) as usize, places) else {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        };
        converse(&mut random, &mut client, stop, done, &mut wrong);
    }
    wrong
}

/// Asks until the connection is of no more use.
fn converse(
    random: &mut Random,
    client: &mut Client,
    stop: &AtomicBool,
    done: &AtomicU64,
    wrong: &mut Vec<String>,
) -> Option<()> {
    let session = client.try_run("CLIENT SESSION OPEN").ok()?;
    for number in 1.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let line = draw(random);
        if random.below(8) == 0 && !session.is_error() {
            client.try_run(&format!("CLIENT SESSION SEQ {} {number}", session.text())).ok()?;
        }
        let answer = client.try_run(&line).ok()?;
        if !answer.is_error() {
            done.fetch_add(1, Ordering::Relaxed);
        } else if !["CLUSTERDOWN", "UNKNOWNOUTCOME", "OVERLOAD"].contains(&code_of(&answer.text())) {
            wrong.push(format!("{line}: {answer}"));
        }
    }
    None
}

fn code_of(error: &str) -> &str {
    error.split(' ').next().unwrap_or_default()
}

/// A request on a key of some type.
fn draw(random: &mut Random) -> String {
    let (key, n, ms) = (random.below(KEYS), random.below(1000), 1 + random.below(4000));
    match random.below(24) {
        0 => format!("SET string:{key} {n} PX {ms}"),
        1 => format!("APPEND string:{key} {n}"),
        2 => format!("GETEX string:{key} PX {ms}"),
        3 => format!("SETRANGE string:{key} {} {n}", n % 50),
        4 => format!("SETBIT bits:{key} {n} 1"),
        5 => format!("HSET hash:{key} field:{} {n}", n % 20),
        6 => format!("HPEXPIRE hash:{key} {ms} FIELDS 1 field:{}", n % 20),
        7 => format!("HINCRBY hash:{key} counter {n}"),
        8 => format!("HDEL hash:{key} field:{}", n % 20),
        9 => format!("RPUSH list:{key} {n} {ms}"),
        10 => format!("LPOP list:{key} 2"),
        11 => format!("LTRIM list:{key} -50 -1"),
        12 => format!("SADD set:{key} {n} member:{ms}"),
        13 => format!("SPOP set:{key} 2"),
        14 => format!("ZADD sorted:{key} {ms} {n}"),
        15 => format!("ZPOPMIN sorted:{key}"),
        16 => format!("ZINCRBY sorted:{key} 0.1 {n}"),
        17 => format!("PFADD hyper:{key} {n} {ms}"),
        18 => format!("GEOADD geo:{key} 13.{n} 38.{n} place:{n}"),
        19 => format!("INCR counter:{key}"),
        20 => format!("INCRBYFLOAT float:{key} 0.{n}"),
        21 => format!("PEXPIRE list:{key} {ms}"),
        22 => format!("PERSIST list:{key}"),
        _ => format!("DEL set:{key}"),
    }
}

/// The replicas are the same, as each leader sees it that compares them, and as each node tells of its own.
#[track_caller]
fn check_replicas(cluster: &Cluster) {
    cluster.compare_replicas().expect("the same on all");
    let compared = |node: usize| cluster.nodes[node].info("narf_scrubs").unwrap().parse::<i64>().unwrap();
    let before: Vec<i64> = (0..NODES).map(compared).collect();
    for (node, before) in before.into_iter().enumerate() {
        let led = cluster.nodes[node].client().run("FABRIC SCRUB").int();
        let is_done = within(DEADLINE, || (compared(node) >= before + led).then_some(()));
        assert!(is_done.is_some(), "node {node} does not come to compare {led} partitions");
    }
    for node in &cluster.nodes {
        assert_eq!(node.info("narf_scrub_differences").unwrap(), "0");
    }
}

#[test]
fn replica_digest() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(NODES);
    let places: Places =
        Arc::new(std::sync::Mutex::new(cluster.nodes.iter().map(|node| Some(node.address())).collect()));
    let mut random = Random::new(env_number("NARF_TEST_SEED", 1));
    let (faults, mut done) = (rounds(2), 0);
    for round in 0..faults {
        let writers = Writers::start(&places, round + 1);
        writers.wait_for(BETWEEN);
        let victim = random.below(NODES as u64) as usize;
        if round % 2 == 0 {
            places.lock().unwrap()[victim] = None;
            cluster.nodes[victim].kill9();
            writers.wait_for(BETWEEN);
            cluster.nodes[victim].restart();
            places.lock().unwrap()[victim] = Some(cluster.nodes[victim].address());
        } else {
            // Long enough that others are elected.
            pause(cluster.nodes[victim].pid());
            std::thread::sleep(Duration::from_millis(1500));
            signal(cluster.nodes[victim].pid(), Signal::Continue);
        }
        writers.wait_for(BETWEEN);
        let (more, wrong) = writers.end();
        assert!(wrong.is_empty(), "{:#?}", &wrong[..wrong.len().min(20)]);
        done += more;
        cluster.wait_until_ready(NODES);
        check_replicas(&cluster);
    }
    println!(
        "replica-digest: {faults} faults, {done} requests of all types; replicas were the same after each"
    );
}
