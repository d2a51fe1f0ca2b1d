//! A replica of a group, alone or with peers.

use base::Random;

use crate::engine::Engine;
use crate::tail::Tail;
use crate::{
    Advanced, Change, Entry, EntryId, GroupConfig, HardState, Members, Message, Progress, ProposeError,
    ReadToken, Ready, RecoverError, Recovered, Role, Snapshot, SnapshotWish, StepError, Stored,
};

/// One replica of one group. See the [crate](crate) for its states.
pub struct Group {
    config: GroupConfig,
    random: Random,
    state: State,
}

enum State {
    Alone(Alone),
    Engine(Box<Engine>),
}

/// The lone voter: a term, an end of the log, and the fact that all of it is committed.
#[derive(Clone, Copy)]
struct Alone {
    hard: HardState,
    last: EntryId,
    /// The term in `last` for the next entry is opened and given out for logging.
    leads: bool,
}

const _: () = {
    const fn is_send<T: Send>() {}
    // A partition, and its group with it, moves between the workers of a node.
    is_send::<Group>();
};

impl Group {
    /// A group as its disk remembers it. A lone voter that has applied its whole log sleeps without an engine;
    /// else the engine is there as a follower.
    pub fn recover(config: GroupConfig, recovered: Recovered) -> Result<Group, RecoverError> {
        let mut recovered = recovered;
        check_config(&config)?;
        if recovered.last.index == 0 && !recovered.members.voters.is_empty() {
            (recovered.snapshot, recovered.last) = (EntryId::FOUNDED, EntryId::FOUNDED);
            recovered.applied = EntryId::FOUNDED.index;
        }
        // The log is the later witness: an entry's term was voted for.
        recovered.hard.term = recovered.hard.term.max(recovered.last.term);
        let mut random =
            Random::new(config.seed ^ (u64::from(config.group) << 48) ^ config.node.rotate_left(24));
        // Entries not applied may hold a change of members; then only the engine can tell who decides.
        let knows_all = recovered.applied == recovered.last.index;
        let state = if knows_all && recovered.members.is_lone(config.node) {
            let (mut hard, last) = (recovered.hard, recovered.last);
            hard.commit = last.index;
            State::Alone(Alone { hard, last, leads: false })
        } else {
            State::Engine(Box::new(recover_engine(&config, random.fork(), recovered)?))
        };
        Ok(Group { config, random, state })
    }

    // ---- the lone voter -----------------------------------------------------------------------------------

    /// Whether this is the only member and no engine is there: the way of [`Group::commit_alone`].
    #[inline]
    pub fn is_lone(&self) -> bool {
        matches!(self.state, State::Alone(_))
    }

    /// Takes the lead of a lone group in a new term, once after each start. The returned state must be in the
    /// log, and synced, before an entry of the term is answered; it may be in the same append as the entry.
    ///
    /// # Panics
    /// If the group is not lone.
    pub fn open_alone(&mut self) -> HardState {
        let alone = match &mut self.state {
            State::Alone(alone) => Some(alone),
            State::Engine(_) => None,
        };
        let alone = alone.expect("a group with peers elects its leader");
        let term = alone.hard.term + 1;
        alone.hard = HardState { term, vote: self.config.node, commit: alone.last.index };
        alone.leads = true;
        alone.hard
    }

    /// Names the next entry of a lone group and counts it as committed. The caller logs it in this turn and
    /// lets nobody hear of it before.
    ///
    /// # Panics
    /// If the group is not lone or was not opened.
    #[inline]
    pub fn commit_alone(&mut self) -> EntryId {
        let alone = match &mut self.state {
            State::Alone(alone) if alone.leads => Some(alone),
            State::Alone(_) | State::Engine(_) => None,
        };
        let alone = alone.expect("entries are committed alone only by a lone voter that opened its term");
        alone.last = EntryId { term: alone.hard.term, index: alone.last.index + 1 };
        alone.last
    }

    /// Makes the engine of a lone group, which takes the lead in a term of its own; its first [`Group::ready`]
    /// has that term. Call it when all that was named by [`Group::commit_alone`] is logged. Does nothing if the
    /// engine is there.
    pub fn wake(&mut self) {
        let State::Alone(alone) = &self.state else { return };
        let mut hard = alone.hard;
        hard.commit = alone.last.index;
        let recovered = Recovered::lone(self.config.node, hard, alone.last);
        let mut engine = recover_engine(&self.config, self.random.fork(), recovered)
            .expect("the configuration was checked at recovery and a lone voter's state is consistent");
        engine.campaign();
        self.state = State::Engine(Box::new(engine));
    }

    /// Puts the engine of a group to sleep that is a lone voter's again. False, and nothing happens, while
    /// there are other members, work in hand or an entry not handed out.
    pub fn rest(&mut self) -> bool {
        let State::Engine(engine) = &self.state else { return true };
        if !engine.members().is_lone(self.config.node) || !engine.is_settled() {
            return false;
        }
        self.state = State::Alone(Alone { hard: engine.hard(), last: engine.last(), leads: true });
        true
    }

    // ---- facts --------------------------------------------------------------------------------------------

    /// This replica's id.
    pub fn node(&self) -> u64 {
        self.config.node
    }

    /// The group's number.
    pub fn group(&self) -> u16 {
        self.config.group
    }

    /// Whether this replica keeps the log and no state.
    #[inline]
    pub fn is_witness(&self) -> bool {
        self.config.is_witness
    }

    /// Term, vote and commit at present.
    pub fn hard_state(&self) -> HardState {
        match &self.state {
            State::Alone(alone) => HardState { commit: alone.last.index, ..alone.hard },
            State::Engine(engine) => engine.hard(),
        }
    }

    /// The last entry of the log, committed or not.
    pub fn last(&self) -> EntryId {
        match &self.state {
            State::Alone(alone) => alone.last,
            State::Engine(engine) => engine.last(),
        }
    }

    /// Who is in the group.
    pub fn members(&self) -> Members {
        match &self.state {
            State::Alone(_) => Members::lone(self.config.node),
            State::Engine(engine) => engine.members().clone(),
        }
    }

    /// This replica's part.
    pub fn role(&self) -> Role {
        match &self.state {
            State::Alone(alone) if alone.leads => Role::Leader,
            State::Alone(_) => Role::Follower,
            State::Engine(engine) => engine.role(),
        }
    }

    /// Whether this replica leads.
    pub fn is_leader(&self) -> bool {
        self.role() == Role::Leader
    }

    /// Who leads, as far as is known here.
    pub fn leader(&self) -> Option<u64> {
        match &self.state {
            State::Alone(alone) => alone.leads.then_some(self.config.node),
            State::Engine(engine) => engine.leader(),
        }
    }

    /// How far a peer has come; known to the leader only.
    pub fn progress_of(&self, peer: u64) -> Option<Progress> {
        self.engine().and_then(|engine| engine.progress_of(peer))
    }

    /// Bytes of entries kept in memory.
    pub fn tail_bytes(&self) -> usize {
        self.engine().map_or(0, Engine::tail_bytes)
    }

    /// Entries that are in the log and were not handed out for applying: what the log must still hold when all
    /// before them is cut off.
    pub fn unapplied(&self) -> Vec<Entry> {
        self.engine().map_or_else(Vec::new, Engine::unapplied)
    }

    /// Entries that were handed out and are kept in memory, and the one before them: for a witness, to be found again after
    /// the next start.
    pub fn kept(&self) -> (EntryId, Vec<Entry>) {
        self.engine().map_or_else(|| (self.last(), Vec::new()), Engine::kept)
    }

    /// Tells a witness what others have stored, and need not be kept here for them.
    pub fn others_stored(&mut self, stored: Stored) {
        if let State::Engine(engine) = &mut self.state
            && self.config.is_witness
        {
            engine.others_stored(stored);
        }
    }

    /// Whether a witness keeps more than it should and cannot take entries of a leader before others have stored some.
    pub fn is_full(&self) -> bool {
        self.engine().is_some_and(Engine::is_full)
    }

    /// Keeps entries in memory for a peer that is being sent a snapshot and will need what follows it, or no longer.
    pub fn pin_tail(&mut self, pinned: bool) {
        if let State::Engine(engine) = &mut self.state {
            engine.pin_tail(pinned);
        }
    }

    // ---- events, for a group with peers -------------------------------------------------------------------

    /// A step of time. Nothing for a lone group.
    pub fn tick(&mut self) {
        if let State::Engine(engine) = &mut self.state {
            engine.tick();
        }
    }

    /// A step of time of a replica that must not stand for election. While it hears of its leader this is nothing; `is_silent`
    /// says that it has not for longer than an election takes. It must say then that it follows nobody, or it would for ever
    /// refuse to help elect another.
    pub fn stand_still(&mut self, is_silent: bool) {
        if let State::Engine(engine) = &mut self.state
            && is_silent
        {
            engine.forget_leader();
        }
    }

    /// Whether this replica leads, and all voters have the whole log: nothing is to be said to them but that it is there. Then
    /// time need not pass here either, as long as they answer; who does not know yet that all is committed does not.
    pub fn is_quiet(&self) -> bool {
        self.engine().is_some_and(Engine::is_quiet)
    }

    /// A sign of life of the group's leader that came beside its messages, with the index up to which it has committed. What a
    /// heartbeat does, if this replica follows it in that term and has committed as much; else nothing, and false.
    pub fn hear_leader(&mut self, leader: u64, term: u64, commit: u64) -> bool {
        match &mut self.state {
            State::Alone(_) => false,
            State::Engine(engine) => engine.hear_leader(leader, term, commit),
        }
    }

    /// A follower answered such a sign of this leader, with that index.
    pub fn hear_follower(&mut self, peer: u64, commit: u64) {
        if let State::Engine(engine) = &mut self.state {
            engine.hear_follower(peer, commit);
        }
    }

    /// Whether the peers hear what is committed with the next entry, or by [`Group::tell_commit`], and need not be told before.
    /// They hear it with the next heartbeat at the latest.
    pub fn say_commits_later(&mut self, is_later: bool) {
        if let State::Engine(engine) = &mut self.state {
            engine.say_commits_later(is_later);
        }
    }

    /// Tells the peers what is committed, if this replica leads.
    pub fn tell_commit(&mut self) {
        if let State::Engine(engine) = &mut self.state {
            engine.tell_commit();
        }
    }

    /// A message of a peer.
    pub fn step(&mut self, message: Message) -> Result<(), StepError> {
        match &mut self.state {
            State::Alone(_) => Err(StepError::Alone),
            State::Engine(engine) => engine.step(message),
        }
    }

    /// Puts bytes into the log, if this replica leads. The name is final only when it comes back committed:
    /// under another leader the place may go to another entry.
    pub fn propose(&mut self, data: Vec<u8>) -> Result<EntryId, ProposeError> {
        match &mut self.state {
            State::Alone(_) => Err(ProposeError::NotLeader { leader: None }),
            State::Engine(engine) => engine.propose(data),
        }
    }

    /// Changes the members, if this replica leads. Several changes go through a joint membership and leave it
    /// by themselves; none asks to leave it now. A lone group is woken first.
    pub fn propose_change(&mut self, changes: &[Change]) -> Result<EntryId, ProposeError> {
        match &mut self.state {
            State::Alone(_) => Err(ProposeError::NotLeader { leader: None }),
            State::Engine(engine) => engine.propose_change(changes),
        }
    }

    /// Hands the lead to a voter; until it has it or an election timeout is over, proposals are refused. Busy while the voter
    /// may not know yet that it is one.
    pub fn transfer_to(&mut self, peer: u64) -> Result<(), ProposeError> {
        match &mut self.state {
            State::Alone(_) => Err(ProposeError::NotLeader { leader: None }),
            State::Engine(engine) => engine.transfer_to(peer),
        }
    }

    /// Asks from which applied index on a read is linear, here or at the leader. The answer comes in
    /// [`Ready::reads`]; or never, if the leader changes or has committed nothing in its term: ask again.
    /// None for a lone group: every read there is linear.
    pub fn read_index(&mut self) -> Option<ReadToken> {
        match &mut self.state {
            State::Alone(_) => None,
            State::Engine(engine) => Some(engine.read_index()),
        }
    }

    /// A message to `peer` was not delivered: probe it instead of streaming.
    pub fn report_unreachable(&mut self, peer: u64) {
        if let State::Engine(engine) = &mut self.state {
            engine.report_unreachable(peer);
        }
    }

    /// A peer has lost the end of its log: what it acknowledged counts no more, and it is sent what follows `last`, the
    /// last entry that it has.
    pub fn peer_lost_its_end(&mut self, peer: u64, last: EntryId) {
        if let State::Engine(engine) = &mut self.state {
            engine.peer_lost_its_end(peer, last);
        }
    }

    /// What became of a snapshot message to `peer`. Must be called for each, or the peer gets nothing more.
    pub fn report_snapshot(&mut self, peer: u64, delivered: bool) {
        if let State::Engine(engine) = &mut self.state {
            engine.report_snapshot(peer, delivered);
        }
    }

    /// A peer that needs a snapshot, if one has come up since the last call.
    pub fn take_snapshot_wish(&mut self) -> Option<SnapshotWish> {
        match &mut self.state {
            State::Alone(_) => None,
            State::Engine(engine) => engine.take_snapshot_wish(),
        }
    }

    /// Gives the snapshot that was wished for, to that peer and no other; the engine sends it with its next heartbeat. False if the log
    /// in memory does not go on from it: make a later one.
    pub fn offer_snapshot(&mut self, to: u64, snapshot: &Snapshot) -> bool {
        match &mut self.state {
            State::Alone(_) => false,
            State::Engine(engine) => engine.offer_snapshot(to, snapshot),
        }
    }

    // ---- work, for a group with peers ---------------------------------------------------------------------

    /// Whether there is work.
    pub fn has_ready(&self) -> bool {
        self.engine().is_some_and(Engine::has_ready)
    }

    /// The work at hand. After it no event may come in before [`Group::advance`].
    pub fn ready(&mut self) -> Option<Ready> {
        match &mut self.state {
            State::Alone(_) => None,
            State::Engine(engine) => engine.ready(),
        }
    }

    /// The work is appended.
    ///
    /// # Panics
    /// If `ready` is not of this group's last [`Group::ready`].
    pub fn advance(&mut self, ready: Ready) -> Advanced {
        let engine = match &mut self.state {
            State::Alone(_) => None,
            State::Engine(engine) => Some(engine),
        };
        engine.expect("a lone group has no work").advance(ready)
    }

    fn engine(&self) -> Option<&Engine> {
        match &self.state {
            State::Alone(_) => None,
            State::Engine(engine) => Some(engine),
        }
    }
}

fn check_config(config: &GroupConfig) -> Result<(), RecoverError> {
    let fault = if config.node == 0 {
        "node 0 is nobody; voters are numbered from 1"
    } else if config.heartbeat_ticks == 0 || config.election_ticks <= config.heartbeat_ticks {
        "an election must take more ticks than a heartbeat, and that at least one"
    } else if config.inflight_messages_max == 0 {
        "at least one message must be allowed on its way"
    } else if config.uncommitted_bytes_max < config.message_bytes_max {
        "the bound of uncommitted bytes must not be below that of one message"
    } else {
        return Ok(());
    };
    Err(RecoverError::Config(fault.to_owned()))
}

fn recover_engine(
    config: &GroupConfig,
    random: Random,
    recovered: Recovered,
) -> Result<Engine, RecoverError> {
    check_recovered(&recovered)?;
    let Recovered { mut hard, members, snapshot, last, applied, tail: entries } = recovered;
    // The disk may lag behind: applied entries were committed.
    hard.commit = hard.commit.max(applied);
    let base = match entries.first() {
        // The entry before the first kept one is known by its place only; nobody asks for its term but a peer
        // that is to be sent the first, and it gets a snapshot instead.
        Some(first) if first.id.index == snapshot.index + 1 => snapshot,
        Some(first) => first.id,
        None => last,
    };
    let engine_hard = tikv_raft::eraftpb::HardState {
        term: hard.term,
        vote: hard.vote,
        commit: hard.commit,
        ..tikv_raft::eraftpb::HardState::default()
    };
    let mut tail = Tail::new(engine_hard, members.to_engine(), base, config.tail_bytes_max);
    if config.is_witness {
        tail.set_stored(Stored::default());
    }
    tail.append(
        entries.iter().filter(|entry| entry.id.index > base.index).map(crate::Entry::to_engine).collect(),
    );
    Engine::start(config, random, hard, members, tail, applied).map_err(RecoverError::Config)
}

fn check_recovered(recovered: &Recovered) -> Result<(), RecoverError> {
    let Recovered { hard, snapshot, last, applied, tail, .. } = recovered;
    let contradiction = |what: String| Err(RecoverError::Contradiction(what));
    if hard.commit.max(*applied) > last.index {
        return contradiction(format!(
            "entry {} is committed or applied, but the log ends at {}",
            hard.commit.max(*applied),
            last.index
        ));
    }
    if snapshot.index > *applied {
        return contradiction(format!(
            "the snapshot at {} is ahead of applied entry {applied}",
            snapshot.index
        ));
    }
    let mut previous: Option<EntryId> = None;
    for entry in tail {
        if previous.is_some_and(|before| entry.id.index != before.index + 1 || entry.id.term < before.term) {
            return contradiction(format!("entry {:?} does not follow {previous:?}", entry.id));
        }
        previous = Some(entry.id);
    }
    let first = tail.first().map_or(last.index + 1, |entry| entry.id.index);
    // An entry from which the tail starts serves as its base unless the snapshot does, hence the second term.
    let is_whole = first == snapshot.index + 1 || first <= *applied || tail.is_empty();
    if previous.unwrap_or(*last) != *last || (tail.is_empty() && *applied != last.index) || !is_whole {
        return contradiction(format!(
            "the tail runs from {first} to {previous:?}, but must reach from applied entry {applied} to {last:?}"
        ));
    }
    Ok(())
}
