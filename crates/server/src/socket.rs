//! A client's socket, of either family, bare or with TLS.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::sync::mpsc::Sender;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use node::Peer;
use tls::{SEALED_BYTES, Stream};

/// A client's socket.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// TCP, past the handshake.
    Sealed(Box<Stream<TcpStream>>),
    /// A client in this process: bytes come by the inbox and go by a channel.
    Local(Sender<Vec<u8>>),
}

impl Socket {
    /// Takes over a connected socket that does not block.
    pub(crate) fn new(fd: OwnedFd, peer: &Peer) -> Socket {
        match peer {
            Peer::Tcp { .. } => Socket::Tcp(TcpStream::from_std(fd.into())),
            Peer::Unix(_) | Peer::InProcess => Socket::Unix(UnixStream::from_std(fd.into())),
        }
    }

    /// How many bytes were read, and whether there may be more: if not, an event will tell of them. `sealed` is a buffer
    /// that TLS needs meanwhile, made with the first that does.
    #[inline]
    pub(crate) fn read(&mut self, into: &mut [u8], sealed: &mut Vec<u8>) -> io::Result<(usize, bool)> {
        let count = match self {
            Socket::Tcp(stream) => stream.read(into)?,
            Socket::Unix(stream) => stream.read(into)?,
            Socket::Sealed(stream) => {
                sealed.resize(SEALED_BYTES, 0);
                return stream.read(into, sealed);
            }
            Socket::Local(_) => return Err(io::ErrorKind::WouldBlock.into()),
        };
        // A short read has emptied the socket.
        Ok((count, count == into.len()))
    }

    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.write(bytes),
            Socket::Unix(stream) => stream.write(bytes),
            Socket::Sealed(stream) => stream.write(bytes),
            // A client that has gone says so by the inbox, too.
            Socket::Local(sender) => {
                sender.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
                Ok(bytes.len())
            }
        }
    }
}

impl Socket {
    /// Says good-bye where the protocol of the socket has a word for it.
    pub(crate) fn finish(&mut self) {
        match self {
            Socket::Sealed(stream) => stream.finish(),
            Socket::Tcp(_) | Socket::Unix(_) | Socket::Local(_) => {}
        }
    }
}

impl Socket {
    /// Says that nothing more is sent; what the client sends can still be read.
    pub(crate) fn end(&mut self) {
        self.finish();
        // One that is not connected any more has no need to be told.
        let _ = match self {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
            Socket::Sealed(stream) => stream.socket().shutdown(Shutdown::Write),
            Socket::Local(_) => Ok(()),
        };
    }
}

impl Source for Socket {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.register(registry, token, interests),
            Socket::Unix(stream) => stream.register(registry, token, interests),
            Socket::Sealed(stream) => stream.socket().register(registry, token, interests),
            Socket::Local(_) => Ok(()),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.reregister(registry, token, interests),
            Socket::Unix(stream) => stream.reregister(registry, token, interests),
            Socket::Sealed(stream) => stream.socket().reregister(registry, token, interests),
            Socket::Local(_) => Ok(()),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.deregister(registry),
            Socket::Unix(stream) => stream.deregister(registry),
            Socket::Sealed(stream) => stream.socket().deregister(registry),
            Socket::Local(_) => Ok(()),
        }
    }
}
