//! Bytes of entries and messages: one form each, and no bytes that panic.

mod checks;

use proptest::collection::vec;
use proptest::prelude::*;
use raft::{Change, DecodeError, Entry, EntryId, Members, Message, MessageKind, Payload};

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..8u64, 0..(1u64 << 62)]
}

fn change() -> impl Strategy<Value = Change> {
    (0..3u8, 1..9u64).prop_map(|(kind, id)| match kind {
        0 => Change::AddVoter(id),
        1 => Change::AddLearner(id),
        _ => Change::Remove(id),
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    let payload = prop_oneof![
        vec(any::<u8>(), 0..40).prop_map(|data| Payload::Data(data.into())),
        vec(change(), 0..4).prop_map(Payload::Change),
    ];
    (number(), number(), payload)
        .prop_map(|(term, index, payload)| Entry { id: EntryId { term, index }, payload })
}

/// The bytes of a message, written here a second time from its documentation.
fn message_bytes() -> impl Strategy<Value = Vec<u8>> {
    let head = (0..MessageKind::ALL.len() as u8, any::<bool>(), 1..4u64, 1..4u64, 0..5u64);
    let numbers = proptest::array::uniform5(prop_oneof![Just(0), 1..12u64]);
    let bodies = (vec(any::<u8>(), 0..20), vec(entry(), 0..4), 0..12u64, vec(any::<u8>(), 0..20));
    (head, numbers, bodies).prop_map(|(head, numbers, (context, entries, at, data))| {
        let (kind, reject, to, from, term) = head;
        let mut fields = 0u16;
        for (bit, &number) in numbers.iter().enumerate() {
            fields |= u16::from(number != 0) << bit;
        }
        fields |= u16::from(!context.is_empty()) << 5 | u16::from(!entries.is_empty()) << 6;
        let mut out = vec![kind, u8::from(reject)];
        out.extend(fields.to_le_bytes());
        for number in [to, from, term].into_iter().chain(numbers.into_iter().filter(|&n| n != 0)) {
            out.extend(number.to_le_bytes());
        }
        if !context.is_empty() {
            out.extend((context.len() as u32).to_le_bytes());
            out.extend(&context);
        }
        if !entries.is_empty() {
            out.extend((entries.len() as u32).to_le_bytes());
            for entry in &entries {
                entry.encode_into(&mut out);
            }
        }
        if kind == MessageKind::Snapshot as u8 {
            out.extend(1u64.to_le_bytes());
            out.extend(at.to_le_bytes());
            Members { voters: vec![1, 2, 3], ..Members::default() }.encode_into(&mut out);
            out.extend((data.len() as u32).to_le_bytes());
            out.extend(&data);
        }
        out
    })
}

proptest! {
    #[test]
    fn an_entry_comes_back_from_its_bytes(entry in entry()) {
        let mut bytes = Vec::new();
        entry.encode_into(&mut bytes);
        prop_assert_eq!(Entry::decode(&bytes).unwrap(), entry);
    }

    #[test]
    fn a_message_comes_back_from_its_bytes_and_they_from_it(bytes in message_bytes()) {
        let message = Message::decode(&bytes).unwrap();
        let mut again = Vec::new();
        message.encode_into(&mut again);
        prop_assert_eq!(&again, &bytes);
        prop_assert_eq!(Message::decode(&again).unwrap(), message);
    }

    #[test]
    fn what_decodes_at_all_encodes_to_the_same_bytes(
        bytes in message_bytes(), at in any::<prop::sample::Index>(), to in any::<u8>(),
    ) {
        let mut bytes = bytes;
        let at = at.index(bytes.len());
        bytes[at] = to;
        checks::check_bytes(&bytes);
    }

    #[test]
    fn no_prefix_of_a_message_is_one(bytes in message_bytes()) {
        for len in 0..bytes.len() {
            prop_assert!(Message::decode(&bytes[..len]).is_err());
        }
    }

    #[test]
    fn no_bytes_panic_the_decoders(bytes in vec(any::<u8>(), 0..200)) {
        checks::check_bytes(&bytes);
    }

    #[test]
    fn no_run_of_messages_panics_a_group(run in vec(message_bytes(), 1..30), ticks in 0..40u32) {
        let mut group = checks::group();
        for _ in 0..ticks {
            group.tick();
        }
        checks::run_messages(group, run.iter().map(|bytes| Message::decode(bytes).unwrap()));
    }
}

#[test]
fn counts_and_numbers_that_no_frame_can_hold_are_refused() {
    let mut bytes = Vec::new();
    let id = EntryId { term: 1, index: 2 };
    Entry::encode_data_into(id, b"data", &mut bytes);
    let mut long = bytes.clone();
    long[17..21].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(Entry::decode(&long), Err(DecodeError::Short));
    let mut late = bytes.clone();
    late[1..9].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(Entry::decode(&late), Err(DecodeError::TooLarge { number: u64::MAX }));
    bytes.push(0);
    assert_eq!(Entry::decode(&bytes), Err(DecodeError::Trailing { bytes: 1 }));
}

#[test]
fn members_that_the_engine_cannot_live_with_are_refused() {
    let good = Members {
        voters: vec![1, 2],
        learners: vec![4],
        voters_outgoing: vec![2, 3],
        learners_next: vec![3],
        auto_leave: true,
    };
    let bytes = |members: &Members| {
        let mut bytes = Vec::new();
        members.encode_into(&mut bytes);
        bytes
    };
    assert_eq!(Members::decode(&bytes(&good)).unwrap(), good);
    for bad in [
        Members { learners: vec![2], ..good.clone() },
        Members { learners_next: vec![2], ..good.clone() },
        Members { voters: vec![2, 1], ..good.clone() },
        Members { voters: vec![], ..good.clone() },
        Members { voters: vec![0, 1], ..good.clone() },
        Members { auto_leave: true, ..Members::lone(1) },
    ] {
        assert!(matches!(Members::decode(&bytes(&bad)), Err(DecodeError::NotCanonical(_))), "{bad:?}");
    }
}
