//! A socket with a moment at which all is over, however slowly the other end drips its bytes.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// A socket whose waits can be bounded.
pub(crate) trait Bounded: Read + Write {
    fn bound(&self, wait: Duration) -> io::Result<()>;
}

impl Bounded for TcpStream {
    fn bound(&self, wait: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(wait))?;
        self.set_write_timeout(Some(wait))
    }
}

impl Bounded for UnixStream {
    fn bound(&self, wait: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(wait))?;
        self.set_write_timeout(Some(wait))
    }
}

/// See the module.
pub(crate) struct Timed<S> {
    stream: S,
    deadline: Instant,
}

impl<S: Bounded> Timed<S> {
    pub(crate) fn new(stream: S, deadline: Instant) -> Timed<S> {
        Timed { stream, deadline }
    }

    /// The socket, which waits without bound again if it waits at all.
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    fn bound(&self) -> io::Result<()> {
        match self.deadline.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => self.stream.bound(left),
            _ => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl<S: Bounded> Read for Timed<S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.bound()?;
        self.stream.read(bytes)
    }
}

impl<S: Bounded> Write for Timed<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bound()?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
