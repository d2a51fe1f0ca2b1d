//! Exit codes, and failures that know theirs.

use std::process::ExitCode;

use client::ClientError;

use crate::advice::Advice;
use crate::render;

/// What an exit code means; the same for every verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// The server answered with an error.
    Refused = 1,
    /// Wrong usage.
    Usage = 2,
    /// Cannot reach the server, or it did not answer.
    Unreachable = 3,
    /// Not authenticated or not allowed.
    Denied = 4,
    /// Nothing there.
    Nothing = 5,
    /// Something was looked for that is wrong, and found.
    Degraded = 6,
    /// Stopped by Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// What an error reply means.
    pub fn of_error_reply(text: &str) -> Exit {
        match text.split(' ').next() {
            Some("NOAUTH" | "WRONGPASS" | "NOPERM") => Exit::Denied,
            _ => Exit::Refused,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a verb could not do its work; `main` prints it as `narf: message` and a hint.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Between us and the server.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Standard input or output failed. A closed pipe is no failure: see [`Failure::exit`].
    #[error("standard input or output failed: {0}")]
    Io(#[from] std::io::Error),
    /// The command line or the input is wrong; the message says what to write.
    #[error("{0}")]
    Usage(String),
    /// Ctrl-C, where it does not end the process by itself.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// Its exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Client(ClientError::Refused(text)) => Exit::of_error_reply(text),
            Failure::Client(
                ClientError::BadAddress { .. } | ClientError::BadTls { .. } | ClientError::TlsFile(_),
            )
            | Failure::Usage(_) => Exit::Usage,
            Failure::Client(_) => Exit::Unreachable,
            // `narf cli ... | head` has what it wanted.
            Failure::Io(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Done,
            Failure::Io(_) => Exit::Refused,
            Failure::Interrupted => Exit::Interrupted,
        }
    }

    /// Fact and next step on one line, empty if there is nothing to say.
    pub fn message(&self) -> String {
        match self {
            Failure::Io(error) if error.kind() == std::io::ErrorKind::BrokenPipe => String::new(),
            Failure::Interrupted => String::new(),
            Failure::Client(ClientError::Refused(text)) => match Advice::CommandLine.on(&[], text) {
                Some(advice) => format!("{text} — {advice}"),
                None => text.clone(),
            },
            Failure::Client(error) => match error.hint() {
                Some(hint) => format!("{error} — {hint}"),
                None => error.to_string(),
            },
            other => other.to_string(),
        }
    }
}

/// Says what failed on standard error and gives the exit code.
pub(crate) fn finish(result: Result<Exit, Failure>) -> ExitCode {
    let exit = result.unwrap_or_else(|failure| {
        let message = failure.message();
        if !message.is_empty() {
            say_of_server(&format!("narf: {message}"));
        }
        failure.exit()
    });
    exit.into()
}

/// One line to standard error. That it cannot be written changes nothing.
pub(crate) fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A line with words of a server in it, which may be anything: what could drive a terminal is taken out.
pub(crate) fn say_of_server(line: &str) {
    say(&render::harmless(line));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_the_exit_codes_that_the_manual_states() {
        let refused = |text: &str| Failure::from(ClientError::Refused(text.into())).exit();
        assert_eq!(refused("ERR no"), Exit::Refused);
        assert_eq!(refused("NOAUTH Authentication required."), Exit::Denied);
        let address = String::from("h:1");
        assert_eq!(
            Failure::from(ClientError::NotListening { address: address.clone() }).exit(),
            Exit::Unreachable
        );
        assert_eq!(Failure::from(ClientError::BadAddress { url: address, problem: "x" }).exit(), Exit::Usage);
        assert_eq!(Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe)).exit(), Exit::Done);
    }

    #[test]
    fn a_failure_says_what_to_type_next() {
        let failure = Failure::from(ClientError::NotListening { address: "127.0.0.1:6379".into() });
        assert_eq!(failure.message(), "nothing listens on 127.0.0.1:6379 — start one: narf serve");
        let failure = Failure::from(ClientError::Refused("WRONGPASS no".into()));
        assert_eq!(failure.message(), "WRONGPASS no — check --user and the password; --askpass asks for it");
    }
}
