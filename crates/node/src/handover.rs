//! What a node does that is told to stop: it hands over what it leads, so that those who write through others do not
//! notice, and finishes what is under way.
//!
//! A group that another voter is fit to lead takes no new entry here: the one under way is decided and acknowledged, the
//! lead goes to that voter, and what was collected meanwhile is sent on to it. The others are told, in the word of a node
//! whose disk is full, that this one is not to lead; it stands for no election. A group of which nobody else is fit goes on
//! as ever, until the node is gone.
//!
//! ```text
//!  told to stop ─▶ no new entry ─▶ the last is acknowledged ─▶ another leads ─▶ nobody asks here any more ─▶ may go
//! ```
//! Invariant: no request is refused for it. Does not know: sockets, how long the shell waits.

use base::{Millis, PartitionId};

use crate::fabric::{Fabric, split};
use crate::meta::MetaReplica;
use crate::partition::Partition;
use crate::peer_frame::Item;
use crate::reconcile::Standing;
use crate::worker::Worker;

/// Who was asked nothing by others for so long is asked no more: whoever takes it for a leader is told of the new one within
/// a moment of the election.
const UNASKED_MS: u64 = 200;

/// Longest that clients wait for replicas once the node parts from them.
const WAITS_MS: u64 = 1000;

/// For so long after a node was told, a voter that lacks something is waited for. One that receives a whole state takes longer.
const CATCH_UP_MS: u64 = 2000;

/// For so long new entries wait for what clients want of the last beside a majority's word; then they are more urgent, for
/// they wait for a leader only so long.
const HELD_MS: u64 = 400;

/// The end of a node, once it is told of it.
#[derive(Clone, Copy)]
pub(crate) struct Ending {
    /// Steady clock: when another node last asked for something, or this one was told.
    asked: Millis,
    /// The same: when it was told.
    told: Millis,
}

impl Partition {
    /// Hands the lead to a peer. From now on, in this term, reads are confirmed one by one.
    pub(crate) fn transfer(&mut self, peer: u64) -> bool {
        let is_offered = self.group.transfer_to(peer).is_ok();
        if is_offered {
            self.replica.lease.off_in_term = self.term();
        }
        is_offered
    }

    /// Whether the lead was offered to another in this term.
    fn is_offered(&self) -> bool {
        self.replica.lease.off_in_term == self.term()
    }

    /// Whether the lead may go without anybody being told that an outcome is not known. What was not proposed is sent on, and
    /// acknowledgements are waited for as long as that can wait.
    fn may_be_handed_over(&self, has_waited: bool) -> bool {
        !self.replica.has_entry_under_way() && (has_waited || !self.replica.acks.is_waiting())
    }
}

impl Fabric {
    /// Whether this node is about to stop.
    #[inline]
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Another node asks for something.
    #[inline]
    pub(crate) fn note_asked(&mut self) {
        if let Some(ending) = &mut self.ending {
            ending.asked = self.now;
        }
    }

    /// Whether a node that answers may be given a lead.
    fn may_be_heir(&self, node: u64) -> bool {
        node != self.me && self.is_heard(node) && !self.is_full(node)
    }
}

impl Worker {
    /// The node is about to stop: from now on this worker hands over what it leads.
    pub fn hand_over(&mut self) {
        if !self.fabric.is_on || self.fabric.is_ending() {
            return;
        }
        self.fabric.ending = Some(Ending { asked: self.fabric.now, told: self.fabric.now });
        // Before a lead is handed over, or it would be handed back.
        self.fabric.tell_all(&Item::Full);
        self.hand_leads_over(true);
    }

    /// The node parts from its clients: who waits for replicas is told soon how many there are.
    pub fn begin_to_part(&mut self) {
        self.waits.end_by(Millis(self.now.mono_millis().0 + WAITS_MS));
    }

    /// Whether others are to be told so.
    pub(crate) fn is_not_to_lead(&self) -> bool {
        self.write_refusal.is_some() || self.fabric.is_ending()
    }

    /// Whether this worker has heard that the node is about to stop.
    pub fn is_ending(&self) -> bool {
        self.fabric.is_ending()
    }

    /// How many groups this worker leads that another node could, or could in a moment.
    pub fn leads_to_hand_over(&self) -> usize {
        let is_early = self.fabric.ending.is_none_or(|e| self.fabric.now.since(e.told) < CATCH_UP_MS);
        let groups = self.places.iter().filter_map(|place| place.partition.as_deref());
        let has_heir = |partition: &Partition| {
            self.heir_of(partition.id).is_some() || is_early && self.has_successor(partition)
        };
        let led = groups.filter(|partition| has_heir(partition)).count();
        let leads_meta = self.fabric.meta_replica.as_deref().is_some_and(|meta| {
            meta.group.is_leader()
                && (self.heir_of_meta().is_some()
                    || is_early && self.voters_beside_us(&meta.members.voters).next().is_some())
        });
        led + usize::from(leads_meta)
    }

    /// How much is under way here that others wait for: what they were asked and have not answered, what they asked and may
    /// still ask, and leads that came after all, as who stood for election when it was told may be elected a moment later.
    /// Clients of this node are the shell's to look after.
    pub fn work_under_way(&self) -> usize {
        let groups = || self.places.iter().filter_map(|place| place.partition.as_deref());
        let undecided = groups().filter(|partition| partition.replica.has_entry_under_way()).count();
        let leads = self.leads_to_hand_over();
        // Who still leads, for nobody else can, is asked to the last.
        let is_asked = self.fabric.ending.is_some_and(|e| self.fabric.now.since(e.asked) < UNASKED_MS)
            && (leads > 0 || !groups().any(|partition| partition.group.is_leader()));
        self.fabric.forwards.len() + undecided + leads + usize::from(is_asked)
    }

    /// Goes on with handing over. `again`: offers that came to nothing are made again.
    pub(crate) fn hand_leads_over(&mut self, again: bool) {
        for id in (0..self.places.len()).map(|place| PartitionId(place as u16)) {
            let heir = self.heir_of(id);
            let (_, places, fabric) = split(self);
            let Some(partition) = places[usize::from(id.0)].partition.as_deref_mut() else { continue };
            let Some(heir) = heir else {
                if partition.replica.parts_since.take().is_some() {
                    fabric.stir(id);
                }
                continue;
            };
            let since = *partition.replica.parts_since.get_or_insert(fabric.now);
            let is_due = again || !partition.is_offered();
            let has_waited = fabric.now.since(since) >= HELD_MS;
            if is_due && partition.may_be_handed_over(has_waited) && partition.transfer(heir) {
                fabric.stir(id);
            }
        }
        let Some(heir) = self.heir_of_meta() else { return };
        if let Some(meta) = &mut self.fabric.meta_replica {
            // Refused while a change is under way: it is offered again.
            let _ = meta.group.transfer_to(heir);
        }
    }

    /// Who else votes, answers, has data and is to lead.
    fn voters_beside_us<'a>(&'a self, voters: &'a [u64]) -> impl Iterator<Item = u64> + 'a {
        voters.iter().copied().filter(|voter| self.fabric.may_be_heir(*voter))
    }

    fn has_successor(&self, partition: &Partition) -> bool {
        let (group, members) = (&partition.group, &partition.replica.members);
        let mut others = self.voters_beside_us(&members.voters);
        group.is_leader() && !group.is_lone() && others.any(|voter| !self.fabric.is_witness(voter))
    }

    /// Who is to lead a group that this worker leads: the first of its target that has what there is.
    fn heir_of(&self, id: PartitionId) -> Option<u64> {
        let partition = self.places[usize::from(id.0)].partition.as_deref()?;
        if !self.has_successor(partition) {
            return None;
        }
        let target = self.fabric.meta.voters_of(id);
        let target = target.iter().filter_map(|node| cluster::replica_id(*node));
        let voters = &partition.replica.members.voters;
        let is_fit = |voter: &u64| {
            voters.contains(voter)
                && self.fabric.may_be_heir(*voter)
                && !self.fabric.is_witness(*voter)
                && self.standing_of(partition, *voter) == Standing::CaughtUp
        };
        target.chain(voters.iter().copied()).find(is_fit)
    }

    fn heir_of_meta(&self) -> Option<u64> {
        let MetaReplica { group, members, .. } = self.fabric.meta_replica.as_deref()?;
        let last = group.last().index;
        let has_all =
            |voter: &u64| group.progress_of(*voter).is_some_and(|p| p.is_active && p.matched == last);
        let mut heirs = self.voters_beside_us(&members.voters);
        heirs.find(has_all).filter(|_| group.is_leader())
    }
}
