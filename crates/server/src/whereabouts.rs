//! Tells the cluster where this node is: when it comes back, and again if another member got its address while it was away.
//!
//! One thread a node, which sleeps until the cluster's state says that something is to be said. Invariant: while another
//! member has the address nothing is asked; `events` warns of it. Ends when dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base::NodeId;
use cluster::{Command, Member, MemberState, Meta};

use crate::enter::Reach;
use crate::fabric::Fabric;
use crate::shared::Shared;

/// Between two tries of what was not heard or was refused.
const PAUSE: Duration = Duration::from_millis(300);
/// How long the thread sleeps if nothing changes.
const NAP: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Whereabouts {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    stopping: Arc<AtomicBool>,
}

impl Whereabouts {
    /// `returns`: it was a member before, and may be elsewhere now.
    pub(crate) fn begin(shared: &Arc<Shared>, returns: bool) -> std::io::Result<Whereabouts> {
        if let Some(fabric) = shared.fabric.as_ref().filter(|_| !returns) {
            fabric.settle();
        }
        let stopping = Arc::new(AtomicBool::new(false));
        let teller = Teller { shared: Arc::clone(shared), stopping: Arc::clone(&stopping) };
        let thread =
            std::thread::Builder::new().name("whereabouts".to_owned()).spawn(move || teller.run(returns))?;
        Ok(Whereabouts { shared: Arc::clone(shared), thread: Some(thread), stopping })
    }
}

impl Drop for Whereabouts {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return };
        while !thread.is_finished() {
            // It may wait for a cluster that does not answer, or for one that does not change.
            self.shared.fabric.iter().for_each(Fabric::stop_waiting);
            std::thread::sleep(Duration::from_millis(5));
        }
        // A panic in it was reported by it.
        let _ = thread.join();
    }
}

struct Teller {
    shared: Arc<Shared>,
    stopping: Arc<AtomicBool>,
}

impl Teller {
    fn run(&self, returns: bool) {
        let Some(fabric) = &self.shared.fabric else { return };
        if returns {
            let said = self.say(fabric);
            // What was decided while it was away, a level that it must keep in its folder, say, comes before its own word.
            let is_known = |meta: &Meta| {
                live_member(meta, self.shared.node_id).is_some_and(|member| member.incarnation >= said)
            };
            while !self.is_over() && !self.sleep(fabric, NAP, is_known) {}
            fabric.settle();
        }
        while !self.is_over() {
            if self.sleep(fabric, NAP, |meta| has_no_address(meta, self.shared.node_id)) {
                self.say(fabric);
            }
        }
    }

    /// Says it until the cluster has heard; the incarnation that it is by then.
    fn say(&self, fabric: &Fabric) -> u64 {
        while !self.is_over() {
            let is_free = |meta: &Meta| may_have(meta, self.shared.node_id, &fabric.reach);
            if !self.sleep(fabric, NAP, is_free) {
                continue;
            }
            match self.ask(fabric) {
                Ok(incarnation) => return incarnation,
                Err(reason) => {
                    tracing::debug!(reason, "the cluster has not heard yet where this node is");
                }
            }
            // What another has got meanwhile is not asked for again.
            self.sleep(fabric, PAUSE, |_| false);
        }
        0
    }

    fn ask(&self, fabric: &Fabric) -> Result<u64, String> {
        let (meta, reach, node) = (fabric.meta(), &fabric.reach, self.shared.node_id);
        let member = meta.member(node).ok_or("it is not known as a member")?;
        let incarnation = member.incarnation + 1;
        fabric.ask(
            &self.shared,
            Command::SetAddresses {
                node,
                peer_address: reach.peer_address.clone(),
                client_address: reach.client_address.clone(),
                tls_port: reach.tls_port,
                incarnation,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                levels: reach.levels,
            },
        )?;
        // It did not come to that before it was stopped; it may have been told again since.
        if member.state == MemberState::Leaving && !fabric.is_settled() && !fabric.is_leaving() {
            fabric.ask(&self.shared, Command::SetState { node, state: MemberState::Up })?;
        }
        Ok(incarnation)
    }

    /// Waits until the state is as wanted, the time is over or the node stops; whether it is as wanted.
    fn sleep(&self, fabric: &Fabric, longest: Duration, is_so: impl Fn(&Meta) -> bool) -> bool {
        fabric.wait_until(Instant::now() + longest, |meta| self.is_over() || is_so(meta)) && !self.is_over()
    }

    fn is_over(&self) -> bool {
        self.stopping.load(Ordering::Relaxed) || self.shared.has_failed()
    }
}

/// Whether another has got the address of a node, so that the cluster does not know where it is.
fn has_no_address(meta: &Meta, node: NodeId) -> bool {
    live_member(meta, node).is_some_and(|member| member.peer_address.is_empty())
}

/// Whether nobody stands in the way of a member that says to be there.
fn may_have(meta: &Meta, node: NodeId, reach: &Reach) -> bool {
    live_member(meta, node).is_some() && meta.check_free(node, reach.addresses()).is_ok()
}

fn live_member(meta: &Meta, node: NodeId) -> Option<&Member> {
    meta.member(node).filter(|member| member.state.is_live())
}
