//! Hash commands, in the small and in the large encoding.

use narf_tests::{Server, Value, on_one_and_two_workers};

on_one_and_two_workers!(
    fields_are_set_read_and_deleted,
    fields_are_counted,
    random_fields_come_from_the_hash,
    hashes_change_their_encoding_and_keep_their_content,
    resp3_gives_maps,
    wrong_requests_are_refused,
    hscan_visits_every_field,
    an_emptied_hash_is_gone,
);

fn fields_are_set_read_and_deleted(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        HSET h a 1 b 2 => :2
        HSET h a 9 c 3 => :1
        HGET h a => "9"
        HGET h none => nil
        HGET none a => nil
        HMGET h a none c => ["9", nil, "3"]
        HMGET none a b => [nil, nil]
        HGETALL h => ["a", "9", "b", "2", "c", "3"]
        HGETALL none => []
        HKEYS h => ["a", "b", "c"]
        HVALS h => ["9", "2", "3"]
        HLEN h => :3
        HLEN none => :0
        HEXISTS h a => :1
        HEXISTS h none => :0
        HSTRLEN h a => :1
        HSTRLEN h none => :0
        HSETNX h a 7 => :0
        HSETNX h d 7 => :1
        HMSET h e 5 f 6 => +OK
        HDEL h a none b => :2
        HDEL none a => :0
        HLEN h => :4
        TYPE h => +hash
        "#,
    );
}

fn fields_are_counted(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        HINCRBY h n 5 => :5
        HINCRBY h n -7 => :-2
        HSET h n 9223372036854775807 => :0
        HINCRBY h n 1 => -ERR increment or decrement would overflow
        HSET h n abc => :0
        HINCRBY h n 1 => -ERR hash value is not an integer
        HINCRBY h n one => -ERR value is not an integer or out of range
        HINCRBYFLOAT h n 1 => -ERR hash value is not a float
        HINCRBYFLOAT h f 10.5 => "10.5"
        HINCRBYFLOAT h f 0.1 => "10.6"
        HINCRBYFLOAT h f -5 => "5.6"
        HINCRBYFLOAT h f nan => -ERR value is not a valid float
        HINCRBYFLOAT h f one => -ERR value is not a valid float
        "#,
    );
}

fn random_fields_come_from_the_hash(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        HRANDFIELD none => nil
        HRANDFIELD none 5 => []
        HSET h a 1 b 2 c 3 => :3
        HRANDFIELD h 0 => []
        HRANDFIELD h 1 BANANA => -ERR syntax error
        HRANDFIELD h one => -ERR value is not an integer or out of range
        HRANDFIELD h -9223372036854775808 WITHVALUES => -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
        "#,
    );
    let is_field = |value: &Value| [b"a", b"b", b"c"].iter().any(|name| value.bytes() == name.as_slice());
    assert!(is_field(&c.run("HRANDFIELD h")));
    c.check_sorted("HRANDFIELD h 10", r#"["a", "b", "c"]"#);
    let two = c.run("HRANDFIELD h 2").items();
    assert!(two.len() == 2 && two.iter().all(is_field) && two[0] != two[1], "{two:?}");
    let ten = c.run("HRANDFIELD h -10").items();
    assert!(ten.len() == 10 && ten.iter().all(is_field), "{ten:?}");
    let pairs = c.run("HRANDFIELD h -20 WITHVALUES").items();
    assert_eq!(pairs.len(), 40);
    for pair in pairs.chunks(2) {
        let expect = [b"1", b"2", b"3"][usize::from(pair[0].bytes()[0] - b'a')];
        assert_eq!(pair[1].bytes(), expect);
    }
    // Each field must have its chance.
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        seen.insert(c.run("HRANDFIELD h").text());
    }
    assert_eq!(seen.len(), 3, "200 draws out of three fields show {seen:?}");
    let mut c = node.client3();
    let pairs = c.run("HRANDFIELD h 1 WITHVALUES").items();
    assert_eq!(pairs[0].items().len(), 2, "RESP3 gives a pair a field");
}

fn hashes_change_their_encoding_and_keep_their_content(node: &Server) {
    let mut c = node.client();
    c.check("HSET small f v", ":1");
    c.check("OBJECT ENCODING small", r#""listpack""#);
    c.run_args(&["HSET", "small", "long", &"x".repeat(65)]);
    c.check("OBJECT ENCODING small", r#""hashtable""#);
    c.check("HGET small f", r#""v""#);
    for i in 0..512 {
        c.check(&format!("HSET h f{i} v{i}"), ":1");
    }
    c.check("OBJECT ENCODING h", r#""listpack""#);
    c.check("HSET h f512 v512", ":1");
    c.check("OBJECT ENCODING h", r#""hashtable""#);
    for i in 513..2000 {
        c.check(&format!("HSET h f{i} v{i}"), ":1");
    }
    c.check("HLEN h", ":2000");
    for i in 0..2000 {
        c.check(&format!("HGET h f{i}"), &format!("\"v{i}\""));
    }
    let all = c.run("HGETALL h").items();
    assert_eq!(all.len(), 4000);
    for i in 0..1990 {
        c.check(&format!("HDEL h f{i}"), ":1");
    }
    c.check("HLEN h", ":10");
    c.check_sorted(
        "HKEYS h",
        r#"["f1990", "f1991", "f1992", "f1993", "f1994", "f1995", "f1996", "f1997", "f1998", "f1999"]"#,
    );
}

fn resp3_gives_maps(node: &Server) {
    let mut c = node.client3();
    c.check_all(
        r#"
        HSET h a 1 => :1
        HGETALL h => {"a": "1"}
        HGETALL none => {}
        HGET h none => null
        HMGET h a none => ["1", null]
        HKEYS h => ["a"]
        HINCRBYFLOAT h f 1.5 => "1.5"
        "#,
    );
}

fn wrong_requests_are_refused(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        HSET h a => -ERR wrong number of arguments for 'hset' command
        HSET h a 1 b => -ERR wrong number of arguments for 'hset' command
        HMSET h a 1 b => -ERR wrong number of arguments for 'hmset' command
        HGET h => -ERR wrong number of arguments for 'hget' command
        EXISTS h => :0
        HSCAN h x => -ERR invalid cursor
        HSCAN h 0 COUNT 0 => ["0", []]
        SET s v => +OK
        HSET g a 1 => :1
        HSCAN g 0 COUNT 0 => -ERR syntax error
        HSCAN g 0 MATCH => -ERR syntax error
        HSCAN g 0 COUNT x => -ERR value is not an integer or out of range
        "#,
    );
    let commands = [
        "HSET s a 1",
        "HMSET s a 1",
        "HGET s a",
        "HMGET s a",
        "HGETALL s",
        "HKEYS s",
        "HVALS s",
        "HLEN s",
        "HEXISTS s a",
        "HSTRLEN s a",
        "HDEL s a",
        "HSETNX s a 1",
        "HINCRBY s a 1",
        "HINCRBYFLOAT s a 1",
        "HRANDFIELD s",
        "HRANDFIELD s 1",
        "HSCAN s 0",
    ];
    for command in commands {
        c.check(command, "-WRONGTYPE Operation against a key holding the wrong kind of value");
    }
}

fn hscan_visits_every_field(node: &Server) {
    let mut c = node.client();
    c.check("HSCAN none 0", r#"["0", []]"#);
    c.check("HSET few a 1 b 2", ":2");
    c.check("HSCAN few 0", r#"["0", ["a", "1", "b", "2"]]"#);
    c.check("HSCAN few 0 MATCH b", r#"["0", ["b", "2"]]"#);
    for i in 0..1000 {
        c.check(&format!("HSET many field-{i} {i}"), ":1");
    }
    for count in [1, 10, 100] {
        let mut seen = std::collections::BTreeMap::new();
        let mut cursor = "0".to_owned();
        loop {
            let reply = c.run(&format!("HSCAN many {cursor} COUNT {count}")).items();
            for pair in reply[1].items().chunks(2) {
                seen.insert(pair[0].text(), pair[1].text());
            }
            cursor = reply[0].text();
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(seen.len(), 1000, "with COUNT {count}");
        assert!(seen.iter().all(|(field, value)| field.strip_prefix("field-") == Some(value)));
    }
}

fn an_emptied_hash_is_gone(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        HSET h a 1 => :1
        EXPIRE h 100 => :1
        HDEL h a => :1
        EXISTS h => :0
        TYPE h => +none
        HSET h a 1 => :1
        TTL h => :-1
        "#,
    );
}
