//! Where partitions go when nodes come, leave and die.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use base::{Millis, NodeId, Random};
use cluster::{Admission, Command, Founding, HashSeed, MemberKind, MemberState, Meta, Newcomer, placement};

fn newcomer(number: u128, weight: u32) -> Newcomer {
    Newcomer {
        node: NodeId(number),
        name: format!("node-{number}"),
        peer_address: format!("node-{number}:2"),
        client_address: format!("node-{number}:1"),
        tls_port: 0,
        kind: MemberKind::Data,
        weight,
        incarnation: 1,
        version: "0.1.0".to_owned(),
        levels: cluster::LEVELS,
    }
}

fn apply(meta: &mut Meta, command: Command) {
    meta.apply(&command, Millis(1)).unwrap();
}

fn found(partitions: u16) -> Meta {
    let mut meta = Meta::new();
    apply(
        &mut meta,
        Command::Found(Founding {
            cluster: 1,
            name: "test".to_owned(),
            partitions,
            key_hash_seed: HashSeed(1),
            replicas_wanted: 3,
            member: newcomer(1, 100),
        }),
    );
    meta
}

fn join(meta: &mut Meta, number: u128, weight: u32) {
    apply(meta, Command::Join { member: newcomer(number, weight), admission: Admission::Local });
    apply(meta, Command::SetState { node: NodeId(number), state: MemberState::Up });
}

/// Places, and says how many replicas went to nodes that did not have them.
fn place(meta: &mut Meta) -> usize {
    let Some(command) = placement::plan(meta) else { return 0 };
    let before: Vec<Vec<NodeId>> = meta.targets().iter().map(|target| target.voters.clone()).collect();
    apply(meta, command);
    assert_eq!(placement::plan(meta), None, "what was planned is at rest");
    let new = |(target, before): (&cluster::Target, &Vec<NodeId>)| {
        target.voters.iter().filter(|voter| !before.contains(voter)).count()
    };
    meta.targets().iter().zip(&before).map(new).sum()
}

/// Replicas and preferred leads of each node that is up.
fn shares(meta: &Meta) -> Vec<(u32, usize, usize)> {
    let led = |node| meta.targets().iter().filter(|target| target.voters.first() == Some(&node)).count();
    meta.data_nodes().map(|m| (m.weight, meta.replicas_on(m.node), led(m.node))).collect()
}

#[track_caller]
fn check_even(meta: &Meta) {
    let wanted = meta.replicas_effective();
    assert!(meta.targets().iter().all(|target| target.voters.len() == wanted));
    let shares = shares(meta);
    for pick in [|share: &(u32, usize, usize)| share.1, |share: &(u32, usize, usize)| share.2] {
        let (min, max) = (shares.iter().map(pick).min(), shares.iter().map(pick).max());
        assert!(max.unwrap() - min.unwrap() <= 1, "{shares:?}");
    }
}

#[test]
fn replicas_and_leads_are_even_on_few_nodes_and_few_partitions() {
    for partitions in [1, 3, 4, 7, 64] {
        let mut meta = found(partitions);
        for number in 2..=7 {
            join(&mut meta, number, 100);
            place(&mut meta);
            check_even(&meta);
        }
    }
}

#[test]
fn a_newcomer_gets_its_share_and_no_more_moves() {
    let mut meta = found(64);
    for number in 2..=10 {
        join(&mut meta, number, 100);
        let moved = place(&mut meta);
        let replicas = 64 * meta.replicas_effective();
        let before = 64 * meta.replicas_effective().min(number as usize - 1);
        // What there was not enough of before is made; of the rest only the newcomer's share moves.
        let optimal = (replicas - before).max(replicas / number as usize);
        assert!(moved <= optimal, "{moved} moved for node {number}, {optimal} would do");
    }
}

/// The fewest replicas that must move when `gone` goes, if shares are to be even: what it had, and what those nodes
/// lack that have most of its partitions already and so cannot take enough of them.
fn fewest_moves(meta: &Meta, gone: NodeId) -> usize {
    let rest: Vec<NodeId> = meta.data_nodes().map(|m| m.node).filter(|node| *node != gone).collect();
    let share = meta.targets().len() * 3 / rest.len();
    let lacks = |node: &NodeId| {
        let can_take =
            |target: &&cluster::Target| target.voters.contains(&gone) && !target.voters.contains(node);
        let free = meta.targets().iter().filter(can_take).count();
        share.saturating_sub(meta.replicas_on(*node) + free)
    };
    meta.replicas_on(gone) + rest.iter().map(lacks).sum::<usize>()
}

#[test]
fn what_a_dead_or_leaving_node_had_goes_elsewhere_and_nothing_else_moves() {
    for partitions in [16, 64, 100] {
        for nodes in 4..=9 {
            for gone in 1..=nodes {
                let mut meta = found(partitions);
                (2..=nodes).for_each(|number| join(&mut meta, number, 100));
                place(&mut meta);
                let fewest = fewest_moves(&meta, NodeId(gone));
                match gone % 2 {
                    0 => apply(&mut meta, Command::SetState { node: NodeId(gone), state: MemberState::Down }),
                    _ => apply(&mut meta, Command::Leave { node: NodeId(gone) }),
                }
                let moved = place(&mut meta);
                check_even(&meta);
                assert_eq!(meta.replicas_on(NodeId(gone)), 0);
                assert!(moved <= fewest, "{moved} moved for node {gone} of {nodes}, {fewest} would do");
            }
        }
    }
}

#[test]
fn nothing_moves_while_a_node_is_joining() {
    let mut meta = found(8);
    apply(&mut meta, Command::Join { member: newcomer(2, 100), admission: Admission::Local });
    assert_eq!(placement::plan(&meta), None);
}

/// Nodes of different weights come and go: each holds its share within one replica.
#[test]
fn shares_follow_weights() {
    let (mut random, mut meta) = (Random::new(1), found(256));
    for number in 2..=12 {
        join(&mut meta, number, 50 + 50 * random.below(4) as u32);
    }
    place(&mut meta);
    let total: u32 = shares(&meta).iter().map(|share| share.0).sum();
    for (weight, replicas, _) in shares(&meta) {
        let fair = f64::from(weight) / f64::from(total) * 256.0 * 3.0;
        assert!((replicas as f64 - fair).abs() <= 2.0, "{replicas} where {fair:.1} is fair");
    }
}

fn join_witness(meta: &mut Meta, number: u128) {
    let member = Newcomer { kind: MemberKind::Witness, ..newcomer(number, 100) };
    apply(meta, Command::Join { member, admission: Admission::Local });
    apply(meta, Command::SetState { node: NodeId(number), state: MemberState::Up });
}

fn set_state(meta: &mut Meta, number: u128, state: MemberState) {
    apply(meta, Command::SetState { node: NodeId(number), state });
}

/// The voters of each partition, sorted, if they are the same everywhere.
fn voters_of_all(meta: &Meta) -> Vec<u128> {
    let sorted = |target: &cluster::Target| {
        let mut voters: Vec<u128> = target.voters.iter().map(|node| node.0).collect();
        voters.sort_unstable();
        voters
    };
    let all: Vec<Vec<u128>> = meta.targets().iter().map(sorted).collect();
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
    all[0].clone()
}

#[test]
fn a_witness_is_the_third_of_two_and_of_no_others() {
    let mut meta = found(8);
    join_witness(&mut meta, 9);
    assert_eq!(placement::plan(&meta), None, "one node alone is not helped by it");
    join(&mut meta, 2, 100);
    place(&mut meta);
    assert_eq!(voters_of_all(&meta), [1, 2, 9]);
    let is_last = |target: &cluster::Target| target.voters[2] == NodeId(9);
    assert!(meta.targets().iter().all(is_last), "it is to lead nothing");
    assert_eq!(shares(&meta).iter().map(|share| share.2).collect::<Vec<_>>(), [4, 4]);
    join(&mut meta, 3, 100);
    place(&mut meta);
    assert_eq!(voters_of_all(&meta), [1, 2, 3]);
    set_state(&mut meta, 2, MemberState::Down);
    place(&mut meta);
    assert_eq!(voters_of_all(&meta), [1, 3, 9], "it stands in for who is gone");
    set_state(&mut meta, 2, MemberState::Up);
    place(&mut meta);
    assert_eq!(voters_of_all(&meta), [1, 2, 3]);
}

#[test]
fn nothing_is_left_to_one_voter_because_time_has_passed() {
    let mut meta = found(8);
    join(&mut meta, 2, 100);
    join_witness(&mut meta, 9);
    place(&mut meta);
    let before = meta.targets().to_vec();
    set_state(&mut meta, 2, MemberState::Down);
    assert_eq!(placement::plan(&meta), None);
    assert_eq!(meta.targets(), before);
    // Its operator says that it does not come back; whether a witness has the log is no reason to let go of data.
    apply(&mut meta, Command::Remove { node: NodeId(2) });
    place(&mut meta);
    assert_eq!(voters_of_all(&meta), [1]);
    join(&mut meta, 3, 100);
    place(&mut meta);
    assert_eq!(voters_of_all(&meta), [1, 3, 9]);
    set_state(&mut meta, 1, MemberState::Down);
    join(&mut meta, 4, 100);
    place(&mut meta);
    assert_eq!(voters_of_all(&meta), [3, 4, 9], "a new one takes the place of who is down");
}

#[test]
fn a_witness_that_is_down_leaves_its_place_to_another_or_to_nobody() {
    let mut meta = found(8);
    join(&mut meta, 2, 100);
    join_witness(&mut meta, 8);
    place(&mut meta);
    join_witness(&mut meta, 9);
    assert_eq!(placement::plan(&meta), None, "one is enough");
    set_state(&mut meta, 8, MemberState::Down);
    place(&mut meta);
    assert_eq!(voters_of_all(&meta), [1, 2, 9]);
    apply(&mut meta, Command::Leave { node: NodeId(9) });
    place(&mut meta);
    assert_eq!(voters_of_all(&meta), [1, 2]);
    apply(&mut meta, Command::Leave { node: NodeId(2) });
    set_state(&mut meta, 8, MemberState::Up);
    place(&mut meta);
    assert_eq!(voters_of_all(&meta), [1], "who leaves is not waited for");
}

#[test]
fn two_copies_have_a_witness_however_many_nodes_there_are() {
    let mut meta = found(12);
    apply(&mut meta, Command::SetReplicas { replicas: 2 });
    for number in 2..=5 {
        join(&mut meta, number, 100);
    }
    join_witness(&mut meta, 8);
    join_witness(&mut meta, 9);
    place(&mut meta);
    assert!(meta.targets().iter().all(|target| target.voters.len() == 3));
    assert_eq!((meta.replicas_on(NodeId(8)), meta.replicas_on(NodeId(9))), (6, 6));
}
