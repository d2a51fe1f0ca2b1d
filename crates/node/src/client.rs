//! The `CLIENT` family: what clients say about themselves, and what one may ask or do about others.

use base::{AckLevel, Args, ConnId, Millis, WorkerId, parse_i64};
use command::NodeCommand;
use resp::Reply;

use crate::gather::{Answer, Question, sum};
use crate::pause::PauseMode;
use crate::session::{Peer, ReplyMode, Session, gate};
use crate::tracking::Tracking;
use crate::users::Users;
use crate::worker::Worker;

/// The kinds that `CLIENT LIST TYPE` tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientKind {
    /// Sends commands.
    Normal,
    /// Has a subscription.
    PubSub,
    /// A node that copies from this one as Redis replicas do: there are none.
    Master,
    /// The same, the other way: there are none.
    Replica,
}

impl ClientKind {
    fn from_name(name: &[u8]) -> Option<ClientKind> {
        match name.to_ascii_lowercase().as_slice() {
            b"normal" => Some(ClientKind::Normal),
            b"pubsub" => Some(ClientKind::PubSub),
            b"master" => Some(ClientKind::Master),
            b"replica" | b"slave" => Some(ClientKind::Replica),
            _ => None,
        }
    }
}

/// Which clients are meant: those that pass every filter that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientQuery {
    ids: Option<Vec<u64>>,
    kind: Option<ClientKind>,
    address: Option<String>,
    local_address: Option<String>,
    user: Option<Vec<u8>>,
    /// Oldest age in seconds that is spared.
    max_age: Option<u64>,
    /// The client that asks is spared.
    skip: Option<ConnId>,
}

/// One client as `CLIENT LIST` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLine {
    /// Its id, by which lines are sorted.
    pub id: ConnId,
    /// The line, without its end.
    pub text: String,
}

/// A client's address as Redis writes it.
pub(crate) fn address(peer: &Peer) -> String {
    match peer {
        Peer::Tcp { remote, .. } => remote.to_string(),
        Peer::Unix(path) => format!("{path}:0"),
        Peer::InProcess => "in-process:0".to_owned(),
    }
}

fn local_address(peer: &Peer) -> String {
    match peer {
        Peer::Tcp { local, .. } => local.to_string(),
        Peer::Unix(path) => format!("{path}:0"),
        Peer::InProcess => "in-process:0".to_owned(),
    }
}

fn client_kind(name: &[u8]) -> Result<ClientKind, String> {
    ClientKind::from_name(name)
        .ok_or_else(|| format!("ERR Unknown client type '{}'", String::from_utf8_lossy(name)))
}

impl ClientQuery {
    fn matches(&self, session: &Session, now: Millis) -> bool {
        let kind = if session.subscriptions.count() > 0 { ClientKind::PubSub } else { ClientKind::Normal };
        self.ids.as_ref().is_none_or(|ids| ids.contains(&session.at.conn.0))
            && self.kind.is_none_or(|wanted| wanted == kind)
            && self.address.as_ref().is_none_or(|wanted| *wanted == address(&session.peer))
            && self.local_address.as_ref().is_none_or(|wanted| *wanted == local_address(&session.peer))
            && self
                .user
                .as_ref()
                .is_none_or(|user| user == session.user_name() && !session.has_gate(gate::UNAUTHENTICATED))
            && self.max_age.is_none_or(|age| now.since(session.created) / 1000 >= age)
            && self.skip.is_none_or(|skip| skip != session.at.conn)
    }

    /// Reads the filters of `CLIENT KILL`, from `args[2]` on.
    fn for_kill(args: Args<'_>, asker: ConnId, users: &Users) -> Result<ClientQuery, String> {
        let mut query = ClientQuery { skip: Some(asker), ..ClientQuery::default() };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut at = 2;
        while at < args.len() {
            let Some(value) = args.get(at + 1) else { return Err("ERR syntax error".to_owned()) };
            match args.at(at).to_ascii_lowercase().as_slice() {
                b"id" => {
                    let id = parse_i64(value)
                        .filter(|id| *id > 0)
                        .ok_or("ERR client-id should be greater than 0")?;
                    query.ids.get_or_insert_default().push(id.unsigned_abs());
                }
                b"type" => query.kind = Some(client_kind(value)?),
                b"addr" => query.address = Some(text(value)),
                b"laddr" => query.local_address = Some(text(value)),
                b"user" if users.find(value).is_some() => query.user = Some(value.to_vec()),
                b"user" => return Err(format!("ERR No such user '{}'", text(value))),
                b"maxage" => {
                    let age = parse_i64(value).filter(|age| *age > 0);
                    query.max_age =
                        Some(age.ok_or("ERR maxage is not an integer or out of range")?.unsigned_abs());
                }
                b"skipme" => match value.to_ascii_lowercase().as_slice() {
                    b"yes" => query.skip = Some(asker),
                    b"no" => query.skip = None,
                    _ => return Err("ERR syntax error".to_owned()),
                },
                _ => return Err("ERR syntax error".to_owned()),
            }
            at += 2;
        }
        Ok(query)
    }

    /// Reads the filters of `CLIENT LIST`, from `args[2]` on.
    fn for_list(args: Args<'_>) -> Result<ClientQuery, String> {
        let mut query = ClientQuery::default();
        match args.get(2).map(<[u8]>::to_ascii_lowercase).as_deref() {
            None => {}
            Some(b"type") if args.len() == 4 => query.kind = Some(client_kind(args.at(3))?),
            Some(b"id") if args.len() > 3 => {
                let ids = args.iter().skip(3).map(|id| parse_i64(id).and_then(|id| u64::try_from(id).ok()));
                let ids: Option<Vec<u64>> = ids.collect();
                query.ids = Some(ids.ok_or("ERR Invalid client ID")?);
            }
            Some(_) => return Err("ERR syntax error".to_owned()),
        }
        Ok(query)
    }
}

impl Worker {
    /// The commands of this family that are answered here and now.
    pub(crate) fn run_client(&mut self, session: &mut Session, command: NodeCommand, args: Args<'_>) {
        use NodeCommand as N;
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, session.version);
        match command {
            N::ClientId => reply.int(session.at.conn.0 as i64),
            N::ClientGetName if session.name.is_empty() => reply.null(),
            N::ClientGetName => reply.bulk(&session.name),
            N::ClientSetName => match set_name(session, args.at(2)) {
                Ok(()) => reply.ok(),
                Err(text) => reply.error(text),
            },
            N::ClientSetInfo => match set_info(session, args) {
                Ok(()) => reply.ok(),
                Err(text) => reply.error(text),
            },
            N::ClientInfo => {
                let mut line = self.describe(session);
                line.push('\n');
                reply.verbatim(line.as_bytes());
            }
            N::ClientNoEvict => toggle(args.at(2), &mut session.no_evict, &mut reply),
            N::ClientNoTouch => toggle(args.at(2), &mut session.no_touch, &mut reply),
            N::ClientGetRedir | N::ClientTrackingInfo | N::ClientCaching => {
                crate::tracking::run(session, command, args, &mut reply);
            }
            N::ClientAck => set_ack(self, session, args, &mut reply),
            N::ClientRead => crate::read_level::run(session, args, &mut reply),
            N::ClientRedirect => self.set_redirect(session, args.at(2), &mut reply),
            _ => reply.error("ERR syntax error"),
        }
        session.output.end().extend_from_slice(&out);
    }

    pub(crate) fn client_list(&mut self, session: &mut Session, args: Args<'_>) {
        let query = match ClientQuery::for_list(args) {
            Ok(query) => query,
            Err(text) => return Reply::new(session.output.end(), session.version).error(text),
        };
        let finish = |_: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| {
            let mut lines: Vec<ClientLine> = answers.into_iter().flat_map(Answer::into_clients).collect();
            lines.sort_unstable_by_key(|line| line.id.0);
            let text: String = lines.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect();
            reply.verbatim(text.as_bytes());
        };
        self.ask(session, Question::Clients(query), Box::new(finish));
    }

    pub(crate) fn client_kill(&mut self, session: &mut Session, args: Args<'_>) {
        // The old form names an address, answers OK, and may name the client itself.
        if args.len() == 3 {
            let address = String::from_utf8_lossy(args.at(2)).into_owned();
            let query = ClientQuery { address: Some(address), ..ClientQuery::default() };
            let finish = |_: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| match sum(&answers) {
                0 => reply.error("ERR No such client"),
                _ => reply.ok(),
            };
            return self.ask(session, Question::Kill(query), Box::new(finish));
        }
        match ClientQuery::for_kill(args, session.at.conn, &self.users) {
            Err(text) => Reply::new(session.output.end(), session.version).error(text),
            Ok(query) => {
                let finish = |_: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| {
                    reply.int(sum(&answers) as i64);
                };
                self.ask(session, Question::Kill(query), Box::new(finish));
            }
        }
    }

    pub(crate) fn client_pause(&mut self, session: &mut Session, args: Args<'_>) {
        let mut reply = Reply::new(session.output.end(), session.version);
        let Some(millis) = parse_i64(args.at(2)) else {
            return reply.error("ERR timeout is not an integer or out of range");
        };
        let Ok(millis) = u64::try_from(millis) else { return reply.error("ERR timeout is negative") };
        let mode = match args.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
            None | Some(b"all") => PauseMode::All,
            Some(b"write") => PauseMode::Write,
            Some(_) => return reply.error("ERR CLIENT PAUSE mode must be WRITE or ALL"),
        };
        let end = Millis(self.now.mono_millis().0.saturating_add(millis));
        self.ask(session, Question::Pause(mode, end), Box::new(|_, _, reply| reply.ok()));
    }

    pub(crate) fn client_unblock(&mut self, session: &mut Session, args: Args<'_>) {
        let mut reply = Reply::new(session.output.end(), session.version);
        let with_error = match args.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
            None | Some(b"timeout") => false,
            Some(b"error") => true,
            Some(_) => return reply.error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
        };
        let Some(id) = parse_i64(args.at(2)) else {
            return reply.error("ERR value is not an integer or out of range");
        };
        // No client has a number below zero, and none that large.
        let conn = ConnId(u64::try_from(id).unwrap_or(u64::MAX));
        let finish = |_: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| {
            reply.int(sum(&answers) as i64);
        };
        self.ask(session, Question::Unblock { conn, with_error }, Box::new(finish));
    }

    pub(crate) fn client_reply(&mut self, session: &mut Session, args: Args<'_>) {
        let stays_on = session.reply_mode == ReplyMode::On && args.at(2).eq_ignore_ascii_case(b"on");
        if session.runs_exec() && !stays_on {
            // Redis leaves out the element, and with it breaks the array.
            let text = "ERR CLIENT REPLY cannot be used inside a transaction";
            return Reply::new(session.output.end(), session.version).error(text);
        }
        match args.at(2).to_ascii_lowercase().as_slice() {
            b"on" => {
                session.reply_mode = ReplyMode::On;
                session.output.set_muted(false);
                session.set_gate(gate::MUTED, false);
                Reply::new(session.output.end(), session.version).ok();
            }
            b"off" => {
                session.reply_mode = ReplyMode::Off;
                session.output.set_muted(true);
                session.set_gate(gate::MUTED, true);
            }
            b"skip" if session.reply_mode == ReplyMode::Off => {}
            b"skip" => {
                session.reply_mode = ReplyMode::SkipNext;
                session.set_gate(gate::MUTED, true);
            }
            _ => Reply::new(session.output.end(), session.version).error("ERR syntax error"),
        }
    }

    /// The request whose reply was to be skipped is over.
    pub(crate) fn end_skip(&mut self, session: &mut Session) {
        session.reply_mode = ReplyMode::On;
        session.output.set_muted(false);
        session.set_gate(gate::MUTED, false);
    }

    /// The clients of this worker that match; `asker` is taken out and looked at apart.
    pub(crate) fn list_clients(
        &mut self,
        query: &ClientQuery,
        asker: Option<&mut Session>,
    ) -> Vec<ClientLine> {
        let now = self.now.mono_millis();
        let here = self.sessions.iter().chain(asker.map(|session| &*session));
        here.filter(|session| query.matches(session, now))
            .map(|session| ClientLine { id: session.at.conn, text: self.describe(session) })
            .collect()
    }

    /// Closes the clients of this worker that match; how many, or none if it is to be said later: nothing is taken out
    /// for a client once anyone has heard that it was killed.
    pub(crate) fn kill_clients(
        &mut self,
        query: &ClientQuery,
        asker: Option<&mut Session>,
        question: (WorkerId, u64),
    ) -> Option<u64> {
        let (now, number) = (self.now.mono_millis(), self.blocks.next_number());
        let (mut killed, mut missing) = (0, 0);
        if let Some(session) = asker
            && query.matches(session, now)
        {
            // It still gets the answer to its own request.
            session.closing = true;
            killed += 1;
        }
        for token in self.sessions.tokens() {
            if let Some(session) = self.sessions.get_mut(token)
                && query.matches(session, now)
            {
                session.closing = true;
                let conn = session.at.conn;
                self.outbox.close.push(token);
                missing += usize::from(self.kill_block(conn, number));
                killed += 1;
            }
        }
        if missing > 0 {
            self.await_releases(number, question, (killed, missing));
        }
        (missing == 0).then_some(killed)
    }

    pub(crate) fn describe(&self, session: &Session) -> String {
        let now = self.now.mono_millis();
        let (sub, psub, ssub) = session.subscriptions.counts();
        let transaction = session.transaction.as_ref();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        format!(
            "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={sub} psub={psub} ssub={ssub} \
             multi={} watch={} qbuf={} qbuf-free={} argv-mem=0 multi-mem={} rbs={} rbp=0 obl={} oll={} omem={} \
             tot-mem={} events=r cmd={} user={} redir={} resp={} lib-name={} lib-ver={} ack={} read={} redirect={} worker={} \
             tot-net-in={} tot-net-out={} tot-cmds={} tls={}",
            session.at.conn.0,
            address(&session.peer),
            local_address(&session.peer),
            session.at.token,
            text(&session.name),
            now.since(session.created) / 1000,
            now.since(session.active) / 1000,
            flags(session),
            session.db.number(),
            transaction.map_or(-1, |transaction| transaction.requests.len() as i64),
            session.watched.len(),
            session.unread(),
            session.input.capacity() - session.unread(),
            transaction.map_or(0, |transaction| transaction.bytes),
            session.output.memory(),
            session.output.sendable().len(),
            session.output.waiting(),
            session.output.backlog(),
            session.memory(),
            session.last_command,
            text(session.user_name()),
            session.tracking.as_deref().map_or(-1, Tracking::redirect_id),
            match session.version {
                resp::Version::Resp2 => 2,
                resp::Version::Resp3 => 3,
            },
            text(&session.lib_name),
            text(&session.lib_version),
            session.ack.name(),
            session.reads.name(),
            if session.has_gate(gate::REDIRECTS) { "on" } else { "off" },
            self.id.0,
            session.bytes_in,
            session.bytes_out,
            session.commands,
            match session.peer {
                Peer::Tcp { tls, .. } => tls.unwrap_or("no"),
                Peer::Unix(_) | Peer::InProcess => "no",
            },
        )
    }
}

impl Answer {
    fn into_clients(self) -> Vec<ClientLine> {
        match self {
            Answer::Clients(lines) => lines,
            Answer::Saved(_)
            | Answer::Done
            | Answer::Count(_)
            | Answer::Trusted(..)
            | Answer::Found(..)
            | Answer::Stats(_)
            | Answer::Slow(_)
            | Answer::Latency(_)
            | Answer::HotKeys(_)
            | Answer::Report(..)
            | Answer::AclLog(_)
            | Answer::Digests(_)
            | Answer::DigestAt { .. }
            | Answer::Standings(_) => Vec::new(),
        }
    }
}

fn flags(session: &Session) -> String {
    let mut flags = String::new();
    let mut note = |on: bool, flag: char| {
        if on {
            flags.push(flag);
        }
    };
    note(session.has_gate(gate::MONITOR), 'O');
    note(session.subscriptions.count() > 0, 'P');
    note(session.transaction.is_some(), 'x');
    note(session.is_blocked, 'b');
    let tracks = session.tracking.as_deref().map_or("", Tracking::letters);
    tracks.chars().for_each(|letter| note(true, letter));
    note(session.closing, 'c');
    note(matches!(session.peer, Peer::Unix(_)), 'U');
    note(session.no_evict, 'e');
    note(session.no_touch, 'T');
    if flags.is_empty() { "N".to_owned() } else { flags }
}

fn toggle(word: &[u8], flag: &mut bool, reply: &mut Reply<'_>) {
    match word.to_ascii_lowercase().as_slice() {
        b"on" => *flag = true,
        b"off" => *flag = false,
        _ => return reply.error("ERR syntax error"),
    }
    reply.ok();
}

/// Names go into lines of text that tools split at blanks.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

pub(crate) fn set_name(session: &mut Session, name: &[u8]) -> Result<(), &'static str> {
    if !is_plain(name) {
        return Err("ERR Client names cannot contain spaces, newlines or special characters.");
    }
    session.name = name.into();
    Ok(())
}

fn set_info(session: &mut Session, args: Args<'_>) -> Result<(), String> {
    let (option, value) = (args.at(2).to_ascii_lowercase(), args.at(3));
    let field = match option.as_slice() {
        b"lib-name" => &mut session.lib_name,
        b"lib-ver" => &mut session.lib_version,
        _ => return Err(format!("ERR Unrecognized option '{}'", String::from_utf8_lossy(args.at(2)))),
    };
    if !is_plain(value) {
        let option = String::from_utf8_lossy(args.at(2)).into_owned();
        return Err(format!("ERR {option} cannot contain spaces, newlines or special characters."));
    }
    *field = value.into();
    Ok(())
}

fn set_ack(worker: &Worker, session: &mut Session, args: Args<'_>, reply: &mut Reply<'_>) {
    match args.get(2) {
        None => reply.bulk(session.ack.name().as_bytes()),
        Some(name) => match AckLevel::from_name(name) {
            None => reply.error("ERR ack level must be local, quorum, durable or all"),
            Some(AckLevel::Durable) if !worker.logging => {
                reply.error("ERR ack level durable needs a data folder; this node runs with no-data");
            }
            Some(level) => {
                session.set_ack(level);
                reply.ok();
            }
        },
    }
}
