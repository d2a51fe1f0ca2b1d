//! The table of metrics: a row each, in the order in which they are told.

use base::DbIndex;
use engine::KindSum;

use super::{Kind, Metric, Sample, Source, Value};
use crate::cluster_view::PartitionStanding;
use crate::report::FabricFigures;
use crate::stats::{Calls, DbCount};

/// States of a node, as `FABRIC STATUS` calls them.
const STATES: [&str; 4] = ["ready", "joining", "moving", "degraded"];

/// Every metric there is.
pub static METRICS: &[Metric] = &[
    gauge("narf_node_info", node_info, "Always 1; the labels say which node this is.")
        .by(&["name", "id", "version", "cluster"]),
    gauge(
        "narf_ready",
        |s| one(u64::from(s.report.is_ready())),
        "1 if the node has its data and all partitions can be written to, else 0.",
    ),
    gauge(
        "narf_state",
        states,
        "1 for the state that the node is in, as FABRIC STATUS says, 0 for the others.",
    )
    .by(&["state"]),
    gauge("narf_uptime_seconds", |s| seconds(s.report.now.mono_us), "Time since the start."),
    gauge("narf_workers", |s| one(s.report.workers), "Threads that own partitions and connections."),
    counter("narf_cpu_seconds_total", cpu, "CPU time of the process.").by(&["mode"]),
    gauge(
        "narf_descriptors_open",
        |s| one(s.facts.descriptors.0),
        "File descriptors that the process has open: sockets and files.",
    ),
    gauge(
        "narf_descriptors_max",
        |s| one(s.facts.descriptors.1),
        "File descriptors that it may have open; clients are refused before they take all.",
    ),
    gauge("narf_clients", |s| one(s.report.total.clients), "Clients connected."),
    gauge("narf_clients_max", |s| one(s.report.maxclients), "Clients that may be connected at once."),
    gauge(
        "narf_clients_subscribed",
        |s| one(s.report.total.pubsub_clients),
        "Of these, clients with a subscription.",
    ),
    gauge(
        "narf_clients_watching",
        |s| one(s.report.total.watching_clients),
        "Of these, clients that watch keys for a transaction.",
    ),
    gauge(
        "narf_client_buffers_bytes",
        |s| one(s.report.total.client_bytes),
        "Memory of all buffers of clients.",
    ),
    counter("narf_connections_total", |s| one(s.report.total.stats.connections), "Connections accepted."),
    counter(
        "narf_connections_rejected_total",
        |s| one(s.report.total.stats.rejected_connections),
        "Connections refused, as there were too many.",
    ),
    counter(
        "narf_disconnections_total",
        disconnections,
        "Clients shown out, by reason: output or query buffer too large, or another protocol.",
    )
    .by(&["reason"]),
    counter(
        "narf_tls_handshakes_total",
        tls_handshakes,
        "Handshakes with clients over TLS, by what came of them: done, refused, or given up as the client left, took \
         too long or was the slowest of too many.",
    )
    .by(&["outcome"]),
    counter("narf_auth_failures_total", |s| one(s.report.total.stats.failed_auth), "Wrong passwords."),
    counter(
        "narf_auth_unseen_total",
        |s| one(s.report.total.stats.refused_auth),
        "Passwords that were not looked at, as too many wrong ones had come from there.",
    ),
    counter(
        "narf_network_input_bytes_total",
        |s| one(s.report.total.stats.net_input_bytes),
        "Bytes from clients.",
    ),
    counter(
        "narf_network_output_bytes_total",
        |s| one(s.report.total.stats.net_output_bytes),
        "Bytes to clients.",
    ),
    counter("narf_commands_total", |s| one(s.report.total.stats.commands), "Requests taken up."),
    counter(
        "narf_requests_refused_total",
        |s| one(s.report.total.stats.errors.total()),
        "Errors that the node answered before a command ran, as to one that it does not know.",
    ),
    counter(
        "narf_command_calls_total",
        |s| by_command(s, |calls| Value::Whole(calls.calls)),
        "Calls of each command.",
    )
    .by(&["command"]),
    counter(
        "narf_command_rejected_total",
        |s| by_command(s, |calls| Value::Whole(calls.rejected)),
        "Calls of each command that were refused before they ran.",
    )
    .by(&["command"]),
    counter(
        "narf_command_failed_calls_total",
        |s| by_command(s, |calls| Value::Whole(calls.failed)),
        "Calls of each command that were answered with an error.",
    )
    .by(&["command"]),
    counter(
        "narf_command_timed_calls_total",
        |s| by_command(s, |calls| Value::Whole(calls.timed)),
        "Calls of each command that were timed.",
    )
    .by(&["command"]),
    counter(
        "narf_command_timed_seconds_total",
        |s| by_command(s, |calls| in_seconds(calls.nanos / 1000)),
        "Time that the timed calls of each command took.",
    )
    .by(&["command"]),
    gauge("narf_slowlog_entries", |s| one(s.report.total.slow), "Entries in the slow log."),
    gauge(
        "narf_keys",
        |s| by_db(s, |count| count.keys),
        "Keys by database, of the partitions that are held here.",
    )
    .by(&["db"]),
    gauge("narf_keys_expiring", |s| by_db(s, |count| count.deadlines), "Of these, keys with a deadline.")
        .by(&["db"]),
    gauge(
        "narf_keys_of_type",
        |s| by_type(s, |sum| sum.keys),
        "Keys by database and type, of the partitions that are held here.",
    )
    .by(&["db", "type"]),
    gauge("narf_keys_of_type_bytes", |s| by_type(s, |sum| sum.bytes), "What these keys take with their values.")
        .by(&["db", "type"]),
    counter(
        "narf_keys_expired_total",
        |s| one(s.report.total.stats.expired_keys),
        "Keys deleted because their deadline had passed.",
    ),
    counter(
        "narf_keys_evicted_total",
        |s| one(s.report.total.stats.evicted_keys),
        "Keys deleted because memory was short, of partitions that this node led.",
    ),
    counter("narf_keyspace_hits_total", |s| one(s.report.total.lookups.0), "Reads that found their key."),
    counter(
        "narf_keyspace_misses_total",
        |s| one(s.report.total.lookups.1),
        "Reads that did not find their key.",
    ),
    counter(
        "narf_changes_total",
        |s| one(s.report.total.stats.changes),
        "Operations that changed something.",
    ),
    gauge("narf_memory_used_bytes", |s| one(s.report.memory_used), "Memory that is allocated."),
    gauge("narf_memory_max_bytes", |s| one(s.report.maxmemory), "The limit of memory; 0 is none."),
    gauge("narf_memory_data_bytes", |s| one(s.report.total.data_bytes), "Memory of keys and values."),
    gauge("narf_memory_resident_bytes", |s| one(s.facts.resident_bytes), "Resident memory of the process."),
    gauge(
        "narf_memory_resident_peak_bytes",
        |s| one(s.facts.resident_peak_bytes),
        "The most resident memory there ever was.",
    ),
    gauge("narf_memory_system_bytes", |s| one(s.facts.system_memory), "Memory of the machine."),
    gauge(
        "narf_clock_offset_seconds",
        |s| vec![bare(Value::Fraction(s.facts.clock.off_us as f64 / 1e6))],
        "How far the system's clock is ahead of the node's; negative if it is behind.",
    ),
    gauge(
        "narf_clock_alarm",
        |s| one(u64::from(s.facts.clock.is_alarmed())),
        "1 while the system's clock is not followed, as it was set or is wrong; else 0.",
    ),
    gauge(
        "narf_writes_refused",
        |s| one(u64::from(s.report.writes_refused)),
        "1 while writes are refused, as on a full disk, else 0.",
    ),
    gauge(
        "narf_log_enabled",
        |s| one(u64::from(s.report.logging)),
        "1 if the node keeps its data on disk, else 0.",
    ),
    gauge("narf_log_bytes", |s| one(s.facts.log_bytes), "Bytes of log on disk."),
    gauge(
        "narf_log_entries",
        |s| one(s.report.total.entries),
        "Sum of the indexes of all groups held here: entries that they ever had.",
    ),
    gauge(
        "narf_log_sync_age_seconds",
        |s| s.facts.log_synced_ago.map_or(Vec::new(), |ago| vec![bare(Value::Fraction(ago))]),
        "Time since the log was last on stable storage.",
    ),
    counter("narf_log_syncs_total", |s| one(s.facts.log_syncs), "Syncs of the log."),
    counter(
        "narf_log_sync_seconds_total",
        |s| seconds(s.facts.log_sync_us.0),
        "Time that syncs of the log took.",
    ),
    gauge("narf_log_sync_longest_seconds", |s| seconds(s.facts.log_sync_us.1), "The longest of them."),
    gauge(
        "narf_checkpoint_in_progress",
        |s| one(u64::from(s.report.total.checkpoint.is_running)),
        "1 while a checkpoint is written, else 0.",
    ),
    gauge(
        "narf_checkpoint_timestamp_seconds",
        |s| s.report.last_save.map_or(Vec::new(), one),
        "When a checkpoint of the whole node was last complete, since 1970.",
    ),
    counter("narf_turns_total", |s| one(s.report.total.stats.turns), "Turns of the workers."),
    counter(
        "narf_turns_long_total",
        |s| one(s.report.total.stats.long_turns),
        "Turns longer than 2 ms: all clients of the worker waited meanwhile.",
    ),
    gauge(
        "narf_turn_longest_seconds",
        |s| seconds(s.report.total.stats.longest_turn_us),
        "The longest turn.",
    ),
    counter(
        "narf_worker_calls_total",
        |s| one(s.report.total.stats.calls_sent),
        "Requests that one worker passed on to another.",
    ),
    gauge("narf_pubsub_channels", |s| one(s.report.channels.0 as u64), "Channels that someone listens to."),
    gauge(
        "narf_pubsub_shard_channels",
        |s| one(s.report.channels.1 as u64),
        "Sharded channels that someone listens to.",
    ),
    gauge("narf_pubsub_patterns", |s| one(s.report.channels.2 as u64), "Patterns that someone listens to."),
    counter(
        "narf_pubsub_delivered_total",
        |s| one(s.report.total.stats.delivered_messages),
        "Messages handed to subscribers here.",
    ),
    counter(
        "narf_pubsub_sent_to_nodes_total",
        |s| one(s.report.total.stats.messages_to_nodes),
        "Messages sent to other nodes for their subscribers.",
    ),
    counter(
        "narf_pubsub_received_from_nodes_total",
        |s| one(s.report.total.stats.messages_of_nodes),
        "Messages that came from other nodes.",
    ),
    counter(
        "narf_pubsub_unwanted_total",
        |s| one(s.report.total.stats.messages_unwanted),
        "Of these, messages that nobody here listened to any more.",
    ),
    counter(
        "narf_pubsub_without_way_total",
        |s| one(s.report.total.stats.messages_without_way),
        "Messages that a node was not sent, as there was no way to it.",
    ),
    gauge("narf_partitions", |s| one(s.report.standings.len() as u64), "Partitions of the cluster."),
    gauge(
        "narf_partitions_served",
        |s| one(partitions(s, |standing| standing.is_served && standing.has_room)),
        "Partitions that can be written to, as far as this node can tell.",
    ),
    gauge(
        "narf_partitions_wanted",
        |s| one(partitions(s, |standing| standing.is_wanted)),
        "Partitions that are to have a replica here.",
    ),
    gauge(
        "narf_partitions_led",
        |s| one(partitions(s, |standing| standing.is_held && standing.leader == s.report.me)),
        "Partitions whose group is led here.",
    ),
    gauge(
        "narf_partitions_followed",
        |s| one(partitions(s, |standing| standing.is_held && standing.leader != s.report.me)),
        "Partitions with a replica here that another node leads, or none.",
    ),
    gauge(
        "narf_partitions_in_doubt",
        |s| one(partitions(s, |standing| standing.is_in_doubt)),
        "Partitions whose replica here may have forgotten something and does not vote.",
    ),
    gauge(
        "narf_partitions_missing",
        |s| of_fabric(s, |fabric| fabric.missing),
        "Partitions that are to have a replica here and have none yet.",
    ),
    gauge(
        "narf_replication_lag_entries",
        |s| one(s.report.standings.iter().map(|standing| standing.lag).max().unwrap_or(0)),
        "Entries that the last of the voters is not known to have, of the partition led here where that is most.",
    ),
    gauge(
        "narf_replica_age_seconds",
        |s| vec![bare(Value::Fraction(s.report.total.stats.replica_age_ms as f64 / 1e3))],
        "How long ago, at most, a replica here heard of its leader.",
    ),
    counter(
        "narf_stale_reads_total",
        |s| one(s.report.total.stats.stale_reads),
        "Reads that a replica answered for clients that take what may be old.",
    ),
    counter(
        "narf_snapshots_sent_total",
        |s| one(s.report.total.stats.snapshots_sent),
        "States of partitions sent to other nodes.",
    ),
    counter(
        "narf_snapshots_received_total",
        |s| one(s.report.total.stats.snapshots_received),
        "States of partitions received from other nodes.",
    ),
    counter(
        "narf_scrubs_total",
        |s| one(s.report.total.stats.scrubs),
        "Comparisons of a partition's replicas that this node has led to an end.",
    ),
    counter(
        "narf_scrub_differences_total",
        |s| one(s.report.total.stats.scrub_differences),
        "Replicas that were found to hold something else than their leader: never, unless something is broken.",
    ),
    counter(
        "narf_entries_without_room_total",
        |s| one(s.report.total.stats.entries_without_room),
        "Entries of leaders that were not taken, as the log had no room.",
    ),
    counter(
        "narf_peer_frames_malformed_total",
        |s| one(s.report.total.stats.malformed_peer_frames),
        "Frames of other nodes that could not be read.",
    ),
    counter(
        "narf_peer_messages_refused_total",
        |s| one(s.report.total.stats.refused_peer_messages),
        "Messages of other nodes that their group refused.",
    ),
    gauge("narf_nodes", |s| of_fabric(s, |fabric| fabric.nodes), "Nodes of the cluster."),
    gauge(
        "narf_nodes_up",
        |s| of_fabric(s, |fabric| fabric.nodes_up),
        "Nodes of the cluster that this node hears, with itself.",
    ),
    gauge(
        "narf_nodes_may_lose",
        |s| of_fabric(s, |fabric| fabric.may_lose),
        "Nodes that may be lost at once without a write being refused.",
    ),
    gauge(
        "narf_replicas",
        |s| of_fabric(s, |fabric| fabric.replicas),
        "Copies of each partition that there are to be with the nodes there are.",
    ),
    gauge(
        "narf_replicas_wanted",
        |s| of_fabric(s, |fabric| fabric.replicas_wanted),
        "Copies of each partition that were asked for.",
    ),
];

type Samples = fn(&Source<'_>) -> Vec<Sample>;

const fn counter(name: &'static str, samples: Samples, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, help, labels: &[], samples }
}

const fn gauge(name: &'static str, samples: Samples, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, help, labels: &[], samples }
}

impl Metric {
    const fn by(self, labels: &'static [&'static str]) -> Metric {
        Metric { labels, ..self }
    }
}

fn bare(value: Value) -> Sample {
    Sample { labels: Vec::new(), value }
}

fn labelled(label: impl Into<String>, value: Value) -> Sample {
    Sample { labels: vec![label.into()], value }
}

fn one(number: impl Into<u64>) -> Vec<Sample> {
    vec![bare(Value::Whole(number.into()))]
}

fn seconds(micros: u64) -> Vec<Sample> {
    vec![bare(in_seconds(micros))]
}

fn in_seconds(micros: u64) -> Value {
    Value::Fraction(micros as f64 / 1e6)
}

fn of_fabric(source: &Source<'_>, of: fn(&FabricFigures) -> usize) -> Vec<Sample> {
    source.report.fabric.as_ref().map_or(Vec::new(), |fabric| one(of(fabric) as u64))
}

fn partitions(source: &Source<'_>, is_so: impl Fn(&PartitionStanding) -> bool) -> u64 {
    source.report.standings.iter().filter(|standing| is_so(standing)).count() as u64
}

fn node_info(source: &Source<'_>) -> Vec<Sample> {
    let (report, facts) = (source.report, source.facts);
    let cluster = report.fabric.as_ref().map(|fabric| fabric.cluster.clone()).unwrap_or_default();
    let labels = vec![report.name.clone(), facts.node_id.clone(), report.version().to_owned(), cluster];
    vec![Sample { labels, value: Value::Whole(1) }]
}

fn states(source: &Source<'_>) -> Vec<Sample> {
    let now = source.report.state();
    STATES.iter().map(|state| labelled(*state, Value::Whole(u64::from(*state == now)))).collect()
}

fn cpu(source: &Source<'_>) -> Vec<Sample> {
    let (user, system) = source.facts.cpu_seconds;
    vec![labelled("user", Value::Fraction(user)), labelled("system", Value::Fraction(system))]
}

fn disconnections(source: &Source<'_>) -> Vec<Sample> {
    let stats = &source.report.total.stats;
    let reasons = [
        ("output_buffer", stats.output_disconnections),
        ("query_buffer", stats.query_buffer_disconnections),
        ("other_protocol", stats.cross_protocol),
    ];
    reasons.map(|(reason, count)| labelled(reason, Value::Whole(count))).into()
}

fn tls_handshakes(source: &Source<'_>) -> Vec<Sample> {
    let tls = source.facts.tls.unwrap_or_default();
    let outcomes = [("done", tls.handshakes), ("refused", tls.refused), ("given_up", tls.given_up)];
    outcomes.map(|(outcome, count)| labelled(outcome, Value::Whole(count))).into()
}

fn by_command(source: &Source<'_>, of: fn(&Calls) -> Value) -> Vec<Sample> {
    let commands = source.report.total.stats.by_command();
    commands.iter().map(|(name, calls)| labelled(*name, of(calls))).collect()
}

/// All types of database 0, and of others those that they have keys of.
fn by_type(source: &Source<'_>, of: fn(&KindSum) -> usize) -> Vec<Sample> {
    let dbs = &source.report.total.dbs;
    let shown = (0..DbIndex::COUNT).filter(|db| *db == 0 || dbs.contains_key(db));
    let samples = shown.flat_map(|db| {
        let kinds = dbs.get(&db).map(|count| count.kinds).unwrap_or_default();
        let kinds = engine::Kind::ALL.into_iter().zip(kinds).filter(move |(_, sum)| db == 0 || sum.keys > 0);
        kinds.map(move |(kind, sum)| Sample {
            labels: vec![db.to_string(), kind.name().to_owned()],
            value: Value::Whole(of(&sum) as u64),
        })
    });
    samples.collect()
}

/// Database 0 is always told of, others while they hold something.
fn by_db(source: &Source<'_>, of: fn(&DbCount) -> u64) -> Vec<Sample> {
    let dbs = &source.report.total.dbs;
    let shown = (0..DbIndex::COUNT).filter(|db| *db == 0 || dbs.contains_key(db));
    let count = |db: u8| dbs.get(&db).map_or(0, of);
    shown.map(|db| labelled(db.to_string(), Value::Whole(count(db)))).collect()
}
