//! The FABRIC commands that change the cluster. Each is decided by the meta group; the client waits for that.

use base::{Args, Millis, NodeId};
use cluster::{Command, JoinToken, Meta, TOKEN_ADDRESSES_MAX};
use command::NodeCommand;
use resp::Reply;

use crate::cluster_view::ALONE;
use crate::errand::Dest;
use crate::gather::{Answer, Question};
use crate::host::Invitation;
use crate::message::{Message, Wish};
use crate::meta::Asker;
use crate::session::{Session, Stall};
use crate::worker::Worker;

/// How long a token admits if nobody says otherwise, in seconds, and at most.
const TOKEN_SECONDS: (u64, u64) = (600, 30 * 24 * 3600);

impl Worker {
    /// `FABRIC DRAIN`, `INVITE`, `LEAVE`, `REMOVE` and `REPLICAS`.
    pub(crate) fn change_fabric(&mut self, session: &mut Session, command: NodeCommand, args: Args<'_>) {
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, session.version);
        let change = match self.fabric.is_on {
            true => self.fabric_change(command, args, &mut reply),
            false => Err(ALONE.to_owned()),
        };
        match change {
            Ok(change) => self.ask_for_client(session, change, out),
            Err(text) => Reply::new(session.output.end(), session.version).error(text),
        }
    }

    /// `FABRIC REBALANCE`.
    pub(crate) fn rebalance(&mut self, session: &mut Session, args: Args<'_>) {
        let is_dry = args.len() == 3 && args.at(2).eq_ignore_ascii_case(b"dryrun");
        let refusal = match (self.fabric.is_on, args.len()) {
            (false, _) => Some(ALONE),
            (true, 2) => None,
            (true, _) => (!is_dry).then_some("ERR syntax error"),
        };
        if let Some(text) = refusal {
            return Reply::new(session.output.end(), session.version).error(text);
        }
        let plan = cluster::placement::plan(&self.fabric.meta);
        let mut out = Vec::new();
        write_moves(&self.fabric.meta, plan.as_ref(), &mut Reply::new(&mut out, session.version));
        match plan.filter(|_| !is_dry) {
            Some(plan) => self.ask_for_client(session, plan, out),
            None => session.output.end().extend_from_slice(&out),
        }
    }

    /// `FABRIC SCRUB`.
    pub(crate) fn scrub_now(&mut self, session: &mut Session) {
        if !self.fabric.is_on {
            return Reply::new(session.output.end(), session.version).error(ALONE);
        }
        let finish = |_: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| {
            reply.int(crate::gather::sum(&answers) as i64);
        };
        self.ask(session, Question::Scrub, Box::new(finish));
    }

    /// `FABRIC TRUST`.
    pub(crate) fn trust(&mut self, session: &mut Session, args: Args<'_>) {
        let accepts_loss = args.len() == 3 && args.at(2).eq_ignore_ascii_case(b"loss");
        let refusal = match (self.fabric.is_on, args.len()) {
            (false, _) => Some(ALONE),
            (true, 2) => None,
            (true, _) => (!accepts_loss).then_some("ERR syntax error"),
        };
        if let Some(text) = refusal {
            return Reply::new(session.output.end(), session.version).error(text);
        }
        let finish = |worker: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| {
            let (mut trusted, mut stranded) = (0, Vec::new());
            for answer in answers {
                if let Answer::Trusted(count, left) = answer {
                    trusted += count;
                    stranded.extend(left);
                }
            }
            match crate::cluster_check::way_out(worker, &stranded).filter(|_| trusted == 0) {
                Some(way_out) => reply.error(format!("ERR {way_out}")),
                None => reply.len_int(trusted),
            }
        };
        self.ask(session, Question::Trust { accepts_loss }, Box::new(finish));
    }

    /// What the fabric is asked for; `reply` is written as it is to be if the fabric agrees.
    fn fabric_change(
        &mut self,
        command: NodeCommand,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<Command, String> {
        let meta = &self.fabric.meta;
        let number =
            |index: usize| std::str::from_utf8(args.at(index)).ok().and_then(|text| text.parse::<u64>().ok());
        match command {
            NodeCommand::FabricInvite => {
                let seconds = match args.len() {
                    2 => TOKEN_SECONDS.0,
                    3 => number(2)
                        .filter(|seconds| (1..=TOKEN_SECONDS.1).contains(seconds))
                        .ok_or_else(|| format!("ERR a token is good for 1 to {} seconds", TOKEN_SECONDS.1))?,
                    _ => return Err("ERR wrong number of arguments for 'fabric|invite' command".to_owned()),
                };
                let Invitation { secret, fingerprint, address } =
                    self.host.invitation().ok_or_else(|| ALONE.to_owned())?;
                let others = meta.live_members().map(|member| member.peer_address.clone());
                let others = others.filter(|other| !other.is_empty() && *other != address);
                let addresses =
                    std::iter::once(address.clone()).chain(others).take(TOKEN_ADDRESSES_MAX).collect();
                let token =
                    JoinToken::new(fingerprint, secret, addresses).map_err(|error| format!("ERR {error}"))?;
                reply.bulk(token.text().as_bytes());
                let expires = Millis(self.now.millis().0 + seconds * 1000);
                Ok(Command::AddToken { hash: token.secret().hash(), expires })
            }
            NodeCommand::FabricReplicas => {
                let replicas =
                    number(2).and_then(|number| u8::try_from(number).ok()).filter(|number| *number > 0);
                reply.ok();
                let replicas = replicas.ok_or("ERR the number of copies is 1 to 7")?;
                Ok(Command::SetReplicas { replicas })
            }
            NodeCommand::FabricLeave => {
                reply.ok();
                let me = meta.member_of_replica(self.fabric.me).map(|member| member.node);
                me.map(|node| Command::Leave { node })
                    .ok_or_else(|| "ERR this node is no member yet".to_owned())
            }
            NodeCommand::FabricDrain => {
                reply.ok();
                Ok(Command::Leave { node: node_named(meta, args.at(2))? })
            }
            _ => {
                reply.ok();
                Ok(Command::Remove { node: node_named(meta, args.at(2))? })
            }
        }
    }

    pub(crate) fn ask_for_client(&mut self, session: &mut Session, command: Command, reply: Vec<u8>) {
        let ticket = session.output.open();
        session.stall = Some(Stall::Drain);
        let dest = Dest::Session { worker: self.id, at: session.at, ticket };
        match self.fabric.meta_replica {
            Some(_) => self.ask_meta(command, Asker::Client(dest, reply)),
            // The first worker has the meta group.
            None => self
                .outbox
                .messages
                .push((base::WorkerId(0), Message::AskMeta(Wish { dest, command, reply }))),
        }
    }
}

/// What a plan moves: for each partition the nodes that are to hold it now, and then; the first is to lead.
fn write_moves(meta: &Meta, plan: Option<&Command>, reply: &mut Reply<'_>) {
    let moves = match plan {
        Some(Command::Place { moves, .. }) => &moves[..],
        Some(_) | None => &[],
    };
    reply.array(moves.len());
    for moved in moves {
        reply.map(3);
        reply.bulk(b"partition");
        reply.int(i64::from(moved.partition.0));
        for (name, nodes) in [("now", meta.voters_of(moved.partition)), ("then", &moved.voters[..])] {
            reply.bulk(name.as_bytes());
            reply.array(nodes.len());
            for node in nodes {
                let member = meta.member(*node).map_or("", |member| &member.name);
                reply.bulk(member.as_bytes());
            }
        }
    }
}

/// The member of this name or id.
fn node_named(meta: &Meta, word: &[u8]) -> Result<NodeId, String> {
    let word = String::from_utf8_lossy(word);
    if word.is_empty() {
        return Err(format!("ERR name a node: {}", names_of(meta)));
    }
    let mut found =
        meta.live_members().filter(|member| member.name == word || member.node.to_string() == word);
    match (found.next(), found.next()) {
        (Some(member), None) => Ok(member.node),
        (Some(_), Some(_)) => {
            Err(format!("ERR several nodes are called '{word}'; use an id of FABRIC MEMBERS"))
        }
        (None, _) => Err(format!("ERR no node is called '{word}'; there are {}", names_of(meta))),
    }
}

/// What nodes are called; if they are many, some, and where the rest is.
fn names_of(meta: &Meta) -> String {
    const SHOWN: usize = 12;
    let mut names: Vec<&str> = meta.live_members().map(|member| member.name.as_str()).collect();
    names.sort_unstable();
    let more = if names.len() > SHOWN { ", and more that FABRIC MEMBERS lists" } else { "" };
    format!("{}{more}", names.get(..SHOWN).unwrap_or(&names).join(", "))
}
