//! Looks at the cluster once a second, less often while all is well, and has the log told what happened
//! ([`events`](crate::events)).
//!
//! One thread a node; a worker is only asked for a report, and not at all while this node is alone. Ends when dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use cluster::Meta;
use node::{FabricView, Guard, Report};
use tracing::{info, warn};

use crate::events::{Events, Look};
use crate::http::ask_report;
use crate::shared::{Shared, lock};
use crate::side_thread::SideThread;

/// Between two looks, and while all is well in company: asking the workers is a fifth of what an idle node does.
const PERIOD: Duration = Duration::from_secs(1);
const CALM_PERIOD: Duration = Duration::from_secs(4);
/// Longest the workers may take for a report, and how often it is seen meanwhile whether the node stops.
const REPORT_TIME: Duration = Duration::from_secs(2);
const GLANCE: Duration = Duration::from_millis(50);

/// See the module.
pub(crate) fn begin(shared: &Arc<Shared>) -> std::io::Result<SideThread> {
    let shared = Arc::clone(shared);
    SideThread::begin("events", move |stopping| run(&shared, stopping))
}

fn run(shared: &Shared, stopping: &AtomicBool) {
    let Some(fabric) = &shared.fabric else { return };
    let (me, begin) = (shared.node_id, Instant::now());
    let here = (me, fabric.reach.addresses());
    let start = Look::of(&fabric.meta(), here, None, false);
    let mut events = Events::new(me, shared.settings_at_start.name.clone(), start);
    let mut guard = None;
    let mut next = begin;
    while !stopping.load(Ordering::Relaxed) && !shared.has_failed() {
        let now = Instant::now();
        if now < next {
            std::thread::park_timeout(next - now);
            continue;
        }
        next = now + PERIOD;
        // Workers that sleep do not look at the system's clock.
        shared.now();
        let meta = fabric.meta();
        let report = match is_alone(&meta, shared) {
            true => None,
            false => report(shared, stopping),
        };
        // Struck off, it does not know any more how the others are.
        if stopping.load(Ordering::Relaxed) || meta.member(me).is_some_and(|member| !member.state.is_live()) {
            continue;
        }
        let has_own = !lock(&shared.settings).requirepass.is_empty();
        log_guard(&mut guard, Guard::of(&meta, me, has_own));
        let view = match &report {
            Some(report) => report.view().cloned(),
            None => is_alone(&meta, shared).then(|| FabricView {
                leader: Some(me),
                partitions: usize::from(meta.partitions()),
                ..FabricView::default()
            }),
        };
        let is_calm = report.is_some() && view.as_ref().is_some_and(FabricView::is_calm);
        let is_ready = report.is_some_and(|report| report.is_ready());
        let now = begin.elapsed().as_millis() as u64;
        let happened = events.look(now, Look::of(&meta, here, view, is_ready));
        happened.iter().for_each(|event| event.log());
        if is_calm && is_ready && happened.is_empty() {
            next += CALM_PERIOD - PERIOD;
        }
    }
}

/// Says who is kept out, and how, if that is not by a password of this node or by the users of the cluster.
fn log_guard(told: &mut Option<Guard>, guard: Option<Guard>) {
    if *told == guard {
        return;
    }
    match guard.as_ref().map(Guard::finding) {
        Some(Some(finding)) => warn!("{finding}"),
        Some(None) => info!("no password is configured for this node, so that of the cluster holds"),
        None => {}
    }
    *told = guard;
}

fn is_alone(meta: &Meta, shared: &Shared) -> bool {
    meta.live_members().all(|member| member.node == shared.node_id)
}

/// How the node is, by all its workers; none if that takes too long.
pub(crate) fn report(shared: &Shared, stopping: &AtomicBool) -> Option<Box<Report>> {
    let (sender, receiver) = sync_channel(1);
    // Who asked may have gone.
    let _place = ask_report(shared, move |report| drop(sender.try_send(report)));
    let deadline = Instant::now() + REPORT_TIME;
    while Instant::now() < deadline && !stopping.load(Ordering::Relaxed) {
        match receiver.recv_timeout(GLANCE) {
            Ok(report) => return Some(report),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    None
}
