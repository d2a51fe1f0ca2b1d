//! What a seed decides about a cluster before it begins: how big it is, and what may go wrong with it.

use base::Random;
use node::settings::MemoryPolicy;

/// How a cluster's run is made.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Workers of each node.
    pub(crate) workers: u16,
    pub(crate) partitions: u16,
    pub(crate) clients: usize,
    /// Longest delay of a piece on the network.
    pub(crate) delay_us: u64,
    /// Most time that passes in one step of the run.
    pub(crate) step_us: u64,
    pub(crate) sync_interval_us: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) checkpoint_log_bytes: u64,
    /// The limit of memory of each node, and what is done at it.
    pub(crate) memory: Option<(u64, MemoryPolicy)>,
    /// Some clients listen to what happens to keys.
    pub(crate) events: bool,
    /// Clients keep what they read.
    pub(crate) caches: bool,
    /// Nodes start with wrong clocks, and deadlines are judged.
    pub(crate) clocks: bool,
    /// Nodes run two versions of the program.
    pub(crate) levels: bool,
    /// How many times seldomer than they might troubles come: where they come often, little is done between them.
    pub(crate) calm: u64,
    /// Of 100 thousand steps, how many bring this trouble, in the least calm of runs.
    pub(crate) troubles: Vec<(Kind, u64)>,
}

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A client's connection is cut.
    CutClient,
    /// A node's process is killed between two steps of its threads.
    Kill,
    /// A node's process dies within an operation of its disk.
    KillInside,
    /// A machine loses its power: of what its disk has not synced some is gone.
    PowerLoss,
    /// Several machines lose their power at the same time.
    PowerLossOfSome,
    /// All machines lose their power at the same time.
    PowerLossOfAll,
    /// A node hears nobody; once it does again, another loses its power and a third is cut off in its turn.
    Outage,
    /// All processes are killed at once.
    KillAll,
    /// A node's process is told to stop: it hands over what it leads, and goes.
    Stop,
    /// A node's process stands still.
    Pause,
    /// One thread of a node stands still.
    Freeze,
    /// A node hears and is heard by nobody.
    Isolate,
    /// A node's process stands still, and once it goes on, it hears and is heard by nobody for a while.
    Sleep,
    /// What one node says to another does not arrive for a while.
    OneWay,
    /// A node is heard by all and hears nobody.
    Deaf,
    /// A node hears all and is heard by nobody.
    Mute,
    /// The links between two nodes break, and what was on them is lost.
    Break,
    /// A node's disk fails once.
    DiskError,
    /// A node's disk fills up, and has room again later.
    DiskFull,
    /// A node's wall clock is set.
    ClockStep,
    /// A new node joins.
    Join,
    /// A node hands over what it has and leaves.
    Leave,
    /// A machine is gone with its disk: another takes its place, as a new node.
    Wipe,
    /// A node that can be reached by nobody is removed and replaced, while it still runs.
    Replace,
}

impl Kind {
    /// All kinds, with how many of 100 thousand steps bring them at most.
    const ALL: [(Kind, u64); 23] = [
        (Kind::CutClient, 300),
        (Kind::Kill, 150),
        (Kind::KillInside, 80),
        (Kind::PowerLoss, 100),
        (Kind::PowerLossOfSome, 50),
        (Kind::PowerLossOfAll, 30),
        (Kind::Outage, 200),
        (Kind::KillAll, 30),
        (Kind::Pause, 100),
        (Kind::Freeze, 200),
        (Kind::Isolate, 150),
        (Kind::Sleep, 200),
        (Kind::OneWay, 100),
        (Kind::Deaf, 150),
        (Kind::Mute, 200),
        (Kind::Break, 200),
        (Kind::DiskError, 60),
        (Kind::DiskFull, 60),
        (Kind::ClockStep, 100),
        (Kind::Join, 60),
        (Kind::Leave, 60),
        (Kind::Wipe, 30),
        (Kind::Replace, 20),
    ];
}

impl Plan {
    /// What a seed decides.
    pub(crate) fn draw(random: &mut Random) -> Plan {
        let workers = 1 + random.below(2) as u16;
        let chosen: Vec<_> = Kind::ALL.into_iter().filter(|_| random.chance(1, 2)).collect();
        let troubles = chosen.into_iter().map(|(kind, most)| (kind, 1 + random.below(most))).collect();
        Plan {
            workers,
            partitions: workers + random.below(u64::from(9 - workers)) as u16,
            clients: 3 + random.below(4) as usize,
            delay_us: [200, 2_000, 20_000][random.below(3) as usize],
            step_us: [500, 2_000, 4_000][random.below(3) as usize],
            sync_interval_us: [20_000, 200_000, 1_000_000][random.below(3) as usize],
            segment_bytes: 4096 << random.below(6),
            checkpoint_log_bytes: [4_000, 40_000, 400_000][random.below(3) as usize],
            calm: [1, 3, 10, 30][random.below(4) as usize],
            troubles,
            memory: None,
            caches: false,
            levels: false,
            clocks: false,
            events: false,
        }
    }

    /// The same with caches in some runs, drawn apart as well.
    pub(crate) fn with_caches(self, seed: u64) -> Plan {
        Plan { caches: Random::new(seed ^ 0x0063_6163_6865_7300).chance(1, 3), ..self }
    }

    /// The same with two versions in some runs.
    pub(crate) fn with_levels(self, seed: u64) -> Plan {
        Plan { levels: Random::new(seed ^ 0x0075_7067_7261_6465).chance(1, 3), ..self }
    }

    /// The same with wrong clocks in some runs.
    pub(crate) fn with_clocks(self, seed: u64) -> Plan {
        Plan { clocks: Random::new(seed ^ 0x0063_6c6f_636b_7300).chance(1, 2), ..self }
    }

    /// The same with a limit of memory in some runs, drawn apart so that the others stay what they were.
    pub(crate) fn with_memory(self, seed: u64) -> Plan {
        use MemoryPolicy as P;
        let mut random = Random::new(seed ^ 0x006d_656d_6f72_7900);
        // Where only keys that lapse may go, those that are judged must stay; they do not lapse.
        let lapsing = [P::VolatileLru, P::VolatileLfu, P::VolatileRandom, P::VolatileTtl];
        let limit = (1_500 << random.below(5), lapsing[random.below(4) as usize]);
        let is_limited = random.chance(1, 3);
        let all = [P::AllkeysLru, P::AllkeysLfu, P::AllkeysRandom, P::NoEviction];
        let limit = match random.chance(1, 2) {
            true => (limit.0, all[random.below(4) as usize]),
            false => limit,
        };
        Plan { memory: is_limited.then_some(limit), ..self }
    }

    /// The same with listeners in some runs.
    pub(crate) fn with_events(self, seed: u64) -> Plan {
        Plan { events: Random::new(seed ^ 0x0065_7665_6e74_7300).chance(1, 2), ..self }
    }

    /// The same with planned stops in some runs.
    pub(crate) fn with_stops(mut self, seed: u64) -> Plan {
        let mut random = Random::new(seed ^ 0x0073_746f_7073_0000);
        if random.chance(1, 2) {
            self.troubles.push((Kind::Stop, 1 + random.below(300)));
        }
        self
    }

    /// Whether keys may be taken away that do not lapse.
    pub(crate) fn may_take_all(&self) -> bool {
        use MemoryPolicy as P;
        let is_such = |policy| matches!(policy, P::AllkeysLru | P::AllkeysLfu | P::AllkeysRandom);
        self.memory.is_some_and(|(_, policy)| is_such(policy))
    }
}
