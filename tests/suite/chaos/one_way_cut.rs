//! Links between nodes that lose everything in one direction, for long or again and again.
//!
//! Each node is at a place of a network of its own, and clients reach every node all the time: what they see is what the
//! nodes make of it. A node that hears another and is not heard by it can neither follow nor lead with it; the third one
//! hears both, so every partition has a majority that can.

use std::time::{Duration, Instant};

use narf_tests::{Network, eventually, skip_unless_narf};

use super::load::Load;
use super::probes::{Gap, Probes, Watch};
use super::{is_long, on_network, percentiles, rounds, settle};
use crate::nodes::Cluster;

const NODES: usize = 3;
const PARTITIONS: usize = 8;
/// A link that flaps changes after so long.
const FLAP: Duration = Duration::from_millis(500);
/// The longest time without a write of a client whose node has both its links.
const GAP_MAX: Duration = Duration::from_secs(3);
/// Terms that one cut may cost a partition.
const TERMS_MAX: i64 = 5;

/// A cut as it was.
struct Cut {
    flaps: bool,
    from: usize,
    to: usize,
    begin: Instant,
    healed: Instant,
    /// By so many the term of some partition grew.
    terms: i64,
}

/// The directed link that the cut of this round is about.
fn link_of(round: u64) -> (usize, usize) {
    let links = [(0, 1), (1, 2), (2, 0), (1, 0), (2, 1), (0, 2)];
    links[(round % 6) as usize]
}

#[test]
fn one_way_cut() {
    if skip_unless_narf() {
        return;
    }
    on_network(NODES, cut_links);
}

fn cut_links(network: &Network) {
    let length = if is_long() { Duration::from_secs(15) } else { Duration::from_secs(4) };
    let cluster = Cluster::across(network, NODES);
    let load = Load::start(&cluster.nodes, 3);
    load.wait_for(100);
    let (probes, watch) =
        (Probes::start(&cluster.nodes, &load.places), Watch::start(&cluster.nodes, &load.places));
    eventually("terms of all partitions", || (watch.terms().len() == PARTITIONS).then_some(()));
    let mut cuts = Vec::new();
    // One of each kind at least.
    for round in 0..rounds(2).max(2) {
        let (from, to) = link_of(round / 2);
        let (flaps, begin, terms) = (round % 2 == 1, Instant::now(), watch.terms());
        let mut works = true;
        while begin.elapsed() < length {
            works = flaps && !works;
            network.set_link(from, to, works);
            std::thread::sleep(if flaps { FLAP } else { length });
        }
        if !works {
            network.set_link(from, to, true);
        }
        let healed = Instant::now();
        cluster.wait_until_ready(NODES);
        let terms = watch.terms().iter().map(|(partition, term)| term - terms[partition]).max().unwrap();
        cuts.push(Cut { flaps, from, to, begin, healed, terms });
    }
    let (gaps, longest_answer) = probes.end();
    let seen = watch.end();
    let (acknowledged, failures) = settle(&cluster, load);
    for flaps in [false, true] {
        let longest = |cut: &&Cut, is_end: bool| {
            let counts = |gap: &&Gap| {
                let is_of_end = [cut.from, cut.to].contains(&gap.node);
                is_of_end == is_end && gap.from < cut.healed && gap.to > cut.begin
            };
            gaps.iter().filter(counts).map(|gap| gap.to - gap.from).max().unwrap_or_default()
        };
        let of_kind: Vec<&Cut> = cuts.iter().filter(|cut| cut.flaps == flaps).collect();
        let of_ends = of_kind.iter().map(|cut| longest(cut, true)).collect();
        let of_third: Vec<Duration> = of_kind.iter().map(|cut| longest(cut, false)).collect();
        let terms = of_kind.iter().map(|cut| cut.terms).max().unwrap();
        let kind = if flaps { "a link that flaps" } else { "a link that is cut" };
        println!("one-way-cut, {kind}, no write by way of the third node: {}", percentiles(of_third.clone()));
        println!("one-way-cut, {kind}, no write by way of one of its ends: {}", percentiles(of_ends));
        println!("one-way-cut, {kind}: terms grew by {terms} at most");
        assert!(terms <= TERMS_MAX, "terms grew by {terms}");
        assert!(of_third.iter().all(|gap| *gap <= GAP_MAX), "{of_third:?}");
    }
    assert!(seen.wrong.is_empty(), "{:#?}", seen.wrong);
    println!(
        "one-way-cut: {} cuts, {acknowledged} writes acknowledged, none lost; {} were not; {} leads seen, one a term; \
         the longest answer took {longest_answer:.2?}",
        cuts.len(),
        failures.len(),
        seen.leaders.len()
    );
}
