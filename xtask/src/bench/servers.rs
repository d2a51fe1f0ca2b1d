//! The two servers of a comparison: started on free ports, pinned, and stopped when done with.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::measure::Load;

/// How long servers may take until they are one.
const PATIENCE: Duration = Duration::from_secs(30);

/// What both sides promise.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Memory,
    Quorum,
    Durable,
}

impl Mode {
    pub(super) fn from_name(name: &str) -> Option<Mode> {
        [("memory", Mode::Memory), ("quorum", Mode::Quorum), ("durable", Mode::Durable)]
            .into_iter()
            .find_map(|(known, mode)| (known == name).then_some(mode))
    }

    pub(super) fn describe(self) -> &'static str {
        match self {
            Mode::Memory => "keys in memory only",
            Mode::Quorum => "every write logged, synced each second",
            Mode::Durable => "every write synced before its answer",
        }
    }
}

pub(super) struct Server {
    pub(super) name: String,
    pub(super) port: u16,
    process: Child,
}

impl Server {
    pub(super) fn redis(mode: Mode, folder: &Path, load: &Load) -> Result<Server> {
        let log: &[&str] = match mode {
            Mode::Memory => &["--appendonly", "no"],
            Mode::Quorum => &["--appendonly", "yes", "--appendfsync", "everysec"],
            Mode::Durable => &["--appendonly", "yes", "--appendfsync", "always"],
        };
        Server::start("redis", Path::new("redis-server"), folder, load, |command, port| {
            command.args(["--port", port, "--save", "", "--bind", "127.0.0.1"]).args(log);
            command.arg("--dir").arg(folder);
        })
    }

    pub(super) fn narf(binary: &Path, mode: Mode, folder: &Path, load: &Load) -> Result<Server> {
        Server::start("narf", binary, folder, load, |command, port| {
            command.args(["serve", "--port", port, "--workers", "1"]);
            match mode {
                Mode::Memory => command.arg("--no-data"),
                Mode::Quorum => command.args(["--ack", "quorum", "--dir"]).arg(folder),
                Mode::Durable => command.args(["--ack", "durable", "--dir"]).arg(folder),
            };
        })
    }

    pub(super) fn start(
        name: &str,
        binary: &Path,
        folder: &Path,
        load: &Load,
        arguments: impl FnOnce(&mut Command, &str),
    ) -> Result<Server> {
        let mut server = Server::launch(name, binary, folder, load, free_port()?, arguments)?;
        server.wait()?;
        Ok(server)
    }

    /// The same for a server that speaks something else, or is not to be waited for.
    pub(super) fn launch(
        name: &str,
        binary: &Path,
        folder: &Path,
        load: &Load,
        port: u16,
        arguments: impl FnOnce(&mut Command, &str),
    ) -> Result<Server> {
        // What an earlier run left would be loaded.
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        let mut command = Command::new("taskset");
        command.args(["-c", &load.server_core.to_string()]).arg(binary);
        arguments(&mut command, &port.to_string());
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // `taskset` becomes the server, so its number is the server's.
        let process = quiet.spawn().with_context(|| format!("start {name}"))?;
        Ok(Server { name: name.to_owned(), port, process })
    }

    fn wait(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait()? {
                bail!("{} ended at its start with {status}", self.name);
            }
            if self.ask(&[b"*1\r\n$4\r\nPING\r\n"], 1).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("{} does not answer on port {}", self.name, self.port)
    }

    /// The number of its process.
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Empties it and puts in `keys` strings under the names that redis-benchmark asks for.
    pub(super) fn reset(&self, keys: u64, value_bytes: usize) -> Result<()> {
        self.ask(&[b"*1\r\n$8\r\nFLUSHALL\r\n"], 1)?;
        let value = "x".repeat(value_bytes);
        let requests: Vec<Vec<u8>> = (0..keys)
            .map(|key| {
                format!("*3\r\n$3\r\nSET\r\n$16\r\nkey:{key:012}\r\n${value_bytes}\r\n{value}\r\n")
                    .into_bytes()
            })
            .collect();
        for batch in requests.chunks(1000) {
            self.ask(&batch.iter().map(Vec::as_slice).collect::<Vec<_>>(), batch.len())?;
        }
        Ok(())
    }

    /// Sends requests and reads that many one-line replies.
    pub(super) fn ask(&self, requests: &[&[u8]], replies: usize) -> Result<()> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.write_all(&requests.concat())?;
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        for _ in 0..replies {
            line.clear();
            reader.by_ref().read_until(b'\n', &mut line)?;
            if !matches!(line.first(), Some(b'+' | b':')) {
                bail!("{} answered {:?}", self.name, String::from_utf8_lossy(&line));
            }
        }
        Ok(())
    }
}

pub(super) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Waits until something holds, for as long as servers may take that come together.
pub(super) fn wait_until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if holds()? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("waited {PATIENCE:?} in vain for {what}")
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its data is thrown away, and there is nobody to tell of a failure.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
