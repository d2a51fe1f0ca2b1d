//! What is left of a cluster whose majority is gone for good, out of the folders of its nodes, and the beginning of another
//! cluster made of it.
//!
//! Of each partition the replica counts that got furthest: by the term of its last entry, then by its index, as in an
//! election. All that it has logged counts, see [`crate::recovering`]. What is made of it are the partitions of a cluster
//! of one node, as that would have them after its first entry, and the state of the fabric with this node as its only
//! member; of the old one's nodes nothing is in it.
//!
//! ```text
//!  folder ─▶ Recovery ─▶ take ─▶ states that got further than those before ─▶ checkpoints of the new folder
//!                          └───▶ the newest state of the fabric ────▶ found ─▶ the first frame of its log
//! ```
//! Invariant: a replica takes another's place only if it got further, or as far and is more certain.
//! Does not know: files, what the report looks like. Why it is so is in `docs/decisions/0025`.

use std::collections::{BTreeMap, BTreeSet};

use base::{KeyHasher, Millis, NodeId, PartitionId};
use cluster::{Command, Founding, Meta, Newcomer, Refused};
use raft::{EntryId, Group, Members, RecoverError, Recovered};

use crate::checkpoint::StateWalk;
use crate::entry::write_meta;
use crate::fabric::group_config;
use crate::partition::{Content, Partition};
use crate::recovering::Remains;
use crate::recovery::{Recovery, RecoveryError};
use crate::router::Router;

/// The setting of the fabric that tells from which cluster it was rescued.
pub const RESCUED: &str = "rescued";

/// Bytes of a chunk, about.
const CHUNK_BYTES: usize = 1 << 20;

/// What is known of what a partition may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// A majority of its voters is here, and remembers all: nothing that was acknowledged is missing.
    Whole,
    /// All of its voters are here and some lost their power: the cluster itself would go on with the same.
    Longest,
    /// What only the others had is missing, if there was anything.
    Partial,
    /// More may be missing, as there is no replica that voted, remembers all and was to stay.
    Doubtful(Doubt),
    /// There is nothing of it.
    Missing,
}

/// Why more may be missing of a partition than what only others had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// The machine of the best replica lost its power, which may have taken what it had acknowledged.
    LostPower,
    /// The best replica was being brought up and did not vote yet.
    NoVoter,
    /// Other nodes were to hold the partition instead of the one that has the best replica.
    Replaced,
}

/// The best replica of a partition so far.
struct Chosen {
    node: NodeId,
    last: EntryId,
    members: Members,
    is_changing: bool,
    is_certain: bool,
    keys: u64,
}

/// What was found of a partition.
#[derive(Default)]
struct Place {
    chosen: Option<Chosen>,
    /// Who had a replica, by its number in the groups, and who of them can have forgotten nothing.
    seen: BTreeSet<u64>,
    certain: BTreeMap<u64, NodeId>,
}

/// See the module.
pub struct Rescue {
    router: Router,
    hasher: KeyHasher,
    /// The only node of the new cluster.
    me: u64,
    places: Vec<Place>,
    /// The newest state of the fabric, and its last entry.
    fabric: Option<(EntryId, Meta)>,
}

/// Why a node's folder cannot be used with the others.
#[derive(Debug, thiserror::Error)]
pub enum RescueError {
    /// It cannot be read.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// It is of another cluster.
    #[error(
        "it is of cluster {found:032x}, and those before it of cluster {known:032x}; rescue each by itself"
    )]
    OtherCluster {
        /// Its cluster.
        found: u128,
        /// That of those before.
        known: u128,
    },
}

impl From<crate::ReplayError> for RescueError {
    fn from(error: crate::ReplayError) -> RescueError {
        RescueError::Recovery(error.into())
    }
}

/// What one node had.
pub struct Remainder {
    /// Partitions of which it had a replica.
    pub replicas: usize,
    /// When the last entry of any was made, by its leader's clock.
    pub last: Millis,
    /// The replicas that are the best so far.
    pub better: Vec<RescuedState>,
}

/// The state of a partition of the new cluster, to be written as its checkpoint.
pub struct RescuedState {
    partition: Partition,
    walk: StateWalk,
}

impl RescuedState {
    /// The last entry of every partition's state, for its checkpoint: the one before the first, as where nothing was written
    /// yet.
    pub const TERM_AND_INDEX: (u64, u64) = (EntryId::FOUNDED.term, EntryId::FOUNDED.index);

    fn new(
        (id, me): (PartitionId, u64),
        hasher: KeyHasher,
        content: Content,
        time: Millis,
    ) -> Result<RescuedState, RecoverError> {
        let group = Group::recover(group_config(me, id, 0), Recovered::founder(me))?;
        let last = (EntryId::FOUNDED, time);
        let mut partition = Partition::recovered(id, group, hasher, content, last, Members::lone(me));
        let walk = StateWalk::begin(&mut partition).expect("nobody else walks over it");
        Ok(RescuedState { partition, walk })
    }

    /// Which partition.
    pub fn id(&self) -> PartitionId {
        self.partition.id()
    }

    /// The time of its last entry.
    pub fn time(&self) -> Millis {
        self.partition.last_time
    }

    /// The next chunk of its checkpoint; none if that was all.
    pub fn next_chunk(&mut self) -> Option<Vec<u8>> {
        loop {
            let chunk = self.walk.next(&mut self.partition, CHUNK_BYTES)?;
            if chunk.len() > 1 {
                return Some(chunk);
            }
        }
    }
}

impl Rescue {
    /// Nothing was found yet. `me` is the number in the groups of the only node of the new cluster.
    pub fn new(router: Router, hasher: KeyHasher, me: u64) -> Rescue {
        let places = router.all().map(|_| Place::default()).collect();
        Rescue { router, hasher, me, places, fabric: None }
    }

    /// Takes what was read of a node that holds data. `told` is what the cluster told it when it was let in.
    pub fn take(
        &mut self,
        node: NodeId,
        recovery: Recovery,
        told: Option<Meta>,
        is_in_doubt: bool,
    ) -> Result<Remainder, RescueError> {
        let replica = cluster::replica_id(node).unwrap_or_default();
        let (partitions, fabric) = recovery.into_parts();
        if let Some((last, state)) = fabric.into_remains()?.or(told.map(|told| (EntryId::default(), told))) {
            self.take_fabric(last, state)?;
        }
        let mut remainder = Remainder { replicas: 0, last: Millis::default(), better: Vec::new() };
        for partition in partitions {
            let Some(remains) = partition.into_remains(replica)? else { continue };
            remainder.replicas += 1;
            remainder.last = remainder.last.max(remains.time);
            if let Some(state) = self.compare(node, replica, remains, !is_in_doubt)? {
                remainder.better.push(state);
            }
        }
        Ok(remainder)
    }

    fn take_fabric(&mut self, last: EntryId, state: Meta) -> Result<(), RescueError> {
        if let Some((known_last, known)) = &self.fabric {
            if known.cluster() != state.cluster() {
                return Err(RescueError::OtherCluster { found: state.cluster(), known: known.cluster() });
            }
            if (*known_last, known.version()) >= (last, state.version()) {
                return Ok(());
            }
        }
        self.fabric = Some((last, state));
        Ok(())
    }

    /// Notes a replica; its state, if it is the best so far.
    fn compare(
        &mut self,
        node: NodeId,
        replica: u64,
        remains: Remains,
        is_certain: bool,
    ) -> Result<Option<RescuedState>, RescueError> {
        let Remains { id, last, time, members, is_changing, content } = remains;
        let place = &mut self.places[usize::from(id.0)];
        place.seen.insert(replica);
        if is_certain {
            place.certain.insert(replica, node);
        }
        let is_better = |best: &Chosen| (best.last, best.is_certain) < (last, is_certain);
        if !place.chosen.as_ref().is_none_or(is_better) {
            return Ok(None);
        }
        let state =
            RescuedState::new((id, self.me), self.hasher, content, time).map_err(RecoveryError::from)?;
        let keys = state.partition.keys();
        place.chosen = Some(Chosen { node, last, members, is_changing, is_certain, keys });
        Ok(Some(state))
    }

    /// The newest state of the old cluster that was found.
    pub fn fabric(&self) -> Option<&Meta> {
        self.fabric.as_ref().map(|(_, state)| state)
    }

    /// Of how many partitions a node had the best replica.
    pub fn chosen_of(&self, node: NodeId) -> usize {
        self.places.iter().flat_map(|place| &place.chosen).filter(|chosen| chosen.node == node).count()
    }

    /// How many keys there are, those included whose deadline has passed.
    pub fn keys(&self) -> u64 {
        self.places.iter().flat_map(|place| &place.chosen).map(|chosen| chosen.keys).sum()
    }

    /// What is known of what each partition may lack.
    pub fn standings(&self) -> impl Iterator<Item = (PartitionId, Standing)> {
        self.router.all().map(|id| (id, self.standing(id)))
    }

    fn standing(&self, id: PartitionId) -> Standing {
        let place = &self.places[usize::from(id.0)];
        let Some(chosen) = &place.chosen else { return Standing::Missing };
        let Members { voters, voters_outgoing, .. } = &chosen.members;
        let is_majority = |voters: &Vec<u64>| {
            let here = voters.iter().filter(|voter| place.certain.contains_key(voter)).count();
            here * 2 > voters.len() || voters.is_empty()
        };
        // While nobody here knows who is in the group, others may have decided without any of these.
        if !chosen.is_changing {
            if [voters, voters_outgoing].into_iter().all(is_majority) {
                return Standing::Whole;
            }
            if voters.iter().chain(voters_outgoing).all(|voter| place.seen.contains(voter)) {
                return Standing::Longest;
            }
        }
        let votes = |replica: u64| voters.contains(&replica) || voters_outgoing.contains(&replica);
        let is_wanted = |node: NodeId| self.fabric().is_none_or(|state| state.voters_of(id).contains(&node));
        // The best one lacks nothing that this one has.
        if place.certain.iter().any(|(replica, node)| votes(*replica) && is_wanted(*node)) {
            return Standing::Partial;
        }
        let replica = cluster::replica_id(chosen.node).unwrap_or_default();
        Standing::Doubtful(match (chosen.is_certain, votes(replica)) {
            (false, _) => Doubt::LostPower,
            (true, false) => Doubt::NoVoter,
            (true, true) => Doubt::Replaced,
        })
    }

    /// A partition without keys, in the place of one of which nothing was found.
    pub fn nothing_of(&self, id: PartitionId) -> Result<RescuedState, RecoverError> {
        RescuedState::new((id, self.me), self.hasher, Content::empty(self.hasher), Millis::default())
    }

    /// The state of the new cluster, and the frame with which the log of its only node begins. `note` is kept in it.
    pub fn found(
        &self,
        cluster: u128,
        member: Newcomer,
        time: Millis,
        note: &str,
    ) -> Result<(Meta, Vec<u8>), Refused> {
        let old = self.fabric().ok_or(Refused::NotFounded)?;
        let founding = Founding {
            cluster,
            name: old.name().to_owned(),
            partitions: old.partitions(),
            key_hash_seed: old.key_hash_seed(),
            replicas_wanted: old.replicas_wanted(),
            member,
        };
        let mut state = old.refounded(&founding, time)?;
        let before = old.setting(RESCUED).map(|before| format!("; before that {before}"));
        let value = Some(format!("{note}{}", before.unwrap_or_default()));
        state.apply(&Command::Set { key: RESCUED.to_owned(), value }, time)?;
        let mut frame = Vec::new();
        write_meta(&mut frame, EntryId::FOUNDED, &Members::lone(self.me), &state.encode());
        Ok((state, frame))
    }
}
