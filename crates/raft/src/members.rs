//! Who is in a group, and changes to it.
//!
//! More than one change at a time goes through a joint membership (both majorities rule) and out of it again
//! without help; a single one takes effect at once. Which of the two is told by the number of changes alone,
//! so every replica decides alike.

use tikv_raft::eraftpb;

use crate::error::DecodeError;
use crate::wire::{Read, Reader, put_u64};

/// Who is in a group. All lists are ascending and without doubles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Those whose majority decides.
    pub voters: Vec<u64>,
    /// Those that get the log but do not count.
    pub learners: Vec<u64>,
    /// While joint: the voters before, whose majority is needed too.
    pub voters_outgoing: Vec<u64>,
    /// While joint: voters that will be learners afterwards.
    pub learners_next: Vec<u64>,
    /// While joint: whether the leader ends that by itself.
    pub auto_leave: bool,
}

/// One step of a change of members. Ids are not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Make a voter, of a learner or a stranger.
    AddVoter(u64),
    /// Make a learner, of a voter or a stranger.
    AddLearner(u64),
    /// Remove.
    Remove(u64),
}

impl Members {
    /// One voter and nobody else.
    pub fn lone(node: u64) -> Members {
        Members { voters: vec![node], ..Members::default() }
    }

    /// Whether `node` is the only one.
    pub fn is_lone(&self, node: u64) -> bool {
        self.voters == [node] && self.learners.is_empty() && !self.is_joint()
    }

    /// Whether two majorities are needed at present.
    pub fn is_joint(&self) -> bool {
        !self.voters_outgoing.is_empty()
    }

    /// Whether `node` is in any list.
    pub fn contains(&self, node: u64) -> bool {
        [&self.voters, &self.learners, &self.voters_outgoing, &self.learners_next]
            .iter()
            .any(|list| list.contains(&node))
    }

    /// Appends the bytes of the members.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        for list in [&self.voters, &self.learners, &self.voters_outgoing, &self.learners_next] {
            let count = u32::try_from(list.len()).expect("a group has a handful of members");
            out.extend_from_slice(&count.to_le_bytes());
            for &id in list {
                put_u64(id, out);
            }
        }
        out.push(u8::from(self.auto_leave));
    }

    /// Reads members that fill all of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Members, DecodeError> {
        let mut reader = Reader::new(bytes);
        let members = Members::read(&mut reader)?;
        reader.finish()?;
        Ok(members)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Members, DecodeError> {
        let members = Members {
            voters: read_ids(reader)?,
            learners: read_ids(reader)?,
            voters_outgoing: read_ids(reader)?,
            learners_next: read_ids(reader)?,
            auto_leave: match reader.u8()? {
                0 => false,
                1 => true,
                _ => return Err(DecodeError::NotCanonical("a truth value is 0 or 1")),
            },
        };
        members.check()?;
        Ok(members)
    }

    /// The rules that the engine relies on; it panics where they are broken.
    fn check(&self) -> Result<(), DecodeError> {
        let is_voter = |id: &u64| self.voters.contains(id) || self.voters_outgoing.contains(id);
        if self.learners.iter().any(is_voter) {
            return Err(DecodeError::NotCanonical("a voter is no learner"));
        }
        if self.learners_next.iter().any(|id| !self.voters_outgoing.contains(id) || self.voters.contains(id))
        {
            return Err(DecodeError::NotCanonical("a learner to be is an outgoing voter only"));
        }
        if !self.is_joint() && self.auto_leave {
            return Err(DecodeError::NotCanonical("only joint members are left"));
        }
        if self.voters.is_empty() && *self != Members::default() {
            return Err(DecodeError::NotCanonical("a group has voters"));
        }
        Ok(())
    }

    pub(crate) fn to_engine(&self) -> eraftpb::ConfState {
        eraftpb::ConfState {
            voters: self.voters.clone(),
            learners: self.learners.clone(),
            voters_outgoing: self.voters_outgoing.clone(),
            learners_next: self.learners_next.clone(),
            auto_leave: self.auto_leave,
            ..eraftpb::ConfState::default()
        }
    }

    pub(crate) fn from_engine(state: &eraftpb::ConfState) -> Members {
        let ascending = |list: &[u64]| {
            let mut list = list.to_vec();
            list.sort_unstable();
            list
        };
        Members {
            voters: ascending(&state.voters),
            learners: ascending(&state.learners),
            voters_outgoing: ascending(&state.voters_outgoing),
            learners_next: ascending(&state.learners_next),
            auto_leave: state.auto_leave,
        }
    }
}

fn read_ids(reader: &mut Reader<'_>) -> Result<Vec<u64>, DecodeError> {
    let count = reader.count(8)?;
    let mut ids = Vec::with_capacity(count);
    for _ in 0..count {
        let id = reader.number()?;
        if id <= ids.last().copied().unwrap_or(0) {
            return Err(DecodeError::NotCanonical("ids ascend from 1"));
        }
        ids.push(id);
    }
    Ok(ids)
}

const ADD_VOTER: u8 = 0;
const ADD_LEARNER: u8 = 1;
const REMOVE: u8 = 2;

/// Kind and id of each change, without a count: the block around it has a length. No change, no bytes.
pub(crate) fn encode_changes(changes: &[Change]) -> Vec<u8> {
    let mut out = Vec::with_capacity(changes.len() * 9);
    for &change in changes {
        let (kind, id) = match change {
            Change::AddVoter(id) => (ADD_VOTER, id),
            Change::AddLearner(id) => (ADD_LEARNER, id),
            Change::Remove(id) => (REMOVE, id),
        };
        out.push(kind);
        put_u64(id, &mut out);
    }
    out
}

pub(crate) fn decode_changes(bytes: &[u8]) -> Result<Vec<Change>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let mut changes = Vec::with_capacity(bytes.len() / 9);
    while reader.remaining() > 0 {
        let kind = reader.u8()?;
        let id = reader.number()?;
        if id == 0 {
            return Err(DecodeError::NotCanonical("ids ascend from 1"));
        }
        changes.push(match kind {
            ADD_VOTER => Change::AddVoter(id),
            ADD_LEARNER => Change::AddLearner(id),
            REMOVE => Change::Remove(id),
            other => return Err(DecodeError::UnknownKind { what: "change", kind: other }),
        });
    }
    Ok(changes)
}

pub(crate) fn changes_to_engine(changes: &[Change]) -> eraftpb::ConfChangeV2 {
    let steps: Vec<eraftpb::ConfChangeSingle> = changes
        .iter()
        .map(|&change| {
            let (change_type, node_id) = match change {
                Change::AddVoter(id) => (eraftpb::ConfChangeType::AddNode, id),
                Change::AddLearner(id) => (eraftpb::ConfChangeType::AddLearnerNode, id),
                Change::Remove(id) => (eraftpb::ConfChangeType::RemoveNode, id),
            };
            eraftpb::ConfChangeSingle { change_type, node_id, ..eraftpb::ConfChangeSingle::default() }
        })
        .collect();
    eraftpb::ConfChangeV2 {
        transition: eraftpb::ConfChangeTransition::Auto,
        changes: steps.into(),
        ..eraftpb::ConfChangeV2::default()
    }
}
