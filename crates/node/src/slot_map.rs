//! The maps of slots by which cluster-aware clients find their way, `CLUSTER SLOTS`, `SHARDS` and `NODES`, and whether all is
//! well, `CLUSTER INFO`.
//!
//! Each slot has a master that takes requests now. That is who leads it; while nobody does who can be reached, it is a
//! node that lives: any node takes any request, and keeps it until there is a leader again. A client that went by the name
//! of a dead node would have used up its retries before another is elected.

use std::collections::BTreeSet;
use std::fmt::Write;

use base::{NodeId, PartitionId};
use cluster::{Member, MemberKind, MemberState};
use resp::Reply;

use crate::cluster_view::{PartitionStanding, slots};
use crate::fabric::Fabric;
use crate::ways::{Speaks, host_and_port};

/// A partition's slots, and who serves them.
struct Place<'a> {
    first: u16,
    last: u16,
    /// Who takes requests for them, if anybody whom clients can reach.
    master: Option<&'a Member>,
    /// The others that have its data, or are to have it, by their ids.
    replicas: Vec<&'a Member>,
    /// This node is to have its data and has not got all of it.
    is_awaited_here: bool,
}

impl Place<'_> {
    fn master_id(&self) -> Option<NodeId> {
        self.master.map(|master| master.node)
    }

    fn replica_ids(&self) -> impl Iterator<Item = NodeId> {
        self.replicas.iter().map(|replica| replica.node)
    }

    fn is_served_as(&self, other: &Place<'_>) -> bool {
        self.master_id() == other.master_id() && self.replica_ids().eq(other.replica_ids())
    }
}

/// Whether a member can serve clients, as far as is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Online,
    Loading,
    Fail,
}

impl Health {
    fn word(self) -> &'static str {
        match self {
            Health::Online => "online",
            Health::Loading => "loading",
            Health::Fail => "fail",
        }
    }
}

/// See the module. Invariant: the places are in the order of their slots, and cover all of them.
pub(crate) struct SlotMap<'a> {
    fabric: &'a Fabric,
    places: Vec<Place<'a>>,
}

impl<'a> SlotMap<'a> {
    /// The map by how all partitions stand, in the order of their ids.
    pub(crate) fn new(fabric: &'a Fabric, standings: &[PartitionStanding]) -> SlotMap<'a> {
        let mut map = SlotMap { fabric, places: Vec::new() };
        map.places = standings.iter().map(|standing| map.place(standing)).collect();
        map
    }

    fn place(&self, standing: &PartitionStanding) -> Place<'a> {
        let (first, last) = slots(standing.id, self.fabric.meta.partitions());
        let holders = self.holders(standing.id);
        let leader = self.fabric.meta.member_of_replica(standing.leader);
        let leader = leader.filter(|leader| self.takes_requests(leader));
        let master = leader.or_else(|| self.stand_in(&holders));
        let is_master = |member: &&Member| master.is_some_and(|master| master.node == member.node);
        let mut replicas: Vec<&Member> = holders.into_iter().filter(|member| !is_master(member)).collect();
        replicas.sort_unstable_by_key(|replica| replica.node);
        Place { first, last, master, replicas, is_awaited_here: standing.is_wanted && !standing.is_held }
    }

    /// Those that are to have a partition's data and that clients can be told of.
    fn holders(&self, id: PartitionId) -> Vec<&'a Member> {
        let meta = &self.fabric.meta;
        let voters = meta.voters_of(id).iter().filter_map(|node| meta.member(*node));
        voters.filter(|member| is_for_clients(member)).collect()
    }

    /// Who keeps requests until there is a leader: this node, which the client has just reached, if it may be the one that
    /// is elected; else another such; else this one still, for it asks them.
    fn stand_in(&self, holders: &[&'a Member]) -> Option<&'a Member> {
        let choose = |members: &mut dyn Iterator<Item = &'a Member>| {
            members.filter(|member| self.takes_requests(member)).min_by_key(|member| !self.is_here(member))
        };
        choose(&mut holders.iter().copied()).or_else(|| choose(&mut self.fabric.meta.live_members()))
    }

    fn is_here(&self, member: &Member) -> bool {
        member.replica_id() == self.fabric.me
    }

    fn is_reached(&self, member: &Member) -> bool {
        self.is_here(member) || self.fabric.is_heard(member.replica_id())
    }

    fn takes_requests(&self, member: &Member) -> bool {
        is_for_clients(member) && self.is_reached(member)
    }

    fn health(&self, member: &Member) -> Health {
        match member.state {
            MemberState::Joining if self.is_reached(member) => Health::Loading,
            MemberState::Up | MemberState::Leaving if self.is_reached(member) => Health::Online,
            // The others have not seen yet that it is back.
            MemberState::Down if self.is_here(member) => Health::Online,
            MemberState::Joining
            | MemberState::Up
            | MemberState::Leaving
            | MemberState::Down
            | MemberState::Removed => Health::Fail,
        }
    }

    /// Each run of slots with its master, and the replicas that can be read.
    pub(crate) fn write_slots(&self, speaks: Speaks, reply: &mut Reply<'_>) {
        let is_read =
            |member: &Member| member.state == MemberState::Up && self.health(member) == Health::Online;
        let mut runs: Vec<(u16, u16, Vec<&Member>)> = Vec::new();
        for place in self.places.iter().filter(|place| place.master.is_some()) {
            let replicas = place.replicas.iter().copied().filter(|replica| is_read(replica));
            let nodes: Vec<&Member> = place.master.into_iter().chain(replicas).collect();
            let ids = |nodes: &[&Member]| nodes.iter().map(|member| member.node).collect::<Vec<NodeId>>();
            match runs.last_mut() {
                Some((_, last, same)) if *last + 1 == place.first && ids(same) == ids(&nodes) => {
                    *last = place.last;
                }
                _ => runs.push((place.first, place.last, nodes)),
            }
        }
        reply.array(runs.len());
        for (first, last, nodes) in runs {
            reply.array(2 + nodes.len());
            reply.int(i64::from(first));
            reply.int(i64::from(last));
            for member in nodes {
                let (host, port) = speaks.way_to(member);
                reply.array(4);
                reply.bulk(host.as_bytes());
                reply.int(i64::from(port));
                reply.bulk(member.node.to_string().as_bytes());
                reply.array(0);
            }
        }
    }

    /// All slots that are served alike, with all nodes that have them and how those are.
    pub(crate) fn write_shards(&self, reply: &mut Reply<'_>) {
        let mut alike: Vec<Vec<&Place<'_>>> = Vec::new();
        for place in &self.places {
            let is_alike =
                |places: &&mut Vec<&Place<'_>>| places.first().is_some_and(|first| first.is_served_as(place));
            match alike.iter_mut().find(is_alike) {
                Some(places) => places.push(place),
                None => alike.push(vec![place]),
            }
        }
        reply.array(alike.len());
        for places in &alike {
            reply.map(2);
            reply.bulk(b"slots");
            let ranges = ranges(places.iter().copied());
            reply.array(ranges.len() * 2);
            for (first, last) in ranges {
                reply.int(i64::from(first));
                reply.int(i64::from(last));
            }
            reply.bulk(b"nodes");
            let Some(place) = places.first() else { continue };
            let is_awaited_here = places.iter().any(|place| place.is_awaited_here);
            reply.array(usize::from(place.master.is_some()) + place.replicas.len());
            let master = place.master.iter().map(|member| (member, "master"));
            for (member, role) in master.chain(place.replicas.iter().map(|member| (member, "replica"))) {
                let health = match self.health(member) {
                    Health::Online if is_awaited_here && self.is_here(member) => Health::Loading,
                    health => health,
                };
                write_shard_node(member, role, health, reply);
            }
        }
    }

    /// One line a node. Each is a master of what it leads: in Narf no node is a replica of another one.
    pub(crate) fn nodes_text(&self, speaks: Speaks) -> String {
        let meta = &self.fabric.meta;
        let mut text = String::new();
        for member in meta.live_members() {
            let (host, port) = speaks.way_to(member);
            let (_, peer_port) = host_and_port(&member.peer_address);
            let is_reached = self.is_reached(member);
            let flags = match member.state {
                _ if self.is_here(member) => "myself,master",
                MemberState::Down if member.peer_address.is_empty() => "master,fail,noaddr",
                MemberState::Down => "master,fail",
                MemberState::Joining => "handshake",
                _ if !is_reached => "master,fail?",
                _ => "master",
            };
            let link = if is_reached { "connected" } else { "disconnected" };
            let (node, epoch) = (member.node, meta.version());
            let _ = write!(text, "{node} {host}:{port}@{peer_port} {flags} - 0 0 {epoch} {link}");
            for (first, last) in
                ranges(self.places.iter().filter(|place| place.master_id() == Some(member.node)))
            {
                let _ = match first == last {
                    true => write!(text, " {first}"),
                    false => write!(text, " {first}-{last}"),
                };
            }
            text.push('\n');
        }
        text
    }

    /// Slots that nobody serves but a majority can are `pfail`, as those of a master that is missed are in Redis: they are
    /// served again once another is elected, and no reason for clients to go away.
    pub(crate) fn info_text(&self, standings: &[PartitionStanding]) -> String {
        let meta = &self.fabric.meta;
        let (mut fine, mut missed, mut lost) = (0, 0, 0);
        for standing in standings {
            let (first, last) = slots(standing.id, meta.partitions());
            let count = match standing.is_served {
                true => &mut fine,
                false if standing.stranded.is_none() && self.fabric.can_elect(standing.id) => &mut missed,
                false => &mut lost,
            };
            *count += u32::from(last - first) + 1;
        }
        let leaders: BTreeSet<u64> = standings.iter().map(|standing| standing.leader).collect();
        format!(
            "cluster_enabled:1\r\ncluster_state:{}\r\ncluster_slots_assigned:{}\r\ncluster_slots_ok:{fine}\r\n\
             cluster_slots_pfail:{missed}\r\ncluster_slots_fail:{lost}\r\ncluster_known_nodes:{}\r\n\
             cluster_size:{}\r\ncluster_current_epoch:{}\r\ncluster_my_epoch:{}\r\n",
            if lost == 0 { "ok" } else { "fail" },
            fine + missed + lost,
            meta.live_members().count(),
            leaders.iter().filter(|leader| **leader != 0).count(),
            meta.version(),
            meta.version(),
        )
    }
}

/// Whether clients are told of a member: a witness has no data, and one that listens nowhere cannot be reached.
fn is_for_clients(member: &Member) -> bool {
    member.kind == MemberKind::Data && !member.client_address.is_empty()
}

/// The slots of places in their order, those beside each other as one range.
fn ranges<'p>(places: impl Iterator<Item = &'p Place<'p>>) -> Vec<(u16, u16)> {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for place in places {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == place.first => *last = place.last,
            _ => ranges.push((place.first, place.last)),
        }
    }
    ranges
}

fn write_shard_node(member: &Member, role: &str, health: Health, reply: &mut Reply<'_>) {
    let (host, port) = host_and_port(&member.client_address);
    // A node that speaks TLS only has its port for that as the one for clients, too.
    let ports = [("port", port), ("tls-port", member.tls_port)];
    let ports =
        ports.into_iter().filter(|(name, port)| *port != 0 && (*name != "port" || *port != member.tls_port));
    reply.map(6 + ports.clone().count());
    for (name, value) in [("id", member.node.to_string().as_str()), ("ip", host), ("endpoint", host)] {
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
    reply.bulk(health.word().as_bytes());
}
