//! The same random commands to `redis-server` and to three nodes, in database 1, which lies whole in one partition. Now and
//! then a node is killed while a batch is under way, mostly the one that leads that partition.
//!
//! Between kills replies must be equal as on one node. Of the batch that was under way some requests were answered, and of
//! some the client was told that their outcome is unknown, or nothing. The state that the nodes hold then says what became
//! of those: each was applied, in its place, or not at all, a transaction as a whole. All possibilities are played on the
//! reference, from what it held before, until one gives the replies that were told and the data that is there; that there
//! is none is a difference. After each kill, and at the end, all three replicas must have the same digest.
//!
//! On a machine that is short of processors a leader may lose its lead between kills as well. What is told to be not applied
//! is asked for again then; what is told to be unknown was applied if the nodes hold what the reference holds, and is asked
//! for again if not.
//!
//! Left out is what is about the node (its channels, names of connections and protocol) or about several databases, and what
//! docs/compatibility.md says to be different on several nodes: watches, which compare values there, what is about all keys
//! inside a transaction, which is refused, and `PFCOUNT`, which keeps nothing in the string there. Requests are sent one by
//! one, and only writes are under way at a kill: while a leader has no lease, a read may see what the same connection sent
//! behind it.

use std::time::{Duration, Instant};

use narf_tests::{Client, DEADLINE, Kind, Options, Server, Value, env_number, eventually, skip_unless_narf};

use base::Random;

use super::compare::{self, Class};
use super::generate::Generator;
use super::pair::{CONNECTIONS, Pair, write};
use super::{HISTORY, Step};
use crate::nodes::Cluster;

/// Where the reference keeps what it held before a batch that may be played again.
const ASIDE: &str = "9";
/// Most requests that are under way at a kill.
const UNITS_MAX: usize = 8;

#[test]
fn replies_and_replicas_equal_redis_through_kills_of_leaders() {
    if skip_unless_narf() {
        return;
    }
    let total: usize = env_number("NARF_TEST_COMMANDS", 20_000);
    let between = env_number("NARF_TEST_BETWEEN_KILLS", 5_000);
    let seed = env_number("NARF_TEST_SEED", 6);
    let mut run = Run::new(seed);
    let (mut sent, mut next_kill) = (0, between);
    while sent < total {
        sent += run.batch();
        if sent >= next_kill {
            sent += run.kill();
            next_kill += between;
        }
    }
    run.compare_digests();
    let Run { kills, told, untold, applied, asked_again, .. } = run;
    println!(
        "{sent} commands, {kills} kills; of what was under way {told} requests were answered, {untold} not: of those {applied} \
         were applied; {asked_again} asked for again between kills; no difference (seed {seed})"
    );
    assert!(kills > 0 && told > 0, "a run has to go through a kill");
}

/// What the client knows of a request, or of a transaction as a whole.
enum Outcome {
    Told(Vec<Value>),
    /// It was not applied.
    Refused,
    Untold,
}

/// What a server holds: keys in order, each with how its content is compared, the content, and when it ends.
type State = Vec<(Vec<u8>, Class, Value, Value)>;

struct Run {
    reference: Server,
    cluster: Cluster,
    pair: Pair,
    generator: Generator,
    random: Random,
    history: Vec<Step>,
    seed: u64,
    kills: usize,
    told: usize,
    untold: usize,
    applied: usize,
    /// The transaction that each connection is in, if it is in one.
    queued: [Vec<Step>; CONNECTIONS],
    /// Requests between kills that had no leader.
    asked_again: usize,
}

/// Whether a step is about the data of the one database.
fn belongs(step: &Step) -> bool {
    let name = String::from_utf8_lossy(&step.args[0]).to_ascii_uppercase();
    // How many replicas there are is another number here.
    let others = [
        "CLIENT", "FLUSHALL", "HELLO", "MOVE", "PFCOUNT", "PUBLISH", "PUBSUB", "RESET", "SELECT", "SPUBLISH",
    ];
    let copies_far = name == "COPY" && step.args.iter().any(|arg| arg.eq_ignore_ascii_case(b"DB"));
    let is_other = others.contains(&&*name) || ["SWAPDB", "WAIT", "WATCH"].contains(&&*name);
    !(is_other || name.ends_with("SUBSCRIBE") || copies_far)
}

fn is_one_of(step: &Step, names: &[&str]) -> bool {
    names.iter().any(|name| step.args[0].eq_ignore_ascii_case(name.as_bytes()))
}

fn is_write(step: &Step) -> bool {
    command::lookup_name(&step.args[0]).is_some_and(|spec| spec.is_write())
}

/// What a transaction cannot have on several nodes.
const ABOUT_ALL_KEYS: [&str; 5] = ["DBSIZE", "FLUSHDB", "KEYS", "RANDOMKEY", "SCAN"];

/// Takes out what is not compared here. `in_transaction` says whether the first step is.
fn keep_what_belongs(steps: &mut Vec<Step>, mut in_transaction: bool) {
    steps.retain(|step| {
        if is_one_of(step, &["MULTI"]) {
            in_transaction |= step.args.len() == 1;
        } else if is_one_of(step, &["EXEC", "DISCARD"]) {
            in_transaction &= step.args.len() > 1;
        }
        belongs(step) && !(in_transaction && is_one_of(step, &ABOUT_ALL_KEYS))
    });
}

/// A connection in the database.
fn connect(server: &Server) -> Client {
    let mut client = server.client();
    client.check("SELECT 1", "+OK");
    client
}

/// As many as a comparison has, the middle one in RESP3.
fn connections<'a>(servers: impl Iterator<Item = &'a Server>) -> Vec<Client> {
    let mut clients: Vec<Client> = servers.map(connect).collect();
    clients[1].hello3();
    clients
}

fn pair_of(reference: &Server, cluster: &Cluster) -> Pair {
    let (one, nodes) = (std::iter::repeat_n(reference, CONNECTIONS), cluster.nodes.iter().take(CONNECTIONS));
    Pair::of(connections(one), connections(nodes))
}

/// `None` if the server cannot tell yet.
fn state_of(client: &mut Client) -> Option<State> {
    let mut ask = |words: &[&[u8]]| Some(client.run_args(words)).filter(|answer| !answer.is_error());
    let mut keys: Vec<Vec<u8>> =
        ask(&[b"KEYS", b"*"])?.items().iter().map(|key| key.bytes().to_vec()).collect();
    // Distances that were stored: Redis 7.0 rounds the last digit in another way than 7.2.
    keys.retain(|key| !key.starts_with(b"d") && !key.starts_with(b"{tag}d"));
    keys.sort();
    let mut state = State::new();
    for key in keys {
        let (class, content) = match &*ask(&[b"TYPE", &key])?.text() {
            "string" => (Class::Exact, ask(&[b"GET", &key])?),
            "list" => (Class::Exact, ask(&[b"LRANGE", &key, b"0", b"-1"])?),
            "set" => (Class::Unordered, ask(&[b"SMEMBERS", &key])?),
            "hash" => (Class::Pairs, ask(&[b"HGETALL", &key])?),
            "zset" => (Class::Scores, ask(&[b"ZRANGE", &key, b"0", b"-1", b"WITHSCORES"])?),
            other => panic!("a key of type {other}"),
        };
        let end = ask(&[b"PEXPIRETIME", &key])?;
        state.push((key, class, content, end));
    }
    Some(state)
}

/// Whether two deadlines are the same but for how much later the reference was asked.
fn is_same_end(a: &Value, b: &Value, later: Duration) -> bool {
    let is_later = |(a, b): (i64, i64)| a > 0 && b > 0 && (a - b).unsigned_abs() <= later.as_millis() as u64;
    let numbers = match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some((*a, *b)),
        _ => None,
    };
    compare::equal(compare::class(&[b"PEXPIRETIME".to_vec()]), a, b) || numbers.is_some_and(is_later)
}

/// The keys that differ, with what both hold, if the reference was asked so much later.
fn differences(reference: &State, found: &State, later: Duration) -> Vec<String> {
    let of = |state: &State, key: &[u8]| state.iter().find(|entry| entry.0 == key).cloned();
    let mut keys: Vec<&[u8]> = reference.iter().chain(found).map(|entry| &*entry.0).collect();
    keys.sort_unstable();
    keys.dedup();
    let differs = |key: &&[u8]| match (of(reference, key), of(found, key)) {
        (Some((_, class, a, a_end)), Some((_, other, b, b_end))) => {
            class != other || !is_same_end(&a_end, &b_end, later) || !compare::equal(class, &a, &b)
        }
        _ => true,
    };
    let shown = |state: &State, key: &[u8]| match of(state, key) {
        Some((_, _, content, end)) => format!("{content} (until {end})"),
        None => "nothing".to_owned(),
    };
    let text = |key: &[u8]| {
        format!(
            "{}\n    redis: {}\n    narf:  {}",
            key.escape_ascii(),
            shown(reference, key),
            shown(found, key)
        )
    };
    keys.into_iter().filter(differs).map(text).collect()
}

impl Run {
    fn new(seed: u64) -> Run {
        let reference = Server::start(Options::new().kind(Kind::Redis));
        let cluster = Cluster::of(3);
        let pair = pair_of(&reference, &cluster);
        let (generator, random) = (Generator::new(Random::new(seed)), Random::new(seed ^ 0x6b69_6c6c));
        let history = Vec::new();
        Run {
            reference,
            cluster,
            pair,
            generator,
            random,
            history,
            seed,
            kills: 0,
            told: 0,
            untold: 0,
            applied: 0,
            queued: Default::default(),
            asked_again: 0,
        }
    }

    /// Runs a batch and compares replies; how many commands it had.
    fn batch(&mut self) -> usize {
        let mut batch = self.generator.batch(self.pair.shadows());
        let in_transaction =
            batch.first().is_some_and(|step| self.pair.shadows()[step.connection].queued.is_some());
        keep_what_belongs(&mut batch, in_transaction);
        batch.iter().for_each(|step| self.run(step));
        batch.len()
    }

    fn run(&mut self, step: &Step) {
        self.history.push(step.clone());
        self.history.drain(..self.history.len().saturating_sub(HISTORY));
        let (reference, told) = self.pair.exchange(step);
        let told = if is_passing(&told) { self.ask_again(step, &reference, told) } else { told };
        if let Err(mismatch) = self.pair.compare_exchanged(step, &reference, &told) {
            let last = &self.history[self.history.len().saturating_sub(40)..];
            panic!("after {} kills, seed {}: {mismatch}\n{}", self.kills, self.seed, text(last));
        }
        match self.pair.shadows()[step.connection].queued {
            Some(_) => self.queued[step.connection].push(step.clone()),
            None => self.queued[step.connection].clear(),
        }
    }

    /// Asks for a step, with its transaction, until there is a leader that answers it; the answer, or that of the reference
    /// if it was applied without one.
    fn ask_again(&mut self, step: &Step, reference: &Value, mut told: Value) -> Value {
        self.asked_again += 1;
        let mut witnesses = [connect(&self.reference), connect(&self.cluster.nodes[0])];
        let steps = match is_one_of(step, &["EXEC"]) {
            true => [&self.queued[step.connection][..], std::slice::from_ref(step)].concat(),
            false => vec![step.clone()],
        };
        let (_, subject) = self.pair.both(step.connection);
        eventually("a leader that answers", || {
            if told.text().starts_with("UNKNOWNOUTCOME") {
                let [expected, found] = &mut witnesses;
                let expected = state_of(expected).expect("redis tells what it holds");
                let found = eventually("what the nodes hold", || state_of(found));
                if differences(&expected, &found, Duration::ZERO).is_empty() {
                    return Some(reference.clone());
                }
            }
            steps.iter().for_each(|step| told = subject.run_args(&step.args));
            (!is_passing(&told)).then(|| told.clone())
        })
    }

    /// Kills a node while requests are under way, finds out what became of them, and has the node back; how many commands.
    fn kill(&mut self) -> usize {
        self.end_transactions();
        self.set_aside();
        let victim = if self.random.chance(3, 4) { self.leader() } else { self.random.below(3) as usize };
        let connection = self.random.below(CONNECTIONS as u64) as usize;
        let units = self.units(connection);
        let sent = Instant::now();
        let replies = self.send_and_kill(&units, connection, victim);
        let outcomes = outcomes(&units, replies);
        // When it is back, nothing that it sent before is still on its way.
        self.cluster.nodes[victim].restart();
        self.cluster.wait_until_ready(3);
        let mut witness = connect(&self.cluster.nodes[self.random.below(3) as usize]);
        let found = eventually("what the nodes hold", || state_of(&mut witness));
        self.explain(&units, &outcomes, connection, &found, sent);
        self.kills += 1;
        self.pair = pair_of(&self.reference, &self.cluster);
        self.compare_digests();
        units.iter().map(Vec::len).sum()
    }

    /// No connection is in a transaction.
    fn end_transactions(&mut self) {
        for connection in 0..CONNECTIONS {
            if self.pair.shadows()[connection].queued.is_some() {
                self.run(&Step { connection, args: vec![b"DISCARD".to_vec()] });
            }
        }
    }

    /// Which node leads the database's partition: the first of eight, by how databases are spread.
    fn leader(&self) -> usize {
        let mut client = self.cluster.nodes[0].client();
        eventually("a leader", || {
            let slots = client.run("CLUSTER SLOTS").items();
            let first = slots.iter().map(Value::items).find(|range| range[0].int() == 0)?;
            let port = first[2].items()[1].int();
            self.cluster.nodes.iter().position(|node| i64::from(node.port()) == port)
        })
    }

    fn units(&mut self, connection: usize) -> Vec<Vec<Step>> {
        let mut steps = Vec::new();
        while steps.len() < 2 {
            steps = self.generator.batch(self.pair.shadows());
            steps.retain(|step| !is_one_of(step, &["MULTI", "EXEC", "DISCARD", "UNWATCH"]));
            // They may become a transaction.
            keep_what_belongs(&mut steps, true);
            steps.retain(is_write);
            steps.truncate(UNITS_MAX);
        }
        steps.iter_mut().for_each(|step| step.connection = connection);
        if self.random.chance(1, 3) {
            let word = |word: &str| Step { connection, args: vec![word.as_bytes().to_vec()] };
            let at = self.random.below(steps.len() as u64) as usize;
            let inner = steps.split_off(at);
            let transaction = [vec![word("MULTI")], inner, vec![word("EXEC")]].concat();
            let alone = steps.into_iter().map(|step| vec![step]);
            return alone.chain([transaction]).collect();
        }
        steps.into_iter().map(|step| vec![step]).collect()
    }

    /// Sends all at once, kills the victim when so many are answered, and reads what still comes.
    fn send_and_kill(&mut self, units: &[Vec<Step>], connection: usize, victim: usize) -> Vec<Value> {
        let mut bytes = Vec::new();
        let steps: Vec<&Step> = units.iter().flatten().collect();
        steps.iter().for_each(|step| write(&mut bytes, &step.args));
        let before = self.random.below(steps.len() as u64 + 1) as usize;
        let (_, subject) = self.pair.both(connection);
        subject.send_raw(bytes);
        let mut replies = Vec::new();
        let mut is_killed = false;
        while replies.len() < steps.len() {
            if replies.len() >= before && !std::mem::replace(&mut is_killed, true) {
                self.cluster.nodes[victim].kill9();
            }
            match subject.next_reply(DEADLINE) {
                Ok(Some(reply)) => replies.push(reply),
                Err(_) => break,
                Ok(None) => panic!(
                    "seed {}: {} answers of {}:\n{}",
                    self.seed,
                    replies.len(),
                    steps.len(),
                    text(&units.concat())
                ),
            }
        }
        if !is_killed {
            self.cluster.nodes[victim].kill9();
        }
        replies
    }

    /// Copies what the reference holds.
    fn set_aside(&mut self) {
        let mut control = connect(&self.reference);
        copy_all(&mut control, "1", ASIDE);
    }

    /// Plays the possibilities until one explains what was told and found; the reference holds that then.
    fn explain(
        &mut self,
        units: &[Vec<Step>],
        outcomes: &[Outcome],
        connection: usize,
        found: &State,
        sent: Instant,
    ) {
        let untold: Vec<usize> =
            (0..units.len()).filter(|at| matches!(outcomes[*at], Outcome::Untold)).collect();
        self.untold += untold.len();
        self.told += outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Told(_))).count();
        let mut choices: Vec<u32> = (0..1 << untold.len()).collect();
        // What was applied is mostly what came first.
        choices.sort_by_key(|choice| choice & (choice + 1) != 0);
        let mut control = connect(&self.reference);
        let mut tried = Vec::new();
        for choice in choices {
            copy_all(&mut control, ASIDE, "1");
            let is_applied = |at: usize| match &outcomes[at] {
                Outcome::Told(_) => true,
                Outcome::Refused => false,
                Outcome::Untold => {
                    untold.iter().position(|other| *other == at).is_some_and(|bit| choice >> bit & 1 == 1)
                }
            };
            let difference = self.play(units, outcomes, connection, &is_applied);
            let state = state_of(&mut control).expect("redis tells what it holds");
            let keys = differences(&state, found, sent.elapsed());
            if difference.is_none() && keys.is_empty() {
                align_deadlines(&mut control, &state, found);
                self.applied += choice.count_ones() as usize;
                return;
            }
            tried.push(format!(
                "  with {choice:b} applied: {}\n{}",
                difference.unwrap_or_default(),
                keys.join("\n")
            ));
        }
        panic!(
            "after {} kills, seed {}: nothing explains\n{}\nuntold: {untold:?}\n{}",
            self.kills,
            self.seed,
            text(&units.concat()),
            tried.join("\n")
        );
    }

    /// Runs what was applied on the reference; a reply that is not the one that was told.
    fn play(
        &mut self,
        units: &[Vec<Step>],
        outcomes: &[Outcome],
        connection: usize,
        is_applied: &dyn Fn(usize) -> bool,
    ) -> Option<String> {
        let (reference, _) = self.pair.both(connection);
        let mut difference = None;
        for (at, unit) in units.iter().enumerate().filter(|(at, _)| is_applied(*at)) {
            let expected: Vec<Value> = unit.iter().map(|step| reference.run_args(&step.args)).collect();
            let Outcome::Told(told) = &outcomes[at] else { continue };
            if !is_same(unit, &expected, told) && difference.is_none() {
                difference = Some(format!("{}: redis {expected:?}, told {told:?}", text(unit)));
            }
        }
        difference
    }

    fn compare_digests(&self) {
        if let Err(digests) = self.cluster.compare_replicas() {
            panic!("after {} kills, seed {}: {digests:?}", self.kills, self.seed);
        }
    }
}

/// Whether nobody led, or who did was replaced: another answer will come.
fn is_passing(reply: &Value) -> bool {
    reply.is_error() && ["CLUSTERDOWN", "UNKNOWNOUTCOME"].iter().any(|word| reply.text().starts_with(word))
}

/// Gives keys of the reference, which hold what was found, the deadlines that were found: it was asked later.
fn align_deadlines(control: &mut Client, state: &State, found: &State) {
    for ((key, ..), (.., end)) in state.iter().zip(found).filter(|(a, b)| a.3 != b.3) {
        let end = end.int().to_string();
        assert_eq!(control.run_args(&[b"PEXPIREAT", &**key, end.as_bytes()]), Value::Int(1));
    }
}

/// What is known of each unit by the replies that came.
fn outcomes(units: &[Vec<Step>], replies: Vec<Value>) -> Vec<Outcome> {
    let mut replies = replies.into_iter();
    let of_unit = |unit: &Vec<Step>| {
        let got: Vec<Value> = replies.by_ref().take(unit.len()).collect();
        let says =
            |word: &str| got.last().is_some_and(|reply| reply.is_error() && reply.text().starts_with(word));
        match () {
            () if got.len() < unit.len() || says("UNKNOWNOUTCOME") => Outcome::Untold,
            () if says("CLUSTERDOWN") => Outcome::Refused,
            () => Outcome::Told(got),
        }
    };
    units.iter().map(of_unit).collect()
}

/// Whether replies to a request, or to a transaction, are equal.
fn is_same(unit: &[Step], expected: &[Value], told: &[Value]) -> bool {
    if let ([step], [expected], [told]) = (unit, expected, told) {
        return compare::equal(compare::class(&step.args), expected, told);
    }
    let Some(((expected, queued), (told, also_queued))) = expected.split_last().zip(told.split_last()) else {
        return false;
    };
    let classes = unit.iter().zip(queued).filter(|(_, reply)| reply.to_string() == "+QUEUED");
    let classes: Vec<Class> = classes.map(|(step, _)| compare::class(&step.args)).collect();
    queued == also_queued
        && match (expected, told) {
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() && a.len() == classes.len() => {
                classes.iter().zip(a.iter().zip(b)).all(|(class, (a, b))| compare::equal(*class, a, b))
            }
            _ => expected == told,
        }
}

/// Makes one database of the reference the same as another; the connection is in database 1 before and after.
fn copy_all(control: &mut Client, from: &str, to: &str) {
    control.check(&format!("SELECT {to}"), "+OK");
    control.check("FLUSHDB", "+OK");
    control.check(&format!("SELECT {from}"), "+OK");
    for key in control.run("KEYS *").items() {
        let copied = control.run_args(&[b"COPY", key.bytes(), key.bytes(), b"DB", to.as_bytes()]);
        assert_eq!(copied, Value::Int(1));
    }
    control.check("SELECT 1", "+OK");
}

fn text(steps: &[Step]) -> String {
    steps.iter().map(|step| format!("    {}", step.text())).collect::<Vec<_>>().join("\n")
}
