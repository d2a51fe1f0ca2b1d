//! How a node leaves its cluster: it hands its data over, as long as somebody is there to take it.
//!
//! Does not know: what moves where (`cluster::placement`), when a replica here may go (`node::reconcile`).

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use base::NodeId;
use cluster::{Command, MemberState, Meta};

use crate::shared::Shared;
use crate::watch;

/// Between two looks at what is held here, which changes without the cluster's state.
const LOOK: Duration = Duration::from_millis(100);

/// Whether this node should leave its cluster when it stops. Asked by name it does; so it does when a person presses
/// Ctrl-C, when what it holds would be gone with it, and when the others could not write without it. A node that a service
/// manager stops comes back, and moving its data twice would help nobody.
pub(crate) fn is_wanted(shared: &Shared, was_interrupted: bool, keeps_data: bool) -> bool {
    let Some(fabric) = &shared.fabric else { return false };
    let (me, meta) = (shared.node_id, fabric.meta());
    let mut targets = meta.targets().iter();
    let quorum_needs_us = targets.any(|target| target.voters.contains(&me) && target.voters.len() == 2);
    others_with_data(&meta, me).next().is_some()
        && (fabric.was_told_to_leave() || was_interrupted || !keeps_data || quorum_needs_us)
}

/// Hands everything over to the others and leaves; false if that did not come to an end in time.
pub(crate) fn leave(shared: &Shared, patience: Duration, was_interrupted: bool) -> bool {
    let Some(fabric) = &shared.fabric else { return false };
    let again = match (was_interrupted, fabric.was_told_to_leave()) {
        (true, _) => "; Ctrl-C again stops at once and stays a member",
        (false, false) => "; SIGTERM again stops at once and stays a member",
        // No signal came yet.
        (false, true) => "",
    };
    let seconds = patience.as_secs();
    tracing::info!(seconds, "handing the data over to the others and leaving{again}");
    let begin = Instant::now();
    let (mut progress, mut takers) = (Progress::new(begin), Takers::new(begin));
    let (node, deadline) = (shared.node_id, begin + patience);
    fabric.begin_to_leave();
    let mut step = Command::Leave { node };
    while Instant::now() < deadline && !shared.has_failed() {
        // Said a moment before that it is here again, as one that was to leave when it was killed, it stays unless it
        // says again that it leaves.
        let is_told = fabric.meta().member(node).is_some_and(|me| me.state == MemberState::Leaving);
        if matches!(step, Command::Remove { .. }) && !is_told {
            step = Command::Leave { node };
        }
        let is_ripe = matches!(step, Command::Leave { .. })
            || fabric.meta().replicas_on(node) == 0 && fabric.holds_nothing(shared.inboxes().len());
        // Who would not be answered is not asked: that takes as long as a decision may.
        if takers.are_heard(shared) && is_ripe {
            match (fabric.ask(shared, step.clone()), &step) {
                (Ok(()), Command::Leave { .. }) => step = Command::Remove { node },
                (Ok(()), _) => return true,
                (Err(reason), _) => {
                    if progress.is_news(Instant::now(), &reason) {
                        tracing::info!(reason, "this node cannot leave yet");
                    }
                }
            }
        }
        if takers.are_gone() {
            tracing::warn!(
                "no other node is there to take the data over: this node stays a member, with its data"
            );
            return false;
        }
        if progress.is_due(Instant::now()) {
            let partitions = fabric.meta().replicas_on(node);
            tracing::info!(partitions, "still handing over; partitions that the others have not taken yet");
        }
        fabric.wait_until(Instant::now() + LOOK, |_| false);
    }
    tracing::warn!("the others did not take everything over in time, this node stays a member");
    false
}

fn others_with_data(meta: &Meta, me: NodeId) -> impl Iterator<Item = NodeId> {
    meta.data_nodes().map(|member| member.node).filter(move |node| *node != me)
}

/// Who could take over what this node holds, as far as they are heard of.
struct Takers {
    /// When somebody was heard of last.
    heard: Instant,
    looked: Option<Instant>,
}

impl Takers {
    /// Between two looks; workers are asked for each.
    const PERIOD: Duration = Duration::from_millis(500);
    /// Nobody was heard of for so long: they are not just slow. One that dies is silent after less than half a second.
    const GONE: Duration = Duration::from_secs(3);

    fn new(now: Instant) -> Takers {
        Takers { heard: now, looked: None }
    }

    /// Whether somebody was there when last looked.
    fn are_heard(&mut self, shared: &Shared) -> bool {
        let (Some(fabric), now) = (&shared.fabric, Instant::now()) else { return false };
        if self.looked.is_none_or(|looked| now.duration_since(looked) >= Takers::PERIOD) {
            self.looked = Some(now);
            let report = watch::report(shared, &AtomicBool::new(false));
            let is_heard = match report.as_ref().and_then(|report| report.view()) {
                Some(view) => {
                    let meta = fabric.meta();
                    others_with_data(&meta, shared.node_id).any(|node| !view.silent.contains(&node))
                }
                // Workers that do not answer in time are busy, perhaps with handing over.
                None => true,
            };
            if is_heard {
                self.heard = now;
            }
        }
        self.looked == Some(self.heard)
    }

    /// Whether nobody has been there for long.
    fn are_gone(&self) -> bool {
        self.looked.is_some_and(|looked| looked.duration_since(self.heard) >= Takers::GONE)
    }
}

/// What is said while this node leaves: why it cannot, when that begins or changes, and now and then how far it is.
struct Progress {
    reason: Option<String>,
    said: Option<Instant>,
    due: Instant,
}

impl Progress {
    /// Between two words on how far it is.
    const PERIOD: Duration = Duration::from_secs(5);
    /// Between two reasons at least.
    const REASONS: Duration = Duration::from_secs(1);

    fn new(now: Instant) -> Progress {
        Progress { reason: None, said: None, due: now + Progress::PERIOD }
    }

    /// Whether this reason is to be said now.
    fn is_news(&mut self, now: Instant, reason: &str) -> bool {
        let is_early = self.said.is_some_and(|said| now.duration_since(said) < Progress::REASONS);
        if is_early || self.reason.as_deref() == Some(reason) {
            return false;
        }
        (self.reason, self.said) = (Some(reason.to_owned()), Some(now));
        true
    }

    /// Whether to say how far it is.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.due;
        if is_due {
            self.due = now + Progress::PERIOD;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_said_when_it_begins_and_when_it_changes() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut progress = Progress::new(begin);
        let said = (0..300).filter(|n| progress.is_news(at(n * 100), "nobody answers")).count();
        assert_eq!(said, 1);
        let flapping =
            (300..600).filter(|n| progress.is_news(at(n * 100), ["a", "b"][*n as usize % 2])).count();
        assert!((2..=31).contains(&flapping), "{flapping} in 30 s");
        assert_eq!((0..600).filter(|n| progress.is_due(at(n * 100))).count(), 11);
    }
}
