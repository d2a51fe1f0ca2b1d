//! Commands that came after Redis 7.2, as their own documents and tests have them; `redis-server` 7.0 knows none of them.

use narf_tests::{Server, eventually, on_one_and_two_workers};

on_one_and_two_workers!(
    numbers_grow_within_bounds_and_get_a_deadline,
    wrong_increments_are_refused,
    several_elements_move_in_either_order,
    a_move_waits_until_there_is_enough,
    cardinalities_of_unions_and_differences_are_counted,
    fields_are_walked_over_without_their_values,
);

fn fields_are_walked_over_without_their_values(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check_all(
        r#"
        HSET h a 1 b 2 => :2
        HSCAN h 0 NOVALUES => ["0", ["a", "b"]]
        HSCAN h 0 COUNT 5 novalues MATCH b => ["0", ["b"]]
        HSCAN none 0 NOVALUES => ["0", []]
        HSCAN h 0 NOVALUES 1 => -ERR syntax error
        SADD s a => :1
        SSCAN s 0 NOVALUES => -ERR syntax error
        "#,
    );
}

fn numbers_grow_within_bounds_and_get_a_deadline(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check_all(
        r#"
        INCREX n => [:1, :1]
        INCREX n BYINT 5 EX 100 => [:6, :5]
        INCREX n BYINT -16 => [:-10, :-16]
        TTL n => :100
        INCREX n PERSIST => [:-9, :1]
        TTL n => :-1
        INCREX n EX 100 ENX => [:-8, :1]
        INCREX n EX 5000 ENX BYINT 8 => [:0, :8]
        TTL n => :100
        INCREX n BYINT 11 UBOUND 10 PX 5 => [:0, :0]
        TTL n => :100
        INCREX n UBOUND 10 SATURATE BYINT 11 => [:10, :10]
        INCREX n BYINT -30 lbound -7 saturate => [:-7, :-17]
        SET n 50 => +OK
        INCREX n BYINT 5 UBOUND 30 => [:50, :0]
        INCREX n BYINT 5 UBOUND 30 SATURATE => [:30, :-20]
        INCREX n BYINT -5 UBOUND 30 => [:25, :-5]
        INCREX none BYINT 5 LBOUND 10 => [:0, :0]
        EXISTS none => :0
        INCREX none BYINT 5 LBOUND 10 SATURATE => [:10, :10]
        SET n 9223372036854775800 => +OK
        INCREX n BYINT 9223372036854775800 => [:9223372036854775800, :0]
        INCREX n BYINT 9223372036854775800 SATURATE => [:9223372036854775807, :7]
        OBJECT ENCODING n => "int"
        INCREX n BYINT 1 EXAT 1 SATURATE => [:9223372036854775807, :0]
        EXISTS n => :0
        SET n 10 EX 500 => +OK
        INCREX n EXAT 1 ENX => [:11, :1]
        EXISTS n => :1
        SET f 0.1 => +OK
        INCREX f BYFLOAT 0.2 => ["0.3", "0.2"]
        GET f => "0.3"
        INCREX f BYFLOAT 1 UBOUND 1 => ["0.3", "0"]
        INCREX f BYFLOAT 1 UBOUND 1.0 SATURATE => ["1", "0.7"]
        INCREX f BYFLOAT -1e3 LBOUND -5.5 SATURATE => ["-5.5", "-6.5"]
        INCREX g BYFLOAT -0.5 UBOUND -1.5 => ["0", "0"]
        EXISTS g => :0
        INCREX n BYFLOAT 0.5 => ["11.5", "0.5"]
        "#,
    );
    let mut c = node.client3();
    c.check("INCREX f BYFLOAT 0.5", "[,-5, ,0.5]");
    c.check("INCREX h BYINT 7", "[:7, :7]");
}

fn wrong_increments_are_refused(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check_all(
        r#"
        INCREX => -ERR wrong number of arguments for 'increx' command
        INCREX n FOO => -ERR syntax error
        INCREX n BYINT => -ERR syntax error
        INCREX n BYINT 1 BYFLOAT 1.5 => -ERR syntax error
        INCREX n BYINT 1 BYINT 1 => -ERR syntax error
        INCREX n EX 10 PX 10 => -ERR syntax error
        INCREX n EX 10 PERSIST => -ERR syntax error
        INCREX n PERSIST ENX => -ERR syntax error
        INCREX n LBOUND 0 LBOUND 1 => -ERR syntax error
        INCREX n SATURATE SATURATE => -ERR syntax error
        INCREX n ENX => -ERR ENX flag requires an expiration
        INCREX n BYINT 1.5 => -ERR Increment is not an integer or out of range
        INCREX n UBOUND 1.5 => -ERR UBOUND is not an integer or out of range
        INCREX n BYFLOAT abc => -ERR Increment is not a valid float
        INCREX n BYFLOAT inf => -ERR BYFLOAT increment cannot be Infinity
        INCREX n LBOUND 10 UBOUND 5 => -ERR LBOUND can't be greater than UBOUND
        INCREX n BYFLOAT 0.5 LBOUND 10.5 UBOUND 1.5 => -ERR LBOUND can't be greater than UBOUND
        INCREX n EX 0 => -ERR invalid expire time in 'increx' command
        EXISTS n => :0
        SET n 9223372036854775800 => +OK
        INCREX n SATURATE UBOUND -9223372036854775808 => -ERR applied increment would overflow
        SET n inf => +OK
        INCREX n BYFLOAT 1 => -ERR value cannot be Infinity
        SET n hello => +OK
        INCREX n => -ERR value is not an integer or out of range
        INCREX n BYFLOAT 1 => -ERR value is not a valid float
        RPUSH l a => :1
        INCREX l => -WRONGTYPE Operation against a key holding the wrong kind of value
        INCREX l BYFLOAT 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

fn several_elements_move_in_either_order(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check_all(
        r#"
        RPUSH a 1 2 3 4 5 6 7 8 => :8
        LMOVEM a b LEFT LEFT COUNT 2 OBO => ["2", "1"]
        LMOVEM a b LEFT LEFT COUNT 2 BULK => ["3", "4"]
        LRANGE b 0 -1 => ["3", "4", "2", "1"]
        LMOVEM a b RIGHT RIGHT EXACTLY 2 OBO => ["8", "7"]
        LMOVEM a b RIGHT RIGHT EXACTLY 3 BULK => nil
        LRANGE b 0 -1 => ["3", "4", "2", "1", "8", "7"]
        LMOVEM a b RIGHT LEFT => ["6"]
        LMOVEM a b LEFT RIGHT COUNT 100 BULK => ["5"]
        EXISTS a => :0
        LMOVEM a b LEFT RIGHT => nil
        LMOVEM a b LEFT RIGHT COUNT 2 OBO => nil
        RPUSH s a b c => :3
        EXPIRE s 100 => :1
        LMOVEM s s LEFT LEFT EXACTLY 2 OBO => ["b", "a"]
        LMOVEM s s LEFT RIGHT COUNT 2 BULK => ["b", "a"]
        LMOVEM s s RIGHT RIGHT COUNT 9 BULK => ["c", "b", "a"]
        LRANGE s 0 -1 => ["c", "b", "a"]
        TTL s => :100
        SET text v => +OK
        LMOVEM s text LEFT LEFT => -WRONGTYPE Operation against a key holding the wrong kind of value
        LMOVEM text s LEFT LEFT => -WRONGTYPE Operation against a key holding the wrong kind of value
        LLEN s => :3
        LMOVEM s b LEFT UP => -ERR syntax error
        LMOVEM s b LEFT LEFT COUNT 2 => -ERR syntax error
        LMOVEM s b LEFT LEFT ABOUT 2 OBO => -ERR syntax error
        LMOVEM s b LEFT LEFT COUNT 2 ANYHOW => -ERR syntax error
        LMOVEM s b LEFT LEFT COUNT 0 OBO => -ERR count should be greater than 0
        LMOVEM s b LEFT => -ERR wrong number of arguments for 'lmovem' command
        MULTI => +OK
        BLMOVEM s b LEFT RIGHT 0 EXACTLY 4 BULK => +QUEUED
        BLMOVEM s b LEFT RIGHT 0 EXACTLY 2 BULK => +QUEUED
        EXEC => [nil, ["c", "b"]]
        COMMAND GETKEYS BLMOVEM s b LEFT RIGHT 0 COUNT 2 BULK => ["s", "b"]
        "#,
    );
}

fn a_move_waits_until_there_is_enough(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    let (mut mover, mut popper) = (node.client(), node.client());
    mover.send("BLMOVEM from to LEFT RIGHT 0 EXACTLY 3 BULK");
    let blocked = |count: &str| {
        let mut control = node.client();
        eventually("blocked clients", || {
            control.run("INFO clients").text().contains(&format!("blocked_clients:{count}")).then_some(())
        });
    };
    blocked("1");
    c.check("RPUSH from a b", ":2");
    // What is too little for one is there for another.
    popper.check("BLPOP from 0", "[\"from\", \"a\"]");
    c.check("RPUSH from c", ":2");
    blocked("1");
    c.check("RPUSH from d e", ":4");
    assert_eq!(mover.reply().to_string(), "[\"b\", \"c\", \"d\"]");
    c.check("LRANGE from 0 -1", "[\"e\"]");
    c.check("LRANGE to 0 -1", "[\"b\", \"c\", \"d\"]");
    mover.check("BLMOVEM from to LEFT RIGHT 0.01 EXACTLY 2 OBO", "nil*");
    mover.check("BLMOVEM from to LEFT LEFT 0 COUNT 5 OBO", "[\"e\"]");
    mover.check("BLMOVEM from to LEFT LEFT x", "-ERR timeout is not a float or out of range");
}

fn cardinalities_of_unions_and_differences_are_counted(node: &Server) {
    let Some(mut c) = node.narf_client() else { return };
    c.check_all(
        r#"
        SADD a 1 2 3 4 5 => :5
        SADD b 4 5 6 x => :4
        SUNIONCARD 2 a b => :7
        SUNIONCARD 3 a b none LIMIT 0 => :7
        SUNIONCARD 2 a b LIMIT 3 => :3
        SUNIONCARD 2 a b APPROX => :7
        SUNIONCARD 2 a b LIMIT 3 APPROX => :3
        SUNIONCARD 1 none => :0
        SDIFFCARD 2 a b => :3
        SDIFFCARD 2 b a LIMIT 1 => :1
        SDIFFCARD 2 none a => :0
        SDIFFCARD 1 a => :5
        SDIFFCARD 2 a b APPROX => -ERR syntax error
        SUNIONCARD 0 a => -ERR numkeys should be greater than 0
        SUNIONCARD 3 a b => -ERR Number of keys can't be greater than number of args
        SDIFFCARD 1 a LIMIT -1 => -ERR LIMIT can't be negative
        SET text v => +OK
        SUNIONCARD 2 a text => -WRONGTYPE Operation against a key holding the wrong kind of value
        SDIFFCARD 2 text a => -WRONGTYPE Operation against a key holding the wrong kind of value
        COMMAND GETKEYS SUNIONCARD 2 a b APPROX => ["a", "b"]
        "#,
    );
    let many: Vec<String> = (0..20_000).map(|number| format!("SADD big {number}")).collect();
    c.pipeline(&many);
    let estimate = c.run("SUNIONCARD 2 big a APPROX").int();
    // Five standard errors.
    assert!((estimate - 20_001).abs() < 20_001 * 4 / 100, "{estimate}");
}
