//! What must hold for sparse registers of any form under every command that reads them; the fuzz target `hyperloglog`
//! checks the same.

use base::{DbIndex, KeyHasher, Millis, Request};
use command::{Lookup, Run};
use engine::{Keyspace, NewDeadline, NewValue, Store, execute};
use resp::{Reply, Version};

fn run(store: &mut Store<'_>, words: &[&[u8]]) -> Vec<u8> {
    let request = Request::from_parts(words);
    let Lookup::Found(spec) = command::lookup(request.args()) else { panic!("a command of ours") };
    let Run::Data(command) = spec.run else { panic!("of the engine") };
    let mut out = Vec::new();
    execute(command, request.args(), store, &mut Reply::new(&mut out, Version::Resp2));
    out
}

/// Registers are refused as a whole, or are a HyperLogLog that takes elements and keeps its promises; whether they are.
pub(crate) fn check_registers(data: &[u8]) -> bool {
    let value = [b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80", data].concat();
    let mut keyspace = Keyspace::new(KeyHasher::new(1));
    let mut store = Store::new(&mut keyspace, DbIndex::ZERO, Millis(1), 1);
    store.set(b"h", NewValue::Text(&value), NewDeadline::Clear);
    let count = run(&mut store, &[b"PFCOUNT", b"h"]);
    let is_whole = count.starts_with(b":");
    assert!(is_whole || count == b"-INVALIDOBJ Corrupted HLL object detected\r\n");
    for request in [
        [b"PFMERGE".as_slice(), b"to", b"h"].as_slice(),
        &[b"PFCOUNT", b"h", b"none"],
        &[b"narf.pfadd", b"60", b"h", data, b"a", b"b"],
        &[b"PFADD", b"h", b"c", b"d", data],
        &[b"PFDEBUG", b"DECODE", b"to"],
        &[b"PFDEBUG", b"GETREG", b"h"],
    ] {
        let answer = run(&mut store, request);
        assert!(is_whole || answer.starts_with(b"-"), "{request:?}");
        assert!(!is_whole || !answer.starts_with(b"-INVALIDOBJ"), "{request:?}");
    }
    if is_whole {
        // Nothing is lost by a merge, and the two forms count alike.
        assert_eq!(run(&mut store, &[b"PFCOUNT", b"to"]), count);
        assert_eq!(run(&mut store, &[b"PFADD", b"h", b"a", b"b", b"c", b"d", data]), b":0\r\n");
    }
    keyspace.check_invariants();
    is_whole
}
