//! What must hold for any bytes that are given to `RESTORE`; the fuzz target `payload` checks the same.

use base::{DbIndex, KeyHasher, Millis, Request};
use command::DataCommand;
use engine::{Keyspace, Store, execute, rdb};
use resp::{Reply, Version};

const NOW: Millis = Millis(1_700_000_000_000);

fn ask(keyspace: &mut Keyspace, command: DataCommand, words: &[&[u8]]) -> Vec<u8> {
    let mut request = Request::new();
    words.iter().for_each(|word| request.push(word));
    let mut out = Vec::new();
    let mut store = Store::new(keyspace, DbIndex::ZERO, NOW, 1);
    execute(command, request.args(), &mut store, &mut Reply::new(&mut out, Version::Resp2));
    out
}

/// The bytes of a bulk string.
fn bulk(reply: &[u8]) -> &[u8] {
    let line = reply.windows(2).position(|two| two == b"\r\n").expect("a reply has a line") + 2;
    &reply[line..reply.len() - 2]
}

/// A value, without its envelope: it is refused and nothing changed, or what was made of it comes out the same after a
/// second journey.
pub(crate) fn check_value(value: &[u8]) -> bool {
    let mut keyspace = Keyspace::new(KeyHasher::new(1));
    let mut payload = value.to_vec();
    rdb::seal(&mut payload);
    let reply = ask(&mut keyspace, DataCommand::Restore, &[b"restore", b"k", b"0", &payload]);
    keyspace.check_invariants();
    if reply == b"-ERR Bad data format\r\n" {
        assert!(keyspace.is_empty() && keyspace.changes() == 0, "what is refused changes nothing");
        return false;
    }
    assert_eq!(reply, b"+OK\r\n", "{}", String::from_utf8_lossy(&reply));
    if keyspace.is_empty() {
        // All its fields were past their deadlines.
        return true;
    }
    let digest = keyspace.digest_value(b"k", NOW);
    let again = ask(&mut keyspace, DataCommand::Dump, &[b"dump", b"k"]);
    let words: [&[u8]; 5] = [b"restore", b"k", b"0", bulk(&again), b"replace"];
    assert_eq!(ask(&mut keyspace, DataCommand::Restore, &words), b"+OK\r\n");
    assert_eq!(keyspace.digest_value(b"k", NOW), digest, "a second journey changes nothing");
    keyspace.check_invariants();
    true
}

/// Any bytes, as they are and with an envelope of their own around them.
pub(crate) fn check_bytes(bytes: &[u8]) {
    let mut keyspace = Keyspace::new(KeyHasher::new(1));
    let reply = ask(&mut keyspace, DataCommand::Restore, &[b"restore", b"k", b"0", bytes]);
    assert!(reply == b"+OK\r\n" || keyspace.changes() == 0, "what is refused changes nothing");
    check_value(bytes);
}
