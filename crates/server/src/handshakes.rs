//! The port for clients over TLS, up to the end of the handshake: from there on a client is a worker's.
//!
//! One thread, with its own event loop: what is computed for strangers is computed here, and no turn of a worker waits for
//! it. A handshake has as long as `auth-timeout`, however slowly its bytes drip. There are at most [`HANDSHAKES_MAX`] at
//! once, fewer where descriptors are few; who comes beyond takes the place of the one that has taken longest, for whoever means it is done in a moment. A
//! client that is refused is told why by an alert, and heard out before the socket closes: a socket that closes with bytes
//! unread takes back what it sent.
//!
//! Does not know: what the certificates are (`client_tls`), what clients say.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read};
use std::net::{IpAddr, Shutdown};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base::WorkerId;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use node::Peer;
use rustls::{Error, ProtocolVersion, ServerConnection};
use tls::Stream;

use crate::client_tls::{ClientTls, End};
use crate::listen::{ACCEPTS, AGAIN, Listeners, Waiting, note_waiting};
use crate::shared::{Item, Shared, lock};
use crate::socket::Socket;

/// Handshakes at once. One takes up to some twenty kilobytes.
pub(crate) const HANDSHAKES_MAX: usize = 1024;
/// Bytes that a refused client may still send.
const HEARD_OUT_BYTES: usize = 64 * 1024;
/// How often the files of certificates are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Clients beyond `maxclients` that are to be told so at once; others are closed without a word.
const TOLD_MAX: usize = 16;

const STOP: Token = Token(0);
const FIRST_LISTENER: usize = 1;
const FIRST_CLIENT: usize = 64;

/// The thread, while it runs.
pub(crate) struct Handshakes {
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Handshakes {
    /// Begins to take clients, so many at once; `shared` has what they are shown.
    pub(crate) fn begin(
        mut listeners: Listeners,
        handshakes_max: usize,
        shared: &Arc<Shared>,
    ) -> io::Result<Handshakes> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), STOP)?;
        listeners.register(poll.registry(), FIRST_LISTENER)?;
        let front = Front {
            poll,
            listeners,
            shared: Arc::clone(shared),
            handshakes_max,
            places: Vec::new(),
            free: Vec::new(),
            line: VecDeque::new(),
            waiting: BTreeMap::new(),
            begun: 0,
            next_worker: 0,
            next_look: Instant::now() + LOOK,
        };
        let run = move || {
            if let Err(error) = front.run() {
                tracing::error!(%error, "no client can connect over TLS any more");
            }
        };
        let thread = Some(std::thread::Builder::new().name("handshakes".to_owned()).spawn(run)?);
        Ok(Handshakes { waker, thread })
    }
}

impl Drop for Handshakes {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take()
            && self.waker.wake().is_ok()
        {
            // A panic in it was reported by it.
            let _ = thread.join();
        }
    }
}

/// A client that is not let in yet.
struct Knock {
    stream: Box<Stream<TcpStream>>,
    peer: Peer,
    number: u64,
    began: Instant,
    /// It was refused, and may still send so many bytes.
    heard_out: Option<usize>,
}

struct Front {
    poll: Poll,
    listeners: Listeners,
    shared: Arc<Shared>,
    handshakes_max: usize,
    places: Vec<Option<Knock>>,
    free: Vec<usize>,
    /// Places and numbers, the longest first; those that are done are still in it.
    line: VecDeque<(usize, u64)>,
    /// Listeners at which connections still wait.
    waiting: BTreeMap<usize, Waiting>,
    begun: u64,
    next_worker: usize,
    next_look: Instant,
}

impl Front {
    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                match event.token() {
                    STOP => return Ok(()),
                    Token(token) if token < FIRST_CLIENT => {
                        self.waiting.insert(token - FIRST_LISTENER, Waiting::More);
                    }
                    Token(token) => self.go_on(token - FIRST_CLIENT),
                }
            }
            for listener in self.waiting.keys().copied().collect::<Vec<_>>() {
                self.accept(listener);
            }
            let now = Instant::now();
            self.give_up_late(now);
            if now >= self.next_look {
                self.next_look = now + LOOK;
                self.tls().look();
            }
        }
    }

    fn tls(&self) -> &ClientTls {
        self.shared.client_tls.as_ref().expect("the thread is started with it")
    }

    fn timeout(&self) -> Duration {
        let next = match self.waiting.values().next() {
            Some(Waiting::More) => return Duration::ZERO,
            Some(Waiting::Stuck | Waiting::None) => Instant::now() + AGAIN,
            None => self.next_look,
        };
        let late = self.line.front().and_then(|(place, _)| self.places[*place].as_ref());
        let next = late.map_or(next, |knock| next.min(knock.began + self.patience()));
        next.saturating_duration_since(Instant::now())
    }

    /// How long a handshake may take.
    fn patience(&self) -> Duration {
        lock(&self.shared.settings).auth_timeout
    }

    fn accept(&mut self, listener: usize) {
        let mut waiting = Waiting::More;
        for _ in 0..ACCEPTS {
            while self.places.len() - self.free.len() >= self.handshakes_max {
                self.give_up_longest();
            }
            match self.listeners.accept(listener) {
                Ok((fd, peer)) => self.knock(fd, peer),
                Err(left) => {
                    waiting = left;
                    break;
                }
            }
        }
        note_waiting(&mut self.waiting, listener, waiting);
    }

    fn knock(&mut self, fd: OwnedFd, peer: Peer) {
        // Fails only if rustls finds its configuration wrong, which was asked when it was made.
        let Ok(tls) = ServerConnection::new(self.tls().current()) else { return };
        let mut stream = Box::new(Stream::new(TcpStream::from_std(fd.into()), tls));
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(stream.socket(), Token(FIRST_CLIENT + place), interest).is_err() {
            return self.free.push(place);
        }
        let (number, began) = (self.begun, Instant::now());
        self.begun += 1;
        self.places[place] = Some(Knock { stream, peer, number, began, heard_out: None });
        if self.line.len() >= 2 * self.handshakes_max {
            let places = &self.places;
            let is_there = |knock: &Option<Knock>, number| knock.as_ref().is_some_and(|k| k.number == number);
            self.line.retain(|(place, number)| is_there(&places[*place], *number));
        }
        self.line.push_back((place, number));
    }

    /// Does what the socket lets be done.
    fn go_on(&mut self, place: usize) {
        let Some(Some(knock)) = self.places.get_mut(place) else { return };
        if let Some(left) = &mut knock.heard_out {
            if !hear_out(knock.stream.socket(), left) {
                self.leave(place);
            }
            return;
        }
        match knock.stream.handshake() {
            Ok(()) => self.let_in(place),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => self.refuse(place, &error),
            Err(_) => {
                self.tls().note(End::GivenUp);
                self.leave(place);
            }
        }
    }

    fn let_in(&mut self, place: usize) {
        let Some(Knock { stream, mut peer, .. }) = self.leave(place) else { return };
        self.tls().note(End::Done);
        if let Peer::Tcp { tls, .. } = &mut peer {
            *tls = Some(match stream.agreed().protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "TLSv1.3",
            });
        }
        let workers = self.shared.inboxes().len().max(1);
        let to = WorkerId((self.next_worker % workers) as u16);
        self.next_worker += 1;
        let connected = self.shared.take_place();
        if connected > lock(&self.shared.settings).maxclients as usize + TOLD_MAX {
            return self.shared.leave_place();
        }
        self.shared.send(to, Item::Connection(Socket::Sealed(stream), peer, connected));
    }

    fn refuse(&mut self, place: usize, error: &io::Error) {
        self.tls().note(End::Refused);
        let Some(Some(knock)) = self.places.get_mut(place) else { return };
        let is_tls = !matches!(
            error.get_ref().and_then(|error| error.downcast_ref::<Error>()),
            Some(Error::InvalidMessage(_))
        );
        let source = source_of(&knock.peer);
        // Nothing more is sent; if that fails the socket has no other end any more.
        let _ = knock.stream.socket().shutdown(Shutdown::Write);
        knock.heard_out = Some(HEARD_OUT_BYTES);
        if source.is_some_and(|source| self.tls().refused.is_new(source)) {
            let source = source.map(|source| source.to_string()).unwrap_or_default();
            match is_tls {
                true => tracing::warn!(source, reason = %error, "a client over TLS was refused"),
                false => tracing::warn!(source, "another protocol at the port for TLS, closed"),
            }
        }
        // What it has sent already brings no event.
        self.go_on(place);
    }

    fn give_up_late(&mut self, now: Instant) {
        let patience = self.patience();
        while let Some((place, number)) = self.line.front().copied() {
            let knock = self.places[place].as_ref().filter(|knock| knock.number == number);
            match knock {
                None => self.line.pop_front().map(drop).unwrap_or_default(),
                Some(knock) if now.saturating_duration_since(knock.began) >= patience => {
                    self.give_up_longest();
                }
                Some(_) => return,
            }
        }
    }

    /// The one at the front of the line goes, or was gone already.
    fn give_up_longest(&mut self) {
        let Some((place, number)) = self.line.pop_front() else { return };
        let knock = self.places[place].as_ref().filter(|knock| knock.number == number);
        if let Some(knock) = knock {
            if knock.heard_out.is_none() {
                self.tls().note(End::GivenUp);
            }
            self.leave(place);
        }
    }

    fn leave(&mut self, place: usize) -> Option<Knock> {
        let mut knock = self.places.get_mut(place)?.take()?;
        self.free.push(place);
        // Fails only for a socket that is not registered; it is dropped, or a worker's, either way.
        let _ = self.poll.registry().deregister(knock.stream.socket());
        Some(knock)
    }
}

/// Reads what a refused client still sends; false when there is no need to hear more.
fn hear_out(socket: &mut TcpStream, left: &mut usize) -> bool {
    let mut bytes = [0; 4096];
    while *left > 0 {
        match socket.read(&mut bytes) {
            Ok(0) => return false,
            Ok(count) => *left = left.saturating_sub(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
    false
}

fn source_of(peer: &Peer) -> Option<IpAddr> {
    match peer {
        Peer::Tcp { remote, .. } => Some(remote.ip()),
        Peer::Unix(_) | Peer::InProcess => None,
    }
}
