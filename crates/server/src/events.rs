//! What happens in the cluster, as this node sees it, told once each: the last state that was told is compared with the
//! present one.
//!
//! Pure: it is shown the state each second or some ([`watch`](crate::watch)) and answers what to say. Invariants: at most
//! one event of a kind at a look, and no more than [`BURST`] of a kind and then one each [`REFILL_MS`], so that something
//! that goes on and off for weeks fills no disk; what could not be told stays untold, so that the state in which things
//! come to rest is told in the end. What another look might take back is told when two in a row agree.
//! Does not know: where the state comes from, or what a log is.

use std::collections::BTreeMap;

use base::{NodeId, PartitionId};
use cluster::{MemberState, Meta, Refused};
use node::FabricView;

/// Events of a kind that are told one after another, and how long it takes until one more may be.
const BURST: u64 = 20;
const REFILL_MS: u64 = 60_000;
/// A node that is back says where it is some time after it is heard: that is no second return.
const RETURN_MS: u64 = 30_000;

/// The state at one look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// The other members, also those that were removed.
    pub(crate) others: BTreeMap<NodeId, Seen>,
    /// Who has the address of this node, as far as the cluster knows.
    pub(crate) taker: Option<Who>,
    /// As this node sees it; none while its workers do not say.
    pub(crate) view: Option<FabricView>,
    /// Clients' writes would work, and this node has what it is to have.
    pub(crate) is_ready: bool,
}

/// Another member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) who: Who,
    pub(crate) state: MemberState,
    pub(crate) incarnation: u64,
}

/// A member, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) name: String,
    pub(crate) address: String,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Members(Change, Vec<Who>),
    /// Another member has the address of this node.
    Displaced(Who),
    /// It has not any more.
    Replaced,
    /// This node, or another, leads the meta group now.
    Leads(String),
    Leaderless,
    Refused {
        refused: usize,
        partitions: usize,
    },
    AllServed,
    Moving {
        coming: usize,
        going: usize,
    },
    Moved,
    InDoubt(usize),
    /// Replicas of these partitions, which this node leads, are not the same.
    Differ(Vec<PartitionId>),
    Certain,
    Ready,
    /// The system's clock is so far ahead, or behind, and not followed.
    ClockAlarm {
        off_ms: i64,
    },
    /// The time of another node is so far ahead of this one's, or behind.
    ClocksApart {
        name: String,
        ahead_ms: i64,
    },
    /// It is followed again.
    ClockFollowed,
    /// An operator says that it is right.
    ClockAccepted {
        off_ms: i64,
    },
}

/// What became of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    Joined,
    Leaving,
    Left,
    Removed,
    Down,
    Back,
}

/// What may be told how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Members(Change),
    Address,
    Leader,
    Served,
    Moves,
    Doubt,
    Differ,
}

/// How another member was told to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Up,
    Leaving,
    Down,
}

/// What was told of a member last.
#[derive(Clone, Debug)]
struct Told {
    who: Who,
    standing: Standing,
    incarnation: u64,
    back_at: u64,
}

/// See the module.
pub(crate) struct Events {
    me: (NodeId, String),
    members: BTreeMap<NodeId, Told>,
    taker: Option<Who>,
    leader: Option<Option<NodeId>>,
    refused: usize,
    is_moving: bool,
    is_in_doubt: bool,
    awaits_ready: bool,
    last: Look,
    budgets: BTreeMap<Kind, Budget>,
}

/// How many events of a kind may still be told.
struct Budget {
    left: u64,
    since: u64,
}

impl Look {
    /// `addresses`: where this node is, for nodes and for clients.
    pub(crate) fn of(
        meta: &Meta,
        (me, addresses): (NodeId, [&str; 2]),
        view: Option<FabricView>,
        is_ready: bool,
    ) -> Look {
        let others = meta.members().filter(|member| member.node != me).map(|member| {
            let who = Who { name: member.name.clone(), address: member.peer_address.clone() };
            (member.node, Seen { who, state: member.state, incarnation: member.incarnation })
        });
        let taker = match meta.check_free(me, addresses) {
            Err(Refused::AddressTaken { address, holder }) => {
                meta.member(holder).map(|member| Who { name: member.name.clone(), address })
            }
            Ok(()) | Err(_) => None,
        };
        Look { others: others.collect(), taker, view, is_ready }
    }

    fn is_silent(&self, node: NodeId) -> bool {
        self.view.as_ref().is_some_and(|view| view.silent.contains(&node))
    }
}

impl Events {
    /// Those who are members at the start are no news.
    pub(crate) fn new(me: NodeId, name: String, start: Look) -> Events {
        let live = start
            .others
            .iter()
            .filter(|(_, seen)| seen.state.is_live() && seen.state != MemberState::Joining);
        let told = |seen: &Seen| Told {
            who: seen.who.clone(),
            standing: match seen.state {
                MemberState::Leaving => Standing::Leaving,
                MemberState::Down => Standing::Down,
                MemberState::Joining | MemberState::Up | MemberState::Removed => Standing::Up,
            },
            incarnation: seen.incarnation,
            back_at: 0,
        };
        let members: BTreeMap<NodeId, Told> = live.map(|(node, seen)| (*node, told(seen))).collect();
        Events {
            me: (me, name),
            awaits_ready: !members.is_empty(),
            // Who is alone leads, which is no news.
            leader: members.is_empty().then_some(Some(me)),
            members,
            taker: None,
            refused: 0,
            is_moving: false,
            is_in_doubt: false,
            last: start,
            budgets: BTreeMap::new(),
        }
    }

    /// What happened until this look, at a time in milliseconds.
    pub(crate) fn look(&mut self, now: u64, look: Look) -> Vec<Event> {
        let mut events = self.members(now, &look);
        self.address(now, &look, &mut events);
        if let (Some(view), Some(before)) = (&look.view, self.last.view.take()) {
            self.group(now, view, &before, &look, &mut events);
            self.partitions(now, view, &before, &mut events);
        }
        if self.awaits_ready && look.is_ready {
            self.awaits_ready = false;
            events.push(Event::Ready);
        }
        self.last = look;
        events
    }

    fn members(&mut self, now: u64, look: &Look) -> Vec<Event> {
        let mut changes: BTreeMap<Change, Vec<NodeId>> = BTreeMap::new();
        for (node, seen) in &look.others {
            if let Some(change) = self.change_of(now, *node, seen, look) {
                changes.entry(change).or_default().push(*node);
            }
        }
        let mut events = Vec::new();
        for (change, nodes) in changes {
            if !self.may_tell(now, Kind::Members(change)) {
                continue;
            }
            let who = nodes.iter().filter_map(|node| {
                let seen = look.others.get(node)?;
                let told = self.members.get(node).map(|told| told.who.clone());
                let back_at = if change == Change::Back { now } else { 0 };
                let standing = match change {
                    Change::Left | Change::Removed => {
                        self.members.remove(node);
                        // A tombstone has no address any more.
                        return told;
                    }
                    Change::Joined | Change::Back => Standing::Up,
                    Change::Leaving => Standing::Leaving,
                    Change::Down => Standing::Down,
                };
                let told = Told { who: seen.who.clone(), standing, incarnation: seen.incarnation, back_at };
                self.members.insert(*node, told);
                Some(seen.who.clone())
            });
            events.push(Event::Members(change, who.collect()));
        }
        events
    }

    fn change_of(&mut self, now: u64, node: NodeId, seen: &Seen, look: &Look) -> Option<Change> {
        let is_silent = look.is_silent(node);
        let was_silent = self.last.is_silent(node);
        let Some(told) = self.members.get_mut(&node) else {
            return (seen.state == MemberState::Up).then_some(Change::Joined);
        };
        if !seen.state.is_live() {
            // Only who is not heard of is struck off; who goes by itself may be quicker than two looks.
            let left = match told.standing {
                Standing::Leaving => true,
                Standing::Up => !was_silent,
                Standing::Down => false,
            };
            return Some(if left { Change::Left } else { Change::Removed });
        }
        if seen.state == MemberState::Down || is_silent && was_silent {
            return (told.standing != Standing::Down).then_some(Change::Down);
        }
        // One that is heard by one look of two stays what it was.
        if is_silent {
            return None;
        }
        let is_again = seen.incarnation > told.incarnation;
        match (seen.state, told.standing) {
            (MemberState::Leaving, Standing::Leaving) => None,
            (MemberState::Leaving, _) => Some(Change::Leaving),
            (_, Standing::Down | Standing::Leaving) => Some(Change::Back),
            (_, Standing::Up) if is_again && now >= told.back_at.saturating_add(RETURN_MS) => {
                Some(Change::Back)
            }
            (_, Standing::Up) => {
                told.incarnation = seen.incarnation;
                None
            }
        }
    }

    /// A node that has just come back may not know yet that who had its address has gone.
    fn address(&mut self, now: u64, look: &Look, events: &mut Vec<Event>) {
        let is_settled = look.taker == self.last.taker;
        if is_settled && look.taker != self.taker && self.may_tell(now, Kind::Address) {
            self.taker.clone_from(&look.taker);
            events.push(look.taker.clone().map_or(Event::Replaced, Event::Displaced));
        }
    }

    fn group(
        &mut self,
        now: u64,
        view: &FabricView,
        before: &FabricView,
        look: &Look,
        events: &mut Vec<Event>,
    ) {
        let is_settled = view.leader.is_some() || before.leader.is_none();
        if !is_settled || self.leader == Some(view.leader) || !self.may_tell(now, Kind::Leader) {
            return;
        }
        self.leader = Some(view.leader);
        events.push(match view.leader {
            None => Event::Leaderless,
            Some(node) if node == self.me.0 => Event::Leads(self.me.1.clone()),
            Some(node) => Event::Leads(match look.others.get(&node) {
                Some(seen) => seen.who.name.clone(),
                None => node.to_string(),
            }),
        });
    }

    fn partitions(&mut self, now: u64, view: &FabricView, before: &FabricView, events: &mut Vec<Event>) {
        let is_settled = view.refused == 0 || before.refused == view.refused || {
            // While the number still changes, that there are some is told; the number that it comes to is told later.
            self.refused == 0 && before.refused > 0
        };
        if is_settled && self.refused != view.refused && self.may_tell(now, Kind::Served) {
            self.refused = view.refused;
            events.push(match view.refused {
                0 => Event::AllServed,
                refused => Event::Refused { refused, partitions: view.partitions },
            });
        }
        let is_moving = view.coming + view.going > 0;
        if is_moving != self.is_moving && self.may_tell(now, Kind::Moves) {
            self.is_moving = is_moving;
            events.push(match is_moving {
                true => Event::Moving { coming: view.coming, going: view.going },
                false => Event::Moved,
            });
        }
        if view.differing.iter().any(|id| !before.differing.contains(id)) && self.may_tell(now, Kind::Differ)
        {
            events.push(Event::Differ(view.differing.clone()));
        }
        let is_in_doubt = view.in_doubt > 0;
        if is_in_doubt != self.is_in_doubt && self.may_tell(now, Kind::Doubt) {
            self.is_in_doubt = is_in_doubt;
            events.push(if is_in_doubt { Event::InDoubt(view.in_doubt) } else { Event::Certain });
        }
    }

    fn may_tell(&mut self, now: u64, kind: Kind) -> bool {
        let budget = self.budgets.entry(kind).or_insert(Budget { left: BURST, since: now });
        let more = now.saturating_sub(budget.since) / REFILL_MS;
        if more > 0 {
            budget.left = (budget.left + more).min(BURST);
            budget.since += more * REFILL_MS;
        }
        let may = budget.left > 0;
        budget.left -= u64::from(may);
        may
    }
}

impl Event {
    /// Writes it into the log.
    pub(crate) fn log(&self) {
        match self {
            Event::Members(change, who) => log_members(*change, who),
            Event::Displaced(Who { name, address }) => tracing::warn!(
                member = name,
                address,
                "another member has the address of this node, and others may not find it; give one of the two another port, \
                 or another name with `advertise`"
            ),
            Event::Replaced => tracing::info!("no other member has the address of this node any more"),
            Event::Leads(member) => tracing::info!(member, "a member leads the meta group now"),
            Event::Leaderless => tracing::warn!(
                "nobody leads the meta group: members and placement cannot change until a majority is back"
            ),
            Event::Refused { refused, partitions } => {
                tracing::warn!(
                    refused,
                    partitions,
                    "{refused} of {partitions} partitions cannot be written to"
                )
            }
            Event::AllServed => tracing::info!("all partitions can be written to again"),
            Event::Moving { coming, going } => {
                tracing::info!(coming, going, "partitions begin to move to or from this node")
            }
            Event::Moved => tracing::info!("partitions have moved, this node holds what it is to hold"),
            Event::InDoubt(partitions) => tracing::warn!(
                partitions,
                "after a power loss replicas here may have forgotten something; they do not vote until the others confirm"
            ),
            Event::Differ(partitions) => {
                let partitions: Vec<u16> = partitions.iter().map(|id| id.0).collect();
                tracing::error!(
                    ?partitions,
                    "replicas of these partitions do not hold the same; `narf cluster check` says which"
                );
            }
            Event::Certain => tracing::info!("the replicas here are in no doubt any more"),
            Event::Ready => tracing::info!("this node has its data, and writes work"),
            Event::ClockAlarm { off_ms } => tracing::warn!(
                off_ms,
                "the system's clock was set or is wrong, and is not followed; if it is right: narf cluster clock --accept, on \
                 each node on which it is not followed"
            ),
            Event::ClocksApart { name, ahead_ms } => tracing::warn!(
                node = name,
                ahead_ms,
                "the time of another node is not this one's; restart the one that is wrong, it takes the time of the others"
            ),
            Event::ClockFollowed => tracing::info!("the system's clock is followed"),
            Event::ClockAccepted { off_ms } => {
                tracing::info!(off_ms, "the system's clock is accepted as it is")
            }
        }
    }
}

fn log_members(change: Change, who: &[Who]) {
    let join = |part: fn(&Who) -> &str| who.iter().map(part).collect::<Vec<_>>().join(", ");
    let (member, address) = (join(|who| &who.name), join(|who| &who.address));
    match change {
        Change::Joined => tracing::info!(member, address, "a member joined"),
        Change::Leaving => tracing::info!(member, address, "a member is leaving"),
        Change::Left => tracing::info!(member, address, "a member has left"),
        Change::Removed => tracing::warn!(member, address, "a member was removed"),
        Change::Down => tracing::warn!(member, address, "a member is down"),
        Change::Back => tracing::info!(member, address, "a member is back"),
    }
}

#[cfg(test)]
mod tests;
