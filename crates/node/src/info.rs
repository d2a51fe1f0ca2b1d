//! `INFO`: what a node says about itself, in the sections and field names that tools of Redis look for.

use std::fmt::Write as _;

use base::{Args, DbIndex, HashMap};
use resp::Reply;

use crate::cluster_view::{PartitionStanding, Status};
use crate::connection::{NARF_VERSION, REDIS_VERSION};
use crate::gather::{Answer, Question};
use crate::host::Facts;
use crate::session::Session;
use crate::stats::{DbCount, Snapshot};
use crate::worker::Worker;

/// Sections in the order they are shown, and whether plain `INFO` shows them.
const SECTIONS: [(&str, bool); 11] = [
    ("server", true),
    ("clients", true),
    ("memory", true),
    ("persistence", true),
    ("stats", true),
    ("replication", true),
    ("cpu", true),
    ("modules", true),
    ("commandstats", false),
    ("cluster", true),
    ("keyspace", true),
];

impl Snapshot {
    /// Keys of all databases.
    pub(crate) fn keys(&self) -> u64 {
        self.dbs.values().map(|count| count.keys).sum()
    }

    /// Adds another worker's counters.
    pub(crate) fn add(&mut self, other: &Snapshot) {
        self.stats.add(&other.stats);
        self.clients += other.clients;
        self.pubsub_clients += other.pubsub_clients;
        self.blocked_clients += other.blocked_clients;
        self.tracking_clients += other.tracking_clients;
        self.watching_clients += other.watching_clients;
        self.largest_buffers.0 = self.largest_buffers.0.max(other.largest_buffers.0);
        self.largest_buffers.1 = self.largest_buffers.1.max(other.largest_buffers.1);
        self.client_bytes += other.client_bytes;
        self.data_bytes += other.data_bytes;
        self.client_sessions += other.client_sessions;
        self.client_session_bytes += other.client_session_bytes;
        self.uncounted.add(other.uncounted);
        self.exceeded_ms.0 = self.exceeded_ms.0.max(other.exceeded_ms.0);
        self.exceeded_ms.1 = self.exceeded_ms.1.max(other.exceeded_ms.1);
        self.lookups.0 += other.lookups.0;
        self.lookups.1 += other.lookups.1;
        self.slow += other.slow;
        self.partitions += other.partitions;
        self.checkpointing |= other.checkpointing;
        self.entries += other.entries;
        for (db, count) in &other.dbs {
            let mine: &mut DbCount = self.dbs.entry(*db).or_default();
            mine.keys += count.keys;
            mine.deadlines += count.deadlines;
        }
    }
}

/// All workers' counters in one.
pub(crate) fn total(answers: Vec<Answer>) -> Snapshot {
    let mut total = Snapshot::default();
    for answer in answers {
        if let Answer::Stats(snapshot) | Answer::Report(snapshot, _) = answer {
            total.add(&snapshot);
        }
    }
    total
}

/// How all workers' partitions stand, if they were asked for that too.
fn standings(answers: &[Answer]) -> Vec<PartitionStanding> {
    let of = |answer: &Answer| match answer {
        Answer::Report(_, standings) => standings.clone(),
        _ => Vec::new(),
    };
    let mut standings: Vec<PartitionStanding> = answers.iter().flat_map(of).collect();
    standings.sort_by_key(|standing| standing.id);
    standings
}

impl Worker {
    pub(crate) fn info(&mut self, session: &mut Session, args: Args<'_>) {
        let wanted = wanted_sections(args);
        let has_groups = self.fabric.is_on && wanted.contains(&"cluster");
        let (channels, patterns) = (self.pubsub.channels(), self.pubsub.patterns());
        let finish = move |worker: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| {
            let standings = standings(&answers);
            let (facts, total) = (worker.host.facts(), total(answers));
            let context = Context { facts, total, standings, worker, channels, patterns };
            let mut text = String::new();
            for (section, _) in SECTIONS.iter().filter(|(section, _)| wanted.contains(section)) {
                if !text.is_empty() {
                    text.push_str("\r\n");
                }
                context.write(section, &mut text);
            }
            reply.verbatim(text.as_bytes());
        };
        let question = if has_groups { Question::Report } else { Question::Stats };
        self.ask(session, question, Box::new(finish));
    }

    /// What this worker contributes; `asker` is the session that is taken out, if it is ours.
    pub(crate) fn snapshot(&self, asker: Option<&Session>) -> Snapshot {
        let mut dbs: HashMap<u8, DbCount> = HashMap::default();
        let (mut data_bytes, mut partitions, mut entries, mut lookups) = (0, 0, 0, (0, 0));
        let (mut client_sessions, mut client_session_bytes) = (0, 0);
        for place in &self.places {
            let Some(partition) = &place.partition else { continue };
            partitions += 1;
            entries += partition.last().index;
            client_sessions += partition.ledger().sessions() as u64;
            client_session_bytes += partition.ledger().bytes() as u64;
            for (db, keyspace) in partition.keyspaces() {
                data_bytes += keyspace.memory() as u64;
                lookups.0 += keyspace.lookups().hits;
                lookups.1 += keyspace.lookups().misses;
                if !keyspace.is_empty() {
                    let count = dbs.entry(db.number()).or_default();
                    count.keys += keyspace.len() as u64;
                    count.deadlines += keyspace.deadlines() as u64;
                }
            }
        }
        let sessions = || self.sessions.iter().chain(asker);
        let mut stats = self.stats.clone();
        stats.replica_age_ms = self.replica_age_ms();
        Snapshot {
            stats,
            clients: self.sessions.len() as u64,
            pubsub_clients: sessions().filter(|session| session.subscriptions.count() > 0).count() as u64,
            blocked_clients: sessions().filter(|session| session.is_blocked).count() as u64,
            tracking_clients: sessions().filter(|session| session.tracking.is_some()).count() as u64,
            watching_clients: sessions().filter(|session| !session.watched.is_empty()).count() as u64,
            largest_buffers: (
                sessions().map(|session| session.input.capacity() as u64).max().unwrap_or(0),
                sessions().map(|session| session.output.memory() as u64).max().unwrap_or(0),
            ),
            client_bytes: sessions().map(|session| session.memory() as u64).sum(),
            data_bytes,
            client_sessions,
            client_session_bytes,
            uncounted: self.uncounted(),
            exceeded_ms: self.eviction.exceeded_ms(self.now.mono_millis()),
            lookups,
            dbs,
            slow: self.slowlog.len() as u64,
            partitions,
            checkpointing: self.is_checkpointing(),
            entries,
        }
    }
}

/// The sections asked for; the usual ones if none is named.
fn wanted_sections(args: Args<'_>) -> Vec<&'static str> {
    let words: Vec<String> =
        args.iter().skip(1).map(|word| String::from_utf8_lossy(word).to_ascii_lowercase()).collect();
    let wants = |section: &str, usual: bool| {
        words.iter().any(|word| match word.as_str() {
            "all" | "everything" => true,
            "default" => usual,
            word => word == section,
        }) || (words.is_empty() && usual)
    };
    SECTIONS.iter().filter(|(section, usual)| wants(section, *usual)).map(|(section, _)| *section).collect()
}

struct Context<'a> {
    facts: Facts,
    total: Snapshot,
    standings: Vec<PartitionStanding>,
    worker: &'a Worker,
    channels: (usize, usize),
    patterns: usize,
}

/// Writes `name:value` lines.
struct Lines<'a>(&'a mut String);

impl Lines<'_> {
    fn title(&mut self, title: &str) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "# {title}\r\n");
    }

    fn add(&mut self, name: &str, value: impl std::fmt::Display) {
        let _ = write!(self.0, "{name}:{value}\r\n");
    }
}

impl Context<'_> {
    fn write(&self, section: &str, text: &mut String) {
        let mut lines = Lines(text);
        match section {
            "server" => self.server(&mut lines),
            "clients" => self.clients(&mut lines),
            "memory" => self.memory(&mut lines),
            "persistence" => self.persistence(&mut lines),
            "stats" => self.stats(&mut lines),
            "replication" => self.replication(&mut lines),
            "cpu" => self.cpu(&mut lines),
            "modules" => lines.title("Modules"),
            "commandstats" => self.commandstats(&mut lines),
            "cluster" => {
                lines.title("Cluster");
                self.cluster(&mut lines);
            }
            _ => self.keyspace(&mut lines),
        }
    }

    fn server(&self, lines: &mut Lines<'_>) {
        let facts = &self.facts;
        let now = self.worker.now;
        let uptime = now.mono_us / 1_000_000;
        lines.title("Server");
        lines.add("redis_version", REDIS_VERSION);
        lines.add("redis_git_sha1", "00000000");
        lines.add("redis_git_dirty", 0);
        lines.add("redis_mode", self.worker.mode());
        lines.add("narf_version", NARF_VERSION);
        lines.add("narf_node_id", &facts.node_id);
        lines.add("narf_node_name", &self.worker.settings.name);
        lines.add("narf_workers", self.worker.router.workers());
        lines.add("narf_partitions", self.worker.router.partitions());
        lines.add("os", &facts.os);
        lines.add("arch_bits", usize::BITS);
        lines.add("multiplexing_api", "epoll");
        lines.add("process_id", facts.process_id);
        lines.add("run_id", &facts.run_id);
        lines.add("tcp_port", facts.tcp_port);
        lines.add("server_time_usec", now.wall_us);
        lines.add("uptime_in_seconds", uptime);
        lines.add("uptime_in_days", uptime / 86_400);
        lines.add("hz", 10);
        lines.add("configured_hz", 10);
        lines.add("executable", &facts.executable);
        lines.add("config_file", &facts.config_file);
        self.listeners(lines);
    }

    /// Where clients connect, in Redis's form: one line for each kind of listener that there is.
    fn listeners(&self, lines: &mut Lines<'_>) {
        let settings = &self.worker.settings;
        let bind: String = settings.bind.iter().map(|address| format!(",bind={address}")).collect();
        let tcp = [("tcp", settings.port), ("tls", settings.tls.port)];
        let tcp = tcp.iter().filter(|(_, port)| *port != 0);
        let tcp = tcp.map(|(name, port)| format!("name={name}{bind},port={port}"));
        let unix = settings.unixsocket.iter().map(|path| format!("name=unix,bind={}", path.display()));
        for (number, text) in tcp.chain(unix).enumerate() {
            lines.add(&format!("listener{number}"), text);
        }
    }

    fn clients(&self, lines: &mut Lines<'_>) {
        let total = &self.total;
        lines.title("Clients");
        lines.add("connected_clients", total.clients);
        lines.add("cluster_connections", 0);
        lines.add("maxclients", self.worker.settings.maxclients);
        lines.add("client_recent_max_input_buffer", total.largest_buffers.0);
        lines.add("client_recent_max_output_buffer", total.largest_buffers.1);
        lines.add("blocked_clients", total.blocked_clients);
        lines.add("tracking_clients", total.tracking_clients);
        lines.add("pubsub_clients", total.pubsub_clients);
        lines.add("watching_clients", total.watching_clients);
        lines.add("client_sessions", total.client_sessions);
        lines.add("client_session_bytes", total.client_session_bytes);
        lines.add("clients_in_timeout_table", 0);
    }

    fn memory(&self, lines: &mut Lines<'_>) {
        let (total, facts, worker) = (&self.total, &self.facts, self.worker);
        let sums = worker.memory_sums(total, facts.resident_bytes);
        let used = sums.used;
        lines.title("Memory");
        lines.add("used_memory", used);
        lines.add("used_memory_human", human(used));
        lines.add("used_memory_rss", facts.resident_bytes);
        lines.add("used_memory_rss_human", human(facts.resident_bytes));
        lines.add("used_memory_peak", sums.peak);
        lines.add("used_memory_peak_human", human(sums.peak));
        lines.add("used_memory_peak_perc", format_args!("{:.2}%", sums.peak_percent()));
        lines.add("used_memory_overhead", sums.overhead());
        lines.add("used_memory_startup", sums.at_start);
        lines.add("used_memory_dataset", sums.dataset);
        lines.add("used_memory_dataset_perc", format_args!("{:.2}%", sums.dataset_percent()));
        lines.add("allocator_allocated", used);
        lines.add("allocator_resident", facts.resident_bytes);
        lines.add("narf_resident_peak", facts.resident_peak_bytes);
        lines.add("total_system_memory", facts.system_memory);
        lines.add("total_system_memory_human", human(facts.system_memory));
        lines.add("maxmemory", worker.settings.maxmemory);
        lines.add("maxmemory_human", human(worker.settings.maxmemory));
        lines.add("maxmemory_policy", worker.settings.maxmemory_policy.name());
        lines.add("mem_fragmentation_ratio", format_args!("{:.2}", sums.fragmentation()));
        lines.add("mem_fragmentation_bytes", sums.fragmentation_bytes());
        lines.add("mem_not_counted_for_evict", total.uncounted.sum(worker.memory.is_counted()));
        lines.add("mem_replication_backlog", total.uncounted.replicas);
        lines.add("mem_total_replication_buffers", total.uncounted.replicas);
        lines.add("mem_clients_slaves", 0);
        lines.add("mem_clients_normal", total.client_bytes);
        lines.add("mem_aof_buffer", total.uncounted.log);
        lines.add("mem_allocator", "mimalloc");
        lines.add("active_defrag_running", 0);
        lines.add("narf_lazyfree_pending_bytes", total.uncounted.condemned);
    }

    fn persistence(&self, lines: &mut Lines<'_>) {
        let (total, facts, worker) = (&self.total, &self.facts, self.worker);
        let logging = worker.logging;
        lines.title("Persistence");
        lines.add("loading", 0);
        lines.add("async_loading", 0);
        lines.add("rdb_changes_since_last_save", total.stats.changes);
        lines.add("rdb_bgsave_in_progress", u8::from(total.checkpointing));
        lines.add("rdb_last_save_time", worker.host.last_save().unwrap_or(0));
        lines.add("rdb_last_bgsave_status", "ok");
        lines.add("aof_enabled", u8::from(logging));
        lines.add("aof_rewrite_in_progress", 0);
        lines.add("aof_last_bgrewrite_status", "ok");
        lines.add("aof_last_write_status", if worker.write_refusal.is_some() { "err" } else { "ok" });
        lines.add("log_enabled", u8::from(logging));
        lines.add("log_bytes", facts.log_bytes);
        lines.add("log_entries", total.entries);
        if let Some(ago) = facts.log_synced_ago {
            lines.add("log_synced_seconds_ago", format_args!("{ago:.3}"));
        }
        lines.add("log_ack_default", worker.settings.ack.name());
        if let Some(reason) = &worker.write_refusal {
            lines.add("log_writes_refused", reason);
        }
    }

    fn stats(&self, lines: &mut Lines<'_>) {
        let stats = &self.total.stats;
        lines.title("Stats");
        lines.add("total_connections_received", stats.connections);
        lines.add("total_commands_processed", stats.commands);
        lines.add("instantaneous_ops_per_sec", stats.commands_a_second);
        lines.add("total_net_input_bytes", stats.net_input_bytes);
        lines.add("total_net_output_bytes", stats.net_output_bytes);
        lines.add("rejected_connections", stats.rejected_connections);
        lines.add("expired_keys", stats.expired_keys);
        lines.add("keyspace_hits", self.total.lookups.0);
        lines.add("keyspace_misses", self.total.lookups.1);
        lines.add("evicted_keys", stats.evicted_keys);
        lines.add("evicted_clients", 0);
        lines.add("total_eviction_exceeded_time", self.total.exceeded_ms.1);
        lines.add("current_eviction_exceeded_time", self.total.exceeded_ms.0);
        lines.add("total_error_replies", stats.errors);
        lines.add("acl_access_denied_auth", stats.failed_auth);
        lines.add("narf_auth_refused_unseen", stats.refused_auth);
        if let Some(tls) = &self.facts.tls {
            lines.add("narf_tls_handshakes", tls.handshakes);
            lines.add("narf_tls_handshakes_refused", tls.refused);
            lines.add("narf_tls_handshakes_given_up", tls.given_up);
        }
        lines.add("pubsub_channels", self.channels.0);
        lines.add("pubsub_patterns", self.patterns);
        lines.add("pubsubshard_channels", self.channels.1);
        lines.add("pubsub_delivered_messages", stats.delivered_messages);
        lines.add("pubsub_messages_to_nodes", stats.messages_to_nodes);
        lines.add("pubsub_messages_of_nodes", stats.messages_of_nodes);
        lines.add("pubsub_messages_unwanted", stats.messages_unwanted);
        lines.add("pubsub_messages_without_way", stats.messages_without_way);
        let (keys, items) = self.worker.memory.tracked();
        lines.add("tracking_total_keys", keys);
        lines.add("tracking_total_items", items);
        lines.add("tracking_total_prefixes", self.worker.pubsub.prefixes());
        lines.add("client_query_buffer_limit_disconnections", stats.query_buffer_disconnections);
        lines.add("client_output_buffer_limit_disconnections", stats.output_disconnections);
        lines.add("cross_protocol_disconnections", stats.cross_protocol);
        lines.add("calls_between_workers", stats.calls_sent);
        lines.add("narf_turns", stats.turns);
        lines.add("narf_turns_over_2ms", stats.long_turns);
        lines.add("narf_turn_longest_usec", stats.longest_turn_us);
        lines.add("slowlog_entries", self.total.slow);
    }

    fn cluster(&self, lines: &mut Lines<'_>) {
        let fabric = &self.worker.fabric;
        lines.add("cluster_enabled", u8::from(fabric.is_on));
        if !fabric.is_on {
            return;
        }
        let (meta, stats) = (&fabric.meta, &self.total.stats);
        let heard = |member: &&cluster::Member| {
            member.replica_id() == fabric.me || fabric.is_heard(member.replica_id())
        };
        let status = Status::of(self.worker, meta, &self.standings);
        lines.add("narf_state", status.word());
        lines.add("narf_cluster_name", meta.name());
        lines.add("narf_cluster_id", format_args!("{:032x}", meta.cluster()));
        lines.add("narf_cluster_version", meta.version());
        lines.add("narf_nodes", meta.live_members().count());
        lines.add("narf_nodes_heard", meta.live_members().filter(heard).count());
        lines.add("narf_witnesses", meta.witnesses().count());
        let me = meta.member_of_replica(fabric.me);
        lines.add("narf_node_kind", me.map_or("", |member| member.kind.name()));
        lines.add("narf_replicas", meta.replicas_effective());
        lines.add("narf_replicas_wanted", meta.replicas_wanted());
        lines.add("narf_nodes_that_may_be_lost", status.may_lose);
        lines.add("narf_partitions_wanted_here", status.wanted);
        lines.add("narf_partitions_missing_here", status.missing);
        lines.add("narf_partitions_served", status.served);
        self.groups(lines);
        lines.add("narf_peer_frames_malformed", stats.malformed_peer_frames);
        lines.add("narf_peer_messages_refused", stats.refused_peer_messages);
        lines.add("narf_entries_without_room", stats.entries_without_room);
        lines.add("narf_stale_reads", stats.stale_reads);
        lines.add("narf_replica_age_ms", stats.replica_age_ms);
        lines.add("narf_snapshots_sent", stats.snapshots_sent);
        lines.add("narf_snapshots_received", stats.snapshots_received);
    }

    /// The groups of partitions that have a replica here, in the terms of the metrics.
    fn groups(&self, lines: &mut Lines<'_>) {
        let me = self.worker.fabric.me;
        let count = |is_so: &dyn Fn(&&PartitionStanding) -> bool| self.standings.iter().filter(is_so).count();
        lines.add("narf_groups_led", count(&|standing| standing.is_held && standing.leader == me));
        lines.add("narf_groups_followed", count(&|standing| standing.is_held && standing.leader != me));
        lines.add("narf_groups_in_doubt", count(&|standing| standing.is_in_doubt));
        lines.add("narf_groups_without_leader", count(&|standing| standing.leader == 0));
        lines.add("narf_groups_with_lease", count(&|standing| standing.reads_alone));
        let lag = self.standings.iter().map(|standing| standing.lag).max();
        lines.add("narf_replication_lag_entries", lag.unwrap_or(0));
    }

    fn replication(&self, lines: &mut Lines<'_>) {
        lines.title("Replication");
        lines.add("role", "master");
        lines.add("connected_slaves", 0);
        lines.add("master_failover_state", "no-failover");
        lines.add("master_replid", &self.facts.run_id);
        lines.add("master_replid2", "0".repeat(40));
        lines.add("master_repl_offset", 0);
        lines.add("second_repl_offset", -1);
        lines.add("repl_backlog_active", 0);
    }

    fn cpu(&self, lines: &mut Lines<'_>) {
        let (user, system) = self.facts.cpu_seconds;
        lines.title("CPU");
        lines.add("used_cpu_sys", format_args!("{system:.6}"));
        lines.add("used_cpu_user", format_args!("{user:.6}"));
    }

    fn commandstats(&self, lines: &mut Lines<'_>) {
        lines.title("Commandstats");
        for (name, calls) in self.total.stats.by_command() {
            let row = format!(
                "calls={},usec={},usec_per_call={:.2},rejected_calls={},failed_calls=0",
                calls.calls,
                calls.micros(),
                calls.micros_each(),
                calls.rejected
            );
            lines.add(&format!("cmdstat_{name}"), row);
        }
    }

    fn keyspace(&self, lines: &mut Lines<'_>) {
        lines.title("Keyspace");
        for db in (0..DbIndex::COUNT).filter(|db| self.total.dbs.contains_key(db)) {
            let count = self.total.dbs[&db];
            let row = format!("keys={},expires={},avg_ttl=0", count.keys, count.deadlines);
            lines.add(&format!("db{db}"), row);
        }
    }
}

/// Bytes as people read them, in the manner of Redis: `1.50M`.
fn human(bytes: u64) -> String {
    let units = ["B", "K", "M", "G", "T", "P"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes}B") } else { format!("{value:.2}{}", units[unit]) }
}
