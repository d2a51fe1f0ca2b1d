//! Resident bytes of collections beside redis-server: how much a server's process grows while it is given the same data.
//!
//! Each case has servers of its own, so that none gets memory that another left behind; both get the same bytes.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::measure::Load;
use super::servers::{Mode, Server};

/// Requests that are sent before their replies are read.
const BATCH: usize = 1000;

/// Members of a big collection.
const MANY: usize = 1_000_000;

struct Case {
    what: &'static str,
    /// How many requests fill it.
    requests: usize,
    /// Words of a request.
    request: fn(usize) -> Vec<String>,
    /// The share of redis' bytes that narf is to stay within.
    goal: f64,
}

const CASES: &[Case] = &[
    Case { what: "sets of 100 numbers, by set", requests: 50_000, request: int_set, goal: 0.95 },
    Case { what: "list of a million, 64 bytes each", requests: MANY, request: rpush, goal: 1.0 },
    Case { what: "the same from the other end", requests: MANY, request: lpush, goal: 1.0 },
    Case {
        what: "hash of a million fields of 16 bytes, values of 16",
        requests: MANY,
        request: |number| words(["HSET", "hash", &field(number), "0123456789abcdef"]),

        goal: 0.8,
    },
    Case {
        what: "the same with values of 64",
        requests: MANY,
        request: |number| words(["HSET", "hash", &field(number), &"v".repeat(64)]),

        goal: 0.8,
    },
    Case {
        what: "sorted set of a million members of 16 bytes",
        requests: MANY,
        request: |number| words(["ZADD", "ranking", &scattered(number).to_string(), &field(number)]),

        goal: 0.7,
    },
    Case {
        what: "set of a million members of 16 bytes",
        requests: MANY,
        request: |number| words(["SADD", "set", &field(number)]),

        goal: 0.65,
    },
];

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// A field or member of 16 bytes.
fn field(number: usize) -> String {
    format!("memb:{number:011}")
}

/// Each number below a million once, in an order that looks like none: the factor has no divisor in common with it.
fn scattered(number: usize) -> usize {
    number % MANY * 7_368_787 % MANY
}

/// A hundred different numbers of four digits at most, other ones in each set.
fn int_set(number: usize) -> Vec<String> {
    let members = (0..100).map(|place| ((number * 31 + place * 97) % 9973).to_string());
    ["SADD".to_owned(), format!("numbers:{number:08}")].into_iter().chain(members).collect()
}

fn rpush(number: usize) -> Vec<String> {
    words(["RPUSH", "list", &format!("{number:064}")])
}

fn lpush(number: usize) -> Vec<String> {
    words(["LPUSH", "list", &format!("{number:064}")])
}

pub(super) fn run(binary: &Path, folder: &Path) -> Result<()> {
    let load = Load { clients: 1, keys: 0, value_bytes: 0, server_core: 0, load_core: 1 };
    println!("| | redis | narf | times | goal |\n|---|---|---|---|---|");
    for case in CASES {
        let redis = growth(&Server::redis(Mode::Memory, &folder.join("redis"), &load)?, case)?;
        let narf = growth(&Server::narf(binary, Mode::Memory, &folder.join("narf"), &load)?, case)?;
        println!("| {} | {redis:.1} | {narf:.1} | {:.2} | {:.2} |", case.what, narf / redis, case.goal);
    }
    Ok(())
}

/// Resident bytes a request.
fn growth(server: &Server, case: &Case) -> Result<f64> {
    let before = resident(server.pid())?;
    let requests: Vec<usize> = (0..case.requests).collect();
    for batch in requests.chunks(BATCH) {
        let batch: Vec<Vec<u8>> = batch.iter().map(|&number| encode(&(case.request)(number))).collect();
        server.ask(&batch.iter().map(Vec::as_slice).collect::<Vec<_>>(), batch.len())?;
    }
    Ok((resident(server.pid())? - before) / case.requests as f64)
}

fn encode(words: &[String]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

/// Resident bytes of a process.
fn resident(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).context("a server ended")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("status has VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().context("VmRSS is a number of kB")?;
    Ok(kib * 1024.0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_set_has_a_hundred_different_members_and_scores_are_all_there() {
        assert_eq!(int_set(77).iter().skip(2).collect::<BTreeSet<_>>().len(), 100);
        assert_eq!((0..MANY).map(scattered).collect::<BTreeSet<_>>().len(), MANY);
        assert_eq!(field(7).len(), 16);
    }
}
