//! Where the answer to a line goes: `get k | wc -c` to a shell command, `hgetall h > file` to a file, else to the screen,
//! through a pager if it is longer than that.
//!
//! What leaves the screen is bare, as in a pipe, so that other programs can read it. Invariant: while another program
//! has the terminal, Ctrl-C is for that program.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::process::{Child, Command, Stdio};

use crate::exit::say;
use crate::stream::Interrupt;
use crate::{Failure, line};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Screen,
    Shell(String),
    File { path: String, is_appended: bool },
}

/// Cuts a line into the command and where its answer goes. Marks in quotes are words, and so is a `>` with nothing or
/// with more than one word behind it.
pub(super) fn split(line: &str) -> Result<(&str, Destination), Failure> {
    let words = line::words(line);
    for (index, word) in words.iter().enumerate() {
        let command = &line[..word.start];
        if let Some(shell) = line[word.start..].strip_prefix('|') {
            return match shell.trim() {
                "" => Err(Failure::Usage(
                    "`|` sends the answer to the shell command behind it; write \"|\" in quotes for the word"
                        .into(),
                )),
                shell => Ok((command, Destination::Shell(shell.to_owned()))),
            };
        }
        if let (">" | ">>", [file]) = (word.text, &words[index + 1..])
            && file.text != ">"
        {
            let path = String::from_utf8_lossy(&file.meaning()).into_owned();
            return Ok((command, Destination::File { path, is_appended: word.text == ">>" }));
        }
    }
    Ok((line, Destination::Screen))
}

/// A destination that takes bytes.
pub(super) enum Sink {
    /// Kept until it is known how long it is.
    Screen(Vec<u8>),
    Shell(Child),
    File(File),
}

impl Sink {
    pub(super) fn open(destination: &Destination) -> Result<Sink, Failure> {
        match destination {
            Destination::Screen => Ok(Sink::Screen(Vec::new())),
            Destination::Shell(command) => {
                let child = shell(command);
                child
                    .map(Sink::Shell)
                    .map_err(|error| Failure::Usage(format!("cannot start a shell: {error}")))
            }
            Destination::File { path, is_appended } => {
                let file = OpenOptions::new()
                    .create(true)
                    .write(true)
                    .append(*is_appended)
                    .truncate(!is_appended)
                    .open(path);
                file.map(Sink::File)
                    .map_err(|error| Failure::Usage(format!("cannot write to {path}: {error}")))
            }
        }
    }

    /// All is written: shows it, or waits for who reads it.
    pub(super) fn finish(self, pager: &Pager, interrupt: &Interrupt) -> Result<(), Failure> {
        match self {
            Sink::Screen(bytes) => pager.show(&bytes, interrupt)?,
            Sink::Shell(mut child) => {
                let status = interrupt.during(|| {
                    drop(child.stdin.take());
                    child.wait()
                })?;
                if !status.success() {
                    say(&format!("the shell command ended with {status}"));
                }
            }
            Sink::File(_) => {}
        }
        Ok(())
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Screen(kept) => kept.write(bytes),
            Sink::File(file) => file.write(bytes),
            Sink::Shell(child) => match child.stdin.as_mut().map(|stdin| stdin.write(bytes)) {
                // It has read enough.
                None => Ok(bytes.len()),
                Some(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
                Some(result) => result,
            },
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn shell(command: &str) -> io::Result<Child> {
    Command::new("/bin/sh").args(["-c", command]).stdin(Stdio::piped()).spawn()
}

/// Shows what is longer than the screen page by page.
pub(super) struct Pager {
    /// None: never.
    command: Option<String>,
}

impl Pager {
    /// `NARF_PAGER`, else `PAGER`, else `less`; set to nothing, none.
    pub(super) fn new(is_wanted: bool) -> Pager {
        let named = std::env::var("NARF_PAGER").or_else(|_| std::env::var("PAGER"));
        let command = named.unwrap_or_else(|_| "less".into());
        let can = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
        Pager { command: (is_wanted && can && !command.trim().is_empty()).then_some(command) }
    }

    pub(super) fn show(&self, bytes: &[u8], interrupt: &Interrupt) -> io::Result<()> {
        if let Some(command) = &self.command
            && is_longer_than_the_screen(bytes)
            && interrupt.during(|| page(command, bytes)).is_ok()
        {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }
}

/// Fails if there is no such pager.
fn page(command: &str, bytes: &[u8]) -> io::Result<()> {
    let mut pager = spawn_pager(command)?;
    if let Some(mut stdin) = pager.stdin.take() {
        // Left before the end was reached.
        let _ = stdin.write_all(bytes);
    }
    pager.wait().map(drop)
}

fn spawn_pager(command: &str) -> io::Result<Child> {
    // Behind `LESS=S` and the like.
    let program = command.split_ascii_whitespace().find(|word| !word.contains('=')).unwrap_or_default();
    if !is_program(program) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mut pager = Command::new("/bin/sh");
    pager.args(["-c", command]).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        // Colours as they are, and what it showed stays on the screen.
        pager.env("LESS", "RX");
    }
    pager.spawn()
}

/// Whether a shell would find it: without a pager the text is shown at once.
fn is_program(name: &str) -> bool {
    if name.contains('/') {
        return std::path::Path::new(name).is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

fn is_longer_than_the_screen(bytes: &[u8]) -> bool {
    let Ok(size) = rustix::termios::tcgetwinsize(std::io::stdout()) else { return false };
    let (rows, columns) = (usize::from(size.ws_row), usize::from(size.ws_col).max(1));
    // The line that says how long it took, and the next prompt, are to be on it too.
    let room = rows.saturating_sub(2);
    let lines = bytes.split(|&byte| byte == b'\n').map(|line| line.len().div_ceil(columns).max(1));
    rows > 0
        && lines
            .scan(0, |sum, lines| {
                *sum += lines;
                Some(*sum)
            })
            .any(|sum| sum > room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, command: &str, expect: Destination) {
        assert_eq!(split(line).unwrap(), (command, expect), "{line}");
    }

    #[test]
    fn a_line_says_where_its_answer_goes() {
        let shell = |text: &str| Destination::Shell(text.into());
        let file = |path: &str, is_appended| Destination::File { path: path.into(), is_appended };
        check("get k", "get k", Destination::Screen);
        check("get k | wc -c", "get k ", shell("wc -c"));
        check("get k |wc", "get k ", shell("wc"));
        check("get k | sort | uniq > /tmp/x", "get k ", shell("sort | uniq > /tmp/x"));
        check("get k > a.txt", "get k ", file("a.txt", false));
        check("get k >> a.txt", "get k ", file("a.txt", true));
        check("set k \"a | b\"", "set k \"a | b\"", Destination::Screen);
        check("set k 'a > b'", "set k 'a > b'", Destination::Screen);
        check("set k \"|\" | cat", "set k \"|\" ", shell("cat"));
        check("set k a|b", "set k a|b", Destination::Screen);
        check("acl setuser u >pw", "acl setuser u >pw", Destination::Screen);
        check("xread streams s >", "xread streams s >", Destination::Screen);
        check("xread streams s t > >", "xread streams s t > >", Destination::Screen);
        check("set k > b c", "set k > b c", Destination::Screen);
        check("set \"k", "set \"k", Destination::Screen);
        assert!(split("get k |").unwrap_err().message().contains("in quotes"));
    }
}
