//! A blocking client that hides nothing: raw bytes, half requests and pushes are as easy as commands.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::value::Value;
use crate::wait::DEADLINE;
use crate::words::words;

/// The server ended the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// One connection. Replies are read in the order they come; RESP3 pushes are put aside for [`Client::push`].
pub struct Client {
    stream: Stream,
    input: Vec<u8>,
    /// Start of the bytes not decoded yet.
    at: usize,
    pushes: VecDeque<Value>,
}

impl Client {
    /// Connects over TCP.
    pub fn tcp(address: SocketAddr) -> std::io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_nodelay(true)?;
        Client::over(Stream::Tcp(stream))
    }

    /// Connects over TLS, as someone who wants to reach `localhost`.
    pub fn tls(address: SocketAddr, config: &Arc<ClientConfig>) -> std::io::Result<Client> {
        let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        let name = "localhost".try_into().expect("it is a name");
        let mut tls = ClientConnection::new(Arc::clone(config), name).map_err(std::io::Error::other)?;
        tls.complete_io(&mut stream)?;
        Client::over(Stream::Tls(Box::new(StreamOwned::new(tls, stream))))
    }

    /// The connection's TLS, and what it is over.
    pub fn tls_parts(&mut self) -> (&mut ClientConnection, &mut TcpStream) {
        match &mut self.stream {
            Stream::Tls(stream) => (&mut stream.conn, &mut stream.sock),
            Stream::Tcp(_) | Stream::Unix(_) => panic!("it is not over TLS"),
        }
    }

    /// Connects over a unix socket.
    pub fn unix(path: &Path) -> std::io::Result<Client> {
        Client::over(Stream::Unix(UnixStream::connect(path)?))
    }

    fn over(stream: Stream) -> std::io::Result<Client> {
        let limit = Some(DEADLINE);
        match &stream {
            Stream::Tcp(stream) => stream.set_write_timeout(limit)?,
            Stream::Unix(stream) => stream.set_write_timeout(limit)?,
            Stream::Tls(stream) => stream.sock.set_write_timeout(limit)?,
        }
        Ok(Client { stream, input: Vec::new(), at: 0, pushes: VecDeque::new() })
    }

    /// The port at this end of a TCP connection.
    pub fn local_address(&self) -> SocketAddr {
        match &self.stream {
            Stream::Tcp(stream) => stream.local_addr().unwrap(),
            Stream::Tls(stream) => stream.sock.local_addr().unwrap(),
            Stream::Unix(_) => panic!("a unix socket has no port"),
        }
    }

    /// Sends bytes as they stand.
    #[track_caller]
    pub fn send_raw(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send_raw(bytes.as_ref()).expect("the server takes what is sent");
    }

    /// Sends bytes as they stand; the server may have closed the connection, or not be reading.
    pub fn try_send_raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes),
            Stream::Unix(stream) => stream.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// A second handle of the connection, for a thread that only sends.
    pub fn sender(&self) -> impl Write + Send + use<> {
        match &self.stream {
            Stream::Tcp(stream) => Box::new(stream.try_clone().unwrap()) as Box<dyn Write + Send>,
            Stream::Unix(stream) => Box::new(stream.try_clone().unwrap()),
            Stream::Tls(_) => panic!("TLS has one handle"),
        }
    }

    /// How long a send may stand still before it fails.
    pub fn set_send_limit(&mut self, limit: Duration) {
        match &self.stream {
            Stream::Tcp(stream) => stream.set_write_timeout(Some(limit)).unwrap(),
            Stream::Unix(stream) => stream.set_write_timeout(Some(limit)).unwrap(),
            Stream::Tls(stream) => stream.sock.set_write_timeout(Some(limit)).unwrap(),
        }
    }

    /// Says that nothing more will be sent; replies can still be read.
    pub fn finish_sending(&mut self) {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write).unwrap(),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write).unwrap(),
            Stream::Tls(stream) => {
                stream.conn.send_close_notify();
                stream.flush().unwrap();
            }
        }
    }

    /// Sends a command as a person types it, see [`words`].
    #[track_caller]
    pub fn send(&mut self, line: &str) {
        self.send_args(&words(line));
    }

    /// Sends a command of any bytes.
    #[track_caller]
    pub fn send_args(&mut self, args: &[impl AsRef<[u8]>]) {
        self.send_raw(encode(args));
    }

    /// Sends a command and returns its reply.
    #[track_caller]
    pub fn run(&mut self, line: &str) -> Value {
        self.run_args(&words(line))
    }

    /// Sends a command of any bytes and returns its reply.
    #[track_caller]
    pub fn run_args(&mut self, args: &[impl AsRef<[u8]>]) -> Value {
        self.send_args(args);
        self.reply()
    }

    /// Sends a command that may fail because the server goes away.
    pub fn try_run(&mut self, line: &str) -> Result<Value, Closed> {
        self.try_send_raw(&encode(&words(line))).map_err(|_| Closed)?;
        self.try_reply(DEADLINE)
    }

    /// Sends all commands at once, then returns their replies.
    #[track_caller]
    pub fn pipeline<L: AsRef<str>>(&mut self, lines: impl IntoIterator<Item = L>) -> Vec<Value> {
        let mut bytes = Vec::new();
        let mut count = 0;
        for line in lines {
            bytes.extend(encode(&words(line.as_ref())));
            count += 1;
        }
        self.send_raw(bytes);
        (0..count).map(|_| self.reply()).collect()
    }

    /// Runs a command and compares the text of its reply, see [`Value`].
    #[track_caller]
    pub fn check(&mut self, line: &str, expect: &str) {
        let reply = self.run(line);
        assert_eq!(reply.to_string(), expect, "reply to: {line}");
    }

    /// As [`Client::check`] for many, one line each: the command, ` => `, the reply's text. A text that ends in blanks
    /// is followed by `|`.
    #[track_caller]
    pub fn check_all(&mut self, table: &str) {
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")) {
            let (command, expect) =
                line.split_once(" => ").unwrap_or_else(|| panic!("a line without ` => `: {line}"));
            self.check(command.trim(), expect.strip_suffix('|').unwrap_or(expect));
        }
    }

    /// As [`Client::check`] where the order of the reply's elements means nothing.
    #[track_caller]
    pub fn check_sorted(&mut self, line: &str, expect: &str) {
        let reply = self.run(line).sorted();
        assert_eq!(reply.to_string(), expect, "sorted reply to: {line}");
    }

    /// Switches to RESP3.
    #[track_caller]
    pub fn hello3(&mut self) -> Value {
        let reply = self.run("HELLO 3");
        assert!(!reply.is_error(), "HELLO 3: {reply}");
        reply
    }

    /// The next reply; pushes on the way are put aside.
    #[track_caller]
    pub fn reply(&mut self) -> Value {
        match self.try_reply(DEADLINE) {
            Ok(value) => value,
            Err(Closed) => panic!("the server closed the connection instead of answering"),
        }
    }

    /// The next reply, or that the server closed; fails the test after `limit`.
    #[track_caller]
    pub fn try_reply(&mut self, limit: Duration) -> Result<Value, Closed> {
        match self.next_reply(limit)? {
            Some(value) => Ok(value),
            None => panic!("no reply within {limit:?}"),
        }
    }

    /// As [`Client::try_reply`], but silence is an answer.
    pub fn next_reply(&mut self, limit: Duration) -> Result<Option<Value>, Closed> {
        loop {
            match self.next(limit)? {
                Some(push @ Value::Push(_)) => self.pushes.push_back(push),
                other => return Ok(other),
            }
        }
    }

    /// The next RESP3 push, or in RESP2 the next message of a subscribed connection.
    #[track_caller]
    pub fn push(&mut self) -> Value {
        if let Some(push) = self.pushes.pop_front() {
            return push;
        }
        match self.next(DEADLINE) {
            Ok(Some(value)) => value,
            Ok(None) => panic!("no push within {DEADLINE:?}"),
            Err(Closed) => panic!("the server closed the connection instead of pushing"),
        }
    }

    /// Compares the text of the next push.
    #[track_caller]
    pub fn check_push(&mut self, expect: &str) {
        assert_eq!(self.push().to_string(), expect, "the next push");
    }

    /// Keeps a push for [`Client::push`] or [`Client::take_pushes`].
    pub fn put_aside(&mut self, push: Value) {
        self.pushes.push_back(push);
    }

    /// Pushes that were put aside while replies were read.
    pub fn take_pushes(&mut self) -> Vec<Value> {
        self.pushes.drain(..).collect()
    }

    /// Whatever comes next within `limit`, reply or push; `None` if nothing does.
    pub fn next(&mut self, limit: Duration) -> Result<Option<Value>, Closed> {
        let start = Instant::now();
        loop {
            if let Some((value, len)) = Value::decode(&self.input[self.at..]) {
                self.at += len;
                return Ok(Some(value));
            }
            self.input.drain(..self.at);
            self.at = 0;
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() || !self.fill(left)? {
                return Ok(None);
            }
        }
    }

    /// All bytes up to the end of the connection; fails the test if it does not end.
    #[track_caller]
    pub fn read_to_close(&mut self) -> Vec<u8> {
        let start = Instant::now();
        loop {
            let left = DEADLINE.saturating_sub(start.elapsed());
            assert!(!left.is_zero(), "the connection is still open after {DEADLINE:?}");
            if self.fill(left) == Err(Closed) {
                return self.input.split_off(self.at);
            }
        }
    }

    /// Waits for the end of the connection and compares all that came before it.
    #[track_caller]
    pub fn check_closed_after(&mut self, expect: &str) {
        let bytes = self.read_to_close();
        assert_eq!(String::from_utf8_lossy(&bytes), expect, "all bytes before the connection was closed");
    }

    /// Reads once; false if nothing came within `limit`.
    fn fill(&mut self, limit: Duration) -> Result<bool, Closed> {
        let mut chunk = [0; 64 * 1024];
        let got = match &mut self.stream {
            Stream::Tcp(stream) => {
                stream.set_read_timeout(Some(limit)).unwrap();
                stream.read(&mut chunk)
            }
            Stream::Unix(stream) => {
                stream.set_read_timeout(Some(limit)).unwrap();
                stream.read(&mut chunk)
            }
            Stream::Tls(stream) => {
                stream.sock.set_read_timeout(Some(limit)).unwrap();
                stream.read(&mut chunk)
            }
        };
        match got {
            Ok(0) => Err(Closed),
            Ok(len) => {
                self.input.extend_from_slice(&chunk[..len]);
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            // A reset is a close to which unread bytes fell victim.
            Err(_) => Err(Closed),
        }
    }
}

/// A command in the form clients send.
pub(crate) fn encode(args: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        let arg = arg.as_ref();
        out.extend(format!("${}\r\n", arg.len()).into_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}
