//! What a node is, and what it has at this moment: its process, clients, memory, files and replicas.

use super::Context;
use super::lines::Lines;
use crate::connection::{NARF_VERSION, REDIS_VERSION};

/// Bits of an access clock that counts seconds.
const CLOCK_SECONDS: u64 = 0xFF_FFFF;

impl Context<'_> {
    pub(super) fn server(&self, lines: &mut Lines<'_>) {
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
        lines.add("monotonic_clock", "POSIX clock_gettime");
        lines.add("multiplexing_api", "epoll");
        lines.add("process_id", facts.process_id);
        lines.add("process_supervised", "no");
        lines.add("run_id", &facts.run_id);
        lines.add("tcp_port", facts.tcp_port);
        lines.add("server_time_usec", now.wall_us);
        lines.add("narf_clock_offset_ms", facts.clock.off_ms());
        lines.add("narf_clock_alarm", u8::from(facts.clock.is_alarmed()));
        lines.add("uptime_in_seconds", uptime);
        lines.add("uptime_in_days", uptime / 86_400);
        lines.add("hz", 10);
        lines.add("configured_hz", 10);
        lines.add("lru_clock", (now.wall_us / 1_000_000) & CLOCK_SECONDS);
        lines.add("executable", &facts.executable);
        lines.add("config_file", &facts.config_file);
        lines.add("io_threads_active", 0);
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

    pub(super) fn clients(&self, lines: &mut Lines<'_>) {
        let total = &self.total;
        lines.title("Clients");
        lines.add("connected_clients", total.clients);
        lines.add("cluster_connections", total.peer_links.0);
        lines.add("maxclients", self.worker.settings.maxclients);
        lines.add("client_recent_max_input_buffer", total.largest_buffers.0);
        lines.add("client_recent_max_output_buffer", total.largest_buffers.1);
        lines.add("blocked_clients", total.blocked_clients);
        lines.add("tracking_clients", total.tracking_clients);
        lines.add("pubsub_clients", total.pubsub_clients);
        lines.add("watching_clients", total.watching_clients);
        lines.add("client_sessions", total.client_sessions);
        lines.add("client_session_bytes", total.client_session_bytes);
        lines.add("clients_in_timeout_table", total.timed_clients);
    }

    /// What an allocator other than ours would tell of its pages is left out.
    pub(super) fn memory(&self, lines: &mut Lines<'_>) {
        let (total, facts, worker) = (&self.total, &self.facts, self.worker);
        let sums = worker.memory_sums(total, facts.resident_bytes);
        let used = sums.used;
        lines.title("Memory");
        lines.add_bytes("used_memory", used);
        lines.add_bytes("used_memory_rss", facts.resident_bytes);
        lines.add_bytes("used_memory_peak", sums.peak);
        lines.add("used_memory_peak_perc", format_args!("{:.2}%", sums.peak_percent()));
        lines.add("used_memory_overhead", sums.overhead());
        lines.add("used_memory_startup", sums.at_start);
        lines.add("used_memory_dataset", sums.dataset);
        lines.add("used_memory_dataset_perc", format_args!("{:.2}%", sums.dataset_percent()));
        lines.add("allocator_allocated", used);
        lines.add("allocator_resident", facts.resident_bytes);
        lines.add("narf_resident_peak", facts.resident_peak_bytes);
        lines.add_bytes("total_system_memory", facts.system_memory);
        self.scripts(lines);
        lines.add_bytes("maxmemory", worker.settings.maxmemory);
        lines.add("maxmemory_policy", worker.settings.maxmemory_policy.name());
        lines.add("mem_fragmentation_ratio", format_args!("{:.2}", sums.fragmentation()));
        lines.add("mem_fragmentation_bytes", sums.fragmentation_bytes());
        lines.add("mem_not_counted_for_evict", total.uncounted.sum(worker.memory.is_counted()));
        lines.add("mem_replication_backlog", total.uncounted.replicas);
        lines.add("mem_total_replication_buffers", total.uncounted.replicas);
        lines.add("mem_clients_slaves", 0);
        lines.add("mem_clients_normal", total.client_bytes);
        lines.add("mem_cluster_links", total.peer_links.1);
        lines.add("mem_aof_buffer", total.uncounted.log);
        lines.add("mem_allocator", "mimalloc");
        lines.add("active_defrag_running", 0);
        lines.add("lazyfree_pending_objects", total.lazy.0);
        lines.add("lazyfreed_objects", total.lazy.1);
        lines.add("narf_lazyfree_pending_bytes", total.uncounted.condemned);
    }

    /// There are no scripts and no functions, and no machine to run them.
    fn scripts(&self, lines: &mut Lines<'_>) {
        lines.zeros(&["used_memory_vm_eval"]);
        lines.add_bytes("used_memory_lua", 0);
        lines.zeros(&[
            "used_memory_scripts_eval",
            "number_of_cached_scripts",
            "number_of_functions",
            "number_of_libraries",
            "used_memory_vm_functions",
        ]);
        lines.add_bytes("used_memory_vm_total", 0);
        lines.zeros(&["used_memory_functions"]);
        lines.add_bytes("used_memory_scripts", 0);
    }

    pub(super) fn persistence(&self, lines: &mut Lines<'_>) {
        let (total, facts, worker) = (&self.total, &self.facts, self.worker);
        let (logging, checkpoint) = (worker.logging, &total.checkpoint);
        let status = |is_ok: bool| if is_ok { "ok" } else { "err" };
        let seconds = |millis: Option<u64>| millis.map_or(-1, |millis| (millis / 1000).cast_signed());
        lines.title("Persistence");
        lines.add("loading", 0);
        lines.add("async_loading", 0);
        // Checkpoints are written without a fork.
        lines.zeros(&["current_cow_peak", "current_cow_size", "current_cow_size_age"]);
        lines.add("current_fork_perc", "0.00");
        lines.add("rdb_changes_since_last_save", checkpoint.changes_since);
        lines.add("rdb_bgsave_in_progress", u8::from(checkpoint.is_running));
        lines.add("rdb_last_save_time", worker.host.last_save().unwrap_or(0));
        lines.add("rdb_last_bgsave_status", status(!checkpoint.has_failed));
        lines.add("rdb_last_bgsave_time_sec", seconds(checkpoint.last_ms));
        lines.add("rdb_current_bgsave_time_sec", seconds(checkpoint.current_ms));
        lines.add("rdb_saves", total.stats.checkpoints);
        lines.add("rdb_last_cow_size", 0);
        lines.add("aof_enabled", u8::from(logging));
        // The log is never written anew: what a checkpoint stands for is cut off.
        lines.zeros(&["aof_rewrite_in_progress", "aof_rewrite_scheduled"]);
        lines.add("aof_last_rewrite_time_sec", -1);
        lines.add("aof_current_rewrite_time_sec", -1);
        lines.add("aof_last_bgrewrite_status", "ok");
        lines.zeros(&["aof_rewrites", "aof_rewrites_consecutive_failures"]);
        lines.add("aof_last_write_status", status(worker.write_refusal.is_none()));
        lines.zeros(&["aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"]);
        if logging {
            lines.add("aof_current_size", facts.log_bytes);
            lines.add("aof_buffer_length", total.uncounted.log);
        }
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

    pub(super) fn replication(&self, lines: &mut Lines<'_>) {
        lines.title("Replication");
        lines.add("role", "master");
        lines.add("connected_slaves", 0);
        lines.add("master_failover_state", "no-failover");
        lines.add("master_replid", &self.facts.run_id);
        lines.add("master_replid2", "0".repeat(40));
        lines.add("master_repl_offset", 0);
        lines.add("second_repl_offset", -1);
        // Replicas catch up from the log: nothing is kept beside it.
        lines.zeros(&[
            "repl_backlog_active",
            "repl_backlog_size",
            "repl_backlog_first_byte_offset",
            "repl_backlog_histlen",
        ]);
    }

    pub(super) fn cpu(&self, lines: &mut Lines<'_>) {
        let (user, system) = self.facts.cpu_seconds;
        lines.title("CPU");
        lines.add("used_cpu_sys", format_args!("{system:.6}"));
        lines.add("used_cpu_user", format_args!("{user:.6}"));
        // A node has no children.
        lines.add("used_cpu_sys_children", "0.000000");
        lines.add("used_cpu_user_children", "0.000000");
    }
}
