//! A node's workers together, without sockets, disks or threads: see [`net`].

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test fails by panicking")]

mod any_requests;
mod beats;
mod blocking;
mod borrowing;
mod cache;
mod clients;
mod cluster;
mod cluster_keys;
mod cluster_pubsub;
mod cluster_tracking;
mod cluster_waits;
mod cluster_world;
mod durability;
mod earlier;
mod hot_keys;
mod keyspace;
mod lead_changes;
mod levels;
mod limits;
mod membership;
mod memory;
mod net;
mod notify;
mod order;
mod power;
mod pubsub;
mod quorum_loss;
mod read_levels;
mod recovery;
mod redirects;
mod rescue;
mod scrub;
mod sessions;
mod shared_password;
mod shared_settings;
mod slot_maps;
mod time;
mod tracking;
mod transactions;
mod turns;
mod users;
mod watchers;
mod ways;
mod witness;
