//! Harness of the black-box suite: starts a built server, talks to it over a socket, compares what it says.
//!
//! A test gets a [`Server`] of its own on a free port with a data folder of its own, so tests run side by side.
//! Nothing sleeps for a fixed time: whatever takes a while is asked again until a deadline ([`eventually`]).
//! A server that logged a warning or an error which its test did not expect fails that test.
//!
//! Environment:
//! - `NARF_BIN`: the binary under test; else `narf` beside the test program (`target/<profile>/narf`), built if absent.
//!   An existing binary is taken as it is: `cargo xtask test` builds it first.
//! - `NARF_TEST_SERVER=redis`: run the suite against `redis-server`, to check the suite itself. Tests of what only
//!   Narf has then print that they were skipped.
//! - `NARF_TEST_COMMANDS`, `NARF_TEST_SEED`: how many random commands are compared with `redis-server`, and which.
//! - `NARF_TEST_CYCLES`, `NARF_TEST_FAULT_POINTS`: how many crashes and injected faults the durability tests go through.
//!   The long form: `NARF_TEST_CYCLES=150 NARF_TEST_FAULT_POINTS=50 cargo nextest run -p narf-tests durability`.
//! - `NARF_CHAOS_ROUNDS`: how many faults each test of `chaos` goes through; `cargo xtask chaos` runs the long forms.
//! - `NARF_TEST_PYTHON`, `NARF_TEST_NODE_MODULES`: where the clients are that the suite drives; else below `target/`.
//!
//! Does not know: any crate of the node. Replies are decoded by [`Value`], written for this suite, so that a mistake
//! in the product's own decoder cannot hide itself.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a shell of its own: deadlines, child processes and failing tests are its business"
)]

mod certificates;
mod client;
mod config;
mod exposition;
mod network;
mod process;
mod server;
mod terminal;
mod value;
mod wait;
mod words;

pub use certificates::Certificates;
pub use client::{Client, Closed};
pub use config::{Kind, env_number, skip, skip_unless_narf};
pub use exposition::Exposition;
pub use network::Network;
pub use process::{Signal, dies_with_its_parent, pause, signal};
pub use server::{Data, Options, Server, free_port, narf_binary};
pub use terminal::Terminal;
pub use value::Value;
pub use wait::{DEADLINE, eventually, within};
pub use words::words;

/// Runs each named `fn(&Server)` as two tests: on a node with one worker and on a node with two, where about half of
/// all requests cross from the connection's worker to the key's.
#[macro_export]
macro_rules! on_one_and_two_workers {
    ($($name:ident),+ $(,)?) => {
        mod one_worker {
            $(#[test] fn $name() { super::$name(&$crate::Server::start($crate::Options::new().workers(1))); })+
        }
        mod two_workers {
            $(#[test] fn $name() { super::$name(&$crate::Server::start($crate::Options::new().workers(2))); })+
        }
    };
}
