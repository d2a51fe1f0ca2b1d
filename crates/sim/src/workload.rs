//! What clients ask for: keys of their own, counters and twins that they share, channels.
//!
//! Keys are few, so that requests meet; values are unique, so that a reply tells which write it saw.

use crate::client::Client;
use crate::clock::Clock;
use crate::oracle::Want;
use crate::oracle::model::{Act, Life};

/// How many keys a client has in each database.
const OWN_KEYS: u64 = 6;
/// Shared counters, pairs of twins and channels.
pub(crate) const COUNTERS: u64 = 3;
pub(crate) const PAIRS: u64 = 3;
pub(crate) const CHANNELS: u64 = 2;

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything on keys of its own, counting, and twins; many at once.
    Owner,
    /// Counts by `WATCH`, one step after the other.
    Watcher,
    /// Publishes.
    Publisher,
    /// Listens to one channel.
    Subscriber(usize),
    /// Only reads, at the end.
    Auditor,
}

/// Requests to be sent one after the other, and what their replies mean.
pub(crate) struct Batch {
    pub(crate) requests: Vec<(Vec<Vec<u8>>, Want)>,
}

type Words = Vec<Vec<u8>>;

fn words(words: &[&str]) -> Words {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

impl Batch {
    pub(crate) fn one(parts: &[&str], want: Want) -> Batch {
        Batch { requests: vec![(words(parts), want)] }
    }

    fn of(request: Words, want: Want) -> Batch {
        Batch { requests: vec![(request, want)] }
    }

    /// `MULTI`, the requests, `EXEC`.
    fn transaction(requests: Vec<(Words, Option<Want>)>) -> Batch {
        let mut batch = Batch::one(&["MULTI"], Want::Ok);
        let mut wants = Vec::new();
        for (request, want) in requests {
            batch.requests.push((request, Want::Queued));
            wants.extend(want);
        }
        batch.requests.push((words(&["EXEC"]), Want::Exec(wants)));
        batch
    }
}

/// The keys of a pair: apart in database 0.
pub(crate) fn twin_keys(pair: u64) -> [String; 2] {
    [format!("left{pair}"), format!("right{pair}")]
}

/// The next requests of a client; none if it has to wait for replies first.
pub(crate) fn next(client: &mut Client, clock: &Clock) -> Option<Batch> {
    match client.part {
        Part::Owner => Some(owner(client, clock)),
        Part::Watcher => watcher(client),
        Part::Publisher => {
            let channel = client.random().below(CHANNELS);
            let number = client.token();
            // A publisher is a client on one connection: numbers of an earlier one come before.
            let publisher = client.id as u64;
            let request = words(&["PUBLISH", &format!("ch{channel}"), &format!("{publisher}:{number}")]);
            Some(Batch::of(request, Want::Publish(channel as usize, publisher, number)))
        }
        Part::Subscriber(_) | Part::Auditor => None,
    }
}

fn own_key(client: &mut Client) -> Vec<u8> {
    let number = client.random().below(OWN_KEYS);
    format!("c{}:k{number}", client.id).into_bytes()
}

fn text(client: &mut Client) -> Vec<u8> {
    let mut text = client.token().to_string().into_bytes();
    let more = match client.random().below(60) {
        0 => client.random().below(20_000),
        1..4 => client.random().below(1500),
        4..20 => client.random().below(100),
        _ => 0,
    };
    text.resize(text.len() + more as usize, b'.');
    text
}

fn act(client: &mut Client, clock: &Clock) -> Act {
    let most = if client.random().chance(1, 4) { 5_000 } else { 60 };
    let soon = 1 + client.random().below(most);
    let field = format!("f{}", client.random().below(4)).into_bytes();
    let wall_ms = clock.now().wall_us / 1000;
    match client.random().below(28) {
        0..4 => Act::Set(text(client), Life::Forever),
        4 => Act::Set(text(client), Life::Px(soon)),
        5 => Act::Set(text(client), Life::PxAt(wall_ms + soon)),
        6 => Act::Set(text(client), Life::Keep),
        7..12 => Act::Get,
        12 => Act::GetDel,
        13..15 => Act::IncrBy(1 + client.random().below(9) as i64),
        15..17 => Act::Append(text(client)),
        17 => Act::Del,
        18..21 => Act::HSet(field, text(client)),
        21..23 => Act::HGet(field),
        23 => Act::HLen,
        24 => Act::PExpire(soon),
        25 => Act::PExpireAt(wall_ms + soon),
        26 => Act::Persist,
        _ => Act::PTtl,
    }
}

fn own(client: &mut Client, clock: &Clock) -> (Words, Want) {
    let (key, act) = (own_key(client), act(client, clock));
    (act.words(&key), Want::Own((client.db, key), act))
}

fn owner(client: &mut Client, clock: &Clock) -> Batch {
    match client.random().below(20) {
        _ if client.random().chance(1, 12) => whole_database(client),
        _ if client.random().chance(1, 40) => silence(client),
        _ if client.random().chance(1, 40) => discard(client, clock),
        _ if client.random().chance(1, 16) => {
            let (request, want) = carry(client);
            Batch::of(request, want)
        }
        0..10 => {
            let (request, want) = own(client, clock);
            Batch::of(request, want)
        }
        10 => {
            let token = client.token().to_string();
            Batch::one(&["ECHO", &token], Want::Echo(token.as_bytes().to_vec()))
        }
        11 => own_mset(client),
        12 => own_mget(client),
        13 => {
            let count = 1 + client.random().below(4);
            let parts = (0..count).map(|_| match client.random().chance(1, 4) {
                true => carry(client),
                false => own(client, clock),
            });
            let parts: Vec<(Words, Want)> = parts.collect();
            Batch::transaction(parts.into_iter().map(|(request, want)| (request, Some(want))).collect())
        }
        // What is shared lives in database 0.
        _ if client.db != 0 => {
            let (request, want) = own(client, clock);
            Batch::of(request, want)
        }
        14 | 15 => {
            let counter = client.random().below(COUNTERS);
            Batch::one(&["INCR", &format!("n{counter}")], Want::Count(counter as usize))
        }
        16 => {
            let counter = client.random().below(COUNTERS);
            Batch::one(&["GET", &format!("n{counter}")], Want::ReadCount(counter as usize))
        }
        17 | 18 => write_twins(client),
        _ => {
            let in_transaction = client.random().chance(1, 3);
            let pair = client.random().below(PAIRS);
            read_twins(pair, in_transaction)
        }
    }
}

/// Two keys in one request: what the one held, the other has.
fn carry(client: &mut Client) -> (Words, Want) {
    let (from, to) = (own_key(client), own_key(client));
    if from == to {
        return (words(&["DBSIZE"]), Want::Fine);
    }
    let keeps = client.random().chance(1, 2);
    let request = match keeps {
        true => vec![b"COPY".to_vec(), from.clone(), to.clone(), b"REPLACE".to_vec()],
        false => vec![b"RENAME".to_vec(), from.clone(), to.clone()],
    };
    let db = client.db;
    (request, Want::Carry { from: (db, from), to: (db, to), keeps })
}

/// Requests whose replies the client does not want; the next ones must have theirs.
fn silence(client: &mut Client) -> Batch {
    let request = match client.random().below(4) {
        0 => words(&["ECHO", "nobody"]),
        1 => words(&["MGET", "left0", "right0", "left1"]),
        2 => words(&["GET", "n0"]),
        _ => words(&["DBSIZE"]),
    };
    let mut batch = Batch::one(&["CLIENT", "REPLY", "SKIP"], Want::Silence);
    batch.requests.push((request.clone(), Want::Silence));
    if client.random().chance(1, 2) {
        batch.requests.push((words(&["CLIENT", "REPLY", "OFF"]), Want::Silence));
        batch.requests.extend((0..3).map(|_| (request.clone(), Want::Silence)));
        batch.requests.push((words(&["CLIENT", "REPLY", "ON"]), Want::Ok));
    }
    batch
}

/// A transaction that is given up: nothing of it may be seen.
fn discard(client: &mut Client, clock: &Clock) -> Batch {
    let mut batch = Batch::one(&["MULTI"], Want::Ok);
    for _ in 0..=client.random().below(3) {
        let (request, _) = own(client, clock);
        batch.requests.push((request, Want::Queued));
    }
    batch.requests.push((words(&["DISCARD"]), Want::Ok));
    batch
}

/// What looks at everything at once and changes nothing, so that partitions are borrowed in every order.
fn whole_database(client: &mut Client) -> Batch {
    let own = format!("c{}:*", client.id);
    match client.random().below(11) {
        10 if client.random().chance(1, 4) => Batch::one(&["QUIT"], Want::Ok),
        0 => Batch::one(&["DBSIZE"], Want::Fine),
        1 => Batch::one(&["KEYS", &own], Want::Fine),
        2 => Batch::one(&["SCAN", "0", "COUNT", "5"], Want::Fine),
        3 => Batch::one(&["RANDOMKEY"], Want::Fine),
        4 => Batch::one(&["DEBUG", "DIGEST"], Want::Fine),
        5 => Batch::one(&["DEBUG", "RELOAD"], Want::Ok),
        6 => Batch::one(&["CLIENT", "PAUSE", "10", "WRITE"], Want::Ok),
        7 => Batch::one(&["PUBLISH", "nobody", "hears"], Want::Fine),
        8 => Batch::one(&["INFO"], Want::Fine),
        _ => Batch::one(
            &["CONFIG", "SET", "hash-max-listpack-entries", &client.random().below(4).to_string()],
            Want::Ok,
        ),
    }
}

fn own_mset(client: &mut Client) -> Batch {
    let mut request = words(&["MSET"]);
    let mut pairs = Vec::new();
    for _ in 0..=client.random().below(4) {
        let (key, value) = (own_key(client), text(client));
        if pairs.iter().all(|((_, other), _): &((u8, Vec<u8>), Vec<u8>)| *other != key) {
            request.extend([key.clone(), value.clone()]);
            pairs.push(((client.db, key), value));
        }
    }
    Batch::of(request, Want::MSet(pairs))
}

fn own_mget(client: &mut Client) -> Batch {
    let mut request = words(&["MGET"]);
    let mut names = Vec::new();
    for _ in 0..=client.random().below(4) {
        let key = own_key(client);
        request.push(key.clone());
        names.push((client.db, key));
    }
    Batch::of(request, Want::MGet(names))
}

fn write_twins(client: &mut Client) -> Batch {
    let (pair, token) = (client.random().below(PAIRS), client.token());
    let [left, right] = twin_keys(pair);
    let value = token.to_string();
    let want = Want::WriteTwins(pair as usize, token);
    match client.random().below(3) {
        0 => {
            let first = (words(&["SET", &left, &value]), Some(want));
            Batch::transaction(vec![first, (words(&["SET", &right, &value]), None)])
        }
        _ => Batch::one(&["MSET", &left, &value, &right, &value], want),
    }
}

pub(crate) fn read_twins(pair: u64, in_transaction: bool) -> Batch {
    let [left, right] = twin_keys(pair);
    let want = Want::ReadTwins(pair as usize);
    match in_transaction {
        true => {
            Batch::transaction(vec![(words(&["GET", &left]), Some(want)), (words(&["GET", &right]), None)])
        }
        false => Batch::one(&["MGET", &left, &right], want),
    }
}

/// Reads a counter under `WATCH`, and sets it one higher if nobody else did meanwhile.
fn watcher(client: &mut Client) -> Option<Batch> {
    if !client.is_free() {
        return None;
    }
    // The counter is the same in both steps, for they are steps of one thing.
    let counter = client.id as u64 % COUNTERS;
    let key = format!("n{counter}");
    match client.watched.take() {
        None => {
            let mut batch = Batch::one(&["WATCH", &key], Want::Ok);
            batch.requests.push((words(&["GET", &key]), Want::ReadCount(counter as usize)));
            Some(batch)
        }
        Some(number) => {
            let set = words(&["SET", &key, &(number + 1).to_string()]);
            Some(Batch::transaction(vec![(set, Some(Want::CountTo(counter as usize, number + 1)))]))
        }
    }
}

/// Everything there is to read about one key.
pub(crate) fn audit_key(name: &(u8, Vec<u8>)) -> Batch {
    let mut batch = Batch::one(&["SELECT", &name.0.to_string()], Want::Ok);
    for act in [Act::PTtl, Act::Get] {
        batch.requests.push((act.words(&name.1), Want::Own(name.clone(), act)));
    }
    batch
}

/// A read of a counter.
pub(crate) fn audit_counter(counter: u64) -> Batch {
    Batch::one(&["GET", &format!("n{counter}")], Want::ReadCount(counter as usize))
}

/// A write that must not be refused.
pub(crate) fn audit_write() -> Batch {
    let act = Act::Set(b"done".to_vec(), Life::Forever);
    let key = b"audit".to_vec();
    Batch::of(act.words(&key), Want::Own((0, key), act))
}
