//! The disk of one of three fails at a sync: its process says why and ends at once, nothing that was acknowledged is lost, and
//! it comes back with all its data.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base::Random;
use narf_tests::{DEADLINE, env_number, skip_unless_narf, within};
use tempfile::TempDir;

use super::load::Load;
use super::{check_limit, percentiles, rounds, settle};
use crate::durability::can_trace;
use crate::nodes::Cluster;

/// From the failure to the end of the process.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// When the sync failed, by what was traced.
fn failed_at(trace: &Path) -> Option<Duration> {
    let text = std::fs::read_to_string(trace).ok()?;
    let line = text.lines().find(|line| line.contains("INJECTED"))?;
    let stamp = line.split_whitespace().find(|word| word.contains('.'))?;
    Some(Duration::from_secs_f64(stamp.parse().ok()?))
}

#[test]
fn fsync_eio() {
    if skip_unless_narf() || !can_trace() {
        return;
    }
    let folder = TempDir::with_prefix("narf-trace-").unwrap();
    let mut cluster = Cluster::of(3);
    let load = Load::start(&cluster.nodes, 6);
    let mut random = Random::new(env_number("NARF_TEST_SEED", 1));
    let (mut times, faults) = (Vec::new(), rounds(2));
    for round in 0..faults {
        load.wait_for(300);
        let victim = (round % 3) as usize;
        let inject = format!("inject=fdatasync:error=EIO:when={}", 4 + random.below(60));
        let trace = folder.path().join(round.to_string());
        let trace_path = trace.to_str().unwrap();
        let strace =
            ["strace", "-D", "-f", "-qq", "-ttt", "-o", trace_path, "-e", "trace=fdatasync", "-e", &inject];
        load.set_place(victim, None);
        let node = &mut cluster.nodes[victim];
        node.restart_with(|options| options.under(&strace).set("fsync-interval", "10ms").expect_log(""));
        load.set_place(victim, Some(node.address()));
        let ended = within(DEADLINE, || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            node.has_ended().then_some(now)
        });
        load.set_place(victim, None);
        let ended = ended.expect("the disk was to fail in each round");
        assert!(!node.wait().success(), "it ended as if nothing had happened");
        assert!(node.log().contains("ERROR"), "{}", node.log());
        let failed = within(DEADLINE, || failed_at(&trace)).expect("the failure is in the trace");
        times.push(ended.saturating_sub(failed));
        node.restart_with(|options| options.under(&[]));
        load.set_place(victim, Some(node.address()));
        cluster.wait_until_ready(3);
    }
    let (acknowledged, failures) = settle(&cluster, load);
    let longest = times.iter().copied().max().unwrap();
    println!("fsync-eio, the process ends: {}", percentiles(times));
    println!(
        "fsync-eio: {faults} disks failed, {acknowledged} writes acknowledged, none lost; {} were not",
        failures.len()
    );
    check_limit("fsync-eio, the process ends", longest, ENDS_WITHIN);
}
