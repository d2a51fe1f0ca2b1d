//! To be written.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a shell: it reads the clock and the environment, starts threads and waits"
)]

pub mod banner;
pub mod config;
pub mod daemon;
pub mod disk;
pub mod logging;
pub mod names;
pub mod pidfile;
pub mod ports;
pub mod signals;
mod system;
