//! What the nodes of a cluster agree on, as a state machine: members, where partitions are to be, who may join.
//!
//! Commands go in one after the other, in the same order on every node; each changes the state whole, or is refused
//! and says why. The order is the meta group's business, which is in `node`.
//!
//! ```
//! use base::{Millis, NodeId, PartitionId};
//! use cluster::{Command, Founding, HashSeed, MemberKind, Meta, Newcomer, WEIGHT_DEFAULT};
//!
//! let member = Newcomer {
//!     node: NodeId(7),
//!     name: "quiet-otter".to_owned(),
//!     peer_address: "127.0.0.1:16379".to_owned(),
//!     client_address: "127.0.0.1:6379".to_owned(),
//!     tls_port: 0,
//!     kind: MemberKind::Data,
//!     weight: WEIGHT_DEFAULT,
//!     incarnation: 1,
//!     version: "0.1.0".to_owned(),
//!     levels: cluster::LEVELS,
//! };
//! let founding = Founding {
//!     cluster: 1,
//!     name: "narf".to_owned(),
//!     partitions: 64,
//!     key_hash_seed: HashSeed(5),
//!     replicas_wanted: 3,
//!     member,
//! };
//! let mut meta = Meta::new();
//! meta.apply(&Command::Found(founding), Millis(0))?;
//! assert_eq!(meta.voters_of(PartitionId(0)), [NodeId(7)]);
//! // What a node that is too far behind is sent.
//! assert_eq!(Meta::decode(&meta.encode()), Ok(meta));
//! # Ok::<(), cluster::Refused>(())
//! ```
//!
//! Main types: [`Meta`] the state, [`Command`] what may be done to it, [`JoinToken`] an invitation. Invariants: the
//! same commands with the same times give the same bytes; a removed node's id is never used again; somebody always
//! holds the data. Bytes: `docs/formats/meta.md`; decoding is total.
//!
//! Not here: consensus, who leads, where replicas are by now, keys, clocks and randomness.

mod command;
mod error;
mod level;
mod member;
mod meta;
pub mod placement;
mod token;
mod users;
mod wire;

pub use command::{
    Admission, Command, Founding, HashSeed, Move, REPLICAS_MAX, SETTING_KEY_BYTES_MAX,
    SETTING_VALUE_BYTES_MAX,
};
pub use error::{DecodeError, Refused};
pub use level::{LEVELS, Level, Levels, UnknownLevel};
pub use member::{
    ADDRESS_BYTES_MAX, Member, MemberKind, MemberState, NAME_BYTES_MAX, Newcomer, VERSION_BYTES_MAX,
    WEIGHT_DEFAULT, WEIGHT_MAX, replica_id,
};
pub use meta::{
    Applied, MEMBERS_MAX, META_VOTERS_MAX, Meta, SETTINGS_BYTES_MAX, SETTINGS_MAX, TOKENS_MAX,
    TOMBSTONES_MAX, Target, Token,
};
pub use token::{Fingerprint, JoinToken, Secret, TOKEN_ADDRESSES_MAX, TokenError, TokenHash};
pub use users::{
    Definition, USER_DEFINITION_BYTES_MAX, USER_NAME_BYTES_MAX, USERS_BYTES_MAX, USERS_CHANGED, USERS_MAX,
    UserChange, Users,
};
