//! `SORT` and `SORT_RO`.

use narf_tests::{Server, on_one_and_two_workers};

on_one_and_two_workers!(
    elements_are_sorted_as_numbers,
    elements_are_sorted_as_texts,
    limits_cut_the_result,
    other_keys_give_the_order,
    other_keys_are_returned,
    nothing_is_sorted_by_what_names_no_key,
    results_are_stored,
    patterns_reach_over_partitions_and_databases,
    patterns_work_in_transactions,
    keys_to_store_at_are_found,
    wrong_sort_requests_are_refused,
    stored_results_come_back_after_a_reload,
);

fn elements_are_sorted_as_numbers(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        RPUSH l 3 1 10 2 -5 2.5 1e1 => :7
        SORT l => ["-5", "1", "2", "2.5", "3", "10", "1e1"]
        SORT l DESC => ["1e1", "10", "3", "2.5", "2", "1", "-5"]
        SORT_RO l ASC => ["-5", "1", "2", "2.5", "3", "10", "1e1"]
        SADD s 3 1 10 => :3
        SORT s => ["1", "3", "10"]
        ZADD z 1 30 2 10 3 20 => :3
        SORT z DESC => ["30", "20", "10"]
        SORT none => []
        RPUSH odd "" " 7" inf 0x10 -inf => :5
        SORT odd => ["-inf", "", " 7", "0x10", "inf"]
        "#,
    );
}

fn elements_are_sorted_as_texts(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        RPUSH l b a C 10 9 "" => :6
        SORT l ALPHA => ["", "10", "9", "C", "a", "b"]
        SORT l ALPHA DESC => ["b", "a", "C", "9", "10", ""]
        SADD s y x => :2
        SORT s ALPHA => ["x", "y"]
        ZADD z 1 y 2 x => :2
        SORT z alpha => ["x", "y"]
        "#,
    );
}

fn limits_cut_the_result(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        RPUSH l 5 4 3 2 1 => :5
        SORT l LIMIT 0 2 => ["1", "2"]
        SORT l LIMIT 1 2 DESC => ["4", "3"]
        SORT l LIMIT 3 10 => ["4", "5"]
        SORT l LIMIT 2 -1 => ["3", "4", "5"]
        SORT l LIMIT -7 2 => ["1", "2"]
        SORT l LIMIT 5 1 => []
        SORT l LIMIT 1 0 => []
        SORT l LIMIT 0 1 LIMIT 0 3 => ["1", "2", "3"]
        SORT none LIMIT 0 1 => []
        "#,
    );
}

fn other_keys_give_the_order(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        RPUSH {t}l a b c d => :4
        MSET {t}w_a 3 {t}w_b 1 {t}w_d 2 => +OK
        SORT {t}l BY {t}w_* => ["c", "b", "d", "a"]
        SORT {t}l BY {t}w_* DESC => ["a", "d", "b", "c"]
        HSET {t}h_a w x f 1 => :2
        HSET {t}h_b w z => :1
        HSET {t}h_c w y => :1
        SORT {t}l BY {t}h_*->w ALPHA => ["d", "a", "c", "b"]
        SORT {t}l BY {t}h_*->w ALPHA LIMIT 1 2 => ["a", "c"]
        SORT {t}l BY {t}h_* => ["a", "b", "c", "d"]
        SORT {t}l BY {t}w_*->f => ["a", "b", "c", "d"]
        SORT {t}l BY {t}l* => ["a", "b", "c", "d"]
        SET {t}w_c x => +OK
        SORT {t}l BY {t}w_* => -ERR One or more scores can't be converted into double
        SORT {t}l BY {t}w_* ALPHA => ["b", "d", "a", "c"]
        SET {t}w_c 1e400 => +OK
        SORT {t}l BY {t}w_* => -ERR One or more scores can't be converted into double
        "#,
    );
}

fn other_keys_are_returned(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        RPUSH {t}l 2 1 3 => :3
        MSET {t}n_1 one {t}n_2 22 => +OK
        HSET {t}h_1 f first => :1
        SORT {t}l GET {t}n_* => ["one", "22", nil]
        SORT {t}l GET # GET {t}n_* GET {t}h_*->f => ["1", "one", "first", "2", "22", nil, "3", nil, nil]
        SORT {t}l GET nothing => [nil, nil, nil]
        SORT {t}l GET {t}h_* LIMIT 0 1 => [nil]
        SORT {t}l BY nosort GET {t}n_* DESC LIMIT 1 2 => ["one", "22"]
        SORT_RO {t}l DESC GET {t}n_* => [nil, "22", "one"]
        "#,
    );
}

fn nothing_is_sorted_by_what_names_no_key(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        RPUSH {t}l 3 1 2 => :3
        SORT {t}l BY nosort => ["3", "1", "2"]
        SORT {t}l BY nosort DESC => ["2", "1", "3"]
        SORT {t}l BY nosort LIMIT 1 1 => ["1"]
        SORT {t}l BY {t}x_* BY nosort => ["3", "1", "2"]
        SORT {t}l BY nosort BY {t}x_* DESC => ["2", "1", "3"]
        ZADD {t}z 1 c 2 b 3 a => :3
        SORT {t}z BY nosort => ["c", "b", "a"]
        SORT {t}z BY nosort DESC LIMIT 0 2 => ["a", "b"]
        SORT {t}z BY nosort LIMIT 1 5 => ["b", "a"]
        SORT {t}z BY nosort DESC LIMIT 1 1 => ["b"]
        SADD {t}s c a b => :3
        SORT {t}s BY nosort STORE {t}to => :3
        LRANGE {t}to 0 -1 => ["a", "b", "c"]
        SORT {t}s BY nosort DESC LIMIT 0 2 STORE {t}to => :2
        LRANGE {t}to 0 -1 => ["c", "b"]
        "#,
    );
}

fn results_are_stored(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        RPUSH {t}l 3 1 2 => :3
        SET {t}to x EX 100 => +OK
        SORT {t}l STORE {t}to => :3
        TYPE {t}to => +list
        TTL {t}to => :-1
        LRANGE {t}to 0 -1 => ["1", "2", "3"]
        SORT {t}l GET {t}none_* GET # STORE {t}to LIMIT 0 2 => :4
        LRANGE {t}to 0 -1 => ["", "1", "", "2"]
        SORT {t}l LIMIT 9 1 STORE {t}to => :0
        EXISTS {t}to => :0
        SORT {t}none STORE {t}l => :0
        EXISTS {t}l => :0
        RPUSH {t}l b a => :2
        SORT {t}l ALPHA STORE {t}l => :2
        LRANGE {t}l 0 -1 => ["a", "b"]
        SORT {t}l STORE {t}to => -ERR One or more scores can't be converted into double
        EXISTS {t}to => :0
        "#,
    );
}

/// Keys of several partitions, of several workers.
fn patterns_reach_over_partitions_and_databases(node: &Server) {
    let mut c = node.client();
    for db in [0, 3] {
        c.check(&format!("SELECT {db}"), "+OK");
        for n in 0..20 {
            c.check(&format!("SET w_{n} {}", (n * 7) % 20), "+OK");
            c.check(&format!("HSET h_{n} name n{n}"), ":1");
            c.check(&format!("RPUSH list {n}"), &format!(":{}", n + 1));
        }
        let order: Vec<usize> =
            (0..20).map(|weight| (0..20).find(|n| n * 7 % 20 == weight).unwrap()).collect();
        let shown = |text: &dyn Fn(usize) -> String| {
            format!("[{}]", order.iter().map(|n| format!("\"{}\"", text(*n))).collect::<Vec<_>>().join(", "))
        };
        c.check("SORT list BY w_*", &shown(&|n| n.to_string()));
        c.check("SORT_RO list BY w_* GET h_*->name", &shown(&|n| format!("n{n}")));
        c.check("SORT list BY w_* GET # STORE to", ":20");
        c.check("LRANGE to 0 -1", &shown(&|n| n.to_string()));
        for n in 0..8 {
            c.check(&format!("SORT list BY w_* GET h_*->name STORE to{n}"), ":20");
            c.check(&format!("LINDEX to{n} 3"), &format!("\"n{}\"", order[3]));
            c.check(&format!("SORT list DESC LIMIT 0 1 STORE to{n}"), ":1");
            c.check(&format!("SORT none BY w_* STORE to{n}"), ":0");
            c.check(&format!("EXISTS to{n}"), ":0");
        }
    }
    c.check("SWAPDB 0 3", "+OK");
    c.check("SORT list BY w_* LIMIT 0 1 GET h_*->name", r#"["n0"]"#);
}

fn patterns_work_in_transactions(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        RPUSH l 1 2 3 => :3
        MSET w_1 3 w_2 2 w_3 1 => +OK
        MULTI => +OK
        SORT l BY w_* STORE to => +QUEUED
        SET w_1 0 => +QUEUED
        SORT_RO l BY w_* GET w_* => +QUEUED
        LRANGE to 0 -1 => +QUEUED
        EXEC => [:3, +OK, ["0", "1", "2"], ["3", "2", "1"]]
        "#,
    );
}

fn keys_to_store_at_are_found(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        COMMAND GETKEYS SORT k => ["k"]
        COMMAND GETKEYS SORT k BY w_* GET x_* GET # => ["k"]
        COMMAND GETKEYS SORT k STORE a => ["k", "a"]
        COMMAND GETKEYS SORT k STORE a ASC STORE b => ["k", "b"]
        COMMAND GETKEYS SORT k BY STORE GET STORE LIMIT STORE 1 STORE a => ["k", "a"]
        COMMAND GETKEYS SORT_RO k BY w_* => ["k"]
        COMMAND GETKEYSANDFLAGS SORT k STORE a => [["k", [+RO, +access]], ["a", [+OW, +update]]]
        "#,
    );
}

fn wrong_sort_requests_are_refused(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        RPUSH {t}l a b => :2
        SET {t}text x => +OK
        HSET {t}hash f v => :1
        SORT {t}l => -ERR One or more scores can't be converted into double
        SORT {t}l LIMIT 9 9 => -ERR One or more scores can't be converted into double
        SORT {t}text => -WRONGTYPE Operation against a key holding the wrong kind of value
        SORT {t}hash ALPHA => -WRONGTYPE Operation against a key holding the wrong kind of value
        SORT {t}text STORE {t}l => -WRONGTYPE Operation against a key holding the wrong kind of value
        SORT {t}text BANANA => -ERR syntax error
        SORT {t}l BY => -ERR syntax error
        SORT {t}l GET => -ERR syntax error
        SORT {t}l STORE => -ERR syntax error
        SORT {t}l LIMIT 1 => -ERR syntax error
        SORT {t}l LIMIT x 1 => -ERR value is not an integer or out of range
        SORT {t}l LIMIT 1 x => -ERR value is not an integer or out of range
        SORT_RO {t}l ALPHA STORE {t}x => -ERR syntax error
        SORT => -ERR wrong number of arguments for 'sort' command
        LRANGE {t}l 0 -1 => ["a", "b"]
        "#,
    );
}

fn stored_results_come_back_after_a_reload(node: &Server) {
    let mut c = node.client();
    c.check("SADD s 5 3 9 1", ":4");
    c.check("SORT s DESC STORE {s}to", ":4");
    let before = c.run("DEBUG DIGEST-VALUE {s}to");
    c.check("DEBUG RELOAD", "+OK");
    assert_eq!(c.run("DEBUG DIGEST-VALUE {s}to"), before);
    c.check("LRANGE {s}to 0 -1", r#"["9", "5", "3", "1"]"#);
}
