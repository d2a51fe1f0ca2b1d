//! Commands applied to the state of the cluster: each changes it whole, or not at all and says why.

use base::{Millis, NodeId, PartitionId, Slot};

use super::{MEMBERS_MAX, Meta, SETTINGS_BYTES_MAX, SETTINGS_MAX, TOKENS_MAX, TOMBSTONES_MAX, Target, Token};
use crate::command::{
    Admission, Command, Founding, Move, REPLICAS_MAX, SETTING_KEY_BYTES_MAX, SETTING_VALUE_BYTES_MAX,
};
use crate::error::Refused;
use crate::level::Levels;
use crate::member::{
    Member, MemberKind, MemberState, Newcomer, check_addresses, check_name, check_version, check_weight,
};
use crate::token::TokenHash;

/// What an accepted command did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The state changed, and its version is one higher.
    Changed,
    /// It was so already: the command came twice.
    Unchanged,
}

impl Meta {
    /// Applies a committed command. `time` is the leader's, from the entry. Refused, the state is as before.
    pub fn apply(&mut self, command: &Command, time: Millis) -> Result<Applied, Refused> {
        let applied = self.dispatch(command, time)?;
        if applied == Applied::Changed {
            self.version += 1;
        }
        if cfg!(debug_assertions) {
            self.check_invariants();
        }
        Ok(applied)
    }

    /// The state of a new cluster that takes over from this one what is not about nodes: users and settings, as they are.
    pub fn refounded(&self, founding: &Founding, time: Millis) -> Result<Meta, Refused> {
        let mut meta = Meta::new();
        meta.apply(&Command::Found(founding.clone()), time)?;
        (meta.users, meta.settings) = (self.users.clone(), self.settings.clone());
        meta.check_invariants();
        Ok(meta)
    }

    fn dispatch(&mut self, command: &Command, time: Millis) -> Result<Applied, Refused> {
        if let Command::Found(founding) = command {
            return self.found(founding, time);
        }
        if !self.is_founded() {
            return Err(Refused::NotFounded);
        }
        match command {
            Command::Found(founding) => self.found(founding, time),
            Command::AddToken { hash, expires } => self.add_token(*hash, *expires, time),
            Command::RevokeToken { hash } => self.revoke_token(*hash),
            Command::Join { member, admission } => self.join(member, *admission, time),
            Command::SetState { node, state } => self.set_state(*node, *state, time),
            Command::SetAddresses {
                node,
                peer_address,
                client_address,
                tls_port,
                incarnation,
                version,
                levels,
            } => {
                let addresses = (peer_address.as_str(), client_address.as_str(), *tls_port);
                self.set_addresses(*node, addresses, *incarnation, (version, *levels))
            }
            Command::SetWeight { node, weight } => self.set_weight(*node, *weight),
            Command::Leave { node } => self.leave(*node, time),
            Command::Remove { node } => self.remove(*node, time),
            Command::Place { moves, based_on } => self.place(moves, *based_on),
            Command::SetReplicas { replicas } => self.set_replicas(*replicas),
            Command::Set { key, value } => self.set(key, value.as_deref()),
            Command::SetUsers { changes, based_on } => self.users.apply(changes, *based_on),
            Command::Raise { level } => self.raise(*level),
        }
    }

    fn found(&mut self, founding: &Founding, time: Millis) -> Result<Applied, Refused> {
        if self.is_founded() {
            return Err(Refused::Founded { name: self.name.clone() });
        }
        check_name("name of the cluster", &founding.name)?;
        check_replicas(founding.replicas_wanted)?;
        if founding.cluster == 0 {
            return Err(Refused::invalid("cluster id", 0, "draw one at random"));
        }
        if founding.partitions == 0 || founding.partitions > Slot::COUNT {
            return Err(Refused::invalid("number of partitions", founding.partitions, "use 1 to 16384"));
        }
        if founding.member.kind != MemberKind::Data {
            return Err(Refused::invalid(
                "kind of the first node",
                founding.member.kind,
                "found the cluster with a node that holds data",
            ));
        }
        founding.member.check()?;
        let node = founding.member.node;
        self.cluster = founding.cluster;
        self.name = founding.name.clone();
        self.partitions = founding.partitions;
        self.key_hash_seed = founding.key_hash_seed;
        self.replicas_wanted = founding.replicas_wanted;
        self.level = founding.member.levels.newest();
        self.members.insert(node, Member::new(&founding.member, MemberState::Up, time));
        let target = Target { voters: vec![node], version: self.version + 1 };
        self.targets = vec![target; usize::from(founding.partitions)];
        self.voters = vec![node];
        Ok(Applied::Changed)
    }

    fn add_token(&mut self, hash: TokenHash, expires: Millis, time: Millis) -> Result<Applied, Refused> {
        match self.tokens.get(&hash) {
            Some(token) if token.expires == expires && token.used_by.is_none() => {
                return Ok(Applied::Unchanged);
            }
            Some(_) => return Err(Refused::TokenExists),
            None => {}
        }
        if expires < time {
            return Err(Refused::invalid(
                "expiry of the token",
                expires.0,
                "it is past already; choose a later one",
            ));
        }
        let lasting = self.tokens.values().filter(|token| token.expires >= time).count();
        if lasting >= TOKENS_MAX {
            let advice = "revoke some with `narf cluster invite --revoke`, or wait until they expire";
            return Err(Refused::Full { what: "join tokens", limit: TOKENS_MAX, advice });
        }
        // What has expired admits nobody; here is the one place where it is swept out.
        self.tokens.retain(|_, token| token.expires >= time);
        self.tokens.insert(hash, Token { expires, used_by: None });
        Ok(Applied::Changed)
    }

    fn revoke_token(&mut self, token: TokenHash) -> Result<Applied, Refused> {
        self.tokens.remove(&token).map(|_| Applied::Changed).ok_or(Refused::UnknownToken { token })
    }

    fn join(&mut self, newcomer: &Newcomer, admission: Admission, time: Millis) -> Result<Applied, Refused> {
        newcomer.check()?;
        if let Some(member) = self.members.get(&newcomer.node) {
            return self.join_again(member, newcomer, admission);
        }
        let replica = crate::member::replica_id(newcomer.node);
        // Tombstones count here: old entries of some group may still name their number.
        if let Some(holder) = self.members().find(|member| crate::member::replica_id(member.node) == replica)
        {
            return Err(Refused::SameReplica { node: newcomer.node, holder: holder.node });
        }
        self.check_levels(newcomer.levels)?;
        if self.live_members().count() >= MEMBERS_MAX {
            let advice = "remove those that are gone with `narf cluster remove`";
            return Err(Refused::Full { what: "members", limit: MEMBERS_MAX, advice });
        }
        if let Admission::Token(hash) = admission {
            self.check_token(hash, time)?;
        }
        // Last: who is refused for this and nothing else may be let in once the holder is taken for down.
        self.check_free(newcomer.node, newcomer.addresses())?;
        if let Admission::Token(hash) = admission
            && let Some(token) = self.tokens.get_mut(&hash)
        {
            token.used_by = Some(newcomer.node);
        }
        self.take_addresses(newcomer.node, newcomer.addresses());
        self.members.insert(newcomer.node, Member::new(newcomer, MemberState::Joining, time));
        self.settle_voters();
        Ok(Applied::Changed)
    }

    /// A node that joined and did not hear the answer asks again.
    fn join_again(
        &self,
        member: &Member,
        newcomer: &Newcomer,
        admission: Admission,
    ) -> Result<Applied, Refused> {
        if !member.state.is_live() {
            return Err(Refused::WasRemoved { node: member.node });
        }
        let was_admitted = match admission {
            Admission::Local => true,
            Admission::Token(hash) => {
                self.tokens.get(&hash).is_some_and(|token| token.used_by == Some(member.node))
            }
        };
        let is_same = *newcomer == member.as_newcomer();
        (was_admitted && is_same).then_some(Applied::Unchanged).ok_or(Refused::IsMember { node: member.node })
    }

    fn check_token(&self, hash: TokenHash, time: Millis) -> Result<(), Refused> {
        let token = self.tokens.get(&hash).ok_or(Refused::UnknownToken { token: hash })?;
        if let Some(by) = token.used_by {
            return Err(Refused::TokenUsed { by });
        }
        if token.expires < time {
            return Err(Refused::TokenExpired { seconds: time.since(token.expires) / 1000 });
        }
        Ok(())
    }

    /// Whether nobody has these addresses who counts on being found there. Whoever is down or on its way out does not: a
    /// process that listens there is asking, so it is there no more.
    pub fn check_free(&self, node: NodeId, addresses: [&str; 2]) -> Result<(), Refused> {
        let Some(holder) = self.others_at(node, addresses).find(|member| member.keeps_its_addresses()) else {
            return Ok(());
        };
        let taken = holder.addresses().find(|taken| addresses.contains(taken)).unwrap_or_default();
        Err(Refused::AddressTaken { address: taken.to_owned(), holder: holder.node })
    }

    /// Who is on its way out of the cluster and has one of these addresses yet. Nobody takes it for down as long as it stays
    /// away, so only who asks whether it is heard of knows that it is gone.
    pub fn leaver_at(&self, node: NodeId, addresses: [&str; 2]) -> Option<&Member> {
        self.others_at(node, addresses).find(|member| member.state == MemberState::Leaving)
    }

    fn others_at<'m>(&'m self, node: NodeId, addresses: [&str; 2]) -> impl Iterator<Item = &'m Member> {
        self.live_members().filter(move |member| member.node != node && member.has_any(addresses))
    }

    /// Who had these addresses is nowhere until it says where it is.
    fn take_addresses(&mut self, node: NodeId, addresses: [&str; 2]) {
        for member in self.members.values_mut() {
            if member.node != node && member.has_any(addresses) {
                member.forget_addresses();
            }
        }
    }

    fn live_member_mut(&mut self, node: NodeId) -> Result<&mut Member, Refused> {
        match self.members.get_mut(&node) {
            None => Err(Refused::NoMember { node }),
            Some(member) if !member.state.is_live() => Err(Refused::WasRemoved { node }),
            Some(member) => Ok(member),
        }
    }

    fn set_state(&mut self, node: NodeId, to: MemberState, time: Millis) -> Result<Applied, Refused> {
        let member = self.live_member_mut(node)?;
        let from = member.state;
        let wrong = |advice| Err(Refused::WrongState { node, from, to, advice });
        match (from, to) {
            _ if from == to => return Ok(Applied::Unchanged),
            (MemberState::Joining | MemberState::Down | MemberState::Leaving, MemberState::Up) => {}
            (MemberState::Joining | MemberState::Up, MemberState::Down) => {}
            (_, MemberState::Leaving) => return wrong("use `narf cluster leave`"),
            (_, MemberState::Removed) => return wrong("use `narf cluster remove`"),
            (_, MemberState::Joining) => return wrong("only a new node joins"),
            (_, MemberState::Up | MemberState::Down) => {
                return wrong("only one that was to be here goes down");
            }
        }
        member.enter(to, time);
        self.settle_voters();
        Ok(Applied::Changed)
    }

    fn set_addresses(
        &mut self,
        node: NodeId,
        (peer, client, tls_port): (&str, &str, u16),
        incarnation: u64,
        (version, levels): (&str, Levels),
    ) -> Result<Applied, Refused> {
        check_addresses(peer, client, tls_port)?;
        check_version(version)?;
        let member = self.live_member_mut(node)?;
        let known = member.incarnation;
        let said = (&*member.peer_address, &*member.client_address, member.tls_port, &*member.version);
        let is_same = said == (peer, client, tls_port, version) && member.levels == levels;
        if incarnation == known && is_same {
            return Ok(Applied::Unchanged);
        }
        if incarnation <= known {
            return Err(Refused::OldIncarnation { node, known, found: incarnation });
        }
        self.check_free(node, [peer, client])?;
        self.check_levels(levels)?;
        self.take_addresses(node, [peer, client]);
        let member = self.live_member_mut(node)?;
        peer.clone_into(&mut member.peer_address);
        client.clone_into(&mut member.client_address);
        member.tls_port = tls_port;
        member.incarnation = incarnation;
        version.clone_into(&mut member.version);
        member.levels = levels;
        Ok(Applied::Changed)
    }

    fn set_weight(&mut self, node: NodeId, weight: u32) -> Result<Applied, Refused> {
        check_weight(weight)?;
        let member = self.live_member_mut(node)?;
        if member.weight == weight {
            return Ok(Applied::Unchanged);
        }
        member.weight = weight;
        Ok(Applied::Changed)
    }

    fn leave(&mut self, node: NodeId, time: Millis) -> Result<Applied, Refused> {
        if self.live_member_mut(node)?.state == MemberState::Leaving {
            return Ok(Applied::Unchanged);
        }
        if !self.data_nodes().any(|member| member.node != node) {
            return Err(Refused::LastNode { node });
        }
        self.live_member_mut(node)?.enter(MemberState::Leaving, time);
        self.settle_voters();
        Ok(Applied::Changed)
    }

    /// A node that leaves goes once it holds nothing; a node that is down goes with what it holds, if others hold it
    /// too. Its id stays, so that it is never used again.
    fn remove(&mut self, node: NodeId, time: Millis) -> Result<Applied, Refused> {
        let member = match self.members.get(&node) {
            None => return Err(Refused::NoMember { node }),
            Some(member) => member,
        };
        let replicas = self.replicas_on(node);
        match member.state {
            MemberState::Removed => return Ok(Applied::Unchanged),
            MemberState::Joining | MemberState::Up | MemberState::Leaving if replicas > 0 => {
                return Err(Refused::HoldsReplicas { node, replicas });
            }
            MemberState::Joining | MemberState::Up | MemberState::Leaving => {}
            MemberState::Down => self.check_held_elsewhere(node)?,
        }
        if member.kind == MemberKind::Data
            && !self.live_members().any(|other| other.node != node && other.kind == MemberKind::Data)
        {
            return Err(Refused::LastNode { node });
        }
        if self.members.len() - self.live_members().count() >= TOMBSTONES_MAX {
            let advice = "restore a backup into a new cluster";
            return Err(Refused::Full { what: "removed members", limit: TOMBSTONES_MAX, advice });
        }
        let member = self.live_member_mut(node)?;
        member.enter(MemberState::Removed, time);
        member.forget_addresses();
        self.settle_voters();
        Ok(Applied::Changed)
    }

    /// Every partition of `node` has a voter with data that is neither `node` nor removed.
    fn check_held_elsewhere(&self, node: NodeId) -> Result<(), Refused> {
        let is_left = |voter: &NodeId| {
            let has_data = |member: &Member| member.state.is_live() && member.kind == MemberKind::Data;
            *voter != node && self.member(*voter).is_some_and(has_data)
        };
        let held = self.targets.iter().zip(0..).filter(|(target, _)| target.voters.contains(&node));
        let mut only = held.filter(|(target, _)| !target.voters.iter().any(is_left));
        match only.next() {
            None => Ok(()),
            Some((_, first)) => {
                Err(Refused::OnlyReplica { node, partition: PartitionId(first), others: only.count() })
            }
        }
    }

    fn place(&mut self, moves: &[Move], based_on: u64) -> Result<Applied, Refused> {
        if based_on != self.version {
            return Err(Refused::StalePlan { based_on, version: self.version });
        }
        let mut above: Option<PartitionId> = None;
        for Move { partition, voters } in moves {
            let refuse = |rule| Err(Refused::BadPlacement { partition: *partition, rule });
            if above.replace(*partition).is_some_and(|last| last >= *partition) {
                return refuse("partitions ascend");
            }
            if partition.0 >= self.partitions {
                return refuse("there is no such partition");
            }
            if let Err(rule) = self.check_move(*partition, voters) {
                return refuse(rule);
            }
        }
        let version = self.version + 1;
        let mut applied = Applied::Unchanged;
        for Move { partition, voters } in moves {
            let target = &mut self.targets[usize::from(partition.0)];
            if target.voters != *voters {
                *target = Target { voters: voters.clone(), version };
                applied = Applied::Changed;
            }
        }
        Ok(applied)
    }

    /// New voters are up; those that are not were voters before.
    fn check_move(&self, partition: PartitionId, voters: &[NodeId]) -> Result<(), &'static str> {
        if voters.is_empty() || voters.len() > REPLICAS_MAX {
            return Err("a partition has 1 to 7 voters");
        }
        if (1..voters.len()).any(|at| voters[..at].contains(&voters[at])) {
            return Err("a partition's voters are different nodes");
        }
        for voter in voters {
            let member = self.member(*voter).ok_or("a voter is no member")?;
            if !member.state.is_live() {
                return Err("a voter was removed");
            }
            if member.state != MemberState::Up && !self.voters_of(partition).contains(voter) {
                return Err("a new voter is up");
            }
        }
        if !self.is_witnessed_well(voters) {
            return Err("a witness votes, as the last, with two that hold data");
        }
        let is_up = |voter: &NodeId| self.member(*voter).is_some_and(Member::is_up_with_data);
        if !voters.iter().any(is_up) && self.data_nodes().next().is_some() {
            return Err("at least one voter is up");
        }
        Ok(())
    }

    fn set_replicas(&mut self, replicas: u8) -> Result<Applied, Refused> {
        check_replicas(replicas)?;
        if self.replicas_wanted == replicas {
            return Ok(Applied::Unchanged);
        }
        self.replicas_wanted = replicas;
        Ok(Applied::Changed)
    }

    fn set(&mut self, key: &str, value: Option<&str>) -> Result<Applied, Refused> {
        if key.is_empty() || key.len() > SETTING_KEY_BYTES_MAX {
            return Err(Refused::invalid("key of a setting", key, "use 1 to 256 bytes"));
        }
        if self.setting(key) == value {
            return Ok(Applied::Unchanged);
        }
        let Some(value) = value else {
            self.settings.remove(key);
            return Ok(Applied::Changed);
        };
        if value.len() > SETTING_VALUE_BYTES_MAX {
            return Err(Refused::invalid("value of a setting", value.len(), "use at most 1 MiB"));
        }
        let advice = "delete some";
        let before = self.setting(key).map(|value| key.len() + value.len());
        if before.is_none() && self.settings.len() >= SETTINGS_MAX {
            return Err(Refused::Full { what: "settings", limit: SETTINGS_MAX, advice });
        }
        if self.settings_bytes() - before.unwrap_or(0) + key.len() + value.len() > SETTINGS_BYTES_MAX {
            return Err(Refused::Full { what: "bytes of settings", limit: SETTINGS_BYTES_MAX, advice });
        }
        self.settings.insert(key.to_owned(), value.to_owned());
        Ok(Applied::Changed)
    }
}

impl Member {
    fn enter(&mut self, state: MemberState, time: Millis) {
        self.state = state;
        self.changed = time;
    }

    fn forget_addresses(&mut self) {
        self.peer_address.clear();
        self.client_address.clear();
        self.tls_port = 0;
    }

    fn has_any(&self, addresses: [&str; 2]) -> bool {
        self.addresses().any(|address| addresses.contains(&address))
    }

    fn keeps_its_addresses(&self) -> bool {
        matches!(self.state, MemberState::Joining | MemberState::Up)
    }
}

fn check_replicas(replicas: u8) -> Result<(), Refused> {
    if replicas == 0 || usize::from(replicas) > REPLICAS_MAX {
        return Err(Refused::invalid("number of replicas", replicas, "use 1 to 7"));
    }
    Ok(())
}
