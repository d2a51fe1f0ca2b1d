//! Bounds on what clients and data may take.

use super::MB;
use crate::settings::kind::{Access, Kind};
use crate::settings::setting::{Section, Setting};
use crate::settings::values::MemoryPolicy;

pub(super) static ROWS: &[Setting] = &[
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
];
