//! Where a server is, and who we are there: `redis://[user[:password]@]host[:port][/db]`, `rediss://` for TLS,
//! `unix:///path/to/socket[?db=n]`, and the short forms `host:port`, `:port`, `/path`.
//!
//! A password appears in no text that is made here.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::{ClientError, Tls};

/// The port when none is given.
pub const DEFAULT_PORT: u16 = 6379;

/// What to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A host name or address, and a port.
    Tcp {
        /// Name or address, an IPv6 one without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// A socket of this machine.
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Endpoint::Tcp { host, port } => write!(f, "{host}:{port}"),
            Endpoint::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// An endpoint, and what to be there.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// What to connect to.
    pub endpoint: Endpoint,
    /// User to authenticate as, `default` if there is only a password.
    pub user: Option<String>,
    /// Password to authenticate with.
    pub password: Option<String>,
    /// Database to select.
    pub db: u16,
    /// How TLS is spoken, if it is; never over a unix socket.
    pub tls: Option<Tls>,
}

impl Target {
    /// Database 0 at this host and port, as nobody.
    pub fn tcp(host: impl Into<String>, port: u16) -> Target {
        Target::at(Endpoint::Tcp { host: host.into(), port })
    }

    /// Database 0 at this socket, as nobody.
    pub fn unix(path: impl Into<PathBuf>) -> Target {
        Target::at(Endpoint::Unix(path.into()))
    }

    fn at(endpoint: Endpoint) -> Target {
        Target { endpoint, user: None, password: None, db: 0, tls: None }
    }
}

impl Default for Target {
    /// The node that `narf serve` starts without settings.
    fn default() -> Target {
        Target::tcp("127.0.0.1", DEFAULT_PORT)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

impl fmt::Display for Target {
    /// The address as a URL, with `***` in place of a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Endpoint::Tcp { .. } => {
                f.write_str(if self.tls.is_some() { "rediss://" } else { "redis://" })?;
                if self.user.is_some() || self.password.is_some() {
                    let secret = if self.password.is_some() { ":***" } else { "" };
                    write!(f, "{}{secret}@", self.user.as_deref().unwrap_or_default())?;
                }
                write!(f, "{}", self.endpoint)?;
                if self.db > 0 { write!(f, "/{}", self.db) } else { Ok(()) }
            }
            Endpoint::Unix(path) => {
                write!(f, "unix://{}", path.display())?;
                if self.db > 0 { write!(f, "?db={}", self.db) } else { Ok(()) }
            }
        }
    }
}

impl FromStr for Target {
    type Err = ClientError;

    fn from_str(url: &str) -> Result<Target, ClientError> {
        parse(url).map_err(|problem| ClientError::BadAddress { url: without_password(url), problem })
    }
}

fn parse(url: &str) -> Result<Target, &'static str> {
    if let Some(rest) = url.strip_prefix("redis://").or(url.strip_prefix("narf://")) {
        return parse_tcp(rest);
    }
    if let Some(rest) = url.strip_prefix("unix://").or(url.strip_prefix("redis+unix://")) {
        return parse_unix(rest);
    }
    if let Some(rest) = url.strip_prefix("rediss://") {
        return Ok(Target { tls: Some(Tls::default()), ..parse_tcp(rest)? });
    }
    if url.contains("://") {
        return Err("unknown scheme");
    }
    if url.starts_with('/') || url.starts_with("./") {
        return Ok(Target::unix(url));
    }
    parse_tcp(url)
}

fn parse_tcp(rest: &str) -> Result<Target, &'static str> {
    let (authority, path) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    // A password may hold an `@` that nobody escaped.
    let (who, place) = match authority.rsplit_once('@') {
        Some((who, place)) => (Some(who), place),
        None => (None, authority),
    };
    let (host, port) = parse_place(place)?;
    let (user, password) = who.map_or(Ok((None, None)), parse_who)?;
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut db = parse_query(query)?.unwrap_or(0);
    if let Some(number) = path.strip_prefix('/').filter(|number| !number.is_empty()) {
        db = parse_db(number)?;
    }
    Ok(Target { endpoint: Endpoint::Tcp { host, port }, user, password, db, tls: None })
}

fn parse_unix(rest: &str) -> Result<Target, &'static str> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (who, path) = match path.find('/') {
        Some(0) => (None, path),
        Some(at) if path[..at].ends_with('@') => (Some(&path[..at - 1]), &path[at..]),
        _ => return Err("the socket's path must be absolute"),
    };
    let (user, password) = who.map_or(Ok((None, None)), parse_who)?;
    let path = PathBuf::from(unescape(path)?);
    let db = parse_query(query)?.unwrap_or(0);
    Ok(Target { endpoint: Endpoint::Unix(path), user, password, db, tls: None })
}

fn parse_place(place: &str) -> Result<(String, u16), &'static str> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or("`[` without `]`")?;
        (host, after.strip_prefix(':'))
    } else {
        match place.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => {
                return Err("an IPv6 address needs brackets: [::1]:6379");
            }
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        }
    };
    let port = match port {
        None | Some("") => DEFAULT_PORT,
        Some(text) => text.parse().map_err(|_| "the port is not a number below 65536")?,
    };
    Ok((if host.is_empty() { "127.0.0.1".into() } else { host.into() }, port))
}

type Who = (Option<String>, Option<String>);

fn parse_who(who: &str) -> Result<Who, &'static str> {
    let (user, password) = match who.split_once(':') {
        Some((user, password)) => (user, Some(unescape(password)?)),
        None => (who, None),
    };
    let user = if user.is_empty() { None } else { Some(unescape(user)?) };
    Ok((user, password))
}

fn parse_query(query: &str) -> Result<Option<u16>, &'static str> {
    let mut db = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("db", number)) => db = Some(parse_db(number)?),
            _ => return Err("the only parameter is `db`"),
        }
    }
    Ok(db)
}

fn parse_db(number: &str) -> Result<u16, &'static str> {
    number.parse().map_err(|_| "the database is not a number")
}

/// `%40` to `@`.
fn unescape(text: &str) -> Result<String, &'static str> {
    const WRONG: &str = "`%` is not followed by two hexadecimal digits";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or(WRONG)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| WRONG)?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| "`%` escapes are not UTF-8")
}

fn without_password(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let Some(end) = url.rfind('@').filter(|&end| end >= start) else { return url.to_string() };
    match url[start..end].find(':') {
        Some(at) => format!("{}:***{}", &url[..start + at], &url[end..]),
        None => url.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, endpoint: &str, user: Option<&str>, password: Option<&str>, db: u16) {
        let target: Target = url.parse().unwrap();
        assert_eq!(target.endpoint.to_string(), endpoint);
        assert_eq!((target.user.as_deref(), target.password.as_deref(), target.db), (user, password, db));
    }

    #[test]
    fn addresses_are_read() {
        check("redis://", "127.0.0.1:6379", None, None, 0);
        check("redis://h", "h:6379", None, None, 0);
        check("redis://h:1/3", "h:1", None, None, 3);
        check("redis://h/?db=4", "h:6379", None, None, 4);
        check("redis://:pw@h", "h:6379", None, Some("pw"), 0);
        check("redis://ada:p%40w@[::1]:7", "[::1]:7", Some("ada"), Some("p@w"), 0);
        check("redis://ada:p@w@h", "h:6379", Some("ada"), Some("p@w"), 0);
        check("unix:///run/narf.sock?db=2", "/run/narf.sock", None, None, 2);
        check("unix://ada:pw@/run/narf.sock", "/run/narf.sock", Some("ada"), Some("pw"), 0);
        check("rediss://ada:pw@h:1/2", "h:1", Some("ada"), Some("pw"), 2);
        check("h:17", "h:17", None, None, 0);
        check(":17", "127.0.0.1:17", None, None, 0);
        check("/run/narf.sock", "/run/narf.sock", None, None, 0);
    }

    #[test]
    fn wrong_addresses_are_refused_without_showing_the_password() {
        for url in [
            "http://h",
            "redis://h:x",
            "redis://h/x",
            "redis://::1",
            "redis://h?x=1",
            "unix://a/b",
            "redis://%zz@h",
        ] {
            assert!(url.parse::<Target>().is_err(), "{url}");
        }
        let error = "redis://ada:secret@h:x".parse::<Target>().unwrap_err().to_string();
        assert_eq!(error, "`redis://ada:***@h:x` is not an address: the port is not a number below 65536");
    }

    #[test]
    fn a_target_shows_no_password() {
        let target: Target = "redis://ada:secret@h:1/2".parse().unwrap();
        assert!(target.tls.is_none());
        assert_eq!(format!("{target} {target:?}"), "redis://ada:***@h:1/2 Target(redis://ada:***@h:1/2)");
        let target: Target = "rediss://:secret@h".parse().unwrap();
        assert!(target.tls.is_some());
        assert_eq!(target.to_string(), "rediss://:***@h:6379");
    }
}
