//! The slow log: requests that took longer than a threshold, newest first, a bounded number.
//!
//! Each worker keeps its own; `SLOWLOG` merges them by time.

use std::collections::VecDeque;

use base::Args;
use command::{Flags, Spec};
use resp::Reply;

use crate::latency::LatencyMonitor;
use crate::monitor::{REDACTED, is_secret};
use crate::session::Session;
use crate::settings::Settings;
use crate::worker::Worker;

/// As Redis: so many arguments are kept, and so many bytes of each.
const ARGS_MAX: usize = 32;
const ARG_MAX: usize = 128;

/// A slow request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowEntry {
    /// Unique on the node and growing.
    pub id: u64,
    /// Microseconds since the Unix epoch.
    pub time_us: u64,
    /// How long it took.
    pub elapsed_us: u64,
    /// Its arguments, cut.
    pub args: Vec<Box<[u8]>>,
    /// Where the client is.
    pub peer: String,
    /// The client's name.
    pub name: Box<[u8]>,
}

/// The slow log of one worker.
pub(crate) struct SlowLog {
    entries: VecDeque<SlowEntry>,
    len_max: usize,
    threshold_us: i64,
    next: u64,
}

impl SlowLog {
    pub(crate) fn new(settings: &Settings) -> SlowLog {
        let mut log = SlowLog { entries: VecDeque::new(), len_max: 0, threshold_us: 0, next: 0 };
        log.set(settings);
        log
    }

    pub(crate) fn set(&mut self, settings: &Settings) {
        self.threshold_us = settings.slowlog_log_slower_than;
        self.len_max = usize::try_from(settings.slowlog_max_len).unwrap_or(usize::MAX);
        self.entries.truncate(self.len_max);
    }

    pub(crate) fn newest(&self, count: usize) -> Vec<SlowEntry> {
        self.entries.iter().take(count).cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn is_slow(&self, elapsed_us: u64) -> bool {
        self.len_max > 0 && self.threshold_us >= 0 && elapsed_us >= self.threshold_us.unsigned_abs()
    }
}

impl Worker {
    /// Notes how long a request took.
    pub(crate) fn note_time(&mut self, session: &Session, spec: &Spec, args: Args<'_>, nanos: u64) {
        self.stats.time(spec, nanos);
        let elapsed_us = nanos / 1000;
        self.latency.note(LatencyMonitor::event_of(spec), elapsed_us, self.now.wall_us / 1_000_000);
        if !self.slowlog.is_slow(elapsed_us) || spec.flags.contains(Flags::SKIP_SLOWLOG) {
            return;
        }
        let entry = SlowEntry {
            // Workers count apart; the low bits keep their numbers apart.
            id: self.slowlog.next * u64::from(self.router.workers()) + u64::from(self.id.0),
            time_us: self.now.wall_us,
            elapsed_us,
            args: kept_args(spec, args),
            peer: crate::client::address(&session.peer),
            name: session.name.clone(),
        };
        self.slowlog.next += 1;
        self.slowlog.entries.push_front(entry);
        self.slowlog.entries.truncate(self.slowlog.len_max);
    }
}

fn kept_args(spec: &Spec, args: Args<'_>) -> Vec<Box<[u8]>> {
    let cut = args.len() > ARGS_MAX;
    let kept = if cut { ARGS_MAX - 1 } else { args.len() };
    let mut out: Vec<Box<[u8]>> = args
        .iter()
        .take(kept)
        .enumerate()
        .map(|(index, arg)| if is_secret(spec, args, index) { REDACTED.into() } else { kept_arg(arg) })
        .collect();
    if cut {
        let rest = args.len() - kept;
        out.push(format!("... ({rest} more arguments)").into_bytes().into());
    }
    out
}

fn kept_arg(arg: &[u8]) -> Box<[u8]> {
    if arg.len() <= ARG_MAX {
        return arg.into();
    }
    let mut text = arg[..ARG_MAX].to_vec();
    text.extend_from_slice(format!("... ({} more bytes)", arg.len() - ARG_MAX).as_bytes());
    text.into()
}

/// Writes `SLOWLOG GET`'s reply.
pub(crate) fn write_entries(entries: &[SlowEntry], reply: &mut Reply<'_>) {
    reply.array(entries.len());
    for entry in entries {
        reply.array(6);
        reply.int(entry.id as i64);
        reply.int((entry.time_us / 1_000_000) as i64);
        reply.int(entry.elapsed_us as i64);
        reply.array(entry.args.len());
        entry.args.iter().for_each(|arg| reply.bulk(arg));
        reply.bulk(entry.peer.as_bytes());
        reply.bulk(&entry.name);
    }
}
