//! A replica as the folder of a node has it that will never run again.
//!
//! All that is in its log counts as decided: whoever could have decided otherwise is gone, and whoever was told that it was
//! written would miss it.

use base::{Millis, PartitionId};
use raft::{EntryId, Members};

use super::RecoveringPartition;
use crate::partition::{Content, ReplayError};

/// See the module.
pub(crate) struct Remains {
    pub(crate) id: PartitionId,
    /// The last entry that was logged, which is in the content.
    pub(crate) last: EntryId,
    pub(crate) time: Millis,
    /// Who was in the group, as far as the replica knew it to be decided.
    pub(crate) members: Members,
    /// Its log has a change of the members of which it did not know whether it was decided.
    pub(crate) is_changing: bool,
    pub(crate) content: Content,
}

impl RecoveringPartition {
    /// What there is of it; none if the node had nothing of it, or was told of it and was sent nothing yet.
    pub(crate) fn into_remains(mut self, node: u64) -> Result<Option<Remains>, ReplayError> {
        self.check()?;
        if !self.is_known || self.kept.is_some() {
            return Ok(None);
        }
        if self.is_alone || self.was_alone && self.members == Members::default() {
            self.members = Members::lone(node);
        }
        if self.members == Members::default() {
            return Ok(None);
        }
        if self.is_received {
            self.tail.clear();
        }
        let mut is_changing = false;
        loop {
            self.commit(u64::MAX)?;
            let Some(change) = self.tail.take_change(u64::MAX) else { break };
            (self.last, is_changing) = (change.id, true);
        }
        let RecoveringPartition { partition_id: id, last, last_time: time, members, content, .. } = self;
        Ok(Some(Remains { id, last, time, members, is_changing, content }))
    }
}
