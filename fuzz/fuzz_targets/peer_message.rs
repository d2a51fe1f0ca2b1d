//! Any bytes to the decoders of peers' messages, and what they read to a group. The properties are those of the
//! crate's own tests.
#![no_main]

#[path = "../../crates/raft/tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::check_bytes(data));
