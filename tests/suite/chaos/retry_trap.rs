//! A stock client sends again by itself what it takes for not applied. So what makes it do that, an answer of
//! `CLUSTERDOWN`, `TRYAGAIN` or `MOVED`, must never be said of a write that was, or may be, applied.
//!
//! A proxy before each node sees every attempt and its answer, and cuts connections after a request, before its answer;
//! leaders are killed meanwhile. Each word that the client pushes must then be there as often as attempts were answered
//! well, and at most as often more as attempts went without an answer that says.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::Random;
use narf_tests::{Server, Signal, Value, pause, signal, skip_unless_narf, within};

use super::rounds;
use crate::nodes::Cluster;
use crate::real_clients::{python, script};

/// One request in so many loses its connection before its answer.
const CUT_ONE_IN: u64 = 12;
/// An answer later than this is none.
const PATIENCE: Duration = Duration::from_secs(10);
const KEYS: usize = 16;
/// Two of three nodes stand still for so long.
const WITHOUT_QUORUM: Duration = Duration::from_secs(2);

/// What became of the attempts to push one word.
#[derive(Clone, Copy, Debug, Default)]
struct Attempts {
    done: u64,
    /// Said not to have been applied.
    refused: u64,
    unknown: u64,
}

/// What all proxies saw.
#[derive(Default)]
struct Trace {
    words: BTreeMap<String, Attempts>,
    /// By their first word: answers to pushes that are errors.
    errors: BTreeMap<String, u64>,
    cuts: u64,
    /// Attempts of which it is not known yet what became of them.
    open: u64,
}

struct Proxy {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Proxy {
    fn before(node: SocketAddr, trace: &Arc<Mutex<Trace>>) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, trace) = (Arc::new(AtomicBool::new(false)), Arc::clone(trace));
        let ends = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut number = 0;
            while let Ok((client, _)) = listener.accept() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                number += 1;
                let (random, trace) = (Random::new(number), Arc::clone(&trace));
                std::thread::spawn(move || pass(client, node, random, &trace));
            }
        });
        Proxy { address, stop, thread: Some(thread) }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the one that waits for connections.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Bytes of one side, cut into whole values.
struct Side {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Side {
    /// The next value and its bytes; none at the end.
    fn next(&mut self) -> Option<(Value, Vec<u8>)> {
        loop {
            if let Some((value, length)) = Value::decode(&self.input) {
                return Some((value, self.input.drain(..length).collect()));
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.input.extend_from_slice(&chunk[..count]),
            }
        }
    }
}

/// One connection: a request, its answer, the next request.
fn pass(client: TcpStream, node: SocketAddr, mut random: Random, trace: &Mutex<Trace>) -> Option<()> {
    let server = TcpStream::connect(node).ok()?;
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = Side { stream: client, input: Vec::new() };
    let mut server = Side { stream: server, input: Vec::new() };
    loop {
        let (request, bytes) = client.next()?;
        let word = pushed_word(&request);
        trace.lock().unwrap().open += 1;
        // Sent in part counts as sent.
        let is_sent = server.stream.write_all(&bytes).is_ok();
        let is_cut = word.is_some() && random.below(CUT_ONE_IN) == 0;
        if is_cut {
            trace.lock().unwrap().cuts += 1;
            // It may have gone by itself.
            let _ = client.stream.shutdown(Shutdown::Both);
        }
        let answer = if is_sent { server.next() } else { None };
        note(&mut trace.lock().unwrap(), word, answer.as_ref().map(|(answer, _)| answer));
        if is_cut {
            return None;
        }
        let (_, bytes) = answer?;
        client.stream.write_all(&bytes).ok()?;
    }
}

/// The word that a request is to push.
fn pushed_word(request: &Value) -> Option<String> {
    let Value::Array(words) = request else { return None };
    (words.len() == 3 && words[0].bytes().eq_ignore_ascii_case(b"rpush")).then(|| words[2].text())
}

fn note(trace: &mut Trace, word: Option<String>, answer: Option<&Value>) {
    trace.open -= 1;
    let error = answer.filter(|answer| answer.is_error()).map(Value::text);
    let code = error.as_deref().map(|text| text.split(' ').next().unwrap().to_owned());
    let Some(word) = word else { return };
    if let Some(code) = &code {
        *trace.errors.entry(code.clone()).or_default() += 1;
    }
    let attempts = trace.words.entry(word).or_default();
    match (answer, code.as_deref()) {
        (None, _) | (_, Some("UNKNOWNOUTCOME")) => attempts.unknown += 1,
        (Some(_), None) => attempts.done += 1,
        (Some(_), Some(_)) => attempts.refused += 1,
    }
}

/// How often each word is there.
fn pushed(node: &Server) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let mut client = node.client();
    for key in 0..KEYS {
        for word in client.run(&format!("LRANGE list:{key} 0 -1")).items() {
            *counts.entry(word.text()).or_default() += 1;
        }
    }
    counts
}

#[test]
fn retry_trap() {
    let Some(python) = python().filter(|_| !skip_unless_narf()) else { return };
    let mut cluster = Cluster::of(3);
    let trace: Arc<Mutex<Trace>> = Arc::default();
    let proxies: Vec<Proxy> =
        cluster.nodes.iter().map(|node| Proxy::before(node.address(), &trace)).collect();
    let pairs = cluster.nodes.iter().zip(&proxies);
    let pairs = pairs.map(|(node, proxy)| format!("{}:{}", node.port(), proxy.address.port()));
    let mut command = Command::new(python);
    command.arg(script("retry_trap.py")).args(pairs).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "GO\n");
    let wait_for_pushes = |more: u64| {
        let done = || trace.lock().unwrap().words.values().map(|attempts| attempts.done).sum::<u64>();
        let until = done() + more;
        assert!(within(Duration::from_secs(60), || (done() >= until).then_some(())).is_some());
    };
    let mut random = Random::new(1);
    let kills = rounds(2);
    for round in 0..kills {
        wait_for_pushes(300);
        let victim = random.below(3) as usize;
        if round % 2 == 0 {
            // Long enough for it to be said that there is no quorum.
            let others = || (0..3).filter(|node| *node != victim).map(|node| cluster.nodes[node].pid());
            others().for_each(pause);
            std::thread::sleep(WITHOUT_QUORUM);
            others().for_each(|pid| signal(pid, Signal::Continue));
        }
        cluster.nodes[victim].kill9();
        wait_for_pushes(100);
        cluster.nodes[victim].begin_again_in_place();
        cluster.nodes[victim].wait_until_up();
        cluster.wait_until_ready(3);
    }
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    line.clear();
    said.read_line(&mut line).unwrap();
    assert!(child.wait().unwrap().success());
    cluster.wait_until_ready(3);
    // The client has ended, so no more come; those that were cut may still be answered.
    let all_known = within(2 * PATIENCE, || (trace.lock().unwrap().open == 0).then_some(()));
    assert!(all_known.is_some(), "it is not known what became of an attempt");
    let trace = trace.lock().unwrap();
    let counts = pushed(&cluster.nodes[0]);
    let mut wrong: Vec<String> = Vec::new();
    for (word, attempts) in &trace.words {
        let count = counts.get(word).copied().unwrap_or(0);
        if count < attempts.done || count > attempts.done + attempts.unknown {
            wrong.push(format!("{word} is there {count} times: {attempts:?}"));
        }
    }
    let unknown = counts.keys().filter(|word| !trace.words.contains_key(*word));
    wrong.extend(unknown.map(|word| format!("{word} is there and was never seen")));
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), trace.words.len());
    let failures = trace.errors.values().sum::<u64>() + trace.cuts;
    println!(
        "retry-trap: {kills} kills, {} words, calls that succeeded and failed: {}; {} connections cut, errors {:?}: \
         {failures} failures, none said of what was applied that it was not",
        trace.words.len(),
        line.trim(),
        trace.cuts,
        trace.errors
    );
}
