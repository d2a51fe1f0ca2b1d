//! What can go wrong, by what the caller does about it.

use base::{NodeId, PartitionId};

use crate::{Level, Levels, MemberState, TokenHash, UnknownLevel};

/// A command that was not applied: the state of the cluster is as before. The text goes to whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no cluster yet.
    #[error("the cluster is not founded yet; start its first node before anything else")]
    NotFounded,
    /// There is a cluster already.
    #[error("the cluster `{name}` is founded already; join it, or start this node with an empty data folder")]
    Founded {
        /// Its name.
        name: String,
    },
    /// A field of the command breaks a rule.
    #[error("{what} `{value}` is not valid: {rule}")]
    Invalid {
        /// Which field.
        what: &'static str,
        /// What it held, cut to a readable length.
        value: String,
        /// What it should be.
        rule: &'static str,
    },
    /// Nothing of this kind may be added.
    #[error("there are {limit} {what} already, which is the most; {advice}")]
    Full {
        /// Of what.
        what: &'static str,
        /// The most there can be.
        limit: usize,
        /// The way out.
        advice: &'static str,
    },
    /// No member has this id.
    #[error("no member {node}; `narf cluster members` lists them")]
    NoMember {
        /// The id.
        node: NodeId,
    },
    /// The node was removed, and a removed one never comes back.
    #[error(
        "node {node} was removed from the cluster and cannot come back with its old data; move its data folder away \
         and join as a new node"
    )]
    WasRemoved {
        /// The id.
        node: NodeId,
    },
    /// The node is a member, under other circumstances than the command says.
    #[error("node {node} is a member already; change its addresses instead of joining again")]
    IsMember {
        /// The id.
        node: NodeId,
    },
    /// Two nodes would be one for consensus.
    #[error(
        "node {node} has the same replica number as member {holder}; mint its id again with an empty data folder"
    )]
    SameReplica {
        /// Who asked.
        node: NodeId,
        /// Who has the number.
        holder: NodeId,
    },
    /// An address is taken.
    #[error(
        "address {address} belongs to member {holder}; give the node another one, or if that member is gone, wait until the \
         others take it for down, which is 10 s after they heard of it last"
    )]
    AddressTaken {
        /// The address.
        address: String,
        /// Whose it is.
        holder: NodeId,
    },
    /// The token is not known.
    #[error(
        "the join token is not known: it was revoked, or it expired long ago; make a new one with `narf cluster invite`"
    )]
    UnknownToken {
        /// Its hash.
        token: TokenHash,
    },
    /// Somebody joined with it.
    #[error("the join token was used by node {by}; make a new one with `narf cluster invite`")]
    TokenUsed {
        /// Who.
        by: NodeId,
    },
    /// It is too late.
    #[error("the join token expired {seconds} s ago; make a new one with `narf cluster invite`")]
    TokenExpired {
        /// How long ago.
        seconds: u64,
    },
    /// It is there already.
    #[error("a token with this hash exists already; draw another secret")]
    TokenExists,
    /// The member's state does not allow it.
    #[error("node {node} is {from} and cannot become {to} this way; {advice}")]
    WrongState {
        /// The member.
        node: NodeId,
        /// What it is.
        from: MemberState,
        /// What was wanted.
        to: MemberState,
        /// The way out.
        advice: &'static str,
    },
    /// The addresses are of an earlier start of the node.
    #[error("node {node} has already announced start {known}; {found} is an earlier one and is ignored")]
    OldIncarnation {
        /// The member.
        node: NodeId,
        /// Its newest start.
        known: u64,
        /// The one in the command.
        found: u64,
    },
    /// Without it nobody would hold the data.
    #[error("node {node} is the last one that is up and holds data; add another before it goes")]
    LastNode {
        /// The member.
        node: NodeId,
    },
    /// It still holds replicas.
    #[error(
        "node {node} still holds {replicas} replicas; if it runs, `narf cluster drain {node}` has it hand them over; if \
         it is dead, it can be removed once `narf cluster members` says that it is down: some ten seconds after it fell \
         silent, if more than half of the nodes are up"
    )]
    HoldsReplicas {
        /// The member.
        node: NodeId,
        /// How many.
        replicas: usize,
    },
    /// It holds what nobody else has.
    #[error(
        "node {node} holds the only replica of partition {} and {others} more; bring it back, or their data is lost",
        .partition.0
    )]
    OnlyReplica {
        /// The member.
        node: NodeId,
        /// The first such partition.
        partition: PartitionId,
        /// How many more.
        others: usize,
    },
    /// The placement was thought out for another state of the cluster.
    #[error("the placement was made for version {based_on}, the cluster is at {version}; plan again")]
    StalePlan {
        /// What it was made for.
        based_on: u64,
        /// What is now.
        version: u64,
    },
    /// The users were changed since the change was thought out.
    #[error("{}", crate::users::USERS_CHANGED)]
    UsersChanged,
    /// Whoever asks does not know the level in force.
    #[error(transparent)]
    UnknownLevel(#[from] UnknownLevel),
    /// A level is never taken back.
    #[error("level {level} is in force and cannot be lowered")]
    LowerLevel {
        /// The level in force.
        level: Level,
    },
    /// A member does not know the level that is to be in force.
    #[error(
        "level {level} cannot be put in force: node {node} runs version {version}, which knows {levels}; start it with a \
         newer version, or if it is gone for good, remove it with `narf cluster remove {node}`"
    )]
    LevelNotKnown {
        /// The level.
        level: Level,
        /// The first such member.
        node: NodeId,
        /// What it knows.
        levels: Levels,
        /// The version of its program.
        version: String,
    },
    /// The placement breaks a rule; nothing of it was applied.
    #[error("placement of partition {} refused: {rule}; plan again", .partition.0)]
    BadPlacement {
        /// Which partition.
        partition: PartitionId,
        /// The rule.
        rule: &'static str,
    },
}

impl Refused {
    pub(crate) fn invalid(what: &'static str, value: impl ToString, rule: &'static str) -> Refused {
        let value: String = value.to_string().chars().filter(|c| !c.is_control()).take(80).collect();
        Refused::Invalid { what, value, rule }
    }
}

/// Bytes that are no command and no state of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They end too early.
    #[error("bytes end before the value does")]
    Short,
    /// They go on after the value.
    #[error("{bytes} bytes after the value")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// Written by another version of the program.
    #[error(
        "format {found} of {what} is not known here, only {known}; use the newest version of narf on all nodes"
    )]
    Version {
        /// Of what.
        what: &'static str,
        /// The version found.
        found: u8,
        /// The version that is read.
        known: u8,
    },
    /// A kind of a newer version, or damage.
    #[error("unknown kind {kind} of {what}")]
    UnknownKind {
        /// Kind of what.
        what: &'static str,
        /// The byte found.
        kind: u8,
    },
    /// A length or count beyond its limit.
    #[error("{what} of {found}, of which there can be {limit}")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// The number found.
        found: usize,
        /// Its limit.
        limit: usize,
    },
    /// Not UTF-8.
    #[error("{what} is not UTF-8")]
    NotText {
        /// Which text.
        what: &'static str,
    },
    /// Not the one form that this value has.
    #[error("not in canonical form: {0}")]
    NotCanonical(&'static str),
    /// A state that no commands lead to.
    #[error("the state contradicts itself: {0}")]
    Contradiction(&'static str),
}
