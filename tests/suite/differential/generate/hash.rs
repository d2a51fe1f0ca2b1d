//! Requests of the hash commands.

use command::DataCommand;

use super::{Args, Generator, args, missing, owned, pairs};

pub(super) fn data(command: DataCommand, g: &mut Generator) -> Args {
    match command {
        DataCommand::HDel => {
            let mut all = g.several("HDEL", 4, Generator::field);
            all.insert(1, g.key());
            all
        }
        DataCommand::HExists => args("HEXISTS", [g.key(), g.field()]),
        DataCommand::HGet => args("HGET", [g.key(), g.field()]),
        DataCommand::HGetAll => args("HGETALL", [g.key()]),
        DataCommand::HIncrBy => args("HINCRBY", [g.key(), g.field(), g.int()]),
        DataCommand::HIncrByFloat => args("HINCRBYFLOAT", [g.key(), g.field(), g.float()]),
        DataCommand::HKeys => args("HKEYS", [g.key()]),
        DataCommand::HLen => args("HLEN", [g.key()]),
        DataCommand::HMGet => {
            let mut all = g.several("HMGET", 4, Generator::field);
            all.insert(1, g.key());
            all
        }
        DataCommand::HMSet => hash_pairs("HMSET", g),
        DataCommand::HRandField => {
            let mut all = args("HRANDFIELD", [g.key()]);
            all.extend(g.line(&[
                "",
                "0",
                "1",
                "3",
                "-5",
                "100",
                "2 WITHVALUES",
                "-3 WITHVALUES",
                "100 WITHVALUES",
                "2 BANANA",
                "x",
            ]));
            all
        }
        DataCommand::HScan => {
            let mut all = args("HSCAN", [g.key(), owned("0")]);
            all.extend(g.line(&[
                "",
                "COUNT 2",
                "MATCH f*",
                "MATCH f[1-3] COUNT 1",
                "COUNT 0",
                "COUNT x",
                "BANANA 1",
            ]));
            all
        }
        DataCommand::HSet => {
            // Seldom so many fields that the small encoding no longer holds them.
            if g.random.chance(1, 100) {
                let fields = (0..513).flat_map(|i| [format!("many{i}").into_bytes(), b"v".to_vec()]);
                let key = g.key();
                args("HSET", [key].into_iter().chain(fields))
            } else {
                hash_pairs("HSET", g)
            }
        }
        DataCommand::HSetNx => args("HSETNX", [g.key(), g.field(), g.value()]),
        DataCommand::HStrLen => args("HSTRLEN", [g.key(), g.field()]),
        DataCommand::HVals => args("HVALS", [g.key()]),
        _ => missing(command),
    }
}

fn hash_pairs(name: &str, g: &mut Generator) -> Args {
    let mut all = pairs(name, g, Generator::field);
    all.insert(1, g.key());
    all
}
