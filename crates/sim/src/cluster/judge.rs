//! What clients of a cluster do, and whether what they were told can be true.
//!
//! An answer says that an act took place, that it did not, or that its fate is not known; anything else is a fault. The
//! shared keys and their histories are here, the rules of each kind in the crate `history`.

use history::{Act, Counter, Journal, Loss, Register, Told};
use resp::Value;

use crate::cluster::client::Client;
use crate::cluster::deadlines::Deadlines;
use crate::cluster::events::{Changes, Listener};
use crate::cluster::mix;
use crate::cluster::queue::{Queue, elements};
use crate::trace::tell;

const REGISTERS: u64 = 4;
const JOURNALS: u64 = 3;
const COUNTERS: u64 = 2;
/// Counters that are counted up by numbered requests only.
const EXACT_COUNTERS: u64 = 2;
const TWINS: u64 = 2;
const QUEUES: u64 = 3;
/// Keys that only make the log grow.
const FILLERS: u64 = 20;

/// An act of a client on a shared key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Read(u64),
    Write(u64, u64),
    Swap(u64, u64),
    Append(u64, u64),
    ReadJournal(u64),
    Count(u64),
    ReadCount(u64),
    /// Counted by a numbered request, which is asked for until there is an answer.
    CountOnce(u64, Once),
    ReadExactCount(u64),
    /// Two keys of one slot, in a transaction.
    WriteTwins(u64, u64),
    ReadTwins(u64),
    Fill(u64, u64),
    /// A key of its own is written, to lapse after so many milliseconds; numbered or not.
    Mark(u64, u64, Option<Once>),
    /// A key of its own is written, to lapse after so many milliseconds, and looked for later.
    Lapse(u64, u64),
    ReadLapsing(u64),
    Push(u64, u64),
    /// Waits for something in one of the queues, or in any of them; so many milliseconds.
    Take(Option<u64>, u64),
    ReadQueue(u64),
    /// A command on one of the collections, see [`mix`]: nothing is asked of its answer, but of replicas to be the same.
    Mix(u64),
    /// A key with a long value, of which nothing is asked.
    Bulk(u64),
    /// All keys are deleted, once nobody looks for them any more.
    Flush,
}

impl Asked {
    /// Whether it may be asked for as often as one likes.
    pub(crate) fn is_numbered(&self) -> bool {
        matches!(self.op, Op::CountOnce(..) | Op::Mark(.., Some(_)))
    }

    /// The same, to be asked for again; what it was told, if it was told anything.
    pub(crate) fn again(mut self, told: Option<&Value>) -> Asked {
        let is_known = matches!(told, Some(Value::Error(text)) if !text.starts_with("UNKNOWNOUTCOME"));
        self.may_have_run |= !is_known;
        self
    }
}

/// A number in a client's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Once {
    /// Wall clock, milliseconds: when the session was opened.
    pub(crate) opened: u64,
    pub(crate) client: u64,
    pub(crate) number: u64,
}

impl Once {
    /// Says it of the request that follows.
    fn request(self) -> String {
        format!("CLIENT SESSION SEQ {} {}", self.session(), self.number)
    }

    /// As nodes write it.
    fn session(self) -> String {
        format!("{:08x}-{:04x}-7000-8000-{:012x}", self.opened >> 16, self.opened & 0xFFFF, self.client)
    }
}

/// An act that was asked for, and when.
pub(crate) struct Asked {
    pub(crate) op: Op,
    at: u64,
    /// Steady clock.
    at_us: u64,
    /// It is answered once it is on stable storage, if it is a write.
    is_durable: bool,
    /// It was asked for before, and nobody knows what became of that.
    may_have_run: bool,
}

impl Op {
    /// What a client does next.
    pub(crate) fn draw(client: &mut Client) -> Op {
        if let Some(op) = Op::draw_lapsing(client) {
            return op;
        }
        let op = Op::draw_unheard(client);
        match op {
            Op::Fill(..) if client.is_heard => {}
            Op::Mix(draw) if client.is_heard && (draw % 4 == 0 || mix::chooses_events(draw)) => {}
            _ => return op,
        }
        let (token, millis) = (client.token(), 1 + client.random().below(3000));
        let is_numbered = client.random().chance(1, 2);
        Op::Mark(token, millis, is_numbered.then(|| client.number()))
    }

    /// One of those by which deadlines are judged, where they are.
    fn draw_lapsing(client: &mut Client) -> Option<Op> {
        let count = client.lapsing.as_ref()?.len() as u64;
        if !client.random().chance(1, 4) {
            return None;
        }
        if count == 0 || client.random().chance(1, 3) {
            let (token, random) = (client.token(), client.random());
            let millis =
                if random.chance(1, 2) { 1 + random.below(8_000) } else { 1 + random.below(1_000_000) };
            client.lapsing.as_mut()?.push(token);
            return Some(Op::Lapse(token, millis));
        }
        let place = client.random().below(count) as usize;
        Some(Op::ReadLapsing(*client.lapsing.as_ref()?.get(place)?))
    }

    fn draw_unheard(client: &mut Client) -> Op {
        if client.is_reader {
            let reads = Op::all_reads();
            return reads[client.random().below(reads.len() as u64) as usize];
        }
        let token = client.token();
        let random = client.random();
        let (draw, key) = (random.below(32), random.next_u64());
        match draw {
            24..=26 => Op::CountOnce(key % EXACT_COUNTERS, client.number()),
            0..=3 => Op::Read(key % REGISTERS),
            4..=6 => Op::Write(key % REGISTERS, token),
            7 | 8 => Op::Swap(key % REGISTERS, token),
            9..=11 => Op::Append(key % JOURNALS, token),
            12 => Op::ReadJournal(key % JOURNALS),
            13 | 14 => Op::Count(key % COUNTERS),
            15 => Op::ReadCount(key % COUNTERS),
            16 => Op::WriteTwins(key % TWINS, token),
            17 => Op::ReadTwins(key % TWINS),
            18 | 19 => Op::Fill(key % FILLERS, token),
            20 | 21 => Op::Push(key % QUEUES, token),
            22 | 23 => {
                let one = (random.below(3) > 0).then_some(key % QUEUES);
                Op::Take(one, 1 + random.below(1500))
            }
            _ => Op::Mix(key),
        }
    }

    /// Reads of everything there is.
    pub(crate) fn all_reads() -> Vec<Op> {
        let registers = (0..REGISTERS).map(Op::Read);
        let others = (0..JOURNALS).map(Op::ReadJournal).chain((0..TWINS).map(Op::ReadTwins));
        let more = (0..COUNTERS).map(Op::ReadCount).chain((0..QUEUES).map(Op::ReadQueue));
        let more = more.chain((0..EXACT_COUNTERS).map(Op::ReadExactCount));
        registers.chain(others).chain(more).collect()
    }

    /// The one key that the act reads, if it does nothing else.
    pub(crate) fn key_read(self) -> Option<String> {
        use Op as O;
        match self {
            O::Read(key) => Some(format!("r{key}")),
            O::ReadJournal(key) => Some(format!("j{key}")),
            O::ReadCount(key) => Some(format!("c{key}")),
            O::ReadExactCount(key) => Some(format!("o{key}")),
            O::ReadQueue(key) => Some(format!("q{key}")),
            O::ReadTwins(_)
            | O::Write(..)
            | O::Swap(..)
            | O::Append(..)
            | O::Count(_)
            | O::CountOnce(..)
            | O::WriteTwins(..)
            | O::Fill(..)
            | O::Mark(..)
            | O::Lapse(..)
            | O::ReadLapsing(_)
            | O::Push(..)
            | O::Take(..)
            | O::Mix(_)
            | O::Bulk(_)
            | O::Flush => None,
        }
    }

    /// The requests of the act, the last of which has its answer.
    pub(crate) fn requests(self) -> Vec<Vec<String>> {
        let words = |line: String| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let one = |line: String| vec![words(line)];
        match self {
            Op::Read(key) => one(format!("GET r{key}")),
            Op::Write(key, value) => one(format!("SET r{key} {value}")),
            Op::Swap(key, value) => one(format!("SET r{key} {value} GET")),
            Op::Append(key, word) => one(format!("APPEND j{key} {word:08}")),
            Op::ReadJournal(key) => one(format!("GET j{key}")),
            Op::Count(key) => one(format!("INCR c{key}")),
            Op::ReadCount(key) => one(format!("GET c{key}")),
            Op::CountOnce(key, once) => vec![words(once.request()), words(format!("INCR o{key}"))],
            Op::Mark(token, millis, once) => {
                let write = words(format!("SET n{token} {token} PX {millis}"));
                once.map(|once| words(once.request())).into_iter().chain([write]).collect()
            }
            Op::ReadExactCount(key) => one(format!("GET o{key}")),
            Op::WriteTwins(key, value) => ["MULTI".to_owned(), format!("SET {{t{key}}}a {value}")]
                .into_iter()
                .chain([format!("SET {{t{key}}}b {value}"), "EXEC".to_owned()])
                .map(words)
                .collect(),
            Op::ReadTwins(key) => one(format!("MGET {{t{key}}}a {{t{key}}}b")),
            Op::Fill(key, value) => one(format!("SET f{key} {value:0>200}")),
            Op::Lapse(token, millis) => one(format!("SET d{token} {token} PX {millis}")),
            Op::ReadLapsing(token) => one(format!("GET d{token}")),
            Op::Push(key, push) => {
                let values = elements(push).map(|value| value.to_string());
                let words = ["RPUSH".to_owned(), format!("q{key}")].into_iter().chain(values);
                vec![words.collect()]
            }
            Op::Take(key, millis) => {
                let keys = key.map_or_else(|| "q2 q0 q1".to_owned(), |key| format!("q{key}"));
                one(format!("BLPOP {keys} {}", millis as f64 / 1000.0))
            }
            Op::ReadQueue(key) => one(format!("LRANGE q{key} 0 -1")),
            Op::Mix(draw) => one(mix::line(draw)),
            Op::Bulk(key) => one(format!("SET b{key} {key:0>2000}")),
            Op::Flush => one("FLUSHALL".to_owned()),
        }
    }

    fn is_write(self) -> bool {
        use Op as O;
        !matches!(
            self,
            O::Read(_)
                | O::ReadJournal(_)
                | O::ReadCount(_)
                | O::ReadExactCount(_)
                | O::ReadTwins(_)
                | O::ReadQueue(_)
                | O::ReadLapsing(_)
        )
    }
}

/// The histories of all keys.
#[derive(Default)]
pub(crate) struct Judge {
    events: u64,
    /// Steady clock.
    pub(crate) now_us: u64,
    registers: [Register; REGISTERS as usize],
    journals: [Journal; JOURNALS as usize],
    counters: [Counter; COUNTERS as usize],
    exact: [Counter; EXACT_COUNTERS as usize],
    queues: [Queue; QUEUES as usize],
    /// Whether nodes have a limit of memory, so that what adds may be refused for it at any time.
    pub(crate) may_be_short: bool,
    /// Whether some disk was ever short of room, so that writes may be refused for it.
    pub(crate) may_be_full: bool,
    /// Whether nodes may have taken a time that is far off for right, so that sessions are too old for them.
    pub(crate) may_expire: bool,
    /// Whether nodes may take any key away to have room.
    may_vanish: bool,
    /// What may be heard of keys, if anybody listens.
    changes: Option<Changes>,
    pub(crate) deadlines: Deadlines,
    has_lost: bool,
    /// From now on every act must take place.
    pub(crate) is_strict: bool,
    pub(crate) answers: u64,
    pub(crate) refusals: u64,
}

impl Judge {
    /// That of a run in which nodes may take any key away, or not, and in which somebody listens, or nobody.
    pub(crate) fn new(may_vanish: bool, is_heard: bool) -> Judge {
        let changes = is_heard.then(|| Changes::new(may_vanish));
        let mut judge = Judge { may_vanish, changes, ..Judge::default() };
        if may_vanish {
            judge.journals.iter_mut().for_each(Journal::may_vanish);
            judge.counters.iter_mut().chain(&mut judge.exact).for_each(Counter::may_vanish);
            judge.queues.iter_mut().for_each(|queue| queue.may_vanish = true);
        }
        judge
    }

    /// Somebody was told what happened to a key.
    pub(crate) fn hear(&self, listener: &mut Listener, parts: &[Value]) -> Result<(), String> {
        let changes = self.changes.as_ref().ok_or("events: nobody listens")?;
        listener.hear(parts, changes).map_err(|error| format!("events: {error}"))
    }

    /// From now on every act must take place, and be heard.
    pub(crate) fn begin_audit(&mut self) {
        self.is_strict = true;
        self.changes.iter_mut().for_each(Changes::begin_audit);
    }

    /// Something of the audit that a listener has not heard.
    pub(crate) fn missed(&self, listener: &Listener) -> Option<String> {
        listener.missed(self.changes.as_ref()?)
    }

    /// Whether all that was heard has been.
    pub(crate) fn check_heard(&self, listener: &Listener) -> Result<(), String> {
        let Some(changes) = &self.changes else { return Ok(()) };
        listener.check(changes).map_err(|error| format!("events: {error}"))
    }

    /// A numbered act is sent again. Where power was lost, what it was before may have been forgotten.
    pub(crate) fn asked_again(&mut self, asked: &Asked) {
        if let Some(changes) = self.changes.as_mut().filter(|_| self.has_lost) {
            changes.asked(asked.op);
        }
    }

    /// Several machines lose their power at once. All that was written before `since_us` is on all their disks.
    pub(crate) fn lose_power(&mut self, since_us: u64) {
        self.events += 1;
        self.has_lost = true;
        self.deadlines.forget(self.now_us);
        self.changes.iter_mut().for_each(Changes::lose_power);
        let loss = Loss { at: self.events, since_us };
        self.registers.iter_mut().for_each(|register| register.lose(loss));
        self.journals.iter_mut().for_each(|journal| journal.lose(loss));
        self.counters.iter_mut().chain(&mut self.exact).for_each(|counter| counter.lose(loss));
        self.queues.iter_mut().for_each(Queue::lose);
    }

    pub(crate) fn ask(&mut self, op: Op, is_durable: bool) -> Asked {
        self.events += 1;
        match op {
            Op::Append(key, word) => self.journals[key as usize].asked(word),
            Op::Count(key) => self.counters[key as usize].asked(),
            Op::CountOnce(key, _) => self.exact[key as usize].asked(),
            Op::Push(key, value) => self.queues[key as usize].asked(value),
            _ => {}
        }
        self.changes.iter_mut().for_each(|changes| changes.asked(op));
        Asked {
            op,
            at: self.events,
            at_us: self.now_us,
            is_durable: is_durable && op.is_write(),
            may_have_run: false,
        }
    }

    /// Whether it is to be asked for again, as its answer does not say what became of it, or says that nothing did and
    /// will not be the same for ever.
    pub(crate) fn must_repeat(&mut self, asked: &Asked, value: &Value) -> bool {
        let Value::Error(text) = value else { return false };
        let word = text.split(' ').next().unwrap_or_default();
        let is_passing =
            ["UNKNOWNOUTCOME", "CLUSTERDOWN"].contains(&word) || word == "MISCONF" && self.may_be_full;
        let must_repeat = asked.is_numbered() && is_passing && !self.is_strict;
        self.refusals += u64::from(must_repeat);
        must_repeat
    }

    /// Nobody will ever know from an answer whether it took place.
    pub(crate) fn lost(&mut self, asked: Asked) {
        match asked.op {
            Op::Write(key, value) | Op::Swap(key, value) => {
                self.registers[key as usize].unknown(asked.at, value);
            }
            Op::Count(key) => self.counters[key as usize].unknown(),
            Op::CountOnce(key, _) => self.exact[key as usize].unknown(),
            Op::Take(Some(key), _) => self.queues[key as usize].lost_take(),
            // Whichever it was.
            Op::Take(None, _) => self.queues.iter_mut().for_each(Queue::lost_take),
            _ => {}
        }
    }

    fn refused(&mut self, asked: &Asked) {
        self.changes.iter_mut().for_each(|changes| changes.refused(asked.op));
        match asked.op {
            Op::Append(key, word) => self.journals[key as usize].refused(word),
            Op::Count(key) => self.counters[key as usize].refused(),
            Op::CountOnce(key, _) => self.exact[key as usize].refused(),
            Op::Push(key, value) => self.queues[key as usize].refused(value),
            // A register's write that did not take place is no part of its history: if it is seen, nothing explains it.
            _ => {}
        }
    }

    pub(crate) fn answer(&mut self, asked: Asked, value: &Value) -> Result<(), String> {
        self.events += 1;
        self.answers += 1;
        if let Value::Error(text) = value {
            return self.failed(asked, text);
        }
        let at = asked.at;
        let told = Told { asked: at, told: self.events, told_us: self.now_us, is_durable: asked.is_durable };
        let unfit = || format!("replies: {:?} was answered {}", asked.op, tell(value));
        if let Some(changes) = self.changes.as_mut().filter(|_| self.is_strict) {
            changes.done(asked.op);
        }
        let number = |value: &Value| match value {
            Value::Null => Ok(None),
            value => value.as_int().and_then(|n| u64::try_from(n).ok()).map(Some).ok_or_else(unfit),
        };
        match asked.op {
            Op::Read(key) => {
                let act = match number(value)? {
                    None if self.may_vanish => Act::Gone,
                    seen => Act::Read(seen),
                };
                self.registers[key as usize].done(told, act);
            }
            Op::Write(key, new) => self.registers[key as usize].done(told, Act::Write(new)),
            Op::Swap(key, new) => {
                let act = match number(value)? {
                    None if self.may_vanish => Act::Write(new),
                    seen => Act::Swap(seen, new),
                };
                self.registers[key as usize].done(told, act);
            }
            Op::Append(key, word) => self.journals[key as usize].kept(word, told),
            Op::ReadJournal(key) => {
                let text = if *value == Value::Null { "" } else { value.as_text().ok_or_else(unfit)? };
                let words: Vec<&[u8]> = text.as_bytes().chunks(8).collect();
                let words = words.iter().map(|word| std::str::from_utf8(word).ok()?.parse().ok());
                let words: Vec<u64> = words.collect::<Option<_>>().ok_or_else(unfit)?;
                let read = self.journals[key as usize].read(at, &words);
                read.map_err(|error| format!("journal j{key}: {error}"))?;
            }
            Op::Count(key) => {
                let number = number(value)?.ok_or_else(unfit)?;
                let counted = self.counters[key as usize].counted(told, number);
                counted.map_err(|error| format!("counter c{key}: {error}"))?;
            }
            Op::ReadCount(key) => {
                let saw = self.counters[key as usize].saw(at, number(value)?.unwrap_or(0));
                saw.map_err(|error| format!("counter c{key}: {error}"))?;
                if self.is_strict {
                    let last = self.counters[key as usize].check_last(number(value)?.unwrap_or(0));
                    last.map_err(|error| format!("counter c{key}: {error}"))?;
                }
            }
            Op::CountOnce(key, _) => {
                let number = number(value)?.ok_or_else(unfit)?;
                let counted = self.exact[key as usize].counted(told, number);
                counted.map_err(|error| format!("exactly once: o{key}: {error}"))?;
            }
            Op::ReadExactCount(key) => {
                let number = number(value)?.unwrap_or(0);
                let counter = &self.exact[key as usize];
                let saw = counter.saw(at, number);
                let saw = saw.and_then(|()| if self.is_strict { counter.check_last(number) } else { Ok(()) });
                saw.map_err(|error| format!("exactly once: o{key}: {error}"))?;
            }
            Op::ReadTwins(key) => match value {
                Value::Array(both) if both.len() == 2 && both[0] == both[1] => {}
                // One of them may have been taken away.
                Value::Array(both) if self.may_vanish && both.contains(&Value::Null) => {}
                _ => return Err(format!("twins {{t{key}}}: {}", tell(value))),
            },
            Op::Push(key, value) => self.queues[key as usize].kept(value),
            Op::Take(..) => self.took(value).ok_or_else(unfit)??,
            Op::ReadQueue(key) => {
                let values = numbers_of(value).ok_or_else(unfit)?;
                if self.is_strict {
                    let held = self.queues[key as usize].holds(&values);
                    held.map_err(|error| format!("queue q{key}: {error}"))?;
                }
            }
            Op::Lapse(token, millis) => {
                self.deadlines.wrote(token, millis, (asked.at_us, self.now_us));
            }
            Op::ReadLapsing(token) => {
                let read = self.deadlines.read(token, *value != Value::Null, (asked.at_us, self.now_us));
                read.map_err(|error| format!("deadlines: {error}"))?;
            }
            Op::WriteTwins(..) | Op::Fill(..) | Op::Mark(..) | Op::Mix(_) | Op::Bulk(_) | Op::Flush => {}
        }
        Ok(())
    }

    /// The answer to one that waited: nothing, or a queue and what it took from there.
    fn took(&mut self, value: &Value) -> Option<Result<(), String>> {
        let parts = match value {
            Value::Null => return Some(Ok(())),
            Value::Array(parts) => parts,
            _ => return None,
        };
        let [key, taken] = parts.as_slice() else { return None };
        let number: usize = key.as_text()?.strip_prefix('q')?.parse().ok()?;
        let taken = taken.as_text()?.parse().ok()?;
        let took = self.queues.get_mut(number)?.took(taken);
        Some(took.map_err(|error| format!("queue q{number}: {error}")))
    }

    fn failed(&mut self, asked: Asked, text: &str) -> Result<(), String> {
        let unfit = Err(format!("replies: {:?} was answered -{text}", asked.op));
        if self.may_be_short && text.contains("OOM command not allowed") {
            self.refusals += 1;
            match asked.may_have_run {
                true => self.lost(asked),
                false => self.refused(&asked),
            }
            return Ok(());
        }
        if self.may_expire && text.starts_with("SESSIONEXPIRED") {
            self.refusals += 1;
            self.lost(asked);
            return Ok(());
        }
        if self.is_strict {
            return unfit;
        }
        self.refusals += 1;
        let is_write = asked.op.is_write();
        match text.split(' ').next().unwrap_or_default() {
            "UNKNOWNOUTCOME" if is_write => self.lost(asked),
            "CLUSTERDOWN" => self.refused(&asked),
            "MISCONF" if is_write && self.may_be_full => self.refused(&asked),
            "WRONGTYPE" if matches!(asked.op, Op::Mix(_)) => {}
            "ERR" if matches!(asked.op, Op::Mix(draw) if mix::changes_the_fabric(draw)) => {}
            "EXECABORT" if matches!(asked.op, Op::WriteTwins(..)) => self.refused(&asked),
            _ => return unfit,
        }
        Ok(())
    }

    /// Whether an order explains every register's history.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (key, register) in self.registers.iter().enumerate() {
            register.check().map_err(|error| format!("linearizability: register r{key}: {error}"))?;
        }
        Ok(())
    }
}

fn numbers_of(value: &Value) -> Option<Vec<u64>> {
    match value {
        Value::Array(items) => items.iter().map(|item| item.as_text()?.parse().ok()).collect(),
        _ => None,
    }
}
