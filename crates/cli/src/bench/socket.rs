//! A socket that does not block, past its greeting.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use client::{ClientError, Connection, Endpoint, Options, Target, TlsStream, Transport};
use mio::event::Source;
use mio::{Interest, Registry, Token};

use crate::Failure;

pub(super) enum Socket {
    Tcp(mio::net::TcpStream),
    Unix(mio::net::UnixStream),
    Tls(Box<TlsStream<mio::net::TcpStream>>),
}

/// A stream that is lent for the greeting.
struct Lent(Arc<Mutex<TlsStream<TcpStream>>>);

impl Socket {
    /// Connects and greets in the blocking way, then stops blocking.
    pub(super) fn open(target: &Target, options: &Options) -> Result<Socket, Failure> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
                ClientError::NotListening { address: target.endpoint.to_string() }
            }
            _ => ClientError::Unreachable { address: target.endpoint.to_string(), source },
        };
        match &target.endpoint {
            Endpoint::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).map_err(failed)?;
                stream.set_nodelay(true)?;
                if let Some(tls) = &target.tls {
                    stream.set_read_timeout(Some(options.connect_timeout))?;
                    let stream = TlsStream::connect(stream, host, tls)?;
                    return Socket::greet_over_tls(stream, target, options);
                }
                Connection::over(Box::new(stream.try_clone()?), target, options)?;
                stream.set_nonblocking(true)?;
                Ok(Socket::Tcp(mio::net::TcpStream::from_std(stream)))
            }
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).map_err(failed)?;
                Connection::over(Box::new(stream.try_clone()?), target, options)?;
                stream.set_nonblocking(true)?;
                Ok(Socket::Unix(mio::net::UnixStream::from_std(stream)))
            }
        }
    }

    fn greet_over_tls(
        stream: TlsStream<TcpStream>,
        target: &Target,
        options: &Options,
    ) -> Result<Socket, Failure> {
        let stream = Arc::new(Mutex::new(stream));
        drop(Connection::over(Box::new(Lent(Arc::clone(&stream))), target, options)?);
        let stream = Arc::into_inner(stream).expect("the connection is dropped");
        let mut stream = stream.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        stream.socket().set_nonblocking(true)?;
        Ok(Socket::Tls(Box::new(stream.map_socket(mio::net::TcpStream::from_std))))
    }

    pub(super) fn register(&mut self, registry: &Registry, token: usize) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self {
            Socket::Tcp(stream) => stream.register(registry, Token(token), interest),
            Socket::Unix(stream) => stream.register(registry, Token(token), interest),
            Socket::Tls(stream) => stream.socket().register(registry, Token(token), interest),
        }
    }

    /// Bytes read, `None` if there is nothing now.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        unless_blocked(match self {
            Socket::Tcp(stream) => stream.read(buffer),
            Socket::Unix(stream) => stream.read(buffer),
            Socket::Tls(stream) => loop {
                match stream.read(buffer) {
                    // Bytes that were no plaintext yet.
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => break result,
                }
            },
        })
    }

    /// Bytes written, `None` if there is no room now.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        unless_blocked(match self {
            Socket::Tcp(stream) => stream.write(bytes),
            Socket::Unix(stream) => stream.write(bytes),
            Socket::Tls(stream) => stream.write(bytes),
        })
    }
}

impl Lent {
    fn stream(&self) -> MutexGuard<'_, TlsStream<TcpStream>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Read for Lent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream().read(buffer)
    }
}

impl Write for Lent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream().flush()
    }
}

impl Transport for Lent {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream().set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream().set_write_timeout(timeout)
    }
}

fn unless_blocked(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
