//! A program at a terminal: a person who types, and sees.
//!
//! What is seen is text without escape sequences. Waiting for text that does not come fails the test, with what was
//! seen instead; nothing is typed before what it answers to is there.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use crate::process::{dies_with_its_parent, has_its_terminal};
use crate::server::narf_binary;
use crate::wait::{DEADLINE, within};

/// See the module.
pub struct Terminal {
    child: Child,
    keys: File,
    output: Receiver<Vec<u8>>,
    raw: Vec<u8>,
    /// How much of the text was looked at.
    at: usize,
}

impl Terminal {
    /// Starts `narf` with these arguments, at home in `home`, with nothing in its environment but this.
    #[track_caller]
    pub fn start(home: &Path, args: &[&str], environment: &[(&str, &str)]) -> Terminal {
        Terminal::run(narf_binary(), home, args, environment)
    }

    /// The same with another program.
    #[track_caller]
    pub fn run(
        program: impl AsRef<Path>,
        home: &Path,
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Terminal {
        let (keys, screen) = open().expect("open a terminal");
        let end = || std::process::Stdio::from(screen.try_clone().expect("copy a descriptor"));
        let mut command = Command::new(program.as_ref());
        command
            .args(args)
            .current_dir(home)
            .env_clear()
            .env("HOME", home)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TERM", "xterm")
            .envs(environment.iter().copied());
        command.stdin(end()).stdout(end()).stderr(end());
        has_its_terminal(&mut command);
        dies_with_its_parent(&mut command);
        let child = command.spawn().expect("start narf at a terminal");
        let mut seen = keys.try_clone().expect("copy a descriptor");
        let (sender, output) = channel();
        // It ends when the terminal is closed at the other end.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = seen.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Terminal { child, keys, output, raw: Vec::new(), at: 0 }
    }

    /// Types these keys.
    #[track_caller]
    pub fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("type");
    }

    /// Types a line.
    #[track_caller]
    pub fn line(&mut self, line: &str) {
        self.keys(&format!("{line}\r"));
    }

    /// Waits until `text` is there behind what was waited for before, and gives what came until then.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        match self.try_expect(text, DEADLINE) {
            Some(until) => until,
            None => panic!("waited in vain for {text:?} after {:?}", &visible(&self.raw)[self.at..]),
        }
    }

    /// The same with a limit; none if it does not come.
    pub fn try_expect(&mut self, text: &str, limit: Duration) -> Option<String> {
        let start = Instant::now();
        loop {
            let seen = visible(&self.raw);
            if let Some(found) = seen[self.at..].find(text) {
                let end = self.at + found + text.len();
                let until = seen[self.at..end].to_owned();
                self.at = end;
                return Some(until);
            }
            self.raw.extend(self.output.recv_timeout(limit.saturating_sub(start.elapsed())).ok()?);
        }
    }

    /// Presses a key until `text` is there: for what is done for a moment only, and for nothing on a busy machine.
    #[track_caller]
    pub fn press_until(&mut self, key: &str, text: &str) {
        let pressed = within(DEADLINE, || {
            self.keys(key);
            self.try_expect(text, Duration::from_millis(500))
        });
        assert!(pressed.is_some(), "waited in vain for {text:?} after {:?}", &visible(&self.raw)[self.at..]);
    }

    /// Waits for its end, and gives all that came since the last wait and how it ended.
    #[track_caller]
    pub fn end(mut self) -> (String, ExitStatus) {
        let status = self.wait();
        (visible(&self.raw)[self.at..].to_owned(), status)
    }

    /// Waits for its end, with all that comes until then.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let status = within(DEADLINE, || self.child.try_wait().expect("wait for a child"));
        let status = status.unwrap_or_else(|| panic!("it goes on after {:?}", visible(&self.raw)));
        while let Ok(bytes) = self.output.recv_timeout(DEADLINE) {
            self.raw.extend(bytes);
        }
        status
    }

    /// All bytes that came so far, escape sequences included.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Fails if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both ends of a terminal of 120 columns and 30 lines.
fn open() -> std::io::Result<(File, OwnedFd)> {
    let keys = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    rustix::pty::grantpt(&keys)?;
    rustix::pty::unlockpt(&keys)?;
    let size = Winsize { ws_row: 30, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&keys, size)?;
    let path = rustix::pty::ptsname(&keys, Vec::new())?.into_string().map_err(std::io::Error::other)?;
    let screen = OpenOptions::new().read(true).write(true).open(path)?;
    Ok((keys.into(), screen.into()))
}

/// Text without escape sequences and returns of the carriage. What is cut in the middle of a sequence ends before it.
fn visible(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\r' => {}
            '\x1b' if rest.as_str().starts_with('[') => {
                rest.next();
                // Parameters, then one letter.
                if !rest.by_ref().any(|c| ('@'..='~').contains(&c)) {
                    break;
                }
            }
            '\x1b' => drop(rest.next()),
            c => out.push(c),
        }
    }
    out
}
