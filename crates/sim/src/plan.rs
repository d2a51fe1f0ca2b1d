//! What a seed decides about a run before it begins: how big the node is, and what may go wrong.
//!
//! Each run has only some kinds of trouble, so that one kind does not always hide behind another.

use base::Random;

/// How a run is made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Workers of the node.
    pub workers: u16,
    /// Partitions of the node.
    pub partitions: u16,
    /// Clients, auditors aside.
    pub clients: usize,
    /// Longest delay of a piece on the network.
    pub delay_us: u64,
    /// Most time that passes in one step of the run.
    pub step_us: u64,
    /// How often the log is synced unasked.
    pub sync_interval_us: u64,
    /// Size of the log's segments.
    pub segment_bytes: u64,
    /// After how much log checkpoints are written.
    pub checkpoint_log_bytes: u64,
    /// Of 100 thousand steps, how many bring this trouble.
    pub troubles: Vec<(Kind, u64)>,
}

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A client's connection is cut.
    Cut,
    /// The process is killed between two steps of its threads.
    Kill,
    /// The process dies within an operation of the disk.
    KillInside,
    /// The machine loses power.
    PowerLoss,
    /// The machine loses power within an operation of the disk.
    PowerLossInside,
    /// An operation of the disk fails.
    DiskError,
    /// The disk fills up, and has room again later.
    DiskFull,
    /// The wall clock is set.
    ClockStep,
    /// A thread of the process stands still for a while.
    Freeze,
    /// The process is killed while nothing is under way; the next one finds its log whole.
    Restart,
}

impl Kind {
    /// All kinds, with how many of 100 thousand steps bring them at most.
    const ALL: [(Kind, u64); 10] = [
        (Kind::Cut, 400),
        (Kind::Kill, 60),
        (Kind::KillInside, 60),
        (Kind::PowerLoss, 60),
        (Kind::PowerLossInside, 60),
        (Kind::DiskError, 60),
        (Kind::DiskFull, 60),
        (Kind::ClockStep, 80),
        (Kind::Freeze, 300),
        (Kind::Restart, 40),
    ];
}

impl Plan {
    /// What a seed decides.
    pub fn draw(random: &mut Random) -> Plan {
        let workers = 1 + random.below(3) as u16;
        let troubles = Kind::ALL.into_iter().filter(|_| random.chance(1, 3));
        let troubles: Vec<_> = troubles.collect();
        let troubles = troubles.into_iter().map(|(kind, most)| (kind, 1 + random.below(most))).collect();
        Plan {
            workers,
            partitions: workers + random.below(u64::from(9 - workers)) as u16,
            clients: 3 + random.below(6) as usize,
            delay_us: [50, 500, 5_000][random.below(3) as usize],
            step_us: [100, 400, 2_000][random.below(3) as usize],
            sync_interval_us: [20_000, 200_000, 1_000_000][random.below(3) as usize],
            segment_bytes: 4096 << random.below(6),
            checkpoint_log_bytes: [4_000, 40_000, 400_000][random.below(3) as usize],
            troubles,
        }
    }
}
