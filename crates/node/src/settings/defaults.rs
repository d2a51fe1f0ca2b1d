//! A node's settings before anyone has set one.

use std::path::PathBuf;
use std::time::Duration;

use base::AckLevel;

use super::values::{
    DamagePolicy, DebugCommand, LatencyTracking, LogFormat, LogLevel, MemoryPolicy, OutputLimit,
    OutputLimits, PubSubDefault, Secret, TlsAuthClients, TlsSettings,
};
use super::{Notify, Percentiles, SETTINGS, Settings, Voice};

impl Settings {
    /// What every row calls default.
    pub fn new() -> Settings {
        let mut settings = Settings::blank();
        for row in SETTINGS.iter().filter(|row| !row.is_fact()) {
            let set = row.kind.set(&mut settings, row.default, Voice::Person);
            debug_assert_eq!(set, Ok(()), "default of {}", row.name);
        }
        settings
    }

    /// Every field with something in it, for the table to overwrite.
    fn blank() -> Settings {
        let limit = OutputLimit::new(0, 0, 0);
        Settings {
            port: 0,
            bind: Vec::new(),
            unixsocket: None,
            unixsocketperm: 0,
            tcp_backlog: 0,
            tcp_keepalive: Duration::ZERO,
            timeout: Duration::ZERO,
            maxclients: 0,
            gather_us: 0,
            tls: TlsSettings {
                port: 0,
                cert_file: None,
                key_file: None,
                ca_cert_file: None,
                auth_clients: TlsAuthClients::Yes,
                protocols: Vec::new(),
            },
            http_port: 0,
            http_bind: Vec::new(),
            http_hosts: Vec::new(),
            http_token: Secret::default(),
            requirepass: Secret::default(),
            insecure: false,
            aclfile: None,
            acl_pubsub_default: PubSubDefault::ResetChannels,
            acllog_max_len: 0,
            auth_timeout: Duration::ZERO,
            auth_failures_max: 0,
            enable_debug_command: DebugCommand::No,
            on_damage: DamagePolicy::Refuse,
            name: String::new(),
            workers: 0,
            partitions: 0,
            pidfile: None,
            daemonize: false,
            join: String::new(),
            cluster_name: String::new(),
            peer_port: 0,
            advertise: String::new(),
            mdns: false,
            replicas: 0,
            leave_timeout: Duration::ZERO,
            shutdown_timeout: Duration::ZERO,
            dir: PathBuf::new(),
            no_data: false,
            witness: false,
            ack: AckLevel::Quorum,
            redirect: false,
            fsync_interval: Duration::ZERO,
            log_segment_size: 0,
            checkpoint_log_size: 0,
            scrub_interval: Duration::ZERO,
            proto_max_bulk_len: 0,
            client_query_buffer_limit: 0,
            output_limits: OutputLimits { normal: limit, replica: limit, pubsub: limit },
            maxmemory: 0,
            maxmemory_policy: MemoryPolicy::NoEviction,
            tracking_table_max_keys: 0,
            maxmemory_samples: 0,
            maxmemory_eviction_tenacity: 0,
            lfu_log_factor: 0,
            lfu_decay_time: 0,
            hash_max_listpack_entries: 0,
            hash_max_listpack_value: 0,
            set_max_intset_entries: 0,
            set_max_listpack_entries: 0,
            set_max_listpack_value: 0,
            list_max_listpack_size: 0,
            zset_max_listpack_entries: 0,
            zset_max_listpack_value: 0,
            hll_sparse_max_bytes: 0,
            loglevel: LogLevel::Info,
            logformat: LogFormat::Auto,
            logfile: None,
            slowlog_log_slower_than: 0,
            slowlog_max_len: 0,
            latency_tracking: LatencyTracking::No,
            latency_percentiles: Percentiles::default(),
            latency_monitor_threshold: 0,
            notify_keyspace_events: Notify::default(),
            active_expire: false,
        }
    }
}
