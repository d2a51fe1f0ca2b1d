//! Deadlines of keys. Time is not slept away: deadlines lie in the past or some milliseconds ahead, and the test asks
//! until they have passed.

use std::time::{SystemTime, UNIX_EPOCH};

use narf_tests::{Client, Server, eventually, on_one_and_two_workers};

on_one_and_two_workers!(
    each_form_sets_the_same_deadline,
    conditions_are_obeyed,
    a_deadline_in_the_past_deletes_at_once,
    a_key_is_absent_from_its_deadline_on,
    an_expired_key_is_absent_for_every_command,
    active_expiry_deletes_keys_nobody_asks_for,
    writes_keep_or_clear_deadlines_as_redis_does,
    impossible_deadlines_are_refused,
    expired_keys_are_counted,
);

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[track_caller]
fn check_near(c: &mut Client, line: &str, expect: i64, tolerance: i64) {
    let got = c.run(line).int();
    assert!((got - expect).abs() <= tolerance, "{line} gave {got}, not about {expect}");
}

fn each_form_sets_the_same_deadline(node: &Server) {
    let mut c = node.client();
    let at = now_ms() + 1_000_000;
    for (set, slack) in [
        ("EXPIRE k 1000".to_owned(), 5_000),
        ("PEXPIRE k 1000000".to_owned(), 5_000),
        (format!("EXPIREAT k {}", at / 1000), 1_000),
        (format!("PEXPIREAT k {at}"), 0),
    ] {
        c.check("SET k v", "+OK");
        c.check("TTL k", ":-1");
        c.check("PTTL k", ":-1");
        c.check("EXPIRETIME k", ":-1");
        c.check("PEXPIRETIME k", ":-1");
        c.check(&set, ":1");
        check_near(&mut c, "TTL k", 1000, 10);
        check_near(&mut c, "PTTL k", 1_000_000, 10_000);
        check_near(&mut c, "EXPIRETIME k", at / 1000, slack / 1000 + 1);
        check_near(&mut c, "PEXPIRETIME k", at, slack);
        c.check("PERSIST k", ":1");
        c.check("PERSIST k", ":0");
        c.check("TTL k", ":-1");
    }
    for line in ["TTL none", "PTTL none", "EXPIRETIME none", "PEXPIRETIME none"] {
        c.check(line, ":-2");
    }
    for line in
        ["EXPIRE none 10", "PEXPIRE none 10", "EXPIREAT none 33177117420", "PEXPIREAT none 33177117420000"]
    {
        c.check(line, ":0");
    }
    c.check("PERSIST none", ":0");
}

fn conditions_are_obeyed(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SET k v => +OK
        PEXPIREAT k 33177117420000 XX => :0
        PEXPIREAT k 33177117420000 GT => :0
        PEXPIREAT k 33177117420000 NX => :1
        PEXPIREAT k 33177117430000 NX => :0
        PEXPIREAT k 33177117410000 GT => :0
        PEXPIREAT k 33177117420000 GT => :0
        PEXPIREAT k 33177117430000 GT => :1
        PEXPIREAT k 33177117440000 LT => :0
        PEXPIREAT k 33177117410000 LT => :1
        PEXPIREAT k 33177117450000 XX => :1
        PEXPIREAT k 33177117460000 XX GT => :1
        PEXPIREAT k 33177117410000 XX LT => :1
        PEXPIRETIME k => :33177117410000
        PERSIST k => :1
        PEXPIREAT k 33177117410000 LT => :1
        EXPIRE k 100 NX XX => -ERR NX and XX, GT or LT options at the same time are not compatible
        EXPIRE k 100 NX GT => -ERR NX and XX, GT or LT options at the same time are not compatible
        EXPIRE k 100 GT LT => -ERR GT and LT options at the same time are not compatible
        EXPIRE k 100 BANANA => -ERR Unsupported option BANANA
        "#,
    );
}

fn a_deadline_in_the_past_deletes_at_once(node: &Server) {
    let mut c = node.client();
    for line in
        ["EXPIRE k -1", "EXPIRE k 0", "PEXPIRE k -1", "EXPIREAT k 1", "PEXPIREAT k 1000", "PEXPIREAT k -5"]
    {
        c.check("SET k v", "+OK");
        c.check(line, ":1");
        c.check("EXISTS k", ":0");
        c.check("DBSIZE", ":0");
    }
    c.check("SET k v PXAT 1", "+OK");
    c.check("GET k", "nil");
    c.check("SET k v EXAT 1", "+OK");
    c.check("EXISTS k", ":0");
}

fn a_key_is_absent_from_its_deadline_on(node: &Server) {
    let mut c = node.client();
    let deadline = now_ms() + 80;
    c.check(&format!("SET k v PXAT {deadline}"), "+OK");
    eventually("the key expires", || {
        let before = now_ms();
        let gone = c.run("GET k").to_string() == "nil";
        let after = now_ms();
        assert!(!gone || after >= deadline, "gone {} ms too early", deadline - after);
        // The node reads the clock once a turn, so it may be a turn behind, not more.
        assert!(gone || before <= deadline + 50, "still there {} ms after its deadline", before - deadline);
        gone.then_some(())
    });
    c.check("EXISTS k", ":0");
    c.check("TTL k", ":-2");
}

fn an_expired_key_is_absent_for_every_command(node: &Server) {
    let mut c = node.client();
    // Without active expiry the key stands in memory, so each command must see by itself that it is gone.
    c.check("DEBUG SET-ACTIVE-EXPIRE 0", "+OK");
    let table = [
        ("GET k", "nil"),
        ("STRLEN k", ":0"),
        ("EXISTS k", ":0"),
        ("TYPE k", "+none"),
        ("TTL k", ":-2"),
        ("PEXPIRETIME k", ":-2"),
        ("DEL k", ":0"),
        ("UNLINK k", ":0"),
        ("TOUCH k", ":0"),
        ("PERSIST k", ":0"),
        ("EXPIRE k 100", ":0"),
        ("RENAME k other", "-ERR no such key"),
        ("COPY k other", ":0"),
        ("MOVE k 1", ":0"),
        ("GETDEL k", "nil"),
        ("GETEX k PERSIST", "nil"),
        ("GETRANGE k 0 -1", "\"\""),
        ("MGET k", "[nil]"),
        ("KEYS *", "[]"),
        ("RANDOMKEY", "nil"),
        ("HGETALL k", "[]"),
        ("HDEL k f", ":0"),
        ("OBJECT ENCODING k", "nil"),
        ("SCAN 0 COUNT 1000", r#"["0", []]"#),
        ("SET k new XX", "nil"),
        ("SETNX k new", ":1"),
        ("SET k new NX", "+OK"),
        ("SET k new GET", "nil"),
        ("GETSET k new", "nil"),
        ("APPEND k new", ":3"),
        ("INCR k", ":1"),
        ("SETRANGE k 1 x", ":2"),
        ("HSET k f v", ":1"),
    ];
    for (line, expect) in table {
        c.check("SET k old PXAT 1", "+OK");
        c.check(line, expect);
        c.check("DEL k", if expect.starts_with(":0") || !line_creates(line) { ":0" } else { ":1" });
    }
    c.check("DEBUG SET-ACTIVE-EXPIRE 1", "+OK");
}

fn line_creates(line: &str) -> bool {
    let creating = ["SETNX", "SET k new NX", "SET k new GET", "GETSET", "APPEND", "INCR", "SETRANGE", "HSET"];
    creating.iter().any(|start| line.starts_with(start))
}

fn active_expiry_deletes_keys_nobody_asks_for(node: &Server) {
    let mut c = node.client();
    let deadline = now_ms() + 30;
    let lines = (0..500).map(|i| format!("SET k{i} v PXAT {deadline}"));
    c.pipeline(lines);
    c.check("SET stays v", "+OK");
    eventually("all but one key are deleted", || (c.run("DBSIZE").int() == 1).then_some(()));
    c.check("GET stays", r#""v""#);
}

fn writes_keep_or_clear_deadlines_as_redis_does(node: &Server) {
    let mut c = node.client();
    let at = "33177117420000";
    for (line, kept) in [
        ("APPEND k 1", true),
        ("INCR k", true),
        ("SETRANGE k 0 9", true),
        ("SET k v KEEPTTL", true),
        ("GETEX k", true),
        ("SET k v", false),
        ("GETSET k v", false),
        ("MSET k v", false),
        ("SETEX k 100 v", false),
        ("GETEX k PERSIST", false),
        ("PERSIST k", false),
    ] {
        c.check(&format!("SET k 1 PXAT {at}"), "+OK");
        c.run(line);
        let same = c.run("PEXPIRETIME k").to_string() == format!(":{at}");
        assert_eq!(same, kept, "deadline after {line}");
    }
}

fn impossible_deadlines_are_refused(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SET k v => +OK
        EXPIRE k 9223372036854775807 => -ERR invalid expire time in 'expire' command
        PEXPIRE k 9223372036854775807 => -ERR invalid expire time in 'pexpire' command
        EXPIREAT k 9223372036854775807 => -ERR invalid expire time in 'expireat' command
        EXPIRE k -9223372036854775808 => -ERR invalid expire time in 'expire' command
        EXPIRE k ten => -ERR value is not an integer or out of range
        EXPIRE k => -ERR wrong number of arguments for 'expire' command
        EXISTS k => :1
        TTL k => :-1
        "#,
    );
}

fn expired_keys_are_counted(node: &Server) {
    let mut c = node.client();
    let before: i64 = node.info("expired_keys").expect("INFO has expired_keys").parse().unwrap();
    for i in 0..20 {
        c.check(&format!("SET k{i} v PX 1"), "+OK");
    }
    eventually("the counter rises by 20", || {
        (node.info("expired_keys")?.parse::<i64>().unwrap() == before + 20).then_some(())
    });
}
