//! From where partitions are to where they are to be, one safe step at a time.
//!
//! Only the leader of a group changes its members, and only towards the target that the fabric agreed on: a
//! newcomer follows as a learner first; when all newcomers have caught up, one joint change makes them voters and
//! lets the others go, unless those that are to stay could not decide without them. A leader that is to go hands the lead
//! over first. So a partition is never with fewer replicas than it had, and no step needs another node to remember
//! anything. A witness that leads changes nothing but who leads.
//!
//! Few groups change at once. One that only lacks a node which says nothing is none of them: it may lack it for long, and
//! what other groups are to do has nothing to do with that node.

use base::PartitionId;
use raft::{Change, Members, Progress};

use crate::entry::{write_gone, write_term};
use crate::errand::Errand;
use crate::fabric::split;
use crate::partition::Partition;
use crate::peer_frame::Item;
use crate::worker::Worker;

/// A replica that lags by no more than so many entries has caught up.
const LAG_MAX: u64 = 64;
/// Groups whose members change at once, of one worker.
const CHANGES_AT_ONCE: usize = 8;

/// What is to be done next for a group.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// All is as it is to be.
    Rest,
    /// Something is under way.
    Wait,
    /// A node that the group is to have says nothing: there is nothing to do until it does.
    Lack,
    /// Make the engine of a lone group, for others are to join.
    Wake,
    /// Change the members.
    Change(Vec<Change>),
    /// Hand the lead to this one.
    Transfer(u64),
}

/// What a leader knows of a member.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// The node says nothing at all.
    Silent,
    /// It does not follow the group, or no more.
    Away,
    /// It answers.
    Answers,
    /// It has nearly all there is.
    CaughtUp,
}

/// The next step towards `target`, whose first is to lead.
fn next_step(
    me: u64,
    is_lone: bool,
    members: &Members,
    target: &[u64],
    standing: &dyn Fn(u64) -> Standing,
    is_full: &dyn Fn(u64) -> bool,
) -> Step {
    let has_caught_up = |id: u64| standing(id) == Standing::CaughtUp;
    // Whom it waits for is silent, all of them: another that is being brought up takes a turn.
    let lacks = |ids: &[u64]| {
        let mut missing = ids.iter().filter(|id| **id != me && !has_caught_up(**id)).peekable();
        missing.peek().is_some() && missing.all(|id| standing(*id) == Standing::Silent)
    };
    let wait_for = |ids: &[u64]| if lacks(ids) { Step::Lack } else { Step::Wait };
    if is_lone {
        return if target == [me] { Step::Rest } else { Step::Wake };
    }
    if members.is_joint() {
        return Step::Wait;
    }
    let is_new = |id: &&u64| !members.contains(**id) && standing(**id) != Standing::Silent;
    if let Some(&new) = target.iter().find(is_new) {
        return Step::Change(vec![Change::AddLearner(new)]);
    }
    let raise: Vec<u64> = target.iter().copied().filter(|id| !members.voters.contains(id)).collect();
    if !raise.iter().all(|id| has_caught_up(*id)) {
        return wait_for(&raise);
    }
    let extra: Vec<u64> =
        members.voters.iter().chain(&members.learners).copied().filter(|id| !target.contains(id)).collect();
    let mut changes: Vec<Change> = raise.iter().map(|id| Change::AddVoter(*id)).collect();
    changes.extend(extra.iter().filter(|id| **id != me).map(|id| Change::Remove(*id)));
    if !changes.is_empty() {
        let here = target.iter().filter(|id| **id == me || standing(**id) >= Standing::Answers).count();
        // Without those that go, a member that is away may be the one that nothing can be decided without.
        return if here * 2 > target.len() { Step::Change(changes) } else { wait_for(target) };
    }
    let takes = |id: &&u64| **id != me && has_caught_up(**id);
    // The one that is to lead; it lets us go if we are not to stay.
    let first = target.first().filter(takes);
    let heir = match first.filter(|id| !is_full(**id)) {
        Some(first) => Some(first),
        // What is refused here can be written elsewhere.
        None if is_full(me) => target.iter().filter(takes).find(|id| !is_full(**id)),
        None => first.filter(|_| !target.contains(&me)),
    };
    heir.map_or(Step::Rest, |heir| Step::Transfer(*heir))
}

impl Worker {
    /// Takes the next step for each group that this worker leads, of so many at once.
    pub(crate) fn reconcile(&mut self) {
        let mut changing = 0;
        for id in (0..self.places.len()).map(|place| PartitionId(place as u16)) {
            let Some(step) = self.next_step_of(id) else { continue };
            let is_change = matches!(step, Step::Change(_) | Step::Wake | Step::Wait);
            if is_change && changing >= CHANGES_AT_ONCE {
                continue;
            }
            changing += usize::from(is_change);
            self.take_step(id, step);
        }
    }

    /// Goes on with groups whose members change and that have come a step further; when one has come to its end, with
    /// the next that waits for its turn.
    pub(crate) fn reconcile_due(&mut self) {
        let due = std::mem::take(&mut self.fabric.due);
        let mut is_one_done = false;
        for id in due {
            match self.next_step_of(id) {
                None | Some(Step::Rest | Step::Lack) => is_one_done = true,
                Some(step) => self.take_step(id, step),
            }
        }
        if is_one_done {
            self.reconcile();
        }
    }

    /// The next step of a group that this worker leads.
    fn next_step_of(&self, id: PartitionId) -> Option<Step> {
        let is_for_us = self.fabric.is_on && !self.fabric.is_ending() && self.router.owner(id) == self.id;
        if !is_for_us || !self.fabric.meta.is_founded() {
            return None;
        }
        let partition = self.places[usize::from(id.0)].partition.as_deref()?;
        let (me, group) = (self.fabric.me, &partition.group);
        let target: Vec<u64> =
            self.fabric.meta.voters_of(id).iter().filter_map(|node| cluster::replica_id(*node)).collect();
        if group.is_leader() && group.is_witness() {
            return Some(self.heir_of_witness(partition, &target).map_or(Step::Wait, Step::Transfer));
        }
        if !group.is_leader() || target.is_empty() {
            return None;
        }
        let standing = |peer: u64| self.standing_of(partition, peer);
        let lone = Members::lone(me);
        let members = if group.is_lone() { &lone } else { &partition.replica.members };
        let is_full = |node: u64| match node == me {
            true => self.write_refusal.is_some(),
            // A witness never is to lead, whatever room it has.
            false => self.fabric.is_full(node) || self.fabric.is_witness(node),
        };
        let step = next_step(me, group.is_lone(), members, &target, &standing, &is_full);
        // A newcomer that cannot be reached would only hold up the group.
        let is_all_up = || target.iter().all(|node| *node == me || self.fabric.is_heard(*node));
        (step != Step::Wake || is_all_up()).then_some(step)
    }

    /// What a leader here knows of a member.
    pub(crate) fn standing_of(&self, partition: &Partition, peer: u64) -> Standing {
        let last = partition.group.last().index;
        // The engine notices that a peer is gone when it counts next; that there is no way to it is known at once.
        if !self.fabric.is_heard(peer) {
            return Standing::Silent;
        }
        let is_there = |progress: &Progress| progress.is_active;
        match partition.group.progress_of(peer).filter(is_there) {
            None => Standing::Away,
            // Offered the lead, one that may have forgotten something would not take it.
            Some(p)
                if p.matched + LAG_MAX >= last && p.matched > 0 && !self.is_doubted(partition.id, peer) =>
            {
                Standing::CaughtUp
            }
            Some(_) => Standing::Answers,
        }
    }

    fn take_step(&mut self, id: PartitionId, step: Step) {
        let logging = self.logging;
        let mut frame = Vec::new();
        let (_, places, fabric) = split(self);
        let Some(partition) = places[usize::from(id.0)].partition.as_deref_mut() else { return };
        match step {
            Step::Rest | Step::Wait | Step::Lack => {}
            Step::Wake => {
                partition.close_entry(&mut frame, logging);
                partition.wake();
                fabric.stir(id);
                fabric.advance(id);
            }
            Step::Change(changes) => {
                // Refused while one is under way or the log is busy: it is looked at again.
                if partition.group.propose_change(&changes).is_ok() {
                    fabric.stir(id);
                }
            }
            Step::Transfer(peer) => {
                if partition.replica.is_idle() && partition.transfer(peer) {
                    fabric.stir(id);
                }
            }
        }
        self.outbox.frame.extend_from_slice(&frame);
    }

    /// A group has changed its members: this node may be out of it, or alone in it.
    pub(crate) fn membership_changed(&mut self, id: PartitionId) {
        let logging = self.logging;
        let mut frame = Vec::new();
        let (_, places, fabric) = split(self);
        let place = &mut places[usize::from(id.0)];
        let Some(partition) = place.partition.as_deref_mut() else { return };
        if partition.group.is_leader() {
            fabric.advance(id);
        }
        let members = &partition.replica.members;
        if !members.voters.is_empty() && !members.contains(fabric.me) {
            // Who decided it itself, as the leader, may be the only one to know, and the others could need its vote to
            // find out. It stays until one who leads them says that it is out.
            if partition.group.leader().is_some() {
                self.let_go(id);
            }
            return;
        } else if members.is_lone(fabric.me) && partition.replica.is_idle() && partition.group.rest() {
            write_term(&mut frame, id, partition.group.hard_state().term);
        }
        if logging {
            self.outbox.frame.extend_from_slice(&frame);
        }
    }

    /// Asks about replicas that are not to be here whether their groups know of them still. Who was a follower in
    /// training is not told of the change that let it go, for it is sent nothing any more.
    pub(crate) fn ask_about_leftovers(&mut self) {
        for place in 0..self.places.len() {
            let id = PartitionId(place as u16);
            let is_leftover = |partition: &Partition| !partition.group.is_leader();
            if !self.places[place].partition.as_deref().is_some_and(is_leftover) || self.is_target(id) {
                continue;
            }
            let voters: Vec<u64> =
                self.fabric.meta.voters_of(id).iter().filter_map(|node| cluster::replica_id(*node)).collect();
            voters
                .into_iter()
                .for_each(|node| self.fabric.tell(node, &Item::Gone { partition: id, term: 0 }));
        }
    }

    /// A leader says that this node is no member any more; or a node that thinks it may be none asks its leader.
    pub(crate) fn gone(&mut self, from: u64, id: PartitionId, term: u64) {
        let is_target = self.is_target(id);
        let Some(place) = self.places.get_mut(usize::from(id.0)) else { return };
        if let Some(partition) = place.partition.as_deref().filter(|partition| partition.group.is_leader()) {
            let is_known = match partition.group.is_lone() {
                true => from == self.fabric.me,
                false => partition.replica.members.contains(from),
            };
            // Told before that is on stable storage, it would be gone when it was asked after a loss of power.
            if !is_known && !self.fabric.is_held(id) {
                let term = partition.term();
                self.fabric.tell(from, &Item::Gone { partition: id, term });
            }
            return;
        }
        if term == 0 {
            return;
        }
        // Believed only if the fabric says so too.
        let is_out = |partition: &Partition| {
            let members = &partition.replica.members;
            // Who has never heard who the members are has nothing that anybody counts on; and nobody has counted on
            // us since a leader of no older term does not, though we may not have heard how it became a member.
            members.contains(from) || members.voters.is_empty() || term >= partition.term()
        };
        if is_target || !place.partition.as_deref().is_some_and(is_out) {
            return;
        }
        self.let_go(id);
    }

    /// Drops a replica that is not to be here any more.
    pub(crate) fn let_go(&mut self, id: PartitionId) {
        let (_, places, fabric) = split(self);
        let Some(mut partition) = places[usize::from(id.0)].partition.take() else { return };
        let errands = partition.let_go(&mut fabric.answers);
        // It tells those who have read from it before it goes.
        self.places[usize::from(id.0)].partition = Some(partition);
        self.settle_trackers(id);
        let (_, places, fabric) = split(self);
        let Some(mut partition) = places[usize::from(id.0)].partition.take() else { return };
        fabric.transfers.drop_overtaken(id, u64::MAX);
        if self.logging {
            write_gone(&mut self.outbox.frame, id, partition.replica.applied.index);
        }
        self.abandon_checkpoint(id);
        self.forget_scrub(id, partition.replica.scrub.take());
        for Errand { head, request } in errands {
            self.errand(head, request.args(), request.raw());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(voters: &[u64], learners: &[u64]) -> Members {
        Members { voters: voters.to_vec(), learners: learners.to_vec(), ..Members::default() }
    }

    #[track_caller]
    fn check(voters: &[u64], learners: &[u64], target: &[u64], caught_up: &[u64], expect: Step) {
        let standing = |id: u64| match caught_up.contains(&id) {
            true => Standing::CaughtUp,
            false => Standing::Answers,
        };
        let step = next_step(1, false, &members(voters, learners), target, &standing, &|_| false);
        assert_eq!(step, expect);
    }

    #[test]
    fn nobody_is_let_go_while_those_who_stay_could_not_decide() {
        let next = |target: &[u64], away: &[u64]| {
            let standing = |id: u64| match away.contains(&id) {
                true => Standing::Silent,
                false => Standing::CaughtUp,
            };
            next_step(1, false, &members(&[1, 2, 3], &[]), target, &standing, &|_| false)
        };
        let remove = Step::Change(vec![Change::Remove(3)]);
        assert_eq!(next(&[1, 2], &[]), remove);
        assert_eq!(next(&[1, 2], &[3]), remove);
        assert_eq!(next(&[1, 2], &[2]), Step::Lack);
        assert_eq!(next(&[1], &[2]), Step::Change(vec![Change::Remove(2), Change::Remove(3)]));
    }

    #[test]
    fn a_newcomer_that_says_nothing_is_not_begun_with_and_takes_no_turn() {
        let next = |learners: &[u64], silent: &[u64], caught_up: &[u64]| {
            let standing = |id: u64| match id {
                id if silent.contains(&id) => Standing::Silent,
                id if caught_up.contains(&id) => Standing::CaughtUp,
                _ => Standing::Away,
            };
            next_step(1, false, &members(&[1], learners), &[1, 2, 3], &standing, &|_| false)
        };
        assert_eq!(next(&[], &[2], &[]), Step::Change(vec![Change::AddLearner(3)]));
        assert_eq!(next(&[3], &[2], &[]), Step::Wait, "the other is being brought up");
        assert_eq!(next(&[3], &[2], &[3]), Step::Lack);
        assert_eq!(next(&[2, 3], &[2], &[3]), Step::Lack);
        assert_eq!(next(&[2, 3], &[], &[]), Step::Wait);
    }

    #[test]
    fn newcomers_learn_first_and_then_take_over_in_one_step() {
        check(&[1], &[], &[1, 2, 3], &[], Step::Change(vec![Change::AddLearner(2)]));
        check(&[1], &[2], &[1, 2, 3], &[2], Step::Change(vec![Change::AddLearner(3)]));
        check(&[1], &[2, 3], &[1, 2, 3], &[2], Step::Wait);
        let both = vec![Change::AddVoter(2), Change::AddVoter(3)];
        check(&[1], &[2, 3], &[1, 2, 3], &[2, 3], Step::Change(both));
        let swap = vec![Change::AddVoter(4), Change::Remove(3)];
        check(&[1, 2, 3], &[4], &[1, 2, 4], &[2, 3, 4], Step::Change(swap));
    }

    #[test]
    fn the_lead_goes_to_the_first_and_who_leaves_lets_go_of_it_first() {
        check(&[1, 2, 3], &[], &[2, 1, 3], &[2, 3], Step::Transfer(2));
        check(&[1, 2, 3], &[], &[2, 3, 4], &[2, 3], Step::Change(vec![Change::AddLearner(4)]));
        check(&[1, 2, 3], &[4], &[2, 3, 4], &[2, 3, 4], Step::Change(vec![Change::AddVoter(4)]));
        check(&[1, 2, 3, 4], &[], &[2, 3, 4], &[2, 3, 4], Step::Transfer(2));
        check(&[1, 2, 3], &[], &[1, 2, 3], &[2, 3], Step::Rest);
    }

    #[test]
    fn who_has_a_full_disk_does_not_lead_if_another_can() {
        let next = |target: &[u64], full: &[u64]| {
            let three = members(&[1, 2, 3], &[]);
            next_step(1, false, &three, target, &|_| Standing::CaughtUp, &|id| full.contains(&id))
        };
        assert_eq!(next(&[1, 2, 3], &[1]), Step::Transfer(2));
        assert_eq!(next(&[1, 2, 3], &[1, 2]), Step::Transfer(3));
        assert_eq!(next(&[1, 2, 3], &[1, 2, 3]), Step::Rest);
        assert_eq!(next(&[2, 1, 3], &[2]), Step::Rest, "it is not handed back before there is room");
        assert_eq!(next(&[2, 1, 3], &[3]), Step::Transfer(2));
        assert_eq!(next(&[2, 1, 3], &[1, 2]), Step::Transfer(3));
    }

    #[test]
    fn a_lone_group_wakes_only_for_others() {
        let lone =
            |target: &[u64]| next_step(1, true, &Members::lone(1), target, &|_| Standing::Away, &|_| false);
        assert_eq!(lone(&[1]), Step::Rest);
        assert_eq!(lone(&[1, 2]), Step::Wake);
        assert_eq!(lone(&[2]), Step::Wake);
    }
}
