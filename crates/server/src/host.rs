//! What a node asks of this machine: facts from `/proc`, a stopwatch, the configuration file.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::{Now, TimeWord};
use node::settings::{Settings, TlsSettings};
use node::{Facts, Host, Invitation, Peer};
use resp::Foreign;

use crate::client_tls::ClientTls;
use crate::config;
use crate::descriptors;
use crate::passwords;
use crate::random::random;
use crate::shared::{Shared, boot_ns};

/// The machine as one worker sees it.
pub(crate) struct ThisHost(pub(crate) Arc<Shared>);

impl Host for ThisHost {
    fn facts(&self) -> Facts {
        let shared = &*self.0;
        let log = shared.log.as_ref();
        let synced_us = shared.synced_us.load(Ordering::Relaxed);
        let (clocks_apart, clocks_alarmed) = shared.clocks_of_others();
        Facts {
            process_id: std::process::id(),
            resident_bytes: kilobytes("/proc/self/status", "VmRSS"),
            resident_peak_bytes: kilobytes("/proc/self/status", "VmHWM"),
            descriptors: (descriptors::open(), descriptors::limit()),
            cpu_seconds: cpu_seconds(),
            tcp_port: match shared.tcp_port {
                0 => shared.settings_at_start.tls.port,
                port => port,
            },
            config_file: shared
                .config_file
                .as_deref()
                .map(|path| path.display().to_string())
                .unwrap_or_default(),
            executable: std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default(),
            os: os(),
            node_id: shared.node_id.to_string(),
            run_id: format!("{:040x}", shared.run_id),
            log_bytes: log.map_or(0, |log| log.sync.written().0 - log.sync.start().0),
            log_syncs: shared.syncs[0].load(Ordering::Relaxed),
            log_sync_us: (shared.syncs[1].load(Ordering::Relaxed), shared.syncs[2].load(Ordering::Relaxed)),
            log_synced_ago: log.map(|_| shared.mono_us().saturating_sub(synced_us) as f64 / 1e6),
            system_memory: system_memory(),
            tls: shared.client_tls.as_ref().map(ClientTls::figures),
            clock: shared.clock(),
            clocks_apart,
            clocks_alarmed,
        }
    }

    fn settled_time(&self, _: Now) -> Option<u64> {
        self.0.settled_time().map(|now| now.wall_us)
    }

    fn time_word(&self, _: Now) -> TimeWord {
        self.0.time_word()
    }

    fn hear_time(&self, from: u64, word: TimeWord, now: Now, members: usize) {
        self.0.hear_time(from, word, now.mono_us, members);
    }

    fn accept_clock(&self) {
        self.0.accept_clock();
    }

    fn last_save(&self) -> Option<u64> {
        Some(self.0.last_save.load(Ordering::Relaxed)).filter(|&at| at > 0)
    }

    fn rewrite_config(&self, settings: &Settings) -> Result<(), String> {
        let Some(path) = &self.0.config_file else {
            return Err("The server is running without a config file".to_owned());
        };
        config::rewrite_file(path, &self.0.settings_at_start, settings)
            .map_err(|error| format!("Rewriting config file: {error:#}"))
    }

    fn purge_memory(&self) {
        if let Some(allocator) = self.0.allocator {
            (allocator.give_back)();
        }
    }

    fn describe_allocator(&self) -> Option<String> {
        self.0.allocator.map(|allocator| (allocator.describe)())
    }

    fn make_log_room(&self, bytes: usize, to_delete: bool) -> bool {
        let Some(log) = &self.0.log else { return true };
        // Each worker may count on its share of what there is.
        let needed = (bytes as u64).saturating_mul(self.0.inboxes().len().max(1) as u64);
        let reserved = match to_delete {
            true if log.headroom_to_delete() >= needed => return true,
            false if log.headroom() >= needed => return true,
            true => log.reserve_to_delete(needed),
            false => log.reserve(needed),
        };
        match reserved {
            Ok(()) => true,
            Err(error) => {
                // A disk that does more than being full ends the node, before it says anything of this turn.
                if !error.is_full() {
                    self.0.fail(&error.to_string());
                }
                false
            }
        }
    }

    fn invitation(&self) -> Option<Invitation> {
        let fabric = self.0.fabric.as_ref()?;
        Some(Invitation {
            secret: cluster::Secret::new(random().ok()?),
            fingerprint: fabric.trust.fingerprint(),
            address: fabric.reach.peer_address.clone(),
        })
    }

    fn cannot_begin_anew(&self) -> Option<&'static str> {
        (!self.0.begins_anew)
            .then_some("ERR this node is part of another program, which has to start it anew to have it join")
    }

    fn password_wait(&self, source: IpAddr, free: u32) -> Duration {
        self.0.wrong_passwords.wait(source, free)
    }

    fn note_wrong_password(&self, source: IpAddr, free: u32, password: &[u8]) {
        if let Some(wait) = self.0.wrong_passwords.note(source, free, Some(password)) {
            let seconds = wait.as_secs();
            tracing::warn!(%source, seconds, "too many wrong passwords, no more are tried for a while");
        }
    }

    fn note_foreign(&self, peer: &Peer, protocol: Foreign) {
        let Peer::Tcp { remote, .. } = peer else { return };
        if self.0.foreigners.is_new(remote.ip()) {
            tracing::warn!(source = %remote.ip(), %protocol, "another protocol at the port for clients, closed");
        }
    }

    fn random(&self, bytes: &mut [u8]) {
        if let Err(error) = self.0.passwords.random(bytes) {
            // Nothing of this turn leaves.
            self.0.fail(&format!("{error:#}"));
        }
    }

    fn secret_key(&self) -> [u8; 32] {
        *self.0.passwords.key()
    }

    fn read_acl_file(&self, path: &Path) -> Result<Vec<u8>, String> {
        passwords::read_file(path).map_err(|error| error.to_string())
    }

    fn write_acl_file(&self, path: &Path, text: &[u8]) -> Result<(), String> {
        passwords::write_file(path, text).map_err(|error| error.to_string())
    }

    fn make_room_for_clients(&self, clients: u32) -> Result<(), u32> {
        self.0.descriptors.make_room(clients)
    }

    fn prepare_tls(&self, settings: &TlsSettings) -> Result<(), String> {
        let Some(tls) = &self.0.client_tls else { return Ok(()) };
        tls.prepare(settings).map_err(|error| error.to_string())
    }

    fn stopwatch_ns(&self) -> u64 {
        boot_ns()
    }
}

/// A line such as `VmRSS:   123 kB`, in bytes.
fn kilobytes(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next());
    number.and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn system_memory() -> u64 {
    kilobytes("/proc/meminfo", "MemTotal")
}

/// User and system time of the process.
fn cpu_seconds() -> (f64, f64) {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the process may hold anything; what follows its closing bracket is numbers.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let seconds =
        |index: usize| fields.get(index).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0) / 100.0;
    (seconds(11), seconds(12))
}

fn os() -> String {
    let read = |name: &str| {
        fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default().trim().to_owned()
    };
    format!("{} {} {}", read("ostype"), read("osrelease"), std::env::consts::ARCH)
}
