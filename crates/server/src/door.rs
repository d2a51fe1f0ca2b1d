//! The door for other nodes: who knocks is looked at here, before a worker sees a byte of it.
//!
//! One thread accepts; each handshake has a short-lived thread of its own, of which there are few at once (`knocks`). A member
//! that has proved which node it is says which of its workers the link is from, and the link goes to the worker with
//! the same number. A newcomer is answered and goes.
//!
//! Does not know: what members say to each other.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base::NodeId;
use cluster::{Levels, UnknownLevel};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use rustls::server::Acceptor;
use rustls::{ClientConnection, Connection, ServerConnection, Stream};

use crate::failures::{FREE, Failures};
use crate::hello::{self, Acquaintances, Hello, Standing, Welcome};
use crate::join::{self, Gate, Outcome};
use crate::knocks::{Guarded, Knocks, Place};
use crate::listen::{self, AGAIN, Complaint};
use crate::runs::Heard;
use crate::runtime_folder;
use crate::timed::Timed;
use crate::trust::{JOIN_PROTOCOL, PEER_PROTOCOL, Trust};

/// Longest handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Longest that a run of a node is kept waiting for the end of the one before, and between two looks.
const ADMISSION: Duration = Duration::from_millis(1500);
const ADMISSION_LOOK: Duration = Duration::from_millis(5);
/// Longest that letting a newcomer in takes.
const JOINING: Duration = Duration::from_secs(15);
/// What is sent and not taken for so long ends a link: the other end is gone, or cut off.
const UNTAKEN: Duration = Duration::from_secs(3);
const STOP: Token = Token(0);

/// A link between two nodes whose ends know each other.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) stream: TcpStream,
    pub(crate) tls: Connection,
    pub(crate) peer: NodeId,
    /// Which worker of the node that made it.
    pub(crate) worker: u16,
    /// What the other end's program knows.
    pub(crate) levels: Levels,
    /// Which run of the node is there.
    pub(crate) run: u128,
    /// Of a link that the other end made.
    pub(crate) heard: Option<Heard>,
}

/// Why a node cannot be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// Nobody answers there, or what answers is not the node that was meant.
    #[error("{address}: {source}")]
    Link { address: String, source: io::Error },
    /// Nobody has said where it is.
    #[error("nobody has said where it is")]
    NoAddress,
    /// It says that this node was struck off.
    #[error("it says that this node was removed from the cluster")]
    Gone,
    /// It hears another run of this node.
    #[error("it says that another process runs as this node")]
    Doubled,
    /// It says that the cluster is at a level that this program does not know.
    #[error(transparent)]
    Outlived(UnknownLevel),
}

/// What the door asks of the node.
pub(crate) trait Host: Gate + Send + Sync {
    /// Whether this node is a member still.
    fn is_member(&self, node: NodeId) -> bool;
    /// Whether it was one, and never will be again.
    fn was_removed(&self, node: NodeId) -> bool;
    /// Lets a run of a member in, unless another is heard.
    fn admit(&self, node: NodeId, run: u128) -> Option<Heard>;
    /// A member says where it is, and wants to know where the others are.
    fn acquaint(&self, node: NodeId, address: String) -> Acquaintances;
    /// The level in force, and those that this program knows.
    fn standing(&self) -> Standing;
    /// Which run of this node this is.
    fn run(&self) -> u128;
    /// The versions that know the level in force, as text.
    fn versions(&self) -> String;
    /// A member says that a level is in force that this program does not know.
    fn is_outlived(&self, unknown: &UnknownLevel);
    /// A member has come.
    fn link(&self, link: Link);
}

/// The door, while it is open.
pub(crate) struct Door {
    waker: Waker,
    thread: Option<JoinHandle<()>>,
    socket: Option<PathBuf>,
}

impl Door {
    /// Opens it.
    pub(crate) fn open(
        tcp: Vec<TcpListener>,
        local: Option<(UnixListener, PathBuf)>,
        host: Arc<dyn Host>,
    ) -> io::Result<Door> {
        let mut poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), STOP)?;
        let (unix, socket) = local.unzip();
        let fds = tcp.iter().map(AsRawFd::as_raw_fd).chain(unix.iter().map(AsRawFd::as_raw_fd));
        for (index, fd) in fds.enumerate() {
            poll.registry().register(&mut SourceFd(&fd), Token(index + 1), Interest::READABLE)?;
        }
        tcp.iter().try_for_each(|listener| listener.set_nonblocking(true))?;
        unix.iter().try_for_each(|listener| listener.set_nonblocking(true))?;
        let doorman = Arc::new(Doorman { host, knocks: Arc::default(), failures: Failures::default() });
        let run = move || {
            let mut events = Events::with_capacity(64);
            let (mut again, mut complaint) = (None, Complaint::default());
            loop {
                match poll.poll(&mut events, again) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return tracing::error!(%error, "no other node can connect any more"),
                    Ok(()) => {}
                }
                if events.iter().any(|event| event.token() == STOP) {
                    return;
                }
                let tcp = tcp.iter().map(|listener| doorman.take_all(|| listener.accept(), Knock::of));
                let unix = unix
                    .iter()
                    .map(|listener| doorman.take_all(|| listener.accept(), |stream, _| Knock::Local(stream)));
                let stuck: Vec<_> = tcp.chain(unix).filter_map(Result::err).collect();
                // Nobody tells again of those that still wait.
                again = (!stuck.is_empty()).then_some(AGAIN);
                stuck.iter().for_each(|error| complaint.make(error));
            }
        };
        let thread = Some(std::thread::Builder::new().name("door".to_owned()).spawn(run)?);
        Ok(Door { waker, thread, socket })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take()
            && self.waker.wake().is_ok()
        {
            // A panic in it was reported by it.
            let _ = thread.join();
        }
        self.socket.iter().for_each(|socket| runtime_folder::remove(socket));
    }
}

enum Knock {
    Tcp(TcpStream, IpAddr),
    Local(UnixStream),
}

impl Knock {
    fn of(stream: TcpStream, source: SocketAddr) -> Knock {
        Knock::Tcp(stream, source.ip())
    }
}

struct Doorman {
    host: Arc<dyn Host>,
    knocks: Arc<Knocks>,
    failures: Failures,
}

impl Doorman {
    /// Takes all who wait at a listener: an event tells of a first one only. The error is that of one that still waits.
    fn take_all<S, A>(
        self: &Arc<Doorman>,
        accept: impl Fn() -> io::Result<(S, A)>,
        knock: impl Fn(S, A) -> Knock,
    ) -> io::Result<()> {
        loop {
            match accept() {
                Ok((stream, source)) => self.knock(knock(stream, source)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if listen::is_of_one_client(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn knock(self: &Arc<Doorman>, knock: Knock) {
        let doorman = Arc::clone(self);
        let serve: Box<dyn FnOnce() -> io::Result<()> + Send> = match knock {
            Knock::Tcp(stream, source) => {
                let stream = Arc::new(stream);
                let Some(place) = self.knocks.take(source, &stream) else { return };
                Box::new(move || doorman.serve_tcp(Guarded(stream), source, &place))
            }
            Knock::Local(stream) => {
                let Some(place) = self.knocks.take_known() else { return };
                Box::new(move || {
                    let _place = place;
                    doorman.serve_local(stream)
                })
            }
        };
        let serve = move || {
            if let Err(error) = serve() {
                tracing::debug!(%error, "a connection at the port for nodes came to nothing");
            }
        };
        // A place is dropped with what would have been done there.
        if let Err(error) = std::thread::Builder::new().name("knock".to_owned()).spawn(serve) {
            tracing::debug!(%error, "there is no thread for a connection at the port for nodes");
        }
    }

    /// Another node, or a newcomer with a token: what it speaks decides.
    fn serve_tcp(&self, stream: Guarded, source: IpAddr, place: &Place) -> io::Result<()> {
        stream.0.set_nonblocking(false)?;
        stream.0.set_nodelay(true)?;
        let mut stream = Timed::new(stream, Instant::now() + HANDSHAKE);
        let mut acceptor = Acceptor::default();
        let accepted = loop {
            if acceptor.read_tls(&mut stream)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match acceptor.accept() {
                Ok(Some(accepted)) => break accepted,
                Ok(None) => {}
                Err((error, mut alert)) => {
                    alert.write_all(&mut stream)?;
                    return Err(io::Error::other(error));
                }
            }
        };
        let speaks = |protocol: &[u8]| {
            accepted.client_hello().alpn().is_some_and(|mut offered| offered.any(|name| name == protocol))
        };
        let (is_peer, is_newcomer) = (speaks(PEER_PROTOCOL), speaks(JOIN_PROTOCOL));
        let trust = self.host.trust();
        let config = match (is_peer, is_newcomer) {
            (true, _) => trust.peer_server(),
            (_, true) if self.failures.wait(source, FREE).is_zero() => trust.join_server(),
            _ => return Err(io::Error::other("it speaks neither for a node nor for a newcomer")),
        };
        let mut tls = match accepted.into_connection(config) {
            Ok(tls) => tls,
            Err((error, mut alert)) => {
                alert.write_all(&mut stream)?;
                return Err(io::Error::other(error));
            }
        };
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        match is_peer {
            true => self.serve_peer(tls, stream, place),
            false => {
                let mut stream = Timed::new(stream.into_inner(), Instant::now() + JOINING);
                let outcome = join::answer(Stream::new(&mut tls, &mut stream), false, &*self.host)?;
                if outcome == Outcome::Refused {
                    self.failures.note(source, FREE, None);
                }
                tls.send_close_notify();
                tls.write_tls(&mut stream).map(drop)
            }
        }
    }

    fn serve_peer(
        &self,
        mut tls: ServerConnection,
        mut stream: Timed<Guarded>,
        place: &Place,
    ) -> io::Result<()> {
        let certificate = tls.peer_certificates().and_then(|chain| chain.first());
        let peer = certificate.and_then(|certificate| self.host.trust().node_of(certificate));
        let peer = peer.filter(|node| self.host.is_member(*node) || self.host.was_removed(*node));
        let peer = peer.ok_or_else(|| io::Error::other("it is no member of the cluster"))?;
        place.keep()?;
        let mut words = Stream::new(&mut tls, &mut stream);
        let Hello { worker, address, standing, run, .. } = Hello::read(&mut words)?;
        if !self.host.is_member(peer) {
            // Nobody else tells it: no member speaks to it any more.
            return hello::refuse(&mut words);
        }
        let mine = self.host.standing();
        if let Err(unknown) = standing.levels.check_newest(mine.level, || self.host.versions()) {
            tracing::warn!(node = %peer, levels = %standing.levels, in_force = %mine.level, "a node was turned away");
            return hello::refuse_level(&mut words, &unknown);
        }
        if let Err(unknown) = mine.levels.check_newest(standing.level, || format!("that of node {peer}")) {
            self.host.is_outlived(&unknown);
            return Err(io::Error::other(unknown));
        }
        let Some(heard) = self.wait_for_admission(peer, run) else {
            tracing::warn!(node = %peer, address, "a second process says to be a node that is heard, and was turned away");
            return hello::refuse_double(&mut words);
        };
        hello::answer(&mut words, mine.levels, self.host.run(), &self.host.acquaint(peer, address))?;
        let stream = settle(stream.into_inner().into_inner()?)?;
        let levels = standing.levels;
        self.host.link(Link { stream, tls: tls.into(), peer, worker, levels, run, heard: Some(heard) });
        Ok(())
    }

    /// Waits for as long as it may take until the end of a run is noticed of which the next is here.
    fn wait_for_admission(&self, peer: NodeId, run: u128) -> Option<Heard> {
        let deadline = Instant::now() + ADMISSION;
        loop {
            let heard = self.host.admit(peer, run);
            if heard.is_some() || Instant::now() >= deadline {
                return heard;
            }
            std::thread::sleep(ADMISSION_LOOK);
        }
    }

    /// A newcomer on this machine: the folder lets in only this user, and so does this.
    fn serve_local(&self, stream: UnixStream) -> io::Result<()> {
        let credentials = rustix::net::sockopt::socket_peercred(&stream)?;
        if credentials.uid != rustix::process::getuid() {
            return Err(io::Error::other("it is another user's"));
        }
        stream.set_nonblocking(false)?;
        join::answer(Timed::new(stream, Instant::now() + JOINING), true, &*self.host).map(drop)
    }
}

/// Makes a link to a node; also where it knows others to be.
pub(crate) fn dial(
    address: &str,
    peer: NodeId,
    hello: &Hello,
    trust: &Trust,
) -> Result<(Link, Acquaintances), DialError> {
    try_dial(address, peer, hello, trust)
        .map_err(|source| DialError::Link { address: address.to_owned(), source })?
}

/// What became of it, if both ends understood each other.
fn try_dial(
    address: &str,
    peer: NodeId,
    hello: &Hello,
    trust: &Trust,
) -> io::Result<Result<(Link, Acquaintances), DialError>> {
    let stream = join::connect(address)?;
    stream.set_nodelay(true)?;
    let mut stream = Timed::new(stream, Instant::now() + HANDSHAKE);
    let mut tls =
        ClientConnection::new(trust.peer_client(), trust.name_of(peer)).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut stream)?;
    }
    if tls.alpn_protocol() != Some(PEER_PROTOCOL) {
        return Err(io::Error::other("it speaks another protocol"));
    }
    let mut words = Stream::new(&mut tls, &mut stream);
    hello.write(&mut words)?;
    let (levels, run, acquaintances) = match hello::read_answer(&mut words)? {
        Welcome::Taken { levels, run, acquaintances } => (levels, run, acquaintances),
        Welcome::Gone => return Ok(Err(DialError::Gone)),
        Welcome::Doubled => return Ok(Err(DialError::Doubled)),
        Welcome::Outlived { level, known_by } => {
            let refused = hello.standing.levels.check(level, || known_by);
            return refused.err().map_or_else(
                || Err(hello::broken("it refuses a level that is known here")),
                |unknown| Ok(Err(DialError::Outlived(unknown))),
            );
        }
    };
    let stream = settle(stream.into_inner())?;
    let link = Link { stream, tls: tls.into(), peer, worker: hello.worker, levels, run, heard: None };
    Ok(Ok((link, acquaintances)))
}

/// Readies a socket for a worker's loop.
fn settle(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)?;
    stream.set_nonblocking(true)?;
    rustix::net::sockopt::set_tcp_user_timeout(&stream, UNTAKEN.as_millis() as u32)?;
    Ok(stream)
}
