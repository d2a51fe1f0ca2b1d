//! Rows of the generic commands.

use super::prelude::*;
use crate::DataCommand::*;
use crate::NodeCommand::*;

rows_of!(Group::Generic; data node container);

pub(super) const ROWS: &[Row] = &[
    data(Copy, "copy", -3, WRITE | DENYOOM)
        .since("6.2.0")
        .keys(&[key(1, 1, 1, RO | ACCESS), key(2, 2, 1, OW | UPDATE)])
        .syntax("source destination [DB destination-db] [REPLACE]")
        .cost("O(N), N the number of nested items; O(1) for a string")
        .summary("Copies a value and its deadline to another key."),
    data(Del, "del", -2, WRITE)
        .since("1.0.0")
        .keys(&[key(1, -1, 1, RM | DELETE)])
        .syntax("key [key ...]")
        .cost("O(N), N the number of keys; O(M) for a value of M items")
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .split(Split::Sum)
        .summary("Deletes keys and returns how many were there."),
    data(Dump, "dump", 2, READONLY)
        .since("2.6.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key")
        .cost("O(N), N the size of the value")
        .tips(&["nondeterministic_output"])
        .summary("Returns a value in a form that RESTORE takes, here and in Redis."),
    data(Exists, "exists", -2, READONLY | FAST)
        .since("1.0.0")
        .keys(&[key(1, -1, 1, RO)])
        .syntax("key [key ...]")
        .cost("O(N), N the number of keys")
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .split(Split::Sum)
        .summary("Counts which of the keys exist; a key named twice counts twice."),
    data(Expire, "expire", -3, WRITE | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | UPDATE)])
        .syntax("key seconds [NX | XX | GT | LT]")
        .cost("O(1)")
        .summary("Sets how many seconds a key has left."),
    data(ExpireAt, "expireat", -3, WRITE | FAST)
        .since("1.2.0")
        .keys(&[key(1, 1, 1, RW | UPDATE)])
        .syntax("key unix-time-seconds [NX | XX | GT | LT]")
        .cost("O(1)")
        .summary("Sets the second at which a key expires."),
    data(ExpireTime, "expiretime", 2, READONLY | FAST)
        .since("7.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key")
        .cost("O(1)")
        .summary("Returns the second at which a key expires."),
    node(Keys, "keys", 2, READONLY)
        .since("1.0.0")
        .syntax("pattern")
        .cost("O(N), N the number of keys in the database")
        .categories(&[Category::Keyspace, Category::Dangerous])
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
        .summary("Returns all keys that match a pattern."),
    node(Migrate, "migrate", -6, WRITE | MOVABLEKEYS)
        .since("2.6.0")
        .keys(&[key(3, 3, 1, RW | ACCESS | DELETE)])
        .syntax(
            "host port key destination-db timeout [COPY] [REPLACE] [AUTH password] [AUTH2 username password] \
             [KEYS key [key ...]]",
        )
        .cost("O(1)")
        .categories(&[Category::Keyspace, Category::Dangerous])
        .tips(&["nondeterministic_output"])
        .summary("Is refused: no node calls a server that a client names. DUMP here and RESTORE there do the same."),
    data(Move, "move", 3, WRITE | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | UPDATE)])
        .syntax("key db")
        .cost("O(1)")
        .summary("Moves a key to another database, unless it exists there."),
    container("object").since("2.2.3").summary("Looks at how values are stored.").subcommands(&[
        data(ObjectEncoding, "object|encoding", 3, READONLY)
            .since("2.2.3")
            .keys(&[key(2, 2, 1, RO)])
            .syntax("key")
            .cost("O(1)")
            .tips(&["nondeterministic_output"])
            .summary("Returns how a value is stored."),
        data(ObjectFreq, "object|freq", 3, READONLY)
            .since("4.0.0")
            .keys(&[key(2, 2, 1, RO)])
            .syntax("key")
            .cost("O(1)")
            .tips(&["nondeterministic_output"])
            .summary("Returns how often a key has been used lately, on a logarithmic scale."),
        node(ObjectHelp, "object|help", 2, LOADING | STALE)
            .since("6.2.0")
            .cost("O(1)")
            .summary("Lists the subcommands."),
        data(ObjectIdleTime, "object|idletime", 3, READONLY)
            .since("2.2.3")
            .keys(&[key(2, 2, 1, RO)])
            .syntax("key")
            .cost("O(1)")
            .tips(&["nondeterministic_output"])
            .summary("Returns for how many seconds a key has not been used."),
        data(ObjectRefCount, "object|refcount", 3, READONLY)
            .since("2.2.3")
            .keys(&[key(2, 2, 1, RO)])
            .syntax("key")
            .cost("O(1)")
            .tips(&["nondeterministic_output"])
            .summary("Returns how many references a value has."),
    ]),
    data(Persist, "persist", 2, WRITE | FAST)
        .since("2.2.0")
        .keys(&[key(1, 1, 1, RW | UPDATE)])
        .syntax("key")
        .cost("O(1)")
        .summary("Takes the deadline from a key."),
    data(PExpire, "pexpire", -3, WRITE | FAST)
        .since("2.6.0")
        .keys(&[key(1, 1, 1, RW | UPDATE)])
        .syntax("key milliseconds [NX | XX | GT | LT]")
        .cost("O(1)")
        .summary("Sets how many milliseconds a key has left."),
    data(PExpireAt, "pexpireat", -3, WRITE | FAST)
        .since("2.6.0")
        .keys(&[key(1, 1, 1, RW | UPDATE)])
        .syntax("key unix-time-milliseconds [NX | XX | GT | LT]")
        .cost("O(1)")
        .summary("Sets the millisecond at which a key expires."),
    data(PExpireTime, "pexpiretime", 2, READONLY | FAST)
        .since("7.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key")
        .cost("O(1)")
        .summary("Returns the millisecond at which a key expires."),
    data(PTtl, "pttl", 2, READONLY | FAST)
        .since("2.6.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key")
        .cost("O(1)")
        .tips(&["nondeterministic_output"])
        .summary("Returns how many milliseconds a key has left."),
    node(RandomKey, "randomkey", 1, READONLY)
        .since("1.0.0")
        .cost("O(1)")
        .tips(&["request_policy:all_shards", "nondeterministic_output"])
        .summary("Returns a key picked at random."),
    data(Rename, "rename", 3, WRITE)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | DELETE), key(2, 2, 1, OW | UPDATE)])
        .syntax("key newkey")
        .cost("O(1)")
        .summary("Gives a value another key, replacing what was there."),
    data(RenameNx, "renamenx", 3, WRITE | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RW | ACCESS | DELETE), key(2, 2, 1, OW | INSERT)])
        .syntax("key newkey")
        .cost("O(1)")
        .summary("Gives a value another key, if that is absent."),
    data(Restore, "restore", -4, WRITE | DENYOOM)
        .since("2.6.0")
        .keys(&[key(1, 1, 1, OW | UPDATE)])
        .syntax("key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]")
        .cost("O(N), N the size of the value; O(N*log(N)) for a sorted set")
        .categories(&[Category::Keyspace, Category::Dangerous])
        .summary("Makes a key of what DUMP gave, here or in Redis."),
    node(Scan, "scan", -2, READONLY)
        .since("2.8.0")
        .syntax("cursor [MATCH pattern] [COUNT count] [TYPE type]")
        .cost("O(1) a call, O(N) for a whole round, N the number of keys")
        .tips(&["nondeterministic_output", "request_policy:special"])
        .summary("Walks over the keys of the database, some at each call."),
    data(Sort, "sort", -2, WRITE | DENYOOM)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS), content(RO | ACCESS), stored(2, OW | UPDATE)])
        .categories(&[Category::Set, Category::SortedSet, Category::List, Category::Dangerous])
        .syntax(
            "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA] [STORE \
             destination]",
        )
        .cost("O(N + M*log N), N the elements, M those returned; O(N) if they are not sorted")
        .summary("Returns or stores the elements of a list, set or sorted set in order of themselves or of other keys."),
    data(SortRo, "sort_ro", -2, READONLY)
        .since("7.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS), content(RO | ACCESS)])
        .categories(&[Category::Set, Category::SortedSet, Category::List, Category::Dangerous])
        .syntax("key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]")
        .cost("O(N + M*log N), N the elements, M those returned; O(N) if they are not sorted")
        .summary("Returns the elements of a list, set or sorted set in order of themselves or of other keys."),
    data(Touch, "touch", -2, READONLY | FAST)
        .since("3.2.1")
        .keys(&[key(1, -1, 1, RO)])
        .syntax("key [key ...]")
        .cost("O(N), N the number of keys")
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .split(Split::Sum)
        .summary("Marks keys as used just now and returns how many exist."),
    data(Ttl, "ttl", 2, READONLY | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key")
        .cost("O(1)")
        .tips(&["nondeterministic_output"])
        .summary("Returns how many seconds a key has left."),
    data(Type, "type", 2, READONLY | FAST)
        .since("1.0.0")
        .keys(&[key(1, 1, 1, RO)])
        .syntax("key")
        .cost("O(1)")
        .summary("Returns the type of a value."),
    data(Unlink, "unlink", -2, WRITE | FAST)
        .since("4.0.0")
        .keys(&[key(1, -1, 1, RM | DELETE)])
        .syntax("key [key ...]")
        .cost("O(N), N the number of keys")
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .split(Split::Sum)
        .summary("Deletes keys and frees their memory later."),
    node(Wait, "wait", 3, BLOCKING)
        .since("3.0.0")
        .syntax("numreplicas timeout")
        .cost("O(1)")
        .categories(&[Category::Connection])
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .summary("Waits until so many replicas have the writes of this connection."),
    node(WaitAof, "waitaof", 4, BLOCKING)
        .since("7.2.0")
        .syntax("numlocal numreplicas timeout")
        .cost("O(1)")
        .categories(&[Category::Connection])
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .summary(
            "Waits until the writes of this connection are on the disks of this node and of so \
                 many replicas.",
        ),
    // What nodes write into the log where a client's request would not have the same effect later or elsewhere.
    data(NarfExpire, "narf.expire", -2, WRITE | INTERNAL | FAST)
        .since("0.1.0")
        .keys(&[key(1, -1, 1, RM | DELETE)])
        .syntax("key [key ...]")
        .cost("O(N), N the number of keys")
        .summary("Deletes those of the keys, and of fields of hashes, whose deadline has passed at the time of the entry."),
    data(NarfEvict, "narf.evict", -2, WRITE | INTERNAL | FAST)
        .since("0.1.0")
        .keys(&[key(1, -1, 1, RM | DELETE)])
        .syntax("key [key ...]")
        .cost("O(N), N the number of keys")
        .summary("Deletes the keys, for their memory is wanted."),
    data(NarfPut, "narf.put", 4, WRITE | INTERNAL)
        .since("0.1.0")
        .keys(&[key(1, 1, 1, OW | UPDATE)])
        .syntax("key deadline-ms record")
        .cost("O(N), N the size of the value")
        .summary("Puts a serialized value in the place of whatever is at the key; deadline 0 is none."),
    data(NarfOnce, "narf.once", -6, WRITE | INTERNAL)
        .since("0.1.0")
        .syntax("session number protover digest word [word ...]")
        .cost("that of the request")
        .summary("Runs a numbered request of a client's session, or answers it as it was answered before."),
    data(NarfFlush, "narf.flush", 1, WRITE | INTERNAL)
        .since("0.1.0")
        .cost("O(N), N the number of keys")
        .summary("Deletes every key that this partition has of the database."),
    // What one node of a fabric asks the leader of a partition for.
    node(NarfReached, "narf.reached", 3, READONLY | INTERNAL)
        .since("0.1.0")
        .syntax("reach index")
        .cost("O(N), N the number of replicas")
        .summary("Tells how many replicas of a partition have an entry in their log, or on their disk."),
    node(NarfAwait, "narf.await", 4, READONLY | INTERNAL)
        .since("0.1.0")
        .syntax("since-ms serve request")
        .cost("O(N), N the number of keys")
        .summary("Answers when it is the turn of a client that waits for keys; or serves its request."),
    node(NarfRelease, "narf.release", 1, READONLY | INTERNAL)
        .since("0.1.0")
        .cost("O(N), N the number of keys")
        .summary("Ends the waiting of a client, and its turn."),
    node(NarfDigests, "narf.digests", -2, READONLY | INTERNAL)
        .since("0.1.0")
        .keys(&[key(1, -1, 1, RO)])
        .syntax("key [key ...]")
        .cost("O(N), N the size of the values")
        .summary("Tells the values of keys apart: what WATCH compares with what EXEC finds."),
    node(NarfExec, "narf.exec", -2, WRITE | INTERNAL)
        .since("0.1.0")
        .syntax("watches word [word ...]")
        .cost("that of the requests")
        .summary("Runs requests of one partition as one, if the watched keys are as they were."),
];
