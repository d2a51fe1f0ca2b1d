//! Raft's promises over a bad network: one leader a term, one entry an index, nothing acknowledged is lost.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod world;

use raft::{Change, EntryId, ProposeError, Recovered, StepError};
use world::World;

#[test]
fn a_lone_voter_numbers_its_entries_without_an_engine() {
    let mut world = World::new(1);
    world.add(1);
    assert!(world.replica(1).group.is_lone());
    assert!(!world.replica(1).group.is_leader(), "not before its term is opened");
    world.open_alone(1);
    assert_eq!(world.write_alone(1, b"a"), EntryId { term: 2, index: 2 });
    assert_eq!(world.write_alone(1, b"b"), EntryId { term: 2, index: 3 });
    assert_eq!(world.replica(1).group.hard_state().commit, 3);
    assert_eq!(world.replica(1).group.tail_bytes(), 0);

    world.restart(1);
    world.open_alone(1);
    assert_eq!(world.write_alone(1, b"c"), EntryId { term: 3, index: 4 }, "each start has its own term");
}

#[test]
#[should_panic(expected = "opened its term")]
fn a_lone_voter_commits_nothing_before_it_opened_a_term() {
    let mut world = World::new(1);
    world.add(1);
    world.replica(1).group.commit_alone();
}

#[test]
fn a_lone_voter_takes_in_a_second_and_a_third_and_its_log_is_kept() {
    let mut world = World::new(2);
    world.add(1);
    world.open_alone(1);
    for n in 0..100u32 {
        world.write_alone(1, &n.to_le_bytes());
    }
    let last = world.replica(1).group.last();

    world.replica(1).group.wake();
    world.settle(1);
    assert!(world.replica(1).group.is_leader(), "the engine takes over at once");
    assert_eq!(world.replica(1).group.last(), EntryId { term: last.term + 1, index: last.index + 1 });
    for node in [2, 3] {
        world.add(node);
        world.change(&[Change::AddVoter(node)]);
        world.settle(60);
    }
    world.propose(b"together").unwrap();
    world.settle(10);

    let expected = world.replica(1).applied.clone();
    assert_eq!(expected.len(), 101);
    for node in [2, 3] {
        assert_eq!(world.replica(node).applied, expected);
        assert_eq!(world.replica(node).group.members().voters, [1, 2, 3]);
        assert_eq!(world.replica(node).snapshots_installed, 1, "what is not in memory comes by snapshot");
    }
    // The founder may die now.
    world.replicas.remove(&1);
    world.settle(60);
    world.propose(b"without the founder").unwrap();
    world.settle(10);
    assert_eq!(world.replica(2).applied.len(), 102);
}

#[test]
fn a_group_that_shrank_to_one_voter_rests_and_goes_on_alone() {
    let mut world = World::three(3);
    world.propose(b"of three").unwrap();
    world.settle(10);
    let leader = world.leader().unwrap();
    let others: Vec<Change> = [1, 2, 3].into_iter().filter(|&n| n != leader).map(Change::Remove).collect();
    assert!(!world.replica(leader).group.rest(), "not while there are others");
    world.change(&others);
    world.settle(30);
    world.replicas.retain(|&node, _| node == leader);
    assert!(world.replica(leader).group.rest());
    assert!(world.replica(leader).group.is_lone());
    let before = world.replica(leader).group.last();
    let id = world.write_alone(leader, b"alone");
    assert_eq!(id, EntryId { term: before.term, index: before.index + 1 });
    assert_eq!(world.replica(leader).applied.len(), 2);
}

#[test]
fn leaders_differ_by_term_and_committed_entries_by_nothing_under_faults() {
    for seed in 0..60 {
        let mut world = World::three(seed);
        run_faults(&mut world, 400);
        // Heal, and everybody comes to the same end.
        world.cut.clear();
        (world.loss, world.doubles) = (0, 0);
        world.settle(200);
        let last = world.propose(b"the end").unwrap_or_else(|| panic!("seed {seed}: nobody leads"));
        world.settle(20);
        let expected = world.replica(1).applied.clone();
        assert_eq!(expected.last().unwrap().0, last, "seed {seed}");
        for node in [2, 3] {
            assert_eq!(world.replica(node).applied, expected, "seed {seed}, replica {node}");
        }
    }
}

#[test]
fn replicas_that_lag_behind_the_tail_get_snapshots_under_faults() {
    let mut installed = 0;
    for seed in 100..120 {
        let mut world = World::new(seed).with_tail(600).grown_to_three();
        run_faults(&mut world, 400);
        world.cut.clear();
        (world.loss, world.doubles) = (0, 0);
        world.settle(200);
        world.propose(b"the end").unwrap();
        world.settle(20);
        let expected = world.replica(1).applied.clone();
        for node in [2, 3] {
            assert_eq!(world.replica(node).applied, expected, "seed {seed}, replica {node}");
        }
        installed += world.replicas.values().map(|replica| replica.snapshots_installed).sum::<usize>();
        for replica in world.replicas.values() {
            assert!(replica.group.tail_bytes() <= 4 * 600, "the tail stays within its bound");
        }
    }
    assert!(installed > 2 * 20, "more than the joins needed: {installed}");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = |seed| {
        let mut world = World::three(seed);
        run_faults(&mut world, 300);
        world.trace
    };
    for seed in 0..10 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    assert_ne!(run(1), run(2));
}

/// Loss, doubles, reordering, cuts, restarts, checkpoints, transfers and proposals, in any order.
fn run_faults(world: &mut World, rounds: usize) {
    (world.loss, world.doubles) = (100, 50);
    for round in 0..rounds {
        let node = 1 + world.random.below(3);
        match world.random.below(60) {
            0 => world.restart(node),
            1 => {
                let other = 1 + world.random.below(3);
                world.cut.extend([(node, other), (other, node)]);
            }
            2 => drop(world.cut.insert((node, 1 + node % 3))),
            3 | 4 => world.cut.clear(),
            5 => world.checkpoint(node),
            6 => {
                if let Some(leader) = world.leader() {
                    // Refused if it is the wrong moment; both are right.
                    let _ = world.replica(leader).group.transfer_to(node);
                }
            }
            7 => {
                if let Some(leader) = world.leader() {
                    let change = [Change::AddLearner(3), Change::AddVoter(3)][round % 2];
                    let _ = world.replica(leader).group.propose_change(&[change]);
                }
            }
            8..30 => drop(world.propose(&(round as u64).to_le_bytes())),
            _ => {}
        }
        world.stir();
    }
    // The third is a voter again, so that the others may be told apart from it by nothing.
    world.cut.clear();
    world.loss = 0;
    for _ in 0..20 {
        world.settle(40);
        let Some(leader) = world.leader() else { continue };
        if world.replica(leader).group.members().voters == [1, 2, 3] {
            break;
        }
        let _ = world.replica(leader).group.propose_change(&[Change::AddVoter(3)]);
    }
    (world.loss, world.doubles) = (100, 50);
}

#[test]
fn the_lead_goes_to_whom_it_is_handed() {
    let mut world = World::three(4);
    let leader = world.leader().unwrap();
    let heir = 1 + leader % 3;
    world.replica(leader).group.transfer_to(heir).unwrap();
    assert_eq!(world.replica(leader).group.propose(b"late".to_vec()), Err(ProposeError::Busy));
    world.settle(3);
    assert_eq!(world.leader(), Some(heir));
    let refused = world.replica(leader).group.propose(b"later".to_vec());
    assert_eq!(refused, Err(ProposeError::NotLeader { leader: Some(heir) }));
}

#[test]
fn what_is_committed_is_told_with_the_next_entry_if_one_follows_at_once() {
    let mut world = World::three(9);
    let leader = world.leader().unwrap();
    let follower = 1 + leader % 3;
    let commit_of = |world: &mut World, node| world.replica(node).group.hard_state().commit;
    world.replica(leader).group.say_commits_later(true);
    let first = world.propose(b"first").unwrap();
    for _ in 0..4 {
        world.work();
        world.deliver();
    }
    assert_eq!(commit_of(&mut world, leader), first.index);
    assert!(commit_of(&mut world, follower) < first.index, "nothing was said of it alone");
    world.propose(b"second").unwrap();
    for _ in 0..2 {
        world.work();
        world.deliver();
    }
    assert!(commit_of(&mut world, follower) >= first.index, "the next entry says it");
    world.settle(10);
    assert_eq!(commit_of(&mut world, follower), first.index + 1, "and a heartbeat does if none follows");
    assert!(world.logged_commit(follower) <= first.index, "for which nothing is logged");
}

#[test]
fn a_linear_read_waits_for_everything_that_was_committed_before_it() {
    let mut world = World::three(5);
    let written = world.propose(b"seen").unwrap();
    world.settle(10);
    for node in [1, 2, 3] {
        let token = world.replica(node).group.read_index().unwrap();
        world.settle(5);
        let reads = std::mem::take(&mut world.replica(node).reads);
        assert_eq!(reads.len(), 1, "replica {node} gets its own answer only");
        assert_eq!(reads[0].0, token);
        assert!(reads[0].1 >= written.index);
    }
    // Cut off from the majority, a leader answers nothing.
    let leader = world.leader().unwrap();
    for other in [1, 2, 3] {
        world.cut.extend([(leader, other), (other, leader)]);
    }
    world.replica(leader).group.read_index().unwrap();
    world.settle(40);
    assert!(world.replica(leader).reads.is_empty());
    assert!(!world.replica(leader).group.is_leader(), "it steps down when the majority is silent");
}

#[test]
fn all_three_voters_are_replaced_by_three_others_in_one_joint_change() {
    let mut world = World::three(6);
    for node in [4, 5, 6] {
        world.add(node);
        world.change(&[Change::AddLearner(node)]);
        world.settle(40);
    }
    world.propose(b"before").unwrap();
    let swap = [
        Change::AddVoter(4),
        Change::AddVoter(5),
        Change::AddVoter(6),
        Change::Remove(1),
        Change::Remove(2),
        Change::Remove(3),
    ];
    world.change(&swap);
    world.settle(60);
    for node in [1, 2, 3] {
        world.replicas.remove(&node);
    }
    world.settle(60);
    world.propose(b"after").unwrap();
    world.settle(10);
    for node in [4, 5, 6] {
        let replica = world.replica(node);
        assert_eq!(replica.group.members().voters, [4, 5, 6]);
        assert!(!replica.group.members().is_joint());
        assert_eq!(replica.applied.len(), 2);
    }
}

/// A sign of life beside its messages puts the election off as a heartbeat does.
#[test]
fn a_follower_hears_its_leader_in_its_term_and_nobody_else() {
    let mut world = World::three(11);
    world.propose(b"a").unwrap();
    world.settle(10);
    let leader = world.leader().unwrap();
    let (follower, stranger) = (1 + leader % 3, 1 + (leader + 1) % 3);
    let hard = world.replica(leader).group.hard_state();
    let group = &mut world.replica(follower).group;
    assert!(!group.hear_leader(leader, hard.term + 1, hard.commit), "a later term");
    assert!(!group.hear_leader(leader, hard.term - 1, hard.commit), "an earlier term");
    assert!(!group.hear_leader(stranger, hard.term, hard.commit), "one who does not lead");
    assert!(!group.hear_leader(leader, hard.term, hard.commit + 1), "more than is committed here");
    for _ in 0..200 {
        group.tick();
        assert!(group.hear_leader(leader, hard.term, hard.commit));
    }
    for _ in 0..40 {
        group.tick();
    }
    assert!(!group.hear_leader(leader, hard.term, hard.commit), "it stands for election");
}

/// It would not stand for election, and all would wait until that was clear.
#[test]
fn the_lead_is_not_offered_to_who_does_not_know_yet_that_it_is_a_voter() {
    let mut world = World::three(12);
    let leader = world.leader().unwrap();
    world.add(4);
    world.change(&[Change::AddLearner(4)]);
    world.settle(30);
    world.cut.insert((leader, 4));
    world.change(&[Change::AddVoter(4)]);
    world.settle(5);
    assert!(world.replica(leader).group.members().voters.contains(&4));
    assert_eq!(world.replica(leader).group.transfer_to(4), Err(ProposeError::Busy));
    assert!(world.propose(b"meanwhile").is_some(), "nothing is held up");
    world.cut.clear();
    world.settle(10);
    assert_eq!(world.replica(leader).group.transfer_to(4), Ok(()));
    world.settle(5);
    assert_eq!(world.leader(), Some(4));
}

/// It was elected by those who did not know yet that its removal was decided.
#[test]
fn who_leads_when_its_own_removal_is_decided_leads_no_more() {
    let mut elected = 0;
    for seed in 0..60 {
        let mut world = World::three(seed);
        let leader = world.leader().unwrap();
        let heir = 1 + leader % 3;
        let third = 6 - leader - heir;
        world.change(&[Change::Remove(heir)]);
        world.cut.extend([(heir, leader), (third, leader)]);
        world.settle(2);
        world.cut.extend([(leader, heir), (leader, third)]);
        for _ in 0..200 {
            for node in [1, 2, 3] {
                let group = &mut world.replica(node).group;
                assert!(!group.is_leader() || group.members().contains(node), "seed {seed}");
                elected += usize::from(node == heir && group.is_leader());
                // Refused by all that do not lead.
                let _ = group.propose(b"more".to_vec());
            }
            world.stir();
        }
        world.cut.clear();
        world.settle(60);
        assert!(world.leader().is_some_and(|leader| leader != heir), "seed {seed}");
        assert!(world.propose(b"after").is_some(), "seed {seed}");
    }
    assert!(elected > 0, "the one to be removed never led");
}

#[test]
fn changes_that_cannot_be_made_are_refused_before_they_are_logged() {
    let mut world = World::three(7);
    let leader = world.leader().unwrap();
    let group = &mut world.replica(leader).group;
    let last = group.last();
    let all = [Change::Remove(1), Change::Remove(2), Change::Remove(3)];
    for changes in [&all[..], &[], &[Change::AddVoter(0)], &[Change::AddVoter(4), Change::Remove(4)]] {
        assert!(matches!(group.propose_change(changes), Err(ProposeError::BadChange(_))), "{changes:?}");
    }
    assert_eq!(group.last(), last);
    group.propose_change(&[Change::AddLearner(4)]).unwrap();
    assert_eq!(group.propose_change(&[Change::AddLearner(5)]), Err(ProposeError::ChangePending));
}

#[test]
fn a_cut_off_leader_refuses_proposals_beyond_its_bound() {
    let mut world = World::three(8);
    let leader = world.leader().unwrap();
    for other in [1, 2, 3] {
        world.cut.extend([(leader, other), (other, leader)]);
    }
    let block = vec![0u8; 16 << 20];
    let group = &mut world.replica(leader).group;
    let taken = (0..10).take_while(|_| group.propose(block.clone()).is_ok()).count();
    assert_eq!(taken, 4, "64 MiB are the bound");
    assert_eq!(group.propose(block), Err(ProposeError::Busy));
}

#[test]
fn a_replica_that_lost_its_log_is_told_apart_and_does_not_panic() {
    let mut world = World::three(9);
    world.propose(b"kept by all").unwrap();
    world.settle(10);
    let leader = world.leader().unwrap();
    let follower = 1 + leader % 3;
    // An empty disk under the old id: it counts as acknowledged what it no longer has.
    world.replica(follower).group =
        raft::Group::recover(raft::GroupConfig::new(follower, 7, 1), Recovered::joiner()).unwrap();
    let mut heartbeats = 0;
    for _ in 0..4 {
        world.replica(leader).group.tick();
        while let Some(mut ready) = world.replica(leader).group.ready() {
            for message in std::mem::take(&mut ready.messages) {
                if message.to() == follower && message.kind() == raft::MessageKind::Heartbeat {
                    heartbeats += 1;
                    let refused = world.replica(follower).group.step(message);
                    assert!(matches!(refused, Err(StepError::LostLog { .. })), "{refused:?}");
                }
            }
            let _ = world.replica(leader).group.advance(ready);
        }
    }
    assert!(heartbeats > 0);
}
