//! Rows of the hash commands.

use super::prelude::*;
use crate::DataCommand::*;

rows_of!(Group::Hash; data);

pub(super) const ROWS: &[Row] = &[
    data(HDel, "hdel", -3, WRITE | FAST)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, RW | DELETE)])
        .syntax("key field [field ...]")
        .cost("O(N), N the number of fields")
        .summary("Removes fields; the key goes with its last field."),
    data(HExists, "hexists", 3, READONLY | FAST)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, RO)])
        .syntax("key field")
        .cost("O(1)")
        .summary("Says whether a field exists."),
    data(HExpire, "hexpire", -6, WRITE | DENYOOM | FAST)
        .since("7.4.0")
        .keys(&[key(1, 1, 1, RW | UPDATE)])
        .syntax("key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]")
        .cost("O(N), N the number of fields")
        .summary("Sets how many seconds fields of a hash have left."),
    data(HExpireAt, "hexpireat", -6, WRITE | DENYOOM | FAST)
        .since("7.4.0")
        .keys(&[key(1, 1, 1, RW | UPDATE)])
        .syntax("key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]")
        .cost("O(N), N the number of fields")
        .summary("Sets the second at which fields of a hash expire."),
    data(HExpireTime, "hexpiretime", -5, READONLY | FAST)
        .since("7.4.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key FIELDS numfields field [field ...]")
        .cost("O(N), N the number of fields")
        .summary("Returns the second at which each field expires."),
    data(HGet, "hget", 3, READONLY | FAST)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key field")
        .cost("O(1)")
        .summary("Returns the value of a field."),
    data(HGetAll, "hgetall", 2, READONLY)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key")
        .cost("O(N), N the size of the hash")
        .tips(&["nondeterministic_output_order"])
        .summary("Returns all fields with their values."),
    data(HGetDel, "hgetdel", -5, WRITE | FAST)
        .since("8.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | DELETE)])
        .syntax("key FIELDS numfields field [field ...]")
        .cost("O(N), N the number of fields")
        .summary("Returns the values of fields and removes these; the key goes with its last field."),
    data(HGetEx, "hgetex", -5, WRITE | FAST)
        .since("8.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | UPDATE)])
        .syntax("key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] FIELDS numfields field [field ...]")
        .cost("O(N), N the number of fields")
        .summary("Returns the values of fields, and sets or removes their deadlines."),
    data(HIncrBy, "hincrby", 4, WRITE | DENYOOM | FAST)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | UPDATE)])
        .syntax("key field increment")
        .cost("O(1)")
        .summary("Adds a number to the number in a field; an absent field counts as 0."),
    data(HIncrByFloat, "hincrbyfloat", 4, WRITE | DENYOOM | FAST)
        .since("2.6.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | UPDATE)])
        .syntax("key field increment")
        .cost("O(1)")
        .summary("Adds a decimal fraction to the number in a field; an absent field counts as 0."),
    data(HKeys, "hkeys", 2, READONLY)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key")
        .cost("O(N), N the size of the hash")
        .tips(&["nondeterministic_output_order"])
        .summary("Returns all fields."),
    data(HLen, "hlen", 2, READONLY | FAST)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, RO)])
        .syntax("key")
        .cost("O(1)")
        .summary("Returns the number of fields."),
    data(HMGet, "hmget", -3, READONLY | FAST)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key field [field ...]")
        .cost("O(N), N the number of fields asked for")
        .summary("Returns the values of several fields."),
    data(HMSet, "hmset", -4, WRITE | DENYOOM | FAST)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, RW | UPDATE)])
        .syntax("key field value [field value ...]")
        .cost("O(N), N the number of fields")
        .deprecated("4.0.0", "HSET")
        .summary("Sets several fields."),
    data(HPersist, "hpersist", -5, WRITE | FAST)
        .since("7.4.0")
        .keys(&[key(1, 1, 1, RW | UPDATE)])
        .syntax("key FIELDS numfields field [field ...]")
        .cost("O(N), N the number of fields")
        .summary("Takes the deadlines from fields of a hash."),
    data(HPExpire, "hpexpire", -6, WRITE | DENYOOM | FAST)
        .since("7.4.0")
        .keys(&[key(1, 1, 1, RW | UPDATE)])
        .syntax("key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]")
        .cost("O(N), N the number of fields")
        .summary("Sets how many milliseconds fields of a hash have left."),
    data(HPExpireAt, "hpexpireat", -6, WRITE | DENYOOM | FAST)
        .since("7.4.0")
        .keys(&[key(1, 1, 1, RW | UPDATE)])
        .syntax("key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]")
        .cost("O(N), N the number of fields")
        .summary("Sets the millisecond at which fields of a hash expire."),
    data(HPExpireTime, "hpexpiretime", -5, READONLY | FAST)
        .since("7.4.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key FIELDS numfields field [field ...]")
        .cost("O(N), N the number of fields")
        .summary("Returns the millisecond at which each field expires."),
    data(HPTtl, "hpttl", -5, READONLY | FAST)
        .since("7.4.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key FIELDS numfields field [field ...]")
        .cost("O(N), N the number of fields")
        .tips(&["nondeterministic_output"])
        .summary("Returns how many milliseconds each field has left."),
    data(HRandField, "hrandfield", -2, READONLY)
        .since("6.2.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key [count [WITHVALUES]]")
        .cost("O(N), N the fields returned")
        .tips(&["nondeterministic_output"])
        .summary("Returns fields picked at random; a negative count allows repeats."),
    data(HScan, "hscan", -3, READONLY)
        .since("2.8.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key cursor [MATCH pattern] [COUNT count]")
        .cost("O(1) a call, O(N) for a whole round, N the size of the hash")
        .tips(&["nondeterministic_output"])
        .summary("Walks over the fields of a hash, some at each call."),
    data(HSet, "hset", -4, WRITE | DENYOOM | FAST)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, RW | UPDATE)])
        .syntax("key field value [field value ...]")
        .cost("O(N), N the number of fields")
        .summary("Sets fields and returns how many are new."),
    data(HSetEx, "hsetex", -6, WRITE | DENYOOM | FAST)
        .since("8.0.0")
        .keys(&[key(1, 1, 1, RW | UPDATE)])
        .syntax("key [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL] FIELDS numfields field value [field value ...]")
        .cost("O(N), N the number of fields")
        .summary("Sets fields and their deadlines; with FNX or FXX only if none or all of them exist."),
    data(HSetNx, "hsetnx", 4, WRITE | DENYOOM | FAST)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, RW | INSERT)])
        .syntax("key field value")
        .cost("O(1)")
        .summary("Sets a field if it is absent."),
    data(HStrLen, "hstrlen", 3, READONLY | FAST)
        .since("3.2.0")
        .keys(&[key(1, 1, 1, RO)])
        .syntax("key field")
        .cost("O(1)")
        .summary("Returns the length of the value of a field."),
    data(HTtl, "httl", -5, READONLY | FAST)
        .since("7.4.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key FIELDS numfields field [field ...]")
        .cost("O(N), N the number of fields")
        .tips(&["nondeterministic_output"])
        .summary("Returns how many seconds each field has left."),
    data(HVals, "hvals", 2, READONLY)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key")
        .cost("O(N), N the size of the hash")
        .tips(&["nondeterministic_output_order"])
        .summary("Returns all values."),
];
