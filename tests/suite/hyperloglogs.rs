//! Commands on HyperLogLogs.

use narf_tests::{Server, Value, on_one_and_two_workers};

on_one_and_two_workers!(
    different_elements_are_counted,
    bytes_are_those_of_redis,
    a_count_is_kept_until_something_is_added,
    several_are_counted_and_merged,
    merges_go_over_partitions,
    many_elements_need_the_dense_form,
    the_limit_of_the_sparse_form_can_be_set,
    the_limit_asks_for_no_other_rights,
    registers_and_runs_are_shown,
    what_is_none_is_refused,
    damaged_registers_are_refused,
    hyperloglogs_come_back_after_a_reload,
);

fn different_elements_are_counted(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        PFADD h a b c d e f g => :1
        PFCOUNT h => :7
        PFADD h a b => :0
        PFADD h h a => :1
        PFCOUNT h => :8
        PFADD empty => :1
        PFADD empty => :0
        PFCOUNT empty => :0
        PFCOUNT none => :0
        PFCOUNT none nobody => :0
        EXISTS none => :0
        TYPE h => +string
        PFSELFTEST => +OK
        EXPIRE h 1000 => :1
        PFADD h z => :1
        TTL h => :1000
        "#,
    );
}

fn bytes_are_those_of_redis(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        PFADD empty => :1
        GET empty => "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff"
        PFADD h a b c => :1
        GET h => "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80`\xf3\x80P\xb1\x84K\xfb\x80BZ"
        OBJECT ENCODING h => "raw"
        SET copy "HYLL\x01\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00`\xf3\x80P\xb1\x84K\xfb\x80BZ" => +OK
        PFCOUNT copy => :3
        PFADD copy c => :0
        PFADD copy d => :1
        PFCOUNT copy => :4
        "#,
    );
}

fn a_count_is_kept_until_something_is_added(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        PFADD h a b c => :1
        GETRANGE h 8 15 => "\x00\x00\x00\x00\x00\x00\x00\x80"
        PFCOUNT h => :3
        GETRANGE h 8 15 => "\x03\x00\x00\x00\x00\x00\x00\x00"
        PFADD h a => :0
        GETRANGE h 8 15 => "\x03\x00\x00\x00\x00\x00\x00\x00"
        PFADD h d => :1
        GETRANGE h 8 15 => "\x03\x00\x00\x00\x00\x00\x00\x80"
        MULTI => +OK
        PFCOUNT h => +QUEUED
        EXEC => [:4]
        GETRANGE h 8 15 => "\x04\x00\x00\x00\x00\x00\x00\x00"
        "#,
    );
    // It is told even if it is not true.
    c.check(r#"SETRANGE h 8 "\x2a""#, ":30");
    c.check("PFCOUNT h", ":42");
    // A count that is kept is a change.
    let mut other = node.client();
    c.check("PFADD h e", ":1");
    other.check("WATCH h", "+OK");
    c.check("PFCOUNT h", ":5");
    other.check("MULTI", "+OK");
    other.check("PING", "+QUEUED");
    assert!(matches!(other.run("EXEC"), Value::NullArray));
}

fn several_are_counted_and_merged(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        PFADD {h}1 a b c => :1
        PFADD {h}2 c d => :1
        PFCOUNT {h}1 {h}2 {h}none => :4
        PFMERGE {h}to {h}1 {h}2 {h}none => +OK
        PFCOUNT {h}to => :4
        PFMERGE {h}1 {h}2 => +OK
        PFCOUNT {h}1 => :4
        PFCOUNT {h}2 => :2
        PFMERGE {h}new => +OK
        PFCOUNT {h}new => :0
        PFMERGE {h}new {h}new => +OK
        PFDEBUG TODENSE {h}2 => :1
        PFMERGE {h}new {h}2 => +OK
        PFDEBUG ENCODING {h}new => +dense
        PFCOUNT {h}new {h}to => :4
        COMMAND GETKEYS PFMERGE a b c => ["a", "b", "c"]
        COMMAND GETKEYS PFDEBUG GETREG k => ["k"]
        "#,
    );
}

/// Keys of several partitions, of several workers.
fn merges_go_over_partitions(node: &Server) {
    let mut c = node.client();
    for key in 0..16 {
        c.check(&format!("PFADD h{key} all m{key}"), ":1");
    }
    let keys: Vec<String> = (0..16).map(|key| format!("h{key}")).collect();
    c.check(&format!("PFCOUNT {}", keys.join(" ")), ":17");
    c.check(&format!("PFMERGE {}", keys.join(" ")), "+OK");
    c.check("PFCOUNT h0", ":17");
    c.check("PFCOUNT h1", ":2");
    c.check("MULTI", "+OK");
    c.check("PFMERGE h1 h2 h3", "+QUEUED");
    c.check("PFCOUNT h1", "+QUEUED");
    c.check("EXEC", "[+OK, :4]");
}

fn many_elements_need_the_dense_form(node: &Server) {
    let mut c = node.client();
    for hundred in 0..100 {
        let elements: Vec<String> = (0..100).map(|n| format!("e{hundred}:{n}")).collect();
        c.run(&format!("PFADD h {}", elements.join(" ")));
        if hundred == 9 {
            c.check("PFDEBUG ENCODING h", "+sparse");
        }
    }
    c.check("PFDEBUG ENCODING h", "+dense");
    c.check("STRLEN h", ":12304");
    let count = c.run("PFCOUNT h").int();
    assert!((9700..=10_300).contains(&count), "{count}");
    assert_eq!(c.run("PFDEBUG GETREG h").items().len(), 16_384);
}

fn the_limit_of_the_sparse_form_can_be_set(node: &Server) {
    let mut c = node.client();
    c.check("CONFIG GET hll-sparse-max-bytes", r#"["hll-sparse-max-bytes", "3000"]"#);
    c.check("CONFIG SET hll-sparse-max-bytes 30", "+OK");
    c.check_all(
        r#"
        PFADD {h}1 a b c => :1
        PFDEBUG ENCODING {h}1 => +sparse
        PFADD {h}1 d e f => :1
        PFDEBUG ENCODING {h}1 => +dense
        MULTI => +OK
        PFADD {h}2 a b c d e => +QUEUED
        PFMERGE {h}3 {h}2 => +QUEUED
        EXEC => [:1, +OK]
        PFDEBUG ENCODING {h}2 => +dense
        PFDEBUG ENCODING {h}3 => +dense
        PFADD => -ERR wrong number of arguments for 'pfadd' command
        CONFIG SET hll-sparse-max-bytes 3000 => +OK
        PFADD {h}4 a b c d e f g h i j => :1
        PFDEBUG ENCODING {h}4 => +sparse
        "#,
    );
}

/// What a request becomes on its way to the log is no matter of rights.
fn the_limit_asks_for_no_other_rights(node: &Server) {
    let mut c = node.client();
    c.check("CONFIG SET hll-sparse-max-bytes 30", "+OK");
    c.check("ACL SETUSER counter on nopass ~{h}* +pfadd +pfmerge +multi +exec +get", "+OK");
    c.check("AUTH counter any", "+OK");
    c.check_all(
        r#"
        PFADD {h}1 a b => :1
        PFADD other a => -NOPERM No permissions to access a key
        MULTI => +OK
        PFADD {h}2 a b c => +QUEUED
        PFMERGE {h}3 {h}1 {h}2 => +QUEUED
        EXEC => [:1, +OK]
        "#,
    );
}

fn registers_and_runs_are_shown(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        PFADD h a b c => :1
        PFDEBUG DECODE h => "Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603"
        PFDEBUG ENCODING h => +sparse
        PFDEBUG todense h => :1
        PFDEBUG TODENSE h => :0
        PFDEBUG ENCODING h => +dense
        PFDEBUG DECODE h => -ERR HLL encoding is not sparse
        PFCOUNT h => :3
        "#,
    );
    let registers = c.run("PFDEBUG GETREG h");
    assert_eq!(registers.items().iter().map(Value::int).sum::<i64>(), 4);
    c.check("PFADD other x", ":1");
    assert_eq!(c.run("PFDEBUG GETREG other").items().len(), 16_384);
    c.check("PFDEBUG ENCODING other", "+dense");
}

fn what_is_none_is_refused(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SET {h}text hello => +OK
        SET {h}number 17 => +OK
        LPUSH {h}list a => :1
        PFADD {h}text a => -WRONGTYPE Key is not a valid HyperLogLog string value.
        PFADD {h}number a => -WRONGTYPE Key is not a valid HyperLogLog string value.
        PFADD {h}list a => -WRONGTYPE Operation against a key holding the wrong kind of value
        PFCOUNT {h}text => -WRONGTYPE Key is not a valid HyperLogLog string value.
        PFCOUNT {h}none {h}list => -WRONGTYPE Operation against a key holding the wrong kind of value
        PFMERGE {h}to {h}text => -WRONGTYPE Key is not a valid HyperLogLog string value.
        PFMERGE {h}text {h}none => -WRONGTYPE Key is not a valid HyperLogLog string value.
        EXISTS {h}to => :0
        SET {h}text HYLLxxxxxxxxxxxxxxxx => +OK
        PFCOUNT {h}text => -WRONGTYPE Key is not a valid HyperLogLog string value.
        SET {h}text "HYLL\x00xxxxxxxxxxxxxxx" => +OK
        PFCOUNT {h}text => -WRONGTYPE Key is not a valid HyperLogLog string value.
        PFDEBUG ENCODING {h}none => -ERR The specified key does not exist
        PFADD {h}1 a => :1
        PFDEBUG BANANA {h}1 => -ERR Unknown PFDEBUG subcommand 'BANANA'
        PFDEBUG ENCODING => -ERR wrong number of arguments for 'pfdebug' command
        PFSELFTEST now => -ERR wrong number of arguments for 'pfselftest' command
        "#,
    );
}

fn damaged_registers_are_refused(node: &Server) {
    let mut c = node.client();
    // Too few registers, too many, and so many that a sum of 32 bits ends below zero.
    let head = r"HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80";
    for body in [r"\x7f\xfe", r"\x7f\xff\x00", r"\x7f\xff\x80"] {
        c.check(&format!("SET {{h}}bad \"{head}{body}\""), "+OK");
        c.check_all(
            r#"
            PFCOUNT {h}bad => -INVALIDOBJ Corrupted HLL object detected
            PFCOUNT {h}bad {h}none => -INVALIDOBJ Corrupted HLL object detected
            PFMERGE {h}to {h}bad => -INVALIDOBJ Corrupted HLL object detected
            PFDEBUG GETREG {h}bad => -INVALIDOBJ Corrupted HLL object detected
            PFDEBUG TODENSE {h}bad => -INVALIDOBJ Corrupted HLL object detected
            EXISTS {h}to => :0
            "#,
        );
    }
    // CVE-2025-32023.
    let mut value = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80".to_vec();
    value.extend(b"\x7f\xff".repeat((1 << 31) / (1 << 14) + 1));
    value.extend(b"\x83\x7f\xff");
    assert_eq!(c.run_args(&[b"SET".as_slice(), b"{h}bad", &value]).to_string(), "+OK");
    c.check_all(
        r#"
        PFCOUNT {h}bad => -INVALIDOBJ Corrupted HLL object detected
        PFMERGE {h}to {h}bad => -INVALIDOBJ Corrupted HLL object detected
        PFDEBUG TODENSE {h}bad => -INVALIDOBJ Corrupted HLL object detected
        PING => +PONG
        "#,
    );
}

fn hyperloglogs_come_back_after_a_reload(node: &Server) {
    let mut c = node.client();
    c.check("PFADD h a b c", ":1");
    c.check("PFCOUNT h", ":3");
    c.check("PFMERGE {h}dense h", "+OK");
    c.check("PFDEBUG TODENSE {h}dense", ":1");
    let before = c.run("DEBUG DIGEST-VALUE h {h}dense");
    c.check("DEBUG RELOAD", "+OK");
    assert_eq!(c.run("DEBUG DIGEST-VALUE h {h}dense"), before);
    c.check(r"GETRANGE h 8 15", r#""\x03\x00\x00\x00\x00\x00\x00\x00""#);
    c.check("PFCOUNT {h}dense", ":3");
}
