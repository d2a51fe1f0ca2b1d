//! What a node has counted since it started, or since `CONFIG RESETSTAT`: requests, errors, times; and its keys.

use base::DbIndex;
use engine::Kind;

use super::Context;
use super::lines::Lines;
use crate::stats::DbCount;

/// Bytes a second in the unit of `instantaneous_input_kbps`, which is not what its name says.
fn kilobytes(bytes_a_second: u64) -> String {
    format!("{:.2}", bytes_a_second as f64 / 1024.0)
}

impl Context<'_> {
    pub(super) fn stats(&self, lines: &mut Lines<'_>) {
        let stats = &self.total.stats;
        lines.title("Stats");
        lines.add("total_connections_received", stats.connections);
        lines.add("total_commands_processed", stats.commands);
        lines.add("instantaneous_ops_per_sec", stats.commands_a_second);
        lines.add("total_net_input_bytes", stats.net_input_bytes);
        lines.add("total_net_output_bytes", stats.net_output_bytes);
        lines.add("instantaneous_input_kbps", kilobytes(stats.net_bytes_a_second.0));
        lines.add("instantaneous_output_kbps", kilobytes(stats.net_bytes_a_second.1));
        lines.add("rejected_connections", stats.rejected_connections);
        lines.add("sync_full", stats.snapshots_sent);
        lines.zeros(&["sync_partial_ok", "sync_partial_err"]);
        lines.add("expired_keys", stats.expired_keys);
        lines.add("expired_time_cap_reached_count", stats.expiry_cut_short);
        lines.add("keyspace_hits", self.total.lookups.0);
        lines.add("keyspace_misses", self.total.lookups.1);
        lines.add("evicted_keys", stats.evicted_keys);
        lines.add("evicted_clients", 0);
        lines.add("total_eviction_exceeded_time", self.total.exceeded_ms.1);
        lines.add("current_eviction_exceeded_time", self.total.exceeded_ms.0);
        lines.add("total_error_replies", stats.errors.total());
        lines.add("unexpected_error_replies", 0);
        lines.add("total_reads_processed", stats.reads);
        lines.add("total_writes_processed", stats.writes);
        lines.add("acl_access_denied_auth", stats.failed_auth);
        lines.add("narf_auth_refused_unseen", stats.refused_auth);
        if let Some(tls) = &self.facts.tls {
            lines.add("narf_tls_handshakes", tls.handshakes);
            lines.add("narf_tls_handshakes_refused", tls.refused);
            lines.add("narf_tls_handshakes_given_up", tls.given_up);
        }
        self.channels(lines);
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
        absent(lines);
    }

    fn channels(&self, lines: &mut Lines<'_>) {
        let stats = &self.total.stats;
        lines.add("pubsub_channels", self.channels.0);
        lines.add("pubsub_patterns", self.patterns);
        lines.add("pubsubshard_channels", self.channels.1);
        lines.add("pubsub_delivered_messages", stats.delivered_messages);
        lines.add("pubsub_messages_to_nodes", stats.messages_to_nodes);
        lines.add("pubsub_messages_of_nodes", stats.messages_of_nodes);
        lines.add("pubsub_messages_unwanted", stats.messages_unwanted);
        lines.add("pubsub_messages_without_way", stats.messages_without_way);
    }

    pub(super) fn commandstats(&self, lines: &mut Lines<'_>) {
        lines.title("Commandstats");
        for (name, calls) in self.total.stats.by_command() {
            let row = format!(
                "calls={},usec={},usec_per_call={:.2},rejected_calls={},failed_calls={}",
                calls.calls,
                calls.micros(),
                calls.micros_each(),
                calls.rejected,
                calls.failed,
            );
            lines.add(&format!("cmdstat_{name}"), row);
        }
    }

    pub(super) fn errorstats(&self, lines: &mut Lines<'_>) {
        lines.title("Errorstats");
        for (kind, count) in self.total.stats.errors.kinds() {
            lines.add(&format!("errorstat_{kind}"), format_args!("count={count}"));
        }
    }

    pub(super) fn latencystats(&self, lines: &mut Lines<'_>) {
        lines.title("Latencystats");
        for (name, histogram) in self.total.stats.latencies() {
            let percentiles = self.worker.settings.latency_percentiles.iter();
            let percentiles = percentiles.map(|percent| {
                let micros = histogram.percentile(percent) as f64 / 1000.0;
                format!("p{percent}={micros:.3}")
            });
            let row = percentiles.collect::<Vec<_>>().join(",");
            lines.add(&format!("latency_percentiles_usec_{name}"), row);
        }
    }

    pub(super) fn keyspace(&self, lines: &mut Lines<'_>) {
        lines.title("Keyspace");
        let now = self.worker.now.millis();
        for (db, count) in self.dbs() {
            let (keys, deadlines, ttl) = (count.keys, count.deadlines, count.mean_ttl(now));
            lines.add(&format!("db{db}"), format_args!("keys={keys},expires={deadlines},avg_ttl={ttl}"));
        }
    }

    /// Keys of each type and what they take, for each database that has some.
    pub(super) fn types(&self, lines: &mut Lines<'_>) {
        lines.title("Types");
        for (db, count) in self.dbs() {
            for (kind, sum) in Kind::ALL.into_iter().zip(count.kinds).filter(|(_, sum)| sum.keys > 0) {
                let row = format!("keys={},bytes={}", sum.keys, sum.bytes);
                lines.add(&format!("narf_db{db}_{}", kind.name()), row);
            }
        }
    }

    fn dbs(&self) -> impl Iterator<Item = (u8, &DbCount)> {
        (0..DbIndex::COUNT).filter_map(|db| Some((db, self.total.dbs.get(&db)?)))
    }
}

/// What Redis counts that cannot happen here: no process is forked, no memory moved, no slot migrated key by key, no thread
/// reads for another, no reply has a buffer of fixed size, no replica has keys of its own.
fn absent(lines: &mut Lines<'_>) {
    lines.zeros(&[
        "latest_fork_usec",
        "total_forks",
        "migrate_cached_sockets",
        "slave_expires_tracked_keys",
        "active_defrag_hits",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "total_active_defrag_time",
        "current_active_defrag_time",
        "io_threaded_reads_processed",
        "io_threaded_writes_processed",
        "reply_buffer_shrinks",
        "reply_buffer_expands",
    ]);
}
