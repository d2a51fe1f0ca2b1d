//! A socket whose bytes are sealed, to be read and written like one that is not; blocking or not is the socket's affair.
//!
//! Reading takes what the socket has in one go, not in rustls's steps of four kilobytes. Writing seals one chunk and says
//! that it was written only when the socket has taken the last byte of it: whoever writes keeps those bytes until then,
//! counts them as unsent, and comes again with them in front. So what waits for a slow peer waits where it waits without
//! TLS, under the same limits, and a connection that ends when all was written has lost nothing.
//!
//! Invariant: `promised` is above zero exactly while bytes that were sealed are not yet all with the socket; it is at most
//! [`CHUNK_BYTES`].

use std::io::{self, Read, Write};

use rustls::{Connection, Error};

/// Plaintext that is sealed at once.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// Sealed bytes that are taken from a socket at once: the size of the second buffer of [`Stream::read`].
pub const SEALED_BYTES: usize = 46 * 1024;
/// The size, at least, of its first: what comes out of that many bytes, and of a record that waited for its end.
pub const PLAIN_BYTES_MIN: usize = 64 * 1024;

/// The longest record, its head and what TLS 1.2 adds included.
const RECORD_BYTES_MAX: usize = 5 + 16 * 1024 + 1024;
const _: () = assert!(SEALED_BYTES + RECORD_BYTES_MAX <= PLAIN_BYTES_MIN);

/// See the module.
#[derive(Debug)]
pub struct Stream<S> {
    socket: S,
    tls: Connection,
    promised: usize,
    /// The peer has said that nothing more comes.
    has_ended: bool,
}

impl<S> Stream<S> {
    /// A stream at the begin of its handshake, or past it.
    pub fn new(socket: S, tls: impl Into<Connection>) -> Stream<S> {
        let mut tls = tls.into();
        // What is sealed is bounded here, by the chunk.
        tls.set_buffer_limit(None);
        Stream { socket, tls, promised: 0, has_ended: false }
    }

    /// The socket, to be registered or asked for its address.
    pub fn socket(&mut self) -> &mut S {
        &mut self.socket
    }

    /// What was agreed on with the peer.
    pub fn agreed(&self) -> &Connection {
        &self.tls
    }

    /// The same stream over another form of its socket.
    pub fn map_socket<T>(self, change: impl FnOnce(S) -> T) -> Stream<T> {
        let Stream { socket, tls, promised, has_ended } = self;
        Stream { socket: change(socket), tls, promised, has_ended }
    }
}

impl<S: Read + Write> Stream<S> {
    /// Goes on with the handshake as far as the socket lets it. Done when this succeeds; a socket that would block says
    /// so. If the peer is refused, it was told why as far as its socket took it.
    pub fn handshake(&mut self) -> io::Result<()> {
        loop {
            self.send_sealed()?;
            if !self.tls.is_handshaking() {
                return Ok(());
            }
            match self.tls.read_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => self.open_records()?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads plaintext, at least [`PLAIN_BYTES_MIN`] of which `into` must have room for; `sealed` is a buffer for the
    /// meantime, of [`SEALED_BYTES`]. How many bytes came, and whether more may be there already: if not, the socket was
    /// found empty. None is the end. Bytes that give no plaintext yet are an interruption.
    pub fn read(&mut self, into: &mut [u8], sealed: &mut [u8]) -> io::Result<(usize, bool)> {
        debug_assert!(into.len() >= PLAIN_BYTES_MIN && sealed.len() <= SEALED_BYTES);
        // What came with the end of the handshake, or did not fit.
        let early = self.take_plaintext(into)?;
        if early > 0 || self.has_ended {
            return Ok((early, true));
        }
        let taken = self.socket.read(sealed)?;
        if taken == 0 {
            return Ok((0, false));
        }
        let (mut rest, mut count) = (&sealed[..taken], 0);
        while !rest.is_empty() && !self.has_ended {
            self.tls.read_tls(&mut rest)?;
            self.open_records()?;
            count += self.take_plaintext(&mut into[count..])?;
        }
        // An answer to the peer's TLS, such as a new key; it may as well go with the next bytes.
        if self.promised == 0 && self.tls.wants_write() {
            let _ = self.send_sealed();
        }
        match count {
            0 if !self.has_ended => Err(io::ErrorKind::Interrupted.into()),
            count => Ok((count, self.has_ended || taken == sealed.len() || count == into.len())),
        }
    }

    /// Seals and writes up to [`CHUNK_BYTES`]; how many of the bytes are with the socket. If it would block, the next call
    /// must begin with the same bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.promised == 0 {
            self.promised = self.tls.writer().write(&bytes[..bytes.len().min(CHUNK_BYTES)])?;
        }
        debug_assert!(self.promised <= bytes.len(), "bytes that were not written are offered again");
        self.send_sealed()?;
        Ok(std::mem::take(&mut self.promised))
    }

    /// Tells the peer that nothing more comes, if its socket takes that.
    pub fn finish(&mut self) {
        self.tls.send_close_notify();
        // Best effort: a peer that takes nothing will see the socket close.
        let _ = self.send_sealed();
    }

    fn send_sealed(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn open_records(&mut self) -> io::Result<()> {
        match self.tls.process_new_packets() {
            Ok(state) => {
                self.has_ended |= state.peer_has_closed();
                Ok(())
            }
            Err(error) => {
                // The alert that says why; nothing but the error matters any more.
                let _ = self.send_sealed();
                Err(broken(error))
            }
        }
    }

    fn take_plaintext(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        while count < into.len() {
            match self.tls.reader().read(&mut into[count..]) {
                Ok(0) => break,
                Ok(some) => count += some,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }
}

fn broken(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
