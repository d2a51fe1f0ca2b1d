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
        None => format!("error: {}\n", chain(error)),
    }
}

/// An error and its causes, those left out that a text before them has told already.
fn chain(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).fold(error.to_string(), |told, cause| {
        if told.contains(&cause) { told } else { format!("{told}: {cause}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let io = std::io::Error::from(std::io::ErrorKind::NotFound);
        let told = PidFileError::Io { path: "/x/narf.pid".into(), source: io };
        let error = anyhow::Error::new(told).context("start");
        assert_eq!(text_of(&error), "error: start: cannot use the pid file /x/narf.pid: entity not found\n");
        assert_eq!(code_of(&error), USAGE);
    }
}
