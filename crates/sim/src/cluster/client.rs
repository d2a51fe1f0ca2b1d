//! A client of a cluster: one request at a time, to any node, on keys that all clients share.
//!
//! Values are numbers that nobody else uses, so that an answer tells which write it saw. Does not know: what is right
//! (that is `judge`'s part), who leads.

use std::collections::VecDeque;

use base::Random;
use resp::{Value, ValueDecoder, write_request};

use crate::cluster::cache::Cache;
use crate::cluster::events::{self, Listener};
use crate::cluster::judge::{Asked, Judge, Once, Op};
use crate::life::Around;
use crate::net::{End, LinkId};
use crate::trace::{show, tell};

/// How long a client stays away after its connection has gone.
const AWAY_US: u64 = 20_000;
/// A request that has no reply after so long will never have one: nodes answer by themselves within ten seconds.
const PATIENCE_US: u64 = 30_000_000;

/// Wall clock, milliseconds: before any run begins.
const SESSIONS_OPENED: u64 = 1_700_000_000_000;

/// What a reply must be.
enum Want {
    /// Anything but an error.
    Fine,
    /// `QUEUED`, or a refusal that makes the whole transaction one.
    Queued,
    /// The answer to an act.
    Op(Asked),
}

pub(crate) struct Client {
    pub(crate) id: usize,
    random: Random,
    is_durable: bool,
    /// It only reads, so that it is seldom held up.
    pub(crate) is_reader: bool,
    pub(crate) link: Option<LinkId>,
    /// The node it is connected to.
    pub(crate) node: usize,
    pub(crate) away_until_us: u64,
    /// Reads nothing before.
    reads_from_us: u64,
    decoder: ValueDecoder,
    input: Vec<u8>,
    output: Vec<u8>,
    pending: VecDeque<Want>,
    asked_us: u64,
    next_token: u64,
    /// What it has read, if it keeps it.
    pub(crate) cache: Option<Cache>,
    /// What it has heard, if it does nothing but listen to events.
    pub(crate) listener: Option<Listener>,
    /// Others listen: it writes what they know once, and does not choose what they hear.
    pub(crate) is_heard: bool,
    /// What it has written that lapses, where deadlines are judged.
    pub(crate) lapsing: Option<Vec<u64>>,
    /// The session of its numbered requests, and the last number.
    once: Once,
    /// A numbered request that is to be sent again, maybe to another node.
    again: Option<Asked>,
    /// What it was told last, for whoever asks through it.
    pub(crate) last: Option<Value>,
}

impl Client {
    pub(crate) fn new(id: usize, mut random: Random) -> Client {
        Client {
            id,
            is_durable: random.chance(1, 4),
            is_reader: random.chance(1, 3),
            link: None,
            node: 0,
            away_until_us: 0,
            reads_from_us: 0,
            decoder: ValueDecoder::new(),
            input: Vec::new(),
            output: Vec::new(),
            pending: VecDeque::new(),
            asked_us: 0,
            next_token: 0,
            cache: None,
            listener: None,
            is_heard: false,
            lapsing: None,
            once: Once { opened: SESSIONS_OPENED, client: id as u64, number: 0 },
            again: None,
            last: None,
            random,
        }
    }

    /// A number nobody else uses, of eight digits.
    pub(crate) fn token(&mut self) -> u64 {
        self.next_token += 1;
        (self.id as u64 + 1) * 1_000_000 + self.next_token
    }

    /// The number of its next numbered request.
    pub(crate) fn number(&mut self) -> Once {
        self.once.number += 1;
        self.once
    }

    pub(crate) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    pub(crate) fn is_idle(&self) -> bool {
        let listens = self.listener.as_ref().is_none_or(Listener::is_subscribed);
        self.pending.is_empty() && self.output.is_empty() && self.again.is_none() && listens
    }

    pub(crate) fn connected(&mut self, link: LinkId, node: usize, around: &mut Around<'_>) {
        around.note(format_args!("client {}: {link:?} to node {node}", self.id));
        (self.link, self.node) = (Some(link), node);
        self.decoder = ValueDecoder::new();
        self.input.clear();
        self.output.clear();
        if self.is_durable {
            self.write(&["CLIENT", "ACK", "durable"], Want::Fine, around);
        }
        if let Some(cache) = &mut self.cache {
            cache.clear();
            let request = cache.request();
            self.write(&["HELLO", "3"], Want::Fine, around);
            self.write(request, Want::Fine, around);
        }
        if let Some(listener) = &mut self.listener {
            listener.clear();
            self.write(&["HELLO", "3"], Want::Fine, around);
            // It is answered by a push.
            self.write(events::REQUEST, Want::Fine, around);
            self.pending.pop_back();
        }
    }

    /// The connection has gone: the fate of what was under way is not known.
    pub(crate) fn disconnected(&mut self, judge: &mut Judge, around: &mut Around<'_>) {
        let Some(link) = self.link.take() else { return };
        around.network.leave(link, End::Client, true);
        around.note(format_args!("client {}: {link:?} is over", self.id));
        for want in self.pending.drain(..) {
            match want {
                Want::Op(asked) if asked.is_numbered() => self.again = Some(asked.again(None)),
                Want::Op(asked) => judge.lost(asked),
                Want::Fine | Want::Queued => {}
            }
        }
        self.output.clear();
        self.away_until_us = around.now.mono_us + AWAY_US;
    }

    fn write(&mut self, words: &[&str], want: Want, around: &mut Around<'_>) {
        let shown: Vec<String> = words.iter().map(|word| show(word.as_bytes())).collect();
        around.note(format_args!("client {}: asks {}", self.id, shown.join(" ")));
        write_request(&mut self.output, words.iter());
        self.pending.push_back(want);
        self.asked_us = around.now.mono_us;
    }

    /// Asks for an act.
    pub(crate) fn ask(&mut self, op: Op, judge: &mut Judge, around: &mut Around<'_>) {
        let asked = judge.ask(op, self.is_durable);
        self.send(asked, around);
    }

    fn send(&mut self, asked: Asked, around: &mut Around<'_>) {
        let requests = asked.op.requests();
        let count = requests.len();
        let mut asked = Some(asked);
        for (number, words) in requests.iter().enumerate() {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let want = match (number, number + 1 == count) {
                (_, true) => Want::Op(asked.take().expect("there is one last request")),
                (0, false) => Want::Fine,
                _ => Want::Queued,
            };
            self.write(&words, want, around);
        }
    }

    /// Does the next thing: sends, reads, and asks for more if `more` is wanted.
    pub(crate) fn step(
        &mut self,
        more: bool,
        judge: &mut Judge,
        around: &mut Around<'_>,
    ) -> Result<(), String> {
        let Some(link) = self.link else { return Ok(()) };
        if around.network.is_over(link, End::Client) {
            self.disconnected(judge, around);
            return Ok(());
        }
        let sent = around.network.send(link, End::Client, &self.output);
        self.output.drain(..sent);
        let now_us = around.now.mono_us;
        if self.random.chance(1, 2000) {
            self.reads_from_us = now_us + self.random.below(200_000);
        }
        if now_us >= self.reads_from_us {
            let bytes = around.network.receive(link, End::Client, 1 << 20);
            self.input.extend_from_slice(&bytes);
            self.read_replies(judge, around)?;
        }
        if !self.pending.is_empty() && self.asked_us + PATIENCE_US < now_us {
            return Err(format!("answers: client {} waits for ever on node {}", self.id, self.node));
        }
        if self.pending.is_empty()
            && self.random.chance(1, 3)
            && let Some(asked) = self.again.take()
        {
            judge.asked_again(&asked);
            self.send(asked, around);
            return Ok(());
        }
        if more && self.is_idle() && self.random.chance(1, 3) {
            // Now and then it goes on elsewhere.
            if self.random.chance(1, 50) {
                self.disconnected(judge, around);
                return Ok(());
            }
            if self.listener.is_none() {
                let op = Op::draw(self);
                self.ask(op, judge, around);
            }
        }
        Ok(())
    }

    fn read_replies(&mut self, judge: &mut Judge, around: &mut Around<'_>) -> Result<(), String> {
        loop {
            let decoded = self.decoder.decode(&self.input);
            let decoded = decoded.map_err(|error| format!("replies: client {}: {error:?}", self.id))?;
            let Some((value, len)) = decoded else { return Ok(()) };
            self.input.drain(..len);
            around.note(format_args!("client {}: told {}", self.id, tell(&value)));
            if let (Some(cache), Value::Push(parts)) = (&mut self.cache, &value) {
                if !cache.obey(parts) {
                    return Err(format!("caches: client {} was told {}", self.id, tell(&value)));
                }
                continue;
            }
            if let (Some(listener), Value::Push(parts)) = (&mut self.listener, &value) {
                judge.hear(listener, parts).map_err(|error| format!("{error} (client {})", self.id))?;
                continue;
            }
            let Some(want) = self.pending.pop_front() else {
                return Err(format!("replies: client {} was told {value:?} unasked", self.id));
            };
            match want {
                Want::Fine if !value.is_error() => {}
                Want::Queued if value.as_text() == Some("QUEUED") || value.is_error() => {}
                Want::Fine | Want::Queued => {
                    return Err(format!("replies: client {} was told {}", self.id, tell(&value)));
                }
                Want::Op(asked) => {
                    if let Some(cache) = &mut self.cache {
                        cache.note(asked.op, &value);
                    }
                    match judge.must_repeat(&asked, &value) {
                        true => self.again = Some(asked.again(Some(&value))),
                        false => judge.answer(asked, &value).map_err(|error| {
                            format!("{error}\n    (client {}, node {})", self.id, self.node)
                        })?,
                    }
                }
            }
            self.last = Some(value);
        }
    }
}
