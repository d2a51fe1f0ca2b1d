//! What the threads of a node share about the fabric it is part of: who is in it, where they are, and the way to have
//! the fabric decide on something.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base::{NodeId, WorkerId};
use cluster::{Command, MemberState, Meta};

use crate::discovery::Lookout;
use crate::enter::Reach;
use crate::hello::{Acquaintances, Standing};
use crate::runs::Runs;
use crate::runtime_folder::RuntimeFolder;
use crate::shared::{Item, Shared, lock};
use crate::stopping::Stopping;
use crate::trust::Trust;

/// Longest the fabric may take to decide on something; its own patience is shorter.
const DECISION: Duration = Duration::from_secs(10);

/// Another run of this node was heard elsewhere for so long, with no longer pause between two words of it, if it is not just
/// the end of the last run that was noticed late.
const DOUBLED_FOR: Duration = Duration::from_secs(5);
const DOUBLED_PAUSE: Duration = Duration::from_secs(6);

/// See the module.
pub(crate) struct Fabric {
    pub(crate) trust: Trust,
    /// Where others reach this one.
    pub(crate) reach: Reach,
    /// The state as this node knows it.
    meta: Mutex<Arc<Meta>>,
    changed: Condvar,
    /// Where nodes say that they are: newer than what the fabric has agreed on, or the same.
    told: Mutex<BTreeMap<NodeId, String>>,
    /// Where nodes are that others say.
    heard: Mutex<BTreeMap<NodeId, String>>,
    /// Where nodes on this machine say the same; none if there can be no such folder.
    here: Option<RuntimeFolder>,
    /// Where this node was told to look for others.
    places: Vec<String>,
    /// Where they were seen on the network.
    pub(crate) lookout: Lookout,
    /// Who waits for a decision.
    waiting: Mutex<BTreeMap<u64, SyncSender<Result<(), String>>>>,
    next: AtomicU64,
    /// This node hands everything over; each worker says how many replicas it still has.
    leaving: AtomicBool,
    held: Mutex<BTreeMap<WorkerId, usize>>,
    /// Which runs of other nodes speak to this one.
    pub(crate) runs: Runs,
    /// Since when, and when last, another node said that it hears another run of this one.
    doubled: Mutex<Option<(Instant, Instant)>>,
    /// How far this node has come that is told to stop.
    pub(crate) stopping: Stopping,
    /// Someone wants this node to leave.
    told_to_leave: AtomicBool,
    /// Whether this node is giving up its cluster for another, and lets nobody in. Who lets somebody in has it meanwhile.
    giving_up: RwLock<bool>,
    /// What the cluster says of this node may be of before its last start.
    is_settled: AtomicBool,
}

impl Fabric {
    pub(crate) fn new(
        trust: Trust,
        reach: Reach,
        meta: Arc<Meta>,
        here: Option<RuntimeFolder>,
        places: Vec<String>,
    ) -> Fabric {
        Fabric {
            here,
            places,
            lookout: Lookout::default(),
            trust,
            reach,
            meta: Mutex::new(meta),
            changed: Condvar::new(),
            told: Mutex::default(),
            heard: Mutex::default(),
            waiting: Mutex::default(),
            next: AtomicU64::new(1),
            leaving: AtomicBool::new(false),
            held: Mutex::default(),
            runs: Runs::default(),
            doubled: Mutex::default(),
            stopping: Stopping::default(),
            told_to_leave: AtomicBool::new(false),
            giving_up: RwLock::new(false),
            is_settled: AtomicBool::new(false),
        }
    }

    /// Another node says that it hears another run of this one; whether that has been so for too long for the end of the run
    /// before this one.
    pub(crate) fn is_doubled(&self, now: Instant) -> bool {
        let mut doubled = lock(&self.doubled);
        let since = match *doubled {
            Some((since, last)) if now.duration_since(last) < DOUBLED_PAUSE => since,
            _ => now,
        };
        *doubled = Some((since, now));
        now.duration_since(since) >= DOUBLED_FOR
    }

    pub(crate) fn meta(&self) -> Arc<Meta> {
        Arc::clone(&lock(&self.meta))
    }

    /// What the first words of a link say of levels.
    pub(crate) fn standing(&self) -> Standing {
        Standing { levels: self.reach.levels, level: self.meta().level() }
    }

    pub(crate) fn set_meta(&self, meta: Arc<Meta>) {
        *lock(&self.meta) = meta;
        self.changed.notify_all();
    }

    /// Waits until the state is as wanted; false when the time is over.
    pub(crate) fn wait_until(&self, deadline: Instant, is_so: impl Fn(&Meta) -> bool) -> bool {
        let mut meta = lock(&self.meta);
        loop {
            if is_so(&meta) {
                return true;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            let waited = self.changed.wait_timeout(meta, left);
            meta = waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }

    // ---- leaving ------------------------------------------------------------------------------------------

    /// From now on workers say what they still hold.
    pub(crate) fn begin_to_leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// A worker has so many replicas.
    pub(crate) fn holds(&self, worker: WorkerId, replicas: usize) {
        lock(&self.held).insert(worker, replicas);
    }

    /// Whether each of so many workers has said that it has nothing any more.
    pub(crate) fn holds_nothing(&self, workers: usize) -> bool {
        let held = lock(&self.held);
        held.len() == workers && held.values().all(|replicas| *replicas == 0)
    }

    /// From here on the cluster's word on this node is of this start.
    pub(crate) fn settle(&self) {
        self.is_settled.store(true, Ordering::Release);
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.is_settled.load(Ordering::Acquire)
    }

    /// Whether the cluster wants this node gone; says so once.
    pub(crate) fn is_told_to_leave(&self, me: NodeId) -> bool {
        self.is_settled()
            && self.meta().member(me).is_some_and(|member| member.state == MemberState::Leaving)
            && !self.told_to_leave.swap(true, Ordering::AcqRel)
    }

    /// Whether someone has asked for it.
    pub(crate) fn was_told_to_leave(&self) -> bool {
        self.told_to_leave.load(Ordering::Acquire)
    }

    // ---- another cluster ----------------------------------------------------------------------------------

    /// From now on nobody is let in, and whoever was let in is known; false if it is so already.
    pub(crate) fn close(&self) -> bool {
        let mut giving_up = self.giving_up.write().unwrap_or_else(PoisonError::into_inner);
        !std::mem::replace(&mut *giving_up, true)
    }

    /// It came to nothing.
    pub(crate) fn reopen(&self) {
        *self.giving_up.write().unwrap_or_else(PoisonError::into_inner) = false;
    }

    /// Has the fabric decide on a newcomer, unless this node is on its way to another cluster. Blocks, as [`Fabric::ask`].
    pub(crate) fn let_in(&self, shared: &Shared, command: Command) -> Result<(), String> {
        let giving_up = self.giving_up.read().unwrap_or_else(PoisonError::into_inner);
        match *giving_up {
            true => Err("the fabric is being given up: its only node is on its way to another".to_owned()),
            false => self.ask(shared, command),
        }
    }

    /// Whether a node may speak to us.
    pub(crate) fn is_member(&self, node: NodeId) -> bool {
        self.meta().member(node).is_some_and(|member| member.state.is_live())
    }

    /// Whether a node was struck off for good. One that is not known may be one that we have not heard of yet.
    pub(crate) fn was_removed(&self, node: NodeId) -> bool {
        self.meta().member(node).is_some_and(|member| !member.state.is_live())
    }

    /// Where a node may be, the likeliest first. Reads a file: never on a worker's thread.
    pub(crate) fn addresses_of(&self, node: NodeId) -> Vec<String> {
        let told = lock(&self.told).get(&node).cloned();
        let here = self.here.as_ref().and_then(|folder| folder.address_of(node));
        let heard = lock(&self.heard).get(&node).cloned();
        let agreed = self.meta().member(node).map(|member| member.peer_address.clone());
        let mut addresses = Vec::new();
        // A node that is elsewhere than all say may be where this one was told to look; who answers there proves
        // which node it is.
        let seen = self.lookout.addresses_of(node);
        let said = [told, here, agreed, heard].into_iter().flatten();
        for address in said.chain(self.places.iter().cloned()).chain(seen) {
            if !address.is_empty() && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }

    /// A member says where it is; where others said that they are.
    pub(crate) fn acquaint(&self, node: NodeId, address: String) -> Acquaintances {
        let mut told = lock(&self.told);
        // In one step: of two that ask at once, one hears of the other.
        told.insert(node, address);
        told.retain(|node, address| !address.is_empty() && self.is_member(*node));
        told.iter().filter(|(other, _)| **other != node).map(|(node, at)| (*node, at.clone())).collect()
    }

    /// Another node says where nodes are.
    pub(crate) fn hear(&self, acquaintances: Acquaintances) {
        let mut heard = lock(&self.heard);
        heard.extend(acquaintances.into_iter().filter(|(node, _)| self.is_member(*node)));
        heard.retain(|node, _| self.is_member(*node));
    }

    /// Has the fabric decide on something. Blocks: never on a worker's thread.
    pub(crate) fn ask(&self, shared: &Shared, command: Command) -> Result<(), String> {
        let (answer, answered) = sync_channel(1);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.waiting).insert(number, answer);
        shared.send(WorkerId(0), Item::AskFabric(number, Box::new(command)));
        let result = answered.recv_timeout(DECISION);
        lock(&self.waiting).remove(&number);
        result.unwrap_or_else(|_| Err("the fabric did not answer in time".to_owned()))
    }

    /// Whoever waits for a decision goes on without, and whoever waits for a change looks whether to go on.
    pub(crate) fn stop_waiting(&self) {
        lock(&self.waiting).clear();
        self.changed.notify_all();
    }

    /// What became of something that was asked.
    pub(crate) fn agreed(&self, number: u64, result: Result<(), String>) {
        if let Some(waiting) = lock(&self.waiting).remove(&number) {
            // Whoever asked may have stopped waiting.
            let _ = waiting.try_send(result);
        }
    }
}
