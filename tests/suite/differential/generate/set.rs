//! Requests of the set commands.

use command::DataCommand;

use super::{Args, Generator, args, counted_keys, keyed, missing, owned};

pub(super) fn data(command: DataCommand, g: &mut Generator) -> Args {
    match command {
        DataCommand::SAdd => {
            // Seldom so many that the small encodings no longer hold them.
            if g.random.chance(1, 50) {
                let members = (0..600).map(|i| (i * 3).to_string().into_bytes());
                let key = g.key();
                args("SADD", [key].into_iter().chain(members))
            } else {
                keyed("SADD", g, 5, Generator::member)
            }
        }
        DataCommand::SCard => args("SCARD", [g.key()]),
        DataCommand::SDiff => g.several("SDIFF", 3, Generator::key),
        DataCommand::SDiffStore => keyed("SDIFFSTORE", g, 3, Generator::key),
        DataCommand::SInter => g.several("SINTER", 3, Generator::key),
        DataCommand::SDiffCard | DataCommand::SInterCard | DataCommand::SUnionCard => {
            let mut all = counted_keys(&command.spec().display_name(), g);
            all.extend(g.line(&["", "", "LIMIT 2", "LIMIT 0", "LIMIT -1", "LIMIT x", "LIMIT", "BANANA 1"]));
            if command == DataCommand::SUnionCard && g.random.chance(1, 3) {
                all.push(owned("APPROX"));
            }
            all
        }
        DataCommand::SInterStore => keyed("SINTERSTORE", g, 3, Generator::key),
        DataCommand::SIsMember => args("SISMEMBER", [g.key(), g.member()]),
        DataCommand::SMembers => args("SMEMBERS", [g.key()]),
        DataCommand::SMIsMember => keyed("SMISMEMBER", g, 4, Generator::member),
        DataCommand::SMove => args("SMOVE", [g.key(), g.key(), g.member()]),
        // Which members are taken is chance: only taking none or all of them leaves both servers alike.
        DataCommand::SPop => {
            let mut all = args("SPOP", [g.key()]);
            all.extend(g.line(&["0", "1000000", "9223372036854775807", "-1", "x", "1000000 extra"]));
            all
        }
        DataCommand::SRandMember => {
            let mut all = args("SRANDMEMBER", [g.key()]);
            all.extend(g.line(&["", "0", "1", "3", "-5", "100", "2 BANANA", "x"]));
            all
        }
        DataCommand::SRem => keyed("SREM", g, 4, Generator::member),
        DataCommand::SScan => {
            let mut all = args("SSCAN", [g.key(), owned("0")]);
            all.extend(g.line(&[
                "",
                "COUNT 2",
                "MATCH m*",
                "MATCH [1-3]* COUNT 1",
                "COUNT 0",
                "COUNT x",
                "BANANA 1",
            ]));
            all
        }
        DataCommand::SUnion => g.several("SUNION", 3, Generator::key),
        DataCommand::SUnionStore => keyed("SUNIONSTORE", g, 3, Generator::key),
        _ => missing(command),
    }
}
