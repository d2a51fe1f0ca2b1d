//! Streams over sockets that take and give as little as they like.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests fail loudly")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use tls::{CHUNK_BYTES, PLAIN_BYTES_MIN, SEALED_BYTES, Stream};

/// One direction of a wire.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    /// How many more it takes before it blocks.
    room: usize,
    /// How many it gives at once.
    gulp: usize,
    is_closed: bool,
}

/// One end of a wire: reads from the first, writes to the second.
struct End(Rc<RefCell<Pipe>>, Rc<RefCell<Pipe>>);

impl Read for End {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        let count = into.len().min(pipe.bytes.len()).min(pipe.gulp);
        if count == 0 && !pipe.is_closed {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        for (to, byte) in into.iter_mut().zip(pipe.bytes.drain(..count)) {
            *to = byte;
        }
        Ok(count)
    }
}

impl Write for End {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let mut pipe = self.1.borrow_mut();
        let count = from.len().min(pipe.room);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        pipe.room -= count;
        pipe.bytes.extend(&from[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Pair {
    client: Stream<End>,
    server: Stream<End>,
    up: Rc<RefCell<Pipe>>,
    down: Rc<RefCell<Pipe>>,
    buffers: (Vec<u8>, Vec<u8>),
}

impl Pair {
    fn new(version: &'static rustls::SupportedProtocolVersion) -> Pair {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (chain, key) = (vec![made.cert.der().clone()], made.signing_key.serialize_der());
        let mut roots = RootCertStore::empty();
        roots.add(chain[0].clone()).unwrap();
        let key = PrivateKeyDer::try_from(key).unwrap();
        let server = ServerConfig::builder_with_provider(tls::provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let client = ClientConfig::builder_with_provider(tls::provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let pipe = || Rc::new(RefCell::new(Pipe { room: usize::MAX, gulp: usize::MAX, ..Pipe::default() }));
        let (up, down) = (pipe(), pipe());
        let client = ClientConnection::new(Arc::new(client), "localhost".try_into().unwrap()).unwrap();
        let server = ServerConnection::new(Arc::new(server)).unwrap();
        Pair {
            client: Stream::new(End(Rc::clone(&down), Rc::clone(&up)), client),
            server: Stream::new(End(Rc::clone(&up), Rc::clone(&down)), server),
            up,
            down,
            buffers: (vec![0; PLAIN_BYTES_MIN], vec![0; SEALED_BYTES]),
        }
    }

    fn greeted(version: &'static rustls::SupportedProtocolVersion) -> Pair {
        let mut pair = Pair::new(version);
        while would_block(pair.client.handshake()) | would_block(pair.server.handshake()) {}
        pair
    }

    /// All that the server can read now.
    fn read_all(&mut self) -> Vec<u8> {
        let mut read = Vec::new();
        loop {
            match self.server.read(&mut self.buffers.0, &mut self.buffers.1) {
                Ok((count, has_more)) => {
                    read.extend_from_slice(&self.buffers.0[..count]);
                    if !has_more {
                        return read;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn would_block(result: io::Result<()>) -> bool {
    match result {
        Ok(()) => false,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
        Err(error) => panic!("{error}"),
    }
}

const BOTH: [&rustls::SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

#[test]
fn bytes_come_through_whatever_pieces_the_wire_makes_of_them() {
    for version in BOTH {
        for gulp in [1, 7, 4096, 17_000, SEALED_BYTES, usize::MAX] {
            let mut pair = Pair::greeted(version);
            pair.up.borrow_mut().gulp = gulp;
            let sent = text(if gulp < 100 { 40_000 } else { 400_000 });
            let mut left = &sent[..];
            while !left.is_empty() {
                left = &left[pair.client.write(left).unwrap()..];
            }
            let mut read = pair.read_all();
            // An edge-triggered loop reads on only while it is told that there may be more: then it must have all. A small
            // gulp is a socket that was empty for a moment, after which an event comes.
            assert!(read.len() == sent.len() || gulp < SEALED_BYTES, "{} at gulps of {gulp}", read.len());
            while read.len() < sent.len() {
                read.extend(pair.read_all());
            }
            assert!(read == sent, "gulps of {gulp}");
        }
    }
}

#[test]
fn what_the_socket_has_not_taken_is_not_written() {
    let mut pair = Pair::greeted(&rustls::version::TLS13);
    let sent = text(3 * CHUNK_BYTES + 5);
    pair.up.borrow_mut().room = CHUNK_BYTES / 2;
    let error = pair.client.write(&sent).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(pair.client.write(&sent).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(pair.up.borrow().bytes.len(), CHUNK_BYTES / 2, "and no more than one chunk is sealed for it");
    pair.up.borrow_mut().room = usize::MAX;
    // More may have come behind the bytes meanwhile.
    let longer = [sent.as_slice(), b"more"].concat();
    assert_eq!(pair.client.write(&longer).unwrap(), CHUNK_BYTES);
    let mut left = &longer[CHUNK_BYTES..];
    while !left.is_empty() {
        left = &left[pair.client.write(left).unwrap()..];
    }
    assert!(pair.read_all() == longer, "each byte once, in order");
}

#[test]
fn the_last_bytes_come_before_the_end() {
    for version in BOTH {
        let mut pair = Pair::greeted(version);
        pair.client.write(b"last words").unwrap();
        pair.client.finish();
        let Pair { server, buffers: (plain, sealed), .. } = &mut pair;
        let (count, has_more) = server.read(plain, sealed).unwrap();
        assert_eq!((&plain[..count], has_more), (b"last words".as_slice(), true));
        assert_eq!(server.read(plain, sealed).unwrap().0, 0);
    }
}

#[test]
fn a_wire_that_is_cut_is_an_end_too() {
    let mut pair = Pair::greeted(&rustls::version::TLS13);
    // What the server said after the handshake, for resumption, is no plaintext.
    let mut buffers = (vec![0; PLAIN_BYTES_MIN], vec![0; SEALED_BYTES]);
    pair.down.borrow_mut().is_closed = true;
    let error = pair.client.read(&mut buffers.0, &mut buffers.1).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    assert_eq!(pair.client.read(&mut buffers.0, &mut buffers.1).unwrap(), (0, false));
}

#[test]
fn a_changed_byte_ends_the_stream_and_the_peer_is_told() {
    for version in BOTH {
        let mut pair = Pair::greeted(version);
        pair.client.write(b"SET a 1").unwrap();
        *pair.up.borrow_mut().bytes.back_mut().unwrap() ^= 1;
        let before = pair.down.borrow().bytes.len();
        let Pair { server, buffers: (plain, sealed), .. } = &mut pair;
        assert_eq!(server.read(plain, sealed).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(pair.down.borrow().bytes.len() > before, "an alert");
    }
}

#[test]
fn what_is_no_tls_is_refused() {
    let mut pair = Pair::new(&rustls::version::TLS13);
    pair.up.borrow_mut().bytes.extend(b"*1\r\n$4\r\nPING\r\n");
    assert_eq!(pair.server.handshake().unwrap_err().kind(), io::ErrorKind::InvalidData);
    let mut pair = Pair::new(&rustls::version::TLS13);
    pair.up.borrow_mut().is_closed = true;
    assert_eq!(pair.server.handshake().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}
