//! One partition's data and what every data command does to it.
//!
//! A [`Keyspace`] is one database's part in one partition. A command sees it through a [`Store`], which knows the time
//! and hides what has lapsed. Everything is deterministic: the same requests with the same times and seeds on the
//! same state give the same bytes. Does not know: I/O, clocks, replication, sessions.
//!
//! ```
//! # use base::{DbIndex, KeyHasher, Millis};
//! # use engine::{Keyspace, NewDeadline, NewValue, Store};
//! let mut keyspace = Keyspace::new(KeyHasher::new(1));
//! let mut store = Store::new(&mut keyspace, DbIndex::ZERO, Millis(1_000), 7);
//! store.set(b"key", NewValue::Text(b"value"), NewDeadline::At(Millis(2_000)));
//! assert!(store.contains(b"key"));
//! store.now = Millis(2_000);
//! assert!(!store.contains(b"key"), "absent, though it is deleted only by a logged request");
//! ```
//!
//! | module | is |
//! |---|---|
//! | `table` | entries of one allocation each, behind one pointer a slot; the only `unsafe` |
//! | `value` | what a key can hold |
//! | `tree` | members in order, for big sets and sorted sets |
//! | `keyspace`, `edit` | the keys and all that is kept about them; one entry opened for change |
//! | `double`, `extended` | the numbers of sorted sets, and of `INCRBYFLOAT` |
//! | `geohash` | positions on Earth as scores |
//! | `hyperloglog` | strings that count different elements |
//! | `expire`, `watch`, `awaited`, `noted`, `clock` | deadlines, watched and awaited keys, changes, access clocks |
//! | `walk`, `record` | checkpoints in slices, keys as bytes |
//! | `digest`, `image_digest` | comparison of replicas: of all at once, and of what a walk gives |
//! | `event` | what commands tell that they did to keys |
//! | `ledger` | numbered requests that ran, and what they were answered |
//! | `evict` | which keys go first when memory runs short |
//! | `rdb` | values in Redis's own form |
//! | `grave` | memory of what was deleted, given back in slices |
//! | `store` | what one command sees |
//! | `execute`, `family` | what each command does |
//!
//! Reading order: [`ValueRef`], [`Entry`], [`Keyspace`], [`Store`], [`EntryMut`], [`execute`].

mod awaited;
mod clock;
mod digest;
mod double;
mod edit;
mod error;
mod event;
mod evict;
mod execute;
mod expire;
mod extended;
mod family;
mod geohash;
pub mod glob;
mod grave;
mod hyperloglog;
mod image_digest;
mod keyspace;
mod ledger;
mod member_ahead;
mod noted;
pub mod rdb;
mod record;
mod redis_digest;
mod store;
mod table;
mod tree;
mod value;
mod walk;
mod watch;

pub use clock::{Access, Clocks, UseCounting};
pub use edit::EntryMut;
pub use error::RequestError;
pub use event::{Class, Classes, Event, Events};
pub use evict::{Candidate, Pool, Ranking};
pub use execute::{check, execute};
pub use family::blocking::Patience;
pub use family::hyperloglog::SPARSE_MAX;
pub use family::once::{NumberedRequest, numbered_commands, numbered_words};
pub use family::scan::{ScanOptions, ScanOver, parse_cursor};
pub use family::sort::{SortPattern, sort_patterns, sorted_bytes};
pub use hyperloglog::self_test as hyperloglog_self_test;
pub use image_digest::ImageDigest;
pub use keyspace::{Keyspace, KindSum, Lookups};
pub use ledger::{Ledger, LedgerWalk, Numbered, SessionId, Verdict};
pub use member_ahead::MemberAhead;
pub use record::{RecordError, encode_entry};
pub use redis_digest::{Digest, key_digest};
pub use store::{Hashed, KeyspaceSet, Keyspaces, Store};
pub use table::Entry;
pub use value::{
    Draws, Encoding, End, Field, HashIter, HashMut, HashRef, Kind, Limits, ListIter, ListMut, ListRef,
    Member, NewDeadline, NewValue, SetIter, SetMut, SetRef, ValueRef, ZSetIter, ZSetMut, ZSetRef,
};
pub use watch::WatchStamp;
