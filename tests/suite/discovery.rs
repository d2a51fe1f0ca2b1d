//! Nodes of different machines that find each other by multicast DNS. The machines are network namespaces on a bridge,
//! which the test makes where root lets it; elsewhere it says that it was skipped.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use narf_tests::{
    DEADLINE, Network, Signal, dies_with_its_parent, eventually, narf_binary, signal, skip, skip_unless_narf,
    within,
};
use serde_json::Value as Json;
use tempfile::TempDir;

/// Machines on a network, from number 1 on, whose addresses end so at first.
struct Lan {
    network: Network,
    folder: TempDir,
}

impl Lan {
    /// None, with the reason told, where networks cannot be made.
    fn of(machines: usize) -> Option<Lan> {
        let network = Network::switched(machines).map_err(|reason| skip(&reason)).ok()?;
        let lan = Lan { network, folder: TempDir::with_prefix("narf-lan-").unwrap() };
        (1..=machines).for_each(|number| lan.move_to(number, number as u8));
        Some(lan)
    }

    /// Gives a machine another address.
    fn move_to(&self, machine: usize, last: u8) {
        self.network.move_to(machine - 1, Ipv4Addr::new(10, 77, 0, last));
    }

    /// `narf` on a machine.
    fn narf(&self, machine: usize, words: &[&str]) -> Command {
        let wrapper = self.network.wrapper(machine - 1);
        let mut command = Command::new(&wrapper[0]);
        command.args(&wrapper[1..]).arg(narf_binary()).args(words).env_clear();
        let runtime = self.folder.path().join(format!("run{machine}"));
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("NARF_RUNTIME_DIR", runtime);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn output(&self, machine: usize, words: &[&str]) -> Output {
        self.narf(machine, words).output().unwrap()
    }

    /// The answer of the node on a machine, once it has one.
    fn json(&self, machine: usize, words: &[&str]) -> Option<Json> {
        let output = self.output(machine, &[words, &["-o", "json"]].concat());
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
    }

    /// Starts a node; its data is the machine's.
    fn serve(&self, machine: usize, words: &[&str]) -> Node {
        let log = self.folder.path().join(format!("log{machine}"));
        let data = format!("data{machine}");
        let usual = ["serve", "--partitions", "4", "--workers", "1", "--data", &data];
        let mut command = self.narf(machine, &[&usual, words].concat());
        let file = File::options().create(true).append(true).open(&log).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        dies_with_its_parent(&mut command);
        Node { child: command.spawn().unwrap(), log }
    }

    #[track_caller]
    fn wait_for_nodes(&self, machine: usize, count: i64, node: &Node) {
        let mut last = None;
        let is_so = within(DEADLINE, || {
            last = self.json(machine, &["cluster", "status"]);
            let status = last.as_ref()?;
            (status["nodes-up"] == count && status["state"] == "ready").then_some(())
        });
        assert!(is_so.is_some(), "no {count} nodes: {last:?}; log:\n{}", node.log());
    }

    /// Names and addresses of the nodes seen from a machine, and their clusters' ids.
    fn seen_from(&self, machine: usize) -> Vec<(String, String, String)> {
        let output = self.output(machine, &["cluster", "discover", "--for", "2", "-o", "json"]);
        let seen: Vec<Json> = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(if seen.is_empty() { 5 } else { 0 }));
        let text = |node: &Json, field: &str| node[field].as_str().unwrap().to_owned();
        let mut seen: Vec<_> = seen
            .iter()
            .map(|node| (text(node, "name"), text(node, "peer-address"), text(node, "cluster-id")))
            .collect();
        seen.sort();
        seen
    }
}

/// A node on a machine; killed when dropped.
struct Node {
    child: Child,
    log: PathBuf,
}

impl Node {
    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    fn end(&mut self, how: Signal) {
        signal(self.child.id(), how);
        eventually("a node that stops", || self.child.try_wait().unwrap());
    }

    /// Waits for it to give up; what it said.
    fn gives_up(&mut self) -> String {
        let status = eventually("a node that gives up", || self.child.try_wait().unwrap());
        assert!(!status.success());
        self.log()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const OPEN: [&str; 3] = ["--bind", "0.0.0.0", "--insecure"];

#[test]
fn a_node_is_found_on_its_network_and_lets_in_who_has_a_token() {
    if skip_unless_narf() {
        return;
    }
    let Some(lan) = Lan::of(3) else { return };
    let first = lan.serve(1, &[&OPEN[..], &["--name", "first"]].concat());
    lan.wait_for_nodes(1, 1, &first);
    assert_eq!(lan.output(1, &["set", "k", "v"]).status.code(), Some(0));

    // Seen from a machine without a node.
    let seen = eventually("a node that is seen", || {
        let seen = lan.seen_from(3);
        (!seen.is_empty()).then_some(seen)
    });
    let cluster = seen[0].2.clone();
    assert_eq!(seen, [("first".to_owned(), "10.77.0.1:16379".to_owned(), cluster.clone())]);

    // A token of which the address has gone: any node of its cluster that is seen will do.
    let token = String::from_utf8(lan.output(1, &["cluster", "invite"]).stdout).unwrap();
    let (pass, address) = token.trim().rsplit_once(".10.").unwrap();
    assert_eq!(address, "77.0.1:16379");
    let stale = format!("{pass}.10.77.0.99:16379");
    let mut wrong = stale.clone();
    // Another secret: being found lets nobody in.
    let at = "narf1.".len() + 64 + 1;
    let digit = if &wrong[at..=at] == "0" { "1" } else { "0" };
    wrong.replace_range(at..=at, digit);
    let refused = lan.serve(2, &[&OPEN[..], &["--join", &wrong]].concat()).gives_up();
    assert!(refused.contains("does not let this node in"), "{refused}");
    // And one that looks at no network finds nobody.
    let blind = lan.serve(2, &[&OPEN[..], &["--join", &stale, "--mdns", "no"]].concat());
    // Nor does one that those it would find could not reach, though its token leads to its own machine.
    let lost = lan.serve(2, &["--join", &format!("{pass}.127.0.0.1:1")]);
    // One that only its own machine reaches would be no use to the others.
    let closed = lan.serve(3, &["--join", &stale]).gives_up();
    assert!(closed.contains("--bind 0.0.0.0"), "{closed}");
    let second = lan.serve(3, &[&OPEN[..], &["--join", &stale, "--name", "second"]].concat());
    lan.wait_for_nodes(3, 2, &second);
    assert_eq!(lan.output(3, &["get", "k"]).stdout, b"v\n");
    assert!(!blind.log().contains("ready in"), "it cannot know where to ask: {}", blind.log());
    assert!(!lost.log().contains("ready in"), "nobody could reach it: {}", lost.log());
    drop((blind, lost));
    let names = |machine| lan.seen_from(machine).into_iter().map(|seen| (seen.0, seen.2)).collect::<Vec<_>>();
    let both = ["first", "second"].map(|name| (name.to_owned(), cluster.clone()));
    assert_eq!(names(2), both);
}

#[test]
fn nobody_joins_by_being_near_and_a_node_for_its_own_machine_is_not_seen() {
    if skip_unless_narf() {
        return;
    }
    let Some(lan) = Lan::of(3) else { return };
    let mut first = lan.serve(1, &[&OPEN[..], &["--name", "first"]].concat());
    lan.wait_for_nodes(1, 1, &first);
    // The same name of a cluster, the same network, and no token.
    let second = lan.serve(2, &[&OPEN[..], &["--name", "second"]].concat());
    let third = lan.serve(3, &["--name", "third"]);
    lan.wait_for_nodes(2, 1, &second);
    lan.wait_for_nodes(3, 1, &third);
    let seen = eventually("two clusters", || {
        let seen = lan.seen_from(3);
        (seen.len() == 2).then_some(seen)
    });
    assert_eq!((&*seen[0].0, &*seen[1].0), ("first", "second"));
    assert_ne!(seen[0].2, seen[1].2, "each is of a cluster of its own");
    lan.wait_for_nodes(1, 1, &first);
    // One that stops says goodbye.
    first.end(Signal::Terminate);
    let seen: Vec<String> = lan.seen_from(3).into_iter().map(|seen| seen.0).collect();
    assert_eq!(seen, ["second"]);
}

#[test]
fn members_that_all_have_new_addresses_find_each_other() {
    if skip_unless_narf() {
        return;
    }
    let Some(lan) = Lan::of(2) else { return };
    let mut first = lan.serve(1, &OPEN);
    lan.wait_for_nodes(1, 1, &first);
    let token = String::from_utf8(lan.output(1, &["cluster", "invite"]).stdout).unwrap();
    let mut second = lan.serve(2, &[&OPEN[..], &["--join", token.trim()]].concat());
    lan.wait_for_nodes(2, 2, &second);
    assert_eq!(lan.output(2, &["set", "k", "v"]).status.code(), Some(0));
    // As a power cut would, after which every machine is given another address.
    first.end(Signal::Kill);
    second.end(Signal::Kill);
    lan.move_to(1, 101);
    lan.move_to(2, 102);
    let (first, second) = (lan.serve(1, &OPEN), lan.serve(2, &OPEN));
    lan.wait_for_nodes(1, 2, &first);
    lan.wait_for_nodes(2, 2, &second);
    for machine in [1, 2] {
        assert_eq!(lan.output(machine, &["get", "k"]).stdout, b"v\n");
    }
}
