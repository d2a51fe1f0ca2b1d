//! Rows of the server commands.

use super::prelude::*;
use crate::DataCommand::*;
use crate::NodeCommand::*;

rows_of!(Group::Server; data node container);

const LATENCY_TIPS: &[&str] =
    &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"];

pub(super) const ROWS: &[Row] = &[
    container("acl").since("6.0.0").summary("Says who may do what.").subcommands(&[
        node(AclCat, "acl|cat", -2, NOSCRIPT | LOADING | STALE)
            .since("6.0.0")
            .syntax("[category]")
            .cost("O(N), N the number of commands")
            .summary("Returns the categories of commands, or the commands of one."),
        node(AclDelUser, "acl|deluser", -3, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("6.0.0")
            .syntax("username [username ...]")
            .cost("O(N), N the number of users and of their connections")
            .summary("Deletes users on all nodes, and closes their connections."),
        node(AclDryRun, "acl|dryrun", -4, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("7.0.0")
            .syntax("username command [arg [arg ...]]")
            .cost("O(1)")
            .summary("Says whether a user may run a command, without running it."),
        node(AclGenPass, "acl|genpass", -2, NOSCRIPT | LOADING | STALE)
            .since("6.0.0")
            .syntax("[bits]")
            .cost("O(1)")
            .summary("Returns a password that nobody can guess."),
        node(AclGetUser, "acl|getuser", 3, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("6.0.0")
            .syntax("username")
            .cost("O(N), N the number of the user's rules")
            .summary("Describes one user."),
        node(AclHelp, "acl|help", 2, LOADING | STALE)
            .since("6.0.0")
            .cost("O(1)")
            .summary("Lists the subcommands."),
        node(AclList, "acl|list", 2, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("6.0.0")
            .cost("O(N), N the number of users")
            .summary("Describes all users, one a line, in the words of ACL SETUSER."),
        node(AclLoad, "acl|load", 2, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("6.0.0")
            .cost("O(N), N the number of users")
            .summary("Puts the users of the ACL file in the place of all users, on all nodes."),
        node(AclLog, "acl|log", -2, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("6.0.0")
            .syntax("[count | RESET]")
            .cost("O(N), N the number of entries returned")
            .summary("Returns what was refused to whom on this node, newest first, or forgets it."),
        node(AclSave, "acl|save", 2, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("6.0.0")
            .cost("O(N), N the number of users")
            .summary("Writes all users to the ACL file."),
        node(AclSetUser, "acl|setuser", -3, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("6.0.0")
            .syntax("username [rule [rule ...]]")
            .cost("O(N), N the number of rules")
            .summary("Makes a user or changes one, on all nodes."),
        node(AclUsers, "acl|users", 2, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("6.0.0")
            .cost("O(N), N the number of users")
            .summary("Returns the names of all users."),
        node(AclWhoAmI, "acl|whoami", 2, NOSCRIPT | LOADING | STALE)
            .since("6.0.0")
            .cost("O(1)")
            .summary("Returns the name of the connection's user."),
    ]),
    node(BgRewriteAof, "bgrewriteaof", 1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING)
        .since("1.0.0")
        .cost("O(1)")
        .summary("Writes a snapshot in the background, so that older log can go."),
    node(BgSave, "bgsave", -1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING)
        .since("1.0.0")
        .syntax("[SCHEDULE]")
        .cost("O(1)")
        .summary("Writes a snapshot in the background."),
    node(Command, "command", -1, LOADING | STALE)
        .since("2.8.13")
        .cost("O(N), N the number of commands")
        .categories(&[Category::Connection])
        .tips(&["nondeterministic_output_order"])
        .summary("Describes every command.")
        .subcommands(&[
            node(CommandCount, "command|count", 2, LOADING | STALE)
                .since("2.8.13")
                .cost("O(1)")
                .categories(&[Category::Connection])
                .summary("Returns the number of commands."),
            node(CommandDocs, "command|docs", -2, LOADING | STALE)
                .since("7.0.0")
                .syntax("[command-name [command-name ...]]")
                .cost("O(N), N the number of commands asked for")
                .categories(&[Category::Connection])
                .tips(&["nondeterministic_output_order"])
                .summary("Returns the documentation of commands."),
            node(CommandGetKeys, "command|getkeys", -3, LOADING | STALE)
                .since("2.8.13")
                .syntax("command [arg [arg ...]]")
                .cost("O(N), N the number of arguments")
                .categories(&[Category::Connection])
                .summary("Returns which arguments of a command are keys."),
            node(CommandGetKeysAndFlags, "command|getkeysandflags", -3, LOADING | STALE)
                .since("7.0.0")
                .syntax("command [arg [arg ...]]")
                .cost("O(N), N the number of arguments")
                .categories(&[Category::Connection])
                .summary("Returns which arguments of a command are keys, and what happens to them."),
            node(CommandHelp, "command|help", 2, LOADING | STALE)
                .since("5.0.0")
                .cost("O(1)")
                .categories(&[Category::Connection])
                .summary("Lists the subcommands."),
            node(CommandInfo, "command|info", -2, LOADING | STALE)
                .since("2.8.13")
                .syntax("[command-name [command-name ...]]")
                .cost("O(N), N the number of commands asked for")
                .categories(&[Category::Connection])
                .tips(&["nondeterministic_output_order"])
                .summary("Describes some commands, or every command."),
            node(CommandList, "command|list", -2, LOADING | STALE)
                .since("7.0.0")
                .syntax("[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]")
                .cost("O(N), N the number of commands")
                .categories(&[Category::Connection])
                .tips(&["nondeterministic_output_order"])
                .summary("Returns the names of commands."),
        ]),
    container("config").since("2.0.0").summary("Reads and changes settings.").subcommands(&[
        node(ConfigGet, "config|get", -3, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("2.0.0")
            .syntax("parameter [parameter ...]")
            .cost("O(N), N the number of settings")
            .summary("Returns settings whose names match patterns."),
        node(ConfigHelp, "config|help", 2, LOADING | STALE)
            .since("5.0.0")
            .cost("O(1)")
            .summary("Lists the subcommands."),
        node(ConfigResetStat, "config|resetstat", 2, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("2.0.0")
            .cost("O(1)")
            .summary("Sets counters of INFO to zero."),
        node(ConfigRewrite, "config|rewrite", 2, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("2.8.0")
            .cost("O(1)")
            .summary("Writes the settings in force to the configuration file."),
        node(ConfigSet, "config|set", -4, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("2.0.0")
            .syntax("parameter value [parameter value ...]")
            .cost("O(N), N the number of settings")
            .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
            .summary(
                "Changes settings, all or none: of this node, or of all if they are shared (docs/settings.md).",
            ),
    ]),
    node(DbSize, "dbsize", 1, READONLY | FAST)
        .since("1.0.0")
        .cost("O(1)")
        .categories(&[Category::Keyspace])
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"])
        .summary("Returns the number of keys in the database."),
    container("debug").since("1.0.0").summary("Looks inside and provokes things, for tests.").subcommands(&[
        node(DebugDigest, "debug|digest", 2, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("1.0.0")
            .cost("O(N), N the number of keys")
            .summary("Returns a digest of all data."),
        node(DebugDigestAt, "debug|digest-at", -3, ADMIN | NOSCRIPT | STALE | NO_MULTI)
            .since("narf 0.1.0")
            .syntax("partition [index]")
            .cost("O(N), N the number of keys; in slices between other requests")
            .summary(
                "Returns an entry's number and a digest of what this node's replica of a partition holds right behind it.",
            ),
        data(DebugDigestValue, "debug|digest-value", -3, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("1.0.0")
            .keys(&[key(2, -1, 1, RO)])
            .syntax("key [key ...]")
            .cost("O(N), N the size of the values")
            .summary("Returns a digest of each value."),
        node(DebugHelp, "debug|help", 2, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("1.0.0")
            .cost("O(1)")
            .summary("Lists the subcommands."),
        data(DebugObject, "debug|object", -3, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("1.0.0")
            .keys(&[key(2, 2, 1, RO)])
            .syntax("key [FAST]")
            .cost("O(N), N the size of the value")
            .summary("Describes how a value is stored."),
        node(DebugReload, "debug|reload", -2, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("1.0.0")
            .syntax("[NOSAVE] [NOFLUSH] [MERGE]")
            .cost("O(N), N the number of keys")
            .summary("Writes the data to disk and reads it back."),
        node(DebugSetActiveExpire, "debug|set-active-expire", 3, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("1.0.0")
            .syntax("<0 | 1>")
            .cost("O(1)")
            .summary("Says whether expired keys are deleted before anybody asks for them."),
        node(DebugSleep, "debug|sleep", 3, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("1.0.0")
            .syntax("seconds")
            .cost("O(1)")
            .summary("Makes the node do nothing for a while."),
    ]),
    node(FlushAll, "flushall", -1, WRITE)
        .since("1.0.0")
        .syntax("[ASYNC | SYNC]")
        .cost("O(N), N the number of keys")
        .categories(&[Category::Keyspace, Category::Dangerous])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .summary("Deletes the keys of all databases."),
    node(FlushDb, "flushdb", -1, WRITE)
        .since("1.0.0")
        .syntax("[ASYNC | SYNC]")
        .cost("O(N), N the number of keys")
        .categories(&[Category::Keyspace, Category::Dangerous])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .summary("Deletes the keys of the database."),
    node(Info, "info", -1, LOADING | STALE)
        .since("1.0.0")
        .syntax("[section [section ...]]")
        .cost("O(1)")
        .categories(&[Category::Dangerous])
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .summary("Describes the node: versions, counters, load."),
    node(LastSave, "lastsave", 1, LOADING | STALE | FAST)
        .since("1.0.0")
        .cost("O(1)")
        .categories(&[Category::Admin, Category::Dangerous])
        .tips(&["nondeterministic_output"])
        .summary("Returns the second at which the last snapshot was finished."),
    container("latency").since("2.8.13").summary("Looks at how long requests took.").subcommands(&[
        node(LatencyDoctor, "latency|doctor", 2, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("2.8.13")
            .cost("O(1)")
            .tips(LATENCY_TIPS)
            .summary("Returns what was seen, in words."),
        node(LatencyGraph, "latency|graph", 3, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("2.8.13")
            .syntax("event")
            .cost("O(1)")
            .tips(LATENCY_TIPS)
            .summary("Draws the moments of an event."),
        node(LatencyHelp, "latency|help", 2, LOADING | STALE)
            .since("2.8.13")
            .cost("O(1)")
            .summary("Lists the subcommands."),
        node(LatencyHistogram, "latency|histogram", -2, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("7.0.0")
            .syntax("[command [command ...]]")
            .cost("O(N), N the number of commands")
            .tips(LATENCY_TIPS)
            .summary("Returns how many requests took how long, by command."),
        node(LatencyHistory, "latency|history", 3, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("2.8.13")
            .syntax("event")
            .cost("O(1)")
            .tips(LATENCY_TIPS)
            .summary("Returns the moments of an event and how long each was."),
        node(LatencyLatest, "latency|latest", 2, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("2.8.13")
            .cost("O(1)")
            .tips(LATENCY_TIPS)
            .summary("Returns the latest and the longest moment of each event."),
        node(LatencyReset, "latency|reset", -2, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("2.8.13")
            .syntax("[event [event ...]]")
            .cost("O(1)")
            .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
            .summary("Forgets events, and returns how many there were."),
    ]),
    node(Lolwut, "lolwut", -1, READONLY | FAST)
        .since("5.0.0")
        .syntax("[VERSION version]")
        .cost("O(1)")
        .summary("Shows a picture, and the version."),
    container("memory").since("4.0.0").summary("Looks at the use of memory.").subcommands(&[
        node(MemoryDoctor, "memory|doctor", 2, NONE)
            .since("4.0.0")
            .cost("O(1)")
            .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
            .summary("Says in words whether memory looks well."),
        node(MemoryHelp, "memory|help", 2, LOADING | STALE)
            .since("4.0.0")
            .cost("O(1)")
            .summary("Lists the subcommands."),
        node(MemoryMallocStats, "memory|malloc-stats", 2, NONE)
            .since("4.0.0")
            .cost("O(1)")
            .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
            .summary("Returns what the allocator reports."),
        node(MemoryPurge, "memory|purge", 2, NONE)
            .since("4.0.0")
            .cost("O(1)")
            .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
            .summary("Asks the allocator to give back free memory."),
        node(MemoryStats, "memory|stats", 2, NONE)
            .since("4.0.0")
            .cost("O(1)")
            .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
            .summary("Returns what memory is used for."),
        data(MemoryUsage, "memory|usage", -3, READONLY)
            .since("4.0.0")
            .keys(&[key(2, 2, 1, RO)])
            .syntax("key [SAMPLES count]")
            .cost("O(N), N the number of samples")
            .summary("Returns the bytes that a key and its value take."),
    ]),
    container("module").since("4.0.0").summary("Looks at modules.").subcommands(&[node(
        ModuleList,
        "module|list",
        2,
        ADMIN | NOSCRIPT,
    )
    .since("4.0.0")
    .cost("O(1)")
    .tips(&["nondeterministic_output_order"])
    .summary("Returns the loaded modules: none.")]),
    node(Monitor, "monitor", 1, ADMIN | NOSCRIPT | LOADING | STALE)
        .since("1.0.0")
        .cost("O(1) for each command of any connection")
        .summary("Sends every command of all connections to this one, as it comes."),
    node(Role, "role", 1, NOSCRIPT | LOADING | STALE | FAST)
        .since("2.8.12")
        .cost("O(1)")
        .categories(&[Category::Admin, Category::Dangerous])
        .summary("Returns the part the node plays in replication."),
    node(Save, "save", 1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI)
        .since("1.0.0")
        .cost("O(N), N the number of keys")
        .summary("Writes a snapshot and waits until it is on disk."),
    node(Shutdown, "shutdown", -1, ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY)
        .since("1.0.0")
        .syntax("[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]")
        .cost("O(N), N the number of keys, if it saves")
        .summary("Stops the node in good order."),
    container("slowlog").since("2.2.12").summary("Looks at requests that took long.").subcommands(&[
        node(SlowlogGet, "slowlog|get", -2, ADMIN | LOADING | STALE)
            .since("2.2.12")
            .syntax("[count]")
            .cost("O(N), N the entries returned")
            .tips(&["request_policy:all_nodes", "nondeterministic_output"])
            .summary("Returns the latest entries."),
        node(SlowlogHelp, "slowlog|help", 2, LOADING | STALE)
            .since("6.2.0")
            .cost("O(1)")
            .summary("Lists the subcommands."),
        node(SlowlogLen, "slowlog|len", 2, ADMIN | LOADING | STALE)
            .since("2.2.12")
            .cost("O(1)")
            .tips(&["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"])
            .summary("Returns the number of entries."),
        node(SlowlogReset, "slowlog|reset", 2, ADMIN | LOADING | STALE)
            .since("2.2.12")
            .cost("O(N), N the number of entries")
            .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
            .summary("Drops all entries."),
    ]),
    node(SwapDb, "swapdb", 3, WRITE | FAST)
        .since("4.0.0")
        .syntax("index1 index2")
        .cost("O(N), N the elements of both databases")
        .categories(&[Category::Keyspace, Category::Dangerous])
        .summary("Swaps the data of two databases."),
    node(Time, "time", 1, LOADING | STALE | FAST)
        .since("2.6.0")
        .cost("O(1)")
        .tips(&["nondeterministic_output"])
        .summary("Returns the time of the node: seconds since 1970, and microseconds."),
];
