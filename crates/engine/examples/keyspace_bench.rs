//! Resident bytes a key and nanoseconds an operation of one keyspace.
//!
//! ```text
//! MIMALLOC_ALLOW_THP=0 cargo run --release -p narf-engine --example keyspace_bench -- [keys]
//! ```
//!
//! Transparent huge pages are off because they count pages that nothing was written to.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use base::{DbIndex, KeyHasher, Millis, Random};
use engine::{Hashed, Keyspace, NewDeadline, NewValue, Store, ValueRef};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: Millis = Millis(1_700_000_000_000);
const PAGE: usize = 4096;

fn main() {
    let keys: u64 = std::env::args().nth(1).and_then(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    println!("{keys} keys of 16 B");
    // Once unmeasured: code, the allocator's own pages.
    memory("warm-up", 20_000, |store, key, _| store.set(key, NewValue::Int(7), NewDeadline::Clear));
    memory("string 64 B", keys, |store, key, _| {
        store.set(key, NewValue::Text(&[b'v'; 64]), NewDeadline::Clear);
    });
    memory("string 64 B with TTL", keys, |store, key, n| {
        let at = Millis(NOW.0 + 3_600_000 + n * 7 % 3_600_000);
        store.set(key, NewValue::Text(&[b'v'; 64]), NewDeadline::At(at));
    });
    memory("integer", keys, |store, key, _| store.set(key, NewValue::Int(7), NewDeadline::Clear));
    memory("hash of 10 fields of 6 B + 10 B", keys / 10, |store, key, _| {
        let Some(mut entry) = store.insert(key, NewValue::EmptyHash, None) else { return };
        let Some(mut hash) = entry.hash() else { return };
        for field in 0..10 {
            hash.set(format!("field{field}").as_bytes(), b"0123456789");
        }
    });
    spread(keys);
    one_big_hash(keys);
    speed(keys);
    walk(keys);
}

fn key(n: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let mut rest = n;
    for place in key[4..].iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * PAGE
}

fn memory(what: &str, keys: u64, set: impl Fn(&mut Store<'_>, &[u8], u64)) {
    let mut keyspace = Keyspace::new(KeyHasher::new(1));
    let before = resident();
    let started = Instant::now();
    for n in 0..keys {
        let mut store = Store::new(&mut keyspace, DbIndex::ZERO, NOW, n);
        set(&mut store, &key(n), n);
    }
    let each = started.elapsed().as_nanos() as f64 / keys as f64;
    let held = (resident() - before) as f64 / keys as f64;
    let estimate = keyspace.memory() as f64 / keys as f64;
    println!("{what:32} {held:7.1} B/key resident, {estimate:7.1} estimated, {each:6.0} ns/insert in order");
    // Left standing: freed memory would be reused and blur the next measurement.
    std::mem::forget(keyspace);
}

/// As a node holds database 0: in 64 partitions.
fn spread(keys: u64) {
    let mut keyspaces: Vec<Keyspace> = (0..64).map(|_| Keyspace::new(KeyHasher::new(1))).collect();
    let before = resident();
    for n in 0..keys {
        let place = base::slot_of(&key(n)).number() / 256;
        set(&mut keyspaces[usize::from(place)], &key(n), &[b'v'; 64]);
    }
    let held = (resident() - before) as f64 / keys as f64;
    let empty = size_of::<Keyspace>();
    println!(
        "{:32} {held:7.1} B/key resident; an empty keyspace takes {empty} B",
        "string 64 B, 64 keyspaces"
    );
    std::mem::forget(keyspaces);
}

fn one_big_hash(fields: u64) {
    let mut keyspace = Keyspace::new(KeyHasher::new(1));
    let before = resident();
    let mut entry = keyspace.insert(b"h", NewValue::EmptyHash, None);
    if let Some(mut hash) = entry.hash() {
        (0..fields).for_each(|n| {
            hash.set(&key(n), &[b'v'; 64]);
        });
    }
    let held = (resident() - before) as f64 / fields as f64;
    println!("{:32} {held:7.1} B/field resident", "one hash, fields of 16 B + 64 B");
    std::mem::forget(keyspace);
}

/// Not inlined, so that a profiler shows it by name.
#[inline(never)]
fn get(keyspace: &mut Keyspace, key: &[u8]) -> usize {
    let mut store = Store::new(keyspace, DbIndex::ZERO, NOW, 0);
    store.find(key).map_or(0, |entry| match entry.value() {
        ValueRef::Text(text) => text.len(),
        _ => 0,
    })
}

/// As above.
#[inline(never)]
fn set(keyspace: &mut Keyspace, key: &[u8], value: &[u8]) {
    Store::new(keyspace, DbIndex::ZERO, NOW, 0).set(key, NewValue::Text(value), NewDeadline::Clear);
}

/// Times `count` operations and prints nanoseconds for each.
fn time(what: &str, count: u64, mut operation: impl FnMut(u64)) {
    let started = Instant::now();
    let mut longest = 0;
    let mut last = started;
    for n in 0..count {
        operation(n);
        if n % 64 == 0 {
            let now = Instant::now();
            longest = longest.max(now.duration_since(last).as_micros());
            last = now;
        }
    }
    let each = started.elapsed().as_nanos() as f64 / count as f64;
    println!("{what:32} {each:7.1} ns, longest 64 of them {longest} us");
}

fn speed(keys: u64) {
    let mut random = Random::new(9);
    let mut keyspace = Keyspace::new(KeyHasher::new(1));
    let order: Vec<[u8; 16]> = (0..keys).map(|_| key(random.below(keys))).collect();
    time("insert, random order", keys, |n| set(&mut keyspace, &order[n as usize], &[b'v'; 64]));
    (0..keys).for_each(|n| set(&mut keyspace, &key(n), &[b'v'; 64]));
    time("get, random", keys, |n| {
        black_box(get(&mut keyspace, &order[n as usize]));
    });
    time("get, absent", keys, |n| {
        black_box(get(&mut keyspace, &order[n as usize][1..]));
    });
    time("get, prefetched (for 16)", keys / 16, |n| {
        let batch = &order[n as usize * 16..][..16];
        let mut hashed: Vec<Hashed> = batch.iter().map(|key| keyspace.prefetch(key)).collect();
        hashed.iter_mut().for_each(|key| keyspace.prefetch_entry(key));
        for key in batch {
            black_box(get(&mut keyspace, key));
        }
    });
    time("set, same size", keys, |n| set(&mut keyspace, &order[n as usize], &[b'w'; 64]));
    time("remove and insert", keys, |n| {
        keyspace.remove(&order[n as usize], NOW);
        set(&mut keyspace, &order[n as usize], &[b'w'; 64]);
    });
    time("increment", keys, |n| {
        let mut store = Store::new(&mut keyspace, DbIndex::ZERO, NOW, n);
        let Some(mut entry) = store.find_mut(&order[n as usize]) else { return };
        let next = match entry.value() {
            ValueRef::Int(number) => number + 1,
            _ => 0,
        };
        entry.set_int(next);
    });
    keyspace.insert(b"h", NewValue::EmptyHash, None);
    let hset = |keyspace: &mut Keyspace, key: &[u8], field: &[u8]| {
        let mut store = Store::new(keyspace, DbIndex::ZERO, NOW, 0);
        let Some(mut entry) = store.find_mut(key) else { return };
        if let Some(mut hash) = entry.hash() {
            black_box(hash.set(field, b"xxx"));
        }
    };
    time("set field, one big hash", keys, |n| hset(&mut keyspace, b"h", &order[n as usize]));
    time("set field again", keys, |n| hset(&mut keyspace, b"h", &order[n as usize]));
    keyspace.insert(b"s", NewValue::EmptyHash, None);
    time("set field, small hash of 10", keys, |n| hset(&mut keyspace, b"s", &order[n as usize][15..]));
    std::mem::forget(keyspace);
}

fn walk(keys: u64) {
    let mut keyspace = Keyspace::new(KeyHasher::new(1));
    for n in 0..keys {
        keyspace.insert(&key(n), NewValue::Text(&[b'v'; 64]), None);
    }
    keyspace.begin_walk();
    let (mut out, mut longest, mut bytes) = (Vec::new(), 0, 0);
    let mut all = Vec::with_capacity(100 * keys as usize);
    let mut took = Duration::ZERO;
    loop {
        out.clear();
        let slice = Instant::now();
        let done = keyspace.walk_slice(64 * 1024, &mut out);
        let elapsed = slice.elapsed();
        longest = longest.max(elapsed.as_micros());
        took += elapsed;
        bytes += out.len();
        all.extend_from_slice(&out);
        if done {
            break;
        }
    }
    let took = took.as_millis();
    println!("{:32} {took} ms, {bytes} bytes, longest 64 KiB slice {longest} us", "walk");
    let mut copy = Keyspace::new(KeyHasher::new(1));
    let started = Instant::now();
    let mut at = 0;
    while let Ok(len) = copy.load(&all[at..]) {
        at += len;
    }
    println!("{:32} {} ms for {} keys", "load", started.elapsed().as_millis(), copy.len());
    keyspace.clear();
    let (mut longest, started) = (0, Instant::now());
    loop {
        let slice = Instant::now();
        let done = keyspace.reclaim(1000);
        longest = longest.max(slice.elapsed().as_micros());
        if done {
            break;
        }
    }
    println!("{:32} {} ms, longest slice of 1000 {longest} us", "free", started.elapsed().as_millis());
}
