//! Room on the disks of those who hold a group.
//!
//! A node whose disk takes no more writes says so ([`Item::NoRoom`]), and a leader counts. While a majority of its group's
//! voters has room, writes go on and the others catch up later. Else an entry could not be committed, and its clients would
//! be told of an unknown outcome: so what takes memory is refused before it is proposed, and the voters without room are
//! told that what this leader sends makes room ([`Item::Lacking`]): they take it out of what is kept for that.
//!
//! Does not know: what a disk is (`log::room`), who is to lead (`reconcile`).

use base::{Millis, PartitionId};
use command::{Flags, Spec};

use crate::fabric::Fabric;
use crate::message::Message as Note;
use crate::partition::Partition;
use crate::peer_frame::Item;
use crate::worker::Worker;

/// For how long such a word holds; it is said again each 80 ms.
const HOLDS_MS: u64 = 1000;
/// An append is no longer than this if it has no entries; see docs/formats/peer-message.md.
pub(crate) const WITHOUT_ENTRIES: usize = 68;
/// What entries of a leader leave free in the log, for votes and terms.
const PEER_RESERVE: usize = 4096;

impl Fabric {
    /// The disk of a peer takes no more writes.
    pub(crate) fn hear_no_room(&mut self, node: u64) {
        let until = Millis(self.now.0 + HOLDS_MS);
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.no_room_until = until;
            self.no_room_until = until;
        }
    }

    /// Whether the disk of a peer takes no more writes.
    pub(crate) fn lacks_room(&self, node: u64) -> bool {
        self.peers.get(&node).is_some_and(|peer| peer.no_room_until > self.now)
    }

    /// Whether those of some peers may not.
    #[inline]
    fn may_lack_room(&self) -> bool {
        self.no_room_until > self.now
    }
}

impl Worker {
    /// Says to all that the disk takes no more writes.
    pub(crate) fn tell_no_room(&mut self) {
        self.fabric.tell_all(&Item::NoRoom);
    }

    /// A peer's disk takes no more writes. Told to the other workers as a note of its own, which they do not pass on.
    pub(crate) fn take_no_room(&mut self, from: u64) {
        self.fabric.hear_no_room(from);
        self.tell_other_workers(|| Note::NoRoom(from));
    }

    /// A leader says that it proposes only what makes room.
    pub(crate) fn take_lacking(&mut self, from: u64, id: PartitionId) {
        let until = Millis(self.fabric.now.0 + HOLDS_MS);
        let place = self.places.get_mut(usize::from(id.0)).and_then(|place| place.partition.as_deref_mut());
        if let Some(partition) = place.filter(|partition| partition.group.leader() == Some(from)) {
            partition.replica.makes_room_until = until;
        }
    }

    /// Why a write that takes memory must not be proposed, for want of room elsewhere.
    #[inline]
    pub(crate) fn refused_for_voters(&self, spec: &Spec, id: PartitionId) -> Option<String> {
        if !self.fabric.may_lack_room() || !spec.flags.contains(Flags::DENYOOM) {
            return None;
        }
        let partition = self.places.get(usize::from(id.0))?.partition.as_deref()?;
        self.lacks_majority_with_room(partition).then(|| {
            format!("MISCONF disk full: too few of the nodes that hold partition {} take writes; write not applied", id.0)
        })
    }

    /// Whether so few voters that answer have room that nothing could be committed, and some answer that have none.
    pub(crate) fn lacks_majority_with_room(&self, partition: &Partition) -> bool {
        let voters = &partition.replica.members.voters;
        let (me, fabric) = (self.fabric.me, &self.fabric);
        let has_room = |voter: u64| match voter == me {
            true => self.write_refusal.is_none(),
            false => fabric.is_heard(voter) && !fabric.lacks_room(voter),
        };
        let with_room = voters.iter().filter(|voter| has_room(**voter)).count();
        let lacks = |voter: &u64| *voter != me && fabric.is_heard(*voter) && fabric.lacks_room(*voter);
        with_room * 2 <= voters.len() && voters.iter().any(lacks)
    }

    /// Tells voters without room of the groups that are led here in which that matters.
    pub(crate) fn tell_lacking(&mut self) {
        if !self.fabric.may_lack_room() {
            return;
        }
        let led = self.places.iter().filter_map(|place| place.partition.as_deref());
        let lacking = led.filter(|partition| partition.leads() && self.lacks_majority_with_room(partition));
        let told = lacking.flat_map(|partition| {
            let voters = partition.replica.members.voters.iter().copied();
            voters.filter(|voter| self.fabric.lacks_room(*voter)).map(|voter| (voter, partition.id))
        });
        for (voter, partition) in told.collect::<Vec<_>>() {
            self.fabric.tell(voter, &Item::Lacking { partition });
        }
    }

    /// Whether the log can take a message's entries in this turn, and still a vote after them. Taken, they are counted.
    pub(crate) fn has_room_of_peer(&mut self, from: u64, group: PartitionId, len: usize) -> bool {
        if !self.logging || len <= WITHOUT_ENTRIES {
            return true;
        }
        let to_delete = self.write_refusal.is_some()
            && (self.fabric.lacks_room(from) || self.proposes_what_makes_room(group));
        let has_room = self.has_room_for(len + PEER_RESERVE, to_delete);
        self.turn_bytes += if has_room { len } else { 0 };
        has_room
    }

    fn proposes_what_makes_room(&self, group: PartitionId) -> bool {
        let place = self.places.get(usize::from(group.0)).and_then(|place| place.partition.as_deref());
        place.is_some_and(|partition| partition.replica.makes_room_until > self.fabric.now)
    }
}
