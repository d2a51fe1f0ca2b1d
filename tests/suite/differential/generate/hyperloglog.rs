//! Requests of the commands on HyperLogLogs, and reads of their bytes.
//!
//! Their keys are their own: other commands on strings would damage the registers, and where these do not add up Redis
//! may notice it later than we do.

use command::DataCommand;

use super::{Args, Generator, args, missing, owned};

const KEYS: [&str; 5] = ["h0", "h1", "h2", "{tag}h3", "{tag}h4"];

pub(super) fn data(command: DataCommand, g: &mut Generator) -> Args {
    match command {
        DataCommand::PfAdd => add(g),
        DataCommand::PfCount => match g.random.below(6) {
            // What an addition and a count made of the bytes.
            0 | 1 => args("GET", [own_key(g)]),
            2..=4 => args("PFCOUNT", [key(g)]),
            _ => several("PFCOUNT", g),
        },
        DataCommand::PfDebug => match g.random.below(12) {
            // Long answers, or much time to get back to the sparse form: seldom.
            0 => args("PFDEBUG", [owned("GETREG"), own_key(g)]),
            1 => args("PFDEBUG", [g.pick(&["TODENSE", "todense", "BANANA"]), key(g)]),
            2 => args("DEL", [own_key(g)]),
            3 => args("SET", [own_key(g), g.pick(&["HYLL", "", "17"])]),
            4..=7 => args("PFDEBUG", [g.pick(&["DECODE", "decode"]), key(g)]),
            _ => args("PFDEBUG", [g.pick(&["ENCODING", "encoding"]), key(g)]),
        },
        DataCommand::PfMerge => {
            let mut all = several("PFMERGE", g);
            all.insert(1, own_key(g));
            if g.random.chance(1, 10) {
                all.truncate(2);
            }
            all
        }
        _ => missing(command),
    }
}

fn own_key(g: &mut Generator) -> Vec<u8> {
    g.pick(&KEYS)
}

/// Seldom one of something else.
fn key(g: &mut Generator) -> Vec<u8> {
    if g.random.chance(1, 15) { g.key() } else { own_key(g) }
}

fn several(name: &str, g: &mut Generator) -> Args {
    g.several(name, 3, key)
}

fn add(g: &mut Generator) -> Args {
    let mut all = args("PFADD", [own_key(g)]);
    // Of many the sparse form is given up.
    let many = match g.random.below(60) {
        0 => 1500,
        1..=10 => g.random.below(100),
        _ => g.random.below(5),
    };
    for _ in 0..many {
        all.push(match g.random.below(8) {
            0 => g.value(),
            1 => Vec::new(),
            2..=4 => g.random.below(100).to_string().into_bytes(),
            _ => g.random.below(100_000).to_string().into_bytes(),
        });
    }
    all
}
