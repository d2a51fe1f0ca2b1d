//! This node's replica of the meta group: what the whole fabric agrees on, and what the group's leader does about it.
//!
//! Every node follows the group, some vote in it. Its entries are [`cluster::Command`]s; the state is small, so it
//! travels whole in a snapshot's message and lies whole in the log. It lives on the first worker, which tells the
//! others and the shell of each change. Who hears from no leader of the group asks whom it knows how the fabric is now:
//! the leader may be a node that it has never heard of, and would not listen to.
//!
//! Does not know: keys, how nodes are reached, when a node is to be admitted (the shell asks for that).

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Millis, NodeId, WorkerId};
use bytes::Bytes;
use cluster::{Command, DecodeError, MemberState, Meta};
use raft::{Change, Entry, EntryId, Group, Members, Message as GroupMessage, Payload, Snapshot};

use crate::entry::{META_GROUP, write_entries, write_members, write_meta, write_state};
use crate::errand::Dest;
use crate::fabric::PeerState;
use crate::message::Message;
use crate::operations::Stamp;
use crate::outbox::Control;
use crate::peer_frame::Item;
use crate::users::Pending;
use crate::worker::Worker;

/// How long whoever wants the fabric changed may wait for an answer.
const PATIENCE_MS: u64 = 8000;
/// How often the leader looks whether something is to be done.
const DUTY_MS: u64 = 200;
/// Who has followed no leader of the meta group for so long asks others how the fabric is.
const LOST_MS: u64 = 2000;
/// Silent for so long, a node counts as down and its replicas are made anew elsewhere.
pub(crate) const DOWN_AFTER_MS: u64 = 10_000;
/// Who did not look for so long has heard nobody meanwhile, whoever spoke.
const LOOKED_AWAY_MS: u64 = 2000;
/// How often a change that somebody else overtook is made again in one turn.
const ROUNDS_MAX: usize = 8;

/// Whom to tell what became of a command.
pub(crate) enum Asker {
    /// The shell, by its own number.
    Shell(u64),
    /// A peer, by its number for the call.
    Peer { node: u64, call: u64 },
    /// A client, with the reply it gets if the fabric agrees.
    Client(Dest, Vec<u8>),
    /// Whoever wants users changed; it may have to be thought out again.
    Users(Box<Pending>),
    /// Whoever wants settings of the fabric changed, by the number of the wish.
    Setting(u64),
    /// This node, which tells of its password.
    Password,
    /// Nobody: it is looked at again anyway.
    Nobody,
}

/// What became of the command of an entry, if it holds one: why it was refused, if it was.
type Outcome = (EntryId, Result<(), String>);

struct Asked {
    asker: Asker,
    command: Command,
    /// Steady clock.
    deadline: Millis,
    stage: Stage,
    /// A leader was asked that is gone: it may have decided.
    may_be_done: bool,
}

impl Asked {
    /// What comes twice is done once, for commands say so. But users are thought out by what was; whoever asked does it again.
    fn may_be_repeated(&self) -> bool {
        !matches!(self.asker, Asker::Users(_))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There is no leader to ask.
    Waits,
    /// It is an entry of ours.
    Proposed(EntryId),
    /// The leader there was asked.
    Sent(u64),
    /// It was an entry of ours, and nobody here knows what became of it.
    Lost,
}

/// See the module.
pub(crate) struct MetaReplica {
    pub(crate) group: Group,
    pub(crate) state: Meta,
    applied: EntryId,
    pub(crate) members: Members,
    asked: BTreeMap<u64, Asked>,
    next_call: u64,
    next_duty: Millis,
    /// By peer: since when there is no way to it. All replicas keep it, so that a new leader does not begin anew.
    silent_since: BTreeMap<u64, Millis>,
    /// When it was looked at last.
    looked: Millis,
    /// Steady clock: when this replica heard last of a leader that it follows, or asked others instead.
    followed: Millis,
    has_changed: bool,
}

impl MetaReplica {
    /// A replica as start-up found it, or that of a newcomer.
    pub(crate) fn new(group: Group, state: Meta, applied: EntryId, members: Members) -> MetaReplica {
        MetaReplica {
            group,
            state,
            applied,
            members,
            asked: BTreeMap::new(),
            next_call: 0,
            next_duty: Millis::default(),
            silent_since: BTreeMap::new(),
            looked: Millis::default(),
            followed: Millis::default(),
            has_changed: true,
        }
    }

    /// Where numbers of calls begin.
    pub(crate) fn number_calls_from(&mut self, number: u64) {
        self.next_call += number;
    }

    /// What makes the fabric, to be proposed as soon as this replica leads.
    pub(crate) fn found_with(&mut self, command: Command) {
        let (asker, deadline, stage) = (Asker::Nobody, Millis::NEVER, Stage::Waits);
        self.asked.insert(self.next_call, Asked { asker, command, deadline, stage, may_be_done: false });
        self.next_call += 1;
    }

    /// The state for the log, so that what is before it may be cut.
    pub(crate) fn log_again(&self, frame: &mut Vec<u8>) {
        write_meta(frame, self.applied, &self.members, &self.state.encode());
        write_entries(frame, META_GROUP, &self.group.unapplied());
        let hard = self.group.hard_state();
        write_state(frame, META_GROUP, hard.term, hard.vote, hard.commit);
    }

    /// A leader's snapshot took the place of all up to `id`: what became of commands of ours among that, nobody here knows.
    /// They are asked again, if they may be.
    fn passed_over(&mut self, id: EntryId) {
        for asked in self.asked.values_mut() {
            if matches!(asked.stage, Stage::Proposed(mine) if mine.is_decided_by(id)) {
                asked.stage = if asked.may_be_repeated() { Stage::Waits } else { Stage::Lost };
                asked.may_be_done = true;
            }
        }
    }

    /// Applies a committed entry.
    fn apply(&mut self, entry: &Entry) -> Result<Outcome, DecodeError> {
        self.applied = entry.id;
        let Payload::Data(data) = &entry.payload else { return Ok((entry.id, Ok(()))) };
        let (stamp, body) = Stamp::decode(data).ok_or(DecodeError::Short)?;
        if stamp.operations == 0 {
            return Ok((entry.id, Ok(())));
        }
        let applied = self.state.apply(&Command::decode(&body)?, stamp.time);
        self.has_changed |= applied.is_ok();
        Ok((entry.id, applied.map(drop).map_err(|refused| refused.to_string())))
    }
}

impl Worker {
    /// Asks the meta group for a change of the fabric; what becomes of it is told to `asker`.
    pub(crate) fn ask_meta(&mut self, command: Command, asker: Asker) {
        let deadline = Millis(self.now.mono_millis().0 + PATIENCE_MS);
        let Some(meta) = &mut self.fabric.meta_replica else { return };
        let call = meta.next_call;
        meta.next_call += 1;
        meta.asked.insert(call, Asked { asker, command, deadline, stage: Stage::Waits, may_be_done: false });
        self.pursue(call);
    }

    /// The same for the shell; the answer comes as [`Control::Agreed`].
    pub fn ask_fabric(&mut self, number: u64, command: Command) {
        self.ask_meta(command, Asker::Shell(number));
    }

    /// Proposes a command, or sends it to who can.
    fn pursue(&mut self, call: u64) {
        let time = self.now.millis();
        let fabric = &mut *self.fabric;
        let Some(meta) = &mut fabric.meta_replica else { return };
        let Some(asked) = meta.asked.get_mut(&call) else { return };
        if asked.stage != Stage::Waits {
            return;
        }
        let body = asked.command.encode();
        if meta.group.is_leader() {
            // Tokens have deadlines, too.
            if !fabric.knows_time {
                return;
            }
            let stamp = Stamp { time, seed: 0, operations: 1 };
            if let Ok(id) = meta.group.propose(stamp.encode(&body)) {
                asked.stage = Stage::Proposed(id);
            }
        } else if let Some(leader) =
            meta.group.leader().filter(|l| fabric.peers.get(l).is_some_and(|p| p.is_heard(fabric.now)))
            && !matches!(asked.asker, Asker::Peer { .. })
        {
            asked.stage = Stage::Sent(leader);
            let item = Item::Meta { call, command: &body };
            fabric.tell(leader, &item);
        }
    }

    /// A peer takes us for the leader of the meta group.
    pub(crate) fn meta_asked(&mut self, from: u64, call: u64, command: &[u8]) {
        match Command::decode(command) {
            Ok(command) => self.ask_meta(command, Asker::Peer { node: from, call }),
            Err(error) => {
                let text = error.to_string();
                self.fabric.tell(from, &Item::MetaReply { call, refusal: text.as_bytes() });
            }
        }
    }

    /// The leader says what became of a command of ours. One that was asked before, and was lost, may answer late: then another
    /// is asked by now, or will be.
    pub(crate) fn meta_answered(&mut self, from: u64, call: u64, refusal: &[u8]) {
        let Some(meta) = &mut self.fabric.meta_replica else { return };
        if !meta.asked.get(&call).is_some_and(|asked| asked.stage == Stage::Sent(from)) {
            return;
        }
        let Some(asked) = meta.asked.remove(&call) else { return };
        let result = match refusal {
            b"" => Ok(()),
            text => Err(String::from_utf8_lossy(text).into_owned()),
        };
        self.tell_asker(asked.asker, result);
    }

    fn tell_asker(&mut self, asker: Asker, result: Result<(), String>) {
        match asker {
            Asker::Shell(number) => self.outbox.control.push(Control::Agreed { number, result }),
            Asker::Peer { node, call } => {
                let refusal = result.err().unwrap_or_default();
                self.fabric.tell(node, &Item::MetaReply { call, refusal: refusal.as_bytes() });
            }
            Asker::Client(dest, reply) => match result {
                Ok(()) => self.fabric.answers.push(dest, &reply),
                Err(reason) => self.fabric.answers.push(dest, format!("-ERR {reason}\r\n").as_bytes()),
            },
            Asker::Users(pending) => self.users_agreed(*pending, result),
            Asker::Setting(number) => self.setting_agreed(number, result),
            Asker::Password => self.password_agreed(result.is_ok()),
            Asker::Nobody => {}
        }
    }

    pub(crate) fn take_meta_message(&mut self, message: GroupMessage) {
        let Some(meta) = &mut self.fabric.meta_replica else { return };
        if meta.group.step(message).is_err() {
            self.stats.refused_peer_messages += 1;
        }
    }

    /// A step of time of the meta group.
    pub(crate) fn tick_meta(&mut self) {
        let now = self.now.mono_millis();
        let must_not_stand = self.fabric.is_held(META_GROUP) || self.fabric.is_ending();
        let Some(meta) = &mut self.fabric.meta_replica else { return };
        // As of other groups, see `tick_fabric`.
        if !must_not_stand || meta.group.is_leader() {
            meta.group.tick();
        }
        // A leader that is gone answers nothing; who leads next is asked.
        let leader = meta.group.leader();
        let peers = &self.fabric.peers;
        let is_lost = |to: u64| leader != Some(to) || !peers.get(&to).is_some_and(|peer| peer.is_heard(now));
        for asked in meta.asked.values_mut() {
            if asked.may_be_repeated() && matches!(asked.stage, Stage::Sent(to) if is_lost(to)) {
                (asked.stage, asked.may_be_done) = (Stage::Waits, true);
            }
        }
        let late: Vec<u64> =
            meta.asked.iter().filter(|(_, a)| a.deadline <= now).map(|(&call, _)| call).collect();
        let waiting: Vec<u64> =
            meta.asked.iter().filter(|(_, a)| a.stage == Stage::Waits).map(|(&c, _)| c).collect();
        for call in late {
            let asked = self.fabric.meta_replica.as_mut().and_then(|meta| meta.asked.remove(&call));
            let Some(asked) = asked else { continue };
            let text = match asked.stage {
                Stage::Waits if !asked.may_be_done => {
                    "the fabric has no quorum to decide on it, nothing was changed; try again"
                }
                Stage::Waits | Stage::Proposed(_) | Stage::Sent(_) | Stage::Lost => {
                    "the fabric did not confirm it in time; look at `narf cluster members` before trying again"
                }
            };
            self.tell_asker(asked.asker, Err(text.to_owned()));
        }
        waiting.into_iter().for_each(|call| self.pursue(call));
        self.ask_how_it_is(now);
        self.do_duties(now);
    }

    /// Does the work of the meta group at the end of a turn, and tells of changes.
    pub(crate) fn settle_meta(&mut self) {
        for _ in 0..ROUNDS_MAX {
            while self.drive_meta() {}
            self.tell_of_meta();
            self.settle_shared_settings();
            if !self.settle_unseen_users() {
                break;
            }
        }
    }

    fn tell_of_meta(&mut self) {
        // Who waits for an answer hears it first: who is removed is not spoken to any more.
        if !self.fabric.late_decisions.is_empty() {
            return;
        }
        let Some(meta) = self.fabric.meta_replica.as_mut() else { return };
        // What others said of the fabric may be newer than what this replica has got to.
        let is_news = meta.state.is_founded() && meta.state.version() >= self.fabric.meta.version();
        if std::mem::take(&mut meta.has_changed) && is_news {
            let state = Arc::new(meta.state.clone());
            self.tell_fabric(state);
        }
    }

    /// All of this node are told how the fabric is.
    fn tell_fabric(&mut self, state: Arc<Meta>) {
        for worker in (0..self.router.workers()).map(WorkerId).filter(|worker| *worker != self.id) {
            self.outbox.messages.push((worker, Message::Meta(Arc::clone(&state))));
        }
        self.outbox.control.push(Control::FabricChanged(Arc::clone(&state)));
        self.use_meta(state);
    }

    /// Whether the meta group counts on this node's vote, and others could not do without it.
    pub(crate) fn votes_in_meta(&self) -> bool {
        let me = self.fabric.me;
        self.fabric.meta_replica.as_ref().is_some_and(|meta| {
            let members = &meta.members;
            members.voters != [me] && (members.voters.contains(&me) || members.voters_outgoing.contains(&me))
        })
    }

    /// Whether this node's replica leads the meta group.
    pub fn leads_meta(&self) -> bool {
        self.fabric.meta_replica.as_ref().is_some_and(|meta| meta.group.is_leader())
    }

    /// Whether this node's replica knows that the meta group has the members that the fabric wants it to have.
    pub fn knows_meta_settled(&self) -> bool {
        self.fabric.meta_replica.as_ref().is_some_and(|meta| {
            let ids = |nodes: Vec<NodeId>| {
                let mut ids: Vec<u64> = nodes.into_iter().filter_map(cluster::replica_id).collect();
                ids.sort_unstable();
                ids
            };
            let sorted = |ids: &[u64]| {
                let mut ids = ids.to_vec();
                ids.sort_unstable();
                ids
            };
            !meta.members.is_joint()
                && sorted(&meta.members.voters) == ids(meta.state.meta_voters())
                && sorted(&meta.members.learners) == ids(meta.state.meta_learners())
        })
    }

    // ---- hearsay --------------------------------------------------------------------------------------------

    /// Asks everybody how the fabric is, if no leader of the meta group was heard of for long.
    fn ask_how_it_is(&mut self, now: Millis) {
        let version = self.fabric.meta.version();
        let follows = self.follows_in_meta();
        let Some(meta) = &mut self.fabric.meta_replica else { return };
        if follows || meta.followed == Millis::default() {
            meta.followed = now;
        }
        if now.since(meta.followed) >= LOST_MS {
            meta.followed = now;
            self.fabric.tell_all(&Item::AskFabric { version });
        }
    }

    /// Whether a leader of the meta group is heard of. Who does not vote follows one for ever that it cannot hear, perhaps
    /// because it does not know yet that it is a member.
    fn follows_in_meta(&self) -> bool {
        let leader = self.fabric.meta_replica.as_ref().and_then(|meta| meta.group.leader());
        leader.is_some_and(|leader| leader == self.fabric.me || self.fabric.is_heard(leader))
    }

    /// A node asks how the fabric is, of which it knows this version.
    pub(crate) fn asked_how_it_is(&mut self, from: u64, version: u64) {
        let Some(meta) = &self.fabric.meta_replica else { return };
        if meta.state.version() > version {
            let state = meta.state.encode();
            self.fabric.tell(from, &Item::FabricState { state: &state });
        }
    }

    /// A node says how the fabric is. It is used to find the others by; what was decided comes from the meta group.
    pub(crate) fn told_how_it_is(&mut self, state: &[u8]) {
        let follows = self.follows_in_meta();
        if self.fabric.meta_replica.is_none() {
            return;
        }
        let Ok(state) = Meta::decode(state) else {
            self.stats.malformed_peer_frames += 1;
            return;
        };
        let known = &self.fabric.meta;
        let is_ours = (state.cluster(), state.partitions()) == (known.cluster(), known.partitions());
        if is_ours && state.version() > known.version() && !follows {
            self.tell_fabric(Arc::new(state));
        }
    }

    fn drive_meta(&mut self) -> bool {
        let (logging, mono_us) = (self.logging, self.now.mono_us);
        let fabric = &mut *self.fabric;
        let Some(mut meta) = fabric.meta_replica.take() else { return false };
        let Some(mut ready) = meta.group.ready() else {
            offer_wished(&mut meta);
            let more = meta.group.has_ready();
            fabric.meta_replica = Some(meta);
            return more;
        };
        // Rare, and of all nodes: it is never in doubt, so all of it is synced before it is told.
        let is_news = !ready.entries.is_empty() || ready.snapshot.is_some() || ready.members.is_some();
        let mut must_sync = logging && (ready.must_sync || is_news);
        match must_sync {
            true if ready.must_sync || ready.members.is_some() || ready.snapshot.is_some() => {
                fabric.hold(META_GROUP)
            }
            true => fabric.hold_entries(META_GROUP),
            false => {}
        }
        // Others are sent an entry only once it is on this disk, so that what they confirm is there.
        let is_alone = meta.members.voters == [meta.group.node()];
        let (mut frame, mut sent_to, mut unknown) = (Vec::new(), Vec::new(), None);
        for message in std::mem::take(&mut ready.messages) {
            sent_to.extend(message.snapshot().map(|_| message.to()));
            fabric.post(META_GROUP, mono_us, &message);
        }
        if let Some(snapshot) = ready.snapshot.take() {
            match Meta::decode(&snapshot.data) {
                Ok(state) => (meta.state, meta.has_changed) = (state, true),
                Err(error) => unknown = Some(error),
            }
            meta.applied = snapshot.id;
            meta.members = snapshot.members;
            meta.passed_over(snapshot.id);
            write_meta(&mut frame, meta.applied, &meta.members, &meta.state.encode());
        }
        write_entries(&mut frame, META_GROUP, &ready.entries);
        if let Some(hard) = ready.hard_state {
            write_state(&mut frame, META_GROUP, hard.term, hard.vote, hard.commit);
        }
        for message in std::mem::take(&mut ready.messages_after) {
            fabric.post(META_GROUP, mono_us, &message);
        }
        let mut done = Vec::new();
        let mut take = |meta: &mut MetaReplica, committed: Vec<Entry>, members: Option<Members>| {
            let changed_at = committed.iter().rev().find(|entry| matches!(entry.payload, Payload::Change(_)));
            if let (Some(members), Some(entry)) = (&members, changed_at) {
                write_members(&mut frame, META_GROUP, entry.id.index, members);
            }
            if !committed.is_empty() {
                // What is decided is logged here, unlike in other groups: a node that begins anew, alone, must not take for
                // a user who is none any more.
                let hard = meta.group.hard_state();
                write_state(&mut frame, META_GROUP, hard.term, hard.vote, hard.commit);
            }
            for entry in &committed {
                match meta.apply(entry) {
                    Ok(outcome) => done.push(outcome),
                    Err(error) => unknown = Some(error),
                }
            }
            meta.members = members.unwrap_or(std::mem::take(&mut meta.members));
        };
        let (committed, members) = (std::mem::take(&mut ready.committed), ready.members.take());
        take(&mut meta, committed, members);
        let advanced = meta.group.advance(ready);
        if logging && advanced.members.is_some() {
            must_sync = true;
            fabric.hold(META_GROUP);
        }
        for message in &advanced.messages {
            sent_to.extend(message.snapshot().map(|_| message.to()));
            fabric.post(META_GROUP, mono_us, message);
        }
        // Each peer gets a state of its own time: in an older one, who joined since is not a member.
        sent_to.into_iter().for_each(|peer| meta.group.report_snapshot(peer, true));
        take(&mut meta, advanced.committed, advanced.members);
        offer_wished(&mut meta);
        fabric.meta_replica = Some(meta);
        if logging {
            self.outbox.frame.extend_from_slice(&frame);
            self.outbox.sync |= must_sync;
        }
        for (id, result) in done {
            match is_alone && must_sync {
                true => self.conclude_late(id, result),
                false => self.conclude(id, result),
            }
        }
        if let Some(error) = unknown {
            let text =
                format!("the fabric's state cannot be followed: {error}; use the version of the other nodes");
            self.outbox.control.push(Control::Fail(text));
        }
        true
    }

    /// A lone voter has decided: whoever asked hears of it once that is on stable storage.
    fn conclude_late(&mut self, id: EntryId, result: Result<(), String>) {
        let Some(meta) = self.fabric.meta_replica.as_mut() else { return };
        let is_it = |(_, asked): &(&u64, &Asked)| asked.stage == Stage::Proposed(id);
        let call = meta.asked.iter().find(is_it).map(|(call, _)| *call);
        if let Some(asked) = call.and_then(|call| meta.asked.remove(&call)) {
            self.fabric.late_decisions.push((u64::MAX, asked.asker, result));
        }
    }

    /// The log is on stable storage up to `position`: who waits for what was decided alone is told.
    pub(crate) fn tell_decided(&mut self, position: u64) {
        let ripe: Vec<_> = self.fabric.late_decisions.extract_if(.., |(at, ..)| *at <= position).collect();
        for (_, asker, result) in ripe {
            self.tell_asker(asker, result);
        }
    }

    /// The entry `id` was applied: whoever asked for it hears of it, and who lost his place to it asks again.
    fn conclude(&mut self, id: EntryId, result: Result<(), String>) {
        let Some(meta) = self.fabric.meta_replica.as_mut() else { return };
        let mut answered = None;
        for (&call, asked) in &mut meta.asked {
            match asked.stage {
                Stage::Proposed(mine) if mine == id => answered = Some(call),
                Stage::Proposed(mine) if mine.is_decided_by(id) => asked.stage = Stage::Waits,
                _ => {}
            }
        }
        if let Some(asked) = answered.and_then(|call| meta.asked.remove(&call)) {
            self.tell_asker(asked.asker, result);
        }
    }

    /// The fabric's state as all workers use it from now on.
    pub(crate) fn use_meta(&mut self, state: Arc<Meta>) {
        let me = self.fabric.me;
        for member in state.live_members().filter(|member| member.replica_id() != me) {
            self.fabric.peers.entry(member.replica_id()).or_default();
        }
        self.fabric.witnesses = state.witnesses().map(cluster::Member::replica_id).collect();
        let is_alone = state.live_members().all(|member| member.replica_id() == me);
        self.fabric.is_spread |= !is_alone;
        self.follow_level(&state);
        self.fabric.meta = state;
        self.fabric.forget_owed_to_removed();
        self.use_shared_settings();
        // Before anybody can join who was just founded.
        self.agree_on_password();
        self.use_users();
        self.reconcile();
    }

    /// What the leader of the meta group sees to: who follows the group, who is down, where data is to be.
    fn do_duties(&mut self, now: Millis) {
        let me = self.fabric.me;
        let Some(meta) = self.fabric.meta_replica.as_mut() else { return };
        if now < meta.next_duty {
            return;
        }
        meta.next_duty = Millis(now.0 + DUTY_MS);
        note_silent(meta, &self.fabric.peers, me, now);
        if !meta.group.is_leader() || !meta.state.is_founded() {
            // Who is let in says itself when it is there.
            let joins = meta.state.member_of_replica(me).filter(|m| m.state == MemberState::Joining);
            if let Some(node) = joins.map(|member| member.node).filter(|_| meta.asked.is_empty()) {
                self.ask_meta(Command::SetState { node, state: MemberState::Up }, Asker::Nobody);
            }
            return;
        }
        if self.fabric.ending.is_some() {
            // Whoever leads next sees to it.
            return;
        }
        if let Some(heir) = heir(meta) {
            // Refused while another change is under way: it is looked at again.
            let _ = meta.group.transfer_to(heir);
        } else if let Some(changes) = wanted_changes(meta) {
            // Refused while another change is under way: it is looked at again.
            let _ = meta.group.propose_change(&changes);
        }
        if !meta.asked.values().any(|asked| matches!(asked.asker, Asker::Nobody))
            && let Some(command) = self.next_duty(now)
        {
            self.ask_meta(command, Asker::Nobody);
        }
    }

    fn next_duty(&mut self, now: Millis) -> Option<Command> {
        let fabric = &mut *self.fabric;
        let meta = fabric.meta_replica.as_mut()?;
        let me = fabric.me;
        let mut live = 0;
        let mut silent: Vec<NodeId> = Vec::new();
        // Who was let in and never came.
        let mut missing = None;
        for member in meta.state.live_members() {
            let joins = member.state == MemberState::Joining;
            live += usize::from(!joins);
            let id = member.replica_id();
            match meta.silent_since.get(&id) {
                Some(since) if now.since(*since) >= DOWN_AFTER_MS => match joins {
                    true => missing = Some(member.node),
                    false => silent.push(member.node),
                },
                Some(_) => {}
                None if member.state == MemberState::Down
                    || member.state == MemberState::Joining && id == me =>
                {
                    return Some(Command::SetState { node: member.node, state: MemberState::Up });
                }
                None => {}
            }
        }
        // Never more than a minority: it may be us who are cut off.
        let is_up = |node: &&NodeId| meta.state.member(**node).is_some_and(|m| m.state == MemberState::Up);
        let lost = silent.iter().find(is_up).copied().filter(|_| silent.len() * 2 < live);
        // Nothing is placed while somebody joins: the data of others would wait for it for ever.
        if let Some(node) = lost.or(missing) {
            return Some(Command::SetState { node, state: MemberState::Down });
        }
        cluster::placement::plan(&meta.state)
    }
}

/// Notes which members are not heard of.
fn note_silent(meta: &mut MetaReplica, peers: &BTreeMap<u64, PeerState>, me: u64, now: Millis) {
    let looked = std::mem::replace(&mut meta.looked, now);
    if now.since(looked) > LOOKED_AWAY_MS {
        meta.silent_since.clear();
    }
    let MetaReplica { state, silent_since, .. } = meta;
    silent_since.retain(|id, _| state.member_of_replica(*id).is_some());
    for id in state.live_members().map(cluster::Member::replica_id) {
        if id == me || peers.get(&id).is_some_and(|peer| peer.is_heard(now)) {
            silent_since.remove(&id);
        } else {
            silent_since.entry(id).or_insert(now);
        }
    }
}

/// Who is to lead the meta group instead of this node, which is not to vote in it any more. Who leads cannot let itself go:
/// once it has gone, nobody tells the others that it may.
fn heir(meta: &MetaReplica) -> Option<u64> {
    let me = meta.group.node();
    let voters: Vec<u64> = meta.state.meta_voters().into_iter().filter_map(cluster::replica_id).collect();
    if voters.contains(&me) || meta.members.is_joint() {
        return None;
    }
    let last = meta.group.last().index;
    let is_fit = |id: &u64| {
        let progress = meta.group.progress_of(*id);
        meta.members.voters.contains(id) && progress.is_some_and(|p| p.is_active && p.matched == last)
    };
    voters.into_iter().find(is_fit)
}

/// The next change that brings the members of the meta group nearer to what the state wants.
fn wanted_changes(meta: &MetaReplica) -> Option<Vec<Change>> {
    if meta.members.is_joint() {
        return None;
    }
    let ids = |nodes: Vec<NodeId>| nodes.into_iter().filter_map(cluster::replica_id).collect::<Vec<u64>>();
    let (voters, learners) = (ids(meta.state.meta_voters()), ids(meta.state.meta_learners()));
    let all = || voters.iter().chain(&learners);
    if let Some(&id) = all().find(|id| !meta.members.contains(**id)) {
        return Some(vec![Change::AddLearner(id)]);
    }
    let has_come = |id: u64| {
        let last = meta.group.last().index;
        meta.group.progress_of(id).is_some_and(|progress| progress.matched + 16 >= last && progress.is_active)
    };
    let raise = voters.iter().filter(|id| !meta.members.voters.contains(id) && has_come(**id));
    let mut changes: Vec<Change> = raise.map(|id| Change::AddVoter(*id)).collect();
    let missing = voters.iter().any(|id| !meta.members.voters.contains(id) && !has_come(*id));
    let me = meta.group.node();
    let answers =
        |id: &&u64| **id == me || meta.group.progress_of(**id).is_some_and(|progress| progress.is_active);
    // Without those that go, one that is away may be the one that nothing can be decided without.
    let may_shrink = voters.iter().filter(answers).count() * 2 > voters.len();
    if !missing && may_shrink {
        let lower = meta.members.voters.iter().filter(|id| **id != me && !voters.contains(id));
        changes.extend(lower.map(|&id| match learners.contains(&id) {
            true => Change::AddLearner(id),
            false => Change::Remove(id),
        }));
        let gone = meta.members.learners.iter().filter(|id| !all().any(|other| other == *id));
        changes.extend(gone.map(|&id| Change::Remove(id)));
    }
    (!changes.is_empty()).then_some(changes)
}

/// The state is small: a peer that is too far behind gets it at once.
fn offer_wished(meta: &mut MetaReplica) {
    if let Some(wish) = meta.group.take_snapshot_wish()
        && meta.applied.index >= wish.at_least
    {
        let (id, members) = (meta.applied, meta.members.clone());
        let snapshot = Snapshot { id, members, data: Bytes::from(meta.state.encode()) };
        meta.group.offer_snapshot(wish.to, &snapshot);
    }
}

#[cfg(test)]
mod tests {
    use raft::{GroupConfig, Recovered};

    use super::*;

    /// They are thought out by what was before them, so asking again could undo what somebody did meanwhile.
    #[test]
    fn users_that_a_snapshot_has_passed_over_are_not_asked_for_again() {
        let group = Group::recover(GroupConfig::new(1, META_GROUP.0, 1), Recovered::joiner()).unwrap();
        let mut meta = MetaReplica::new(group, Meta::default(), EntryId::default(), Members::default());
        let mine = EntryId { term: 2, index: 5 };
        let stage = Stage::Proposed(mine);
        for (call, asker) in
            [Asker::Users(Box::new(Pending::of_nobody())), Asker::Nobody].into_iter().enumerate()
        {
            let command = Command::SetWeight { node: base::NodeId(1), weight: 50 };
            let asked = Asked { asker, command, deadline: Millis::NEVER, stage, may_be_done: false };
            meta.asked.insert(call as u64, asked);
        }
        let stages = |meta: &MetaReplica| meta.asked.values().map(|asked| asked.stage).collect::<Vec<_>>();
        meta.passed_over(EntryId { term: 2, index: 4 });
        assert!(stages(&meta) == [stage, stage], "not decided yet");
        meta.passed_over(mine);
        assert!(stages(&meta) == [Stage::Lost, Stage::Waits]);
        assert!(
            meta.asked.values().all(|asked| asked.may_be_done),
            "nobody is told that nothing was changed"
        );
    }
}
