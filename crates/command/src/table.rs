//! The rows, a file for each group, and the indexes over them, all made while compiling.
//!
//! A row is one expression that starts with [`data`](prelude), `node` or `container`. A new command is a variant in
//! [`crate::id`] and a row here; the matches in `engine` and `node` then ask for the implementation.

mod bitmap;
mod cluster;
mod connection;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod list;
mod prelude;
mod pubsub;
mod server;
mod set;
mod string;
mod transactions;
mod zset;

use crate::spec::Subcommands;
use crate::{DataCommand, NodeCommand, Run, Spec};
use prelude::Row;

/// In the order of [`crate::Group::ALL`].
const GROUPS: [&[Row]; 14] = [
    string::ROWS,
    hash::ROWS,
    set::ROWS,
    list::ROWS,
    zset::ROWS,
    bitmap::ROWS,
    geo::ROWS,
    hyperloglog::ROWS,
    generic::ROWS,
    connection::ROWS,
    pubsub::ROWS,
    transactions::ROWS,
    server::ROWS,
    cluster::ROWS,
];

/// How many rows there are, internal ones and those of subcommands included.
pub const LEN: usize = {
    let mut len = 0;
    let mut group = 0;
    while group < GROUPS.len() {
        let mut row = 0;
        while row < GROUPS[group].len() {
            len += 1 + GROUPS[group][row].subcommands.len();
            row += 1;
        }
        group += 1;
    }
    len
};

/// All rows, group by group, subcommands behind their parents. One array, so that a row has one address.
pub(crate) static TABLE: [Spec; LEN] = {
    let mut table = [string::ROWS[0].spec; LEN];
    let mut len = 0;
    let mut group = 0;
    while group < GROUPS.len() {
        let mut row = 0;
        while row < GROUPS[group].len() {
            let Row { mut spec, subcommands } = GROUPS[group][row];
            spec.subcommands = Subcommands { first: len as u16 + 1, len: subcommands.len() as u16 };
            spec.index = len as u16;
            spec.plain = spec.works_out_plain();
            table[len] = spec;
            len += 1;
            let mut sub = 0;
            while sub < subcommands.len() {
                table[len] = subcommands[sub].spec;
                table[len].index = len as u16;
                len += 1;
                sub += 1;
            }
            row += 1;
        }
        group += 1;
    }
    table
};

/// Rows by the number of a [`DataCommand`].
pub(crate) static DATA: [&Spec; DataCommand::ALL.len()] = {
    let mut index = [None; DataCommand::ALL.len()];
    let mut at = 0;
    while at < LEN {
        if let Run::Data(command) = TABLE[at].run {
            put(&mut index, command as usize, &TABLE[at]);
        }
        at += 1;
    }
    all_present(index)
};

/// Rows by the number of a [`NodeCommand`].
pub(crate) static NODE: [&Spec; NodeCommand::ALL.len()] = {
    let mut index = [None; NodeCommand::ALL.len()];
    let mut at = 0;
    while at < LEN {
        if let Run::Node(command) = TABLE[at].run {
            put(&mut index, command as usize, &TABLE[at]);
        }
        at += 1;
    }
    all_present(index)
};

const fn put(index: &mut [Option<&'static Spec>], at: usize, spec: &'static Spec) {
    if index[at].is_some() {
        stop(spec.name);
    }
    index[at] = Some(spec);
}

/// Stops the compiler with the name of the row that is one too many for its variant.
#[expect(clippy::panic, reason = "runs while compiling only")]
const fn stop(name: &'static str) {
    panic!("{}", name)
}

const fn all_present<const N: usize>(index: [Option<&'static Spec>; N]) -> [&'static Spec; N] {
    let mut rows = [&TABLE[0]; N];
    let mut at = 0;
    while at < N {
        rows[at] = index[at].expect("every variant has a row");
        at += 1;
    }
    rows
}
