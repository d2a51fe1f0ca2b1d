//! One of three is slow: each sync of its disk takes fifty milliseconds, or it gets a tenth of a processor. While it follows,
//! writes that others lead take as long as before, for the majority does not need it. While it leads, writes go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use narf_tests::{Client, Signal, eventually, signal, skip_unless_narf};

use super::{check_limit, key_led_by, percentile, percentiles, rounds};
use crate::durability::can_trace;
use crate::nodes::Cluster;

const SLOW: usize = 2;
/// A sync of its disk takes so much longer.
const SYNC: Duration = Duration::from_millis(50);
/// It stands still for so long, and then runs for so long.
const STILL: Duration = Duration::from_millis(90);
const RUNS: Duration = Duration::from_millis(10);
/// Writes in each measurement, for each round.
const WRITES: u64 = 150;
/// Of so many in a hundred a limit is kept, of half and of nine in ten: half as long again as before, and so much for a
/// machine that has more to do, of which the rest say more than of the nodes. Who waits for the slow one waits for longer.
const LIMITS: [(usize, Duration); 2] = [(50, Duration::from_millis(5)), (90, Duration::from_millis(25))];
/// A write led by who is slow.
const LED_MAX: Duration = Duration::from_secs(3);

/// How long durable writes of a key take, one after the other.
fn measure(client: &mut Client, key: &str) -> Vec<Duration> {
    let write = |number: u64| {
        let begun = Instant::now();
        eventually("a write", || {
            let answer = client.run(&format!("SET {key} {number}"));
            let is_expected =
                ["OK", "CLUSTERDOWN", "UNKNOWNOUTCOME"].iter().any(|word| answer.text().starts_with(word));
            assert!(is_expected, "{answer}");
            (answer.text() == "OK").then_some(())
        });
        begun.elapsed()
    };
    (0..WRITES * rounds(1)).map(write).collect()
}

fn durable_client(cluster: &Cluster, node: usize) -> Client {
    let mut client = cluster.nodes[node].client();
    client.check("CLIENT ACK durable", "+OK");
    client
}

/// What is measured while the slow one follows, beside what it was before; and while it leads.
fn tell(what: &str, before: &[Duration], followed: Vec<Duration>, led: Vec<Duration>) {
    let longest = percentile(&led, 100);
    println!("slow-node, {what}, before: {}", percentiles(before.to_vec()));
    println!("slow-node, {what}, while it follows: {}", percentiles(followed.clone()));
    println!("slow-node, {what}, while it leads: {}", percentiles(led));
    for (share, slack) in LIMITS {
        let (base, took) = (percentile(before, share), percentile(&followed, share));
        check_limit(&format!("slow-node, {what}, p{share} while it follows"), took, base * 3 / 2 + slack);
    }
    check_limit(&format!("slow-node, {what}, a write while it leads"), longest, LED_MAX);
}

#[test]
fn slow_node() {
    if skip_unless_narf() || !can_trace() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let key = key_led_by(&cluster, 0);
    let before = measure(&mut durable_client(&cluster, 0), &key);

    let inject = format!("inject=fdatasync:delay_enter={}", SYNC.as_micros());
    let strace = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", &inject];
    cluster.nodes[SLOW].restart_with(|options| options.under(&strace).expect_log(""));
    cluster.wait_until_ready(3);
    let (followed, led) = (key_led_by(&cluster, 0), key_led_by(&cluster, SLOW));
    let followed = measure(&mut durable_client(&cluster, 0), &followed);
    let led = measure(&mut durable_client(&cluster, 0), &led);
    tell("a slow disk", &before, followed, led);

    cluster.nodes[SLOW].restart_with(|options| options.under(&[]));
    cluster.wait_until_ready(3);
    let (followed, led) = (key_led_by(&cluster, 0), key_led_by(&cluster, SLOW));
    let before = measure(&mut durable_client(&cluster, 0), &followed);
    let (pid, stop) = (cluster.nodes[SLOW].pid(), Arc::new(AtomicBool::new(false)));
    let is_over = Arc::clone(&stop);
    let brake = std::thread::spawn(move || {
        while !is_over.load(Ordering::Relaxed) {
            signal(pid, Signal::Stop);
            std::thread::sleep(STILL);
            signal(pid, Signal::Continue);
            std::thread::sleep(RUNS);
        }
    });
    let followed = measure(&mut durable_client(&cluster, 0), &followed);
    let led = measure(&mut durable_client(&cluster, 0), &led);
    stop.store(true, Ordering::Relaxed);
    brake.join().unwrap();
    tell("a tenth of a processor", &before, followed, led);
    cluster.wait_until_ready(3);
    cluster.compare_replicas().expect("the same on all");
}
