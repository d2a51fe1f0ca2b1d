//! Exit codes, and which error has which.

use server::config::ConfigError;
use server::pidfile::PidFileError;
use server::ports::PortError;

/// Something failed.
pub(super) const FAILED: u8 = 1;
/// Wrong usage or bad configuration.
pub(super) const USAGE: u8 = 2;
/// Cannot reach it, or it took too long.
pub(super) const UNREACHABLE: u8 = 3;
/// Nothing there.
pub(super) const ABSENT: u8 = 5;

/// The exit code of an error of `server`.
pub(super) fn code_of(error: &anyhow::Error) -> u8 {
    let usage = error.is::<ConfigError>() || error.is::<PortError>() || error.is::<PidFileError>();
    if usage { USAGE } else { FAILED }
}

/// The text of an error, as it goes to standard error.
pub(super) fn text_of(error: &anyhow::Error) -> String {
    match error.downcast_ref::<ConfigError>() {
        // Shows where each problem stands, with "error:" before each.
        Some(problems) => problems.to_string(),
        None => format!("error: {error:#}\n"),
    }
}
