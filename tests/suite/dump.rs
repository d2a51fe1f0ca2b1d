//! `DUMP` and `RESTORE`: here, and between Narf and `redis-server` in both directions.

use base::Random;
use narf_tests::{
    Client, Kind, Options, Server, Value, env_number, on_one_and_two_workers, skip_unless_narf,
};

on_one_and_two_workers!(
    a_dumped_value_comes_back,
    restore_refuses_what_redis_refuses,
    a_restored_key_has_its_deadline_and_its_use,
    a_value_is_restored_in_a_transaction_and_after_a_restart_of_the_keyspace,
);

fn dump(c: &mut Client, key: &str) -> Vec<u8> {
    c.run_args(&["DUMP", key]).bytes().to_vec()
}

fn restore(c: &mut Client, key: &str, ttl: &str, payload: &[u8], options: &[&str]) -> Value {
    let mut args: Vec<&[u8]> = vec![b"RESTORE", key.as_bytes(), ttl.as_bytes(), payload];
    args.extend(options.iter().map(|option| option.as_bytes()));
    c.run_args(&args)
}

#[track_caller]
fn check(reply: Value, expect: &str) {
    assert_eq!(reply.to_string(), expect);
}

fn a_dumped_value_comes_back(node: &Server) {
    let mut c = node.client();
    c.check("DUMP none", "nil");
    c.check("SET text hello", "+OK");
    c.check("RPUSH list a 1 -5000 bb", ":4");
    c.check("HSET hash f v g 7", ":2");
    // To the byte what redis-server 7.0.15 gives for the same.
    assert_eq!(dump(&mut c, "text"), b"\x00\x05hello\x0a\x00cr\xdfve4 \x0a");
    assert_eq!(
        dump(&mut c, "list"),
        b"\x12\x01\x02\x14\x14\x00\x00\x00\x04\x00\x81a\x02\x01\x01\xf1x\xec\x03\x82bb\x03\xff\x0a\x00e\x0a\xfb]\x98\xd9So"
    );
    let hash = dump(&mut c, "hash");
    assert_eq!(
        hash,
        b"\x10\x12\x12\x00\x00\x00\x04\x00\x81f\x02\x81v\x02\x81g\x02\x07\x01\xff\x0a\x00g\x0fs\xbad\xa7\xf2\xa2"
    );
    check(restore(&mut c, "copy", "0", &hash, &[]), "+OK");
    c.check("HGETALL copy", r#"["f", "v", "g", "7"]"#);
    c.check("OBJECT ENCODING copy", r#""listpack""#);
    c.check("TTL copy", ":-1");
}

fn restore_refuses_what_redis_refuses(node: &Server) {
    let mut c = node.client();
    c.check("SET k v", "+OK");
    let payload = dump(&mut c, "k");
    let mut damaged = payload.clone();
    damaged[1] ^= 1;
    type Case<'a> = (&'a str, &'a str, &'a [u8], &'a [&'a str], &'a str);
    let cases: &[Case<'_>] = &[
        ("k", "0", &payload, &[], "-BUSYKEY Target key name already exists."),
        ("k", "x", &damaged, &[], "-BUSYKEY Target key name already exists."),
        ("k", "x", &damaged, &["REPLACE"], "-ERR value is not an integer or out of range"),
        ("n", "-1", &damaged, &[], "-ERR Invalid TTL value, must be >= 0"),
        ("n", "9223372036854775807", &damaged, &[], "-ERR DUMP payload version or checksum are wrong"),
        // Beyond the end of time, which is to Redis as if it were long ago.
        ("n", "9223372036854775807", &payload, &[], "+OK"),
        ("n", "0", &damaged, &[], "-ERR DUMP payload version or checksum are wrong"),
        ("n", "0", &payload[..12], &[], "-ERR DUMP payload version or checksum are wrong"),
        ("n", "0", b"", &[], "-ERR DUMP payload version or checksum are wrong"),
        ("n", "0", &damaged, &["BANANA"], "-ERR syntax error"),
        ("n", "0", &damaged, &["FREQ"], "-ERR syntax error"),
        ("n", "0", &damaged, &["FREQ", "256"], "-ERR Invalid FREQ value, must be >= 0 and <= 255"),
        ("n", "0", &damaged, &["IDLETIME", "-1"], "-ERR Invalid IDLETIME value, must be >= 0"),
        ("n", "0", &damaged, &["IDLETIME", "1", "FREQ", "1"], "-ERR syntax error"),
        ("n", "0", &damaged, &["IDLETIME", "x"], "-ERR value is not an integer or out of range"),
    ];
    for (key, ttl, payload, options, expect) in cases {
        check(restore(&mut c, key, ttl, payload, options), expect);
    }
    // A list of no known node, in an envelope that is right: of a CRC that redis-server 7.0.15 would accept too.
    let wrong = b"\x12\x01\x07\x01a\x0a\x00";
    let mut wrong = wrong.to_vec();
    wrong.extend(crc64(&wrong).to_le_bytes());
    check(restore(&mut c, "n", "0", &wrong, &[]), "-ERR Bad data format");
    c.check("EXISTS n", ":0");
    c.check("GET k", r#""v""#);
}

/// A bit at a time, so that it shares nothing with the product's.
fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, &byte| {
        (0..8).fold(sum ^ u64::from(byte), |sum, _| {
            if sum & 1 == 1 { sum >> 1 ^ 0x95AC_9329_AC4B_C9B5 } else { sum >> 1 }
        })
    })
}

fn a_restored_key_has_its_deadline_and_its_use(node: &Server) {
    let mut c = node.client();
    c.check("SET k v", "+OK");
    let payload = dump(&mut c, "k");
    check(restore(&mut c, "soon", "100000", &payload, &[]), "+OK");
    assert!((90_000..=100_000).contains(&c.run("PTTL soon").int()));
    check(restore(&mut c, "soon", "33177117420000", &payload, &["REPLACE", "ABSTTL"]), "+OK");
    c.check("PEXPIRETIME soon", ":33177117420000");
    check(restore(&mut c, "soon", "0", &payload, &["ABSTTL", "REPLACE"]), "+OK");
    c.check("PTTL soon", ":-1");
    // What is past already never comes to be, and takes with it what it replaces.
    check(restore(&mut c, "past", "1000", &payload, &["ABSTTL"]), "+OK");
    c.check("EXISTS past", ":0");
    check(restore(&mut c, "soon", "1000", &payload, &["ABSTTL", "REPLACE"]), "+OK");
    c.check("EXISTS soon", ":0");
    check(restore(&mut c, "idle", "0", &payload, &["IDLETIME", "1000"]), "+OK");
    assert!((1000..1100).contains(&c.run("OBJECT IDLETIME idle").int()));
}

fn a_value_is_restored_in_a_transaction_and_after_a_restart_of_the_keyspace(node: &Server) {
    let mut c = node.client();
    c.check("ZADD z 1 a 2.5 b -inf c", ":3");
    let payload = dump(&mut c, "z");
    c.check("MULTI", "+OK");
    check(restore(&mut c, "z", "0", &payload, &["REPLACE"]), "+QUEUED");
    check(restore(&mut c, "other", "0", &payload, &[]), "+QUEUED");
    c.check("EXEC", "[+OK, +OK]");
    c.check("DEBUG RELOAD", "+OK");
    c.check("ZRANGE other 0 -1 WITHSCORES", r#"["c", "-inf", "a", "1", "b", "2.5"]"#);
}

#[test]
fn migrate_says_what_to_do_instead() {
    if skip_unless_narf() {
        return;
    }
    let reply = Server::new().client().run("MIGRATE 127.0.0.1 6379 k 0 1000");
    assert!(reply.to_string().starts_with("-ERR MIGRATE is not supported"), "{reply}");
}

/// A piece of a value: numbers of all widths, short and long texts, such as pack well, and any bytes.
fn piece(random: &mut Random, n: u64) -> Vec<u8> {
    match random.below(12) {
        0 | 1 => n.to_string().into_bytes(),
        2 | 3 => {
            let width = random.below(63);
            let number = random.next_u64() as i64 >> width;
            number.to_string().into_bytes()
        }
        4 => format!("{n}{}", "ab".repeat(random.below(400) as usize)).into_bytes(),
        5 => (0..random.below(90)).map(|_| random.next_u64() as u8).chain(n.to_le_bytes()).collect(),
        6 if random.chance(1, 20) => (0..20_000).map(|_| random.next_u64() as u8).collect(),
        _ => format!("piece {n}").into_bytes(),
    }
}

fn score(random: &mut Random) -> String {
    match random.below(6) {
        0 => ["inf", "-inf", "0", "-0.5", "1e300", "5e-324"][random.below(6) as usize].to_owned(),
        1 => (random.next_u64() as i64 >> 20).to_string(),
        _ => (random.next_u64() as f64 / 1e15).to_string(),
    }
}

/// A request that makes a value of a random type and size under `key`.
fn value(random: &mut Random, key: &str) -> Vec<Vec<u8>> {
    let len = [1, 3, 20, 130, 600][random.below(5) as usize];
    let only_numbers = random.chance(1, 2);
    let name = ["SET", "RPUSH", "SADD", "HSET", "ZADD"][random.below(5) as usize];
    let mut args: Vec<Vec<u8>> = vec![name.into(), key.into()];
    for n in 0..if name == "SET" { 1 } else { len } {
        match name {
            "ZADD" => args.extend([score(random).into_bytes(), piece(random, n)]),
            "HSET" => args.extend([piece(random, n), piece(random, n)]),
            "SADD" if only_numbers => {
                let width = 64 - random.below(60);
                args.push((random.next_u64() as i64 >> (64 - width)).to_string().into_bytes());
            }
            _ => args.push(piece(random, n)),
        }
    }
    args
}

/// What is under a key, in a form that is the same on both servers: 7.0 writes scores with more digits than need be.
fn content(c: &mut Client, key: &str) -> Vec<Vec<u8>> {
    let kind = c.run(&format!("TYPE {key}")).text();
    let request = match kind.as_str() {
        "string" => return vec![c.run(&format!("GET {key}")).bytes().to_vec()],
        "list" => format!("LRANGE {key} 0 -1"),
        "set" => format!("SMEMBERS {key}"),
        "hash" => format!("HGETALL {key}"),
        _ => format!("ZRANGE {key} 0 -1 WITHSCORES"),
    };
    let items: Vec<Vec<u8>> = c.run(&request).items().iter().map(|item| item.bytes().to_vec()).collect();
    assert!(!items.is_empty(), "{request}");
    let mut joined: Vec<Vec<u8>> = match kind.as_str() {
        "list" => return items,
        "set" => items,
        "hash" => items.chunks(2).map(|pair| pair.join(&b"="[..])).collect(),
        _ => items
            .chunks(2)
            .map(|pair| {
                let score: f64 = std::str::from_utf8(&pair[1]).unwrap().parse().unwrap();
                [&pair[0][..], &score.to_le_bytes()].concat()
            })
            .collect(),
    };
    joined.sort();
    joined
}

/// Values of every type and size, made on one server, go to the other and come back as they were.
fn travel(from: &Server, to: &Server, seed: u64) {
    let (mut from, mut to) = (from.client(), to.client());
    let mut random = Random::new(seed);
    for round in 0..env_number("NARF_TEST_COMMANDS", 400u64) {
        for setting in [
            "rdbcompression yes",
            "rdbcompression no",
            "list-max-listpack-size 3",
            "list-max-listpack-size -2",
            "hash-max-listpack-entries 10",
            "hash-max-listpack-entries 512",
            "set-max-intset-entries 512",
            "set-max-intset-entries 2",
        ] {
            if random.chance(1, 8) {
                for c in [&mut from, &mut to] {
                    // Not every server has each setting.
                    c.run(&format!("CONFIG SET {setting}"));
                }
            }
        }
        let request = value(&mut random, "k");
        from.run_args(&request);
        let payload = dump(&mut from, "k");
        check(restore(&mut to, "k", "0", &payload, &["REPLACE"]), "+OK");
        let before = content(&mut from, "k");
        let words = request.len();
        assert!(
            content(&mut to, "k") == before,
            "round {round} of seed {seed}, {words} words, is not the same"
        );
        // And back again, as it is kept there.
        let payload = dump(&mut to, "k");
        check(restore(&mut from, "back", "0", &payload, &["REPLACE"]), "+OK");
        assert!(
            content(&mut from, "back") == before,
            "round {round} of seed {seed} comes back as something else"
        );
        from.run("DEL k");
    }
}

#[test]
fn values_of_redis_are_restored_here_and_go_back() {
    let (redis, narf) = (Server::start(Options::new().kind(Kind::Redis)), Server::new());
    travel(&redis, &narf, env_number("NARF_TEST_SEED", 11));
}

#[test]
fn values_from_here_are_restored_in_redis_and_come_back() {
    let (redis, narf) = (Server::start(Options::new().kind(Kind::Redis)), Server::new());
    travel(&narf, &redis, env_number("NARF_TEST_SEED", 12));
}
