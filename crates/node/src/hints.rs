//! Who leads a partition, and what it can bear, as its leader says to all nodes.
//!
//! A leader says so when it was elected, when a way to a node opens, whenever the number of replicas that it can
//! lose has changed, and each second, for it may have been taken for wrong. Only a hint: who is asked wrongly says who is
//! to be asked.

use base::PartitionId;
use raft::Members;

use crate::fabric::Fabric;
use crate::partition::Partition;
use crate::peer_frame::Item;
use crate::replica::Replica;
use crate::worker::Worker;

/// What is known of a partition that others lead.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hint {
    /// Zero if nobody is known.
    pub(crate) leader: u64,
    pub(crate) term: u64,
    /// How many replicas may be lost before it refuses writes.
    pub(crate) may_lose: u8,
}

/// How many members may be lost, of those that are up, so that a majority stays.
fn may_lose(members: &Members, is_up: &dyn Fn(u64) -> bool) -> u8 {
    let of = |voters: &[u64]| {
        let up = voters.iter().filter(|id| is_up(**id)).count();
        up.saturating_sub(voters.len() / 2 + 1).min(usize::from(u8::MAX)) as u8
    };
    match members.is_joint() {
        true => of(&members.voters).min(of(&members.voters_outgoing)),
        false => of(&members.voters),
    }
}

/// Who can serve a partition.
pub(crate) enum Standing {
    /// This node alone.
    Lone,
    /// This node leads its group.
    Leads,
    /// That node leads it, and there is a way to it.
    Elsewhere(u64),
    /// Nobody that we know of, at the moment.
    Nobody,
}

impl Fabric {
    /// Somebody leads a partition in this term.
    pub(crate) fn hint(&mut self, partition: PartitionId, leader: u64, term: u64) {
        if let Some(hint) = self.hints.get_mut(usize::from(partition.0))
            && term >= hint.term
            && (hint.leader, hint.term) != (leader, term)
        {
            if term > hint.term {
                self.new_leads.push(partition);
            }
            *hint = Hint { leader, term, may_lose: 0 };
        }
    }

    /// The same, of itself, and what it can bear.
    pub(crate) fn hint_of_leader(&mut self, partition: PartitionId, leader: u64, term: u64, may_lose: u8) {
        self.hint(partition, leader, term);
        if let Some(hint) = self.hints.get_mut(usize::from(partition.0))
            && (hint.leader, hint.term) == (leader, term)
        {
            hint.may_lose = may_lose;
        }
    }

    pub(crate) fn hint_for(&self, partition: PartitionId) -> Option<Hint> {
        self.hints.get(usize::from(partition.0)).copied().filter(|hint| hint.leader != 0)
    }

    /// `wrong` does not lead it, and thinks that `better` does, or knows nobody: then it says zero.
    pub(crate) fn correct_hint(&mut self, partition: PartitionId, wrong: u64, better: u64) {
        if let Some(hint) = self.hints.get_mut(usize::from(partition.0)).filter(|hint| hint.leader == wrong) {
            *hint = Hint { leader: better, may_lose: 0, ..*hint };
        }
    }

    /// How many replicas a partition that is led here may lose. Whose disk is full takes no entries, and who lacks more than a
    /// witness could send it would be of no use without us.
    pub(crate) fn may_lose_of(&self, partition: &Partition) -> u8 {
        if partition.group.is_lone() {
            return 0;
        }
        let Replica { members, witnessed, .. } = &partition.replica;
        let matched = |id| partition.group.progress_of(id).map_or(0, |progress| progress.matched);
        let has_witness = members.voters.iter().any(|id| self.is_witness(*id));
        let is_of_use = |id| !has_witness || self.is_witness(id) || matched(id) >= witnessed.base;
        may_lose(members, &|id| id == self.me || self.is_heard(id) && !self.is_full(id) && is_of_use(id))
    }

    /// Whether a majority of those that are to have a partition is there: if nobody leads it, they elect somebody.
    pub(crate) fn can_elect(&self, partition: PartitionId) -> bool {
        let voters = self.meta.voters_of(partition);
        let ids = voters.iter().filter_map(|node| cluster::replica_id(*node));
        ids.filter(|&id| id == self.me || self.is_heard(id)).count() * 2 > voters.len()
    }

    /// What this node says of a partition that it leads.
    pub(crate) fn leads_item(&self, partition: &Partition) -> Item<'static> {
        let (partition, may_lose, term) = (partition.id, self.may_lose_of(partition), partition.term());
        Item::Leads { partition, term, may_lose }
    }
}

impl Worker {
    /// Who can serve a partition, as far as is known here.
    pub(crate) fn standing(&self, id: PartitionId) -> Standing {
        let Some(place) = self.places.get(usize::from(id.0)) else { return Standing::Nobody };
        let leader = match place.partition.as_deref() {
            Some(partition) if partition.group.is_lone() && self.fabric.knows_time => return Standing::Lone,
            Some(partition) if partition.leads() && self.fabric.knows_time => return Standing::Leads,
            Some(partition) => partition.group.leader(),
            None => None,
        };
        let hinted = self.fabric.hint_for(id).map(|hint| hint.leader);
        let is_fit = |leader: &u64| *leader != self.fabric.me && self.serves_others(*leader);
        let known = leader.or(hinted).filter(is_fit);
        if let Some(leader) = known {
            return Standing::Elsewhere(leader);
        }
        // A replica waits for the election that it takes part in; who has none asks one that has.
        match place.partition {
            Some(_) => Standing::Nobody,
            None => self.some_replica(id).map_or(Standing::Nobody, Standing::Elsewhere),
        }
    }

    fn some_replica(&self, id: PartitionId) -> Option<u64> {
        let voters = self.fabric.meta.voters_of(id);
        let ids = voters.iter().filter_map(|node| cluster::replica_id(*node));
        ids.filter(|&node| node != self.fabric.me).find(|&node| self.serves_others(node))
    }

    /// Whether another node can be asked for data.
    fn serves_others(&self, node: u64) -> bool {
        self.fabric.is_heard(node) && !self.fabric.is_witness(node)
    }

    /// Tells all nodes of each partition that is led here.
    pub(crate) fn tell_what_is_led(&mut self) {
        let Worker { places, fabric, .. } = self;
        let led = places.iter().filter_map(|place| place.partition.as_deref());
        for partition in led.filter(|partition| partition.leads() && !partition.group.is_lone()) {
            let item = fabric.leads_item(partition);
            fabric.tell_all(&item);
        }
    }

    /// Tells all nodes if a partition that is led here can bear more or less than they were told.
    pub(crate) fn tell_what_it_bears(&mut self, id: PartitionId) {
        let Worker { places, fabric, .. } = self;
        let place = places.get_mut(usize::from(id.0)).and_then(|place| place.partition.as_deref_mut());
        let Some(partition) = place.filter(|partition| partition.leads()) else { return };
        let bears = fabric.may_lose_of(partition);
        if partition.replica.told_may_lose != bears {
            partition.replica.told_may_lose = bears;
            fabric.tell_all(&fabric.leads_item(partition));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(voters: &[u64], outgoing: &[u64], up: &[u64], expect: u8) {
        let members = Members {
            voters: voters.to_vec(),
            voters_outgoing: outgoing.to_vec(),
            learners: vec![9],
            ..Members::default()
        };
        assert_eq!(may_lose(&members, &|id| up.contains(&id)), expect, "{members:?}, up {up:?}");
    }

    #[test]
    fn what_a_group_bears_is_what_its_majorities_can_spare() {
        check(&[1], &[], &[1, 9], 0);
        check(&[1, 2], &[], &[1, 2, 9], 0);
        check(&[1, 2, 3], &[], &[1, 2, 3], 1);
        check(&[1, 2, 3], &[], &[1, 2], 0);
        check(&[1, 2, 3], &[], &[1], 0);
        check(&[1, 2, 3, 4, 5], &[], &[1, 2, 3, 4, 5], 2);
        check(&[1, 2, 3], &[1], &[1, 2, 3], 0);
        check(&[1, 2, 4], &[1, 2, 3], &[1, 2, 3, 4], 1);
        check(&[1, 2, 4], &[1, 2, 3], &[1, 2, 4], 0);
    }
}
