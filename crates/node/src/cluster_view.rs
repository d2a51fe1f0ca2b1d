//! What is told of the cluster: the CLUSTER replies by which cluster-aware clients find their way, and those of FABRIC
//! for people.
//!
//! Who is a member and where partitions are to be is known to every worker; who leads a partition is known to the
//! worker that owns it, so all are asked.

use std::fmt::Write;

use base::{Args, NodeId, PartitionId, Slot, slot_of};
use cluster::{Member, MemberKind, MemberState, Meta};
use command::NodeCommand;
use resp::Reply;

use crate::gather::{Answer, Question};
use crate::partition::Partition;
use crate::rescue::RESCUED;
use crate::router::Router;
use crate::session::{Peer, Session};
use crate::witness::Stranded;
use crate::worker::Worker;

/// How a partition stands, as the worker sees it that owns it here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionStanding {
    /// Which.
    pub id: PartitionId,
    /// The number of the node that leads it, as far as is known; else zero.
    pub leader: u64,
    /// The term of its replica here; else that of the leader, as far as it said so.
    pub term: u64,
    /// It is to have a replica here.
    pub is_wanted: bool,
    /// It has one here, that votes.
    pub is_held: bool,
    /// It can be written to, as far as this node can tell.
    pub is_served: bool,
    /// Its replica here may have forgotten something, and does not vote.
    pub is_in_doubt: bool,
    /// It waits for a replica that is away, though a majority is there.
    pub stranded: Option<Stranded>,
    /// So many of its replicas may be lost before it refuses writes.
    pub may_lose: u8,
    /// If it is led here: entries that the last of its voters is not known to have.
    pub lag: u64,
    /// It is led here, and whoever reads it needs to ask no other node now.
    pub reads_alone: bool,
}

/// A run of slots with the same leader and the same replicas.
struct Run<'a> {
    first: u16,
    last: u16,
    leader: Option<&'a Member>,
    replicas: Vec<&'a Member>,
}

impl Worker {
    /// How this worker's partitions stand.
    pub(crate) fn partition_standings(&self) -> Vec<PartitionStanding> {
        let owned = self.router.all().filter(|id| self.router.owner(*id) == self.id);
        owned.map(|id| self.partition_standing(id)).collect()
    }

    fn partition_standing(&self, id: PartitionId) -> PartitionStanding {
        let place = &self.places[usize::from(id.0)];
        let me = self.fabric.me;
        let partition = place.partition.as_deref();
        // On a node that has all partitions, one that is not at home is lent to a task and comes back.
        let is_lent = partition.is_none() && !self.fabric.is_spread;
        let led_here = is_lent || partition.is_some_and(|p| p.group.is_lone() || p.group.is_leader());
        let known = partition.and_then(|p| p.group.leader());
        // Who has lost the lead and knows nobody else does not lead it still.
        let hint = self.fabric.hint_for(id).filter(|hint| hint.leader != me);
        let leader = if led_here { Some(me) } else { known.or(hint.map(|hint| hint.leader)) };
        let told = hint.filter(|hint| Some(hint.leader) == leader).map_or(0, |hint| hint.may_lose);
        // A witness that leads serves nobody.
        let leader = leader.filter(|leader| !self.fabric.is_witness(*leader));
        let is_served = match leader {
            Some(leader) if leader == me => {
                is_lent || partition.is_some_and(|p| p.group.is_lone() || p.has_quorum(self.now.mono_us))
            }
            Some(leader) => self.fabric.is_heard(leader),
            None => false,
        };
        PartitionStanding {
            id,
            leader: leader.unwrap_or(0),
            term: partition.map_or(hint.map_or(0, |hint| hint.term), Partition::term),
            is_wanted: self.is_target(id),
            is_held: is_lent
                || partition.is_some_and(|p| p.group.is_lone() || p.replica.members.voters.contains(&me)),
            is_served,
            is_in_doubt: self.is_in_doubt(id),
            stranded: if is_served { None } else { self.stranded(id) },
            may_lose: match partition.filter(|_| led_here) {
                _ if !is_served => 0,
                Some(partition) => self.fabric.may_lose_of(partition),
                None => told,
            },
            lag: partition.filter(|_| led_here).map_or(0, lag),
            reads_alone: led_here
                && (is_lent || partition.is_some_and(|p| p.group.is_lone() || p.may_read(self.now.mono_us))),
        }
    }

    /// `CLUSTER INFO`, `NODES`, `SHARDS` and `SLOTS`.
    pub(crate) fn show_cluster(&mut self, session: &mut Session, command: NodeCommand) {
        if !self.fabric.is_on {
            let text = "ERR This instance has cluster support disabled";
            return Reply::new(session.output.end(), session.version).error(text);
        }
        let speaks = Speaks::of(session);
        let finish = move |worker: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| {
            let standings = standings_of(answers);
            let meta = std::sync::Arc::clone(&worker.fabric.meta);
            match command {
                NodeCommand::ClusterSlots => write_slots(&runs(&meta, &standings), speaks, reply),
                NodeCommand::ClusterShards => write_shards(&runs(&meta, &standings), reply),
                NodeCommand::ClusterNodes => {
                    let runs = runs(&meta, &standings);
                    let text = nodes_text(&meta, &runs, worker.fabric.me, speaks, &|node| {
                        worker.fabric.is_heard(node)
                    });
                    reply.verbatim(text.as_bytes());
                }
                _ => reply.verbatim(info_text(&meta, &standings).as_bytes()),
            }
        };
        self.ask(session, Question::Standings, Box::new(finish));
    }

    /// `FABRIC CHECK`, `MAP`, `MEMBERS`, `OWNER` and `STATUS`.
    pub(crate) fn show_fabric(&mut self, session: &mut Session, command: NodeCommand, args: Args<'_>) {
        if !self.fabric.is_on {
            return Reply::new(session.output.end(), session.version).error(ALONE);
        }
        let slot = (args.len() > 2).then(|| slot_of(args.at(2)));
        let speaks = Speaks::of(session);
        let finish = move |worker: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| {
            let standings = standings_of(answers);
            let meta = std::sync::Arc::clone(&worker.fabric.meta);
            match (command, slot) {
                (NodeCommand::FabricMap, _) => {
                    reply.array(standings.len());
                    standings
                        .iter()
                        .for_each(|standing| write_partition(worker, &meta, standing, None, reply));
                }
                (NodeCommand::FabricOwner, Some(slot)) => {
                    let id = worker.router.partition_of_slot(slot);
                    match standings.get(usize::from(id.0)) {
                        Some(standing) => write_partition(worker, &meta, standing, Some(slot), reply),
                        None => reply.null(),
                    }
                }
                (NodeCommand::FabricCheck, _) => {
                    let findings = crate::cluster_check::findings(worker, &meta, &standings);
                    reply.array(findings.len());
                    findings.iter().for_each(|finding| reply.bulk(finding.as_bytes()));
                }
                (NodeCommand::FabricMembers, _) => {
                    write_members(worker, &meta, &standings, speaks, reply);
                }
                _ => write_status(worker, &meta, &standings, reply),
            }
        };
        self.ask(session, Question::Standings, Box::new(finish));
    }
}

impl Worker {
    /// `CLUSTER REPLICAS`: no node only follows another, so a node that is known has none.
    pub(crate) fn write_followers(&self, id: &[u8], reply: &mut Reply<'_>) {
        if self.member_named(id, reply).is_some() {
            reply.array(0);
        }
    }

    /// `CLUSTER COUNT-FAILURE-REPORTS`: what the meta group says is all that is said of a node.
    pub(crate) fn write_failure_reports(&self, id: &[u8], reply: &mut Reply<'_>) {
        if let Some(member) = self.member_named(id, reply) {
            reply.int(i64::from(member.state == MemberState::Down));
        }
    }

    /// The member with an id as clients say it; else it is answered that there is none.
    fn member_named(&self, id: &[u8], reply: &mut Reply<'_>) -> Option<&Member> {
        let found = self.fabric.meta.live_members().find(|member| member.node.to_string().as_bytes() == id);
        if found.is_none() {
            reply.error(format!("ERR Unknown node {}", String::from_utf8_lossy(id)));
        }
        found
    }

    /// `CLUSTER LINKS`: this worker's ways to other nodes, each of which goes both ways.
    pub(crate) fn write_links(&self, reply: &mut Reply<'_>) {
        let member = |id: &u64| self.fabric.meta.member_of_replica(*id);
        let up = self.fabric.peers.iter().filter(|(_, peer)| peer.is_up);
        let links: Vec<_> = up.filter_map(|(id, peer)| Some((member(id)?, peer))).collect();
        reply.array(links.len() * 2);
        for (member, peer) in links {
            for direction in ["to", "from"] {
                reply.map(6);
                let node = member.node.to_string();
                for (name, text) in [("direction", direction), ("node", &node), ("events", "rw")] {
                    reply.bulk(name.as_bytes());
                    reply.bulk(text.as_bytes());
                }
                let unsent = if direction == "to" { peer.frame.len() } else { 0 };
                let created = usize::try_from(peer.up_since.0).unwrap_or(usize::MAX);
                for (name, number) in [
                    ("create-time", created),
                    ("send-buffer-allocated", unsent),
                    ("send-buffer-used", unsent),
                ] {
                    reply.bulk(name.as_bytes());
                    reply.len_int(number);
                }
            }
        }
    }
}

/// Entries that the last of a led partition's voters is not known to have.
fn lag(partition: &Partition) -> u64 {
    let group = &partition.group;
    if group.is_lone() {
        return 0;
    }
    let others = partition.replica.members.voters.iter().filter(|voter| **voter != group.node());
    let behind = |voter: &u64| {
        let matched = group.progress_of(*voter).map_or(0, |progress| progress.matched);
        group.last().index.saturating_sub(matched)
    };
    others.map(behind).max().unwrap_or(0)
}

/// What a node that is on its own answers.
pub(crate) const ALONE: &str =
    "ERR this node is on its own (`join none`); start it with another `join` to make it part of a cluster";

fn standings_of(answers: Vec<Answer>) -> Vec<PartitionStanding> {
    let mut standings: Vec<PartitionStanding> = answers
        .into_iter()
        .flat_map(|answer| match answer {
            Answer::Standings(standings) => standings,
            Answer::Saved(_)
            | Answer::Done
            | Answer::Count(_)
            | Answer::Trusted(..)
            | Answer::Clients(_)
            | Answer::Found(..)
            | Answer::Stats(_)
            | Answer::HotKeys(_)
            | Answer::Report(..)
            | Answer::Latency(_)
            | Answer::Slow(_)
            | Answer::AclLog(_)
            | Answer::Digests(_) => Vec::new(),
        })
        .collect();
    standings.sort_by_key(|standing| standing.id);
    standings
}

/// The first and the last slot of a partition.
fn slots(id: PartitionId, partitions: u16) -> (u16, u16) {
    Router::new(partitions, 1).slots_of(id)
}

/// Partitions, those beside each other joined if they are held alike. Members that clients cannot reach are left out.
fn runs<'a>(meta: &'a Meta, standings: &[PartitionStanding]) -> Vec<Run<'a>> {
    let mut runs: Vec<Run<'a>> = Vec::new();
    for standing in standings {
        let (first, last) = slots(standing.id, meta.partitions());
        let leader =
            meta.member_of_replica(standing.leader).filter(|member| !member.client_address.is_empty());
        let voters = meta.voters_of(standing.id).iter().filter_map(|node| meta.member(*node));
        let replicas: Vec<&Member> = voters
            .filter(|member| member.kind == MemberKind::Data)
            .filter(|member| leader.is_none_or(|leader| leader.node != member.node))
            .filter(|member| member.state == MemberState::Up && !member.client_address.is_empty())
            .collect();
        let ids = |members: &[&Member]| members.iter().map(|member| member.node).collect::<Vec<NodeId>>();
        match runs.last_mut() {
            Some(run)
                if run.leader.map(|leader| leader.node) == leader.map(|leader| leader.node)
                    && ids(&run.replicas) == ids(&replicas) =>
            {
                run.last = last;
            }
            _ => runs.push(Run { first, last, leader, replicas }),
        }
    }
    runs
}

/// What the client that asks speaks: it is told of ports that speak it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Plain,
    Tls,
}

impl Speaks {
    fn of(session: &Session) -> Speaks {
        match &session.peer {
            Peer::Tcp { tls: Some(_), .. } => Speaks::Tls,
            Peer::Tcp { tls: None, .. } | Peer::Unix(_) | Peer::InProcess => Speaks::Plain,
        }
    }

    /// Host and port where such a client reaches a member. One that has no such port is told of with the port it has.
    fn way_to(self, member: &Member) -> (&str, u16) {
        let (host, port) = host_and_port(&member.client_address);
        match self {
            Speaks::Tls if member.tls_port != 0 => (host, member.tls_port),
            Speaks::Tls | Speaks::Plain => (host, port),
        }
    }

    /// The same as one word, with brackets around an IPv6 host.
    fn address_of(self, member: &Member) -> String {
        match (member.client_address.rsplit_once(':'), self) {
            (Some((host, _)), Speaks::Tls) if member.tls_port != 0 => format!("{host}:{}", member.tls_port),
            _ => member.client_address.clone(),
        }
    }
}

/// Host and port of an address; brackets of an IPv6 host are left out, as Redis does.
fn host_and_port(address: &str) -> (&str, u16) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "0"));
    (host.trim_start_matches('[').trim_end_matches(']'), port.parse().unwrap_or(0))
}

fn write_slots(runs: &[Run<'_>], speaks: Speaks, reply: &mut Reply<'_>) {
    let led: Vec<&Run<'_>> = runs.iter().filter(|run| run.leader.is_some()).collect();
    reply.array(led.len());
    for run in led {
        reply.array(3 + run.replicas.len());
        reply.int(i64::from(run.first));
        reply.int(i64::from(run.last));
        for member in run.leader.iter().chain(&run.replicas) {
            let (host, port) = speaks.way_to(member);
            reply.array(4);
            reply.bulk(host.as_bytes());
            reply.int(i64::from(port));
            reply.bulk(member.node.to_string().as_bytes());
            reply.array(0);
        }
    }
}

fn write_shards(runs: &[Run<'_>], reply: &mut Reply<'_>) {
    reply.array(runs.len());
    for run in runs {
        reply.map(2);
        reply.bulk(b"slots");
        reply.array(2);
        reply.int(i64::from(run.first));
        reply.int(i64::from(run.last));
        reply.bulk(b"nodes");
        reply.array(usize::from(run.leader.is_some()) + run.replicas.len());
        let leader = run.leader.iter().map(|member| (member, "master"));
        for (member, role) in leader.chain(run.replicas.iter().map(|member| (member, "replica"))) {
            let (host, port) = host_and_port(&member.client_address);
            // A node that speaks TLS only has its port for that as the one for clients, too.
            let ports = [("port", port), ("tls-port", member.tls_port)];
            let ports = ports
                .into_iter()
                .filter(|(name, port)| *port != 0 && (*name != "port" || *port != member.tls_port));
            reply.map(6 + ports.clone().count());
            for (name, value) in [("id", member.node.to_string().as_str()), ("ip", host), ("endpoint", host)]
            {
                reply.bulk(name.as_bytes());
                reply.bulk(value.as_bytes());
            }
            for (name, port) in ports {
                reply.bulk(name.as_bytes());
                reply.int(i64::from(port));
            }
            reply.bulk(b"role");
            reply.bulk(role.as_bytes());
            reply.bulk(b"replication-offset");
            reply.int(0);
            reply.bulk(b"health");
            reply.bulk(if member.state == MemberState::Up { b"online" } else { b"fail" });
        }
    }
}

/// Each node is a master of what it leads: in Narf no node is a replica of another one.
fn nodes_text(
    meta: &Meta,
    runs: &[Run<'_>],
    me: u64,
    speaks: Speaks,
    is_heard: &dyn Fn(u64) -> bool,
) -> String {
    let mut text = String::new();
    for member in meta.live_members() {
        let is_me = member.replica_id() == me;
        let (host, port) = speaks.way_to(member);
        let (_, peer_port) = host_and_port(&member.peer_address);
        let flags = match (is_me, member.state) {
            (true, _) => "myself,master",
            (false, MemberState::Down) => "master,fail",
            (false, MemberState::Joining) => "handshake",
            (false, _) if !is_heard(member.replica_id()) => "master,fail?",
            (false, _) => "master",
        };
        let link = if is_me || is_heard(member.replica_id()) { "connected" } else { "disconnected" };
        let _ =
            write!(text, "{} {host}:{port}@{peer_port} {flags} - 0 0 {} {link}", member.node, meta.version());
        for run in runs.iter().filter(|run| run.leader.is_some_and(|leader| leader.node == member.node)) {
            let _ = match run.first == run.last {
                true => write!(text, " {}", run.first),
                false => write!(text, " {}-{}", run.first, run.last),
            };
        }
        text.push('\n');
    }
    text
}

fn info_text(meta: &Meta, standings: &[PartitionStanding]) -> String {
    let count = |is_so: &dyn Fn(&&PartitionStanding) -> bool| -> u32 {
        let of = standings.iter().filter(is_so).map(|standing| slots(standing.id, meta.partitions()));
        of.map(|(first, last)| u32::from(last - first) + 1).sum()
    };
    let (all, fine) = (count(&|_| true), count(&|standing| standing.is_served));
    let leaders: std::collections::BTreeSet<u64> = standings.iter().map(|standing| standing.leader).collect();
    format!(
        "cluster_enabled:1\r\ncluster_state:{}\r\ncluster_slots_assigned:{all}\r\ncluster_slots_ok:{fine}\r\n\
         cluster_slots_pfail:0\r\ncluster_slots_fail:{}\r\ncluster_known_nodes:{}\r\ncluster_size:{}\r\n\
         cluster_current_epoch:{}\r\ncluster_my_epoch:{}\r\n",
        if fine == all { "ok" } else { "fail" },
        all - fine,
        meta.live_members().count(),
        leaders.iter().filter(|leader| **leader != 0).count(),
        meta.version(),
        meta.version(),
    )
}

fn name_of(meta: &Meta, replica: u64) -> String {
    meta.member_of_replica(replica).map(|member| member.name.clone()).unwrap_or_default()
}

fn write_partition(
    worker: &Worker,
    meta: &Meta,
    standing: &PartitionStanding,
    slot: Option<Slot>,
    reply: &mut Reply<'_>,
) {
    let (first, last) = slots(standing.id, worker.router.partitions());
    reply.map(6 + usize::from(slot.is_some()));
    if let Some(slot) = slot {
        reply.bulk(b"slot");
        reply.int(i64::from(slot.number()));
    }
    for (name, number) in [("partition", standing.id.0), ("first-slot", first), ("last-slot", last)] {
        reply.bulk(name.as_bytes());
        reply.int(i64::from(number));
    }
    reply.bulk(b"leader");
    match standing.leader {
        0 => reply.null(),
        leader => reply.bulk(name_of(meta, leader).as_bytes()),
    }
    reply.bulk(b"term");
    reply.int(standing.term.cast_signed());
    let voters = meta.voters_of(standing.id);
    reply.bulk(b"nodes");
    reply.array(voters.len());
    for node in voters {
        match meta.member(*node) {
            Some(member) if member.kind == MemberKind::Witness => {
                reply.bulk(format!("{} (witness)", member.name).as_bytes());
            }
            member => reply.bulk(member.map_or("", |member| &member.name).as_bytes()),
        }
    }
}

fn write_members(
    worker: &Worker,
    meta: &Meta,
    standings: &[PartitionStanding],
    speaks: Speaks,
    reply: &mut Reply<'_>,
) {
    let members: Vec<&Member> = meta.live_members().collect();
    reply.array(members.len());
    for member in members {
        let replica = member.replica_id();
        let is_here = replica == worker.fabric.me;
        let leads = standings.iter().filter(|standing| standing.leader == replica).count();
        let link = match (is_here, worker.fabric.is_heard(replica)) {
            (true, _) => "self",
            (false, true) => "up",
            (false, false) => "down",
        };
        reply.map(10);
        for (name, value) in [
            ("name", member.name.as_str()),
            ("id", member.node.to_string().as_str()),
            ("state", member.state.name()),
            ("kind", member.kind.name()),
            ("address", speaks.address_of(member).as_str()),
            ("peer-address", member.peer_address.as_str()),
            ("version", member.version.as_str()),
            ("link", link),
        ] {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
        for (name, value) in [("partitions", meta.replicas_on(member.node)), ("leads", leads)] {
            reply.bulk(name.as_bytes());
            reply.len_int(value);
        }
    }
}

fn write_status(worker: &Worker, meta: &Meta, standings: &[PartitionStanding], reply: &mut Reply<'_>) {
    let status = Status::of(worker, meta, standings);
    let facts = worker.host.facts();
    let rescued = meta.setting(RESCUED);
    reply.map(15 + usize::from(rescued.is_some()));
    for (name, value) in [
        ("state", status.word()),
        ("cluster", meta.name()),
        ("cluster-id", format!("{:032x}", meta.cluster()).as_str()),
        ("node", worker.settings.name.as_str()),
        ("node-id", facts.node_id.as_str()),
    ] {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    for (name, value) in [
        ("nodes", status.nodes),
        ("nodes-up", status.nodes_up),
        ("witnesses", meta.witnesses().count()),
        ("partitions", standings.len()),
        ("partitions-served", status.served),
        ("partitions-wanted-here", status.wanted),
        ("partitions-missing-here", status.missing),
        ("replicas", meta.replicas_effective()),
        ("replicas-wanted", usize::from(meta.replicas_wanted())),
        ("may-lose", status.may_lose),
    ] {
        reply.bulk(name.as_bytes());
        reply.len_int(value);
    }
    if let Some(rescued) = rescued {
        reply.bulk(RESCUED.as_bytes());
        reply.bulk(rescued.as_bytes());
    }
}

/// The cluster in a few numbers.
pub(crate) struct Status {
    pub(crate) nodes: usize,
    pub(crate) nodes_up: usize,
    pub(crate) served: usize,
    pub(crate) wanted: usize,
    pub(crate) missing: usize,
    /// How many nodes may be lost at once without a write being refused.
    pub(crate) may_lose: usize,
    is_whole: bool,
    is_placed: bool,
    is_known: bool,
}

impl Status {
    pub(crate) fn of(worker: &Worker, meta: &Meta, standings: &[PartitionStanding]) -> Status {
        let count = |is_so: &dyn Fn(&&PartitionStanding) -> bool| standings.iter().filter(is_so).count();
        let is_up = |member: &&Member| {
            let replica = member.replica_id();
            member.state == MemberState::Up
                && (replica == worker.fabric.me || worker.fabric.is_heard(replica))
        };
        let nodes_up = meta.live_members().filter(is_up).count();
        let me = meta.member_of_replica(worker.fabric.me);
        let served = count(&|standing| standing.is_served);
        Status {
            nodes: meta.live_members().count(),
            nodes_up,
            served,
            wanted: count(&|standing| standing.is_wanted),
            missing: count(&|standing| standing.is_wanted && !standing.is_held),
            may_lose: standings.iter().map(|standing| usize::from(standing.may_lose)).min().unwrap_or(0),
            is_whole: served == standings.len(),
            is_placed: is_placed(meta, me),
            is_known: meta.is_founded() && me.is_some_and(|me| me.state == MemberState::Up),
        }
    }

    /// `ready`: this node has all that it is to have, and all partitions can be written to.
    pub(crate) fn word(&self) -> &'static str {
        match (self.is_known, self.is_placed && self.missing == 0, self.is_whole) {
            (false, _, _) => "joining",
            (_, false, _) => "moving",
            (_, _, false) => "degraded",
            _ => "ready",
        }
    }
}

/// Whether the fabric has decided what a member is to hold: soon after it came, and after every other.
fn is_placed(meta: &Meta, me: Option<&Member>) -> bool {
    let replicas = meta.replicas_effective();
    let is_full = meta.targets().iter().all(|target| target.voters.len() >= replicas);
    let is_for_all = meta.targets().len() * replicas >= meta.data_nodes().count();
    let is_left_out = me.is_some_and(|me| me.is_up_with_data() && meta.replicas_on(me.node) == 0);
    // A witness may be about to get something.
    let is_pending =
        || me.is_some_and(|me| me.kind == MemberKind::Witness) && cluster::placement::plan(meta).is_some();
    is_full && !(is_left_out && is_for_all) && !is_pending()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slots_of_partitions_are_those_that_the_router_gives_them() {
        for partitions in [1, 3, 7, 64, 1000, 16384] {
            let router = crate::Router::new(partitions, 1);
            let mut next = 0;
            for id in router.all() {
                let (first, last) = slots(id, partitions);
                assert_eq!(first, next);
                for slot in [first, last] {
                    let slot = Slot::new(slot).unwrap();
                    assert_eq!(router.partition_of_slot(slot), id, "{partitions} partitions, slot {slot:?}");
                }
                next = last.wrapping_add(1);
            }
            assert_eq!(next, Slot::COUNT);
        }
    }

    #[test]
    fn hosts_of_both_families_are_told_from_their_ports() {
        assert_eq!(host_and_port("10.0.0.1:6379"), ("10.0.0.1", 6379));
        assert_eq!(host_and_port("[::1]:7000"), ("::1", 7000));
        assert_eq!(host_and_port(""), ("", 0));
    }
}
