//! Any bytes to the decoders of peers' frames and of the log's records. The properties are those of the crate's own
//! tests.
#![no_main]

#[path = "../../crates/node/tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::check_bytes(data));
