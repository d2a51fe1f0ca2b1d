//! Rows of the transactions commands.

use super::prelude::*;
use crate::NodeCommand::*;

rows_of!(Group::Transactions; node);

pub(super) const ROWS: &[Row] = &[
    node(Discard, "discard", 1, NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY)
        .since("2.0.0")
        .cost("O(N), N the number of queued commands")
        .summary("Drops the commands queued since MULTI."),
    node(Exec, "exec", 1, NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG)
        .since("1.2.0")
        .cost("the sum of the queued commands")
        .summary("Runs the commands queued since MULTI, with none of others between them."),
    node(Multi, "multi", 1, NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY)
        .since("1.2.0")
        .cost("O(1)")
        .summary("Starts a transaction: commands are queued until EXEC."),
    node(Unwatch, "unwatch", 1, NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY)
        .since("2.2.0")
        .cost("O(1)")
        .summary("Forgets the watched keys."),
    node(Watch, "watch", -2, NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY)
        .since("2.2.0")
        .keys(&[key(1, -1, 1, RO)])
        .syntax("key [key ...]")
        .cost("O(N), N the number of keys")
        .summary("Makes the next EXEC do nothing if one of the keys changes first."),
];
