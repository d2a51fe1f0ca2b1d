//! Replicas of one group in one process, over a network that loses, doubles and reorders, with disks that keep
//! what was appended. Everything that happens is drawn from one seed.

use std::collections::{BTreeMap, BTreeSet};

use base::Random;
use bytes::Bytes;
use raft::{
    Advanced, Change, Entry, EntryId, Group, GroupConfig, HardState, Members, Message, Payload, ReadToken,
    Ready, Recovered, Role, Snapshot,
};

/// What a replica finds again after a crash.
#[derive(Clone, Default)]
struct Disk {
    hard: HardState,
    log: Vec<Entry>,
    checkpoint: Option<Checkpoint>,
}

#[derive(Clone)]
struct Checkpoint {
    id: EntryId,
    members: Members,
    applied: Vec<(EntryId, Bytes)>,
}

pub(crate) struct Replica {
    pub(crate) group: Group,
    disk: Disk,
    /// The state machine: every data entry, in order.
    pub(crate) applied: Vec<(EntryId, Bytes)>,
    pub(crate) applied_index: EntryId,
    members: Members,
    pub(crate) reads: Vec<(ReadToken, u64)>,
    pub(crate) snapshots_installed: usize,
}

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) replicas: BTreeMap<u64, Replica>,
    network: Vec<(u64, Vec<u8>)>,
    /// What became of snapshot messages: from, to, whether on its way. Told between two pieces of work.
    reports: Vec<(u64, u64, bool)>,
    /// Pairs that do not hear each other.
    pub(crate) cut: BTreeSet<(u64, u64)>,
    /// Of 1000 messages, how many are lost, and how many come twice.
    pub(crate) loss: u64,
    pub(crate) doubles: u64,
    leaders: BTreeMap<u64, u64>,
    committed: BTreeMap<u64, (EntryId, Payload)>,
    pub(crate) trace: u64,
    tail_bytes_max: usize,
    starts: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        World {
            random: Random::new(seed),
            replicas: BTreeMap::new(),
            network: Vec::new(),
            reports: Vec::new(),
            cut: BTreeSet::new(),
            loss: 0,
            doubles: 0,
            leaders: BTreeMap::new(),
            committed: BTreeMap::new(),
            trace: 0,
            tail_bytes_max: 1 << 20,
            starts: 0,
        }
    }

    pub(crate) fn with_tail(mut self, bytes: usize) -> World {
        self.tail_bytes_max = bytes;
        self
    }

    fn config(&mut self, node: u64) -> GroupConfig {
        self.starts += 1;
        let seed = self.random.next_u64() ^ self.starts;
        GroupConfig { tail_bytes_max: self.tail_bytes_max, ..GroupConfig::new(node, 7, seed) }
    }

    /// A replica with an empty disk: the founder of the group if it is the first, else a joiner.
    pub(crate) fn add(&mut self, node: u64) {
        let config = self.config(node);
        let founds = self.replicas.is_empty();
        let recovered = if founds { Recovered::founder(node) } else { Recovered::joiner() };
        let disk = Disk {
            checkpoint: founds.then(|| Checkpoint {
                id: EntryId::FOUNDED,
                members: Members::lone(node),
                applied: Vec::new(),
            }),
            ..Disk::default()
        };
        let replica = Replica {
            applied_index: recovered.last,
            members: recovered.members.clone(),
            group: Group::recover(config, recovered).unwrap(),
            disk,
            applied: Vec::new(),
            reads: Vec::new(),
            snapshots_installed: 0,
        };
        self.replicas.insert(node, replica);
    }

    /// Founds with voter 1 and brings 2 and 3 in as learners first.
    pub(crate) fn three(seed: u64) -> World {
        World::new(seed).grown_to_three()
    }

    pub(crate) fn grown_to_three(mut self) -> World {
        self.add(1);
        self.open_alone(1);
        self.replica(1).group.wake();
        self.settle(1);
        for node in [2, 3] {
            self.add(node);
            self.change(&[Change::AddLearner(node)]);
            self.settle(60);
        }
        self.change(&[Change::AddVoter(2), Change::AddVoter(3)]);
        self.settle(60);
        assert_eq!(self.replica(1).group.members().voters, [1, 2, 3]);
        self
    }

    pub(crate) fn replica(&mut self, node: u64) -> &mut Replica {
        self.replicas.get_mut(&node).unwrap()
    }

    pub(crate) fn open_alone(&mut self, node: u64) {
        let replica = self.replica(node);
        replica.disk.hard = replica.group.open_alone();
        let hard = replica.disk.hard;
        self.saw_leader(node, hard.term);
    }

    pub(crate) fn write_alone(&mut self, node: u64, data: &[u8]) -> EntryId {
        let replica = self.replica(node);
        let id = replica.group.commit_alone();
        let mut bytes = Vec::new();
        Entry::encode_data_into(id, data, &mut bytes);
        let entry = Entry::decode(&bytes).unwrap();
        replica.disk.log.push(entry.clone());
        self.apply(node, vec![entry]);
        id
    }

    /// The commit that a replica would come back with.
    pub(crate) fn logged_commit(&mut self, node: u64) -> u64 {
        self.replica(node).disk.hard.commit
    }

    pub(crate) fn leader(&self) -> Option<u64> {
        let leads = |(&node, replica): (&u64, &Replica)| {
            (replica.group.role() == Role::Leader).then(|| (replica.group.hard_state().term, node))
        };
        self.replicas.iter().filter_map(leads).max().map(|(_, node)| node)
    }

    pub(crate) fn propose(&mut self, data: &[u8]) -> Option<EntryId> {
        let leader = self.leader()?;
        self.replica(leader).group.propose(data.to_vec()).ok()
    }

    pub(crate) fn change(&mut self, changes: &[Change]) {
        let leader = self.leader().expect("somebody leads");
        self.replica(leader).group.propose_change(changes).expect("the change is in order");
    }

    /// Lets time pass: `rounds` ticks, each with all work that follows.
    pub(crate) fn settle(&mut self, rounds: usize) {
        for _ in 0..rounds {
            let nodes: Vec<u64> = self.replicas.keys().copied().collect();
            for node in nodes {
                self.replica(node).group.tick();
            }
            for _ in 0..4 {
                self.work();
                self.deliver();
            }
        }
    }

    /// Some random events: a tick here, a few messages there.
    pub(crate) fn stir(&mut self) {
        let nodes: Vec<u64> = self.replicas.keys().copied().collect();
        for node in nodes {
            if self.random.chance(1, 3) {
                self.replica(node).group.tick();
            }
        }
        self.work();
        self.deliver();
    }

    pub(crate) fn restart(&mut self, node: u64) {
        let config = self.config(node);
        let replica = self.replicas.remove(&node).unwrap();
        let disk = replica.disk;
        let checkpoint = disk.checkpoint.clone();
        let (snapshot, members, mut applied) = match &checkpoint {
            Some(c) => (c.id, c.members.clone(), c.applied.clone()),
            None => (EntryId::default(), Members::default(), Vec::new()),
        };
        let last = disk.log.last().map_or(snapshot, |entry| entry.id);
        // A lone voter replays by itself what it logged by itself.
        let has_change = disk.log.iter().any(|entry| matches!(entry.payload, Payload::Change(_)));
        let replayed = if members.is_lone(node) && !has_change { last } else { snapshot };
        for entry in disk.log.iter().filter(|entry| entry.id.index <= replayed.index) {
            if let Payload::Data(data) = &entry.payload
                && !data.is_empty()
            {
                applied.push((entry.id, data.clone()));
            }
        }
        let recovered = Recovered {
            hard: disk.hard,
            members: members.clone(),
            snapshot,
            last,
            applied: replayed.index,
            tail: disk.log.clone(),
        };
        let group = Group::recover(config, recovered).unwrap();
        let replica = Replica {
            group,
            applied,
            applied_index: replayed,
            members,
            disk,
            reads: Vec::new(),
            snapshots_installed: replica.snapshots_installed,
        };
        self.replicas.insert(node, replica);
        // Messages on their way to a process that died are gone.
        self.network.retain(|&(to, _)| to != node);
    }

    /// Writes the state machine down and cuts the log behind it.
    pub(crate) fn checkpoint(&mut self, node: u64) {
        let replica = self.replica(node);
        let id = replica.applied_index;
        replica.disk.checkpoint =
            Some(Checkpoint { id, members: replica.members.clone(), applied: replica.applied.clone() });
        replica.disk.log.retain(|entry| entry.id.index > id.index);
    }

    pub(crate) fn work(&mut self) {
        let nodes: Vec<u64> = self.replicas.keys().copied().collect();
        for node in nodes {
            while let Some(ready) = self.replica(node).group.ready() {
                self.handle_ready(node, ready);
                for (from, to, arrives) in std::mem::take(&mut self.reports) {
                    self.replica(from).group.report_snapshot(to, arrives);
                }
            }
            if self.replica(node).group.is_leader() {
                let term = self.replica(node).group.hard_state().term;
                self.saw_leader(node, term);
            }
            self.offer_snapshot(node);
        }
    }

    fn handle_ready(&mut self, node: u64, mut ready: Ready) {
        for message in std::mem::take(&mut ready.messages) {
            self.send(&message);
        }
        let replica = self.replica(node);
        if let Some(snapshot) = ready.snapshot.take() {
            replica.applied = decode_state(&snapshot.data);
            replica.applied_index = snapshot.id;
            replica.members = snapshot.members.clone();
            replica.snapshots_installed += 1;
            replica.disk.log.clear();
            replica.disk.checkpoint = Some(Checkpoint {
                id: snapshot.id,
                members: snapshot.members,
                applied: replica.applied.clone(),
            });
        }
        if let Some(first) = ready.entries.first() {
            let from = first.id.index;
            replica.disk.log.retain(|entry| entry.id.index < from);
            replica.disk.log.extend(ready.entries.iter().cloned());
        }
        if let Some(hard) = ready.hard_state {
            let changed = (hard.term, hard.vote) != (replica.disk.hard.term, replica.disk.hard.vote);
            assert!(ready.must_sync || !changed, "a vote is synced");
            replica.disk.hard = hard;
        }
        if let Some(members) = ready.members.take() {
            replica.members = members;
        }
        replica.reads.append(&mut ready.reads);
        for message in std::mem::take(&mut ready.messages_after) {
            self.send(&message);
        }
        let committed = std::mem::take(&mut ready.committed);
        self.apply(node, committed);
        let Advanced { commit, messages, committed, members } = self.replica(node).group.advance(ready);
        for message in &messages {
            self.send(message);
        }
        self.apply(node, committed);
        let replica = self.replica(node);
        replica.disk.hard.commit = commit.unwrap_or(replica.disk.hard.commit);
        replica.members = members.unwrap_or(replica.members.clone());
    }

    fn offer_snapshot(&mut self, node: u64) {
        let replica = self.replicas.get_mut(&node).unwrap();
        let Some(wish) = replica.group.take_snapshot_wish() else { return };
        if replica.applied_index.index >= wish.at_least {
            let snapshot = Snapshot {
                id: replica.applied_index,
                members: replica.members.clone(),
                data: encode_state(&replica.applied).into(),
            };
            replica.group.offer_snapshot(wish.to, &snapshot);
        }
    }

    fn send(&mut self, message: &Message) {
        let mut bytes = Vec::new();
        message.encode_into(&mut bytes);
        self.trace = self.trace.rotate_left(5) ^ u64::from(base::checksum(&bytes));
        let is_snapshot = message.kind() == raft::MessageKind::Snapshot;
        let lost = self.random.chance(self.loss, 1000) || self.cut.contains(&(message.from(), message.to()));
        if is_snapshot {
            self.reports.push((message.from(), message.to(), !lost));
        }
        if lost {
            return;
        }
        if self.random.chance(self.doubles, 1000) {
            self.network.push((message.to(), bytes.clone()));
        }
        self.network.push((message.to(), bytes));
    }

    pub(crate) fn deliver(&mut self) {
        let reorders = self.loss > 0;
        for _ in 0..self.network.len() {
            let at = if reorders { self.random.below(self.network.len() as u64) as usize } else { 0 };
            let (to, bytes) = self.network.remove(at);
            let message = Message::decode(&bytes).expect("what was encoded decodes");
            if let Some(replica) = self.replicas.get_mut(&to) {
                match replica.group.step(message) {
                    Ok(()) | Err(raft::StepError::UnknownPeer { .. }) => {}
                    Err(error) => panic!("replica {to} refused a message: {error}"),
                }
                self.work();
            }
            if reorders && self.random.chance(1, 4) {
                break;
            }
        }
    }

    /// Raft's promise, checked at each application: one entry an index, for all and for ever.
    fn apply(&mut self, node: u64, entries: Vec<Entry>) {
        for entry in entries {
            let known = self.committed.entry(entry.id.index).or_insert((entry.id, entry.payload.clone()));
            assert_eq!(known, &(entry.id, entry.payload.clone()), "replica {node} applies another entry");
            let replica = self.replicas.get_mut(&node).unwrap();
            assert_eq!(entry.id.index, replica.applied_index.index + 1, "entries are applied in order");
            replica.applied_index = entry.id;
            if let Payload::Data(data) = entry.payload
                && !data.is_empty()
            {
                replica.applied.push((entry.id, data));
            }
        }
    }

    fn saw_leader(&mut self, node: u64, term: u64) {
        let first = *self.leaders.entry(term).or_insert(node);
        assert_eq!(first, node, "two leaders in term {term}");
    }
}

fn encode_state(applied: &[(EntryId, Bytes)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (id, data) in applied {
        let mut bytes = Vec::new();
        Entry::encode_data_into(*id, data, &mut bytes);
        out.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
        out.extend_from_slice(&bytes);
    }
    out
}

fn decode_state(mut bytes: &[u8]) -> Vec<(EntryId, Bytes)> {
    let mut applied = Vec::new();
    while let Some((len, rest)) = bytes.split_first_chunk::<4>() {
        let (entry, rest) = rest.split_at(u32::from_le_bytes(*len) as usize);
        let entry = Entry::decode(entry).unwrap();
        let Payload::Data(data) = entry.payload else { panic!("the state has data only") };
        applied.push((entry.id, data));
        bytes = rest;
    }
    applied
}
