//! Each step of a member and of partitions is told once; what goes on and off is bounded. No clock, no cluster: looks are
//! made by hand.

use super::*;

fn seen(state: MemberState) -> Seen {
    Seen { who: who("b"), state, incarnation: 1 }
}

fn who(name: &str) -> Who {
    Who { name: name.to_owned(), address: format!("{name}:1") }
}

const ME: NodeId = NodeId(1);
const B: NodeId = NodeId(2);

/// All is well: another member, who leads.
fn well() -> Look {
    Look {
        others: BTreeMap::from([(B, seen(MemberState::Up))]),
        taker: None,
        view: Some(FabricView { leader: Some(B), partitions: 16, ..FabricView::default() }),
        is_ready: true,
    }
}

fn with_view(change: impl FnOnce(&mut FabricView)) -> Look {
    let mut look = well();
    look.view.as_mut().map(change).unwrap();
    look
}

fn with_member(state: MemberState, incarnation: u64) -> Look {
    Look { others: BTreeMap::from([(B, Seen { incarnation, ..seen(state) })]), ..well() }
}

/// A node that has said what there is to say at its start.
fn told() -> Events {
    let mut events = Events::new(ME, "a".to_owned(), well());
    assert_eq!(events.look(1000, well()), [Event::Leads("b".to_owned()), Event::Ready]);
    assert_eq!(events.look(2000, well()), []);
    events
}

fn member(change: Change) -> Vec<Event> {
    vec![Event::Members(change, vec![who("b")])]
}

#[test]
fn a_life_of_a_member_is_told_step_by_step_and_each_step_once() {
    let alone = Look { others: BTreeMap::new(), ..well() };
    let mut events = Events::new(ME, "a".to_owned(), alone.clone());
    events.look(0, alone.clone());
    events.look(500, alone);
    let steps = [
        (with_member(MemberState::Joining, 1), vec![]),
        (with_member(MemberState::Up, 1), member(Change::Joined)),
        (with_member(MemberState::Down, 1), member(Change::Down)),
        (with_member(MemberState::Up, 1), member(Change::Back)),
        // Where it is now is said later; that is no second return.
        (with_member(MemberState::Up, 2), vec![]),
        (with_member(MemberState::Leaving, 2), member(Change::Leaving)),
        (with_member(MemberState::Removed, 2), member(Change::Left)),
    ];
    for (number, (look, expected)) in steps.into_iter().enumerate() {
        let now = 1000 * (number as u64 + 1);
        assert_eq!(events.look(now, look.clone()), expected, "step {number}");
        assert_eq!(events.look(now + 500, look), [], "step {number} again");
    }
}

#[test]
fn one_that_dies_and_is_struck_off_was_removed() {
    let mut events = told();
    assert_eq!(events.look(3000, with_member(MemberState::Down, 1)), member(Change::Down));
    assert_eq!(events.look(4000, with_member(MemberState::Removed, 1)), member(Change::Removed));
}

#[test]
fn silence_counts_when_two_looks_agree() {
    let mut events = told();
    let silent = || with_view(|view| view.silent = vec![B]);
    assert_eq!(events.look(3000, silent()), []);
    assert_eq!(events.look(4000, well()), []);
    assert_eq!(events.look(5000, silent()), []);
    assert_eq!(events.look(6000, silent()), member(Change::Down));
    assert_eq!(events.look(7000, well()), member(Change::Back));
}

#[test]
fn a_restart_that_was_too_quick_to_be_missed_is_told() {
    let mut events = told();
    assert_eq!(events.look(60_000, with_member(MemberState::Up, 2)), member(Change::Back));
    assert_eq!(events.look(61_000, with_member(MemberState::Up, 2)), []);
}

#[test]
fn without_a_leader_for_more_than_a_second_is_told_and_who_leads_then() {
    let mut events = told();
    let nobody = || with_view(|view| view.leader = None);
    assert_eq!(events.look(3000, nobody()), []);
    assert_eq!(events.look(4000, well()), [], "the same leads again");
    events.look(5000, nobody());
    assert_eq!(events.look(6000, nobody()), [Event::Leaderless]);
    let mine = with_view(|view| view.leader = Some(ME));
    assert_eq!(events.look(7000, mine), [Event::Leads("a".to_owned())]);
}

#[test]
fn that_another_has_the_address_of_this_node_is_told_once_and_when_it_is_over() {
    let mut events = told();
    let taken = || Look { taker: Some(who("b")), ..well() };
    assert_eq!(events.look(3000, taken()), []);
    assert_eq!(events.look(4000, well()), [], "it had not heard yet that it is over");
    events.look(5000, taken());
    assert_eq!(events.look(6000, taken()), [Event::Displaced(who("b"))]);
    assert_eq!(events.look(7000, taken()), []);
    assert_eq!(events.look(8000, well()), []);
    assert_eq!(events.look(9000, well()), [Event::Replaced]);
}

#[test]
fn partitions_are_told_as_a_sum() {
    let mut events = told();
    let refused = |count| with_view(|view| view.refused = count);
    assert_eq!(events.look(3000, refused(5)), []);
    assert_eq!(events.look(4000, well()), [], "others led after a moment");
    events.look(5000, refused(5));
    assert_eq!(events.look(6000, refused(12)), [Event::Refused { refused: 12, partitions: 16 }]);
    assert_eq!(events.look(7000, refused(16)), []);
    assert_eq!(events.look(8000, refused(16)), [Event::Refused { refused: 16, partitions: 16 }]);
    assert_eq!(events.look(9000, well()), [Event::AllServed]);
}

#[test]
fn moves_and_doubts_begin_and_end() {
    let mut events = told();
    let moving = |coming| with_view(|view| (view.coming, view.going) = (coming, 1));
    assert_eq!(events.look(3000, moving(7)), [Event::Moving { coming: 7, going: 1 }]);
    assert_eq!(events.look(4000, moving(3)), []);
    assert_eq!(events.look(5000, well()), [Event::Moved]);
    assert_eq!(events.look(6000, with_view(|view| view.in_doubt = 4)), [Event::InDoubt(4)]);
    assert_eq!(events.look(7000, with_view(|view| view.in_doubt = 2)), []);
    assert_eq!(events.look(8000, well()), [Event::Certain]);
}

#[test]
fn what_goes_on_and_off_for_a_day_is_bounded_and_its_end_is_told() {
    let mut events = told();
    let mut lines = 0;
    for second in 3..86_400 {
        let look = match second % 2 {
            0 => with_member(MemberState::Down, 1),
            _ => with_member(MemberState::Up, 1),
        };
        lines += events.look(second * 1000, look).len() as u64;
    }
    assert!(lines <= 2 * (BURST + 24 * 60), "{lines} lines");
    let end = (0..200).flat_map(|n| events.look(86_400_000 + n * 1000, with_member(MemberState::Down, 1)));
    let end: Vec<Event> = end.collect();
    assert!(end.is_empty() || end == member(Change::Down), "{end:?}");
    assert_eq!(events.members[&B].standing, Standing::Down);
}

#[test]
fn a_look_that_the_workers_did_not_answer_says_nothing_of_partitions() {
    let mut events = told();
    assert_eq!(events.look(3000, Look { view: None, is_ready: false, ..well() }), []);
    assert_eq!(events.look(4000, with_view(|view| view.refused = 16)), []);
}
