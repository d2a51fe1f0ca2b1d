//! How long the keys of a leader cannot be written when it is killed, stands still, or is cut off.
//!
//! Each node has a place of a network of its own where the machine gives one; where not, no leader is cut off.

use std::time::Duration;

use narf_tests::{Network, Signal, pause, signal, skip_unless_narf};

use super::{check_limit, gap_of, key_led_by, on_network, percentile, percentiles, rounds};
use crate::nodes::Cluster;

const NODES: usize = 3;
const HALF: Duration = Duration::from_millis(800);
const KILLED_MAX: Duration = Duration::from_secs(2);
/// Of who stands still or is cut off, nobody hears that it is gone.
const SILENT_MAX: Duration = Duration::from_secs(3);

/// What is told of all times of a kind, and the limits.
fn tell(what: &str, times: Vec<Duration>, limit: Duration) {
    let (half, most) = (percentile(&times, 50), percentile(&times, 99));
    println!("failover-time, leader {what}: {}", percentiles(times));
    check_limit(&format!("failover-time, leader {what}, p50"), half, HALF);
    check_limit(&format!("failover-time, leader {what}, p99"), most, limit);
}

#[test]
fn failover_time() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Cluster::of(NODES);
    let (mut killed, mut stopped) = (Vec::new(), Vec::new());
    for round in 0..rounds(2) {
        let victim = (round % 3) as usize;
        let key = key_led_by(&cluster, victim);
        let mut client = cluster.nodes[(victim + 1) % 3].client();
        client.check(&format!("SET {key} before"), "+OK");
        pause(cluster.nodes[victim].pid());
        stopped.push(gap_of(&mut client, &key, round));
        signal(cluster.nodes[victim].pid(), Signal::Continue);
        cluster.wait_until_ready(NODES);
        let key = key_led_by(&cluster, victim);
        client.check(&format!("SET {key} before"), "+OK");
        cluster.nodes[victim].kill9();
        killed.push(gap_of(&mut client, &key, round));
        cluster.nodes[victim].restart();
        cluster.wait_until_ready(NODES);
    }
    tell("killed", killed, KILLED_MAX);
    tell("stopped", stopped, SILENT_MAX);
}

#[test]
fn failover_time_of_a_leader_that_is_cut_off() {
    if skip_unless_narf() {
        return;
    }
    on_network(NODES, cut_leaders);
}

fn cut_leaders(network: &Network) {
    let cluster = Cluster::across(network, NODES);
    let mut times = Vec::new();
    for round in 0..rounds(1) {
        let victim = (round % 3) as usize;
        let key = key_led_by(&cluster, victim);
        let mut client = cluster.nodes[(victim + 1) % 3].client();
        client.check(&format!("SET {key} before"), "+OK");
        let set_links = |work: bool| {
            for other in (0..NODES).filter(|other| *other != victim) {
                network.set_link(victim, other, work);
                network.set_link(other, victim, work);
            }
        };
        set_links(false);
        times.push(gap_of(&mut client, &key, round));
        set_links(true);
        cluster.wait_until_ready(NODES);
    }
    tell("cut off", times, SILENT_MAX);
}
