//! String commands: every option and every refusal.

use narf_tests::{Server, on_one_and_two_workers};

on_one_and_two_workers!(
    set_takes_every_option,
    set_refuses_contradictions,
    get_family_reads_and_changes,
    counters_count_and_refuse_overflow,
    float_counters_keep_the_text_redis_writes,
    ranges_are_cut_and_padded,
    many_keys_are_read_and_written_at_once,
    the_longest_common_subsequence_is_found,
    other_types_are_refused,
    values_hold_any_bytes,
);

fn set_takes_every_option(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SET k v1 => +OK
        SET k v2 NX => nil
        SET k v2 XX => +OK
        SET absent v XX => nil
        GET k => "v2"
        SET k v3 GET => "v2"
        SET absent v GET => nil
        DEL absent => :1
        SET k v4 NX GET => "v3"
        GET k => "v3"
        SET k v EX 100 => +OK
        TTL k => :100
        SET k w KEEPTTL => +OK
        TTL k => :100
        SET k w => +OK
        TTL k => :-1
        SET k v PX 100000 => +OK
        TTL k => :100
        SET k v EXAT 33177117420 => +OK
        EXPIRETIME k => :33177117420
        SET k v PXAT 33177117420001 => +OK
        PEXPIRETIME k => :33177117420001
        SET k v xx ex 10 get => "v"
        SETEX k 100 v => +OK
        TTL k => :100
        PSETEX k 100000 v => +OK
        TTL k => :100
        SETNX k w => :0
        SETNX fresh w => :1
        "#,
    );
}

fn set_refuses_contradictions(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SET k => -ERR wrong number of arguments for 'set' command
        SET k v NX XX => -ERR syntax error
        SET k v EX 10 PX 10 => -ERR syntax error
        SET k v EX => -ERR syntax error
        SET k v EX 10 KEEPTTL => -ERR syntax error
        SET k v BANANA => -ERR syntax error
        SET k v EX 0 => -ERR invalid expire time in 'set' command
        SET k v PX -1 => -ERR invalid expire time in 'set' command
        SET k v EX 9223372036854775807 => -ERR invalid expire time in 'set' command
        SET k v EX ten => -ERR value is not an integer or out of range
        SETEX k 0 v => -ERR invalid expire time in 'setex' command
        PSETEX k -5 v => -ERR invalid expire time in 'psetex' command
        SETEX k ten v => -ERR value is not an integer or out of range
        EXISTS k => :0
        "#,
    );
}

fn get_family_reads_and_changes(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        GET k => nil
        GETDEL k => nil
        GETEX k => nil
        GETSET k v1 => nil
        GETSET k v2 => "v1"
        GETEX k EX 100 => "v2"
        TTL k => :100
        GETEX k => "v2"
        TTL k => :100
        GETEX k PERSIST => "v2"
        TTL k => :-1
        GETEX k PXAT 33177117420001 => "v2"
        PEXPIRETIME k => :33177117420001
        GETEX k EX 10 PERSIST => -ERR syntax error
        GETEX k EX 0 => -ERR invalid expire time in 'getex' command
        GETEX k PXAT 1 => "v2"
        EXISTS k => :0
        SET k v3 => +OK
        GETDEL k => "v3"
        GET k => nil
        STRLEN k => :0
        APPEND k ab => :2
        APPEND k cd => :4
        STRLEN k => :4
        "#,
    );
    let mut c = node.client3();
    c.check("GET none", "null");
    c.check("GETEX none", "null");
}

fn counters_count_and_refuse_overflow(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        INCR n => :1
        INCRBY n 41 => :42
        DECR n => :41
        DECRBY n 50 => :-9
        SET n 9223372036854775807 => +OK
        INCR n => -ERR increment or decrement would overflow
        SET n -9223372036854775808 => +OK
        DECR n => -ERR increment or decrement would overflow
        DECRBY n -9223372036854775808 => -ERR decrement would overflow
        INCRBY n ten => -ERR value is not an integer or out of range
        INCRBY n 1.5 => -ERR value is not an integer or out of range
        SET n 12x => +OK
        INCR n => -ERR value is not an integer or out of range
        SET n " 12" => +OK
        INCR n => -ERR value is not an integer or out of range
        SET n 007 => +OK
        INCR n => -ERR value is not an integer or out of range
        SET n 10 EX 100 => +OK
        INCR n => :11
        TTL n => :100
        "#,
    );
}

fn float_counters_keep_the_text_redis_writes(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SET f 10.50 => +OK
        INCRBYFLOAT f 0.1 => "10.6"
        INCRBYFLOAT f -5 => "5.6"
        SET f 5.0e3 => +OK
        INCRBYFLOAT f 2.0e2 => "5200"
        SET f 3 => +OK
        INCRBYFLOAT f 1.000000 => "4"
        INCRBYFLOAT f 1e-3 => "4.001"
        SET f 0.1 => +OK
        INCRBYFLOAT f 0.2 => "0.3"
        INCRBYFLOAT f nan => -ERR value is not a valid float
        INCRBYFLOAT f inf => -ERR increment would produce NaN or Infinity
        INCRBYFLOAT f ten => -ERR value is not a valid float
        INCRBYFLOAT f "1 " => -ERR value is not a valid float
        SET f abc => +OK
        INCRBYFLOAT f 1 => -ERR value is not a valid float
        HSET h f 0.1 => :1
        HINCRBYFLOAT h f 0.2 => "0.3"
        HINCRBYFLOAT h g 17179869184.5 => "17179869184.5"
        "#,
    );
}

fn ranges_are_cut_and_padded(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SET k "This is a string" => +OK
        GETRANGE k 0 3 => "This"
        GETRANGE k -3 -1 => "ing"
        GETRANGE k 0 -1 => "This is a string"
        GETRANGE k 10 100 => "string"
        GETRANGE k 5 4 => ""
        GETRANGE k -1 -5 => ""
        GETRANGE none 0 -1 => ""
        SUBSTR k 0 3 => "This"
        GETRANGE k a b => -ERR value is not an integer or out of range
        SETRANGE k 10 banana => :16
        GET k => "This is a banana"
        SETRANGE pad 5 x => :6
        GET pad => "\x00\x00\x00\x00\x00x"
        SETRANGE none 0 "" => :0
        EXISTS none => :0
        SETRANGE k 0 "" => :16
        SETRANGE k -1 x => -ERR offset is out of range
        SETRANGE k 536870912 x => -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        "#,
    );
}

fn many_keys_are_read_and_written_at_once(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        MSET a 1 b 2 c 3 d 4 e 5 => +OK
        MGET a b none c d e => ["1", "2", nil, "3", "4", "5"]
        MSET a 1 b => -ERR wrong number of arguments for 'mset' command
        MSETNX f 1 a 2 => :0
        EXISTS f => :0
        MSETNX f 1 g 2 => :1
        MSETNX => -ERR wrong number of arguments for 'msetnx' command
        MSETNX f 1 g => -ERR wrong number of arguments for 'msetnx' command
        MSET a x a y => +OK
        GET a => "y"
        HSET h f v => :1
        MGET a h => ["y", nil]
        DEL a b c none d e => :5
        EXISTS f g f => :3
        "#,
    );
    let keys: Vec<_> = (0..500).map(|i| format!("m{i}")).collect();
    let pairs: Vec<_> = keys.iter().map(|key| format!("{key} {key}")).collect();
    c.check(&format!("MSET {}", pairs.join(" ")), "+OK");
    let values = c.run(&format!("MGET {}", keys.join(" "))).items();
    let expect: Vec<_> = keys.iter().map(narf_tests::Value::bulk).collect();
    assert_eq!(values, expect, "the values of an MGET stand in the order of its keys");
}

fn the_longest_common_subsequence_is_found(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        MSET x ohmytext y mynewtext => +OK
        LCS x y => "mytext"
        LCS x y LEN => :6
        LCS x y IDX => ["matches", [[[:4, :7], [:5, :8]], [[:2, :3], [:0, :1]]], "len", :6]
        LCS x y IDX MINMATCHLEN 4 WITHMATCHLEN => ["matches", [[[:4, :7], [:5, :8], :4]], "len", :6]
        LCS x none => ""
        LCS x none LEN => :0
        LCS x y IDX LEN => -ERR If you want both the length and indexes, please just use IDX.
        LCS x y BANANA => -ERR syntax error
        HSET h f v => :1
        LCS x h => -ERR The specified keys must contain string values
        "#,
    );
    let mut c = node.client3();
    c.check("LCS x y IDX", r#"{"matches": [[[:4, :7], [:5, :8]], [[:2, :3], [:0, :1]]], "len": :6}"#);
}

fn other_types_are_refused(node: &Server) {
    let mut c = node.client();
    c.check("HSET h f v", ":1");
    let commands = [
        "GET h",
        "GETSET h v",
        "GETDEL h",
        "GETEX h",
        "SET h v GET",
        "APPEND h v",
        "STRLEN h",
        "INCR h",
        "DECR h",
        "INCRBY h 1",
        "DECRBY h 1",
        "INCRBYFLOAT h 1",
        "GETRANGE h 0 1",
        "SETRANGE h 0 v",
        "SUBSTR h 0 1",
    ];
    for command in commands {
        c.check(command, "-WRONGTYPE Operation against a key holding the wrong kind of value");
    }
    c.check("HGETALL h", r#"["f", "v"]"#);
    c.check("SET h v", "+OK");
}

fn values_hold_any_bytes(node: &Server) {
    let mut c = node.client();
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(c.run_args(&[b"SET".as_slice(), &all, &all]).to_string(), "+OK");
    assert_eq!(c.run_args(&[b"GET".as_slice(), &all]).bytes(), all);
    c.check("SET '' empty-key", "+OK");
    c.check("GET ''", r#""empty-key""#);
    c.check("SET e ''", "+OK");
    c.check("GET e", r#""""#);
}
