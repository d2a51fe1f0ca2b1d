//! What the nodes of a cluster agree on, as state machines: members, where partitions are, who is alive.

mod command;
mod error;
mod member;
mod meta;
mod token;
mod wire;

pub use command::{
    Admission, Command, Founding, HashSeed, Move, REPLICAS_MAX, SETTING_KEY_BYTES_MAX,
    SETTING_VALUE_BYTES_MAX,
};
pub use error::{DecodeError, Refused};
pub use member::{
    ADDRESS_BYTES_MAX, Member, MemberKind, MemberState, NAME_BYTES_MAX, Newcomer, VERSION_BYTES_MAX,
    WEIGHT_DEFAULT, WEIGHT_MAX, replica_id,
};
pub use meta::{
    Applied, MEMBERS_MAX, META_VOTERS_MAX, Meta, SETTINGS_BYTES_MAX, SETTINGS_MAX, TOKENS_MAX,
    TOMBSTONES_MAX, Target, Token,
};
pub use token::{Fingerprint, JoinToken, Secret, TOKEN_ADDRESSES_MAX, TokenError, TokenHash};
