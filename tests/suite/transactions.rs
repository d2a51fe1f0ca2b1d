//! MULTI, EXEC, DISCARD, WATCH, UNWATCH; over one partition and over several.

use std::time::{SystemTime, UNIX_EPOCH};

use narf_tests::{Server, Value, eventually, on_one_and_two_workers, skip_unless_narf};

use crate::nodes::Cluster;

on_one_and_two_workers!(
    queued_commands_run_together,
    errors_while_queueing_abort,
    errors_while_running_do_not,
    a_queued_request_without_keys_is_answered,
    watch_aborts_on_every_kind_of_change,
    watch_ignores_what_is_no_change,
    watch_sees_swapped_databases,
    watch_is_forgotten_after_exec_discard_unwatch_and_select_stays,
    an_expired_watched_key_aborts,
    transactions_span_partitions_and_databases,
    concurrent_increments_under_watch_lose_nothing,
    nobody_sees_half_a_transaction,
    an_aborted_connection_leaves_nothing,
);

fn queued_commands_run_together(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        MULTI => +OK
        SET a 1 => +QUEUED
        INCR a => +QUEUED
        GET a => +QUEUED
        HSET h f v => +QUEUED
        HGETALL h => +QUEUED
        GET none => +QUEUED
        MGET a none => +QUEUED
        EXEC => [+OK, :2, "2", :1, ["f", "v"], nil, ["2", nil]]
        MULTI => +OK
        EXEC => []
        EXEC => -ERR EXEC without MULTI
        DISCARD => -ERR DISCARD without MULTI
        MULTI => +OK
        SET a 9 => +QUEUED
        DISCARD => +OK
        GET a => "2"
        MULTI => +OK
        PING => +QUEUED
        ECHO hi => +QUEUED
        SELECT 1 => +QUEUED
        SET a one => +QUEUED
        DBSIZE => +QUEUED
        EXEC => [+PONG, "hi", +OK, +OK, :1]
        GET a => "one"
        "#,
    );
    let mut c = node.client3();
    c.check_all(
        r#"
        MULTI => +OK
        HGETALL h => +QUEUED
        GET none => +QUEUED
        EXEC => [{"f": "v"}, null]
        WATCH a => +OK
        SET a 3 => +OK
        MULTI => +OK
        EXEC => null
        "#,
    );
}

fn errors_while_queueing_abort(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        MULTI => +OK
        SET a 1 => +QUEUED
        GET => -ERR wrong number of arguments for 'get' command
        EXEC => -EXECABORT Transaction discarded because of previous errors.
        MULTI => +OK
        BANANA => -ERR unknown command 'BANANA', with args beginning with: |
        SET a 1 => +QUEUED
        EXEC => -EXECABORT Transaction discarded because of previous errors.
        EXISTS a => :0
        MULTI => +OK
        MULTI => -ERR MULTI calls can not be nested
        SET a 1 => +QUEUED
        EXEC => [+OK]
        MULTI => +OK
        WATCH a => -ERR WATCH inside MULTI is not allowed
        SET a 2 => +QUEUED
        EXEC => [+OK]
        MULTI => +OK
        GET => -ERR wrong number of arguments for 'get' command
        DISCARD => +OK
        PING => +PONG
        "#,
    );
}

fn errors_while_running_do_not(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        MULTI => +OK
        SET a text => +QUEUED
        INCR a => +QUEUED
        HSET a f v => +QUEUED
        SET a x EX 0 => +QUEUED
        SET b 2 => +QUEUED
        EXEC => [+OK, -ERR value is not an integer or out of range, -WRONGTYPE Operation against a key holding the wrong kind of value, -ERR invalid expire time in 'set' command, +OK]
        MGET a b => ["text", "2"]
        "#,
    );
}

/// Prepares with `before`, watches `k`, lets another client run `change`, and compares what EXEC says.
#[track_caller]
fn check_watch(node: &Server, before: &str, change: &str, aborts: bool) {
    let mut c = node.client();
    let mut other = node.client();
    c.check("FLUSHALL", "+OK");
    for line in before.split(';').map(str::trim).filter(|line| !line.is_empty()) {
        let reply = c.run(line);
        assert!(!reply.is_error(), "{line}: {reply}");
    }
    c.check("WATCH k", "+OK");
    for line in change.split(';').map(str::trim) {
        let reply = other.run(line);
        assert!(!reply.is_error(), "{line}: {reply}");
    }
    c.check("MULTI", "+OK");
    c.check("PING", "+QUEUED");
    let exec = c.run("EXEC").to_string();
    assert_eq!(exec, if aborts { "nil*" } else { "[+PONG]" }, "after `{before}`, watched, then `{change}`");
}

fn a_queued_request_without_keys_is_answered(node: &Server) {
    // Of several clients, so that some are at home with each worker.
    for mut c in (0..8).map(|_| node.client()) {
        c.check_all(
            r#"
            MULTI => +OK
            GET none => +QUEUED
            SINTERCARD 0 none => +QUEUED
            SINTERCARD 2 none => +QUEUED
            SINTERCARD none none => +QUEUED
            GET none => +QUEUED
            EXEC => [nil, -ERR numkeys should be greater than 0, -ERR Number of keys can't be greater than number of args, -ERR numkeys should be greater than 0, nil]
            MULTI => +OK
            SINTERCARD 0 none => +QUEUED
            EXEC => [-ERR numkeys should be greater than 0]
            "#,
        );
    }
}

fn watch_aborts_on_every_kind_of_change(node: &Server) {
    let far = "33177117420000";
    for (before, change) in [
        ("", "SET k v"),
        ("", "HSET k f v"),
        ("", "INCR k"),
        ("", "SET other v; RENAME other k"),
        ("", "SET other v; COPY other k"),
        ("", "SET other v; MOVE other 1; SELECT 1; RENAME other k; MOVE k 0"),
        ("SET k v", "SET k v"),
        ("SET k v", "SET k w; SET k v"),
        ("SET k v", "DEL k"),
        ("SET k v", "UNLINK k"),
        ("SET k v", "APPEND k x"),
        ("SET k v", "SETRANGE k 0 x"),
        ("SET k v", "GETDEL k"),
        ("SET k v", "RENAME k other"),
        ("SET k v", "MOVE k 1"),
        ("SET k v", "EXPIRE k 1000"),
        ("SET k v", "PEXPIREAT k 1"),
        ("SET k v", "GETEX k EX 1000"),
        ("SET k v EX 1000", "PERSIST k"),
        ("SET k v", "FLUSHDB"),
        ("SET k v", "FLUSHALL"),
        ("SET k v", "MSET a 1 k 2"),
        ("HSET k f v", "HSET k f v"),
        ("HSET k f v", "HDEL k f"),
        ("HSET k f v", "HINCRBYFLOAT k g 1"),
        ("HSET k f v", "SET k v"),
    ] {
        check_watch(node, before, change, true);
    }
    check_watch(node, "SET k v", &format!("PEXPIREAT k {far}"), true);
}

fn watch_ignores_what_is_no_change(node: &Server) {
    for (before, change) in [
        ("", "GET k"),
        ("", "DEL k"),
        ("", "SELECT 1; SET k v"),
        ("", "EXPIRE k 100"),
        ("", "FLUSHDB"),
        ("SET k v", "GET k; TTL k; TYPE k; TOUCH k; OBJECT ENCODING k"),
        ("SET k v", "SETNX k w"),
        ("SET k v", "SET k w NX"),
        ("SET k v", "SET other w"),
        ("SET k v", "PERSIST k"),
        ("SET k v", "MSETNX k 1 other 2"),
        ("SET k v", "COPY k other"),
        ("SET k v", "SELECT 1; FLUSHDB"),
        ("HSET k f v", "HDEL k none"),
        ("HSET k f v", "HSETNX k f w"),
        ("HSET k f v", "HGETALL k; HLEN k"),
    ] {
        check_watch(node, before, change, false);
    }
}

fn watch_sees_swapped_databases(node: &Server) {
    check_watch(node, "", "SELECT 1; SET k v; SWAPDB 0 1", true);
    check_watch(node, "SET k v", "SWAPDB 0 1", true);
    check_watch(node, "", "SWAPDB 0 1", false);
    check_watch(node, "SET k v", "SWAPDB 1 2", false);
}

fn watch_is_forgotten_after_exec_discard_unwatch_and_select_stays(node: &Server) {
    let mut other = node.client();
    for end in ["MULTI;EXEC", "MULTI;DISCARD", "UNWATCH"] {
        let mut c = node.client();
        c.check("WATCH k", "+OK");
        for line in end.split(';') {
            c.run(line);
        }
        other.check("SET k changed", "+OK");
        c.check("MULTI", "+OK");
        c.check("PING", "+QUEUED");
        c.check("EXEC", "[+PONG]");
    }
    // A change by oneself counts too; one inside the transaction does not.
    let mut c = node.client();
    c.check_all(
        r#"
        WATCH k => +OK
        SET k self => +OK
        MULTI => +OK
        EXEC => nil*
        WATCH k k2 => +OK
        WATCH k => +OK
        MULTI => +OK
        SET k inside => +QUEUED
        UNWATCH => +QUEUED
        EXEC => [+OK, +OK]
        "#,
    );
    // The watched database is the one of the moment.
    c.check("WATCH w", "+OK");
    c.check("SELECT 2", "+OK");
    other.check("SET w v", "+OK");
    c.check("MULTI", "+OK");
    c.check("EXEC", "nil*");
}

fn an_expired_watched_key_aborts(node: &Server) {
    let mut c = node.client();
    let mut other = node.client();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    c.check(&format!("SET k v PXAT {}", now + 100), "+OK");
    c.check("WATCH k", "+OK");
    eventually("the key expires", || (other.run("EXISTS k") == Value::Int(0)).then_some(()));
    c.check("MULTI", "+OK");
    c.check("PING", "+QUEUED");
    c.check("EXEC", "nil*");
    // Expired when it was watched already: its deletion is no change.
    c.check("DEBUG SET-ACTIVE-EXPIRE 0", "+OK");
    c.check("SET k v PXAT 1", "+OK");
    c.check("WATCH k", "+OK");
    other.check("EXISTS k", ":0");
    c.check("DEBUG SET-ACTIVE-EXPIRE 1", "+OK");
    eventually("the key is deleted", || (other.run("DBSIZE") == Value::Int(0)).then_some(()));
    c.check("MULTI", "+OK");
    c.check("PING", "+QUEUED");
    c.check("EXEC", "[+PONG]");
}

fn transactions_span_partitions_and_databases(node: &Server) {
    let mut c = node.client();
    let mut lines = vec!["MULTI".to_owned()];
    for i in 0..300 {
        lines.push(format!("SET key{i} {i}"));
    }
    for db in 0..16 {
        lines.push(format!("SELECT {db}"));
        lines.push(format!("INCRBY counter {db}"));
    }
    lines.push("SELECT 0".to_owned());
    lines.push("DBSIZE".to_owned());
    lines.push(format!("MGET {}", (0..300).map(|i| format!("key{i}")).collect::<Vec<_>>().join(" ")));
    lines.push("RENAME key0 renamed".to_owned());
    lines.push("EXEC".to_owned());
    let replies = c.pipeline(&lines);
    let results = replies.last().unwrap().items();
    assert_eq!(results.len(), lines.len() - 2);
    assert_eq!(results[332], Value::Simple(b"OK".to_vec()));
    assert_eq!(results[333], Value::Int(301));
    let values: Vec<_> = (0..300).map(|i| Value::bulk(i.to_string())).collect();
    assert_eq!(results[334], Value::Array(values));
    c.check("GET renamed", r#""0""#);
    c.check("SELECT 15", "+OK");
    c.check("GET counter", r#""15""#);
}

fn concurrent_increments_under_watch_lose_nothing(node: &Server) {
    let per_client = 100;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut c = node.client();
                for _ in 0..per_client {
                    loop {
                        c.check("WATCH a b", "+OK");
                        let a: i64 = c.run("GET a").text_or("0").parse().unwrap();
                        c.send_raw(format!("MULTI\r\nSET a {}\r\nINCR b\r\nEXEC\r\n", a + 1));
                        let exec = (0..4).map(|_| c.reply()).last().unwrap();
                        if exec != Value::NullArray {
                            break;
                        }
                    }
                }
            });
        }
    });
    let total = 4 * per_client;
    node.client().check("MGET a b", &format!(r#"["{total}", "{total}"]"#));
}

fn nobody_sees_half_a_transaction(node: &Server) {
    let keys: Vec<_> = (0..8).map(|i| format!("part{i}")).collect();
    let read = format!("MGET {}", keys.join(" "));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut c = node.client();
            for round in 0..400 {
                let mut lines = vec!["MULTI".to_owned()];
                lines.extend(keys.iter().map(|key| format!("SET {key} {round}")));
                lines.push("EXEC".to_owned());
                c.pipeline(lines);
            }
        });
        let mut c = node.client();
        while !writer.is_finished() {
            c.send_raw(format!("MULTI\r\n{read}\r\nEXEC\r\n"));
            let exec = (0..3).map(|_| c.reply()).last().unwrap();
            let values = exec.items()[0].items();
            assert!(
                values.iter().all(|value| *value == values[0]),
                "a transaction was seen half done: {exec}"
            );
            // A plain MGET over several partitions is one request too.
            let values = c.run(&read).items();
            assert!(
                values.iter().all(|value| *value == values[0]),
                "MGET saw half a transaction: {values:?}"
            );
        }
        writer.join().unwrap();
    });
}

fn an_aborted_connection_leaves_nothing(node: &Server) {
    let mut c = node.client();
    c.check("WATCH k", "+OK");
    c.check("MULTI", "+OK");
    c.check("SET k v", "+QUEUED");
    drop(c);
    let mut c = node.client();
    c.check("EXISTS k", ":0");
    c.check("SET k v", "+OK");
}

#[test]
fn a_transaction_over_several_nodes_is_told_the_way_out() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    let mut client = cluster.nodes[0].client();
    let refusal = "CROSSSLOT Keys in request don't hash to the same slot; on several nodes use a hash tag, or one of the \
                   databases 1 to 15";
    client.check_all("MULTI => +OK\nSET key:0 v => +QUEUED\nSET key:1 v => +QUEUED");
    client.check("EXEC", &format!("-EXECABORT Transaction discarded because of: {refusal}"));
    client.check("WATCH key:0 key:1", &format!("-{refusal}"));
    client.check_all("SELECT 1 => +OK\nWATCH key:0 key:1 => +OK\nMULTI => +OK\nSET key:0 v => +QUEUED\nSET key:1 v => +QUEUED");
    client.check("EXEC", "[+OK, +OK]");
}
