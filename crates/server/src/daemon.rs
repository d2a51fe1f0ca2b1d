//! Going to the background, so that the command that was typed returns exactly when the node is ready or has failed.
//!
//! ```text
//! shell ── narf serve --daemon ──fork── middle ──fork── node
//!              │  waits on a pipe      setsid, ends      │  opens, recovers, listens
//!              │◀──────────── code, text ────────────────┤  ready() or failed()
//!          prints, exits                                 ▼  no terminal from here on
//! ```
//! The second fork makes a process that leads no session, which can never get a terminal again. A node that dies
//! without a word closes the pipe, and that is a verdict too. Must be called before any thread exists.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;

use crate::system::{self, Side};

/// Longest verdict that the waiting command reads.
const VERDICT_MAX: u64 = 64 * 1024;

/// The node's end of the pipe to the command that waits for it.
#[derive(Debug)]
pub struct Daemon {
    pipe: PipeWriter,
}

/// How the start went, as the waiting command should report it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The exit code of the command.
    pub code: u8,
    /// What it prints: on standard output for code 0, else on standard error.
    pub text: String,
}

/// Goes to the background and returns there. In the process that was started this never returns: it hands the
/// verdict to `report` and exits with its code.
pub fn detach(report: impl FnOnce(&Verdict)) -> io::Result<Daemon> {
    let (reader, writer) = io::pipe()?;
    match system::fork()? {
        Side::Parent { child } => {
            drop(writer);
            system::reap(child)?;
            let verdict = read_verdict(reader);
            report(&verdict);
            std::process::exit(i32::from(verdict.code));
        }
        Side::Child => {
            drop(reader);
            system::new_session()?;
            system::ignore_hang_up()?;
            match system::fork()? {
                Side::Parent { .. } => system::exit_now(0),
                Side::Child => Ok(Daemon { pipe: writer }),
            }
        }
    }
}

impl Daemon {
    /// Lets the waiting command print `text` and succeed, and lets go of the terminal.
    pub fn ready(self, text: &str) -> io::Result<()> {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        // Before the verdict: whoever waits for the command may close its pipes the moment it returns.
        system::redirect_standard(null.as_fd())?;
        self.send(0, text)
    }

    /// Lets the waiting command print `text` and fail with `code`.
    pub fn failed(self, code: u8, text: &str) -> io::Result<()> {
        self.send(code.max(1), text)
    }

    fn send(mut self, code: u8, text: &str) -> io::Result<()> {
        self.pipe.write_all(&[code])?;
        self.pipe.write_all(text.as_bytes())
    }
}

fn read_verdict(pipe: PipeReader) -> Verdict {
    let mut bytes = Vec::new();
    let read = pipe.take(VERDICT_MAX).read_to_end(&mut bytes);
    match (read, bytes.split_first()) {
        (Ok(_), Some((&code, text))) => Verdict { code, text: String::from_utf8_lossy(text).into_owned() },
        _ => Verdict {
            code: 1,
            text: "error: the node ended before it was ready; its log may say why\n".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_arrives_whole() {
        let (reader, writer) = io::pipe().unwrap();
        Daemon { pipe: writer }.failed(2, "port taken\n").unwrap();
        assert_eq!(read_verdict(reader), Verdict { code: 2, text: "port taken\n".to_owned() });
    }

    #[test]
    fn a_failure_never_looks_like_success() {
        let (reader, writer) = io::pipe().unwrap();
        Daemon { pipe: writer }.failed(0, "").unwrap();
        assert_eq!(read_verdict(reader).code, 1);
    }

    #[test]
    fn a_node_that_dies_silently_is_a_failure() {
        let (reader, writer) = io::pipe().unwrap();
        drop(writer);
        let verdict = read_verdict(reader);
        assert_eq!(verdict.code, 1);
        assert!(verdict.text.contains("ended before it was ready"));
    }
}
