//! Any requests, nearly right ones among them, to a whole node. The properties are those of the crate's own tests.
//!
//! `NARF_STORY=1` tells what an input does.
#![no_main]
#![expect(dead_code, reason = "only a part of what the tests drive a node with")]

#[path = "../../crates/node/tests/node/any_requests.rs"]
mod any_requests;
#[path = "../../crates/node/tests/node/net.rs"]
mod net;

libfuzzer_sys::fuzz_target!(|data: &[u8]| any_requests::check_bytes(data));
