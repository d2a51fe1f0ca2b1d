//! Which keys are asked for most, while somebody wants to know: `FABRIC HOTKEYS`, `narf top --view hot`.
//!
//! To ask is to watch: from the first question until some seconds after the last one each worker counts the keys of the
//! requests that it admits; else nothing is counted and nothing is kept. The first requests of each two seconds are counted
//! one by one, of those beyond one in sixteen, which counts as sixteen.
//!
//! The counting is that of Metwally's space-saving: so many tallies, and a key that has none takes over the smallest, with
//! what it held marked as another's. So every key with more than 1/128 of all requests has a tally, and what is told of it
//! is never too much. Figures halve every two seconds, and so does the time that they are of: the rates are of the last few.
//!
//! Does not know: partitions and other nodes. A request is counted where its client is, so once in the cluster.

use std::collections::BTreeMap;

use base::{Args, DbIndex, Millis, Random};
use command::Spec;
use resp::Reply;

use crate::gather::{Answer, Question};
use crate::session::Session;
use crate::worker::Worker;

/// Tallies of a worker.
const KEYS_MAX: usize = 128;
/// Longer keys are known by their beginning.
const KEY_BYTES_MAX: usize = 256;
/// Keys of one request that are counted.
const REQUEST_KEYS_MAX: usize = 16;
/// Requests of a window that are counted one by one, and of how many one is beyond those.
const EXACT_MAX: u32 = 4096;
const SAMPLE: u64 = 16;
const WINDOW_MS: u64 = 2000;
/// How long keys are counted after somebody has asked.
const WATCH_MS: u64 = 10_000;
/// Keys that are told if nobody says how many.
const TOLD: usize = 20;

/// A key as one worker counts it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tally {
    hash: u64,
    db: DbIndex,
    key: Box<[u8]>,
    reads: u64,
    writes: u64,
    /// What the key before it had in this place.
    inherited: u64,
    /// The command that asks for it most, if one does by half, and by how much.
    command: &'static str,
    lead: u64,
}

impl Tally {
    fn total(&self) -> u64 {
        self.inherited + self.reads + self.writes
    }
}

/// What a worker has counted.
#[derive(Default)]
pub(crate) struct HotKeys {
    is_on: bool,
    /// Steady clock.
    until: Millis,
    window_began: Millis,
    /// Milliseconds of the windows before, each halved as often as its figures.
    past_ms: u64,
    /// Requests of this window that were counted one by one.
    exact: u32,
    /// Requests that are passed over before one is counted.
    skip: u64,
    /// Of all keys.
    total: u64,
    tallies: Vec<Tally>,
}

/// What a worker tells: requests for each key in a thousand seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HotReport {
    /// Of all keys.
    total: u64,
    keys: Vec<HotKey>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HotKey {
    db: DbIndex,
    key: Box<[u8]>,
    reads: u64,
    writes: u64,
    command: &'static str,
}

impl HotKeys {
    /// Whether keys are counted.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Somebody wants to know.
    fn watch(&mut self, now: Millis) {
        if !self.is_on || now > self.until {
            *self = HotKeys { is_on: true, window_began: now, ..HotKeys::default() };
        }
        self.until = Millis(now.0 + WATCH_MS);
    }

    /// Counts the keys of a request.
    pub(crate) fn note(
        &mut self,
        now: Millis,
        db: DbIndex,
        spec: &Spec,
        args: Args<'_>,
        random: &mut Random,
    ) {
        if now > self.until {
            *self = HotKeys::default();
            return;
        }
        let mut keys = spec.keys_of(args).take(REQUEST_KEYS_MAX).peekable();
        if keys.peek().is_none() {
            return;
        }
        self.turn_over(now);
        let weight = match self.exact < EXACT_MAX {
            true => {
                self.exact += 1;
                1
            }
            false if self.skip > 0 => {
                self.skip -= 1;
                return;
            }
            false => {
                // One of so many on average, and no pattern of a pipeline hides from it.
                self.skip = random.below(2 * SAMPLE - 1);
                SAMPLE
            }
        };
        for index in keys {
            let key = args.at(index);
            self.add(db, &key[..key.len().min(KEY_BYTES_MAX)], spec, weight);
        }
    }

    fn add(&mut self, db: DbIndex, key: &[u8], spec: &Spec, weight: u64) {
        self.total += weight;
        let hash = u64::from(base::checksum(key));
        let known = self
            .tallies
            .iter_mut()
            .position(|tally| tally.hash == hash && tally.db == db && *tally.key == *key);
        let at = known.unwrap_or_else(|| {
            let (at, inherited) = match self.tallies.len() < KEYS_MAX {
                true => {
                    self.tallies.push(Tally::new());
                    (self.tallies.len() - 1, 0)
                }
                false => {
                    let least =
                        (0..self.tallies.len()).min_by_key(|&at| self.tallies[at].total()).unwrap_or(0);
                    (least, self.tallies[least].total())
                }
            };
            self.tallies[at] = Tally { hash, db, key: key.into(), inherited, ..Tally::new() };
            at
        });
        let tally = &mut self.tallies[at];
        match spec.is_write() {
            true => tally.writes += weight,
            false => tally.reads += weight,
        }
        // Boyer and Moore's vote.
        if tally.command == spec.name {
            tally.lead += weight;
        } else if tally.lead >= weight {
            tally.lead -= weight;
        } else {
            (tally.command, tally.lead) = (spec.name, weight);
        }
    }

    /// Halves all figures when a window is over.
    fn turn_over(&mut self, now: Millis) {
        let elapsed = now.0.saturating_sub(self.window_began.0);
        if elapsed < WINDOW_MS {
            return;
        }
        self.past_ms = (self.past_ms + elapsed) / 2;
        self.window_began = now;
        self.exact = 0;
        self.total /= 2;
        for tally in &mut self.tallies {
            for figure in [&mut tally.reads, &mut tally.writes, &mut tally.inherited, &mut tally.lead] {
                *figure /= 2;
            }
        }
        self.tallies.retain(|tally| tally.total() > 0);
    }

    fn report(&mut self, now: Millis) -> HotReport {
        self.turn_over(now);
        let ms = self.past_ms + now.0.saturating_sub(self.window_began.0);
        let rate = |count: u64| (count * 1_000_000).checked_div(ms).unwrap_or(0);
        let keys = self.tallies.iter().filter(|tally| tally.reads + tally.writes > 0);
        let keys = keys.map(|tally| HotKey {
            db: tally.db,
            key: tally.key.clone(),
            reads: rate(tally.reads),
            writes: rate(tally.writes),
            command: tally.command,
        });
        HotReport { total: rate(self.total), keys: keys.collect() }
    }
}

impl Tally {
    fn new() -> Tally {
        Tally {
            hash: 0,
            db: DbIndex::ZERO,
            key: Box::default(),
            reads: 0,
            writes: 0,
            inherited: 0,
            command: "",
            lead: 0,
        }
    }
}

impl Worker {
    /// Counts the keys of a request that was admitted.
    #[cold]
    pub(crate) fn note_hot_keys(&mut self, session: &Session, spec: &Spec, args: Args<'_>) {
        self.hot_keys.note(self.now.mono_millis(), session.db, spec, args, &mut self.random);
    }

    /// What this worker tells to whoever asks, and goes on counting for.
    pub(crate) fn report_hot_keys(&mut self) -> Answer {
        let now = self.now.mono_millis();
        self.hot_keys.watch(now);
        Answer::HotKeys(self.hot_keys.report(now))
    }

    /// `FABRIC HOTKEYS`.
    pub(crate) fn show_hot_keys(&mut self, session: &mut Session, args: Args<'_>) {
        let count = match args.get(2) {
            None => Some(TOLD),
            Some(word) => base::parse_i64(word)
                .and_then(|count| usize::try_from(count).ok())
                .filter(|count| (1..=KEYS_MAX).contains(count)),
        };
        let Some(count) = count.filter(|_| args.len() <= 3) else {
            let text = format!("ERR FABRIC HOTKEYS takes how many keys to tell of, 1 to {KEYS_MAX}");
            return Reply::new(session.output.end(), session.version).error(text);
        };
        let finish = move |_: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| {
            write_hot_keys(answers, count, reply);
        };
        self.ask(session, Question::HotKeys, Box::new(finish));
    }
}

/// Those of all workers together, the most wanted first.
fn write_hot_keys(answers: Vec<Answer>, count: usize, reply: &mut Reply<'_>) {
    let (mut total, mut sums) = (0, BTreeMap::<(DbIndex, Box<[u8]>), HotKey>::new());
    for answer in answers {
        let Answer::HotKeys(report) = answer else { continue };
        total += report.total;
        for hot in report.keys {
            let sum = sums.entry((hot.db, hot.key.clone())).or_insert_with(|| HotKey {
                reads: 0,
                writes: 0,
                ..hot.clone()
            });
            if hot.reads + hot.writes > sum.reads + sum.writes {
                sum.command = hot.command;
            }
            sum.reads += hot.reads;
            sum.writes += hot.writes;
        }
    }
    let mut keys: Vec<HotKey> = sums.into_values().collect();
    // Stable: those with the same rate stay in their order.
    keys.sort_by_key(|hot| std::cmp::Reverse(hot.reads + hot.writes));
    keys.truncate(count);
    let per_second = |rate: u64| format!("{}", rate as f64 / 1000.0);
    reply.map(2);
    reply.bulk(b"requests/s");
    reply.double_text(per_second(total).as_bytes());
    reply.bulk(b"keys");
    reply.array(keys.len());
    for HotKey { db, key, reads, writes, command } in keys {
        reply.map(5);
        reply.bulk(b"key");
        reply.bulk(&key);
        reply.bulk(b"db");
        reply.int(i64::from(db.number()));
        for (name, rate) in [("reads/s", reads), ("writes/s", writes)] {
            reply.bulk(name.as_bytes());
            reply.double_text(per_second(rate).as_bytes());
        }
        reply.bulk(b"command");
        reply.bulk(command.as_bytes());
    }
}
