//! Deadlines of fields, as the documentation of Redis 7.4 and 8.0 has them; `redis-server` 7.0 has none. Time is not
//! slept away: deadlines lie in the past or some milliseconds ahead, and the test asks until they have passed.

use narf_tests::{Data, Options, Server, Value, eventually, on_one_and_two_workers, skip_unless_narf};

on_one_and_two_workers!(
    deadlines_are_set_told_and_taken,
    conditions_are_obeyed,
    a_deadline_in_the_past_deletes_at_once,
    fields_are_read_and_removed_or_get_a_deadline,
    fields_are_set_with_a_deadline,
    writes_keep_or_clear_the_deadline,
    wrong_requests_are_refused,
    a_field_is_absent_from_its_deadline_on_and_the_key_with_the_last,
    fields_nobody_asks_for_are_deleted,
    a_copy_a_new_name_and_another_database_keep_deadlines,
    a_dumped_hash_keeps_deadlines,
    a_watched_hash_changes_when_a_field_lapses,
    a_transaction_sees_one_time,
);

fn deadlines_are_set_told_and_taken(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check_all(
        r#"
        HSET h a 1 b 2 => :2
        HTTL h FIELDS 3 a b none => [:-1, :-1, :-2]
        HTTL none FIELDS 2 a b => [:-2, :-2]
        HPEXPIRE none 1000 FIELDS 2 a b => [:-2, :-2]
        HEXPIRE h 1000 FIELDS 3 a none a => [:1, :-2, :1]
        HEXPIREAT h 33177117420 FIELDS 1 a => [:1]
        HEXPIRETIME h FIELDS 3 a b none => [:33177117420, :-1, :-2]
        HPEXPIRETIME h fields 1 a => [:33177117420000]
        HPEXPIREAT h 33177117420001 FIELDS 1 a => [:1]
        HEXPIRETIME h FIELDS 1 a => [:33177117421]
        HPEXPIRETIME h FIELDS 1 a => [:33177117420001]
        HPERSIST h FIELDS 3 a b none => [:1, :-1, :-2]
        HPERSIST h FIELDS 1 a => [:-1]
        HPERSIST none FIELDS 1 a => [:-2]
        TTL h => :-1
        HMGET h a b => ["1", "2"]
        "#,
    );
    c.check("HPEXPIRE h 100000 FIELDS 1 b", "[:1]");
    let left = |value: Value| value.items()[0].int();
    assert!((90_000..=100_000).contains(&left(c.run("HPTTL h FIELDS 1 b"))));
    assert!((90..=100).contains(&left(c.run("HTTL h FIELDS 1 b"))));
    // The key's own deadline is another.
    c.check("PEXPIREAT h 33177117420000", ":1");
    c.check("PERSIST h", ":1");
    assert!((90..=100).contains(&left(c.run("HTTL h FIELDS 1 b"))));
}

fn conditions_are_obeyed(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check_all(
        r#"
        HSET h a 1 b 2 => :2
        HPEXPIREAT h 33177117420000 XX FIELDS 1 a => [:0]
        HPEXPIREAT h 33177117420000 GT FIELDS 1 a => [:0]
        HPEXPIREAT h 33177117420000 NX FIELDS 1 a => [:1]
        HPEXPIREAT h 33177117430000 NX FIELDS 2 a b => [:0, :1]
        HPEXPIREAT h 33177117410000 GT FIELDS 1 a => [:0]
        HPEXPIREAT h 33177117420000 GT FIELDS 1 a => [:0]
        HPEXPIREAT h 33177117430000 gt FIELDS 1 a => [:1]
        HPEXPIREAT h 33177117440000 LT FIELDS 1 a => [:0]
        HPEXPIREAT h 33177117410000 LT FIELDS 1 a => [:1]
        HPEXPIREAT h 33177117450000 XX FIELDS 1 a => [:1]
        HPERSIST h FIELDS 1 a => [:1]
        HPEXPIREAT h 33177117450000 LT FIELDS 1 a => [:1]
        HPEXPIREAT h 1 GT FIELDS 1 a => [:0]
        HPEXPIRETIME h FIELDS 2 a b => [:33177117450000, :33177117430000]
        "#,
    );
}

fn a_deadline_in_the_past_deletes_at_once(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check_all(
        r#"
        HSET h a 1 b 2 c 3 d 4 => :4
        HEXPIRE h 0 FIELDS 2 a none => [:2, :-2]
        HPEXPIRE h 0 FIELDS 2 a b => [:-2, :2]
        HEXPIREAT h 1 FIELDS 1 c => [:2]
        HGETALL h => ["d", "4"]
        HPEXPIREAT h 1 FIELDS 1 d => [:2]
        EXISTS h => :0
        "#,
    );
}

fn fields_are_read_and_removed_or_get_a_deadline(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check_all(
        r#"
        HSET h a 1 b 2 c 3 => :3
        HGETDEL h FIELDS 3 a none a => ["1", nil, nil]
        HGETDEL none FIELDS 2 a b => [nil, nil]
        HGETEX h FIELDS 3 a b none => [nil, "2", nil]
        HTTL h FIELDS 1 b => [:-1]
        HGETEX h EXAT 33177117420 FIELDS 2 b none => ["2", nil]
        HEXPIRETIME h FIELDS 1 b => [:33177117420]
        HGETEX h FIELDS 1 b => ["2"]
        HEXPIRETIME h FIELDS 1 b => [:33177117420]
        HGETEX h PXAT 33177117420001 FIELDS 1 b => ["2"]
        HPEXPIRETIME h FIELDS 1 b => [:33177117420001]
        HGETEX h PERSIST FIELDS 2 b c => ["2", "3"]
        HTTL h FIELDS 1 b => [:-1]
        HGETEX h EX 0 FIELDS 1 b => ["2"]
        HGETEX none EX 10 FIELDS 1 b => [nil]
        HKEYS h => ["c"]
        HGETDEL h FIELDS 1 c => ["3"]
        EXISTS h => :0
        "#,
    );
    c.hello3();
    c.check("HSET h a 1", ":1");
    c.check("HGETEX h FIELDS 2 a b", r#"["1", null]"#);
    c.check("HTTL h FIELDS 2 a b", "[:-1, :-2]");
}

fn fields_are_set_with_a_deadline(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check_all(
        r#"
        HSETEX h FXX EX 100 FIELDS 1 a 1 => :0
        EXISTS h => :0
        HSETEX h EXAT 33177117420 FIELDS 2 a 1 b 2 => :1
        HEXPIRETIME h FIELDS 2 a b => [:33177117420, :33177117420]
        HSETEX h FNX FIELDS 2 c 3 a 9 => :0
        HSETEX h FXX FIELDS 2 c 3 a 9 => :0
        HMGET h a b c => ["1", "2", nil]
        HSETEX h KEEPTTL FIELDS 1 a 5 => :1
        HEXPIRETIME h FIELDS 1 a => [:33177117420]
        HSETEX h FIELDS 1 b 6 => :1
        HEXPIRETIME h FIELDS 1 b => [:-1]
        HSETEX h FNX PXAT 33177117420001 FIELDS 1 c 3 => :1
        HSETEX h PXAT 33177117420002 FXX FIELDS 2 c 4 b 7 => :1
        HPEXPIRETIME h FIELDS 3 a b c => [:33177117420000, :33177117420002, :33177117420002]
        HMGET h a b c => ["5", "7", "4"]
        HSETEX h EX 0 FIELDS 2 a 8 d 9 => :1
        HMGET h a b c d => [nil, "7", "4", nil]
        HSETEX none PX 0 FIELDS 1 a 1 => :1
        EXISTS none => :0
        HSETEX h PXAT 1 FIELDS 2 b 1 c 1 => :1
        EXISTS h => :0
        "#,
    );
}

fn writes_keep_or_clear_the_deadline(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    for (write, kept) in [
        ("HSET h f 2", false),
        ("HMSET h f 2", false),
        ("HSETEX h FIELDS 1 f 2", false),
        ("HSETEX h KEEPTTL FIELDS 1 f 2", true),
        ("HINCRBY h f 1", true),
        ("HINCRBYFLOAT h f 1", true),
        ("HSETNX h f 3", true),
        ("HGETEX h FIELDS 1 f", true),
    ] {
        c.check("HSETEX h PXAT 33177117420000 FIELDS 1 f 1", ":1");
        c.run(write);
        let expect = if kept { "[:33177117420000]" } else { "[:-1]" };
        c.check("HPEXPIRETIME h FIELDS 1 f", expect);
    }
}

fn wrong_requests_are_refused(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check("SET s v", "+OK");
    c.check("HSET h a 1", ":1");
    for command in ["HEXPIRE s 1", "HPEXPIREAT s x", "HTTL s", "HPERSIST s", "HGETDEL s", "HGETEX s EX x"] {
        c.check(
            &format!("{command} FIELDS 1 a"),
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        );
    }
    c.check_all(
        r#"
        HSETEX s FIELDS 1 a 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
        HEXPIRE h x FIELDS 1 a => -ERR value is not an integer or out of range
        HEXPIRE h -1 FIELDS 1 a => -ERR invalid expire time, must be >= 0
        HEXPIRE h 9223372036854775807 FIELDS 1 a => -ERR invalid expire time in 'hexpire' command
        HPEXPIRE none 9223372036854775807 FIELDS 1 a => -ERR invalid expire time in 'hpexpire' command
        HPEXPIREAT h 70368744177664 FIELDS 1 a => -ERR invalid expire time in 'hpexpireat' command
        HPEXPIREAT h 70368744177663 FIELDS 1 a => [:1]
        HEXPIRE h 10 BANANA FIELDS 1 a => -ERR Mandatory argument FIELDS is missing or not at the right position
        HEXPIRE h 10 NX XX FIELDS 1 a => -ERR Mandatory argument FIELDS is missing or not at the right position
        HEXPIRE h 10 FIELDS 0 a => -ERR Parameter `numFields` should be greater than 0
        HEXPIRE h 10 FIELDS x a => -ERR Parameter `numFields` should be greater than 0
        HEXPIRE h 10 FIELDS 2 a => -ERR The `numfields` parameter must match the number of arguments
        HEXPIRE h 10 FIELDS 1 a b => -ERR The `numfields` parameter must match the number of arguments
        HEXPIRE h 10 FIELDS 1 => -ERR wrong number of arguments for 'hexpire' command
        HTTL h FIELDS 0 a => -ERR Number of fields must be a positive integer
        HTTL h FIELDS 2 a => -ERR The `numfields` parameter must match the number of arguments
        HTTL h BANANA 1 a => -ERR Mandatory argument FIELDS is missing or not at the right position
        HPERSIST h FIELDS x a => -ERR Number of fields must be a positive integer
        HGETDEL h BANANA 1 a => -ERR Mandatory argument FIELDS is missing or not at the right position
        HGETEX h EX -1 FIELDS 1 a => -ERR invalid expire time, must be >= 0
        HGETEX h EX 1 PERSIST FIELDS 1 a => -ERR Mandatory argument FIELDS is missing or not at the right position
        HSETEX h EX 1 PX 1 FIELDS 1 a 1 => -ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified
        HSETEX h KEEPTTL EX 1 FIELDS 1 a 1 => -ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified
        HSETEX h FNX FXX FIELDS 1 a 1 => -ERR Only one of FXX or FNX arguments can be specified
        HSETEX h BANANA FIELDS 1 a 1 => -ERR unknown argument: BANANA
        HSETEX h EX x FIELDS 1 a 1 => -ERR value is not an integer or out of range
        HSETEX h EX -5 FIELDS 1 a 1 => -ERR invalid expire time, must be >= 0
        HSETEX h PX 9223372036854775807 FIELDS 1 a 1 => -ERR invalid expire time in 'hsetex' command
        HSETEX h FIELDS 0 a 1 => -ERR invalid number of fields
        HSETEX h FIELDS 2 a 1 => -ERR wrong number of arguments for 'hsetex' command
        HSETEX h FIELDS 1 a 1 b => -ERR wrong number of arguments for 'hsetex' command
        HSETEX h EX 1 FIELDS 1 a => -ERR wrong number of arguments for 'hsetex' command
        HGETALL h => ["a", "1"]
        "#,
    );
}

fn a_field_is_absent_from_its_deadline_on_and_the_key_with_the_last(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    // Deleted by nobody but commands that look.
    c.check("DEBUG SET-ACTIVE-EXPIRE 0", "+OK");
    c.check("HSET h goes 1 stays 2 last 3", ":3");
    c.check("HPEXPIRE h 60 FIELDS 1 goes", "[:1]");
    eventually("the field is absent", || (c.run("HGET h goes") == Value::NullBulk).then_some(()));
    c.check_all(
        r#"
        HLEN h => :2
        HEXISTS h goes => :0
        HSTRLEN h goes => :0
        HMGET h goes stays => [nil, "2"]
        HTTL h FIELDS 1 goes => [:-2]
        HPERSIST h FIELDS 1 goes => [:-2]
        HEXPIRE h 100 FIELDS 1 goes => [:-2]
        HDEL h goes => :0
        HGETDEL h FIELDS 1 goes => [nil]
        HGETEX h PERSIST FIELDS 1 goes => [nil]
        HSETEX h FXX FIELDS 1 goes 1 => :0
        "#,
    );
    c.check_sorted("HGETALL h", r#"["2", "3", "last", "stays"]"#);
    c.check_sorted("HKEYS h", r#"["last", "stays"]"#);
    c.check_sorted("HVALS h", r#"["2", "3"]"#);
    assert_eq!(c.run("HSCAN h 0").items()[1].items().len(), 4);
    for _ in 0..20 {
        let drawn = c.run("HRANDFIELD h 10").items();
        assert_eq!(drawn.len(), 2, "{drawn:?}");
        assert_ne!(c.run("HRANDFIELD h").text(), "goes");
    }
    c.check("HSETNX h goes again", ":1");
    c.check("HTTL h FIELDS 1 goes", "[:-1]");
    c.check("HINCRBY h n 1", ":1");
    c.check("HDEL h goes n stays", ":3");
    c.check("HPEXPIRE h 30 FIELDS 1 last", "[:1]");
    eventually("the key is absent", || (c.run("EXISTS h") == Value::Int(0)).then_some(()));
    c.check_all(
        r#"
        TYPE h => +none
        TTL h => :-2
        HGETALL h => []
        KEYS * => []
        RENAME h other => -ERR no such key
        COPY h other => :0
        DUMP h => nil
        SET h text NX => +OK
        GET h => "text"
        "#,
    );
    c.check("DEBUG SET-ACTIVE-EXPIRE 1", "+OK");
}

fn fields_nobody_asks_for_are_deleted(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    let pairs: String = (0..2000).map(|n| format!(" f{n} {n}")).collect();
    c.check(&format!("HSETEX h PX 1000000 FIELDS 2000{pairs}"), ":1");
    c.check("HSET h stays v", ":1");
    // Asked while none can have lapsed, however slow the machine is.
    let full = c.run("MEMORY USAGE h").int();
    let names: String = (0..2000).map(|n| format!(" f{n}")).collect();
    assert!(!c.run(&format!("HPEXPIRE h 40 FIELDS 2000{names}")).is_error());
    c.check("HSETEX gone PX 40 FIELDS 1 f v", ":1");
    eventually("memory is given back", || (c.run("MEMORY USAGE h").int() < full / 4).then_some(()));
    eventually("a key goes with its last field", || (c.run("DBSIZE") == Value::Int(1)).then_some(()));
    c.check("HGETALL h", r#"["stays", "v"]"#);
}

fn a_copy_a_new_name_and_another_database_keep_deadlines(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check("HSETEX h PXAT 33177117420000 FIELDS 2 a 1 b 2", ":1");
    c.check("HPERSIST h FIELDS 1 b", "[:1]");
    let expect = "[:33177117420000, :-1]";
    c.check("COPY h copy", ":1");
    c.check("HPEXPIRETIME copy FIELDS 2 a b", expect);
    c.check("COPY h far DB 3", ":1");
    for name in ["one", "two", "three", "four"] {
        c.check(&format!("RENAME copy {name}"), "+OK");
        c.check(&format!("HPEXPIRETIME {name} FIELDS 2 a b"), expect);
        c.check(&format!("RENAME {name} copy"), "+OK");
    }
    c.check("MOVE copy 4", ":1");
    c.check("SWAPDB 0 5", "+OK");
    c.check("SELECT 3", "+OK");
    c.check("HPEXPIRETIME far FIELDS 2 a b", expect);
    c.check("SELECT 4", "+OK");
    c.check("HPEXPIRETIME copy FIELDS 2 a b", expect);
    c.check("SELECT 5", "+OK");
    c.check("HPEXPIRETIME h FIELDS 2 a b", expect);
    c.check("DEBUG RELOAD", "+OK");
    c.check("HPEXPIRETIME h FIELDS 2 a b", expect);
}

fn a_dumped_hash_keeps_deadlines(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check("HSETEX h PXAT 33177117420000 FIELDS 2 a 1 b 2", ":1");
    c.check("HSETEX h PXAT 33177117420009 FIELDS 1 c 3", ":1");
    c.check("HPERSIST h FIELDS 1 b", "[:1]");
    let payload = c.run("DUMP h").bytes().to_vec();
    assert_eq!((payload[0], &payload[payload.len() - 10..][..2]), (24, &[12, 0][..]), "as Redis 7.4 has it");
    let reply = c.run_args(&[b"RESTORE".as_slice(), b"copy", b"0", &payload]);
    assert_eq!(reply.to_string(), "+OK");
    c.check("HPEXPIRETIME copy FIELDS 3 a b c", "[:33177117420000, :-1, :33177117420009]");
    c.check("HMGET copy a b c", r#"["1", "2", "3"]"#);
}

fn a_watched_hash_changes_when_a_field_lapses(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    let mut other = node.client();
    c.check("HSET h goes 1 stays 2", ":2");
    // In one write, so that the field cannot lapse before the hash is watched.
    let replies = c.pipeline(["HPEXPIRE h 100 FIELDS 1 goes", "WATCH h", "HEXISTS h goes"]);
    assert_eq!(Value::Array(replies).to_string(), "[[:1], +OK, :1]");
    eventually("the field is absent", || (other.run("HEXISTS h goes") == Value::Int(0)).then_some(()));
    c.check("MULTI", "+OK");
    c.check("HLEN h", "+QUEUED");
    assert!(matches!(c.run("EXEC"), Value::NullArray), "the hash is another");
}

fn a_transaction_sees_one_time(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check("MULTI", "+OK");
    c.check("HSETEX {h}1 PX 100000 FIELDS 1 f v", "+QUEUED");
    c.check("HSETEX other PX 100000 FIELDS 1 f v", "+QUEUED");
    c.check("HEXPIRE {h}1 0 FIELDS 1 f", "+QUEUED");
    c.check("EXISTS {h}1 other", "+QUEUED");
    c.check("EXEC", "[:1, :1, [:2], :1]");
}

#[test]
fn deadlines_of_fields_are_there_after_a_restart() {
    if skip_unless_narf() {
        return;
    }
    for with_checkpoint in [false, true] {
        let mut node = Server::start(Options::new().data(Data::Temporary));
        let mut c = node.client();
        let pairs: String = (0..1000).map(|n| format!(" f{n} {n}")).collect();
        c.check(&format!("HSETEX big PXAT 33177117420000 FIELDS 1000{pairs}"), ":1");
        c.check("HPERSIST big FIELDS 1 f7", "[:1]");
        c.check("HSETEX small EX 100000 FIELDS 2 a 1 b 2", ":1");
        c.check("HPERSIST small FIELDS 1 b", "[:1]");
        c.check("HSETEX gone PX 1 FIELDS 1 f v", ":1");
        let at = c.run("HPEXPIRETIME small FIELDS 1 a").to_string();
        if with_checkpoint {
            c.check("SAVE", "+OK");
        }
        eventually("the field has lapsed", || (c.run("EXISTS gone") == Value::Int(0)).then_some(()));
        let digest = c.run("DEBUG DIGEST").text();
        node.restart();
        let mut c = node.client();
        assert_eq!(c.run("DEBUG DIGEST").text(), digest);
        c.check("EXISTS gone", ":0");
        c.check("HPEXPIRETIME small FIELDS 1 a", &at);
        c.check("HPEXPIRETIME big FIELDS 2 f7 f8", "[:-1, :33177117420000]");
        c.check("HLEN big", ":1000");
    }
}
