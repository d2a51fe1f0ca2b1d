//! One consensus group as a state machine: a thin adapter over TiKV's `raft` engine. Knows bytes, not commands.
//!
//! Events go in (`step`, `tick`, `propose`), work comes out ([`Ready`]): what to append to the log, what to
//! send before and after that, what is committed. Nothing here does I/O, reads a clock, or draws on entropy:
//! the engine's own draw of an election timeout is replaced by one from the group's seed after each event.
//!
//! ```text
//!              recover (voters = me)                     recover (several voters, or none yet)
//!                      │                                                 │
//!                      ▼                    wake                         ▼
//!   open_alone ──▶ [ alone ] ── a second member is to join ──▶ [ engine: follower / candidate / leader ]
//!                  commit_alone                                step tick propose ready advance
//!                      ▲                                                 │
//!                      └──────────── rest (one voter, nothing open) ─────┘
//! ```
//!
//! **Alone**: [`Group::open_alone`] takes the lead in a new term, [`Group::commit_alone`] hands out the next
//! [`EntryId`] and counts it as committed; no engine exists, nothing is allocated, and what is logged has the same
//! index, term and format as an entry of the engine.
//!
//! **With peers**: joint membership changes, snapshots, leader transfer and read index; `node` drives it. **Not here**:
//! the lease for local reads (it needs a clock, so it lives in `node`), one frame a peer and tick for many groups,
//! hibernation of idle groups.
//!
//! ```
//! use raft::{EntryId, Group, GroupConfig, Recovered};
//!
//! let mut group = Group::recover(GroupConfig::new(1, 0, 42), Recovered::founder(1))?;
//! let hard = group.open_alone(); // to be on disk before an entry of this term is
//! assert_eq!(hard.term, 2);
//! assert_eq!(group.commit_alone(), EntryId { term: 2, index: 2 });
//! # Ok::<(), raft::RecoverError>(())
//! ```
//!
//! Invariants: the committed index never falls; an [`EntryId`] is given to one entry only; a term is voted in
//! once; nothing of `messages_after` may leave before the rest of its [`Ready`] is appended.
//!
//! Peers are admitted and authenticated before their bytes come here and are trusted to follow the protocol.
//! Still no frame of theirs panics the decoder, and [`Group::step`] refuses what only a peer that lost its
//! disk, or speaks to the wrong group, would send.

mod config;
mod engine;
mod entry;
mod error;
mod group;
mod members;
mod message;
mod ready;
mod tail;
mod wire;

pub use config::{GroupConfig, HardState, Recovered, Stored};
pub use entry::{Entry, EntryId, Payload};
pub use error::{DecodeError, ProposeError, RecoverError, StepError};
pub use group::Group;
pub use members::{Change, Members};
pub use message::{Message, MessageKind};
pub use ready::{Advanced, Progress, ReadToken, Ready, Role, Snapshot, SnapshotWish};
