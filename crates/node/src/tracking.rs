//! `CLIENT TRACKING` and its kin: whether and how a connection is told that keys have changed.
//!
//! Only what a session remembers, and the commands about it. What was read is noted at the partition (`trackers`), what
//! is told travels by `caches`; a client that wants to be told of all keys with a prefix listens to it as to a channel
//! (`pubsub`, `interest`).
//!
//! Invariant: the gate is set exactly while reads of the session may be noted.

use base::{Args, ConnId, PartitionId, WorkerId, parse_i64};
use command::NodeCommand;
use resp::Reply;

use crate::gather::Question;
use crate::output::Ticket;
use crate::pubsub::{Channel, ChannelKind};
use crate::session::{Session, SessionRef, gate};
use crate::trackers::Reader;
use crate::worker::Worker;

/// Which keys a client is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Those it has read.
    Read,
    /// Those it has read after `CLIENT CACHING YES`.
    OptIn,
    /// Those it has read, but not after `CLIENT CACHING NO`.
    OptOut,
    /// All that begin with one of its prefixes.
    Broadcast,
}

/// The connection that is told in place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Redirect {
    pub(crate) worker: WorkerId,
    pub(crate) at: SessionRef,
}

/// How a session tracks.
pub(crate) struct Tracking {
    pub(crate) mode: Mode,
    /// `CLIENT CACHING` was said for the next request, or transaction.
    caching: bool,
    /// It is not told of what it has changed itself.
    pub(crate) no_loop: bool,
    pub(crate) redirect: Option<Redirect>,
    /// Whoever it redirects to was not there when it was to be told something.
    pub(crate) is_broken: bool,
    /// The partitions it has read from, wherever they are led, since it was last told to forget all; a bit each.
    partitions: Vec<u64>,
}

impl Tracking {
    /// Whether what is read now is to be noted.
    fn takes_reads(&self) -> bool {
        match self.mode {
            Mode::Read => true,
            Mode::OptIn => self.caching,
            Mode::OptOut => !self.caching,
            Mode::Broadcast => false,
        }
    }

    fn note_partition(&mut self, id: PartitionId) {
        let (word, bit) = (usize::from(id.0) / 64, id.0 % 64);
        if self.partitions.len() <= word {
            self.partitions.resize(word + 1, 0);
        }
        self.partitions[word] |= 1 << bit;
    }

    /// It was told to forget all, and no answer is under way that it would keep.
    pub(crate) fn has_forgotten(&mut self) {
        self.partitions.clear();
    }

    /// Whether it has read from any partition over the fabric.
    pub(crate) fn has_read(&self) -> bool {
        !self.partitions.is_empty()
    }

    /// Whether it has read from this one.
    pub(crate) fn has_read_from(&self, id: PartitionId) -> bool {
        let word = self.partitions.get(usize::from(id.0) / 64);
        word.is_some_and(|word| word & (1 << (id.0 % 64)) != 0)
    }

    /// The letters of `CLIENT LIST`.
    pub(crate) fn letters(&self) -> &'static str {
        match (self.is_broken, self.mode == Mode::Broadcast) {
            (false, false) => "t",
            (true, false) => "tR",
            (false, true) => "tB",
            (true, true) => "tRB",
        }
    }

    /// Whom it redirects to; zero if to nobody.
    pub(crate) fn redirect_id(&self) -> i64 {
        self.redirect.map_or(0, |redirect| redirect.at.conn.0.cast_signed())
    }
}

/// What `CLIENT TRACKING` asks for.
#[derive(Default)]
pub(crate) struct Wish {
    on: bool,
    broadcast: bool,
    opt_in: bool,
    opt_out: bool,
    no_loop: bool,
    redirect: Option<ConnId>,
    prefixes: Vec<Box<[u8]>>,
    /// What is wrong with it, once it is known that the other connection is there.
    refusal: Option<&'static str>,
}

const SYNTAX: &str = "ERR syntax error";

impl Wish {
    /// Reads the words from `args[2]` on.
    fn parse(args: Args<'_>) -> Wish {
        let mut wish = Wish::default();
        wish.refusal = wish.parse_options(args).err();
        if wish.refusal.is_none() {
            match args.at(2).to_ascii_lowercase().as_slice() {
                b"on" => wish.on = true,
                b"off" => {}
                _ => wish.refusal = Some(SYNTAX),
            }
        }
        wish
    }

    fn parse_options(&mut self, args: Args<'_>) -> Result<(), &'static str> {
        let mut at = 3;
        while at < args.len() {
            let value = args.get(at + 1);
            match (args.at(at).to_ascii_lowercase().as_slice(), value) {
                (b"redirect", Some(_)) if self.redirect.is_some() => {
                    return Err("ERR A client can only redirect to a single other client");
                }
                (b"redirect", Some(id)) => {
                    let id = parse_i64(id).ok_or("ERR value is not an integer or out of range")?;
                    self.redirect = Some(ConnId(id.cast_unsigned()));
                    at += 1;
                }
                (b"prefix", Some(prefix)) => {
                    self.prefixes.push(prefix.into());
                    at += 1;
                }
                (b"bcast", _) => self.broadcast = true,
                (b"optin", _) => self.opt_in = true,
                (b"optout", _) => self.opt_out = true,
                (b"noloop", _) => self.no_loop = true,
                _ => return Err(SYNTAX),
            }
            at += 1;
        }
        Ok(())
    }

    fn mode(&self) -> Mode {
        match (self.broadcast, self.opt_in, self.opt_out) {
            (true, ..) => Mode::Broadcast,
            (_, true, _) => Mode::OptIn,
            (.., true) => Mode::OptOut,
            _ => Mode::Read,
        }
    }

    /// Why a session cannot have it; in the order in which Redis asks.
    fn refused(&self, session: &Session) -> Result<(), Vec<u8>> {
        let old = session.tracking.as_deref().map(|tracking| tracking.mode);
        let refusal = if !self.broadcast && !self.prefixes.is_empty() {
            "ERR PREFIX option requires BCAST mode to be enabled"
        } else if old.is_some_and(|old| (old == Mode::Broadcast) != self.broadcast) {
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode."
        } else if self.broadcast && (self.opt_in || self.opt_out) {
            "ERR OPTIN and OPTOUT are not compatible with BCAST"
        } else if self.opt_in && self.opt_out {
            "ERR You can't specify both OPTIN mode and OPTOUT mode"
        } else if (self.opt_in && old == Some(Mode::OptOut)) || (self.opt_out && old == Some(Mode::OptIn)) {
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode."
        } else {
            return match self.colliding(session) {
                Some(text) => Err(text),
                None => Ok(()),
            };
        };
        Err(refusal.into())
    }

    /// What is said of two prefixes that some keys would both have.
    fn colliding(&self, session: &Session) -> Option<Vec<u8>> {
        let collide = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
        let text = |prefix: &[u8], other: &[u8], which: &str| {
            let which = format!("' overlaps with {which} prefix '").into_bytes();
            let end = b"'. Prefixes for a single client must not overlap.";
            [b"ERR Prefix '", prefix, &which, other, end].concat()
        };
        let had = session.subscriptions.prefixes();
        for (at, prefix) in self.prefixes.iter().enumerate() {
            if let Some(other) = had.iter().find(|other| collide(other, prefix)) {
                return Some(text(prefix, other, "an existing"));
            }
            if let Some(other) = self.prefixes[at + 1..].iter().find(|other| collide(other, prefix)) {
                return Some(text(prefix, other, "another provided"));
            }
        }
        None
    }
}

impl Worker {
    /// As whom a session's reads of a partition are noted at the moment, if they are.
    pub(crate) fn reader_of(&self, session: &mut Session, id: PartitionId) -> Option<Reader> {
        let reader = self.local_reader_of(session)?;
        session.tracking.as_deref_mut()?.note_partition(id);
        Some(reader)
    }

    /// The same for partitions that this node has alone.
    #[inline]
    pub(crate) fn local_reader_of(&self, session: &Session) -> Option<Reader> {
        if !session.has_gate(gate::TRACKS) {
            return None;
        }
        let takes = session.tracking.as_deref().is_some_and(Tracking::takes_reads);
        takes.then(|| Reader::new(0, self.id, session.at))
    }

    /// `CLIENT CACHING` is about one request, or transaction: before the next one it is forgotten.
    pub(crate) fn forget_caching(&self, session: &mut Session) {
        if session.transaction.is_none()
            && !session.last_command.starts_with("client")
            && let Some(tracking) = &mut session.tracking
        {
            tracking.caching = false;
        }
    }

    pub(crate) fn client_tracking(&mut self, session: &mut Session, args: Args<'_>) {
        let wish = Wish::parse(args);
        match wish.redirect {
            Some(conn) => self.ask_for_tracking(session, Question::Find(conn), wish),
            None => self.use_tracking(session, wish, None, None),
        }
    }

    /// Does what a client wishes, and answers: where `ticket` says, if a place was kept.
    pub(crate) fn use_tracking(
        &mut self,
        session: &mut Session,
        wish: Wish,
        redirect: Option<Redirect>,
        ticket: Option<Ticket>,
    ) {
        let mut answer = Vec::new();
        let mut reply = Reply::new(&mut answer, session.version);
        let mut changes = Vec::new();
        if wish.redirect.is_some() && redirect.is_none() {
            reply.error("ERR The client ID you want redirect to does not exist");
        } else if let Some(refusal) = wish.refusal {
            reply.error(refusal);
        } else if !wish.on {
            changes = self.stop_tracking(session);
            reply.ok();
        } else if let Err(refusal) = wish.refused(session) {
            reply.error(refusal);
        } else {
            changes = self.start_tracking(session, wish, redirect);
            reply.ok();
        }
        match ticket {
            None => self.tell_and_confirm(session, &changes, answer),
            Some(ticket) => match self.tell_changes(&changes) {
                Some(asked) => self.await_noted(asked, (session.at, ticket), answer),
                None => self.fill_ticket(session, ticket, &answer),
            },
        }
    }

    fn start_tracking(
        &mut self,
        session: &mut Session,
        wish: Wish,
        redirect: Option<Redirect>,
    ) -> Vec<(Channel, bool)> {
        let mode = wish.mode();
        let old = session.tracking.take();
        if old.is_none() {
            self.memory.count_tracker(true);
        }
        let (caching, partitions) = old.map_or((false, Vec::new()), |old| (old.caching, old.partitions));
        let no_loop = wish.no_loop;
        let tracking = Tracking { mode, caching, no_loop, redirect, is_broken: false, partitions };
        session.tracking = Some(Box::new(tracking));
        session.set_gate(gate::TRACKS, mode != Mode::Broadcast);
        let mut prefixes = wish.prefixes;
        if mode == Mode::Broadcast && prefixes.is_empty() {
            prefixes.push(Box::default());
        }
        let mut changes = Vec::new();
        for name in prefixes {
            if session.subscriptions.of(ChannelKind::Prefix).insert(name.clone()) {
                self.pubsub.add(ChannelKind::Prefix, &name, session.at);
                changes.push((Channel { kind: ChannelKind::Prefix, name }, true));
            }
        }
        self.use_prefixes();
        changes
    }

    fn stop_tracking(&mut self, session: &mut Session) -> Vec<(Channel, bool)> {
        if session.tracking.take().is_some() {
            self.memory.count_tracker(false);
        }
        session.set_gate(gate::TRACKS, false);
        let names = std::mem::take(session.subscriptions.of(ChannelKind::Prefix));
        if names.is_empty() {
            return Vec::new();
        }
        names.iter().for_each(|name| self.pubsub.remove(ChannelKind::Prefix, name, session.at));
        self.use_prefixes();
        names.into_iter().map(|name| (Channel { kind: ChannelKind::Prefix, name }, false)).collect()
    }

    /// Ends the tracking of a session that goes or begins anew; nobody waits for that.
    pub(crate) fn end_tracking(&mut self, session: &mut Session) {
        if session.tracking.is_some() {
            self.stop_tracking(session).iter().for_each(|(channel, _)| self.tell_gone(channel));
        }
    }

    /// Someone listens to the keys of a prefix, anywhere, or nobody does any more: partitions here note changes for them.
    pub(crate) fn use_prefixes(&mut self) {
        let on = self.pubsub.prefixes() > 0 || self.interests.has_prefixes();
        if self.caches.is_broadcast != on {
            self.caches.is_broadcast = on;
            let partitions = self.places.iter_mut().filter_map(|place| place.partition.as_deref_mut());
            partitions.for_each(|partition| partition.set_broadcast(on));
        }
    }
}

/// `CLIENT CACHING`, `CLIENT GETREDIR`, `CLIENT TRACKINGINFO`.
pub(crate) fn run(session: &mut Session, command: NodeCommand, args: Args<'_>, reply: &mut Reply<'_>) {
    match command {
        NodeCommand::ClientCaching => match caching(session, args.at(2)) {
            Ok(()) => reply.ok(),
            Err(text) => reply.error(text),
        },
        NodeCommand::ClientGetRedir => {
            reply.int(session.tracking.as_deref().map_or(-1, Tracking::redirect_id));
        }
        _ => write_info(session, reply),
    }
}

fn caching(session: &mut Session, word: &[u8]) -> Result<(), &'static str> {
    let tracking = session.tracking.as_deref_mut().ok_or(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
    )?;
    match (word.to_ascii_lowercase().as_slice(), tracking.mode) {
        (b"yes", Mode::OptIn) | (b"no", Mode::OptOut) => tracking.caching = true,
        (b"yes", _) => {
            return Err("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
        }
        (b"no", _) => {
            return Err("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
        }
        _ => return Err(SYNTAX),
    }
    Ok(())
}

fn write_info(session: &Session, reply: &mut Reply<'_>) {
    let tracking = session.tracking.as_deref();
    let mut flags: Vec<&str> = vec![if tracking.is_some() { "on" } else { "off" }];
    if let Some(tracking) = tracking {
        let (mode, caching): (&[&str], &str) = match tracking.mode {
            Mode::Read => (&[], ""),
            Mode::OptIn => (&["optin"], "caching-yes"),
            Mode::OptOut => (&["optout"], "caching-no"),
            Mode::Broadcast => (&["bcast"], ""),
        };
        flags.extend(mode);
        flags.extend(tracking.caching.then_some(caching).filter(|caching| !caching.is_empty()));
        flags.extend(tracking.no_loop.then_some("noloop"));
        flags.extend(tracking.is_broken.then_some("broken_redirect"));
    }
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"redirect");
    reply.int(tracking.map_or(-1, Tracking::redirect_id));
    let prefixes = session.subscriptions.prefixes();
    reply.bulk(b"prefixes");
    reply.array(prefixes.len());
    prefixes.iter().for_each(|prefix| reply.bulk(prefix));
}
