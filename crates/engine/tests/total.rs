//! Whatever the arguments are, a command answers: it never panics, never leaves half a reply, never changes
//! anything when it refuses.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use base::{Args, DbIndex, KeyHasher, Millis, Request};
use command::DataCommand;
use engine::{Keyspace, Store, check, execute};
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
    let mut out = Vec::new();
    let mut store = Store::new(keyspace, DbIndex::ZERO, now, seed);
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
    let mut keyspace = Keyspace::new(KeyHasher::new(1));
    for step in 0..count {
        let command = requests.pick(DataCommand::ALL);
        if command == DataCommand::NarfFlush && step % 50 != 0 {
            continue;
        }
        let request = requests.draw_for(command);
        let version = requests.pick(&[Version::Resp2, Version::Resp3]);
        let now = Millis(NOW.0 + step as u64 * 50);
        let (changes, len) = (keyspace.changes(), keyspace.len());
        let reply = run(&mut keyspace, now, step as u64, version, command, request.args());
        assert_eq!(
            reply_len(&reply),
            reply.len(),
            "{request:?} answered {:?}",
            String::from_utf8_lossy(&reply)
        );
        if reply[0] == b'-' {
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
