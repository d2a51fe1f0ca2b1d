//! Listening sockets: TCP on the chosen addresses, a unix socket if one is asked for.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use node::Peer;
use rustix::fs::Mode;

use crate::descriptors;

/// Connections taken from one listener in one turn.
pub(crate) const ACCEPTS: usize = 256;
/// How soon a listener is tried again that gave an error.
pub(crate) const AGAIN: Duration = Duration::from_millis(100);
/// How often it is said that connections cannot be taken.
const COMPLAINTS_EVERY: Duration = Duration::from_secs(60);

/// Whether connections still wait at a listener. They are announced once, so nobody says so again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// None.
    None,
    /// Perhaps more than one turn takes.
    More,
    /// Some that cannot be taken at the moment.
    Stuck,
}

/// Keeps in mind at which listeners connections wait.
pub(crate) fn note_waiting(all: &mut BTreeMap<usize, Waiting>, listener: usize, waiting: Waiting) {
    match waiting {
        Waiting::None => all.remove(&listener),
        Waiting::More | Waiting::Stuck => all.insert(listener, waiting),
    };
}

/// The listening sockets of a node.
pub(crate) struct Listeners {
    tcp: Vec<TcpListener>,
    unix: Option<(UnixListener, PathBuf)>,
    keepalive: Duration,
    complaint: Complaint,
}

impl Listeners {
    pub(crate) fn new(
        tcp: Vec<TcpListener>,
        unix: Option<(UnixListener, PathBuf)>,
        keepalive: Duration,
    ) -> io::Result<Listeners> {
        for listener in &tcp {
            listener.set_nonblocking(true)?;
        }
        if let Some((listener, _)) = &unix {
            listener.set_nonblocking(true)?;
        }
        Ok(Listeners { tcp, unix, keepalive, complaint: Complaint::default() })
    }

    /// Registers all, the first under `first`, the unix socket last.
    pub(crate) fn register(&mut self, registry: &Registry, first: usize) -> io::Result<()> {
        let tcp = self.tcp.iter().map(AsRawFd::as_raw_fd);
        let unix = self.unix.iter().map(|(listener, _)| listener.as_raw_fd());
        for (index, fd) in tcp.chain(unix).enumerate() {
            registry.register(&mut SourceFd(&fd), Token(first + index), Interest::READABLE)?;
        }
        Ok(())
    }

    /// Takes a connection that waits at one listener; or says whether others still do, which is never [`Waiting::More`].
    pub(crate) fn accept(&mut self, index: usize) -> Result<(OwnedFd, Peer), Waiting> {
        loop {
            match self.accept_one(index) {
                Ok(connection) => return Ok(connection),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(Waiting::None),
                Err(error) if is_of_one_client(&error) => {}
                Err(error) => {
                    self.complaint.make(&error);
                    return Err(Waiting::Stuck);
                }
            }
        }
    }

    fn accept_one(&mut self, index: usize) -> io::Result<(OwnedFd, Peer)> {
        if let Some(listener) = self.tcp.get(index) {
            let (stream, remote) = listener.accept()?;
            stream.set_nonblocking(true)?;
            // Replies are sent whole, a turn at a time: waiting for more would only add delay.
            stream.set_nodelay(true)?;
            if !self.keepalive.is_zero() {
                rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
                rustix::net::sockopt::set_tcp_keepidle(&stream, self.keepalive)?;
            }
            let local = stream.local_addr()?;
            return Ok((stream.into(), Peer::Tcp { remote, local, tls: None }));
        }
        let Some((listener, path)) = &self.unix else { return Err(io::ErrorKind::WouldBlock.into()) };
        let (stream, _) = listener.accept()?;
        stream.set_nonblocking(true)?;
        Ok((stream.into(), Peer::Unix(path.display().to_string())))
    }
}

/// Whether an error of accepting is that of a client which has gone again, and no reason to stop.
pub(crate) fn is_of_one_client(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

/// Says that connections cannot be taken, once in a while.
#[derive(Default)]
pub(crate) struct Complaint(Option<Instant>);

impl Complaint {
    pub(crate) fn make(&mut self, error: &io::Error) {
        if self.0.is_none_or(|last| last.elapsed() >= COMPLAINTS_EVERY) {
            self.0 = Some(Instant::now());
            tracing::warn!(
                %error,
                open_files = descriptors::open(),
                limit = descriptors::limit(),
                "cannot accept a connection, it is tried again"
            );
        }
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        if let Some((_, path)) = &self.unix {
            // Someone may have removed it already.
            let _ = fs::remove_file(path);
        }
    }
}

/// Binds a unix socket that only those whom `mode` lets may open. A socket left by a dead process is replaced,
/// anything else at the path is refused.
pub(crate) fn bind_unix(path: &Path, mode: u32) -> anyhow::Result<UnixListener> {
    if let Ok(metadata) = fs::symlink_metadata(path) {
        use std::os::unix::fs::FileTypeExt;
        if !metadata.file_type().is_socket() {
            bail!("{} exists and is not a socket; name another path for the unix socket", path.display());
        }
        if UnixStream::connect(path).is_ok() {
            bail!("{} is used by another process; name another path for the unix socket", path.display());
        }
        fs::remove_file(path).with_context(|| format!("remove the stale socket {}", path.display()))?;
    }
    // Bound under a name of its own in a folder that only we can enter would be tidier, but paths of sockets are
    // short; the mask closes the gap between binding and setting the mode.
    let mask = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    rustix::process::umask(mask);
    let listener = bound.with_context(|| {
        let way_out = "its folder must be there and be ours to write; name another place with `unix`";
        format!("cannot listen on {}: {way_out}", path.display())
    })?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("set the mode of {}", path.display()))?;
    Ok(listener)
}
