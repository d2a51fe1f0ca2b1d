//! Real processes under load while nodes die, stand still and come back: `cargo xtask chaos` runs the long forms.
//!
//! `NARF_CHAOS_ROUNDS` says how many faults each recipe goes through. What is measured on the way is printed.

mod deadlines;
mod disk_full;
mod failover_time;
mod fsync_eio;
mod lin_mix;
pub(crate) mod load;
mod membership_chaos;
mod one_way_cut;
mod partition_move;
mod probes;
mod quorum_loss;
mod replica_digest;
mod retry_trap;
mod rolling_upgrade;
mod slow_node;
mod snapshot_under_load;
mod stale_after_pause;
mod wiped_rejoin;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use base::Random;
use narf_tests::{
    Client, DEADLINE, Network, Signal, env_number, eventually, signal, skip, skip_unless_narf, within,
};

use crate::nodes::Cluster;
use load::{Load, audit};

fn rounds(short: u64) -> u64 {
    env_number("NARF_CHAOS_ROUNDS", short)
}

/// Whether this is a run of `cargo xtask chaos`, which may take minutes.
fn is_long() -> bool {
    std::env::var_os("NARF_CHAOS_ROUNDS").is_some()
}

/// Below which so many of 100 are.
fn percentile(times: &[Duration], share: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[(times.len() - 1) * share / 100]
}

/// The times at a half and at 99 of 100, and the longest.
fn percentiles(times: Vec<Duration>) -> String {
    let at = |share| percentile(&times, share);
    format!("p50 {:.2?}, p99 {:.2?}, longest {:.2?} of {}", at(50), at(99), at(100), times.len())
}

/// Ends the load, lets all nodes come to rest, and compares what they hold with what clients were told. How many writes
/// were acknowledged, and what was said of the others.
#[track_caller]
fn settle(cluster: &Cluster, load: Load) -> (u64, Vec<String>) {
    let acknowledged = load.acknowledged.load(std::sync::atomic::Ordering::Relaxed);
    let ledgers = load.stop();
    cluster.wait_until_ready(cluster.nodes.len());
    let (checked, wrong) = audit(&cluster.nodes, &ledgers);
    assert!(wrong.is_empty(), "{} of {checked}:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    cluster.compare_replicas().expect("the same on all");
    (acknowledged, ledgers.into_iter().flat_map(|ledger| ledger.failures).collect())
}

/// Runs a test where a network of so many places has its router; where the machine gives no network, it says so.
fn on_network(places: usize, test: impl FnOnce(&Network) + Send) {
    let network = match Network::of(places) {
        Ok(network) => network,
        Err(reason) => return skip(&reason),
    };
    // Where it goes, the test's own thread is not to stay.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            network.enter();
            test(&network);
        });
    });
}

/// Has a node that is gone for good struck off, once the others take it for down: after ten seconds of silence, and a busy
/// machine makes that long. In a short run it is told to leave, and nobody waits for that.
#[track_caller]
fn strike_off(client: &mut Client, name: &str) {
    if !is_long() {
        client.check(&format!("FABRIC DRAIN {name}"), "+OK");
    }
    let mut told = String::new();
    let is_struck = within(3 * DEADLINE, || {
        told = client.run(&format!("FABRIC REMOVE {name}")).text();
        // Or it was done the time before, and the answer came too late.
        (told == "OK" || told.contains("no node is called")).then_some(())
    });
    assert!(is_struck.is_some(), "the lost node is not struck off: {told}");
}

/// One node after the other is killed under load, never two at once.
#[test]
fn ack_kill9() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let load = Load::start(&cluster.nodes, 16);
    let mut random = Random::new(env_number("NARF_TEST_SEED", 1));
    let kills = rounds(4);
    for _ in 0..kills {
        load.wait_for(1000);
        let victim = random.below(3) as usize;
        load.set_place(victim, None);
        cluster.nodes[victim].kill9();
        load.wait_for(500);
        cluster.nodes[victim].restart();
        load.set_place(victim, Some(cluster.nodes[victim].address()));
        cluster.wait_until_ready(3);
    }
    let (acknowledged, failures) = settle(&cluster, load);
    println!(
        "ack-kill9: {kills} kills, {acknowledged} writes acknowledged, none lost; {} were not, none refused is there",
        failures.len()
    );
}

/// Leads are given back some moments after their node has come back: one that is the same for so long stays.
const STAYS: Duration = Duration::from_millis(500);

/// A key that this node leads, by what another says and by what it says itself, now and some moments later.
fn key_led_by(cluster: &Cluster, leader: usize) -> String {
    let port = i64::from(cluster.nodes[leader].port());
    let leads = |node: usize| {
        let slots = cluster.nodes[node].client().run("CLUSTER SLOTS");
        let ranges = slots.items().into_iter().map(|range| range.items());
        let led = ranges.filter(|range| range[2].items()[1].int() == port);
        led.flat_map(|range| range[0].int()..=range[1].int()).collect::<BTreeSet<i64>>()
    };
    let other = (leader + 1) % cluster.nodes.len();
    let mut client = cluster.nodes[other].client();
    let mut slots: BTreeMap<String, i64> = BTreeMap::new();
    for key in (0..64).map(|number| format!("key:{number}")) {
        let slot = client.run(&format!("CLUSTER KEYSLOT {key}")).int();
        slots.insert(key, slot);
    }
    let both = || leads(leader).intersection(&leads(other)).copied().collect::<BTreeSet<i64>>();
    eventually("a slot that the node leads", || {
        let before = both();
        std::thread::sleep(STAYS);
        let stays: BTreeSet<i64> = both().intersection(&before).copied().collect();
        slots.iter().find(|(_, slot)| stays.contains(slot)).map(|(key, _)| key.clone())
    })
}

/// Whether a limit is kept. A short run, beside others on a machine that may be slow, only says what it was.
#[track_caller]
fn check_limit(what: &str, took: Duration, limit: Duration) {
    assert!(!is_long() || took <= limit, "{what}: {took:.2?}, and may be {limit:.2?}");
}

/// Writes until it is told that it was done; how long that took. Meanwhile only the errors of a cluster are allowed.
fn gap_of(client: &mut Client, key: &str, number: u64) -> Duration {
    let begin = Instant::now();
    eventually("a write that succeeds", || {
        let answer = client.run(&format!("SET {key} {number}"));
        let is_expected =
            ["OK", "CLUSTERDOWN", "UNKNOWNOUTCOME"].iter().any(|word| answer.text().starts_with(word));
        assert!(is_expected, "{answer}");
        (answer.text() == "OK").then_some(())
    });
    begin.elapsed()
}

/// Nodes come and go under load: clients of the others see no error, and nothing is lost.
#[test]
fn join_and_leave() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let load = Load::start(&cluster.nodes, 8);
    let mut times = Vec::new();
    for _ in 0..rounds(1) {
        load.wait_for(500);
        let begin = Instant::now();
        cluster.grow();
        cluster.wait_until_ready(4);
        times.push(begin.elapsed());
        load.wait_for(500);
        signal(cluster.nodes[3].pid(), Signal::Interrupt);
        assert!(cluster.nodes[3].wait().success(), "{}", cluster.nodes[3].log());
        cluster.nodes.truncate(3);
        cluster.wait_until_ready(3);
    }
    let (acknowledged, failures) = settle(&cluster, load);
    assert!(failures.is_empty(), "{failures:#?}");
    println!(
        "join-and-leave: joined in {}; {acknowledged} writes acknowledged, none lost",
        percentiles(times)
    );
}
