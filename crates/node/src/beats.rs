//! Signs of life of groups in which nothing happens: one item says it to a peer for all that this worker leads.
//!
//! A quiet group's leader has nothing to say but that it is there, a follower nothing but that it heard it. Said as messages
//! of each group, that is most of what a fabric does that nobody asks. So a quiet group's engine is left alone: a beat names
//! it, its follower's election is put off as by a heartbeat, and the answer counts for the leader's lease.
//!
//! Invariant: a replica answers for a group only if it follows that leader in that term, has committed as much, and has
//! nothing to say that must wait for the disk. A group in which somebody did not answer is not quiet: its engine says and finds
//! out what there is. Does not know: links, files.

use std::collections::BTreeMap;

use base::{Cursor, PartitionId, Short, WorkerId};

use crate::fabric::{Fabric, TICK_MS};
use crate::lease::LEASE_US;
use crate::message::Message as Note;
use crate::partition::Partition;
use crate::peer_frame::Item;
use crate::worker::Worker;

/// Steps of time between two beats. A leader's lease covers them, the way there and back, and a late step.
pub(crate) const BEAT_TICKS: u64 = 3;
/// Who has not answered something sent since then was lost or is late.
const ANSWERED_US: u64 = (BEAT_TICKS + 1) * TICK_MS * 1000;
const _: () = assert!(ANSWERED_US < LEASE_US, "a leader of quiet groups reads alone");

/// What peers are told in one step of time.
pub(crate) struct Beats {
    /// Whether this step of time is one at which beats are sent.
    is_due: bool,
    by_peer: BTreeMap<u64, Vec<u8>>,
}

impl Beats {
    pub(crate) fn new(is_due: bool) -> Beats {
        Beats { is_due, by_peer: BTreeMap::new() }
    }

    /// Takes a group up if it is quiet; then no time passes for its engine.
    pub(crate) fn take(&mut self, partition: &Partition, now_us: u64) -> bool {
        let me = partition.group.node();
        let replica = &partition.replica;
        let others = || replica.members.voters.iter().copied().filter(|voter| *voter != me);
        let has_answered = |voter| replica.lease.stamp_of(voter) + ANSWERED_US > now_us;
        if !partition.group.is_quiet() || !others().all(has_answered) {
            self.take_busy(partition);
            return false;
        }
        if self.is_due {
            for voter in others() {
                let named = (partition.id, partition.term(), replica.applied.index);
                put(named, self.by_peer.entry(voter).or_default());
            }
        }
        true
    }

    /// Of a group that is not quiet its engine sends heartbeats, in order with its entries. While a large one is on its way
    /// they come late, and a beat does not. It asks for no index: what is committed is said by the engine.
    fn take_busy(&mut self, partition: &Partition) {
        if !self.is_due || !partition.group.is_leader() {
            return;
        }
        let (me, members) = (partition.group.node(), &partition.replica.members);
        let only_outgoing = members.voters_outgoing.iter().filter(|id| !members.voters.contains(id));
        for voter in members.voters.iter().chain(only_outgoing).filter(|id| **id != me) {
            put((partition.id, partition.term(), 0), self.by_peer.entry(*voter).or_default());
        }
    }

    /// Tells the peers.
    pub(crate) fn tell(self, now_us: u64, fabric: &mut Fabric) {
        for (peer, groups) in self.by_peer {
            fabric.tell(peer, &Item::Beat { stamp_us: now_us, groups: &groups });
        }
    }
}

/// A group, its term, and of a beat the index up to which all is committed.
type Named = (PartitionId, u64, u64);

impl Worker {
    /// A peer leads groups in which nothing happens: those that follow it in them say so.
    pub(crate) fn take_beat(&mut self, from: u64, stamp_us: u64, groups: &[u8]) {
        let now_us = self.now.mono_us;
        let (mut heard, mut others) = (Vec::new(), BTreeMap::new());
        for named in self.named(groups) {
            let (id, term, commit) = named;
            if self.router.owner(id) != self.id {
                put(named, others.entry(self.router.owner(id)).or_default());
                continue;
            }
            let is_held = self.fabric.is_held(id);
            let partition = self.partition_mut(id).filter(|_| !is_held);
            if partition.is_some_and(|partition| partition.hear_beat(from, term, commit, now_us)) {
                put(named, &mut heard);
            }
        }
        if !heard.is_empty() {
            self.fabric.tell(from, &Item::Beaten { stamp_us, groups: &heard });
        }
        self.pass_on(from, others, |groups| Item::Beat { stamp_us, groups });
    }

    /// A peer heard the beat with this stamp.
    pub(crate) fn take_beaten(&mut self, from: u64, stamp_us: u64, groups: &[u8]) {
        let now_us = self.now.mono_us;
        let mut others = BTreeMap::new();
        for named in self.named(groups) {
            let (id, term, commit) = named;
            if self.router.owner(id) != self.id {
                put(named, others.entry(self.router.owner(id)).or_default());
            } else if let Some(partition) = self.partition_mut(id) {
                partition.beat_heard(from, (term, commit), stamp_us, now_us);
            }
        }
        self.pass_on(from, others, |groups| Item::Beaten { stamp_us, groups });
    }

    /// What a peer named; nothing of it if it is malformed.
    fn named(&mut self, groups: &[u8]) -> Vec<Named> {
        let mut cursor = Cursor::new(groups);
        let mut named = Vec::with_capacity(groups.len() / NAMED_BYTES);
        while cursor.remaining() > 0 {
            match take(&mut cursor) {
                Ok(one) if one.0.0 < self.router.partitions() => named.push(one),
                Ok(_) | Err(_) => {
                    self.stats.malformed_peer_frames += 1;
                    return Vec::new();
                }
            }
        }
        named
    }

    /// What is about groups of other workers goes to them.
    fn pass_on(&mut self, from: u64, others: BTreeMap<WorkerId, Vec<u8>>, item: impl Fn(&[u8]) -> Item<'_>) {
        for (owner, groups) in others {
            let mut bytes = Vec::new();
            item(&groups).encode(&mut bytes);
            self.outbox.messages.push((owner, Note::Peer(from, bytes)));
        }
    }
}

impl Partition {
    /// A beat of this group, in which all is committed up to `commit`; whether it is to be answered.
    fn hear_beat(&mut self, leader: u64, term: u64, commit: u64, now_us: u64) -> bool {
        let is_heard = self.group.hear_leader(leader, term, commit);
        if is_heard {
            self.replica.heard_leader_us = now_us;
        }
        is_heard
    }

    /// A beat of ours was heard; its stamp is of our clock, or of the one of an earlier life if it is not past.
    fn beat_heard(&mut self, peer: u64, (term, commit): (u64, u64), stamp_us: u64, now_us: u64) {
        if self.group.is_leader() && self.term() == term && stamp_us <= now_us {
            self.replica.lease.hear(peer, stamp_us);
            self.group.hear_follower(peer, commit);
        }
    }
}

const NAMED_BYTES: usize = 18;

fn put((id, term, index): Named, out: &mut Vec<u8>) {
    out.extend_from_slice(&id.0.to_le_bytes());
    out.extend_from_slice(&term.to_le_bytes());
    out.extend_from_slice(&index.to_le_bytes());
}

fn take(cursor: &mut Cursor<'_>) -> Result<Named, Short> {
    Ok((PartitionId(cursor.u16()?), cursor.u64()?, cursor.u64()?))
}
