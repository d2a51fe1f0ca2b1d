//! A run of a cluster: several nodes, each with its machine, the links between them, and clients on any of them.
//!
//! First the nodes find each other in peace. Then the seed decides what goes wrong. In the end everything heals: each
//! partition must have one leader, every node must take writes, all that is there must be explained by what clients were
//! told, and the replicas of a partition must be the same; also after all processes were killed once more.
//! Invariant: a run is replayed exactly from its seed. Does not know: what is inside a worker.

mod client;
mod history;
mod judge;
mod machine;
mod mix;
mod plan;
mod wires;

use std::collections::BTreeMap;

use base::{PartitionId, Random};
use cluster::{Admission, Command};
use node::Control;
use node::settings::{DebugCommand, Settings};

use crate::life::{Around, Item};
use crate::net::Network;
use crate::start::StartError;
use crate::trace::Trace;
use crate::world::{Options, Report, message_of};
use client::Client;
use judge::{Judge, Op};
use machine::Machine;
use plan::{Kind, Plan};
use wires::{News, Wires};

/// Steps in which everything must come to rest once nothing goes wrong any more.
const REST_STEPS: u64 = 60_000;

/// A run of a cluster under way.
pub struct ClusterWorld {
    plan: Plan,
    random: Random,
    network: Network,
    wires: Wires,
    machines: Vec<Machine>,
    clients: Vec<Client>,
    judge: Judge,
    trace: Trace,
    settings: Settings,
    /// Directions that are blocked, and until when.
    blocked: Vec<(usize, usize, u64)>,
    /// When one machine will lose its power and another be cut off.
    outages: Vec<(u64, usize, usize)>,
    /// What the fabric decided on what it was asked for, not looked at yet.
    agreed: Vec<Result<(), String>>,
}

impl ClusterWorld {
    fn new(seed: u64, nodes: usize, options: Options) -> ClusterWorld {
        let mut random = Random::new(seed);
        let plan = Plan::draw(&mut random);
        let key_hash_seed = random.next_u64();
        let machines = (0..nodes).map(|n| Machine::new(n, &plan, key_hash_seed, &mut random)).collect();
        let clients = (0..plan.clients).map(|id| Client::new(id, random.fork())).collect();
        let mut settings = Settings::new();
        settings.workers = plan.workers;
        settings.partitions = plan.partitions;
        settings.enable_debug_command = DebugCommand::Yes;
        let mut world = ClusterWorld {
            network: Network::new(random.fork(), plan.delay_us),
            wires: Wires::new(random.fork(), plan.delay_us),
            machines,
            clients,
            judge: Judge::default(),
            trace: Trace::new(options.keep_trace),
            settings,
            blocked: Vec::new(),
            outages: Vec::new(),
            agreed: Vec::new(),
            random,
            plan,
        };
        let line = format!("seed {seed}: {:?}", world.plan);
        world.note(format_args!("{line}"));
        world
    }

    /// Runs a seed from beginning to end, on so many nodes.
    pub fn run(seed: u64, nodes: usize, options: Options) -> (Report, Trace) {
        let mut world = ClusterWorld::new(seed, nodes, options);
        // A failed assertion is a finding like any other, and as such has its seed and its trace.
        let run = std::panic::AssertUnwindSafe(|| world.run_all(options.ticks));
        let violation = match std::panic::catch_unwind(run) {
            Ok(result) => result.err(),
            Err(panic) => Some(format!("assertions: {}", message_of(&*panic))),
        };
        if let Some(violation) = &violation {
            world.note(format_args!("VIOLATION {violation}"));
        }
        let report = Report {
            seed,
            violation,
            digest: world.trace.digest(),
            lines: world.trace.lines(),
            answers: world.judge.answers,
            refusals: world.judge.refusals,
            starts: world.machines.iter().map(|machine| machine.starts).sum(),
        };
        (report, world.trace)
    }

    fn now_us(&self) -> u64 {
        self.machines[0].now().mono_us
    }

    fn note(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.note(self.machines[0].now().mono_us, what);
    }

    fn run_all(&mut self, ticks: u64) -> Result<(), String> {
        self.assemble()?;
        for _ in 0..ticks {
            self.make_trouble();
            self.step(true)?;
        }
        self.heal()?;
        self.audit()?;
        self.note(format_args!("all processes are killed once more"));
        (0..self.machines.len()).for_each(|number| self.crash(number));
        self.settle()?;
        self.audit()?;
        self.judge.check()
    }

    // ---- a step ---------------------------------------------------------------------------------------------

    /// One step of everybody.
    fn step(&mut self, more: bool) -> Result<(), String> {
        let by_us = 1 + self.random.below(self.plan.step_us);
        self.machines.iter_mut().for_each(|machine| machine.clock.advance(by_us));
        let now_us = self.now_us();
        self.network.advance(now_us);
        self.carry(now_us);
        for number in 0..self.machines.len() {
            self.step_machine(number)?;
        }
        (0..self.clients.len()).try_for_each(|client| self.step_client(client, more))
    }

    /// Brings what has arrived to the workers it is for.
    fn carry(&mut self, now_us: u64) {
        let machines = &mut self.machines;
        let news = self.wires.advance(now_us, |node| machines[node].life.is_some());
        for ((_, to, worker), news) in news {
            let nodes: Vec<_> = machines.iter().map(|machine| machine.node).collect();
            let Some(life) = &mut machines[to].life else { continue };
            match news {
                News::Frame(from, frame) => life.post(worker, Item::Frame(nodes[from], frame)),
                News::Up(peer) => life.post(worker, Item::PeerUp(nodes[peer])),
                News::Down(peer) => life.post(worker, Item::PeerDown(nodes[peer])),
                News::AnswersLost(peer) => {
                    (0..life.workers()).for_each(|seat| life.post(seat, Item::AnswersLost(nodes[peer])));
                }
            }
        }
    }

    fn step_machine(&mut self, number: usize) -> Result<(), String> {
        let machine = &mut self.machines[number];
        let now = machine.now();
        if machine.full_until_us.is_some_and(|until| until <= now.mono_us) {
            machine.disk.free();
            machine.full_until_us = None;
        }
        if machine.life.is_none() {
            let is_due = machine.start_at_us <= now.mono_us && (number == 0 || machine.admission.is_some());
            return if is_due { self.start(number) } else { Ok(()) };
        }
        if machine.is_paused() {
            return Ok(());
        }
        let mut around = Around {
            now,
            random: &mut self.random,
            network: &mut self.network,
            trace: &mut self.trace,
            node: Some(number),
        };
        machine.step(&mut around);
        let Some(life) = &mut machine.life else { return Ok(()) };
        let (peers, control) = (std::mem::take(&mut life.peers), std::mem::take(&mut life.control));
        if let Some(reason) = life.failed.clone() {
            if !machine.disk_has_trouble {
                return Err(format!("life: node {number} stopped without a fault of its disk: {reason}"));
            }
            self.crash(number);
        }
        for (seat, to, frame) in peers {
            let known = |machine: &Machine| cluster::replica_id(machine.node) == Some(to);
            if let Some(to) = self.machines.iter().position(known) {
                self.wires.send((number, to, seat), frame);
            }
        }
        for control in control {
            if let Control::Agreed { result, .. } = control {
                self.agreed.push(result);
            }
        }
        Ok(())
    }

    fn step_client(&mut self, number: usize, more: bool) -> Result<(), String> {
        let now = self.machines[0].now();
        let client = &mut self.clients[number];
        let mut around = Around {
            now,
            random: &mut self.random,
            network: &mut self.network,
            trace: &mut self.trace,
            node: None,
        };
        if client.link.is_none() && client.away_until_us <= now.mono_us {
            let node = client.random().below(self.machines.len() as u64) as usize;
            connect(client, node, &mut self.machines, &mut around);
        }
        client.step(more, &mut self.judge, &mut around)
    }

    fn start(&mut self, number: usize) -> Result<(), String> {
        let machine = &mut self.machines[number];
        match machine.start(number, &self.plan, &self.settings, &mut self.random) {
            Ok(()) => {
                self.note(format_args!("node {number} starts"));
                let count = self.machines.len();
                self.wires.add(number, 0..count, usize::from(self.plan.workers));
                Ok(())
            }
            // A fault may strike while it starts; the next attempt finds what this one left.
            Err(StartError::Log(error))
                if machine.disk_has_trouble || machine.full_until_us.is_some() && error.is_full() =>
            {
                self.note(format_args!("node {number} does not start: {error}"));
                self.crash(number);
                Ok(())
            }
            Err(error) => Err(format!("start: node {number} does not start: {error}")),
        }
    }

    /// The process of a node dies.
    fn crash(&mut self, number: usize) {
        self.note(format_args!("the process of node {number} dies"));
        let cut = self.random.chance(1, 2);
        let away_us = self.random.below(400_000);
        let machine = &mut self.machines[number];
        if let Some(life) = machine.life.take() {
            machine.lost_power |= life.is_in_doubt();
            life.end(&mut self.network, cut);
        }
        machine.disk.kill();
        // A fault that was planned went with the life.
        machine.disk_has_trouble = false;
        machine.paused_until_us = 0;
        machine.start_at_us = machine.now().mono_us + away_us;
        self.wires.died(number);
    }

    /// A machine loses its power, unless another has not recovered from that yet: what a majority has and not one disk,
    /// no loss of a single machine takes.
    fn lose_power(&mut self, number: usize) {
        if self.machines.len() == 1 {
            // May take the last second, which the histories here do not allow for; the world of one node does.
            self.note(format_args!("the only machine keeps its power, its process dies"));
            return self.crash(number);
        }
        let recovers = |(other, machine): (usize, &Machine)| other != number && machine.is_recovering();
        if self.machines.iter().enumerate().any(recovers) {
            return self.note(format_args!("another machine has lost its power, this one keeps it"));
        }
        self.crash(number);
        let machine = &mut self.machines[number];
        machine.disk.lose_power();
        machine.lost_power = true;
    }

    // ---- trouble --------------------------------------------------------------------------------------------

    fn make_trouble(&mut self) {
        let now_us = self.now_us();
        let over: Vec<_> = self.blocked.iter().filter(|(.., until)| *until <= now_us).copied().collect();
        self.blocked.retain(|(.., until)| *until > now_us);
        for (from, to, _) in over {
            if !self.blocked.iter().any(|(f, t, _)| (*f, *t) == (from, to)) {
                self.wires.block(from, to, false);
            }
        }
        for (_, unplugged, cut_off) in
            self.outages.extract_if(.., |(at, ..)| *at <= now_us).collect::<Vec<_>>()
        {
            self.lose_power(unplugged);
            let until = now_us + 500_000 + self.random.below(2_500_000);
            self.cut_off(cut_off, until, true, true);
        }
        let mut draw = self.random.below(100_000 * self.plan.calm);
        for (kind, share) in self.plan.troubles.clone() {
            if draw < share {
                return self.strike(kind);
            }
            draw -= share;
        }
    }

    fn strike(&mut self, kind: Kind) {
        let nodes = self.machines.len();
        let number = self.random.below(nodes as u64) as usize;
        let other = (number + 1 + self.random.below((nodes as u64 - 1).max(1)) as usize) % nodes;
        self.note(format_args!("trouble: {kind:?} of node {number}, {other}"));
        let now_us = self.now_us();
        match kind {
            Kind::CutClient => {
                let client = self.random.below(self.clients.len() as u64) as usize;
                let now = self.machines[0].now();
                let mut around = Around {
                    now,
                    random: &mut self.random,
                    network: &mut self.network,
                    trace: &mut self.trace,
                    node: None,
                };
                self.clients[client].disconnected(&mut self.judge, &mut around);
            }
            Kind::Kill => self.crash(number),
            Kind::PowerLoss => self.lose_power(number),
            Kind::Outage => {
                let until = now_us + 100_000 + self.random.below(1_500_000);
                self.cut_off(number, until, true, true);
                let third = (0..nodes).find(|node| ![number, other].contains(node)).unwrap_or(other);
                self.outages.push((until, other, third));
            }
            Kind::KillAll => (0..nodes).for_each(|number| self.crash(number)),
            Kind::KillInside => {
                self.machines[number].disk_has_trouble = true;
                self.machines[number].disk.kill_within(60);
            }
            Kind::DiskError => {
                self.machines[number].disk_has_trouble = true;
                self.machines[number].disk.fail_within(40);
                // The failure may be that of a full disk.
                self.judge.may_be_full = true;
            }
            Kind::DiskFull => {
                self.judge.may_be_full = true;
                self.machines[number].disk.fill_up(200_000);
                self.machines[number].full_until_us = Some(now_us + 1 + self.random.below(3_000_000));
            }
            Kind::Pause => self.machines[number].paused_until_us = now_us + self.random.below(3_000_000),
            Kind::Freeze => {
                let until = now_us + self.random.below(1_000_000);
                let thread = self.random.below(u64::from(self.plan.workers) + 1) as usize;
                if let Some(life) = &mut self.machines[number].life {
                    life.freeze(thread, until);
                }
            }
            Kind::Isolate | Kind::Deaf | Kind::Mute => {
                let until = now_us + self.random.below(4_000_000);
                self.cut_off(number, until, kind != Kind::Mute, kind != Kind::Deaf);
            }
            Kind::Sleep => {
                let wakes_us = now_us + 500_000 + self.random.below(1_500_000);
                self.machines[number].paused_until_us = wakes_us;
                let until = wakes_us + self.random.below(2_000_000);
                self.cut_off(number, until, true, true);
            }
            Kind::OneWay => {
                let until = now_us + self.random.below(4_000_000);
                self.block(number, other, until);
            }
            Kind::Break => self.wires.break_between(number, other),
            Kind::ClockStep => {
                let by_ms = [-100_000, -50, -5, 5, 50, 100_000][self.random.below(6) as usize];
                self.machines[number].clock.step((by_ms + self.random.below(20) as i64) * 1000);
            }
        }
    }

    /// A node does not hear the others, or is not heard by them, until then.
    fn cut_off(&mut self, number: usize, until: u64, hears_not: bool, is_not_heard: bool) {
        for peer in 0..self.machines.len() {
            if hears_not {
                self.block(peer, number, until);
            }
            if is_not_heard {
                self.block(number, peer, until);
            }
        }
    }

    fn block(&mut self, from: usize, to: usize, until: u64) {
        if from != to {
            self.wires.block(from, to, true);
            self.blocked.push((from, to, until));
        }
    }

    // ---- what must hold ---------------------------------------------------------------------------------------

    /// One node after the other is let in, in peace.
    fn assemble(&mut self) -> Result<(), String> {
        for number in 0..self.machines.len() {
            if number > 0 {
                let (member, admission) = (self.machines[number].newcomer(number), Admission::Local);
                let command = Box::new(Command::Join { member, admission });
                let founder = self.machines[0].life.as_mut().ok_or("the founder does not run")?;
                founder.post(0, Item::AskFabric(1, command));
                self.until("the fabric does not let a node in", |world| !world.agreed.is_empty())?;
                self.agreed.pop().ok_or("no answer")??;
                let founder = self.machines[0].life.as_ref().ok_or("the founder does not run")?;
                self.machines[number].admission = Some(founder.worker(0).fabric_state().clone());
            }
            self.until("the fabric does not place its data", |world| world.is_placed(number + 1))?;
        }
        self.note(format_args!("all nodes have their data"));
        Ok(())
    }

    /// Goes on until something holds, without trouble and without new requests.
    fn until(&mut self, what: &str, holds: impl Fn(&ClusterWorld) -> bool) -> Result<(), String> {
        for _ in 0..REST_STEPS {
            if holds(self) {
                return Ok(());
            }
            self.step(false)?;
        }
        Err(format!("rest: {what}\n    {}", self.tell_places()))
    }

    /// Whether so many nodes run, each partition has one leader, and as many replicas as it should.
    fn is_placed(&self, nodes: usize) -> bool {
        let lives: Vec<_> = self.machines.iter().filter_map(|machine| machine.life.as_ref()).collect();
        let wanted = nodes.min(3) * usize::from(self.plan.partitions);
        let workers = || lives.iter().flat_map(|life| (0..life.workers()).map(|seat| life.worker(seat)));
        let has_one_leader = |id: u16| workers().filter(|worker| worker.leads(PartitionId(id))).count() == 1;
        let knows_all =
            |life: &&crate::life::Life| life.worker(0).fabric_state().live_members().count() == nodes;
        lives.len() == nodes
            && lives.iter().all(knows_all)
            && workers().map(node::Worker::replicas).sum::<usize>() == wanted
            // Of a replica that does not vote yet, nobody has promised anything.
            && workers().map(node::Worker::settled_voters).sum::<usize>() == wanted
            && (0..self.plan.partitions).all(has_one_leader)
    }

    fn tell_places(&self) -> String {
        let tell = |(number, machine): (usize, &Machine)| match &machine.life {
            None => format!("node {number} does not run"),
            Some(life) => {
                let workers = || (0..life.workers()).map(|seat| life.worker(seat));
                let leads = |id: &u16| workers().any(|worker| worker.leads(PartitionId(*id)));
                let led: Vec<u16> = (0..self.plan.partitions).filter(leads).collect();
                let replicas: usize = workers().map(node::Worker::replicas).sum();
                format!("node {number} has {replicas} replicas and leads {led:?}")
            }
        };
        self.machines.iter().enumerate().map(tell).collect::<Vec<_>>().join("; ")
    }

    /// Nothing goes wrong from here on.
    fn heal(&mut self) -> Result<(), String> {
        self.note(format_args!("everything heals"));
        self.plan.troubles.clear();
        self.outages.clear();
        for (from, to, _) in std::mem::take(&mut self.blocked) {
            self.wires.block(from, to, false);
        }
        for machine in &mut self.machines {
            machine.disk.heal();
            machine.full_until_us = None;
            machine.paused_until_us = 0;
        }
        self.settle()?;
        self.machines.iter_mut().for_each(|machine| machine.disk_has_trouble = false);
        // A node looks for room now and then, and goes on by itself.
        self.machines.iter_mut().for_each(|machine| machine.clock.advance(200_000));
        self.settle()
    }

    /// Everything that was asked is answered, every node runs and reaches all others, and every partition is led.
    fn settle(&mut self) -> Result<(), String> {
        let is_idle = |client: &Client| client.link.is_some() && client.is_idle();
        self.until("not every request is answered, or not every partition led", |world| {
            world.is_placed(world.machines.len())
                && world.wires.are_whole()
                && world.clients.iter().all(is_idle)
        })
    }

    /// Everything is read through every node, every node takes writes, and replicas are the same.
    fn audit(&mut self) -> Result<(), String> {
        self.note(format_args!("audit"));
        self.judge.is_strict = true;
        for node in 0..self.machines.len() {
            let id = self.clients.len();
            self.clients.push(Client::new(id, self.random.fork()));
            self.attach(id, node);
            // Keys enough that each partition has some.
            let writes = (0..40).map(|number| Op::Fill(number, number));
            for op in writes.chain(Op::all_reads()).collect::<Vec<_>>() {
                let mut around = Around {
                    now: self.machines[0].now(),
                    random: &mut self.random,
                    network: &mut self.network,
                    trace: &mut self.trace,
                    node: None,
                };
                self.clients[id].ask(op, &mut self.judge, &mut around);
                self.until("an auditor is not answered", |world| world.clients[id].is_idle())?;
            }
            let mut auditor = self.clients.pop().expect("the auditor is the last client");
            if let Some(link) = auditor.link.take() {
                self.network.leave(link, crate::net::End::Client, false);
            }
        }
        self.judge.is_strict = false;
        self.until("replicas of a partition are not the same", |world| world.differing().is_none())
            .map_err(|error| format!("{error}\n    {}", self.differing().unwrap_or_default()))
    }

    fn attach(&mut self, id: usize, node: usize) {
        let mut around = Around {
            now: self.machines[0].now(),
            random: &mut self.random,
            network: &mut self.network,
            trace: &mut self.trace,
            node: None,
        };
        connect(&mut self.clients[id], node, &mut self.machines, &mut around);
    }

    /// A partition whose replicas are not the same, and what they are.
    fn differing(&self) -> Option<String> {
        let mut found: BTreeMap<PartitionId, Vec<(usize, u64, u128)>> = BTreeMap::new();
        for (number, machine) in self.machines.iter().enumerate() {
            let Some(life) = &machine.life else { return Some(format!("node {number} does not run")) };
            for (id, index, digest) in (0..life.workers()).flat_map(|seat| life.worker(seat).contents()) {
                found.entry(id).or_default().push((number, index, digest));
            }
        }
        let wanted = self.machines.len().min(3);
        let same = |replicas: &[(usize, u64, u128)]| {
            replicas.len() == wanted
                && replicas.windows(2).all(|pair| (pair[0].1, pair[0].2) == (pair[1].1, pair[1].2))
        };
        let (id, replicas) = found.iter().find(|(_, replicas)| !same(replicas))?;
        let tell =
            |(node, index, digest): &(usize, u64, u128)| format!("node {node}: entry {index}, {digest:032x}");
        Some(format!("partition {}: {}", id.0, replicas.iter().map(tell).collect::<Vec<_>>().join("; ")))
    }
}

/// A client connects to a node, if its process runs.
fn connect(client: &mut Client, node: usize, machines: &mut [Machine], around: &mut Around<'_>) {
    let Some(life) = &mut machines[node].life else {
        client.away_until_us = around.now.mono_us + 10_000;
        return;
    };
    let link = around.network.connect();
    life.accept(link);
    client.connected(link, node, around);
}
