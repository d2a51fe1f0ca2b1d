//! Settings of Redis that have one answer here: tools may ask for them, and say what they are already.
//!
//! A name is here only if its value is true of a node. Knobs of what does not exist have no row: a value for them would be
//! made up, and to take one in silence would be a lie.

use super::kind::Kind;
use super::setting::{Section, Setting};

/// A row whose value never changes: name, value, and why it is so or what to do instead.
macro_rules! fixed {
    ($name:literal $(| $alias:literal)*, $value:literal, $why:expr) => {
        Setting::new(
            $name,
            Kind::Fact { value: |_| $value.to_owned(), why: $why },
            $value,
            $why,
        )
        .aliases(&[$($alias),*])
        .within(Section::Fixed)
    };
}

/// Each of them.
pub(super) static FIXED: &[Setting] = &[
    // Network and process.
    Setting::new(
        "protected-mode",
        Kind::Fact {
            value: |s| if s.insecure { "no" } else { "yes" }.to_owned(),
            why: "other machines are served with a password only, unless the node was started with `insecure`",
        },
        "yes",
        "other machines are served with a password only, unless the node was started with `insecure`",
    )
    .within(Section::Fixed),
    fixed!("io-threads", "1", "each worker reads, runs and writes for its own clients; set `workers` at start"),
    fixed!("io-threads-do-reads", "no", "each worker reads, runs and writes for its own clients; set `workers` at start"),
    fixed!("hz", "10", "a worker looks after its clients ten times a second, and does the rest when it is due"),
    fixed!("dynamic-hz", "no", "a worker looks after its clients ten times a second, and does the rest when it is due"),
    fixed!("supervised", "no", "a supervisor is told nothing; `pidfile` and `daemonize` are there"),
    fixed!("set-proc-title", "no", "the process keeps the title it was started with"),
    fixed!("always-show-logo", "no", "the banner is shown on a terminal"),
    fixed!("syslog-enabled", "no", "logs go to standard error, or to the file of `logfile`"),
    fixed!("oom-score-adj", "no", "the system's choice is left alone"),
    fixed!("disable-thp", "yes", "huge pages are switched off when the node starts"),
    fixed!("jemalloc-bg-thread", "no", "the allocator is mimalloc, which has no such thread"),
    fixed!("enable-module-command", "no", "there are no modules"),
    fixed!("enable-protected-configs", "no", "what needs a restart cannot be set while running"),
    // Memory.
    fixed!("activedefrag", "no", "memory is not moved; MEMORY PURGE gives what is free back to the system"),
    fixed!("list-compress-depth", "0", "lists are never compressed"),
    fixed!("busy-reply-threshold" | "lua-time-limit", "0", "there are no scripts, so nothing is ever BUSY"),
    // What is kept.
    fixed!("stop-writes-on-bgsave-error", "yes", "a node whose log cannot take a write refuses it"),
    fixed!("rdbcompression", "no", "checkpoints are written as they are"),
    fixed!("rdbchecksum", "yes", "log and checkpoints always have checksums"),
    fixed!("sanitize-dump-payload", "yes", "RESTORE always looks at the whole of what it is given"),
    fixed!("aof-load-truncated", "yes", "a torn end of the log is cut; for damage within there is `on-damage`"),
    fixed!("auto-aof-rewrite-percentage", "0", "log goes when a checkpoint stands for it; set `checkpoint-log-size`"),
    fixed!("no-appendfsync-on-rewrite", "no", "the log is synced while checkpoints are written, too"),
    // Replicas and the cluster.
    fixed!("replicaof" | "slaveof", "", "every partition has its replicas, as many as FABRIC REPLICAS says"),
    fixed!("masteruser", "", "nodes know each other by their certificates"),
    fixed!("masterauth", "", "nodes know each other by their certificates"),
    fixed!("tls-replication", "yes", "nodes speak TLS with each other, always"),
    fixed!("tls-cluster", "yes", "nodes speak TLS with each other, always"),
    fixed!(
        "min-replicas-to-write" | "min-slaves-to-write",
        "0",
        "a write needs a majority of its replicas whoever else is there; `ack` says when it is answered"
    ),
    fixed!(
        "min-replicas-max-lag" | "min-slaves-max-lag",
        "0",
        "a write needs a majority of its replicas whoever else is there; `ack` says when it is answered"
    ),
    fixed!(
        "replica-serve-stale-data" | "slave-serve-stale-data",
        "yes",
        "a replica answers clients that said READONLY, and no others"
    ),
    fixed!("replica-lazy-flush" | "slave-lazy-flush", "yes", "a state that is replaced is always freed in slices"),
    fixed!("repl-backlog-size", "0", "a replica catches up from the log, or is sent the state where that was cut"),
    fixed!("repl-diskless-sync", "yes", "a state is sent out of memory"),
    fixed!("repl-disable-tcp-nodelay", "no", "nodes send at once"),
    fixed!(
        "cluster-require-full-coverage",
        "no",
        "a partition is served while a majority of its replicas is there, whatever became of others"
    ),
    fixed!("cluster-replica-no-failover" | "cluster-slave-no-failover", "no", "any replica may come to lead"),
    fixed!("cluster-allow-replica-migration", "yes", "the nodes place replicas themselves; see FABRIC REBALANCE"),
    Setting::new(
        "cluster-port",
        Kind::Fact { value: |s| s.peer_port.to_string(), why: "set `peer-port` at start" },
        "0",
        "set `peer-port` at start",
    )
    .within(Section::Fixed),
];
