//! TiKV's engine, its draws replaced by seeded ones, its messages checked, its work translated.
//!
//! The order of work is the published contract of the engine's `Ready`, in its synchronous form: what one
//! `Ready` says is persisted before the next is asked for. Changes of members are applied here, at the moment
//! their entry is handed out, which the contract puts between `ready` and `advance`.

use base::Random;
use tikv_raft::eraftpb::{self, EntryType};
use tikv_raft::{Config, LightReady, RawNode, SnapshotStatus, StateRole};

use crate::members::{changes_to_engine, encode_changes};
use crate::tail::Tail;
use crate::{
    Advanced, Change, Entry, EntryId, GroupConfig, HardState, Members, Message, MessageKind, Payload,
    Progress, ProposeError, ReadToken, Ready, Role, Snapshot, SnapshotWish, StepError, Stored,
};

pub(crate) struct Engine {
    raw: RawNode<Tail>,
    node: u64,
    members: Members,
    /// Where they became so: a member that has not come so far may not know yet that it is one.
    members_at: u64,
    random: Random,
    election_ticks: u64,
    is_witness: bool,
    /// The seeded timeout in force; the engine's own draw is overwritten with it after each event.
    timeout: usize,
    /// Between `ready` and `advance` the engine must not be touched.
    is_working: bool,
    /// Term and vote that were given out for logging last.
    voted: (u64, u64),
    /// The commit that was given out for logging last.
    logged_commit: u64,
    /// Members changed by a commit that is not given out for logging yet. It must be, before anything that
    /// follows from the new members: a replica that came back with the members of two changes ago could win an
    /// election among them that the members of today know nothing of.
    owes_commit: bool,
}

impl Engine {
    pub(crate) fn start(
        config: &GroupConfig,
        random: Random,
        hard: HardState,
        members: Members,
        tail: Tail,
        applied: u64,
    ) -> Result<Engine, String> {
        debug_assert!(hard.commit >= applied, "only committed entries are applied");
        let election_ticks = config.election_ticks;
        let settings = Config {
            id: config.node,
            election_tick: usize::from(election_ticks),
            // Of a witness see `draw_timeout`.
            max_election_tick: usize::from(election_ticks) * if config.is_witness { 3 } else { 2 },
            heartbeat_tick: usize::from(config.heartbeat_ticks),
            applied,
            max_size_per_msg: config.message_bytes_max as u64,
            max_inflight_msgs: config.inflight_messages_max,
            check_quorum: true,
            pre_vote: true,
            max_uncommitted_size: config.uncommitted_bytes_max as u64,
            max_committed_size_per_ready: config.uncommitted_bytes_max as u64,
            ..Config::default()
        };
        let silent = slog::Logger::root(slog::Discard, slog::o!());
        let raw = RawNode::new(&settings, tail, &silent).map_err(|error| error.to_string())?;
        let mut engine = Engine {
            raw,
            node: config.node,
            members,
            members_at: applied,
            random,
            election_ticks: u64::from(election_ticks),
            is_witness: config.is_witness,
            timeout: 0,
            is_working: false,
            voted: (hard.term, hard.vote),
            logged_commit: hard.commit,
            owes_commit: false,
        };
        engine.draw_timeout();
        Ok(engine)
    }

    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    pub(crate) fn hard(&self) -> HardState {
        let hard = self.raw.raft.hard_state();
        HardState { term: hard.term, vote: hard.vote, commit: hard.commit }
    }

    pub(crate) fn last(&self) -> EntryId {
        EntryId { term: self.raw.raft.raft_log.last_term(), index: self.raw.raft.raft_log.last_index() }
    }

    pub(crate) fn leader(&self) -> Option<u64> {
        Some(self.raw.raft.leader_id).filter(|&id| id != 0)
    }

    pub(crate) fn role(&self) -> Role {
        match self.raw.raft.state {
            StateRole::Follower => Role::Follower,
            StateRole::PreCandidate => Role::PreCandidate,
            StateRole::Candidate => Role::Candidate,
            StateRole::Leader => Role::Leader,
        }
    }

    pub(crate) fn progress_of(&self, peer: u64) -> Option<Progress> {
        if self.role() != Role::Leader {
            return None;
        }
        self.raw.raft.prs().get(peer).map(|progress| Progress {
            matched: progress.matched,
            is_active: progress.recent_active,
            needs_snapshot: progress.state == tikv_raft::ProgressState::Snapshot,
        })
    }

    pub(crate) fn tail_bytes(&self) -> usize {
        self.raw.store().bytes()
    }

    pub(crate) fn others_stored(&mut self, stored: Stored) {
        let applied = self.raw.raft.raft_log.applied;
        let tail = self.raw.mut_store();
        tail.set_stored(stored);
        tail.trim(applied);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.raw.store().is_full()
    }

    pub(crate) fn kept(&self) -> (EntryId, Vec<Entry>) {
        let (base, entries) = self.raw.store().kept(self.raw.raft.raft_log.applied);
        (base, entries.map(Entry::from_engine).collect())
    }

    pub(crate) fn unapplied(&self) -> Vec<Entry> {
        self.raw.store().after(self.raw.raft.raft_log.applied).map(Entry::from_engine).collect()
    }

    pub(crate) fn pin_tail(&mut self, pinned: bool) {
        self.raw.mut_store().pin(pinned);
    }

    /// Whether the log, the commit and the handing out have all come to the same end under this leader.
    pub(crate) fn is_settled(&self) -> bool {
        let log = &self.raw.raft.raft_log;
        self.role() == Role::Leader
            && !self.has_ready()
            && log.last_index() == log.committed
            && log.applied == log.committed
    }

    pub(crate) fn is_quiet(&self) -> bool {
        let raft = &self.raw.raft;
        let last = raft.raft_log.last_index();
        let has_all = |id: &u64| {
            *id == self.node
                || raft.prs().get(*id).is_some_and(|progress| {
                    progress.matched == last && progress.state == tikv_raft::ProgressState::Replicate
                })
        };
        self.is_settled()
            && raft.lead_transferee.is_none()
            && !self.members.is_joint()
            && self.members.learners.is_empty()
            && self.members.voters.iter().all(has_all)
    }

    // ---- events -------------------------------------------------------------------------------------------

    pub(crate) fn tick(&mut self) {
        self.event(|raw| raw.tick());
    }

    pub(crate) fn forget_leader(&mut self) {
        if self.role() == Role::Follower && self.leader().is_some() {
            let term = self.raw.raft.term;
            self.event(|raw| raw.raft.become_follower(term, tikv_raft::INVALID_ID));
        }
    }

    pub(crate) fn hear_leader(&mut self, leader: u64, term: u64, commit: u64) -> bool {
        let raft = &mut self.raw.raft;
        let follows = raft.state == StateRole::Follower && raft.term == term && raft.leader_id == leader;
        let is_heard = follows && raft.raft_log.committed >= commit;
        if is_heard {
            raft.election_elapsed = 0;
        }
        is_heard
    }

    pub(crate) fn hear_follower(&mut self, peer: u64, commit: u64) {
        if let Some(progress) = self.raw.raft.mut_prs().get_mut(peer) {
            progress.recent_active = true;
            progress.update_committed(commit);
        }
    }

    pub(crate) fn campaign(&mut self) {
        // Refused only for a replica that may not lead, and then it is right that nothing happens.
        let _ = self.event(|raw| raw.campaign());
    }

    pub(crate) fn say_commits_later(&mut self, is_later: bool) {
        self.raw.raft.skip_bcast_commit(is_later);
    }

    pub(crate) fn tell_commit(&mut self) {
        self.event(RawNode::ping);
    }

    pub(crate) fn step(&mut self, message: Message) -> Result<(), StepError> {
        #[cfg(narf_plant)]
        let message = flatter(message);
        self.check(&message)?;
        let from = message.from();
        self.event(|raw| raw.step(message.0)).map_err(|error| match error {
            tikv_raft::Error::StepPeerNotFound => StepError::UnknownPeer { from },
            _ => StepError::Malformed { from, reason: "the engine refused it" },
        })
    }

    pub(crate) fn propose(&mut self, data: Vec<u8>) -> Result<EntryId, ProposeError> {
        self.check_leads()?;
        self.event(|raw| raw.propose(Vec::new(), data)).map_err(|_| ProposeError::Busy)?;
        let raft = &self.raw.raft;
        Ok(EntryId { term: raft.term, index: raft.raft_log.last_index() })
    }

    pub(crate) fn propose_change(&mut self, changes: &[Change]) -> Result<EntryId, ProposeError> {
        self.check_leads()?;
        self.check_change(changes)?;
        // The engine would replace a change that comes too early by an empty entry; it is refused here.
        if self.raw.raft.has_pending_conf() {
            return Err(ProposeError::ChangePending);
        }
        let change = changes_to_engine(changes);
        self.event(|raw| raw.propose_conf_change(encode_changes(changes), change))
            .map_err(|_| ProposeError::Busy)?;
        Ok(self.last())
    }

    pub(crate) fn transfer_to(&mut self, peer: u64) -> Result<(), ProposeError> {
        self.check_leads()?;
        if !self.members.voters.contains(&peer) {
            return Err(ProposeError::BadChange("only a voter can lead"));
        }
        // It would not stand for election, and until that had failed the group would decide nothing.
        let progress = self.raw.raft.prs().get(peer);
        if progress.is_some_and(|progress| progress.committed_index < self.members_at) {
            return Err(ProposeError::Busy);
        }
        self.event(|raw| raw.transfer_leader(peer));
        Ok(())
    }

    pub(crate) fn read_index(&mut self) -> ReadToken {
        let token = ReadToken(self.random.next_u64());
        // The leader tells questions apart by these bytes alone, so they name the asker too.
        let mut context = self.node.to_le_bytes().to_vec();
        context.extend_from_slice(&token.0.to_le_bytes());
        self.event(|raw| raw.read_index(context));
        token
    }

    pub(crate) fn report_unreachable(&mut self, peer: u64) {
        self.event(|raw| raw.report_unreachable(peer));
    }

    pub(crate) fn peer_lost_its_end(&mut self, peer: u64, last: EntryId) {
        if self.role() != Role::Leader {
            return;
        }
        let end = self.last().index;
        let Some(progress) = self.raw.raft.mut_prs().get_mut(peer) else { return };
        progress.become_probe();
        progress.matched = 0;
        progress.next_idx = last.index.min(end) + 1;
        self.event(|raw| raw.raft.send_append(peer));
    }

    pub(crate) fn report_snapshot(&mut self, peer: u64, delivered: bool) {
        let status = if delivered { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
        self.event(|raw| raw.report_snapshot(peer, status));
        // Also if it was not delivered: it may name a state that the peer no longer has, which would be refused for ever.
        self.raw.mut_store().withdraw_offer(peer);
    }

    pub(crate) fn offer_snapshot(&mut self, to: u64, snapshot: &Snapshot) -> bool {
        let is_taken = self.raw.mut_store().offer(to, snapshot.to_engine());
        // At once: else it would wait for the next heartbeat to be answered.
        if is_taken && self.role() == Role::Leader && self.raw.raft.prs().get(to).is_some() {
            self.event(|raw| raw.raft.send_append(to));
        }
        is_taken
    }

    pub(crate) fn take_snapshot_wish(&mut self) -> Option<SnapshotWish> {
        self.raw.mut_store().take_wish()
    }

    // ---- work ---------------------------------------------------------------------------------------------

    pub(crate) fn has_ready(&self) -> bool {
        self.raw.has_ready() || self.owes_commit
    }

    pub(crate) fn ready(&mut self) -> Option<Ready> {
        assert!(!self.is_working, "the last ready is to be advanced first");
        if !self.has_ready() {
            return None;
        }
        let mut raw = self.raw.ready();
        self.is_working = true;

        let snapshot = (!raw.snapshot().is_empty()).then(|| Snapshot::from_engine(raw.snapshot()));
        let mut members = None;
        if let Some(snapshot) = &snapshot {
            (self.members, self.members_at) = (snapshot.members.clone(), snapshot.id.index);
            members = Some(self.members.clone());
        }
        let committed = self.hand_out(raw.take_committed_entries(), &mut members);
        let owes_commit = std::mem::take(&mut self.owes_commit);
        let hard = self.hard();
        let voted = (hard.term, hard.vote);
        // What is committed is heard of again after a restart: for that alone no disk is written to.
        let has_news = !raw.entries().is_empty() && hard.commit > self.logged_commit;
        let is_to_be_logged = voted != self.voted || snapshot.is_some() || owes_commit || has_news;
        let hard_state = is_to_be_logged.then_some(hard);
        self.logged_commit = hard_state.map_or(self.logged_commit, |hard| hard.commit);
        // A voter that forgot that it is not the only one would decide alone.
        let changes = raw.entries().iter().any(|entry| entry.entry_type == EntryType::EntryConfChangeV2);
        // What a sole voter decides, those who are to be voters too must not have before its own disk has.
        let teaches = self.members.voters == [self.node] && !self.members.learners.is_empty();
        let must_sync = std::mem::replace(&mut self.voted, voted) != voted
            || changes
            || teaches && !raw.entries().is_empty();
        Some(Ready {
            messages: to_messages(raw.take_messages()),
            snapshot,
            entries: raw.entries().iter().map(Entry::from_engine).collect(),
            hard_state,
            must_sync,
            messages_after: to_messages(raw.take_persisted_messages()),
            committed,
            members,
            reads: raw.take_read_states().into_iter().filter_map(|read| self.answer(&read)).collect(),
            raw,
        })
    }

    pub(crate) fn advance(&mut self, ready: Ready) -> Advanced {
        assert!(std::mem::take(&mut self.is_working), "only what ready gave is advanced");
        let mut raw = ready.raw;
        let tail = self.raw.mut_store();
        if !raw.snapshot().is_empty() {
            let metadata = raw.snapshot().get_metadata();
            tail.restore(EntryId { term: metadata.term, index: metadata.index });
        }
        tail.append(raw.take_entries());

        let mut light: LightReady = self.raw.advance_append(raw);
        let mut members = None;
        let committed = self.hand_out(light.take_committed_entries(), &mut members);
        self.owes_commit = members.is_some();
        self.event(RawNode::advance_apply);
        let applied = self.raw.raft.raft_log.applied;
        self.raw.mut_store().trim(applied);
        Advanced {
            commit: light.commit_index(),
            messages: to_messages(light.take_messages()),
            committed,
            members,
        }
    }

    // ---- parts --------------------------------------------------------------------------------------------

    /// Runs one event and replaces what the engine drew from entropy in it.
    ///
    /// The engine draws whenever it changes its part. The draw is not visible, its occasions are: a new term,
    /// role or leader. Between two of them the seeded timeout stays, so a replay sees the same ticks.
    fn event<R>(&mut self, act: impl FnOnce(&mut RawNode<Tail>) -> R) -> R {
        assert!(!self.is_working, "the last ready is to be advanced before another event");
        let raft = &self.raw.raft;
        let before = (raft.term, raft.state, raft.leader_id);
        let result = act(&mut self.raw);
        let raft = &self.raw.raft;
        if before != (raft.term, raft.state, raft.leader_id) {
            self.draw_timeout();
        }
        self.raw.raft.set_randomized_election_timeout(self.timeout);
        result
    }

    /// A witness waits for longer than others do: it leads only if none of them can be elected.
    fn draw_timeout(&mut self) {
        let ticks = match self.is_witness {
            false => self.election_ticks + self.random.below(self.election_ticks),
            true => self.election_ticks * 2 + self.random.below(self.election_ticks.div_ceil(2)),
        };
        self.timeout = usize::try_from(ticks).expect("thrice a u16 fits");
        self.raw.raft.set_randomized_election_timeout(self.timeout);
    }

    fn hand_out(&mut self, entries: Vec<eraftpb::Entry>, members: &mut Option<Members>) -> Vec<Entry> {
        let mut out = Vec::with_capacity(entries.len());
        for entry in &entries {
            let entry_out = Entry::from_engine(entry);
            if let Payload::Change(changes) = &entry_out.payload {
                debug_assert_eq!(entry.entry_type, EntryType::EntryConfChangeV2);
                // A change that does not fit is refused alike on every replica: the members stay.
                if let Ok(state) = self.raw.apply_conf_change(&changes_to_engine(changes)) {
                    (self.members, self.members_at) = (Members::from_engine(&state), entry.index);
                    *members = Some(self.members.clone());
                    self.resign_if_removed();
                }
            }
            out.push(entry_out);
        }
        out
    }

    /// A leader that took over while its own removal was under way leads no more once that is done. The engine would keep it,
    /// and panic when entries of its own reach its disk.
    fn resign_if_removed(&mut self) {
        let raft = &mut self.raw.raft;
        if raft.state == StateRole::Leader && raft.prs().get(self.node).is_none() {
            raft.become_follower(raft.term, tikv_raft::INVALID_ID);
            // What it had to say as the leader, which the engine does not expect of a follower; others will say it.
            raft.msgs.clear();
        }
    }

    fn answer(&self, read: &tikv_raft::ReadState) -> Option<(ReadToken, u64)> {
        let (node, token) = read.request_ctx.split_first_chunk::<8>()?;
        let token = ReadToken(u64::from_le_bytes(token.try_into().ok()?));
        (u64::from_le_bytes(*node) == self.node).then_some((token, read.index))
    }

    fn check_leads(&self) -> Result<(), ProposeError> {
        match self.role() {
            Role::Leader => Ok(()),
            Role::Follower | Role::PreCandidate | Role::Candidate => {
                Err(ProposeError::NotLeader { leader: self.leader() })
            }
        }
    }

    fn check_change(&self, changes: &[Change]) -> Result<(), ProposeError> {
        if changes.is_empty() != self.members.is_joint() {
            return Err(ProposeError::BadChange(
                "while joint the only change is to leave that, and only then",
            ));
        }
        let ids = changes.iter().map(|change| match *change {
            Change::AddVoter(id) | Change::AddLearner(id) | Change::Remove(id) => id,
        });
        let mut seen: Vec<u64> = ids.collect();
        seen.sort_unstable();
        if seen.first() == Some(&0) || seen.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(ProposeError::BadChange("each id is named once and is not zero"));
        }
        let stays = |id: &u64| {
            !changes.iter().any(|c| matches!(c, Change::Remove(x) | Change::AddLearner(x) if x == id))
        };
        let is_added = changes.iter().any(|change| matches!(change, Change::AddVoter(_)));
        if !changes.is_empty() && !is_added && !self.members.voters.iter().any(stays) {
            return Err(ProposeError::BadChange("a group keeps at least one voter"));
        }
        Ok(())
    }

    /// Refuses what the engine would panic at.
    fn check(&self, message: &Message) -> Result<(), StepError> {
        let m = &message.0;
        let (from, to, node) = (message.from(), message.to(), self.node);
        if to != node || from == node || from == 0 {
            return Err(StepError::Misaddressed { from, to, node });
        }
        // A question of a follower has no term; the engine takes anything else without one for its own.
        if (m.term == 0) != (message.kind() == MessageKind::ReadIndex) {
            return Err(StepError::malformed(message, "all but a question have a term"));
        }
        let last_index = self.raw.raft.raft_log.last_index();
        match message.kind() {
            MessageKind::Append => check_entries(message),
            MessageKind::Heartbeat if m.commit > last_index && m.term >= self.raw.raft.term => {
                Err(StepError::LostLog { from, commit: m.commit, last: self.last() })
            }
            MessageKind::AppendResponse
                if !m.reject && m.index > last_index && m.term == self.raw.raft.term =>
            {
                Err(StepError::Ahead { from, index: m.index, last: self.last() })
            }
            MessageKind::Snapshot => {
                let snapshot = Snapshot::from_engine(m.get_snapshot());
                if snapshot.id.index == 0 || snapshot.id.term == 0 || snapshot.id.term > m.term {
                    return Err(StepError::malformed(
                        message,
                        "a snapshot is of an entry of the leader's log",
                    ));
                }
                if snapshot.members.voters.is_empty() {
                    return Err(StepError::malformed(message, "a snapshot names voters"));
                }
                Ok(())
            }
            MessageKind::ReadIndex if m.entries.len() != 1 => {
                Err(StepError::malformed(message, "a question has one context"))
            }
            MessageKind::AppendResponse
            | MessageKind::Vote
            | MessageKind::VoteResponse
            | MessageKind::PreVote
            | MessageKind::PreVoteResponse
            | MessageKind::Heartbeat
            | MessageKind::HeartbeatResponse
            | MessageKind::TimeoutNow
            | MessageKind::ReadIndex
            | MessageKind::ReadIndexResponse => Ok(()),
        }
    }
}

fn to_messages(messages: Vec<eraftpb::Message>) -> Vec<Message> {
    messages.into_iter().filter_map(Message::from_engine).collect()
}

fn check_entries(message: &Message) -> Result<(), StepError> {
    let m = &message.0;
    // The engine takes the term of a place beyond its log to be zero.
    if (m.log_term == 0) != (m.index == 0) {
        return Err(StepError::malformed(message, "only the place before the first entry has no term"));
    }
    let mut previous = EntryId { term: m.log_term, index: m.index };
    for entry in &m.entries {
        if entry.index != previous.index + 1 || entry.term < previous.term || entry.term > m.term {
            return Err(StepError::malformed(
                message,
                "entries follow each other and their terms do not fall",
            ));
        }
        previous = EntryId { term: entry.term, index: entry.index };
    }
    Ok(())
}

/// Makes who asks for a vote look as if it had more than anybody.
#[cfg(narf_plant)]
fn flatter(mut message: Message) -> Message {
    let asks = matches!(message.kind(), MessageKind::Vote | MessageKind::PreVote);
    if asks && base::plant::is(base::plant::Plant::VotesForLess) {
        (message.0.index, message.0.log_term) = (u64::from(u32::MAX), u64::from(u32::MAX));
    }
    message
}
