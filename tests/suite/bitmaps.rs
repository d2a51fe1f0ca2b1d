//! Commands on bits of strings.

use narf_tests::{Server, on_one_and_two_workers};

on_one_and_two_workers!(
    bits_are_set_and_read,
    bits_are_counted_by_bytes_and_by_bits,
    the_first_bit_of_a_range_is_found,
    strings_are_combined_bit_by_bit,
    numbers_lie_at_any_bit,
    numbers_wrap_stop_or_fail_where_they_do_not_fit,
    strings_seen_as_bits_are_raw,
    only_a_change_of_bits_counts_as_one,
    wrong_bitmap_requests_are_refused,
    strings_may_be_as_long_as_the_last_bit_asks,
    bits_come_back_after_a_reload,
);

fn bits_are_set_and_read(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SETBIT b 7 1 => :0
        GET b => "\x01"
        SETBIT b 7 0 => :1
        SETBIT b 0 1 => :0
        GET b => "\x80"
        SETBIT b 17 1 => :0
        GET b => "\x80\x00@"
        GETBIT b 0 => :1
        GETBIT b 1 => :0
        GETBIT b 17 => :1
        GETBIT b 4294967295 => :0
        GETBIT none 0 => :0
        EXISTS none => :0
        SETBIT zeros 9 0 => :0
        STRLEN zeros => :2
        SET n 42 => +OK
        GETBIT n 2 => :1
        SETBIT n 7 1 => :0
        GET n => "52"
        INCR n => :53
        PEXPIRE n 100000 => :1
        SETBIT n 100 1 => :0
        STRLEN n => :13
        PERSIST n => :1
        "#,
    );
}

fn bits_are_counted_by_bytes_and_by_bits(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SET k foobar => +OK
        BITCOUNT k => :26
        BITCOUNT k 0 0 => :4
        BITCOUNT k 1 1 => :6
        BITCOUNT k 1 1 BYTE => :6
        BITCOUNT k 5 30 bit => :17
        BITCOUNT k 0 -1 BIT => :26
        BITCOUNT k -8 -1 BIT => :4
        BITCOUNT k -100 100 => :26
        BITCOUNT k 4 2 => :0
        BITCOUNT k -2 -4 => :0
        BITCOUNT k 9 9 => :0
        BITCOUNT none => :0
        BITCOUNT none 0 -1 BIT => :0
        SET n 255 => +OK
        BITCOUNT n => :11
        SET e '' => +OK
        BITCOUNT e 0 -1 => :0
        "#,
    );
    // Longer than any word of a machine, and of a length that is no multiple of one.
    for bit in (0..1003 * 8).step_by(3) {
        c.check(&format!("SETBIT long {bit} 1"), ":0");
    }
    c.check_all("BITCOUNT long => :2675\nBITCOUNT long 3 3002 BIT => :1000\nBITCOUNT long 1 -2 BIT => :2674");
}

fn the_first_bit_of_a_range_is_found(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SET k "\xff\xf0\x00" => +OK
        BITPOS k 0 => :12
        BITPOS k 1 => :0
        BITPOS k 1 2 => :-1
        BITPOS k 0 0 0 => :-1
        BITPOS k 0 2 => :16
        BITPOS k 1 1 -1 => :8
        BITPOS k 1 -2 => :8
        BITPOS k 0 0 11 BIT => :-1
        BITPOS k 0 0 12 BIT => :12
        BITPOS k 1 5 9 bit => :5
        BITPOS k 1 12 -1 BIT => :-1
        BITPOS k 0 0 -1 BYTE => :12
        BITPOS k 0 5 => :-1
        BITPOS k 0 2 1 => :-1
        SET ones "\xff\xff\xff" => +OK
        BITPOS ones 0 => :24
        BITPOS ones 0 1 => :24
        BITPOS ones 0 0 -1 => :-1
        BITPOS ones 0 3 => :-1
        BITPOS none 0 => :0
        BITPOS none 1 => :-1
        BITPOS none 0 5 9 BIT => :0
        SET e '' => +OK
        BITPOS e 0 => :-1
        SETBIT far 100003 1 => :0
        BITPOS far 1 => :100003
        BITPOS far 1 50 => :100003
        BITPOS far 1 0 100002 BIT => :-1
        "#,
    );
}

fn strings_are_combined_bit_by_bit(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SET a "\xf0\xff\x0f" => +OK
        SET b "\x3c" => +OK
        BITOP AND to a b => :3
        GET to => "0\x00\x00"
        BITOP or to b a => :3
        GET to => "\xfc\xff\x0f"
        BITOP XOR to a b none => :3
        GET to => "\xcc\xff\x0f"
        BITOP NOT to a => :3
        GET to => "\x0f\x00\xf0"
        BITOP AND to a none => :3
        GET to => "\x00\x00\x00"
        BITOP NOT b b => :1
        GET b => "\xc3"
        BITOP XOR a a a => :3
        GET a => "\x00\x00\x00"
        PEXPIRE to 100000 => :1
        BITOP OR to b => :1
        PTTL to => :-1
        RPUSH list x => :1
        BITOP OR list b => :1
        TYPE list => +string
        BITOP OR list none none2 => :0
        EXISTS list => :0
        BITOP NOT none none => :0
        SET n 1 => +OK
        BITOP OR n n => :1
        OBJECT ENCODING n => "raw"
        COMMAND GETKEYS BITOP AND to a b => ["to", "a", "b"]
        "#,
    );
    // Each key where its name puts it.
    for n in 0..50 {
        c.check(&format!("SETBIT part:{n} {n} 1"), ":0");
    }
    let parts: Vec<String> = (0..50).map(|n| format!("part:{n}")).collect();
    c.check(&format!("BITOP OR whole {}", parts.join(" ")), ":7");
    c.check_all("BITCOUNT whole => :50\nBITPOS whole 0 => :50");
}

fn numbers_lie_at_any_bit(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        BITFIELD f INCRBY i5 100 1 GET u4 0 => [:1, :0]
        STRLEN f => :14
        BITFIELD f SET u8 #0 255 SET i8 #1 -1 GET u16 0 => [:0, :0, :65535]
        BITFIELD f GET i4 6 GET u4 14 => [:-1, :12]
        BITFIELD f SET i64 3 -9223372036854775808 => [:-2251799813685248]
        BITFIELD f GET i64 3 GET u63 4 => [:-9223372036854775808, :0]
        BITFIELD f INCRBY u63 65 9223372036854775807 => [:8388607]
        BITFIELD f => []
        BITFIELD none GET u8 0 GET i64 #100 => [:0, :0]
        EXISTS none => :0
        BITFIELD_RO f GET u8 0 => [:240]
        BITFIELD_RO none GET u8 4294967295 => [:0]
        BITFIELD_RO f => []
        SET n 123 => +OK
        BITFIELD n GET u8 0 => [:49]
        OBJECT ENCODING n => "int"
        BITFIELD n SET u8 0 50 => [:49]
        GET n => "223"
        "#,
    );
}

fn numbers_wrap_stop_or_fail_where_they_do_not_fit(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        BITFIELD f SET u8 0 250 => [:0]
        BITFIELD f INCRBY u8 0 10 => [:4]
        BITFIELD f OVERFLOW SAT INCRBY u8 0 1000 => [:255]
        BITFIELD f OVERFLOW FAIL INCRBY u8 0 1 => [nil]
        BITFIELD f OVERFLOW FAIL INCRBY u8 0 1 OVERFLOW WRAP INCRBY u8 0 1 => [nil, :0]
        BITFIELD f OVERFLOW SAT INCRBY u8 0 -1 GET u8 0 => [:0, :0]
        BITFIELD f OVERFLOW SAT SET i8 8 -200 GET i8 8 SET i8 8 200 GET i8 8 => [:0, :-128, :-128, :127]
        BITFIELD f OVERFLOW FAIL SET i8 8 128 SET u8 8 -1 GET i8 8 => [nil, nil, :127]
        BITFIELD f SET i8 8 128 GET i8 8 => [:127, :-128]
        BITFIELD f OVERFLOW FAIL INCRBY i8 8 -1 => [nil]
        BITFIELD f OVERFLOW SAT SET u8 0 -1 GET u8 0 => [:0, :255]
        BITFIELD f OVERFLOW SAT SET i64 64 9223372036854775807 INCRBY i64 64 1 => [:0, :9223372036854775807]
        BITFIELD f INCRBY i64 64 1 => [:-9223372036854775808]
        BITFIELD failed OVERFLOW FAIL INCRBY u2 20 9 => [nil]
        STRLEN failed => :3
        "#,
    );
    c.hello3();
    c.check("BITFIELD f OVERFLOW FAIL SET u8 0 256", "[null]");
}

fn strings_seen_as_bits_are_raw(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SETBIT new 0 0 => :0
        OBJECT ENCODING new => "raw"
        SET short abc => +OK
        OBJECT ENCODING short => "embstr"
        SETBIT short 0 0 => :0
        OBJECT ENCODING short => "raw"
        SET n 7 => +OK
        GETBIT n 0 => :0
        OBJECT ENCODING n => "int"
        BITFIELD n INCRBY u8 0 0 => [:55]
        OBJECT ENCODING n => "raw"
        GET n => "7"
        "#,
    );
}

fn only_a_change_of_bits_counts_as_one(node: &Server) {
    let mut c = node.client();
    let mut watcher = node.client();
    c.check_all("SETBIT k 5 1 => :0\nSETBIT k 30 0 => :0");
    for (line, changes) in [
        ("SETBIT k 5 1", false),
        ("SETBIT k 31 0", false),
        ("BITFIELD k GET u8 0 SET u8 0 4 INCRBY u8 0 0", false),
        ("BITFIELD k OVERFLOW FAIL INCRBY u8 0 1000", false),
        ("BITCOUNT k", false),
        ("SETBIT k 32 0", true),
        ("SETBIT k 5 0", true),
        ("BITFIELD k INCRBY u8 0 1", true),
        ("BITOP OR k k", true),
    ] {
        watcher.check_all("WATCH k => +OK\nMULTI => +OK\nPING => +QUEUED");
        assert!(!c.run(line).is_error());
        watcher.check("EXEC", if changes { "nil*" } else { "[+PONG]" });
    }
}

fn wrong_bitmap_requests_are_refused(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SET k abc => +OK
        RPUSH l a => :1
        SETBIT l 0 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
        GETBIT l 0 => -WRONGTYPE Operation against a key holding the wrong kind of value
        BITCOUNT l x => -WRONGTYPE Operation against a key holding the wrong kind of value
        BITPOS l 1 x => -WRONGTYPE Operation against a key holding the wrong kind of value
        BITOP AND to k l => -WRONGTYPE Operation against a key holding the wrong kind of value
        BITFIELD l GET u8 0 => -WRONGTYPE Operation against a key holding the wrong kind of value
        BITFIELD l SET u8 0 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
        SETBIT k -1 1 => -ERR bit offset is not an integer or out of range
        SETBIT k 4294967296 1 => -ERR bit offset is not an integer or out of range
        SETBIT k #1 1 => -ERR bit offset is not an integer or out of range
        SETBIT k 0 2 => -ERR bit is not an integer or out of range
        SETBIT k 0 x => -ERR bit is not an integer or out of range
        SETBIT k 0 => -ERR wrong number of arguments for 'setbit' command
        GETBIT k x => -ERR bit offset is not an integer or out of range
        BITCOUNT k 0 => -ERR syntax error
        BITCOUNT k 0 x => -ERR value is not an integer or out of range
        BITCOUNT k 0 1 BITS => -ERR syntax error
        BITCOUNT k 0 1 BIT BIT => -ERR syntax error
        BITCOUNT none 0 => :0
        BITPOS k 2 => -ERR The bit argument must be 1 or 0.
        BITPOS none x => -ERR value is not an integer or out of range
        BITPOS k 1 0 1 BITS => -ERR syntax error
        BITPOS k 1 0 1 BIT BIT => -ERR syntax error
        BITPOS k 1 0 x => -ERR value is not an integer or out of range
        BITPOS none 1 0 x => :-1
        BITOP NAND to k k => -ERR syntax error
        BITOP NOT to k k => -ERR BITOP NOT must be called with a single source key.
        BITOP AND to => -ERR wrong number of arguments for 'bitop' command
        BITFIELD k GET u64 0 => -ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
        BITFIELD k GET i65 0 => -ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
        BITFIELD k GET u8 -1 => -ERR bit offset is not an integer or out of range
        BITFIELD k GET u8 #536870912 => -ERR bit offset is not an integer or out of range
        BITFIELD k SET u8 0 x => -ERR value is not an integer or out of range
        BITFIELD k SET u8 0 => -ERR syntax error
        BITFIELD k OVERFLOW => -ERR syntax error
        BITFIELD k OVERFLOW CLIP => -ERR Invalid OVERFLOW type specified
        BITFIELD_RO k SET u8 0 1 => -ERR BITFIELD_RO only supports the GET subcommand
        BITFIELD k SET u8 0 1 GET u8 => -ERR syntax error
        GET k => "abc"
        EXISTS to => :0
        "#,
    );
}

fn strings_may_be_as_long_as_the_last_bit_asks(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SETBIT k 80000000 1 => :0
        STRLEN k => :10000001
        BITCOUNT k => :1
        BITPOS k 1 => :80000000
        BITOP NOT k k => :10000001
        BITCOUNT k => :80000007
        BITPOS k 0 => :80000000
        BITFIELD k INCRBY u8 80000000 1 => [:128]
        DEL k => :1
        "#,
    );
}

fn bits_come_back_after_a_reload(node: &Server) {
    let mut c = node.client();
    for n in 0..200 {
        c.check(&format!("SETBIT b {} 1", n * n), ":0");
    }
    c.check_all(
        r#"
        BITFIELD f INCRBY i20 #3 -5 OVERFLOW FAIL INCRBY u4 500 20 => [:-5, nil]
        BITOP XOR to b f => :4951
        "#,
    );
    let before = c.run("DEBUG DIGEST");
    c.check("DEBUG RELOAD", "+OK");
    assert_eq!(c.run("DEBUG DIGEST"), before);
    c.check_all("BITCOUNT b => :200\nBITFIELD f GET i20 #3 => [:-5]");
}
