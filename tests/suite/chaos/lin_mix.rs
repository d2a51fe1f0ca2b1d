//! Registers that few clients share, read, written, swapped and changed if unchanged, while faults of all kinds overlap:
//! nodes are cut off, killed, paused, and one comes and goes. Whatever was told, one order must explain it.
//!
//! Up to two of three nodes may be in trouble at once, so that quorums are lost and found again: then clients are to be
//! told so, and nothing else.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base::Random;
use history::{Act, Register, Told};
use narf_tests::{
    Client, Closed, Network, Options, Server, Signal, Value, env_number, eventually, signal,
    skip_unless_narf, within,
};

use super::load::Places;
use super::probes::connect;
use super::{on_network, rounds};
use crate::nodes::Cluster;

const NODES: usize = 3;
const KEYS: u64 = 60;
const CLIENTS: u64 = 12;
/// Clients that share a key.
const SHARERS: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(8);
/// Nodes in trouble at once, at most.
const TROUBLED_MAX: usize = 2;
const HEALED_WITHIN: Duration = Duration::from_secs(60);
const CHECKED_WITHIN: Duration = Duration::from_secs(30);
/// Acts that clients are told of for each trouble, at least: of a run in which they do nothing one order says nothing. A
/// slow machine gets more troubles until it is so, at most so many times what was asked for.
const TOLD_FOR_EACH: u64 = 50;
const TROUBLES_MORE: u64 = 10;
/// What a node says of itself that its cluster has struck off.
const STRUCK_OFF: &str = "removed from its cluster";

/// What one client did to a key: when it asked, when it was told if it was, and what.
struct Done {
    key: u64,
    asked: u64,
    told: Option<u64>,
    act: Act,
}

/// What clients share.
struct Field {
    stop: AtomicBool,
    /// Numbers events: whoever is asked later has a higher number than whoever was told before.
    events: AtomicU64,
    /// Values are never written twice.
    values: AtomicU64,
    asked: AtomicU64,
    /// Acts whose clients know what became of them.
    told: AtomicU64,
    places: Places,
}

impl Field {
    fn event(&self) -> u64 {
        self.events.fetch_add(1, Ordering::SeqCst)
    }

    fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }
}

/// What an answer to a write says of it.
enum Fate {
    Done(Value),
    Refused,
    Unknown,
}

struct Player {
    number: u64,
    random: Random,
    field: Arc<Field>,
    client: Option<Client>,
    node: usize,
    done: Vec<Done>,
    surprises: Vec<String>,
}

impl Player {
    fn start(number: u64, field: &Arc<Field>) -> JoinHandle<Player> {
        let (random, field) = (Random::new(number + 1), Arc::clone(field));
        let node = number as usize;
        let mut player =
            Player { number, random, field, client: None, node, done: Vec::new(), surprises: Vec::new() };
        std::thread::spawn(move || {
            while !player.field.stop.load(Ordering::Relaxed) {
                if player.client.is_none() {
                    player.node = (player.node + 1) % (NODES + 1);
                    player.client = connect(player.node, &player.field.places);
                    if player.client.is_none() {
                        std::thread::sleep(Duration::from_millis(1));
                        continue;
                    }
                }
                player.play();
            }
            player
        })
    }

    fn play(&mut self) {
        // Of each key there are clients at distances of a third of all.
        let turn = self.random.below(SHARERS) * (CLIENTS / SHARERS);
        let of_turn = (self.number + turn) % CLIENTS;
        let key = of_turn + CLIENTS * self.random.below(KEYS / CLIENTS);
        self.field.asked.fetch_add(1, Ordering::Relaxed);
        match self.random.below(10) {
            0..4 => drop(self.read(key)),
            4..6 => self.write(key, false),
            6..8 => self.write(key, true),
            _ => self.change_if_unchanged(key),
        }
    }

    /// Sends lines at once and takes their answers; none for the last if it does not come.
    fn ask(&mut self, lines: &[String]) -> Vec<Value> {
        let Some(client) = &mut self.client else { return Vec::new() };
        let bytes: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let mut answers = Vec::new();
        if client.try_send_raw(bytes.as_bytes()).is_ok() {
            for _ in lines {
                match client.next_reply(PATIENCE) {
                    Ok(Some(answer)) => answers.push(answer),
                    Ok(None) | Err(Closed) => break,
                }
            }
        }
        if answers.len() < lines.len() {
            self.client = None;
        }
        answers
    }

    /// What became of a write, and notes what must not be said.
    fn fate(&mut self, line: &str, answer: Option<&Value>) -> Fate {
        match answer {
            None => Fate::Unknown,
            Some(answer) if !answer.is_error() => Fate::Done(answer.clone()),
            Some(answer) => {
                let text = answer.text();
                let is_of = |codes: &[&str]| codes.iter().any(|code| text.starts_with(code));
                if is_of(&["UNKNOWNOUTCOME"]) {
                    return Fate::Unknown;
                }
                if !is_of(&["CLUSTERDOWN", "OVERLOAD", "LOADING", "EXECABORT"]) {
                    self.surprises.push(format!("{line}: {text}"));
                }
                Fate::Refused
            }
        }
    }

    fn note(&mut self, key: u64, asked: u64, told: Option<u64>, act: Act) {
        self.field.told.fetch_add(u64::from(told.is_some()), Ordering::Relaxed);
        self.done.push(Done { key, asked, told, act });
    }

    /// What a key holds; none if nobody says.
    fn read(&mut self, key: u64) -> Option<Option<u64>> {
        let (asked, line) = (self.field.event(), format!("GET r{key}"));
        let answers = self.ask(std::slice::from_ref(&line));
        let Fate::Done(answer) = self.fate(&line, answers.first()) else { return None };
        let (told, value) = (self.field.event(), value_of(&answer));
        self.note(key, asked, Some(told), Act::Read(value));
        Some(value)
    }

    fn write(&mut self, key: u64, tells_old: bool) {
        let value = self.field.values.fetch_add(1, Ordering::Relaxed);
        let line = format!("SET r{key} {value}{}", if tells_old { " GET" } else { "" });
        let asked = self.field.event();
        let answers = self.ask(std::slice::from_ref(&line));
        match self.fate(&line, answers.first()) {
            Fate::Refused => {}
            Fate::Unknown => self.note(key, asked, None, Act::Write(value)),
            Fate::Done(answer) => {
                let told = Some(self.field.event());
                let act = if tells_old { Act::Swap(value_of(&answer), value) } else { Act::Write(value) };
                self.note(key, asked, told, act);
            }
        }
    }

    /// As clients do it: what is watched and has not changed is written.
    fn change_if_unchanged(&mut self, key: u64) {
        let watched = self.ask(&[format!("WATCH r{key}")]);
        let is_watched = watched.first().is_some_and(|answer| answer.text() == "OK");
        let Some(seen) = is_watched.then(|| self.read(key)).flatten() else {
            if let Some(answer) = watched.first().filter(|_| !is_watched) {
                self.fate("WATCH", Some(&answer.clone()));
            }
            // Whatever it watches still, another connection does not.
            self.client = None;
            return;
        };
        let value = self.field.values.fetch_add(1, Ordering::Relaxed);
        let lines = ["MULTI".to_owned(), format!("SET r{key} {value}"), "EXEC".to_owned()];
        let asked = self.field.event();
        let answers = self.ask(&lines);
        match self.fate("EXEC", answers.get(2)) {
            Fate::Refused => {}
            Fate::Unknown => self.note(key, asked, None, Act::Write(value)),
            Fate::Done(Value::Array(results)) => match self.fate("SET", results.first()) {
                Fate::Done(_) => {
                    let told = self.field.event();
                    self.note(key, asked, Some(told), Act::Swap(seen, value));
                }
                Fate::Unknown => self.note(key, asked, None, Act::Write(value)),
                Fate::Refused => {}
            },
            // It had changed, or the partition another leader.
            Fate::Done(_) => {}
        }
    }
}

fn value_of(answer: &Value) -> Option<u64> {
    (*answer != Value::NullBulk).then(|| answer.text().parse().unwrap())
}

/// A trouble that a node is in, and what ends it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Dead,
    Paused,
    /// It and the others do not hear each other.
    CutOff,
    /// One other does not hear it.
    Unheard(usize),
}

struct Troubles<'a> {
    network: &'a Network,
    cluster: Cluster,
    places: Places,
    random: Random,
    /// Node, trouble, and when it ends.
    open: Vec<(usize, Trouble, Instant)>,
    /// The node that comes and goes.
    guest: Option<Server>,
    counts: [u64; 4],
}

impl Troubles<'_> {
    fn step(&mut self) {
        let now = Instant::now();
        let over: Vec<_> = self.open.extract_if(.., |(_, _, until)| *until <= now).collect();
        over.into_iter().for_each(|(node, trouble, _)| self.end(node, trouble));
        let is_troubled = |node: &usize| self.open.iter().any(|(other, ..)| other == node);
        let fine: Vec<usize> = (0..NODES).filter(|node| !is_troubled(node)).collect();
        if self.random.below(5) == 0 {
            return self.come_or_go();
        }
        if fine.len() + TROUBLED_MAX <= NODES {
            return;
        }
        let node = fine[self.random.below(fine.len() as u64) as usize];
        let length = Duration::from_millis(200 + self.random.below(2500));
        let (trouble, count) = match self.random.below(4) {
            0 => (Trouble::Dead, 0),
            1 => (Trouble::Paused, 1),
            2 => (Trouble::CutOff, 2),
            _ => (Trouble::Unheard((node + 1 + self.random.below(2) as usize) % NODES), 2),
        };
        self.counts[count] += 1;
        match trouble {
            Trouble::Dead => {
                self.places.lock().unwrap()[node] = None;
                self.cluster.nodes[node].kill9();
            }
            Trouble::Paused => signal(self.cluster.nodes[node].pid(), Signal::Stop),
            Trouble::CutOff => self.set_links(node, false),
            Trouble::Unheard(other) => self.network.set_link(node, other, false),
        }
        self.open.push((node, trouble, now + length));
    }

    fn end(&mut self, node: usize, trouble: Trouble) {
        match trouble {
            Trouble::Dead => {
                self.cluster.nodes[node].begin_again();
                self.places.lock().unwrap()[node] = Some(self.cluster.nodes[node].address());
            }
            Trouble::Paused => signal(self.cluster.nodes[node].pid(), Signal::Continue),
            Trouble::CutOff => self.set_links(node, true),
            Trouble::Unheard(other) => self.network.set_link(node, other, true),
        }
    }

    fn set_links(&self, node: usize, work: bool) {
        for other in (0..=NODES).filter(|other| *other != node) {
            self.network.set_link(node, other, work);
            self.network.set_link(other, node, work);
        }
    }

    /// The guest begins to join, or to leave; where it is under way that goes on.
    fn come_or_go(&mut self) {
        self.counts[3] += 1;
        let options = self.guest_options();
        let has_ended = self.guest.as_mut().is_some_and(Server::has_ended);
        let place = match &mut self.guest {
            None => Some(self.guest.insert(Server::begin(options)).address()),
            Some(guest) if has_ended => {
                // In a folder of its old life it would only be told so once more.
                if guest.log().contains(STRUCK_OFF) {
                    *guest = Server::begin(options);
                } else {
                    guest.wait();
                    guest.begin_again();
                }
                Some(guest.address())
            }
            Some(guest) => {
                signal(guest.pid(), Signal::Interrupt);
                None
            }
        };
        self.places.lock().unwrap()[NODES] = place;
    }

    /// All is well again, and all four nodes have what they are to have.
    fn heal(&mut self) {
        for (node, trouble, _) in std::mem::take(&mut self.open) {
            self.end(node, trouble);
        }
        self.cluster.nodes.iter_mut().for_each(Server::wait_until_up);
        let options = self.guest_options();
        let guest = match self.guest.take() {
            Some(mut guest) => {
                // Whatever it was about, it has ended before it is there for good.
                if !guest.has_ended() {
                    signal(guest.pid(), Signal::Interrupt);
                }
                let has_ended = within(HEALED_WITHIN, || guest.has_ended().then_some(()));
                assert!(has_ended.is_some(), "a node that is told to leave does not: {}", guest.log());
                come_back(guest, options)
            }
            None => Server::start(options),
        };
        self.cluster.nodes.push(guest);
        self.cluster.wait_until_ready_within(NODES + 1, HEALED_WITHIN);
    }

    /// It may give up joining or leaving while most others are away, and says so.
    fn guest_options(&self) -> Options {
        self.cluster.options_at(self.network, NODES).expect_log("")
    }
}

/// Begins where it left off; anew if it was struck off before its folder was emptied, which it is told once it is back.
fn come_back(mut guest: Server, options: Options) -> Server {
    guest.wait();
    guest.begin_again();
    let is_ready = |guest: &Server| {
        let mut client = Client::tcp(guest.address()).ok()?;
        client.try_run("HELLO 3").ok()?;
        let status = client.try_run("FABRIC STATUS").ok()?;
        status.field("state").filter(|state| state.text() == "ready").map(|_| true)
    };
    let outcome = within(HEALED_WITHIN, || match guest.has_ended() {
        true => Some(false),
        false => is_ready(&guest),
    });
    match outcome {
        Some(true) => guest,
        Some(false) if guest.log().contains(STRUCK_OFF) => Server::start(options),
        _ => panic!("a node that comes back is not let in; its log:\n{}", guest.log()),
    }
}

/// The histories of all keys.
fn registers(done: impl Iterator<Item = Done>) -> Vec<Register> {
    let mut registers: Vec<Register> = (0..KEYS).map(|_| Register::default()).collect();
    for Done { key, asked, told, act } in done {
        let register = &mut registers[key as usize];
        match (told, act) {
            (Some(told), act) => {
                register.done(Told { asked, told, told_us: told, is_durable: false }, act);
            }
            (None, Act::Write(value)) => register.unknown(asked, value),
            (None, act) => panic!("{act:?} is known only by its answer"),
        }
    }
    registers
}

fn mix(network: &Network) {
    let cluster = Cluster::across(network, NODES);
    let mut places: Vec<_> = cluster.nodes.iter().map(|node| Some(node.address())).collect();
    places.push(None);
    let places: Places = Arc::new(Mutex::new(places));
    let field = Arc::new(Field {
        stop: AtomicBool::new(false),
        events: AtomicU64::new(1),
        values: AtomicU64::new(1),
        asked: AtomicU64::new(0),
        told: AtomicU64::new(0),
        places: Arc::clone(&places),
    });
    let players: Vec<_> = (0..CLIENTS).map(|number| Player::start(number, &field)).collect();
    let random = Random::new(env_number("NARF_TEST_SEED", 1));
    let mut troubles =
        Troubles { network, cluster, places, random, open: Vec::new(), guest: None, counts: [0; 4] };
    let wanted = rounds(12);
    eventually("acts before all troubles", || (field.told() >= TOLD_FOR_EACH).then_some(()));
    let (mut steps, before) = (0, field.told());
    while steps < wanted || field.told() - before < wanted * TOLD_FOR_EACH {
        let told = field.told() - before;
        assert!(steps < wanted * TROUBLES_MORE, "clients were told of {told} acts only in {steps} troubles");
        let pause = 100 + troubles.random.below(500);
        std::thread::sleep(Duration::from_millis(pause));
        troubles.step();
        steps += 1;
    }
    let told = field.told() - before;
    troubles.heal();
    let Troubles { cluster, counts: [deaths, pauses, cuts, guests], .. } = troubles;
    field.stop.store(true, Ordering::Relaxed);
    let mut players: Vec<Player> = players.into_iter().map(|player| player.join().unwrap()).collect();
    // All nodes are asked what is there in the end.
    let last = &mut players[0];
    for node in &cluster.nodes {
        last.client = Some(node.client());
        (0..KEYS).for_each(|key| assert!(last.read(key).is_some(), "all is well"));
    }
    let surprises: Vec<String> = players.iter_mut().flat_map(|player| player.surprises.drain(..)).collect();
    assert!(
        surprises.is_empty(),
        "{} of them: {:#?}",
        surprises.len(),
        &surprises[..surprises.len().min(20)]
    );
    let asked = field.asked.load(Ordering::Relaxed);
    let done: Vec<Done> = players.into_iter().flat_map(|player| player.done).collect();
    let unknown = done.iter().filter(|done| done.told.is_none()).count();
    let begin = Instant::now();
    let wrong: Vec<String> =
        registers(done.into_iter()).iter().filter_map(|register| register.check().err()).collect();
    let took = begin.elapsed();
    assert!(wrong.is_empty(), "{} keys: {}", wrong.len(), wrong[0]);
    assert!(took <= CHECKED_WITHIN, "the check took {took:?}");
    println!(
        "lin-mix: {deaths} deaths, {pauses} pauses, {cuts} cuts, {guests} times a node told to join or leave; {asked} \
         acts, {unknown} of unknown fate, {told} known amid the troubles; one order explains each of {KEYS} keys, found in {took:.2?}"
    );
}

#[test]
fn lin_mix() {
    if skip_unless_narf() {
        return;
    }
    on_network(NODES + 1, mix);
}
