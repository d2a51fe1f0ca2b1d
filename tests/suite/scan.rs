//! SCAN's guarantee: what stands in the database from the start of an iteration to its end is returned, however the
//! database grows and shrinks meanwhile.

use std::collections::BTreeSet;

use narf_tests::{Client, Server, on_one_and_two_workers};

on_one_and_two_workers!(
    scan_returns_every_key,
    scan_filters_by_pattern_and_type,
    scan_returns_lasting_keys_while_the_database_grows,
    scan_returns_lasting_keys_while_the_database_shrinks,
    scan_works_in_each_database,
    wrong_scans_are_refused,
);

/// One step; returns the next cursor.
fn step(c: &mut Client, cursor: &str, rest: &str, seen: &mut BTreeSet<String>) -> String {
    let reply = c.run(&format!("SCAN {cursor} {rest}")).items();
    seen.extend(reply[1].items().iter().map(narf_tests::Value::text));
    reply[0].text()
}

fn scan(c: &mut Client, rest: &str, mut between: impl FnMut(&mut Client)) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut cursor = step(c, "0", rest, &mut seen);
    while cursor != "0" {
        between(c);
        cursor = step(c, &cursor, rest, &mut seen);
    }
    seen
}

fn fill(c: &mut Client, prefix: &str, count: usize) -> BTreeSet<String> {
    let names: BTreeSet<_> = (0..count).map(|i| format!("{prefix}{i}")).collect();
    c.pipeline(names.iter().map(|name| format!("SET {name} v")));
    names
}

fn scan_returns_every_key(node: &Server) {
    let mut c = node.client();
    c.check("SCAN 0", r#"["0", []]"#);
    let names = fill(&mut c, "k", 3000);
    for count in ["", "COUNT 1", "COUNT 7", "COUNT 1000", "COUNT 100000"] {
        assert_eq!(scan(&mut c, count, |_| {}), names, "with {count}");
    }
}

fn scan_filters_by_pattern_and_type(node: &Server) {
    let mut c = node.client();
    fill(&mut c, "s", 200);
    for i in 0..50 {
        c.check(&format!("HSET h{i} f v"), ":1");
    }
    assert_eq!(scan(&mut c, "MATCH s1?", |_| {}).len(), 10);
    assert_eq!(scan(&mut c, "TYPE hash", |_| {}).len(), 50);
    assert_eq!(scan(&mut c, "TYPE string COUNT 50", |_| {}).len(), 200);
    assert_eq!(scan(&mut c, "TYPE hash MATCH s*", |_| {}).len(), 0);
    assert_eq!(scan(&mut c, "TYPE nonsense", |_| {}).len(), 0);
}

fn scan_returns_lasting_keys_while_the_database_grows(node: &Server) {
    let mut c = node.client();
    let lasting = fill(&mut c, "lasting", 300);
    let mut added = 0;
    let seen = scan(&mut c, "COUNT 10", |c| {
        // Grows about thirtyfold in all, so that every table is resized several times under the cursor.
        if added < 10_000 {
            c.pipeline((added..added + 400).map(|i| format!("SET new{i} v")));
            added += 400;
        }
    });
    let missed: Vec<_> = lasting.difference(&seen).collect();
    assert!(missed.is_empty(), "not returned though always there: {missed:?}");
}

fn scan_returns_lasting_keys_while_the_database_shrinks(node: &Server) {
    let mut c = node.client();
    fill(&mut c, "going", 10_000);
    let lasting = fill(&mut c, "lasting", 300);
    let mut deleted = 0;
    let seen = scan(&mut c, "COUNT 100", |c| {
        if deleted < 10_000 {
            c.pipeline((deleted..deleted + 500).map(|i| format!("DEL going{i}")));
            deleted += 500;
        }
    });
    let missed: Vec<_> = lasting.difference(&seen).collect();
    assert!(missed.is_empty(), "not returned though always there: {missed:?}");
}

fn scan_works_in_each_database(node: &Server) {
    let mut c = node.client();
    for db in [1, 7, 15] {
        c.check(&format!("SELECT {db}"), "+OK");
        let names = fill(&mut c, &format!("db{db}-"), 500);
        assert_eq!(scan(&mut c, "COUNT 20", |_| {}), names);
    }
}

fn wrong_scans_are_refused(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SCAN x => -ERR invalid cursor
        SCAN 0 COUNT => -ERR syntax error
        SCAN 0 COUNT 0 => -ERR syntax error
        SCAN 0 COUNT x => -ERR value is not an integer or out of range
        SCAN 0 BANANA 1 => -ERR syntax error
        SCAN => -ERR wrong number of arguments for 'scan' command
        "#,
    );
}
