//! Any edits to the files of a log, then recovery; and any bytes as the file that says a folder's level. The properties are
//! those of the crate's own tests.
#![no_main]

#[path = "../../crates/log/tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    checks::check_bytes(data);
    checks::check_level(data);
});
