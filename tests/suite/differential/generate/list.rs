//! Requests of the list commands.

use command::DataCommand;

use super::{Args, Generator, args, counted_keys, keyed, missing};

pub(super) fn data(command: DataCommand, g: &mut Generator) -> Args {
    match command {
        DataCommand::BLMove => {
            let mut all = args("BLMOVE", [g.key(), g.key()]);
            all.extend(g.line(&["LEFT LEFT", "LEFT RIGHT", "right LEFT", "LEFT TOP", "UP LEFT"]));
            all.push(timeout(g));
            all
        }
        DataCommand::BLMoveM | DataCommand::LMoveM => {
            let name = command.spec().name;
            let mut all = args(name, [g.key(), g.key()]);
            all.extend(g.line(&["LEFT LEFT", "LEFT RIGHT", "right LEFT", "RIGHT RIGHT", "LEFT TOP"]));
            if command == DataCommand::BLMoveM {
                all.push(timeout(g));
            }
            all.extend(g.line(&[
                "",
                "COUNT 2 OBO",
                "COUNT 100 BULK",
                "EXACTLY 3 obo",
                "exactly 2 BULK",
                "COUNT 0 OBO",
                "COUNT x BULK",
                "EXACTLY 2",
                "COUNT 2 SIDEWAYS",
            ]));
            all
        }
        DataCommand::BLMPop => {
            let mut all = counted_keys("BLMPOP", g);
            all.insert(1, timeout(g));
            all.extend(g.line(&["LEFT", "RIGHT", "left COUNT 2", "LEFT COUNT 0", "LEFT COUNT", "TOP"]));
            all
        }
        DataCommand::BLPop => blocking("BLPOP", g),
        DataCommand::BRPop => blocking("BRPOP", g),
        DataCommand::BRPopLPush => args("BRPOPLPUSH", [g.key(), g.key(), timeout(g)]),
        DataCommand::LIndex => args("LINDEX", [g.key(), g.index()]),
        DataCommand::LInsert => {
            let side = g.pick(&["BEFORE", "AFTER", "before", "After", "BESIDE"]);
            args("LINSERT", [g.key(), side, g.element(), g.element()])
        }
        DataCommand::LLen => args("LLEN", [g.key()]),
        DataCommand::LMove => {
            let mut all = args("LMOVE", [g.key(), g.key()]);
            all.extend(g.line(&[
                "LEFT LEFT",
                "LEFT RIGHT",
                "RIGHT LEFT",
                "right right",
                "LEFT TOP",
                "UP LEFT",
            ]));
            all
        }
        DataCommand::LMPop => {
            let mut all = counted_keys("LMPOP", g);
            all.extend(g.line(&[
                "LEFT",
                "RIGHT",
                "left COUNT 2",
                "RIGHT count 100",
                "LEFT COUNT 0",
                "LEFT COUNT x",
                "LEFT COUNT",
                "RIGHT COUNT 1 COUNT 1",
                "TOP",
                "",
            ]));
            all
        }
        DataCommand::LPop => pop("LPOP", g),
        DataCommand::LPos => {
            let mut all = args("LPOS", [g.key(), g.element()]);
            all.extend(g.line(&[
                "",
                "",
                "RANK 1",
                "RANK 2",
                "RANK -1",
                "RANK -2 COUNT 2",
                "RANK 0",
                "RANK x",
                "COUNT 0",
                "COUNT 2",
                "COUNT -1",
                "COUNT x",
                "MAXLEN 3",
                "MAXLEN 0 COUNT 1",
                "MAXLEN -1",
                "MAXLEN x",
                "RANK",
                "BANANA 1",
            ]));
            all
        }
        DataCommand::LPush => push("LPUSH", g),
        DataCommand::LPushX => keyed("LPUSHX", g, 4, Generator::element),
        DataCommand::LRange => args("LRANGE", [g.key(), g.index(), g.index()]),
        DataCommand::LRem => {
            let count = g.pick(&["0", "0", "1", "2", "-1", "-2", "x", "-9223372036854775808"]);
            args("LREM", [g.key(), count, g.element()])
        }
        DataCommand::LSet => args("LSET", [g.key(), g.index(), g.element()]),
        // Seldom much is cut off, so that lists grow.
        DataCommand::LTrim => {
            let mut all = args("LTRIM", [g.key()]);
            all.extend(g.line(&["0 -1", "1 -1", "0 -2", "0 500", "-500 -1", "2 1", "-3 2", "0 x", "x 0"]));
            all
        }
        DataCommand::RPop => pop("RPOP", g),
        DataCommand::RPopLPush => args("RPOPLPUSH", [g.key(), g.key()]),
        DataCommand::RPush => push("RPUSH", g),
        DataCommand::RPushX => keyed("RPUSHX", g, 4, Generator::element),
        _ => missing(command),
    }
}

/// Elements, seldom so many or so long that the small encoding no longer holds them.
fn push(name: &str, g: &mut Generator) -> Args {
    let most = if g.random.chance(1, 50) { 300 } else { 5 };
    keyed(name, g, most, Generator::element)
}

fn pop(name: &str, g: &mut Generator) -> Args {
    let mut all = args(name, [g.key()]);
    all.extend(g.line(&["", "", "", "1", "2", "0", "1000000", "-1", "x", "1 extra"]));
    all
}

/// So short that what finds nothing does not hold up the comparison; waiting has one of its own.
pub(super) fn timeout(g: &mut Generator) -> Vec<u8> {
    g.pick(&["0.001", "0.001", "0.001", "1e-3", "0x1p-10", "+0.0005", "-1", "-0.5", "x", "", " 1", "nan"])
}

/// A command that waits for one of several keys.
pub(super) fn blocking(name: &str, g: &mut Generator) -> Args {
    let mut all = keyed(name, g, 3, Generator::key);
    all.push(timeout(g));
    all
}
