//! Sparse registers of any form under every command that reads them. The properties are those of the crate's own tests.
#![no_main]

#[path = "../../crates/engine/tests/checks/registers.rs"]
mod registers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    registers::check_registers(data);
});
