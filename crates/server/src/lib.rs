//! The real shell of a node: sockets, threads, disk, configuration, logs.
//!
//! [`serve`] runs a node until it is told to stop. A worker thread is an epoll loop around `node::Worker`
//! (`worker_thread`); one thread waits for the disk (`disk_thread`); start-up reads the data folder (`start`).
//! What a node decides is in `node`; nothing here looks at a request.
//!
//! Reading order: [`serve`], `start`, `worker_thread`, `disk_thread`.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a shell: it reads the clock and the environment, starts threads and waits"
)]

pub mod banner;
mod client_tls;
pub mod config;
pub mod daemon;
mod descriptors;
pub mod discovery;
pub mod disk;
mod disk_thread;
mod door;
pub mod embed;
mod enter;
mod events;
mod fabric;
mod failures;
mod gather;
mod getting_ready;
mod give_back;
mod handshakes;
mod hello;
mod host;
mod http;
mod join;
mod knocks;
mod lanes;
mod leaving;
mod links;
mod listen;
mod log_file;
pub mod logging;
mod membership;
pub mod names;
mod open;
mod other_cluster;
pub mod outside;
mod passwords;
pub mod pidfile;
pub mod ports;
mod progress;
mod pulse;
mod random;
pub mod rescue;
mod runs;
mod runtime_folder;
mod shared;
mod side_thread;
pub mod signals;
mod socket;
mod start;
mod stopping;
mod system;
mod timed;
mod trust;
mod wall;
mod watch;
mod whereabouts;
mod worker_thread;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
pub use cluster::Levels;
use node::Guard;
use node::settings::Settings;

use crate::banner::Banner;
use crate::config::Resolved;
use crate::pidfile::PidFile;
use crate::signals::{Asked, Signals};
use crate::start::{Kept, Plan, Running};

/// What a caller of [`serve`] wants to be told, and has to offer.
pub struct Hooks {
    /// The node is ready, or has been waited for long enough, as the banner says. Not called if it is to stop before that.
    pub ready: Box<dyn FnOnce(Banner) + Send>,
    /// The process's allocator, if it counts.
    pub allocator: Option<Allocator>,
    /// The levels that the node knows: by default those of this program.
    pub levels: Levels,
}

/// What an allocator that counts can be asked.
#[derive(Clone, Copy, Debug)]
pub struct Allocator {
    /// Bytes that the process has allocated and not freed.
    pub allocated: fn() -> u64,
    /// Of those, what the calling thread has allocated, less what it has freed.
    pub allocated_here: fn() -> i64,
    /// Gives what is free back to the system, of what threads keep only the calling thread's.
    pub give_back: fn(),
    /// Has threads that free memory leave that to whoever calls `give_back`, from now on.
    pub leave_giving_back: fn(),
    /// Its own account of itself.
    pub describe: fn() -> String,
}

/// Runs a node until a signal, `SHUTDOWN` or a failure ends it.
pub fn serve(mut resolved: Resolved, hooks: Hooks) -> anyhow::Result<()> {
    let started = Instant::now();
    let logfile_is_derived = resolved.logfile_is_derived();
    let logging = logging::init(&resolved.settings, logfile_is_derived)?;
    // A daemon without a folder has its place where it was started.
    let mut pidfile = None;
    if resolved.pidfile().is_none() && resolved.settings.daemonize {
        let (path, file) = PidFile::create_beside_others(Path::new(pidfile::WITHOUT_DATA))?;
        resolved.settings.pidfile = Some(path);
        pidfile = Some(file);
    }
    if resolved.settings.no_data && logfile_is_derived {
        resolved.settings.logfile = resolved.pidfile().map(|path| path.with_extension("log"));
    }
    for warning in &resolved.warnings {
        tracing::warn!("{warning}");
    }
    let signals = Signals::install().context("take over signals")?;
    let local_only = resolved.is_local_only();
    let plan = {
        let (port_is_explicit, wants_tcp) = (resolved.port_is_explicit(), resolved.wants_tcp());
        let folder_is_explicit = resolved.folder_is_explicit();
        let (config_file, users) = (resolved.file.clone(), resolved.users.clone());
        let signals = &signals;
        move |settings: Settings, kept: Option<Kept>| {
            anyhow::Ok(Plan {
                levels: hooks.levels,
                port_is_explicit,
                folder_is_explicit,
                wants_tcp,
                config_file: config_file.clone(),
                users: users.clone(),
                settings,
                logging: Some(logging.clone()),
                logfile_is_derived,
                stop: signals.handle().context("make a way to stop")?,
                progress: std::io::stderr().is_terminal(),
                allocator: hooks.allocator,
                begins_anew: true,
                may_raise_limits: true,
                kept,
            })
        }
    };
    let mut running = Running::start(plan(resolved.settings.clone(), None)?)?;
    let asked = resolved.partitions_asked();
    // What was not asked for may have become something else.
    resolved.settings.clone_from(&running.shared.settings_at_start);
    let partitions_note = partitions_note(asked, resolved.settings.partitions);
    if let Some(note) = &partitions_note {
        tracing::warn!("partitions: {note}");
    }
    let guard = running.shared.fabric.as_ref().and_then(|fabric| {
        Guard::of(&fabric.meta(), running.shared.node_id, !resolved.settings.requirepass.is_empty())
    });
    let has_password = resolved.needs_password() || guard == Some(Guard::Shared);
    let settings = resolved.settings.clone();
    let pidfile_path = resolved.pidfile();
    let pidfile = match (pidfile, &pidfile_path) {
        (None, Some(path)) => Some(PidFile::create(path)?),
        (pidfile, _) => pidfile,
    };
    let addresses: Vec<SocketAddr> =
        running.chosen.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    let state = wait_until_ready(&running, &signals);
    if let Some(rescued) = running
        .shared
        .fabric
        .as_ref()
        .and_then(|fabric| fabric.meta().setting(node::RESCUED).map(str::to_owned))
    {
        tracing::info!(from = rescued, "this cluster was made out of what was left of another");
    }
    let banner = Banner {
        version: env!("CARGO_PKG_VERSION"),
        name: running.name.clone(),
        state,
        ready_in: started.elapsed(),
        addresses,
        tls: running.tls_addresses.clone(),
        port_note: running.chosen.note.clone(),
        partitions_note,
        unix: settings.unixsocket.clone(),
        http: running.http.as_ref().map(http::Http::address),
        cluster: running.shared.fabric.as_ref().map(|fabric| {
            let meta = fabric.meta();
            let witnesses = meta.witnesses().count();
            let is_me = |member: &cluster::Member| member.node == running.shared.node_id;
            banner::Cluster {
                name: meta.name().to_owned(),
                nodes: meta.live_members().count() - witnesses,
                witnesses,
                is_witness: meta.witnesses().any(is_me),
            }
        }),
        data: (!settings.no_data).then(|| settings.dir.clone()),
        keys: running.keys,
        has_password,
        local_only,
        pidfile: pidfile_path,
        background: None,
    };
    if !signals.were_heard() {
        (hooks.ready)(banner);
    }
    while signals.wait().context("wait for a signal")? == Asked::Anew {
        let Some(next) = running.shared.take_next_life() else { continue };
        let (settings, kept) = running.give_up(next)?;
        running = Running::start(plan(settings, Some(kept))?).context("begin anew in the other cluster")?;
        wait_until_ready(&running, &signals);
    }
    tracing::info!("stopping");
    let was_interrupted = signals.was_interrupted();
    let left = leaving::is_wanted(&running.shared, was_interrupted, !settings.no_data)
        && leaving::leave(&running.shared, settings.leave_timeout, was_interrupted);
    if !left {
        running.hand_over();
    }
    let result = running.stop();
    if left && result.is_ok() && !settings.no_data {
        open::clear(&settings.dir)?;
    }
    drop(pidfile);
    result
}

/// What is to be said of partitions that were asked for and are not what there is: their number is for good.
fn partitions_note(asked: Option<u16>, there_are: u16) -> Option<String> {
    let asked = asked.filter(|asked| *asked != there_are)?;
    Some(format!(
        "{there_are}, as the cluster was begun with, and not {asked} as asked for: a new cluster would have that many"
    ))
}

/// Waits until a node is ready, or has been waited for long enough, and says so; how it stands.
fn wait_until_ready(running: &Running, signals: &Signals) -> &'static str {
    let state = getting_ready::wait(&running.shared, signals, std::io::stderr().is_terminal());
    let (node, port, keys) = (running.shared.node_id, running.chosen.port, running.keys);
    match state {
        getting_ready::READY => tracing::info!(%node, port, keys, "ready"),
        // That is told by who it tells.
        getting_ready::STOPPING => {}
        state => {
            tracing::info!(%node, port, keys, state, "clients are served, but this node is not ready yet")
        }
    }
    state
}
