//! Rows of the connection commands.

use super::prelude::*;
use crate::NodeCommand::*;

rows_of!(Group::Connection; node container);

pub(super) const ROWS: &[Row] = &[
    node(Auth, "auth", -2, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY)
        .since("1.0.0")
        .syntax("[username] password")
        .cost("O(N), N the number of passwords of the user")
        .summary("Logs the connection in."),
    container("client").since("2.4.0").summary("Looks at connections and changes them.").subcommands(&[
        node(ClientAck, "client|ack", -2, NOSCRIPT | LOADING | STALE)
            .since("narf 0.1.0")
            .syntax("[LOCAL | QUORUM | DURABLE | ALL]")
            .cost("O(1)")
            .summary(
                "Returns or sets what must have happened before a write of this connection is \
                 answered.",
            ),
        node(ClientCaching, "client|caching", 3, NOSCRIPT | LOADING | STALE)
            .since("6.0.0")
            .syntax("<YES | NO>")
            .cost("O(1)")
            .summary("Says whether the keys of the next command are tracked."),
        node(ClientGetName, "client|getname", 2, NOSCRIPT | LOADING | STALE)
            .since("2.6.9")
            .cost("O(1)")
            .summary("Returns the name of the connection."),
        node(ClientGetRedir, "client|getredir", 2, NOSCRIPT | LOADING | STALE)
            .since("6.0.0")
            .cost("O(1)")
            .summary("Returns the connection that gets the tracking messages of this one."),
        node(ClientHelp, "client|help", 2, LOADING | STALE)
            .since("5.0.0")
            .cost("O(1)")
            .summary("Lists the subcommands."),
        node(ClientId, "client|id", 2, NOSCRIPT | LOADING | STALE)
            .since("5.0.0")
            .cost("O(1)")
            .summary("Returns the number of the connection, never used twice."),
        node(ClientInfo, "client|info", 2, NOSCRIPT | LOADING | STALE)
            .since("6.2.0")
            .cost("O(1)")
            .tips(&["nondeterministic_output"])
            .summary("Describes this connection."),
        node(ClientKill, "client|kill", -3, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("2.4.0")
            .syntax(
                "<ip:port | ID client-id | TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB> | USER username | \
                 ADDR ip:port | LADDR ip:port | SKIPME <YES | NO>> [...]",
            )
            .cost("O(N), N the number of connections")
            .summary("Closes connections that match."),
        node(ClientList, "client|list", -2, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("2.4.0")
            .syntax("[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]")
            .cost("O(N), N the number of connections")
            .tips(&["nondeterministic_output"])
            .summary("Describes the connections, one a line."),
        node(ClientNoEvict, "client|no-evict", 3, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("7.0.0")
            .syntax("<ON | OFF>")
            .cost("O(1)")
            .summary("Says whether the connection is spared when memory is short."),
        node(ClientNoTouch, "client|no-touch", 3, NOSCRIPT | LOADING | STALE)
            .since("7.2.0")
            .syntax("<ON | OFF>")
            .cost("O(1)")
            .summary("Says whether commands of the connection mark keys as used."),
        node(ClientPause, "client|pause", -3, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("3.0.0")
            .syntax("timeout [WRITE | ALL]")
            .cost("O(1)")
            .summary("Holds back the commands of all connections for so many milliseconds."),
        node(ClientRead, "client|read", -2, NOSCRIPT | LOADING | STALE)
            .since("narf 0.1.0")
            .syntax("[LEASE | LINEAR | STALE]")
            .cost("O(1)")
            .summary(
                "Returns or sets whether reads rely on the leader's lease, on a word of the majority, or on no leader.",
            ),
        node(ClientRedirect, "client|redirect", 3, NOSCRIPT | LOADING | STALE)
            .since("narf 0.1.0")
            .syntax("<ON | OFF>")
            .cost("O(1)")
            .summary("Says whether this connection is sent to the node that leads a key, or served by way of this one."),
        node(ClientReply, "client|reply", 3, NOSCRIPT | LOADING | STALE)
            .since("3.2.0")
            .syntax("<ON | OFF | SKIP>")
            .cost("O(1)")
            .summary("Says whether the connection gets replies."),
        node(ClientSession, "client|session", -3, NOSCRIPT | LOADING | STALE)
            .since("narf 0.1.0")
            .syntax("<OPEN | SEQ session number>")
            .cost("O(1)")
            .summary(
                "Opens a session, or numbers the next write: sent again under its number it is answered, \
                 not applied again.",
            ),
        node(ClientSetInfo, "client|setinfo", 4, NOSCRIPT | LOADING | STALE)
            .since("7.2.0")
            .syntax("<LIB-NAME libname | LIB-VER libver>")
            .cost("O(1)")
            .summary("Tells the node the name or version of the client library."),
        node(ClientSetName, "client|setname", 3, NOSCRIPT | LOADING | STALE)
            .since("2.6.9")
            .syntax("connection-name")
            .cost("O(1)")
            .summary("Names the connection."),
        node(ClientTracking, "client|tracking", -3, NOSCRIPT | LOADING | STALE)
            .since("6.0.0")
            .syntax(
                "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] \
                 [OPTOUT] [NOLOOP]",
            )
            .cost("O(1)")
            .summary("Switches messages about changed keys on or off, for caches in clients."),
        node(ClientTrackingInfo, "client|trackinginfo", 2, NOSCRIPT | LOADING | STALE)
            .since("6.2.0")
            .cost("O(1)")
            .summary("Describes how the connection tracks keys."),
        node(ClientUnblock, "client|unblock", -3, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("5.0.0")
            .syntax("client-id [TIMEOUT | ERROR]")
            .cost("O(log N), N the number of connections")
            .summary("Ends the waiting of another connection."),
        node(ClientUnpause, "client|unpause", 2, ADMIN | NOSCRIPT | LOADING | STALE)
            .since("6.2.0")
            .cost("O(N), N the number of paused connections")
            .summary("Ends a pause."),
    ]),
    node(Echo, "echo", 2, LOADING | STALE | FAST)
        .since("1.0.0")
        .syntax("message")
        .cost("O(1)")
        .summary("Returns the message."),
    node(Hello, "hello", -1, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY)
        .since("6.0.0")
        .syntax("[protover [AUTH username password] [SETNAME clientname]]")
        .cost("O(1)")
        .summary("Chooses the protocol version and describes the node."),
    node(Ping, "ping", -1, FAST)
        .since("1.0.0")
        .syntax("[message]")
        .cost("O(1)")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .summary("Returns PONG, or the message."),
    node(Quit, "quit", -1, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY)
        .since("1.0.0")
        .cost("O(1)")
        .deprecated("7.2.0", "closing the connection")
        .summary("Closes the connection after the replies that are due."),
    node(Reset, "reset", 1, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY)
        .since("6.2.0")
        .cost("O(1)")
        .summary("Puts the connection back as it was when it was opened."),
    node(Select, "select", 2, LOADING | STALE | FAST)
        .since("1.0.0")
        .syntax("index")
        .cost("O(1)")
        .summary("Chooses the database of the connection."),
];
