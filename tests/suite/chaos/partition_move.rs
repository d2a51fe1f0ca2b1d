//! Partitions move under full writes: away from a node that leaves, and to it when it joins again; and a node dies on the
//! way, at one moment after the other: who gives, who takes, who leads the group that decides.
//!
//! Four nodes hold three replicas of each partition, so that each move is of data and leads. What is bound to a partition
//! and not a key's value goes with it: deadlines, and what numbered requests were answered.

use std::time::{Duration, Instant};

use narf_tests::{Client, DEADLINE, Signal, signal, skip_unless_narf, within};

use super::load::{Load, audit};
use super::probes::{Gap, Probes, Watch};
use super::{is_long, percentiles, rounds};
use crate::nodes::Cluster;

const NODES: usize = 4;
/// The one that leaves and joins again.
const MOVER: usize = NODES - 1;
const MOVE_MAX: Duration = Duration::from_secs(60);
/// While nobody dies, no key waits longer for its partition.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// So many parts of a move's time a node may die after.
const MOMENTS: u64 = 5;
const KEPT: u64 = 100;

/// What was put in before, and is asked for again after.
struct Kept {
    /// By key: when it lapses.
    deadlines: Vec<String>,
    /// By key: the session that counted it up once, under its first number.
    sessions: Vec<String>,
}

impl Kept {
    fn put(client: &mut Client) -> Kept {
        let put = |number: u64| {
            client.check(&format!("SET lapses:{number} v PX {}", 3_600_000 + number), "+OK");
            client.run(&format!("PEXPIRETIME lapses:{number}")).to_string()
        };
        let deadlines = (0..KEPT).map(put).collect();
        let open = |number: u64| {
            let session = client.run("CLIENT SESSION OPEN").text();
            client.check(&format!("CLIENT SESSION SEQ {session} 1"), "+OK");
            client.check(&format!("INCR counted:{number}"), ":1");
            session
        };
        let sessions = (0..KEPT).map(open).collect();
        Kept { deadlines, sessions }
    }

    fn check(&self, client: &mut Client) {
        for (number, deadline) in self.deadlines.iter().enumerate() {
            client.check(&format!("PEXPIRETIME lapses:{number}"), deadline);
        }
        for (number, session) in self.sessions.iter().enumerate() {
            client.check(&format!("CLIENT SESSION SEQ {session} 1"), "+OK");
            client.check(&format!("INCR counted:{number}"), ":1");
            client.check(&format!("GET counted:{number}"), "\"1\"");
        }
    }
}

fn fill(client: &mut Client, megabytes: u64) {
    let value = "x".repeat(1000);
    for first in (0..megabytes * 1000).step_by(500) {
        let lines = (first..first + 500).map(|number| format!("SET filled:{number} {value}"));
        client.pipeline(lines).iter().for_each(|reply| assert_eq!(reply.text(), "OK"));
    }
}

struct Moves {
    cluster: Cluster,
    load: Load,
    kills: u64,
}

impl Moves {
    /// Everything of the mover's goes to the others; `death` is a node and after how long it dies.
    fn away(&mut self, death: Option<(usize, Duration)>) -> Duration {
        let begin = Instant::now();
        self.load.set_place(MOVER, None);
        signal(self.cluster.nodes[MOVER].pid(), Signal::Interrupt);
        self.die(death);
        let mover = &mut self.cluster.nodes[MOVER];
        if death.is_some_and(|(victim, _)| victim == MOVER) {
            // It came back as a member, and has to be told again.
            signal(mover.pid(), Signal::Interrupt);
        }
        let has_gone = within(MOVE_MAX, || mover.has_ended().then_some(()));
        assert!(has_gone.is_some() && mover.wait().success(), "{}", mover.log());
        self.rest(MOVER);
        begin.elapsed()
    }

    /// It joins again and takes its share.
    fn back(&mut self, death: Option<(usize, Duration)>) -> Duration {
        let begin = Instant::now();
        self.cluster.nodes[MOVER].begin_again();
        self.die(death);
        self.cluster.nodes[MOVER].wait_until_up();
        self.rest(NODES);
        self.load.set_places(&self.cluster.nodes);
        begin.elapsed()
    }

    fn die(&mut self, death: Option<(usize, Duration)>) {
        let Some((victim, moment)) = death else { return };
        std::thread::sleep(moment);
        self.kills += 1;
        self.load.set_place(victim, None);
        self.cluster.nodes[victim].kill9();
        self.cluster.nodes[victim].restart();
        if victim != MOVER {
            self.load.set_place(victim, Some(self.cluster.nodes[victim].address()));
        }
    }

    /// Waits until the first so many nodes have all the data, and nobody else.
    fn rest(&self, count: usize) {
        self.cluster.wait_until_ready_within(count, MOVE_MAX);
    }
}

#[test]
fn partition_move() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(NODES);
    let mut client = cluster.nodes[0].client();
    let kept = Kept::put(&mut client);
    fill(&mut client, if is_long() { 100 } else { 5 });
    let load = Load::start(&cluster.nodes, 8);
    let probes = Probes::start(&cluster.nodes[..MOVER], &load.places);
    let watch = Watch::start(&cluster.nodes, &load.places);
    let mut moves = Moves { cluster, load, kills: 0 };
    moves.load.wait_for(1000);
    // Nobody dies: how long it takes, and what clients notice.
    let quiet = Instant::now();
    let mut times = vec![moves.away(None), moves.back(None)];
    let quiet_end = Instant::now();
    let length = times[0].max(times[1]);
    for round in 0..rounds(2) {
        let victim = (round / 2 % NODES as u64) as usize;
        let part = 1 + round / 2 / NODES as u64 % MOMENTS;
        let moment = length * part as u32 / (MOMENTS as u32 + 1);
        let death = Some((victim, moment));
        let time = if round % 2 == 0 { moves.away(death) } else { moves.back(death) };
        println!(
            "partition-move {round}: node {victim} dies after {moment:.2?}, all at rest after {time:.2?}"
        );
        times.push(time);
        moves.load.wait_for(100);
    }
    let Moves { cluster, load, kills } = moves;
    let (gaps, longest_answer) = probes.end();
    let seen = watch.end();
    let acknowledged = load.acknowledged.load(std::sync::atomic::Ordering::Relaxed);
    let ledgers = load.stop();
    let (checked, wrong) = audit(&cluster.nodes[..MOVER], &ledgers);
    assert!(wrong.is_empty(), "{} of {checked}: {:?}", wrong.len(), &wrong[..wrong.len().min(20)]);
    assert!(seen.wrong.is_empty(), "{:#?}", seen.wrong);
    kept.check(&mut cluster.nodes[1].client());
    let pauses = |is_of: &dyn Fn(&Gap) -> bool| {
        let found = gaps.iter().filter(|gap| is_of(gap)).map(|gap| gap.to - gap.from);
        found.chain([Duration::ZERO]).collect::<Vec<_>>()
    };
    let of_quiet = pauses(&|gap| gap.from < quiet_end && gap.to > quiet);
    let failures: usize = ledgers.iter().map(|ledger| ledger.failures.len()).sum();
    println!("partition-move, until all is at rest: {}", percentiles(times.clone()));
    println!("partition-move, pauses over 50 ms while nobody dies: {}", percentiles(of_quiet.clone()));
    println!(
        "partition-move: {} moves, {kills} kills, {acknowledged} writes acknowledged, none lost; {failures} were not; \
         the longest answer took {longest_answer:.2?}; deadlines and sessions kept",
        times.len()
    );
    assert!(of_quiet.iter().all(|pause| *pause <= PAUSE_MAX), "{of_quiet:?}");
    assert!(times.iter().all(|time| *time <= MOVE_MAX), "{times:?}");
    assert!(
        within(DEADLINE, || (cluster.nodes[0].client().run("SET last 1").text() == "OK").then_some(()))
            .is_some()
    );
}
