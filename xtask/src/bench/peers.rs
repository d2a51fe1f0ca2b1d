//! Beside servers that do not speak the Redis protocol: etcd for a replicated write, NATS for a message to many.
//!
//! etcd is asked through its own HTTP gateway, which costs it more than gRPC would; what it mostly does is wait for its
//! disks. Each of a hundred subscribers reads all; the next batch is sent when all have the last, so that no server may drop.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::fabric::{CORES, Trio};
use super::measure::{cpu_ns, median};
use super::servers::{Mode, Server, free_port, wait_until};
use crate::prepare;

const ROUNDS: usize = 5;
const SUBSCRIBERS: usize = 100;
/// Messages that are published at once.
const BATCH: usize = 100;
const BATCHES: usize = 200;
const MESSAGE: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

pub(super) fn run(binary: &Path, folder: &Path) -> Result<()> {
    prepare::peers()?;
    replicated(binary, folder)?;
    fan_out(binary, folder)
}

/// A write that a majority of three has: etcd's is on their disks, which is `durable`.
fn replicated(binary: &Path, folder: &Path) -> Result<()> {
    println!("| SET, 50 clients | op/s | CPU \u{b5}s | p99 ms | times etcd |\n|---|---|---|---|---|");
    let etcd = etcd(&folder.join("etcd"))?;
    let rounds = |trio: &Trio, kind| -> Result<[f64; 3]> {
        let rounds: Vec<_> =
            (0..ROUNDS).map(|_| trio.round(kind, &trio.ports(), 1)).collect::<Result<_>>()?;
        Ok([
            median(rounds.iter().map(|round| round.ops)),
            median(rounds.iter().map(|round| round.cpu_us)),
            median(rounds.iter().map(|round| round.p99_ms)),
        ])
    };
    let [base, cpu, p99] = rounds(&etcd, "etcd")?;
    println!("| etcd | {base:.0} | {cpu:.1} | {p99:.1} | 1 |");
    drop(etcd);
    for ack in ["durable", "quorum"] {
        let narf = Trio::narf(binary, &folder.join("narf"), ack, 64)?;
        let [ops, cpu, p99] = rounds(&narf, "set")?;
        println!("| narf, `{ack}` | {ops:.0} | {cpu:.1} | {p99:.1} | {:.1} |", ops / base);
    }
    Ok(())
}

fn etcd(folder: &Path) -> Result<Trio> {
    let (clients, peers) =
        ([free_port()?, free_port()?, free_port()?], [free_port()?, free_port()?, free_port()?]);
    let all: Vec<String> =
        peers.iter().enumerate().map(|(at, port)| format!("node-{at}=http://127.0.0.1:{port}")).collect();
    let start = |at: usize| {
        let (name, folder) = (format!("node-{at}"), folder.join(format!("node-{at}")));
        let client = format!("http://127.0.0.1:{}", clients[at]);
        let peer = format!("http://127.0.0.1:{}", peers[at]);
        Server::launch(&name, Path::new("etcd"), &folder, &CORES, clients[at], |command, _| {
            command.args(["--name", &name, "--data-dir"]).arg(folder.join("data"));
            command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
            command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
            command.args(["--initial-cluster", &all.join(",")]);
        })
    };
    let trio = Trio { servers: [start(0)?, start(1)?, start(2)?] };
    for port in clients {
        wait_until("three nodes of etcd", || {
            let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return Ok(false) };
            let mut reader = BufReader::new(stream.try_clone()?);
            Ok(put(&mut stream, &mut reader, "0000000000000000").is_ok())
        })?;
    }
    Ok(trio)
}

/// One `put` of etcd; the key is base64 of sixteen letters, the value of 64 bytes.
pub(super) fn put(stream: &mut TcpStream, reader: &mut impl BufRead, key: &str) -> Result<()> {
    // 64 zero bytes.
    let value = format!("{}==", "A".repeat(86));
    let body = format!("{{\"key\":\"{key}\",\"value\":\"{value}\"}}");
    let request = format!(
        "POST /v3/kv/put HTTP/1.1\r\nHost: etcd\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let (mut line, mut len, mut is_ok) = (String::new(), 0, false);
    loop {
        line.clear();
        ensure!(reader.read_line(&mut line)? > 0, "etcd closed the connection");
        is_ok |= line.starts_with("HTTP/1.1 200");
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => len = value.parse()?,
            Some(_) => {}
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let mut answer = vec![0; len];
    reader.read_exact(&mut answer)?;
    ensure!(is_ok, "etcd: {}", String::from_utf8_lossy(&answer));
    Ok(())
}

/// A message to a hundred subscribers.
fn fan_out(binary: &Path, folder: &Path) -> Result<()> {
    let nats = Server::launch(
        "nats",
        Path::new("nats-server"),
        &folder.join("nats"),
        &CORES,
        free_port()?,
        |command, port| {
            command.args(["-a", "127.0.0.1", "-p", port]);
        },
    )?;
    wait_until("nats-server", || Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, nats.port)).is_ok()))?;
    let servers = [
        Server::redis(Mode::Memory, &folder.join("redis"), &CORES)?,
        nats,
        Server::narf(binary, Mode::Memory, &folder.join("narf"), &CORES)?,
    ];
    let mut rounds: [Vec<(f64, f64)>; 3] = Default::default();
    for number in 0..ROUNDS {
        for turn in 0..servers.len() {
            let which = (number + turn) % servers.len();
            rounds[which].push(fan_out_round(&servers[which])?);
        }
    }
    println!("\n| 100 subscribers | delivered/s | CPU \u{b5}s a delivery |\n|---|---|---|");
    for (server, rounds) in servers.iter().zip(&rounds) {
        let rate = median(rounds.iter().map(|(rate, _)| *rate));
        let cpu = median(rounds.iter().map(|(_, cpu)| *cpu));
        println!("| {} | {rate:.0} | {cpu:.3} |", server.name);
    }
    Ok(())
}

fn fan_out_round(server: &Server) -> Result<(f64, f64)> {
    let mut load = Command::new("taskset");
    load.args(["-c", &CORES.load_core.to_string()]).arg(std::env::current_exe()?);
    load.args(["bench", "fan-out-load", &server.name, &server.port.to_string()]);
    let before = cpu_ns(server.pid())?;
    let output = load.output()?;
    let cpu_ns = cpu_ns(server.pid())? - before;
    let text = String::from_utf8_lossy(&output.stdout);
    let seconds: f64 = text
        .trim()
        .parse()
        .with_context(|| format!("the load failed: {text}{}", String::from_utf8_lossy(&output.stderr)))?;
    let deliveries = (SUBSCRIBERS * BATCH * BATCHES) as f64;
    Ok((deliveries / seconds, cpu_ns / 1e3 / deliveries))
}

/// The load of one round, in a process of its own: prints how many seconds it took.
pub(super) fn load(arguments: &[String]) -> Result<()> {
    let [kind, port] = arguments else { bail!("fan-out-load KIND PORT") };
    let (is_nats, port) = (kind == "nats", port.parse()?);
    let len = MESSAGE.len();
    let (subscribe, publish, delivered) = match is_nats {
        true => (
            "CONNECT {\"verbose\":false}\r\nSUB channel 1\r\nPING\r\n".to_owned(),
            format!("PUB channel {len}\r\n{MESSAGE}\r\n"),
            format!("MSG channel 1 {len}\r\n{MESSAGE}\r\n"),
        ),
        false => (
            "*2\r\n$9\r\nSUBSCRIBE\r\n$7\r\nchannel\r\n".to_owned(),
            format!("*3\r\n$7\r\nPUBLISH\r\n$7\r\nchannel\r\n${len}\r\n{MESSAGE}\r\n"),
            format!("*3\r\n$7\r\nmessage\r\n$7\r\nchannel\r\n${len}\r\n{MESSAGE}\r\n"),
        ),
    };
    // The last line of what the server says to a subscription.
    let subscribed = if is_nats { "PONG" } else { ":1" };
    let barrier = Arc::new(Barrier::new(SUBSCRIBERS + 1));
    let subscribers: Vec<_> = (0..SUBSCRIBERS)
        .map(|_| {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            stream.write_all(subscribe.as_bytes())?;
            let mut reader = BufReader::with_capacity(1 << 16, stream);
            let mut line = String::new();
            while line.trim_end() != subscribed {
                line.clear();
                ensure!(reader.read_line(&mut line)? > 0, "the server closed the connection");
            }
            let (barrier, batch) = (Arc::clone(&barrier), delivered.len() * BATCH);
            Ok(std::thread::spawn(move || {
                let mut bytes = vec![0; batch];
                for _ in 0..BATCHES {
                    if let Err(error) = reader.read_exact(&mut bytes) {
                        // The others would wait for it for ever.
                        eprintln!("a subscriber: {error}");
                        std::process::exit(1);
                    }
                    barrier.wait();
                }
                bytes
            }))
        })
        .collect::<Result<_>>()?;
    let mut publisher = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    publisher.set_nodelay(true)?;
    if is_nats {
        publisher.write_all(b"CONNECT {\"verbose\":false}\r\n")?;
    }
    let mut answers = publisher.try_clone()?;
    let reader = std::thread::spawn(move || std::io::copy(&mut answers, &mut std::io::sink()));
    let (batch, begin) = (publish.repeat(BATCH), Instant::now());
    for _ in 0..BATCHES {
        publisher.write_all(batch.as_bytes())?;
        barrier.wait();
    }
    println!("{}", begin.elapsed().as_secs_f64());
    publisher.shutdown(std::net::Shutdown::Both)?;
    let _ = reader.join();
    for subscriber in subscribers {
        let last = subscriber.join().map_err(|_| anyhow::anyhow!("a subscriber panicked"))?;
        ensure!(last == delivered.repeat(BATCH).as_bytes(), "a subscriber was sent something else");
    }
    Ok(())
}
