//! Any bytes as a piece of a ledger of numbered requests, which checkpoints and transfers carry. The properties are those of
//! the crate's own tests.
#![no_main]

#[path = "../../crates/engine/tests/checks/ledger.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    checks::check_bytes(data);
});
