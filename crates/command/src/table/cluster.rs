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
        node(ClusterMyId, "cluster|myid", 2, STALE)
            .since("3.0.0")
            .cost("O(1)")
            .summary("Returns the id of the node."),
        node(ClusterNodes, "cluster|nodes", 2, STALE)
            .since("3.0.0")
            .cost("O(N), N the number of nodes")
            .tips(&["nondeterministic_output"])
            .summary("Describes the nodes, one a line."),
        node(ClusterShards, "cluster|shards", 2, STALE)
            .since("7.0.0")
            .cost("O(N), N the number of nodes")
            .tips(&["nondeterministic_output"])
            .summary("Returns which nodes hold which slots, grouped by shard."),
        node(ClusterSlots, "cluster|slots", 2, STALE)
            .since("3.0.0")
            .cost("O(N), N the number of nodes")
            .tips(&["nondeterministic_output"])
            .summary("Returns which nodes hold which slots."),
    ]),
    node(ReadOnly, "readonly", 1, LOADING | STALE | FAST)
        .since("3.0.0")
        .cost("O(1)")
        .categories(&[Category::Connection])
        .summary("Lets a replica answer reads of this connection."),
    node(ReadWrite, "readwrite", 1, LOADING | STALE | FAST)
        .since("3.0.0")
        .cost("O(1)")
        .categories(&[Category::Connection])
        .summary("Sends reads of this connection to the leader again, which is how it starts."),
];
