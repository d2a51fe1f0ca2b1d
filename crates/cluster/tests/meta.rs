//! The state of a cluster: what its commands do, what they refuse, and its bytes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checks;

use base::{Millis, NodeId, PartitionId, Random};
use checks::{check_bytes, check_command};
use cluster::{
    Admission, Applied, Command, Definition, Founding, HashSeed, Level, Levels, MemberKind, MemberState,
    Meta, Move, Newcomer, Refused, Secret, TokenHash, UserChange,
};

fn node(number: u128) -> NodeId {
    NodeId(1 << 64 | number)
}

fn newcomer(number: u128) -> Newcomer {
    Newcomer {
        node: node(number),
        name: format!("node-{number}"),
        peer_address: format!("10.0.0.{number}:16379"),
        client_address: format!("10.0.0.{number}:6379"),
        tls_port: 0,
        kind: MemberKind::Data,
        weight: 100,
        incarnation: 1,
        version: "0.1.0".to_owned(),
        levels: cluster::LEVELS,
    }
}

fn found() -> Command {
    Command::Found(Founding {
        cluster: 7,
        name: "test".to_owned(),
        partitions: 4,
        key_hash_seed: HashSeed(5),
        replicas_wanted: 3,
        member: newcomer(1),
    })
}

fn join(number: u128, admission: Admission) -> Command {
    Command::Join { member: newcomer(number), admission }
}

fn up(number: u128) -> Command {
    Command::SetState { node: node(number), state: MemberState::Up }
}

/// A cluster of `count` nodes that are up.
fn cluster(count: u128) -> Meta {
    let mut meta = Meta::new();
    apply(&mut meta, found()).unwrap();
    for number in 2..=count {
        apply(&mut meta, join(number, Admission::Local)).unwrap();
        apply(&mut meta, up(number)).unwrap();
    }
    meta
}

fn apply(meta: &mut Meta, command: Command) -> Result<Applied, Refused> {
    meta.apply(&command, Millis(1000))
}

fn place(meta: &Meta, partition: u16, voters: &[u128]) -> Command {
    let voters = voters.iter().map(|&number| node(number)).collect();
    Command::Place {
        moves: vec![Move { partition: PartitionId(partition), voters }],
        based_on: meta.version(),
    }
}

fn token() -> TokenHash {
    Secret::new([7; 16]).hash()
}

#[test]
fn a_cluster_is_founded_once_and_its_founder_holds_all() {
    let mut meta = Meta::new();
    assert_eq!(apply(&mut meta, up(1)), Err(Refused::NotFounded));
    assert_eq!(apply(&mut meta, found()), Ok(Applied::Changed));
    assert!(matches!(apply(&mut meta, found()), Err(Refused::Founded { .. })));
    assert_eq!((meta.partitions(), meta.replicas_on(node(1))), (4, 4));
    assert_eq!(meta.meta_voters(), [node(1)]);
}

#[test]
fn a_cluster_made_out_of_another_has_its_users_and_settings_and_none_of_its_nodes() {
    let mut old = cluster(3);
    let set = |name: &str, definition: Option<&str>| UserChange {
        name: name.as_bytes().into(),
        definition: definition.map(|text| Definition(text.as_bytes().into())),
    };
    let users = |changes, based_on| Command::SetUsers { changes, based_on };
    apply(&mut old, users(vec![set("ada", Some("on"))], 0)).unwrap();
    apply(&mut old, users(vec![set("ada", None)], 1)).unwrap();
    apply(&mut old, Command::Set { key: "k".to_owned(), value: Some("v".to_owned()) }).unwrap();
    apply(&mut old, Command::AddToken { hash: token(), expires: Millis(5000) }).unwrap();
    let Command::Found(founding) = found() else { unreachable!() };
    let founding = Founding { cluster: 8, member: newcomer(9), ..founding };
    let new = old.refounded(&founding, Millis(2000)).unwrap();
    assert_eq!((new.cluster(), new.meta_voters(), new.members().count()), (8, vec![node(9)], 1));
    assert_eq!((new.setting("k"), new.tokens().count()), (Some("v"), 0));
    // That there are none was decided: those of a configuration do not count.
    assert_eq!(new.users(), old.users());
    assert_eq!(new.users().version(), 2);
    assert_eq!(new.voters_of(PartitionId(3)), [node(9)]);
    assert_eq!(Meta::decode(&new.encode()), Ok(new));
}

#[test]
fn a_token_admits_one_node_until_it_expires() {
    let mut meta = cluster(1);
    let with = |number| join(number, Admission::Token(token()));
    assert!(matches!(apply(&mut meta, with(2)), Err(Refused::UnknownToken { .. })));
    apply(&mut meta, Command::AddToken { hash: token(), expires: Millis(2000) }).unwrap();
    assert!(matches!(meta.apply(&with(2), Millis(2001)), Err(Refused::TokenExpired { .. })));
    assert_eq!(apply(&mut meta, with(2)), Ok(Applied::Changed));
    assert_eq!(apply(&mut meta, with(2)), Ok(Applied::Unchanged), "the answer was lost, it asks again");
    assert_eq!(apply(&mut meta, with(3)), Err(Refused::TokenUsed { by: node(2) }));
}

#[test]
fn who_was_removed_never_comes_back() {
    let mut meta = cluster(3);
    apply(&mut meta, Command::Leave { node: node(3) }).unwrap();
    apply(&mut meta, Command::Remove { node: node(3) }).unwrap();
    assert_eq!(apply(&mut meta, join(3, Admission::Local)), Err(Refused::WasRemoved { node: node(3) }));
    // A new node may have its address, but not its number among the replicas.
    let mut other = newcomer(3);
    other.node = NodeId(2 << 64 | 3);
    let other = Command::Join { member: other, admission: Admission::Local };
    assert!(matches!(apply(&mut meta, other), Err(Refused::SameReplica { .. })));
}

#[test]
fn nobody_takes_an_address_that_is_taken() {
    let mut meta = cluster(2);
    let mut other = newcomer(3);
    other.peer_address = newcomer(2).peer_address;
    let taken = |result| matches!(result, Err(Refused::AddressTaken { .. }));
    assert!(taken(apply(&mut meta, Command::Join { member: other.clone(), admission: Admission::Local })));
    // Whatever else is wrong is said before that, and a token that is right is not used up.
    let invited =
        |member: &Newcomer| Command::Join { member: member.clone(), admission: Admission::Token(token()) };
    assert!(matches!(apply(&mut meta, invited(&other)), Err(Refused::UnknownToken { .. })));
    let old = Newcomer { levels: Levels::new(99, 99).unwrap(), ..other.clone() };
    assert!(matches!(apply(&mut meta, invited(&old)), Err(Refused::UnknownLevel(_))));
    apply(&mut meta, Command::AddToken { hash: token(), expires: Millis(2000) }).unwrap();
    assert!(taken(apply(&mut meta, invited(&other))));
    assert_eq!(apply(&mut meta, invited(&newcomer(3))), Ok(Applied::Changed));
}

#[test]
fn who_is_down_or_leaves_gives_its_address_to_who_is_there_now() {
    for gone in
        [Command::SetState { node: node(2), state: MemberState::Down }, Command::Leave { node: node(2) }]
    {
        let mut meta = cluster(3);
        apply(&mut meta, gone.clone()).unwrap();
        let there = newcomer(2);
        let other = Newcomer { peer_address: there.peer_address.clone(), ..newcomer(4) };
        // Refused for another reason, nothing was taken.
        let invited = |member| Command::Join { member, admission: Admission::Token(token()) };
        assert!(apply(&mut meta, invited(other.clone())).is_err());
        assert_eq!(meta.member(node(2)).unwrap().peer_address, there.peer_address);
        let other = Command::Join { member: other, admission: Admission::Local };
        assert_eq!(apply(&mut meta, other), Ok(Applied::Changed));
        let old = meta.member(node(2)).unwrap();
        assert_eq!((&*old.peer_address, &*old.client_address, old.tls_port), ("", "", 0));
        assert_eq!(Meta::decode(&meta.encode()), Ok(meta.clone()));
        // It is back, and says where: not there.
        apply(&mut meta, up(2)).unwrap();
        let says = |peer_address: &str| Command::SetAddresses {
            node: node(2),
            peer_address: peer_address.to_owned(),
            client_address: String::new(),
            tls_port: 0,
            incarnation: 2,
            version: "0.1.0".to_owned(),
            levels: cluster::LEVELS,
        };
        assert!(matches!(apply(&mut meta, says(&there.peer_address)), Err(Refused::AddressTaken { .. })));
        assert_eq!(apply(&mut meta, says("10.0.9.2:16379")), Ok(Applied::Changed));
    }
}

#[test]
fn data_is_never_left_without_a_node() {
    let mut meta = cluster(2);
    assert!(matches!(
        apply(&mut meta, Command::Remove { node: node(1) }),
        Err(Refused::HoldsReplicas { .. })
    ));
    apply(&mut meta, Command::Leave { node: node(2) }).unwrap();
    assert_eq!(apply(&mut meta, Command::Leave { node: node(1) }), Err(Refused::LastNode { node: node(1) }));
    let mut meta = cluster(2);
    apply(&mut meta, Command::SetState { node: node(1), state: MemberState::Down }).unwrap();
    assert!(matches!(apply(&mut meta, Command::Remove { node: node(1) }), Err(Refused::OnlyReplica { .. })));
}

#[test]
fn a_placement_is_for_the_state_it_was_made_for_and_for_nodes_that_are_up() {
    let mut meta = cluster(3);
    let plan = place(&meta, 1, &[2, 3]);
    assert_eq!(apply(&mut meta, plan.clone()), Ok(Applied::Changed));
    assert_eq!(meta.voters_of(PartitionId(1)), [node(2), node(3)]);
    assert!(matches!(apply(&mut meta, plan), Err(Refused::StalePlan { .. })));
    for voters in [&[][..], &[2, 2], &[9]] {
        let plan = place(&meta, 1, voters);
        assert!(matches!(apply(&mut meta, plan), Err(Refused::BadPlacement { .. })), "{voters:?}");
    }
    apply(&mut meta, Command::SetState { node: node(1), state: MemberState::Down }).unwrap();
    let plan = place(&meta, 1, &[2, 1]);
    assert!(matches!(apply(&mut meta, plan), Err(Refused::BadPlacement { .. })), "a new voter is up");
}

#[test]
fn a_witness_votes_beside_two_that_hold_data_and_never_instead_of_them() {
    let mut meta = cluster(3);
    let member = Newcomer { kind: MemberKind::Witness, ..newcomer(4) };
    apply(&mut meta, Command::Join { member, admission: Admission::Local }).unwrap();
    apply(&mut meta, up(4)).unwrap();
    for voters in [&[4][..], &[1, 4], &[1, 4, 2], &[4, 1, 2], &[1, 2, 3, 4]] {
        let plan = place(&meta, 1, voters);
        assert!(matches!(apply(&mut meta, plan), Err(Refused::BadPlacement { .. })), "{voters:?}");
    }
    for partition in 0..4 {
        let plan = place(&meta, partition, &[1, 2, 4]);
        assert_eq!(apply(&mut meta, plan), Ok(Applied::Changed));
    }
    // What only a witness has besides is not held elsewhere.
    for number in [1, 2] {
        apply(&mut meta, Command::SetState { node: node(number), state: MemberState::Down }).unwrap();
    }
    apply(&mut meta, Command::Remove { node: node(1) }).unwrap();
    assert!(matches!(apply(&mut meta, Command::Remove { node: node(2) }), Err(Refused::OnlyReplica { .. })));
}

#[test]
fn up_to_five_vote_in_the_meta_group_and_nobody_is_swapped_without_need() {
    let counts: Vec<usize> = (1..=7).map(|count| cluster(count).meta_voters().len()).collect();
    assert_eq!(counts, [1, 2, 3, 3, 5, 5, 5]);
    let mut meta = cluster(6);
    let before = meta.meta_voters();
    apply(&mut meta, join(7, Admission::Local)).unwrap();
    apply(&mut meta, up(7)).unwrap();
    assert_eq!(meta.meta_voters(), before);
    assert_eq!(meta.meta_learners().len(), 2);
}

#[test]
fn addresses_change_with_a_later_start_only() {
    let mut meta = cluster(2);
    let moved = |incarnation| Command::SetAddresses {
        node: node(2),
        peer_address: "10.0.1.2:16379".to_owned(),
        client_address: String::new(),
        tls_port: 0,
        incarnation,
        version: "0.1.1".to_owned(),
        levels: cluster::LEVELS,
    };
    assert!(matches!(apply(&mut meta, moved(1)), Err(Refused::OldIncarnation { .. })));
    assert_eq!(apply(&mut meta, moved(2)), Ok(Applied::Changed));
    assert_eq!(meta.member(node(2)).unwrap().peer_address, "10.0.1.2:16379");
}

#[test]
fn a_port_for_tls_is_told() {
    let mut meta = cluster(2);
    let moved = |incarnation, tls_port| Command::SetAddresses {
        node: node(2),
        peer_address: "10.0.0.2:16379".to_owned(),
        client_address: "10.0.0.2:6379".to_owned(),
        tls_port,
        incarnation,
        version: "0.1.0".to_owned(),
        levels: cluster::LEVELS,
    };
    assert_eq!(apply(&mut meta, moved(2, 6380)), Ok(Applied::Changed));
    assert_eq!(apply(&mut meta, moved(2, 6380)), Ok(Applied::Unchanged));
    assert_eq!(meta.member(node(2)).unwrap().tls_port, 6380);
    check_bytes(&meta.encode());
    check_bytes(&moved(2, 6380).encode());
    // A port of no address is none.
    let member = Newcomer { client_address: String::new(), tls_port: 1, ..newcomer(9) };
    let join = Command::Join { member, admission: Admission::Local };
    assert!(apply(&mut meta, join).is_err());
    assert_eq!(apply(&mut meta, moved(3, 0)), Ok(Applied::Changed));
    assert_eq!(meta.member(node(2)).unwrap().tls_port, 0);
}

fn levels(oldest: u8, newest: u8) -> Levels {
    Levels::new(oldest, newest).unwrap()
}

/// A member was started again, with a program that knows these.
fn returns(meta: &Meta, number: u128, levels: Levels) -> Command {
    let member = meta.member(node(number)).unwrap().clone();
    Command::SetAddresses {
        node: member.node,
        peer_address: member.peer_address,
        client_address: member.client_address,
        tls_port: member.tls_port,
        incarnation: member.incarnation + 1,
        version: format!("0.{}.0", levels.newest()),
        levels,
    }
}

#[test]
fn a_level_comes_into_force_once_all_live_members_know_it_and_stays() {
    let mut meta = cluster(3);
    let raise = Command::Raise { level: Level(2) };
    assert_eq!((meta.level(), meta.level_possible()), (Level(1), Level(1)));
    for number in 1..=3 {
        assert!(matches!(apply(&mut meta, raise.clone()), Err(Refused::LevelNotKnown { .. })));
        let returns = returns(&meta, number, levels(1, 2));
        assert_eq!(apply(&mut meta, returns), Ok(Applied::Changed));
    }
    // Until then any may go back; one that is down may, too.
    let back = returns(&meta, 3, levels(1, 1));
    assert_eq!(apply(&mut meta, back), Ok(Applied::Changed));
    apply(&mut meta, Command::SetState { node: node(3), state: MemberState::Down }).unwrap();
    let refused = apply(&mut meta, raise.clone()).unwrap_err().to_string();
    assert!(refused.contains("runs version 0.1.0, which knows level 1"), "{refused}");
    apply(&mut meta, Command::Remove { node: node(3) }).unwrap();
    assert_eq!(meta.level_possible(), Level(2));
    assert_eq!(apply(&mut meta, raise.clone()), Ok(Applied::Changed));
    assert_eq!((meta.level(), apply(&mut meta, raise)), (Level(2), Ok(Applied::Unchanged)));
    let lower = apply(&mut meta, Command::Raise { level: Level(1) });
    assert_eq!(lower, Err(Refused::LowerLevel { level: Level(2) }));
    check_bytes(&meta.encode());
}

#[test]
fn who_does_not_know_the_level_in_force_is_no_member() {
    let mut meta = Meta::new();
    let founder = Newcomer { levels: levels(1, 2), version: "0.2.0".to_owned(), ..newcomer(1) };
    let Command::Found(founding) = found() else { unreachable!() };
    apply(&mut meta, Command::Found(Founding { member: founder, ..founding })).unwrap();
    assert_eq!(meta.level(), Level(2), "a new cluster begins with all that its founder knows");
    let refused = apply(&mut meta, join(2, Admission::Local)).unwrap_err().to_string();
    let text =
        "level 2 is in force, and this program knows level 1; use a version that knows it, as 0.2.0 does";
    assert_eq!(refused, text);
    let older = returns(&meta, 1, levels(1, 1));
    assert_eq!(apply(&mut meta, older).unwrap_err().to_string(), text);
    let member = Newcomer { levels: levels(2, 3), ..newcomer(2) };
    assert!(apply(&mut meta, Command::Join { member, admission: Admission::Local }).is_ok());
}

#[test]
fn another_form_is_refused_by_name() {
    let mut command = join(2, Admission::Local).encode();
    let mut state = cluster(2).encode();
    (command[0], state[0]) = (9, 9);
    let text = "is not known here, only";
    let refusals = [Command::decode(&command).unwrap_err(), Meta::decode(&state).unwrap_err()];
    assert!(refusals.iter().all(|refusal| refusal.to_string().contains(text)), "{refusals:?}");
}

fn random_command(random: &mut Random, meta: &Meta) -> Command {
    let number = 1 + u128::from(random.below(8));
    let kind = if number > 6 { MemberKind::Witness } else { MemberKind::Data };
    let join = |admission| Command::Join { member: Newcomer { kind, ..newcomer(number) }, admission };
    let state = [
        MemberState::Joining,
        MemberState::Up,
        MemberState::Leaving,
        MemberState::Down,
        MemberState::Removed,
    ];
    match random.below(18) {
        0 => found(),
        1 => Command::AddToken { hash: token(), expires: Millis(random.below(3000)) },
        2 => Command::RevokeToken { hash: token() },
        3 => join(Admission::Token(token())),
        4 => join(Admission::Local),
        15 => Command::Raise { level: Level(random.below(4) as u8) },
        16 if meta.member(node(number)).is_some() => {
            let newest = 1 + random.below(3) as u8;
            returns(meta, number, levels(1 + random.below(u64::from(newest)) as u8, newest))
        }
        5 => {
            let levels = levels(1 + random.below(2) as u8, 2 + random.below(2) as u8);
            let member = Newcomer { tls_port: random.below(3) as u16, levels, ..newcomer(number) };
            Command::Join { member, admission: Admission::Local }
        }
        6 | 7 => Command::SetState { node: node(number), state: state[random.below(5) as usize] },
        8 => Command::SetWeight { node: node(number), weight: random.below(20_000) as u32 },
        9 => Command::Leave { node: node(number) },
        10 => Command::Remove { node: node(number) },
        11 => Command::SetReplicas { replicas: random.below(9) as u8 },
        13 | 14 => {
            let definition =
                random.chance(2, 3).then(|| Definition(format!("on +{number}").into_bytes().into()));
            let change = UserChange { name: format!("u{number}").into_bytes().into(), definition };
            let based_on = meta.users().version().saturating_sub(random.below(5) / 4);
            Command::SetUsers { changes: vec![change], based_on }
        }
        12 => Command::Set { key: format!("k{number}"), value: random.chance(1, 2).then(|| "v".to_owned()) },
        _ => {
            let voters: Vec<u128> = (0..random.below(4)).map(|_| 1 + u128::from(random.below(8))).collect();
            place(meta, random.below(5) as u16, &voters)
        }
    }
}

/// Bytes of commands and states as they come about.
fn samples() -> Vec<Vec<u8>> {
    let mut samples = vec![b"narf1.x".to_vec()];
    for seed in 0..40 {
        let (mut random, mut meta) = (Random::new(seed), Meta::new());
        for _ in 0..60 {
            let command = random_command(&mut random, &meta);
            check_command(&mut meta, &command);
            samples.push(command.encode());
        }
        samples.push(meta.encode());
    }
    samples
}

#[test]
fn whatever_commands_come_the_rules_hold_and_bytes_read_back() {
    for bytes in samples() {
        check_bytes(&bytes);
        let reads = Command::decode(&bytes).is_ok() || Meta::decode(&bytes).is_ok();
        assert!(reads || bytes.starts_with(b"narf1"));
    }
}

#[test]
fn any_damage_is_refused_or_reads_as_something_else_but_never_panics() {
    let (samples, mut random) = (samples(), Random::new(1));
    for _ in 0..20_000 {
        let mut bytes = samples[random.below(samples.len() as u64) as usize].clone();
        let at = random.below(bytes.len() as u64) as usize;
        match random.below(3) {
            0 => bytes.truncate(at),
            1 => bytes[at] = random.next_u64() as u8,
            _ => bytes.insert(at, random.next_u64() as u8),
        }
        check_bytes(&bytes);
    }
}
