//! Requests of the commands on keys of any type.

use command::DataCommand;

use super::{Args, Generator, args, missing, owned};

pub(super) fn data(command: DataCommand, g: &mut Generator) -> Args {
    match command {
        DataCommand::Copy => {
            let mut all = args("COPY", [g.key(), g.key()]);
            all.extend(g.line(&[
                "",
                "",
                "REPLACE",
                "DB 0",
                "DB 1",
                "DB 2 REPLACE",
                "DB 77",
                "DB x",
                "REPLACE BANANA",
            ]));
            all
        }
        DataCommand::Del => g.several("DEL", 2, Generator::key),
        DataCommand::Dump => args("DUMP", [g.key()]),
        DataCommand::Exists => g.several("EXISTS", 4, Generator::key),
        DataCommand::Expire => deadline("EXPIRE", g, Generator::far_seconds),
        DataCommand::ExpireAt => deadline("EXPIREAT", g, Generator::absolute_seconds),
        DataCommand::ExpireTime => args("EXPIRETIME", [g.key()]),
        DataCommand::Move => {
            let mut all = args("MOVE", [g.key()]);
            all.extend(g.line(&["0", "1", "2", "9", "16", "x"]));
            all
        }
        DataCommand::ObjectEncoding => args("OBJECT", [owned("ENCODING"), g.key()]),
        DataCommand::ObjectFreq => args("OBJECT", [owned("FREQ"), g.key()]),
        DataCommand::ObjectIdleTime => args("OBJECT", [owned("IDLETIME"), g.key()]),
        DataCommand::ObjectRefCount => args("OBJECT", [owned("REFCOUNT"), g.key()]),
        DataCommand::Persist => args("PERSIST", [g.key()]),
        DataCommand::PExpire => deadline("PEXPIRE", g, |g| g.far_seconds() * 1000),
        DataCommand::PExpireAt => deadline("PEXPIREAT", g, |g| g.absolute_seconds() * 1000),
        DataCommand::PExpireTime => args("PEXPIRETIME", [g.key()]),
        DataCommand::PTtl => args("PTTL", [g.key()]),
        DataCommand::Rename => args("RENAME", [g.key(), g.key()]),
        DataCommand::RenameNx => args("RENAMENX", [g.key(), g.key()]),
        DataCommand::Restore => restore(g),
        DataCommand::Sort => sort("SORT", true, g),
        DataCommand::SortRo => sort("SORT_RO", false, g),
        DataCommand::Touch => g.several("TOUCH", 4, Generator::key),
        DataCommand::Ttl => args("TTL", [g.key()]),
        DataCommand::Type => args("TYPE", [g.key()]),
        DataCommand::Unlink => g.several("UNLINK", 2, Generator::key),
        DataCommand::MemoryUsage => {
            let mut all = args("MEMORY", [owned("USAGE"), g.key()]);
            all.extend(g.line(&["", "", "SAMPLES 0", "SAMPLES 5", "SAMPLES x", "SAMPLES -1", "BANANA"]));
            all
        }
        DataCommand::DebugObject => args("DEBUG", [owned("OBJECT"), g.key()]),
        DataCommand::DebugDigestValue => args("DEBUG", [owned("DIGEST-VALUE"), g.key()]),
        _ => missing(command),
    }
}

/// What `redis-server` 7.0 gives for a value of each type, whole.
const PAYLOADS: &[&[u8]] = &[
    b"\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce",
    b"\x00\xc190\x0a\x00\x9d\x94\xea'\x93\xfc\x08\xb9",
    b"\x00\xc3\x09@d\x01aa\xe0W\x00\x01aa\x0a\x00\xe8\xa3\xb5\x07\xb0m\xf2q",
    b"\x12\x01\x02\x14\x14\x00\x00\x00\x04\x00\x81a\x02\x01\x01\xf1x\xec\x03\x82bb\x03\xff\x0a\x00e\x0a\xfb]\x98\xd9So",
    b"\x0b\x14\x04\x00\x00\x00\x03\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\xe0\x93\x04\x00\x0a\x00t/3HHlj9",
    b"\x02\x02\x01b\x01a\x0a\x00u\xd9\x9d\x83^\xf8_e",
    b"\x10\x12\x12\x00\x00\x00\x04\x00\x81f\x02\x81v\x02\x81g\x02\x07\x01\xff\x0a\x00g\x0fs\xbad\xa7\xf2\xa2",
    b"\x11\x1d\x1d\x00\x00\x00\x06\x00\x81c\x02\x84-inf\x05\x81a\x02\x01\x01\x81b\x02\x832.5\x04\xff\x0a\x009\x923\x9b\xe1\x1f2=",
];

fn restore(g: &mut Generator) -> Args {
    let ttl = match g.random.below(12) {
        0 => owned("-1"),
        1 => owned("x"),
        2 | 3 => (g.far_seconds() * 1000).to_string().into_bytes(),
        _ => owned("0"),
    };
    let mut payload = PAYLOADS[g.random.below(PAYLOADS.len() as u64) as usize].to_vec();
    if g.random.chance(1, 10) {
        let at = g.random.below(payload.len() as u64) as usize;
        payload[at] ^= 1;
    }
    let mut all = args("RESTORE", [g.key(), ttl, payload]);
    all.extend(g.line(&[
        "",
        "",
        "REPLACE",
        "REPLACE",
        "replace ABSTTL",
        "IDLETIME 5",
        "IDLETIME -1",
        "FREQ 7 REPLACE",
        "FREQ 256",
        "FREQ",
        "IDLETIME 1 FREQ 1",
        "FREQ x",
        "BANANA",
    ]));
    all
}

fn deadline(name: &str, g: &mut Generator, far: impl Fn(&mut Generator) -> i64) -> Args {
    let time = match g.random.below(10) {
        0 => -1,
        1 => 0,
        2 => i64::MAX,
        3 => i64::MIN,
        _ => far(g),
    };
    let mut all = args(name, [g.key(), time.to_string().into_bytes()]);
    all.extend(
        g.line(&["", "", "", "NX", "XX", "GT", "LT", "XX GT", "XX LT", "NX GT", "GT LT", "BANANA", "nx xx"]),
    );
    all
}

/// Members are mostly small numbers, which name other keys behind a `k`.
fn sort(name: &str, stores: bool, g: &mut Generator) -> Args {
    let mut all = args(name, [g.key()]);
    let by = g.line(&["", "", "BY nosort", "BY k*", "BY k*", "BY k*->f1", "by k*->f2", "BY #", "BY"]);
    let alphabetic = g.random.chance(1, 2);
    let stores = stores && g.random.chance(1, 3);
    // What weighs the same as text is left by Redis as it finds it, and a set is found in any order.
    let has_ties = alphabetic && by.len() > 1;
    all.extend(by);
    if alphabetic {
        all.push(g.pick(&["ALPHA", "alpha"]));
    }
    all.extend(g.line(&["", "ASC", "DESC", "desc"]));
    all.extend(g.line(&[
        "",
        "",
        "",
        "LIMIT 0 2",
        "LIMIT 1 3",
        "LIMIT -1 2",
        "LIMIT 2 -1",
        "LIMIT 1 0",
        "LIMIT x 1",
        "LIMIT 1",
    ]));
    for _ in 0..g.random.below(3) {
        all.extend(g.line(&["GET #", "GET k*", "GET k*->f1", "get nothing", "GET"]));
    }
    if stores && !has_ties {
        all.extend([owned("STORE"), g.key()]);
    }
    all
}
