//! The TCP listeners: on the port that was asked for, or on the next free one if none was.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::AsFd;

use crate::system;

/// How many ports are tried when none was asked for.
const TRIES: u16 = 200;

/// Connections for HTTP that may wait to be accepted.
const HTTP_BACKLOG: u32 = 64;

/// State of a socket in `/proc/net/tcp` that listens.
const LISTENING: &str = "0A";

/// Listeners, all on one port.
#[derive(Debug)]
pub struct Chosen {
    /// One an address, in the order of `bind`.
    pub listeners: Vec<TcpListener>,
    /// Their port.
    pub port: u16,
    /// For the banner, if it is not the port that users expect: `6379 is used by redis-server (pid 7), using 6380`.
    pub note: Option<String>,
}

impl Chosen {
    /// The same once more, for as long as either is there.
    pub(crate) fn again(&self) -> io::Result<Chosen> {
        let listeners = self.listeners.iter().map(TcpListener::try_clone).collect::<io::Result<_>>()?;
        Ok(Chosen { listeners, port: self.port, note: self.note.clone() })
    }
}

/// Why nobody listens. Nothing is left open.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Someone else has the port that was asked for.
    #[error("port {port} is used by {owner}; ask for another with --port, or for none to get a free one")]
    Taken {
        /// The port.
        port: u16,
        /// Who has it, in words.
        owner: String,
    },
    /// Someone else has the port for HTTP.
    #[error("port {port} for HTTP is used by {owner}; ask for another with --http-port")]
    HttpTaken {
        /// The port.
        port: u16,
        /// Who has it, in words.
        owner: String,
    },
    /// Someone else has the port for other nodes.
    #[error("port {port} for other nodes is used by {owner}; ask for another with --peer-port")]
    PeerTaken {
        /// The port.
        port: u16,
        /// Who has it, in words.
        owner: String,
    },
    /// Someone else has the port for TLS.
    #[error("port {port} for TLS is used by {owner}; ask for another with --tls-port")]
    TlsTaken {
        /// The port.
        port: u16,
        /// Who has it, in words.
        owner: String,
    },
    /// None of the ports tried was free.
    #[error("no port from {first} to {last} is free; ask for one with --port")]
    NoneFree {
        /// The first tried.
        first: u16,
        /// The last tried.
        last: u16,
    },
    /// The name in `bind` stands for no address.
    #[error("cannot find the address of \"{host}\": {source}; write an IP address into `bind`")]
    UnknownHost {
        /// What was in `bind`.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// The address is not of this machine, or may not be used.
    #[error("cannot listen on {address}: {source}; name an address of this machine with `bind` or --listen")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Listens on every address of `bind`, all on one port. If the port was not asked for (`explicit`) and is taken, the
/// next free one is used and the note says so. Port 0 is any free port.
pub fn choose(bind: &[String], port: u16, explicit: bool, backlog: u32) -> Result<Chosen, PortError> {
    let addresses = addresses(bind)?;
    let last = if explicit || port == 0 { port } else { port.saturating_add(TRIES - 1) };
    for candidate in port..=last {
        match listen_on_all(&addresses, candidate, backlog) {
            Ok((listeners, bound)) => {
                let note = (candidate != port)
                    .then(|| format!("{port} is used by {}, using {bound}", owner_of(port)));
                return Ok(Chosen { listeners, port: bound, note });
            }
            Err((_, error)) if error.kind() == io::ErrorKind::AddrInUse => {
                if candidate == port && explicit {
                    return Err(PortError::Taken { port, owner: owner_of(port) });
                }
            }
            Err((address, source)) => return Err(PortError::Bind { address, source }),
        }
    }
    Err(PortError::NoneFree { first: port, last })
}

/// Listens for HTTP on every address of `bind`.
pub(crate) fn choose_for_http(bind: &[String], port: u16) -> Result<Vec<TcpListener>, PortError> {
    match choose(bind, port, true, HTTP_BACKLOG) {
        Ok(chosen) => Ok(chosen.listeners),
        Err(PortError::Taken { port, owner }) => Err(PortError::HttpTaken { port, owner }),
        Err(error) => Err(error),
    }
}

/// Listens for clients over TLS on every address of `bind`.
pub(crate) fn choose_for_tls(
    bind: &[String],
    port: u16,
    backlog: u32,
) -> Result<Vec<TcpListener>, PortError> {
    match choose(bind, port, true, backlog) {
        Ok(chosen) => Ok(chosen.listeners),
        Err(PortError::Taken { port, owner }) => Err(PortError::TlsTaken { port, owner }),
        Err(error) => Err(error),
    }
}

/// Listens for other nodes on every address of `bind`, at the port that was asked for.
pub(crate) fn choose_for_peers(bind: &[String], port: u16, backlog: u32) -> Result<Chosen, PortError> {
    choose(bind, port, true, backlog).map_err(|error| match error {
        PortError::Taken { port, owner } => PortError::PeerTaken { port, owner },
        error => error,
    })
}

/// The IP addresses that `bind` names, without port, each once.
fn addresses(bind: &[String]) -> Result<Vec<IpAddr>, PortError> {
    let mut found: Vec<IpAddr> = Vec::new();
    for word in bind {
        let unknown = |source| PortError::UnknownHost { host: word.clone(), source };
        let named: Vec<IpAddr> = match word.as_str() {
            "*" => vec![any_address()],
            word => (word, 0).to_socket_addrs().map_err(unknown)?.map(|address| address.ip()).collect(),
        };
        for address in named {
            if !found.contains(&address) {
                found.push(address);
            }
        }
    }
    // A socket on :: takes IPv4 too, and would be in the way of one on 0.0.0.0.
    if found.contains(&IpAddr::V6(Ipv6Addr::UNSPECIFIED)) {
        found.retain(|address| *address != IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    }
    Ok(found)
}

/// All addresses of the machine: of both families where the machine has IPv6.
fn any_address() -> IpAddr {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)) {
        Ok(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        Err(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}

fn listen_on_all(
    addresses: &[IpAddr],
    port: u16,
    backlog: u32,
) -> Result<(Vec<TcpListener>, u16), (SocketAddr, io::Error)> {
    let mut port = port;
    let mut listeners = Vec::new();
    for &address in addresses {
        let address = SocketAddr::new(address, port);
        let listener = TcpListener::bind(address).map_err(|error| (address, error))?;
        let set =
            system::set_backlog(listener.as_fd(), backlog).and_then(|()| listener.set_nonblocking(true));
        // With port 0 the first listener finds the port and the others follow.
        port = set.and_then(|()| listener.local_addr()).map_err(|error| (address, error))?.port();
        listeners.push(listener);
    }
    Ok((listeners, port))
}

/// Who listens on a port, in words. Best effort: other users' processes cannot be seen into.
fn owner_of(port: u16) -> String {
    let inodes =
        ["/proc/net/tcp", "/proc/net/tcp6"].iter().filter_map(|table| fs::read_to_string(table).ok());
    let inodes: Vec<String> = inodes.flat_map(|table| listening_inodes(&table, port)).collect();
    match process_with_socket(&inodes) {
        Some((name, pid)) => format!("{name} (pid {pid})"),
        None => "another process".to_owned(),
    }
}

/// The sockets of a `/proc/net/tcp` table that listen on `port`.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let inode = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let local = words.nth(1)?;
        let state = words.nth(1)?;
        let inode = words.nth(5)?;
        let (_, at) = local.rsplit_once(':')?;
        let matches = state == LISTENING && u16::from_str_radix(at, 16) == Ok(port);
        matches.then(|| inode.to_owned())
    };
    table.lines().skip(1).filter_map(inode).collect()
}

fn process_with_socket(inodes: &[String]) -> Option<(String, u32)> {
    let wanted: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Ok(pid) = process.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        let holds = |file: &fs::DirEntry| {
            fs::read_link(file.path())
                .is_ok_and(|to| wanted.iter().any(|socket| to.as_os_str() == socket.as_str()))
        };
        if files.flatten().any(|file| holds(&file)) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            // A process chooses its own name, and this goes to a terminal.
            let name: String = name.trim().chars().filter(|letter| !letter.is_control()).collect();
            return Some((name, pid));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> Vec<String> {
        vec!["127.0.0.1".to_owned()]
    }

    #[test]
    fn port_zero_is_any_free_port_and_the_same_for_all_addresses() {
        let chosen = choose(&["127.0.0.1".to_owned(), "127.0.0.2".to_owned()], 0, true, 16).unwrap();
        assert_eq!(chosen.listeners.len(), 2);
        assert_ne!(chosen.port, 0);
        for listener in &chosen.listeners {
            assert_eq!(listener.local_addr().unwrap().port(), chosen.port);
        }
        assert_eq!(chosen.note, None);
    }

    #[test]
    fn a_taken_port_that_was_asked_for_is_refused_with_its_owner() {
        let taken = choose(&loopback(), 0, true, 16).unwrap();
        let error = choose(&loopback(), taken.port, true, 16).unwrap_err();
        assert!(matches!(&error, PortError::Taken { port, .. } if *port == taken.port), "{error}");
        assert!(error.to_string().contains(&format!("(pid {})", std::process::id())), "{error}");
    }

    #[test]
    fn a_taken_port_that_nobody_asked_for_gives_the_next_and_a_note() {
        let taken = choose(&loopback(), 0, true, 16).unwrap();
        let chosen = choose(&loopback(), taken.port, false, 16).unwrap();
        assert!(chosen.port > taken.port);
        let note = chosen.note.unwrap();
        assert!(note.starts_with(&format!("{} is used by ", taken.port)), "{note}");
        assert!(note.ends_with(&format!("(pid {}), using {}", std::process::id(), chosen.port)), "{note}");
    }

    #[test]
    fn an_address_that_is_not_ours_is_said() {
        let error = choose(&["192.0.2.1".to_owned()], 0, false, 16).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("cannot listen on 192.0.2.1:0: ") && text.contains("--listen"), "{text}");
        let error = choose(&["no.such.host.invalid".to_owned()], 0, false, 16).unwrap_err();
        assert!(matches!(error, PortError::UnknownHost { .. }), "{error}");
    }

    #[test]
    fn an_address_named_twice_is_listened_on_once() {
        let words = ["127.0.0.1", "127.0.0.1", "0.0.0.0", "::"].map(str::to_owned);
        let found = addresses(&words).unwrap();
        assert_eq!(found, [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::UNSPECIFIED)]);
    }

    #[test]
    fn the_kernel_table_is_read_by_column() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0
   1: 0100007F:18EB 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 100 0 0 10 0
   2: 0100007F:18EC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4244 1 0 100 0 0 10 0
";
        assert_eq!(listening_inodes(table, 6379), ["4242"]);
        assert_eq!(listening_inodes("garbage\nmore garbage", 6379), Vec::<String>::new());
    }
}
