//! Any bytes to the decoders of the cluster's commands, state and tokens. The properties are those of the crate's own
//! tests.
#![no_main]

#[path = "../../crates/cluster/tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::check_bytes(data));
