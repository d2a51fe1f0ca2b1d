//! The table: one row a setting. Flags, environment, file, `CONFIG`, help and the reference page come from it.

use std::time::Duration;

use base::AckLevel;

use super::kind::{Access, Kind};
use super::setting::{Section, Setting};
use super::values::{
    DamagePolicy, DebugCommand, LatencyTracking, LogFormat, LogLevel, MemoryPolicy, PubSubDefault,
    TlsAuthClients,
};

macro_rules! field {
    ($($name:ident).+) => { Access { read: |s| &s.$($name).+, write: |s| &mut s.$($name).+ } };
}

macro_rules! integer {
    ($($field:ident).+: $type:ty, $low:expr, $high:expr) => {{
        const _: () = assert!($low >= <$type>::MIN as i128 && $high <= <$type>::MAX as i128);
        const LOW: i64 = $low as i64;
        const HIGH: i64 = $high as i64;
        Kind::Integer {
            range: LOW..=HIGH,
            // A field of 64 unsigned bits never holds more than HIGH.
            read: |s| s.$($field).+ as i64,
            write: |s, value| s.$($field).+ = value as $type,
        }
    }};
}

macro_rules! word {
    ($($field:ident).+: $type:ty, $words:expr) => {
        Kind::Word {
            words: $words,
            read: |s| s.$($field).+.name(),
            write: |s, word| <$type>::from_name(word.as_ref()).map(|value| s.$($field).+ = value).is_some(),
        }
    };
}

const KB: u64 = 1 << 10;
const MB: u64 = 1 << 20;
const TB: u64 = 1 << 40;
const SECONDS_MAX: i64 = i32::MAX as i64;
const ACK_WORDS: &[&str] = &["local", "quorum", "durable", "all"];

/// Every setting but those of Redis that are fixed here, by chapter.
pub(super) static TABLE: &[Setting] = &[
    // Network.
    Setting::new(
        "port",
        integer!(port: u16, 0, 65535),
        "6379",
        "TCP port for clients. If none is asked for and 6379 is in use, the next free one is taken. 0 is \
         any free port, or none beside `tls-port` or a unix socket.",
    ),
    Setting::new(
        "tls-port",
        integer!(tls.port: u16, 0, 65535),
        "0",
        "TCP port for clients that speak TLS, on the addresses of `bind`; 0 is none. See docs/tls.md.",
    ),
    Setting::new(
        "tls-cert-file",
        Kind::OptionalPath(field!(tls.cert_file)),
        "",
        "File with the certificate that clients are shown, and those that lead from it to its authority (PEM). \
         This and the other files are read again when they change, and by CONFIG SET of what they are already.",
    )
    .running(),
    Setting::new(
        "tls-key-file",
        Kind::OptionalPath(field!(tls.key_file)),
        "",
        "File with the private key of that certificate (PEM, not locked with a passphrase).",
    )
    .running(),
    Setting::new(
        "tls-ca-cert-file",
        Kind::OptionalPath(field!(tls.ca_cert_file)),
        "",
        "File with the authorities that certificates of clients are to be from (PEM).",
    )
    .running(),
    Setting::new(
        "tls-auth-clients",
        word!(tls.auth_clients: TlsAuthClients, TlsAuthClients::WORDS),
        "yes",
        "Whether clients must show a certificate: `yes`, `no`, or `optional`, where one that is shown must be \
         right. It lets them connect; who they are is still for AUTH to say.",
    )
    .running(),
    Setting::new(
        "tls-protocols",
        Kind::List(field!(tls.protocols)),
        "",
        "What is spoken: TLSv1.2, TLSv1.3, or both; empty is both.",
    )
    .running(),
    Setting::new(
        "bind",
        Kind::List(field!(bind)),
        "127.0.0.1",
        "Addresses to listen on. Any but this machine's own needs a password or `insecure`.",
    ),
    Setting::new(
        "unixsocket",
        Kind::OptionalPath(field!(unixsocket)),
        "",
        "Path of a unix socket to listen on as well.",
    )
    .key("unix"),
    Setting::new(
        "unixsocketperm",
        Kind::Mode(field!(unixsocketperm)),
        "600",
        "File mode of the unix socket.",
    )
    .key("unix-mode"),
    Setting::new(
        "tcp-backlog",
        integer!(tcp_backlog: u32, 0, SECONDS_MAX as i128),
        "511",
        "Connections that may wait to be accepted.",
    ),
    Setting::new(
        "tcp-keepalive",
        Kind::Seconds { range: 0..=SECONDS_MAX, field: field!(tcp_keepalive) },
        "300",
        "Silence after which the kernel probes whether a client is still there; 0 is never.",
    )
    .running(),
    Setting::new(
        "timeout",
        Kind::Seconds { range: 0..=SECONDS_MAX, field: field!(timeout) },
        "0",
        "Idle time after which a client is disconnected; 0 is never. Subscribers are left \
         alone.",
    )
    .running(),
    Setting::new(
        "maxclients",
        integer!(maxclients: u32, 1, 4294967295),
        "10000",
        "Connections at once; one more is answered with an error and closed. The limit on open files is raised to fit, as far \
         as the system lets it be; what that leaves is the most that can be had.",
    )
    .running(),
    Setting::new(
        "gather-us",
        integer!(gather_us: u32, 0, 1000),
        "50",
        "Microseconds that a worker with a dozen busy clients or more may wait for requests to come together, which costs \
         less for each; it waits for those of a quarter of its clients at most. 0: it looks at once.",
    )
    .running(),
    Setting::new(
        "http-port",
        integer!(http_port: u16, 0, 65535),
        "0",
        "TCP port for HTTP: metrics and health, see docs/metrics.md; 0 is none.",
    ),
    Setting::new(
        "http-bind",
        Kind::List(field!(http_bind)),
        "127.0.0.1",
        "Addresses to listen on for HTTP. Any but this machine's own needs `http-token` or \
         `insecure`.",
    ),
    Setting::new(
        "http-hosts",
        Kind::List(field!(http_hosts)),
        "",
        "Names by which HTTP requests may call this node, beside `localhost` and its addresses. \
         Others are refused, so that no web page reads it through a browser.",
    ),
    // Security.
    Setting::new(
        "requirepass",
        Kind::Secret(field!(requirepass)),
        "",
        "Password of the user `default`; empty is none. From the file, NARF_REQUIREPASS or \
         `--password-file` only, as command lines are seen by every user of a machine. CONFIG \
         GET shows `(redacted)`.",
    )
    .running()
    .within(Section::Security),
    Setting::new(
        "http-token",
        Kind::Secret(field!(http_token)),
        "",
        "What a reader of metrics must send as `Authorization: Bearer TOKEN`; empty is nothing. From \
         the file or NARF_HTTP_TOKEN only. Health is told without it.",
    )
    .within(Section::Security),
    Setting::new(
        "aclfile",
        Kind::OptionalPath(field!(aclfile)),
        "",
        "File of users that ACL SAVE writes and ACL LOAD reads. At start its users are taken if \
         none were made yet.",
    )
    .within(Section::Security),
    Setting::new(
        "acl-pubsub-default",
        word!(acl_pubsub_default: PubSubDefault, PubSubDefault::WORDS),
        "resetchannels",
        "Whether a new user may use all channels of publish and subscribe, or none.",
    )
    .running()
    .within(Section::Security),
    Setting::new(
        "acllog-max-len",
        integer!(acllog_max_len: u64, 0, i64::MAX as i128),
        "128",
        "Entries that ACL LOG keeps.",
    )
    .running()
    .within(Section::Security),
    Setting::new(
        "insecure",
        Kind::Bool(field!(insecure)),
        "no",
        "Serve other machines without a password. They can read and erase everything.",
    )
    .within(Section::Security),
    Setting::new(
        "auth-timeout",
        Kind::Span {
            range: Duration::from_millis(100)..=Duration::from_secs(3600),
            field: field!(auth_timeout),
        },
        "10s",
        "Time in which a client must authenticate where that is required.",
    )
    .running()
    .within(Section::Security),
    Setting::new(
        "auth-failures-max",
        integer!(auth_failures_max: u32, 0, 1000),
        "5",
        "Wrong passwords a minute that one address may give; after that it waits a minute, and \
         twice as long for each further one, up to an hour. 0 is no limit.",
    )
    .running()
    .within(Section::Security),
    Setting::new(
        "enable-debug-command",
        word!(enable_debug_command: DebugCommand, DebugCommand::WORDS),
        "local",
        "Who may use DEBUG: nobody, anybody, or connections from this machine.",
    )
    .within(Section::Security),
    // Node.
    Setting::new(
        "name",
        Kind::Text(field!(name)),
        "",
        "Name of the node in logs and listings; empty takes the one that was minted with the \
         data folder.",
    )
    .within(Section::Node),
    Setting::new(
        "workers",
        integer!(workers: u16, 0, 1024),
        "0",
        "Threads that own partitions and connections; 0 is one a core.",
    )
    .within(Section::Node),
    Setting::new(
        "partitions",
        integer!(partitions: u16, 0, 4096),
        "0",
        "Runs of slots that the keys are cut into: as many workers of all nodes together can share them, and fewer make \
         replicated writes cheaper (docs/benchmarks.md). 0 is eight for each worker of the node that begins the cluster, \
         16 to 256.",
    )
    .first_start()
    .within(Section::Node),
    Setting::new(
        "databases",
        Kind::Fact { value: |_| base::DbIndex::COUNT.to_string(), why: "narf has 16 databases" },
        "16",
        "Databases of SELECT.",
    )
    .within(Section::Node),
    Setting::new(
        "pidfile",
        Kind::OptionalPath(field!(pidfile)),
        "",
        "File that holds the process id while the node runs; `narf stop --pidfile` reads it.",
    )
    .within(Section::Node),
    Setting::new(
        "daemonize",
        Kind::Bool(field!(daemonize)),
        "no",
        "Run in the background; the command returns when the node is ready.",
    )
    .key("daemon")
    .within(Section::Node),
    Setting::new(
        "cluster-enabled",
        Kind::Fact {
            value: |s| if s.join == "none" { "no" } else { "yes" }.to_owned(),
            why: "a node is part of a cluster unless it was started with `join` at `none`",
        },
        "yes",
        "Whether clients may speak the cluster protocol.",
    )
    .within(Section::Cluster),
    Setting::new(
        "join",
        Kind::Text(field!(join)),
        "auto",
        "Which cluster a node with an empty data folder becomes part of: `auto` joins the nodes of the same user on \
         this machine, or founds a cluster if there are none; a token that `narf cluster invite` printed joins the \
         cluster it is from; `found` founds one; `none` stays alone and opens no port for other nodes. A node with \
         data is part of the cluster that its data is from; addresses, as host:port,host:port, tell it where to look \
         for the others when all have moved.",
    )
    .within(Section::Cluster),
    Setting::new(
        "cluster-name",
        Kind::Text(field!(cluster_name)),
        "default",
        "Name of the cluster that is founded, or looked for on this machine.",
    )
    .key("cluster")
    .within(Section::Cluster),
    Setting::new(
        "peer-port",
        integer!(peer_port: u16, 0, 65535),
        "0",
        "TCP port for other nodes, always with TLS. 0 is the port for clients plus 10000, or any free one.",
    )
    .within(Section::Cluster),
    Setting::new(
        "cluster-announce-ip",
        Kind::Text(field!(advertise)),
        "",
        "Host name or address by which other nodes and clients reach this one, if it is not the first of `bind`.",
    )
    .key("advertise")
    .within(Section::Cluster),
    Setting::new(
        "mdns",
        Kind::Bool(field!(mdns)),
        "yes",
        "Whether nodes find each other on the local network by multicast DNS: a node that other machines can reach by \
         `bind` announces its cluster's name, its own and its port for nodes; a token whose addresses do not answer, and \
         members that have moved, are looked for. Being found lets nobody in. A node on 127.0.0.1 announces nothing.",
    )
    .within(Section::Cluster),
    Setting::new(
        "redirect",
        Kind::Bool(field!(redirect)),
        "no",
        "Answers new clients -MOVED where another node leads the key, as Redis Cluster does, and -CROSSSLOT where that \
         would, instead of serving them by way of this node; each may change it for itself with CLIENT REDIRECT.",
    )
    .running()
    .within(Section::Cluster),
    Setting::new(
        "witness",
        Kind::Bool(field!(witness)),
        "no",
        "Joins as a witness, which votes and keeps the log of what is written, and holds no data: beside two nodes that \
         do, it is what makes the loss of any one of the three stop nothing. Where three nodes hold data it waits until \
         one is gone. Clients that connect to it are served by the others. Said at a node's first start.",
    )
    .first_start()
    .within(Section::Cluster),
    Setting::new(
        "replicas",
        integer!(replicas: u8, 1, 7),
        "3",
        "Copies of each partition that a cluster keeps, as soon as it has as many nodes. Said when it is founded.",
    )
    .first_start()
    .within(Section::Cluster),
    Setting::new(
        "leave-timeout",
        Kind::Span { range: Duration::ZERO..=Duration::from_secs(86_400), field: field!(leave_timeout) },
        "30s",
        "Longest that a node which leaves takes to hand its data over; after that it stops and stays a member.",
    )
    .within(Section::Cluster),
    Setting::new(
        "shutdown-timeout",
        Kind::Seconds { range: 0..=86_400, field: field!(shutdown_timeout) },
        "10",
        "Longest that a node of several which is told to stop takes to hand its leads over and to answer its clients; 0 is \
         at once.",
    )
    .running()
    .within(Section::Cluster),
    Setting::new(
        "replica-read-only",
        Kind::Fact { value: |_| "yes".to_owned(), why: "replicas never take writes of their own" },
        "yes",
        "Whether replicas refuse writes.",
    )
    .aliases(&["slave-read-only"])
    .within(Section::Node),
    // Data.
    Setting::new("dir", Kind::Path(field!(dir)), "narf-data", "Data folder.")
        .key("data")
        .within(Section::Data),
    Setting::new(
        "on-damage",
        word!(on_damage: DamagePolicy, DamagePolicy::WORDS),
        "refuse",
        "What to do at start-up about a damaged log: refuse to start, or cut it before the damage, set the rest aside \
         and start. Cutting loses what stood behind the damage.",
    )
    .within(Section::Data),
    Setting::new(
        "no-data",
        Kind::Bool(field!(no_data)),
        "no",
        "Keep everything in memory only and write no file; a restart begins empty.",
    )
    .within(Section::Data),
    Setting::new(
        "ack",
        word!(ack: AckLevel, ACK_WORDS),
        "quorum",
        "When a write is answered: `local` once the leader has it in memory, `quorum` once a \
         majority has written it to its log (survives kill -9), `durable` once a majority has \
         it on disk (survives power loss), `all` once every live replica has applied it.",
    )
    .running()
    .within(Section::Data),
    Setting::new(
        "fsync-interval",
        Kind::Span {
            range: Duration::from_millis(10)..=Duration::from_secs(60),
            field: field!(fsync_interval),
        },
        "1s",
        "How often the log is synced to disk behind the answers that did not wait for it.",
    )
    .running()
    .within(Section::Data),
    Setting::new(
        "log-segment-size",
        Kind::Bytes { range: MB..=16 * KB * MB, field: field!(log_segment_size) },
        "64mb",
        "Size at which a log file is closed and the next begun.",
    )
    .running()
    .within(Section::Data),
    Setting::new(
        "checkpoint-log-size",
        Kind::Bytes { range: MB..=TB, field: field!(checkpoint_log_size) },
        "256mb",
        "Log written since the last checkpoint at which the next begins. More is less work, \
         and a longer start.",
    )
    .running()
    .within(Section::Data),
    Setting::new(
        "scrub-interval",
        Kind::Seconds { range: 0..=SECONDS_MAX, field: field!(scrub_interval) },
        "3600",
        "How often a node compares the replicas of what it leads, in the background; 0 is never, but for FABRIC SCRUB.",
    )
    .running()
    .within(Section::Data),
    Setting::new(
        "save",
        Kind::Fact {
            value: |_| String::new(),
            why: "narf logs every write instead of taking dumps at intervals; see ack and \
         fsync-interval",
        },
        "",
        "Redis's dumps at intervals; there are none.",
    )
    .within(Section::Data),
    Setting::new(
        "appendonly",
        Kind::Fact {
            value: |s| if s.no_data { "no" } else { "yes" }.to_owned(),
            why: "writes are logged unless the node was started with no-data",
        },
        "yes",
        "Whether writes are logged.",
    )
    .within(Section::Data),
    Setting::new(
        "appendfsync",
        Kind::Fact {
            value: |s| if s.ack == AckLevel::Durable { "always" } else { "everysec" }.to_owned(),
            why: "set ack and fsync-interval instead",
        },
        "everysec",
        "The nearest of Redis's words for ack.",
    )
    .within(Section::Data),
    // Limits.
    Setting::new(
        "proto-max-bulk-len",
        Kind::Bytes { range: MB..=512 * MB, field: field!(proto_max_bulk_len) },
        "512mb",
        "Longest argument a client may send.",
    )
    .running()
    .within(Section::Limits),
    Setting::new(
        "client-query-buffer-limit",
        Kind::Bytes { range: MB..=i64::MAX.cast_unsigned(), field: field!(client_query_buffer_limit) },
        "64mb",
        "Bytes of requests that may wait in one connection; a single request is bounded by \
         proto-max-bulk-len.",
    )
    .running()
    .within(Section::Limits),
    Setting::new(
        "client-output-buffer-limit",
        Kind::OutputLimits(field!(output_limits)),
        "normal 1gb 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60",
        "Replies that may wait in a connection before it is closed: hard limit, soft limit, \
         and seconds over the soft one, for each class of client; 0 is no limit.",
    )
    .running()
    .within(Section::Limits),
    Setting::new(
        "maxmemory",
        Kind::Bytes { range: 0..=i64::MAX.cast_unsigned(), field: field!(maxmemory) },
        "0",
        "Bytes that the process may use before keys are evicted or, where none can go, commands that add are refused; \
         0 is no limit. Each node of a cluster has its own. What waits for the log and what is kept of it for replicas \
         does not count.",
    )
    .running()
    .within(Section::Limits),
    Setting::new(
        "maxmemory-policy",
        word!(maxmemory_policy: MemoryPolicy, MemoryPolicy::WORDS),
        "noeviction",
        "What is done at the limit: evict keys (volatile: only those with a deadline) that were not used for longest \
         (lru), are used least (lfu), any (random), or lapse soonest (ttl); or refuse what would add.",
    )
    .shared()
    .within(Section::Limits),
    Setting::new(
        "tracking-table-max-keys",
        integer!(tracking_table_max_keys: u64, 0, i64::MAX as i128),
        "1000000",
        "Keys that the node remembers for CLIENT TRACKING; beyond them some are told to be changed. 0 is no limit.",
    )
    .running()
    .within(Section::Limits),
    Setting::new(
        "maxmemory-samples",
        integer!(maxmemory_samples: u32, 1, i32::MAX as i128),
        "5",
        "Keys looked at for each that is evicted: more make a better choice and take longer. Above 64 is as 64.",
    )
    .running()
    .within(Section::Limits),
    Setting::new(
        "maxmemory-eviction-tenacity",
        integer!(maxmemory_eviction_tenacity: u8, 0, 100),
        "10",
        "How much is evicted in one turn: a hundred keys for each, at most 2000, so that no turn takes long. While there \
         is more to evict, clients that add wait.",
    )
    .running()
    .within(Section::Limits),
    Setting::new(
        "lfu-log-factor",
        integer!(lfu_log_factor: u32, 0, i32::MAX as i128),
        "10",
        "How much rarer each further step of a key's access counter is: more tells busier keys apart.",
    )
    .running()
    .within(Section::Limits),
    Setting::new(
        "lfu-decay-time",
        integer!(lfu_decay_time: u32, 0, i32::MAX as i128),
        "1",
        "Minutes without use in which a key's access counter loses one; 0 is never.",
    )
    .running()
    .within(Section::Limits),
    Setting::new(
        "maxmemory-clients",
        Kind::Fact {
            value: |_| "0".to_owned(),
            why: "clients are bounded one by one; see client-output-buffer-limit and client-query-buffer-limit",
        },
        "0",
        "Redis's limit for the buffers of all clients; there is none.",
    )
    .within(Section::Limits),
    Setting::new(
        "replica-ignore-maxmemory",
        Kind::Fact { value: |_| "yes".to_owned(), why: "replicas delete what the log says and nothing else" },
        "yes",
        "Whether replicas leave evicting to their leader.",
    )
    .aliases(&["slave-ignore-maxmemory"])
    .within(Section::Limits),
    Setting::new(
        "lazyfree-lazy-eviction",
        Kind::Fact { value: |_| "yes".to_owned(), why: "big values are always freed in slices" },
        "yes",
        "Whether evicted values are freed in slices.",
    )
    .within(Section::Limits),
    Setting::new(
        "lazyfree-lazy-expire",
        Kind::Fact { value: |_| "yes".to_owned(), why: "big values are always freed in slices" },
        "yes",
        "Whether lapsed values are freed in slices.",
    )
    .within(Section::Limits),
    Setting::new(
        "lazyfree-lazy-server-del",
        Kind::Fact { value: |_| "yes".to_owned(), why: "big values are always freed in slices" },
        "yes",
        "Whether overwritten values are freed in slices.",
    )
    .within(Section::Limits),
    Setting::new(
        "lazyfree-lazy-user-del",
        Kind::Fact { value: |_| "yes".to_owned(), why: "big values are always freed in slices" },
        "yes",
        "Whether DEL frees as UNLINK does.",
    )
    .within(Section::Limits),
    Setting::new(
        "lazyfree-lazy-user-flush",
        Kind::Fact { value: |_| "yes".to_owned(), why: "flushed databases are always freed in slices" },
        "yes",
        "Whether FLUSHALL frees in slices.",
    )
    .within(Section::Limits),
    // Encoding.
    Setting::new(
        "hash-max-listpack-entries",
        integer!(hash_max_listpack_entries: u64, 0, i64::MAX as i128),
        "512",
        "Fields up to which a hash is kept in its small form.",
    )
    .aliases(&["hash-max-ziplist-entries"])
    .shared()
    .within(Section::Encoding),
    Setting::new(
        "hash-max-listpack-value",
        Kind::Bytes { range: 0..=i64::MAX.cast_unsigned(), field: field!(hash_max_listpack_value) },
        "64",
        "Longest field or value of a hash in its small form.",
    )
    .aliases(&["hash-max-ziplist-value"])
    .shared()
    .within(Section::Encoding),
    Setting::new(
        "set-max-intset-entries",
        integer!(set_max_intset_entries: u64, 0, i64::MAX as i128),
        "512",
        "Members up to which a set of integers is kept as a row of numbers.",
    )
    .shared()
    .within(Section::Encoding),
    Setting::new(
        "set-max-listpack-entries",
        integer!(set_max_listpack_entries: u64, 0, i64::MAX as i128),
        "128",
        "Members up to which a set is kept in its small form.",
    )
    .shared()
    .within(Section::Encoding),
    Setting::new(
        "set-max-listpack-value",
        integer!(set_max_listpack_value: u64, 0, i64::MAX as i128),
        "64",
        "Longest member of a set in its small form.",
    )
    .shared()
    .within(Section::Encoding),
    Setting::new(
        "list-max-listpack-size",
        integer!(list_max_listpack_size: i64, i32::MIN as i128, i32::MAX as i128),
        "-2",
        "Elements up to which a list is kept in its small form; from -1 to -5, 4, 8, 16, 32 or 64 KiB of them.",
    )
    .aliases(&["list-max-ziplist-size"])
    .shared()
    .within(Section::Encoding),
    Setting::new(
        "zset-max-listpack-entries",
        integer!(zset_max_listpack_entries: u64, 0, i64::MAX as i128),
        "128",
        "Members up to which a sorted set is kept in its small form.",
    )
    .aliases(&["zset-max-ziplist-entries"])
    .shared()
    .within(Section::Encoding),
    Setting::new(
        "zset-max-listpack-value",
        Kind::Bytes { range: 0..=i64::MAX.cast_unsigned(), field: field!(zset_max_listpack_value) },
        "64",
        "Longest member of a sorted set in its small form.",
    )
    .aliases(&["zset-max-ziplist-value"])
    .shared()
    .within(Section::Encoding),
    Setting::new(
        "hll-sparse-max-bytes",
        Kind::Bytes { range: 0..=i64::MAX.cast_unsigned(), field: field!(hll_sparse_max_bytes) },
        "3000",
        "Length up to which a HyperLogLog is kept in its sparse form.",
    )
    .shared()
    .within(Section::Encoding),
    // Logs and diagnosis.
    Setting::new(
        "loglevel",
        word!(loglevel: LogLevel, LogLevel::WORDS),
        "info",
        "How much is logged. On a terminal it is `warn` unless asked for, to leave room for \
         the banner.",
    )
    .key("log-level")
    .running()
    .within(Section::Diagnosis),
    Setting::new(
        "logformat",
        word!(logformat: LogFormat, LogFormat::WORDS),
        "auto",
        "Form of a log line; auto is pretty on a terminal and json elsewhere.",
    )
    .key("log-format")
    .within(Section::Diagnosis),
    Setting::new(
        "logfile",
        Kind::OptionalPath(field!(logfile)),
        "",
        "File to append logs to instead of standard error.",
    )
    .key("log-file")
    .within(Section::Diagnosis),
    Setting::new(
        "slowlog-log-slower-than",
        integer!(slowlog_log_slower_than: i64, -1, i64::MAX as i128),
        "10000",
        "Microseconds from which a command is put into the slow log; -1 is none, 0 is every \
         command.",
    )
    .running()
    .within(Section::Diagnosis),
    Setting::new(
        "slowlog-max-len",
        integer!(slowlog_max_len: u64, 0, i64::MAX as i128),
        "128",
        "Commands that the slow log holds.",
    )
    .running()
    .within(Section::Diagnosis),
    Setting::new(
        "latency-tracking",
        word!(latency_tracking: LatencyTracking, LatencyTracking::WORDS),
        "yes",
        "Of which requests LATENCY HISTOGRAM and INFO latencystats tell how long they took: of none, or of all. Of commands \
         so fast that a clock read would cost as much as they do, `yes` times one request of 61 for the others; `all` times \
         each.",
    )
    .running()
    .within(Section::Diagnosis),
    Setting::new(
        "latency-tracking-info-percentiles",
        Kind::Percentiles(field!(latency_percentiles)),
        "50 99 99.9",
        "Which percentiles INFO latencystats tells for each command.",
    )
    .running()
    .within(Section::Diagnosis),
    Setting::new(
        "latency-monitor-threshold",
        integer!(latency_monitor_threshold: u64, 0, i64::MAX as i128),
        "0",
        "Milliseconds from which a command or a turn of a worker is an event of LATENCY; 0 is none.",
    )
    .running()
    .within(Section::Diagnosis),
    Setting::new(
        "notify-keyspace-events",
        Kind::Notify(field!(notify_keyspace_events)),
        "",
        "Events of keys that are published, if any: on the channel of the key (K), of the event (E), and of which \
         classes; see docs/notifications.md.",
    )
    .shared()
    .within(Section::Diagnosis),
    Setting::new(
        "active-expire",
        Kind::Bool(field!(active_expire)),
        "yes",
        "Whether keys past their time are deleted before someone looks. For tests.",
    )
    .running()
    .hidden()
    .within(Section::Diagnosis),
];

#[cfg(test)]
mod tests;
