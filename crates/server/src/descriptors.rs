//! File descriptors: how many this process may have open, and how many of them clients may take.
//!
//! Clients come as they like. A segment of the log, a checkpoint or a link to a peer must get its descriptor all the same,
//! or the node stops: so some are kept back, and `maxclients` is no more than what is left. The limit of the process is
//! raised first, as far as the system lets it be (the hard limit); only then is `maxclients` lowered, as Redis does.
//!
//! Invariant: clients that are let in, those in a handshake, and what is kept back together fit below the limit.
//! Does not know: who opens what.

use std::fs;

use anyhow::bail;
use node::settings::Settings;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::handshakes::HANDSHAKES_MAX;
use crate::http::CONNECTIONS_MAX;
use crate::knocks::KNOCKS_MAX;

/// What every node has open: standard streams and its own log, listeners twice, event loops of its helping threads, the lock
/// and the folder, segments of the log that are written, synced or made. An idle node has some thirty.
const NODE: u64 = 48;
/// What a worker has open: its event loop and waker, and a checkpoint that is written beside one that is received.
const WORKER: u64 = 8;
/// Members whose links are allowed for; each has one way in and one way out at each worker.
const PEERS: u64 = 64;
/// The share of all descriptors, one in so many, that is left to peers and strangers where not all can have what they may.
const SHARE: u64 = 8;

/// The descriptors of a process, shared out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptors {
    /// Needed whatever happens.
    own: u64,
    /// What peers, handshakes and requests over HTTP take at most.
    others: u64,
    has_tls: bool,
    /// The process is the node's alone.
    may_raise: bool,
}

impl Descriptors {
    /// Raises the limit to what `settings` need, if `may_raise`, and lowers their `maxclients` to what can be had.
    pub(crate) fn share_out(settings: &mut Settings, may_raise: bool) -> anyhow::Result<Descriptors> {
        let descriptors = Descriptors::needed_by(settings, may_raise);
        let asked = settings.maxclients;
        let Err(maxclients) = descriptors.make_room(asked) else { return Ok(descriptors) };
        let limit = limit();
        if maxclients == 0 {
            let least = descriptors.own + 1;
            bail!(
                "{limit} open files are too few for a node, which needs more than {least}; raise the limit (ulimit -n)"
            );
        }
        settings.maxclients = maxclients;
        tracing::warn!(
            asked,
            maxclients,
            open_files = limit,
            "maxclients is lowered to what the limit on open files leaves; raise that limit (ulimit -n) for more"
        );
        Ok(descriptors)
    }

    fn needed_by(settings: &Settings, may_raise: bool) -> Descriptors {
        let workers = u64::from(settings.workers);
        let (has_tls, has_http) = (settings.tls.port != 0, settings.http_port != 0);
        let strangers = [(true, KNOCKS_MAX), (has_tls, HANDSHAKES_MAX), (has_http, CONNECTIONS_MAX)];
        let strangers = strangers.iter().filter(|(may_come, _)| *may_come).map(|(_, most)| *most as u64);
        let others = strangers.sum::<u64>() + 2 * PEERS * workers;
        Descriptors { own: NODE + WORKER * workers, others, has_tls, may_raise }
    }

    /// Sees to it that so many clients can be had, or says how many can.
    pub(crate) fn make_room(&self, clients: u32) -> Result<(), u32> {
        if self.may_raise {
            raise(u64::from(clients) + self.own + self.others);
        }
        let most = self.clients_below(limit());
        if clients <= most { Ok(()) } else { Err(most) }
    }

    /// Handshakes with clients that there may be at once.
    pub(crate) fn handshakes_max(&self) -> usize {
        let most = if self.has_tls { self.for_others_below(limit()) / 2 } else { 0 };
        HANDSHAKES_MAX.min(usize::try_from(most).unwrap_or(HANDSHAKES_MAX)).max(1)
    }

    fn clients_below(&self, limit: u64) -> u32 {
        let left = limit.saturating_sub(self.own + self.for_others_below(limit));
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    fn for_others_below(&self, limit: u64) -> u64 {
        self.others.min(limit / SHARE)
    }
}

/// How many descriptors the process has open.
pub(crate) fn open() -> u64 {
    const FOLDER: &str = "/proc/self/fd";
    // Newer kernels (6.2) tell the number as the folder's size; where it is zero they are counted.
    match fs::metadata(FOLDER).map_or(0, |folder| folder.len()) {
        0 => fs::read_dir(FOLDER).map_or(0, Iterator::count) as u64,
        count => count,
    }
}

/// How many it may have open.
pub(crate) fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Raises the limit to `wanted`, or as far as it may be.
fn raise(wanted: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let reachable = maximum.map_or(wanted, |maximum| wanted.min(maximum));
    if current.is_some_and(|current| current < reachable)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(reachable), maximum })
    {
        tracing::debug!(%error, reachable, "the limit on open files stays as it is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(limit: u64) -> u32 {
        Descriptors { own: 64, others: 320, has_tls: false, may_raise: false }.clients_below(limit)
    }

    #[test]
    fn all_have_what_they_may_where_there_is_enough() {
        assert_eq!(clients(10_000 + 384), 10_000);
    }

    #[test]
    fn few_are_shared_so_that_most_are_for_clients() {
        assert_eq!(clients(1024), 1024 - 64 - 128);
        assert_eq!(clients(128), 128 - 64 - 16);
        assert_eq!(clients(64), 0);
    }

    #[test]
    fn handshakes_fit_into_what_is_not_for_clients() {
        let mut settings = Settings::default();
        (settings.workers, settings.tls.port) = (2, 6380);
        let descriptors = Descriptors::needed_by(&settings, false);
        assert!(descriptors.others >= HANDSHAKES_MAX as u64);
        assert!((descriptors.handshakes_max() as u64) <= descriptors.for_others_below(limit()));
    }
}
