//! The log's public face: on a disk that behaves, that crashes, that damages, and its files of other kinds.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy's leave for tests does not reach helper functions"
)]

mod basics;
mod checkpoint;
mod common;
mod crash;
mod damage;
mod fixtures;
mod fuzz;
