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
    data(HVals, "hvals", 2, READONLY)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key")
        .cost("O(N), N the size of the hash")
        .tips(&["nondeterministic_output_order"])
        .summary("Returns all values."),
];
