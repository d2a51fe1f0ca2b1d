//! What may be done to a cluster: the entries of the meta group, and their bytes.
//!
//! The bytes are in `docs/formats/meta.md`. A command has one form, so what decodes encodes to the same bytes.
//! Decoding is total and holds lengths against their limits before it allocates; whether a command makes sense is
//! asked when it is applied.

use std::fmt;

use base::{Millis, NodeId, PartitionId, Slot};

use crate::error::DecodeError;
use crate::level::{Level, Levels};
use crate::member::{
    ADDRESS_BYTES_MAX, MemberKind, MemberState, NAME_BYTES_MAX, Newcomer, VERSION_BYTES_MAX,
};
use crate::token::TokenHash;
use crate::users::{UserChange, read_changes, write_changes};
use crate::wire::{Read, Reader, Writer};

/// Most replicas of a partition.
pub const REPLICAS_MAX: usize = 7;
/// Most bytes of a setting's key.
pub const SETTING_KEY_BYTES_MAX: usize = 256;
/// Most bytes of a setting's value.
pub const SETTING_VALUE_BYTES_MAX: usize = 1024 * 1024;

const VERSION: u8 = 3;

/// The seed of the key hash, equal on all nodes. Secret: who knows it can aim keys at one place of a table.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct HashSeed(pub u64);

impl fmt::Debug for HashSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashSeed(..)")
    }
}

/// Why a node may join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It knows the secret of this token.
    Token(TokenHash),
    /// It runs on a member's machine as the same user and read the secret of that machine.
    Local,
}

/// Everything a new cluster starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founding {
    /// The id of the cluster, drawn at random, not zero.
    pub cluster: u128,
    /// A name for people.
    pub name: String,
    /// How many partitions there are, for ever: 1 to the number of slots.
    pub partitions: u16,
    /// The seed of the key hash.
    pub key_hash_seed: HashSeed,
    /// How many replicas a partition should have, 1 to [`REPLICAS_MAX`].
    pub replicas_wanted: u8,
    /// The first member. It holds data.
    pub member: Newcomer,
}

/// Where one partition is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The partition.
    pub partition: PartitionId,
    /// Its voters; the first is the preferred leader.
    pub voters: Vec<NodeId>,
}

/// What may be done to a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make the cluster. The first entry of its meta group.
    Found(Founding),
    /// Let one node in that knows the secret of this hash, until then.
    AddToken {
        /// Hash of the secret.
        hash: TokenHash,
        /// The last moment at which it admits.
        expires: Millis,
    },
    /// Forget a token.
    RevokeToken {
        /// Hash of the secret.
        hash: TokenHash,
    },
    /// Admit a node; it starts as `Joining`.
    Join {
        /// The node.
        member: Newcomer,
        /// Why it may.
        admission: Admission,
    },
    /// Say that a member is up, or down.
    SetState {
        /// The member.
        node: NodeId,
        /// What it is now.
        state: MemberState,
    },
    /// A member was started again, and tells where it is now.
    SetAddresses {
        /// The member.
        node: NodeId,
        /// Where peers reach it.
        peer_address: String,
        /// Where clients reach it, or empty.
        client_address: String,
        /// The port there for clients that speak TLS, or 0.
        tls_port: u16,
        /// Which start this is; higher than the last.
        incarnation: u64,
        /// The version of its program.
        version: String,
        /// The levels that its program knows.
        levels: Levels,
    },
    /// Change a member's share of the data.
    SetWeight {
        /// The member.
        node: NodeId,
        /// Its new weight.
        weight: u32,
    },
    /// Begin to hand over everything a member has.
    Leave {
        /// The member.
        node: NodeId,
    },
    /// Strike a member off for good, once it holds nothing or is down.
    Remove {
        /// The member.
        node: NodeId,
    },
    /// Say where partitions are to be.
    Place {
        /// The partitions, ascending.
        moves: Vec<Move>,
        /// The version of the cluster that was looked at; refused if it has changed.
        based_on: u64,
    },
    /// Change how many replicas partitions should have.
    SetReplicas {
        /// How many, 1 to [`REPLICAS_MAX`].
        replicas: u8,
    },
    /// Set or delete a setting. The keys and values are others' business.
    Set {
        /// Its key.
        key: String,
        /// Its value; none deletes it.
        value: Option<String>,
    },
    /// Change users.
    SetUsers {
        /// What becomes of which.
        changes: Vec<UserChange>,
        /// The version of the list of users that was looked at; refused if it has changed.
        based_on: u64,
    },
    /// Put a higher level in force, which all live members know.
    Raise {
        /// The level.
        level: Level,
    },
}

const FOUND: u8 = 1;
const ADD_TOKEN: u8 = 2;
const REVOKE_TOKEN: u8 = 3;
const JOIN: u8 = 4;
const SET_STATE: u8 = 5;
const SET_ADDRESSES: u8 = 6;
const SET_WEIGHT: u8 = 7;
const LEAVE: u8 = 8;
const REMOVE: u8 = 9;
const PLACE: u8 = 10;
const SET_REPLICAS: u8 = 11;
const SET: u8 = 12;
const SET_USERS: u8 = 13;
const RAISE: u8 = 14;

impl Command {
    /// The bytes of the command.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        match self {
            Command::Found(founding) => {
                out.u8(FOUND);
                out.u128(founding.cluster);
                out.text(&founding.name);
                out.u16(founding.partitions);
                out.u64(founding.key_hash_seed.0);
                out.u8(founding.replicas_wanted);
                write_newcomer(&founding.member, &mut out);
            }
            Command::AddToken { hash, expires } => {
                out.u8(ADD_TOKEN);
                out.bytes(&hash.0);
                out.millis(*expires);
            }
            Command::RevokeToken { hash } => {
                out.u8(REVOKE_TOKEN);
                out.bytes(&hash.0);
            }
            Command::Join { member, admission } => {
                out.u8(JOIN);
                write_newcomer(member, &mut out);
                match admission {
                    Admission::Local => out.u8(0),
                    Admission::Token(hash) => {
                        out.u8(1);
                        out.bytes(&hash.0);
                    }
                }
            }
            Command::SetState { node, state } => {
                out.u8(SET_STATE);
                out.node(*node);
                write_state(*state, &mut out);
            }
            Command::SetAddresses {
                node,
                peer_address,
                client_address,
                tls_port,
                incarnation,
                version,
                levels,
            } => {
                out.u8(SET_ADDRESSES);
                out.node(*node);
                out.text(peer_address);
                out.text(client_address);
                out.u16(*tls_port);
                out.u64(*incarnation);
                out.text(version);
                write_levels(*levels, &mut out);
            }
            Command::SetWeight { node, weight } => {
                out.u8(SET_WEIGHT);
                out.node(*node);
                out.u32(*weight);
            }
            Command::Leave { node } => {
                out.u8(LEAVE);
                out.node(*node);
            }
            Command::Remove { node } => {
                out.u8(REMOVE);
                out.node(*node);
            }
            Command::Place { moves, based_on } => {
                out.u8(PLACE);
                out.u64(*based_on);
                out.count(moves.len());
                for Move { partition, voters } in moves {
                    out.u16(partition.0);
                    write_voters(voters, &mut out);
                }
            }
            Command::SetReplicas { replicas } => {
                out.u8(SET_REPLICAS);
                out.u8(*replicas);
            }
            Command::Set { key, value } => {
                out.u8(SET);
                out.text(key);
                match value {
                    None => out.u8(0),
                    Some(value) => {
                        out.u8(1);
                        out.text(value);
                    }
                }
            }
            Command::SetUsers { changes, based_on } => {
                out.u8(SET_USERS);
                out.u64(*based_on);
                write_changes(changes, &mut out);
            }
            Command::Raise { level } => {
                out.u8(RAISE);
                out.u8(level.0);
            }
        }
        out.finish()
    }

    /// Reads a command that fills all of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Command, DecodeError> {
        let mut reader = Reader::new(bytes);
        let found = reader.u8()?;
        if found != VERSION {
            return Err(DecodeError::Version { what: "a cluster command", found, known: VERSION });
        }
        let command = Command::read(&mut reader)?;
        reader.finish()?;
        Ok(command)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Command, DecodeError> {
        Ok(match reader.u8()? {
            FOUND => Command::Found(Founding {
                cluster: reader.u128()?,
                name: reader.text("cluster name", NAME_BYTES_MAX)?,
                partitions: reader.u16()?,
                key_hash_seed: HashSeed(reader.u64()?),
                replicas_wanted: reader.u8()?,
                member: read_newcomer(reader)?,
            }),
            ADD_TOKEN => Command::AddToken { hash: TokenHash(reader.array()?), expires: reader.millis()? },
            REVOKE_TOKEN => Command::RevokeToken { hash: TokenHash(reader.array()?) },
            JOIN => Command::Join {
                member: read_newcomer(reader)?,
                admission: match reader.flag()? {
                    false => Admission::Local,
                    true => Admission::Token(TokenHash(reader.array()?)),
                },
            },
            SET_STATE => Command::SetState { node: reader.node()?, state: read_state(reader)? },
            SET_ADDRESSES => Command::SetAddresses {
                node: reader.node()?,
                peer_address: reader.text("peer address", ADDRESS_BYTES_MAX)?,
                client_address: reader.text("client address", ADDRESS_BYTES_MAX)?,
                tls_port: reader.u16()?,
                incarnation: reader.u64()?,
                version: reader.text("version", VERSION_BYTES_MAX)?,
                levels: read_levels(reader)?,
            },
            SET_WEIGHT => Command::SetWeight { node: reader.node()?, weight: reader.u32()? },
            LEAVE => Command::Leave { node: reader.node()? },
            REMOVE => Command::Remove { node: reader.node()? },
            PLACE => {
                let based_on = reader.u64()?;
                // A move is its partition, the number of its voters, and at least none of them.
                let count = reader.count("moves", usize::from(Slot::COUNT), 3)?;
                let mut moves = Vec::with_capacity(count);
                for _ in 0..count {
                    let partition = PartitionId(reader.u16()?);
                    moves.push(Move { partition, voters: read_voters(reader)? });
                }
                Command::Place { moves, based_on }
            }
            SET_REPLICAS => Command::SetReplicas { replicas: reader.u8()? },
            SET => Command::Set {
                key: reader.text("key of a setting", SETTING_KEY_BYTES_MAX)?,
                value: match reader.flag()? {
                    false => None,
                    true => Some(reader.text("value of a setting", SETTING_VALUE_BYTES_MAX)?),
                },
            },
            SET_USERS => {
                let based_on = reader.u64()?;
                Command::SetUsers { changes: read_changes(reader)?, based_on }
            }
            RAISE => Command::Raise { level: Level(reader.u8()?) },
            kind => return Err(DecodeError::UnknownKind { what: "cluster command", kind }),
        })
    }
}

fn write_newcomer(member: &Newcomer, out: &mut Writer) {
    out.node(member.node);
    out.text(&member.name);
    out.text(&member.peer_address);
    out.text(&member.client_address);
    out.u16(member.tls_port);
    write_kind(member.kind, out);
    out.u32(member.weight);
    out.u64(member.incarnation);
    out.text(&member.version);
    write_levels(member.levels, out);
}

pub(crate) fn write_levels(levels: Levels, out: &mut Writer) {
    out.u8(levels.oldest().0);
    out.u8(levels.newest().0);
}

pub(crate) fn read_levels(reader: &mut Reader<'_>) -> Result<Levels, DecodeError> {
    let (oldest, newest) = (reader.u8()?, reader.u8()?);
    Levels::new(oldest, newest)
        .ok_or(DecodeError::NotCanonical("levels go from one above 0 to a higher or the same"))
}

fn read_newcomer(reader: &mut Reader<'_>) -> Result<Newcomer, DecodeError> {
    Ok(Newcomer {
        node: reader.node()?,
        name: reader.text("node name", NAME_BYTES_MAX)?,
        peer_address: reader.text("peer address", ADDRESS_BYTES_MAX)?,
        client_address: reader.text("client address", ADDRESS_BYTES_MAX)?,
        tls_port: reader.u16()?,
        kind: read_kind(reader)?,
        weight: reader.u32()?,
        incarnation: reader.u64()?,
        version: reader.text("version", VERSION_BYTES_MAX)?,
        levels: read_levels(reader)?,
    })
}

pub(crate) fn write_voters(voters: &[NodeId], out: &mut Writer) {
    // One byte is far above the limit, which is held when the command is applied.
    out.u8(u8::try_from(voters.len()).unwrap_or(u8::MAX));
    for &voter in voters {
        out.node(voter);
    }
}

pub(crate) fn read_voters(reader: &mut Reader<'_>) -> Result<Vec<NodeId>, DecodeError> {
    let count = usize::from(reader.u8()?);
    if count > REPLICAS_MAX {
        return Err(DecodeError::TooLarge { what: "number of voters", found: count, limit: REPLICAS_MAX });
    }
    (0..count).map(|_| reader.node()).collect()
}

pub(crate) fn write_kind(kind: MemberKind, out: &mut Writer) {
    out.u8(match kind {
        MemberKind::Data => 0,
        MemberKind::Witness => 1,
    });
}

pub(crate) fn read_kind(reader: &mut Reader<'_>) -> Result<MemberKind, DecodeError> {
    match reader.u8()? {
        0 => Ok(MemberKind::Data),
        1 => Ok(MemberKind::Witness),
        kind => Err(DecodeError::UnknownKind { what: "member", kind }),
    }
}

pub(crate) fn write_state(state: MemberState, out: &mut Writer) {
    out.u8(match state {
        MemberState::Joining => 0,
        MemberState::Up => 1,
        MemberState::Leaving => 2,
        MemberState::Down => 3,
        MemberState::Removed => 4,
    });
}

pub(crate) fn read_state(reader: &mut Reader<'_>) -> Result<MemberState, DecodeError> {
    Ok(match reader.u8()? {
        0 => MemberState::Joining,
        1 => MemberState::Up,
        2 => MemberState::Leaving,
        3 => MemberState::Down,
        4 => MemberState::Removed,
        kind => return Err(DecodeError::UnknownKind { what: "member's state", kind }),
    })
}
