//! When small encodings of values give way.

use crate::settings::kind::{Access, Kind};
use crate::settings::setting::{Section, Setting};

pub(super) static ROWS: &[Setting] = &[
    Setting::new(
        "hash-max-listpack-entries",
        integer!(hash_max_listpack_entries: u64, 0, i64::MAX as i128),
        "512",
        "Fields up to which a hash is kept in its small form.",
    )
    .aliases(&["hash-max-ziplist-entries"])
    .shared()
    .within(Section::Encoding),
    Setting::new(
        "hash-max-listpack-value",
        Kind::Bytes { range: 0..=i64::MAX.cast_unsigned(), field: field!(hash_max_listpack_value) },
        "64",
        "Longest field or value of a hash in its small form.",
    )
    .aliases(&["hash-max-ziplist-value"])
    .shared()
    .within(Section::Encoding),
    Setting::new(
        "set-max-intset-entries",
        integer!(set_max_intset_entries: u64, 0, i64::MAX as i128),
        "512",
        "Members up to which a set of integers is kept as a row of numbers.",
    )
    .shared()
    .within(Section::Encoding),
    Setting::new(
        "set-max-listpack-entries",
        integer!(set_max_listpack_entries: u64, 0, i64::MAX as i128),
        "128",
        "Members up to which a set is kept in its small form.",
    )
    .shared()
    .within(Section::Encoding),
    Setting::new(
        "set-max-listpack-value",
        integer!(set_max_listpack_value: u64, 0, i64::MAX as i128),
        "64",
        "Longest member of a set in its small form.",
    )
    .shared()
    .within(Section::Encoding),
    Setting::new(
        "list-max-listpack-size",
        integer!(list_max_listpack_size: i64, i32::MIN as i128, i32::MAX as i128),
        "-2",
        "Elements up to which a list is kept in its small form; from -1 to -5, 4, 8, 16, 32 or 64 KiB of them.",
    )
    .aliases(&["list-max-ziplist-size"])
    .shared()
    .within(Section::Encoding),
    Setting::new(
        "zset-max-listpack-entries",
        integer!(zset_max_listpack_entries: u64, 0, i64::MAX as i128),
        "128",
        "Members up to which a sorted set is kept in its small form.",
    )
    .aliases(&["zset-max-ziplist-entries"])
    .shared()
    .within(Section::Encoding),
    Setting::new(
        "zset-max-listpack-value",
        Kind::Bytes { range: 0..=i64::MAX.cast_unsigned(), field: field!(zset_max_listpack_value) },
        "64",
        "Longest member of a sorted set in its small form.",
    )
    .aliases(&["zset-max-ziplist-value"])
    .shared()
    .within(Section::Encoding),
    Setting::new(
        "hll-sparse-max-bytes",
        Kind::Bytes { range: 0..=i64::MAX.cast_unsigned(), field: field!(hll_sparse_max_bytes) },
        "3000",
        "Length up to which a HyperLogLog is kept in its sparse form.",
    )
    .shared()
    .within(Section::Encoding),
];
