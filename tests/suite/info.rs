//! INFO as those who watch many servers read it: which fields there are beside a `redis-server`, that each figure moves with
//! what it counts, and that CONFIG knows the names that go with them.

use std::collections::{BTreeMap, BTreeSet};

use narf_tests::{Client, Data, Kind, Options, Server, eventually, on_one_and_two_workers, skip_unless_narf};

on_one_and_two_workers!(
    errors_are_counted_by_kind_and_by_command,
    latencies_are_told_without_being_asked_for,
    the_mean_time_to_live_is_told,
    keys_are_counted_by_type,
    what_goes_over_the_network_is_counted,
    what_is_freed_in_slices_is_counted,
    clients_that_wait_until_a_time_are_counted,
);

/// The fields of a server by name, without those whose names tell of commands, errors and databases.
fn fields(client: &mut Client) -> BTreeMap<String, String> {
    let text = client.run("INFO everything").text();
    let fields = text.lines().filter_map(|line| line.trim_end().split_once(':'));
    let named = ["cmdstat_", "errorstat_", "latency_percentiles_usec_", "db0", "narf_db0", "listener"];
    let fields = fields.filter(|(name, _)| !named.iter().any(|prefix| name.starts_with(prefix)));
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn field(client: &mut Client, name: &str) -> f64 {
    let fields = fields(client);
    let value = fields.get(name).unwrap_or_else(|| panic!("INFO has no {name}"));
    value.parse().unwrap_or_else(|_| panic!("{name} is {value}"))
}

/// The row of INFO that begins so, cut at its commas.
fn row(client: &mut Client, name: &str) -> BTreeMap<String, f64> {
    let text = client.run("INFO everything").text();
    let row = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let row = row.unwrap_or_else(|| panic!("no {name} in {text}")).trim_end();
    let pairs = row.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

/// Fields of Redis that are left out, and why: nobody knows them here, and a number would be made up.
const LEFT_OUT: &[(&str, &str)] = &[
    ("redis_build_id", "it names a build of Redis"),
    ("atomicvar_api", "it names a choice of Redis's build"),
    ("gcc_version", "no C compiler made this"),
    ("allocator_active", "the allocator does not tell its pages from what is allocated"),
    ("allocator_frag_ratio", "as allocator_active"),
    ("allocator_frag_bytes", "as allocator_active"),
    ("allocator_rss_ratio", "as allocator_active"),
    ("allocator_rss_bytes", "as allocator_active"),
    ("rss_overhead_ratio", "of resident memory only the whole is known"),
    ("rss_overhead_bytes", "of resident memory only the whole is known"),
    ("current_save_keys_processed", "a checkpoint is cut by bytes; its keys are not counted"),
    ("current_save_keys_total", "a checkpoint is cut by bytes; its keys are not counted"),
    (
        "rdb_last_load_keys_expired",
        "what lapsed while the node was down is deleted after the start, as expired_keys tell",
    ),
    (
        "rdb_last_load_keys_loaded",
        "keys come from checkpoints and from the log behind them, and are not counted there",
    ),
    ("aof_base_size", "the log has no base: it is cut behind checkpoints"),
    ("aof_pending_rewrite", "the log has no base: it is cut behind checkpoints"),
    ("aof_pending_bio_fsync", "one thread syncs for all; log_synced_seconds_ago tells how far behind it is"),
    ("aof_delayed_fsync", "one thread syncs for all; log_synced_seconds_ago tells how far behind it is"),
    ("total_net_repl_input_bytes", "what other nodes send is not counted apart from the log"),
    ("total_net_repl_output_bytes", "what other nodes are sent is not counted apart from the log"),
    ("instantaneous_input_repl_kbps", "as total_net_repl_input_bytes"),
    ("instantaneous_output_repl_kbps", "as total_net_repl_output_bytes"),
    ("expired_stale_perc", "an index tells what is due; there is no sampling to estimate from"),
    ("expire_cycle_cpu_milliseconds", "what expiry takes is not timed apart from the turn"),
    ("dump_payload_sanitizations", "every RESTORE is one: see its calls in commandstats"),
    ("used_cpu_sys_main_thread", "there is no main thread that serves clients"),
    ("used_cpu_user_main_thread", "there is no main thread that serves clients"),
];

#[test]
fn each_field_of_redis_is_there_or_left_out_for_a_reason() {
    if skip_unless_narf() {
        return;
    }
    let redis = Server::start(Options::new().kind(Kind::Redis));
    redis.config_set("appendonly", "yes");
    // Until its first file is written it does not stop when it is told to.
    eventually("an append-only file", || (redis.info("aof_rewrite_in_progress")? == "0").then_some(()));
    let narf = Server::start(Options::new().data(Data::Temporary));
    let (theirs, ours) = (fields(&mut redis.client()), fields(&mut narf.client()));
    let missing: BTreeSet<&str> =
        theirs.keys().map(String::as_str).filter(|name| !ours.contains_key(*name)).collect();
    let left_out: BTreeSet<&str> = LEFT_OUT.iter().map(|(name, _)| *name).collect();
    assert_eq!(missing, left_out, "a field that is missing is a decision");
    let sections = |client: &mut Client| {
        let text = client.run("INFO everything").text();
        text.lines().filter(|line| line.starts_with("# ")).map(str::to_owned).collect::<BTreeSet<String>>()
    };
    let (theirs, ours) = (sections(&mut redis.client()), sections(&mut narf.client()));
    assert!(theirs.is_subset(&ours), "{theirs:?} {ours:?}");
}

/// Fields that exporters turn into numbers wherever they meet them.
const NUMBERS: &[&str] = &[
    "uptime_in_seconds",
    "process_id",
    "io_threads_active",
    "lru_clock",
    "connected_clients",
    "blocked_clients",
    "maxclients",
    "tracking_clients",
    "clients_in_timeout_table",
    "cluster_connections",
    "client_recent_max_input_buffer",
    "client_recent_max_output_buffer",
    "allocator_allocated",
    "allocator_resident",
    "used_memory",
    "used_memory_rss",
    "used_memory_peak",
    "used_memory_lua",
    "used_memory_overhead",
    "used_memory_startup",
    "used_memory_dataset",
    "used_memory_scripts",
    "number_of_cached_scripts",
    "number_of_functions",
    "maxmemory",
    "mem_fragmentation_ratio",
    "mem_fragmentation_bytes",
    "mem_clients_slaves",
    "mem_clients_normal",
    "mem_not_counted_for_evict",
    "mem_cluster_links",
    "lazyfree_pending_objects",
    "lazyfreed_objects",
    "active_defrag_running",
    "migrate_cached_sockets",
    "active_defrag_hits",
    "expired_time_cap_reached_count",
    "loading",
    "rdb_changes_since_last_save",
    "rdb_bgsave_in_progress",
    "rdb_last_save_time",
    "rdb_last_bgsave_time_sec",
    "rdb_current_bgsave_time_sec",
    "rdb_saves",
    "rdb_last_cow_size",
    "aof_enabled",
    "aof_rewrite_in_progress",
    "aof_rewrite_scheduled",
    "aof_last_rewrite_time_sec",
    "aof_current_rewrite_time_sec",
    "aof_current_size",
    "aof_buffer_length",
    "module_fork_in_progress",
    "pubsub_channels",
    "pubsub_patterns",
    "latest_fork_usec",
    "total_forks",
    "connected_slaves",
    "repl_backlog_size",
    "repl_backlog_active",
    "master_repl_offset",
    "sync_full",
    "sync_partial_ok",
    "total_connections_received",
    "total_commands_processed",
    "instantaneous_ops_per_sec",
    "instantaneous_input_kbps",
    "instantaneous_output_kbps",
    "rejected_connections",
    "total_net_input_bytes",
    "total_net_output_bytes",
    "total_reads_processed",
    "total_writes_processed",
    "expired_keys",
    "evicted_keys",
    "evicted_clients",
    "keyspace_hits",
    "keyspace_misses",
    "total_error_replies",
    "unexpected_error_replies",
    "used_cpu_sys",
    "used_cpu_user",
    "used_cpu_sys_children",
    "used_cpu_user_children",
];

#[test]
fn an_exporter_reads_every_line() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::start(Options::new().data(Data::Temporary));
    let mut c = node.client();
    c.run("SET k v");
    c.run("LPUSH k x");
    c.run("EXPIRE k 100");
    let text = c.run("INFO everything").text();
    let (mut section, mut seen) = ("", BTreeSet::new());
    for line in text.split("\r\n").filter(|line| !line.is_empty()) {
        if let Some(title) = line.strip_prefix("# ") {
            section = title;
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{line}"));
        assert!(seen.insert(name.to_owned()), "{name} is there twice");
        let pairs = || value.split(',').map(|pair| pair.split_once('=').unwrap_or_else(|| panic!("{line}")));
        let numbers =
            || pairs().map(|(name, value)| (name, value.parse::<f64>().unwrap())).collect::<Vec<_>>();
        let names = || numbers().iter().map(|(name, _)| *name).collect::<Vec<_>>();
        match section {
            "Keyspace" => assert_eq!(names(), ["keys", "expires", "avg_ttl"], "{line}"),
            "Types" => assert_eq!(names(), ["keys", "bytes"], "{line}"),
            "Commandstats" => {
                let expect = ["calls", "usec", "usec_per_call", "rejected_calls", "failed_calls"];
                assert_eq!(names(), expect, "{line}");
            }
            "Errorstats" => assert_eq!(names(), ["count"], "{line}"),
            "Latencystats" => assert_eq!(names(), ["p50", "p99", "p99.9"], "{line}"),
            _ => {}
        }
    }
    let fields = fields(&mut c);
    for name in NUMBERS {
        let value = fields.get(*name).unwrap_or_else(|| panic!("no {name}"));
        assert!(value.parse::<f64>().is_ok(), "{name} is {value}");
    }
}

fn errors_are_counted_by_kind_and_by_command(node: &Server) {
    let mut c = node.client();
    c.check("SET k v", "+OK");
    c.check("CONFIG RESETSTAT", "+OK");
    assert!(!c.run("INFO errorstats").text().contains("errorstat_"));
    for _ in 0..3 {
        assert!(c.run("LPUSH k x").is_error());
    }
    assert!(c.run("INCR k").is_error());
    assert!(c.run("CONFIG SET no-such-setting x").is_error());
    assert!(c.run("GET").is_error());
    assert!(c.run("BANANA").is_error());
    c.check("MULTI", "+OK");
    c.check("SADD k x", "+QUEUED");
    c.check("SET other y", "+QUEUED");
    assert!(c.run("EXEC").to_string().contains("WRONGTYPE"));
    assert!(c.run("EXEC").is_error());
    c.check("MULTI", "+OK");
    assert!(c.run("BANANA").is_error());
    assert!(c.run("EXEC").to_string().contains("EXECABORT"));
    let failed = |c: &mut Client, name: &str| row(c, &format!("cmdstat_{name}"))["failed_calls"];
    assert_eq!(failed(&mut c, "lpush"), 3.0);
    for name in ["incr", "sadd", "config|set"] {
        assert_eq!(failed(&mut c, name), 1.0, "{name}");
    }
    assert_eq!(failed(&mut c, "set"), 0.0);
    assert_eq!(failed(&mut c, "exec"), 2.0, "without MULTI, and given up");
    assert_eq!(row(&mut c, "errorstat_WRONGTYPE")["count"], 4.0);
    assert_eq!(row(&mut c, "errorstat_EXECABORT")["count"], 1.0);
    assert_eq!(row(&mut c, "errorstat_ERR")["count"], 6.0);
    assert_eq!(field(&mut c, "total_error_replies"), 11.0);
}

fn latencies_are_told_without_being_asked_for(node: &Server) {
    let mut c = node.client();
    c.check("CONFIG GET latency-tracking", r#"["latency-tracking", "yes"]"#);
    c.check("CONFIG RESETSTAT", "+OK");
    c.check("RPUSH l a b c", ":3");
    for number in 0..1000 {
        c.check(&format!("SET k:{number} v"), "+OK");
    }
    c.run("LRANGE l 0 -1");
    let calls = |c: &mut Client, name: &str| {
        let histogram = c.run(&format!("LATENCY HISTOGRAM {name}"));
        histogram.items().get(1).map(|facts| facts.field("calls").unwrap().int())
    };
    assert_eq!(calls(&mut c, "lrange"), Some(1));
    let sets = calls(&mut c, "set").expect("some stand for the others");
    assert!((900..=1000).contains(&sets), "{sets}");
    let set = row(&mut c, "latency_percentiles_usec_set");
    assert!(set["p50"] > 0.0 && set["p50"] <= set["p99"] && set["p99"] <= set["p99.9"], "{set:?}");
    c.check("CONFIG SET latency-tracking-info-percentiles '0 75.5 100'", "+OK");
    let set = row(&mut c, "latency_percentiles_usec_set");
    assert_eq!(set.keys().collect::<Vec<_>>(), ["p0", "p100", "p75.5"]);
    c.check(
        "CONFIG SET latency-tracking-info-percentiles 101",
        "-ERR CONFIG SET failed (possibly related to argument 'latency-tracking-info-percentiles') - latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
    );
    c.check("CONFIG SET latency-tracking no", "+OK");
    c.check("CONFIG RESETSTAT", "+OK");
    c.run("LRANGE l 0 -1");
    assert_eq!(calls(&mut c, "lrange"), None);
    c.check("CONFIG SET latency-tracking yes latency-tracking-info-percentiles '50 99 99.9'", "+OK");
}

fn the_mean_time_to_live_is_told(node: &Server) {
    let mut c = node.client();
    c.check("SET forever v", "+OK");
    assert_eq!(row(&mut c, "db0")["avg_ttl"], 0.0);
    c.check("SET a v PX 1000000", "+OK");
    c.check("SET b v PX 3000000", "+OK");
    let near =
        |found: f64, expect: f64| assert!(found <= expect && found > expect - 100_000.0, "{found} {expect}");
    near(row(&mut c, "db0")["avg_ttl"], 2_000_000.0);
    c.check("PEXPIRE a 5000000", ":1");
    near(row(&mut c, "db0")["avg_ttl"], 4_000_000.0);
    c.check("DEL b", ":1");
    near(row(&mut c, "db0")["avg_ttl"], 5_000_000.0);
    c.check("PERSIST a", ":1");
    assert_eq!(row(&mut c, "db0")["avg_ttl"], 0.0);
    c.check("SET a v PX 1000000", "+OK");
    c.check("FLUSHALL", "+OK");
    c.check("SET c v PX 2000000", "+OK");
    near(row(&mut c, "db0")["avg_ttl"], 2_000_000.0);
}

fn keys_are_counted_by_type(node: &Server) {
    let mut c = node.client();
    c.check("MSET a 1 b xx", "+OK");
    c.run("RPUSH l a b c");
    c.run("SADD s 1 2");
    c.run("ZADD z 1 a");
    c.run("HSET h f v");
    c.run("SELECT 3");
    c.run("SET long 0123456789012345678901234567890123456789");
    let keys = |c: &mut Client, name: &str| row(c, &format!("narf_db{name}"))["keys"];
    assert_eq!(keys(&mut c, "0_string"), 2.0);
    for name in ["0_list", "0_set", "0_zset", "0_hash", "3_string"] {
        assert_eq!(keys(&mut c, name), 1.0, "{name}");
        assert!(row(&mut c, &format!("narf_db{name}"))["bytes"] > 0.0);
    }
    assert!(row(&mut c, "narf_db3_string")["bytes"] > 40.0);
    c.run("SELECT 0");
    let before = row(&mut c, "narf_db0_hash")["bytes"];
    c.run_args(&["HSET", "h", "g", &"x".repeat(10_000)]);
    let after = row(&mut c, "narf_db0_hash")["bytes"];
    assert!((10_000.0..20_000.0).contains(&(after - before)), "{before} {after}");
    // A key that becomes another type is counted there.
    c.check("SET h v", "+OK");
    assert_eq!(keys(&mut c, "0_string"), 3.0);
    assert!(!c.run("INFO types").text().contains("narf_db0_hash"));
    c.check("FLUSHALL", "+OK");
    assert_eq!(c.run("INFO types").text(), "# Types\r\n");
}

fn what_goes_over_the_network_is_counted(node: &Server) {
    let mut c = node.client();
    let names = [
        "total_net_input_bytes",
        "total_net_output_bytes",
        "total_reads_processed",
        "total_writes_processed",
    ];
    let before = names.map(|name| field(&mut c, name));
    c.run_args(&["SET", "k", &"x".repeat(100_000)]);
    c.run("GET k");
    let after = names.map(|name| field(&mut c, name));
    let grown = |number: usize| after[number] - before[number];
    assert!(
        grown(0) > 100_000.0 && grown(1) > 100_000.0 && grown(2) >= 2.0 && grown(3) >= 2.0,
        "{before:?} {after:?}"
    );
    eventually("rates are told", || {
        c.run_args(&["SET", "k", &"x".repeat(100_000)]);
        c.run("GET k");
        let rates = ["instantaneous_input_kbps", "instantaneous_output_kbps"].map(|name| field(&mut c, name));
        rates.iter().all(|rate| *rate > 10.0).then_some(())
    });
}

#[test]
fn checkpoints_are_told_as_saves() {
    if skip_unless_narf() {
        return;
    }
    for workers in [1, 2] {
        checkpoints_are_told(&Server::start(Options::new().workers(workers).data(Data::Temporary)));
    }
}

fn checkpoints_are_told(node: &Server) {
    let mut c = node.client();
    assert_eq!(field(&mut c, "rdb_last_bgsave_time_sec"), -1.0);
    let saves = field(&mut c, "rdb_saves");
    for number in 0..10 {
        c.check(&format!("SET k:{number} v"), "+OK");
    }
    assert_eq!(field(&mut c, "rdb_changes_since_last_save"), 10.0);
    c.check("CONFIG RESETSTAT", "+OK");
    assert_eq!(field(&mut c, "rdb_changes_since_last_save"), 10.0);
    c.check("SAVE", "+OK");
    eventually("all workers know that it is over", || {
        let is_over = field(&mut c, "rdb_current_bgsave_time_sec") == -1.0;
        (is_over && field(&mut c, "rdb_changes_since_last_save") == 0.0).then_some(())
    });
    assert_eq!(field(&mut c, "rdb_saves"), saves + 1.0);
    assert!(field(&mut c, "rdb_last_bgsave_time_sec") >= 0.0);
    c.check("SET k v", "+OK");
    assert_eq!(field(&mut c, "rdb_changes_since_last_save"), 1.0);
}

fn what_is_freed_in_slices_is_counted(node: &Server) {
    let mut c = node.client();
    assert_eq!(field(&mut c, "lazyfreed_objects"), 0.0);
    let words: Vec<String> = (0..20_000).map(|number| format!("member:{number}")).collect();
    for part in words.chunks(1000) {
        let words: Vec<&str> = ["SADD", "s"].into_iter().chain(part.iter().map(String::as_str)).collect();
        c.run_args(&words);
    }
    c.check("UNLINK s", ":1");
    eventually("it is freed", || {
        let pending = field(&mut c, "lazyfree_pending_objects");
        (pending == 0.0 && field(&mut c, "lazyfreed_objects") == 1.0).then_some(())
    });
    c.check("MSET a 1 b 2 c 3", "+OK");
    c.check("FLUSHALL", "+OK");
    eventually("the keys are freed", || (field(&mut c, "lazyfreed_objects") == 4.0).then_some(()));
    c.check("CONFIG RESETSTAT", "+OK");
    assert_eq!(field(&mut c, "lazyfreed_objects"), 0.0);
}

fn clients_that_wait_until_a_time_are_counted(node: &Server) {
    let mut c = node.client();
    let (mut patient, mut limited) = (node.client(), node.client());
    patient.send("BLPOP none 0");
    limited.send("BLPOP none 1000");
    eventually("both wait", || (field(&mut c, "blocked_clients") == 2.0).then_some(()));
    assert_eq!(field(&mut c, "clients_in_timeout_table"), 1.0);
    c.check("RPUSH none a b", ":2");
    patient.reply();
    limited.reply();
    eventually("nobody waits", || (field(&mut c, "clients_in_timeout_table") == 0.0).then_some(()));
}

/// Names of CONFIG that Redis 7.0 has and a node has not, and why.
const UNKNOWN_SETTINGS: &[(&[&str], &str)] = &[
    (
        &[
            "active-defrag-cycle-max",
            "active-defrag-cycle-min",
            "active-defrag-ignore-bytes",
            "active-defrag-max-scan-fields",
            "active-defrag-threshold-lower",
            "active-defrag-threshold-upper",
        ],
        "memory is not moved",
    ),
    (&["stream-node-max-bytes", "stream-node-max-entries"], "there are no streams"),
    (&["activerehashing"], "tables grow a piece at a time, in the writes that fill them"),
    (&["active-expire-effort"], "keys are deleted when they are due, not looked for"),
    (
        &[
            "appendfilename",
            "appenddirname",
            "dbfilename",
            "aof-disable-auto-gc",
            "aof-rewrite-incremental-fsync",
            "aof-timestamp-enabled",
            "aof-use-rdb-preamble",
            "aof_rewrite_cpulist",
            "auto-aof-rewrite-min-size",
            "bgsave_cpulist",
            "rdb-del-sync-files",
            "rdb-save-incremental-fsync",
        ],
        "there are no RDB and AOF files, and no process that writes them",
    ),
    (&["bio_cpulist", "server_cpulist"], "threads run where the system lets them: see taskset"),
    (&["bind-source-addr", "socket-mark-id"], "a node leaves these to the system"),
    (
        &[
            "cluster-allow-pubsubshard-when-down",
            "cluster-allow-reads-when-down",
            "cluster-link-sendbuf-limit",
            "cluster-migration-barrier",
            "cluster-node-timeout",
            "cluster-replica-validity-factor",
            "cluster-slave-validity-factor",
        ],
        "these choose within a protocol that nodes do not speak",
    ),
    (
        &[
            "cluster-announce-bus-port",
            "cluster-announce-hostname",
            "cluster-announce-port",
            "cluster-announce-tls-port",
            "cluster-config-file",
            "cluster-preferred-endpoint-type",
            "replica-announce-ip",
            "replica-announce-port",
            "replica-announced",
            "slave-announce-ip",
            "slave-announce-port",
        ],
        "a node announces the address of cluster-announce-ip and the ports it listens on",
    ),
    (
        &[
            "propagation-error-behavior",
            "repl-backlog-ttl",
            "repl-diskless-load",
            "repl-diskless-sync-delay",
            "repl-diskless-sync-max-replicas",
            "repl-ping-replica-period",
            "repl-ping-slave-period",
            "repl-timeout",
            "replica-ignore-disk-write-errors",
            "replica-priority",
            "slave-priority",
        ],
        "these choose within a protocol that nodes do not speak",
    ),
    (
        &["crash-log-enabled", "crash-memcheck-enabled", "ignore-warnings"],
        "a node that panics says where, and ends",
    ),
    (
        &["oom-score-adj-values", "proc-title-template"],
        "what they go with is fixed: oom-score-adj, set-proc-title",
    ),
    (&["syslog-facility", "syslog-ident"], "what they go with is fixed: syslog-enabled"),
    (&["shutdown-on-sigint", "shutdown-on-sigterm"], "both signals stop a node with all it answered kept"),
    (
        &[
            "tls-ca-cert-dir",
            "tls-ciphers",
            "tls-ciphersuites",
            "tls-client-cert-file",
            "tls-client-key-file",
            "tls-client-key-file-pass",
            "tls-dh-params-file",
            "tls-key-file-pass",
            "tls-prefer-server-ciphers",
            "tls-session-cache-size",
            "tls-session-cache-timeout",
            "tls-session-caching",
        ],
        "docs/tls.md says what there is",
    ),
];

fn settings(client: &mut Client) -> BTreeSet<String> {
    client.run("CONFIG GET *").items().chunks(2).map(|pair| pair[0].text()).collect()
}

#[test]
fn each_setting_of_redis_is_there_or_left_out_for_a_reason() {
    if skip_unless_narf() {
        return;
    }
    let redis = Server::start(Options::new().kind(Kind::Redis));
    let narf = Server::new();
    let (theirs, ours) = (settings(&mut redis.client()), settings(&mut narf.client()));
    let missing: BTreeSet<&str> =
        theirs.iter().filter(|name| !ours.contains(*name)).map(String::as_str).collect();
    let left_out: BTreeSet<&str> =
        UNKNOWN_SETTINGS.iter().flat_map(|(names, _)| names.iter().copied()).collect();
    assert_eq!(missing, left_out, "a setting that is missing is a decision");
}

#[test]
fn what_is_fixed_may_be_said_as_it_is_and_nothing_else() {
    if skip_unless_narf() {
        return;
    }
    let node = Server::new();
    let mut c = node.client();
    for (name, value, other) in [
        ("activedefrag", "no", "yes"),
        ("hz", "10", "100"),
        ("io-threads", "1", "4"),
        ("lua-time-limit", "0", "5000"),
        ("min-slaves-to-write", "0", "1"),
        ("rdbcompression", "no", "yes"),
        ("stop-writes-on-bgsave-error", "yes", "no"),
        ("protected-mode", "yes", "no"),
        ("replicaof", "", "127.0.0.1 6379"),
    ] {
        c.check(&format!("CONFIG GET {name}"), &format!("[\"{name}\", \"{value}\"]"));
        assert_eq!(c.run_args(&["CONFIG", "SET", name, value]).to_string(), "+OK", "{name}");
        let refused = c.run_args(&["CONFIG", "SET", name, other]).text();
        let start = format!("ERR CONFIG SET failed (possibly related to argument '{name}') - ");
        assert!(refused.strip_prefix(&start).is_some_and(|why| !why.is_empty()), "{refused}");
        c.check(&format!("CONFIG GET {name}"), &format!("[\"{name}\", \"{value}\"]"));
    }
}
