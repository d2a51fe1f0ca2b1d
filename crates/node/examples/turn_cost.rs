//! What a request costs in a worker: no socket, no disk, no kernel. Pipelines go in as bytes and replies come out.
//!
//! `cargo run --release -p narf-node --example turn_cost -- get 128` prints nanoseconds a request with a million keys of
//! 16 + 64 bytes at pipeline 128. Instructions, which other programs on the machine do not change, with fewer keys:
//! `valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*measured*' turn_cost get 128 10000 100000`
//! and divide what it counts by twice the requests, the last number: they are sent once to warm up.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an example measures time and shows what it found"
)]

use std::sync::Arc;
use std::time::Instant;

use base::{ConnId, KeyHasher, Now, Random, WorkerId};
use node::settings::Settings;
use node::{Facts, Host, Partition, Peer, Recovery, Router, StartUsers, Worker, WorkerSetup};

const PARTITIONS: u16 = 64;
/// Different pipelines, so that keys do not repeat soon.
const PIPELINES: usize = 2000;

struct NoHost;

impl Host for NoHost {
    fn facts(&self) -> Facts {
        Facts::default()
    }

    fn last_save(&self) -> Option<u64> {
        None
    }

    fn rewrite_config(&self, _: &Settings) -> Result<(), String> {
        Ok(())
    }

    fn purge_memory(&self) {}

    fn stopwatch_ns(&self) -> u64 {
        0
    }
}

const VALUE: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
const KNOWN: &str =
    "get, set, mget, mset, incr, hset, hset-one, lpush, rpop, lrange, sadd, zadd, zrange, publish or ping";

/// A request, as text with `#` for a random number of a key and `@` for a value.
fn request(name: &str) -> Option<String> {
    let ten = |word: &str| [word; 10].join(" ");
    Some(match name {
        "get" => "GET key:#".to_owned(),
        "set" => "SET key:# @".to_owned(),
        "mget" => format!("MGET {}", ten("key:#")),
        "mset" => format!("MSET {}", ten("key:# @")),
        "incr" => "INCR counter:#".to_owned(),
        "hset" => "HSET hash:# field @".to_owned(),
        "hset-one" => "HSET hash field:# @".to_owned(),
        "lpush" => "LPUSH list @".to_owned(),
        "rpop" => "RPOP list".to_owned(),
        "lrange" => "LRANGE list 0 99".to_owned(),
        "sadd" => "SADD set member:#".to_owned(),
        "zadd" => "ZADD zset # member:#".to_owned(),
        "zrange" => "ZRANGE zset 0 99".to_owned(),
        "publish" => "PUBLISH channel @".to_owned(),
        "ping" => "PING".to_owned(),
        _ => return None,
    })
}

/// What a request works on is there before: what puts it there, and how often that is sent.
fn before(name: &str, keys: usize, requests: usize) -> (String, usize) {
    match name {
        "rpop" => ("LPUSH list @".to_owned(), 2 * requests + 1000),
        "lrange" => ("RPUSH list @".to_owned(), 1000),
        "zrange" => ("ZADD zset # member:#".to_owned(), 1000),
        _ => (request(name).unwrap_or_default(), keys),
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let word = |index: usize| args.get(index).map(String::as_str);
    let number = |index: usize, usual: usize| word(index).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let name = word(0).unwrap_or("get");
    let (depth, keys, requests) = (number(1, 128), number(2, 1_000_000), number(3, 10_000_000));
    let Some(text) = request(name) else {
        return println!("{KNOWN}");
    };
    let (mut worker, token) = worker();
    let mut random = Random::new(7);
    for key in 0..keys {
        let mut bytes = Vec::new();
        write(&mut bytes, "SET key:# @", || key);
        turn(&mut worker, token, &bytes);
    }
    if !["get", "set", "mget", "mset"].contains(&name) {
        let (text, count) = before(name, keys, requests);
        for key in 0..count {
            let mut bytes = Vec::new();
            write(&mut bytes, &text, || key % keys);
            turn(&mut worker, token, &bytes);
        }
    }
    let pipelines: Vec<Vec<u8>> = (0..PIPELINES.min(requests.div_ceil(depth)))
        .map(|_| {
            let mut bytes = Vec::new();
            (0..depth).for_each(|_| write(&mut bytes, &text, || random.below(keys as u64) as usize));
            bytes
        })
        .collect();
    let rounds = requests.div_ceil(depth);
    measured(&mut worker, token, &pipelines, rounds);
    let start = Instant::now();
    let sent = measured(&mut worker, token, &pipelines, rounds);
    let each = start.elapsed().as_nanos() as f64 / (rounds * depth) as f64;
    println!(
        "{name} at pipeline {depth}: {each:.1} ns a request, {} reply bytes each",
        sent / (rounds * depth)
    );
}

/// Under its name a profiler finds it.
#[inline(never)]
fn measured(worker: &mut Worker, token: u32, pipelines: &[Vec<u8>], rounds: usize) -> usize {
    pipelines.iter().cycle().take(rounds).map(|bytes| turn(worker, token, bytes)).sum()
}

/// One turn, as a shell has it; bytes that were sent.
fn turn(worker: &mut Worker, token: u32, bytes: &[u8]) -> usize {
    worker.begin_turn(Now { wall_us: 1_700_000_000_000_000, mono_us: 1_000_000 }, usize::MAX);
    worker.receive(token, bytes);
    let outbox = std::mem::take(worker.end_turn());
    worker.appended(0);
    let sent = worker.sendable(token).len();
    worker.sent(token, sent);
    let (mut frame, mut send) = (outbox.frame, outbox.send);
    frame.clear();
    send.clear();
    worker.recycle(frame, send);
    sent
}

fn write(bytes: &mut Vec<u8>, text: &str, mut key: impl FnMut() -> usize) {
    let mut number = || format!("{:012}", key());
    let words: Vec<String> = text
        .split(' ')
        .map(|word| match word.split_once('#') {
            Some((before, _)) => before.to_owned() + &number(),
            None => word.replace('@', VALUE),
        })
        .collect();
    resp::write_request(bytes, words.iter());
}

/// A worker of a node that keeps nothing, with a client.
fn worker() -> (Worker, u32) {
    let router = Router::new(PARTITIONS, 1);
    let recovery = Recovery::new(router, KeyHasher::new(1));
    let (users, mut frame) = (recovery.own_users().clone(), Vec::new());
    let partitions: Vec<Box<Partition>> =
        recovery.lead_alone(1, &mut frame).expect("a node without data recovers");
    let mut worker = Worker::new(WorkerSetup {
        id: WorkerId(0),
        router,
        settings: Arc::new(Settings::new()),
        partitions,
        logging: false,
        seed: 1,
        host: Box::new(NoHost),
        users: StartUsers { own: users, ..StartUsers::default() },
        memory: Arc::new(node::MemoryUse::new(None, 1)),
        fabric: None,
    });
    let token = worker.accept(ConnId(1), Peer::InProcess, 1).expect("there is room for one client");
    (worker, token)
}
