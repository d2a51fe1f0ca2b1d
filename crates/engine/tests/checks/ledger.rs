//! What must hold for any bytes that are loaded as a piece of a ledger; the fuzz target `ledger` checks the same.

use engine::Ledger;

/// They are refused, or what was made of them writes itself as bytes that read back as the same; whether they were taken.
pub(crate) fn check_bytes(bytes: &[u8]) -> bool {
    let mut ledger = Ledger::default();
    if ledger.load(bytes).is_err() {
        return false;
    }
    ledger.check_invariants();
    let mut again = Ledger::default();
    ledger.encode(100).iter().for_each(|piece| again.load(piece).expect("it was written by this program"));
    again.check_invariants();
    assert_eq!(again, ledger);
    true
}
