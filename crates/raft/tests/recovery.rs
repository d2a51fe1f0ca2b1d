//! What a disk may say at the start, and what is refused because it cannot be true.

use raft::{
    Entry, EntryId, Group, GroupConfig, HardState, Members, Payload, ProposeError, RecoverError, Recovered,
    Role,
};

fn id(term: u64, index: u64) -> EntryId {
    EntryId { term, index }
}

fn entry(term: u64, index: u64) -> Entry {
    Entry { id: id(term, index), payload: Payload::Data(vec![1].into()) }
}

/// Three voters, a checkpoint at 4, and a log of 5 to 8 of which 6 are known to be committed.
fn of_three() -> Recovered {
    Recovered {
        hard: HardState { term: 2, vote: 2, commit: 6 },
        members: Members { voters: vec![1, 2, 3], ..Members::default() },
        snapshot: id(1, 4),
        last: id(2, 8),
        applied: 4,
        tail: (5..=8).map(|index| entry(2, index)).collect(),
    }
}

fn recover(recovered: Recovered) -> Result<Group, RecoverError> {
    Group::recover(GroupConfig::new(1, 0, 1), recovered)
}

#[test]
fn entries_that_were_committed_and_not_applied_come_again() {
    let mut group = recover(of_three()).unwrap();
    let ready = group.ready().unwrap();
    let committed: Vec<u64> = ready.committed.iter().map(|entry| entry.id.index).collect();
    assert_eq!(committed, [5, 6]);
    let _ = group.advance(ready);
    assert!(group.ready().is_none());
    assert_eq!((group.role(), group.last()), (Role::Follower, id(2, 8)));
}

#[test]
fn the_tail_may_start_before_what_was_applied() {
    let mut recovered = of_three();
    recovered.applied = 6;
    let mut group = recover(recovered).unwrap();
    assert!(group.ready().is_none(), "nothing is handed out twice");
}

#[test]
fn a_commit_on_disk_may_lag_behind_what_was_applied() {
    let mut recovered = of_three();
    (recovered.hard.commit, recovered.applied) = (0, 7);
    assert_eq!(recover(recovered).unwrap().hard_state().commit, 7);
}

#[test]
fn a_term_on_disk_may_lag_behind_that_of_the_last_entry() {
    let mut group = recover(Recovered::lone(1, HardState::default(), id(9, 50))).unwrap();
    assert_eq!(group.open_alone(), HardState { term: 10, vote: 1, commit: 50 });
    assert_eq!(group.commit_alone(), id(10, 51));
}

#[test]
fn a_joiner_waits_for_a_leader_however_long() {
    let mut group = recover(Recovered::joiner()).unwrap();
    assert!(!group.is_lone());
    for _ in 0..1000 {
        group.tick();
    }
    assert!(!group.has_ready(), "who knows of no voters asks for no votes");
    assert_eq!(group.propose(vec![1]), Err(ProposeError::NotLeader { leader: None }));
}

#[test]
fn facts_that_exclude_each_other_are_refused() {
    type Break = fn(&mut Recovered);
    let cases: [(&str, Break); 8] = [
        ("committed beyond the log", |r| r.hard.commit = 9),
        ("applied beyond the log", |r| r.applied = 9),
        ("a snapshot ahead of what was applied", |r| r.snapshot = id(2, 5)),
        ("a gap in the tail", |r| drop(r.tail.remove(1))),
        ("a term that falls", |r| r.tail[2].id.term = 1),
        ("a tail that ends early", |r| drop(r.tail.pop())),
        ("a tail that starts late", |r| drop(r.tail.remove(0))),
        ("no tail", |r| r.tail.clear()),
    ];
    for (what, change) in cases {
        let mut recovered = of_three();
        change(&mut recovered);
        assert!(matches!(recover(recovered).err(), Some(RecoverError::Contradiction(_))), "{what}");
    }
}

#[test]
fn configurations_that_cannot_work_are_refused() {
    let good = GroupConfig::new(1, 0, 1);
    for bad in [
        GroupConfig { node: 0, ..good },
        GroupConfig { heartbeat_ticks: 0, ..good },
        GroupConfig { election_ticks: 2, ..good },
        GroupConfig { inflight_messages_max: 0, ..good },
        GroupConfig { uncommitted_bytes_max: 1, ..good },
    ] {
        let refused = Group::recover(bad, Recovered::founder(1)).err();
        assert!(matches!(refused, Some(RecoverError::Config(_))), "{bad:?}");
    }
}
