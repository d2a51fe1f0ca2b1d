//! Rows of the string commands.

use super::prelude::*;
use crate::DataCommand::*;

rows_of!(Group::String; data);

pub(super) const ROWS: &[Row] = &[
    data(Append, "append", 3, WRITE | DENYOOM | FAST)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, RW | INSERT)])
        .syntax("key value")
        .cost("O(1) amortized")
        .summary("Adds bytes to the end of a string; an absent key counts as empty."),
    data(Decr, "decr", 2, WRITE | DENYOOM | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | UPDATE)])
        .syntax("key")
        .cost("O(1)")
        .summary("Subtracts one from the number at a key; an absent key counts as 0."),
    data(DecrBy, "decrby", 3, WRITE | DENYOOM | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | UPDATE)])
        .syntax("key decrement")
        .cost("O(1)")
        .summary("Subtracts a number from the number at a key; an absent key counts as 0."),
    data(DelEx, "delex", -2, WRITE | FAST)
        .since("8.4.0")
        .keys(&[key(1, 1, 1, RW | DELETE | VARIABLE_FLAGS)])
        .syntax("key [IFEQ value | IFNE value | IFDEQ digest | IFDNE digest]")
        .cost("O(1) for IFEQ and IFNE; O(N) for IFDEQ and IFDNE, N the length of the string")
        .summary("Deletes a key if its string, or the digest of that, is or is not what is given."),
    data(DelIfEq, "delifeq", 3, WRITE | FAST)
        .since("9.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | DELETE)])
        .syntax("key value")
        .cost("O(1)")
        .summary("Deletes a key if it holds this string: DELEX with IFEQ, under Valkey's name."),
    data(Digest, "digest", 2, READONLY | FAST)
        .since("8.4.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key")
        .cost("O(N), N the length of the string")
        .summary("Returns the XXH3 digest of a string in hexadecimal, to compare with later."),
    data(Get, "get", 2, READONLY | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key")
        .cost("O(1)")
        .summary("Returns the string at a key."),
    data(GetDel, "getdel", 2, WRITE | FAST)
        .since("6.2.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | DELETE)])
        .syntax("key")
        .cost("O(1)")
        .summary("Returns the string at a key and deletes the key."),
    data(GetEx, "getex", -2, WRITE | FAST)
        .since("6.2.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | UPDATE)])
        .syntax(
            "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT \
                 unix-time-milliseconds | PERSIST]",
        )
        .cost("O(1)")
        .summary("Returns the string at a key and sets or removes its deadline."),
    data(GetRange, "getrange", 4, READONLY)
        .since("2.4.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key start end")
        .cost("O(N), N the bytes returned")
        .summary("Returns part of a string; negative offsets count from the end."),
    data(GetSet, "getset", 3, WRITE | DENYOOM | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | UPDATE)])
        .syntax("key value")
        .cost("O(1)")
        .deprecated("6.2.0", "SET with GET")
        .summary("Sets a string and returns the one that was there."),
    data(Incr, "incr", 2, WRITE | DENYOOM | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | UPDATE)])
        .syntax("key")
        .cost("O(1)")
        .summary("Adds one to the number at a key; an absent key counts as 0."),
    data(IncrBy, "incrby", 3, WRITE | DENYOOM | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | UPDATE)])
        .syntax("key increment")
        .cost("O(1)")
        .summary("Adds a number to the number at a key; an absent key counts as 0."),
    data(IncrByFloat, "incrbyfloat", 3, WRITE | DENYOOM | FAST)
        .since("2.6.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | UPDATE)])
        .syntax("key increment")
        .cost("O(1)")
        .summary("Adds a decimal fraction to the number at a key; an absent key counts as 0."),
    data(IncrEx, "increx", -2, WRITE | DENYOOM | FAST)
        .since("8.8.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | UPDATE)])
        .syntax(
            "key [BYFLOAT float | BYINT integer] [SATURATE] [LBOUND lowerbound] [UBOUND upperbound] \
                 [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] [ENX]",
        )
        .cost("O(1)")
        .summary("Adds to the number at a key within bounds, sets its deadline, and says what was added."),
    data(Lcs, "lcs", -3, READONLY)
        .since("7.0.0")
        .keys(&[key(1, 2, 1, RO | ACCESS)])
        .syntax("key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]")
        .cost("O(N*M), N and M the lengths of the strings")
        .summary("Finds the longest common subsequence of two strings."),
    data(MGet, "mget", -2, READONLY | FAST)
        .since("1.0.0")
        .keys(&[key(1, -1, 1, RO | ACCESS)])
        .syntax("key [key ...]")
        .cost("O(N), N the number of keys")
        .tips(&["request_policy:multi_shard"])
        .split(Split::Array)
        .summary("Returns the strings at several keys."),
    data(MSet, "mset", -3, WRITE | DENYOOM)
        .since("1.0.1")
        .keys(&[key(1, -1, 2, OW | UPDATE)])
        .syntax("key value [key value ...]")
        .cost("O(N), N the number of keys")
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .split(Split::Ok)
        .summary("Sets several strings."),
    data(MSetEx, "msetex", -4, WRITE | DENYOOM)
        .since("8.4.0")
        .keys(&[counted_with(1, 2, OW | UPDATE)])
        .syntax(
            "numkeys key value [key value ...] [NX | XX] [EX seconds | PX milliseconds | \
                 EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
        )
        .cost("O(N), N the number of keys")
        .summary("Sets strings and one deadline for all; with NX or XX only if none or all of the keys exist."),
    data(MSetNx, "msetnx", -3, WRITE | DENYOOM)
        .since("1.0.1")
        .keys(&[key(1, -1, 2, OW | INSERT)])
        .syntax("key value [key value ...]")
        .cost("O(N), N the number of keys")
        .tips(&["request_policy:multi_shard", "response_policy:agg_min"])
        .summary("Sets several strings, or none if one of the keys exists."),
    data(PSetEx, "psetex", 4, WRITE | DENYOOM)
        .since("2.6.0")
        .keys(&[key(1, 1, 1, OW | UPDATE)])
        .syntax("key milliseconds value")
        .cost("O(1)")
        .deprecated("2.6.12", "SET with PX")
        .summary("Sets a string that expires after so many milliseconds."),
    data(Set, "set", -3, WRITE | DENYOOM)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | UPDATE | VARIABLE_FLAGS)])
        .syntax(
            "key value [NX | XX | IFEQ value | IFNE value | IFDEQ digest | IFDNE digest] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
                 PXAT unix-time-milliseconds | KEEPTTL]",
        )
        .cost("O(1)")
        .summary(
            "Sets a string and its deadline, whatever was there, or only if a condition on the key or its string holds.",
        ),
    data(SetEx, "setex", 4, WRITE | DENYOOM)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, OW | UPDATE)])
        .syntax("key seconds value")
        .cost("O(1)")
        .deprecated("2.6.12", "SET with EX")
        .summary("Sets a string that expires after so many seconds."),
    data(SetNx, "setnx", 3, WRITE | DENYOOM | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, OW | INSERT)])
        .syntax("key value")
        .cost("O(1)")
        .deprecated("2.6.12", "SET with NX")
        .summary("Sets a string if the key is absent."),
    data(SetRange, "setrange", 4, WRITE | DENYOOM)
        .since("2.2.0")
        .keys(&[key(1, 1, 1, RW | UPDATE)])
        .syntax("key offset value")
        .cost("O(M), M the bytes written; more if the string has to grow")
        .summary("Overwrites part of a string, padding with zero bytes up to the offset."),
    data(StrLen, "strlen", 2, READONLY | FAST)
        .since("2.2.0")
        .keys(&[key(1, 1, 1, RO)])
        .syntax("key")
        .cost("O(1)")
        .summary("Returns the length of a string."),
    data(Substr, "substr", 4, READONLY)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key start end")
        .cost("O(N), N the bytes returned")
        .deprecated("2.0.0", "GETRANGE")
        .summary("Returns part of a string."),
];
