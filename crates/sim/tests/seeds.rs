//! Seeds that run with every test, and the promise that a seed is replayed exactly.

use sim::{ClusterWorld, Options, World};

fn run(seeds: impl Iterator<Item = u64>, ticks: u64) {
    for seed in seeds {
        let (report, _) = World::run(seed, Options { ticks, keep_trace: false });
        assert_eq!(report.violation, None, "replay: cargo xtask sim --seed {seed} --ticks {ticks} --trace");
        assert!(report.answers > 0, "seed {seed} had nothing to judge");
    }
}

#[test]
fn short_runs_hold_every_promise() {
    run(1..60, 1500);
}

#[test]
fn long_runs_hold_every_promise() {
    run(1000..1012, 12_000);
}

#[test]
fn a_seed_is_replayed_byte_for_byte() {
    for seed in 1..6 {
        let options = Options { ticks: 2000, keep_trace: true };
        let ((one, lines), (other, again)) = (World::run(seed, options), World::run(seed, options));
        assert_eq!(lines.kept(), again.kept());
        assert_eq!(one, other);
    }
}

#[test]
fn clusters_hold_every_promise() {
    for (nodes, seeds) in [(1, 1..4), (3, 1..10), (5, 1..4)] {
        for seed in seeds {
            let (report, _) = ClusterWorld::run(seed, nodes, Options { ticks: 2000, keep_trace: false });
            let replay = format!("cargo xtask sim --nodes {nodes} --seed {seed} --ticks 2000 --trace");
            assert_eq!(report.violation, None, "replay: {replay}");
            assert!(report.answers > 100, "seed {seed} had nothing to judge");
        }
    }
}

/// A node that stopped in the middle of an audit, and one that used too much memory only while a request was under way.
#[test]
fn seeds_of_clusters_that_were_judged_wrongly_hold() {
    for seed in [229, 575] {
        let (report, _) = ClusterWorld::run(seed, 3, Options { ticks: 12_000, keep_trace: false });
        let replay = format!("cargo xtask sim --nodes 3 --seed {seed} --ticks 12000 --trace");
        assert_eq!(report.violation, None, "replay: {replay}");
    }
}

#[test]
fn two_nodes_and_a_witness_hold_every_promise() {
    for seed in 1..10 {
        let (report, _) = ClusterWorld::run_witnessed(seed, 2, Options { ticks: 2000, keep_trace: false });
        let replay = format!("cargo xtask sim --nodes 2 --witness --seed {seed} --ticks 2000 --trace");
        assert_eq!(report.violation, None, "replay: {replay}");
        assert!(report.answers > 100, "seed {seed} had nothing to judge");
    }
}

#[test]
fn what_a_lost_cluster_had_acknowledged_is_in_the_one_that_is_made_of_its_disks() {
    for (nodes, witnesses, seeds) in [(1, 0, 1..3), (3, 0, 1..12), (5, 0, 1..5), (2, 1, 1..5)] {
        for seed in seeds {
            let options = Options { ticks: 2000, keep_trace: false };
            let (report, _) = ClusterWorld::run_rescued(seed, (nodes, witnesses), options);
            let witness = if witnesses > 0 { "--witness " } else { "" };
            let replay = format!(
                "cargo xtask sim --nodes {nodes} {witness}--rescue --seed {seed} --ticks 2000 --trace"
            );
            assert_eq!(report.violation, None, "replay: {replay}");
            assert!(report.answers > 100, "seed {seed} had nothing to judge");
        }
    }
}

#[test]
fn a_seed_of_a_cluster_is_replayed_byte_for_byte() {
    let options = Options { ticks: 1500, keep_trace: true };
    for seed in 1..3 {
        let ((one, lines), (other, again)) =
            (ClusterWorld::run(seed, 3, options), ClusterWorld::run(seed, 3, options));
        assert_eq!(lines.kept(), again.kept());
        assert_eq!(one, other);
    }
}

#[test]
fn seeds_differ() {
    let options = Options { ticks: 300, keep_trace: false };
    assert_ne!(World::run(1, options).0.digest, World::run(2, options).0.digest);
}
