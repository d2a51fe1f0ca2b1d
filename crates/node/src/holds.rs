//! What a group may not say before something of it is on stable storage.
//!
//! Invariant: what a message promises, or lets others conclude, is on stable storage here when it leaves. A sign of life
//! promises nothing but its term; so if only entries are waited for it leaves at once, or a slow disk would take the lead
//! from whoever has it, and keep anybody from getting it. Does not know: what is waited for.

use std::collections::BTreeMap;

use base::PartitionId;
use raft::MessageKind;

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
}

impl Holds {
    /// Nothing of this group leaves before all that it says now is on stable storage; if only entries are waited for,
    /// nothing but signs of life.
    pub(crate) fn hold(&mut self, group: PartitionId, only_entries: bool) {
        let before = self.groups.get(&group).is_none_or(|hold| hold.passes_life);
        self.groups.insert(group, Hold { position: u64::MAX, passes_life: before && only_entries });
    }

    /// What a message of this kind has to wait for.
    pub(crate) fn position_for(&self, group: PartitionId, kind: MessageKind) -> Option<u64> {
        let is_sign_of_life = matches!(kind, MessageKind::Heartbeat | MessageKind::HeartbeatResponse);
        let hold = self.groups.get(&group).filter(|hold| !(hold.passes_life && is_sign_of_life));
        hold.map(|hold| hold.position)
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
    pub(crate) fn synced(&mut self, position: u64) {
        self.groups.retain(|_, hold| hold.position > position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: PartitionId = PartitionId(3);

    #[test]
    fn signs_of_life_pass_while_only_entries_are_waited_for() {
        let mut holds = Holds::default();
        holds.hold(GROUP, true);
        assert_eq!(holds.position_for(GROUP, MessageKind::Append), Some(u64::MAX));
        assert_eq!(holds.position_for(GROUP, MessageKind::Heartbeat), None);
        holds.appended(7);
        assert_eq!(holds.position_for(GROUP, MessageKind::AppendResponse), Some(7));
        assert_eq!(holds.position_for(GROUP, MessageKind::HeartbeatResponse), None);
        // A vote is waited for, too: an entry that follows does not open the way again.
        holds.hold(GROUP, false);
        holds.appended(9);
        holds.hold(GROUP, true);
        holds.appended(11);
        assert_eq!(holds.position_for(GROUP, MessageKind::Heartbeat), Some(11));
        holds.synced(10);
        assert!(holds.is_held(GROUP));
        holds.synced(11);
        assert!(!holds.is_held(GROUP));
    }
}
