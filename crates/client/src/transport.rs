//! A two-way stream of bytes: TCP, a unix socket, or something in the same process.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::ClientError;
use crate::sealed::TlsStream;
use crate::target::{Endpoint, Target};

/// What a connection is carried by.
pub trait Transport: Read + Write + Send {
    /// Longest wait of a read before it fails with [`io::ErrorKind::WouldBlock`] or
    /// [`io::ErrorKind::TimedOut`]; `None` waits for ever.
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// The same for writes.
    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;
}

impl Transport for TcpStream {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        TcpStream::set_read_timeout(self, timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        TcpStream::set_write_timeout(self, timeout)
    }
}

impl Transport for UnixStream {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        UnixStream::set_read_timeout(self, timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        UnixStream::set_write_timeout(self, timeout)
    }
}

/// Connects, and shakes hands where TLS is spoken.
pub(crate) fn connect(target: &Target, timeout: Duration) -> Result<Box<dyn Transport>, ClientError> {
    let unreachable = |source| not_there(&target.endpoint, source, timeout);
    match (&target.endpoint, &target.tls) {
        (Endpoint::Unix(path), _) => Ok(Box::new(UnixStream::connect(path).map_err(unreachable)?)),
        (Endpoint::Tcp { host, port }, None) => {
            Ok(Box::new(connect_tcp(host, *port, timeout).map_err(unreachable)?))
        }
        (Endpoint::Tcp { host, port }, Some(tls)) => {
            let stream = connect_tcp(host, *port, timeout).map_err(unreachable)?;
            stream.set_read_timeout(Some(timeout)).map_err(unreachable)?;
            let sealed = TlsStream::connect(stream, host, tls).map_err(|error| match error {
                ClientError::Lost { address, source } if source.kind() == io::ErrorKind::WouldBlock => {
                    ClientError::TimedOut { address, after: timeout }
                }
                other => other,
            });
            Ok(Box::new(sealed?))
        }
    }
}

/// Tries every address that a name has.
fn connect_tcp(host: &str, port: u16, timeout: Duration) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn not_there(endpoint: &Endpoint, source: io::Error, timeout: Duration) -> ClientError {
    use io::ErrorKind::{ConnectionRefused, NotFound, TimedOut};
    let address = endpoint.to_string();
    match (source.kind(), source.raw_os_error()) {
        (ConnectionRefused, _) | (NotFound, Some(_)) => ClientError::NotListening { address },
        (TimedOut, _) => ClientError::TimedOut { address, after: timeout },
        _ => ClientError::Unreachable { address, source },
    }
}
