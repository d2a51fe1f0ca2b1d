//! Two nodes with data and a witness, as real processes: any one of them may be killed while clients write.

use std::sync::atomic::Ordering;
use std::time::Duration;

use narf_tests::{DEADLINE, Data, Kind, Options, Server, eventually, skip_unless_narf, within};
use tempfile::TempDir;

use crate::chaos::load::{Load, audit};
use crate::nodes::{options, write_anyhow};

/// The one of [`Witnessed`] that holds no data.
const WITNESS: usize = 2;
/// How long a client may have to wait for its write when one of them is lost.
const GAP_MAX: Duration = Duration::from_secs(2);

/// Two nodes with data, and behind them one that votes only.
struct Witnessed {
    _runtime: TempDir,
    nodes: Vec<Server>,
}

impl Witnessed {
    fn start() -> Witnessed {
        let runtime = TempDir::with_prefix("narf-run-").unwrap();
        let options = || options(&runtime.path().join("run"));
        let mut nodes: Vec<Server> = (0..2).map(|_| Server::start(options())).collect();
        nodes.push(Server::start(options().variable("NARF_WITNESS", "yes")));
        let cluster = Witnessed { _runtime: runtime, nodes };
        cluster.wait_until_ready();
        cluster
    }

    /// Waits until each node says that it has all that it is to have, and that one may be lost.
    #[track_caller]
    fn wait_until_ready(&self) {
        for node in &self.nodes {
            let mut client = node.client3();
            let mut status = client.run("FABRIC STATUS");
            let is_ready = within(DEADLINE, || {
                status = client.run("FABRIC STATUS");
                let number = |name: &str| status.field(name).map(|value| value.int());
                let is_so = status.field("state")?.text() == "ready"
                    && number("nodes-up") == Some(3)
                    && number("witnesses") == Some(1)
                    && number("replicas") == Some(2)
                    && number("may-lose") == Some(1);
                is_so.then_some(())
            });
            assert!(is_ready.is_some(), "waited {DEADLINE:?} in vain for a node that is ready: {status}");
        }
    }
}

impl Drop for Witnessed {
    fn drop(&mut self) {
        self.nodes.iter_mut().for_each(Server::kill9);
    }
}

#[test]
fn any_one_of_two_nodes_and_a_witness_may_die_under_load() {
    if skip_unless_narf() {
        return;
    }
    let mut cluster = Witnessed::start();
    let load = Load::start(&cluster.nodes, 8);
    let mut gaps = Vec::new();
    for victim in [0, 1, WITNESS] {
        load.wait_for(500);
        load.set_place(victim, None);
        let mut client = cluster.nodes[(victim + 1) % 2].client();
        cluster.nodes[victim].kill9();
        // Keys enough that the lost one led some of them.
        let write = |key| write_anyhow(&mut client, &format!("SET gap:{key} {victim}"));
        let gap = (0..20).map(write).sum::<Duration>();
        assert!(gap <= GAP_MAX, "{gap:?} without node {victim}");
        gaps.push(gap);
        load.wait_for(500);
        cluster.nodes[victim].restart();
        load.set_place(victim, Some(cluster.nodes[victim].address()));
        cluster.wait_until_ready();
    }
    let acknowledged = load.acknowledged.load(Ordering::Relaxed);
    let ledgers = load.stop();
    cluster.wait_until_ready();
    for node in &cluster.nodes {
        let (checked, wrong) = audit(std::slice::from_ref(node), &ledgers);
        assert!(wrong.is_empty(), "{} of {checked}: {wrong:#?}", wrong.len());
    }
    println!("two nodes and a witness: {acknowledged} writes acknowledged, none lost; gaps {gaps:.2?}");
}

#[test]
fn a_witness_says_what_it_is_and_serves_clients_by_the_others() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Witnessed::start();
    let mut client = cluster.nodes[WITNESS].client3();
    for number in 0..50 {
        client.check(&format!("SET key:{number} {number}"), "+OK");
        client.check(&format!("GET key:{number}"), &format!("\"{number}\""));
    }
    client.check("DBSIZE", ":50");
    assert_eq!(cluster.nodes[WITNESS].info("narf_node_kind").as_deref(), Some("witness"));
    assert_eq!(cluster.nodes[WITNESS].info("narf_nodes_that_may_be_lost").as_deref(), Some("1"));
    assert_eq!(cluster.nodes[WITNESS].info("db0"), None, "it has no keys");
    let members = client.run("FABRIC MEMBERS");
    let kinds: Vec<String> = members.items().iter().filter_map(|m| Some(m.field("kind")?.text())).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "witness").count(), 1, "{members}");
    for partition in client.run("FABRIC MAP").items() {
        let nodes: Vec<String> =
            partition.field("nodes").unwrap().items().iter().map(|node| node.text()).collect();
        assert_eq!(nodes.len(), 3, "{partition}");
        assert!(nodes[2].ends_with(" (witness)") && !nodes[0].contains('('), "{partition}");
    }
    let slots = client.run("CLUSTER SLOTS").to_string();
    assert!(!slots.contains(&cluster.nodes[WITNESS].port().to_string()), "{slots}");
}

#[test]
fn a_witness_joins_and_never_founds_or_takes_data() {
    if skip_unless_narf() {
        return;
    }
    let runtime = TempDir::with_prefix("narf-run-").unwrap();
    let start = || {
        Options::new()
            .kind(Kind::Narf)
            .data(Data::Temporary)
            .runtime(&runtime.path().join("run"))
            .set("partitions", 4)
    };
    let (_, log) = Server::start_in_vain(start().variable("NARF_WITNESS", "yes"));
    assert!(log.contains("cannot found a cluster"), "{log}");
    let (_, log) = Server::start_in_vain(start().variable("NARF_WITNESS", "yes").set("join", "none"));
    assert!(log.contains("use --join TOKEN"), "{log}");
    let first = Server::start(start());
    let mut witness = Server::start(start().variable("NARF_WITNESS", "yes"));
    let mut client = witness.client3();
    eventually("a word on a lone node", || {
        client.run("FABRIC CHECK").to_string().contains("neither copies nor votes help").then_some(())
    });
    write_anyhow(&mut client, "SET k v");
    assert_eq!(first.client3().run("FABRIC STATUS").field("may-lose").map(|value| value.int()), Some(0));
    // It is a witness for good, whether it is told so again or not.
    witness.restart_with(|options| options.variable("NARF_WITNESS", "no"));
    let mut client = witness.client3();
    eventually("the key by way of the other", || (client.run("GET k").text() == "v").then_some(()));
    assert_eq!(witness.info("narf_node_kind").as_deref(), Some("witness"));
}
