//! Any bytes as rules of a user and as a file of users. The properties are those of the crate's own tests.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| node::acl::check_rules(data));
