//! Commands that describe commands.

pub(crate) mod command;
