//! One client connection: what it said about itself, what it waits for, what it will be sent.
//!
//! Invariants: a session lives on one worker; its requests are taken up in order; `gate` is non-zero exactly
//! when a request must be looked at more closely than the fast path does. Does not know: sockets, data.

use std::net::SocketAddr;
use std::sync::Arc;

use base::{AckLevel, ConnId, DbIndex, Millis, PartitionId};
use resp::{Decoder, Limits, Version};

use crate::acl::{Known, User};
use crate::numbered::Numbering;
use crate::output::Output;
use crate::pubsub::Subscriptions;
use crate::read_level::ReadLevel;
use crate::tracking::Tracking;
use crate::txn::{PendingExec, Transaction};
use crate::waits::Written;

/// Where a client came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// TCP: the client's address and ours.
    Tcp {
        /// The client's end.
        remote: SocketAddr,
        /// Our end.
        local: SocketAddr,
        /// The version of TLS that it speaks, if it does.
        tls: Option<&'static str>,
    },
    /// A unix socket at this path.
    Unix(String),
    /// The program that holds this node.
    InProcess,
}

/// Names a session from outside: its place on the worker, and who it must be, so that an answer that comes
/// late never reaches another client in the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRef {
    /// Place on the worker.
    pub token: u32,
    /// Whose.
    pub conn: ConnId,
}

/// Reasons to leave the fast path, one bit each.
pub(crate) mod gate {
    pub(crate) const UNAUTHENTICATED: u16 = 1;
    pub(crate) const IN_MULTI: u16 = 2;
    /// Subscribed in RESP2, where only a few commands are allowed.
    pub(crate) const SUBSCRIBED: u16 = 4;
    /// `CLIENT REPLY OFF` or `SKIP`.
    pub(crate) const MUTED: u16 = 8;
    /// `MONITOR`.
    pub(crate) const MONITOR: u16 = 16;
    /// Answers wait for stable storage.
    pub(crate) const DURABLE: u16 = 32;
    /// The user may not do everything.
    pub(crate) const RESTRICTED: u16 = 64;
    /// What it reads is noted: `CLIENT TRACKING`.
    pub(crate) const TRACKS: u16 = 128;
    /// `CLIENT SESSION SEQ` said something of the next request.
    pub(crate) const NUMBERED: u16 = 256;
    /// Is told who leads a key, instead of being served from there: `CLIENT REDIRECT`.
    pub(crate) const REDIRECTS: u16 = 512;
}

/// What `CLIENT LIST` shows of a client that has sent no command that there is.
pub(crate) const NO_COMMAND: &str = "NULL";

/// Why no further request of a session is taken up at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stall {
    /// The next request must not overtake those whose replies are still to come.
    Drain,
    /// `CLIENT PAUSE` holds it.
    Paused,
    /// A password it gave is being looked at.
    Password,
    /// The turn has evicted its share, and there is still too much.
    Memory,
}

/// What `CLIENT REPLY` asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyMode {
    On,
    Off,
    /// Leave out the reply of the next request.
    SkipNext,
    /// Leave out the reply of this request.
    Skip,
}

/// A key being watched.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) partition: PartitionId,
    pub(crate) db: DbIndex,
    pub(crate) key: Box<[u8]>,
    pub(crate) since: WatchedSince,
}

/// What a watched key is compared with.
#[derive(Clone, Debug)]
pub(crate) enum WatchedSince {
    /// What its keyspace has counted: the partition is this node's alone.
    Stamp(engine::WatchStamp),
    /// What told its value from others, wherever it is led: empty if there was none.
    Value(Vec<u8>),
}

/// One client connection.
pub(crate) struct Session {
    pub(crate) at: SessionRef,
    pub(crate) peer: Peer,
    /// Who it is; none may do everything, and is the program that holds this node.
    pub(crate) user: Option<Arc<User>>,
    /// What was worked out of the passwords of the request that is taken up next.
    pub(crate) solved: Option<Vec<Known>>,
    /// It waits for a change of users.
    pub(crate) changes_users: bool,
    pub(crate) version: Version,
    pub(crate) db: DbIndex,
    pub(crate) gate: u16,
    pub(crate) ack: AckLevel,
    /// How fresh what it reads must be.
    pub(crate) reads: ReadLevel,
    /// Taken out while requests are taken up; in a box, so that this moves a pointer.
    pub(crate) decoder: Option<Box<Decoder>>,
    /// Limits to decode with from the next request on.
    pub(crate) new_limits: Option<Limits>,
    /// Bytes of requests not yet taken up.
    pub(crate) input: Vec<u8>,
    /// Bytes at the front of `input` that were taken up already.
    pub(crate) input_start: usize,
    pub(crate) output: Output,
    /// Where the client's own output is while a transaction runs, whose replies go to `output` then.
    pub(crate) outer: Option<Box<Output>>,
    /// A transaction that ran, some of whose answers are still to come.
    pub(crate) exec: Option<Box<PendingExec>>,
    /// In the worker's list of sessions with something to send.
    pub(crate) queued_to_send: bool,
    pub(crate) stall: Option<Stall>,
    /// It waits for a key to have something, or for replicas.
    pub(crate) is_blocked: bool,
    pub(crate) closing: bool,
    pub(crate) transaction: Option<Box<Transaction>>,
    /// What `CLIENT SESSION SEQ` said of the next request.
    pub(crate) number: Option<Numbering>,
    pub(crate) watched: Vec<Watched>,
    /// Noted only while partitions have replicas on other nodes.
    pub(crate) written: Written,
    pub(crate) subscriptions: Subscriptions,
    /// How it is told that keys have changed, if it is.
    pub(crate) tracking: Option<Box<Tracking>>,
    pub(crate) reply_mode: ReplyMode,
    /// The request being taken up was shown to monitors already.
    pub(crate) shown: bool,
    pub(crate) name: Box<[u8]>,
    pub(crate) lib_name: Box<[u8]>,
    pub(crate) lib_version: Box<[u8]>,
    pub(crate) no_evict: bool,
    pub(crate) no_touch: bool,
    /// Steady clock.
    pub(crate) created: Millis,
    /// Steady clock: last bytes from the client.
    pub(crate) active: Millis,
    /// Steady clock: since when the output is above its soft limit.
    pub(crate) over_soft_limit: Option<Millis>,
    pub(crate) last_command: &'static str,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) commands: u64,
}

impl Session {
    pub(crate) fn new(at: SessionRef, peer: Peer, ack: AckLevel, limits: Limits, now: Millis) -> Session {
        Session {
            at,
            peer,
            user: None,
            solved: None,
            changes_users: false,
            version: Version::Resp2,
            db: DbIndex::ZERO,
            gate: 0,
            ack,
            reads: ReadLevel::Lease,
            decoder: Some(Box::new(Decoder::new(limits))),
            new_limits: None,
            input: Vec::new(),
            input_start: 0,
            output: Output::default(),
            outer: None,
            exec: None,
            queued_to_send: false,
            stall: None,
            is_blocked: false,
            closing: false,
            transaction: None,
            number: None,
            watched: Vec::new(),
            written: Written::default(),
            subscriptions: Subscriptions::default(),
            tracking: None,
            reply_mode: ReplyMode::On,
            shown: false,
            name: Box::default(),
            lib_name: Box::default(),
            lib_version: Box::default(),
            no_evict: false,
            no_touch: false,
            created: now,
            active: now,
            over_soft_limit: None,
            last_command: NO_COMMAND,
            bytes_in: 0,
            bytes_out: 0,
            commands: 0,
        }
    }

    /// The name of its user.
    pub(crate) fn user_name(&self) -> &[u8] {
        self.user.as_deref().map_or(crate::users::DEFAULT, User::name)
    }

    pub(crate) fn set_gate(&mut self, bit: u16, on: bool) {
        self.gate = if on { self.gate | bit } else { self.gate & !bit };
    }

    pub(crate) fn has_gate(&self, bit: u16) -> bool {
        self.gate & bit != 0
    }

    /// Subscribed mode narrows what RESP2 clients may say; call after either changes.
    pub(crate) fn update_subscribed_gate(&mut self) {
        let narrowed = self.version == Version::Resp2 && self.subscriptions.count() > 0;
        self.set_gate(gate::SUBSCRIBED, narrowed);
    }

    /// How fresh what it reads now must be: who watches a key reads what the watch was set on.
    pub(crate) fn read_level(&self) -> ReadLevel {
        if self.watched.is_empty() { self.reads } else { self.reads.at_the_leader() }
    }

    /// Whether a transaction of this session runs at the moment.
    pub(crate) fn runs_exec(&self) -> bool {
        self.outer.is_some()
    }

    /// Where messages that answer no request go: never into the reply of a transaction.
    pub(crate) fn push_end(&mut self) -> &mut Vec<u8> {
        self.outer.as_deref_mut().unwrap_or(&mut self.output).push_end()
    }

    pub(crate) fn set_ack(&mut self, ack: AckLevel) {
        self.ack = ack;
        self.set_gate(gate::DURABLE, ack == AckLevel::Durable);
    }

    /// How keys note that this client used them.
    #[inline]
    pub(crate) fn access(&self) -> engine::Access {
        if self.no_touch { engine::Access::Untouched } else { engine::Access::Noted }
    }

    /// Bytes the request under way is known to need in all; zero if unknown.
    pub(crate) fn announced(&self) -> usize {
        self.decoder.as_ref().map_or(0, |decoder| decoder.announced())
    }

    /// How many bytes wait to be taken up.
    pub(crate) fn unread(&self) -> usize {
        self.input.len() - self.input_start
    }

    /// Heap bytes of this session, its struct included.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Session>() + size_of::<Decoder>() + self.input.capacity() + self.output.memory()
    }
}

/// The sessions of one worker, by token. A session is taken out while one of its requests runs, so that the
/// rest of the worker can be reached at the same time.
#[derive(Default)]
pub(crate) struct Sessions {
    slots: Vec<Option<Box<Session>>>,
    free: Vec<u32>,
    live: usize,
}

impl Sessions {
    /// Adds what `make` makes of its token.
    pub(crate) fn insert(&mut self, make: impl FnOnce(u32) -> Session) -> u32 {
        let token = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u32
        });
        self.slots[token as usize] = Some(Box::new(make(token)));
        self.live += 1;
        token
    }

    /// How many there are, one that is taken out included.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    #[inline]
    pub(crate) fn take(&mut self, token: u32) -> Option<Box<Session>> {
        self.slots.get_mut(token as usize)?.take()
    }

    #[inline]
    pub(crate) fn put_back(&mut self, session: Box<Session>) {
        let token = session.at.token as usize;
        debug_assert!(self.slots[token].is_none(), "a session is put back where it was taken from");
        self.slots[token] = Some(session);
    }

    /// Drops a session that was taken out.
    pub(crate) fn remove(&mut self, session: Box<Session>) {
        self.free.push(session.at.token);
        self.live -= 1;
    }

    #[inline]
    pub(crate) fn get(&self, token: u32) -> Option<&Session> {
        self.slots.get(token as usize)?.as_deref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, token: u32) -> Option<&mut Session> {
        self.slots.get_mut(token as usize)?.as_deref_mut()
    }

    /// The session that `at` names, if it still lives and is not taken out.
    pub(crate) fn find_mut(&mut self, at: SessionRef) -> Option<&mut Session> {
        self.get_mut(at.token).filter(|session| session.at.conn == at.conn)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.slots.iter().filter_map(|slot| slot.as_deref())
    }

    /// Tokens of all live sessions that are not taken out.
    pub(crate) fn tokens(&self) -> Vec<u32> {
        self.iter().map(|session| session.at.token).collect()
    }
}
