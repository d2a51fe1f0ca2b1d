//! Answers to peers to which there is no way.
//!
//! Who comes back may be asked, and may lead, before it has a way to all who reach it, and may ask those who have none to it
//! yet. What such a peer waits for is kept until there is a way, or it is no member any more. Does not know: what is asked and
//! answered.

use cluster::Meta;

use crate::fabric::{Fabric, PeerState};
use crate::peer_frame::Item;

/// Answers that are kept for a peer until there is a way to it.
const OWED_MAX: usize = 1 << 18;

/// What a peer is to be sent to which there is no way.
#[derive(Default)]
pub(crate) struct Owed {
    items: Vec<u8>,
    /// Something had no room, and nothing is kept behind it: what came later must not seem to be all.
    is_cut: bool,
}

impl Owed {
    pub(crate) fn bytes(&self) -> usize {
        self.items.len()
    }
}

impl Fabric {
    #[cold]
    pub(crate) fn owe(&mut self, node: u64, item: &Item<'_>) {
        if !item.is_answer() || removed(&self.meta).any(|gone| gone == node) {
            return;
        }
        let owed = self.owed.entry(node).or_default();
        let before = owed.items.len();
        // One that large is not kept for who may never come back.
        owed.is_cut |= before + bytes_in(item) > OWED_MAX;
        if owed.is_cut {
            return;
        }
        item.encode(&mut owed.items);
        if owed.items.len() > OWED_MAX {
            owed.items.truncate(before);
            owed.is_cut = true;
        }
    }

    /// Who was removed never comes back.
    pub(crate) fn forget_owed_to_removed(&mut self) {
        if !self.owed.is_empty() {
            removed(&self.meta).for_each(|node| drop(self.owed.remove(&node)));
        }
    }

    /// There is a way to a run of a peer. It is sent what it is owed, and told if something may be lost that it waits for:
    /// what was on the last way to the same run.
    pub(crate) fn way_opens(&mut self, node: u64, run: u128) -> &mut PeerState {
        let has_broken = self.peers.get(&node).is_some_and(|peer| peer.run == run);
        let peer = self.peers.entry(node).or_default();
        (peer.is_up, peer.run) = (true, run);
        let owed = self.owed.remove(&node).unwrap_or_default();
        peer.frame.extend_from_slice(&owed.items);
        if has_broken || owed.is_cut {
            Item::Anew.encode(&mut peer.frame);
        }
        peer
    }
}

/// Nodes that were members.
fn removed(meta: &Meta) -> impl Iterator<Item = u64> + '_ {
    meta.members().filter(|member| !member.state.is_live()).map(cluster::Member::replica_id)
}

/// What is long in an answer that may be long, for it is not to be copied to find out.
fn bytes_in(item: &Item<'_>) -> usize {
    match item {
        Item::Reply { reply: bytes, .. } | Item::FabricState { state: bytes } => bytes.len(),
        _ => 0,
    }
}
