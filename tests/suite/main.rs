//! The black-box suite: one file a topic. See the harness in `src/lib.rs` for how servers are started.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests wait for real servers, measure time, fail loudly and say what they measured"
)]

mod advisories;
mod auth;
mod bitmaps;
mod chaos;
mod cli;
mod clients;
mod clock;
mod cluster;
mod compatibility;
mod conditions;
mod config;
mod descriptors;
mod differential;
mod discovery;
mod dump;
mod durability;
mod events;
mod examples;
mod expiry;
mod fields;
mod full_disk;
mod generic;
mod geo;
mod getting_ready;
mod hash;
mod http;
mod hyperloglogs;
mod info;
mod introspection;
mod large_values;
mod lifecycle;
mod lists;
mod memory;
mod moving;
mod nodes;
mod notifications;
mod other_cluster;
mod peers;
mod planned_stops;
mod protocol;
mod pubsub;
mod readme;
mod real_clients;
mod recent;
mod redirects;
mod rescue;
mod scan;
mod scope;
mod sets;
mod sort;
mod sorted_sets;
mod strings;
mod tls;
mod tracking;
mod transactions;
mod turns;
mod users;
mod users_differential;
mod witness;
