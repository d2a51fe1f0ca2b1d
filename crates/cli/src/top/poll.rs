//! Asks the nodes of a cluster for their counters.
//!
//! Invariant: a node that is away costs a second of a round at most, and is asked again in the next. Does not know
//! what is shown of the answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{ClientError, Connection, Endpoint, Options, Target, Value};

use super::sample::{Replies, Sample};
use super::view::View;
use crate::{ConnectArgs, Failure};

/// Longest wait for a node.
const PATIENCE: Duration = Duration::from_secs(1);
/// Slow requests of a node that are looked at.
const SLOW_MAX: &str = "50";
/// Keys of a node that are looked at: all that it counts, as what is little here may be much in all.
const HOT_MAX: &str = "128";

/// What is asked for beside the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wants {
    pub(super) clients: bool,
    pub(super) slow: bool,
    pub(super) hot: bool,
}

impl Wants {
    pub(super) const ALL: Wants = Wants { clients: true, slow: true, hot: true };

    /// What a view needs.
    pub(super) fn of(view: View) -> Wants {
        Wants { clients: view == View::Clients, slow: view == View::Slow, hot: view == View::Hot }
    }
}

/// A node and what it said.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) before: Option<Arc<Sample>>,
    pub(super) now: Option<Arc<Sample>>,
    /// Why it said nothing.
    pub(super) problem: Option<String>,
}

/// The way to a node.
struct Seat {
    target: Target,
    /// As the cluster calls it.
    name: Option<String>,
    connection: Option<Connection>,
    last: Option<Arc<Sample>>,
    /// Why it did not tell in this round who is in the cluster: it is not waited for twice.
    problem: Option<String>,
}

/// See the module.
pub(super) struct Poller {
    /// The first is the one that was named.
    seats: Vec<Seat>,
    options: Options,
    is_alone: bool,
}

impl Poller {
    /// Fails if the node that was named cannot be reached.
    pub(super) fn new(connect: &ConnectArgs, is_alone: bool) -> Result<Poller, Failure> {
        let target = connect.target()?;
        let first = Connection::open(&target, &Options { name: name(), ..connect.options() })?;
        let wait = connect.options().connect_timeout.min(PATIENCE);
        let options =
            Options { connect_timeout: wait, timeout: Some(wait), name: name(), ..connect.options() };
        let seat = Seat { connection: Some(first), ..Seat::new(target, None) };
        Ok(Poller { seats: vec![seat], options, is_alone })
    }

    /// One look at all nodes.
    pub(super) fn poll(&mut self, wants: Wants) -> Vec<Node> {
        if !self.is_alone {
            self.find_nodes();
        }
        self.seats.iter_mut().map(|seat| seat.poll(&self.options, wants)).collect()
    }

    /// Takes over who is in the cluster from the first node that knows it.
    fn find_nodes(&mut self) {
        let members = self.seats.iter_mut().find_map(|seat| seat.members(&self.options));
        let Some(members) = members else { return };
        let seed = self.seats[0].target.clone();
        let others = |seat: &Seat| members.iter().any(|member| member.is(seat));
        let mut index = 0;
        self.seats.retain(|seat| {
            index += 1;
            index == 1 || others(seat)
        });
        for member in &members {
            match self.seats.iter_mut().find(|seat| member.is(seat)) {
                Some(seat) => seat.name = Some(member.name.clone()),
                None => {
                    let target = Target { endpoint: member.endpoint.clone(), ..seed.clone() };
                    self.seats.push(Seat::new(target, Some(member.name.clone())));
                }
            }
        }
    }
}

fn name() -> Option<String> {
    Some("narf-top".to_owned())
}

/// A node as the cluster knows it.
struct Member {
    name: String,
    endpoint: Endpoint,
    /// It is the node that was asked, under whatever address.
    asked: Option<Endpoint>,
}

impl Member {
    fn is(&self, seat: &Seat) -> bool {
        self.endpoint == seat.target.endpoint || self.asked.as_ref() == Some(&seat.target.endpoint)
    }

    fn read(value: &Value, asked: &Endpoint) -> Option<Member> {
        let field = |name: &str| value.field(name).and_then(Value::as_text);
        let (host, port) = field("address")?.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Member {
            name: field("name")?.to_owned(),
            endpoint: Endpoint::Tcp { host, port: port.parse().ok()? },
            asked: (field("link") == Some("self")).then(|| asked.clone()),
        })
    }
}

impl Seat {
    fn new(target: Target, name: Option<String>) -> Seat {
        Seat { target, name, connection: None, last: None, problem: None }
    }

    fn connection(&mut self, options: &Options) -> Result<&mut Connection, ClientError> {
        if self.connection.as_ref().is_none_or(Connection::is_broken) {
            self.connection = None;
            self.connection = Some(Connection::open(&self.target, options)?);
        }
        match &mut self.connection {
            Some(connection) => Ok(connection),
            None => Err(ClientError::NotListening { address: self.target.endpoint.to_string() }),
        }
    }

    fn members(&mut self, options: &Options) -> Option<Vec<Member>> {
        let asked = self.target.endpoint.clone();
        let reply = self.connection(options).and_then(|connection| connection.call(["FABRIC", "MEMBERS"]));
        let reply = match reply {
            Ok(reply) => reply,
            // It may be there again already, and nobody was waited for.
            Err(ClientError::Lost { .. } | ClientError::Closed { .. } | ClientError::Unusable { .. }) => {
                return None;
            }
            Err(error) => {
                self.problem = Some(error.to_string());
                return None;
            }
        };
        let members = reply.as_slice()?.iter().filter_map(|member| Member::read(member, &asked));
        Some(members.collect::<Vec<_>>()).filter(|members| !members.is_empty())
    }

    fn poll(&mut self, options: &Options, wants: Wants) -> Node {
        let (before, address) = (self.last.take(), self.target.endpoint.to_string());
        let sample = match self.problem.take() {
            Some(problem) => Err(problem),
            None => self.ask(options, wants).map_err(|error| error.to_string()),
        };
        let sample = sample.and_then(|(at, replies)| Sample::read(at, &replies)).map(Arc::new);
        self.last = sample.as_ref().ok().map(Arc::clone);
        let told = self.last.as_ref().map(|now| now.text("narf_node_name")).unwrap_or_default();
        let name = match (&self.name, told) {
            (Some(name), _) => name.clone(),
            (None, "") => address.clone(),
            (None, told) => told.to_owned(),
        };
        Node { name, address, before, now: self.last.clone(), problem: sample.err() }
    }

    fn ask(&mut self, options: &Options, wants: Wants) -> Result<(Instant, Replies), ClientError> {
        let connection = self.connection(options)?;
        let info = connection.call(["INFO", "everything"])?;
        let at = Instant::now();
        let status = connection.call(["FABRIC", "STATUS"])?;
        let clients = wants.clients.then(|| connection.call(["CLIENT", "LIST"])).transpose()?;
        let slow = wants.slow.then(|| connection.call(["SLOWLOG", "GET", SLOW_MAX])).transpose()?;
        let hot = wants.hot.then(|| connection.call(["FABRIC", "HOTKEYS", HOT_MAX])).transpose()?;
        Ok((at, Replies { info, status, clients, slow, hot }))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_node_that_is_away_is_waited_for_once_a_round() {
        // It takes connections, as the kernel does for a process that stands still, and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        silent.set_nonblocking(true).unwrap();
        let address = silent.local_addr().unwrap();
        let target = Target {
            endpoint: Endpoint::Tcp { host: address.ip().to_string(), port: address.port() },
            ..Target::default()
        };
        let wait = Duration::from_millis(20);
        let options = Options { connect_timeout: wait, timeout: Some(wait), ..Options::default() };
        let mut poller = Poller { seats: vec![Seat::new(target, None)], options, is_alone: false };
        for _ in 0..2 {
            let nodes = poller.poll(Wants::ALL);
            assert!(nodes[0].problem.is_some() && nodes[0].now.is_none(), "{nodes:?}");
            assert!(silent.accept().is_ok(), "it was asked");
            assert!(silent.accept().is_err(), "it was asked again");
        }
    }
}
