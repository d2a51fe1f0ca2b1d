//! What a group may not say before something of it is on stable storage.
//!
//! Invariant: what a message promises, or lets others conclude, is on stable storage here when it leaves. A sign of life
//! promises nothing but its term; so if only entries are waited for it leaves at once, or a slow disk would take the lead
//! from whoever has it, and keep anybody from getting it. But a leader whose disk does nothing any more keeps its group from
//! deciding anything: after some seconds nothing leaves. Does not know: what is waited for.

use std::collections::BTreeMap;

use base::{Millis, PartitionId};
use raft::MessageKind;

/// A disk may store nothing of what it was given for so long, and is taken for slow.
const STUCK_MS: u64 = 5000;

/// Groups whose word is held back.
#[derive(Default)]
pub(crate) struct Holds {
    groups: BTreeMap<PartitionId, Hold>,
}

#[derive(Clone, Copy)]
struct Hold {
    /// Until the log is on stable storage up to here; `u64::MAX` until the turn's frame is appended.
    position: u64,
    /// Only entries are waited for.
    passes_life: bool,
    /// Steady clock: when the disk stored something last, or it was held.
    moved: Millis,
}

impl Holds {
    /// Nothing of this group leaves before all that it says now is on stable storage; if only entries are waited for,
    /// nothing but signs of life.
    pub(crate) fn hold(&mut self, group: PartitionId, only_entries: bool, now: Millis) {
        let fresh = Hold { position: u64::MAX, passes_life: true, moved: now };
        let hold = self.groups.entry(group).or_insert(fresh);
        hold.position = u64::MAX;
        hold.passes_life &= only_entries;
    }

    /// What a message of this kind has to wait for.
    pub(crate) fn position_for(&self, group: PartitionId, kind: MessageKind, now: Millis) -> Option<u64> {
        let is_sign_of_life = matches!(kind, MessageKind::Heartbeat | MessageKind::HeartbeatResponse);
        let passes = |hold: &Hold| is_sign_of_life && hold.passes_life && now.since(hold.moved) <= STUCK_MS;
        self.groups.get(&group).filter(|hold| !passes(hold)).map(|hold| hold.position)
    }

    pub(crate) fn is_held(&self, group: PartitionId) -> bool {
        self.groups.contains_key(&group)
    }

    /// The turn's frame was appended and ends at `position`.
    pub(crate) fn appended(&mut self, position: u64) {
        let unknown = |hold: &&mut Hold| hold.position == u64::MAX;
        self.groups.values_mut().filter(unknown).for_each(|hold| hold.position = position);
    }

    /// The log is on stable storage up to `position`.
    pub(crate) fn synced(&mut self, position: u64, now: Millis) {
        self.groups.retain(|_, hold| hold.position > position);
        self.groups.values_mut().for_each(|hold| hold.moved = now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: PartitionId = PartitionId(3);

    const NOW: Millis = Millis(1000);

    #[test]
    fn signs_of_life_pass_while_only_entries_are_waited_for() {
        let mut holds = Holds::default();
        let position = |holds: &Holds, kind| holds.position_for(GROUP, kind, NOW);
        holds.hold(GROUP, true, NOW);
        assert_eq!(position(&holds, MessageKind::Append), Some(u64::MAX));
        assert_eq!(position(&holds, MessageKind::Heartbeat), None);
        holds.appended(7);
        assert_eq!(position(&holds, MessageKind::AppendResponse), Some(7));
        assert_eq!(position(&holds, MessageKind::HeartbeatResponse), None);
        // A vote is waited for, too: an entry that follows does not open the way again.
        holds.hold(GROUP, false, NOW);
        holds.appended(9);
        holds.hold(GROUP, true, NOW);
        holds.appended(11);
        assert_eq!(position(&holds, MessageKind::Heartbeat), Some(11));
        holds.synced(10, NOW);
        assert!(holds.is_held(GROUP));
        holds.synced(11, NOW);
        assert!(!holds.is_held(GROUP));
    }

    #[test]
    fn a_disk_that_does_nothing_any_more_is_no_slow_one() {
        let mut holds = Holds::default();
        let passes =
            |holds: &Holds, at| holds.position_for(GROUP, MessageKind::Heartbeat, Millis(at)).is_none();
        holds.hold(GROUP, true, Millis(0));
        holds.appended(7);
        // That there is more to be stored is no sign that anything is.
        holds.hold(GROUP, true, Millis(4000));
        holds.appended(9);
        assert!(passes(&holds, 5000) && !passes(&holds, 5001));
        holds.synced(8, Millis(6000));
        assert!(passes(&holds, 11_000) && !passes(&holds, 11_001));
    }
}
