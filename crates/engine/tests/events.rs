//! What commands tell of what they do to keys: nothing is forgotten, and nothing is told of a key that was left alone but
//! what Redis tells of those.

mod support;

use std::collections::BTreeSet;

use base::{DbIndex, KeyHasher, Millis, Request};
use command::DataCommand;
use engine::{Class, Classes, Event, Events, Keyspace, Ledger, Store, execute, numbered_commands};
use resp::{Reply, Version};
use support::{Requests, Shape};

const NOW: u64 = 1_700_000_000_000;

/// Requests that change keys without a word, and why.
const SILENT: &[(DataCommand, &str)] = &[
    (DataCommand::NarfFlush, "as FLUSHALL does"),
    (DataCommand::NarfPut, "is the effect of another request, which has told"),
    (DataCommand::PfCount, "only what was counted is kept, as in Redis"),
    (DataCommand::PfDebug, "as in Redis"),
];

/// These are silent also if nothing changed but the form in which a string is kept, or if it only grew for a number that
/// did not fit: as in Redis.
const ABOUT_BITS: &[DataCommand] = &[DataCommand::SetBit, DataCommand::BitField];

fn all() -> Classes {
    Class::ALL.iter().fold(Classes::NONE, |classes, class| classes.with(*class))
}

/// Events, each with its key.
type Told = Vec<(Event, Vec<u8>)>;

/// What a request does to keys: of a numbered one, what has the number does it.
fn what_runs(command: DataCommand, request: &Request) -> DataCommand {
    let numbered = if command == DataCommand::NarfOnce { numbered_commands(request.args()) } else { None };
    match numbered.and_then(|specs| specs.first().map(|spec| spec.run)) {
        Some(command::Run::Data(command)) => command,
        Some(command::Run::Node(_) | command::Run::Container) | None => command,
    }
}

struct World {
    keyspace: Keyspace,
    ledger: Ledger,
    events: Events,
    now: u64,
}

impl World {
    fn new() -> World {
        let mut keyspace = Keyspace::new(KeyHasher::new(1));
        keyspace.collect_touched(true);
        let mut events = Events::default();
        events.want(all());
        World { keyspace, ledger: Ledger::default(), events, now: NOW }
    }

    /// The keys that changed, and what was told.
    fn run(&mut self, command: DataCommand, request: &Request) -> (BTreeSet<Vec<u8>>, Told) {
        let mut out = Vec::new();
        let mut store = Store::new(&mut self.keyspace, DbIndex::ZERO, Millis(self.now), 7);
        store.events = self.events.if_wanted();
        store.ledger = Some(&mut self.ledger);
        execute(command, request.args(), &mut store, &mut Reply::new(&mut out, Version::Resp2));
        let changed = self.keyspace.take_touched().into_iter().map(Vec::from).collect();
        let told = self.events.iter().map(|(event, _, key)| (event, key.to_vec())).collect();
        self.events.clear();
        (changed, told)
    }

    /// What a request written as a line tells.
    fn tell(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let request = Request::from_parts(&words);
        let command::Lookup::Found(spec) = command::lookup(request.args()) else { unreachable!("{line}") };
        let command::Run::Data(command) = spec.run else { unreachable!("{line}") };
        let (_, told) = self.run(command, &request);
        let told =
            told.iter().map(|(event, key)| format!("{} {}", event.name(), String::from_utf8_lossy(key)));
        told.collect::<Vec<_>>().join(", ")
    }
}

/// A key that a command changes is one that it tells of: a new command that forgets it fails here.
#[test]
fn whatever_changes_a_key_tells_of_it() {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for seed in 0..6 {
        let mut world = World::new();
        let mut requests = Requests::new(seed, Shape::Plausible);
        let mut commands = DataCommand::ALL.to_vec();
        for step in 0..20_000 {
            // For a while only those of one type, that they meet keys of theirs.
            if step % 500 == 0 {
                let group = requests.pick(DataCommand::ALL).spec().group;
                commands = DataCommand::ALL.to_vec();
                commands.retain(|command| command.spec().group == group);
                world.keyspace.clear();
            }
            let command = requests.pick(if step % 1000 < 700 { &commands } else { DataCommand::ALL });
            if command == DataCommand::NarfFlush {
                continue;
            }
            world.now += 50;
            let request = requests.draw_for(command);
            let (changed, told) = world.run(command, &request);
            let runs = what_runs(command, &request);
            let is_about_bits =
                ABOUT_BITS.contains(&runs) && told.iter().all(|(event, _)| *event == Event::New);
            if is_about_bits || SILENT.iter().any(|(silent, _)| *silent == runs) {
                continue;
            }
            for key in &changed {
                assert!(
                    told.iter().any(|(event, of)| of == key && !matches!(event, Event::New | Event::KeyMiss)),
                    "{request:?} changed {} and did not tell: {told:?}",
                    String::from_utf8_lossy(key)
                );
            }
            let name = command.spec().name;
            if !changed.is_empty() {
                seen.insert(name);
            }
        }
    }
    // `MOVE` needs a second database; the node's tests have it.
    let quiet = SILENT.iter().map(|(command, _)| *command).chain([DataCommand::Move]);
    let quiet: Vec<DataCommand> = quiet.collect();
    for command in
        DataCommand::ALL.iter().filter(|command| command.spec().is_write() && !quiet.contains(command))
    {
        let name = command.spec().name;
        assert!(
            seen.contains(name),
            "no request for {name} changed anything: what it tells was not looked at"
        );
    }
}

#[test]
fn reads_tell_of_nothing_but_what_they_miss() {
    let mut world = World::new();
    let mut requests = Requests::new(3, Shape::Plausible);
    for step in 0..20_000 {
        requests.shape = if step % 4 == 0 { Shape::Noise } else { Shape::Plausible };
        let (command, request) = requests.draw();
        let (_, told) = world.run(command, &request);
        if command.spec().is_read_only() {
            assert!(told.iter().all(|(event, _)| *event == Event::KeyMiss), "{request:?} told {told:?}");
        }
    }
}

#[test]
fn fields_are_told_of_in_the_words_of_redis_8() {
    let mut world = World::new();
    for (line, told) in [
        ("HSET h a 1 b 2 c 3 d 4", "new h, hset h"),
        ("HEXPIRE h 100 FIELDS 2 a x", "hexpire h"),
        ("HEXPIRE h 100 NX FIELDS 1 a", ""),
        ("HPERSIST h FIELDS 2 a b", "hpersist h"),
        ("HPERSIST h FIELDS 1 a", ""),
        ("HEXPIRE h 0 FIELDS 1 a", "hdel h"),
        ("HGETDEL h FIELDS 2 b x", "hdel h"),
        ("HGETEX h EX 100 FIELDS 1 c", "hexpire h"),
        ("HGETEX h PERSIST FIELDS 1 c", "hpersist h"),
        ("HGETEX h PERSIST FIELDS 1 c", ""),
        ("HGETEX h FIELDS 1 c", ""),
        ("HSETEX h EX 100 FIELDS 1 c 1", "hset h, hexpire h"),
        ("HSETEX h FNX FIELDS 1 c 1", ""),
        ("HSETEX h FIELDS 1 c 1", "hset h"),
        ("HGETEX h PXAT 1 FIELDS 1 c", "hdel h"),
        ("HGETDEL h FIELDS 1 d", "hdel h, del h"),
        ("HSETEX h PXAT 1 FIELDS 1 c 1", "new h, hset h, hdel h, del h"),
        ("HGETDEL h FIELDS 1 d", ""),
        ("HTTL h FIELDS 1 d", "keymiss h"),
    ] {
        assert_eq!(world.tell(line), told, "{line}");
    }
}

#[test]
fn what_has_lapsed_is_told_of_once_by_whatever_removes_it() {
    let mut world = World::new();
    for key in ["a", "b", "c", "d"] {
        assert_eq!(world.tell(&format!("SET {key} 1 PX 10")), format!("new {key}, set {key}, expire {key}"));
    }
    world.tell("HSET h f 1 g 2");
    world.tell("HPEXPIRE h 10 FIELDS 1 f");
    world.tell("HSET i f 1");
    world.tell("HPEXPIRE i 10 FIELDS 1 f");
    world.now += 10;
    for (line, told) in [
        ("GET a", "keymiss a"),
        ("DEL a", ""),
        ("SET a 1", "expired a, new a, set a"),
        ("LPUSH b 1", "expired b, new b, lpush b"),
        ("narf.expire a b c c h i", "expired c, hexpired h, hexpired i, del i"),
        ("narf.evict d a x", "expired d, evicted a"),
        ("SET k v PXAT 1", "new k, set k, expire k, expired k"),
        ("EXPIRE b -1", "del b"),
    ] {
        assert_eq!(world.tell(line), told, "{line}");
    }
}

#[test]
fn nothing_is_noted_that_nobody_wants() {
    let mut world = World::new();
    world.events.want(Classes::NONE.with(Class::Miss));
    assert_eq!(world.tell("SET k v"), "");
    assert_eq!(world.tell("GET x"), "keymiss x");
    world.events.want(Classes::NONE);
    let request = Request::from_parts(["GET", "x"]);
    assert!(world.run(DataCommand::Get, &request).1.is_empty());
    assert_eq!(world.run(DataCommand::Set, &Request::from_parts(["SET", "k", "w"])).0.len(), 1);
    let no_events: Option<&mut Events> = world.events.if_wanted();
    assert!(no_events.is_none());
}
