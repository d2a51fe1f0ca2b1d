//! Rows of the sorted set commands.

use super::prelude::*;
use crate::DataCommand::*;

rows_of!(Group::SortedSet; data);

pub(super) const ROWS: &[Row] = &[
    data(ZAdd, "zadd", -4, WRITE | DENYOOM | FAST)
        .since("1.2.0")
        .keys(&[key(1, 1, 1, RW | UPDATE)])
        .syntax("key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]")
        .cost("O(log N) a member added, N the size of the sorted set")
        .summary("Adds members with their scores, or gives those that are there new ones."),
    data(ZCard, "zcard", 2, READONLY | FAST)
        .since("1.2.0")
        .keys(&[key(1, 1, 1, RO)])
        .syntax("key")
        .cost("O(1)")
        .summary("Returns the number of members."),
    data(ZCount, "zcount", 4, READONLY | FAST)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key min max")
        .cost("O(log N), N the size of the sorted set")
        .summary("Returns the number of members whose scores are within a range."),
    data(ZDiff, "zdiff", -3, READONLY)
        .since("6.2.0")
        .keys(&[counted(1, RO | ACCESS)])
        .syntax("numkeys key [key ...] [WITHSCORES]")
        .cost("O(N*M + K*log K), N the size of the first one, M the number of others, K that of the result")
        .summary("Returns the members of the first sorted set that no other has."),
    data(ZDiffStore, "zdiffstore", -4, WRITE | DENYOOM)
        .since("6.2.0")
        .keys(&[key(1, 1, 1, OW | UPDATE), counted(2, RO | ACCESS)])
        .syntax("destination numkeys key [key ...]")
        .cost("O(N*M + K*log K), N the size of the first one, M the number of others, K that of the result")
        .summary("Stores the members of the first sorted set that no other has, and returns how many they are."),
    data(ZIncrBy, "zincrby", 4, WRITE | DENYOOM | FAST)
        .since("1.2.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | UPDATE)])
        .syntax("key increment member")
        .cost("O(log N), N the size of the sorted set")
        .summary("Adds to the score of a member, which is zero if there is none, and returns the new one."),
    data(ZInter, "zinter", -3, READONLY)
        .since("6.2.0")
        .keys(&[counted(1, RO | ACCESS)])
        .syntax("numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]")
        .cost("O(N*M + K*log K), N the size of the smallest one, M the number of them, K that of the result")
        .summary("Returns the members that all sorted sets have, their scores put together."),
    data(ZInterCard, "zintercard", -3, READONLY)
        .since("7.0.0")
        .keys(&[counted(1, RO | ACCESS)])
        .syntax("numkeys key [key ...] [LIMIT limit]")
        .cost("O(N*M), N the size of the smallest one, M the number of them")
        .summary("Returns how many members all sorted sets have, counting no further than a limit."),
    data(ZInterStore, "zinterstore", -4, WRITE | DENYOOM)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, OW | UPDATE), counted(2, RO | ACCESS)])
        .syntax("destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]")
        .cost("O(N*M + K*log K), N the size of the smallest one, M the number of them, K that of the result")
        .summary("Stores the members that all sorted sets have, and returns how many they are."),
    data(ZLexCount, "zlexcount", 4, READONLY | FAST)
        .since("2.8.9")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key min max")
        .cost("O(log N), N the size of the sorted set")
        .summary("Returns the number of members within a range of names, where all have one score."),
    data(ZMPop, "zmpop", -4, WRITE)
        .since("7.0.0")
        .keys(&[counted(1, RW | ACCESS | DELETE)])
        .syntax("numkeys key [key ...] <MIN | MAX> [COUNT count]")
        .cost("O(K + M*log N), K the number of keys, M that of members returned, N the size of the sorted set")
        .summary("Takes members out of the first of several sorted sets that has any, and returns its key and them."),
    data(ZMScore, "zmscore", -3, READONLY | FAST)
        .since("6.2.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key member [member ...]")
        .cost("O(N), N the number of members asked for")
        .summary("Returns the scores of several members."),
    data(ZPopMax, "zpopmax", -2, WRITE | FAST)
        .since("5.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | DELETE)])
        .syntax("key [count]")
        .cost("O(M*log N), M the number of members returned, N the size of the sorted set")
        .summary("Takes out the members with the highest scores and returns them."),
    data(ZPopMin, "zpopmin", -2, WRITE | FAST)
        .since("5.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | DELETE)])
        .syntax("key [count]")
        .cost("O(M*log N), M the number of members returned, N the size of the sorted set")
        .summary("Takes out the members with the lowest scores and returns them."),
    data(ZRandMember, "zrandmember", -2, READONLY)
        .since("6.2.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key [count [WITHSCORES]]")
        .cost("O(log N) a member returned, N the size of the sorted set")
        .tips(&["nondeterministic_output"])
        .summary("Returns members picked at random; a negative count allows repeats."),
    data(ZRange, "zrange", -4, READONLY)
        .since("1.2.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]")
        .cost("O(log N + M), N the size of the sorted set, M the number of members returned")
        .summary("Returns the members within a range of places, scores or names."),
    data(ZRangeByLex, "zrangebylex", -4, READONLY)
        .since("2.8.9")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key min max [LIMIT offset count]")
        .cost("O(log N + M), N the size of the sorted set, M the number of members returned")
        .summary("Returns the members within a range of names, where all have one score.")
        .deprecated("6.2.0", "`ZRANGE` with the `BYLEX` argument"),
    data(ZRangeByScore, "zrangebyscore", -4, READONLY)
        .since("1.0.5")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key min max [WITHSCORES] [LIMIT offset count]")
        .cost("O(log N + M), N the size of the sorted set, M the number of members returned")
        .summary("Returns the members whose scores are within a range.")
        .deprecated("6.2.0", "`ZRANGE` with the `BYSCORE` argument"),
    data(ZRangeStore, "zrangestore", -5, WRITE | DENYOOM)
        .since("6.2.0")
        .keys(&[key(1, 1, 1, OW | UPDATE), key(2, 2, 1, RO | ACCESS)])
        .syntax("dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]")
        .cost("O(log N + M), N the size of the sorted set, M the number of members stored")
        .summary("Stores the members within a range of places, scores or names, and returns how many they are."),
    data(ZRank, "zrank", -3, READONLY | FAST)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key member [WITHSCORE]")
        .cost("O(log N), N the size of the sorted set")
        .summary("Returns the place of a member by ascending scores."),
    data(ZRem, "zrem", -3, WRITE | FAST)
        .since("1.2.0")
        .keys(&[key(1, 1, 1, RW | DELETE)])
        .syntax("key member [member ...]")
        .cost("O(M*log N), M the number of members removed, N the size of the sorted set")
        .summary("Removes members; the key goes with its last member."),
    data(ZRemRangeByLex, "zremrangebylex", 4, WRITE)
        .since("2.8.9")
        .keys(&[key(1, 1, 1, RW | DELETE)])
        .syntax("key min max")
        .cost("O(M*log N), M the number of members removed, N the size of the sorted set")
        .summary("Removes the members within a range of names, where all have one score."),
    data(ZRemRangeByRank, "zremrangebyrank", 4, WRITE)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, RW | DELETE)])
        .syntax("key start stop")
        .cost("O(M*log N), M the number of members removed, N the size of the sorted set")
        .summary("Removes the members within a range of places."),
    data(ZRemRangeByScore, "zremrangebyscore", 4, WRITE)
        .since("1.2.0")
        .keys(&[key(1, 1, 1, RW | DELETE)])
        .syntax("key min max")
        .cost("O(M*log N), M the number of members removed, N the size of the sorted set")
        .summary("Removes the members whose scores are within a range."),
    data(ZRevRange, "zrevrange", -4, READONLY)
        .since("1.2.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key start stop [WITHSCORES]")
        .cost("O(log N + M), N the size of the sorted set, M the number of members returned")
        .summary("Returns the members within a range of places, from the highest score down.")
        .deprecated("6.2.0", "`ZRANGE` with the `REV` argument"),
    data(ZRevRangeByLex, "zrevrangebylex", -4, READONLY)
        .since("2.8.9")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key max min [LIMIT offset count]")
        .cost("O(log N + M), N the size of the sorted set, M the number of members returned")
        .summary("Returns the members within a range of names, from the last one down.")
        .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments"),
    data(ZRevRangeByScore, "zrevrangebyscore", -4, READONLY)
        .since("2.2.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key max min [WITHSCORES] [LIMIT offset count]")
        .cost("O(log N + M), N the size of the sorted set, M the number of members returned")
        .summary("Returns the members whose scores are within a range, from the highest down.")
        .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments"),
    data(ZRevRank, "zrevrank", -3, READONLY | FAST)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key member [WITHSCORE]")
        .cost("O(log N), N the size of the sorted set")
        .summary("Returns the place of a member by descending scores."),
    data(ZScan, "zscan", -3, READONLY)
        .since("2.8.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key cursor [MATCH pattern] [COUNT count]")
        .cost("O(1) a call, O(N) for a whole round, N the size of the sorted set")
        .tips(&["nondeterministic_output"])
        .summary("Walks over the members of a sorted set and their scores, some at each call."),
    data(ZScore, "zscore", 3, READONLY | FAST)
        .since("1.2.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key member")
        .cost("O(1)")
        .summary("Returns the score of a member."),
    data(ZUnion, "zunion", -3, READONLY)
        .since("6.2.0")
        .keys(&[counted(1, RO | ACCESS)])
        .syntax("numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]")
        .cost("O(N*log N), N the number of members of all sorted sets")
        .summary("Returns the members that any of the sorted sets has, their scores put together."),
    data(ZUnionStore, "zunionstore", -4, WRITE | DENYOOM)
        .since("2.0.0")
        .keys(&[key(1, 1, 1, OW | UPDATE), counted(2, RO | ACCESS)])
        .syntax("destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]")
        .cost("O(N*log N), N the number of members of all sorted sets")
        .summary("Stores the members that any of the sorted sets has, and returns how many they are."),
];
