//! What holds for any bytes of a peer; run by the tests of this crate and by the fuzz target `peer_message`.

use raft::{Entry, EntryId, Group, GroupConfig, HardState, Members, Message, Payload, Recovered};

/// Decoders refuse or read bytes, what they read has one form, and a group survives it.
pub(crate) fn check_bytes(bytes: &[u8]) {
    let mut again = Vec::new();
    if let Ok(entry) = Entry::decode(bytes) {
        entry.encode_into(&mut again);
        assert_eq!(again, bytes, "an entry has one form");
    }
    again.clear();
    if let Ok(members) = Members::decode(bytes) {
        members.encode_into(&mut again);
        assert_eq!(again, bytes, "members have one form");
    }
    again.clear();
    if let Ok(message) = Message::decode(bytes) {
        message.encode_into(&mut again);
        assert_eq!(again, bytes, "a message has one form");
        run_messages(group(), [message]);
    }
}

/// Far more than the promise, which trusts an admitted peer to follow the protocol: none of it panics.
pub(crate) fn run_messages(mut group: Group, messages: impl IntoIterator<Item = Message>) {
    for message in messages {
        // Refused or not, the group goes on.
        let _ = group.step(message);
        while let Some(ready) = group.ready() {
            let _ = group.advance(ready);
        }
    }
}

/// Replica 1 of three, in the middle of a log.
pub(crate) fn group() -> Group {
    let entry = |index| Entry { id: EntryId { term: 2, index }, payload: Payload::Data(vec![1].into()) };
    let recovered = Recovered {
        hard: HardState { term: 2, vote: 0, commit: 6 },
        members: Members { voters: vec![1, 2, 3], ..Members::default() },
        snapshot: EntryId { term: 1, index: 4 },
        last: EntryId { term: 2, index: 8 },
        applied: 4,
        tail: (5..=8).map(entry).collect(),
    };
    Group::recover(GroupConfig::new(1, 0, 9), recovered).expect("the state is consistent")
}
