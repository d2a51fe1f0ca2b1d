//! The links between nodes: each worker has one way to the worker with its number on every other node.
//!
//! A link is a stream: what arrives, arrives in order and without a gap, late or not at all once the link has broken.
//! Who sends learns of a break sooner or later, who receives after it has read what still came; after a new link was
//! made, an old one may still deliver. A blocked direction holds what is sent. Does not know: what frames say.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::Random;

/// One frame in so many is a large one.
const LARGE_ONE_IN: u64 = 1000;
/// For so long at most it keeps those behind it: longer than followers wait for a sign of life.
const LARGE_US: u64 = 1_000_000;
/// One in so many of the frames that need not wait comes twice, the second time within so long.
const REPEATED: u64 = 8;
const REPEATED_WITHIN_US: u64 = 30_000;
/// How long a node waits before it tries again to reach another.
const RETRY_US: u64 = 50_000;

/// A way: from a node, to a node, by a worker.
pub(crate) type Way = (usize, usize, usize);

/// What a worker of a node learns.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// A frame of a node.
    Frame(usize, Vec<u8>),
    /// There is a way to a node, in this run of it.
    Up(usize, u64),
    /// There is none any more.
    Down(usize),
    /// What this run of a node had sent may be lost; to every worker.
    AnswersLost(usize, u64),
}

/// How a way stands at the end that sends.
#[derive(Clone, Copy, Debug)]
enum State {
    Down {
        dial_at: u64,
    },
    Up {
        link: u64,
    },
    /// It is broken, which is noticed later.
    Broken {
        notice_at: u64,
    },
}

/// A link at the end that receives.
struct Link {
    way: Way,
    /// Which run of the node made it.
    run: u64,
    travelling: VecDeque<(u64, Vec<u8>)>,
    /// Those that do not wait behind them.
    urgent: VecDeque<(u64, Vec<u8>)>,
    /// It is broken: once all has been read, or then, the receiver notices.
    over_at: Option<u64>,
}

/// All links of a cluster.
pub(crate) struct Wires {
    states: BTreeMap<Way, State>,
    links: BTreeMap<u64, Link>,
    blocked: BTreeSet<(usize, usize)>,
    random: Random,
    delay_us: u64,
    /// Something large is on its way now and then.
    is_crowded: bool,
    next: u64,
    now_us: u64,
}

impl Wires {
    pub(crate) fn new(random: Random, delay_us: u64) -> Wires {
        Wires {
            states: BTreeMap::new(),
            links: BTreeMap::new(),
            blocked: BTreeSet::new(),
            random,
            delay_us,
            is_crowded: true,
            next: 1,
            now_us: 0,
        }
    }

    /// A node's process runs: it tries to reach those of `others`, as they do it.
    pub(crate) fn add(&mut self, node: usize, others: impl Iterator<Item = usize>, workers: usize) {
        for other in others.filter(|other| *other != node) {
            for worker in 0..workers {
                for way in [(node, other, worker), (other, node, worker)] {
                    self.states.entry(way).or_insert(State::Down { dial_at: self.now_us });
                }
            }
        }
    }

    /// A node's process has died: its links break at the other ends.
    pub(crate) fn died(&mut self, node: usize) {
        self.links.retain(|_, link| link.way.1 != node);
        let ways: Vec<Way> =
            self.states.keys().copied().filter(|way| way.0 == node || way.1 == node).collect();
        for way in ways {
            self.break_way(way);
        }
        self.states.retain(|way, _| way.0 != node);
    }

    /// A node is gone for good: nobody tries to reach it any more.
    pub(crate) fn forget(&mut self, node: usize) {
        self.died(node);
        self.links.retain(|_, link| link.way.0 != node);
        self.states.retain(|way, _| way.1 != node);
    }

    /// The links between two nodes break.
    pub(crate) fn break_between(&mut self, one: usize, other: usize) {
        let touches = |way: &Way| (way.0, way.1) == (one, other) || (way.0, way.1) == (other, one);
        let ways: Vec<Way> = self.states.keys().copied().filter(touches).collect();
        for way in ways {
            self.break_way(way);
        }
    }

    fn break_way(&mut self, way: Way) {
        let Some(&State::Up { link }) = self.states.get(&way) else { return };
        let notice_at = self.now_us + self.late();
        self.states.insert(way, State::Broken { notice_at });
        let over_at = self.now_us + self.late();
        if let Some(link) = self.links.get_mut(&link) {
            let kept = self.random.below(link.travelling.len() as u64 + 1) as usize;
            link.travelling.truncate(kept);
            link.urgent.clear();
            link.over_at = Some(over_at);
        }
    }

    /// How long a break goes unnoticed: not at all as a rule.
    fn late(&mut self) -> u64 {
        match self.random.below(4) {
            0 => self.random.below(200_000),
            _ => self.random.below(1_000),
        }
    }

    /// Nothing that one says reaches the other from now on, or it does again.
    pub(crate) fn block(&mut self, from: usize, to: usize, is_blocked: bool) {
        match is_blocked {
            true => self.blocked.insert((from, to)),
            false => self.blocked.remove(&(from, to)),
        };
    }

    /// From now on nothing large is sent, for which others would have to wait.
    pub(crate) fn calm(&mut self) {
        self.is_crowded = false;
    }

    /// Sends a frame, if there is a way. What follows waits for it, now and then for as long as something large takes.
    pub(crate) fn send(&mut self, way: Way, frame: Vec<u8>) {
        let is_large = self.is_crowded && self.random.below(LARGE_ONE_IN) == 0;
        let large_us = if is_large { self.random.below(LARGE_US) } else { 0 };
        let at = self.now_us + self.random.below(self.delay_us + 1) + large_us;
        let Some(State::Up { link }) = self.states.get(&way) else { return };
        let Some(link) = self.links.get_mut(link) else { return };
        // A network does not reorder a stream, however the delays fall.
        let at = link.travelling.back().map_or(at, |last| last.0.max(at));
        link.travelling.push_back((at, frame));
    }

    /// Sends one that need not wait for those: it comes before or after them, and now and then once more, as those of a worker in
    /// a long turn do.
    pub(crate) fn send_urgent(&mut self, way: Way, frame: Vec<u8>) {
        let at = self.now_us + self.random.below(self.delay_us + 1);
        let Some(State::Up { link }) = self.states.get(&way) else { return };
        let Some(link) = self.links.get_mut(link) else { return };
        let at = link.urgent.back().map_or(at, |last| last.0.max(at));
        if self.random.below(REPEATED) == 0 {
            let again = at + self.random.below(REPEATED_WITHIN_US);
            link.urgent.extend([(at, frame.clone()), (again, frame)]);
            return;
        }
        link.urgent.push_back((at, frame));
    }

    /// Time passes: what workers of nodes learn. A node of which one of its `runs` is under way tries to reach another, which
    /// `lets_in` or does not.
    pub(crate) fn advance(
        &mut self,
        now_us: u64,
        runs: impl Fn(usize) -> Option<u64>,
        lets_in: impl Fn(usize, usize) -> bool,
    ) -> Vec<(Way, News)> {
        self.now_us = now_us;
        let mut news = Vec::new();
        self.deliver(&mut news);
        for way in self.states.keys().copied().collect::<Vec<_>>() {
            let (from, to, worker) = way;
            match self.states[&way] {
                State::Broken { notice_at } if notice_at <= now_us => {
                    self.states.insert(way, State::Down { dial_at: now_us + self.random.below(RETRY_US) });
                    news.push(((to, from, worker), News::Down(to)));
                }
                State::Down { dial_at } if dial_at <= now_us => {
                    let Some(run) = runs(from) else { continue };
                    // A handshake needs both directions.
                    let is_blocked = self.blocked.contains(&(from, to)) || self.blocked.contains(&(to, from));
                    let other = runs(to).filter(|_| !is_blocked && lets_in(to, from));
                    let Some(other) = other else {
                        self.states.insert(way, State::Down { dial_at: now_us + RETRY_US });
                        continue;
                    };
                    let link = self.next;
                    self.next += 1;
                    let (travelling, urgent) = (VecDeque::new(), VecDeque::new());
                    self.links.insert(link, Link { way, run, travelling, urgent, over_at: None });
                    self.states.insert(way, State::Up { link });
                    news.push(((to, from, worker), News::Up(to, other)));
                }
                _ => {}
            }
        }
        news
    }

    /// What has arrived; the end of links.
    fn deliver(&mut self, news: &mut Vec<(Way, News)>) {
        let (now_us, blocked) = (self.now_us, &self.blocked);
        self.links.retain(|_, link| {
            let (from, to, worker) = link.way;
            let is_blocked = blocked.contains(&(from, to));
            while !is_blocked && link.urgent.front().is_some_and(|(at, _)| *at <= now_us) {
                let (_, frame) = link.urgent.pop_front().expect("there is a front");
                news.push(((from, to, worker), News::Frame(from, frame)));
            }
            while !is_blocked && link.travelling.front().is_some_and(|(at, _)| *at <= now_us) {
                let (_, frame) = link.travelling.pop_front().expect("there is a front");
                news.push(((from, to, worker), News::Frame(from, frame)));
            }
            let is_over =
                link.over_at.is_some_and(|at| at <= now_us) && (link.travelling.is_empty() || is_blocked);
            if is_over {
                news.push(((from, to, worker), News::AnswersLost(from, link.run)));
            }
            !is_over
        });
    }

    /// Whether all ways stand, and no break is left to be noticed.
    pub(crate) fn are_whole(&self) -> bool {
        self.states.values().all(|state| matches!(state, State::Up { .. }))
            && self.links.values().all(|link| link.over_at.is_none())
    }
}
