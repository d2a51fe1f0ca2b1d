//! Real clients, as a user writes them, and the tools people reach for first.
//!
//! `cargo xtask test` installs redis-py, ioredis and node-redis below `target/` and says where in the environment;
//! without them the tests say that they were skipped.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use narf_tests::{Options, Server, skip, skip_unless_narf};

use crate::nodes::Cluster;

fn below_target(path: &str) -> PathBuf {
    // target/<profile>/deps/suite-<hash>
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().join(path)
}

/// A Python that has redis-py.
pub(crate) fn python() -> Option<PathBuf> {
    let path =
        std::env::var_os("NARF_TEST_PYTHON").map_or_else(|| below_target("python/bin/python"), PathBuf::from);
    let works =
        Command::new(&path).args(["-c", "import redis"]).output().is_ok_and(|output| output.status.success());
    if !works {
        skip(&format!("{} has no redis-py; `cargo xtask test` installs it", path.display()));
    }
    works.then_some(path)
}

fn node_modules() -> Option<PathBuf> {
    let path = std::env::var_os("NARF_TEST_NODE_MODULES")
        .map_or_else(|| below_target("node/node_modules"), PathBuf::from);
    let there = path.join("ioredis").is_dir() && path.join("redis").is_dir();
    if !there {
        skip(&format!("{} has no ioredis and redis; `cargo xtask test` installs them", path.display()));
    }
    there.then_some(path)
}

pub(crate) fn script(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/clients")).join(name)
}

#[track_caller]
pub(crate) fn check(output: &Output) {
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn redis_py_works() {
    let Some(python) = python() else { return };
    let node = Server::new();
    check(&Command::new(python).arg(script("redis_py.py")).arg(node.port().to_string()).output().unwrap());
}

fn run_node(name: &str) {
    let Some(modules) = node_modules() else { return };
    let node = Server::new();
    let mut command = Command::new("node");
    check(
        &command.env("NODE_PATH", modules).arg(script(name)).arg(node.port().to_string()).output().unwrap(),
    );
}

#[test]
fn ioredis_works() {
    run_node("ioredis.cjs");
}

#[test]
fn node_redis_works() {
    run_node("node_redis.cjs");
}

pub(crate) fn installed(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        skip(&format!("{program} is not installed"));
    }
    there
}

#[test]
fn redis_cli_works() {
    if !installed("redis-cli") {
        return;
    }
    let node = Server::start(Options::new().unix_socket());
    let port = node.port().to_string();
    let run = |args: &[&str]| {
        let output = Command::new("redis-cli").args(["-p", &port]).args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(run(&["set", "k", "v"]), "OK\n");
    assert_eq!(run(&["-3", "hset", "h", "f", "v"]), "1\n");
    assert_eq!(run(&["--no-raw", "-3", "hgetall", "h"]), "1# \"f\" => \"v\"\n");
    assert_eq!(run(&["-n", "5", "incr", "n"]), "1\n");
    assert_eq!(run(&["--no-raw", "get", "none"]), "(nil)\n");
    assert!(run(&["--scan", "--pattern", "*"]).lines().count() == 2);
    assert!(run(&["--bigkeys"]).contains("Biggest string found"));
    assert!(run(&["--memkeys"]).contains("Biggest"));
    assert!(run(&["info", "server"]).contains("redis_version:7"));
    let socket = node.unix_path();
    let output = Command::new("redis-cli").arg("-s").arg(&socket).args(["get", "k"]).output().unwrap();
    assert_eq!(output.stdout, b"v\n");
}

#[test]
fn redis_cli_pipes_a_million_bytes() {
    if !installed("redis-cli") {
        return;
    }
    let node = Server::new();
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("commands");
    let commands: String = (0..20_000).map(|i| format!("SET key:{i} value:{i}\r\n")).collect();
    std::fs::write(&path, commands).unwrap();
    let output = Command::new("redis-cli")
        .args(["-p", &node.port().to_string(), "--pipe"])
        .stdin(std::fs::File::open(&path).unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("errors: 0, replies: 20000"), "{text}");
    node.client().check("DBSIZE", ":20000");
}

#[test]
fn redis_benchmark_works() {
    if !installed("redis-benchmark") {
        return;
    }
    let node = Server::new();
    for extra in [&["-P", "1"][..], &["-P", "16"], &["-P", "16", "-3"], &["--threads", "2"]] {
        let output = Command::new("redis-benchmark")
            .args(["-p", &node.port().to_string(), "-n", "5000", "-q", "-t", "ping,set,get,incr,hset,mset"])
            .args(extra)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        check(&output);
        assert!(text.matches("requests per second").count() >= 6, "{text}");
        assert!(!text.contains("Error"), "{text}");
    }
}

/// Runs a script that works while the last of three nodes is killed.
#[track_caller]
fn survive(mut command: Command, kind: &str) {
    let mut cluster = Cluster::of(3);
    let ports = cluster.nodes.iter().map(|node| node.port().to_string());
    let command =
        command.arg(kind).args(ports).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    said.read_line(&mut line).unwrap();
    if line == "KILL\n" {
        cluster.nodes[2].kill9();
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        said.read_to_string(&mut line).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    check(&output);
    assert_eq!(line, "KILL\nDONE\n");
}

#[test]
fn redis_py_survives_the_death_of_a_node() {
    let Some(python) = python().filter(|_| !skip_unless_narf()) else { return };
    for kind in ["plain", "cluster"] {
        let mut command = Command::new(&python);
        command.arg(script("cluster.py"));
        survive(command, kind);
    }
}

/// No setting is changed: what surfaces is what its users see.
#[test]
fn redis_py_as_it_comes_hides_the_death_of_a_node() {
    let Some(python) = python().filter(|_| !skip_unless_narf()) else { return };
    for kind in ["plain", "cluster"] {
        let mut command = Command::new(&python);
        command.arg(script("stock.py"));
        survive(command, kind);
    }
}

#[test]
fn redis_py_counts_exactly_once_while_connections_are_cut_and_a_node_dies() {
    let Some(python) = python().filter(|_| !skip_unless_narf()) else { return };
    let mut command = Command::new(&python);
    command.arg(script("sessions.py"));
    survive(command, "sessions");
}

#[test]
fn ioredis_survives_the_death_of_a_node() {
    let Some(modules) = node_modules().filter(|_| !skip_unless_narf()) else { return };
    for kind in ["plain", "cluster"] {
        let mut command = Command::new("node");
        command.env("NODE_PATH", &modules).arg(script("cluster.cjs"));
        survive(command, kind);
    }
}

#[test]
fn ioredis_as_it_comes_hides_the_death_of_a_node() {
    let Some(modules) = node_modules().filter(|_| !skip_unless_narf()) else { return };
    for kind in ["plain", "cluster"] {
        let mut command = Command::new("node");
        command.env("NODE_PATH", &modules).arg(script("stock.cjs"));
        survive(command, kind);
    }
}
