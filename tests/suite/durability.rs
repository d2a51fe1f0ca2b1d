//! What was answered is there after any crash.
//!
//! `NARF_TEST_CYCLES=150` runs the long form of the kill test. Faults of the disk are injected by `strace`, which must
//! be allowed to trace; where it is missing, the test says that it was skipped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use base::Random;
use narf_tests::{
    Client, Closed, Data, Options, Server, Value, env_number, eventually, skip, skip_unless_narf,
};

fn kept() -> Options {
    Options::new().data(Data::Temporary)
}

#[test]
fn everything_is_there_after_a_clean_restart() {
    let mut node = Server::start(kept());
    let mut c = node.client();
    for i in 0..300 {
        c.check(&format!("SET k{i} v{i}"), "+OK");
        c.check(&format!("HSET h{i} f {i} g {i}"), ":2");
    }
    c.check("PEXPIREAT k0 33177117420000", ":1");
    c.check("MULTI", "+OK");
    c.check("MSET k1 changed k2 changed", "+QUEUED");
    c.check("DEL k3", "+QUEUED");
    c.check("EXEC", "[+OK, :1]");
    c.check("RENAME k4 renamed", "+OK");
    c.check("COPY h5 copied DB 9", ":1");
    c.check("SELECT 15", "+OK");
    c.check("INCRBYFLOAT f 0.1", r#""0.1""#);
    let digest = c.run("DEBUG DIGEST").text();
    node.restart();
    let mut c = node.client();
    assert_eq!(c.run("DEBUG DIGEST").text(), digest);
    c.check_all(
        r#"
        PEXPIRETIME k0 => :33177117420000
        MGET k1 k2 k3 k4 renamed => ["changed", "changed", nil, nil, "v4"]
        HGETALL h7 => ["f", "7", "g", "7"]
        SELECT 9 => +OK
        HGETALL copied => ["f", "5", "g", "5"]
        SELECT 15 => +OK
        GET f => "0.1"
        "#,
    );
    // And once more: what was recovered is itself recoverable.
    node.restart();
    assert_eq!(node.client().run("DEBUG DIGEST").text(), digest);
}

/// The one read that changes something: it must come out of the log as it went in.
#[test]
fn a_count_that_a_hyperloglog_keeps_is_there_after_a_restart() {
    let mut node = Server::start(kept());
    let mut c = node.client();
    c.check("PFADD h a b c", ":1");
    c.check("PFCOUNT h", ":3");
    c.check("PFADD other a", ":1");
    c.check("CONFIG SET hll-sparse-max-bytes 20", "+OK");
    c.check("PFADD {h}dense a b", ":1");
    let digest = c.run("DEBUG DIGEST").text();
    node.restart();
    let mut c = node.client();
    assert_eq!(c.run("DEBUG DIGEST").text(), digest);
    c.check_all(
        r#"
        GETRANGE h 8 15 => "\x03\x00\x00\x00\x00\x00\x00\x00"
        PFDEBUG ENCODING {h}dense => +dense
        PFCOUNT other => :1
        "#,
    );
}

#[test]
fn save_answers_when_the_checkpoint_is_whole_and_the_log_before_it_gone() {
    for workers in [1, 2] {
        let mut node = Server::start(kept().workers(workers));
        let mut c = node.client();
        for i in 0..2000 {
            c.run(&format!("SET k{i} {}", "v".repeat(1000)));
        }
        let folder = node.data_path();
        let before = c.run("TIME").items()[0].text().parse::<i64>().unwrap();
        c.check("SAVE", "+OK");
        // Both are true at once, for nothing is left to be done.
        assert!(c.run("LASTSAVE").int() >= before);
        let written =
            files(&folder).iter().filter(|file| file.to_string_lossy().contains("checkpoint")).count();
        assert!(written > 0, "{:?}", files(&folder));
        let digest = c.run("DEBUG DIGEST").text();
        node.kill9();
        node.restart();
        assert_eq!(node.client().run("DEBUG DIGEST").text(), digest);
    }
}

#[test]
fn waitaof_tells_of_this_nodes_disk() {
    let node = Server::start(kept().workers(2));
    let mut c = node.client();
    for i in 0..20 {
        c.check(&format!("SET k{i} v"), "+OK");
        c.check("WAITAOF 1 0 0", "[:1, :0]");
    }
    c.check("WAITAOF 1 1 20", "[:1, :0]");
    c.check("WAITAOF 2 0 0", "-ERR value is out of range, value must between 0 and 1");
    c.check("WAITAOF 0 -1 0", "-ERR value is out of range, must be positive");
    c.check("WAITAOF 0 0 x", "-ERR timeout is not an integer or out of range");
}

#[test]
fn the_first_write_of_a_database_is_kept_whatever_it_is() {
    for (at, line) in [
        "COPY a b DB 9",
        "MOVE a 9",
        "MULTI;SELECT 9;SET b v;EXEC",
        "SELECT 9;HSET b f v",
        "SELECT 9;SET b v",
    ]
    .iter()
    .enumerate()
    {
        let mut node = Server::start(kept());
        let mut c = node.client();
        c.check("SET a v", "+OK");
        for part in line.split(';') {
            let reply = c.run(part);
            assert!(!reply.is_error(), "{part}: {reply}");
        }
        node.kill9();
        node.restart();
        let mut c = node.client();
        c.check("SELECT 9", "+OK");
        assert_eq!(c.run("DBSIZE"), Value::Int(1), "case {at}: {line}");
    }
}

#[test]
fn a_flush_is_as_lasting_as_a_write() {
    let mut node = Server::start(kept());
    let mut c = node.client();
    for flush in ["FLUSHALL", "FLUSHDB"] {
        c.pipeline((0..200).map(|i| format!("SET k{i} v")));
        c.check(flush, "+OK");
        c.check("SET after v", "+OK");
        node.kill9();
        node.restart();
        c = node.client();
        c.check("KEYS *", r#"["after"]"#);
    }
}

#[test]
fn expired_keys_stay_away_after_a_restart() {
    let mut node = Server::start(kept());
    let mut c = node.client();
    for i in 0..100 {
        c.check(&format!("SET k{i} v PX 1"), "+OK");
    }
    eventually("the keys expire", || (c.run("DBSIZE") == Value::Int(0)).then_some(()));
    node.kill9();
    node.restart();
    node.client().check("DBSIZE", ":0");
}

/// What one writer knows: the last answered value of each key, and the one that was asked for and not answered.
#[derive(Default)]
struct Known {
    answered: BTreeMap<String, u64>,
    pending: BTreeMap<String, u64>,
}

/// Writes until the connection breaks.
fn write_until_cut(mut c: Client, writer: usize, next: &mut u64, known: &mut Known, random: &mut Random) {
    loop {
        let batch: Vec<(String, u64)> = (0..1 + random.below(16))
            .map(|_| {
                *next += 1;
                (format!("w{writer}-{}", random.below(200)), *next)
            })
            .collect();
        let mut bytes = String::new();
        for (key, value) in &batch {
            bytes.push_str(&format!("SET {key} {value}\r\n"));
            known.pending.insert(key.clone(), *value);
        }
        if c.try_send_raw(bytes.as_bytes()).is_err() {
            return;
        }
        for (key, value) in batch {
            match c.try_reply(narf_tests::DEADLINE) {
                Ok(reply) if reply.to_string() == "+OK" => {
                    known.answered.insert(key, value);
                }
                Ok(reply) => panic!("a write was answered {reply}"),
                Err(Closed) => return,
            }
        }
        known.pending.clear();
    }
}

/// Every answered write is there, or a later one that was asked for.
#[track_caller]
fn check_all_there(node: &Server, known: &mut Known) {
    let mut c = node.client();
    let mut found = BTreeMap::new();
    for (key, answered) in &known.answered {
        let got: u64 = c.run(&format!("GET {key}")).text_or("0").parse().unwrap();
        let latest = known.pending.get(key).copied().unwrap_or(*answered).max(*answered);
        assert!(
            (*answered..=latest).contains(&got),
            "{key} is {got}; answered was {answered}, last asked for {latest}"
        );
        found.insert(key.clone(), got);
    }
    known.answered = found;
    known.pending.clear();
}

#[test]
fn no_answered_write_is_lost_by_kill_9() {
    let cycles: u64 = env_number("NARF_TEST_CYCLES", 15);
    let mut random = Random::new(env_number("NARF_TEST_SEED", 1));
    // Small files, so that the kill also hits the change of files and checkpoints.
    let options = match narf_tests::Kind::under_test() {
        narf_tests::Kind::Narf => kept().set("checkpoint-log-size", "1mb").set("log-segment-size", "1mb"),
        narf_tests::Kind::Redis => kept(),
    };
    let mut node = Server::start(options);
    let mut writers: Vec<(u64, Known, Random)> =
        (0..3).map(|_| (0, Known::default(), random.fork())).collect();
    for _ in 0..cycles {
        let clients: Vec<Client> = writers.iter().map(|_| node.client()).collect();
        let pause = std::time::Duration::from_micros(random.below(150_000));
        let killed = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for (at, (client, (next, known, random))) in clients.into_iter().zip(&mut writers).enumerate() {
                let killed = &killed;
                scope.spawn(move || {
                    write_until_cut(client, at, next, known, random);
                    assert!(killed.load(Ordering::SeqCst), "the server cut a writer before it was killed");
                });
            }
            // The moment of the crash is what is random here; nothing is waited for.
            std::thread::park_timeout(pause);
            killed.store(true, Ordering::SeqCst);
            node.kill9();
        });
        node.restart();
        for (_, known, _) in &mut writers {
            check_all_there(&node, known);
        }
    }
    let written: u64 = writers.iter().map(|(next, _, _)| next).sum();
    assert!(written > cycles * 10, "only {written} writes in {cycles} cycles");
}

#[test]
fn a_transaction_is_there_whole_or_not_at_all_after_kill_9() {
    let mut node = Server::start(kept());
    let keys: Vec<String> = (0..6).map(|i| format!("part{i}")).collect();
    let mut random = Random::new(3);
    let mut answered = 0u64;
    for _ in 0..6 {
        let mut c = node.client();
        let pause = std::time::Duration::from_micros(random.below(60_000));
        std::thread::scope(|scope| {
            let keys = &keys;
            let writer = scope.spawn(move || {
                let mut round = answered;
                loop {
                    round += 1;
                    let sets: String = keys.iter().map(|key| format!("SET {key} {round}\r\n")).collect();
                    if c.try_send_raw(format!("MULTI\r\n{sets}EXEC\r\n").as_bytes()).is_err() {
                        return round - 1;
                    }
                    for _ in 0..keys.len() + 2 {
                        if c.try_reply(narf_tests::DEADLINE) == Err(Closed) {
                            return round - 1;
                        }
                    }
                }
            });
            std::thread::park_timeout(pause);
            node.kill9();
            answered = writer.join().unwrap();
        });
        node.restart();
        let values = node.client().run(&format!("MGET {}", keys.join(" "))).items();
        let first: u64 = values[0].text_or("0").parse().unwrap();
        assert!(values.iter().all(|value| *value == values[0]), "half a transaction: {values:?}");
        assert!(first == answered || first == answered + 1, "answered was {answered}, found {first}");
        answered = first;
    }
}

/// Every file below a folder, largest last.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { all.push(path) }
        }
    }
    all.sort_by_key(|path| std::fs::metadata(path).unwrap().len());
    all
}

#[test]
fn a_torn_tail_is_cut_and_a_damaged_middle_refused() {
    if skip_unless_narf() {
        return;
    }
    let mut node = Server::start(kept());
    let mut c = node.client();
    for i in 0..2000 {
        c.check(&format!("SET k{i} {}", "v".repeat(100)), "+OK");
    }
    node.kill9();
    // The file that holds the entries: the one in which the last key stands.
    let log = files(&node.data_path())
        .into_iter()
        .find(|path| find(&std::fs::read(path).unwrap(), b"k1999").is_some());
    let log = log.expect("a file holds the last write");
    let whole = std::fs::read(&log).unwrap();
    let end = find(&whole, b"k1999").unwrap() + 50;
    // Half of the last entry never reached the disk.
    let mut torn = whole.clone();
    torn[end..].fill(0);
    std::fs::write(&log, &torn).unwrap();
    node.restart_with(|options| options.expect_log("torn").expect_log("tail").expect_log("cut"));
    let mut c = node.client();
    c.check("EXISTS k1998", ":1");
    c.check("DBSIZE", ":1999");
    c.check("SET k1999 again", "+OK");
    node.kill9();
    // One bit in the middle is no torn tail.
    let mut damaged = whole.clone();
    let middle = find(&whole, b"k1000").unwrap() + 20;
    damaged[middle] ^= 1;
    std::fs::write(&log, &damaged).unwrap();
    let options = Options::new().data(Data::At(node.data_path())).expect_log("");
    let (status, text) = Server::start_in_vain(options);
    assert!(!status.success(), "a damaged log was accepted");
    let name = log.file_name().unwrap().to_string_lossy().into_owned();
    assert!(text.contains(&name), "the message does not name {name}: {text}");
    assert!(text.contains("offset"), "the message does not name the offset: {text}");
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).rposition(|window| window == part)
}

/// Whether faults of the disk can be injected here; if not, that is said.
pub(crate) fn can_trace() -> bool {
    let tried = Command::new("strace").args(["-f", "-e", "trace=none", "true"]).output();
    let works = tried.as_ref().is_ok_and(|output| output.status.success());
    if !works {
        skip("strace is missing or may not trace");
    }
    works
}

/// Runs a node whose `nth` such system call is tampered with, writes until it goes away, restarts it without the fault
/// and looks. Whether the fault was hit.
fn survive(call: &str, fault: &str, nth: u32, ack: &str) -> bool {
    let folder = tempfile::TempDir::with_prefix("narf-fault-").unwrap();
    let data = Data::At(folder.path().join("data"));
    // Started once without faults, so that it is not the making of the folder that is hit.
    drop(Server::start(Options::new().workers(1).data(data.clone())));
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:{fault}:when={nth}");
    // With -D the server is our child and the tracer its own, so that a kill reaches the server.
    let strace = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    let options = Options::new().workers(1).data(data).ack(ack).set("fsync-interval", "10ms").expect_log("");
    let mut node = Server::start(options.under(&strace));
    let mut answered = 0u64;
    let mut hit = false;
    let mut c = node.client();
    for i in 1..=5000u64 {
        match c.try_run(&format!("SET k {i}")) {
            Ok(reply) if reply.to_string() == "+OK" => answered = i,
            Ok(reply) => panic!("{fault} at {call} {nth}: answered {reply}"),
            Err(Closed) => {
                hit = true;
                break;
            }
        }
    }
    if hit && fault.starts_with("error") {
        assert!(!node.wait().success(), "{fault} at {call} {nth}: ended as if nothing had happened");
        let log = node.log();
        assert!(log.contains("ERROR"), "{fault} at {call} {nth} is not told: {log}");
    }
    node.kill9();
    node.restart_with(|options| options.under(&[]));
    let got: u64 = node.client().run("GET k").text_or("0").parse().unwrap();
    assert!(
        got == answered || got == answered + 1,
        "{fault} at {call} {nth}, ack {ack}: answered {answered}, found {got}"
    );
    hit
}

#[test]
fn an_injected_fault_at_any_sync_or_write_loses_nothing() {
    if skip_unless_narf() || !can_trace() {
        return;
    }
    let points: u32 = env_number("NARF_TEST_FAULT_POINTS", 3);
    for ack in ["quorum", "durable"] {
        for call in ["fdatasync", "pwritev"] {
            for fault in ["signal=KILL", "error=EIO"] {
                // From the fourth on, as a start has some of its own; spread over the whole run.
                let hits =
                    (0..points).filter(|point| survive(call, fault, 4 + point * 150 / points, ack)).count();
                assert!(
                    hits > 0,
                    "{fault} at {call} with {ack} was never hit; does the log use another call now?"
                );
            }
        }
    }
}
