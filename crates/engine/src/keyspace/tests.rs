//! Tests of the keyspace: against a plain map, and of walks under change.

use std::collections::{BTreeMap, BTreeSet};

use base::DbIndex;

use super::*;
use crate::ImageDigest;
use crate::value::{End, ValueRef};

mod fields;

type Content = BTreeMap<Vec<u8>, (Option<Millis>, Value)>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Text(Vec<u8>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
}

fn keyspace() -> Keyspace {
    Keyspace::new(KeyHasher::new(11))
}

fn content(keyspace: &Keyspace) -> Content {
    let mut content = Content::new();
    let mut cursor = 0;
    loop {
        cursor = keyspace.scan(cursor, 100, &mut |entry| {
            let value = match entry.value() {
                ValueRef::Hash(hash) => {
                    Value::Hash(hash.iter().map(|(f, v)| (f.to_vec(), v.to_vec())).collect())
                }
                _ => Value::Text(entry.text(&mut [0; base::I64_TEXT_MAX]).unwrap().to_vec()),
            };
            content.insert(entry.key().to_vec(), (entry.deadline(), value));
        });
        if cursor == 0 {
            return content;
        }
    }
}

fn loaded(bytes: &[u8]) -> Keyspace {
    let mut copy = keyspace();
    let mut at = 0;
    while at < bytes.len() {
        at += copy.load(&bytes[at..]).unwrap();
    }
    copy.check_invariants();
    copy
}

/// Random changes to a keyspace and to a plain map.
struct Player {
    random: Random,
    keyspace: Keyspace,
    model: Content,
    now: Millis,
    keys: u64,
}

impl Player {
    fn new(seed: u64, keys: u64) -> Player {
        let (random, now) = (Random::new(seed), Millis(1_700_000_000_000));
        Player { random, keyspace: keyspace(), model: Content::new(), now, keys }
    }

    fn key(&mut self) -> Vec<u8> {
        format!("k{}", self.random.below(self.keys)).into_bytes()
    }

    fn bytes(&mut self) -> Vec<u8> {
        if self.random.chance(1, 400) {
            return vec![b'z'; 300_000];
        }
        match self.random.below(8) {
            0 => self.random.next_u64().to_string().into_bytes(),
            1 => self.random.below(100).to_string().into_bytes(),
            2 => vec![b'x'; self.random.below(9000) as usize],
            _ => vec![b'y'; self.random.below(60) as usize],
        }
    }

    fn deadline(&mut self) -> Option<Millis> {
        let soon = [50, 5000, 10_000_000][self.random.below(3) as usize];
        self.random.chance(1, 2).then(|| Millis(self.now.0 + 1 + self.random.below(soon)))
    }

    /// The model forgets what has lapsed as the commands do: lazily, by treating it as absent.
    fn live(&mut self, key: &[u8]) -> bool {
        self.model.get(key).is_some_and(|(deadline, _)| deadline.is_none_or(|at| at > self.now))
    }

    fn step(&mut self) {
        let (key, now) = (self.key(), self.now);
        let live = self.live(&key);
        match self.random.below(16) {
            0..=2 => {
                let (bytes, deadline) = (self.bytes(), self.deadline());
                let change = deadline.map_or(NewDeadline::Clear, NewDeadline::At);
                self.keyspace.set_as(
                    self.keyspace.sought(&key),
                    &key,
                    NewValue::Text(&bytes),
                    change,
                    now,
                    Access::Noted,
                );
                self.model.insert(key, (deadline, Value::Text(bytes)));
            }
            3 => {
                let bytes = self.bytes();
                let kept = self.model.get(&key).and_then(|(deadline, _)| deadline.filter(|_| live));
                self.keyspace.set_as(
                    self.keyspace.sought(&key),
                    &key,
                    NewValue::Plain(&bytes),
                    NewDeadline::Keep,
                    now,
                    Access::Noted,
                );
                self.model.insert(key, (kept, Value::Text(bytes)));
            }
            4 => {
                assert_eq!(self.keyspace.remove(&key, now), live);
                if live {
                    self.model.remove(&key);
                }
            }
            5 => {
                let deadline = self.deadline();
                let found = self.keyspace.find_mut(&key, now).map(|mut entry| entry.set_deadline(deadline));
                assert_eq!(found.is_some(), live);
                if live {
                    self.model.get_mut(&key).unwrap().0 = deadline;
                }
            }
            6 | 7 => self.edit_text(&key, live),
            8..=12 => self.edit_hash(&key, live),
            13 => self.rename(&key, live),
            14 => {
                let expired = self.keyspace.expire(&key, now);
                assert_eq!(expired, self.model.contains_key(&key) && !live);
                if expired {
                    self.model.remove(&key);
                }
            }
            _ => self.now = Millis(now.0 + self.random.below(40)),
        }
    }

    fn edit_text(&mut self, key: &[u8], live: bool) {
        let (patch, offset) = (self.bytes(), self.random.below(5000) as usize);
        let append = self.random.chance(1, 2);
        let Some(mut entry) = self.keyspace.find_mut(key, self.now) else { return assert!(!live) };
        let Some((_, Value::Text(text))) = self.model.get_mut(key) else { return };
        let len = if append { entry.append(&patch) } else { entry.set_range(offset, &patch) };
        let offset = if append { text.len() } else { offset };
        text.resize(text.len().max(offset + patch.len()), 0);
        text[offset..offset + patch.len()].copy_from_slice(&patch);
        assert_eq!(len, text.len());
    }

    fn edit_hash(&mut self, key: &[u8], live: bool) {
        if !live {
            self.keyspace.insert(key, NewValue::EmptyHash, None);
            self.model.insert(key.to_vec(), (None, Value::Hash(BTreeMap::new())));
        }
        let count = if self.random.chance(1, 20) { 600 } else { 3 };
        for _ in 0..count {
            let field = format!("f{}", self.random.below(900)).into_bytes();
            let mut value = self.bytes();
            value.truncate(if self.random.chance(1, 50) { 9000 } else { 20 });
            let remove = self.random.chance(1, 3);
            let mut entry = self.keyspace.find_mut(key, self.now).unwrap();
            let Some(mut hash) = entry.hash() else { return };
            let Some((_, Value::Hash(fields))) = self.model.get_mut(key) else { unreachable!() };
            if remove {
                assert_eq!(hash.remove(&field), fields.remove(&field).is_some());
            } else {
                assert_eq!(hash.set(&field, &value), fields.insert(field.clone(), value).is_none());
            }
            assert_eq!(hash.get(&field), fields.get(&field).map(Vec::as_slice));
            assert_eq!(hash.len(), fields.len());
        }
        if let Some((_, Value::Hash(fields))) = self.model.get(key)
            && fields.is_empty()
        {
            self.keyspace.remove(key, self.now);
            self.model.remove(key);
        }
    }

    fn rename(&mut self, key: &[u8], live: bool) {
        let to = self.key();
        let copy = self.random.chance(1, 3);
        if copy {
            let Some(entry) = self.keyspace.find(key, self.now) else { return assert!(!live) };
            let entry = entry.with_key(&to);
            self.keyspace.put(&to, entry);
            let value = self.model[key].clone();
            self.model.insert(to, value);
            return;
        }
        let Some(entry) = self.keyspace.take(key, self.now) else { return assert!(!live) };
        self.keyspace.put(&to, entry);
        let value = self.model.remove(key).unwrap();
        self.model.insert(to, value);
    }
}

#[test]
fn random_changes_agree_with_a_plain_map() {
    for seed in 0..6 {
        let mut player = Player::new(seed, [5, 30, 300, 300, 3000, 3000][seed as usize]);
        for step in 0..4000 {
            player.step();
            if step % 500 == 0 {
                player.keyspace.check_invariants();
                player.keyspace.reclaim(100);
            }
        }
        player.keyspace.check_invariants();
        assert_eq!(content(&player.keyspace), player.model, "seed {seed}");
    }
}

#[test]
fn a_walk_gives_the_content_of_its_beginning() {
    for seed in 0..30 {
        let mut player = Player::new(seed, [5, 30, 300, 2000][seed as usize % 4]);
        (0..[200, 1500][seed as usize % 2]).for_each(|_| player.step());
        for round in 0..3 {
            let (expected, digest) = (player.model.clone(), player.keyspace.digest(Millis(0)));
            assert!(player.keyspace.begin_walk());
            assert!(!player.keyspace.begin_walk());
            let mut out = Vec::new();
            while !player.keyspace.walk_slice(2000, &mut out) {
                (0..player.random.below(30)).for_each(|_| player.step());
                if player.random.chance(1, 200) {
                    player.keyspace.clear();
                    player.model.clear();
                }
                if player.random.chance(1, 200) {
                    player.keyspace.reload().unwrap();
                }
                player.keyspace.reclaim(50);
            }
            let mut copy = loaded(&out);
            assert!(content(&copy) == expected, "seed {seed} round {round}");
            assert_eq!(copy.digest(Millis(0)), digest);
            assert_eq!(image_digest(&out), image_digest(&walked(&mut copy)), "seed {seed} round {round}");
            player.keyspace.check_invariants();
            assert_eq!(content(&player.keyspace), player.model);
        }
    }
}

fn walked(keyspace: &mut Keyspace) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(keyspace.begin_walk());
    while !keyspace.walk_slice(700, &mut out) {}
    out
}

fn image_digest(records: &[u8]) -> u128 {
    let mut digest = ImageDigest::default();
    digest.add_records(DbIndex::ZERO, records).unwrap();
    digest.sum()
}

#[test]
fn a_digest_of_a_walk_tells_any_change_and_no_layout() {
    let text = "x".repeat(600_000);
    let mut seen = BTreeSet::new();
    let build = |order: &[usize], change: usize| {
        let mut keyspace = keyspace();
        for &at in order {
            match at {
                0 => {
                    let (front, back) = text.split_at(if change == 1 { 400_000 } else { text.len() });
                    let text = if change == 1 { format!("{front}y{}", &back[1..]) } else { front.to_owned() };
                    keyspace.insert(b"text", NewValue::Text(text.as_bytes()), None);
                }
                1 => {
                    let deadline = (change == 2).then_some(Millis(9_000));
                    keyspace.insert(
                        b"short",
                        NewValue::Text(if change == 3 { b"13" } else { b"12" }),
                        deadline,
                    );
                }
                _ => {
                    let mut entry = keyspace.insert(b"list", NewValue::EmptyList, None);
                    let mut list = entry.list().unwrap();
                    let swapped = if change == 4 { 700 } else { usize::MAX };
                    for number in 0..3000usize {
                        let number = if number / 2 * 2 == swapped { number ^ 1 } else { number };
                        list.push(End::Back, &number.to_le_bytes());
                    }
                }
            }
        }
        image_digest(&walked(&mut keyspace))
    };
    for change in 0..5 {
        let digest = build(&[0, 1, 2], change);
        assert_eq!(digest, build(&[2, 0, 1], change), "{change}");
        assert!(seen.insert(digest), "{change}");
    }
}

/// What becomes of a big value in the middle of a walk.
fn end_of_value(keyspace: &mut Keyspace, key: &[u8], end: &str, now: Millis) {
    match end {
        "stays" => {}
        "removed" => assert!(keyspace.remove(key, now)),
        "overwritten" => {
            keyspace.set_as(
                keyspace.sought(key),
                key,
                NewValue::Text(b"1"),
                NewDeadline::Clear,
                now,
                Access::Noted,
            );
        }
        "cleared" => keyspace.clear(),
        "renamed" => {
            let entry = keyspace.take(key, now).unwrap();
            keyspace.put(b"t", entry);
        }
        other => panic!("no such end: {other}"),
    }
}

#[test]
fn a_big_hash_is_walked_in_slices_while_it_changes() {
    let mut keyspace = keyspace();
    let now = Millis(1);
    keyspace.insert(b"h", NewValue::EmptyHash, Some(Millis(1 << 40)));
    let mut entry = keyspace.find_mut(b"h", now).unwrap();
    let mut hash = entry.hash().unwrap();
    (0..20_000u32).for_each(|n| assert!(hash.set(&n.to_le_bytes(), b"old")));
    for end in ["stays", "removed", "overwritten", "cleared"] {
        let expected = content(&keyspace);
        assert!(keyspace.begin_walk());
        let (mut out, mut slices) = (Vec::new(), 0);
        loop {
            let before = out.len();
            if keyspace.walk_slice(1000, &mut out) {
                break;
            }
            slices += 1;
            assert!(out.len() - before < 40_000, "a slice stays small");
            if slices < 5 {
                let mut entry = keyspace.find_mut(b"h", now).unwrap();
                let mut hash = entry.hash().unwrap();
                for n in 0..200u32 {
                    hash.set(&(n * 97 % 20_000).to_le_bytes(), b"new");
                    hash.remove(&(n * 89 % 20_000).to_le_bytes());
                    hash.set(&(n + 1_000_000).to_le_bytes(), b"more");
                }
                entry.set_deadline(None);
            }
            if slices == 5 {
                end_of_value(&mut keyspace, b"h", end, now);
            }
        }
        assert!(slices > 10, "{slices}");
        assert!(content(&loaded(&out)) == expected, "{end}");
        while !keyspace.reclaim(100) {}
        keyspace.check_invariants();
        if end != "stays" {
            keyspace = loaded(&out);
        }
    }
}

#[test]
fn a_long_string_is_walked_in_slices_while_it_changes() {
    let now = Millis(1);
    for end in ["stays", "removed", "overwritten", "cleared", "patched", "renamed"] {
        let mut keyspace = keyspace();
        let long: Vec<u8> = (0..3_000_000u32).map(|n| (n / 7) as u8).collect();
        keyspace.insert(b"s", NewValue::Text(&long), Some(Millis(1 << 40)));
        let expected = content(&keyspace);
        assert!(keyspace.begin_walk());
        let (mut out, mut slices) = (Vec::new(), 0);
        loop {
            let before = out.len();
            if keyspace.walk_slice(20_000, &mut out) {
                break;
            }
            slices += 1;
            assert!(out.len() - before < 60_000 || (slices == 4 && matches!(end, "patched" | "renamed")));
            if slices == 3 {
                let mut entry = keyspace.find_mut(b"s", now).unwrap();
                entry.append(b"more");
                entry.set_deadline(None);
                match end {
                    "removed" => assert!(keyspace.remove(b"s", now)),
                    "overwritten" => entry.set(NewValue::Text(b"short"), NewDeadline::Keep),
                    "cleared" => keyspace.clear(),
                    "patched" => assert!(entry.set_range(2_999_000, b"patch") > 3_000_000),
                    "renamed" => {
                        let entry = keyspace.take(b"s", now).unwrap();
                        keyspace.put(b"t", entry);
                    }
                    _ => {}
                }
            }
        }
        assert!(content(&loaded(&out)) == expected, "{end}");
        while !keyspace.reclaim(100) {}
        keyspace.check_invariants();
    }
}

#[test]
fn a_big_set_is_walked_in_slices_while_it_changes() {
    let mut keyspace = keyspace();
    let now = Millis(1);
    keyspace.insert(b"s", NewValue::EmptySet, Some(Millis(1 << 40)));
    let mut entry = keyspace.find_mut(b"s", now).unwrap();
    let mut set = entry.set_value().unwrap();
    (0..20_000u32).for_each(|n| assert!(set.add(&n.to_le_bytes())));
    for end in ["stays", "removed", "overwritten", "cleared", "renamed"] {
        let (expected, len) =
            (keyspace.digest(now), keyspace.peek(b"s").unwrap().value().set().unwrap().len());
        assert!(keyspace.begin_walk());
        let (mut out, mut slices) = (Vec::new(), 0);
        loop {
            let before = out.len();
            if keyspace.walk_slice(1000, &mut out) {
                break;
            }
            slices += 1;
            assert!(out.len() - before < 40_000 || end == "renamed", "a slice stays small");
            if slices < 5 {
                let mut entry = keyspace.find_mut(b"s", now).unwrap();
                let mut set = entry.set_value().unwrap();
                for n in 0..200u32 {
                    set.remove(&(n * 89 % 20_000).to_le_bytes());
                    set.add(&(n + 1_000_000).to_le_bytes());
                    if n % 3 == 0 {
                        set.add(&(n * 89 % 20_000).to_le_bytes());
                        set.remove(&(n + 1_000_000).to_le_bytes());
                    }
                }
                set.pop(20, &mut Random::new(slices));
                entry.set_deadline(None);
            }
            if slices == 5 {
                end_of_value(&mut keyspace, b"s", end, now);
            }
        }
        assert!(slices >= 5, "{slices}");
        let copy = loaded(&out);
        assert_eq!(copy.peek(b"s").unwrap().value().set().unwrap().len(), len, "{end}");
        assert_eq!(copy.digest(now), expected, "{end}");
        while !keyspace.reclaim(100) {}
        keyspace.check_invariants();
        if end != "stays" {
            keyspace = copy;
        }
    }
}

/// Fields with values and deadlines, all that are there.
#[test]
fn passing_over_what_a_walk_need_not_write_takes_slices_too() {
    let mut keyspace = keyspace();
    keyspace.insert(b"old", NewValue::Text(b"v"), None);
    assert!(keyspace.begin_walk());
    (0..20_000u32).for_each(|n| {
        keyspace.set_as(
            keyspace.sought(&n.to_le_bytes()),
            &n.to_le_bytes(),
            NewValue::Int(1),
            NewDeadline::Clear,
            Millis(1),
            Access::Noted,
        )
    });
    let (mut out, mut slices) = (Vec::new(), 1);
    while !keyspace.walk_slice(10_000, &mut out) {
        slices += 1;
    }
    assert!((40..100).contains(&slices), "{slices}");
    assert_eq!(content(&loaded(&out)).len(), 1);
}

#[test]
fn an_aborted_walk_leaves_the_next_one_whole() {
    let mut player = Player::new(5, 500);
    (0..2000).for_each(|_| player.step());
    assert!(player.keyspace.begin_walk());
    player.keyspace.walk_slice(3000, &mut Vec::new());
    player.keyspace.abort_walk();
    assert!(player.keyspace.walk_slice(100, &mut Vec::new()), "no walk is under way");
    let mut turns = 0;
    while !player.keyspace.reclaim(10) {
        player.step();
        turns += 1;
    }
    assert!(turns > 3);
    player.keyspace.check_invariants();
    let expected = player.model.clone();
    assert!(player.keyspace.begin_walk());
    let mut out = Vec::new();
    while !player.keyspace.walk_slice(5000, &mut out) {
        player.step();
    }
    assert!(content(&loaded(&out)) == expected);
}

#[test]
fn digests_tell_contents_apart_and_nothing_else() {
    let now = Millis(10);
    let mut one = keyspace();
    let mut other = Keyspace::new(KeyHasher::new(99));
    for n in 0..300u32 {
        one.insert(&n.to_le_bytes(), NewValue::Text(b"12"), None);
        other.insert(&(299 - n).to_le_bytes(), NewValue::Plain(b"12"), None);
    }
    assert_eq!(one.digest(now), other.digest(now), "order, seed and encoding are no content");
    one.insert(b"lapsed", NewValue::Text(b"x"), Some(Millis(10)));
    assert_eq!(one.digest(now), other.digest(now), "what has lapsed is absent");
    other.find_mut(&7u32.to_le_bytes(), now).unwrap().set_deadline(Some(Millis(100)));
    assert_ne!(one.digest(now), other.digest(now));
    other.find_mut(&7u32.to_le_bytes(), now).unwrap().set_deadline(None);
    assert_eq!(one.digest(now), other.digest(now));
    other.find_mut(&7u32.to_le_bytes(), now).unwrap().append(b"3");
    assert_ne!(one.digest(now), other.digest(now));
    assert_ne!(one.digest_value(&7u32.to_le_bytes(), now), other.digest_value(&7u32.to_le_bytes(), now));
}

#[test]
fn every_key_is_named_when_its_deadline_has_come() {
    for seed in 0..5 {
        let mut player = Player::new(seed, 400);
        for _ in 0..6000 {
            player.step();
            if player.random.chance(1, 20) {
                player.now = Millis(player.now.0 + player.random.below(3000));
                let now = player.now;
                let mut keys = Vec::new();
                while player.keyspace.next_due().is_some_and(|due| due <= now) {
                    player.keyspace.due(now, 7, &mut keys);
                    for key in keys.drain(..) {
                        // A key whose deadline moved back and forth may be named twice.
                        let Some((deadline, _)) = player.model.remove(&*key) else { continue };
                        assert!(deadline.is_some_and(|deadline| deadline <= now), "none early");
                        assert!(player.keyspace.expire(&key, now));
                    }
                }
                let late = player.model.values().filter_map(|(deadline, _)| *deadline).min();
                assert!(late.is_none_or(|deadline| deadline.0 + 4 > now.0), "none late");
            }
        }
        player.keyspace.check_invariants();
    }
}

#[test]
fn a_key_that_is_not_deleted_is_named_again_only_later() {
    let mut keyspace = keyspace();
    keyspace.insert(b"k", NewValue::Text(b"v"), Some(Millis(1000)));
    let mut named = |now| {
        let mut keys = Vec::new();
        keyspace.due(Millis(now), 100, &mut keys);
        keys.len()
    };
    assert_eq!([999, 1000, 1001, 1900, 3004, 3005].map(&mut named), [0, 1, 0, 0, 1, 0]);
}

#[test]
fn stale_deadlines_do_not_pile_up() {
    let mut keyspace = keyspace();
    for n in 0..3000u64 {
        keyspace.insert(&n.to_le_bytes(), NewValue::Text(b"v"), Some(Millis(1 << 40)));
    }
    for turn in 0..200_000u64 {
        let key = (turn % 5000).to_le_bytes();
        keyspace.remove(&key, Millis(turn));
        keyspace.insert(&key, NewValue::Text(b"v"), Some(Millis((1 << 40) - turn)));
        if keyspace.next_due().is_some_and(|due| due <= Millis(turn)) {
            keyspace.due(Millis(turn), 300, &mut Vec::new());
            keyspace.reclaim(100);
        }
    }
    assert!(keyspace.book.wheel.len() < 4 * 5000, "{}", keyspace.book.wheel.len());
    keyspace.check_invariants();
}

#[test]
fn a_lapsed_key_is_absent_noted_and_still_there() {
    let mut keyspace = keyspace();
    keyspace.insert(b"k", NewValue::Text(b"v"), Some(Millis(10)));
    assert!(keyspace.find(b"k", Millis(9)).is_some());
    assert!(keyspace.find(b"k", Millis(10)).is_none());
    assert!(keyspace.find_mut(b"k", Millis(10)).is_none());
    assert!(!keyspace.remove(b"k", Millis(10)));
    assert_eq!(keyspace.take_lapsed(), [Box::from(b"k".as_slice())]);
    assert!(!keyspace.has_lapsed());
    assert_eq!(keyspace.len(), 1);
    assert!(!keyspace.expire(b"k", Millis(9)));
    assert!(keyspace.expire(b"k", Millis(10)));
    assert_eq!(keyspace.len(), 0);
}

/// What happens between WATCH and EXEC, at which time EXEC comes, and whether the key counts as changed.
#[track_caller]
fn check_watch(deadline: Option<u64>, watched_at: u64, act: fn(&mut Keyspace), now: u64, expect: bool) {
    let mut keyspace = keyspace();
    if let Some(deadline) = deadline {
        keyspace.insert(b"k", NewValue::Text(b"v"), Some(Millis(deadline)));
    }
    let stamp = keyspace.watch(b"k", Millis(watched_at));
    act(&mut keyspace);
    assert_eq!(keyspace.changed_since(b"k", stamp, Millis(now)), expect);
    keyspace.unwatch(b"k");
}

#[test]
fn a_string_that_only_changes_its_form_is_the_same_to_who_watches_it() {
    for text in [b"9223372036854775807".as_slice(), b"short", &[b'x'; 60]] {
        let mut keyspace = Keyspace::new(KeyHasher::new(1));
        let set = |keyspace: &mut Keyspace, words: &[&[u8]]| {
            let request = base::Request::from_parts(words);
            let command::Lookup::Found(spec) = command::lookup(request.args()) else {
                panic!("no such command")
            };
            let command::Run::Data(command) = spec.run else { panic!("not for data") };
            let mut store = crate::Store::new(keyspace, base::DbIndex::ZERO, Millis(1), 1);
            let mut out = Vec::new();
            let mut reply = resp::Reply::new(&mut out, resp::Version::Resp2);
            crate::execute(command, request.args(), &mut store, &mut reply);
            out
        };
        set(&mut keyspace, &[b"SET", b"k", text]);
        let (stamp, changes) = (keyspace.watch(b"k", Millis(1)), keyspace.changes());
        // Bit 7 of a digit or a letter like these is as it is said to be.
        let bit: &[u8] = if text[0] & 1 == 1 { b"1" } else { b"0" };
        set(&mut keyspace, &[b"SETBIT", b"k", b"7", bit]);
        assert!(!keyspace.changed_since(b"k", stamp, Millis(1)));
        assert_eq!(set(&mut keyspace, &[b"OBJECT", b"ENCODING", b"k"]), b"$3\r\nraw\r\n");
        assert_eq!(keyspace.changes() > changes, text.len() < 60, "who has a copy is told of the form");
        let again: &[u8] = if bit == b"1" { b"0" } else { b"1" };
        set(&mut keyspace, &[b"SET", b"k", text]);
        let stamp = keyspace.watch(b"k", Millis(1));
        set(&mut keyspace, &[b"BITFIELD", b"k", b"SET", b"u1", b"7", bit, b"SET", b"u1", b"7", again]);
        assert!(keyspace.changed_since(b"k", stamp, Millis(1)), "the second step changed it");
        keyspace.check_invariants();
    }
}

#[test]
fn watch_follows_the_rules_of_redis() {
    let set: fn(&mut Keyspace) = |k| {
        k.insert(b"k", NewValue::Text(b"w"), None);
    };
    let expire: fn(&mut Keyspace) = |k| assert!(k.expire(b"k", Millis(100)));
    let clear: fn(&mut Keyspace) = Keyspace::clear;
    let nothing: fn(&mut Keyspace) = |_| {};
    check_watch(Some(50), 1, nothing, 2, false);
    check_watch(Some(50), 1, nothing, 50, true);
    check_watch(Some(50), 1, expire, 100, true);
    check_watch(Some(50), 60, nothing, 100, false);
    check_watch(Some(50), 60, expire, 100, false);
    check_watch(Some(50), 60, clear, 100, false);
    check_watch(Some(50), 60, set, 100, true);
    check_watch(Some(50), 1, clear, 2, true);
    check_watch(Some(50), 1, |k| assert!(k.remove(b"k", Millis(1))), 2, true);
    check_watch(Some(50), 1, |k| k.find_mut(b"k", Millis(1)).unwrap().set_deadline(None), 2, true);
    check_watch(None, 1, nothing, 2, false);
    check_watch(None, 1, clear, 2, false);
    check_watch(None, 1, set, 2, true);
}

#[test]
fn changes_grow_only_with_changes_and_touched_keys_are_told() {
    let mut keyspace = keyspace();
    keyspace.collect_touched(true);
    keyspace.insert(b"k", NewValue::Text(b"v"), None);
    let changes = keyspace.changes();
    keyspace.find(b"k", Millis(1));
    assert!(keyspace.find_mut(b"k", Millis(1)).is_some());
    assert!(!keyspace.remove(b"none", Millis(1)));
    assert_eq!(keyspace.changes(), changes);
    keyspace.find_mut(b"k", Millis(1)).unwrap().append(b"w");
    assert!(keyspace.changes() > changes);
    let touched: BTreeSet<_> = keyspace.take_touched().into_iter().collect();
    assert_eq!(touched, BTreeSet::from([Box::from(b"k".as_slice())]));
    keyspace.collect_touched(false);
    keyspace.remove(b"k", Millis(1));
    assert!(keyspace.take_touched().is_empty());
}

#[test]
fn clearing_gives_memory_back_in_slices() {
    for deadline in [None, Some(Millis(1 << 40))] {
        let mut keyspace = keyspace();
        for n in 0..20_000u32 {
            keyspace.insert(&n.to_le_bytes(), NewValue::Text(b"v"), deadline);
        }
        keyspace.clear();
        assert_eq!((keyspace.len(), keyspace.memory(), keyspace.next_due()), (0, 0, None));
        let mut turns = 1;
        while !keyspace.reclaim(1000) {
            turns += 1;
        }
        assert!((10..40).contains(&turns), "{turns}");
    }
}

#[test]
fn a_big_hash_that_is_deleted_is_freed_in_slices() {
    let mut keyspace = keyspace();
    let mut entry = keyspace.insert(b"h", NewValue::EmptyHash, None);
    let mut hash = entry.hash().unwrap();
    (0..20_000u32).for_each(|n| assert!(hash.set(&n.to_le_bytes(), b"v")));
    assert!(keyspace.remove(b"h", Millis(1)));
    let mut turns = 1;
    while !keyspace.reclaim(1000) {
        turns += 1;
    }
    assert!((10..40).contains(&turns), "{turns}");
}

#[test]
fn garbage_is_loaded_or_refused_and_never_breaks_the_books() {
    for seed in 0..20 {
        let mut player = Player::new(seed, 20);
        (0..300).for_each(|_| player.step());
        player.keyspace.begin_walk();
        let mut out = Vec::new();
        while !player.keyspace.walk_slice(10_000, &mut out) {}
        let mut target = keyspace();
        for _ in 0..300 {
            let start = player.random.below(out.len() as u64) as usize;
            let end = out.len().min(start + player.random.below(400) as usize);
            let mut bytes = out[start..end].to_vec();
            // A head that is a head, so that more than the first byte is looked at.
            let heads: [&[u8]; 11] = [
                &[0x10],
                &[0x11],
                &[0x12],
                &[0x13],
                &[0x14],
                &[0x15],
                &[0x18],
                &[0x1B],
                &[0x20, 10],
                &[0x20, 11],
                &[0x28, 11],
            ];
            bytes.splice(0..0, heads[player.random.below(11) as usize].iter().copied());
            let before = target.len();
            match target.load(&bytes) {
                Ok(len) => assert!(len <= bytes.len()),
                Err(_) => assert_eq!(target.len(), before),
            }
        }
        target.check_invariants();
    }
}
