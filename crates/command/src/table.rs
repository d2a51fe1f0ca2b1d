//! The rows, a file for each group, and the indexes over them, all made while compiling.
//!
//! A row is one expression that starts with [`data`](prelude), `node` or `container`. A new command is a variant in
//! [`crate::id`] and a row here; the matches in `engine` and `node` then ask for the implementation.

mod cluster;
mod connection;
mod generic;
mod hash;
mod prelude;
mod pubsub;
mod server;
mod string;
mod transactions;

use crate::{DataCommand, NodeCommand, Run, Spec};

/// The rows of every group, in the order of [`crate::Group::ALL`]. Subcommands are in the rows of their parents.
pub(crate) static GROUPS: [&[Spec]; 8] = [
    string::ROWS,
    hash::ROWS,
    generic::ROWS,
    connection::ROWS,
    pubsub::ROWS,
    transactions::ROWS,
    server::ROWS,
    cluster::ROWS,
];

/// Rows by the number of a [`DataCommand`].
pub(crate) static DATA: [&Spec; DataCommand::ALL.len()] = {
    let mut index = [None; DataCommand::ALL.len()];
    let mut walk = Walk::new();
    while let Some(spec) = walk.next() {
        if let Run::Data(command) = spec.run {
            put(&mut index, command as usize, spec);
        }
    }
    all_present(index)
};

/// Rows by the number of a [`NodeCommand`].
pub(crate) static NODE: [&Spec; NodeCommand::ALL.len()] = {
    let mut index = [None; NodeCommand::ALL.len()];
    let mut walk = Walk::new();
    while let Some(spec) = walk.next() {
        if let Run::Node(command) = spec.run {
            put(&mut index, command as usize, spec);
        }
    }
    all_present(index)
};

const fn put(index: &mut [Option<&'static Spec>], at: usize, spec: &'static Spec) {
    if index[at].is_some() {
        // The row's name shows in the compiler's message.
        panic_with(spec.name);
    }
    index[at] = Some(spec);
}

#[expect(clippy::panic, reason = "runs while compiling only")]
const fn panic_with(name: &'static str) {
    panic!("{}", name)
}

const fn all_present<const N: usize>(index: [Option<&'static Spec>; N]) -> [&'static Spec; N] {
    let mut rows = [&string::ROWS[0]; N];
    let mut at = 0;
    while at < N {
        rows[at] = index[at].expect("every variant has a row");
        at += 1;
    }
    rows
}

/// Goes over all rows, each parent before its subcommands. An iterator that also works while compiling.
pub(crate) struct Walk {
    group: usize,
    row: usize,
    /// 0 is the row itself.
    sub: usize,
}

impl Walk {
    pub(crate) const fn new() -> Walk {
        Walk { group: 0, row: 0, sub: 0 }
    }

    pub(crate) const fn next(&mut self) -> Option<&'static Spec> {
        while self.group < GROUPS.len() {
            let rows = GROUPS[self.group];
            if self.row == rows.len() {
                self.group += 1;
                self.row = 0;
                continue;
            }
            let row = &rows[self.row];
            let sub = self.sub;
            if sub == row.subcommands.len() {
                self.row += 1;
                self.sub = 0;
            } else {
                self.sub += 1;
            }
            return Some(if sub == 0 { row } else { &row.subcommands[sub - 1] });
        }
        None
    }
}
