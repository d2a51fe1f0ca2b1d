//! Nodes are added, taken away and replaced under load, while others are killed in the middle of it.
//!
//! The cluster goes from three nodes to five and back, over and over. In each change one node dies at some moment and
//! comes back at once: one that was there before, or the newcomer itself. Who was struck off is refused when it comes
//! back with its old data.

use std::time::{Duration, Instant};

use base::Random;
use narf_tests::{DEADLINE, Server, Signal, env_number, signal, skip, skip_unless_narf, within};

use super::load::Load;
use super::probes::Watch;
use super::{is_long, percentiles, rounds, settle, strike_off};
use crate::nodes::Cluster;

/// A kill comes so long after its change has begun, at most.
const KILL_WITHIN_MS: u64 = 800;
/// A change, with all data where it is to be afterwards, takes no longer.
const CHANGE_MAX: Duration = Duration::from_secs(60);

/// What becomes of the cluster, in turn.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// A node joins; the newcomer is killed on the way.
    Add,
    /// A node joins while another dies.
    AddBesideDeath,
    /// The last node leaves while another dies.
    Leave,
    /// A node is lost for good and struck off, another one takes its place, and the lost one comes back.
    Replace,
}

const CHANGES: [Change; 5] =
    [Change::AddBesideDeath, Change::Add, Change::Leave, Change::Replace, Change::Leave];

struct Chaos {
    cluster: Cluster,
    load: Load,
    random: Random,
    kills: u64,
    refused: u64,
}

impl Chaos {
    fn run(&mut self, change: Change) {
        self.load.wait_for(300);
        match change {
            Change::Add | Change::AddBesideDeath => {
                self.cluster.begin_to_grow();
                let newcomer = self.cluster.nodes.len() - 1;
                let victim = match change {
                    Change::Add => newcomer,
                    _ => self.random.below(newcomer as u64) as usize,
                };
                self.kill_soon(victim);
                self.cluster.nodes[newcomer].wait_until_up();
            }
            Change::Leave => {
                let leaver = self.cluster.nodes.len() - 1;
                self.load.set_place(leaver, None);
                signal(self.cluster.nodes[leaver].pid(), Signal::Interrupt);
                let victim = self.random.below(leaver as u64) as usize;
                self.kill_soon(victim);
                assert!(self.cluster.nodes[leaver].wait().success(), "{}", self.cluster.nodes[leaver].log());
                self.cluster.nodes.truncate(leaver);
            }
            Change::Replace => self.replace(),
        }
        self.load.set_places(&self.cluster.nodes);
        self.cluster.wait_until_ready_within(self.cluster.nodes.len(), CHANGE_MAX);
    }

    /// Kills a node at some moment, and starts it again.
    fn kill_soon(&mut self, victim: usize) {
        let moment = Duration::from_millis(self.random.below(KILL_WITHIN_MS));
        std::thread::sleep(moment);
        self.kills += 1;
        self.load.set_place(victim, None);
        self.cluster.nodes[victim].kill9();
        self.cluster.nodes[victim].restart();
        self.load.set_places(&self.cluster.nodes);
    }

    fn replace(&mut self) {
        let victim = self.random.below(self.cluster.nodes.len() as u64) as usize;
        let name = self.cluster.nodes[victim].client3().run("FABRIC STATUS").field("node").unwrap().text();
        self.kills += 1;
        self.load.set_place(victim, None);
        self.cluster.nodes[victim].kill9();
        let mut lost = self.cluster.nodes.remove(victim);
        self.load.set_places(&self.cluster.nodes);
        let mut client = self.cluster.nodes[0].client();
        strike_off(&mut client, &name);
        self.cluster.begin_to_grow();
        let newcomer = self.cluster.nodes.len() - 1;
        let beside = self.random.below(newcomer as u64) as usize;
        self.kill_soon(beside);
        self.cluster.nodes[newcomer].wait_until_up();
        self.is_refused(&mut lost);
    }

    /// A node that was struck off comes back as if nothing had happened.
    fn is_refused(&mut self, lost: &mut Server) {
        lost.expect_log("removed from its cluster");
        lost.begin_again();
        let has_ended = within(DEADLINE, || lost.has_ended().then_some(()));
        assert!(has_ended.is_some(), "a node that was struck off stays: {}", lost.log());
        assert!(!lost.wait().success(), "{}", lost.log());
        assert!(lost.log().contains("removed from its cluster"), "{}", lost.log());
        self.refused += 1;
    }
}

#[test]
fn membership_chaos() {
    if skip_unless_narf() {
        return;
    }
    // A node that is lost is taken for down after ten seconds of silence.
    if !is_long() {
        return skip("long, run by: cargo xtask chaos membership-chaos");
    }
    let cluster = Cluster::of(3);
    let load = Load::start(&cluster.nodes, 8);
    let watch = Watch::start(&cluster.nodes, &load.places);
    let random = Random::new(env_number("NARF_TEST_SEED", 1));
    let mut chaos = Chaos { cluster, load, random, kills: 0, refused: 0 };
    let mut times = Vec::new();
    // Whole rounds only: they end with as many nodes as they began with.
    let changes = rounds(5).next_multiple_of(CHANGES.len() as u64);
    for change in (0..changes).map(|round| CHANGES[(round % CHANGES.len() as u64) as usize]) {
        let begin = Instant::now();
        chaos.run(change);
        times.push(begin.elapsed());
        println!(
            "membership-chaos: {change:?} took {:.2?}, {} nodes",
            begin.elapsed(),
            chaos.cluster.nodes.len()
        );
    }
    let Chaos { cluster, load, kills, refused, .. } = chaos;
    let seen = watch.end();
    let fewest = seen.fewest.expect("nodes were asked");
    let (acknowledged, failures) = settle(&cluster, load);
    assert!(seen.wrong.is_empty(), "{:#?}", seen.wrong);
    assert!(fewest >= 2, "a partition was to be held by {fewest} alone");
    println!(
        "membership-chaos: {} leads seen, one a term, each held by {fewest} at least",
        seen.leaders.len()
    );
    println!("membership-chaos, a change and all data at rest: {}", percentiles(times));
    println!(
        "membership-chaos: {changes} changes, {kills} kills, {refused} struck off and refused; {acknowledged} writes \
         acknowledged, none lost; {} were not",
        failures.len()
    );
}
