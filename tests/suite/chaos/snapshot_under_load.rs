//! A follower comes back after the log has left it behind, and gets the state of every partition while clients write at
//! half of what the nodes can take. Some of these times it dies on the way, some times a node that sends does.
//!
//! What is measured: what clients of the other nodes notice, and how much memory it takes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base::Random;
use narf_tests::{Server, Value, skip_unless_narf, within};

use super::load::Places;
use super::probes::{connect, keys_of_partitions};
use super::{is_long, percentiles, rounds};
use crate::nodes::Cluster;

const FOLLOWER: usize = 2;
const WRITERS: usize = 4;
const VALUE_BYTES: usize = 1000;
/// Bytes written anew while the follower is away: far more than leaders keep at hand for it.
const WRITTEN_ANEW: usize = 90_000_000;
/// A follower has everything within.
const INSTALL_MAX: Duration = Duration::from_secs(120);
const PATIENCE: Duration = Duration::from_secs(20);
/// What a node may take beside the data, at the most, by the data.
const MEMORY_MAX: f64 = 1.4;

/// Clients of the nodes that send, each of which writes at a pace and notes how long each write took.
struct Writers {
    stop: Arc<AtomicBool>,
    times: Arc<Mutex<Vec<Duration>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Writers {
    /// `pause` from the begin of one write to that of the next; none is as fast as it goes.
    fn start(places: &Places, keys: usize, pause: Duration) -> Writers {
        let (stop, times) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let writer = |number: usize| {
            let (stop, times, places) = (Arc::clone(&stop), Arc::clone(&times), Arc::clone(places));
            std::thread::spawn(move || write(number, &places, keys, pause, &stop, &times))
        };
        let threads = (0..WRITERS).map(writer).collect();
        Writers { stop, times, threads }
    }

    fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut self.times.lock().unwrap())
    }

    fn end(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        std::mem::take(&mut self.times.lock().unwrap())
    }
}

fn write(
    number: usize,
    places: &Places,
    keys: usize,
    pause: Duration,
    stop: &AtomicBool,
    times: &Mutex<Vec<Duration>>,
) {
    let (mut random, value) = (Random::new(number as u64 + 1), "y".repeat(VALUE_BYTES));
    let (mut client, mut next) = (None, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        let begin = Instant::now();
        next = (next + pause).max(begin);
        let Some(mut open) = client.take().or_else(|| connect(number % FOLLOWER, places)) else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        let line = format!("SET filled:{} {value}\r\n", random.below(keys as u64));
        let answer = match open.try_send_raw(line.as_bytes()) {
            Ok(()) => open.next_reply(PATIENCE),
            Err(_) => continue,
        };
        if let Ok(Some(answer)) = answer {
            if answer.text() == "OK" {
                times.lock().unwrap().push(begin.elapsed());
            }
            client = Some(open);
        }
    }
}

/// Writes so many values, one key after the other, over and over.
fn fill(node: &Server, keys: usize, values: usize) {
    let (mut client, value) = (node.client(), "x".repeat(VALUE_BYTES));
    for first in (0..values).step_by(250) {
        let is_done = within(PATIENCE, || {
            let numbers = (first..first + 250).map(|number| number * 7 % keys);
            let lines = numbers.map(|number| format!("SET filled:{number} {value}"));
            client.pipeline(lines).iter().all(|reply| reply.text() == "OK").then_some(())
        });
        assert!(is_done.is_some(), "the nodes take what is written");
    }
}

/// Resident memory.
fn memory(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.map_or(0, |line| line.trim().trim_end_matches(" kB").parse().unwrap()) * 1024
}

/// The most memory that processes took, looked at all the time.
struct Peaks {
    stop: Arc<AtomicBool>,
    most: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Peaks {
    fn of(pids: Vec<u32>) -> Peaks {
        let (stop, most) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stops, peak) = (Arc::clone(&stop), Arc::clone(&most));
        let thread = std::thread::spawn(move || {
            while !stops.load(Ordering::Relaxed) {
                let now = pids.iter().map(|pid| memory(*pid)).max().unwrap();
                peak.fetch_max(now, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Peaks { stop, most, thread }
    }

    fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.most.load(Ordering::Relaxed)
    }
}

/// Whether the follower has, by its own word, what is written now to each partition.
fn catches_up(cluster: &Cluster, keys: &[String], number: u64) -> Option<()> {
    let mut leader = cluster.nodes[1].client();
    for key in keys {
        let line = format!("SET {key} {number}");
        within(INSTALL_MAX, || (leader.run(&line).text() == "OK").then_some(()))?;
    }
    let mut follower = cluster.nodes[FOLLOWER].client();
    follower.check("READONLY", "+OK");
    within(INSTALL_MAX, || {
        let values = follower.pipeline(keys.iter().map(|key| format!("GET {key}")));
        values.iter().all(|value| *value == Value::bulk(number.to_string())).then_some(())
    })
}

fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * 99 / 100]
}

#[test]
fn snapshot_under_load() {
    if skip_unless_narf() {
        return;
    }
    let keys = if is_long() { 400_000 } else { 16_000 };
    // As many partitions as a cluster of such small nodes has unless told: several are on their way at once.
    let mut cluster = Cluster::with(3, |_, options| options.set("partitions", 16));
    fill(&cluster.nodes[0], keys, keys);
    let probes = keys_of_partitions(&mut cluster.nodes[0].client3());
    let places: Places =
        Arc::new(Mutex::new(cluster.nodes.iter().map(|node| Some(node.address())).collect()));
    // As fast as it goes, then at half of that.
    let measure = if is_long() { Duration::from_secs(5) } else { Duration::from_secs(1) };
    let fastest = Writers::start(&places, keys, Duration::ZERO);
    std::thread::sleep(measure);
    let most = fastest.end().len() as f64 / measure.as_secs_f64();
    let writers = Writers::start(&places, keys, Duration::from_secs_f64(WRITERS as f64 * 2.0 / most));
    std::thread::sleep(measure);
    let mut usual = writers.take();
    let data = cluster.nodes.iter().map(|node| memory(node.pid())).max().unwrap();
    let (mut lengths, mut meanwhile) = (Vec::new(), Vec::new());
    let (mut peak_sent, mut peak_received) = (0, 0);
    for round in 0..rounds(3) {
        cluster.nodes[FOLLOWER].kill9();
        fill(&cluster.nodes[1], keys, WRITTEN_ANEW / VALUE_BYTES);
        drop(writers.take());
        let begin = Instant::now();
        cluster.nodes[FOLLOWER].restart();
        let mut peaks = [
            Peaks::of(cluster.nodes[..FOLLOWER].iter().map(Server::pid).collect()),
            Peaks::of(vec![cluster.nodes[FOLLOWER].pid()]),
        ];
        if round % 3 > 0 {
            let is_begun = within(INSTALL_MAX, || {
                let info = cluster.nodes[FOLLOWER].info("narf_snapshots_received")?;
                (info.parse::<u64>().unwrap() > 1).then_some(())
            });
            assert!(is_begun.is_some(), "the follower gets what it is behind by as a state");
            let victim = if round % 3 == 1 { FOLLOWER } else { 0 };
            places.lock().unwrap()[victim] = None;
            cluster.nodes[victim].kill9();
            cluster.nodes[victim].restart();
            places.lock().unwrap()[victim] = Some(cluster.nodes[victim].address());
            let [sent, received] = peaks;
            peak_sent = peak_sent.max(sent.end());
            peak_received = peak_received.max(received.end());
            peaks = [
                Peaks::of(cluster.nodes[..FOLLOWER].iter().map(Server::pid).collect()),
                Peaks::of(vec![cluster.nodes[FOLLOWER].pid()]),
            ];
        }
        assert!(catches_up(&cluster, &probes, round).is_some(), "the follower does not catch up");
        lengths.push(begin.elapsed());
        if round % 3 == 0 {
            meanwhile.extend(writers.take());
            let received = cluster.nodes[FOLLOWER].info("narf_snapshots_received").unwrap();
            assert_ne!(received, "0", "the follower got entries, not states");
        }
        let [sent, received] = peaks;
        peak_sent = peak_sent.max(sent.end());
        peak_received = peak_received.max(received.end());
        cluster.wait_until_ready(3);
    }
    drop(writers.end());
    cluster.compare_replicas().expect("the same on all");
    let share = |bytes: usize| bytes as f64 / data as f64;
    let ratio = p99(&mut meanwhile).as_secs_f64() / p99(&mut usual).as_secs_f64();
    println!("snapshot-under-load, start to caught up: {}", percentiles(lengths));
    println!("snapshot-under-load, {:.0} writes a second, else: {}", most / 2.0, percentiles(usual));
    println!(
        "snapshot-under-load, while nobody dies: {}; p99 {ratio:.1} times as long",
        percentiles(meanwhile)
    );
    println!(
        "snapshot-under-load: {} MB of memory with the data; at most {:.2} times that at who sends, {:.2} at who \
         receives",
        data >> 20,
        share(peak_sent),
        share(peak_received)
    );
    if is_long() {
        assert!(share(peak_sent).max(share(peak_received)) <= MEMORY_MAX);
    }
}
