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
