//! Tries of clients that wait (`waiters`), in the order of their line.
//!
//! What comes at once is for several clients, who are told so at once. Each tries from its own node, and what arrives
//! first need not be of whoever came first. So a try is held while someone before its client in the line of one of its
//! keys was told and has not tried. When that one has tried, has let go, or has lost its turn or its node, it goes on: nobody
//! waits for what came of another's try, for those of one entry are applied in the order in which they were let in.
//!
//! Invariants: a held try is answered once, goes on, or is sent to who leads now, and is told that there is nothing if it
//! was held for [`HELD_MS`]; its client keeps its place in the line. One whose client lets go, or whose node is lost, takes
//! nothing out. Does not know: sessions, timeouts.

use std::ops::{Bound, Range};

use base::{Args, Millis, PartitionId};
use command::{Flags, Run};
use engine::Patience;
use resp::Reply;

use crate::errand::{Answers, Dest, Errand, ErrandHead};
use crate::fabric::split;
use crate::held_tries::Held;
use crate::hints::Standing;
use crate::partition::Partition;
use crate::waiters::{Place, TURN_MS, Turn, Waiter, Waiters, is_nothing};
use crate::wire::WireRequest;
use crate::worker::Worker;

/// How long a try is held at most: whoever comes first may lose its turn and be told once more meanwhile. Far below what a
/// node waits for the answer.
const HELD_MS: u64 = 2 * TURN_MS;
/// Tries held for one partition; more are told that there is nothing, and their clients stand in the line.
const HELD_MAX: usize = 10_000;

/// What a try may do now.
pub(crate) enum Outlook {
    /// Take what it finds. If some of its keys have only what is kept for others: as this request, without them.
    Open(Option<WireRequest>),
    /// Wait until those have tried who come before it.
    Later,
    /// There is nothing, or only what is kept for others: it need not become an entry.
    Nothing,
}

/// The same for one key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Share {
    Open,
    Later,
    /// All of it is kept for those who come before.
    Kept,
    Nothing,
}

impl Waiters {
    /// Whether someone before `place` was told of a key and has not tried.
    fn is_before(&self, head: &ErrandHead, key: &[u8], place: Option<Place>) -> bool {
        let first = self.by_key.get(&(head.db, key.into())).and_then(|line| line.told.first());
        first.is_some_and(|first| place.is_none_or(|place| *first < place))
    }

    /// Those before `place` in the line of a key, or all.
    fn before(&self, head: &ErrandHead, key: &[u8], place: Option<Place>) -> impl Iterator<Item = &Waiter> {
        let line = self.by_key.get(&(head.db, key.into()));
        let range = (Bound::Unbounded, place.map_or(Bound::Unbounded, Bound::Excluded));
        let places = line.into_iter().flat_map(move |line| line.places.range(range));
        places.filter_map(|place| self.line.get(place))
    }
}

impl Partition {
    /// What a try may do now, going by what is applied here.
    pub(crate) fn outlook(&self, head: &ErrandHead, args: Args<'_>, now: Millis) -> Outlook {
        let Run::Data(command) = head.spec.run else { return Outlook::Open(None) };
        let Some(patience) = Patience::of(command, args) else { return Outlook::Open(None) };
        let shares: Vec<Share> =
            patience.keys().iter().map(|key| self.share_of(head, key, &patience, now)).collect();
        if shares.contains(&Share::Later) {
            return Outlook::Later;
        }
        if !shares.contains(&Share::Open) {
            return Outlook::Nothing;
        }
        if !shares.contains(&Share::Kept) {
            return Outlook::Open(None);
        }
        let is_left = |(at, share): (usize, &Share)| (*share != Share::Kept).then_some(at..at + 1);
        let left: Vec<Range<usize>> = shares.iter().enumerate().filter_map(is_left).collect();
        let words = patience.words_for(&left);
        Outlook::Open(Some(WireRequest::encode(&words.iter().map(|word| &**word).collect::<Vec<_>>())))
    }

    fn share_of(&self, head: &ErrandHead, key: &[u8], patience: &Patience<'_>, now: Millis) -> Share {
        let (kind, least) = (patience.kind, patience.least);
        let len = match self.existing(head.db).and_then(|keyspace| keyspace.stock(key, now)) {
            // It is told that this is something else.
            Some((of, _)) if of != kind => return Share::Open,
            Some((_, len)) => len,
            None => 0,
        };
        let place = self.waiters.by_client.get(&head.who).copied();
        let (mut left, mut is_first) = (len, true);
        // Who was told of its only key was told because there is enough for it and all before it.
        let is_told = patience.keys().len() == 1
            && place.and_then(|place| self.waiters.line.get(&place)).is_some_and(|own| own.turn.is_some());
        let before = if is_told { None } else { Some(self.waiters.before(head, key, place)) };
        for waiter in before.into_iter().flatten().filter(|waiter| waiter.kind == kind) {
            is_first = false;
            if left < least {
                break;
            }
            // Who wants more than there is takes nothing.
            left -= if waiter.least <= left { waiter.least } else { 0 };
        }
        match left < least {
            true if !is_first => Share::Kept,
            // What is under way may bring something.
            true if self.replica.is_caught_up() => Share::Nothing,
            true => Share::Open,
            false if self.waiters.is_before(head, key, place) => Share::Later,
            false => Share::Open,
        }
    }

    /// Holds a try back until those before it have tried. False if too many are.
    fn hold_try(&mut self, errand: Errand, until: Millis) -> bool {
        let Run::Data(command) = errand.head.spec.run else { return false };
        let Some(patience) = Patience::of(command, errand.request.args()) else { return false };
        if self.waiters.held.len() >= HELD_MAX {
            return false;
        }
        let keys = patience.keys().iter().map(Box::from).collect();
        let waiters = &mut self.waiters;
        let place = match waiters.by_client.get(&errand.head.who) {
            Some(place) => *place,
            // It stands in no line, so all who do come before it.
            None => {
                waiters.arrivals += 1;
                (Millis::NEVER, waiters.arrivals)
            }
        };
        // Its word has come: it keeps its turn meanwhile.
        if let Some(turn) = waiters.line.get_mut(&place).and_then(|waiter| waiter.turn.as_mut()) {
            turn.until = until;
        }
        waiters.held.hold(place, Held { errand, keys, until });
        true
    }

    /// The try of a client is let in, or answered: whoever is behind it may try.
    fn note_tried(&mut self, who: u64, until: Millis) {
        let Waiters { line, by_key, by_client, .. } = &mut self.waiters;
        let Some(place) = by_client.get(&who).copied() else { return };
        let Some(waiter) = line.get_mut(&place).filter(|waiter| waiter.turn.is_some()) else { return };
        waiter.turn = Some(Turn { until, has_tried: true });
        for key in &waiter.keys {
            if let Some(line) = by_key.get_mut(&(waiter.head.db, key.clone())) {
                line.told.remove(&place);
            }
        }
    }

    /// A try of a client was applied: if it found something, the client waits no more, and nothing is kept for it.
    pub(crate) fn note_outcome(&mut self, head: &ErrandHead, answer: &[u8]) {
        if is_nothing(answer) || self.waiters.line.is_empty() {
            return;
        }
        let place = self.waiters.by_client.get(&head.who).copied();
        let has_tried = |place: &Place| {
            let turn = self.waiters.line.get(place).and_then(|waiter| waiter.turn);
            turn.is_some_and(|turn| turn.has_tried)
        };
        if let Some(place) = place.filter(has_tried) {
            self.remove_waiter(place);
        }
    }

    /// Takes out the next try behind `behind` that need not be held any more.
    fn next_free(&mut self, behind: Option<Place>, now: Millis) -> Option<(Place, Errand)> {
        let is_free = |(place, held): &(Place, &Held)| {
            let Errand { head, request } = &held.errand;
            let mut waits = held.keys.iter().map(|key| self.waiters.is_before(head, key, Some(*place)));
            // It may be that what it waits for is not what it could have.
            !waits.all(|waits| waits)
                && (held.keys.len() == 1
                    || !matches!(self.outlook(head, request.args(), now), Outlook::Later))
        };
        let place = self.waiters.held.foremost(behind).filter(is_free).map(|(place, _)| place).min()?;
        self.waiters.held.take(place).map(|held| (place, held.errand))
    }

    /// Those who were held for too long are told that there is nothing.
    pub(crate) fn end_holds(&mut self, now: Millis, answers: &mut Answers) {
        let over = self.waiters.held.take_those(|held| held.until <= now);
        over.iter().for_each(|held| held.find_nothing(answers));
    }
}

impl Worker {
    /// Whether a request that waits would find nothing in a partition at hand that has all of its keys, or comes before
    /// its turn.
    pub(crate) fn finds_nothing(&self, head: &ErrandHead, args: Args<'_>) -> bool {
        head.spec.flags.contains(Flags::BLOCKING)
            && self.place_of(head.partition).is_some_and(|partition| {
                let now = partition.time(self.now.millis());
                !matches!(partition.outlook(head, args, now), Outlook::Open(_))
            })
    }

    /// Takes up a try on a partition that is led here.
    #[cold]
    pub(crate) fn take_try(&mut self, head: ErrandHead, args: Args<'_>, raw: &[u8]) {
        let (wall, mono, id) = (self.now.millis(), self.now.mono_millis(), head.partition);
        let Some(partition) = self.partition_mut(id) else { return };
        let mut outlook = partition.outlook(&head, args, partition.time(wall));
        if matches!(outlook, Outlook::Later) {
            let until = Millis(mono.0 + HELD_MS);
            if partition.hold_try(Errand { head, request: WireRequest::copy_of(args, raw) }, until) {
                self.turns_end = self.turns_end.min(until);
                return;
            }
            outlook = Outlook::Nothing;
        }
        partition.note_tried(head.who, Millis(mono.0 + TURN_MS));
        if !partition.waiters.held.is_empty() {
            self.stirred_waiters.push(id);
        }
        match outlook {
            Outlook::Open(None) => self.let_in(head, args, raw),
            Outlook::Open(Some(request)) => self.let_in(head, request.args(), request.raw()),
            Outlook::Later | Outlook::Nothing => {
                Reply::new(self.fabric.answers.buffer(), head.version).null_array();
                self.fabric.answers.seal(head.dest);
            }
        }
    }

    fn let_in(&mut self, head: ErrandHead, args: Args<'_>, raw: &[u8]) {
        match self.standing(head.partition) {
            Standing::Lone => self.serve_alone(&head, args, raw),
            Standing::Leads | Standing::Elsewhere(_) | Standing::Nobody => self.take_up(head, args, raw),
        }
    }

    /// The way from a node was lost: its clients were told that nobody knows what became of their tries, so those that are
    /// held take nothing out.
    pub(crate) fn end_tries_of(&mut self, node: u64) {
        let (_, places, fabric) = split(self);
        let is_its = |held: &Held| matches!(held.errand.head.dest, Dest::Node { node: of, .. } if of == node);
        for partition in places.iter_mut().filter_map(|place| place.partition.as_deref_mut()) {
            let its = partition.waiters.held.take_those(is_its);
            its.iter().for_each(|held| held.find_nothing(&mut fabric.answers));
        }
    }

    /// Lets tries go on whose turn has come, in the order of the line: each that goes on lets the next.
    pub(crate) fn let_tries_go_on(&mut self, id: PartitionId) {
        let wall = self.now.millis();
        let mut behind = None;
        while let Some(partition) = self.partition_mut(id).filter(|p| !p.waiters.held.is_empty()) {
            let now = partition.time(wall);
            let Some((place, Errand { head, request })) = partition.next_free(behind, now) else { return };
            behind = Some(place);
            // How long it was held says nothing of the group.
            let (patience, _) = self.errand_times(0);
            let head = ErrandHead { patience, ..head };
            self.errand(head, request.args(), request.raw());
        }
    }
}
