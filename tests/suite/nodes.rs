//! Several nodes of one user on one machine, as the tests of a cluster start them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use narf_tests::{Client, DEADLINE, Data, Kind, Network, Options, Server, eventually, within};
use tempfile::TempDir;

/// Nodes of one user on one machine.
pub(crate) struct Cluster {
    runtime: TempDir,
    pub(crate) nodes: Vec<Server>,
}

impl Cluster {
    /// So many nodes, with data folders, that have all their data.
    pub(crate) fn of(count: usize) -> Cluster {
        Cluster::with(count, |_, options| options)
    }

    /// The same, each with options of its own.
    pub(crate) fn with(count: usize, change: impl Fn(usize, Options) -> Options) -> Cluster {
        let runtime = TempDir::with_prefix("narf-run-").unwrap();
        let mut nodes = Vec::new();
        for number in 0..count {
            nodes.push(Server::start(change(number, options(&runtime.path().join("run")))));
        }
        let cluster = Cluster { runtime, nodes };
        cluster.wait_until_ready(count);
        cluster
    }

    /// A node at each of the first places of a network, so many.
    pub(crate) fn across(network: &Network, count: usize) -> Cluster {
        let runtime = TempDir::with_prefix("narf-run-").unwrap();
        let mut cluster = Cluster { runtime, nodes: Vec::new() };
        for place in 0..count {
            cluster.nodes.push(Server::start(cluster.options_at(network, place)));
        }
        cluster.wait_until_ready(count);
        cluster
    }

    /// How a node of this cluster is started at a place of a network.
    pub(crate) fn options_at(&self, network: &Network, place: usize) -> Options {
        let wrapper = network.wrapper(place);
        let words: Vec<&str> = wrapper.iter().map(String::as_str).collect();
        options(&self.runtime.path().join("run")).host(network.address(place)).under(&words)
    }

    /// Waits until each of the first `count` nodes says that it has all its data, and knows so many nodes in all.
    #[track_caller]
    pub(crate) fn wait_until_ready(&self, count: usize) {
        self.wait_until_ready_within(count, DEADLINE);
    }

    /// The same, if a lot is to be moved before that.
    #[track_caller]
    pub(crate) fn wait_until_ready_within(&self, count: usize, limit: Duration) {
        for node in &self.nodes[..count] {
            let mut client = node.client3();
            let mut status = client.run("FABRIC STATUS");
            let is_ready = within(limit, || {
                status = client.run("FABRIC STATUS");
                let number = |name: &str| status.field(name).map(|value| value.int());
                let is_so = status.field("state")?.text() == "ready"
                    && number("nodes-up") == Some(count as i64)
                    && number("replicas") == Some(count.min(3) as i64)
                    && number("may-lose") == Some((count.min(3) as i64 - 1) / 2);
                is_so.then_some(())
            });
            assert!(is_ready.is_some(), "waited {limit:?} in vain for a node that is ready: {status}");
        }
    }

    /// Waits until all nodes, each of which holds everything, hold the same; what they hold if they do not.
    pub(crate) fn compare_replicas(&self) -> Result<(), Vec<String>> {
        assert!(self.nodes.len() <= 3, "each node holds everything");
        let mut clients: Vec<Client> = self.nodes.iter().map(Server::client).collect();
        let mut digests = Vec::new();
        let are_equal = within(DEADLINE, || {
            digests = clients.iter_mut().map(|client| client.run("DEBUG DIGEST").text()).collect();
            digests.iter().all(|digest| *digest == digests[0]).then_some(())
        });
        are_equal.ok_or(digests)
    }

    /// One more.
    pub(crate) fn grow(&mut self) {
        self.nodes.push(Server::start(options(&self.runtime.path().join("run"))));
    }

    /// The same, without waiting for it.
    pub(crate) fn begin_to_grow(&mut self) {
        self.nodes.push(Server::begin(options(&self.runtime.path().join("run"))));
    }

    /// The folder by which nodes of the same user find each other.
    pub(crate) fn runtime_path(&self) -> PathBuf {
        self.runtime.path().join("run")
    }

    pub(crate) fn kill_all(&mut self) {
        self.nodes.iter_mut().for_each(Server::kill9);
    }
}

/// Nothing is left to hand over when all are stopped at once.
impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill_all();
    }
}

pub(crate) fn options(runtime: &Path) -> Options {
    default_options(runtime).set("partitions", 8)
}

/// Nothing is set but what keeps them apart from others.
pub(crate) fn default_options(runtime: &Path) -> Options {
    Options::new().kind(Kind::Narf).data(Data::Temporary).runtime(runtime)
}

/// Writes until it is told that it was done; how long that took.
pub(crate) fn write_anyhow(client: &mut Client, line: &str) -> Duration {
    let begin = Instant::now();
    eventually("a write that succeeds", || (client.run(line).text() == "OK").then_some(()));
    begin.elapsed()
}
