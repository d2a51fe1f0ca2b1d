//! What a person types: `narf cli` (one command, a file of commands, a prompt), `narf bench` (a load tool) and `narf top` (a live view).
//!
//! The binary embeds [`CliArgs`] and [`BenchArgs`] in its own command line and calls their `run`.
//! Invariants: data goes to standard output, everything else to standard error; an exit code means what
//! [`Exit`] says; nothing a server sends reaches a terminal with control characters in it; names, hints and
//! help come from the `command` table and from nowhere else.
//! Does not know how a server is started.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a shell: it measures time, waits between repetitions, reads the environment and starts load threads"
)]

mod advice;
mod askpass;
mod bench;
mod cli;
mod cluster;
mod completion;
mod connect;
mod danger;
mod exit;
mod help;
mod hint;
mod line;
mod names;
mod pipe;
mod prompt;
mod render;
#[cfg(test)]
mod scripted;
mod secret;
mod stream;
mod top;
mod unanswered;

pub use bench::BenchArgs;
pub use cli::{CliArgs, print_value};
pub use completion::Candidate;
pub use connect::ConnectArgs;
pub use exit::{Exit, Failure};
pub use render::{Colour, Format};
pub use top::TopArgs;
