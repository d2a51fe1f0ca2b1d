//! What took Redis or Valkey down, or let somebody in, since 2021, asked of a node: one test a kind of mistake. The page
//! docs/security.md says which test stands for which advisory; the last test here holds it to that.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use narf_tests::{Server, dies_with_its_parent, narf_binary, on_one_and_two_workers, skip_unless_narf};

on_one_and_two_workers!(
    offsets_beyond_a_string_are_refused,
    counts_at_the_ends_of_their_range_are_refused_or_cut,
    limits_of_small_forms_may_be_anything_and_harm_nothing,
    a_common_subsequence_of_long_strings_is_bounded,
    no_value_is_stored_that_cannot_be_read_back,
    a_key_named_twice_is_one_key,
    patterns_of_stars_end_in_time,
    scripts_are_not_run,
    dumps_that_lie_are_refused,
);

/// Longest that one request of these may take on a busy machine; the mistakes took minutes, or for ever.
const IN_TIME: Duration = Duration::from_secs(10);

fn offsets_beyond_a_string_are_refused(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SETBIT k 4294967295 1 => :0
        STRLEN k => :536870912
        SETBIT k 4294967296 1 => -ERR bit offset is not an integer or out of range
        SETBIT k 18446744073709551615 1 => -ERR bit offset is not an integer or out of range
        BITFIELD k SET u8 #536870912 1 => -ERR bit offset is not an integer or out of range
        BITFIELD k SET u8 #2305843009213693952 1 => -ERR bit offset is not an integer or out of range
        SETRANGE k 536870911 xy => -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        SETRANGE k 9223372036854775807 x => -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        APPEND k x => -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        STRLEN k => :536870912
        DEL k => :1
        SET k abc => +OK
        GETRANGE k -9223372036854775808 9223372036854775807 => "abc"
        GETRANGE k 9223372036854775807 -9223372036854775808 => ""
        "#,
    );
}

fn counts_at_the_ends_of_their_range_are_refused_or_cut(node: &Server) {
    let mut c = node.client();
    c.check_all("ZADD z 1 a 2 b => :2\nHSET h f 1 g 2 => :2\nSADD s a b => :2\nRPUSH l 3 1 2 => :3");
    let ends = "value is out of range, value must between -9223372036854775807 and 9223372036854775807";
    for ask in ["HRANDFIELD h", "ZRANDMEMBER z", "SRANDMEMBER s"] {
        c.check(&format!("{ask} -9223372036854775808"), &format!("-ERR {ends}"));
        // As many answers as these ask for exist nowhere.
        c.check(&format!("{ask} -9223372036854775807"), "-ERR value is out of range");
        c.check(&format!("{ask} -4611686018427387905"), "-ERR value is out of range");
        assert!(c.run(&format!("{ask} 9223372036854775807")).to_string().starts_with('['));
    }
    c.check_all(
        r#"
        HRANDFIELD h -4611686018427387905 WITHVALUES => -ERR value is out of range
        SORT l LIMIT 0 9223372036854775807 => ["1", "2", "3"]
        SORT l LIMIT 9223372036854775807 9223372036854775807 => []
        SORT_RO l LIMIT 1 -9223372036854775808 => ["2", "3"]
        LRANGE l -9223372036854775808 9223372036854775807 => ["3", "1", "2"]
        LINDEX l -9223372036854775808 => nil
        LREM l -9223372036854775808 9 => :0
        ZRANGEBYSCORE z -inf inf LIMIT 9223372036854775807 9223372036854775807 => []
        ZUNIONSTORE d 9223372036854775807 z => -ERR syntax error
        LMPOP 9223372036854775807 l LEFT => -ERR syntax error
        LCS h s IDX MINMATCHLEN -9223372036854775808 => -ERR The specified keys must contain string values
        SCAN 0 MATCH x COUNT 9223372036854775808 => -ERR value is not an integer or out of range
        EXPIRE h 9223372036854775807 => -ERR invalid expire time in 'expire' command
        PEXPIRE h 9223372036854775807 => -ERR invalid expire time in 'pexpire' command
        SET a x PX 9223372036854775807 => -ERR invalid expire time in 'set' command
        DECRBY n -9223372036854775808 => -ERR decrement would overflow
        LTRIM l 9223372036854775807 -9223372036854775808 => +OK
        EXISTS l => :0
        "#,
    );
}

fn limits_of_small_forms_may_be_anything_and_harm_nothing(node: &Server) {
    let mut c = node.client();
    for limit in [
        "set-max-intset-entries",
        "hash-max-listpack-entries",
        "hash-max-listpack-value",
        "zset-max-listpack-entries",
        "zset-max-listpack-value",
        "list-max-listpack-size",
    ] {
        // What is too much for one is refused by name.
        let answer = c.run(&format!("CONFIG SET {limit} 4294967295")).to_string();
        assert!(answer == "+OK" || answer.contains(limit), "{limit}: {answer}");
    }
    let value = "v".repeat(70_000);
    for number in 0..200 {
        c.run(&format!("HSET h f{number} {value}"));
        c.run(&format!("ZADD z {number} {number}{value}"));
        c.run(&format!("RPUSH l {value}"));
    }
    for first in (0..20_000).step_by(500) {
        let members: Vec<String> = (first..first + 500).map(|member| member.to_string()).collect();
        c.run(&format!("SADD s {}", members.join(" ")));
    }
    c.check_all(
        "HLEN h => :200\nZCARD z => :200\nLLEN l => :200\nSCARD s => :20000\nSISMEMBER s 19999 => :1",
    );
    c.check("HSTRLEN h f199", ":70000");
    let before = c.run("DEBUG DIGEST");
    c.check("DEBUG RELOAD", "+OK");
    assert_eq!(c.run("DEBUG DIGEST"), before);
}

fn a_common_subsequence_of_long_strings_is_bounded(node: &Server) {
    let mut c = node.client();
    let (a, b) = ("a".repeat(200_000), "b".repeat(200_000));
    c.run(&format!("MSET {{k}}a {a} {{k}}b {b}"));
    let begin = Instant::now();
    // 40 billion cells of a table.
    let answer = c.run("LCS {k}a {k}b").to_string();
    assert!(answer.starts_with("-ERR Insufficient memory"), "{answer}");
    assert!(begin.elapsed() < IN_TIME);
}

fn no_value_is_stored_that_cannot_be_read_back(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        HSET h f 1 text x1 => :2
        HINCRBYFLOAT h f nan => -ERR value is not a valid float
        HINCRBYFLOAT h f inf => -ERR value is NaN or Infinity
        HINCRBYFLOAT h text 1 => -ERR hash value is not a float
        INCRBYFLOAT n inf => -ERR increment would produce NaN or Infinity
        EXISTS n => :0
        ZADD z nan a => -ERR value is not a valid float
        ZADD z inf a => :1
        ZINCRBY z -inf a => -ERR resulting score is not a number (NaN)
        HSET h big 1.7976931348623157e308 => :1
        HGETALL h => ["f", "1", "text", "x1", "big", "1.7976931348623157e308"]
        ZSCORE z a => "inf"
        "#,
    );
    // Two of the largest are more than a double holds, and may not become text that nobody reads back.
    c.run("HINCRBYFLOAT h big 1.7976931348623157e308");
    let sum = c.run("HINCRBYFLOAT h big 0");
    assert_eq!(c.run("HGET h big"), sum);
    let before = c.run("DEBUG DIGEST");
    c.check("DEBUG RELOAD", "+OK");
    assert_eq!(c.run("DEBUG DIGEST"), before);
}

fn a_key_named_twice_is_one_key(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        MSETNX k a k b => :1
        GET k => "b"
        MSET k c k d => +OK
        GET k => "d"
        DEL k k => :1
        SADD s x => :1
        SDIFFSTORE s s s => :0
        RPUSH l a b => :2
        RPOPLPUSH l l => "b"
        LRANGE l 0 -1 => ["b", "a"]
        "#,
    );
}

fn patterns_of_stars_end_in_time(node: &Server) {
    let mut c = node.client();
    let (key, stars) = ("a".repeat(20_000), "a*".repeat(5_000));
    c.run(&format!("SET {key} x"));
    let nested = format!("{}b", "*".repeat(100_000));
    let begin = Instant::now();
    c.check(&format!("KEYS {stars}b"), "[]");
    c.check(&format!("KEYS {nested}"), "[]");
    assert!(c.run(&format!("SCAN 0 MATCH {stars}b COUNT 100000")).to_string().ends_with("[]]"));
    c.check(&format!("CONFIG GET {nested}"), "[]");
    let mut subscriber = node.client();
    subscriber.run(&format!("PSUBSCRIBE {stars}b"));
    c.check(&format!("PUBLISH {key} x"), ":0");
    assert!(begin.elapsed() < IN_TIME);
    c.check("PING", "+PONG");
}

fn scripts_are_not_run(node: &Server) {
    let mut c = node.client();
    for line in [
        "EVAL {return 1} 0",
        "EVALSHA x 0",
        "SCRIPT LOAD x",
        "FUNCTION LOAD x",
        "FCALL f 0",
        "SCRIPT DEBUG YES",
    ] {
        let answer = c.run(line).to_string();
        assert!(answer.starts_with("-ERR unknown command"), "{line}: {answer}");
    }
}

fn dumps_that_lie_are_refused(node: &Server) {
    let mut c = node.client();
    c.check_all(
        "RPUSH l a b c => :3\nHSET h f v => :1\nZADD z 1 a => :1\nSADD s 1 2 3 => :3\nSET t text => +OK",
    );
    // Each byte of a value of each kind, turned round. Its checksum is made anew by nobody, so all are refused; what gets
    // by the checksum is the business of the fuzz target `payload`.
    for key in ["l", "h", "z", "s", "t"] {
        let dump = c.run(&format!("DUMP {key}")).bytes().to_vec();
        for at in 0..dump.len() {
            let mut bad = dump.clone();
            bad[at] ^= 0xff;
            let answer = c.run_args(&[b"RESTORE".as_slice(), b"copy", b"0", &bad]).to_string();
            assert_eq!(answer, "-ERR DUMP payload version or checksum are wrong", "{key} at {at}");
        }
    }
    c.check("EXISTS copy", ":0");
}

/// A server that sends `reply` to whoever connects, once.
fn a_server_that_says(reply: &'static [u8]) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return };
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(reply);
        // Until the client goes.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    port
}

#[test]
fn a_server_that_lies_about_lengths_does_not_fill_the_clients_memory() {
    if skip_unless_narf() {
        return;
    }
    for reply in [
        b"*9223372036854775807\r\n".as_slice(),
        b"*2147483647\r\n:1\r\n",
        b"$9223372036854775807\r\n",
        b"%4611686018427387904\r\n",
        b"*-9223372036854775808\r\n",
    ] {
        let port = a_server_that_says(reply);
        let mut command = Command::new(narf_binary());
        dies_with_its_parent(&mut command);

        let mut child = command
            .args(["cli", "--timeout", "1s", "-u", &format!("127.0.0.1:{port}"), "GET", "k"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let status = child.wait().unwrap();
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(!status.success() && status.code().is_some(), "{status} {text}");
        assert!(!text.contains("panicked"), "{text}");
    }
}

// -- the page ---------------------------------------------------------------------------------------------------------

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All of our sources in one text.
fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            sources(&entry, text);
        } else if entry.extension().is_some_and(|kind| kind == "rs") {
            text.push_str(&std::fs::read_to_string(entry).unwrap());
        }
    }
}

#[test]
fn the_page_names_tests_that_exist() {
    let page = std::fs::read_to_string(root().join("docs/security.md")).unwrap();
    let mut text = String::new();
    ["crates", "tests", "fuzz/fuzz_targets"]
        .iter()
        .for_each(|folder| sources(&root().join(folder), &mut text));
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| CVE-")).collect();
    for row in &rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [ids, _, tests] = cells[..] else { panic!("three columns: {row}") };
        assert!(ids.split(", ").all(|id| id.starts_with("CVE-20")), "{row}");
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty() || tests.starts_with("does not exist here"), "{row}");
        for name in names {
            let is_there = text.contains(&format!("fn {name}("))
                || root().join(format!("fuzz/fuzz_targets/{name}.rs")).is_file();
            assert!(is_there, "no test `{name}`");
        }
    }
    assert!(rows.len() > 30, "the page lists the advisories");
}
