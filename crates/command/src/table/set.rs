//! Rows of the set commands.

use super::prelude::*;
use crate::DataCommand::*;

rows_of!(Group::Set; data);

pub(super) const ROWS: &[Row] = &[
    data(SAdd, "sadd", -3, WRITE | DENYOOM | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | INSERT)])
        .member(2)
        .syntax("key member [member ...]")
        .cost("O(N), N the number of members")
        .summary("Adds members and returns how many are new."),
    data(SCard, "scard", 2, READONLY | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RO)])
        .syntax("key")
        .cost("O(1)")
        .summary("Returns the number of members."),
    data(SDiff, "sdiff", -2, READONLY)
        .since("1.0.0")
        .keys(&[key(1, -1, 1, RO | ACCESS)])
        .syntax("key [key ...]")
        .cost("O(N), N the number of members of all sets")
        .tips(&["nondeterministic_output_order"])
        .summary("Returns the members of the first set that no other set has."),
    data(SDiffCard, "sdiffcard", -3, READONLY)
        .since("8.10.0")
        .keys(&[counted(1, RO | ACCESS)])
        .syntax("numkeys key [key ...] [LIMIT limit]")
        .cost("O(N), N the number of members of all sets")
        .summary(
            "Returns how many members of the first set no other set has, counting no further than a limit.",
        ),
    data(SDiffStore, "sdiffstore", -3, WRITE | DENYOOM)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, OW | UPDATE), key(2, -1, 1, RO | ACCESS)])
        .syntax("destination key [key ...]")
        .cost("O(N), N the number of members of all sets")
        .summary("Stores the members of the first set that no other set has, and returns how many they are."),
    data(SInter, "sinter", -2, READONLY)
        .since("1.0.0")
        .keys(&[key(1, -1, 1, RO | ACCESS)])
        .syntax("key [key ...]")
        .cost("O(N*M), N the size of the smallest set, M the number of sets")
        .tips(&["nondeterministic_output_order"])
        .summary("Returns the members that all sets have."),
    data(SInterCard, "sintercard", -3, READONLY)
        .since("7.0.0")
        .keys(&[counted(1, RO | ACCESS)])
        .syntax("numkeys key [key ...] [LIMIT limit]")
        .cost("O(N*M), N the size of the smallest set, M the number of sets")
        .summary("Returns how many members all sets have, counting no further than a limit."),
    data(SInterStore, "sinterstore", -3, WRITE | DENYOOM)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | UPDATE), key(2, -1, 1, RO | ACCESS)])
        .syntax("destination key [key ...]")
        .cost("O(N*M), N the size of the smallest set, M the number of sets")
        .summary("Stores the members that all sets have, and returns how many they are."),
    data(SIsMember, "sismember", 3, READONLY | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RO)])
        .member(2)
        .syntax("key member")
        .cost("O(1)")
        .summary("Says whether a set has a member."),
    data(SMembers, "smembers", 2, READONLY)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key")
        .cost("O(N), N the size of the set")
        .tips(&["nondeterministic_output_order"])
        .summary("Returns all members."),
    data(SMIsMember, "smismember", -3, READONLY | FAST)
        .since("6.2.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .member(2)
        .syntax("key member [member ...]")
        .cost("O(N), N the number of members asked for")
        .summary("Says of each of several members whether a set has it."),
    data(SMove, "smove", 4, WRITE | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | DELETE), key(2, 2, 1, RW | INSERT)])
        .syntax("source destination member")
        .cost("O(1)")
        .summary("Moves a member from one set to another."),
    data(SPop, "spop", -2, WRITE | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | DELETE)])
        .syntax("key [count]")
        .cost("O(log N) a member taken, N the size of the set")
        .tips(&["nondeterministic_output"])
        .summary("Takes out members picked at random and returns them."),
    data(SRandMember, "srandmember", -2, READONLY)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key [count]")
        .cost("O(log N) a member returned, N the size of the set")
        .tips(&["nondeterministic_output"])
        .summary("Returns members picked at random; a negative count allows repeats."),
    data(SRem, "srem", -3, WRITE | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | DELETE)])
        .member(2)
        .syntax("key member [member ...]")
        .cost("O(N), N the number of members")
        .summary("Removes members; the key goes with its last member."),
    data(SScan, "sscan", -3, READONLY)
        .since("2.8.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key cursor [MATCH pattern] [COUNT count]")
        .cost("O(1) a call, O(N) for a whole round, N the size of the set")
        .tips(&["nondeterministic_output"])
        .summary("Walks over the members of a set, some at each call."),
    data(SUnion, "sunion", -2, READONLY)
        .since("1.0.0")
        .keys(&[key(1, -1, 1, RO | ACCESS)])
        .syntax("key [key ...]")
        .cost("O(N), N the number of members of all sets")
        .tips(&["nondeterministic_output_order"])
        .summary("Returns the members that any of the sets has."),
    data(SUnionCard, "sunioncard", -3, READONLY)
        .since("8.10.0")
        .keys(&[counted(1, RO | ACCESS)])
        .syntax("numkeys key [key ...] [APPROX] [LIMIT limit]")
        .cost("O(N), N the number of members of all sets")
        .summary("Returns how many members the sets have together, counted or estimated, up to a limit."),
    data(SUnionStore, "sunionstore", -3, WRITE | DENYOOM)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, OW | UPDATE), key(2, -1, 1, RO | ACCESS)])
        .syntax("destination key [key ...]")
        .cost("O(N), N the number of members of all sets")
        .summary("Stores the members that any of the sets has, and returns how many they are."),
];
