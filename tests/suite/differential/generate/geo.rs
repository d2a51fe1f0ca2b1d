//! Requests of the commands on positions.
//!
//! Their keys are their own: distances that are stored as scores may differ in the last of 17 digits, which only the
//! commands here do not show. Positions are drawn, or of members named after them: where two members are equally far
//! from a centre, which of them comes first means nothing.

use command::DataCommand;

use super::{Args, Generator, args, missing, owned};

const KEYS: [&str; 4] = ["g0", "g1", "g2", "{tag}g3"];
/// Where distances are stored.
const DISTANCE_KEYS: [&str; 2] = ["d0", "{tag}d1"];
const EDGES: [&str; 8] = [
    "0 0",
    "180 85.05112878",
    "-180 -85.05112878",
    "180 0.0000001",
    "-180 0",
    "0 85.05112878",
    "13.361389 38.115556",
    "-0.0 -85",
];

pub(super) fn data(command: DataCommand, g: &mut Generator) -> Args {
    match command {
        DataCommand::GeoAdd => add(g),
        DataCommand::GeoDist => {
            let mut all = args("GEODIST", [key(g), member(g), member(g)]);
            if g.random.chance(1, 2) {
                all.push(unit(g));
            }
            all
        }
        DataCommand::GeoHash => several("GEOHASH", g),
        DataCommand::GeoPos => several("GEOPOS", g),
        DataCommand::GeoRadius => radius("GEORADIUS", true, g),
        DataCommand::GeoRadiusRo => radius("GEORADIUS_RO", false, g),
        DataCommand::GeoRadiusByMember => by_member("GEORADIUSBYMEMBER", true, g),
        DataCommand::GeoRadiusByMemberRo => by_member("GEORADIUSBYMEMBER_RO", false, g),
        DataCommand::GeoSearch => {
            let mut all = args("GEOSEARCH", [key(g)]);
            all.extend(search(g, true));
            all
        }
        DataCommand::GeoSearchStore => {
            let mut all = args("GEOSEARCHSTORE", [key(g), key(g)]);
            all.extend(search(g, false));
            if g.random.chance(1, 3) {
                all[1] = g.pick(&DISTANCE_KEYS);
                all.push(owned("STOREDIST"));
            }
            all
        }
        _ => missing(command),
    }
}

/// Seldom one of another type, or of no positions.
fn key(g: &mut Generator) -> Vec<u8> {
    if g.random.chance(1, 25) { g.key() } else { g.pick(&KEYS) }
}

fn member(g: &mut Generator) -> Vec<u8> {
    match g.random.below(10) {
        0 => g.pick(&EDGES),
        1 => g.member(),
        _ => format!("p{}", g.random.below(60)).into_bytes(),
    }
}

/// A longitude and a latitude: anywhere, or near others.
fn place(g: &mut Generator) -> Args {
    let ((longitude, latitude), width) = match g.random.below(8) {
        0 | 1 => ((0.0, 0.0), (360.0, 170.0)),
        2 => ((179.5, 84.0), (1.0, 2.0)),
        _ => ((13.0, 38.0), (4.0, 4.0)),
    };
    let mut degrees = |middle: f64, width: f64| {
        let part = g.random.next_u64() as f64 / u64::MAX as f64 - 0.5;
        format!("{:.9}", middle + part * width).into_bytes()
    };
    vec![degrees(longitude, width.0), degrees(latitude, width.1)]
}

fn wrong_place(g: &mut Generator) -> Args {
    g.line(&["181 0", "0 86", "-180.1 -86", "x 0", "0 x", "nan 0", "inf 0", "0 -inf", "1e300 0", "'' 0"])
}

fn add(g: &mut Generator) -> Args {
    let mut all = args("GEOADD", [key(g)]);
    all.extend(g.line(&["", "", "", "", "CH", "NX", "XX", "nx ch", "XX CH", "NX XX", "GT", "INCR"]));
    // Seldom so many that the small encoding no longer holds them.
    let many = if g.random.chance(1, 40) { 150 } else { 1 + g.random.below(4) };
    for number in 0..many {
        if g.random.chance(1, 30) {
            // Members of their own, so that two are never at one place.
            let edge = EDGES[g.random.below(EDGES.len() as u64) as usize];
            all.extend(narf_tests::words(edge));
            all.push(owned(edge));
            continue;
        }
        all.extend(if g.random.chance(1, 60) { wrong_place(g) } else { place(g) });
        all.push(if many > 100 { format!("q{number}").into_bytes() } else { member(g) });
    }
    if g.random.chance(1, 30) {
        all.pop();
    }
    all
}

fn several(name: &str, g: &mut Generator) -> Args {
    let mut all = args(name, [key(g)]);
    for _ in 0..g.random.below(5) {
        all.push(member(g));
    }
    all
}

fn unit(g: &mut Generator) -> Vec<u8> {
    g.pick(&["m", "km", "ft", "mi", "M", "Km", "FT", "MI", "KM", "km", "yd", ""])
}

/// A length and what it is counted in: from metres to more than there is.
fn length(g: &mut Generator) -> Vec<u8> {
    match g.random.below(20) {
        0 => g.pick(&["0", "-1", "x", "", "nan", "inf", "1e400", "1e-300", "-0"]),
        1..=3 => format!("{}", g.random.below(30_000)).into_bytes(),
        4..=8 => format!("{}.5", g.random.below(500)).into_bytes(),
        _ => format!("{}", g.random.below(2_000_000)).into_bytes(),
    }
}

fn good_unit(g: &mut Generator) -> Vec<u8> {
    if g.random.chance(1, 20) { unit(g) } else { g.pick(&["m", "m", "km", "km", "ft", "mi"]) }
}

/// What is told of what was found, how much of it, and in which order.
fn options(g: &mut Generator) -> Args {
    let mut all = Args::new();
    for _ in 0..g.random.below(4) {
        all.extend(g.line(&["WITHDIST", "WITHHASH", "WITHCOORD", "withdist", "withcoord"]));
    }
    all.extend(g.line(&["", "ASC", "DESC", "asc", "desc"]));
    all.extend(g.line(&[
        "",
        "",
        "COUNT 1",
        "COUNT 3",
        "count 100 any",
        "COUNT 2 ANY",
        "COUNT 3 ANY",
        "ANY",
        "COUNT 0",
        "COUNT -1",
        "COUNT x",
        "COUNT",
        "BANANA",
    ]));
    all
}

/// `STORE` and the like; where distances go no other command looks.
fn store(g: &mut Generator) -> Args {
    let word = g.pick(&["STORE", "STORE", "store", "STOREDIST"]);
    let destination = if word == b"STOREDIST" { g.pick(&DISTANCE_KEYS) } else { key(g) };
    vec![word, destination]
}

fn radius(name: &str, stores: bool, g: &mut Generator) -> Args {
    let mut all = args(name, [key(g)]);
    all.extend(if g.random.chance(1, 40) { wrong_place(g) } else { place(g) });
    all.push(length(g));
    all.push(good_unit(g));
    finish(all, stores, g)
}

fn by_member(name: &str, stores: bool, g: &mut Generator) -> Args {
    let all = args(name, [key(g), member(g), length(g), good_unit(g)]);
    finish(all, stores, g)
}

fn finish(mut all: Args, stores: bool, g: &mut Generator) -> Args {
    if g.random.chance(if stores { 10 } else { 1 }, 20) {
        // Mostly without what does not go together with it.
        if g.random.chance(1, 6) {
            all.extend(options(g));
        }
        all.extend(store(g));
        all.extend(g.line(&["", "", "COUNT 2", "DESC", "STORE g0", "STORE"]));
    } else {
        all.extend(options(g));
    }
    all
}

fn search(g: &mut Generator, answers: bool) -> Args {
    let mut centre = match g.random.below(20) {
        0 => Args::new(),
        1 => g.line(&[
            "FROMLONLAT 13",
            "FROMMEMBER",
            "FROMMEMBER p1 FROMLONLAT 13 38",
            "FROMMEMBER p1 FROMMEMBER p2",
        ]),
        2..=8 => vec![owned("FROMMEMBER"), member(g)],
        _ => {
            let mut all = vec![g.pick(&["FROMLONLAT", "FROMLONLAT", "fromlonlat"])];
            all.extend(if g.random.chance(1, 40) { wrong_place(g) } else { place(g) });
            all
        }
    };
    let shape = match g.random.below(20) {
        0 => g.line(&[
            "",
            "BYRADIUS 1",
            "BYBOX 1 1",
            "BYRADIUS 1 km BYBOX 1 1 km",
            "BYBOX x 1 m",
            "BYBOX 1 x m",
        ]),
        1..=10 => vec![owned("BYRADIUS"), length(g), good_unit(g)],
        _ => vec![g.pick(&["BYBOX", "bybox"]), length(g), length(g), good_unit(g)],
    };
    let more = match answers || g.random.chance(1, 10) {
        true => options(g),
        false => g.line(&["", "", "ASC", "COUNT 2", "COUNT 2 DESC", "COUNT 3 ANY", "ANY"]),
    };
    if g.random.chance(1, 4) {
        shape.into_iter().chain(more).chain(centre).collect()
    } else {
        centre.extend(shape);
        centre.extend(more);
        centre
    }
}
