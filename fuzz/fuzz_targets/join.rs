//! Any bytes to what reads the words of strangers at the port for nodes and the pieces on a link: hellos, requests to be let in, and their
//! answers. The properties are those of the crate's own tests.
#![no_main]

#[path = "../../crates/server/tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::check_bytes(data));
