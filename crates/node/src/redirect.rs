//! Clients that want to be sent to the node that leads a key, as Redis Cluster sends them: `CLIENT REDIRECT ON`, and the
//! setting `redirect`.
//!
//! Such a client is answered `-MOVED` where others are served by way of this node, and `-CROSSSLOT` where Redis is as strict,
//! though the keys may lie in one partition. It is answered by the worker that knows who leads, before anything was sent
//! on. Only in database 0: the others have no slots.

use base::{Args, DbIndex, Slot, slot_of};
use command::{Lookup, NodeCommand, Run, Spec};
use resp::Reply;

use crate::errand::ErrandHead;
use crate::session::{Session, gate};
use crate::ways::Speaks;
use crate::wire::WireRequest;
use crate::worker::Worker;

/// What a client is told if another node leads its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Redirect {
    slot: Slot,
    speaks: Speaks,
}

impl Session {
    /// How this client is told that another node leads the key of a request, if it wants to be.
    #[inline]
    pub(crate) fn redirect_for(&self, spec: &Spec, args: Args<'_>) -> Option<Redirect> {
        if !self.has_gate(gate::REDIRECTS) {
            return None;
        }
        self.redirect_from(slots_of(spec, args).next())
    }

    /// The same for a slot.
    pub(crate) fn redirect_from(&self, slot: Option<Slot>) -> Option<Redirect> {
        let slot = slot.filter(|_| self.has_gate(gate::REDIRECTS) && self.db == DbIndex::ZERO)?;
        Some(Redirect { slot, speaks: Speaks::of(self) })
    }
}

/// The slots of a request's keys.
fn slots_of<'a>(spec: &'a Spec, args: Args<'a>) -> impl Iterator<Item = Slot> + 'a {
    spec.keys_of(args).map(move |at| slot_of(args.at(at)))
}

/// The slots of the keys of a transaction's requests.
pub(crate) fn slots_inside(requests: &[WireRequest]) -> impl Iterator<Item = Slot> {
    requests.iter().flat_map(|request| match command::lookup(request.args()) {
        Lookup::Found(spec) => slots_of(spec, request.args()).collect::<Vec<Slot>>(),
        Lookup::UnknownSubcommand(_) | Lookup::Unknown => Vec::new(),
    })
}

fn differ(mut slots: impl Iterator<Item = Slot>) -> bool {
    let first = slots.next();
    slots.any(|slot| Some(slot) != first)
}

impl Worker {
    /// `CLIENT REDIRECT`.
    pub(crate) fn set_redirect(&self, session: &mut Session, word: &[u8], reply: &mut Reply<'_>) {
        match word.to_ascii_lowercase().as_slice() {
            b"on" if !self.fabric.is_on => {
                return reply.error("ERR This instance has cluster support disabled");
            }
            b"on" => session.set_gate(gate::REDIRECTS, true),
            b"off" => session.set_gate(gate::REDIRECTS, false),
            _ => return reply.error("ERR syntax error"),
        }
        reply.ok();
    }

    /// Whether a session is redirected that has not said anything about that.
    pub(crate) fn redirects(&self) -> bool {
        self.settings.redirect && self.fabric.is_on
    }

    /// Whether a request of a client that is redirected has keys of several slots; `EXEC` has those of its transaction.
    pub(crate) fn crosses_slots(&self, session: &Session, spec: &Spec, args: Args<'_>) -> bool {
        if session.db != DbIndex::ZERO {
            return false;
        }
        match (spec.run, &session.transaction) {
            (Run::Node(NodeCommand::Exec), Some(transaction)) => differ(slots_inside(&transaction.requests)),
            _ => differ(slots_of(spec, args)),
        }
    }

    /// Answers an errand whose client wants to go to `leader` itself; whether it does, and can reach it.
    pub(crate) fn redirect(&mut self, head: &ErrandHead, leader: u64) -> bool {
        let Some(Redirect { slot, speaks }) = head.redirect else { return false };
        let member = self.fabric.meta.member_of_replica(leader);
        let Some(member) = member.filter(|member| !member.client_address.is_empty()) else { return false };
        let (host, port) = speaks.way_to(member);
        let text = format!("MOVED {} {host}:{port}", slot.number());
        self.fabric.answers.error(head, &text);
        true
    }
}
