//! Names that only the server knows, for completion: keys, fields of a hash, members of a set, settings.
//!
//! Asked over a connection of its own, so that a transaction or what is subscribed does not notice. Invariant: a press of
//! TAB waits for a fraction of a second at most, however many keys there are; what was found by then is offered.

use std::time::{Duration, Instant};

use client::{Connection, Options, Target, Value};
use command::syntax::{Arg, Kind};
use command::{Group, Spec};

/// Longest wait for one step: connecting, or a reply.
const STEP: Duration = Duration::from_millis(100);
/// No step begins later than this after the first.
const PATIENCE: Duration = Duration::from_millis(150);
/// More than these are not looked through by anyone.
const NAMES_MAX: usize = 100;
/// Keys looked at in one step: some hundred microseconds of the server.
const SCAN_COUNT: &str = "1000";

/// What a server is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Keys,
    Fields { key: Vec<u8> },
    Members { key: Vec<u8> },
    Settings,
}

impl Wanted {
    /// What may stand next in a request of this command, `typed` being the words after its name; `words` all of them.
    pub(crate) fn next(spec: &Spec, typed: &[Vec<u8>], words: &[Vec<u8>]) -> Option<Wanted> {
        let arg = command::next_value(spec, typed)?;
        let key = || {
            let request = base::Request::from_parts(words);
            spec.keys_of(request.args()).next().and_then(|index| words.get(index).cloned())
        };
        match (arg, spec.group) {
            (Arg { kind: Kind::Key, .. }, _) => Some(Wanted::Keys),
            (Arg { name, .. }, Group::Hash) if name == "field" => Some(Wanted::Fields { key: key()? }),
            (Arg { name, .. }, Group::Set) if name == "member" => Some(Wanted::Members { key: key()? }),
            (Arg { name, .. }, _) if name == "parameter" && spec.parent_name() == Some("config") => {
                Some(Wanted::Settings)
            }
            _ => None,
        }
    }

    fn request(&self, cursor: &[u8], pattern: &[u8]) -> Vec<Vec<u8>> {
        let scan = |name: &str, key: Option<&Vec<u8>>| {
            let mut request = vec![name.into()];
            request.extend(key.cloned());
            request.push(cursor.to_vec());
            request.extend(["MATCH".into(), pattern.to_vec(), "COUNT".into(), SCAN_COUNT.into()]);
            request
        };
        match self {
            Wanted::Keys => scan("SCAN", None),
            Wanted::Fields { key } => scan("HSCAN", Some(key)),
            Wanted::Members { key } => scan("SSCAN", Some(key)),
            Wanted::Settings => vec!["CONFIG".into(), "GET".into(), pattern.to_vec()],
        }
    }

    /// Where to go on, if anywhere, and what was found.
    fn read(&self, reply: Value) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
        let bytes = |value: Value| match value {
            Value::Bulk(bytes) => Some(bytes),
            Value::Simple(text) => Some(text.into_bytes()),
            _ => None,
        };
        let every_second = |items: Vec<Value>| items.into_iter().step_by(2).filter_map(bytes).collect();
        match (self, reply) {
            (Wanted::Settings, Value::Map(pairs)) => {
                Some((b"0".to_vec(), pairs.into_iter().filter_map(|(name, _)| bytes(name)).collect()))
            }
            (Wanted::Settings, Value::Array(items)) => Some((b"0".to_vec(), every_second(items))),
            (_, Value::Array(parts)) => {
                let mut parts = parts.into_iter();
                let (Some(cursor), Some(Value::Array(items))) = (parts.next().and_then(bytes), parts.next())
                else {
                    return None;
                };
                let names = match self {
                    Wanted::Fields { .. } => every_second(items),
                    _ => items.into_iter().filter_map(bytes).collect(),
                };
                Some((cursor, names))
            }
            _ => None,
        }
    }
}

/// The way to a server, made when it is first needed.
#[derive(Default)]
pub(crate) struct Names {
    target: Target,
    is_reachable: bool,
    connection: Option<Connection>,
}

impl Names {
    /// The prompt talks to this server now, if to any.
    pub(crate) fn follow(&mut self, target: &Target, is_connected: bool) {
        if self.target != *target || !is_connected {
            self.connection = None;
        }
        if self.target != *target {
            self.target = target.clone();
        }
        self.is_reachable = is_connected;
    }

    /// Names with this beginning, in order. None if the server does not answer at once.
    pub(crate) fn find(&mut self, wanted: &Wanted, prefix: &[u8]) -> Vec<Vec<u8>> {
        if !self.is_reachable {
            return Vec::new();
        }
        let start = Instant::now();
        let Some(mut connection) = self.connection.take().or_else(|| connect(&self.target)) else {
            return Vec::new();
        };
        let mut names = Vec::new();
        let pattern = pattern(prefix);
        let mut cursor = b"0".to_vec();
        while start.elapsed() < PATIENCE && names.len() < NAMES_MAX {
            let reply = connection.call(wanted.request(&cursor, &pattern));
            let Some((next, found)) = reply.ok().and_then(|reply| wanted.read(reply)) else { break };
            names.extend(found);
            cursor = next;
            if cursor == b"0" {
                break;
            }
        }
        if !connection.is_broken() {
            self.connection = Some(connection);
        }
        names.retain(|name| name.starts_with(prefix));
        names.sort();
        names.dedup();
        names.truncate(NAMES_MAX);
        names
    }
}

fn connect(target: &Target) -> Option<Connection> {
    let options = Options {
        connect_timeout: STEP,
        timeout: Some(STEP),
        name: Some("narf-cli-completion".into()),
        ..Options::default()
    };
    Connection::open(target, &options).ok()
}

/// A pattern for what begins with these bytes.
fn pattern(prefix: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(prefix.len() + 1);
    for &byte in prefix {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern.push(b'*');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expect: Option<Wanted>) {
        let words = resp::split_line(line.as_bytes()).unwrap();
        let (spec, typed) = crate::hint::spec_of(&words).unwrap();
        assert_eq!(Wanted::next(spec, &words[typed..], &words), expect, "{line}");
    }

    #[test]
    fn it_is_known_what_stands_next() {
        let key = || b"k".to_vec();
        check("get", Some(Wanted::Keys));
        check("get k", None);
        check("del k l", Some(Wanted::Keys));
        check("mset k", None);
        check("mset k v", Some(Wanted::Keys));
        check("set k v ex", None);
        check("rename k", Some(Wanted::Keys));
        check("object encoding", Some(Wanted::Keys));
        check("sintercard 2", Some(Wanted::Keys));
        check("hget", Some(Wanted::Keys));
        check("hget k", Some(Wanted::Fields { key: key() }));
        check("hdel k f", Some(Wanted::Fields { key: key() }));
        check("hset k f", None);
        check("hset k f v", Some(Wanted::Fields { key: key() }));
        check("srem k", Some(Wanted::Members { key: key() }));
        check("config get", Some(Wanted::Settings));
        check("config set", Some(Wanted::Settings));
        check("ping", None);
    }

    #[test]
    fn a_beginning_is_no_pattern() {
        assert_eq!(pattern(b"a*[b]?\\"), br"a\*\[b\]\?\\*");
    }

    #[test]
    fn replies_of_both_protocols_are_read() {
        let bulk = |text: &str| Value::Bulk(text.into());
        let items = || vec![bulk("f"), bulk("1"), bulk("g"), bulk("2")];
        let names = || vec![b"f".to_vec(), b"g".to_vec()];
        let fields = Wanted::Fields { key: b"h".to_vec() };
        let reply = Value::Array(vec![bulk("7"), Value::Array(items())]);
        assert_eq!(fields.read(reply), Some((b"7".to_vec(), names())));
        let pairs = vec![(bulk("f"), bulk("1")), (bulk("g"), bulk("2"))];
        assert_eq!(Wanted::Settings.read(Value::Map(pairs)), Some((b"0".to_vec(), names())));
        assert_eq!(Wanted::Settings.read(Value::Array(items())), Some((b"0".to_vec(), names())));
        assert_eq!(Wanted::Keys.read(Value::Error("NOAUTH".into())), None);
    }
}
