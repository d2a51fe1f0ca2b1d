//! A worker's links to the other nodes: one way out to each, which it makes itself, and the ways in that other nodes
//! made to it.
//!
//! A link carries frames one way, so each end decides alone when to make its own anew, and two ends never argue about
//! which of two links is the one. What travels are frames, cut so that signs of life do not wait for
//! long ones (`lanes`).
//!
//! Does not know: what is in a frame (`node` does), how a link is authenticated (`door`).

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use base::{Millis, NodeId, WorkerId};
use cluster::{Levels, Meta};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use node::Worker;
use tls::{PLAIN_BYTES_MIN, SEALED_BYTES, Stream};

use crate::door::{self, DialError, Link};
use crate::hello::Hello;
use crate::lanes::{Incoming, Lane};
use crate::pulse::Line;
use crate::runs::Heard;
use crate::shared::{Item, Shared, lock};

/// Tokens from here on are links; clients stay below.
pub(crate) const FIRST_LINK: usize = 1 << 40;
/// Bytes taken from one link in one turn, and given to one: a large frame must not keep a worker from its other work.
const TURN_BYTES: usize = 1 << 20;
/// Bytes that wait for a peer which does not take them; a link with more is cut, and what was lost is sent anew.
const BACKLOG_BYTES_MAX: usize = 256 << 20;
/// Milliseconds between two tries to reach a node: the first, and the most.
const RETRY_MS: (u64, u64) = (50, 1000);

/// A link that stands.
struct Wire {
    line: Arc<Mutex<Line>>,
    peer: NodeId,
    /// Those that its program knows.
    levels: Levels,
    /// Which run of the node is there.
    run: u128,
    is_outgoing: bool,
    /// Of a way in.
    heard: Option<Heard>,
    /// A frame came by it.
    has_spoken: bool,
    incoming: Incoming,
    /// On the list of those whose socket may take more than the last turn gave it.
    is_unsent: bool,
    /// On the list of those with more to read.
    listed: bool,
    /// The other end sends no more: the end may stand right behind the last bytes, and no event tells of it again.
    is_ending: bool,
}

/// The way out to one node.
struct Way {
    node: NodeId,
    wire: Option<usize>,
    is_dialing: bool,
    next_dial: Millis,
    retry_ms: u64,
    tries: usize,
}

/// All links of one worker.
pub(crate) struct Links {
    worker: WorkerId,
    shared: Arc<Shared>,
    wires: Vec<Option<Wire>>,
    /// By the node's number in the groups.
    ways: BTreeMap<u64, Way>,
    readable: Vec<usize>,
    unsent: Vec<usize>,
    /// What was read, opened and not yet.
    buffers: [Box<[u8]>; 2],
}

/// What a socket's event says.
#[derive(Clone, Copy)]
pub(crate) struct Happened {
    pub(crate) readable: bool,
    /// The other end sends no more.
    pub(crate) ended: bool,
    pub(crate) writable: bool,
}

/// What a link's end means for the worker.
enum Lost {
    /// No way to this node.
    Out(NodeId),
    /// What this run of it had sent us and we had not read is lost.
    In(NodeId, u128),
    /// It was given up before anything was said by it; who says something by the next and has lost some says so.
    Unused,
}

impl Links {
    pub(crate) fn new(worker: WorkerId, shared: Arc<Shared>) -> Links {
        let buffers = [PLAIN_BYTES_MIN, SEALED_BYTES].map(|size| vec![0; size].into_boxed_slice());
        Links {
            worker,
            shared,
            wires: Vec::new(),
            ways: BTreeMap::new(),
            readable: Vec::new(),
            unsent: Vec::new(),
            buffers,
        }
    }

    /// The members are these now: ways to those who went are closed, to those who came are made.
    pub(crate) fn follow(&mut self, meta: &Meta, worker: &mut Worker, registry: &Registry) {
        let me = self.shared.node_id;
        let mut gone: Vec<u64> = self.ways.keys().copied().collect();
        for member in meta.live_members().filter(|member| member.node != me) {
            gone.retain(|id| *id != member.replica_id());
            self.ways.entry(member.replica_id()).or_insert_with(|| Way {
                node: member.node,
                wire: None,
                is_dialing: false,
                next_dial: Millis::default(),
                retry_ms: RETRY_MS.0,
                tries: 0,
            });
        }
        // Who was started again with an older program while the level was raised: what is said now it cannot read.
        self.close_those(|wire| wire.levels.newest() < meta.level(), worker, registry);
        for id in gone {
            let Some(way) = self.ways.remove(&id) else { continue };
            self.close_those(|wire| wire.peer == way.node, worker, registry);
        }
    }

    fn close_those(&mut self, is_such: impl Fn(&Wire) -> bool, worker: &mut Worker, registry: &Registry) {
        let wires = self.wires.iter().enumerate();
        let slots: Vec<usize> =
            wires.filter(|(_, wire)| wire.as_ref().is_some_and(&is_such)).map(|(slot, _)| slot).collect();
        for slot in slots {
            self.close(slot, worker, registry);
        }
    }

    /// Tries to reach those who are due to be tried.
    pub(crate) fn dial_due(&mut self, now: Millis) {
        for way in self.ways.values_mut() {
            if way.wire.is_some() || way.is_dialing || now < way.next_dial {
                continue;
            }
            let (node, worker, tries) = (way.node, self.worker, way.tries);
            way.tries = tries.wrapping_add(1);
            let shared = Arc::clone(&self.shared);
            let dial = move || {
                let Some(fabric) = &shared.fabric else { return };
                let hello = Hello {
                    worker: worker.0,
                    workers: shared.inboxes().len() as u16,
                    address: fabric.reach.peer_address.clone(),
                    standing: fabric.standing(),
                    run: shared.run_id,
                };
                let addresses = fabric.addresses_of(node);
                let dialed = match addresses.get(tries % addresses.len().max(1)) {
                    Some(address) => door::dial(address, node, &hello, &fabric.trust),
                    None => Err(DialError::NoAddress),
                };
                if dialed.is_err() {
                    fabric.lookout.miss();
                }
                let link = dialed.map(|(link, acquaintances)| {
                    fabric.hear(acquaintances);
                    Box::new(link)
                });
                shared.send(worker, Item::Dialed(node, link));
            };
            // Without a thread it is tried again as after any failure.
            way.is_dialing = std::thread::Builder::new().name("dial".to_owned()).spawn(dial).is_ok();
            way.next_dial = Millis(now.0 + way.retry_ms);
        }
    }

    /// What became of a try to reach a node.
    pub(crate) fn dialed(
        &mut self,
        node: NodeId,
        link: Result<Box<Link>, DialError>,
        worker: &mut Worker,
        registry: &Registry,
    ) {
        let now = Millis(self.shared.mono_us() / 1000);
        let Some(way) = cluster::replica_id(node).and_then(|id| self.ways.get_mut(&id)) else { return };
        way.is_dialing = false;
        match link {
            Ok(link) => {
                way.retry_ms = RETRY_MS.0;
                let run = link.run;
                let Ok(slot) = self.insert(*link, true, registry) else { return };
                let Some(way) = cluster::replica_id(node).and_then(|id| self.ways.get_mut(&id)) else {
                    return;
                };
                way.wire = Some(slot);
                worker.peer_up(node, run);
            }
            Err(error) => {
                match &error {
                    DialError::Gone => self.shared.was_removed(),
                    DialError::Doubled => self.shared.was_doubled(),
                    DialError::Outlived(unknown) => self.shared.fail(&unknown.to_string()),
                    DialError::Link { .. } | DialError::NoAddress => {}
                }
                tracing::debug!(%node, %error, "a node cannot be reached");
                way.retry_ms = (way.retry_ms * 2).min(RETRY_MS.1);
                way.next_dial = Millis(now.0 + way.retry_ms);
            }
        }
    }

    /// A node made a link to us.
    pub(crate) fn accept(&mut self, link: Link, registry: &Registry) {
        if let Ok(slot) = self.insert(link, false, registry) {
            // Bytes may have come with the handshake, of which no event tells.
            self.list(slot);
        }
    }

    fn insert(&mut self, link: Link, is_outgoing: bool, registry: &Registry) -> io::Result<usize> {
        let slot = self.wires.iter().position(Option::is_none).unwrap_or(self.wires.len());
        let mut socket = TcpStream::from_std(link.stream);
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut socket, Token(FIRST_LINK + slot), interest)?;
        let wire = Wire {
            line: Arc::new(Mutex::new(Line::new(Stream::new(socket, link.tls)))),
            peer: link.peer,
            levels: link.levels,
            run: link.run,
            is_outgoing,
            heard: link.heard,
            has_spoken: false,
            incoming: Incoming::default(),
            is_unsent: false,
            listed: false,
            is_ending: false,
        };
        if is_outgoing && let Some(inbox) = self.shared.inboxes().get(usize::from(self.worker.0)) {
            inbox.patient.add(&wire.line);
        }
        if slot == self.wires.len() {
            self.wires.push(None);
        }
        self.wires[slot] = Some(wire);
        Ok(slot)
    }

    // ---- out ----------------------------------------------------------------------------------------------

    /// Sends a frame to a node, and gives its buffer back if it is not needed any more. Without a way to it the frame is
    /// dropped: the worker was told that there is none.
    pub(crate) fn send(
        &mut self,
        to: u64,
        frame: Vec<u8>,
        lane: Lane,
        worker: &mut Worker,
        registry: &Registry,
    ) -> Vec<u8> {
        let Some(slot) = self.ways.get(&to).and_then(|way| way.wire) else { return frame };
        let Some(Some(wire)) = self.wires.get_mut(slot) else { return frame };
        let mut line = lock(&wire.line);
        if line.outgoing.len() > BACKLOG_BYTES_MAX && line.outgoing.len_beside_one() > BACKLOG_BYTES_MAX {
            tracing::warn!(node = %wire.peer, "a node takes nothing any more, its link is cut");
            drop(line);
            self.close(slot, worker, registry);
            return frame;
        }
        let frame = line.push(lane, frame, self.shared.mono_us());
        drop(line);
        // Its turn is over, and comes.
        if !wire.is_unsent {
            self.flush(slot, worker, registry);
        }
        frame
    }

    /// Sends what the socket takes, up to a turn's share.
    fn flush(&mut self, slot: usize, worker: &mut Worker, registry: &Registry) {
        let Some(Some(wire)) = self.wires.get_mut(slot) else { return };
        let flushed = lock(&wire.line).flush(TURN_BYTES);
        match flushed {
            Ok(has_more) => {
                if has_more && !std::mem::replace(&mut wire.is_unsent, true) {
                    self.unsent.push(slot);
                }
            }
            Err(_) => self.close(slot, worker, registry),
        }
    }

    /// Goes on with those that did not get all in the last turn.
    pub(crate) fn flush_unsent(&mut self, worker: &mut Worker, registry: &Registry) {
        for slot in std::mem::take(&mut self.unsent) {
            let Some(Some(wire)) = self.wires.get_mut(slot) else { continue };
            // A link that took the place of the one on the list may have nothing; that does no harm.
            wire.is_unsent = false;
            self.flush(slot, worker, registry);
        }
    }

    // ---- in -----------------------------------------------------------------------------------------------

    pub(crate) fn handle_event(
        &mut self,
        token: usize,
        happened: Happened,
        worker: &mut Worker,
        registry: &Registry,
    ) {
        let slot = token - FIRST_LINK;
        if happened.ended
            && let Some(Some(wire)) = self.wires.get_mut(slot)
        {
            wire.is_ending = true;
        }
        if happened.readable {
            self.list(slot);
        }
        if happened.writable {
            self.flush(slot, worker, registry);
        }
    }

    fn list(&mut self, slot: usize) {
        if let Some(Some(wire)) = self.wires.get_mut(slot)
            && !wire.listed
        {
            wire.listed = true;
            self.readable.push(slot);
        }
    }

    /// Whether some link has more than the last turn took, or gave.
    pub(crate) fn has_more(&self) -> bool {
        !self.readable.is_empty() || !self.unsent.is_empty()
    }

    /// Reads from those who have something, and lets the worker have it.
    pub(crate) fn read_listed(&mut self, worker: &mut Worker, registry: &Registry) {
        for slot in std::mem::take(&mut self.readable) {
            let Some(Some(wire)) = self.wires.get_mut(slot) else { continue };
            wire.listed = false;
            let read = wire.read(&mut self.buffers, TURN_BYTES);
            let now_us = self.shared.mono_us();
            worker.note_clock(now_us);
            if wire.heard.as_ref().is_some_and(|heard| !heard.note(Millis(now_us / 1000))) {
                // Another run of the node is in its place.
                self.close(slot, worker, registry);
                continue;
            }
            match read {
                Ok(has_more) => {
                    let is_whole = self.take_frames(slot, worker);
                    if !is_whole {
                        self.close(slot, worker, registry);
                    } else if has_more {
                        self.list(slot);
                    }
                }
                Err(_) => {
                    // What came before the end counts.
                    self.take_frames(slot, worker);
                    self.close(slot, worker, registry);
                }
            }
        }
    }

    /// Gives whole frames to the worker; false if the peer breaks the rules.
    fn take_frames(&mut self, slot: usize, worker: &mut Worker) -> bool {
        let Some(Some(wire)) = self.wires.get_mut(slot) else { return true };
        // One that we made brings nothing.
        if wire.is_outgoing {
            return wire.incoming.len() == 0;
        }
        let (peer, has_spoken) = (wire.peer, &mut wire.has_spoken);
        wire.incoming.take_frames(|frame| {
            *has_spoken = true;
            worker.peer_frame(peer, frame);
        })
    }

    // ---- the end of a link --------------------------------------------------------------------------------

    fn close(&mut self, slot: usize, worker: &mut Worker, registry: &Registry) {
        let Some(wire) = self.wires.get_mut(slot).and_then(Option::take) else { return };
        // Fails only for a socket that is not registered; it is dropped either way.
        let _ = registry.deregister(lock(&wire.line).stream.socket());
        let lost = match (wire.is_outgoing, wire.has_spoken) {
            (true, _) => Lost::Out(wire.peer),
            (false, true) => Lost::In(wire.peer, wire.run),
            (false, false) => Lost::Unused,
        };
        match lost {
            Lost::Out(node) => {
                worker.peer_down(node);
                if let Some(way) = cluster::replica_id(node).and_then(|id| self.ways.get_mut(&id)) {
                    way.wire = None;
                    way.next_dial = Millis(self.shared.mono_us() / 1000 + way.retry_ms);
                }
            }
            // Answers may have been lost on the way to any worker.
            Lost::In(node, run) => self.shared.send_all(|| Item::AnswersLost(node, run)),
            Lost::Unused => {}
        }
    }
}

impl Wire {
    /// Reads up to about `limit` bytes; whether there may be more. The end of the link is an error.
    fn read(&mut self, [plain, sealed]: &mut [Box<[u8]>; 2], limit: usize) -> io::Result<bool> {
        let before = self.incoming.len();
        let mut line = lock(&self.line);
        while self.incoming.len() - before < limit {
            match line.stream.read(plain, sealed) {
                Ok((0, _)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((count, has_more)) => {
                    self.incoming.push(&plain[..count]);
                    if !has_more && !self.is_ending {
                        return Ok(false);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}
