//! Hash maps whose order depends only on what was put in, so that two replicas iterate alike.
//!
//! For small internal maps. Data that strangers name lives in `engine::table`, which is keyed by a secret seed.

use std::hash::BuildHasherDefault;

/// Deterministic hasher: same keys, same order, every run.
pub(crate) type Hasher = rapidhash::fast::RapidHasher<'static>;

/// A hash map with a fixed seed.
#[expect(clippy::disallowed_types, reason = "this is the allowed form: the hasher is fixed")]
pub type HashMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<Hasher>>;

/// A hash set with a fixed seed.
#[expect(clippy::disallowed_types, reason = "this is the allowed form: the hasher is fixed")]
pub type HashSet<K> = std::collections::HashSet<K, BuildHasherDefault<Hasher>>;
