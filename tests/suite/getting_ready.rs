//! When a node that was started says that it is ready: as a newcomer once it is a member with its data, and after a while in
//! any case, with what is missing.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use narf_tests::{eventually, free_port, narf_binary, skip_unless_narf};

use crate::nodes::Cluster;

fn narf(words: &[&str], folder: &Path, cluster: &Cluster) -> Output {
    Command::new(narf_binary())
        .args(words)
        .current_dir(folder)
        .env("NARF_RUNTIME_DIR", cluster.runtime_path())
        .output()
        .unwrap()
}

fn status(port: u16, folder: &Path, cluster: &Cluster) -> (Option<i32>, String) {
    let output = narf(&["cluster", "status", "-u", &format!("127.0.0.1:{port}")], folder, cluster);
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_daemon_that_joins_is_a_full_member_when_its_command_returns() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    let folder = tempfile::TempDir::new().unwrap();
    for (number, kind) in [(1, None), (2, Some("--witness"))] {
        let data = folder.path().join(format!("data-{number}"));
        let (data, port) = (data.to_str().unwrap(), free_port());
        let begin = Instant::now();
        let port_word = port.to_string();
        let mut words = vec!["serve", "--daemon", "--port", &port_word, "--data", data];
        words.extend(kind);
        let started = narf(&words, folder.path(), &cluster);
        let (code, told) = status(port, folder.path(), &cluster);
        let said = String::from_utf8_lossy(&started.stdout).into_owned();
        let stopped = narf(&["stop", "--data", data], folder.path(), &cluster);
        assert!(started.status.success() && said.contains("  ready in "), "{started:?}");
        assert_eq!(code, Some(0), "what the node says when its command has returned: {told}");
        assert!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
        println!("getting-ready: ready after {:.2?} {kind:?}", begin.elapsed());
    }
}

#[test]
fn the_first_of_a_cluster_that_is_started_again_does_not_wait_long_for_the_others() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    cluster.kill_all();
    let begin = Instant::now();
    cluster.nodes[1].begin_again();
    let banner = eventually("a banner", || {
        let log = cluster.nodes[1].log();
        log.contains("degraded: not all partitions can be written to").then_some(log)
    });
    assert!(banner.contains("not ready yet"), "{banner}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    // Told to stop while it waits, a node stops; it never says that it is ready.
    cluster.nodes[0].begin_again();
    cluster.nodes[0].wait_until_up();
    assert!(cluster.nodes[0].stop().unwrap().success());
}
