//! Rows of the cluster commands.

use super::prelude::*;
use crate::NodeCommand::*;

rows_of!(Group::Cluster; node container);

pub(super) const ROWS: &[Row] = &[
    node(Asking, "asking", 1, FAST)
        .since("3.0.0")
        .cost("O(1)")
        .categories(&[Category::Connection])
        .summary("Lets the next command through to a slot that is being moved here."),
    container("cluster").since("3.0.0").summary("Looks at slots and nodes.").subcommands(&[
        node(ClusterCountFailureReports, "cluster|count-failure-reports", 3, ADMIN | STALE)
            .since("3.0.0")
            .syntax("node-id")
            .cost("O(N), N the number of nodes")
            .tips(&["nondeterministic_output"])
            .summary("Returns how many nodes report another as failing: 1 if it is down, as all know of the same."),
        node(ClusterCountKeysInSlot, "cluster|countkeysinslot", 3, STALE)
            .since("3.0.0")
            .syntax("slot")
            .cost("O(N), N the number of keys in the partition that the slot is of")
            .summary("Returns the number of keys in a slot."),
        node(ClusterGetKeysInSlot, "cluster|getkeysinslot", 4, STALE)
            .since("3.0.0")
            .syntax("slot count")
            .cost("O(N), N the number of keys in the partition that the slot is of")
            .tips(&["nondeterministic_output"])
            .summary("Returns keys of a slot, no more than a count."),
        node(ClusterHelp, "cluster|help", 2, LOADING | STALE)
            .since("5.0.0")
            .cost("O(1)")
            .summary("Lists the subcommands."),
        node(ClusterInfo, "cluster|info", 2, STALE)
            .since("3.0.0")
            .cost("O(1)")
            .tips(&["nondeterministic_output"])
            .summary("Describes the state of the cluster."),
        node(ClusterKeySlot, "cluster|keyslot", 3, STALE)
            .since("3.0.0")
            .syntax("key")
            .cost("O(N), N the length of the key")
            .summary("Returns the slot of a key."),
        node(ClusterLinks, "cluster|links", 2, STALE)
            .since("7.0.0")
            .cost("O(N), N the number of nodes")
            .tips(&["nondeterministic_output"])
            .summary("Describes the links to other nodes and from them."),
        node(ClusterMyId, "cluster|myid", 2, STALE)
            .since("3.0.0")
            .cost("O(1)")
            .summary("Returns the id of the node."),
        node(ClusterMyShardId, "cluster|myshardid", 2, STALE)
            .since("7.2.0")
            .cost("O(1)")
            .tips(&["nondeterministic_output"])
            .summary("Returns the id of the node's shard: its own, as each node leads some slots."),
        node(ClusterNodes, "cluster|nodes", 2, STALE)
            .since("3.0.0")
            .cost("O(N), N the number of nodes")
            .tips(&["nondeterministic_output"])
            .summary("Describes the nodes, one a line."),
        node(ClusterReplicas, "cluster|replicas", 3, ADMIN | STALE)
            .since("5.0.0")
            .syntax("node-id")
            .cost("O(N), N the number of nodes")
            .tips(&["nondeterministic_output"])
            .summary("Returns the nodes that only follow a node: none, as each leads some slots."),
        node(ClusterShards, "cluster|shards", 2, STALE)
            .since("7.0.0")
            .cost("O(N), N the number of nodes")
            .tips(&["nondeterministic_output"])
            .summary("Returns which nodes hold which slots, grouped by shard."),
        node(ClusterSlaves, "cluster|slaves", 3, ADMIN | STALE)
            .since("3.0.0")
            .syntax("node-id")
            .cost("O(N), N the number of nodes")
            .tips(&["nondeterministic_output"])
            .deprecated("5.0.0", "`CLUSTER REPLICAS`")
            .summary("Returns what CLUSTER REPLICAS returns."),
        node(ClusterSlots, "cluster|slots", 2, STALE)
            .since("3.0.0")
            .cost("O(N), N the number of nodes")
            .tips(&["nondeterministic_output"])
            .summary("Returns which nodes hold which slots."),
    ]),
    container("fabric")
        .since("narf 0.1.0")
        .summary("Looks at the nodes of the cluster and changes them.")
        .subcommands(&[
        node(FabricCheck, "fabric|check", 2, STALE)
            .since("narf 0.1.0")
            .cost("O(N), N the number of partitions")
            .tips(&["nondeterministic_output"])
            .summary("Lists what is wrong with the cluster and what to do; nothing if all is well."),
        node(FabricClock, "fabric|clock", -2, ADMIN | STALE)
            .since("narf 0.1.0")
            .syntax("[ACCEPT]")
            .cost("O(1)")
            .tips(&["nondeterministic_output"])
            .summary(
                "Tells how far the system's clock is off from this node's, which ignores jumps of it; ACCEPT says that it is right.",
            ),
        node(FabricDrain, "fabric|drain", 3, ADMIN | STALE)
            .since("narf 0.1.0")
            .syntax("node")
            .cost("O(1); the data is handed over afterwards")
            .summary("Has a node hand its data over, leave and stop. A node is named by its name or id."),
        node(FabricHelp, "fabric|help", 2, LOADING | STALE)
            .since("narf 0.1.0")
            .cost("O(1)")
            .summary("Lists the subcommands."),
        node(FabricHotKeys, "fabric|hotkeys", -2, ADMIN | STALE)
            .since("narf 0.1.0")
            .syntax("[count]")
            .cost("O(1); while somebody asks every few seconds, requests are looked at more closely")
            .tips(&["nondeterministic_output"])
            .summary(
                "Tells which keys this node's clients ask for most; counted from the first question to ten seconds after the last.",
            ),
        node(FabricInvite, "fabric|invite", -2, ADMIN | STALE)
            .since("narf 0.1.0")
            .syntax("[seconds]")
            .cost("O(1)")
            .tips(&["nondeterministic_output"])
            .summary("Makes a token with which one node may join, ten minutes long if not said otherwise."),
        node(FabricJoin, "fabric|join", -3, ADMIN | STALE | NO_MULTI)
            .since("narf 0.1.0")
            .syntax("<token | address | AUTO> [token]")
            .cost("O(1); the node then begins anew")
            .summary("Has this node, if it is alone and has no keys, join another cluster; if that lets it in, connections are closed."),
        node(FabricLeave, "fabric|leave", 2, ADMIN | STALE)
            .since("narf 0.1.0")
            .cost("O(1); the data is handed over afterwards")
            .summary("Has this node hand its data over, leave and stop."),
        node(FabricMap, "fabric|map", 2, STALE)
            .since("narf 0.1.0")
            .cost("O(N), N the number of partitions")
            .tips(&["nondeterministic_output"])
            .summary("Returns for each partition its slots, who leads it, and which nodes are to hold it."),
        node(FabricMembers, "fabric|members", 2, STALE)
            .since("narf 0.1.0")
            .cost("O(N), N the number of nodes")
            .tips(&["nondeterministic_output"])
            .summary("Describes each node: name, id, state, addresses, what it holds and leads."),
        node(FabricOwner, "fabric|owner", 3, STALE)
            .since("narf 0.1.0")
            .syntax("key")
            .cost("O(N), N the length of the key")
            .tips(&["nondeterministic_output"])
            .summary("Returns slot and partition of a key of database 0, and the nodes that hold it."),
        node(FabricRebalance, "fabric|rebalance", -2, ADMIN | STALE)
            .since("narf 0.1.0")
            .syntax("[DRYRUN]")
            .cost("O(N), N the number of partitions; the data is moved afterwards")
            .tips(&["nondeterministic_output"])
            .summary(
                "Moves partitions to where they should be, without waiting for the cluster to see to it by itself; returns what moves.",
            ),
        node(FabricRemove, "fabric|remove", 3, ADMIN | STALE)
            .since("narf 0.1.0")
            .syntax("node")
            .cost("O(1)")
            .summary("Strikes a node off for good that is down or holds nothing."),
        node(FabricReplicas, "fabric|replicas", 3, ADMIN | STALE)
            .since("narf 0.1.0")
            .syntax("count")
            .cost("O(1); the data is moved afterwards")
            .summary("Says how many copies of each partition the cluster keeps."),
        node(FabricScrub, "fabric|scrub", 2, ADMIN | STALE)
            .since("narf 0.1.0")
            .cost("O(N), N the number of partitions; the data is read through afterwards")
            .tips(&["request_policy:all_nodes", "response_policy:agg_sum"])
            .summary(
                "Compares the replicas of what this node leads, and returns how many partitions; FABRIC CHECK tells what differs.",
            ),
        node(FabricStatus, "fabric|status", 2, STALE)
            .since("narf 0.1.0")
            .cost("O(N), N the number of partitions")
            .tips(&["nondeterministic_output"])
            .summary(
                "Tells whether this node has its data, how the cluster is, and what it could bear to lose.",
            ),
        node(FabricTrust, "fabric|trust", -2, ADMIN | STALE)
            .since("narf 0.1.0")
            .syntax("[LOSS]")
            .cost("O(N), N the number of partitions")
            .summary("Has this node not wait for nodes that are gone; LOSS has a witness give up what only they had."),
        node(FabricUpgrade, "fabric|upgrade", -2, ADMIN | STALE)
            .since("narf 0.1.0")
            .syntax("[FINISH]")
            .cost("O(N), N the number of nodes")
            .tips(&["nondeterministic_output"])
            .summary(
                "Tells which versions the nodes run and which stand in the way of the next level; FINISH puts it in force, for good.",
            ),
    ]),
    node(ReadOnly, "readonly", 1, LOADING | STALE | FAST)
        .since("3.0.0")
        .cost("O(1)")
        .categories(&[Category::Connection])
        .summary("Has a replica on this node answer reads of this connection; it may be behind its leader."),
    node(ReadWrite, "readwrite", 1, LOADING | STALE | FAST)
        .since("3.0.0")
        .cost("O(1)")
        .categories(&[Category::Connection])
        .summary("Sends reads of this connection to the leader again, which is how it starts."),
];
