//! What holds for any bytes that a peer, a disk or a person gives; run by the tests of this crate and by the fuzz
//! target `cluster`.

use base::Millis;
use cluster::{Command, JoinToken, Meta};

/// Decoders refuse or read bytes, what they read has one form, and a state survives every command.
pub(crate) fn check_bytes(bytes: &[u8]) {
    if let Ok(command) = Command::decode(bytes) {
        assert_eq!(command.encode(), bytes, "a command has one form");
        check_command(&mut Meta::new(), &command);
    }
    if let Ok(meta) = Meta::decode(bytes) {
        assert_eq!(meta.encode(), bytes, "a state has one form");
        meta.check_invariants();
    }
    if let Some(token) = std::str::from_utf8(bytes).ok().and_then(|text| JoinToken::parse(text).ok()) {
        assert_eq!(JoinToken::parse(&token.text()).as_ref(), Ok(&token), "a token comes back from its text");
    }
}

/// Applied or refused whole, with the rules kept, and the same again on another node.
pub(crate) fn check_command(meta: &mut Meta, command: &Command) {
    let (before, mut other) = (meta.clone(), meta.clone());
    let result = meta.apply(command, Millis(1000));
    assert_eq!(meta.check(), Ok(()), "after {command:?}");
    assert_eq!(other.apply(command, Millis(1000)), result);
    assert_eq!(*meta, other);
    if result.is_err() {
        assert_eq!(*meta, before, "a refused command changes nothing");
    }
}
