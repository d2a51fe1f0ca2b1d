//! Requests of the commands on bits of strings.

use command::DataCommand;

use super::{Args, Generator, args, keyed, missing, owned};

pub(super) fn data(command: DataCommand, g: &mut Generator) -> Args {
    match command {
        DataCommand::BitCount => {
            let mut all = args("BITCOUNT", [key(g)]);
            if g.random.chance(3, 4) {
                all.extend(range(g));
            }
            all
        }
        DataCommand::BitField => fields("BITFIELD", g),
        DataCommand::BitFieldRo => fields("BITFIELD_RO", g),
        DataCommand::BitOp => {
            let mut all = keyed("BITOP", g, 4, key);
            all.insert(1, g.pick(&["AND", "OR", "XOR", "and", "Or", "xor", "NAND"]));
            if g.random.chance(1, 4) {
                all[1] = owned("NOT");
                all.truncate(if g.random.chance(9, 10) { 4 } else { 5 });
            }
            all
        }
        DataCommand::BitPos => {
            let mut all = args("BITPOS", [key(g), g.pick(&["0", "0", "1", "1", "1", "2", "-1", "x"])]);
            if g.random.chance(3, 4) {
                all.extend(range(g));
                // Without an end the string goes on with zeros.
                if g.random.chance(1, 4) {
                    all.truncate(4);
                }
            }
            all
        }
        DataCommand::GetBit => args("GETBIT", [key(g), offset(g)]),
        DataCommand::SetBit => {
            let bit = g.pick(&["0", "0", "1", "1", "1", "1", "2", "-1", "x", "01", ""]);
            args("SETBIT", [key(g), offset(g), bit])
        }
        _ => missing(command),
    }
}

/// Mostly one of few, so that strings of bits are met again.
fn key(g: &mut Generator) -> Vec<u8> {
    if g.random.chance(1, 3) { g.key() } else { g.pick(&["k0", "k1", "k2"]) }
}

/// Mostly near the borders of bytes and of words of eight, seldom where no string reaches.
fn offset(g: &mut Generator) -> Vec<u8> {
    match g.random.below(40) {
        0 => g.pick(&[
            "4294967296",
            "34359738367",
            "9223372036854775807",
            "9223372036854775808",
            "-1",
            "#1",
            "x",
            "",
            "1.0",
            "01",
            "+1",
        ]),
        1 => g.random.below(20_000).to_string().into_bytes(),
        2..=9 => g.random.below(200).to_string().into_bytes(),
        _ => {
            let border = g.random.below(18) * 8;
            (border + g.random.below(3)).saturating_sub(1).to_string().into_bytes()
        }
    }
}

/// A start and an end within or a little outside of a string, and what they count.
fn range(g: &mut Generator) -> Args {
    let place = |g: &mut Generator| match g.random.below(30) {
        0 => g.pick(&["x", "", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1.5"]),
        1..=9 => g.pick(&["0", "-1", "-1", "-2", "7", "8", "9", "63", "64", "65"]),
        10..=19 => (g.random.below(400) as i64 - 200).to_string().into_bytes(),
        _ => g.index(),
    };
    let mut all = vec![place(g), place(g)];
    if g.random.chance(2, 3) {
        all.push(g.pick(&["BIT", "BIT", "bit", "BYTE", "byte", "Byte", "BITS", ""]));
        if g.random.chance(1, 30) {
            all.push(owned("extra"));
        }
    }
    all
}

/// Several steps, seldom one that is wrong.
fn fields(name: &str, g: &mut Generator) -> Args {
    let mut all = args(name, [key(g)]);
    for _ in 0..g.random.below(5) {
        // What only reads must mostly read.
        let reads = name != "BITFIELD" && g.random.chance(19, 20);
        match g.random.below(if reads { 3 } else { 12 }) {
            0..=2 => step("GET", g, &mut all),
            3..=6 => {
                step("SET", g, &mut all);
                all.push(number(g));
            }
            7..=10 => {
                step("INCRBY", g, &mut all);
                all.push(number(g));
            }
            _ => {}
        }
        if g.random.chance(1, 3) {
            all.push(g.pick(&["OVERFLOW", "overflow"]));
            all.push(g.pick(&["WRAP", "SAT", "SAT", "FAIL", "FAIL", "wrap", "sat", "fail"]));
        }
        if g.random.chance(1, 60) {
            all.extend(g.line(&[
                "BANANA",
                "OVERFLOW",
                "OVERFLOW NONE",
                "GET u8",
                "SET u8 0",
                "INCRBY i8 0 x",
                "GET",
            ]));
        }
    }
    all
}

fn step(word: &str, g: &mut Generator, all: &mut Args) {
    all.push(if g.random.chance(1, 5) { word.to_lowercase().into_bytes() } else { owned(word) });
    all.push(match g.random.below(40) {
        0 => g.pick(&["i0", "u0", "i65", "u64", "I8", "8", "i", "", "i08", "u-1"]),
        1..=15 => g.pick(&["i8", "u8", "i64", "u63", "i1", "u1", "i16", "u32", "i63", "u2"]),
        _ => {
            let sign = if g.random.chance(1, 2) { 'i' } else { 'u' };
            format!("{sign}{}", 1 + g.random.below(63)).into_bytes()
        }
    });
    all.push(match g.random.below(40) {
        0 => g.pick(&["#-1", "#", "#x", "##1", "#4294967296", "#1.0"]),
        1..=12 => format!("#{}", g.random.below(12)).into_bytes(),
        _ => offset(g),
    });
}

fn number(g: &mut Generator) -> Vec<u8> {
    match g.random.below(10) {
        0 => g.pick(&["9223372036854775807", "-9223372036854775808", "9223372036854775808", "x", ""]),
        1 => (1_u64 << g.random.below(63)).to_string().into_bytes(),
        2 => (-1_i64 << g.random.below(63)).to_string().into_bytes(),
        3 => (g.random.next_u64() as i64).to_string().into_bytes(),
        4..=6 => (g.random.below(600) as i64 - 300).to_string().into_bytes(),
        _ => g.pick(&["0", "1", "-1", "2", "100", "-100"]),
    }
}
