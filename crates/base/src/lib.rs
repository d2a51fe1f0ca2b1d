//! The words every other crate shares: ids, time, seeded randomness, hashes, and a view over argument bytes.
//!
//! Knows nothing of commands, sockets or disks, and draws on nothing outside its arguments: no clock, no
//! entropy. Everything here is small, `Copy` where it can be, and checked once when it is made.

mod allocation;
mod args;
mod collections;
mod common_wall;
mod cursor;
mod hash;
mod id;
mod number;
#[cfg(narf_plant)]
pub mod plant;
mod random;
mod steady_wall;
mod time;

pub use allocation::{allocated, round_up};
pub use args::{Args, Request, Span};
pub use collections::{HashMap, HashSet};
pub use common_wall::{CommonWall, Company, SettledBy, TimeWord};
pub use cursor::{Cursor, Short};
pub use hash::{KeyHasher, checksum, slot_of};
pub use id::{AckLevel, ConnId, DbIndex, NodeId, PartitionId, Slot, WorkerId};
pub use number::{I64_TEXT_MAX, format_i64, parse_i64};
pub use random::Random;
pub use steady_wall::{ClockState, Hands, SteadyWall};
pub use time::{Millis, Now};

#[cfg(all(narf_plant, not(debug_assertions)))]
compile_error!(
    "bugs are planted only in builds with debug assertions: unset `--cfg narf_plant`, or build the dev profile"
);
