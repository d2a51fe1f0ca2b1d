//! What is seen of a cluster from outside, all the time: for how long a partition takes no write by way of a node, and
//! who says that it leads it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use narf_tests::{Client, Server};

use super::load::Places;

/// An answer later than this counts as none.
const PATIENCE: Duration = Duration::from_secs(8);
/// Between two writes of one probe.
const BETWEEN: Duration = Duration::from_millis(10);
/// Between two questions to a node who leads.
const LOOK: Duration = Duration::from_millis(50);
/// Shorter gaps are not noted.
const GAP_MIN: Duration = Duration::from_millis(50);

/// From one acknowledged write of a key until the next.
#[derive(Clone, Copy)]
pub(crate) struct Gap {
    pub(crate) node: usize,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

/// Clients that write to one key of each partition, by way of each node, and note for how long they could not.
pub(crate) struct Probes {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<(Vec<Gap>, Duration)>>,
}

impl Probes {
    pub(crate) fn start(nodes: &[Server], places: &Places) -> Probes {
        let stop = Arc::new(AtomicBool::new(false));
        let keys = keys_of_partitions(&mut nodes[0].client3());
        let mut threads = Vec::new();
        for node in 0..nodes.len() {
            for key in &keys {
                let (key, stop, places) = (key.clone(), Arc::clone(&stop), Arc::clone(places));
                threads.push(std::thread::spawn(move || probe(node, &key, &stop, &places)));
            }
        }
        Probes { stop, threads }
    }

    /// All gaps worth a look, and the longest time that an answer took.
    pub(crate) fn end(self) -> (Vec<Gap>, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let told: Vec<_> = self.threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let longest = told.iter().map(|(_, longest)| *longest).max().unwrap();
        (told.into_iter().flat_map(|(gaps, _)| gaps).collect(), longest)
    }
}

/// A connection to where a node is now, if it is anywhere.
pub(crate) fn connect(node: usize, places: &Places) -> Option<Client> {
    let place = *places.lock().unwrap().get(node)?;
    Client::tcp(place?).ok()
}

fn probe(node: usize, key: &str, stop: &AtomicBool, places: &Places) -> (Vec<Gap>, Duration) {
    let (mut gaps, mut longest, mut number) = (Vec::new(), Duration::ZERO, 0_u64);
    let (mut last, mut client) = (Instant::now(), None);
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(BETWEEN);
        let Some(open) = client.take().or_else(|| connect(node, places)) else { continue };
        let mut open: Client = open;
        let asked = Instant::now();
        number += 1;
        if open.try_send_raw(format!("SET {key} {number}\r\n").as_bytes()).is_err() {
            continue;
        }
        let Ok(answer) = open.next_reply(PATIENCE) else { continue };
        let now = Instant::now();
        longest = longest.max(now - asked);
        // One that has not answered may still do so: not to be asked again.
        let Some(answer) = answer else { continue };
        client = Some(open);
        if answer.text() == "OK" {
            if now - last > GAP_MIN {
                gaps.push(Gap { node, from: last, to: now });
            }
            last = now;
        }
    }
    gaps.push(Gap { node, from: last, to: Instant::now() });
    (gaps, longest)
}

/// One key of each partition.
pub(crate) fn keys_of_partitions(client: &mut Client) -> Vec<String> {
    let count = client.run("FABRIC STATUS").field("partitions").unwrap().int() as usize;
    let mut keys = BTreeMap::new();
    for key in (0..).map(|number| format!("probe:{number}")) {
        let partition = client.run(&format!("FABRIC OWNER {key}")).field("partition").unwrap().int();
        keys.entry(partition).or_insert(key);
        if keys.len() == count {
            break;
        }
    }
    keys.into_values().collect()
}

/// What nodes said of who leads what.
#[derive(Default)]
pub(crate) struct Seen {
    /// By partition and term: the node that said that it leads.
    pub(crate) leaders: BTreeMap<(i64, i64), String>,
    /// By partition: the latest term of any replica.
    terms: BTreeMap<i64, i64>,
    /// Nodes that are to hold a partition, at the fewest.
    pub(crate) fewest: Option<usize>,
    pub(crate) wrong: Vec<String>,
}

/// Asks every node again and again who leads.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    threads: Vec<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn start(nodes: &[Server], places: &Places) -> Watch {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let watch_one = |node: usize| {
            let (stop, seen, places) = (Arc::clone(&stop), Arc::clone(&seen), Arc::clone(places));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    if let Some(mut client) = connect(node, &places) {
                        watch(&mut client, &stop, &seen);
                    }
                    std::thread::sleep(LOOK);
                }
            })
        };
        let threads = (0..nodes.len()).map(watch_one).collect();
        Watch { stop, seen, threads }
    }

    pub(crate) fn terms(&self) -> BTreeMap<i64, i64> {
        self.seen.lock().unwrap().terms.clone()
    }

    pub(crate) fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// Notes what a node says until it is gone.
fn watch(client: &mut Client, stop: &AtomicBool, seen: &Mutex<Seen>) -> Option<()> {
    client.try_run("HELLO 3").ok()?;
    let name = client.try_run("FABRIC STATUS").ok()?.field("node")?.text();
    while !stop.load(Ordering::Relaxed) {
        let map = client.try_run("FABRIC MAP").ok()?;
        let mut seen = seen.lock().unwrap();
        for partition in map.items() {
            let number = |name: &str| partition.field(name).unwrap().int();
            let is_led = partition.field("leader").unwrap().text_or("") == name;
            let leader = is_led.then_some(name.as_str());
            seen.note(number("partition"), number("term"), leader);
            let holders = partition.field("nodes").unwrap().items().len();
            seen.fewest = Some(seen.fewest.map_or(holders, |fewest| fewest.min(holders)));
        }
        drop(seen);
        std::thread::sleep(LOOK);
    }
    None
}

impl Seen {
    /// A node told of a partition, and its own name if it leads that.
    fn note(&mut self, partition: i64, term: i64, leader: Option<&str>) {
        let latest = self.terms.entry(partition).or_default();
        *latest = term.max(*latest);
        let Some(leader) = leader else { return };
        let other = self.leaders.entry((partition, term)).or_insert_with(|| leader.to_owned());
        if other != leader {
            self.wrong.push(format!("partition {partition}, term {term}: led by {other} and {leader}"));
        }
    }
}
