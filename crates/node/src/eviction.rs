//! The limit of memory: keys go while there is too much, and where none can go, requests that would add are refused.
//!
//! ```text
//!  used ≤ limit ── run
//!  over, keys may go ── evict some; the turn's share is spent ── the request waits for the next turn
//!  over, none may go (or `noeviction`) ── "-OOM …"
//! ```
//!
//! The count is that of the process (`memory`), less what Redis does not count either, because evicting would make more
//! of it: what waits for the log and what is kept of it for replicas. What was deleted and is freed in slices, and
//! deletions that a group has not committed yet, count as gone. Each worker evicts from the partitions that it leads,
//! its share of what is too much; who finds it, when a turn begins or a request would add, asks the others for theirs.
//!
//! A leader chooses by its own access clocks and proposes `narf.evict`; replicas delete what the log says, and nothing
//! else. Of what takes memory here and is led elsewhere, the leaders are asked to evict a share (`shrink`). Invariant: no turn
//! evicts more keys, nor looks at more, than [`Eviction`] has for it. Does not know: sizes of values (`engine`), who asked.

use std::collections::{BTreeMap, BTreeSet};

use base::{DbIndex, Millis, PartitionId, Random, WorkerId};
use command::{DataCommand, Flags, NodeCommand, Run, Spec};
use engine::{Keyspace, Pool, Ranking};

use crate::dispatch::Admitted;
use crate::entry::HEADER_LEN;
use crate::fabric_txn::ExecPlan;
use crate::memory::Evictable;
use crate::message::{Calls, Message, Replies};
use crate::numbered::asked_spec;
use crate::partition::{Partition, ROOM_PER_REQUEST, ROOM_PER_WORD};
use crate::session::{Session, SessionRef, Stall};
use crate::settings::Settings;
use crate::shrink::{Asked, PART_ASKED};
use crate::worker::Worker;

/// What a refused request is told.
pub(crate) const OUT_OF_MEMORY: &str = "OOM command not allowed when used memory > 'maxmemory'.";

/// Keys that a turn may evict for each step of `maxmemory-eviction-tenacity`, and at most: below a millisecond or two.
const KEYS_PER_TENACITY: usize = 100;
/// See above.
const KEYS_A_TURN: std::ops::RangeInclusive<usize> = 50..=2000;
/// Entries that a turn may look at in search of them.
const LOOKS_A_TURN: usize = 20_000;
/// Keys more that a turn may evict for writes which came from other nodes and cannot wait.
const EXTRA_A_TURN: usize = 2000;
/// More samples than this make no better choice.
const SAMPLES_MAX: u32 = 64;
/// How often memory is looked at that requests do not account for.
const LOOK_MS: u64 = 100;
/// Freed beyond what is too much, so that not each request has to evict: a 1024th of the limit, within these.
const MARGIN: std::ops::RangeInclusive<u64> = 4 << 10..=64 << 10;

/// A database of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Site {
    pub(crate) partition: PartitionId,
    db: DbIndex,
}

/// Databases whose keys may go, each with how many those before it and it have.
#[derive(Default)]
pub(crate) struct Sites(Vec<(Site, u64)>);

impl Sites {
    /// Those of which keys may be taken now.
    pub(crate) fn of(evictable: impl Iterator<Item = (Site, u64, bool)>) -> Sites {
        let mut sites = Sites::default();
        for (site, keys, _) in evictable.filter(|(_, keys, now)| *keys > 0 && *now) {
            sites.0.push((site, sites.keys() + keys));
        }
        sites
    }

    fn has(&self, site: Site) -> bool {
        self.0.iter().any(|(other, _)| *other == site)
    }

    pub(crate) fn keys(&self) -> u64 {
        self.0.last().map_or(0, |&(_, keys)| keys)
    }

    /// One of them, the likelier the more keys it has.
    fn draw(&self, random: &mut Random) -> Option<Site> {
        let point = random.below(self.keys().max(1));
        self.0.get(self.0.partition_point(|&(_, keys)| keys <= point)).map(|&(site, _)| site)
    }
}

/// Bytes in use that the limit is not about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uncounted {
    /// Waiting for the log.
    pub log: u64,
    /// Kept of the log for replicas.
    pub replicas: u64,
    /// Deleted, and freed in slices.
    pub condemned: u64,
    /// To be deleted as soon as that is committed.
    pub leaving: u64,
}

impl Uncounted {
    /// All of it; where memory is not counted but that of keys added up, only keys can be among it.
    pub(crate) fn sum(self, is_counted: bool) -> u64 {
        if is_counted { self.log + self.replicas + self.condemned + self.leaving } else { self.leaving }
    }

    pub(crate) fn add(&mut self, other: Uncounted) {
        self.log += other.log;
        self.replicas += other.replicas;
        self.condemned += other.condemned;
        self.leaving += other.leaving;
    }
}

/// Keys of one database that are to go.
#[derive(Default)]
struct Chosen {
    keys: BTreeSet<Box<[u8]>>,
    /// What they take.
    bytes: usize,
}

/// Whether there is room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// There is, or will be: what is too much is about to go.
    Enough,
    /// There will be in a later turn: this one has evicted its share.
    Later,
    /// Nothing can go.
    None,
}

/// How a node stands to its limit of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// It uses no more than it may.
    None,
    /// It uses more, and has keys that may go.
    Evicts,
    /// It uses more, and has only keys that may go where others lead.
    Asks,
    /// It uses more, and has none.
    Refuses,
}

/// One worker's part in keeping the limit.
#[derive(Default)]
pub(crate) struct Eviction {
    /// Bytes; zero is no limit.
    limit: u64,
    /// By what keys are chosen; none with the policies that choose at random or not at all.
    ranking: Option<Ranking>,
    evicts: bool,
    /// Only keys with a deadline may go.
    only_lapsing: bool,
    samples: usize,
    keys_a_turn: usize,
    pool: Pool<Site>,
    /// Bytes that others use, as of the beginning of the turn.
    elsewhere: i64,
    /// What may be used before it has to be looked at again: the limit, and what does not count.
    allowance: u64,
    /// What is left of the turn's share.
    keys_left: usize,
    looks_left: usize,
    extra_left: usize,
    /// What leaders on other nodes were asked to evict.
    pub(crate) asked: Asked,
    /// What each of the others is to evict, in bytes; they are asked at the end of the turn.
    asks: u64,
    /// The next turn goes on at once.
    goes_on: bool,
    /// Steady clock: when a turn looks at what is used although no request would add.
    next_look: Millis,
    /// Sessions whose next request waits for the next turn.
    held: Vec<SessionRef>,
    /// Steady clock: since when more is used than may be.
    over_since: Option<Millis>,
    /// How long that was the case before.
    pub(crate) over_ms: u64,
}

impl Eviction {
    /// Whether there is a limit.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.limit > 0
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether there is a limit, and keys may go for it.
    pub(crate) fn may_evict(&self) -> bool {
        self.is_on() && self.evicts
    }

    /// How many keys of a database may go.
    pub(crate) fn keys_that_may_go(&self, keyspace: &Keyspace) -> u64 {
        (if self.only_lapsing { keyspace.deadlines() } else { keyspace.len() }) as u64
    }

    /// Whether the next turn should begin at once.
    pub(crate) fn wants_turn(&self) -> bool {
        self.goes_on || !self.held.is_empty()
    }

    /// How long, in milliseconds, more has been used than may be; and how long in all.
    pub(crate) fn exceeded_ms(&self, now: Millis) -> (u64, u64) {
        let current = self.over_since.map_or(0, |since| now.since(since));
        (current, self.over_ms + current)
    }

    fn set(&mut self, settings: &Settings) {
        let policy = settings.maxmemory_policy;
        if self.ranking != settings.ranking() || self.only_lapsing != policy.only_lapsing() {
            self.pool.clear();
        }
        self.limit = settings.maxmemory;
        self.ranking = settings.ranking();
        self.evicts = policy.evicts();
        self.only_lapsing = policy.only_lapsing();
        #[cfg(narf_plant)]
        if base::plant::is(base::plant::Plant::EvictsLasting) {
            self.only_lapsing = false;
        }
        self.samples = settings.maxmemory_samples.min(SAMPLES_MAX) as usize;
        self.keys_a_turn = (usize::from(settings.maxmemory_eviction_tenacity) * KEYS_PER_TENACITY)
            .clamp(*KEYS_A_TURN.start(), *KEYS_A_TURN.end());
        self.allowance = self.limit;
        self.goes_on = self.limit > 0;
    }

    fn is_spent(&self) -> bool {
        self.keys_left == 0 || self.looks_left == 0
    }

    fn note_over(&mut self, is_over: bool, now: Millis) {
        match (is_over, self.over_since) {
            (true, None) => self.over_since = Some(now),
            (false, Some(since)) => {
                self.over_ms += now.since(since);
                self.over_since = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
}

impl Worker {
    /// The settings have changed.
    pub(crate) fn use_memory_settings(&mut self) {
        self.eviction.set(&self.settings);
        // Whoever was held may run if there is no limit any more.
        self.release_held();
    }

    /// The turn's share, and who waited for it. Now and then evicts what requests did not, for memory is not used by them
    /// alone; here, for what the last turn answered has been sent by now.
    pub(crate) fn begin_memory_turn(&mut self) {
        if !self.memory.is_counted() {
            self.memory.note_bytes(self.id, self.key_bytes());
        }
        let uncounted = self.uncounted();
        self.memory.note_uncounted(self.id, uncounted.sum(self.memory.is_counted()), uncounted.leaving);
        let eviction = &mut self.eviction;
        eviction.elsewhere = self.memory.elsewhere(self.id);
        eviction.allowance = eviction.limit;
        (eviction.keys_left, eviction.looks_left) = (eviction.keys_a_turn, LOOKS_A_TURN);
        eviction.extra_left = EXTRA_A_TURN;
        let now = self.now.mono_millis();
        if std::mem::take(&mut eviction.goes_on) || now >= eviction.next_look {
            eviction.next_look = Millis(now.0 + LOOK_MS);
            let room = self.make_room(0);
            self.eviction.note_over(room != Room::Enough, now);
        }
        self.release_held();
    }

    fn release_held(&mut self) {
        for at in std::mem::take(&mut self.eviction.held) {
            if let Some(session) = self.sessions.find_mut(at)
                && session.stall == Some(Stall::Memory)
            {
                session.stall = None;
                self.resumable.push(at);
            }
        }
    }

    // ---- requests -----------------------------------------------------------------------------------------------------

    /// Whether memory keeps a request of a client from being taken up, or queued: as in Redis that is asked before
    /// anything about the request's words.
    #[cold]
    pub(crate) fn admit_by_memory(&mut self, session: &mut Session, spec: &'static Spec) -> Option<Admitted> {
        use NodeCommand as N;
        let transaction = session.transaction.as_deref();
        let is_queued = transaction.is_some()
            && !matches!(spec.run, Run::Node(N::Exec | N::Discard | N::Quit | N::Reset));
        let is_exec = spec.run == Run::Node(N::Exec) && transaction.is_some_and(|queued| queued.adds);
        if !is_queued && !is_exec && !spec.flags.contains(Flags::DENYOOM) {
            return None;
        }
        match self.make_room(session.output.memory()) {
            Room::Enough => None,
            Room::Later => {
                session.stall = Some(Stall::Memory);
                self.eviction.held.push(session.at);
                Some(Admitted::Later)
            }
            // Where others may lead, the leader knows whether it has room.
            Room::None if self.fabric.is_spread && !is_queued => None,
            Room::None => {
                self.stats.count_rejected(spec);
                Some(self.refuse_for_memory(session, is_exec))
            }
        }
    }

    /// Why a leader refuses a request that came its way.
    pub(crate) fn refused_by_memory(&mut self, spec: &'static Spec, args: base::Args<'_>) -> Option<String> {
        let is_exec = spec.run == Run::Node(NodeCommand::NarfExec);
        if !self.eviction.is_on() {
            return None;
        }
        let spec = asked_spec(spec, args);
        if !(is_exec || spec.flags.contains(Flags::DENYOOM)) {
            return None;
        }
        let mut room = self.make_room(0);
        if room == Room::Later && self.eviction.extra_left > 0 {
            // It cannot wait here: it pays for itself.
            self.eviction.extra_left -= 1;
            self.eviction.keys_left += 2;
            self.eviction.looks_left += 2 * self.eviction.samples;
            room = self.make_room(0);
        }
        if room != Room::None {
            return None;
        }
        if !is_exec {
            return Some(OUT_OF_MEMORY.to_owned());
        }
        let adds =
            |plan: ExecPlan<'_>| plan.requests.iter().any(|(_, spec, _)| spec.flags.contains(Flags::DENYOOM));
        ExecPlan::parse(args)
            .is_some_and(adds)
            .then(|| format!("EXECABORT Transaction discarded because of: {OUT_OF_MEMORY}"))
    }

    // ---- the count ----------------------------------------------------------------------------------------------------

    /// Bytes in use, by the process or, if nobody counts, by keys.
    #[inline]
    fn used_memory(&self) -> u64 {
        let here = self.memory.here().unwrap_or_else(|| self.key_bytes().cast_signed());
        self.eviction.elsewhere.saturating_add(here).max(0).cast_unsigned()
    }

    /// How the node stands to its limit, as far as this worker knows of the others. What was proposed to go and has not gone
    /// is still there.
    pub fn memory_pressure(&self) -> Pressure {
        let uncounted = Uncounted { leaving: 0, ..self.uncounted() };
        let (others, leaving) = self.memory.uncounted_elsewhere(self.id);
        let uncounted = uncounted.sum(self.memory.is_counted()) + others.saturating_sub(leaving);
        let may_use = self.eviction.limit.saturating_add(uncounted);
        let is_over = self.eviction.is_on() && self.used_memory() > may_use;
        let others = |what| self.memory.others_have_evictable(self.id, what);
        let leads = || self.leads_evictable() || others(Evictable::Led);
        let follows = || self.followed_keys() > 0 || others(Evictable::Followed);
        match is_over {
            false => Pressure::None,
            true if self.eviction.evicts && leads() => Pressure::Evicts,
            true if self.eviction.evicts && follows() => Pressure::Asks,
            true => Pressure::Refuses,
        }
    }

    /// Heap bytes of this worker's keys.
    pub(crate) fn key_bytes(&self) -> u64 {
        let partitions = self.places.iter().filter_map(|place| place.partition.as_deref());
        partitions
            .flat_map(|partition| partition.keyspaces())
            .map(|(_, keyspace)| keyspace.memory() as u64)
            .sum()
    }

    /// Bytes in use that the limit is not about; of this worker.
    pub(crate) fn uncounted(&self) -> Uncounted {
        let mut sum = Uncounted { log: self.outbox.frame.capacity() as u64, ..Uncounted::default() };
        for partition in self.places.iter().filter_map(|place| place.partition.as_deref()) {
            sum.log += partition.log_bytes() as u64;
            sum.replicas += partition.group.tail_bytes() as u64;
            sum.condemned += partition.condemned() as u64;
            sum.leaving += partition.replica.evicting as u64;
        }
        sum
    }

    /// Bytes of what this turn has answered so far, here and to other workers: they leave at its end. What clients do not
    /// take counts from the next turn on.
    fn answered_bytes(&self) -> u64 {
        let sessions = self.outbox.send.iter().filter_map(|token| self.sessions.get(*token));
        let to_clients: usize = sessions.map(|session| session.output.memory()).sum();
        let to_workers = self.calls.iter().map(Calls::memory).sum::<usize>()
            + self.replies.iter().map(Replies::memory).sum::<usize>();
        (to_clients + to_workers) as u64
    }

    /// Sees to it that there is room for more, by evicting if need be. `answered`: bytes of answers to the client at hand,
    /// which are not counted like those of others in this turn.
    #[inline]
    fn make_room(&mut self, answered: usize) -> Room {
        let used = self.used_memory();
        if used <= self.eviction.allowance { Room::Enough } else { self.evict_for_room(used, answered) }
    }

    #[cold]
    fn evict_for_room(&mut self, used: u64, answered: usize) -> Room {
        // What is in use is that of all workers, and so must be what does not count.
        let mut uncounted =
            self.uncounted().sum(self.memory.is_counted()) + self.memory.uncounted_elsewhere(self.id).0;
        if self.memory.is_counted() {
            uncounted += self.answered_bytes() + answered as u64;
        }
        self.eviction.allowance = self.eviction.limit.saturating_add(uncounted);
        let is_far_over = used.saturating_sub(self.eviction.allowance) > self.eviction.limit / PART_ASKED;
        // Only leaders elsewhere can help, and they do not: they are slow, or have no limit.
        let is_in_vain = is_far_over
            && !self.leads_evictable()
            && !self.memory.others_have_evictable(self.id, Evictable::Led);
        if !is_in_vain {
            self.eviction.allowance += self.eviction.asked.bytes(self.now.mono_millis());
        }
        let over = used.saturating_sub(self.eviction.allowance);
        if over == 0 {
            return Room::Enough;
        }
        if !self.eviction.evicts {
            return Room::None;
        }
        let (sites, led) = self.sites();
        let has_any = led > 0 || self.has_evictable();
        let others = match self.memory.others_have_evictable(self.id, Evictable::Followed) {
            true => u64::from(self.router.workers()) - 1,
            false => 0,
        };
        let sharers = others + u64::from(has_any);
        if sharers == 0 {
            return Room::None;
        }
        let margin = (self.eviction.limit / 1024).clamp(*MARGIN.start(), *MARGIN.end());
        let share = (over + margin).div_ceil(sharers);
        if others > 0 {
            self.eviction.asks = self.eviction.asks.max(share);
            self.eviction.allowance += share * others;
        }
        let asked = self.ask_leaders(share, led);
        if is_in_vain {
            return Room::None;
        }
        self.eviction.allowance += asked;
        if sites.keys() == 0 {
            // Others evict, or what was proposed is on its way.
            return Room::Enough;
        }
        let own = share - asked;
        if !self.eviction.is_spent() && self.evict(&sites, own) >= own.min(over) {
            return Room::Enough;
        }
        match self.eviction.is_spent() {
            true => {
                self.eviction.goes_on = true;
                Room::Later
            }
            false => Room::Enough,
        }
    }

    /// The end of a turn: asks the other workers for their share, who may sleep while only this one's memory grows, and
    /// lets them know whether they could ask this one.
    pub(crate) fn end_memory_turn(&mut self) {
        if self.router.workers() == 1 {
            return;
        }
        let what = match self.leads_evictable() {
            true => Evictable::Led,
            false if self.followed_keys() > 0 => Evictable::Followed,
            false => Evictable::None,
        };
        self.memory.note_evictable(self.id, what);
        let share = std::mem::take(&mut self.eviction.asks);
        if share > 0 {
            let others = (0..self.router.workers()).map(WorkerId).filter(|worker| *worker != self.id);
            self.outbox.messages.extend(others.map(|worker| (worker, Message::MemoryIsShort(share))));
        }
    }

    /// Another worker found too much in use: this one's share of it.
    pub(crate) fn evict_for_others(&mut self, share: u64) {
        if self.eviction.is_on() && self.eviction.evicts {
            self.acting = 0;
            let (sites, led) = self.sites();
            let asked = self.ask_leaders(share, led);
            self.evict(&sites, share - asked);
        }
    }

    // ---- evicting -----------------------------------------------------------------------------------------------------

    /// The databases that this worker decides about, with how many of their keys may go, and whether they may be taken now:
    /// a group's deletions are proposed one after the other.
    pub(crate) fn evictable(&self) -> impl Iterator<Item = (Site, u64, bool)> {
        let partitions = self.places.iter().filter_map(|place| place.partition.as_deref());
        let led = partitions.filter(|partition| partition.group.is_lone() || partition.group.is_leader());
        led.flat_map(move |partition| {
            partition.keyspaces().map(move |(db, keyspace)| {
                let site = Site { partition: partition.id(), db };
                (site, self.eviction.keys_that_may_go(keyspace), partition.replica.evicting == 0)
            })
        })
    }

    /// Whether this worker has a key that may go, here or where another node leads.
    fn has_evictable(&self) -> bool {
        self.leads_evictable() || self.followed_keys() > 0
    }

    /// Whether it leads one. What is on loan may have some.
    fn leads_evictable(&self) -> bool {
        let is_lent = |id: PartitionId| {
            self.router.owner(id) == self.id && self.places[usize::from(id.0)].partition.is_none()
        };
        self.evictable().any(|(_, keys, _)| keys > 0)
            || (!self.fabric.is_spread && self.router.all().any(is_lent))
    }

    /// Where keys may be taken from now, and how many there are that may go, if not now.
    fn sites(&self) -> (Sites, u64) {
        (Sites::of(self.evictable()), self.evictable().map(|(_, keys, _)| keys).sum())
    }

    /// Evicts about `wanted` bytes within the turn's share; how many bytes it was.
    pub(crate) fn evict(&mut self, sites: &Sites, wanted: u64) -> u64 {
        let mut chosen: BTreeMap<Site, Chosen> = BTreeMap::new();
        let (mut bytes, mut count) = (0, 0);
        while bytes < wanted && count < sites.keys() && !self.eviction.is_spent() {
            let Some((site, key, takes)) = self.choose(sites, &chosen) else { continue };
            let of_site = chosen.entry(site).or_default();
            if of_site.keys.insert(key) {
                self.eviction.keys_left -= 1;
                count += 1;
                bytes += takes as u64;
                of_site.bytes += takes;
            }
        }
        chosen.into_iter().map(|(site, of_site)| self.evict_keys(site, &of_site)).sum()
    }

    /// The key to go next, and the bytes it takes; none if this sample had none. What is chosen is still there until that is
    /// committed, and no better a choice for it: with all as old as another, the same few would be drawn again and again.
    fn choose(&mut self, sites: &Sites, chosen: &BTreeMap<Site, Chosen>) -> Option<(Site, Box<[u8]>, usize)> {
        let site = sites.draw(&mut self.random)?;
        let (point, wall) = (self.random.next_u64(), self.now.millis());
        let Worker { places, eviction, .. } = self;
        let partition = places[usize::from(site.partition.0)].partition.as_deref_mut()?;
        let now = partition.time(wall);
        let keyspace = partition.keyspace(site.db);
        let Some(ranking) = eviction.ranking else {
            if !eviction.only_lapsing {
                eviction.looks_left -= 1;
                return keyspace.random(point).map(|entry| (site, entry.key().into(), entry.memory()));
            }
            let mut found = None;
            keyspace.move_hand(point);
            let looked = keyspace.sample(true, 1, eviction.looks_left, &mut |entry| {
                found.get_or_insert_with(|| (site, entry.key().into(), entry.memory()));
            });
            eviction.looks_left = eviction.looks_left.saturating_sub(looked.max(1));
            return found;
        };
        let pool = &mut eviction.pool;
        let looked =
            keyspace.sample(eviction.only_lapsing, eviction.samples, eviction.looks_left, &mut |entry| {
                if chosen.get(&site).is_none_or(|of_site| !of_site.keys.contains(entry.key())) {
                    pool.offer(site, entry.key(), ranking.of(entry, now));
                }
            });
        eviction.looks_left = eviction.looks_left.saturating_sub(looked.max(1));
        while let Some(best) = eviction.pool.pop() {
            let Some(partition) = places[usize::from(best.place.partition.0)].partition.as_deref() else {
                continue;
            };
            let may_go =
                partition.group.is_lone() || (partition.group.is_leader() && partition.replica.evicting == 0);
            let entry = partition.existing(best.place.db).and_then(|keyspace| keyspace.peek(&best.key));
            // One that was used since is as good as any other.
            let entry = entry.filter(|entry| ranking.of(entry, now) >= best.rank);
            let entry = entry.filter(|entry| !eviction.only_lapsing || entry.deadline().is_some());
            if let Some(entry) = entry.filter(|_| may_go && sites.has(best.place)) {
                return Some((best.place, best.key, entry.memory()));
            }
        }
        None
    }

    /// Deletes keys of one database through the log; how many bytes that frees.
    fn evict_keys(&mut self, site: Site, &Chosen { ref keys, bytes }: &Chosen) -> u64 {
        let len =
            keys.iter().map(|key| key.len() + ROOM_PER_WORD).sum::<usize>() + HEADER_LEN + ROOM_PER_REQUEST;
        if self.logging && !self.has_room(len) {
            return 0;
        }
        let parts: Vec<&[u8]> =
            std::iter::once(b"narf.evict".as_slice()).chain(keys.iter().map(|key| &**key)).collect();
        let Site { partition: id, db } = site;
        let Some(partition) = self.partition_mut(id) else { return 0 };
        #[cfg(narf_plant)]
        if base::plant::is(base::plant::Plant::EvictsUnlogged) {
            keys.iter().for_each(|key| _ = partition.keyspace(db).remove(key, Millis::default()));
            return bytes as u64;
        }
        if !partition.group.is_lone() {
            partition.batch_evict(db, &parts, bytes);
            self.fabric.stir(id);
            self.turn_bytes += len;
            self.eviction.allowance += bytes as u64;
            return bytes as u64;
        }
        let before = partition.keyspace(db).len();
        self.run_own(id, db, DataCommand::NarfEvict, &parts);
        let after = self.partition_mut(id).map_or(before, |partition| partition.keyspace(db).len());
        self.stats.evicted_keys += before.saturating_sub(after) as u64;
        bytes as u64
    }
}

impl Partition {
    /// Proposes an eviction, of keys that take `bytes`.
    pub(crate) fn batch_evict(&mut self, db: DbIndex, request: &[&[u8]], bytes: usize) {
        // Not nothing: that would say that none is on its way.
        self.replica.evicting += bytes.max(1);
        self.batch_own(db, DataCommand::NarfEvict.spec(), request);
    }
}

#[cfg(test)]
mod tests {
    use base::KeyHasher;
    use command::Lookup;
    use raft::{Group, Recovered};

    use super::*;
    use crate::errand::{Dest, ErrandHead};
    use crate::wire::WireRequest;

    #[test]
    fn what_one_leader_was_about_to_evict_is_not_sent_on_to_the_next() {
        let group = Group::recover(crate::fabric::group_config(1, PartitionId(0), 1), Recovered::joiner());
        let mut partition = Partition::joining(PartitionId(0), group.unwrap(), KeyHasher::new(1));
        let request = WireRequest::encode(&[b"set", b"k", b"v"]);
        let Lookup::Found(spec) = command::lookup(request.args()) else { panic!("there is SET") };
        let own = ErrandHead::own(PartitionId(0), DbIndex::ZERO, spec);
        let head = ErrandHead { dest: Dest::Node { node: 2, call: 7 }, ..own };
        partition.batch_evict(DbIndex::ZERO, &[b"narf.evict", b"k"], 10);
        partition.batch_write(head, request.raw());
        partition.batch_evict(DbIndex::ZERO, &[b"narf.evict", b"k"], 10);
        let left = partition.give_up_batch();
        let left: Vec<(&str, Dest)> =
            left.iter().map(|errand| (errand.head.spec.name, errand.head.dest)).collect();
        assert_eq!(left, [("set", head.dest)]);
        assert_eq!(partition.replica.evicting, 0);
    }

    #[test]
    fn a_database_is_drawn_as_often_as_it_has_keys() {
        let site = |partition| Site { partition: PartitionId(partition), db: DbIndex::ZERO };
        let sites = Sites(vec![(site(1), 100), (site(2), 101), (site(3), 400)]);
        let mut random = Random::new(2);
        let mut counts = [0; 4];
        for _ in 0..40_000 {
            counts[usize::from(sites.draw(&mut random).unwrap().partition.0)] += 1;
        }
        assert!((9_500..10_500).contains(&counts[1]), "{counts:?}");
        assert!((50..160).contains(&counts[2]), "{counts:?}");
        assert_eq!(Sites::default().draw(&mut random), None);
    }
}
