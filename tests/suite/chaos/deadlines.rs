//! How long after its deadline a key is gone and its listeners know, while others write without pause.
//!
//! Servers, writers and the listener share one machine and its clock: what is measured is the way from the deadline to the
//! listener's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base::Random;
use narf_tests::{DEADLINE, Server, Value, skip_unless_narf};

use super::{percentiles, rounds};
use crate::nodes::Cluster;

/// Keys with a deadline a round, all within a second.
const KEYS: u64 = 500;
const WRITERS: usize = 4;
/// Requests that a writer sends in one go.
const PIPELINE: usize = 32;

fn wall_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

/// Clients that set keys of their own, each in its own pace.
fn start_writers(nodes: &[Server], stop: &Arc<AtomicBool>) -> Vec<std::thread::JoinHandle<u64>> {
    let writer = |number: usize| {
        let mut client = nodes[number % nodes.len()].client();
        let stop = Arc::clone(stop);
        std::thread::spawn(move || {
            let mut written = 0;
            while !stop.load(Ordering::Relaxed) {
                let line = |n: u64| format!("SET w{number}:{} {}", (written + n) % 10_000, "x".repeat(64));
                let lines: Vec<String> = (0..PIPELINE as u64).map(line).collect();
                client.pipeline(&lines);
                written += PIPELINE as u64;
            }
            written
        })
    };
    (0..WRITERS).map(writer).collect()
}

/// How late each key's end was heard of.
fn lateness(nodes: &[Server], rounds: u64, random: &mut Random) -> Vec<Duration> {
    nodes.iter().for_each(|node| node.config_set("notify-keyspace-events", "Ex"));
    let mut listener = nodes[nodes.len() - 1].client();
    listener.run("SUBSCRIBE __keyevent@0__:expired");
    let mut client = nodes[0].client();
    let mut late = Vec::new();
    for round in 0..rounds {
        let now = wall_us() / 1000;
        let key = |n: u64| {
            let deadline = now + 300 + random.below(1000);
            format!("SET at:{deadline}:{round}:{n} v PXAT {deadline}")
        };
        let lines: Vec<String> = (0..KEYS).map(key).collect();
        client.pipeline(&lines).iter().for_each(|reply| assert_eq!(reply.text(), "OK"));
        for _ in 0..KEYS {
            let Ok(Some(Value::Array(message))) = listener.next(DEADLINE) else {
                panic!("a key did not lapse")
            };
            let heard = wall_us();
            let key = message[2].text();
            let deadline: u64 = key.split(':').nth(1).unwrap().parse().unwrap();
            assert!(heard >= deadline * 1000, "{key} was gone before its time");
            late.push(Duration::from_micros(heard - deadline * 1000));
        }
    }
    late
}

#[test]
fn deadlines() {
    if skip_unless_narf() {
        return;
    }
    let mut random = Random::new(1);
    for count in [1, 3] {
        let cluster = Cluster::of(count);
        let idle = lateness(&cluster.nodes, rounds(1), &mut random);
        let stop = Arc::new(AtomicBool::new(false));
        let (writers, begin) = (start_writers(&cluster.nodes, &stop), wall_us());
        let busy = lateness(&cluster.nodes, rounds(1), &mut random);
        let seconds = (wall_us() - begin) as f64 / 1e6;
        stop.store(true, Ordering::Relaxed);
        let written: u64 = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
        println!("deadlines, nodes: {count}, idle: {}", percentiles(idle));
        println!(
            "deadlines, nodes: {count}, {:.0} writes a second: {}",
            written as f64 / seconds,
            percentiles(busy)
        );
    }
}
