//! The two closed lists of commands. `engine` matches the first to the end, `node` the second.
//!
//! Invariant, checked while compiling: every variant has exactly one row in [`crate::table`], and every row that
//! runs names a variant. So a row without an implementation, or the reverse, does not build.

use crate::Spec;
use crate::table;

macro_rules! commands {
    ($(#[$doc:meta])* $name:ident { $($(#[$group:meta])* $variant:ident)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name {
            $(
                #[doc = concat!("See the row of `", stringify!($variant), "`.")]
                $(#[$group])*
                $variant,
            )*
        }

        impl $name {
            /// All variants, in the order of their numbers. The numbers mean nothing outside this process.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];
        }
    };
}

commands! {
    /// Commands that read or change the data of one partition (or of several, borrowed).
    DataCommand {
        // String.
        Append Decr DecrBy DelEx DelIfEq Digest Get GetDel GetEx GetRange GetSet Incr IncrBy IncrByFloat IncrEx Lcs MGet MSet MSetEx
        MSetNx PSetEx Set SetEx SetNx SetRange StrLen Substr
        // Hash.
        HDel HExists HExpire HExpireAt HExpireTime HGet HGetAll HGetDel HGetEx HIncrBy HIncrByFloat HKeys HLen HMGet
        HMSet HPersist HPExpire HPExpireAt HPExpireTime HPTtl HRandField HScan HSet HSetEx HSetNx HStrLen HTtl HVals
        // Set.
        SAdd SCard SDiff SDiffCard SDiffStore SInter SInterCard SInterStore SIsMember SMembers SMIsMember SMove SPop
        SRandMember SRem SScan SUnion SUnionCard SUnionStore
        // List.
        BLMove BLMoveM BLMPop BLPop BRPop BRPopLPush
        LIndex LInsert LLen LMove LMoveM LMPop LPop LPos LPush LPushX LRange LRem LSet LTrim RPop RPopLPush RPush RPushX
        // Sorted set.
        BZMPop BZPopMax BZPopMin
        ZAdd ZCard ZCount ZDiff ZDiffStore ZIncrBy ZInter ZInterCard ZInterStore ZLexCount ZMPop ZMScore ZPopMax ZPopMin
        ZRandMember ZRange ZRangeByLex ZRangeByScore ZRangeStore ZRank ZRem ZRemRangeByLex ZRemRangeByRank
        ZRemRangeByScore ZRevRange ZRevRangeByLex ZRevRangeByScore ZRevRank ZScan ZScore ZUnion ZUnionStore
        // Bitmap.
        BitCount BitField BitFieldRo BitOp BitPos GetBit SetBit
        // Geo.
        GeoAdd GeoDist GeoHash GeoPos GeoRadius GeoRadiusByMember GeoRadiusByMemberRo GeoRadiusRo GeoSearch
        GeoSearchStore
        // HyperLogLog.
        PfAdd PfCount PfDebug PfMerge
        // Generic.
        Copy Del Dump Exists Expire ExpireAt ExpireTime Move ObjectEncoding ObjectFreq ObjectIdleTime ObjectRefCount
        Persist PExpire PExpireAt PExpireTime PTtl Rename RenameNx Restore Sort SortRo Touch Ttl Type Unlink MemoryUsage DebugObject
        DebugDigestValue
        // Written by nodes into the log, never taken from clients.
        NarfEvict NarfExpire NarfOnce NarfPut NarfFlush NarfPfAdd NarfPfMerge
    }
}

commands! {
    /// Commands about connections, the node, or whole databases.
    NodeCommand {
        // Connection.
        Auth ClientAck ClientCaching ClientGetName ClientGetRedir ClientHelp ClientId ClientInfo ClientKill
        ClientList ClientNoEvict ClientNoTouch ClientPause ClientRead ClientRedirect ClientReply ClientSession ClientSetInfo ClientSetName ClientTracking
        ClientTrackingInfo ClientUnblock ClientUnpause Echo Hello Ping Quit Reset Select
        // Publish and subscribe.
        PSubscribe Publish PubSubChannels PubSubHelp PubSubNumPat PubSubNumSub PubSubShardChannels
        PubSubShardNumSub PUnsubscribe SPublish SSubscribe Subscribe SUnsubscribe Unsubscribe
        // Transactions.
        Discard Exec Multi Unwatch Watch
        // What nodes ask each other, never taken from clients.
        NarfAwait NarfDigests NarfExec NarfReached NarfRelease
        // Whole databases.
        DbSize FlushAll FlushDb Keys Migrate RandomKey Scan SwapDb Wait WaitAof ObjectHelp
        // Server.
        AclCat AclDelUser AclDryRun AclGenPass AclGetUser AclHelp AclList AclLoad AclLog AclSave AclSetUser AclUsers
        AclWhoAmI
        BgRewriteAof BgSave Command CommandCount CommandDocs CommandGetKeys CommandGetKeysAndFlags CommandHelp
        CommandInfo CommandList ConfigGet ConfigHelp ConfigResetStat ConfigRewrite ConfigSet DebugDigest DebugDigestAt
        DebugHelp DebugReload DebugSetActiveExpire DebugSleep Info LastSave LatencyDoctor LatencyGraph LatencyHelp LatencyHistogram LatencyHistory LatencyLatest LatencyReset Lolwut MemoryDoctor MemoryHelp
        MemoryMallocStats MemoryPurge MemoryStats ModuleList Monitor Role Save Shutdown SlowlogGet SlowlogHelp
        SlowlogLen SlowlogReset Time
        // HyperLogLog.
        PfSelfTest
        // Cluster.
        Asking ClusterCountFailureReports ClusterCountKeysInSlot ClusterGetKeysInSlot ClusterHelp ClusterInfo ClusterKeySlot ClusterLinks
        ClusterMyId ClusterMyShardId ClusterNodes ClusterReplicas ClusterShards ClusterSlaves ClusterSlots
        ReadOnly ReadWrite
        FabricCheck FabricClock FabricDrain FabricHelp FabricHotKeys FabricInvite FabricJoin FabricLeave FabricMap FabricMembers FabricOwner
        FabricRebalance FabricRemove FabricReplicas FabricScrub FabricStatus FabricTrust FabricUpgrade
    }
}

impl DataCommand {
    /// The row of this command.
    #[inline]
    pub fn spec(self) -> &'static Spec {
        table::DATA[self as usize]
    }

    /// Whether a request may need more than the keys in it.
    pub const fn reaches_further(self) -> bool {
        matches!(self, DataCommand::Move | DataCommand::Sort | DataCommand::SortRo)
    }
}

impl NodeCommand {
    /// The row of this command.
    #[inline]
    pub fn spec(self) -> &'static Spec {
        table::NODE[self as usize]
    }
}
