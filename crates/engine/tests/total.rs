//! Whatever the arguments are, a command answers: it never panics, never leaves half a reply, never changes
//! anything when it refuses.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod support;

use base::{Args, DbIndex, KeyHasher, Millis, Request};
use command::DataCommand;
use engine::{Keyspace, Ledger, Store, check, execute};
use resp::{Reply, Version};
use support::{Requests, Shape};

const NOW: Millis = Millis(1_700_000_000_000);

fn run(
    keyspace: &mut Keyspace,
    now: Millis,
    seed: u64,
    version: Version,
    command: DataCommand,
    args: Args<'_>,
) -> Vec<u8> {
    run_beside((keyspace, &mut Ledger::default()), now, seed, version, command, args)
}

/// The same where numbered requests are kept.
fn run_beside(
    (keyspace, ledger): (&mut Keyspace, &mut Ledger),
    now: Millis,
    seed: u64,
    version: Version,
    command: DataCommand,
    args: Args<'_>,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut store = Store::new(keyspace, DbIndex::ZERO, now, seed);
    store.ledger = Some(ledger);
    execute(command, args, &mut store, &mut Reply::new(&mut out, version));
    out
}

/// The length of the reply at the front of `bytes`.
fn reply_len(bytes: &[u8]) -> usize {
    let line = bytes.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
    let number = || std::str::from_utf8(&bytes[1..line - 2]).unwrap().parse::<i64>().unwrap();
    let elements = |count: i64| (0..count).fold(line, |at, _| at + reply_len(&bytes[at..]));
    match bytes[0] {
        b'$' if number() < 0 => line,
        b'$' => {
            let end = line + number() as usize;
            assert_eq!(&bytes[end..end + 2], b"\r\n");
            end + 2
        }
        b'*' | b'~' => elements(number()),
        b'%' => elements(number() * 2),
        b'+' | b'-' | b':' | b'_' | b',' | b'#' => line,
        other => panic!("no reply starts with {:?}", other as char),
    }
}

fn run_many(shape: Shape, seed: u64, count: usize) {
    let mut requests = Requests::new(seed, shape);
    let (mut keyspace, mut ledger) = (Keyspace::new(KeyHasher::new(1)), Ledger::default());
    for step in 0..count {
        let command = requests.pick(DataCommand::ALL);
        if command == DataCommand::NarfFlush && step % 50 != 0 {
            continue;
        }
        let request = requests.draw_for(command);
        let version = requests.pick(&[Version::Resp2, Version::Resp3]);
        let now = Millis(NOW.0 + step as u64 * 50);
        let (changes, len) = (keyspace.changes(), keyspace.len());
        let reply =
            run_beside((&mut keyspace, &mut ledger), now, step as u64, version, command, request.args());
        assert_eq!(
            reply_len(&reply),
            reply.len(),
            "{request:?} answered {:?}",
            String::from_utf8_lossy(&reply)
        );
        // That a numbered request was refused by a key is kept too.
        if reply[0] == b'-' && command != DataCommand::NarfOnce {
            assert_eq!(
                (keyspace.changes(), keyspace.len()),
                (changes, len),
                "{request:?} was refused and changed"
            );
        }
        if command.spec().is_read_only() {
            assert_eq!(keyspace.changes(), changes, "{request:?} only reads");
        }
        if let Err(error) = check(command, request.args()) {
            let text = error.text();
            assert_eq!(reply[0], b'-', "{request:?} did not pass the check and was carried out");
            assert_eq!(
                reply[1..reply.len() - 2].len(),
                text.len(),
                "{request:?}: {}",
                String::from_utf8_lossy(&text)
            );
        }
    }
}

#[test]
fn plausible_requests_are_answered() {
    (0..4).for_each(|seed| run_many(Shape::Plausible, seed, 10_000));
}

#[test]
fn noise_is_answered() {
    (0..4).for_each(|seed| run_many(Shape::Noise, seed, 10_000));
}

#[test]
fn every_command_without_any_argument_is_answered() {
    for &command in DataCommand::ALL {
        let mut keyspace = Keyspace::new(KeyHasher::new(1));
        let empty = Request::new();
        let reply = run(&mut keyspace, NOW, 0, Version::Resp2, command, empty.args());
        assert_eq!(reply_len(&reply), reply.len(), "{command:?}");
    }
}

#[test]
fn the_same_requests_give_the_same_bytes() {
    let play = || {
        let mut requests = Requests::new(9, Shape::Plausible);
        let mut keyspace = Keyspace::new(KeyHasher::new(1));
        let mut all = Vec::new();
        for step in 0..5_000 {
            let (command, request) = requests.draw();
            all.extend(run(&mut keyspace, NOW, step, Version::Resp3, command, request.args()));
        }
        (all, keyspace.digest(NOW))
    };
    assert!(play() == play());
}

#[test]
fn a_key_that_cannot_be_put_elsewhere_is_not_lost() {
    let mut keyspace = Keyspace::new(KeyHasher::new(1));
    let mut ask = |command, parts: &[&str]| {
        run(&mut keyspace, NOW, 0, Version::Resp2, command, Request::from_parts(parts).args())
    };
    ask(DataCommand::Set, &["SET", "k", "v"]);
    // Database 1 was not borrowed; a router would not have sent these here.
    assert!(ask(DataCommand::Move, &["MOVE", "k", "1"]).starts_with(b"-CROSSSLOT"));
    assert!(ask(DataCommand::Copy, &["COPY", "k", "k", "DB", "1"]).starts_with(b"-CROSSSLOT"));
    assert_eq!(ask(DataCommand::Get, &["GET", "k"]), b"$1\r\nv\r\n");
}

#[test]
fn an_answer_of_repeated_fields_is_bounded() {
    let mut keyspace = Keyspace::new(KeyHasher::new(1));
    let mut ask = |command, parts: &[&str]| {
        run(&mut keyspace, NOW, 0, Version::Resp3, command, Request::from_parts(parts).args())
    };
    ask(DataCommand::HSet, &["HSET", "h", "f", &"x".repeat(1 << 20)]);
    let refused = ask(DataCommand::HRandField, &["HRANDFIELD", "h", "-9223372036854775807"]);
    assert_eq!(refused, b"-ERR value is out of range\r\n");
    let refused = ask(DataCommand::HRandField, &["HRANDFIELD", "h", "-1000", "WITHVALUES"]);
    assert_eq!(refused, b"-ERR value is out of range\r\n");
    assert!(ask(DataCommand::HRandField, &["HRANDFIELD", "h", "-10", "WITHVALUES"]).starts_with(b"*10\r\n"));
}

#[test]
fn internal_requests_delete_put_and_flush() {
    let mut keyspace = Keyspace::new(KeyHasher::new(1));
    let ask = |keyspace: &mut Keyspace, now, command, parts: &[&[u8]]| {
        run(keyspace, Millis(now), 0, Version::Resp2, command, Request::from_parts(parts).args())
    };
    ask(&mut keyspace, 1, DataCommand::Set, &[b"SET", b"a", b"1", b"PX", b"10"]);
    ask(&mut keyspace, 1, DataCommand::HSet, &[b"HSET", b"h", b"f", b"v"]);
    assert_eq!(
        ask(&mut keyspace, 5, DataCommand::NarfExpire, &[b"narf.expire", b"a", b"h", b"x"]),
        b":0\r\n"
    );
    assert_eq!(ask(&mut keyspace, 11, DataCommand::NarfExpire, &[b"narf.expire", b"a", b"h"]), b":1\r\n");

    let mut record = Vec::new();
    engine::encode_entry(keyspace.peek(b"h").unwrap(), &mut record);
    let put = |deadline: &'static [u8], record| [b"narf.put".as_slice(), b"copy", deadline, record];
    assert_eq!(ask(&mut keyspace, 11, DataCommand::NarfPut, &put(b"0", &record)), b"+OK\r\n");
    assert_eq!(ask(&mut keyspace, 11, DataCommand::HGet, &[b"HGET", b"copy", b"f"]), b"$1\r\nv\r\n");
    assert_eq!(ask(&mut keyspace, 11, DataCommand::PTtl, &[b"PTTL", b"copy"]), b":-1\r\n");
    assert_eq!(ask(&mut keyspace, 11, DataCommand::NarfPut, &put(b"30", &record)), b"+OK\r\n");
    assert_eq!(ask(&mut keyspace, 11, DataCommand::PTtl, &[b"PTTL", b"copy"]), b":19\r\n");
    for wrong in [&record[..record.len() - 1], b""] {
        assert_eq!(ask(&mut keyspace, 11, DataCommand::NarfPut, &put(b"0", wrong))[0], b'-');
    }
    assert_eq!(ask(&mut keyspace, 11, DataCommand::NarfPut, &put(b"-1", &record))[0], b'-');

    assert_eq!(ask(&mut keyspace, 11, DataCommand::NarfFlush, &[b"narf.flush"]), b"+OK\r\n");
    assert_eq!(keyspace.len(), 0);
}

#[test]
fn strings_too_long_to_compare_are_refused() {
    let mut keyspace = Keyspace::new(KeyHasher::new(1));
    let mut ask = |command, parts: &[&str]| {
        run(&mut keyspace, NOW, 0, Version::Resp2, command, Request::from_parts(parts).args())
    };
    ask(DataCommand::Set, &["SET", "long", &"ab".repeat(20_000)]);
    ask(DataCommand::Set, &["SET", "short", "ba"]);
    assert_eq!(
        ask(DataCommand::Lcs, &["LCS", "long", "long", "LEN"]),
        b"-ERR Insufficient memory, failed allocating transient memory for LCS\r\n"
    );
    assert_eq!(ask(DataCommand::Lcs, &["LCS", "long", "short"]), b"$2\r\nba\r\n");
    assert_eq!(ask(DataCommand::Lcs, &["LCS", "long", "none"]), b"$0\r\n\r\n");
}
