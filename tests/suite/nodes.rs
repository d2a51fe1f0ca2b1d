//! Several nodes of one user on one machine, as the tests of a cluster start them.

use std::path::Path;
use std::time::{Duration, Instant};

use narf_tests::{Client, DEADLINE, Data, Kind, Options, Server, eventually, within};
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

    /// Waits until each node says that it has all its data, and knows `count` nodes in all.
    #[track_caller]
    pub(crate) fn wait_until_ready(&self, count: usize) {
        for node in &self.nodes {
            let mut client = node.client3();
            let mut status = client.run("FABRIC STATUS");
            let is_ready = within(DEADLINE, || {
                status = client.run("FABRIC STATUS");
                let number = |name: &str| status.field(name).map(|value| value.int());
                let is_so = status.field("state")?.text() == "ready"
                    && number("nodes-up") == Some(count as i64)
                    && number("replicas") == Some(count.min(3) as i64)
                    && number("may-lose") == Some((count.min(3) as i64 - 1) / 2);
                is_so.then_some(())
            });
            assert!(is_ready.is_some(), "waited {DEADLINE:?} in vain for a node that is ready: {status}");
        }
    }

    /// One more.
    pub(crate) fn grow(&mut self) {
        self.nodes.push(Server::start(options(&self.runtime.path().join("run"))));
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
