//! Ledgers of numbered requests from damaged bytes.

#[path = "checks/ledger.rs"]
mod checks;

use base::{DbIndex, KeyHasher, Millis, Random, Request};
use command::DataCommand;
use engine::{Keyspace, Ledger, Numbered, NumberedRequest, SessionId, Store, numbered_words};
use resp::{Reply, Version};

/// A ledger of some sessions.
fn ledger() -> Ledger {
    let (mut keyspace, mut ledger) = (Keyspace::new(KeyHasher::new(1)), Ledger::default());
    for number in 1..60 {
        let session = SessionId::new(Millis(10), [number % 5, 1]);
        let which = Numbered { session, number, digest: number, version: Version::Resp2 };
        let echo = Request::from_parts([
            "append".to_owned(),
            format!("k{}", number % 7),
            "x".repeat(number as usize),
        ]);
        let request = Request::from_parts(numbered_words(&which, NumberedRequest::One(echo.args())));
        let mut store = Store::new(&mut keyspace, DbIndex::ZERO, Millis(20 + number), 1);
        store.ledger = Some(&mut ledger);
        let mut out = Vec::new();
        engine::execute(
            DataCommand::NarfOnce,
            request.args(),
            &mut store,
            &mut Reply::new(&mut out, Version::Resp2),
        );
        assert!(out.starts_with(b":"), "{}", String::from_utf8_lossy(&out));
    }
    ledger
}

#[test]
fn any_bytes_load_or_are_refused() {
    let ledger = ledger();
    assert_eq!(ledger.sessions(), 5);
    let piece = ledger.encode(usize::MAX).remove(0);
    assert!(checks::check_bytes(&piece));
    let (mut random, mut taken) = (Random::new(2), 0);
    for _ in 0..20_000 {
        let mut damaged = piece.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(damaged.len() as u64) as usize;
            damaged[at] = random.next_u64() as u8;
        }
        damaged.truncate(piece.len() - random.below(2) as usize * random.below(piece.len() as u64) as usize);
        taken += usize::from(checks::check_bytes(&damaged));
    }
    assert!((1000..19_000).contains(&taken), "{taken} were taken: some damage shows, some does not");
}
