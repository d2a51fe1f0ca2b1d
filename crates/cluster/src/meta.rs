//! The state of the whole cluster: what all nodes agree on by the meta group's entries.
//!
//! Deterministic: the same commands with the same times give the same state, and the same bytes, on every node.
//! Invariants: see [`Meta::check`]; they hold after every command, applied or refused.
//! Does not know: consensus (who leads, what is committed), keys, or where a partition's replicas are by now; a
//! target says where they are to be.

mod apply;
mod levels;
mod snapshot;
mod voters;

use std::collections::BTreeMap;

use base::{Millis, NodeId, PartitionId, Slot};

use crate::command::{HashSeed, REPLICAS_MAX, SETTING_KEY_BYTES_MAX, SETTING_VALUE_BYTES_MAX};
use crate::level::Level;
use crate::member::{Member, MemberKind};
use crate::token::TokenHash;
use crate::users::Users;

pub use apply::Applied;
pub use voters::META_VOTERS_MAX;

/// Most live members.
pub const MEMBERS_MAX: usize = 1024;
/// Most members that were removed: their ids are kept for ever.
pub const TOMBSTONES_MAX: usize = 65_536;
/// Most join tokens that are not expired.
pub const TOKENS_MAX: usize = 1024;
/// Most settings.
pub const SETTINGS_MAX: usize = 16_384;
/// Most bytes of all settings together.
pub const SETTINGS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Where a partition is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Who is to vote in its group; the first is the preferred leader.
    pub voters: Vec<NodeId>,
    /// The version of the cluster that said so.
    pub version: u64,
}

/// What is kept of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// The last moment at which it admits.
    pub expires: Millis,
    /// Whom it admitted.
    pub used_by: Option<NodeId>,
}

/// The state of the cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta {
    cluster: u128,
    name: String,
    version: u64,
    partitions: u16,
    key_hash_seed: HashSeed,
    replicas_wanted: u8,
    /// In force. Every live member knows it.
    level: Level,
    members: BTreeMap<NodeId, Member>,
    targets: Vec<Target>,
    tokens: BTreeMap<TokenHash, Token>,
    settings: BTreeMap<String, String>,
    users: Users,
    /// Ascending. Kept, not derived from the members: who voted before goes on voting.
    voters: Vec<NodeId>,
}

impl Meta {
    /// No cluster yet: waits for [`Command::Found`](crate::Command::Found).
    pub fn new() -> Meta {
        Meta::default()
    }

    /// Whether there is a cluster.
    pub fn is_founded(&self) -> bool {
        self.partitions != 0
    }

    /// The id of the cluster; zero before it is founded.
    pub fn cluster(&self) -> u128 {
        self.cluster
    }

    /// The name of the cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many commands changed something.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many partitions there are.
    pub fn partitions(&self) -> u16 {
        self.partitions
    }

    /// The seed of the key hash.
    pub fn key_hash_seed(&self) -> HashSeed {
        self.key_hash_seed
    }

    /// How many replicas a partition should have.
    pub fn replicas_wanted(&self) -> u8 {
        self.replicas_wanted
    }

    /// How many replicas a partition can have by now: as many as wanted, and not more than nodes to hold them.
    pub fn replicas_effective(&self) -> usize {
        usize::from(self.replicas_wanted).min(self.data_nodes().count())
    }

    /// Every member, the removed ones too, by ascending id.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Every member that was not removed.
    pub fn live_members(&self) -> impl Iterator<Item = &Member> {
        self.members().filter(|member| member.state.is_live())
    }

    /// One member.
    pub fn member(&self, node: NodeId) -> Option<&Member> {
        self.members.get(&node)
    }

    /// The live member of this replica number.
    pub fn member_of_replica(&self, replica: u64) -> Option<&Member> {
        self.live_members().find(|member| member.replica_id() == replica)
    }

    /// The nodes that are up and hold data.
    pub fn data_nodes(&self) -> impl Iterator<Item = &Member> {
        self.members().filter(|member| member.is_up_with_data())
    }

    /// The live members that vote and hold no data.
    pub fn witnesses(&self) -> impl Iterator<Item = &Member> {
        self.live_members().filter(|member| member.kind == MemberKind::Witness)
    }

    /// Where each partition is to be, by its number.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Who is to vote in a partition's group, the preferred leader first; nobody if there is no such partition.
    pub fn voters_of(&self, partition: PartitionId) -> &[NodeId] {
        self.targets.get(usize::from(partition.0)).map_or(&[], |target| &target.voters)
    }

    /// How many replicas a node is to hold.
    pub fn replicas_on(&self, node: NodeId) -> usize {
        self.targets.iter().filter(|target| target.voters.contains(&node)).count()
    }

    /// Who is to vote in the meta group, ascending: up to [`META_VOTERS_MAX`].
    pub fn meta_voters(&self) -> Vec<NodeId> {
        self.voters.clone()
    }

    /// Who is to follow the meta group without a vote: every other live member, ascending.
    pub fn meta_learners(&self) -> Vec<NodeId> {
        self.live_members().map(|member| member.node).filter(|node| !self.voters.contains(node)).collect()
    }

    /// The join tokens, by hash.
    pub fn tokens(&self) -> impl Iterator<Item = (&TokenHash, &Token)> {
        self.tokens.iter()
    }

    /// One setting.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(String::as_str)
    }

    /// All settings, by key.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The users.
    pub fn users(&self) -> &Users {
        &self.users
    }

    fn settings_bytes(&self) -> usize {
        self.settings.iter().map(|(key, value)| key.len() + value.len()).sum()
    }

    /// Asserts [`Meta::check`]; run after every command in debug builds.
    pub fn check_invariants(&self) {
        if let Err(rule) = self.check() {
            unreachable!("the state of the cluster breaks a rule: {rule}");
        }
    }

    /// The rules that always hold, or the first that does not.
    pub fn check(&self) -> Result<(), &'static str> {
        if !self.is_founded() {
            let is_empty = *self == Meta::new();
            return is_empty.then_some(()).ok_or("what is not founded is empty");
        }
        self.check_numbers()?;
        self.check_members()?;
        self.check_targets()?;
        self.check_voters()?;
        self.check_rest()
    }

    fn check_numbers(&self) -> Result<(), &'static str> {
        let rules = [
            (self.cluster != 0, "a cluster has an id"),
            (self.version != 0, "founding is the first change"),
            (self.partitions <= Slot::COUNT, "there are not more partitions than slots"),
            ((1..=REPLICAS_MAX).contains(&usize::from(self.replicas_wanted)), "replicas wanted are 1 to 7"),
            (crate::member::check_name("name", &self.name).is_ok(), "the cluster's name is well formed"),
            (self.level != Level::default(), "a level is in force"),
            (self.who_lacks(self.level).next().is_none(), "every live member knows the level in force"),
        ];
        first_broken(&rules)
    }

    fn check_members(&self) -> Result<(), &'static str> {
        let mut replicas = BTreeMap::new();
        let mut addresses = BTreeMap::new();
        let mut live = 0;
        for (id, member) in &self.members {
            let is_live = member.state.is_live();
            live += usize::from(is_live);
            let replica = crate::member::replica_id(*id).ok_or("a member has a replica number")?;
            let rules = [
                (*id == member.node, "a member stands under its id"),
                (replicas.insert(replica, id).is_none(), "no two members have one replica number"),
                (member.is_well_formed(), "a member's fields are well formed"),
                (
                    member.addresses().all(|a| addresses.insert(a, id).is_none()),
                    "no two members have one address",
                ),
            ];
            first_broken(&rules)?;
        }
        let holds_data = |member: &Member| member.state.is_live() && member.kind == MemberKind::Data;
        let rules = [
            (live <= MEMBERS_MAX, "there are not too many live members"),
            (self.members.len() - live <= TOMBSTONES_MAX, "there are not too many removed members"),
            (self.members().any(holds_data), "somebody holds the data"),
        ];
        first_broken(&rules)
    }

    fn check_targets(&self) -> Result<(), &'static str> {
        if self.targets.len() != usize::from(self.partitions) {
            return Err("each partition has a target");
        }
        for target in &self.targets {
            let voters = &target.voters;
            let is_distinct = (1..voters.len()).all(|at| !voters[..at].contains(&voters[at]));
            let rules = [
                (!voters.is_empty() && voters.len() <= REPLICAS_MAX, "a partition has 1 to 7 voters"),
                (is_distinct, "a partition's voters are different nodes"),
                (self.is_witnessed_well(voters), "a witness votes, as the last, with two that hold data"),
                ((1..=self.version).contains(&target.version), "a target is not of the future"),
            ];
            first_broken(&rules)?;
        }
        Ok(())
    }

    /// Whether all that are to vote hold data, but for one witness beside two that do. More would decide without data.
    fn is_witnessed_well(&self, voters: &[NodeId]) -> bool {
        let is_data =
            |node: &NodeId| self.member(*node).is_some_and(|member| member.kind == MemberKind::Data);
        match voters {
            [first, second, third] if is_data(first) && is_data(second) => self.member(*third).is_some(),
            others => others.iter().all(is_data),
        }
    }

    fn check_voters(&self) -> Result<(), &'static str> {
        let is_live = |node: &NodeId| self.member(*node).is_some_and(|member| member.state.is_live());
        let rules = [
            ((1..=META_VOTERS_MAX).contains(&self.voters.len()), "1 to 5 members vote in the meta group"),
            (self.voters.is_sorted_by(|a, b| a < b), "the meta group's voters ascend"),
            (self.voters.iter().all(is_live), "the meta group's voters are live members"),
        ];
        first_broken(&rules)
    }

    fn check_rest(&self) -> Result<(), &'static str> {
        let is_member = |token: &Token| token.used_by.is_none_or(|node| self.members.contains_key(&node));
        let is_sized = |(key, value): (&String, &String)| {
            (1..=SETTING_KEY_BYTES_MAX).contains(&key.len()) && value.len() <= SETTING_VALUE_BYTES_MAX
        };
        let rules = [
            (self.tokens.len() <= TOKENS_MAX, "there are not too many tokens"),
            (self.tokens.values().all(is_member), "a token was used by a member"),
            (self.settings.len() <= SETTINGS_MAX, "there are not too many settings"),
            (self.settings_bytes() <= SETTINGS_BYTES_MAX, "settings are not too large together"),
            (self.settings.iter().all(is_sized), "no setting is too large"),
        ];
        first_broken(&rules)?;
        self.users.check()
    }
}

fn first_broken(rules: &[(bool, &'static str)]) -> Result<(), &'static str> {
    rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, rule)| Err(*rule))
}

impl Member {
    fn is_well_formed(&self) -> bool {
        // A live member may have none as well: another took them while it was away.
        let has_none = self.peer_address.is_empty() && self.client_address.is_empty() && self.tls_port == 0;
        let are_addresses = has_none
            || self.state.is_live()
                && crate::member::check_addresses(&self.peer_address, &self.client_address, self.tls_port)
                    .is_ok();
        are_addresses
            && crate::member::check_name("name", &self.name).is_ok()
            && crate::member::check_weight(self.weight).is_ok()
            && crate::member::check_version(&self.version).is_ok()
    }
}
