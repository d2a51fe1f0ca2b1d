//! A run: one node, its machine, its clients, and what goes wrong, all from one seed.
//!
//! Time passes in steps; in each, the seed decides who moves. In the end everything heals: every request must be
//! answered, everything is read back, and the node is restarted once more and must hold the very same content.
//! Invariants: nothing here reads a clock or draws randomness but from the seed; a run is replayed exactly.

use base::Random;
use node::Router;
use node::settings::{DebugCommand, Settings};
use resp::Value;

use crate::client::{Client, Surroundings};
use crate::clock::Clock;
use crate::disk::SimDisk;
use crate::life::{Around, Life};
use crate::net::Network;
use crate::oracle::{Oracle, Want};
use crate::plan::{Kind, Plan};
use crate::start::{Begins, Place, StartError, mint, start};
use crate::trace::Trace;
use crate::workload::{self, Batch, Part};

/// How a run is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Steps with trouble, before everything heals.
    pub ticks: u64,
    /// Keep the lines of the trace.
    pub keep_trace: bool,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What cannot be true, if anything.
    pub violation: Option<String>,
    /// One number for everything that happened.
    pub digest: u64,
    /// Lines of the trace.
    pub lines: u64,
    /// Replies that were judged.
    pub answers: u64,
    /// Writes that were refused.
    pub refusals: u64,
    /// How often the node started.
    pub starts: u64,
}

/// Steps in which everything must come to rest once nothing goes wrong any more.
const REST_STEPS: u64 = 60_000;

/// A run under way.
pub struct World {
    seed: u64,
    plan: Plan,
    random: Random,
    clock: Clock,
    network: Network,
    disk: SimDisk,
    life: Option<Life>,
    clients: Vec<Client>,
    oracle: Oracle,
    trace: Trace,
    settings: Settings,
    /// A power loss rather than a kill ends the life when the planned fault strikes.
    power_fails_with_it: bool,
    /// The disk has trouble of its own, so that the node may rightly stop, or not start.
    disk_has_trouble: bool,
    full_until_us: Option<u64>,
    start_at_us: u64,
    /// A sync may be late by as much.
    longest_freeze_us: u64,
    starts: u64,
}

impl World {
    /// A run at its beginning.
    pub fn new(seed: u64, options: Options) -> World {
        let mut random = Random::new(seed);
        let plan = Plan::draw(&mut random);
        let mut clients = Vec::new();
        for id in 0..plan.clients {
            let part = match random.below(8) {
                _ if id < 2 => Part::Owner,
                0 => Part::Publisher,
                1 => Part::Subscriber(random.below(workload::CHANNELS) as usize),
                2 | 3 => Part::Watcher,
                _ => Part::Owner,
            };
            clients.push(Client::new(id, part, random.fork()));
        }
        let mut settings = Settings::new();
        settings.workers = plan.workers;
        settings.partitions = plan.partitions;
        settings.hash_max_listpack_entries = 2;
        settings.enable_debug_command = DebugCommand::Yes;
        let mut world = World {
            seed,
            network: Network::new(random.fork(), plan.delay_us),
            disk: SimDisk::new(random.next_u64()),
            clock: Clock::default(),
            life: None,
            clients,
            oracle: Oracle::default(),
            trace: Trace::new(options.keep_trace),
            settings,
            power_fails_with_it: false,
            disk_has_trouble: false,
            full_until_us: None,
            start_at_us: 0,
            longest_freeze_us: 0,
            starts: 0,
            random,
            plan,
        };
        let line = format!("seed {seed}: {:?}", world.plan);
        world.note(format_args!("{line}"));
        world
    }

    /// Runs a seed from beginning to end.
    pub fn run(seed: u64, options: Options) -> (Report, Trace) {
        let mut world = World::new(seed, options);
        let violation = violation_of(|| world.run_all(options.ticks));
        if let Some(violation) = &violation {
            world.note(format_args!("VIOLATION {violation}"));
        }
        let report = Report {
            seed,
            violation,
            digest: world.trace.digest(),
            lines: world.trace.lines(),
            answers: world.oracle.answers,
            refusals: world.oracle.refusals,
            starts: world.starts,
        };
        (report, world.trace)
    }

    fn note(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.note(self.clock.now().mono_us, what);
    }

    fn run_all(&mut self, ticks: u64) -> Result<(), String> {
        for _ in 0..ticks {
            self.make_trouble()?;
            self.step(true)?;
        }
        self.heal()?;
        self.audit()?;
        self.restart_exactly(false)?;
        self.restart_exactly(true)?;
        self.reload()?;
        self.audit()
    }

    /// One step of everybody.
    fn step(&mut self, more: bool) -> Result<(), String> {
        self.clock.advance(1 + self.random.below(self.plan.step_us));
        self.network.advance(self.clock.now().mono_us);
        self.step_node()?;
        for client in 0..self.clients.len() {
            self.step_client(client, more)?;
        }
        Ok(())
    }

    fn step_node(&mut self) -> Result<(), String> {
        let Some(life) = &mut self.life else {
            if self.clock.now().mono_us >= self.start_at_us {
                self.start()?;
            }
            return Ok(());
        };
        let now = self.clock.now();
        let mut around = Around::all(now, &mut self.random, &mut self.network, &mut self.trace);
        let moves = 1 + around.random.below(2 * life.workers() as u64 + 2);
        for _ in 0..moves {
            let who = around.random.below(life.workers() as u64 * 4 + 1) as usize;
            match who / 4 < life.workers() {
                true => life.step(who / 4, &mut around),
                false => life.step_disk(&mut around),
            }
            if life.failed.is_some() {
                break;
            }
        }
        if let Some(reason) = life.failed.clone() {
            if !self.disk_has_trouble {
                return Err(format!("life: the node stopped without a fault of its disk: {reason}"));
            }
            let power = std::mem::take(&mut self.power_fails_with_it);
            self.crash(power);
        }
        Ok(())
    }

    fn step_client(&mut self, number: usize, more: bool) -> Result<(), String> {
        let client = &mut self.clients[number];
        client.see_turns((self.starts, self.life.as_ref().map_or(0, Life::turns)));
        let mut around = Surroundings {
            clock: &self.clock,
            network: &mut self.network,
            oracle: &mut self.oracle,
            trace: &mut self.trace,
        };
        if let Some(life) = &mut self.life
            && client.wants_to_connect(self.clock.now().mono_us, (self.starts, life.turns()))
        {
            let link = around.network.connect();
            life.accept(link);
            client.connected(link, &mut around);
        }
        client.step(more, &mut around)
    }

    /// Starts the node as the server would.
    fn start(&mut self) -> Result<(), String> {
        let place = Place {
            disk: self.disk.disk(),
            boot_id: self.disk.boot_id(),
            workers: self.plan.workers,
            segment_bytes: self.plan.segment_bytes,
            levels: cluster::LEVELS,
        };
        let fresh = mint(self.plan.partitions, &mut self.random);
        let started = start(place, fresh, Begins::Alone, &mut self.random);
        let started = match started {
            Ok(started) => started,
            // A fault may strike while it starts; the next attempt finds what this one left.
            Err(error @ StartError::Log(_)) if self.disk_has_trouble || self.is_short_of_room(&error) => {
                self.note(format_args!("the node does not start: {error}"));
                self.crash(false);
                return Ok(());
            }
            Err(error) => return Err(format!("start: the node does not start: {error}")),
        };
        self.starts += 1;
        self.clock.begin(started.newest(), started.company());
        let (frames, cut) = (started.frames, started.cut_bytes);
        self.note(format_args!("the node starts with {frames} frames, {cut} bytes cut"));
        let router = Router::new(self.plan.partitions, self.plan.workers);
        let pace = (self.plan.sync_interval_us, self.plan.checkpoint_log_bytes);
        let life = Life::new(&self.settings, router, started, pace, &self.clock, &mut self.random);
        self.life = Some(life);
        Ok(())
    }

    /// A node without room for the records of its new terms says so and does not start.
    fn is_short_of_room(&self, error: &StartError) -> bool {
        self.full_until_us.is_some() && matches!(error, StartError::Log(error) if error.is_full())
    }

    /// The process dies, perhaps with the whole machine.
    fn crash(&mut self, power: bool) {
        self.note(format_args!("{}", if power { "the machine loses power" } else { "the process dies" }));
        let cut = self.random.chance(1, 2);
        if let Some(life) = self.life.take() {
            life.end(&mut self.network, cut);
        }
        match power {
            true => self.disk.lose_power(),
            false => self.disk.kill(),
        }
        self.after_crash(power);
        self.start_at_us = self.clock.now().mono_us + self.random.below(50_000);
    }

    fn after_crash(&mut self, power: bool) {
        if power {
            let interval_us = self.plan.sync_interval_us
                + SYNC_SLACK_STEPS * self.plan.step_us
                + self.longest_freeze_us * FREEZES_AT_ONCE;
            self.oracle.synced_before(self.clock.now().mono_us.saturating_sub(interval_us));
            self.oracle.lose_power(&self.clock);
        }
        for client in self.clients.iter_mut().filter(|_| power) {
            let mut around = Surroundings {
                clock: &self.clock,
                network: &mut self.network,
                oracle: &mut self.oracle,
                trace: &mut self.trace,
            };
            client.power_lost(&mut around);
        }
        // A fault that was planned went with the life.
        self.disk_has_trouble = false;
    }

    fn make_trouble(&mut self) -> Result<(), String> {
        if self.full_until_us.is_some_and(|until| until <= self.clock.now().mono_us) {
            self.note(format_args!("the disk has room again"));
            self.disk.free();
            self.full_until_us = None;
        }
        let mut draw = self.random.below(100_000);
        let troubles = self.plan.troubles.clone();
        for (kind, share) in troubles {
            if draw < share {
                return self.strike(kind);
            }
            draw -= share;
        }
        Ok(())
    }

    fn strike(&mut self, kind: Kind) -> Result<(), String> {
        self.note(format_args!("trouble: {kind:?}"));
        match kind {
            Kind::Cut => {
                let client = self.random.below(self.clients.len() as u64) as usize;
                let mut around = Surroundings {
                    clock: &self.clock,
                    network: &mut self.network,
                    oracle: &mut self.oracle,
                    trace: &mut self.trace,
                };
                self.clients[client].disconnected(&mut around);
            }
            Kind::Kill if self.life.is_some() => self.crash(false),
            Kind::PowerLoss if self.life.is_some() => self.crash(true),
            Kind::Kill | Kind::PowerLoss => {}
            Kind::KillInside | Kind::PowerLossInside => {
                self.power_fails_with_it = kind == Kind::PowerLossInside;
                self.disk_has_trouble = true;
                let trouble = self.disk.kill_within(60);
                self.note(format_args!("{trouble:?}"));
            }
            Kind::DiskError => {
                self.power_fails_with_it = self.random.chance(1, 4);
                self.disk_has_trouble = true;
                let trouble = self.disk.fail_within(40);
                self.note(format_args!("{trouble:?}"));
                // The failure may be that of a full disk.
                self.oracle.may_refuse = true;
            }
            Kind::DiskFull => {
                self.oracle.may_refuse = true;
                let trouble = self.disk.fill_up(200_000);
                self.note(format_args!("{trouble:?}"));
                self.full_until_us = Some(self.clock.now().mono_us + 1 + self.random.below(2_000_000));
            }
            Kind::ClockStep => {
                if self.random.chance(1, 8) {
                    self.note(format_args!("the wall clock is accepted as it is"));
                    self.clock.accept(u64::MAX / 2);
                } else {
                    let draw = self.random.next_u64();
                    let by_us = self.clock.step(draw);
                    self.note(format_args!("the wall clock is set by {by_us} µs"));
                }
            }
            Kind::Freeze => {
                let until = self.clock.now().mono_us + self.random.below(300_000);
                if let Some(life) = &mut self.life {
                    let thread = self.random.below(life.workers() as u64 + 1) as usize;
                    life.freeze(thread, until);
                    self.longest_freeze_us = 300_000;
                }
            }
            Kind::Restart => {
                self.rest()?;
                self.crash(false);
            }
        }
        Ok(())
    }

    /// Nothing goes wrong from here on.
    fn heal(&mut self) -> Result<(), String> {
        self.note(format_args!("everything heals"));
        self.disk.heal();
        self.full_until_us = None;
        self.plan.troubles.clear();
        self.rest()?;
        self.disk_has_trouble = false;
        // A node looks for room now and then, and goes on by itself.
        self.clock.advance(1_000_000);
        self.oracle.may_refuse = false;
        // Past every deadline, so that what is there now stays.
        self.clock.leap(300_000_000);
        self.rest()?;
        self.oracle.channels.check_all_heard()
    }

    /// Lets everything that was asked be answered.
    fn rest(&mut self) -> Result<(), String> {
        for _ in 0..REST_STEPS {
            self.step(false)?;
            let quiet = self.life.as_ref().is_some_and(Life::is_quiet);
            if quiet
                && self.network.is_quiet()
                && self.clients.iter().all(|client| client.link.is_some() && client.is_idle())
            {
                return Ok(());
            }
            if self.full_until_us.is_some_and(|until| until <= self.clock.now().mono_us) {
                self.disk.free();
                self.full_until_us = None;
            }
        }
        Err("answers: the node does not come to rest, or does not answer everything it was asked".to_owned())
    }

    /// Asks as one more client and waits for the answers.
    fn ask_as_auditor(&mut self, batches: Vec<Batch>) -> Result<Vec<Value>, String> {
        let id = self.clients.len();
        let auditor = Client::new(id, Part::Auditor, self.random.fork());
        self.clients.push(auditor);
        let result = self.converse(id, batches);
        let mut auditor = self.clients.pop().expect("the auditor is the last client");
        let around = Surroundings {
            clock: &self.clock,
            network: &mut self.network,
            oracle: &mut self.oracle,
            trace: &mut self.trace,
        };
        if let Some(link) = auditor.link {
            around.network.leave(link, crate::net::End::Client, false);
        }
        result.map(|()| auditor.take_values())
    }

    fn converse(&mut self, id: usize, batches: Vec<Batch>) -> Result<(), String> {
        self.rest()?;
        self.clients[id].take_values();
        for batch in batches {
            let mut around = Surroundings {
                clock: &self.clock,
                network: &mut self.network,
                oracle: &mut self.oracle,
                trace: &mut self.trace,
            };
            self.clients[id].ask(batch, &mut around);
            self.rest()?;
        }
        Ok(())
    }

    /// Every key, counter and pair is read back.
    fn audit(&mut self) -> Result<(), String> {
        self.note(format_args!("audit"));
        let mut batches: Vec<Batch> = self.oracle.keys.names().iter().map(workload::audit_key).collect();
        batches.push(Batch::one(&["SELECT", "0"], Want::Ok));
        // Writes go on by themselves once there is room.
        batches.push(Batch::one(&["ECHO", "audit"], Want::Echo(b"audit".to_vec())));
        batches.push(workload::audit_write());
        batches.extend((0..workload::COUNTERS).map(workload::audit_counter));
        batches.extend((0..workload::PAIRS).map(|pair| workload::read_twins(pair, false)));
        self.ask_as_auditor(batches).map(drop)
    }

    fn digest(&mut self) -> Result<String, String> {
        let values = self.ask_as_auditor(vec![Batch::one(&["DEBUG", "DIGEST"], Want::Fine)])?;
        Ok(values.last().and_then(Value::as_text).unwrap_or_default().to_owned())
    }

    /// Ends the process, or the machine, while nothing is under way: the next one must hold exactly the same.
    fn restart_exactly(&mut self, power: bool) -> Result<(), String> {
        let before = self.digest()?;
        // Everything that was answered so far is synced within the interval.
        for _ in 0..self.plan.sync_interval_us / self.plan.step_us * 2
            + SYNC_SLACK_STEPS
            + self.longest_freeze_us / self.plan.step_us * 2
        {
            self.step(false)?;
        }
        self.crash(power);
        let after = self.digest()?;
        match before == after {
            true => Ok(()),
            false => Err(format!("digests: the node held {before} and holds {after} after a restart")),
        }
    }

    fn reload(&mut self) -> Result<(), String> {
        let before = self.digest()?;
        self.ask_as_auditor(vec![Batch::one(&["DEBUG", "RELOAD"], Want::Ok)])?;
        let after = self.digest()?;
        match before == after {
            true => Ok(()),
            false => Err(format!("digests: the node held {before} and holds {after} after DEBUG RELOAD")),
        }
    }

    /// The seed of this run.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

/// So many freezes may follow each other.
const FREEZES_AT_ONCE: u64 = 4;

/// Within so many steps the disk's side gets its turn.
const SYNC_SLACK_STEPS: u64 = 200;

/// What a run came to that was wrong. A failed assertion is a finding like any other, and as such has its seed and its trace.
pub(crate) fn violation_of(run: impl FnOnce() -> Result<(), String>) -> Option<String> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
        Ok(result) => result.err(),
        Err(panic) => Some(format!("assertions: {}", message_of(&*panic))),
    }
}

/// What a panic said.
fn message_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message")
}
