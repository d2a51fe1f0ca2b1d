//! Which nodes listen to what, so that a message goes only to those; and subscriptions that are confirmed once nobody
//! can publish past them.
//!
//! ```text
//!  subscriber's worker ── interest, call ──▶ each node, worker by worker ── noted ──▶ subscriber's worker: confirm
//!  publisher's worker  ── tell me all ─────▶ each node's workers ── all of it, and an end ──▶ publisher's worker
//! ```
//! Each worker has a link of its own to each node, and tells by it what its own clients listen to, and how many of them
//! do. Who publishes keeps what it was told by each worker of each node, and so answers how many receivers there are without
//! asking; until it has been told all of it, a node is sent everything. When a link is lost, in either direction, all that was
//! known of that node is forgotten and asked for anew.
//!
//! Does not know: sessions' buffers, how messages are encoded.

use std::collections::{BTreeMap, BTreeSet};

use base::{HashMap, Millis, WorkerId};

use crate::fabric::PeerState;
use crate::message::Message;
use crate::output::Ticket;
use crate::peer_frame::Item;
use crate::pubsub::{Channel, ChannelKind, Delivery};
use crate::session::{Session, SessionRef, Stall};
use crate::worker::Worker;

/// A subscription is confirmed after so long even if some node has not said that it knows of it: delivery is at most
/// once, and a node that is slow to answer must not keep a client waiting.
const CONFIRM_MS: u64 = 1000;
/// The same for one to prefixes of keys: whoever is heard of and has not said so by then has not been told of changes
/// either, for what it was told comes first.
const CONFIRM_KEYS_MS: u64 = 5000;

/// What is said between nodes about who listens to what; every worker of the receiver hears it, one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// So many clients of a worker of the sender listen by now: not a change, so it may be said twice.
    Interest {
        /// Which worker.
        worker: u16,
        /// To what.
        channel: Channel,
        /// How many do; zero if none does any more.
        clients: u32,
        /// If not zero, what the last worker to hear it answers.
        call: u64,
    },
    /// A worker of the sender wants to be told all.
    Ask {
        /// Which worker.
        asker: u16,
        /// To be said with the end.
        token: u64,
    },
    /// A worker of the sender has told all that it was asked for.
    End {
        /// Which worker.
        worker: u16,
        /// Of how many.
        workers: u16,
        /// Which worker asked.
        asker: u16,
        /// And with what.
        token: u64,
    },
}

/// A client's subscription that is not confirmed yet.
struct Confirm {
    client: (SessionRef, Ticket),
    reply: Vec<u8>,
    asked: Asked,
}

/// Who was asked to note what clients listen to and has not said so.
pub(crate) struct Asked {
    call: u64,
    /// Other workers of this node that have not noted it.
    workers: u16,
    /// Nodes that have not.
    nodes: BTreeSet<u64>,
    /// Steady clock.
    deadline: Millis,
}

/// What is known of a node.
#[derive(Default)]
struct Knowledge {
    /// The number by which it was asked; zero if it was not.
    token: u64,
    /// Which of its workers have told all.
    told: BTreeSet<u16>,
    is_whole: bool,
    /// Its workers that want to be told all of ours, and their numbers.
    asked_by: BTreeMap<u16, u64>,
}

/// Clients of a worker of another node that listen to a channel. Invariant: there are some.
struct Listener {
    node: u64,
    worker: u16,
    clients: u32,
}

/// Who listens to a channel: each worker of each node at most once.
type Listeners = Vec<Listener>;

/// See the module.
#[derive(Default)]
pub(crate) struct Interests {
    nodes: BTreeMap<u64, Knowledge>,
    channels: HashMap<Channel, Listeners>,
    /// Kept apart from the channels, for each is looked at for each message.
    patterns: HashMap<Channel, Listeners>,
    /// The same, for each key that changes.
    prefixes: HashMap<Channel, Listeners>,
    confirms: BTreeMap<u64, Confirm>,
    next_call: u64,
}

impl Interests {
    /// Where numbers of calls begin.
    pub(crate) fn number_calls_from(&mut self, number: u64) {
        self.next_call = number;
    }

    fn call(&mut self, worker: WorkerId) -> u64 {
        self.next_call += 1;
        (u64::from(worker.0) << 48) | self.next_call
    }

    fn listeners(&mut self, kind: ChannelKind) -> &mut HashMap<Channel, Listeners> {
        match kind {
            ChannelKind::Plain | ChannelKind::Shard => &mut self.channels,
            ChannelKind::Pattern => &mut self.patterns,
            ChannelKind::Prefix => &mut self.prefixes,
        }
    }

    fn note(&mut self, listener: Listener, channel: &Channel) {
        let all = self.listeners(channel.kind);
        let has_some = listener.clients > 0;
        let Some(listeners) = all.get_mut(channel) else {
            if has_some {
                all.insert(channel.clone(), vec![listener]);
            }
            return;
        };
        let is_same = |other: &Listener| (other.node, other.worker) == (listener.node, listener.worker);
        match listeners.iter_mut().find(|other| is_same(other)) {
            Some(known) if has_some => known.clients = listener.clients,
            None if has_some => listeners.push(listener),
            Some(_) | None => listeners.retain(|other| !is_same(other)),
        }
        if listeners.is_empty() {
            all.remove(channel);
        }
    }

    fn forget(&mut self, node: u64) {
        for all in [&mut self.channels, &mut self.patterns, &mut self.prefixes] {
            all.retain(|_, listeners| {
                listeners.retain(|listener| listener.node != node);
                !listeners.is_empty()
            });
        }
    }

    /// How many times a message is wanted at a node, as far as is known; `None` if nobody there wants it for sure.
    fn wanted_at(&self, node: u64, channel: &Channel) -> Option<usize> {
        let at_node = |listeners: &Listeners| clients(listeners, |of| of == node);
        let mut count = self.channels.get(channel).map_or(0, at_node);
        if channel.kind == ChannelKind::Plain {
            let of_node = self.patterns.iter().map(|(pattern, listeners)| (pattern, at_node(listeners)));
            // Patterns of nobody there need not be looked at.
            let matching = of_node.filter(|(pattern, clients)| {
                *clients > 0 && engine::glob::matches(&pattern.name, &channel.name)
            });
            count += matching.map(|(_, clients)| clients).sum::<usize>();
        }
        let is_whole = self.nodes.get(&node).is_some_and(|known| known.is_whole);
        (count > 0 || !is_whole).then_some(count)
    }

    /// How many clients of other nodes listen to a channel, as far as is known.
    pub(crate) fn subscribers(&self, kind: ChannelKind, name: &[u8]) -> usize {
        if self.channels.is_empty() {
            return 0;
        }
        let channel = Channel { kind, name: name.into() };
        self.channels.get(&channel).map_or(0, |listeners| clients(listeners, |_| true))
    }

    /// What clients of other nodes listen to, of a kind.
    pub(crate) fn names(&self, kind: ChannelKind) -> impl Iterator<Item = &[u8]> {
        let all = match kind {
            ChannelKind::Plain | ChannelKind::Shard => &self.channels,
            ChannelKind::Pattern => &self.patterns,
            ChannelKind::Prefix => &self.prefixes,
        };
        all.keys().filter(move |channel| channel.kind == kind).map(|channel| &*channel.name)
    }
}

/// How many there are, at the nodes that are meant.
fn clients(listeners: &Listeners, is_meant: impl Fn(u64) -> bool) -> usize {
    let meant = listeners.iter().filter(|listener| is_meant(listener.node));
    meant.map(|listener| listener.clients as usize).sum()
}

impl Interests {
    /// Whether any node's clients are told of changes of keys.
    pub(crate) fn has_prefixes(&self) -> bool {
        !self.prefixes.is_empty()
    }

    /// Whether a node has clients that are to be told of a change of a key; of all keys, if none is named.
    pub(crate) fn wants_key(&self, node: u64, key: Option<&[u8]>) -> bool {
        self.prefixes.iter().any(|(prefix, listeners)| {
            key.is_none_or(|key| key.starts_with(&prefix.name))
                && listeners.iter().any(|listener| listener.node == node)
        })
    }
}

impl Worker {
    // ---- subscribers --------------------------------------------------------------------------------------

    /// Tells other workers and other nodes, and confirms to the client once all know what they must: from then on it misses
    /// nothing, and `PUBLISH` counts right.
    pub(crate) fn tell_and_confirm(
        &mut self,
        session: &mut Session,
        changes: &[(Channel, bool)],
        confirmations: Vec<u8>,
    ) {
        let Some(asked) = self.tell_changes(changes) else {
            return session.output.end().extend_from_slice(&confirmations);
        };
        let ticket = session.output.open();
        session.stall = Some(Stall::Drain);
        self.await_noted(asked, (session.at, ticket), confirmations);
    }

    /// Tells other workers and nodes; who is to be waited for, if anybody is.
    pub(crate) fn tell_changes(&mut self, changes: &[(Channel, bool)]) -> Option<Asked> {
        let others = self.router.workers() - 1;
        // Who ends a subscription waits for no node: it may be sent more than it wants.
        let waits_for_nodes = changes.iter().any(|(_, on)| *on);
        let is_reached = |(&node, peer): (&u64, &PeerState)| peer.is_heard(self.fabric.now).then_some(node);
        let nodes: BTreeSet<u64> = match waits_for_nodes {
            true => self.fabric.peers.iter().filter_map(is_reached).collect(),
            false => BTreeSet::new(),
        };
        let call = self.interests.call(self.id);
        let waits = !changes.is_empty() && (others > 0 || !nodes.is_empty());
        for (number, (channel, on)) in changes.iter().enumerate() {
            let is_last = number + 1 == changes.len() && waits;
            self.tell_workers(channel, *on, if is_last { call } else { 0 });
            self.tell_nodes(channel, if is_last && waits_for_nodes { call } else { 0 });
        }
        // A message may be missed; a change of a key should not be.
        let is_of_keys = changes.iter().any(|(channel, _)| channel.kind == ChannelKind::Prefix);
        let patience = if is_of_keys { CONFIRM_KEYS_MS } else { CONFIRM_MS };
        let deadline = Millis(self.now.mono_millis().0 + patience);
        waits.then_some(Asked { call, workers: others, nodes, deadline })
    }

    /// A reply for which a place is kept is given once all have noted what they were told.
    pub(crate) fn await_noted(&mut self, asked: Asked, client: (SessionRef, Ticket), reply: Vec<u8>) {
        self.interests.confirms.insert(asked.call, Confirm { client, reply, asked });
    }

    /// The same for a session that goes: nobody waits for a confirmation.
    pub(crate) fn tell_gone(&mut self, channel: &Channel) {
        self.tell_workers(channel, false, 0);
        self.tell_nodes(channel, 0);
    }

    fn tell_workers(&mut self, channel: &Channel, on: bool, call: u64) {
        for worker in (0..self.router.workers()).map(WorkerId).filter(|worker| *worker != self.id) {
            let (channel, change) = (channel.clone(), if on { 1 } else { -1 });
            self.outbox.messages.push((worker, Message::Interest { channel, change, call }));
        }
    }

    fn tell_nodes(&mut self, channel: &Channel, call: u64) {
        if !self.fabric.is_on {
            return;
        }
        let clients = self.pubsub.own_clients(channel);
        let word = Word::Interest { worker: self.id.0, channel: channel.clone(), clients, call };
        self.fabric.tell_all(&Item::Word(word));
    }

    /// Another worker of this node has noted what it was told.
    pub(crate) fn noted_by_worker(&mut self, call: u64) {
        if let Some(confirm) = self.interests.confirms.get_mut(&call) {
            confirm.asked.workers = confirm.asked.workers.saturating_sub(1);
        }
        self.confirm_if_due(call);
    }

    /// All workers of a node have.
    pub(crate) fn noted_by_node(&mut self, node: u64, call: u64) {
        if let Some(confirm) = self.interests.confirms.get_mut(&call) {
            confirm.asked.nodes.remove(&node);
        }
        self.confirm_if_due(call);
    }

    fn confirm_if_due(&mut self, call: u64) {
        let is_due = |confirm: &Confirm| confirm.asked.workers == 0 && confirm.asked.nodes.is_empty();
        if self.interests.confirms.get(&call).is_some_and(is_due)
            && let Some(Confirm { client: (at, ticket), reply, asked: _ }) =
                self.interests.confirms.remove(&call)
        {
            self.fill_one(at, ticket, &reply);
        }
    }

    /// A step of time: nobody waits for nodes that say nothing.
    pub(crate) fn confirm_overdue(&mut self) {
        let now = self.now.mono_millis();
        let calls: Vec<u64> = self.interests.confirms.keys().copied().collect();
        for call in calls {
            let fabric = &self.fabric;
            if let Some(confirm) = self.interests.confirms.get_mut(&call) {
                let Asked { nodes, deadline, .. } = &mut confirm.asked;
                nodes.retain(|node| *deadline > now && fabric.is_heard(*node));
            }
            self.confirm_if_due(call);
        }
    }

    // ---- publishers ---------------------------------------------------------------------------------------

    /// Whether some other node may have clients that listen.
    pub(crate) fn has_listening_nodes(&self) -> bool {
        let is_known = |node| self.interests.nodes.get(node).is_some_and(|known| known.is_whole);
        let has_some = !self.interests.channels.is_empty() || !self.interests.patterns.is_empty();
        has_some || self.fabric.peers.iter().any(|(node, peer)| peer.is_up && !is_known(node))
    }

    /// Sends a message to the nodes that may want it: a subscriber anywhere misses nothing from the moment its own
    /// node has confirmed the subscription. Answers how many receive it there.
    pub(crate) fn tell_listening_nodes(
        &mut self,
        kind: ChannelKind,
        channel: &[u8],
        payload: &[u8],
    ) -> usize {
        if self.fabric.peers.is_empty() {
            return 0;
        }
        let mut receivers = 0;
        let item = Item::Publish { kind: kind.number(), channel, payload };
        let channel = Channel { kind, name: channel.into() };
        for (node, peer) in &mut self.fabric.peers {
            if !peer.is_up {
                let is_member = self.fabric.meta.live_members().any(|member| member.replica_id() == *node);
                self.stats.messages_without_way += u64::from(is_member);
            } else if let Some(clients) = self.interests.wanted_at(*node, &channel) {
                item.encode(&mut peer.frame);
                self.stats.messages_to_nodes += 1;
                receivers += clients;
            }
        }
        receivers
    }

    /// A client of another node published something.
    pub(crate) fn published_by_peer(&mut self, kind: u8, channel: &[u8], payload: &[u8]) {
        let Some(kind) = ChannelKind::from_number(kind) else { return };
        self.stats.messages_of_nodes += 1;
        let (count, workers) = self.pubsub.reach(kind, channel);
        if count == 0 {
            self.stats.messages_unwanted += 1;
            return;
        }
        self.deliver_to_all(&Delivery::new(kind, channel, payload), None, workers);
    }

    // ---- what nodes say to each other ---------------------------------------------------------------------

    /// There is a way to a node: what its clients listen to is asked for, and what it asked for is told.
    pub(crate) fn greet(&mut self, node: u64) {
        let token = self.random.next_u64() | 1;
        let known = self.interests.nodes.entry(node).or_default();
        *known = Knowledge { token, asked_by: std::mem::take(&mut known.asked_by), ..Knowledge::default() };
        let askers: Vec<(u16, u64)> =
            known.asked_by.iter().map(|(worker, token)| (*worker, *token)).collect();
        self.fabric.tell(node, &Item::Word(Word::Ask { asker: self.id.0, token }));
        for (asker, token) in askers {
            self.tell_all_interests(node, asker, token);
        }
    }

    /// A link to or from a node is lost, and perhaps what it said.
    pub(crate) fn forget_interests(&mut self, node: u64) {
        if let Some(known) = self.interests.nodes.get_mut(&node) {
            (known.token, known.is_whole) = (0, false);
            known.told.clear();
        }
        self.interests.forget(node);
        self.use_prefixes();
        self.forget_asked(node);
    }

    /// A node may have said that it has noted what it was told, and it was lost.
    pub(crate) fn forget_asked(&mut self, node: u64) {
        for confirm in self.interests.confirms.values_mut() {
            confirm.asked.nodes.remove(&node);
        }
        self.confirm_overdue();
    }

    fn tell_all_interests(&mut self, node: u64, asker: u16, token: u64) {
        let (worker, workers) = (self.id.0, self.router.workers());
        for (channel, clients) in self.pubsub.own_channels() {
            let word = Word::Interest { worker, channel, clients, call: 0 };
            self.fabric.tell(node, &Item::Word(word));
        }
        self.fabric.tell(node, &Item::Word(Word::End { worker, workers, asker, token }));
    }

    /// A word of a node. Each worker of this one takes it up in turn, `hops` more after this.
    pub(crate) fn take_word(&mut self, from: u64, word: Word, hops: u16) {
        match &word {
            Word::Interest { worker, channel, clients, .. } => {
                self.interests.note(Listener { node: from, worker: *worker, clients: *clients }, channel);
                if channel.kind == ChannelKind::Prefix {
                    self.use_prefixes();
                }
            }
            Word::Ask { asker, token } => {
                self.interests.nodes.entry(from).or_default().asked_by.insert(*asker, *token);
                self.tell_all_interests(from, *asker, *token);
            }
            Word::End { worker, workers, asker, token } => {
                let known = self.interests.nodes.entry(from).or_default();
                if *asker == self.id.0 && *token == known.token {
                    known.told.insert(*worker);
                    known.is_whole = known.told.len() >= usize::from(*workers);
                    // What changed before its prefixes were known it was not told.
                    if known.is_whole && self.interests.wants_key(from, None) {
                        self.fabric.tell(from, &Item::Changed { by: 0, key: None });
                    }
                }
            }
        }
        match word {
            word if hops > 0 => {
                let next = WorkerId((self.id.0 + 1) % self.router.workers());
                self.outbox.messages.push((next, Message::Word { from, word, hops: hops - 1 }));
            }
            Word::Interest { call, .. } if call != 0 => self.fabric.tell(from, &Item::Noted { call }),
            _ => {}
        }
    }
}
