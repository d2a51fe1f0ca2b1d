//! Clients that wait for lists and sorted sets, on `redis-server` and on the server under test.
//!
//! Some clients wait without an end, others change the keys they wait for. After each step it is known from the
//! reference who was served; the same clients must be served the same on the other side, and nobody else.
//!
//! Not compared is what Redis 7.2 does otherwise than 7.0: a request with several keys is tried from its first key on,
//! whichever key woke it, and an error of one of them is its answer. So keys that are waited for together hold lists
//! only, and one step brings something to one of them: who waits to move an element moves it to a key that is waited
//! for by itself.

use std::time::Duration;

use base::Random;
use narf_tests::{Client, DEADLINE, Kind, Options, Server, Value, env_number, eventually, within, words};

use super::compare::{class, equal};

const WAITERS: usize = 5;
/// How long an answer may take that is there already.
const INSTANT: Duration = Duration::from_millis(1);

struct Side {
    actor: Client,
    waiters: Vec<Client>,
    ids: Vec<String>,
}

impl Side {
    fn of(server: &Server) -> Side {
        let mut waiters: Vec<Client> = (0..WAITERS).map(|_| server.client()).collect();
        waiters.iter_mut().step_by(2).for_each(|client| {
            client.hello3();
        });
        let ids = waiters.iter_mut().map(|client| client.run("CLIENT ID").int().to_string()).collect();
        Side { actor: server.client(), waiters, ids }
    }

    fn blocked(&mut self) -> usize {
        let info = self.actor.run("INFO clients").text();
        let line = info.lines().find_map(|line| line.strip_prefix("blocked_clients:"));
        line.expect("INFO tells how many are blocked").trim().parse().unwrap()
    }
}

struct World {
    reference: Side,
    subject: Side,
    /// What each client waits for.
    waiting: Vec<Option<String>>,
    random: Random,
    log: Vec<String>,
}

impl World {
    fn pick(&mut self, from: &[&str]) -> String {
        from[self.random.below(from.len() as u64) as usize].to_owned()
    }

    fn fail(&self, what: &str) -> ! {
        let from = self.log.len().saturating_sub(40);
        panic!("{what}\nthe last steps:\n  {}", self.log[from..].join("\n  "));
    }

    fn begin_wait(&mut self, client: usize) {
        let list = |world: &mut World| world.pick(&["l0", "l1", "l2", "{a}0", "{a}1"]);
        let source = |world: &mut World| world.pick(&["l0", "l1", "{a}0", "{a}1", "m0", "m1"]);
        let destination = |world: &mut World| world.pick(&["m0", "m1"]);
        let several = |world: &mut World| {
            let count = 1 + world.random.below(3);
            (0..count).map(|_| list(world)).collect::<Vec<_>>().join(" ")
        };
        let end = self.pick(&["LEFT", "RIGHT"]);
        let (line, waits_for_ever) = match self.random.below(13) {
            0..=2 => (format!("BLPOP {} 0", several(self)), true),
            3..=4 => (format!("BRPOP {} 0", several(self)), true),
            5 => (format!("BLMOVE {} {} {end} LEFT 0", source(self), destination(self)), true),
            6 => (format!("BRPOPLPUSH {} {} 0", source(self), destination(self)), true),
            7 => {
                let keys = several(self);
                (format!("BLMPOP 0 {} {keys} {end} COUNT 2", keys.split(' ').count()), true)
            }
            8 => (format!("BLPOP {} 0", destination(self)), true),
            // Keys of any type, one at a time.
            9 => (format!("BLPOP {} 0", self.pick(&["t0", "t1"])), true),
            10 => (format!("BZPOPMIN {} 0", self.pick(&["t0", "t1"])), true),
            11 => (format!("BZMPOP 0 1 {} MAX COUNT 2", self.pick(&["t0", "t1"])), true),
            _ => (format!("BLPOP {} 0.01", several(self)), false),
        };
        self.log.push(format!("[{client}] {line}"));
        for side in [&mut self.reference, &mut self.subject] {
            side.waiters[client].send(&line);
        }
        self.waiting[client] = Some(line);
        if !waits_for_ever {
            self.compare_reply(client);
        }
    }

    fn act(&mut self) {
        let list = self.pick(&["l0", "l1", "l2", "{a}0", "{a}1", "m0"]);
        let other = self.pick(&["{a}0", "{a}1"]);
        let any = self.pick(&["t0", "t1"]);
        let n = self.random.below(1000);
        let line = match self.random.below(20) {
            0..=4 => format!("RPUSH {list} {n}"),
            5..=6 => format!("LPUSH {list} {n} {n}b {n}c"),
            7 => format!("LPOP {list}"),
            8 => format!("LLEN {list}"),
            9 => format!("DEL {list}"),
            10 => format!("LMOVE {list} {list} LEFT RIGHT"),
            11 => format!("COPY {{a}}0 {other} REPLACE"),
            12 => format!("RENAME {list} {list}"),
            13 => format!("ZADD {any} {n} m{n} 1 one"),
            14 => format!("RPUSH {any} {n} {n}b"),
            15 => format!("SET {any} {n}"),
            16..=17 => format!("DEL {any}"),
            18 => return self.act_at_once(&list),
            _ => return self.unblock(),
        };
        self.log.push(line.clone());
        let reference = self.reference.actor.run(&line);
        let subject = self.subject.actor.run(&line);
        self.check(&line, &reference, &subject);
    }

    /// Several changes of a key as one, and more in the same write.
    fn act_at_once(&mut self, list: &str) {
        let lines = ["MULTI", "RPUSH", "RPUSH", "LPOP", "EXEC", "LLEN"].map(|name| match name {
            "RPUSH" => format!("RPUSH {list} x y"),
            "LPOP" | "LLEN" => format!("{name} {list}"),
            _ => name.to_owned(),
        });
        self.log.push(lines.join(" "));
        let reference = self.reference.actor.pipeline(&lines[..5]);
        let subject = self.subject.actor.pipeline(&lines[..5]);
        self.check(&lines.join(" "), &Value::Array(reference), &Value::Array(subject));
    }

    fn unblock(&mut self) {
        let client = self.random.below(WAITERS as u64) as usize;
        let how = self.pick(&["", "TIMEOUT", "ERROR"]);
        self.log.push(format!("CLIENT UNBLOCK [{client}] {how}"));
        let ask = |side: &mut Side| side.actor.run(&format!("CLIENT UNBLOCK {} {how}", side.ids[client]));
        let (reference, subject) = (ask(&mut self.reference), ask(&mut self.subject));
        self.check("CLIENT UNBLOCK", &reference, &subject);
    }

    fn check(&self, line: &str, reference: &Value, subject: &Value) {
        let args = words(line);
        if !equal(class(&args), reference, subject) {
            self.fail(&format!("{line}\n  redis: {reference:?}\n  narf:  {subject:?}"));
        }
    }

    fn compare_reply(&mut self, client: usize) {
        let line = self.waiting[client].take().expect("it waits");
        let reference = self.reference.waiters[client].reply();
        self.settle_reply(client, &line, &reference);
    }

    fn settle_reply(&mut self, client: usize, line: &str, reference: &Value) {
        match self.subject.waiters[client].next_reply(DEADLINE) {
            Ok(Some(subject)) => {
                self.log.push(format!("      [{client}] is answered {subject:?}"));
                self.check(line, reference, &subject);
            }
            _ => self.fail(&format!("[{client}] {line}\n  redis: {reference:?}\n  narf does not answer")),
        }
    }

    /// Whether the reference has served a client, which then is served by the other one in the same way.
    fn is_served(&mut self, client: usize) -> bool {
        let Ok(Some(reference)) = self.reference.waiters[client].next_reply(INSTANT) else { return false };
        let line = self.waiting[client].take().expect("it waits");
        self.settle_reply(client, &line, &reference);
        true
    }

    /// Whoever the reference has served is served by the other one, in the same way, and nobody else.
    fn settle(&mut self) {
        let mut outstanding: Vec<usize> = (0..WAITERS).filter(|at| self.waiting[*at].is_some()).collect();
        // Whoever is not counted as waiting has been served, or is not taken up yet. Only so many are looked for: a look
        // at a client that still waits takes a tick of the kernel's clock.
        eventually("redis has taken up all and answered those it has served", || {
            for _ in self.reference.blocked()..outstanding.len() {
                let place = outstanding.iter().position(|client| self.is_served(*client))?;
                outstanding.remove(place);
            }
            (self.reference.blocked() == outstanding.len()).then_some(())
        });
        let mut blocked = 0;
        let settled = within(DEADLINE, || {
            blocked = self.subject.blocked();
            (blocked == outstanding.len()).then_some(())
        });
        if settled.is_none() {
            self.fail(&format!("redis has {} clients waiting, narf {blocked}", outstanding.len()));
        }
    }
}

fn compare_waiting(workers: usize) {
    let seed = env_number("NARF_TEST_SEED", workers as u64);
    let steps: usize = env_number("NARF_TEST_COMMANDS", 25_000) / 25;
    let reference = Server::start(Options::new().kind(Kind::Redis));
    let subject = Server::start(Options::new().workers(workers));
    let mut world = World {
        reference: Side::of(&reference),
        subject: Side::of(&subject),
        waiting: vec![None; WAITERS],
        random: Random::new(seed),
        log: vec![format!("NARF_TEST_SEED={seed}")],
    };
    for _ in 0..steps {
        let idle: Vec<usize> = (0..WAITERS).filter(|at| world.waiting[*at].is_none()).collect();
        if !idle.is_empty() && world.random.chance(1, 2) {
            let client = idle[world.random.below(idle.len() as u64) as usize];
            world.begin_wait(client);
        } else {
            world.act();
        }
        world.settle();
    }
}

#[test]
fn clients_that_wait_are_served_as_by_redis_with_one_worker() {
    compare_waiting(1);
}

#[test]
fn clients_that_wait_are_served_as_by_redis_with_two_workers() {
    compare_waiting(2);
}
