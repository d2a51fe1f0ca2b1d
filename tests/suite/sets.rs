//! Set commands, in the three encodings.

use narf_tests::{Server, Value, on_one_and_two_workers};

on_one_and_two_workers!(
    members_are_added_found_and_removed,
    sets_are_combined,
    results_are_stored,
    members_are_picked_at_random,
    sets_change_their_encoding_and_keep_their_content,
    resp3_gives_sets,
    wrong_set_requests_are_refused,
    sscan_visits_every_member,
    big_sets_come_back_after_a_reload,
);

fn members_are_added_found_and_removed(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SADD s 3 1 2 => :3
        SADD s 2 4 4 => :1
        SMEMBERS s => ["1", "2", "3", "4"]
        SADD s a => :1
        SMEMBERS s => ["1", "2", "3", "4", "a"]
        SCARD s => :5
        SCARD none => :0
        SISMEMBER s a => :1
        SISMEMBER s b => :0
        SISMEMBER none a => :0
        SMISMEMBER s a b 3 => [:1, :0, :1]
        SMISMEMBER none a b => [:0, :0]
        SREM s 1 a none => :2
        SREM none a => :0
        SREM s 2 3 4 => :3
        EXISTS s => :0
        SADD from a b => :2
        SMOVE from to a => :1
        SMOVE from to a => :0
        SMOVE none to a => :0
        SMOVE from to b => :1
        EXISTS from => :0
        SMOVE to to a => :1
        SMOVE to to x => :0
        TYPE to => +set
        "#,
    );
    c.check_sorted("SMEMBERS to", r#"["a", "b"]"#);
}

fn sets_are_combined(node: &Server) {
    let mut c = node.client();
    c.check_all("SADD a 1 2 3 4 x => :5\nSADD b 3 4 5 x => :4\nSADD c 4 x y => :3");
    for (command, expect) in [
        ("SINTER a b c", r#"["4", "x"]"#),
        ("SINTER a b none", "[]"),
        ("SINTER a", r#"["1", "2", "3", "4", "x"]"#),
        ("SUNION a b c none", r#"["1", "2", "3", "4", "5", "x", "y"]"#),
        ("SDIFF a b c", r#"["1", "2"]"#),
        ("SDIFF a none", r#"["1", "2", "3", "4", "x"]"#),
        ("SDIFF none a", "[]"),
        ("SDIFF a a", "[]"),
    ] {
        c.check_sorted(command, expect);
    }
    c.check_all(
        r#"
        SINTERCARD 2 a b => :3
        SINTERCARD 2 a b LIMIT 2 => :2
        SINTERCARD 2 a b LIMIT 0 => :3
        SINTERCARD 2 a none => :0
        "#,
    );
}

fn results_are_stored(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SADD a 1 2 3 => :3
        SADD b 2 3 4 => :3
        SET string old EX 1000 => +OK
        SINTERSTORE string a b => :2
        TTL string => :-1
        SMEMBERS string => ["2", "3"]
        SUNIONSTORE a a b => :4
        SMEMBERS a => ["1", "2", "3", "4"]
        SDIFFSTORE d a b => :1
        SMEMBERS d => ["1"]
        SDIFFSTORE d b b => :0
        EXISTS d => :0
        SET text x => +OK
        SINTERSTORE d a text => -WRONGTYPE Operation against a key holding the wrong kind of value
        SINTER none text => -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

fn members_are_picked_at_random(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SRANDMEMBER none => nil
        SRANDMEMBER none 5 => []
        SPOP none => nil
        SPOP none 5 => []
        SADD s a b c => :3
        SRANDMEMBER s 0 => []
        SPOP s 0 => []
        "#,
    );
    c.check_sorted("SRANDMEMBER s 10", r#"["a", "b", "c"]"#);
    assert_eq!(c.run("SRANDMEMBER s -7").items().len(), 7);
    assert_eq!(c.run("SRANDMEMBER s 2").items().len(), 2);
    let popped = c.run("SPOP s");
    c.check("SCARD s", ":2");
    c.check(&format!("SISMEMBER s {}", String::from_utf8_lossy(popped.bytes())), ":0");
    assert_eq!(c.run("SPOP s 5").items().len(), 2);
    c.check("EXISTS s", ":0");
    let members: Vec<String> = (0..1000).map(|n| format!("m{n}")).collect();
    c.check(&format!("SADD big {}", members.join(" ")), ":1000");
    assert_eq!(c.run("SPOP big 990").items().len(), 990);
    c.check("SCARD big", ":10");
}

fn sets_change_their_encoding_and_keep_their_content(node: &Server) {
    let mut c = node.client();
    c.check_all("SADD s 1 2 3 => :3\nOBJECT ENCODING s => \"intset\"\nSADD s a => :1");
    // Redis 7.0 has no small form for other members.
    assert!([&b"listpack"[..], b"hashtable"].contains(&c.run("OBJECT ENCODING s").bytes()));
    c.check(&format!("SADD s {}", "x".repeat(65)), ":1");
    c.check("OBJECT ENCODING s", "\"hashtable\"");
    c.check_all("SISMEMBER s 2 => :1\nSISMEMBER s a => :1\nSCARD s => :5");
    let numbers: Vec<String> = (0..512).map(|n| (n * 1000).to_string()).collect();
    c.check(&format!("SADD n {}", numbers.join(" ")), ":512");
    c.check("OBJECT ENCODING n", "\"intset\"");
    c.check("SADD n 1", ":1");
    c.check("OBJECT ENCODING n", "\"hashtable\"");
    c.check_all(
        r#"
        CONFIG SET set-max-intset-entries 2 => +OK
        SADD small 1 2 => :2
        OBJECT ENCODING small => "intset"
        SADD small 3 => :1
        "#,
    );
    assert_ne!(c.run("OBJECT ENCODING small").bytes(), b"intset");
    c.check("CONFIG SET set-max-intset-entries 512", "+OK");
    c.check_all("COPY n copy => :1\nRENAME n moved => +OK\nSCARD copy => :513\nSCARD moved => :513");
    assert_eq!(c.run("DEBUG DIGEST-VALUE copy"), c.run("DEBUG DIGEST-VALUE moved"));
}

fn resp3_gives_sets(node: &Server) {
    let mut c = node.client();
    c.hello3();
    c.check_all("SADD s a => :1\nSADD t a => :1");
    for command in ["SMEMBERS s", "SINTER s t", "SUNION s t", "SDIFF s none", "SPOP t 1"] {
        assert_eq!(c.run(command), Value::Set(vec![Value::Bulk(b"a".to_vec())]), "{command}");
    }
    assert_eq!(c.run("SMEMBERS none"), Value::Set(Vec::new()));
    assert_eq!(c.run("SPOP none 1"), Value::Set(Vec::new()));
    assert_eq!(c.run("SRANDMEMBER s 1"), Value::Array(vec![Value::Bulk(b"a".to_vec())]));
}

fn wrong_set_requests_are_refused(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SET text x => +OK
        SADD s a => :1
        SADD text a => -WRONGTYPE Operation against a key holding the wrong kind of value
        SREM text a => -WRONGTYPE Operation against a key holding the wrong kind of value
        SCARD text => -WRONGTYPE Operation against a key holding the wrong kind of value
        SMOVE s text a => -WRONGTYPE Operation against a key holding the wrong kind of value
        SMOVE none text a => :0
        GET s => -WRONGTYPE Operation against a key holding the wrong kind of value
        HGET s f => -WRONGTYPE Operation against a key holding the wrong kind of value
        SADD s => -ERR wrong number of arguments for 'sadd' command
        SPOP s -1 => -ERR value is out of range, must be positive
        SPOP s x => -ERR value is out of range, must be positive
        SPOP s 1 2 => -ERR syntax error
        SRANDMEMBER s x => -ERR value is not an integer or out of range
        SRANDMEMBER s 1 2 => -ERR syntax error
        SRANDMEMBER s -9223372036854775808 => -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
        SINTERCARD 0 s => -ERR numkeys should be greater than 0
        SINTERCARD x s => -ERR numkeys should be greater than 0
        SINTERCARD 3 s t => -ERR Number of keys can't be greater than number of args
        SINTERCARD 1 s LIMIT -1 => -ERR LIMIT can't be negative
        SINTERCARD 1 s LIMIT => -ERR syntax error
        SINTERCARD 1 s FOO 3 => -ERR syntax error
        SSCAN s x => -ERR invalid cursor
        SSCAN s 0 COUNT 0 => -ERR syntax error
        COMMAND GETKEYS SINTERCARD 2 a b LIMIT 1 => ["a", "b"]
        COMMAND GETKEYS SINTERCARD 9 a b => -ERR Invalid arguments specified for command
        "#,
    );
}

fn sscan_visits_every_member(node: &Server) {
    let mut c = node.client();
    let members: Vec<String> = (0..1500).map(|n| format!("member:{n}")).collect();
    c.check(&format!("SADD big {}", members.join(" ")), ":1500");
    let (mut cursor, mut seen, mut calls) = ("0".to_owned(), std::collections::BTreeSet::new(), 0);
    loop {
        let reply = c.run(&format!("SSCAN big {cursor} COUNT 50"));
        cursor = String::from_utf8_lossy(reply.items()[0].bytes()).into_owned();
        seen.extend(reply.items()[1].items().iter().map(|member| member.bytes().to_vec()));
        calls += 1;
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 1500);
    assert!(calls > 5, "{calls}");
}

fn big_sets_come_back_after_a_reload(node: &Server) {
    let mut c = node.client();
    let members: Vec<String> = (0..3000).map(|n| format!("member:{n}")).collect();
    c.check(&format!("SADD big {}", members.join(" ")), ":3000");
    c.check_all("SADD ints 1 2 3 => :3\nSADD small a 1 => :2");
    let before = c.run("DEBUG DIGEST");
    c.check("DEBUG RELOAD", "+OK");
    assert_eq!(c.run("DEBUG DIGEST"), before);
    c.check_all("SCARD big => :3000\nSISMEMBER big member:77 => :1\nSISMEMBER ints 2 => :1");
}
