//! One connection: requests out, replies in, push messages aside.
//!
//! Invariants: `waiting` is the number of replies that are still to come; bytes before `start` of the input are
//! done with, those from `end` on are not yet read. After a failure in the middle of the stream `broken` is set
//! and nothing is sent or awaited any more.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use resp::{Value, ValueDecoder, Version, write_request};

use crate::ClientError;
use crate::target::Target;
use crate::transport::{Transport, connect};

/// How to connect and to wait.
#[derive(Clone, Debug)]
pub struct Options {
    /// Longest wait for the connection, for each address of the name.
    pub connect_timeout: Duration,
    /// Longest wait for bytes of a reply, or for room to send; `None` waits for ever.
    pub timeout: Option<Duration>,
    /// The protocol to ask for. A server that does not know RESP3 is spoken to in RESP2.
    pub version: Version,
    /// What the server shows this connection as.
    pub name: Option<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            connect_timeout: Duration::from_secs(5),
            timeout: Some(Duration::from_secs(30)),
            version: Version::Resp3,
            name: None,
        }
    }
}

/// A connection that is past its greeting.
pub struct Connection {
    transport: Box<dyn Transport>,
    address: String,
    timeout: Option<Duration>,
    version: Version,
    decoder: ValueDecoder,
    input: Vec<u8>,
    start: usize,
    end: usize,
    output: Vec<u8>,
    waiting: usize,
    pushes: VecDeque<Value>,
    broken: bool,
}

/// Bytes of requests that may be without a reply. As long as they fit into the kernel's buffers, a server that
/// waits for us to read cannot make us wait for it to read.
const WINDOW_BYTES: usize = 64 << 10;

const INPUT_MIN: usize = 16 << 10;

impl Connection {
    /// Connects, authenticates and selects the database.
    pub fn open(target: &Target, options: &Options) -> Result<Connection, ClientError> {
        Connection::over(connect(target, options.connect_timeout)?, target, options)
    }

    /// Greets over a stream that is already there.
    pub fn over(
        transport: Box<dyn Transport>,
        target: &Target,
        options: &Options,
    ) -> Result<Connection, ClientError> {
        let mut connection = Connection {
            transport,
            address: target.endpoint.to_string(),
            timeout: options.timeout,
            version: Version::Resp2,
            decoder: ValueDecoder::new(),
            input: vec![0; INPUT_MIN],
            start: 0,
            end: 0,
            output: Vec::new(),
            waiting: 0,
            pushes: VecDeque::new(),
            broken: false,
        };
        let timeouts = connection
            .transport
            .set_read_timeout(options.timeout)
            .and_then(|()| connection.transport.set_write_timeout(options.timeout));
        timeouts.map_err(|source| connection.lost(source))?;
        connection.greet(target, options)?;
        Ok(connection)
    }

    /// Waits so long for bytes of a reply from now on; how long it waited until now.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<Option<Duration>, ClientError> {
        self.transport.set_read_timeout(timeout).map_err(|source| self.lost(source))?;
        Ok(std::mem::replace(&mut self.timeout, timeout))
    }

    /// How long is waited for bytes of a reply; none for without an end.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The protocol that was agreed on.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Where the server is: host and port, or path.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Replies still to come.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether an earlier failure made this connection useless.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Sends a request and waits for its reply, which may be an error reply.
    ///
    /// Subscribing has no reply of its own but push messages: see [`Connection::send`] and
    /// [`Connection::next_message`].
    pub fn call<I, T>(&mut self, parts: I) -> Result<Value, ClientError>
    where
        I: IntoIterator<Item = T>,
        I::IntoIter: ExactSizeIterator,
        T: AsRef<[u8]>,
    {
        self.send(parts);
        self.flush()?;
        while self.waiting > 1 {
            self.receive()?;
        }
        self.receive()
    }

    /// As [`Connection::call`], but asks every now and then whether to go on. None if not: the reply may still come, so
    /// the connection cannot be used any more, and the request may have been executed.
    pub fn call_while<I, T>(
        &mut self,
        parts: I,
        every: Duration,
        mut goes_on: impl FnMut() -> bool,
    ) -> Result<Option<Value>, ClientError>
    where
        I: IntoIterator<Item = T>,
        I::IntoIter: ExactSizeIterator,
        T: AsRef<[u8]>,
    {
        self.send(parts);
        self.flush()?;
        self.transport.set_read_timeout(Some(every)).map_err(|source| self.lost(source))?;
        let reply = self.wait_while(every, &mut goes_on);
        self.transport.set_read_timeout(self.timeout).map_err(|source| self.lost(source))?;
        reply
    }

    fn wait_while(
        &mut self,
        every: Duration,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Value>, ClientError> {
        let mut waited = Duration::ZERO;
        loop {
            match self.poll_value()? {
                Some(push @ Value::Push(_)) => self.pushes.push_back(push),
                Some(value) => {
                    self.waiting = self.waiting.saturating_sub(1);
                    match self.waiting {
                        0 => return Ok(Some(value)),
                        // The reply to an earlier request.
                        _ => continue,
                    }
                }
                None => waited += every,
            }
            if !goes_on() {
                self.broken = true;
                return Ok(None);
            }
            if let Some(after) = self.timeout
                && waited >= after
            {
                self.broken = true;
                return Err(ClientError::TimedOut { address: self.address.clone(), after });
            }
        }
    }

    /// As [`Connection::call`], with an error reply as an error.
    pub fn query<I, T>(&mut self, parts: I) -> Result<Value, ClientError>
    where
        I: IntoIterator<Item = T>,
        I::IntoIter: ExactSizeIterator,
        T: AsRef<[u8]>,
    {
        match self.call(parts)? {
            Value::Error(text) => Err(ClientError::Refused(text)),
            value => Ok(value),
        }
    }

    /// Sends all requests, and reads replies meanwhile so that neither side waits for the other. The replies, in
    /// order; error replies are among them.
    pub fn pipeline<R, I, T>(&mut self, requests: R) -> Result<Vec<Value>, ClientError>
    where
        R: IntoIterator<Item = I>,
        I: IntoIterator<Item = T>,
        I::IntoIter: ExactSizeIterator,
        T: AsRef<[u8]>,
    {
        let mut replies = Vec::new();
        let mut unanswered = 0;
        for request in requests {
            let before = self.output.len();
            self.send(request);
            let len = self.output.len() - before;
            if unanswered > 0 && unanswered + len > WINDOW_BYTES {
                let last = self.output.split_off(before);
                self.waiting -= 1;
                self.drain_into(&mut replies)?;
                self.output = last;
                self.waiting += 1;
                unanswered = 0;
            }
            unanswered += len;
        }
        self.drain_into(&mut replies)?;
        Ok(replies)
    }

    /// Adds a request to those that the next [`Connection::flush`] sends.
    pub fn send<I, T>(&mut self, parts: I)
    where
        I: IntoIterator<Item = T>,
        I::IntoIter: ExactSizeIterator,
        T: AsRef<[u8]>,
    {
        write_request(&mut self.output, parts);
        self.waiting += 1;
    }

    /// Writes what [`Connection::send`] collected.
    pub fn flush(&mut self) -> Result<(), ClientError> {
        self.check_usable()?;
        let output = std::mem::take(&mut self.output);
        let written = self.transport.write_all(&output).and_then(|()| self.transport.flush());
        self.output = output;
        self.output.clear();
        written.map_err(|source| self.lost(source))
    }

    /// The next reply. Push messages that arrive before it are kept for [`Connection::take_push`].
    pub fn receive(&mut self) -> Result<Value, ClientError> {
        loop {
            match self.read_value()? {
                push @ Value::Push(_) => self.pushes.push_back(push),
                value => {
                    self.waiting = self.waiting.saturating_sub(1);
                    return Ok(value);
                }
            }
        }
    }

    /// A push message that arrived earlier, oldest first. Does not wait.
    pub fn take_push(&mut self) -> Option<Value> {
        self.pushes.pop_front()
    }

    /// Whatever the server says next, push message or reply; `None` if it says nothing for that long. What a
    /// subscriber or a monitor reads in a loop; in RESP2 its messages are arrays.
    pub fn next_message(&mut self, timeout: Option<Duration>) -> Result<Option<Value>, ClientError> {
        if let Some(push) = self.take_push() {
            return Ok(Some(push));
        }
        // A timeout of zero would mean none to the system.
        let timeout = timeout.map(|timeout| timeout.max(Duration::from_millis(1)));
        self.transport.set_read_timeout(timeout).map_err(|source| self.lost(source))?;
        let outcome = self.poll_value();
        let restored = self.transport.set_read_timeout(self.timeout);
        let value = outcome?;
        restored.map_err(|source| self.lost(source))?;
        if value.as_ref().is_some_and(|value| !matches!(value, Value::Push(_))) {
            self.waiting = self.waiting.saturating_sub(1);
        }
        Ok(value)
    }

    fn greet(&mut self, target: &Target, options: &Options) -> Result<(), ClientError> {
        if options.version == Version::Resp3 && self.hello(target)? {
            self.version = Version::Resp3;
        } else if let Some(password) = &target.password {
            match &target.user {
                Some(user) => self.query(["AUTH", user, password])?,
                None => self.query(["AUTH", password])?,
            };
        }
        if let Some(name) = &options.name {
            self.call(["CLIENT", "SETNAME", name])?;
        }
        if target.db > 0 {
            self.query(["SELECT", &target.db.to_string()])?;
        }
        Ok(())
    }

    /// Asks for RESP3. A server that does not know it is no error, nor is one that wants a password which we do
    /// not have: its refusals say so, and `AUTH` may still be sent.
    fn hello(&mut self, target: &Target) -> Result<bool, ClientError> {
        let mut parts = vec!["HELLO", "3"];
        if let Some(password) = &target.password {
            parts.extend(["AUTH", target.user.as_deref().unwrap_or("default"), password]);
        }
        match self.call(parts)? {
            Value::Error(text) => match text.split(' ').next() {
                Some("WRONGPASS" | "NOPERM") => Err(ClientError::Refused(text)),
                Some("NOAUTH") if target.password.is_some() => Err(ClientError::Refused(text)),
                _ => Ok(false),
            },
            _ => Ok(true),
        }
    }

    fn drain_into(&mut self, replies: &mut Vec<Value>) -> Result<(), ClientError> {
        self.flush()?;
        while self.waiting > 0 {
            replies.push(self.receive()?);
        }
        Ok(())
    }

    fn read_value(&mut self) -> Result<Value, ClientError> {
        match self.poll_value()? {
            Some(value) => Ok(value),
            None => {
                // Its reply may still come, and would be taken for the next request's.
                self.broken = true;
                let after = self.timeout.unwrap_or_default();
                Err(ClientError::TimedOut { address: self.address.clone(), after })
            }
        }
    }

    /// The next value, `None` if a read timed out.
    fn poll_value(&mut self) -> Result<Option<Value>, ClientError> {
        self.check_usable()?;
        loop {
            match self.decoder.decode(&self.input[self.start..self.end]) {
                Ok(Some((value, len))) => {
                    self.start += len;
                    if self.start == self.end {
                        (self.start, self.end) = (0, 0);
                    }
                    return Ok(Some(value));
                }
                Ok(None) => {}
                Err(source) => {
                    self.broken = true;
                    return Err(ClientError::Malformed { address: self.address.clone(), source });
                }
            }
            self.make_room();
            match self.transport.read(&mut self.input[self.end..]) {
                Ok(0) => {
                    self.broken = true;
                    return Err(ClientError::Closed { address: self.address.clone() });
                }
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Ok(None),
                Err(source) => return Err(self.lost(source)),
            }
        }
    }

    /// Makes room to read into, growing only when a single reply has filled the buffer.
    fn make_room(&mut self) {
        if self.end < self.input.len() {
            return;
        }
        if self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end > self.input.len() / 2 {
            self.input.resize(self.input.len() * 2, 0);
        }
    }

    fn check_usable(&self) -> Result<(), ClientError> {
        if self.broken { Err(ClientError::Unusable { address: self.address.clone() }) } else { Ok(()) }
    }

    fn lost(&mut self, source: io::Error) -> ClientError {
        self.broken = true;
        let address = self.address.clone();
        match (is_timeout(&source), self.timeout) {
            (true, Some(after)) => ClientError::TimedOut { address, after },
            _ if source.kind() == io::ErrorKind::ConnectionReset => ClientError::Closed { address },
            _ => ClientError::of_stream(&address, source),
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
