//! `FABRIC CHECK`: what is wrong with the cluster as this node sees it, and what to do about each.
//!
//! Invariant: nothing is said of a cluster that is well. Does not know: how it is shown.

use std::collections::BTreeMap;

use base::{NodeId, PartitionId};
use cluster::{Command, Member, MemberKind, MemberState, Meta};

use crate::cluster_view::{PartitionStanding, Status};
use crate::meta::DOWN_AFTER_MS;
use crate::witness::Stranded;
use crate::worker::Worker;

/// Most partitions that are named one by one.
const NAMED_MAX: usize = 8;

/// What is wrong, worst first: a sentence each.
pub(crate) fn findings(worker: &Worker, meta: &Meta, standings: &[PartitionStanding]) -> Vec<String> {
    let status = Status::of(worker, meta, standings);
    let mut found = Vec::new();
    found.extend(stranded(worker, standings));
    found.extend(unserved(worker, meta, standings));
    found.extend(absent(worker, meta));
    found.extend(full(worker, meta));
    found.extend(standings.iter().filter_map(|standing| differing(meta, standing)));
    if status.missing > 0 {
        found.push(format!(
            "this node has {} of the {} partitions that it is to hold; the others are on their way, wait",
            status.wanted - status.missing,
            status.wanted
        ));
    }
    let (nodes, wanted) = (meta.data_nodes().count(), usize::from(meta.replicas_wanted()));
    if nodes > 1 && nodes < wanted && meta.witnesses().next().is_none() {
        found.push(format!(
            "{wanted} copies of each partition are wanted and {nodes} nodes can hold one; start {} more",
            wanted - nodes
        ));
    }
    let witnesses = meta.witnesses().count();
    if nodes == 1 && wanted > 1 && witnesses > 0 {
        found.push(
            "one node has all the data, and a witness has none: neither copies nor votes help if that node is lost; \
             start a second one that holds data"
                .to_owned(),
        );
    }
    if nodes > 1 && found.is_empty() && status.may_lose == 0 && wanted > 2 {
        found.push(
            "no node may be lost without writes being refused; copies are behind or being made, wait"
                .to_owned(),
        );
    }
    let in_doubt = standings.iter().filter(|standing| standing.is_in_doubt).count();
    if in_doubt > 0 {
        found.push(format!(
            "this node lost its power and does not vote in {in_doubt} groups before it has again what others have; start \
             them, or, if they are gone for good, `narf cluster trust` and lose what only they have"
        ));
    }
    found.extend(crate::clock::findings(worker));
    found.extend(worker.guard(meta).and_then(|guard| guard.finding()));
    found.extend(versions(meta));
    found
}

fn unserved(worker: &Worker, meta: &Meta, standings: &[PartitionStanding]) -> Option<String> {
    let is_unserved = |standing: &&PartitionStanding| !standing.is_served && standing.stranded.is_none();
    let ids: Vec<PartitionId> = standings.iter().filter(is_unserved).map(|standing| standing.id).collect();
    if ids.is_empty() {
        return None;
    }
    // Of those that miss nobody but who led them there is nothing to be said than that.
    let lacking: Vec<PartitionId> = ids.iter().copied().filter(|id| !worker.fabric.can_elect(*id)).collect();
    let holders = lacking.iter().flat_map(|id| meta.voters_of(*id)).filter_map(|node| meta.member(*node));
    let is_away = |member: &&Member| {
        let replica = member.replica_id();
        replica != worker.fabric.me && !worker.fabric.is_heard(replica)
    };
    let mut holders: Vec<&str> = holders.filter(is_away).map(|member| member.name.as_str()).collect();
    holders.sort_unstable();
    holders.dedup();
    let what = partitions(if holders.is_empty() { &ids } else { &lacking });
    Some(match holders.as_slice() {
        [] => format!("{what} cannot be written to: a leader is being elected, wait"),
        away => format!(
            "{what} cannot be written to without more of the nodes that hold copies; start these, which are not \
             heard of: {}; if a majority is gone for good, `narf rescue` makes a new cluster out of the data folders \
             that are left",
            away.join(", ")
        ),
    })
}

/// A partition whose replicas are not the same. Which of them is right nobody can tell.
fn differing(meta: &Meta, standing: &PartitionStanding) -> Option<String> {
    let name = |node: &u64| meta.member_of_replica(*node).map_or("?", |member| &member.name);
    let names: Vec<&str> = standing.differing.iter().map(name).collect();
    (!names.is_empty()).then(|| {
        format!(
            "partition {} is not the same here and on {}, which must never be; keep the data folders and report it; \
             `narf cluster leave` there and starting a new node in its place gives it a copy of what is here",
            standing.id.0,
            names.join(", ")
        )
    })
}

/// Groups that have a majority and wait all the same, by who they wait for.
fn stranded(worker: &Worker, standings: &[PartitionStanding]) -> Vec<String> {
    let mut groups: BTreeMap<Stranded, Vec<PartitionId>> = BTreeMap::new();
    for standing in standings {
        if let Some(stranded) = standing.stranded {
            groups.entry(stranded).or_default().push(standing.id);
        }
    }
    let tell = |(stranded, ids): (Stranded, Vec<PartitionId>)| {
        let way_out = way_out(worker, &[stranded]).unwrap_or_default();
        format!("{} cannot be served: {way_out}", partitions(&ids))
    };
    groups.into_iter().map(tell).collect()
}

/// What stranded groups wait for, and how they go on without: told of one, which waits for a member if any does. Only the
/// witness knows that it cannot bring the others up, so nobody else advises what cannot be taken back.
pub(crate) fn way_out(worker: &Worker, stranded: &[Stranded]) -> Option<String> {
    let meta = &worker.fabric.meta;
    let is_member = |stranded: &&Stranded| meta.member_of_replica(stranded.awaited).is_some();
    let Stranded { witness, awaited } = *stranded.iter().find(is_member).or(stranded.first())?;
    let is_sure = witness == worker.fabric.me;
    let named = |replica| meta.members().find(|member| member.replica_id() == replica);
    let witness = named(witness).map_or_else(String::new, |member| {
        format!(" at the witness {} ({})", member.name, member.client_address)
    });
    let trust = format!("`narf cluster trust --accept-loss`{witness}");
    Some(match (meta.member_of_replica(awaited), named(awaited)) {
        (Some(Member { name, .. }), _) if !is_sure => format!(
            "it waits for node {name}, or for the witness to bring this node up; `narf cluster check`{witness} says which, \
             and the way out"
        ),
        (Some(Member { name, .. }), _) => format!(
            "node {name} alone has all of what was written; start it, or, if it is gone for good, \
             `narf cluster remove {name}` and then {trust}: what it had last is lost"
        ),
        (None, Some(Member { name, .. })) => format!(
            "node {name}, which was struck off, alone had all of what was written; {trust} goes on without, and \
             what it had last is lost"
        ),
        (None, None) => format!(
            "nobody has all of what was written any more; {trust} goes on with what is there, and the rest is lost"
        ),
    })
}

/// Members of which something is to be said as they are, each with what can be done about it as things stand now.
/// Nodes that are there and cannot write.
fn full(worker: &Worker, meta: &Meta) -> Option<String> {
    let is_full = |member: &&Member| match member.replica_id() {
        node if node == worker.fabric.me => worker.write_refusal.is_some(),
        node => worker.fabric.is_heard(node) && worker.fabric.is_full(node),
    };
    let names: Vec<&str> = meta.live_members().filter(is_full).map(|member| member.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "{} takes no more writes, for its disk is full or it is about to stop: copies there fall behind and are not counted \
             on; make room on the disk, and they catch up by themselves",
            names.join(", ")
        )
    })
}

fn absent(worker: &Worker, meta: &Meta) -> Vec<String> {
    let is_heard = |member: &Member| {
        let replica = member.replica_id();
        replica == worker.fabric.me || worker.fabric.is_heard(replica)
    };
    let silent = meta.live_members().filter(|member| !is_heard(member)).count();
    // The rule by which the meta group says of a silent node that it is down.
    let is_minority = silent * 2 < meta.live_members().count();
    let plan = cluster::placement::plan(meta);
    let tell = |member: &Member| absence(meta, plan.as_ref(), member, is_heard(member), is_minority);
    meta.live_members().filter_map(tell).collect()
}

fn absence(
    meta: &Meta,
    plan: Option<&Command>,
    member: &Member,
    is_heard: bool,
    is_minority: bool,
) -> Option<String> {
    let name = &member.name;
    let address = match &*member.peer_address {
        "" => "another node has its address",
        address => address,
    };
    let replicas = meta.replicas_on(member.node);
    let strike_off = format!("strike it off for good with `narf cluster remove {name}`");
    let alone = held_alone(meta, member);
    let is_taken_over = || {
        let Some(Command::Place { moves, .. }) = plan else { return false };
        let is_of = |moved: &cluster::Move| {
            meta.voters_of(moved.partition).contains(&member.node) && !moved.voters.contains(&member.node)
        };
        moves.iter().any(is_of)
    };
    let what = match (member.state, is_heard) {
        (MemberState::Up, true) | (MemberState::Removed, _) => return None,
        (MemberState::Up, false) if replicas == 0 => {
            format!("({address}) is not heard of; start it, or {strike_off}")
        }
        (MemberState::Up, false) if is_minority => format!(
            "({address}) is not heard of; start it. If it stays away it counts as down {} s after it fell silent: \
             others take over what it holds, and `narf cluster remove {name}` can strike it off for good",
            DOWN_AFTER_MS / 1000
        ),
        (MemberState::Up, false) => format!(
            "({address}) is not heard of; start it. `narf cluster remove {name}` can strike it off only after more than \
             half of the nodes are heard of"
        ),
        (MemberState::Joining, true) => "is joining, wait".to_owned(),
        (MemberState::Joining, false) => {
            format!("({address}) was let in and is not heard of; start it, or {strike_off}")
        }
        (MemberState::Leaving, true) if replicas > 0 => {
            format!("is leaving; its {replicas} replicas are handed over, wait")
        }
        (MemberState::Leaving, true) => "is leaving and has handed all over; it stops soon, wait".to_owned(),
        (MemberState::Down, true) => "was down and is heard of again, wait".to_owned(),
        (MemberState::Leaving | MemberState::Down, false) => {
            let state = member.state.name();
            match (replicas, alone) {
                (0, _) => format!("is {state} and is to hold nothing any more; start it, or {strike_off}"),
                (_, 1..) => format!(
                    "is {state} and not heard of, and alone holds {alone} of the partitions; start it, their data is \
                     nowhere else"
                ),
                _ if is_taken_over() => {
                    format!("is {state} and not heard of; others take over its {replicas} replicas, wait")
                }
                _ if member.state == MemberState::Down => format!(
                    "is down, and no other node can take its {replicas} replicas; start it or another node, or {strike_off}"
                ),
                _ => format!(
                    "is leaving and not heard of, and no other node can take its {replicas} replicas; start it or another \
                     node"
                ),
            }
        }
    };
    Some(format!("node {name} {what}"))
}

/// Partitions of which no other live member has a copy.
fn held_alone(meta: &Meta, member: &Member) -> usize {
    let has_data = |node: &NodeId| {
        let other =
            meta.member(*node).filter(|other| other.state.is_live() && other.kind == MemberKind::Data);
        other.is_some_and(|other| other.node != member.node)
    };
    let is_alone = |voters: &[NodeId]| voters.contains(&member.node) && !voters.iter().any(has_data);
    meta.targets().iter().filter(|target| is_alone(&target.voters)).count()
}

fn versions(meta: &Meta) -> Option<String> {
    let mut versions: Vec<&str> = meta.live_members().map(|member| member.version.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    (versions.len() > 1).then(|| {
        format!(
            "nodes run different versions, {}; bring all to the newest, `narf cluster upgrade` says what is next",
            versions.join(" and ")
        )
    })
}

/// `partition 3`, or `4 partitions (0, 1, 2, 3)`.
fn partitions(ids: &[PartitionId]) -> String {
    if let [id] = ids {
        return format!("partition {}", id.0);
    }
    let mut named: Vec<String> = ids.iter().take(NAMED_MAX).map(|id| id.0.to_string()).collect();
    if ids.len() > NAMED_MAX {
        named.push("…".to_owned());
    }
    format!("{} partitions ({})", ids.len(), named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_partitions_are_named_and_many_are_counted() {
        let ids: Vec<PartitionId> = (0..20).map(PartitionId).collect();
        assert_eq!(partitions(&ids[3..4]), "partition 3");
        assert_eq!(partitions(&ids[..2]), "2 partitions (0, 1)");
        assert_eq!(partitions(&ids), "20 partitions (0, 1, 2, 3, 4, 5, 6, 7, …)");
    }
}
