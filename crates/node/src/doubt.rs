//! What a replica does whose machine lost its power: it may have forgotten entries that it had acknowledged.
//!
//! It neither votes nor stands for election, for what it has forgotten may be decided. It asks the others of its group.
//! A leader counts nothing any more that was acknowledged before, sends what is missing, and tells how far it has
//! committed: once all of that is here, the doubt is over. If nobody leads and all others have told what they have, as
//! when all of them lost their power, the longest log is as much as there is: who has it is elected.
//!
//! ```text
//! start after a power loss ─▶ Doubt to all ─┬─ the leader: Told(committed) ─▶ have it all ─▶ a voter again
//!                              (now and then) └─ the others: Told(last entry) ─▶ all told ─▶ may elect the longest
//! ```
//! It is the same where no loss of power was told of, but a leader counts on entries that are not here.
//!
//! Invariant: a replica in doubt helps to elect only who has all that any other told it had, and all it has itself.
//! Does not know: what was lost, disks; the meta group, whose entries are all synced before they are told; whether the machine lost its power is the shell's to say.

use std::collections::BTreeMap;

use base::{Millis, PartitionId};
use raft::{Change, EntryId, Group, Members, Message, MessageKind, Role};

use crate::outbox::Control;
use crate::peer_frame::Item;
use crate::worker::Worker;

/// The doubts of a worker's replicas.
#[derive(Default)]
pub(crate) struct Doubts {
    /// Tells this life's questions from those of an earlier one.
    life: u64,
    by_group: BTreeMap<PartitionId, Doubt>,
    /// The questions of others that were heeded: by group and node.
    heeded: BTreeMap<(PartitionId, u64), Heeded>,
}

/// The question of another.
#[derive(Clone, Copy)]
struct Heeded {
    life: u64,
    /// In which of our terms it was heeded.
    term: u64,
    /// Steady clock: when it was asked last.
    asked: Millis,
}

/// Who asks six times a second and has not for so long is not in doubt any more.
const DOUBTED_MS: u64 = 500;

/// What is known of what one replica may have forgotten.
#[derive(Default)]
struct Doubt {
    /// Up to here it was committed when a leader first said so.
    committed: Option<u64>,
    /// An operator says that nothing is missing: it votes, and goes on asking, for a leader may have to send anew what it
    /// believes to be here.
    is_trusted: bool,
    /// The last entries of others.
    told: BTreeMap<u64, EntryId>,
}

impl Doubt {
    /// What a leader must have at least, by all that is known; `None` while another voter has told nothing, or while no
    /// voter is known at all: who has forgotten the others cannot know how much it told them.
    fn least(&self, mine: EntryId, me: u64, voters: &[u64]) -> Option<EntryId> {
        if voters.is_empty() {
            return None;
        }
        let mut others = voters.iter().filter(|&&voter| voter != me);
        others.try_fold(mine, |least, voter| Some(least.max(*self.told.get(voter)?)))
    }
}

/// Everybody who may have counted in this group: its voters, and those that changes in the log name, which may be in force
/// elsewhere though nobody here knows that they are committed.
fn voters_of(group: &Group, members: &Members) -> Vec<u64> {
    let mut voters: Vec<u64> = members.voters.iter().chain(&members.voters_outgoing).copied().collect();
    for entry in group.unapplied() {
        let raft::Payload::Change(changes) = entry.payload else { continue };
        voters.extend(changes.into_iter().filter_map(|change| match change {
            Change::AddVoter(id) => Some(id),
            Change::AddLearner(_) | Change::Remove(_) => None,
        }));
    }
    voters.sort_unstable();
    voters.dedup();
    voters
}

impl Worker {
    /// The machine lost its power since this node ran last: its replicas of groups with peers may have lost entries.
    pub(crate) fn begin_in_doubt(&mut self) {
        self.fabric.doubts.life = self.random.next_u64();
        let ids: Vec<PartitionId> = self.router.all().collect();
        for id in ids {
            if self.group_and_members(id).is_some_and(|(group, _)| !group.is_lone()) {
                self.fabric.doubts.by_group.insert(id, Doubt::default());
            }
        }
        self.note_certainty();
    }

    /// The leader counts on entries that are not here, though no power was lost as far as this node knows, or though it was
    /// asked before: a newcomer may have forgotten all of a group, even that it had a part in it, or had to begin anew.
    pub(crate) fn begin_doubt(&mut self, id: PartitionId) {
        // Whoever heeded an earlier question has to heed this one.
        self.fabric.doubts.life = self.random.next_u64();
        self.fabric.doubts.by_group.entry(id).or_default();
        self.tell_doubts();
    }

    /// Whether this group's replica is.
    pub(crate) fn is_in_doubt(&self, id: PartitionId) -> bool {
        self.fabric.doubts.by_group.contains_key(&id)
    }

    /// Ends all doubts at an operator's word, who knows that the others are gone for good; how many there were.
    pub(crate) fn trust_own_log(&mut self) -> usize {
        let doubts = self.fabric.doubts.by_group.values_mut().filter(|doubt| !doubt.is_trusted);
        doubts.map(|doubt| doubt.is_trusted = true).count()
    }

    /// Groups here whose replica is in doubt.
    pub fn groups_in_doubt(&self) -> usize {
        self.fabric.doubts.by_group.len()
    }

    fn group_and_members(&self, id: PartitionId) -> Option<(&Group, &Members)> {
        let partition = self.places.get(usize::from(id.0))?.partition.as_deref()?;
        Some((&partition.group, &partition.replica.members))
    }

    /// The last entry that is applied here.
    fn applied_of(&self, id: PartitionId) -> EntryId {
        let partition = self.places.get(usize::from(id.0)).and_then(|place| place.partition.as_deref());
        partition.map_or(EntryId::default(), |partition| partition.replica.applied)
    }

    /// Whether a replica may take part in the election of one that has this last entry; of itself by `None`.
    fn may_elect(&self, id: PartitionId, candidate: Option<EntryId>) -> bool {
        let Some(doubt) = self.fabric.doubts.by_group.get(&id) else { return true };
        #[cfg(narf_plant)]
        if base::plant::is(base::plant::Plant::VotesInDoubt) {
            return true;
        }
        if doubt.is_trusted {
            return true;
        }
        let Some((group, members)) = self.group_and_members(id) else { return true };
        let least = doubt.least(group.last(), self.fabric.me, &voters_of(group, members));
        least.is_some_and(|least| candidate.unwrap_or(group.last()) >= least)
    }

    /// Whether a message of a peer may be taken up by a replica that may be in doubt.
    pub(crate) fn is_beyond_doubt(&self, id: PartitionId, message: &Message) -> bool {
        match message.kind() {
            MessageKind::Vote | MessageKind::PreVote => self.may_elect(id, Some(message.last_of_candidate())),
            MessageKind::TimeoutNow => !self.fabric.is_ending() && self.may_elect(id, None),
            _ => true,
        }
    }

    /// Whether a replica's clock stands still: it would stand for election.
    pub(crate) fn must_not_stand(&self, id: PartitionId) -> bool {
        let leads = self.group_and_members(id).is_some_and(|(group, _)| group.role() == Role::Leader);
        !leads && (self.fabric.is_ending() || !self.may_elect(id, None))
    }

    /// Asks the others of each group in doubt.
    pub(crate) fn tell_doubts(&mut self) {
        let life = self.fabric.doubts.life;
        let mut questions = Vec::new();
        for &partition in self.fabric.doubts.by_group.keys() {
            let Some((group, members)) = self.group_and_members(partition) else { continue };
            let EntryId { term, index } = group.last();
            let mut all = voters_of(group, members);
            all.extend(&members.learners);
            // A newcomer may have forgotten that it was told who they are.
            if members.voters.is_empty() {
                all.extend(self.fabric.peers.keys());
            }
            questions
                .extend(all.into_iter().map(|node| (node, Item::Doubt { partition, life, term, index })));
        }
        questions.into_iter().for_each(|(node, item)| self.fabric.tell(node, &item));
    }

    /// A replica elsewhere is in doubt; this is the last entry that it has.
    pub(crate) fn take_doubt(&mut self, from: u64, partition: PartitionId, life: u64, last: EntryId) {
        let applied = self.applied_of(partition);
        let Some((group, _)) = self.group_and_members(partition) else {
            // Who holds nothing has nothing that the other might lack, be it that it lost its power, too, and forgot that it
            // had a replica: whoever leads will give it one. A partition that is lent is held.
            if self.fabric.is_spread {
                let item = Item::Told { partition, life, term: 0, index: 0, is_leader: false };
                self.fabric.tell(from, &item);
            }
            return;
        };
        let (term, commit) = (group.hard_state().term, group.hard_state().commit);
        if group.role() != Role::Leader {
            let EntryId { term, index } = group.last();
            return self.fabric.tell(from, &Item::Told { partition, life, term, index, is_leader: false });
        }
        let heeded = Heeded { life, term, asked: self.fabric.now };
        let before = self.fabric.doubts.heeded.insert((partition, from), heeded);
        if before.is_none_or(|before| (before.life, before.term) != (life, term)) {
            if let Some(led) = self.partition_mut(partition) {
                led.group.peer_lost_its_end(from, last);
            }
            self.fabric.stir(partition);
        }
        // Before an entry of its own term is committed, a leader does not know how far others had.
        if applied.term == term {
            let item = Item::Told { partition, life, term, index: commit, is_leader: true };
            self.fabric.tell(from, &item);
        }
    }

    /// Whether a replica elsewhere is in doubt, as far as a leader here can know.
    pub(crate) fn is_doubted(&self, partition: PartitionId, node: u64) -> bool {
        let heeded = self.fabric.doubts.heeded.get(&(partition, node));
        heeded.is_some_and(|heeded| self.fabric.now.since(heeded.asked) <= DOUBTED_MS)
    }

    /// Another replica answers: it leads and has committed so much, or this is the last entry that it has.
    pub(crate) fn take_told(
        &mut self,
        from: u64,
        partition: PartitionId,
        life: u64,
        id: EntryId,
        is_leader: bool,
    ) {
        let own_term = self.group_and_members(partition).map_or(0, |(group, _)| group.hard_state().term);
        if life != self.fabric.doubts.life {
            return;
        }
        let Some(doubt) = self.fabric.doubts.by_group.get_mut(&partition) else { return };
        if !is_leader {
            doubt.told.insert(from, id);
        } else if id.term >= own_term {
            doubt.committed.get_or_insert(id.index);
        }
    }

    /// Ends doubts that are over.
    pub(crate) fn settle_doubts(&mut self) {
        if self.fabric.doubts.by_group.is_empty() {
            return;
        }
        let is_over = |(&id, doubt): (&PartitionId, &Doubt)| {
            let over = match self.group_and_members(id) {
                None => true,
                Some((group, _)) if group.is_lone() => true,
                Some((group, _)) if group.role() == Role::Leader => {
                    self.applied_of(id).term == group.hard_state().term
                }
                Some((group, _)) => doubt.committed.is_some_and(|index| group.hard_state().commit >= index),
            };
            over.then_some(id)
        };
        let over: Vec<PartitionId> = self.fabric.doubts.by_group.iter().filter_map(is_over).collect();
        for id in over {
            self.fabric.doubts.by_group.remove(&id);
        }
        self.note_certainty();
    }

    fn note_certainty(&mut self) {
        if self.fabric.doubts.by_group.is_empty() {
            self.outbox.control.push(Control::Certain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(term: u64, index: u64) -> EntryId {
        EntryId { term, index }
    }

    #[test]
    fn the_longest_log_is_known_once_all_have_told() {
        let mut doubt = Doubt::default();
        assert_eq!(doubt.least(id(3, 7), 1, &[1]), Some(id(3, 7)), "who has no others has all there is");
        assert_eq!(doubt.least(id(3, 7), 1, &[1, 2, 3]), None);
        doubt.told.insert(2, id(2, 90));
        assert_eq!(doubt.least(id(3, 7), 1, &[1, 2, 3]), None);
        doubt.told.insert(3, id(3, 8));
        assert_eq!(doubt.least(id(3, 7), 1, &[1, 2, 3]), Some(id(3, 8)));
        assert_eq!(doubt.least(id(4, 1), 1, &[1, 2, 3]), Some(id(4, 1)), "the later term wins");
    }

    #[test]
    fn voters_that_only_the_end_of_the_log_names_are_asked_too() {
        let members = Members { voters: vec![1, 2], ..Members::default() };
        let change = raft::Entry {
            id: id(3, 8),
            payload: raft::Payload::Change(vec![Change::AddVoter(4), Change::Remove(2)]),
        };
        let recovered = raft::Recovered {
            hard: raft::HardState { term: 3, vote: 1, commit: 7 },
            members: members.clone(),
            snapshot: id(3, 7),
            last: id(3, 8),
            applied: 7,
            tail: vec![change],
        };
        let config = crate::fabric::group_config(1, PartitionId(0), 1);
        let group = Group::recover(config, recovered).unwrap();
        assert_eq!(voters_of(&group, &members), [1, 2, 4]);
    }

    #[test]
    fn who_has_forgotten_the_others_helps_to_elect_nobody() {
        assert_eq!(Doubt::default().least(id(0, 0), 1, &[]), None);
    }
}
