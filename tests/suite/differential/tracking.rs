//! Clients that keep what they read, on `redis-server` and on the server under test: what each is told of changes.
//!
//! One client does one thing at a time (a request, or a transaction in one write); then what every client was told
//! must be the same on both sides. Not compared is in which order one request's keys are told, unless they come in one
//! message, and what no database but the first is needed for: Redis tells of a key's name in any of them.

use base::Random;
use narf_tests::{Client, DEADLINE, Kind, Options, Server, Value, env_number, within, words};

use super::compare::{class, equal};

/// Those that may track; the last two in RESP2, of which one stands in for others.
const CLIENTS: usize = 5;
const LISTENER: usize = 4;

struct Side {
    clients: Vec<Client>,
    listener: String,
}

impl Side {
    fn of(server: &Server) -> Side {
        let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.client()).collect();
        clients[..3].iter_mut().for_each(|client| drop(client.hello3()));
        let listener = clients[LISTENER].run("CLIENT ID").int().to_string();
        clients[LISTENER].run("SUBSCRIBE __redis__:invalidate");
        Side { clients, listener }
    }

    /// Does it, and gives the replies. Pushes are put aside.
    fn run(&mut self, client: usize, lines: &[String]) -> Vec<Value> {
        let lines: Vec<String> = lines.iter().map(|line| line.replace("$id", &self.listener)).collect();
        self.clients[client].pipeline(&lines)
    }

    /// What a client was told by now.
    fn told(&mut self, client: usize) -> Vec<String> {
        if client != LISTENER {
            self.clients[client].run("PING");
            return self.clients[client].take_pushes().iter().map(Value::to_string).collect();
        }
        // A subscriber in RESP2 cannot tell a message from a reply but by its form.
        self.clients[client].send("PING");
        let mut told = Vec::new();
        loop {
            let text = self.clients[client].reply().to_string();
            if text.contains("\"pong\"") {
                return told;
            }
            told.push(text);
        }
    }
}

struct World {
    sides: [Side; 2],
    random: Random,
    log: Vec<String>,
}

impl World {
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.random.below(from.len() as u64) as usize]
    }

    fn key(&mut self) -> &'static str {
        self.pick(&["a", "a1", "b", "b1", "{t}a", "{t}b", "", "list", "hash", "set"])
    }

    fn tracking(&mut self) -> String {
        match self.random.below(12) {
            0..=1 => "CLIENT TRACKING off".to_owned(),
            2..=3 => "CLIENT TRACKING on".to_owned(),
            4 => "CLIENT TRACKING on NOLOOP".to_owned(),
            5 => format!("CLIENT TRACKING on BCAST {}", self.pick(&["", "NOLOOP"])),
            6 => format!("CLIENT TRACKING on BCAST PREFIX {} {}", self.key(), self.pick(&["", "NOLOOP"])),
            7 => {
                format!("CLIENT TRACKING on {}", self.pick(&["OPTIN", "OPTOUT", "OPTIN OPTOUT", "PREFIX x"]))
            }
            8..=9 => format!("CLIENT CACHING {}", self.pick(&["YES", "NO"])),
            10 => format!("CLIENT TRACKING on REDIRECT $id {}", self.pick(&["", "NOLOOP", "BCAST"])),
            _ => self.pick(&["CLIENT TRACKINGINFO", "RESET", "CLIENT TRACKING on REDIRECT 99999"]).to_owned(),
        }
    }

    fn read(&mut self) -> String {
        let (key, other) = (self.key(), self.key());
        match self.random.below(12) {
            0..=3 => format!("GET '{key}'"),
            4..=5 => format!("MGET '{key}' '{other}'"),
            6 => format!("EXISTS '{key}' '{other}'"),
            7 => format!("LRANGE '{key}' 0 -1"),
            8 => format!("HGETALL '{key}'"),
            9 => format!("SUNION '{key}' '{other}'"),
            10 => format!("TTL '{key}'"),
            _ => format!("STRLEN '{key}'"),
        }
    }

    fn write(&mut self) -> String {
        let (key, other, n) = (self.key(), self.key(), self.random.below(100));
        match self.random.below(30) {
            0..=4 => format!("SET '{key}' {n}"),
            5 => format!("SET '{key}' {n} {}", self.pick(&["NX", "XX", "EX 1000", "GET"])),
            6 => format!("MSET '{key}' {n} '{other}' {n}"),
            7 => format!("MSETNX '{key}' {n} '{other}' {n}"),
            8 => format!("DEL '{key}' '{other}'"),
            9 => format!("UNLINK '{key}'"),
            10 => format!("INCR '{key}'"),
            11 => format!("APPEND '{key}' {}", self.pick(&["x", "''"])),
            12 => format!("SETRANGE '{key}' 1 {}", self.pick(&["x", "''"])),
            13 => format!("RPUSH '{key}' {n}"),
            14 => format!("LPOP '{key}'"),
            15 => format!("RPOPLPUSH '{key}' '{other}'"),
            16 => format!("HSET '{key}' f {n}"),
            17 => format!("HDEL '{key}' f"),
            18 => format!("SADD '{key}' {}", n % 4),
            19 => format!("SREM '{key}' {}", n % 4),
            20 => format!("SUNIONSTORE '{key}' '{other}'"),
            21 => format!("RENAME '{key}' '{other}'"),
            22 => format!("COPY '{key}' '{other}' {}", self.pick(&["", "REPLACE"])),
            23 => format!("EXPIRE '{key}' {}", self.pick(&["1000", "-1", "1000 NX", "1000 XX"])),
            24 => format!("PERSIST '{key}'"),
            25 => format!("GETDEL '{key}'"),
            26 => format!("SORT '{key}' ALPHA STORE '{other}'"),
            27 => format!("LTRIM '{key}' 0 {}", n % 3),
            28 => format!("SPOP '{key}' 100"),
            _ => self.pick(&["FLUSHALL", "FLUSHDB", "DEL none", "LINSERT list BEFORE none 1"]).to_owned(),
        }
    }

    fn request(&mut self) -> String {
        match self.random.below(10) {
            0..=4 => self.read(),
            _ => self.write(),
        }
    }

    fn step(&mut self) {
        let client = self.random.below(LISTENER as u64) as usize;
        let lines: Vec<String> = match self.random.below(10) {
            0..=1 => vec![self.tracking()],
            2 => {
                let requests: Vec<String> = (0..self.random.below(5)).map(|_| self.request()).collect();
                let begin = ["MULTI".to_owned()];
                begin.into_iter().chain(requests).chain(["EXEC".to_owned()]).collect()
            }
            _ => vec![self.request()],
        };
        self.log.push(format!("[{client}] {}", lines.join("; ")));
        let [reference, subject] = self.sides.each_mut().map(|side| side.run(client, &lines));
        for ((line, reference), subject) in lines.iter().zip(&reference).zip(&subject) {
            // The elements of a transaction are compared by the values that follow.
            let is_same = match line.as_str() {
                "EXEC" => true,
                // It names a connection, whose number each server gives.
                "CLIENT TRACKINGINFO" => self.shown(0, reference) == self.shown(1, subject),
                _ => equal(class(&words(line)), reference, subject),
            };
            if !is_same {
                self.fail(&format!("{line}\n  redis: {reference}\n  narf:  {subject}"));
            }
        }
        if lines == ["RESET"] && client < 3 {
            self.sides.iter_mut().for_each(|side| drop(side.clients[client].hello3()));
        }
        for client in 0..CLIENTS {
            self.compare_told(client);
        }
    }

    fn shown(&self, side: usize, value: &Value) -> String {
        value.to_string().replace(&format!(":{}", self.sides[side].listener), "$id")
    }

    fn compare_told(&mut self, client: usize) {
        let [reference, subject] = &mut self.sides;
        let mut expected = reference.told(client);
        expected.sort();
        let mut told = Vec::new();
        // What comes from another worker may be behind the reply.
        let all = within(DEADLINE, || {
            told.extend(subject.told(client));
            (told.len() >= expected.len()).then_some(())
        });
        told.sort();
        if all.is_none() || told != expected {
            self.fail(&format!("client {client} was told\n  redis: {expected:?}\n  narf:  {told:?}"));
        }
    }

    fn fail(&self, what: &str) -> ! {
        let from = self.log.len().saturating_sub(40);
        panic!("{what}\nthe last steps:\n  {}", self.log[from..].join("\n  "));
    }
}

fn compare_caches(workers: usize) {
    let seed = env_number("NARF_TEST_SEED", workers as u64);
    let steps: usize = env_number("NARF_TEST_COMMANDS", 60_000) / 20;
    let reference = Server::start(Options::new().kind(Kind::Redis));
    let subject = Server::start(Options::new().workers(workers));
    let mut world = World {
        sides: [Side::of(&reference), Side::of(&subject)],
        random: Random::new(seed),
        log: vec![format!("NARF_TEST_SEED={seed}")],
    };
    for _ in 0..steps {
        world.step();
    }
}

#[test]
fn caches_are_told_as_by_redis_with_one_worker() {
    compare_caches(1);
}

#[test]
fn caches_are_told_as_by_redis_with_two_workers() {
    compare_caches(2);
}
