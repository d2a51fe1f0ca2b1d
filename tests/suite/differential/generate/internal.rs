//! Requests that only nodes write: to clients they are unknown, on both sides.

use command::DataCommand;

use super::{Args, Generator, args, missing, owned};

pub(super) fn data(command: DataCommand, g: &mut Generator) -> Args {
    match command {
        DataCommand::NarfEvict => args("narf.evict", [g.key()]),
        DataCommand::NarfExpire => args("narf.expire", [g.key()]),
        DataCommand::NarfPut => args("narf.put", [g.key(), owned("0"), g.value()]),
        DataCommand::NarfFlush => args("narf.flush", []),
        _ => missing(command),
    }
}
