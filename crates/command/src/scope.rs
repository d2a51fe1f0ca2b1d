//! Whom a command concerns when there are several nodes. Routing asks it here, and the reference pages tell it.
//!
//! Of data commands it follows from what else their rows say; the node's own say it one by one, with no default arm, so
//! that a new command cannot forget to. The black-box suite asks a cluster whether it is so (`tests/suite/scope.rs`).
//! Does not know: where a key is.

use crate::{FindKeys, Flags, Movable, NodeCommand, Run, Spec, Split};

/// Who has a part in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The partition that all of its keys must be in; `-CROSSSLOT` if they are not.
    Partition,
    /// The partitions of its keys, each for its part; the answers are joined.
    Partitions(Split),
    /// The partitions of its keys, one after the other until one has something; all of them while it waits.
    FirstThatHas,
    /// Every partition of a database, or of all.
    Database,
    /// The partition of the slot that it names.
    Slot,
    /// The partitions that this connection has written to.
    Written,
    /// The nodes together: it changes what they agree on.
    Agreed,
    /// The node that is asked, which tells what it knows of all.
    Known,
    /// Clients at all nodes.
    Subscribers,
    /// The node that is asked.
    Node,
    /// This connection.
    Connection,
    /// A node that is alone: it is refused where there are several.
    Alone,
    /// Nobody: it is always refused, or the name stands only before a subcommand.
    Nobody,
}

impl Spec {
    /// Whom it concerns.
    pub fn scope(&self) -> Scope {
        match self.run {
            Run::Data(_) => match self.split {
                Some(split) => Scope::Partitions(split),
                // Which of the keys it is about shows only where they are; a move needs both of its keys at once.
                None if self.flags.contains(Flags::BLOCKING) && self.has_alternative_keys() => {
                    Scope::FirstThatHas
                }
                None => Scope::Partition,
            },
            Run::Node(command) => command.scope(),
            Run::Container => Scope::Nobody,
        }
    }

    /// Whether a request can name more than one key.
    pub fn names_several_keys(&self) -> bool {
        let is_one = |last: i8| last == self.keys.first.cast_signed();
        match self.movable {
            // Of `SORT_RO` the option is refused.
            Some(Movable::Stored(_)) => self.is_write(),
            Some(Movable::Counted(_)) => true,
            None => self.has_keys() && !is_one(self.keys.last),
        }
    }

    /// Whether a replica may answer a connection that said `READONLY`.
    pub fn reads_replicas(&self) -> bool {
        match self.scope() {
            // What a transaction is about is its leader's business.
            Scope::Partition | Scope::Partitions(_) => matches!(self.run, Run::Data(_)) && !self.is_write(),
            Scope::Database => !self.is_write(),
            Scope::Slot => true,
            Scope::FirstThatHas
            | Scope::Written
            | Scope::Agreed
            | Scope::Known
            | Scope::Subscribers
            | Scope::Node
            | Scope::Connection
            | Scope::Alone
            | Scope::Nobody => false,
        }
    }

    /// Whether its keys are a list of which any will do.
    fn has_alternative_keys(&self) -> bool {
        let [keys] = self.key_specs else { return false };
        match keys.find {
            FindKeys::Counted(_) => true,
            FindKeys::Range(range) => range.last < 0,
            FindKeys::Behind { .. } | FindKeys::Content | FindKeys::Stored(_) => false,
        }
    }
}

impl NodeCommand {
    /// Whom it concerns.
    pub const fn scope(self) -> Scope {
        use NodeCommand as N;
        match self {
            N::Exec | N::Watch => Scope::Partition,
            N::DbSize | N::FlushAll | N::FlushDb | N::Keys | N::RandomKey | N::Scan => Scope::Database,
            N::ClusterCountKeysInSlot | N::ClusterGetKeysInSlot => Scope::Slot,
            N::Wait | N::WaitAof => Scope::Written,
            N::Publish
            | N::SPublish
            | N::PubSubChannels
            | N::PubSubNumPat
            | N::PubSubNumSub
            | N::PubSubShardChannels
            | N::PubSubShardNumSub => Scope::Subscribers,
            N::SwapDb => Scope::Alone,
            N::Migrate => Scope::Nobody,

            N::AclDelUser | N::AclLoad | N::AclSetUser => Scope::Agreed,
            N::FabricDrain
            | N::FabricInvite
            | N::FabricLeave
            | N::FabricRebalance
            | N::FabricRemove
            | N::FabricReplicas
            | N::FabricUpgrade => Scope::Agreed,

            N::AclDryRun | N::AclGetUser | N::AclList | N::AclUsers => Scope::Known,
            N::ClusterCountFailureReports
            | N::ClusterInfo
            | N::ClusterNodes
            | N::ClusterReplicas
            | N::ClusterShards
            | N::ClusterSlaves
            | N::ClusterSlots => Scope::Known,
            N::FabricCheck | N::FabricMap | N::FabricMembers | N::FabricOwner | N::FabricStatus => {
                Scope::Known
            }

            N::Auth | N::Echo | N::Hello | N::Ping | N::Quit | N::Reset | N::Select => Scope::Connection,
            N::ClientAck
            | N::ClientCaching
            | N::ClientGetName
            | N::ClientGetRedir
            | N::ClientId
            | N::ClientInfo
            | N::ClientNoEvict
            | N::ClientNoTouch
            | N::ClientRead
            | N::ClientRedirect
            | N::ClientReply
            | N::ClientSession
            | N::ClientSetInfo
            | N::ClientSetName
            | N::ClientTracking
            | N::ClientTrackingInfo => Scope::Connection,
            N::PSubscribe
            | N::PUnsubscribe
            | N::SSubscribe
            | N::Subscribe
            | N::SUnsubscribe
            | N::Unsubscribe => Scope::Connection,
            N::Discard | N::Multi | N::Unwatch => Scope::Connection,
            N::AclWhoAmI | N::Asking | N::ReadOnly | N::ReadWrite => Scope::Connection,

            N::ClientKill | N::ClientList | N::ClientPause | N::ClientUnblock | N::ClientUnpause => {
                Scope::Node
            }
            N::AclCat | N::AclGenPass | N::AclLog | N::AclSave => Scope::Node,
            N::BgRewriteAof | N::BgSave | N::LastSave | N::Save | N::Shutdown => Scope::Node,
            N::Command
            | N::CommandCount
            | N::CommandDocs
            | N::CommandGetKeys
            | N::CommandGetKeysAndFlags
            | N::CommandInfo
            | N::CommandList => Scope::Node,
            N::ConfigGet | N::ConfigResetStat | N::ConfigRewrite | N::ConfigSet => Scope::Node,
            N::DebugDigest | N::DebugDigestAt | N::DebugReload | N::DebugSetActiveExpire | N::DebugSleep => {
                Scope::Node
            }
            N::Info | N::Lolwut | N::ModuleList | N::Monitor | N::PfSelfTest | N::Role | N::Time => {
                Scope::Node
            }
            N::LatencyDoctor
            | N::LatencyGraph
            | N::LatencyHistogram
            | N::LatencyHistory
            | N::LatencyLatest
            | N::LatencyReset => Scope::Node,
            N::MemoryDoctor | N::MemoryMallocStats | N::MemoryPurge | N::MemoryStats => Scope::Node,
            N::SlowlogGet | N::SlowlogLen | N::SlowlogReset => Scope::Node,
            N::ClusterKeySlot | N::ClusterLinks | N::ClusterMyId | N::ClusterMyShardId => Scope::Node,
            N::FabricClock | N::FabricHotKeys | N::FabricJoin | N::FabricScrub | N::FabricTrust => {
                Scope::Node
            }
            N::AclHelp
            | N::ClientHelp
            | N::ClusterHelp
            | N::CommandHelp
            | N::ConfigHelp
            | N::DebugHelp
            | N::FabricHelp
            | N::LatencyHelp
            | N::MemoryHelp
            | N::ObjectHelp
            | N::PubSubHelp
            | N::SlowlogHelp => Scope::Node,

            // Between nodes.
            N::NarfAwait | N::NarfDigests | N::NarfExec | N::NarfReached | N::NarfRelease => Scope::Partition,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup_name;

    #[track_caller]
    fn check(names: &str, expect: Scope) {
        for name in names.split(' ') {
            assert_eq!(lookup_name(name).unwrap().scope(), expect, "{name}");
        }
    }

    #[test]
    fn scope_of_data_commands_follows_from_their_rows() {
        check("get set msetnx rename sinterstore sort lmpop blmove brpoplpush blmovem", Scope::Partition);
        check("blpop brpop blmpop bzpopmin bzmpop", Scope::FirstThatHas);
        check("del exists", Scope::Partitions(Split::Sum));
        check("mget", Scope::Partitions(Split::Array));
        check("object config", Scope::Nobody);
    }

    #[test]
    fn several_keys_can_be_named_where_the_row_says_so() {
        let several = |name| lookup_name(name).unwrap().names_several_keys();
        assert!(["mget", "rename", "sort", "zunion", "blpop", "georadius", "watch"].into_iter().all(several));
        assert!(!["get", "sort_ro", "move", "ping", "object|encoding"].into_iter().any(several));
    }

    #[test]
    fn replicas_answer_what_only_reads() {
        let reads = |name| lookup_name(name).unwrap().reads_replicas();
        assert!(["get", "mget", "keys", "sort_ro", "cluster|countkeysinslot"].into_iter().all(reads));
        assert!(!["set", "blpop", "watch", "exec", "flushall", "info"].into_iter().any(reads));
    }
}
