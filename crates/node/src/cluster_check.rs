//! `FABRIC CHECK`: what is wrong with the cluster as this node sees it, and what to do about each.
//!
//! Invariant: nothing is said of a cluster that is well. Does not know: how it is shown.

use std::collections::BTreeMap;

use base::PartitionId;
use cluster::{Member, MemberState, Meta};

use crate::cluster_view::{PartitionStanding, Status};
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
    found.extend(silent(worker, meta));
    found.extend(leaving(meta));
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
    found.extend(versions(meta));
    found
}

fn unserved(worker: &Worker, meta: &Meta, standings: &[PartitionStanding]) -> Option<String> {
    let is_unserved = |standing: &&PartitionStanding| !standing.is_served && standing.stranded.is_none();
    let ids: Vec<PartitionId> = standings.iter().filter(is_unserved).map(|standing| standing.id).collect();
    if ids.is_empty() {
        return None;
    }
    let holders = ids.iter().flat_map(|id| meta.voters_of(*id)).filter_map(|node| meta.member(*node));
    let is_away = |member: &&Member| {
        let replica = member.replica_id();
        replica != worker.fabric.me && !worker.fabric.is_heard(replica)
    };
    let mut holders: Vec<&str> = holders.filter(is_away).map(|member| member.name.as_str()).collect();
    holders.sort_unstable();
    holders.dedup();
    let what = partitions(&ids);
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

fn silent(worker: &Worker, meta: &Meta) -> Vec<String> {
    let is_silent = |member: &&Member| {
        let replica = member.replica_id();
        replica != worker.fabric.me && member.state == MemberState::Up && !worker.fabric.is_heard(replica)
    };
    let tell = |member: &Member| {
        format!(
            "node {} ({}) is not heard of; start it, or strike it off for good with `narf cluster remove {}`",
            member.name, member.peer_address, member.name
        )
    };
    meta.live_members().filter(is_silent).map(tell).collect()
}

fn leaving(meta: &Meta) -> Vec<String> {
    let tell = |member: &Member| {
        format!("node {} is {}; its data is handed over, wait", member.name, member.state.name())
    };
    meta.live_members().filter(|member| member.state != MemberState::Up).map(tell).collect()
}

fn versions(meta: &Meta) -> Option<String> {
    let mut versions: Vec<&str> = meta.live_members().map(|member| member.version.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    (versions.len() > 1)
        .then(|| format!("nodes run different versions, {}; bring all to the newest", versions.join(" and ")))
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
