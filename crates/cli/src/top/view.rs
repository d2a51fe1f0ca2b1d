//! The views: what is shown of nodes, made from two samples of each.
//!
//! Pure. Rates are those between the two samples of a node; counters that were reset meanwhile count as zero.

use std::collections::BTreeMap;

use super::poll::Node;
use super::sample::{Calls, Sample};
use super::table::{Cell, Table};
use crate::render;

/// What can be looked at.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// A line a node
    Nodes,
    /// Commands of all nodes together
    Commands,
    /// Clients of all nodes
    Clients,
    /// Requests that took long
    Slow,
    /// Keys that are asked for most, while it is looked at
    Hot,
}

impl View {
    pub(super) const ALL: [View; 5] = [View::Nodes, View::Commands, View::Clients, View::Slow, View::Hot];

    pub(super) fn name(self) -> &'static str {
        match self {
            View::Nodes => "nodes",
            View::Commands => "commands",
            View::Clients => "clients",
            View::Slow => "slow",
            View::Hot => "hot",
        }
    }

    /// The column that rows are sorted by unless another is chosen; none if they come in an order.
    pub(super) fn sorted_by(self) -> Option<usize> {
        match self {
            View::Nodes => Some(0),
            View::Commands => Some(1),
            View::Clients => Some(4),
            View::Slow => None,
            View::Hot => Some(2),
        }
    }

    pub(super) fn table(self, nodes: &[Node]) -> Table {
        match self {
            View::Nodes => Table::new(NODES, nodes.iter().map(node_row).collect()),
            View::Commands => Table::new(COMMANDS, command_rows(nodes)),
            View::Clients => Table::new(CLIENTS, nodes.iter().flat_map(client_rows).collect()),
            View::Slow => {
                // The newest first, also of several nodes.
                let mut rows: Vec<(f64, Vec<Cell>)> = nodes.iter().flat_map(slow_rows).collect();
                rows.sort_by(|(a, _), (b, _)| b.total_cmp(a));
                Table::new(SLOW, rows.into_iter().map(|(_, row)| row).collect())
            }
            View::Hot => Table::new(HOT, hot_rows(nodes)),
        }
    }
}

const NODES: &[&str] = &[
    "node", "address", "state", "ops/s", "clients", "keys", "data", "rss", "in/s", "out/s", "hits%", "cpu%",
    "long/s",
];
const COMMANDS: &[&str] = &["command", "calls/s", "calls", "mean", "rejected"];
const CLIENTS: &[&str] =
    &["client", "name", "user", "node", "cmds/s", "in/s", "out/s", "age", "idle", "db", "sub", "mem", "last"];
const HOT: &[&str] = &["key", "db", "share%", "reads/s", "writes/s", "command", "nodes"];
const SLOW: &[&str] = &["when", "took", "node", "client", "request"];

/// All nodes in a line.
pub(super) fn summary(nodes: &[Node]) -> String {
    let known = || nodes.iter().filter(|node| node.now.is_some());
    let sum = |of: &dyn Fn(&Node) -> f64| known().map(of).sum::<f64>();
    let field = |name: &'static str| sum(&move |node| node.now.as_ref().map_or(0.0, |now| now.number(name)));
    let rate = |name: &'static str| sum(&move |node| node.rate(name));
    let up = known().count();
    let nodes_text = if up == nodes.len() { format!("{up}") } else { format!("{up} of {}", nodes.len()) };
    format!(
        "nodes {nodes_text}   ops/s {}   clients {}   data {}   in/s {}   out/s {}",
        Cell::count(rate("total_commands_processed")).shown(),
        Cell::count(field("connected_clients")).shown(),
        Cell::bytes(field("used_memory_dataset")).shown(),
        Cell::bytes(rate("total_net_input_bytes")).shown(),
        Cell::bytes(rate("total_net_output_bytes")).shown(),
    )
}

impl Node {
    /// Both samples, and the seconds between them.
    fn pair(&self) -> Option<(&Sample, &Sample, f64)> {
        let (before, now) = (self.before.as_ref()?, self.now.as_ref()?);
        let seconds = now.at.saturating_duration_since(before.at).as_secs_f64();
        (seconds > 0.0).then_some((before, now, seconds))
    }

    /// Growth of a field a second.
    fn rate(&self, field: &str) -> f64 {
        let rate = |(before, now, seconds): (&Sample, &Sample, f64)| {
            (now.number(field) - before.number(field)).max(0.0) / seconds
        };
        self.pair().map_or(0.0, rate)
    }
}

fn node_row(node: &Node) -> Vec<Cell> {
    let Some(now) = &node.now else {
        let problem = node.problem.as_deref().unwrap_or("not asked yet");
        let known = [Cell::text(&node.name), Cell::text(&node.address), Cell::text(problem)];
        return known.into_iter().chain((3..NODES.len()).map(|_| Cell::Unknown)).collect();
    };
    let (hits, misses) = (node.rate("keyspace_hits"), node.rate("keyspace_misses"));
    let cpu = node.rate("used_cpu_user") + node.rate("used_cpu_sys");
    vec![
        Cell::text(&node.name),
        Cell::text(&node.address),
        Cell::text(&now.state),
        Cell::count(node.rate("total_commands_processed")),
        Cell::count(now.number("connected_clients")),
        Cell::count(now.keys()),
        Cell::bytes(now.number("used_memory_dataset")),
        Cell::bytes(now.number("used_memory_rss")),
        Cell::bytes(node.rate("total_net_input_bytes")),
        Cell::bytes(node.rate("total_net_output_bytes")),
        if hits + misses > 0.0 {
            Cell::count((100.0 * hits / (hits + misses)).round())
        } else {
            Cell::Unknown
        },
        Cell::count((100.0 * cpu).round()),
        Cell::count(node.rate("narf_turns_over_2ms")),
    ]
}

/// The calls of all nodes together.
fn command_rows(nodes: &[Node]) -> Vec<Vec<Cell>> {
    #[derive(Default)]
    struct Sum {
        rate: f64,
        calls: f64,
        micros: f64,
        timed: f64,
        rejected: f64,
    }
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for node in nodes {
        let Some(now) = &node.now else { continue };
        for (name, calls) in &now.commands {
            let sum = sums.entry(name).or_default();
            let before = node.before.as_ref().and_then(|before| before.commands.get(name).copied());
            let grown = (calls.calls - before.unwrap_or(Calls::default()).calls).max(0.0);
            sum.rate += node.pair().map_or(0.0, |(_, _, seconds)| grown / seconds);
            sum.calls += calls.calls;
            sum.rejected += calls.rejected;
            // How many were timed is not told; calls weigh the means of nodes well enough.
            if calls.micros_each > 0.0 {
                sum.micros += calls.micros_each * calls.calls;
                sum.timed += calls.calls;
            }
        }
    }
    let row = |(name, sum): (&str, Sum)| {
        vec![
            Cell::text(name),
            Cell::count(sum.rate),
            Cell::count(sum.calls),
            if sum.timed > 0.0 { Cell::seconds(sum.micros / sum.timed / 1e6) } else { Cell::Unknown },
            Cell::count(sum.rejected),
        ]
    };
    sums.into_iter().map(row).collect()
}

fn client_rows(node: &Node) -> Vec<Vec<Cell>> {
    let Some(now) = &node.now else { return Vec::new() };
    let before: BTreeMap<&str, &BTreeMap<String, String>> = node
        .before
        .iter()
        .flat_map(|before| &before.clients)
        .filter_map(|client| Some((client.get("id")?.as_str(), client)))
        .collect();
    let number = |client: &BTreeMap<String, String>, name: &str| {
        client.get(name).and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0)
    };
    let row = |client: &BTreeMap<String, String>| {
        let text = |name: &str| Cell::text(client.get(name).map_or("", String::as_str));
        let then = client.get("id").and_then(|id| before.get(id.as_str()));
        let rate = |name: &str| {
            let grown = then.map_or(0.0, |then| number(client, name) - number(then, name)).max(0.0);
            node.pair().map_or(0.0, |(_, _, seconds)| grown / seconds)
        };
        vec![
            text("addr"),
            text("name"),
            text("user"),
            Cell::text(&node.name),
            Cell::count(rate("tot-cmds")),
            Cell::bytes(rate("tot-net-in")),
            Cell::bytes(rate("tot-net-out")),
            Cell::seconds(number(client, "age")),
            Cell::seconds(number(client, "idle")),
            Cell::count(number(client, "db")),
            Cell::count(number(client, "sub") + number(client, "psub") + number(client, "ssub")),
            Cell::bytes(number(client, "tot-mem")),
            text("cmd"),
        ]
    };
    now.clients.iter().map(row).collect()
}

/// When it was, and the row.
fn slow_rows(node: &Node) -> Vec<(f64, Vec<Cell>)> {
    let Some(now) = &node.now else { return Vec::new() };
    let clock = now.number("server_time_usec") / 1e6;
    let row = |slow: &super::sample::Slow| {
        let words: Vec<String> = slow.args.iter().map(|arg| render::quoted_if_needed(arg)).collect();
        // By the node's own clock.
        let ago = if clock > 0.0 { (clock - slow.time).max(0.0) } else { 0.0 };
        let cells = vec![
            Cell::Text(format!("{} ago", Cell::seconds(ago.max(1.0)).shown())),
            Cell::seconds(slow.micros / 1e6),
            Cell::text(&node.name),
            Cell::text(&slow.client),
            Cell::text(&words.join(" ")),
        ];
        (slow.time, cells)
    };
    now.slow.iter().map(row).collect()
}

/// The keys that the clients of all nodes ask for most, and what share of all requests for keys is for each.
fn hot_rows(nodes: &[Node]) -> Vec<Vec<Cell>> {
    #[derive(Default)]
    struct Sum<'a> {
        reads: f64,
        writes: f64,
        /// The command of the node that asks most, and how much that is.
        command: (&'a str, f64),
        nodes: f64,
    }
    let mut sums: BTreeMap<(&[u8], i64), Sum<'_>> = BTreeMap::new();
    let known = || nodes.iter().filter_map(|node| node.now.as_ref());
    let total: f64 = known().map(|now| now.hot.rate).sum();
    for hot in known().flat_map(|now| &now.hot.keys) {
        let sum = sums.entry((&hot.key, hot.db)).or_default();
        let rate = hot.reads + hot.writes;
        sum.reads += hot.reads;
        sum.writes += hot.writes;
        sum.nodes += 1.0;
        if rate > sum.command.1 {
            sum.command = (&hot.command, rate);
        }
    }
    let row = |((key, db), sum): ((&[u8], i64), Sum<'_>)| {
        let share = if total > 0.0 { 100.0 * (sum.reads + sum.writes) / total } else { 0.0 };
        vec![
            Cell::text(&render::quoted_if_needed(key)),
            Cell::count(db as f64),
            // Of nodes that told at different moments it may come to a little more.
            Cell::count((share.min(100.0) * 10.0).round() / 10.0),
            Cell::count(sum.reads),
            Cell::count(sum.writes),
            Cell::text(sum.command.0),
            Cell::count(sum.nodes),
        ]
    };
    sums.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::super::sample::tests::sample;
    use super::*;

    fn nodes() -> Vec<Node> {
        let then = Instant::now();
        let before = "total_commands_processed:100\r\ncmdstat_get:calls=10,usec_per_call=0.00\r\n";
        let now = "total_commands_processed:300\r\nconnected_clients:2\r\nserver_time_usec:1700000060000000\r\n\
            cmdstat_get:calls=60,usec_per_call=0.00\r\ncmdstat_keys:calls=2,usec_per_call=15000.00\r\n";
        let node = |name: &str| Node {
            name: name.to_owned(),
            address: "127.0.0.1:1".to_owned(),
            before: Some(Arc::new(sample(then, before))),
            now: Some(Arc::new(sample(then + Duration::from_secs(2), now))),
            problem: None,
        };
        let gone = Node { before: None, now: None, problem: Some("gone".to_owned()), ..node("c") };
        vec![node("a"), node("b"), gone]
    }

    fn shown(row: &[Cell]) -> Vec<&str> {
        row.iter().map(Cell::shown).collect()
    }

    #[test]
    fn rates_are_what_grew_between_two_looks() {
        let table = View::Nodes.table(&nodes());
        assert_eq!(shown(&table.rows[0])[..5], ["a", "127.0.0.1:1", "ready", "100", "2"]);
        assert_eq!(shown(&table.rows[2])[..4], ["c", "127.0.0.1:1", "gone", "-"]);
        assert!(
            summary(&nodes()).starts_with("nodes 2 of 3   ops/s 200   clients 4 "),
            "{}",
            summary(&nodes())
        );
        // A command that was not called before is as if it had been called never.
        let table = View::Commands.table(&nodes());
        assert_eq!(shown(&table.rows[0]), ["get", "50", "120", "-", "0"]);
        assert_eq!(shown(&table.rows[1]), ["keys", "2", "4", "15.0ms", "0"]);
    }

    #[test]
    fn counters_that_were_reset_give_no_rate() {
        let then = Instant::now();
        let mut node = nodes().remove(0);
        node.before = Some(Arc::new(sample(then, "total_commands_processed:300\r\n")));
        let now = sample(then + Duration::from_secs(1), "total_commands_processed:100\r\n");
        node.now = Some(Arc::new(now));
        assert_eq!(node.rate("total_commands_processed"), 0.0);
    }

    #[test]
    fn hot_keys_of_all_nodes_are_summed() {
        let mut table = View::Hot.table(&nodes());
        table.sort(View::Hot.sorted_by().unwrap(), false);
        assert_eq!(shown(&table.rows[0]), ["\"a\\n\"", "1", "40.5", "60", "21", "get", "2"]);
        assert_eq!(shown(&table.rows[1])[..3], ["b", "1", "30.5"]);
    }

    #[test]
    fn clients_and_slow_requests_are_listed() {
        let table = View::Clients.table(&nodes());
        assert_eq!(table.rows.len(), 2);
        assert_eq!(shown(&table.rows[0])[..4], ["127.0.0.1:9", "web", "", "a"]);
        let table = View::Slow.table(&nodes());
        assert_eq!(shown(&table.rows[1]), ["60s ago", "15.0ms", "b", "127.0.0.1:9", "KEYS \"*\\n\""]);
    }
}
