//! Requests of the sorted set commands.
//!
//! Ranges of names are asked of keys of their own, whose members all have one score: of others Redis promises nothing,
//! and what its big form gives depends on chance.

use command::DataCommand;

use super::{Args, Generator, args, counted_keys, keyed, missing, owned};

/// Keys of sorted sets for ranges of names.
pub(super) const NAMES_KEYS: [&[u8]; 3] = [b"n0", b"n1", b"{tag}n2"];

pub(super) fn data(command: DataCommand, g: &mut Generator) -> Args {
    match command {
        DataCommand::ZAdd => add(g),
        DataCommand::ZCard => args("ZCARD", [g.key()]),
        DataCommand::ZCount => args("ZCOUNT", [g.key(), g.bound(), g.bound()]),
        DataCommand::ZDiff => combine("ZDIFF", false, true, g),
        DataCommand::ZDiffStore => combine("ZDIFFSTORE", false, false, g),
        DataCommand::ZIncrBy => args("ZINCRBY", [g.key(), g.score(), g.member()]),
        DataCommand::ZInter => combine("ZINTER", true, true, g),
        DataCommand::ZInterCard => {
            let mut all = counted_keys("ZINTERCARD", g);
            all.extend(g.line(&["", "", "LIMIT 2", "LIMIT 0", "LIMIT -1", "LIMIT x", "LIMIT", "WITHSCORES"]));
            all
        }
        DataCommand::ZInterStore => combine("ZINTERSTORE", true, false, g),
        DataCommand::ZLexCount => args("ZLEXCOUNT", [g.names_key(), g.name(), g.name()]),
        DataCommand::BZMPop => {
            let mut all = counted_keys("BZMPOP", g);
            all.insert(1, super::list::timeout(g));
            all.extend(g.line(&["MIN", "max", "MAX COUNT 2", "MIN COUNT 0", "MIN COUNT", "LEFT"]));
            all
        }
        DataCommand::BZPopMax => super::list::blocking("BZPOPMAX", g),
        DataCommand::BZPopMin => super::list::blocking("BZPOPMIN", g),
        DataCommand::ZMPop => {
            let mut all = counted_keys("ZMPOP", g);
            all.extend(g.line(&[
                "MIN",
                "MAX",
                "min COUNT 2",
                "MAX count 100",
                "MIN COUNT 0",
                "MIN COUNT x",
                "MIN COUNT",
                "MAX COUNT 1 COUNT 1",
                "LEFT",
                "",
            ]));
            all
        }
        DataCommand::ZMScore => keyed("ZMSCORE", g, 4, Generator::member),
        DataCommand::ZPopMax => pop("ZPOPMAX", g),
        DataCommand::ZPopMin => pop("ZPOPMIN", g),
        DataCommand::ZRandMember => {
            let mut all = args("ZRANDMEMBER", [g.key()]);
            all.extend(g.line(&[
                "",
                "0",
                "1",
                "3",
                "-5",
                "100",
                "2 WITHSCORES",
                "-3 withscores",
                "2 BANANA",
                "x",
                "1 WITHSCORES x",
            ]));
            all
        }
        DataCommand::ZRange => {
            let mut all = args("ZRANGE", []);
            all.extend(range(g, true));
            all
        }
        DataCommand::ZRangeStore => {
            let mut all = args("ZRANGESTORE", [g.key()]);
            all.extend(range(g, false));
            all
        }
        DataCommand::ZRangeByLex => by_lex("ZRANGEBYLEX", g),
        DataCommand::ZRevRangeByLex => by_lex("ZREVRANGEBYLEX", g),
        DataCommand::ZRangeByScore => by_score("ZRANGEBYSCORE", g),
        DataCommand::ZRevRangeByScore => by_score("ZREVRANGEBYSCORE", g),
        DataCommand::ZRevRange => {
            let mut all = args("ZREVRANGE", [g.key(), g.index(), g.index()]);
            all.extend(g.line(&["", "WITHSCORES", "REV", "LIMIT 0 1", "LIMIT 0 -1", "BYSCORE"]));
            all
        }
        DataCommand::ZRank => args("ZRANK", [g.key(), g.member()]),
        DataCommand::ZRevRank => args("ZREVRANK", [g.key(), g.member()]),
        DataCommand::ZRem => {
            let mut all = keyed("ZREM", g, 4, Generator::member);
            if g.random.chance(1, 6) {
                all[1] = g.names_key();
            }
            all
        }
        DataCommand::ZRemRangeByLex => args("ZREMRANGEBYLEX", [g.names_key(), g.name(), g.name()]),
        DataCommand::ZRemRangeByRank => {
            // Seldom much, so that sorted sets grow.
            let mut all = args("ZREMRANGEBYRANK", [g.key()]);
            all.extend(g.line(&["0 0", "-1 -1", "1 2", "-3 -2", "2 1", "100 200", "x 0", "0 x", "0 -1"]));
            all
        }
        DataCommand::ZRemRangeByScore => args("ZREMRANGEBYSCORE", [g.key(), g.bound(), g.bound()]),
        DataCommand::ZScan => {
            let mut all = args("ZSCAN", [g.key(), owned("0")]);
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
        DataCommand::ZScore => args("ZSCORE", [g.key(), g.member()]),
        DataCommand::ZUnion => combine("ZUNION", true, true, g),
        DataCommand::ZUnionStore => combine("ZUNIONSTORE", true, false, g),
        _ => missing(command),
    }
}

impl Generator {
    fn names_key(&mut self) -> Vec<u8> {
        NAMES_KEYS[self.random.below(3) as usize].to_vec()
    }

    /// Mostly one of a few, so that members share it.
    fn score(&mut self) -> Vec<u8> {
        match self.random.below(12) {
            0 => self.pick(&[
                "inf", "-inf", "+inf", "Infinity", "nan", "", " 1", "1e400", "1e-400", "0x1p3", "1e",
            ]),
            1 => self.pick(&[
                "-0",
                "0.0",
                "1e20",
                "-1e300",
                "5e-324",
                "9007199254740993",
                "1e17",
                "4611686018427387905",
            ]),
            2 | 3 => self.float(),
            _ => self.pick(&["0", "1", "1", "2", "2.5", "-3", "10", "1e1"]),
        }
    }

    /// Of a range of scores.
    fn bound(&mut self) -> Vec<u8> {
        match self.random.below(10) {
            0 => {
                self.pick(&["(", "", "x", "((1", "nan", "(nan", " 1", "( 1", "1 ", "1e400", "(0x2", "-1e400"])
            }
            1 | 2 => self.pick(&["-inf", "+inf", "inf", "(inf", "(-inf"]),
            3..=6 => self.score(),
            _ => [b"(".to_vec(), self.score()].concat(),
        }
    }

    /// Of a range of names.
    fn name(&mut self) -> Vec<u8> {
        match self.random.below(8) {
            0 => self.pick(&["", "a", "1", "-x", "++", "[", "("]),
            1 | 2 => self.pick(&["-", "+"]),
            3 | 4 => [b"(".to_vec(), self.member()].concat(),
            _ => [b"[".to_vec(), self.member()].concat(),
        }
    }
}

fn add(g: &mut Generator) -> Args {
    let mut all = args("ZADD", [g.key()]);
    all.extend(g.line(&[
        "", "", "", "", "", "", "CH", "NX", "XX", "GT", "LT", "XX CH", "gt ch", "LT XX", "INCR", "NX INCR",
        "XX INCR", "GT INCR", "LT INCR", "NX XX", "NX GT", "GT LT", "BANANA",
    ]));
    let has_names = g.random.chance(1, 4);
    if has_names {
        all[1] = g.names_key();
    }
    let increments = all.iter().any(|word| word == b"INCR");
    // Seldom so many that the small encoding no longer holds them.
    let many = if g.random.chance(1, 60) { 150 } else { 1 + g.random.below(4) };
    let many = if increments && g.random.chance(4, 5) { 1 } else { many };
    for _ in 0..many {
        all.push(if has_names { owned("0") } else { g.score() });
        let member = if many > 100 { g.random.below(1000).to_string().into_bytes() } else { g.member() };
        all.push(member);
    }
    all
}

/// What `ZRANGE` takes, from the key on.
fn range(g: &mut Generator, answers: bool) -> Args {
    let mut all = match g.random.below(3) {
        0 => vec![g.key(), g.index(), g.index()],
        1 => vec![g.key(), g.bound(), g.bound(), owned("BYSCORE")],
        _ => vec![g.names_key(), g.name(), g.name(), owned("bylex")],
    };
    all.extend(g.line(&["", "", "REV", "rev", "REV REV", "BYLEX", "BANANA"]));
    all.extend(g.line(&[
        "",
        "",
        "LIMIT 0 2",
        "limit 1 -1",
        "LIMIT -1 2",
        "LIMIT 1 0",
        "LIMIT 2",
        "LIMIT x 1",
    ]));
    if answers || g.random.chance(1, 20) {
        all.extend(g.line(&["", "WITHSCORES", "withscores"]));
    }
    all
}

fn by_lex(name: &str, g: &mut Generator) -> Args {
    let mut all = args(name, [g.names_key(), g.name(), g.name()]);
    all.extend(g.line(&["", "", "LIMIT 0 2", "LIMIT 1 -1", "LIMIT -1 1", "LIMIT 1", "WITHSCORES", "REV"]));
    all
}

fn by_score(name: &str, g: &mut Generator) -> Args {
    let mut all = args(name, [g.key(), g.bound(), g.bound()]);
    all.extend(g.line(&[
        "",
        "WITHSCORES",
        "LIMIT 0 2",
        "limit 1 -1 withscores",
        "LIMIT -1 1",
        "LIMIT 1 x",
        "BYLEX",
    ]));
    all
}

/// Keys behind their number, and behind a destination if the result is stored.
fn combine(name: &str, weighs: bool, answers: bool, g: &mut Generator) -> Args {
    let mut all = counted_keys(name, g);
    let keys = all.len() - 2;
    if !answers {
        let destination = g.key();
        all.insert(1, destination);
    }
    if weighs && g.random.chance(1, 3) || g.random.chance(1, 40) {
        all.push(owned("WEIGHTS"));
        for _ in 0..keys {
            let weight = g.pick(&["1", "2", "0", "-1", "0.5", "inf", "-inf", "1", "2", "x"]);
            all.push(weight);
        }
    }
    if weighs && g.random.chance(1, 3) || g.random.chance(1, 40) {
        all.extend(g.line(&[
            "AGGREGATE SUM",
            "AGGREGATE MIN",
            "aggregate max",
            "AGGREGATE AVG",
            "AGGREGATE",
        ]));
    }
    if answers && g.random.chance(1, 2) || g.random.chance(1, 40) {
        all.push(owned("WITHSCORES"));
    }
    all
}

fn pop(name: &str, g: &mut Generator) -> Args {
    let mut all = args(name, [g.key()]);
    all.extend(g.line(&["", "", "", "1", "2", "0", "1000000", "-1", "x", "1 extra"]));
    all
}
