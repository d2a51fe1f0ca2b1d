//! The simulated shell: one node or a cluster under simulated networks, disks and clocks, everything from one seed.
//!
//! ```
//! use sim::{Options, World};
//!
//! let options = Options { ticks: 200, keep_trace: false };
//! let (report, _) = World::run(1, options);
//! assert_eq!(report.violation, None);
//! assert_eq!(report, World::run(1, options).0); // A seed is replayed exactly.
//! ```
//!
//! Main types: [`World`] (a run of one node), [`ClusterWorld`] (of several), [`Plan`] (what a seed decides beforehand), [`SimDisk`](disk::SimDisk),
//! [`Oracle`](oracle::Oracle) (what clients were told, and whether it can be true).
//!
//! Reading order: `world` (a run), `life` (one process: the server's part, step by step), `desk` (its disk
//! thread), `client` and `workload`, `oracle` and `invariants`; then `cluster` (a run of several nodes: `machine`,
//! `wires`, `client` and `judge`).
//!
//! Invariants: no clock, no thread, no randomness but the seed's; the oracle sees what clients see and nothing
//! else. Does not know: what is inside a worker.

mod client;
mod clock;
mod cluster;
mod desk;
pub mod disk;
mod host;
mod invariants;
mod life;
mod net;
pub mod oracle;
mod plan;
mod start;
mod trace;
mod workload;
mod world;

pub use clock::{Clock, Window};
pub use cluster::ClusterWorld;
pub use plan::{Kind, Plan};
pub use trace::Trace;
pub use world::{Options, Report, World};
