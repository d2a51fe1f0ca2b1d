//! What a worker tells those who look at a node from outside: the simulator, and tests.

use base::{Millis, PartitionId};
use cluster::Meta;

use crate::owed::Owed;
use crate::partition::Partition;
use crate::worker::Worker;

impl Worker {
    /// The fabric's state as it is known here.
    pub fn fabric_state(&self) -> &Meta {
        &self.fabric.meta
    }

    /// How many replicas of partitions this worker has.
    pub fn replicas(&self) -> usize {
        self.places.iter().filter(|place| place.partition.is_some()).count()
    }

    /// Bytes of answers that are kept for peers to which there is no way.
    pub fn owed_bytes(&self) -> usize {
        self.fabric.owed.values().map(Owed::bytes).sum()
    }

    /// Bytes of entries that the groups of this worker keep in memory.
    pub fn tail_bytes(&self) -> usize {
        let replicas = self.places.iter().filter_map(|place| place.partition.as_deref());
        replicas.map(|partition| partition.group.tail_bytes()).sum()
    }

    /// Who follows a partition's group and does not vote yet, as far as the replica here knows.
    pub fn learners_of(&self, id: PartitionId) -> &[u64] {
        let partition = self.places.get(usize::from(id.0)).and_then(|place| place.partition.as_deref());
        partition.map_or(&[], |partition| &partition.replica.members.learners)
    }

    /// How many groups may need what is here: of the partitions that this worker has replicas of, and the meta group while
    /// it counts on this node. A node that leaves goes when it is none.
    pub fn groups_that_need_us(&self) -> usize {
        self.replicas() + usize::from(self.votes_in_meta())
    }

    /// How many replicas here know that their group has so many voters and nobody else.
    pub fn settled_replicas(&self, voters: usize) -> usize {
        let replicas = self.places.iter().filter_map(|place| place.partition.as_deref());
        let members = replicas.map(|partition| partition.group.members());
        let is_settled = |members: &raft::Members| {
            members.voters.len() == voters && !members.is_joint() && members.learners.is_empty()
        };
        members.filter(is_settled).count()
    }

    /// Replicas here whose group is not as [`Worker::settled_replicas`] counts them, each in a few words.
    pub fn unsettled_replicas(&self, voters: usize) -> Vec<String> {
        let replicas = self.places.iter().filter_map(|place| place.partition.as_deref());
        let tell = |partition: &crate::partition::Partition| {
            let (group, members) = (&partition.group, partition.group.members());
            if members.voters.len() == voters && !members.is_joint() && members.learners.is_empty() {
                return None;
            }
            let (hard, last, applied) = (group.hard_state(), group.last(), partition.replica.applied);
            let peers = members.voters.iter().chain(&members.learners);
            let progress: Vec<_> = peers
                .map(|&peer| (peer, group.progress_of(peer), self.is_doubted(partition.id, peer)))
                .collect();
            let is_in_doubt = self.is_in_doubt(partition.id);
            let role = group.role();
            Some(format!(
                "{:?}: {role:?}, {hard:?}, last {last:?}, applied {applied:?}, {members:?}, in doubt {is_in_doubt}, {progress:?}",
                partition.id
            ))
        };
        replicas.filter_map(tell).collect()
    }

    /// Whether a partition here has no other voter.
    pub fn decides_alone(&self) -> bool {
        let mut replicas = self.places.iter().filter_map(|place| place.partition.as_deref());
        replicas.any(Partition::decides_alone)
    }

    /// The version of the list of users that this worker goes by, and the list.
    pub fn users_in_force(&self) -> (u64, Vec<u8>) {
        let list = self.user_list();
        (list.version(), list.encode())
    }

    /// The settings that are the fabric's, as this worker goes by them.
    pub fn shared_settings_in_force(&self) -> Vec<(&'static str, String)> {
        let shared = crate::settings::SETTINGS.iter().filter(|row| row.shared);
        shared.map(|row| (row.name, row.format(&self.settings))).collect()
    }

    /// What the replicas on this worker hold: for each the last entry it has applied, and a digest of its keys, also of
    /// those that have lapsed, which are deleted by entries, on all replicas at the same place; and of what is kept of
    /// numbered requests. Replicas of a witness hold nothing.
    pub fn contents(&self) -> Vec<(PartitionId, u64, u128)> {
        let now = Millis(0);
        let digest = |partition: &Partition| {
            let keyspaces = partition.keyspaces();
            let ledger = u128::from(partition.ledger().digest()) << 64;
            keyspaces.fold(ledger, |all, (db, keyspace)| {
                all ^ keyspace.digest(now).rotate_left(u32::from(db.number()))
            })
        };
        let partitions = self.places.iter().filter_map(|place| place.partition.as_deref());
        let partitions = partitions.filter(|partition| !partition.group.is_witness());
        partitions.map(|partition| (partition.id(), partition.applied().index, digest(partition))).collect()
    }
}
