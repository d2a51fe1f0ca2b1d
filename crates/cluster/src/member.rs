//! A node as the cluster knows it, and the rules for its name, addresses and ids.

use std::fmt;

use base::{Millis, NodeId};

use crate::error::Refused;
use crate::level::Levels;

/// Most bytes of a name, of a node or of the cluster.
pub const NAME_BYTES_MAX: usize = 64;
/// Most bytes of an address: a host name of 253, a colon, a port of five digits, and brackets.
pub const ADDRESS_BYTES_MAX: usize = 261;
/// Most bytes of a program version.
pub const VERSION_BYTES_MAX: usize = 64;
/// The largest weight of a node.
pub const WEIGHT_MAX: u32 = 10_000;
/// The weight of a node that nobody gave one.
pub const WEIGHT_DEFAULT: u32 = 100;

/// The consensus engine wants ids below this: sums of two of them cannot wrap.
const REPLICA_ID_LIMIT: u64 = 1 << 62;

/// The number by which consensus groups know a node: the low 62 bits of its id. None if they are zero, which is no
/// replica's number; such a node cannot be a member.
pub fn replica_id(node: NodeId) -> Option<u64> {
    let low = (node.0 as u64) & (REPLICA_ID_LIMIT - 1);
    (low != 0).then_some(low)
}

/// What a node is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberKind {
    /// Holds data and votes.
    Data,
    /// Votes only.
    Witness,
}

impl MemberKind {
    /// Its word in replies and settings.
    pub fn name(self) -> &'static str {
        match self {
            MemberKind::Data => "data",
            MemberKind::Witness => "witness",
        }
    }
}

impl fmt::Display for MemberKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a member is in its life.
///
/// ```text
///              ┌──────────────────┐
///              │                  ▼
///  Join ──▶ Joining ──▶ Up ◀──▶ Down
///              │        ▲│        │
///        Leave │     Up ││ Leave  │ Leave
///              └─────▶ Leaving ◀──┘       Remove: from Down, or from any other once it holds nothing ──▶ Removed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberState {
    /// Admitted, and catching up with the meta group; holds no partitions.
    Joining,
    /// Takes part in everything.
    Up,
    /// On its way out: its replicas go elsewhere.
    Leaving,
    /// Silent for too long. May come back.
    Down,
    /// Gone for good: a tombstone that keeps its id from being used again.
    Removed,
}

impl MemberState {
    /// Its word in replies.
    pub fn name(self) -> &'static str {
        match self {
            MemberState::Joining => "joining",
            MemberState::Up => "up",
            MemberState::Leaving => "leaving",
            MemberState::Down => "down",
            MemberState::Removed => "removed",
        }
    }

    /// Whether it still counts as a member: everything but removed.
    pub fn is_live(self) -> bool {
        self != MemberState::Removed
    }
}

impl fmt::Display for MemberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a node says of itself when it founds a cluster or joins one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newcomer {
    /// Its id, minted with its data folder.
    pub node: NodeId,
    /// A name for people.
    pub name: String,
    /// Where peers reach it: `host:port`.
    pub peer_address: String,
    /// Where clients reach it, or empty if they do not.
    pub client_address: String,
    /// The port there for clients that speak TLS, or 0.
    pub tls_port: u16,
    /// What it is there for.
    pub kind: MemberKind,
    /// Its share of the data beside the others' weights, 1 to [`WEIGHT_MAX`].
    pub weight: u32,
    /// Which start of the node this is; grows with each.
    pub incarnation: u64,
    /// The version of its program.
    pub version: String,
    /// The levels that its program knows.
    pub levels: Levels,
}

/// A node as the cluster knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id, minted with its data folder.
    pub node: NodeId,
    /// A name for people.
    pub name: String,
    /// Where peers reach it: `host:port`. Empty once it is removed, and while another has its address.
    pub peer_address: String,
    /// Where clients reach it, or empty.
    pub client_address: String,
    /// The port there for clients that speak TLS, or 0.
    pub tls_port: u16,
    /// What it is there for.
    pub kind: MemberKind,
    /// Where it is in its life.
    pub state: MemberState,
    /// Its share of the data beside the others' weights.
    pub weight: u32,
    /// Which start of the node this is.
    pub incarnation: u64,
    /// When it was admitted.
    pub joined: Millis,
    /// When its state changed last.
    pub changed: Millis,
    /// The version of its program.
    pub version: String,
    /// The levels that its program knows.
    pub levels: Levels,
}

impl Member {
    pub(crate) fn new(newcomer: &Newcomer, state: MemberState, time: Millis) -> Member {
        Member {
            node: newcomer.node,
            name: newcomer.name.clone(),
            peer_address: newcomer.peer_address.clone(),
            client_address: newcomer.client_address.clone(),
            tls_port: newcomer.tls_port,
            kind: newcomer.kind,
            state,
            weight: newcomer.weight,
            incarnation: newcomer.incarnation,
            joined: time,
            changed: time,
            version: newcomer.version.clone(),
            levels: newcomer.levels,
        }
    }

    /// What it said of itself last.
    pub(crate) fn as_newcomer(&self) -> Newcomer {
        Newcomer {
            node: self.node,
            name: self.name.clone(),
            peer_address: self.peer_address.clone(),
            client_address: self.client_address.clone(),
            tls_port: self.tls_port,
            kind: self.kind,
            weight: self.weight,
            incarnation: self.incarnation,
            version: self.version.clone(),
            levels: self.levels,
        }
    }

    /// The number by which consensus groups know it.
    pub fn replica_id(&self) -> u64 {
        replica_id(self.node).expect("nobody without a replica number is admitted")
    }

    /// Whether it holds data and is up: what placement counts on.
    pub fn is_up_with_data(&self) -> bool {
        self.state == MemberState::Up && self.kind == MemberKind::Data
    }

    /// Its addresses that are not empty.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &str> {
        [&*self.peer_address, &*self.client_address].into_iter().filter(|address| !address.is_empty())
    }
}

impl Newcomer {
    /// Where it says that it is, for peers and for clients; empty if it is not.
    pub fn addresses(&self) -> [&str; 2] {
        [&self.peer_address, &self.client_address]
    }

    /// The rules that need no other member.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        if replica_id(self.node).is_none() {
            return Err(Refused::invalid("node id", self.node, "its low 62 bits are zero; mint another"));
        }
        check_name("name of the node", &self.name)?;
        check_addresses(&self.peer_address, &self.client_address, self.tls_port)?;
        check_weight(self.weight)?;
        check_version(&self.version)
    }
}

pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), Refused> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_allowed) {
        return Err(Refused::invalid(what, name, "use 1 to 64 letters, digits, `-`, `_` and `.`"));
    }
    Ok(())
}

pub(crate) fn check_weight(weight: u32) -> Result<(), Refused> {
    if weight == 0 || weight > WEIGHT_MAX {
        return Err(Refused::invalid(
            "weight",
            weight,
            "use 1 to 10000; a node that is to hold no data joins as a witness",
        ));
    }
    Ok(())
}

pub(crate) fn check_version(version: &str) -> Result<(), Refused> {
    if version.len() > VERSION_BYTES_MAX || !version.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Refused::invalid("version", version, "use at most 64 printable characters"));
    }
    Ok(())
}

/// Both addresses of a node: well formed, and not the same; a port for TLS belongs to an address for clients.
pub(crate) fn check_addresses(peer: &str, client: &str, tls_port: u16) -> Result<(), Refused> {
    check_address("peer address", peer)?;
    if !client.is_empty() {
        check_address("client address", client)?;
    }
    if peer == client {
        return Err(Refused::invalid("client address", client, "it is the peer address; use another port"));
    }
    if client.is_empty() && tls_port != 0 {
        return Err(Refused::invalid("port for TLS", tls_port, "say the address for clients too"));
    }
    Ok(())
}

pub(crate) fn check_address(what: &'static str, address: &str) -> Result<(), Refused> {
    let rule = "use `host:port`, with an IPv6 host in brackets";
    let is_allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'[' | b']' | b'%');
    let well_formed = || {
        let (host, port) = address.rsplit_once(':')?;
        let port_number: u16 = port.parse().ok()?;
        // One spelling of a port, or two members could share it.
        let is_port = port_number != 0 && port_number.to_string() == port;
        let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_host = match inner {
            Some(inner) => inner.contains(':') && !inner.contains(['[', ']']),
            None => !host.is_empty() && !host.contains([':', '[', ']', '%']),
        };
        (is_port && is_host).then_some(())
    };
    if address.len() > ADDRESS_BYTES_MAX || !address.bytes().all(is_allowed) || well_formed().is_none() {
        return Err(Refused::invalid(what, address, rule));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_one_spelling_of_a_port() {
        for good in ["a:1", "127.0.0.1:7878", "node-1.example.com:65535", "[::1]:7878", "[fe80::1%eth0]:1"] {
            assert_eq!(check_address("a", good), Ok(()), "{good}");
        }
        for bad in [
            "", "a", ":1", "a:", "a:0", "a:01", "a:+1", "a:65536", "::1:7878", "[]:1", "[a]:1", "[::1:7",
            "a b:1", "a,b:1", "a:1\n",
        ] {
            assert!(check_address("a", bad).is_err(), "{bad}");
        }
        assert!(check_address("a", &format!("{}:1", "a".repeat(300))).is_err());
    }

    #[test]
    fn a_replica_number_is_62_bits_and_not_zero() {
        assert_eq!(replica_id(NodeId(7)), Some(7));
        assert_eq!(replica_id(NodeId(1 << 62 | 7)), Some(7));
        assert_eq!(replica_id(NodeId(u128::MAX)), Some((1 << 62) - 1));
        assert_eq!(replica_id(NodeId(1 << 100)), None);
    }

    #[test]
    fn names_are_words() {
        assert_eq!(check_name("name", "quiet-otter_2.a"), Ok(()));
        for bad in ["", "two words", "x\n", "ä", &"x".repeat(65)] {
            assert!(check_name("name", bad).is_err(), "{bad}");
        }
    }
}
