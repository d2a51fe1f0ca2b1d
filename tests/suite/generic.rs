//! Commands on keys of any type, and on whole databases.

use std::time::{Duration, Instant};

use narf_tests::{Server, eventually, on_one_and_two_workers};

on_one_and_two_workers!(
    keys_are_counted_typed_and_deleted,
    renaming_moves_value_and_deadline,
    copies_are_independent,
    keys_move_between_databases,
    databases_are_apart,
    databases_are_swapped,
    keys_are_found_by_pattern,
    random_key_comes_from_the_database,
    flushing_empties_one_or_all_databases,
    objects_tell_about_themselves,
    memory_usage_counts_key_and_value,
    waiting_for_replicas_on_a_lone_node_takes_all_the_time_there_is,
);

fn keys_are_counted_typed_and_deleted(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        MSET a 1 b 2 c 3 d 4 => +OK
        HSET h f v => :1
        DBSIZE => :5
        EXISTS a b none a => :3
        TOUCH a b none => :2
        TYPE a => +string
        TYPE h => +hash
        TYPE none => +none
        DEL a none h => :2
        UNLINK b none c => :2
        DBSIZE => :1
        DEL => -ERR wrong number of arguments for 'del' command
        "#,
    );
}

fn renaming_moves_value_and_deadline(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SET a 1 EXAT 33177117420 => +OK
        RENAME a b => +OK
        GET a => nil
        GET b => "1"
        EXPIRETIME b => :33177117420
        RENAME none x => -ERR no such key
        RENAMENX none x => -ERR no such key
        RENAME b b => +OK
        RENAMENX b b => :0
        SET c 2 => +OK
        RENAMENX b c => :0
        RENAME b c => +OK
        GET c => "1"
        EXPIRETIME c => :33177117420
        RENAMENX c d => :1
        DBSIZE => :1
        "#,
    );
    // Over keys of which some surely lie in other partitions.
    for i in 0..50 {
        c.check(&format!("HSET from{i} f {i}"), ":1");
        c.check(&format!("RENAME from{i} to{i}"), "+OK");
        c.check(&format!("HGET to{i} f"), &format!("\"{i}\""));
    }
}

fn copies_are_independent(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        HSET h f 1 => :1
        EXPIREAT h 33177117420 => :1
        COPY h g => :1
        EXPIRETIME g => :33177117420
        HSET g f 2 => :0
        HGET h f => "1"
        COPY h g => :0
        COPY h g REPLACE => :1
        HGET g f => "1"
        COPY h h => -ERR source and destination objects are the same
        COPY none x => :0
        COPY h h DB 5 => :1
        COPY h x DB 99 => -ERR DB index is out of range
        COPY h x DB abc => -ERR value is not an integer or out of range
        COPY h x BANANA => -ERR syntax error
        SELECT 5 => +OK
        HGETALL h => ["f", "1"]
        "#,
    );
    for i in 0..50 {
        c.check(&format!("SET from{i} {i}"), "+OK");
        c.check(&format!("COPY from{i} to{i} DB {}", i % 16), ":1");
    }
}

fn keys_move_between_databases(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SET k v => +OK
        MOVE k 3 => :1
        EXISTS k => :0
        MOVE k 3 => :0
        SET k w => +OK
        MOVE k 3 => :0
        MOVE k 0 => -ERR source and destination objects are the same
        MOVE k 16 => -ERR DB index is out of range
        MOVE k x => -ERR value is not an integer or out of range
        SELECT 3 => +OK
        GET k => "v"
        "#,
    );
}

fn databases_are_apart(node: &Server) {
    let mut c = node.client();
    for db in 0..16 {
        c.check(&format!("SELECT {db}"), "+OK");
        c.check(&format!("SET k {db}"), "+OK");
        c.check(&format!("SET only{db} {db}"), "+OK");
    }
    for db in 0..16 {
        c.check(&format!("SELECT {db}"), "+OK");
        c.check("GET k", &format!("\"{db}\""));
        c.check("DBSIZE", ":2");
        c.check_sorted("KEYS *", &format!(r#"["k", "only{db}"]"#));
    }
    c.check("SELECT 16", "-ERR DB index is out of range");
    c.check("SELECT -1", "-ERR DB index is out of range");
    c.check("SELECT x", "-ERR value is not an integer or out of range");
    c.check("GET k", r#""15""#);
}

fn databases_are_swapped(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SET k zero => +OK
        SELECT 1 => +OK
        SET k one => +OK
        SET more one => +OK
        SWAPDB 0 1 => +OK
        GET k => "zero"
        DBSIZE => :1
        SELECT 0 => +OK
        GET k => "one"
        DBSIZE => :2
        SWAPDB 1 2 => +OK
        SELECT 2 => +OK
        GET k => "zero"
        SWAPDB 0 0 => +OK
        SWAPDB 0 16 => -ERR DB index is out of range
        SWAPDB a 1 => -ERR invalid first DB index
        SWAPDB 1 a => -ERR invalid second DB index
        "#,
    );
}

fn keys_are_found_by_pattern(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        MSET one 1 two 2 three 3 four 4 h?llo 5 h[llo 6 => +OK
        DEL none => :0
        "#,
    );
    c.check_sorted("KEYS t*", r#"["three", "two"]"#);
    c.check_sorted("KEYS *o*", r#"["four", "h?llo", "h[llo", "one", "two"]"#);
    c.check_sorted("KEYS ???", r#"["one", "two"]"#);
    c.check_sorted("KEYS [ot]*", r#"["one", "three", "two"]"#);
    c.check_sorted("KEYS [^ot]*", r#"["four", "h?llo", "h[llo"]"#);
    c.check_sorted("KEYS [f-o]*", r#"["four", "h?llo", "h[llo", "one"]"#);
    c.check("KEYS h\\?llo", r#"["h?llo"]"#);
    c.check("KEYS none*", "[]");
    c.check("KEYS one", r#"["one"]"#);
}

fn random_key_comes_from_the_database(node: &Server) {
    let mut c = node.client();
    c.check("RANDOMKEY", "nil");
    let names: Vec<_> = (0..10).map(|i| format!("k{i}")).collect();
    for name in &names {
        c.check(&format!("SET {name} v"), "+OK");
    }
    let mut seen = std::collections::BTreeSet::new();
    eventually("every key is drawn", || {
        let key = c.run("RANDOMKEY").text();
        assert!(names.contains(&key), "{key} is no key");
        seen.insert(key);
        (seen.len() == names.len()).then_some(())
    });
}

fn flushing_empties_one_or_all_databases(node: &Server) {
    let mut c = node.client();
    for flush in ["FLUSHDB", "FLUSHDB ASYNC", "FLUSHDB SYNC", "FLUSHALL", "FLUSHALL ASYNC", "FLUSHALL SYNC"] {
        for db in [0, 1, 15] {
            c.check(&format!("SELECT {db}"), "+OK");
            c.check("MSET a 1 b 2 c 3", "+OK");
        }
        c.check("SELECT 0", "+OK");
        c.check(flush, "+OK");
        c.check("DBSIZE", ":0");
        c.check("GET a", "nil");
        c.check("SELECT 1", "+OK");
        c.check("DBSIZE", if flush.starts_with("FLUSHDB") { ":3" } else { ":0" });
    }
    c.check("FLUSHALL BANANA", "-ERR syntax error");
    c.check("FLUSHDB ASYNC SYNC", "-ERR syntax error");
}

fn objects_tell_about_themselves(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        MSET int 123 text abc long 123456789012345678901234567890123456789012345 => +OK
        OBJECT ENCODING int => "int"
        OBJECT ENCODING text => "embstr"
        OBJECT ENCODING long => "raw"
        APPEND text d => :4
        OBJECT ENCODING text => "raw"
        OBJECT ENCODING none => nil
        OBJECT IDLETIME text => :0
        OBJECT IDLETIME none => nil
        OBJECT REFCOUNT text => :1
        OBJECT REFCOUNT none => nil
        OBJECT FREQ text => -ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.
        OBJECT ENCODING => -ERR wrong number of arguments for 'object|encoding' command
        OBJECT BANANA k => -ERR unknown subcommand 'BANANA'. Try OBJECT HELP.
        OBJECT => -ERR wrong number of arguments for 'object' command
        "#,
    );
    assert!(c.run("OBJECT HELP").items()[0].text().starts_with("OBJECT <subcommand>"));
}

fn memory_usage_counts_key_and_value(node: &Server) {
    let mut c = node.client();
    c.check("MEMORY USAGE none", "nil");
    c.check("SET small v", "+OK");
    c.check(&format!("SET large {}", "x".repeat(10_000)), "+OK");
    let small = c.run("MEMORY USAGE small").int();
    let large = c.run("MEMORY USAGE large SAMPLES 5").int();
    assert!((10..200).contains(&small), "{small} bytes for one letter");
    assert!((10_000..13_000).contains(&large), "{large} bytes for 10,000");
    for i in 0..1000 {
        c.run(&format!("HSET h field{i} value{i}"));
    }
    let hash = c.run("MEMORY USAGE h SAMPLES 0").int();
    assert!((15_000..200_000).contains(&hash), "{hash} bytes for 1,000 fields of about 17");
    c.check("MEMORY USAGE h SAMPLES -1", "-ERR syntax error");
    c.check("MEMORY USAGE h BANANA 5", "-ERR syntax error");
}

fn waiting_for_replicas_on_a_lone_node_takes_all_the_time_there_is(node: &Server) {
    let mut c = node.client();
    c.check("SET k v", "+OK");
    c.check("WAIT 0 0", ":0");
    let begin = Instant::now();
    c.check("WAIT 1 30", ":0");
    assert!(begin.elapsed() >= Duration::from_millis(30), "it waits for what may come");
    c.check("WAITAOF 0 1 10", "[:0, :0]");
    let refusal = "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
    c.check("WAITAOF 1 0 0", refusal);
    c.check("WAITAOF 2 0 0", "-ERR value is out of range, value must between 0 and 1");
    c.check("WAITAOF 0 -1 0", "-ERR value is out of range, must be positive");
    c.check("WAITAOF 0 0 x", "-ERR timeout is not an integer or out of range");
    c.check("WAIT x 0", "-ERR value is not an integer or out of range");
    c.check("WAIT 0 -1", "-ERR timeout is negative");
}
