//! Telling caches in clients what has changed: from where a key is changed to the connections that are to know.
//!
//! ```text
//!  partition ─ notice ─▶ its worker ─▶ worker of the session ─▶ the session, or the one that it redirects to
//!                            └──▶ node of the session ──┘
//! ```
//! A notice needs no order of its own. A read keeps its place in the client's output when it is sent, and a notice goes
//! behind all that has a place: so whoever read a value before it changed gets the notice after it, whatever overtook
//! what on the way. What concerns a client of this worker is told as soon as the request is done that changed it; all
//! else at the turn's end.
//!
//! What cannot be known is told as if everything had changed: a partition that got another leader has not told all that
//! the old one knew, a link that broke may have lost notices, a node that says nothing may have changed anything.
//! Clients are told to forget all then: who has read from such a partition, and who listens to a prefix.
//!
//! Does not know: what was read, which partition is whose.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{PartitionId, WorkerId};
use resp::{Reply, Version};

use crate::message::Message;
use crate::peer_frame::Item;
use crate::session::{Session, SessionRef};
use crate::trackers::{Notice, who_of};
use crate::tracking::{Mode, Redirect};
use crate::worker::Worker;

/// Keys forgotten in one go because there are too many, if not more have come; more with the next read.
const DROPPED_AT_ONCE: usize = 100;
/// Readers that are remembered, as a multiple of the keys that may be, and of no fewer keys than these: who has gone is
/// forgotten with the key.
const READERS_A_KEY: u64 = 16;
/// See [`READERS_A_KEY`].
const KEYS_AT_LEAST: u64 = 1 << 16;
/// Where notices go to that stand in for another connection's.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// A change that a session is to be told of: the key, none for all; whether it made the change itself.
type Told = (SessionRef, Option<Arc<[u8]>>, bool);

/// Keys that changed, for those who listen to prefixes: by whom, zero if by nobody.
#[derive(Default)]
struct Changed {
    keys: BTreeMap<Box<[u8]>, u64>,
    /// All keys were deleted at once.
    all: bool,
}

impl Changed {
    fn add(&mut self, key: Option<&[u8]>, by: u64) {
        match key {
            Some(key) => drop(self.keys.insert(key.into(), by)),
            None => self.all = true,
        }
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty() && !self.all
    }

    fn each(&self, visit: &mut dyn FnMut(Option<&[u8]>, u64)) {
        if self.all {
            visit(None, 0);
        }
        self.keys.iter().for_each(|(key, by)| visit(Some(key), *by));
    }
}

/// What nobody can vouch for any more.
#[derive(Clone, Default)]
struct Gaps {
    /// Partitions that got another leader.
    partitions: BTreeSet<PartitionId>,
    /// A node may have said something that did not come through.
    is_of_node: bool,
}

impl Gaps {
    fn is_empty(&self) -> bool {
        self.partitions.is_empty() && !self.is_of_node
    }
}

/// A notice that is to go to another connection than the one that tracks.
struct Redirected {
    to: SessionRef,
    from: (WorkerId, SessionRef),
    /// Of the one that tracks: the form of null is its, as in Redis.
    version: Version,
    /// None for all.
    keys: Option<Vec<Box<[u8]>>>,
}

/// What a worker tells another about its clients' caches.
#[derive(Default)]
pub struct Invalid {
    told: Vec<Told>,
    everyone: bool,
    changed: Changed,
    gaps: Gaps,
    redirected: Vec<Redirected>,
    /// Sessions of the receiver whose redirection leads nowhere.
    broken: Vec<SessionRef>,
}

/// Something to be told to clients of this worker.
enum Own {
    One(Told),
    /// Everybody who tracks is to forget all.
    Everyone,
}

/// What caches are to be told, until they are.
#[derive(Default)]
pub(crate) struct Caches {
    own: Vec<Own>,
    workers: BTreeMap<WorkerId, Invalid>,
    nodes: Vec<Notice>,
    /// Keys that changed here; that a node said have changed; that another worker said have.
    changed: [Changed; 3],
    /// Found here; told by another worker.
    gaps: [Gaps; 2],
    /// Someone, anywhere, listens to a prefix.
    pub(crate) is_broadcast: bool,
}

impl Caches {
    #[inline]
    fn has_own(&self) -> bool {
        !self.own.is_empty()
    }

    /// Whether there is nothing to be told.
    pub(crate) fn is_empty(&self) -> bool {
        self.own.is_empty()
            && self.workers.is_empty()
            && self.nodes.is_empty()
            && self.changed.iter().all(Changed::is_empty)
            && self.gaps.iter().all(Gaps::is_empty)
    }

    /// A partition has another leader, who does not know what the last one would have told.
    pub(crate) fn gap_in(&mut self, id: PartitionId) {
        self.gaps[0].partitions.insert(id);
    }

    /// What a node has changed may not have been told.
    pub(crate) fn gap_of_node(&mut self) {
        self.gaps[0].is_of_node = true;
    }
}

impl Worker {
    // ---- what has changed ---------------------------------------------------------------------------------

    /// Takes up what a partition has to say of changes, and sees to it that not too many keys are remembered.
    #[cold]
    pub(crate) fn settle_trackers(&mut self, id: PartitionId) {
        let (by, me, limit) = (self.acting, self.id, self.settings.tracking_table_max_keys);
        let Worker { places, memory, random, caches, .. } = self;
        let place = places.get_mut(usize::from(id.0)).and_then(|place| place.partition.as_deref_mut());
        let Some(partition) = place else { return };
        partition.settle_changes(by);
        let counts = partition.trackers.count();
        memory.count_tracked(counts);
        // No fewer than have just come: many keys read at once would be a way around the limit.
        let come = counts.map(|(before, now)| now.saturating_sub(before)).into_iter().max();
        for _ in 0..DROPPED_AT_ONCE.max(come.unwrap_or(0)) {
            let (keys, items) = memory.tracked();
            let is_too_much = keys > limit || items > READERS_A_KEY * limit.max(KEYS_AT_LEAST);
            if limit == 0 || !is_too_much || !partition.drop_tracked(random.next_u64()) {
                break;
            }
            memory.count_tracked(partition.trackers.count());
        }
        let told = partition.trackers.take_told();
        if told.is_empty() {
            return;
        }
        for notice in told.notices {
            let Notice { reader, key, is_own } = notice;
            if reader.node != 0 {
                caches.nodes.push(Notice { reader, key, is_own });
            } else if reader.worker == me.0 {
                caches.own.push(Own::One((reader.at(), key, is_own)));
            } else {
                caches.workers.entry(WorkerId(reader.worker)).or_default().told.push((
                    reader.at(),
                    key,
                    is_own,
                ));
            }
        }
        for (key, by) in told.broadcast {
            caches.changed[0].add(key.as_deref(), by);
        }
    }

    /// Databases of this node, which has its data alone, were emptied: whoever tracks is told so once, as in Redis.
    pub(crate) fn note_flushed(&mut self) {
        for id in self.router.all() {
            if let Some(partition) = self.partition_mut(id) {
                partition.send_trackers_away();
                self.settle_trackers(id);
            }
        }
        if !self.memory.has_trackers() {
            return;
        }
        let names_key = |told: &Told| told.1.is_some();
        self.caches.own.retain(|own| matches!(own, Own::One(told) if names_key(told)));
        self.caches.own.push(Own::Everyone);
        self.caches.changed[0].all = false;
        for worker in (0..self.router.workers()).map(WorkerId).filter(|worker| *worker != self.id) {
            let invalid = self.caches.workers.entry(worker).or_default();
            invalid.told.retain(names_key);
            invalid.everyone = true;
        }
    }

    /// What another worker says.
    pub(crate) fn take_invalid(&mut self, from: WorkerId, invalid: Invalid) {
        let Invalid { told, everyone, changed, gaps, redirected, broken } = invalid;
        self.caches.own.extend(told.into_iter().map(Own::One));
        if everyone {
            self.caches.own.push(Own::Everyone);
        }
        changed.each(&mut |key, by| self.caches.changed[2].add(key, by));
        self.caches.gaps[1].partitions.extend(gaps.partitions);
        self.caches.gaps[1].is_of_node |= gaps.is_of_node;
        for Redirected { to, from: (worker, at), version, keys } in redirected {
            debug_assert_eq!(worker, from, "who tracks is the sender's");
            let keys: Option<Vec<&[u8]>> = keys.as_ref().map(|keys| keys.iter().map(|key| &**key).collect());
            if !self.push_invalid(to, &mut None, Some(version), keys.as_deref()) {
                self.caches.workers.entry(from).or_default().broken.push(at);
            }
        }
        broken.into_iter().for_each(|at| self.redirection_is_broken(at, &mut None));
    }

    /// What another node says of a client of this worker.
    pub(crate) fn told_by_node(&mut self, at: SessionRef, is_own: bool, key: Option<&[u8]>) {
        self.caches.own.push(Own::One((at, key.map(Arc::from), is_own)));
    }

    /// The same of keys whose prefixes clients of this node listen to.
    pub(crate) fn changed_by_node(&mut self, by: u64, key: Option<&[u8]>) {
        self.caches.changed[1].add(key, who_of(self.fabric.me, by));
    }

    // ---- telling ------------------------------------------------------------------------------------------

    /// Tells clients of this worker what concerns them. `current` is the session that is taken out, if any: what it
    /// changed itself it is told behind the reply.
    #[inline]
    pub(crate) fn tell_caches(&mut self, current: Option<&mut Session>) {
        if self.caches.has_own() {
            self.tell_own(current);
        }
    }

    #[cold]
    fn tell_own(&mut self, mut current: Option<&mut Session>) {
        let mut have_forgotten = BTreeSet::new();
        for own in std::mem::take(&mut self.caches.own) {
            match own {
                Own::Everyone => {
                    let all = self.who_tracks(current.as_deref(), &|_| true);
                    all.into_iter().for_each(|at| self.invalidate(at, None, &mut current));
                }
                Own::One((at, None, _)) => {
                    if have_forgotten.insert(at.conn) {
                        self.invalidate(at, None, &mut current);
                    }
                }
                Own::One((at, Some(key), is_own)) => {
                    let is_wanted = |session: &mut Session| {
                        let tracking = session.tracking.as_deref();
                        tracking.is_some_and(|t| t.mode != Mode::Broadcast && !(is_own && t.no_loop))
                    };
                    if self.with_session(at, &mut current, is_wanted) == Some(true) {
                        self.invalidate(at, Some(&[&key]), &mut current);
                    }
                }
            }
        }
    }

    /// The turn ends: all that is still to be told.
    pub(crate) fn settle_caches(&mut self) {
        if !self.fabric.new_leads.is_empty() {
            for id in std::mem::take(&mut self.fabric.new_leads) {
                self.caches.gap_in(id);
            }
        }
        if std::mem::take(&mut self.fabric.has_lost_touch) {
            self.caches.gap_of_node();
        }
        if !self.memory.has_trackers() {
            self.caches.gaps[0] = Gaps::default();
        }
        if self.caches.is_empty() {
            return;
        }
        self.tell_caches(None);
        self.tell_gaps();
        let changed = std::mem::take(&mut self.caches.changed);
        if changed.iter().any(|changed| !changed.is_empty()) {
            self.tell_changed(changed);
        }
        for Notice { reader, key, is_own } in std::mem::take(&mut self.caches.nodes) {
            let at = reader.at();
            let item = Item::Invalid { worker: reader.worker, at, is_own, key: key.as_deref() };
            self.fabric.tell(reader.node, &item);
        }
        for (worker, invalid) in std::mem::take(&mut self.caches.workers) {
            self.outbox.messages.push((worker, Message::Invalid(Box::new(invalid))));
        }
    }

    /// Whoever relies on what nobody can vouch for forgets all.
    fn tell_gaps(&mut self) {
        let [found, told] = std::mem::take(&mut self.caches.gaps);
        if !found.is_empty() {
            for worker in (0..self.router.workers()).map(WorkerId).filter(|worker| *worker != self.id) {
                self.caches.workers.entry(worker).or_default().gaps = found.clone();
            }
        }
        for gaps in [found, told].into_iter().filter(|gaps| !gaps.is_empty()) {
            let relies = |session: &Session| {
                session.tracking.as_deref().is_some_and(|tracking| {
                    tracking.mode == Mode::Broadcast
                        || (gaps.is_of_node && tracking.has_read())
                        || gaps.partitions.iter().any(|id| tracking.has_read_from(*id))
                })
            };
            for at in self.who_tracks(None, &relies) {
                self.invalidate(at, None, &mut None);
                // A node that is lost is silent first, and then each of its partitions gets another leader: who has read
                // nothing since has nothing more to forget.
                self.with_session(at, &mut None, |session| {
                    if let (false, Some(tracking)) = (session.output.is_waiting(), &mut session.tracking) {
                        tracking.has_forgotten();
                    }
                });
            }
        }
    }

    /// Keys changed: those who listen to their prefixes are told, here, on other workers, on other nodes.
    fn tell_changed(&mut self, changed: [Changed; 3]) {
        let [here, by_nodes, by_workers] = changed;
        for (&node, peer) in self.fabric.peers.iter_mut().filter(|(_, peer)| peer.is_up) {
            here.each(&mut |key, by| {
                if self.interests.wants_key(node, key) {
                    Item::Changed { by, key }.encode(&mut peer.frame);
                }
            });
        }
        let mut all = here;
        by_nodes.each(&mut |key, by| all.add(key, by));
        for worker in (0..self.router.workers()).map(WorkerId).filter(|worker| *worker != self.id) {
            all.each(&mut |key, by| {
                if self.pubsub.wants_key(worker, key) {
                    self.caches.workers.entry(worker).or_default().changed.add(key, by);
                }
            });
        }
        by_workers.each(&mut |key, by| all.add(key, by));
        if all.all {
            let listens = |session: &Session| {
                session.tracking.as_deref().is_some_and(|tracking| tracking.mode == Mode::Broadcast)
            };
            let listeners = self.who_tracks(None, &listens);
            listeners.into_iter().for_each(|at| self.invalidate(at, None, &mut None));
        }
        for (prefix, audience) in self.pubsub.own_prefixes() {
            let keys = all.keys.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
            let keys: Vec<(&[u8], u64)> = keys.map(|(key, by)| (&**key, *by)).collect();
            for at in audience {
                let no_loop = self
                    .sessions
                    .find_mut(at)
                    .and_then(|session| session.tracking.as_deref().map(|tracking| tracking.no_loop));
                let is_told = |(_, by): &&(&[u8], u64)| no_loop == Some(false) || *by != at.conn.0;
                let keys: Vec<&[u8]> = keys.iter().filter(is_told).map(|(key, _)| *key).collect();
                if !keys.is_empty() {
                    self.invalidate(at, Some(&keys), &mut None);
                }
            }
        }
    }

    /// Sessions of this worker that track and that `is_meant` says.
    fn who_tracks(&self, current: Option<&Session>, is_meant: &dyn Fn(&Session) -> bool) -> Vec<SessionRef> {
        let all = self.sessions.iter().chain(current);
        all.filter(|session| session.tracking.is_some() && is_meant(session)).map(|s| s.at).collect()
    }

    fn with_session<T>(
        &mut self,
        at: SessionRef,
        current: &mut Option<&mut Session>,
        act: impl FnOnce(&mut Session) -> T,
    ) -> Option<T> {
        match current.as_deref_mut().filter(|session| session.at == at) {
            Some(session) => Some(act(session)),
            None => self.sessions.find_mut(at).map(act),
        }
    }

    /// Tells a session that tracks, or whom it redirects to, that keys have changed; all, if none is named.
    fn invalidate(&mut self, at: SessionRef, keys: Option<&[&[u8]]>, current: &mut Option<&mut Session>) {
        let how = self.with_session(at, current, |session| {
            session.tracking.as_deref().map(|tracking| (tracking.redirect, session.version))
        });
        match how.flatten() {
            None => {}
            Some((None, _)) => drop(self.push_invalid(at, current, None, keys)),
            Some((Some(Redirect { worker, at: to }), version)) if worker == self.id => {
                let is_there = self.push_invalid(to, current, Some(version), keys);
                if !is_there {
                    self.redirection_is_broken(at, current);
                }
            }
            Some((Some(Redirect { worker, at: to }), version)) => {
                let keys = keys.map(|keys| keys.iter().map(|key| Box::from(*key)).collect());
                let redirected = Redirected { to, from: (self.id, at), version, keys };
                self.caches.workers.entry(worker).or_default().redirected.push(redirected);
            }
        }
    }

    /// Writes a notice to a session; false if it is not there. `redirected` is the version of the session that tracks, if
    /// that is another.
    fn push_invalid(
        &mut self,
        to: SessionRef,
        current: &mut Option<&mut Session>,
        redirected: Option<Version>,
        keys: Option<&[&[u8]]>,
    ) -> bool {
        if let Some(session) = current.as_deref_mut().filter(|session| session.at == to) {
            write_invalid(session, redirected, keys);
            return true;
        }
        let Some(mut session) = self.sessions.take(to.token) else { return false };
        let is_its = session.at == to;
        if is_its && !session.closing {
            write_invalid(&mut session, redirected, keys);
            self.queue_send(&mut session);
        }
        self.sessions.put_back(session);
        is_its
    }

    /// Whom a session redirects to is not there any more: it is told so itself, if it can be told anything.
    fn redirection_is_broken(&mut self, at: SessionRef, current: &mut Option<&mut Session>) {
        let write = |session: &mut Session| {
            let Some(tracking) = session.tracking.as_deref_mut() else { return };
            tracking.is_broken = true;
            let id = tracking.redirect_id();
            if session.version == Version::Resp3 {
                let mut reply = Reply::new(session.push_end(), Version::Resp3);
                reply.push(2);
                reply.bulk(b"tracking-redir-broken");
                reply.int(id);
            }
        };
        if let Some(session) = current.as_deref_mut().filter(|session| session.at == at) {
            return write(session);
        }
        let Some(mut session) = self.sessions.take(at.token) else { return };
        if session.at == at && !session.closing {
            write(&mut session);
            self.queue_send(&mut session);
        }
        self.sessions.put_back(session);
    }
}

/// Writes a notice, if this client can be sent one: in RESP2 only a subscriber that stands in for another can.
fn write_invalid(session: &mut Session, redirected: Option<Version>, keys: Option<&[&[u8]]>) {
    let (version, listens) = (session.version, session.subscriptions.count() > 0);
    let out = session.push_end();
    let mut reply = Reply::new(out, version);
    match version {
        Version::Resp3 => {
            reply.push(2);
            reply.bulk(b"invalidate");
        }
        Version::Resp2 if redirected.is_some() && listens => {
            reply.push(3);
            reply.bulk(b"message");
            reply.bulk(CHANNEL);
        }
        Version::Resp2 => return,
    }
    match keys {
        Some(keys) => {
            reply.array(keys.len());
            keys.iter().for_each(|key| reply.bulk(key));
        }
        None => Reply::new(out, redirected.unwrap_or(version)).null(),
    }
}
