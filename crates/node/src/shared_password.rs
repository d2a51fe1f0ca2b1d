//! The password of `default` as long as nobody has changed that user: a node that is configured with one and founds a
//! cluster makes it the cluster's, so that a node which joins without one opens nothing.
//!
//! Kept, as a salted hash, in the fabric's state. A node with a password of its own goes by that. The one that brought the
//! cluster's tells it at each start, so a password is changed as before, in the configuration of each; another that is started with
//! another does not change what the others go by, as long as that one is a member. A node that brings a password to a cluster
//! that has none keeps it to itself, for clients of the others would be shut out by it; but it says so, and `narf cluster
//! check` names who is open. Once there is a `default` in the list of users, that counts and none of this does.

use base::{Millis, NodeId};
use cluster::{Command, Meta};

use crate::acl::password::Password;
use crate::meta::Asker;
use crate::users::DEFAULT;
use crate::worker::Worker;

/// The setting of the fabric that has the hash.
const SHARED: &str = "requirepass";
/// The setting that has the id of the member that brought it.
const BROUGHT_BY: &str = "requirepass.of";
/// The setting that has the id of a member whose password is its own only.
const APART: &str = "requirepass.apart";
/// How long until it is asked for again.
const AGAIN_MS: u64 = 8000;

/// What this node has told the cluster of its password.
#[derive(Default)]
pub(crate) struct SharedPassword {
    /// What `requirepass` was when that was settled.
    settled: Option<String>,
    /// Steady clock.
    next_try: Millis,
}

/// How a node is kept closed, if that is not by a password of its own or the list of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// By the cluster's password.
    Shared,
    /// Not at all, while this other member has a password.
    OpenBeside(String),
    /// By its own password, which is not the cluster's: others may be open.
    Apart,
}

impl Guard {
    /// How node `me` is kept closed; `has_own` if its configuration has a password.
    pub fn of(meta: &Meta, me: NodeId, has_own: bool) -> Option<Guard> {
        let is_settled = meta.users().get(DEFAULT).is_some() || !has_company(meta, me);
        match (has_own, meta.setting(SHARED)) {
            (false, Some(_)) if meta.users().get(DEFAULT).is_none() => Some(Guard::Shared),
            (true, None) if !is_settled => Some(Guard::Apart),
            (false, None) if !is_settled => {
                let other =
                    meta.live_members().find(|member| Some(&*text(member.node)) == meta.setting(APART));
                other.filter(|other| other.node != me).map(|other| Guard::OpenBeside(other.name.clone()))
            }
            _ => None,
        }
    }

    /// What is wrong with that, and what to do.
    pub fn finding(&self) -> Option<String> {
        match self {
            Guard::Shared => None,
            Guard::OpenBeside(other) => Some(format!(
                "this node lets everybody in, and node {other} has a password: whoever comes by way of this one reads and \
                 changes everything; CONFIG SET requirepass, on any node, sets one for all"
            )),
            Guard::Apart => Some(
                "this node has a password and the cluster has none: nodes that are started without one let everybody \
                 in; CONFIG SET requirepass, on any node, sets one for all"
                    .to_owned(),
            ),
        }
    }
}

fn has_company(meta: &Meta, me: NodeId) -> bool {
    meta.live_members().any(|member| member.node != me)
}

fn text(node: NodeId) -> String {
    node.to_string()
}

impl Worker {
    /// The cluster's password as a hash, if it has one: for a node without. One that is the only member goes by its own
    /// configuration at once, and need not wait until the cluster, which it is, has agreed to that.
    pub(crate) fn shared_password(&self) -> Option<Password> {
        let meta = &self.fabric.meta;
        let hash = meta.setting(SHARED).filter(|_| self.fabric.is_on)?;
        let me = meta.member_of_replica(self.fabric.me);
        if me.is_some_and(|me| !has_company(meta, me.node)) {
            return None;
        }
        Password::parse(hash.as_bytes()).filter(Password::is_salted)
    }

    /// See [`Guard`].
    pub(crate) fn guard(&self, meta: &Meta) -> Option<Guard> {
        let me = meta.member_of_replica(self.fabric.me)?.node;
        let has_own = !self.settings.requirepass.is_empty() || self.users.has_configured_default();
        Guard::of(meta, me, has_own)
    }

    /// Tells the cluster of this node's password, once for each that it has. Called a few times a second, and when
    /// the fabric has changed.
    pub(crate) fn agree_on_password(&mut self) {
        let (meta, now) = (&self.fabric.meta, self.now.mono_millis());
        let own = self.settings.requirepass.expose();
        if self.id != base::WorkerId(0) || self.shared_password.settled.as_deref() == Some(own) {
            return;
        }
        let me = meta.member_of_replica(self.fabric.me).filter(|_| self.fabric.is_on);
        let Some(me) = me.map(|member| member.node).filter(|_| now >= self.shared_password.next_try) else {
            return;
        };
        if meta.users().get(DEFAULT).is_some() || self.users.has_configured_default() {
            return;
        }
        let (known, is_alone) = (meta.setting(SHARED), !has_company(meta, me));
        let is_apart = meta.setting(APART) == Some(&*text(me));
        // Whoever starts with another password does not take it from those that others were given.
        let owner = meta.setting(BROUGHT_BY);
        let has_owner =
            meta.live_members().any(|member| owner == Some(&*text(member.node)) && member.node != me);
        let (key, value) = match own.is_empty() {
            // Nobody has it in his configuration any more.
            true if known.is_some() && is_alone => (SHARED, None),
            false
                if known != Some(own) && !(known.is_some() && has_owner) && (known.is_some() || is_alone) =>
            {
                (SHARED, Some(own.to_owned()))
            }
            false if known == Some(own) && owner != Some(&*text(me)) => (BROUGHT_BY, Some(text(me))),
            false if known.is_none() && !is_apart => (APART, Some(text(me))),
            true if is_apart => (APART, None),
            _ => {
                self.shared_password.settled = Some(own.to_owned());
                return;
            }
        };
        self.shared_password.next_try = Millis(now.0 + AGAIN_MS);
        self.ask_meta(Command::Set { key: key.to_owned(), value }, Asker::Password);
    }

    /// The cluster has heard of it, or has not.
    pub(crate) fn password_agreed(&mut self, is_agreed: bool) {
        if is_agreed {
            // There may be more to tell.
            self.shared_password.next_try = Millis::default();
        }
    }
}
