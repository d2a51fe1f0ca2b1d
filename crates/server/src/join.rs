//! How a node is let in: what it asks, what it is answered, and both sides of it. The bytes are in
//! docs/formats/join.md.
//!
//! Over TLS from another machine, with the secret of a token; over a socket in a private folder of the same user's,
//! without one. What a newcomer is given is all that makes a member: the cluster's key, so it can prove what it is to
//! the others, and the fabric's state, so it can find them.
//!
//! Does not know: whether a newcomer may join; the fabric decides, as it decides everything, by its meta group.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Cursor, NodeId};
use cluster::{Admission, Command, JoinToken, Meta, Newcomer, Refused, Secret};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::timed::Timed;
use crate::trust::{self, Trust};

/// Longest that the whole exchange takes.
const PATIENCE: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(3);
const VERSION: u8 = 1;
pub(crate) const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// The state of a fabric with as many members, partitions and settings as there may be.
const REPLY_BYTES_MAX: usize = 64 << 20;

const REFUSED: u8 = 0;
const ADMITTED: u8 = 1;
const LATER: u8 = 2;

/// Why a newcomer should be let in.
pub(crate) enum Pass<'a> {
    /// It runs as the same user on the same machine as the node with this socket.
    Local(PathBuf),
    /// It was invited.
    Token { token: &'a JoinToken, address: &'a str },
}

/// What a node that was let in is given.
pub(crate) struct Admitted {
    pub(crate) trust: Trust,
    pub(crate) meta: Meta,
}

/// Why a node was not let in. Nothing was changed, unless the answer was lost on its way.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    /// The cluster said no.
    #[error("the cluster does not let this node in: {reason}")]
    Refused { reason: String },
    /// The cluster cannot decide at the moment.
    #[error("the cluster cannot decide at the moment: {reason}")]
    Later { reason: String },
    /// Nobody answers there, or what answers is not a node of the cluster.
    #[error(
        "cannot speak with a node of the cluster at {address}: {source}; is it running, and reachable from here?"
    )]
    Link { address: String, source: io::Error },
    /// The certificate there is of another cluster.
    #[error("what answers at {address} is not of the cluster that the token is from; ask for a new token")]
    Stranger { address: String },
    /// It answers what cannot be read.
    #[error("the answer of {address} cannot be read: {reason}; use the same version of narf on both sides")]
    Answer { address: String, reason: String },
}

impl JoinError {
    /// Whether asking again is of no use.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, JoinError::Refused { .. } | JoinError::Stranger { .. } | JoinError::Answer { .. })
    }
}

/// Asks to be let in.
pub(crate) fn ask(pass: &Pass<'_>, newcomer: &Newcomer) -> Result<Admitted, JoinError> {
    let deadline = Instant::now() + PATIENCE;
    let (address, answer) = match pass {
        Pass::Local(path) => {
            let address = path.display().to_string();
            let exchanged = UnixStream::connect(path)
                .and_then(|stream| exchange(Timed::new(stream, deadline), &request(newcomer, None)));
            (address.clone(), exchanged.map_err(|source| JoinError::Link { address, source })?)
        }
        Pass::Token { token, address } => {
            let request = request(newcomer, Some(token.secret()));
            let link = |source| JoinError::Link { address: (*address).to_owned(), source };
            let stranger = |error: io::Error| match error.get_ref().is_some_and(|e| e.is::<rustls::Error>()) {
                true => JoinError::Stranger { address: (*address).to_owned() },
                false => link(error),
            };
            let stream = connect(address).map_err(link)?;
            let config = trust::join_client(token.fingerprint()).map_err(|e| link(io::Error::other(e)))?;
            // Whoever has a certificate of the authority is the right one, under whatever name.
            let name = ServerName::try_from("narf.internal").expect("it is a name");
            let tls = ClientConnection::new(config, name).map_err(|e| link(io::Error::other(e)))?;
            let stream = StreamOwned::new(tls, Timed::new(stream, deadline));
            ((*address).to_owned(), exchange(stream, &request).map_err(stranger)?)
        }
    };
    read_answer(&answer, newcomer).map_err(|reason| match reason {
        Unreadable::Said(error) => error,
        Unreadable::Bytes(reason) => JoinError::Answer { address, reason },
    })
}

/// A connection to an address with a name or a number.
pub(crate) fn connect(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name stands for no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn request(newcomer: &Newcomer, secret: Option<&Secret>) -> Vec<u8> {
    let mut bytes = vec![VERSION, u8::from(secret.is_some())];
    bytes.extend_from_slice(secret.map_or(&[0; 16], |secret| secret.bytes()));
    let admission = secret.map_or(Admission::Local, |secret| Admission::Token(secret.hash()));
    bytes.extend_from_slice(&Command::Join { member: newcomer.clone(), admission }.encode());
    bytes
}

fn exchange(mut stream: impl Read + Write, request: &[u8]) -> io::Result<Vec<u8>> {
    write_block(&mut stream, request)?;
    read_block(&mut stream, REPLY_BYTES_MAX)
}

/// Why an answer admits nobody.
pub(crate) enum Unreadable {
    /// It says so.
    Said(JoinError),
    /// It cannot be read.
    Bytes(String),
}

pub(crate) fn read_answer(answer: &[u8], newcomer: &Newcomer) -> Result<Admitted, Unreadable> {
    let (&kind, rest) = answer.split_first().ok_or_else(|| Unreadable::Bytes("it is empty".to_owned()))?;
    let reason = || String::from_utf8_lossy(rest).into_owned();
    match kind {
        REFUSED => Err(Unreadable::Said(JoinError::Refused { reason: reason() })),
        LATER => Err(Unreadable::Said(JoinError::Later { reason: reason() })),
        ADMITTED => {
            let mut rest = Cursor::new(rest);
            let short = |_| Unreadable::Bytes("it ends too early".to_owned());
            let (trust, meta) = (rest.block().map_err(short)?, rest.block().map_err(short)?);
            let trust =
                Trust::decode(trust, newcomer.node).map_err(|e| Unreadable::Bytes(format!("{e:#}")))?;
            let meta = Meta::decode(meta).map_err(|error| Unreadable::Bytes(error.to_string()))?;
            Ok(Admitted { trust, meta })
        }
        other => Err(Unreadable::Bytes(format!("it is of the unknown kind {other}"))),
    }
}

// ---- the cluster's side -----------------------------------------------------------------------------------

/// What letting a node in needs of the node that is asked.
pub(crate) trait Gate {
    /// Has the fabric decide on something.
    fn decide(&self, command: Command) -> Result<(), String>;
    /// The fabric's state as this node knows it.
    fn meta(&self) -> Arc<Meta>;
    /// Whether a member is not heard of. Asks the workers: only of who stands in a newcomer's way.
    fn is_silent(&self, node: NodeId) -> bool;
    /// The fabric's state, once this node has heard that another one is a member; none if that takes too long.
    fn meta_with(&self, node: NodeId) -> Option<Arc<Meta>>;
    /// What its members share.
    fn trust(&self) -> &Trust;
}

/// What a request says.
pub(crate) struct Request {
    secret: Option<Secret>,
    newcomer: Newcomer,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Admitted,
    Refused,
    Later,
}

/// Answers one newcomer. `is_local`: it has proved to be of this machine and user.
pub(crate) fn answer(mut stream: impl Read + Write, is_local: bool, gate: &dyn Gate) -> io::Result<Outcome> {
    let bytes = read_block(&mut stream, REQUEST_BYTES_MAX)?;
    let (outcome, reply) = match read_request(&bytes) {
        Ok(request) => decide(request, is_local, gate),
        Err(reason) => (Outcome::Refused, refusal(REFUSED, &reason)),
    };
    write_block(&mut stream, &reply)?;
    Ok(outcome)
}

/// What a newcomer says; anything else is refused with what is wrong about it.
pub(crate) fn read_request(bytes: &[u8]) -> Result<Request, String> {
    let mut bytes = Cursor::new(bytes);
    let short = |_| "the request ends too early".to_owned();
    let version = bytes.u8().map_err(short)?;
    if version != VERSION {
        return Err(format!(
            "it speaks version {version}, this node {VERSION}; use the same version of narf"
        ));
    }
    let has_secret = bytes.u8().map_err(short)? != 0;
    let secret = bytes.array::<16>().map_err(short)?;
    let command = bytes.take(bytes.remaining()).map_err(short)?;
    match Command::decode(command).map_err(|error| error.to_string())? {
        Command::Join { member, .. } => {
            Ok(Request { secret: has_secret.then(|| Secret::new(secret)), newcomer: member })
        }
        _ => Err("a newcomer may only ask to join".to_owned()),
    }
}

fn decide(request: Request, is_local: bool, gate: &dyn Gate) -> (Outcome, Vec<u8>) {
    let admission = match (&request.secret, is_local) {
        (Some(secret), _) => Admission::Token(secret.hash()),
        (None, true) => Admission::Local,
        (None, false) => {
            let text = "it shows no token; `narf cluster invite` prints one";
            return (Outcome::Refused, refusal(REFUSED, text));
        }
    };
    let node = request.newcomer.node;
    if let Some(reason) = refuse_leavers_place(&request.newcomer, gate) {
        return (Outcome::Refused, refusal(REFUSED, &reason));
    }
    if let Err(reason) = gate.decide(Command::Join { member: request.newcomer.clone(), admission }) {
        // A fabric that decided against it has said why; one that did not decide may do so yet, and so may one that waits for
        // a node which is not there any more.
        let is_decided =
            !reason.starts_with("the fabric") && !waits_for_silent(&request.newcomer, &reason, gate);
        return match is_decided {
            true => (Outcome::Refused, refusal(REFUSED, &reason)),
            false => (Outcome::Later, refusal(LATER, &reason)),
        };
    }
    // This node may hear later than the one that leads; the newcomer must find itself in what it is given.
    let Some(meta) = gate.meta_with(node) else {
        let text = "the fabric has let it in, and this node has not heard of it yet";
        return (Outcome::Later, refusal(LATER, text));
    };
    let mut reply = vec![ADMITTED];
    for part in [gate.trust().encode(), meta.encode()] {
        reply.extend_from_slice(&(part.len() as u32).to_le_bytes());
        reply.extend_from_slice(&part);
    }
    (Outcome::Admitted, reply)
}

/// Why a newcomer may not have the place of a member that leaves and has not gone yet. The fabric would give it away.
fn refuse_leavers_place(newcomer: &Newcomer, gate: &dyn Gate) -> Option<String> {
    let meta = gate.meta();
    let leaver = meta.leaver_at(newcomer.node, newcomer.addresses())?;
    (!gate.is_silent(leaver.node)).then(|| {
        format!(
            "member {} is leaving and still there, and has an address of this node ({}); wait until it has left, or give \
             the node another address",
            leaver.name,
            newcomer.addresses().join(" or ")
        )
    })
}

/// Whether a newcomer was refused for nothing but a member that has its address, and is not heard of: it may be taken for
/// down soon. The fabric looks at addresses last, so a token that is wrong is refused as that.
fn waits_for_silent(newcomer: &Newcomer, reason: &str, gate: &dyn Gate) -> bool {
    let taken = gate.meta().check_free(newcomer.node, newcomer.addresses());
    let Err(taken @ Refused::AddressTaken { holder, .. }) = &taken else { return false };
    taken.to_string() == reason && gate.is_silent(*holder)
}

fn refusal(kind: u8, text: &str) -> Vec<u8> {
    let mut reply = vec![kind];
    reply.extend_from_slice(text.as_bytes());
    reply
}

fn write_block(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(&(bytes.len() as u32).to_le_bytes())?;
    stream.write_all(bytes)?;
    stream.flush()
}

pub(crate) fn read_block(stream: &mut impl Read, max: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > max {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{length} bytes, at most {max} are taken"),
        ));
    }
    // Memory grows with what arrives, not with what was announced.
    let mut bytes = Vec::new();
    stream.take(length as u64).read_to_end(&mut bytes)?;
    match bytes.len() == length {
        true => Ok(bytes),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use base::Millis;
    use cluster::{Founding, HashSeed, LEVELS, MemberKind, MemberState};

    use super::*;

    /// A cluster of nodes 1, 2 and 3, of which this is 1.
    struct Fake {
        meta: RefCell<Meta>,
        silent: Vec<u128>,
        asked: Cell<usize>,
        trust: Trust,
    }

    impl Gate for Fake {
        fn decide(&self, command: Command) -> Result<(), String> {
            let mut meta = self.meta.borrow_mut();
            meta.apply(&command, Millis(1000)).map(drop).map_err(|refused| refused.to_string())
        }

        fn meta(&self) -> Arc<Meta> {
            Arc::new(self.meta.borrow().clone())
        }

        fn is_silent(&self, node: NodeId) -> bool {
            self.asked.set(self.asked.get() + 1);
            self.silent.contains(&node.0)
        }

        fn meta_with(&self, node: NodeId) -> Option<Arc<Meta>> {
            Some(self.meta()).filter(|meta| meta.member(node).is_some())
        }

        fn trust(&self) -> &Trust {
            &self.trust
        }
    }

    fn newcomer(node: u128, port: u16) -> Newcomer {
        Newcomer {
            node: NodeId(node),
            name: format!("node-{node}"),
            peer_address: format!("127.0.0.1:{port}"),
            client_address: String::new(),
            tls_port: 0,
            kind: MemberKind::Data,
            weight: 100,
            incarnation: 1,
            version: "0.1.0".to_owned(),
            levels: LEVELS,
        }
    }

    const SECRET: [u8; 16] = [7; 16];

    fn cluster(silent: &[u128], commands: &[Command]) -> Fake {
        let founding = Founding {
            cluster: 9,
            name: "test".to_owned(),
            partitions: 1,
            key_hash_seed: HashSeed(1),
            replicas_wanted: 3,
            member: newcomer(1, 1),
        };
        let fake = Fake {
            meta: RefCell::new(Meta::new()),
            silent: silent.to_vec(),
            asked: Cell::new(0),
            trust: Trust::found(9, NodeId(1)).unwrap(),
        };
        fake.decide(Command::Found(founding)).unwrap();
        for (node, port) in [(2, 2), (3, 3)] {
            fake.decide(Command::Join { member: newcomer(node, port), admission: Admission::Local }).unwrap();
            fake.decide(Command::SetState { node: NodeId(node), state: MemberState::Up }).unwrap();
        }
        let hash = Secret::new(SECRET).hash();
        fake.decide(Command::AddToken { hash, expires: Millis(2000) }).unwrap();
        commands.iter().for_each(|command| fake.decide(command.clone()).unwrap());
        fake
    }

    /// What becomes of a newcomer that says to be at this port, and what it is told.
    fn knock(gate: &Fake, port: u16, secret: [u8; 16]) -> (Outcome, String) {
        let request = Request { secret: Some(Secret::new(secret)), newcomer: newcomer(4, port) };
        let (outcome, reply) = decide(request, false, gate);
        (outcome, String::from_utf8_lossy(&reply[1..]).into_owned())
    }

    #[test]
    fn who_has_the_address_of_a_silent_member_waits_and_a_wrong_token_is_refused_there_too() {
        let gate = cluster(&[2], &[]);
        let (outcome, text) = knock(&gate, 2, [8; 16]);
        assert!(outcome == Outcome::Refused && text.contains("not known"), "{text}");
        assert_eq!(gate.asked.get(), 0, "no worker is asked for a guess");
        let (outcome, text) = knock(&gate, 2, SECRET);
        assert!(outcome == Outcome::Later && text.contains("belongs to member"), "{text}");
        // The token was not used up by that, and nobody else's place is waited for.
        let (outcome, text) = knock(&gate, 3, SECRET);
        assert!(outcome == Outcome::Refused && text.contains("belongs to member"), "{text}");
        assert_eq!(knock(&gate, 4, SECRET).0, Outcome::Admitted);
        let (outcome, text) = knock(&gate, 2, SECRET);
        assert!(outcome == Outcome::Refused && text.contains("a member already"), "{text}");
    }

    #[test]
    fn the_address_of_a_member_that_leaves_is_another_s_once_it_is_silent() {
        let leaves = Command::Leave { node: NodeId(2) };
        let gate = cluster(&[], std::slice::from_ref(&leaves));
        let (outcome, text) = knock(&gate, 2, SECRET);
        assert!(outcome == Outcome::Refused && text.contains("wait until it has left"), "{text}");
        assert_eq!(gate.meta().member(NodeId(2)).unwrap().peer_address, "127.0.0.1:2");
        let gate = cluster(&[2], &[leaves]);
        assert_eq!(knock(&gate, 2, SECRET).0, Outcome::Admitted);
        assert_eq!(gate.meta().member(NodeId(2)).unwrap().peer_address, "");
    }
}
