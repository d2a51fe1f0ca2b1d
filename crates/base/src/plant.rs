//! Bugs that are planted on purpose, to prove that the simulator finds bugs of their kind.
//!
//! This module, and every place that asks it, exists only in a build with `--cfg narf_plant`, and such a build
//! refuses to be one without debug assertions: no release can carry a planted bug. Which one is planted is chosen
//! at run time, so that one build serves for all. See docs/decisions.

use std::sync::atomic::{AtomicU8, Ordering};

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Plant {
    /// A shell sends replies before it has appended the frame they tell of.
    AckBeforeWrite = 1,
    /// A sync leaves out the segments that are no longer the active one.
    LostTail = 2,
    /// The time of operations is that of the last entry, so that keys live on past their deadline.
    ExpiredServed = 3,
    /// A reply that is known at once is not put behind those that are still to come.
    ReplyOrder = 4,
    /// A leader reads by itself however long it has heard of nobody.
    StaleLease = 5,
    /// A follower acknowledges entries that it does not log.
    FollowerForgets = 6,
    /// A write is sent again when the node that had it was lost.
    RetriedWrite = 7,
    /// A write of unknown fate is said not to have been applied.
    DeniedOutcome = 8,
    /// A transfer of a partition's state leaves its keys out.
    EmptySnapshot = 9,
    /// A leader takes what it logged for committed.
    MinorityCommit = 10,
    /// What a checkpoint holds is applied once more.
    AppliedTwice = 11,
    /// A replica does not log its term and whom it voted for.
    VoteNotSaved = 12,
    /// A replica votes though its machine lost its power and it may have forgotten what it acknowledged.
    VotesInDoubt = 13,
    /// A node that leaves goes as soon as the fabric has other places for what it has, before that is there.
    LeavesEarly = 14,
    /// A transfer of a partition's state leaves out what is kept of numbered requests.
    ForgottenLedger = 15,
    /// A witness that leads serves requests, from the data that it does not have.
    WitnessServes = 16,
    /// A witness drops entries before others have them on stable storage.
    WitnessCuts = 17,
    /// Keys without a deadline are evicted where only those with one may be.
    EvictsLasting = 18,
    /// A leader evicts from what it has itself, and tells nobody.
    EvictsUnlogged = 19,
    /// Every replica tells what happened to a key.
    ToldTwice = 20,
    /// A leader tells of a write when it takes it, before it is committed.
    ToldEarly = 21,
    /// A shell takes the system's wall clock as it comes.
    TakesJumps = 22,
    /// The checksum of a frame's payload is not looked at when the log is read.
    ChecksumIgnored = 23,
    /// Each replica applies entries at the time of its own clock.
    OwnTime = 24,
    /// A replica votes for who has less in its log, which makes it cut what is committed.
    VotesForLess = 25,
    /// A node says what the newest level that it knows allows, whichever is in force.
    SpeaksNewest = 26,
    /// A node that starts takes its own system's clock for the time, whatever others say.
    OwnClock = 27,
    /// A full disk is no reason for a checkpoint, so that the log which fills it stays.
    StaysFull = 28,
}

impl Plant {
    /// Every bug that one node by itself can have, with its name.
    pub const ALONE: [(&'static str, Plant); 6] = [
        ("ack_before_write", Plant::AckBeforeWrite),
        ("lost_tail", Plant::LostTail),
        ("expired_served", Plant::ExpiredServed),
        ("reply_order", Plant::ReplyOrder),
        ("takes_jumps", Plant::TakesJumps),
        ("checksum_ignored", Plant::ChecksumIgnored),
    ];

    /// Every bug that takes two nodes and a witness, with its name.
    pub const WITNESS: [(&'static str, Plant); 2] =
        [("witness_serves", Plant::WitnessServes), ("witness_cuts", Plant::WitnessCuts)];

    /// Every bug that takes a cluster, with its name.
    pub const CLUSTER: [(&'static str, Plant); 20] = [
        ("stale_lease", Plant::StaleLease),
        ("follower_forgets", Plant::FollowerForgets),
        ("retried_write", Plant::RetriedWrite),
        ("denied_outcome", Plant::DeniedOutcome),
        ("empty_snapshot", Plant::EmptySnapshot),
        ("minority_commit", Plant::MinorityCommit),
        ("applied_twice", Plant::AppliedTwice),
        ("vote_not_saved", Plant::VoteNotSaved),
        ("votes_in_doubt", Plant::VotesInDoubt),
        ("leaves_early", Plant::LeavesEarly),
        ("forgotten_ledger", Plant::ForgottenLedger),
        ("evicts_lasting", Plant::EvictsLasting),
        ("evicts_unlogged", Plant::EvictsUnlogged),
        ("told_twice", Plant::ToldTwice),
        ("told_early", Plant::ToldEarly),
        ("own_time", Plant::OwnTime),
        ("votes_for_less", Plant::VotesForLess),
        ("speaks_newest", Plant::SpeaksNewest),
        ("own_clock", Plant::OwnClock),
        ("stays_full", Plant::StaysFull),
    ];
}

static PLANTED: AtomicU8 = AtomicU8::new(0);

/// Plants a bug, or none.
pub fn plant(bug: Option<Plant>) {
    PLANTED.store(bug.map_or(0, |bug| bug as u8), Ordering::Relaxed);
}

/// Whether this one is planted.
pub fn is(bug: Plant) -> bool {
    PLANTED.load(Ordering::Relaxed) == bug as u8
}
