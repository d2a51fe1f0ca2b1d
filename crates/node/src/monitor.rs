//! `MONITOR`: every request the node takes up, as a line, to clients that asked for it.
//!
//! Secrets are not shown, nor are requests that only an operator makes.

use std::sync::Arc;

use base::{Args, WorkerId};
use command::{NodeCommand, Run, Spec};
use resp::Reply;

use crate::gather::Question;
use crate::message::Message;
use crate::other_cluster::may_be_token;
use crate::session::{Peer, Session, SessionRef, gate};
use crate::settings::{Kind, find};
use crate::worker::Worker;

/// Who watches, on this worker and on others.
#[derive(Default)]
pub(crate) struct Monitors {
    local: Vec<SessionRef>,
    /// Other workers with watchers.
    remote: Vec<WorkerId>,
}

impl Monitors {
    /// Whether requests must be shown to someone.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        !self.local.is_empty() || !self.remote.is_empty()
    }

    /// Another worker gained its first watcher, or lost its last.
    pub(crate) fn note(&mut self, worker: WorkerId, on: bool) {
        self.remote.retain(|other| *other != worker);
        if on {
            self.remote.push(worker);
        }
    }
}

impl Worker {
    pub(crate) fn begin_monitor(&mut self, session: &mut Session) {
        if session.runs_exec() {
            let text = "ERR MONITOR isn't allowed for DENY BLOCKING client";
            return Reply::new(session.output.end(), session.version).error(text);
        }
        if session.has_gate(gate::MONITOR) {
            Reply::new(session.output.end(), session.version).ok();
            return;
        }
        session.set_gate(gate::MONITOR, true);
        self.monitors.local.push(session.at);
        if self.monitors.local.len() == 1 {
            self.ask(session, Question::Monitors(self.id, true), Box::new(|_, _, reply| reply.ok()));
            // Our own entry is in `local`; the answer to ourselves noted it among the others.
            let id = self.id;
            self.monitors.note(id, false);
        } else {
            Reply::new(session.output.end(), session.version).ok();
        }
    }

    pub(crate) fn end_monitor(&mut self, session: &mut Session) {
        if !session.has_gate(gate::MONITOR) {
            return;
        }
        session.set_gate(gate::MONITOR, false);
        self.monitors.local.retain(|other| *other != session.at);
        if self.monitors.local.is_empty() {
            let question = Arc::new(Question::Monitors(self.id, false));
            for worker in (0..self.router.workers()).map(WorkerId).filter(|worker| *worker != self.id) {
                let question = Arc::clone(&question);
                // Nobody waits for the answer: its number is never given out.
                let ask = Message::Ask { from: self.id, gather: u64::MAX, question };
                self.outbox.messages.push((worker, ask));
            }
        }
    }

    /// Shows a request to all who watch.
    pub(crate) fn show_request(&mut self, session: &mut Session, args: Args<'_>, spec: &Spec) {
        let line: Arc<[u8]> = self.line(session, args, spec).into();
        for worker in self.monitors.remote.clone() {
            self.outbox.messages.push((worker, Message::MonitorLine(Arc::clone(&line))));
        }
        if session.has_gate(gate::MONITOR) {
            session.push_end().extend_from_slice(&line);
        }
        self.show_to_monitors(&line);
    }

    /// Sends a line to our own watchers.
    pub(crate) fn show_to_monitors(&mut self, line: &[u8]) {
        for at in self.monitors.local.clone() {
            let Some(mut session) = self.sessions.take(at.token) else { continue };
            if session.at == at {
                session.push_end().extend_from_slice(line);
                self.queue_send(&mut session);
            }
            self.sessions.put_back(session);
        }
    }

    fn line(&self, session: &Session, args: Args<'_>, spec: &Spec) -> Vec<u8> {
        let (seconds, micros) = (self.now.wall_us / 1_000_000, self.now.wall_us % 1_000_000);
        let peer = match &session.peer {
            Peer::Tcp { remote, .. } => remote.to_string(),
            Peer::Unix(path) => format!("unix:{path}"),
            Peer::InProcess => "in-process".to_owned(),
        };
        let mut line = format!("+{seconds}.{micros:06} [{} {peer}]", session.db.number()).into_bytes();
        for (index, arg) in args.iter().enumerate() {
            line.extend_from_slice(b" \"");
            push_escaped(&mut line, if is_secret(spec, args, index) { REDACTED } else { arg });
            line.push(b'"');
        }
        line.extend_from_slice(b"\r\n");
        line
    }
}

/// What stands in the place of a secret.
pub(crate) const REDACTED: &[u8] = b"(redacted)";

/// Whether an argument is a secret: not to be shown by `MONITOR`, nor kept in the slow log.
pub(crate) fn is_secret(spec: &Spec, args: Args<'_>, index: usize) -> bool {
    let word_before = |back: usize| index.checked_sub(back).and_then(|before| args.get(before));
    let is_auth = |word: &[u8]| word.eq_ignore_ascii_case(b"auth");
    match spec.run {
        Run::Node(NodeCommand::Auth) => index > 0,
        // The two words after AUTH.
        Run::Node(NodeCommand::Hello) => index > 2 && [1, 2].into_iter().filter_map(word_before).any(is_auth),
        Run::Node(NodeCommand::ConfigSet) => {
            let name = word_before(1).and_then(|name| std::str::from_utf8(name).ok());
            index % 2 == 1 && name.and_then(find).is_some_and(|row| matches!(row.kind, Kind::Secret(_)))
        }
        // Rules hold passwords and their hashes; what is tried for another may be his password.
        Run::Node(NodeCommand::AclSetUser) => index > 1,
        Run::Node(NodeCommand::AclDryRun) => index > 3,
        // A token; an address may be seen.
        Run::Node(NodeCommand::FabricJoin) => index > 2 || args.get(index).is_some_and(may_be_token),
        Run::Node(_) | Run::Data(_) | Run::Container => false,
    }
}

/// Text as in a double-quoted string: the escapes that `redis-cli` reads back.
pub(crate) fn push_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            7 => out.extend_from_slice(b"\\a"),
            8 => out.extend_from_slice(b"\\b"),
            0x20..=0x7e => out.push(byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
}
