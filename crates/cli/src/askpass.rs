//! Asks for a password at the terminal, where nobody reads it over a shoulder: what is typed is not shown.
//!
//! The terminal itself is asked, not standard input, which may be a file of commands. Invariant: the terminal is as
//! it was before, also after Ctrl-C, which therefore comes as a key and not as a signal.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::Failure;

/// Longest password that can be typed.
const BYTES_MAX: usize = 4096;

/// Asks, and gives what was typed.
pub(crate) fn ask(question: &str) -> Result<String, Failure> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(|_| {
        Failure::Usage(
            "--askpass needs a terminal; in a script put the password into NARF_PASSWORD or --password-file"
                .into(),
        )
    })?;
    let silent = Silent::new(terminal)?;
    (&silent.terminal).write_all(question.as_bytes())?;
    let typed = read_line(&mut &silent.terminal);
    (&silent.terminal).write_all(b"\n")?;
    let typed = typed?.ok_or(Failure::Interrupted)?;
    String::from_utf8(typed).map_err(|_| Failure::Usage("the password is not UTF-8; type it again".into()))
}

/// A terminal that shows nothing of what is typed, until it is dropped.
struct Silent {
    terminal: File,
    before: Termios,
}

impl Silent {
    fn new(terminal: File) -> io::Result<Silent> {
        let before = tcgetattr(&terminal)?;
        let mut modes = before.clone();
        modes.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        tcsetattr(&terminal, OptionalActions::Drain, &modes)?;
        Ok(Silent { terminal, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // A terminal that is gone needs no care.
        let _ = tcsetattr(&self.terminal, OptionalActions::Drain, &self.before);
    }
}

/// Keys up to Enter; none after Ctrl-C, or Ctrl-D where nothing was typed.
fn read_line(keys: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    const CTRL_C: u8 = 3;
    const CTRL_D: u8 = 4;
    const CTRL_U: u8 = 21;
    let mut typed: Vec<u8> = Vec::new();
    let mut key = [0];
    loop {
        if keys.read(&mut key)? == 0 {
            return Ok(None);
        }
        match key[0] {
            b'\r' | b'\n' => return Ok(Some(typed)),
            CTRL_C => return Ok(None),
            CTRL_D if typed.is_empty() => return Ok(None),
            CTRL_U => typed.clear(),
            0x08 | 0x7f => erase(&mut typed),
            key if typed.len() < BYTES_MAX => typed.push(key),
            _ => {}
        }
    }
}

/// Takes away the last character, which may be of several bytes.
fn erase(typed: &mut Vec<u8>) {
    while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(keys: &str, expect: Option<&str>) {
        let typed = read_line(&mut keys.as_bytes()).unwrap();
        assert_eq!(typed.map(|typed| String::from_utf8(typed).unwrap()).as_deref(), expect);
    }

    #[test]
    fn keys_become_a_password() {
        check("pw\r", Some("pw"));
        check("\n", Some(""));
        check("püx\x7f\x7f\x08o\r", Some("o"));
        check("wrong\x15right\r", Some("right"));
        check("half\x03", None);
        check("\x04", None);
        check("p\x04\r", Some("p\x04"));
        check("no end", None);
    }
}
