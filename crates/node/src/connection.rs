//! `AUTH`, `HELLO`, `PING`, `ECHO`, `SELECT`, `RESET`, `QUIT`.

use std::time::Duration;

use base::{Args, DbIndex, parse_i64};
use resp::{Reply, Version};

use crate::session::{Peer, Session, gate};
use crate::txn::db_of;
use crate::worker::Worker;

/// The version of Redis whose behaviour this is.
pub(crate) const REDIS_VERSION: &str = "7.2.4";

/// Our own version.
pub(crate) const NARF_VERSION: &str = env!("CARGO_PKG_VERSION");

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

    pub(crate) fn auth(&mut self, session: &mut Session, args: Args<'_>, out: &mut Vec<u8>) {
        let mut reply = Reply::new(out, session.version);
        let (user, password) = match args.len() {
            2 => (b"default".as_slice(), args.at(1)),
            3 => (args.at(1), args.at(2)),
            _ => return reply.error("ERR syntax error"),
        };
        if args.len() == 2 && self.settings.requirepass.is_empty() {
            return reply.error(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
            );
        }
        match self.authenticate(session, user, password) {
            Ok(()) => reply.ok(),
            Err(text) => reply.error(text),
        }
    }

    /// Whether a client from there must authenticate. The program that holds this node may do anything anyway.
    pub(crate) fn wants_password(&self, peer: &Peer) -> bool {
        !self.settings.requirepass.is_empty() && *peer != Peer::InProcess
    }

    /// Checks a password and, if it is right, lets the session in. Else says why not.
    fn authenticate(&mut self, session: &mut Session, user: &[u8], password: &[u8]) -> Result<(), String> {
        let expected = self.settings.requirepass.expose().as_bytes();
        // Where there is nothing to guess, nobody guesses. Whoever reaches the socket of this user is this user.
        let source = match &session.peer {
            Peer::Tcp { remote, .. } if !expected.is_empty() => Some(remote.ip()),
            Peer::Tcp { .. } | Peer::Unix(_) | Peer::InProcess => None,
        };
        let free = self.settings.auth_failures_max;
        let source = source.filter(|_| free > 0);
        let wait = source.map_or(Duration::ZERO, |source| self.host.password_wait(source, free));
        if !wait.is_zero() {
            // Not looked at: a right one must not be told from a wrong one.
            self.stats.refused_auth += 1;
            let seconds = wait.as_secs().max(1);
            return Err(format!(
                "WRONGPASS too many wrong passwords from your address, this one was not looked at; try again in {seconds} seconds"
            ));
        }
        if user == b"default" && (expected.is_empty() || equal_in_constant_time(expected, password)) {
            session.set_gate(gate::UNAUTHENTICATED, false);
            session.new_limits = Some(self.limits(true));
            return Ok(());
        }
        self.stats.failed_auth += 1;
        if let Some(source) = source {
            self.host.note_wrong_password(source, free, password);
        }
        Err(WRONG_PASSWORD.to_owned())
    }

    pub(crate) fn hello(&mut self, session: &mut Session, args: Args<'_>, out: &mut Vec<u8>) {
        match self.try_hello(session, args) {
            Ok(()) => self.write_hello(session, out),
            Err(text) => Reply::new(out, session.version).error(text),
        }
    }

    fn try_hello(&mut self, session: &mut Session, args: Args<'_>) -> Result<(), Vec<u8>> {
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
        if let Some((user, password)) = credentials {
            self.authenticate(session, user, password)?;
        }
        if session.has_gate(gate::UNAUTHENTICATED) {
            return Err("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time".into());
        }
        if let Some(name) = name {
            crate::client::set_name(session, name).map_err(Vec::from)?;
        }
        session.version = version;
        session.update_subscribed_gate();
        Ok(())
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
        reply.bulk(b"standalone");
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
        self.end_monitor(session);
        session.version = Version::Resp2;
        session.db = DbIndex::ZERO;
        session.name = Box::default();
        session.no_evict = false;
        session.no_touch = false;
        session.takes_stale = false;
        session.set_ack(self.default_ack());
        self.end_skip(session);
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
        self.drop_waits(session.at);
        self.end_monitor(session);
    }
}

/// Compares without telling by its time where the first difference is. The length of the password is not hidden.
fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0u8, |difference, (x, y)| difference | (x ^ y));
    a.len() == b.len() && std::hint::black_box(difference) == 0
}
