//! Sorted set commands, in the two encodings.

use narf_tests::{Kind, Server, Value, on_one_and_two_workers};

on_one_and_two_workers!(
    members_get_scores_and_lose_them,
    members_are_added_under_conditions,
    scores_are_read_and_written_as_numbers,
    members_are_ranked,
    ranges_go_by_place,
    ranges_go_by_score,
    ranges_go_by_name,
    ranges_are_stored_and_removed,
    members_are_popped_at_both_ends,
    sorted_sets_are_combined,
    combinations_are_stored_over_partitions,
    random_members_are_members,
    sorted_sets_change_their_encoding_and_keep_their_content,
    resp3_gives_doubles_and_pairs,
    wrong_sorted_set_requests_are_refused,
    zscan_visits_every_member,
    big_sorted_sets_come_back_after_a_reload,
);

fn members_get_scores_and_lose_them(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        ZADD z 1 a 2 b 3 c => :3
        ZADD z 5 a 4 d => :1
        ZADD z CH 6 a 4 d 7 e => :2
        TYPE z => +zset
        ZCARD z => :5
        ZCARD none => :0
        ZRANGE z 0 -1 WITHSCORES => ["b", "2", "c", "3", "d", "4", "a", "6", "e", "7"]
        ZSCORE z a => "6"
        ZSCORE z none => nil
        ZSCORE none a => nil
        ZMSCORE z a none e => ["6", nil, "7"]
        ZMSCORE none a b => [nil, nil]
        ZINCRBY z 2.5 b => "4.5"
        ZINCRBY z -1 new => "-1"
        ZREM z a none new => :2
        ZREM none a => :0
        ZREM z b c d e => :4
        EXISTS z => :0
        ZADD z 2 x 1 x => :1
        ZSCORE z x => "1"
        "#,
    );
}

fn members_are_added_under_conditions(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        ZADD none XX 1 a => :0
        ZADD none XX INCR 1 a => nil
        EXISTS none => :0
        ZADD z NX 1 a 2 b => :2
        ZADD z NX CH 9 a 3 c => :1
        ZADD z XX CH 5 a 9 none => :1
        ZADD z GT CH 4 a 7 b => :1
        ZADD z LT CH 4 a 9 b => :1
        ZADD z GT 1 new => :1
        ZADD z XX LT CH 0 a 0 x => :1
        ZRANGE z 0 -1 WITHSCORES => ["a", "0", "new", "1", "c", "3", "b", "7"]
        ZADD z INCR 2 a => "2"
        ZADD z NX INCR 2 a => nil
        ZADD z GT INCR -2 a => nil
        ZADD z LT INCR -2 a => "0"
        ZADD z XX INCR 2 none => nil
        ZADD z nx incr 2 fresh => "2"
        "#,
    );
}

fn scores_are_read_and_written_as_numbers(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        ZADD z inf a -inf b 0x10 c 1e3 d -0 e 1.5 f => :6
        ZMSCORE z a b c d e f => ["inf", "-inf", "16", "1000", "0", "1.5"]
        ZADD z 9007199254740993 a 1e20 b => :0
        ZMSCORE z a b => ["9007199254740992", "1e+20"]
        ZADD z +INF a -Infinity b => :0
        ZINCRBY z -inf a => -ERR resulting score is not a number (NaN)
        ZINCRBY z 1 b => "-inf"
        ZSCORE z a => "inf"
        "#,
    );
    for wrong in ["nan", "1e400", "1e-400", "x", "1x", "0x"] {
        c.check(&format!("ZADD z {wrong} a"), "-ERR value is not a valid float");
    }
    // Redis 7.0 writes 17 digits.
    if node.kind() == Kind::Narf {
        c.check_all(
            r#"
            ZADD z 0.1 a 1e17 b 1e-7 c 3.3 d => :0
            ZMSCORE z a b c d => ["0.1", "100000000000000000", "1e-7", "3.3"]
            ZINCRBY z 0.2 a => "0.30000000000000004"
            "#,
        );
    }
}

fn members_are_ranked(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        ZADD z 1 a 2 b 2 c 3 d => :4
        ZRANK z a => :0
        ZRANK z c => :2
        ZREVRANK z c => :1
        ZREVRANK z a => :3
        ZRANK z none => nil
        ZRANK none a => nil
        "#,
    );
    // Redis 7.0 tells no score.
    if node.kind() == Kind::Narf {
        c.check_all(
            r#"
            ZRANK z c WITHSCORE => [:2, "2"]
            ZREVRANK z d withscore => [:0, "3"]
            ZRANK z none WITHSCORE => nil*
            ZRANK none a WITHSCORE => nil*
            ZRANK z a WITHSCORES => -ERR syntax error
            ZRANK z a WITHSCORE x => -ERR wrong number of arguments for 'zrank' command
            "#,
        );
    }
}

fn ranges_go_by_place(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        ZADD z 1 a 2 b 3 c 4 d => :4
        ZRANGE z 1 2 => ["b", "c"]
        ZRANGE z -2 100 => ["c", "d"]
        ZRANGE z 0 0 REV => ["d"]
        ZRANGE z 1 -1 REV WITHSCORES => ["c", "3", "b", "2", "a", "1"]
        ZRANGE z 3 1 => []
        ZRANGE none 0 -1 => []
        ZREVRANGE z 0 1 WITHSCORES => ["d", "4", "c", "3"]
        ZRANGE z 0 -1 LIMIT 5 -1 => ["a", "b", "c", "d"]
        "#,
    );
}

fn ranges_go_by_score(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        ZADD z 1 a 2 b 2 c 3 d inf e => :5
        ZRANGEBYSCORE z 2 3 => ["b", "c", "d"]
        ZRANGEBYSCORE z (2 +inf WITHSCORES => ["d", "3", "e", "inf"]
        ZRANGEBYSCORE z -inf (inf LIMIT 1 2 => ["b", "c"]
        ZRANGEBYSCORE z -inf inf LIMIT 3 -1 => ["d", "e"]
        ZRANGEBYSCORE z -inf inf LIMIT -1 2 => []
        ZRANGEBYSCORE z -inf inf LIMIT 1 0 => []
        ZRANGEBYSCORE z 3 2 => []
        ZRANGEBYSCORE z (2 2 => []
        ZREVRANGEBYSCORE z 3 2 => ["d", "c", "b"]
        ZREVRANGEBYSCORE z +inf -inf LIMIT 1 2 WITHSCORES => ["d", "3", "c", "2"]
        ZRANGE z 2 3 BYSCORE LIMIT 0 2 => ["b", "c"]
        ZRANGE z (3 1 BYSCORE REV => ["c", "b", "a"]
        ZCOUNT z 2 inf => :4
        ZCOUNT z (2 (inf => :1
        ZCOUNT none 0 1 => :0
        "#,
    );
}

fn ranges_go_by_name(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        ZADD z 0 a 0 b 0 c 0 d 0 bb => :5
        ZRANGEBYLEX z - + => ["a", "b", "bb", "c", "d"]
        ZRANGEBYLEX z [b (c => ["b", "bb"]
        ZRANGEBYLEX z (b + LIMIT 1 1 => ["c"]
        ZREVRANGEBYLEX z + [b => ["d", "c", "bb", "b"]
        ZREVRANGEBYLEX z (d - LIMIT 1 2 => ["bb", "b"]
        ZRANGE z [b [c BYLEX => ["b", "bb", "c"]
        ZRANGE z [c [b BYLEX REV => ["c", "bb", "b"]
        ZRANGEBYLEX z + - => []
        ZRANGEBYLEX z (b (b => []
        ZLEXCOUNT z [b + => :4
        ZLEXCOUNT z - (bb => :2
        ZLEXCOUNT none - + => :0
        ZADD mixed 1 a 2 c 3 b => :3
        ZRANGEBYLEX mixed [b + => ["c", "b"]
        ZRANGEBYLEX mixed - [b => ["a"]
        ZREVRANGEBYLEX mixed [b - => ["b", "c", "a"]
        ZLEXCOUNT mixed [b + => :2
        "#,
    );
}

fn ranges_are_stored_and_removed(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        ZADD z 1 a 2 b 3 c 4 d 5 e => :5
        ZRANGESTORE to z 1 2 => :2
        ZRANGE to 0 -1 WITHSCORES => ["b", "2", "c", "3"]
        ZRANGESTORE to z 5 (2 BYSCORE REV LIMIT 1 2 => :2
        ZRANGE to 0 -1 => ["c", "d"]
        ZRANGESTORE to to 0 0 => :1
        ZRANGESTORE to none 0 -1 => :0
        EXISTS to => :0
        SET text x => +OK
        ZRANGESTORE text z 0 0 => :1
        TYPE text => +zset
        ZREMRANGEBYRANK z 0 0 => :1
        ZREMRANGEBYRANK z -1 -1 => :1
        ZREMRANGEBYRANK z 5 9 => :0
        ZREMRANGEBYSCORE z (2 3 => :1
        ZRANGE z 0 -1 => ["b", "d"]
        ZREMRANGEBYSCORE z -inf +inf => :2
        EXISTS z => :0
        ZADD z 0 a 0 b 0 c => :3
        ZREMRANGEBYLEX z [b + => :2
        ZREMRANGEBYLEX z - [x => :1
        EXISTS z => :0
        ZREMRANGEBYSCORE z 0 1 => :0
        "#,
    );
}

fn members_are_popped_at_both_ends(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        ZADD z 1 a 2 b 3 c 4 d 5 e => :5
        ZPOPMIN z => ["a", "1"]
        ZPOPMAX z => ["e", "5"]
        ZPOPMAX z 2 => ["d", "4", "c", "3"]
        ZPOPMIN z 0 => []
        ZPOPMIN z 10 => ["b", "2"]
        EXISTS z => :0
        ZPOPMIN z => []
        ZPOPMAX z 2 => []
        ZADD b 1 x 2 y 3 z => :3
        ZMPOP 2 a b MIN => ["b", [["x", "1"]]]
        ZMPOP 3 a b c MAX COUNT 5 => ["b", [["z", "3"], ["y", "2"]]]
        ZMPOP 2 a b MIN => nil*
        COMMAND GETKEYS ZMPOP 2 a b MIN => ["a", "b"]
        "#,
    );
}

fn sorted_sets_are_combined(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        ZADD {k}a 1 x 2 y 3 z => :3
        ZADD {k}b 10 y 20 z 30 w => :3
        SADD {k}s y w => :2
        ZUNION 2 {k}a {k}b => ["x", "y", "z", "w"]
        ZUNION 2 {k}a {k}b WITHSCORES => ["x", "1", "y", "12", "z", "23", "w", "30"]
        ZUNION 2 {k}a {k}b WEIGHTS 2 0.5 AGGREGATE MAX WITHSCORES => ["x", "2", "y", "5", "z", "10", "w", "15"]
        ZINTER 2 {k}a {k}b WITHSCORES AGGREGATE MIN => ["y", "2", "z", "3"]
        ZINTER 3 {k}a {k}b {k}s WITHSCORES => ["y", "13"]
        ZINTER 2 {k}a {k}none => []
        ZDIFF 2 {k}a {k}b WITHSCORES => ["x", "1"]
        ZDIFF 2 {k}s {k}a WITHSCORES => ["w", "1"]
        ZDIFF 1 {k}none => []
        ZINTERCARD 2 {k}a {k}b => :2
        ZINTERCARD 2 {k}a {k}b LIMIT 1 => :1
        ZINTERCARD 2 {k}a {k}b LIMIT 0 => :2
        ZUNIONSTORE {k}to 2 {k}a {k}a => :3
        ZRANGE {k}to 0 -1 WITHSCORES => ["x", "2", "y", "4", "z", "6"]
        ZINTERSTORE {k}a 2 {k}a {k}b WEIGHTS 1 -1 => :2
        ZRANGE {k}a 0 -1 WITHSCORES => ["z", "-17", "y", "-8"]
        ZDIFFSTORE {k}to 2 {k}b {k}a => :1
        ZRANGE {k}to 0 -1 WITHSCORES => ["w", "30"]
        ZDIFFSTORE {k}to 2 {k}a {k}a => :0
        EXISTS {k}to => :0
        ZADD {k}p inf m => :1
        ZADD {k}n -inf m => :1
        ZUNION 2 {k}p {k}n WITHSCORES => ["m", "0"]
        ZUNION 1 {k}p WEIGHTS 0 WITHSCORES => ["m", "0"]
        COMMAND GETKEYS ZUNIONSTORE to 2 a b WEIGHTS 1 2 => ["to", "a", "b"]
        COMMAND GETKEYS ZDIFF 2 a b WITHSCORES => ["a", "b"]
        "#,
    );
}

/// Keys of several partitions, of several workers.
fn combinations_are_stored_over_partitions(node: &Server) {
    let mut c = node.client();
    for key in 0..8 {
        c.check(&format!("ZADD z{key} {key} m{key} 1 all"), ":2");
    }
    let keys = "z0 z1 z2 z3 z4 z5 z6 z7";
    c.check(&format!("ZUNIONSTORE u 8 {keys}"), ":9");
    c.check("ZSCORE u all", "\"8\"");
    c.check(&format!("ZINTER 8 {keys} WITHSCORES"), r#"["all", "8"]"#);
    c.check(&format!("ZINTERCARD 8 {keys}"), ":1");
    c.check("ZRANGESTORE r u 0 1", ":2");
    c.check("ZRANGE r 0 -1", r#"["m0", "m1"]"#);
    c.check("MULTI", "+OK");
    c.check("ZDIFFSTORE d 2 u z7", "+QUEUED");
    c.check("ZPOPMAX d", "+QUEUED");
    c.check("EXEC", r#"[:7, ["m6", "6"]]"#);
}

fn random_members_are_members(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        ZADD z 1 a 2 b 3 c => :3
        ZRANDMEMBER none => nil
        ZRANDMEMBER none 3 => []
        ZRANDMEMBER z 0 => []
        "#,
    );
    assert!([&b"a"[..], b"b", b"c"].contains(&c.run("ZRANDMEMBER z").bytes()));
    assert_eq!(c.run("ZRANDMEMBER z 2").items().len(), 2);
    assert_eq!(c.run("ZRANDMEMBER z 9").items().len(), 3);
    assert_eq!(c.run("ZRANDMEMBER z -9").items().len(), 9);
    assert_eq!(c.run("ZRANDMEMBER z 2 WITHSCORES").items().len(), 4);
}

fn sorted_sets_change_their_encoding_and_keep_their_content(node: &Server) {
    let mut c = node.client();
    let pairs: Vec<String> = (0..128).map(|n| format!("{} m{n:03}", n / 3)).collect();
    c.check(&format!("ZADD z {}", pairs.join(" ")), ":128");
    c.check("OBJECT ENCODING z", "\"listpack\"");
    c.check("ZADD z -5 more", ":1");
    c.check("OBJECT ENCODING z", "\"skiplist\"");
    c.check_all(
        r#"
        ZRANK z m100 => :101
        ZRANGE z 0 2 WITHSCORES => ["more", "-5", "m000", "0", "m001", "0"]
        ZREVRANGE z 0 1 => ["m127", "m126"]
        ZCOUNT z 0 9 => :30
        ZRANGEBYSCORE z (9 10 => ["m030", "m031", "m032"]
        COPY z copy => :1
        RENAME z moved => +OK
        ZINCRBY copy 1 m000 => "1"
        ZINCRBY copy -1 m000 => "0"
        "#,
    );
    assert_eq!(c.run("DEBUG DIGEST-VALUE copy"), c.run("DEBUG DIGEST-VALUE moved"));
    c.check_all(
        r#"
        ZREMRANGEBYRANK moved 3 -1 => :126
        OBJECT ENCODING moved => "skiplist"
        ZUNIONSTORE union 1 moved => :3
        OBJECT ENCODING union => "listpack"
        CONFIG SET zset-max-listpack-entries 2 => +OK
        ZADD few 1 a 2 b => :2
        OBJECT ENCODING few => "listpack"
        ZADD few 3 c => :1
        OBJECT ENCODING few => "skiplist"
        CONFIG SET zset-max-ziplist-entries 128 => +OK
        "#,
    );
    c.check(&format!("ZADD long 1 {}", "x".repeat(65)), ":1");
    c.check("OBJECT ENCODING long", "\"skiplist\"");
}

fn resp3_gives_doubles_and_pairs(node: &Server) {
    let mut c = node.client();
    c.hello3();
    c.check_all(
        r#"
        ZADD z 1 a 2.5 b inf c => :3
        ZSCORE z b => ,2.5
        ZSCORE z none => null
        ZMSCORE z a c none => [,1, ,inf, null]
        ZINCRBY z 1 a => ,2
        ZADD z INCR 1 a => ,3
        ZADD z XX INCR 1 none => null
        ZRANGE z 0 -1 => ["b", "a", "c"]
        ZRANGE z 0 0 WITHSCORES => [["b", ,2.5]]
        ZRANGEBYSCORE z 3 3 WITHSCORES => [["a", ,3]]
        ZUNION 1 z WITHSCORES => [["b", ,2.5], ["a", ,3], ["c", ,inf]]
        ZRANDMEMBER none => null
        ZPOPMIN z => ["b", ,2.5]
        ZPOPMIN z 1 => [["a", ,3]]
        ZMPOP 1 z MAX => ["z", [["c", ,inf]]]
        ZMPOP 1 z MAX => null
        ZPOPMAX z => []
        "#,
    );
    c.check("ZADD z 1 a", ":1");
    let pair = Value::Array(vec![Value::Bulk(b"a".to_vec()), Value::Double(b"1".to_vec())]);
    assert_eq!(c.run("ZRANDMEMBER z 1 WITHSCORES"), Value::Array(vec![pair]));
    // Elements of an iteration are strings in both versions.
    c.check("ZSCAN z 0", r#"["0", ["a", "1"]]"#);
}

fn wrong_sorted_set_requests_are_refused(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SET text x => +OK
        ZADD z 1 a => :1
        ZADD text 1 a => -WRONGTYPE Operation against a key holding the wrong kind of value
        ZRANGE text 0 -1 => -WRONGTYPE Operation against a key holding the wrong kind of value
        ZPOPMIN text => -WRONGTYPE Operation against a key holding the wrong kind of value
        ZMPOP 2 none text MIN => -WRONGTYPE Operation against a key holding the wrong kind of value
        ZUNION 2 z text FOO => -WRONGTYPE Operation against a key holding the wrong kind of value
        ZUNION 1 z FOO => -ERR syntax error
        GET z => -WRONGTYPE Operation against a key holding the wrong kind of value
        SADD z a => -WRONGTYPE Operation against a key holding the wrong kind of value
        SUNION z => -WRONGTYPE Operation against a key holding the wrong kind of value
        LPUSH z a => -WRONGTYPE Operation against a key holding the wrong kind of value
        ZADD z 1 => -ERR wrong number of arguments for 'zadd' command
        ZADD z 1 a 2 => -ERR syntax error
        ZADD z NX XX 1 a => -ERR XX and NX options at the same time are not compatible
        ZADD z GT NX 1 a => -ERR GT, LT, and/or NX options at the same time are not compatible
        ZADD z GT LT 1 a => -ERR GT, LT, and/or NX options at the same time are not compatible
        ZADD z INCR 1 a 2 b => -ERR INCR option supports a single increment-element pair
        ZADD z 1 a x b => -ERR value is not a valid float
        ZINCRBY z x a => -ERR value is not a valid float
        ZINCRBY z NX a => -ERR syntax error
        ZRANGE z a 1 => -ERR value is not an integer or out of range
        ZRANGE z 0 -1 LIMIT 0 1 => -ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX
        ZRANGE z [a [b BYLEX WITHSCORES => -ERR syntax error, WITHSCORES not supported in combination with BYLEX
        ZRANGE z a b BYSCORE => -ERR min or max is not a float
        ZRANGE z a b BYLEX => -ERR min or max not valid string range item
        ZRANGE z 0 1 BYSCORE BYLEX => -ERR syntax error
        ZRANGE z 0 1 BYSCORE LIMIT 1 => -ERR syntax error
        ZRANGEBYSCORE z 0 1 BYLEX => -ERR syntax error
        ZREVRANGE z 0 1 REV => -ERR syntax error
        ZRANGESTORE to z 0 1 WITHSCORES => -ERR syntax error
        ZCOUNT z 1 x => -ERR min or max is not a float
        ZLEXCOUNT none a b => -ERR min or max not valid string range item
        ZREMRANGEBYSCORE none (a 1 => -ERR min or max is not a float
        ZREMRANGEBYLEX none a 1 => -ERR min or max not valid string range item
        ZREMRANGEBYRANK none 0 x => -ERR value is not an integer or out of range
        ZPOPMIN z -1 => -ERR value is out of range, must be positive
        ZPOPMIN z 1 1 => -ERR syntax error
        ZMPOP 0 z MIN => -ERR numkeys should be greater than 0
        ZMPOP 1 z LEFT => -ERR syntax error
        ZMPOP 1 z MIN COUNT 0 => -ERR count should be greater than 0
        ZUNION 0 z => -ERR at least 1 input key is needed for 'zunion' command
        ZUNIONSTORE to x z => -ERR value is not an integer or out of range
        ZINTER 2 z => -ERR syntax error
        ZINTER 1 z WEIGHTS x => -ERR weight value is not a float
        ZINTER 1 z WEIGHTS => -ERR syntax error
        ZINTER 1 z AGGREGATE AVG => -ERR syntax error
        ZINTERSTORE to 1 z WITHSCORES => -ERR syntax error
        ZDIFF 1 z WEIGHTS 1 => -ERR syntax error
        ZINTERCARD 1 z LIMIT -1 => -ERR LIMIT can't be negative
        ZINTERCARD 0 z => -ERR at least 1 input key is needed for 'zintercard' command
        ZRANDMEMBER z x => -ERR value is not an integer or out of range
        ZRANDMEMBER z 1 FOO => -ERR syntax error
        ZSCAN z x => -ERR invalid cursor
        ZSCAN z 0 COUNT 0 => -ERR syntax error
        ZRANGE z 0 -1 WITHSCORES => ["a", "1"]
        "#,
    );
}

fn zscan_visits_every_member(node: &Server) {
    let mut c = node.client();
    let pairs: Vec<String> = (0..1500).map(|n| format!("{n} member:{n}")).collect();
    c.check(&format!("ZADD big {}", pairs.join(" ")), ":1500");
    let (mut cursor, mut seen, mut calls) = ("0".to_owned(), std::collections::BTreeSet::new(), 0);
    loop {
        let reply = c.run(&format!("ZSCAN big {cursor} COUNT 50"));
        cursor = String::from_utf8_lossy(reply.items()[0].bytes()).into_owned();
        for pair in reply.items()[1].items().chunks(2) {
            assert_eq!(pair[0].bytes(), [b"member:", pair[1].bytes()].concat());
            seen.insert(pair[0].bytes().to_vec());
        }
        calls += 1;
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 1500);
    assert!(calls > 5, "{calls}");
}

fn big_sorted_sets_come_back_after_a_reload(node: &Server) {
    let mut c = node.client();
    for start in (0..6000).step_by(1000) {
        let pairs: Vec<String> =
            (start..start + 1000).map(|n| format!("{} member:{n}", n % 700 - 100)).collect();
        c.check(&format!("ZADD big {}", pairs.join(" ")), ":1000");
    }
    c.check("ZADD small 1 a -inf b", ":2");
    let before = c.run("DEBUG DIGEST");
    c.check("DEBUG RELOAD", "+OK");
    assert_eq!(c.run("DEBUG DIGEST"), before);
    c.check_all(
        r#"
        ZCARD big => :6000
        ZSCORE big member:4321 => "21"
        ZCOUNT big -100 (0 => :900
        ZRANGE small 0 -1 WITHSCORES => ["b", "-inf", "a", "1"]
        "#,
    );
}
