//! What is said of commands of Redis that are here and differ, and of those that are not here.
//!
//! A note about a command is of no account once the table says otherwise: one that comes to be here needs its difference
//! written, and nothing else.

use super::RedisCommand;

/// Rows that are there to say why not.
pub(super) const REFUSED: &[&str] = &["migrate"];

/// Commands, separated by spaces, and how they differ.
pub(super) const DIFFERENCES: &[(&str, &str)] = &[
    ("asking", "Is taken and changes nothing: no slot is ever half moved."),
    (
        "bgrewriteaof bgsave save",
        "Writes a checkpoint, after which older log can go; what was answered is kept without it.",
    ),
    ("lastsave", "Tells when the last checkpoint was finished."),
    ("cluster|count-failure-reports", "All nodes know the same of a node: 1 if it is down, else 0."),
    ("cluster|myshardid", "Is the id of the node: each node leads some slots, and is a shard of its own."),
    (
        "cluster|nodes cluster|shards cluster|slots",
        "Each node is the master of the slots that it leads, and a replica for those of others.",
    ),
    ("cluster|replicas cluster|slaves", "Answers none: no node only follows another."),
    (
        "acl|log client|kill client|list client|pause client|unblock client|unpause slowlog|get slowlog|len slowlog|reset",
        "Is about the node that is asked, where there are several; clients of others are asked for there.",
    ),
    (
        "dbsize keys randomkey scan",
        "Answers for all nodes, whichever is asked: who asks each of them and adds up counts a key for each.",
    ),
    ("command|docs", "Has texts of its own, and the options of newer versions."),
    (
        "zadd zincrby",
        "A score of -0 is kept as 0, in every encoding, as Redis keeps it in a listpack; in a skiplist Redis keeps the sign.",
    ),
    (
        "config|get config|set config|rewrite",
        "Knows the settings of docs/settings.md; those of Redis that mean something here have its names. What is fixed takes the value that it has and says of others why not.",
    ),
    (
        "debug",
        "Has DIGEST, DIGEST-AT, DIGEST-VALUE, OBJECT, RELOAD, SET-ACTIVE-EXPIRE and SLEEP, each a row of its own; nothing that harms data.",
    ),
    (
        "exec",
        "On several nodes DBSIZE, FLUSHALL, FLUSHDB, KEYS, RANDOMKEY and SCAN are refused inside a transaction.",
    ),
    (
        "info",
        "Has each field of Redis whose value is known here, zeros where the thing does not exist, and its own as narf_…; keys and their bytes by type in the section types.",
    ),
    ("lolwut", "Shows a picture of its own."),
    (
        "memory|doctor memory|malloc-stats memory|stats",
        "Tells of the allocator and the structures that are here.",
    ),
    ("memory|usage", "Tells the sizes of the structures that are here."),
    ("module|list", "Is empty: there are no modules."),
    ("monitor", "Shows the commands of the node it is sent to, in the order of each of its workers."),
    (
        "pfcount",
        "On several nodes what was counted is not kept in the string, as a read changes nothing there.",
    ),
    (
        "copy move",
        "On several nodes databases lie in partitions of their own: to another database is refused with -CROSSSLOT.",
    ),
    (
        "latency|histogram",
        "Of fast commands one request of 61 is timed and stands for the others; latency-tracking at all has each timed.",
    ),
    (
        "publish spublish pubsub|channels pubsub|numpat pubsub|numsub pubsub|shardchannels pubsub|shardnumsub",
        "Counts the clients of all nodes that can be reached, without asking them; the end of a subscription is known elsewhere a moment later.",
    ),
    (
        "readonly",
        "Lets a replica on this node answer reads, also of connections that know nothing of clusters.",
    ),
    ("role", "Is always master: every node leads some slots."),
    (
        "shutdown",
        "Stops the node as SIGTERM does: others lead what it led before it is gone (shutdown-timeout, whatever is said of NOW), and it stays a member of its cluster with its data on disk, whether SAVE or NOSAVE is said; one of two nodes, or one without a data folder, hands over and leaves. FABRIC LEAVE hands the data over first.",
    ),
    (
        "swapdb",
        "Is refused on several nodes, where databases lie in partitions of their own. Copies both databases, in one turn in which nothing else is served, and what it has copied is written to the log.",
    ),
    ("watch", "On several nodes values are compared: a key that was changed and changed back is as it was."),
    (
        "wait waitaof",
        "Waits for replicas of the partitions that this connection has written to. CLIENT ACK says it once for all writes.",
    ),
];

/// Commands, separated by spaces, and what to use instead.
pub(super) const INSTEAD: &[(&str, &str)] = &[
    (
        "cluster|addslots cluster|addslotsrange cluster|delslots cluster|delslotsrange cluster|flushslots cluster|setslot",
        "The nodes place slots themselves; FABRIC MAP shows where, FABRIC REBALANCE has them look at once.",
    ),
    (
        "cluster|bumpepoch cluster|set-config-epoch cluster|saveconfig",
        "There are no epochs to set, and what the nodes agree on is in their log.",
    ),
    (
        "cluster|failover failover",
        "A leader that is lost is replaced in half a second or so; FABRIC DRAIN empties a node before it is stopped.",
    ),
    (
        "cluster|forget",
        "FABRIC REMOVE strikes a node off, FABRIC DRAIN lets it leave with its data handed over.",
    ),
    (
        "cluster|meet",
        "A node joins by its own word: `narf serve --join`, or FABRIC JOIN while it runs, with a token of FABRIC INVITE.",
    ),
    (
        "cluster|replicate replicaof slaveof",
        "Every partition has its replicas, as many as FABRIC REPLICAS says.",
    ),
    ("cluster|reset", "FABRIC LEAVE, then a start with an empty data folder."),
    ("migrate", "DUMP here and RESTORE there: no node calls a server that a client names."),
    ("module|load module|loadex module|unload module|help", "There are no modules."),
    ("psync sync replconf", "Nodes speak a protocol of their own; no Redis can follow one, nor it a Redis."),
    ("restore-asking", "RESTORE: no slot is ever half moved."),
];

/// The same for whole groups.
const INSTEAD_OF_GROUP: &[(&str, &str)] = &[
    ("scripting", "MULTI with WATCH, or a command that compares: SET with IFEQ, DELEX, INCREX."),
    ("stream", "Lists with BLMOVE for work that must not be lost, channels for what may be."),
];

fn find(notes: &[(&'static str, &'static str)], name: &str) -> Option<&'static str> {
    notes.iter().find(|(names, _)| names.split(' ').any(|other| other == name)).map(|(_, note)| *note)
}

pub(super) fn difference(name: &str) -> Option<&'static str> {
    find(DIFFERENCES, name)
}

pub(super) fn instead(command: &RedisCommand) -> &'static str {
    find(INSTEAD, command.name).or_else(|| find(INSTEAD_OF_GROUP, command.group)).unwrap_or_default()
}
