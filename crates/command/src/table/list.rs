//! Rows of the list commands.

use super::prelude::*;
use crate::DataCommand::*;

rows_of!(Group::List; data);

pub(super) const ROWS: &[Row] = &[
    data(BLMove, "blmove", 6, WRITE | DENYOOM | NOSCRIPT | BLOCKING)
        .since("6.2.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | DELETE), key(2, 2, 1, RW | INSERT)])
        .syntax("source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout")
        .cost("O(1)")
        .summary("Does as LMOVE does, and waits up to so many seconds, 0 for ever, for the source to have an element."),
    data(BLMoveM, "blmovem", -6, WRITE | DENYOOM | BLOCKING)
        .since("8.10.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | DELETE), key(2, 2, 1, RW | INSERT)])
        .syntax("source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout [<COUNT count | EXACTLY exactly> <OBO | BULK>]")
        .cost("O(N), N the number of elements moved")
        .summary("Does as LMOVEM does, and waits up to so many seconds, 0 for ever, for the source to have enough."),
    data(BLMPop, "blmpop", -5, WRITE | BLOCKING)
        .since("7.0.0")
        .keys(&[counted(2, RW | ACCESS | DELETE)])
        .syntax("timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]")
        .cost("O(N+M), N the number of keys, M the number of elements returned")
        .summary("Does as LMPOP does, and waits up to so many seconds, 0 for ever, for a list to have an element."),
    data(BLPop, "blpop", -3, WRITE | NOSCRIPT | BLOCKING)
        .since("2.0.0")
        .keys(&[key(1, -2, 1, RW | ACCESS | DELETE)])
        .syntax("key [key ...] timeout")
        .cost("O(N), N the number of keys")
        .summary("Takes the first element of the first list that has any; waits up to so many seconds, 0 for ever, for one."),
    data(BRPop, "brpop", -3, WRITE | NOSCRIPT | BLOCKING)
        .since("2.0.0")
        .keys(&[key(1, -2, 1, RW | ACCESS | DELETE)])
        .syntax("key [key ...] timeout")
        .cost("O(N), N the number of keys")
        .summary("Takes the last element of the first list that has any; waits up to so many seconds, 0 for ever, for one."),
    data(BRPopLPush, "brpoplpush", 4, WRITE | DENYOOM | NOSCRIPT | BLOCKING)
        .since("2.2.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | DELETE), key(2, 2, 1, RW | INSERT)])
        .syntax("source destination timeout")
        .cost("O(1)")
        .summary("Does as RPOPLPUSH does, and waits up to so many seconds, 0 for ever, for an element.")
        .deprecated("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments"),
    data(LIndex, "lindex", 3, READONLY)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key index")
        .cost("O(N), N the number of elements between the index and the nearer end")
        .summary("Returns the element at an index; negative ones count from the end."),
    data(LInsert, "linsert", 5, WRITE | DENYOOM)
        .since("2.2.0")
        .keys(&[key(1, 1, 1, RW | INSERT)])
        .syntax("key <BEFORE | AFTER> pivot element")
        .cost("O(N), N the number of elements before the pivot")
        .summary("Puts an element before or after the first one that equals the pivot, and returns the new length."),
    data(LLen, "llen", 2, READONLY | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RO)])
        .syntax("key")
        .cost("O(1)")
        .summary("Returns the number of elements."),
    data(LMove, "lmove", 5, WRITE | DENYOOM)
        .since("6.2.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | DELETE), key(2, 2, 1, RW | INSERT)])
        .syntax("source destination <LEFT | RIGHT> <LEFT | RIGHT>")
        .cost("O(1)")
        .summary("Moves the element at an end of one list to an end of another, and returns it."),
    data(LMoveM, "lmovem", -5, WRITE | DENYOOM)
        .since("8.10.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | DELETE), key(2, 2, 1, RW | INSERT)])
        .syntax("source destination <LEFT | RIGHT> <LEFT | RIGHT> [<COUNT count | EXACTLY exactly> <OBO | BULK>]")
        .cost("O(N), N the number of elements moved")
        .summary("Moves elements from an end of one list to an end of another, one by one or in their order."),
    data(LMPop, "lmpop", -4, WRITE)
        .since("7.0.0")
        .keys(&[counted(1, RW | ACCESS | DELETE)])
        .syntax("numkeys key [key ...] <LEFT | RIGHT> [COUNT count]")
        .cost("O(N+M), N the number of keys, M the number of elements returned")
        .summary("Takes elements out of the first of several lists that has any, and returns its key and them."),
    data(LPop, "lpop", -2, WRITE | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | DELETE)])
        .syntax("key [count]")
        .cost("O(N), N the number of elements returned")
        .summary("Takes out the first element, or several, and returns them."),
    data(LPos, "lpos", -3, READONLY)
        .since("6.0.6")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key element [RANK rank] [COUNT num-matches] [MAXLEN len]")
        .cost("O(N), N the number of elements looked at")
        .summary("Returns the index of an element, or of several that equal it."),
    data(LPush, "lpush", -3, WRITE | DENYOOM | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | INSERT)])
        .syntax("key element [element ...]")
        .cost("O(N), N the number of elements pushed")
        .summary("Puts elements before the first one, each before the last, and returns the new length."),
    data(LPushX, "lpushx", -3, WRITE | DENYOOM | FAST)
        .since("2.2.0")
        .keys(&[key(1, 1, 1, RW | INSERT)])
        .syntax("key element [element ...]")
        .cost("O(N), N the number of elements pushed")
        .summary("Does as LPUSH does if the list exists."),
    data(LRange, "lrange", 4, READONLY)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key start stop")
        .cost("O(S+N), S the number of elements between the start and the nearer end, N those returned")
        .summary("Returns the elements between two indexes, both included."),
    data(LRem, "lrem", 4, WRITE)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | DELETE)])
        .syntax("key count element")
        .cost("O(N), N the size of the list")
        .summary("Removes elements that equal one, from the front, from the back or all, and returns how many."),
    data(LSet, "lset", 4, WRITE | DENYOOM)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | UPDATE)])
        .syntax("key index element")
        .cost("O(N), N the number of elements between the index and the nearer end")
        .summary("Replaces the element at an index."),
    data(LTrim, "ltrim", 4, WRITE)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | DELETE)])
        .syntax("key start stop")
        .cost("O(N), N the number of elements removed")
        .summary("Removes all elements but those between two indexes."),
    data(RPop, "rpop", -2, WRITE | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | DELETE)])
        .syntax("key [count]")
        .cost("O(N), N the number of elements returned")
        .summary("Takes out the last element, or several, and returns them."),
    data(RPopLPush, "rpoplpush", 3, WRITE | DENYOOM)
        .since("1.2.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | DELETE), key(2, 2, 1, RW | INSERT)])
        .syntax("source destination")
        .cost("O(1)")
        .summary("Moves the last element of one list to the front of another, and returns it.")
        .deprecated("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments"),
    data(RPush, "rpush", -3, WRITE | DENYOOM | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | INSERT)])
        .syntax("key element [element ...]")
        .cost("O(N), N the number of elements pushed")
        .summary("Puts elements behind the last one and returns the new length."),
    data(RPushX, "rpushx", -3, WRITE | DENYOOM | FAST)
        .since("2.2.0")
        .keys(&[key(1, 1, 1, RW | INSERT)])
        .syntax("key element [element ...]")
        .cost("O(N), N the number of elements pushed")
        .summary("Does as RPUSH does if the list exists."),
];
