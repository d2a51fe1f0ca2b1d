//! Three nodes beside a redis primary with two replicas: what a replicated write costs, and what it costs to ask any node.
//!
//! All servers share one core and the load has another, so that the throughput tells what all three cost together. Redis is
//! asked for one replica's word with each pipeline (`WAIT 1`), which is what `quorum` means.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::measure::{Load, Round, columns, cpu_ns, in_turns, median};
use super::peers;
use super::servers::{Server, wait_until};

const CLIENTS: usize = 50;
const ROUNDS: usize = 5;
const KEYS: u64 = 100_000;
const SECONDS: f64 = 2.0;
pub(super) const CORES: Load = Load { clients: 0, keys: 0, value_bytes: 64, server_core: 0, load_core: 1 };

pub(super) struct Trio {
    pub(super) servers: [Server; 3],
}

pub(super) fn run(binary: &Path, folder: &Path) -> Result<()> {
    println!(
        "| | pipeline | redis op/s | narf op/s | times | redis CPU µs | narf CPU µs | times better | redis p99 ms | narf p99 ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for groups in [64, 16] {
        let narf = Trio::narf(binary, &folder.join("narf"), "quorum", groups)?;
        let trios = [Trio::redis(&folder.join("redis"))?, narf];
        for pipeline in [1, 16] {
            compare(&trios, pipeline, groups)?;
        }
    }
    let narf = Trio::narf(binary, &folder.join("narf"), "quorum", 64)?;
    forwarded(&narf)?;
    drop(narf);
    for groups in [64, 256] {
        idle(binary, folder, groups)?;
    }
    Ok(())
}

/// Replicated `SET`.
fn compare(trios: &[Trio; 2], pipeline: usize, groups: u32) -> Result<()> {
    let rounds = in_turns(ROUNDS, |which| {
        let ports = if which == 0 { &trios[0].ports()[..1] } else { &trios[1].ports()[..] };
        let kind = if which == 0 { "set-wait" } else { "set" };
        trios[which].round(kind, ports, pipeline)
    })?;
    println!("| SET, {groups} partitions | {pipeline} | {} |", columns(&rounds));
    Ok(())
}

/// `GET` of one key through each node: one of them leads it.
fn forwarded(narf: &Trio) -> Result<()> {
    for pipeline in [1, 16] {
        let mut costs = Vec::new();
        for port in narf.ports() {
            ask(port, &["SET", "one", "value"])?;
            let rounds: Vec<Round> =
                (0..3).map(|_| narf.round("get", &[port], pipeline)).collect::<Result<_>>()?;
            costs.push(median(rounds.iter().map(|round| round.cpu_us)));
        }
        costs.sort_by(f64::total_cmp);
        println!(
            "GET at pipeline {pipeline}: {:.2} µs of CPU through the leader, {:.2} and {:.2} through the others, {:.2} times",
            costs[0],
            costs[1],
            costs[2],
            costs[2] / costs[0]
        );
    }
    Ok(())
}

/// What three nodes cost that nobody asks.
fn idle(binary: &Path, folder: &Path, groups: u32) -> Result<()> {
    let narf = Trio::narf(binary, &folder.join("narf"), "quorum", groups)?;
    let (before, begin) = (narf.cpu_ns()?, Instant::now());
    std::thread::sleep(Duration::from_secs(10));
    let share = (narf.cpu_ns()? - before) / begin.elapsed().as_nanos() as f64 / 3.0;
    println!("{groups} groups, idle: {:.2} % of a core each node", share * 100.0);
    Ok(())
}

impl Trio {
    fn redis(folder: &Path) -> Result<Trio> {
        let start = |name: &str, primary: Option<u16>| {
            let folder: PathBuf = folder.join(name);
            Server::start(name, Path::new("redis-server"), &folder, &CORES, |command, port| {
                command.args(["--port", port, "--save", "", "--bind", "127.0.0.1", "--appendonly", "yes"]);
                command.arg("--dir").arg(&folder);
                if let Some(primary) = primary {
                    command.args(["--replicaof", "127.0.0.1", &primary.to_string()]);
                }
            })
        };
        let primary = start("primary", None)?;
        let port = primary.port;
        let trio =
            Trio { servers: [primary, start("replica-1", Some(port))?, start("replica-2", Some(port))?] };
        wait_until("two replicas", || {
            ask(port, &["SET", "key", "value"])?;
            Ok(ask(port, &["WAIT", "2", "1000"])? == ":2")
        })?;
        Ok(trio)
    }

    pub(super) fn narf(binary: &Path, folder: &Path, ack: &str, groups: u32) -> Result<Trio> {
        let runtime = folder.join("run");
        let start = |name: &str| {
            let folder: PathBuf = folder.join(name);
            Server::start(name, binary, &folder, &CORES, |command, port| {
                command.args(["serve", "--port", port, "--workers", "1", "--ack", ack, "--dir"]).arg(&folder);
                command.args(["--partitions", &groups.to_string()]).env("NARF_RUNTIME_DIR", &runtime);
            })
        };
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        make_private(&runtime)?;
        let trio = Trio { servers: [start("node-1")?, start("node-2")?, start("node-3")?] };
        for port in trio.ports() {
            wait_until("three nodes that may lose one", || bears_a_loss(port))?;
        }
        Ok(trio)
    }

    pub(super) fn ports(&self) -> [u16; 3] {
        [0, 1, 2].map(|server: usize| self.servers[server].port)
    }

    fn cpu_ns(&self) -> Result<f64> {
        self.servers.iter().map(|server| cpu_ns(server.pid())).sum()
    }

    pub(super) fn round(&self, kind: &str, ports: &[u16], pipeline: usize) -> Result<Round> {
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        let before = self.cpu_ns()?;
        let mut load = Command::new("taskset");
        load.args(["-c", &CORES.load_core.to_string()]).arg(std::env::current_exe()?);
        let output =
            load.args(["bench", "fabric-load", kind, &pipeline.to_string(), &ports.join(",")]).output()?;
        let cpu_ns = self.cpu_ns()? - before;
        let text = String::from_utf8_lossy(&output.stdout);
        let figures: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let &[count, seconds, p99_ms] = figures.as_slice() else {
            bail!("the load failed: {text}{}", String::from_utf8_lossy(&output.stderr));
        };
        Ok(Round { ops: count / seconds, cpu_us: cpu_ns / 1e3 / count, p99_ms, foreign: 0.0 })
    }
}

/// The load, in a process of its own: prints how many requests were answered in how many seconds, and p99 in milliseconds.
pub(super) fn load(arguments: &[String]) -> Result<()> {
    let [kind, pipeline, ports] = arguments else { bail!("fabric-load KIND PIPELINE PORTS") };
    let pipeline: usize = pipeline.parse()?;
    let ports: Vec<u16> = ports.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let begin = Instant::now();
    let until = begin + Duration::from_secs_f64(SECONDS);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (kind, port) = (kind.clone(), ports[client % ports.len()]);
            std::thread::spawn(move || drive(&kind, port, pipeline, client as u64, until))
        })
        .collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.join().map_err(|_| anyhow::anyhow!("a client panicked"))??);
    }
    let seconds = begin.elapsed().as_secs_f64();
    times.sort_unstable();
    let p99 = times.get(times.len() * 99 / 100).context("nothing was answered")?;
    println!("{} {seconds} {}", times.len() * pipeline, p99.as_secs_f64() * 1e3);
    Ok(())
}

/// One client, which sends its next pipeline when the last is answered; how long each took.
fn drive(kind: &str, port: u16, pipeline: usize, seed: u64, until: Instant) -> Result<Vec<Duration>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut times, mut line, mut random) = (Vec::new(), Vec::new(), seed * 7919 + 1);
    let value = "x".repeat(CORES.value_bytes);
    while Instant::now() < until {
        let mut bytes = Vec::new();
        for _ in 0..pipeline {
            // A linear congruential generator: only that keys differ matters.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = format!("key:{:012}", (random >> 33) % KEYS);
            match kind {
                "get" => bytes.extend(encode(&["GET", "one"])),
                _ => bytes.extend(encode(&["SET", &key, &value])),
            }
        }
        let mut lines = if kind == "get" { 2 * pipeline } else { pipeline };
        if kind == "set-wait" {
            bytes.extend(encode(&["WAIT", "1", "1000"]));
            lines += 1;
        }
        if kind == "etcd" {
            // Its keys and values travel as base64: a value of 64 bytes, and a key whose text is one already.
            let begin = Instant::now();
            peers::put(&mut stream, &mut reader, &format!("{:016}", random >> 20))?;
            times.push(begin.elapsed());
            continue;
        }
        let begin = Instant::now();
        stream.write_all(&bytes)?;
        for _ in 0..lines {
            line.clear();
            reader.read_until(b'\n', &mut line)?;
            let is_refused = line.first().is_none_or(|&first| first == b'-') || line == b":0\r\n";
            ensure!(!is_refused, "{:?}", String::from_utf8_lossy(&line));
        }
        times.push(begin.elapsed());
    }
    Ok(times)
}

fn encode(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len());
    words.iter().for_each(|word| bytes.push_str(&format!("${}\r\n{word}\r\n", word.len())));
    bytes.into_bytes()
}

/// The first line of an answer.
fn ask(port: u16, words: &[&str]) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.write_all(&encode(words))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn bears_a_loss(port: u16) -> Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.write_all(&[encode(&["FABRIC", "STATUS"]), encode(&["PING"])].concat())?;
    let lines: Vec<String> = BufReader::new(stream)
        .lines()
        .take_while(|line| line.as_ref().is_ok_and(|l| l != "+PONG"))
        .collect::<Result<_, _>>()?;
    Ok(lines.windows(2).any(|pair| pair == ["may-lose", ":1"]) && lines.iter().any(|line| line == "ready"))
}

/// A folder that is this user's alone, as the nodes want it.
fn make_private(folder: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    Ok(())
}
