//! A cluster is brought to another version node by node while clients write, one node goes back on the way, and at the end
//! the older version is refused.
//!
//! The other version is the example `next_level`: this program, knowing one level more.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use narf_tests::{DEADLINE, Server, eventually, narf_binary, skip, skip_unless_narf, within};

use super::load::Load;
use super::probes::Probes;
use super::settle;
use crate::nodes::{Cluster, options};

/// Longest that a partition takes no write while a node is replaced.
const GAP_MAX: Duration = Duration::from_secs(2);
const REFUSED: &str = "level 2 is in force, and this program knows level 1";

/// The program of the next level, if it was built.
fn next_level() -> Option<PathBuf> {
    Some(narf_binary().with_file_name("examples").join("next_level")).filter(|path| path.is_file())
}

/// `narf cluster upgrade`, asked of a node.
fn upgrade(node: &Server, words: &[&str]) -> Output {
    let url = format!("redis://{}", node.address());
    let words = ["cluster", "upgrade"].iter().chain(words);
    Command::new(narf_binary()).args(words).env("NARF_URL", url).output().unwrap()
}

struct Upgrade {
    cluster: Cluster,
    load: Load,
    next: String,
}

impl Upgrade {
    /// Gives a node the next program, or the old one again; how long others could not write to some partition meanwhile.
    fn replace(&mut self, number: usize, is_next: bool) -> Duration {
        let probes = Probes::start(&self.cluster.nodes, &self.load.places);
        self.load.wait_for(300);
        self.load.set_place(number, None);
        let program: Vec<&str> = if is_next { vec![&self.next] } else { vec![] };
        self.cluster.nodes[number].restart_with(|options| options.under(&program));
        self.load.set_place(number, Some(self.cluster.nodes[number].address()));
        self.cluster.wait_until_ready(3);
        self.load.wait_for(300);
        let (gaps, _) = probes.end();
        // Whoever speaks to the node that is away does so in vain, and goes to another.
        let of_others = gaps.iter().filter(|gap| gap.node != number).map(|gap| gap.to - gap.from);
        of_others.max().unwrap_or_default()
    }

    fn said(&self, words: &[&str]) -> String {
        let output = upgrade(&self.cluster.nodes[0], words);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }
}

/// It does not start from its folder, and says why.
fn is_refused(node: &mut Server) {
    node.expect_log(REFUSED);
    node.begin_again();
    let has_ended = within(DEADLINE, || node.has_ended().then_some(()));
    assert!(has_ended.is_some(), "an older program goes on: {}", node.log());
    assert!(!node.wait().success() && node.log().contains(REFUSED), "{}", node.log());
}

#[test]
fn rolling_upgrade() {
    if skip_unless_narf() {
        return;
    }
    let Some(next) = next_level() else {
        return skip("no program of the next level: cargo build -p narf --example next_level");
    };
    let mut cluster = Cluster::of(3);
    cluster.nodes.iter_mut().for_each(|node| node.expect_log("a node was turned away"));
    let load = Load::start(&cluster.nodes, 8);
    let mut it = Upgrade { cluster, load, next: next.to_string_lossy().into_owned() };
    let mut gaps = Vec::new();
    for (number, is_next) in [(0, true), (1, true), (1, false), (1, true)] {
        gaps.push(it.replace(number, is_next));
    }
    let told = it.said(&[]);
    assert!(told.contains("level 1 is in force; level 2 waits for "), "{told}");
    let refused = it.said(&["--finish"]);
    assert!(refused.contains("which knows level 1; start it with a newer version"), "{refused}");
    gaps.push(it.replace(2, true));
    let told = eventually("all have said what they know", || {
        Some(it.said(&[])).filter(|told| told.contains("all know level 2"))
    });
    assert!(told.contains("--finish"), "{told}");
    // One that is away meanwhile has not heard of it: its folder lets the older program start, and the others do not let it in.
    it.load.set_place(2, None);
    it.cluster.nodes[2].stop();
    it.cluster.nodes[2].change(|options| options.under(&[]));
    assert_eq!(it.said(&["--finish"]), "level 2 is in force\n");
    it.load.wait_for(300);
    is_refused(&mut it.cluster.nodes[2]);
    let next = it.next.clone();
    it.cluster.nodes[2].change(|options| options.under(&[&next]));
    it.cluster.nodes[2].begin_again();
    it.cluster.nodes[2].wait_until_up();
    it.cluster.wait_until_ready(3);
    eventually("it has heard of the level", || {
        let told = it.cluster.nodes[2].client3().run("FABRIC UPGRADE").items();
        (told.first()?.field("level")?.int() == 2).then_some(())
    });

    // From there on neither from its folder nor as a newcomer does the older program come in.
    it.cluster.nodes[2].stop();
    it.cluster.nodes[2].change(|options| options.under(&[]));
    is_refused(&mut it.cluster.nodes[2]);
    assert!(it.cluster.nodes[2].log().contains("start from "), "{}", it.cluster.nodes[2].log());
    let newcomer = options(&it.cluster.runtime_path()).expect_log(REFUSED);
    let (status, log) = Server::start_in_vain(newcomer);
    assert!(!status.success() && log.contains(REFUSED), "{log}");
    gaps.push(it.replace(2, true));

    let longest = gaps.iter().max().copied().unwrap_or_default();
    let (acknowledged, failures) = settle(&it.cluster, it.load);
    // Who wrote through a node that went was not answered; who wrote through another should have been told of no error.
    let errors: Vec<_> = failures.iter().filter(|failure| !failure.ends_with(": nothing")).collect();
    println!(
        "rolling-upgrade: {acknowledged} writes acknowledged, none lost, {} were not; longest gaps {gaps:.2?}",
        failures.len()
    );
    assert!(errors.is_empty(), "{errors:#?}");
    assert!(longest <= GAP_MAX, "{gaps:?}");
}
