//! `AUTH`, `HELLO`, `PING`, `ECHO`, `SELECT`, `RESET`, `QUIT`.

use std::sync::Arc;
use std::time::Duration;

use base::{Args, DbIndex, parse_i64};
use resp::{Reply, Version};

use crate::acl::password::{Job, Password, WORD_BYTES_MAX, digest};
use crate::acl::{Known, User};
use crate::acl_command::BUSY;
use crate::acl_log::{Context, Reason};
use crate::dispatch::Taken;
use crate::password_jobs::Attempt;
use crate::read_level::ReadLevel;
use crate::session::{Peer, Session, gate};
use crate::txn::db_of;
use crate::users::{DEFAULT, set_user};
use crate::worker::Worker;

/// The version of Redis whose commands are here, by which clients decide what to ask for: redis-py takes a cache only from
/// 7.4 on. What of it is newer than 7.2 is its fields that expire and `HSCAN NOVALUES`; texts of errors are those of 7.2.
pub(crate) const REDIS_VERSION: &str = "7.4.2";

/// Our own version.
pub(crate) const NARF_VERSION: &str = env!("CARGO_PKG_VERSION");

/// How far a client has come with proving who it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// It did.
    Given,
    /// Its password is being looked at; the request is taken up again then.
    Later,
}

/// What is known of a password.
enum Verdict {
    Right,
    Wrong,
    /// It has to be tried against these.
    Unknown(Vec<Password>),
}

const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";

impl Worker {
    pub(crate) fn ping(&mut self, session: &mut Session, args: Args<'_>, out: &mut Vec<u8>) {
        let mut reply = Reply::new(out, session.version);
        if args.len() > 2 {
            return reply.error("ERR wrong number of arguments for 'ping' command");
        }
        // RESP2 clients that are subscribed expect a message, not a status.
        if session.has_gate(gate::SUBSCRIBED) {
            reply.array(2);
            reply.bulk(b"pong");
            return reply.bulk(args.at(1));
        }
        match args.get(1) {
            Some(text) => reply.bulk(text),
            None => reply.simple("PONG"),
        }
    }

    pub(crate) fn select(&mut self, session: &mut Session, args: Args<'_>, out: &mut Vec<u8>) {
        let mut reply = Reply::new(out, session.version);
        match (parse_i64(args.at(1)), db_of(args.at(1))) {
            (None, _) => reply.error("ERR value is not an integer or out of range"),
            (Some(number), None) if i32::try_from(number).is_err() => {
                reply.error("ERR value is out of range, value must between -2147483648 and 2147483647");
            }
            (Some(_), None) => reply.error("ERR DB index is out of range"),
            (Some(_), Some(db)) => {
                session.db = db;
                reply.ok();
            }
        }
    }

    pub(crate) fn auth(&mut self, session: &mut Session, args: Args<'_>) -> Taken {
        let result = match args.len() {
            2 if self.users.default.takes_any_password() => Err(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?".to_owned(),
            ),
            2 => self.authenticate(session, DEFAULT, args.at(1), args.at(0)),
            3 => self.authenticate(session, args.at(1), args.at(2), args.at(0)),
            _ => Err("ERR syntax error".to_owned()),
        };
        let mut reply = Reply::new(session.output.end(), session.version);
        match result {
            Ok(Proof::Given) => reply.ok(),
            Ok(Proof::Later) => return Taken::Later,
            Err(text) => reply.error(text),
        }
        Taken::Done
    }

    /// Whether a client from there must authenticate. The program that holds this node may do anything anyway.
    pub(crate) fn wants_password(&self, peer: &Peer) -> bool {
        !self.users.default.is_open() && *peer != Peer::InProcess
    }

    /// Checks a password and, if it is right, makes the session that user's. Else says why not. `word` is the command.
    fn authenticate(
        &mut self,
        session: &mut Session,
        name: &[u8],
        password: &[u8],
        word: &[u8],
    ) -> Result<Proof, String> {
        let solved = session.solved.take();
        // Where there is nothing to guess, nobody guesses. Whoever reaches the socket of this user is this user.
        let source = match &session.peer {
            Peer::Tcp { remote, .. } if self.users.has_passwords => Some(remote.ip()),
            Peer::Tcp { .. } | Peer::Unix(_) | Peer::InProcess => None,
        };
        let free = self.settings.auth_failures_max;
        let source = source.filter(|_| free > 0);
        let wait = source.map_or(Duration::ZERO, |source| self.host.password_wait(source, free));
        if !wait.is_zero() {
            // Not looked at, or what was seen is not told: a right one must not be told from a wrong one.
            self.stats.refused_auth += 1;
            let seconds = wait.as_secs().max(1);
            return Err(format!(
                "WRONGPASS too many wrong passwords from your address, this one was not looked at; try again in {seconds} seconds"
            ));
        }
        if password.len() > WORD_BYTES_MAX {
            return Err(WRONG_PASSWORD.to_owned());
        }
        let user = self.users.find(name).filter(|user| user.is_on()).cloned();
        let solved = solved.filter(|known| Known::are_of(known, &[password.to_vec()]));
        match self.judge(user.as_deref(), password, solved.as_deref()) {
            Verdict::Right => {
                set_user(session, user.unwrap_or_else(|| Arc::clone(&self.users.default)));
                session.set_gate(gate::UNAUTHENTICATED, false);
                session.new_limits = Some(self.limits(true));
                return Ok(Proof::Given);
            }
            Verdict::Unknown(against) if session.runs_exec() => {
                drop(against);
                return Err(
                    "ERR a password cannot be checked inside a transaction; send AUTH outside of MULTI"
                        .to_owned(),
                );
            }
            Verdict::Unknown(against) => {
                let job = Job {
                    number: 0,
                    words: vec![password.to_vec()],
                    against,
                    salts: Vec::new(),
                    stops_at_first: true,
                };
                let key = self.host.secret_key();
                let digest = digest(&key, &[name, b"\0", password].concat());
                return match self.begin_job(session, job, Some(Attempt { digest, source })) {
                    true => Ok(Proof::Later),
                    false => Err(BUSY.to_owned()),
                };
            }
            Verdict::Wrong => {}
        }
        self.stats.failed_auth += 1;
        if let Some(source) = source {
            self.host.note_wrong_password(source, free, password);
        }
        let context = if session.runs_exec() { Context::Exec } else { Context::TopLevel };
        self.note_denied(session, Reason::Auth, context, word, name);
        Err(WRONG_PASSWORD.to_owned())
    }

    /// Whether a password is a user's. Salted hashes take too long for a turn: the first time somebody else must look.
    fn judge(&mut self, user: Option<&User>, password: &[u8], solved: Option<&[Known]>) -> Verdict {
        let Some(user) = user else {
            // As slow as for a user that there is, or everybody could find out who there is.
            return match (solved, self.users.some_salted()) {
                (None, Some(hash)) => Verdict::Unknown(vec![hash]),
                _ => Verdict::Wrong,
            };
        };
        if user.takes_any_password() || user.passwords().iter().any(|hash| hash.is_sha256_of(password)) {
            return Verdict::Right;
        }
        let salted: Vec<Password> =
            user.passwords().iter().filter(|hash| hash.is_salted()).cloned().collect();
        if salted.is_empty() {
            return Verdict::Wrong;
        }
        let digest = digest(&self.host.secret_key(), password);
        if salted.iter().any(|hash| self.users.verified.contains(hash, &digest)) {
            return Verdict::Right;
        }
        let Some(solved) = solved else { return Verdict::Unknown(salted) };
        match solved.iter().flat_map(|known| &known.hashes).find(|hash| salted.contains(hash)) {
            Some(hash) => {
                self.note_verified(hash, digest);
                Verdict::Right
            }
            None => Verdict::Wrong,
        }
    }

    pub(crate) fn hello(&mut self, session: &mut Session, args: Args<'_>) -> Taken {
        match self.try_hello(session, args) {
            Ok(Proof::Given) => {
                self.with_reply(session, |worker, session, out| worker.write_hello(session, out))
            }
            Ok(Proof::Later) => return Taken::Later,
            Err(text) => Reply::new(session.output.end(), session.version).error(text),
        }
        Taken::Done
    }

    fn try_hello(&mut self, session: &mut Session, args: Args<'_>) -> Result<Proof, Vec<u8>> {
        let version = match args.get(1) {
            None => session.version,
            Some(text) => match parse_i64(text) {
                Some(2) => Version::Resp2,
                Some(3) => Version::Resp3,
                Some(_) => return Err("NOPROTO unsupported protocol version".into()),
                None => return Err("ERR Protocol version is not an integer or out of range".into()),
            },
        };
        let (mut credentials, mut name, mut at) = (None, None, 2);
        while at < args.len() {
            let left = args.len() - at - 1;
            match args.at(at).to_ascii_lowercase().as_slice() {
                b"auth" if left >= 2 => {
                    credentials = Some((args.at(at + 1), args.at(at + 2)));
                    at += 3;
                }
                b"setname" if left >= 1 => {
                    name = Some(args.at(at + 1));
                    at += 2;
                }
                _ => {
                    return Err([b"ERR Syntax error in HELLO option '", args.at(at), b"'"].concat());
                }
            }
        }
        if let Some((user, password)) = credentials
            && self.authenticate(session, user, password, args.at(0))? == Proof::Later
        {
            return Ok(Proof::Later);
        }
        if session.has_gate(gate::UNAUTHENTICATED) {
            return Err("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time".into());
        }
        if let Some(name) = name {
            crate::client::set_name(session, name).map_err(Vec::from)?;
        }
        session.version = version;
        session.update_subscribed_gate();
        Ok(Proof::Given)
    }

    /// What a client finds here: every node serves every key, and a client that knows clusters may ask for the way.
    pub(crate) fn mode(&self) -> &'static str {
        if self.fabric.is_on { "cluster" } else { "standalone" }
    }

    fn write_hello(&self, session: &Session, out: &mut Vec<u8>) {
        let mut reply = Reply::new(out, session.version);
        reply.map(8);
        reply.bulk(b"server");
        reply.bulk(b"redis");
        reply.bulk(b"version");
        reply.bulk(REDIS_VERSION.as_bytes());
        reply.bulk(b"proto");
        reply.int(match session.version {
            Version::Resp2 => 2,
            Version::Resp3 => 3,
        });
        reply.bulk(b"id");
        reply.int(session.at.conn.0 as i64);
        reply.bulk(b"mode");
        reply.bulk(self.mode().as_bytes());
        reply.bulk(b"role");
        reply.bulk(b"master");
        reply.bulk(b"modules");
        reply.array(0);
        reply.bulk(b"narf_version");
        reply.bulk(NARF_VERSION.as_bytes());
    }

    pub(crate) fn reset(&mut self, session: &mut Session) {
        self.leave_transaction(session);
        self.drop_subscriptions(session);
        self.end_tracking(session);
        self.end_monitor(session);
        session.version = Version::Resp2;
        session.db = DbIndex::ZERO;
        session.name = Box::default();
        session.no_evict = false;
        session.no_touch = false;
        session.reads = ReadLevel::Lease;
        session.set_gate(gate::REDIRECTS, self.redirects());
        session.set_ack(self.default_ack());
        self.end_skip(session);
        self.be_default(session);
        if self.wants_password(&session.peer) {
            session.set_gate(gate::UNAUTHENTICATED, true);
            session.new_limits = Some(self.limits(false));
        }
        Reply::new(session.output.end(), session.version).simple("RESET");
    }

    /// What a session leaves behind when it goes.
    pub(crate) fn forget_session(&mut self, session: &mut Session) {
        self.leave_transaction(session);
        self.drop_subscriptions(session);
        self.end_tracking(session);
        self.drop_waits(session.at);
        self.drop_block(session.at.conn);
        self.end_monitor(session);
    }
}
