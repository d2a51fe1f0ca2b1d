//! Real processes under load while nodes die, stand still and come back: `cargo xtask chaos` runs the long forms.
//!
//! `NARF_CHAOS_ROUNDS` says how many faults each recipe goes through. What is measured on the way is printed.

mod deadlines;
mod lin_mix;
pub(crate) mod load;
mod membership_chaos;
mod one_way_cut;
mod partition_move;
mod probes;
mod retry_trap;
mod rolling_upgrade;
mod snapshot_under_load;

use std::time::{Duration, Instant};

use base::Random;
use narf_tests::{
    Client, DEADLINE, Network, Server, Signal, env_number, eventually, pause, signal, skip, skip_unless_narf,
    within,
};

use crate::durability::can_trace;
use crate::nodes::Cluster;
use load::{Load, audit};

fn rounds(short: u64) -> u64 {
    env_number("NARF_CHAOS_ROUNDS", short)
}

/// Whether this is a run of `cargo xtask chaos`, which may take minutes.
fn is_long() -> bool {
    std::env::var_os("NARF_CHAOS_ROUNDS").is_some()
}

/// The times at a half and at 99 of 100, and the longest.
fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
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

/// A key that this node leads, by what another says.
fn key_led_by(cluster: &Cluster, leader: usize) -> String {
    let mut client = cluster.nodes[(leader + 1) % cluster.nodes.len()].client();
    let port = i64::from(cluster.nodes[leader].port());
    eventually("a slot that the node leads", || {
        let slots = client.run("CLUSTER SLOTS");
        let ranges = slots.items().into_iter().map(|range| range.items().clone());
        let led = ranges.filter(|range| range[2].items()[1].int() == port).collect::<Vec<_>>();
        (0..64).map(|number| format!("key:{number}")).find(|key| {
            let slot = client.run(&format!("CLUSTER KEYSLOT {key}")).int();
            led.iter().any(|range| (range[0].int()..=range[1].int()).contains(&slot))
        })
    })
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

/// How long the keys of a leader cannot be written when it is killed, or stands still.
#[test]
fn failover_time() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let (mut killed, mut stopped) = (Vec::new(), Vec::new());
    for round in 0..rounds(2) {
        let victim = (round % 3) as usize;
        let key = key_led_by(&cluster, victim);
        let mut client = cluster.nodes[(victim + 1) % 3].client();
        client.check(&format!("SET {key} before"), "+OK");
        pause(cluster.nodes[victim].pid());
        stopped.push(gap_of(&mut client, &key, round));
        signal(cluster.nodes[victim].pid(), Signal::Continue);
        cluster.wait_until_ready(3);
        let key = key_led_by(&cluster, victim);
        client.check(&format!("SET {key} before"), "+OK");
        cluster.nodes[victim].kill9();
        killed.push(gap_of(&mut client, &key, round));
        cluster.nodes[victim].restart();
        cluster.wait_until_ready(3);
    }
    println!("failover-time, leader killed: {}", percentiles(killed));
    println!("failover-time, leader stopped: {}", percentiles(stopped));
}

/// Who asks a leader that stood still while another took over never gets a value older than one that was acknowledged
/// before it asked.
#[test]
fn stale_after_pause() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    let mut reads = 0;
    for round in 0..rounds(3) {
        let victim = (round % 3) as usize;
        let key = key_led_by(&cluster, victim);
        let mut reader = cluster.nodes[victim].client();
        let mut writer = cluster.nodes[(victim + 1) % 3].client();
        writer.check(&format!("SET {key} 0"), "+OK");
        reader.check(&format!("GET {key}"), "\"0\"");
        pause(cluster.nodes[victim].pid());
        gap_of(&mut writer, &key, 1);
        for number in 1..=100 {
            writer.check(&format!("SET {key} {number}"), "+OK");
            reader.send(&format!("GET {key}"));
        }
        signal(cluster.nodes[victim].pid(), Signal::Continue);
        for number in 1..=100 {
            let answer = reader.reply();
            if answer.is_error() {
                continue;
            }
            reads += 1;
            let value: u64 = answer.text().parse().unwrap();
            assert!(value >= number, "{value} was read after {number} was acknowledged");
        }
        cluster.wait_until_ready(3);
    }
    assert!(reads > 0, "only errors were answered");
    println!("stale-after-pause: {reads} reads, none stale");
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

/// One of three goes on alone: it says within moments what it cannot do, and nothing of that is there later.
#[test]
fn quorum_loss() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    let load = Load::start(&cluster.nodes, 6);
    let (mut refusals, mut recoveries) = (Vec::new(), Vec::new());
    for round in 0..rounds(2) {
        load.wait_for(300);
        let survivor = (round % 3) as usize;
        let others: Vec<usize> = (0..3).filter(|node| *node != survivor).collect();
        let (mut client, mut reader) = (cluster.nodes[survivor].client(), cluster.nodes[survivor].client());
        client.check(&format!("SET known {round}"), "+OK");
        // A replica hears some moments later what is committed; what it has not heard of it cannot show when it is alone.
        reader.check("READONLY", "+OK");
        let known = format!("\"{round}\"");
        eventually("the replica of who is to be alone has it", || {
            (reader.run("GET known").to_string() == known).then_some(())
        });
        for &node in &others {
            load.set_place(node, None);
            pause(cluster.nodes[node].pid());
        }
        for number in 0..20 {
            let begin = Instant::now();
            let answer = client.run(&format!("SET alone:{round}:{number} x"));
            refusals.push(begin.elapsed());
            let text = answer.text();
            let code = text.split(' ').next().unwrap();
            assert!(["CLUSTERDOWN", "UNKNOWNOUTCOME"].contains(&code), "{answer}");
        }
        reader.check("GET known", &known);
        for &node in &others {
            signal(cluster.nodes[node].pid(), Signal::Continue);
            load.set_place(node, Some(cluster.nodes[node].address()));
        }
        recoveries.push(gap_of(&mut client, "known", 1));
        cluster.wait_until_ready(3);
    }
    let (acknowledged, failures) = settle(&cluster, load);
    println!("quorum-loss, told so: {}", percentiles(refusals));
    println!("quorum-loss, written again: {}", percentiles(recoveries));
    println!(
        "quorum-loss: {acknowledged} writes acknowledged, none lost; of {} refused none is there",
        failures.len()
    );
}

/// A node loses its folder and starts again as before: it is a new node, and the old one is struck off.
#[test]
fn wiped_rejoin() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let load = Load::start(&cluster.nodes, 6);
    let id_of = |node: &Server| node.client3().run("FABRIC STATUS").field("cluster").unwrap().text();
    let fabric = id_of(&cluster.nodes[0]);
    let mut times = Vec::new();
    for round in 0..rounds(1) {
        load.wait_for(300);
        let (victim, other) = ((round % 3) as usize, ((round + 1) % 3) as usize);
        let name = cluster.nodes[victim].client3().run("FABRIC STATUS").field("node").unwrap().text();
        load.set_place(victim, None);
        cluster.nodes[victim].kill9();
        std::fs::remove_dir_all(cluster.nodes[victim].data_path()).unwrap();
        load.wait_for(300);
        let mut client = cluster.nodes[other].client();
        strike_off(&mut client, &name);
        let begin = Instant::now();
        cluster.nodes[victim].restart();
        load.set_place(victim, Some(cluster.nodes[victim].address()));
        cluster.wait_until_ready(3);
        times.push(begin.elapsed());
        let again = cluster.nodes[victim].client3().run("FABRIC STATUS").field("node").unwrap().text();
        assert_eq!(id_of(&cluster.nodes[victim]), fabric);
        let members = client.run("FABRIC MEMBERS").to_string();
        assert!(members.contains(&again), "{members}");
    }
    let (acknowledged, failures) = settle(&cluster, load);
    println!("wiped-rejoin, whole again: {}", percentiles(times));
    println!("wiped-rejoin: {acknowledged} writes acknowledged, none lost; {} were not", failures.len());
}

/// The disk of one of three fails at a sync: its process ends and says why, and nothing that was acknowledged is lost.
#[test]
fn fsync_eio() {
    if skip_unless_narf() || !can_trace() {
        return;
    }
    let mut cluster = Cluster::of(3);
    let load = Load::start(&cluster.nodes, 6);
    let mut random = Random::new(env_number("NARF_TEST_SEED", 1));
    let (mut hit, faults) = (0, rounds(2));
    for round in 0..faults {
        load.wait_for(300);
        let victim = (round % 3) as usize;
        let inject = format!("inject=fdatasync:error=EIO:when={}", 4 + random.below(60));
        let strace = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", &inject];
        load.set_place(victim, None);
        let node = &mut cluster.nodes[victim];
        node.restart_with(|options| options.under(&strace).set("fsync-interval", "10ms").expect_log(""));
        load.set_place(victim, Some(node.address()));
        let end = within(DEADLINE, || node.has_ended().then_some(()));
        load.set_place(victim, None);
        if end.is_some() {
            hit += 1;
            assert!(!node.wait().success(), "it ended as if nothing had happened");
            assert!(node.log().contains("ERROR"), "{}", node.log());
        }
        node.restart_with(|options| options.under(&[]));
        load.set_place(victim, Some(node.address()));
        cluster.wait_until_ready(3);
    }
    let (acknowledged, failures) = settle(&cluster, load);
    assert_eq!(hit, faults, "the disk was to fail in each round");
    println!(
        "fsync-eio: {hit} disks failed, {acknowledged} writes acknowledged, none lost; {} were not",
        failures.len()
    );
}
