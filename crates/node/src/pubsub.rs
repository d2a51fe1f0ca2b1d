//! Publish and subscribe: who listens to what, on every worker of the node.
//!
//! Each worker knows its own subscribers by name and of every other worker how many it has, per channel and
//! pattern. So a publisher's worker can count receivers without asking, and sends a message only to workers that
//! have some. A client's SUBSCRIBE is confirmed when all workers, and all nodes, have noted it: from then on it misses
//! nothing. Other nodes, and how many of their clients listen, are the business of
//! [`interest`](crate::interest).
//!
//! Delivery is at most once, in order per publisher and channel.

use std::sync::Arc;

use base::{Args, HashMap, HashSet, WorkerId};
use command::NodeCommand;
use resp::{Reply, Version};

use crate::message::Message;
use crate::session::{Session, SessionRef};
use crate::worker::Worker;

/// The name spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelKind {
    /// `SUBSCRIBE`, `PUBLISH`.
    Plain,
    /// `PSUBSCRIBE`: a glob over plain channels.
    Pattern,
    /// `SSUBSCRIBE`, `SPUBLISH`.
    Shard,
    /// `CLIENT TRACKING … BCAST`: what keys begin with. Nobody publishes there; who listens is told of changes.
    Prefix,
}

impl ChannelKind {
    /// Its number between nodes.
    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    /// The kind of this number, if messages can be of it: nobody publishes to a pattern.
    pub(crate) fn from_number(number: u8) -> Option<ChannelKind> {
        [ChannelKind::Plain, ChannelKind::Shard].into_iter().find(|kind| kind.number() == number)
    }

    /// The kind of this number, if clients can listen to it.
    pub(crate) fn to_listen_to(number: u8) -> Option<ChannelKind> {
        let kinds = [ChannelKind::Plain, ChannelKind::Pattern, ChannelKind::Shard, ChannelKind::Prefix];
        kinds.get(usize::from(number)).copied()
    }
}

/// A channel or pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Channel {
    /// Its name space.
    pub kind: ChannelKind,
    /// Its name.
    pub name: Box<[u8]>,
}

/// A message on its way to subscribers.
#[derive(Clone, Debug)]
pub struct Delivery {
    kind: ChannelKind,
    channel: Arc<[u8]>,
    payload: Arc<[u8]>,
}

impl Delivery {
    pub(crate) fn new(kind: ChannelKind, channel: &[u8], payload: &[u8]) -> Delivery {
        Delivery { kind, channel: channel.into(), payload: payload.into() }
    }
}

/// What one session listens to.
#[derive(Default)]
pub(crate) struct Subscriptions {
    plain: HashSet<Box<[u8]>>,
    pattern: HashSet<Box<[u8]>>,
    shard: HashSet<Box<[u8]>>,
    prefix: HashSet<Box<[u8]>>,
}

impl Subscriptions {
    pub(crate) fn of(&mut self, kind: ChannelKind) -> &mut HashSet<Box<[u8]>> {
        match kind {
            ChannelKind::Plain => &mut self.plain,
            ChannelKind::Pattern => &mut self.pattern,
            ChannelKind::Shard => &mut self.shard,
            ChannelKind::Prefix => &mut self.prefix,
        }
    }

    /// What the keys begin with of whose changes it is told, in order.
    pub(crate) fn prefixes(&self) -> Vec<&[u8]> {
        let mut prefixes: Vec<&[u8]> = self.prefix.iter().map(|prefix| &**prefix).collect();
        prefixes.sort_unstable();
        prefixes
    }

    /// How many of a kind; plain channels and patterns are counted together, as Redis does.
    fn count_with(&self, kind: ChannelKind) -> usize {
        match kind {
            ChannelKind::Plain | ChannelKind::Pattern => self.plain.len() + self.pattern.len(),
            ChannelKind::Shard => self.shard.len(),
            ChannelKind::Prefix => self.prefix.len(),
        }
    }

    /// All channels and patterns that are listened to.
    pub(crate) fn all(&self) -> impl Iterator<Item = (ChannelKind, &[u8])> {
        let of = [
            (ChannelKind::Plain, &self.plain),
            (ChannelKind::Pattern, &self.pattern),
            (ChannelKind::Shard, &self.shard),
        ];
        of.into_iter().flat_map(|(kind, names)| names.iter().map(move |name| (kind, &**name)))
    }

    /// How many channels and patterns in all.
    pub(crate) fn count(&self) -> usize {
        self.plain.len() + self.pattern.len() + self.shard.len()
    }

    /// Plain channels, patterns, shard channels.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.plain.len(), self.pattern.len(), self.shard.len())
    }
}

/// Who listens to one channel.
#[derive(Default)]
struct Audience {
    local: Vec<SessionRef>,
    /// Subscribers of other workers, by worker; empty until there is one.
    remote: Vec<u32>,
}

impl Audience {
    fn count(&self) -> usize {
        self.local.len() + self.remote.iter().map(|&count| count as usize).sum::<usize>()
    }

    fn own_clients(&self) -> u32 {
        u32::try_from(self.local.len()).unwrap_or(u32::MAX)
    }

    fn is_empty(&self) -> bool {
        self.local.is_empty() && self.remote.iter().all(|&count| count == 0)
    }
}

/// Audiences of a node, seen from one worker.
pub(crate) struct PubSub {
    id: WorkerId,
    workers: usize,
    plain: HashMap<Box<[u8]>, Audience>,
    pattern: HashMap<Box<[u8]>, Audience>,
    shard: HashMap<Box<[u8]>, Audience>,
    prefix: HashMap<Box<[u8]>, Audience>,
}

impl PubSub {
    pub(crate) fn new(id: WorkerId, workers: u16) -> PubSub {
        PubSub {
            id,
            workers: usize::from(workers),
            plain: HashMap::default(),
            pattern: HashMap::default(),
            shard: HashMap::default(),
            prefix: HashMap::default(),
        }
    }

    fn of(&self, kind: ChannelKind) -> &HashMap<Box<[u8]>, Audience> {
        match kind {
            ChannelKind::Plain => &self.plain,
            ChannelKind::Pattern => &self.pattern,
            ChannelKind::Shard => &self.shard,
            ChannelKind::Prefix => &self.prefix,
        }
    }

    fn of_mut(&mut self, kind: ChannelKind) -> &mut HashMap<Box<[u8]>, Audience> {
        match kind {
            ChannelKind::Plain => &mut self.plain,
            ChannelKind::Pattern => &mut self.pattern,
            ChannelKind::Shard => &mut self.shard,
            ChannelKind::Prefix => &mut self.prefix,
        }
    }

    fn audience(&self, kind: ChannelKind, name: &[u8]) -> Option<&Audience> {
        self.of(kind).get(name)
    }

    /// Another worker gained or lost subscribers.
    pub(crate) fn note_interest(&mut self, from: WorkerId, channel: Channel, change: i32) {
        let workers = self.workers;
        let audiences = self.of_mut(channel.kind);
        let audience = audiences.entry(channel.name.clone()).or_default();
        audience.remote.resize(workers, 0);
        let count = &mut audience.remote[usize::from(from.0)];
        *count = count.saturating_add_signed(change);
        if audience.is_empty() {
            audiences.remove(&channel.name);
        }
    }

    pub(crate) fn add(&mut self, kind: ChannelKind, name: &[u8], session: SessionRef) {
        self.of_mut(kind).entry(name.into()).or_default().local.push(session);
    }

    pub(crate) fn remove(&mut self, kind: ChannelKind, name: &[u8], session: SessionRef) {
        let audiences = self.of_mut(kind);
        let Some(audience) = audiences.get_mut(name) else { return };
        if let Some(at) = audience.local.iter().position(|other| *other == session) {
            audience.local.remove(at);
        }
        if audience.is_empty() {
            audiences.remove(name);
        }
    }

    /// How many clients of this worker listen to a channel.
    pub(crate) fn own_clients(&self, channel: &Channel) -> u32 {
        self.audience(channel.kind, &channel.name).map_or(0, Audience::own_clients)
    }

    /// All that clients of this worker listen to, and how many do.
    pub(crate) fn own_channels(&self) -> Vec<(Channel, u32)> {
        let kinds = [ChannelKind::Plain, ChannelKind::Pattern, ChannelKind::Shard, ChannelKind::Prefix];
        let of = [&self.plain, &self.pattern, &self.shard, &self.prefix];
        let all = kinds.into_iter().zip(of).flat_map(|(kind, all)| all.iter().map(move |one| (kind, one)));
        let own = all.filter(|(_, (_, audience))| !audience.local.is_empty());
        own.map(|(kind, (name, audience))| (Channel { kind, name: name.clone() }, audience.own_clients()))
            .collect()
    }

    /// Receivers in all, and the workers besides this one that have some.
    pub(crate) fn reach(&self, kind: ChannelKind, channel: &[u8]) -> (usize, Vec<WorkerId>) {
        let audience = self.audience(kind, channel);
        if audience.is_none() && self.pattern.is_empty() {
            return (0, Vec::new());
        }
        let mut count = 0;
        let mut workers = vec![false; if self.workers > 1 { self.workers } else { 0 }];
        let mut note = |audience: &Audience| {
            count += audience.count();
            for (has, &remote) in workers.iter_mut().zip(&audience.remote) {
                *has |= remote > 0;
            }
        };
        audience.into_iter().for_each(&mut note);
        if kind == ChannelKind::Plain {
            let matching = self.pattern.iter().filter(|(pattern, _)| engine::glob::matches(pattern, channel));
            matching.for_each(|(_, audience)| note(audience));
        }
        let others = (0..workers.len()).filter(|&w| workers[w] && w != usize::from(self.id.0));
        (count, others.map(|worker| WorkerId(worker as u16)).collect())
    }

    /// Number of prefixes whose keys someone is told of.
    pub(crate) fn prefixes(&self) -> usize {
        self.prefix.len()
    }

    /// Prefixes that clients of this worker listen to, in order, and who does.
    pub(crate) fn own_prefixes(&self) -> Vec<(Box<[u8]>, Vec<SessionRef>)> {
        let own = self.prefix.iter().filter(|(_, audience)| !audience.local.is_empty());
        let mut own: Vec<_> = own.map(|(name, audience)| (name.clone(), audience.local.clone())).collect();
        own.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        own
    }

    /// Whether clients of another worker are to be told of a change of a key; of all keys, if none is named.
    pub(crate) fn wants_key(&self, worker: WorkerId, key: Option<&[u8]>) -> bool {
        self.prefix.iter().any(|(prefix, audience)| {
            audience.remote.get(usize::from(worker.0)).is_some_and(|count| *count > 0)
                && key.is_none_or(|key| key.starts_with(prefix))
        })
    }

    /// Number of patterns with a subscriber.
    pub(crate) fn patterns(&self) -> usize {
        self.pattern.len()
    }

    /// Number of channels with a subscriber: plain, and shard.
    pub(crate) fn channels(&self) -> (usize, usize) {
        (self.plain.len(), self.shard.len())
    }
}

impl Worker {
    /// Adds or ends subscriptions. Confirmations are messages: a client that wants no replies gets them too.
    pub(crate) fn change_subscriptions(
        &mut self,
        session: &mut Session,
        kind: ChannelKind,
        subscribe: bool,
        args: Args<'_>,
    ) {
        let muted = session.output.set_muted(false);
        if subscribe {
            self.subscribe(session, kind, args);
        } else {
            self.unsubscribe(session, kind, args);
        }
        session.output.set_muted(muted);
    }

    /// Adds subscriptions and confirms each.
    fn subscribe(&mut self, session: &mut Session, kind: ChannelKind, args: Args<'_>) {
        let (mut out, mut changes) = (Vec::new(), Vec::new());
        for name in args.iter().skip(1) {
            if session.subscriptions.of(kind).insert(name.into()) {
                self.pubsub.add(kind, name, session.at);
                changes.push((Channel { kind, name: name.into() }, true));
            }
            let count = session.subscriptions.count_with(kind);
            confirm(&mut out, session.version, confirmation(kind, true), Some(name), count);
        }
        session.update_subscribed_gate();
        self.tell_and_confirm(session, &changes, out);
    }

    /// Ends subscriptions, all of the kind if none is named, and confirms each.
    fn unsubscribe(&mut self, session: &mut Session, kind: ChannelKind, args: Args<'_>) {
        let names: Vec<Box<[u8]>> = match args.len() {
            1 => session.subscriptions.of(kind).iter().cloned().collect(),
            _ => args.iter().skip(1).map(Box::from).collect(),
        };
        let (mut out, mut changes) = (Vec::new(), Vec::new());
        for name in &names {
            if session.subscriptions.of(kind).remove(name) {
                self.pubsub.remove(kind, name, session.at);
                changes.push((Channel { kind, name: name.clone() }, false));
            }
            let count = session.subscriptions.count_with(kind);
            confirm(&mut out, session.version, confirmation(kind, false), Some(name), count);
        }
        if names.is_empty() {
            let count = session.subscriptions.count_with(kind);
            confirm(&mut out, session.version, confirmation(kind, false), None, count);
        }
        session.update_subscribed_gate();
        self.tell_and_confirm(session, &changes, out);
    }

    /// Ends all subscriptions of a session without a word, when it goes or resets.
    pub(crate) fn drop_subscriptions(&mut self, session: &mut Session) {
        for kind in [ChannelKind::Plain, ChannelKind::Pattern, ChannelKind::Shard] {
            // Prefixes go with the tracking.
            for name in std::mem::take(session.subscriptions.of(kind)) {
                self.pubsub.remove(kind, &name, session.at);
                self.tell_gone(&Channel { kind, name });
            }
        }
        session.update_subscribed_gate();
    }

    /// Sends a message to all who listen, and answers how many of them there are, at all nodes.
    pub(crate) fn publish(&mut self, session: &mut Session, kind: ChannelKind, args: Args<'_>) {
        let (channel, payload) = (args.at(1), args.at(2));
        let (count, workers) = self.pubsub.reach(kind, channel);
        let elsewhere = self.tell_listening_nodes(kind, channel, payload);
        // The answer first: a publisher that listens to itself gets the message after it.
        Reply::new(session.output.end(), session.version).len_int(count + elsewhere);
        if count > 0 {
            self.deliver_to_all(&Delivery::new(kind, channel, payload), Some(session), workers);
        }
    }

    pub(crate) fn deliver_to_all(
        &mut self,
        delivery: &Delivery,
        publisher: Option<&mut Session>,
        workers: Vec<WorkerId>,
    ) {
        self.deliver_published(delivery, publisher);
        for worker in workers {
            self.outbox.messages.push((worker, Message::Publish(delivery.clone())));
        }
    }

    /// Hands a message to our own subscribers. `publisher` is the session that is taken out, if any.
    pub(crate) fn deliver_published(&mut self, delivery: &Delivery, mut publisher: Option<&mut Session>) {
        let mut direct = Encoded::default();
        let direct_to = self.pubsub.audience(delivery.kind, &delivery.channel).map(|a| a.local.clone());
        for at in direct_to.unwrap_or_default() {
            self.push_message(at, delivery, None, &mut direct, publisher.as_deref_mut());
        }
        if delivery.kind != ChannelKind::Plain || self.pubsub.pattern.is_empty() {
            return;
        }
        let matching: Vec<(Box<[u8]>, Vec<SessionRef>)> = self
            .pubsub
            .pattern
            .iter()
            .filter(|(pattern, audience)| {
                !audience.local.is_empty() && engine::glob::matches(pattern, &delivery.channel)
            })
            .map(|(pattern, audience)| (pattern.clone(), audience.local.clone()))
            .collect();
        for (pattern, audience) in matching {
            let mut encoded = Encoded::default();
            for at in audience {
                self.push_message(at, delivery, Some(&pattern), &mut encoded, publisher.as_deref_mut());
            }
        }
    }

    fn push_message(
        &mut self,
        at: SessionRef,
        delivery: &Delivery,
        pattern: Option<&[u8]>,
        encoded: &mut Encoded,
        publisher: Option<&mut Session>,
    ) {
        self.stats.delivered_messages += 1;
        if let Some(session) = publisher
            && session.at == at
        {
            let bytes = encoded.of(session.version, delivery, pattern);
            session.push_end().extend_from_slice(bytes);
            return;
        }
        let Some(mut session) = self.sessions.take(at.token) else { return };
        if session.at == at && !session.closing {
            let bytes = encoded.of(session.version, delivery, pattern);
            session.push_end().extend_from_slice(bytes);
            self.queue_send(&mut session);
        }
        self.sessions.put_back(session);
    }

    /// The `PUBSUB` family: about clients of all nodes, as far as they have said.
    pub(crate) fn run_pubsub(
        &mut self,
        session: &mut Session,
        command: NodeCommand,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) {
        let mut reply = Reply::new(out, session.version);
        match command {
            NodeCommand::PubSubChannels => self.list_channels(ChannelKind::Plain, args.get(2), &mut reply),
            NodeCommand::PubSubShardChannels => {
                self.list_channels(ChannelKind::Shard, args.get(2), &mut reply)
            }
            NodeCommand::PubSubNumSub => self.count_subscribers(ChannelKind::Plain, args, &mut reply),
            NodeCommand::PubSubShardNumSub => self.count_subscribers(ChannelKind::Shard, args, &mut reply),
            _ => reply.len_int(self.listened_to(ChannelKind::Pattern).count()),
        }
    }

    /// What clients of any node listen to, of a kind.
    fn listened_to(&self, kind: ChannelKind) -> impl Iterator<Item = &[u8]> {
        let here = self.pubsub.of(kind);
        let elsewhere = self.interests.names(kind).filter(|name| !here.contains_key(*name));
        here.keys().map(|name| &**name).chain(elsewhere)
    }

    fn list_channels(&self, kind: ChannelKind, pattern: Option<&[u8]>, reply: &mut Reply<'_>) {
        let is_meant = |name: &&[u8]| pattern.is_none_or(|pattern| engine::glob::matches(pattern, name));
        let names: Vec<&[u8]> = self.listened_to(kind).filter(is_meant).collect();
        reply.array(names.len());
        names.iter().for_each(|name| reply.bulk(name));
    }

    fn count_subscribers(&self, kind: ChannelKind, args: Args<'_>, reply: &mut Reply<'_>) {
        // A flat list in both versions, as in Redis.
        reply.array(args.len().saturating_sub(2) * 2);
        for name in args.iter().skip(2) {
            let here = self.pubsub.audience(kind, name).map_or(0, Audience::count);
            reply.bulk(name);
            reply.len_int(here + self.interests.subscribers(kind, name));
        }
    }
}

/// A message encoded once for each version it is needed in.
#[derive(Default)]
struct Encoded {
    resp2: Vec<u8>,
    resp3: Vec<u8>,
}

impl Encoded {
    fn of(&mut self, version: Version, delivery: &Delivery, pattern: Option<&[u8]>) -> &[u8] {
        let bytes = match version {
            Version::Resp2 => &mut self.resp2,
            Version::Resp3 => &mut self.resp3,
        };
        if bytes.is_empty() {
            encode_message(&mut Reply::new(bytes, version), delivery, pattern);
        }
        bytes
    }
}

fn encode_message(reply: &mut Reply<'_>, delivery: &Delivery, pattern: Option<&[u8]>) {
    match (pattern, delivery.kind) {
        (Some(pattern), _) => {
            reply.push(4);
            reply.bulk(b"pmessage");
            reply.bulk(pattern);
        }
        (None, ChannelKind::Shard) => {
            reply.push(3);
            reply.bulk(b"smessage");
        }
        (None, ChannelKind::Plain | ChannelKind::Pattern | ChannelKind::Prefix) => {
            reply.push(3);
            reply.bulk(b"message");
        }
    }
    reply.bulk(&delivery.channel);
    reply.bulk(&delivery.payload);
}

fn confirmation(kind: ChannelKind, subscribed: bool) -> &'static [u8] {
    match (kind, subscribed) {
        (ChannelKind::Plain, true) => b"subscribe",
        (ChannelKind::Plain, false) => b"unsubscribe",
        (ChannelKind::Pattern, true) => b"psubscribe",
        (ChannelKind::Pattern, false) => b"punsubscribe",
        (ChannelKind::Shard, true) => b"ssubscribe",
        (ChannelKind::Shard, false) => b"sunsubscribe",
        // No command of these names it.
        (ChannelKind::Prefix, _) => b"",
    }
}

fn confirm(out: &mut Vec<u8>, version: Version, word: &[u8], name: Option<&[u8]>, count: usize) {
    let mut reply = Reply::new(out, version);
    reply.push(3);
    reply.bulk(word);
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.len_int(count);
}
