//! What is told of the cluster: the CLUSTER replies for its clients ([`crate::slot_map`] writes the larger ones), and those
//! of FABRIC for people.
//!
//! Who is a member and where partitions are to be is known to every worker; who leads a partition is known to the
//! worker that owns it, so all are asked.

use base::{Args, PartitionId, Slot, slot_of};
use cluster::{Member, MemberKind, MemberState, Meta};
use command::NodeCommand;
use resp::Reply;

use crate::gather::{Answer, Question};
use crate::partition::Partition;
use crate::rescue::RESCUED;
use crate::router::Router;
use crate::session::Session;
use crate::slot_map::SlotMap;
use crate::ways::Speaks;
use crate::witness::Stranded;
use crate::worker::Worker;

/// How a partition stands, as the worker sees it that owns it here.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// It can be read and written to, as far as this node can tell, if its leader has room.
    pub is_served: bool,
    /// There is room for what is written, on its leader's disk, and as far as the leader is asked on those of a majority.
    pub has_room: bool,
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
    /// If it is led here: replicas that held something else when they were compared last.
    pub differing: Vec<u64>,
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
        let has_room = match leader {
            Some(leader) if leader == me => {
                self.write_refusal.is_none() && !partition.is_some_and(|p| self.lacks_majority_with_room(p))
            }
            Some(leader) => !self.fabric.lacks_room(leader),
            None => true,
        };
        PartitionStanding {
            id,
            has_room,
            leader: leader.unwrap_or(0),
            term: partition.map_or(hint.map_or(0, |hint| hint.term), Partition::term),
            is_wanted: self.is_target(id),
            is_held: is_lent
                || partition.is_some_and(|p| p.group.is_lone() || p.replica.members.voters.contains(&me)),
            is_served,
            is_in_doubt: self.is_in_doubt(id),
            differing: partition.filter(|_| led_here).map_or_else(Vec::new, |p| self.scrubs.differing(p)),
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
            let map = SlotMap::new(&worker.fabric, &standings);
            match command {
                NodeCommand::ClusterSlots => map.write_slots(speaks, reply),
                NodeCommand::ClusterShards => map.write_shards(reply),
                NodeCommand::ClusterNodes => reply.verbatim(map.nodes_text(speaks).as_bytes()),
                _ => reply.verbatim(map.info_text(&standings).as_bytes()),
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

    /// How many ways to workers of other nodes are up, and how many bytes wait to be sent there.
    pub(crate) fn peer_links(&self) -> (u64, u64) {
        let up = self.fabric.peers.values().filter(|peer| peer.is_up);
        up.fold((0, 0), |(links, bytes), peer| (links + 1, bytes + peer.frame.len() as u64))
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
            | Answer::Digests(_)
            | Answer::DigestAt { .. } => Vec::new(),
        })
        .collect();
    standings.sort_by_key(|standing| standing.id);
    standings
}

/// The first and the last slot of a partition.
pub(crate) fn slots(id: PartitionId, partitions: u16) -> (u16, u16) {
    Router::new(partitions, 1).slots_of(id)
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
    let why = without_room(standings);
    let open = worker.guard(meta).and_then(|guard| guard.finding());
    let told = [rescued.is_some(), why.is_some(), open.is_some()];
    reply.map(15 + told.into_iter().filter(|is_told| *is_told).count());
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
    if let Some(why) = why {
        reply.bulk(b"reason");
        reply.bulk(why.as_bytes());
    }
    if let Some(open) = open {
        reply.bulk(b"password");
        reply.bulk(open.as_bytes());
    }
}

/// What is to be said of partitions for which there is no room, if there are any.
pub(crate) fn without_room(standings: &[PartitionStanding]) -> Option<String> {
    let count = standings.iter().filter(|standing| !standing.has_room).count();
    let all = standings.len();
    (count > 0).then(|| {
        format!("disk full: {count} of {all} partitions take no writes until there is room; reads and deletes go on")
    })
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
    is_member: bool,
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
        let served = count(&|standing| standing.is_served && standing.has_room);
        Status {
            nodes: meta.live_members().count(),
            nodes_up,
            served,
            wanted: count(&|standing| standing.is_wanted),
            missing: count(&|standing| standing.is_wanted && !standing.is_held),
            may_lose: standings.iter().map(|standing| usize::from(standing.may_lose)).min().unwrap_or(0),
            is_whole: served == standings.len() && worker.fabric.knows_time,
            is_placed: is_placed(meta, me),
            is_member: meta.is_founded() && me.is_some_and(|me| me.state == MemberState::Up),
        }
    }

    /// `ready`: this node knows what time it is and has all that it is to have, and all partitions can be written to.
    pub(crate) fn word(&self) -> &'static str {
        match (self.is_member, self.is_placed && self.missing == 0, self.is_whole) {
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
}
