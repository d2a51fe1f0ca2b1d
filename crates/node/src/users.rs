//! The users of the node's clients: the fabric's list as each worker uses it, and changes of it.
//!
//! The list is in the fabric's state; a node that is on its own for good keeps one for itself, in records of its log. Each
//! worker has all users at hand with their rights worked out, and takes up a new list between requests: who was changed
//! has his new rights with the next one, who is gone is shown out.
//!
//! A change is made by the first worker, from the list as it knows it, and agreed on only if that is still the list; else
//! it is made again. So two changes at once on two nodes both hold. The client is answered when this node has seen the
//! change.
//!
//! Until a list is agreed on there are the users of the configuration, and `default` as `requirepass` says, or, on a node
//! that has none, the cluster's password ([`shared_password`](crate::shared_password)).

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Millis, WorkerId};
use cluster::{Definition, UserChange};
use command::ChannelName;

use crate::acl::file::{self, Line};
use crate::acl::password::{Password, Verified};
use crate::acl::{Known, Strictness, User};
use crate::acl_log::AclLog;
use crate::entry::write_users;
use crate::gather::Question;
use crate::message::Message;
use crate::meta::Asker;
use crate::output::Ticket;
use crate::password_jobs::Jobs;
use crate::pubsub::ChannelKind;
use crate::session::{Peer, Session, SessionRef, Stall, gate};
use crate::worker::Worker;

/// The name of the user that everybody is who did not say who he is.
pub(crate) const DEFAULT: &[u8] = b"default";

/// How long a change may take.
const PATIENCE_MS: u64 = 8000;

/// What start-up knows of users.
#[derive(Clone, Default)]
pub struct StartUsers {
    /// The list of a node that is on its own for good, as its log has it.
    pub own: cluster::Users,
    /// Those of the configuration, name and definition: they count until a list is agreed on.
    pub configured: Vec<file::Definition>,
}

/// A user with its rights worked out, and what they were worked out of.
struct Entry {
    definition: Box<[u8]>,
    user: Arc<User>,
}

/// See the module.
pub(crate) struct Users {
    pub(crate) own: cluster::Users,
    configured: Vec<file::Definition>,
    by_name: BTreeMap<Box<[u8]>, Entry>,
    pub(crate) default: Arc<User>,
    /// Someone has a password, so there is something to guess.
    pub(crate) has_passwords: bool,
    pub(crate) verified: Verified,
    pub(crate) jobs: Jobs,
    /// Steady clock: when the configured users are to be agreed on, if they are not.
    next_try: Millis,
    /// Changes that were not looked at yet; on the first worker.
    wishes: Vec<Wish>,
    /// Changes whose outcome is known and was not seen here yet; on the first worker.
    unseen: Vec<(Pending, Seen)>,
    pub(crate) log: AclLog,
}

impl Users {
    pub(crate) fn new(start: StartUsers) -> Users {
        Users {
            own: start.own,
            configured: start.configured,
            by_name: BTreeMap::new(),
            default: Arc::new(User::unrestricted(DEFAULT)),
            has_passwords: false,
            verified: Verified::default(),
            jobs: Jobs::default(),
            next_try: Millis::default(),
            wishes: Vec::new(),
            unseen: Vec::new(),
            log: AclLog::default(),
        }
    }

    /// A user by name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<&Arc<User>> {
        match name == DEFAULT {
            true => Some(&self.default),
            false => self.by_name.get(name).map(|entry| &entry.user),
        }
    }

    /// Whether a user is in the list, and not only implied.
    pub(crate) fn is_listed(&self, name: &[u8]) -> bool {
        self.by_name.contains_key(name)
    }

    /// Whether the configuration says what `default` is.
    pub(crate) fn has_configured_default(&self) -> bool {
        self.configured.iter().any(|(name, _)| name == DEFAULT)
    }

    /// All users by name.
    pub(crate) fn all(&self) -> Vec<Arc<User>> {
        let mut all: Vec<Arc<User>> = self.by_name.values().map(|entry| Arc::clone(&entry.user)).collect();
        if !self.by_name.contains_key(DEFAULT) {
            all.push(Arc::clone(&self.default));
            all.sort_by(|a, b| a.name().cmp(b.name()));
        }
        all
    }

    /// A salted hash of anybody's, to be as slow for a user that does not exist.
    pub(crate) fn some_salted(&self) -> Option<Password> {
        let all = self.by_name.values().map(|entry| &*entry.user).chain([&*self.default]);
        all.flat_map(|user| user.passwords()).find(|password| password.is_salted()).cloned()
    }

    pub(crate) fn log_again(&self, frame: &mut Vec<u8>) {
        if self.own.version() > 0 {
            write_users(frame, &self.own.encode());
        }
    }
}

/// Where the answer to a change goes.
#[derive(Clone, Copy)]
pub(crate) struct WishDest {
    worker: WorkerId,
    at: SessionRef,
    ticket: Ticket,
}

impl WishDest {
    pub(crate) fn new(worker: WorkerId, at: SessionRef, ticket: Ticket) -> WishDest {
        WishDest { worker, at, ticket }
    }
}

/// The answer to a change, for a client of the receiver.
pub struct Changed {
    at: SessionRef,
    ticket: Ticket,
    reply: Box<[u8]>,
}

/// A change of users that somebody wants.
pub struct Wish {
    /// Nobody waits for what the node thought of.
    pub(crate) dest: Option<WishDest>,
    pub(crate) what: WishedUsers,
    /// Settings of this node that go with it: changed once it is agreed on, and not if it is refused.
    pub(crate) settings: Vec<(Vec<u8>, Vec<u8>)>,
}

/// See [`Wish`].
pub(crate) enum WishedUsers {
    /// `ACL SETUSER`.
    Set { name: Vec<u8>, rules: Vec<Vec<u8>>, known: Vec<Known> },
    /// `ACL DELUSER`.
    Delete(Vec<Vec<u8>>),
    /// `ACL LOAD`: these in the place of all.
    Replace { path: String, lines: Vec<Line>, known: Vec<Known> },
    /// The configured ones, if there is no list yet.
    Configured,
}

/// A change under way.
pub(crate) struct Pending {
    wish: Wish,
    reply: Vec<u8>,
    /// The version of the list that it was made for.
    based_on: u64,
    /// Steady clock.
    deadline: Millis,
}

#[cfg(test)]
impl Pending {
    /// One that nobody waits for.
    pub(crate) fn of_nobody() -> Pending {
        let wish = Wish { dest: None, what: WishedUsers::Configured, settings: Vec::new() };
        Pending { wish, reply: Vec::new(), based_on: 0, deadline: Millis::NEVER }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// The reply may go once the list is newer than what the change was made for.
    Answer,
    /// It is made again then.
    Retry,
}

/// What a change makes of the list, and its reply.
type Plan = Result<(Vec<UserChange>, Vec<u8>), String>;

impl Worker {
    // ---- the list -----------------------------------------------------------------------------------------

    /// The list that counts, if one was agreed on.
    pub(crate) fn user_list(&self) -> &cluster::Users {
        if self.fabric.is_on { self.fabric.meta.users() } else { &self.users.own }
    }

    /// Takes up the list as it is now. No session is taken out.
    pub(crate) fn use_users(&mut self) {
        if self.rebuild_users() {
            for token in self.sessions.tokens() {
                let Some(mut session) = self.sessions.take(token) else { continue };
                self.renew_rights(&mut session);
                self.queue_send(&mut session);
                self.sessions.put_back(session);
            }
        }
    }

    /// Works out the rights of users that are new or changed; whether there was any.
    pub(crate) fn rebuild_users(&mut self) -> bool {
        let list = self.user_list().clone();
        let (mut old, mut changed) = (std::mem::take(&mut self.users.by_name), false);
        let configured = std::mem::take(&mut self.users.configured);
        let mut take = |name: &[u8], definition: &[u8]| {
            let entry = match old.remove(name) {
                Some(entry) if *entry.definition == *definition => entry,
                _ => {
                    changed = true;
                    // What cannot be read at all may do nothing.
                    let user = User::stored(name, definition).unwrap_or_else(|_| User::new(name, false));
                    Entry { definition: definition.into(), user: Arc::new(user) }
                }
            };
            self.users.by_name.insert(name.into(), entry);
        };
        match list.version() {
            0 => configured.iter().for_each(|(name, definition)| take(name, definition)),
            _ => list.iter().for_each(|(name, definition)| take(name, definition)),
        }
        changed |= !old.is_empty();
        self.users.configured = configured;
        let default = match self.users.by_name.get(DEFAULT) {
            Some(entry) => Arc::clone(&entry.user),
            None => Arc::new(self.implied_default()),
        };
        if *default != *self.users.default {
            changed = true;
            self.users.default = default;
        }
        if changed {
            let all = self.users.all();
            let passwords = || all.iter().flat_map(|user| user.passwords());
            self.users.has_passwords = passwords().next().is_some();
            self.users.verified.retain(|hash| passwords().any(|known| known == hash));
        }
        changed
    }

    /// The user `default` as long as nobody has said what it is: as the configuration of this node has it. A list that was
    /// agreed on without one must not open a node whose own configuration keeps it closed.
    fn implied_default(&self) -> User {
        let configured = self.users.configured.iter().find(|(name, _)| name == DEFAULT);
        if let Some(user) = configured.and_then(|(name, definition)| User::stored(name, definition).ok()) {
            return user;
        }
        let mut user = User::unrestricted(DEFAULT);
        let secret = self.settings.requirepass.expose().as_bytes();
        let hash = Password::parse(secret).filter(Password::is_salted);
        let own = (!secret.is_empty()).then(|| hash.unwrap_or_else(|| Password::sha256(secret)));
        if let Some(password) = own.or_else(|| self.shared_password()) {
            user.take_password(password);
        }
        user
    }

    /// A client that just connected, or started anew.
    pub(crate) fn be_default(&self, session: &mut Session) {
        // The program that holds this node may do anything anyway.
        if session.peer != Peer::InProcess {
            set_user(session, Arc::clone(&self.users.default));
        } else {
            session.user = None;
            session.set_gate(gate::RESTRICTED, false);
        }
    }

    /// Makes a session what the list now says of its user.
    pub(crate) fn renew_rights(&mut self, session: &mut Session) {
        let Some(before) = &session.user else { return };
        match self.users.find(before.name()) {
            None => self.show_out(session),
            Some(user) if Arc::ptr_eq(user, before) => {}
            Some(user) => {
                set_user(session, Arc::clone(user));
                if !may_go_on_listening(session) {
                    self.show_out(session);
                }
            }
        }
        if session.has_gate(gate::UNAUTHENTICATED) && self.users.default.is_open() {
            session.set_gate(gate::UNAUTHENTICATED, false);
            session.new_limits = Some(self.limits(true));
        }
    }

    /// Closes a connection whose user is gone. Who did that himself is told that it is done.
    fn show_out(&mut self, session: &mut Session) {
        match session.changes_users {
            true => session.closing = true,
            false => self.close_now(session),
        }
    }

    // ---- changes ------------------------------------------------------------------------------------------

    /// Has the users changed for a client, who is answered when that is so.
    pub(crate) fn wish_users(&mut self, session: &mut Session, what: WishedUsers) {
        self.wish_users_and_settings(session, what, Vec::new());
    }

    /// The same, and this node's settings with them.
    pub(crate) fn wish_users_and_settings(
        &mut self,
        session: &mut Session,
        what: WishedUsers,
        settings: Vec<(Vec<u8>, Vec<u8>)>,
    ) {
        let ticket = session.output.open();
        session.stall = Some(Stall::Drain);
        session.changes_users = true;
        let dest = WishDest::new(self.id, session.at, ticket);
        self.pass_on_wish(Wish { dest: Some(dest), what, settings });
    }

    /// The same for nobody.
    pub(crate) fn wish_users_unasked(&mut self, what: WishedUsers) {
        self.pass_on_wish(Wish { dest: None, what, settings: Vec::new() });
    }

    fn pass_on_wish(&mut self, wish: Wish) {
        match self.id {
            WorkerId(0) => self.users.wishes.push(wish),
            _ => self.outbox.messages.push((WorkerId(0), Message::ChangeUsers(wish))),
        }
    }

    /// Another worker's client wants users changed.
    pub(crate) fn take_wish(&mut self, wish: Wish) {
        self.users.wishes.push(wish);
    }

    /// Has the users of the configuration agreed on, if there is no list yet. Called a few times a second.
    pub(crate) fn agree_on_configured_users(&mut self) {
        let now = self.now.mono_millis();
        let is_ready = !self.fabric.is_on || self.fabric.meta.is_founded();
        let is_due =
            self.id == WorkerId(0) && !self.users.configured.is_empty() && now >= self.users.next_try;
        if is_due && is_ready && self.user_list().version() == 0 {
            self.users.next_try = Millis(now.0 + PATIENCE_MS);
            self.wish_users_unasked(WishedUsers::Configured);
        }
    }

    /// Looks at the changes that are wanted. No session is taken out.
    pub(crate) fn settle_users(&mut self) {
        if self.users.wishes.is_empty() {
            return;
        }
        let deadline = Millis(self.now.mono_millis().0 + PATIENCE_MS);
        for wish in std::mem::take(&mut self.users.wishes) {
            self.decide_users(wish, deadline);
        }
    }

    /// Makes a change of the list as it is known here, and has it agreed on.
    fn decide_users(&mut self, wish: Wish, deadline: Millis) {
        let list = match &self.fabric.meta_replica {
            Some(meta) => meta.state.users().clone(),
            None => self.users.own.clone(),
        };
        let (changes, reply) = match self.plan_users(&list, &wish.what) {
            Ok(plan) => plan,
            Err(text) => return self.answer_wish(wish.dest, &error_reply(&text)),
        };
        let is_new = |change: &UserChange| {
            list.get(&change.name) != change.definition.as_ref().map(|definition| &*definition.0)
        };
        let changes: Vec<UserChange> = changes.into_iter().filter(is_new).collect();
        if changes.is_empty() {
            return self.grant_wish(wish, &reply);
        }
        let bytes = bytes_of(&list, &changes);
        if self.logging && !self.has_room(bytes) {
            return self.answer_wish(wish.dest, &error_reply(&self.refusal_text()));
        }
        let based_on = list.version();
        if self.fabric.is_on {
            let pending = Box::new(Pending { wish, reply, based_on, deadline });
            return self.ask_meta(cluster::Command::SetUsers { changes, based_on }, Asker::Users(pending));
        }
        match self.users.own.apply(&changes, based_on) {
            Ok(_) => {
                if self.logging {
                    write_users(&mut self.outbox.frame, &self.users.own.encode());
                    self.turn_bytes += bytes;
                }
                for worker in (1..self.router.workers()).map(WorkerId) {
                    let users = self.users.own.clone();
                    self.outbox.messages.push((worker, Message::Users(users)));
                }
                self.use_users();
                self.grant_wish(wish, &reply);
            }
            Err(refused) => self.answer_wish(wish.dest, &error_reply(&format!("ERR {refused}"))),
        }
    }

    /// The list of a node that is on its own was changed.
    pub(crate) fn take_own_users(&mut self, users: cluster::Users) {
        self.users.own = users;
        self.use_users();
    }

    /// What the fabric made of a change.
    pub(crate) fn users_agreed(&mut self, pending: Pending, result: Result<(), String>) {
        match result {
            Ok(()) => self.users.unseen.push((pending, Seen::Answer)),
            Err(reason) if reason == cluster::USERS_CHANGED => self.users.unseen.push((pending, Seen::Retry)),
            Err(reason) => self.answer_wish(pending.wish.dest, &error_reply(&format!("ERR {reason}"))),
        }
    }

    /// Answers, or makes again, changes that waited for this node to see the list. Whether something is to be agreed
    /// on again.
    pub(crate) fn settle_unseen_users(&mut self) -> bool {
        if self.users.unseen.is_empty() {
            return false;
        }
        let (seen, now) = (self.user_list().version(), self.now.mono_millis());
        let (mut again, mut left) = (false, Vec::new());
        for (pending, what) in std::mem::take(&mut self.users.unseen) {
            match what {
                _ if pending.deadline <= now => {
                    let text = "ERR the fabric did not confirm the change of users in time; look at ACL LIST";
                    self.answer_wish(pending.wish.dest, &error_reply(text));
                }
                _ if seen <= pending.based_on => left.push((pending, what)),
                Seen::Answer => self.grant_wish(pending.wish, &pending.reply),
                Seen::Retry => {
                    again = true;
                    self.decide_users(pending.wish, pending.deadline);
                }
            }
        }
        self.users.unseen.append(&mut left);
        again
    }

    fn plan_users(&self, list: &cluster::Users, what: &WishedUsers) -> Plan {
        // The first change makes a list of what was only configured.
        let mut changes: Vec<UserChange> = match list.version() {
            0 => self.users.configured.iter().map(|(name, definition)| change(name, definition)).collect(),
            _ => Vec::new(),
        };
        let known = |name: &[u8]| {
            let configured = changes.iter().find(|change| *change.name == *name);
            let configured = configured.and_then(|change| change.definition.as_ref());
            list.get(name).or(configured.map(|definition| &*definition.0)).map(<[u8]>::to_vec)
        };
        match what {
            WishedUsers::Configured => {
                if list.version() > 0 {
                    changes.clear();
                }
                Ok((changes, Vec::new()))
            }
            WishedUsers::Set { name, rules, known: passwords } => {
                let mut user = match known(name) {
                    Some(definition) => User::stored(name, &definition)
                        .map_err(|error| format!("ERR what is kept of this user cannot be read: {error}"))?,
                    None if name == DEFAULT => self.implied_default(),
                    None => User::new(name, self.settings.acl_pubsub_default.is_all()),
                };
                self.apply_rules(&mut user, rules, passwords).map_err(|(rule, error)| {
                    let rule = String::from_utf8_lossy(&rules[rule]);
                    format!("ERR Error in ACL SETUSER modifier '{rule}': {error}")
                })?;
                changes.push(change(name, &user.describe()));
                Ok((changes, b"+OK\r\n".to_vec()))
            }
            WishedUsers::Delete(names) => {
                if names.iter().any(|name| name == DEFAULT) {
                    return Err("ERR The 'default' user cannot be removed".to_owned());
                }
                let mut names: Vec<&[u8]> =
                    names.iter().map(Vec::as_slice).filter(|name| known(name).is_some()).collect();
                names.sort_unstable();
                names.dedup();
                let count = names.len();
                changes.retain(|change| !names.contains(&&*change.name));
                changes
                    .extend(names.into_iter().map(|name| UserChange { name: name.into(), definition: None }));
                Ok((changes, format!(":{count}\r\n").into_bytes()))
            }
            WishedUsers::Replace { path, lines, known: passwords } => {
                self.plan_file(list, path, lines, passwords)
            }
        }
    }

    fn plan_file(&self, list: &cluster::Users, path: &str, lines: &[Line], passwords: &[Known]) -> Plan {
        let mut errors = String::new();
        let mut changes = Vec::new();
        for line in lines {
            let mut user = User::new(&line.name, self.settings.acl_pubsub_default.is_all());
            match self.apply_rules(&mut user, &line.rules, passwords) {
                Ok(()) => changes.push(change(&line.name, &user.describe())),
                Err((_, error)) => errors.push_str(&format!("{path}:{}: {error}. ", line.number)),
            }
        }
        if !errors.is_empty() {
            return Err(format!("ERR {errors}{NOT_LOADED}"));
        }
        for (name, _) in list.iter().filter(|(name, _)| !lines.iter().any(|line| line.name == *name)) {
            changes.push(UserChange { name: name.into(), definition: None });
        }
        Ok((changes, b"+OK\r\n".to_vec()))
    }

    fn apply_rules(
        &self,
        user: &mut User,
        rules: &[Vec<u8>],
        known: &[Known],
    ) -> Result<(), (usize, crate::acl::RuleError)> {
        let all_channels = self.settings.acl_pubsub_default.is_all();
        let context = crate::acl::RuleContext { all_channels, strictness: Strictness::Written, known };
        rules
            .iter()
            .enumerate()
            .try_for_each(|(at, rule)| user.set(rule, context).map_err(|error| (at, error)))
    }

    /// The users are what somebody wanted.
    fn grant_wish(&mut self, wish: Wish, reply: &[u8]) {
        if !wish.settings.is_empty() {
            self.have_all_do(Question::Settings(wish.settings));
        }
        self.answer_wish(wish.dest, reply);
    }

    pub(crate) fn answer_wish(&mut self, dest: Option<WishDest>, reply: &[u8]) {
        let Some(WishDest { worker, at, ticket }) = dest else { return };
        let changed = Changed { at, ticket, reply: reply.into() };
        match worker == self.id {
            true => self.users_changed(&changed),
            false => self.outbox.messages.push((worker, Message::UsersChanged(changed))),
        }
    }

    /// The answer to a change that a client of ours wanted.
    pub(crate) fn users_changed(&mut self, changed: &Changed) {
        let Changed { at, ticket, reply } = changed;
        let Some(mut session) = self.sessions.take(at.token) else { return };
        if session.at.conn == at.conn {
            session.changes_users = false;
            // While a transaction is pending, all that is still to come is a part of its reply.
            match &mut session.exec {
                Some(pending) => pending.output.fill(*ticket, reply),
                None => session.output.fill(*ticket, reply),
            }
            self.settle_exec(&mut session);
            self.settle(&mut session);
            self.queue_send(&mut session);
        }
        self.sessions.put_back(session);
    }
}

/// What stands behind the errors of a file.
pub(crate) const NOT_LOADED: &str =
    "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";

/// Makes a session a user's.
pub(crate) fn set_user(session: &mut Session, user: Arc<User>) {
    session.set_gate(gate::RESTRICTED, !user.is_unrestricted());
    session.user = Some(user);
}

/// Whether the session's user may listen to all that the session listens to.
fn may_go_on_listening(session: &Session) -> bool {
    let Some(user) = &session.user else { return true };
    session.subscriptions.all().all(|(kind, name)| {
        let named = match kind {
            ChannelKind::Pattern => ChannelName::Pattern,
            ChannelKind::Plain | ChannelKind::Shard | ChannelKind::Prefix => ChannelName::Literal,
        };
        user.allows_channel(name, named)
    })
}

fn change(name: &[u8], definition: &[u8]) -> UserChange {
    UserChange { name: name.into(), definition: Some(Definition(definition.into())) }
}

/// Bytes that a change takes in the log, about.
fn bytes_of(list: &cluster::Users, changes: &[UserChange]) -> usize {
    let changed = |change: &UserChange| {
        change.name.len() + change.definition.as_ref().map_or(0, |definition| definition.0.len())
    };
    let kept = |(name, definition): (&[u8], &[u8])| name.len() + definition.len() + 8;
    changes.iter().map(changed).sum::<usize>() + list.iter().map(kept).sum::<usize>() + 64
}

pub(crate) fn error_reply(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    resp::Reply::new(&mut out, resp::Version::Resp2).error(text);
    out
}
