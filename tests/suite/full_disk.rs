//! A full disk refuses writes, lets reads and deletes through, ends no node and empties itself.
//!
//! The disk is a small file system; where none can be mounted, the tests say that they were skipped.

use std::path::Path;
use std::process::Command;

use narf_tests::{Client, Data, Options, Server, eventually, skip, skip_unless_narf};

/// A file system of a few megabytes; unmounted when dropped.
pub(crate) struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// None, which is said, where file systems cannot be mounted.
    pub(crate) fn new(megabytes: u32) -> Option<SmallDisk> {
        let folder = tempfile::TempDir::with_prefix("narf-disk-").unwrap();
        let size = format!("size={megabytes}m");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "narf-test"]).arg(folder.path()).output();
        match mount {
            Ok(output) if output.status.success() => Some(SmallDisk { folder }),
            Ok(output) => {
                skip(&format!("mount a small tmpfs: {}", String::from_utf8_lossy(&output.stderr).trim()));
                None
            }
            Err(error) => {
                skip(&format!("mount a small tmpfs: {error}"));
                None
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, as the server may still hold files when a test fails.
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

#[test]
fn a_full_disk_refuses_writes_and_recovers_by_itself() {
    if skip_unless_narf() {
        return;
    }
    let Some(disk) = SmallDisk::new(64) else { return };
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1; 48 * 1024 * 1024]).unwrap();
    let options = Options::new()
        .data(Data::At(disk.path().join("data")))
        .set("log-segment-size", "1mb")
        .set("checkpoint-log-size", "4mb")
        .expect_log("disk")
        .expect_log("space");
    let mut node = Server::start(options);
    let mut c = node.client();
    let value = "x".repeat(100_000);
    let mut answered = 0;
    let refusal = eventually("the disk is full", || {
        let reply = c.run_args(&["SET", &format!("k{answered}"), &value]);
        if reply.to_string() == "+OK" {
            answered += 1;
            return None;
        }
        Some(reply.to_string())
    });
    assert!(refusal.starts_with("-MISCONF "), "{refusal}");
    assert!(answered > 10);
    // Reading goes on, and what was refused did not happen.
    c.check("GET none", "nil");
    assert_eq!(c.run("GET k0").bytes().len(), value.len());
    c.check(&format!("EXISTS k{answered}"), ":0");
    c.check("DBSIZE", &format!(":{answered}"));
    std::fs::remove_file(&ballast).unwrap();
    eventually("writes work again", || (c.run("SET after space").to_string() == "+OK").then_some(()));
    node.kill9();
    node.restart();
    let mut c = node.client();
    c.check("DBSIZE", &format!(":{}", answered + 1));
    c.check("GET after", r#""space""#);
}

/// Small segments on that disk, and checkpoints that are begun when so much was logged.
fn on(disk: &SmallDisk, checkpoint_log_size: &str) -> Options {
    Options::new()
        .data(Data::At(disk.path().join("data")))
        .set("log-segment-size", "1mb")
        .set("checkpoint-log-size", checkpoint_log_size)
        .expect_log("the disk is full")
        .expect_log("no room for a checkpoint")
}

/// Sets so many new keys at once; how many were taken.
fn set(c: &mut Client, keys: std::ops::Range<usize>, value: &str) -> usize {
    let replies = c.pipeline(keys.map(|key| format!("SET k{key} {value}")));
    let refused = |text: &str| text == "-MISCONF disk full; write not applied";
    assert!(replies.iter().map(ToString::to_string).all(|text| text == "+OK" || refused(&text)));
    replies.iter().filter(|reply| reply.to_string() == "+OK").count()
}

/// Fills the disk with keys of 700 bytes; how many were asked for.
fn fill(c: &mut Client) -> usize {
    let value = "v".repeat(700);
    let mut keys = 0;
    loop {
        keys += 500;
        if set(c, keys - 500..keys, &value) < 500 {
            return keys;
        }
    }
}

/// A checkpoint that is too large for what is left is given up, and takes nothing of what deletes need.
#[test]
fn deletes_go_through_on_a_full_disk_and_a_killed_node_comes_back_to_it() {
    if skip_unless_narf() {
        return;
    }
    let Some(disk) = SmallDisk::new(64) else { return };
    let mut node = Server::start(on(&disk, "8mb"));
    let mut c = node.client();
    let keys = fill(&mut c);
    eventually("a checkpoint finds no room", || {
        node.log().contains("no room for a checkpoint").then_some(())
    });
    node.kill9();
    node.restart();
    let mut c = node.client();
    let held = c.run("DBSIZE").int();
    assert!(held > 20_000, "{held}");
    assert_eq!(c.run("GET k0").bytes().len(), 700);
    for first in (0..keys).step_by(500) {
        let replies = c.pipeline((first..first + 500).map(|key| format!("DEL k{key}")));
        let errors: Vec<String> = replies.iter().filter(|r| r.is_error()).map(ToString::to_string).collect();
        assert!(errors.is_empty(), "from {first} of {keys}: {errors:?}");
    }
    c.check("DBSIZE", ":0");
    eventually("writes go on", || (c.run("SET after room").to_string() == "+OK").then_some(()));
    node.kill9();
    node.restart();
    let mut c = node.client();
    c.check("DBSIZE", ":1");
    assert!(set(&mut c, 0..10_000, &"v".repeat(700)) > 5_000);
}

/// The log is long and holds what was overwritten: nobody need delete anything.
#[test]
fn a_disk_that_the_log_filled_empties_itself() {
    if skip_unless_narf() {
        return;
    }
    let Some(disk) = SmallDisk::new(64) else { return };
    let node = Server::start(on(&disk, "1gb"));
    let mut c = node.client();
    let value = "x".repeat(100_000);
    let mut refused = 0;
    for write in 0..1500 {
        if c.run_args(&["SET", "key", &value]).is_error() {
            refused += 1;
            eventually("writes go on", || {
                (c.run_args(&["SET", "key", &value]).to_string() == "+OK").then_some(())
            });
        }
        assert!(write < 1499 || refused > 0, "the disk was never full");
    }
    // With data for which there is no room for a checkpoint.
    let keys = fill(&mut c);
    assert!(keys > 10_000);
    eventually("a checkpoint finds no room", || {
        node.log().contains("no room for a checkpoint").then_some(())
    });
    c.check("FLUSHALL", "+OK");
    eventually("writes go on", || (c.run_args(&["SET", "key", &value]).to_string() == "+OK").then_some(()));
}

#[test]
fn a_node_with_a_full_disk_says_so() {
    if skip_unless_narf() {
        return;
    }
    let Some(disk) = SmallDisk::new(64) else { return };
    let node = Server::start(on(&disk, "1gb"));
    let mut c = node.client3();
    let state = |c: &mut Client| c.run("FABRIC STATUS").field("state").unwrap().text();
    eventually("it is ready", || (state(&mut c) == "ready").then_some(()));
    fill(&mut c);
    eventually("it says that it is not", || (state(&mut c) == "degraded").then_some(()));
    let reason = c.run("FABRIC STATUS").field("reason").unwrap().text();
    assert!(reason.starts_with("disk full: ") && reason.contains("take no writes"), "{reason}");
    c.check("FLUSHALL", "+OK");
    eventually("it is ready again", || (state(&mut c) == "ready").then_some(()));
    assert!(c.run("FABRIC STATUS").field("reason").is_none());
}
