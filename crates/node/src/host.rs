//! What a node may ask of its surroundings: facts for `INFO`, and a stopwatch.
//!
//! Nothing that decides what happens to data may come from here; a simulated host answers with constants.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use base::{ClockState, Now, TimeWord};
use resp::Foreign;

use crate::session::Peer;

/// Facts about the process that only its shell knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Process id.
    pub process_id: u32,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// The most resident memory there ever was, in bytes.
    pub resident_peak_bytes: u64,
    /// File descriptors that the process has open, and how many it may have.
    pub descriptors: (u64, u64),
    /// User and system CPU seconds of the whole process.
    pub cpu_seconds: (f64, f64),
    /// Port for plain TCP, or that for TLS if there is only that; zero if there is none.
    pub tcp_port: u16,
    /// The configuration file; empty if there is none.
    pub config_file: String,
    /// Path of the executable.
    pub executable: String,
    /// Operating system, release and machine.
    pub os: String,
    /// Node id, forty hexadecimal digits.
    pub node_id: String,
    /// Forty hexadecimal digits, new with each start.
    pub run_id: String,
    /// Bytes of log on disk.
    pub log_bytes: u64,
    /// Seconds since the log was last on stable storage; none without a log.
    pub log_synced_ago: Option<f64>,
    /// How often the log was synced since the start, by request or because it was time.
    pub log_syncs: u64,
    /// Microseconds that took in all, and the longest of them.
    pub log_sync_us: (u64, u64),
    /// None unless there is a port for clients over TLS.
    pub tls: Option<TlsFigures>,
    /// Total memory of the machine in bytes.
    pub system_memory: u64,
    /// How the node's wall clock stands to the system's.
    pub clock: Clock,
    /// Other nodes whose time is far from this one's, by their numbers in the groups, and how far it is ahead in microseconds.
    pub clocks_apart: Vec<(u64, i64)>,
    /// Other nodes that do not follow their system's clocks.
    pub clocks_alarmed: Vec<u64>,
}

/// How a node's wall clock stands to the system's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// How far the system's is ahead, in microseconds; negative if it is behind.
    pub off_us: i64,
    /// Whether it is followed.
    pub state: ClockState,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock { off_us: 0, state: ClockState::Follows }
    }
}

/// What became of clients that came over TLS, before the node heard of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsFigures {
    /// Handshakes that came to their end.
    pub handshakes: u64,
    /// Those that were refused, by this end or the other.
    pub refused: u64,
    /// Those that were given up: the client went away, took too long, or was the slowest of too many.
    pub given_up: u64,
}

/// What an invitation to the cluster is made of.
pub struct Invitation {
    /// Nobody can guess it.
    pub secret: cluster::Secret,
    /// By what a newcomer knows the cluster.
    pub fingerprint: cluster::Fingerprint,
    /// Where this node is for other nodes: the fabric may not have noted it yet.
    pub address: String,
}

/// The surroundings of one worker.
pub trait Host: Send {
    /// Facts of this moment. May be slow: it reads files.
    fn facts(&self) -> Facts;
    /// An operator says that the system's clock is right. A host that has none does nothing.
    fn accept_clock(&self) {}
    /// The wall clock, once it is known what time it is; asked until then.
    fn settled_time(&self, now: Now) -> Option<u64> {
        Some(now.wall_us)
    }
    /// What this node says of its time to others.
    fn time_word(&self, now: Now) -> TimeWord {
        TimeWord { wall_us: now.wall_us, least_us: now.wall_us, is_settled: true, is_alarmed: false }
    }
    /// One of so many members said this of its time; it was so late there when the steady clock was here what `now` says.
    fn hear_time(&self, from: u64, word: TimeWord, now: Now, members: usize) {
        let _ = (from, word, now, members);
    }
    /// When a checkpoint of the whole node was last complete, in seconds since the Unix epoch.
    fn last_save(&self) -> Option<u64>;
    /// Writes the settings that differ from their defaults to the configuration file, or says why it cannot.
    fn rewrite_config(&self, settings: &crate::settings::Settings) -> Result<(), String>;
    /// Gives memory that is free inside the process, and was this worker's, back to the system.
    fn purge_memory(&self);
    /// What the allocator says of itself, if it can be asked.
    fn describe_allocator(&self) -> Option<String> {
        None
    }
    /// Sees to it that the log can take so many bytes of this worker in this turn, be it by making room on the
    /// disk; whether it can. Asked only when a turn needs more than it was given, so that what is refused is
    /// refused for the disk's sake and not for that of a turn's share. What makes room, such as deletes, may go further.
    fn make_log_room(&self, bytes: usize, to_delete: bool) -> bool {
        let _ = (bytes, to_delete);
        false
    }
    /// What an invitation to the cluster is made of. None for a node that is on its own.
    fn invitation(&self) -> Option<Invitation> {
        None
    }
    /// Why this node cannot give up its cluster and begin anew in another; nothing if it can.
    fn cannot_begin_anew(&self) -> Option<&'static str> {
        Some("ERR what runs this node cannot have it begin anew")
    }
    /// How long a client from there must wait until it may try a password, for the wrong ones it gave; so many a
    /// minute are free. Zero if it may now.
    fn password_wait(&self, source: IpAddr, free: u32) -> Duration {
        let _ = (source, free);
        Duration::ZERO
    }
    /// A client from there gave a wrong password.
    fn note_wrong_password(&self, source: IpAddr, free: u32, password: &[u8]) {
        let _ = (source, free, password);
    }
    /// A client spoke another protocol, and is shown out.
    fn note_foreign(&self, peer: &Peer, protocol: Foreign) {
        let _ = (peer, protocol);
    }
    /// Bytes that nobody can guess: passwords and salts. A host that has none leaves zeros.
    fn random(&self, bytes: &mut [u8]) {
        let _ = bytes;
    }
    /// A secret of this process, the same for all workers; never leaves it.
    fn secret_key(&self) -> [u8; 32] {
        [0; 32]
    }
    /// Reads the file of users, or says why it cannot.
    fn read_acl_file(&self, path: &Path) -> Result<Vec<u8>, String> {
        Err(format!("{} is out of reach", path.display()))
    }
    /// Puts the file of users in the place of what was there, whole or not at all.
    fn write_acl_file(&self, path: &Path, text: &[u8]) -> Result<(), String> {
        let _ = text;
        Err(format!("{} is out of reach", path.display()))
    }
    /// Reads the files for TLS that are named there and keeps what is in them for when these settings come into force;
    /// or says why it cannot.
    fn prepare_tls(&self, settings: &crate::settings::TlsSettings) -> Result<(), String> {
        let _ = settings;
        Ok(())
    }
    /// Sees to it that so many clients can be connected at once, or says how many can.
    fn make_room_for_clients(&self, clients: u32) -> Result<(), u32> {
        let _ = clients;
        Ok(())
    }
    /// Nanoseconds of a steady clock, for measuring how long a request took. Never used to decide anything.
    fn stopwatch_ns(&self) -> u64;
}
