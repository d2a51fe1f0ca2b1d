//! The disks of all nodes fill up while clients write. Writes are refused then and not applied, reads and deletes go on, and
//! nothing that was acknowledged is lost. Once somebody makes room on the disks, or deletes what is there, writes go on by
//! themselves.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use narf_tests::{Client, DEADLINE, Data, Options, skip_unless_narf, within};

use super::{check_limit, percentiles, rounds};
use crate::full_disk::SmallDisk;
use crate::nodes::Cluster;

const NODES: usize = 3;
const MEGABYTES: u32 = 64;
/// What somebody else has on the disk, and may remove.
const BALLAST: usize = 36 << 20;
const VALUE: usize = 20_000;
/// So many refusals on end: the disk is full, and no segment is being made.
const REFUSALS: usize = 100;
const RESUMED_MAX: Duration = Duration::from_secs(10);

fn on(disk: &SmallDisk, options: Options) -> Options {
    let options = options.data(Data::At(disk.path().join("data"))).set("log-segment-size", "1mb");
    // Who is far behind is told so, and who takes no writes leads nothing.
    options.set("checkpoint-log-size", "4mb").expect_log("")
}

/// Writes until the disks are full: which keys were acknowledged, and which refused.
fn fill(client: &mut Client, round: u64) -> (Vec<String>, Vec<String>) {
    let value = "x".repeat(VALUE);
    let (mut kept, mut refused) = (Vec::new(), Vec::new());
    let (mut number, mut on_end) = (0, 0);
    while on_end < REFUSALS {
        number += 1;
        let key = format!("full:{round}:{number}");
        let answer = client.run_args(&["SET", &key, &value]);
        let text = answer.text();
        let is_of = |code: &str| text.starts_with(code);
        assert!(kept.len() < 100 * MEGABYTES as usize, "the disks do not fill up");
        if text == "OK" {
            kept.push(key);
            on_end = 0;
            continue;
        }
        // A leader without room hands its lead over.
        assert!(["MISCONF", "CLUSTERDOWN", "UNKNOWNOUTCOME"].into_iter().any(is_of), "{answer}");
        on_end += usize::from(is_of("MISCONF"));
        if !is_of("UNKNOWNOUTCOME") {
            refused.push(key);
        }
    }
    (kept, refused)
}

/// Until each node takes a write again.
fn resume(cluster: &Cluster) -> Duration {
    let begun = Instant::now();
    for node in &cluster.nodes {
        let mut client = node.client();
        let mut told = String::new();
        let is_resumed = within(3 * DEADLINE, || {
            told = client.run("SET resumed 1").text();
            (told == "OK").then_some(())
        });
        assert!(is_resumed.is_some(), "writes do not go on: {told}");
    }
    begun.elapsed()
}

#[test]
fn disk_full() {
    if skip_unless_narf() {
        return;
    }
    let disks: Vec<SmallDisk> = (0..NODES).map_while(|_| SmallDisk::new(MEGABYTES)).collect();
    if disks.len() < NODES {
        return;
    }
    let ballasts: Vec<PathBuf> = disks.iter().map(|disk| disk.path().join("ballast")).collect();
    let cluster = Cluster::with(NODES, |number, options| on(&disks[number], options));
    let (mut freed, mut deleted, mut refusals) = (Vec::new(), Vec::new(), 0);
    for round in 0..rounds(2) {
        ballasts.iter().for_each(|ballast| std::fs::write(ballast, vec![1; BALLAST]).unwrap());
        let mut client = cluster.nodes[round as usize % NODES].client();
        let (mut kept, refused) = fill(&mut client, round);
        refusals += refused.len();
        assert!(kept.len() > 50, "{} writes before the disks were full", kept.len());
        assert_eq!(client.run(&format!("STRLEN {}", kept[0])).int(), VALUE as i64);
        let gone = kept.pop().unwrap();
        assert_eq!(client.run(&format!("DEL {gone}")).int(), 1, "deletes go on");
        if round % 2 == 1 {
            for key in &kept {
                assert_eq!(client.run(&format!("DEL {key}")).int(), 1, "{key} is lost, or cannot be deleted");
            }
            kept.clear();
            deleted.push(resume(&cluster));
        }
        ballasts.iter().for_each(|ballast| std::fs::remove_file(ballast).unwrap());
        if round % 2 == 0 {
            freed.push(resume(&cluster));
        }
        cluster.wait_until_ready_within(NODES, 3 * DEADLINE);
        let mut is_there = |key: &String| client.run(&format!("STRLEN {key}")).int() == VALUE as i64;
        let lost: Vec<&String> = kept.iter().filter(|key| !is_there(key)).collect();
        assert!(lost.is_empty(), "{lost:?} were acknowledged and are lost");
        let there: Vec<&String> = refused.iter().filter(|key| is_there(key)).collect();
        assert!(there.is_empty(), "{there:?} were refused and are there");
        cluster.compare_replicas().expect("the same on all");
        client.check("FLUSHALL", "+OK");
    }
    for (what, times) in [("room was made", freed), ("all was deleted", deleted)] {
        let Some(longest) = times.iter().copied().max() else { continue };
        println!("disk-full, writes go on once {what}: {}", percentiles(times));
        check_limit(&format!("disk-full, writes go on once {what}"), longest, RESUMED_MAX);
    }
    println!(
        "disk-full: {refusals} writes refused, none of them is there; none that was acknowledged is lost"
    );
}
