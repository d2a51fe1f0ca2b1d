//! A node as a value: sessions, routing, partitions, publish and subscribe, and everything a request passes
//! between its bytes and its reply.
//!
//! A node is a number of [`Worker`]s. Each owns partitions and client sessions; they talk by [`Message`]s. A
//! worker does no I/O, starts no thread, reads no clock and draws no randomness of its own: a shell gives it
//! events and the time, and takes an [`Outbox`] of things to do. `server` is the shell of sockets and disks,
//! `sim` the simulated one.
//!
//! Reading order: [`worker`](Worker) (the turn), `dispatch` (admission), `data` (requests for keys),
//! [`partition`](Partition) (the one write path), `borrow` (several partitions at once), `output` (replies in
//! order). Everything else is a family of commands.
//!
//! Does not know: sockets, files, the log's format on disk beyond the bytes of its [`entry`]s.

mod acks;
pub mod acl;
mod acl_command;
mod acl_log;
mod admin;
mod beats;
mod blocks;
mod borrow;
mod caches;
mod checkpoint;
mod client;
mod clock;
mod cluster_check;
mod cluster_view;
mod commits;
mod connection;
mod data;
mod dispatch;
mod doubt;
mod drive;
pub mod entry;
mod errand;
mod eviction;
mod expiry;
mod fabric;
mod fabric_command;
mod fabric_txn;
mod gather;
mod handover;
mod held_tries;
mod hints;
mod histogram;
mod holds;
mod host;
mod hot_keys;
mod info;
mod input;
mod inspect;
mod interest;
mod introspect;
mod keyspace;
mod latency;
mod lease;
mod levels;
mod memory;
mod memory_command;
mod message;
mod meta;
pub mod metrics;
mod monitor;
mod node_command;
mod notify;
mod numbered;
mod operations;
mod other_cluster;
mod outbox;
mod output;
mod owed;
mod pace;
mod partition;
mod password_jobs;
mod patience;
mod pause;
mod peer_frame;
mod peers;
#[cfg(narf_plant)]
mod planted;
mod pubsub;
mod read_level;
mod reconcile;
mod recovering;
mod recovering_meta;
mod recovery;
mod redirect;
mod replay_tail;
mod replica;
mod report;
mod rescue;
mod rights;
mod room;
mod router;
mod scatter;
mod scrub;
mod session;
pub mod settings;
mod shared_password;
mod shared_settings;
mod shrink;
mod slot_keys;
mod slot_map;
mod slowlog;
mod sparse_max;
mod spread;
mod stats;
mod steps;
mod timeouts;
mod trackers;
mod tracking;
mod transfer;
mod tries;
mod txn;
mod users;
mod waiters;
mod waits;
mod ways;
mod whole;
mod window;
mod wire;
mod witness;
mod worker;

pub use clock::company;
pub use eviction::Pressure;
pub use host::{Clock, Facts, Host, Invitation, TlsFigures};
pub use memory::{Allocator, MemoryUse};
pub use message::Message;
pub use other_cluster::{JoinWay, JoinWish};
pub use outbox::{CheckpointDone, CheckpointWrite, Control, Outbox};
pub use partition::{Partition, ReplayError};
pub use peer_frame::{FrameError, check_peer_frame};
pub use recovering::RecoveringPartition;
pub use recovering_meta::RecoveredMeta;
pub use recovery::{Recovery, RecoveryError};
pub use report::{FabricView, Report};
pub use rescue::{Doubt, RESCUED, Remainder, Rescue, RescueError, RescuedState, Standing};
pub use router::Router;
pub use session::{Peer, SessionRef};
pub use shared_password::Guard;
pub use users::StartUsers;
pub use witness::{Stranded, check_kept};
pub use worker::{AfterSend, FabricSetup, Worker, WorkerSetup, is_whole};
