//! List commands, in the two encodings.

use narf_tests::{Server, on_one_and_two_workers};

on_one_and_two_workers!(
    elements_are_pushed_and_popped_at_both_ends,
    elements_are_found_by_index_and_by_value,
    elements_are_replaced_inserted_and_removed,
    lists_are_cut_to_a_range,
    elements_move_between_lists,
    the_first_list_with_elements_is_popped,
    lists_change_their_encoding_and_keep_their_content,
    wrong_list_requests_are_refused,
    big_lists_come_back_after_a_reload,
);

fn elements_are_pushed_and_popped_at_both_ends(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        LPUSH l b a => :2
        RPUSH l c d e => :5
        LRANGE l 0 -1 => ["a", "b", "c", "d", "e"]
        TYPE l => +list
        LLEN l => :5
        LLEN none => :0
        LPOP l => "a"
        RPOP l => "e"
        LPOP l 2 => ["b", "c"]
        LPOP l 0 => []
        RPOP l 10 => ["d"]
        EXISTS l => :0
        LPOP l => nil
        RPOP l 3 => nil*
        LPUSHX l x => :0
        RPUSHX l x => :0
        EXISTS l => :0
        RPUSH l x => :1
        LPUSHX l w v => :3
        RPUSHX l y => :4
        RPOP l 3 => ["y", "x", "w"]
        "#,
    );
}

fn elements_are_found_by_index_and_by_value(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        RPUSH l a b c a b c a => :7
        LINDEX l 0 => "a"
        LINDEX l -2 => "c"
        LINDEX l 7 => nil
        LINDEX l -8 => nil
        LINDEX none 0 => nil
        LRANGE l 1 3 => ["b", "c", "a"]
        LRANGE l -2 100 => ["c", "a"]
        LRANGE l 5 2 => []
        LRANGE none 0 -1 => []
        LPOS l a => :0
        LPOS l a RANK 2 => :3
        LPOS l a RANK -1 => :6
        LPOS l a COUNT 0 => [:0, :3, :6]
        LPOS l a COUNT 2 RANK -2 => [:3, :0]
        LPOS l c MAXLEN 2 => nil
        LPOS l c COUNT 1 MAXLEN 2 => []
        LPOS l a RANK -1 MAXLEN 4 COUNT 0 => [:6, :3]
        LPOS l x => nil
        LPOS none x COUNT 1 => []
        "#,
    );
}

fn elements_are_replaced_inserted_and_removed(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        RPUSH l a b c => :3
        LSET l 1 B => +OK
        LSET l -1 C => +OK
        LRANGE l 0 -1 => ["a", "B", "C"]
        LINSERT l BEFORE B x => :4
        LINSERT l after C y => :5
        LINSERT l BEFORE none y => :-1
        LINSERT none BEFORE a y => :0
        LRANGE l 0 -1 => ["a", "x", "B", "C", "y"]
        DEL l => :1
        RPUSH l a b a b a b a => :7
        LREM l 1 a => :1
        LREM l -1 a => :1
        LRANGE l 0 -1 => ["b", "a", "b", "a", "b"]
        LREM l 0 b => :3
        LREM l 0 b => :0
        LREM none 0 b => :0
        LREM l 9 a => :2
        EXISTS l => :0
        "#,
    );
}

fn lists_are_cut_to_a_range(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        RPUSH l a b c d e => :5
        LTRIM l 1 -2 => +OK
        LRANGE l 0 -1 => ["b", "c", "d"]
        LTRIM l -100 100 => +OK
        LLEN l => :3
        LTRIM l 2 1 => +OK
        EXISTS l => :0
        LTRIM none 0 1 => +OK
        "#,
    );
}

fn elements_move_between_lists(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        RPUSH from a b c d => :4
        LMOVE from to LEFT RIGHT => "a"
        LMOVE from to RIGHT LEFT => "d"
        RPOPLPUSH from to => "c"
        LRANGE to 0 -1 => ["c", "d", "a"]
        LMOVE to to LEFT RIGHT => "c"
        LRANGE to 0 -1 => ["d", "a", "c"]
        LMOVE from to left left => "b"
        EXISTS from => :0
        LMOVE from to LEFT LEFT => nil
        RPOPLPUSH from to => nil
        PEXPIRE to 100000 => :1
        LTRIM to 0 0 => +OK
        RPOPLPUSH to to => "b"
        PERSIST to => :1
        "#,
    );
}

fn the_first_list_with_elements_is_popped(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        RPUSH b 1 2 3 4 => :4
        LMPOP 2 a b LEFT => ["b", ["1"]]
        LMPOP 3 a b c RIGHT COUNT 2 => ["b", ["4", "3"]]
        LMPOP 1 b LEFT COUNT 10 => ["b", ["2"]]
        LMPOP 2 a b LEFT => nil*
        COMMAND GETKEYS LMPOP 2 a b LEFT => ["a", "b"]
        "#,
    );
}

fn lists_change_their_encoding_and_keep_their_content(node: &Server) {
    let mut c = node.client();
    let elements: Vec<String> = (0..100).map(|n| format!("{n:060}")).collect();
    c.check(&format!("RPUSH l {}", elements.join(" ")), ":100");
    // Redis 7.0 has no small form.
    assert!([&b"listpack"[..], b"quicklist"].contains(&c.run("OBJECT ENCODING l").bytes()));
    c.check(&format!("RPUSH l {}", elements.join(" ")), ":200");
    c.check("OBJECT ENCODING l", "\"quicklist\"");
    c.check_all("COPY l copy => :1\nRENAME l moved => +OK\nLLEN copy => :200");
    assert_eq!(c.run("DEBUG DIGEST-VALUE copy"), c.run("DEBUG DIGEST-VALUE moved"));
    for (place, element) in elements.iter().chain(&elements).enumerate() {
        c.check(&format!("LINDEX moved {place}"), &format!("\"{element}\""));
    }
    c.check("LTRIM moved 99 101", "+OK");
    c.check("LRANGE moved 0 -1", &format!(r#"["{:060}", "{:060}", "{:060}"]"#, 99, 0, 1));
    assert!([&b"listpack"[..], b"quicklist"].contains(&c.run("OBJECT ENCODING moved").bytes()));
    c.check("CONFIG SET list-max-listpack-size 2", "+OK");
    c.check_all("RPUSH few a b c => :3\nOBJECT ENCODING few => \"quicklist\"");
    c.check("CONFIG SET list-max-listpack-size -2", "+OK");
}

fn wrong_list_requests_are_refused(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SET text x => +OK
        RPUSH l a => :1
        LPUSH text a => -WRONGTYPE Operation against a key holding the wrong kind of value
        LPOP text => -WRONGTYPE Operation against a key holding the wrong kind of value
        LPOP text 2 => -WRONGTYPE Operation against a key holding the wrong kind of value
        LMOVE l text LEFT LEFT => -WRONGTYPE Operation against a key holding the wrong kind of value
        LMOVE none text LEFT LEFT => nil
        LMPOP 2 text l LEFT => -WRONGTYPE Operation against a key holding the wrong kind of value
        LLEN l => :1
        GET l => -WRONGTYPE Operation against a key holding the wrong kind of value
        SADD l a => -WRONGTYPE Operation against a key holding the wrong kind of value
        LPUSH l => -ERR wrong number of arguments for 'lpush' command
        LPOP l 1 2 => -ERR wrong number of arguments for 'lpop' command
        RPOP l -1 => -ERR value is out of range, must be positive
        LSET l 1 x => -ERR index out of range
        LSET none 0 x => -ERR no such key
        LSET l x x => -ERR value is not an integer or out of range
        LINDEX l x => -ERR value is not an integer or out of range
        LINDEX none x => nil
        LRANGE none 0 x => -ERR value is not an integer or out of range
        LINSERT l BESIDE a b => -ERR syntax error
        LMOVE l l LEFT TOP => -ERR syntax error
        LMPOP 0 l LEFT => -ERR numkeys should be greater than 0
        LMPOP 2 l LEFT => -ERR syntax error
        LMPOP 1 l LEFT COUNT 0 => -ERR count should be greater than 0
        LMPOP 1 l LEFT COUNT 1 COUNT 1 => -ERR syntax error
        LPOS l a RANK 0 => -ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list
        LPOS l a RANK -9223372036854775808 => -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
        LPOS l a COUNT -1 => -ERR COUNT can't be negative
        LPOS l a MAXLEN -1 => -ERR MAXLEN can't be negative
        LPOS l a RANK => -ERR syntax error
        LLEN l => :1
        "#,
    );
}

fn big_lists_come_back_after_a_reload(node: &Server) {
    let mut c = node.client();
    for start in (0..6000).step_by(1000) {
        let elements: Vec<String> = (start..start + 1000).map(|n| format!("element:{n}")).collect();
        c.check(&format!("RPUSH big {}", elements.join(" ")), &format!(":{}", start + 1000));
    }
    c.check("RPUSH small a 1", ":2");
    let before = c.run("DEBUG DIGEST");
    c.check("DEBUG RELOAD", "+OK");
    assert_eq!(c.run("DEBUG DIGEST"), before);
    c.check_all(
        "LLEN big => :6000\nLINDEX big 4321 => \"element:4321\"\nLRANGE small 0 -1 => [\"a\", \"1\"]",
    );
}
