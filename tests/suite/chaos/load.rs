//! Clients that write without pause while nodes die, and remember what they were told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use narf_tests::{Client, Server, Value};

/// An answer later than this counts as none: the client closes the connection and does not know what became of it.
const PATIENCE: Duration = Duration::from_secs(8);

/// Lists that all clients push to.
const LISTS: u64 = 5;

/// What became of a write, as its client knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was acknowledged.
    Kept,
    /// Its client was told that it was not applied.
    Refused,
    /// Nobody told, or the answer says so.
    Unknown,
}

/// What one client knows.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Keys that are written once each, to their own number.
    pub(crate) writes: BTreeMap<String, Fate>,
    /// `INCR` of the counter that all share: acknowledged, and of unknown fate.
    pub(crate) counted: (u64, u64),
    /// Of `HSET` with a new field each: the same.
    pub(crate) fields: (u64, u64),
    /// Words that are pushed to lists, once each.
    pub(crate) pushes: BTreeMap<String, Fate>,
    /// Requests that were not acknowledged, and what their clients were told.
    pub(crate) failures: Vec<String>,
    /// Error texts that a client must not see.
    pub(crate) surprises: Vec<String>,
}

/// Where nodes are reached now; none while one is dead.
pub(crate) type Places = Arc<Mutex<Vec<Option<SocketAddr>>>>;

/// Running clients.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Ledger>>,
    pub(crate) places: Places,
    /// Writes acknowledged so far, by all.
    pub(crate) acknowledged: Arc<AtomicU64>,
}

impl Load {
    /// So many clients of these nodes; each begins at another.
    pub(crate) fn start(nodes: &[Server], clients: usize) -> Load {
        let places: Places = Arc::new(Mutex::new(nodes.iter().map(|node| Some(node.address())).collect()));
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let clients = (0..clients).map(|number| {
            let (places, stop, acknowledged) = (places.clone(), stop.clone(), acknowledged.clone());
            std::thread::spawn(move || run(number, &places, &stop, &acknowledged))
        });
        Load { clients: clients.collect(), stop, places, acknowledged }
    }

    /// A node died or came back.
    pub(crate) fn set_place(&self, node: usize, place: Option<SocketAddr>) {
        let mut places = self.places.lock().unwrap();
        let count = places.len().max(node + 1);
        places.resize(count, None);
        places[node] = place;
    }

    /// All nodes there are now, each alive.
    pub(crate) fn set_places(&self, nodes: &[Server]) {
        *self.places.lock().unwrap() = nodes.iter().map(|node| Some(node.address())).collect();
    }

    /// Waits until so many more writes were acknowledged; how long that took.
    pub(crate) fn wait_for(&self, more: u64) -> Duration {
        let begin = Instant::now();
        let until = self.acknowledged.load(Ordering::Relaxed) + more;
        narf_tests::eventually("acknowledged writes", || {
            (self.acknowledged.load(Ordering::Relaxed) >= until).then_some(())
        });
        begin.elapsed()
    }

    /// Ends the clients; what each knows.
    pub(crate) fn stop(self) -> Vec<Ledger> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().map(|client| client.join().unwrap()).collect()
    }
}

fn run(number: usize, places: &Places, stop: &AtomicBool, acknowledged: &AtomicU64) -> Ledger {
    let mut ledger = Ledger::default();
    let mut next = 0_u64;
    let mut node = number;
    while !stop.load(Ordering::Relaxed) {
        let place = {
            let places = places.lock().unwrap();
            node = (node + 1) % places.len();
            places[node]
        };
        let Some(mut client) = place.and_then(|place| Client::tcp(place).ok()) else {
            std::thread::yield_now();
            continue;
        };
        while !stop.load(Ordering::Relaxed) {
            next += 1;
            let Some(fate) = write(&mut client, number, next, &mut ledger) else { break };
            acknowledged.fetch_add(u64::from(fate == Fate::Kept), Ordering::Relaxed);
        }
    }
    ledger
}

/// One write and what became of it; none if the connection is of no more use.
fn write(client: &mut Client, writer: usize, number: u64, ledger: &mut Ledger) -> Option<Fate> {
    let key = format!("w{writer}:{number}");
    let line = match number % 8 {
        0 => "INCR shared".to_owned(),
        1 => format!("HSET fields:{} {key} {number}", number % 3),
        2 => format!("RPUSH {} {key}", list_of(number)),
        _ => format!("SET {key} {number}"),
    };
    let answer = client
        .try_send_raw(format!("{line}\r\n").as_bytes())
        .ok()
        .and_then(|()| client.next_reply(PATIENCE).ok().flatten());
    let error = answer.as_ref().map(|answer| answer.is_error().then(|| answer.text()));
    let fate = match error {
        None => Fate::Unknown,
        Some(None) => Fate::Kept,
        Some(Some(text)) if text.starts_with("UNKNOWNOUTCOME") => Fate::Unknown,
        Some(Some(text)) => {
            if !["CLUSTERDOWN", "OVERLOAD", "LOADING"].iter().any(|code| text.starts_with(code)) {
                ledger.surprises.push(format!("{line}: {text}"));
            }
            Fate::Refused
        }
    };
    if fate != Fate::Kept {
        let told = answer.as_ref().map_or_else(|| "nothing".to_owned(), |answer| answer.to_string());
        ledger.failures.push(format!("{line}: {told}"));
    }
    let count = |(kept, unknown): &mut (u64, u64)| match fate {
        Fate::Kept => *kept += 1,
        Fate::Unknown => *unknown += 1,
        Fate::Refused => {}
    };
    match number % 8 {
        0 => count(&mut ledger.counted),
        1 => count(&mut ledger.fields),
        2 => _ = ledger.pushes.insert(key, fate),
        _ => {
            ledger.writes.insert(key, fate);
        }
    }
    answer.map(|_| fate)
}

/// The list that a push goes to.
fn list_of(number: u64) -> String {
    format!("list:{}", number / 8 % LISTS)
}

/// What does not fit between what clients were told and what the nodes now say, and how many writes were looked at.
pub(crate) fn audit(nodes: &[Server], ledgers: &[Ledger]) -> (u64, Vec<String>) {
    let mut wrong: Vec<String> = ledgers.iter().flat_map(|ledger| ledger.surprises.iter().cloned()).collect();
    let mut checked = 0;
    for (number, ledger) in ledgers.iter().enumerate() {
        let mut client = nodes[number % nodes.len()].client();
        let writes: Vec<_> = ledger.writes.iter().collect();
        for some in writes.chunks(500) {
            let values = client.pipeline(some.iter().map(|(key, _)| format!("GET {key}")));
            for ((key, fate), value) in some.iter().zip(values) {
                checked += 1;
                let is_there = value != Value::NullBulk;
                let fits = match fate {
                    Fate::Kept => is_there,
                    Fate::Refused => !is_there,
                    Fate::Unknown => true,
                };
                let is_whole =
                    !is_there || key.split_once(':').is_some_and(|(_, number)| number == value.text());
                if !fits || !is_whole {
                    wrong.push(format!("{key}: its client was told {fate:?}; it holds {value}"));
                }
            }
        }
    }
    let mut client = nodes[0].client();
    let sum = |of: fn(&Ledger) -> (u64, u64)| {
        ledgers.iter().map(of).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    };
    let mut bounds = |what: &str, value: u64, (kept, unknown): (u64, u64)| {
        if value < kept || value > kept + unknown {
            wrong.push(format!(
                "{what} is {value}: {kept} were acknowledged, {unknown} may have been applied"
            ));
        }
    };
    let shared = client.run("GET shared");
    bounds("the shared counter", shared.text_or("0").parse().unwrap(), sum(|l| l.counted));
    let fields: i64 = (0..3).map(|key| client.run(&format!("HLEN fields:{key}")).int()).sum();
    bounds("the number of fields", fields as u64, sum(|l| l.fields));
    checked += audit_pushes(&mut client, ledgers, &mut wrong);
    (checked, wrong)
}

/// Each word that was pushed is there once if that was acknowledged, at most once if nobody knows, else not at all; and no
/// other is.
fn audit_pushes(client: &mut Client, ledgers: &[Ledger], wrong: &mut Vec<String>) -> u64 {
    let mut there: BTreeMap<String, u64> = BTreeMap::new();
    for list in 0..LISTS {
        for word in client.run(&format!("LRANGE list:{list} 0 -1")).items() {
            *there.entry(word.text()).or_default() += 1;
        }
    }
    let mut checked = 0;
    for (word, fate) in ledgers.iter().flat_map(|ledger| &ledger.pushes) {
        checked += 1;
        let count = there.remove(word).unwrap_or(0);
        let fits = match fate {
            Fate::Kept => count == 1,
            Fate::Refused => count == 0,
            Fate::Unknown => count <= 1,
        };
        if !fits {
            wrong.push(format!("{word} was pushed, its client was told {fate:?}; it is there {count} times"));
        }
    }
    wrong.extend(there.keys().map(|word| format!("{word} is in a list, and nobody pushed it")));
    checked
}
