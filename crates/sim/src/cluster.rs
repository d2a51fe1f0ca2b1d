//! A run of a cluster: several nodes, each with its machine, the links between them, and clients on any of them.
//!
//! First the nodes find each other in peace. Then the seed decides what goes wrong, who joins and who leaves. In the end
//! everything heals: each partition must be where it is to be and have one leader, every node must take writes, all that
//! is there must be explained by what clients were told, and the replicas of a partition must be the same; also after all
//! processes were killed once more.
//! Invariant: a run is replayed exactly from its seed. Does not know: what is inside a worker.

mod cache;
mod client;
mod crew;
mod deadlines;
mod events;
mod full_disk;
mod judge;
mod machine;
mod memory;
mod mix;
mod plan;
mod queue;
mod rescue;
mod trouble;
mod upgrade;
mod wires;

use std::collections::BTreeMap;
use std::time::Duration;

use base::{PartitionId, Random, SettledBy};
use cluster::MemberKind;
use node::settings::{DebugCommand, Notify, Settings};
use node::{Control, Pressure};
use resp::Value;

use crate::clock::WALL_START_US;
use crate::life::{Around, Item};
use crate::net::Network;
use crate::start::StartError;
use crate::trace::Trace;
use crate::world::{Options, Report, violation_of};
use cache::Cache;
use client::Client;
use crew::{Aim, Crew};
use events::Listener;
use judge::{Judge, Op};
use machine::{Machine, Stand};
use plan::{Kind, Plan};
use upgrade::Upgrade;
use wires::{News, Wires};

/// Steps in which everything must come to rest once nothing goes wrong any more.
const REST_STEPS: u64 = 60_000;
/// How much time passes in a step at most, at least, while nothing goes wrong: who is silent for long is given up, which
/// must come to pass within those steps.
const REST_STEP_US: u64 = 2_000;

/// Times of nodes that differ by more are not the same.
const APART_US: u64 = 1_200_000;

/// A node that takes a time for right which is so far off may let sessions lapse.
const WRONG_US: u64 = 12 * 3_600_000_000;

/// How many listen to events, where somebody does.
const LISTENERS: usize = 2;

/// Keys of their own that are written through each node in an audit, so that listeners must hear of them; and when they lapse.
const AUDIT_MARKS: u64 = 20;
/// See above.
const AUDIT_MARK_MS: u64 = 60_000;
/// How often nodes compare replicas: far more often than real ones, for a run is some seconds long.
const SCRUB_INTERVAL: Duration = Duration::from_millis(300);

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
    /// How many nodes there are at first.
    nodes: usize,
    crew: Crew,
    key_hash_seed: u64,
    /// The next mark of an audit: beyond those of clients.
    marks: u64,
    /// Steps with trouble so far.
    steps: u64,
    /// A machine is to be lost for good, as soon as the others have what it has.
    loss_wanted: Option<Kind>,
    /// A machine was, and the others have not replaced yet what it had.
    is_short: bool,
    /// In the end all machines are lost, and the cluster is made anew out of what is on their disks.
    ends_in_rescue: bool,
    /// Nodes run two versions of the program.
    upgrade: Option<Upgrade>,
}

impl ClusterWorld {
    fn new(seed: u64, (nodes, witnesses): (usize, usize), options: Options) -> ClusterWorld {
        let mut random = Random::new(seed);
        let plan = Plan::draw(&mut random).with_memory(seed).with_caches(seed).with_events(seed);
        let plan = plan.with_levels(seed).with_clocks(seed).with_stops(seed);
        let key_hash_seed = random.next_u64();
        let count = nodes + witnesses;
        let mut machines: Vec<Machine> =
            (0..count).map(|n| Machine::new(n, &plan, key_hash_seed, &mut random)).collect();
        machines[nodes..].iter_mut().for_each(|machine| machine.kind = MemberKind::Witness);
        machines[0].stand = Stand::In;
        // The founder begins with the older one, for its newest level comes into force.
        let mut upgrade = plan.levels.then(|| Upgrade::new(seed));
        if let Some(upgrade) = &mut upgrade {
            machines[1..].iter_mut().for_each(|machine| machine.levels = upgrade.program());
        }
        let mut clients: Vec<Client> = (0..plan.clients).map(|id| Client::new(id, random.fork())).collect();
        if plan.caches {
            clients.iter_mut().for_each(|client| client.cache = Some(Cache::of(client.id)));
        }
        if plan.clocks {
            clients.iter_mut().for_each(|client| client.lapsing = Some(Vec::new()));
        }
        if plan.events {
            clients.iter_mut().for_each(|client| client.is_heard = true);
            for id in plan.clients..plan.clients + LISTENERS {
                let mut client = Client::new(id, random.fork());
                client.listener = Some(Listener::default());
                clients.push(client);
            }
        }
        let mut settings = Settings::new();
        if plan.events {
            settings.notify_keyspace_events = Notify::parse("EA").expect("letters that there are");
        }
        settings.workers = plan.workers;
        settings.partitions = plan.partitions;
        settings.enable_debug_command = DebugCommand::Yes;
        settings.scrub_interval = SCRUB_INTERVAL;
        if let Some((bytes, policy)) = plan.memory {
            (settings.maxmemory, settings.maxmemory_policy) = (bytes, policy);
        }
        let mut judge = Judge::new(plan.may_take_all(), plan.events);
        judge.may_be_short = plan.memory.is_some();
        // Where memory is short, keys that lapse may go before.
        if plan.clocks && plan.memory.is_none() {
            judge.deadlines.begin();
        }
        let mut world = ClusterWorld {
            network: Network::new(random.fork(), plan.delay_us),
            wires: Wires::new(random.fork(), plan.delay_us),
            machines,
            clients,
            judge,
            trace: Trace::new(options.keep_trace),
            settings,
            blocked: Vec::new(),
            outages: Vec::new(),
            nodes: count,
            crew: Crew::default(),
            key_hash_seed,
            marks: 1_000_000_000,
            steps: 0,
            loss_wanted: None,
            is_short: false,
            ends_in_rescue: false,
            upgrade,
            random,
            plan,
        };
        let line = format!("seed {seed}: {:?}", world.plan);
        world.note(format_args!("{line}"));
        world
    }

    /// Runs a seed from beginning to end, on so many nodes.
    pub fn run(seed: u64, nodes: usize, options: Options) -> (Report, Trace) {
        ClusterWorld::new(seed, (nodes, 0), options).run_to_end(seed, options)
    }

    /// The same with a witness beside them.
    pub fn run_witnessed(seed: u64, nodes: usize, options: Options) -> (Report, Trace) {
        ClusterWorld::new(seed, (nodes, 1), options).run_to_end(seed, options)
    }

    /// So many nodes that hold data, and witnesses; in the end, while things still go wrong, all are lost but their disks.
    pub fn run_rescued(seed: u64, nodes: (usize, usize), options: Options) -> (Report, Trace) {
        let mut world = ClusterWorld::new(seed, nodes, options);
        world.ends_in_rescue = true;
        // One of the newest program makes the new cluster, at whatever level that is.
        world.upgrade = None;
        world.machines.iter_mut().for_each(|machine| machine.levels = cluster::LEVELS);
        world.run_to_end(seed, options)
    }

    fn run_to_end(mut self, seed: u64, options: Options) -> (Report, Trace) {
        let world = &mut self;
        let violation = violation_of(|| world.run_all(options.ticks));
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
        (report, self.trace)
    }

    fn now_us(&self) -> u64 {
        self.machines[0].now().mono_us
    }

    fn note(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.note(self.machines[0].now().mono_us, what);
    }

    /// The machines whose nodes are in the cluster.
    fn present(&self) -> Vec<usize> {
        (0..self.machines.len()).filter(|number| self.machines[*number].stand == Stand::In).collect()
    }

    /// A machine more, for a new node.
    fn add_machine(&mut self, place: usize, kind: MemberKind) -> usize {
        let (number, now_us) = (self.machines.len(), self.now_us());
        let mut machine = Machine::new(number, &self.plan, self.key_hash_seed, &mut self.random);
        (machine.place, machine.kind) = (place, kind);
        if let Some(upgrade) = &mut self.upgrade {
            machine.levels = upgrade.program();
        }
        machine.clock.advance(now_us - machine.now().mono_us);
        self.machines.push(machine);
        number
    }

    fn run_all(&mut self, ticks: u64) -> Result<(), String> {
        self.assemble()?;
        // In a part of the runs not before all has healed.
        let finishes_at = self.random.below(ticks + ticks / 4 + 1);
        for tick in 0..ticks {
            if tick == finishes_at {
                self.begin_to_finish();
            }
            self.make_trouble();
            self.step(true)?;
        }
        match self.ends_in_rescue {
            true => self.lose_all_and_rescue()?,
            false => self.heal()?,
        }
        self.audit()?;
        self.note(format_args!("all processes are killed once more"));
        self.present().into_iter().for_each(|number| self.crash(number));
        self.settle()?;
        self.audit()?;
        self.clients
            .iter()
            .filter_map(|client| client.listener.as_ref())
            .try_for_each(|listener| self.judge.check_heard(listener))?;
        self.judge.check()?;
        self.fill_disks()
    }

    // ---- a step ---------------------------------------------------------------------------------------------

    /// One step of everybody.
    fn step(&mut self, more: bool) -> Result<(), String> {
        let by_us = 1 + self.random.below(self.plan.step_us);
        self.machines.iter_mut().for_each(|machine| machine.clock.advance(by_us));
        let now_us = self.now_us();
        self.judge.now_us = now_us;
        self.network.advance(now_us);
        self.carry(now_us);
        self.step_crew();
        self.step_upgrade();
        self.retire_due();
        for number in 0..self.machines.len() {
            self.note_settled(number);
            self.step_machine(number)?;
        }
        (0..self.clients.len()).try_for_each(|client| self.step_client(client, more))
    }

    /// Brings what has arrived to the workers it is for.
    fn carry(&mut self, now_us: u64) {
        let machines = &mut self.machines;
        let news = self.wires.advance(
            now_us,
            |node| machines[node].life.is_some().then_some(machines[node].starts),
            |node, other| {
                machines[node].knows(machines[other].node) && machines[node].understands(&machines[other])
            },
        );
        for ((_, to, worker), news) in news {
            let nodes: Vec<_> = machines.iter().map(|machine| machine.node).collect();
            let Some(life) = &mut machines[to].life else { continue };
            match news {
                News::Frame(from, frame) => life.post(worker, Item::Frame(nodes[from], frame)),
                News::Up(peer, run) => life.post(worker, Item::PeerUp(nodes[peer], run.into())),
                News::Down(peer) => life.post(worker, Item::PeerDown(nodes[peer])),
                News::AnswersLost(peer, run) => {
                    for seat in 0..life.workers() {
                        life.post(seat, Item::AnswersLost(nodes[peer], run.into()));
                    }
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
            let is_due = machine.start_at_us <= now.mono_us && machine.stand == Stand::In;
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
        if (0..life.workers()).any(|seat| life.worker(seat).scrubbed().1 > 0) {
            return Err(format!("scrub: node {number} found a replica that holds something else"));
        }
        let (peers, control) = (std::mem::take(&mut life.peers), std::mem::take(&mut life.control));
        let urgent = std::mem::take(&mut life.urgent);
        let (failed, may_fail) = (life.failed.clone(), machine.disk_has_trouble);
        if let Some(reason) = failed {
            if !may_fail && !self.is_outlived(number) {
                return Err(format!("life: node {number} stopped without a fault of its disk: {reason}"));
            }
            self.crash(number);
        } else {
            self.end_if_done(number);
        }
        let place_of = |to| {
            self.machines.iter().position(|machine: &Machine| cluster::replica_id(machine.node) == Some(to))
        };
        for (seat, to, frame) in urgent {
            if let Some(to) = place_of(to) {
                self.wires.send_urgent((number, to, seat), frame);
            }
        }
        for (seat, to, frame) in peers {
            if let Some(to) = place_of(to) {
                self.wires.send((number, to, seat), frame);
            }
        }
        for control in control {
            if let Control::Agreed { number, result } = control {
                self.crew.answers.insert(number, result);
            }
        }
        Ok(())
    }

    /// A node that comes to know what time it is without having been told by one that knew may be wrong, without anybody's fault.
    /// If another runs for which it is another time, both may lead in turn, and no deadline is kept.
    fn note_settled(&mut self, number: usize) {
        let machine = &mut self.machines[number];
        let settled = machine.life.as_ref().and_then(|_| machine.clock.settled());
        if std::mem::replace(&mut machine.settled, settled) == settled {
            return;
        }
        let (now_us, wall_us) = (self.now_us(), self.machines[number].now().wall_us);
        self.note(format_args!("node {number} knows the time: {settled:?}, {wall_us}"));
        if matches!(settled, Some(SettledBy::Itself | SettledBy::Median)) {
            let knows = |machine: &&Machine| machine.life.is_some() && machine.clock.settled().is_some();
            let mut others = self.machines.iter().filter(knows);
            let is_apart = others.any(|other| other.now().wall_us.abs_diff(wall_us) > APART_US);
            self.judge.deadlines.forget(now_us);
            let right_us = WALL_START_US + now_us;
            self.judge.may_expire |= wall_us.abs_diff(right_us) > WRONG_US;
            if is_apart {
                self.note(format_args!("times differ: no deadline is judged any more"));
                self.judge.deadlines.end();
            }
        }
    }

    fn step_client(&mut self, number: usize, more: bool) -> Result<(), String> {
        let now = self.machines[0].now();
        let client = &mut self.clients[number];
        let mut around = Around::all(now, &mut self.random, &mut self.network, &mut self.trace);
        if client.link.is_none() && client.away_until_us <= now.mono_us {
            let is_there = |node: &usize| [Stand::In, Stand::Struck].contains(&self.machines[*node].stand);
            let there: Vec<usize> = (0..self.machines.len()).filter(is_there).collect();
            let node = there[client.random().below(there.len() as u64) as usize];
            connect(client, node, &mut self.machines, &mut around);
        }
        client.step(more, &mut self.judge, &mut around)
    }

    fn start(&mut self, number: usize) -> Result<(), String> {
        self.choose_program(number)?;
        let machine = &mut self.machines[number];
        match machine.start(&self.plan, &self.settings, &mut self.random) {
            Ok(()) => {
                self.note(format_args!("node {number} starts"));
                let present = self.present();
                self.wires.add(number, present.into_iter(), usize::from(self.plan.workers));
                // Or it is another program than the one it joined with.
                if self.machines[number].starts > 1 || self.upgrade.is_some() {
                    self.aim(number, Aim::Return { incarnation: None });
                }
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

    // ---- what must hold ---------------------------------------------------------------------------------------

    /// One node after the other is let in, in peace.
    fn assemble(&mut self) -> Result<(), String> {
        for number in 0..self.machines.len() {
            if number > 0 {
                self.aim(number, Aim::Join);
                self.until("the fabric does not let a node in", |world| world.crew.is_idle())?;
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
        let machines = self.machines.iter().filter(|machine| machine.stand == Stand::In);
        let lives: Vec<_> = machines.filter_map(|machine| machine.life.as_ref()).collect();
        let voters = self.voters_wanted();
        let wanted = voters * usize::from(self.plan.partitions);
        let workers = || lives.iter().flat_map(|life| (0..life.workers()).map(|seat| life.worker(seat)));
        let has_one_leader = |id: u16| workers().filter(|worker| worker.leads(PartitionId(id))).count() == 1;
        let knows_all =
            |life: &&crate::life::Life| life.worker(0).fabric_state().live_members().count() == nodes;
        lives.len() == nodes
            && lives.iter().all(knows_all)
            && workers().map(node::Worker::replicas).sum::<usize>() == wanted
            // Of a replica that does not vote yet, nobody has promised anything.
            && workers().map(|worker| worker.settled_replicas(voters)).sum::<usize>() == wanted
            && lives.iter().all(|life| life.worker(0).knows_meta_settled())
            && (0..self.plan.partitions).all(has_one_leader)
    }

    /// How many nodes that are in the cluster hold data.
    fn holders(&self) -> usize {
        let holds = |number: &&usize| self.machines[**number].kind == MemberKind::Data;
        self.present().iter().filter(holds).count()
    }

    /// How many are to vote in each group: a witness where two hold data.
    fn voters_wanted(&self) -> usize {
        let holders = self.holders();
        holders.min(3) + usize::from(holders == 2 && self.present().len() > holders)
    }

    fn tell_places(&self) -> String {
        let tell = |(number, machine): (usize, &Machine)| match &machine.life {
            None => format!("node {number} does not run ({:?})", machine.stand),
            Some(life) => {
                let workers = || (0..life.workers()).map(|seat| life.worker(seat));
                let leads = |id: &u16| workers().any(|worker| worker.leads(PartitionId(*id)));
                let led: Vec<u16> = (0..self.plan.partitions).filter(leads).collect();
                let replicas: usize = workers().map(node::Worker::replicas).sum();
                let unsettled: Vec<String> =
                    workers().flat_map(|worker| worker.unsettled_replicas(3)).collect();
                let meta = if life.worker(0).knows_meta_settled() { "settled" } else { "not settled" };
                let members = life.worker(0).fabric_state().live_members().count();
                format!(
                    "node {number} has {replicas} replicas, of which not settled {unsettled:?}, and leads {led:?}, knows {members} members, meta {meta}"
                )
            }
        };
        let waits = |client: &&Client| client.link.is_none() || !client.is_idle();
        let waiting = self.clients.iter().filter(waits).count();
        let crew = if self.crew.is_idle() { "" } else { "; somebody joins or leaves" };
        let links = if self.wires.are_whole() { "" } else { "; links are not whole" };
        let nodes = self.machines.iter().enumerate().map(tell).collect::<Vec<_>>().join("; ");
        format!("{nodes}; {waiting} clients wait{crew}{links}")
    }

    /// Nothing goes wrong from here on.
    fn heal(&mut self) -> Result<(), String> {
        self.note(format_args!("everything heals"));
        self.begin_to_finish();
        self.plan.troubles.clear();
        self.plan.step_us = self.plan.step_us.max(REST_STEP_US);
        self.outages.clear();
        let is_struck = |number: &usize| self.machines[*number].stand == Stand::Struck;
        let struck: Vec<usize> = (0..self.machines.len()).filter(is_struck).collect();
        struck.into_iter().for_each(|number| self.retire(number));
        for (from, to, _) in std::mem::take(&mut self.blocked) {
            self.wires.block(from, to, false);
        }
        self.wires.calm();
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
        self.until("not every request is answered, or not every partition placed and led", |world| {
            world.crew.is_idle()
                && world.is_placed(world.present().len())
                && world.wires.are_whole()
                && world.clients.iter().all(is_idle)
                // Who was told to stop before still goes.
                && world.machines.iter().all(|machine| machine.stops_until_us.is_none())
        })
    }

    /// Every node takes writes, everything is read through every node, and replicas are the same.
    fn audit(&mut self) -> Result<(), String> {
        self.note(format_args!("audit"));
        self.check_levels()?;
        self.judge.begin_audit();
        for node in self.present() {
            // Keys enough that each partition has some.
            let writes = (0..40).map(|number| Op::Fill(number, number));
            let first = self.marks;
            self.marks += if self.plan.events { AUDIT_MARKS } else { 0 };
            let marks = (first..self.marks).map(|token| Op::Mark(token, AUDIT_MARK_MS, None));
            self.audit_through(node, writes.chain(marks).collect(), &mut BTreeMap::new())?;
        }
        self.until("a node uses more memory than it may, and has keys that may go", |world| {
            world.pressures().iter().all(|pressure| matches!(pressure, Pressure::None | Pressure::Refuses))
        })?;
        let mut truth = BTreeMap::new();
        for node in self.present() {
            self.audit_through(node, Op::all_reads(), &mut truth)?;
        }
        self.judge.is_strict = false;
        self.until("a cache keeps what is no more", |world| world.stale(&truth).is_none())
            .map_err(|error| format!("caches: {error}\n    {}", self.stale(&truth).unwrap_or_default()))?;
        self.until("a listener has not heard what was", |world| world.unheard().is_none())
            .map_err(|error| format!("events: {error}\n    {}", self.unheard().unwrap_or_default()))?;
        self.until("replicas of a partition are not the same", |world| world.differing().is_none())
            .map_err(|error| format!("{error}\n    {}", self.differing().unwrap_or_default()))?;
        self.until("no replicas are compared", |world| world.holders() < 2 || world.has_compared())
    }

    /// Asks a node for these one after the other; what was read goes to `truth`.
    fn audit_through(
        &mut self,
        node: usize,
        ops: Vec<Op>,
        truth: &mut BTreeMap<String, Value>,
    ) -> Result<(), String> {
        let id = self.admit_auditor(node);
        for op in ops {
            self.watch_pressures();
            let told = self.ask_as(id, op)?;
            if let Op::Fill(..) = op {
                memory::check(&told, &self.pressures_seen())?;
            }
            if let Some(key) = op.key_read() {
                truth.insert(key, told);
            }
        }
        self.dismiss_auditor();
        Ok(())
    }

    /// Asks a node for this; what it answers.
    fn ask_through(&mut self, node: usize, op: Op) -> Result<Value, String> {
        let id = self.admit_auditor(node);
        let told = self.ask_as(id, op)?;
        self.dismiss_auditor();
        Ok(told)
    }

    /// One more client, of this node.
    fn admit_auditor(&mut self, node: usize) -> usize {
        let id = self.clients.len();
        self.clients.push(Client::new(id, self.random.fork()));
        self.attach(id, node);
        id
    }

    fn dismiss_auditor(&mut self) {
        let mut auditor = self.clients.pop().expect("the auditor is the last client");
        if let Some(link) = auditor.link.take() {
            self.network.leave(link, crate::net::End::Client, false);
        }
    }

    fn ask_as(&mut self, id: usize, op: Op) -> Result<Value, String> {
        let mut around =
            Around::all(self.machines[0].now(), &mut self.random, &mut self.network, &mut self.trace);
        self.clients[id].ask(op, &mut self.judge, &mut around);
        self.until("an auditor is not answered", |world| world.clients[id].is_idle())?;
        self.clients[id].last.clone().ok_or_else(|| "rest: the connection of an auditor is lost".to_owned())
    }

    /// What a listener has not heard.
    fn unheard(&self) -> Option<String> {
        self.clients.iter().find_map(|client| {
            let missed = self.judge.missed(client.listener.as_ref()?)?;
            Some(format!("client {} on node {}: {missed}", client.id, client.node))
        })
    }

    /// What a client keeps that is not what there is.
    fn stale(&self, truth: &BTreeMap<String, Value>) -> Option<String> {
        self.clients.iter().find_map(|client| {
            let (key, value) = client.cache.as_ref()?.stale(truth)?;
            Some(format!("client {} keeps {key} as {value:?}, which is {:?}", client.id, truth.get(key)))
        })
    }

    fn attach(&mut self, id: usize, node: usize) {
        let mut around =
            Around::all(self.machines[0].now(), &mut self.random, &mut self.network, &mut self.trace);
        connect(&mut self.clients[id], node, &mut self.machines, &mut around);
    }

    /// Whether some node has compared replicas since it was started.
    fn has_compared(&self) -> bool {
        let lives = self.machines.iter().filter_map(|machine| machine.life.as_ref());
        lives
            .flat_map(|life| (0..life.workers()).map(|seat| life.worker(seat).scrubbed().0))
            .any(|count| count > 0)
    }

    /// A partition whose replicas are not the same, and what they are; or workers that do not go by the same users or settings.
    fn differing(&self) -> Option<String> {
        let mut found: BTreeMap<PartitionId, Vec<(usize, u64, u128)>> = BTreeMap::new();
        let mut users: Option<(usize, (u64, Vec<u8>))> = None;
        let mut settings: Option<(usize, Vec<(&str, String)>)> = None;
        let present = self.present();
        for &number in &present {
            let Some(life) = &self.machines[number].life else {
                return Some(format!("node {number} does not run"));
            };
            for own in (0..life.workers()).map(|seat| life.worker(seat).shared_settings_in_force()) {
                let (other, known) = settings.get_or_insert_with(|| (number, own.clone()));
                if *known != own {
                    return Some(format!("settings: node {other} has {known:?}, node {number} {own:?}"));
                }
            }
            for (id, index, digest) in (0..life.workers()).flat_map(|seat| life.worker(seat).contents()) {
                found.entry(id).or_default().push((number, index, digest));
            }
            for list in (0..life.workers()).map(|seat| life.worker(seat).users_in_force()) {
                match &users {
                    Some((other, known)) if *known != list => {
                        return Some(format!(
                            "users: node {other} goes by version {}, node {number} by {}",
                            known.0, list.0
                        ));
                    }
                    Some(_) => {}
                    None => users = Some((number, list)),
                }
            }
        }
        let wanted = self.holders().min(3);
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
