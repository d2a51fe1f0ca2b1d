//! Which numbered requests of client sessions a partition has run, and what it answered them: so that a request which
//! comes again is answered again, and not run again.
//!
//! A session is not opened here: it is known from its first request on, and until it was idle for a day or there are too
//! many. Then it is forgotten, and so must be every request of it: ids say when they were made, and once a session was
//! forgotten none that is not newer is taken up any more. Of each session the last numbers are kept with their replies;
//! what is not kept and above all that was dropped did never run here.
//!
//! Invariants: the same requests at the same times make the same ledger on every replica; looking changes nothing, so that
//! what is refused need not be logged; `bytes` is what sessions and replies cost, and bounded, whatever clients do.
//! Does not know: what requests do, who sent them, the clock (time is that of entries).

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::fmt;
use std::sync::Arc;

use base::{Cursor, KeyHasher, Millis, Short};
use resp::Version;

use crate::RecordError;

/// A session that sends nothing for so long is forgotten.
const IDLE_MAX: u64 = 24 * 60 * 60 * 1000;
/// How far the clock of whoever made an id may be ahead of the log's time. An id of later would, once forgotten, have all of
/// before it refused.
const AHEAD_MAX: u64 = 10 * 60 * 1000;
/// Sessions of one partition; with more, the one that was idle longest is forgotten.
const SESSIONS_MAX: usize = 8192;
/// What sessions and replies of one partition cost in all; the same beyond that.
const BYTES_MAX: usize = 16 << 20;
/// Numbers kept of a session.
const NUMBERS_MAX: usize = 1024;
/// What the numbers of a session cost; no longer reply is kept.
const SESSION_BYTES_MAX: usize = 256 << 10;
/// What a session costs beside its numbers, about, and a number beside its reply.
const SESSION_COST: usize = 192;
const NUMBER_COST: usize = 96;
/// Idle sessions forgotten at once.
const FORGOTTEN_AT_ONCE: usize = 64;
/// Version of what [`Ledger::encode`] writes.
const FORMAT: u8 = 1;

/// The name of a client's session: a UUID of version 7, which says when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId(u128);

impl SessionId {
    /// A new one, of this time and randomness.
    pub fn new(now: Millis, random: [u64; 2]) -> SessionId {
        let bits = u128::from(random[0]) << 64 | u128::from(random[1]);
        let marked = bits & !(0xF << 76 | 0b11 << 62) | 7 << 76 | 0b10 << 62;
        SessionId(u128::from(now.0) << 80 | marked & ((1 << 80) - 1))
    }

    /// Reads one as it is printed; nothing if it is not a UUID of version 7.
    pub fn parse(text: &[u8]) -> Option<SessionId> {
        let is_dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
        if text.len() != 36 || text.iter().enumerate().any(|(at, byte)| is_dash(at) != (*byte == b'-')) {
            return None;
        }
        let digits = text.iter().filter(|byte| **byte != b'-');
        let value = digits
            .map(|byte| char::from(*byte).to_digit(16))
            .try_fold(0u128, |all, digit| digit.map(|digit| all << 4 | u128::from(digit)))?;
        (value >> 76 & 0xF == 7 && value >> 62 & 0b11 == 0b10).then_some(SessionId(value))
    }

    /// When it was made, by the clock of the node that made it.
    pub fn opened(self) -> Millis {
        Millis((self.0 >> 80) as u64)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0;
        let part = |shift: u32, bits: u32| id >> shift & ((1 << bits) - 1);
        let (first, second, third) = (part(96, 32), part(80, 16), part(64, 16));
        write!(f, "{first:08x}-{second:04x}-{third:04x}-{:04x}-{:012x}", part(48, 16), part(0, 48))
    }
}

/// One request of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// Whose.
    pub session: SessionId,
    /// Its number, from 1; the client chooses it.
    pub number: u64,
    /// Tells it from other requests.
    pub digest: u64,
    /// The protocol its reply is written in.
    pub version: Version,
}

/// What is known of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It did not run here: it is to be run now, and kept.
    New,
    /// It ran, and this was the reply.
    Again(&'a [u8]),
    /// It must not be run, and its reply is not known: why.
    Refused(String),
}

/// A request that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ran {
    digest: u64,
    version: Version,
    /// None if it was too long to be kept.
    reply: Option<Box<[u8]>>,
}

impl Ran {
    fn cost(&self) -> usize {
        NUMBER_COST + self.reply.as_ref().map_or(0, |reply| reply.len())
    }
}

/// What is kept of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Session {
    /// Time of the last entry with a request of it.
    used: Millis,
    /// The highest number that was dropped.
    dropped: u64,
    ran: BTreeMap<u64, Ran>,
    /// What its numbers cost.
    bytes: usize,
}

impl Session {
    fn is_idle(&self, now: Millis) -> bool {
        now.since(self.used) >= IDLE_MAX
    }

    /// Keeps a request, and drops what is too much then, lowest numbers first.
    fn keep(&mut self, number: u64, ran: Ran) {
        self.bytes += ran.cost();
        if let Some(old) = self.ran.insert(number, ran) {
            self.bytes -= old.cost();
        }
        while self.ran.len() > NUMBERS_MAX || self.bytes > SESSION_BYTES_MAX {
            let Some((number, ran)) = self.ran.pop_first() else { break };
            self.bytes -= ran.cost();
            self.dropped = self.dropped.max(number);
        }
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// A walk shares them with the ledger until they change.
    sessions: BTreeMap<SessionId, Arc<Session>>,
    /// The same by when they were used last.
    by_use: BTreeSet<(Millis, SessionId)>,
    /// When the newest session that was forgotten had been opened.
    forgotten: Millis,
    bytes: usize,
}

impl Ledger {
    /// How many sessions are known.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// What they and their replies cost, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is known of a request that has come. Changes nothing.
    pub fn look(&self, which: &Numbered, now: Millis) -> Verdict<'_> {
        let Numbered { session: id, number, digest, version } = *which;
        let session = match self.sessions.get(&id) {
            Some(session) if session.is_idle(now) => return Verdict::Refused(expired(id)),
            None if id.opened() <= self.forgotten => return Verdict::Refused(expired(id)),
            None if id.opened().since(now) > AHEAD_MAX => return Verdict::Refused(from_the_future(id)),
            None => return Verdict::New,
            Some(session) => session,
        };
        match session.ran.get(&number) {
            None if number <= session.dropped => Verdict::Refused(format!(
                "SESSIONEXPIRED number {number} is too old: what was answered up to {} is no longer known; not \
                 applied now, and whether it was before cannot be told",
                session.dropped
            )),
            None => Verdict::New,
            Some(ran) if ran.digest != digest => Verdict::Refused(format!(
                "ERR number {number} of this session was another request, or another user's; not applied. Give each \
                 request a number of its own"
            )),
            Some(ran) if ran.version != version => Verdict::Refused(format!(
                "ERR number {number} was applied before, for a connection of another protocol version; repeat it with \
                 HELLO {} to get its reply",
                number_of(ran.version)
            )),
            Some(Ran { reply: Some(reply), .. }) => Verdict::Again(reply),
            Some(Ran { reply: None, .. }) => Verdict::Refused(format!(
                "ERR number {number} was applied before; its reply was too long to be kept"
            )),
        }
    }

    /// Notes that a session is in use: a request of it was answered again.
    pub fn touch(&mut self, id: SessionId, now: Millis) {
        self.use_session(id, now);
        self.forget_idle(now);
    }

    /// Keeps what was answered to a request that was [`Verdict::New`].
    pub fn keep(&mut self, which: &Numbered, now: Millis, reply: &[u8]) {
        let reply = (reply.len() + NUMBER_COST <= SESSION_BYTES_MAX).then(|| reply.into());
        let ran = Ran { digest: which.digest, version: which.version, reply };
        self.use_session(which.session, now);
        if let Some(session) = self.sessions.get_mut(&which.session).map(Arc::make_mut) {
            let before = session.bytes;
            session.keep(which.number, ran);
            self.bytes = self.bytes + session.bytes - before;
        }
        self.forget_idle(now);
        while self.bytes > BYTES_MAX || self.sessions.len() > SESSIONS_MAX {
            if !self.forget_first() {
                break;
            }
        }
    }

    /// Notes that a session is used now; makes it if it is new.
    fn use_session(&mut self, id: SessionId, now: Millis) {
        let session = self.sessions.entry(id).or_insert_with(|| {
            self.bytes += SESSION_COST;
            Arc::default()
        });
        let session = Arc::make_mut(session);
        self.by_use.remove(&(session.used, id));
        session.used = session.used.max(now);
        self.by_use.insert((session.used, id));
    }

    /// Forgets sessions that were idle too long, a bounded number.
    fn forget_idle(&mut self, now: Millis) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            match self.by_use.first() {
                Some((used, _)) if now.since(*used) >= IDLE_MAX => self.forget_first(),
                Some(_) | None => return,
            };
        }
    }

    /// Forgets the session that was idle longest; whether there was one.
    fn forget_first(&mut self) -> bool {
        let Some((_, id)) = self.by_use.pop_first() else { return false };
        if let Some(session) = self.sessions.remove(&id) {
            self.bytes -= SESSION_COST + session.bytes;
        }
        self.forgotten = self.forgotten.max(id.opened());
        true
    }

    /// A number that two ledgers share if they say the same.
    pub fn digest(&self) -> u64 {
        let pieces = self.encode(usize::MAX);
        pieces.iter().fold(0, |all, piece| all ^ KeyHasher::new(0x6C65_6467).hash(piece))
    }

    // ---- bytes --------------------------------------------------------------------------------------------

    /// Begins to write all there is at this moment, whatever changes meanwhile; nothing for an empty one.
    pub fn walk(&self) -> Option<LedgerWalk> {
        if *self == Ledger::default() {
            return None;
        }
        let sessions = self.sessions.clone().into_iter();
        Some(LedgerWalk { forgotten: self.forgotten, sessions })
    }

    /// All there is as bytes, in pieces of about so many; none for an empty one.
    pub fn encode(&self, piece_bytes: usize) -> Vec<Vec<u8>> {
        let (mut walk, mut pieces) = (self.walk(), Vec::new());
        while let Some(going) = &mut walk {
            let mut piece = Vec::new();
            if going.next_piece(piece_bytes, &mut piece) {
                walk = None;
            }
            pieces.push(piece);
        }
        pieces
    }

    /// Adds what a piece says. On an error some of it may be there; the whole is of no use then.
    pub fn load(&mut self, piece: &[u8]) -> Result<(), RecordError> {
        let short = |_: Short| RecordError::Short { have: piece.len() };
        let mut cursor = Cursor::new(piece);
        match cursor.u8().map_err(short)? {
            FORMAT => {}
            version => return Err(RecordError::Newer { version, newest: FORMAT }),
        }
        self.forgotten = self.forgotten.max(Millis(cursor.u64().map_err(short)?));
        while cursor.remaining() > 0 {
            let at = cursor.at();
            let (id, session) = Session::decode(&mut cursor)?;
            let is_whole = session.ran.len() <= NUMBERS_MAX && session.bytes <= SESSION_BYTES_MAX;
            if !is_whole || self.sessions.contains_key(&id) {
                return Err(RecordError::Wrong { what: "session", at });
            }
            self.bytes += SESSION_COST + session.bytes;
            if self.sessions.len() >= SESSIONS_MAX || self.bytes > BYTES_MAX {
                return Err(RecordError::Wrong { what: "number of sessions", at });
            }
            self.by_use.insert((session.used, id));
            self.sessions.insert(id, Arc::new(session));
        }
        Ok(())
    }

    /// Panics if the numbers kept beside the sessions are not theirs.
    pub fn check_invariants(&self) {
        let by_use: BTreeSet<_> = self.sessions.iter().map(|(id, session)| (session.used, *id)).collect();
        assert_eq!(by_use, self.by_use);
        let cost = |session: &Arc<Session>| session.ran.values().map(Ran::cost).sum::<usize>();
        assert!(self.sessions.values().all(|session| session.bytes == cost(session)));
        let bytes: usize = self.sessions.values().map(|session| SESSION_COST + session.bytes).sum();
        assert_eq!(bytes, self.bytes);
        assert!(self.bytes <= BYTES_MAX && self.sessions.len() <= SESSIONS_MAX);
    }
}

/// What is left to be written of a ledger, as of one moment.
#[derive(Debug)]
pub struct LedgerWalk {
    forgotten: Millis,
    sessions: btree_map::IntoIter<SessionId, Arc<Session>>,
}

impl LedgerWalk {
    /// Adds the next piece to `out`, about so many bytes, which is loaded by itself; whether that was all. To the byte in
    /// docs/formats/checkpoint.md.
    pub fn next_piece(&mut self, bytes: usize, out: &mut Vec<u8>) -> bool {
        let begin = out.len();
        out.push(FORMAT);
        out.extend_from_slice(&self.forgotten.0.to_le_bytes());
        for (id, session) in self.sessions.by_ref() {
            session.encode_into(id, out);
            if out.len() - begin >= bytes {
                break;
            }
        }
        self.sessions.len() == 0
    }
}

impl Session {
    fn encode_into(&self, id: SessionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&id.0.to_le_bytes());
        out.extend_from_slice(&self.used.0.to_le_bytes());
        out.extend_from_slice(&self.dropped.to_le_bytes());
        out.extend_from_slice(&(self.ran.len() as u32).to_le_bytes());
        for (number, ran) in &self.ran {
            out.extend_from_slice(&number.to_le_bytes());
            out.extend_from_slice(&ran.digest.to_le_bytes());
            out.push(number_of(ran.version) | u8::from(ran.reply.is_some()) << 7);
            let reply = ran.reply.as_deref().unwrap_or_default();
            out.extend_from_slice(&(reply.len() as u32).to_le_bytes());
            out.extend_from_slice(reply);
        }
    }

    fn decode(cursor: &mut Cursor<'_>) -> Result<(SessionId, Session), RecordError> {
        let have = cursor.at() + cursor.remaining();
        let short = |_: Short| RecordError::Short { have };
        let id = SessionId(u128::from_le_bytes(cursor.array().map_err(short)?));
        let used = Millis(cursor.u64().map_err(short)?);
        let mut session = Session { used, dropped: cursor.u64().map_err(short)?, ..Session::default() };
        let count = cursor.u32().map_err(short)?;
        for _ in 0..count {
            let number = cursor.u64().map_err(short)?;
            let digest = cursor.u64().map_err(short)?;
            let at = cursor.at();
            let flags = cursor.u8().map_err(short)?;
            let wrong = RecordError::Wrong { what: "protocol version", at };
            let version = version_of(flags & 0x7F).ok_or(wrong)?;
            let reply = cursor.block().map_err(short)?;
            let reply = match flags >> 7 {
                1 => Some(reply.into()),
                _ if reply.is_empty() => None,
                _ => return Err(RecordError::Wrong { what: "reply", at }),
            };
            let ran = Ran { digest, version, reply };
            session.bytes += ran.cost();
            let is_next = number > session.ran.last_key_value().map_or(session.dropped, |(last, _)| *last);
            if !is_next {
                return Err(RecordError::Wrong { what: "order of numbers", at });
            }
            session.ran.insert(number, ran);
        }
        Ok((id, session))
    }
}

/// The number that `HELLO` takes for a version.
pub(crate) fn number_of(version: Version) -> u8 {
    match version {
        Version::Resp2 => 2,
        Version::Resp3 => 3,
    }
}

/// The version that a number stands for.
pub(crate) fn version_of(number: u8) -> Option<Version> {
    match number {
        2 => Some(Version::Resp2),
        3 => Some(Version::Resp3),
        _ => None,
    }
}

fn expired(id: SessionId) -> String {
    format!(
        "SESSIONEXPIRED session {id} is no longer known; not applied now, and whether a request that was sent before \
         was applied cannot be told. Open a new one with CLIENT SESSION OPEN"
    )
}

fn from_the_future(id: SessionId) -> String {
    format!(
        "ERR session {id} was opened in the future, by the clock here; not applied. Set the clocks of nodes and clients"
    )
}

#[cfg(test)]
mod tests;
