//! Acknowledgements that want more than a majority's word: who of a group has an entry on stable storage, and who has
//! applied it.
//!
//! A leader whose client wants `durable` or `all` asks its followers, right behind the entry; each answers once it is
//! so. The client's answer, which is there when the entry is applied, waits for them here. Nobody is asked for what
//! no client wants, so `quorum` costs nothing of this.
//!
//! ```text
//!  leader:   propose ─▶ ask ──────────────▶ apply ─▶ the answer waits ─▶ enough have reached it ─▶ the answer goes
//!  follower:             └▶ append ─▶ sync ─▶ reached
//! ```
//! Invariant: what is said to be stored is in the log's bytes that a sync covered. Does not know: sessions, files.

use base::{AckLevel, Millis, PartitionId};
use raft::{EntryId, Members};

use crate::errand::{Answers, Dest, ErrandHead};
use crate::fabric::{Fabric, split};
use crate::partition::Partition;
use crate::peer_frame::Item;
use crate::worker::Worker;

/// What a replica is asked to have done with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It is on stable storage.
    Stored = 0,
    /// It is applied.
    Applied = 1,
}

impl Reach {
    pub(crate) const ALL: [Reach; 2] = [Reach::Stored, Reach::Applied];

    /// What an ack level asks for; none if a majority's word is enough.
    pub(crate) fn of(level: AckLevel) -> Option<Reach> {
        match level {
            AckLevel::Local | AckLevel::Quorum => None,
            AckLevel::Durable => Some(Reach::Stored),
            AckLevel::All => Some(Reach::Applied),
        }
    }
}

/// An answer that waits.
struct Wait {
    index: u64,
    reach: Reach,
    head: ErrandHead,
    answer: Box<[u8]>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Acks {
    /// Leader: what followers are to be asked for next.
    wanted: [Option<EntryId>; 2],
    /// Leader: how far each replica has come, in this term.
    reached: Vec<(u64, [u64; 2])>,
    /// In the order of their entries.
    waits: Vec<Wait>,
    /// Follower: what it was asked for last, and by whom.
    asked: [Option<(u64, EntryId)>; 2],
}

impl Acks {
    fn is_idle(&self) -> bool {
        !self.is_waiting() && self.wanted == [None; 2] && self.asked == [None; 2]
    }

    /// Whether answers wait.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waits.is_empty()
    }

    /// A client wants this of an entry.
    pub(crate) fn want(&mut self, reach: Reach, id: EntryId) {
        self.wanted[reach as usize] = Some(id);
    }

    /// A step of time: what may have been lost on the way is asked again.
    pub(crate) fn want_again(&mut self, last: EntryId) {
        for reach in Reach::ALL {
            if self.waits.iter().any(|wait| wait.reach == reach) {
                self.want(reach, last);
            }
        }
    }

    /// A leader asks for this.
    pub(crate) fn ask(&mut self, leader: u64, reach: Reach, id: EntryId) {
        self.asked[reach as usize] = Some((leader, id));
    }

    /// A replica has come so far.
    pub(crate) fn note(&mut self, replica: u64, reach: Reach, index: u64) {
        let at = self.reached.iter().position(|(other, _)| *other == replica).unwrap_or_else(|| {
            self.reached.push((replica, [0; 2]));
            self.reached.len() - 1
        });
        let place = &mut self.reached[at].1[reach as usize];
        *place = (*place).max(index);
    }

    pub(crate) fn reached(&self, replica: u64, reach: Reach) -> u64 {
        self.reached.iter().find(|(other, _)| *other == replica).map_or(0, |(_, at)| at[reach as usize])
    }

    /// Ends the answer in the buffer of `answers`: it goes now, or waits for what its client wants.
    pub(crate) fn seal(&mut self, head: Option<&ErrandHead>, index: u64, answers: &mut Answers) {
        match head.and_then(|head| Some((head, Reach::of(head.ack)?))) {
            Some((head, reach)) if head.dest != Dest::Nobody => {
                let (head, answer) = (*head, answers.take_open());
                self.waits.push(Wait { index, reach, head, answer });
            }
            _ => answers.seal(head.map_or(Dest::Nobody, |head| head.dest)),
        }
    }

    /// The lead changed: who waits is told what is known.
    pub(crate) fn reset(&mut self, id: PartitionId, answers: &mut Answers) {
        for wait in std::mem::take(self).waits {
            answers.error(&wait.head, &wait.missed(id, "it changed its leader"));
        }
    }

    /// Who has waited too long is told so.
    pub(crate) fn give_up(&mut self, id: PartitionId, now: Millis, answers: &mut Answers) {
        for wait in self.waits.extract_if(.., |wait| wait.head.deadline <= now) {
            answers.error(&wait.head, &wait.missed(id, "time ran out"));
        }
    }

    /// Sends the answers for which enough replicas have come far enough. `is_live` says who counts for `all`: a witness
    /// applies nothing.
    fn release(&mut self, me: u64, members: &Members, is_live: impl Fn(u64) -> bool, answers: &mut Answers) {
        let majority = |voters: &[u64]| majority_of(voters, |voter| self.reached(voter, Reach::Stored));
        let stored = majority(&members.voters).min(majority(&members.voters_outgoing));
        let live = members.voters.iter().chain(&members.voters_outgoing);
        let live = live.filter(|&&voter| voter == me || is_live(voter));
        let applied = live.map(|&voter| self.reached(voter, Reach::Applied)).min().unwrap_or(u64::MAX);
        let is_reached = |wait: &Wait| {
            wait.index
                <= match wait.reach {
                    Reach::Stored => stored,
                    Reach::Applied => applied,
                }
        };
        for wait in self.waits.extract_if(.., |wait| is_reached(wait)) {
            answers.push(wait.head.dest, &wait.answer);
        }
    }
}

impl Wait {
    fn missed(&self, id: PartitionId, why: &str) -> String {
        let what = match self.reach {
            Reach::Stored => "a majority has it on disk",
            Reach::Applied => "every live replica has applied it",
        };
        format!("UNKNOWNOUTCOME partition {} applied it, but {why} before {what}", id.0)
    }
}

/// The highest value that a majority has reached; the highest there is if nobody votes.
pub(crate) fn majority_of(voters: &[u64], value: impl Fn(u64) -> u64) -> u64 {
    if voters.is_empty() {
        return u64::MAX;
    }
    // Asked for each request; groups are small, and a list to be sorted would have to be allocated.
    let has_majority =
        |least: u64| voters.iter().filter(|&&voter| value(voter) >= least).count() * 2 > voters.len();
    voters.iter().map(|&voter| value(voter)).filter(|&least| has_majority(least)).max().unwrap_or(0)
}

impl Worker {
    /// Asks followers, answers a leader, sends what has waited long enough. After a group's work of a turn is done:
    /// all that it has of its log is then in this turn's frame, or before it.
    pub(crate) fn settle_acks(&mut self, id: PartitionId) {
        let (logging, has_frame) = (self.logging, !self.outbox.frame.is_empty());
        let (_, places, fabric) = split(self);
        let Some(partition) = places[usize::from(id.0)].partition.as_deref_mut() else { return };
        if partition.replica.acks.is_idle() {
            return;
        }
        let wants_sync = match partition.group.is_leader() {
            true => partition.lead_acks(fabric, logging && !has_frame, logging),
            false => partition.follow_acks(fabric, logging && !has_frame, logging),
        };
        self.outbox.sync |= wants_sync;
    }

    /// The log is on stable storage up to where these entries of groups that we lead end.
    pub(crate) fn own_stored(&mut self, ripe: Vec<(PartitionId, u64)>) {
        for (id, index) in ripe {
            let me = self.fabric.me;
            if let Some(partition) = self.places[usize::from(id.0)].partition.as_deref_mut() {
                partition.replica.acks.note(me, Reach::Stored, index);
                self.fabric.stir(id);
            }
        }
    }
}

impl Partition {
    /// The leader's part; whether the log is to be synced.
    fn lead_acks(&mut self, fabric: &mut Fabric, is_appended: bool, logging: bool) -> bool {
        let (me, term) = (self.group.node(), self.group.hard_state().term);
        let Partition { id, replica, .. } = self;
        let mut wants_sync = false;
        for reach in Reach::ALL {
            let Some(entry) = replica.acks.wanted[reach as usize].take() else { continue };
            let item = Item::Ask { partition: *id, term, index: entry.index, reach };
            for &voter in replica.members.voters.iter().chain(&replica.members.voters_outgoing) {
                if voter != me {
                    fabric.tell(voter, &item);
                }
            }
            if reach == Reach::Stored && is_appended && fabric.is_all_synced() {
                // No sync would tell of it: there is nothing to be synced.
                replica.acks.note(me, Reach::Stored, entry.index);
            } else if reach == Reach::Stored && logging {
                fabric.own_syncs.push((u64::MAX, *id, entry.index));
                wants_sync = true;
            }
        }
        replica.acks.note(me, Reach::Applied, replica.applied.index);
        let Fabric { peers, witnesses, now, answers, .. } = fabric;
        let is_heard = |voter| peers.get(&voter).is_some_and(|peer| peer.is_heard(*now));
        let is_live = |voter| is_heard(voter) && !witnesses.contains(&voter);
        replica.acks.release(me, &replica.members, is_live, answers);
        wants_sync
    }

    /// A follower's part; whether the log is to be synced.
    fn follow_acks(&mut self, fabric: &mut Fabric, is_appended: bool, logging: bool) -> bool {
        let (last, applied) = (self.group.last(), self.replica.applied.index);
        let acks = &mut self.replica.acks;
        let mut wants_sync = false;
        for reach in Reach::ALL {
            let Some((leader, entry)) = acks.asked[reach as usize] else { continue };
            let item = |index| Item::Reached { partition: self.id, term: entry.term, index, reach };
            match reach {
                Reach::Applied if applied >= entry.index => fabric.tell(leader, &item(applied)),
                // Whose last entry is of the leader's term has all that the leader had before it, and nothing else.
                Reach::Stored if logging && last.term == entry.term && last.index >= entry.index => {
                    if is_appended && fabric.is_all_synced() {
                        fabric.tell(leader, &item(last.index));
                    } else {
                        fabric.tell_once_stored(leader, &[item(last.index)]);
                        wants_sync = true;
                    }
                }
                _ => continue,
            }
            acks.asked[reach as usize] = None;
        }
        wants_sync
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[u64], expect: u64) {
        let voters: Vec<u64> = (0..values.len() as u64).collect();
        assert_eq!(majority_of(&voters, |voter| values[voter as usize]), expect, "{values:?}");
    }

    #[test]
    fn a_majority_is_more_than_half() {
        check(&[], u64::MAX);
        check(&[7], 7);
        check(&[7, 3], 3);
        check(&[7, 3, 5], 5);
        check(&[9, 0, 0], 0);
        check(&[9, 8, 7, 6], 7);
        check(&[1, 2, 3, 4, 5], 3);
    }
}
