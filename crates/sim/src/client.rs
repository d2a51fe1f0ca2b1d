//! A simulated client: asks for what its part in the workload says, several requests at once, and reads replies.
//!
//! Invariants: it counts on replies coming in the order of its requests; after its connection has gone it waits
//! until nothing of it can be under way in the node before it comes back, so that a late request of its own does
//! not overtake it. Does not know: what is right (that is the oracle's part).

use std::collections::VecDeque;

use base::Random;
use resp::{Value, ValueDecoder, write_request};

use crate::clock::Clock;
use crate::net::{End, LinkId, Network};
use crate::oracle::{Asker, Oracle, Stamp, Want};
use crate::trace::{Trace, show, tell};
use crate::workload::{self, Batch, Part};

/// How long a client stays away after its connection has gone.
const AWAY_US: u64 = 50_000;
/// And for how many turns of every worker.
const AWAY_TURNS: u64 = 12;
/// A request that has no reply after so long will never have one.
const PATIENCE_US: u64 = 20_000_000;

/// A request whose reply is to come.
pub(crate) struct Pending {
    pub(crate) want: Want,
    pub(crate) asked: Stamp,
    asked_us: u64,
}

/// Who the client is, for its whole life.
pub(crate) struct Client {
    pub(crate) id: usize,
    pub(crate) part: Part,
    random: Random,
    is_durable: bool,
    resp3: bool,
    /// Most requests on their way at once.
    window: usize,
    pub(crate) db: u8,
    pub(crate) link: Option<LinkId>,
    away_until_us: u64,
    /// Starts of the node, and turns of its slowest worker, that there were when the connection went.
    away_since: Option<(u64, u64)>,
    /// Reads nothing before.
    reads_from_us: u64,
    decoder: ValueDecoder,
    input: Vec<u8>,
    output: Vec<u8>,
    pending: VecDeque<Pending>,
    /// Requests of earlier connections whose replies will never come.
    lost: Vec<Pending>,
    /// What a watched counter was read to be, until the next step is asked for.
    pub(crate) watched: Option<i64>,
    /// The replies an auditor was given.
    values: Vec<Value>,
    next_token: u64,
}

/// What a client needs of the world for a moment.
pub(crate) struct Surroundings<'a> {
    pub(crate) clock: &'a Clock,
    pub(crate) network: &'a mut Network,
    pub(crate) oracle: &'a mut Oracle,
    pub(crate) trace: &'a mut Trace,
}

impl Client {
    pub(crate) fn new(id: usize, part: Part, mut random: Random) -> Client {
        Client {
            id,
            part,
            is_durable: random.chance(1, 3),
            resp3: random.chance(1, 2),
            window: 1 + random.below(24) as usize,
            db: 0,
            link: None,
            away_until_us: 0,
            away_since: None,
            reads_from_us: 0,
            decoder: ValueDecoder::new(),
            input: Vec::new(),
            output: Vec::new(),
            pending: VecDeque::new(),
            lost: Vec::new(),
            watched: None,
            values: Vec::new(),
            next_token: 0,
            random,
        }
    }

    /// A number nobody else uses.
    pub(crate) fn token(&mut self) -> u64 {
        self.next_token += 1;
        (self.id as u64 + 1) * 1_000_000_000 + self.next_token
    }

    pub(crate) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// Whether it waits for nothing and has nothing left to send.
    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.lost.is_empty() && self.output.is_empty()
    }

    /// Whether it is connected and has nothing under way, so that a request of several steps can begin.
    pub(crate) fn is_free(&self) -> bool {
        self.pending.is_empty()
    }

    /// Told how far the node has come, so that being away can be measured in turns of the node.
    pub(crate) fn see_turns(&mut self, (starts, turns): (u64, u64)) {
        if self.link.is_none() && self.away_since.is_none() {
            self.away_since = Some((starts, turns));
        }
    }

    /// Whether it is time to come back: every worker had turns enough to finish what was under way.
    pub(crate) fn wants_to_connect(&self, now_us: u64, (starts, turns): (u64, u64)) -> bool {
        let is_over = self.away_since.is_none_or(|(s, t)| s != starts || turns >= t + AWAY_TURNS);
        self.link.is_none() && now_us >= self.away_until_us && is_over
    }

    /// Connects: what was lost with the last connection is settled, for nothing of it can happen any more.
    pub(crate) fn connected(&mut self, link: LinkId, around: &mut Surroundings<'_>) {
        self.settle_lost(around);
        self.link = Some(link);
        self.away_since = None;
        self.decoder = ValueDecoder::new();
        self.input.clear();
        self.output.clear();
        self.watched = None;
        self.db = 0;
        let hello = if self.resp3 { "3" } else { "2" };
        self.ask(Batch::one(&["HELLO", hello], Want::Fine), around);
        if self.is_durable {
            self.ask(Batch::one(&["CLIENT", "ACK", "durable"], Want::Ok), around);
        }
        if self.part == Part::Owner {
            self.select(around);
        }
        if let Part::Subscriber(channel) = self.part {
            self.ask(Batch::one(&["SUBSCRIBE", &format!("ch{channel}")], Want::Subscribe(channel)), around);
        }
    }

    fn select(&mut self, around: &mut Surroundings<'_>) {
        self.db = [0, 0, 0, 3, 9][self.random.below(5) as usize];
        self.ask(Batch::one(&["SELECT", &self.db.to_string()], Want::Ok), around);
    }

    /// What is left open by connections that have gone is from now on known to be one or the other.
    pub(crate) fn settle_lost(&mut self, around: &mut Surroundings<'_>) {
        for pending in self.lost.drain(..) {
            around.oracle.lost(&pending.want, pending.asked, around.clock);
        }
    }

    /// The connection has gone, for whatever reason.
    pub(crate) fn disconnected(&mut self, around: &mut Surroundings<'_>) {
        let Some(link) = self.link.take() else { return };
        around.network.leave(link, End::Client, true);
        around.oracle.channels.gone(link.0);
        around.note(format_args!(
            "client {}: {link:?} is over, {} replies lost",
            self.id,
            self.pending.len()
        ));
        self.lost.extend(self.pending.drain(..));
        self.output.clear();
        self.away_until_us = around.clock.now().mono_us + AWAY_US;
    }

    /// The machine lost power: what was still to be read is gone too, and nothing of it can happen any more.
    pub(crate) fn power_lost(&mut self, around: &mut Surroundings<'_>) {
        self.disconnected(around);
        self.settle_lost(around);
    }

    /// What an auditor was told since it was last asked.
    pub(crate) fn take_values(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.values)
    }

    /// Asks for a batch of requests.
    pub(crate) fn ask(&mut self, batch: Batch, around: &mut Surroundings<'_>) {
        for (words, want) in batch.requests {
            let shown: Vec<String> = words.iter().map(|word| show(word)).collect();
            around.note(format_args!("client {}: asks {}", self.id, shown.join(" ")));
            let plain =
                words.iter().all(|word| !word.is_empty() && word.iter().all(u8::is_ascii_alphanumeric));
            match plain && self.random.chance(1, 16) {
                true => self.output.extend_from_slice(&[words.join(&b' '), b"\r\n".to_vec()].concat()),
                false => write_request(&mut self.output, words),
            }
            if want == Want::Silence {
                continue;
            }
            let asked = around.oracle.ask(&want, around.clock);
            self.pending.push_back(Pending { want, asked, asked_us: around.clock.now().mono_us });
        }
    }

    /// Does the next thing: sends, reads, and asks for more if `more` is wanted.
    pub(crate) fn step(&mut self, more: bool, around: &mut Surroundings<'_>) -> Result<(), String> {
        let Some(link) = self.link else { return Ok(()) };
        if around.network.is_over(link, End::Client) {
            self.disconnected(around);
            return Ok(());
        }
        let sent = around.network.send(link, End::Client, &self.output);
        self.output.drain(..sent);
        let now_us = around.clock.now().mono_us;
        if self.random.chance(1, 2000) {
            self.reads_from_us = now_us + self.random.below(200_000);
        }
        if now_us >= self.reads_from_us {
            let most = 1 + self.random.below(4096) as usize;
            let bytes = around.network.receive(link, End::Client, most);
            self.input.extend_from_slice(&bytes);
            self.read_replies(link, around)?;
        }
        self.check_patience(around)?;
        if more && self.pending.len() < self.window && self.random.chance(1, 4) {
            if self.part == Part::Owner && self.random.chance(1, 20) {
                self.select(around);
            }
            for _ in 0..=self.random.below(4) {
                if let Some(batch) = workload::next(self, around.clock) {
                    self.ask(batch, around);
                }
            }
        }
        Ok(())
    }

    fn check_patience(&self, around: &Surroundings<'_>) -> Result<(), String> {
        let now_us = around.clock.now().mono_us;
        match self.pending.front().filter(|pending| pending.asked_us + PATIENCE_US < now_us) {
            None => Ok(()),
            Some(pending) => {
                Err(format!("answers: client {} waits for ever for {:?}", self.id, pending.want))
            }
        }
    }

    fn read_replies(&mut self, link: LinkId, around: &mut Surroundings<'_>) -> Result<(), String> {
        loop {
            let decoded = self.decoder.decode(&self.input);
            let decoded = decoded.map_err(|error| format!("replies: client {}: {error:?}", self.id))?;
            let Some((value, len)) = decoded else { return Ok(()) };
            self.input.drain(..len);
            around.note(format_args!("client {}: told {}", self.id, tell(&value)));
            if let Some(parts) = pushed_message(&value) {
                around.oracle.heard(link.0, parts)?;
                continue;
            }
            let Some(pending) = self.pending.pop_front() else {
                return Err(format!(
                    "replies: client {} was told {value:?} and had asked for nothing",
                    self.id
                ));
            };
            let asker = Asker { asked: pending.asked, link: link.0, is_durable: self.is_durable };
            around.oracle.answer(&pending.want, asker, around.clock, &value).map_err(|error| {
                format!("{error}\n    (client {}, link {}, durable {})", self.id, link.0, self.is_durable)
            })?;
            if self.part == Part::Watcher && matches!(pending.want, Want::ReadCount(_)) {
                self.watched = Some(value.as_int().unwrap_or(0));
            }
            if self.part == Part::Auditor {
                self.values.push(value);
            }
        }
    }
}

impl Surroundings<'_> {
    pub(crate) fn note(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.note(self.clock.now().mono_us, what);
    }
}

/// The parts of a message to a subscriber.
fn pushed_message(value: &Value) -> Option<&[Value]> {
    let (Value::Push(parts) | Value::Array(parts)) = value else { return None };
    (parts.len() == 3 && parts[0].as_text() == Some("message")).then_some(parts)
}
