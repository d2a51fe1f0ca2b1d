//! Any bytes to `RESTORE`, as they are and with an envelope of their own. The properties are those of the crate's own
//! tests.
#![no_main]

#[path = "../../crates/engine/tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::check_bytes(data));
