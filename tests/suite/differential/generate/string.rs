//! Requests of the string commands.

use command::DataCommand;

use super::{Args, Generator, args, missing, owned, pairs};

pub(super) fn data(command: DataCommand, g: &mut Generator) -> Args {
    match command {
        DataCommand::Append => args("APPEND", [g.key(), g.value()]),
        DataCommand::Decr => args("DECR", [g.key()]),
        DataCommand::DecrBy => args("DECRBY", [g.key(), g.int()]),
        DataCommand::Get => args("GET", [g.key()]),
        DataCommand::GetDel => args("GETDEL", [g.key()]),
        DataCommand::GetEx => {
            let mut all = args("GETEX", [g.key()]);
            match g.random.below(4) {
                0 => all.push(owned("PERSIST")),
                1 => all.extend(g.deadline_option()),
                // A deadline that has passed deletes at once.
                2 => all.extend([owned("PXAT"), owned("1000")]),
                _ => {}
            }
            all
        }
        DataCommand::GetRange => args("GETRANGE", [g.key(), g.index(), g.index()]),
        DataCommand::GetSet => args("GETSET", [g.key(), g.value()]),
        DataCommand::Incr => args("INCR", [g.key()]),
        DataCommand::IncrBy => args("INCRBY", [g.key(), g.int()]),
        DataCommand::IncrByFloat => args("INCRBYFLOAT", [g.key(), g.float()]),
        DataCommand::IncrEx => {
            let mut all = args("INCREX", [g.key()]);
            all.extend(g.line(&["", "BYINT 5", "byint -7", "BYFLOAT 0.5", "BYFLOAT x", "BYINT 1 BYFLOAT 1"]));
            all.extend(g.line(&["", "", "UBOUND 20", "LBOUND -5 UBOUND 9", "UBOUND 1 LBOUND 2", "LBOUND"]));
            all.extend(g.line(&["", "SATURATE", "saturate SATURATE"]));
            all.extend(g.line(&["", "EX 100000 ENX", "PERSIST", "PXAT 1000", "ENX"]));
            all
        }
        DataCommand::Lcs => {
            let mut all = args("LCS", [g.key(), g.key()]);
            all.extend(g.line(&[
                "",
                "",
                "LEN",
                "IDX",
                "IDX WITHMATCHLEN",
                "IDX MINMATCHLEN 3",
                "LEN IDX",
                "IDX MINMATCHLEN 2 WITHMATCHLEN",
                "BANANA",
            ]));
            all
        }
        DataCommand::MGet => g.several("MGET", 5, Generator::key),
        DataCommand::MSet => pairs("MSET", g, Generator::key),
        DataCommand::MSetNx => pairs("MSETNX", g, Generator::key),
        DataCommand::PSetEx => {
            let deadline = g.far_seconds() * 1000;
            args("PSETEX", [g.key(), deadline.to_string().into_bytes(), g.value()])
        }
        DataCommand::Set => {
            let mut all = args("SET", [g.key(), g.value()]);
            if g.random.chance(1, 4) {
                all.push(g.pick(&["NX", "XX", "nx", "xX"]));
            }
            if g.random.chance(1, 4) {
                all.extend(if g.random.chance(1, 4) { vec![owned("KEEPTTL")] } else { g.deadline_option() });
            }
            if g.random.chance(1, 4) {
                all.push(owned("GET"));
            }
            all
        }
        DataCommand::SetEx => {
            let deadline = g.far_seconds();
            args("SETEX", [g.key(), deadline.to_string().into_bytes(), g.value()])
        }
        DataCommand::SetNx => args("SETNX", [g.key(), g.value()]),
        DataCommand::SetRange => {
            let offset = g.random.below(30).to_string().into_bytes();
            args("SETRANGE", [g.key(), offset, g.value()])
        }
        DataCommand::StrLen => args("STRLEN", [g.key()]),
        DataCommand::Substr => args("SUBSTR", [g.key(), g.index(), g.index()]),
        _ => missing(command),
    }
}
