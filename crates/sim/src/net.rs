//! The simulated network between clients and the node: bytes that arrive late, in pieces, or not at all.
//!
//! Invariants: what arrives in one direction of a link arrives in the order it was sent; after a cut nothing
//! arrives that was not there already. Does not know: what the bytes mean.

use std::collections::{BTreeMap, VecDeque};

use base::Random;

/// Names a connection; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(crate) u64);

/// Most bytes that one direction of a link holds before the sender must wait.
const PIPE_BYTES: usize = 8 * 1024;

/// One direction of a link.
#[derive(Default)]
struct Pipe {
    travelling: VecDeque<(u64, Vec<u8>)>,
    arrived: Vec<u8>,
    held: usize,
}

impl Pipe {
    fn send(&mut self, at_us: u64, bytes: &[u8]) {
        // A network does not reorder a stream, however the delays fall.
        let at_us = self.travelling.back().map_or(at_us, |last| last.0.max(at_us));
        self.travelling.push_back((at_us, bytes.to_vec()));
        self.held += bytes.len();
    }

    fn deliver(&mut self, now_us: u64) {
        while self.travelling.front().is_some_and(|(at, _)| *at <= now_us) {
            let (_, bytes) = self.travelling.pop_front().expect("there is a front");
            self.arrived.extend_from_slice(&bytes);
        }
    }

    fn take(&mut self, most: usize) -> Vec<u8> {
        let count = most.min(self.arrived.len());
        self.held -= count;
        self.arrived.drain(..count).collect()
    }

    fn room(&self) -> usize {
        PIPE_BYTES.saturating_sub(self.held)
    }
}

/// A connection.
#[derive(Default)]
struct Link {
    to_node: Pipe,
    to_client: Pipe,
    /// When the other end is to notice that this one has gone.
    client_gone: Option<u64>,
    node_gone: Option<u64>,
}

/// Which end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The client's.
    Client,
    /// The node's.
    Node,
}

/// All connections.
pub(crate) struct Network {
    links: BTreeMap<LinkId, Link>,
    random: Random,
    next: u64,
    now_us: u64,
    /// Longest delay of a piece.
    pub(crate) delay_us: u64,
}

impl Network {
    /// No connections yet.
    pub(crate) fn new(random: Random, delay_us: u64) -> Network {
        Network { links: BTreeMap::new(), random, next: 1, now_us: 0, delay_us }
    }

    /// A new connection.
    pub(crate) fn connect(&mut self) -> LinkId {
        let id = LinkId(self.next);
        self.next += 1;
        self.links.insert(id, Link::default());
        id
    }

    /// Time passes: what is due arrives.
    pub(crate) fn advance(&mut self, now_us: u64) {
        self.now_us = now_us;
        for link in self.links.values_mut() {
            link.to_node.deliver(now_us);
            link.to_client.deliver(now_us);
        }
    }

    /// Sends as many of the bytes as the link takes now, in pieces; how many.
    pub(crate) fn send(&mut self, id: LinkId, from: End, bytes: &[u8]) -> usize {
        let Some(link) = self.links.get_mut(&id) else { return 0 };
        let pipe = match from {
            End::Client => &mut link.to_node,
            End::Node => &mut link.to_client,
        };
        let count = bytes.len().min(pipe.room());
        let mut left = &bytes[..count];
        while !left.is_empty() {
            let piece = match self.random.below(4) {
                0 => 1 + self.random.below(left.len() as u64) as usize,
                _ => left.len(),
            };
            let at = self.now_us + self.random.below(self.delay_us + 1);
            pipe.send(at, &left[..piece]);
            left = &left[piece..];
        }
        count
    }

    /// Takes up to `most` bytes that have arrived at an end.
    pub(crate) fn receive(&mut self, id: LinkId, at: End, most: usize) -> Vec<u8> {
        let Some(link) = self.links.get_mut(&id) else { return Vec::new() };
        match at {
            End::Client => link.to_client.take(most),
            End::Node => link.to_node.take(most),
        }
    }

    /// Whether an end has anything to read, be it the end.
    pub(crate) fn is_readable(&self, id: LinkId, at: End) -> bool {
        let arrived = self.links.get(&id).map_or(0, |link| match at {
            End::Client => link.to_client.arrived.len(),
            End::Node => link.to_node.arrived.len(),
        });
        arrived > 0 || self.is_over(id, at)
    }

    /// Whether an end can send something.
    pub(crate) fn is_writable(&self, id: LinkId, from: End) -> bool {
        self.links.get(&id).is_some_and(|link| match from {
            End::Client => link.to_node.room() > 0,
            End::Node => link.to_client.room() > 0,
        })
    }

    /// One end goes. What it sent still arrives or, for a `cut`, some of it does not.
    pub(crate) fn leave(&mut self, id: LinkId, who: End, cut: bool) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let (pipe, gone) = match who {
            End::Client => (&mut link.to_node, &mut link.client_gone),
            End::Node => (&mut link.to_client, &mut link.node_gone),
        };
        if cut {
            let kept = self.random.below(pipe.travelling.len() as u64 + 1) as usize;
            for (_, lost) in pipe.travelling.drain(kept..) {
                pipe.held -= lost.len();
            }
        }
        let last = pipe.travelling.back().map_or(self.now_us, |last| last.0);
        *gone = Some(last.max(self.now_us + self.random.below(self.delay_us + 1)));
        if link.client_gone.is_some() && link.node_gone.is_some() {
            self.links.remove(&id);
        }
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.links.values().all(|link| link.to_node.held == 0 && link.to_client.held == 0)
    }

    /// Whether an end sees that the other has gone and has read all there was.
    pub(crate) fn is_over(&self, id: LinkId, at: End) -> bool {
        self.links.get(&id).is_none_or(|link| match at {
            End::Client => {
                link.node_gone.is_some_and(|gone| gone <= self.now_us) && link.to_client.arrived.is_empty()
            }
            End::Node => {
                link.client_gone.is_some_and(|gone| gone <= self.now_us) && link.to_node.arrived.is_empty()
            }
        })
    }
}
