//! Between listening and ready: a node that joins is no full member yet, and one that comes back may not have heard who
//! leads what.
//!
//! Whoever started it is told that it is ready when it is, and after a while in any case, with what is missing. Clients are
//! served meanwhile. Does not know: what makes a node ready (`node::Report`).

use std::io::Write;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crate::shared::Shared;
use crate::signals::Signals;
use crate::watch;

/// The word for a node that has all that it is to have, in a cluster that can write.
pub(crate) const READY: &str = "ready";
/// That for one that is no full member yet, as far as anybody knows.
const JOINING: &str = "joining";
/// That for one that is about to stop.
pub(crate) const STOPPING: &str = "stopping";
/// Longest that is waited for this node to become a member with its data.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same for the others, if it has all that it is to have: the first of a cluster that is started again would wait for
/// nodes that are started after it.
const PATIENCE_WITH_OTHERS: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// Who waits for less reads no line about it.
const UNSAID: Duration = Duration::from_millis(500);

/// Waits until the node is ready, or told to stop, or has been waited for long enough; how it stands then.
pub(crate) fn wait(shared: &Shared, signals: &Signals, on_terminal: bool) -> &'static str {
    let begin = Instant::now();
    let mut line = Line { on: on_terminal, said: None };
    let mut state = JOINING;
    let is_told_to_stop = loop {
        // Workers that do not answer in time are busy: it stands as it did.
        if let Some(report) = watch::report(shared, &AtomicBool::new(false)) {
            state = report.state();
        }
        let passed = begin.elapsed();
        if signals.were_heard_within(LOOK) {
            break true;
        }
        if state == READY || passed >= patience(state) {
            break false;
        }
        line.show(state, passed);
    };
    line.clear();
    if is_told_to_stop { STOPPING } else { state }
}

fn patience(state: &str) -> Duration {
    match state {
        "degraded" => PATIENCE_WITH_OTHERS,
        _ => PATIENCE,
    }
}

/// One line on a terminal that says what is waited for; nothing elsewhere.
struct Line {
    on: bool,
    /// State and seconds that it shows.
    said: Option<(&'static str, u64)>,
}

impl Line {
    fn show(&mut self, state: &'static str, passed: Duration) {
        let now = (state, passed.as_secs());
        if self.on && passed >= UNSAID && self.said != Some(now) {
            self.said = Some(now);
            let what = match state {
                "joining" => "joining the cluster",
                "moving" => "taking over data",
                _ => "waiting for the other nodes",
            };
            // A terminal that has gone is no reason to stop.
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K{what} … {} s", now.1);
        }
    }

    fn clear(&mut self) {
        if self.said.take().is_some() {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}
