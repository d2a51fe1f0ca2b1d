//! `narf cluster drain --wait`: looks at the cluster until a node that leaves has left.
//!
//! Says on standard error how far it has come: a line that changes on a terminal, elsewhere one for each step.
//! Does not know how a node leaves.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use client::{ClientError, Connection, Endpoint, Target, Value};

use super::table::cells;
use crate::exit::say_of_server;
use crate::render::harmless;
use crate::{CliArgs, Exit, Failure};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How a node that leaves was seen last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    id: String,
    name: String,
    state: String,
    partitions: String,
}

impl Seen {
    /// A node in the reply to `FABRIC MEMBERS`, by its name or id.
    fn find(members: &Value, node: &str) -> Option<Seen> {
        let of = |member: &Value| {
            let cells = cells(member);
            let text = |name: &str| {
                cells
                    .iter()
                    .find(|(other, _)| other == name)
                    .map(|(_, text)| text.clone())
                    .unwrap_or_default()
            };
            Seen { id: text("id"), name: text("name"), state: text("state"), partitions: text("partitions") }
        };
        let mut all = members.as_slice()?.iter().map(of);
        all.find(|seen| seen.id == node || seen.name == node)
    }

    fn tell(&self) -> String {
        match self.partitions.as_str() {
            "0" => format!("{} is {} and holds nothing any more", self.name, self.state),
            "1" => format!("{} is {} and holds 1 partition", self.name, self.state),
            count => format!("{} is {} and holds {count} partitions", self.name, self.state),
        }
    }
}

/// Waits until the node is no member any more.
pub(super) fn wait(
    args: &CliArgs,
    connection: Connection,
    node: &str,
    within: Duration,
) -> Result<Exit, Failure> {
    let begin = Instant::now();
    let mut asked = Asked { args, connection: Some(connection), others: Vec::new() };
    let (mut progress, mut last) = (Progress::new(std::io::stderr().is_terminal()), Seen::default());
    node.clone_into(&mut last.name);
    let exit = loop {
        match asked.look(if last.id.is_empty() { node } else { &last.id }) {
            Ok(None) => break tell_gone(&last)?,
            Ok(Some(seen)) => last = seen,
            Err(failure) if begin.elapsed() >= within => {
                progress.clear();
                return Err(failure);
            }
            // It is the one that was asked, or the way to it is lost: another may know.
            Err(_) => {}
        }
        if begin.elapsed() >= within {
            progress.clear();
            say_of_server(&format!(
                "narf: {}, after {} s; it goes on: look at `narf cluster members`, or wait longer with --wait-timeout",
                last.tell(),
                within.as_secs()
            ));
            break Exit::Degraded;
        }
        progress.show(&last, begin.elapsed());
        std::thread::sleep(LOOK_EVERY);
    };
    progress.clear();
    Ok(exit)
}

/// Who is asked.
struct Asked<'a> {
    args: &'a CliArgs,
    connection: Option<Connection>,
    /// Where the other members are, as was told last: the one that is asked may be the one that goes.
    others: Vec<Endpoint>,
}

impl Asked<'_> {
    /// The node as it is now, if it is still a member.
    fn look(&mut self, node: &str) -> Result<Option<Seen>, Failure> {
        let members = match self.connection()?.call(["FABRIC", "MEMBERS"]) {
            Ok(Value::Error(text)) => Err(ClientError::Refused(text)),
            members => members,
        };
        match members {
            Ok(members) => {
                self.others = others(&members, node);
                Ok(Seen::find(&members, node))
            }
            Err(error) => {
                self.connection = None;
                Err(error.into())
            }
        }
    }

    /// The one there is, or one to the first member that answers.
    fn connection(&mut self) -> Result<&mut Connection, Failure> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let (target, options) = (self.args.connect.target()?, self.args.connect.options());
                let open_other = |endpoint: &Endpoint| {
                    let target = Target { endpoint: endpoint.clone(), ..target.clone() };
                    Connection::open(&target, &options).ok()
                };
                match Connection::open(&target, &options) {
                    Ok(connection) => connection,
                    Err(error) => self.others.iter().find_map(open_other).ok_or(error)?,
                }
            }
        };
        Ok(self.connection.insert(connection))
    }
}

/// Where members but this one can be asked.
fn others(members: &Value, node: &str) -> Vec<Endpoint> {
    let of = |member: &Value| {
        let cells = cells(member);
        let is = |name: &str, text: &str| cells.iter().any(|cell| cell.0 == name && cell.1 == text);
        let (_, address) = cells.iter().find(|(name, _)| name == "address")?;
        let (host, port) = address.rsplit_once(':')?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let endpoint = Endpoint::Tcp { host, port: port.parse().ok()? };
        (!is("id", node) && !is("name", node) && is("state", "up")).then_some(endpoint)
    };
    members.as_slice().unwrap_or_default().iter().filter_map(of).collect()
}

fn tell_gone(seen: &Seen) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} has left", harmless(&seen.name))?;
    Ok(Exit::Done)
}

struct Progress {
    on_terminal: bool,
    shown: Option<(String, u64)>,
}

impl Progress {
    fn new(on_terminal: bool) -> Progress {
        Progress { on_terminal, shown: None }
    }

    fn show(&mut self, seen: &Seen, passed: Duration) {
        // Seconds are of interest only where they do not scroll.
        let now = (seen.tell(), if self.on_terminal { passed.as_secs() } else { 0 });
        if self.shown.as_ref() == Some(&now) {
            return;
        }
        match self.on_terminal {
            true => {
                let _ = write!(std::io::stderr(), "\r\x1b[K{} … {} s", harmless(&now.0), now.1);
            }
            false => say_of_server(&now.0),
        }
        self.shown = Some(now);
    }

    fn clear(&mut self) {
        if self.shown.take().is_some() && self.on_terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Bulk(text.as_bytes().to_vec())
    }

    fn member(name: &str, id: &str, state: &str, partitions: i64) -> Value {
        let pairs = [("name", name), ("id", id), ("state", state), ("address", "10.0.0.1:6379")];
        let mut map: Vec<(Value, Value)> =
            pairs.iter().map(|(name, value)| (text(name), text(value))).collect();
        map.push((text("partitions"), Value::Int(partitions)));
        Value::Map(map)
    }

    #[test]
    fn a_node_is_found_by_name_or_id_until_it_is_no_member() {
        let members =
            Value::Array(vec![member("red-fox", "01", "up", 5), member("blue-owl", "02", "leaving", 1)]);
        for word in ["blue-owl", "02"] {
            let seen = Seen::find(&members, word).unwrap();
            assert_eq!(seen.tell(), "blue-owl is leaving and holds 1 partition");
        }
        let there = Endpoint::Tcp { host: "10.0.0.1".to_owned(), port: 6379 };
        assert_eq!((others(&members, "02"), others(&members, "01")), (vec![there], vec![]));
        assert_eq!(Seen::find(&members, "03"), None);
    }
}
