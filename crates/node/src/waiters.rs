//! Who waits for keys of a partition (`BLPOP` and its like): the side of the partition.
//!
//! A client's worker registers it with `narf.await` where each of its keys is led. When a key of its has something and
//! whoever came before has gone, it is told so (`+READY`) and tries its request as any other, in the order of the line
//! (`tries`); until it has found something or says `narf.release`, or for [`TURN_MS`], so much of the key is kept for it
//! from others who wait. Nothing is taken out for a client that may not be there any more, and a registration that is
//! lost on the way is made again without harm.
//!
//! On a node that has the partition alone, a request whose keys are all in it is run here and now, before any other
//! request: there is nobody to be told, and nothing to be lost.
//!
//! Invariants: a client waits in a partition once; the line is in the order in which clients began to wait; each
//! registration is answered once. Does not know: sessions, timeouts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use base::{Args, DbIndex, HashMap, Millis, PartitionId, parse_i64};
use command::{Lookup, Run};
use engine::{Kind, Patience};

use crate::acl::User;
use crate::errand::{Answers, Dest, ErrandHead};
use crate::fabric::split;
use crate::held_tries::HeldTries;
use crate::partition::Partition;
use crate::wire::WireRequest;
use crate::worker::Worker;

/// How long a client that was told to try has its turn.
pub(crate) const TURN_MS: u64 = 1000;
/// How soon turns are looked at again in a partition that was lent when some ended.
const LENT_MS: u64 = 20;
/// It is a client's turn.
pub(crate) const READY: &[u8] = b"+READY\r\n";
/// Nobody here serves the partition any more: register where it is led.
pub(crate) const AGAIN: &[u8] = b"+AGAIN\r\n";
/// The waiting has ended, as the client's worker asked for.
pub(crate) const GONE: &[u8] = b"+GONE\r\n";

/// What a try that finds nothing says.
pub(crate) const NOTHING: &[u8] = b"*-1\r\n";

/// Whether a reply of a blocking request says that there was nothing.
pub(crate) fn is_nothing(reply: &[u8]) -> bool {
    matches!(reply, NOTHING | b"$-1\r\n" | b"_\r\n")
}

/// A place in the line: since when a client waits, wall clock, and a number for those of one moment.
pub(crate) type Place = (Millis, u64);

pub(crate) struct Waiter {
    /// Of the registration: who is to be answered.
    pub(crate) head: ErrandHead,
    request: WireRequest,
    pub(crate) kind: Kind,
    /// How much of that there must be before it can do anything.
    pub(crate) least: usize,
    /// Those of its keys that are in this partition.
    pub(crate) keys: Vec<Box<[u8]>>,
    may_serve: bool,
    /// Who is asked about before it is served; none may do everything.
    user: Option<Box<[u8]>>,
    /// It was told to try. Its registration is answered.
    pub(crate) turn: Option<Turn>,
}

/// Of a client that was told to try.
#[derive(Clone, Copy)]
pub(crate) struct Turn {
    /// Steady clock: until when it has it.
    pub(crate) until: Millis,
    /// Its try was let in, or answered.
    pub(crate) has_tried: bool,
}

/// Those who wait for one key.
#[derive(Default)]
pub(crate) struct Line {
    pub(crate) places: BTreeSet<Place>,
    /// Of them, those who were told to try and have not tried: whoever is behind them tries later.
    pub(crate) told: BTreeSet<Place>,
}

/// The clients that wait for keys of one partition.
#[derive(Default)]
pub(crate) struct Waiters {
    pub(crate) line: BTreeMap<Place, Waiter>,
    pub(crate) by_key: BTreeMap<(DbIndex, Box<[u8]>), Line>,
    pub(crate) by_client: HashMap<u64, Place>,
    pub(crate) arrivals: u64,
    /// Tries that came before their turn, in the order in which they go on.
    pub(crate) held: HeldTries,
}

impl Waiters {
    pub(crate) fn is_empty(&self) -> bool {
        self.line.is_empty() && self.held.is_empty()
    }

    /// Who comes next in the line of a key behind a place, or first.
    fn next_of_key(&self, db: DbIndex, key: &[u8], behind: Option<Place>) -> Option<Place> {
        let line = self.by_key.get(&(db, key.into()))?;
        let from = behind.map_or(Bound::Unbounded, Bound::Excluded);
        line.places.range((from, Bound::Unbounded)).next().copied()
    }
}

impl Partition {
    /// Whether keys that someone waits for were changed.
    pub(crate) fn has_stirred_waiters(&self) -> bool {
        !self.waiters.is_empty() && self.keyspaces().any(|(_, keyspace)| keyspace.has_changed_awaited())
    }

    fn take_stirred(&mut self) -> Vec<(DbIndex, Box<[u8]>)> {
        let of_db = |(db, keyspace): (DbIndex, &mut engine::Keyspace)| {
            keyspace.take_changed_awaited().into_iter().map(move |key| (db, key))
        };
        self.keyspaces_mut().flat_map(of_db).collect()
    }

    fn add_waiter(&mut self, since: Millis, waiter: Waiter) {
        let (db, who) = (waiter.head.db, waiter.head.who);
        self.waiters.arrivals += 1;
        let place = (since, self.waiters.arrivals);
        for key in &waiter.keys {
            let keyspace = self.keyspace(db);
            keyspace.await_key(key);
            keyspace.look_at_awaited(key);
            self.waiters.by_key.entry((db, key.clone())).or_default().places.insert(place);
        }
        self.waiters.by_client.insert(who, place);
        self.waiters.line.insert(place, waiter);
    }

    /// Takes a client out of the line; its keys are looked at again if it had its turn.
    pub(crate) fn remove_waiter(&mut self, place: Place) -> Option<Waiter> {
        let waiter = self.waiters.line.remove(&place)?;
        let db = waiter.head.db;
        self.waiters.by_client.remove(&waiter.head.who);
        for key in &waiter.keys {
            let tag = (db, key.clone());
            if let Some(line) = self.waiters.by_key.get_mut(&tag) {
                line.places.remove(&place);
                line.told.remove(&place);
                if line.places.is_empty() {
                    self.waiters.by_key.remove(&tag);
                }
            }
            let keyspace = self.keyspace(db);
            if waiter.turn.is_some() {
                keyspace.look_at_awaited(key);
            }
            keyspace.unawait_key(key);
        }
        Some(waiter)
    }

    /// Nobody is served here from now on.
    pub(crate) fn send_waiters_away(&mut self, answers: &mut Answers) {
        for place in self.waiters.line.keys().copied().collect::<Vec<_>>() {
            if let Some(waiter) = self.remove_waiter(place)
                && waiter.turn.is_none()
            {
                answers.push(waiter.head.dest, AGAIN);
            }
        }
        self.take_stirred();
    }

    /// Forgets those that `is_gone` says are not there any more; whether there were any.
    fn forget_waiters(&mut self, is_gone: impl Fn(Dest, Option<Turn>) -> bool) -> bool {
        let gone =
            |(place, waiter): (&Place, &Waiter)| is_gone(waiter.head.dest, waiter.turn).then_some(*place);
        let gone: Vec<Place> = self.waiters.line.iter().filter_map(gone).collect();
        gone.iter().for_each(|place| {
            self.remove_waiter(*place);
        });
        !gone.is_empty()
    }

    /// When the first turn of a client ends, or the first try was held for long enough.
    fn next_turn_end(&self) -> Millis {
        let turns = self.waiters.line.values().filter_map(|waiter| waiter.turn).map(|turn| turn.until);
        turns.min().unwrap_or(Millis::NEVER).min(self.waiters.held.first_end())
    }
}

impl Worker {
    /// `narf.await`: puts a client into the line of a partition that is at hand.
    pub(crate) fn take_waiter(&mut self, head: ErrandHead, args: Args<'_>) {
        let since = parse_i64(args.at(1)).and_then(|since| u64::try_from(since).ok());
        let request = WireRequest::parse(args.at(3));
        let (Some(since), Some(request)) = (since, request) else {
            return self
                .fabric
                .answers
                .error(&head, "ERR malformed narf.await; are all nodes of one version?");
        };
        let patience = match command::lookup(request.args()) {
            Lookup::Found(spec) if spec.arity_ok(request.args().len()) => match spec.run {
                Run::Data(command) => Patience::of(command, request.args()).map(|patience| (spec, patience)),
                Run::Node(_) | Run::Container => None,
            },
            _ => None,
        };
        let Some((spec, patience)) = patience else {
            return self.fabric.answers.error(&head, "ERR narf.await of a request that does not wait");
        };
        let is_here = |key: &&[u8]| self.router.partition(head.db, key) == head.partition;
        let mut keys: Vec<Box<[u8]>> = patience.keys().iter().filter(is_here).map(Box::from).collect();
        keys.sort_unstable();
        keys.dedup();
        let (kind, least, may_serve) = (patience.kind, patience.least, args.at(2) == b"1");
        let user = args.get(4).map(Box::from);
        let head = ErrandHead { spec, ..head };
        let waiter = Waiter { head, request, kind, least, keys, may_serve, user, turn: None };
        let id = head.partition;
        let Some(partition) = self.partition_mut(id) else { return };
        // The same client again: it had its turn and found nothing, or what it was told was lost.
        if let Some(place) = partition.waiters.by_client.get(&head.who).copied() {
            partition.remove_waiter(place);
        }
        partition.add_waiter(Millis(since), waiter);
        self.stirred_waiters.push(id);
    }

    /// `narf.release`: takes a client out of the line. If it was not told anything yet, it is told that.
    pub(crate) fn release_waiter(&mut self, head: &ErrandHead) {
        let Some(partition) = self.partition_mut(head.partition) else { return };
        let place = partition.waiters.by_client.get(&head.who).copied();
        if let Some(waiter) = place.and_then(|place| partition.remove_waiter(place))
            && waiter.turn.is_none()
        {
            self.fabric.answers.push(waiter.head.dest, GONE);
        }
        let held = self.partition_mut(head.partition).and_then(|p| p.waiters.held.take_of(head.who));
        if let Some(held) = held {
            held.find_nothing(&mut self.fabric.answers);
        }
        self.stirred_waiters.push(head.partition);
        self.fabric.answers.push(head.dest, b"+OK\r\n");
    }

    /// Serves those who wait for what the requests so far have brought. Not while one of them is under way: what it
    /// does is done as a whole first.
    #[inline]
    pub(crate) fn serve_waiters(&mut self) {
        if !self.stirred_waiters.is_empty() {
            self.serve_stirred();
        }
    }

    #[cold]
    fn serve_stirred(&mut self) {
        // Each round serves someone, who is gone then, gives someone a turn, or lets a try go on; so this ends.
        while !self.stirred_waiters.is_empty() {
            for id in std::mem::take(&mut self.stirred_waiters) {
                // A guest is looked at when it is at home again.
                if self.router.owner(id) != self.id {
                    continue;
                }
                for (db, key) in self.partition_mut(id).map(Partition::take_stirred).unwrap_or_default() {
                    self.serve_line(id, db, &key);
                }
                self.let_tries_go_on(id);
            }
        }
    }

    /// Serves the line of one key as far as it reaches.
    fn serve_line(&mut self, id: PartitionId, db: DbIndex, key: &[u8]) {
        let (wall, is_spread) = (self.now.millis(), self.fabric.is_spread);
        let Some(partition) = self.partition_mut(id) else { return };
        let may_serve = partition.group.is_lone() && !is_spread;
        // The line may be long, and what there is for it short.
        let (mut kept, mut behind) = (0, None);
        loop {
            let Some(partition) = self.partition_mut(id) else { return };
            let Some(place) = partition.waiters.next_of_key(db, key, behind) else { return };
            behind = Some(place);
            let now = partition.time(wall);
            let stock = partition.existing(db).and_then(|keyspace| keyspace.stock(key, now));
            let Some((kind, len)) = stock.filter(|(_, len)| *len > kept) else { return };
            // One that needs more than there is stays in the line, and is in nobody's way.
            let is_next = |waiter: &&Waiter| waiter.kind == kind && waiter.least <= len - kept;
            let Some(waiter) = partition.waiters.line.get(&place).filter(is_next) else { continue };
            let (is_served_here, least) = (may_serve && waiter.may_serve, waiter.least);
            if waiter.turn.is_some() {
                kept += least;
            } else if may_serve && kept > 0 {
                // Whoever has its turn will be done in a moment, and comes first.
                return;
            } else if is_served_here && self.is_still_allowed(id, place) {
                self.serve_waiter(id, place);
            } else {
                kept += least;
                self.give_turn(id, place);
            }
        }
    }

    /// Tells a client that it is its turn to try.
    fn give_turn(&mut self, id: PartitionId, place: Place) {
        let until = Millis(self.now.mono_millis().0 + TURN_MS);
        let Some(partition) = self.partition_mut(id) else { return };
        let Some(waiter) = partition.waiters.line.get_mut(&place) else { return };
        waiter.turn = Some(Turn { until, has_tried: false });
        let (dest, db) = (waiter.head.dest, waiter.head.db);
        for key in &waiter.keys {
            if let Some(line) = partition.waiters.by_key.get_mut(&(db, key.clone())) {
                line.told.insert(place);
            }
        }
        self.turns_end = self.turns_end.min(until);
        self.fabric.answers.push(dest, READY);
    }

    /// Whether a client's user may still make its request, as far as that is known here; if not, its own worker tells it
    /// so when it tries.
    fn is_still_allowed(&self, id: PartitionId, place: Place) -> bool {
        let Some(waiter) = self.place_of(id).and_then(|partition| partition.waiters.line.get(&place)) else {
            return false;
        };
        let is_allowed = |user: &Arc<User>| user.check(waiter.head.spec, waiter.request.args()).is_ok();
        waiter.user.as_deref().is_none_or(|name| self.users.find(name).is_some_and(is_allowed))
    }

    /// Runs a client's request where it waits.
    fn serve_waiter(&mut self, id: PartitionId, place: Place) {
        let Some(partition) = self.partition_mut(id) else { return };
        let Some(waiter) = partition.waiters.line.get(&place) else { return };
        let (head, request) = (waiter.head, waiter.request.clone());
        let mut out = Vec::new();
        let changed = self.run_alone(&head, request.args(), request.raw(), &mut out);
        if is_nothing(&out) {
            return;
        }
        if let Some(partition) = self.partition_mut(id) {
            partition.remove_waiter(place);
        }
        self.answer_alone(&head, changed, &out);
    }

    /// Those whose turn is over without a word of them have lost it.
    pub(crate) fn end_turns(&mut self) {
        let now = self.now.mono_millis();
        if now < self.turns_end {
            return;
        }
        self.turns_end = Millis::NEVER;
        let is_spread = self.fabric.is_spread;
        for place in 0..self.places.len() {
            let is_own = self.router.owner(PartitionId(place as u16)) == self.id;
            let Some(partition) = self.places[place].partition.as_deref_mut() else {
                // It is lent, and comes back with turns that may be over.
                if is_own && !is_spread {
                    self.turns_end = self.turns_end.min(Millis(now.0 + LENT_MS));
                }
                continue;
            };
            if partition.waiters.is_empty() {
                continue;
            }
            if partition.forget_waiters(|_, turn| turn.is_some_and(|turn| turn.until <= now)) {
                self.stirred_waiters.push(PartitionId(place as u16));
            }
            partition.end_holds(now, &mut self.fabric.answers);
            self.turns_end = self.turns_end.min(partition.next_turn_end());
        }
    }

    /// There is no way to a node any more: its clients register again when there is.
    pub(crate) fn forget_waiters_of(&mut self, node: u64) {
        let (_, places, _) = split(self);
        let mut stirred = Vec::new();
        for partition in places.iter_mut().filter_map(|place| place.partition.as_deref_mut()) {
            let is_its = |dest, _| matches!(dest, Dest::Node { node: of, .. } if of == node);
            if !partition.waiters.is_empty() && partition.forget_waiters(is_its) {
                stirred.push(partition.id());
            }
        }
        self.stirred_waiters.extend(stirred);
    }
}
