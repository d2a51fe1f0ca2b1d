//! Requests and replies to the letter. Those under `scripts/` were recorded from redis-server 7.0.15; a blank
//! line starts over with no keys.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::fmt::Write;

use base::{DbIndex, KeyHasher, Millis, Request};
use command::{Lookup, Run};
use engine::{Keyspace, KeyspaceSet, RequestError, Store, execute};
use resp::{Reply, Version};

const NOW: Millis = Millis(1_700_000_000_000);

/// All databases, each in one keyspace.
struct Databases(Vec<Keyspace>);

impl Databases {
    fn new() -> Databases {
        Databases((0..DbIndex::COUNT).map(|_| Keyspace::new(KeyHasher::new(7))).collect())
    }
}

impl KeyspaceSet for Databases {
    fn keyspace_of(&mut self, db: DbIndex, _key: &[u8]) -> Option<&mut Keyspace> {
        self.0.get_mut(usize::from(db.number()))
    }

    fn existing(&self, db: DbIndex, _key: &[u8]) -> Option<&Keyspace> {
        self.0.get(usize::from(db.number()))
    }
}

/// Words between spaces; `"…"` is one word.
fn words(line: &str) -> Request {
    let mut request = Request::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (word, next) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap(),
            None => rest.split_at(rest.find(' ').unwrap_or(rest.len())),
        };
        request.push(word.as_bytes());
        rest = next.trim_start();
    }
    request
}

fn answer(databases: &mut Databases, line: &str, version: Version) -> Vec<u8> {
    let request = words(line);
    let Lookup::Found(spec) = command::lookup(request.args()) else { panic!("no such command: {line}") };
    let Run::Data(command) = spec.run else { panic!("not a data command: {line}") };
    let mut out = Vec::new();
    let mut reply = Reply::new(&mut out, version);
    if spec.arity_ok(request.args().len()) {
        execute(command, request.args(), &mut Store::over(databases, DbIndex::ZERO, NOW, 1), &mut reply);
    } else {
        RequestError::Arity(command).write(&mut reply);
    }
    out
}

/// One reply on one line, and what follows it.
fn show<'a>(bytes: &'a [u8], out: &mut String) -> &'a [u8] {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n").unwrap();
    let (head, rest) = (std::str::from_utf8(&bytes[1..end]).unwrap(), &bytes[end + 2..]);
    match bytes[0] {
        b'$' if head == "-1" => out.push_str("nil"),
        b'*' if head == "-1" => out.push_str("nil-array"),
        b'_' => out.push_str("null"),
        b':' => out.push_str(head),
        b'+' | b'-' => write!(out, "{}{head}", bytes[0] as char).unwrap(),
        b'$' => {
            let (text, rest) = rest.split_at(head.parse().unwrap());
            out.push('"');
            for &byte in text {
                match byte {
                    b'"' | b'\\' => write!(out, "\\x{byte:02x}").unwrap(),
                    32..127 => out.push(byte as char),
                    _ => write!(out, "\\x{byte:02x}").unwrap(),
                }
            }
            out.push('"');
            return &rest[2..];
        }
        b'*' => return show_all(rest, head, ["[", ", ", "]"], out),
        b'%' => {
            return show_all(rest, &(head.parse::<usize>().unwrap() * 2).to_string(), ["{", ": ", "}"], out);
        }
        other => panic!("no reply starts with {:?}", other as char),
    }
    rest
}

fn show_all<'a>(
    mut bytes: &'a [u8],
    count: &str,
    [open, odd, close]: [&str; 3],
    out: &mut String,
) -> &'a [u8] {
    out.push_str(open);
    for at in 0..count.parse::<usize>().unwrap() {
        match at {
            0 => {}
            at if at % 2 == 1 => out.push_str(odd),
            _ => out.push_str(", "),
        }
        bytes = show(bytes, out);
    }
    out.push_str(close);
    bytes
}

#[track_caller]
fn check(script: &str, version: Version) {
    let mut databases = Databases::new();
    let mut lines = script.lines().enumerate();
    let mut wrong = String::new();
    while let Some((_, line)) = lines.next() {
        let Some(request) = line.strip_prefix("> ") else {
            assert!(line.is_empty(), "neither a request nor blank: {line}");
            databases = Databases::new();
            continue;
        };
        let (number, expect) = lines.next().expect("a reply follows a request");
        let reply = answer(&mut databases, request, version);
        let mut shown = String::new();
        assert!(show(&reply, &mut shown).is_empty(), "more than one reply to {request}");
        if shown != expect {
            writeln!(wrong, "line {}: {request}\n  expect {expect}\n  got    {shown}", number + 1).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn strings_answer_as_redis_does() {
    check(include_str!("scripts/string.txt"), Version::Resp2);
}

#[test]
fn hashes_answer_as_redis_does() {
    check(include_str!("scripts/hash.txt"), Version::Resp2);
}

#[test]
fn keys_answer_as_redis_does() {
    check(include_str!("scripts/generic.txt"), Version::Resp2);
}

#[test]
fn deadlines_answer_as_redis_does() {
    check(include_str!("scripts/expire.txt"), Version::Resp2);
}

#[test]
fn looks_inside_answer_as_redis_does() {
    check(include_str!("scripts/object.txt"), Version::Resp2);
}

#[test]
fn resp3_has_the_forms_redis_gives_it() {
    check(include_str!("scripts/resp3.txt"), Version::Resp3);
}
