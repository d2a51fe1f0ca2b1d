//! Asks the nodes of a cluster for their counters.
//!
//! Invariant: a node that is away costs a second of a round at most, and is asked again in the next. Does not know
//! what is shown of the answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{ClientError, Connection, Endpoint, Options, Target, Value};

use super::sample::{Replies, Sample};
use crate::{ConnectArgs, Failure};

/// Longest wait for a node.
const PATIENCE: Duration = Duration::from_secs(1);
/// Slow requests of a node that are looked at.
const SLOW_MAX: &str = "50";

/// What is asked for beside the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wants {
    pub(super) clients: bool,
    pub(super) slow: bool,
}

impl Wants {
    pub(super) const ALL: Wants = Wants { clients: true, slow: true };
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
        let wait = connect.timeout.min(PATIENCE);
        let options =
            Options { connect_timeout: wait, timeout: Some(wait), name: name(), ..connect.options() };
        let seat = Seat { target, name: None, connection: Some(first), last: None };
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
                    let name = Some(member.name.clone());
                    self.seats.push(Seat { target, name, connection: None, last: None });
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
        let reply = self.connection(options).ok()?.call(["FABRIC", "MEMBERS"]).ok()?;
        let members = reply.as_slice()?.iter().filter_map(|member| Member::read(member, &asked));
        Some(members.collect::<Vec<_>>()).filter(|members| !members.is_empty())
    }

    fn poll(&mut self, options: &Options, wants: Wants) -> Node {
        let (before, address) = (self.last.take(), self.target.endpoint.to_string());
        let sample = self.ask(options, wants).map_err(|error| error.to_string());
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
        Ok((at, Replies { info, status, clients, slow }))
    }
}
