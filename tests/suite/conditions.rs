//! Strings that are compared before they are written or deleted, as Redis 8.4 and Valkey 9 do it; `redis-server` 7.0 knows
//! none of it.

use narf_tests::{Server, on_one_and_two_workers};

on_one_and_two_workers!(
    set_compares_before_it_sets,
    keys_are_deleted_if_they_hold_a_value,
    a_digest_stands_for_a_value,
    several_keys_get_a_deadline_at_once,
    wrong_requests_are_refused,
);

fn set_compares_before_it_sets(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check_all(
        r#"
        SET k v1 IFEQ x => nil
        EXISTS k => :0
        SET k v1 IFNE x => +OK
        SET k v2 IFNE v1 => nil
        SET k v2 IFEQ v1 PX 100000 => +OK
        SET k v3 ifeq v2 KEEPTTL => +OK
        PERSIST k => :1
        SET k v4 IFEQ v3 GET => "v3"
        SET k v5 GET IFEQ other => "v4"
        GET k => "v4"
        SET n 12 => +OK
        SET n 13 IFEQ 12 => +OK
        SET k v6 IFEQ v4 PXAT 1 => +OK
        EXISTS k => :0
        SET none v IFEQ x GET => nil
        SET none v IFDNE 0123456789abcdef => +OK
        SET none w IFDEQ 0123456789abcdef => nil
        "#,
    );
}

fn keys_are_deleted_if_they_hold_a_value(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check_all(
        r#"
        SET k v => +OK
        DELEX k IFEQ x => :0
        DELEX k IFNE v => :0
        DELEX none IFNE v => :0
        DELEX none BANANA v => :0
        DELEX k ifeq v => :1
        EXISTS k => :0
        SET k v => +OK
        DELEX k IFNE x => :1
        HSET h f v => :1
        DELEX h => :1
        DELEX h => :0
        SET k 5 => +OK
        DELIFEQ k 6 => :0
        DELIFEQ none 5 => :0
        DELIFEQ k 5 => :1
        EXISTS k => :0
        "#,
    );
}

fn a_digest_stands_for_a_value(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check_all(
        r#"
        SET k hello => +OK
        DIGEST k => "9555e8555c62dcfd"
        DIGEST none => nil
        SET k world IFDEQ 9555e8555c62dcfe => nil
        SET k world IFDNE 9555E8555C62DCFD => nil
        SET k world IFDEQ 9555E8555C62DCFD => +OK
        SET k hello IFDNE 9555e8555c62dcfd => +OK
        DELEX k IFDNE 9555e8555c62dcfd => :0
        DELEX k IFDEQ zzzzzzzzzzzzzzzz => :0
        DELEX k IFDEQ 9555e8555c62dcfd => :1
        SET n 42 => +OK
        APPEND k 42 => :2
        "#,
    );
    let [number, text] = ["DIGEST n", "DIGEST k"].map(|line| c.run(line).text());
    assert_eq!(number, text, "a number is its text");
}

fn several_keys_get_a_deadline_at_once(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check_all(
        r#"
        MSETEX 2 a 1 b 2 PXAT 33177117420000 => :1
        PEXPIRETIME a => :33177117420000
        PEXPIRETIME b => :33177117420000
        MSETEX 2 a 3 c 3 NX => :0
        MSETEX 2 a 3 c 3 XX => :0
        EXISTS c => :0
        MSETEX 1 a 3 KEEPTTL => :1
        PEXPIRETIME a => :33177117420000
        MSETEX 2 a 4 b 4 XX => :1
        TTL a => :-1
        MGET a b => ["4", "4"]
        MSETEX 3 x 1 y 2 x 3 NX EX 100 => :1
        MGET x y => ["3", "2"]
        MSETEX 2 x 1 z 2 EXAT 1 => :1
        EXISTS x z => :0
        COMMAND GETKEYS MSETEX 2 a 1 b 2 EX 10 => ["a", "b"]
        "#,
    );
}

fn wrong_requests_are_refused(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check_all(
        r#"
        RPUSH l a => :1
        SET k v => +OK
        SET l v IFEQ x => -WRONGTYPE Operation against a key holding the wrong kind of value
        SET k v IFEQ => -ERR syntax error
        SET k v IFEQ a NX => -ERR syntax error
        SET k v XX IFEQ a => -ERR syntax error
        SET k v IFEQ a IFNE b => -ERR syntax error
        SET k v IFDEQ 123 => -ERR must be exactly 16 hexadecimal characters
        DELEX k IFEQ => -ERR wrong number of arguments for 'delex' command
        DELEX none IFEQ a b => -ERR wrong number of arguments for 'delex' command
        DELEX l IFEQ a => -ERR Key should be of string type if conditions are specified
        DELEX l BANANA a => -ERR Key should be of string type if conditions are specified
        DELEX k BANANA a => -ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE
        DELEX k IFDEQ 123 => -ERR must be exactly 16 hexadecimal characters
        DELIFEQ l a => -WRONGTYPE Operation against a key holding the wrong kind of value
        DIGEST l => -WRONGTYPE Operation against a key holding the wrong kind of value
        MSETEX 0 a 1 => -ERR invalid numkeys value
        MSETEX x a 1 => -ERR invalid numkeys value
        MSETEX 2147483648 a 1 => -ERR invalid numkeys value
        MSETEX 2147483647 a 1 => -ERR wrong number of key-value pairs
        MSETEX 2 a 1 b => -ERR wrong number of key-value pairs
        MSETEX 1 a 1 BANANA => -ERR syntax error
        MSETEX 1 a 1 GET => -ERR syntax error
        MSETEX 1 a 1 NX XX => -ERR syntax error
        MSETEX 1 a 1 EX 10 PX 10 => -ERR syntax error
        MSETEX 1 a 1 KEEPTTL EX 10 => -ERR syntax error
        MSETEX 1 a 1 EX 0 => -ERR invalid expire time in 'msetex' command
        EXISTS a => :0
        GET k => "v"
        "#,
    );
}
