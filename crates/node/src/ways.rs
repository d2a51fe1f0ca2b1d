//! Where a client reaches a member, in the form that it understands.

use cluster::Member;

use crate::session::{Peer, Session};

/// What the client that asks speaks: it is told of ports that speak it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Plain,
    Tls,
}

impl Speaks {
    pub(crate) fn of(session: &Session) -> Speaks {
        match &session.peer {
            Peer::Tcp { tls: Some(_), .. } => Speaks::Tls,
            Peer::Tcp { tls: None, .. } | Peer::Unix(_) | Peer::InProcess => Speaks::Plain,
        }
    }

    /// Host and port where such a client reaches a member. One that has no such port is told of with the port it has.
    pub(crate) fn way_to(self, member: &Member) -> (&str, u16) {
        let (host, port) = host_and_port(&member.client_address);
        match self {
            Speaks::Tls if member.tls_port != 0 => (host, member.tls_port),
            Speaks::Tls | Speaks::Plain => (host, port),
        }
    }

    /// The same as one word, with brackets around an IPv6 host.
    pub(crate) fn address_of(self, member: &Member) -> String {
        match (member.client_address.rsplit_once(':'), self) {
            (Some((host, _)), Speaks::Tls) if member.tls_port != 0 => format!("{host}:{}", member.tls_port),
            _ => member.client_address.clone(),
        }
    }
}

/// Host and port of an address; brackets of an IPv6 host are left out, as Redis does.
pub(crate) fn host_and_port(address: &str) -> (&str, u16) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "0"));
    (host.trim_start_matches('[').trim_end_matches(']'), port.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_both_families_are_told_from_their_ports() {
        assert_eq!(host_and_port("10.0.0.1:6379"), ("10.0.0.1", 6379));
        assert_eq!(host_and_port("[::1]:7000"), ("::1", 7000));
        assert_eq!(host_and_port(""), ("", 0));
    }
}
