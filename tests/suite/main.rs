//! The black-box suite: one file a topic.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "tests wait for real servers and may fail loudly"
)]

mod strings;
