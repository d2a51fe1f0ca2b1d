//! Narf beside redis-server on this machine: throughput, latency and, above all, server CPU an operation.
//!
//! Both servers run at once, pinned to one core, the load to another. Each figure is the median of rounds in which
//! the servers take turns, so that drift and foreign load hit both alike; a round in which others used the machine
//! is run again. CPU an operation is what the kernel charged the server, divided by the operations of the round.

mod fabric;
mod measure;
mod memory;
mod peers;
mod servers;

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::{prepare, shell, workspace};
use measure::{Load, columns, in_turns};
use servers::{Mode, Server};

struct Workload {
    name: &'static str,
    /// As redis-benchmark takes it; `{d}` is the value.
    request: &'static [&'static str],
    needs_keys: bool,
    /// Sent a thousand times before, so that there is something to work on.
    fill: &'static [&'static str],
    /// It uses up what it works on: the fill is sent before each round, as often as the request is in it.
    uses_up: bool,
}

impl Workload {
    const fn new(name: &'static str, request: &'static [&'static str]) -> Workload {
        Workload { name, request, needs_keys: false, fill: &[], uses_up: false }
    }

    const fn on_keys(self) -> Workload {
        Workload { needs_keys: true, ..self }
    }

    const fn after(self, fill: &'static [&'static str]) -> Workload {
        Workload { fill, ..self }
    }

    const fn using_up(self) -> Workload {
        Workload { uses_up: true, ..self }
    }
}

const MGET: [&str; 11] = {
    let mut words = ["key:__rand_int__"; 11];
    words[0] = "MGET";
    words
};

const MSET: [&str; 21] = {
    let mut words = ["key:__rand_int__"; 21];
    words[0] = "MSET";
    let mut value = 2;
    while value < words.len() {
        words[value] = "{d}";
        value += 2;
    }
    words
};

const WORKLOADS: &[Workload] = &[
    Workload::new("get", &["GET", "key:__rand_int__"]).on_keys(),
    Workload::new("set", &["SET", "key:__rand_int__", "{d}"]),
    Workload::new("incr", &["INCR", "counter:__rand_int__"]),
    Workload::new("hset", &["HSET", "hash:__rand_int__", "field", "{d}"]),
    Workload::new("publish", &["PUBLISH", "channel", "{d}"]),
    Workload::new("mget", &MGET).on_keys(),
    Workload::new("mset", &MSET),
    Workload::new("lpush", &["LPUSH", "list", "{d}"]),
    Workload::new("lmove", &["LMOVE", "list", "list", "LEFT", "RIGHT"]).after(&["RPUSH", "list", "{d}"]),
    Workload::new("lrange", &["LRANGE", "list", "0", "99"]).after(&["RPUSH", "list", "{d}"]),
    Workload::new("rpop", &["RPOP", "list"]).after(&["LPUSH", "list", "{d}"]).using_up(),
    Workload::new("sadd", &["SADD", "set", "member:__rand_int__"]),
    Workload::new("zadd", &["ZADD", "ranking", "__rand_int__", "member:__rand_int__"]),
    Workload::new("zrange", &["ZRANGE", "ranking", "0", "99"]).after(&[
        "ZADD",
        "ranking",
        "__rand_int__",
        "member:__rand_int__",
    ]),
    // The offset stays: the tool's random numbers begin with zeros, and no offset does.
    Workload::new("setbit", &["SETBIT", "seen:__rand_int__", "7", "1"]),
    Workload::new("bitcount", &["BITCOUNT", "bits"]).after(&["SET", "bits", "{d}"]),
];

/// So many of them, from the first, are measured if none is named.
const USUAL: usize = 5;

struct Plan {
    workloads: Vec<&'static Workload>,
    pipelines: Vec<u32>,
    mode: Mode,
    rounds: usize,
    seconds: f64,
    load: Load,
}

const HELP: &str = "\
cargo xtask bench [--mode memory|quorum|durable] [--workloads get,set,incr,hset,publish] [--pipelines 1,16,128]
                  (more: mget mset, of ten keys; lpush rpop lmove lrange sadd zadd zrange setbit bitcount) [--rounds 5] [--seconds 1.5] [--clients 50] [--keys 1000000] [--size 64] [--pin SERVER:LOAD]

  memory   nothing on disk, on either side
  quorum   ack quorum against appendfsync everysec
  durable  ack durable against appendfsync always

cargo xtask bench memory     resident bytes of collections
cargo xtask bench fabric     three nodes against a primary and two replicas
cargo xtask bench peers      three nodes against etcd, a message to many against NATS";

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let [first, rest @ ..] = arguments
        && first == "fabric-load"
    {
        return fabric::load(rest);
    }
    if let [first, rest @ ..] = arguments
        && first == "fan-out-load"
    {
        return peers::load(rest);
    }
    let of_many = match arguments {
        [only] if only == "fabric" => Some(fabric::run as fn(&Path, &Path) -> Result<()>),
        [only] if only == "memory" => Some(memory::run as fn(&Path, &Path) -> Result<()>),
        [only] if only == "peers" => Some(peers::run as fn(&Path, &Path) -> Result<()>),
        _ => None,
    };
    let plan = parse(if of_many.is_some() { &[] } else { arguments })?;
    prepare::redis()?;
    shell::run("cargo", &["build", "--quiet", "--release", "--package", "narf"])?;
    let binary = workspace::target().join("release/narf");
    let folder = workspace::target().join("bench");
    if let Some(run) = of_many {
        return run(&binary, &folder);
    }
    let servers = [
        Server::redis(plan.mode, &folder.join("redis"), &plan.load)?,
        Server::narf(&binary, plan.mode, &folder.join("narf"), &plan.load)?,
    ];
    println!(
        "{} against {}: {}, {} clients, {} keys, values of {} bytes, {} rounds",
        servers[1].name,
        servers[0].name,
        plan.mode.describe(),
        plan.load.clients,
        plan.load.keys,
        plan.load.value_bytes,
        plan.rounds
    );
    println!(
        "\n| command | pipeline | redis op/s | narf op/s | times | redis CPU µs | narf CPU µs | times better | redis p99 ms | narf p99 ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for workload in &plan.workloads {
        for server in &servers {
            server.reset(if workload.needs_keys { plan.load.keys } else { 0 }, plan.load.value_bytes)?;
            if !workload.fill.is_empty() {
                measure::round(server, workload.fill, 16, 1000, &plan.load)?;
            }
        }
        for &pipeline in &plan.pipelines {
            compare(&plan, &servers, workload, pipeline)?;
        }
    }
    Ok(())
}

fn parse(arguments: &[String]) -> Result<Plan> {
    let mut plan = Plan {
        workloads: WORKLOADS.iter().take(USUAL).collect(),
        pipelines: vec![1, 16, 128],
        mode: Mode::Memory,
        rounds: 5,
        seconds: 1.5,
        load: Load { clients: 50, keys: 1_000_000, value_bytes: 64, server_core: 0, load_core: 1 },
    };
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        if flag == "--help" {
            bail!("{HELP}");
        }
        let value = rest.next().with_context(|| format!("{flag} takes a value\n{HELP}"))?;
        match flag.as_str() {
            "--mode" => {
                plan.mode = Mode::from_name(value).with_context(|| format!("no mode `{value}`\n{HELP}"))?
            }
            "--workloads" => plan.workloads = value.split(',').map(find).collect::<Result<_>>()?,
            "--pipelines" => plan.pipelines = value.split(',').map(number).collect::<Result<_>>()?,
            "--rounds" => plan.rounds = number(value)?,
            "--seconds" => plan.seconds = number(value)?,
            "--clients" => plan.load.clients = number(value)?,
            "--keys" => plan.load.keys = number(value)?,
            "--size" => plan.load.value_bytes = number(value)?,
            "--pin" => {
                let (server, load) = value.split_once(':').context("--pin takes two cores, such as 0:1")?;
                (plan.load.server_core, plan.load.load_core) = (number(server)?, number(load)?);
            }
            other => bail!("no option `{other}`\n{HELP}"),
        }
    }
    Ok(plan)
}

fn find(name: &str) -> Result<&'static Workload> {
    WORKLOADS
        .iter()
        .find(|workload| workload.name == name)
        .with_context(|| format!("no workload `{name}`\n{HELP}"))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().ok().with_context(|| format!("`{text}` is not such a number"))
}

/// Rounds of one cell of the table, and its line.
fn compare(plan: &Plan, servers: &[Server; 2], workload: &Workload, pipeline: u32) -> Result<()> {
    let run = |server: &Server, requests: u64| {
        if workload.uses_up {
            measure::round(server, workload.fill, 128, requests, &plan.load)?;
        }
        measure::round(server, workload.request, pipeline, requests, &plan.load)
    };
    // As many requests as cost the first server about so many seconds of CPU; the same for both.
    let trial = run(&servers[0], if pipeline == 1 { 20_000 } else { 200_000 })?;
    let requests = (plan.seconds * 1e6 / trial.cpu_us.max(0.05)).max(10_000.0) as u64;
    let rounds = in_turns(plan.rounds, |which| match run(&servers[which], requests)? {
        first if first.foreign > measure::FOREIGN_MAX => run(&servers[which], requests),
        first => Ok(first),
    })?;
    println!("| {} | {pipeline} | {} |", workload.name, columns(&rounds));
    Ok(())
}
