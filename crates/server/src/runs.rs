//! A node is one process: while one run of a node is heard, no other is let in.
//!
//! A data folder that was copied and started beside the first would vote as the same node twice, and two leaders of one term
//! could follow. A run that says nothing for a while is taken for dead, and what it says after another was let in is not
//! read. Does not know: how links are made (`door`), what is done with what comes by them (`links`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use base::{Millis, NodeId};

use crate::shared::lock;

/// Each node says something every 80 ms; who has said nothing for so long is not waited for.
const SILENT_MS: u64 = 1000;
/// In place of a time: nothing more is taken from this link.
const CUT: u64 = u64::MAX;

/// When a link was last heard, for as long as it stands.
#[derive(Debug)]
pub(crate) struct Heard(Arc<AtomicU64>);

impl Heard {
    /// Something has come by the link; false if it is of a run that another has taken the place of.
    pub(crate) fn note(&self, now: Millis) -> bool {
        let before = self.0.load(Ordering::Relaxed);
        // Only one thread notes; what changes it meanwhile is the end of it.
        before != CUT && self.0.compare_exchange(before, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// The links by which other nodes speak to this one.
#[derive(Default)]
pub(crate) struct Runs {
    links: Mutex<BTreeMap<NodeId, Vec<Link>>>,
}

/// A link of some run of a node; its end drops what it was heard by.
struct Link {
    run: u128,
    heard: Weak<AtomicU64>,
}

impl Runs {
    /// Lets a link of a run in, unless another run of that node is heard.
    pub(crate) fn admit(&self, node: NodeId, run: u128, now: Millis) -> Option<Heard> {
        let mut all = lock(&self.links);
        let links = all.entry(node).or_default();
        links.retain(|link| link.heard.strong_count() > 0);
        let is_heard = |heard: &AtomicU64| {
            let at = heard.load(Ordering::Relaxed);
            at != CUT && now.since(Millis(at)) <= SILENT_MS
        };
        let others = || links.iter().filter(|link| link.run != run).filter_map(|link| link.heard.upgrade());
        if others().any(|heard| is_heard(&heard)) {
            return None;
        }
        others().for_each(|heard| heard.store(CUT, Ordering::Relaxed));
        let heard = Arc::new(AtomicU64::new(now.0));
        links.push(Link { run, heard: Arc::downgrade(&heard) });
        Some(Heard(heard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(7);

    #[test]
    fn a_second_run_is_let_in_once_the_first_is_gone_or_silent_and_then_nothing_of_the_first_counts() {
        let runs = Runs::default();
        let first = runs.admit(NODE, 1, Millis(0)).unwrap();
        let other_worker = runs.admit(NODE, 1, Millis(10)).unwrap();
        assert!(runs.admit(NODE, 2, Millis(500)).is_none(), "the first is heard");
        assert!(runs.admit(NodeId(8), 2, Millis(500)).is_some(), "another node is another");
        assert!(first.note(Millis(900)) && other_worker.note(Millis(900)));
        assert!(runs.admit(NODE, 2, Millis(1900)).is_none());
        drop(other_worker);
        let second = runs.admit(NODE, 2, Millis(1901)).unwrap();
        assert!(!first.note(Millis(1902)), "it stood still, and another is in its place");
        assert!(second.note(Millis(1903)) && runs.admit(NODE, 1, Millis(1904)).is_none());
        drop(second);
        assert!(runs.admit(NODE, 3, Millis(1905)).is_some(), "its links have ended");
    }
}
