//! Everything that can be set, as one typed value ([`Settings`]) and one table ([`SETTINGS`]).
//!
//! Flags, environment, file, `CONFIG GET/SET/REWRITE`, `--help` and `docs/settings.md` are all read off the table;
//! a new setting is a field and a row. Invariant: a [`Settings`] is made by [`Settings::new`] and changed through the
//! table, so every number in it is within the bounds of its row. Does not know: files, environment, where a value
//! came from, or what follows from a change (the node compares the old value with the new).

mod defaults;
mod error;
mod fixed;
mod kind;
mod lookup;
mod notify;
mod percentiles;
mod reference;
mod rows;
mod setting;
mod table;
mod text;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use base::AckLevel;
use engine::glob::{Case, matches_with};
use engine::{Clocks, Ranking, UseCounting};

pub use error::{Invalid, SettingError, Unit};
pub use kind::{Access, Kind, Voice};
pub use lookup::{find, nearest_key};
pub use notify::Notify;
pub use percentiles::Percentiles;
pub use reference::reference_markdown;
pub use rows::{Rows, SETTINGS};
pub use setting::{Change, Section, Setting};
pub use values::{
    DamagePolicy, DebugCommand, LatencyTracking, LogFormat, LogLevel, MemoryPolicy, OutputLimit,
    OutputLimits, PubSubDefault, Secret, TlsAuthClients, TlsSettings,
};

/// What the node was told. The table says what each field means and what it may hold.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the help text of each field is in its row of the table")]
pub struct Settings {
    pub port: u16,
    pub bind: Vec<String>,
    pub unixsocket: Option<PathBuf>,
    pub unixsocketperm: u32,
    pub tcp_backlog: u32,
    pub tcp_keepalive: Duration,
    pub timeout: Duration,
    pub maxclients: u32,
    pub gather_us: u32,
    pub tls: TlsSettings,
    pub http_port: u16,
    pub http_bind: Vec<String>,
    pub http_hosts: Vec<String>,
    pub http_token: Secret,
    pub requirepass: Secret,
    pub insecure: bool,
    pub aclfile: Option<PathBuf>,
    pub acl_pubsub_default: PubSubDefault,
    pub acllog_max_len: u64,
    pub auth_timeout: Duration,
    pub auth_failures_max: u32,
    pub enable_debug_command: DebugCommand,
    pub name: String,
    pub workers: u16,
    pub partitions: u16,
    pub pidfile: Option<PathBuf>,
    pub daemonize: bool,
    pub join: String,
    pub cluster_name: String,
    pub peer_port: u16,
    pub advertise: String,
    pub mdns: bool,
    pub replicas: u8,
    pub leave_timeout: Duration,
    pub shutdown_timeout: Duration,
    pub dir: PathBuf,
    pub no_data: bool,
    /// It votes and keeps the log, and holds no data.
    pub witness: bool,
    pub on_damage: DamagePolicy,
    pub ack: AckLevel,
    pub redirect: bool,
    pub fsync_interval: Duration,
    pub log_segment_size: u64,
    pub checkpoint_log_size: u64,
    pub scrub_interval: Duration,
    pub proto_max_bulk_len: u64,
    pub client_query_buffer_limit: u64,
    pub output_limits: OutputLimits,
    pub maxmemory: u64,
    pub maxmemory_policy: MemoryPolicy,
    pub tracking_table_max_keys: u64,
    pub maxmemory_samples: u32,
    pub maxmemory_eviction_tenacity: u8,
    pub lfu_log_factor: u32,
    pub lfu_decay_time: u32,
    pub hash_max_listpack_entries: u64,
    pub hash_max_listpack_value: u64,
    pub set_max_intset_entries: u64,
    pub set_max_listpack_entries: u64,
    pub set_max_listpack_value: u64,
    pub list_max_listpack_size: i64,
    pub zset_max_listpack_entries: u64,
    pub zset_max_listpack_value: u64,
    pub hll_sparse_max_bytes: u64,
    pub loglevel: LogLevel,
    pub logformat: LogFormat,
    pub logfile: Option<PathBuf>,
    pub slowlog_log_slower_than: i64,
    pub slowlog_max_len: u64,
    pub latency_tracking: LatencyTracking,
    pub latency_percentiles: Percentiles,
    pub latency_monitor_threshold: u64,
    pub notify_keyspace_events: Notify,
    pub active_expire: bool,
}

/// The defaults.
impl Default for Settings {
    fn default() -> Settings {
        Settings::new()
    }
}

/// How many partitions a cluster gets that is begun by a node with so many workers: several for each, so that they can
/// be spread evenly and other nodes' workers get theirs, and no more, for each group has rounds of its own.
pub fn partitions_for(workers: u16) -> u16 {
    const FEWEST: u32 = 16;
    const MOST: u32 = 256;
    (u32::from(workers) * 8).next_power_of_two().clamp(FEWEST, MOST) as u16
}

impl Settings {
    /// `CONFIG GET pattern …`: each matching name once, with its value. Secrets are hidden; hidden settings answer
    /// only to their exact names.
    pub fn get_matching_any<'p>(
        &self,
        patterns: impl Iterator<Item = &'p [u8]> + Clone,
    ) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        for row in SETTINGS {
            for &name in [row.name].iter().chain(row.aliases) {
                let asked = patterns.clone().any(|pattern| {
                    matches_with(pattern, name.as_bytes(), Case::Ignore) && (!row.hidden || is_plain(pattern))
                });
                if asked {
                    found.push((name, row.format(self)));
                }
            }
        }
        found
    }

    /// [`Settings::get_matching_any`] of one pattern.
    pub fn get_matching(&self, pattern: impl AsRef<[u8]>) -> Vec<(&'static str, String)> {
        self.get_matching_any(std::iter::once(pattern.as_ref()))
    }

    /// `CONFIG SET name value …`: the settings with all pairs applied, or the first error and nothing changed.
    pub fn with_changes<'p>(
        &self,
        pairs: impl Iterator<Item = (&'p [u8], &'p [u8])>,
    ) -> Result<Settings, SettingError> {
        // As in Redis, every name is judged before any value is.
        let mut rows: Vec<(&'static Setting, &'static str, &[u8])> = Vec::new();
        for (given, value) in pairs {
            let given = String::from_utf8_lossy(given).into_owned();
            let Some((row, name)) = find_for_client(&given) else {
                return Err(SettingError::Unknown { name: given });
            };
            if row.is_immutable() {
                return Err(SettingError::Immutable { name: given });
            }
            // Two spellings of one setting are no duplicate to Redis; the later wins.
            if rows.iter().any(|(_, earlier, _)| *earlier == name) {
                return Err(SettingError::Duplicate { name: given });
            }
            rows.push((row, name, value));
        }
        let mut changed = self.clone();
        for (row, name, value) in rows {
            let value = std::str::from_utf8(value).map_err(|_| {
                // Nothing that is not text is a number, a size or a word; say what the kind would say.
                row.kind.set(&mut self.clone(), "\u{fffd}", Voice::Client).err().unwrap_or(Invalid::NotText)
            });
            let set = value.and_then(|value| row.kind.set(&mut changed, value, Voice::Client));
            set.map_err(|reason| SettingError::Invalid { name: name.to_owned(), reason })?;
        }
        Ok(changed)
    }

    /// When small forms of values give way to tables.
    pub(crate) fn engine_limits(&self) -> engine::Limits {
        let small = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        engine::Limits {
            hash_entries: small(self.hash_max_listpack_entries),
            hash_value: small(self.hash_max_listpack_value),
            set_ints: small(self.set_max_intset_entries),
            set_entries: small(self.set_max_listpack_entries),
            set_value: small(self.set_max_listpack_value),
            zset_entries: small(self.zset_max_listpack_entries),
            zset_value: small(self.zset_max_listpack_value),
            ..engine::Limits::REDIS.with_list_size(self.list_max_listpack_size)
        }
    }

    /// By what keys to be evicted are chosen; none if they are not, or at random.
    pub(crate) fn ranking(&self) -> Option<Ranking> {
        use MemoryPolicy as P;
        match self.maxmemory_policy {
            P::VolatileLru | P::AllkeysLru => Some(Ranking::Idle),
            P::VolatileLfu | P::AllkeysLfu => Some(Ranking::Use(UseCounting {
                log_factor: self.lfu_log_factor,
                decay_minutes: self.lfu_decay_time,
            })),
            P::VolatileTtl => Some(Ranking::Deadline),
            P::VolatileRandom | P::AllkeysRandom | P::NoEviction => None,
        }
    }

    /// What access clocks note.
    pub(crate) fn clocks(&self) -> Clocks {
        self.ranking().map_or(Clocks::Time, Ranking::clocks)
    }

    /// `CONFIG SET` of one pair, in place.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        *self = self.with_changes(std::iter::once((name.as_bytes(), value.as_bytes())))?;
        Ok(())
    }

    /// Takes a value that a person gave at start, by flag, environment or file. Facts may only be said as they are.
    pub fn set_at_start(&mut self, row: &Setting, value: &str) -> Result<(), Invalid> {
        row.kind.set(self, value, Voice::Person)
    }
}

/// The row of a name or alias, with its own spelling. Clients do not know the keys of files.
fn find_for_client(given: &str) -> Option<(&'static Setting, &'static str)> {
    let spellings = SETTINGS.iter().flat_map(|row| {
        [row.name].into_iter().chain(row.aliases.iter().copied()).map(move |name| (row, name))
    });
    spellings.into_iter().find(|(_, name)| name.eq_ignore_ascii_case(given))
}

/// Whether a pattern has anything but plain bytes.
fn is_plain(pattern: &[u8]) -> bool {
    !pattern.iter().any(|byte| b"*?[".contains(byte))
}

#[cfg(test)]
mod tests;
