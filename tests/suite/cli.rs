//! `narf cli`: in scripts, and at a terminal.

mod completion;
mod dangers;
mod golden;
mod passwords;
mod prompt;
mod shells;
mod top;
mod waiting;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use narf_tests::{Server, Terminal, narf_binary};

/// A server, and a person with a home of their own.
struct Desk {
    server: Server,
    home: tempfile::TempDir,
}

impl Desk {
    fn new() -> Desk {
        Desk::with(Server::new())
    }

    fn with(server: Server) -> Desk {
        Desk { server, home: tempfile::tempdir().unwrap() }
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    fn url(&self) -> String {
        format!("127.0.0.1:{}", self.server.port())
    }

    /// What the prompt shows.
    fn prompt(&self) -> String {
        format!("{}> ", self.url())
    }

    /// `narf cli` with these words, and this at its standard input.
    fn run(&self, args: &[&str], environment: &[(&str, &str)], input: &str) -> Output {
        let mut child = Command::new(narf_binary())
            .arg("cli")
            .args(args)
            .env_clear()
            .env("HOME", self.home())
            .env("NARF_URL", self.url())
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // What takes no input may have ended.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Checks exit code, standard output and standard error, whole.
    #[track_caller]
    fn check(&self, args: &[&str], input: &str, code: i32, out: &str, err: &str) {
        let output = self.run(args, &[], input);
        assert_eq!(text(&output.stdout), out, "{args:?}");
        assert_eq!(text(&output.stderr), err, "{args:?}");
        assert_eq!(output.status.code(), Some(code), "{args:?}");
    }

    /// `narf cli` with these words at a terminal.
    fn sit_down(&self, args: &[&str]) -> Terminal {
        self.sit_down_with(args, &[])
    }

    fn sit_down_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Terminal {
        let url = self.url();
        let environment = [&[("NARF_URL", url.as_str())], environment].concat();
        Terminal::start(self.home(), &[&["cli"], args].concat(), &environment)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
